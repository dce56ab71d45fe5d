//! A pixel from an instruction or a list of numbers, with the names known so far.

use super::diagnostic::LineError;
use super::expr::Expr;
use super::names::{Fault, Names, Num};
use super::statement::{Cell, Simple, Value};
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Instruction, Kind, Operand};

impl Names {
    /// The pixel that a cell is at an address.
    pub(super) fn encode(&self, cell: &Cell, here: Num) -> Result<Pixel, Fault> {
        Ok(match cell {
            Cell::Known(pixel) => *pixel,
            Cell::Instruction(simple) => self.instruction(simple, here)?,
            Cell::Byte(expr) => Pixel::new(self.byte(expr, here)?, 0, 0, 255),
            Cell::Word(expr) => {
                let least = i64::from(i32::MIN);
                let value = self.number(expr, here, least, u32::MAX.into())?;
                Pixel::of_value(value as u32)
            }
            Cell::Channels(channels) => {
                let [r, g, b, a] = &**channels;
                let byte = |expr| self.byte(expr, here);
                Pixel::new(byte(r)?, byte(g)?, byte(b)?, byte(a)?)
            }
        })
    }

    fn byte(&self, expr: &Expr, here: Num) -> Result<u8, Fault> {
        Ok(self.number(expr, here, 0, 255)? as u8)
    }

    fn instruction(&self, simple: &Simple, here: Num) -> Result<Pixel, Fault> {
        let kind = simple.kind;
        let mut pixel = Pixel::from(kind.blank());
        for (operand, value) in kind.operands.iter().zip(&simple.operands) {
            let number = match value {
                Value::Register(register) => i64::from(*register),
                Value::Expr(expr) => self.operand(kind, *operand, expr, here)?,
            };
            pixel = operand.set(pixel, number);
        }
        let mut bytes = pixel.channels();
        for (argument, expr) in kind.ignored().zip(&simple.ignored) {
            bytes[argument] = self.byte(expr, here)?;
        }
        Ok(Pixel::from(bytes))
    }

    fn operand(
        &self,
        kind: &Instruction,
        operand: Operand,
        expr: &Expr,
        here: Num,
    ) -> Result<i64, Fault> {
        let (least, most) = operand.range();
        if operand.kind == Kind::Relative {
            // What is relative is written as an address.
            let distance = self.distance(expr, here)?;
            return if (least..=most).contains(&distance) {
                Ok(distance)
            } else {
                Err(too_far(kind, expr, distance).into())
            };
        }
        let value = self.plain(expr, here)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(out_of_range(kind, operand, expr, value).into())
    }
}

fn too_far(kind: &Instruction, expr: &Expr, distance: i64) -> LineError {
    let name = kind.mnemonic;
    let error = expr.span.error(format!("the address is too far for {name}: {distance} pixels"));
    match kind.opcode {
        isa::LEA | isa::BRA | isa::BSR => error,
        _ => error.note("branch on the opposite over a BRA, which reaches all of it", None),
    }
}

fn out_of_range(kind: &Instruction, operand: Operand, expr: &Expr, value: i64) -> LineError {
    let (least, most) = operand.range();
    let error = expr.span.error(format!("{value} is out of range: {least} to {most}"));
    match (kind.opcode, operand.kind) {
        (isa::LI, _) => error.note("SET takes any number of 32 bits", None),
        (isa::ADDI | isa::ADDIV | isa::ADDIU, Kind::Signed) => {
            error.note("put the number into a register with SET", None)
        }
        (_, Kind::Call) => error.note("the system calls are in docs/pxi-isa.md", None),
        _ => error,
    }
}
