//! Pixels at the end of their section, or their place if names are missing.

use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Op};
use super::layout::{Assembler, Fixup, Origin, must_be_known};
use super::names::Fault;
use super::pseudo;
use super::statement::{Cell, Piece, Section, Simple, Value};
use crate::pxi::Pixel;
use crate::pxi::raster::MAX_PIXELS;

impl Assembler<'_> {
    pub(super) fn code_pieces(&mut self, pieces: Vec<Piece>, span: Span) -> Result<(), LineError> {
        for piece in pieces {
            match piece {
                Piece::Cell(cell) => self.put(cell, 1, span)?,
                Piece::Set(register, value) => {
                    let cells = self.set_cells(register, &value)?;
                    self.put_all(cells, span)?;
                }
            }
        }
        Ok(())
    }

    /// One instruction if the value is known to be small, else two.
    fn set_cells(&self, register: u8, value: &Expr) -> Result<Vec<Cell>, LineError> {
        let (least, most) = (i64::from(i32::MIN), i64::from(u32::MAX));
        let small = match self.names.number(value, self.here(), least, most) {
            Ok(known) => (-(1 << 19)..1 << 19).contains(&known),
            Err(Fault::Unknown(_)) => false,
            Err(Fault::Wrong(error)) => return Err(error),
        };
        Ok(pseudo::set(register, value, small))
    }

    pub(super) fn ascii(&mut self, bytes: &[u8], span: Span) -> Result<(), LineError> {
        for name in std::mem::take(&mut self.pending) {
            self.names.set_bytes(&name, bytes.len());
        }
        self.put_all(crate::pxi::pxim2::pack(bytes).map(Cell::Known).collect(), span)
    }

    pub(super) fn put_all(&mut self, cells: Vec<Cell>, span: Span) -> Result<(), LineError> {
        for cell in cells {
            self.put(cell, 1, span)?;
        }
        Ok(())
    }

    /// So many pixels of one kind at the end of the section.
    pub(super) fn put(&mut self, cell: Cell, count: usize, span: Span) -> Result<(), LineError> {
        self.check_room(count, span)?;
        if self.section == Section::Heap {
            if !matches!(cell, Cell::Known(pixel) if pixel == Pixel::default()) {
                let error = span.error("the heap holds no pixels of the module");
                return Err(error.note("there are .space, .org and labels in it", None));
            }
            self.heap += count as u64;
            return Ok(());
        }
        self.note_literals(&cell);
        let (section, index) = (self.section, self.taken());
        let known = self.names.encode(&cell, self.here());
        let pixel = match known {
            Ok(pixel) => pixel,
            Err(Fault::Wrong(error)) => {
                // The pixel keeps its place, so that other addresses stay right.
                self.grow(Pixel::default(), count);
                return Err(error);
            }
            Err(Fault::Unknown(_)) => {
                let chain = self.chain.clone();
                self.fixups.push(Fixup { section, index, count, cell, chain });
                Pixel::default()
            }
        };
        self.note_origin(span, count);
        self.grow(pixel, count);
        Ok(())
    }

    fn note_origin(&mut self, span: Span, count: usize) {
        let (file, line, section) = (span.file, span.line, self.section);
        let index = self.taken() as u32;
        let same = |last: &Origin| (last.file, last.line, last.section) == (file, line, section);
        if count > 0 && !self.origins.last().is_some_and(same) {
            self.origins.push(Origin { section, index, file, line });
        }
    }

    fn grow(&mut self, pixel: Pixel, count: usize) {
        let pixels = if self.section == Section::Data { &mut self.data } else { &mut self.code };
        pixels.resize(pixels.len() + count, pixel);
    }

    fn check_room(&self, count: usize, span: Span) -> Result<(), LineError> {
        let used = (self.code.len() + self.data.len()) as u64 + self.heap;
        if used + count as u64 > MAX_PIXELS {
            let message = format!("the program has more than {MAX_PIXELS} pixels");
            return Err(span.error(message).fatal());
        }
        Ok(())
    }

    /// Texts that the cell names get a place in the data, each once.
    fn note_literals(&mut self, cell: &Cell) {
        let Cell::Instruction(simple) = cell else { return };
        let Simple { operands, .. } = &**simple;
        for operand in operands {
            let Value::Expr(expr) = operand else { continue };
            if let [Op::Literal(bytes)] = expr.ops.as_slice()
                && self.names.reserve_literal(bytes)
            {
                self.literals.push(bytes.clone());
            }
        }
    }

    pub(super) fn org(&mut self, address: &Expr, span: Span) -> Result<(), LineError> {
        let distance = self.names.distance(address, self.here()).map_err(must_be_known)?;
        let here = self.here().n;
        let Ok(count) = usize::try_from(distance) else {
            let at = here.saturating_add(distance);
            let message = format!(".org {at} lies behind: {here} pixels are taken");
            return Err(address.span.error(message));
        };
        if self.section == Section::Heap {
            return self.put(Cell::Known(Pixel::default()), count, span);
        }
        self.put(Cell::Known(Pixel::BACKGROUND), count.min(MAX_PIXELS as usize + 1), span)
    }
}
