//! A directory as a boot root: a mounted picture, a pxOS root, or any tree.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Dir, OFlags};

use super::{
    BootFile, BootRoot, DIGEST_XATTR, Declared, ID_XATTR, Look, MAX_REQUIRES, Names,
    REQUIRES_XATTR, SourceError, TYPE_XATTR, delivered, failed, list_of, pixel_path, text_of,
    type_code, unreadable,
};
use crate::fs::FileKind;
use crate::legacy::beneath::{self, Outside};
use crate::legacy::{RegistryError, RegistryRoot};
use crate::pxi::host::Stat;
use crate::pxi::{BlobError, BlobReply, BlobRequest};

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
            io::ErrorKind::InvalidInput => SourceError::NotAFile,
            _ => opening(error),
        })
    }

    fn open_any(&self, path: &str, flags: OFlags) -> Result<OwnedFd, SourceError> {
        beneath::open_any(&self.directory, path, Outside::Root, flags).map_err(opening)
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

/// A path through a file finds nothing, as a path to nothing does.
fn opening(error: io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NotFound,
        _ => SourceError::Io(error),
    }
}

impl BootRoot for DirRoot {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        let file = self.open_file(path)?;
        let declared = declared(&file)?;
        let requires = requires_of(&file)?;
        let mut bytes = Vec::new();
        (&file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(SourceError::TooLong { limit });
        }
        Ok(BootFile { bytes, declared, requires })
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        Ok(requires_of(&self.open_file(path)?)?)
    }

    /// The kernel follows the links and then says where it came to.
    fn canonical(&self, path: &str) -> Result<String, SourceError> {
        let found = self.open_any(path, OFlags::PATH)?;
        let (root, found) = (place(&self.directory)?, place(&found)?);
        match found.strip_prefix(root.as_str()) {
            Some("") => Ok("/".to_owned()),
            Some(inside) if inside.starts_with('/') => Ok(inside.to_owned()),
            Some(_) if root == "/" => Ok(found),
            _ => Err(SourceError::NotFound),
        }
    }

    fn look(&self, path: &str) -> Result<Look, SourceError> {
        let stat =
            rustix::fs::fstat(self.open_any(path, OFlags::PATH)?).map_err(io::Error::from)?;
        let kind = match FileKind::from_mode(stat.st_mode) {
            Some(FileKind::Regular) => 1,
            Some(FileKind::Directory) => 2,
            _ => 3,
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut look = Look {
            stat: Stat {
                kind,
                size,
                id: 0,
                mode: stat.st_mode,
                modified: u32::try_from(stat.st_mtime).unwrap_or(0),
                links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
                pixel_type: 0,
            },
            declared: Declared::default(),
            key: [stat.st_dev, stat.st_ino, size, changed(&stat)],
        };
        // A file that may not be read has a size all the same.
        if kind == 1
            && let Ok(file) = self.open_file(path)
        {
            look.declared = declared(&file)?;
            if let Attribute::Is(value) = attribute(&file, TYPE_XATTR, &mut [0; 64])? {
                look.stat.pixel_type = type_code(value);
            }
        }
        Ok(look)
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = self.open_any(path, flags).map_err(|error| match self.look(path) {
            Ok(look) if look.stat.kind != 2 => SourceError::NotADirectory,
            _ => error,
        })?;
        let mut names = Names::default();
        for entry in Dir::read_from(directory).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." && !names.push(name) {
                return Err(SourceError::TooManyNames);
            }
        }
        Ok(names.names)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        let mut file = self.open_file(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
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

/// Where an open file lies, as the kernel names it.
fn place(file: impl AsFd) -> Result<String, SourceError> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let path = std::fs::read_link(link)?;
    path.into_os_string().into_string().map_err(|_| SourceError::NoText)
}

/// When a file changed last, in nanoseconds that may wrap.
fn changed(stat: &rustix::fs::Stat) -> u64 {
    let seconds = stat.st_ctime as u64;
    seconds.wrapping_mul(1_000_000_000).wrapping_add(stat.st_ctime_nsec)
}

/// What the attributes say of a content, if its file system has such a thing.
fn declared(file: &File) -> io::Result<Declared> {
    let sha256 = match attribute(file, DIGEST_XATTR, &mut [0; 65])? {
        Attribute::None => None,
        Attribute::Is(value) => Some(text_of(value)),
        // Kept as a text that no digest equals.
        Attribute::TooLong => Some("an attribute that is no SHA-256".to_owned()),
    };
    let id = match attribute(file, ID_XATTR, &mut [0; 32])? {
        Attribute::None => None,
        Attribute::Is(value) => Some(text_of(value)),
        Attribute::TooLong => Some("an attribute that is no id".to_owned()),
    };
    Ok(Declared { sha256, id })
}

fn requires_of(file: &File) -> io::Result<Vec<String>> {
    match attribute(file, REQUIRES_XATTR, &mut vec![0; MAX_REQUIRES])? {
        Attribute::Is(value) => Ok(list_of(value)),
        _ => Ok(Vec::new()),
    }
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
