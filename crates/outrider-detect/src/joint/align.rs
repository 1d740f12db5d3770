//! The metrics of a group side by side: one row a time, whatever the times of each metric are.
//!
//! At a time a metric has the value of its newest point, if that is younger than the metric's usual step and no gap; else it
//! has none. Training rows follow each other by the shortest usual step and end with the newest training point; judged rows
//! are the times of the judged points. A row never knows of points after its time.

use super::super::Member;
use super::super::robust::median;

/// The most training rows: the newest count.
const MAX_ROWS: i64 = 20_160;

/// The usual distance between the points of each metric and of the rows, in ms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps {
    pub(super) of_rows: i64,
    of_metrics: Vec<i64>,
}

impl Steps {
    /// Learnt from the training, or from what is judged where that is all there is; `None` if nothing has two points.
    pub(super) fn of(members: &[Member<'_>]) -> Option<Self> {
        let usual = |times: &[i64]| {
            let mut distances: Vec<f64> =
                times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64).collect();
            median(&mut distances).map(|distance| (distance as i64).max(1))
        };
        let of_metrics: Vec<Option<i64>> =
            members.iter().map(|member| usual(member.training.times)).collect();
        let of_rows = of_metrics.iter().flatten().copied().min()?;
        Some(Self { of_rows, of_metrics: of_metrics.iter().map(|own| own.unwrap_or(of_rows)).collect() })
    }

    /// The times of the training rows, ascending.
    pub(super) fn training_rows(&self, members: &[Member<'_>]) -> Vec<i64> {
        let times = || members.iter().map(|member| member.training.times);
        let (first, last) =
            (times().filter_map(<[i64]>::first).min(), times().filter_map(<[i64]>::last).max());
        let Some((first, last)) = first.copied().zip(last.copied()) else { return Vec::new() };
        let rows = (last.saturating_sub(first) / self.of_rows).min(MAX_ROWS - 1);
        (0..=rows).rev().map(|row| last - row * self.of_rows).collect()
    }
}

/// The times of all judged points, ascending, each once.
pub(super) fn judged_rows(members: &[Member<'_>]) -> Vec<i64> {
    let mut times: Vec<i64> = members.iter().flat_map(|member| member.judged.times).copied().collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// Values of all metrics at times that do not descend.
pub(super) struct Cursor<'a> {
    members: &'a [Member<'a>],
    /// For each metric how long a value counts, in ms.
    holds: Vec<i64>,
    /// For each metric how many of its training points and judged points are no later than the last time asked for.
    seen: Vec<(usize, usize)>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(members: &'a [Member<'a>], steps: &Steps) -> Self {
        Self { members, holds: steps.of_metrics.clone(), seen: vec![(0, 0); members.len()] }
    }

    /// The newest point of a metric at `time`: its time and its value, which may be NaN. Without `with_judged` only the
    /// training counts.
    pub(super) fn newest(&mut self, metric: usize, time: i64) -> Option<(i64, f64)> {
        let Member { training, judged, .. } = &self.members[metric];
        let (in_training, in_judged) = &mut self.seen[metric];
        while training.times.get(*in_training).is_some_and(|at| *at <= time) {
            *in_training += 1;
        }
        while judged.times.get(*in_judged).is_some_and(|at| *at <= time) {
            *in_judged += 1;
        }
        let last = |points: &super::super::Points<'_>, seen: usize| {
            seen.checked_sub(1).map(|last| (points.times[last], points.values[last]))
        };
        let newest = last(judged, *in_judged).or_else(|| last(training, *in_training))?;
        (time.saturating_sub(newest.0) < self.holds[metric]).then_some(newest)
    }
}
