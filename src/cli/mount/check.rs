//! What can be said about a mount before it is tried: each problem in one
//! sentence that says what to do.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::failure::{Failure, MOUNT, USAGE};
use super::options::MountOptions;
use crate::fuse::mountinfo;

/// Where fuse3 keeps what users are allowed.
const FUSE_CONF: &str = "/etc/fuse.conf";

/// Whether this user may ask for these options.
pub(super) fn check_rights(options: &MountOptions) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if options.dev || options.suid {
        let name = if options.dev { "dev" } else { "suid" };
        return Err(Failure::new(USAGE, format!("only root can mount with -o {name}")));
    }
    let conf = std::fs::read_to_string(FUSE_CONF).unwrap_or_default();
    let asks = options.allow_other || options.allow_root;
    if asks && !conf.lines().any(|line| line.trim() == "user_allow_other") {
        let name = if options.allow_root { "allow_root" } else { "allow_other" };
        let message = format!(
            "{name} is not allowed to users here: root must add the line \
             'user_allow_other' to {FUSE_CONF}"
        );
        return Err(Failure::new(USAGE, message));
    }
    Ok(())
}

/// Checks that something can be mounted on `dir`; returns it without links.
pub(super) fn check_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let shown = dir.display();
    let fail = |message: String| Err(Failure::new(MOUNT, message));
    // Not std's metadata: it would make an automounter mount what this very
    // process is mounting, and wait for it.
    let stat = match rustix::fs::stat(dir) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => {
            return fail(format!("mount point {shown} does not exist: 'mkdir -p {shown}' first"));
        }
        Err(Errno::NOTCONN) => return fail(stale(dir)),
        Err(Errno::ACCESS) => {
            return fail(format!("mount point {shown} may not be entered by this user"));
        }
        Err(Errno::NOTDIR) => return fail(not_a_directory(dir)),
        Err(errno) => return fail(format!("mount point {shown}: {errno}")),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return fail(not_a_directory(dir));
    }
    let found = dir.canonicalize();
    let dir =
        found.map_err(|error| Failure::new(MOUNT, format!("mount point {shown}: {error}")))?;
    match mountinfo::top_at(&dir) {
        // A dead mount may still have its root's attributes in the kernel's
        // cache; statfs always asks the server.
        Ok(Some(entry)) if entry.is_pxfs() => match rustix::fs::statvfs(&dir) {
            Err(Errno::NOTCONN) => fail(stale(&dir)),
            _ => fail(format!(
                "{} is already mounted on {shown}: 'pxfs umount {shown}' first",
                entry.source.to_string_lossy()
            )),
        },
        // Any other mount may be covered: an automounter's is there to be.
        _ => Ok(dir),
    }
}

fn not_a_directory(dir: &Path) -> String {
    format!("mount point {} is not a directory", dir.display())
}

fn stale(dir: &Path) -> String {
    let command = match rustix::process::geteuid().is_root() {
        true => "umount -l",
        false => "fusermount3 -uz",
    };
    let dir = dir.display();
    format!("{dir} is the stale mount of a process that died: '{command} {dir}' first")
}
