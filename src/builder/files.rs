//! Writing a root's files so that whoever reads them, or a crash, finds the old
//! ones or the new ones and nothing between; and locks against two who write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::add::{BLOBS, PIXEL_END};
use super::error::{BuildError, Result};
use crate::legacy::root::{PACK, PIXELFS, REGISTRY};
use crate::mkfs::{Unpublished, temporary_stem};

/// What a blob is called before its content, and with it its name, is known.
pub(super) const BLOB: &str = "blob";

/// How long somebody waits for others who change the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// As long as it takes, and says so.
    Forever,
    /// No longer than this.
    Within(Duration),
}

/// How often a lock is tried again that is not waited for without end.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Locks a directory or a file against others of us until the handle is dropped.
pub(super) fn lock(path: &Path, wait: Wait) -> Result<File> {
    let failed = || BuildError::file(path);
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(failed())?;
    let start = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed()(error.into())),
        }
        match wait {
            Wait::Forever => break,
            Wait::Within(most) if start.elapsed() >= most => {
                let (path, seconds) = (path.display(), most.as_secs_f64());
                let sentence =
                    format!("{path}: another pxfs changes it, and was not done in {seconds} s");
                return Err(BuildError::refused(sentence));
            }
            Wait::Within(_) => std::thread::sleep(TRY_AGAIN),
        }
    }
    log::warn!("{}: waiting for another pxfs that changes it", path.display());
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))
        .map_err(|error| failed()(error.into()))?;
    Ok(file)
}

/// Writes a file of `dir` in place of the old one, of which it keeps mode and
/// owner. It is on the disk when this returns.
pub(super) fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = dir.join(name);
    write_new(dir, &path, bytes).map_err(BuildError::file(&path))
}

fn write_new(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = Unpublished::create(dir, path)?;
    new.file().write_all(bytes)?;
    publish_as(new, path)
}

/// Puts a complete file in the place of the one at `path`.
pub(super) fn publish_as(new: Unpublished, path: &Path) -> io::Result<()> {
    if let Ok(old) = std::fs::symlink_metadata(path)
        && old.is_file()
    {
        new.file().set_permissions(old.permissions())?;
        // Only root may give files away; to others their own files are fine.
        let _ = std::os::unix::fs::fchown(new.file(), Some(old.uid()), Some(old.gid()));
    }
    new.file().sync_all()?;
    new.publish(path, true)
}

/// Removes what pxfs left that was killed while it wrote to a root: files of just
/// the temporary names that [`Unpublished`] gives. `root` is the directory and
/// holds the lock, without which somebody may still be writing them.
pub(super) fn remove_leftovers(root: &File) {
    let is_own =
        |stem: &str| [PIXELFS, REGISTRY, PACK].contains(&stem) || stem.ends_with(PIXEL_END);
    // Nothing depends on their going: whoever may not remove them need not.
    let mut done = remove_temporary(root, is_own);
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    if let Ok(blobs) = rustix::fs::openat(root, BLOBS, flags, Mode::empty()) {
        done = done.and(remove_temporary(blobs, |stem| stem == BLOB));
    }
    if let Err(error) = done {
        log::debug!("leftovers of writers that were killed stay: {error}");
    }
}

/// Removes regular files with temporary names of which the stem is one of ours.
pub(super) fn remove_temporary(
    dir: impl AsFd,
    is_own: impl Fn(&str) -> bool,
) -> rustix::io::Result<()> {
    let mut done = Ok(());
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_ok_and(|name| temporary_stem(name).is_some_and(&is_own)) {
            continue;
        }
        let found = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
            done = done.and(rustix::fs::unlinkat(&dir, name, AtFlags::empty()));
        }
    }
    done
}

/// A directory of the root that is to be written into: made if it is missing,
/// refused if it is a link, which could lead anywhere.
pub(super) fn own_directory(root: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = root.join(name);
    match std::fs::create_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(BuildError::file(&path))?,
    }
    let found = std::fs::symlink_metadata(&path).map_err(BuildError::file(&path))?;
    if !found.is_dir() {
        let shown = path.display();
        return Err(BuildError::refused(format!("{shown}: is no directory of the root")));
    }
    Ok(path)
}
