//! Files without names: gone with the process, however it ends, unless they
//! are given one at last.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Where goes what is too large for memory.
#[derive(Debug, Clone)]
pub(super) struct Scratch {
    dir: Arc<Path>,
    /// Bytes that each collection may keep in memory, if not as many as usual.
    memory: Option<usize>,
}

impl Scratch {
    /// Files without names in `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.into(), memory: None }
    }

    /// The same with next to no memory.
    #[cfg(test)]
    pub(super) fn with_memory(dir: &Path, memory: usize) -> Self {
        Self { dir: dir.into(), memory: Some(memory) }
    }

    /// Bytes that a collection keeps in memory which usually keeps so many.
    pub(super) fn memory(&self, usual: usize) -> usize {
        self.memory.unwrap_or(usual)
    }

    /// A file without a name, for reading and writing, private to its owner.
    pub(super) fn file(&self) -> io::Result<File> {
        if let Some(file) = nameless_file(&self.dir, Mode::RUSR | Mode::WUSR)? {
            return Ok(file);
        }
        let (file, path) = named_file(&self.dir, "scratch", Mode::RUSR | Mode::WUSR)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }
}

/// A file that gets its name when it is complete.
#[derive(Debug)]
pub(crate) struct Unpublished {
    file: File,
    dir: PathBuf,
    stem: String,
    /// The temporary name, where the file system has no files without one
    /// (FAT, NFS): removed unless the file is published.
    named: Option<PathBuf>,
}

impl Unpublished {
    /// A new file in `dir`, to be named `name` in the end; its permissions are
    /// the usual ones, less the umask.
    pub(crate) fn create(dir: &Path, name: &Path) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(0o666);
        let stem = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy();
        let stem = Self::stem(&stem);
        let (file, named) = match nameless_file(dir, mode)? {
            Some(file) => (file, None),
            None => {
                let (file, path) = named_file(dir, &stem, mode)?;
                (file, Some(path))
            }
        };
        Ok(Self { file, dir: dir.to_owned(), stem, named })
    }

    /// What the temporary name of a file with this name has of it.
    pub(crate) fn stem(name: &str) -> String {
        // The temporary name must have room for what is added to it. The end of the
        // stem stays, as it tells what kind of file it is.
        name.chars().skip(name.chars().count().saturating_sub(40)).collect()
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Its device and inode number.
    pub(super) fn identity(&self) -> io::Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let found = self.file.metadata()?;
        Ok((found.dev(), found.ino()))
    }

    /// Gives the file its name, with `replace` in place of what may have it.
    ///
    /// # Errors
    /// `AlreadyExists` if something has that name and is not to be replaced.
    pub(crate) fn publish(mut self, name: &Path, replace: bool) -> io::Result<()> {
        match (self.named.take(), replace) {
            (None, false) => link_as(&self.file, name)?,
            (temporary, _) => {
                // From here on it has a temporary name, which `drop` removes.
                let temporary = match temporary {
                    Some(path) => path,
                    None => link(&self.file, &self.dir, &self.stem)?,
                };
                self.named = Some(temporary.clone());
                rename(&temporary, name, replace)?;
                self.named = None;
            }
        }
        match File::open(&self.dir)?.sync_all() {
            // Not every file system can sync a directory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Some(path) = &self.named {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A file without a name, where the file system has such.
fn nameless_file(dir: &Path, mode: Mode) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, mode) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A new file with a temporary name.
fn named_file(dir: &Path, stem: &str, mode: Mode) -> io::Result<(File, PathBuf)> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let (path, fd) = first_free(dir, stem, |path| rustix::fs::open(path, flags, mode))?;
    Ok((File::from(fd), path))
}

/// Renames, over what has the name already only if it is to be replaced.
fn rename(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    if !replace {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can do that; then a look must do.
            Err(Errno::INVAL | Errno::NOSYS) if std::fs::symlink_metadata(to).is_err() => {}
            Err(Errno::INVAL | Errno::NOSYS) => return Err(Errno::EXIST.into()),
            done => return Ok(done?),
        }
    }
    std::fs::rename(from, to)
}

/// Gives a nameless file a name that nothing has.
fn link_as(file: &File, name: &Path) -> rustix::io::Result<()> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, nameless.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW)
}

/// Gives a nameless file a temporary name in `dir`, where it was opened.
fn link(file: &File, dir: &Path, stem: &str) -> io::Result<PathBuf> {
    let (path, ()) = first_free(dir, stem, |path| link_as(file, path))?;
    Ok(path)
}

/// Temporary names that are tried.
const MAX_ATTEMPTS: u32 = 1000;

/// What a file is called that has a name before it is to be seen.
fn temporary_name(stem: &str, process: u32, attempt: u32) -> String {
    format!(".{stem}.{process}.{attempt}.tmp")
}

/// The stem of such a name; `None` for any other.
pub(crate) fn temporary_stem(name: &str) -> Option<&str> {
    let mut parts = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplitn(3, '.');
    let attempt: u32 = parts.next()?.parse().ok()?;
    let process: u32 = parts.next()?.parse().ok()?;
    let stem = parts.next()?;
    let is_ours = attempt < MAX_ATTEMPTS && temporary_name(stem, process, attempt) == name;
    (is_ours && process > 0).then_some(stem)
}

/// Calls `make` with temporary names until one is free.
fn first_free<T>(
    dir: &Path,
    stem: &str,
    make: impl Fn(&Path) -> rustix::io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    for attempt in 0..MAX_ATTEMPTS {
        let path = dir.join(temporary_name(stem, std::process::id(), attempt));
        match make(&path) {
            Err(Errno::EXIST) => {}
            other => return Ok((path, other?)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let count = || std::fs::read_dir(dir.path()).unwrap().count();
        let name = dir.path().join("world.png");
        drop(Unpublished::create(dir.path(), &name).unwrap());
        assert_eq!(count(), 0);
        std::fs::write(&name, "old").unwrap();
        Unpublished::create(dir.path(), &name).unwrap().publish(&name, true).unwrap();
        assert_eq!(count(), 1);
        assert_eq!(std::fs::read(&name).unwrap(), b"");
        let again = Unpublished::create(dir.path(), &name).unwrap().publish(&name, false);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let other = dir.path().join("other.png");
        Unpublished::create(dir.path(), &other).unwrap().publish(&other, false).unwrap();
        assert_eq!(count(), 2);
    }

    #[test]
    fn temporary_names_are_told_from_others() {
        assert_eq!(temporary_stem(&temporary_name("a.b", 71, 0)), Some("a.b"));
        let others = [
            "a.b.71.0.tmp",
            ".a.b.71.0",
            ".a.b.071.0.tmp",
            ".a.b.+71.0.tmp",
            ".a.b.0.0.tmp",
            ".a.b.71.1000.tmp",
            ".a.b.71.tmp",
            ".71.0.tmp",
            ".tmp",
        ];
        for other in others {
            assert_eq!(temporary_stem(other), None, "{other}");
        }
    }
}
