//! The generator behind everything synthetic: xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain
//! algorithms). The stream of a seed must never change, or digests in notes and reports lose their meaning.

/// A stream of numbers that depends on its seed alone.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

/// One number from a seed and the names of the thing that it is for.
pub(crate) fn mix(seed: u64, parts: &[u64]) -> u64 {
    let mut hash = splitmix(seed);
    for part in parts {
        hash = splitmix(hash ^ splitmix(part.wrapping_add(0x5851_F42D_4C95_7F2D)));
    }
    hash
}

/// The same for a text, by FNV-1a.
pub(crate) fn mix_text(seed: u64, text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(seed, &[hash])
}

fn splitmix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream for one thing of a seed.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        let mut hash = mix(seed, parts);
        let state = std::array::from_fn(|_| {
            hash = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
            splitmix(hash)
        });
        Self { state }
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        unit(self.next()) < probability
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(of.len() as u64)).ok()?;
        of.get(index)
    }

    /// Fills a buffer.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            for (byte, random) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

/// The upper 53 bits as a number from 0 to 1.
pub(crate) fn unit(value: u64) -> f64 {
    (value >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_fixed() {
        // First outputs of splitmix64 for the seed 1234567, as its authors' test vector has them.
        let mut state = 1_234_567_u64;
        let mut outputs = Vec::new();
        for _ in 0..3 {
            outputs.push(splitmix(state));
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        }
        assert_eq!(
            outputs,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn different_names_give_different_streams() {
        let first = |parts: &[u64]| Random::new(1, parts).next();
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[0]), first(&[0, 0]));
        assert_ne!(Random::new(1, &[]).next(), Random::new(2, &[]).next());
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let mut random = Random::new(3, &[]);
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
        }
        assert_eq!(random.below(0), 0);
        assert!(random.chance(1.0) && !random.chance(0.0));
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
