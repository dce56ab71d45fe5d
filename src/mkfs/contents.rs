//! What files hold becomes blocks: looked up by digest, packed or cut into
//! chunks, encoded by the pool, written to the spool in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{MkfsError, Result};
use super::pixels::{Found, Pixels};
use super::pool::{Pool, Ticket};
use super::sorter::Sorter;
use super::spool::Spool;
use crate::format::{
    BlockNo, ContentNo, ContentRecord, Digest, Extent, ExtentKind, Extents, PixelId, extent_key,
    number_key,
};
use crate::store::Encoded;

/// Sizes of blocks, as logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Blocks that small files are packed in.
    pub block_log: u8,
    /// Chunks that large files are cut into.
    pub chunk_log: u8,
}

impl Sizes {
    /// The largest file that is packed whole: two of them fill a block.
    pub(super) fn small(self) -> u64 {
        1 << (self.block_log - 1)
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

/// Bytes in data segments.
pub(super) fn allocated(segments: &[(u64, u64)]) -> u64 {
    segments.iter().map(|(_, len)| len).sum()
}

/// A file that is read chunk by chunk.
#[derive(Debug)]
pub(super) struct LargeContent<'a> {
    /// The open file.
    pub file: &'a File,
    /// Its size.
    pub size: u64,
    /// Start and length of what is not a hole.
    pub segments: Vec<(u64, u64)>,
    /// For messages.
    pub path: &'a Path,
}

/// Counts of what went in and came out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ContentStats {
    /// Bytes that were found stored already.
    pub deduplicated: u64,
    /// Files that were found stored already.
    pub duplicate_files: u64,
}

/// Turns contents into blocks and records.
#[derive(Debug)]
pub(super) struct ContentWriter<'a> {
    pool: &'a Pool,
    sizes: Sizes,
    pub(super) pixels: Pixels,
    pub(super) spool: Spool,
    pub(super) stats: ContentStats,
    /// The block that small files are packed in now, and its number.
    pack: Vec<u8>,
    pack_block: Option<BlockNo>,
    next_block: BlockNo,
    in_flight: VecDeque<(BlockNo, Ticket<io::Result<Encoded>>)>,
    max_in_flight: usize,
    /// Size and hash of the first chunk of each large content: only a file
    /// that agrees in both can be a duplicate and is read twice.
    large_seen: std::collections::HashSet<(u64, u128)>,
    pub(super) contents: Sorter,
    pub(super) ids: Sorter,
    pub(super) extents: Sorter,
    pub(super) blocks: Sorter,
}

