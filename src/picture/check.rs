//! Verifies every byte of a seekable PNG that readers jump over: checksums,
//! framing, ends. It reports and goes on; it repairs nothing.

use std::fmt;
use std::fs::File;

use super::Picture;
use super::error::Result;
use super::geometry::{BLOCK_HEAD, CHUNK_HEAD, CHUNK_OVERHEAD, TAIL_LEN};
use super::head::{MAX_CHUNKS, MAX_HEAD, SIGNATURE, be32, build_tail, chunk_crc_of};
use super::medium::read_some_at;
use super::seekable::Layout;
use super::sums::{Adler, chunk_crc};

/// Findings that are listed one by one; a picture overwritten with noise would
/// have one for every row.
const MAX_FINDINGS: usize = 1000;

/// Something in a seekable PNG that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A chunk before the pixels has the wrong CRC-32.
    HeadChecksum {
        /// The chunk's four letters.
        chunk: String,
        /// CRC-32 in the file.
        stored: u32,
        /// CRC-32 of what is in the file.
        computed: u32,
    },
    /// A band's chunk header is not the one that belongs there.
    BandHeader {
        /// Index of the band.
        band: u64,
    },
    /// A band has the wrong CRC-32: some of its bytes changed.
    BandChecksum {
        /// Index of the band.
        band: u64,
        /// First payload byte of the band.
        from: u64,
        /// One past its last payload byte.
        to: u64,
        /// CRC-32 in the file.
        stored: u32,
        /// CRC-32 of what is in the file.
        computed: u32,
    },
    /// A stored block's header is wrong.
    BlockHeader {
        /// Index of the band.
        band: u64,
        /// Index of the block within it.
        block: u64,
    },
    /// A row's filter byte is not 0: viewers see other colours than we do.
    FilterByte {
        /// The row.
        row: u64,
    },
    /// The Adler-32 in the final IDAT does not match the rows.
    Adler {
        /// Adler-32 in the file.
        stored: u32,
        /// Adler-32 of what is in the file.
        computed: u32,
    },
    /// The final IDAT or IEND is missing or wrong.
    Tail,
    /// More bands follow the last row that IHDR counts: an append that was cut off.
    HeightTooSmall {
        /// Rows as IHDR says.
        rows: u32,
    },
    /// The file ends before the last row.
    Missing {
        /// Payload bytes that are there.
        have: u64,
        /// Payload bytes that the picture should hold.
        need: u64,
    },
    /// There were more findings than are worth a line each.
    Omitted {
        /// How many more.
        count: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadChecksum { chunk, stored, computed } => {
                write!(f, "chunk {chunk}: checksum {stored:#010x}, expected {computed:#010x}")
            }
            Self::BandHeader { band } => write!(f, "band {band}: its chunk header is wrong"),
            Self::BandChecksum { band, from, to, stored, computed } => write!(
                f,
                "band {band} (payload bytes {from} to {to}): checksum {stored:#010x}, expected \
                 {computed:#010x}"
            ),
            Self::BlockHeader { band, block } => {
                write!(f, "band {band}: the header of stored block {block} is wrong")
            }
            Self::FilterByte { row } => write!(f, "row {row}: its filter byte is not 0"),
            Self::Adler { stored, computed } => {
                write!(f, "all rows: Adler-32 {stored:#010x}, expected {computed:#010x}")
            }
            Self::Tail => f.write_str("the end of the picture (final IDAT and IEND) is missing"),
            Self::HeightTooSmall { rows } => {
                write!(f, "pixels follow row {rows}, the last that the picture's height counts")
            }
            Self::Missing { have, need } => {
                write!(f, "the file ends early: {have} of {need} payload bytes are there")
            }
            Self::Omitted { count } => write!(f, "and {count} findings more"),
        }
    }
}

