//! A second process for each mount, which sleeps until the server dies.
//!
//! When a server is killed the kernel ends what its users wait for, as soon as
//! nothing of the server is left. But the thread that stores pages may be waiting,
//! where no signal reaches it, for a page that a reader has locked; the reader waits
//! for an answer of the server, and neither ever ends, nor does anyone who comes
//! later. Somebody outside has to tell the kernel that no answer will come.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::{Mode, OFlags};
use rustix::mount::UnmountFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    setsid, waitpid,
};

use super::unix::{self, Signals};
use crate::fuse::mountinfo;

/// What the kernel is to send when the server is dead.
const DEATH: Signal = Signal::USR1;

/// The process that watches this one, until this is dropped: who ends in good order
/// needs nobody to clean up.
pub(super) struct Watcher {
    process: Pid,
    /// Tells it that there is something to watch; closed without a word, that
    /// there is not.
    word: File,
}

/// Who comes back from [`start`].
pub(super) enum Started {
    /// The process that is watched, with its watcher, if there could be one.
    Server(Option<Watcher>),
    /// The watcher itself.
    Here(Post),
}

/// What the watching process is to do.
pub(super) struct Post {
    server: Pid,
    word: OwnedFd,
}

impl Watcher {
    /// There is a mount: it is to be looked after from now on.
    pub(super) fn watch(&mut self) {
        if let Err(error) = self.word.write_all(b"w") {
            log::warn!("nobody watches over this process: {error}");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let killed = kill_process(self.process, Signal::KILL);
        let waited = killed.and_then(|()| waitpid(Some(self.process), WaitOptions::empty()));
        if let Err(error) = waited {
            log::debug!("the watching process: {error}");
        }
    }
}

/// Starts the process that watches this one. To be called before any thread is
/// started, and by the main thread: it is that thread's end that the kernel tells.
pub(super) fn start() -> Started {
    let server = getpid();
    let made = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from);
    match made.and_then(|pipe| Ok((pipe, unix::fork()?))) {
        Ok(((_, write), Some(process))) => {
            Started::Server(Some(Watcher { process, word: File::from(write) }))
        }
        Ok(((word, _), None)) => Started::Here(Post { server, word }),
        Err(error) => {
            log::warn!("nobody watches over this process: {error}");
            Started::Server(None)
        }
    }
}

impl Post {
    /// Sleeps until the server is gone; then ends what the users of its mount on
    /// `dir` wait for, if there still is one.
    ///
    /// # Errors
    /// When they may be left waiting.
    pub(super) fn keep(self, dir: &Path) -> anyhow::Result<()> {
        // What ends the server is none of our business: we end after it.
        Signals::block()?;
        let death = Signals::block_one(DEATH.as_raw())?;
        let _ = rustix::thread::set_name(c"pxfs-watch");
        let _ = setsid();
        std::env::set_current_dir("/").context("/")?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        set_parent_process_death_signal(Some(DEATH))?;
        if File::from(self.word).read(&mut [0])? == 0 {
            return Ok(());
        }
        let Some(mount) = mountinfo::top_at(dir)?.filter(mountinfo::MountEntry::is_pxfs) else {
            return Ok(());
        };
        if getppid() == Some(self.server) {
            death.wait();
        }
        match mountinfo::top_at(dir)? {
            Some(now) if now == mount => abort(dir, mount.dev.1),
            _ => Ok(()),
        }
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
