//! Macros: their definition and their expansion.

use std::collections::HashMap;
use std::rc::Rc;

use super::control::head;
use super::diagnostic::{LineError, Span};
use super::layout::Assembler;
use super::parser::{Parser, check_name, is_instruction};
use super::playback::{Body, Row};
use super::token::{Lexed, Token};

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    span: Span,
    parameters: Vec<Rc<str>>,
    body: Rc<Body>,
}

/// A macro's first line.
struct Header {
    name: Rc<str>,
    at: Span,
    parameters: Vec<Rc<str>>,
}

impl Assembler<'_> {
    pub(super) fn define_macro(
        &mut self,
        rest: &[Lexed],
        end: Span,
        span: Span,
    ) -> Result<(), LineError> {
        let header = self.macro_header(rest, end);
        // The lines are taken in any case: they are no statements here.
        let rows = self.collect(span, ".macro", ".endm")?;
        let Header { name, at, parameters } = header?;
        if let Some(old) = self.macros.get(&name) {
            let error = at.error(format!("macro {name} is defined twice"));
            return Err(error.note("defined here", Some(old.span)));
        }
        let body = Rc::new(Body::new(name.clone(), rows));
        self.macros.insert(name, Rc::new(Macro { span: at, parameters, body }));
        Ok(())
    }

    fn macro_header(&self, rest: &[Lexed], end: Span) -> Result<Header, LineError> {
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
        Ok(Header { name, at, parameters })
    }

    /// Lines up to the one that closes what is open.
    pub(super) fn collect(
        &mut self,
        span: Span,
        open: &str,
        close: &str,
    ) -> Result<Vec<Row>, LineError> {
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

    pub(super) fn expand(&mut self, name: &Lexed, rest: &[Lexed]) -> Result<(), LineError> {
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
