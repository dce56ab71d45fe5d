//! `pxfs cp`: copy files out of a picture, without mounting it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;

use super::Outcome;
use super::image_args::{ImageArgs, find_path};
use super::show::escape;
use crate::extract::{Copier, CopyOptions, DestDir, ExtractError, Observer};
use crate::fs::{Attr, FileKind, Tree};

/// Copy files out of a picture.
///
/// SRC are paths in the picture, DEST is one of this machine.
#[derive(Debug, Parser)]
#[command(name = "pxfs cp", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// What to copy, and at last where to
    #[arg(required = true, num_args = 2.., value_names = ["SRC", "DEST"])]
    paths: Vec<OsString>,
    /// Directories with all that is in them; symbolic links as such
    #[arg(short, visible_short_alias = 'R', long)]
    recursive: bool,
    /// As -r -p, and keep hard links
    #[arg(short, long)]
    archive: bool,
    /// Keep owners, modes, times, extended attributes and ACLs
    #[arg(short = 'p')]
    preserve: bool,
    /// Leave files alone that are there already
    #[arg(short, long)]
    no_clobber: bool,
    /// Accepted: files that are in the way are replaced anyhow
    #[arg(short, long)]
    force: bool,
    /// Name each file that is copied
    #[arg(short, long)]
    verbose: bool,
    /// DEST is the copy itself, not a directory to copy into
    #[arg(short = 'T', long)]
    no_target_directory: bool,
}

/// Files that can be written at the same time: more would only wait for the disk.
const MAX_THREADS: usize = 8;

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let mut args = Args::parse_from(args);
    let dest = args.paths.pop().map(PathBuf::from).context("no DEST")?;
    let target = Target::of(&args, &dest)?;
    let tree = args.image.open()?;
    raise_file_limit();
    let console = Console { verbose: args.verbose, failed: AtomicBool::new(false) };
    let copier = Copier::new(&tree, options_of(&args), &console);
    let mut made = HashSet::new();
    for source in &args.paths {
        if copier.has_stopped() {
            break;
        }
        if let Err(error) = copy_one(&args, &tree, &copier, source, &target, &mut made) {
            console.complain(&super::failures::describe(&error));
        }
    }
    let failed = console.failed.load(Ordering::Relaxed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn options_of(args: &Args) -> CopyOptions {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    CopyOptions {
        keep: args.archive || args.preserve,
        links: args.archive,
        no_clobber: args.no_clobber,
        umask: umask(),
        threads: processors.min(MAX_THREADS),
    }
}

/// The umask, which can only be read by setting it: while no other thread runs.
pub(super) fn umask() -> u32 {
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(umask);
    umask.as_raw_mode()
}

/// Deep trees keep a descriptor a level.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the limit as it was, all but very deep trees can be copied.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// What DEST means.
enum Target {
    /// Each source goes into this directory under its own name.
    Into(DestDir, PathBuf),
    /// The one source becomes the entry `name` of this directory.
    As(DestDir, OsString, PathBuf),
}

impl Target {
    fn of(args: &Args, dest: &Path) -> anyhow::Result<Self> {
        let shown = || format!("'{}'", dest.display());
        let is_dir = std::fs::metadata(dest).is_ok_and(|found| found.is_dir());
        if args.no_target_directory && args.paths.len() > 1 {
            bail!("-T takes one SRC and one DEST");
        }
        if is_dir && !args.no_target_directory {
            return Ok(Self::Into(DestDir::open(dest).with_context(shown)?, dest.to_owned()));
        }
        if args.paths.len() > 1 {
            bail!("{}: is not a directory, as it must be for several SRC", shown());
        }
        let is_recursive = args.recursive || args.archive;
        if dest.as_os_str().as_bytes().ends_with(b"/") && !is_recursive {
            bail!("{}: is not a directory", shown());
        }
        let Some(name) = dest.file_name() else {
            bail!("{}: is no name for a copy", shown());
        };
        let parent = match dest.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir = DestDir::open(parent).with_context(|| format!("'{}'", parent.display()))?;
        Ok(Self::As(dir, name.to_owned(), dest.to_owned()))
    }
}

/// Copies one source of the command line.
fn copy_one(
    args: &Args,
    tree: &dyn Tree,
    copier: &Copier<'_>,
    source: &OsStr,
    target: &Target,
    made: &mut HashSet<Vec<u8>>,
) -> anyhow::Result<()> {
    let recursive = args.recursive || args.archive;
    let attr = find_path(tree, source, !recursive)?;
    check_kind(&attr, source, recursive)?;
    let from = source.as_bytes();
    match target {
        Target::As(dir, name, dest) => {
            copier.copy_as(&attr, from, dir, name.as_bytes(), dest.as_os_str().as_bytes());
        }
        Target::Into(dir, dest) => match last_name(from) {
            Some(name) => {
                if !made.insert(name.to_vec()) && attr.kind != FileKind::Directory {
                    let dest = dest.join(OsStr::from_bytes(name));
                    let error = format!("'{}' was just made from another SRC", dest.display());
                    return Err(anyhow!("'{}': {error}", source.display()));
                }
                let dest = dest.join(OsStr::from_bytes(name));
                copier.copy_as(&attr, from, dir, name, dest.as_os_str().as_bytes());
            }
            // "/", "." and "..", which have no name of their own.
            None => copier.copy_into(&attr, from, dir, dest.as_os_str().as_bytes()),
        },
    }
    Ok(())
}

fn check_kind(attr: &Attr, source: &OsStr, recursive: bool) -> anyhow::Result<()> {
    let shown = source.display();
    match attr.kind {
        _ if recursive => Ok(()),
        FileKind::Regular => Ok(()),
        FileKind::Directory => bail!("'{shown}': is a directory: copy it with -r"),
        _ => bail!("'{shown}': is not a regular file: copy it with -r"),
    }
}

/// The last component of a path, unless it is one that only points elsewhere.
fn last_name(path: &[u8]) -> Option<&[u8]> {
    let last = path.split(|&byte| byte == b'/').rfind(|part| !part.is_empty())?;
    (last != b"." && last != b"..").then_some(last)
}

/// Tells the user what happens.
struct Console {
    verbose: bool,
    failed: AtomicBool,
}

impl Console {
    fn complain(&self, text: &str) {
        self.failed.store(true, Ordering::Relaxed);
        eprintln!("pxfs cp: {text}");
    }
}

impl Observer for Console {
    fn copied(&self, source: &[u8], dest: &[u8]) {
        if self.verbose {
            // Nobody reads what is said: no reason to stop copying.
            let _ = writeln!(std::io::stdout(), "'{}' -> '{}'", escape(source), escape(dest));
        }
    }

    fn failed(&self, path: &[u8], error: &ExtractError) {
        self.complain(&format!("'{}': {error}", escape(path)));
    }

    fn warning(&self, text: &str) {
        eprintln!("pxfs cp: {text}");
    }
}
