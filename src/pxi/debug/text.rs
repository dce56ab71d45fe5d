//! One instruction as a line of assembly, with names for what it names.

use super::names::Names;
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Isa, Kind, Operand, calls};

/// A pixel as an instruction, or as the numbers of a pixel that is none.
/// `base` is the first pixel of the module it belongs to, `address` its own
/// address in the memory.
pub fn instruction(pixel: Pixel, isa: Isa, base: u32, address: u32, names: &Names) -> String {
    let Some(kind) = isa::decode(pixel, isa) else {
        let [r, g, b, a] = pixel.channels();
        return format!(".pixel {r}, {g}, {b}, {a}");
    };
    let operands = kind.operands.iter().map(|operand| match operand.kind {
        Kind::Register => format!("R{}", operand.get(pixel)),
        Kind::Absolute | Kind::Relative => place(*operand, pixel, base, address)
            .map_or_else(|| operand.get(pixel).to_string(), |target| shown(target, base, names)),
        Kind::Registers => registers(operand.get(pixel)),
        Kind::Call => call(operand.get(pixel)),
        Kind::Unsigned | Kind::Signed => operand.get(pixel).to_string(),
    });
    let operands = operands.collect::<Vec<_>>().join(", ");
    if operands.is_empty() {
        kind.mnemonic.to_owned()
    } else {
        format!("{} {operands}", kind.mnemonic)
    }
}

/// The address of the memory that an operand names.
fn place(operand: Operand, pixel: Pixel, base: u32, address: u32) -> Option<u32> {
    let from = match operand.kind {
        Kind::Absolute => base,
        Kind::Relative => address,
        _ => return None,
    };
    u32::try_from(i64::from(from) + operand.get(pixel)).ok()
}

fn shown(target: u32, base: u32, names: &Names) -> String {
    match names.at(target) {
        Some(named) => named.to_string(),
        // As the module counts.
        None => target.wrapping_sub(base).to_string(),
    }
}

fn registers(set: i64) -> String {
    let named = (0..16).filter(|n| set >> n & 1 == 1).map(|n| format!("R{n}"));
    format!("{{{}}}", named.collect::<Vec<_>>().join(", "))
}

fn call(number: i64) -> String {
    let known = u16::try_from(number).ok().and_then(calls::by_number);
    known.map_or_else(|| number.to_string(), |call| call.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_shown_as_what_they_are() {
        let names = Names::default();
        let cases = [
            ([isa::LOAD, 3, 65, 0], Isa::Pxi1, "LOAD R3, 65"),
            ([isa::JNZ, 3, 1, 0], Isa::Pxi1, "JNZ R3, 256"),
            ([isa::BRA, 255, 255, 255], Isa::Pxi2, "BRA 19"),
            ([isa::BEQ, 0x12, 0, 2], Isa::Pxi2, "BEQ R1, R2, 22"),
            ([isa::PUSHM, 0, 0x80, 0x03], Isa::Pxi2, "PUSHM {R0, R1, R15}"),
            ([isa::SYS, 0, 0, 14], Isa::Pxi2, "SYS RUN"),
            ([isa::SYS, 0, 9, 14], Isa::Pxi2, "SYS 2318"),
            ([isa::LD, 1, 2, 255], Isa::Pxi2, "LD R1, R2, -1"),
            ([isa::LOAD, 99, 1, 2], Isa::Pxi2, ".pixel 16, 99, 1, 2"),
            ([isa::BRA, 0x80, 0, 0], Isa::Pxi2, "BRA -8388608"),
        ];
        for (pixel, isa, text) in cases {
            assert_eq!(instruction(pixel.into(), isa, 0, 20, &names), text);
        }
    }
}
