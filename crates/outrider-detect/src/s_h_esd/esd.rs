//! The generalised extreme Studentised deviate test with robust centre and scale.
//!
//! Rosner, *Percentage Points for a Generalized ESD Many-Outlier Procedure*, Technometrics 25, 1983, with median and
//! MAD in place of mean and standard deviation, as in Hochenbaum, Vallis and Kejariwal, *Automatic Anomaly Detection in
//! the Cloud Via Statistical Learning*, arXiv 1704.07706 (their S-H-ESD). Each round takes the value farthest from the
//! median of those left; the outliers are all values taken up to the last round whose distance exceeds the critical
//! value.
//!
//! What is left after any number of rounds is a run of the sorted values, since the farthest value is always the lowest
//! or the highest. So a round costs O(log n): the median is read off, the MAD is found by binary search.

use statrs::distribution::{ContinuousCDF, StudentsT};

use outrider_forest::cancel::checkpoint;

/// Which side of the series is tested; the original's `direction`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Only values above the centre.
    #[default]
    #[schemars(title = "pos")]
    Pos,
    /// Only values below the centre.
    #[schemars(title = "neg")]
    Neg,
    /// Both, at half the significance level each.
    #[schemars(title = "both")]
    Both,
}

/// Makes the MAD an estimate of the standard deviation of a normal distribution, with the four decimals that the
/// original uses: 1 / Φ⁻¹(3/4) (Rousseeuw and Croux, JASA 88, 1993, section 1).
const MAD_TO_SIGMA: f64 = 1.4826;

/// Critical values of one test, kept once found.
#[derive(Debug, Clone)]
pub(super) struct CriticalValues {
    alpha: f64,
    side: Side,
    found: Vec<f64>,
}

impl CriticalValues {
    pub(super) fn new(alpha: f64, side: Side) -> Self {
        Self { alpha, side, found: Vec::new() }
    }

    /// λ of the round that leaves `left` values (Rosner 1983; worked out in NIST/SEMATECH,
    /// *e-Handbook of Statistical Methods*, section 1.3.5.17.3):
    /// t · left / √((left − 1 + t²)(left + 1)), with t the quantile of Student's t with `left − 1` degrees of freedom
    /// at 1 − α / (left + 1), or at 1 − α / 2(left + 1) if both sides are tested. Infinite for fewer than two values.
    pub(super) fn after_round(&mut self, left: usize) -> f64 {
        if self.found.len() <= left {
            self.found.resize(left + 1, f64::NAN);
        }
        if self.found[left].is_nan() {
            self.found[left] = self.compute(left);
        }
        self.found[left]
    }

    fn compute(&self, left: usize) -> f64 {
        let count = left as f64;
        let sides = if self.side == Side::Both { 2.0 } else { 1.0 };
        // The lower tail, negated: 1 − α / n would lose digits.
        let Ok(student) = StudentsT::new(0.0, 1.0, count - 1.0) else { return f64::INFINITY };
        let t = -student.inverse_cdf(self.alpha / (sides * (count + 1.0)));
        t * count / ((count - 1.0 + t * t) * (count + 1.0)).sqrt()
    }
}

/// One value with its place in time.
#[derive(Debug, Clone, Copy)]
struct Entry {
    value: f64,
    position: usize,
}

impl Entry {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.value.total_cmp(&other.value).then(self.position.cmp(&other.position))
    }
}

/// Values in ascending order, each with its position in time, which settles ties: the earlier is taken first.
#[derive(Debug, Clone)]
pub(super) struct SortedValues {
    entries: Vec<Entry>,
    resolution: f64,
}

impl SortedValues {
    /// The values with their positions, in any order; all finite. A scale of up to `resolution` is taken for rounding
    /// and counts as 0.
    pub(super) fn new(values: impl Iterator<Item = (usize, f64)>, resolution: f64) -> Self {
        let mut entries: Vec<Entry> = values.map(|(position, value)| Entry { value, position }).collect();
        entries.sort_unstable_by(Entry::order);
        Self { entries, resolution }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn insert(&mut self, position: usize, value: f64) {
        let entry = Entry { value, position };
        let at = self.entries.partition_point(|other| other.order(&entry).is_lt());
        self.entries.insert(at, entry);
    }

    pub(super) fn remove(&mut self, position: usize, value: f64) {
        let entry = Entry { value, position };
        if let Ok(at) = self.entries.binary_search_by(|other| other.order(&entry)) {
            self.entries.remove(at);
        }
    }

    /// Tests with at most `budget` rounds.
    pub(super) fn test(&self, budget: usize, critical: &mut CriticalValues) -> Findings {
        let mut rounds = Rounds::new(self, budget, critical);
        let mut taken = Vec::new();
        let mut outliers = 0;
        let mut state = rounds.centre_and_sigma();
        let mut state_is_of_outliers = true;
        for round in rounds.by_ref() {
            checkpoint();
            // The centre and the scale of a round are those after all earlier ones.
            if taken.len() == outliers {
                state = (round.centre, round.sigma);
                state_is_of_outliers = true;
            }
            taken.push(round.position);
            if round.statistic > round.critical {
                outliers = taken.len();
                state_is_of_outliers = false;
            }
        }
        if !state_is_of_outliers {
            state = rounds.centre_and_sigma();
        }
        taken.truncate(outliers);
        let lambda = critical.after_round(self.len().saturating_sub(outliers + 1));
        Findings { outliers: taken, centre: state.0, sigma: state.1, lambda }
    }
}

/// What a test found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Findings {
    /// Positions of the outliers, in the order they were taken.
    pub(super) outliers: Vec<usize>,
    /// Median of the values left.
    pub(super) centre: f64,
    /// 1.4826 · MAD of the values left; 0 if more than half are equal.
    pub(super) sigma: f64,
    /// Critical value of the next round: how many sigmas a value may lie from the centre.
    pub(super) lambda: f64,
}

