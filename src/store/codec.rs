//! Encoding and decoding of blocks and nodes, with a codec state kept per thread.

use std::cell::RefCell;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound, find_frame_compressed_size};

use super::filter;
use crate::format::{Codec, MAX_BLOCK, StoredRef};

thread_local! {
    // A decompressor's tables are 100 KiB and slow to set up for 32 KiB nodes.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decodes `stored` to exactly `raw` bytes; `None` if it does not.
pub(super) fn decode(codec: Codec, stored: Vec<u8>, raw: usize) -> Option<Vec<u8>> {
    match codec {
        Codec::None => (stored.len() == raw).then_some(stored),
        Codec::ZstdX86 => {
            let mut bytes = decode(Codec::Zstd, stored, raw)?;
            filter::undo(&mut bytes);
            Some(bytes)
        }
        // One frame, and nothing behind it: what a second one held would be unseen.
        Codec::Zstd if find_frame_compressed_size(&stored) != Ok(stored.len()) => None,
        Codec::Zstd => DECOMPRESSOR.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Decompressor::new().ok();
            }
            let decoded = slot.as_mut()?.decompress(&stored, raw).ok()?;
            (decoded.len() == raw).then_some(decoded)
        }),
    }
}

/// How blocks are to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// The codec; blocks that do not shrink are stored as they are.
    pub codec: Codec,
    /// The codec's level (zstd: 1 to 22).
    pub level: i32,
}

impl Encoding {
    /// Whether size is what counts, more than how fast it is read: from the levels
    /// on that take many times as long.
    pub fn is_thorough(&self) -> bool {
        self.level >= SLOW
    }
}

/// What is in a block, as far as it says how to encode it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Text, small files.
    Plain,
    /// Metadata.
    Node,
    /// Data that is no text.
    Binary,
    /// Programs for x86 processors.
    X86,
}

impl Nature {
    /// What a file is that begins with `start`: some KiB of it, or all.
    pub fn of(start: &[u8]) -> Self {
        if is_x86(start) {
            Self::X86
        } else if start.contains(&0) {
            Self::Binary
        } else {
            Self::Plain
        }
    }
}

/// Whether the head of a program says that it is for x86, of 32 or 64 bits.
fn is_x86(start: &[u8]) -> bool {
    let number = |at: usize| start.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    if start.starts_with(b"\x7fELF") {
        return matches!(number(18), 3 | 62);
    }
    let head = usize::from(number(0x3c));
    let is_pe = start.starts_with(b"MZ") && start.get(head..head + 4) == Some(b"PE\0\0");
    is_pe && matches!(number(head + 4), 0x14c | 0x8664)
}

/// Encoded bytes that still want a place in the stream.
#[derive(Debug)]
pub struct Encoded {
    /// What is to be written.
    pub bytes: Vec<u8>,
    at: StoredRef,
}

impl Encoded {
    /// The reference, once it is known where the bytes go.
    pub fn placed_at(&self, offset: u64) -> StoredRef {
        StoredRef { offset, ..self.at }
    }
}

/// The first level that is slow on what does not shrink.
const SLOW: i32 = 12;

/// Blocks above this many bytes are large ones to zstd.
const LARGE: usize = 256 << 10;

/// The level that searches large blocks in a way of its own, see [`tune`].
const SHORT_SEARCH: i32 = 16;

/// Binaries are stored in smaller chunks, which take less time at the same level;
/// not so from 13 on, where zstd weighs all ways to write one.
fn level_of_binaries(level: i32) -> i32 {
    match level {
        ..5 => level,
        12..=SHORT_SEARCH => 13,
        _ => (level + 1).min(22),
    }
}

