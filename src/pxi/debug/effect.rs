//! What an instruction writes beyond registers, told before it runs from the
//! registers it will use. System calls write at most what is said here.

use std::ops::Range;

use crate::pxi::Pixel;
use crate::pxi::isa::{self, Isa, Kind, calls};

/// Where an instruction writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nowhere but into registers and the stack.
    None,
    /// Into pixels of the memory, in the addresses of the module.
    Memory(Range<u64>),
    /// Into the frame, at x and y.
    Frame(u32, u32),
    /// Into the frame, at an index.
    FrameIndex(u32),
    /// Onto the screen.
    Screen,
}

/// What a pixel will write if it runs with these registers.
pub fn effect(pixel: Pixel, isa: Isa, registers: &[u32]) -> Effect {
    let Some(kind) = isa::decode(pixel, isa) else { return Effect::None };
    let (mut regs, mut number) = (Vec::with_capacity(3), 0);
    for operand in kind.operands {
        match operand.kind {
            Kind::Register => regs.push(registers[operand.get(pixel) as usize & 15]),
            _ => number = operand.get(pixel) as u32,
        }
    }
    match (kind.opcode, regs.as_slice()) {
        (isa::ST, [_, base]) => one(base.wrapping_add(number)),
        (isa::STX, [_, base, index]) => one(base.wrapping_add(*index)),
        (isa::STB, [_, base]) => one(base.wrapping_add(number) >> 2),
        (isa::STBX, [_, base, index]) => one(base.wrapping_add(*index) >> 2),
        (isa::COPY | isa::FILL, [start, _, count]) => pixels(*start, *count),
        (isa::STORE, _) => Effect::FrameIndex(number),
        (isa::DRAW | isa::PLOT, [x, y, _]) => Effect::Frame(*x, *y),
        (isa::PRINT | isa::PUTC, _) => Effect::Screen,
        (isa::SYS_BLOB, _) => pixels(registers[1], at_least_one(registers[2])),
        (isa::SYS, _) => call(number as u16, registers),
        _ => Effect::None,
    }
}

fn at_least_one(count: u32) -> u32 {
    // 0 means 65536 in SYS_BLOB.
    if count == 0 { 1 << 16 } else { count }
}

fn one(address: u32) -> Effect {
    pixels(address, 1)
}

fn pixels(start: u32, count: u32) -> Effect {
    if count == 0 {
        return Effect::None;
    }
    Effect::Memory(u64::from(start)..u64::from(start) + u64::from(count))
}

/// Bytes as the pixels that hold them.
fn bytes(start: u32, count: u32) -> Effect {
    if count == 0 {
        return Effect::None;
    }
    let end = u64::from(start) + u64::from(count);
    Effect::Memory(u64::from(start) / 4..end.div_ceil(4))
}

fn call(number: u16, registers: &[u32]) -> Effect {
    let r = |n: usize| registers[n];
    match number {
        calls::WRITE => Effect::Screen,
        calls::STAT => pixels(r(2), 8),
        calls::LIST | calls::READ | calls::REQUIRES | calls::LLM => bytes(r(2), r(3)),
        calls::BLOB => bytes(r(1), r(2)),
        calls::MODULE => pixels(r(2), r(3)),
        calls::INPUT | calls::STOPPED => bytes(r(0), r(1)),
        _ => Effect::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_copies_and_calls_say_where_they_write() {
        let mut registers = [0; 16];
        registers[1] = 100;
        registers[2] = 8;
        registers[3] = u32::MAX;
        let cases = [
            ([isa::ST, 2, 1, 255], Effect::Memory(99..100)),
            ([isa::STB, 2, 1, 3], Effect::Memory(25..26)),
            ([isa::STX, 0, 1, 2], Effect::Memory(108..109)),
            ([isa::FILL, 1, 0, 2], Effect::Memory(100..108)),
            ([isa::FILL, 1, 0, 0], Effect::None),
            ([isa::COPY, 1, 0, 3], Effect::Memory(100..100 + u64::from(u32::MAX))),
            ([isa::PLOT, 1, 2, 0], Effect::Frame(100, 8)),
            ([isa::STORE, 1, 7, 0], Effect::FrameIndex(7)),
            ([isa::SYS, 0, 0, calls::STAT as u8], Effect::Memory(8..16)),
            ([isa::SYS, 0, 0, calls::BLOB as u8], Effect::Memory(25..27)),
            ([isa::ADDW, 1, 2, 3], Effect::None),
            ([0xEE, 1, 2, 3], Effect::None),
        ];
        for (pixel, expected) in cases {
            assert_eq!(effect(pixel.into(), Isa::Pxi2, &registers), expected, "{pixel:?}");
        }
    }
}
