//! `pxi run`: runs a program picture to its end, or to the end of its fuel.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::host::{Screen, ToolHost};
use super::target::{Lines, Target, TargetArgs};
use super::write_picture;
use crate::cli::Outcome;
use crate::pxi::debug::{Tracer, as_picture};
use crate::pxi::{Isa, Layout, ScreenError, Stop, Trap};
use crate::store::hex;

/// Exit status when the program did not come to an end.
const NOT_HALTED: u8 = 3;

/// Run a program picture
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit status: 0 the program came to an end; 1 error or trap; 2 wrong usage;
3 not at an end after --fuel. A program that ends with SYS EXIT chooses it: its
number, 255 if that is greater. With --json the printed state is the answer: 0
however the program ended, 1 after a trap.")]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Steps after which to stop; 100000 for PXI-1, 1000000000 for PXI-2 unless given
    #[arg(long, value_name = "N", visible_alias = "max-steps")]
    fuel: Option<u64>,
    /// Print the registers to standard error at the end
    #[arg(long)]
    registers: bool,
    /// Print the end state as JSON instead of the program's text
    #[arg(long)]
    json: bool,
    /// Write the frame, what the program drew, as a picture
    #[arg(long, value_name = "PNG")]
    frame: Option<PathBuf>,
    /// Write the memory as a picture
    #[arg(long, value_name = "PNG")]
    memory: Option<PathBuf>,
}

/// Runs `pxi run`.
pub(super) fn run(args: &Args) -> Outcome {
    let screen = if args.json { Screen::Text(String::new()) } else { Screen::stdout() };
    args.target.with(screen, Lines::Standard, |target, host| run_target(args, target, host))
}

fn run_target(args: &Args, mut target: Target, mut host: ToolHost<'_>) -> Outcome {
    let fuel = args.fuel.unwrap_or(target.fuel);
    let stop = target.tracer.machine.run(&mut host, fuel);
    let machine = &target.tracer.machine;
    if let Some(path) = &args.frame {
        write_picture(path, machine.frame())?;
    }
    if let Some(path) = &args.memory {
        write_picture(path, &as_picture(machine.memory(), target.width))?;
    }
    if args.registers {
        for (n, value) in machine.registers().iter().enumerate() {
            eprintln!("R{n:<3} {value:08X} {:>11}", *value as i32);
        }
    }
    report(args, &target.tracer, target.layout, host, &stop)
}

fn report(
    args: &Args,
    tracer: &Tracer,
    layout: Layout,
    mut host: ToolHost<'_>,
    stop: &Stop,
) -> Outcome {
    host.tell_refused();
    let printed = match &host.screen {
        Screen::Text(text) => writeln!(io::stdout(), "{}", state(tracer, layout, text, stop)),
        _ => host.screen.flush(),
    };
    match printed {
        // Whoever read this has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(0.into()),
        Err(error) => return Err(error).context("cannot write to standard output"),
        Ok(()) => {}
    }
    match stop {
        stop if is_gone(stop) => Ok(0.into()),
        Stop::Trap(trap) => anyhow::bail!("{}", trap_sentence(tracer, trap)),
        Stop::Exit(status) if !args.json => Ok(exit_code(*status)),
        stop if args.json || stop.halted() => Ok(ExitCode::SUCCESS),
        _ => {
            let steps = tracer.machine.steps();
            eprintln!("pxi: not halted after {steps} steps (--max-steps allows more)");
            Ok(NOT_HALTED.into())
        }
    }
}

/// Whether it stopped because nobody reads its screen any more.
pub(super) fn is_gone(stop: &Stop) -> bool {
    let Stop::Trap(Trap::Screen(ScreenError::Closed(kind))) = stop else { return false };
    *kind == io::ErrorKind::BrokenPipe
}

/// Where and why a program trapped.
pub(super) fn trap_sentence(tracer: &Tracer, trap: &Trap) -> String {
    let (address, steps) = (tracer.machine.pc(), tracer.machine.steps());
    let name = tracer.names.at(tracer.address());
    let name = name.map_or(String::new(), |name| format!(" ({name})"));
    let line = tracer.names.line_at(tracer.address());
    let line = line.map_or(String::new(), |(file, line)| format!(", {file}:{line},"));
    format!("trap at pixel {address}{name}{line} after {steps} steps: {trap}")
}

/// The status that a program chose, as far as a process can have it.
fn exit_code(status: u32) -> ExitCode {
    u8::try_from(status).unwrap_or(u8::MAX).into()
}

/// The end state. The first fields are those of the sample cases.
fn state(tracer: &Tracer, layout: Layout, screen: &str, stop: &Stop) -> Value {
    let machine = &tracer.machine;
    let stack: Vec<String> = machine.stack().iter().map(u32::to_string).collect();
    let mut state = json!({
        "steps": machine.steps(),
        "pc": machine.pc(),
        "halted": stop.halted(),
        "regs": machine.registers(),
        "stack": machine.stack(),
        "stack_len": machine.stack().len(),
        "stack_sha256": sha256(stack.join(",").as_bytes()),
        "screen": screen,
        "screen_len": screen.chars().count(),
        "screen_sha256": sha256(screen.as_bytes()),
        "frame_sha256": sha256(&machine.frame().to_bytes()),
        "mem_sha256": sha256(&machine.memory().to_bytes()),
        "w": machine.memory().width(),
        "h": machine.memory().height(),
        "layout": layout.to_string(),
        "stop": stop.slug(),
        "why": stop.to_string(),
        "isa": if machine.isa() == Isa::Pxi1 { 1 } else { 2 },
        "frame_w": machine.frame().width(),
        "frame_h": machine.frame().height(),
        "depth": machine.depth(),
        "base": machine.window().start,
    });
    if let Stop::Exit(status) = stop {
        state["status"] = json!(status);
    }
    if let Some(name) = tracer.names.at(tracer.address()) {
        state["label"] = json!(name.to_string());
    }
    if let Some((file, line)) = tracer.names.line_at(tracer.address()) {
        state["line"] = json!(format!("{file}:{line}"));
    }
    state
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
