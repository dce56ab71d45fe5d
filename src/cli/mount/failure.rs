//! Why a mount failed, with the exit status that mount(8) gives that class of failure.

use std::fmt;

/// Wrong usage, or not allowed to this user.
pub(super) const USAGE: u8 = 1;

/// Something the system lacks: no FUSE, no memory, no process.
pub(super) const SYSTEM: u8 = 2;

/// Ended by a signal before the mount was there.
pub(super) const INTERRUPTED: u8 = 8;

/// The mount itself failed: bad picture, bad mount point, refused by the kernel.
pub(super) const MOUNT: u8 = 32;

/// An error and the exit status it leads to.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u8,
    pub(super) error: anyhow::Error,
}

impl Failure {
    pub(super) fn new(status: u8, message: impl fmt::Display) -> Self {
        Self { status, error: anyhow::anyhow!("{message}") }
    }
}

/// Gives an error its exit status.
pub(super) trait OrStatus<T> {
    fn or_status(self, status: u8) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrStatus<T> for Result<T, E> {
    fn or_status(self, status: u8) -> Result<T, Failure> {
        self.map_err(|error| Failure { status, error: error.into() })
    }
}
