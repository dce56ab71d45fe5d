//! Why a map cannot be read or changed.

use std::io;
use std::path::Path;

use crate::builder::BuildError;
use crate::map::Coord;

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Somebody else changed the tile first.
    #[error("tile {tile} was changed by somebody else (revision {found}, not {expected})")]
    Conflict {
        /// The tile.
        tile: Coord,
        /// The revision that the change was made for.
        expected: u64,
        /// The revision that the tile has.
        found: u64,
    },
    /// The change makes no sense for this tile, or is too large.
    #[error("{0}")]
    Refused(String),
    /// The place of the map cannot be written to.
    #[error("the map cannot be changed: {0}")]
    ReadOnly(String),
    /// A picture, root or directory could not be read or changed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The failure.
        source: io::Error,
    },
}

impl MapError {
    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path: path.clone(), source }
    }

    /// What the system says of places that may not be written to is said as such.
    pub(super) fn or_read_only(self) -> Self {
        let source = match &self {
            Self::File { source, .. } | Self::Build(BuildError::File { source, .. }) => source,
            _ => return self,
        };
        let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
        if kinds.contains(&source.kind()) { Self::ReadOnly(self.to_string()) } else { self }
    }

    pub(super) fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }
}

/// Result of what is done with a map.
pub type Result<T, E = MapError> = std::result::Result<T, E>;
