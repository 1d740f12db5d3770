//! Oblique trees: each split is a hyperplane (S. Hariri, M. Carrasco Kind, R. J. Brunner, *Extended Isolation Forest*,
//! IEEE TKDE 33(4), 2021; algorithm 2).
//!
//! As there, the normal's components are normal numbers and the plane goes through a point uniform in the box around the
//! node's points, so a plane may leave one side empty: a region that the sample never enters. There the data are
//! standardised first; here each node measures its normal in units of its box, so that units do not matter.

use std::ops::Range;

use super::kernel::{self, Kernel};
use super::random::Random;
use super::rows::Rows;
use super::tree::{Cut, partition};
use crate::cancel::checkpoint;

/// What is subtracted from a value and what it is then multiplied by, so that neither an offset nor a unit costs
/// precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standard {
    pub(super) centre: f64,
    /// A power of two: multiplying rounds nothing.
    pub(super) scale: f64,
}

/// Standardised values stop here, far outside anything a tree distinguishes, so that no product overflows.
const FAR: f64 = (1_u128 << 100) as f64;

/// The `at` of an entry without a hyperplane: it sends all to the left, beyond doubt.
pub(super) const NO_PLANE: f64 = FAR;

impl Standard {
    /// The standard for finite values from `low` to `high` around `centre`.
    pub(super) fn new(low: f64, centre: f64, high: f64) -> Self {
        // Half distances, since a distance can overflow.
        let half = f64::max(high * 0.5 - centre * 0.5, centre * 0.5 - low * 0.5);
        let exponent = if half > 0.0 { ((half.to_bits() >> 52) as i32 - 1023) + 1 } else { 0 };
        Self { centre, scale: f64::from(-exponent.clamp(-1022, 1022)).exp2() }
    }

    pub(super) fn apply(self, value: f64) -> f64 {
        ((value - self.centre) * self.scale).clamp(-FAR, FAR)
    }
}

/// Σ wᵢ·yᵢ, in an order that four lanes can follow.
fn dot(width: usize, weight: impl Fn(usize) -> f32, y: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; 4];
    let mut at = 0;
    while at + 4 <= width {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f64::from(weight(at + lane)) * y(at + lane);
        }
        at += 4;
    }
    for (lane, at) in (at..width).enumerate() {
        lanes[lane] += f64::from(weight(at)) * y(at);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// [`dot`] of what stands in one piece, to the same bits.
#[inline]
fn dot_of_row(weights: &[f32], y: &[f64]) -> f64 {
    let ((weights, last_weights), (y, last_y)) = (weights.as_chunks::<4>(), y.as_chunks::<4>());
    let mut lanes = [0.0; 4];
    for (weights, y) in weights.iter().zip(y) {
        lanes = std::array::from_fn(|lane| lanes[lane] + f64::from(weights[lane]) * y[lane]);
    }
    for (lane, (weight, y)) in last_weights.iter().zip(last_y).enumerate() {
        lanes[lane] += f64::from(*weight) * y;
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// The hyperplanes of all trees: a row goes right if Σ wᵢ·yᵢ >= `at`, where y is the standardised row and Σ |wᵢ| = 1.
///
/// Each tree has 2^height entries: node i of the heap stands at i + 1. The first is free, and so are those of nodes
/// without a hyperplane, below which all leads to the same path length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObliqueTrees {
    /// One for each feature, or one for all of them.
    standards: Vec<Standard>,
    width: usize,
    height: usize,
    /// For each tree and feature, the weights of all entries. They are f32 by definition, not by rounding of something
    /// finer: a direction is random anyway.
    weights: Vec<f32>,
    /// For each tree.
    at: Vec<f64>,
}

impl ObliqueTrees {
    /// Trees without hyperplanes.
    pub(super) fn new(standards: Vec<Standard>, width: usize, height: usize, count: usize) -> Self {
        let entries = count << height;
        Self { standards, width, height, weights: vec![0.0; entries * width], at: vec![NO_PLANE; entries] }
    }

    pub(super) fn standards(&self) -> &[Standard] {
        &self.standards
    }

    /// The most hyperplanes on one level of one tree.
    #[cfg(test)]
    pub(super) fn fullest_level(&self) -> usize {
        let levels = |at: &[f64]| {
            let planes =
                |level: usize| at[1 << level..2 << level].iter().filter(|at| **at != NO_PLANE).count();
            (0..self.height).map(planes).max()
        };
        self.at.chunks(1 << self.height).filter_map(levels).max().unwrap_or_default()
    }

    pub(super) fn tree<'a>(&'a self, tree: usize) -> Tree<'a> {
        let entries = 1 << self.height;
        Tree {
            height: self.height,
            width: self.width,
            weights: &self.weights[tree * entries * self.width..][..entries * self.width],
            at: &self.at[tree * entries..][..entries],
        }
    }

    /// Adds to `sums` the path lengths of the rows from `first` on, at most a block; those of rows that are not
    /// finite mean nothing.
    pub(super) fn add_path_lengths(
        &self,
        leaves: &[i64],
        rows: &Rows<'_>,
        first: usize,
        sums: &mut [i64],
        scratch: &mut Scratch,
        kernel: Kernel,
    ) {
        let stride = scratch.fill(self, rows, first..first + sums.len());
        let Scratch { y, single, by_row, unsure, planes, .. } = scratch;
        let entries = 1 << self.height;
        for (tree, leaves) in leaves.chunks_exact(entries).enumerate() {
            checkpoint();
            let tree = self.tree(tree);
            let (by_row, row_stride) =
                if stride == 1 { (&*single, 1) } else { (&*by_row, self.width.next_multiple_of(4)) };
            let block = Block { y, single, stride, by_row, row_stride, unsure };
            if kernel.takes_oblique(self.height) {
                kernel.oblique(&tree, leaves, &block, sums);
            } else {
                tree.walk(leaves, &block, sums, planes);
            }
        }
    }
}

