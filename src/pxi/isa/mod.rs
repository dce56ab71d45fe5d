//! The instruction set, defined once: the machine's opcodes, the assembler,
//! the disassembler, the verifier and the tables in `docs/pxi-isa.md` all come
//! from [`TABLE`] and, for system calls, from [`calls::CALLS`].
//!
//! A pixel is an instruction: red is the opcode; green, blue and alpha are
//! arguments 1 to 3, taken together as a number of 24 bits, green highest. An
//! [`Operand`] is a field of that number.

pub mod calls;
mod markdown;
mod operand;
mod table;

pub use markdown::{calls_table, instruction_table};
pub use operand::{Kind, Operand};
pub use table::*;

use crate::pxi::Pixel;

/// Number of registers. A register number from here on makes the instruction a
/// no-op in PXI-1 and a trap in PXI-2.
pub const REGISTERS: u8 = 16;

/// A generation of the instruction set, chosen by a program's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// What the old machine runs: raw programs and PXIM 1.x modules.
    Pxi1,
    /// PXIM 2.x modules.
    Pxi2,
}

/// The generations that have an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Only PXI-1: it names addresses that a module cannot keep.
    Only1,
    /// Both.
    Both,
    /// Only PXI-2.
    Only2,
}

/// One kind of instruction.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    /// The red channel.
    pub opcode: u8,
    /// Who has it.
    pub since: Since,
    /// The name in assembly.
    pub mnemonic: &'static str,
    /// The operands, in the order in which assembly writes them.
    pub operands: &'static [Operand],
    /// What it does, in one line.
    pub effect: &'static str,
}

impl Instruction {
    /// Whether a generation has it.
    pub fn is_in(&self, isa: Isa) -> bool {
        match self.since {
            Since::Both => true,
            Since::Only1 => isa == Isa::Pxi1,
            Since::Only2 => isa == Isa::Pxi2,
        }
    }

    /// The argument bits (24, argument 1 highest) that no operand uses.
    pub fn unused_bits(&self) -> u32 {
        self.operands.iter().fold(0x00FF_FFFF, |bits, operand| bits & !operand.mask())
    }

    /// The argument bytes that no operand uses, ascending.
    pub fn ignored(&self) -> impl Iterator<Item = usize> {
        let unused = self.unused_bits();
        (1..=3).filter(move |n| unused >> (24 - 8 * n) & 255 == 255)
    }

    /// The pixel with all operands 0. Unused arguments are 0 as the old tools
    /// write them; NOP is the opaque background.
    pub fn blank(&self) -> [u8; 4] {
        if self.opcode == NOP { Pixel::BACKGROUND.channels() } else { [self.opcode, 0, 0, 0] }
    }
}

/// The instruction of an opcode. None means: skipped as one step in PXI-1, a
/// trap in PXI-2.
pub fn by_opcode(opcode: u8, isa: Isa) -> Option<&'static Instruction> {
    TABLE.iter().find(|instruction| instruction.opcode == opcode && instruction.is_in(isa))
}

/// The instruction of a mnemonic, in upper or lower case.
pub fn by_mnemonic(name: &str) -> Option<&'static Instruction> {
    TABLE.iter().find(|instruction| instruction.mnemonic.eq_ignore_ascii_case(name))
}

/// The instruction that a pixel is, unless it is none for want of an opcode or
/// of a register.
pub fn decode(pixel: Pixel, isa: Isa) -> Option<&'static Instruction> {
    let instruction = by_opcode(pixel.channels()[0], isa)?;
    let valid = instruction.operands.iter().all(|operand| match operand.kind {
        Kind::Register => operand.get(pixel) < i64::from(REGISTERS),
        _ => true,
    });
    valid.then_some(instruction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_and_mnemonics_are_unique() {
        for (index, one) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                assert_ne!(one.opcode, other.opcode);
                assert_ne!(one.mnemonic, other.mnemonic);
            }
        }
    }

    #[test]
    fn no_two_operands_share_a_bit() {
        for instruction in TABLE {
            let used: u32 = instruction.operands.iter().map(|op| op.mask().count_ones()).sum();
            assert_eq!(used + instruction.unused_bits().count_ones(), 24, "{instruction:?}");
        }
    }

    #[test]
    fn a_register_that_does_not_exist_makes_no_instruction() {
        assert!(decode(Pixel::new(LOAD, 15, 200, 0), Isa::Pxi1).is_some());
        assert!(decode(Pixel::new(LOAD, 16, 200, 0), Isa::Pxi1).is_none());
        assert!(decode(Pixel::new(0x99, 0, 0, 0), Isa::Pxi1).is_none());
    }

    #[test]
    fn a_generation_has_only_its_own() {
        assert!(decode(Pixel::new(ADDW, 1, 2, 3), Isa::Pxi1).is_none());
        assert!(decode(Pixel::new(ADDW, 1, 2, 3), Isa::Pxi2).is_some());
        assert!(decode(Pixel::new(JMP, 0, 0, 0), Isa::Pxi2).is_none());
    }
}
