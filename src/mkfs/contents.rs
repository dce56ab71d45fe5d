//! What files hold becomes blocks: looked up by digest, packed or cut into
//! chunks, encoded by the pool, written to the spool in order.

use std::collections::VecDeque;
use std::io;

use sha2::{Digest as _, Sha256};

use super::error::{MkfsError, Result};
use super::pixels::{Found, Pixels};
use super::pool::{Pool, Ticket};
use super::scratch::Scratch;
use super::sorter::Sorter;
use super::spool::Spool;
use super::table::Table;
use crate::format::{
    BlockNo, ContentNo, ContentRecord, Digest, Extent, ExtentKind, Extents, PixelId, extent_key,
    number_key,
};
use crate::store::{Encoded, Nature};

/// Bytes of a small file that are looked at to see what it is.
const NATURE: usize = 32 << 10;

/// Sizes of blocks, as logarithms, and of pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Blocks that small files are packed in.
    pub block_log: u8,
    /// Chunks that binaries are cut into.
    pub chunk_log: u8,
    /// Bytes of a pixel.
    pub pixel: u64,
}

impl Sizes {
    /// The largest file that is packed whole: two of them fill a block.
    pub(super) fn small(self) -> u64 {
        1 << (self.block_log - 1)
    }

    /// log2 of the size of the chunks that a file is cut into. A text is read
    /// from its beginning, by and large, and compresses better in one piece.
    pub(super) fn chunk_log_of(self, nature: Nature) -> u8 {
        match nature {
            Nature::Plain | Nature::Node => self.block_log,
            Nature::Binary | Nature::X86 => self.chunk_log,
        }
    }

    /// Whether a small file is cut into chunks all the same: of a binary any
    /// part may be wanted, and that part alone is to be decoded.
    fn cuts(self, nature: Nature, len: usize) -> bool {
        nature != Nature::Plain && len > 2 << self.chunk_log
    }
}

/// A file's content in memory: its data segments one after the other.
#[derive(Debug)]
pub(super) struct SmallContent {
    /// Size of the file.
    pub size: u64,
    /// Start and length of what is not a hole.
    pub segments: Vec<(u64, u64)>,
    /// The bytes of the segments.
    pub bytes: Vec<u8>,
    /// SHA-256 of the whole file, holes as zeros.
    pub digest: Digest,
}

impl SmallContent {
    /// Reads a content of which the segments are known: `fill` fills a buffer
    /// with what is at an offset.
    pub(super) fn read(
        size: u64,
        segments: Vec<(u64, u64)>,
        mut fill: impl FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let mut bytes = vec![0; allocated(&segments) as usize];
        let mut hasher = HoleHasher::default();
        let mut done = 0;
        for &(start, len) in &segments {
            let part = &mut bytes[done..done + len as usize];
            fill(start, part)?;
            hasher.skip_to(start);
            hasher.update(part);
            done += len as usize;
        }
        Ok(Self { size, segments, bytes, digest: hasher.finish(size) })
    }
}

/// Bytes in data segments.
pub(super) fn allocated(segments: &[(u64, u64)]) -> u64 {
    segments.iter().map(|(_, len)| len).sum()
}

/// A content that is in the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    /// Its number.
    pub number: ContentNo,
    /// Bytes of it that are no holes.
    pub allocated: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Counts of what went in and came out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ContentStats {
    /// Bytes that were found stored already.
    pub deduplicated: u64,
    /// Files that were found stored already.
    pub duplicate_files: u64,
}

/// A block that is being encoded.
#[derive(Debug)]
struct InFlight {
    block: BlockNo,
    /// Its raw bytes.
    len: usize,
    ticket: Ticket<io::Result<Encoded>>,
}

/// Turns contents into blocks and records.
#[derive(Debug)]
pub(super) struct ContentWriter<'a> {
    pub(super) pool: &'a Pool,
    pub(super) scratch: Scratch,
    pub(super) sizes: Sizes,
    pub(super) pixels: Pixels,
    pub(super) spool: Spool,
    pub(super) stats: ContentStats,
    /// The block that small files are packed in now, and its number.
    pack: Vec<u8>,
    pack_block: Option<BlockNo>,
    pub(super) next_block: BlockNo,
    in_flight: VecDeque<InFlight>,
    /// Raw bytes of those, and how many they may be.
    bytes_in_flight: usize,
    max_in_flight: usize,
    /// Incompatible features that the blocks so far call for.
    pub(super) features: u64,
    /// Size and hash of the first chunk of each large content: only a file
    /// that agrees in both can be a duplicate and is read twice.
    pub(super) large_seen: Table<24, 0>,
    pub(super) contents: Sorter,
    pub(super) ids: Sorter,
    pub(super) extents: Sorter,
    pub(super) blocks: Sorter,
}

