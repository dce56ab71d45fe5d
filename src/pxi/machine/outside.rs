//! The instructions that need more than memory, registers and stack: the frame and the screen.

use crate::pxi::host::{Host, ScreenError};
use crate::pxi::isa;
use crate::pxi::{Pixel, Raster};

use super::code::Place;
use super::state::Registers;

/// Runs one. Those that are none of them do nothing.
///
/// # Errors
/// When the screen takes no more.
pub(super) fn run<H: Host>(
    opcode: u8,
    word: Place<'_>,
    r: &mut Registers,
    frame: &mut Raster,
    host: &mut H,
) -> Result<(), ScreenError> {
    let (a, b, c) = (word.a(), word.b(), word.c());
    match opcode {
        isa::PRINT => host.print(char::from(u8::try_from(r[a]).unwrap_or(b'?')))?,
        isa::PUTC => host.print(char::from_u32(r[a]).unwrap_or(char::REPLACEMENT_CHARACTER))?,
        isa::STORE => {
            if let Some(cell) = frame.pixels_mut().get_mut(word.number() as usize) {
                *cell = Pixel::grey(r[a]);
            }
        }
        isa::DRAW => plot(frame, r[a], r[b], Pixel::grey(r[c])),
        isa::PLOT => plot(frame, r[a], r[b], Pixel::of_value(r[c])),
        isa::PIXEL => {
            let at = index(frame, r[b], r[c]);
            r[a] = at.and_then(|at| frame.pixels().get(at)).map_or(0, |pixel| pixel.value());
        }
        isa::FSIZE => {
            r[a] = frame.width();
            r[b] = frame.height();
        }
        _ => {}
    }
    Ok(())
}

fn plot(frame: &mut Raster, x: u32, y: u32, pixel: Pixel) {
    if let Some(at) = index(frame, x, y) {
        frame.pixels_mut()[at] = pixel;
    }
}

fn index(frame: &Raster, x: u32, y: u32) -> Option<usize> {
    let (width, height) = (frame.width(), frame.height());
    (x < width && y < height).then(|| y as usize * width as usize + x as usize)
}
