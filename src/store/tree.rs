//! Walking the B+trees: search, order statistics and cursors over shared nodes.

use std::sync::Arc;

use super::{Result, Store};
use crate::format::{FormatError, Node, NodeRef, TreeKind};

/// A value in a leaf, kept alive by its node.
#[derive(Debug, Clone)]
pub struct Entry {
    node: Arc<Node>,
    index: usize,
}

impl Entry {
    /// The key.
    pub fn key(&self) -> &[u8] {
        self.node.key(self.index)
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        self.node.value(self.index)
    }
}

/// A position in a tree, moving forwards.
#[derive(Debug)]
pub struct Cursor<'a> {
    store: &'a Store,
    tree: TreeKind,
    /// From the root to the leaf: the node and the index in it. Empty: past the end.
    path: Vec<(Arc<Node>, usize)>,
    /// The last key of the leaf that was left. A picture may tie the same node
    /// into a tree many times over; keys that must rise keep the walk finite.
    last_key: Vec<u8>,
}

impl<'a> Cursor<'a> {
    /// The first entry whose key is not below `key`.
    pub(super) fn seek(store: &'a Store, tree: TreeKind, key: &[u8]) -> Result<Self> {
        let mut cursor = Self { store, tree, path: Vec::new(), last_key: Vec::new() };
        cursor.descend(|node| child_for(node, key))?;
        if let Some((leaf, index)) = cursor.path.last_mut() {
            *index = leaf.search(key).unwrap_or_else(|index| index);
            cursor.leave_ended_nodes()?;
        }
        Ok(cursor)
    }

    /// The entry with `ordinal` entries before it.
    pub(super) fn select(store: &'a Store, tree: TreeKind, ordinal: u64) -> Result<Self> {
        let mut cursor = Self { store, tree, path: Vec::new(), last_key: Vec::new() };
        if store.superblock().root(tree).is_none_or(|root| ordinal >= root.node.entries) {
            return Ok(cursor);
        }
        let mut left = ordinal;
        cursor.descend(|node| {
            for index in 0..node.count() {
                let below = entries_below(node, index);
                if left < below {
                    return index;
                }
                left -= below;
            }
            node.count() - 1
        })?;
        if let Some((_, index)) = cursor.path.last_mut() {
            *index = left as usize;
            cursor.leave_ended_nodes()?;
        }
        Ok(cursor)
    }

    /// The entry at the cursor, which then moves on; `None` at the end.
    #[allow(clippy::should_implement_trait)] // It is fallible, and borrows the store.
    pub fn next(&mut self) -> Result<Option<Entry>> {
        let Some((node, index)) = self.path.last_mut() else {
            return Ok(None);
        };
        let entry = Entry { node: Arc::clone(node), index: *index };
        *index += 1;
        self.leave_ended_nodes()?;
        Ok(Some(entry))
    }

    /// Goes down from the root; `choose` picks the child of each inner node.
    fn descend(&mut self, mut choose: impl FnMut(&Node) -> usize) -> Result<()> {
        let Some(root) = self.store.superblock().root(self.tree) else {
            return Ok(());
        };
        let (mut at, mut level) = (root.node, root.level);
        loop {
            let node = self.store.node(self.tree, level, &at)?;
            if level == 0 {
                self.path.push((node, 0));
                return Ok(());
            }
            let index = choose(&node);
            at = self.store.child(&node, index)?;
            self.path.push((node, index));
            level -= 1;
        }
    }

    /// Steps to the next leaf while the cursor stands behind the end of one.
    fn leave_ended_nodes(&mut self) -> Result<()> {
        while self.path.last().is_some_and(|(node, index)| *index >= node.count()) {
            if let Some((node, _)) = self.path.pop()
                && node.level() == 0
            {
                self.last_key = node.key(node.count() - 1).to_vec();
            }
            let Some((parent, index)) = self.path.last_mut() else {
                return Ok(());
            };
            *index += 1;
            if *index < parent.count() {
                self.descend_first()?;
            }
        }
        Ok(())
    }

