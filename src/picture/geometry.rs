//! Where a payload byte of a seekable PNG lies in its file: arithmetic, no I/O.
//!
//! Implements "Geometry" of `docs/format-picture.md`. Positions are relative
//! to the chunk header of the first band unless a name says otherwise.

use std::ops::Range;

use super::error::{PictureError, Result};

/// Bytes of a chunk that are not its data: length and type before, CRC-32 after.
pub(crate) const CHUNK_OVERHEAD: u64 = 12;
/// Length and type, the part of a chunk that precedes its data.
pub(crate) const CHUNK_HEAD: u64 = 8;
/// A stored deflate block's header: the final bit, LEN and NLEN.
pub(crate) const BLOCK_HEAD: u64 = 5;
/// The longest stored deflate block; LEN has 16 bits.
const BLOCK_MAX: u64 = 65535;
/// A band holds as many whole blocks as fit in this many bytes: large enough
/// that chunk headers cost nothing, small enough to buffer and to re-checksum.
const BAND_TARGET: u64 = 1 << 20;
/// PNG's own limit on a height.
const ROWS_MAX: u64 = (1 << 31) - 1;
/// The final IDAT (an empty block and the Adler-32) and IEND, with overheads.
pub(crate) const TAIL_LEN: u64 = CHUNK_OVERHEAD + 9 + CHUNK_OVERHEAD;

/// Which channels of a pixel carry payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Red, green and blue: three bytes a pixel, for opaque pictures.
    Rgb,
    /// Red, green, blue and alpha: four bytes a pixel.
    Rgba,
}

impl Channels {
    /// Payload bytes of one pixel.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// PNG's colour type for a raster of just these channels.
    pub(crate) const fn colour_type(self) -> u8 {
        match self {
            Self::Rgb => 2,
            Self::Rgba => 6,
        }
    }
}

/// Width and channels of a seekable PNG: all that its layout depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    width: u32,
    channels: Channels,
}

impl Geometry {
    /// The narrowest seekable PNG: below it the filter bytes would cost more
    /// than half a percent.
    pub const MIN_WIDTH: u32 = 64;

    /// The layout of pictures `width` pixels wide.
    ///
    /// # Errors
    /// `Unsupported` when the width is below [`Self::MIN_WIDTH`], or one row
    /// does not fit a stored block (above [`Self::max_width`]).
    pub fn new(width: u32, channels: Channels) -> Result<Self> {
        let max = Self::max_width(channels);
        if (Self::MIN_WIDTH..=max).contains(&width) {
            return Ok(Self { width, channels });
        }
        let min = Self::MIN_WIDTH;
        let reason = format!("a seekable PNG is {min} to {max} pixels wide, not {width}");
        Err(PictureError::Unsupported(reason))
    }

    /// The widest seekable PNG: one row and its filter byte fill a stored block.
    pub const fn max_width(channels: Channels) -> u32 {
        ((BLOCK_MAX - 1) / channels.bytes()) as u32
    }

    /// Pixels in a row.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// The channels that carry payload.
    pub const fn channels(self) -> Channels {
        self.channels
    }

    /// Payload bytes in a row.
    pub const fn row_payload(self) -> u64 {
        self.width as u64 * self.channels.bytes()
    }

    /// Bytes of a row inside the deflate stream: the filter byte, then the payload.
    pub const fn stride(self) -> u64 {
        1 + self.row_payload()
    }

    /// R, the rows of a full stored block.
    pub const fn rows_in_block(self) -> u64 {
        BLOCK_MAX / self.stride()
    }

    /// File bytes of a full stored block.
    pub const fn block_len(self) -> u64 {
        BLOCK_HEAD + self.rows_in_block() * self.stride()
    }

    /// B, the stored blocks of a full band.
    pub const fn blocks_in_band(self) -> u64 {
        let blocks = BAND_TARGET / self.block_len();
        if blocks == 0 { 1 } else { blocks }
    }

    /// Rows of a full band.
    pub const fn rows_in_band(self) -> u64 {
        self.rows_in_block() * self.blocks_in_band()
    }

