//! Isolation forests: how easily random cuts set a value, or a row of values, apart from the others.
//!
//! ```
//! use outrider_forest::{Forest, ForestOptions, Rows, StepForest};
//!
//! // Numbers: a thousand ordinary ones to learn from.
//! let training: Vec<f64> = (0..1_000).map(|i| f64::from(i % 100)).collect();
//! let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 42 };
//! let forest = StepForest::fit(&training, &options).expect("1,000 values are finite");
//! assert!(forest.score(50.0) < 0.5 && forest.score(500.0) > 0.6);
//!
//! // Rows: runs of four values of a wave; extension level 3 cuts in any direction.
//! let wave: Vec<f64> = (0..1_000).map(|i| (f64::from(i) / 10.0).sin()).collect();
//! let forest = Forest::fit(Rows::windows(&wave, 4), 3, &options).expect("997 rows are finite");
//! let odd = [0.0, 0.9, -0.9, 0.0];
//! assert!(forest.score(&odd) > forest.score(&wave[..4]));
//! println!("feature {} gives it away", forest.attribution(&odd)[0].feature);
//! ```
//!
//! A score lies between 0 and 1: about 0.5 or less is normal, near 1 stands alone. The same seed and data give the same
//! forest, to the last bit, in every run. Values that are not finite train nothing and get no score.
//!
//! Sources: F. T. Liu, K. M. Ting, Z.-H. Zhou, *Isolation Forest*, ICDM 2008 (algorithms 1 to 3, equations 1 and 2), and
//! *Isolation-Based Anomaly Detection*, ACM TKDD 6(1), 2012; for cuts in any direction S. Hariri, M. Carrasco Kind,
//! R. J. Brunner, *Extended Isolation Forest*, 2019.
//!
//! # How it works
//!
//! In one dimension a tree is a step function of the value, and so is the sum over all trees. A [`StepForest`] therefore
//! collapses, without approximation, into one sorted table of breakpoints; scoring is one search in it, whatever the
//! number of trees.
//!
//! In several dimensions the trees of a [`Forest`] are heaps in flat arrays, followed one after the other by blocks of
//! rows; cuts are axis-parallel or oblique, and [`Forest::attribution`] says which features isolate a row. `kernel.rs`
//! has AVX-512 for what plain Rust does beside it, bit for bit; it is the only unsafe code.
//!
//! Path lengths are summed exactly, as integers, so that no order of summing shows in the result.
//!
//! Growing a large forest takes seconds: [`cancel`] says how to give it up.

mod attribution;
mod axis;
pub mod cancel;
mod grow;
mod index;
mod kernel;
mod many;
mod oblique;
mod order;
mod random;
mod rows;
mod sample;
mod tree;
mod trees;

pub use attribution::{Share, Side};
pub use many::Forest;
pub use order::Sorter;
pub use rows::Rows;

use cancel::checkpoint;
use grow::Grower;
use index::Index;
use random::Random;
use sample::{FiniteValues, Sampler, SortedSampler};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
    /// Finds the interval of a value.
    index: Index,
}

/// Path lengths are summed as multiples of 2⁻⁴⁰, so that a sum is exact and independent of its order. 10,000 trees of
/// the largest depth still fit an `i64` ten times over.
const FIXED_POINT: f64 = (1_u64 << FIXED_POINT_BITS) as f64;
const FIXED_POINT_BITS: u32 = 40;

fn to_fixed(path_length: f64) -> i64 {
    (path_length * FIXED_POINT).round() as i64
}

/// Where the sorted samples of the trees come from.
enum Samples<'a> {
    /// From few values, sorted once.
    Sorted { sampler: SortedSampler, sample: Vec<f64> },
    /// From many, where sorting all would cost more than sorting each sample.
    Unsorted { values: &'a FiniteValues<'a>, sampler: Sampler, sorter: Sorter<f64>, sample: Vec<f64> },
}

/// Up to how many times the sample size all values are sorted at once.
const SORTED_AT_ONCE: usize = 32;

impl<'a> Samples<'a> {
    fn new(values: &'a FiniteValues<'a>, sample_size: usize) -> Self {
        let (n, sample, mut sorter) = (values.len(), Vec::with_capacity(sample_size), Sorter::new());
        if n > SORTED_AT_ONCE * sample_size {
            return Self::Unsorted { values, sampler: Sampler::new(n, sample_size), sorter, sample };
        }
        let mut sorted: Vec<f64> = values.iter().collect();
        sorter.sort(&mut sorted, |value| *value);
        Self::Sorted { sampler: SortedSampler::new(sorted, sample_size), sample }
    }

