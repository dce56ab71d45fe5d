//! Blocks, codecs, caches and B+trees on a pixel stream.
//!
//! In: an opened picture. Out: checked records and decoded blocks, cached
//! within one budget of memory. Never: paths, files of the tree, FUSE.

pub(crate) mod cache;
mod codec;
mod error;
mod filter;
mod hints;
mod open;
mod tree;
mod tree_writer;

pub use cache::CacheStats;
pub use codec::{Encoded, Encoder, Encoding, Nature};
pub use error::{Result, StoreError, hex};
pub use open::OpenOptions;
pub use tree::{Cursor, Entry};
pub use tree_writer::{NodeSink, TreeWriter};

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::format::{
    BlockNo, ContentNo, ContentRecord, FormatError, HEADER_LEN, MAX_BLOCK, MAX_NODE, Node, NodeRef,
    StoredRef, Superblock, TreeKind, number_key,
};
use crate::picture::{Picture, PixelStream};
use cache::Cache;
use hints::Hints;

/// What the cache itself takes for an entry, beside what it holds.
const ENTRY_WEIGHT: usize = 256;

/// A cached thing is known by its place and its checksum, so that two
/// references that disagree about the same place never share an entry.
type CacheKey = (u64, u64);

/// The content store of a picture, read-only.
#[derive(Debug)]
pub struct Store {
    picture: Picture,
    stream: PixelStream,
    superblock: Superblock,
    /// Whether a digest is pinned, so that every read must prove itself.
    pinned: bool,
    nodes: Cache<CacheKey, Node>,
    blocks: Cache<CacheKey, Vec<u8>>,
    hints: Hints,
}

impl Store {
    /// The superblock in force.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The picture that the store lies in.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Counters of the caches of nodes and of blocks.
    pub fn cache_stats(&self) -> [CacheStats; 2] {
        [self.nodes.stats(), self.blocks.stats()]
    }

    /// A node of a tree, checked, at the level that its parent says.
    pub(crate) fn node(&self, tree: TreeKind, level: u8, at: &NodeRef) -> Result<Arc<Node>> {
        let failed = |source| StoreError::Format {
            at: format!("tree node at offset {}", at.at.offset),
            source,
        };
        if at.at.raw > MAX_NODE {
            return Err(failed(FormatError::field("tree node", "raw length", at.at.raw)));
        }
        let room = at.at.raw as usize + ENTRY_WEIGHT;
        let node = self.nodes.get_or_load(&(at.at.offset, at.at.xxh3), room, || {
            let raw = self.load("tree node", &at.at)?;
            let node = Node::parse(raw, tree as u8, level, at.entries).map_err(failed)?;
            let weight = node.weight() + ENTRY_WEIGHT;
            Ok::<_, StoreError>((node, weight))
        })?;
        // A cached node was checked for the place it was first reached by.
        if node.level() != level || node.tree() != tree as u8 {
            return Err(failed(FormatError::field("tree node", "level", node.level())));
        }
        Ok(node)
    }

    /// The raw bytes of a block.
    pub fn block(&self, number: BlockNo) -> Result<Arc<Vec<u8>>> {
        self.block_up_to(number, u64::from(MAX_BLOCK))
    }

    /// The raw bytes of a block that has `most` of them at most. A longer one
    /// is not decoded: chunks of 4 KiB must not cost 16 MiB each.
    pub fn block_up_to(&self, number: BlockNo, most: u64) -> Result<Arc<Vec<u8>>> {
        let at = self.block_ref(number)?;
        if u64::from(at.raw) > most {
            let source = FormatError::field("block of a run", "raw length", at.raw);
            return Err(StoreError::Format { at: format!("block {number}"), source });
        }
        let weight = at.raw as usize + ENTRY_WEIGHT;
        self.blocks
            .get_or_load(&(at.offset, at.xxh3), weight, || Ok((self.load("block", &at)?, weight)))
    }

    /// Where a block is stored.
    pub fn block_ref(&self, number: BlockNo) -> Result<StoredRef> {
        let entry = self.need(TreeKind::Blocks, number)?;
        StoredRef::parse(entry.value())
            .map_err(|source| StoreError::Format { at: format!("block {number}"), source })
    }

    /// The record of a content.
    pub fn content(&self, number: ContentNo) -> Result<ContentRecord> {
        let entry = self.need(TreeKind::Contents, number)?;
        ContentRecord::parse(entry.value())
            .map_err(|source| StoreError::Format { at: format!("content {number}"), source })
    }

    /// The entry of a numbered tree, or [`StoreError::Missing`].
    pub fn need(&self, tree: TreeKind, key: u64) -> Result<Entry> {
        self.get(tree, &number_key(key))?.ok_or(StoreError::Missing { tree, key })
    }

    /// Reads, checks and decodes stored bytes, past the cache.
    pub fn load(&self, what: &'static str, at: &StoredRef) -> Result<Vec<u8>> {
        self.load_checked(what, at, self.pinned)
    }

    /// As [`Store::load`], with the SHA-256 checked whether or not a digest is pinned.
    pub fn load_proven(&self, what: &'static str, at: &StoredRef) -> Result<Vec<u8>> {
        self.load_checked(what, at, true)
    }

    fn load_checked(&self, what: &'static str, at: &StoredRef, prove: bool) -> Result<Vec<u8>> {
        let StoredRef { offset, raw, .. } = *at;
        if at.codec.features() & !self.superblock.incompat != 0 {
            let source = FormatError::field(what, "codec", at.codec as u8);
            return Err(StoreError::Format { at: format!("{what} at {offset}"), source });
        }
        let end = offset.checked_add(u64::from(at.stored));
        let len = self.superblock.stream_len;
        if offset < HEADER_LEN || end.is_none_or(|end| end > len) {
            return Err(StoreError::Outside { what, offset, len });
        }
        let mut stored = vec![0; at.stored as usize];
        self.stream.read_at(offset, &mut stored)?;
        let found = xxh3_64(&stored);
        if found != at.xxh3 {
            return Err(StoreError::Checksum { what, offset, found, expected: at.xxh3 });
        }
        if prove && Sha256::digest(&stored)[..] != at.sha256 {
            return Err(StoreError::Digest { what, offset });
        }
        codec::decode(at.codec, stored, raw as usize).ok_or(StoreError::Decode {
            what,
            offset,
            raw,
        })
    }

    /// Reads payload bytes that lie outside blocks and nodes (the plane of pixels).
    pub fn read_stream(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        Ok(self.stream.read_at(offset, buf)?)
    }
}
