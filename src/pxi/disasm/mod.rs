//! The disassembler: a program picture in, assembly out that gives it back.
//!
//! Everything comes back: arguments that instructions ignore follow a `|`,
//! pixels that are no instruction become `.pixel`, runs of equal ones `.fill`.
//! A module of version 2 that the assembler would not write like that, pixel for
//! pixel, is shown as a raw program instead.

mod listing;
mod module2;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::pxi::isa::{self, Isa, Kind};
use crate::pxi::module::{MAGIC, PHASE5_HEADER};
use crate::pxi::{Pixel, Raster};
use listing::Listing;
use module2::Module;

/// Assembly that assembles to exactly this picture.
pub fn disassemble(raster: &Raster) -> String {
    let pixels = raster.pixels();
    let mut text = format!(".size {}, {}\n", raster.width(), raster.height());
    if let Some(module) = Module::read(pixels) {
        module.write(pixels, &mut text);
        return text;
    }
    let entry = module_entry(pixels);
    let start = if entry.is_some() { PHASE5_HEADER } else { 0 };
    let labels = labels(pixels, start);
    if let Some(entry) = entry {
        let _ = writeln!(text, ".module\n.entry {entry}");
    }
    let mut listing = Listing { isa: Isa::Pxi1, pixels, labels: &labels, text: &mut text };
    listing.code(start, pixels.len());
    text
}

/// The instruction that a pixel is, as assembly; `.pixel` if it is none.
pub fn instruction(pixel: Pixel, isa: Isa, address: u32) -> String {
    listing::line(pixel, isa, address as usize, &BTreeMap::new())
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

/// Every address in the picture that an instruction names as a target.
fn labels(pixels: &[Pixel], start: usize) -> BTreeMap<usize, String> {
    let targets = pixels[start..].iter().filter_map(|pixel| {
        let kind = isa::decode(*pixel, Isa::Pxi1)?;
        let target = kind.operands.iter().find(|operand| operand.kind == Kind::Absolute)?;
        Some(target.get(*pixel) as usize)
    });
    let inside = targets.filter(|address| (start..pixels.len()).contains(address));
    inside.map(|address| (address, label(address))).collect()
}

fn label(address: usize) -> String {
    format!("L{address}")
}
