//! When the last request came: what an idle timeout is measured against.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time of the last request, readable from any thread.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    last_ms: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    /// Notes that a request came now; returns the time since the start in ms.
    pub(super) fn touch(&self) -> u64 {
        let now = self.elapsed_ms();
        // Relaxed: a reader that sees an older time only waits a little longer.
        self.last_ms.store(now, Ordering::Relaxed);
        now
    }

    /// How long ago the last request came.
    pub(super) fn idle(&self) -> Duration {
        let last = self.last_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.elapsed_ms().saturating_sub(last))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
