//! Random numbers: one seeded generator per purpose, so that a new use of chance does not disturb the others.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

/// A stream of random numbers for one purpose of one session.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of `purpose` in the session of `seed`; ChaCha8 keyed by their SHA-256, the same on every machine.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [−1, 1).
    pub fn sign(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }

    /// Nearly normal, mean 0, variance 1: the sum of twelve uniforms, which needs no transcendental function.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    /// Whether an event of the given probability happens.
    pub fn happens(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_its_own_stream_and_repeats_it() {
        let draw = |seed, purpose| (0..4).map(|_| 0).scan(Chance::new(seed, purpose), |c, _| Some(c.unit())).collect::<Vec<_>>();
        assert_eq!(draw(1, "bot"), draw(1, "bot"));
        assert_ne!(draw(1, "bot"), draw(2, "bot"));
        assert_ne!(draw(1, "bot"), draw(1, "bleed"));
    }

    /// 10,000 draws: the mean of a unit normal is within 4 standard errors (0.04), its variance within 4 × √(2/n) (0.06).
    #[test]
    fn the_normal_has_mean_zero_and_variance_one() {
        let mut chance = Chance::new(7, "test");
        let draws: Vec<f64> = (0..10_000).map(|_| chance.normal() as f64).collect();
        let mean = draws.iter().sum::<f64>() / 1e4;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.06, "{mean} {variance}");
    }
}
