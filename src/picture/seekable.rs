//! Recognises a seekable PNG and reads its payload by position.
//!
//! Opening costs a handful of small reads whatever the size of the picture;
//! checksums are for `check.rs`, and for the layers above, which have their own.

use std::fs::File;

use super::error::{PictureError, Result};
use super::geometry::{BLOCK_HEAD, CHUNK_HEAD, Channels, Geometry, TAIL_LEN};
use super::head::{COMMENT_START, Head, ZLIB_CHUNK_LEN, ZLIB_HEADER, be32, build_tail};
use super::medium::read_some_at;

/// Payload bytes asked of the file at once: large enough to make the calls
/// cheap, small enough to still be in the CPU's cache when framing is taken out.
const READ_WINDOW: usize = 256 << 10;

/// Where everything of one seekable PNG lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) rows: u32,
    /// Position of the PNG signature.
    pub(crate) base: u64,
    /// Position of the first band's chunk header.
    pub(crate) bands_at: u64,
}

impl Layout {
    /// Reads the layout of the seekable PNG at `base` in `file`; None for any
    /// other PNG, and for what is no PNG at all.
    ///
    /// # Errors
    /// `Truncated` when the file ends before that can be told, `Damaged` when
    /// IHDR is, `Io`.
    pub fn read(file: &File, base: u64) -> Result<Option<Self>> {
        match Head::read(file, base)? {
            Some(head) => Self::recognise(file, base, &head),
            None => Ok(None),
        }
    }

    /// Tells whether the PNG with that head is seekable.
    pub(crate) fn recognise(file: &File, base: u64, head: &Head) -> Result<Option<Self>> {
        let ihdr = &head.ihdr;
        let channels = match (ihdr.depth, ihdr.colour_type, ihdr.interlaced) {
            (8, 2, false) => Channels::Rgb,
            (8, 6, false) => Channels::Rgba,
            _ => return Ok(None),
        };
        let Ok(geometry) = Geometry::new(ihdr.width, channels) else { return Ok(None) };
        let Some(idat) = head.first_idat else { return Ok(None) };
        let bands_at = idat + ZLIB_CHUNK_LEN;
        let layout = Self { geometry, rows: ihdr.rows, base, bands_at };
        let mut start = [0; 28];
        let have = read_some_at(file, idat, &mut start)?;
        if have >= 10 && (be32(&start) != 2 || start[8..10] != ZLIB_HEADER) {
            return Ok(None);
        }
        if have < start.len() {
            let need = idat + start.len() as u64;
            return Err(PictureError::Truncated { have: idat + have as u64, need });
        }
        let ours = head.comment.as_deref().is_some_and(|text| text.starts_with(COMMENT_START));
        let rows = if ours { 1 } else { u64::from(layout.rows) };
        Ok(layout.accepts_first_band(&start[ZLIB_CHUNK_LEN as usize..], rows).then_some(layout))
    }

    /// Whether these 14 bytes can begin a first band of at least `rows` rows.
    ///
    /// After an append that was cut off the band can hold more rows than IHDR
    /// says, and after a loss of power, when writes may arrive in any order,
    /// fewer: that much is believed only of a picture that names us.
    fn accepts_first_band(&self, start: &[u8], rows: u64) -> bool {
        let g = self.geometry;
        let len = u64::from(be32(start));
        let block_rows_len = u64::from(u16::from_le_bytes([start[9], start[10]]));
        let complement = u64::from(u16::from_le_bytes([start[11], start[12]]));
        let least = g.band_data_len_for(rows.min(g.rows_in_band()));
        let least_block = rows.min(g.rows_in_block()) * g.stride();
        &start[4..8] == b"IDAT"
            && (least..=g.band_data_len()).contains(&len)
            && start[8] == 0
            && block_rows_len + complement == 0xFFFF
            && block_rows_len % g.stride() == 0
            && (least_block..=g.block_len() - BLOCK_HEAD).contains(&block_rows_len)
            && start[13] == 0
    }

    /// Width and channels.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Rows, as IHDR says.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Payload bytes of all rows.
    pub fn payload_len(&self) -> u64 {
        self.geometry.payload_len(self.rows)
    }

