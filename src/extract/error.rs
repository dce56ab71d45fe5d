//! What can go wrong with one file on its way out of a tree.

use rustix::io::Errno;

use crate::fs::FsError;

/// A file that could not be written out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The tree cannot give it.
    #[error("{0}")]
    Read(#[from] FsError),
    /// The disk does not take it.
    #[error("{doing}: {}", std::io::Error::from(*errno))]
    Write {
        /// What was tried: "cannot ...".
        doing: &'static str,
        /// Why it failed.
        errno: Errno,
    },
    /// What is there already must not be replaced by it.
    #[error("{0}")]
    InTheWay(&'static str),
    /// The output stream failed: there is no going on.
    #[error("{0}")]
    Output(#[from] std::io::Error),
}

impl ExtractError {
    /// For `map_err`: what was tried.
    pub(super) fn write(doing: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Write { doing, errno }
    }

    /// Whether every further file would fail the same way.
    pub(super) fn is_final(&self) -> bool {
        let full = |errno| matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS);
        matches!(self, Self::Write { errno, .. } if full(*errno)) || matches!(self, Self::Output(_))
    }
}

/// Result of writing one file out.
pub(super) type Result<T, E = ExtractError> = std::result::Result<T, E>;
