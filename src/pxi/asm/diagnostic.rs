//! An error in an assembly source: where it is and what is wrong there.

/// One error. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line of the source.
    pub line: usize,
    /// First column of what is wrong.
    pub column: usize,
    /// Characters that are wrong.
    pub length: usize,
    /// What is wrong with them.
    pub message: String,
}

impl Diagnostic {
    /// The error as a person reads it: file:line:column, message, the source
    /// line and a mark below it.
    pub fn render(&self, file: &str, source: &str) -> String {
        let line = source.lines().nth(self.line - 1).unwrap_or("");
        // A source may come from anywhere: its control characters stay off the terminal.
        let shown = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
        let line: String = line.chars().map(shown).collect();
        // A tab stays a tab in the margin, so that the mark lies below its text.
        let margin: String = line
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let gutter = " ".repeat(self.line.to_string().len());
        format!(
            "{file}:{}:{}: error: {}\n {} | {line}\n {gutter} | {margin}{}\n",
            self.line,
            self.column,
            self.message,
            self.line,
            "^".repeat(self.length.max(1))
        )
    }
}

/// A stretch of one line: column from 1, and length, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) column: usize,
    pub(super) length: usize,
}

/// An error in a line whose number the caller knows.
#[derive(Debug)]
pub(super) struct LineError {
    pub(super) span: Span,
    pub(super) message: String,
}

impl Span {
    pub(super) fn error(self, message: impl Into<String>) -> LineError {
        LineError { span: self, message: message.into() }
    }
}

impl LineError {
    pub(super) fn at(self, line: usize) -> Diagnostic {
        let Span { column, length } = self.span;
        Diagnostic { line, column, length, message: self.message }
    }
}
