//! Axis-parallel trees: each split compares one feature with one number.

use super::grow::split_between;
use super::random::Random;
use super::tree::{Cut, partition};

/// A row goes right if `row[feature] >= at`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) feature: u32,
    pub(super) at: f64,
}

/// Below a leaf, every row goes left.
pub(super) const NO_SPLIT: Split = Split { feature: 0, at: f64::INFINITY };

/// Writes the splits of one tree.
#[derive(Debug)]
pub(super) struct AxisCut<'a> {
    pub(super) width: usize,
    pub(super) splits: &'a mut [Split],
}

impl Cut for AxisCut<'_> {
    fn cut(
        &mut self,
        node: usize,
        sample: &[f64],
        members: &mut [u32],
        features: &mut [u32],
        active: &mut usize,
        random: &mut Random,
    ) -> Option<usize> {
        while *active > 0 {
            let pick = random.below(*active);
            let feature = features[pick];
            let value = |member: u32| sample[member as usize * self.width + feature as usize];
            let (low, high) = members
                .iter()
                .map(|member| value(*member))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(value), high.max(value))
                });
            if low < high {
                let at = split_between(low, high, random);
                self.splits[node] = Split { feature, at };
                return Some(partition(members, |member| value(member) < at));
            }
            *active -= 1;
            features.swap(pick, *active);
        }
        None
    }
}
