//! The boot sequence that a root has of its own.

use crate::boot::sequence::{MAX_BYTES, OWN, Sequence, SequenceError, TEMPLATE, parse};
use crate::boot::source::{BootRoot, SourceError};

/// Why a root's own boot sequence cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It cannot be read.
    #[error("boot sequence {path} of the root: {error}")]
    Source {
        /// Where it lies.
        path: &'static str,
        /// Why not.
        error: SourceError,
    },
    /// It is no text.
    #[error("boot sequence {0} of the root: not UTF-8")]
    NoText(&'static str),
    /// It is no boot sequence.
    #[error("boot sequence {path} of the root: {error}")]
    Sequence {
        /// Where it lies.
        path: &'static str,
        /// Why not.
        error: SequenceError,
    },
}

/// A boot sequence with its text.
#[derive(Debug, Clone)]
pub struct OwnSequence {
    /// Where it lies in the root; `None` is the built-in one.
    pub path: Option<&'static str>,
    /// Its text.
    pub text: String,
    /// What the text says.
    pub sequence: Sequence,
}

impl OwnSequence {
    /// The sequence that a root boots by: the first of its own, else the built-in one.
    ///
    /// # Errors
    /// When the root has one that cannot be used.
    pub fn of(root: &dyn BootRoot) -> Result<Self, OwnError> {
        for path in OWN {
            let bytes = match root.read_file(path, MAX_BYTES) {
                Err(SourceError::NotFound) => continue,
                file => file.map_err(|error| OwnError::Source { path, error })?.bytes,
            };
            let text = String::from_utf8(bytes).map_err(|_| OwnError::NoText(path))?;
            let sequence = parse(&text).map_err(|error| OwnError::Sequence { path, error })?;
            return Ok(Self { path: Some(path), text, sequence });
        }
        let failed = |error| OwnError::Sequence { path: "(built-in)", error };
        let sequence = parse(TEMPLATE).map_err(failed)?;
        Ok(Self { path: None, text: TEMPLATE.to_owned(), sequence })
    }

    /// Where it comes from, for people.
    pub fn origin(&self) -> String {
        self.path.map_or_else(|| "built-in".to_owned(), |path| format!("{path} of the root"))
    }
}