    /// Payload bytes of a full band.
    pub const fn band_payload(self) -> u64 {
        self.rows_in_band() * self.row_payload()
    }

    /// Data bytes of a full band's IDAT chunk.
    pub const fn band_data_len(self) -> u64 {
        self.blocks_in_band() * self.block_len()
    }

    /// File bytes of a full band: its chunk with header and CRC-32.
    pub const fn band_len(self) -> u64 {
        CHUNK_OVERHEAD + self.band_data_len()
    }

    /// Rows of the picture that holds a stream of `stream_len` bytes.
    ///
    /// # Errors
    /// `Unsupported` when PNG cannot express that height.
    pub fn rows_for(self, stream_len: u64) -> Result<u32> {
        let rows = stream_len.div_ceil(self.row_payload()).max(1);
        if rows > ROWS_MAX {
            return Err(PictureError::Unsupported(format!(
                "{stream_len} bytes do not fit a picture {} pixels wide: choose a wider one",
                self.width
            )));
        }
        Ok(rows as u32)
    }

    /// Payload bytes of `rows` rows.
    pub const fn payload_len(self, rows: u32) -> u64 {
        rows as u64 * self.row_payload()
    }

    /// Data bytes of a band's chunk that holds `rows` rows.
    pub const fn band_data_len_for(self, rows: u64) -> u64 {
        rows.div_ceil(self.rows_in_block()) * BLOCK_HEAD + rows * self.stride()
    }

    /// Bands of a picture of `rows` rows.
    pub const fn bands(self, rows: u32) -> u64 {
        (rows as u64).div_ceil(self.rows_in_band())
    }

    /// Rows in band `band` of a picture of `rows` rows; 0 beyond the last band.
    pub fn rows_of_band(self, rows: u32, band: u64) -> u64 {
        let before = band.saturating_mul(self.rows_in_band());
        u64::from(rows).saturating_sub(before).min(self.rows_in_band())
    }

    /// File bytes of all bands of a picture of `rows` rows.
    pub fn bands_len(self, rows: u32) -> u64 {
        let full = u64::from(rows) / self.rows_in_band();
        let rest = u64::from(rows) % self.rows_in_band();
        let last = if rest == 0 { 0 } else { CHUNK_OVERHEAD + self.band_data_len_for(rest) };
        full * self.band_len() + last
    }

    /// Length of the whole file when `head_len` bytes precede the first band.
    pub fn file_len(self, rows: u32, head_len: u64) -> u64 {
        head_len + self.bands_len(rows) + TAIL_LEN
    }

    /// File position of band `band`'s chunk header.
    pub const fn band_position(self, band: u64) -> Option<u64> {
        band.checked_mul(self.band_len())
    }

    /// File position of the payload byte at `offset`; None beyond any file.
    pub fn payload_position(self, offset: u64) -> Option<u64> {
        let row = offset / self.row_payload();
        let (band, row_in_band) = (row / self.rows_in_band(), row % self.rows_in_band());
        let within = self.row_in_band_position(row_in_band) + 1 + offset % self.row_payload();
        self.band_position(band)?.checked_add(within)
    }

    /// Position of a row's filter byte relative to its band's chunk header.
    pub(crate) const fn row_in_band_position(self, row: u64) -> u64 {
        let block = row / self.rows_in_block();
        CHUNK_HEAD + (block + 1) * BLOCK_HEAD + row * self.stride()
    }

    /// Payload bytes that lie wholly before file position `position`.
    pub fn payload_before(self, position: u64) -> u64 {
        let band = position / self.band_len();
        let in_band = (position % self.band_len()).saturating_sub(CHUNK_HEAD);
        let block = (in_band / self.block_len()).min(self.blocks_in_band() - 1);
        let in_block = (in_band - block * self.block_len()).saturating_sub(BLOCK_HEAD);
        let row = (in_block / self.stride()).min(self.rows_in_block());
        let in_row = (in_block - row * self.stride()).saturating_sub(1);
        let in_row = if row == self.rows_in_block() { 0 } else { in_row };
        let rows = band * self.rows_in_band() + block * self.rows_in_block() + row;
        rows * self.row_payload() + in_row
    }

