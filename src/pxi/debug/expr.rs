//! Expressions in commands: numbers, names, registers, memory, comparison.
//!
//! `R1 == 5 && [buffer + 2] < 'A'`: values are 64 bits inside; registers and
//! pixels count without sign, `signed(x)` gives the sign back, and `==` compares
//! the low 32 bits, so that `R1 == -1` means what it says.

use super::debugger::CommandError;
use super::names::Names;
use crate::pxi::Machine;

/// Parentheses and signs within each other.
const MAX_DEPTH: usize = 64;

/// An expression whose names are numbers already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    Number(i64),
    Register(usize),
    Pc,
    Base,
    StackHeight,
    Steps,
    Memory(Box<Expr>),
    Signed(Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
}

/// What two values give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    Differ,
    AtMost,
    AtLeast,
    Less,
    Greater,
    BitAnd,
    Plus,
    Minus,
    Times,
}

/// Longer ones first; the number is how strongly each binds.
const OPERATORS: &[(&str, Op, u8)] = &[
    ("||", Op::Or, 1),
    ("&&", Op::And, 2),
    ("==", Op::Equal, 3),
    ("!=", Op::Differ, 3),
    ("<=", Op::AtMost, 3),
    (">=", Op::AtLeast, 3),
    ("<", Op::Less, 3),
    (">", Op::Greater, 3),
    ("&", Op::BitAnd, 4),
    ("+", Op::Plus, 5),
    ("-", Op::Minus, 5),
    ("*", Op::Times, 6),
];

impl Expr {
    /// Reads a whole text.
    pub(super) fn parse(text: &str, names: &Names) -> Result<Self, CommandError> {
        let mut parser = Parser { rest: text.trim(), names, depth: 0 };
        let expr = parser.binary(0)?;
        match parser.rest.trim_start() {
            "" => Ok(expr),
            rest => Err(CommandError::new(format!("'{rest}' cannot be understood here"))),
        }
    }

    /// Its value now.
    pub(super) fn eval(&self, machine: &Machine) -> Result<i64, CommandError> {
        Ok(match self {
            Self::Number(number) => *number,
            Self::Register(n) => machine.registers()[*n].into(),
            Self::Pc => machine.pc() as i64,
            Self::Base => machine.window().start as i64,
            Self::StackHeight => machine.stack().len() as i64,
            Self::Steps => machine.steps() as i64,
            Self::Memory(address) => {
                let address = address.eval(machine)?;
                let at = usize::try_from(address).ok();
                let pixel = at.and_then(|at| machine.memory().pixels().get(at));
                pixel.ok_or_else(|| CommandError::outside(address))?.value().into()
            }
            Self::Signed(value) => i64::from(value.eval(machine)? as u32 as i32),
            Self::Not(value) => i64::from(value.eval(machine)? == 0),
            Self::Negative(value) => value.eval(machine)?.wrapping_neg(),
            Self::Binary(op, left, right) => {
                op.apply(left.eval(machine)?, || right.eval(machine))?
            }
        })
    }
}

impl Op {
    fn apply(
        self,
        left: i64,
        right: impl FnOnce() -> Result<i64, CommandError>,
    ) -> Result<i64, CommandError> {
        let value = match self {
            // The right side may be nonsense when the left one decides.
            Self::Or => left != 0 || right()? != 0,
            Self::And => left != 0 && right()? != 0,
            Self::Equal => left as u32 == right()? as u32,
            Self::Differ => left as u32 != right()? as u32,
            Self::AtMost => left <= right()?,
            Self::AtLeast => left >= right()?,
            Self::Less => left < right()?,
            Self::Greater => left > right()?,
            Self::BitAnd => return Ok(left & right()?),
            Self::Plus => return Ok(left.wrapping_add(right()?)),
            Self::Minus => return Ok(left.wrapping_sub(right()?)),
            Self::Times => return Ok(left.wrapping_mul(right()?)),
        };
        Ok(value.into())
    }
}

