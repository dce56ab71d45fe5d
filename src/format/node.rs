//! Tree nodes: sorted entries of a key and a value, with a table of their offsets.
//!
//! ```text
//! 0      u8      tree number          8              u32 x count  offset of each entry
//! 1      u8      level, 0 is a leaf   8 + 4 * count  the entries, in order:
//! 2      u16     zero                                u16 key length, u16 value length,
//! 4      u32     count                               key, value
//! ```

use super::{FormatError, NodeRef};

/// The largest node a reader accepts, raw.
pub const MAX_NODE: u32 = 1 << 18;

/// Bytes before the table of offsets.
pub const NODE_HEADER: usize = 8;

/// Bytes of an entry beside its key and value, its place in the table included.
pub const ENTRY_OVERHEAD: usize = 8;

const WHAT: &str = "tree node";

/// A decoded node whose whole structure has been checked.
#[derive(Debug)]
pub struct Node {
    raw: Vec<u8>,
    level: u8,
    count: usize,
}

impl Node {
    /// Checks `raw` as a node of `tree` at `level` with `entries` leaf entries
    /// below it, and takes it over.
    ///
    /// # Errors
    /// Any rule of the layout broken: lengths, offsets, key order, counts. A
    /// node that passes can be searched and read without further checks.
    pub fn parse(raw: Vec<u8>, tree: u8, level: u8, entries: u64) -> Result<Self, FormatError> {
        if raw.len() < NODE_HEADER {
            return Err(FormatError::Length { what: WHAT, have: raw.len(), need: NODE_HEADER });
        }
        if raw[0] != tree {
            return Err(FormatError::field(WHAT, "tree number", raw[0]));
        }
        // A child's level is one below its parent's, so a descent ends however
        // the references are tied.
        if raw[1] != level {
            return Err(FormatError::field(WHAT, "level", raw[1]));
        }
        if raw[2] != 0 || raw[3] != 0 {
            return Err(FormatError::field(WHAT, "a reserved byte", raw[2].max(raw[3])));
        }
        let count = u32::from_le_bytes([raw[4], raw[5], raw[6], raw[7]]) as usize;
        if count == 0 || count > (raw.len() - NODE_HEADER) / ENTRY_OVERHEAD {
            return Err(FormatError::field(WHAT, "entry count", count as u64));
        }
        let node = Self { raw, level, count };
        node.check_entries()?;
        node.check_counts(entries)?;
        Ok(node)
    }

    fn check_entries(&self) -> Result<(), FormatError> {
        let mut expected = NODE_HEADER + 4 * self.count;
        let mut last_key: Option<&[u8]> = None;
        for index in 0..self.count {
            let offset = self.offset(index);
            if offset != expected {
                return Err(FormatError::field(WHAT, "entry offset", offset as u64));
            }
            let Some(head) = self.raw.get(offset..offset + 4) else {
                return Err(self.short(offset + 4));
            };
            let key_len = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let value_len = usize::from(u16::from_le_bytes([head[2], head[3]]));
            expected = offset + 4 + key_len + value_len;
            if expected > self.raw.len() {
                return Err(self.short(expected));
            }
            let key = &self.raw[offset + 4..offset + 4 + key_len];
            if last_key.is_some_and(|last| last >= key) {
                return Err(FormatError::KeyOrder(index));
            }
            last_key = Some(key);
        }
        if expected == self.raw.len() { Ok(()) } else { Err(self.short(expected)) }
    }

    fn check_counts(&self, entries: u64) -> Result<(), FormatError> {
        let mut total = self.count as u64;
        if self.level > 0 {
            total = 0;
            for index in 0..self.count {
                total = total.saturating_add(NodeRef::parse(self.value(index))?.entries);
            }
        }
        if total == entries {
            return Ok(());
        }
        Err(FormatError::field(WHAT, "number of entries below", total))
    }

    fn short(&self, need: usize) -> FormatError {
        FormatError::Length { what: WHAT, have: self.raw.len(), need }
    }

    fn offset(&self, index: usize) -> usize {
        let at = NODE_HEADER + 4 * index;
        let bytes = [self.raw[at], self.raw[at + 1], self.raw[at + 2], self.raw[at + 3]];
        u32::from_le_bytes(bytes) as usize
    }