/// One tree of [`ObliqueTrees`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a> {
    height: usize,
    pub(super) width: usize,
    pub(super) weights: &'a [f32],
    pub(super) at: &'a [f64],
}

impl Tree<'_> {
    pub(super) fn weight(&self, node: usize, feature: usize) -> f32 {
        self.weights[(feature << self.height) + node + 1]
    }

    /// Whether a standardised row goes right.
    pub(super) fn goes_right(&self, node: usize, y: impl Fn(usize) -> f64) -> bool {
        dot(self.width, |feature| self.weight(node, feature), y) >= self.at[node + 1]
    }

    /// The leaf of row `row` of a block.
    pub(super) fn leaf(&self, block: &Block<'_>, row: usize) -> usize {
        let mut node = 0;
        for _ in 0..self.height {
            let right = self.goes_right(node, |feature| block.y[row + feature * block.stride]);
            node = 2 * node + 1 + usize::from(right);
        }
        node + 1 - (1 << self.height)
    }

    /// Adds the path length of each row to its sum: sums in f32 where they are beyond doubt. `planes` is memory.
    fn walk(&self, leaves: &[i64], block: &Block<'_>, sums: &mut [i64], planes: &mut Planes) {
        let fours = self.width.div_ceil(4);
        let Planes { weights, at } = planes;
        weights.clear();
        weights.resize(fours << self.height, [0.0; 4]);
        for (feature, column) in self.weights.chunks_exact(1 << self.height).enumerate() {
            for (plane, weight) in weights.chunks_exact_mut(fours).zip(column) {
                plane[feature / 4][feature % 4] = *weight;
            }
        }
        at.clear();
        at.extend(self.at.iter().map(|at| *at as f32));
        // The number of fours as a constant unrolls the sum.
        match fours {
            1 => self.walk_fours(1, leaves, block, sums, planes),
            2 => self.walk_fours(2, leaves, block, sums, planes),
            3 => self.walk_fours(3, leaves, block, sums, planes),
            4 => self.walk_fours(4, leaves, block, sums, planes),
            _ => self.walk_fours(fours, leaves, block, sums, planes),
        }
    }

    #[inline(always)]
    fn walk_fours(&self, fours: usize, leaves: &[i64], block: &Block<'_>, sums: &mut [i64], planes: &Planes) {
        let first_leaf = 1 << self.height;
        for (chunk, sums) in sums.chunks_mut(TOGETHER).enumerate() {
            let first = chunk * TOGETHER;
            let margin = block.unsure[chunk];
            let (level, (mut entries, mut closest)) = if self.height < DENSE {
                (0, ([1; TOGETHER], [f32::INFINITY; TOGETHER]))
            } else {
                (DENSE, self.descend_densely(block, first))
            };
            for _ in level..self.height {
                // Row after row on each level, so that one row's sums do not wait for another's.
                let mut parts = [[0.0_f32; 4]; TOGETHER];
                for (lane, (part, entry)) in parts.iter_mut().zip(&entries).enumerate() {
                    let start = (first + lane) * block.row_stride;
                    let (y, _) = block.by_row[start..start + 4 * fours].as_chunks::<4>();
                    let plane = &planes.weights[*entry * fours..(*entry + 1) * fours];
                    for (weights, y) in plane.iter().zip(y) {
                        *part = std::array::from_fn(|lane| part[lane] + weights[lane] * y[lane]);
                    }
                }
                for ((part, entry), closest) in parts.iter().zip(&mut entries).zip(&mut closest) {
                    let sum = (part[0] + part[2]) + (part[1] + part[3]);
                    (*entry, *closest) = step(*entry, *closest, sum - planes.at[*entry]);
                }
            }
            for (lane, sum) in sums.iter_mut().enumerate() {
                let unsure = closest[lane] <= margin;
                let leaf = if unsure { self.leaf(block, first + lane) } else { entries[lane] - first_leaf };
                *sum += leaves[leaf];
            }
        }
    }

    /// The entries of [`TOGETHER`] rows after the three top levels, and how close to a hyperplane they came. Every
    /// hyperplane there is evaluated for every row: no look-up, and many rows to a register.
    #[inline(always)]
    fn descend_densely(&self, block: &Block<'_>, first: usize) -> ([usize; TOGETHER], [f32; TOGETHER]) {
        let (rows, columns) = (&block.single[first..], self.weights.chunks_exact(1 << self.height));
        let beyond: [[f32; TOGETHER]; 8] = std::array::from_fn(|entry| {
            if entry == 0 || self.at[entry] == NO_PLANE {
                return [-(NO_PLANE as f32); TOGETHER];
            }
            let mut sum = [0.0_f32; TOGETHER];
            for (y, weights) in rows.windows(TOGETHER).step_by(block.stride).zip(columns.clone()) {
                let (weight, y) = (weights[entry], y.first_chunk::<TOGETHER>().unwrap_or(&[0.0; TOGETHER]));
                sum = std::array::from_fn(|lane| sum[lane] + weight * y[lane]);
            }
            let at = self.at[entry] as f32;
            sum.map(|sum| sum - at)
        });
        let mut entries = [0; TOGETHER];
        let mut closest = [0.0; TOGETHER];
        for lane in 0..TOGETHER {
            let beyond = |entry: usize| beyond[entry][lane];
            let choose = |by: f32, right: f32, left: f32| if by >= 0.0 { right } else { left };
            let upper = beyond(1);
            let middle = choose(upper, beyond(3), beyond(2));
            let lower_right = choose(middle, beyond(7), beyond(6));
            let lower = choose(upper, lower_right, choose(middle, beyond(5), beyond(4)));
            let bit = |by: f32, bit: u32| if by >= 0.0 { bit } else { 0 };
            entries[lane] = 8 + bit(upper, 4) + bit(middle, 2) + bit(lower, 1);
            closest[lane] = upper.abs().min(middle.abs()).min(lower.abs());
        }
        (entries.map(|entry| entry as usize), closest)
    }
}

