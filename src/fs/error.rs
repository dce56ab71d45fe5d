//! What can go wrong when a file tree is read, and the errno each becomes.

use crate::fs::Ino;

/// An operation on a file tree that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsError {
    /// No entry of that name, or no inode of that number.
    #[error("no such file or directory")]
    NotFound,
    /// A directory operation on something that is none.
    #[error("inode {0} is not a directory")]
    NotADirectory(Ino),
    /// File contents were asked of a directory.
    #[error("inode {0} is a directory")]
    IsADirectory(Ino),
    /// The operation does not fit the inode's type (readlink of a file, read of a fifo).
    #[error("inode {0}: {1}")]
    WrongType(Ino, &'static str),
    /// The file has no extended attribute of that name.
    #[error("no such attribute")]
    NoXattr,
    /// lseek: no data, or no hole, from there to the end of the file.
    #[error("offset is beyond the end of the file")]
    BeyondEnd,
    /// A path led through more than 40 symbolic links.
    #[error("too many levels of symbolic links")]
    TooManyLinks,
    /// What is stored is damaged or contradicts itself; the message says where.
    #[error("{0}")]
    Corrupt(String),
    /// The medium failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl FsError {
    /// The errno that FUSE and the exit messages give for this error.
    pub fn errno(&self) -> i32 {
        match self {
            Self::NotFound => libc::ENOENT,
            Self::NotADirectory(_) => libc::ENOTDIR,
            Self::IsADirectory(_) => libc::EISDIR,
            Self::WrongType(..) => libc::EINVAL,
            Self::NoXattr => libc::ENODATA,
            Self::BeyondEnd => libc::ENXIO,
            Self::TooManyLinks => libc::ELOOP,
            Self::Corrupt(_) => libc::EIO,
            // The reader of a file need not know why the medium failed: every
            // such failure is EIO to them, and the log has the reason.
            Self::Io(_) => libc::EIO,
        }
    }
}

/// Result of a file tree operation.
pub type Result<T, E = FsError> = std::result::Result<T, E>;
