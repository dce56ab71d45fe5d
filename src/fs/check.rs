//! Checking a whole picture against the rules of the format (`pxfs verify`).
//!
//! In: an open store. Out: a [`Report`] of typed findings. Everything is read,
//! nothing is trusted, nothing is changed; damage in one place does not keep
//! the check from the rest. Memory: the store's caches, 32 bytes a block or
//! node, 21 bytes an inode (29 a directory), 16 MiB for look-ups. Work is bounded by what the picture stores plus
//! [`CheckOptions::max_extra`], however its references are tied.
//!
//! ```text
//! media (container, slots, info) -> blocks -> extents, contents, ids -> xattr sets
//!   -> inodes -> names -> span (overlaps) -> locate (paths of the files concerned)
//! ```

mod blocks;
mod contents;
mod extents;
mod finding;
mod inodes;
mod locate;
mod media;
mod names;
mod nodes;
mod span;
mod xattrs;

use std::sync::Arc;

pub use finding::{Checked, Finding, Level, Place, Problem, Report};

use crate::format::{TREE_COUNT, TreeKind};
use crate::store::Store;
use extents::Covered;
use inodes::Inodes;
use media::Plane;
use span::Spans;

/// Limits of a check.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// Bytes of file contents to be hashed beyond twice what the blocks hold:
    /// holes, mostly. Contents that do not fit are named, not hashed.
    pub max_extra: u64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        // Some minutes of zeros: enough for disk images, too little to hang.
        Self { max_extra: 256 << 30 }
    }
}

/// What a check is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bytes of the picture's file.
    Container,
    /// Stored bytes of blocks.
    Blocks,
    /// Contents.
    Contents,
    /// Inodes.
    Inodes,
    /// Names.
    Names,
}

impl Phase {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Blocks => "blocks",
            Self::Contents => "contents",
            Self::Inodes => "inodes",
            Self::Names => "names",
        }
    }
}

/// Is told the phase, how much of it is done and how much there is.
pub type OnProgress<'a> = dyn FnMut(Phase, u64, u64) + 'a;

/// Checks everything in the picture that `store` lies in.
pub fn check(store: &Store, options: &CheckOptions, progress: &mut OnProgress<'_>) -> Report {
    let mut check = Check {
        store,
        report: Report::default(),
        spans: Spans::default(),
        whole: [true; TREE_COUNT],
        locating: false,
        allowance: options.max_extra,
        last_block: None,
    };
    check.run(progress);
    check.report.ok = check.report.errors == 0;
    check.report
}

/// A check under way.
struct Check<'b> {
    store: &'b Store,
    report: Report,
    spans: Spans,
    /// Trees of which every node could be read.
    whole: [bool; TREE_COUNT],
    /// Whether trees are walked once more, only to find paths.
    locating: bool,
    /// Bytes that may still be hashed.
    allowance: u64,
    /// Contents that follow each other lie in the same block.
    last_block: Option<(u64, Arc<Vec<u8>>)>,
}

impl Check<'_> {
    fn run(&mut self, progress: &mut OnProgress<'_>) {
        self.check_container(&mut |done, total| progress(Phase::Container, done, total));
        self.check_slots();
        let plane: Option<Plane> = self.check_info();
        self.check_blocks(&mut |done, total| progress(Phase::Blocks, done, total));
        let covered: Covered = self.check_extents();
        let mut on_contents = |done, total| progress(Phase::Contents, done, total);
        self.check_contents(&covered, plane, &mut on_contents);
        self.check_ids();
        let sets = self.check_xattrs();
        let mut on_inodes = |done, total| progress(Phase::Inodes, done, total);
        let mut inodes: Inodes = self.check_inodes(&covered, &sets, &mut on_inodes);
        self.check_names(&mut inodes, &mut |done, total| progress(Phase::Names, done, total));
        self.check_links(&inodes);
        self.check_overlaps();
        self.locate();
    }

    /// Leaf entries of a tree, as its root says.
    fn entries(&self, tree: TreeKind) -> u64 {
        self.store.superblock().root(tree).map_or(0, |root| root.node.entries)
    }
}

/// The name of a tree in `docs/format.md`.
fn tree_name(tree: TreeKind) -> &'static str {
    match tree {
        TreeKind::Inodes => "inode",
        TreeKind::Dirents => "name",
        TreeKind::Contents => "content",
        TreeKind::Ids => "id",
        TreeKind::Blocks => "block",
        TreeKind::Extents => "extent",
        TreeKind::Xattrs => "xattr",
        TreeKind::Info => "info",
    }
}

/// Told how much is done of how much.
type OnStep<'a> = dyn FnMut(u64, u64) + 'a;
