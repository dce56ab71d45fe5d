//! Writes a stream of bytes as a seekable PNG, and goes on with one written
//! earlier. At most one band is held in memory; a band is one write.

use std::fs::File;

use super::error::{PictureError, Result};
use super::geometry::{BLOCK_HEAD, CHUNK_HEAD, Geometry};
use super::head::{IHDR_AT, Ihdr, build_head, build_tail};
use super::medium::{file_len, read_full_at};
use super::patch::{patch_bands, write_at};
use super::seekable::Layout;
use super::sums::{Adler, chunk_crc};

/// Payload goes in, a seekable PNG comes out.
///
/// The file is no valid PNG between [`write`](Self::write) and
/// [`commit`](Self::commit) or [`finish`](Self::finish); payload that an
/// earlier commit confirmed stays in its place meanwhile.
#[derive(Debug)]
pub struct PngWriter {
    file: File,
    layout: Layout,
    /// Payload bytes taken so far.
    position: u64,
    /// The band being filled, as it will lie in the file: framed throughout as
    /// a full band, zero wherever no payload was written yet.
    buffer: Vec<u8>,
    /// Index of the buffered band.
    band: u64,
    /// Adler-32 of the bands before it.
    sum: Adler,
}

impl PngWriter {
    /// Starts a picture at the beginning of `file`, which must be open for
    /// reading and writing; whatever it held is overwritten.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(file: File, geometry: Geometry) -> Result<Self> {
        // Height 0 marks a picture that was never finished: readers refuse it.
        let head = build_head(geometry, 0);
        write_at(&file, 0, &head)?;
        let layout = Layout { geometry, rows: 0, base: 0, bands_at: head.len() as u64 };
        Ok(Self::at_band(file, layout, 0, Adler::EMPTY))
    }

    /// Goes on with the finished seekable PNG in `file` after its first
    /// `stream_len` payload bytes; what followed them is dropped at the next
    /// commit. The result equals, byte for byte, a picture written in one go.
    ///
    /// An append that was cut off is no obstacle, but then the whole picture
    /// is read once to find its Adler-32 again.
    ///
    /// # Errors
    /// `Unsupported` when this is no seekable PNG or bytes that are not its own
    /// follow it; `Truncated` when it holds fewer payload bytes; `Io`.
    pub fn append_to(file: File, stream_len: u64) -> Result<Self> {
        let Some(layout) = Layout::read(&file, 0)? else {
            let reason = "only a seekable PNG can be written to: convert the picture first";
            return Err(PictureError::Unsupported(reason.to_owned()));
        };
        let have = layout.available(file_len(&file)?);
        if stream_len > have {
            return Err(PictureError::Truncated { have, need: stream_len });
        }
        let stored = layout.read_adler(&file)?;
        if stored.is_some() && file_len(&file)? > layout.end_position() {
            let reason = "bytes that are not the picture's follow its end: appending would \
                          overwrite them";
            return Err(PictureError::Unsupported(reason.to_owned()));
        }
        let band = stream_len / layout.geometry().band_payload();
        let sum = match stored {
            Some(adler) => adler_before(&file, &layout, band, Adler::from_value(adler))?,
            None => adler_of_rows(&file, &layout, 0, band * layout.geometry().rows_in_band())?,
        };
        let mut writer = Self::at_band(file, layout, band, sum);
        writer.load_band(stream_len)?;
        Ok(writer)
    }

    /// A writer before the first byte of band `band`.
    fn at_band(file: File, layout: Layout, band: u64, sum: Adler) -> Self {
        let position = band * layout.geometry().band_payload();
        let mut writer = Self { file, layout, position, buffer: Vec::new(), band, sum };
        writer.clear_buffer();
        writer
    }

    /// Brings the payload of the current band up to `stream_len` into the buffer.
    fn load_band(&mut self, stream_len: u64) -> Result<()> {
        let len = stream_len - self.position;
        let payload = self.layout.read_vec(&self.file, self.position, len)?;
        self.write(&payload)
    }

    /// Frames the buffer as a full band of zero bytes.
    fn clear_buffer(&mut self) {
        let g = self.layout.geometry();
        self.buffer.clear();
        self.buffer.resize(g.band_len() as usize, 0);
        self.buffer[..4].copy_from_slice(&(g.band_data_len() as u32).to_be_bytes());
        self.buffer[4..8].copy_from_slice(b"IDAT");
        for block in 0..g.blocks_in_band() {
            self.set_block_len(block, g.rows_in_block());
        }
    }

    /// Writes the header of a stored block of `rows` rows.
    fn set_block_len(&mut self, block: u64, rows: u64) {
        let g = self.layout.geometry();
        let at = (CHUNK_HEAD + block * g.block_len()) as usize;
        // The geometry keeps every block within the 16 bits of LEN.
        let len = (rows * g.stride()) as u16;
        self.buffer[at] = 0;
        self.buffer[at + 1..at + 3].copy_from_slice(&len.to_le_bytes());
        self.buffer[at + 3..at + 5].copy_from_slice(&(!len).to_le_bytes());
    }

    /// Payload bytes written so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where things lie; the rows are those of the last commit.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Appends payload.
    ///
    /// # Errors
    /// `Io`; the writer is of no use afterwards.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let g = self.layout.geometry();
        while !bytes.is_empty() {
            let in_band = self.position - self.band * g.band_payload();
            let column = in_band % g.row_payload();
            let at = (g.row_in_band_position(in_band / g.row_payload()) + 1 + column) as usize;
            let room = (g.row_payload() - column).min(bytes.len() as u64) as usize;
            self.buffer[at..at + room].copy_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            self.position += room as u64;
            if self.position == (self.band + 1) * g.band_payload() {
                self.flush_full_band()?;
            }
        }
        Ok(())
    }

    /// Appends zero bytes up to the end of the row.
    ///
    /// # Errors
    /// `Io`.
    pub fn pad_to_row(&mut self) -> Result<()> {
        let row = self.layout.geometry().row_payload();
        let zeros = vec![0; (self.position.next_multiple_of(row) - self.position) as usize];
        self.write(&zeros)
    }

    /// Rewrites payload that was written before, wherever it is by now.
    ///
    /// # Errors
    /// `Truncated` when the range ends beyond [`position`](Self::position); `Io`.
    pub fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let need = offset.saturating_add(bytes.len() as u64);
        if need > self.position {
            return Err(PictureError::Truncated { have: self.position, need });
        }
        let g = self.layout.geometry();
        let band_start = self.band * g.band_payload();
        let in_file = band_start.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (flushed, buffered) = bytes.split_at(in_file);
        if !flushed.is_empty() {
            // The bands before the buffered one are full, whatever IHDR says now.
            let rows = (self.band * g.rows_in_band()) as u32;
            let full = Layout { rows, ..self.layout };
            let total = u64::from(rows) * g.stride();
            patch_bands(&self.file, &full, offset, flushed, &mut self.sum, total)?;
        }
        let offset = offset + in_file as u64;
        for piece in g.pieces(offset.saturating_sub(band_start), buffered.len() as u64) {
            let payload = &buffered[piece.payload.start as usize..piece.payload.end as usize];
            let at = piece.position as usize;
            self.buffer[at..at + payload.len()].copy_from_slice(payload);
        }
        Ok(())
    }

    /// Makes the file a valid PNG that ends with the row of the last byte, and
    /// stays ready to go on. Does not sync.
    ///
    /// # Errors
    /// `Unsupported` when the picture is higher than PNG can say; `Io`.
    pub fn commit(&mut self) -> Result<()> {
        let g = self.layout.geometry();
        let rows = g.rows_for(self.position)?;
        let sum = self.write_last_band(g.rows_of_band(rows, self.band))?;
        self.layout.rows = rows;
        write_at(&self.file, self.layout.tail_position(), &build_tail(sum.value()))?;
        let end = self.layout.end_position();
        self.file.set_len(end).map_err(PictureError::io("set the length of the picture"))?;
        // The height comes last: until then readers see the picture as it was.
        write_at(&self.file, self.layout.base + IHDR_AT, &Ihdr::chunk(g, rows))
    }

    /// Commits and gives the file back. Does not sync.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn finish(mut self) -> Result<File> {
        self.commit()?;
        Ok(self.file)
    }

    /// Writes the full buffer and starts the next band.
    fn flush_full_band(&mut self) -> Result<()> {
        let g = self.layout.geometry();
        self.layout.geometry().rows_for(self.position)?;
        self.sum = self.sum_buffer(g.rows_in_band());
        self.write_buffer(g.band_data_len())?;
        self.band += 1;
        self.clear_buffer();
        Ok(())
    }

    /// Writes the first `rows` rows of the buffer as the last band; returns the
    /// Adler-32 up to there. The buffer is a full band again afterwards.
    fn write_last_band(&mut self, rows: u64) -> Result<Adler> {
        if rows == 0 {
            return Ok(self.sum);
        }
        let g = self.layout.geometry();
        let last_block = (rows - 1) / g.rows_in_block();
        let data_len = g.band_data_len_for(rows);
        let crc_at = (CHUNK_HEAD + data_len) as usize;
        let mut under_crc = [0; 4];
        under_crc.copy_from_slice(&self.buffer[crc_at..crc_at + 4]);
        self.set_block_len(last_block, rows - last_block * g.rows_in_block());
        self.buffer[..4].copy_from_slice(&(data_len as u32).to_be_bytes());
        let sum = self.sum_buffer(rows);
        let written = self.write_buffer(data_len);
        self.buffer[..4].copy_from_slice(&(g.band_data_len() as u32).to_be_bytes());
        self.set_block_len(last_block, g.rows_in_block());
        self.buffer[crc_at..crc_at + 4].copy_from_slice(&under_crc);
        written.map(|()| sum)
    }

    /// The Adler-32 after the first `rows` rows of the buffer.
    fn sum_buffer(&self, rows: u64) -> Adler {
        let g = self.layout.geometry();
        let mut sum = self.sum;
        for first in (0..rows).step_by(g.rows_in_block() as usize) {
            let at = g.row_in_band_position(first) as usize;
            let len = (rows - first).min(g.rows_in_block()) * g.stride();
            sum.update(&self.buffer[at..at + len as usize]);
        }
        sum
    }

    /// Writes the buffer as a chunk of `data_len` bytes, with its CRC-32.
    fn write_buffer(&mut self, data_len: u64) -> Result<()> {
        let end = (CHUNK_HEAD + data_len) as usize;
        let crc = chunk_crc(b"IDAT", &self.buffer[CHUNK_HEAD as usize..end]);
        self.buffer[end..end + 4].copy_from_slice(&crc.to_be_bytes());
        write_at(&self.file, self.layout.band_position(self.band), &self.buffer[..end + 4])
    }
}

