//! How one series usually relates to the centre of its group: value = offset + gain · centre + a part of the time of
//! day, with noise.
//!
//! Input is past points of one series with the group's centre at their times, output a [`Model`].

use std::collections::BTreeSet;

use super::super::robust::{MAD_TO_SIGMA, median};

/// One past point of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) time: i64,
    pub(super) value: f64,
    /// The group's centre at the time.
    pub(super) centre: f64,
    /// Median of the last departures at the time, NaN where there were too few.
    pub(super) lasting: f64,
}

/// The usual relation of a series to its group.
#[derive(Debug, Clone)]
pub(super) struct Model {
    offset: f64,
    gain: f64,
    /// Noise where the centre is at most [`Model::middle`], and above it.
    noise: [f64; 2],
    middle: f64,
    /// Weighted mean of the past centres, and the sum of squares around it with the prior's part.
    mean: f64,
    squares: f64,
    weight: f64,
    /// The centres seen, but for the outermost twentieths.
    seen: (f64, f64),
    /// How much further the departures reach than those of a normal distribution with this noise, at least 1.
    pub(super) tail: f64,
    /// The usual size of a lasting departure, comparable with one sigma.
    pub(super) lasting: f64,
    by_time_of_day: Option<Vec<f64>>,
}

/// How surely the gain is known before any point is seen: one standard deviation, as a share of the gain.
const PRIOR_GAIN_DEVIATION: f64 = 0.1;
/// Gains are trusted up to this factor around what the levels suggest.
const GAIN_RANGE: f64 = 5.0;
/// Noise of the gain where the centre is further out than ever before, as a share of the gain.
const GAIN_NOISE_BEYOND: f64 = 0.15;
/// Tuning constant of Tukey's biweight: 95 % efficiency for normal noise (Huber and Ronchetti, *Robust Statistics*,
/// 2nd ed., 2009, section 4.8).
const BIWEIGHT: f64 = 4.685;
const ROUNDS: usize = 4;
/// 99 % two-sided quantile of the standard normal distribution.
const NORMAL_99: f64 = 2.576;
/// Standard deviation of the median of 12 standard normal values, √(π / 2 / 12).
const MEDIAN_OF_12: f64 = 0.362;
const DAY_MS: i64 = 86_400_000;
const BUCKETS: usize = 96;
/// Days that must agree before the time of day is taken into account.
const MIN_DAYS: usize = 3;

impl Model {
    /// Fits the relation to `history`: robust regression by iteratively reweighted least squares with Tukey's biweight
    /// (Holland and Welsch, *Robust regression using iteratively reweighted least-squares*, 1977), the gain drawn
    /// towards the ratio of the levels by a normal prior. `None` for an empty history. O(length).
    ///
    /// What departed in past `episodes` counts only where it is a habit of a time of day.
    pub(super) fn fit(history: &[Sample], episodes: &[Sample]) -> Option<Self> {
        let (mut scratch, mut residuals) = (Vec::with_capacity(history.len()), Vec::new());
        let median_of = |scratch: &mut Vec<f64>, values: &mut dyn Iterator<Item = f64>| {
            scratch.clear();
            scratch.extend(values);
            median(scratch)
        };
        let level = median_of(&mut scratch, &mut history.iter().map(|sample| sample.value))?;
        let middle = median_of(&mut scratch, &mut history.iter().map(|sample| sample.centre))?;
        let seen = (quantile(&mut scratch, 0.05), quantile(&mut scratch, 0.95));
        let prior = if level > 0.0 && middle > 0.0 { level / middle } else { 1.0 };

        let (mut offset, mut gain) = (prior.mul_add(-middle, level), prior);
        let (mut mean, mut squares, mut weight) = (middle, 0.0, 1.0);
        let mut sigma = 0.0;
        for round in 0..=ROUNDS {
            residuals.clear();
            residuals.extend(history.iter().map(|sample| sample.value - gain.mul_add(sample.centre, offset)));
            let shift = median_of(&mut scratch, &mut residuals.iter().copied())?;
            offset += shift;
            for residual in &mut residuals {
                *residual -= shift;
            }
            sigma = spread(&mut scratch, &residuals, level)?;
            if round == ROUNDS {
                break;
            }
            let weights = || {
                residuals.iter().map(|residual| {
                    let share = residual / (BIWEIGHT * sigma);
                    let inside = share.mul_add(-share, 1.0).max(0.0);
                    inside * inside
                })
            };
            let (mut sum, mut sum_centre, mut sum_value) = (0.0, 0.0, 0.0);
            for (sample, w) in history.iter().zip(weights()) {
                sum += w;
                sum_centre += w * (sample.centre - middle);
                sum_value += w * (sample.value - level);
            }
            let (mean_centre, mean_value) = (sum_centre / sum + middle, sum_value / sum + level);
            let (mut across, mut along) = (0.0, 0.0);
            for (sample, w) in history.iter().zip(weights()) {
                let distance = sample.centre - mean_centre;
                across += w * distance * (sample.value - mean_value);
                along += w * distance * distance;
            }
            let certainty = (sigma / (PRIOR_GAIN_DEVIATION * prior)).powi(2);
            gain = (certainty.mul_add(prior, across) / (certainty + along))
                .clamp(prior / GAIN_RANGE, prior * GAIN_RANGE);
            (mean, squares, weight) = (mean_centre, certainty + along, sum);
            offset = gain.mul_add(-mean_centre, mean_value);
        }
        let mut noise = [sigma; 2];
        for (half, noise) in noise.iter_mut().enumerate() {
            let chosen: Vec<f64> = history
                .iter()
                .zip(&residuals)
                .filter(|(sample, _)| (sample.centre > middle) == (half == 1))
                .map(|(_, residual)| *residual)
                .collect();
            // Half as certain, and only ever upwards: a quiet half may have been a lucky one.
            *noise = spread(&mut scratch, &chosen, level).unwrap_or(sigma).max(sigma);
        }
        let mut model = Self {
            offset,
            gain,
            noise,
            middle,
            mean,
            squares,
            weight,
            seen,
            tail: 1.0,
            lasting: MEDIAN_OF_12,
            by_time_of_day: None,
        };
        let departed =
            episodes.iter().map(|sample| (sample.time, sample.value - gain.mul_add(sample.centre, offset)));
        let usual = history.iter().zip(&residuals).map(|(sample, residual)| (sample.time, *residual));
        model.by_time_of_day = time_of_day(usual.chain(departed), sigma);
        model.calibrate(history, &mut scratch);
        Some(model)
    }