impl<'a> ContentWriter<'a> {
    /// A writer for which `threads` threads work.
    pub(super) fn new(
        pool: &'a Pool,
        threads: usize,
        sizes: Sizes,
        scratch: &Scratch,
    ) -> Result<Self> {
        Ok(Self {
            pool,
            sizes,
            pixels: Pixels::new(scratch, sizes.pixel as usize)?,
            spool: Spool::new(scratch)?,
            stats: ContentStats::default(),
            pack: Vec::new(),
            pack_block: None,
            next_block: 1,
            in_flight: VecDeque::new(),
            bytes_in_flight: 0,
            // Enough to keep the workers busy while chunks are written.
            max_in_flight: (2 * threads + 2) << sizes.block_log,
            features: 0,
            large_seen: Table::new(scratch),
            scratch: scratch.clone(),
            contents: Sorter::new(scratch),
            ids: Sorter::new(scratch),
            extents: Sorter::new(scratch),
            blocks: Sorter::new(scratch),
        })
    }

    /// The lowest block number not in use.
    pub(super) fn next_block(&self) -> BlockNo {
        self.next_block
    }

    /// The largest file that is packed whole.
    pub(super) fn small_limit(&self) -> u64 {
        self.sizes.small()
    }

    /// log2 of the size of the chunks of [`ContentWriter::add_run`], and of those
    /// of binaries.
    pub(super) fn chunk_log(&self) -> u8 {
        self.sizes.chunk_log
    }

    /// Stores a small content, unless it is stored already; returns its number.
    pub(super) fn add_small(&mut self, small: &SmallContent) -> Result<ContentNo> {
        let SmallContent { size, segments, bytes, digest } = small;
        let layout = layout_digest(segments, *size);
        let (number, id, first) = match self.pixels.enter(digest, layout.as_ref())? {
            Found::Known(number) => return Ok(self.known(number, *size)),
            Found::New { number, id, first } => (number, id, first),
        };
        let mut extents = Extents::None;
        let nature = Nature::of(&bytes[..bytes.len().min(NATURE)]);
        if self.sizes.cuts(nature, bytes.len()) {
            extents = self.cut(number, small, nature)?;
        } else if !bytes.is_empty() {
            let (block, mut offset) = self.pack(bytes)?;
            for &(logical, len) in segments {
                let kind = ExtentKind::Data;
                let extent = Extent { logical, len, block, offset, chunk_log: 0, kind };
                extents = self.enter_segment(number, extent, segments.len())?;
                offset += len as u32;
            }
        }
        self.record(number, id, first, *digest, *size, extents)?;
        Ok(number)
    }

    /// Cuts a small content into chunks, segment by segment.
    fn cut(&mut self, number: ContentNo, small: &SmallContent, nature: Nature) -> Result<Extents> {
        let mut extents = Extents::None;
        let mut rest = small.bytes.as_slice();
        for &(logical, len) in &small.segments {
            let (segment, others) = rest.split_at(len as usize);
            rest = others;
            let (block, chunk_log) = (self.add_run(nature, segment)?, self.sizes.chunk_log);
            let kind = ExtentKind::Data;
            let extent = Extent { logical, len, block, offset: 0, chunk_log, kind };
            extents = self.enter_segment(number, extent, small.segments.len())?;
        }
        Ok(extents)
    }

    /// Enters the extent of one of so many segments, unless the content's record has
    /// room for it; returns what that is to say.
    fn enter_segment(&mut self, number: ContentNo, extent: Extent, of: usize) -> Result<Extents> {
        if of == 1 {
            return Ok(Extents::One(extent));
        }
        self.enter_extent(number, &extent)?;
        Ok(Extents::Tree)
    }

    /// Puts bytes into the open block; returns its number and where they start.
    fn pack(&mut self, bytes: &[u8]) -> Result<(BlockNo, u32)> {
        if self.pack.len() + bytes.len() > 1 << self.sizes.block_log {
            self.close_pack()?;
        }
        let block = match self.pack_block {
            Some(block) => block,
            None => *self.pack_block.insert(take_number(&mut self.next_block)),
        };
        self.pack.reserve_exact((1 << self.sizes.block_log) - self.pack.len());
        let offset = self.pack.len() as u32;
        self.pack.extend_from_slice(bytes);
        Ok((block, offset))
    }

