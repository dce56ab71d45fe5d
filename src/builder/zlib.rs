//! zlib streams (RFC 1950): as the Python tools write them, or fast.
//!
//! Ids of god pixels and of project pixels are hashes of *compressed* bytes, so
//! there the stream must be the very one that stock zlib makes at level 9. The
//! blobs of a root may be any zlib stream.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use libdeflater::{CompressionLvl, Compressor};

/// Bytes of a stretch that is compressed on its own.
pub(crate) const STRETCH: usize = 1 << 20;

/// Bytes that are tried to see whether compressing pays, and where it is worth it.
const PROBE: usize = 1024;

/// Compresses whole contents: 290 MB/s a core on source text where stock zlib at
/// level 9 makes 20.
pub(crate) struct Fast {
    quick: Compressor,
    /// For long repetitions, of which the quickest makes little.
    long: Compressor,
    stored: Compressor,
    out: Vec<u8>,
}

impl Default for Fast {
    fn default() -> Self {
        // 1 is the quickest level that compresses; 0 only stores.
        let level = |level| Compressor::new(CompressionLvl::new(level).unwrap_or_default());
        Self { quick: level(1), long: level(2), stored: level(0), out: Vec::new() }
    }
}

impl std::fmt::Debug for Fast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fast")
    }
}

impl Fast {
    /// The stream of a content.
    pub(crate) fn compress(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(stream) = one_byte_again(bytes) {
            return Ok(stream);
        }
        let probed = match bytes.len() < 8 * PROBE {
            true => PROBE / 2,
            false => self.probe(bytes)?,
        };
        let Self { quick, long, stored, out } = self;
        let compressor = match probed {
            0..LONG => long,
            LONG..DENSE => quick,
            _ => stored,
        };
        let len = run(compressor, bytes, out)?;
        Ok(out[..len].to_vec())
    }

    /// Bytes that the most compressible of some samples of `PROBE` bytes becomes.
    fn probe(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut least = PROBE;
        for index in 0..4 {
            let start = (bytes.len() - PROBE) / 3 * index;
            least = least.min(run(&mut self.quick, &bytes[start..start + PROBE], &mut self.out)?);
            if (LONG..DENSE).contains(&least) {
                break;
            }
        }
        Ok(least)
    }
}

/// Samples that become smaller than this are repetitions; those that stay larger
/// than the other are not worth compressing.
const LONG: usize = PROBE / 32;
const DENSE: usize = PROBE / 16 * 15;

/// Compresses into the beginning of a buffer that is kept; gives the length.
fn run(compressor: &mut Compressor, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
    let bound = compressor.zlib_compress_bound(bytes.len());
    if out.len() < bound {
        out.resize(bound, 0);
    }
    compressor.zlib_compress(bytes, out).map_err(io::Error::other)
}

/// The two bytes that begin a stream of [`stretch`]es.
pub(crate) const HEADER: [u8; 2] = [0x78, 0x01];

/// The deflate block that ends them; the Adler-32 follows.
pub(crate) const END: [u8; 2] = [0x03, 0x00];

/// A part of a large content as whole bytes of raw deflate, so that parts can be
/// compressed at the same time and stand one after the other.
pub(crate) fn stretch(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(Compression::new(1), false);
    // Room for stored blocks and the empty one at the end.
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1000 + 64);
    loop {
        let at = compress.total_in() as usize;
        let status = compress.compress_vec(&bytes[at..], &mut out, FlushCompress::Sync);
        let status = status.map_err(io::Error::other)?;
        if compress.total_in() as usize == bytes.len() && out.len() < out.capacity() {
            return Ok(out);
        }
        if status == Status::StreamEnd {
            return Err(io::Error::other("deflate ended early"));
        }
        out.reserve(bytes.len() / 4 + 64);
    }
}

/// Bytes at the beginning that may differ in a content that is else one byte again
/// and again, and the shortest such content.
const HEAD: usize = 64;
const MIN_RUN: usize = 4096;

