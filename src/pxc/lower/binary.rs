//! Arithmetic, with CPython's results or none.

use ruff_python_ast::{Expr, ExprBinOp, Operator};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::{Op, V, Why};
use crate::pxc::types::Ty;
use crate::pxc::value::Value;
use crate::pxi::isa;

/// Largest number that is folded, in bits; what is larger is refused.
const MAX_FOLD: u32 = 100;

impl Lower<'_, '_> {
    pub(super) fn binary(&mut self, op: &ExprBinOp, want: Option<&Ty>) -> Res<Value> {
        if let Some(value) = self.masked(op)? {
            return Ok(value);
        }
        if let (Expr::List(list), Operator::Mult) = (&*op.left, op.op) {
            return self.filled(list, &op.right, want);
        }
        let left = self.expr(&op.left)?;
        self.binary_with(left, op.op, &op.right, op)
    }

    /// An operation whose left side is there already.
    pub(super) fn binary_with(
        &mut self,
        left: Value,
        op: Operator,
        right: &Expr,
        whole: impl Ranged,
    ) -> Res<Value> {
        if left.ty.has_length() {
            return self.join(left, op, right, whole);
        }
        let right_value = self.expr(right)?;
        if left.ty == Ty::Bool && right_value.ty == Ty::Bool && is_bitwise(op) {
            return self.bitwise_bool(left, op, right_value);
        }
        let left = self.number(left, whole.range())?;
        let right_value = self.number(right_value, right)?;
        if let (Some(a), Some(b)) = (left.known(), right_value.known()) {
            return self.folded(a, op, b, whole);
        }
        match op {
            Operator::Pow => self.power(left, &right_value, whole),
            Operator::LShift | Operator::RShift => self.shift(left, op, right_value, whole),
            Operator::Div => {
                self.refuse(whole, "division with `/` gives a float, which is", "write //")
            }
            Operator::MatMult => self.refuse(whole, "`@` is", ""),
            _ => self.arithmetic(left, op, right_value, whole),
        }
    }

    fn bitwise_bool(&mut self, left: Value, op: Operator, right: Value) -> Res<Value> {
        let (a, b) = (self.word(&left), self.word(&right));
        let v = self.three(bit_opcode(op), a, b);
        Ok(Value::reg(Ty::Bool, v))
    }

    pub(super) fn folded(&mut self, a: i128, op: Operator, b: i128, at: impl Ranged) -> Res<Value> {
        match fold(a, op, b) {
            Ok(number) => Ok(Value::number(number)),
            Err("") => self.refuse(at, "division with `/` gives a float, which is", "write //"),
            Err(message) => Err(self.error(at, message, "")),
        }
    }

    /// The type that both sides provably have.
    pub(super) fn common(&mut self, a: &Value, b: &Value, at: impl Ranged) -> Res<Ty> {
        let known = |value: &Value| value.known().is_some();
        let order = match (&a.ty, &b.ty) {
            // The type of a variable counts more than that of a number.
            (Ty::U32, _) if !known(a) => [Ty::U32, Ty::Int],
            (_, Ty::U32) if !known(b) => [Ty::U32, Ty::Int],
            _ => [Ty::Int, Ty::U32],
        };
        if let Some(ty) = order.into_iter().find(|ty| a.fits(ty) && b.fits(ty)) {
            return Ok(ty);
        }
        for value in [a, b] {
            if let Some(number) = value.known() {
                let message = format!("{number} does not fit the other side, which is int or u32");
                return Err(self.error(at, message, ""));
            }
        }
        let help = "write u32(...) or int(...) around one side; for CPython u32 is int";
        Err(self.error(at, "int and u32 are mixed", help))
    }

    fn arithmetic(&mut self, a: Value, op: Operator, b: Value, at: impl Ranged) -> Res<Value> {
        let ty = self.common(&a, &b, at)?;
        let range = result_range(&a, op, &b, &ty);
        let v = match self.immediate(&a, op, &b, &ty) {
            Some(v) => v,
            None => {
                let opcode = opcode(op, &ty);
                let (a, b) = (self.word(&a), self.word(&b));
                self.three(opcode, a, b)
            }
        };
        Ok(Value::reg(ty, v).within(range.0, range.1))
    }

