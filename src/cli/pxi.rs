//! `pxi`: run, look into, assemble, compile, disassemble and verify programs that are pictures.

mod assemble;
mod compile;
mod debug;
mod host;
mod output;
mod profile;
mod run;
mod target;
mod trace;
mod verify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use super::Outcome;
use crate::pxi::Raster;
use crate::pxi::raster::MAX_PNG_BYTES;

/// Run, debug, compile, assemble and disassemble PXI programs: pictures whose pixels are instructions.
#[derive(Debug, Parser)]
#[command(
    name = "pxi",
    version,
    after_help = "See docs/pxi-isa.md for the machine, docs/pxi-asm.md for its assembly."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Debug(debug::Args),
    Trace(trace::Args),
    Profile(profile::Args),
    Asm(assemble::AsmArgs),
    Disasm(assemble::DisasmArgs),
    Verify(verify::Args),
    Compile(compile::Args),
}

/// Runs the tool; `args[0]` is its name.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2.
            let _ = error.print();
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Debug(args) => debug::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Asm(args) => assemble::asm(&args),
        Command::Disasm(args) => assemble::disasm(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Compile(args) => compile::run(&args),
    }
}

/// Reads a file, but not one longer than it can be meant to be.
fn read_bounded(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let name = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {name}"))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(bytes.len() as u64 <= limit, "{name} is longer than {limit} bytes");
    Ok(bytes)
}

fn read_picture(path: &Path) -> anyhow::Result<Raster> {
    let bytes = read_bounded(path, MAX_PNG_BYTES)?;
    Raster::from_png(&bytes).with_context(|| path.display().to_string())
}

fn write_picture(path: &PathBuf, raster: &Raster) -> anyhow::Result<()> {
    std::fs::write(path, raster.to_png()?)
        .with_context(|| format!("cannot write {}", path.display()))
}
