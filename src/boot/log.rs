//! The boot log: one line an event, for people or for programs.
//!
//! Text lines are `[LEVEL] message`, as the old boot kernel wrote them; JSON
//! lines carry the same and the fields a program wants. What modules print is
//! escaped, so no module can forge a line.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::boot::sequence::Stage;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The boot goes as it should.
    Info,
    /// Something is not there that need not be.
    Warn,
    /// The boot fails.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `[INFO] message`
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is kept of a request to a model; of the prompt its digest only.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Asked {
    /// The model, as it names itself, or as it was asked for.
    pub model: String,
    /// SHA-256 of the prompt in hexadecimal.
    pub prompt_sha256: String,
    /// Bytes of the prompt.
    pub prompt_bytes: usize,
    /// Tokens of the answer, if the model told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// One event. Fields that do not apply are left out of JSON lines.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    time: String,
    level: Level,
    /// The stage's number or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a Value>,
    /// The stage's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The stage's module.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    event: Cow<'a, str>,
    /// The module's pixel id, as 0x499602D2.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Instructions that the module completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    /// Milliseconds that the module ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
    /// What the random numbers of this boot begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// The policy's text, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    /// What a model was asked and what it took.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    /// An entry of the routing table.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    message: String,
    /// A module wrote it: text lines say so, or it could write what it likes.
    #[serde(skip)]
    is_module: bool,
}

impl<'a> Entry<'a> {
    /// An event of a kind that programs know by `event`, in words for people.
    pub fn new(level: Level, event: impl Into<Cow<'a, str>>, message: impl Into<String>) -> Self {
        Self {
            time: rfc3339(SystemTime::now()),
            level,
            stage: None,
            name: None,
            path: None,
            event: event.into(),
            id: None,
            steps: None,
            ms: None,
            seed: None,
            policy: None,
            asked: None,
            route: None,
            message: escape(&message.into()),
            is_module: false,
        }
    }

    /// Says that a module wrote it.
    pub fn by_module(mut self) -> Self {
        self.is_module = true;
        self
    }

    /// Adds the seed of the random numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds the text of a policy.
    pub fn policy(mut self, text: &'a str) -> Self {
        self.policy = Some(text);
        self
    }

    /// Adds what a model was asked, and the time that it took.
    pub fn asked(mut self, asked: Asked, time: Duration) -> Self {
        self.asked = Some(asked);
        self.time(time)
    }

    /// Adds an entry of the routing table.
    pub fn route(mut self, line: String) -> Self {
        self.route = Some(line);
        self
    }

    /// Names the stage that the event belongs to.
    pub fn of(mut self, stage: &'a Stage) -> Self {
        self.stage = Some(&stage.stage);
        self.name = Some(&stage.name);
        self.path = Some(&stage.path);
        self
    }

    /// Adds the module's pixel id.
    pub fn id(mut self, id: u32) -> Self {
        self.id = Some(format!("0x{id:08X}"));
        self
    }

    /// Adds what the run took.
    pub fn ran(self, steps: u64, time: Duration) -> Self {
        self.steps(steps).time(time)
    }

    /// Adds the steps of a run.
    pub fn steps(mut self, steps: u64) -> Self {
        self.steps = Some(steps);
        self
    }

    /// The line for people.
    fn text(&self) -> String {
        let (level, message) = (self.level.name(), &self.message);
        if self.is_module {
            format!("[{level}] |{}| {message}\n", escape(&self.event))
        } else {
            format!("[{level}] {message}\n")
        }
    }

    fn time(mut self, time: Duration) -> Self {
        self.ms = Some((time.as_secs_f64() * 1e6).round() / 1e3);
        self
    }
}

/// One that the lines go to.
struct Sink<'a> {
    format: Format,
    /// Lines that matter less are left out.
    least: Level,
    to: Box<dyn Write + 'a>,
}

/// Where the lines go.
pub struct Log<'a> {
    sinks: Vec<Sink<'a>>,
    /// What programs can read of it, as lines of JSON.
    journal: Vec<u8>,
}

/// Bytes of a log that programs can read; later lines they cannot.
const MAX_JOURNAL: usize = 8 << 20;

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("sinks", &self.sinks.len()).finish()
    }
}

impl<'a> Log<'a> {
    /// A log that writes every line to every sink.
    pub fn new(format: Format, sinks: Vec<Box<dyn Write + 'a>>) -> Self {
        let sink = |to| Sink { format, least: Level::Info, to };
        Self { sinks: sinks.into_iter().map(sink).collect(), journal: Vec::new() }
    }

    /// Adds a sink with a format of its own.
    pub fn add(&mut self, format: Format, to: Box<dyn Write + 'a>) {
        self.sinks.push(Sink { format, least: Level::Info, to });
    }

    /// At most `len` bytes of the lines of JSON from `offset` on.
    pub(super) fn journal(&self, offset: u64, len: usize) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.journal.len());
        let rest = &self.journal[start..];
        &rest[..len.min(rest.len())]
    }

    /// Leaves all but warnings and errors out of the first sink: a person has
    /// the terminal now.
    pub(super) fn hush(&mut self) {
        if let Some(sink) = self.sinks.first_mut() {
            sink.least = Level::Warn;
        }
    }

    /// Writes one line, and through any buffer: a boot that hangs must show where.
    ///
    /// # Errors
    /// When a sink cannot be written to.
    pub fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let json = serde_json::to_string(entry)? + "\n";
        if self.journal.len() + json.len() <= MAX_JOURNAL {
            self.journal.extend_from_slice(json.as_bytes());
        }
        for sink in &mut self.sinks {
            if entry.level < sink.least {
                continue;
            }
            match sink.format {
                Format::Text => sink.to.write_all(entry.text().as_bytes())?,
                Format::Json => sink.to.write_all(json.as_bytes())?,
            }
            sink.to.flush()?;
        }
        Ok(())
    }
}

/// Control characters as escapes: one event is one line and cannot move the cursor.
pub(super) fn escape(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// A time as 2026-01-31T23:59:59.123Z.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    // A clock before 1970 is a clock that is not set; the log need not fail for it.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a number of days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March: the leap day is then the last day of a year,
    // and 400 of them, 146,097 days, repeat for ever.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_102_444_800, "2100-01-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn lines_are_text_or_json_and_cannot_be_forged() {
        let named = Stage::unnamed("/boot/w");
        let stage = Stage { stage: 4.into(), name: "World".into(), ..named };
        let entry = Entry::new(Level::Warn, "print", "a\n[INFO] b\u{1b}[2J").of(&stage).id(0xAB);
        let mut text = Vec::new();
        Log::new(Format::Text, vec![Box::new(&mut text)]).write(&entry).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "[WARN] a\\n[INFO] b\\u{1b}[2J\n");
        let mut json = Vec::new();
        let entry = entry.ran(7, Duration::from_micros(1500));
        Log::new(Format::Json, vec![Box::new(&mut json)]).write(&entry).unwrap();
        let value: Value = serde_json::from_slice(&json).unwrap();
        let expected = [
            ("level", Value::from("warn")),
            ("stage", 4.into()),
            ("name", "World".into()),
            ("path", "/boot/w".into()),
            ("event", "print".into()),
            ("id", "0x000000AB".into()),
            ("steps", 7.into()),
            ("ms", 1.5.into()),
        ];
        for (field, expected) in expected {
            assert_eq!(value[field], expected);
        }
    }
}
