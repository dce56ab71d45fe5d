//! A hash table in an unlinked file: where the entries of a
//! [`Table`](super::table::Table) go that are too many for memory.
//!
//! The file is pages; a page is a count and so many entries. A key belongs into
//! the page that its hash says, or when that is full into the next one with
//! room. Nothing is ever removed, so that a page that is not full ends a search.
//! One page is in memory; how many more are is the page cache's affair.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::scratch::Scratch;

const PAGE: usize = 4096;

/// Bytes of the count at the beginning of a page.
const COUNT: usize = 2;

/// A table of keys of `K` bytes with values of `V` bytes.
#[derive(Debug)]
pub(super) struct HashFile<const K: usize, const V: usize> {
    scratch: Scratch,
    file: File,
    /// Not known to whoever chose the keys, who could else fill one page with them.
    seed: u64,
    pages: u64,
    len: u64,
    /// The page in memory, and whether it differs from the file.
    page: Box<[u8; PAGE]>,
    number: u64,
    is_dirty: bool,
}

impl<const K: usize, const V: usize> HashFile<K, V> {
    const PER_PAGE: usize = (PAGE - COUNT) / (K + V);

    /// An empty table with room for `entries`.
    pub(super) fn new(scratch: &Scratch, entries: usize) -> io::Result<Self> {
        let seed = RandomState::new().build_hasher().finish();
        Self::with_pages(scratch, (2 * entries / Self::PER_PAGE) as u64 + 2, seed)
    }

    fn with_pages(scratch: &Scratch, pages: u64, seed: u64) -> io::Result<Self> {
        let file = scratch.file()?;
        file.set_len(pages * PAGE as u64)?;
        let page = Box::new([0; PAGE]);
        let scratch = scratch.clone();
        Ok(Self { scratch, file, seed, pages, len: 0, page, number: 0, is_dirty: false })
    }

    /// The value of `key`.
    pub(super) fn get(&mut self, key: &[u8; K]) -> io::Result<Option<[u8; V]>> {
        Ok(self.find(key)?.map(|index| self.value(index)))
    }

    /// Enters or replaces a value.
    pub(super) fn insert(&mut self, key: &[u8; K], value: &[u8; V]) -> io::Result<()> {
        if let Some(index) = self.find(key)? {
            self.put(index, key, value);
            return Ok(());
        }
        // The search ended in the page that has room.
        let count = self.count();
        self.put(count, key, value);
        self.page[..COUNT].copy_from_slice(&(count as u16 + 1).to_le_bytes());
        self.len += 1;
        // Three quarters: few pages are full, and searches short.
        if self.len > self.pages * Self::PER_PAGE as u64 / 4 * 3 {
            self.grow()?;
        }
        Ok(())
    }

    /// What says where a key belongs: entries that come in this order are
    /// written page by page.
    pub(super) fn hash(&self, key: &[u8; K]) -> u64 {
        xxh3_64_with_seed(key, self.seed)
    }

    /// Where `key` is in the page in memory, which is the right one afterwards.
    fn find(&mut self, key: &[u8; K]) -> io::Result<Option<usize>> {
        let hash = u128::from(self.hash(key));
        // The upper bits choose: a larger table has the same order.
        let mut number = ((hash * u128::from(self.pages)) >> 64) as u64;
        loop {
            self.load(number)?;
            let count = self.count();
            if let Some(index) = (0..count).find(|&index| self.key(index) == key) {
                return Ok(Some(index));
            }
            if count < Self::PER_PAGE {
                return Ok(None);
            }
            number = (number + 1) % self.pages;
        }
    }

    fn load(&mut self, number: u64) -> io::Result<()> {
        if number == self.number {
            return Ok(());
        }
        if self.is_dirty {
            self.file.write_all_at(&*self.page, self.number * PAGE as u64)?;
            self.is_dirty = false;
        }
        self.file.read_exact_at(&mut *self.page, number * PAGE as u64)?;
        self.number = number;
        Ok(())
    }

    /// Moves all entries into a table with twice as many pages.
    fn grow(&mut self) -> io::Result<()> {
        let mut larger = Self::with_pages(&self.scratch, self.pages * 2, self.seed)?;
        for number in 0..self.pages {
            self.load(number)?;
            let mut entries = Vec::with_capacity(self.count());
            for index in 0..self.count() {
                let mut key = [0; K];
                key.copy_from_slice(self.key(index));
                entries.push((self.hash(&key), key, self.value(index)));
            }
            // Page by page of the larger table, too.
            entries.sort_unstable_by_key(|(hash, ..)| *hash);
            for (_, key, value) in entries {
                larger.insert(&key, &value)?;
            }
        }
        *self = larger;
        Ok(())
    }

    fn count(&self) -> usize {
        usize::from(u16::from_le_bytes([self.page[0], self.page[1]]))
    }

    fn key(&self, index: usize) -> &[u8] {
        let start = COUNT + index * (K + V);
        &self.page[start..start + K]
    }

    fn value(&self, index: usize) -> [u8; V] {
        let start = COUNT + index * (K + V) + K;
        let mut value = [0; V];
        value.copy_from_slice(&self.page[start..start + V]);
        value
    }

    fn put(&mut self, index: usize, key: &[u8; K], value: &[u8; V]) {
        let start = COUNT + index * (K + V);
        self.page[start..start + K].copy_from_slice(key);
        self.page[start + K..start + K + V].copy_from_slice(value);
        self.is_dirty = true;
    }
}
