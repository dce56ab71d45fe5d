//! Opening files of a directory without ever leaving it.
//!
//! The kernel resolves the path (openat2), so a link swapped in between a check
//! and the opening cannot lead outside.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// Times an opening is repeated that raced with a rename (EAGAIN of openat2).
const RETRIES: usize = 16;

/// Opens the regular file `path` below `root` for reading.
///
/// # Errors
/// EXDEV when an absolute path, `..` or a link leads outside; EINVAL when it is
/// no regular file.
pub(super) fn open(root: impl AsFd, path: &str) -> io::Result<File> {
    // NONBLOCK: opening a fifo must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    let fd = loop {
        match rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN) if tries < RETRIES => tries += 1,
            result => break result?,
        }
    };
    let file = File::from(fd);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}
