//! Directives: what begins with a dot.

use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Op};
use super::parser::Parser;
use super::pseudo;
use super::statement::{Cell, Section, Statement, Value, needs_2};
use super::token::Token;
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Isa};

/// What only modules of version 2 have.
const ONLY_2: [&str; 9] =
    [".code", ".data", ".heap", ".memory", ".frame", ".func", ".export", ".import", ".requires"];

impl Parser<'_> {
    pub(super) fn directive(&mut self, name: &str, span: Span) -> Result<Statement, LineError> {
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
