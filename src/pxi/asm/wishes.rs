//! Statements that make no pixels: what they say of names, of registers and of
//! the module as a whole.

use std::rc::Rc;

use super::Form;
use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Op};
use super::layout::{Assembler, must_be_known};
use super::names::What;
use super::reader::Chain;
use super::statement::{Cell, Section, Statement};
use crate::pxi::Pixel;
use crate::pxi::raster::MAX_PIXELS;

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

impl Assembler<'_> {
    /// Statements that make no pixels.
    pub(super) fn wish(&mut self, statement: Statement) -> Result<(), LineError> {
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
