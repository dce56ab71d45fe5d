//! The assembler's second pass: every name is known, pixels are written.

use std::collections::HashMap;

use super::diagnostic::LineError;
use super::statement::{Expr, ExprKind, Line, Statement, Value};
use super::{Diagnostic, MAX_ERRORS, Options, Plan};
use crate::pxi::isa::{self, Instruction, Kind};
use crate::pxi::module::{MAGIC, PHASE5_HEADER};
use crate::pxi::raster::MAX_PIXELS;
use crate::pxi::{Pixel, Raster};

/// Labels and constants.
pub(super) struct Names(pub(super) HashMap<String, i64>);

impl Names {
    pub(super) fn value(&self, expr: &Expr) -> Result<i64, LineError> {
        Ok(match &expr.kind {
            ExprKind::Number(value) => *value,
            ExprKind::Name(name) => *self.0.get(name).ok_or_else(|| {
                expr.span.error(format!("{name} is not defined, or not before this line"))
            })?,
            ExprKind::Low(inner) => self.value(inner)? & 255,
            ExprKind::High(inner) => self.value(inner)? >> 8 & 255,
            ExprKind::Sum(terms) => {
                let mut sum: i64 = 0;
                for (minus, term) in terms {
                    let value = self.value(term)?;
                    // Constants defined by sums of constants could otherwise grow without end.
                    let next = if *minus { sum.checked_sub(value) } else { sum.checked_add(value) };
                    sum = next.ok_or_else(|| expr.span.error("the sum does not fit 64 bits"))?;
                }
                sum
            }
        })
    }

    /// The value of an expression that must lie between `least` and `most`.
    pub(super) fn number(&self, expr: &Expr, least: i64, most: i64) -> Result<i64, LineError> {
        let value = self.value(expr)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(expr.span.error(format!("{value} is out of range: {least} to {most}")))
    }

    fn byte(&self, expr: &Expr) -> Result<u8, LineError> {
        Ok(self.number(expr, 0, 255)? as u8)
    }

    fn pixel(&self, channels: &[Expr; 4]) -> Result<Pixel, LineError> {
        let [r, g, b, a] = channels;
        Ok(Pixel::new(self.byte(r)?, self.byte(g)?, self.byte(b)?, self.byte(a)?))
    }

    fn instruction(
        &self,
        kind: &Instruction,
        operands: &[Value],
        ignored: &[Expr],
        address: usize,
    ) -> Result<Pixel, LineError> {
        let mut pixel = Pixel::from(kind.blank());
        for (operand, value) in kind.operands.iter().zip(operands) {
            let number = match value {
                Value::Register(register) => i64::from(*register),
                Value::Expr(expr) => {
                    // What is relative is written as an address.
                    let origin = if operand.kind == Kind::Relative { address as i64 } else { 0 };
                    let (least, most) = operand.range();
                    self.number(expr, least + origin, most + origin)? - origin
                }
            };
            pixel = operand.set(pixel, number);
        }
        let mut bytes = pixel.channels();
        for (argument, expr) in kind.ignored().zip(ignored) {
            bytes[argument] = self.byte(expr)?;
        }
        Ok(Pixel::from(bytes))
    }
}

/// Writes all pixels, then the header, then fills the picture's last row.
pub(super) fn emit(
    lines: &[(usize, Line)],
    plan: &Plan,
    options: Options,
) -> Result<Raster, Vec<Diagnostic>> {
    let mut pixels = vec![Pixel::BACKGROUND; plan.len];
    let mut errors = Vec::new();
    for ((number, line), &address) in lines.iter().zip(&plan.addresses) {
        if let Some((statement, _)) = &line.statement
            && let Err(error) = write(statement, &plan.names, address, &mut pixels[address..])
        {
            errors.push(error.at(*number));
        }
        if errors.len() == MAX_ERRORS {
            break;
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if plan.is_module {
        write_header(plan, &mut pixels);
    }
    shape(pixels, plan, options).map_err(|message| {
        let line = lines.last().map_or(1, |(number, _)| *number);
        vec![Diagnostic { line, column: 1, length: 1, message }]
    })
}

/// Writes one statement's pixels; `.org` and the like leave background.
fn write(
    statement: &Statement,
    names: &Names,
    address: usize,
    room: &mut [Pixel],
) -> Result<(), LineError> {
    match statement {
        Statement::Instruction { kind, operands, ignored } => {
            room[0] = names.instruction(kind, operands, ignored, address)?;
        }
        Statement::Pixel(channels) => room[0] = names.pixel(channels)?,
        Statement::Fill(count, channels) => {
            let count = names.number(count, 0, room.len() as i64)? as usize;
            let pixel = match channels {
                Some(channels) => names.pixel(channels)?,
                None => Pixel::BACKGROUND,
            };
            room[..count].fill(pixel);
        }
        Statement::Bytes(bytes) => {
            for (cell, byte) in room.iter_mut().zip(bytes) {
                *cell = Pixel::new(names.byte(byte)?, 0, 0, 255);
            }
        }
        Statement::Text(bytes) => {
            for (cell, &byte) in room.iter_mut().zip(bytes) {
                *cell = Pixel::new(byte, byte, byte, 255);
            }
        }
        Statement::Say(register, bytes) => {
            for (pair, &byte) in room.chunks_exact_mut(2).zip(bytes) {
                pair[0] = Pixel::new(isa::LOAD, *register, byte, 0);
                pair[1] = Pixel::new(isa::PRINT, *register, 0, 0);
            }
        }
        Statement::Size(..)
        | Statement::Module
        | Statement::Entry(_)
        | Statement::Org(_)
        | Statement::Equ(..) => {}
    }
    Ok(())
}

/// The PHASE5 header: magic, version 1.0, entry low byte first, one function.
fn write_header(plan: &Plan, pixels: &mut Vec<Pixel>) {
    if pixels.len() == PHASE5_HEADER {
        // A module of nothing still needs a pixel for its entry to be in.
        pixels.push(Pixel::BACKGROUND);
    }
    let [low, high] = (plan.entry.unwrap_or(PHASE5_HEADER) as u16).to_le_bytes();
    pixels[0] = MAGIC;
    pixels[1] = Pixel::new(1, 0, 0, 0);
    pixels[2] = Pixel::new(low, high, 1, 0);
    pixels[3] = Pixel::default();
}

/// Gives the pixels a width and a height: what is asked for, else nearly square.
fn shape(mut pixels: Vec<Pixel>, plan: &Plan, options: Options) -> Result<Raster, String> {
    let used = pixels.len().max(1);
    let (width, height) = match (options.width, plan.size) {
        (Some(width), _) => (width, None),
        (None, Some(size)) => size,
        (None, None) => ((used as f64).sqrt().ceil() as u32, None),
    };
    if width == 0 || u64::from(width) > MAX_PIXELS {
        return Err(format!("width {width} is out of range: 1 to {MAX_PIXELS}"));
    }
    let rows = used.div_ceil(width as usize);
    let height = height.map_or(rows, |height| height as usize);
    if rows > height {
        return Err(format!("{used} pixels do not fit the .size of {width}x{height}"));
    }
    if width as u64 * height as u64 > MAX_PIXELS {
        return Err(format!("{width}x{height} is more than {MAX_PIXELS} pixels"));
    }
    pixels.resize(width as usize * height, Pixel::BACKGROUND);
    Raster::new(width, height as u32, pixels).map_err(|error| error.to_string())
}
