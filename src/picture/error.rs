//! What can go wrong between a path and the bytes of its pixels.

/// A picture that cannot be opened, read or written.
///
/// Each message is one sentence that an upper layer can show as it is, after
/// the name of the picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The medium failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was being done, as in "cannot ...".
        action: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The bytes start like no picture that is known.
    #[error("this is not a picture")]
    NotAPicture,
    /// A picture, but of a kind that cannot hold or give back the pixels.
    #[error("{0}")]
    Unsupported(String),
    /// A format that changes pixels by design.
    #[error("{0} is lossy: it cannot keep the pixels that hold the file system")]
    Lossy(&'static str),
    /// The picture contradicts its own format.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// Bytes are missing at the end.
    #[error("the picture is cut short: {have} bytes are there, {need} are needed")]
    Truncated {
        /// Bytes that are there.
        have: u64,
        /// Bytes that what was asked for would need.
        need: u64,
    },
    /// Decoding would take more memory than was granted.
    #[error(
        "decoding this picture takes {needed} bytes of memory and {budget} are allowed: \
         raise the limit with -o mem=, or convert it to a seekable PNG, which needs none"
    )]
    TooLarge {
        /// Bytes the decoder would need.
        needed: u64,
        /// Bytes it may use.
        budget: u64,
    },
}

impl PictureError {
    /// Makes the closure that names the failed action of an I/O error.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Result of an operation on a picture.
pub type Result<T, E = PictureError> = std::result::Result<T, E>;
