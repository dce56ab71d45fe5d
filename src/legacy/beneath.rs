//! Opening files of a directory without ever leaving it.
//!
//! The kernel resolves the path (openat2), so a link swapped in between a check
//! and the opening cannot lead outside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// Times an opening is repeated that raced with a rename (EAGAIN of openat2).
const RETRIES: usize = 16;

/// What happens to a path that leads out of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outside {
    /// It is refused with EXDEV.
    Refuse,
    /// The directory is the root of all paths, as after chroot(2): absolute
    /// paths and links start there, and `..` stays there.
    Root,
    /// It is refused with EXDEV, and a link with ELOOP wherever it leads; with the
    /// flags PATH and NOFOLLOW a link at the end is opened itself.
    NoLinks,
}

/// Opens the regular file `path` below `root` for reading.
///
/// # Errors
/// EXDEV as [`Outside`] says; EINVAL when it is no regular file.
pub(crate) fn open(root: impl AsFd, path: &str, outside: Outside) -> io::Result<File> {
    // NONBLOCK: opening a fifo must not wait for a writer.
    let file = File::from(open_any(root, path, outside, OFlags::RDONLY | OFlags::NONBLOCK)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Opens whatever `path` names below `root`, with these flags.
///
/// # Errors
/// EXDEV as [`Outside`] says.
pub(crate) fn open_any(
    root: impl AsFd,
    path: impl Arg + Copy,
    outside: Outside,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    let inside = match outside {
        Outside::Refuse => ResolveFlags::BENEATH,
        Outside::Root => ResolveFlags::IN_ROOT,
        Outside::NoLinks => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    };
    let resolve = inside | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < RETRIES => tries += 1,
            Err(Errno::NOSYS) => {
                let message = "this kernel has no openat2(2); Linux 5.6 or later is needed";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
            result => return Ok(result?),
        }
    }
}
