//! Modules of PXIM 2.x: the header of sixteen pixels, its tables, and how both
//! are written. `docs/pxi-isa.md` has the layout.
//!
//! Nothing in a header is trusted: whoever has a [`Header`] knows that every
//! table, name and address in it lies inside the module.

use crate::pxi::module::MAGIC;
use crate::pxi::raster::MAX_PIXELS;
use crate::pxi::{Pixel, Raster};

/// Header pixels; code starts here.
pub const HEADER: u32 = 16;

/// Pixels of an entry in the table of functions, and in that of imports.
const FUNCTION: u32 = 4;
const IMPORT: u32 = 6;

/// Entries that a table may have.
const MAX_ENTRIES: u32 = 4096;
/// Bytes of a name or a path, and of the list of requirements.
const MAX_NAME: u32 = 4095;
const MAX_REQUIRES: u32 = 1 << 16;

/// Where things lie in the header.
mod at {
    pub(super) const VERSION: usize = 1;
    pub(super) const ENTRY: usize = 2;
    pub(super) const LENGTH: usize = 3;
    pub(super) const MEMORY: usize = 4;
    pub(super) const FRAME: usize = 5;
    pub(super) const FUNCTIONS: usize = 6;
    pub(super) const IMPORTS: usize = 8;
    pub(super) const REQUIRES: usize = 10;
    pub(super) const CHECKSUM: usize = 12;
    pub(super) const CODE_END: usize = 13;
    pub(super) const RESERVED: [usize; 2] = [14, 15];
}

/// A function that others can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first pixel, counted from the module's.
    pub address: u32,
}

/// A function of another module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The pixel that receives the function's address, counted from the module's first.
    pub slot: u32,
    /// The other module's path.
    pub path: String,
    /// The function's name there.
    pub name: String,
}

/// What a header says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where execution starts.
    pub entry: u32,
    /// Pixel behind the last instruction.
    pub code_end: u32,
    /// Pixels of header, code and data.
    pub length: u32,
    /// Pixels of memory wanted, what is above included.
    pub memory: u32,
    /// Width and height of the frame; `None`: as the picture.
    pub frame: Option<(u32, u32)>,
    /// What others can call.
    pub functions: Vec<Function>,
    /// What it calls of others.
    pub imports: Vec<Import>,
    /// Paths that must be loaded and run before.
    pub requires: Vec<String>,
}

/// Why a picture with the magic and version 2 is no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header or what it speaks of is cut off.
    #[error("module of {pixels} pixels is shorter than its header of {HEADER}")]
    Short {
        /// Pixels in the picture.
        pixels: usize,
    },
    /// A number that must lie elsewhere.
    #[error("module header: {what} is {value}, must be {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: u64,
        /// Least it may be.
        least: u64,
        /// Most it may be.
        most: u64,
    },
    /// A part that lies outside the module.
    #[error(
        "module header: {what} at pixel {start}, {pixels} pixels, lies outside pixels {HEADER} to {length}"
    )]
    Outside {
        /// Which part.
        what: &'static str,
        /// Its first pixel.
        start: u32,
        /// Its pixels.
        pixels: u64,
        /// The module's length.
        length: u32,
    },
    /// A name or path that is no UTF-8 or is empty.
    #[error("module header: {0} is no text")]
    NoText(&'static str),
    /// The content is not what it was.
    #[error("module checksum is 0x{found:08X}, its header says 0x{declared:08X}")]
    Checksum {
        /// In the header.
        declared: u32,
        /// Of the pixels.
        found: u32,
    },
    /// Names that share pixels, again and again.
    #[error("module header: all names together are longer than the module")]
    ManyNames,
    /// A pixel that must be zero for now is not.
    #[error("module header: pixel {0} is reserved and must be (0,0,0,0)")]
    Reserved(usize),
    /// Minor version or flags that this machine does not know.
    #[error(
        "module is PXIM 2.{minor} with flags 0x{flags:02X}, this machine runs 2.0 with flags 0"
    )]
    Minor {
        /// Minor version.
        minor: u8,
        /// Flags.
        flags: u8,
    },
}

