//! Memory as people read it: numbers, bytes, text, instructions, colours.

use std::fmt::Write;

use super::debugger::CommandError;
use crate::pxi::{Pixel, Raster};

/// How pixels are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Hexadecimal numbers.
    Hex,
    /// Decimal numbers with a sign.
    Decimal,
    /// Decimal numbers without a sign.
    Unsigned,
    /// The four channels.
    Bytes,
    /// Text, four bytes a pixel.
    Text,
    /// Text, the green channel of each pixel.
    Green,
    /// Instructions.
    Instructions,
    /// Colours.
    Pixels,
}

impl Form {
    /// The form of a letter behind `x/`.
    pub(super) fn of(letter: &str) -> Result<Self, CommandError> {
        Ok(match letter {
            "x" => Self::Hex,
            "d" => Self::Decimal,
            "u" => Self::Unsigned,
            "b" => Self::Bytes,
            "t" => Self::Text,
            "g" => Self::Green,
            "i" => Self::Instructions,
            "p" => Self::Pixels,
            other => {
                let known = "x, d, u, b, t, g, i or p";
                return Err(CommandError::new(format!("'{other}' is no form; there are {known}")));
            }
        })
    }

    /// Pixels in a line.
    pub(super) fn in_a_line(self) -> usize {
        match self {
            Self::Hex | Self::Decimal | Self::Unsigned | Self::Pixels => 4,
            Self::Bytes => 4,
            Self::Text => 16,
            Self::Green => 64,
            Self::Instructions => 1,
        }
    }

    /// Pixels of a line, except for instructions.
    pub(super) fn show(self, pixels: &[Pixel], colours: bool) -> String {
        let each = |show: &dyn Fn(Pixel) -> String| {
            pixels.iter().map(|pixel| show(*pixel)).collect::<Vec<_>>().join("  ")
        };
        match self {
            Self::Hex | Self::Instructions => each(&|pixel| format!("{:08X}", pixel.value())),
            Self::Decimal => each(&|pixel| (pixel.value() as i32).to_string()),
            Self::Unsigned => each(&|pixel| pixel.value().to_string()),
            Self::Bytes => {
                each(&|pixel| pixel.channels().map(|byte| format!("{byte:3}")).join(" "))
            }
            Self::Text => quoted(pixels.iter().flat_map(|pixel| pixel.channels())),
            Self::Green => quoted(pixels.iter().map(|pixel| pixel.channels()[1])),
            Self::Pixels => each(&|pixel| colour(pixel, colours)),
        }
    }
}

/// A pixel as a colour: a square of it where the terminal can, and its numbers.
pub(super) fn colour(pixel: Pixel, colours: bool) -> String {
    let [r, g, b, a] = pixel.channels();
    let square = if colours { format!("\x1b[48;2;{r};{g};{b}m  \x1b[0m ") } else { String::new() };
    format!("{square}#{r:02X}{g:02X}{b:02X}{a:02X}")
}

/// Bytes as a text in quotes; what is no UTF-8 or cannot be seen is escaped.
fn quoted(bytes: impl Iterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.collect();
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => {
                    let _ = write!(text, "\\{c}");
                }
                '\n' => text.push_str("\\n"),
                c if c.is_control() => {
                    let _ = write!(text, "\\x{:02X}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text.push('"');
    text
}

/// A memory as a picture that can be looked at: the one column that a memory of
/// PXI-2 is becomes rows of that width.
pub fn as_picture(memory: &Raster, width: u32) -> Raster {
    if memory.width() != 1 || width <= 1 {
        return memory.clone();
    }
    let mut pixels = memory.pixels().to_vec();
    let height = (pixels.len() as u32).div_ceil(width);
    pixels.resize(width as usize * height as usize, Pixel::default());
    Raster::new(width, height, pixels).unwrap_or_else(|_| memory.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_have_many_faces() {
        let pixels = [Pixel::new(b'H', b'i', b'\n', 0xFF), Pixel::of_value(u32::MAX)];
        let cases = [
            (Form::Hex, "48690AFF  FFFFFFFF"),
            (Form::Decimal, "1214843647  -1"),
            (Form::Unsigned, "1214843647  4294967295"),
            (Form::Bytes, " 72 105  10 255  255 255 255 255"),
            (Form::Text, "\"Hi\\n\\xFF\\xFF\\xFF\\xFF\\xFF\""),
            (Form::Green, "\"i\\xFF\""),
            (Form::Pixels, "#48690AFF  #FFFFFFFF"),
        ];
        for (form, text) in cases {
            assert_eq!(form.show(&pixels, false), text);
        }
        assert_eq!(
            Form::Pixels.show(&pixels[..1], true),
            "\x1b[48;2;72;105;10m  \x1b[0m #48690AFF"
        );
    }
}
