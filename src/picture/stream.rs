//! The payload of a picture as a stream of bytes that is read by position,
//! whatever holds the pixels.

use std::fs::File;
use std::sync::Arc;

use super::decode::Decoded;
use super::error::{PictureError, Result};
use super::geometry::Channels;
use super::seekable::Layout;

/// Pixels converted at a time when a raster is viewed with other channels.
const CONVERT_PIXELS: usize = 16 << 10;

/// What holds the pixels.
#[derive(Debug)]
pub(crate) enum Raster {
    /// The file of a seekable PNG.
    Seekable {
        file: Arc<File>,
        layout: Layout,
        /// Payload bytes that the file held when it was opened.
        available: u64,
    },
    /// RGBA pixels that were decoded.
    Decoded(Decoded),
}

impl Raster {
    /// The channels that the raster stores.
    fn channels(&self) -> Channels {
        match self {
            Self::Seekable { layout, .. } => layout.geometry().channels(),
            Self::Decoded(_) => Channels::Rgba,
        }
    }

    /// Bytes there are, in the raster's own channels.
    fn len(&self) -> u64 {
        match self {
            Self::Seekable { available, .. } => *available,
            Self::Decoded(decoded) => decoded.pixels.len(),
        }
    }

    /// Reads in the raster's own channels.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        match self {
            Self::Seekable { file, layout, .. } => layout.read_at(file, offset, buf),
            Self::Decoded(decoded) => decoded.pixels.read_at(offset, buf),
        }
    }
}

/// A handle on the pixel stream: cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct PixelStream {
    raster: Arc<Raster>,
    channels: Channels,
}

impl PixelStream {
    pub(crate) fn new(raster: Arc<Raster>, channels: Channels) -> Self {
        Self { raster, channels }
    }

    /// The stream of a seekable PNG whose layout is known, without opening it
    /// again: for a writer that reads what it committed.
    ///
    /// # Errors
    /// `Io`.
    pub fn of_layout(file: Arc<File>, layout: Layout) -> Result<Self> {
        let available = layout.available(super::medium::file_len(&file)?);
        let raster = Arc::new(Raster::Seekable { file, layout, available });
        Ok(Self { raster, channels: layout.geometry().channels() })
    }

    /// The channels of a pixel that this stream is made of.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Payload bytes that can be read; less than the raster's when the file is
    /// cut short.
    pub fn len(&self) -> u64 {
        let stored = self.raster.channels();
        if stored == self.channels {
            return self.raster.len();
        }
        self.raster.len() / stored.bytes() * self.channels.bytes()
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Truncated` when the stream ends before that, `Io`.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let need = offset.saturating_add(buf.len() as u64);
        if need > self.len() {
            return Err(PictureError::Truncated { have: self.len(), need });
        }
        if self.raster.channels() == self.channels {
            return self.raster.read_at(offset, buf);
        }
        self.read_converted(offset, buf)
    }

    /// Reads through a conversion of channels, a bounded run of pixels at a time.
    fn read_converted(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let (from, to) = (self.raster.channels().bytes(), self.channels.bytes());
        let (mut raw, mut converted) = (Vec::new(), Vec::new());
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let (pixel, skip) = (at / to, (at % to) as usize);
            let want = (skip + buf.len() - done).div_ceil(to as usize).min(CONVERT_PIXELS);
            raw.resize(want * from as usize, 0);
            self.raster.read_at(pixel * from, &mut raw)?;
            converted.clear();
            convert(self.channels, &raw, &mut converted);
            let len = (converted.len() - skip).min(buf.len() - done);
            buf[done..done + len].copy_from_slice(&converted[skip..skip + len]);
            done += len;
        }
        Ok(())
    }
}

/// Appends pixels of the other kind as pixels of kind `to`.
fn convert(to: Channels, raw: &[u8], out: &mut Vec<u8>) {
    match to {
        Channels::Rgb => {
            raw.as_chunks::<4>().0.iter().for_each(|&[r, g, b, _]| out.extend([r, g, b]));
        }
        Channels::Rgba => {
            raw.as_chunks::<3>().0.iter().for_each(|&[r, g, b]| out.extend([r, g, b, 255]));
        }
    }
}
