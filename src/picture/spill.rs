//! Decoded pixels that may be larger than memory: a buffer while they are few,
//! an unlinked temporary file when they are many.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use super::error::{PictureError, Result};
use super::medium::read_full_at;
use super::patch::write_at;

/// Bytes gathered before they are written to the temporary file.
const WRITE_SIZE: usize = 1 << 20;

/// Where decoded bytes end up.
#[derive(Debug)]
pub(crate) enum Spilled {
    /// Few enough to keep.
    Memory(Vec<u8>),
    /// In a file that has no name any more.
    File(File, u64),
}

impl Spilled {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// Fills `buf` from `offset` on.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let need = offset.saturating_add(buf.len() as u64);
        if need > self.len() {
            return Err(PictureError::Truncated { have: self.len(), need });
        }
        match self {
            Self::Memory(bytes) => buf.copy_from_slice(&bytes[offset as usize..need as usize]),
            Self::File(file, _) => read_full_at(file, offset, buf)?,
        }
        Ok(())
    }
}

/// Takes bytes in order and decides where they go.
#[derive(Debug)]
pub(crate) struct Spill {
    buffer: Vec<u8>,
    file: Option<File>,
    written: u64,
}

impl Spill {
    /// Room for `expected` bytes, in memory if that is at most `memory`.
    pub(crate) fn new(expected: u64, memory: u64) -> Result<Self> {
        // Memory grows with what arrives: `expected` is what the picture claims.
        let file = if expected <= memory { None } else { Some(temporary_file()?) };
        Ok(Self { buffer: Vec::new(), file, written: 0 })
    }

    /// Whether a file takes the bytes.
    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// The first bytes, as long as none were written to the file.
    pub(crate) fn first(&self) -> &[u8] {
        if self.written == 0 { &self.buffer } else { &[] }
    }

    /// The buffer to append decoded bytes to; call [`settle`](Self::settle) after.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Moves the buffer to the file if there is one and it is worth a write.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.buffer.len() >= WRITE_SIZE { self.flush() } else { Ok(()) }
    }

    /// Ends the writing.
    pub(crate) fn finish(mut self) -> Result<Spilled> {
        self.flush()?;
        Ok(match self.file {
            Some(file) => Spilled::File(file, self.written),
            None => Spilled::Memory(self.buffer),
        })
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(file) = &self.file {
            write_at(file, self.written, &self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// A file without a name in the first directory that takes one.
fn temporary_file() -> Result<File> {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("TMPDIR").map(PathBuf::from).into_iter().collect();
    // /var/tmp first: /tmp is often memory, which is what we are here to save.
    dirs.extend(["/var/tmp", "/tmp"].map(PathBuf::from));
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for dir in dirs.iter().filter(|dir| dir.is_absolute()) {
        match unnamed_in(dir).or_else(|_| unlinked_in(dir)) {
            Ok(file) => return Ok(file),
            Err(e) => last = e,
        }
    }
    Err(PictureError::io("make a temporary file for the decoded pixels (set TMPDIR)")(last))
}

/// A file that never had a name; not every file system can.
fn unnamed_in(dir: &Path) -> std::io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// A file whose name is gone at once.
fn unlinked_in(dir: &Path) -> std::io::Result<File> {
    for attempt in 0..100 {
        let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
        let path = dir.join(format!(".pxfs-{}-{now}-{attempt}", std::process::id()));
        // EXCL also refuses a symbolic link that somebody put there.
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file.into());
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_bytes_read_back_the_same() {
        for memory in [0, 1 << 30] {
            let mut spill = Spill::new(5_000_000, memory).unwrap();
            for n in 0..5_000u32 {
                spill.buffer().extend((0..1000).map(|i| (n + i) as u8));
                spill.settle().unwrap();
            }
            let spilled = spill.finish().unwrap();
            assert_eq!(matches!(spilled, Spilled::File(..)), memory == 0);
            let mut buf = [0; 1000];
            spilled.read_at(4_321_000, &mut buf).unwrap();
            assert!(buf.iter().enumerate().all(|(i, b)| *b == (4321 + i) as u8));
            let short = spilled.read_at(4_999_001, &mut buf);
            assert!(matches!(short, Err(PictureError::Truncated { have: 5_000_000, .. })));
        }
    }

    #[test]
    fn a_file_system_without_unnamed_files_is_served_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = unlinked_in(dir.path()).unwrap();
        write_at(&file, 0, b"x").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
