//! What can go wrong between a pixel stream and the records on it.

use crate::format::{Digest, FormatError, TreeKind};
use crate::picture::PictureError;

/// A read from the store that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The picture could not be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A structure breaks the format's rules.
    #[error("{at}: {source}")]
    Format {
        /// Which structure, and where.
        at: String,
        /// The rule broken.
        source: FormatError,
    },
    /// Stored bytes do not fit their checksum.
    #[error("{what} at offset {offset}: checksum is {found:016x}, should be {expected:016x}")]
    Checksum {
        /// Block or node.
        what: &'static str,
        /// Payload offset.
        offset: u64,
        /// Checksum of the bytes read.
        found: u64,
        /// Checksum in the reference.
        expected: u64,
    },
    /// Stored bytes do not fit the digest that the pinned one vouches for.
    #[error("{what} at offset {offset}: does not have the digest that the picture's digest pins")]
    Digest {
        /// Block or node.
        what: &'static str,
        /// Payload offset.
        offset: u64,
    },
    /// Stored bytes do not decode to what the reference says.
    #[error("{what} at offset {offset}: cannot be decompressed to {raw} bytes")]
    Decode {
        /// Block or node.
        what: &'static str,
        /// Payload offset.
        offset: u64,
        /// Bytes that should come out.
        raw: u32,
    },
    /// A reference leads outside the stream.
    #[error("{what} at offset {offset}: lies outside the stream of {len} bytes")]
    Outside {
        /// Block or node.
        what: &'static str,
        /// Payload offset.
        offset: u64,
        /// Length of the stream.
        len: u64,
    },
    /// An entry that another structure refers to does not exist.
    #[error("{tree:?} tree has no entry {key}")]
    Missing {
        /// The tree.
        tree: TreeKind,
        /// The number looked for.
        key: u64,
    },
    /// The picture is no pxfs file system, or no longer; the message says which.
    #[error("{0}")]
    NotAFileSystem(String),
    /// Bytes of the committed stream are missing at the end.
    #[error(
        "the picture is truncated: its file system needs {need} bytes of pixels, {have} are there"
    )]
    Truncated {
        /// Payload bytes present.
        have: u64,
        /// Payload bytes committed.
        need: u64,
    },
    /// The picture's digest is not the one asked for.
    #[error("the picture's digest is {}, not the pinned {}", hex(&**.found), hex(&**.pinned))]
    Pinned {
        /// Digest in the superblock.
        found: Box<Digest>,
        /// Digest asked for.
        pinned: Box<Digest>,
    },
}

/// Result of a read from the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
