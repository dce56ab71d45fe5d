//! `mount.pxfs SOURCE DIR`: mounts a picture, as mount(8)'s helper or by hand.
//! docs/cli/mount.pxfs.md is its manual page.
//!
//! Here are the arguments and the order of things; options, checks, the way to
//! the background and the life of the mount each have their file.

mod check;
mod daemon;
mod failure;
mod names;
mod options;
mod session;
mod unix;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser};
use log::LevelFilter;
use sd_notify::NotifyState;

use self::daemon::Launched;
use self::failure::{Failure, MOUNT, OrStatus, SYSTEM, USAGE};
use self::names::Register;
use self::options::{IGNORED, MountOptions, SPECS};
use self::session::{Events, PidFile, notify};
pub(super) use self::unix::Signals;
use self::watch::Started;
use super::Outcome;
use super::failures::describe;
use super::open::{OpenRequest, open_for_mount};
use crate::fs::Tree;
use crate::fuse::{Audience, KernelFlags, MountConfig, MountError, Overrides, Served, serve};

/// Mount a picture as a directory
#[derive(Debug, Parser)]
#[command(name = "mount.pxfs", version, disable_help_flag = true)]
struct Args {
    /// The picture (or pxOS root) to mount
    source: PathBuf,
    /// The directory to mount it on
    dir: PathBuf,
    /// Mount options, separated by commas; may be given several times
    #[arg(short = 'o', value_name = "OPTIONS")]
    options: Vec<OsString>,
    /// Stay in the foreground
    #[arg(short = 'f', long)]
    foreground: bool,
    /// Say what is done
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Print errors only, no warnings
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    quiet: bool,
    /// Pass over unknown options
    #[arg(short = 's')]
    sloppy: bool,
    /// Accepted for mount(8): there is no mtab to write
    #[arg(short = 'n')]
    _no_mtab: bool,
    /// Accepted for mount(8): the file system type
    #[arg(short = 't', value_name = "TYPE")]
    _fs_type: Option<OsString>,
    /// Write "ready" to this descriptor when the mount works
    #[arg(long, value_name = "N")]
    ready_fd: Option<RawFd>,
    /// Write the serving process's id to this file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Print this help
    #[arg(short = 'h', long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let name = args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let matches = Args::command().after_help(options_help()).try_get_matches_from(&args);
    let parsed = match matches.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(parsed) => parsed,
        Err(error) => {
            // clap's own status for wrong usage means something else to mount(8).
            let _ = error.print();
            return Ok(ExitCode::from(if error.use_stderr() { USAGE } else { 0 }));
        }
    };
    Ok(match mount(&parsed) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            // Not the caller's to print: it knows one status, mount(8) several.
            eprintln!("{name}: {}", describe(&failure.error));
            ExitCode::from(failure.status)
        }
    })
}

/// Mounts and serves, or has it done in the background; returns the exit status.
fn mount(args: &Args) -> Result<u8, Failure> {
    let texts: Option<Vec<&str>> = args.options.iter().map(|text| text.to_str()).collect();
    let texts = texts.ok_or_else(|| Failure::new(USAGE, "-o: options must be UTF-8"))?;
    let options = MountOptions::parse(texts, args.sloppy).or_status(USAGE)?;
    let ready = args.ready_fd;
    let ready = ready.map(|fd| unix::take_fd(fd).with_context(|| format!("--ready-fd {fd}")));
    let ready = ready.transpose().or_status(USAGE)?;
    if args.foreground {
        return serve_here(args, &options, ready).map(|()| 0);
    }
    match daemon::launch()? {
        Launched::Here => {
            // The process that waits answers for the process that serves.
            drop(ready);
            daemon::take_name();
            serve_here(args, &options, None).map(|()| 0)
        }
        Launched::Failed(status) => Ok(status),
        Launched::Serving(pid) => {
            tell_ready(ready);
            if args.verbose {
                let (source, dir) = (args.source.display(), args.dir.display());
                println!("{source} mounted on {dir} (process {pid})");
            }
            Ok(0)
        }
    }
}

/// Opens the picture, mounts it and serves it until it is unmounted.
fn serve_here(args: &Args, options: &MountOptions, ready: Option<OwnedFd>) -> Result<(), Failure> {
    unix::give_memory_back();
    start_log(args, options).or_status(USAGE)?;
    check::check_rights(options)?;
    let config = mount_config(args, options).or_status(USAGE)?;
    let dir = check::check_dir(&args.dir)?;
    let pid_file = match &args.pid_file {
        // Made absolute while the working directory is still the caller's.
        Some(path) => Some(std::path::absolute(path).or_status(USAGE)?),
        None => None,
    };
    let mut watcher = match watch::start() {
        Started::Server(watcher) => watcher,
        Started::Here(post) => {
            drop(ready);
            return post.keep(&dir).or_status(SYSTEM);
        }
    };
    let events = Events::listen()?;
    let tree = open_source(&absolute(&args.source), options).or_status(MOUNT)?;
    events.mounting();
    let served = serve(tree, &dir, &config, events.on_end()).map_err(mount_failure)?;
    let _pid_file = pid_file.map(PidFile::write).transpose()?;
    if options.read_write && !args.quiet {
        let source = args.source.display();
        eprintln!("mount.pxfs: WARNING: {source} is mounted read-only: writing is not there yet");
    }
    if let Some(watcher) = &mut watcher {
        watcher.watch();
    }
    announce(args, &served, ready)?;
    let ended = session::run(&served, &events, options.idle_timeout);
    // It must not take what is mounted here next for ours.
    drop(watcher);
    ended.or_status(MOUNT)
}

