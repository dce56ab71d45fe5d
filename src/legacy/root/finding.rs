//! What is wrong with a root, in words and as a slug for programs.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something can be read as it should be, but its description is odd.
    Warning,
    /// Something cannot be read, or is not what it says.
    Error,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// A short name of the kind of fault, the same in every version.
    pub slug: &'static str,
    /// The file and the entry in it.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Finding {
    pub(crate) fn error(slug: &'static str, place: &str, problem: impl Into<String>) -> Self {
        Self { level: Level::Error, slug, place: place.to_owned(), problem: problem.into() }
    }

    pub(crate) fn warning(slug: &'static str, place: &str, problem: impl Into<String>) -> Self {
        Self { level: Level::Warning, slug, place: place.to_owned(), problem: problem.into() }
    }
}

/// The text without characters that could forge a line. Names are quoted in it
/// already, so the quotes stay.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, slug, place, problem } = self;
        let level = match level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(f, "{level}: {}: {} [{slug}]", printable(place), printable(problem))
    }
}