    fn close_pack(&mut self) -> Result<()> {
        let Some(block) = self.pack_block.take() else {
            return Ok(());
        };
        let raw = std::mem::take(&mut self.pack);
        self.encode(block, Nature::Plain, raw)
    }

    pub(super) fn known(&mut self, number: ContentNo, size: u64) -> ContentNo {
        self.stats.deduplicated += size;
        self.stats.duplicate_files += 1;
        number
    }

    pub(super) fn record(
        &mut self,
        number: ContentNo,
        id: PixelId,
        first: bool,
        sha256: Digest,
        size: u64,
        extents: Extents,
    ) -> Result<()> {
        let record = ContentRecord { id, sha256, size, extents };
        self.contents.push(&number_key(number), &record.to_bytes()).map_err(spill_error)?;
        if first {
            self.ids.push(&id, &number.to_le_bytes()).map_err(spill_error)?;
        }
        Ok(())
    }

    /// Enters an extent of a content that has several.
    pub(super) fn enter_extent(&mut self, number: ContentNo, extent: &Extent) -> Result<()> {
        let key = extent_key(number, extent.logical);
        self.extents.push(&key, &extent.to_bytes()).map_err(spill_error)
    }

    /// Stores bytes in a run of chunks of their own; returns the first block.
    pub(super) fn add_run(&mut self, nature: Nature, bytes: &[u8]) -> Result<BlockNo> {
        let first = self.next_block;
        for chunk in bytes.chunks(1 << self.sizes.chunk_log) {
            let block = take_number(&mut self.next_block);
            self.encode(block, nature, chunk.to_vec())?;
        }
        Ok(first)
    }

    pub(super) fn encode(&mut self, block: BlockNo, nature: Nature, raw: Vec<u8>) -> Result<()> {
        let len = raw.len();
        while self.bytes_in_flight + len > self.max_in_flight && !self.in_flight.is_empty() {
            self.write_oldest()?;
        }
        self.bytes_in_flight += len;
        let ticket = self.pool.encode(nature, raw);
        self.in_flight.push_back(InFlight { block, len, ticket });
        Ok(())
    }

    fn write_oldest(&mut self) -> Result<()> {
        let Some(InFlight { block, len, ticket }) = self.in_flight.pop_front() else {
            return Ok(());
        };
        self.bytes_in_flight -= len;
        let encoded = ticket
            .wait()
            .and_then(|encoded| encoded)
            .map_err(|source| MkfsError::output(format!("block {block}"), source))?;
        let at = encoded.placed_at(self.spool.len());
        self.features |= at.codec.features();
        self.spool.write(&encoded.bytes)?;
        self.blocks.push(&number_key(block), &at.to_bytes()).map_err(spill_error)
    }

    /// Closes the open block and writes everything that is still being encoded.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.close_pack()?;
        while !self.in_flight.is_empty() {
            self.write_oldest()?;
        }
        Ok(())
    }
}

/// SHA-256 over a file with holes, which count as zeros.
#[derive(Debug, Default)]
pub(super) struct HoleHasher {
    hasher: Sha256,
    at: u64,
}

impl HoleHasher {
    /// Hashes zeros up to the offset `to`.
    pub(super) fn skip_to(&mut self, to: u64) {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        while self.at < to {
            let len = (to - self.at).min(ZEROS.len() as u64) as usize;
            self.update(&ZEROS[..len]);
        }
    }

    /// Bytes hashed so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Hashes data.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
    }

    /// The digest of a file of `size` bytes.
    pub(super) fn finish(mut self, size: u64) -> Digest {
        self.skip_to(size);
        self.hasher.finalize().into()
    }
}

/// A digest of the segments of a content; `None` if it has no holes.
fn layout_digest(segments: &[(u64, u64)], size: u64) -> Option<Digest> {
    if allocated(segments) == size {
        return None;
    }
    let mut hasher = Sha256::new();
    for (start, len) in segments {
        hasher.update(start.to_le_bytes());
        hasher.update(len.to_le_bytes());
    }
    Some(hasher.finalize().into())
}

pub(super) fn take_number(next: &mut u64) -> u64 {
    let number = *next;
    *next += 1;
    number
}

/// An error from a file that records are spilled to.
pub(super) fn spill_error(source: io::Error) -> MkfsError {
    MkfsError::output("a temporary file", source)
}
