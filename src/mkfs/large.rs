//! Large files: read chunk by chunk, hashed, cut into blocks of their own. No
//! more of one is in memory than some chunks, whatever its size and its holes.

use std::fs::File;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::Progress;
use super::contents::{ContentWriter, HoleHasher, Stored, spill_error, take_number};
use super::error::{MkfsError, Result};
use super::pixels::Found;
use super::read::{next_segment, read_full_at};
use super::tape::Tape;
use crate::format::{ContentNo, Digest, Extent, ExtentKind, Extents};
use crate::store::Nature;

/// Bytes of extents of one file that are kept in memory.
const EXTENTS_IN_MEMORY: usize = 1 << 20;

/// Bytes that are hashed between two reports of progress in a hole.
const REPORT: u64 = 8 << 20;

/// Where the holes of a large file are.
#[derive(Debug)]
pub(super) enum Layout {
    /// There are none.
    Dense,
    /// Between these segments, each with its start and length.
    Segments(Vec<(u64, u64)>),
    /// Where its file system says.
    AskFile,
}

/// A file that is read chunk by chunk.
#[derive(Debug)]
pub(super) struct LargeContent<'a> {
    /// The open file.
    pub file: &'a File,
    /// Its size.
    pub size: u64,
    /// Its holes.
    pub layout: Layout,
    /// For messages.
    pub path: &'a Path,
}

impl LargeContent<'_> {
    /// Start and length of the first segment that begins at `at` or later.
    fn segment_from(&self, at: u64) -> Result<Option<(u64, u64)>> {
        match &self.layout {
            Layout::Dense => Ok((at == 0).then_some((0, self.size))),
            Layout::Segments(segments) => {
                let index = segments.partition_point(|&(start, _)| start < at);
                Ok(segments.get(index).copied())
            }
            Layout::AskFile => next_segment(self.file, at, self.size)
                .map_err(|source| MkfsError::source(self.path, source)),
        }
    }

    fn read(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        let mut chunk = vec![0; len as usize];
        let found = read_full_at(self.file, &mut chunk, at)
            .map_err(|source| MkfsError::source(self.path, source))?;
        if found < chunk.len() {
            let (expected, found) = (self.size, at + found as u64);
            return Err(MkfsError::Shrank { path: self.path.to_owned(), expected, found });
        }
        Ok(chunk)
    }

    /// Calls `visit` with all that is no hole, in chunks of up to `chunk_len`
    /// bytes: where each is, whether it begins a segment, and its bytes.
    fn read_all(
        &self,
        chunk_len: u64,
        progress: Option<&mut dyn Progress>,
        mut visit: impl FnMut(u64, bool, Vec<u8>) -> Result<()>,
    ) -> Result<Summary> {
        let mut sums = Sums::new(progress);
        let mut from = 0;
        while let Some((start, len)) = self.segment_from(from)? {
            sums.begin_segment(start, len);
            let end = start + len;
            let mut at = start;
            while at < end {
                let chunk = self.read(at, chunk_len.min(end - at))?;
                sums.add(&chunk);
                let next = at + chunk.len() as u64;
                visit(at, at == start, chunk)?;
                at = next;
            }
            from = end;
        }
        Ok(sums.finish(self.size))
    }
}

/// What there is to know of a large file when all of it was read.
struct Summary {
    digest: Digest,
    /// Digest of the segments; `None` if there are no holes.
    layout: Option<Digest>,
    /// Bytes in segments.
    allocated: u64,
}

/// A [`Summary`] in the making; tells how far it is.
struct Sums<'p> {
    hasher: HoleHasher,
    segments: Sha256,
    allocated: u64,
    progress: Option<&'p mut dyn Progress>,
}

impl<'p> Sums<'p> {
    fn new(progress: Option<&'p mut dyn Progress>) -> Self {
        let (hasher, segments) = (HoleHasher::default(), Sha256::new());
        Self { hasher, segments, allocated: 0, progress }
    }

    fn begin_segment(&mut self, start: u64, len: u64) {
        self.hole(start);
        self.segments.update(start.to_le_bytes());
        self.segments.update(len.to_le_bytes());
        self.allocated += len;
    }

    fn add(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.tell(chunk.len() as u64);
    }

    /// Hashes zeros up to the offset `to`.
    fn hole(&mut self, to: u64) {
        while self.hasher.at() < to {
            let len = REPORT.min(to - self.hasher.at());
            self.hasher.skip_to(self.hasher.at() + len);
            self.tell(len);
        }
    }

    fn tell(&mut self, bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress.bytes(bytes);
        }
    }

    fn finish(mut self, size: u64) -> Summary {
        self.hole(size);
        let is_dense = self.allocated == size;
        let layout = (!is_dense).then(|| self.segments.finalize().into());
        Summary { digest: self.hasher.finish(size), layout, allocated: self.allocated }
    }
}

/// The extents of a file in the making, the last of which may still grow.
struct ExtentList {
    done: Tape,
    last: Option<Extent>,
}

