//! One pixel: a cell of the machine's memory and one instruction of its code.

/// Red, green, blue, alpha; as an instruction: opcode and three argument bytes.
///
/// Held as one 32-bit word, red lowest, so that an instruction is fetched with
/// one load and a row of pixels is its PNG bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Pixel(u32);

impl Pixel {
    /// The background of programs and frames: opaque black, which is a NOP.
    pub const BACKGROUND: Self = Self::new(0, 0, 0, 255);

    /// A pixel of four channels.
    pub const fn new(r: u8, g: u8, b: u8, a: u8) -> Self {
        Self(u32::from_le_bytes([r, g, b, a]))
    }

    /// An opaque grey pixel; values above 255 are clipped, as Pillow clips them.
    pub fn grey(value: u32) -> Self {
        let v = u8::try_from(value).unwrap_or(u8::MAX);
        Self::new(v, v, v, 255)
    }

    /// Red, green, blue, alpha.
    pub const fn channels(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// The number that a pixel is in PXI-2: red highest, so that a file's pixel is its id.
    pub const fn value(self) -> u32 {
        self.0.swap_bytes()
    }

    /// The pixel that is a number.
    pub const fn of_value(value: u32) -> Self {
        Self(value.swap_bytes())
    }

    /// A channel: 0 red to 3 alpha, only the two lowest bits of the number count.
    pub const fn byte(self, channel: u32) -> u32 {
        self.0 >> (8 * (channel & 3)) & 255
    }

    /// The pixel with one channel changed to the low eight bits of a value.
    #[must_use]
    pub const fn with_byte(self, channel: u32, value: u32) -> Self {
        let shift = 8 * (channel & 3);
        Self(self.0 & !(255 << shift) | (value & 255) << shift)
    }

    /// The word: red in the lowest eight bits, alpha in the highest.
    pub const fn word(self) -> u32 {
        self.0
    }
}

impl From<[u8; 4]> for Pixel {
    fn from(channels: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(channels))
    }
}

impl std::fmt::Debug for Pixel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [r, g, b, a] = self.channels();
        write!(f, "({r},{g},{b},{a})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_clips_and_does_not_wrap() {
        assert_eq!(Pixel::grey(7).channels(), [7, 7, 7, 255]);
        assert_eq!(Pixel::grey(300).channels(), [255, 255, 255, 255]);
    }
}
