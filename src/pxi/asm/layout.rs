//! The one pass over the lines: every statement gets its place, and its pixels
//! unless they depend on names that come later. `finish` does those.

use std::collections::HashMap;
use std::rc::Rc;

use super::control::Condition;
use super::diagnostic::{Diagnostic, LineError, Note, Span};
use super::expr::Expr;
use super::macros::Macro;
use super::names::{Fault, Names, Num, Symbol, What};
use super::parser::{Context, Parser};
use super::playback::Row;
use super::reader::{Chain, Event, Reader};
use super::statement::{Cell, Section, Statement};
use super::token::{Lexed, Token};
use super::wishes::Wishes;
use super::{Include, MAX_ERRORS, Options};
use crate::pxi::Pixel;
use crate::pxi::isa::Isa;
use crate::pxi::module::PHASE5_HEADER;
use crate::pxi::pxim2::HEADER;
use crate::pxi::raster::MAX_PIXELS;

/// Notes of an error, after which the rest only says how deep it is.
const MAX_NOTES: usize = 6;

/// Pixels that wait for names.
#[derive(Debug)]
pub(super) struct Fixup {
    pub(super) section: Section,
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) cell: Cell,
    pub(super) chain: Option<Rc<Chain>>,
}

/// Which line a pixel comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) section: Section,
    pub(super) index: u32,
    pub(super) file: u32,
    pub(super) line: u32,
}

