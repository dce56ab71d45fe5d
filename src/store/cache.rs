//! A cache of decoded things with one hard budget in bytes, loaded once each.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::{Condvar, Mutex};

/// Least-recently-used cache; several threads that want the same key wait for
/// the one that loads it.
pub(crate) struct Cache<K, V> {
    shards: Vec<Shard<K, V>>,
    hasher: RandomState,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Shard<K, V> {
    state: Mutex<State<K, V>>,
    loaded: Condvar,
}

struct State<K, V> {
    ready: LruCache<K, (Arc<V>, usize)>,
    loading: HashSet<K>,
    /// Of what is held, and of what is being loaded.
    weight: usize,
    budget: usize,
}

/// Counters of a cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheStats {
    /// Look-ups answered from memory.
    pub hits: u64,
    /// Look-ups that had to read and decode.
    pub misses: u64,
    /// Bytes held now.
    pub bytes: u64,
    /// The most it may hold.
    pub budget: u64,
}

/// Below this budget a single shard is used: split further, a shard could not
/// hold even a few of the largest blocks.
const MIN_SHARD: usize = 64 << 20;

impl<K: Hash + Eq + Clone, V> Cache<K, V> {
    /// A cache that never holds more than `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self::with_shards(budget, (budget / MIN_SHARD).clamp(1, 8))
    }

    /// As [`Cache::new`], split into `count` parts of which each locks for itself
    /// and has its part of the budget.
    pub(crate) fn with_shards(budget: usize, count: usize) -> Self {
        let shard = || Shard {
            state: Mutex::new(State {
                ready: LruCache::unbounded(),
                loading: HashSet::new(),
                weight: 0,
                budget: budget / count,
            }),
            loaded: Condvar::new(),
        };
        Self {
            shards: (0..count).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The value of `key`, from memory or by `load`, which gives it with its
    /// weight in bytes. Room for `expected` bytes is made before, so that what is
    /// being loaded counts in the budget too. A failed load is not remembered.
    pub(crate) fn get_or_load<E>(
        &self,
        key: &K,
        expected: usize,
        load: impl FnOnce() -> Result<(V, usize), E>,
    ) -> Result<Arc<V>, E> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % self.shards.len()];
        let mut state = shard.state.lock();
        loop {
            if let Some((value, _)) = state.ready.get(key) {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Arc::clone(value));
            }
            if !state.loading.contains(key) {
                break;
            }
            shard.loaded.wait(&mut state);
        }
        state.loading.insert(key.clone());
        // What could never be kept must not push out what is.
        if expected <= state.budget {
            state.make_room(expected);
        }
        state.weight += expected;
        drop(state);
        self.misses.fetch_add(1, Ordering::Relaxed);
        // Dropped also when `load` panics, so that nobody waits for ever.
        let mut done = LoadDone { shard, key, expected };
        let (value, weight) = load()?;
        let value = Arc::new(value);
        done.take_place(Arc::clone(&value), weight);
        Ok(value)
    }

    /// Counters now.
    pub(crate) fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            ..CacheStats::default()
        };
        for shard in &self.shards {
            let state = shard.state.lock();
            stats.bytes += state.weight as u64;
            stats.budget += state.budget as u64;
        }
        stats
    }
}

impl<K: Hash + Eq + Clone, V> State<K, V> {
    /// Lets go of what was used least lately until `weight` more bytes fit.
    fn make_room(&mut self, weight: usize) {
        while self.weight + weight > self.budget {
            let Some((_, (_, freed))) = self.ready.pop_lru() else { break };
            self.weight -= freed;
        }
    }

    fn insert(&mut self, key: K, value: Arc<V>, weight: usize) {
        if weight > self.budget {
            return;
        }
        self.make_room(weight);
        self.weight += weight;
        if let Some((_, (_, freed))) = self.ready.push(key, (value, weight)) {
            self.weight -= freed;
        }
    }
}

struct LoadDone<'a, K: Hash + Eq, V> {
    shard: &'a Shard<K, V>,
    key: &'a K,
    /// The room that is still held for it.
    expected: usize,
}

impl<K: Hash + Eq + Clone, V> LoadDone<'_, K, V> {
    /// Keeps what was loaded in place of the room that was held for it.
    fn take_place(&mut self, value: Arc<V>, weight: usize) {
        let mut state = self.shard.state.lock();
        state.weight -= std::mem::take(&mut self.expected);
        state.insert(self.key.clone(), value, weight);
    }
}

impl<K: Hash + Eq, V> Drop for LoadDone<'_, K, V> {
    fn drop(&mut self) {
        let mut state = self.shard.state.lock();
        state.loading.remove(self.key);
        state.weight -= self.expected;
        drop(state);
        self.shard.loaded.notify_all();
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn load(cache: &Cache<u32, Vec<u8>>, key: u32, size: usize) -> Arc<Vec<u8>> {
        let load = || Ok::<_, ()>((vec![0; size], size));
        cache.get_or_load(&key, size, load).unwrap()
    }

    #[test]
    fn the_budget_is_never_exceeded() {
        let cache = Cache::new(1000);
        for key in 0..50 {
            load(&cache, key, 300);
            assert!(cache.stats().bytes <= 1000);
        }
        load(&cache, 99, 5000);
        assert!(cache.stats().bytes <= 1000, "what is larger than the budget is not kept");
        load(&cache, 49, 300);
        assert_eq!(cache.stats().hits, 1, "the latest is still there");
    }

    #[test]
    fn what_is_being_loaded_has_its_room() {
        let cache = Cache::new(1000);
        for key in 0..3 {
            load(&cache, key, 300);
        }
        let mut held = 0;
        let loaded = cache.get_or_load(&9, 500, || {
            held = cache.stats().bytes;
            Ok::<_, ()>((vec![0; 500], 500))
        });
        assert_eq!((loaded.unwrap().len(), held), (500, 800), "two went for it, one stayed");
    }

    #[test]
    fn a_failed_load_is_tried_again() {
        let cache: Cache<u32, u32> = Cache::new(1000);
        assert_eq!(cache.get_or_load(&1, 4, || Err("no")), Err("no"));
        assert_eq!(cache.stats().bytes, 0, "the room that was held for it is free");
        assert_eq!(cache.get_or_load(&1, 4, || Ok::<_, &str>((5, 4))), Ok(Arc::new(5)));
    }

    #[test]
    fn one_key_is_loaded_once_by_many_threads() {
        let cache: Cache<u32, u32> = Cache::new(1 << 20);
        let loads = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    cache.get_or_load(&7, 4, || {
                        loads.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>((1, 4))
                    })
                });
            }
        });
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}
