//! What a boot did, read from the lines of its JSON log: its own, as they are
//! written, or those that an earlier boot left in a file.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::action::cut;

/// Longest line of a log that is looked at; a longer one is passed over.
const MAX_LINE: usize = 1 << 20;
/// Stages that are told apart.
const MAX_STAGES: usize = 4096;
/// Policies that are kept, as many as a boot can have.
const MAX_POLICIES: usize = 256;
/// Messages that are kept of warnings and of everything, and how much of each.
const MAX_TROUBLES: usize = 32;
const MAX_TAIL: usize = 48;
const MAX_MESSAGE: usize = 300;

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It began, and the log says no more.
    Open,
    /// It is done; in a dry run, it is sound.
    Done,
    /// It failed: the event that says how.
    Failed(String),
}

/// One stage of a boot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageRun {
    /// Its module's path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub end: End,
    /// Steps that it took.
    pub steps: u64,
    /// Milliseconds that it ran.
    pub ms: f64,
    /// Lines that it left in the log by doing something: printed, logged, asked.
    pub traces: usize,
    /// Whether its failure stopped the boot, or would have.
    pub is_fatal: bool,
    /// Policies that were made before it began.
    pub governed: usize,
}

/// What a boot did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether all required stages are done.
    pub is_complete: bool,
    /// The stages, in the order in which they began.
    pub stages: Vec<StageRun>,
    /// The policies it made.
    pub policies: Vec<String>,
    /// The first warnings and errors.
    pub troubles: Vec<String>,
    /// The last messages.
    pub tail: Vec<String>,
}

/// A line of a JSON log, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    level: String,
    path: Option<String>,
    name: Option<String>,
    #[serde(default)]
    event: String,
    steps: Option<u64>,
    ms: Option<f64>,
    policy: Option<String>,
    #[serde(default)]
    message: String,
}

impl Report {
    /// Steps of all stages.
    pub fn steps(&self) -> u64 {
        self.stages.iter().map(|stage| stage.steps).sum()
    }

    /// Milliseconds that all modules ran.
    pub fn ms(&self) -> f64 {
        self.stages.iter().map(|stage| stage.ms).sum()
    }

    /// Paths of the stages that failed.
    pub fn failed(&self) -> impl Iterator<Item = &StageRun> {
        self.stages.iter().filter(|stage| matches!(stage.end, End::Failed(_)))
    }

    /// Stages that are done.
    pub fn done(&self) -> usize {
        self.stages.iter().filter(|stage| stage.end == End::Done).count()
    }

    /// The stage with a path.
    pub fn stage(&self, path: &str) -> Option<&StageRun> {
        self.stages.iter().find(|stage| stage.path == path)
    }

    /// The policies under which the stage with a path ran.
    pub fn policies_of(&self, path: &str) -> Option<&[String]> {
        self.stage(path).map(|stage| &self.policies[..stage.governed])
    }

    /// One line that says how it went.
    pub fn summary(&self) -> String {
        let how = if self.is_complete { "complete" } else { "FAILED" };
        let (done, failed) = (self.done(), self.failed().count());
        format!("{how}, {done} stages done, {failed} failed, {} steps", self.steps())
    }

    /// What went wrong last, of a boot that is not complete.
    pub fn last_trouble(&self) -> &str {
        self.troubles.last().map_or("the log does not say why", String::as_str)
    }

    /// Takes a line of a log into account.
    fn add(&mut self, line: Line) {
        let message = cut(&line.message, MAX_MESSAGE);
        // That it failed is no reason.
        let is_reason = line.level != "info" && line.event != "failed";
        if is_reason && self.troubles.len() < MAX_TROUBLES {
            self.troubles.push(message.to_owned());
        }
        if self.tail.len() == MAX_TAIL {
            self.tail.remove(0);
        }
        self.tail.push(message.to_owned());
        match line.event.as_str() {
            // A file may hold several boots: the last one counts.
            "start" => *self = Self { tail: std::mem::take(&mut self.tail), ..Self::default() },
            "complete" => self.is_complete = true,
            "policy" if self.policies.len() < MAX_POLICIES => {
                self.policies.extend(line.policy.clone());
            }
            _ => {}
        }
        if let Some(path) = line.path.as_deref() {
            self.add_to_stage(path, &line);
        }
    }

