//! The disassembler: a program picture in, assembly out that gives it back.
//!
//! Everything comes back: arguments that instructions ignore follow a `|`,
//! pixels that are no instruction become `.pixel`, runs of equal ones `.fill`.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::pxi::isa::{self, Instruction, Isa, Kind};
use crate::pxi::module::{MAGIC, PHASE5_HEADER};
use crate::pxi::{Pixel, Raster};

/// Equal pixels in a row from which on they are written as one `.fill`.
const RUN: usize = 4;

/// Assembly that assembles to exactly this picture.
pub fn disassemble(raster: &Raster) -> String {
    let pixels = raster.pixels();
    let labels = labels(pixels);
    let mut text = format!(".size {}, {}\n", raster.width(), raster.height());
    let mut at = 0;
    if let Some(entry) = module_entry(pixels) {
        let _ = writeln!(text, ".module\n.entry {entry}");
        at = PHASE5_HEADER;
    }
    while at < pixels.len() {
        if labels.contains(&at) {
            let _ = writeln!(text, "{}:", label(at));
        }
        let run = run_at(pixels, at, &labels);
        let line = if run >= RUN { fill(pixels[at], run) } else { line(pixels[at], &labels) };
        let _ = writeln!(text, "        {line:<32}; {at}{}", remark(pixels[at]));
        at += if run >= RUN { run } else { 1 };
    }
    text
}

/// The entry, if the header is exactly the one that the assembler writes.
fn module_entry(pixels: &[Pixel]) -> Option<usize> {
    let header = pixels.first_chunk::<PHASE5_HEADER>()?;
    let [low, high, functions, zero] = header[2].channels();
    let entry = usize::from(u16::from_le_bytes([low, high]));
    let canonical = header[0] == MAGIC
        && header[1] == Pixel::new(1, 0, 0, 0)
        && (functions, zero) == (1, 0)
        && header[3] == Pixel::default()
        && (PHASE5_HEADER..pixels.len()).contains(&entry);
    canonical.then_some(entry)
}

fn label(address: usize) -> String {
    format!("L{address}")
}

/// Every address in the picture that an instruction names as a target.
fn labels(pixels: &[Pixel]) -> BTreeSet<usize> {
    let skipped = if module_entry(pixels).is_some() { PHASE5_HEADER } else { 0 };
    let code = pixels[skipped..].iter();
    let targets = code.filter_map(|pixel| {
        let kind = isa::decode(*pixel, Isa::Pxi1)?;
        kind.operands.iter().any(|op| op.kind == Kind::Absolute).then(|| target(*pixel))
    });
    targets.filter(|address| (skipped..pixels.len()).contains(address)).collect()
}

fn target(pixel: Pixel) -> usize {
    let [_, _, high, low] = pixel.channels();
    usize::from(u16::from_be_bytes([high, low]))
}

/// How many equal pixels start here, up to the next label.
fn run_at(pixels: &[Pixel], at: usize, labels: &BTreeSet<usize>) -> usize {
    let end = labels.range(at + 1..).next().copied().unwrap_or(pixels.len());
    pixels[at..end].iter().take_while(|pixel| **pixel == pixels[at]).count()
}

fn fill(pixel: Pixel, count: usize) -> String {
    if pixel == Pixel::BACKGROUND {
        return format!(".fill {count}");
    }
    let [r, g, b, a] = pixel.channels();
    format!(".fill {count}, {r}, {g}, {b}, {a}")
}

fn line(pixel: Pixel, labels: &BTreeSet<usize>) -> String {
    match isa::decode(pixel, Isa::Pxi1) {
        Some(kind) => instruction(kind, pixel, labels),
        None => {
            let [r, g, b, a] = pixel.channels();
            format!(".pixel {r}, {g}, {b}, {a}")
        }
    }
}

fn instruction(kind: &Instruction, pixel: Pixel, labels: &BTreeSet<usize>) -> String {
    let bytes = pixel.channels();
    let operands = kind.operands.iter().map(|operand| match operand.kind {
        Kind::Register => format!("R{}", operand.get(pixel)),
        Kind::Absolute if labels.contains(&target(pixel)) => label(target(pixel)),
        _ => operand.get(pixel).to_string(),
    });
    let mut text = kind.mnemonic.to_owned();
    let operands = operands.collect::<Vec<_>>().join(", ");
    if !operands.is_empty() {
        let _ = write!(text, " {operands}");
    }
    let blank = kind.blank();
    if kind.ignored().any(|n| bytes[n] != blank[n]) {
        let ignored: Vec<String> = kind.ignored().map(|n| bytes[n].to_string()).collect();
        let _ = write!(text, " | {}", ignored.join(", "));
    }
    text
}

/// What helps a reader: the character that a LOAD may be, or why a pixel does nothing.
fn remark(pixel: Pixel) -> String {
    let [opcode, _, number, _] = pixel.channels();
    match isa::decode(pixel, Isa::Pxi1) {
        Some(kind) if kind.opcode == isa::LOAD && (b' '..=b'~').contains(&number) => {
            format!("  '{}'", char::from(number))
        }
        Some(_) => String::new(),
        None => match isa::by_opcode(opcode, Isa::Pxi1) {
            Some(kind) => format!("  {} of a register that does not exist: no-op", kind.mnemonic),
            None => "  no instruction: skipped".to_owned(),
        },
    }
}
