//! Reading one source file: its data segments, its bytes, its digest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::contents::SmallContent;
use super::error::{MkfsError, Result};

/// Reads until `buf` is full or the file ends; returns the bytes read.
pub(super) fn read_full_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(len) => done += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Start and length of the first part of a file that is no hole and begins at
/// `at` or later, as the file system reports it.
pub(super) fn next_segment(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // A file system that does not know holes has none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok((at == 0).then_some((0, size))),
        Err(error) => return Err(error.into()),
    };
    if start >= size {
        return Ok(None);
    }
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size);
    Ok(Some((start, end - start)))
}

/// All parts of a small file that are no holes.
///
/// `allocated` is st_blocks in bytes: a file that has room for all its bytes
/// has no holes, and most files are spared the two system calls.
fn data_segments(file: &File, size: u64, allocated: u64) -> io::Result<Vec<(u64, u64)>> {
    if allocated >= size {
        return Ok(vec![(0, size)]);
    }
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some((start, len)) = next_segment(file, at, size)? {
        segments.push((start, len));
        at = start + len;
    }
    Ok(segments)
}

/// Reads a file that fits in memory.
pub(super) fn read_small(
    file: &File,
    size: u64,
    allocated: u64,
    path: impl Fn() -> PathBuf,
) -> Result<SmallContent> {
    let failed = |source| MkfsError::source(path(), source);
    let segments = data_segments(file, size, allocated).map_err(failed)?;
    SmallContent::read(size, segments, |start, part| {
        let found = read_full_at(file, part, start).map_err(failed)?;
        if found < part.len() {
            let found = start + found as u64;
            return Err(MkfsError::Shrank { path: path(), expected: size, found });
        }
        Ok(())
    })
}