    /// File position of the payload byte at `offset`.
    pub fn payload_position(&self, offset: u64) -> Option<u64> {
        self.geometry.payload_position(offset)?.checked_add(self.bands_at)
    }

    /// File position of band `band`'s chunk header.
    pub(crate) fn band_position(&self, band: u64) -> u64 {
        // Bands of a picture are few enough: rows have 31 bits, strides 16.
        self.bands_at.saturating_add(self.geometry.band_position(band).unwrap_or(u64::MAX))
    }

    /// File position of the final IDAT's chunk header.
    pub fn tail_position(&self) -> u64 {
        self.bands_at.saturating_add(self.geometry.bands_len(self.rows))
    }

    /// File position of the first byte after IEND.
    pub fn end_position(&self) -> u64 {
        self.tail_position().saturating_add(TAIL_LEN)
    }

    /// The Adler-32 in the final IDAT, if that chunk and IEND are whole.
    pub(crate) fn read_adler(&self, file: &File) -> Result<Option<u32>> {
        let mut tail = [0; TAIL_LEN as usize];
        let have = read_some_at(file, self.tail_position(), &mut tail)?;
        let adler = be32(&tail[CHUNK_HEAD as usize + 5..]);
        Ok((have == tail.len() && tail[..] == build_tail(adler)).then_some(adler))
    }

    /// Whether the file ends as its height says: final IDAT and IEND in place.
    ///
    /// # Errors
    /// `Io`.
    pub fn tail_intact(&self, file: &File) -> Result<bool> {
        Ok(self.read_adler(file)?.is_some())
    }

    /// Payload bytes that a file of `file_len` bytes really holds.
    pub(crate) fn available(&self, file_len: u64) -> u64 {
        let held = self.geometry.payload_before(file_len.saturating_sub(self.bands_at));
        held.min(self.payload_len())
    }

    /// Fills `buf` with the payload from `offset` on.
    ///
    /// # Errors
    /// `Truncated` when the picture or its file ends before that, `Io`.
    pub fn read_at(&self, file: &File, offset: u64, buf: &mut [u8]) -> Result<()> {
        let need = offset.saturating_add(buf.len() as u64);
        if need > self.payload_len() {
            return Err(PictureError::Truncated { have: self.payload_len(), need });
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let Some(position) = self.payload_position(at) else {
                return Err(PictureError::Truncated { have: at, need });
            };
            let window = (buf.len() - done).min(READ_WINDOW);
            let window = &mut buf[done..done + window];
            // As many file bytes as the window has room for; taking the framing
            // out leaves a short rest, which the next round reads. So no byte
            // is read into anything but its destination.
            let have = read_some_at(file, position, window)?;
            if have < window.len() {
                let have = at + self.payload_in(at, have) as u64;
                return Err(PictureError::Truncated { have, need });
            }
            done += self.squeeze(at, window);
        }
        Ok(())
    }

    /// Payload bytes among the `len` file bytes that start at payload `offset`.
    fn payload_in(&self, offset: u64, len: usize) -> usize {
        let Some(start) = self.geometry.payload_position(offset) else { return 0 };
        (self.geometry.payload_before(start + len as u64) - offset) as usize
    }

    /// Moves the payload within `window`, raw file bytes from payload `offset`
    /// on, to its front; returns how much there is.
    fn squeeze(&self, offset: u64, window: &mut [u8]) -> usize {
        let Some(start) = self.geometry.payload_position(offset) else { return 0 };
        let mut filled = 0;
        for piece in self.geometry.pieces(offset, window.len() as u64) {
            let from = (piece.position - start) as usize;
            if from >= window.len() {
                break;
            }
            let len = (piece.payload.end - piece.payload.start) as usize;
            let len = len.min(window.len() - from);
            window.copy_within(from..from + len, filled);
            filled += len;
        }
        filled
    }

    /// Reads whole payload from `offset` on into a new buffer; `len` is the
    /// caller's to bound.
    pub(crate) fn read_vec(&self, file: &File, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut buf = vec![0; len as usize];
        self.read_at(file, offset, &mut buf)?;
        Ok(buf)
    }
}
