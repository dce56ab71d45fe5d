//! A line of assembly, without its label, as a statement.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::expr::Expr;
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
}

pub(super) fn needs_2(span: Span, what: &str) -> LineError {
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
