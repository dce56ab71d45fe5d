//! CRC-32 and Adler-32 algebra: what a checksum becomes when bytes in the
//! middle change or bytes at the end go, without reading the others.
//!
//! Implements "Incremental checksums" of `docs/format-picture.md`.

use crc32fast::Hasher;

/// Adler-32's modulus, the largest prime below 65536.
const MOD: u64 = 65521;

/// CRC-32 of a chunk: its type and its data.
pub(crate) fn chunk_crc(kind: &[u8; 4], data: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(kind);
    hasher.update(data);
    hasher.finalize()
}

/// CRC-32 of a message in which `old` became `new` with `trailing` bytes after it.
///
/// The CRC is affine: equally long messages differ by the CRC of the changed
/// part, shifted by what follows it.
pub(crate) fn crc_after_change(crc: u32, old: &[u8], new: &[u8], trailing: u64) -> u32 {
    debug_assert_eq!(old.len(), new.len());
    let delta = crc32fast::hash(old) ^ crc32fast::hash(new);
    let mut shifted = Hasher::new_with_initial_len(delta, 0);
    shifted.combine(&Hasher::new_with_initial_len(0, trailing));
    crc ^ shifted.finalize()
}

/// An Adler-32 as its two sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adler {
    a: u64,
    b: u64,
}

impl Adler {
    /// The sum of no bytes.
    pub(crate) const EMPTY: Self = Self { a: 1, b: 0 };

    /// From the number as zlib stores it.
    pub(crate) fn from_value(value: u32) -> Self {
        Self { a: u64::from(value & 0xFFFF) % MOD, b: u64::from(value >> 16) % MOD }
    }

    /// As the number zlib stores.
    pub(crate) fn value(self) -> u32 {
        (self.b << 16 | self.a) as u32
    }

    /// The sum of `bytes` alone.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_value(simd_adler32::adler32(&bytes))
    }

    /// Goes on over `bytes`.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut hasher = simd_adler32::Adler32::from_checksum(self.value());
        hasher.write(bytes);
        *self = Self::from_value(hasher.finish());
    }

    /// The sum of what precedes a suffix, from the sum of both: appending,
    /// solved for the left part.
    pub(crate) fn without_suffix(self, suffix: Self, suffix_len: u64) -> Self {
        let a = (self.a + MOD + 1 - suffix.a) % MOD;
        let ones = (suffix_len % MOD) * ((a + MOD - 1) % MOD) % MOD;
        let b = (self.b + 2 * MOD - suffix.b - ones) % MOD;
        Self { a, b }
    }

    /// The sum after `old` became `new` with `trailing` bytes after it.
    pub(crate) fn after_change(self, old: &[u8], new: &[u8], trailing: u64) -> Self {
        debug_assert_eq!(old.len(), new.len());
        let (old, new) = (Self::of(old), Self::of(new));
        let da = (new.a + MOD - old.a) % MOD;
        let db = (new.b + MOD - old.b + (trailing % MOD) * da) % MOD;
        Self { a: (self.a + da) % MOD, b: (self.b + db) % MOD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..max)
    }

    proptest! {
        #[test]
        fn changed_sums_equal_recomputed_ones(
            before in bytes(300), pair in proptest::collection::vec(any::<(u8, u8)>(), 0..300),
            after in bytes(300),
        ) {
            let (old, new): (Vec<u8>, Vec<u8>) = pair.into_iter().unzip();
            let whole = |middle: &[u8]| [&before, middle, &after].concat();
            let trailing = after.len() as u64;
            prop_assert_eq!(
                crc_after_change(crc32fast::hash(&whole(&old)), &old, &new, trailing),
                crc32fast::hash(&whole(&new))
            );
            prop_assert_eq!(
                Adler::of(&whole(&old)).after_change(&old, &new, trailing),
                Adler::of(&whole(&new))
            );
            prop_assert_eq!(
                Adler::of(&whole(&old)).without_suffix(Adler::of(&after), trailing),
                Adler::of(&[&before[..], &old].concat())
            );
        }
    }

    #[test]
    fn long_runs_of_large_bytes_do_not_overflow() {
        let all = vec![0xFF; 3_000_000];
        let mut sum = Adler::EMPTY;
        sum.update(&all[..1_000_000]);
        let head = sum;
        sum.update(&all[1_000_000..]);
        assert_eq!(sum, Adler::of(&all));
        assert_eq!(sum.without_suffix(Adler::of(&all[1_000_000..]), 2_000_000), head);
    }
}
