//! Why a stage fails, and the log line that says so.

use std::io;

use crate::boot::files::Mismatch;
use crate::boot::log::{Entry, Level, Log};
use crate::boot::requires::RequiresError;
use crate::boot::sequence::Stage;
use crate::boot::source::SourceError;
use crate::pxi::{CallError, ModuleError, RasterError, Stop, Trap};

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The module's file cannot be read.
    #[error("cannot read the module: {0}")]
    Source(#[from] SourceError),
    /// The content is not what the file system says it is.
    #[error("{0}")]
    Digest(#[from] Mismatch),
    /// The file is no picture that can be run.
    #[error("{0}")]
    Picture(#[from] RasterError),
    /// The module's header is wrong.
    #[error("{0}")]
    Module(#[from] ModuleError),
    /// The module's code cannot be right.
    #[error("{0}")]
    Code(String),
    /// What the module imports cannot be had.
    #[error("imports {path}: {error}")]
    Import {
        /// The other module.
        path: String,
        /// What is wrong with it.
        error: CallError,
    },
    /// What the module requires is not there or failed.
    #[error("{0}")]
    Requires(#[from] RequiresError),
    /// The module did not come to an end.
    #[error("out of fuel: not done after {0} steps (--fuel allows more)")]
    OutOfFuel(u64),
    /// The module ended with a status that says it failed.
    #[error("ended with status {0}")]
    Exit(u32),
    /// The machine refused to go on.
    #[error("trap: {0}")]
    Trap(#[from] Trap),
}

impl StageError {
    /// The event of the log line that tells of this failure.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Source(SourceError::NotFound) => "missing",
            Self::Source(_) => "unreadable",
            Self::Digest(_) => "digest-mismatch",
            Self::Picture(_) => "not-a-program",
            Self::Module(_) | Self::Code(_) => "bad-header",
            Self::Import { .. } => "bad-import",
            Self::Requires(RequiresError::Cycle(_) | RequiresError::TooDeep) => "cycle",
            Self::Requires(_) => "requires",
            Self::OutOfFuel(_) => "out-of-fuel",
            Self::Exit(_) => "exit",
            Self::Trap(_) => "trap",
        }
    }

    /// What a machine's end means for its stage.
    ///
    /// # Errors
    /// When it failed.
    pub(super) fn of_stop(stop: Stop, fuel: u64) -> Result<(), Self> {
        match stop {
            Stop::Halt | Stop::Return | Stop::EndOfMemory | Stop::Exit(0) => Ok(()),
            Stop::Exit(status) => Err(Self::Exit(status)),
            Stop::OutOfFuel => Err(Self::OutOfFuel(fuel)),
            Stop::Trap(trap) => Err(Self::Trap(trap)),
        }
    }

    /// Logs it.
    ///
    /// # Errors
    /// When the log cannot be written to.
    pub(super) fn log(&self, stage: &Stage, is_dry: bool, log: &mut Log<'_>) -> io::Result<()> {
        let (level, need, then) = match (stage.required, is_dry) {
            (true, false) => (Level::Error, "required", "boot stops here"),
            (true, true) => (Level::Error, "required", "boot would stop here"),
            (false, false) => (Level::Warn, "optional", "skipped"),
            (false, true) => (Level::Warn, "optional", "would be skipped"),
        };
        let (label, path) = (stage.label(), &stage.path);
        let message = format!("Stage {label} ({need}) failed: {path}: {self}; {then}");
        log.write(&Entry::new(level, self.event(), message).of(stage))
    }
}
