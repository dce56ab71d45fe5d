//! Files without names: gone with the process, however it ends, unless they
//! are given one at last.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// Permissions of a picture, less the umask.
pub(super) const PICTURE_MODE: Mode = Mode::from_raw_mode(0o666);

/// A file in `dir` without a name, for reading and writing, private to its owner.
pub(super) fn scratch_file(dir: &Path) -> io::Result<File> {
    scratch_file_with(dir, Mode::RUSR | Mode::WUSR)
}

/// As [`scratch_file`], with the permissions `mode`, less the umask.
pub(super) fn scratch_file_with(dir: &Path, mode: Mode) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(dir, flags, mode)?))
}

/// Gives a file without a name a temporary one in `dir`, where it was opened.
pub(super) fn link(file: &File, dir: &Path, stem: &str) -> io::Result<PathBuf> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    for attempt in 0..1000u32 {
        let path = dir.join(format!(".{stem}.{}.{attempt}.tmp", std::process::id()));
        match rustix::fs::linkat(CWD, nameless.as_str(), CWD, &path, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => return Ok(path),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}
