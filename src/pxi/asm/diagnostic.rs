//! An error in an assembly source: where it is, what is wrong there, and how it
//! came about. Rendered as rustc renders its own; nothing is printed here.

use std::fmt::Write;

/// Characters of a line that are shown around what is wrong in it.
const SHOWN: usize = 120;

/// A stretch of one line. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line of the file.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Characters.
    pub length: usize,
    /// The line itself.
    pub text: String,
}

/// What helps to understand an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says.
    pub message: String,
    /// Where that is, if it is somewhere.
    pub place: Option<Place>,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it is.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
    /// What helps to understand it, nearest first.
    pub notes: Vec<Note>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn new(place: Place, message: String) -> Self {
        Self { place, message, notes: Vec::new() }
    }

    /// The same with a note that has no place.
    pub fn with_note(mut self, message: String) -> Self {
        self.notes.push(Note { message, place: None });
        self
    }

    /// The error as a person reads it: message, place, the line with a mark
    /// below what is wrong, notes.
    pub fn render(&self) -> String {
        self.render_as("error")
    }

    /// The same under another heading, such as `warning`.
    pub fn render_as(&self, heading: &str) -> String {
        let places = self.notes.iter().filter_map(|note| note.place.as_ref());
        let widest = places.map(|place| place.line).max().unwrap_or(0).max(self.place.line);
        let width = widest.to_string().len();
        let mut text = format!("{heading}: {}\n", self.message);
        self.place.draw(width, &mut text);
        for note in &self.notes {
            match &note.place {
                Some(place) => {
                    let _ = writeln!(text, "note: {}", note.message);
                    place.draw(width, &mut text);
                }
                None => {
                    let _ = writeln!(text, "{:width$} = note: {}", "", note.message);
                }
            }
        }
        text
    }
}

impl Place {
    /// Arrow, gutter, line and mark.
    fn draw(&self, width: usize, into: &mut String) {
        let first = self.column.saturating_sub(SHOWN / 2);
        let first = if self.column < SHOWN { 0 } else { first };
        // A source may come from anywhere: its control characters stay off the terminal.
        let shown = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
        let line: String = self.text.chars().skip(first).take(SHOWN).map(shown).collect();
        // A tab stays a tab in the margin, so that the mark lies below its text.
        let margin = self.text.chars().skip(first).take((self.column - 1).saturating_sub(first));
        let margin: String = margin.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let mark = "^".repeat(self.length.clamp(1, SHOWN));
        let file: String = self.file.chars().map(shown).collect();
        let (number, column) = (self.line, self.column);
        let _ = writeln!(into, "{:width$}--> {file}:{number}:{column}", "");
        let _ = writeln!(into, "{:width$} |", "");
        let _ = writeln!(into, "{number:>width$} | {line}");
        let _ = writeln!(into, "{:width$} | {margin}{mark}", "");
    }
}

/// A [`Place`] while assembling: files as numbers, the line not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) length: u32,
}

impl Span {
    pub(super) fn error(self, message: impl Into<String>) -> LineError {
        LineError { span: self, message: message.into(), notes: Vec::new(), fatal: false }
    }

    /// From this place to another one, if both are on one line.
    pub(super) fn to(self, last: Self) -> Self {
        let same = (self.file, self.line) == (last.file, last.line);
        if !same || last.column < self.column {
            return self;
        }
        Self { length: last.column + last.length - self.column, ..self }
    }
}

/// An error, not yet ready to be shown.
#[derive(Debug, Clone)]
pub(super) struct LineError {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) notes: Vec<(String, Option<Span>)>,
    /// Going on makes no sense.
    pub(super) fatal: bool,
}

impl LineError {
    pub(super) fn note(mut self, message: impl Into<String>, span: Option<Span>) -> Self {
        self.notes.push((message.into(), span));
        self
    }

    pub(super) fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }
}
