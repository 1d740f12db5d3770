//! Random numbers for the trees: one stream for each pair of seed and tree.
//!
//! SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014): a
//! counter and a mixing function, so that a tree's stream needs nothing but its number. It is written out here because
//! verdicts must not change with the release of a dependency.

/// The odd number nearest to 2⁶⁴ divided by the golden ratio, the increment of SplitMix64.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    counter: u64,
}

impl Random {
    /// The stream of tree `tree` in the forest of `seed`.
    ///
    /// Seed and tree are mixed one after the other: combined by a sum or an exclusive or alone, related seeds would
    /// share trees.
    pub(super) fn for_tree(seed: u64, tree: usize) -> Self {
        let forest = mix(seed.wrapping_add(GOLDEN_GAMMA));
        Self { counter: mix(forest.wrapping_add((tree as u64).wrapping_mul(GOLDEN_GAMMA))) }
    }

    /// Uniform in 0..2⁶⁴.
    pub(super) fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN_GAMMA);
        mix(self.counter)
    }

    /// Uniform in 0..`bound`, by the high half of a product. No number is likelier than another by more than
    /// `bound` / 2⁶⁴, too little to be worth a rejection.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Uniform in (0, 1], on multiples of 2⁻⁵³.
    pub(super) fn unit(&mut self) -> f64 {
        const ULP: f64 = 1.0 / (1_u64 << 53) as f64;
        ((self.next_u64() >> 11) + 1) as f64 * ULP
    }

    /// Close to normal around 0, deviation 4.01: the number of heads among 64 coins, less 32 (de Moivre and
    /// Laplace), spread evenly over the unit around it. Integers and one sum, so it has the same bits everywhere, as the
    /// logarithm of the usual methods has not.
    pub(super) fn bell(&mut self) -> f64 {
        let heads = f64::from(self.next_u64().count_ones());
        heads - 32.5 + self.unit()
    }
}

/// The output function of SplitMix64 (variant 13 of Stafford's mixers).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The published test vector: the first outputs for the seed 1234567.
        let mut random = Random { counter: 1_234_567 };
        let outputs: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(
            outputs,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn related_seeds_share_no_tree() {
        let seeds = (0..64).chain((0..64).map(|tree: u64| tree.wrapping_mul(GOLDEN_GAMMA)));
        let seeds: HashSet<u64> = seeds.collect();
        let streams: HashSet<u64> =
            seeds.iter().flat_map(|seed| (0..64).map(|tree| Random::for_tree(*seed, tree).counter)).collect();
        assert_eq!(streams.len(), seeds.len() * 64);
    }

    #[test]
    fn numbers_stay_in_range_and_spread_evenly() {
        let mut random = Random::for_tree(1, 2);
        let mut counts = [0; 7];
        for _ in 0..7_000 {
            counts[random.below(7)] += 1;
            let unit = random.unit();
            assert!(unit > 0.0 && unit <= 1.0);
        }
        // 1,000 expected each, with a deviation of 29.
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_bell_has_the_moments_of_a_normal() {
        let mut random = Random::for_tree(1, 2);
        let draws: Vec<f64> = (0..100_000).map(|_| random.bell() / (16.0 + 1.0 / 12.0_f64).sqrt()).collect();
        let moment = |power| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / draws.len() as f64;
        // Of a normal: 0, 1, 0, 3. The excess of 64 coins is −1/32.
        let moments = [1, 2, 3, 4].map(moment);
        for (moment, (expected, deviation)) in
            moments.iter().zip([(0.0, 0.003), (1.0, 0.004), (0.0, 0.012), (2.97, 0.03)])
        {
            assert!((moment - expected).abs() < 4.0 * deviation, "{moments:?}");
        }
    }
}
