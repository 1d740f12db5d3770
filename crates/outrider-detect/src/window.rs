//! What a point is compared with: the training window, or the points of a fixed length before it.
//!
//! A summary ([`Ranks`], [`Moments`]) is made once of all finite values in order of time and then asked about index
//! ranges of them. What it answers depends on the values in the range only, so a verdict cannot depend on later
//! points. Nothing is ever subtracted from a running sum, so nothing drifts however far a window moves.

use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};

use crate::options::{DurationMs, duration_schema};

/// What a point is compared with: `"training"`, or a duration such as `"6h"` for the points of that length before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Window {
    /// The training window.
    #[default]
    Training,
    /// The points of so many ms before the judged one, which is not among them.
    Rolling(DurationMs),
}

/// The word for the training window.
const TRAINING: &str = "training";
const ROLLING_RANGE: (DurationMs, DurationMs) = (DurationMs::from_millis(1_000), DurationMs::from_days(400));

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Training => serializer.serialize_str(TRAINING),
            Self::Rolling(length) => length.serialize(serializer),
        }
    }
}

impl JsonSchema for Window {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema(ROLLING_RANGE, Some(TRAINING))
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if matches!(text.trim(), "" | TRAINING) {
            return Ok(Self::Training);
        }
        let length: DurationMs = text.parse().map_err(|error| format!("{error}, or \"training\""))?;
        let (shortest, longest) = ROLLING_RANGE;
        if !(shortest..=longest).contains(&length) {
            return Err(format!("expected {shortest} to {longest} or \"training\", got {length}"));
        }
        Ok(Self::Rolling(length))
    }
}

/// Something known about the values in an index range.
pub(super) trait Summary {
    /// A summary of `values`, all finite and in order of time; of an empty range of them at first.
    fn over(values: Vec<f64>) -> Self;

    /// Looks at the values at `range`, which begins and ends no earlier than the range before.
    fn look_at(&mut self, range: Range<usize>);

    /// Number of values looked at.
    fn count(&self) -> usize;
}

/// The order statistics of the values looked at.
///
/// Every value is ranked among all of them once; a Fenwick tree (Fenwick, *A New Data Structure for Cumulative
/// Frequency Tables*, Software: Practice and Experience 24, 1994) over the ranks counts those in the range. A value
/// enters or leaves in O(log n) and an order statistic takes O(log n). Ranks only say where a value is counted, so
/// those outside the range have no part in any answer. 24 bytes a value, and 16 more where mean
/// distances are asked for.
pub(super) struct Ranks {
    /// In order of time.
    values: Vec<f64>,
    ascending: Vec<f64>,
    rank_of: Vec<u32>,
    tree: Vec<u32>,
    range: Range<usize>,
    /// Distances from the median last asked for.
    distances: Option<(f64, Runs<f64>)>,
}

impl Summary for Ranks {
    fn over(values: Vec<f64>) -> Self {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_unstable_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b)));
        let mut rank_of = vec![0; values.len()];
        for (rank, index) in order.iter().enumerate() {
            rank_of[*index as usize] = rank as u32;
        }
        let ascending = order.iter().map(|index| values[*index as usize]).collect();
        let tree = vec![0; values.len() + 1];
        Self { values, ascending, rank_of, tree, range: 0..0, distances: None }
    }

    fn look_at(&mut self, range: Range<usize>) {
        // A jump past everything looked at so far: leave it first, so that no value is taken in only to be put out.
        for index in self.range.start..range.start.min(self.range.end) {
            self.add(index, u32::MAX);
        }
        for index in self.range.end.max(range.start)..range.end {
            self.add(index, 1);
        }
        self.range = range;
    }

    fn count(&self) -> usize {
        self.range.len()
    }
}

impl Ranks {
    /// Adds `by` to the count of the value at `index`; `u32::MAX` is −1, as counts wrap.
    fn add(&mut self, index: usize, by: u32) {
        let mut node = self.rank_of[index] as usize + 1;
        while node < self.tree.len() {
            self.tree[node] = self.tree[node].wrapping_add(by);
            node += node & node.wrapping_neg();
        }
    }

    /// The value with `rank` smaller ones in the range; `rank` below [`Summary::count`].
    fn ordered(&self, rank: usize) -> f64 {
        let mut left = rank as u32;
        let mut node = 0;
        let mut stride = self.tree.len().next_power_of_two() / 2;
        while stride > 0 {
            if let Some(count) = self.tree.get(node + stride).filter(|count| **count <= left) {
                left -= count;
                node += stride;
            }
            stride /= 2;
        }
        self.ascending[node]
    }

    /// The smallest and the largest value; of a range that is not empty, as for all that follow.
    pub(super) fn extremes(&self) -> (f64, f64) {
        (self.ordered(0), self.ordered(self.count() - 1))
    }

