//! Blocks and pixels of a picture in the making, in unlinked files: the width of
//! a near-square picture is known only when all of them are.

use std::fs::File;
use std::io::{BufWriter, IntoInnerError, Read, Seek, Write};
use std::os::unix::fs::FileExt as _;

use super::contents::spill_error;
use super::error::Result;
use super::scratch::Scratch;

/// An append-only unlinked file.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    len: u64,
}

impl Spool {
    /// An empty spool.
    pub(super) fn new(scratch: &Scratch) -> Result<Self> {
        let file = BufWriter::new(scratch.file().map_err(spill_error)?);
        Ok(Self { file, len: 0 })
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(spill_error)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Calls `visit` with all bytes, a piece at a time.
    pub(super) fn drain(self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let file = self.file.into_inner().map_err(IntoInnerError::into_error);
        let mut file = file.map_err(spill_error)?;
        file.rewind().map_err(spill_error)?;
        let mut piece = vec![0; 1 << 20];
        loop {
            match file.read(&mut piece).map_err(spill_error)? {
                0 => return Ok(()),
                len => visit(&piece[..len])?,
            }
        }
    }
}

/// Copies the segments of a file that is no file of this machine to where they
/// are in `file`; `fill` fills a buffer with what is at an offset.
pub(super) fn spool_segments(
    segments: &[(u64, u64)],
    file: &File,
    fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
) -> Result<()> {
    let mut piece = vec![0; 1 << 18];
    for &(start, len) in segments {
        let mut at = start;
        while at < start + len {
            let piece_len = (piece.len() as u64).min(start + len - at);
            let piece = &mut piece[..piece_len as usize];
            fill(at, piece)?;
            file.write_all_at(piece, at).map_err(spill_error)?;
            at += piece_len;
        }
    }
    Ok(())
}
