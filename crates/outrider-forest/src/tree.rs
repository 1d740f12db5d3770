//! Growing one isolation tree on rows of several features (Liu et al. 2008, algorithm 2).

use super::random::Random;
use super::{FIXED_POINT_BITS, average_path_length, to_fixed};
use crate::cancel::checkpoint;

/// How a node's points are divided in two.
pub(super) trait Cut {
    /// Divides `members`, rows of `sample`: those that go left come first, and their number is returned. `node` is the
    /// node's place in the heap. `None` if nothing tells the members apart.
    ///
    /// The first `active` of `features` may differ among the members. A feature that does not is moved behind them and
    /// `active` lowered: it is constant in the whole subtree.
    fn cut(
        &mut self,
        node: usize,
        sample: &[f64],
        members: &mut [u32],
        features: &mut [u32],
        active: &mut usize,
        random: &mut Random,
    ) -> Option<usize>;
}

/// A tree's leaves and sizes; its cuts are kept by whoever makes them.
///
/// Trees are heaps of one height: the children of node i are 2i + 1 and 2i + 2. A leaf above the lowest level stands for
/// its whole subtree.
#[derive(Debug)]
pub(super) struct Grower {
    pub(super) height: usize,
    /// c(n) for n = 0 to the sample size, in fixed point: the credit of a leaf with n points.
    pub(super) credits: Vec<i64>,
    /// Row numbers, divided and divided again.
    members: Vec<u32>,
    features: Vec<u32>,
}

/// The tree being grown.
#[derive(Debug)]
pub(super) struct Heap<'a> {
    /// Path length of each place on the lowest level, 2^height, in fixed point.
    pub(super) leaves: &'a mut [i64],
    /// Points of the sample at each node, leaves included, 2^(height + 1) − 1; zero below a leaf.
    pub(super) sizes: &'a mut [u32],
}

impl Grower {
    /// `sample_size` is at least 2.
    pub(super) fn new(sample_size: usize, width: usize) -> Self {
        Self {
            // The height limit of the paper: ⌈log2 ψ⌉, the average tree height.
            height: sample_size.next_power_of_two().trailing_zeros() as usize,
            credits: (0..=sample_size).map(|n| to_fixed(average_path_length(n))).collect(),
            members: (0..sample_size as u32).collect(),
            features: (0..width as u32).collect(),
        }
    }

    /// Grows a tree over `sample`, finite and row after row.
    pub(super) fn grow_tree(
        &mut self,
        sample: &[f64],
        cut: &mut impl Cut,
        heap: &mut Heap<'_>,
        random: &mut Random,
    ) {
        let mut growth = Growth { height: self.height, credits: &self.credits, sample, cut, heap, random };
        growth.grow(0, 0, &mut self.members, &mut self.features, usize::MAX);
    }
}

/// Nodes of at least so many members look whether anyone still waits.
const LOOK_MEMBERS: usize = 1024;

struct Growth<'a, 'h, C> {
    height: usize,
    credits: &'a [i64],
    sample: &'a [f64],
    cut: &'a mut C,
    heap: &'a mut Heap<'h>,
    random: &'a mut Random,
}

impl<C: Cut> Growth<'_, '_, C> {
    /// Grows the subtree at place `place` of level `depth`. The depth of the recursion is the height limit, at most 16
    /// for the sample sizes a query can ask for.
    fn grow(&mut self, depth: usize, place: usize, members: &mut [u32], features: &mut [u32], active: usize) {
        // Large nodes are few, and take long where rows are wide.
        if members.len() >= LOOK_MEMBERS {
            checkpoint();
        }
        let node = (1 << depth) - 1 + place;
        self.heap.sizes[node] = members.len() as u32;
        let mut active = active.min(features.len());
        if depth < self.height
            && members.len() > 1
            && let Some(left) = self.cut.cut(node, self.sample, members, features, &mut active, self.random)
        {
            let (left, right) = members.split_at_mut(left);
            self.grow(depth + 1, 2 * place, left, features, active);
            self.grow(depth + 1, 2 * place + 1, right, features, active);
            return;
        }
        let path_length = ((depth as i64) << FIXED_POINT_BITS) + self.credits[members.len()];
        let below = self.height - depth;
        self.heap.leaves[place << below..(place + 1) << below].fill(path_length);
    }
}

/// Moves the members that go left to the front and returns their number.
pub(super) fn partition(members: &mut [u32], mut goes_left: impl FnMut(u32) -> bool) -> usize {
    let mut left = 0;
    for at in 0..members.len() {
        // Swapped whether it goes left or not: a branch would be mispredicted half the time.
        let member = members[at];
        members.swap(at, left);
        left += usize::from(goes_left(member));
    }
    left
}
