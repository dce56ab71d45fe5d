//! Paths of the files that findings concern: the trees are walked once more,
//! quietly, and only if there is something to look for.

use std::collections::{HashMap, HashSet};

use super::Check;
use super::finding::{Finding, MAX_PATHS};
use super::nodes::number_of;
use crate::format::{DirentRecord, InodeData, InodeRecord, TreeKind, dir_prefix, number_key};
use crate::fs::ROOT_INO;

/// Bytes of a path before what is above is given up: no system call takes more,
/// and a forged tree may be a loop.
const MAX_PATH: usize = 4096;

/// Names of directories that are kept: those near the root come again and again.
const MAX_KNOWN: usize = 10_000;

/// Entries that are looked at to find the names of directories, in all.
const MAX_SCANNED: u64 = 20_000_000;

/// Names of an inode: the directory's number and the name in it.
type Names = HashMap<u64, Vec<(u64, Vec<u8>)>>;

/// Directories whose place was found.
struct Known {
    names: HashMap<u64, (u64, Vec<u8>)>,
    /// Entries that may still be looked at.
    left: u64,
}

impl Known {
    /// The parent and name of a directory, from memory or by `find`.
    fn name_of(
        &mut self,
        dir: u64,
        find: impl FnOnce(&mut u64) -> Option<(u64, Vec<u8>)>,
    ) -> Option<(u64, Vec<u8>)> {
        if let Some(found) = self.names.get(&dir) {
            return Some(found.clone());
        }
        let found = find(&mut self.left)?;
        if self.names.len() >= MAX_KNOWN {
            self.names.clear();
        }
        self.names.insert(dir, found.clone());
        Some(found)
    }
}

impl Check<'_> {
    /// Gives the findings about contents and inodes their paths.
    pub(super) fn locate(&mut self) {
        self.locating = true;
        let mut findings = std::mem::take(&mut self.report.findings);
        let contents: HashSet<u64> = findings.iter().filter_map(|f| f.place.content).collect();
        let mut inodes: HashSet<u64> = findings.iter().filter_map(|f| f.place.inode).collect();
        let owners = self.find_owners(&contents);
        inodes.extend(owners.values().flatten());
        let names = self.find_names(&inodes);
        let mut known = Known { names: HashMap::new(), left: MAX_SCANNED };
        for finding in &mut findings {
            self.name_files(finding, &owners, &names, &mut known);
        }
        self.report.findings = findings;
    }

    /// Inodes that have the contents, the first few of each.
    fn find_owners(&mut self, contents: &HashSet<u64>) -> HashMap<u64, Vec<u64>> {
        let mut owners: HashMap<u64, Vec<u64>> = HashMap::new();
        if contents.is_empty() {
            return owners;
        }
        self.walk_tree(TreeKind::Inodes, &mut |_, key, value| {
            if let Ok(record) = InodeRecord::parse(value)
                && let InodeData::Regular(content) = record.data
                && contents.contains(&content)
                && let Ok(number) = number_of(key)
            {
                let owners = owners.entry(content).or_default();
                if owners.len() <= MAX_PATHS {
                    owners.push(number);
                }
            }
        });
        owners
    }

    /// Names of the inodes, the first few of each.
    fn find_names(&mut self, inodes: &HashSet<u64>) -> Names {
        let mut names = Names::new();
        if inodes.is_empty() {
            return names;
        }
        self.walk_tree(TreeKind::Dirents, &mut |_, key, value| {
            if let Some((dir, name)) = key.split_first_chunk::<8>()
                && let Ok(entry) = DirentRecord::parse(value)
                && inodes.contains(&entry.ino)
            {
                let names = names.entry(entry.ino).or_default();
                if names.len() <= MAX_PATHS {
                    names.push((u64::from_be_bytes(*dir), name.to_vec()));
                }
            }
        });
        names
    }

    fn name_files(
        &self,
        finding: &mut Finding,
        owners: &HashMap<u64, Vec<u64>>,
        names: &Names,
        known: &mut Known,
    ) {
        let place = &mut finding.place;
        let owners = place.content.and_then(|content| owners.get(&content));
        let inodes = place.inode.iter().chain(owners.into_iter().flatten());
        for &inode in inodes {
            if inode == ROOT_INO {
                place.paths.push("/".into());
            }
            for (dir, name) in names.get(&inode).into_iter().flatten() {
                let dir = self.dir_path(*dir, known);
                place.paths.push(joined(&dir, name));
            }
        }
        place.more_paths = place.paths.len() > MAX_PATHS;
        place.paths.truncate(MAX_PATHS);
    }

    /// The path of a directory, as far up as it can be followed and is of use.
    fn dir_path(&self, dir: u64, known: &mut Known) -> String {
        let (mut way, mut len, mut at) = (Vec::new(), 0, dir);
        let mut path = loop {
            if at == ROOT_INO {
                break "/".to_owned();
            }
            let found = known.name_of(at, |left| self.name_of_dir(at, left));
            match found {
                Some((parent, name)) if len + name.len() < MAX_PATH => {
                    len += name.len() + 1;
                    way.push(name);
                    at = parent;
                }
                _ => break format!("[inode {at}]"),
            }
        };
        for name in way.into_iter().rev() {
            path = joined(&path, &name);
        }
        path
    }

    /// The directory that a directory is in, and its name there.
    fn name_of_dir(&self, dir: u64, left: &mut u64) -> Option<(u64, Vec<u8>)> {
        let entry = self.store.get(TreeKind::Inodes, &number_key(dir)).ok()??;
        let InodeData::Directory { parent } = InodeRecord::parse(entry.value()).ok()?.data else {
            return None;
        };
        let prefix = dir_prefix(parent);
        let mut cursor = self.store.seek(TreeKind::Dirents, &prefix).ok()?;
        while let Some(entry) = cursor.next().ok()? {
            let name = entry.key().strip_prefix(&prefix)?;
            *left = left.checked_sub(1)?;
            if DirentRecord::parse(entry.value()).is_ok_and(|found| found.ino == dir) {
                return Some((parent, name.to_vec()));
            }
        }
        None
    }
}

/// A path and a name in it, with what is not printable escaped.
fn joined(dir: &str, name: &[u8]) -> String {
    let mut path = dir.trim_end_matches('/').to_owned();
    path.push('/');
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                path.extend(c.escape_default());
            } else {
                path.push(c);
            }
        }
        path.extend(chunk.invalid().iter().flat_map(|byte| byte.escape_ascii().map(char::from)));
    }
    path
}
