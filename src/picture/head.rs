//! A PNG's bytes before its pixels: signature, IHDR, ancillary chunks.
//!
//! Implements "Head" of `docs/format-picture.md`. It parses and builds; which
//! heads belong to a seekable PNG is for `seekable.rs` to say.

use std::fs::File;

use super::error::{PictureError, Result};
use super::geometry::{CHUNK_HEAD, CHUNK_OVERHEAD, Geometry};
use super::medium::{read_full_at, read_some_at};
use super::sums::chunk_crc;

/// The eight bytes every PNG starts with.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Where IHDR's chunk starts, relative to the signature.
pub(crate) const IHDR_AT: u64 = 8;
/// File bytes of the IHDR chunk.
pub(crate) const IHDR_LEN: u64 = CHUNK_OVERHEAD + 13;
/// The zlib header of the deflate stream: 32 KiB window, fastest.
pub(crate) const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];
/// File bytes of the first IDAT, which holds the zlib header alone.
pub(crate) const ZLIB_CHUNK_LEN: u64 = CHUNK_OVERHEAD + 2;
/// Chunks a reader walks over before it gives up looking for pixels.
pub(crate) const MAX_CHUNKS: usize = 64;
/// Bytes a reader walks over before it gives up looking for pixels.
pub(crate) const MAX_HEAD: u64 = 1 << 20;
/// The longest comment that is read: ours has some 70 characters.
pub(crate) const MAX_COMMENT: u64 = 1024;
/// The keyword of the comment's tEXt chunk, with its terminator.
const COMMENT_KEY: &[u8] = b"Comment\0";

/// What the comment of a picture that pxfs wrote starts with.
pub(crate) const COMMENT_START: &str = "pxfs file system, ";

/// The fields of IHDR that differ between pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ihdr {
    pub(crate) width: u32,
    pub(crate) rows: u32,
    pub(crate) depth: u8,
    pub(crate) colour_type: u8,
    pub(crate) interlaced: bool,
}

impl Ihdr {
    /// Parses the 25 bytes of the IHDR chunk.
    fn parse(chunk: &[u8; IHDR_LEN as usize]) -> Result<Self> {
        let damaged = |what: &str| Err(PictureError::Damaged(what.to_owned()));
        let word = |at: usize| be32(&chunk[at..]);
        if word(0) != 13 || &chunk[4..8] != b"IHDR" {
            return damaged("its first chunk is not IHDR");
        }
        if chunk_crc(b"IHDR", &chunk[8..21]) != word(21) {
            return damaged("the checksum of IHDR does not match");
        }
        let (width, rows) = (word(8), word(12));
        if rows == 0 {
            return damaged("it has no rows: writing it was never finished");
        }
        if width == 0 || width > i32::MAX as u32 || rows > i32::MAX as u32 {
            return damaged("its width or height is out of bounds");
        }
        if chunk[18] != 0 || chunk[19] != 0 || chunk[20] > 1 {
            return damaged("IHDR names an unknown compression, filter or interlace method");
        }
        let [depth, colour_type] = [chunk[16], chunk[17]];
        Ok(Self { width, rows, depth, colour_type, interlaced: chunk[20] == 1 })
    }

    /// The IHDR chunk of a seekable PNG.
    pub(crate) fn chunk(geometry: Geometry, rows: u32) -> Vec<u8> {
        let mut data = Vec::with_capacity(13);
        data.extend(geometry.width().to_be_bytes());
        data.extend(rows.to_be_bytes());
        data.extend([8, geometry.channels().colour_type(), 0, 0, 0]);
        chunk(b"IHDR", &data)
    }
}

/// What precedes the pixels of a PNG.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) ihdr: Ihdr,
    /// The first `Comment` among the tEXt chunks.
    pub(crate) comment: Option<String>,
    /// Where the first IDAT's chunk starts in the file; None when it was not
    /// found within the bounds of the walk.
    pub(crate) first_idat: Option<u64>,
}

impl Head {
    /// Reads the head of the PNG at `base`; None if there is no PNG signature.
    ///
    /// # Errors
    /// `Truncated` when the file ends inside the head, `Damaged` when IHDR is.
    pub(crate) fn read(file: &File, base: u64) -> Result<Option<Self>> {
        const START: usize = (IHDR_AT + IHDR_LEN) as usize;
        let mut start = [0; START];
        let have = read_some_at(file, base, &mut start)?;
        if have < SIGNATURE.len() || start[..8] != SIGNATURE {
            return Ok(None);
        }
        if have < START {
            let (have, need) = (base + have as u64, base + START as u64);
            return Err(PictureError::Truncated { have, need });
        }
        let mut ihdr = [0; IHDR_LEN as usize];
        ihdr.copy_from_slice(&start[IHDR_AT as usize..]);
        let mut head = Self { ihdr: Ihdr::parse(&ihdr)?, comment: None, first_idat: None };
        head.walk(file, base, START as u64)?;
        Ok(Some(head))
    }

