//! Every other lossless encoding of the same pixels: decoded once to RGBA,
//! within a memory budget, then read by position.

use std::fs::File;
use std::io::BufReader;
use std::panic::AssertUnwindSafe;

use image::codecs::{bmp, pnm, qoi, tiff, webp};
use image::{ColorType, ImageDecoder, ImageError};

use super::Container;
use super::error::{PictureError, Result};
use super::head::MAX_COMMENT;
use super::medium::{Window, file_len};
use super::spill::{Spill, Spilled};

/// What the decoders read of the file at once.
const READ_SIZE: usize = 64 << 10;
/// Decoded pixels up to this size, or a quarter of the budget if that is less,
/// stay in memory.
const IN_MEMORY: u64 = 16 << 20;

/// Where superblocks are in the payload, and how each begins (docs/format.md, section 2).
const SLOTS: [usize; 2] = [0, 8192];
const MARK: &[u8] = b"PXFS";

/// A raster decoded to RGBA, row by row without gaps.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) width: u32,
    pub(crate) rows: u32,
    pub(crate) pixels: Spilled,
    /// A comment that was found on the way.
    pub(crate) comment: Option<String>,
}

/// Decodes the picture at `base` in `file`, using at most `mem` bytes.
pub(crate) fn decode(file: &File, base: u64, container: Container, mem: u64) -> Result<Decoded> {
    // Some decoders of other formats assert what a damaged picture breaks. All
    // they touch is dropped with them, so nothing half done is left behind.
    let run = AssertUnwindSafe(|| decode_as(file, base, container, mem));
    std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let reason = format!("the {container} decoder gave up on it");
        Err(PictureError::Damaged(reason))
    })
}

/// Chooses the decoder.
fn decode_as(file: &File, base: u64, container: Container, mem: u64) -> Result<Decoded> {
    let len = file_len(file)?;
    let window = Window::new(file, base, len);
    let reader = BufReader::with_capacity(READ_SIZE, window);
    match container {
        Container::SeekablePng | Container::Png => decode_png(reader, len, mem),
        Container::WebP => {
            let decoder = webp::WebPDecoder::new(reader).map_err(image_error)?;
            if decoder.has_animation() {
                let reason = "an animated WebP is not read".to_owned();
                return Err(PictureError::Unsupported(reason));
            }
            // This decoder holds a second copy of the pixels while it works.
            decode_whole(decoder, mem, 2)
        }
        Container::Qoi => decode_whole(qoi::QoiDecoder::new(reader).map_err(image_error)?, mem, 1),
        Container::Tiff => {
            decode_whole(tiff::TiffDecoder::new(reader).map_err(image_error)?, mem, 1)
        }
        Container::Bmp => decode_whole(bmp::BmpDecoder::new(reader).map_err(image_error)?, mem, 1),
        Container::Pnm => decode_whole(pnm::PnmDecoder::new(reader).map_err(image_error)?, mem, 1),
    }
}

