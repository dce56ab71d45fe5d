//! A line of assembly, without its label, as a statement.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Op};
use super::parser::Parser;
use super::pseudo;
use super::token::Token;
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Instruction, Isa, Kind, Since};

/// What a line can say.
#[derive(Debug)]
pub(super) enum Statement {
    /// Instructions.
    Code(Vec<Piece>),
    /// Pixels to be computed.
    Cells(Vec<Cell>),
    /// Pixels known now.
    Pixels(Vec<Pixel>),
    Ascii(Vec<u8>),
    Fill(Expr, Cell),
    Org(Expr),
    Equ(Rc<str>, Span, Expr),
    Alias(Rc<str>, u8),
    Size(Expr, Option<Expr>),
    Module(Span),
    Entry(Expr),
    Section(Section),
    Memory(Expr),
    Frame(Expr, Expr),
    Function(Rc<str>, Span),
    Export(Expr, String),
    Import {
        name: Rc<str>,
        span: Span,
        path: String,
        function: String,
        slot: Option<Expr>,
    },
    Requires(Vec<String>),
}

/// Where pixels go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Code,
    Data,
    /// Behind the module: labels and room, no pixels.
    Heap,
}

/// One or two instructions.
#[derive(Debug)]
pub(super) enum Piece {
    Cell(Cell),
    /// A register gets a number.
    Set(u8, Expr),
}

/// A pixel to be computed.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Instruction(Box<Simple>),
    Channels(Box<[Expr; 4]>),
    Word(Expr),
    Byte(Expr),
    /// The same pixel whatever the names mean.
    Known(Pixel),
}

/// An instruction of the table.
#[derive(Debug, Clone)]
pub(super) struct Simple {
    pub(super) kind: &'static Instruction,
    pub(super) operands: Vec<Value>,
    pub(super) ignored: Vec<Expr>,
}

/// An operand: a register's number, or an expression.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Register(u8),
    Expr(Expr),
}

impl Cell {
    pub(super) fn instruction(
        kind: &'static Instruction,
        operands: Vec<Value>,
        ignored: Vec<Expr>,
    ) -> Self {
        Self::Instruction(Box::new(Simple { kind, operands, ignored }))
    }
}

/// What only modules of version 2 have.
const ONLY_2: [&str; 9] =
    [".code", ".data", ".heap", ".memory", ".frame", ".func", ".export", ".import", ".requires"];

