//! The table of instructions.

use super::operand::{Kind, Operand};
use super::{Instruction, Since};

/// Generates the opcode constants and the table from one list.
macro_rules! instructions {
    ($($since:ident { $($name:ident = $opcode:literal, [$($operand:expr),*], $effect:literal;)* })*) => {
        $($(
            #[doc = $effect]
            pub const $name: u8 = $opcode;
        )*)*

        /// All instructions, by group as people learn them.
        pub const TABLE: &[Instruction] = &[
            $($(Instruction {
                opcode: $opcode,
                since: Since::$since,
                mnemonic: stringify!($name),
                operands: &[$($operand),*],
                effect: $effect,
            }),*),*
        ];
    };
}

/// A register in argument 1, 2 or 3.
const R1: Operand = Operand::new(Kind::Register, 16, 8);
const R2: Operand = Operand::new(Kind::Register, 8, 8);
const R3: Operand = Operand::new(Kind::Register, 0, 8);
/// Two registers in the halves of argument 1.
const RA: Operand = Operand::new(Kind::Register, 20, 4);
const RB: Operand = Operand::new(Kind::Register, 16, 4);
/// Numbers.
const N2: Operand = Operand::new(Kind::Unsigned, 8, 8);
const N3: Operand = Operand::new(Kind::Unsigned, 0, 8);
const N16: Operand = Operand::new(Kind::Unsigned, 0, 16);
const S8: Operand = Operand::new(Kind::Signed, 0, 8);
const S20: Operand = Operand::new(Kind::Signed, 0, 20);
/// Addresses.
const TARGET: Operand = Operand::new(Kind::Absolute, 0, 16);
const NEAR: Operand = Operand::new(Kind::Relative, 0, 16);
const PLACE: Operand = Operand::new(Kind::Relative, 0, 20);
const FAR: Operand = Operand::new(Kind::Relative, 0, 24);
const MASK: Operand = Operand::new(Kind::Registers, 0, 16);
const CALL_NUMBER: Operand = Operand::new(Kind::Call, 0, 16);