    fn draw(&mut self, random: &mut Random) -> &[f64] {
        match self {
            Self::Sorted { sampler, sample } => {
                sampler.draw(random, sample);
                sample
            }
            Self::Unsorted { values, sampler, sorter, sample } => {
                sample.clear();
                sampler.draw(random, |rank| sample.push(values.get(rank)));
                sorter.sort(sample, |value| *value);
                sample
            }
        }
    }
}

impl StepForest {
    /// Grows a forest on the finite values among `training`.
    ///
    /// `None` if there are fewer than two of them, since nothing can be isolated then. Time O(t·ψ·log ψ) and memory
    /// O(t·ψ) beyond one pass over `training` to see what is finite; where something is not, an index of 1/64 of its
    /// length is kept meanwhile.
    ///
    /// ```
    /// use outrider_forest::{ForestOptions, StepForest};
    ///
    /// let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 42 };
    /// let training: Vec<f64> = (0..1_000).map(|i| f64::from(i % 100)).collect();
    /// let forest = StepForest::fit(&training, &options).expect("1,000 values are finite");
    /// assert!(forest.score(50.0) < 0.5 && forest.score(500.0) > 0.6);
    ///
    /// assert_eq!(StepForest::fit(&[1.0, f64::NAN], &options), None);
    /// ```
    #[must_use]
    pub fn fit(training: &[f64], options: &ForestOptions) -> Option<Self> {
        let finite = FiniteValues::new(training);
        if finite.len() < 2 {
            return None;
        }
        let sample_size = options.sample_size.clamp(2, finite.len());
        let mut samples = Samples::new(&finite, sample_size);
        let mut grower = Grower::new(sample_size);
        for tree in 0..options.n_trees {
            checkpoint();
            // Counter-based: tree i is the same however many trees are grown, and whoever grows it.
            let mut random = Random::for_tree(options.seed, tree);
            grower.grow_tree(samples.draw(&mut random), &mut random);
        }
        let Grower { mut steps, lowest, .. } = grower;
        Sorter::new().sort(&mut steps, |step| step.at);

        // Rounded like the path lengths, so that a tree that is one leaf scores exactly 0.5.
        let normaliser = options.n_trees as f64 * to_fixed(average_path_length(sample_size)) as f64;
        // Equation 2: s(x, ψ) = 2^(−E[h(x)] / c(ψ)).
        let score_of = |sum: i64| (-(sum as f64) / normaliser).exp2();
        let mut breakpoints = Vec::with_capacity(steps.len());
        let mut scores = Vec::with_capacity(steps.len() + 1);
        let mut sum = lowest;
        scores.push(score_of(sum));
        for together in steps.chunk_by(|a, b| a.at == b.at) {
            sum += together.iter().map(|step| step.by).sum::<i64>();
            breakpoints.push(together[0].at);
            scores.push(score_of(sum));
        }
        let index = Index::new(&breakpoints);
        Some(Self { breakpoints, scores, index })
    }

    /// Score of `value`, 0 to 1: about 0.5 or less is normal, near 1 stands alone. NaN for what is not finite.
    #[must_use]
    pub fn score(&self, value: f64) -> f64 {
        if value.is_finite() { self.scores[self.interval(value)] } else { f64::NAN }
    }

    /// Writes the score of each of `values` to the same place of `scores`, bit for bit as [`Self::score`] has it.
    ///
    /// # Panics
    ///
    /// If the two differ in length.
    pub fn score_into(&self, values: &[f64], scores: &mut [f64]) {
        assert_eq!(values.len(), scores.len(), "one score for each value");
        let mut out = scores.iter_mut();
        self.index.places(&self.breakpoints, values, |value, place| {
            if let Some(score) = out.next() {
                *score = if value.is_finite() { self.scores[place] } else { f64::NAN };
            }
        });
    }

    /// The score of each of `values`, in their order.
    #[must_use]
    pub fn scores(&self, values: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.0; values.len()];
        self.score_into(values, &mut scores);
        scores
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