    /// Number of the tree that the node belongs to.
    pub fn tree(&self) -> u8 {
        self.raw[0]
    }

    /// Level of the node: 0 is a leaf.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Number of entries in this node.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of memory the node takes.
    pub fn weight(&self) -> usize {
        self.raw.len()
    }

    /// The key of an entry; `index` is below [`Node::count`].
    pub fn key(&self, index: usize) -> &[u8] {
        let offset = self.offset(index);
        let len = usize::from(u16::from_le_bytes([self.raw[offset], self.raw[offset + 1]]));
        &self.raw[offset + 4..offset + 4 + len]
    }

    /// The value of an entry; `index` is below [`Node::count`].
    pub fn value(&self, index: usize) -> &[u8] {
        let offset = self.offset(index);
        let key = usize::from(u16::from_le_bytes([self.raw[offset], self.raw[offset + 1]]));
        let value = usize::from(u16::from_le_bytes([self.raw[offset + 2], self.raw[offset + 3]]));
        &self.raw[offset + 4 + key..offset + 4 + key + value]
    }

    /// The first entry whose key is not below `key`: `Ok` if it is equal.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

/// Collects entries in key order into the bytes of a node.
#[derive(Debug)]
pub struct NodeBuilder {
    tree: u8,
    level: u8,
    offsets: Vec<u32>,
    entries: Vec<u8>,
}

impl NodeBuilder {
    /// An empty node of `tree` at `level`.
    pub fn new(tree: u8, level: u8) -> Self {
        Self { tree, level, offsets: Vec::new(), entries: Vec::new() }
    }

    /// Adds an entry; its key is above all keys so far, key and value are
    /// shorter than 64 KiB each.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(key.len() <= 0xffff && value.len() <= 0xffff);
        self.offsets.push(self.entries.len() as u32);
        self.entries.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.entries.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.entries.extend_from_slice(key);
        self.entries.extend_from_slice(value);
    }

    /// Number of entries so far.
    pub fn count(&self) -> usize {
        self.offsets.len()
    }

    /// Length of the node if it were finished now.
    pub fn len(&self) -> usize {
        NODE_HEADER + 4 * self.offsets.len() + self.entries.len()
    }

    /// Whether no entry has been added.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The node's bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(self.len());
        raw.extend_from_slice(&[self.tree, self.level, 0, 0]);
        raw.extend_from_slice(&(self.offsets.len() as u32).to_le_bytes());
        let base = (NODE_HEADER + 4 * self.offsets.len()) as u32;
        for offset in &self.offsets {
            raw.extend_from_slice(&(base + offset).to_le_bytes());
        }
        raw.extend_from_slice(&self.entries);
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Vec<u8> {
        let mut builder = NodeBuilder::new(3, 0);
        builder.push(b"apple", b"1");
        builder.push(b"pear", b"");
        builder.push(b"plum", b"three");
        builder.finish()
    }

    #[test]
    fn entries_are_found() {
        let node = Node::parse(leaf(), 3, 0, 3).expect("a good node");
        assert_eq!(node.search(b"pear"), Ok(1));
        assert_eq!(node.search(b"aaa"), Err(0));
        assert_eq!(node.search(b"pz"), Err(3));
        assert_eq!((node.key(2), node.value(2)), (&b"plum"[..], &b"three"[..]));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_changes_only_keys_and_values() {
        let good = leaf();
        for byte in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[byte] ^= 1 << bit;
                if let Ok(node) = Node::parse(bad, 3, 0, 3) {
                    for index in 0..node.count() {
                        let _ = (node.key(index), node.value(index));
                    }
                    assert!(byte >= NODE_HEADER + 12, "header byte {byte} is not checked");
                }
            }
        }
    }

    #[test]
    fn truncated_nodes_are_refused() {
        for len in 0..leaf().len() {
            assert!(Node::parse(leaf()[..len].to_vec(), 3, 0, 3).is_err(), "length {len}");
        }
        assert!(Node::parse(leaf(), 3, 0, 4).is_err(), "a wrong number of entries");
        assert!(Node::parse(leaf(), 3, 1, 3).is_err(), "a wrong level");
    }
}
