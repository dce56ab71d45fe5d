//! Going to the background. The tool forks, and the new process mounts, reports
//! and serves; the old one waits and leaves with its status.
//!
//! The picture is opened once, by the new process, which keeps the caller's
//! standard error until the mount works: every failure is seen there, and
//! nothing after it is. Standard output is the pipe on which it says so.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

use anyhow::Context;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::failure::{Failure, MOUNT, OrStatus, SYSTEM};
use super::unix;

/// What the new process says when the mount works.
pub(super) const READY: &str = "ready\n";

/// Who comes back from [`launch`], and why.
pub(super) enum Launched {
    /// This is the new process.
    Here,
    /// The new process serves the mount, under this process id.
    Serving(u32),
    /// It has said why not, and left with this status.
    Failed(u8),
}

/// Starts the process that is to serve, and waits until it does. There is no
/// time limit: a large picture may take long, and a process that hangs or dies
/// is noticed by other means. To be called before any thread is started.
pub(super) fn launch() -> Result<Launched, Failure> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).or_status(SYSTEM)?;
    let child = unix::fork().context("cannot start the serving process; -f works without one");
    let Some(child) = child.or_status(SYSTEM)? else {
        drop(read);
        let null = File::open("/dev/null").context("/dev/null").or_status(SYSTEM)?;
        rustix::stdio::dup2_stdin(&null).or_status(SYSTEM)?;
        rustix::stdio::dup2_stdout(&write).or_status(SYSTEM)?;
        return Ok(Launched::Here);
    };
    drop(write);
    let mut said = String::new();
    // An error is a process that ended, and is reported as that.
    let _ = BufReader::new(File::from(read)).read_line(&mut said);
    match said == READY {
        true => Ok(Launched::Serving(child.as_raw_pid().unsigned_abs())),
        false => status_of(child).map(Launched::Failed),
    }
}

/// The exit status of a process that did not get to serve, never 0.
fn status_of(child: Pid) -> Result<u8, Failure> {
    let ended = waitpid(Some(child), WaitOptions::empty()).or_status(SYSTEM)?;
    let status = ended.map(|(_, status)| status);
    if let Some(code) = status.and_then(|status| status.exit_status()) {
        return Ok(u8::try_from(code).unwrap_or(MOUNT).max(1));
    }
    let signal = status.and_then(|status| status.terminating_signal()).unwrap_or_default();
    Err(Failure::new(MOUNT, format!("the serving process was killed by signal {signal}")))
}

/// Gives the serving process the tool's name in `ps` and `top`, however
/// it was called.
pub(super) fn take_name() {
    let _ = rustix::thread::set_name(c"mount.pxfs");
}

/// Lets go of the caller: its session, its directory, its standard streams. Only
/// done when the mount works: until then systemd's automounter knows by the
/// process group that it must not wait for the mount we are making.
pub(super) fn detach() -> anyhow::Result<()> {
    // Fails only for the leader of a process group, who has no caller to leave.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/").context("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").context("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    let mut stdout = std::io::stdout();
    // A caller that was killed meanwhile does not read this; the mount stays.
    let _ = stdout.write_all(READY.as_bytes()).and_then(|()| stdout.flush());
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
