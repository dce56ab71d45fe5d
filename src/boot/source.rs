//! Where a boot takes its files from: a directory, or a picture's file tree.
//!
//! Both give the same two things: a file by path, and a blob by pixel id. A
//! directory is the root of all paths, as after chroot(2), so nothing a
//! sequence or a link says leads out of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::fs::{FileKind, FsError, Tree, resolve};
use crate::legacy::beneath::{self, Outside};
use crate::legacy::{RegistryError, RegistryRoot};
use crate::pxi::{BlobError, BlobReply, BlobRequest};

/// The attribute in which pxfs gives a file's SHA-256, in hexadecimal.
const DIGEST_XATTR: &str = "user.pxfs.sha256";

/// The attribute that names the paths a file needs, one a line.
const REQUIRES_XATTR: &str = "user.pxfs.requires";
/// The longest list of them, as long as an attribute can be.
const MAX_REQUIRES: usize = 1 << 16;

/// A file of a boot root.
#[derive(Debug)]
pub struct BootFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// The SHA-256 that the root says it has, in lower-case hexadecimal.
    pub declared_sha256: Option<String>,
    /// Paths that must be there, and be loaded first.
    pub requires: Vec<String>,
}

/// Why a file of a boot root cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is none of that path.
    #[error("not found")]
    NotFound,
    /// It is longer than anything it could be.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// It is a directory, a device or the like.
    #[error("not a regular file")]
    NotAFile,
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The picture's file tree refused.
    #[error("{0}")]
    Tree(FsError),
}

/// Files by path and blobs by pixel id.
pub trait BootRoot {
    /// Reads the file of that path, links followed.
    ///
    /// # Errors
    /// [`SourceError`]; a file longer than `limit` is not read.
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError>;

    /// The paths that a file requires, without reading what is in it.
    ///
    /// # Errors
    /// As for reading it.
    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError>;

    /// Answers SYS_BLOB.
    fn blob(&self, request: &BlobRequest) -> BlobReply;
}

/// A directory: a mounted picture, a pxOS root, or any tree.
#[derive(Debug)]
pub struct DirRoot {
    directory: File,
    registry: RegistryRoot,
}

impl DirRoot {
    /// Opens the directory.
    ///
    /// # Errors
    /// When it cannot be opened or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let registry = RegistryRoot::open(path)?;
        Ok(Self { directory: File::open(path)?, registry })
    }

    fn open_file(&self, path: &str) -> Result<File, SourceError> {
        beneath::open(&self.directory, path, Outside::Root).map_err(|error| match error.kind() {
            // A path through a file finds nothing, as a path to nothing does.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NotFound,
            io::ErrorKind::InvalidInput => SourceError::NotAFile,
            _ => SourceError::Io(error),
        })
    }

    fn registry_blob(&self, request: &BlobRequest) -> BlobReply {
        let fetched = self.registry.fetch(request.id, request.max_len, request.inflate);
        let result = fetched.result.map_err(|error| match error {
            RegistryError::NoRegistry | RegistryError::NotFound(_) => {
                BlobError::NotFound(request.id)
            }
            other => unreadable(request.id, &other),
        });
        BlobReply { result, cost: fetched.cost }
    }
}

impl BootRoot for DirRoot {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        let file = self.open_file(path)?;
        let declared_sha256 = digest_of(&file)?;
        let requires = requires_of(&file)?;
        let mut bytes = Vec::new();
        (&file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(SourceError::TooLong { limit });
        }
        Ok(BootFile { bytes, declared_sha256, requires })
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        Ok(requires_of(&self.open_file(path)?)?)
    }

    /// A mounted picture gives content by id as it is, whatever the flags; the
    /// registry of a pxOS root is asked when it has none.
    fn blob(&self, request: &BlobRequest) -> BlobReply {
        let file = match self.open_file(&pixel_path(request.id)) {
            Err(SourceError::NotFound) => return self.registry_blob(request),
            Err(error) => return failed(request.id, &error),
            Ok(file) => file,
        };
        let mut bytes = Vec::new();
        match file.take(request.max_len as u64).read_to_end(&mut bytes) {
            Ok(_) => delivered(bytes),
            Err(error) => failed(request.id, &error),
        }
    }
}

/// The digest attribute of a file, if its file system has such a thing.
fn digest_of(file: &File) -> io::Result<Option<String>> {
    Ok(match attribute(file, DIGEST_XATTR, &mut [0u8; 65])? {
        Attribute::None => None,
        Attribute::Is(value) => Some(digest_text(value)),
        // Kept as a text that no digest equals.
        Attribute::TooLong => Some("an attribute that is no SHA-256".to_owned()),
    })
}

fn requires_of(file: &File) -> io::Result<Vec<String>> {
    match attribute(file, REQUIRES_XATTR, &mut vec![0; MAX_REQUIRES])? {
        Attribute::Is(value) => Ok(list_of(value)),
        _ => Ok(Vec::new()),
    }
}

