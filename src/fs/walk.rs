//! Walking a whole tree, entry by entry, in bounded memory a level.

use std::collections::HashSet;

use crate::fs::{Attr, FileKind, FsError, Ino, Result, Tree};

/// The deepest directory that a walk enters. Paths that deep cannot be opened
/// anyway, and a damaged tree must not fill the memory.
const MAX_DEPTH: usize = 10_000;

/// Entries of a directory that are read at a time.
const BATCH: usize = 1024;

/// One step of a walk.
#[derive(Debug)]
pub enum Step<'a> {
    /// An entry, before what is in it: path from the start, attributes.
    Entry(&'a [u8], &'a Attr),
    /// A directory or entry that cannot be read, and why.
    Failed(&'a [u8], FsError),
}

struct Frame {
    dir: Ino,
    next: u64,
    batch: std::vec::IntoIter<(Vec<u8>, Ino)>,
    path_len: usize,
    /// Subdirectories entered. A directory is in one directory only, but a
    /// forged one may have many names there, and a tower of such directories
    /// more paths than anybody can walk.
    entered: HashSet<Ino>,
}

impl Frame {
    fn new(dir: Ino, path_len: usize) -> Self {
        Self { dir, next: 0, batch: Vec::new().into_iter(), path_len, entered: HashSet::new() }
    }
}

/// Visits everything below the directory `dir` depth first in name order;
/// `visit` returns whether to enter a directory. The directory itself is not
/// visited. What cannot be read is reported and passed over.
pub fn walk(
    tree: &dyn Tree,
    dir: Ino,
    visit: &mut dyn FnMut(Step<'_>) -> Result<bool>,
) -> Result<()> {
    let mut path = Vec::new();
    let mut stack = vec![Frame::new(dir, 0)];
    while let Some(frame) = stack.last_mut() {
        path.truncate(frame.path_len);
        let Some((name, _)) = frame.batch.next() else {
            match read_batch(tree, frame) {
                Ok(true) => {}
                Ok(false) => {
                    stack.pop();
                }
                Err(error) => {
                    stack.pop();
                    visit(Step::Failed(&path, error))?;
                }
            }
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let dir = frame.dir;
        match tree.lookup(dir, &name) {
            Ok(attr) => {
                let enter = visit(Step::Entry(&path, &attr))?;
                if !enter || attr.kind != FileKind::Directory {
                    continue;
                }
                if !frame.entered.insert(attr.ino) {
                    let what = format!("directory {}: has more than one name", attr.ino);
                    visit(Step::Failed(&path, FsError::Corrupt(what)))?;
                    continue;
                }
                if stack.len() >= MAX_DEPTH {
                    let what = format!("inode {}: lies too deep", attr.ino);
                    visit(Step::Failed(&path, FsError::Corrupt(what)))?;
                    continue;
                }
                stack.push(Frame::new(attr.ino, path.len()));
            }
            Err(error) => {
                visit(Step::Failed(&path, error))?;
            }
        }
    }
    Ok(())
}

/// Reads the next entries of a frame's directory; false when there are none.
fn read_batch(tree: &dyn Tree, frame: &mut Frame) -> Result<bool> {
    let mut batch = Vec::new();
    let mut next = frame.next;
    tree.read_dir(frame.dir, frame.next, &mut |entry| {
        batch.push((entry.name.to_vec(), entry.ino));
        next = entry.next;
        batch.len() < BATCH
    })?;
    frame.next = next;
    frame.batch = batch.into_iter();
    Ok(frame.batch.len() > 0)
}
