//! The boot kernel: walks the stages of a boot sequence and runs their modules.
//!
//! In: a [`BootRoot`] that holds the modules, and a [`Sequence`]. Out: a log,
//! and whether the boot is complete. Never: files of the host beyond that root.
//! `docs/boot.md` describes the sequence, the log and what makes a boot fail.

mod host;
pub mod kernel;
pub mod log;
mod requires;
pub mod sequence;
pub mod source;

pub use kernel::{Options, Outcome, StageError, boot};
pub use log::{Format, Level, Log};
pub use requires::RequiresError;
pub use sequence::{Sequence, SequenceError, Stage};
pub use source::{BootFile, BootRoot, DirRoot, SourceError, TreeRoot};
