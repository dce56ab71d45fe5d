//! Expressions: parsed to postfix, so that neither evaluating nor dropping one
//! recurses, however long it is.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::parser::Parser;
use super::token::Token;

/// How deep parentheses, functions and signs may be nested.
const MAX_DEPTH: usize = 32;

/// A number to be computed, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) ops: Vec<Op>,
    pub(super) span: Span,
}

/// One step of a computation on a stack of numbers.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Number(i64),
    Name(Rc<str>, Span),
    /// Bytes of the text at a label.
    Len(Rc<str>, Span),
    Defined(Rc<str>),
    /// Address of the text in the pool of literals.
    Literal(Rc<[u8]>),
    /// Address of the statement: a lone dot.
    Here,
    Negate,
    Invert,
    /// Binary, by its mark, and where that stands.
    Binary(&'static str, Span),
    /// lo, hi, bytes.
    Apply(Function),
}

/// What can be applied to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// Bits 0 to 7.
    Low,
    /// Bits 8 to 15.
    High,
    /// Four times.
    Bytes,
    /// Bits 0 to 15 of a number of 32 bits.
    LowHalf,
    /// Bits 16 to 31 of a number of 32 bits.
    HighHalf,
}

impl Expr {
    pub(super) fn number(value: i64, span: Span) -> Self {
        Self { ops: vec![Op::Number(value)], span }
    }

    pub(super) fn of(op: Op, span: Span) -> Self {
        Self { ops: vec![op], span }
    }

    pub(super) fn apply(&self, function: Function) -> Self {
        self.then(Op::Apply(function))
    }

    pub(super) fn negate(&self) -> Self {
        self.then(Op::Negate)
    }

    fn then(&self, op: Op) -> Self {
        let mut new = self.clone();
        new.ops.push(op);
        new
    }
}

/// How strongly a mark binds; none is no operator.
fn strength(mark: &str) -> Option<u8> {
    Some(match mark {
        "*" | "/" | "%" => 7,
        "+" | "-" => 6,
        "<<" | ">>" => 5,
        "&" => 4,
        "^" => 3,
        "|" => 2,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => 1,
        _ => return None,
    })
}

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Result<Expr, LineError> {
        let start = self.span();
        let mut ops = Vec::new();
        self.binary(&mut ops, 1, 0)?;
        Ok(Expr { ops, span: start.to(self.last_span()) })
    }

    /// An expression in which a bar ends it, as in an instruction's operands.
    pub(super) fn operand_expr(&mut self) -> Result<Expr, LineError> {
        let start = self.span();
        let mut ops = Vec::new();
        self.binary(&mut ops, 3, 0)?;
        Ok(Expr { ops, span: start.to(self.last_span()) })
    }

    fn binary(&mut self, ops: &mut Vec<Op>, least: u8, depth: usize) -> Result<(), LineError> {
        self.unary(ops, depth)?;
        while let Some(Token::Mark(mark)) = self.peek().cloned()
            && let Some(strength) = strength(mark)
            && strength >= least
        {
            let span = self.span();
            self.skip();
            self.binary(ops, strength + 1, depth)?;
            ops.push(Op::Binary(mark, span));
        }
        Ok(())
    }

    fn unary(&mut self, ops: &mut Vec<Op>, depth: usize) -> Result<(), LineError> {
        let span = self.span();
        if depth == MAX_DEPTH {
            return Err(span.error("nested too deeply"));
        }
        if self.take("-") {
            self.unary(ops, depth + 1)?;
            ops.push(Op::Negate);
        } else if self.take("~") {
            self.unary(ops, depth + 1)?;
            ops.push(Op::Invert);
        } else if self.take("+") {
            self.unary(ops, depth + 1)?;
        } else if self.take("(") {
            self.binary(ops, 1, depth + 1)?;
            self.expect(")", "expected")?;
        } else {
            self.atom(ops, span, depth)?;
        }
        Ok(())
    }

    fn atom(&mut self, ops: &mut Vec<Op>, span: Span, depth: usize) -> Result<(), LineError> {
        let message = "a number, a character or a name is expected";
        let op = match self.peek().cloned() {
            Some(Token::Number(value)) => Op::Number(value),
            Some(Token::Word(word)) if &*word == "." => Op::Here,
            Some(Token::Word(word)) if self.peek_second() == Some(&Token::Mark("(")) => {
                return self.function(ops, &word, span, depth);
            }
            Some(Token::Word(word)) => Op::Name(self.name(&word, span)?, span),
            _ => return Err(span.error(message)),
        };
        self.skip();
        ops.push(op);
        Ok(())
    }

    fn function(
        &mut self,
        ops: &mut Vec<Op>,
        word: &str,
        span: Span,
        depth: usize,
    ) -> Result<(), LineError> {
        self.skip();
        self.skip();
        let function = match word.to_ascii_lowercase().as_str() {
            "lo" => Function::Low,
            "hi" => Function::High,
            "bytes" => Function::Bytes,
            which @ ("len" | "defined") => {
                let (name, span) = self.any_name("a label is expected")?;
                ops.push(if which == "len" { Op::Len(name, span) } else { Op::Defined(name) });
                return self.expect(")", "expected");
            }
            _ => {
                let known = "there are lo(), hi(), bytes(), len() and defined()";
                return Err(span.error(format!("no function '{word}': {known}")));
            }
        };
        self.binary(ops, 1, depth + 1)?;
        self.expect(")", "expected")?;
        ops.push(Op::Apply(function));
        Ok(())
    }
}
