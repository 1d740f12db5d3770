//! Growing one isolation tree on one feature (Liu et al. 2008, algorithm 2).

use rand::{Rng, RngExt};

use super::average_path_length;

/// A tree over one feature, as the step function it is: a value with `splits[i - 1] <= value < splits[i]` has the path
/// length `path_lengths[i]`.
#[derive(Debug)]
pub(super) struct Tree {
    /// Ascending, strictly.
    pub(super) splits: Vec<f64>,
    /// One longer than `splits`; the credit c(n) of a leaf with n points is included.
    pub(super) path_lengths: Vec<f64>,
}

/// Grows a tree on `sample_size` of `values`, drawn without replacement. `values` are finite and at least
/// `sample_size` many; `sample_size` is at least 2.
pub(super) fn grow_tree(values: &[f64], sample_size: usize, rng: &mut impl Rng) -> Tree {
    let mut sample: Vec<f64> =
        rand::seq::index::sample(rng, values.len(), sample_size).iter().map(|index| values[index]).collect();
    sample.sort_unstable_by(f64::total_cmp);
    // The height limit of the paper: ⌈log2 ψ⌉, the average tree height.
    let height_limit = sample_size.next_power_of_two().trailing_zeros();
    let mut tree = Tree { splits: Vec::new(), path_lengths: Vec::new() };
    grow(&sample, 0, height_limit, rng, &mut tree);
    tree
}

/// Appends the leaves of the subtree over `sorted`, from left to right. The depth of the recursion is the height
/// limit, at most 16.
fn grow(sorted: &[f64], depth: u32, height_limit: u32, rng: &mut impl Rng, tree: &mut Tree) {
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    if sorted.len() == 1 || depth == height_limit || low == high {
        tree.path_lengths.push(f64::from(depth) + average_path_length(sorted.len()));
        return;
    }
    let split = split_between(low, high, rng);
    let middle = sorted.partition_point(|value| *value < split);
    grow(&sorted[..middle], depth + 1, height_limit, rng, tree);
    tree.splits.push(split);
    grow(&sorted[middle..], depth + 1, height_limit, rng, tree);
}

/// A number uniform in (low, high], so that `value < split` leaves at least one point on either side.
fn split_between(low: f64, high: f64, rng: &mut impl Rng) -> f64 {
    // Uniform in (0, 1]. The weighted mean cannot overflow, as high − low could, and draws exactly once, however
    // close the two are.
    let u = 1.0 - rng.random::<f64>();
    let split = low * (1.0 - u) + high * u;
    split.clamp(low.next_up(), high)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn a_tree_is_a_step_function_over_its_sample() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let tree = grow_tree(&values, 64, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        assert_eq!(tree.path_lengths.len(), tree.splits.len() + 1);
        assert!(tree.splits.windows(2).all(|pair| pair[0] < pair[1]));
        // Depth limit 6, and a leaf there holds at most the points not yet split off.
        assert!(tree.path_lengths.iter().all(|length| (1.0..6.0 + average_path_length(64)).contains(length)));
    }

    #[test]
    fn neighbouring_floats_are_split_once_and_at_once() {
        let (low, high) = (1.0_f64, 1.0_f64.next_up());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        assert_eq!(split_between(low, high, &mut rng), high);
        assert!(split_between(f64::MIN, f64::MAX, &mut rng).is_finite());
    }
}
