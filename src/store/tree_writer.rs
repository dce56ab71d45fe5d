//! Writing a B+tree from sorted entries, level by level as nodes fill up.

use std::collections::VecDeque;

use crate::format::{
    ENTRY_OVERHEAD, FormatError, MAX_NODE, NodeBuilder, NodeRef, StoredRef, TreeKind, TreeRoot,
};

/// Raw bytes a node is filled up to: large enough to compress, small enough
/// that a look-up decodes little.
const NODE_TARGET: usize = 32 * 1024;

/// A sink for nodes: has them encoded, by others perhaps, and gives them places
/// in the stream in the order in which they came.
pub trait NodeSink {
    /// Takes a raw node to be encoded.
    ///
    /// # Errors
    /// When it cannot be.
    fn begin(&mut self, raw: Vec<u8>) -> std::io::Result<()>;

    /// Appends the oldest node that was begun and not placed; returns where it is.
    ///
    /// # Errors
    /// When it cannot be encoded or written, or there is none.
    fn place(&mut self) -> std::io::Result<StoredRef>;
}

/// Nodes that may be begun before the first of them is placed. The order of
/// nodes in the stream depends on it, so it is the same for any number of threads.
const MAX_BEGUN: usize = 64;

/// Builds one tree; entries come in strictly ascending order of their keys.
#[derive(Debug)]
pub struct TreeWriter {
    tree: TreeKind,
    levels: Vec<Level>,
    begun: VecDeque<Begun>,
    last_key: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Level {
    node: NodeBuilder,
    first_key: Vec<u8>,
    entries: u64,
    /// Whether a node of this level was begun already.
    begun: bool,
}

/// A node that is being encoded.
#[derive(Debug)]
struct Begun {
    level: usize,
    first_key: Vec<u8>,
    entries: u64,
}

impl TreeWriter {
    /// An empty tree.
    pub fn new(tree: TreeKind) -> Self {
        Self { tree, levels: Vec::new(), begun: VecDeque::new(), last_key: None }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When a node cannot be encoded or written, or the key is not above the last.
    pub fn push(
        &mut self,
        key: &[u8],
        value: &[u8],
        sink: &mut dyn NodeSink,
    ) -> std::io::Result<()> {
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(std::io::Error::other(FormatError::KeyOrder(0)));
        }
        self.last_key = Some(key.to_vec());
        self.add(0, key, value, 1, sink)?;
        while self.begun.len() > MAX_BEGUN {
            self.place_oldest(sink)?;
        }
        Ok(())
    }

    /// Writes what is left and returns the root; `None` for the empty tree.
    ///
    /// # Errors
    /// When a node cannot be encoded or written.
    pub fn finish(mut self, sink: &mut dyn NodeSink) -> std::io::Result<Option<TreeRoot>> {
        let mut index = 0;
        // A level is complete when all nodes below it are placed.
        while !self.begun.is_empty() {
            self.place_oldest(sink)?;
        }
        while index < self.levels.len() {
            let is_top = index + 1 == self.levels.len();
            if is_top && !self.levels[index].begun {
                let Begun { entries, .. } = self.begin_node(index, sink)?;
                let node = NodeRef { entries, at: sink.place()? };
                return Ok(Some(TreeRoot { level: index as u8, node }));
            }
            if !self.levels[index].node.is_empty() {
                self.close_node(index, sink)?;
            }
            while !self.begun.is_empty() {
                self.place_oldest(sink)?;
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
            self.close_node(level, sink)?;
        }
        let level = &mut self.levels[level];
        if level.node.is_empty() {
            level.first_key = key.to_vec();
        }
        level.node.push(key, value);
        level.entries += entries;
        Ok(())
    }

    /// Has the open node of a level encoded.
    fn close_node(&mut self, level: usize, sink: &mut dyn NodeSink) -> std::io::Result<()> {
        let begun = self.begin_node(level, sink)?;
        self.begun.push_back(begun);
        Ok(())
    }

    fn begin_node(&mut self, level: usize, sink: &mut dyn NodeSink) -> std::io::Result<Begun> {
        let fresh = Level { begun: true, ..Level::new(self.tree, level) };
        let full = std::mem::replace(&mut self.levels[level], fresh);
        sink.begin(full.node.finish())?;
        Ok(Begun { level, first_key: full.first_key, entries: full.entries })
    }

    /// Places the oldest node and enters it in the level above.
    fn place_oldest(&mut self, sink: &mut dyn NodeSink) -> std::io::Result<()> {
        let Some(Begun { level, first_key, entries }) = self.begun.pop_front() else {
            return Ok(());
        };
        let node = NodeRef { entries, at: sink.place()? };
        self.add(level + 1, &first_key, &node.to_bytes(), entries, sink)
    }
}

impl Level {
    fn new(tree: TreeKind, level: usize) -> Self {
        let node = NodeBuilder::new(tree as u8, level as u8);
        Self { node, first_key: Vec::new(), entries: 0, begun: false }
    }
}