impl ExtentList {
    /// The extent that goes on where `logical` is, if there is one of that kind.
    fn continued(&mut self, kind: ExtentKind, starts_segment: bool) -> Option<&mut Extent> {
        self.last.as_mut().filter(|last| !starts_segment && last.kind == kind)
    }

    fn push(&mut self, extent: Extent) -> Result<()> {
        if let Some(done) = self.last.replace(extent) {
            self.done.push(&done.to_bytes()).map_err(spill_error)?;
        }
        Ok(())
    }
}

impl ContentWriter<'_> {
    /// Stores a large content chunk by chunk, unless it is stored already.
    pub(super) fn add_large(
        &mut self,
        large: &LargeContent<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stored> {
        let first = match large.segment_from(0)? {
            Some((start, len)) => large.read(start, len.min(self.chunk_len()))?,
            None => Vec::new(),
        };
        let nature = Nature::of(&first);
        if !self.may_be_stored(large.size, &first)? {
            return self.store_large(large, nature, None, Some(progress));
        }
        let chunk_len = self.chunk_len();
        let sums = large.read_all(chunk_len, Some(progress), |_, _, _| Ok(()))?;
        if !self.pixels.is_known(&sums.digest)? {
            return self.store_large(large, nature, None, None);
        }
        match self.pixels.enter(&sums.digest, sums.layout.as_ref())? {
            Found::Known(number) => {
                let number = self.known(number, large.size);
                Ok(Stored { number, allocated: sums.allocated, sha256: sums.digest })
            }
            // The same bytes with other holes: a record of its own.
            found => self.store_large(large, nature, Some((sums.digest, found)), None),
        }
    }

    /// Whether there was a large content of the same size and the same first chunk.
    fn may_be_stored(&mut self, size: u64, first: &[u8]) -> Result<bool> {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&size.to_le_bytes());
        key[8..].copy_from_slice(&xxh3_128(first).to_le_bytes());
        let is_seen = self.large_seen.get(&key).map_err(spill_error)?.is_some();
        if !is_seen {
            self.large_seen.insert(&key, &[]).map_err(spill_error)?;
        }
        Ok(is_seen)
    }

    fn store_large(
        &mut self,
        large: &LargeContent<'_>,
        nature: Nature,
        entered: Option<(Digest, Found)>,
        progress: Option<&mut dyn Progress>,
    ) -> Result<Stored> {
        let done = Tape::with_limit(&self.scratch, EXTENTS_IN_MEMORY);
        let mut extents = ExtentList { done, last: None };
        let chunk_len = 1 << self.sizes.chunk_log_of(nature);
        let sums = large.read_all(chunk_len, progress, |at, starts_segment, chunk| {
            self.add_chunk(&mut extents, at, chunk, starts_segment, nature)
        })?;
        let found = match entered {
            Some((expected, found)) if expected == sums.digest => found,
            // Files change under our feet; what was read last is what is stored.
            _ => self.pixels.enter(&sums.digest, sums.layout.as_ref())?,
        };
        let number = match found {
            // A packed twin: small files of the same content do not exist, so
            // this is a file that changed; its blocks stay unused.
            Found::Known(number) => self.known(number, large.size),
            Found::New { number, id, first } => {
                let stored = self.enter_extents(number, extents)?;
                self.record(number, id, first, sums.digest, large.size, stored)?;
                number
            }
        };
        Ok(Stored { number, allocated: sums.allocated, sha256: sums.digest })
    }

    /// Enters the extents of a content, unless its record has room for them.
    fn enter_extents(&mut self, number: ContentNo, extents: ExtentList) -> Result<Extents> {
        let ExtentList { mut done, last } = extents;
        let Some(last) = last else {
            return Ok(Extents::None);
        };
        if done.len() == 0 {
            return Ok(Extents::One(last));
        }
        let mut at = 0;
        while at < done.len() {
            let (bytes, next) = done.read(at).map_err(spill_error)?;
            let extent =
                Extent::parse(bytes).map_err(|error| spill_error(std::io::Error::other(error)))?;
            self.enter_extent(number, &extent)?;
            at = next;
        }
        self.enter_extent(number, &last)?;
        Ok(Extents::Tree)
    }

    /// Sends a chunk to the pool and lengthens the last extent by it, or starts one.
    fn add_chunk(
        &mut self,
        extents: &mut ExtentList,
        logical: u64,
        chunk: Vec<u8>,
        starts_segment: bool,
        nature: Nature,
    ) -> Result<()> {
        let len = chunk.len() as u64;
        let kind = if is_zero(&chunk) { ExtentKind::Zero } else { ExtentKind::Data };
        let mut block = 0;
        if kind == ExtentKind::Data {
            block = take_number(&mut self.next_block);
            self.encode(block, nature, chunk)?;
        }
        if let Some(last) = extents.continued(kind, starts_segment) {
            // Blocks of one extent are consecutive: a zero chunk between two
            // runs takes no number and ends the extent.
            last.len += len;
            return Ok(());
        }
        let chunk_log = self.sizes.chunk_log_of(nature);
        extents.push(Extent { logical, len, block, offset: 0, chunk_log, kind })
    }

    fn chunk_len(&self) -> u64 {
        1 << self.chunk_log()
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
