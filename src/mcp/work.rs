//! One call at work: how long it may take, whether anybody still wants it, and how
//! far it is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::text::show;
use crate::builder::BuildError;
use crate::fs::FsError;

/// How often a client hears how far a call is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// One sentence for whoever called.
    Said(String),
    /// Nobody wants it any more.
    Cancelled,
}

/// Result of a part of a call.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(super) fn said(sentence: impl Into<String>) -> Self {
        Self::Said(sentence.into())
    }

    /// A failure of the tree at a path.
    pub(super) fn at(path: &[u8]) -> impl FnOnce(FsError) -> Self {
        let path = show(path);
        move |error| {
            // Numbers of inodes mean nothing to whoever asked by path.
            let what = match error {
                FsError::NotADirectory(_) => "a part of it is not a directory".to_owned(),
                FsError::IsADirectory(_) => "is a directory".to_owned(),
                FsError::WrongType(_, what) => what.to_owned(),
                other => other.to_string(),
            };
            Self::Said(format!("{path}: {what}"))
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::Said(error.to_string())
    }
}

/// A call at work.
#[derive(Debug)]
pub(super) struct Work {
    token: CancellationToken,
    start: Instant,
    limit: Duration,
    progress: Option<UnboundedSender<u64>>,
    told: Cell<Instant>,
}

impl Work {
    pub(super) fn new(
        token: CancellationToken,
        limit: Duration,
        progress: Option<UnboundedSender<u64>>,
    ) -> Self {
        let now = Instant::now();
        Self { token, start: now, limit, progress, told: Cell::new(now) }
    }

    /// Goes on, unless nobody wants the result any more.
    ///
    /// # Errors
    /// When it was cancelled.
    pub(super) fn go_on(&self) -> Result<()> {
        match self.token.is_cancelled() {
            true => Err(Failure::Cancelled),
            false => Ok(()),
        }
    }

    /// Whether the time is used up: what there is must do.
    pub(super) fn is_late(&self) -> bool {
        self.start.elapsed() >= self.limit
    }

    /// The time that a call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Says how far it is, in whatever it counts.
    ///
    /// # Errors
    /// As [`Self::go_on`].
    pub(super) fn step(&self, done: u64) -> Result<()> {
        self.go_on()?;
        if let Some(progress) = &self.progress
            && self.told.get().elapsed() >= TELL_EVERY
        {
            self.told.set(Instant::now());
            // Who does not listen any more need not hear it.
            let _ = progress.send(done);
        }
        Ok(())
    }
}
