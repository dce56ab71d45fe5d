//! What an earlier boot did, as its log in JSON lines tells it.
//!
//! The log is trusted as far as the one who passes it is; but it cannot loosen a
//! policy by being damaged: a line that is not understood is an error, except
//! the last if it was torn off.

use std::collections::HashSet;

use serde::Deserialize;

use crate::boot::files::id_of;
use crate::boot::routes::Routes;
use crate::pxi::{Governor, Policy, PolicyError};

/// Longest log that is read.
pub const MAX_LOG: u64 = 64 << 20;

/// What an earlier boot left.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Stages that were complete: their paths and the ids of their modules.
    completed: HashSet<(String, u32)>,
    /// The policy as it had been narrowed.
    pub(super) governor: Governor,
    /// Policies taken up.
    policies: usize,
    /// The routing table as it had been built.
    pub(super) routes: Routes,
    /// Bytes of the log up to the end of its last whole line.
    whole: usize,
}

/// Why a log cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// A line is no event of a boot log in JSON.
    #[error("line {line} is no line of a boot log in JSON: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line holds a policy that cannot be taken up.
    #[error("line {line}: {source}")]
    Policy {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        source: PolicyError,
    },
    /// More policies than can be kept.
    #[error("line {line}: the policy was narrowed too often")]
    TooMany {
        /// Its number, from 1.
        line: usize,
    },
}

/// The fields of a line that matter here.
#[derive(Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    route: Option<String>,
}

impl Earlier {
    /// Reads a log.
    ///
    /// # Errors
    /// [`ResumeError`] for a line that is not understood.
    pub fn read(log: &[u8]) -> Result<Self, ResumeError> {
        // What comes after the last line feed was being written when the boot ended.
        let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut earlier = Self { whole, ..Self::default() };
        let lines = log[..earlier.whole].split(|byte| *byte == b'\n');
        for (index, bytes) in lines.enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            let line = index + 1;
            let wrong = |reason: String| ResumeError::Line { line, reason };
            let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
            let event = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            earlier.take(event, line)?;
        }
        Ok(earlier)
    }

    fn take(&mut self, event: Line, line: usize) -> Result<(), ResumeError> {
        let wrong = |reason: &str| ResumeError::Line { line, reason: reason.to_owned() };
        match event.event.as_str() {
            "stage-complete" => {
                let path = event.path.ok_or_else(|| wrong("no path"))?;
                let id = event.id.as_deref().and_then(id_of).ok_or_else(|| wrong("no id"))?;
                self.completed.insert((path, id));
            }
            "policy" => {
                let text = event.policy.ok_or_else(|| wrong("no policy"))?;
                let policy = Policy::parse(&text);
                let policy = policy.map_err(|source| ResumeError::Policy { line, source })?;
                self.governor.narrow(&policy).map_err(|_| ResumeError::TooMany { line })?;
                self.policies += 1;
            }
            "route" => {
                let line = event.route.ok_or_else(|| wrong("no route"))?;
                self.routes.enter_line(&line).ok_or_else(|| wrong("no route that can be"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a stage was complete with this very module.
    pub fn completed(&self, path: &str, id: u32) -> bool {
        // Most boots have no past, and then nothing is copied to look.
        !self.completed.is_empty() && self.completed.contains(&(path.to_owned(), id))
    }

    /// Stages that were complete.
    pub fn stages(&self) -> usize {
        self.completed.len()
    }

    /// Policies taken up.
    pub fn policies(&self) -> usize {
        self.policies
    }

    /// Bytes of the log that are whole lines: what was torn begins there.
    pub fn whole_bytes(&self) -> usize {
        self.whole
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DONE: &str = r#"{"event":"stage-complete","path":"/boot/m","id":"0x000000AB"}"#;

    #[test]
    fn a_torn_last_line_is_left_out_and_all_others_count() {
        let log = format!(
            r#"{DONE}{nl}{{"event":"policy","policy":"{{\"deny\":[\"LLM\"]}}"}}{nl}{{"event":"#,
            nl = "\n"
        );
        let earlier = Earlier::read(log.as_bytes()).unwrap();
        assert!(earlier.completed("/boot/m", 0xAB) && !earlier.completed("/boot/m", 0xAC));
        assert_eq!((earlier.stages(), earlier.policies()), (1, 1));
        assert_eq!(&log[earlier.whole_bytes()..], r#"{"event":"#);
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        let deep = "[".repeat(100_000);
        let cases = [
            ("[INFO] text", "line 2 is no line"),
            (deep.as_str(), "line 2 is no line"),
            ("{}", "missing field `event`"),
            (r#"{"event":"stage-complete","path":"/a","id":"7"}"#, "no id"),
            (r#"{"event":"stage-complete","id":"0x00000007"}"#, "no path"),
            (r#"{"event":"policy"}"#, "no policy"),
            (r#"{"event":"policy","policy":"{"}"#, "line 2: policy: "),
            (r#"{"event":"policy","policy":"{\"deny\":[\"FLY\"]}"}"#, "no system call"),
        ];
        for (line, reason) in cases {
            let error = Earlier::read(format!("{DONE}\n{line}\n").as_bytes()).unwrap_err();
            assert!(error.to_string().contains(reason), "{line:.40}: {error}");
        }
        assert!(Earlier::read(b"\xFF\n").is_err());
        assert_eq!(Earlier::read(b"").unwrap().stages(), 0);
    }
}
