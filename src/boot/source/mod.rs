//! Where a boot takes its files from: a directory, or a picture's file tree.
//!
//! Both give the same: files by path, what is known of them, and blobs by pixel
//! id. A directory is the root of all paths, as after chroot(2), so nothing a
//! sequence, a module or a link says leads out of it.

mod beside;
mod dir;
mod tree;

use std::io;

use crate::format::PixelType;
use crate::fs::FsError;
use crate::pxi::host::Stat;
use crate::pxi::{BlobError, BlobReply, BlobRequest, CallError};

pub use beside::WithFile;
pub use dir::DirRoot;
pub use tree::TreeRoot;

/// The attribute in which pxfs gives a file's SHA-256, in hexadecimal.
const DIGEST_XATTR: &str = "user.pxfs.sha256";
/// The attribute in which pxfs gives a file's pixel id, as 0x499602D2.
const ID_XATTR: &str = "user.pxfs.id";
/// The attribute that says what PixelFS takes a file for.
const TYPE_XATTR: &str = "user.pxfs.type";
/// The attribute that names the paths a file needs, one a line.
const REQUIRES_XATTR: &str = "user.pxfs.requires";
/// The longest list of them, as long as an attribute can be.
const MAX_REQUIRES: usize = 1 << 16;
/// Names that a directory may have to be listed, and bytes of them.
const MAX_NAMES: usize = 1 << 20;
const MAX_NAME_BYTES: usize = 64 << 20;

/// A file of a boot root.
#[derive(Debug)]
pub struct BootFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// What the root says it is.
    pub declared: Declared,
    /// Paths that must be there, and be loaded first.
    pub requires: Vec<String>,
}

/// What a root says of a file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Its pixel id as a text.
    pub id: Option<String>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// As programs see it, but without its id.
    pub stat: Stat,
    /// What the root says of its content.
    pub declared: Declared,
    /// Changes when the file is another or has changed.
    pub key: [u64; 4],
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
    /// It is a file or the like.
    #[error("not a directory")]
    NotADirectory,
    /// The directory has more names than can be given.
    #[error("the directory has more than {MAX_NAMES} names")]
    TooManyNames,
    /// It leads to a name that is no UTF-8.
    #[error("its name is no text")]
    NoText,
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The picture's file tree refused.
    #[error("{0}")]
    Tree(FsError),
}

impl SourceError {
    /// What a program is told.
    pub(super) fn call_error(&self) -> CallError {
        match self {
            Self::NotFound => CallError::NotFound,
            Self::NotAFile | Self::NotADirectory => CallError::WrongKind,
            _ => CallError::Io,
        }
    }
}

/// Files by path and blobs by pixel id.
pub trait BootRoot {
    /// Reads the file of that path, links followed.
    ///
    /// # Errors
    /// [`SourceError`]; a file longer than `limit` is not read.
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError>;

    /// The paths that a file's attribute says it requires.
    ///
    /// # Errors
    /// As for reading it.
    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError>;

    /// The path without links, `.` and `..`.
    ///
    /// # Errors
    /// When there is nothing of that path.
    fn canonical(&self, path: &str) -> Result<String, SourceError>;

    /// What is known of a file, links followed.
    ///
    /// # Errors
    /// When there is nothing of that path.
    fn look(&self, path: &str) -> Result<Look, SourceError>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// When it is none, or a very large one.
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, SourceError>;

    /// Reads at most `len` bytes from `offset` on; less only at the end.
    ///
    /// # Errors
    /// As for reading it whole.
    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, SourceError>;

    /// Answers SYS_BLOB.
    fn blob(&self, request: &BlobRequest) -> BlobReply;
}

/// Keeps names up to the bounds of a listing.
#[derive(Default)]
struct Names {
    names: Vec<Vec<u8>>,
    bytes: usize,
}

impl Names {
    /// Whether it still fits.
    fn push(&mut self, name: &[u8]) -> bool {
        self.bytes += name.len();
        let fits = self.names.len() < MAX_NAMES && self.bytes <= MAX_NAME_BYTES;
        if fits {
            self.names.push(name.to_vec());
        }
        fits
    }
}

/// The lines of an attribute.
fn list_of(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn text_of(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim().to_ascii_lowercase()
}

/// The code of a type's name; 0 for the type of anything and what is none.
fn type_code(value: &[u8]) -> u32 {
    let found = PixelType::ALL.iter().find(|(_, name)| name.as_bytes() == value.trim_ascii());
    found.map_or(0, |(kind, _)| *kind as u32)
}

/// Where pxfs shows a content by its pixel id.
pub(super) fn pixel_path(id: u32) -> String {
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