/// The entry of the child for a row that is `beyond` the hyperplane of `entry`, and the closest it has come to any.
fn step(entry: usize, closest: f32, beyond: f32) -> (usize, f32) {
    let left = (beyond.to_bits() >> 31) as usize;
    let distance = beyond.abs();
    (2 * entry + 1 - left, if distance < closest { distance } else { closest })
}

/// Levels that are evaluated for all rows at once.
const DENSE: usize = 3;

/// Rows that share a margin of doubt.
pub(super) const TOGETHER: usize = 16;

/// Standardised rows: feature f of row i is at i + f · `stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    y: &'a [f64],
    /// The same rounded, and [`kernel::PADDING`] more.
    pub(super) single: &'a [f32],
    pub(super) stride: usize,
    /// The same, feature f of row i at i · `row_stride` + f, zeros or other rows behind the last feature.
    by_row: &'a [f32],
    row_stride: usize,
    /// For each [`TOGETHER`] rows: a sum of rounded products that is closer to `at` than this may be on the wrong side.
    pub(super) unsure: &'a [f32],
}

/// Memory that blocks use in turn; see [`Block`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    y: Vec<f64>,
    single: Vec<f32>,
    by_row: Vec<f32>,
    unsure: Vec<f32>,
    values: Vec<f64>,
    planes: Planes,
}

/// The hyperplanes of one tree, rounded, entry by entry.
#[derive(Debug, Default)]
struct Planes {
    weights: Vec<[f32; 4]>,
    at: Vec<f32>,
}

