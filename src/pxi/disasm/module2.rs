//! Modules of version 2: header and tables as directives.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use super::label;
use super::listing::{Labels, Listing};
use super::words::escaped;
use crate::pxi::Pixel;
use crate::pxi::asm::is_name;
use crate::pxi::isa::{self, Isa, Kind};
use crate::pxi::module::MAGIC;
use crate::pxi::pxim2::{HEADER, Header, Parts};

/// Where the header says the tables are.
const FUNCTIONS: usize = 6;

/// A module that the assembler can write just so.
pub(super) struct Module {
    header: Header,
    /// Behind the data, where the tables begin.
    data_end: usize,
}

impl Module {
    /// The module in a picture, if the assembler would write the same pixels.
    pub(super) fn read(pixels: &[Pixel]) -> Option<Self> {
        let version = pixels.get(1)?.channels()[0];
        if pixels[0] != MAGIC || version != 2 {
            return None;
        }
        let header = Header::parse(pixels).ok()?;
        let table = pixels[FUNCTIONS].value() as usize;
        let data_end = match header.functions.len() {
            0 => table,
            // The names of the functions come first.
            _ => pixels.get(table + 1)?.value() as usize,
        };
        let (code_end, length) = (header.code_end as usize, header.length as usize);
        if !(code_end..=length).contains(&data_end) {
            return None;
        }
        let module = Self { header, data_end };
        let background = pixels[length..].iter().all(|pixel| *pixel == Pixel::BACKGROUND);
        let parts = module.parts(pixels)?;
        let is_same = background && module.can_be_written() && parts.pixels() == pixels[..length];
        is_same.then_some(module)
    }

    fn parts(&self, pixels: &[Pixel]) -> Option<Parts> {
        let header = &self.header;
        let code_end = header.code_end as usize;
        Some(Parts {
            code: pixels[HEADER as usize..code_end].to_vec(),
            data: pixels[code_end..self.data_end].to_vec(),
            entry: header.entry,
            heap: header.memory.checked_sub(header.length)?,
            frame: header.frame,
            functions: header.functions.clone(),
            imports: header.imports.clone(),
            requires: header.requires.clone(),
        })
    }

    /// No name is exported twice: the assembler refuses that.
    fn can_be_written(&self) -> bool {
        let mut seen = HashSet::new();
        self.header.functions.iter().all(|function| seen.insert(&function.name))
    }

    pub(super) fn write(&self, pixels: &[Pixel], text: &mut String) {
        let labels = self.labels(pixels);
        let (imports, slots) = self.imports(pixels, &labels);
        let places: Labels = labels
            .iter()
            .filter(|(at, _)| !imports.contains_key(at))
            .map(|(at, name)| (*at, name.clone()))
            .collect();
        self.write_header(&labels, text);
        for line in slots.values() {
            let _ = writeln!(text, "{line}");
        }
        let (code, code_end) = (HEADER as usize, self.header.code_end as usize);
        text.push_str(".code\n");
        let mut listing = Listing { isa: Isa::Pxi2, pixels, labels: &labels, text };
        listing.code(code, code_end);
        if self.data_end > code_end {
            text.push_str(".data\n");
            let mut listing = Listing { isa: Isa::Pxi2, pixels, labels: &places, text };
            listing.data(code_end, self.data_end, &imports);
        }
    }

    fn write_header(&self, labels: &Labels, text: &mut String) {
        let header = &self.header;
        text.push_str(".module 2\n");
        let heap = header.memory - header.length;
        if heap > 0 {
            let _ = writeln!(text, ".memory {heap}");
        }
        if let Some((width, height)) = header.frame {
            let _ = writeln!(text, ".frame {width}, {height}");
        }
        let _ = writeln!(text, ".entry {}", self.name(labels, header.entry));
        for path in &header.requires {
            let _ = writeln!(text, ".requires \"{}\"", escaped(path.as_bytes()));
        }
        for function in &header.functions {
            let label = self.name(labels, function.address);
            let name = &function.name;
            let _ = if label == *name {
                writeln!(text, ".export {label}")
            } else {
                writeln!(text, ".export {label}, \"{}\"", escaped(name.as_bytes()))
            };
        }
    }

    fn name(&self, labels: &Labels, address: u32) -> String {
        labels.get(&(address as usize)).cloned().unwrap_or_else(|| address.to_string())
    }

    /// Names of all addresses that something names.
    fn labels(&self, pixels: &[Pixel]) -> Labels {
        let header = &self.header;
        let mut labels = Labels::new();
        let code = HEADER as usize..header.code_end as usize;
        for (at, pixel) in pixels[code.clone()].iter().enumerate() {
            let Some(kind) = isa::decode(*pixel, Isa::Pxi2) else { continue };
            let Some(operand) = kind.operands.iter().find(|op| op.kind == Kind::Relative) else {
                continue;
            };
            let target = (code.start + at) as i64 + operand.get(*pixel);
            if (code.start as i64..self.data_end as i64).contains(&target) {
                labels.insert(target as usize, label(target as usize));
            }
        }
        labels.insert(header.entry as usize, label(header.entry as usize));
        for function in &header.functions {
            let name = labels.entry(function.address as usize);
            let plain = label(function.address as usize);
            let name = name.or_insert_with(|| plain.clone());
            if *name == plain && is_free(&function.name) {
                name.clone_from(&function.name);
            }
        }
        self.name_imports(&mut labels);
        labels
    }

    /// Imports are called as their functions are, unless something else is.
    fn name_imports(&self, labels: &mut Labels) {
        let mut taken: HashSet<String> = labels.values().cloned().collect();
        for (index, import) in self.header.imports.iter().enumerate() {
            let free = is_free(&import.name) && !taken.contains(&import.name);
            let name = if free { import.name.clone() } else { format!("import_{index}") };
            taken.insert(name.clone());
            if import.slot >= self.header.code_end && (import.slot as usize) < self.data_end {
                labels.entry(import.slot as usize).insert_entry(name);
            }
        }
    }

    /// The lines of the imports: where their slots lie, or all at the start.
    fn imports(
        &self,
        pixels: &[Pixel],
        labels: &Labels,
    ) -> (BTreeMap<usize, String>, BTreeMap<usize, String>) {
        let imports = &self.header.imports;
        let ascending = imports.windows(2).all(|pair| pair[0].slot < pair[1].slot);
        let in_data = imports.iter().all(|import| {
            let slot = import.slot as usize;
            (self.header.code_end as usize..self.data_end).contains(&slot)
                && pixels[slot] == Pixel::default()
        });
        let lines = imports.iter().enumerate().map(|(index, import)| {
            let slot = import.slot as usize;
            let [path, function] =
                [&import.path, &import.name].map(|text| escaped(text.as_bytes()));
            if ascending && in_data {
                let name = labels.get(&slot).cloned().unwrap_or_else(|| label(slot));
                (slot, format!(".import {name}, \"{path}\", \"{function}\""))
            } else {
                let line = format!(".import import_{index}_, \"{path}\", \"{function}\", {slot}");
                (index, line)
            }
        });
        let lines = lines.collect();
        if ascending && in_data { (lines, BTreeMap::new()) } else { (BTreeMap::new(), lines) }
    }
}

/// Whether a name can be a label that no other can be.
fn is_free(name: &str) -> bool {
    let generated = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '_'))
    };
    is_name(name) && !generated("L") && !generated("import_")
}
