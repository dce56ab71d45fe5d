//! Keeping idle processors awake while requests come in bursts.
//!
//! A request wakes a serving thread, and its reply wakes the client; mostly on
//! another processor, which has gone to sleep meanwhile. In a virtual machine each of
//! the two costs more than all the rest of a directory's listing. The kernel has a
//! switch for it: while /dev/cpu_dma_latency is held open with a 0 written, idle
//! processors poll for work (Linux, Documentation/power/pm_qos_interface.rst). It is
//! held during a burst and a moment longer, by whoever may open it: root.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::activity::Activity;

/// The kernel's switch; it is let go when the descriptor is closed, by whatever.
const DEVICE: &str = "/dev/cpu_dma_latency";

/// Requests within [`WINDOW_MS`] that make a burst.
const BURST: u32 = 16;
const WINDOW_MS: u64 = 16;

/// How long after the last request the switch is let go, and how often that is
/// looked at.
const QUIET: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Notes requests, and holds the switch while they come in bursts.
#[derive(Debug)]
pub(super) struct Awake {
    activity: Arc<Activity>,
    /// Set while a thread holds the switch, and for good where none can.
    held: Arc<AtomicBool>,
    /// When the window began that requests are counted in, and how many came.
    window: AtomicU64,
    requests: AtomicU32,
}

impl Awake {
    /// Holds the switch during bursts if `wanted`.
    pub(super) fn new(activity: Arc<Activity>, wanted: bool) -> Self {
        let held = Arc::new(AtomicBool::new(!wanted));
        Self { activity, held, window: AtomicU64::new(0), requests: AtomicU32::new(0) }
    }

    /// Notes that a request came now.
    pub(super) fn request(&self) {
        let now = self.activity.touch();
        // Relaxed: counting a few requests more or less changes nothing.
        if self.held.load(Ordering::Relaxed) {
            return;
        }
        if now.saturating_sub(self.window.load(Ordering::Relaxed)) > WINDOW_MS {
            self.window.store(now, Ordering::Relaxed);
            self.requests.store(0, Ordering::Relaxed);
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) >= BURST {
            self.hold();
        }
    }

    /// Has a thread hold the switch until the burst is over.
    fn hold(&self) {
        if self.held.swap(true, Ordering::Relaxed) {
            return;
        }
        let (activity, held) = (Arc::clone(&self.activity), Arc::clone(&self.held));
        let hold = move || match open() {
            Ok(device) => {
                while activity.idle() < QUIET {
                    std::thread::sleep(LOOK_EVERY);
                }
                drop(device);
                held.store(false, Ordering::Relaxed);
            }
            // It stays marked as held: trying again would not help.
            Err(error) => log::debug!("{DEVICE}: {error}"),
        };
        if let Err(error) = std::thread::Builder::new().name("pxfs-awake".into()).spawn(hold) {
            log::debug!("no thread to hold {DEVICE}: {error}");
        }
    }
}

fn open() -> io::Result<File> {
    let mut device = OpenOptions::new().write(true).open(DEVICE)?;
    // Microseconds that a wake-up may take, as a C int.
    device.write_all(&0i32.to_ne_bytes())?;
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_noticed_and_let_go() {
        let awake = Awake::new(Arc::new(Activity::new()), true);
        awake.request();
        assert!(!awake.held.load(Ordering::Relaxed), "one request is no burst");
        for _ in 0..10 * BURST {
            awake.request();
        }
        assert!(awake.held.load(Ordering::Relaxed));
        let may_open = OpenOptions::new().write(true).open(DEVICE).is_ok();
        for _ in 0..500 {
            if !awake.held.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // Where it cannot be opened, it is not tried again.
        assert_eq!(awake.held.load(Ordering::Relaxed), !may_open);
    }

    #[test]
    fn unwanted_it_does_nothing() {
        let awake = Awake::new(Arc::new(Activity::new()), false);
        for _ in 0..10 * BURST {
            awake.request();
        }
        assert_eq!(awake.requests.load(Ordering::Relaxed), 0);
    }
}
