//! `pxfs umount DIR...`: unmounts pictures, also for users who are not root and
//! also when the process that served them has died.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;

use super::Outcome;
use super::failures::describe;
use crate::fuse::{UnmountError, mountinfo, unmount};

/// Unmount pictures
#[derive(Debug, Parser)]
#[command(name = "umount", version)]
struct Args {
    /// Where they are mounted
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Take a mount that is in use out of the file tree now, and the rest when its last user is gone
    #[arg(short = 'l', long)]
    lazy: bool,
}

/// Runs the tool; every directory is tried, and the status is 1 if one failed.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let name = args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let args: Args = match super::parse_args(args, 1) {
        Ok(args) => args,
        Err(status) => return Ok(status),
    };
    let mut status = ExitCode::SUCCESS;
    for dir in &args.dirs {
        if let Err(error) = unmount_picture(dir, args.lazy) {
            eprintln!("{name}: {}: {}", dir.display(), describe(&error));
            status = ExitCode::FAILURE;
        }
    }
    Ok(status)
}

fn unmount_picture(dir: &Path, lazy: bool) -> anyhow::Result<()> {
    let dir = mount_path(dir)?;
    match mountinfo::top_at(&dir).context("/proc/self/mountinfo")? {
        Some(entry) if entry.is_pxfs() => {}
        Some(entry) => bail!("a mount of type {}, not a picture", entry.fs_type),
        None => bail!("not mounted"),
    }
    match unmount(&dir, lazy) {
        Err(UnmountError::Busy) => {
            bail!("it is in use ('fuser -vm' tells by whom); -l detaches it")
        }
        other => Ok(other?),
    }
}

/// The directory as the kernel names it. A dead mount cannot be looked at, so
/// only what leads to it is resolved.
fn mount_path(dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = std::path::absolute(dir)?;
    if let Ok(real) = dir.canonicalize() {
        return Ok(real);
    }
    match (dir.parent(), dir.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => Ok(dir),
    }
}
