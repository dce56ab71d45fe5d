//! The assembler: text in, a program picture out. `docs/pxi-isa.md` has the language.
//!
//! Two passes: the first gives every statement its address, the second writes
//! pixels. All errors of a source come together, each with its place.

mod diagnostic;
mod emit;
mod statement;
mod token;

use std::collections::HashMap;

pub use diagnostic::Diagnostic;
use diagnostic::{LineError, Span};
use emit::Names;
use statement::{Expr, Line, Statement};

use crate::pxi::Raster;
use crate::pxi::module::PHASE5_HEADER;
use crate::pxi::raster::MAX_PIXELS;

/// Errors after which the assembler gives up: the rest mostly follows from the first.
const MAX_ERRORS: usize = 20;

/// Whether the picture gets a module header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// As the source says: `.module` or not.
    #[default]
    AsWritten,
    /// No header, even if the source has `.module`.
    Raw,
    /// A PXIM 1.0 header, even if the source has no `.module`.
    Module,
}

/// What the command line says about the picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Width of the picture, instead of the source's `.size`.
    pub width: Option<u32>,
    /// Whether it gets a header.
    pub form: Form,
}

/// Assembles a source.
///
/// # Errors
/// Every error found, up to twenty.
pub fn assemble(source: &str, options: Options) -> Result<Raster, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let lines = parse_lines(source, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let is_module = match options.form {
        Form::Module => true,
        Form::Raw => false,
        Form::AsWritten => {
            lines.iter().any(|(_, line)| matches!(line.statement, Some((Statement::Module, _))))
        }
    };
    let plan = Plan::of(&lines, is_module, &mut errors);
    if errors.is_empty() { emit::emit(&lines, &plan, options) } else { Err(errors) }
}

fn parse_lines(source: &str, errors: &mut Vec<Diagnostic>) -> Vec<(usize, Line)> {
    let mut lines = Vec::new();
    for (index, text) in source.lines().enumerate() {
        match statement::parse(text) {
            Ok(line) if line.label.is_none() && line.statement.is_none() => {}
            Ok(line) => lines.push((index + 1, line)),
            Err(error) => errors.push(error.at(index + 1)),
        }
        if errors.len() == MAX_ERRORS {
            break;
        }
    }
    lines
}

/// Where everything lies: the first pass's result.
struct Plan {
    names: Names,
    is_module: bool,
    /// Pixels taken, header included.
    len: usize,
    entry: Option<usize>,
    size: Option<(u32, Option<u32>)>,
    /// Address of each line's first pixel.
    addresses: Vec<usize>,
}

impl Plan {
    fn of(lines: &[(usize, Line)], is_module: bool, errors: &mut Vec<Diagnostic>) -> Self {
        let start = if is_module { PHASE5_HEADER } else { 0 };
        let mut plan = Self {
            names: Names(HashMap::new()),
            is_module,
            len: start,
            entry: None,
            size: None,
            addresses: Vec::with_capacity(lines.len()),
        };
        for (number, line) in lines {
            if let Err(error) = plan.place(line) {
                errors.push(error.at(*number));
            }
            if errors.len() == MAX_ERRORS {
                return plan;
            }
        }
        for (number, line) in lines {
            // After all labels are known: the entry may be a label further down.
            if let Some((Statement::Entry(entry), _)) = &line.statement
                && let Err(error) = plan.set_entry(entry)
            {
                errors.push(error.at(*number));
            }
        }
        plan
    }

    fn place(&mut self, line: &Line) -> Result<(), LineError> {
        self.addresses.push(self.len);
        if let Some((name, span)) = &line.label {
            self.define(name, *span, self.len as i64)?;
        }
        let Some((statement, span)) = &line.statement else {
            return Ok(());
        };
        let count = self.pixels_of(statement)?;
        let len = self.len as u64 + count;
        if len > MAX_PIXELS {
            let message = format!("the program has more than {MAX_PIXELS} pixels");
            return Err(span.error(message));
        }
        self.len = len as usize;
        Ok(())
    }

    /// How many pixels a statement takes; those that take none are carried out.
    fn pixels_of(&mut self, statement: &Statement) -> Result<u64, LineError> {
        Ok(match statement {
            Statement::Instruction { .. } | Statement::Pixel(_) => 1,
            Statement::Bytes(bytes) => bytes.len() as u64,
            Statement::Text(bytes) => bytes.len() as u64,
            Statement::Say(_, bytes) => 2 * bytes.len() as u64,
            Statement::Fill(count, _) => self.names.number(count, 0, MAX_PIXELS as i64)? as u64,
            Statement::Org(address) => {
                let at = self.names.number(address, 0, MAX_PIXELS as i64)? as u64;
                let here = self.len as u64;
                at.checked_sub(here).ok_or_else(|| {
                    address.span.error(format!(".org {at} lies behind: {here} pixels are taken"))
                })?
            }
            Statement::Equ(name, span, value) => {
                let value = self.names.value(value)?;
                self.define(name, *span, value)?;
                0
            }
            Statement::Size(width, height) => {
                self.set_size(width, height.as_ref())?;
                0
            }
            Statement::Module | Statement::Entry(_) => 0,
        })
    }

    fn define(&mut self, name: &str, span: Span, value: i64) -> Result<(), LineError> {
        match self.names.0.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(span.error(format!("{name} is defined twice"))),
        }
    }

    fn set_size(&mut self, width: &Expr, height: Option<&Expr>) -> Result<(), LineError> {
        let most = MAX_PIXELS as i64;
        let width = self.names.number(width, 1, most)? as u32;
        let height = match height {
            Some(height) => Some(self.names.number(height, 1, most / i64::from(width))? as u32),
            None => None,
        };
        self.size = Some((width, height));
        Ok(())
    }

    fn set_entry(&mut self, entry: &Expr) -> Result<(), LineError> {
        if !self.is_module {
            return Err(entry.span.error("only a module has an entry: add .module or --module"));
        }
        // The header has 16 bits for it.
        let last = (self.len.max(PHASE5_HEADER + 1) - 1).min(usize::from(u16::MAX));
        let entry = self.names.number(entry, PHASE5_HEADER as i64, last as i64)?;
        self.entry = Some(entry as usize);
        Ok(())
    }
}
