//! What is judged of a series: its values, or, of a counter, how fast it rises.
//!
//! A counter is always higher than ever before, and what matters of it is its rise: whether it stalls, or rises twice as
//! fast as usual at this time. A block whose training values look like a counter's is judged by the rise per second, and
//! what was expected of it becomes an expected value again, so that it can be drawn beside the values.

use std::borrow::Cow;

use super::super::robust::median;
use super::super::{Judgement, Points, Verdict};
use crate::series::{Rise, keep_known, looks_like_counter, rises};

/// Starts by which it can be told whether a series starts again from the same height each time.
const MIN_STARTS: usize = 3;

/// How far from their median heights may be and count as the same, and how large a share of them must.
const SAME_HEIGHT: f64 = 0.2;
const SAME_SHARE: f64 = 0.75;

/// A counter that rises evenly, such as a clock: so many rises before a point, the share of them that must be the same, and
/// how much they may differ.
pub(super) const EVEN_POINTS: usize = 24;
const EVEN_SHARE: f64 = 0.75;
const SAME_RISE: f64 = 0.01;

/// What rises evenly and is sampled late by a share of a step up to this still rises evenly.
const LATE: f64 = 0.5;

/// Whether a block with these `training` values is to be judged by how fast it rises.
///
/// What starts again from the same height each time, such as the age of the last backup, is no counter: how high it is
/// matters, and is what is known of it.
pub(super) fn is_counter(training: &[f64]) -> bool {
    looks_like_counter(training) && !starts_from_one_height(training)
}

fn starts_from_one_height(training: &[f64]) -> bool {
    let finite: Vec<f64> = training.iter().copied().filter(|value| value.is_finite()).collect();
    let mut heights: Vec<f64> =
        finite.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]).collect();
    if heights.len() < MIN_STARTS {
        return false;
    }
    let Some(usual) = median(&mut heights) else { return false };
    let is_usual = |height: &&f64| (**height - usual).abs() <= SAME_HEIGHT * usual;
    heights.iter().filter(is_usual).count() as f64 >= SAME_SHARE * heights.len() as f64
}

/// The numbers of one series that are judged, one a point.
pub(super) struct Course<'a> {
    times: &'a [i64],
    values: Cow<'a, [f64]>,
    /// How each point was reached, if it is the rises that are judged.
    rises: Option<Vec<Option<Rise>>>,
    /// How much more or less a second each may have risen for all that is known, since it may have been sampled late.
    late: Vec<f64>,
}

impl<'a> Course<'a> {
    /// The values as they are.
    pub(super) fn of_values(points: Points<'a>) -> Self {
        Self { times: points.times, values: Cow::Borrowed(points.values), rises: None, late: Vec::new() }
    }

    /// The rises per second, NaN where the value before is further back than `most_ms`, and where the counter restarted
    /// and too little is known of its rise. The points by which it is known to rise evenly lie within `even_ms`.
    pub(super) fn of_rises(points: Points<'a>, most_ms: Option<i64>, even_ms: Option<i64>) -> Self {
        let mut rises = rises(points);
        keep_known(&mut rises);
        if let Some(most_ms) = most_ms {
            let is_far = |rise: &Rise| rise.seconds * 1e3 > most_ms as f64;
            rises.iter_mut().for_each(|rise| *rise = rise.take_if(|rise| !is_far(rise)));
        }
        let values: Vec<f64> =
            rises.iter().map(|rise| rise.map_or(f64::NAN, |rise| rise.per_second)).collect();
        let (values, late) = even_out(points.times, &values, even_ms);
        Self { times: points.times, values: Cow::Owned(values), rises: Some(rises), late }
    }

    pub(super) fn points(&self) -> Points<'_> {
        Points { times: self.times, values: &self.values }
    }

    /// Whether it is the rises that are judged.
    pub(super) fn is_of_rises(&self) -> bool {
        self.rises.is_some()
    }

    /// What was expected at the points from `first` on, as values of the series. `values` are those judged.
    pub(super) fn in_values(&self, mut judgement: Judgement, first: usize, values: &[f64]) -> Judgement {
        let Some(rises) = &self.rises else { return judgement };
        for (row, (rise, value)) in rises[first..].iter().zip(values).enumerate() {
            let value_at = |rate: f64| rise.map_or(f64::NAN, |rise| rise.base + rate * rise.seconds);
            let late = self.late[first + row];
            judgement.expected[row] = value_at(judgement.expected[row]);
            judgement.lower[row] = value_at(judgement.lower[row] - late);
            judgement.upper[row] = value_at(judgement.upper[row] + late);
            // Of a rise across a restart no more than the least is known: it may be high, but never low.
            let is_unknown =
                rise.is_none_or(|rise| rise.is_restart && judgement.verdicts[row] == Verdict::Low);
            if is_unknown && value.is_finite() {
                judgement.withdraw(row);
            }
        }
        judgement
    }
}

