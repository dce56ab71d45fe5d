//! Where a file is, in the tree and on the disk: a chain of names, so that no
//! path is built (and none is too long) before somebody wants to see it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

/// How directories below the destination are opened: never through a symlink.
pub(super) const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The place of one file.
#[derive(Debug)]
pub(super) enum Label {
    /// What the user named.
    Top {
        /// Path in the tree as the user wrote it.
        source: Vec<u8>,
        /// Path on the disk.
        dest: Vec<u8>,
        /// The directory that `name` is in, or that is the file itself.
        anchor: Arc<OwnedFd>,
        /// Name in it; none if it is the directory itself.
        name: Option<Vec<u8>>,
    },
    /// An entry of a directory.
    Below {
        /// The directory.
        parent: Arc<Label>,
        /// The entry.
        name: Vec<u8>,
    },
}

impl Label {
    /// The label of an entry of the directory `parent`.
    pub(super) fn below(parent: &Arc<Self>, name: &[u8]) -> Arc<Self> {
        Arc::new(Self::Below { parent: Arc::clone(parent), name: name.to_vec() })
    }

    /// Path in the tree.
    pub(super) fn source(&self) -> Vec<u8> {
        self.path(|source, _| source.to_vec())
    }

    /// Path on the disk.
    pub(super) fn dest(&self) -> Vec<u8> {
        self.path(|_, dest| dest.to_vec())
    }

    fn path(&self, top: impl Fn(&[u8], &[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = self;
        let mut path = loop {
            match at {
                Self::Below { parent, name } => {
                    names.push(name);
                    at = parent;
                }
                Self::Top { source, dest, .. } => break top(source, dest),
            }
        };
        for name in names.iter().rev() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// The name that the file has in its directory.
    pub(super) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Top { name, .. } => name.as_deref(),
            Self::Below { name, .. } => Some(name),
        }
    }

    /// Opens the directory that the file is in, name by name from the top.
    pub(super) fn open_parent(&self) -> rustix::io::Result<OwnedFd> {
        let mut names = Vec::new();
        let mut at = self;
        let anchor = loop {
            match at {
                Self::Below { parent, .. } => {
                    names.extend(parent.name());
                    at = parent;
                }
                Self::Top { anchor, .. } => break anchor,
            }
        };
        let mut dir = anchor.try_clone().map_err(|_| rustix::io::Errno::MFILE)?;
        for name in names.into_iter().rev() {
            dir = rustix::fs::openat(&dir, OsStr::from_bytes(name), DIR_FLAGS, Mode::empty())?;
        }
        Ok(dir)
    }
}
