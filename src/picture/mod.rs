//! A picture as a stream of bytes.
//!
//! A path comes in; out goes the raster, row by row, as bytes that are read by
//! position, and a writer that makes such pictures. Nothing here knows what the
//! bytes mean. `docs/format-picture.md` specifies this layer.
//!
//! ```text
//! Picture (mod) -> PixelStream (stream) -> Layout (seekable) -> Geometry
//!       |                               -> Decoded (decode)  -> spill
//!       +-> head, format: what kind of picture it is
//! PngWriter (writer), patch_in_place (patch) -> sums; check; harm
//! ```
//!
//! Invariant: nothing read from a picture is trusted, and no picture makes any
//! of this panic or allocate more than its budget.

mod check;
mod decode;
mod error;
mod format;
mod geometry;
mod harm;
mod head;
mod medium;
mod patch;
mod seekable;
mod spill;
mod stream;
mod sums;
mod writer;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

pub use check::{Finding, check_container};
pub use error::{PictureError, Result};
pub use geometry::{Channels, Geometry, Piece, Pieces};
pub use harm::{CANARY, CANARY_RGB, Harm, diagnose, opaque};
pub use patch::patch_in_place;
pub use seekable::Layout;
pub use stream::PixelStream;
pub use writer::PngWriter;

use head::Head;
use stream::Raster;

/// What kind of file holds the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// The canonical container: pixels are read where they lie.
    SeekablePng,
    /// Any other PNG.
    Png,
    /// Lossless WebP.
    WebP,
    /// Quite OK Image.
    Qoi,
    /// TIFF.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// PAM, PPM and the other Netpbm formats.
    Pnm,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SeekablePng => "seekable PNG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Qoi => "QOI",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::Pnm => "Netpbm",
        })
    }
}

/// How to open a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Where in the file the picture starts.
    pub offset: u64,
    /// Bytes of memory that decoding may take; a seekable PNG takes none.
    pub mem: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { offset: 0, mem: 256 << 20 }
    }
}

/// An open picture.
#[derive(Debug)]
pub struct Picture {
    file: Arc<File>,
    file_len: u64,
    container: Container,
    comment: Option<String>,
    width: u32,
    rows: u32,
    layout: Option<Layout>,
    tail_intact: bool,
    raster: Arc<Raster>,
}

impl Picture {
    /// Opens the picture at `path`. A seekable PNG costs a few small reads;
    /// any other is decoded here.
    ///
    /// # Errors
    /// Every [`PictureError`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        // Without NONBLOCK opening a fifo waits for somebody to write to it.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(PictureError::io("open the picture"))?;
        Self::from_file(file, options)
    }

    /// Opens the picture in `file`, which must be readable.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_file(file: File, options: &OpenOptions) -> Result<Self> {
        let kind = file.metadata().map_err(PictureError::io("look at the picture"))?.file_type();
        if !(kind.is_file() || kind.is_block_device()) {
            let reason = "this is neither a file nor a block device".to_owned();
            return Err(PictureError::Unsupported(reason));
        }
        let file_len = medium::file_len(&file)?;
        if options.offset >= file_len && options.offset > 0 {
            let need = options.offset.saturating_add(1);
            return Err(PictureError::Truncated { have: file_len, need });
        }
        match Head::read(&file, options.offset)? {
            Some(head) => Self::from_png(file, file_len, head, options),
            None => Self::from_other(file, file_len, options),
        }
    }

    /// Opens a PNG, of which the head is known.
    fn from_png(file: File, file_len: u64, head: Head, options: &OpenOptions) -> Result<Self> {
        let Some(layout) = Layout::recognise(&file, options.offset, &head)? else {
            let decoded = decode::decode(&file, options.offset, Container::Png, options.mem)?;
            return Ok(Self::from_decoded(file, file_len, Container::Png, head.comment, decoded));
        };
        let tail_intact = layout.tail_intact(&file)?;
        let file = Arc::new(file);
        let available = layout.available(file_len);
        let raster = Raster::Seekable { file: Arc::clone(&file), layout, available };
        Ok(Self {
            file,
            file_len,
            container: Container::SeekablePng,
            comment: head.comment,
            width: head.ihdr.width,
            rows: head.ihdr.rows,
            layout: Some(layout),
            tail_intact,
            raster: Arc::new(raster),
        })
    }

    /// Opens what is no PNG.
    fn from_other(file: File, file_len: u64, options: &OpenOptions) -> Result<Self> {
        let mut start = vec![0; format::SNIFF_LEN];
        let have = medium::read_some_at(&file, options.offset, &mut start)?;
        let container = format::recognise(&start[..have])?;
        let decoded = decode::decode(&file, options.offset, container, options.mem)?;
        Ok(Self::from_decoded(file, file_len, container, None, decoded))
    }

    fn from_decoded(
        file: File,
        file_len: u64,
        container: Container,
        comment: Option<String>,
        decoded: decode::Decoded,
    ) -> Self {
        Self {
            file: Arc::new(file),
            file_len,
            container,
            comment: comment.or_else(|| decoded.comment.clone()),
            width: decoded.width,
            rows: decoded.rows,
            layout: None,
            // Decoding came to the last pixel: nothing that matters is missing.
            tail_intact: true,
            raster: Arc::new(Raster::Decoded(decoded)),
        }
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows of the raster.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// What kind of file holds the pixels.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Whether pixels are read where they lie, without having been decoded.
    pub fn is_seekable(&self) -> bool {
        self.layout.is_some()
    }

    /// Length of the whole file, what precedes and follows the picture included.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The comment that a PNG carries before its pixels, if any: pxfs writes
    /// one that says how wide the picture was.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Whether the picture ends as it should. A seekable PNG can be read
    /// without its end, but not changed in place.
    pub fn tail_intact(&self) -> bool {
        self.tail_intact
    }

    /// Where things lie in a seekable PNG.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The open file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The pixel stream as seen through `channels`: alpha is dropped from, or
    /// 255 is added to, a raster that stores other ones.
    pub fn stream(&self, channels: Channels) -> PixelStream {
        PixelStream::new(Arc::clone(&self.raster), channels)
    }
}
