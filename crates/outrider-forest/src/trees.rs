//! The trees of a forest on several features, as they are kept: heaps in flat arrays, and their cuts.

use super::FIXED_POINT_BITS;
use super::axis::AxisTrees;
use super::oblique::ObliqueTrees;

/// What all trees have, however they cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trees {
    pub(super) count: usize,
    pub(super) height: usize,
    /// `count` times 2^height path lengths, in fixed point.
    pub(super) leaves: Vec<i64>,
    /// `count` times 2^(height + 1) − 1 numbers of points; zero below a leaf.
    pub(super) sizes: Vec<u32>,
    /// Minus the summed path lengths divided by this is the exponent of the score.
    pub(super) normaliser: f64,
    /// c(n) for n = 0 to the sample size, in fixed point.
    pub(super) credits: Vec<i64>,
}

impl Trees {
    /// Number of nodes above the lowest level, of one tree.
    pub(super) fn nodes(&self) -> usize {
        (1 << self.height) - 1
    }

    pub(super) fn size(&self, tree: usize, node: usize) -> u32 {
        self.sizes[tree * (2 * self.nodes() + 1) + node]
    }

    pub(super) fn is_split(&self, tree: usize, node: usize) -> bool {
        node < self.nodes() && self.size(tree, 2 * node + 1) + self.size(tree, 2 * node + 2) > 0
    }

    /// c(n) − c(m) − 1 in fixed point: how much shorter a path is expected to be after a split of n points that leaves m.
    pub(super) fn saving(&self, n: u32, m: u32) -> i64 {
        self.credits[n as usize] - self.credits[m as usize] - (1 << FIXED_POINT_BITS)
    }

    pub(super) fn score(&self, sum: i64) -> f64 {
        // Equation 2: s(x, ψ) = 2^(−E[h(x)] / c(ψ)).
        (-(sum as f64) / self.normaliser).exp2()
    }
}

/// How the trees cut.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cuts {
    Axis(AxisTrees),
    Oblique(ObliqueTrees),
}
