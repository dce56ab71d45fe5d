//! The tools: one binary that chooses by the whole file name of argv\[0\], or by its first argument.
//!
//! Each tool is a module with `run(args)`; `args[0]` is the tool's name. Errors
//! come back here, the only place that prints them and chooses the exit status.

mod architect;
mod build;
mod cat;
mod chat;
mod check;
mod convert;
mod cp;
mod desk;
mod export;
mod failures;
mod find;
mod image_args;
mod info;
mod llm;
mod ls;
mod machine_model;
mod mcp;
mod mkfs;
mod mkfs_progress;
mod mount;
pub(crate) mod open;
mod phase_progress;
mod pxboot;
mod pxi;
mod shell;
mod show;
mod size;
mod stat;
mod tree;
mod umount;
mod verify;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// What a tool returns: its exit status, or an error to be printed (status 1).
type Outcome = anyhow::Result<ExitCode>;

/// A tool: its name as a verb of `pxfs`, what it is for, and what runs it.
struct Tool {
    verb: &'static str,
    about: &'static str,
    run: fn(Vec<OsString>) -> Outcome,
}

const TOOLS: &[Tool] = &[
    Tool { verb: "mkfs", about: "make a picture from a directory or a tar stream", run: mkfs::run },
    Tool { verb: "mount", about: "mount a picture", run: mount::run },
    Tool { verb: "umount", about: "unmount a picture", run: umount::run },
    Tool { verb: "ls", about: "list files of a picture", run: ls::run },
    Tool { verb: "cat", about: "print files of a picture", run: cat::run },
    Tool { verb: "stat", about: "show all about files of a picture", run: stat::run },
    Tool { verb: "tree", about: "show a picture's files as a tree", run: tree::run },
    Tool { verb: "find", about: "search a picture", run: find::run },
    Tool { verb: "cp", about: "copy files out of a picture", run: cp::run },
    Tool { verb: "export", about: "write a picture's files as a tar stream", run: export::run },
    Tool { verb: "convert", about: "make a picture seekable again", run: convert::run },
    Tool { verb: "info", about: "show what a picture holds", run: info::run },
    Tool { verb: "verify", about: "read and check everything in a picture", run: verify::run },
    Tool { verb: "check", about: "check everything in a pxOS root", run: check::run },
    Tool { verb: "init", about: "make an empty pxOS root", run: build::change::run_init },
    Tool { verb: "add", about: "add a file to a root or a picture", run: build::change::add },
    Tool {
        verb: "auto-add",
        about: "add many files to a root or a picture",
        run: build::auto::auto_add,
    },
    Tool {
        verb: "auto-discover",
        about: "show contents of a root without a path",
        run: build::auto::discover,
    },
    Tool { verb: "list", about: "list the paths of a root or a picture", run: build::look::list },
    Tool {
        verb: "resolve",
        about: "show what a path, an id or a digest means",
        run: build::look::resolve_name,
    },
    Tool { verb: "show", about: "show all about a content", run: build::look::show },
    Tool { verb: "extract", about: "write a content to a file", run: build::look::extract },
    Tool { verb: "rm", about: "remove paths of a root or a picture", run: build::change::rm },
    Tool { verb: "mv", about: "rename paths of a root or a picture", run: build::change::mv },
    Tool { verb: "pack", about: "put a root's blobs into one file", run: build::change::pack },
    Tool { verb: "import", about: "make a picture of a root", run: build::between::import },
    Tool {
        verb: "boot-pixel",
        about: "make one pixel of a project",
        run: build::between::boot_pixel,
    },
    Tool {
        verb: "god-pixel",
        about: "make one pixel of a picture",
        run: build::between::god_pixel,
    },
    Tool {
        verb: "resurrect",
        about: "make what a pixel stands for",
        run: build::between::resurrect,
    },
    Tool { verb: "desktop", about: "draw a tile for each file", run: build::look::desktop },
    Tool { verb: "boot", about: "boot a mounted directory or a picture", run: pxboot::run },
    Tool { verb: "llm", about: "make, list and ask model cartridges", run: llm::run },
    Tool { verb: "mcp", about: "serve a place to language models", run: mcp::run },
    Tool { verb: "architect", about: "let a model build and improve modules", run: architect::run },
    Tool { verb: "chat", about: "talk to a model on a tile of the map", run: chat::run },
    Tool { verb: "shell", about: "serve the page for people", run: shell::run },
    Tool { verb: "pxi", about: "run, assemble and disassemble PXI programs", run: pxi::run },
];

