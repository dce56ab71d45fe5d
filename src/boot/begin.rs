//! The first lines of a boot's log: what is booted, how, and by which sequence.

use std::io;

use crate::boot::log::{Entry, Level, Log};
use crate::boot::sequence::Sequence;

/// What is done with the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Stages are checked, and none is run.
    DryRun,
    /// The kernel of this program walks the stages.
    Hosted,
    /// A module walks them.
    Native,
}

/// Writes the first lines: `target` is what people call the root, `origin` where the
/// sequence comes from.
///
/// # Errors
/// When the log cannot be written to.
pub fn write_start(
    log: &mut Log<'_>,
    (mode, target): (Mode, &str),
    (sequence, origin): (&Sequence, &str),
    seed: u64,
) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let mode = match mode {
        Mode::DryRun => "dry run of",
        Mode::Hosted => "booting",
        Mode::Native => "native boot of",
    };
    let message = format!("pxboot {version}: {mode} {target}");
    log.write(&Entry::new(Level::Info, "start", message).seed(seed))?;
    let message = format!("Boot sequence: {origin}, {} stages", sequence.stages.len());
    log.write(&Entry::new(Level::Info, "sequence", message))
}
