//! `pxi asm` and `pxi disasm`.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::{read_bounded, read_picture, write_picture};
use crate::cli::Outcome;
use crate::pxi::asm::{Assembly, Diagnostic, Form, Options, Source, assemble_source};
use crate::pxi::disasm::disassemble;
use crate::pxi::pxim2::Header;
use crate::pxi::verify::{Finding, verify};

/// Longest source: a line for each of the most pixels a picture may have.
const MAX_SOURCE: u64 = 1 << 30;

/// Longest file that a source includes.
const MAX_INCLUDED: u64 = 1 << 26;

/// Assemble a source file into a program picture
#[derive(Debug, Args)]
pub(super) struct AsmArgs {
    /// Assembly source
    source: PathBuf,
    /// The picture to write (PNG)
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,
    /// Width of the picture in pixels; without it, what .size says, else nearly square
    #[arg(long, value_name = "N")]
    width: Option<u32>,
    /// Write no module header, even if the source says .module
    #[arg(long, conflicts_with = "module")]
    raw: bool,
    /// Write a module header even if the source does not say .module: that of PXIM 1.0
    #[arg(long)]
    module: bool,
    /// Also write lines and names of all addresses, as JSON, for the debugger and the profiler
    #[arg(long, value_name = "FILE")]
    symbols: Option<PathBuf>,
    /// Also write address, pixels and line of every statement
    #[arg(long, value_name = "FILE")]
    listing: Option<PathBuf>,
}

/// Disassemble a program picture; the text assembles to the same pixels
#[derive(Debug, Args)]
pub(super) struct DisasmArgs {
    /// Program picture (PNG, 8-bit RGBA)
    picture: PathBuf,
    /// File to write; without it, standard output
    #[arg(short, long, value_name = "SOURCE")]
    output: Option<PathBuf>,
}

/// Assembles; every error is printed with its place and its line.
pub(super) fn asm(args: &AsmArgs) -> Outcome {
    let form = match (args.raw, args.module) {
        (true, _) => Form::Raw,
        (_, true) => Form::Module,
        _ => Form::AsWritten,
    };
    let source = read_source(&args.source, MAX_SOURCE)?;
    let options = Options { width: args.width, form };
    match assemble_source(source, options, &mut include) {
        Ok(assembly) => write_all(args, &assembly),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{}", error.render()));
            let plural = if errors.len() == 1 { "" } else { "s" };
            bail!("{} error{plural}, nothing written", errors.len())
        }
    }
}

fn write_all(args: &AsmArgs, assembly: &Assembly) -> Outcome {
    warn(assembly);
    write_picture(&args.output, &assembly.raster)?;
    if let Some(path) = &args.symbols {
        write_text(path, &(serde_json::to_string(&assembly.map)? + "\n"))?;
    }
    if let Some(path) = &args.listing {
        write_text(path, &assembly.listing())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the machine would refuse before it runs the module, with the source lines.
fn warn(assembly: &Assembly) {
    let pixels = assembly.raster.pixels();
    let is_2 = pixels.get(1).is_some_and(|pixel| pixel.channels()[0] == 2);
    let Some(header) = Header::parse(pixels).ok().filter(|_| is_2) else { return };
    for finding in verify(pixels, &header).err().unwrap_or_default() {
        match place(assembly, &finding) {
            Some(diagnostic) => eprintln!("{}", diagnostic.render_as("warning")),
            None => eprintln!("warning: {finding}\n"),
        }
    }
}

fn place(assembly: &Assembly, finding: &Finding) -> Option<Diagnostic> {
    let place = assembly.place_of(finding.address)?;
    let note = format!("pixel {}: the machine refuses to run this module", finding.address);
    Some(Diagnostic::new(place, finding.problem.to_string()).with_note(note))
}

fn read_source(path: &Path, limit: u64) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    match String::from_utf8(read_bounded(path, limit)?) {
        Ok(text) => Ok(Source { name, text }),
        Err(_) => bail!("{name} is not UTF-8 text"),
    }
}

/// A file that another one includes: its path counts from that one's directory.
fn include(from: &str, path: &str) -> Result<Source, String> {
    let directory = Path::new(from).parent().unwrap_or(Path::new(""));
    let joined = tidy(&directory.join(path));
    read_source(&joined, MAX_INCLUDED).map_err(|error| format!("{error:#}"))
}

/// The path without `.`, so that one file has one name in most cases. `..` stays:
/// what it means behind a link only the system knows.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Disassembles.
pub(super) fn disasm(args: &DisasmArgs) -> Outcome {
    let text = disassemble(&read_picture(&args.picture)?);
    match &args.output {
        Some(path) => write_text(path, &text)?,
        None => {
            let written = std::io::stdout().lock().write_all(text.as_bytes());
            if let Err(error) = written
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                return Err(error).context("cannot write to standard output");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