/// How the samples of a decoded row are to be read; 8 bits each.
#[derive(Debug, Clone, Copy)]
enum Samples {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

/// Appends a row's pixels as RGBA.
fn push_rgba(samples: Samples, row: &[u8], out: &mut Vec<u8>) {
    match samples {
        Samples::Grey => row.iter().for_each(|&g| out.extend([g, g, g, 255])),
        Samples::GreyAlpha => {
            row.as_chunks::<2>().0.iter().for_each(|&[g, a]| out.extend([g, g, g, a]));
        }
        Samples::Rgb => {
            row.as_chunks::<3>().0.iter().for_each(|&[r, g, b]| out.extend([r, g, b, 255]));
        }
        Samples::Rgba => out.extend_from_slice(row),
    }
}

/// A place for the pixels of a raster of that size.
fn spill_for(width: u32, rows: u32, mem: u64) -> Result<Spill> {
    Spill::new(u64::from(width) * u64::from(rows) * 4, IN_MEMORY.min(mem / 4))
}

/// Decodes a PNG row by row, or as a whole when it is interlaced.
fn decode_png(reader: BufReader<Window<'_>>, file_len: u64, mem: u64) -> Result<Decoded> {
    let bytes = usize::try_from(mem).unwrap_or(usize::MAX);
    let mut decoder = png::Decoder::new_with_limits(reader, png::Limits { bytes });
    decoder.set_transformations(png::Transformations::EXPAND);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|e| png_error(e, mem))?;
    let info = reader.info();
    if info.bit_depth == png::BitDepth::Sixteen {
        return Err(sixteen_bits());
    }
    let (width, rows, interlaced) = (info.width, info.height, info.interlaced);
    let samples = match reader.output_color_type().0 {
        png::ColorType::Grayscale => Samples::Grey,
        png::ColorType::GrayscaleAlpha => Samples::GreyAlpha,
        png::ColorType::Rgb => Samples::Rgb,
        _ => Samples::Rgba,
    };
    check_ratio(width, rows, file_len)?;
    let mut spill;
    let mut kept = 0;
    if interlaced {
        let needed = reader.output_buffer_size().map_or(u64::MAX, |n| n as u64);
        check_budget(needed, mem)?;
        spill = spill_for(width, rows, mem)?;
        let mut raster = vec![0; needed as usize];
        reader.next_frame(&mut raster).map_err(|e| png_error(e, mem))?;
        spill_rows(&mut spill, &raster, samples, rows)?;
        kept = rows;
    } else {
        // Two rows to undo the filter, one as RGBA on its way out.
        check_budget(u64::from(width) * 12, mem)?;
        spill = spill_for(width, rows, mem)?;
        let mut probe = Probe::new(spill.is_file());
        while let Some(row) = reader.next_row().map_err(|e| png_error(e, mem))? {
            if probe.wants_more(&spill) {
                push_rgba(samples, row.data(), spill.buffer());
                spill.settle()?;
                kept += 1;
            }
        }
    }
    // Many programs put texts behind the pixels. What is damaged there is no
    // reason to do without the pixels.
    let comment = reader.finish().ok().and_then(|()| last_comment(reader.info()));
    Ok(Decoded { comment, ..whole(width, kept, spill.finish()?)? })
}

/// Decides whether a large picture's pixels are worth a file: those of a
/// photograph are not kept beyond what tells that it is no file system.
struct Probe {
    is_decided: bool,
    is_wanted: bool,
}

impl Probe {
    /// Bytes of RGBA in which both slots begin, whatever the channels.
    const LEN: usize = 16 << 10;

    fn new(is_large: bool) -> Self {
        Self { is_decided: !is_large, is_wanted: true }
    }

    /// Whether the next row is to be kept.
    fn wants_more(&mut self, spill: &Spill) -> bool {
        if !self.is_decided && spill.first().len() >= Self::LEN {
            self.is_wanted = begins_as_ours(&spill.first()[..Self::LEN]);
            self.is_decided = true;
        }
        self.is_wanted
    }
}

/// Whether one of the two superblocks begins in the first pixels.
fn begins_as_ours(rgba: &[u8]) -> bool {
    let pixels = rgba.as_chunks::<4>().0.iter();
    let opaque: Vec<u8> = pixels.flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
    [rgba, &opaque].into_iter().any(|stream| {
        SLOTS.into_iter().any(|slot| stream.get(slot..).is_some_and(|at| at.starts_with(MARK)))
    })
}

/// A picture of ours holds compressed blocks, and no encoder makes much less of
/// them: what expands so far is not worth the room.
fn check_ratio(width: u32, rows: u32, file_len: u64) -> Result<()> {
    let needed = u64::from(width) * u64::from(rows) * 4;
    let most = file_len.saturating_mul(64).saturating_add(1 << 30);
    if needed > most {
        let reason =
            format!("its {needed} bytes of pixels in a file of {file_len} are no file system's");
        return Err(PictureError::Unsupported(reason));
    }
    Ok(())
}

