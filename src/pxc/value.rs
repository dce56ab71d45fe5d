//! What an expression is while it is compiled: a type, where its value lies,
//! and what is known about how large it can be.

use super::ir::V;
use super::types::Ty;

/// Where a value lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// It is this number, which may be larger than a word.
    Number(i128),
    /// It is this text or these bytes.
    Text(Vec<u8>),
    /// In a register.
    Reg(V),
    /// Several values, from a function.
    Words(Vec<Value>),
    /// Nowhere: there is none.
    Nothing,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) ty: Ty,
    pub(super) at: At,
    /// The least and the greatest number it can be.
    pub(super) range: (i64, i64),
}

impl Value {
    /// A number that is known.
    pub(super) fn number(number: i128) -> Self {
        let clamp = number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let ty = if number > i32::MAX.into() { Ty::U32 } else { Ty::Int };
        Self { ty, at: At::Number(number), range: (clamp, clamp) }
    }

    /// True or false.
    pub(super) fn bool(value: bool) -> Self {
        let number = i64::from(value);
        Self { ty: Ty::Bool, at: At::Number(number.into()), range: (number, number) }
    }

    /// A text that is known.
    pub(super) fn text(text: &str) -> Self {
        Self { ty: Ty::Str, at: At::Text(text.as_bytes().to_vec()), range: (0, 0) }
    }

    /// Bytes that are known.
    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { ty: Ty::Bytes, at: At::Text(bytes), range: (0, 0) }
    }

    /// What a register holds.
    pub(super) fn reg(ty: Ty, v: V) -> Self {
        let range = ty.range();
        Self { ty, at: At::Reg(v), range }
    }

    /// No value.
    pub(super) fn nothing() -> Self {
        Self { ty: Ty::None, at: At::Nothing, range: (0, 0) }
    }

    /// The same, known to be no less and no more.
    pub(super) fn within(mut self, low: i64, high: i64) -> Self {
        let (least, most) = self.ty.range();
        self.range = (low.clamp(least, most), high.clamp(least, most));
        self
    }

    /// The number, if it is known.
    pub(super) fn known(&self) -> Option<i128> {
        if let At::Number(number) = self.at { Some(number) } else { None }
    }

    /// Whether it is the same number as an `int` and as a `u32`.
    pub(super) fn fits(&self, ty: &Ty) -> bool {
        let (least, most) = ty.range();
        self.ty.is_number() && self.range.0 >= least && self.range.1 <= most
    }

    /// Whether it cannot be negative.
    pub(super) fn is_natural(&self) -> bool {
        self.range.0 >= 0
    }
}
