//! Which parts of a sparse member are in the stream.
//!
//! GNU tar has four ways to say it: in the header and in blocks after it (type
//! `S`), in pax records (0.0: a pair of records a segment, 0.1: one record with
//! all), and at the beginning of the content (1.0). The segments follow one
//! another without gaps.

use super::BLOCK;
use super::number::{parse_decimal, parse_field};
use super::pax::number;

/// Start and length of what is not a hole.
pub(super) type Segment = (u64, u64);

/// The most segments a member may have: 64 MiB of them, which is more than a
/// file of 16 GiB has with a hole in every other page.
const MAX_SEGMENTS: usize = 1 << 22;

/// The largest sparse file. A few bytes of stream can announce any size, and
/// holes are hashed as zeros: this much takes hours, more would be forever.
const MAX_SPARSE: u64 = 16 << 40;

/// The `GNU.sparse.` records of a member.
#[derive(Debug, Clone, Default)]
pub(super) struct SparseKeys {
    /// The name of the member, whose `path` is for readers that do not know better.
    pub name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    size: Option<u64>,
    segments: Vec<Segment>,
    /// An offset whose length did not come yet.
    offset: Option<u64>,
}

impl SparseKeys {
    /// Takes up a record; `None` if its value is not what it must be.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"name" => self.name = (!value.is_empty()).then(|| value.to_vec()),
            b"major" => self.major = number(value)?,
            b"minor" => self.minor = number(value)?,
            b"size" | b"realsize" => self.size = number(value)?,
            b"map" => self.segments = parse_map(value)?,
            b"offset" => self.offset = Some(parse_decimal(value)?),
            b"numbytes" => {
                let start = self.offset.take()?;
                self.segments.push((start, parse_decimal(value)?));
            }
            _ => {}
        }
        Some(())
    }

    /// Whether the member is sparse at all.
    pub(super) fn is_used(&self) -> bool {
        self.major.is_some()
            || self.size.is_some()
            || self.offset.is_some()
            || !self.segments.is_empty()
    }

    /// Whether the map is at the beginning of the content.
    pub(super) fn is_in_content(&self) -> Result<bool, String> {
        match (self.major.unwrap_or(0), self.minor.unwrap_or(0)) {
            (0, 0 | 1) => Ok(false),
            (1, 0) => Ok(true),
            (major, minor) => Err(format!("its sparse format {major}.{minor} is unknown")),
        }
    }

    /// The size of the file.
    pub(super) fn size(&self) -> Result<u64, String> {
        self.size.ok_or_else(|| "it is sparse, but its size is not told".into())
    }

    /// The segments in the records.
    pub(super) fn into_segments(self) -> Vec<Segment> {
        self.segments
    }
}

/// The value of a map in format 0.1: offset, length, offset, length...
fn parse_map(value: &[u8]) -> Option<Vec<Segment>> {
    let mut numbers = value.split(|&byte| byte == b',');
    let mut segments = Vec::new();
    // An empty map is one empty number.
    while let Some(start) = numbers.next().filter(|_| !value.is_empty()) {
        segments.push((parse_decimal(start)?, parse_decimal(numbers.next()?)?));
    }
    Some(segments)
}

/// Appends the segments in a part of a header of type `S` or of a block after it.
pub(super) fn add_old_segments(part: &[u8], segments: &mut Vec<Segment>) -> Result<(), String> {
    let (entries, _) = part.as_chunks::<24>();
    for entry in entries {
        // The first that is not filled in ends the list.
        if entry[12] == 0 {
            break;
        }
        let number = |field| parse_field(field).and_then(|value| u64::try_from(value).ok());
        let (Some(start), Some(len)) = (number(&entry[..12]), number(&entry[12..])) else {
            return Err("its map of holes is damaged".into());
        };
        check_count(segments.len())?;
        segments.push((start, len));
    }
    Ok(())
}

/// Reads a map in format 1.0 from the blocks at the beginning of the content:
/// the number of segments, then each one's offset and length, a line each.
pub(super) fn read_map(
    next_block: impl FnMut() -> Result<[u8; BLOCK], String>,
) -> Result<Vec<Segment>, String> {
    let mut lines = Lines { next_block, block: [0; BLOCK], at: BLOCK };
    let count = lines.number()?;
    let mut segments = Vec::new();
    for _ in 0..count {
        check_count(segments.len())?;
        segments.push((lines.number()?, lines.number()?));
    }
    Ok(segments)
}

