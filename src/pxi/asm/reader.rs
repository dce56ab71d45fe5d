//! Lines one after the other: of files, of macros, of repetitions. What they
//! may grow to is bounded here.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::sources::{Cursor, Files, Source};
use super::token::{Lexed, Token};

/// Macros, repetitions and files in each other.
const MAX_DEPTH: usize = 64;
/// Lines that macros and repetitions may make, what all their tokens may weigh,
/// and those of one line.
const MAX_LINES: u64 = 1 << 20;
const MAX_WEIGHT: u64 = 1 << 22;
const MAX_LINE_WEIGHT: u64 = 1 << 16;
/// Bytes of all included files; each counts for some, so that their number is bounded, too.
const MAX_INCLUDED: u64 = 1 << 26;
const INCLUDE_COST: u64 = 1 << 10;

/// What led to a line, innermost first.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) origin: Origin,
    pub(super) span: Span,
    pub(super) parent: Option<Rc<Chain>>,
}

/// Why a line is read that does not stand in the main file.
#[derive(Debug)]
pub(super) enum Origin {
    Macro(Rc<str>),
    Repetition(u64),
    Include,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Macro(name) => write!(f, "in this expansion of macro '{name}'"),
            Self::Repetition(round) => write!(f, "in repetition {round} of this .rept"),
            Self::Include => f.write_str("included from here"),
        }
    }
}

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
    next: usize,
    round: u64,
    serial: u64,
}

#[derive(Debug)]
enum Feed {
    File(Cursor, Rc<str>),
    Body(Box<Playback>),
}

#[derive(Debug)]
struct Frame {
    feed: Feed,
    chain: Option<Rc<Chain>>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Event {
    Row(Result<Row, LineError>, Option<Rc<Chain>>),
    /// A file or an expansion ended.
    Closed,
}

/// All that is being read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) files: Files,
    frames: Vec<Frame>,
    lines: u64,
    weight: u64,
    included: u64,
    serial: u64,
}

impl Reader {
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The main file.
    pub(super) fn open(&mut self, source: Source) {
        let name = source.name.as_str().into();
        let feed = Feed::File(self.files.open(source), name);
        self.frames.push(Frame { feed, chain: None });
    }

    /// A file's lines come next.
    pub(super) fn include(&mut self, source: Source, span: Span) -> Result<(), LineError> {
        self.included = self.included.saturating_add(source.text.len() as u64 + INCLUDE_COST);
        if self.included > MAX_INCLUDED {
            let message = format!("all included files have more than {MAX_INCLUDED} bytes");
            return Err(span.error(message).fatal());
        }
        self.check_cycle(&source.name, span)?;
        let name = source.name.as_str().into();
        let cursor = self.files.open(source);
        self.push(Feed::File(cursor, name), Origin::Include, span)
    }

    /// A body's lines come next.
    pub(super) fn play(
        &mut self,
        body: Rc<Body>,
        arguments: HashMap<Rc<str>, Vec<Lexed>>,
        span: Span,
    ) -> Result<(), LineError> {
        let origin = Origin::Macro(body.name.clone());
        let (serial, counter) = (self.new_serial(), None);
        let playback = Playback { body, arguments, counter, rounds: 1, next: 0, round: 1, serial };
        self.push(Feed::Body(Box::new(playback)), origin, span)
    }

    /// A body's lines come next, several times.
    pub(super) fn repeat(
        &mut self,
        body: Rc<Body>,
        counter: Option<Rc<str>>,
        rounds: u64,
        span: Span,
    ) -> Result<(), LineError> {
        if rounds == 0 {
            return Ok(());
        }
        let (serial, arguments) = (self.new_serial(), HashMap::new());
        let playback = Playback { body, arguments, counter, rounds, next: 0, round: 1, serial };
        self.push(Feed::Body(Box::new(playback)), Origin::Repetition(1), span)
    }

    fn new_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn push(&mut self, feed: Feed, origin: Origin, span: Span) -> Result<(), LineError> {
        if self.frames.len() == MAX_DEPTH {
            let what = "macros, .rept and .include are nested more than";
            return Err(span.error(format!("{what} {MAX_DEPTH} deep")).fatal());
        }
        let parent = self.frames.last().and_then(|frame| frame.chain.clone());
        let chain = Some(Rc::new(Chain { origin, span, parent }));
        self.frames.push(Frame { feed, chain });
        Ok(())
    }

    fn check_cycle(&self, name: &str, span: Span) -> Result<(), LineError> {
        let open = self.frames.iter().filter_map(|frame| match &frame.feed {
            Feed::File(_, name) => Some(&**name),
            Feed::Body(_) => None,
        });
        let from: Vec<&str> = open.skip_while(|open| *open != name).collect();
        if from.is_empty() {
            return Ok(());
        }
        let path = format!("{} -> {name}", from.join(" -> "));
        Err(span.error(format!("files include each other: {path}")).fatal())
    }

    /// The name of the file that a place is in.
    pub(super) fn file_name(&self, span: Span) -> &str {
        self.files.name(span.file)
    }

    /// The next line, or the end of what it was read from; nothing at the very end.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.frames.last()?;
        if let Some(row) = self.next_here() {
            let chain = self.frames.last().and_then(|frame| frame.chain.clone());
            return Some(Event::Row(row, chain));
        }
        if !self.next_round() {
            self.frames.pop();
            return Some(Event::Closed);
        }
        self.next()
    }

    fn next_round(&mut self) -> bool {
        let serial = self.new_serial();
        let Some(Frame { feed: Feed::Body(playback), chain }) = self.frames.last_mut() else {
            return false;
        };
        if playback.round == playback.rounds || playback.body.rows.is_empty() {
            return false;
        }
        (playback.round, playback.next, playback.serial) = (playback.round + 1, 0, serial);
        if let Some(old) = chain.clone() {
            let origin = Origin::Repetition(playback.round);
            let parent = old.parent.clone();
            *chain = Some(Rc::new(Chain { origin, span: old.span, parent }));
        }
        true
    }

    /// The next line of the innermost file, macro or repetition.
    pub(super) fn next_here(&mut self) -> Option<Result<Row, LineError>> {
        match &mut self.frames.last_mut()?.feed {
            Feed::File(cursor, _) => {
                let (tokens, end) = self.files.next(cursor)?;
                Some(tokens.map(|tokens| Row { tokens, end }))
            }
            Feed::Body(playback) => {
                let (tokens, end, weight) = playback.row()?;
                self.lines += 1;
                self.weight += weight;
                if weight > MAX_LINE_WEIGHT {
                    let message = format!("a line has more than {MAX_LINE_WEIGHT} words here");
                    return Some(Err(end.error(message).fatal()));
                }
                if self.lines > MAX_LINES || self.weight > MAX_WEIGHT {
                    let message = format!(
                        "macros and .rept make more than {MAX_LINES} lines or {MAX_WEIGHT} words"
                    );
                    return Some(Err(end.error(message).fatal()));
                }
                Some(Ok(Row { tokens, end }))
            }
        }
    }
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
    fn row(&mut self) -> Option<(Vec<Lexed>, Span, u64)> {
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