impl Header {
    /// Reads and checks a header and its tables. The first pixel is known to be
    /// the magic, the major version to be 2.
    ///
    /// # Errors
    /// [`HeaderError`], for anything that is not as the specification says.
    pub fn parse(pixels: &[Pixel]) -> Result<Self, HeaderError> {
        let Some(head) = pixels.first_chunk::<{ HEADER as usize }>() else {
            return Err(HeaderError::Short { pixels: pixels.len() });
        };
        let [_, minor, _, flags] = head[at::VERSION].channels();
        if (minor, flags) != (0, 0) {
            return Err(HeaderError::Minor { minor, flags });
        }
        if let Some(index) = at::RESERVED.into_iter().find(|&n| head[n] != Pixel::default()) {
            return Err(HeaderError::Reserved(index));
        }
        let number = |index: usize| head[index].value();
        let most = pixels.len().min(MAX_PIXELS as usize) as u32;
        let length = within("length", number(at::LENGTH), HEADER + 1, most)?;
        let code_end = within("code end", number(at::CODE_END), HEADER + 1, length)?;
        let entry = within("entry", number(at::ENTRY), HEADER, code_end - 1)?;
        let memory = within("memory", number(at::MEMORY), length, MAX_PIXELS as u32)?;
        check_sum(&pixels[..length as usize], number(at::CHECKSUM))?;
        let names_left = std::cell::Cell::new(u64::from(length) * 4);
        let body = Body { pixels: &pixels[..length as usize], code_end, names_left };
        Ok(Self {
            entry,
            code_end,
            length,
            memory,
            frame: frame(number(at::FRAME))?,
            functions: body.functions(number(at::FUNCTIONS), number(at::FUNCTIONS + 1))?,
            imports: body.imports(number(at::IMPORTS), number(at::IMPORTS + 1))?,
            requires: body.requires(number(at::REQUIRES), number(at::REQUIRES + 1))?,
        })
    }
}

impl Header {
    /// The entry of a module that lies in these pixels of a memory; `None` if
    /// they are no module of PXIM 2.x.
    ///
    /// # Errors
    /// When the entry lies outside.
    pub(super) fn entry_in_memory(pixels: &[Pixel]) -> Result<Option<u32>, HeaderError> {
        let Some(head) = pixels.first_chunk::<{ HEADER as usize }>() else {
            return Ok(None);
        };
        if head[0] != MAGIC || head[at::VERSION].channels()[0] != 2 {
            return Ok(None);
        }
        let most = pixels.len().min(MAX_PIXELS as usize) as u32;
        within("entry", head[at::ENTRY].value(), HEADER, most - 1).map(Some)
    }
}

/// The memory wanted and the functions of a module that lies at the start of these
/// pixels of a memory, as far as they can be read: for names that people are
/// shown. The checksum is not compared, for slots and data change after loading.
pub(super) fn tables_in_memory(pixels: &[Pixel]) -> Option<(u32, Vec<Function>)> {
    let head = pixels.first_chunk::<{ HEADER as usize }>()?;
    if head[0] != MAGIC || head[at::VERSION].channels()[0] != 2 {
        return None;
    }
    let number = |index: usize| head[index].value();
    let most = pixels.len().min(MAX_PIXELS as usize) as u32;
    let length = within("length", number(at::LENGTH), HEADER + 1, most).ok()?;
    let code_end = within("code end", number(at::CODE_END), HEADER + 1, length).ok()?;
    let names_left = std::cell::Cell::new(u64::from(length) * 4);
    let body = Body { pixels: &pixels[..length as usize], code_end, names_left };
    let memory = within("memory", number(at::MEMORY), length, MAX_PIXELS as u32).ok()?;
    let functions = body.functions(number(at::FUNCTIONS), number(at::FUNCTIONS + 1));
    Some((memory, functions.unwrap_or_default()))
}

fn within(what: &'static str, value: u32, least: u32, most: u32) -> Result<u32, HeaderError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let (value, least, most) = (value.into(), least.into(), most.into());
    Err(HeaderError::Range { what, value, least, most })
}

