//! The end of assembling: every name is known, the picture is put together.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Op};
use super::layout::{Assembler, Fixup};
use super::map::{self, Assembly};
use super::names::{Fault, Num, Symbol, What};
use super::statement::Section;
use super::wishes::ImportOf;
use super::{Diagnostic, MAX_ERRORS};
use crate::pxi::module::{MAGIC, PHASE5_HEADER};
use crate::pxi::pxim2::{Function, HEADER, Header, Import, Parts, pack};
use crate::pxi::raster::MAX_PIXELS;
use crate::pxi::{Pixel, Raster};

impl Assembler<'_> {
    /// Fills in what waited for names, writes the header, gives the picture its shape.
    pub(super) fn finish(mut self) -> Result<Assembly, Vec<Diagnostic>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let made = if self.version == Some(2) { self.module_2() } else { self.program_1() };
        match made.and_then(|pixels| self.shape(pixels)) {
            Ok(raster) if self.errors.is_empty() => Ok(map::assembly(self, raster)),
            Ok(_) => Err(self.errors),
            Err(error) => {
                if self.errors.is_empty() || error.message != FOLLOWS {
                    self.report_in(error, None);
                }
                Err(self.errors)
            }
        }
    }

    fn program_1(&mut self) -> Result<Vec<Pixel>, LineError> {
        self.names.bases = Some([0, 0]);
        self.fix_all();
        if let Some((entry, _)) = &self.wishes.entry
            && self.version.is_none()
        {
            let message = "only a module has an entry: add .module or --module";
            return Err(entry.span.error(message));
        }
        let mut pixels = std::mem::take(&mut self.code);
        if self.version.is_some() {
            // The header has 16 bits for it.
            let last = (pixels.len().max(PHASE5_HEADER + 1) - 1).min(usize::from(u16::MAX));
            let entry = self.entry(PHASE5_HEADER as i64, last as i64)?;
            write_header(entry as u16, &mut pixels);
        }
        Ok(pixels)
    }

    fn entry(&mut self, least: i64, most: i64) -> Result<i64, LineError> {
        let Some((entry, chain)) = self.wishes.entry.take() else { return Ok(least) };
        match self.names.number(&entry, Num::plain(0), least, most) {
            Ok(entry) => Ok(entry),
            Err(fault) => {
                self.report_in(fault.into_error(), chain.as_ref());
                Err(entry.span.error(FOLLOWS))
            }
        }
    }

    fn module_2(&mut self) -> Result<Vec<Pixel>, LineError> {
        if self.code.is_empty() {
            return Err(self.last.error("a module of version 2 needs at least one instruction"));
        }
        self.place_literals()?;
        let mut parts = self.parts();
        // The tables' size does not depend on what is in them.
        let length = parts.pixels().len() as u64;
        let memory = self.wishes.memory.map_or(0, |(pixels, _)| pixels as u64);
        self.check_memory(length + self.heap + memory)?;
        let code_end = i64::from(HEADER) + self.code.len() as i64;
        self.names.bases = Some([code_end, length as i64]);
        self.define_ends(memory)?;
        self.fix_all();
        parts.entry = self.entry(HEADER.into(), code_end - 1)? as u32;
        self.addresses(&mut parts, code_end, length as i64)?;
        (parts.code, parts.data) = (self.code.clone(), self.data.clone());
        parts.heap = (self.heap + memory) as u32;
        let pixels = parts.pixels();
        match Header::parse(&pixels) {
            Ok(_) => Ok(pixels),
            Err(_) if !self.errors.is_empty() => Ok(pixels),
            Err(error) => Err(self.last.error(error.to_string())),
        }
    }

    /// The texts without labels lie behind all other data.
    fn place_literals(&mut self) -> Result<(), LineError> {
        for bytes in std::mem::take(&mut self.literals) {
            let place = self.address(Section::Data, self.data.len());
            self.data.extend(pack(&bytes));
            self.names.literals.insert(bytes, Some(place));
        }
        self.check_memory((self.code.len() + self.data.len()) as u64)
    }

    fn check_memory(&self, pixels: u64) -> Result<(), LineError> {
        if pixels <= MAX_PIXELS {
            return Ok(());
        }
        let span = self.wishes.memory.map_or(self.last, |(_, span)| span);
        let message = format!("the module wants {pixels} pixels, at most {MAX_PIXELS} are there");
        Err(span.error(message))
    }

    /// Code and data as they are now, tables with addresses still missing.
    fn parts(&self) -> Parts {
        let wishes = &self.wishes;
        let functions = wishes.exports.iter().map(|(_, name)| name.clone());
        let imports = wishes.imports.iter().map(|import| (&import.path, &import.function));
        Parts {
            code: self.code.clone(),
            data: self.data.clone(),
            frame: wishes.frame,
            functions: functions.map(|name| Function { name, address: 0 }).collect(),
            imports: imports
                .map(|(path, name)| Import { slot: 0, path: path.clone(), name: name.clone() })
                .collect(),
            requires: wishes.requires.clone(),
            ..Parts::default()
        }
    }

    /// `__heap`: the first pixel behind the heap's names; `__end`: behind the memory.
    fn define_ends(&mut self, memory: u64) -> Result<(), LineError> {
        let ends = [("__heap", self.heap), ("__end", self.heap + memory)];
        for (name, n) in ends {
            let value = Num { n: n as i64, bases: [0, 1] };
            let symbol = Symbol { value, what: What::Builtin, span: None, bytes: None };
            let name: Rc<str> = name.into();
            if let Some(span) = self.names.get(&name).and_then(|old| old.span) {
                return Err(span.error(format!("{name} is a name of the assembler")));
            }
            self.names.define(&name, symbol)?;
        }
        Ok(())
    }

    fn addresses(&mut self, parts: &mut Parts, code_end: i64, end: i64) -> Result<(), LineError> {
        let zero = Num::plain(0);
        for (function, (label, _)) in parts.functions.iter_mut().zip(&self.wishes.exports) {
            let address = self.names.number(label, zero, HEADER.into(), code_end - 1);
            let address = address.map_err(|fault| not_code(fault, label))?;
            function.address = address as u32;
        }
        for (import, ImportOf { slot, .. }) in parts.imports.iter_mut().zip(&self.wishes.imports) {
            let slot = self.names.number(slot, zero, HEADER.into(), end - 1);
            import.slot = slot.map_err(Fault::into_error)? as u32;
        }
        Ok(())
    }

    fn fix_all(&mut self) {
        for fixup in std::mem::take(&mut self.fixups) {
            if self.errors.len() == MAX_ERRORS {
                return;
            }
            let Fixup { section, index, count, cell, chain } = fixup;
            let here = self.address(section, index);
            match self.names.encode(&cell, here) {
                Ok(pixel) => {
                    let pixels =
                        if section == Section::Data { &mut self.data } else { &mut self.code };
                    pixels[index..index + count].fill(pixel);
                }
                Err(fault) => self.report_in(fault.into_error(), chain.as_ref()),
            }
        }
    }

    /// Gives the pixels a width and a height: what is asked for, else nearly square.
    fn shape(&self, mut pixels: Vec<Pixel>) -> Result<Raster, LineError> {
        let used = pixels.len().max(1);
        let (width, height) = match (self.options.width, self.wishes.size) {
            (Some(width), _) => (width, None),
            (None, Some(size)) => size,
            (None, None) => ((used as f64).sqrt().ceil() as u32, None),
        };
        let place = Span { column: 1, length: 1, ..self.last };
        if width == 0 || u64::from(width) > MAX_PIXELS {
            return Err(place.error(format!("width {width} is out of range: 1 to {MAX_PIXELS}")));
        }
        let rows = used.div_ceil(width as usize);
        let height = height.map_or(rows, |height| height as usize);
        if rows > height {
            let message = format!("{used} pixels do not fit the .size of {width}x{height}");
            return Err(place.error(message));
        }
        if width as u64 * height as u64 > MAX_PIXELS {
            let message = format!("{width}x{height} is more than {MAX_PIXELS} pixels");
            return Err(place.error(message));
        }
        pixels.resize(width as usize * height, Pixel::BACKGROUND);
        Raster::new(width, height as u32, pixels).map_err(|error| place.error(error.to_string()))
    }
}

/// An error whose cause has been reported already.
const FOLLOWS: &str = "this follows from the errors above";

fn not_code(fault: Fault, label: &Expr) -> LineError {
    match (fault, label.ops.as_slice()) {
        (Fault::Wrong(_), [Op::Name(name, span)]) => {
            span.error(format!("{name} is not in the code, so it is no function"))
        }
        (fault, _) => fault.into_error(),
    }
}

/// The PHASE5 header: magic, version 1.0, entry low byte first, one function.
fn write_header(entry: u16, pixels: &mut Vec<Pixel>) {
    if pixels.len() == PHASE5_HEADER {
        // A module of nothing still needs a pixel for its entry to be in.
        pixels.push(Pixel::BACKGROUND);
    }
    let [low, high] = entry.to_le_bytes();
    pixels[0] = MAGIC;
    pixels[1] = Pixel::new(1, 0, 0, 0);
    pixels[2] = Pixel::new(low, high, 1, 0);
    pixels[3] = Pixel::default();
}
