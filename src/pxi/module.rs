//! Programs: raw pictures, and modules of PXIM 1.x and 2.x; where they start.
//!
//! Two layouts exist, and the same bytes mean different things in them. The one
//! of the documents (PHASE5) has four header pixels and the entry as low byte,
//! high byte in pixel 2. The one the old compiler writes has its code at pixel
//! 256 and numbers high byte first. [`Program::parse`] tells them apart by the
//! rule that fits all files seen. A picture without the magic is a raw program.

use crate::pxi::isa::Isa;
use crate::pxi::pxim2::{Header, HeaderError};
use crate::pxi::{Machine, Pixel, Raster};

/// The first pixel of a module: "PXIM".
pub const MAGIC: Pixel = Pixel::new(b'P', b'X', b'I', b'M');

/// Header pixels of the PHASE5 layout; code starts here.
pub const PHASE5_HEADER: usize = 4;

/// First pixel of code in the compiler's layout.
const COMPILER_CODE: usize = 256;
/// Where the compiler's layout says so: 256, high byte first.
const COMPILER_TABLE: usize = 66;

/// How a program picture is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No header: execution starts at pixel 0.
    Raw,
    /// The documents' layout: header of four pixels, then code.
    Phase5,
    /// The old compiler's layout: header, table at 64, code at 256.
    Compiler,
    /// PXIM 2.x: PXI-2 code.
    Pxim2,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw program",
            Self::Phase5 => "PXIM 1.x module",
            Self::Compiler => "PXIM 1.x module of the compiler's layout",
            Self::Pxim2 => "PXIM 2.0 module",
        })
    }
}

/// Why a picture with the magic is no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The header is cut off.
    #[error("module of {pixels} pixels is shorter than its header of {PHASE5_HEADER}")]
    Short {
        /// Pixels in the picture.
        pixels: usize,
    },
    /// A version this machine does not run.
    #[error("module is PXIM {major}.{minor}, this machine runs PXIM 1.x and 2.0")]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The entry lies in the header or beyond the picture.
    #[error("module entry {entry} is outside its code, pixels {first} to {last}")]
    Entry {
        /// The entry, a pixel number from the module's start.
        entry: usize,
        /// First pixel it may be.
        first: usize,
        /// Last pixel it may be.
        last: usize,
    },
    /// A header of PXIM 2.x that is wrong.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// A program picture and where it starts.
#[derive(Debug, Clone)]
pub struct Program {
    raster: Raster,
    layout: Layout,
    entry: usize,
    header: Option<Header>,
}

/// What the first pixels say.
struct Start {
    layout: Layout,
    entry: usize,
    header: Option<Header>,
}

impl Program {
    /// A picture taken as PXI-1 code from pixel 0 on, whatever it holds.
    pub fn raw(raster: Raster) -> Self {
        Self { raster, layout: Layout::Raw, entry: 0, header: None }
    }

    /// Reads the header, if there is one.
    ///
    /// # Errors
    /// [`ModuleError`] when the magic is there and the rest of the header is wrong.
    pub fn parse(raster: Raster) -> Result<Self, ModuleError> {
        let Start { layout, entry, header } = Start::of(raster.pixels())?;
        Ok(Self { raster, layout, entry, header })
    }

    /// The generation and the entry of what lies in these pixels.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse). The checksum of a module in memory is not
    /// compared: its data may have changed since it was loaded.
    pub(super) fn entry_of(pixels: &[Pixel]) -> Result<(Isa, u32), ModuleError> {
        if let Some(entry) = Header::entry_in_memory(pixels)? {
            return Ok((Isa::Pxi2, entry));
        }
        Ok((Isa::Pxi1, Start::of(pixels)?.entry as u32))
    }

    /// How the picture is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The generation of its code.
    pub fn isa(&self) -> Isa {
        if self.layout == Layout::Pxim2 { Isa::Pxi2 } else { Isa::Pxi1 }
    }

    /// The pixel at which execution starts.
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// The header of a module of PXIM 2.x.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The picture.
    pub fn raster(&self) -> &Raster {
        &self.raster
    }

    /// A fresh machine with the program at the start of its memory. What it
    /// imports is not there: see [`link_as`](crate::pxi::link::link_as).
    pub fn into_machine(self) -> Machine {
        match &self.header {
            None => Machine::new(self.raster, 0, self.entry),
            Some(header) => {
                let length = header.length as usize;
                let mut memory = self.raster.pixels()[..length].to_vec();
                memory.resize(header.memory as usize, Pixel::default());
                self.into_linked(memory)
            }
        }
    }