/// The Adler-32 of the bands before `band`, from that of the whole picture:
/// only the bands from there on are read.
fn adler_before(file: &File, layout: &Layout, band: u64, whole: Adler) -> Result<Adler> {
    let rows = u64::from(layout.rows());
    let first = (band * layout.geometry().rows_in_band()).min(rows);
    let suffix = adler_of_rows(file, layout, first, rows)?;
    Ok(whole.without_suffix(suffix, (rows - first) * layout.geometry().stride()))
}

/// The Adler-32 of rows `first .. end` alone, read from the file block by block.
fn adler_of_rows(file: &File, layout: &Layout, first: u64, end: u64) -> Result<Adler> {
    let g = layout.geometry();
    let mut sum = Adler::EMPTY;
    let mut block = Vec::new();
    let mut row = first;
    while row < end {
        let (band, in_band) = (row / g.rows_in_band(), row % g.rows_in_band());
        let in_block = g.rows_in_block() - in_band % g.rows_in_block();
        let rows = in_block.min(end - row).min(g.rows_in_band() - in_band);
        let at = layout.band_position(band).saturating_add(g.row_in_band_position(in_band));
        debug_assert!(rows * g.stride() < 65536 && at > BLOCK_HEAD);
        block.resize((rows * g.stride()) as usize, 0);
        read_full_at(file, at, &mut block)?;
        sum.update(&block);
        row += rows;
    }
    Ok(sum)
}
