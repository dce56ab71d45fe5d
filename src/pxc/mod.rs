//! pxc: a Python subset, compiled to modules that the PXI machine runs.
//!
//! In: the source of a module. Out: the module's parts, its symbols, and its
//! assembly; or errors that point into the source. The rule: a program that
//! runs gives exactly what CPython gives, or it stops; whatever could give
//! something else is refused. `docs/pxi-python.md` is the language.
//!
//! ```text
//! parse   text -> syntax tree (ruff)     lower   tree -> operations: names, types, constants
//! hoist   out of loops                   live, place   registers
//! emit, link   operations -> pixels      listing       symbols, assembly
//! ```

mod data;
mod diagnostic;
mod emit;
mod hoist;
mod ir;
mod link;
mod listing;
mod live;
mod lower;
mod names;
mod parse;
mod place;
mod types;
mod value;

pub use crate::pxi::asm::Diagnostic;
pub use parse::MAX_SOURCE;

use ruff_text_size::TextRange;

use crate::pxi::asm::SourceMap;
use crate::pxi::pxim2::{self, Parts};
use diagnostic::Lines;
use emit::Item;
use ir::Body;
use lower::Program;

/// Pixels behind a module that makes arrays at run time, unless it says HEAP.
const HEAP: u32 = 1 << 18;

/// Stack of the thread that compiles: trees are at most as deep as `parse` lets them be.
const STACK: usize = 64 << 20;

/// A compiled module.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What the module is made of.
    pub parts: Parts,
    /// Which line and function each pixel of its code belongs to.
    pub map: SourceMap,
    /// Its code in assembly, with the lines of the source.
    pub assembly: String,
}

/// Compiles the source of a module; the name is for messages and the map.
///
/// # Errors
/// Everything that is wrong with it, or not in the subset, up to twenty at once.
pub fn compile(file: &str, source: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let failed = |what: &str| vec![Lines::new(file, source).error(TextRange::default(), what, "")];
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, || compile_here(file, source));
        let thread = thread.map_err(|error| failed(&format!("cannot compile: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("the compiler failed; this is a bug in it")))
    })
}

fn compile_here(file: &str, source: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let lines = Lines::new(file, source);
    let module = parse::parse(source, &lines)?;
    let runtime = lower::runtime_source();
    let runtime = parse::parse(runtime, &Lines::new("runtime.py", runtime))?;
    let (mut program, main) = lower::lower(Lines::new(file, source), module, runtime)?;
    let at_all = |message: &str| vec![lines.error(TextRange::default(), message, "")];
    let mut items = Vec::new();
    for number in 0..program.functions.len() {
        let body = program.functions[number].body.take();
        let Some(body) = body else {
            items.push(Vec::new());
            continue;
        };
        let name = &program.functions[number].name;
        let code = code(body).ok_or_else(|| at_all(&format!("`{name}` is too large")))?;
        items.push(code);
    }
    items.push(code(main).ok_or_else(|| at_all("the main program is too large"))?);
    finish((file, source), &program, &items).map_err(|message| at_all(&message))
}

fn code(mut body: Body) -> Option<Vec<Item>> {
    live::prune(&mut body);
    hoist::hoist(&mut body);
    let places = place::place(&body)?;
    Some(emit::emit(&body, &places))
}

/// Puts code, data and tables together.
fn finish(
    (file, source): (&str, &str),
    program: &Program<'_>,
    items: &[Vec<Item>],
) -> Result<Compiled, String> {
    let linked = link::link(items)?;
    let data_at = pxim2::HEADER + linked.code.len() as u32;
    let mut functions = Vec::new();
    let mut imports = Vec::new();
    for (function, at) in program.functions.iter().zip(&linked.functions) {
        if let Some(external) = &function.external {
            let (path, name) = (external.path.clone(), external.name.clone());
            imports.push(pxim2::Import { slot: data_at + external.slot, path, name });
        } else if at.length > 0 && !function.trusted && program.is_open(function) {
            let name = function.name.clone();
            functions.push(pxim2::Function { name, address: at.address });
        }
    }
    let settings = &program.settings;
    let heap = settings.heap.unwrap_or(if program.data.has_heap() { HEAP } else { 0 });
    let parts = Parts {
        data: program.data.pixels(),
        entry: linked.functions.last().map_or(pxim2::HEADER, |main| main.address),
        heap,
        frame: settings.frame,
        functions,
        imports,
        requires: settings.requires.clone(),
        code: linked.code.clone(),
    };
    // A module whose header would be refused is an error here, not later.
    parts.build(None)?;
    let map = listing::map(file, program, &linked);
    let assembly = listing::assembly(source, &parts, &map);
    Ok(Compiled { parts, map, assembly })
}