/// The comment of a PNG that was read to its end.
fn last_comment(info: &png::Info<'_>) -> Option<String> {
    let texts = info.uncompressed_latin1_text.iter();
    let mut comments = texts.filter(|text| text.keyword == "Comment");
    comments.next_back().map(|text| text.text.chars().take(MAX_COMMENT as usize).collect())
}

/// Decodes a picture whose decoder only gives all of it at once.
fn decode_whole(mut decoder: impl ImageDecoder, mem: u64, copies: u64) -> Result<Decoded> {
    let (width, rows) = decoder.dimensions();
    let samples = match decoder.color_type() {
        ColorType::L8 => Samples::Grey,
        ColorType::La8 => Samples::GreyAlpha,
        ColorType::Rgb8 => Samples::Rgb,
        ColorType::Rgba8 => Samples::Rgba,
        _ => return Err(sixteen_bits()),
    };
    let total = decoder.total_bytes();
    check_budget(total.saturating_mul(copies), mem)?;
    if total == 0 {
        return Err(PictureError::Damaged("it has no pixels".to_owned()));
    }
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(mem);
    decoder.set_limits(limits).map_err(image_error)?;
    let mut raster = vec![0; total as usize];
    decoder.read_image(&mut raster).map_err(image_error)?;
    let mut spill = spill_for(width, rows, mem)?;
    spill_rows(&mut spill, &raster, samples, rows)?;
    whole(width, rows, spill.finish()?)
}

/// Moves a whole raster into the spill, a row at a time.
fn spill_rows(spill: &mut Spill, raster: &[u8], samples: Samples, rows: u32) -> Result<()> {
    let row_len = (raster.len() / (rows as usize).max(1)).max(1);
    for row in raster.chunks_exact(row_len) {
        push_rgba(samples, row, spill.buffer());
        spill.settle()?;
    }
    Ok(())
}

/// A decoded raster, provided that every pixel arrived.
fn whole(width: u32, rows: u32, pixels: Spilled) -> Result<Decoded> {
    let need = u64::from(width) * u64::from(rows) * 4;
    if pixels.len() != need {
        return Err(PictureError::Truncated { have: pixels.len(), need });
    }
    Ok(Decoded { width, rows, pixels, comment: None })
}

fn check_budget(needed: u64, budget: u64) -> Result<()> {
    if needed > budget {
        return Err(PictureError::TooLarge { needed, budget });
    }
    Ok(())
}

fn sixteen_bits() -> PictureError {
    PictureError::Unsupported(
        "its samples are wider than 8 bits: pxfs keeps one byte in each".to_owned(),
    )
}

/// Our words for what the PNG decoder says.
fn png_error(error: png::DecodingError, mem: u64) -> PictureError {
    match error {
        png::DecodingError::IoError(e) => cut_or_io(e),
        png::DecodingError::LimitsExceeded => {
            PictureError::TooLarge { needed: mem.saturating_add(1), budget: mem }
        }
        other => PictureError::Damaged(without_dumps(&other.to_string())),
    }
}

/// The decoder's sentence with the name of a chunk instead of a dump of it.
fn without_dumps(text: &str) -> String {
    let named = || {
        let (before, rest) = text.split_once("ChunkType { type: ")?;
        let (dump, after) = rest.split_once(" }")?;
        Some(format!("{before}{}{after}", dump.split(',').next()?))
    };
    named().unwrap_or_else(|| text.to_owned())
}

/// Our words for what the other decoders say.
fn image_error(error: ImageError) -> PictureError {
    match error {
        ImageError::IoError(e) => cut_or_io(e),
        ImageError::Unsupported(e) => PictureError::Unsupported(e.to_string()),
        other => PictureError::Damaged(other.to_string()),
    }
}

/// Decoders report pictures that end early, and some kinds of damage, as I/O
/// errors without a number from the operating system.
fn cut_or_io(error: std::io::Error) -> PictureError {
    if error.raw_os_error().is_some() {
        return PictureError::io("read the picture")(error);
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            PictureError::Damaged("its data ends before the last pixel".to_owned())
        }
        _ => PictureError::Damaged(error.to_string()),
    }
}
