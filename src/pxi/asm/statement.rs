//! A line of assembly as a label and a statement.

use super::diagnostic::{LineError, Span};
use super::token::{Token, tokens};
use crate::pxi::isa::{self, Instruction, Kind, REGISTERS};

/// How deep lo(..) and hi(..) may be nested; deeper is a mistake, and recursion has a floor.
const MAX_DEPTH: usize = 8;

/// A line: what it names and what it says.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) label: Option<(String, Span)>,
    pub(super) statement: Option<(Statement, Span)>,
}

/// What a line can say.
#[derive(Debug)]
pub(super) enum Statement {
    Instruction { kind: &'static Instruction, operands: Vec<Value>, ignored: Vec<Expr> },
    Size(Expr, Option<Expr>),
    Module,
    Entry(Expr),
    Org(Expr),
    Equ(String, Span, Expr),
    Pixel(Box<[Expr; 4]>),
    Fill(Expr, Option<Box<[Expr; 4]>>),
    Bytes(Vec<Expr>),
    Text(Vec<u8>),
    Say(u8, Vec<u8>),
}

/// An operand: a register's number, or an expression.
#[derive(Debug)]
pub(super) enum Value {
    Register(u8),
    Expr(Expr),
}

/// A number to be computed, and where it stands.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

/// A sum of numbers, names and bytes of such sums.
#[derive(Debug)]
pub(super) enum ExprKind {
    Number(i64),
    Name(String),
    Low(Box<Expr>),
    High(Box<Expr>),
    /// Terms with their signs: true subtracts.
    Sum(Vec<(bool, Expr)>),
}

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<Line, LineError> {
    let tokens = tokens(line)?;
    let end = Span { column: line.chars().count() + 1, length: 1 };
    let mut parser = Parser { tokens: &tokens, at: 0, end };
    let mut parsed = Line::default();
    if let [(Token::Word(name), span), (Token::Mark(':'), _), ..] = tokens.as_slice() {
        check_name(name, *span)?;
        parsed.label = Some((name.clone(), *span));
        parser.at = 2;
    }
    if parser.at < tokens.len() {
        let span = parser.span();
        parsed.statement = Some((parser.statement()?, span));
        parser.finish()?;
    }
    Ok(parsed)
}

/// A name must not look like anything else that assembly has.
fn check_name(name: &str, span: Span) -> Result<(), LineError> {
    if name.starts_with('.') {
        return Err(span.error("a name does not begin with a dot"));
    }
    if register(name).is_some() {
        return Err(span.error(format!("{name} is a register and cannot be a name")));
    }
    if isa::by_mnemonic(name).is_some() {
        return Err(span.error(format!("{name} is an instruction and cannot be a name")));
    }
    Ok(())
}

/// The number of a word like R12; it may be a register that does not exist.
fn register(word: &str) -> Option<u32> {
    let digits = word.strip_prefix(['R', 'r'])?;
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok())?
}

