//! What a training window says about the times after it: an expected value and a band with a stated coverage.
//!
//! All is laid on the clock on the wall: times are shifted by the time zone's offset, so that nine o'clock keeps its
//! phase when daylight saving begins or ends. The hour that is skipped is a gap; of the one that comes twice the second
//! pass counts.
//!
//! **Expected value.** `Mstl`: around the trend of the series, as MSTL finds it (Bandara, Hyndman and Bergmeir, arXiv
//! 2107.13462), for each period the median of what is left at the same phase, shortest period first; to
//! these seasons comes the level, the median of the last season without them, with the drift of the trend.
//! `Quantiles`: the median of the values at the same phase of the longest period.
//!
//! **Band.** A residual is what a forecast would have missed a point by: its own season is left out of the medians, and
//! the level is that of the season before. Residuals are divided by a scale of their time of day, and their quantiles at
//! (1 ± coverage) / 2, by the ranks of conformal prediction, span the band (Lei et al., *Distribution-Free Predictive
//! Inference for Regression*, JASA 113, 2018, sections 2.2 and 5.2; seasons left out one at a time: Barber et al.,
//! *Predictive Inference with the Jackknife+*, Annals of Statistics 49, 2021).

use std::collections::VecDeque;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::super::Points;
use super::super::robust::{MAD_TO_SIGMA, MEAN_DEVIATION_TO_SIGMA, median};
use super::super::slots::{Slots, filled};
use super::super::wall_clock::on_the_wall;
use crate::options::DurationMs;
use outrider_forest::cancel::Checkpoints;

/// How the expected value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A trend, and the median at each time of each season around it.
    #[default]
    #[schemars(title = "MSTL")]
    Mstl,
    /// The median at the same time of the longest season.
    #[schemars(title = "Quantiles")]
    Quantiles,
}

/// What a model is fitted by.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) method: Method,
    /// Lengths of the seasons in ms, ascending; none: a day and a week, where the window is long enough.
    pub(super) periods_ms: Vec<i64>,
    pub(super) zone: Tz,
    /// Share of ordinary points within the band.
    pub(super) coverage: f64,
}

/// What is expected at one time; NaN where the training says nothing about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// The expected value.
    pub expected: f64,
    /// Lower end of the band.
    pub lower: f64,
    /// Upper end of the band.
    pub upper: f64,
    /// Robust standard deviation at this time of the season.
    pub sigma: f64,
}

/// A fitted model.
#[derive(Debug, Clone)]
pub struct Model {
    zone: Tz,
    slots: Slots,
    /// The values of each season; their sum with `level` is expected.
    seasons: Vec<Vec<f64>>,
    level: Level,
    /// Robust standard deviation at each phase of the shortest season.
    scale: Vec<f64>,
    /// Ends of the band in those deviations from the expected value.
    reach: (f64, f64),
    /// Rounding: what lies no farther beyond the band is not beyond it.
    resolution: f64,
    periods_ms: Vec<i64>,
}

/// The seasons a window must hold, and how many of them are enough where its ends are ragged.
const SEASONS: f64 = 3.0;
const SEASONS_ENOUGH: f64 = 2.9;
const DAY_MS: i64 = 86_400_000;
/// Seasons looked for where none are given.
const USUAL_PERIODS_MS: [i64; 2] = [DAY_MS, 7 * DAY_MS];
/// Values that a median or a scale is taken from, if neighbouring phases can provide them.
const POOL_FOR_MEDIAN: usize = 15;
const POOL_FOR_SCALE: usize = 32;
/// Neighbours within this share of a season count as the same time: half an hour of a day.
const NEIGHBOURHOOD: usize = 48;
/// The scale of a phase is at least this share of that of all, lest a quiet hour have no width.
const LEAST_SCALE: f64 = 0.2;
/// Residuals beyond so many scales are outliers of the training and do not widen the band, …
const OUTLIER_SIGMAS: f64 = 6.0;
/// … as long as they are no more than this share: else they are what the series is like.
const MOST_OUTLIERS: f64 = 0.02;
/// Share of the largest value that rounding stays below.
const ROUNDING: f64 = 1e-12;

