//! Changing a plain directory without ever leaving it: each directory on a path is
//! opened from the one before, links refused, and what is done is done in it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::super::error::{BuildError, Result};
use super::super::files::{publish_as, remove_temporary};
use super::super::root::{Added, NewPath};
use super::dir_tree::{DirTree, TYPE};
use crate::format::PixelType;
use crate::fs::{FileKind, PixelTree};
use crate::legacy::beneath::{self, Outside};
use crate::legacy::root::{DESCRIPTION, PIXELFS, REQUIRES};
use crate::mkfs::Unpublished;

/// Directories in directories that are removed with what they hold: each needs an
/// open file on the way down.
const MAX_DEPTH: usize = 200;

/// A plain directory.
#[derive(Debug)]
pub(super) struct DirPlace {
    pub(super) path: PathBuf,
    root: Arc<File>,
    tree: Arc<DirTree>,
    /// While it is changed.
    pub(super) lock: Option<File>,
}

impl DirPlace {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().map_err(BuildError::file(path))?;
        let root = Arc::new(File::open(&path).map_err(BuildError::file(&path))?);
        let tree = Arc::new(DirTree::of(Arc::clone(&root)));
        Ok(Self { path, root, tree, lock: None })
    }

    pub(super) fn tree(&self) -> Arc<dyn PixelTree> {
        Arc::clone(&self.tree) as Arc<dyn PixelTree>
    }

    /// Opens the directory that a path lies in, and gives its name in there.
    fn parent<'p>(&self, path: &'p str, make: bool) -> Result<(OwnedFd, &'p str)> {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.open_dir(path, dirs, make)?, name))
    }

    /// Opens a directory, made with those it lies in if `make`; `path` is what it is for.
    fn open_dir(&self, path: &str, dirs: &str, make: bool) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let open = |at: &OwnedFd, name: &str| beneath::open_any(at, name, Outside::NoLinks, flags);
        let mut at = beneath::open_any(&self.root, ".", Outside::NoLinks, flags)
            .map_err(BuildError::file(&self.path))?;
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            let mut next = open(&at, name);
            let is_missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
            if make && next.as_ref().is_err_and(is_missing) {
                match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) => sync(&at).map_err(failed(path))?,
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(path)(error)),
                }
                next = open(&at, name);
            }
            at = next.map_err(|error| match Errno::from_io_error(&error) {
                Some(errno) => refused_step(path, name, errno),
                None => BuildError::file(path)(error),
            })?;
        }
        Ok(at)
    }

    /// Writes a file in place of the one that is there, of which it keeps mode and owner.
    pub(super) fn write(&self, new: &NewPath, bytes: &[u8]) -> Result<Added> {
        let path = &new.path;
        check_stays_directory(path)?;
        let (dir, name) = self.parent(path, true)?;
        let replaced = match kind_at(&dir, name).map_err(failed(path))? {
            None => false,
            Some(FileType::RegularFile) => true,
            Some(FileType::Symlink) => return Err(refused_step(path, name, Errno::LOOP)),
            Some(_) => {
                let sentence = format!("{path:?} is there and is no regular file");
                return Err(BuildError::refused(sentence));
            }
        };
        // Who was killed between making this file and giving it its name left one that
        // nobody else is writing: the lock is held.
        if let Err(error) = remove_temporary(&dir, |stem| stem == Unpublished::stem(name)) {
            log::debug!("{path:?}: leftovers of writers that were killed stay: {error}");
        }
        // The directory by its open handle: its own path may mean another by now.
        let place = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        let target = place.join(name);
        let file = Unpublished::create(&place, &target).map_err(BuildError::file(path))?;
        std::io::Write::write_all(&mut file.file(), bytes).map_err(BuildError::file(path))?;
        label(file.file(), new);
        publish_as(file, &target).map_err(BuildError::file(path))?;
        let sha256 = Sha256::digest(bytes);
        let id = u32::from_be_bytes([sha256[0], sha256[1], sha256[2], sha256[3]]);
        let kind = new.kind.unwrap_or_default().name().to_owned();
        let size = bytes.len() as u64;
        Ok(Added { path: path.clone(), id, kind, size, packed: true, replaced })
    }

    pub(super) fn remove(&self, path: &str, kind: FileKind) -> Result<()> {
        let (dir, name) = self.parent(path, false)?;
        match kind {
            FileKind::Directory => remove_dir(&dir, name, path, MAX_DEPTH)?,
            _ => rustix::fs::unlinkat(&dir, name, AtFlags::empty()).map_err(failed(path))?,
        }
        sync(&dir).map_err(failed(path))
    }

    pub(super) fn rename(&self, old: &str, new: &str) -> Result<()> {
        check_stays_directory(new)?;
        let (from, from_name) = self.parent(old, false)?;
        let (to, to_name) = self.parent(new, true)?;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&from, from_name, &to, to_name, flags) {
            // Not every file system can do that; then a look must do.
            Err(Errno::INVAL | Errno::NOSYS)
                if kind_at(&to, to_name).map_err(failed(new))?.is_none() =>
            {
                rustix::fs::renameat(&from, from_name, &to, to_name).map_err(failed(old))?;
            }
            Err(Errno::EXIST) => {
                return Err(BuildError::refused(format!("{new:?} is there already")));
            }
            done => done.map_err(failed(old))?,
        }
        sync(&to).and_then(|()| sync(&from)).map_err(failed(new))
    }

    pub(super) fn make_dir(&self, path: &str) -> Result<()> {
        check_stays_directory(path)?;
        self.open_dir(path, path, true).map(drop)
    }
}

