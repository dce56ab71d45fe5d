//! A native boot: only the module at /boot/00_bios is loaded here; it is the boot
//! kernel and walks the sequence itself. docs/boot.md has what it is given.

use std::io;
use std::time::Instant;

use crate::boot::failure::StageError;
use crate::boot::host::{Role, StageHost, Told};
use crate::boot::kernel::{Outcome, Setup};
use crate::boot::load::{Linked, Module};
use crate::boot::log::{Entry, Level, Log};
use crate::boot::sequence::{self, Sequence, Stage};
use crate::boot::session::Session;
use crate::boot::shell::{Shell, run_lines};
use crate::boot::source::BootRoot;
use crate::pxi::pxim2::pack;
use crate::pxi::raster::MAX_PIXELS;
use crate::pxi::{Governor, Isa, Limits, Machine, Pixel};

/// Where the kernel lies.
const KERNEL: &str = "/boot/00_bios";

/// What boot/00_bios.py reads of a sequence itself.
const OWN_BYTES: usize = 1 << 17;
const OWN_STAGES: usize = 256;

/// Bits of R1.
const DRY_RUN: u32 = 1;
const HUMAN_SHELL: u32 = 2;
const LLM_SHELL: u32 = 4;
const GIVEN: u32 = 8;

/// Lets the kernel at /boot/00_bios walk the sequence.
///
/// # Errors
/// When the log cannot be written to; all that fails otherwise is logged and
/// decides the [`Outcome`].
pub fn boot_native<'s>(
    root: &'s dyn BootRoot,
    sequence: &Sequence,
    setup: Setup<'s>,
    log: &'s mut Log<'_>,
) -> io::Result<Outcome> {
    let shell = setup.shell;
    let mut session = setup.session(root, Governor::for_kernel(), log);
    let stage = kernel_stage(sequence);
    let machine = match load(&mut session, sequence, &stage, shell) {
        Ok(machine) => machine,
        Err(error) => {
            let message = format!("Stage {}: {} ({})", stage.label(), stage.name, stage.path);
            session.log.write(&Entry::new(Level::Info, "stage", message).of(&stage))?;
            return fail(&mut session, &stage, &error);
        }
    };
    run(&mut session, sequence, &stage, machine)
}

/// The kernel's stage, by which its own failures are logged.
fn kernel_stage(sequence: &Sequence) -> Stage {
    let known = sequence.stages.iter().find(|stage| stage.path == KERNEL);
    let unnamed = || Stage { stage: 0.into(), name: "BIOS".into(), ..Stage::unnamed(KERNEL) };
    Stage { required: true, ..known.cloned().unwrap_or_else(unnamed) }
}

fn load(
    session: &mut Session<'_, '_>,
    sequence: &Sequence,
    stage: &Stage,
    shell: Option<Shell>,
) -> Result<Machine, StageError> {
    let linked =
        Module::read(&session.files, stage)?.link(&session.files, &session.governor, stage)?;
    if linked.program.isa() != Isa::Pxi2 {
        let message = "a native boot needs a kernel of PXIM 2.x; boot without --native";
        return Err(StageError::Code(message.to_owned()));
    }
    let flags = match shell {
        None => 0,
        Some(Shell::Human) => HUMAN_SHELL,
        Some(Shell::Llm) => LLM_SHELL,
    };
    let flags = flags | if session.options.dry_run { DRY_RUN } else { 0 };
    let flags = flags | if is_the_roots(session, sequence) { 0 } else { GIVEN };
    machine(session, sequence, linked, flags)
}

/// Whether the sequence is the one that the kernel finds in the root itself.
fn is_the_roots(session: &Session<'_, '_>, sequence: &Sequence) -> bool {
    let read = |path: &&str| session.files.root().read_file(path, sequence::MAX_BYTES).ok();
    // Where an import puts one it does not look: those are given to it.
    let Some(file) = sequence::OWN[..2].iter().find_map(read) else {
        return false;
    };
    let parsed = std::str::from_utf8(&file.bytes).map(sequence::parse);
    let fits = file.bytes.len() <= OWN_BYTES && sequence.stages.len() <= OWN_STAGES;
    fits && matches!(parsed, Ok(Ok(own)) if own == *sequence)
}

