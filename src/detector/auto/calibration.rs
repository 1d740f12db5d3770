//! How surprising a value of a statistic is, by what the statistic did in the training window.
//!
//! A *surprise* is −log₁₀ of the chance of a value at least as extreme. Inside the training values the chance is
//! counted; beyond the highest hundredth it is extrapolated by a power law whose exponent is estimated from that
//! hundredth (B. M. Hill, *A Simple General Approach to Inference About the Tail of a Distribution*, Annals of
//! Statistics 3(5), 1975). Heavy tails (request counts, tweets) thus surprise less than light ones (temperatures) at the
//! same number of sigmas, with no distribution assumed.

/// Training values needed for a calibration.
pub(super) const MIN_VALUES: usize = 40;

/// Surprises end here: one chance in 10,000. Beyond it an extrapolation says nothing more, and one wild statistic would
/// drown all others.
pub(super) const MAX_SURPRISE: f64 = 4.0;

/// Share of the values that the tail is estimated from, and the fewest of them.
const TAIL_SHARE: f64 = 0.01;
const MIN_TAIL: usize = 5;

/// Tail index assumed before any value is seen, and how many values that weighs: about that of a normal distribution.
const PRIOR_INDEX: f64 = 0.12;
const PRIOR_WEIGHT: f64 = 10.0;
const MIN_INDEX: f64 = 0.03;

/// Chances at which the training values are looked up; between them the surprise is interpolated.
const CHANCES: [f64; 5] = [0.5, 0.25, 0.1, 0.05, 0.02];

/// The upper tail of a statistic, or of its negative.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tail {
    median: f64,
    /// Distance from the median at which the tail begins.
    begin: f64,
    /// Surprise there.
    begin_surprise: f64,
    /// Hill's tail index.
    index: f64,
    /// Values and surprises of [`CHANCES`], and of the begin of the tail; ascending.
    grid: [(f64, f64); 6],
}

impl Tail {
    /// The tail of the highest of `sorted` (ascending, finite), `None` if they are too few.
    pub(super) fn high(sorted: &[f64]) -> Option<Self> {
        Self::of(sorted.len(), |rank| sorted[rank])
    }

    /// The tail of the lowest of `sorted`; ask it for the surprise of the negative value.
    pub(super) fn low(sorted: &[f64]) -> Option<Self> {
        Self::of(sorted.len(), |rank| -sorted[sorted.len() - 1 - rank])
    }

    fn of(count: usize, value: impl Fn(usize) -> f64) -> Option<Self> {
        if count < MIN_VALUES {
            return None;
        }
        let quantile = |share: f64| value(((count - 1) as f64 * share) as usize);
        let median = quantile(0.5);
        // Less than this is rounding.
        let smallest = (1e-9 * median.abs()).max(1e-12);
        let mut in_tail = ((count as f64 * TAIL_SHARE) as usize).max(MIN_TAIL);
        let mut begin = value(count - in_tail - 1) - median;
        if begin < smallest {
            // Nearly all values are equal: what few others there are say how far values go, not how they are spread.
            in_tail = 1;
            begin = value(count - 1) - median;
        }
        let begin = begin.max(quantile(0.75) - median).max(smallest);
        let log_excess: f64 =
            (count - in_tail..count).map(|rank| ((value(rank) - median) / begin).max(1.0).ln()).sum();
        let index = (log_excess + PRIOR_INDEX * PRIOR_WEIGHT) / (in_tail as f64 + PRIOR_WEIGHT);
        let begin_surprise = -(in_tail as f64 / count as f64).log10();
        let mut grid = [(median + begin, begin_surprise); 6];
        for (slot, chance) in grid.iter_mut().zip(CHANCES) {
            // Of few values the tail takes more than a fiftieth.
            if -chance.log10() < begin_surprise {
                *slot = (quantile(1.0 - chance).min(median + begin), -chance.log10());
            }
        }
        Some(Self { median, begin, begin_surprise, index: index.max(MIN_INDEX), grid })
    }

