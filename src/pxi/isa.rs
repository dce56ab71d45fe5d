//! The instruction set, defined once: the machine's opcodes, the assembler,
//! the disassembler and the table in `docs/pxi-isa.md` all come from [`TABLE`].

use crate::pxi::Pixel;

/// Number of registers; a register number from here on makes the instruction a no-op.
pub const REGISTERS: u8 = 16;

/// What an operand is, and which argument bytes of the pixel carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A register number in argument 1, 2 or 3.
    Register(usize),
    /// A number 0..255 in that argument.
    Byte(usize),
    /// An address, high byte in argument 2, low byte in argument 3.
    Target,
}

impl Operand {
    /// The argument bytes that this operand occupies.
    pub fn arguments(self) -> &'static [usize] {
        match self {
            Self::Register(1) | Self::Byte(1) => &[1],
            Self::Register(2) | Self::Byte(2) => &[2],
            Self::Register(_) | Self::Byte(_) => &[3],
            Self::Target => &[2, 3],
        }
    }
}

/// One kind of instruction.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    /// The red channel.
    pub opcode: u8,
    /// The name in assembly.
    pub mnemonic: &'static str,
    /// The operands, in the order in which assembly writes them.
    pub operands: &'static [Operand],
    /// What it does, in one line.
    pub effect: &'static str,
}

impl Instruction {
    /// The argument bytes that no operand uses, ascending.
    pub fn ignored(&self) -> impl Iterator<Item = usize> {
        let operands = self.operands;
        (1..=3).filter(move |n| !operands.iter().any(|op| op.arguments().contains(n)))
    }

    /// The pixel with all operands 0. Unused arguments are 0 as the old tools
    /// write them; NOP is the opaque background.
    pub fn blank(&self) -> [u8; 4] {
        if self.opcode == NOP { Pixel::BACKGROUND.channels() } else { [self.opcode, 0, 0, 0] }
    }
}

/// Generates the opcode constants and the table from one list.
macro_rules! instructions {
    ($($name:ident = $opcode:literal, [$($operand:expr),*], $effect:literal;)*) => {
        $(
            #[doc = $effect]
            pub const $name: u8 = $opcode;
        )*

        /// All instructions of PXI-1, by group as people learn them.
        pub const TABLE: &[Instruction] = &[
            $(Instruction {
                opcode: $opcode,
                mnemonic: stringify!($name),
                operands: &[$($operand),*],
                effect: $effect,
            }),*
        ];
    };
}

use Operand::{Byte, Register, Target};

instructions! {
    NOP = 0x00, [], "does nothing; the background pixel (0,0,0,255) is one";
    HALT = 0xFF, [], "stops; the program counter stays, and it is no step";
    LOAD = 0x10, [Register(1), Byte(2)], "register = number";
    STORE = 0x11, [Register(1), Byte(2)], "frame pixel at that address = grey of the register, clipped to 255";
    ADD = 0x20, [Register(1), Register(2), Register(3)], "first = (second + third) modulo 256";
    SUB = 0x21, [Register(1), Register(2), Register(3)], "first = (second - third) modulo 256";
    JMP = 0x30, [Target], "goes to the address";
    JNZ = 0x31, [Register(1), Target], "goes to the address if the register is not 0";
    CALL = 0x32, [Target], "pushes the next address, goes to the address";
    RET = 0x33, [], "pops an address and goes there; stops if the stack is empty, which is no step";
    PUSH = 0x34, [Register(1)], "pushes the register, on the stack that CALL uses";
    POP = 0x35, [Register(1)], "pops into the register; does nothing if the stack is empty";
    DRAW = 0x40, [Register(1), Register(2), Register(3)], "frame pixel at x = first, y = second is grey of the third; outside: nothing";
    PRINT = 0x41, [Register(1)], "prints the character U+0000..U+00FF of the register, ? above";
    SYS_LLM = 0xC8, [], "asks a model: R0 prompt, R1 output, R2 length, R3 model; R0 = characters written";
    SYS_BLOB = 0xCC, [], "loads a blob: R0 id, R1 destination, R2 length, R3 flags; R0 = bytes written";
}

/// The instruction of an opcode; none means the pixel is skipped, as one step.
pub fn by_opcode(opcode: u8) -> Option<&'static Instruction> {
    TABLE.iter().find(|instruction| instruction.opcode == opcode)
}

/// The instruction of a mnemonic, in upper or lower case.
pub fn by_mnemonic(name: &str) -> Option<&'static Instruction> {
    TABLE.iter().find(|instruction| instruction.mnemonic.eq_ignore_ascii_case(name))
}

/// The instruction that a pixel is, unless it does nothing for want of an
/// opcode or of a register.
pub fn decode(pixel: Pixel) -> Option<&'static Instruction> {
    let bytes = pixel.channels();
    let instruction = by_opcode(bytes[0])?;
    let valid = instruction.operands.iter().all(|operand| match operand {
        Register(n) => bytes[*n] < REGISTERS,
        Byte(_) | Target => true,
    });
    valid.then_some(instruction)
}

/// The table of `docs/pxi-isa.md`, in Markdown.
pub fn markdown_table() -> String {
    let mut text =
        String::from("| R | assembly | G | B | A | effect |\n|---|---|---|---|---|---|\n");
    for instruction in TABLE {
        text.push_str(&markdown_row(instruction));
    }
    text
}

fn markdown_row(instruction: &Instruction) -> String {
    let mut cells = ["-"; 4];
    let mut written = Vec::new();
    for (index, operand) in instruction.operands.iter().enumerate() {
        let names = match operand {
            Register(_) => &["Ra", "Rb", "Rc"][index..=index],
            Byte(_) => &["n"],
            Target => &["hi", "lo"],
        };
        for (argument, name) in operand.arguments().iter().zip(names) {
            cells[*argument] = name;
        }
        written.push(if *operand == Target { "address" } else { names[0] });
    }
    let assembly = format!("{} {}", instruction.mnemonic, written.join(", "));
    format!(
        "| {:02X} | `{}` | {} | {} | {} | {} |\n",
        instruction.opcode,
        assembly.trim_end(),
        cells[1],
        cells[2],
        cells[3],
        instruction.effect
    )
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
    fn no_two_operands_share_an_argument() {
        for instruction in TABLE {
            let used: usize =
                instruction.operands.iter().map(|operand| operand.arguments().len()).sum();
            assert_eq!(used + instruction.ignored().count(), 3, "{}", instruction.mnemonic);
        }
    }

    #[test]
    fn a_register_that_does_not_exist_makes_no_instruction() {
        assert!(decode(Pixel::new(LOAD, 15, 200, 0)).is_some());
        assert!(decode(Pixel::new(LOAD, 16, 200, 0)).is_none());
        assert!(decode(Pixel::new(0x99, 0, 0, 0)).is_none());
    }
}
