//! Random access in a zlib stream (RFC 1950): one pass finds restart points,
//! from which any place is reached by inflating the little between.
//!
//! A restart point is the inflater's state and the last 32 KiB that it gave
//! out, which later bytes may refer to.

use std::io;
use std::sync::Arc;

use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use parking_lot::Mutex;

use crate::legacy::root::files::ReadAt;

/// How far back deflate refers.
const WINDOW: usize = 32 << 10;
/// Bytes inflated at a time, in a ring: a multiple of the window.
const RING: usize = 128 << 10;
/// Bytes read at a time.
const INPUT: usize = 64 << 10;
/// Restart points are at least this far apart.
const MIN_STEP: u64 = 512 << 10;
/// Inflaters that stand where the last reads ended, for those who read on.
const MAX_CURSORS: usize = 4;
/// What a restart point takes in memory.
const POINT_BYTES: usize = WINDOW + size_of::<DecompressorOxide>() + 64;

/// A stretch of a file that holds a zlib stream.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub file: Arc<dyn ReadAt>,
    pub offset: u64,
    pub len: u64,
}

/// An inflater at a place in its stream.
#[derive(Clone)]
struct Cursor {
    state: Box<DecompressorOxide>,
    /// Bytes of the stream that were taken.
    taken: u64,
    /// Bytes that were given out: a multiple of the ring's size until the end.
    given: u64,
    /// The last bytes given out.
    ring: Box<[u8]>,
    /// How many of them the last step gave.
    fresh: usize,
    is_done: bool,
    input: Vec<u8>,
    used: usize,
}

impl Cursor {
    fn new() -> Self {
        Self {
            state: Box::default(),
            taken: 0,
            given: 0,
            ring: vec![0; RING].into_boxed_slice(),
            fresh: 0,
            is_done: false,
            input: Vec::new(),
            used: 0,
        }
    }

    /// Fills the ring once, or to the end of the stream; gives what is new.
    fn step(&mut self, stretch: &Stretch) -> io::Result<&[u8]> {
        let mut filled = 0;
        while filled < RING && !self.is_done {
            if self.used == self.input.len() {
                self.refill(stretch)?;
            }
            let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
                | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let input = &self.input[self.used..];
            let (status, used, given) =
                decompress(&mut self.state, input, &mut self.ring, filled, flags);
            self.used += used;
            filled += given;
            match status {
                TINFLStatus::Done => self.is_done = true,
                TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => {}
                TINFLStatus::Adler32Mismatch => return Err(damaged(WRONG_SUM)),
                _ => return Err(damaged(NO_STREAM)),
            }
        }
        self.given += filled as u64;
        self.fresh = filled;
        Ok(&self.ring[..filled])
    }

    fn refill(&mut self, stretch: &Stretch) -> io::Result<()> {
        let len = (stretch.len - self.taken).min(INPUT as u64) as usize;
        self.input.resize(len, 0);
        self.used = 0;
        let read = stretch.file.read_at(stretch.offset + self.taken, &mut self.input)?;
        self.input.truncate(read);
        if read == 0 {
            return Err(damaged(CUT_SHORT));
        }
        self.taken += read as u64;
        Ok(())
    }

    /// The place from which this cursor can be made again: only between rings.
    fn point(&self) -> Point {
        Point {
            state: self.state.clone(),
            taken: self.taken - (self.input.len() - self.used) as u64,
            given: self.given,
            window: self.ring[RING - WINDOW..].into(),
        }
    }
}

/// Where inflating can start.
struct Point {
    state: Box<DecompressorOxide>,
    taken: u64,
    given: u64,
    window: Box<[u8]>,
}

impl Point {
    fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::new();
        cursor.ring[RING - WINDOW..].copy_from_slice(&self.window);
        cursor.state.clone_from(&self.state);
        (cursor.taken, cursor.given) = (self.taken, self.given);
        cursor
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Inflates a stream that is in memory, to at most `limit` bytes.
///
/// # Errors
/// As [`inflate_all`].
pub(crate) fn inflate_small(stream: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    decompress_to_vec_zlib_with_limit(stream, limit).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => damaged(TOO_LONG),
        TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => damaged(CUT_SHORT),
        TINFLStatus::Adler32Mismatch => damaged(WRONG_SUM),
        _ => damaged(NO_STREAM),
    })
}

