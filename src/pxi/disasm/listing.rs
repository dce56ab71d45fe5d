//! Pixels as lines of assembly: code, and what is no code.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::words;
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Instruction, Isa, Kind, Operand, calls};

/// Equal pixels in a row from which on they are written as one `.fill`.
const RUN: usize = 4;

/// Names of addresses.
pub(super) type Labels = BTreeMap<usize, String>;

/// What is being written.
pub(super) struct Listing<'a> {
    pub(super) isa: Isa,
    pub(super) pixels: &'a [Pixel],
    pub(super) labels: &'a Labels,
    pub(super) text: &'a mut String,
}

impl Listing<'_> {
    /// Instructions from an address up to another one.
    pub(super) fn code(&mut self, start: usize, end: usize) {
        let mut at = start;
        while at < end {
            let pixel = self.pixels[at];
            self.label(at);
            let run = self.run(at, end);
            let line = if run >= RUN { fill(pixel, run) } else { self.line(at) };
            self.put(&line, at, &remark(pixel, self.isa));
            at += if run >= RUN { run } else { 1 };
        }
    }

    /// Data from an address up to another one; `imports` are lines for single pixels.
    pub(super) fn data(&mut self, start: usize, end: usize, imports: &Labels) {
        let mut at = start;
        while at < end {
            if let Some(import) = imports.get(&at) {
                self.put(import, at, "");
                at += 1;
                continue;
            }
            self.label(at);
            let stop = imports.range(at..end).next().map_or(end, |(slot, _)| *slot);
            let run = self.run(at, stop);
            let next = self.labels.range(at + 1..stop).next().map_or(stop, |(at, _)| *at);
            let found = words::text(&self.pixels[at..next]);
            let (line, count) = match found {
                Some(found) => found,
                None if run >= RUN => (run_of_data(self.pixels[at], run), run),
                None => (format!(".word 0x{:08X}", self.pixels[at].value()), 1),
            };
            self.put(&line, at, "");
            at += count;
        }
    }

    fn label(&mut self, at: usize) {
        if let Some(label) = self.labels.get(&at) {
            let _ = writeln!(self.text, "{label}:");
        }
    }

    fn put(&mut self, line: &str, at: usize, remark: &str) {
        let _ = writeln!(self.text, "        {line:<32}; {at}{remark}");
    }

    /// How many equal pixels start here, up to the next label.
    fn run(&self, at: usize, end: usize) -> usize {
        let end = self.labels.range(at + 1..end).next().map_or(end, |(at, _)| *at);
        self.pixels[at..end].iter().take_while(|pixel| **pixel == self.pixels[at]).count()
    }

    fn line(&self, at: usize) -> String {
        line(self.pixels[at], self.isa, at, self.labels)
    }
}

fn fill(pixel: Pixel, count: usize) -> String {
    if pixel == Pixel::BACKGROUND {
        return format!(".fill {count}");
    }
    let [r, g, b, a] = pixel.channels();
    format!(".fill {count}, {r}, {g}, {b}, {a}")
}

fn run_of_data(pixel: Pixel, count: usize) -> String {
    if pixel == Pixel::default() { format!(".space {count}") } else { fill(pixel, count) }
}

/// One pixel as an instruction, or as `.pixel`.
pub(super) fn line(pixel: Pixel, isa: Isa, at: usize, labels: &Labels) -> String {
    match isa::decode(pixel, isa) {
        Some(kind) if is_written_fully(kind, pixel) => instruction(kind, pixel, at, labels),
        _ => {
            let [r, g, b, a] = pixel.channels();
            format!(".pixel {r}, {g}, {b}, {a}")
        }
    }
}

/// Whether operands and ignored bytes are all that the pixel holds.
fn is_written_fully(kind: &Instruction, pixel: Pixel) -> bool {
    let whole = kind.ignored().fold(0, |bits, argument| bits | 255 << (24 - 8 * argument));
    pixel.value() & kind.unused_bits() & !whole == 0
}

fn instruction(kind: &Instruction, pixel: Pixel, at: usize, labels: &Labels) -> String {
    let bytes = pixel.channels();
    let operands: Vec<String> =
        kind.operands.iter().map(|operand| written(*operand, pixel, at, labels)).collect();
    let mut text = kind.mnemonic.to_owned();
    if !operands.is_empty() {
        let _ = write!(text, " {}", operands.join(", "));
    }
    let blank = kind.blank();
    if kind.ignored().any(|n| bytes[n] != blank[n]) {
        let ignored: Vec<String> = kind.ignored().map(|n| bytes[n].to_string()).collect();
        let _ = write!(text, " | {}", ignored.join(", "));
    }
    text
}

fn written(operand: Operand, pixel: Pixel, at: usize, labels: &Labels) -> String {
    let value = operand.get(pixel);
    match operand.kind {
        Kind::Register => format!("R{value}"),
        Kind::Registers => register_set(value),
        Kind::Absolute => address(value, labels),
        Kind::Relative => address(at as i64 + value, labels),
        Kind::Call => match calls::by_number(value as u16) {
            Some(call) => call.name.to_owned(),
            None => value.to_string(),
        },
        Kind::Unsigned | Kind::Signed => value.to_string(),
    }
}

fn address(address: i64, labels: &Labels) -> String {
    let label = usize::try_from(address).ok().and_then(|address| labels.get(&address));
    label.cloned().unwrap_or_else(|| address.to_string())
}

/// `{R6-R8, R10}`.
fn register_set(set: i64) -> String {
    let mut parts = Vec::new();
    let mut register = 0;
    while register < 16 {
        let first = register;
        while register < 16 && set >> register & 1 == 1 {
            register += 1;
        }
        match register - first {
            0 => register += 1,
            1 => parts.push(format!("R{first}")),
            _ => parts.push(format!("R{first}-R{}", register - 1)),
        }
    }
    format!("{{{}}}", parts.join(", "))
}

/// What helps a reader: the character that a number may be, or why a pixel is no instruction.
fn remark(pixel: Pixel, isa: Isa) -> String {
    let [opcode, _, number, _] = pixel.channels();
    match (isa::decode(pixel, isa), isa::by_opcode(opcode, isa)) {
        (Some(kind), _) if kind.opcode == isa::LOAD && (b' '..=b'~').contains(&number) => {
            format!("  '{}'", char::from(number))
        }
        (Some(_), _) => String::new(),
        (None, Some(kind)) => {
            let effect = if isa == Isa::Pxi1 { "no-op" } else { "trap" };
            format!("  {} of a register that does not exist: {effect}", kind.mnemonic)
        }
        (None, None) if isa == Isa::Pxi1 => "  no instruction: skipped".to_owned(),
        (None, None) => "  no instruction: trap".to_owned(),
    }
}