    /// The file pieces that hold payload `offset .. offset + len`, in order.
    pub fn pieces(self, offset: u64, len: u64) -> Pieces {
        Pieces { geometry: self, offset, done: 0, len }
    }
}

/// One run of payload bytes that is contiguous in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where the run starts, relative to the first band.
    pub position: u64,
    /// Which bytes of the asked range it holds.
    pub payload: Range<u64>,
}

/// Iterator over the [`Piece`]s of a payload range; it ends early where file
/// positions stop fitting 64 bits.
#[derive(Debug, Clone)]
pub struct Pieces {
    geometry: Geometry,
    offset: u64,
    done: u64,
    len: u64,
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.done >= self.len {
            return None;
        }
        let at = self.offset.checked_add(self.done)?;
        let room = self.geometry.row_payload() - at % self.geometry.row_payload();
        let end = self.done + room.min(self.len - self.done);
        let piece =
            Piece { position: self.geometry.payload_position(at)?, payload: self.done..end };
        self.done = end;
        Some(piece)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn widths_at_the_limits() {
        for (channels, max) in [(Channels::Rgba, 16383), (Channels::Rgb, 21844)] {
            assert!(Geometry::new(63, channels).is_err());
            assert!(Geometry::new(max + 1, channels).is_err());
            assert_eq!(Geometry::new(max, channels).unwrap().rows_in_block(), 1);
            assert!(Geometry::new(64, channels).is_ok());
        }
    }

    #[test]
    fn figures_of_the_specification() {
        let g = Geometry::new(1024, Channels::Rgba).unwrap();
        assert_eq!((g.stride(), g.rows_in_block(), g.block_len()), (4097, 15, 61460));
        assert_eq!((g.blocks_in_band(), g.rows_in_band()), (17, 255));
        assert_eq!(g.band_len(), 1_044_832);
        assert_eq!(g.payload_position(0), Some(14));
        assert_eq!(g.payload_position(4096 * 255), Some(1_044_832 + 14));
    }

    #[test]
    fn rows_are_rounded_up_and_never_none() {
        let g = Geometry::new(64, Channels::Rgba).unwrap();
        for (len, rows) in [(0, 1), (1, 1), (256, 1), (257, 2)] {
            assert_eq!(g.rows_for(len).unwrap(), rows);
        }
        assert!(g.rows_for(u64::MAX).is_err());
    }

    #[test]
    fn payload_before_inverts_payload_position() {
        for (width, channels) in
            [(64, Channels::Rgb), (16383, Channels::Rgba), (700, Channels::Rgba)]
        {
            let g = Geometry::new(width, channels).unwrap();
            let mut offset = 0;
            let mut last = 0;
            while offset < 3 * g.band_payload() {
                let position = g.payload_position(offset).unwrap();
                assert_eq!(g.payload_before(position), offset, "width {width} offset {offset}");
                assert_eq!(g.payload_before(position + 1), offset + 1);
                assert!(position >= last);
                last = position;
                offset += if offset % 997 < 7 { 1 } else { g.row_payload() / 3 + 1 };
            }
        }
    }

    #[test]
    fn huge_offsets_have_no_position() {
        let g = Geometry::new(64, Channels::Rgba).unwrap();
        assert_eq!(g.payload_position(u64::MAX), None);
        assert_eq!(g.pieces(u64::MAX - 3, 900).count(), 0);
    }

    #[test]
    fn the_last_band_is_as_short_as_its_rows() {
        let g = Geometry::new(1024, Channels::Rgba).unwrap();
        assert_eq!(g.bands_len(255), g.band_len());
        assert_eq!(g.bands_len(256), g.band_len() + 12 + 5 + 4097);
        assert_eq!((g.bands(255), g.bands(256), g.rows_of_band(256, 1)), (1, 2, 1));
        assert_eq!(g.rows_of_band(256, 2), 0);
    }
}
