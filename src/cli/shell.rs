//! `pxfs shell`: the page for people, on this machine's own address.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;

use super::Outcome;
use super::desk::open_target;
use crate::web::{Desk, Served, ServerOptions, serve};

/// Serve a page on this machine: the infinite map with its conversations, the files,
/// the boot log and the machine's frame of a picture, a pxOS root or a directory.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs shell",
    version,
    after_help = "\
The address is printed; its token is the key to the page. Nobody else reaches it: it is on
127.0.0.1, and the page asks no other machine. Ctrl-C ends it.

Exit status: 0 ended by Ctrl-C or a signal; 1 error; 2 wrong usage. See docs/shell.md."
)]
struct Args {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// Serve the page (there is no other shell here; 'pxfs chat' is for terminals)
    #[arg(long, required = true)]
    web: bool,
    /// The port; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    /// Add a line to this audit log for each question to a model; programs of the target may ask
    /// models only with it
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args: Args = match super::parse_args(args, super::USAGE) {
        Ok(args) => args,
        Err(status) => return Ok(status),
    };
    let target = open_target(&args.target, args.audit.as_deref())?;
    if let Some(reason) = target.map.read_only() {
        log::warn!("the map can be read only: {reason}");
    }
    let desk = Desk {
        target: args.target.display().to_string(),
        kind: target.kind,
        map: target.map,
        trees: Box::new(target.place),
        models: target.models,
    };
    let ready = |served: &Served| {
        // Whoever started us may have closed this; the page is there all the same.
        let _ = writeln!(io::stdout(), "{}", served.url).and_then(|()| io::stdout().flush());
        if args.open {
            open_browser(&served.url);
        }
    };
    serve(desk, ServerOptions { port: args.port }, &ready)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the desktop for its browser.
fn open_browser(url: &str) {
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        // It ends at once; somebody has to take its status.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => log::warn!("no browser was opened (xdg-open: {error}); open the address"),
    }
}