/// The stream of a content that is one byte again and again but for its head, such
/// as space that was set aside; `None` for any other. Searching such a content for
/// repetitions takes many times as long as seeing that it is one.
fn one_byte_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let run = bytes.get(HEAD..).filter(|run| run.len() >= MIN_RUN)?;
    if run[..run.len() - 1] != run[1..] {
        return None;
    }
    // What is no multiple of the longest repetition goes out as it is, and so does
    // at least one byte of the run, to be repeated.
    let repeats = (run.len() - 1) / LONGEST;
    let (plain, _) = bytes.split_at(bytes.len() - repeats * LONGEST);
    let len = plain.len() as u16;
    let mut out = Vec::with_capacity(plain.len() + repeats * 13 / 8 + 16);
    out.extend(HEADER);
    // A stored block, and one of the fixed code; RFC 1951, 3.2.3.
    out.push(0);
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(plain);
    let (mut bits, mut count) = (0b011_u64, 3);
    for _ in 0..repeats {
        // Length 258 is 11000101 and distance 1 is 00000, the first bit lowest.
        bits |= 0b1010_0011 << count;
        count += 13;
        while count >= 8 {
            out.push(bits as u8);
            (bits, count) = (bits >> 8, count - 8);
        }
    }
    // The end of the block is seven zeros, and zeros fill the last byte.
    out.extend(&bits.to_le_bytes()[..(count + 7_usize).div_ceil(8)]);
    out.extend(simd_adler32::adler32(&bytes).to_be_bytes());
    Some(out)
}

/// The longest repetition of deflate.
const LONGEST: usize = 258;

/// Compresses as Python's `zlib.compress(content, 9)` does: the same bytes.
#[derive(Debug)]
pub(crate) struct Stock<W> {
    stream: stock::Stream,
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> Stock<W> {
    /// Compresses what is written into `out`.
    pub(crate) fn new(out: W) -> io::Result<Self> {
        Ok(Self { stream: stock::Stream::new()?, out, buffer: vec![0; 1 << 16] })
    }

    /// Ends the stream.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        loop {
            let (_, made, is_end) = self.stream.step(&[], &mut self.buffer, true)?;
            self.out.write_all(&self.buffer[..made])?;
            if is_end {
                return Ok(self.out);
            }
        }
    }
}

impl Stock<Vec<u8>> {
    /// What was made so far, which is then forgotten.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

impl<W: Write> Write for Stock<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, made, _) = self.stream.step(bytes, &mut self.buffer, false)?;
        self.out.write_all(&self.buffer[..made])?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// zlib itself. The only unsafe code of the builder.
mod stock {
    #![allow(unsafe_code)]

    use std::ffi::{c_int, c_uint};
    use std::io;
    use std::mem::MaybeUninit;

    use libz_sys as z;

    const LEVEL: c_int = 9;

    /// A deflate stream; boxed, as zlib keeps its address.
    pub(super) struct Stream(Box<z::z_stream>);

    // SAFETY: zlib's state belongs to this value alone and to no thread.
    unsafe impl Send for Stream {}

