//! Records of any length, one after the other, to be read again from anywhere
//! and cut off at the end: a log, or a stack. The end stays in memory up to a
//! limit; what is beyond it lies in an unlinked file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::scratch::Scratch;

/// Bytes that are kept in memory: the records of 100,000 files and more.
const MEMORY: usize = 12 << 20;

/// Bytes that are read from the file at once, if the record is not longer:
/// neighbours are often read one after the other.
const PIECE: usize = 4096;

/// Bytes of the length before each record.
const LENGTH: usize = 4;

/// Records one after the other.
#[derive(Debug)]
pub(super) struct Tape {
    scratch: Scratch,
    limit: usize,
    file: Option<File>,
    /// Bytes in the file.
    on_disk: u64,
    /// What follows them.
    end: Vec<u8>,
    /// The part of the file that was read last, and where it begins.
    piece: Vec<u8>,
    piece_start: u64,
}

impl Tape {
    /// An empty tape.
    pub(super) fn new(scratch: &Scratch) -> Self {
        Self::with_limit(scratch, MEMORY)
    }

    /// One that usually keeps up to `limit` bytes in memory.
    pub(super) fn with_limit(scratch: &Scratch, limit: usize) -> Self {
        Self {
            scratch: scratch.clone(),
            limit: scratch.memory(limit),
            file: None,
            on_disk: 0,
            end: Vec::new(),
            piece: Vec::new(),
            piece_start: 0,
        }
    }

    /// Where the next record will be.
    pub(super) fn len(&self) -> u64 {
        self.on_disk + self.end.len() as u64
    }

    /// Appends a record of less than 4 GiB; returns where it is.
    pub(super) fn push(&mut self, record: &[u8]) -> io::Result<u64> {
        let len = u32::try_from(record.len()).map_err(io::Error::other)?;
        let at = self.len();
        self.end.extend_from_slice(&len.to_le_bytes());
        self.end.extend_from_slice(record);
        if self.end.len() > self.limit {
            self.spill()?;
        }
        Ok(at)
    }

    /// The record at `at`, and where the next one is.
    pub(super) fn read(&mut self, at: u64) -> io::Result<(&[u8], u64)> {
        let head = self.bytes(at, LENGTH)?;
        let len = head.iter().rev().fold(0, |len, &byte| len << 8 | usize::from(byte));
        let start = at + LENGTH as u64;
        Ok((self.bytes(start, len)?, start + len as u64))
    }

    /// Cuts everything off from `at` on, where a record begins.
    pub(super) fn truncate(&mut self, at: u64) {
        if at >= self.on_disk {
            self.end.truncate((at - self.on_disk) as usize);
            return;
        }
        self.on_disk = at;
        self.end.clear();
        self.piece.truncate(at.saturating_sub(self.piece_start) as usize);
    }

    /// All of it at once: no record lies half in the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.scratch.file()?),
        };
        file.write_all_at(&self.end, self.on_disk)?;
        self.on_disk += self.end.len() as u64;
        self.end.clear();
        // A single long record may have made it large.
        self.end.shrink_to(self.limit);
        Ok(())
    }

    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let outside = || io::Error::from(io::ErrorKind::UnexpectedEof);
        if at >= self.on_disk {
            let start = (at - self.on_disk) as usize;
            return self.end.get(start..start + len).ok_or_else(outside);
        }
        let end = at + len as u64;
        if at < self.piece_start || end > self.piece_start + self.piece.len() as u64 {
            if end > self.on_disk {
                return Err(outside());
            }
            let piece_len = (self.on_disk - at).min(PIECE.max(len) as u64);
            self.piece.clear();
            self.piece.resize(piece_len as usize, 0);
            self.piece_start = at;
            let file = self.file.as_ref().ok_or_else(outside)?;
            file.read_exact_at(&mut self.piece, at)?;
        }
        let start = (at - self.piece_start) as usize;
        Ok(&self.piece[start..start + len])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(Vec<u8>),
        Read(prop::sample::Index),
        Truncate(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => prop::collection::vec(any::<u8>(), 0..9000).prop_map(Step::Push),
            4 => any::<prop::sample::Index>().prop_map(Step::Read),
            1 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

        #[test]
        fn spilled_or_not_it_is_a_list(
            limit in prop_oneof![Just(0usize), Just(10_000), Just(MEMORY)],
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut tape = Tape::new(&Scratch::with_memory(dir.path(), limit));
            let mut model: Vec<(u64, Vec<u8>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(record) => model.push((tape.push(&record).unwrap(), record)),
                    Step::Read(index) if !model.is_empty() => {
                        let index = index.index(model.len());
                        let (at, record) = &model[index];
                        let next = model.get(index + 1).map_or(tape.len(), |(at, _)| *at);
                        prop_assert_eq!(tape.read(*at).unwrap(), (record.as_slice(), next));
                    }
                    Step::Truncate(index) if !model.is_empty() => {
                        let index = index.index(model.len());
                        tape.truncate(model[index].0);
                        model.truncate(index);
                    }
                    Step::Read(_) | Step::Truncate(_) => {}
                }
            }
            prop_assert!(tape.end.len() <= limit);
        }
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let dir = tempfile::tempdir().unwrap();
        for limit in [0, 100] {
            let mut tape = Tape::new(&Scratch::with_memory(dir.path(), limit));
            let second = [tape.push(b"one").unwrap(), tape.push(b"two").unwrap()][1];
            tape.truncate(second);
            assert!(tape.read(second).is_err());
            assert_eq!(tape.read(0).unwrap(), (&b"one"[..], second));
        }
    }
}