/// The lines of an attribute.
fn list_of(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What a file has for an attribute.
enum Attribute<'b> {
    None,
    Is(&'b [u8]),
    TooLong,
}

fn attribute<'b>(file: &File, name: &str, value: &'b mut [u8]) -> io::Result<Attribute<'b>> {
    use rustix::io::Errno;
    match rustix::fs::fgetxattr(file, name, &mut *value) {
        Ok(len) => Ok(Attribute::Is(&value[..len])),
        Err(Errno::RANGE) => Ok(Attribute::TooLong),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Attribute::None),
        Err(error) => Err(error.into()),
    }
}

fn digest_text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim().to_ascii_lowercase()
}

/// The file tree of a picture that is not mounted.
#[derive(Clone, Copy)]
pub struct TreeRoot<'a>(pub &'a dyn Tree);

impl std::fmt::Debug for TreeRoot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TreeRoot")
    }
}

impl TreeRoot<'_> {
    /// The inode and size of a regular file.
    fn find(&self, path: &str) -> Result<(u64, u64), SourceError> {
        let attr = resolve(self.0, path.as_bytes(), true).map_err(|error| match error {
            FsError::NotFound | FsError::NotADirectory(_) => SourceError::NotFound,
            other => SourceError::Tree(other),
        })?;
        if attr.kind == FileKind::Regular {
            Ok((attr.ino, attr.size))
        } else {
            Err(SourceError::NotAFile)
        }
    }

    fn xattr(&self, ino: u64, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match self.0.xattr(ino, name.as_bytes()) {
            Ok(value) => Ok(Some(value)),
            Err(FsError::NoXattr) => Ok(None),
            Err(error) => Err(SourceError::Tree(error)),
        }
    }

    /// The first `len` bytes, which the caller has bounded.
    fn read(&self, ino: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.0.read(ino, filled as u64, &mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(SourceError::Tree(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn first_bytes(&self, path: &str, max_len: usize) -> Result<Vec<u8>, SourceError> {
        let (ino, size) = self.find(path)?;
        self.read(ino, usize::try_from(size).unwrap_or(max_len).min(max_len))
    }
}

impl BootRoot for TreeRoot<'_> {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        let (ino, size) = self.find(path)?;
        if size > limit {
            return Err(SourceError::TooLong { limit });
        }
        let declared_sha256 = self.xattr(ino, DIGEST_XATTR)?.map(|value| digest_text(&value));
        let requires = self.requires(path)?;
        Ok(BootFile { bytes: self.read(ino, size as usize)?, declared_sha256, requires })
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        let (ino, _) = self.find(path)?;
        Ok(self.xattr(ino, REQUIRES_XATTR)?.map(|value| list_of(&value)).unwrap_or_default())
    }

    fn blob(&self, request: &BlobRequest) -> BlobReply {
        match self.first_bytes(&pixel_path(request.id), request.max_len) {
            Ok(bytes) => delivered(bytes),
            Err(SourceError::NotFound) => {
                BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 }
            }
            Err(error) => failed(request.id, &error),
        }
    }
}

/// Where pxfs shows a content by its pixel id.
fn pixel_path(id: u32) -> String {
    format!(".pxfs/pixels/{id:08X}")
}

fn delivered(bytes: Vec<u8>) -> BlobReply {
    BlobReply { cost: bytes.len() as u64, result: Ok(bytes) }
}

fn failed(id: u32, error: &dyn std::error::Error) -> BlobReply {
    BlobReply { result: Err(unreadable(id, error)), cost: 0 }
}

fn unreadable(id: u32, error: &dyn std::error::Error) -> BlobError {
    BlobError::Unreadable { id, reason: error.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_directory_is_the_root_of_all_its_paths() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("boot")).unwrap();
        std::fs::write(directory.path().join("secret"), "outside").unwrap();
        std::fs::write(root.join("secret"), "inside").unwrap();
        symlink("/secret", root.join("boot/absolute")).unwrap();
        symlink("../../secret", root.join("boot/up")).unwrap();
        let source = DirRoot::open(&root).unwrap();
        for path in ["/secret", "secret", "../secret", "/boot/absolute", "/boot/up"] {
            assert_eq!(source.read_file(path, 99).unwrap().bytes, b"inside", "{path}");
        }
        assert!(matches!(source.read_file("/boot", 99), Err(SourceError::NotAFile)));
        assert!(matches!(source.read_file("/none", 99), Err(SourceError::NotFound)));
        assert!(matches!(source.read_file("/secret/x", 99), Err(SourceError::NotFound)));
        assert!(matches!(source.read_file("/secret", 5), Err(SourceError::TooLong { limit: 5 })));
    }

    #[test]
    fn blobs_come_by_pixel_id_and_are_cut() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join(".pxfs/pixels")).unwrap();
        std::fs::write(directory.path().join(".pxfs/pixels/000000AB"), "content").unwrap();
        let source = DirRoot::open(directory.path()).unwrap();
        let request = BlobRequest { id: 0xAB, max_len: 4, inflate: true };
        assert_eq!(source.blob(&request).result.unwrap(), b"cont");
        let none = source.blob(&BlobRequest { id: 1, ..request });
        assert_eq!(none.result.unwrap_err(), BlobError::NotFound(1));
    }
}
