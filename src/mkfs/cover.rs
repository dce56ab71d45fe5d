//! The cover: a picture shown above the file system's pixels.

use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader};

use super::assemble::has_alpha;
use super::error::{MkfsError, Result};
use crate::picture::{Geometry, PngWriter};

/// A small picture is made at least this wide, so that its cover can be recognised.
const LEAST_WIDTH: u32 = 512;

/// A decoded cover picture.
#[derive(Debug)]
pub(super) struct Cover(DynamicImage);

impl Cover {
    /// Decodes the picture at `path`.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let failed =
            |error: String| MkfsError::Invalid(format!("--cover {}: {error}", path.display()));
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        let image = reader.map_err(|error| failed(error.to_string()))?.decode();
        image.map(Self).map_err(|error| failed(error.to_string()))
    }

    /// The width that a picture with this cover has at least.
    pub(super) fn least_width(&self) -> u32 {
        self.0.width().min(LEAST_WIDTH)
    }

    /// Rows that the cover takes in a picture of that width. It is made
    /// smaller to fit, never larger.
    pub(super) fn rows(&self, width: u32) -> u32 {
        let (own_width, own_height) = (u64::from(self.0.width()), u64::from(self.0.height()));
        let shown = own_width.min(u64::from(width));
        let rows = (own_height * shown).div_ceil(own_width.max(1));
        u32::try_from(rows).unwrap_or(u32::MAX).max(1)
    }

    /// Writes the cover's rows, centred.
    pub(super) fn write(self, geometry: Geometry, out: &mut PngWriter) -> Result<()> {
        let width = geometry.width();
        let rows = self.rows(width);
        let shown = self.0.width().min(width);
        let image = if shown < self.0.width() {
            self.0.resize_exact(shown, rows, FilterType::CatmullRom)
        } else {
            self.0
        };
        let image = image.to_rgba8();
        let channels = geometry.channels().bytes() as usize;
        let left = (width - shown) as usize / 2 * channels;
        let mut row = vec![0; width as usize * channels];
        for pixels in image.rows() {
            let mut at = left;
            for pixel in pixels {
                let shown = if has_alpha(geometry.channels()) { pixel.0 } else { opaque(pixel.0) };
                row[at..at + channels].copy_from_slice(&shown[..channels]);
                at += channels;
            }
            out.write(&row)?;
        }
        Ok(())
    }
}

/// The colour on black, for pictures without alpha.
fn opaque([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let on_black = |value: u8| (u16::from(value) * u16::from(alpha) / 255) as u8;
    [on_black(red), on_black(green), on_black(blue), 255]
}
