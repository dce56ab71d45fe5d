//! Encoding and decoding of blocks and nodes, with a codec state kept per thread.

use std::cell::RefCell;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::find_frame_compressed_size;

use crate::format::{Codec, StoredRef};

thread_local! {
    // A decompressor's tables are 100 KiB and slow to set up for 32 KiB nodes.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decodes `stored` to exactly `raw` bytes; `None` if it does not.
pub(super) fn decode(codec: Codec, stored: Vec<u8>, raw: usize) -> Option<Vec<u8>> {
    match codec {
        Codec::None => (stored.len() == raw).then_some(stored),
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

/// Encodes blocks; one per thread.
pub struct Encoder {
    encoding: Encoding,
    compressor: Option<Compressor<'static>>,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// When zstd cannot be set up (no memory, impossible level).
    pub fn new(encoding: Encoding) -> std::io::Result<Self> {
        let compressor = match encoding.codec {
            Codec::None => None,
            Codec::Zstd => Some(Compressor::new(encoding.level)?),
        };
        Ok(Self { encoding, compressor })
    }

    /// Encodes `raw`, which is not empty and at most `MAX_BLOCK` long.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn encode(&mut self, raw: Vec<u8>) -> std::io::Result<Encoded> {
        let raw_len = raw.len() as u32;
        let (codec, bytes) = self.compress(raw)?;
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

    fn compress(&mut self, raw: Vec<u8>) -> std::io::Result<(Codec, Vec<u8>)> {
        let Some(compressor) = &mut self.compressor else {
            return Ok((Codec::None, raw));
        };
        let compressed = compressor.compress(&raw)?;
        // Less than one part in 64 saved is not worth a decompression per read.
        if compressed.len() + raw.len() / 64 >= raw.len() {
            return Ok((Codec::None, raw));
        }
        Ok((self.encoding.codec, compressed))
    }
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
