//! Directory listings as the kernel asks for them: `.` and `..` first, then the
//! tree's entries, continued from any offset that was handed out before.

use crate::fs::{FileKind, FsError, Ino, Result, Tree};

/// Offset after `.`; 0 is the start.
const AFTER_DOT: u64 = 1;

/// Offset after `..`; an entry's offset is the tree's own position plus this.
const AFTER_DOT_DOT: u64 = 2;

/// Entries taken from the tree at a time. They are copied out before their
/// attributes are asked for, so a tree may hold a lock while it lists; more
/// than a reply holds is copied in vain.
const BATCH: usize = 64;

/// An entry of a listing, ready for a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) ino: Ino,
    pub(super) kind: FileKind,
    pub(super) name: &'a [u8],
    /// Where the kernel continues after this entry.
    pub(super) offset: u64,
}

impl Listed<'_> {
    /// Whether this is `.` or `..`, of which the kernel wants no attributes.
    pub(super) fn is_dot(&self) -> bool {
        self.offset <= AFTER_DOT_DOT
    }
}

/// Entries copied out of the tree: names lie one after another in one buffer.
#[derive(Default)]
struct Batch {
    names: Vec<u8>,
    entries: Vec<(Ino, FileKind, usize, u64)>,
}

impl Batch {
    fn fill(&mut self, tree: &dyn Tree, dir: Ino, from: u64) -> Result<()> {
        self.names.clear();
        self.entries.clear();
        tree.read_dir(dir, from, &mut |entry| {
            self.names.extend_from_slice(entry.name);
            self.entries.push((entry.ino, entry.kind, self.names.len(), entry.next));
            self.entries.len() < BATCH
        })
    }
}

/// Gives `add` the entries of `dir` from `offset` on, until it says that it is full.
pub(super) fn list(
    tree: &dyn Tree,
    dir: Ino,
    offset: u64,
    add: &mut dyn FnMut(Listed<'_>) -> bool,
) -> Result<()> {
    if offset < AFTER_DOT && add(dot(dir, b".", AFTER_DOT)) {
        return Ok(());
    }
    if offset < AFTER_DOT_DOT && add(dot(tree.parent(dir)?, b"..", AFTER_DOT_DOT)) {
        return Ok(());
    }
    let mut from = offset.saturating_sub(AFTER_DOT_DOT);
    let mut batch = Batch::default();
    loop {
        batch.fill(tree, dir, from)?;
        let mut start = 0;
        for &(ino, kind, end, next) in &batch.entries {
            let offset = kernel_offset(dir, from, next)?;
            if add(Listed { ino, kind, name: &batch.names[start..end], offset }) {
                return Ok(());
            }
            (start, from) = (end, next);
        }
        if batch.entries.len() < BATCH {
            return Ok(());
        }
    }
}

fn dot(ino: Ino, name: &'static [u8], offset: u64) -> Listed<'static> {
    Listed { ino, kind: FileKind::Directory, name, offset }
}

/// The offset that stands for the tree's position `next`. A position that does
/// not move on would make `ls` run forever, so it is refused here once for all.
fn kernel_offset(dir: Ino, before: u64, next: u64) -> Result<u64> {
    next.checked_add(AFTER_DOT_DOT)
        .filter(|&offset| next != before && next != 0 && offset <= i64::MAX as u64)
        .ok_or_else(|| FsError::Corrupt(format!("directory {dir}: bad position {next}")))
}
