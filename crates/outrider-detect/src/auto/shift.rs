//! Shifts of level beyond the noise, however often the level has shifted before.
//!
//! A surprise (`calibration`) is rare in the training window. Where the level shifts every few hours no shift is rare, and
//! each of them still stands out from the noise between them. Here the tail of a statistic is extrapolated from its bulk
//! alone: the highest [`BEGIN_SHARE`] of the training values, without the highest [`TRIM_SHARE`], which are what earlier
//! shifts have left. The exponent of the power law is that of the two quantiles (a tail index from quantiles instead of
//! the largest values, as in J. Pickands, *Statistical Inference Using Extreme Order Statistics*, Annals of Statistics
//! 3(1), 1975; trimmed as in S. Bhattacharya, M. Kallitsis, S. Stoev, *Data-adaptive trimming of the Hill estimator*,
//! Electronic Journal of Statistics 13(1), 2019).

use super::calibration::{MIN_VALUES, SortedRange};
use super::statistics::Kind;

/// Points on either side of a shift.
pub(super) const POINTS: usize = 12;

/// The statistics that must all see a shift: of the values, and of what is left of them without season.
pub(super) const WATCHED: [Kind; 2] = [Kind::Level(POINTS), Kind::ResidualLevel(POINTS)];

/// Surprise of a shift at which the default sensitivity flags.
pub(super) const THRESHOLD: f64 = 2.5;

/// Mean of the last points as far from what is expected, or as many before them, of which a shift leads back and is none.
pub(super) const BACK: (Kind, usize) = (Kind::Residual(POINTS), POINTS);

/// Share of the values beyond which the tail begins.
const BEGIN_SHARE: f64 = 0.15;

/// Share of the values that may be earlier shifts.
const TRIM_SHARE: f64 = 0.03;

/// The fastest that the tail may fall.
const MIN_INDEX: f64 = 0.03;

/// Surprises end here.
const MAX_SURPRISE: f64 = 8.0;

/// The tails of one statistic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Noise {
    pub(super) median: f64,
    /// Half the distance between the quartiles.
    pub(super) quartile: f64,
    high: Tail,
    low: Tail,
}

/// One side of it: distance from the median at which it begins, and the index of the power law.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tail {
    begin: f64,
    index: f64,
}

impl Tail {
    /// From the distances at which the tail begins and where its trimmed part does.
    fn new(begin: f64, trimmed: f64) -> Self {
        let index = (trimmed / begin).ln() / (BEGIN_SHARE / TRIM_SHARE).ln();
        Self { begin, index: index.max(MIN_INDEX) }
    }

    fn surprise(self, distance: f64) -> f64 {
        if distance <= self.begin {
            return 0.0;
        }
        ((distance / self.begin).log10() / self.index - BEGIN_SHARE.log10()).min(MAX_SURPRISE)
    }
}

impl Noise {
    /// `None` if there are too few values, or if so many of them are the same that there is no noise to measure.
    pub(super) fn of(values: &SortedRange<'_>) -> Option<Self> {
        let count = values.len();
        if count < MIN_VALUES {
            return None;
        }
        let (begin, trim) = ((count as f64 * BEGIN_SHARE) as usize, (count as f64 * TRIM_SHARE) as usize);
        let median = values.nth((count - 1) / 2);
        let high = |beyond: usize| values.nth(count - 1 - beyond) - median;
        let low = |beyond: usize| median - values.nth(beyond);
        // Less than this is rounding.
        let smallest = (1e-9 * median.abs()).max(1e-12);
        let (upper, lower) = (high(count / 4), low(count / 4));
        if upper < smallest || lower < smallest {
            return None;
        }
        Some(Self {
            median,
            quartile: f64::midpoint(upper, lower),
            high: Tail::new(high(begin), high(trim)),
            low: Tail::new(low(begin), low(trim)),
        })
    }

    /// The index of the power law, the mean of both sides.
    pub(super) fn tail_index(&self) -> f64 {
        f64::midpoint(self.high.index, self.low.index)
    }

    /// How surprising `value` is on the side on which it lies, and whether that is the high one.
    pub(super) fn surprise(&self, value: f64) -> (f64, bool) {
        let distance = value - self.median;
        if distance >= 0.0 {
            (self.high.surprise(distance), true)
        } else {
            (self.low.surprise(-distance), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(values: &[f64]) -> Option<Noise> {
        let mut range = SortedRange::new(values);
        range.move_to(0, values.len());
        Noise::of(&range)
    }

    /// Quantiles of a distribution with chances 1/x of more than x ≥ 1, on both sides.
    fn pareto(count: i32) -> Vec<f64> {
        (0..count)
            .flat_map(|rank| [1.0, -1.0].map(|side| side * f64::from(count) / (f64::from(rank) + 0.5)))
            .collect()
    }

    #[test]
    fn it_is_the_chance_of_a_power_law() {
        let noise = noise(&pareto(1_000)).unwrap();
        for (value, high) in [(10.0, true), (-100.0, false), (1_000.0, true)] {
            let (surprise, is_high) = noise.surprise(value);
            let truth = -(0.5 / f64::abs(value)).log10();
            // The exponent is a little off, as the median is not 0.
            assert!((surprise - truth).abs() < 0.3, "{value}: {surprise} {truth}");
            assert_eq!(is_high, high);
        }
        assert_eq!(noise.surprise(0.5), (0.0, true));
    }

    #[test]
    fn what_earlier_shifts_left_does_not_hide_the_next() {
        let mut values: Vec<f64> = (0..1_000).map(|rank| (f64::from(rank) / 500.0 - 1.0).powi(3)).collect();
        let alone = noise(&values).unwrap().surprise(5.0).0;
        // A fiftieth.
        values.extend([5.0; 20]);
        let among_others = noise(&values).unwrap().surprise(5.0).0;
        assert!(alone > THRESHOLD && among_others > THRESHOLD, "{alone} {among_others}");
    }

    #[test]
    fn without_noise_there_is_nothing_to_measure_by() {
        assert_eq!(noise(&[3.0; 200]), None);
        assert_eq!(noise(&pareto(19)), None);
    }
}
