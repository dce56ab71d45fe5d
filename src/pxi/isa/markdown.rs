//! The tables of `docs/pxi-isa.md`, in Markdown.

use super::calls::{CALLS, CallError};
use super::{Instruction, Kind, Since, TABLE};

/// The instructions, with the bits of their operands.
pub fn instruction_table() -> String {
    let mut text =
        String::from("| R | assembly | G, B, A | in | effect |\n|---|---|---|---|---|\n");
    for instruction in TABLE {
        text.push_str(&instruction_row(instruction));
    }
    text
}

fn instruction_row(instruction: &Instruction) -> String {
    let mut registers = ["Ra", "Rb", "Rc"].into_iter();
    let names: Vec<&str> = instruction
        .operands
        .iter()
        .map(|operand| match operand.kind {
            Kind::Register => registers.next().unwrap_or("R"),
            Kind::Unsigned | Kind::Signed => "n",
            Kind::Absolute | Kind::Relative => "address",
            Kind::Registers => "set",
            Kind::Call => "call",
        })
        .collect();
    let written = names.join(", ");
    let assembly = format!("{} {written}", instruction.mnemonic);
    let generation = match instruction.since {
        Since::Only1 => "1",
        Since::Both => "1, 2",
        Since::Only2 => "2",
    };
    format!(
        "| {:02X} | `{}` | {} | {generation} | {} |\n",
        instruction.opcode,
        assembly.trim_end(),
        fields(instruction, &names),
        instruction.effect
    )
}

/// Where the operands lie: `-` for bits that are ignored, otherwise name and width.
fn fields(instruction: &Instruction, names: &[&str]) -> String {
    let mut at = 24u8;
    let mut parts = Vec::new();
    let mut sorted: Vec<_> = instruction.operands.iter().zip(names).collect();
    sorted.sort_by_key(|(operand, _)| std::cmp::Reverse(operand.shift));
    for (operand, name) in sorted {
        let top = operand.shift + operand.width;
        if at > top {
            parts.push(format!("-:{}", at - top));
        }
        let sign = match operand.kind {
            Kind::Signed => "s",
            Kind::Relative => "r",
            _ => "",
        };
        parts.push(format!("{name}:{sign}{}", operand.width));
        at = operand.shift;
    }
    if at > 0 {
        parts.push(format!("-:{at}"));
    }
    parts.join(" ")
}

/// The system calls and the errors.
pub fn calls_table() -> String {
    let mut text = String::from("| n | call | takes | gives | effect |\n|---|---|---|---|---|\n");
    for call in CALLS {
        let (takes, gives) = (dash(call.takes), dash(call.gives));
        text.push_str(&format!(
            "| {} | `{}` | {takes} | {gives} | {} |\n",
            call.number, call.name, call.effect
        ));
    }
    text.push_str("\n| R1 | error |\n|---|---|\n| 0 | none |\n");
    for error in CallError::ALL {
        text.push_str(&format!("| {} | {error} |\n", error.code()));
    }
    text
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