/// Encodes blocks; one per thread.
pub struct Encoder {
    encoding: Encoding,
    compressor: Option<Compressor<'static>>,
    /// Room for what it makes.
    output: Vec<u8>,
    /// What the compressor is set to.
    tuned: Option<(i32, bool)>,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// When zstd cannot be set up (no memory, impossible level).
    pub fn new(encoding: Encoding) -> std::io::Result<Self> {
        let compressor = match encoding.codec {
            Codec::None => None,
            Codec::Zstd | Codec::ZstdX86 => Some(Compressor::new(encoding.level)?),
        };
        Ok(Self { encoding, compressor, output: Vec::new(), tuned: None })
    }

    /// Encodes `raw`, which is not empty and at most `MAX_BLOCK` long.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn encode(&mut self, raw: Vec<u8>) -> std::io::Result<Encoded> {
        self.encode_as(Nature::Plain, raw)
    }

    /// Encodes `raw` as what it is.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn encode_as(&mut self, nature: Nature, raw: Vec<u8>) -> std::io::Result<Encoded> {
        let raw_len = raw.len() as u32;
        let (codec, bytes) = self.compress(nature, raw)?;
        let at = StoredRef {
            offset: 0,
            stored: bytes.len() as u32,
            raw: raw_len,
            codec,
            xxh3: xxh3_64(&bytes),
            sha256: Sha256::digest(&bytes).into(),
        };
        Ok(Encoded { bytes, at })
    }

    fn compress(&mut self, nature: Nature, mut raw: Vec<u8>) -> std::io::Result<(Codec, Vec<u8>)> {
        let level = match nature {
            Nature::Plain => self.encoding.level,
            // Nodes are small: beyond this level zstd finds nothing more in them.
            Nature::Node => self.encoding.level.clamp(3, 12),
            Nature::Binary | Nature::X86 => level_of_binaries(self.encoding.level),
        };
        // High levels take seconds to find that there is nothing to be found.
        if level >= SLOW && self.shrunk(1, &raw)?.is_none() {
            return Ok((Codec::None, raw));
        }
        // Undoing the filter takes nearly as long as all the rest of decoding.
        let is_code =
            nature == Nature::X86 && self.compressor.is_some() && self.encoding.is_thorough();
        if is_code {
            filter::apply(&mut raw);
        }
        match self.shrunk(level, &raw)? {
            Some(bytes) => Ok((if is_code { Codec::ZstdX86 } else { Codec::Zstd }, bytes)),
            None => {
                if is_code {
                    filter::undo(&mut raw);
                }
                Ok((Codec::None, raw))
            }
        }
    }

    /// `raw` compressed; `None` if that is not worth it.
    fn shrunk(&mut self, level: i32, raw: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let Some(compressor) = &mut self.compressor else {
            return Ok(None);
        };
        tune(compressor, &mut self.tuned, level, raw.len())?;
        self.output.clear();
        self.output.reserve(compress_bound(raw.len()));
        let len = compressor.compress_to_buffer(raw, &mut self.output)?;
        // Less than one part in 64 saved is not worth a decompression per read.
        Ok((len + raw.len() / 64 < raw.len()).then(|| self.output.clone()))
    }
}

