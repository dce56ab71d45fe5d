//! Files that a tool could not handle: named as they come, counted for the exit status.

use std::process::ExitCode;

use super::show::escape;
use crate::fs::FsError;

/// An error and its causes in one line. Many messages name their cause
/// themselves; it is not said twice.
pub(super) fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What failed so far.
#[derive(Debug)]
pub(super) struct Failures {
    tool: &'static str,
    count: u64,
}

impl Failures {
    /// None yet; `tool` begins each line.
    pub(super) fn new(tool: &'static str) -> Self {
        Self { tool, count: 0 }
    }

    /// Prints an error that names its file itself.
    pub(super) fn report(&mut self, error: &anyhow::Error) {
        self.count += 1;
        eprintln!("{}: {}", self.tool, describe(error));
    }

    /// Prints what is wrong with the file at `path`.
    pub(super) fn report_path(&mut self, path: &[u8], error: &FsError) {
        self.count += 1;
        eprintln!("{}: {}: {error}", self.tool, escape(path));
    }

    /// Counts what failed in a file's JSON, which says so itself.
    pub(super) fn noted(&mut self, value: serde_json::Value) -> serde_json::Value {
        self.count += u64::from(value.get("error").is_some());
        value
    }

    /// 0 if nothing failed, else 1.
    pub(super) fn status(&self) -> ExitCode {
        if self.count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
