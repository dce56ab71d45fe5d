//! A boot root with one file more: what lies beside a pxOS root's files, as it
//! would lie in a picture that was made of it.

use super::{BootFile, BootRoot, Declared, Look, SourceError};
use crate::pxi::governor::clean;
use crate::pxi::host::Stat;
use crate::pxi::{BlobReply, BlobRequest};

/// A root, and a file that it has not.
pub struct WithFile<'r> {
    /// All other files.
    pub root: &'r dyn BootRoot,
    /// The path of the file.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for WithFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl WithFile<'_> {
    fn is_it(&self, path: &str) -> bool {
        clean(path).is_some_and(|path| path == self.path)
    }
}

impl BootRoot for WithFile<'_> {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        if !self.is_it(path) {
            return self.root.read_file(path, limit);
        }
        if self.bytes.len() as u64 > limit {
            return Err(SourceError::TooLong { limit });
        }
        let (bytes, declared) = (self.bytes.clone(), Declared::default());
        Ok(BootFile { bytes, declared, requires: Vec::new() })
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        if self.is_it(path) { Ok(Vec::new()) } else { self.root.requires(path) }
    }

    fn canonical(&self, path: &str) -> Result<String, SourceError> {
        if self.is_it(path) { Ok(self.path.clone()) } else { self.root.canonical(path) }
    }

    fn look(&self, path: &str) -> Result<Look, SourceError> {
        if !self.is_it(path) {
            return self.root.look(path);
        }
        let size = self.bytes.len() as u64;
        let stat = Stat { kind: 1, size, mode: libc::S_IFREG | 0o444, links: 1, ..Stat::default() };
        // No other file has this key, and this one does not change.
        Ok(Look { stat, key: [u64::MAX; 4], ..Look::default() })
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, SourceError> {
        self.root.list(path)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        if !self.is_it(path) {
            return self.root.read_at(path, offset, len);
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = &self.bytes[start..];
        Ok(rest[..len.min(rest.len())].to_vec())
    }

    fn blob(&self, request: &BlobRequest) -> BlobReply {
        self.root.blob(request)
    }
}
