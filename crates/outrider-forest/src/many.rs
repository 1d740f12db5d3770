//! The forest in any number of dimensions.

use super::attribution::{Share, shares};
use super::axis::{self, AxisCut, AxisTrees, NO_SPLIT};
use super::kernel::Kernel;
use super::oblique::{self, ObliqueCut, ObliqueTrees, Standard};
use super::random::Random;
use super::rows::{BLOCK, FiniteRows, Rows};
use super::sample::Sampler;
use super::tree::{Cut, Grower, Heap};
use super::trees::{Cuts, Trees};
use super::{ForestOptions, StepForest, average_path_length, to_fixed};
use crate::cancel::checkpoint;

/// A fitted isolation forest on any number of features.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    width: usize,
    kind: Kind,
    kernel: Kernel,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    One(StepForest),
    Many { trees: Trees, cuts: Cuts },
}

/// A sample for each tree, and the trees grown so far.
struct Planting<'a> {
    training: Rows<'a>,
    finite: FiniteRows,
    seed: u64,
    sampler: Sampler,
    sample_size: usize,
    sample: Vec<f64>,
    grower: Grower,
    trees: Trees,
}

impl<'a> Planting<'a> {
    fn new(training: Rows<'a>, options: &ForestOptions) -> Option<Self> {
        let finite = FiniteRows::new(&training);
        if finite.len() < 2 {
            return None;
        }
        let sample_size = options.sample_size.clamp(2, MOST_POINTS).min(finite.len());
        let grower = Grower::new(sample_size, training.width());
        let (count, height) = (options.n_trees, grower.height);
        Some(Self {
            training,
            seed: options.seed,
            sampler: Sampler::new(finite.len(), sample_size),
            sample_size,
            sample: Vec::with_capacity(sample_size * training.width()),
            trees: Trees {
                count,
                height,
                leaves: vec![0; count << height],
                sizes: vec![0; count * ((2 << height) - 1)],
                normaliser: count as f64 * to_fixed(average_path_length(sample_size)) as f64,
                credits: grower.credits.clone(),
            },
            grower,
            finite,
        })
    }

    /// Draws the sample of `tree`, row after row; the trees' further random numbers are returned.
    fn draw(&mut self, tree: usize) -> Random {
        // Counter-based: tree i is the same however many trees are grown, and whoever grows it.
        let mut random = Random::for_tree(self.seed, tree);
        let Self { sampler, sample, training, finite, .. } = self;
        sample.clear();
        sampler.draw(&mut random, |rank| training.append_row(finite.row(rank), sample));
        random
    }

    fn grow(&mut self, tree: usize, cut: &mut impl Cut, random: &mut Random) {
        checkpoint();
        let (nodes, all) = (1 << self.trees.height, (2 << self.trees.height) - 1);
        let mut heap = Heap {
            leaves: &mut self.trees.leaves[tree * nodes..(tree + 1) * nodes],
            sizes: &mut self.trees.sizes[tree * all..(tree + 1) * all],
        };
        self.grower.grow_tree(&self.sample, cut, &mut heap, random);
    }

    fn grow_axis(&mut self) -> AxisTrees {
        let (width, nodes) = (self.training.width(), self.trees.nodes());
        let mut splits = vec![NO_SPLIT; self.trees.count * nodes];
        for (tree, splits) in splits.chunks_exact_mut(nodes).enumerate() {
            let mut random = self.draw(tree);
            self.grow(tree, &mut AxisCut { width, splits }, &mut random);
        }
        let one_table = self.training.are_windows();
        AxisTrees::new(&splits, self.trees.height, width, self.sample_size, one_table)
    }

    fn grow_oblique(&mut self, extension_level: usize) -> ObliqueTrees {
        self.draw(0);
        let (width, height) = (self.training.width(), self.trees.height);
        let mut trees = ObliqueTrees::new(self.standards(), width, height, self.trees.count);
        let mut scratch = oblique::GrowScratch::default();
        for tree in 0..self.trees.count {
            let mut random = self.draw(tree);
            for row in self.sample.chunks_exact_mut(width) {
                for (value, standard) in row.iter_mut().zip(trees.standards().iter().cycle()) {
                    *value = standard.apply(*value);
                }
            }
            let mut cut = ObliqueCut { extension_level, trees: &mut trees, tree, scratch: &mut scratch };
            self.grow(tree, &mut cut, &mut random);
        }
        trees
    }

