//! One series as its blocks see it: its course, what was expected of it, and all that is watched.

use std::cell::OnceCell;

use chrono_tz::Tz;

use super::super::{Block, Points, Timing};
use super::course::Course;
use super::expectation::Expectation;
use super::incidents::BACK_SHARE;
use super::normal::Normal;
use super::statistics::{self, JUMPS, Kind, Sights, Statistic};
use super::step;
use super::{CARRIED_POINTS, ROLLING_POINTS, course, normal, shift, windows};

/// What leaves no more than this share of a change unexplained foresees it.
const FORESEEN_SHARE: f64 = 0.5;

/// One series with everything that is the same for all its blocks.
pub(super) struct Observed<'a> {
    pub(super) course: Course<'a>,
    expectation: Expectation,
    pub(super) normal: Normal,
    pub(super) statistics: Vec<Statistic>,
    /// The values with short gaps filled, and how many of them each point may look back on.
    filled: Vec<f64>,
    sights: Vec<usize>,
    /// Of [`step::medians`], which few series need.
    medians: OnceCell<Vec<f64>>,
    /// Where the first training window begins.
    pub(super) first: usize,
}

impl<'a> Observed<'a> {
    pub(super) fn new(course: Course<'a>, blocks: &[Block], zone: Tz, timing: Timing) -> Self {
        let points = course.points();
        let filled = fill_gaps(points, timing.points_ms(CARRIED_POINTS));
        let first = blocks.iter().map(|block| block.training.start).min().unwrap_or(0);
        let cells = timing.cells(points.times, blocks);
        let step_ms = timing.step_ms.unwrap_or_else(|| usual_step_ms(points.times)).max(1);
        let forecast_ms = timing.forecast_lookback_ms();
        let (expectation, forecasts) =
            Expectation::new(points.times, &filled, &cells, zone, step_ms, forecast_ms);
        let sights = Sights {
            values: windows::sights(points.times, &filled, timing.lookback_ms()),
            residuals: windows::sights(points.times, &filled, timing.points_ms(ROLLING_POINTS)),
        };
        let normal = Normal::new(points.times, &filled, forecasts, step_ms, timing.lookback_ms);
        let statistics = statistics::all(points.values, &filled, &expectation.expected, &sights, first);
        Self {
            course,
            expectation,
            normal,
            statistics,
            filled,
            sights: sights.values,
            medians: OnceCell::new(),
            first,
        }
    }
}

/// The same, with what is looked at again and again at hand.
pub(super) struct Watch<'a> {
    pub(super) course: &'a Course<'a>,
    pub(super) points: Points<'a>,
    pub(super) expectation: &'a Expectation,
    pub(super) normal: &'a Normal,
    pub(super) statistics: &'a [Statistic],
    /// The values with short gaps filled.
    pub(super) filled: &'a [f64],
    /// How many of them each point may look back on, itself among them.
    pub(super) sights: &'a [usize],
    medians: &'a OnceCell<Vec<f64>>,
    /// For how many points the value has not changed.
    pub(super) flat: &'a [f64],
    /// The statistics of [`shift::WATCHED`].
    pub(super) shifts: [&'a [f64]; 2],
    /// The statistic of [`shift::BACK`].
    back: &'a [f64],
    /// The places of [`JUMPS`] among the statistics.
    pub(super) jumps: [usize; 2],
}

impl<'a> Watch<'a> {
    pub(super) fn new(observed: &'a Observed<'a>) -> Self {
        let Observed { course, expectation, normal, statistics, filled, sights, medians, .. } = observed;
        let of = |kind: Kind| -> &'a [f64] {
            statistics.iter().find(|statistic| statistic.kind == kind).map_or(&[], |found| &found.values)
        };
        Self {
            course,
            points: course.points(),
            expectation,
            normal,
            statistics,
            filled,
            sights,
            medians,
            flat: of(Kind::Flat),
            shifts: shift::WATCHED.map(of),
            back: of(shift::BACK.0),
            jumps: JUMPS
                .map(|kind| statistics.iter().position(|statistic| statistic.kind == kind).unwrap_or(0)),
        }
    }

    /// Whether most of the change to `index` was expected: the season makes it too.
    pub(super) fn foresees(&self, index: usize) -> bool {
        let change = |of: &[f64]| index.checked_sub(1).map_or(0.0, |before| of[index] - of[before]);
        let (change, expected) = (change(self.filled), change(&self.expectation.expected));
        (change - expected).abs() <= FORESEEN_SHARE * change.abs()
    }

    /// Whether the level has come nearer to what is expected, and near; forecasts are `usual_error` too low.
    pub(super) fn leads_back(&self, index: usize, usual_error: f64) -> bool {
        let before = index.checked_sub(shift::BACK.1).and_then(|before| self.back.get(before));
        self.back.get(index).zip(before).is_some_and(|(now, before)| is_nearer(*now, *before, usual_error))
    }

    /// The levels between which a step to `index` leads, as distances from what was expected.
    pub(super) fn residual_levels(&self, index: usize) -> (f64, f64) {
        let off = |index: usize| self.filled[index] - self.expectation.expected[index];
        (step::median(off, index), step::median(off, index - step::POINTS))
    }

    /// The level at each point, for steps.
    pub(super) fn medians(&self) -> &'a [f64] {
        self.medians.get_or_init(|| step::medians(self.filled, self.sights))
    }
}

/// Whether the distance from what is expected is `now` much less than `before`; forecasts are `usual_error` too low.
pub(super) fn is_nearer(now: f64, before: f64, usual_error: f64) -> bool {
    (now - usual_error).abs() <= BACK_SHARE * (before - usual_error).abs()
}

impl Timing {
    /// How long so many points take.
    pub(super) fn points_ms(self, points: usize) -> Option<i64> {
        self.step_ms.map(|step_ms| step_ms.saturating_mul(points as i64))
    }

    /// How far back values may be looked at. What is further back can still be carried on by a gap.
    fn lookback_ms(self) -> Option<i64> {
        let carried_ms = self.points_ms(CARRIED_POINTS + course::EVEN_POINTS).unwrap_or(0);
        self.lookback_ms.map(|ms| ms.saturating_sub(carried_ms).max(0))
    }

    /// How far back forecasts may look. Those of the first point of a block and of the points before it count as well.
    fn forecast_lookback_ms(self) -> Option<i64> {
        let rolling_ms = self.points_ms(ROLLING_POINTS).unwrap_or(0);
        let block_ms = self.refit_ms.unwrap_or(0);
        let normal_ms = self.step_ms.map_or(0, normal::lookback_ms);
        let before_ms = rolling_ms.saturating_add(block_ms).saturating_add(normal_ms);
        self.lookback_ms().map(|ms| ms.saturating_sub(before_ms).max(0))
    }
}

/// The usual distance of points of which none is known.
fn usual_step_ms(times: &[i64]) -> i64 {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() { 60_000 } else { *steps.select_nth_unstable(middle).1 }
}

/// The values, with each gap carrying on the last value before it for no longer than `most_ms`, and NaN thereafter.
fn fill_gaps(points: Points<'_>, most_ms: Option<i64>) -> Vec<f64> {
    let mut last = None;
    let fill = |(time, value): (&i64, &f64)| {
        if value.is_finite() {
            last = Some((*time, *value));
        }
        let near = last.filter(|(at, _)| most_ms.is_none_or(|most_ms| time.saturating_sub(*at) <= most_ms));
        near.map_or(f64::NAN, |(_, value)| value)
    };
    points.times.iter().zip(points.values).map(fill).collect()
}
