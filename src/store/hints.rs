//! The leaf that was used last in each tree: whoever lists a directory or reads one
//! file after the other finds the next entry there, without the way down from the
//! root and its look-ups in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::format::{Node, TREE_COUNT, TreeKind};

/// Threads that have leaves of their own; further ones share.
const SLOTS: usize = 4;

/// A leaf for each tree and slot.
#[derive(Debug, Default)]
pub(super) struct Hints {
    leaves: [[Mutex<Option<Arc<Node>>>; TREE_COUNT]; SLOTS],
}

impl Hints {
    /// The leaf used last by this thread, if `key` has its place in it.
    pub(super) fn leaf_for(&self, tree: TreeKind, key: &[u8]) -> Option<Arc<Node>> {
        let leaf = self.leaves[slot()][tree as usize].lock();
        let node = leaf.as_ref()?;
        let holds = node.key(0) <= key && key <= node.key(node.count() - 1);
        holds.then(|| Arc::clone(node))
    }

    /// `leaf` of `tree` was used by this thread.
    pub(super) fn was_used(&self, tree: TreeKind, leaf: &Arc<Node>) {
        *self.leaves[slot()][tree as usize].lock() = Some(Arc::clone(leaf));
    }
}

/// The calling thread's slot.
fn slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
    }
    SLOT.with(|slot| *slot)
}
