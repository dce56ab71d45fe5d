//! A file becomes a blob: read once, hashed and compressed on the way.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::{BuildError, Result};
use super::zlib::Stock;
use crate::format::Digest;

/// What is known of a content when it was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed {
    /// SHA-256 of the content.
    pub(super) sha256: Digest,
    /// Bytes of the content.
    pub(super) size: u64,
    /// Bytes of the blob.
    pub(super) compressed: u64,
}

/// Compresses the file `input`, which is at `path`, into `out` as the Python tools
/// do; `progress` is told the bytes read.
pub(super) fn pack_stock(
    input: &mut dyn Read,
    path: &Path,
    out: &File,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed> {
    let failed = || BuildError::file("a blob");
    let mut hasher = Sha256::new();
    let counted = Counted { out: std::io::BufWriter::new(out), len: 0 };
    let mut stream = Stock::new(counted).map_err(failed())?;
    let mut size = 0;
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.map_err(BuildError::file(path))?,
        };
        hasher.update(&piece[..read]);
        stream.write_all(&piece[..read]).map_err(failed())?;
        size += read as u64;
        progress(read as u64);
    }
    let mut counted = stream.finish().map_err(failed())?;
    counted.out.flush().map_err(failed())?;
    Ok(Packed { sha256: hasher.finalize().into(), size, compressed: counted.len })
}

/// Counts what is written.
#[derive(Debug)]
pub(super) struct Counted<W> {
    pub(super) out: W,
    pub(super) len: u64,
}

/// Counts and hashes what is written.
#[derive(Debug)]
pub(super) struct Hashed<W> {
    pub(super) out: W,
    pub(super) hasher: Sha256,
    pub(super) len: u64,
}

impl<W> Hashed<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, hasher: Sha256::new(), len: 0 }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
