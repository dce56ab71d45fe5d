//! What the instructions work on while they run, and how one leaves it.

use std::cell::Cell;

use super::code::{self, Place, Word};
use crate::pxi::Pixel;

/// The registers. There are sixteen; the rest is never used and spares the
/// check that a register number, which is a byte, is in range.
pub(super) type Registers = [u32; 256];

/// The machine as far as most instructions need it.
pub(super) struct State<'m> {
    /// The window that the program sees.
    pub(super) memory: &'m mut [Pixel],
    /// Its decoded pixels.
    pub(super) code: &'m [Cell<Word>],
    /// The same pixels as decoded for the other generation; may be empty.
    pub(super) other: &'m [Cell<Word>],
    pub(super) known: Known,
    /// The address at which the fuel ends if nothing jumps before.
    pub(super) end: u64,
    /// Steps taken beyond those of the program counter's way.
    pub(super) owed: u64,
    /// The stack; what lies at `top` and beyond is not part of it.
    pub(super) stack: Vec<u32>,
    pub(super) top: usize,
    /// The height below which the program cannot reach.
    pub(super) floor: usize,
    /// Where the program counter was left.
    pub(super) pc: usize,
    /// The address of [`Step::Written`] and [`Exit::BadAddress`], the numbers that [`Exit::Grow`] wants.
    pub(super) detail: u32,
}

/// What becomes of an instruction.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The next one follows.
    Next,
    /// The pixel at `detail` was written, which lies among decoded ones: if it is
    /// one, nothing that is known of the next instruction counts.
    Written,
    /// It goes on at the word's number from here. Without the target: a choice
    /// between two numbers would become one without a jump, and whatever is
    /// fetched next would have to wait for what was compared.
    Branch,
    /// It goes on at the word's number.
    Goto,
    /// It goes on there.
    Jump(u32),
    /// It was not done: something outside must happen first, or at all.
    Leave(Exit),
}

/// Why the instructions were left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The program counter is at the end of the fuel, or outside the memory.
    End,
    /// The pixel is not decoded.
    Decode,
    /// The instruction needs the frame or the host.
    Outside,
    /// The stack needs room for `detail` numbers more.
    Grow,
    Halt,
    Return,
    Illegal,
    BadAddress,
    StackEmpty,
    DivideByZero,
    Overflow,
}

/// Addresses of decoded pixels, kept so that a store knows in one comparison
/// that it hits none.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Known {
    /// Whether it may be: data lies behind code, so this is asked in a hurry, and
    /// whoever gets a yes looks again.
    #[inline(always)]
    pub(super) fn may_have(self, at: u32) -> bool {
        at < self.end
    }
}

impl State<'_> {
    #[inline(always)]
    pub(super) fn load(&mut self, address: u32) -> Result<Pixel, Step> {
        match self.memory.get(address as usize) {
            Some(pixel) => Ok(*pixel),
            None => Err(self.bad_address(address)),
        }
    }

    /// Changes a pixel.
    #[inline(always)]
    pub(super) fn store(&mut self, address: u32, change: impl FnOnce(Pixel) -> Pixel) -> Step {
        match self.memory.get_mut(address as usize) {
            Some(pixel) => *pixel = change(*pixel),
            None => return self.bad_address(address),
        }
        if self.known.may_have(address) {
            self.detail = address;
            return Step::Written;
        }
        Step::Next
    }

    /// No function of its own: for calling one the others would have to save what they hold.
    #[inline(always)]
    pub(super) fn bad_address(&mut self, address: u32) -> Step {
        self.detail = address;
        Step::Leave(Exit::BadAddress)
    }

    /// The pixel at `detail` was written.
    pub(super) fn forget_written(&self) {
        let at = self.detail as usize;
        for code in [self.code, self.other] {
            if code.get(at).is_some_and(|cell| Place(cell).is_decoded()) {
                code::forget(code, at..at + 1);
            }
        }
    }

    /// `count` pixels were written.
    pub(super) fn all_written(&self, start: u32, count: u32) {
        let first = start.max(self.known.start) as usize;
        let end = u64::from(start) + u64::from(count);
        let end = end.min(self.known.end.into()) as usize;
        if first < end {
            for code in [self.code, self.other] {
                code::forget(code, first..end);
            }
        }
    }

    /// Leaves the instructions with the program counter at `pc`.
    #[inline(always)]
    pub(super) fn leave(&mut self, pc: usize, exit: Exit) -> Exit {
        self.pc = pc;
        exit
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: u32) -> Step {
        match self.stack.get_mut(self.top) {
            Some(slot) => *slot = value,
            None => return self.grow(1),
        }
        self.top += 1;
        Step::Next
    }

    /// Pops a number, or gives nothing if there is none above the floor.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.top <= self.floor {
            return None;
        }
        let value = self.stack.get(self.top - 1).copied();
        self.top -= 1;
        value
    }

    #[inline(always)]
    pub(super) fn grow(&mut self, count: u32) -> Step {
        self.detail = count;
        Step::Leave(Exit::Grow)
    }

    /// The index of the number that lies `depth` below the top of the stack.
    #[inline(always)]
    pub(super) fn below_top(&self, depth: u32) -> Option<usize> {
        let at = self.top.checked_sub(depth as usize + 1)?;
        (at >= self.floor && at < self.stack.len()).then_some(at)
    }
}