    /// The quantile at `share` (0 to 1) by definition 7 of Hyndman and Fan, *Sample Quantiles in Statistical
    /// Packages*, The American Statistician 50, 1996: linear between the order statistics around (n − 1) · share.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let position = (self.count() - 1) as f64 * share;
        let below = self.ordered(position as usize);
        let part = position.fract();
        if part == 0.0 {
            return below;
        }
        let above = self.ordered(position as usize + 1);
        // Each is weighed by itself: the difference of two large values could overflow.
        if below == above { below } else { below * (1.0 - part) + above * part }
    }

    /// Median of the distances from `median`, in O(log² n).
    ///
    /// The values below the median and those above it are each sorted by distance already; the k-th smallest of two
    /// sorted runs is found by halving.
    pub(super) fn median_distance(&self, median: f64) -> f64 {
        let (low, high) = ((self.count() - 1) / 2, self.count() / 2);
        let lower = self.distance(median, low);
        if low == high { lower } else { lower / 2.0 + self.distance(median, high) / 2.0 }
    }

    /// The distance from `median` with `rank` smaller ones.
    fn distance(&self, median: f64, rank: usize) -> f64 {
        let half = self.count() / 2;
        let down = |step: usize| median - self.ordered(half - 1 - step);
        let up = |step: usize| self.ordered(half + step) - median;
        // How many of the `rank` nearest lie below the median: the fewest so that the next one up is no nearer than
        // the last one taken down.
        let mut fewest = (rank + half).saturating_sub(self.count());
        let mut most = rank.min(half);
        while fewest < most {
            let taken = fewest.midpoint(most);
            if up(rank - taken - 1) <= down(taken) {
                most = taken;
            } else {
                fewest = taken + 1;
            }
        }
        let above = rank - fewest;
        match (fewest < half, half + above < self.count()) {
            (true, true) => down(fewest).min(up(above)),
            (true, false) => down(fewest),
            _ => up(above),
        }
    }

    /// Mean of the distances from `median`, in O(log n) for the second time with the same median, else O(n).
    pub(super) fn mean_distance(&mut self, median: f64) -> f64 {
        if self.distances.as_ref().is_none_or(|(from, _)| *from != median) {
            let distances = self.values.iter().map(|value| (value - median).abs()).collect();
            self.distances = Some((median, Runs::of(distances, |a, b| a + b)));
        }
        let sum = self.distances.as_ref().and_then(|(_, runs)| runs.fold(self.range.clone(), |a, b| a + b));
        sum.unwrap_or(0.0) / self.count() as f64
    }
}

/// A sum, of any kind, over every run of 2^k items that begins at a multiple of 2^k. The sum over any range is merged
/// from O(log n) of them. Nothing ever leaves a sum, so no rounding accumulates; and where the runs lie does not depend
/// on how many items follow.
struct Runs<T> {
    /// Runs of 2^k items by k.
    by_length: Vec<Vec<T>>,
}

impl<T: Copy> Runs<T> {
    fn of(items: Vec<T>, merge: impl Fn(T, T) -> T) -> Self {
        let mut by_length = Vec::new();
        let mut runs = items;
        while !runs.is_empty() {
            let longer = runs.chunks_exact(2).map(|pair| merge(pair[0], pair[1])).collect();
            by_length.push(runs);
            runs = longer;
        }
        Self { by_length }
    }

    /// The sum over `range`; `None` of nothing.
    fn fold(&self, range: Range<usize>, merge: impl Fn(T, T) -> T) -> Option<T> {
        let Range { mut start, end } = range;
        let mut whole = None;
        while start < end {
            // The longest run that begins here and ends within.
            let aligned = if start == 0 { usize::BITS } else { start.trailing_zeros() };
            let length = aligned.min((end - start).ilog2()) as usize;
            let run = self.by_length[length][start >> length];
            whole = Some(whole.map_or(run, |before| merge(before, run)));
            start += 1 << length;
        }
        whole
    }
}

/// Mean and standard deviation of the values looked at, in O(log n).
///
/// Moments of [`Runs`] of values are merged by Chan, Golub and LeVeque, *Algorithms for Computing the Sample Variance*,
/// The American Statistician 37, 1983, equation 2.1. 48 bytes a value.
pub(super) struct Moments {
    runs: Runs<Moment>,
    /// A power of two by which values are divided, exactly, so that their squares do not overflow.
    unit: f64,
    range: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    count: f64,
    mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
}

impl Moment {
    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        let share = other.count / count;
        Self {
            count,
            mean: self.mean + apart * share,
            squares: self.squares + other.squares + apart * apart * self.count * share,
        }
    }
}

impl Summary for Moments {
    fn over(values: Vec<f64>) -> Self {
        let largest = values.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        let unit = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
        let single =
            values.iter().map(|value| Moment { count: 1.0, mean: value / unit, squares: 0.0 }).collect();
        Self { runs: Runs::of(single, Moment::merge), unit, range: 0..0 }
    }