/// File names of links to the binary, and the verbs they stand for.
const LINKS: &[(&str, &str)] =
    &[("mkfs.pxfs", "mkfs"), ("mount.pxfs", "mount"), ("pxboot", "boot"), ("pxi", "pxi")];

/// Exit status for a command line that cannot be understood.
const USAGE: u8 = 2;

/// Exit status of fsck(8) for a checker that could not do its work.
const FSCK_OPERATIONAL_ERROR: u8 = 8;

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
        // fsck(8) and others look for helpers of that form.
        None if own_name.is_some_and(is_helper_name) => {
            return without_tool(&own_name.unwrap_or_default().to_string_lossy());
        }
        None => {
            args.drain(..args.len().min(1));
            let verb = args.first().map(|verb| verb.to_string_lossy().into_owned());
            let verb = verb.unwrap_or_default();
            if let Some(first) = args.first_mut() {
                *first = format!("pxfs {verb}").into();
            }
            verb
        }
    };
    let Some(tool) = TOOLS.iter().find(|tool| tool.verb == verb) else {
        return without_tool(&verb);
    };
    let name = args[0].to_string_lossy().into_owned();
    if tool.verb != "mount" {
        // mount has options for its log.
        start_log(&name);
    }
    match (tool.run)(args) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {}", failures::describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// Whether a file name is that of a tool for this file system: `fsck.pxfs`.
fn is_helper_name(name: &OsStr) -> bool {
    Path::new(name).extension() == Some(OsStr::new("pxfs"))
}

/// Warnings go to standard error, after the tool's name; PXFS_LOG=debug shows more.
fn start_log(name: &str) {
    use std::io::Write as _;
    let name = name.to_owned();
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Warn)
        .parse_env("PXFS_LOG")
        .format(move |out, record| writeln!(out, "{name}: {}", record.args()))
        .init();
}

/// What is said when argv names no tool.
fn without_tool(verb: &str) -> ExitCode {
    match verb {
        "help" | "--help" | "-h" => print(&usage()),
        "--version" | "-V" | "version" => print(concat!("pxfs ", env!("CARGO_PKG_VERSION"))),
        "" => {
            eprintln!("{}", usage());
            ExitCode::from(USAGE)
        }
        "fsck.pxfs" => {
            eprintln!("fsck.pxfs: nothing repairs a picture yet; 'pxfs verify' checks one");
            ExitCode::from(FSCK_OPERATIONAL_ERROR)
        }
        other => {
            eprintln!("pxfs: no tool '{other}'; 'pxfs help' lists them");
            ExitCode::from(USAGE)
        }
    }
}

/// Prints a line on standard output; a full disk is an error, a closed pipe is none.
fn print(line: &str) -> ExitCode {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("pxfs: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn usage() -> String {
    let mut text = String::from(
        "pxfs - a file system that lives in a picture\n\nUsage: pxfs TOOL [ARGUMENTS]\n\nTools:\n",
    );
    for tool in TOOLS {
        let link = LINKS.iter().find(|(_, verb)| *verb == tool.verb);
        let link = link.map_or(String::new(), |(name, _)| format!(" (also: {name})"));
        text.push_str(&format!("  {:<13} {}{link}\n", tool.verb, tool.about));
    }
    text.push_str("\n'pxfs TOOL --help' says more about each.");
    text
}

/// Parses a command line. Wrong usage and `--help` are answered here, with the
/// exit status that the callers of the tool expect for wrong usage.
fn parse_args<A: clap::Parser>(args: Vec<OsString>, usage_status: u8) -> Result<A, ExitCode> {
    A::try_parse_from(args).map_err(|error| {
        let _ = error.print();
        ExitCode::from(if error.use_stderr() { usage_status } else { 0 })
    })
}

/// Buffered standard output; the tool flushes it, so that an error is seen.
fn stdout() -> std::io::BufWriter<std::io::StdoutLock<'static>> {
    std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock())
}

/// Whether a tool stopped because nobody reads what it prints: no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