/// Lines with a number each.
struct Lines<F> {
    next_block: F,
    block: [u8; BLOCK],
    at: usize,
}

impl<F: FnMut() -> Result<[u8; BLOCK], String>> Lines<F> {
    fn number(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        let mut is_empty = true;
        loop {
            if self.at == BLOCK {
                (self.block, self.at) = ((self.next_block)()?, 0);
            }
            let byte = self.block[self.at];
            self.at += 1;
            let digit = u64::from(byte.wrapping_sub(b'0'));
            if byte == b'\n' && !is_empty {
                return Ok(value);
            }
            let next = value.checked_mul(10).and_then(|value| value.checked_add(digit));
            value = next.filter(|_| digit < 10).ok_or("its map of holes is damaged")?;
            is_empty = false;
        }
    }
}

fn check_count(count: usize) -> Result<(), String> {
    if count >= MAX_SEGMENTS {
        return Err(format!("it has more than {MAX_SEGMENTS} parts between holes"));
    }
    Ok(())
}

/// Checks the map of a file of `size` bytes of which `stored` are in the stream,
/// and puts it in its shortest form.
pub(super) fn check_map(
    size: u64,
    stored: u64,
    segments: &[Segment],
) -> Result<Vec<Segment>, String> {
    if size > MAX_SPARSE {
        return Err(format!("it is sparse and of {size} bytes: at most {MAX_SPARSE} are possible"));
    }
    let mut shortest: Vec<Segment> = Vec::new();
    let (mut at, mut total) = (0, 0);
    for &(start, len) in segments {
        let end = start.checked_add(len).filter(|&end| start >= at && end <= size);
        at = end.ok_or("its map of holes contradicts itself")?;
        total += len;
        match shortest.last_mut() {
            // GNU tar marks a hole at the end by an empty segment.
            _ if len == 0 => {}
            Some(last) if last.0 + last.1 == start => last.1 += len,
            _ => shortest.push((start, len)),
        }
    }
    if total != stored {
        return Err(format!("its map of holes tells of {total} bytes, its header of {stored}"));
    }
    Ok(shortest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_checked_and_shortened() {
        let good = check_map(100, 30, &[(0, 10), (10, 10), (30, 0), (50, 10), (100, 0)]);
        assert_eq!(good, Ok(vec![(0, 20), (50, 10)]));
        assert_eq!(check_map(9, 0, &[(9, 0)]), Ok(vec![]));
        let bad: [&[Segment]; 5] =
            [&[(91, 10)], &[(20, 5), (10, 5)], &[(0, 10), (9, 1)], &[(u64::MAX, 1)], &[(0, 9)]];
        for segments in bad {
            assert!(check_map(100, 10, segments).is_err(), "{segments:?}");
        }
        assert!(check_map(1 << 62, 0, &[]).is_err());
    }

    #[test]
    fn a_map_in_the_content_may_cross_blocks() {
        let text: String = (0..200).map(|n| format!("{}\n1\n", n * 1000)).collect();
        let bytes = format!("200\n{text}").into_bytes();
        let mut blocks = bytes.chunks(BLOCK).map(|part| {
            let mut block = [0; BLOCK];
            block[..part.len()].copy_from_slice(part);
            block
        });
        let segments = read_map(|| blocks.next().ok_or_else(|| "end".into())).unwrap();
        assert_eq!((segments.len(), segments[199]), (200, (199_000, 1)));
        for bad in ["x\n", "\n", "-1\n", "1\n5\n\n", "99999999999999999999\n", "2\n0\n1\n"] {
            let mut block = [0; BLOCK];
            block[..bad.len()].copy_from_slice(bad.as_bytes());
            assert!(read_map(|| Ok(block)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn maps_in_records() {
        assert_eq!(parse_map(b"0,5,10,1"), Some(vec![(0, 5), (10, 1)]));
        assert_eq!(parse_map(b""), Some(vec![]));
        for bad in ["1", "1,2,", "1,2,3", "a,1", ","] {
            assert_eq!(parse_map(bad.as_bytes()), None, "{bad}");
        }
        let mut keys = SparseKeys::default();
        assert!(keys.take(b"numbytes", b"1").is_none());
        assert!(keys.take(b"offset", b"7").is_some());
        assert!(keys.take(b"numbytes", b"1").is_some());
        assert_eq!(keys.into_segments(), [(7, 1)]);
    }
}
