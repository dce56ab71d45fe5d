//! Symbol files: JSON in which the assembler and the compiler write down which
//! name and which source line each pixel has. The assembler names `files` and
//! `symbols`; the compiler, which has one source, `functions` and pairs of address
//! and line. Nothing in them is trusted: an
//! address beyond the memory is just never asked for.

use std::collections::HashMap;

use serde::Deserialize;

/// What an exported name is.
const FUNCTION: &str = "function";
/// A source whose name is not told.
const UNNAMED: &str = "source";

/// Names and lines of a module, by addresses counted from its first pixel.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    files: Vec<String>,
    /// By address.
    labels: Vec<Label>,
    by_name: HashMap<String, i64>,
    /// By address; each holds up to the next.
    lines: Vec<LineEntry>,
}

/// Why a text is no symbol file.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// Not JSON, or of another form.
    #[error("not a symbol file: {0}")]
    Json(#[from] serde_json::Error),
    /// A line of a file that is not listed.
    #[error("not a symbol file: line entry {entry} names file {file}, there are {files}")]
    File {
        /// Index of the entry.
        entry: usize,
        /// The file's index.
        file: u32,
        /// Files listed.
        files: usize,
    },
}

#[derive(Debug, Clone)]
struct Label {
    address: u32,
    name: String,
    is_function: bool,
}

#[derive(Deserialize)]
struct SymbolFile {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    symbols: Vec<SymbolEntry>,
    #[serde(default)]
    functions: Vec<FunctionEntry>,
    #[serde(default)]
    lines: Vec<AnyLine>,
}

#[derive(Deserialize)]
struct FunctionEntry {
    name: String,
    address: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyLine {
    OfFile(LineEntry),
    Pair(u32, u32),
}

impl AnyLine {
    fn entry(self) -> LineEntry {
        match self {
            Self::OfFile(entry) => entry,
            Self::Pair(address, line) => LineEntry { address, file: 0, line },
        }
    }
}

#[derive(Deserialize)]
struct SymbolEntry {
    name: String,
    value: i64,
    #[serde(default)]
    kind: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct LineEntry {
    address: u32,
    file: u32,
    line: u32,
}

impl Symbols {
    /// Reads a symbol file.
    ///
    /// # Errors
    /// [`SymbolsError`].
    pub fn parse(json: &str) -> Result<Self, SymbolsError> {
        let SymbolFile { mut files, mut symbols, functions, lines } = serde_json::from_str(json)?;
        if files.is_empty() && lines.iter().any(|line| matches!(line, AnyLine::Pair(..))) {
            files.push(UNNAMED.to_owned());
        }
        let files: Vec<String> = files.iter().map(|file| printable(file)).collect();
        let mut lines: Vec<LineEntry> = lines.into_iter().map(AnyLine::entry).collect();
        symbols.extend(functions.into_iter().map(|FunctionEntry { name, address }| SymbolEntry {
            name,
            value: address.into(),
            kind: FUNCTION.to_owned(),
        }));
        for symbol in &mut symbols {
            symbol.name = printable(&symbol.name);
        }
        let count = files.len();
        if let Some(entry) = lines.iter().position(|line| line.file as usize >= count) {
            return Err(SymbolsError::File { entry, file: lines[entry].file, files: count });
        }
        lines.sort_by_key(|line| line.address);
        let by_name = symbols.iter().map(|entry| (entry.name.clone(), entry.value)).collect();
        let mut labels: Vec<Label> = symbols.into_iter().filter_map(Label::of).collect();
        labels.sort_by(|a, b| (a.address, a.rank(), &a.name).cmp(&(b.address, b.rank(), &b.name)));
        Ok(Self { files, labels, by_name, lines })
    }

    /// The value of a name: an address, or a constant's number.
    pub fn value_of(&self, name: &str) -> Option<i64> {
        self.by_name.get(name).copied()
    }

    /// The name at or before an address, and the name's address.
    pub fn label_at(&self, address: u32) -> Option<(&str, u32)> {
        let behind = self.labels.partition_point(|label| label.address <= address);
        let last = self.labels.get(behind.checked_sub(1)?)?;
        // Of several at one address the first: functions before labels before local ones.
        let first = self.labels.partition_point(|label| label.address < last.address);
        let label = &self.labels[first];
        Some((&label.name, label.address))
    }