impl Model {
    /// Fits a model to `training`.
    ///
    /// # Errors
    /// In plain words what is lacking.
    pub(super) fn fit(training: Points<'_>, settings: &Settings) -> Result<Self, String> {
        let local: Vec<i64> = training.times.iter().map(|time| on_the_wall(*time, settings.zone)).collect();
        let slots = Slots::of(Points { times: &local, values: training.values })?;
        let periods_ms = usable_periods(&slots, &settings.periods_ms)?;
        let lengths: Vec<usize> = periods_ms.iter().map(|period| points_in(*period, &slots)).collect();
        let largest = slots.values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let Fit { seasons, level, residuals } = match settings.method {
            Method::Mstl => fit(&slots.values, &lengths, Some(&trend(&slots.values, &lengths)?)),
            Method::Quantiles => fit(&slots.values, &lengths[lengths.len() - 1..], None),
        };
        let shortest = lengths.first().copied().unwrap_or(1);
        let scale = scale_by_phase(&residuals, shortest);
        let standard: Vec<f64> = residuals
            .iter()
            .enumerate()
            .map(|(slot, residual)| residual / scale[slot % shortest])
            .filter(|residual| residual.is_finite())
            .collect();
        let reach = reach(standard, settings.coverage);
        let resolution = ROUNDING * largest;
        Ok(Self { zone: settings.zone, slots, seasons, level, scale, reach, resolution, periods_ms })
    }

    /// What is expected at `time_ms`, within the training window, after it, or before it.
    #[must_use]
    pub fn at(&self, time_ms: i64) -> Expectation {
        let slot = self.slots.slot(on_the_wall(time_ms, self.zone));
        let phase = |length: usize| slot.rem_euclid(length as i64) as usize;
        let season: f64 = self.seasons.iter().map(|season| season[phase(season.len())]).sum();
        let expected = self.level.of(slot as f64) + season;
        let sigma = self.scale[phase(self.scale.len())];
        Expectation {
            expected,
            lower: expected + sigma * self.reach.0 - self.resolution,
            upper: expected + sigma * self.reach.1 + self.resolution,
            sigma,
        }
    }

    /// Lengths of the seasons it was fitted with, in ms, ascending.
    #[must_use]
    pub fn periods_ms(&self) -> &[i64] {
        &self.periods_ms
    }
}

/// Points in a period: at least 1.
fn points_in(period_ms: i64, slots: &Slots) -> usize {
    usize::try_from((period_ms + slots.step_ms / 2) / slots.step_ms).unwrap_or(1).max(1)
}

/// The periods asked for, or of the usual ones those that the window is long enough for.
fn usable_periods(slots: &Slots, asked: &[i64]) -> Result<Vec<i64>, String> {
    let seasons = |period: i64| slots.values.len() as f64 / points_in(period, slots) as f64;
    let lacking = |period: i64| {
        let there = (seasons(period) * 10.0).floor() / 10.0;
        format!("{there:.1} of {SEASONS} seasons of {} are available", DurationMs::from_millis(period))
    };
    let too_far = |period: i64| {
        format!(
            "the points are {} apart, too far for a season of {}",
            DurationMs::from_millis(slots.step_ms),
            DurationMs::from_millis(period)
        )
    };
    let is_fine = |period: &i64| *period >= slots.step_ms.saturating_mul(2);
    let is_long = |period: &i64| seasons(*period) >= SEASONS_ENOUGH;
    if asked.is_empty() {
        let fine: Vec<i64> = USUAL_PERIODS_MS.into_iter().filter(is_fine).collect();
        let shortest = fine.first().copied().ok_or_else(|| too_far(USUAL_PERIODS_MS[1]))?;
        let usable: Vec<i64> = fine.into_iter().filter(is_long).collect();
        return if usable.is_empty() { Err(lacking(shortest)) } else { Ok(usable) };
    }
    if let Some(period) = asked.iter().find(|period| !is_fine(period)) {
        return Err(too_far(*period));
    }
    match asked.iter().find(|period| !is_long(period)) {
        Some(period) => Err(lacking(*period)),
        None => Ok(asked.to_vec()),
    }
}

