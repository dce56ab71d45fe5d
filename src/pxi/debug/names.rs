//! Names of addresses: of the program's symbol file, of the tables in the
//! headers of modules that lie in memory, and of modules that were loaded and run.

use std::collections::BTreeMap;
use std::ops::Range;

use super::symbols::{Symbols, printable};
use crate::pxi::Pixel;
use crate::pxi::module::Program;
use crate::pxi::pxim2::{self, HEADER};

/// Modules that were run and are remembered by name.
const MAX_WINDOWS: usize = 64;
/// Modules behind each other in one window.
const MAX_LINKED: usize = 256;

/// A name at or before an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'n> {
    /// The name.
    pub name: &'n str,
    /// How far behind it the address lies.
    pub offset: u32,
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => f.write_str(self.name),
            offset => write!(f, "{}+{offset}", self.name),
        }
    }
}

/// Names of addresses of the whole memory.
#[derive(Debug, Clone, Default)]
pub struct Names {
    symbols: Symbols,
    /// Functions that header tables name in the program and in what is linked to it.
    table: BTreeMap<u32, String>,
    /// Where the program ends; names of the symbol file end there, too.
    end: u32,
    /// Modules that RUN ran, the latest last.
    windows: Vec<Window>,
}

#[derive(Debug, Clone)]
struct Window {
    range: Range<u32>,
    head: Vec<Pixel>,
    table: BTreeMap<u32, String>,
}

impl Names {
    /// The names of a program that lies at the start of a memory.
    pub fn of(symbols: Symbols, memory: &[Pixel]) -> Self {
        let end = pxim2::tables_in_memory(memory).map_or(memory.len() as u32, |(end, _)| end);
        Self { symbols, table: functions_of(memory), end, windows: Vec::new() }
    }

    /// Learns the names of a module that is about to run in a part of the memory.
    pub fn learn(&mut self, range: Range<usize>, memory: &[Pixel]) {
        let Some(pixels) = memory.get(range.clone()) else { return };
        let range = range.start as u32..range.end as u32;
        let head = pixels[..pixels.len().min(HEADER as usize)].to_vec();
        if self.windows.iter().any(|old| old.range == range && old.head == head) {
            return;
        }
        self.windows.retain(|old| old.range.end <= range.start || range.end <= old.range.start);
        if self.windows.len() >= MAX_WINDOWS {
            self.windows.remove(0);
        }
        self.windows.push(Window { range, head, table: named_module(pixels) });
    }

    /// The name at or before an address.
    pub fn at(&self, address: u32) -> Option<Named<'_>> {
        if let Some(window) = self.windows.iter().rev().find(|one| one.range.contains(&address)) {
            return nearest(&window.table, address - window.range.start);
        }
        let by_table = nearest(&self.table, address);
        if address >= self.end {
            return by_table;
        }
        let by_file = self.symbols.label_at(address);
        let by_file = by_file.map(|(name, at)| Named { name, offset: address - at });
        // At the same distance the file's name: it is the source's own.
        match (by_file, by_table) {
            (Some(file), Some(table)) if table.offset < file.offset => Some(table),
            (Some(file), _) => Some(file),
            (None, table) => table,
        }
    }

    /// File and line of an address.
    pub fn line_at(&self, address: u32) -> Option<(&str, u32)> {
        let is_foreign = self.windows.iter().any(|window| window.range.contains(&address));
        if address >= self.end || is_foreign {
            return None;
        }
        self.symbols.line_at(address)
    }

    /// The address of a name, or the number of a constant.
    pub fn value_of(&self, name: &str) -> Option<i64> {
        let in_table = |table: &BTreeMap<u32, String>, base: u32| {
            let found = table.iter().find(|(_, known)| *known == name);
            found.map(|(address, _)| i64::from(base + *address))
        };
        let in_windows = || {
            let mut windows = self.windows.iter().rev();
            windows.find_map(|window| in_table(&window.table, window.range.start))
        };
        let own = self.symbols.value_of(name).or_else(|| in_table(&self.table, 0));
        own.or_else(in_windows)
    }

    /// The address of a place: a number, a name with or without `+N`, or FILE:LINE.
    pub fn resolve(&self, place: &str) -> Option<u32> {
        if let Some((file, line)) = place.rsplit_once(':')
            && let Ok(line) = line.parse()
        {
            return self.symbols.address_of_line(file, line);
        }
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let (name, offset) = match place.rsplit_once('+') {
            Some((name, offset)) => (name, number(offset)?),
            None => (place, 0),
        };
        let start = self.value_of(name).or_else(|| number(name))?;
        u32::try_from(start.checked_add(offset)?).ok()
    }

    /// What the symbol file says.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Every name of an address, by address.
    pub fn all(&self) -> Vec<(u32, String)> {
        let own = self.symbols.labels().map(|(name, address, _)| (address, name.to_owned()));
        let table = self.table.iter().map(|(address, name)| (*address, name.clone()));
        let run = self.windows.iter().flat_map(|window| {
            let base = window.range.start;
            window.table.iter().map(move |(address, name)| (base + address, name.clone()))
        });
        let mut all: Vec<_> = own.chain(table).chain(run).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn nearest(table: &BTreeMap<u32, String>, address: u32) -> Option<Named<'_>> {
    let (at, name) = table.range(..=address).next_back()?;
    Some(Named { name, offset: address - at })
}

/// Functions of the modules that lie one behind the other, as the linker places them.
fn functions_of(pixels: &[Pixel]) -> BTreeMap<u32, String> {
    let (mut found, mut start) = (BTreeMap::new(), 0);
    for _ in 0..MAX_LINKED {
        let rest = pixels.get(start as usize..).unwrap_or_default();
        let Some((memory, functions)) = pxim2::tables_in_memory(rest) else {
            break;
        };
        for function in functions {
            found.entry(start + function.address).or_insert_with(|| printable(&function.name));
        }
        start += memory;
    }
    found
}

/// The functions of a module that RUN runs, and its entry.
fn named_module(pixels: &[Pixel]) -> BTreeMap<u32, String> {
    let mut found = functions_of(pixels);
    if let Ok((_, entry)) = Program::entry_of(pixels) {
        found.entry(entry).or_insert_with(|| "entry".to_owned());
    }
    found
}
