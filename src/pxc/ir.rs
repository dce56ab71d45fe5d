//! Machine instructions whose registers are not chosen yet.

use std::collections::HashMap;

/// A value that wants a register.
pub(super) type V = u32;
/// A place in the code of one function.
pub(super) type Label = u32;

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The module's first pixel.
    Base,
    /// A pixel of the data.
    Data(u32),
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A function of this module, by its number.
    Function(usize),
    /// The function whose address lies in that pixel of the data.
    Import(u32),
    /// The host.
    Sys(u16),
}

/// Why a program stops where CPython raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Why {
    /// IndexError.
    Index = 1,
    /// ValueError: a byte must be 0 to 255.
    Byte = 2,
    /// AssertionError.
    Assert = 3,
    /// ValueError: negative shift count.
    Shift = 4,
    /// No room left behind the module.
    Memory = 5,
    /// A value that does not fit the type.
    Range = 6,
    /// A text that is not ASCII where characters are counted.
    Ascii = 7,
    /// ValueError: chr() or a length that cannot be.
    Value = 8,
}

/// One operation. Results stand first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// result = number
    Li(V, u32),
    /// result = address
    Lea(V, Place),
    /// result = other
    Mov(V, V),
    /// opcode: result, two sources
    Three(u8, V, V, V),
    /// opcode: result, source, number
    Imm(u8, V, V, i16),
    /// opcode: value, address, number
    Put(u8, V, V, i16),
    /// opcode: result, base, index, length, where to go if the index is outside.
    /// A negative index counts from the end.
    Load(u8, V, V, V, V, Label),
    /// opcode: value, base, index, length, where to go if the index is outside
    Store(u8, V, V, V, V, Label),
    /// opcode with three sources and no result
    Take(u8, V, V, V),
    /// opcode with one source
    Use(u8, V),
    /// opcode with two results
    Two(u8, V, V),
    /// target, arguments, results
    Call(Target, Vec<V>, Vec<V>),
    /// a place
    Mark(Label),
    /// goes there
    Jump(Label),
    /// opcode: goes there if the two compare so
    Branch(u8, V, V, Label),
    /// goes there if the value is zero (true) or is not (false)
    Zero(bool, V, Label),
    /// gives values
    Return(Vec<V>),
    /// stops, with a reason
    Fail(Why),
    /// stops without one
    Halt,
}

impl Op {
    /// The values it writes.
    pub(super) fn defs(&self) -> Vec<V> {
        match self {
            Self::Li(d, _) | Self::Lea(d, _) | Self::Mov(d, _) => vec![*d],
            Self::Three(_, d, ..) | Self::Imm(_, d, ..) | Self::Load(_, d, ..) => vec![*d],
            Self::Two(_, a, b) => vec![*a, *b],
            Self::Call(_, _, results) => results.clone(),
            _ => Vec::new(),
        }
    }

    /// The values it reads.
    pub(super) fn uses(&self) -> Vec<V> {
        match self {
            Self::Mov(_, s) | Self::Imm(_, _, s, _) => vec![*s],
            Self::Three(_, _, a, b) | Self::Put(_, a, b, _) | Self::Branch(_, a, b, _) => {
                vec![*a, *b]
            }
            Self::Take(_, a, b, c) | Self::Load(_, _, a, b, c, _) => vec![*a, *b, *c],
            Self::Store(_, a, b, c, d, _) => vec![*a, *b, *c, *d],
            Self::Use(_, a) | Self::Zero(_, a, _) => vec![*a],
            Self::Call(_, args, _) => args.clone(),
            Self::Return(values) => values.clone(),
            _ => Vec::new(),
        }
    }

    /// Reads other values instead of some.
    pub(super) fn rename(&mut self, names: &HashMap<V, V>) {
        let one = |v: &mut V| *v = names.get(v).copied().unwrap_or(*v);
        match self {
            Self::Mov(_, s) | Self::Imm(_, _, s, _) | Self::Use(_, s) | Self::Zero(_, s, _) => {
                one(s);
            }
            Self::Three(_, _, a, b) | Self::Put(_, a, b, _) | Self::Branch(_, a, b, _) => {
                [a, b].into_iter().for_each(one);
            }
            Self::Take(_, a, b, c) | Self::Load(_, _, a, b, c, _) => {
                [a, b, c].into_iter().for_each(one);
            }
            Self::Store(_, a, b, c, d, _) => [a, b, c, d].into_iter().for_each(one),
            Self::Call(_, values, _) | Self::Return(values) => values.iter_mut().for_each(one),
            _ => {}
        }
    }

    /// Where it may go besides the next operation.
    pub(super) fn target(&self) -> Option<Label> {
        match self {
            Self::Jump(label) | Self::Branch(.., label) | Self::Zero(.., label) => Some(*label),
            Self::Load(.., label) | Self::Store(.., label) => Some(*label),
            _ => None,
        }
    }

    /// Whether the next operation is not reached from here.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::Jump(_) | Self::Return(_) | Self::Fail(_) | Self::Halt)
    }

    /// Writes its one result elsewhere, if it has one that is `from`.
    pub(super) fn redirect(&mut self, from: V, to: V) -> bool {
        let result = match self {
            Self::Li(d, _) | Self::Lea(d, _) | Self::Mov(d, _) => d,
            Self::Three(_, d, ..) | Self::Imm(_, d, ..) | Self::Load(_, d, ..) => d,
            Self::Call(_, _, results) if results.len() == 1 => &mut results[0],
            _ => return false,
        };
        if *result != from {
            return false;
        }
        *result = to;
        true
    }
}

/// A function in operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    /// Its operations, each with the line of the source it comes from.
    pub(super) ops: Vec<(Op, u32)>,
    /// Values used: 0 up to this.
    pub(super) values: u32,
    /// Labels used: 0 up to this.
    pub(super) labels: u32,
    /// The values that receive the arguments.
    pub(super) params: Vec<V>,
    /// Whether nobody needs the kept registers: the main program.
    pub(super) main: bool,
}
