//! Decoded instructions: one word of 64 bits for each pixel of the memory.
//!
//! A pixel is decoded when it is first run. What writes into the memory tells
//! [`Codes::forget`], so a program may change itself. A word of 0 is a pixel
//! that is not decoded yet; fresh memory from the system is that already.

use std::cell::Cell;
use std::ops::Range;

use super::operation::Operation;
use crate::pxi::Pixel;
use crate::pxi::isa::{self, Isa, Kind};

/// Pixels that are decoded at once, at most.
const ROW: usize = 64;

/// The word of a pixel that is not decoded.
const UNKNOWN: Word = [0; 8];

/// The most instructions that are joined into one operation, less one: so far back
/// a written pixel may be part of one.
const REACH: usize = 3;

/// A decoded instruction: operation, three register numbers, a number of 32 bits.
/// Bytes, because each is used for itself.
pub(super) type Word = [u8; 8];

/// Where a word lies. It is read there byte by byte when it is run.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Place<'c>(pub(super) &'c Cell<Word>);

impl Place<'_> {
    #[inline(always)]
    fn byte(self, index: usize) -> usize {
        usize::from(self.0.as_array_of_cells()[index].get())
    }

    #[inline(always)]
    pub(super) fn op(self) -> usize {
        self.byte(0)
    }

    /// The register numbers are below 16 since they were decoded.
    #[inline(always)]
    pub(super) fn a(self) -> usize {
        self.byte(1)
    }

    #[inline(always)]
    pub(super) fn b(self) -> usize {
        self.byte(2)
    }

    #[inline(always)]
    pub(super) fn c(self) -> usize {
        self.byte(3)
    }

    #[inline(always)]
    pub(super) fn number(self) -> u32 {
        let [_, _, _, _, number @ ..] = self.0.get();
        u32::from_le_bytes(number)
    }

    pub(super) fn is_decoded(self) -> bool {
        self.op() != Operation::UNKNOWN as usize
    }

    fn operation(self) -> Operation {
        Operation::of(self.op())
    }

    /// Leaves the operands and changes the operation.
    fn set_operation(self, operation: Operation) {
        self.0.as_array_of_cells()[0].set(operation as u8);
    }
}

fn word(operation: Operation, registers: [u8; 3], number: u32) -> Word {
    let ([a, b, c], [d, e, f, g]) = (registers, number.to_le_bytes());
    [operation as u8, a, b, c, d, e, f, g]
}

/// The memory as decoded for one generation.
#[derive(Debug, Clone, Default)]
struct Code {
    words: Vec<Word>,
    /// Every pixel that is decoded lies in here.
    known: Range<usize>,
}

/// The memory as decoded for both: a module of one may run one of the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Codes {
    of: [Code; 2],
}

/// A window's words: those of the generation that runs, and of the other.
pub(super) struct View<'c> {
    pub(super) own: &'c [Cell<Word>],
    /// Empty if nothing was ever decoded for it.
    pub(super) other: &'c [Cell<Word>],
}

fn index(isa: Isa) -> usize {
    match isa {
        Isa::Pxi1 => 0,
        Isa::Pxi2 => 1,
    }
}

impl Codes {
    /// Makes sure that there is a word for each of `len` pixels.
    pub(super) fn prepare(&mut self, len: usize, isa: Isa) {
        let code = &mut self.of[index(isa)];
        if code.words.len() != len {
            // Zeroed pages come from the system untouched.
            *code = Code { words: vec![UNKNOWN; len], known: 0..0 };
        }
    }

    /// The words of a part of the memory.
    pub(super) fn view(&mut self, window: Range<usize>, isa: Isa) -> View<'_> {
        let [one, two] = &mut self.of;
        let (own, other) = if isa == Isa::Pxi1 { (one, two) } else { (two, one) };
        let cells = |code| Cell::from_mut(code).as_slice_of_cells();
        let other = other.words.get_mut(window.clone()).unwrap_or_default();
        View { own: cells(&mut own.words[window]), other: cells(other) }
    }

    /// Where pixels lie that are decoded for any generation.
    pub(super) fn known(&self) -> Range<usize> {
        hull(self.of[0].known.clone(), self.of[1].known.clone())
    }

    /// Notes that more is decoded.
    pub(super) fn add_known(&mut self, range: Range<usize>, isa: Isa) {
        let known = &mut self.of[index(isa)].known;
        *known = hull(known.clone(), range);
    }

    /// Anything may have been written.
    pub(super) fn forget_everything(&mut self) {
        for code in &mut self.of {
            let known = std::mem::take(&mut code.known);
            code.words[known].fill(UNKNOWN);
        }
    }

    /// Pixels were written: they are to be decoded again.
    pub(super) fn forget(&mut self, written: Range<usize>) {
        for code in &mut self.of {
            let start = written.start.max(code.known.start);
            let end = written.end.min(code.known.end);
            if start < end {
                forget(Cell::from_mut(&mut code.words[..]).as_slice_of_cells(), start..end);
            }
        }
    }

    /// Takes apart what is joined across the beginning of a window: whoever
    /// writes in there does not see what lies before.
    pub(super) fn separate(&mut self, at: usize) {
        for code in &mut self.of {
            if code.known.contains(&at) {
                separate(Cell::from_mut(&mut code.words[..]).as_slice_of_cells(), at);
            }
        }
    }
}

