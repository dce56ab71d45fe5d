//! Reporting what went wrong in a request: errno for the caller, a line in the
//! log for whoever looks after the mount, and never so many that they flood it.

use std::any::Any;
use std::time::{Duration, Instant};

use fuser::Errno;
use parking_lot::Mutex;

use crate::fs::{FsError, Ino};

/// Lines written per [`WINDOW`]; the rest of that time is counted, not written.
/// A damaged picture that is read by `tar` would otherwise write one per read.
const LINES: u32 = 20;

/// The time that [`LINES`] apply to.
const WINDOW: Duration = Duration::from_secs(60);

/// The rate limiter of a mount's error lines.
#[derive(Debug)]
pub(super) struct Trouble {
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    seen: u32,
}

impl Trouble {
    pub(super) fn new() -> Self {
        Self { window: Mutex::new(Window { start: Instant::now(), seen: 0 }) }
    }

    /// The errno of `error`, which came up in operation `op` on `ino`.
    pub(super) fn errno(&self, op: &str, ino: Ino, error: &FsError) -> Errno {
        if matches!(error, FsError::Corrupt(_) | FsError::Io(_)) {
            if self.may_write(Instant::now()) {
                log::warn!("{op} of inode {ino}: {error}");
            }
        } else {
            log::debug!("{op} of inode {ino}: {error}");
        }
        Errno::from_i32(error.errno())
    }

    /// The errno of a request that panicked: a bug of ours, but one that must
    /// cost the caller an error and not every user the mount.
    pub(super) fn panicked(&self, op: &str, ino: Ino, cause: &(dyn Any + Send)) -> Errno {
        let text = cause
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        if self.may_write(Instant::now()) {
            log::error!("{op} of inode {ino}: bug in pxfs, please report: {text}");
        }
        Errno::EIO
    }

    fn may_write(&self, now: Instant) -> bool {
        let mut window = self.window.lock();
        if now.duration_since(window.start) >= WINDOW {
            let unwritten = window.seen.saturating_sub(LINES);
            if unwritten > 0 {
                log::warn!("{unwritten} more failed requests were not written here");
            }
            *window = Window { start: now, seen: 0 };
        }
        window.seen = window.seen.saturating_add(1);
        window.seen <= LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_errors_writes_only_its_first_lines() {
        let trouble = Trouble::new();
        let now = Instant::now();
        let written = (0..1000).filter(|_| trouble.may_write(now)).count();
        assert_eq!(written, LINES as usize);
        assert!(trouble.may_write(now + WINDOW));
    }
}
