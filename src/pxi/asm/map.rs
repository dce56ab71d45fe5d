//! What comes of assembling: the picture, and which line and which name each of
//! its pixels has. Debugger and profiler read the map.

use std::collections::HashSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::diagnostic::Place;
use super::layout::Assembler;
use super::names::{Num, What, shown};
use super::sources::Source;
use super::statement::Section;
use crate::pxi::isa::Isa;
use crate::pxi::{Pixel, Raster};

/// Pixels of a statement that a listing shows.
const LISTED: usize = 8;

/// A picture and where it comes from.
#[derive(Debug)]
pub struct Assembly {
    /// The picture.
    pub raster: Raster,
    /// The generation of its instructions.
    pub isa: Isa,
    /// Lines and names of its pixels.
    pub map: SourceMap,
    /// The sources, in the order of [`SourceMap::files`].
    pub sources: Vec<Source>,
}

/// Which line and which name a pixel has. All addresses count from the module's first pixel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceMap {
    /// Names of the source files.
    pub files: Vec<String>,
    /// By address, then by name.
    pub symbols: Vec<SymbolEntry>,
    /// By address; each holds up to the next one, as far as there are pixels.
    pub lines: Vec<LineEntry>,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolEntry {
    /// As in the source; a local one has its label before it.
    pub name: String,
    /// Its address, or its value if it is a constant.
    pub value: i64,
    /// What it is.
    pub kind: SymbolKind,
    /// Bytes of the text that lies there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SymbolKind {
    /// An exported function.
    Function,
    /// A label.
    Label,
    /// The pixel of an import.
    Import,
    /// A number.
    Constant,
}

/// A stretch of pixels and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEntry {
    /// First pixel.
    pub address: u32,
    /// Index in [`SourceMap::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
}

impl SourceMap {
    /// File and line of a pixel.
    pub fn line_at(&self, address: u32) -> Option<(&str, u32)> {
        let index = self.lines.partition_point(|entry| entry.address <= address);
        let entry = self.lines.get(index.checked_sub(1)?)?;
        Some((self.files.get(entry.file as usize)?, entry.line))
    }

    /// The name at or before a pixel, and how far before. Local labels come last.
    pub fn label_at(&self, address: u32) -> Option<(&str, u32)> {
        let places = self.symbols.iter().filter(|symbol| symbol.kind != SymbolKind::Constant);
        let before = places.filter(|symbol| symbol.value <= i64::from(address));
        let best = before.max_by_key(|symbol| {
            let is_local = symbol.name.contains('@');
            (symbol.value, !is_local, std::cmp::Reverse(symbol.kind))
        })?;
        Some((&best.name, (i64::from(address) - best.value) as u32))
    }

    /// The value of a name.
    pub fn value_of(&self, name: &str) -> Option<i64> {
        self.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.value)
    }
}

impl Assembly {
    /// The source line that a pixel comes from.
    pub fn place_of(&self, address: u32) -> Option<Place> {
        let (file, number) = self.map.line_at(address)?;
        let source = self.sources.iter().find(|source| source.name == file)?;
        let text = source.text.lines().nth(number as usize - 1)?;
        let column = text.chars().take_while(|c| c.is_whitespace()).count() + 1;
        let length = text.trim().split(';').next().unwrap_or("").trim_end().chars().count();
        let (file, text) = (file.to_owned(), text.to_owned());
        Some(Place { file, line: number as usize, column, length, text })
    }

    /// Address, pixels and source line of every statement, then all names.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        let lines: Vec<Vec<&str>> =
            self.sources.iter().map(|source| source.text.lines().collect()).collect();
        let ends = self.map.lines.iter().skip(1).map(|entry| entry.address as usize);
        let ends = ends.chain([self.raster.pixels().len()]);
        for (entry, end) in self.map.lines.iter().zip(ends) {
            let start = entry.address as usize;
            let pixels = self.raster.pixels().get(start..end).unwrap_or_default();
            let (file, line) = (entry.file as usize, entry.line as usize);
            let source = lines.get(file).and_then(|lines| lines.get(line - 1)).unwrap_or(&"");
            let name = self.map.files.get(file).map_or("", String::as_str);
            let _ = writeln!(text, "; {name}:{line}: {source}");
            list_pixels(start, pixels, &mut text);
        }
        text.push('\n');
        for symbol in &self.map.symbols {
            let kind = format!("{:?}", symbol.kind).to_ascii_lowercase();
            let _ = writeln!(text, "{:>8} {kind:<8} {}", symbol.value, symbol.name);
        }
        text
    }
}

fn list_pixels(start: usize, pixels: &[Pixel], text: &mut String) {
    for (offset, pixel) in pixels.iter().take(LISTED).enumerate() {
        let _ = writeln!(text, "{:>8} {:08X}", start + offset, pixel.value());
    }
    if pixels.len() > LISTED {
        let _ = writeln!(text, "         and {} more", pixels.len() - LISTED);
    }
}

/// What an assembler that has come to its end has made.
pub(super) fn assembly(assembler: Assembler<'_>, raster: Raster) -> Assembly {
    let bases = assembler.names.bases.unwrap_or_default();
    let flat = |value: Num| value.n + value.bases[0] * bases[0] + value.bases[1] * bases[1];
    let symbols = symbols(&assembler, &flat);
    let mut lines: Vec<LineEntry> = assembler
        .origins
        .iter()
        .map(|origin| LineEntry {
            address: flat(assembler.address(origin.section, origin.index as usize)) as u32,
            file: origin.file,
            line: origin.line,
        })
        .collect();
    // Code and data were met in turns.
    lines.sort_by_key(|entry| entry.address);
    debug_assert!(assembler.origins.iter().all(|origin| origin.section != Section::Heap));
    let isa = assembler.context.isa;
    let sources = assembler.reader.files.into_sources();
    let files = sources.iter().map(|source| source.name.clone()).collect();
    Assembly { raster, isa, map: SourceMap { files, symbols, lines }, sources }
}

fn symbols(assembler: &Assembler<'_>, flat: &dyn Fn(Num) -> i64) -> Vec<SymbolEntry> {
    let exported: HashSet<&str> =
        assembler.wishes.exports.iter().map(|(_, name)| name.as_str()).collect();
    let named = assembler.names.iter().filter(|(_, symbol)| symbol.what != What::Builtin);
    let mut symbols: Vec<SymbolEntry> = named
        .map(|(name, symbol)| SymbolEntry {
            name: unmangled(name),
            value: flat(symbol.value),
            kind: match symbol.what {
                What::Label if exported.contains(&**name) => SymbolKind::Function,
                What::Label => SymbolKind::Label,
                What::Import => SymbolKind::Import,
                What::Constant | What::Builtin => SymbolKind::Constant,
            },
            bytes: symbol.bytes,
        })
        .collect();
    symbols.sort_by(|a, b| (a.value, &a.name).cmp(&(b.value, &b.name)));
    symbols
}

/// A name as a person reads it: `print@loop`, without the number of the expansion.
fn unmangled(name: &str) -> String {
    match name.split_once('@') {
        Some((owner, _)) => format!("{owner}{}", shown(name)),
        None => name.to_owned(),
    }
}
