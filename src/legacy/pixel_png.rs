//! 1x1 pictures: a pixel that stands for a content, a project or a world.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The longest file that is looked into for a single pixel.
const MAX_FILE: u64 = 1 << 20;

/// What is wrong with a picture that should be one pixel with all four channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFault {
    /// It is no picture of one pixel at all.
    Other,
    /// It has no alpha channel: a fourth of the id is missing.
    NoAlpha,
}

/// The picture of an id: a PNG with one RGBA pixel.
///
/// # Errors
/// What the encoder gives; memory does not fail.
pub fn pixel_png(id: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&id.to_be_bytes()).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(bytes)
}

/// The id in a picture of one pixel: its channels, red first.
///
/// # Errors
/// What keeps it from being one.
pub fn parse_pixel(bytes: &[u8]) -> Result<u32, PixelFault> {
    let limits = png::Limits { bytes: MAX_FILE as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|_| PixelFault::Other)?;
    let info = reader.info();
    if (info.width, info.height) != (1, 1) {
        return Err(PixelFault::Other);
    }
    if info.color_type != png::ColorType::Rgba || info.bit_depth != png::BitDepth::Eight {
        return Err(PixelFault::NoAlpha);
    }
    let mut pixel = [0; 4];
    reader.next_frame(&mut pixel).map_err(|_| PixelFault::Other)?;
    Ok(u32::from_be_bytes(pixel))
}

/// The id in the file at `path`; `None` if it is no picture of one RGBA pixel.
pub(crate) fn one_pixel(path: &Path) -> io::Result<Option<u32>> {
    Ok(read_pixel(path)?.ok())
}

/// The same with what is wrong.
pub(crate) fn read_pixel(path: &Path) -> io::Result<Result<u32, PixelFault>> {
    let flags = libc::O_NONBLOCK;
    let file: File = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() || file.metadata()?.len() > MAX_FILE {
        return Ok(Err(PixelFault::Other));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(parse_pixel(&bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_an_id() {
        let png = pixel_png(0x499602D2).unwrap();
        assert!(matches!(parse_pixel(&png), Ok(0x499602D2)));
        for end in 0..png.len() - 12 {
            assert!(parse_pixel(&png[..end]).is_err(), "{end}");
        }
        let mut rgb = Vec::new();
        let mut encoder = png::Encoder::new(&mut rgb, 1, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
        assert!(matches!(parse_pixel(&rgb), Err(PixelFault::NoAlpha)));
        assert!(matches!(parse_pixel(b"no picture"), Err(PixelFault::Other)));
    }
}