    /// The surprise of `value`, 0 to [`MAX_SURPRISE`].
    pub(super) fn surprise(&self, value: f64) -> f64 {
        let distance = value - self.median;
        if distance > self.begin {
            let beyond = (distance / self.begin).log10() / self.index;
            return (self.begin_surprise + beyond).min(MAX_SURPRISE);
        }
        let (median, ordinary) = self.grid[0];
        if value <= median {
            return if value < median { ordinary / 2.0 } else { ordinary };
        }
        for pair in self.grid.windows(2) {
            let ((low, less), (high, more)) = (pair[0], pair[1]);
            if value <= high {
                let share = if high > low { (value - low) / (high - low) } else { 1.0 };
                return less + share * (more - less);
            }
        }
        self.begin_surprise
    }

    /// The value at which the surprise reaches `surprise`, if it is one of the tail.
    pub(super) fn value_at(&self, surprise: f64) -> f64 {
        let beyond = (surprise - self.begin_surprise).max(0.0) * self.index;
        self.median + self.begin * 10_f64.powf(beyond)
    }
}

/// Up to so many values are moved one by one; for more, one pass over all is cheaper.
const FEW: usize = 4;

/// The finite values of a moving range of a slice, sorted.
#[derive(Debug)]
pub(super) struct SortedRange<'a> {
    values: &'a [f64],
    begin: usize,
    end: usize,
    sorted: Vec<f64>,
    spare: Vec<f64>,
}

impl<'a> SortedRange<'a> {
    pub(super) fn new(values: &'a [f64]) -> Self {
        Self { values, begin: 0, end: 0, sorted: Vec::new(), spare: Vec::new() }
    }

