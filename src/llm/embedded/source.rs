//! The model's file in a tree, read in order and by position.

use std::io::{self, Read};

use crate::fs::{FileKind, FsError, Ino, PixelTree, resolve};
use crate::llm::ChatError;

/// A file of a tree.
#[derive(Clone)]
pub(super) struct TreeFile<'t> {
    tree: &'t dyn PixelTree,
    ino: Ino,
    len: u64,
    position: u64,
}

impl<'t> TreeFile<'t> {
    /// Opens the file at a path.
    ///
    /// # Errors
    /// When there is no file of that path.
    pub(super) fn open(tree: &'t dyn PixelTree, path: &str) -> Result<Self, ChatError> {
        let attr = resolve(tree, path.as_bytes(), true).map_err(|error| {
            ChatError::Embedded(match error {
                FsError::NotFound => format!("there is no file {path}"),
                error => format!("{path}: {error}"),
            })
        })?;
        if attr.kind != FileKind::Regular {
            return Err(ChatError::Embedded(format!("{path} is no file")));
        }
        Ok(Self { tree, ino: attr.ino, len: attr.size, position: 0 })
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The SHA-256 that the tree says the file has.
    pub(super) fn claimed_digest(&self) -> Option<[u8; 32]> {
        self.tree.pixel(self.ino).ok().map(|pixel| pixel.sha256)
    }

    /// Fills a buffer from a position on.
    pub(super) fn read_exact_at(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let read = self.tree.read(self.ino, offset, buf).map_err(io::Error::other)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += read as u64;
            buf = &mut buf[read..];
        }
        Ok(())
    }
}

impl Read for TreeFile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.tree.read(self.ino, self.position, buf).map_err(io::Error::other)?;
        self.position += read as u64;
        Ok(read)
    }
}
