//! Inodes: what each refers to, and the compact table that names are held against.

use super::extents::Covered;
use super::finding::{Place, Problem};
use super::nodes::number_of;
use super::{Check, OnStep};
use crate::format::{ContentNo, InodeData, InodeRecord, KindByte, TreeKind};
use crate::fs::ROOT_INO;
use crate::store::StoreError;

/// What is to be remembered of each inode, in columns: 17 bytes, 25 for a directory.
#[derive(Debug, Default)]
pub(super) struct Inodes {
    /// Numbers, rising.
    pub(super) numbers: Vec<u64>,
    pub(super) links: Vec<u32>,
    /// Names met; of a directory, subdirectories met.
    pub(super) met: Vec<u32>,
    pub(super) flags: Vec<Flags>,
    /// Directories, by index, and the number of the directory each is in.
    dirs: Vec<(u32, u64)>,
}

/// Type and marks of an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    pub(super) kind: KindByte,
    /// A path leads to it.
    pub(super) reached: bool,
    /// A directory that has a name.
    pub(super) named: bool,
}

impl Inodes {
    /// The index of an inode.
    pub(super) fn find(&self, number: u64) -> Option<usize> {
        // Numbers without gaps, as mkfs gives them, need no search.
        let guess = number.checked_sub(*self.numbers.first()?)? as usize;
        match self.numbers.get(guess) {
            Some(&found) if found == number => Some(guess),
            _ => self.numbers.binary_search(&number).ok(),
        }
    }

    /// Whether the inode at `index` is a directory.
    pub(super) fn is_dir(&self, index: usize) -> bool {
        self.flags[index].kind == KindByte::DIRECTORY
    }

    /// The number of the directory that a directory says it is in.
    pub(super) fn parent(&self, index: usize) -> Option<u64> {
        let at = self.dirs.binary_search_by_key(&(index as u32), |(dir, _)| *dir).ok()?;
        Some(self.dirs[at].1)
    }

    fn push(&mut self, number: u64, record: &InodeRecord) {
        if let InodeData::Directory { parent } = record.data {
            self.dirs.push((self.numbers.len() as u32, parent));
        }
        self.numbers.push(number);
        self.links.push(record.nlink);
        self.met.push(0);
        let kind = record.data.kind();
        self.flags.push(Flags { kind, reached: number == ROOT_INO, named: false });
    }

    /// Marks the directories whose way up ends at the root.
    fn reach_dirs(&mut self) {
        // Directories on a way that was followed to an end before.
        let mut settled = vec![false; self.dirs.len()];
        let mut way = Vec::new();
        for start in 0..self.dirs.len() {
            let mut at = start;
            let reached = loop {
                let (index, parent) = self.dirs[at];
                if settled[at] || self.flags[index as usize].reached {
                    break self.flags[index as usize].reached;
                }
                settled[at] = true;
                way.push(at);
                let up = self.find(parent).map(|index| index as u32);
                match up.and_then(|up| self.dirs.binary_search_by_key(&up, |(dir, _)| *dir).ok()) {
                    Some(next) => at = next,
                    None => break false,
                }
            };
            for at in way.drain(..) {
                let index = self.dirs[at].0 as usize;
                self.flags[index].reached = reached;
            }
        }
    }
}

impl Check<'_> {
    /// Checks every inode; `sets` are the xattr sets that exist.
    pub(super) fn check_inodes(
        &mut self,
        covered: &Covered,
        sets: &[u64],
        step: &mut OnStep<'_>,
    ) -> Inodes {
        let mut inodes = Inodes::default();
        let (mut highest, mut file_bytes) = (0, 0u64);
        let total = self.entries(TreeKind::Inodes);
        self.walk_tree(TreeKind::Inodes, &mut |check, key, value| {
            check.report.checked.inodes += 1;
            let parsed = number_of(key).and_then(|number| {
                highest = number;
                let record = InodeRecord::parse(value).map_err(|error| error.to_string())?;
                Ok((number, record))
            });
            match parsed {
                Ok((number, record)) => {
                    check.check_inode(number, &record, covered, sets);
                    if let InodeData::Regular(_) = record.data {
                        file_bytes = file_bytes.saturating_add(record.size);
                    }
                    inodes.push(number, &record);
                }
                Err(reason) => {
                    let place = Place { inode: number_of(key).ok(), ..Place::default() };
                    check.report.push(Problem::InodeRecord { reason }, place);
                }
            }
            step(check.report.checked.inodes, total);
        });
        self.check_counter(TreeKind::Inodes, highest, self.store.superblock().next_ino);
        self.check_totals(file_bytes);
        self.check_root(&inodes);
        inodes.reach_dirs();
        inodes
    }

    fn check_totals(&mut self, found: u64) {
        let expected = self.store.superblock().file_bytes;
        if found != expected && self.is_whole(TreeKind::Inodes) {
            let problem = Problem::Totals { what: "bytes in files", expected, found };
            self.report.push(problem, Place::default());
        }
    }

    fn check_root(&mut self, inodes: &Inodes) {
        let reason = match inodes.find(ROOT_INO) {
            None => "does not exist",
            Some(index) if !inodes.is_dir(index) => "is no directory",
            Some(index) if inodes.parent(index) != Some(ROOT_INO) => "is not in itself",
            Some(_) => return,
        };
        self.report.push(Problem::Root { reason: reason.into() }, Place::inode(ROOT_INO));
    }

    fn check_inode(&mut self, number: u64, record: &InodeRecord, covered: &Covered, sets: &[u64]) {
        let place = Place::inode(number);
        if record.xattrs != 0 && sets.binary_search(&record.xattrs).is_err() {
            let problem = Problem::InodeXattrs { set: record.xattrs };
            self.report.push(problem, place.clone());
        }
        // What is not a hole: all of a symlink's target, nothing of other types.
        let allocated = match &record.data {
            InodeData::Regular(0) => 0,
            InodeData::Regular(content) => match self.check_file(*content, record, covered) {
                Ok(allocated) => allocated,
                Err(problem) => return self.report.push(problem, place),
            },
            InodeData::Symlink(target) => target.len() as u64,
            _ if record.size != 0 => {
                let reason = format!("has {} bytes, but its type has none", record.size);
                return self.report.push(Problem::InodeRecord { reason }, place);
            }
            _ => 0,
        };
        if allocated != record.allocated && self.is_whole(TreeKind::Extents) {
            let (allocated, found) = (record.allocated, allocated);
            self.report.push(Problem::InodeAllocated { allocated, found }, place);
        }
    }

    /// Bytes of a file that are not holes, if its content fits it.
    fn check_file(
        &self,
        content: ContentNo,
        record: &InodeRecord,
        covered: &Covered,
    ) -> Result<u64, Problem> {
        match self.store.content(content) {
            Ok(found) if found.size != record.size => {
                Err(Problem::InodeSize { size: record.size, content: found.size })
            }
            Ok(found) => Ok(covered.of(content, &found.extents)),
            Err(StoreError::Missing { .. }) => {
                let reason = format!("its content {content} does not exist");
                Err(Problem::InodeContent { reason })
            }
            Err(error) => {
                let reason = format!("its content {content} cannot be read: {error}");
                Err(Problem::InodeContent { reason })
            }
        }
    }
}
