//! The machine's random numbers: the same seed gives the same ones.

/// The generator `splitmix64`: 64 bits of state, every seed is good.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A generator with a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 32 bits.
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_generator() {
        // splitmix64 of seed 0 begins E220A8397B1DCDAF, 6E789E6AA1B965F4.
        let mut random = Random::new(0);
        assert_eq!((random.next(), random.next()), (0xE220_A839, 0x6E78_9E6A));
    }
}
