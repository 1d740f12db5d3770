//! Oblique trees: each split is a hyperplane (S. Hariri, M. Carrasco Kind, R. J. Brunner, *Extended Isolation Forest*,
//! IEEE TKDE 33(4), 2021; algorithm 2).
//!
//! As there, the normal's components are normal numbers and the plane goes through a point uniform in the box around the
//! node's points, so a plane may leave one side empty: a region that the sample never enters. There the data are
//! standardised first; here each node measures its normal in units of its box, so that units do not matter.

use super::kernel::Kernel;
use super::random::Random;
use super::rows::Rows;
use super::tree::{Cut, partition};

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
pub(super) fn dot(weights: &[f32], y: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; 4];
    let (fours, rest) = weights.as_chunks::<4>();
    for (chunk, four) in fours.iter().enumerate() {
        for lane in 0..4 {
            lanes[lane] += f64::from(four[lane]) * y(4 * chunk + lane);
        }
    }
    for (lane, weight) in rest.iter().enumerate() {
        lanes[lane] += f64::from(*weight) * y(4 * fours.len() + lane);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// The hyperplanes of all trees: a row goes right if Σ wᵢ·yᵢ >= `at`, where y is the standardised row and Σ |wᵢ| = 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ObliqueTrees {
    /// One for each feature, or one for all of them.
    standards: Vec<Standard>,
    width: usize,
    height: usize,
    /// One row of weights for each hyperplane. They are f32 by definition, not by rounding of something finer: a
    /// direction is random anyway.
    weights: Vec<f32>,
    at: Vec<f64>,
    /// Hyperplane of each node, 2^height − 1 of a tree; below a leaf any will do, since all leads to the same path length.
    plane_of: Vec<u32>,
}

impl ObliqueTrees {
    /// Trees without hyperplanes.
    pub(super) fn new(standards: Vec<Standard>, width: usize, height: usize, count: usize) -> Self {
        let plane_of = vec![0; count * ((1 << height) - 1)];
        // The first is none: nodes without a hyperplane have something to evaluate.
        Self { standards, width, height, weights: vec![0.0; width], at: vec![0.0], plane_of }
    }

    pub(super) fn standards(&self) -> &[Standard] {
        &self.standards
    }

    /// Index of the hyperplane of a node that has one.
    pub(super) fn plane(&self, tree: usize, node: usize) -> usize {
        self.plane_of[tree * ((1 << self.height) - 1) + node] as usize
    }

    pub(super) fn weights(&self, plane: usize) -> &[f32] {
        &self.weights[plane * self.width..][..self.width]
    }

    /// Whether a standardised row goes right.
    pub(super) fn goes_right(&self, plane: usize, y: impl Fn(usize) -> f64) -> bool {
        dot(self.weights(plane), y) >= self.at[plane]
    }

    /// Adds to `sums` the path lengths of the rows from `first` on; those of rows that are not finite mean nothing.
    pub(super) fn add_path_lengths(
        &self,
        leaves: &[i64],
        rows: &Rows<'_>,
        first: usize,
        sums: &mut [i64],
        scratch: &mut Scratch,
        _kernel: Kernel,
    ) {
        let here = first..first + sums.len();
        let Scratch { y, values } = scratch;
        y.clear();
        let stride = match (rows.window_run(here.clone()), &self.standards[..]) {
            (Some(run), [standard]) => {
                y.extend(run.iter().map(|value| standard.apply(*value)));
                1
            }
            _ => {
                for (feature, standard) in (0..self.width).zip(self.standards.iter().cycle()) {
                    let values = rows.feature(feature, here.clone(), values);
                    y.extend(values.iter().map(|value| standard.apply(*value)));
                }
                sums.len()
            }
        };
        let nodes = (1 << self.height) - 1;
        for (planes, leaves) in self.plane_of.chunks_exact(nodes).zip(leaves.chunks_exact(nodes + 1)) {
            for (row, sum) in sums.iter_mut().enumerate() {
                let mut node = 0;
                for _ in 0..self.height {
                    let right = self.goes_right(planes[node] as usize, |feature| y[row + feature * stride]);
                    node = 2 * node + 1 + usize::from(right);
                }
                *sum += leaves[node - nodes];
            }
        }
    }
}

/// Memory that blocks use in turn.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Standardised: feature f of row i is at i + f for windows with one standard, else at i + f · n.
    y: Vec<f64>,
    values: Vec<f64>,
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
        let GrowScratch { low, high, weights, point } = &mut *self.scratch;
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
        let plane = self.trees.at.len();
        self.trees.weights.extend(weights.iter().map(|weight| (weight / total) as f32));
        let at = dot(self.trees.weights(plane), |feature| point[feature]);
        self.trees.at.push(at);
        let nodes = (1 << self.trees.height) - 1;
        self.trees.plane_of[self.tree * nodes + node] = plane as u32;
        Some(partition(members, |member| {
            let row = row(member);
            !self.trees.goes_right(plane, |feature| row[feature])
        }))
    }
}