struct Parser<'a> {
    tokens: &'a [(Token, Span)],
    at: usize,
    /// Just behind the line, for what is missing there.
    end: Span,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |(_, span)| *span)
    }

    fn take(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char, after: &str) -> Result<(), LineError> {
        if self.take(mark) { Ok(()) } else { Err(self.span().error(format!("'{mark}' {after}"))) }
    }

    fn finish(&self) -> Result<(), LineError> {
        if self.at == self.tokens.len() {
            return Ok(());
        }
        Err(self.span().error("nothing more is expected on this line"))
    }

    fn statement(&mut self) -> Result<Statement, LineError> {
        let span = self.span();
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(span.error("an instruction, a directive or a label is expected"));
        };
        self.at += 1;
        if word.starts_with('.') {
            return self.directive(&word.to_ascii_lowercase(), span);
        }
        match isa::by_mnemonic(&word) {
            Some(kind) => self.instruction(kind),
            None => Err(span.error(format!("no instruction '{word}' (a label ends with ':')"))),
        }
    }

    fn instruction(&mut self, kind: &'static Instruction) -> Result<Statement, LineError> {
        let mut operands = Vec::new();
        for (index, operand) in kind.operands.iter().enumerate() {
            if index > 0 {
                let count = kind.operands.len();
                self.expect(',', &format!("expected: {} has {count} operands", kind.mnemonic))?;
            }
            operands.push(match operand.kind {
                Kind::Register => Value::Register(self.register()?),
                _ => Value::Expr(self.expr(0)?),
            });
        }
        let mut ignored = Vec::new();
        if self.take('|') {
            for index in 0..kind.ignored().count() {
                if index > 0 {
                    self.expect(',', "expected: one number for each argument that is ignored")?;
                }
                ignored.push(self.expr(0)?);
            }
        }
        Ok(Statement::Instruction { kind, operands, ignored })
    }

    fn directive(&mut self, name: &str, span: Span) -> Result<Statement, LineError> {
        Ok(match name {
            ".size" => {
                let width = self.expr(0)?;
                let height = if self.take(',') { Some(self.expr(0)?) } else { None };
                Statement::Size(width, height)
            }
            ".module" => Statement::Module,
            ".entry" => Statement::Entry(self.expr(0)?),
            ".org" => Statement::Org(self.expr(0)?),
            ".equ" => self.equ()?,
            ".pixel" => Statement::Pixel(self.channels()?),
            ".fill" => {
                let count = self.expr(0)?;
                let channels = if self.take(',') { Some(self.channels()?) } else { None };
                Statement::Fill(count, channels)
            }
            ".bytes" => {
                let mut bytes = vec![self.expr(0)?];
                while self.take(',') {
                    bytes.push(self.expr(0)?);
                }
                Statement::Bytes(bytes)
            }
            ".text" => Statement::Text(self.text()?),
            ".say" => {
                let register = self.register()?;
                self.expect(',', "expected: .say R0, \"text\"")?;
                Statement::Say(register, self.text()?)
            }
            _ => return Err(span.error(format!("no directive '{name}'"))),
        })
    }

    fn equ(&mut self) -> Result<Statement, LineError> {
        let span = self.span();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(span.error("a name is expected: .equ NAME, VALUE"));
        };
        self.at += 1;
        check_name(&name, span)?;
        self.expect(',', "expected: .equ NAME, VALUE")?;
        Ok(Statement::Equ(name, span, self.expr(0)?))
    }

    fn channels(&mut self) -> Result<Box<[Expr; 4]>, LineError> {
        let mut channel = |first: bool| {
            if !first {
                self.expect(',', "expected: a pixel has four channels R, G, B, A")?;
            }
            self.expr(0)
        };
        Ok(Box::new([channel(true)?, channel(false)?, channel(false)?, channel(false)?]))
    }

    fn text(&mut self) -> Result<Vec<u8>, LineError> {
        let Some(Token::Text(bytes)) = self.peek().cloned() else {
            return Err(self.span().error("a text in double quotes is expected"));
        };
        self.at += 1;
        Ok(bytes)
    }

    fn register(&mut self) -> Result<u8, LineError> {
        let span = self.span();
        let number = match self.peek() {
            Some(Token::Word(word)) => register(word),
            _ => None,
        };
        let number = number.ok_or_else(|| span.error("a register R0 to R15 is expected"))?;
        self.at += 1;
        match u8::try_from(number) {
            Ok(number) if number < REGISTERS => Ok(number),
            _ => Err(span.error(format!("register R{number} does not exist (R0 to R15)"))),
        }
    }

    fn expr(&mut self, depth: usize) -> Result<Expr, LineError> {
        let start = self.span();
        let mut terms = Vec::new();
        let mut minus = self.take('-');
        loop {
            terms.push((minus, self.term(depth)?));
            minus = match self.peek() {
                Some(Token::Mark('+')) => false,
                Some(Token::Mark('-')) => true,
                _ => break,
            };
            self.at += 1;
        }
        let last = self.tokens[self.at - 1].1;
        let span = Span { column: start.column, length: last.column + last.length - start.column };
        match terms.pop() {
            Some((false, only)) if terms.is_empty() => Ok(only),
            last => {
                terms.extend(last);
                Ok(Expr { kind: ExprKind::Sum(terms), span })
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Expr, LineError> {
        let span = self.span();
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        let kind = match token {
            Some(Token::Number(value)) => ExprKind::Number(value),
            Some(Token::Word(word)) if self.peek() == Some(&Token::Mark('(')) => {
                return self.byte_of(&word, span, depth);
            }
            Some(Token::Word(word)) => {
                check_name(&word, span)?;
                ExprKind::Name(word)
            }
            _ => return Err(span.error("a number, a character or a name is expected")),
        };
        Ok(Expr { kind, span })
    }

    fn byte_of(&mut self, word: &str, span: Span, depth: usize) -> Result<Expr, LineError> {
        if depth == MAX_DEPTH {
            return Err(span.error("nested too deeply"));
        }
        self.expect('(', "expected")?;
        let inner = Box::new(self.expr(depth + 1)?);
        self.expect(')', "expected")?;
        let kind = match word.to_ascii_lowercase().as_str() {
            "lo" => ExprKind::Low(inner),
            "hi" => ExprKind::High(inner),
            _ => return Err(span.error(format!("no function '{word}': there are lo() and hi()"))),
        };
        Ok(Expr { kind, span })
    }
}
