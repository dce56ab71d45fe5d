//! `pxi asm` and `pxi disasm`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::{read_bounded, read_picture, write_picture};
use crate::cli::Outcome;
use crate::pxi::asm::{Form, Options, assemble};
use crate::pxi::disasm::disassemble;

/// Longest source: a line for each of the most pixels a picture may have.
const MAX_SOURCE: u64 = 1 << 30;

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
    /// Write a PXIM 1.0 module header, even if the source does not say .module
    #[arg(long)]
    module: bool,
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

/// Assembles; every error is printed as file:line:column with its line.
pub(super) fn asm(args: &AsmArgs) -> Outcome {
    let name = args.source.display().to_string();
    let Ok(source) = String::from_utf8(read_bounded(&args.source, MAX_SOURCE)?) else {
        bail!("{name} is not UTF-8 text");
    };
    let form = match (args.raw, args.module) {
        (true, _) => Form::Raw,
        (_, true) => Form::Module,
        _ => Form::AsWritten,
    };
    match assemble(&source, Options { width: args.width, form }) {
        Ok(raster) => {
            write_picture(&args.output, &raster)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            for error in &errors {
                eprint!("{}", error.render(&name, &source));
            }
            let plural = if errors.len() == 1 { "" } else { "s" };
            bail!("{} error{plural}, nothing written", errors.len())
        }
    }
}

/// Disassembles.
pub(super) fn disasm(args: &DisasmArgs) -> Outcome {
    let text = disassemble(&read_picture(&args.picture)?);
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("cannot write {}", path.display()))?,
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