/// The smallest range that holds both.
pub(super) fn hull(one: Range<usize>, two: Range<usize>) -> Range<usize> {
    if one.is_empty() {
        two
    } else if two.is_empty() {
        one
    } else {
        one.start.min(two.start)..one.end.max(two.end)
    }
}

/// Pixels were written: they are decoded no more, and what was joined with them is alone.
pub(super) fn forget(code: &[Cell<Word>], written: Range<usize>) {
    let Some(words) = code.get(written.clone()) else { return };
    for word in words {
        word.set(UNKNOWN);
    }
    separate(code, written.start);
}

/// Takes apart what is joined with the pixel at `at` or those behind it.
fn separate(code: &[Cell<Word>], at: usize) {
    for cell in code.get(at.saturating_sub(REACH)..at).unwrap_or_default() {
        Place(cell).set_operation(Place(cell).operation().alone());
    }
}

/// Decodes the instructions from `at` on, up to where they surely end; gives
/// which pixels that were.
#[cold]
#[inline(never)]
pub(super) fn decode_row(
    code: &[Cell<Word>],
    memory: &[Pixel],
    at: usize,
    isa: Isa,
) -> Range<usize> {
    let mut end = at;
    for (cell, pixel) in code.iter().zip(memory).skip(at).take(ROW) {
        if Place(cell).is_decoded() {
            break;
        }
        cell.set(decode(*pixel, isa));
        end += 1;
        if Place(cell).operation().ends_a_row() {
            break;
        }
    }
    for first in at.saturating_sub(REACH)..end {
        join(&code[first..code.len().min(first + REACH + 1)]);
    }
    at..end
}

/// Joins the first of these words with those behind it, where there is an operation for that.
fn join(row: &[Cell<Word>]) {
    let mut operations = [Operation::UNKNOWN; REACH + 1];
    for (operation, cell) in operations.iter_mut().zip(row) {
        *operation = Place(cell).operation().alone();
    }
    if let (Some(joined), Some(first)) = (Operation::join(&operations), row.first()) {
        Place(first).set_operation(joined);
    }
}

fn decode(pixel: Pixel, generation: Isa) -> Word {
    let Some(instruction) = isa::decode(pixel, generation) else {
        let nothing = match generation {
            Isa::Pxi1 => Operation::NOTHING,
            Isa::Pxi2 => Operation::ILLEGAL,
        };
        return word(nothing, [0; 3], 0);
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
    let operation = operation(instruction.opcode, generation);
    match (operation, number.count_ones()) {
        (Operation::PUSHM, 2) => word(Operation::PUSH2, set(number), 0),
        (Operation::PUSHM, 3) => word(Operation::PUSH3, set(number), 0),
        (Operation::POPM, 2) => word(Operation::POP2, set(number), 0),
        (Operation::POPM, 3) => word(Operation::POP3, set(number), 0),
        _ => word(operation, registers, number),
    }
}

/// The registers of a set of at most three, lowest first.
fn set(mut bits: u32) -> [u8; 3] {
    std::array::from_fn(|_| {
        let lowest = bits.trailing_zeros() as u8 & 15;
        bits &= bits.wrapping_sub(1);
        lowest
    })
}

/// The operation of an opcode that the generation has.
fn operation(opcode: u8, generation: Isa) -> Operation {
    macro_rules! by_name {
        ($($name:ident)*) => {
            match opcode {
                isa::NOP => Operation::NOTHING,
                isa::POP if generation == Isa::Pxi2 => Operation::POP_OR_TRAP,
                $(isa::$name => Operation::$name,)*
                // The frame, the screen and the system calls.
                _ => Operation::OUTSIDE,
            }
        };
    }
    by_name! {
        HALT LOAD ADD SUB JMP JNZ CALL RET PUSH POP
        LI LIH MOV LEA LD ST LDX STX LDB STB LDBX STBX COPY FILL
        ADDW SUBW MULW ADDV SUBV MULV ADDU SUBU MULU DIVS REMS DIVU REMU DIVF MODF
        AND OR XOR SHL SHR SAR SHLV SHLU ADDI ADDIV ADDIU ANDI SHLI SHRI SARI
        SEQ SNE SLT SLE SLTU SLEU
        BEQ BNE BLT BGE BLTU BGEU BZ BNZ BRA BSR JR JSR
        PUSHM POPM PEEK POKE GROW DROP
    }
}
