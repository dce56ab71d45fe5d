//! Operands: fields of an instruction's 24 argument bits.

use crate::pxi::Pixel;

/// What a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A register number.
    Register,
    /// A number without a sign.
    Unsigned,
    /// A number with a sign, two's complement.
    Signed,
    /// An address, counted from the module's first pixel.
    Absolute,
    /// An address as its distance from this instruction, with a sign.
    Relative,
    /// A set of registers: bit n is Rn.
    Registers,
    /// The number of a system call.
    Call,
}

/// A field of the 24 argument bits (argument 1 highest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operand {
    /// What it means.
    pub kind: Kind,
    /// Its lowest bit.
    pub shift: u8,
    /// How many bits it has.
    pub width: u8,
}

impl Operand {
    pub(super) const fn new(kind: Kind, shift: u8, width: u8) -> Self {
        Self { kind, shift, width }
    }

    /// The bits it takes, of 24.
    pub fn mask(self) -> u32 {
        ((1 << self.width) - 1) << self.shift
    }

    /// The least and the greatest value it can hold.
    pub fn range(self) -> (i64, i64) {
        let span = 1i64 << self.width;
        match self.kind {
            Kind::Signed | Kind::Relative => (-span / 2, span / 2 - 1),
            Kind::Register => (0, span.min(16) - 1),
            _ => (0, span - 1),
        }
    }

    /// Its value in a pixel.
    pub fn get(self, pixel: Pixel) -> i64 {
        let bits = i64::from((pixel.value() & self.mask()) >> self.shift);
        let half = 1i64 << (self.width - 1);
        match self.kind {
            Kind::Signed | Kind::Relative if bits >= half => bits - 2 * half,
            _ => bits,
        }
    }

    /// The pixel with this field set to a value, which must be in range.
    pub fn set(self, pixel: Pixel, value: i64) -> Pixel {
        let bits = ((value as u32) << self.shift) & self.mask();
        Pixel::of_value(pixel.value() & !self.mask() | bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_set() {
        let cases = [
            (Operand::new(Kind::Signed, 0, 16), -2, 0x6000_FFFE),
            (Operand::new(Kind::Unsigned, 0, 16), 0xABCD, 0x6000_ABCD),
            (Operand::new(Kind::Register, 20, 4), 7, 0x6070_0000),
            (Operand::new(Kind::Relative, 0, 24), -1, 0x60FF_FFFF),
        ];
        for (operand, value, expected) in cases {
            let pixel = operand.set(Pixel::new(0x60, 0, 0, 0), value);
            assert_eq!((pixel.value(), operand.get(pixel)), (expected, value));
        }
    }
}
