//! Which token comes next: the likeliest, or one by chance.

use crate::llm::ChatError;

/// Tokens that are less likely than this part of the likeliest are never taken:
/// a vocabulary has thousands of them, and together they are likely.
const MIN_PART: f32 = 0.05;

/// Chooses tokens.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// A temperature of 0 is the likeliest always.
    pub(super) fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature, state: seed }
    }

    /// Chooses.
    ///
    /// # Errors
    /// When the model's numbers are none.
    pub(super) fn next(&mut self, logits: &[f32]) -> Result<u32, ChatError> {
        let mut best = (0, f32::NEG_INFINITY);
        for (id, logit) in (0_u32..).zip(logits) {
            if !logit.is_finite() {
                let what = "it computes numbers that are none: its weights are damaged";
                return Err(ChatError::Embedded(what.to_owned()));
            }
            if *logit > best.1 {
                best = (id, *logit);
            }
        }
        if self.temperature <= 0.0 {
            return Ok(best.0);
        }
        let part = |logit: f32| ((logit - best.1) / self.temperature).exp();
        let likely: Vec<(u32, f32)> = (0_u32..)
            .zip(logits)
            .map(|(id, logit)| (id, part(*logit)))
            .filter(|(_, part)| *part >= MIN_PART)
            .collect();
        let sum: f32 = likely.iter().map(|(_, part)| part).sum();
        let mut left = self.random() * sum;
        for (id, part) in &likely {
            left -= part;
            if left < 0.0 {
                return Ok(*id);
            }
        }
        Ok(likely.last().map_or(best.0, |(id, _)| *id))
    }

    /// SplitMix64, of which 24 bits make a number below 1.
    fn random(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_temperature_the_likeliest_is_taken() {
        assert_eq!(Sampler::new(0.0, 1).next(&[1.0, 3.0, 2.0]).unwrap(), 1);
        assert!(Sampler::new(0.0, 1).next(&[1.0, f32::NAN]).is_err());
    }

    #[test]
    fn chance_follows_the_seed_and_leaves_out_the_unlikely() {
        let logits = [0.0, 1.0, -9.0, 1.0];
        let run = |seed| {
            let mut sampler = Sampler::new(1.0, seed);
            (0..200).map(|_| sampler.next(&logits).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let count = |id| run(7).iter().filter(|taken| **taken == id).count();
        assert!(count(0) > 10 && count(1) > 50 && count(3) > 50 && count(2) == 0);
    }
}