pub(super) struct Assembler<'a> {
    pub(super) options: Options,
    pub(super) include: &'a mut Include<'a>,
    pub(super) reader: Reader,
    pub(super) context: Context,
    pub(super) names: Names,
    pub(super) macros: HashMap<Rc<str>, Rc<Macro>>,
    pub(super) conditions: Vec<Condition>,
    /// Version of the module, if it is one.
    pub(super) version: Option<u8>,
    /// Code, header included in a module of version 1.
    pub(super) code: Vec<Pixel>,
    pub(super) data: Vec<Pixel>,
    pub(super) heap: u64,
    pub(super) section: Section,
    pub(super) scopes: [Rc<str>; 3],
    /// Labels behind which no pixel lies yet.
    pub(super) pending: Vec<Rc<str>>,
    pub(super) literals: Vec<Rc<[u8]>>,
    pub(super) fixups: Vec<Fixup>,
    pub(super) wishes: Wishes,
    pub(super) origins: Vec<Origin>,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) chain: Option<Rc<Chain>>,
    /// Where the last statement stands.
    pub(super) last: Span,
    exhausted: bool,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(version: Option<u8>, options: Options, include: &'a mut Include<'a>) -> Self {
        let isa = if version == Some(2) { Isa::Pxi2 } else { Isa::Pxi1 };
        let start = if version == Some(1) { PHASE5_HEADER } else { 0 };
        let scope: Rc<str> = "".into();
        Self {
            options,
            include,
            reader: Reader::default(),
            context: Context { isa, aliases: HashMap::new(), scope: scope.clone() },
            names: if isa == Isa::Pxi2 { Names::with_errors() } else { Names::default() },
            macros: HashMap::new(),
            conditions: Vec::new(),
            version,
            code: vec![Pixel::BACKGROUND; start],
            data: Vec::new(),
            heap: 0,
            section: Section::Code,
            scopes: [scope.clone(), scope.clone(), scope],
            pending: Vec::new(),
            literals: Vec::new(),
            fixups: Vec::new(),
            wishes: Wishes::default(),
            origins: Vec::new(),
            errors: Vec::new(),
            chain: None,
            last: Span { file: 0, line: 1, column: 1, length: 1 },
            exhausted: false,
        }
    }

    /// Reads everything.
    pub(super) fn run(&mut self) {
        while !self.exhausted && self.errors.len() < MAX_ERRORS {
            let Some(event) = self.reader.next() else { break };
            match event {
                Event::Closed => self.close_conditions(),
                Event::Row(row, chain) => {
                    self.chain = chain;
                    if let Err(error) = row.and_then(|row| self.row(&row)) {
                        self.report(error);
                    }
                }
            }
        }
    }

    pub(super) fn report(&mut self, error: LineError) {
        self.exhausted |= error.fatal;
        let chain = self.chain.clone();
        self.report_in(error, chain.as_ref());
    }

    /// Keeps an error, with what led to its line.
    pub(super) fn report_in(&mut self, error: LineError, mut chain: Option<&Rc<Chain>>) {
        if self.errors.len() == MAX_ERRORS {
            return;
        }
        let files = &self.reader.files;
        let own = error.notes.into_iter();
        let mut notes: Vec<Note> = own
            .map(|(message, span)| Note { message, place: span.map(|span| files.place(span)) })
            .collect();
        while let Some(link) = chain {
            if notes.len() == MAX_NOTES {
                notes.push(Note { message: "and so on, outwards".to_owned(), place: None });
                break;
            }
            let place = Some(files.place(link.span));
            notes.push(Note { message: link.origin.to_string(), place });
            chain = link.parent.as_ref();
        }
        let place = files.place(error.span);
        self.errors.push(Diagnostic { place, message: error.message, notes });
    }

    /// Address of the next pixel.
    pub(super) fn here(&self) -> Num {
        self.address(self.section, self.taken())
    }

    pub(super) fn taken(&self) -> usize {
        match self.section {
            Section::Code => self.code.len(),
            Section::Data => self.data.len(),
            Section::Heap => self.heap as usize,
        }
    }

    /// Address of a pixel of a section.
    pub(super) fn address(&self, section: Section, index: usize) -> Num {
        let header = if self.version == Some(2) { i64::from(HEADER) } else { 0 };
        let n = index as i64;
        match section {
            Section::Code => Num::plain(n + header),
            Section::Data => Num { n, bases: [1, 0] },
            Section::Heap => Num { n, bases: [0, 1] },
        }
    }

    /// The value of an expression that must be known here.
    pub(super) fn known(&self, expr: &Expr) -> Result<i64, LineError> {
        self.names.plain(expr, self.here()).map_err(must_be_known)
    }

    pub(super) fn known_number(
        &self,
        expr: &Expr,
        least: i64,
        most: i64,
    ) -> Result<i64, LineError> {
        self.names.number(expr, self.here(), least, most).map_err(must_be_known)
    }

    /// A line that is nothing but a label and a statement.
    pub(super) fn plain_row(&mut self, row: &Row) -> Result<(), LineError> {
        let mut tokens = row.tokens.as_slice();
        if let [label @ (Token::Word(_), span), (Token::Mark(":"), _), rest @ ..] = tokens {
            self.last = *span;
            self.label(label, row.end)?;
            tokens = rest;
        }
        let Some((_, span)) = tokens.first() else { return Ok(()) };
        self.last = *span;
        let statement = Parser::new(tokens, row.end, &self.context).statement()?;
        self.place(statement, *span)
    }

    /// Defines a label here.
    pub(super) fn label(&mut self, label: &Lexed, end: Span) -> Result<(), LineError> {
        let (Token::Word(word), span) = label else { return Ok(()) };
        let name = Parser::new(&[], end, &self.context).name(word, *span)?;
        self.define_label(&name, *span)
    }

    pub(super) fn define_label(&mut self, name: &Rc<str>, span: Span) -> Result<(), LineError> {
        self.define(name, self.here(), What::Label, span)?;
        if !name.contains('@') {
            self.context.scope = name.clone();
        }
        self.pending.push(name.clone());
        Ok(())
    }

    pub(super) fn define(
        &mut self,
        name: &Rc<str>,
        value: Num,
        what: What,
        span: Span,
    ) -> Result<(), LineError> {
        self.names.define(name, Symbol { value, what, span: Some(span), bytes: None })
    }

    fn place(&mut self, statement: Statement, span: Span) -> Result<(), LineError> {
        match statement {
            Statement::Code(pieces) => self.code_pieces(pieces, span)?,
            Statement::Cells(cells) => self.put_all(cells, span)?,
            Statement::Pixels(pixels) => {
                self.put_all(pixels.into_iter().map(Cell::Known).collect(), span)?;
            }
            Statement::Ascii(bytes) => self.ascii(&bytes, span)?,
            Statement::Fill(count, cell) => {
                let count = self.known_number(&count, 0, MAX_PIXELS as i64)? as usize;
                self.put(cell, count, span)?;
            }
            Statement::Org(address) => self.org(&address, span)?,
            other => return self.wish(other),
        }
        self.pending.clear();
        Ok(())
    }
}

/// The error of an expression whose value is needed where it stands.
pub(super) fn must_be_known(fault: Fault) -> LineError {
    match fault {
        Fault::Unknown(error) => error.note("its value is needed here, not only at the end", None),
        Fault::Wrong(error) => error,
    }
}
