//! Inodes, directory entries and xattr sets on their way into the trees.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::contents::{ContentWriter, spill_error};
use super::error::{MkfsError, Result};
use super::sorter::Sorter;
use crate::format::{
    Digest, DirentRecord, InodeData, InodeRecord, MAX_XATTR_NAMES, MAX_XATTR_SET, PixelType,
    XattrSet, XattrStorage, dirent_key, is_valid_name, number_key,
};

/// Owner, permissions and times of a file to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub perm: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: (i64, u32),
    pub xattrs: XattrSet,
}

/// Size of a regular file and how much of it is no hole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileBytes {
    pub size: u64,
    pub allocated: u64,
}

impl FileBytes {
    /// A file without holes.
    pub(super) fn dense(size: u64) -> Self {
        Self { size, allocated: size }
    }
}

/// An inode to be entered.
#[derive(Debug)]
pub(super) struct NewInode<'a> {
    pub meta: &'a Meta,
    pub nlink: u32,
    pub bytes: FileBytes,
    pub pixel_type: PixelType,
    pub data: InodeData,
}

/// Counts for the summary and the superblock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordStats {
    pub files: u64,
    pub directories: u64,
    pub others: u64,
    pub hard_links: u64,
    pub file_bytes: u64,
    pub newest: Option<(i64, u32)>,
}

/// Collects the records of a tree in any order.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) inodes: Sorter,
    pub(super) dirents: Sorter,
    pub(super) xattrs: Sorter,
    pub(super) stats: RecordStats,
    next_ino: u64,
    /// Sets that are stored, by their digest.
    sets: HashMap<Digest, u64>,
}

impl Records {
    /// No records yet; the root's inode number is taken.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            inodes: Sorter::new(dir),
            dirents: Sorter::new(dir),
            xattrs: Sorter::new(dir),
            stats: RecordStats::default(),
            next_ino: 2,
            sets: HashMap::new(),
        }
    }

    /// The next free inode number.
    pub(super) fn take_ino(&mut self) -> u64 {
        let ino = self.next_ino;
        self.next_ino += 1;
        ino
    }

    /// The lowest inode number never used.
    pub(super) fn next_ino(&self) -> u64 {
        self.next_ino
    }

    /// The lowest xattr set number never used.
    pub(super) fn next_xattr(&self) -> u64 {
        self.sets.len() as u64 + 1
    }

    /// Enters a name in a directory.
    pub(super) fn link(&mut self, dir: u64, name: &[u8], ino: u64, data: &InodeData) -> Result<()> {
        if !is_valid_name(name) {
            let name = String::from_utf8_lossy(name);
            return Err(MkfsError::Invalid(format!("'{name}' cannot be a file name")));
        }
        let entry = DirentRecord { ino, kind: data.kind() };
        self.dirents.push(&dirent_key(dir, name), &entry.to_bytes()).map_err(spill_error)
    }

    /// Enters an inode.
    pub(super) fn inode(
        &mut self,
        ino: u64,
        new: NewInode<'_>,
        contents: &mut ContentWriter<'_>,
    ) -> Result<()> {
        let NewInode { meta, nlink, bytes, pixel_type, data } = new;
        let xattrs = self.xattr_set(&meta.xattrs, contents)?;
        self.count(&data, bytes.size, meta.mtime);
        let bytes = match &data {
            InodeData::Symlink(target) => FileBytes::dense(target.len() as u64),
            InodeData::Regular(_) => bytes,
            _ => FileBytes::default(),
        };
        let record = InodeRecord {
            perm: meta.perm,
            uid: meta.uid,
            gid: meta.gid,
            nlink,
            mtime: meta.mtime,
            // The time of change of the source says nothing about its content
            // and would make every build differ from the last.
            ctime: meta.mtime,
            size: bytes.size,
            allocated: bytes.allocated,
            xattrs,
            pixel_type,
            data,
        };
        self.inodes.push(&number_key(ino), &record.to_bytes()).map_err(spill_error)
    }

    fn count(&mut self, data: &InodeData, size: u64, mtime: (i64, u32)) {
        match data {
            InodeData::Regular(_) => {
                self.stats.files += 1;
                self.stats.file_bytes += size;
            }
            InodeData::Directory { .. } => self.stats.directories += 1,
            _ => self.stats.others += 1,
        }
        self.stats.newest = self.stats.newest.max(Some(mtime));
    }

    /// The number of a set of xattrs, stored if it is new; 0 for none.
    fn xattr_set(&mut self, set: &XattrSet, contents: &mut ContentWriter<'_>) -> Result<u64> {
        if set.0.is_empty() {
            return Ok(0);
        }
        let bytes = set.to_bytes();
        if set.names_len() > MAX_XATTR_NAMES {
            return Err(MkfsError::Invalid(format!(
                "extended attributes with {} bytes of names on one file (at most {MAX_XATTR_NAMES})",
                set.names_len()
            )));
        }
        if bytes.len() as u64 > MAX_XATTR_SET {
            return Err(MkfsError::Invalid(format!(
                "extended attributes of {} bytes on one file (at most {MAX_XATTR_SET})",
                bytes.len()
            )));
        }
        let digest = Sha256::digest(&bytes).into();
        let next = self.next_xattr();
        if let Some(&number) = self.sets.get(&digest) {
            return Ok(number);
        }
        let storage = if bytes.len() <= XattrStorage::MAX_INLINE {
            XattrStorage::Inline(bytes)
        } else {
            let len = bytes.len() as u64;
            let (block, chunk_log) = (contents.add_run(&bytes)?, contents.chunk_log());
            XattrStorage::Blocks { len, block, chunk_log }
        };
        self.sets.insert(digest, next);
        self.xattrs.push(&number_key(next), &storage.to_bytes()).map_err(spill_error)?;
        Ok(next)
    }
}