/// One round of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Round {
    /// Position of the value taken.
    pub(super) position: usize,
    /// Its distance from the centre in sigmas (R in the paper).
    pub(super) statistic: f64,
    /// λ, what the distance is compared with.
    pub(super) critical: f64,
    centre: f64,
    sigma: f64,
}

/// The rounds of one test; ends when the budget is spent or when more than half of the values left are equal.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    entries: &'a [Entry],
    resolution: f64,
    low: usize,
    high: usize,
    budget: usize,
    critical: &'a mut CriticalValues,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(sorted: &'a SortedValues, budget: usize, critical: &'a mut CriticalValues) -> Self {
        Self {
            entries: &sorted.entries,
            resolution: sorted.resolution,
            low: 0,
            high: sorted.len(),
            budget,
            critical,
        }
    }

    /// Median and 1.4826 · MAD of the values left; NaN if there are none.
    fn centre_and_sigma(&self) -> (f64, f64) {
        let left = &self.entries[self.low..self.high];
        if left.is_empty() {
            return (f64::NAN, f64::NAN);
        }
        let odd = left.len() % 2 == 1;
        let middle = left.len() / 2;
        let (below, above) = left.split_at(middle);
        let centre = if odd { above[0].value } else { (below[middle - 1].value + above[0].value) / 2.0 };
        let below = |index: usize| centre - below[middle - 1 - index].value;
        let above = |index: usize| above[index].value - centre;
        let (lower, upper) = order_statistics(below, middle, above, left.len() - middle, middle);
        let mad = if odd { upper } else { (lower + upper) / 2.0 };
        let sigma = MAD_TO_SIGMA * mad;
        (centre, if sigma <= self.resolution { 0.0 } else { sigma })
    }

    /// Index among the sorted values of the earliest one as high as the highest left. The values left are counted, not
    /// named: of equal ones the later stay.
    fn earliest_highest(&self) -> usize {
        let highest = self.entries[self.high - 1].value;
        let left = self.entries;
        let first = left.partition_point(|entry| entry.value < highest);
        let end = left.partition_point(|entry| entry.value <= highest);
        first + (end - self.high)
    }
}

impl Iterator for Rounds<'_> {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if self.budget == 0 || self.high - self.low < 3 {
            return None;
        }
        let (centre, sigma) = self.centre_and_sigma();
        if sigma.is_nan() || sigma <= 0.0 {
            return None;
        }
        let below = (centre - self.entries[self.low].value) / sigma;
        let above = (self.entries[self.high - 1].value - centre) / sigma;
        let top_is_earlier =
            || self.entries[self.earliest_highest()].position < self.entries[self.low].position;
        let take_top = match self.critical.side {
            Side::Pos => true,
            Side::Neg => false,
            Side::Both => above > below || (above == below && top_is_earlier()),
        };
        let (position, statistic) = if take_top {
            let top = self.earliest_highest();
            self.high -= 1;
            (self.entries[top].position, above)
        } else {
            self.low += 1;
            (self.entries[self.low - 1].position, below)
        };
        self.budget -= 1;
        let critical = self.critical.after_round(self.high - self.low);
        Some(Round { position, statistic, critical, centre, sigma })
    }
}

