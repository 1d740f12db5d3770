//! The isolation-forest engine.
//!
//! Input is numbers, output a [`StepForest`] that scores any number. Sources: F. T. Liu, K. M. Ting, Z.-H. Zhou,
//! *Isolation Forest*, ICDM 2008 (algorithms 1 to 3, equations 1 and 2), and *Isolation-Based Anomaly Detection*,
//! ACM TKDD 6(1), 2012.
//!
//! In one dimension a tree is a step function of the value, and so is the sum over all trees. The forest therefore
//! collapses, without approximation, into one sorted table of breakpoints; scoring is one search in it, whatever the
//! number of trees.

mod grow;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use grow::{Tree, grow_tree};

/// The knobs of a forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForestOptions {
    /// Number of trees, at least 1 (`t` in the paper; 100 there).
    pub n_trees: usize,
    /// Points each tree is grown on, at least 2 (`ψ` in the paper; 256 there). Fewer are used if there are fewer.
    pub sample_size: usize,
    /// Seed; the same seed and data give the same forest to the last bit.
    pub seed: u64,
}

/// A fitted one-dimensional isolation forest, as one table.
#[derive(Debug, Clone, PartialEq)]
pub struct StepForest {
    /// Ascending values at which the score changes.
    breakpoints: Vec<f64>,
    /// Score between two breakpoints: `scores[i]` holds for `breakpoints[i - 1] <= x < breakpoints[i]`. One longer than
    /// `breakpoints`.
    scores: Vec<f64>,
}

/// Path lengths are summed as multiples of 2⁻⁴⁰, so that a sum is exact and independent of its order. 10,000 trees of
/// the largest depth still fit an `i64` ten times over.
const FIXED_POINT: f64 = (1_u64 << 40) as f64;

impl StepForest {
    /// Grows a forest on the finite values among `training`.
    ///
    /// `None` if there are fewer than two of them, since nothing can be isolated then. Time O(t·ψ·log ψ), memory
    /// O(t·ψ), both independent of how many values there are beyond the sample.
    #[must_use]
    pub fn fit(training: &[f64], options: &ForestOptions) -> Option<Self> {
        let finite: Vec<f64> = training.iter().copied().filter(|value| value.is_finite()).collect();
        if finite.len() < 2 {
            return None;
        }
        let sample_size = options.sample_size.clamp(2, finite.len());
        let mut steps: Vec<(f64, i64)> = Vec::new();
        let mut lowest: i64 = 0;
        for tree in 0..options.n_trees {
            // Counter-based: tree i is the same however many trees are grown, and whoever grows it.
            let seed = options.seed ^ (tree as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let Tree { splits, path_lengths } = grow_tree(&finite, sample_size, &mut rng);
            let fixed: Vec<i64> = path_lengths.iter().map(|h| (h * FIXED_POINT).round() as i64).collect();
            lowest += fixed[0];
            steps
                .extend(splits.iter().zip(fixed.windows(2)).map(|(split, pair)| (*split, pair[1] - pair[0])));
        }
        steps.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));