    /// The values from `begin` to `end`, sorted. Costs one pass if the range has moved on by less than its length.
    pub(super) fn move_to(&mut self, begin: usize, end: usize) -> &[f64] {
        let finite = |range: &[f64]| -> Vec<f64> {
            let mut values: Vec<f64> = range.iter().copied().filter(|value| value.is_finite()).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        if begin < self.begin || end < self.end || begin >= self.end {
            self.sorted = finite(&self.values[begin..end]);
        } else {
            let gone = finite(&self.values[self.begin..begin]);
            let new = finite(&self.values[self.end..end]);
            if gone.len() + new.len() <= FEW {
                for gone in &gone {
                    self.sorted.remove(self.place(*gone));
                }
                for new in &new {
                    self.sorted.insert(self.place(*new), *new);
                }
            } else {
                self.replace(&gone, &new);
            }
        }
        (self.begin, self.end) = (begin, end);
        &self.sorted
    }

    /// Where `value` stands, or would.
    fn place(&self, value: f64) -> usize {
        self.sorted.partition_point(|other| other.total_cmp(&value).is_lt())
    }

    /// Takes out `gone`, all of which are there, and puts in `new`; both ascend.
    fn replace(&mut self, gone: &[f64], new: &[f64]) {
        self.spare.clear();
        let (mut gone, mut new) = (gone.iter().peekable(), new.iter().peekable());
        for value in &self.sorted {
            if gone.next_if(|gone| gone.total_cmp(value).is_eq()).is_some() {
                continue;
            }
            while let Some(smaller) = new.next_if(|new| new.total_cmp(value).is_lt()) {
                self.spare.push(*smaller);
            }
            self.spare.push(*value);
        }
        self.spare.extend(new);
        std::mem::swap(&mut self.sorted, &mut self.spare);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantiles(of: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..2_000).map(|rank| of((f64::from(rank) + 0.5) / 2_000.0)).collect()
    }

    #[test]
    fn surprise_counts_inside_and_extrapolates_beyond() {
        // A Pareto distribution with index ½: the chance of more than x is x⁻².
        let pareto = quantiles(|share| (1.0 - share).powf(-0.5));
        let tail = Tail::high(&pareto).unwrap();
        for (value, tolerance) in [(2.0, 0.1), (3.0, 0.1), (5.0, 0.1), (30.0, 0.4)] {
            let truth = 2.0 * f64::log10(value);
            assert!(
                (tail.surprise(value) - truth).abs() < tolerance,
                "{value}: {} {truth}",
                tail.surprise(value)
            );
        }
        assert_eq!(tail.surprise(1e9), MAX_SURPRISE);
    }

    #[test]
    fn heavy_tails_surprise_less() {
        let light = quantiles(|share| share);
        let heavy = quantiles(|share| (1.0 - share).powf(-1.0));
        let at = |sorted: &[f64]| {
            let tail = Tail::high(sorted).unwrap();
            tail.surprise(tail.median + 1.5 * tail.begin)
        };
        assert!(at(&light) > at(&heavy) + 0.5, "{} {}", at(&light), at(&heavy));
    }

    #[test]
    fn the_low_side_is_the_high_side_of_the_negative() {
        let values = quantiles(|share| share.powi(3));
        let mut negative: Vec<f64> = values.iter().map(|value| -value).collect();
        negative.sort_unstable_by(f64::total_cmp);
        assert_eq!(Tail::low(&values), Tail::high(&negative));
    }

    #[test]
    fn a_constant_training_window_is_surprised_by_any_change() {
        let tail = Tail::high(&[5.0; 100]).unwrap();
        assert!(tail.surprise(5.0) < 0.5);
        assert_eq!(tail.surprise(5.1), MAX_SURPRISE);
        assert!(Tail::high(&[5.0; 39]).is_none());
    }

    #[test]
    fn a_rare_event_surprises_by_its_rarity() {
        let mut mostly_zero = vec![0.0; 995];
        mostly_zero.extend([1.0, 1.0, 1.0, 2.0, 5.0]);
        let tail = Tail::high(&mostly_zero).unwrap();
        assert!((1.7..2.5).contains(&tail.surprise(1.0)), "{}", tail.surprise(1.0));
        assert!((2.9..3.1).contains(&tail.surprise(5.0)), "{}", tail.surprise(5.0));
        assert!(tail.surprise(50.0) > 3.9);
    }

    #[test]
    fn value_at_is_the_inverse_of_surprise() {
        let tail = Tail::high(&quantiles(|share| -(1.0 - share).ln())).unwrap();
        for surprise in [2.1, 3.0, 3.9] {
            assert!((tail.surprise(tail.value_at(surprise)) - surprise).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn surprise_never_falls_as_the_value_rises(mut training in proptest::collection::vec(-1e6..1e6_f64, 40..200), mut values in proptest::collection::vec(-2e6..2e6_f64, 2..50)) {
            training.sort_unstable_by(f64::total_cmp);
            values.sort_unstable_by(f64::total_cmp);
            let tail = Tail::high(&training).unwrap();
            let surprises: Vec<f64> = values.iter().map(|value| tail.surprise(*value)).collect();
            prop_assert!(surprises.is_sorted(), "{surprises:?}");
            prop_assert!(surprises.iter().all(|surprise| (0.0..=MAX_SURPRISE).contains(surprise)));
        }

        #[test]
        fn a_moving_range_stays_sorted(
            values in proptest::collection::vec(prop_oneof![8 => (0..20).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(-0.0)], 1..100),
            moves in proptest::collection::vec((0..100_usize, 0..100_usize), 1..10),
        ) {
            let mut range = SortedRange::new(&values);
            for (a, b) in moves {
                let (begin, end) = (a.min(b).min(values.len()), a.max(b).min(values.len()));
                let mut expected: Vec<f64> = values[begin..end].iter().copied().filter(|value| value.is_finite()).collect();
                expected.sort_unstable_by(f64::total_cmp);
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(range.move_to(begin, end)), bits(&expected));
            }
        }
    }
}
