//! Inodes, directory entries and xattr sets on their way into the trees.

use std::io;

use sha2::{Digest as _, Sha256};

use super::contents::{ContentWriter, spill_error};
use super::error::{MkfsError, Result};
use super::scratch::Scratch;
use super::sorter::Sorter;
use super::table::Table;
use crate::format::{
    Digest, DirentRecord, InodeData, InodeRecord, MAX_XATTR_NAMES, MAX_XATTR_SET, PixelType,
    XattrSet, XattrStorage, dirent_key, is_valid_name, number_key,
};
use crate::store::Nature;

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
    /// What a record says of a file that is `data`: these bytes if it is a
    /// regular one.
    pub(super) fn of(self, data: &InodeData) -> Self {
        match data {
            InodeData::Regular(_) => self,
            InodeData::Symlink(target) => {
                let size = target.len() as u64;
                Self { size, allocated: size }
            }
            _ => Self::default(),
        }
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
    /// A record without a value is one more name of the inode.
    pub(super) inodes: Sorter,
    pub(super) dirents: Sorter,
    pub(super) xattrs: Sorter,
    pub(super) stats: RecordStats,
    next_ino: u64,
    next_xattr: u64,
    /// Numbers of the sets that are stored, by their digest.
    sets: Table<32, 8>,
}

impl Records {
    /// No records yet; the root's inode number is taken.
    pub(super) fn new(scratch: &Scratch) -> Self {
        Self {
            inodes: Sorter::new(scratch),
            dirents: Sorter::new(scratch),
            xattrs: Sorter::new(scratch),
            stats: RecordStats::default(),
            next_ino: 2,
            next_xattr: 1,
            sets: Table::new(scratch),
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
        self.next_xattr
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

    /// Counts one more name of an inode that is no directory, beyond the first.
    pub(super) fn hard_link(&mut self, ino: u64) -> Result<()> {
        self.stats.hard_links += 1;
        self.inodes.push(&number_key(ino), &[]).map_err(spill_error)
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
        let bytes = bytes.of(&data);
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
        let bytes = serialised_set(set).map_err(MkfsError::Invalid)?;
        let digest: Digest = Sha256::digest(&bytes).into();
        if let Some(number) = self.sets.get(&digest).map_err(spill_error)? {
            return Ok(u64::from_le_bytes(number));
        }
        let number = self.next_xattr;
        self.next_xattr += 1;
        let storage = if bytes.len() <= XattrStorage::MAX_INLINE {
            XattrStorage::Inline(bytes)
        } else {
            let len = bytes.len() as u64;
            let block = contents.add_run(Nature::Plain, &bytes)?;
            let chunk_log = contents.chunk_log();
            XattrStorage::Blocks { len, block, chunk_log }
        };
        self.sets.insert(&digest, &number.to_le_bytes()).map_err(spill_error)?;
        self.xattrs.push(&number_key(number), &storage.to_bytes()).map_err(spill_error)?;
        Ok(number)
    }
}

/// A set as it is stored; an error for one that no reader takes.
pub(super) fn serialised_set(set: &XattrSet) -> Result<Vec<u8>, String> {
    let names_len = set.names_len();
    if names_len > MAX_XATTR_NAMES {
        return Err(format!(
            "extended attributes with {names_len} bytes of names on one file (at most {MAX_XATTR_NAMES})"
        ));
    }
    let bytes = set.to_bytes();
    if bytes.len() as u64 > MAX_XATTR_SET {
        return Err(format!(
            "extended attributes of {} bytes on one file (at most {MAX_XATTR_SET})",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// Calls `visit` with the inode records in the order of their numbers, and with
/// all their names counted.
pub(super) fn visit_inodes(
    inodes: Sorter,
    mut visit: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut sorted = inodes.finish()?;
    let mut inode = MergedInode::default();
    while let Some((key, value)) = sorted.next()? {
        if inode.key != key {
            inode.give(&mut visit)?;
            inode.key = key.to_vec();
        }
        match value {
            [] => inode.more_names += 1,
            _ => inode.record = value.to_vec(),
        }
    }
    inode.give(&mut visit)
}

/// The records with one number.
#[derive(Debug, Default)]
struct MergedInode {
    key: Vec<u8>,
    record: Vec<u8>,
    more_names: u32,
}

impl MergedInode {
    /// Gives it away, and begins anew.
    fn give(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        let Self { key, mut record, more_names } = std::mem::take(self);
        if more_names > 0 {
            let mut inode = InodeRecord::parse(&record).map_err(io::Error::other)?;
            let nlink = inode.nlink.checked_add(more_names);
            inode.nlink = nlink.ok_or_else(|| io::Error::other("a file has too many names"))?;
            record = inode.to_bytes();
        }
        if key.is_empty() { Ok(()) } else { visit(&key, &record) }
    }
}
