//! Expressions, evaluated step by step on a stack of numbers.

use super::diagnostic::{LineError, Span};
use super::expr::{Function, Op};
use super::names::{Fault, Names, Num, Symbol, shown};

impl Names {
    pub(super) fn step(
        &self,
        op: &Op,
        stack: &mut Vec<Num>,
        here: Num,
        span: Span,
    ) -> Result<(), Fault> {
        let pushed = match op {
            Op::Number(value) => Num::plain(*value),
            Op::Here => here,
            Op::Name(name, span) => self.symbol(name, *span)?.value,
            Op::Len(name, span) => self.length(name, *span)?,
            Op::Defined(name) => Num::plain(self.get(name).is_some().into()),
            Op::Literal(bytes) => match self.literals.get(bytes) {
                Some(Some(value)) => *value,
                _ => return Err(Fault::Unknown(span.error("the text has no place yet"))),
            },
            Op::Negate => pop(stack).scaled(-1).ok_or_else(|| too_large(span))?,
            Op::Invert => Num::plain(!self.flat(pop(stack), span)?),
            Op::Apply(function) => self.apply(*function, pop(stack), span)?,
            Op::Binary(mark, at) => {
                let (right, left) = (pop(stack), pop(stack));
                self.binary(mark, left, right, *at)?
            }
        };
        stack.push(pushed);
        Ok(())
    }

    fn symbol(&self, name: &str, span: Span) -> Result<&Symbol, Fault> {
        self.get(name).ok_or_else(|| {
            let message = format!("{} is not defined", shown(name));
            Fault::Unknown(span.error(message))
        })
    }

    fn length(&self, name: &str, span: Span) -> Result<Num, Fault> {
        let symbol = self.symbol(name, span)?;
        match symbol.bytes {
            Some(bytes) => Ok(Num::plain(bytes)),
            None => {
                let error = span.error(format!("{name} is not the label of an .ascii text"));
                Err(Fault::Wrong(error.note("defined here", symbol.span)))
            }
        }
    }

    fn apply(&self, function: Function, value: Num, span: Span) -> Result<Num, Fault> {
        if function == Function::Bytes {
            return value.scaled(4).ok_or_else(|| too_large(span).into());
        }
        let value = self.flat(value, span)?;
        Ok(Num::plain(match function {
            Function::Low => value & 255,
            Function::High => value >> 8 & 255,
            Function::LowHalf => value & 0xFFFF,
            Function::HighHalf => value >> 16 & 0xFFFF,
            Function::Bytes => value,
        }))
    }

    fn binary(&self, mark: &str, left: Num, right: Num, span: Span) -> Result<Num, Fault> {
        let linear = match mark {
            "+" => left.plus(right),
            "-" => right.scaled(-1).and_then(|right| left.plus(right)),
            "*" if right.is_plain() => left.scaled(right.n),
            "*" if left.is_plain() => right.scaled(left.n),
            _ => return self.plain_binary(mark, left, right, span),
        };
        linear.ok_or_else(|| too_large(span).into())
    }

    fn plain_binary(&self, mark: &str, left: Num, right: Num, span: Span) -> Result<Num, Fault> {
        let (a, b) = (self.flat(left, span)?, self.flat(right, span)?);
        if matches!(mark, "/" | "%") && b == 0 {
            return Err(span.error("division by zero").into());
        }
        if matches!(mark, "<<" | ">>") && !(0..64).contains(&b) {
            return Err(span.error(format!("a shift by {b} is out of range: 0 to 63")).into());
        }
        let value = match mark {
            "/" => a.checked_div(b),
            "%" => a.checked_rem(b),
            "<<" => i64::try_from(i128::from(a) << b).ok(),
            ">>" => Some(a >> b),
            "&" => Some(a & b),
            "^" => Some(a ^ b),
            "|" => Some(a | b),
            "==" => Some((a == b).into()),
            "!=" => Some((a != b).into()),
            "<" => Some((a < b).into()),
            ">" => Some((a > b).into()),
            "<=" => Some((a <= b).into()),
            ">=" => Some((a >= b).into()),
            _ => a.checked_mul(b),
        };
        value.map(Num::plain).ok_or_else(|| too_large(span).into())
    }
}

fn pop(stack: &mut Vec<Num>) -> Num {
    stack.pop().unwrap_or(Num::plain(0))
}

pub(super) fn too_large(span: Span) -> LineError {
    span.error("the result does not fit 64 bits")
}
