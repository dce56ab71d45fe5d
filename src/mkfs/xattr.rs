//! Reading the extended attributes of a source file.

use std::fs::File;
use std::path::Path;

use rustix::io::Errno;

use crate::format::{Xattr, XattrSet};

/// Which extended attributes go into the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XattrChoice {
    /// All that can be read: user, trusted, security and ACLs.
    #[default]
    All,
    /// Those in the `user` namespace.
    User,
    /// None.
    None,
}

impl XattrChoice {
    /// Whether an attribute of this name is wanted.
    pub(super) fn wants(self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::User => name.starts_with(b"user."),
            Self::None => false,
        }
    }
}

/// The attributes of the file at `path` (symlinks are not followed), sorted.
pub(super) fn read_xattrs(path: &Path, choice: XattrChoice) -> rustix::io::Result<XattrSet> {
    let list = |buf: &mut [u8]| rustix::fs::llistxattr(path, buf);
    let get = |name: &[u8], buf: &mut [u8]| rustix::fs::lgetxattr(path, name, buf);
    collect(choice, list, get)
}

/// The attributes of an open file, sorted.
pub(super) fn read_xattrs_of(file: &File, choice: XattrChoice) -> rustix::io::Result<XattrSet> {
    let list = |buf: &mut [u8]| rustix::fs::flistxattr(file, buf);
    let get = |name: &[u8], buf: &mut [u8]| rustix::fs::fgetxattr(file, name, buf);
    collect(choice, list, get)
}

fn collect(
    choice: XattrChoice,
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<XattrSet> {
    if choice == XattrChoice::None {
        return Ok(XattrSet::default());
    }
    let list = match grow(list) {
        Ok(list) => list,
        // The file system has none, or the file's type cannot have any.
        Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => return Ok(XattrSet::default()),
        Err(error) => return Err(error),
    };
    let mut set: Vec<Xattr> = Vec::new();
    for name in list.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if !choice.wants(name) {
            continue;
        }
        match grow(|buf| get(name, buf)) {
            Ok(value) => set.push((name.to_vec(), value)),
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    set.sort();
    Ok(XattrSet(set))
}

/// Calls with a buffer that is large enough for whatever there is (64 KiB at most).
fn grow(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buf = vec![0; 512];
    loop {
        match call(&mut buf) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(Errno::RANGE) if buf.len() < 1 << 16 => buf.resize(buf.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}
