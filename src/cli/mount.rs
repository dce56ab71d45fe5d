//! `mount`: not written yet.

use std::ffi::OsString;

use super::Outcome;

/// Runs the tool.
pub(super) fn run(_args: Vec<OsString>) -> Outcome {
    anyhow::bail!("mount is not there yet")
}