    /// On which side of the lowest score `value` lies.
    fn side(&self, value: f64) -> Side {
        let lowest = (0..self.scores.len()).min_by(|a, b| self.scores[*a].total_cmp(&self.scores[*b]));
        if Some(self.interval(value)) > lowest { Side::High } else { Side::Low }
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

    /// The tree as the paper has it: a path length found by descending, with points that are not sorted.
    fn walk(sample: &[f64], value: f64, splits: &mut dyn FnMut(&[f64]) -> f64, depth: u32) -> f64 {
        let low = sample.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if depth == 8 || low == high {
            return f64::from(depth) + average_path_length(sample.len());
        }
        let split = splits(sample);
        let (left, right): (Vec<f64>, Vec<f64>) = sample.iter().partition(|value| **value < split);
        // Both sides are grown, in the same order, since both draw from the same stream.
        let lengths = [&left, &right].map(|side| walk(side, value, splits, depth + 1));
        lengths[usize::from(value >= split)]
    }

    #[test]
    fn the_table_equals_walking_every_tree() {
        let training = bell_with_outlier();
        let forest = StepForest::fit(&training, &OPTIONS).unwrap();
        let finite = FiniteValues::new(&training);
        for value in [-50.0, -3.0, -0.1, 0.0, 0.2, 2.5, 6.0, 40.0, 41.0] {
            let walked: f64 = (0..100)
                .map(|tree| {
                    let mut random = Random::for_tree(OPTIONS.seed, tree);
                    let sample = Samples::new(&finite, 256).draw(&mut random).to_vec();
                    let mut split = |sample: &[f64]| {
                        let low = sample.iter().copied().fold(f64::INFINITY, f64::min);
                        let high = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let u = random.unit();
                        (low * (1.0 - u) + high * u).clamp(low.next_up(), high)
                    };
                    walk(&sample, value, &mut split, 0)
                })
                .sum();
            let score = (-(walked / 100.0) / average_path_length(256)).exp2();
            assert!((forest.score(value) - score).abs() < 1e-11, "{value}");
        }
    }

    #[test]
    fn a_batch_scores_as_one_by_one() {
        let mut training = bell_with_outlier();
        for stretch in [1.0, 1e6, 1e300] {
            training.push(stretch);
            let forest = StepForest::fit(&training, &OPTIONS).unwrap();
            let probes: Vec<f64> =
                training.iter().flat_map(|at| [*at, at + 1e-9, at * 1.1, f64::NAN]).collect();
            let one_by_one: Vec<u64> = probes.iter().map(|value| forest.score(*value).to_bits()).collect();
            let batch: Vec<u64> = forest.scores(&probes).iter().map(|score| score.to_bits()).collect();
            assert_eq!(batch, one_by_one);
        }
    }

    #[test]
    fn gaps_in_the_training_change_nothing() {
        let training = bell_with_outlier();
        let gappy: Vec<f64> = training.iter().flat_map(|value| [f64::NAN, *value]).collect();
        assert_eq!(StepForest::fit(&gappy, &OPTIONS), StepForest::fit(&training, &OPTIONS));
    }

    #[test]
    fn one_more_tree_leaves_the_others_as_they_are() {
        let training = bell_with_outlier();
        let path_length = |n_trees: usize| {
            let forest = StepForest::fit(&training, &ForestOptions { n_trees, ..OPTIONS }).unwrap();
            -forest.score(0.3).log2() * n_trees as f64 * average_path_length(256)
        };
        // Trees of 256 points are 8 levels high, and a leaf there holds at most 249.
        let added = path_length(51) - path_length(50);
        assert!((1.0..18.3).contains(&added), "{added}");
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

        /// A shift rounds, and may so move a value across a split beside it: but nearly all scores stay.
        #[test]
        fn scores_hardly_depend_on_the_origin(values in proptest::collection::vec(-1e3..1e3_f64, 20..300), shift in -1e6..1e6_f64) {
            let shifted: Vec<f64> = values.iter().map(|value| value + shift).collect();
            let (forest, other) =
                (StepForest::fit(&values, &OPTIONS).unwrap(), StepForest::fit(&shifted, &OPTIONS).unwrap());
            let differences = forest.scores(&values).into_iter().zip(other.scores(&shifted)).map(|(a, b)| (a - b).abs());
            let mean = differences.sum::<f64>() / values.len() as f64;
            prop_assert!(mean < 1e-3, "{}", mean);
        }

        /// With all values in every sample, their order has nothing left to act on.
        #[test]
        fn the_order_does_not_matter_to_whole_samples(values in proptest::collection::vec(-1e3..1e3_f64, 2..250)) {
            let reversed: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(StepForest::fit(&values, &OPTIONS), StepForest::fit(&reversed, &OPTIONS));
        }

        #[test]
        fn a_batch_scores_any_numbers_as_one_by_one(
            training in proptest::collection::vec(any::<f64>(), 2..300), values in proptest::collection::vec(any::<f64>(), 0..600),
        ) {
            let Some(forest) = StepForest::fit(&training, &OPTIONS) else { return Ok(()) };
            for (value, score) in values.iter().zip(forest.scores(&values)) {
                prop_assert_eq!(score.to_bits(), forest.score(*value).to_bits());
            }
        }
    }
}
