//! Arithmetic under a mask: `(a * b + c) & 0xFFFFFFFF`.
//!
//! Sums, products, left shifts and bit operations of numbers modulo 2^32 give
//! the result modulo 2^32. So if a mask takes the upper bits away anyway, they
//! need not be right, and the plain instructions give what CPython gives.

use ruff_python_ast::{Expr, ExprBinOp, Operator, UnaryOp};
use ruff_text_size::Ranged;

use super::binary::bit_opcode;
use super::{Lower, Res};
use crate::pxc::ir::V;
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

impl Lower<'_, '_> {
    /// `x & MASK` and `x % 2**n`, if it is one of those.
    pub(super) fn masked(&mut self, op: &ExprBinOp) -> Res<Option<Value>> {
        let found = match op.op {
            Operator::BitAnd => match (self.known_number(&op.right), self.known_number(&op.left)) {
                (Some(mask), _) => Some((&*op.left, mask)),
                (_, Some(mask)) => Some((&*op.right, mask)),
                _ => None,
            },
            Operator::Mod => self
                .known_number(&op.right)
                .filter(|number| *number > 0 && number & (number - 1) == 0)
                .map(|number| (&*op.left, number - 1)),
            _ => None,
        };
        let Some((operand, mask)) = found.filter(|(_, mask)| (0..=0xFFFF_FFFF).contains(mask))
        else {
            return Ok(None);
        };
        if self.known_number(operand).is_some() {
            return Ok(None);
        }
        let v = self.wrapped(operand)?;
        let v = if mask == 0xFFFF_FFFF { v } else { self.mask(v, mask as u32) };
        let ty = if mask > i32::MAX.into() { Ty::U32 } else { Ty::Int };
        Ok(Some(Value::reg(ty, v).within(0, mask as i64)))
    }

    fn mask(&mut self, v: V, mask: u32) -> V {
        if mask <= 255 {
            return self.imm(isa::ANDI, v, mask as i16);
        }
        let mask = self.li(mask);
        self.three(isa::AND, v, mask)
    }

    /// The value of an expression modulo 2^32.
    fn wrapped(&mut self, expr: &Expr) -> Res<V> {
        if let Some(number) = self.known_number(expr) {
            return Ok(self.li(number as u32));
        }
        match expr {
            Expr::BinOp(op) if wraps(expr) => self.wrapped_binary(op),
            Expr::UnaryOp(op) if wraps(expr) => {
                let v = self.wrapped(&op.operand)?;
                let (opcode, other) =
                    if op.op == UnaryOp::Invert { (isa::XOR, u32::MAX) } else { (isa::SUBW, 0) };
                let other = self.li(other);
                Ok(self.three(opcode, other, v))
            }
            _ => {
                let value = self.expr(expr)?;
                let value = self.number(value, expr)?;
                Ok(self.word(&value))
            }
        }
    }

    fn wrapped_binary(&mut self, op: &ExprBinOp) -> Res<V> {
        let left = self.wrapped(&op.left)?;
        let opcode = match op.op {
            Operator::Add => isa::ADDW,
            Operator::Sub => isa::SUBW,
            Operator::Mult => isa::MULW,
            Operator::LShift => {
                let count = self.expr(&op.right)?;
                let count = self.number(count, &*op.right)?;
                if count.range.1 < 0 {
                    return Err(self.error(op.range(), "negative shift count", ""));
                }
                if let Some(by @ 0..=255) = count.known() {
                    return Ok(self.imm(isa::SHLI, left, by as i16));
                }
                let by = self.shift_count(&count, op)?;
                return Ok(self.three(isa::SHL, left, by));
            }
            other => bit_opcode(other),
        };
        let right = self.wrapped(&op.right)?;
        Ok(self.three(opcode, left, right))
    }

    /// The number that an expression is, if it is made of numbers and constants only.
    pub(super) fn known_number(&self, expr: &Expr) -> Option<i128> {
        let has = |name: &str| {
            let here = self.by_name.get(name).is_some_and(|number| self.flow.has(*number));
            if self.body.main { here } else { !self.names.is_local(name) }
        };
        self.program.known(expr, &has)
    }
}

/// Whether an operation can be done modulo 2^32.
fn wraps(expr: &Expr) -> bool {
    match expr {
        Expr::BinOp(op) => matches!(
            op.op,
            Operator::Add
                | Operator::Sub
                | Operator::Mult
                | Operator::LShift
                | Operator::BitAnd
                | Operator::BitOr
                | Operator::BitXor
        ),
        Expr::UnaryOp(op) => matches!(op.op, UnaryOp::USub | UnaryOp::Invert),
        _ => false,
    }
}
