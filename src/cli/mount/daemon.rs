//! Going to the background. The tool starts itself again, and the new process
//! mounts, reports and serves; the old one waits and leaves with its status.
//!
//! Starting anew instead of forking needs no unsafe code and is right whatever
//! threads there are. The picture is opened once, by the new process, which
//! keeps the caller's standard error until the mount works: every failure is
//! seen there, and nothing after it is. Standard output is the pipe on which
//! it says so; no descriptor has to be handed over by number.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::failure::{Failure, MOUNT, OrStatus, SYSTEM};

/// The hidden argument that tells the new process what it is.
pub(super) const SERVING: &str = "--serving";

/// What the new process says when the mount works.
pub(super) const READY: &str = "ready\n";

/// What became of the new process.
pub(super) enum Launched {
    /// It serves the mount, under this process id.
    Serving(u32),
    /// It has said why not, and left with this status.
    Failed(u8),
}

/// Starts this tool again with `args` to serve, and waits until it does. There
/// is no time limit: a large picture may take long, and a process that hangs or
/// dies is noticed by other means.
pub(super) fn launch(args: &[OsString]) -> Result<Launched, Failure> {
    // Not the path the tool was started by: it may be relative, found through
    // a PATH that is gone, or replaced by an upgrade meanwhile.
    let mut child = Command::new("/proc/self/exe")
        .arg0("mount.pxfs")
        .arg(SERVING)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the serving process (is /proc mounted?); -f works without one")
        .or_status(SYSTEM)?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        // An error is a process that ended, and is reported as that.
        let _ = BufReader::new(stdout).read_line(&mut said);
    }
    if said == READY {
        return Ok(Launched::Serving(child.id()));
    }
    let status = child.wait().or_status(SYSTEM)?;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(Launched::Failed(u8::try_from(code).unwrap_or(MOUNT).max(1))),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let message = format!("the serving process was killed by signal {signal}");
            Err(Failure::new(MOUNT, message))
        }
    }
}

/// Gives the serving process the tool's name in `ps` and `top`; it was started
/// as /proc/self/exe and would be shown as "exe".
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
