//! The files of a source: the one given, and what it includes.

use super::diagnostic::{LineError, Place, Span};
use super::token::{Lexed, tokens};

/// Every so many lines, where the line begins is kept.
const STRIDE: u32 = 256;

/// Characters of a line that an error carries.
const MAX_SHOWN: usize = 4096;

/// A source text and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name in errors; sources with the same name are the same.
    pub name: String,
    /// The text.
    pub text: String,
}

/// All sources read so far.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<(Source, Vec<usize>)>,
}

/// How far a file has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    file: u32,
    offset: usize,
    line: u32,
}

impl Files {
    /// Takes a file in, to be read from its start.
    pub(super) fn open(&mut self, source: Source) -> Cursor {
        self.files.push((source, Vec::new()));
        Cursor { file: self.files.len() as u32 - 1, offset: 0, line: 0 }
    }

    /// The next line's tokens and the place behind it.
    pub(super) fn next(
        &mut self,
        at: &mut Cursor,
    ) -> Option<(Result<Vec<Lexed>, LineError>, Span)> {
        let (source, marks) = self.files.get_mut(at.file as usize)?;
        let rest = source.text.get(at.offset..).filter(|rest| !rest.is_empty())?;
        if at.line.is_multiple_of(STRIDE) && marks.len() as u32 * STRIDE == at.line {
            marks.push(at.offset);
        }
        let line = first_line(rest);
        at.offset += rest.find('\n').map_or(rest.len(), |end| end + 1);
        at.line += 1;
        let found = tokens(line, at.file, at.line);
        let column = line.chars().count().min(u32::MAX as usize - 1) as u32 + 1;
        Some((found, Span { file: at.file, line: at.line, column, length: 1 }))
    }

    /// A file's name.
    pub(super) fn name(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", |(source, _)| &source.name)
    }

    /// A line that has been read.
    pub(super) fn line(&self, file: u32, line: u32) -> &str {
        let Some((source, marks)) = self.files.get(file as usize) else { return "" };
        let index = line.saturating_sub(1);
        let Some(&start) = marks.get((index / STRIDE) as usize) else { return "" };
        let lines = source.text[start..].split('\n');
        let found = lines.take(STRIDE as usize).nth((index % STRIDE) as usize);
        found.map_or("", first_line)
    }

    /// A place with all that is needed to show it.
    pub(super) fn place(&self, span: Span) -> Place {
        let line = self.line(span.file, span.line);
        Place {
            file: self.name(span.file).to_owned(),
            line: span.line as usize,
            column: span.column as usize,
            length: span.length as usize,
            text: clip(line, span.column as usize),
        }
    }

    /// All files, in the order in which they were opened.
    pub(super) fn into_sources(self) -> Vec<Source> {
        self.files.into_iter().map(|(source, _)| source).collect()
    }
}

fn first_line(text: &str) -> &str {
    let line = text.split('\n').next().unwrap_or("");
    line.strip_suffix('\r').unwrap_or(line)
}

/// A line, cut if it is endless and what is wrong is near its start.
fn clip(line: &str, column: usize) -> String {
    line.chars().take(MAX_SHOWN.max(column + MAX_SHOWN)).collect()
}
