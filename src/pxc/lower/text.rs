//! Texts and bytes: literals, joining, slices, turning numbers into texts.

use ruff_python_ast::{Expr, ExprSlice, ExprStringLiteral, Operator};
use ruff_text_size::Ranged;

use super::{Lower, Res};
use crate::pxc::ir::V;
use crate::pxc::types::Ty;
use crate::pxc::value::{At, Value};
use crate::pxi::isa;

/// Longest text that is made by repeating one.
const MAX_TEXT: usize = 1 << 16;

impl Lower<'_, '_> {
    pub(super) fn text_literal(&mut self, literal: &ExprStringLiteral) -> Res<Value> {
        let text: String = literal.value.iter().map(|part| &*part.value).collect();
        // The parser gives this character for halves of surrogate pairs, which UTF-8 cannot say.
        if text.contains('\u{FFFD}') {
            return self.refuse(literal, "a text with U+FFFD or half a surrogate pair is", "");
        }
        Ok(Value::text(&text))
    }

    /// `+` and `*` whose left side is a text, bytes or a list.
    pub(super) fn join(
        &mut self,
        left: Value,
        op: Operator,
        right: &Expr,
        whole: impl Ranged,
    ) -> Res<Value> {
        if op == Operator::Mult {
            return self.repeat(left, right, whole);
        }
        let other = self.expr(right)?;
        let same = left.ty == other.ty
            || (left.ty.has_bytes()
                && left.ty != Ty::Str
                && other.ty.has_bytes()
                && other.ty != Ty::Str);
        if op != Operator::Add || !left.ty.has_bytes() || !same {
            let message =
                format!("this operation of {} and {} is not in the subset", left.ty, other.ty);
            return Err(self.error(
                whole,
                message,
                "print takes several values, write int or str(...)",
            ));
        }
        if let (At::Text(a), At::Text(b)) = (&left.at, &other.at)
            && a.len() + b.len() <= MAX_TEXT
        {
            return Ok(Value { at: At::Text([&a[..], &b[..]].concat()), ..left });
        }
        let function = if left.ty == Ty::Str { "_pxi_concat_str" } else { "_pxi_concat" };
        let args = vec![self.word(&left), self.word(&other)];
        let v = self.runtime(function, args, 1)[0];
        Ok(Value::reg(left.ty, v))
    }

    fn repeat(&mut self, left: Value, right: &Expr, whole: impl Ranged) -> Res<Value> {
        let times = self.expr(right)?;
        if let (At::Text(bytes), Some(times)) = (&left.at, times.known()) {
            let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
            if bytes.len().saturating_mul(times) > MAX_TEXT {
                let message = format!("a constant text of more than {MAX_TEXT} bytes");
                return Err(self.error(whole, message, ""));
            }
            return Ok(Value { at: At::Text(bytes.repeat(times)), ..left });
        }
        self.refuse(whole, "repeating this is", "[x] * n and constant texts can be repeated")
    }

    /// Length of a value that has one, in elements; of a text in characters.
    pub(super) fn length(&mut self, value: &Value) -> Value {
        if let At::Text(bytes) = &value.at {
            let count = if value.ty == Ty::Str { super::characters(bytes) } else { bytes.len() };
            return Value::number(count as i128);
        }
        let v = self.word(value);
        let v = self.imm(isa::LD, v, if value.ty == Ty::Str { -2 } else { -1 });
        Value::reg(Ty::Int, v).within(0, i64::from(u32::MAX >> 4))
    }

    /// A text's or a bytes' address in bytes, and its length in bytes.
    pub(super) fn byte_range(&mut self, value: &Value) -> [V; 2] {
        let v = self.word(value);
        let address = self.imm(isa::SHLI, v, 2);
        let length = match &value.at {
            At::Text(bytes) => self.li(bytes.len() as u32),
            _ => self.imm(isa::LD, v, -1),
        };
        [address, length]
    }

    /// `a[i:j]`: a copy.
    pub(super) fn slice(&mut self, of: &Value, slice: &ExprSlice) -> Res<Value> {
        if slice.step.is_some() {
            return self.refuse(slice, "a slice with a step is", "");
        }
        if !of.ty.has_bytes() {
            return self.refuse(slice, "a slice of a list is", "copy it in a loop");
        }
        let start = self.bound_or(slice.lower.as_deref(), 0)?;
        let stop = self.bound_or(slice.upper.as_deref(), i32::MAX as u32)?;
        let text = self.word(of);
        let function = if of.ty == Ty::Str { "_pxi_slice_str" } else { "_pxi_slice" };
        let v = self.runtime(function, vec![text, start, stop], 1)[0];
        Ok(Value::reg(of.ty.clone(), v))
    }

    fn bound_or(&mut self, bound: Option<&Expr>, without: u32) -> Res<V> {
        match bound {
            Some(bound) => {
                let value = self.expr(bound)?;
                let value = self.number(value, bound)?;
                self.check(&value, &Ty::Int, bound, "the bound of a slice")?;
                Ok(self.word(&value))
            }
            None => Ok(self.li(without)),
        }
    }

    /// `str(x)`.
    pub(super) fn str_of(&mut self, value: &Value, at: impl Ranged) -> Res<Value> {
        if let (Some(number), true) = (value.known(), value.ty != Ty::Bool) {
            return Ok(Value::text(&number.to_string()));
        }
        let function = match value.ty {
            Ty::Str => return Ok(value.clone()),
            Ty::Int => "_pxi_str",
            Ty::U32 => "_pxi_str_u32",
            Ty::Bool => "_pxi_str_bool",
            _ => {
                let message = format!("str() of {} is not in the subset", value.ty);
                return Err(self.error(at, message, ""));
            }
        };
        let v = self.word(value);
        let v = self.runtime(function, vec![v], 1)[0];
        Ok(Value::reg(Ty::Str, v))
    }
}
