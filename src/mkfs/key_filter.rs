//! A Bloom filter: tells of most keys that are not in a file that they are not,
//! without looking. Nearly all files of a source are new, so that nearly all
//! look-ups would be in vain.

/// Bits of the filter: ten for each of six million keys, with which it errs in
/// one case of a hundred. With more keys it errs more often, which costs time only.
const BITS: usize = 1 << 26;

/// Bits that each key sets.
const PROBES: u64 = 4;

/// Which keys may be there.
#[derive(Debug)]
pub(super) struct KeyFilter {
    words: Vec<u64>,
}

impl KeyFilter {
    /// No keys.
    pub(super) fn new() -> Self {
        Self { words: vec![0; BITS / 64] }
    }

    /// Adds the key with this hash.
    pub(super) fn add(&mut self, hash: u64) {
        for (word, bit) in places(hash) {
            self.words[word] |= bit;
        }
    }

    /// Whether the key with this hash may have been added; false is certain.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        places(hash).all(|(word, bit)| self.words[word] & bit != 0)
    }
}

/// The words and the bits in them for a hash.
fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    // Odd, so that the places differ.
    let step = hash >> 32 | 1;
    (0..PROBES).map(move |probe| {
        let at = hash.wrapping_add(probe.wrapping_mul(step)) as usize % BITS;
        (at / 64, 1 << (at % 64))
    })
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn it_knows_what_was_added_and_little_else() {
        let mut filter = KeyFilter::new();
        let hash = |n: u64| xxh3_64(&n.to_le_bytes());
        (0..100_000).for_each(|n| filter.add(hash(n)));
        assert!((0..100_000).all(|n| filter.may_have(hash(n))));
        let wrong = (100_000..200_000).filter(|&n| filter.may_have(hash(n))).count();
        assert!(wrong < 100, "{wrong}");
    }
}
