//! A line's tokens, read one after the other: names, registers, sets, texts.

use std::collections::HashMap;
use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::pseudo;
use super::text::Text;
use super::token::{Lexed, Token};
use crate::pxi::isa::{self, Isa, REGISTERS};

/// What the meaning of a line depends on.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) isa: Isa,
    /// Other names of registers.
    pub(super) aliases: HashMap<Rc<str>, u8>,
    /// The label to which local ones belong.
    pub(super) scope: Rc<str>,
}

pub(super) struct Parser<'a> {
    tokens: &'a [Lexed],
    at: usize,
    /// Just behind the line, for what is missing there.
    end: Span,
    pub(super) context: &'a Context,
}

impl<'a> Parser<'a> {
    pub(super) fn new(tokens: &'a [Lexed], end: Span, context: &'a Context) -> Self {
        Self { tokens, at: 0, end, context }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    pub(super) fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.at + 1).map(|(token, _)| token)
    }

    pub(super) fn skip(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    /// Where the next token stands.
    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |(_, span)| *span)
    }

    /// Where the last one stood.
    pub(super) fn last_span(&self) -> Span {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(self.end, |(_, span)| *span)
    }

    pub(super) fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(m)) if *m == mark);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, mark: &str, after: &str) -> Result<(), LineError> {
        if self.take(mark) { Ok(()) } else { Err(self.span().error(format!("'{mark}' {after}"))) }
    }

    /// Nothing is left.
    pub(super) fn finish(&self) -> Result<(), LineError> {
        if self.at == self.tokens.len() {
            return Ok(());
        }
        Err(self.span().error("nothing more is expected on this line"))
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// A word, whatever it means.
    pub(super) fn word(&mut self, message: &str) -> Result<(Rc<str>, Span), LineError> {
        let span = self.span();
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(span.error(message));
        };
        self.skip();
        Ok((word, span))
    }

    /// A name that may be used or defined.
    pub(super) fn any_name(&mut self, message: &str) -> Result<(Rc<str>, Span), LineError> {
        let (word, span) = self.word(message)?;
        Ok((self.name(&word, span)?, span))
    }

    /// A word as a name: checked, and with its scope if it is local.
    pub(super) fn name(&self, word: &Rc<str>, span: Span) -> Result<Rc<str>, LineError> {
        check_name(word, span, self.context)?;
        Ok(if word.starts_with('@') {
            format!("{}{word}", self.context.scope).into()
        } else {
            word.clone()
        })
    }

    pub(super) fn text(&mut self) -> Result<(Text, Span), LineError> {
        let span = self.span();
        let Some(Token::Text(text)) = self.peek().cloned() else {
            return Err(span.error("a text in double quotes is expected"));
        };
        self.skip();
        Ok((text, span))
    }

    pub(super) fn register(&mut self) -> Result<u8, LineError> {
        let span = self.span();
        let found = match self.peek() {
            Some(Token::Word(word)) => match self.context.aliases.get(word) {
                Some(&register) => Some(u32::from(register)),
                None => register_number(word),
            },
            _ => None,
        };
        let number = found.ok_or_else(|| span.error("a register R0 to R15 is expected"))?;
        self.skip();
        match u8::try_from(number) {
            Ok(number) if number < REGISTERS => Ok(number),
            _ => Err(span.error(format!("register R{number} does not exist (R0 to R15)"))),
        }
    }

    /// `{R1, R4-R6}` as bits.
    pub(super) fn register_set(&mut self) -> Result<i64, LineError> {
        self.expect("{", "expected: a set of registers such as {R6-R8, R10}")?;
        let mut set = 0;
        if self.take("}") {
            return Ok(set);
        }
        loop {
            let span = self.span();
            let first = self.register()?;
            let last = if self.take("-") { self.register()? } else { first };
            if last < first {
                let message = format!("R{last} comes before R{first}");
                return Err(span.to(self.last_span()).error(message));
            }
            set |= (first..=last).fold(0, |set, register| set | 1 << register);
            if !self.take(",") {
                break;
            }
        }
        self.expect("}", "expected behind a set of registers")?;
        Ok(set)
    }
}

/// A name must not look like anything else that assembly has.
pub(super) fn check_name(name: &str, span: Span, context: &Context) -> Result<(), LineError> {
    let what = if name.starts_with('.') {
        return Err(span.error("a name does not begin with a dot"));
    } else if register_number(name).is_some() {
        "register"
    } else if context.aliases.contains_key(name) {
        "register, by .alias,"
    } else if is_instruction(name, context.isa) && !name.contains(|c: char| c.is_lowercase()) {
        // In lower case it is one only where a statement begins, and functions
        // called `print` or `add` are common.
        "instruction"
    } else {
        return Ok(());
    };
    let article = if what.starts_with('i') { "an" } else { "a" };
    Err(span.error(format!("{name} is {article} {what} and cannot be a name")))
}

/// Whether a word is an instruction of the generation, built in ones included.
pub(super) fn is_instruction(name: &str, isa: Isa) -> bool {
    let real = isa::by_mnemonic(name).is_some_and(|instruction| instruction.is_in(isa));
    real || (isa == Isa::Pxi2 && pseudo::by_name(name).is_some())
}

/// The number of a word like R12; it may be a register that does not exist.
fn register_number(word: &str) -> Option<u32> {
    let digits = word.strip_prefix(['R', 'r'])?;
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok())?
}
