//! Unlinked temporary files: gone with the process, however it ends.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// A file in `dir` without a name, for reading and writing.
pub(super) fn scratch_file(dir: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        // Not every file system has nameless files.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            let (file, path) = named_file(dir, "scratch")?;
            std::fs::remove_file(path)?;
            Ok(file)
        }
        Err(error) => Err(error.into()),
    }
}

/// A new file in `dir` with a name of its own, for reading and writing.
pub(super) fn named_file(dir: &Path, stem: &str) -> io::Result<(File, std::path::PathBuf)> {
    for attempt in 0..1000u32 {
        let path = dir.join(format!(".{stem}.{}.{attempt}.tmp", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return Ok((other?, path)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}
