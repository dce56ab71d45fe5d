//! What can be wrong with the bytes of a file system.

/// A structure that breaks the rules of `docs/format.md`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A record ends before its fields do, or goes on after them.
    #[error("{what}: has {have} bytes, needs {need}")]
    Length {
        /// The structure.
        what: &'static str,
        /// Bytes at hand.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A field has a value that the format does not allow.
    #[error("{what}: {field} is {value}, which is not allowed")]
    Field {
        /// The structure.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// A checksum does not fit its bytes.
    #[error("{what}: checksum is {found:016x}, should be {expected:016x}")]
    Checksum {
        /// The structure.
        what: String,
        /// Checksum of the bytes.
        found: u64,
        /// Checksum stored for them.
        expected: u64,
    },
    /// Keys of a node are not in strictly ascending order.
    #[error("tree node: keys are out of order at entry {0}")]
    KeyOrder(usize),
    /// The magic number is missing.
    #[error("no superblock: the magic number is missing")]
    NoMagic,
    /// The format is newer than this program.
    #[error(
        "format version {major}.{minor} is newer than this program reads (1.x): use a newer pxfs"
    )]
    Version {
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// Features that this program does not know and cannot do without.
    #[error("uses features this program does not know ({0}): use a newer pxfs")]
    Features(String),
}

impl FormatError {
    /// Shorthand for [`FormatError::Field`].
    pub(crate) fn field(what: &'static str, field: &'static str, value: impl Into<u64>) -> Self {
        Self::Field { what, field, value: value.into() }
    }
}