/// Seasons, level, and for each slot what a forecast would have missed it by (NaN where that is unknown).
struct Fit {
    seasons: Vec<Vec<f64>>,
    level: Level,
    residuals: Vec<f64>,
}

/// A level that is `value` at slot `at` and changes by `drift` each slot.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    value: f64,
    at: f64,
    drift: f64,
}

impl Level {
    /// The median of the last season before slot `end` that is not all gaps; NaN if there is none.
    fn before(mut end: usize, deseasonalised: &[f64], season: usize, drift: f64) -> Self {
        loop {
            let mut last: Vec<f64> = deseasonalised[end.saturating_sub(season)..end].to_vec();
            last.retain(|value| value.is_finite());
            if !last.is_empty() || end <= season {
                let at = end as f64 - season as f64 / 2.0;
                return Self { value: median(&mut last).unwrap_or(f64::NAN), at, drift };
            }
            end -= season;
        }
    }

    fn of(&self, slot: f64) -> f64 {
        self.value + self.drift * (slot - self.at)
    }
}

/// The median of each phase of each period, taken off one after the other, around a trend, if there is one.
fn fit(values: &[f64], lengths: &[usize], trend: Option<&[f64]>) -> Fit {
    let shortest = lengths.first().copied().unwrap_or(1);
    let mut rest: Vec<f64> = match trend {
        Some(trend) => values.iter().zip(trend).map(|(value, trend)| value - trend).collect(),
        None => values.to_vec(),
    };
    let mut residuals = rest.clone();
    let mut seasons = Vec::with_capacity(lengths.len());
    for length in lengths {
        let medians =
            PhaseMedians { values: &rest, length: *length, most_neighbours: shortest / NEIGHBOURHOOD };
        let season: Vec<f64> = (0..*length).map(|phase| medians.around(phase, false)).collect();
        let mut checkpoints = Checkpoints::default();
        for (slot, residual) in residuals.iter_mut().enumerate() {
            checkpoints.step();
            *residual -= medians.around(slot, true);
        }
        for (slot, value) in rest.iter_mut().enumerate() {
            *value -= season[slot % length];
        }
        seasons.push(season);
    }
    let Some(trend) = trend else { return Fit { seasons, level: Level::default(), residuals } };
    let slots = values.len();
    let drift = (trend[slots - 1] - trend[0]) / slots as f64;
    let season = |slot: usize| -> f64 { seasons.iter().map(|season| season[slot % season.len()]).sum() };
    let deseasonalised: Vec<f64> = (0..slots).map(|slot| values[slot] - season(slot)).collect();
    // Each season is forecast from what lies before it, back from the end; there is nothing before the first.
    let mut end = slots;
    while end > 0 {
        let start = end.saturating_sub(shortest);
        let level = Level::before(start, &deseasonalised, shortest, drift);
        for slot in start..end {
            residuals[slot] += trend[slot] - level.of(slot as f64);
        }
        end = start;
    }
    let level = Level::before(slots, &deseasonalised, shortest, drift);
    Fit { seasons, level, residuals }
}

/// The trend of MSTL, one value a slot.
fn trend(values: &[f64], lengths: &[usize]) -> Result<Vec<f64>, String> {
    // Sums over a period must stay finite, and a power of two scales without rounding.
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let scale = if largest > 1e200 { f64::powi(2.0, -600) } else { 1.0 };
    let longest = lengths.last().copied().unwrap_or(1);
    let complete: Vec<f64> = filled(values, longest).into_iter().map(|value| value * scale).collect();
    let mut smoother = stlrs::params();
    smoother.robust(true).seasonal_degree(0);
    let parts = stlrs::Mstl::params()
        .stl_params(smoother)
        .iterations(1)
        .seasonal_lengths(&vec![10 * values.len() + 1; lengths.len()])
        .fit(&complete, lengths)
        .map_err(|_| format!("{SEASONS} seasons are needed"))?;
    Ok(parts.trend().iter().map(|value| value / scale).collect())
}