    /// Sums and masks with a small number are one instruction.
    fn immediate(&mut self, a: &Value, op: Operator, b: &Value, ty: &Ty) -> Option<V> {
        let (a, number) = match (a.known(), b.known(), op) {
            (_, Some(number), Operator::Sub) => (a, -number),
            (_, Some(number), Operator::Add | Operator::BitAnd) => (a, number),
            (Some(number), _, Operator::Add | Operator::BitAnd) => (b, number),
            _ => return None,
        };
        let number = i16::try_from(number).ok()?;
        let opcode = match (op, ty) {
            (Operator::BitAnd, _) => Some(isa::ANDI).filter(|_| (0..=255).contains(&number))?,
            _ if !(-128..=127).contains(&number) => return None,
            (_, Ty::U32) => isa::ADDIU,
            _ => isa::ADDIV,
        };
        let a = self.word(a);
        Some(self.imm(opcode, a, number))
    }

    fn shift(&mut self, a: Value, op: Operator, count: Value, at: impl Ranged) -> Res<Value> {
        let left = op == Operator::LShift;
        let ty = if a.known().is_some() && !a.fits(&Ty::Int) { Ty::U32 } else { a.ty.clone() };
        self.check(&a, &ty, at.range(), "this")?;
        if count.range.1 < 0 {
            return Err(self.error(at, "negative shift count", ""));
        }
        let v = self.word(&a);
        if let Some(number) = count.known().filter(|_| !left) {
            let opcode = if ty == Ty::U32 { isa::SHRI } else { isa::SARI };
            let by = number.min(255) as u32;
            let v = self.imm(opcode, v, by as i16);
            let by = by.min(63);
            return Ok(Value::reg(ty, v).within(a.range.0 >> by, a.range.1 >> by));
        }
        let by = self.shift_count(&count, at)?;
        let opcode = match (left, &ty) {
            (true, Ty::U32) => isa::SHLU,
            (true, _) => isa::SHLV,
            (false, Ty::U32) => isa::SHR,
            (false, _) => isa::SAR,
        };
        let v = self.three(opcode, v, by);
        let value = Value::reg(ty.clone(), v);
        let low = if a.is_natural() { 0 } else { ty.range().0 };
        let high = if left { ty.range().1 } else { a.range.1.max(0) };
        Ok(value.within(low, high))
    }

    /// A count that is not negative, or the program stops.
    pub(super) fn shift_count(&mut self, count: &Value, at: impl Ranged) -> Res<V> {
        if count.known().is_some_and(|number| number > u32::MAX.into()) {
            return Err(self.error(at, "the shift count does not fit in 32 bits", ""));
        }
        let by = self.word(count);
        if !count.is_natural() {
            let fail = self.fail(Why::Shift);
            let zero = self.li(0);
            self.op(Op::Branch(isa::BLT, by, zero, fail));
        }
        Ok(by)
    }

    fn power(&mut self, base: Value, exponent: &Value, at: impl Ranged) -> Res<Value> {
        let Some(times) = exponent.known() else {
            return self.refuse(
                at,
                "`**` with an exponent that is not constant is",
                "multiply in a loop",
            );
        };
        if !(0..=64).contains(&times) {
            return self.refuse(at, "`**` with such an exponent is", "0 to 64");
        }
        if times == 0 {
            return Ok(Value::number(1));
        }
        let opcode = if base.ty == Ty::U32 { isa::MULU } else { isa::MULV };
        let v = self.word(&base);
        let result = (1..times).fold(v, |result, _| self.three(opcode, result, v));
        if times == 1 { Ok(base) } else { Ok(Value::reg(base.ty, result)) }
    }
}

fn is_bitwise(op: Operator) -> bool {
    matches!(op, Operator::BitAnd | Operator::BitOr | Operator::BitXor)
}

pub(super) fn bit_opcode(op: Operator) -> u8 {
    match op {
        Operator::BitAnd => isa::AND,
        Operator::BitOr => isa::OR,
        _ => isa::XOR,
    }
}

