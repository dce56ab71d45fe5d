//! Sorting records by key in bounded memory: full buffers are sorted and
//! spilled to unlinked files, and merged at the end.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

use super::scratch::Scratch;

/// Bytes of records kept in memory before a run is spilled.
const BUFFER: usize = 8 << 20;

/// Runs of one size that are merged into one. Each is an open file.
const FAN_IN: usize = 64;

/// Collects records in any order, gives them back in the order of their keys;
/// those with the same key in the order in which they came.
#[derive(Debug)]
pub(super) struct Sorter {
    scratch: Scratch,
    buffer: Buffer,
    /// Runs in the order of their records' coming, the long ones first.
    runs: Vec<Run>,
    limit: usize,
    bytes: u64,
}

/// Sorted records in a file.
#[derive(Debug)]
struct Run {
    file: File,
    /// How many times its records were merged.
    rank: u32,
}

/// Records in memory.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

/// Where a record is in the buffer.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: u32,
    key: u16,
    value: u16,
}

impl Sorter {
    /// An empty sorter.
    pub(super) fn new(scratch: &Scratch) -> Self {
        let (limit, buffer) = (scratch.memory(BUFFER), Buffer::default());
        Self { scratch: scratch.clone(), buffer, runs: Vec::new(), limit, bytes: 0 }
    }

    /// Bytes of keys and values so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a record; key and value are shorter than 64 KiB.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let Buffer { bytes, records } = &mut self.buffer;
        let start = bytes.len() as u32;
        records.push(Record { start, key: key.len() as u16, value: value.len() as u16 });
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        self.bytes += (key.len() + value.len()) as u64;
        if bytes.len() + records.len() * size_of::<Record>() > self.limit {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.buffer.sort();
        let mut out = BufWriter::with_capacity(1 << 18, self.scratch.file()?);
        for record in &self.buffer.records {
            let bytes = &self.buffer.bytes;
            write_record(&mut out, record.key(bytes), record.value(bytes))?;
        }
        self.runs.push(Run { file: rewound(out)?, rank: 0 });
        self.buffer.bytes.clear();
        self.buffer.records.clear();
        self.merge_runs()
    }

    /// Keeps the number of runs, which are open files, to some for each rank.
    fn merge_runs(&mut self) -> io::Result<()> {
        while let Some(rank) = self.runs.last().map(|run| run.rank) {
            let first = self.runs.partition_point(|run| run.rank > rank);
            if self.runs.len() - first < FAN_IN {
                break;
            }
            let mut merged = Merged::new(self.runs.split_off(first))?;
            let mut out = BufWriter::with_capacity(1 << 18, self.scratch.file()?);
            while let Some((key, value)) = merged.next()? {
                write_record(&mut out, key, value)?;
            }
            self.runs.push(Run { file: rewound(out)?, rank: rank + 1 });
        }
        Ok(())
    }

    /// The records in the order of their keys.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.buffer.sort();
            return Ok(Sorted::Memory(self.buffer, 0));
        }
        self.spill()?;
        self.buffer = Buffer::default();
        Ok(Sorted::Merged(Merged::new(self.runs)?))
    }
}

impl Buffer {
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.records.sort_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
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

fn write_record(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&(key.len() as u16).to_le_bytes())?;
    out.write_all(&(value.len() as u16).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

fn rewound(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// Sorted records, to be asked for one by one.
#[derive(Debug)]
pub(super) enum Sorted {
    /// The records, and how many were given.
    Memory(Buffer, usize),
    /// Those of several runs.
    Merged(Merged),
}

impl Sorted {
    /// Key and value of the next record; `None` after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        match self {
            Self::Memory(buffer, given) => {
                let record = buffer.records.get(*given);
                *given += 1;
                let bytes = &buffer.bytes;
                Ok(record.map(|record| (record.key(bytes), record.value(bytes))))
            }
            Self::Merged(merged) => merged.next(),
        }
    }
}

/// Runs that are being merged.
#[derive(Debug)]
pub(super) struct Merged {
    heap: BinaryHeap<Head>,
    /// The record that was given last, whose run has to go on.
    given: Option<Head>,
}

/// A run and its next record.
#[derive(Debug)]
struct Head {
    input: BufReader<File>,
    index: usize,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Merged {
    fn new(runs: Vec<Run>) -> io::Result<Self> {
        let mut heap = BinaryHeap::new();
        for (index, run) in runs.into_iter().enumerate() {
            let input = BufReader::with_capacity(1 << 14, run.file);
            let mut head = Head { input, index, key: Vec::new(), value: Vec::new() };
            if head.advance()? {
                heap.push(head);
            }
        }
        Ok(Self { heap, given: None })
    }

    fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        if let Some(mut head) = self.given.take()
            && head.advance()?
        {
            self.heap.push(head);
        }
        self.given = self.heap.pop();
        Ok(self.given.as_ref().map(|head| (head.key.as_slice(), head.value.as_slice())))
    }
}

impl Head {
    /// Reads the next record; false at the end of the run.
    fn advance(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut lengths = [0; 4];
        self.input.read_exact(&mut lengths)?;
        let [k0, k1, v0, v1] = lengths;
        self.key.resize(usize::from(u16::from_le_bytes([k0, k1])), 0);
        self.value.resize(usize::from(u16::from_le_bytes([v0, v1])), 0);
        self.input.read_exact(&mut self.key)?;
        self.input.read_exact(&mut self.value)?;
        Ok(true)
    }
}

impl Ord for Head {
    /// A heap gives its greatest: the least key is that, and the run that came first.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.key, other.index).cmp(&(&self.key, self.index))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_sorted_spilled_or_not() {
        let dir = tempfile::tempdir().unwrap();
        // In memory; in some runs; in runs of runs.
        for (limit, rank) in [(1 << 20, None), (3000, Some(0)), (100, Some(1))] {
            let mut sorter = Sorter::new(&Scratch::with_memory(dir.path(), limit));
            for i in 0..1000u32 {
                let key = (i % 500).wrapping_mul(2_654_435_761).to_be_bytes();
                sorter.push(&key, format!("value {i}").as_bytes()).unwrap();
            }
            assert_eq!(sorter.runs.first().map(|run| run.rank), rank);
            assert!(sorter.runs.len() < 2 * FAN_IN);
            let mut sorted = sorter.finish().unwrap();
            let mut last = (Vec::new(), 0);
            let mut count = 0;
            while let Some((key, value)) = sorted.next().unwrap() {
                let text = std::str::from_utf8(value).unwrap();
                let next = (key.to_vec(), text.strip_prefix("value ").unwrap().parse().unwrap());
                // With the same key: in the order of their coming.
                assert!(last < next || count == 0, "{last:?} {next:?}");
                last = next;
                count += 1;
            }
            assert_eq!(count, 1000);
        }
    }
}