/// Sets a compressor for blocks of that length.
fn tune(
    compressor: &mut Compressor<'static>,
    tuned: &mut Option<(i32, bool)>,
    level: i32,
    len: usize,
) -> std::io::Result<()> {
    let wanted = (level, len > LARGE);
    if *tuned == Some(wanted) {
        return Ok(());
    }
    compressor.set_compression_level(level)?;
    let [least, search, hash, chain, enough] = match wanted {
        // What matches at all in a large block does so for long: shorter matches
        // cost time and find next to nothing.
        (6..=7, true) => [6, 0, 0, 0, 0],
        // All ways to write a block are weighed, with matches that are near, in
        // tables that fit a processor's own cache; what is far is found in a coarser
        // way. 3 to 4 % less than zstd's own level 15, in less time: measured on source
        // code, in blocks of 16 MiB.
        (SHORT_SEARCH, true) => [5, 3, 19, 21, 128],
        // What the level says.
        _ => [0; 5],
    };
    compressor.set_parameter(CParameter::MinMatch(least))?;
    compressor.set_parameter(CParameter::SearchLog(search))?;
    compressor.set_parameter(CParameter::HashLog(hash))?;
    compressor.set_parameter(CParameter::ChainLog(chain))?;
    compressor.set_parameter(CParameter::TargetLength(enough))?;
    let is_far = wanted == (SHORT_SEARCH, true);
    compressor.set_parameter(CParameter::EnableLongDistanceMatching(is_far))?;
    if is_far {
        compressor.set_parameter(CParameter::LdmHashLog(20))?;
        compressor.set_parameter(CParameter::LdmMinMatch(32))?;
        compressor.set_parameter(CParameter::LdmHashRateLog(4))?;
    }
    // The whole block, of which zstd is told the size.
    compressor.set_parameter(CParameter::WindowLog(MAX_BLOCK.ilog2()))?;
    *tuned = Some(wanted);
    Ok(())
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_gives_the_same_bytes_whatever_came_before() {
        // Lines that come again from afar, and small ones in between.
        let line = |i: usize| format!("{:x} {}\n", i * i % 40_961, "abcdefgh".repeat(i % 5));
        let large: Vec<u8> = (0..60_000).flat_map(|i| line(i % 17_000).into_bytes()).collect();
        assert!(large.len() > LARGE);
        let small = large[..100_000].to_vec();
        let decoded = |bytes: &[u8], len| zstd::bulk::decompress(bytes, len).unwrap();
        for level in [1, 6, 8, 12, SHORT_SEARCH, 19] {
            let mut encoder = Encoder::new(Encoding { codec: Codec::Zstd, level }).unwrap();
            let mut encode = |raw: &Vec<u8>| encoder.encode(raw.clone()).unwrap().bytes;
            let (first, of_small) = (encode(&large), encode(&small));
            assert_eq!((encode(&large), encode(&small)), (first.clone(), of_small), "{level}");
            assert!(decoded(&first, large.len()) == large, "{level}");
        }
    }

    #[test]
    fn binaries_get_more_with_each_level() {
        let levels = (1..=22).map(level_of_binaries).collect::<Vec<_>>();
        assert!(levels.is_sorted(), "{levels:?}");
        assert_eq!([levels[3], levels[4], levels[11], levels[15], levels[18]], [4, 6, 13, 13, 20]);
    }

    #[test]
    fn what_shrinks_is_compressed_and_comes_back() {
        let mut encoder = Encoder::new(Encoding { codec: Codec::Zstd, level: 3 }).unwrap();
        let text = b"the same again ".repeat(1000);
        let noise: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for (raw, codec) in
            [(text, Codec::Zstd), (vec![7], Codec::None), (noise.clone(), Codec::None)]
        {
            let encoded = encoder.encode(raw.clone()).unwrap();
            let at = encoded.placed_at(400);
            if raw != noise {
                assert_eq!(at.codec, codec);
            }
            assert_eq!((at.offset, at.raw as usize), (400, raw.len()));
            assert_eq!(decode(at.codec, encoded.bytes, raw.len()), Some(raw));
        }
    }

    #[test]
    fn garbage_and_wrong_lengths_do_not_decode() {
        let mut encoder = Encoder::new(Encoding { codec: Codec::Zstd, level: 3 }).unwrap();
        let encoded = encoder.encode(vec![1; 9000]).unwrap();
        assert_eq!(decode(Codec::Zstd, encoded.bytes.clone(), 8999), None);
        let twice = [encoded.bytes.as_slice(), &encoded.bytes].concat();
        assert_eq!(decode(Codec::Zstd, twice, 18_000), None);
        let skippable = [encoded.bytes.as_slice(), &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
        assert_eq!(decode(Codec::Zstd, skippable, 9000), None);
        assert_eq!(decode(Codec::Zstd, encoded.bytes, 9001), None);
        assert_eq!(decode(Codec::Zstd, vec![0; 100], 100), None);
        assert_eq!(decode(Codec::None, vec![0; 100], 99), None);
    }
}
