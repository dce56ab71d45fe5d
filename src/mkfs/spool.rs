//! The blocks of a picture in the making, in an unlinked file: the width of a
//! near-square picture is known only when all of them are.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::contents::spill_error;
use super::error::Result;
use super::scratch::scratch_file;

/// An append-only unlinked file.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    len: u64,
}

impl Spool {
    /// An empty spool in `dir`.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        Ok(Self { file: scratch_file(dir).map_err(spill_error)?, len: 0 })
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
    pub(super) fn drain(mut self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.file.rewind().map_err(spill_error)?;
        let mut piece = vec![0; 1 << 20];
        loop {
            match self.file.read(&mut piece).map_err(spill_error)? {
                0 => return Ok(()),
                len => visit(&piece[..len])?,
            }
        }
    }
}
