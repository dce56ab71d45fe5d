//! Names: each leads to an inode, and every inode has the names it counts.

use super::finding::{Place, Problem};
use super::inodes::Inodes;
use super::{Check, OnStep};
use crate::format::{DirentRecord, TreeKind, is_valid_name};
use crate::fs::ROOT_INO;

/// The directory whose names are at hand.
struct Dir {
    number: u64,
    /// Its index, if it is a directory.
    index: Option<usize>,
}

impl Check<'_> {
    /// Checks every directory entry and counts it for its inode.
    pub(super) fn check_names(&mut self, inodes: &mut Inodes, step: &mut OnStep<'_>) {
        let total = self.entries(TreeKind::Dirents);
        let mut dir = Dir { number: 0, index: None };
        self.walk_tree(TreeKind::Dirents, &mut |check, key, value| {
            check.report.checked.names += 1;
            step(check.report.checked.names, total);
            let Some((number, name)) = key.split_first_chunk::<8>() else {
                let reason = format!("a key has {} bytes, fewer than 8", key.len());
                let place = Place::tree(TreeKind::Dirents);
                return check.report.push(Problem::NameRecord { reason }, place);
            };
            let number = u64::from_be_bytes(*number);
            if number != dir.number {
                dir = Dir { number, index: check.find_dir(number, inodes) };
            }
            check.check_name(&dir, name, value, inodes);
        });
    }

    fn find_dir(&mut self, number: u64, inodes: &Inodes) -> Option<usize> {
        let index = inodes.find(number).filter(|&index| inodes.is_dir(index));
        if index.is_none() {
            let problem = Problem::NameDirectory { directory: number };
            self.report.push(problem, Place::inode(number));
        }
        index
    }

    fn check_name(&mut self, dir: &Dir, name: &[u8], value: &[u8], inodes: &mut Inodes) {
        let in_dir = Place::inode(dir.number);
        if !is_valid_name(name) {
            let name = name.escape_ascii().to_string();
            self.report.push(Problem::NameInvalid { name }, in_dir.clone());
        }
        let entry = match DirentRecord::parse(value) {
            Ok(entry) => entry,
            Err(error) => {
                let reason = format!("'{}': {error}", name.escape_ascii());
                return self.report.push(Problem::NameRecord { reason }, in_dir);
            }
        };
        let place = Place::inode(entry.ino);
        let Some(index) = inodes.find(entry.ino) else {
            let reason = "has a name but does not exist or is damaged".into();
            return self.report.push(Problem::NameInode { reason }, place);
        };
        if inodes.flags[index].kind != entry.kind {
            self.report.push(Problem::NameType {}, place.clone());
        }
        if !inodes.is_dir(index) {
            inodes.met[index] = inodes.met[index].saturating_add(1);
            inodes.flags[index].reached |= dir.index.is_some_and(|dir| inodes.flags[dir].reached);
            return;
        }
        let parent = inodes.parent(index).unwrap_or(0);
        if parent != dir.number {
            let problem = Problem::DirectoryParent { directory: dir.number, parent };
            return self.report.push(problem, place);
        }
        if std::mem::replace(&mut inodes.flags[index].named, true) {
            return self.report.push(Problem::DirectoryNames {}, place);
        }
        if let Some(dir) = dir.index {
            inodes.met[dir] = inodes.met[dir].saturating_add(1);
        }
    }

    /// Compares what was counted with what the inodes say.
    pub(super) fn check_links(&mut self, inodes: &Inodes) {
        // With names or inodes missing every count would be wrong in their wake.
        if !self.is_whole(TreeKind::Dirents) || !self.is_whole(TreeKind::Inodes) {
            return;
        }
        for (index, flags) in inodes.flags.iter().enumerate() {
            let number = inodes.numbers[index];
            let is_dir = inodes.is_dir(index);
            let has_way = flags.reached && (!is_dir || flags.named || number == ROOT_INO);
            if !has_way {
                self.report.push(Problem::InodeUnreachable {}, Place::inode(number));
            }
            let found = u64::from(inodes.met[index]) + if is_dir { 2 } else { 0 };
            let links = inodes.links[index];
            if u64::from(links) != found {
                self.report.push(Problem::InodeLinks { links, found }, Place::inode(number));
            }
        }
    }
}