/// What can be wrong with a stream.
const TOO_LONG: &str = "it holds more than its entry says";
const CUT_SHORT: &str = "it is cut short";
const WRONG_SUM: &str = "its checksum is wrong";
const NO_STREAM: &str = "it is no zlib stream, or damaged";

/// Inflates the whole stretch, piece by piece. Stops with an error when there
/// is more than `limit` bytes: nobody wants the rest of a bomb.
///
/// # Errors
/// A damaged stream, one that is cut short or too long; what `each` gives.
pub(crate) fn inflate_all(
    stretch: &Stretch,
    limit: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    walk(stretch, limit, &mut |cursor| each(&cursor.ring[..cursor.fresh]))
}

fn walk(
    stretch: &Stretch,
    limit: u64,
    each: &mut dyn FnMut(&Cursor) -> io::Result<()>,
) -> io::Result<()> {
    let mut cursor = Cursor::new();
    while !cursor.is_done {
        cursor.step(stretch)?;
        if cursor.given > limit {
            return Err(damaged(TOO_LONG));
        }
        each(&cursor)?;
    }
    Ok(())
}

/// A zlib stream that is read at any place.
pub(crate) struct Indexed {
    stretch: Stretch,
    points: Vec<Point>,
    len: u64,
    cursors: Mutex<Vec<Cursor>>,
}

impl std::fmt::Debug for Indexed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Indexed").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Indexed {
    /// Inflates the stream once, shows `each` piece, and keeps restart points
    /// of at most `budget` bytes. `len` is what must come out.
    pub(crate) fn build(
        stretch: Stretch,
        len: u64,
        budget: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Self> {
        let most = (budget / POINT_BYTES).max(1) as u64;
        let step = (len / most).max(MIN_STEP).next_multiple_of(RING as u64);
        let mut points: Vec<Point> = Vec::new();
        let mut given = 0;
        walk(&stretch, len, &mut |cursor| {
            each(&cursor.ring[..cursor.fresh]);
            given = cursor.given;
            if cursor.given.is_multiple_of(step) && !cursor.is_done {
                points.push(cursor.point());
            }
            Ok(())
        })?;
        if given != len {
            return Err(damaged("it holds less than its entry says"));
        }
        Ok(Self { stretch, points, len, cursors: Mutex::default() })
    }

    /// Bytes of memory it takes, the cursors of readers included.
    pub(crate) fn weight(&self) -> usize {
        self.points.len() * POINT_BYTES
            + MAX_CURSORS * (RING + INPUT + size_of::<DecompressorOxide>())
    }

    /// Reads at `offset`; fewer bytes than wanted only at the end.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = offset.saturating_add(buf.len() as u64).min(self.len);
        if offset >= end {
            return Ok(0);
        }
        let mut cursor = self.cursor_for(offset);
        loop {
            let start = cursor.given - cursor.fresh as u64;
            copy_overlap(
                &cursor.ring[..cursor.fresh],
                start,
                offset,
                &mut buf[..(end - offset) as usize],
            );
            if cursor.given >= end {
                break;
            }
            if cursor.is_done {
                return Err(damaged("it ended before its length"));
            }
            cursor.step(&self.stretch)?;
        }
        self.keep(cursor);
        Ok((end - offset) as usize)
    }

    /// The nearest inflater that has not passed the offset.
    fn cursor_for(&self, offset: u64) -> Cursor {
        let index = self.points.partition_point(|point| point.given <= offset);
        let point = index.checked_sub(1).map(|index| &self.points[index]);
        let from = point.map_or(0, |point| point.given);
        let mut cursors = self.cursors.lock();
        let can_serve = |cursor: &Cursor| {
            let start = cursor.given - cursor.fresh as u64;
            start <= offset && cursor.given >= from
        };
        let nearest = (0..cursors.len())
            .filter(|&index| can_serve(&cursors[index]))
            .max_by_key(|&index| cursors[index].given);
        match (nearest, point) {
            (Some(index), _) => cursors.remove(index),
            (None, Some(point)) => point.cursor(),
            (None, None) => Cursor::new(),
        }
    }

    fn keep(&self, cursor: Cursor) {
        let mut cursors = self.cursors.lock();
        if cursors.len() >= MAX_CURSORS {
            cursors.remove(0);
        }
        cursors.push(cursor);
    }
}

