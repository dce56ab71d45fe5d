//! Errors that point into the source; they are those of the assembler.

use ruff_text_size::TextRange;

use crate::pxi::asm::{Diagnostic, Place};

/// A source by its name, and the places where its lines begin.
#[derive(Debug)]
pub(super) struct Lines<'s> {
    file: &'s str,
    source: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(super) fn new(file: &'s str, source: &'s str) -> Self {
        let after = source.match_indices('\n').map(|(at, _)| at + 1);
        Self { file, source, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line, from 1, of a byte of the source.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// An error at a range of the source, with what to write instead.
    pub(super) fn error(&self, range: TextRange, message: &str, help: &str) -> Diagnostic {
        let (start, end) = (self.fit(range.start().to_usize()), self.fit(range.end().to_usize()));
        let line = self.line(start);
        let first = self.starts[line - 1];
        let marked = self.source[start..end.max(start)].split('\n').next().unwrap_or("");
        let text = self.source[first..].split('\n').next().unwrap_or("");
        let place = Place {
            file: self.file.to_owned(),
            line,
            column: self.source[first..start].chars().count() + 1,
            length: marked.chars().count(),
            text: text.trim_end_matches('\r').to_owned(),
        };
        let error = Diagnostic::new(place, message.to_owned());
        if help.is_empty() { error } else { error.with_note(help.to_owned()) }
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
        let text = Lines::new("a.py", source).error(range, "float literal", "use int").render();
        let expected = "error: float literal\n --> a.py:2:6\n  |\n2 | \ty = 1.5\n  | \t    ^^^\n  = note: use int\n";
        assert_eq!(text, expected);
    }
}
