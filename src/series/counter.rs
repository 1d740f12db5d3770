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
    /// The value from which it rose: the one before, or zero after a reset.
    pub base: f64,
    /// How long that took, in seconds.
    pub seconds: f64,
    /// How fast it rose, 0 or more, finite.
    pub per_second: f64,
}

/// How a counter has risen between each point and the one before it: as many as `points`.
///
/// A value below the one before it is a reset: the counter began at zero in between, so it has risen by its new value
/// (as Prometheus's `rate` has it: "breaks in monotonicity, such as counter resets due to target restarts, are
/// automatically adjusted for"). A gap stays a gap, and the point after it has the mean rate since the last value. The
/// first value has no rise.
#[must_use]
pub fn rises(points: Points<'_>) -> Vec<Option<Rise>> {
    let mut before: Option<(i64, f64)> = None;
    let rise = |(time, value): (i64, f64)| {
        if !value.is_finite() {
            return None;
        }
        let rise = before.map(|(earlier, last)| {
            let base = if value < last { 0.0 } else { last };
            let seconds = time.saturating_sub(earlier) as f64 / 1e3;
            Rise { base, seconds, per_second: (value - base) / seconds }
        });
        before = Some((time, value));
        rise.filter(|rise| rise.per_second.is_finite())
    };
    points.times.iter().copied().zip(points.values.iter().copied()).map(rise).collect()
}

/// How fast a counter rises between each point and the one before it, per second: as many values as `points`, NaN where
/// there is no [`Rise`].
#[must_use]
pub fn rate(points: Points<'_>) -> Vec<f64> {
    rises(points).into_iter().map(|rise| rise.map_or(f64::NAN, |rise| rise.per_second)).collect()
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

/// The unit of the rate of values of `unit`, both Grafana's ids; `None` where Grafana has none.
#[must_use]
pub fn rate_unit(unit: Option<&str>) -> Option<&'static str> {
    match unit {
        None | Some("" | "none" | "short") => Some("cps"),
        Some("bytes") => Some("binBps"),
        Some("decbytes") => Some("Bps"),
        Some("bits") => Some("binbps"),
        Some("decbits") => Some("bps"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_per_second_survives_resets_and_leaves_gaps() {
        let times = [0, 1_000, 3_000, 4_000, 5_000, 7_000];
        let values = [10.0, 15.0, 25.0, 4.0, f64::NAN, 10.0];
        let rates = rate(Points { times: &times, values: &values });
        assert!(rates[0].is_nan() && rates[4].is_nan());
        assert_eq!(rates[1..4], [5.0, 5.0, 4.0]);
        assert_eq!(rates[5], 2.0);
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

    #[test]
    fn units_become_those_of_their_rate() {
        assert_eq!(rate_unit(None), Some("cps"));
        assert_eq!(rate_unit(Some("bytes")), Some("binBps"));
        assert_eq!(rate_unit(Some("decbits")), Some("bps"));
        assert_eq!(rate_unit(Some("celsius")), None);
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