    /// One standard for each feature, or one for all features of windows. The centre is a median of the sample drawn
    /// last, the scale is that of all training rows.
    fn standards(&self) -> Vec<Standard> {
        let (training, sample, width) = (&self.training, &self.sample, self.training.width());
        let centre = |mut values: Vec<f64>| {
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        if let Some(run) = training.window_run(0..training.len()) {
            let (low, high) = extremes((f64::INFINITY, f64::NEG_INFINITY), run);
            return vec![Standard::new(low, centre(sample.clone()), high)];
        }
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
        let mut scratch = Vec::new();
        // Block by block, so that a matrix is read once and hardly anything copied.
        for start in (0..training.len()).step_by(BLOCK) {
            let rows = start..training.len().min(start + BLOCK);
            for (feature, range) in ranges.iter_mut().enumerate() {
                *range = extremes(*range, training.feature(feature, rows.clone(), &mut scratch));
            }
        }
        let column = |feature| sample.iter().skip(feature).step_by(width).copied().collect();
        let standards = ranges.iter().enumerate();
        standards.map(|(feature, (low, high))| Standard::new(*low, centre(column(feature)), *high)).collect()
    }
}

/// The lowest and the highest so far, and those of the finite `values`.
fn extremes(so_far: (f64, f64), values: &[f64]) -> (f64, f64) {
    let widen = |(low, high): (f64, f64), value: f64| {
        // NaN is neither lower nor higher.
        let value = if value.is_finite() { value } else { f64::NAN };
        (if value < low { value } else { low }, if value > high { value } else { high })
    };
    // Eight at a time, which a loop over single values cannot be turned into.
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [so_far; 8];
    for eight in eights {
        lanes = std::array::from_fn(|lane| widen(lanes[lane], eight[lane]));
    }
    let ends = lanes.into_iter().fold(so_far, |ends, lane| widen(widen(ends, lane.0), lane.1));
    rest.iter().fold(ends, |ends, value| widen(ends, *value))
}

/// The most points a tree on several features is grown on: the most that a query can ask for.
const MOST_POINTS: usize = 1 << 16;

impl Forest {
    /// Grows a forest on the finite rows of `training`.
    ///
    /// `extension_level` is the number of features that a split looks at beyond the first: 0 for axis-parallel splits
    /// (Liu et al. 2008) up to d − 1 for hyperplanes in any direction (Hariri et al. 2019); more is taken as d − 1. A
    /// feature that is constant among the points of a node takes no part in its split. One feature makes a
    /// [`StepForest`]. Trees on several features are grown on at most 65,536 points.
    ///
    /// `None` if fewer than two rows are finite, since nothing can be isolated then.
    ///
    /// ```
    /// use outrider_forest::{Forest, ForestOptions, Rows};
    ///
    /// let series: Vec<f64> = (0..1_000).map(|i| (f64::from(i) / 10.0).sin()).collect();
    /// let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 42 };
    /// let forest = Forest::fit(Rows::windows(&series, 4), 3, &options).expect("997 windows are finite");
    /// assert!(forest.score(&[0.0, 0.1, 0.2, 0.3]) < forest.score(&[0.0, 0.9, -0.9, 0.0]));
    /// ```
    #[must_use]
    pub fn fit(training: Rows<'_>, extension_level: usize, options: &ForestOptions) -> Option<Self> {
        let width = training.width();
        if width == 1 {
            let mut scratch = Vec::new();
            let values = match training.as_values() {
                Some(values) => values,
                None => training.feature(0, 0..training.len(), &mut scratch),
            };
            return Some(Self {
                width,
                kind: Kind::One(StepForest::fit(values, options)?),
                kernel: Kernel::Portable,
            });
        }
        let mut planting = Planting::new(training, options)?;
        let cuts = match extension_level.min(width - 1) {
            0 => Cuts::Axis(planting.grow_axis()),
            level => Cuts::Oblique(planting.grow_oblique(level)),
        };
        Some(Self { width, kind: Kind::Many { trees: planting.trees, cuts }, kernel: Kernel::detect() })
    }

    /// The same forest, which scores with plain Rust whatever the processor offers: to compare speed. Scores have the same
    /// bits either way.
    #[must_use]
    pub fn portable(self) -> Self {
        Self { kernel: Kernel::Portable, ..self }
    }