impl Scratch {
    /// Standardises rows and returns their stride.
    fn fill(&mut self, trees: &ObliqueTrees, rows: &Rows<'_>, here: Range<usize>) -> usize {
        let Self { y, single, by_row, unsure, values, .. } = self;
        y.clear();
        let count = here.len();
        // Values that are not finite only meet sums that nobody reads.
        let apply = |to: &Standard, value: &f64| if value.is_finite() { to.apply(*value) } else { 0.0 };
        let stride = match (rows.window_run(here.clone()), &trees.standards[..]) {
            (Some(run), [standard]) => {
                y.extend(run.iter().map(|value| apply(standard, value)));
                1
            }
            _ => {
                for (feature, standard) in (0..trees.width).zip(trees.standards.iter().cycle()) {
                    let values = rows.feature(feature, here.clone(), values);
                    y.extend(values.iter().map(|value| apply(standard, value)));
                }
                count
            }
        };
        single.clear();
        single.extend(y.iter().map(|y| *y as f32));
        single.resize(y.len() + kernel::PADDING, 0.0);
        by_row.clear();
        if stride > 1 {
            let row_stride = trees.width.next_multiple_of(4);
            by_row.resize((count + TOGETHER) * row_stride, 0.0);
            for (feature, column) in single.chunks_exact(stride).take(trees.width).enumerate() {
                for (row, y) in by_row.chunks_exact_mut(row_stride).zip(column) {
                    row[feature] = *y;
                }
            }
        }
        unsure.clear();
        unsure.extend((0..count).step_by(TOGETHER).map(|start| {
            let end = count.min(start + TOGETHER);
            let largest = |values: &[f32]| values.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
            let reach = if stride == 1 {
                largest(&single[start..end + trees.width - 1])
            } else {
                let columns = (0..trees.width).map(|feature| feature * stride);
                columns.map(|column| largest(&single[column + start..column + end])).fold(0.0, f32::max)
            };
            margin(trees.width, reach)
        }));
        stride
    }
}

/// How far a sum of `width` products in f32 may be from that in f64, in any order and fused or not, if Σ |w| = 1 and
/// |y| <= `reach`.
///
/// With u = 2⁻²⁴, rounding y costs u, a product u, each of at most `width` additions u, all relative to Σ |w|·|y|, and
/// rounding `at` costs u·|at|. An `at` beyond 4·`reach` is on the safe side of any such sum, so that is at most 4u. The
/// sums in f64 are 2²⁹ times closer. What underflows is less than the constant. Twice that leaves room for Σ |w| being
/// rounded, and for u² and beyond.
fn margin(width: usize, reach: f32) -> f32 {
    const U: f32 = 1.0 / (1 << 24) as f32;
    2.0 * (width as f32 + 6.0) * U * reach + f32::MIN_POSITIVE * width as f32
}

/// Writes the hyperplanes of one tree.
#[derive(Debug)]
pub(super) struct ObliqueCut<'a> {
    /// Features that take part in a hyperplane beyond the first, 0 to d − 1.
    pub(super) extension_level: usize,
    pub(super) trees: &'a mut ObliqueTrees,
    pub(super) tree: usize,
    pub(super) scratch: &'a mut GrowScratch,
}

/// Memory that all nodes use in turn.
#[derive(Debug, Default)]
pub(super) struct GrowScratch {
    low: Vec<f64>,
    high: Vec<f64>,
    weights: Vec<f64>,
    single: Vec<f32>,
    point: Vec<f64>,
}

