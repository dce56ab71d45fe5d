//! Macros, conditions, repetitions and includes: what decides which lines are read.

use std::collections::HashMap;
use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::layout::Assembler;
use super::parser::{Parser, check_name, is_instruction};
use super::reader::{Body, Row};
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

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    span: Span,
    parameters: Vec<Rc<str>>,
    body: Rc<Body>,
}

/// The word that a line's statement begins with, and its index.
fn head(tokens: &[Lexed]) -> Option<(usize, &str)> {
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

    fn define_macro(&mut self, rest: &[Lexed], end: Span, span: Span) -> Result<(), LineError> {
        let header = self.macro_header(rest, end);
        // The lines are taken in any case: they are no statements here.
        let rows = self.collect(span, ".macro", ".endm")?;
        let (name, at, parameters) = header?;
        if let Some(old) = self.macros.get(&name) {
            let error = at.error(format!("macro {name} is defined twice"));
            return Err(error.note("defined here", Some(old.span)));
        }
        let body = Rc::new(Body::new(name.clone(), rows));
        self.macros.insert(name, Rc::new(Macro { span: at, parameters, body }));
        Ok(())
    }

    fn macro_header(
        &self,
        rest: &[Lexed],
        end: Span,
    ) -> Result<(Rc<str>, Span, Vec<Rc<str>>), LineError> {
        let mut parser = Parser::new(rest, end, &self.context);
        let (name, at) = parser.word("a name is expected: .macro NAME PARAMETER, ...")?;
        check_name(&name, at, &self.context)?;
        if is_instruction(&name, self.context.isa) {
            return Err(at.error(format!("{name} is an instruction and cannot be a macro")));
        }
        let mut parameters: Vec<Rc<str>> = Vec::new();
        while !parser.is_done() {
            if !parameters.is_empty() {
                parser.expect(",", "expected between parameters")?;
            }
            let (parameter, span) = parser.word("a parameter's name is expected")?;
            check_name(&parameter, span, &self.context)?;
            if parameters.len() < 256 && parameters.contains(&parameter) {
                return Err(span.error(format!("two parameters are called {parameter}")));
            }
            parameters.push(parameter);
        }
        Ok((name, at, parameters))
    }

    /// Lines up to the one that closes what is open.
    fn collect(&mut self, span: Span, open: &str, close: &str) -> Result<Vec<Row>, LineError> {
        let mut rows = Vec::new();
        let mut depth = 0;
        while let Some(row) = self.reader.next_here() {
            let row = match row {
                Ok(row) => row,
                Err(error) if error.fatal => return Err(error),
                Err(error) => {
                    self.report(error);
                    continue;
                }
            };
            match head(&row.tokens).map(|(_, word)| word.to_ascii_lowercase()) {
                Some(word) if word == close && depth == 0 => return Ok(rows),
                Some(word) if word == close => depth -= 1,
                Some(word) if word == open => depth += 1,
                _ => {}
            }
            if !row.tokens.is_empty() {
                rows.push(row);
            }
        }
        Err(span.error(format!("{close} is missing")))
    }

    fn expand(&mut self, name: &Lexed, rest: &[Lexed]) -> Result<(), LineError> {
        let (Token::Word(word), span) = name else { return Ok(()) };
        let Some(found) = self.macros.get(word).cloned() else { return Ok(()) };
        let arguments = split_arguments(rest);
        let (wanted, given) = (found.parameters.len(), arguments.len());
        if wanted != given {
            let plural = if wanted == 1 { "" } else { "s" };
            let message = format!("macro {word} takes {wanted} argument{plural}, {given} given");
            return Err(span.error(message).note("defined here", Some(found.span)));
        }
        let arguments: HashMap<_, _> = found.parameters.iter().cloned().zip(arguments).collect();
        self.reader.play(found.body.clone(), arguments, *span)
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

/// Arguments: what lies between commas that are in no parentheses or braces.
fn split_arguments(tokens: &[Lexed]) -> Vec<Vec<Lexed>> {
    if tokens.is_empty() {
        return Vec::new();
    }
    let mut depth = 0usize;
    let mut arguments = vec![Vec::new()];
    for token in tokens {
        match token.0 {
            Token::Mark("(" | "{") => depth += 1,
            Token::Mark(")" | "}") => depth = depth.saturating_sub(1),
            Token::Mark(",") if depth == 0 => {
                arguments.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = arguments.last_mut() {
            last.push(token.clone());
        }
    }
    arguments
}