    /// Number of features of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Score of `row`, 0 to 1: about 0.5 or less is normal, near 1 stands alone. NaN unless every feature is finite.
    ///
    /// # Panics
    ///
    /// If the row has another number of features than the training rows.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.scores(Rows::row_major(row, self.width))[0]
    }

    /// The score of each of `rows`, in their order, bit for bit as [`Self::score`] has it.
    ///
    /// # Panics
    ///
    /// If the rows have another number of features than the training rows.
    #[must_use]
    pub fn scores(&self, rows: Rows<'_>) -> Vec<f64> {
        let mut scores = vec![0.0; rows.len()];
        self.score_into(rows, &mut scores);
        scores
    }

    /// Which features isolate `row`, largest share first; the shares sum to 1. Empty if a feature is not finite, or if
    /// no feature sets the row apart; its score is at most 0.5 then.
    ///
    /// Credits are exact parts of the score (`attribution.rs` has the definition). The cost is that of scoring
    /// a few rows one by one, so ask for what is flagged only.
    ///
    /// # Panics
    ///
    /// If the row has another number of features than the training rows.
    #[must_use]
    pub fn attribution(&self, row: &[f64]) -> Vec<Share> {
        assert_eq!(row.len(), self.width, "a row like the training rows");
        if !row.iter().all(|value| value.is_finite()) {
            return Vec::new();
        }
        match &self.kind {
            Kind::One(forest) => {
                let share = |side| Share { feature: 0, share: 1.0, side };
                if forest.score(row[0]) > 0.5 { vec![share(forest.side(row[0]))] } else { Vec::new() }
            }
            Kind::Many { trees, cuts } => shares(trees, cuts, row),
        }
    }