fn frame(value: u32) -> Result<Option<(u32, u32)>, HeaderError> {
    if value == 0 {
        return Ok(None);
    }
    let (width, height) = (value >> 16, value & 0xFFFF);
    within("frame width", width, 1, 0xFFFF)?;
    within("frame height", height, 1, 0xFFFF)?;
    within("frame size", width * height, 1, MAX_PIXELS as u32)?;
    Ok(Some((width, height)))
}

/// CRC-32 of the pixels, the one with the checksum taken as zero.
fn crc(pixels: &[Pixel]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = Vec::with_capacity(pixels.len() * 4);
    for (index, pixel) in pixels.iter().enumerate() {
        let pixel = if index == at::CHECKSUM { Pixel::default() } else { *pixel };
        bytes.extend_from_slice(&pixel.channels());
    }
    hasher.update(&bytes);
    hasher.finalize()
}

fn check_sum(pixels: &[Pixel], declared: u32) -> Result<(), HeaderError> {
    let found = crc(pixels);
    if found == declared { Ok(()) } else { Err(HeaderError::Checksum { declared, found }) }
}

/// The module's pixels, for what the header points at.
struct Body<'p> {
    pixels: &'p [Pixel],
    code_end: u32,
    /// Bytes of names that may still be read. Names may share pixels, so without
    /// this a small module could ask for thousands of times its size.
    names_left: std::cell::Cell<u64>,
}

impl Body<'_> {
    fn part(&self, what: &'static str, start: u32, count: u64) -> Result<&[Pixel], HeaderError> {
        let length = self.pixels.len() as u32;
        let end = u64::from(start).checked_add(count).filter(|end| *end <= u64::from(length));
        match end {
            Some(end) if start >= HEADER => Ok(&self.pixels[start as usize..end as usize]),
            _ => Err(HeaderError::Outside { what, start, pixels: count, length }),
        }
    }

    fn text(&self, what: &'static str, start: u32, len: u32) -> Result<String, HeaderError> {
        let pixels = self.part(what, start, u64::from(len).div_ceil(4))?;
        let bytes = pixels.iter().flat_map(|pixel| pixel.channels()).take(len as usize).collect();
        String::from_utf8(bytes).map_err(|_| HeaderError::NoText(what))
    }

    fn name(&self, what: &'static str, start: u32, len: u32) -> Result<String, HeaderError> {
        let len = within(what, len, 1, MAX_NAME)?;
        let left = self.names_left.get().checked_sub(len.into());
        self.names_left.set(left.ok_or(HeaderError::ManyNames)?);
        self.text(what, start, len)
    }

    fn table(
        &self,
        what: &'static str,
        start: u32,
        entries: u32,
        size: u32,
    ) -> Result<&[Pixel], HeaderError> {
        if entries == 0 {
            return Ok(&[]);
        }
        within(what, entries, 0, MAX_ENTRIES)?;
        self.part(what, start, u64::from(entries) * u64::from(size))
    }

    fn functions(&self, start: u32, entries: u32) -> Result<Vec<Function>, HeaderError> {
        let table = self.table("function table", start, entries, FUNCTION)?;
        let entries = table.chunks_exact(FUNCTION as usize).map(|entry| {
            let address = within("function address", entry[0].value(), HEADER, self.code_end - 1)?;
            let name = self.name("function name", entry[1].value(), entry[2].value())?;
            Ok(Function { name, address })
        });
        entries.collect()
    }

    fn imports(&self, start: u32, entries: u32) -> Result<Vec<Import>, HeaderError> {
        let table = self.table("import table", start, entries, IMPORT)?;
        let last = self.pixels.len() as u32 - 1;
        let entries = table.chunks_exact(IMPORT as usize).map(|entry| {
            let slot = within("import slot", entry[0].value(), HEADER, last)?;
            let path = self.name("import path", entry[1].value(), entry[2].value())?;
            let name = self.name("import name", entry[3].value(), entry[4].value())?;
            Ok(Import { slot, path, name })
        });
        entries.collect()
    }

    fn requires(&self, start: u32, len: u32) -> Result<Vec<String>, HeaderError> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let len = within("requirements", len, 1, MAX_REQUIRES)?;
        let text = self.text("list of requirements", start, len)?;
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

