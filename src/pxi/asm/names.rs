//! Names and their values.
//!
//! Where data and heap begin is known only when all code is. Until then a label
//! in them is a distance from their start, and differences of such labels are
//! plain numbers.

use std::collections::HashMap;
use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::eval::too_large;
use super::expr::{Expr, Op};
use crate::pxi::isa::calls::CallError;

/// A number, plus so many times the start of data and of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Num {
    pub(super) n: i64,
    pub(super) bases: [i64; 2],
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Label,
    Constant,
    Import,
    /// Not from the source.
    Builtin,
}

/// A name's value and where it is defined.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub(super) value: Num,
    pub(super) what: What,
    pub(super) span: Option<Span>,
    /// Bytes of the text that lies there.
    pub(super) bytes: Option<i64>,
}

/// Why an expression has no value.
#[derive(Debug)]
pub(super) enum Fault {
    /// Not yet: it may have one at the end.
    Unknown(LineError),
    /// It never has one.
    Wrong(LineError),
}

impl Fault {
    pub(super) fn into_error(self) -> LineError {
        match self {
            Self::Unknown(error) | Self::Wrong(error) => error,
        }
    }
}

impl From<LineError> for Fault {
    fn from(error: LineError) -> Self {
        Self::Wrong(error)
    }
}

impl Num {
    pub(super) const fn plain(n: i64) -> Self {
        Self { n, bases: [0, 0] }
    }

    pub(super) fn is_plain(self) -> bool {
        self.bases == [0, 0]
    }

    pub(super) fn scaled(self, factor: i64) -> Option<Self> {
        let [a, b] = self.bases;
        let bases = [a.checked_mul(factor)?, b.checked_mul(factor)?];
        Some(Self { n: self.n.checked_mul(factor)?, bases })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let [a, b] = self.bases;
        let bases = [a.checked_add(other.bases[0])?, b.checked_add(other.bases[1])?];
        Some(Self { n: self.n.checked_add(other.n)?, bases })
    }
}

/// Labels, constants and the texts without a label.
#[derive(Debug, Default)]
pub(super) struct Names {
    symbols: HashMap<Rc<str>, Symbol>,
    /// Where each text of the pool lies, once that is known.
    pub(super) literals: HashMap<Rc<[u8]>, Option<Num>>,
    /// Where data and heap begin, once that is known.
    pub(super) bases: Option<[i64; 2]>,
}

impl Names {
    /// The names that a source does not define: `E_NOT_FOUND` and the like.
    pub(super) fn with_errors() -> Self {
        let mut names = Self::default();
        for error in CallError::ALL {
            let value = Num::plain(error.code().into());
            let symbol = Symbol { value, what: What::Builtin, span: None, bytes: None };
            names.symbols.insert(error_name(*error).into(), symbol);
        }
        names
    }

    pub(super) fn get(&self, name: &str) -> Option<&Symbol> {
        self.symbols.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &Symbol)> {
        self.symbols.iter()
    }

    pub(super) fn define(&mut self, name: &Rc<str>, symbol: Symbol) -> Result<(), LineError> {
        if let Some(old) = self.symbols.get(name) {
            let Some(span) = symbol.span else { return Ok(()) };
            let error = span.error(format!("{name} is defined twice"));
            return Err(match old.span {
                Some(first) => error.note("defined here", Some(first)),
                None => error.note(format!("{name} is a name of the assembler"), None),
            });
        }
        self.symbols.insert(name.clone(), symbol);
        Ok(())
    }

    /// Whether a text of the pool is a new one.
    pub(super) fn reserve_literal(&mut self, bytes: &Rc<[u8]>) -> bool {
        let new = !self.literals.contains_key(bytes);
        if new {
            self.literals.insert(bytes.clone(), None);
        }
        new
    }

    pub(super) fn set_bytes(&mut self, name: &str, bytes: usize) {
        if let Some(symbol) = self.symbols.get_mut(name) {
            symbol.bytes = Some(bytes as i64);
        }
    }

    /// The value of an expression in a statement at an address.
    pub(super) fn value(&self, expr: &Expr, here: Num) -> Result<Num, Fault> {
        if let [Op::Number(value)] = expr.ops.as_slice() {
            return Ok(Num::plain(*value));
        }
        let mut stack = Vec::with_capacity(4);
        for op in &expr.ops {
            self.step(op, &mut stack, here, expr.span)?;
        }
        Ok(stack.pop().unwrap_or(Num::plain(0)))
    }

    /// The same, as a plain number.
    pub(super) fn plain(&self, expr: &Expr, here: Num) -> Result<i64, Fault> {
        self.flat(self.value(expr, here)?, expr.span)
    }

    /// The same, which must lie between `least` and `most`.
    pub(super) fn number(
        &self,
        expr: &Expr,
        here: Num,
        least: i64,
        most: i64,
    ) -> Result<i64, Fault> {
        let value = self.plain(expr, here)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let message = format!("{value} is out of range: {least} to {most}");
        Err(expr.span.error(message).into())
    }

    /// How far an address lies from another one.
    pub(super) fn distance(&self, expr: &Expr, here: Num) -> Result<i64, Fault> {
        let value = self.value(expr, here)?;
        let difference = here.scaled(-1).and_then(|minus| value.plus(minus));
        let difference = difference.ok_or_else(|| too_large(expr.span))?;
        self.flat(difference, expr.span)
    }

    pub(super) fn flat(&self, value: Num, span: Span) -> Result<i64, Fault> {
        if value.is_plain() {
            return Ok(value.n);
        }
        let Some([data, heap]) = self.bases else {
            let message = "where data and heap lie is not known before the end of the source";
            return Err(Fault::Unknown(span.error(message)));
        };
        let [a, b] = value.bases;
        let sum = || {
            let data = a.checked_mul(data)?;
            value.n.checked_add(data)?.checked_add(b.checked_mul(heap)?)
        };
        sum().ok_or_else(|| too_large(span).into())
    }
}

/// A name as the source has it: without what makes it unique.
pub(super) fn shown(name: &str) -> &str {
    let at = name.find('@').unwrap_or(0);
    name[at..].split('#').next().unwrap_or(name)
}

/// `E_NOT_FOUND` for `NotFound`.
fn error_name(error: CallError) -> String {
    let mut name = String::from("E");
    for c in format!("{error:?}").chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