    /// Writes the score of each of `rows` to the same place of `scores`.
    ///
    /// # Panics
    ///
    /// If the two differ in length, or the rows have another number of features than the training rows.
    pub fn score_into(&self, rows: Rows<'_>, scores: &mut [f64]) {
        assert_eq!(rows.len(), scores.len(), "one score for each row");
        assert_eq!(rows.width(), self.width, "rows like the training rows");
        match &self.kind {
            Kind::One(forest) => {
                let mut scratch = Vec::new();
                let values = match rows.as_values() {
                    Some(values) => values,
                    None => rows.feature(0, 0..rows.len(), &mut scratch),
                };
                forest.score_into(values, scores);
            }
            Kind::Many { trees, cuts } => {
                let mut axis_scratch = axis::Scratch::default();
                let mut oblique_scratch = oblique::Scratch::default();
                let mut sums = [0; BLOCK];
                for (block, scores) in scores.chunks_mut(BLOCK).enumerate() {
                    let first = block * BLOCK;
                    let sums = &mut sums[..scores.len()];
                    sums.fill(0);
                    let (leaves, kernel) = (&trees.leaves, self.kernel);
                    match cuts {
                        Cuts::Axis(cuts) => {
                            cuts.add_path_lengths(leaves, &rows, first, sums, &mut axis_scratch, kernel);
                        }
                        Cuts::Oblique(cuts) => {
                            cuts.add_path_lengths(leaves, &rows, first, sums, &mut oblique_scratch, kernel);
                        }
                    }
                    let all_finite = rows.are_finite(first..first + scores.len());
                    for (row, (score, sum)) in scores.iter_mut().zip(sums).enumerate() {
                        let known = all_finite || rows.is_finite(first + row);
                        *score = if known { trees.score(*sum) } else { f64::NAN };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::attribution::{Side, credits};
    use super::*;

    const OPTIONS: ForestOptions = ForestOptions { n_trees: 50, sample_size: 256, seed: 7 };

    /// A noisy sine of period 50 with a spike at 700.
    fn series() -> Vec<f64> {
        let mut random = Random::for_tree(3, 0);
        let mut series: Vec<f64> = (0..1_000)
            .map(|i| (f64::from(i) / 50.0 * std::f64::consts::TAU).sin() + 0.01 * random.bell())
            .collect();
        series[700] += 2.0;
        series
    }

    fn bits(scores: &[f64]) -> Vec<u64> {
        scores.iter().map(|score| score.to_bits()).collect()
    }

    #[test]
    fn windows_that_hold_a_spike_score_highest() {
        let series = series();
        let rows = Rows::windows(&series, 6);
        for extension_level in [0, 2, 5] {
            let scores = Forest::fit(rows, extension_level, &OPTIONS).unwrap().scores(rows);
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
            // Axis-parallel splits also isolate the crests; hyperplanes see the shape.
            let first = if extension_level == 0 { 1 } else { 4 };
            assert!(order[..first].iter().all(|row| (695..=700).contains(row)), "{:?}", &order[..8]);
            assert!(scores[order[0]] > 0.6 && scores[order[500]] < 0.5);
        }
    }

    #[test]
    fn one_feature_is_the_table() {
        let series = series();
        let table = StepForest::fit(&series, &OPTIONS).unwrap();
        let columns: [&[f64]; 1] = [&series];
        for rows in [Rows::windows(&series, 1), Rows::row_major(&series, 1), Rows::columns(&columns)] {
            let forest = Forest::fit(rows, 3, &OPTIONS).unwrap();
            assert_eq!(bits(&forest.scores(rows)), bits(&table.scores(&series)));
        }
    }

    #[test]
    fn the_layout_changes_no_bit() {
        let series = series();
        let windows = Rows::windows(&series, 3);
        let matrix: Vec<f64> = series.windows(3).flatten().copied().collect();
        let columns: [&[f64]; 3] = [&series[..998], &series[1..999], &series[2..]];
        for extension_level in [0, 2] {
            let [a, b] = [Rows::row_major(&matrix, 3), Rows::columns(&columns)]
                .map(|rows| Forest::fit(rows, extension_level, &OPTIONS).unwrap());
            assert_eq!(a, b);
            let expected = bits(&a.scores(windows));
            assert_eq!(bits(&a.scores(Rows::row_major(&matrix, 3))), expected);
            assert_eq!(bits(&a.scores(Rows::columns(&columns))), expected);
            let one_by_one: Vec<f64> = series.windows(3).map(|row| a.score(row)).collect();
            assert_eq!(bits(&one_by_one), expected);
        }
        // Axis-parallel splits do not even depend on how the training came.
        assert_eq!(
            bits(&Forest::fit(windows, 0, &OPTIONS).unwrap().scores(windows)),
            bits(&Forest::fit(Rows::columns(&columns), 0, &OPTIONS).unwrap().scores(windows))
        );
    }

    #[test]
    fn rows_with_gaps_have_no_score_and_train_nothing() {
        let clean: Vec<f64> = series().windows(4).step_by(4).flatten().copied().collect();
        let gappy: Vec<f64> = clean
            .chunks(4)
            .flat_map(|row| [row, &[1e9, f64::NAN, -1e9, 0.0], &[f64::INFINITY, 0.0, 0.0, 0.0]].concat())
            .collect();
        for extension_level in [0, 3] {
            let clean = Rows::row_major(&clean, 4);
            let gappy = Rows::row_major(&gappy, 4);
            let scores = Forest::fit(clean, extension_level, &OPTIONS).unwrap().scores(clean);
            let forest = Forest::fit(gappy, extension_level, &OPTIONS).unwrap();
            let found = forest.scores(gappy);
            if extension_level == 0 {
                assert_eq!(bits(&scores), bits(&found.iter().copied().step_by(3).collect::<Vec<_>>()));
            }
            for (row, score) in found.iter().enumerate() {
                assert_eq!(score.is_nan(), row % 3 != 0);
            }
        }
    }

    #[test]
    fn too_few_rows_give_no_forest_and_two_are_enough() {
        let rows = [1.0, 2.0, f64::NAN, 0.0, 3.0, 5.0];
        for extension_level in [0, 1] {
            let fit = |rows| Forest::fit(rows, extension_level, &OPTIONS);
            assert!(fit(Rows::row_major(&rows[..4], 2)).is_none());
            assert!(fit(Rows::row_major(&[], 2)).is_none());
            assert!(fit(Rows::windows(&[1.0], 2)).is_none());
            let forest = fit(Rows::row_major(&rows, 2)).unwrap();
            assert!((0.0..=1.0).contains(&forest.score(&[1.0, 2.0])));
            assert!(forest.scores(Rows::windows(&[1.0], 2)).is_empty());
        }
    }

    #[test]
    fn constant_features_change_no_axis_parallel_score_and_identical_rows_score_a_half() {
        let series = series();
        let constant = vec![4.2; series.len()];
        let forest = Forest::fit(Rows::columns(&[&constant, &constant]), 0, &OPTIONS).unwrap();
        assert_eq!(forest.score(&[4.2, 4.2]), 0.5);
        let forest = Forest::fit(Rows::columns(&[&constant, &constant]), 1, &OPTIONS).unwrap();
        assert_eq!(forest.score(&[4.2, 4.2]), 0.5);
        // A split on a constant would be a level lost: path lengths could not average as the table's do.
        let plain = StepForest::fit(&series, &OPTIONS).unwrap();
        for extension_level in [0, 2] {
            let rows: [&[f64]; 3] = [&constant, &series, &constant];
            let forest = Forest::fit(Rows::columns(&rows), extension_level, &OPTIONS).unwrap();
            let difference: f64 =
                series.iter().map(|value| forest.score(&[4.2, *value, 4.2]) - plain.score(*value)).sum();
            assert!((difference / 1_000.0).abs() < 0.01, "{difference}");
        }
    }

    #[test]
    fn hard_numbers_neither_hang_nor_panic() {
        let sets: [&[f64]; 7] = [
            &[1e300, -1e300, 1e-300, 0.0, f64::MAX, f64::MIN, 1.0],
            &[1e9, 1e9 + 1e-3, 1e9 + 2e-3, 1e9 + 5e-3, 1e9],
            &[0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2],
            &[5e-324, 0.0, -5e-324, 0.0, 5e-324],
            &[1e6, 1e6 + 1e-9, 1e6],
            &[f64::MIN_POSITIVE, f64::MAX, f64::MIN_POSITIVE],
            &[7.0, 7.0, 7.0],
        ];
        for set in sets {
            for extension_level in [0, 1] {
                let rows = Rows::windows(set, 2);
                let forest = Forest::fit(rows, extension_level, &OPTIONS).unwrap();
                let far = [f64::MAX, f64::MIN, 0.0, -0.0];
                for score in forest.scores(rows).into_iter().chain(forest.scores(Rows::windows(&far, 2))) {
                    assert!((0.0..=1.0).contains(&score), "{set:?}: {score}");
                }
            }
        }
    }

    /// Kernels and plain Rust, and whole blocks and parts of them, give the same bits; so do trees of other heights than
    /// the kernels are for. Where the processor has no kernel, this compares plain Rust with itself.
    #[test]
    fn kernels_are_bit_equal_to_plain_rust() {
        let mut series = series();
        series.extend_from_within(..);
        series[1_200..1_203].copy_from_slice(&[f64::NAN, 1e300, f64::NEG_INFINITY]);
        series[40] = 1e12;
        for width in [2, 3, 4, 8, 13, 16, 17, 33, 34] {
            let matrix = &series[..series.len() / width * width];
            for rows in [Rows::windows(&series, width), Rows::row_major(matrix, width)] {
                for (extension_level, n_trees, sample_size) in
                    [(0, 20, 256), (0, 150, 250), (0, 5, 100), (1, 20, 256), (width - 1, 20, 256)]
                {
                    let options = ForestOptions { n_trees, sample_size, seed: width as u64 };
                    let forest = Forest::fit(rows, extension_level, &options).unwrap();
                    let fast = forest.scores(rows);
                    assert_eq!(bits(&fast), bits(&forest.clone().portable().scores(rows)));
                    for row in [0, 1, 39, 57, rows.len() - 1] {
                        let alone = forest.score(&rows.row(row));
                        assert_eq!(alone.to_bits(), fast[row].to_bits(), "{width} {extension_level} {row}");
                    }
                }
            }
        }
    }

    /// Path lengths as they have been: verdicts must not change with a change of the code. They are whole numbers, the same
    /// on every processor.
    #[test]
    fn path_lengths_stay_as_they_are() {
        let mut series = series();
        series[40] = 1e12;
        let digest = |rows: Rows<'_>, extension_level| {
            let options = ForestOptions { n_trees: 150, ..OPTIONS };
            let forest = Forest::fit(rows, extension_level, &options).unwrap();
            let Kind::Many { trees, cuts } = &forest.kind else { panic!("several features") };
            let mut sums = vec![0; rows.len()];
            let (leaves, sums_of, kernel) = (&trees.leaves, &mut sums, forest.kernel);
            match cuts {
                Cuts::Axis(cuts) => {
                    cuts.add_path_lengths(leaves, &rows, 0, sums_of, &mut axis::Scratch::default(), kernel);
                }
                Cuts::Oblique(cuts) => {
                    cuts.add_path_lengths(
                        leaves,
                        &rows,
                        0,
                        sums_of,
                        &mut oblique::Scratch::default(),
                        kernel,
                    );
                }
            }
            sums.iter().fold(0, |digest: u64, sum| {
                (digest ^ sum.cast_unsigned()).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
            })
        };
        let digests =
            [(0, 2), (0, 12), (1, 12), (11, 12), (0, 20), (19, 20)].map(|(extension_level, width)| {
                let matrix = &series[..series.len() / width * width];
                [Rows::windows(&series, width), Rows::row_major(matrix, width)]
                    .map(|rows| digest(rows, extension_level))
            });
        assert_eq!(
            digests.as_flattened(),
            [
                15_209_299_077_827_511_310_u64,
                3_561_374_058_458_461_406,
                17_403_509_391_679_333_731,
                6_714_733_347_158_994_937,
                2_773_283_344_704_813_901,
                17_332_217_732_881_658_679,
                1_087_965_871_909_556_956,
                8_722_301_609_985_501_407,
                3_918_673_383_446_382_955,
                3_575_927_521_533_164_777,
                11_076_336_735_354_853_028,
                17_611_163_467_324_736_200
            ]
        );
    }

    /// Evenly spread points make trees so full that a level does not fit the registers of the packed tables.
    #[test]
    fn full_levels_are_bit_equal_to_plain_rust() {
        let mut random = Random::for_tree(5, 0);
        let values: Vec<f64> = (0..3_000).map(|_| random.unit()).collect();
        for extension_level in [1, 2] {
            let rows = Rows::row_major(&values, 3);
            let forest = Forest::fit(rows, extension_level, &OPTIONS).unwrap();
            let Kind::Many { cuts: Cuts::Oblique(trees), .. } = &forest.kind else { panic!("oblique") };
            assert!(trees.fullest_level() > 32, "{}", trees.fullest_level());
            assert_eq!(bits(&forest.scores(rows)), bits(&forest.clone().portable().scores(rows)));
        }
    }

    #[test]
    fn shares_name_the_feature_and_its_side() {
        let mut random = Random::for_tree(9, 0);
        let mut matrix: Vec<f64> = (0..4 * 2_000).map(|_| random.bell()).collect();
        // Units that differ by magnitudes must not matter.
        matrix.chunks_mut(4).for_each(|row| row[3] = 1e6 + 1e-3 * row[3]);
        for extension_level in [0, 1, 3] {
            let forest = Forest::fit(Rows::row_major(&matrix, 4), extension_level, &OPTIONS).unwrap();
            for (row, feature, side) in [
                ([0.0, 40.0, 0.0, 1e6], 1, Side::High),
                ([-40.0, 0.0, 0.0, 1e6], 0, Side::Low),
                ([0.0, 0.0, 0.0, 1e6 + 4e-2], 3, Side::High),
            ] {
                let shares = forest.attribution(&row);
                assert!((shares.iter().map(|share| share.share).sum::<f64>() - 1.0).abs() < 1e-12);
                assert!(shares.windows(2).all(|pair| pair[0].share >= pair[1].share));
                assert_eq!((shares[0].feature, shares[0].side), (feature, side), "{shares:?}");
                assert!(shares[0].share > 0.6, "{extension_level}: {shares:?}");
            }
            // Two features push, and both are named.
            let both = forest.attribution(&[40.0, 0.0, -40.0, 1e6]);
            let mut named = [(both[0].feature, both[0].side), (both[1].feature, both[1].side)];
            named.sort_by_key(|(feature, _)| *feature);
            assert_eq!(named, [(0, Side::High), (2, Side::Low)]);
            assert_eq!(forest.attribution(&[f64::NAN, 0.0, 0.0, 0.0]), []);
        }
        let forest = Forest::fit(Rows::row_major(&matrix, 1), 0, &OPTIONS).unwrap();
        assert_eq!(forest.attribution(&[-50.0])[0].side, Side::Low);
    }

    /// Credits are found by comparing numbers, scores by comparing places: a check of both.
    fn assert_credits_add_up(forest: &Forest, rows: Rows<'_>, some: &[usize]) {
        let Kind::Many { trees, cuts } = &forest.kind else { panic!("several features") };
        for row in some {
            let row = rows.row(*row);
            let total: f64 = credits(trees, cuts, &row).iter().map(|credit| credit.net).sum();
            let (score, exponent) = (forest.score(&row), total / trees.normaliser);
            assert!((2.0 * score - exponent.exp2()).abs() < 1e-9, "{score} {exponent}");
        }
    }

    #[test]
    fn credits_add_up_to_the_score() {
        let series = series();
        let rows = Rows::windows(&series, 5);
        for extension_level in [0, 4] {
            for sample_size in [3, 64, 256, 900] {
                let options = ForestOptions { sample_size, ..OPTIONS };
                let forest = Forest::fit(rows, extension_level, &options).unwrap();
                assert_credits_add_up(&forest, rows, &[0, 500, 699]);
            }
        }
    }

    #[test]
    fn the_largest_samples_keep_their_places() {
        let mut random = Random::for_tree(8, 0);
        let values: Vec<f64> = (0..60_000).map(|_| random.unit()).collect();
        let rows = Rows::windows(&values, 2);
        let options = ForestOptions { n_trees: 2, sample_size: 50_000, seed: 1 };
        let forest = Forest::fit(rows, 0, &options).unwrap();
        assert_credits_add_up(&forest, rows, &[0, 1, 2, 30_000, 59_998]);
    }

    #[test]
    fn an_offset_leaves_the_outlier_where_it_is() {
        let series: Vec<f64> = series().iter().map(|value| 1e9 + 1e-3 * value).collect();
        let rows = Rows::windows(&series, 6);
        for extension_level in [0, 5] {
            let scores = Forest::fit(rows, extension_level, &OPTIONS).unwrap().scores(rows);
            let highest = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert!((695..=700).contains(&highest.unwrap()), "{highest:?}");
        }
    }

    proptest! {
        #[test]
        fn scores_lie_between_0_and_1_and_repeat_to_the_bit(
            values in proptest::collection::vec(any::<f64>(), 6..300), seed: u64, extension_level in 0..3_usize,
        ) {
            let options = ForestOptions { n_trees: 10, sample_size: 64, seed };
            let rows = Rows::windows(&values, 3);
            let Some(forest) = Forest::fit(rows, extension_level, &options) else { return Ok(()) };
            prop_assert_eq!(&Forest::fit(rows, extension_level, &options).unwrap(), &forest);
            for (score, row) in forest.scores(rows).iter().zip(values.windows(3)) {
                prop_assert_eq!(score.is_nan(), row.iter().any(|value| !value.is_finite()));
                prop_assert!(score.is_nan() || (0.0..=1.0).contains(score));
            }
        }

        /// Scaling by a power of two is exact in floating point, so the scores must be too, whatever the unit of each
        /// feature.
        #[test]
        fn scores_do_not_depend_on_the_units(
            values in proptest::collection::vec(-1e3..1e3_f64, 6..300), powers in [-8..8_i32, -8..8_i32, -8..8_i32],
            extension_level in 0..3_usize,
        ) {
            let values = &values[..values.len() / 3 * 3];
            let factors = powers.map(|power| f64::from(power).exp2());
            let scaled: Vec<f64> = values.iter().zip(factors.iter().cycle()).map(|(value, factor)| value * factor).collect();
            let scores = |values: &[f64]| {
                let rows = Rows::row_major(values, 3);
                bits(&Forest::fit(rows, extension_level, &OPTIONS).unwrap().scores(rows))
            };
            prop_assert_eq!(scores(values), scores(&scaled));
        }

        /// Any other change of units and origins rounds, and may so move a value across a split beside it: but nearly
        /// all scores stay.
        #[test]
        fn scores_hardly_depend_on_units_and_origins(
            values in proptest::collection::vec(-1e3..1e3_f64, 30..300), shift in -1e6..1e6_f64, factor in 0.01..100.0_f64,
            extension_level in 0..3_usize,
        ) {
            let changed: Vec<f64> = values.iter().map(|value| factor * value + shift).collect();
            let scores = |values: &[f64]| {
                let rows = Rows::windows(values, 3);
                Forest::fit(rows, extension_level, &OPTIONS).unwrap().scores(rows)
            };
            let (one, other) = (scores(&values), scores(&changed));
            let mean = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum::<f64>() / one.len() as f64;
            prop_assert!(mean < 1e-3, "{}", mean);
        }
    }
}