impl<'a> ContentWriter<'a> {
    /// A writer whose spool and spilled records go to unlinked files in `dir`.
    pub(super) fn new(pool: &'a Pool, threads: usize, sizes: Sizes, dir: &Path) -> Result<Self> {
        Ok(Self {
            pool,
            sizes,
            pixels: Pixels::default(),
            spool: Spool::new(dir)?,
            stats: ContentStats::default(),
            pack: Vec::new(),
            pack_block: None,
            next_block: 1,
            in_flight: VecDeque::new(),
            // Enough to keep the workers busy while chunks are written.
            max_in_flight: 4 * threads + 4,
            large_seen: std::collections::HashSet::new(),
            contents: Sorter::new(dir),
            ids: Sorter::new(dir),
            extents: Sorter::new(dir),
            blocks: Sorter::new(dir),
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

    /// log2 of the size of the chunks of [`ContentWriter::add_run`].
    pub(super) fn chunk_log(&self) -> u8 {
        self.sizes.chunk_log
    }

    /// Stores a small content, unless it is stored already; returns its number.
    pub(super) fn add_small(&mut self, small: &SmallContent) -> Result<ContentNo> {
        let SmallContent { size, segments, bytes, digest } = small;
        let (number, id, first) = match self.pixels.enter(digest, *size, segments)? {
            Found::Known(number) => return Ok(self.known(number, *size)),
            Found::New { number, id, first } => (number, id, first),
        };
        let mut extents = Vec::with_capacity(segments.len());
        if !bytes.is_empty() {
            let (block, mut offset) = self.pack(bytes)?;
            for &(logical, len) in segments {
                let kind = ExtentKind::Data;
                extents.push(Extent { logical, len, block, offset, chunk_log: 0, kind });
                offset += len as u32;
            }
        }
        self.record(number, id, first, *digest, *size, &extents)?;
        Ok(number)
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
        let offset = self.pack.len() as u32;
        self.pack.extend_from_slice(bytes);
        Ok((block, offset))
    }

    fn close_pack(&mut self) -> Result<()> {
        let Some(block) = self.pack_block.take() else {
            return Ok(());
        };
        let raw = std::mem::take(&mut self.pack);
        self.encode(block, raw)
    }

    /// Stores a large content chunk by chunk, unless it is stored already.
    pub(super) fn add_large(&mut self, large: &LargeContent<'_>) -> Result<ContentNo> {
        let first = self.read_first_chunk(large)?;
        let is_candidate = !self.large_seen.insert((large.size, xxh3_128(&first)));
        if is_candidate {
            let digest = self.digest_of(large)?;
            if self.pixels.is_known(&digest) {
                let found = self.pixels.enter(&digest, large.size, &large.segments)?;
                if let Found::Known(number) = found {
                    return Ok(self.known(number, large.size));
                }
                // The same bytes with other holes: a record of its own.
                return self.store_large(large, Some((digest, found)));
            }
        }
        self.store_large(large, None)
    }

    fn store_large(
        &mut self,
        large: &LargeContent<'_>,
        entered: Option<(Digest, Found)>,
    ) -> Result<ContentNo> {
        let mut hasher = HoleHasher::default();
        let mut extents: Vec<Extent> = Vec::new();
        for &(start, len) in &large.segments {
            hasher.skip_to(start);
            let chunk_size = 1u64 << self.sizes.chunk_log;
            let mut at = start;
            while at < start + len {
                let take = chunk_size.min(start + len - at);
                let chunk = read_chunk(large, at, take)?;
                hasher.update(&chunk);
                self.add_chunk(&mut extents, at, chunk, at == start)?;
                at += take;
            }
        }
        let digest = hasher.finish(large.size);
        let found = match entered {
            Some((expected, found)) if expected == digest => found,
            // Files change under our feet; what was read last is what is stored.
            _ => self.pixels.enter(&digest, large.size, &large.segments)?,
        };
        match found {
            // A packed twin: small files of the same content do not exist, so
            // this is a file that changed; its blocks stay unused.
            Found::Known(number) => Ok(self.known(number, large.size)),
            Found::New { number, id, first } => {
                self.record(number, id, first, digest, large.size, &extents)?;
                Ok(number)
            }
        }
    }

    /// Sends a chunk to the pool and lengthens the last extent by it, or starts one.
    fn add_chunk(
        &mut self,
        extents: &mut Vec<Extent>,
        logical: u64,
        chunk: Vec<u8>,
        starts_segment: bool,
    ) -> Result<()> {
        let len = chunk.len() as u64;
        let kind = if is_zero(&chunk) { ExtentKind::Zero } else { ExtentKind::Data };
        let continues = extents.last().is_some_and(|last| !starts_segment && last.kind == kind);
        let mut block = 0;
        if kind == ExtentKind::Data {
            block = take_number(&mut self.next_block);
            self.encode(block, chunk)?;
        }
        if let Some(last) = extents.last_mut()
            && continues
        {
            // Blocks of one extent are consecutive: a zero chunk between two
            // runs takes no number and ends the extent.
            last.len += len;
            return Ok(());
        }
        let chunk_log = self.sizes.chunk_log;
        extents.push(Extent { logical, len, block, offset: 0, chunk_log, kind });
        Ok(())
    }

    fn known(&mut self, number: ContentNo, size: u64) -> ContentNo {
        self.stats.deduplicated += size;
        self.stats.duplicate_files += 1;
        number
    }

    fn record(
        &mut self,
        number: ContentNo,
        id: PixelId,
        first: bool,
        sha256: Digest,
        size: u64,
        extents: &[Extent],
    ) -> Result<()> {
        let stored = match extents {
            [] => Extents::None,
            [one] => Extents::One(*one),
            _ => Extents::Tree,
        };
        if stored == Extents::Tree {
            for extent in extents {
                let key = extent_key(number, extent.logical);
                self.extents.push(&key, &extent.to_bytes()).map_err(spill_error)?;
            }
        }
        let record = ContentRecord { id, sha256, size, extents: stored };
        self.contents.push(&number_key(number), &record.to_bytes()).map_err(spill_error)?;
        if first {
            self.ids.push(&id, &number.to_le_bytes()).map_err(spill_error)?;
        }
        Ok(())
    }

    /// Stores bytes that are no file (large xattr sets) in blocks of their own;
    /// returns the first block.
    pub(super) fn add_run(&mut self, bytes: &[u8]) -> Result<BlockNo> {
        let first = self.next_block;
        for chunk in bytes.chunks(1 << self.sizes.chunk_log) {
            let block = take_number(&mut self.next_block);
            self.encode(block, chunk.to_vec())?;
        }
        Ok(first)
    }

    fn encode(&mut self, block: BlockNo, raw: Vec<u8>) -> Result<()> {
        while self.in_flight.len() >= self.max_in_flight {
            self.write_oldest()?;
        }
        self.in_flight.push_back((block, self.pool.encode(raw)));
        Ok(())
    }

    fn write_oldest(&mut self) -> Result<()> {
        let Some((block, ticket)) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let encoded = ticket
            .wait()
            .and_then(|encoded| encoded)
            .map_err(|source| MkfsError::output(format!("block {block}"), source))?;
        let at = encoded.placed_at(self.spool.len());
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

    fn read_first_chunk(&self, large: &LargeContent<'_>) -> Result<Vec<u8>> {
        match large.segments.first() {
            Some(&(start, len)) => read_chunk(large, start, len.min(1 << self.sizes.chunk_log)),
            None => Ok(Vec::new()),
        }
    }

    fn digest_of(&self, large: &LargeContent<'_>) -> Result<Digest> {
        let mut hasher = HoleHasher::default();
        for &(start, len) in &large.segments {
            hasher.skip_to(start);
            let mut at = start;
            while at < start + len {
                let take = (1u64 << self.sizes.chunk_log).min(start + len - at);
                hasher.update(&read_chunk(large, at, take)?);
                at += take;
            }
        }
        Ok(hasher.finish(large.size))
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

fn read_chunk(large: &LargeContent<'_>, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut chunk = vec![0; len as usize];
    let found = super::read::read_full_at(large.file, &mut chunk, at)
        .map_err(|source| MkfsError::source(large.path, source))?;
    if found < chunk.len() {
        let (expected, found) = (large.size, at + found as u64);
        return Err(MkfsError::Shrank { path: large.path.to_owned(), expected, found });
    }
    Ok(chunk)
}

fn take_number(next: &mut u64) -> u64 {
    let number = *next;
    *next += 1;
    number
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// An error from a file that records are spilled to.
pub(super) fn spill_error(source: io::Error) -> MkfsError {
    MkfsError::output("a temporary file", source)
}
