//! The shell that a boot can end in: a stage's module with a person at its input.

use std::io;

use crate::boot::failure::StageError;
use crate::boot::host::{Role, StageHost};
use crate::boot::load::{Linked, Module};
use crate::boot::log::{Entry, Level};
use crate::boot::sequence::{Sequence, Stage};
use crate::boot::session::{Session, ran};
use crate::pxi::{Limits, Machine, ScreenError, Stop, Trap};

/// Which shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// The one for a person.
    Human,
    /// The one for a language model.
    Llm,
}

impl Shell {
    /// Where its module lies.
    pub fn path(self) -> &'static str {
        match self {
            Self::Human => "/boot/11_human_shell",
            Self::Llm => "/boot/10_llm_shell",
        }
    }
}

/// Runs the shell; whether it ended as it should.
///
/// # Errors
/// When the log cannot be written to.
pub(super) fn run_shell(
    session: &mut Session<'_, '_>,
    sequence: &Sequence,
    shell: Shell,
) -> io::Result<bool> {
    let path = shell.path();
    let known = sequence.stages.iter().find(|stage| stage.path == path);
    let stage = known.cloned().unwrap_or_else(|| Stage::unnamed(path));
    let message = format!("Shell: {} ({path})", stage.name);
    session.log.write(&Entry::new(Level::Info, "shell", message).of(&stage))?;
    session.log.hush();
    let module = Module::read(&session.files, &stage);
    let linked = module.and_then(|module| module.link(&session.files, &session.governor, &stage));
    let result = match linked {
        Ok(linked) => talk(session, linked, &stage)?,
        Err(error) => Err(error),
    };
    if let Err(error) = &result {
        let message = format!("Shell failed: {path}: {error}");
        session.log.write(&Entry::new(Level::Error, error.event(), message).of(&stage))?;
    }
    Ok(result.is_ok())
}

fn talk(
    session: &mut Session<'_, '_>,
    linked: Linked,
    stage: &Stage,
) -> io::Result<Result<(), StageError>> {
    let fuel = session.fuel(stage);
    let governor = std::mem::take(&mut session.governor);
    // A person ends a long talk when they like.
    let limits = Limits { host_bytes: u64::MAX, ..Limits::default() };
    let machine = linked.into_machine().with_limits(limits).with_governor(governor);
    let mut machine = machine.with_seed(session.options.seed);
    machine.registers_mut()[0] = 1;
    let mut host = StageHost::new(session, Role::Shell(stage));
    let start = std::time::Instant::now();
    let stop = run_lines(&mut machine, &mut host, fuel);
    let time = start.elapsed();
    host.finish()?;
    session.governor = machine.governor().clone();
    let entry = Entry::new(Level::Info, "shell-end", ran(&machine, &stop, time)).of(stage);
    session.log.write(&entry.ran(machine.steps(), time))?;
    Ok(match stop {
        // Whoever listened has gone: that, too, is an end.
        Stop::Trap(Trap::Screen(ScreenError::Closed(io::ErrorKind::BrokenPipe))) => Ok(()),
        stop => StageError::of_stop(stop, fuel),
    })
}

/// Runs a machine that has new fuel with each line it reads.
pub(super) fn run_lines(
    machine: &mut Machine,
    host: &mut StageHost<'_, '_, '_>,
    fuel: u64,
) -> Stop {
    loop {
        let before = host.lines_read();
        let stop = machine.run(host, fuel);
        if stop != Stop::OutOfFuel || host.lines_read() == before {
            return stop;
        }
    }
}
