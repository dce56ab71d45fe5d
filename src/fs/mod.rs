//! Files, directories and attributes, without a word of FUSE.
//!
//! In: a mounted-or-not source of files. Out: the [`Tree`] trait that the
//! adapter, the commands and the boot helper use, and its errors. Never: fuser
//! types, process state, printing.

mod error;
mod tree;

pub use error::{FsError, Result};
pub use tree::*;
