//! The walk through the stages: find, check, load, run, log, decide.

use std::io;
use std::time::Instant;

use crate::boot::failure::StageError;
use crate::boot::files::BootFiles;
use crate::boot::load::Module;
use crate::boot::log::{Entry, Level, Log};
use crate::boot::model::{Model, NoModel};
use crate::boot::requires::Walk;
use crate::boot::resume::Earlier;
use crate::boot::routes::Routes;
use crate::boot::sequence::{Sequence, Stage};
use crate::boot::session::Session;
use crate::boot::shell::{Shell, run_shell};
use crate::boot::source::BootRoot;
use crate::boot::terminal::Terminal;
use crate::pxi::Governor;

/// Steps that a stage may take unless `--fuel` says otherwise: a fraction of a second.
pub const DEFAULT_FUEL: u64 = 10_000_000;
/// Pixels of memory of a native boot unless `--memory` says otherwise: 4 MiB.
pub const DEFAULT_MEMORY: u32 = 1 << 20;

/// How to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Check every stage and run none.
    pub dry_run: bool,
    /// Steps that each stage may take, unless the sequence says otherwise.
    pub fuel: u64,
    /// What random numbers begin with, in each stage.
    pub seed: u64,
    /// Pixels of memory of a native boot, at least.
    pub memory: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { dry_run: false, fuel: DEFAULT_FUEL, seed: 0, memory: DEFAULT_MEMORY }
    }
}

/// All that a boot may have besides its root, its sequence and its log.
pub struct Setup<'s> {
    /// How to boot.
    pub options: Options,
    /// The model that modules ask.
    pub model: &'s mut dyn Model,
    /// Where a shell talks.
    pub terminal: Option<&'s mut dyn Terminal>,
    /// The shell that the boot ends in.
    pub shell: Option<Shell>,
    /// What an earlier boot did.
    pub earlier: Earlier,
}

impl std::fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'s> Setup<'s> {
    /// A boot without terminal and past.
    pub fn new(options: Options, model: &'s mut dyn Model) -> Self {
        Self { options, model, terminal: None, shell: None, earlier: Earlier::default() }
    }

    /// The session of a boot of this root.
    pub(super) fn session<'l>(
        self,
        root: &'s dyn BootRoot,
        governor: Governor,
        log: &'s mut Log<'l>,
    ) -> Session<'s, 'l> {
        Session {
            files: BootFiles::new(root),
            log,
            model: self.model,
            terminal: self.terminal,
            governor,
            options: self.options,
            start: Instant::now(),
            policies: 0,
            routes: Routes::default(),
        }
    }
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
    /// A required stage failed, or the shell that was asked for.
    Failed,
}

/// Walks the sequence, with no model to ask.
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
    boot_with(root, sequence, Setup::new(*options, &mut NoModel), log)
}

/// Walks the sequence, then runs the shell if there is to be one.
///
/// # Errors
/// As for [`boot`].
pub fn boot_with<'s>(
    root: &'s dyn BootRoot,
    sequence: &Sequence,
    mut setup: Setup<'s>,
    log: &'s mut Log<'_>,
) -> io::Result<Outcome> {
    let (earlier, shell) = (std::mem::take(&mut setup.earlier), setup.shell);
    let mut session = setup.session(root, earlier.governor.clone(), log);
    session.routes = earlier.routes.clone();
    let mut walk = Walk::new(sequence, &earlier, &mut session);
    for index in 0..sequence.stages.len() {
        walk.stage(index)?;
        // A dry run goes on, to show everything that is wrong at once.
        if walk.tally.failed > 0 && !walk.session.options.dry_run {
            break;
        }
    }
    let outcome = std::mem::take(&mut walk.tally).finish(&mut session)?;
    match (outcome, shell) {
        (Outcome::Complete { .. }, Some(shell)) if !run_shell(&mut session, sequence, shell)? => {
            Ok(Outcome::Failed)
        }
        _ => Ok(outcome),
    }
}

/// Stages by what became of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: usize,
    skipped: usize,
    failed: usize,
}

impl Tally {
    fn finish(self, session: &mut Session<'_, '_>) -> io::Result<Outcome> {
        let Self { done, skipped, failed } = self;
        let what = if session.options.dry_run { "Dry run" } else { "Boot sequence" };
        let counts = format!("{done} stages done, {skipped} optional skipped");
        if failed > 0 {
            let message = format!("{what} FAILED: {counts}, {failed} required failed");
            session.log.write(&Entry::new(Level::Error, "failed", message))?;
            return Ok(Outcome::Failed);
        }
        let message = format!("{what} COMPLETE: {counts}");
        session.log.write(&Entry::new(Level::Info, "complete", message))?;
        Ok(Outcome::Complete { done, skipped })
    }
}

impl Walk<'_, '_, '_, '_> {
    /// Runs a stage unless it ran already, because another requires it.
    pub(super) fn stage(&mut self, index: usize) -> io::Result<bool> {
        if let Some(is_done) = self.ran[index] {
            return Ok(is_done);
        }
        let stage = &self.sequence.stages[index];
        let message = format!("Stage {}: {} ({})", stage.label(), stage.name, stage.path);
        self.session.log.write(&Entry::new(Level::Info, "stage", message).of(stage))?;
        let result = self.check_or_run(stage)?;
        let is_done = result.is_ok();
        self.ran[index] = Some(is_done);
        match result {
            Ok(()) => self.tally.done += 1,
            Err(error) => {
                error.log(stage, self.session.options.dry_run, self.session.log)?;
                if stage.required { self.tally.failed += 1 } else { self.tally.skipped += 1 }
            }
        }
        Ok(is_done)
    }

    /// The outer error is the log's, the inner one the stage's.
    fn check_or_run(&mut self, stage: &Stage) -> io::Result<Result<(), StageError>> {
        let mut module = match Module::read(&self.session.files, stage) {
            Ok(module) => module,
            Err(error) => return Ok(Err(error)),
        };
        let id = module.id;
        if self.earlier.completed(&stage.path, id) {
            let message = format!("Stage {} was complete in the earlier boot", stage.label());
            let entry = Entry::new(Level::Info, "resumed", message).of(stage).id(id);
            self.session.log.write(&entry)?;
            return Ok(Ok(()));
        }
        if let Err(error) = self.meet_all(&stage.path, std::mem::take(&mut module.requires))? {
            return Ok(Err(error.into()));
        }
        let linked = match module.link(&self.session.files, &self.session.governor, stage) {
            Ok(linked) => linked,
            Err(error) => return Ok(Err(error)),
        };
        linked.log(stage, self.session.log)?;
        if self.session.options.dry_run {
            return Ok(Ok(()));
        }
        let result = self.session.run(linked, stage)?;
        if result.is_ok() {
            let message = format!("Stage {} complete", stage.label());
            let entry = Entry::new(Level::Info, "stage-complete", message).of(stage).id(id);
            self.session.log.write(&entry)?;
        }
        Ok(result)
    }
}