        // Rounded like the path lengths, so that a tree that is one leaf scores exactly 0.5.
        let normaliser = options.n_trees as f64 * (average_path_length(sample_size) * FIXED_POINT).round();
        // Equation 2: s(x, ψ) = 2^(−E[h(x)] / c(ψ)).
        let score_of = |sum: i64| (-(sum as f64) / normaliser).exp2();
        let mut breakpoints = Vec::with_capacity(steps.len());
        let mut scores = Vec::with_capacity(steps.len() + 1);
        let mut sum = lowest;
        scores.push(score_of(sum));
        for (breakpoint, step) in steps {
            sum += step;
            let score = score_of(sum);
            if breakpoints.last() == Some(&breakpoint) {
                if let Some(last) = scores.last_mut() {
                    *last = score;
                }
            } else {
                breakpoints.push(breakpoint);
                scores.push(score);
            }
        }
        Some(Self { breakpoints, scores })
    }

    /// Score of `value`, 0 to 1: about 0.5 or less is normal, near 1 stands alone. NaN for what is not finite.
    #[must_use]
    pub fn score(&self, value: f64) -> f64 {
        if value.is_finite() { self.scores[self.interval(value)] } else { f64::NAN }
    }

    /// The widest interval around `centre` in which no score exceeds `threshold`; an end is infinite where even the
    /// most extreme value does not. `None` if `centre` itself exceeds it.
    #[must_use]
    pub fn normal_range(&self, centre: f64, threshold: f64) -> Option<(f64, f64)> {
        let middle = self.interval(centre);
        if self.scores[middle] > threshold {
            return None;
        }
        let exceeds = |interval: &usize| self.scores[*interval] > threshold;
        let lower = (0..middle).rev().find(exceeds).map_or(f64::NEG_INFINITY, |left| self.breakpoints[left]);
        let upper = (middle + 1..self.scores.len())
            .find(exceeds)
            .map_or(f64::INFINITY, |right| self.breakpoints[right - 1]);
        Some((lower, upper))
    }

    /// Index in `scores` of the interval that holds `value`.
    fn interval(&self, value: f64) -> usize {
        self.breakpoints.partition_point(|breakpoint| *breakpoint <= value)
    }
}

/// c(n): the average path length of an unsuccessful search in a binary search tree of `n` points, which is what a
/// leaf with `n` points stands for (Liu et al. 2008, equation 1; c(2) = 1, c(n < 2) = 0).
///
/// The harmonic number is exact to rounding, where the paper uses ln(i) + γ: 10.249 and not 10.245 for n = 256.
#[must_use]
pub fn average_path_length(n: usize) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let n = n as f64;
    2.0 * harmonic(n - 1.0) - 2.0 * (n - 1.0) / n
}