/// Copies what `piece`, which starts at `start`, has of `buf`, which starts at `offset`.
fn copy_overlap(piece: &[u8], start: u64, offset: u64, buf: &mut [u8]) {
    let from = start.max(offset);
    let to = (start + piece.len() as u64).min(offset + buf.len() as u64);
    if from < to {
        let len = (to - from) as usize;
        let (source, target) = ((from - start) as usize, (from - offset) as usize);
        buf[target..target + len].copy_from_slice(&piece[source..source + len]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn stretch(bytes: &[u8]) -> Stretch {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        file.write_all(bytes).unwrap();
        file.write_all(b"behind").unwrap();
        Stretch { file: Arc::new(file), offset: 6, len: bytes.len() as u64 }
    }

    /// Text that deflate finds something in, five megabytes long.
    fn text() -> Vec<u8> {
        let mut out = Vec::new();
        let mut seed = 1u64;
        while out.len() < 5 << 20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let line = format!("line {} of {}\n", seed >> 50, out.len());
            out.extend_from_slice(line.as_bytes());
        }
        out
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_place_reads_as_in_the_whole() {
        let text = text();
        let stretch = stretch(&zlib(&text));
        let mut seen = Vec::new();
        let indexed = Indexed::build(stretch, text.len() as u64, 64 << 20, &mut |piece| {
            seen.extend_from_slice(piece);
        });
        let indexed = indexed.unwrap();
        assert!(seen == text && indexed.points.len() > 5);
        let mut at = 7u64;
        for round in 0..400u64 {
            // Forwards, backwards, across restart points, beyond the end.
            at = (at * 31 + round * 777_777) % (text.len() as u64 + 1000);
            let mut buf = vec![0; [1, 4096, 200_000, 0][round as usize % 4]];
            let read = indexed.read_at(at, &mut buf).unwrap();
            let rest = text.get(at as usize..).unwrap_or_default();
            assert_eq!(read, rest.len().min(buf.len()));
            assert!(buf[..read] == rest[..read], "at {at}");
        }
    }

    #[test]
    fn few_restart_points_are_kept_in_a_small_budget() {
        let text = text();
        let stretch = stretch(&zlib(&text));
        let budget = 3 * POINT_BYTES;
        let indexed = Indexed::build(stretch, text.len() as u64, budget, &mut |_| {}).unwrap();
        assert!((1..=3).contains(&indexed.points.len()));
        let mut buf = [0; 10];
        indexed.read_at(4_000_000, &mut buf).unwrap();
        assert_eq!(buf, text[4_000_000..4_000_010]);
    }

    #[test]
    fn what_is_damaged_or_of_another_length_is_refused() {
        let good = zlib(&text());
        let len = text().len() as u64;
        let build = |bytes: &[u8], len| {
            Indexed::build(stretch(bytes), len, 1 << 20, &mut |_| {}).map_err(|e| e.to_string())
        };
        assert!(build(&good, len - 1).unwrap_err().contains("more than"));
        assert!(build(&good, len + 1).unwrap_err().contains("less than"));
        assert!(build(&good[..good.len() / 2], len).unwrap_err().contains("cut short"));
        assert!(build(b"", len).unwrap_err().contains("cut short"));
        assert!(build(b"no zlib stream", len).unwrap_err().contains("no zlib"));
        let mut wrong = good.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(build(&wrong, len).unwrap_err().contains("checksum"));
        // Bytes after the stream are left alone.
        build(&[good.as_slice(), b"more"].concat(), len).unwrap();
    }

    #[test]
    fn a_stream_in_memory_is_read_by_the_same_rules() {
        let good = zlib(b"hello, hello, hello");
        assert_eq!(inflate_small(&good, 19).unwrap(), b"hello, hello, hello");
        let refused = |stream: &[u8], limit| inflate_small(stream, limit).unwrap_err().to_string();
        assert_eq!(refused(&good, 18), TOO_LONG);
        assert_eq!(refused(&good[..good.len() - 1], 99), CUT_SHORT);
        assert_eq!(refused(b"", 99), CUT_SHORT);
        assert_eq!(refused(b"no zlib stream", 99), NO_STREAM);
        let mut wrong = good.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(refused(&wrong, 99), WRONG_SUM);
        assert_eq!(inflate_small(&[good.as_slice(), b"more"].concat(), 99).unwrap().len(), 19);
    }

    #[test]
    fn a_bomb_stops_at_its_announced_length() {
        let bomb = zlib(&vec![0; 8 << 20]);
        let mut total = 0;
        let all = inflate_all(&stretch(&bomb), 1000, |piece| {
            total += piece.len();
            Ok(())
        });
        assert!(all.unwrap_err().to_string().contains("more than") && total <= RING);
    }
}
