//! The life of a served mount: from readiness through signals and idle times to
//! its end.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sd_notify::NotifyState;

use super::failure::{Failure, INTERRUPTED, MOUNT, OrStatus, SYSTEM};
use super::unix::Signals;
use crate::fuse::{Served, UnmountError};

/// What the main thread waits for.
pub(super) enum Event {
    /// One of the ending signals came.
    Signal(i32),
    /// The mount is gone and its last user too.
    Ended(io::Result<()>),
}

/// Events, and who sends them.
pub(super) struct Events {
    send: mpsc::Sender<Event>,
    receive: mpsc::Receiver<Event>,
    mounting: Arc<AtomicBool>,
}

impl Events {
    /// Starts to listen for signals; no thread may have been started before. A
    /// signal that comes before `mounting` ends the process at once: there is
    /// nothing to clean up, and opening a large picture may take long.
    pub(super) fn listen() -> Result<Self, Failure> {
        let signals = Signals::block().or_status(SYSTEM)?;
        let (send, receive) = mpsc::channel();
        let mounting = Arc::new(AtomicBool::new(false));
        let (to, is_mounting) = (send.clone(), Arc::clone(&mounting));
        let wait = move || {
            loop {
                let signal = signals.wait();
                if !is_mounting.load(Ordering::SeqCst) {
                    std::process::exit(INTERRUPTED.into());
                }
                if to.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("pxfs-signals".into()).spawn(wait).or_status(SYSTEM)?;
        Ok(Self { send, receive, mounting })
    }

    /// From now on signals are left to [`run`].
    pub(super) fn mounting(&self) {
        self.mounting.store(true, Ordering::SeqCst);
    }

    /// What to call when the mount has ended.
    pub(super) fn on_end(&self) -> impl FnOnce(io::Result<()>) + Send + 'static {
        let send = self.send.clone();
        move |result| {
            // Nobody listens any more if the process is about to leave anyway.
            let _ = send.send(Event::Ended(result));
        }
    }

    /// The next event; None if none came within `limit`.
    fn next(&self, limit: Option<Duration>) -> Option<Event> {
        match limit {
            Some(limit) => self.receive.recv_timeout(limit).ok(),
            None => self.receive.recv().ok(),
        }
    }
}

/// A pid file, removed when the mount ends.
pub(super) struct PidFile(PathBuf);

impl PidFile {
    fn text() -> String {
        format!("{}\n", std::process::id())
    }

    pub(super) fn write(path: PathBuf) -> Result<Self, Failure> {
        std::fs::write(&path, Self::text()).map_err(|error| {
            Failure::new(MOUNT, format!("--pid-file {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A detached mount may end long after the next one wrote this file.
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == Self::text()) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// Tells systemd, if it is there and wants to know.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("cannot tell systemd: {error}");
    }
}

/// Serves until the mount has ended.
///
/// The first ending signal unmounts; if the mount is in use it leaves the file
/// tree at once and is served until its last user is gone. The second signal
/// ends the process: whoever still uses the mount gets errors.
pub(super) fn run(served: &Served, events: &Events, idle: Option<Duration>) -> anyhow::Result<()> {
    let mut leaving = false;
    let mut wait = idle;
    loop {
        match events.next(wait) {
            Some(Event::Ended(result)) => {
                log::info!("{}: unmounted", served.dir().display());
                return Ok(result?);
            }
            Some(Event::Signal(signal)) if leaving => {
                log::warn!("signal {signal} again: leaving the remaining users behind");
                return Ok(());
            }
            Some(Event::Signal(signal)) => {
                log::info!("signal {signal}: unmounting");
                notify(&[NotifyState::Stopping]);
                leaving = true;
                wait = None;
                leave(served);
            }
            None => wait = leave_if_idle(served, idle),
        }
    }
}

fn leave(served: &Served) {
    let dir = served.dir().display();
    match served.unmount(false) {
        Err(UnmountError::Busy) => match served.unmount(true) {
            Ok(()) => log::warn!("{dir} is in use: detached, served until its last user is gone"),
            Err(error) => log::error!("{dir} cannot be unmounted: {error}"),
        },
        Err(error) => log::error!("{dir} cannot be unmounted: {error}"),
        Ok(()) => {}
    }
}

/// Unmounts if there was no request for `idle` and nobody has anything open;
/// returns how long to wait before looking again.
fn leave_if_idle(served: &Served, idle: Option<Duration>) -> Option<Duration> {
    let limit = idle?;
    let rest = limit.saturating_sub(served.idle());
    if !rest.is_zero() {
        return Some(rest);
    }
    let dir = served.dir().display();
    match served.unmount(false) {
        Ok(()) => {
            log::info!("{dir}: unused for {} s (idle_timeout): unmounted", limit.as_secs());
            None
        }
        // In use, though no request comes: files that are open but not read.
        Err(UnmountError::Busy) => Some(limit),
        Err(error) => {
            log::warn!("{dir}: idle_timeout cannot unmount it: {error}");
            None
        }
    }
}
