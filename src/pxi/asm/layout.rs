//! The one pass over the lines: every statement gets its place, and its pixels
//! unless they depend on names that come later. `finish` does those.

use std::collections::HashMap;
use std::rc::Rc;

use super::control::{Condition, Macro};
use super::diagnostic::{Diagnostic, LineError, Note, Span};
use super::expr::{Expr, Op};
use super::names::{Fault, Names, Num, Symbol, What};
use super::parser::{Context, Parser};
use super::pseudo;
use super::reader::{Chain, Event, Reader, Row};
use super::statement::{Cell, Piece, Section, Simple, Statement, Value};
use super::token::{Lexed, Token};
use super::{Form, Include, MAX_ERRORS, Options};
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

/// A function of another module: slot, path, name.
#[derive(Debug)]
pub(super) struct ImportOf {
    pub(super) slot: Expr,
    pub(super) path: String,
    pub(super) function: String,
}

/// What the source says about the module as a whole.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) entry: Option<(Expr, Option<Rc<Chain>>)>,
    pub(super) memory: Option<(i64, Span)>,
    pub(super) frame: Option<(u32, u32)>,
    pub(super) size: Option<(u32, Option<u32>)>,
    pub(super) exports: Vec<(Expr, String)>,
    pub(super) imports: Vec<ImportOf>,
    pub(super) requires: Vec<String>,
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
    scopes: [Rc<str>; 3],
    /// Labels behind which no pixel lies yet.
    pending: Vec<Rc<str>>,
    pub(super) literals: Vec<Rc<[u8]>>,
    pub(super) fixups: Vec<Fixup>,
    pub(super) wishes: Wishes,
    pub(super) origins: Vec<Origin>,
    pub(super) errors: Vec<Diagnostic>,
    chain: Option<Rc<Chain>>,
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

    fn taken(&self) -> usize {
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

    fn define_label(&mut self, name: &Rc<str>, span: Span) -> Result<(), LineError> {
        self.define(name, self.here(), What::Label, span)?;
        if !name.contains('@') {
            self.context.scope = name.clone();
        }
        self.pending.push(name.clone());
        Ok(())
    }

    fn define(
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

    fn code_pieces(&mut self, pieces: Vec<Piece>, span: Span) -> Result<(), LineError> {
        for piece in pieces {
            match piece {
                Piece::Cell(cell) => self.put(cell, 1, span)?,
                Piece::Set(register, value) => {
                    let cells = self.set_cells(register, &value)?;
                    self.put_all(cells, span)?;
                }
            }
        }
        Ok(())
    }

    /// One instruction if the value is known to be small, else two.
    fn set_cells(&self, register: u8, value: &Expr) -> Result<Vec<Cell>, LineError> {
        let (least, most) = (i64::from(i32::MIN), i64::from(u32::MAX));
        let small = match self.names.number(value, self.here(), least, most) {
            Ok(known) => (-(1 << 19)..1 << 19).contains(&known),
            Err(Fault::Unknown(_)) => false,
            Err(Fault::Wrong(error)) => return Err(error),
        };
        Ok(pseudo::set(register, value, small))
    }

    fn ascii(&mut self, bytes: &[u8], span: Span) -> Result<(), LineError> {
        for name in std::mem::take(&mut self.pending) {
            self.names.set_bytes(&name, bytes.len());
        }
        self.put_all(crate::pxi::pxim2::pack(bytes).map(Cell::Known).collect(), span)
    }

    fn put_all(&mut self, cells: Vec<Cell>, span: Span) -> Result<(), LineError> {
        for cell in cells {
            self.put(cell, 1, span)?;
        }
        Ok(())
    }

    /// So many pixels of one kind at the end of the section.
    fn put(&mut self, cell: Cell, count: usize, span: Span) -> Result<(), LineError> {
        self.check_room(count, span)?;
        if self.section == Section::Heap {
            if !matches!(cell, Cell::Known(pixel) if pixel == Pixel::default()) {
                let error = span.error("the heap holds no pixels of the module");
                return Err(error.note("there are .space, .org and labels in it", None));
            }
            self.heap += count as u64;
            return Ok(());
        }
        self.note_literals(&cell);
        let (section, index) = (self.section, self.taken());
        let known = self.names.encode(&cell, self.here());
        let pixel = match known {
            Ok(pixel) => pixel,
            Err(Fault::Wrong(error)) => {
                // The pixel keeps its place, so that other addresses stay right.
                self.grow(Pixel::default(), count);
                return Err(error);
            }
            Err(Fault::Unknown(_)) => {
                let chain = self.chain.clone();
                self.fixups.push(Fixup { section, index, count, cell, chain });
                Pixel::default()
            }
        };
        self.note_origin(span, count);
        self.grow(pixel, count);
        Ok(())
    }

    fn note_origin(&mut self, span: Span, count: usize) {
        let (file, line, section) = (span.file, span.line, self.section);
        let index = self.taken() as u32;
        let same = |last: &Origin| (last.file, last.line, last.section) == (file, line, section);
        if count > 0 && !self.origins.last().is_some_and(same) {
            self.origins.push(Origin { section, index, file, line });
        }
    }

    fn grow(&mut self, pixel: Pixel, count: usize) {
        let pixels = if self.section == Section::Data { &mut self.data } else { &mut self.code };
        pixels.resize(pixels.len() + count, pixel);
    }

    fn check_room(&self, count: usize, span: Span) -> Result<(), LineError> {
        let used = (self.code.len() + self.data.len()) as u64 + self.heap;
        if used + count as u64 > MAX_PIXELS {
            let message = format!("the program has more than {MAX_PIXELS} pixels");
            return Err(span.error(message).fatal());
        }
        Ok(())
    }

    /// Texts that the cell names get a place in the data, each once.
    fn note_literals(&mut self, cell: &Cell) {
        let Cell::Instruction(simple) = cell else { return };
        let Simple { operands, .. } = &**simple;
        for operand in operands {
            let Value::Expr(expr) = operand else { continue };
            if let [Op::Literal(bytes)] = expr.ops.as_slice()
                && self.names.reserve_literal(bytes)
            {
                self.literals.push(bytes.clone());
            }
        }
    }

    fn org(&mut self, address: &Expr, span: Span) -> Result<(), LineError> {
        let distance = self.names.distance(address, self.here()).map_err(must_be_known)?;
        let here = self.here().n;
        let Ok(count) = usize::try_from(distance) else {
            let at = here.saturating_add(distance);
            let message = format!(".org {at} lies behind: {here} pixels are taken");
            return Err(address.span.error(message));
        };
        if self.section == Section::Heap {
            return self.put(Cell::Known(Pixel::default()), count, span);
        }
        self.put(Cell::Known(Pixel::BACKGROUND), count.min(MAX_PIXELS as usize + 1), span)
    }

    /// Statements that make no pixels.
    fn wish(&mut self, statement: Statement) -> Result<(), LineError> {
        match statement {
            Statement::Equ(name, span, value) => {
                let value = self.names.value(&value, self.here()).map_err(must_be_known)?;
                self.define(&name, value, What::Constant, span)?;
            }
            Statement::Alias(name, register) => {
                self.context.aliases.insert(name, register);
            }
            Statement::Size(width, height) => self.size(&width, height.as_ref())?,
            Statement::Module(span) => self.module(span)?,
            Statement::Entry(entry) => self.wishes.entry = Some((entry, self.chain.clone())),
            Statement::Section(section) => self.enter(section),
            Statement::Memory(memory) => {
                let pixels = self.known_number(&memory, 0, MAX_PIXELS as i64)?;
                self.wishes.memory = Some((pixels, memory.span));
            }
            Statement::Frame(width, height) => {
                let width = self.known_number(&width, 1, 0xFFFF)?;
                let most = (MAX_PIXELS as i64 / width).min(0xFFFF);
                let height = self.known_number(&height, 1, most)?;
                self.wishes.frame = Some((width as u32, height as u32));
            }
            Statement::Function(name, span) => {
                self.define_label(&name, span)?;
                self.export(Expr::of(Op::Name(name.clone(), span), span), name.to_string())?;
            }
            Statement::Export(label, name) => self.export(label, name)?,
            Statement::Import { name, span, path, function, slot } => {
                self.import(&name, span, path, function, slot)?;
            }
            Statement::Requires(paths) => self.wishes.requires.extend(paths),
            _ => {}
        }
        Ok(())
    }

    fn size(&mut self, width: &Expr, height: Option<&Expr>) -> Result<(), LineError> {
        let most = MAX_PIXELS as i64;
        let width = self.known_number(width, 1, most)?;
        let height = match height {
            Some(height) => Some(self.known_number(height, 1, most / width)? as u32),
            None => None,
        };
        self.wishes.size = Some((width as u32, height));
        Ok(())
    }

    /// The form was chosen before the first line; here it only has to fit.
    fn module(&mut self, span: Span) -> Result<(), LineError> {
        if self.reader.depth() != 1 || !self.conditions.is_empty() {
            let message = ".module belongs into the main file, outside of .if, macros and .rept";
            return Err(span.error(message));
        }
        if self.version == Some(2) && self.options.form == Form::Raw {
            return Err(span.error("a raw program is PXI-1: this is a module of version 2"));
        }
        Ok(())
    }

    fn enter(&mut self, section: Section) {
        self.scopes[self.section as usize] = self.context.scope.clone();
        self.section = section;
        self.context.scope = self.scopes[section as usize].clone();
        self.pending.clear();
    }

    fn export(&mut self, label: Expr, name: String) -> Result<(), LineError> {
        // Both have their bounds in the header; this one keeps the search short.
        let old = self.wishes.exports.iter().find(|(_, other)| *other == name);
        if let Some((first, _)) = old {
            let error = label.span.error(format!("{name} is exported twice"));
            return Err(error.note("exported here", Some(first.span)));
        }
        if self.wishes.exports.len() == 4096 {
            return Err(label.span.error("a module exports at most 4096 functions").fatal());
        }
        self.wishes.exports.push((label, name));
        Ok(())
    }

    fn import(
        &mut self,
        name: &Rc<str>,
        span: Span,
        path: String,
        function: String,
        slot: Option<Expr>,
    ) -> Result<(), LineError> {
        if self.wishes.imports.len() == 4096 {
            return Err(span.error("a module imports at most 4096 functions").fatal());
        }
        if let Some(slot) = slot {
            let value = self.names.value(&slot, self.here()).map_err(must_be_known)?;
            self.define(name, value, What::Import, span)?;
            self.wishes.imports.push(ImportOf { slot, path, function });
            return Ok(());
        }
        let section = self.section;
        self.enter(Section::Data);
        let defined = self.define(name, self.here(), What::Import, span);
        let placed = self.put(Cell::Known(Pixel::default()), 1, span);
        self.enter(section);
        defined.and(placed)?;
        let slot = Expr::of(Op::Name(name.clone(), span), span);
        self.wishes.imports.push(ImportOf { slot, path, function });
        Ok(())
    }
}

/// The error of an expression whose value is needed where it stands.
fn must_be_known(fault: Fault) -> LineError {
    match fault {
        Fault::Unknown(error) => error.note("its value is needed here, not only at the end", None),
        Fault::Wrong(error) => error,
    }
}
