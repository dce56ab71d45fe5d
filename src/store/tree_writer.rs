//! Writing a B+tree from sorted entries, level by level as nodes fill up.

use super::codec::{Encoded, Encoder};
use crate::format::{
    ENTRY_OVERHEAD, FormatError, MAX_NODE, NodeBuilder, NodeRef, StoredRef, TreeKind, TreeRoot,
};

/// Raw bytes a node is filled up to: large enough to compress, small enough
/// that a look-up decodes little.
const NODE_TARGET: usize = 32 * 1024;

/// A sink for encoded nodes: gives them a place in the stream.
pub trait NodeSink {
    /// Appends `encoded` to the stream and returns where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    fn append(&mut self, encoded: Encoded) -> std::io::Result<StoredRef>;
}

/// Builds one tree; entries come in strictly ascending order of their keys.
#[derive(Debug)]
pub struct TreeWriter {
    tree: TreeKind,
    levels: Vec<Level>,
    last_key: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Level {
    node: NodeBuilder,
    first_key: Vec<u8>,
    entries: u64,
    /// Whether a node of this level has been written already.
    written: bool,
}

impl TreeWriter {
    /// An empty tree.
    pub fn new(tree: TreeKind) -> Self {
        Self { tree, levels: Vec::new(), last_key: None }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When a node cannot be encoded or written, or the key is not above the last.
    pub fn push(
        &mut self,
        key: &[u8],
        value: &[u8],
        encoder: &mut Encoder,
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<()> {
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(std::io::Error::other(FormatError::KeyOrder(0)));
        }
        self.last_key = Some(key.to_vec());
        self.add(0, key, value, 1, encoder, sink)
    }

    /// Writes what is left and returns the root; `None` for the empty tree.
    ///
    /// # Errors
    /// When a node cannot be encoded or written.
    pub fn finish(
        mut self,
        encoder: &mut Encoder,
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<Option<TreeRoot>> {
        let mut index = 0;
        while index < self.levels.len() {
            let is_top = index + 1 == self.levels.len();
            if is_top && !self.levels[index].written {
                let (_, node) = self.write_node(index, encoder, sink)?;
                return Ok(Some(TreeRoot { level: index as u8, node }));
            }
            if !self.levels[index].node.is_empty() {
                self.close_node(index, encoder, sink)?;
            }
            index += 1;
        }
        Ok(None)
    }

    fn add(
        &mut self,
        level: usize,
        key: &[u8],
        value: &[u8],
        entries: u64,
        encoder: &mut Encoder,
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<()> {
        if level == self.levels.len() {
            self.levels.push(Level::new(self.tree, level));
        }
        let len = key.len() + value.len() + ENTRY_OVERHEAD;
        debug_assert!(len + NODE_TARGET <= MAX_NODE as usize);
        let node = &self.levels[level].node;
        // Two entries at least, so that every level is smaller than the one below.
        if node.count() >= 2 && node.len() + len > NODE_TARGET {
            self.close_node(level, encoder, sink)?;
        }
        let level = &mut self.levels[level];
        if level.node.is_empty() {
            level.first_key = key.to_vec();
        }
        level.node.push(key, value);
        level.entries += entries;
        Ok(())
    }

    /// Writes the open node of a level and enters it in the level above.
    fn close_node(
        &mut self,
        level: usize,
        encoder: &mut Encoder,
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<()> {
        let (key, node) = self.write_node(level, encoder, sink)?;
        self.add(level + 1, &key, &node.to_bytes(), node.entries, encoder, sink)
    }

    fn write_node(
        &mut self,
        level: usize,
        encoder: &mut Encoder,
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<(Vec<u8>, NodeRef)> {
        let fresh = Level { written: true, ..Level::new(self.tree, level) };
        let full = std::mem::replace(&mut self.levels[level], fresh);
        let at = sink.append(encoder.encode(full.node.finish())?)?;
        Ok((full.first_key, NodeRef { entries: full.entries, at }))
    }
}

impl Level {
    fn new(tree: TreeKind, level: usize) -> Self {
        let node = NodeBuilder::new(tree as u8, level as u8);
        Self { node, first_key: Vec::new(), entries: 0, written: false }
    }
}