/// What a module is made of: everything but the header.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Code, which will lie at pixel 16.
    pub code: Vec<Pixel>,
    /// Data, which will lie right behind the code.
    pub data: Vec<Pixel>,
    /// Where execution starts, counted from the module's first pixel.
    pub entry: u32,
    /// Pixels of memory wanted behind what is written.
    pub heap: u32,
    /// Width and height of the frame; `None`: as the picture.
    pub frame: Option<(u32, u32)>,
    /// What others can call.
    pub functions: Vec<Function>,
    /// What it calls of others.
    pub imports: Vec<Import>,
    /// Paths that must be loaded and run before.
    pub requires: Vec<String>,
}

impl Parts {
    /// The pixels of the module, header and tables included; not yet a rectangle.
    pub fn pixels(&self) -> Vec<Pixel> {
        let mut pixels = vec![Pixel::default(); HEADER as usize];
        pixels.extend_from_slice(&self.code);
        let code_end = pixels.len() as u32;
        pixels.extend_from_slice(&self.data);
        let functions = self.write_functions(&mut pixels);
        let imports = self.write_imports(&mut pixels);
        let mut requires = self.requires.join("\n");
        if !requires.is_empty() {
            requires.push('\n');
        }
        let requires = write_text(&mut pixels, &requires);
        let length = pixels.len() as u32;
        let frame = self.frame.map_or(0, |(width, height)| width << 16 | height);
        pixels[0] = MAGIC;
        pixels[at::VERSION] = Pixel::new(2, 0, 0, 0);
        let numbers = [
            (at::ENTRY, self.entry),
            (at::LENGTH, length),
            (at::MEMORY, length.saturating_add(self.heap)),
            (at::FRAME, frame),
            (at::FUNCTIONS, functions),
            (at::FUNCTIONS + 1, self.functions.len() as u32),
            (at::IMPORTS, imports),
            (at::IMPORTS + 1, self.imports.len() as u32),
            (at::REQUIRES, requires.0),
            (at::REQUIRES + 1, requires.1),
            (at::CODE_END, code_end),
        ];
        for (index, number) in numbers {
            pixels[index] = Pixel::of_value(number);
        }
        pixels[at::CHECKSUM] = Pixel::of_value(crc(&pixels));
        pixels
    }

    fn write_functions(&self, pixels: &mut Vec<Pixel>) -> u32 {
        let names: Vec<_> = self.functions.iter().map(|f| write_text(pixels, &f.name)).collect();
        let start = pixels.len() as u32;
        for (function, (name, len)) in self.functions.iter().zip(names) {
            pixels.extend([function.address, name, len, 0].map(Pixel::of_value));
        }
        start
    }

    fn write_imports(&self, pixels: &mut Vec<Pixel>) -> u32 {
        let texts: Vec<_> = self
            .imports
            .iter()
            .map(|import| (write_text(pixels, &import.path), write_text(pixels, &import.name)))
            .collect();
        let start = pixels.len() as u32;
        for (import, (path, name)) in self.imports.iter().zip(texts) {
            let entry = [import.slot, path.0, path.1, name.0, name.1, 0];
            pixels.extend(entry.map(Pixel::of_value));
        }
        start
    }

    /// The module as a picture, nearly square, or as wide as asked for.
    ///
    /// # Errors
    /// When it is larger than a picture may be, or its header would be refused.
    pub fn build(&self, width: Option<u32>) -> Result<Raster, String> {
        let mut pixels = self.pixels();
        Header::parse(&pixels).map_err(|error| error.to_string())?;
        let width = width.unwrap_or_else(|| (pixels.len() as f64).sqrt().ceil() as u32);
        if width == 0 || u64::from(width) > MAX_PIXELS {
            return Err(format!("width {width} is out of range: 1 to {MAX_PIXELS}"));
        }
        let height = pixels.len().div_ceil(width as usize);
        if width as u64 * height as u64 > MAX_PIXELS {
            return Err(format!("{width}x{height} is more than {MAX_PIXELS} pixels"));
        }
        pixels.resize(width as usize * height, Pixel::BACKGROUND);
        Raster::new(width, height as u32, pixels).map_err(|error| error.to_string())
    }
}