    fn add_to_stage(&mut self, path: &str, line: &Line) {
        // A stage that stands in the sequence twice runs twice.
        if line.event == "stage" && self.stages.len() < MAX_STAGES {
            self.stages.push(StageRun {
                path: path.to_owned(),
                name: line.name.clone().unwrap_or_default(),
                end: End::Open,
                steps: 0,
                ms: 0.0,
                traces: 0,
                is_fatal: false,
                governed: self.policies.len(),
            });
            return;
        }
        let Some(stage) = self.stages.iter_mut().rev().find(|stage| stage.path == path) else {
            return;
        };
        match line.event.as_str() {
            "ran" => {
                stage.steps = line.steps.unwrap_or(0);
                stage.ms = line.ms.unwrap_or(0.0);
                stage.traces += usize::from(line.message.contains("on the frame"));
            }
            // Of a dry run there is nothing more.
            "checked" | "stage-complete" | "resumed" => stage.end = End::Done,
            "resolved" | "requires" if line.level == "info" => {}
            event if line.level != "info" && is_failure(event) => {
                stage.end = End::Failed(event.to_owned());
                stage.is_fatal = line.level == "error";
            }
            _ => stage.traces += 1,
        }
    }
}

/// Events that say that a stage failed, in lines of warning or error.
fn is_failure(event: &str) -> bool {
    const FAILURES: [&str; 11] = [
        "missing",
        "unreadable",
        "digest-mismatch",
        "requires",
        "cycle",
        "not-a-program",
        "bad-header",
        "bad-import",
        "out-of-fuel",
        "exit",
        "trap",
    ];
    FAILURES.contains(&event)
}

/// Reads a log as it is written.
#[derive(Debug, Default)]
pub struct Reader {
    report: Report,
    line: Vec<u8>,
    is_long: bool,
    /// Lines that were no JSON objects.
    pub strange: usize,
}

impl Reader {
    /// What the log said.
    pub fn finish(mut self) -> Report {
        self.end_line();
        self.report
    }

    fn end_line(&mut self) {
        let is_long = std::mem::take(&mut self.is_long);
        let line = std::mem::take(&mut self.line);
        if line.trim_ascii().is_empty() && !is_long {
            return;
        }
        match serde_json::from_slice(&line) {
            Ok(line) if !is_long => self.report.add(line),
            _ => self.strange += 1,
        }
    }
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            self.is_long |= self.line.len() + piece.len() > MAX_LINE;
            if !self.is_long {
                self.line.extend_from_slice(text.unwrap_or(piece));
            }
            if text.is_some() {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(log: &str) -> Report {
        let mut reader = Reader::default();
        // In pieces, as a file comes.
        for piece in log.as_bytes().chunks(7) {
            reader.write_all(piece).unwrap();
        }
        reader.finish()
    }

    #[test]
    fn stages_are_told_apart_and_the_last_boot_counts() {
        let report = read(concat!(
            "{\"level\":\"info\",\"event\":\"start\",\"message\":\"old\"}\n",
            "{\"level\":\"info\",\"event\":\"stage\",\"path\":\"/boot/old\",\"message\":\"\"}\n",
            "{\"level\":\"info\",\"event\":\"start\",\"message\":\"new\"}\n",
            "{\"level\":\"info\",\"event\":\"stage\",\"path\":\"/boot/a\",\"name\":\"A\"}\n",
            "{\"level\":\"info\",\"event\":\"print\",\"path\":\"/boot/a\",\"message\":\"| hi\"}\n",
            "{\"level\":\"info\",\"event\":\"ran\",\"path\":\"/boot/a\",\"steps\":7,\"ms\":1.5}\n",
            "{\"level\":\"info\",\"event\":\"stage-complete\",\"path\":\"/boot/a\"}\n",
            "no json\n",
            "{\"level\":\"info\",\"event\":\"policy\",\"path\":\"/boot/a\",\"policy\":\"{}\"}\n",
            "{\"level\":\"info\",\"event\":\"stage\",\"path\":\"/boot/b\"}\n",
            "{\"level\":\"info\",\"event\":\"ran\",\"path\":\"/boot/b\",\"steps\":100,\"ms\":2}\n",
            "{\"level\":\"warn\",\"event\":\"out-of-fuel\",\"path\":\"/boot/b\",\"message\":\"b!\"}\n",
            "{\"level\":\"info\",\"event\":\"complete\"}",
        ));
        assert!(report.is_complete);
        assert_eq!((report.steps(), report.ms(), report.done()), (107, 3.5, 1));
        assert_eq!(report.stage("/boot/a").unwrap().traces, 2);
        let failed: Vec<_> = report.failed().collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].end, End::Failed("out-of-fuel".to_owned()));
        assert!(!failed[0].is_fatal);
        assert_eq!(report.policies, ["{}"]);
        assert_eq!(report.troubles, ["b!"]);
        assert!(report.stage("/boot/old").is_none());
    }

    #[test]
    fn lines_without_end_take_no_memory() {
        let mut reader = Reader::default();
        for _ in 0..64 {
            reader.write_all(&[b'x'; 1 << 17]).unwrap();
            assert!(reader.line.len() <= MAX_LINE);
        }
        reader.write_all(b"\n{\"event\":\"complete\"}\n").unwrap();
        assert_eq!(reader.strange, 1);
        assert!(reader.finish().is_complete);
    }
}
