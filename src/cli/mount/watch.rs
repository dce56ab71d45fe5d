//! A second process for each mount, which sleeps until the server dies.
//!
//! When a server is killed the kernel ends what its users wait for, as soon as
//! nothing of the server is left. But the thread that stores pages may be waiting,
//! where no signal reaches it, for a page that a reader has locked; the reader waits
//! for an answer of the server, and neither ever ends, nor does anyone who comes
//! later. Somebody outside has to tell the kernel that no answer will come.

use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use rustix::fs::{Mode, OFlags};
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, setsid};

use super::unix::Signals;
use crate::fuse::mountinfo;

/// The hidden argument that tells the new process what it is, and whom to watch.
const WATCHING: &str = "--watching";

/// What the kernel is to send when the server is dead.
const DEATH: Signal = Signal::USR1;

/// The process that watches this one, until this is dropped: who ends in good order
/// needs nobody to clean up.
pub(super) struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            log::debug!("the watching process: {error}");
        }
    }
}

/// Starts the process that watches this one. To be called from the main thread: it
/// is that thread's end that the kernel tells.
pub(super) fn start(source: &Path, dir: &Path) -> Option<Watcher> {
    let started = Command::new("/proc/self/exe")
        .arg0("mount.pxfs")
        .args([WATCHING, &std::process::id().to_string(), "--"])
        .args([source, dir])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Watcher(child)),
        Err(error) => {
            log::warn!("nobody watches over this process: {error}");
            None
        }
    }
}

/// Sleeps until the process `server`, which made this one, is gone; then ends what
/// the users of its mount on `dir` wait for, if there still is one.
pub(super) fn run(server: u32, dir: &Path) -> anyhow::Result<()> {
    // What ends the server is none of our business: we end after it.
    Signals::block()?;
    let death = Signals::block_one(DEATH.as_raw())?;
    let _ = rustix::thread::set_name(c"pxfs-watch");
    let _ = setsid();
    std::env::set_current_dir("/").context("/")?;
    let Some(mount) = mountinfo::top_at(dir)?.filter(mountinfo::MountEntry::is_pxfs) else {
        return Ok(());
    };
    set_parent_process_death_signal(Some(DEATH))?;
    if getppid().map(Pid::as_raw_pid) == i32::try_from(server).ok() {
        death.wait();
    }
    match mountinfo::top_at(dir)? {
        Some(now) if now == mount => abort(dir, mount.dev.1),
        _ => Ok(()),
    }
}

/// Aborts the connection of the FUSE mount on `dir` with this minor number. The
/// mount stays, and answers that nobody serves it.
fn abort(dir: &Path, minor: u32) -> anyhow::Result<()> {
    let control = format!("/sys/fs/fuse/connections/{minor}/abort");
    if std::fs::write(control, "1").is_ok() {
        return Ok(());
    }
    // That is where systemd has it. Without it root can force an unmount, which
    // begins with the same; it goes no further while the mount is open here.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(dir, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", root.as_raw_fd());
    let _ = rustix::mount::unmount(path, UnmountFlags::FORCE);
    Ok(())
}