/// The machine, with what the kernel is given at the end of its memory.
fn machine(
    session: &Session<'_, '_>,
    sequence: &Sequence,
    linked: Linked,
    flags: u32,
) -> Result<Machine, StageError> {
    let lines = lines(sequence, session.options.fuel)?;
    let Linked { program, mut memory, .. } = linked;
    let len = memory.len().max(session.options.memory as usize);
    memory.resize(len, Pixel::default());
    memory.extend(pack(lines.as_bytes()));
    if memory.len() as u64 > MAX_PIXELS {
        let message = format!("its memory of {} pixels is more than {MAX_PIXELS}", memory.len());
        return Err(StageError::Code(message));
    }
    let total = memory.len() as u32;
    // Stages have what they have in a hosted boot.
    let stages = sequence.stages.len() as u64 + 1;
    let host_bytes = match flags & (HUMAN_SHELL | LLM_SHELL) {
        0 => Limits::default().host_bytes.saturating_mul(stages),
        _ => u64::MAX,
    };
    let limits = Limits { host_bytes, ..Limits::default() };
    let machine = program.into_linked(memory).with_limits(limits);
    let mut machine = machine.with_seed(session.options.seed).with_governor(Governor::for_kernel());
    let given = [steps(session.options.fuel), flags, len as u32 * 4, lines.len() as u32, total];
    machine.registers_mut()[..given.len()].copy_from_slice(&given);
    Ok(machine)
}

/// Steps as RUN takes them.
fn steps(fuel: u64) -> u32 {
    u32::try_from(fuel.max(1)).unwrap_or(u32::MAX)
}

/// The stages as the kernel reads them: number, name, path, required and fuel,
/// with tabs between and a line feed behind.
fn lines(sequence: &Sequence, fuel: u64) -> Result<String, StageError> {
    let mut lines = String::new();
    for stage in &sequence.stages {
        let Stage { name, path, required, .. } = stage;
        let (label, fuel) = (stage.label(), steps(stage.fuel.unwrap_or(fuel)));
        if [&label, name, path].iter().any(|text| text.contains(['\t', '\n', '\0'])) {
            let message = format!("a native boot cannot have control characters in {path:?}");
            return Err(StageError::Code(message));
        }
        lines.push_str(&format!("{label}\t{name}\t{path}\t{}\t{fuel}\n", u8::from(*required)));
    }
    Ok(lines)
}

/// Steps for the kernel and all stages together.
fn whole_fuel(session: &Session<'_, '_>, sequence: &Sequence) -> u64 {
    let fuel = sequence.stages.iter().map(|stage| session.fuel(stage));
    fuel.fold(session.options.fuel, u64::saturating_add)
}

fn run(
    session: &mut Session<'_, '_>,
    sequence: &Sequence,
    stage: &Stage,
    mut machine: Machine,
) -> io::Result<Outcome> {
    let fuel = whole_fuel(session, sequence);
    let mut host = StageHost::new(session, Role::Kernel(&sequence.stages));
    let start = Instant::now();
    let stop = run_lines(&mut machine, &mut host, fuel);
    let time = start.elapsed();
    host.finish()?;
    let told = host.told;
    let (steps, ms) = (machine.steps(), time.as_secs_f64() * 1e3);
    let message = format!("Native: {stop} after {steps} steps in {ms:.3} ms");
    session.log.write(&Entry::new(Level::Info, "native", message).ran(steps, time))?;
    match StageError::of_stop(stop, fuel) {
        Ok(()) => end(session, told),
        // It has said why.
        Err(StageError::Exit(_)) if told.has_failed => Ok(Outcome::Failed),
        Err(error) if told.is_complete => {
            let message = format!("{KERNEL}: {error}");
            session.log.write(&Entry::new(Level::Error, error.event(), message).of(stage))?;
            Ok(Outcome::Failed)
        }
        Err(error) => fail(session, stage, &error),
    }
}

/// The kernel ended well: so did the boot, unless it said otherwise.
fn end(session: &mut Session<'_, '_>, told: Told) -> io::Result<Outcome> {
    let Told { done, skipped, .. } = told;
    if told.has_failed {
        return Ok(Outcome::Failed);
    }
    if !told.is_complete {
        let message = format!("Native boot COMPLETE: {done} stages done, {skipped} skipped");
        session.log.write(&Entry::new(Level::Info, "complete", message))?;
    }
    Ok(Outcome::Complete { done, skipped })
}

fn fail(session: &mut Session<'_, '_>, stage: &Stage, error: &StageError) -> io::Result<Outcome> {
    error.log(stage, session.options.dry_run, session.log)?;
    session.log.write(&Entry::new(Level::Error, "failed", "Native boot FAILED"))?;
    Ok(Outcome::Failed)
}
