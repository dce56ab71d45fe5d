//! The lines of a macro or of a repetition, read with what stands for its parameters.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::diagnostic::Span;
use super::token::{Lexed, Token};

/// What the tokens of one line may weigh.
pub(super) const MAX_LINE_WEIGHT: u64 = 1 << 16;

/// A line as tokens.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) tokens: Vec<Lexed>,
    /// Just behind it.
    pub(super) end: Span,
}

/// The lines of a macro or of a repetition.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) name: Rc<str>,
    pub(super) rows: Vec<Row>,
    /// Local labels that it defines: new ones each time.
    locals: HashSet<Rc<str>>,
}

impl Body {
    pub(super) fn new(name: Rc<str>, rows: Vec<Row>) -> Self {
        let locals = rows.iter().filter_map(|row| match row.tokens.as_slice() {
            [(Token::Word(word), _), (Token::Mark(":"), _), ..] if word.starts_with('@') => {
                Some(word.clone())
            }
            _ => None,
        });
        let locals = locals.collect();
        Self { name, rows, locals }
    }
}

/// A body being read.
#[derive(Debug)]
pub(super) struct Playback {
    pub(super) body: Rc<Body>,
    /// What stands for each parameter.
    pub(super) arguments: HashMap<Rc<str>, Vec<Lexed>>,
    /// Name of the number of the repetition.
    pub(super) counter: Option<Rc<str>>,
    /// How often in all.
    pub(super) rounds: u64,
    pub(super) next: usize,
    /// From 1.
    pub(super) round: u64,
    /// Makes its local labels unique.
    pub(super) serial: u64,
}

/// A word or a mark is one; long texts and names are more.
fn weight(token: &Token) -> u64 {
    match token {
        Token::Word(word) => 1 + word.len() as u64 / 16,
        Token::Text(text) => 1 + text.0.len() as u64 / 4,
        Token::Number(_) | Token::Mark(_) => 1,
    }
}

impl Playback {
    /// The next line with arguments for parameters, and its weight; cut where it is too heavy.
    pub(super) fn row(&mut self) -> Option<(Vec<Lexed>, Span, u64)> {
        let row = self.body.rows.get(self.next)?;
        self.next += 1;
        let mut tokens: Vec<Lexed> = Vec::with_capacity(row.tokens.len());
        let mut heavy = 0;
        for lexed in &row.tokens {
            let argument = match &lexed.0 {
                Token::Word(word) => self.arguments.get(word),
                _ => None,
            };
            let made = self.made(lexed);
            for lexed in argument.map_or(std::slice::from_ref(&made), Vec::as_slice) {
                heavy += weight(&lexed.0);
                if heavy > MAX_LINE_WEIGHT {
                    return Some((tokens, row.end, heavy));
                }
                tokens.push(lexed.clone());
            }
        }
        Some((tokens, row.end, heavy))
    }

    /// A token that is no parameter: the counter, a local label of the body, or itself.
    fn made(&self, (token, span): &Lexed) -> Lexed {
        match token {
            Token::Word(word) if self.counter.as_ref() == Some(word) => {
                (Token::Number(self.round as i64 - 1), *span)
            }
            Token::Word(word) if self.body.locals.contains(word) => {
                let unique = format!("{}{word}#{}", self.body.name, self.serial);
                (Token::Word(unique.into()), *span)
            }
            _ => (token.clone(), *span),
        }
    }
}