/// Appends a text, four bytes a pixel; gives its first pixel and its bytes.
fn write_text(pixels: &mut Vec<Pixel>, text: &str) -> (u32, u32) {
    let start = pixels.len() as u32;
    pixels.extend(pack(text.as_bytes()));
    (start, text.len() as u32)
}

/// Bytes as pixels, four each, the last one filled up with zeros.
pub fn pack(bytes: &[u8]) -> impl Iterator<Item = Pixel> {
    bytes.chunks(4).map(|chunk| {
        let mut channels = [0; 4];
        channels[..chunk.len()].copy_from_slice(chunk);
        Pixel::from(channels)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pxi::isa;

    fn parts() -> Parts {
        Parts {
            code: vec![Pixel::new(isa::RET, 0, 0, 0); 3],
            data: vec![Pixel::of_value(7)],
            entry: 17,
            heap: 100,
            frame: Some((8, 4)),
            functions: vec![Function { name: "main".into(), address: 17 }],
            imports: vec![Import { slot: 19, path: "/lib/text".into(), name: "print".into() }],
            requires: vec!["/boot/00_bios".into(), "/boot/01_kernel".into()],
        }
    }

    #[test]
    fn a_header_comes_back_as_it_was_written() {
        let pixels = parts().pixels();
        let header = Header::parse(&pixels).unwrap();
        assert_eq!((header.entry, header.code_end), (17, 19));
        assert_eq!(header.memory, pixels.len() as u32 + 100);
        assert_eq!(header.frame, Some((8, 4)));
        let Parts { functions, imports, requires, .. } = parts();
        assert_eq!((header.functions, header.imports), (functions, imports));
        assert_eq!(header.requires, requires);
        assert_eq!(parts().build(None).unwrap().pixels()[..pixels.len()], pixels);
    }

    #[test]
    fn every_header_pixel_that_is_wrong_is_refused() {
        let good = parts().pixels();
        for index in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] {
            let mut pixels = good.clone();
            pixels[index] = Pixel::of_value(0xFFFF_FFF0);
            if index != at::CHECKSUM {
                let length = pixels[at::LENGTH].value().min(pixels.len() as u32) as usize;
                pixels[at::CHECKSUM] = Pixel::of_value(crc(&pixels[..length]));
            }
            assert!(Header::parse(&pixels).is_err(), "pixel {index}");
        }
        assert!(Header::parse(&good[..15]).is_err());
    }

    #[test]
    fn names_that_share_pixels_are_not_read_again_and_again() {
        let name = "n".repeat(4000);
        let function = Function { name, address: 16 };
        let mut parts = parts();
        parts.functions = vec![function];
        let mut pixels = parts.pixels();
        // The table's one entry as often as it fits, each time with the same name.
        let table = pixels[at::FUNCTIONS].value() as usize;
        let entry = pixels[table..table + 4].to_vec();
        let start = pixels.len() as u32;
        pixels.extend(entry.iter().copied().cycle().take(4 * 1000));
        pixels[at::FUNCTIONS] = Pixel::of_value(start);
        pixels[at::FUNCTIONS + 1] = Pixel::of_value(1000);
        let length = Pixel::of_value(pixels.len() as u32);
        (pixels[at::LENGTH], pixels[at::MEMORY]) = (length, length);
        pixels[at::CHECKSUM] = Pixel::of_value(crc(&pixels));
        assert_eq!(Header::parse(&pixels), Err(HeaderError::ManyNames));
    }

    #[test]
    fn a_changed_pixel_does_not_pass() {
        let mut pixels = parts().pixels();
        pixels[16] = Pixel::new(isa::HALT, 0, 0, 0);
        assert!(matches!(Header::parse(&pixels), Err(HeaderError::Checksum { .. })));
    }
}
