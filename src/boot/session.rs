//! What all stages of a boot share, and the run of one of them.

use std::io;
use std::time::{Duration, Instant};

use crate::boot::failure::StageError;
use crate::boot::files::BootFiles;
use crate::boot::host::{Role, StageHost};
use crate::boot::kernel::Options;
use crate::boot::load::Linked;
use crate::boot::log::{Entry, Level, Log};
use crate::boot::model::Model;
use crate::boot::routes::Routes;
use crate::boot::sequence::Stage;
use crate::boot::terminal::Terminal;
use crate::pxi::{Governor, Machine, Pixel, Stop};

/// A boot under way.
pub(super) struct Session<'s, 'l> {
    pub(super) files: BootFiles<'s>,
    pub(super) log: &'s mut Log<'l>,
    pub(super) model: &'s mut dyn Model,
    pub(super) terminal: Option<&'s mut dyn Terminal>,
    /// What the stages so far leave allowed.
    pub(super) governor: Governor,
    pub(super) options: Options,
    pub(super) start: Instant,
    /// Policies logged so far.
    pub(super) policies: usize,
    /// Which model an id means.
    pub(super) routes: Routes,
}

impl Session<'_, '_> {
    /// Steps that a stage may take.
    pub(super) fn fuel(&self, stage: &Stage) -> u64 {
        stage.fuel.unwrap_or(self.options.fuel)
    }

    /// Runs a module. The outer error is the log's, the inner one the stage's.
    pub(super) fn run(
        &mut self,
        linked: Linked,
        stage: &Stage,
    ) -> io::Result<Result<(), StageError>> {
        let (id, fuel) = (linked.id, self.fuel(stage));
        let governor = std::mem::take(&mut self.governor);
        let machine = linked.into_machine();
        let mut machine = machine.with_seed(self.options.seed).with_governor(governor);
        let mut host = StageHost::new(self, Role::Stage(stage));
        let start = Instant::now();
        let stop = machine.run(&mut host, fuel);
        let time = start.elapsed();
        host.finish()?;
        // Also what a stage narrowed that failed then.
        self.governor = machine.governor().clone();
        let message = ran(&machine, &stop, time);
        let entry = Entry::new(Level::Info, "ran", message).of(stage).id(id);
        self.log.write(&entry.ran(machine.steps(), time))?;
        Ok(StageError::of_stop(stop, fuel))
    }
}

/// What a run came to, in words.
pub(super) fn ran(machine: &Machine, stop: &Stop, time: Duration) -> String {
    let (pc, steps, ms) = (machine.pc(), machine.steps(), time.as_secs_f64() * 1e3);
    let mut message = format!("Ran: {stop} at pixel {pc} after {steps} steps in {ms:.3} ms");
    let drawn = machine.frame().pixels().iter().filter(|p| **p != Pixel::BACKGROUND).count();
    if drawn > 0 {
        message.push_str(&format!(", {drawn} pixels on the frame"));
    }
    message
}