/// The same rises, but for those that are no more than [`LATE`] from the median of the [`EVEN_POINTS`] before them where
/// [`EVEN_SHARE`] of those are the same: these are that. And how far each may be from the median, 0 elsewhere.
fn even_out(times: &[i64], rises: &[f64], even_ms: Option<i64>) -> (Vec<f64>, Vec<f64>) {
    let is_near = |first: usize, index: usize| even_ms.is_none_or(|ms| times[index] - times[first] <= ms);
    let usual = |before: &[f64]| {
        let mut sorted = before.to_vec();
        let usual = median(&mut sorted)?;
        let same = before.iter().filter(|rise| (**rise - usual).abs() <= SAME_RISE * usual).count();
        (usual > 0.0 && same as f64 >= EVEN_SHARE * before.len() as f64).then_some(usual)
    };
    let even = |(index, rise): (usize, &f64)| {
        let before = index.checked_sub(EVEN_POINTS).filter(|first| is_near(*first, index));
        let before = before.and_then(|first| usual(&rises[first..index]));
        let Some(usual) = before else { return (*rise, 0.0) };
        let late = LATE * usual;
        (if (rise - usual).abs() <= late { usual } else { *rise }, late)
    };
    rises.iter().enumerate().map(even).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_samples_of_what_rises_evenly_are_even() {
        let mut rises = vec![1.0; 40];
        (rises[30], rises[31], rises[35], rises[38]) = (1.3, 0.7, 0.2, f64::NAN);
        let times: Vec<i64> = (0..40).collect();
        let even_out = |rises: &[f64]| even_out(&times, rises, Some(EVEN_POINTS as i64));
        let (even, late) = even_out(&rises);
        assert_eq!((even[30], even[31], even[35], even[38].is_nan()), (1.0, 1.0, 0.2, true));
        assert_eq!((late[10], late[30]), (0.0, 0.5));
        assert_eq!(super::even_out(&times, &rises, Some(EVEN_POINTS as i64 - 1)).0[30], 1.3);
        // Too little is known.
        rises[10] = 1.3;
        assert_eq!(even_out(&rises).0[10], 1.3);
        let uneven: Vec<f64> = (0..40).map(|index| 1.0 + f64::from(index % 5) / 10.0).collect();
        assert_eq!(even_out(&uneven), (uneven, vec![0.0; 40]));
    }

    #[test]
    fn what_starts_again_from_one_height_is_no_counter() {
        let ages = |length: usize| (0..3_000).map(|index| (index % length) as f64).collect::<Vec<_>>();
        assert!(!is_counter(&ages(288)));
        // Too few starts to tell.
        assert!(is_counter(&ages(1_300)));
        let mut restarts = vec![];
        for length in [300, 90, 700, 200, 500, 40] {
            restarts.extend((0..length).map(f64::from));
        }
        assert!(is_counter(&restarts));
        assert!(!is_counter(&[5.0; 300]));
    }

    #[test]
    fn what_was_expected_of_a_rise_is_a_value_again() {
        let (times, values) = ([0, 10_000, 20_000, 50_000, 60_000], [5.0, 8.0, 4.0, f64::NAN, 14.0]);
        let course = Course::of_rises(Points { times: &times, values: &values }, Some(30_000), None);
        assert_eq!(course.points().values[1..3], [0.3, 0.4]);
        let mut judgement = Judgement::default();
        for value in course.points().values {
            let verdict = if value.is_nan() { Missing } else { Normal };
            judgement.push(verdict, 0.1, 1.0, (0.5, 1.5));
        }
        let judgement = course.in_values(judgement, 0, &values);
        assert_eq!(judgement.expected[1..3], [15.0, 10.0]);
        assert_eq!((judgement.lower[2], judgement.upper[1]), (5.0, 20.0));
        // No rise is known of the first, nor across a long gap.
        use Verdict::{Missing, Normal, NotJudged};
        assert_eq!(judgement.verdicts, [NotJudged, Normal, Normal, Missing, NotJudged]);
        assert!(judgement.expected[4].is_nan());
    }

    #[test]
    fn a_restart_is_never_low() {
        let times = [0, 10_000, 20_000, 30_000, 40_000, 50_000];
        let values = [0.0, 10.0, 5.0, 15.0, 12.0, 22.0];
        let course = Course::of_rises(Points { times: &times, values: &values }, None, None);
        // The first restart may have risen by as much as any other step, the second has risen by more.
        assert!(course.points().values[2].is_nan());
        assert_eq!(course.points().values[4], 1.2);
        let judge = |side: Verdict| {
            let mut judgement = Judgement::default();
            for (row, rate) in course.points().values.iter().enumerate() {
                let verdict = if rate.is_nan() { Verdict::Missing } else { side };
                judgement.push(verdict, 0.6, 1.0, (0.5, 1.5));
                judgement.reasons.extend(verdict.is_outlier().then(|| (row, "told".to_owned())));
            }
            course.in_values(judgement, 0, &values)
        };
        use Verdict::{High, Low, NotJudged};
        let low = judge(Low);
        assert_eq!(low.verdicts, [NotJudged, Low, NotJudged, Low, NotJudged, Low]);
        assert_eq!(low.reasons.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 3, 5]);
        assert!(low.scores[4].is_nan());
        assert_eq!(judge(High).verdicts, [NotJudged, High, NotJudged, High, High, High]);
    }
}
