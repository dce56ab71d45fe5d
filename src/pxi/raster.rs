//! A rectangle of pixels, and its way from and to PNG.
//!
//! Only 8-bit RGBA is a program: a picture without alpha has lost a quarter of
//! every instruction, so it is refused and not guessed.

use std::io::Cursor;

use crate::pxi::Pixel;

/// Most pixels a raster may have: 64 MiB of memory and as much of frame. Jumps
/// reach 65,535, so no program that does anything needs nearly as many.
pub const MAX_PIXELS: u64 = 1 << 24;

/// Longest PNG file that is looked at: all pixels uncompressed, and some chunks.
pub const MAX_PNG_BYTES: u64 = MAX_PIXELS * 5 + (1 << 20);

/// Why a picture is no raster.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The bytes are not a PNG picture, or a damaged one.
    #[error("not a readable PNG picture: {0}")]
    NotPng(#[from] png::DecodingError),
    /// A PNG of another kind of pixel.
    #[error("the picture is {found}, but a program is 8-bit RGBA: convert it without losing alpha")]
    NotRgba {
        /// What it is.
        found: String,
    },
    /// The picture is larger than a machine may be.
    #[error("the picture is {width}x{height} pixels, at most {MAX_PIXELS} are allowed")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The pixels are not as many as width and height say.
    #[error("{found} pixels do not make a picture of {width}x{height}")]
    WrongSize {
        /// Number of pixels.
        found: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The PNG encoder failed.
    #[error("cannot encode the picture: {0}")]
    Encode(#[from] png::EncodingError),
}

/// Pixels in row-major order, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    pixels: Vec<Pixel>,
}

impl Raster {
    /// A raster of these pixels.
    ///
    /// # Errors
    /// [`RasterError::TooLarge`] or [`RasterError::WrongSize`].
    pub fn new(width: u32, height: u32, pixels: Vec<Pixel>) -> Result<Self, RasterError> {
        let count = count(width, height)?;
        if count == 0 || pixels.len() as u64 != count {
            return Err(RasterError::WrongSize { found: pixels.len(), width, height });
        }
        Ok(Self { width, height, pixels })
    }

    /// A raster of background; its size is another raster's, so it needs no check.
    pub(super) fn blank(width: u32, height: u32) -> Self {
        let pixels = vec![Pixel::BACKGROUND; width as usize * height as usize];
        Self { width, height, pixels }
    }

    /// One column of pixels: a memory has no width.
    pub(super) fn column(pixels: Vec<Pixel>) -> Self {
        Self { width: 1, height: pixels.len() as u32, pixels }
    }

    /// Decodes a PNG file.
    ///
    /// # Errors
    /// When it is no 8-bit RGBA picture of at most [`MAX_PIXELS`]; nothing is
    /// allocated before that is known.
    pub fn from_png(bytes: &[u8]) -> Result<Self, RasterError> {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let header = decoder.read_header_info()?;
        let (width, height) = (header.width, header.height);
        if (header.color_type, header.bit_depth) != (png::ColorType::Rgba, png::BitDepth::Eight) {
            let found = describe(header.color_type, header.bit_depth);
            return Err(RasterError::NotRgba { found });
        }
        let count = count(width, height)?;
        let mut reader = decoder.read_info()?;
        let mut raw = vec![0; count as usize * 4];
        reader.next_frame(&mut raw)?;
        let pixels = raw.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
        Self::new(width, height, pixels)
    }

    /// Encodes the raster as a PNG file.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn to_png(&self) -> Result<Vec<u8>, RasterError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.to_bytes())?;
        writer.finish()?;
        Ok(file)
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[Pixel] {
        &self.pixels
    }

    /// The pixels, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [Pixel] {
        &mut self.pixels
    }

    /// The raw bytes: red, green, blue, alpha of each pixel in turn.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|pixel| pixel.channels()).collect()
    }
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raster({}x{})", self.width, self.height)
    }
}

fn count(width: u32, height: u32) -> Result<u64, RasterError> {
    let count = u64::from(width) * u64::from(height);
    if count > MAX_PIXELS { Err(RasterError::TooLarge { width, height }) } else { Ok(count) }
}

fn describe(color: png::ColorType, depth: png::BitDepth) -> String {
    let color = match color {
        png::ColorType::Grayscale => "grey",
        png::ColorType::Rgb => "RGB without alpha",
        png::ColorType::Indexed => "a palette picture",
        png::ColorType::GrayscaleAlpha => "grey with alpha",
        png::ColorType::Rgba => "RGBA",
    };
    format!("{color} of {} bits a channel", depth as u8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn png_of(color: png::ColorType, depth: png::BitDepth, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 1, 1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        file
    }

    #[test]
    fn png_and_back_keeps_every_pixel() {
        let pixels: Vec<Pixel> = (0..=255).map(|n| Pixel::new(n, 255 - n, n / 2, n)).collect();
        let raster = Raster::new(32, 8, pixels).unwrap();
        assert_eq!(Raster::from_png(&raster.to_png().unwrap()).unwrap(), raster);
    }

    #[test]
    fn other_kinds_of_pixels_are_refused_by_name() {
        use png::{BitDepth, ColorType};
        let cases = [
            (ColorType::Rgb, BitDepth::Eight, 3, "RGB without alpha of 8 bits"),
            (ColorType::Grayscale, BitDepth::Eight, 1, "grey of 8 bits"),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, 2, "grey with alpha of 8 bits"),
            (ColorType::Rgba, BitDepth::Sixteen, 8, "RGBA of 16 bits"),
        ];
        for (color, depth, len, text) in cases {
            let error = Raster::from_png(&png_of(color, depth, &vec![1; len])).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_picture_too_large_is_refused_before_its_pixels_are_read() {
        let mut file = png_of(png::ColorType::Rgba, png::BitDepth::Eight, &[0; 4]);
        file[16..20].copy_from_slice(&1_000_000u32.to_be_bytes());
        file[20..24].copy_from_slice(&1_000_000u32.to_be_bytes());
        let crc = crc32fast::hash(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(Raster::from_png(&file), Err(RasterError::TooLarge { .. })));
    }

    #[test]
    fn damaged_and_foreign_files_are_errors() {
        let file = Raster::blank(20, 20).to_png().unwrap();
        for len in 0..file.len() - 12 {
            assert!(Raster::from_png(&file[..len]).is_err(), "cut at {len}");
        }
        assert!(Raster::from_png(b"no picture").is_err());
    }
}
