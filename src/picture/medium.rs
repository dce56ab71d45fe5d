//! Positioned reads of a file that may end anywhere: the only I/O of readers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::error::{PictureError, Result};

/// Length of a regular file or block device.
pub(crate) fn file_len(file: &File) -> Result<u64> {
    // Metadata says 0 for block devices; seeking knows both. The shared cursor
    // does not matter: everything here reads by position.
    let mut cursor = file;
    cursor.seek(SeekFrom::End(0)).map_err(PictureError::io("find the length of the picture"))
}

/// Fills as much of `buf` as the file has at `position`.
pub(crate) fn read_some_at(file: &File, position: u64, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        // Positions that pread cannot express are beyond the end of any file.
        let Some(at) = position.checked_add(done as u64).filter(|at| i64::try_from(*at).is_ok())
        else {
            break;
        };
        match file.read_at(&mut buf[done..], at) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(PictureError::io("read the picture")(e)),
        }
    }
    Ok(done)
}

/// Fills `buf`, or says how many bytes of the file are missing.
pub(crate) fn read_full_at(file: &File, position: u64, buf: &mut [u8]) -> Result<()> {
    let have = read_some_at(file, position, buf)?;
    if have == buf.len() {
        return Ok(());
    }
    // The read may have started beyond the end: what is there is the file's to say.
    let have = file_len(file)?.min(position.saturating_add(have as u64));
    Err(PictureError::Truncated { have, need: position.saturating_add(buf.len() as u64) })
}

/// A file from `base` on as a sequential reader, for decoders that want one.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a File,
    base: u64,
    len: u64,
    at: u64,
}

impl<'a> Window<'a> {
    /// The part of `file` from `base` to the end.
    pub(crate) fn new(file: &'a File, base: u64, file_len: u64) -> Self {
        Self { file, base, len: file_len.saturating_sub(base), at: 0 }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let room = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = buf.len().min(room);
        if want == 0 {
            return Ok(0);
        }
        let n = self.file.read_at(&mut buf[..want], self.base + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