/// Refuses the name that tells a pxOS root from a directory: whoever opened it next
/// would meet a root, without the files that are in it now.
fn check_stays_directory(path: &str) -> Result<()> {
    match path.split('/').find(|part| !part.is_empty()) {
        Some(PIXELFS) => Err(BuildError::refused(format!(
            "{path:?} would make a pxOS root of this directory, and hide its files"
        ))),
        _ => Ok(()),
    }
}

fn failed(path: &str) -> impl FnOnce(Errno) -> BuildError {
    let path = format!("{path:?}");
    move |error| BuildError::File { path, source: error.into() }
}

/// A part of a path that is not a directory.
fn refused_step(path: &str, name: &str, error: Errno) -> BuildError {
    match error {
        Errno::LOOP => BuildError::refused(format!("{path:?}: {name:?} is a link, not followed")),
        Errno::NOTDIR => BuildError::refused(format!("{path:?} cannot be: {name:?} is a file")),
        other => failed(path)(other),
    }
}

/// What a name in a directory is, links not followed.
fn kind_at(dir: impl AsFd, name: &str) -> rustix::io::Result<Option<FileType>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a directory's names to the disk, where the file system can.
fn sync(dir: impl AsFd) -> rustix::io::Result<()> {
    match rustix::fs::fsync(dir) {
        Err(Errno::INVAL) => Ok(()),
        done => done,
    }
}

/// Notes what is known of a file in its attributes, where the file system has such.
fn label(file: &File, new: &NewPath) {
    let area = new.path.split('/').nth(1).filter(|area| new.path[1..] != **area);
    let usual = PixelType::of_area(area.unwrap_or_default().as_bytes());
    let kind = new.kind.filter(|kind| *kind != usual).map(PixelType::name).unwrap_or_default();
    let description = new.description.clone().unwrap_or_default();
    let values = [
        (TYPE.as_bytes(), kind.to_owned()),
        (DESCRIPTION, description),
        (REQUIRES, new.requires.join("\n")),
    ];
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        let set = rustix::fs::fsetxattr(file, *name, value.as_bytes(), XattrFlags::empty());
        if let Err(error) = set {
            log::debug!("{:?}: {}: {error}", new.path, String::from_utf8_lossy(name));
        }
    }
}

/// Removes a directory with what is in it, links not followed.
fn remove_dir(dir: impl AsFd, name: &str, path: &str, depth: usize) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let inner = beneath::open_any(&dir, name, Outside::NoLinks, flags);
    remove_names(inner.map_err(BuildError::file(path))?, path, depth)?;
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).map_err(failed(path))
}

fn remove_names(dir: OwnedFd, path: &str, depth: usize) -> Result<()> {
    for entry in Dir::read_from(&dir).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name();
        if [b".".as_slice(), b".."].contains(&name.to_bytes()) {
            continue;
        }
        match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) if depth == 0 => {
                return Err(BuildError::refused(format!("{path:?} is too deep to be removed")));
            }
            Err(Errno::ISDIR | Errno::PERM) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let inner = beneath::open_any(&dir, name, Outside::NoLinks, flags);
                remove_names(inner.map_err(BuildError::file(path))?, path, depth - 1)?;
                let removed = rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR);
                removed.map_err(failed(path))?;
            }
            done => done.map_err(failed(path))?,
        }
    }
    Ok(())
}