    /// Goes down to the first leaf below the path's last entry.
    fn descend_first(&mut self) -> Result<()> {
        while let Some((node, index)) = self.path.last()
            && node.level() > 0
        {
            let at = self.store.child(node, *index)?;
            let child = self.store.node(self.tree, node.level() - 1, &at)?;
            if child.level() == 0 && child.key(0) <= self.last_key.as_slice() {
                let at = format!("{:?} tree", self.tree);
                return Err(super::StoreError::Format { at, source: FormatError::KeyOrder(0) });
            }
            self.path.push((child, 0));
        }
        Ok(())
    }
}

/// The child of an inner node under which `key` stands, if anywhere.
fn child_for(node: &Node, key: &[u8]) -> usize {
    match node.search(key) {
        Ok(index) => index,
        Err(index) => index.saturating_sub(1),
    }
}

/// Leaf entries below the child `index` of an inner node.
fn entries_below(node: &Node, index: usize) -> u64 {
    // The node's parser has checked every reference in it: the count comes first.
    node.value(index).first_chunk().map_or(0, |count| u64::from_le_bytes(*count))
}

impl Store {
    /// The value of exactly `key`.
    pub fn get(&self, tree: TreeKind, key: &[u8]) -> Result<Option<Entry>> {
        let Some(root) = self.superblock().root(tree) else {
            return Ok(None);
        };
        if let Some(node) = self.hints.leaf_for(tree, key) {
            return Ok(node.search(key).ok().map(|index| Entry { node, index }));
        }
        let (mut at, mut level) = (root.node, root.level);
        // What the keys of the leaf must not be below, and must be below.
        let (mut least, mut bound): (Option<Entry>, Option<Entry>) = (None, None);
        loop {
            let node = self.node(tree, level, &at)?;
            if level == 0 {
                // Of a forged tree leaves may overlap: such a one decides nothing but this.
                let fits = least.is_none_or(|least| least.key() <= node.key(0))
                    && bound.is_none_or(|bound| node.key(node.count() - 1) < bound.key());
                if fits {
                    self.hints.was_used(tree, &node);
                }
                return Ok(node.search(key).ok().map(|index| Entry { node, index }));
            }
            let index = child_for(&node, key);
            at = self.child(&node, index)?;
            level -= 1;
            if index + 1 < node.count() {
                bound = Some(Entry { node: Arc::clone(&node), index: index + 1 });
            }
            least = Some(Entry { node, index });
        }
    }

    /// The last entry whose key is not above `key`.
    pub fn floor(&self, tree: TreeKind, key: &[u8]) -> Result<Option<Entry>> {
        let Some(root) = self.superblock().root(tree) else {
            return Ok(None);
        };
        let (mut at, mut level) = (root.node, root.level);
        loop {
            let node = self.node(tree, level, &at)?;
            let index = match node.search(key) {
                Ok(index) => index,
                // Only the first key of the whole tree can be above `key`: an
                // inner key is the first key below it.
                Err(0) => return Ok(None),
                Err(index) => index - 1,
            };
            if level == 0 {
                return Ok(Some(Entry { node, index }));
            }
            at = self.child(&node, index)?;
            level -= 1;
        }
    }

    /// Number of entries whose keys are below `key`.
    pub fn rank(&self, tree: TreeKind, key: &[u8]) -> Result<u64> {
        let Some(root) = self.superblock().root(tree) else {
            return Ok(0);
        };
        let (mut at, mut level, mut before) = (root.node, root.level, 0u64);
        loop {
            let node = self.node(tree, level, &at)?;
            if level == 0 {
                let index = node.search(key).unwrap_or_else(|index| index);
                return Ok(before.saturating_add(index as u64));
            }
            let index = child_for(&node, key);
            for left in 0..index {
                before = before.saturating_add(entries_below(&node, left));
            }
            at = self.child(&node, index)?;
            level -= 1;
        }
    }

    /// A cursor at the first entry whose key is not below `key`.
    pub fn seek(&self, tree: TreeKind, key: &[u8]) -> Result<Cursor<'_>> {
        Cursor::seek(self, tree, key)
    }

    /// A cursor at the entry with `ordinal` entries before it.
    pub fn select(&self, tree: TreeKind, ordinal: u64) -> Result<Cursor<'_>> {
        Cursor::select(self, tree, ordinal)
    }

    fn child(&self, node: &Node, index: usize) -> Result<NodeRef> {
        NodeRef::parse(node.value(index)).map_err(|source| super::StoreError::Format {
            at: format!("entry {index} of an inner node"),
            source,
        })
    }
}
