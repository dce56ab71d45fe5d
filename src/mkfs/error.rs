//! Why a picture could not be made.

use std::path::PathBuf;

use crate::picture::PictureError;

/// Making a picture failed; nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MkfsError {
    /// Something in the source could not be read.
    #[error("{}: {source}", .path.display())]
    Source {
        /// The file or directory.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
    /// A source file got shorter between being listed and being read.
    #[error("{}: shrank while it was read, from {expected} to {found} bytes", .path.display())]
    Shrank {
        /// The file.
        path: PathBuf,
        /// Size when it was listed.
        expected: u64,
        /// Bytes that could be read.
        found: u64,
    },
    /// The tar stream is damaged or holds what a file system cannot.
    #[error("tar stream: {0}")]
    Tar(String),
    /// The picture or its temporary files could not be written.
    #[error("cannot write {what}: {source}")]
    Output {
        /// What was being written.
        what: String,
        /// What failed.
        source: std::io::Error,
    },
    /// The picture layer refused.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The options contradict each other or the source.
    #[error("{0}")]
    Invalid(String),
}

impl MkfsError {
    /// An error about a file of the source.
    pub(super) fn source(path: impl Into<PathBuf>, source: impl Into<std::io::Error>) -> Self {
        Self::Source { path: path.into(), source: source.into() }
    }

    /// An error about something that is written.
    pub(super) fn output(what: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::Output { what: what.into(), source: source.into() }
    }
}

/// Result of a step of making a picture.
pub type Result<T, E = MkfsError> = std::result::Result<T, E>;