/// The values at places `rank − 1` and `rank` (from 0) of two ascending sequences merged; the first is NaN for rank 0.
fn order_statistics(
    first: impl Fn(usize) -> f64,
    first_len: usize,
    second: impl Fn(usize) -> f64,
    second_len: usize,
    rank: usize,
) -> (f64, f64) {
    // How many of the `rank` smallest come from the first sequence.
    let (mut least, mut most) = (rank.saturating_sub(second_len), rank.min(first_len));
    while least < most {
        let from_first = least.midpoint(most);
        if first(from_first) < second(rank - from_first - 1) {
            least = from_first + 1;
        } else {
            most = from_first;
        }
    }
    let (from_first, from_second) = (least, rank - least);
    let mut before = f64::NAN;
    if from_first > 0 {
        before = first(from_first - 1);
    }
    if from_second > 0 {
        before = before.max(second(from_second - 1));
    }
    let mut at = f64::NAN;
    if from_first < first_len {
        at = first(from_first);
    }
    if from_second < second_len {
        at = at.min(second(from_second));
    }
    (before, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test as the paper words it: everything anew in each round.
    fn literal(values: &[f64], budget: usize, alpha: f64, side: Side) -> Vec<usize> {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
        };
        let mut left: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
        let mut critical = CriticalValues::new(alpha, side);
        let (mut taken, mut outliers) = (Vec::new(), 0);
        for _ in 0..budget.min(values.len().saturating_sub(2)) {
            let centre = median(left.iter().map(|(_, value)| *value).collect());
            let sigma = MAD_TO_SIGMA * median(left.iter().map(|(_, value)| (value - centre).abs()).collect());
            if sigma == 0.0 {
                break;
            }
            let distance = |value: f64| match side {
                Side::Pos => (value - centre) / sigma,
                Side::Neg => (centre - value) / sigma,
                Side::Both => (value - centre).abs() / sigma,
            };
            let farthest = left.iter().map(|(_, value)| distance(*value)).fold(f64::MIN, f64::max);
            let index = left.iter().position(|(_, value)| distance(*value) == farthest).unwrap();
            taken.push(left.remove(index).0);
            if farthest > critical.after_round(left.len()) {
                outliers = taken.len();
            }
        }
        taken.truncate(outliers);
        taken
    }

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Pos), Just(Side::Neg), Just(Side::Both)]
    }

    proptest! {
        /// Small whole numbers bring many ties, between sides as well.
        #[test]
        fn the_sorted_run_gives_what_the_paper_says(
            values in proptest::collection::vec(-12_i32..12, 1..80),
            alpha in 0.01..0.5,
            side in side(),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let budget = values.len() * 49 / 100;
            let sorted = SortedValues::new(values.iter().copied().enumerate(), 0.0);
            let found = sorted.test(budget, &mut CriticalValues::new(alpha, side));
            prop_assert_eq!(found.outliers, literal(&values, budget, alpha, side));
        }

        #[test]
        fn values_may_come_and_go(
            values in proptest::collection::vec(-5.0..5.0, 10..60),
            gone in 1_usize..8,
        ) {
            let mut sorted = SortedValues::new(std::iter::empty(), 0.0);
            for (position, value) in values.iter().enumerate() {
                sorted.insert(position, *value);
            }
            for (position, value) in values.iter().enumerate().take(gone) {
                sorted.remove(position, *value);
            }
            let fresh = SortedValues::new(values.iter().copied().enumerate().skip(gone), 0.0);
            let test = |sorted: &SortedValues| sorted.test(5, &mut CriticalValues::new(0.05, Side::Both));
            prop_assert_eq!(test(&sorted), test(&fresh));
        }
    }

    /// Rosner's example of 54 values, as the NIST handbook's section 1.3.5.17.3 works it out: λ for n = 54, α = 0.05 is
    /// 3.159 in round 1, 3.151 in round 2 and 3.144 in round 3.
    #[test]
    fn critical_values_are_those_published() {
        let mut critical = CriticalValues::new(0.05, Side::Both);
        for (left, lambda) in [(53, 3.159), (52, 3.151), (51, 3.144)] {
            assert!((critical.after_round(left) - lambda).abs() < 1e-3, "{left}");
        }
        assert_eq!(critical.after_round(1), f64::INFINITY);
    }

    #[test]
    fn what_is_left_has_centre_and_scale() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 1_000.0];
        let sorted = SortedValues::new(values.into_iter().enumerate(), 0.0);
        let found = sorted.test(2, &mut CriticalValues::new(0.05, Side::Both));
        assert_eq!((found.outliers, found.centre, found.sigma), (vec![5], 3.0, MAD_TO_SIGMA));
    }

    #[test]
    fn a_constant_has_no_outliers() {
        let sorted = SortedValues::new([1.0, 1.0, 1.0, 1.0, 9.0].into_iter().enumerate(), 0.0);
        let found = sorted.test(2, &mut CriticalValues::new(0.05, Side::Both));
        assert_eq!((found.outliers, found.sigma), (vec![], 0.0));
        let none =
            SortedValues::new(std::iter::empty(), 0.0).test(2, &mut CriticalValues::new(0.05, Side::Both));
        assert!(none.outliers.is_empty() && none.centre.is_nan());
    }
}
