//! The walk through the stages: find, check, load, run, log, decide.

use std::io;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::boot::host::StageHost;
use crate::boot::log::{Entry, Level, Log};
use crate::boot::requires::{RequiresError, Walk};
use crate::boot::sequence::{Sequence, Stage};
use crate::boot::source::{BootRoot, SourceError};
use crate::pxi::raster::MAX_PNG_BYTES;
use crate::pxi::{ModuleError, Program, Raster, RasterError, Stop, Trap};

/// Steps that a stage may take unless `--fuel` says otherwise: a fraction of a second.
pub const DEFAULT_FUEL: u64 = 10_000_000;

/// How to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Check every stage and run none.
    pub dry_run: bool,
    /// Steps that each stage may take.
    pub fuel: u64,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every required stage is done.
    Complete {
        /// Stages done.
        done: usize,
        /// Optional stages that failed.
        skipped: usize,
    },
    /// A required stage failed.
    Failed,
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The module's file cannot be read.
    #[error("cannot read the module: {0}")]
    Source(#[from] SourceError),
    /// The content is not what the file system says it is.
    #[error("the module's SHA-256 is {found}, but the file system declares {declared}")]
    Digest {
        /// Declared by the file system.
        declared: String,
        /// Of the bytes read.
        found: String,
    },
    /// The file is no picture that can be run.
    #[error("{0}")]
    Picture(#[from] RasterError),
    /// The module's header is wrong.
    #[error("{0}")]
    Module(#[from] ModuleError),
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
    fn event(&self) -> &'static str {
        match self {
            Self::Source(SourceError::NotFound) => "missing",
            Self::Source(_) => "unreadable",
            Self::Digest { .. } => "digest-mismatch",
            Self::Picture(_) => "not-a-program",
            Self::Module(_) => "bad-header",
            Self::Requires(_) => "requires",
            Self::OutOfFuel(_) => "out-of-fuel",
            Self::Exit(_) => "exit",
            Self::Trap(_) => "trap",
        }
    }
}

/// Walks the sequence.
///
/// # Errors
/// When the log cannot be written to; failures of stages are logged and decide
/// the [`Outcome`].
pub fn boot(
    root: &dyn BootRoot,
    sequence: &Sequence,
    options: &Options,
    log: &mut Log<'_>,
) -> io::Result<Outcome> {
    let mut walk = Walk::new(root, sequence, options, log);
    for index in 0..sequence.stages.len() {
        walk.stage(index)?;
        // A dry run goes on, to show everything that is wrong at once.
        if walk.tally.failed > 0 && !options.dry_run {
            break;
        }
    }
    let Walk { tally, log, .. } = walk;
    tally.finish(options, log)
}

/// Stages by what became of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: usize,
    skipped: usize,
    failed: usize,
}

impl Tally {
    fn finish(self, options: &Options, log: &mut Log<'_>) -> io::Result<Outcome> {
        let Self { done, skipped, failed } = self;
        let what = if options.dry_run { "Dry run" } else { "Boot sequence" };
        let counts = format!("{done} stages done, {skipped} optional skipped");
        if failed > 0 {
            let message = format!("{what} FAILED: {counts}, {failed} required failed");
            log.write(&Entry::new(Level::Error, "failed", message))?;
            return Ok(Outcome::Failed);
        }
        let message = format!("{what} COMPLETE: {counts}");
        log.write(&Entry::new(Level::Info, "complete", message))?;
        Ok(Outcome::Complete { done, skipped })
    }
}

impl Walk<'_, '_> {
    /// Runs a stage unless it ran already, because another requires it.
    pub(super) fn stage(&mut self, index: usize) -> io::Result<bool> {
        if let Some(is_done) = self.ran[index] {
            return Ok(is_done);
        }
        let stage = &self.sequence.stages[index];
        let message = format!("Stage {}: {} ({})", stage.label(), stage.name, stage.path);
        self.log.write(&Entry::new(Level::Info, "stage", message).of(stage))?;
        let result = self.check_or_run(stage)?;
        let is_done = result.is_ok();
        self.ran[index] = Some(is_done);
        match result {
            Ok(()) => self.tally.done += 1,
            Err(error) => {
                log_failure(stage, &error, self.options, self.log)?;
                if stage.required { self.tally.failed += 1 } else { self.tally.skipped += 1 }
            }
        }
        Ok(is_done)
    }

