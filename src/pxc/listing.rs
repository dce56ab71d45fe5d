//! What people and tools read about a compiled module: symbols and assembly.

use std::fmt::Write as _;

use super::link::Linked;
use super::lower::Program;
use crate::pxi::asm::{LineEntry, SourceMap, SymbolEntry, SymbolKind};
use crate::pxi::isa::{self, Isa, Kind};
use crate::pxi::pixel::Pixel;
use crate::pxi::pxim2::{HEADER, Parts};

/// Functions and lines of the code, for debugger and profiler. The statements of
/// the module are `main`; what belongs to the runtime has no lines.
pub(super) fn map(file: &str, program: &Program<'_>, linked: &Linked) -> SourceMap {
    let names = program.functions.iter().map(|function| function.name.as_str()).chain(["main"]);
    let functions = names.zip(&linked.functions).filter(|(_, at)| at.length > 0);
    let symbols = functions.map(|(name, at)| SymbolEntry {
        name: name.to_owned(),
        value: at.address.into(),
        kind: SymbolKind::Function,
        bytes: None,
    });
    let mut lines: Vec<LineEntry> = Vec::new();
    for (address, line) in (HEADER..).zip(&linked.lines) {
        if *line != 0 && lines.last().is_none_or(|last| last.line != *line) {
            lines.push(LineEntry { address, file: 0, line: *line });
        }
    }
    SourceMap { files: vec![file.to_owned()], symbols: symbols.collect(), lines }
}

/// The function that starts at an address.
fn name(map: &SourceMap, address: u32) -> Option<&str> {
    let found = map.symbols.iter().find(|symbol| symbol.value == i64::from(address));
    found.map(|symbol| symbol.name.as_str())
}

/// The code as a person reads it: addresses, instructions, the source between them.
pub(super) fn assembly(source: &str, parts: &Parts, map: &SourceMap) -> String {
    let source: Vec<&str> = source.lines().collect();
    let mut text = String::new();
    let mut last = 0;
    for (address, pixel) in (HEADER..).zip(&parts.code) {
        if let Some(name) = name(map, address) {
            let _ = writeln!(text, "\n; function {name}");
        }
        let line = map.line_at(address).map_or(0, |(_, line)| line);
        if line != last {
            let shown = source.get((line as usize).wrapping_sub(1)).copied().unwrap_or("");
            let shown: String = shown.chars().filter(|c| !c.is_control()).take(100).collect();
            let _ = writeln!(text, "; {line}: {}", shown.trim_start());
            last = line;
        }
        let _ = writeln!(text, "{address:6}  {}", instruction(*pixel, address, map));
    }
    let _ = writeln!(text, "\n; {} pixels of data, {} of heap", parts.data.len(), parts.heap);
    text
}

fn instruction(pixel: Pixel, address: u32, map: &SourceMap) -> String {
    let Some(instruction) = isa::by_opcode(pixel.channels()[0], Isa::Pxi2) else {
        return format!("{pixel:?}");
    };
    let operands: Vec<String> = instruction
        .operands
        .iter()
        .map(|operand| {
            let value = operand.get(pixel);
            match operand.kind {
                Kind::Register => format!("R{value}"),
                Kind::Relative => {
                    let target = i64::from(address) + value;
                    let name = u32::try_from(target).ok().and_then(|target| name(map, target));
                    name.map_or_else(|| target.to_string(), str::to_owned)
                }
                Kind::Registers => registers(value),
                Kind::Call => isa::calls::by_number(value as u16)
                    .map_or_else(|| value.to_string(), |call| call.name.to_owned()),
                _ => value.to_string(),
            }
        })
        .collect();
    format!("{:<6} {}", instruction.mnemonic, operands.join(", ")).trim_end().to_owned()
}

fn registers(mask: i64) -> String {
    let names = (0..16).filter(|reg| mask >> reg & 1 == 1).map(|reg| format!("R{reg}"));
    format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
}
