//! The types of the subset. Every name has one; every value is one word.

use std::fmt;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ty {
    /// 32 bits with a sign.
    Int,
    /// 32 bits without a sign; an `int` for CPython.
    U32,
    /// 0 or 1.
    Bool,
    /// Text that does not change.
    Str,
    /// Bytes that do not change.
    Bytes,
    /// Bytes that change.
    ByteArray,
    /// As many words as it was made with.
    List(Box<Ty>),
    /// Several values, only as what a function gives.
    Tuple(Vec<Ty>),
    /// No value.
    None,
}

impl Ty {
    /// Whether it is a number for CPython, too.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::U32 | Self::Bool)
    }

    /// Whether it has bytes: a text, bytes, or a bytearray.
    pub(super) fn has_bytes(&self) -> bool {
        matches!(self, Self::Str | Self::Bytes | Self::ByteArray)
    }

    /// Whether it has a length.
    pub(super) fn has_length(&self) -> bool {
        self.has_bytes() || matches!(self, Self::List(_))
    }

    /// The least and the greatest value of a number.
    pub(super) fn range(&self) -> (i64, i64) {
        match self {
            Self::Bool => (0, 1),
            Self::U32 => (0, u32::MAX.into()),
            _ => (i32::MIN.into(), i32::MAX.into()),
        }
    }

    /// How many words a function gives.
    pub(super) fn words(&self) -> &[Ty] {
        match self {
            Self::None => &[],
            Self::Tuple(types) => types,
            one => std::slice::from_ref(one),
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int => f.write_str("int"),
            Self::U32 => f.write_str("u32"),
            Self::Bool => f.write_str("bool"),
            Self::Str => f.write_str("str"),
            Self::Bytes => f.write_str("bytes"),
            Self::ByteArray => f.write_str("bytearray"),
            Self::List(of) => write!(f, "list[{of}]"),
            Self::None => f.write_str("None"),
            Self::Tuple(types) => {
                let names: Vec<_> = types.iter().map(ToString::to_string).collect();
                write!(f, "tuple[{}]", names.join(", "))
            }
        }
    }
}
