//! The terminal of a shell, as a trait: standard input and output are the
//! commands' business.

use std::io;

/// Where a person types and reads.
pub trait Terminal {
    /// Shows a text as it is.
    ///
    /// # Errors
    /// When nobody can read it any more.
    fn show(&mut self, text: &str) -> io::Result<()>;

    /// A line without its end, of which all beyond `max` bytes is dropped;
    /// `None` at the end of the input. Shows first what was not shown yet.
    ///
    /// # Errors
    /// When it cannot be read.
    fn line(&mut self, max: usize) -> io::Result<Option<Vec<u8>>>;
}
