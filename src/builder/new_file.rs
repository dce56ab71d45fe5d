//! Files to be, for an overlay: of this machine, or in memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::add::open_source;
use super::error::{BuildError, Result};
use super::overlay::NewFile;
use crate::format::PixelType;
use crate::fs::Time;
use crate::legacy::root::ReadAt;

impl NewFile {
    /// A file of this machine, which is read and hashed once here, and read again
    /// when the picture is made.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut file = open_source(path)?;
        let found = file.metadata().map_err(BuildError::file(path))?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; found.len().clamp(1, 1 << 18) as usize];
        let mut size = 0;
        loop {
            match file.read(&mut piece).map_err(BuildError::file(path))? {
                0 => break,
                read => {
                    hasher.update(&piece[..read]);
                    size += read as u64;
                }
            }
        }
        Ok(Self {
            content: Arc::new(NamedFile(path.to_owned())),
            size,
            sha256: hasher.finalize().into(),
            kind: PixelType::Data,
            perm: found.mode() & 0o777,
            owner: (found.uid(), found.gid()),
            mtime: Time { secs: found.mtime(), nanos: found.mtime_nsec() as u32 },
        })
    }

    /// Bytes that are in memory, as a file of whoever runs this.
    pub(super) fn of_bytes(bytes: Arc<[u8]>) -> Self {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self {
            size: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
            content: Arc::new(Bytes(bytes)),
            kind: PixelType::Data,
            perm: 0o644,
            owner,
            mtime: now(),
        }
    }
}

/// A content in memory.
#[derive(Debug)]
struct Bytes(Arc<[u8]>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let read = buf.len().min(self.0.len() - start);
        buf[..read].copy_from_slice(&self.0[start..start + read]);
        Ok(read)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// A file that is opened when it is read: thousands may wait.
#[derive(Debug)]
struct NamedFile(PathBuf);

impl ReadAt for NamedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        ReadAt::read_at(&File::open(&self.0)?, offset, buf)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(&self.0)?.len())
    }
}

/// The time.
pub(super) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    Time { secs: since.as_secs() as i64, nanos: since.subsec_nanos() }
}
