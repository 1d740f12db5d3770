//! What is judged of a series: its values, or, of a counter, how fast it rises.
//!
//! A counter is always higher than ever before, and what matters of it is its rise: whether it stalls, or rises twice as
//! fast as usual at this time. A block whose training values look like a counter's is judged by the rise per second, and
//! what was expected of it becomes an expected value again, so that it can be drawn beside the values.

use std::borrow::Cow;

use super::super::{Judgement, Points, Verdict};
use crate::series::{Rise, rises};

/// The numbers of one series that are judged, one a point.
pub(super) struct Course<'a> {
    times: &'a [i64],
    values: Cow<'a, [f64]>,
    /// How each point was reached, if it is the rises that are judged.
    rises: Option<Vec<Option<Rise>>>,
}

impl<'a> Course<'a> {
    /// The values as they are.
    pub(super) fn of_values(points: Points<'a>) -> Self {
        Self { times: points.times, values: Cow::Borrowed(points.values), rises: None }
    }

    /// The rises per second, NaN where the value before is further back than `most_ms`.
    pub(super) fn of_rises(points: Points<'a>, most_ms: Option<i64>) -> Self {
        let mut rises = rises(points);
        if let Some(most_ms) = most_ms {
            let is_far = |rise: &Rise| rise.seconds * 1e3 > most_ms as f64;
            rises.iter_mut().for_each(|rise| *rise = rise.take_if(|rise| !is_far(rise)));
        }
        let values = rises.iter().map(|rise| rise.map_or(f64::NAN, |rise| rise.per_second)).collect();
        Self { times: points.times, values: Cow::Owned(values), rises: Some(rises) }
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
            for column in [&mut judgement.expected, &mut judgement.lower, &mut judgement.upper] {
                column[row] = value_at(column[row]);
            }
            if rise.is_none() && value.is_finite() {
                judgement.verdicts[row] = Verdict::NotJudged;
            }
        }
        judgement
    }
}
