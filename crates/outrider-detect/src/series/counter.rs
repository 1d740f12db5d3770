//! Counters: values that only rise, and start again at zero when what they count restarts.
//!
//! What matters of a counter is how fast it rises. [`rate`] makes that of it, [`looks_like_counter`] says where it was
//! probably meant.

use super::Points;

/// The fewest finite values by which a counter can be told.
const MIN_COUNTER_POINTS: usize = 16;
/// At most one step in this many may be a reset.
const STEPS_PER_RESET: usize = 20;
/// At least one step in this many must be a rise: a value that hardly ever changes is a setting, not a counter.
const STEPS_PER_RISE: usize = 4;
/// After a reset the value is at most this share of what it was before: it has begun at zero again.
const RESET_SHARE: f64 = 0.5;

/// How a counter has come from one value to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// The value from which it rose: the one before, or zero after a restart.
    pub base: f64,
    /// How long that took, in seconds.
    pub seconds: f64,
    /// How fast it rose, 0 or more, finite. After a restart this is the least it can have been: what the counter had
    /// risen by between the value before and its restart is not known.
    pub per_second: f64,
    /// Whether the counter restarted in between.
    pub is_restart: bool,
}

/// How a counter has risen between each point and the one before it: as many as `points`.
///
/// A value below the one before it is a restart: the counter began at zero in between, so it has risen by its new value
/// at least. A gap stays a gap, and the point after it has the mean rate since the last value. The first value has no
/// rise.
#[must_use]
pub fn rises(points: Points<'_>) -> Vec<Option<Rise>> {
    let mut before: Option<(i64, f64)> = None;
    let rise = |(time, value): (i64, f64)| {
        if !value.is_finite() {
            return None;
        }
        let rise = before.map(|(earlier, last)| {
            let is_restart = value < last;
            let base = if is_restart { 0.0 } else { last };
            let seconds = time.saturating_sub(earlier) as f64 / 1e3;
            Rise { base, seconds, per_second: (value - base) / seconds, is_restart }
        });
        before = Some((time, value));
        rise.filter(|rise| rise.per_second.is_finite())
    };
    points.times.iter().copied().zip(points.values.iter().copied()).map(rise).collect()
}

/// Takes away each rise across a restart of which too little is known: all but those that are at least as fast as the
/// last rise without one, whatever the counter rose by before it restarted.
pub fn keep_known(rises: &mut [Option<Rise>]) {
    let mut last_whole: Option<f64> = None;
    for known in rises {
        let Some(rise) = *known else { continue };
        if !rise.is_restart {
            last_whole = Some(rise.per_second);
        } else if last_whole.is_none_or(|last| rise.per_second < last) {
            *known = None;
        }
    }
}

/// How fast a counter rises between each point and the one before it, per second: as many values as `points`, NaN where
/// there is no [`Rise`] or [too little of it is known](keep_known).
#[must_use]
pub fn rate(points: Points<'_>) -> Vec<f64> {
    let mut rises = rises(points);
    keep_known(&mut rises);
    rises.into_iter().map(|rise| rise.map_or(f64::NAN, |rise| rise.per_second)).collect()
}

/// Whether the values rise as those of a counter do: none below zero, rising often, falling seldom and then deep.
///
/// A gauge that grows steadily, such as a disk that fills, cannot be told from a counter: this is for a hint to a
/// person, or for a detector that finds the rate easier to judge.
#[must_use]
pub fn looks_like_counter(values: &[f64]) -> bool {
    let mut finite = values.iter().copied().filter(|value| value.is_finite());
    let Some(mut before) = finite.next() else { return false };
    let (mut steps, mut rises, mut resets) = (0, 0, 0);
    for value in finite {
        if before < 0.0 || value < 0.0 {
            return false;
        }
        steps += 1;
        if value > before {
            rises += 1;
        } else if value < before {
            resets += 1;
            // Given up early, as most series are none.
            if value > before * RESET_SHARE || resets * STEPS_PER_RESET > values.len() {
                return false;
            }
        }
        before = value;
    }
    steps + 1 >= MIN_COUNTER_POINTS && rises * STEPS_PER_RISE >= steps && resets * STEPS_PER_RESET <= steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_per_second_survives_restarts_and_leaves_gaps() {
        let times = [0, 1_000, 3_000, 4_000, 5_000, 7_000];
        let values = [10.0, 15.0, 25.0, 6.0, f64::NAN, 12.0];
        let rates = rate(Points { times: &times, values: &values });
        assert!(rates[0].is_nan() && rates[4].is_nan());
        assert_eq!(rates[1..4], [5.0, 5.0, 6.0]);
        assert_eq!(rates[5], 2.0);
    }

    #[test]
    fn of_a_rise_across_a_restart_only_the_least_is_known() {
        let times = Vec::from_iter((0..8).map(|second| second * 1_000));
        // Five a second, but for three seconds in which it restarts: little, little again, and more than ever.
        let values = [100.0, 105.0, 2.0, 1.0, 6.0, 11.0, 9.0, 14.0];
        let points = Points { times: &times, values: &values };
        let least = rises(points);
        let restarts =
            Vec::from_iter((0..8).filter(|index| least[*index].is_some_and(|rise| rise.is_restart)));
        assert_eq!(restarts, [2, 3, 6]);
        assert_eq!(least[2].unwrap().per_second, 2.0);
        let rates = rate(points);
        assert!(rates[2].is_nan() && rates[3].is_nan());
        assert_eq!(rates[4..], [5.0, 5.0, 9.0, 5.0]);
        // Without a whole rise before it there is nothing to hold it against.
        assert!(rate(Points { times: &times[..2], values: &[100.0, 90.0] })[1].is_nan());
    }

    #[test]
    fn counters_are_told_from_gauges() {
        let counter: Vec<f64> = (0..200).map(|i| f64::from((i * 7) % 700)).collect();
        assert!(looks_like_counter(&counter));
        let with_gaps: Vec<f64> =
            counter.iter().enumerate().map(|(i, value)| if i % 9 == 0 { f64::NAN } else { *value }).collect();
        assert!(looks_like_counter(&with_gaps));
        let wave: Vec<f64> = (0..200).map(|i| 10.0 + (f64::from(i) / 9.0).sin()).collect();
        let sawtooth: Vec<f64> = (0..200).map(|i| f64::from(i % 4)).collect();
        let falling: Vec<f64> = counter.iter().map(|value| -value).collect();
        for gauge in [wave, sawtooth, falling, vec![5.0; 200], vec![], counter[..8].to_vec()] {
            assert!(!looks_like_counter(&gauge), "{gauge:?}");
        }
    }

    proptest! {
        #[test]
        fn the_rate_of_a_counter_is_never_negative_nor_infinite(
            values in proptest::collection::vec(prop_oneof![9 => 0.0..1e300_f64, 1 => Just(f64::NAN)], 0..100),
        ) {
            let times: Vec<i64> = (0..values.len() as i64).map(|i| i * i * 500).collect();
            let rates = rate(Points { times: &times, values: &values });
            prop_assert_eq!(rates.len(), values.len());
            prop_assert!(rates.iter().all(|rate| rate.is_nan() || (*rate >= 0.0 && rate.is_finite())));
        }
    }
}
