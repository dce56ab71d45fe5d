//! The boot kernel: walks the stages of a boot sequence and runs their modules.
//!
//! In: a [`BootRoot`] that holds the modules, and a [`Sequence`]. Out: a log,
//! and whether the boot is complete. Never: files of the host beyond that root.
//! `docs/boot.md` describes the sequence, the log and what makes a boot fail.

mod begin;
pub mod events;
mod failure;
pub mod files;
mod host;
pub mod kernel;
mod kernel_line;
mod load;
pub mod log;
mod model;
mod native;
mod own;
mod requires;
pub mod resume;
mod routes;
pub mod sequence;
mod session;
mod shell;
pub mod source;
mod terminal;

pub use begin::{Mode, write_start};
pub use failure::StageError;
pub use files::{BootFiles, Mismatch, check_content};
pub use kernel::{Options, Outcome, Setup, boot, boot_with};
pub use log::{Format, Level, Log};
pub use model::{Ask, Model, NoModel, Reply};
pub use native::boot_native;
pub use own::{OwnError, OwnSequence};
pub use requires::RequiresError;
pub use resume::{Earlier, ResumeError};
pub use routes::{MAX_ROUTES, Routes};
pub use sequence::{Sequence, SequenceError, Stage};
pub use shell::Shell;
pub use source::{BootFile, BootRoot, Declared, DirRoot, Look, SourceError, TreeRoot, WithFile};
pub use terminal::Terminal;