/// Tells everyone who waits that the mount works.
fn announce(args: &Args, served: &Served, ready: Option<OwnedFd>) -> Result<(), Failure> {
    log::info!("{} mounted on {}", args.source.display(), served.dir().display());
    tell_ready(ready);
    if !args.foreground {
        notify(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
        return daemon::detach().or_status(SYSTEM);
    }
    notify(&[NotifyState::Ready]);
    Ok(())
}

/// Writes to the descriptor of `--ready-fd`, and closes it.
fn tell_ready(ready: Option<OwnedFd>) {
    if let Some(fd) = ready {
        let written = std::fs::File::from(fd).write_all(daemon::READY.as_bytes());
        if let Err(error) = written {
            log::warn!("--ready-fd: {error}");
        }
    }
}

/// Opens and checks what is to be mounted.
fn open_source(path: &Path, options: &MountOptions) -> anyhow::Result<Arc<dyn Tree>> {
    let request = OpenRequest {
        offset: options.offset,
        mem: options.mem,
        digest: options.digest,
        store: options.store.as_deref().map(absolute),
    };
    open_for_mount(path, &request, options.subdir.as_deref())
}

fn mount_config(args: &Args, options: &MountOptions) -> anyhow::Result<MountConfig> {
    let (file_mask, dir_mask) = options.masks();
    let overrides = Overrides {
        uid: names::resolve(options.uid.as_ref(), Register::Users, "uid")?,
        gid: names::resolve(options.gid.as_ref(), Register::Groups, "gid")?,
        file_mask,
        dir_mask,
    };
    let audience = match (options.allow_other, options.allow_root) {
        (true, _) => Audience::Everyone,
        (false, true) => Audience::OwnerAndRoot,
        (false, false) => Audience::Owner,
    };
    let flags = KernelFlags {
        dev: options.dev,
        suid: options.suid,
        exec: options.exec,
        noatime: options.noatime,
    };
    let source = match &options.fsname {
        Some(name) => name.into(),
        None => absolute(&args.source).into_os_string(),
    };
    let MountOptions { threads, low_latency, .. } = *options;
    Ok(MountConfig { source, threads, audience, flags, overrides, low_latency })
}

/// The path from the root, links kept; an address such as `https://...` as it is.
fn absolute(source: &Path) -> PathBuf {
    match source.to_string_lossy().contains("://") {
        true => source.to_owned(),
        false => std::path::absolute(source).unwrap_or_else(|_| source.to_owned()),
    }
}

fn mount_failure(error: MountError) -> Failure {
    let status = match error {
        MountError::NoDevice
        | MountError::DeviceDenied(_)
        | MountError::HelperDenied(_)
        | MountError::NoHelper => SYSTEM,
        _ => MOUNT,
    };
    Failure { status, error: error.into() }
}

/// Starts the log: to `log_file`, else to standard error, which a process in the
/// background gives up when the mount works.
fn start_log(args: &Args, options: &MountOptions) -> anyhow::Result<()> {
    let level = options.log_level.unwrap_or(match (args.verbose, args.quiet) {
        (true, _) => LevelFilter::Info,
        (_, true) => LevelFilter::Error,
        _ if options.log_file.is_some() => LevelFilter::Info,
        _ => LevelFilter::Warn,
    });
    let mut log = env_logger::Builder::new();
    log.filter_level(level);
    // fuser tells each request at debug: trace is the level for that.
    if level < LevelFilter::Trace {
        log.filter_module("fuser", level.min(LevelFilter::Warn));
    }
    if let Some(path) = &options.log_file {
        let file = std::fs::File::options().append(true).create(true).open(path);
        let file = file.with_context(|| format!("log_file={}", path.display()))?;
        log.target(env_logger::Target::Pipe(Box::new(file)));
    }
    // A log that was started before this one stays.
    let _ = log.try_init();
    Ok(())
}

/// The table of options for `--help`.
fn options_help() -> String {
    let mut help = String::from("Mount options (-o):\n");
    for spec in SPECS {
        let written = match spec.value {
            Some(value) => format!("{}={value}", spec.name),
            None => spec.name.to_owned(),
        };
        help.push_str(&format!("  {written:<24}{}\n", spec.help));
    }
    help.push_str("Ignored, for mount(8) and fstab: x-*, X-*, ");
    help.push_str(&IGNORED.join(", "));
    help
}
