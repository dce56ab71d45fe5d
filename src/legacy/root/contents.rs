//! What the blobs of a root hold: proven against size and SHA-256 when first
//! read, then from memory, or by restart points if it is large.

use std::io;

use sha2::{Digest as _, Sha256};

use super::entry::{Content, PACK, id_text};
use super::files::RootFiles;
use crate::fs::{FsError, Result};
use crate::legacy::inflate::{Indexed, Stretch, inflate_all, inflate_small};
use crate::store::cache::Cache;

/// Contents up to this size are kept whole.
const SMALL: u64 = 1 << 20;

/// Readable contents, within a budget of memory.
pub(super) struct Contents {
    cache: Cache<usize, Readable>,
    budget: usize,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// A content that was proven.
enum Readable {
    Whole(Vec<u8>),
    Indexed(Indexed),
    /// The blob is the content itself.
    Plain(Stretch),
}

impl Contents {
    pub(super) fn new(budget: usize) -> Self {
        // One shard: an index may need a good part of the budget.
        Self { cache: Cache::with_shards(budget, 1), budget }
    }

    /// Reads a content; `index` is what it is kept by.
    pub(super) fn read(
        &self,
        files: &dyn RootFiles,
        index: usize,
        content: &Content,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize> {
        let readable = self.cache.get_or_load(&index, 0, || {
            self.load(files, content).map_err(|error| failed(content, &error))
        })?;
        let rest = content.original_size.saturating_sub(offset);
        let len = usize::try_from(rest).map_or(buf.len(), |rest| rest.min(buf.len()));
        let buf = &mut buf[..len];
        match &*readable {
            Readable::Whole(bytes) => {
                buf.copy_from_slice(&bytes[offset.min(bytes.len() as u64) as usize..][..len]);
                Ok(len)
            }
            Readable::Indexed(indexed) => {
                indexed.read_at(offset, buf).map_err(|error| failed(content, &error))
            }
            Readable::Plain(stretch) => {
                read_exact(stretch, offset, buf).map_err(|error| failed(content, &error))?;
                Ok(len)
            }
        }
    }

    fn load(&self, files: &dyn RootFiles, content: &Content) -> io::Result<(Readable, usize)> {
        let stretch = blob(files, content)?;
        let size = content.original_size;
        if content.compressed_size == 0 {
            prove(content, &stretch)?;
            return Ok((Readable::Plain(stretch), size_of::<Readable>()));
        }
        if let Some(bytes) = small(content, &stretch)? {
            let weight = bytes.capacity();
            return Ok((Readable::Whole(bytes), weight));
        }
        let mut hasher = Sha256::new();
        let budget = self.budget / 2;
        let indexed = Indexed::build(stretch, size, budget, &mut |piece| hasher.update(piece))?;
        compare(content, size, hasher)?;
        let weight = indexed.weight();
        Ok((Readable::Indexed(indexed), weight))
    }

    /// Bytes held now.
    pub(super) fn stats(&self) -> crate::store::CacheStats {
        self.cache.stats()
    }
}

/// Fills `buf` from a place in a stretch.
fn read_exact(stretch: &Stretch, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buf.len() {
        let at = stretch.offset.saturating_add(offset).saturating_add(filled as u64);
        match stretch.file.read_at(at, &mut buf[filled..])? {
            // It was longer when it was proven.
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

/// Inflates and compares a content without keeping any of it.
pub(crate) fn prove_content(files: &dyn RootFiles, content: &Content) -> io::Result<()> {
    let stretch = blob(files, content)?;
    prove(content, &stretch)
}

/// Where a content's blob lies.
fn blob(files: &dyn RootFiles, content: &Content) -> io::Result<Stretch> {
    if let Some((offset, len)) = content.packed {
        let file = files.open(PACK).map_err(|error| named(PACK, &error))?;
        let end = offset.checked_add(len);
        if end.is_none_or(|end| file.size().is_ok_and(|have| end > have)) {
            let message = format!("{PACK} ends before its bytes {offset}+{len}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        return Ok(Stretch { file, offset, len });
    }
    let file = files.open(&content.blob_file).map_err(|error| named(&content.blob_file, &error))?;
    let len = file.size()?;
    Ok(Stretch { file, offset: 0, len })
}

fn named(path: &str, error: &io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::CrossesDevices {
        let message = format!("{path:?} leads out of the root and is not read");
        return io::Error::new(io::ErrorKind::InvalidInput, message);
    }
    io::Error::new(error.kind(), format!("{path:?}: {error}"))
}

/// A small content, proven; `None` if it is none, or its blob is a large one.
fn small(content: &Content, stretch: &Stretch) -> io::Result<Option<Vec<u8>>> {
    if content.original_size > SMALL || stretch.len > 2 * SMALL {
        return Ok(None);
    }
    let mut stream = Vec::with_capacity(stretch.len as usize);
    each_piece(stretch, &mut |piece| {
        stream.extend_from_slice(piece);
        Ok(())
    })?;
    let bytes = inflate_small(&stream, content.original_size)?;
    compare(content, bytes.len() as u64, Sha256::new_with_prefix(&bytes))?;
    Ok(Some(bytes))
}

fn prove(content: &Content, stretch: &Stretch) -> io::Result<()> {
    if content.compressed_size != 0 && small(content, stretch)?.is_some() {
        return Ok(());
    }
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut take = |piece: &[u8]| {
        hasher.update(piece);
        size += piece.len() as u64;
        Ok(())
    };
    if content.compressed_size == 0 {
        each_piece(stretch, &mut take)?;
    } else {
        inflate_all(stretch, content.original_size, take)?;
    }
    compare(content, size, hasher)
}

/// Reads a stretch piece by piece.
fn each_piece(stretch: &Stretch, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = vec![0; stretch.len.min(256 << 10) as usize];
    let mut at = 0;
    while at < stretch.len {
        let want = (stretch.len - at).min(piece.len() as u64) as usize;
        let read = stretch.file.read_at(stretch.offset + at, &mut piece[..want])?;
        if read == 0 {
            break;
        }
        take(&piece[..read])?;
        at += read as u64;
    }
    Ok(())
}

fn compare(content: &Content, size: u64, hasher: Sha256) -> io::Result<()> {
    let expected = content.original_size;
    let problem = if size != expected {
        format!("it holds {size} bytes, not {expected}")
    } else if hasher.finalize()[..] != content.sha256 {
        "its SHA-256 is not the one in the registry".into()
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

fn failed(content: &Content, error: &io::Error) -> FsError {
    FsError::Corrupt(format!("blob of {}: {error}", id_text(content.id)))
}
