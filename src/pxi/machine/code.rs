//! Decoded instructions: one word of 64 bits for each pixel of the memory.
//!
//! A pixel is decoded when it is first run. What writes into the memory tells
//! [`Code::forget`], so a program may change itself. A word of 0 is a pixel
//! that is not decoded yet; fresh memory from the system is that already.

use std::cell::Cell;
use std::ops::Range;

use crate::pxi::Pixel;
use crate::pxi::isa::{self, Isa, Kind};

/// Operations that are not opcodes of their own. The others have the opcode's number.
pub(super) mod op {
    /// Decode first.
    pub(in crate::pxi::machine) const UNKNOWN: u8 = 0x00;
    /// NOP, and in PXI-1 whatever does nothing.
    pub(in crate::pxi::machine) const NOTHING: u8 = 0x01;
    /// In PXI-2 no instruction at all.
    pub(in crate::pxi::machine) const ILLEGAL: u8 = 0x02;
    /// POP that traps when the stack is empty.
    pub(in crate::pxi::machine) const POP_OR_TRAP: u8 = 0x03;
    /// Pairs that are run at once: an instruction and the branch behind it.
    pub(in crate::pxi::machine) const SUB_JNZ: u8 = 0xD0;
    pub(in crate::pxi::machine) const ADDI_BLT: u8 = 0xD1;
    pub(in crate::pxi::machine) const ADDI_BNE: u8 = 0xD2;
}

/// A decoded instruction: operation, three register numbers, a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    fn new(op: u8, registers: [u8; 3], number: u32) -> Self {
        let [a, b, c] = registers;
        Self(u64::from(number) << 32 | u64::from(u32::from_le_bytes([op, a, b, c])))
    }

    #[inline(always)]
    pub(super) fn op(self) -> u8 {
        self.0 as u8
    }

    /// Register numbers are below 16 since they were decoded; the mask spares
    /// the check.
    #[inline(always)]
    pub(super) fn a(self) -> usize {
        (self.0 >> 8 & 15) as usize
    }

    #[inline(always)]
    pub(super) fn b(self) -> usize {
        (self.0 >> 16 & 15) as usize
    }

    #[inline(always)]
    pub(super) fn c(self) -> usize {
        (self.0 >> 24 & 15) as usize
    }

    #[inline(always)]
    pub(super) fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The decoded memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Code {
    words: Vec<u64>,
    /// Every pixel that is decoded lies in here.
    known: Range<usize>,
    isa: Option<Isa>,
}

impl Code {
    /// Makes sure there is a word for each of `len` pixels, and that none is
    /// decoded for another generation.
    pub(super) fn prepare(&mut self, len: usize, isa: Isa) {
        if self.words.len() != len {
            // Zeroed pages come from the system untouched.
            self.words = vec![0; len];
            self.known = 0..0;
        }
        if self.isa != Some(isa) {
            self.forget(self.known.clone());
            self.known = 0..0;
            self.isa = Some(isa);
        }
    }

    /// The words of a part of the memory.
    pub(super) fn window(&mut self, window: Range<usize>) -> &[Cell<u64>] {
        Cell::from_mut(&mut self.words[window]).as_slice_of_cells()
    }

    /// Where decoded pixels lie.
    pub(super) fn known(&self) -> Range<usize> {
        self.known.clone()
    }

    /// Notes that more is decoded.
    pub(super) fn set_known(&mut self, known: Range<usize>) {
        self.known = known;
    }

    /// Anything may have been written.
    pub(super) fn forget_everything(&mut self) {
        self.forget(self.known.clone());
        self.known = 0..0;
    }

    /// Pixels were written: they are to be decoded again, and what was joined with them.
    pub(super) fn forget(&mut self, written: Range<usize>) {
        let start = written.start.saturating_sub(1).max(self.known.start);
        let end = written.end.min(self.known.end);
        if let Some(words) = self.words.get_mut(start..end) {
            words.fill(0);
        }
    }
}

/// Reads a decoded word.
#[inline(always)]
pub(super) fn word(cell: &Cell<u64>) -> Word {
    Word(cell.get())
}

/// Decodes the instruction at `at` and keeps it there.
#[cold]
pub(super) fn decode_at(code: &[Cell<u64>], memory: &[Pixel], at: usize, isa: Isa) {
    let one = decode(memory[at], isa);
    let joined = memory.get(at + 1).and_then(|next| join(one, decode(*next, isa)));
    code[at].set(joined.unwrap_or(one).0);
}

fn decode(pixel: Pixel, generation: Isa) -> Word {
    let nothing = match generation {
        Isa::Pxi1 => op::NOTHING,
        Isa::Pxi2 => op::ILLEGAL,
    };
    let Some(instruction) = isa::decode(pixel, generation) else {
        return Word::new(nothing, [0; 3], 0);
    };
    let (mut registers, mut count, mut number) = ([0; 3], 0, 0);
    for operand in instruction.operands {
        let value = operand.get(pixel);
        if operand.kind == Kind::Register {
            registers[count] = value as u8;
            count += 1;
        } else {
            number = value as u32;
        }
    }
    let op = match (instruction.opcode, generation) {
        (isa::NOP, _) => op::NOTHING,
        (isa::POP, Isa::Pxi2) => op::POP_OR_TRAP,
        (opcode, _) => opcode,
    };
    Word::new(op, registers, number)
}

/// One operation for two that follow each other, where there is one.
fn join(first: Word, second: Word) -> Option<Word> {
    match (first.op(), second.op()) {
        // The counter that is stepped down is the one tested.
        (isa::SUB, isa::JNZ) if first.a() == second.a() => {
            let registers = [first.a(), first.b(), first.c()].map(|n| n as u8);
            Some(Word::new(op::SUB_JNZ, registers, second.number()))
        }
        (isa::ADDI, isa::BLT | isa::BNE)
            if first.a() == first.b() && first.a() == second.a() && fits(second) =>
        {
            let op = if second.op() == isa::BLT { op::ADDI_BLT } else { op::ADDI_BNE };
            let registers = [first.a() as u8, second.b() as u8, 0];
            let number = second.number() & 0xFF_FFFF | first.number() << 24;
            Some(Word::new(op, registers, number))
        }
        _ => None,
    }
}

/// Whether a branch's distance leaves room for eight bits more.
fn fits(word: Word) -> bool {
    let distance = word.number() as i32;
    (-(1 << 23)..1 << 23).contains(&distance)
}
