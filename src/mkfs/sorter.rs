//! Sorting records by key in bounded memory: full buffers are sorted and
//! spilled to unlinked files, and merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::scratch::scratch_file;

/// Bytes of records kept in memory before a run is spilled.
const BUFFER: usize = 16 << 20;

/// Collects records in any order, gives them back in the order of their keys.
#[derive(Debug)]
pub(super) struct Sorter {
    dir: PathBuf,
    buffer: Vec<u8>,
    records: Vec<Record>,
    runs: Vec<File>,
    limit: usize,
    bytes: u64,
}

/// Where a record is in the buffer.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: u32,
    key: u16,
    value: u16,
}

impl Sorter {
    /// A sorter that spills to unlinked files in `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self::with_limit(dir, BUFFER)
    }

    fn with_limit(dir: &Path, limit: usize) -> Self {
        Self {
            dir: dir.to_owned(),
            buffer: Vec::new(),
            records: Vec::new(),
            runs: Vec::new(),
            limit,
            bytes: 0,
        }
    }

    /// Bytes of keys and values so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a record; key and value are shorter than 64 KiB.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let record = Record {
            start: self.buffer.len() as u32,
            key: key.len() as u16,
            value: value.len() as u16,
        };
        self.buffer.extend_from_slice(key);
        self.buffer.extend_from_slice(value);
        self.records.push(record);
        self.bytes += (key.len() + value.len()) as u64;
        if self.buffer.len() + self.records.len() * size_of::<Record>() > self.limit {
            self.spill()?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let buffer = &self.buffer;
        self.records.sort_by(|a, b| a.key(buffer).cmp(b.key(buffer)));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut out = BufWriter::with_capacity(1 << 20, scratch_file(&self.dir)?);
        for record in &self.records {
            out.write_all(&record.key.to_le_bytes())?;
            out.write_all(&record.value.to_le_bytes())?;
            out.write_all(record.key(&self.buffer))?;
            out.write_all(record.value(&self.buffer))?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        self.buffer.clear();
        self.records.clear();
        Ok(())
    }

    /// Calls `visit` with every record in the order of the keys.
    pub(super) fn drain<E: From<io::Error>>(
        mut self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sort();
        if self.runs.is_empty() {
            for record in &self.records {
                visit(record.key(&self.buffer), record.value(&self.buffer))?;
            }
            return Ok(());
        }
        self.spill()?;
        let mut runs: Vec<_> = self.runs.into_iter().map(BufReader::new).collect();
        let mut heap = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some((key, value)) = read_record(run)? {
                heap.push(Reverse((key, index, value)));
            }
        }
        while let Some(Reverse((key, index, value))) = heap.pop() {
            visit(&key, &value)?;
            if let Some((key, value)) = read_record(&mut runs[index])? {
                heap.push(Reverse((key, index, value)));
            }
        }
        Ok(())
    }
}

impl Record {
    fn key(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buffer[start..start + usize::from(self.key)]
    }

    fn value(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize + usize::from(self.key);
        &buffer[start..start + usize::from(self.value)]
    }
}

type Owned = (Vec<u8>, Vec<u8>);

fn read_record(run: &mut BufReader<File>) -> io::Result<Option<Owned>> {
    let mut lengths = [0; 4];
    match run.read_exact(&mut lengths) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut key = vec![0; usize::from(u16::from_le_bytes([lengths[0], lengths[1]]))];
    let mut value = vec![0; usize::from(u16::from_le_bytes([lengths[2], lengths[3]]))];
    run.read_exact(&mut key)?;
    run.read_exact(&mut value)?;
    Ok(Some((key, value)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_sorted_spilled_or_not() {
        let dir = tempfile::tempdir().unwrap();
        for limit in [300, 1 << 20] {
            let mut sorter = Sorter::with_limit(dir.path(), limit);
            for i in 0..1000u32 {
                let key = i.wrapping_mul(2_654_435_761).to_be_bytes();
                sorter.push(&key, format!("value {i}").as_bytes()).unwrap();
            }
            assert_eq!(sorter.runs.is_empty(), limit > 300);
            let mut last: Option<Vec<u8>> = None;
            let mut count = 0;
            sorter
                .drain(|key, value| {
                    assert!(last.as_deref().is_none_or(|last| last < key));
                    assert!(value.starts_with(b"value "));
                    last = Some(key.to_vec());
                    count += 1;
                    Ok::<_, io::Error>(())
                })
                .unwrap();
            assert_eq!(count, 1000);
        }
    }
}
