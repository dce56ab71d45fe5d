//! Files, directories and attributes, without a word of FUSE.
//!
//! In: the store of a picture. Out: the [`Tree`] trait that the adapter, the
//! commands and the boot helper use, its implementation for pictures
//! ([`Volume`]), and what PixelFS shows beside the files ([`WithHidden`]).
//! Never: fuser types, process state, printing.

pub mod check;
mod desktop;
mod error;
mod hidden;
mod pixel;
mod pixelfs_json;
pub(crate) mod python_json;
mod subtree;
mod tree;
mod volume;
mod walk;

pub use error::{FsError, Result};
pub use hidden::{HIDDEN_DIR, MADE_XATTRS, WithHidden, Worlds};
pub use pixel::{Pixel, PixelTree};
pub use subtree::Subtree;
pub use tree::*;
pub use volume::{ExtentWalk, Volume};
pub use walk::{Step, walk};