/// Reads the whole container and reports what is wrong with it; `progress` is
/// told file bytes done and to do. Only a seekable PNG is checked: any other
/// container was verified by decoding it.
///
/// # Errors
/// `Io`.
pub fn check_container(
    picture: &Picture,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Finding>> {
    let mut findings = Findings::default();
    if let Some(layout) = picture.layout() {
        let check = Check { file: picture.file(), layout, file_len: picture.file_len() };
        check.head(&mut findings)?;
        let sum = check.bands(&mut findings, progress)?;
        check.tail(sum, &mut findings)?;
    }
    Ok(findings.into_list())
}

/// A bounded list of findings.
#[derive(Debug, Default)]
struct Findings {
    list: Vec<Finding>,
    omitted: u64,
}

impl Findings {
    fn push(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    fn into_list(mut self) -> Vec<Finding> {
        if self.omitted > 0 {
            self.list.push(Finding::Omitted { count: self.omitted });
        }
        self.list
    }
}

/// One run over one picture.
struct Check<'a> {
    file: &'a File,
    layout: &'a Layout,
    file_len: u64,
}

impl Check<'_> {
    /// Verifies the chunks up to the first IDAT inclusive.
    fn head(&self, findings: &mut Findings) -> Result<()> {
        // Opening walked the same chunks within the same bounds.
        let len = (self.layout.bands_at - self.layout.base).min(2 * MAX_HEAD);
        let mut head = vec![0; len as usize];
        let have = read_some_at(self.file, self.layout.base, &mut head)?;
        let mut rest = head.get(SIGNATURE.len()..have).unwrap_or_default();
        for _ in 0..MAX_CHUNKS + 2 {
            let Some((kind, stored, computed, after)) = chunk_crc_of(rest) else { break };
            if stored != computed {
                let chunk = kind.escape_ascii().to_string();
                findings.push(Finding::HeadChecksum { chunk, stored, computed });
            }
            rest = after;
        }
        Ok(())
    }

    /// Verifies every band; gives the Adler-32 if all rows were there.
    fn bands(
        &self,
        findings: &mut Findings,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Adler>> {
        let g = self.layout.geometry();
        let mut sum = Adler::EMPTY;
        let mut chunk = Vec::new();
        let total = self.layout.end_position() - self.layout.base;
        for band in 0..g.bands(self.layout.rows()) {
            let rows = g.rows_of_band(self.layout.rows(), band);
            let len = (CHUNK_OVERHEAD + g.band_data_len_for(rows)) as usize;
            chunk.resize(len, 0);
            let at = self.layout.band_position(band);
            let have = read_some_at(self.file, at, &mut chunk)?;
            // The CRC-32 and the header of the last chunk may be gone: only
            // payload that is gone is missing.
            if have < len {
                let have = self.layout.available(self.file_len.min(at + have as u64));
                let need = self.layout.payload_len();
                if have < need {
                    findings.push(Finding::Missing { have, need });
                }
                return Ok(None);
            }
            self.band(band, rows, &chunk, &mut sum, findings);
            progress(at + len as u64 - self.layout.base, total);
        }
        Ok(Some(sum))
    }

    /// Verifies one band that is wholly there.
    fn band(&self, band: u64, rows: u64, chunk: &[u8], sum: &mut Adler, findings: &mut Findings) {
        let g = self.layout.geometry();
        let data_len = g.band_data_len_for(rows);
        let (head, rest) = chunk.split_at(CHUNK_HEAD as usize);
        let (data, crc) = rest.split_at(data_len as usize);
        let (len, is_idat) = (u64::from(be32(head)), &head[4..] == b"IDAT");
        let is_last = band + 1 == g.bands(self.layout.rows());
        if is_last && is_idat && len > data_len {
            // Only the last band can have grown since IHDR was written. Its
            // CRC-32 lies beyond what this height covers.
            findings.push(Finding::HeightTooSmall { rows: self.layout.rows() });
            return;
        }
        if len != data_len || !is_idat {
            findings.push(Finding::BandHeader { band });
        }
        let (stored, computed) = (be32(crc), chunk_crc(b"IDAT", data));
        if stored != computed {
            let from = band * g.band_payload();
            let to = from + rows * g.row_payload();
            findings.push(Finding::BandChecksum { band, from, to, stored, computed });
        }
        for (block, bytes) in (0..).zip(data.chunks(g.block_len() as usize)) {
            self.block(band, block, bytes, findings);
            sum.update(&bytes[BLOCK_HEAD as usize..]);
        }
    }

    /// Verifies the framing of one stored block.
    fn block(&self, band: u64, block: u64, bytes: &[u8], findings: &mut Findings) {
        let g = self.layout.geometry();
        let (header, rows) = bytes.split_at(BLOCK_HEAD as usize);
        let len = (rows.len() as u16).to_le_bytes();
        if header != [0, len[0], len[1], !len[0], !len[1]] {
            findings.push(Finding::BlockHeader { band, block });
        }
        let first = band * g.rows_in_band() + block * g.rows_in_block();
        for (row, bytes) in (first..).zip(rows.chunks(g.stride() as usize)) {
            if bytes[0] != 0 {
                findings.push(Finding::FilterByte { row });
            }
        }
    }

    /// Verifies the final IDAT and IEND.
    fn tail(&self, sum: Option<Adler>, findings: &mut Findings) -> Result<()> {
        let mut tail = [0; TAIL_LEN as usize];
        let have = read_some_at(self.file, self.layout.tail_position(), &mut tail)?;
        let stored = be32(&tail[CHUNK_HEAD as usize + 5..]);
        if have < tail.len() || tail[..] != build_tail(stored) {
            let more = have >= 8 && &tail[4..8] == b"IDAT" && be32(&tail) > 9;
            findings.push(match more {
                true => Finding::HeightTooSmall { rows: self.layout.rows() },
                false => Finding::Tail,
            });
            return Ok(());
        }
        match sum.map(Adler::value) {
            Some(computed) if computed != stored => {
                findings.push(Finding::Adler { stored, computed })
            }
            _ => {}
        }
        Ok(())
    }
}