    /// The outer error is the log's, the inner one the stage's.
    fn check_or_run(&mut self, stage: &Stage) -> io::Result<Result<(), StageError>> {
        let mut loaded = match load(self.root, stage) {
            Ok(loaded) => loaded,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = self.meet_all(&stage.path, std::mem::take(&mut loaded.requires))? {
            return Ok(Err(error.into()));
        }
        loaded.log_checks(stage, self.log)?;
        match self.options.dry_run {
            true => Ok(Ok(())),
            false => run(loaded, self.root, stage, self.options.fuel, self.log),
        }
    }
}

/// A module that has passed every check there is before running it.
struct Loaded {
    program: Program,
    id: u32,
    declared: bool,
    requires: Vec<String>,
}

fn load(root: &dyn BootRoot, stage: &Stage) -> Result<Loaded, StageError> {
    let file = root.read_file(&stage.path, MAX_PNG_BYTES)?;
    let digest: [u8; 32] = Sha256::digest(&file.bytes).into();
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let declared = match file.declared_sha256 {
        Some(declared) if declared != found => return Err(StageError::Digest { declared, found }),
        declared => declared.is_some(),
    };
    let [r, g, b, a, ..] = digest;
    let program = Program::parse(Raster::from_png(&file.bytes)?)?;
    let id = u32::from_be_bytes([r, g, b, a]);
    Ok(Loaded { program, id, declared, requires: file.requires })
}

impl Loaded {
    fn log_checks(&self, stage: &Stage, log: &mut Log<'_>) -> io::Result<()> {
        let [r, g, b, a] = self.id.to_be_bytes();
        let message =
            format!("Resolved: {} -> 0x{:08X}, RGBA ({r}, {g}, {b}, {a})", stage.path, self.id);
        log.write(&Entry::new(Level::Info, "resolved", message).of(stage).id(self.id))?;
        let (raster, program) = (self.program.raster(), &self.program);
        let message = format!(
            "Checked: {}, {}x{} pixels, entry {}, SHA-256 {}",
            program.layout(),
            raster.width(),
            raster.height(),
            program.entry(),
            if self.declared { "as declared" } else { "not declared by this root" }
        );
        log.write(&Entry::new(Level::Info, "checked", message).of(stage).id(self.id))
    }
}

fn run(
    loaded: Loaded,
    root: &dyn BootRoot,
    stage: &Stage,
    fuel: u64,
    log: &mut Log<'_>,
) -> io::Result<Result<(), StageError>> {
    let id = loaded.id;
    let mut machine = loaded.program.into_machine();
    let mut host = StageHost::new(root, stage, log);
    let start = Instant::now();
    let stop = machine.run(&mut host, fuel);
    let time = start.elapsed();
    host.flush()?;
    let steps = machine.steps();
    let drawn = machine.frame().pixels().iter().filter(|p| **p != crate::pxi::Pixel::BACKGROUND);
    let mut message = format!(
        "Ran: {stop} at pixel {} after {steps} steps in {:.3} ms",
        machine.pc(),
        time.as_secs_f64() * 1e3
    );
    let drawn = drawn.count();
    if drawn > 0 {
        message.push_str(&format!(", {drawn} pixels on the frame"));
    }
    log.write(&Entry::new(Level::Info, "ran", message).of(stage).id(id).ran(steps, time))?;
    let result = match stop {
        Stop::Halt | Stop::Return | Stop::EndOfMemory | Stop::Exit(0) => Ok(()),
        Stop::Exit(status) => Err(StageError::Exit(status)),
        Stop::OutOfFuel => Err(StageError::OutOfFuel(fuel)),
        Stop::Trap(trap) => Err(StageError::Trap(trap)),
    };
    if result.is_ok() {
        let message = format!("Stage {} complete", stage.label());
        log.write(&Entry::new(Level::Info, "stage-complete", message).of(stage).id(id))?;
    }
    Ok(result)
}

fn log_failure(
    stage: &Stage,
    error: &StageError,
    options: &Options,
    log: &mut Log<'_>,
) -> io::Result<()> {
    let (level, need, then) = match (stage.required, options.dry_run) {
        (true, false) => (Level::Error, "required", "boot stops here"),
        (true, true) => (Level::Error, "required", "boot would stop here"),
        (false, false) => (Level::Warn, "optional", "skipped"),
        (false, true) => (Level::Warn, "optional", "would be skipped"),
    };
    let message =
        format!("Stage {} ({need}) failed: {}: {error}; {then}", stage.label(), stage.path);
    log.write(&Entry::new(level, error.event(), message).of(stage))
}