    fn look_at(&mut self, range: Range<usize>) {
        self.range = range;
    }

    fn count(&self) -> usize {
        self.range.len()
    }
}

impl Moments {
    /// Mean and sample standard deviation (n − 1) of a range of at least two values; NaN of none.
    pub(super) fn mean_and_deviation(&self) -> (f64, f64) {
        let nothing = Moment { count: 0.0, mean: f64::NAN, squares: f64::NAN };
        let whole = self.runs.fold(self.range.clone(), Moment::merge).unwrap_or(nothing);
        (self.unit * whole.mean, self.unit * (whole.squares / (whole.count - 1.0)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(values: &[f64]) -> Vec<f64> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn middle(sorted: &[f64]) -> f64 {
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        if low == high { low } else { low / 2.0 + high / 2.0 }
    }

    #[test]
    fn a_window_is_training_or_a_duration() {
        let window = |text: &str| Window::try_from(text.to_owned());
        assert_eq!(window("training"), Ok(Window::Training));
        assert_eq!(window(""), Ok(Window::Training));
        assert_eq!(window("6h"), Ok(Window::Rolling(DurationMs::from_minutes(360))));
        assert!(window("6 bananas").unwrap_err().contains("or \"training\""));
        assert_eq!(window("1ms").unwrap_err(), "expected 1s to 400d or \"training\", got 1ms");
    }

    #[test]
    fn quantiles_are_those_of_definition_seven() {
        let mut ranks = Ranks::over(vec![4.0, 1.0, 3.0, 2.0]);
        ranks.look_at(0..4);
        assert_eq!([0.25, 0.5, 0.75, 1.0].map(|share| ranks.quantile(share)), [1.75, 2.5, 3.25, 4.0]);
    }

    #[test]
    fn a_thousand_billionths_on_a_billion_are_seen() {
        let mut moments = Moments::over((0..10_000).map(|i| 1e9 + 1e-3 * f64::from(i % 2)).collect());
        moments.look_at(1_001..9_001);
        let (mean, deviation) = moments.mean_and_deviation();
        assert!((mean - (1e9 + 5e-4)).abs() < 3e-7, "{mean}");
        assert!((deviation / 5e-4 - 1.0).abs() < 1e-3, "{deviation}");
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_have_a_deviation() {
        for size in [1e-300, 1e300] {
            let mut moments = Moments::over(vec![size, 2.0 * size, 3.0 * size]);
            moments.look_at(0..3);
            let (mean, deviation) = moments.mean_and_deviation();
            assert!((mean / size - 2.0).abs() < 1e-12 && (deviation / size - 1.0).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn moving_ranks_agree_with_sorting(
            values in proptest::collection::vec(prop_oneof![-1e3..1e3, (-3_i8..3).prop_map(f64::from)], 1..80),
            steps in proptest::collection::vec((0_usize..6, 0_usize..6), 1..60),
        ) {
            let mut ranks = Ranks::over(values.clone());
            let (mut start, mut end) = (0, 0);
            for (leave, enter) in steps {
                end = (end + enter).min(values.len());
                start = (start + leave).min(end);
                ranks.look_at(start..end);
                prop_assert_eq!(ranks.count(), end - start);
                if start == end {
                    continue;
                }
                let expected = sorted(&values[start..end]);
                for (rank, value) in expected.iter().enumerate() {
                    prop_assert_eq!(ranks.ordered(rank), *value);
                }
                let median = middle(&expected);
                let distances: Vec<f64> = expected.iter().map(|value| (value - median).abs()).collect();
                prop_assert_eq!(ranks.median_distance(median), middle(&sorted(&distances)));
                let mean = distances.iter().sum::<f64>() / distances.len() as f64;
                prop_assert!((ranks.mean_distance(median) - mean).abs() < 1e-9);
            }
        }

        #[test]
        fn moments_agree_with_two_passes_and_know_nothing_of_what_follows(
            values in proptest::collection::vec(-1e3..1e3, 2..200),
            from in 0_usize..100,
            length in 2_usize..100,
        ) {
            let from = from.min(values.len() - 2);
            let range = from..(from + length).min(values.len());
            let mut moments = Moments::over(values.clone());
            moments.look_at(range.clone());
            let (mean, deviation) = moments.mean_and_deviation();
            let window = &values[range.clone()];
            let count = window.len() as f64;
            let true_mean = window.iter().sum::<f64>() / count;
            let squares: f64 = window.iter().map(|value| (value - true_mean).powi(2)).sum();
            prop_assert!((mean - true_mean).abs() < 1e-9);
            prop_assert!((deviation - (squares / (count - 1.0)).sqrt()).abs() < 1e-9);

            let mut shorter = Moments::over(values[..range.end].to_vec());
            shorter.look_at(range);
            prop_assert_eq!(shorter.mean_and_deviation(), (mean, deviation));
        }
    }
}
