//! The assembler: text in, a program picture out. `docs/pxi-asm.md` has the language.
//!
//! One pass gives every statement its place and most their pixels; what depends
//! on names that come later is filled in at the end. All errors of a source come
//! together, each with its place. Never: files; who calls reads them.

mod control;
mod diagnostic;
mod directives;
mod encode;
mod eval;
mod expr;
mod finish;
mod layout;
mod macros;
mod map;
mod names;
mod parser;
mod place;
mod playback;
mod pseudo;
mod reader;
mod sources;
mod statement;
mod text;
mod token;
mod wishes;

pub use diagnostic::{Diagnostic, Note, Place};
pub use map::{Assembly, LineEntry, SourceMap, SymbolEntry, SymbolKind};
pub use sources::Source;

use std::collections::HashMap;

use layout::Assembler;

use crate::pxi::isa::Isa;

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
    /// A header, even if the source has no `.module`: that of PXIM 1.0 unless it
    /// says `.module 2`.
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

/// Gives the source that another one includes: name of the including one, then
/// what it wrote. The reason, if it cannot.
pub type Include<'a> = dyn FnMut(&str, &str) -> Result<Source, String> + 'a;

/// Assembles a text that includes no others.
///
/// # Errors
/// Every error found, up to twenty.
pub fn assemble(text: &str, options: Options) -> Result<Assembly, Vec<Diagnostic>> {
    let source = Source { name: "source".to_owned(), text: text.to_owned() };
    let mut nothing = |_: &str, _: &str| Err("nothing can be included here".to_owned());
    assemble_source(source, options, &mut nothing)
}

/// Assembles a source and what it includes.
///
/// # Errors
/// Every error found, up to twenty.
pub fn assemble_source(
    source: Source,
    options: Options,
    include: &mut Include<'_>,
) -> Result<Assembly, Vec<Diagnostic>> {
    let version = match (declared_version(&source.text), options.form) {
        (Some(2), _) => Some(2),
        (_, Form::Raw) => None,
        (_, Form::Module) => Some(1),
        (declared, Form::AsWritten) => declared,
    };
    let mut include = |from: &str, path: &str| include(from, path);
    let mut assembler = Assembler::new(version, options, &mut include);
    assembler.reader.open(source);
    assembler.run();
    assembler.finish()
}

/// Names of the instructions that the assembler makes of others.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    pseudo::names()
}

/// Whether a text can be a label of a module of version 2.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    starts && goes_on && !text.starts_with("E_") && !text.starts_with("__") && {
        let scope = std::rc::Rc::from("");
        let context = parser::Context { isa: Isa::Pxi2, aliases: HashMap::new(), scope };
        let nowhere = diagnostic::Span { file: 0, line: 1, column: 1, length: 1 };
        parser::check_name(text, nowhere, &context).is_ok()
    }
}

/// The version that a `.module` gives, which decides how everything else is
/// read, so it is looked for before.
fn declared_version(text: &str) -> Option<u8> {
    let mut depth = 0u32;
    for line in text.lines() {
        let Some((word, rest)) = directive(line) else { continue };
        match word.to_ascii_lowercase().as_str() {
            ".macro" | ".if" | ".rept" => depth += 1,
            ".endm" | ".endif" | ".endr" => depth = depth.saturating_sub(1),
            ".module" if depth == 0 => {
                let version = rest.split(';').next().unwrap_or("").trim();
                return Some(if version == "2" { 2 } else { 1 });
            }
            _ => {}
        }
    }
    None
}

/// The directive of a line, behind its label if it has one.
fn directive(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = match line.split_once(':') {
        Some((label, rest))
            if label.chars().all(|c| c.is_ascii_alphanumeric() || "_@ \t".contains(c)) =>
        {
            rest.trim_start()
        }
        _ => line,
    };
    let end = line.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(line.len());
    line.starts_with('.').then(|| line.split_at(end))
}