fn opcode(op: Operator, ty: &Ty) -> u8 {
    let unsigned = *ty == Ty::U32;
    match op {
        Operator::Add if unsigned => isa::ADDU,
        Operator::Add => isa::ADDV,
        Operator::Sub if unsigned => isa::SUBU,
        Operator::Sub => isa::SUBV,
        Operator::Mult if unsigned => isa::MULU,
        Operator::Mult => isa::MULV,
        Operator::FloorDiv if unsigned => isa::DIVU,
        Operator::FloorDiv => isa::DIVF,
        Operator::Mod if unsigned => isa::REMU,
        Operator::Mod => isa::MODF,
        other => bit_opcode(other),
    }
}

/// What CPython gives for two known numbers; an empty message: a float.
pub(super) fn fold(a: i128, op: Operator, b: i128) -> Result<i128, &'static str> {
    const LARGE: &str = "the number becomes too large to be computed here";
    let small = |number: i128| number.unsigned_abs() >> MAX_FOLD == 0;
    let shift = || u32::try_from(b).map_err(|_| "negative shift count, or one too large");
    let result = match op {
        Operator::Add => a.checked_add(b),
        Operator::Sub => a.checked_sub(b),
        Operator::Mult => a.checked_mul(b),
        Operator::FloorDiv | Operator::Mod if b == 0 => return Err("division by zero"),
        Operator::FloorDiv => Some(a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)),
        Operator::Mod => {
            Some(a - b * (a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)))
        }
        Operator::BitAnd => Some(a & b),
        Operator::BitOr => Some(a | b),
        Operator::BitXor => Some(a ^ b),
        Operator::RShift => Some(a >> shift()?.min(127)),
        Operator::LShift => {
            let by = shift()?;
            if a == 0 {
                Some(0)
            } else {
                1i128.checked_shl(by).filter(|_| by < 100).and_then(|f| a.checked_mul(f))
            }
        }
        Operator::Pow => u32::try_from(b)
            .map_err(|_| "a negative exponent gives a float")
            .map(|by| a.checked_pow(by))?,
        _ => return Err(""),
    };
    result.filter(|number| small(*number)).ok_or(LARGE)
}

/// What the result can be, as far as that is easily said.
fn result_range(a: &Value, op: Operator, b: &Value, ty: &Ty) -> (i64, i64) {
    let ((a0, a1), (b0, b1)) = (a.range, b.range);
    let bits = |high: i64| (1i64 << (64 - high.leading_zeros())) - 1;
    match op {
        Operator::Add => (a0 + b0, a1 + b1),
        Operator::Sub => (a0 - b1, a1 - b0),
        Operator::Mult => {
            let products = [a0, a1].map(|a| [b0, b1].map(|b| i128::from(a) * i128::from(b)));
            let all = products.as_flattened().iter();
            let clamp = |n: Option<&i128>| n.map_or(0, |n| (*n).clamp(-(1 << 62), 1 << 62) as i64);
            (clamp(all.clone().min()), clamp(all.max()))
        }
        Operator::Mod if b0 > 0 => (0, b1 - 1),
        Operator::FloorDiv if b0 > 0 && a0 >= 0 => (a0 / b1, a1 / b0),
        Operator::BitAnd if a0 >= 0 && b0 >= 0 => (0, a1.min(b1)),
        Operator::BitAnd if a0 >= 0 => (0, a1),
        Operator::BitAnd if b0 >= 0 => (0, b1),
        Operator::BitOr | Operator::BitXor if a0 >= 0 && b0 >= 0 => (0, bits(a1 | b1)),
        _ => ty.range(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_are_computed_as_cpython_does() {
        let cases = [
            (7, Operator::FloorDiv, -2, -4),
            (-7, Operator::FloorDiv, 2, -4),
            (-7, Operator::FloorDiv, -2, 3),
            (7, Operator::Mod, -2, -1),
            (-7, Operator::Mod, 2, 1),
            (-7, Operator::Mod, -2, -1),
            (6, Operator::Mod, -2, 0),
            (1, Operator::LShift, 40, 1 << 40),
            (-5, Operator::RShift, 1, -3),
            (-2, Operator::Pow, 5, -32),
        ];
        for (a, op, b, expected) in cases {
            assert_eq!(fold(a, op, b), Ok(expected), "{a} {op:?} {b}");
        }
        assert!(fold(2, Operator::Pow, 200).is_err());
        assert!(fold(1, Operator::LShift, -1).is_err());
    }
}
