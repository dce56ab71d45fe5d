//! `pxfs mcp`: a server for language models.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;

use super::open::{OpenRequest, open_source, project_pixel};
use super::{Outcome, USAGE};
use crate::builder::{EditOptions, Editor};
use crate::mcp::{HttpOptions, Place, Server, ServerOptions, serve_http, serve_stdio};

/// Serve a picture, a pxOS root or a directory to language models: the Model Context
/// Protocol, on standard input and output.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs mcp",
    version,
    after_help = "\
Standard output carries the protocol and nothing else; messages go to standard error.
Without --write there are no tools that change anything.

Exit status: 0 the client ended its input; 1 it cannot be served; 2 wrong usage.
See docs/cli/pxfs-mcp.md."
)]
struct Args {
    /// A pxfs picture, a pxOS root, a project pixel or a directory
    #[arg(value_name = "IMAGE|ROOT|DIR")]
    source: PathBuf,
    /// Offer the tools that make changes, too: write_file, edit_file, add_module, ...
    #[arg(long)]
    write: bool,
    /// Add a line of JSON for each call to this file
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The log of a boot, which boot_log gives; without it, boot_log boots
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Serve over HTTP on 127.0.0.1 instead; the address, with a token, is printed
    #[arg(long)]
    http: bool,
    /// The port of --http; 0 takes any that is free
    #[arg(long, value_name = "N", default_value_t = 0, requires = "http")]
    port: u16,
}

/// Runs `pxfs mcp`.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args: Args = match super::parse_args(args, USAGE) {
        Ok(args) => args,
        Err(status) => return Ok(status),
    };
    let place = open_place(&args.source, args.write)?;
    let (write, log) = (args.write, args.log);
    let audit = args.audit.clone();
    let server = Server::new(place, ServerOptions { write, audit, log });
    let name = args.audit.unwrap_or_default();
    let server = server.with_context(|| format!("the audit log {}", name.display()))?;
    match args.http {
        true => serve_http(server, &HttpOptions { port: args.port }, |url| {
            let mut out = std::io::stdout();
            writeln!(out, "{url}")?;
            out.flush()
        })?,
        false => serve_stdio(server)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What can be changed is opened as such even if it is only read: then what others
/// save is seen.
fn open_place(path: &Path, write: bool) -> anyhow::Result<Place> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let is_dir = path.is_dir();
    if !is_dir && project_pixel(path)?.is_some() {
        if write {
            bail!("{}: is one pixel, which nothing can change; extract it first", path.display());
        }
        return Ok(Place::fixed(name, open_source(path, &OpenRequest::default())?));
    }
    match Editor::open(path, &EditOptions::default()) {
        Ok(editor) => Ok(Place::editor(name, editor)),
        Err(error) if is_dir || write => Err(error.into()),
        // Another container than PNG can be read all the same; else this says why not.
        Err(_) => Ok(Place::fixed(name, open_source(path, &OpenRequest::default())?)),
    }
}
