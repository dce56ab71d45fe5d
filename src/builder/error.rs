//! Why something was not built.

use std::io;
use std::path::Path;

use crate::fs::FsError;
use crate::legacy::root::RootError;
use crate::mkfs::MkfsError;

/// Building failed; what was there is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A root's JSON files cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The failure.
        source: io::Error,
    },
    /// A picture could not be made.
    #[error(transparent)]
    Mkfs(#[from] MkfsError),
    /// A tree cannot be read.
    #[error("{path}: {source}")]
    Tree {
        /// Where in the tree.
        path: String,
        /// The failure.
        source: FsError,
    },
    /// It cannot be done, or would do harm; the sentence says why.
    #[error("{0}")]
    Refused(String),
}

impl BuildError {
    /// Makes a failure of a file of this path.
    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().display().to_string();
        move |source| Self::File { path, source }
    }

    /// Makes a failure at this path of a tree.
    pub(crate) fn tree(path: impl Into<String>) -> impl FnOnce(FsError) -> Self {
        let path = path.into();
        move |source| Self::Tree { path, source }
    }

    /// A refusal.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }
}

/// Result of building.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;