/// The n-th harmonic number: summed for small n, by its asymptotic series (error below 1/(252 n⁶)) for large.
fn harmonic(n: f64) -> f64 {
    const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;
    if n < 64.0 {
        return (1..=n as u32).map(|i| 1.0 / f64::from(i)).sum();
    }
    n.ln() + EULER_MASCHERONI + 1.0 / (2.0 * n) - 1.0 / (12.0 * n * n) + 1.0 / (120.0 * n.powi(4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: ForestOptions = ForestOptions { n_trees: 100, sample_size: 256, seed: 7 };

    /// 1,000 values of a bell curve, by inversion, and one far away.
    fn bell_with_outlier() -> Vec<f64> {
        let mut values: Vec<f64> = (0..1_000)
            .map(|i| {
                let u = (f64::from(i) + 0.5) / 1_000.0;
                (u / (1.0 - u)).ln()
            })
            .collect();
        values.push(40.0);
        values
    }

    #[test]
    fn c_matches_the_paper() {
        assert_eq!(average_path_length(0), 0.0);
        assert_eq!(average_path_length(1), 0.0);
        assert_eq!(average_path_length(2), 1.0);
        // 2·H(255) − 2·255/256 and 2·H(63) − 2·63/64, summed in exact fractions.
        assert!((average_path_length(256) - 10.248_689_925_634_562).abs() < 1e-12);
        assert!((average_path_length(64) - 7.487_781_807_411_538).abs() < 1e-12);
    }

    #[test]
    fn what_stands_alone_scores_high_and_the_crowd_low() {
        let forest = StepForest::fit(&bell_with_outlier(), &OPTIONS).unwrap();
        assert!(forest.score(40.0) > 0.7, "{}", forest.score(40.0));
        assert!(forest.score(0.0) < 0.5, "{}", forest.score(0.0));
        assert!(forest.score(-30.0) > 0.6);
        assert!(forest.score(f64::NAN).is_nan() && forest.score(f64::INFINITY).is_nan());
    }

    #[test]
    fn the_table_equals_walking_every_tree() {
        let training = bell_with_outlier();
        let forest = StepForest::fit(&training, &OPTIONS).unwrap();
        let trees: Vec<Tree> = (0..100_u64)
            .map(|tree| {
                let seed = OPTIONS.seed ^ tree.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                grow_tree(&training, 256, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
            })
            .collect();
        for value in [-50.0, -3.0, -0.1, 0.0, 0.2, 2.5, 6.0, 40.0, 41.0] {
            let walked: f64 = trees
                .iter()
                .map(|tree| tree.path_lengths[tree.splits.partition_point(|split| *split <= value)])
                .sum();
            let score = (-(walked / 100.0) / average_path_length(256)).exp2();
            assert!((forest.score(value) - score).abs() < 1e-11, "{value}");
        }
    }

    #[test]
    fn too_few_values_give_no_forest_and_two_are_enough() {
        assert!(StepForest::fit(&[], &OPTIONS).is_none());
        assert!(StepForest::fit(&[1.0, f64::NAN, f64::INFINITY], &OPTIONS).is_none());
        let forest = StepForest::fit(&[1.0, 2.0], &OPTIONS).unwrap();
        assert_eq!(forest.score(1.0), forest.score(2.0));
    }

    #[test]
    fn a_constant_has_nothing_to_isolate() {
        let forest = StepForest::fit(&[5.0; 1_000], &OPTIONS).unwrap();
        assert_eq!(forest.score(5.0), 0.5);
    }

    #[test]
    fn the_normal_range_is_where_nothing_is_flagged() {
        let forest = StepForest::fit(&bell_with_outlier(), &OPTIONS).unwrap();
        let (lower, upper) = forest.normal_range(0.0, 0.6).unwrap();
        assert!(lower < -1.0 && upper > 1.0 && upper < 40.0, "{lower} {upper}");
        assert!(forest.score(upper) > 0.6 && forest.score(upper.next_down()) <= 0.6);
        assert!(forest.score(lower.next_down()) > 0.6 && forest.score(lower) <= 0.6);
        assert_eq!(forest.normal_range(0.0, 1.0), Some((f64::NEG_INFINITY, f64::INFINITY)));
        assert_eq!(forest.normal_range(0.0, 0.0), None);
    }

    #[test]
    fn hard_numbers_neither_hang_nor_panic() {
        let sets: [&[f64]; 6] = [
            &[1e300, -1e300, 1e-300, 0.0, f64::MAX, f64::MIN],
            &[1e9, 1e9 + 1e-3, 1e9 + 2e-3, 1e9 + 5e-3],
            &[0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2],
            &[5e-324, 0.0, -5e-324],
            &[1e6, 1e6 + 1e-9, 1e6],
            &[f64::MIN_POSITIVE, f64::MAX],
        ];
        for set in sets {
            let forest = StepForest::fit(set, &OPTIONS).unwrap();
            for value in set {
                let score = forest.score(*value);
                assert!((0.0..=1.0).contains(&score), "{set:?} {value}: {score}");
            }
        }
    }

    proptest! {
        #[test]
        fn scores_lie_between_0_and_1_and_repeat_to_the_bit(
            values in proptest::collection::vec(any::<f64>(), 2..300), seed: u64,
        ) {
            let options = ForestOptions { n_trees: 10, sample_size: 64, seed };
            let Some(forest) = StepForest::fit(&values, &options) else { return Ok(()) };
            prop_assert_eq!(&StepForest::fit(&values, &options).unwrap(), &forest);
            for value in values.iter().filter(|value| value.is_finite()) {
                prop_assert!((0.0..=1.0).contains(&forest.score(*value)));
            }
        }

        /// Scaling by a power of two is exact in floating point, so the scores must be too.
        #[test]
        fn scores_do_not_depend_on_the_unit(values in proptest::collection::vec(-1e3..1e3_f64, 2..300), power in -8..8_i32) {
            let factor = f64::from(power).exp2();
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let (forest, other) =
                (StepForest::fit(&values, &OPTIONS).unwrap(), StepForest::fit(&scaled, &OPTIONS).unwrap());
            for (value, scaled) in values.iter().zip(&scaled) {
                prop_assert_eq!(forest.score(*value), other.score(*scaled));
            }
        }
    }
}
