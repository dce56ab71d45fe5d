//! The content of a file, hole by hole.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::error::{ExtractError, Result};
use crate::fs::{Attr, FsError, Ino, Seek, Tree};

/// Bytes read at a time.
pub(super) const PIECE: usize = 1 << 20;

/// Writes the content of the regular file `attr` to `out`, which is empty.
/// `piece` is the buffer, [`PIECE`] bytes long.
pub(super) fn copy_content(
    tree: &dyn Tree,
    attr: &Attr,
    out: &File,
    piece: &mut [u8],
) -> Result<()> {
    let failed = |error| write_error("cannot write it", &error);
    let mut end = 0;
    visit_data(tree, attr, piece, &mut |offset, bytes| {
        end = offset + bytes.len() as u64;
        out.write_all_at(bytes, offset).map_err(failed)
    })?;
    // What is missing at the end is a hole.
    if end < attr.size {
        out.set_len(attr.size).map_err(failed)?;
    }
    Ok(())
}

fn write_error(doing: &'static str, error: &std::io::Error) -> ExtractError {
    let errno = rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO);
    ExtractError::Write { doing, errno }
}

/// Calls `visit` for all data of a file in order, in pieces.
pub(super) fn visit_data(
    tree: &dyn Tree,
    attr: &Attr,
    piece: &mut [u8],
    visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut at = 0;
    while let Some((start, end)) = next_data(tree, attr, at)? {
        at = start;
        while at < end {
            let want = piece.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let len = tree.read(attr.ino, at, &mut piece[..want])?;
            if len == 0 {
                return Err(shorter(attr.ino, at, attr.size));
            }
            visit(at, &piece[..len])?;
            at += len as u64;
        }
    }
    Ok(())
}

/// The next stretch of data at or after `at`.
pub(super) fn next_data(tree: &dyn Tree, attr: &Attr, at: u64) -> Result<Option<(u64, u64)>> {
    if at >= attr.size {
        return Ok(None);
    }
    // A file with all its bytes has no holes: most are spared the search.
    if attr.blocks.saturating_mul(512) >= attr.size {
        return Ok(Some((at, attr.size)));
    }
    let start = match tree.seek(attr.ino, at, Seek::Data) {
        Err(FsError::BeyondEnd) => return Ok(None),
        other => other?,
    };
    let end = tree.seek(attr.ino, start, Seek::Hole)?.min(attr.size);
    if start < at || end <= start {
        return Err(FsError::Corrupt(format!("inode {}: has data of no length", attr.ino)).into());
    }
    Ok(Some((start, end)))
}

fn shorter(ino: Ino, at: u64, size: u64) -> ExtractError {
    FsError::Corrupt(format!("inode {ino}: ends after {at} of {size} bytes")).into()
}