    /// Functions and labels with their addresses, by address.
    pub fn labels(&self) -> impl Iterator<Item = (&str, u32, bool)> {
        self.labels.iter().map(|label| (label.name.as_str(), label.address, label.is_function))
    }

    /// File and line of an address.
    pub fn line_at(&self, address: u32) -> Option<(&str, u32)> {
        let behind = self.lines.partition_point(|entry| entry.address <= address);
        // A line of 0 says that there is none.
        let entry = self.lines.get(behind.checked_sub(1)?).filter(|entry| entry.line > 0)?;
        Some((self.files.get(entry.file as usize)?, entry.line))
    }

    /// The first address of a line, or of the next line behind it that has one.
    /// A file is known by its whole name or by its end: `loop.pxs` for `src/loop.pxs`.
    pub fn address_of_line(&self, file: &str, line: u32) -> Option<u32> {
        let fits = |name: &str| {
            name.strip_suffix(file).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let of_file = self.lines.iter().filter(|entry| {
            entry.line >= line && self.files.get(entry.file as usize).is_some_and(|name| fits(name))
        });
        of_file.min_by_key(|entry| (entry.line, entry.address)).map(|entry| entry.address)
    }
}

/// A text without what would move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Label {
    fn of(entry: SymbolEntry) -> Option<Self> {
        if entry.kind == "constant" {
            return None;
        }
        let address = u32::try_from(entry.value).ok()?;
        Some(Self { address, name: entry.name, is_function: entry.kind == FUNCTION })
    }

    fn rank(&self) -> u8 {
        if self.is_function { 0 } else { 1 + u8::from(self.name.contains('@')) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"files": ["src/a.pxs"], "symbols": [
        {"name": "LIMIT", "value": 18, "kind": "constant"},
        {"name": "loop@again", "value": 18, "kind": "label"},
        {"name": "main", "value": 16, "kind": "label"},
        {"name": "loop", "value": 18, "kind": "function"},
        {"name": "wild", "value": -4, "kind": "label"}],
        "lines": [{"address": 18, "file": 0, "line": 7}, {"address": 16, "file": 0, "line": 3}]}"#;

    #[test]
    fn names_and_lines_are_found_both_ways() {
        let symbols = Symbols::parse(FILE).unwrap();
        assert_eq!(symbols.label_at(15), None);
        assert_eq!(symbols.label_at(17), Some(("main", 16)));
        assert_eq!(symbols.label_at(99), Some(("loop", 18)));
        assert_eq!(symbols.value_of("LIMIT"), Some(18));
        assert_eq!(symbols.line_at(17), Some(("src/a.pxs", 3)));
        assert_eq!(symbols.line_at(2), None);
        let lines = [("a.pxs", 4, Some(18)), ("src/a.pxs", 3, Some(16)), ("a.pxs", 8, None)];
        for (file, line, address) in lines {
            assert_eq!(symbols.address_of_line(file, line), address);
        }
        assert_eq!(symbols.address_of_line("pxs", 3), None);
    }

    #[test]
    fn the_compiler_names_functions_and_pairs() {
        let text = r#"{"functions": [{"name": "f", "address": 20, "length": 3}],
            "lines": [[16, 0], [20, 5], [22, 6]]}"#;
        let symbols = Symbols::parse(text).unwrap();
        assert_eq!(symbols.label_at(21), Some(("f", 20)));
        assert_eq!(symbols.line_at(17), None);
        assert_eq!(symbols.line_at(21), Some(("source", 5)));
        assert_eq!(symbols.address_of_line("source", 6), Some(22));
    }

    #[test]
    fn what_is_no_symbol_file_is_refused() {
        for text in ["", "[]x", "{\"symbols\": 3}", "{\"lines\": [{\"address\": -1}]}"] {
            assert!(matches!(Symbols::parse(text), Err(SymbolsError::Json(_))), "{text}");
        }
        let stray = r#"{"lines": [{"address": 1, "file": 0, "line": 1}]}"#;
        let error = Symbols::parse(stray).unwrap_err();
        assert!(matches!(error, SymbolsError::File { entry: 0, file: 0, files: 0 }));
    }
}