struct Parser<'t> {
    rest: &'t str,
    names: &'t Names,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn binary(&mut self, least: u8) -> Result<Expr, CommandError> {
        let mut left = self.unary()?;
        while let Some((text, op, strength)) = self.operator(least) {
            self.take(text.len());
            let right = self.binary(strength)?;
            left = Expr::Binary(op, left.into(), right.into());
        }
        Ok(left)
    }

    /// The operator that comes next, if it binds more strongly than `least`.
    fn operator(&mut self, least: u8) -> Option<(&'static str, Op, u8)> {
        self.rest = self.rest.trim_start();
        let found = OPERATORS.iter().find(|(text, ..)| self.rest.starts_with(text))?;
        (found.2 > least).then_some(*found)
    }

    fn take(&mut self, len: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    fn unary(&mut self) -> Result<Expr, CommandError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CommandError::new("the expression is nested too deeply"));
        }
        self.rest = self.rest.trim_start();
        let expr = match self.rest.chars().next() {
            None => Err(CommandError::new("an expression is missing")),
            Some('-') => self.behind(|value| Expr::Negative(value.into())),
            Some('!') => self.behind(|value| Expr::Not(value.into())),
            Some('[') => self.enclosed(']', |value| Expr::Memory(value.into())),
            Some('(') => self.enclosed(')', |value| value),
            Some('\'') => self.character(),
            Some(_) => self.word(),
        };
        self.depth -= 1;
        expr
    }

    fn behind(&mut self, make: impl FnOnce(Expr) -> Expr) -> Result<Expr, CommandError> {
        self.take(1);
        self.unary().map(make)
    }

    fn enclosed(
        &mut self,
        end: char,
        make: impl FnOnce(Expr) -> Expr,
    ) -> Result<Expr, CommandError> {
        self.take(1);
        let inner = self.binary(0)?;
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with(end) {
            return Err(CommandError::new(format!("a '{end}' is missing")));
        }
        self.take(1);
        Ok(make(inner))
    }

    fn character(&mut self) -> Result<Expr, CommandError> {
        let mut chars = self.rest.chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some(c), Some('\'')) => {
                self.take(2 + c.len_utf8());
                Ok(Expr::Number(u32::from(c).into()))
            }
            _ => Err(CommandError::new("a character is written as 'A'")),
        }
    }

    fn word(&mut self) -> Result<Expr, CommandError> {
        let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '$'));
        let len = self.rest.find(ends).unwrap_or(self.rest.len());
        if len == 0 {
            return Err(CommandError::new(format!("'{}' cannot be understood here", self.rest)));
        }
        let word = self.take(len);
        if word.eq_ignore_ascii_case("signed") && self.rest.trim_start().starts_with('(') {
            self.rest = self.rest.trim_start();
            return self.enclosed(')', |value| Expr::Signed(value.into()));
        }
        if let Some(value) = self.names.value_of(word) {
            return Ok(Expr::Number(value));
        }
        known(word)
            .ok_or_else(|| CommandError::new(format!("there is no register or name '{word}'")))
    }
}

fn known(word: &str) -> Option<Expr> {
    let lower = word.to_ascii_lowercase();
    Some(match lower.as_str() {
        "pc" => Expr::Pc,
        "base" => Expr::Base,
        "sp" => Expr::StackHeight,
        "steps" => Expr::Steps,
        _ => match register(&lower) {
            Some(n) => Expr::Register(n),
            None => Expr::Number(number(&lower)?),
        },
    })
}

/// The number of a register's name.
pub(super) fn register(word: &str) -> Option<usize> {
    let digits = word.strip_prefix(['r', 'R'])?;
    digits.parse().ok().filter(|n| *n < 16 && digits.len() <= 2)
}

fn number(word: &str) -> Option<i64> {
    if let Some(digits) = word.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    match word.strip_prefix("0b") {
        Some(digits) => i64::from_str_radix(digits, 2).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pxi::{Pixel, Raster};

    #[test]
    fn values_are_as_arithmetic_has_them() {
        let pixels = (0..4).map(Pixel::of_value).collect();
        let mut machine = Machine::new(Raster::new(4, 1, pixels).unwrap(), 0, 2);
        machine.registers_mut()[3] = u32::MAX;
        let cases = [
            ("1 + 2 * 3", Ok(7)),
            ("(1 + 2) * -3", Ok(-9)),
            ("10 - 3 - 2", Ok(5)),
            ("R3 == -1", Ok(1)),
            ("r3 < 0", Ok(0)),
            ("signed(R3) < 0", Ok(1)),
            ("[pc + 1]", Ok(3)),
            ("!0 && 0x10 == 0b10000", Ok(1)),
            ("0 && [99]", Ok(0)),
            ("1 || [99]", Ok(1)),
            ("'A' & 0x41", Ok(0x41)),
            ("[99]", Err("address 99 is outside the memory")),
            ("[-1]", Err("address -1 is outside the memory")),
            ("R16", Err("there is no register or name 'R16'")),
            ("1 +", Err("an expression is missing")),
            ("(1", Err("a ')' is missing")),
            ("1 2", Err("'2' cannot be understood here")),
            ("$", Err("there is no register or name '$'")),
            ("%", Err("'%' cannot be understood here")),
            ("99999999999999999999", Err("there is no register or name '99999999999999999999'")),
        ];
        for (text, expected) in cases {
            let parsed = Expr::parse(text, &Names::default());
            let value = parsed.and_then(|expr| expr.eval(&machine)).map_err(|e| e.to_string());
            assert_eq!(value, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn no_depth_of_nesting_reaches_the_stack() {
        for text in ["(".repeat(1 << 16), "-".repeat(1 << 16), "[!".repeat(1 << 16)] {
            let error = Expr::parse(&text, &Names::default()).unwrap_err();
            assert_eq!(error.to_string(), "the expression is nested too deeply");
        }
    }
}
