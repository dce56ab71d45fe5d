//! `pxi compile`: a module in the Python subset becomes a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args as Arguments;

use super::{read_bounded, write_picture};
use crate::cli::Outcome;
use crate::pxc::{MAX_SOURCE, compile};

/// Compile a module of the Python subset (docs/pxi-python.md) into a PXIM 2.0 picture
#[derive(Debug, Arguments)]
pub(super) struct Args {
    /// Source
    source: PathBuf,
    /// The picture to write (PNG)
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,
    /// Width of the picture in pixels; without it, nearly square
    #[arg(long, value_name = "N")]
    width: Option<u32>,
    /// Write the code in assembly, with the lines of the source, to a file
    #[arg(long, value_name = "FILE")]
    asm: Option<PathBuf>,
    /// Write the addresses of functions and lines to a file, as JSON
    #[arg(long, value_name = "FILE")]
    symbols: Option<PathBuf>,
}

/// Compiles; every error is printed with its line.
pub(super) fn run(args: &Args) -> Outcome {
    let name = args.source.display().to_string();
    let Ok(source) = String::from_utf8(read_bounded(&args.source, MAX_SOURCE as u64)?) else {
        bail!("{name} is not UTF-8 text");
    };
    let compiled = match compile(&name, &source) {
        Ok(compiled) => compiled,
        Err(errors) => {
            for error in &errors {
                eprint!("{}", error.render());
            }
            let plural = if errors.len() == 1 { "" } else { "s" };
            bail!("{} error{plural}, nothing written", errors.len())
        }
    };
    let raster = compiled.parts.build(args.width).map_err(anyhow::Error::msg)?;
    write_text(args.asm.as_deref(), &compiled.assembly)?;
    write_text(args.symbols.as_deref(), &serde_json::to_string(&compiled.map)?)?;
    write_picture(&args.output, &raster)?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match path {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => Ok(()),
    }
}
