//! Maps from keys to values, both of fixed length: in memory up to a limit;
//! whenever that is reached, all there is goes to an unlinked file. There is no
//! removing and no order.

use std::collections::HashMap;
use std::io;

use super::hash_file::HashFile;
use super::key_filter::KeyFilter;
use super::scratch::Scratch;

/// Bytes of entries that are kept in memory: those of 100,000 files and more.
const MEMORY: usize = 8 << 20;

/// A map from keys of `K` bytes to values of `V` bytes.
#[derive(Debug)]
pub(super) struct Table<const K: usize, const V: usize> {
    scratch: Scratch,
    /// Entries that are kept in memory.
    limit: usize,
    /// The entries that came last.
    memory: HashMap<[u8; K], [u8; V]>,
    spilled: Option<Spilled<K, V>>,
}

/// The entries that came before.
#[derive(Debug)]
struct Spilled<const K: usize, const V: usize> {
    file: HashFile<K, V>,
    filter: KeyFilter,
}

impl<const K: usize, const V: usize> Table<K, V> {
    /// An empty table.
    pub(super) fn new(scratch: &Scratch) -> Self {
        let limit = scratch.memory(MEMORY) / (K + V);
        Self { scratch: scratch.clone(), limit, memory: HashMap::new(), spilled: None }
    }

    /// The value of `key`.
    pub(super) fn get(&mut self, key: &[u8; K]) -> io::Result<Option<[u8; V]>> {
        if let Some(value) = self.memory.get(key) {
            return Ok(Some(*value));
        }
        match &mut self.spilled {
            Some(Spilled { file, filter }) if filter.may_have(file.hash(key)) => file.get(key),
            _ => Ok(None),
        }
    }

    /// Enters or replaces a value.
    pub(super) fn insert(&mut self, key: &[u8; K], value: &[u8; V]) -> io::Result<()> {
        self.memory.insert(*key, *value);
        if self.memory.len() > self.limit { self.spill() } else { Ok(()) }
    }

    /// Whether nothing was entered.
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.spilled.is_none()
    }

    fn spill(&mut self) -> io::Result<()> {
        let Spilled { file, filter } = match &mut self.spilled {
            Some(spilled) => spilled,
            None => {
                let file = HashFile::new(&self.scratch, self.memory.len())?;
                self.spilled.insert(Spilled { file, filter: KeyFilter::new() })
            }
        };
        let mut entries: Vec<_> = self.memory.drain().collect();
        // In the order of the file's pages: each is read and written once.
        entries.sort_unstable_by_key(|(key, _)| file.hash(key));
        for (key, value) in entries {
            file.insert(&key, &value)?;
            filter.add(file.hash(&key));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Enters `entries` and looks every key up before and after.
    fn compare<const K: usize, const V: usize>(limit: usize, entries: &[([u8; K], [u8; V])]) {
        let dir = tempfile::tempdir().unwrap();
        let mut table = Table::new(&Scratch::with_memory(dir.path(), limit * (K + V)));
        let mut model = HashMap::new();
        for (key, value) in entries {
            assert_eq!(table.get(key).unwrap(), model.get(key).copied());
            table.insert(key, value).unwrap();
            model.insert(*key, *value);
        }
        for (key, value) in &model {
            assert_eq!(table.get(key).unwrap().as_ref(), Some(value));
        }
        assert_eq!(table.spilled.is_some(), model.len() > limit);
        assert_eq!(table.is_empty(), model.is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

        #[test]
        fn spilled_or_not_it_is_a_map(
            limit in 0..20usize,
            // Few keys, so that values are replaced.
            entries in prop::collection::vec((any::<u8>().prop_map(|n| [n; 2]), any::<[u8; 3]>()), 0..300),
        ) {
            compare(limit, &entries);
        }
    }

    #[test]
    fn files_grow_and_full_pages_run_over() {
        let number = |n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes();
        // Two entries a page, and sets, which have no values.
        let wide: Vec<([u8; 4], [u8; 2000])> =
            (0..500).map(|n| (number(n), [n as u8; 2000])).collect();
        compare(3, &wide);
        let set: Vec<([u8; 4], [u8; 0])> = (0..50_000).map(|n| (number(n), [])).collect();
        compare(10, &set);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut table = Table::<2, 1>::new(&Scratch::with_memory("/nowhere".as_ref(), 3));
        table.insert(&[1; 2], &[1]).unwrap();
        assert!(table.insert(&[2; 2], &[1]).is_err());
    }
}
