//! Where a root's files lie: a directory on disk, or a tree of ours.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::fs::{Attr, FileKind, FsError, ROOT_INO, Time, Tree, resolve};
use crate::legacy::beneath::{self, Outside};

/// A file that is read at any place.
pub trait ReadAt: Send + Sync + Debug {
    /// Reads at `offset`; fewer bytes than wanted only at the end.
    ///
    /// # Errors
    /// What reading gives.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Its length.
    ///
    /// # Errors
    /// What asking for it gives.
    fn size(&self) -> io::Result<u64>;
}

/// The files of a root, by paths that never leave it.
pub trait RootFiles: Send + Sync + Debug {
    /// Opens a regular file.
    ///
    /// # Errors
    /// `CrossesDevices` for a path that leads out; whatever opening gives.
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadAt>>;

    /// When a file was modified, and who owns it.
    ///
    /// # Errors
    /// As for opening.
    fn origin(&self, path: &str) -> io::Result<Origin>;
}

/// Time and owner of what the entries are described in: they have none themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// Modification time.
    pub mtime: Time,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// `FileTooLarge` beyond the limit; what reading gives.
pub fn read_whole(file: &dyn ReadAt, limit: u64) -> io::Result<Vec<u8>> {
    let len = file.size()?;
    if len > limit {
        let message = format!("has {len} bytes, more than the {limit} that are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let mut bytes = vec![0; len as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(filled as u64, &mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// A directory on disk.
#[derive(Debug)]
pub struct DirFiles(File);

impl DirFiles {
    /// Opens the directory.
    ///
    /// # Errors
    /// When it cannot be opened or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = File::open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(directory))
    }
}

impl RootFiles for DirFiles {
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadAt>> {
        Ok(Arc::new(beneath::open(&self.0, path, Outside::Refuse)?))
    }

    fn origin(&self, path: &str) -> io::Result<Origin> {
        use std::os::unix::fs::MetadataExt as _;
        let found = beneath::open(&self.0, path, Outside::Refuse)?.metadata()?;
        let mtime = Time { secs: found.mtime(), nanos: found.mtime_nsec() as u32 };
        Ok(Origin { mtime, uid: found.uid(), gid: found.gid() })
    }
}

/// A tree: a picture, or what was unpacked from a boot pixel.
#[derive(Debug)]
pub struct TreeFiles<T>(pub Arc<T>);

impl<T: Tree + Debug + 'static> TreeFiles<T> {
    fn find(&self, path: &str) -> io::Result<Attr> {
        let found = resolve(&*self.0, path.as_bytes(), true).map_err(to_io)?;
        match found.kind {
            FileKind::Regular => Ok(found),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
    }
}

impl<T: Tree + Debug + 'static> RootFiles for TreeFiles<T> {
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadAt>> {
        // In a tree `..` and absolute paths end at its root; a registry that
        // names such a path is refused all the same, as in a directory.
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let found = self.find(path)?;
        Ok(Arc::new(TreeFile { tree: Arc::clone(&self.0), ino: found.ino, len: found.size }))
    }

    fn origin(&self, path: &str) -> io::Result<Origin> {
        let found = self.find(path).or_else(|_| self.0.attr(ROOT_INO).map_err(to_io))?;
        Ok(Origin { mtime: found.mtime, uid: found.uid, gid: found.gid })
    }
}

#[derive(Debug)]
struct TreeFile<T> {
    tree: Arc<T>,
    ino: u64,
    len: u64,
}

impl<T: Tree + Debug> ReadAt for TreeFile<T> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.tree.read(self.ino, offset, buf).map_err(to_io)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}

fn to_io(error: FsError) -> io::Error {
    match error {
        FsError::Io(error) => error,
        other => {
            let kind = match other {
                FsError::NotFound => io::ErrorKind::NotFound,
                FsError::NotADirectory(_) => io::ErrorKind::NotADirectory,
                _ => io::ErrorKind::InvalidData,
            };
            io::Error::new(kind, other.to_string())
        }
    }
}