/// Medians of the values at the same phase of a period; where there are few seasons, of their neighbours as well.
struct PhaseMedians<'a> {
    values: &'a [f64],
    length: usize,
    most_neighbours: usize,
}

impl PhaseMedians<'_> {
    /// The median at the phase of `slot`, without the season that the slot is in if `leave_out` says so. NaN if nothing
    /// was ever measured there.
    fn around(&self, slot: usize, leave_out: bool) -> f64 {
        let seasons = self.values.len().div_ceil(self.length);
        let width = neighbours(POOL_FOR_MEDIAN, seasons).min(self.most_neighbours);
        let mut pool = Vec::with_capacity(seasons * (2 * width + 1));
        for season in 0..=seasons {
            let same = slot % self.length + season * self.length;
            if leave_out && same == slot {
                continue;
            }
            let near = same.saturating_sub(width)..(same + width + 1).min(self.values.len());
            pool.extend(near.map(|at| self.values[at]).filter(|value| value.is_finite()));
        }
        median(&mut pool).unwrap_or(f64::NAN)
    }
}

/// How many neighbours on either side make `wanted` values of `seasons` a phase.
fn neighbours(wanted: usize, seasons: usize) -> usize {
    (wanted.div_ceil(seasons.max(1)) - 1).div_ceil(2)
}

/// Robust standard deviation around 0 at each phase of `length` slots, from the residuals around that phase.
fn scale_by_phase(residuals: &[f64], length: usize) -> Vec<f64> {
    let finite = |residual: &f64| residual.is_finite().then(|| residual.abs());
    let mut all: Vec<f64> = residuals.iter().filter_map(finite).collect();
    let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
    let overall = match median(&mut all).map(|mad| MAD_TO_SIGMA * mad) {
        Some(sigma) if sigma > 0.0 => sigma,
        // More than half are hit exactly (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
        _ => MEAN_DEVIATION_TO_SIGMA * mean,
    };
    let seasons = residuals.len().div_ceil(length);
    let width =
        neighbours(POOL_FOR_SCALE, seasons).max(length / NEIGHBOURHOOD).min(length.saturating_sub(1) / 2);
    let of_phase = |phase: usize| residuals[phase..].iter().step_by(length).filter_map(finite);
    let mut window: VecDeque<Vec<f64>> =
        (0..2 * width + 1).map(|at| of_phase((at + length - width) % length).collect()).collect();
    (0..length)
        .map(|phase| {
            let mut around: Vec<f64> = window.iter().flatten().copied().collect();
            window.pop_front();
            window.push_back(of_phase((phase + 1 + width) % length).collect());
            let here = median(&mut around).map_or(overall, |mad| MAD_TO_SIGMA * mad);
            here.max(LEAST_SCALE * overall)
        })
        .collect()
}

/// Quantiles of the residuals at (1 ± coverage) / 2. Where there are too few for such a quantile it is that of a normal
/// distribution, or the farthest residual if that is farther. No residuals: no width.
fn reach(mut residuals: Vec<f64>, coverage: f64) -> (f64, f64) {
    let outliers = residuals.iter().filter(|residual| residual.abs() > OUTLIER_SIGMAS).count();
    if outliers as f64 <= MOST_OUTLIERS * residuals.len() as f64 {
        residuals.retain(|residual| residual.abs() <= OUTLIER_SIGMAS);
    }
    residuals.sort_unstable_by(f64::total_cmp);
    let (Some(lowest), Some(highest)) = (residuals.first(), residuals.last()) else { return (0.0, 0.0) };
    let count = residuals.len();
    let upper_share = 0.5 + coverage / 2.0;
    let rank = (upper_share * (count + 1) as f64).ceil() as usize;
    if rank > count {
        let normal = Normal::standard().inverse_cdf(upper_share);
        return (lowest.min(-normal), highest.max(normal));
    }
    (residuals[count - rank].min(0.0), residuals[rank - 1].max(0.0))
}
