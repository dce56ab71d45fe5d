//! What the architect did, in the files of the Python tools: the state as
//! `architect_state.json` has it, and lines as `architect_loop.log` has them.
//!
//! The state of an earlier run goes on: its numbers count up, and members that
//! are not known here stay. How many iterations a run may take has nothing to do
//! with them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::action::cut;
use crate::boot::log::rfc3339;
use crate::fs::python_json::ascii;

/// Names of the two files.
pub const STATE: &str = "architect_state.json";
/// See [`STATE`].
pub const LOG: &str = "architect_loop.log";
/// Largest state and log that are read.
pub const MAX_STATE: u64 = 4 << 20;
/// See [`MAX_STATE`]; the Python tools' log grows without end.
pub const MAX_LOG: u64 = 64 << 20;
/// What a log may grow to.
const MOST_LOG: usize = 8 << 20;
/// Iterations and errors that a state keeps; the oldest go.
const MAX_HISTORY: usize = 500;
const MAX_ERRORS: usize = 100;
const MAX_FILES: usize = 1000;
/// Longest summary, in characters, as in Python's.
const MAX_SUMMARY: usize = 200;
/// Longest error and log line, in bytes.
const MAX_ERROR: usize = 500;

/// One iteration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// Its number, counted over all runs.
    pub iteration: u64,
    /// The action's name.
    #[serde(default)]
    pub action: Option<String>,
    /// What became of it.
    #[serde(default)]
    pub result: String,
    /// What it was for.
    #[serde(default)]
    pub summary: String,
}

/// The state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct State {
    /// Iterations so far.
    #[serde(default)]
    pub iteration: u64,
    /// The last of them.
    #[serde(default)]
    pub history: Vec<Iteration>,
    /// Paths that were made.
    #[serde(default)]
    pub created_files: Vec<String>,
    /// Paths that were changed.
    #[serde(default)]
    pub modified_files: Vec<String>,
    /// What went wrong.
    #[serde(default)]
    pub errors: Vec<String>,
    /// What else stands there.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl State {
    /// Reads a state; none is an empty one.
    ///
    /// # Errors
    /// When it is none: it is not replaced then, as something would be lost.
    pub fn parse(text: Option<&[u8]>) -> Result<Self, String> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        serde_json::from_slice(text)
            .map_err(|error| format!("{STATE}: {error}; move it away to begin anew"))
    }

    /// Begins an iteration.
    pub fn begin(&mut self) -> u64 {
        self.iteration = self.iteration.saturating_add(1);
        self.iteration
    }

    /// Adds what became of the iteration.
    pub fn add(&mut self, action: Option<&str>, result: &str, summary: &str) {
        let summary: String = summary.chars().take(MAX_SUMMARY).collect();
        let action = action.map(str::to_owned);
        let (iteration, result) = (self.iteration, result.to_owned());
        push(&mut self.history, Iteration { iteration, action, result, summary }, MAX_HISTORY);
    }

    /// Adds an error.
    pub fn add_error(&mut self, error: &str) {
        let error = format!("Iteration {}: {}", self.iteration, cut(error, MAX_ERROR));
        push(&mut self.errors, error, MAX_ERRORS);
    }

    /// Adds a file that was made or changed.
    pub fn add_file(&mut self, path: &str, is_new: bool) {
        let files = if is_new { &mut self.created_files } else { &mut self.modified_files };
        if !files.iter().any(|file| file == path) {
            push(files, path.to_owned(), MAX_FILES);
        }
    }

    /// The text, as Python's `json.dumps(state, indent=2)` has it.
    ///
    /// # Errors
    /// None that a state can cause.
    pub fn text(&self) -> Result<Vec<u8>, String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        Ok(ascii(&text).into_owned().into_bytes())
    }
}

fn push<T>(list: &mut Vec<T>, value: T, most: usize) {
    if list.len() >= most {
        list.drain(..list.len() + 1 - most);
    }
    list.push(value);
}

/// Lines that are to be added to the log.
#[derive(Debug, Clone, Default)]
pub struct Lines(String);

impl Lines {
    /// Adds a line, `[2026-01-31 23:59:59] [INFO] text`; line ends and the like in it are escaped.
    pub fn add(&mut self, level: &str, text: &str) {
        let mut line = format!("[{}] [{level}] ", utc(SystemTime::now()));
        for c in cut(text, MAX_ERROR).chars() {
            if c.is_control() {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        self.0.push_str(&line);
        self.0.push('\n');
    }

    /// The log with the lines behind it: of a long one only the end stays, from a line's start on.
    pub fn append_to(&self, log: &[u8]) -> Vec<u8> {
        let mut all = [log, self.0.as_bytes()].concat();
        if all.len() > MOST_LOG {
            // Half goes at once: it need not go at every line.
            let keep = all.len() - MOST_LOG / 2;
            let start = all[keep..].iter().position(|byte| *byte == b'\n');
            all.drain(..start.map_or(keep, |at| keep + at + 1));
        }
        all
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes them.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// A time as 2026-01-31 23:59:59, UTC.
fn utc(time: SystemTime) -> String {
    let text = rfc3339(time);
    cut(&text, "2026-01-31T23:59:59".len()).replace('T', " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_state_of_the_python_tools_goes_on() {
        let text = br#"{"iteration": 7, "history": [{"iteration": 7, "action": "plan_only",
            "result": "plan_only", "summary": "thinks"}], "created_files": ["a.py"],
            "modified_files": [], "errors": ["Iteration 2: x"], "mood": "good"}"#;
        let mut state = State::parse(Some(text)).unwrap();
        assert_eq!(state.begin(), 8);
        state.add(Some("write_module"), "kept", &"\u{fc}".repeat(300));
        state.add_file("/apps/x", true);
        state.add_error("broken");
        let json: Value = serde_json::from_slice(&state.text().unwrap()).unwrap();
        assert_eq!(json["mood"], "good");
        assert_eq!(json["iteration"], 8);
        assert_eq!(json["history"][1]["action"], "write_module");
        assert_eq!(json["history"][1]["summary"].as_str().unwrap().chars().count(), 200);
        assert_eq!(json["created_files"][1], "/apps/x");
        assert_eq!(json["errors"][1], "Iteration 8: broken");
        assert!(state.text().unwrap().is_ascii());
        assert!(State::parse(Some(b"{")).unwrap_err().contains("move it away"));
        assert_eq!(State::parse(None).unwrap(), State::default());
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut state = State::default();
        for _ in 0..2000 {
            state.begin();
            state.add(None, "refused", "x");
            state.add_error("e");
            state.add_file(&format!("/apps/{}", state.iteration), false);
        }
        assert_eq!(state.history.len(), MAX_HISTORY);
        assert_eq!(state.history.last().unwrap().iteration, 2000);
        assert_eq!((state.errors.len(), state.modified_files.len()), (MAX_ERRORS, MAX_FILES));
        let mut lines = Lines::default();
        lines.add("INFO", "one\n[2026] [ERROR] forged\u{1b}[2J");
        let log = lines.append_to(b"");
        assert_eq!(log.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(String::from_utf8(log).unwrap().contains("] [INFO] one\\n[2026]"));
        let old = b"an old line\n".repeat(MOST_LOG / 12);
        let log = lines.append_to(&old);
        assert!(log.len() <= MOST_LOG && log.starts_with(b"an old line\n"));
    }

    #[test]
    fn times_are_as_python_writes_them() {
        assert_eq!(utc(UNIX_EPOCH), "1970-01-01 00:00:00");
    }
}
