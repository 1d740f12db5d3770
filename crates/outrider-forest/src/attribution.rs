//! Which features isolate a row.
//!
//! A point among n at a node has c(n) splits left to expect; after the split it is one of m, has had one split and
//! c(m) left. The split has saved it c(n) − c(m) − 1. Along a path the savings add up to c(ψ) − h(x), so over all trees
//! they add up to what makes the score: log2(2·s(x)) = (c(ψ) − E[h(x)]) / c(ψ). Each saving is credited to the features
//! that the split looks at, and a feature's share is its part of the features' positive sums.
//!
//! An axis-parallel split looks at one feature. A hyperplane looks at several: a saving goes to those that push the row
//! to the side it fell on, in proportion to how far (weight times distance from the forest's centre); a loss, a split
//! that left the row with the crowd, goes to all in proportion to their weights.
//!
//! Like DIFFI (M. Carletti, M. Terzi, G. A. Susto, *Interpretable Anomaly Detection with DIFFI*, Engineering Applications
//! of Artificial Intelligence 119, 2023) this credits a feature for short paths and uneven splits; unlike it, the credits
//! of one row add up to its score.

use super::trees::{Cuts, Trees};

/// One feature's part in what isolates a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Index of the feature.
    pub feature: usize,
    /// Its part, above 0 to 1; the shares of a row sum to 1.
    pub share: f64,
    /// On which side of the crowd the row lies, as this feature sees it.
    pub side: Side,
}

/// A side of the crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Below most training rows.
    Low,
    /// Above most training rows.
    High,
}

/// What splits have saved a row, by feature; in fixed point, summed over trees.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Credit {
    /// Savings less losses.
    pub(super) net: f64,
    /// Savings by splits that it is below, and above.
    low: f64,
    high: f64,
}

impl Credit {
    fn add(&mut self, saving: f64, above: bool) {
        self.net += saving;
        if saving > 0.0 {
            *(if above { &mut self.high } else { &mut self.low }) += saving;
        }
    }
}

/// The shares of a row, largest first; features without one are left out.
pub(super) fn shares(trees: &Trees, cuts: &Cuts, row: &[f64]) -> Vec<Share> {
    let credits = credits(trees, cuts, row);
    let total: f64 = credits.iter().map(|credit| credit.net.max(0.0)).sum();
    let mut shares: Vec<Share> = credits
        .iter()
        .enumerate()
        .filter(|(_, credit)| credit.net > 0.0)
        .map(|(feature, credit)| Share {
            feature,
            share: credit.net / total,
            side: if credit.high > credit.low { Side::High } else { Side::Low },
        })
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

/// What each feature has saved a row.
pub(super) fn credits(trees: &Trees, cuts: &Cuts, row: &[f64]) -> Vec<Credit> {
    let mut credits = vec![Credit::default(); row.len()];
    let row = match cuts {
        Cuts::Axis(_) => row.to_vec(),
        Cuts::Oblique(cuts) => {
            row.iter().zip(cuts.standards().iter().cycle()).map(|(value, to)| to.apply(*value)).collect()
        }
    };
    for tree in 0..trees.count {
        let mut node = 0;
        while trees.is_split(tree, node) {
            let right = match cuts {
                Cuts::Axis(cuts) => {
                    let split = cuts.split(tree, node);
                    row[split.feature as usize] >= split.at
                }
                Cuts::Oblique(cuts) => cuts.tree(tree).goes_right(node, |feature| row[feature]),
            };
            let child = 2 * node + 1 + usize::from(right);
            let saving = trees.saving(trees.size(tree, node), trees.size(tree, child)) as f64;
            match cuts {
                Cuts::Axis(cuts) => {
                    credits[cuts.split(tree, node).feature as usize].add(saving, right);
                }
                Cuts::Oblique(cuts) => {
                    let weight = |feature| f64::from(cuts.tree(tree).weight(node, feature));
                    spread(&mut credits, weight, &row, right, saving);
                }
            }
            node = child;
        }
    }
    credits
}

/// Credits the saving of a hyperplane to its features; `row` is standardised.
fn spread(credits: &mut [Credit], weight: impl Fn(usize) -> f64, row: &[f64], right: bool, saving: f64) {
    let towards = if right { 1.0 } else { -1.0 };
    let push = |feature: usize| f64::max(towards * weight(feature) * row[feature], 0.0);
    let pushes: f64 = (0..row.len()).map(push).sum();
    let weights: f64 = (0..row.len()).map(|feature| weight(feature).abs()).sum();
    for (feature, credit) in credits.iter_mut().enumerate() {
        let pushed = saving > 0.0 && pushes > 0.0;
        let part = if pushed { push(feature) / pushes } else { weight(feature).abs() / weights };
        credit.add(saving * part, towards * weight(feature) > 0.0);
    }
}
