//! The tools: one binary that chooses by the whole file name of argv\[0\], or by its first argument.
//!
//! Each tool is a module with `run(args)`; `args[0]` is the tool's name. Errors
//! come back here, the only place that prints them and chooses the exit status.

mod image_args;
mod mkfs;
mod mkfs_progress;
mod mount;
pub(crate) mod open;
mod pxboot;
mod pxi;
mod size;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What a tool returns: its exit status, or an error to be printed (status 1).
type Outcome = anyhow::Result<ExitCode>;

/// A tool: its name as a verb of `pxfs`, and what runs it.
struct Tool {
    verb: &'static str,
    run: fn(Vec<OsString>) -> Outcome,
}

const TOOLS: &[Tool] = &[
    Tool { verb: "mkfs", run: mkfs::run },
    Tool { verb: "mount", run: mount::run },
    Tool { verb: "boot", run: pxboot::run },
    Tool { verb: "pxi", run: pxi::run },
];

/// File names of links to the binary, and the verbs they stand for.
const LINKS: &[(&str, &str)] =
    &[("mkfs.pxfs", "mkfs"), ("mount.pxfs", "mount"), ("pxboot", "boot"), ("pxi", "pxi")];

/// Runs the tool that argv names and returns its exit status.
pub fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let own_name = args.first().map(Path::new).and_then(Path::file_name);
    let link = LINKS.iter().find(|(name, _)| own_name.is_some_and(|own| own == *name));
    let verb = match link {
        Some((name, verb)) => {
            args[0] = (*name).into();
            (*verb).to_owned()
        }
        None => {
            if !args.is_empty() {
                args.remove(0);
            }
            args.first().map(|verb| verb.to_string_lossy().into_owned()).unwrap_or_default()
        }
    };
    let Some(tool) = TOOLS.iter().find(|tool| tool.verb == verb) else {
        eprintln!("pxfs: no tool '{verb}'");
        return ExitCode::from(2);
    };
    let name = args[0].to_string_lossy().into_owned();
    match (tool.run)(args) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