    /// A machine of PXI-2 with this memory, which holds the program and what it imports.
    pub fn into_linked(self, memory: Vec<Pixel>) -> Machine {
        let frame = self.header.as_ref().and_then(|header| header.frame);
        let (width, height) = frame.unwrap_or((self.raster.width(), self.raster.height()));
        let frame = Raster::blank(width, height);
        Machine::new2(Raster::column(memory), frame, self.entry as u32)
    }
}

impl Start {
    fn of(pixels: &[Pixel]) -> Result<Self, ModuleError> {
        if pixels.first() != Some(&MAGIC) {
            return Ok(Self { layout: Layout::Raw, entry: 0, header: None });
        }
        let Some(header) = pixels.first_chunk::<PHASE5_HEADER>() else {
            return Err(ModuleError::Short { pixels: pixels.len() });
        };
        let [_, version, entry, _] = header.map(Pixel::channels);
        match version[0] {
            1 => {}
            2 => {
                let header = Header::parse(pixels)?;
                let entry = header.entry as usize;
                return Ok(Self { layout: Layout::Pxim2, entry, header: Some(header) });
            }
            major => return Err(ModuleError::Version { major, minor: version[1] }),
        }
        let (layout, entry, first) = if is_compiler_layout(pixels) {
            let [high, low, ..] = pixels[COMPILER_TABLE].channels();
            (Layout::Compiler, u16::from_be_bytes([high, low]), COMPILER_CODE)
        } else {
            (Layout::Phase5, u16::from_le_bytes([entry[0], entry[1]]), PHASE5_HEADER)
        };
        let (entry, last) = (usize::from(entry), pixels.len() - 1);
        if entry < first || entry > last {
            return Err(ModuleError::Entry { entry, first, last });
        }
        Ok(Self { layout, entry, header: None })
    }
}

/// Pixel 2 is (1,0,0,0), pixel 3 is not zero, and pixel 256 is used.
fn is_compiler_layout(pixels: &[Pixel]) -> bool {
    let unused = [Pixel::BACKGROUND, Pixel::default()];
    pixels[2] == Pixel::new(1, 0, 0, 0)
        && pixels[3] != Pixel::default()
        && pixels.get(COMPILER_CODE).is_some_and(|pixel| !unused.contains(pixel))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picture(len: usize, cells: &[(usize, [u8; 4])]) -> Raster {
        let mut pixels = vec![Pixel::BACKGROUND; len];
        for (index, pixel) in cells {
            pixels[*index] = Pixel::from(*pixel);
        }
        Raster::new(len as u32, 1, pixels).unwrap()
    }

    const MAGIC_CELL: (usize, [u8; 4]) = (0, *b"PXIM");
    const V1: (usize, [u8; 4]) = (1, [1, 0, 0, 0]);

    #[test]
    fn both_layouts_and_raw_programs_are_told_apart() {
        let zero = (3, [0, 0, 0, 0]);
        let phase5 = picture(16, &[MAGIC_CELL, V1, (2, [6, 0, 1, 0]), zero]);
        let compiler = picture(
            300,
            &[
                MAGIC_CELL,
                V1,
                (2, [1, 0, 0, 0]),
                (3, [0, 9, 0, 0]),
                (66, [1, 0, 0, 0]),
                (256, [0x33, 0, 0, 0]),
            ],
        );
        let far = picture(600, &[MAGIC_CELL, V1, (2, [1, 2, 0, 0]), zero]);
        let raw = picture(3, &[(0, [0xFF, 0, 0, 0])]);
        let cases = [
            (phase5, Layout::Phase5, 6),
            (compiler, Layout::Compiler, 256),
            (far, Layout::Phase5, 513),
            (raw, Layout::Raw, 0),
        ];
        for (raster, layout, entry) in cases {
            let program = Program::parse(raster).unwrap();
            assert_eq!((program.layout(), program.entry()), (layout, entry));
        }
    }

    #[test]
    fn bad_headers_are_refused_with_their_reason() {
        let v3 = (1, [3, 1, 0, 0]);
        let cases = [
            (picture(2, &[MAGIC_CELL, V1]), ModuleError::Short { pixels: 2 }),
            (picture(9, &[MAGIC_CELL, v3]), ModuleError::Version { major: 3, minor: 1 }),
            (
                picture(9, &[MAGIC_CELL, V1, (2, [3, 0, 0, 0])]),
                ModuleError::Entry { entry: 3, first: 4, last: 8 },
            ),
            (
                picture(9, &[MAGIC_CELL, V1, (2, [9, 0, 0, 0])]),
                ModuleError::Entry { entry: 9, first: 4, last: 8 },
            ),
        ];
        for (raster, expected) in cases {
            assert_eq!(Program::parse(raster).unwrap_err(), expected);
        }
    }
}
