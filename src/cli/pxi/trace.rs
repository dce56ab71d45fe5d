//! `pxi trace`: what a program does, one line a step.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args as ClapArgs;

use super::host::ToolHost;
use super::output::Output;
use super::run::{is_gone, trap_sentence};
use super::target::{Lines, Target, TargetArgs};
use crate::cli::Outcome;
use crate::pxi::Stop;
use crate::pxi::debug::TraceLine;

/// Run a program and write a line for each step
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A line is: number of the step, address, name, instruction, registers and memory
that it changed. Exit status: 0 the trace is written; 1 error or trap; 2 wrong usage.")]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Steps after which to stop; 100000 for PXI-1, 1000000000 for PXI-2 unless given
    #[arg(long, value_name = "N", visible_alias = "max-steps")]
    fuel: Option<u64>,
    /// Write no steps below this address; a number or a name
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Write no steps above this address
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// Write calls and returns only, indented by depth
    #[arg(long)]
    calls: bool,
    /// Write each step as a JSON object
    #[arg(long)]
    json: bool,
    /// Stop after so many lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// File to write; the program's text is shown then, otherwise it is dropped
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs `pxi trace`.
pub(super) fn run(args: &Args) -> Outcome {
    let screen = Output::screen(args.output.as_ref());
    args.target.with(screen, Lines::Standard, |target, host| trace(args, target, host))
}

fn trace(args: &Args, mut target: Target, mut host: ToolHost<'_>) -> Outcome {
    let place = |text: &Option<String>, default: u32| match text {
        None => Ok(default),
        Some(text) => target.tracer.names.resolve(text).with_context(|| format!("no place {text}")),
    };
    let range = place(&args.from, 0)?..=place(&args.to, u32::MAX)?;
    let fuel = args.fuel.unwrap_or(target.fuel);
    let mut output = Output::open(args.output.as_ref())?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let stop = loop {
        if target.tracer.machine.steps() >= fuel {
            break Stop::OutOfFuel;
        }
        if left == 0 {
            break Stop::Halt;
        }
        let line = TraceLine::take(&mut target.tracer, &mut host);
        if range.contains(&line.step.address) && (!args.calls || line.is_call()) {
            left -= 1;
            if !output.put(&shown(args, &line))? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        if let Some(stop) = line.step.stop {
            break stop;
        }
    };
    output.finish()?;
    end(&target, &mut host, &stop)
}

fn shown(args: &Args, line: &TraceLine) -> String {
    let text = match (args.json, args.calls) {
        (true, _) => line.to_json().to_string(),
        (false, true) => line.to_call_text(),
        (false, false) => line.to_text(),
    };
    text + "\n"
}

/// Tells how the program ended, for trace and profile.
pub(super) fn end(target: &Target, host: &mut ToolHost<'_>, stop: &Stop) -> Outcome {
    host.tell_refused();
    let _ = host.screen.flush();
    match stop {
        stop if is_gone(stop) => {}
        Stop::Trap(trap) => anyhow::bail!("{}", trap_sentence(&target.tracer, trap)),
        Stop::OutOfFuel => {
            let steps = target.tracer.machine.steps();
            eprintln!("pxi: not halted after {steps} steps (--fuel allows more)");
        }
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}