    /// Walks from chunk to chunk up to the first IDAT.
    fn walk(&mut self, file: &File, base: u64, start: u64) -> Result<()> {
        let mut at = start;
        for _ in 0..=MAX_CHUNKS {
            if at > MAX_HEAD {
                return Ok(());
            }
            let mut header = [0; CHUNK_HEAD as usize];
            read_full_at(file, base + at, &mut header)?;
            let len = u64::from(be32(&header));
            match &header[4..] {
                b"IDAT" => {
                    self.first_idat = Some(base + at);
                    return Ok(());
                }
                b"IEND" => return Err(PictureError::Damaged("it holds no pixels".to_owned())),
                b"tEXt" if len <= MAX_COMMENT && self.comment.is_none() => {
                    let mut text = vec![0; len as usize];
                    read_full_at(file, base + at + CHUNK_HEAD, &mut text)?;
                    self.comment = parse_comment(&text);
                }
                _ => {}
            }
            at += CHUNK_OVERHEAD + len;
        }
        Ok(())
    }
}

/// The text of a tEXt chunk if its keyword is `Comment`.
fn parse_comment(text: &[u8]) -> Option<String> {
    // tEXt is Latin-1, whose code points are its bytes.
    text.strip_prefix(COMMENT_KEY).map(|text| text.iter().copied().map(char::from).collect())
}

/// The comment that tells a stripped or resized picture from any other one.
pub(crate) fn comment_text(width: u32) -> String {
    format!("{COMMENT_START}{width} pixels wide: keep every pixel exactly")
}

/// Everything a seekable PNG holds before its first band.
pub(crate) fn build_head(geometry: Geometry, rows: u32) -> Vec<u8> {
    let comment = [COMMENT_KEY, comment_text(geometry.width()).as_bytes()].concat();
    let mut head = SIGNATURE.to_vec();
    head.extend(Ihdr::chunk(geometry, rows));
    head.extend(chunk(b"tEXt", &comment));
    head.extend(chunk(b"IDAT", &ZLIB_HEADER));
    head
}

/// The final IDAT, with the Adler-32 of the whole deflate stream, and IEND.
pub(crate) fn build_tail(adler: u32) -> Vec<u8> {
    let mut data = vec![1, 0, 0, 0xFF, 0xFF];
    data.extend(adler.to_be_bytes());
    let mut tail = chunk(b"IDAT", &data);
    tail.extend(chunk(b"IEND", &[]));
    tail
}

/// A whole chunk of short data.
pub(crate) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(data.len() + CHUNK_OVERHEAD as usize);
    chunk.extend((data.len() as u32).to_be_bytes());
    chunk.extend(kind);
    chunk.extend(data);
    chunk.extend(chunk_crc(kind, data).to_be_bytes());
    chunk
}

/// The first chunk of `bytes`: its type, the CRC-32 it has, the one it should
/// have, and what follows; None if it is not whole.
pub(crate) fn chunk_crc_of(bytes: &[u8]) -> Option<([u8; 4], u32, u32, &[u8])> {
    let (head, rest) = bytes.split_at_checked(CHUNK_HEAD as usize)?;
    let (data, rest) = rest.split_at_checked(be32(head) as usize)?;
    let (crc, rest) = rest.split_at_checked(4)?;
    let kind = [head[4], head[5], head[6], head[7]];
    Some((kind, be32(crc), chunk_crc(&kind, data), rest))
}

/// The big-endian number at the start of `bytes`, which holds four or more.
pub(crate) fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_comment_keyword_is_a_comment() {
        for (text, want) in [
            (&b"Comment\0a\xE9"[..], Some("a\u{e9}")),
            (b"Comment\0", Some("")),
            (b"Comment", None),
            (b"Title\0Comment\0", None),
        ] {
            assert_eq!(parse_comment(text).as_deref(), want);
        }
    }

    #[test]
    fn the_tail_has_the_length_the_geometry_counts_on() {
        assert_eq!(build_tail(1).len() as u64, crate::picture::geometry::TAIL_LEN);
    }
}
