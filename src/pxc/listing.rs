//! What people and tools read about a compiled module: symbols and assembly.

use std::fmt::Write as _;

use serde::Serialize;

use super::link::Linked;
use super::lower::Program;
use crate::pxi::isa::{self, Isa, Kind};
use crate::pxi::pixel::Pixel;
use crate::pxi::pxim2::{HEADER, Parts};

/// A function of the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionSymbol {
    /// Its name; `main` for the module's statements.
    pub name: String,
    /// Its first pixel, counted from the module's first.
    pub address: u32,
    /// Its pixels.
    pub length: u32,
}

/// Which line and function each pixel of the code belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Symbols {
    /// The functions, by address.
    pub functions: Vec<FunctionSymbol>,
    /// Address and line: the line holds up to the next address. 0: no line.
    pub lines: Vec<(u32, u32)>,
}

impl Symbols {
    pub(super) fn new(program: &Program<'_>, linked: &Linked) -> Self {
        let names = program.functions.iter().map(|function| function.name.as_str()).chain(["main"]);
        let functions = names.zip(&linked.functions).filter(|(_, at)| at.length > 0);
        let functions = functions.map(|(name, at)| FunctionSymbol {
            name: name.to_owned(),
            address: at.address,
            length: at.length,
        });
        let mut lines: Vec<(u32, u32)> = Vec::new();
        for (address, line) in (HEADER..).zip(&linked.lines) {
            if lines.last().is_none_or(|(_, last)| last != line) {
                lines.push((address, *line));
            }
        }
        Self { functions: functions.collect(), lines }
    }

    /// The symbols as JSON: `functions` with name, address and length, and
    /// `lines` as pairs of address and line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn line(&self, address: u32) -> u32 {
        let next = self.lines.partition_point(|(start, _)| *start <= address);
        next.checked_sub(1).map_or(0, |at| self.lines[at].1)
    }

    fn name(&self, address: u32) -> Option<&str> {
        let found = self.functions.iter().find(|function| function.address == address);
        found.map(|function| function.name.as_str())
    }
}

/// The code as a person reads it: addresses, instructions, the source between them.
pub(super) fn assembly(source: &str, parts: &Parts, symbols: &Symbols) -> String {
    let source: Vec<&str> = source.lines().collect();
    let mut text = String::new();
    let mut last = 0;
    for (address, pixel) in (HEADER..).zip(&parts.code) {
        if let Some(name) = symbols.name(address) {
            let _ = writeln!(text, "\n; function {name}");
        }
        let line = symbols.line(address);
        if line != last {
            let shown = source.get((line as usize).wrapping_sub(1)).copied().unwrap_or("");
            let shown: String = shown.chars().filter(|c| !c.is_control()).take(100).collect();
            let _ = writeln!(text, "; {line}: {}", shown.trim_start());
            last = line;
        }
        let _ = writeln!(text, "{address:6}  {}", instruction(*pixel, address, symbols));
    }
    let _ = writeln!(text, "\n; {} pixels of data, {} of heap", parts.data.len(), parts.heap);
    text
}

fn instruction(pixel: Pixel, address: u32, symbols: &Symbols) -> String {
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
                    let name = u32::try_from(target).ok().and_then(|target| symbols.name(target));
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
