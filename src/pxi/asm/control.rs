//! Macros, conditions, repetitions and includes: what decides which lines are read.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::layout::Assembler;
use super::parser::{Parser, check_name};
use super::playback::{Body, Row};
use super::token::{Lexed, Token};

/// Repetitions that a .rept may ask for; what they make is bounded elsewhere.
const MAX_ROUNDS: i64 = 1 << 22;

/// An .if that is open.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) span: Span,
    /// Files and expansions that were open then.
    pub(super) depth: usize,
    state: State,
    has_else: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// These lines are read.
    Active,
    /// These are not, but a later branch may be.
    Waiting,
    /// No more branch is read.
    Done,
}

/// The word that a line's statement begins with, and its index.
pub(super) fn head(tokens: &[Lexed]) -> Option<(usize, &str)> {
    let at = match tokens {
        [(Token::Word(_), _), (Token::Mark(":"), _), ..] => 2,
        _ => 0,
    };
    match tokens.get(at)? {
        (Token::Word(word), _) => Some((at, word)),
        _ => None,
    }
}

impl Assembler<'_> {
    /// Does what a line says.
    pub(super) fn row(&mut self, row: &Row) -> Result<(), LineError> {
        let head = head(&row.tokens).map(|(at, word)| (at, word.to_ascii_lowercase()));
        if let Some((at, word)) = &head
            && self.condition(word, row, *at)?
        {
            return Ok(());
        }
        if self.is_skipping() {
            return Ok(());
        }
        let Some((at, word)) = head else {
            return self.plain_row(row);
        };
        if !matches!(word.as_str(), ".macro" | ".endm" | ".rept" | ".endr" | ".include")
            && !self.is_macro(&row.tokens[at].0)
        {
            return self.plain_row(row);
        }
        let span = row.tokens[at].1;
        if at > 0 {
            self.label(&row.tokens[0], row.end)?;
        }
        let rest = &row.tokens[at + 1..];
        match word.as_str() {
            ".macro" => self.define_macro(rest, row.end, span),
            ".rept" => self.repeat(rest, row.end, span),
            ".include" => self.include(rest, row.end, span),
            ".endm" => Err(span.error(".endm without .macro")),
            ".endr" => Err(span.error(".endr without .rept")),
            _ => self.expand(&row.tokens[at], rest),
        }
    }

    fn is_macro(&self, token: &Token) -> bool {
        matches!(token, Token::Word(word) if self.macros.contains_key(word))
    }

    fn is_skipping(&self) -> bool {
        self.conditions.last().is_some_and(|condition| condition.state != State::Active)
    }

    /// Handles .if and what belongs to it; false if the line is something else.
    fn condition(&mut self, word: &str, row: &Row, at: usize) -> Result<bool, LineError> {
        let span = row.tokens[at].1;
        match word {
            ".if" => self.open_condition(row, at)?,
            ".elif" | ".else" => self.branch(word, row, at)?,
            ".endif" => {
                self.innermost(span, word)?;
                self.conditions.pop();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn open_condition(&mut self, row: &Row, at: usize) -> Result<(), LineError> {
        let (span, depth) = (row.tokens[at].1, self.reader.depth());
        let state = if self.is_skipping() { State::Done } else { State::Waiting };
        self.conditions.push(Condition { span, depth, state, has_else: false });
        if state == State::Waiting {
            // If it has no value, both branches are left out, and the error is all there is.
            self.set_state(State::Done);
            let holds = self.holds(row, at)?;
            self.set_state(if holds { State::Active } else { State::Waiting });
        }
        Ok(())
    }

    fn branch(&mut self, word: &str, row: &Row, at: usize) -> Result<(), LineError> {
        let span = row.tokens[at].1;
        let condition = self.innermost(span, word)?;
        if condition.has_else {
            let error = span.error(format!("{word} behind .else"));
            return Err(error.note("the .if is here", Some(condition.span)));
        }
        condition.has_else = word == ".else";
        let was = condition.state;
        self.set_state(State::Done);
        if was == State::Waiting {
            let holds = word == ".else" || self.holds(row, at)?;
            self.set_state(if holds { State::Active } else { State::Waiting });
        }
        Ok(())
    }

    fn set_state(&mut self, state: State) {
        if let Some(condition) = self.conditions.last_mut() {
            condition.state = state;
        }
    }

    fn innermost(&mut self, span: Span, word: &str) -> Result<&mut Condition, LineError> {
        let depth = self.reader.depth();
        let condition = self.conditions.last_mut().filter(|condition| condition.depth == depth);
        condition.ok_or_else(|| span.error(format!("{word} without .if")))
    }

    fn holds(&mut self, row: &Row, at: usize) -> Result<bool, LineError> {
        let mut parser = Parser::new(&row.tokens[at + 1..], row.end, &self.context);
        let expr = parser.expr()?;
        parser.finish()?;
        Ok(self.known(&expr)? != 0)
    }

    /// Conditions that were opened in what has ended.
    pub(super) fn close_conditions(&mut self) {
        let depth = self.reader.depth();
        while let Some(condition) = self.conditions.pop_if(|condition| condition.depth > depth) {
            self.report(condition.span.error(".endif is missing"));
        }
    }

    fn repeat(&mut self, rest: &[Lexed], end: Span, span: Span) -> Result<(), LineError> {
        let header = self.rept_header(rest, end);
        let rows = self.collect(span, ".rept", ".endr")?;
        let (rounds, counter) = header?;
        let body = Rc::new(Body::new("rept".into(), rows));
        self.reader.repeat(body, counter, rounds, span)
    }

    fn rept_header(&self, rest: &[Lexed], end: Span) -> Result<(u64, Option<Rc<str>>), LineError> {
        let mut parser = Parser::new(rest, end, &self.context);
        let count = parser.expr()?;
        let mut counter = None;
        if parser.take(",") {
            let (name, span) = parser.word("a name is expected: .rept COUNT, NAME")?;
            check_name(&name, span, &self.context)?;
            counter = Some(name);
        }
        parser.finish()?;
        let rounds = self.known_number(&count, 0, MAX_ROUNDS)?;
        Ok((rounds as u64, counter))
    }

    fn include(&mut self, rest: &[Lexed], end: Span, span: Span) -> Result<(), LineError> {
        let mut parser = Parser::new(rest, end, &self.context);
        let (text, at) = parser.text()?;
        parser.finish()?;
        let path = text.name(at)?;
        let from = self.reader.file_name(span).to_owned();
        let source = (self.include)(&from, &path).map_err(|reason| at.error(reason))?;
        self.reader.include(source, at)
    }
}