impl Parser<'_> {
    /// The statement that the rest of the line is.
    pub(super) fn statement(&mut self) -> Result<Statement, LineError> {
        let message = "an instruction, a directive or a label is expected";
        let (word, span) = self.word(message)?;
        let statement = if word.starts_with('.') {
            self.directive(&word.to_ascii_lowercase(), span)?
        } else {
            Statement::Code(self.instruction(&word, span)?)
        };
        self.finish()?;
        Ok(statement)
    }

    fn instruction(&mut self, word: &str, span: Span) -> Result<Vec<Piece>, LineError> {
        match isa::by_mnemonic(word) {
            Some(kind) if kind.is_in(self.context.isa) => Ok(vec![self.real(kind)?]),
            Some(kind) => Err(other_generation(kind, span)),
            None => match pseudo::by_name(word) {
                Some(pseudo) if self.context.isa == Isa::Pxi2 => self.pseudo(pseudo, span),
                Some(pseudo) => Err(needs_2(span, pseudo.name)),
                None => {
                    let message = format!("no instruction or macro '{word}'");
                    Err(span.error(message).note("a label ends with ':'", None))
                }
            },
        }
    }

    fn real(&mut self, kind: &'static Instruction) -> Result<Piece, LineError> {
        let mut operands = Vec::with_capacity(kind.operands.len());
        for (index, operand) in kind.operands.iter().enumerate() {
            if index > 0 {
                let count = kind.operands.len();
                self.expect(",", &format!("expected: {} has {count} operands", kind.mnemonic))?;
            }
            operands.push(match operand.kind {
                Kind::Register => Value::Register(self.register()?),
                Kind::Registers => Value::Expr(self.set_operand()?),
                Kind::Call => Value::Expr(self.call_operand()?),
                _ => Value::Expr(self.operand_expr()?),
            });
        }
        let mut ignored = Vec::new();
        if self.take("|") {
            for index in 0..kind.ignored().count() {
                if index > 0 {
                    self.expect(",", "expected: one number for each argument that is ignored")?;
                }
                ignored.push(self.operand_expr()?);
            }
        }
        Ok(Piece::Cell(Cell::instruction(kind, operands, ignored)))
    }

    fn set_operand(&mut self) -> Result<Expr, LineError> {
        if !matches!(self.peek(), Some(Token::Mark("{"))) {
            return self.operand_expr();
        }
        let start = self.span();
        let set = self.register_set()?;
        Ok(Expr::number(set, start.to(self.last_span())))
    }

    fn call_operand(&mut self) -> Result<Expr, LineError> {
        let span = self.span();
        if let Some(Token::Word(word)) = self.peek()
            && let Some(call) = isa::calls::by_name(word)
        {
            self.skip();
            return Ok(Expr::number(call.number.into(), span));
        }
        self.operand_expr()
    }

    fn directive(&mut self, name: &str, span: Span) -> Result<Statement, LineError> {
        if self.context.isa == Isa::Pxi1 && (ONLY_2.contains(&name) || name == ".write") {
            return Err(needs_2(span, name));
        }
        Ok(match name {
            ".size" => {
                let width = self.expr()?;
                Statement::Size(width, self.more()?)
            }
            ".module" => self.module(span)?,
            ".entry" => Statement::Entry(self.expr()?),
            ".org" => Statement::Org(self.expr()?),
            ".equ" => self.equ()?,
            ".alias" => self.alias()?,
            ".pixel" => Statement::Cells(vec![Cell::Channels(self.channels()?)]),
            ".fill" => self.fill()?,
            ".space" => Statement::Fill(self.expr()?, Cell::Known(Pixel::default())),
            ".bytes" => Statement::Cells(self.list(Cell::Byte)?),
            ".word" => Statement::Cells(self.list(Cell::Word)?),
            ".text" => {
                let (text, span) = self.text()?;
                let grey = |byte: u8| Pixel::new(byte, byte, byte, 255);
                Statement::Pixels(text.latin1(span)?.into_iter().map(grey).collect())
            }
            ".ascii" => self.ascii()?,
            ".say" => self.say()?,
            _ => return self.directive_2(name, span),
        })
    }

    fn directive_2(&mut self, name: &str, span: Span) -> Result<Statement, LineError> {
        Ok(match name {
            ".code" => Statement::Section(Section::Code),
            ".data" => Statement::Section(Section::Data),
            ".heap" => Statement::Section(Section::Heap),
            ".memory" => Statement::Memory(self.expr()?),
            ".frame" => {
                let width = self.expr()?;
                self.expect(",", "expected: .frame WIDTH, HEIGHT")?;
                Statement::Frame(width, self.expr()?)
            }
            ".func" => {
                let (name, span) = self.any_name("a name is expected: .func NAME")?;
                Statement::Function(name, span)
            }
            ".export" => self.export()?,
            ".import" => self.import()?,
            ".requires" => self.requires()?,
            ".write" => {
                let text = self.text_operand()?;
                let mut pieces = pseudo::load_text(0, 1, &text);
                let call = Expr::number(isa::calls::WRITE.into(), span);
                pieces.push(pseudo::real(isa::SYS, vec![Value::Expr(call)]));
                Statement::Code(pieces)
            }
            _ => return Err(span.error(format!("no directive '{name}'"))),
        })
    }

    fn more(&mut self) -> Result<Option<Expr>, LineError> {
        if self.take(",") { Ok(Some(self.expr()?)) } else { Ok(None) }
    }

    fn module(&mut self, span: Span) -> Result<Statement, LineError> {
        if !self.is_done() {
            let at = self.span();
            match self.peek() {
                Some(Token::Number(1 | 2)) => self.skip(),
                _ => return Err(at.error("a module has version 1 or 2")),
            }
        }
        Ok(Statement::Module(span))
    }

    fn equ(&mut self) -> Result<Statement, LineError> {
        let (name, span) = self.any_name("a name is expected: .equ NAME, VALUE")?;
        self.expect(",", "expected: .equ NAME, VALUE")?;
        Ok(Statement::Equ(name, span, self.expr()?))
    }

    fn alias(&mut self) -> Result<Statement, LineError> {
        let (name, span) = self.word("a name is expected: .alias NAME, REGISTER")?;
        if !self.context.aliases.contains_key(&name) {
            super::parser::check_name(&name, span, self.context)?;
        }
        self.expect(",", "expected: .alias NAME, REGISTER")?;
        Ok(Statement::Alias(name, self.register()?))
    }

    fn channels(&mut self) -> Result<Box<[Expr; 4]>, LineError> {
        let mut channel = |first: bool| {
            if !first {
                self.expect(",", "expected: a pixel has four channels R, G, B, A")?;
            }
            self.expr()
        };
        Ok(Box::new([channel(true)?, channel(false)?, channel(false)?, channel(false)?]))
    }

    fn fill(&mut self) -> Result<Statement, LineError> {
        let count = self.expr()?;
        let cell = if self.take(",") {
            Cell::Channels(self.channels()?)
        } else {
            Cell::Known(Pixel::BACKGROUND)
        };
        Ok(Statement::Fill(count, cell))
    }

    fn list(&mut self, cell: fn(Expr) -> Cell) -> Result<Vec<Cell>, LineError> {
        let mut cells = vec![cell(self.expr()?)];
        while self.take(",") {
            cells.push(cell(self.expr()?));
        }
        Ok(cells)
    }

    fn ascii(&mut self) -> Result<Statement, LineError> {
        let mut bytes = self.text()?.0.utf8();
        while self.take(",") {
            bytes.extend(self.text()?.0.utf8());
        }
        Ok(Statement::Ascii(bytes))
    }

    fn say(&mut self) -> Result<Statement, LineError> {
        let register = self.register()?;
        self.expect(",", "expected: .say R0, \"text\"")?;
        let (text, span) = self.text()?;
        let pair = |byte| {
            [Pixel::new(isa::LOAD, register, byte, 0), Pixel::new(isa::PRINT, register, 0, 0)]
        };
        Ok(Statement::Pixels(text.latin1(span)?.into_iter().flat_map(pair).collect()))
    }

    fn export(&mut self) -> Result<Statement, LineError> {
        let (word, span) = self.word("a label is expected: .export LABEL")?;
        let label = self.name(&word, span)?;
        let name = match self.take(",") {
            true => {
                let (text, span) = self.text()?;
                text.name(span)?
            }
            false => word.to_string(),
        };
        Ok(Statement::Export(Expr::of(Op::Name(label, span), span), name))
    }

    fn import(&mut self) -> Result<Statement, LineError> {
        let usage = "expected: .import NAME, \"PATH\", \"FUNCTION\"";
        let (name, span) =
            self.any_name("a name is expected: .import NAME, \"PATH\", \"FUNCTION\"")?;
        let mut texts = [String::new(), String::new()];
        for text in &mut texts {
            self.expect(",", usage)?;
            let (found, span) = self.text()?;
            *text = found.name(span)?;
        }
        let [path, function] = texts;
        Ok(Statement::Import { name, span, path, function, slot: self.more()? })
    }

    fn requires(&mut self) -> Result<Statement, LineError> {
        let mut paths = Vec::new();
        loop {
            let (text, span) = self.text()?;
            let path = text.name(span)?;
            if path.contains('\n') {
                return Err(span.error("a path in .requires cannot hold a line feed"));
            }
            paths.push(path);
            if !self.take(",") {
                return Ok(Statement::Requires(paths));
            }
        }
    }
}

fn needs_2(span: Span, what: &str) -> LineError {
    span.error(format!("{what} needs PXI-2: this source is PXI-1"))
        .note("write .module 2 at its start", None)
}

/// Why an instruction cannot be here, and what can.
fn other_generation(kind: &Instruction, span: Span) -> LineError {
    if kind.since == Since::Only2 {
        return needs_2(span, kind.mnemonic);
    }
    let instead = match kind.opcode {
        isa::JMP => "use BRA, whose target is relative",
        isa::JNZ => "use BNZ, whose target is relative",
        isa::CALL => "use BSR, whose target is relative",
        isa::SYS_LLM => "use SYS LLM",
        _ => "use SYS BLOB for the content of an id, SYS MODULE and SYS RUN for a program",
    };
    span.error(format!("{} is PXI-1 only: this source is a module of PXI-2", kind.mnemonic))
        .note(instead, None)
}