instructions! {
    Both {
        NOP = 0x00, [], "does nothing; the background pixel (0,0,0,255) is one";
        HALT = 0xFF, [], "stops; the program counter stays, and it is no step";
        LOAD = 0x10, [R1, N2], "register = number";
        STORE = 0x11, [R1, N2], "frame pixel at that address = grey of the register, clipped to 255";
        ADD = 0x20, [R1, R2, R3], "first = (second + third) modulo 256";
        SUB = 0x21, [R1, R2, R3], "first = (second - third) modulo 256";
    }
    Only1 {
        JMP = 0x30, [TARGET], "goes to the address";
        JNZ = 0x31, [R1, TARGET], "goes to the address if the register is not 0";
        CALL = 0x32, [TARGET], "pushes the next address, goes to the address";
    }
    Both {
        RET = 0x33, [], "pops an address and goes there; stops if the stack is empty, which is no step";
        PUSH = 0x34, [R1], "pushes the register, on the stack that calls use";
        POP = 0x35, [R1], "pops into the register; if the stack is empty nothing (PXI-1) or a trap (PXI-2)";
        DRAW = 0x40, [R1, R2, R3], "frame pixel at x = first, y = second is grey of the third; outside: nothing";
        PRINT = 0x41, [R1], "prints the character U+0000..U+00FF of the register, ? above";
    }
    Only1 {
        SYS_LLM = 0xC8, [], "asks a model: R0 prompt, R1 output, R2 length, R3 model; R0 = characters written";
        SYS_BLOB = 0xCC, [], "loads a blob: R0 id, R1 destination, R2 length, R3 flags; R0 = bytes written";
    }
    Only2 {
        LI = 0x12, [RA, S20], "register = number, -524288 to 524287";
        LIH = 0x13, [R1, N16], "upper half of the register = number; the lower half stays";
        MOV = 0x14, [R1, R2], "first = second";
        LEA = 0x15, [RA, PLACE], "register = address";

        LD = 0x50, [R1, R2, S8], "first = pixel at address second + number";
        ST = 0x51, [R1, R2, S8], "pixel at address second + number = first";
        LDX = 0x52, [R1, R2, R3], "first = pixel at address second + third";
        STX = 0x53, [R1, R2, R3], "pixel at address second + third = first";
        LDB = 0x54, [R1, R2, S8], "first = channel at byte address second + number";
        STB = 0x55, [R1, R2, S8], "channel at byte address second + number = low 8 bits of first";
        LDBX = 0x56, [R1, R2, R3], "first = channel at byte address second + third";
        STBX = 0x57, [R1, R2, R3], "channel at byte address second + third = low 8 bits of first";
        COPY = 0x58, [R1, R2, R3], "copies third pixels from address second to address first, overlapping or not; a step more for each 16";
        FILL = 0x59, [R1, R2, R3], "sets third pixels from address first on to second; a step more for each 16";

        ADDW = 0x60, [R1, R2, R3], "first = second + third, modulo 2^32";
        SUBW = 0x61, [R1, R2, R3], "first = second - third, modulo 2^32";
        MULW = 0x62, [R1, R2, R3], "first = second * third, modulo 2^32";
        ADDV = 0x64, [R1, R2, R3], "first = second + third, with signs; traps if it does not fit";
        SUBV = 0x65, [R1, R2, R3], "first = second - third, with signs; traps if it does not fit";
        MULV = 0x66, [R1, R2, R3], "first = second * third, with signs; traps if it does not fit";
        ADDU = 0x68, [R1, R2, R3], "first = second + third, without signs; traps if it does not fit";
        SUBU = 0x69, [R1, R2, R3], "first = second - third, without signs; traps if it does not fit";
        MULU = 0x6A, [R1, R2, R3], "first = second * third, without signs; traps if it does not fit";
        DIVS = 0x6C, [R1, R2, R3], "first = second / third, with signs, towards zero; traps at zero and if it does not fit";
        REMS = 0x6D, [R1, R2, R3], "first = what DIVS leaves, with the sign of second; traps at zero";
        DIVU = 0x6E, [R1, R2, R3], "first = second / third, without signs; traps at zero";
        REMU = 0x6F, [R1, R2, R3], "first = what DIVU leaves; traps at zero";
        DIVF = 0x70, [R1, R2, R3], "first = second / third, with signs, rounded down; traps at zero and if it does not fit";
        MODF = 0x71, [R1, R2, R3], "first = what DIVF leaves, with the sign of third; traps at zero";

        AND = 0x74, [R1, R2, R3], "first = bits that second and third have";
        OR = 0x75, [R1, R2, R3], "first = bits that second or third has";
        XOR = 0x76, [R1, R2, R3], "first = bits that one of second and third has";
        SHL = 0x78, [R1, R2, R3], "first = second shifted left by third; 0 from 32 on";
        SHR = 0x79, [R1, R2, R3], "first = second shifted right by third, without sign; 0 from 32 on";
        SAR = 0x7A, [R1, R2, R3], "first = second shifted right by third, with its sign, which fills it from 32 on";
        SHLV = 0x7B, [R1, R2, R3], "first = second * 2^third, with signs; traps if it does not fit";
        SHLU = 0x7C, [R1, R2, R3], "first = second * 2^third, without signs; traps if it does not fit";

        ADDI = 0x80, [R1, R2, S8], "first = second + number, modulo 2^32";
        ADDIV = 0x81, [R1, R2, S8], "first = second + number, with signs; traps if it does not fit";
        ADDIU = 0x82, [R1, R2, S8], "first = second without sign + number; traps if it does not fit";
        ANDI = 0x84, [R1, R2, N3], "first = bits that second and number have";
        SHLI = 0x85, [R1, R2, N3], "first = second shifted left by number; 0 from 32 on";
        SHRI = 0x86, [R1, R2, N3], "first = second shifted right by number, without sign; 0 from 32 on";
        SARI = 0x87, [R1, R2, N3], "first = second shifted right by number, with its sign";

        SEQ = 0x90, [R1, R2, R3], "first = 1 if second = third, else 0";
        SNE = 0x91, [R1, R2, R3], "first = 1 if second is not third, else 0";
        SLT = 0x92, [R1, R2, R3], "first = 1 if second < third, with signs, else 0";
        SLE = 0x93, [R1, R2, R3], "first = 1 if second <= third, with signs, else 0";
        SLTU = 0x94, [R1, R2, R3], "first = 1 if second < third, without signs, else 0";
        SLEU = 0x95, [R1, R2, R3], "first = 1 if second <= third, without signs, else 0";

        BEQ = 0xA0, [RA, RB, NEAR], "goes to the address if first = second";
        BNE = 0xA1, [RA, RB, NEAR], "goes to the address if first is not second";
        BLT = 0xA2, [RA, RB, NEAR], "goes to the address if first < second, with signs";
        BGE = 0xA3, [RA, RB, NEAR], "goes to the address if first >= second, with signs";
        BLTU = 0xA4, [RA, RB, NEAR], "goes to the address if first < second, without signs";
        BGEU = 0xA5, [RA, RB, NEAR], "goes to the address if first >= second, without signs";
        BZ = 0xA6, [R1, NEAR], "goes to the address if the register is 0";
        BNZ = 0xA7, [R1, NEAR], "goes to the address if the register is not 0";
        BRA = 0xA8, [FAR], "goes to the address";
        BSR = 0xA9, [FAR], "pushes the next address, goes to the address";
        JR = 0xAA, [R1], "goes to the address in the register";
        JSR = 0xAB, [R1], "pushes the next address, goes to the address in the register";

        PUSHM = 0x36, [MASK], "pushes the registers of the set, R0 first";
        POPM = 0x37, [MASK], "pops the registers of the set, R0 last; traps if the stack has fewer";
        PEEK = 0x38, [R1, N16], "register = number of the stack, counted from the top, which is 0; traps beyond the bottom";
        POKE = 0x39, [R1, N16], "number of the stack, counted from the top, = register; traps beyond the bottom";
        GROW = 0x3A, [N16], "pushes so many zeros";
        DROP = 0x3B, [N16], "pops so many numbers; traps if the stack has fewer";

        PLOT = 0x42, [R1, R2, R3], "frame pixel at x = first, y = second is third; outside: nothing";
        PIXEL = 0x43, [R1, R2, R3], "first = frame pixel at x = second, y = third; 0 outside";
        FSIZE = 0x44, [R1, R2], "first = width, second = height of the frame";
        PUTC = 0x45, [R1], "prints the character of the register, U+FFFD if there is none";
        SYS = 0xC0, [CALL_NUMBER], "system call: arguments in R0 to R5, R0 = result, R1 = error or 0";
    }
}
