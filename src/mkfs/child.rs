//! What was listed in a directory of the source, and waits for its turn as a
//! record on a tape.

use std::io;

use rustix::fs::Stat;

use crate::fs::FileKind;

/// What stat(2) says of a file, as far as a picture keeps it or the walk needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    /// Whether the inode has several names.
    pub is_linked: bool,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub size: u64,
    /// st_blocks in bytes.
    pub allocated: u64,
    pub mtime: (i64, u32),
}

impl Facts {
    /// The type of the file; `None` for one that Linux does not know.
    pub(super) fn kind(&self) -> Option<FileKind> {
        FileKind::from_mode(self.mode)
    }

    /// What tells the names of one inode to be its own.
    pub(super) fn identity(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }
}

impl From<&Stat> for Facts {
    fn from(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            mode: stat.st_mode,
            is_linked: stat.st_nlink > 1,
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: stat.st_rdev,
            size: stat.st_size as u64,
            allocated: stat.st_blocks as u64 * 512,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
        }
    }
}

/// A directory entry that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Child {
    pub name: Vec<u8>,
    pub facts: Facts,
    /// Its inode number in the picture.
    pub number: u64,
    /// Whether another name of the same inode came before.
    pub is_link: bool,
}

impl Child {
    /// The record.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Facts { dev, ino, mode, is_linked, uid, gid, rdev, size, allocated, mtime } =
            self.facts;
        let flags = u64::from(is_linked) | u64::from(self.is_link) << 1;
        let mut out = Vec::with_capacity(FIXED_LEN + self.name.len());
        for word in [dev, ino, flags, rdev, size, allocated, mtime.0 as u64, self.number] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [mode, uid, gid, mtime.1] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.name);
        out
    }

    /// The child in a record.
    pub(super) fn parse(record: &[u8]) -> io::Result<Self> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (fixed, name) = record.split_at_checked(FIXED_LEN).ok_or_else(damaged)?;
        let (wide, narrow) = fixed.split_at(WIDE * 8);
        let (wide, narrow) = (wide.as_chunks::<8>().0, narrow.as_chunks::<4>().0);
        let wide = |index: usize| u64::from_le_bytes(wide[index]);
        let narrow = |index: usize| u32::from_le_bytes(narrow[index]);
        let facts = Facts {
            dev: wide(0),
            ino: wide(1),
            is_linked: wide(2) & 1 != 0,
            rdev: wide(3),
            size: wide(4),
            allocated: wide(5),
            mtime: (wide(6) as i64, narrow(3)),
            mode: narrow(0),
            uid: narrow(1),
            gid: narrow(2),
        };
        Ok(Self { name: name.to_vec(), facts, number: wide(7), is_link: wide(2) & 2 != 0 })
    }
}

/// Fields of eight bytes, and bytes of all fields before the name.
const WIDE: usize = 8;
const FIXED_LEN: usize = WIDE * 8 + 4 * 4;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_what_was_put_in() {
        let stat = rustix::fs::stat("/").unwrap();
        let facts = Facts { mtime: (-7, 999), is_linked: true, ..Facts::from(&stat) };
        assert_eq!(facts.kind(), Some(FileKind::Directory));
        for (name, is_link) in [(&b"\xff name"[..], true), (b"n", false)] {
            let child = Child { name: name.to_vec(), facts, number: 9, is_link };
            assert_eq!(Child::parse(&child.to_bytes()).unwrap(), child);
        }
        assert!(Child::parse(&[0; FIXED_LEN - 1]).is_err());
    }
}