impl Cut for ObliqueCut<'_> {
    fn cut(
        &mut self,
        node: usize,
        sample: &[f64],
        members: &mut [u32],
        features: &mut [u32],
        active: &mut usize,
        random: &mut Random,
    ) -> Option<usize> {
        let width = self.trees.width;
        let row = |member: u32| &sample[member as usize * width..][..width];
        let GrowScratch { low, high, weights, single, point } = &mut *self.scratch;
        low.clear();
        low.resize(width, f64::INFINITY);
        high.clear();
        high.resize(width, f64::NEG_INFINITY);
        for member in members.iter() {
            for ((low, high), value) in low.iter_mut().zip(high.iter_mut()).zip(row(*member)) {
                *low = if value < low { *value } else { *low };
                *high = if value > high { *value } else { *high };
            }
        }
        for at in (0..*active).rev() {
            let feature = features[at] as usize;
            if low[feature] >= high[feature] {
                *active -= 1;
                features.swap(at, *active);
            }
        }
        if *active == 0 {
            return None;
        }
        let count = (self.extension_level + 1).min(*active);
        for at in 0..count {
            features.swap(at, at + random.below(*active - at));
        }
        let chosen = &features[..count];

        let range = |feature: u32| high[feature as usize] - low[feature as usize];
        let smallest = chosen.iter().map(|feature| range(*feature)).fold(f64::INFINITY, f64::min);
        weights.clear();
        weights.resize(width, 0.0);
        point.clear();
        point.resize(width, 0.0);
        for feature in chosen {
            let at = *feature as usize;
            // In units of the box, so that no feature's unit matters; at most 1, so that nothing overflows.
            weights[at] = random.bell() * (smallest / range(*feature));
            point[at] = low[at] + (high[at] - low[at]) * random.unit();
        }
        let total: f64 = weights.iter().map(|weight| weight.abs()).sum();
        single.clear();
        single.extend(weights.iter().map(|weight| (weight / total) as f32));
        let at = dot_of_row(single, point);
        let entries = 1 << self.trees.height;
        self.trees.at[self.tree * entries + node + 1] = at;
        let tree = &mut self.trees.weights[self.tree * entries * width..][..entries * width];
        for (column, weight) in tree.chunks_exact_mut(entries).zip(single.iter()) {
            column[node + 1] = *weight;
        }
        Some(partition(members, |member| dot_of_row(single, row(member)) < at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn a_standard_keeps_what_an_offset_hides() {
        let standard = Standard::new(1e9, 1e9 + 5e-4, 1e9 + 1e-3);
        let (low, high) = (standard.apply(1e9), standard.apply(1e9 + 1e-3));
        assert!((-2.0..-0.5).contains(&low) && (0.5..2.0).contains(&high), "{low} {high}");
        assert_eq!(Standard::new(7.0, 7.0, 7.0).apply(7.0), 0.0);
        for (low, centre, high) in
            [(f64::MIN, 0.0, f64::MAX), (-5e-324, 0.0, 5e-324), (f64::MIN, f64::MAX, f64::MAX)]
        {
            let standard = Standard::new(low, centre, high);
            for value in [f64::MIN, -1.0, 0.0, 1.0, f64::MAX] {
                assert!(standard.apply(value).is_finite(), "{low} {centre} {high}: {value}");
            }
        }
    }

    #[test]
    fn both_sums_have_the_same_bits() {
        let mut random = Random::for_tree(2, 0);
        for width in 1..40 {
            let weights: Vec<f32> = (0..width).map(|_| random.bell() as f32).collect();
            let y: Vec<f64> = (0..width).map(|_| random.bell()).collect();
            let one = dot(width, |i| weights[i], |i| y[i]);
            assert_eq!(one.to_bits(), dot_of_row(&weights, &y).to_bits());
        }
    }

    /// No rounded sum may be on the wrong side of a number farther away than the margin: tried with sums that cancel.
    #[test]
    fn beyond_the_margin_the_side_is_sure() {
        let mut random = Random::for_tree(1, 0);
        let mut closest: f64 = f64::INFINITY;
        for round in 0..20_000 {
            let width = 2 + round % 31;
            let weights: Vec<f64> = (0..width).map(|_| random.bell()).collect();
            let total: f64 = weights.iter().map(|weight| weight.abs()).sum();
            let weights: Vec<f32> = weights.iter().map(|weight| (weight / total) as f32).collect();
            let y: Vec<f64> = (0..width).map(|_| random.bell() / 40.0).collect();
            let exact = dot(width, |i| weights[i], |i| y[i]);
            let single: Vec<f32> = y.iter().map(|y| *y as f32).collect();
            let sum: f32 = weights.iter().zip(&single).map(|(weight, y)| weight * y).sum();
            let fused =
                weights.iter().zip(&single).fold(0.0, |sum: f32, (weight, y)| weight.mul_add(*y, sum));
            let reach = single.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
            for at in [exact, exact.next_up(), exact + 1e-8, exact - 1e-7, exact + 1e-6] {
                for sum in [sum, fused] {
                    let beyond = sum - at as f32;
                    let wrong = (beyond >= 0.0) != (exact >= at);
                    assert!(!wrong || beyond.abs() <= margin(width, reach), "{width}: {beyond:e}");
                    if wrong {
                        closest = closest.min(f64::from(margin(width, reach) / beyond.abs()));
                    }
                }
            }
        }
        // Not so wide a margin that the test could not fail.
        assert!(closest < 100.0, "{closest}");
    }
}
