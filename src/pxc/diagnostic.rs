//! Errors that point into the source, as rustc prints them.

use ruff_text_size::TextRange;

/// One error. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line of the source.
    pub line: usize,
    /// First column of what is wrong.
    pub column: usize,
    /// Characters that are wrong, on that line.
    pub length: usize,
    /// What is wrong with them.
    pub message: String,
    /// What to write instead; may be empty.
    pub help: String,
}

/// Most characters of a source line that are shown.
const WIDEST: usize = 200;

impl Diagnostic {
    /// The error as a person reads it: message, file:line:column, the line, a
    /// mark below it, and what to do.
    pub fn render(&self, file: &str, source: &str) -> String {
        let line = source.split('\n').nth(self.line - 1).unwrap_or("").trim_end_matches('\r');
        // A source may come from anywhere: its control characters stay off the terminal.
        let shown = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
        let skip = if self.column > WIDEST { self.column - 20 } else { 0 };
        let line: String = line.chars().skip(skip).take(WIDEST).map(shown).collect();
        let before = line.chars().take(self.column - 1 - skip);
        // A tab stays a tab in the margin, so that the mark lies below its text.
        let margin: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let room = line.chars().count().saturating_sub(margin.chars().count());
        let marks = "^".repeat(self.length.clamp(1, room.max(1)));
        let gutter = " ".repeat(self.line.to_string().len());
        let mut text = format!(
            "error: {}\n{gutter}--> {file}:{}:{}\n{gutter} |\n{} | {line}\n{gutter} | {margin}{marks}\n",
            self.message, self.line, self.column, self.line
        );
        if !self.help.is_empty() {
            text.push_str(&format!("{gutter} = help: {}\n", self.help));
        }
        text
    }
}

/// The places where the lines of a source begin.
#[derive(Debug)]
pub(super) struct Lines<'s> {
    source: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        let after = source.match_indices('\n').map(|(at, _)| at + 1);
        Self { source, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line, from 1, of a byte of the source.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// An error at a range of the source.
    pub(super) fn error(&self, range: TextRange, message: &str, help: &str) -> Diagnostic {
        let (start, end) = (self.fit(range.start().to_usize()), self.fit(range.end().to_usize()));
        let line = self.line(start);
        let first = self.starts[line - 1];
        let marked = self.source[start..end.max(start)].split('\n').next().unwrap_or("");
        Diagnostic {
            line,
            column: self.source[first..start].chars().count() + 1,
            length: marked.chars().count(),
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }

    /// The nearest place at or before a byte where a character begins.
    fn fit(&self, at: usize) -> usize {
        let at = at.min(self.source.len());
        (0..=at).rev().find(|n| self.source.is_char_boundary(*n)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_lies_below_what_is_wrong() {
        let source = "x = 1\n\ty = 1.5\n";
        let range = TextRange::new(11.into(), 14.into());
        let text =
            Lines::new(source).error(range, "float literal", "use int").render("a.py", source);
        let expected = "error: float literal\n --> a.py:2:6\n  |\n2 | \ty = 1.5\n  | \t    ^^^\n  = help: use int\n";
        assert_eq!(text, expected);
    }
}
