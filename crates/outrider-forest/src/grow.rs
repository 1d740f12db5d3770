//! Growing one isolation tree on one feature (Liu et al. 2008, algorithm 2).

use super::random::Random;
use super::{FIXED_POINT_BITS, average_path_length, to_fixed};

/// Where the path length changes, and by how much: a multiple of 2⁻⁴⁰.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) at: f64,
    pub(super) by: i64,
}

/// Grows trees over samples of one size and collects them as the step functions they are.
#[derive(Debug)]
pub(super) struct Grower {
    height_limit: usize,
    /// c(n) for n = 0 to the sample size, in fixed point: the credit of a leaf with n points.
    credits: Vec<i64>,
    /// Path length of the leaf last reached.
    previous: i64,
    /// The split between that leaf and the next.
    split: Option<f64>,
    /// Sum over all trees of the path length left of every split.
    pub(super) lowest: i64,
    /// The steps of all trees, ascending within each tree. Splits between leaves of equal length are left out.
    pub(super) steps: Vec<Step>,
}

impl Grower {
    /// `sample_size` is at least 2.
    pub(super) fn new(sample_size: usize) -> Self {
        Self {
            // The height limit of the paper: ⌈log2 ψ⌉, the average tree height.
            height_limit: sample_size.next_power_of_two().trailing_zeros() as usize,
            credits: (0..=sample_size).map(|n| to_fixed(average_path_length(n))).collect(),
            previous: 0,
            split: None,
            lowest: 0,
            steps: Vec::new(),
        }
    }

    /// Grows one tree over a sample that is sorted, finite and not empty.
    pub(super) fn grow_tree(&mut self, sorted: &[f64], random: &mut Random) {
        self.split = None;
        self.grow(sorted, 0, random);
    }

    /// Visits the leaves of the subtree over `sorted`, from left to right. The depth of the recursion is the height
    /// limit, at most 16 for the sample sizes a query can ask for.
    fn grow(&mut self, sorted: &[f64], depth: usize, random: &mut Random) {
        let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
        if depth == self.height_limit || low == high {
            self.leaf(((depth as i64) << FIXED_POINT_BITS) + self.credits[sorted.len()]);
            return;
        }
        let split = split_between(low, high, random);
        let (left, right) = sorted.split_at(sorted.partition_point(|value| *value < split));
        self.grow(left, depth + 1, random);
        self.split = Some(split);
        self.grow(right, depth + 1, random);
    }

    fn leaf(&mut self, path_length: i64) {
        match self.split {
            None => self.lowest += path_length,
            Some(at) if path_length != self.previous => {
                self.steps.push(Step { at, by: path_length - self.previous });
            }
            Some(_) => {}
        }
        self.previous = path_length;
    }
}

/// A number uniform in (low, high], so that `value < split` leaves at least one point on either side.
pub(super) fn split_between(low: f64, high: f64, random: &mut Random) -> f64 {
    // The weighted mean cannot overflow, as high − low could, and draws exactly once, however close the two are.
    let u = random.unit();
    let split = low * (1.0 - u) + high * u;
    split.clamp(low.next_up(), high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_a_step_function_over_its_sample() {
        let sample: Vec<f64> = (0..64).map(f64::from).collect();
        let mut grower = Grower::new(64);
        grower.grow_tree(&sample, &mut Random::for_tree(1, 0));
        assert!(grower.steps.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert!(grower.steps.iter().all(|step| step.by != 0 && step.at > 0.0 && step.at <= 63.0));
        // Depth limit 6, and a leaf there holds at most the points not yet split off.
        let mut length = grower.lowest;
        for step in &grower.steps {
            assert!((to_fixed(1.0)..to_fixed(6.0 + average_path_length(64))).contains(&length));
            length += step.by;
        }
    }

    #[test]
    fn neighbouring_floats_are_split_once_and_at_once() {
        let (low, high) = (1.0_f64, 1.0_f64.next_up());
        let mut random = Random::for_tree(1, 0);
        assert_eq!(split_between(low, high, &mut random), high);
        assert!(split_between(f64::MIN, f64::MAX, &mut random).is_finite());
    }
}
