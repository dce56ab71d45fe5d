//! Lines one after the other: of files, of macros, of repetitions. What they
//! may grow to is bounded here.

use std::collections::HashMap;
use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::playback::{Body, MAX_LINE_WEIGHT, Playback, Row};
use super::sources::{Cursor, Files, Source};
use super::token::Lexed;

/// Macros, repetitions and files in each other.
const MAX_DEPTH: usize = 64;
/// Lines that macros and repetitions may make, and what all their tokens may weigh.
const MAX_LINES: u64 = 1 << 18;
const MAX_WEIGHT: u64 = 1 << 21;
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
