//! Files without content: symbolic links, devices, fifos and sockets.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Mode, makedev};

use super::error::{ExtractError, Result};
use super::slot::Slot;
use crate::fs::{Attr, FileKind, Tree};

/// Makes the file in `dir`; `None` if there is one that is to be kept.
pub(super) fn make_special(
    tree: &dyn Tree,
    attr: &Attr,
    dir: &OwnedFd,
    name: &[u8],
    no_clobber: bool,
    mode: Mode,
) -> Result<Option<Slot>> {
    let made = if attr.kind == FileKind::Symlink {
        let target = tree.read_link(attr.ino)?;
        let target = OsStr::from_bytes(&target);
        Slot::make(dir, name, no_clobber, "cannot make the symbolic link", |name| {
            rustix::fs::symlinkat(target, dir, name)
        })?
    } else {
        let (file_type, doing) = file_type(attr.kind)?;
        let device = makedev(attr.rdev.0, attr.rdev.1);
        Slot::make(dir, name, no_clobber, doing, |name| {
            rustix::fs::mknodat(dir, name, file_type, mode, device)
        })?
    };
    Ok(made.map(|(slot, ())| slot))
}

fn file_type(kind: FileKind) -> Result<(FileType, &'static str)> {
    Ok(match kind {
        FileKind::CharDevice => (FileType::CharacterDevice, "cannot make the character device"),
        FileKind::BlockDevice => (FileType::BlockDevice, "cannot make the block device"),
        FileKind::Fifo => (FileType::Fifo, "cannot make the fifo"),
        FileKind::Socket => (FileType::Socket, "cannot make the socket"),
        FileKind::Regular | FileKind::Directory | FileKind::Symlink => {
            return Err(ExtractError::InTheWay("has a type that is no special file"));
        }
    })
}