    impl std::fmt::Debug for Stream {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Stream")
        }
    }

    impl Stream {
        pub(super) fn new() -> io::Result<Self> {
            let mut stream: Box<MaybeUninit<z::z_stream>> = Box::new(MaybeUninit::zeroed());
            // SAFETY: zeroed is how zlib wants a stream it has not initialised yet
            // (no allocator, no state); the version and the size are its own.
            let code = unsafe {
                z::deflateInit_(
                    stream.as_mut_ptr(),
                    LEVEL,
                    z::zlibVersion(),
                    size_of::<z::z_stream>() as c_int,
                )
            };
            if code != z::Z_OK {
                return Err(io::Error::other(format!("zlib cannot begin: {code}")));
            }
            // SAFETY: deflateInit_ filled in what zeroing left invalid: the
            // allocation functions. The rest are numbers and pointers.
            Ok(Self(unsafe { stream.assume_init() }))
        }

        /// Takes input and gives output: bytes of each, and whether it is the end.
        pub(super) fn step(
            &mut self,
            input: &[u8],
            output: &mut [u8],
            finish: bool,
        ) -> io::Result<(usize, usize, bool)> {
            let give = input.len().min(1 << 30);
            let room = output.len().min(1 << 30);
            self.0.next_in = input.as_ptr().cast_mut();
            self.0.avail_in = give as c_uint;
            self.0.next_out = output.as_mut_ptr();
            self.0.avail_out = room as c_uint;
            let flush = if finish { z::Z_FINISH } else { z::Z_NO_FLUSH };
            // SAFETY: the stream is initialised, and the pointers are those of
            // slices of at least the lengths given, which live through the call.
            let code = unsafe { z::deflate(&mut *self.0, flush) };
            let taken = give - self.0.avail_in as usize;
            let made = room - self.0.avail_out as usize;
            match code {
                z::Z_OK => Ok((taken, made, false)),
                z::Z_STREAM_END => Ok((taken, made, true)),
                // No progress was possible, which only a full output explains.
                z::Z_BUF_ERROR if input.is_empty() && !finish => Ok((0, 0, false)),
                code => Err(io::Error::other(format!("zlib failed: {code}"))),
            }
        }
    }

    impl Drop for Stream {
        fn drop(&mut self) {
            // SAFETY: initialised in new, and ended nowhere else.
            unsafe { z::deflateEnd(&mut *self.0) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        ZlibDecoder::new(stream).read_to_end(&mut out).unwrap();
        out
    }

    /// Bytes of which half can be compressed.
    fn sample(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        (0..len)
            .map(|at| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if at / 5000 % 2 == 0 { (state >> 56) as u8 } else { b"pixels "[at % 7] }
            })
            .collect()
    }

    #[test]
    fn streams_hold_what_went_in() {
        for len in [0, 1, 54, 5000, 100_000, 3 << 20] {
            let bytes = sample(len);
            assert_eq!(inflate(&Fast::default().compress(&bytes).unwrap()), bytes);
            let mut stream = HEADER.to_vec();
            for part in bytes.chunks(STRETCH) {
                stream.extend(stretch(part).unwrap());
            }
            stream.extend(END);
            stream.extend(simd_adler32::adler32(&&bytes[..]).to_be_bytes());
            assert_eq!(inflate(&stream), bytes, "{len}");
            let mut stock = Stock::new(Vec::new()).unwrap();
            stock.write_all(&bytes).unwrap();
            assert_eq!(inflate(&stock.finish().unwrap()), bytes);
        }
    }

    #[test]
    fn one_byte_again_and_again_is_seen() {
        for (head, byte) in [(0, 0), (5, 0), (HEAD, 0x20), (HEAD, 0xFF)] {
            for len in (HEAD + MIN_RUN..HEAD + MIN_RUN + 600).chain([1 << 20, (8 << 20) + 1]) {
                let mut bytes = sample(head);
                bytes.resize(len, byte);
                let stream = one_byte_again(&bytes).unwrap();
                assert!(stream.len() < 400 + len / 150, "{len}: {}", stream.len());
                assert!(inflate(&stream) == bytes, "{head} {byte} {len}");
                assert_eq!(Fast::default().compress(&bytes).unwrap(), stream);
            }
        }
        let mut bytes = vec![7; 10_000];
        assert_eq!(one_byte_again(&bytes[..HEAD + MIN_RUN - 1]), None);
        for at in [HEAD, 5000, 9999] {
            bytes[at] = 8;
            assert_eq!(one_byte_again(&bytes), None, "{at}");
            bytes[at] = 7;
        }
    }

    #[test]
    fn text_becomes_smaller() {
        let text = b"pixels that are files ".repeat(5000);
        for len in [1000, text.len()] {
            assert!(Fast::default().compress(&text[..len]).unwrap().len() < len / 5);
        }
    }

    #[test]
    fn random_bytes_are_stored() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..100_000).map(|_| random()).collect();
        assert!(Fast::default().compress(&bytes).unwrap().len() < bytes.len() + 200);
    }

    /// Python 3.11: `hashlib.sha256(zlib.compress(bytes(range(256)) * 400, 9))`.
    #[test]
    fn stock_streams_are_those_of_python() {
        let bytes: Vec<u8> = (0..=255u8).cycle().take(256 * 400).collect();
        let mut stock = Stock::new(Vec::new()).unwrap();
        for part in bytes.chunks(777) {
            stock.write_all(part).unwrap();
        }
        let stream = stock.finish().unwrap();
        let expected = "791848ff0d42bde9e4cbc69d116ed97bf586e24db1f0bdb9d0f4ed5d41bdd7fe";
        assert_eq!(crate::store::hex(&Sha256::digest(&stream)), expected);
    }
}