    /// Learns from the past how far departures usually go.
    fn calibrate(&mut self, history: &[Sample], scratch: &mut Vec<f64>) {
        scratch.clear();
        scratch.extend(history.iter().map(|sample| {
            let (expected, sigma) = self.expect(sample.time, sample.centre);
            ((sample.value - expected) / sigma).abs()
        }));
        self.tail = (quantile(scratch, 0.99) / NORMAL_99).max(1.0);
        scratch.clear();
        scratch.extend(history.iter().map(|sample| sample.lasting.abs()).filter(|size| size.is_finite()));
        if !scratch.is_empty() {
            self.lasting = (quantile(scratch, 0.99) / NORMAL_99).max(MEDIAN_OF_12);
        }
    }

    /// The value expected at `time` where the group's centre is at `centre`, and its standard deviation: that of a
    /// prediction by linear regression, larger the further the centre is from where it has been.
    pub(super) fn expect(&self, time: i64, centre: f64) -> (f64, f64) {
        let usual = self.by_time_of_day.as_ref().map_or(0.0, |part| part[bucket(time)]);
        let noise = self.noise[usize::from(centre > self.middle)];
        let distance = centre - self.mean;
        let uncertain = if self.squares > 0.0 { distance * distance / self.squares } else { 0.0 };
        let beyond =
            (self.seen.0 - centre).max(centre - self.seen.1).max(0.0) * self.gain * GAIN_NOISE_BEYOND;
        let sigma = noise * (1.0 + 1.0 / self.weight.max(1.0) + uncertain).sqrt();
        (self.gain.mul_add(centre, self.offset) + usual, sigma.hypot(beyond))
    }

    /// What the group's centre would be if it were up to this series alone.
    pub(super) fn centre_of(&self, time: i64, value: f64) -> f64 {
        let usual = self.by_time_of_day.as_ref().map_or(0.0, |part| part[bucket(time)]);
        (value - usual - self.offset) / self.gain
    }

    /// Whether a move of the centre by `distance` must show in this series.
    pub(super) fn shows(&self, distance: f64) -> bool {
        self.gain * distance.abs() > 0.1 * self.noise[0]
    }
}

/// Robust standard deviation of residuals around 0, never 0.
///
/// The median deviation is 0 where most values are exactly as expected (counts); the 95 % quantile then still sees the
/// usual noise, and a billionth of the level stands for rounding.
fn spread(scratch: &mut Vec<f64>, residuals: &[f64], level: f64) -> Option<f64> {
    scratch.clear();
    scratch.extend(residuals.iter().map(|residual| residual.abs()));
    let middle = MAD_TO_SIGMA * median(scratch)?;
    Some(middle.max(quantile(scratch, 0.95) / 3.0).max(1e-9 * level.abs()).max(f64::MIN_POSITIVE.sqrt()))
}

/// The value that a share of `values` lies below; the nearest one, 0 of nothing. Reorders them.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let place = ((values.len() - 1) as f64 * share).round() as usize;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

fn bucket(time: i64) -> usize {
    (time.rem_euclid(DAY_MS) / (DAY_MS / BUCKETS as i64)) as usize
}

/// What the series adds at each quarter of an hour of the day (UTC), such as a backup that only it runs: the median of
/// the residuals there, less what chance alone gives. `None` if fewer than [`MIN_DAYS`] days are known.
fn time_of_day(residuals: impl Iterator<Item = (i64, f64)>, sigma: f64) -> Option<Vec<f64>> {
    let mut by_bucket: Vec<(Vec<f64>, BTreeSet<i64>)> = vec![Default::default(); BUCKETS];
    for (time, residual) in residuals {
        let (values, days) = &mut by_bucket[bucket(time)];
        values.push(residual);
        days.insert(time.div_euclid(DAY_MS));
    }
    if by_bucket.iter().all(|(_, days)| days.len() < MIN_DAYS) {
        return None;
    }
    Some(
        by_bucket
            .into_iter()
            .map(|(mut values, days)| {
                if days.len() < MIN_DAYS {
                    return 0.0;
                }
                // Standard error of a median of n normal values: 1.2533 σ / √n.
                let by_chance = 3.0 * 1.2533 * sigma / (values.len() as f64).sqrt();
                let usual = median(&mut values).unwrap_or(0.0);
                usual.signum() * (usual.abs() - by_chance).max(0.0)
            })
            .collect(),
    )
}
