//! Commands that let the program run: up to a point, an end, or the end of patience.

use std::fmt::Write;

use super::debugger::{CommandError, Debugger, Front};
use super::points::Change;
use super::tracer::{Step, Tracer};
use crate::pxi::host::Host;
use crate::pxi::stop::Stop;

/// Why the program stands still.
enum Halt {
    /// As far as the command was to go.
    Done,
    Break(u32, Option<String>),
    /// A watch, and the address of the instruction that made the change.
    Watch(Change, u32),
    Ended(Stop),
    /// The steps that one command may take are used.
    Patience,
}

impl Debugger {
    pub(super) fn step<F: Front>(&mut self, n: u64, front: &mut F) -> Result<String, CommandError> {
        let mut left = n;
        self.go(front, move |_, _| {
            left -= 1;
            left == 0
        })
    }

    pub(super) fn next<F: Front>(&mut self, n: u64, front: &mut F) -> Result<String, CommandError> {
        let mut left = n;
        let mut level = Level::of(&self.tracer);
        self.go(front, move |tracer, _| {
            // What was called is stepped over; a return leads to the caller.
            if level.is_above(tracer) {
                return false;
            }
            level = Level::of(tracer);
            left -= 1;
            left == 0
        })
    }

    pub(super) fn finish<F: Front>(&mut self, front: &mut F) -> Result<String, CommandError> {
        let open = self.tracer.calls().len();
        if open == 0 {
            return Err(CommandError::new("no call is open"));
        }
        self.go(front, move |tracer, _| tracer.calls().len() < open)
    }

    pub(super) fn go_on<F: Front>(&mut self, front: &mut F) -> Result<String, CommandError> {
        self.go(front, |_, _| false)
    }

    pub(super) fn until<F: Front>(
        &mut self,
        place: u32,
        front: &mut F,
    ) -> Result<String, CommandError> {
        self.go(front, move |tracer, _| tracer.address() == place)
    }

    pub(super) fn restart(&mut self) {
        self.tracer = self.start.clone();
        self.ended = None;
        self.points.settle(&self.tracer.machine);
    }

    /// Runs until `done`, a point, the end, or too many steps; says where that is.
    fn go<F: Front>(
        &mut self,
        front: &mut F,
        done: impl FnMut(&Tracer, &Step) -> bool,
    ) -> Result<String, CommandError> {
        if self.ended.is_some() {
            return Err(CommandError::new("the program has ended; run begins it anew"));
        }
        let before = self.tracer.machine.steps();
        let halt = self.go_until(front, done);
        Ok(self.report(&halt, before))
    }

    fn go_until<H: Host>(
        &mut self,
        host: &mut H,
        mut done: impl FnMut(&Tracer, &Step) -> bool,
    ) -> Halt {
        let end = self.tracer.machine.steps().saturating_add(self.fuel);
        loop {
            if self.tracer.machine.steps() >= end {
                return Halt::Patience;
            }
            let step = self.tracer.step(host);
            if let Some(stop) = step.stop {
                return Halt::Ended(stop);
            }
            if let Some(change) = self.points.changed(&self.tracer.machine) {
                return Halt::Watch(change, step.address);
            }
            let address = self.tracer.address();
            if let Some((id, fault)) = self.points.hit(address, &self.tracer.machine) {
                return Halt::Break(id, fault);
            }
            if done(&self.tracer, &step) {
                return Halt::Done;
            }
        }
    }

    fn report(&mut self, halt: &Halt, before: u64) -> String {
        let steps = self.tracer.machine.steps();
        let mut text = String::new();
        let _ = match halt {
            Halt::Done => Ok(()),
            Halt::Break(id, None) => writeln!(text, "breakpoint {id}"),
            Halt::Break(id, Some(fault)) => writeln!(text, "breakpoint {id}: {fault}"),
            Halt::Watch(Change { id, what, old, new }, address) => {
                let by = self.named(*address);
                writeln!(text, "watch {id}: {what} was {old}, is {new}, changed at {by}")
            }
            Halt::Patience => {
                let taken = steps - before;
                writeln!(text, "no end after {taken} steps; continue goes on")
            }
            Halt::Ended(stop) => {
                self.ended = Some(stop.clone());
                let how = if matches!(stop, Stop::Trap(_)) { "trap" } else { "the program ended" };
                writeln!(text, "{how}: {stop} (after {steps} steps)")
            }
        };
        self.listed = None;
        text + &self.here()
    }
}

/// How deep a program is: modules that wait, and open calls.
struct Level {
    depth: usize,
    calls: usize,
}

impl Level {
    fn of(tracer: &Tracer) -> Self {
        Self { depth: tracer.machine.depth(), calls: tracer.calls().len() }
    }

    /// Whether the program is in something that was called from here.
    fn is_above(&self, tracer: &Tracer) -> bool {
        let depth = tracer.machine.depth();
        depth > self.depth || depth == self.depth && tracer.calls().len() > self.calls
    }
}
