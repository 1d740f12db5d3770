//! Turning an operator's series into independent standard normal numbers, as charts of changes need them.
//!
//! Three things learnt from the training window are taken out, one after the other: a strong daily (or weekly)
//! pattern, the pull of each value towards the one before it, and the shape of the noise. None of it may be spoilt by
//! level changes within the training window, so all of it is centred on parts of the window and combined by medians.

use super::Points;
use super::robust::{MEAN_DEVIATION_TO_SIGMA, median, median_and_sigma};

const DAY_MS: i64 = 86_400_000;

/// A pattern that repeats every `period_ms`.
#[derive(Debug, Clone)]
pub(super) struct Season {
    period_ms: i64,
    /// What the pattern adds at each phase; their median is 0.
    pattern: Vec<f64>,
}

/// The seasons tried: a day, a week.
const PERIODS_MS: [i64; 2] = [DAY_MS, 7 * DAY_MS];
/// How often a period must have been seen. The pattern is a median over them, and two have no majority.
const FEWEST_PERIODS: i64 = 3;
/// A pattern counts if what it leaves is smaller than this part of what there was.
const STRONG: f64 = 0.8;

impl Season {
    /// The strongest season of `training`, if any, and `training` without it.
    ///
    /// The pattern is the median, phase by phase, of the deviations from each period's own median. How much it explains
    /// is measured on each period with the pattern of the others: an honest figure, which noise does not reach, and
    /// residuals as large as those of points to come.
    pub(super) fn learn(training: Points<'_>, step_ms: i64) -> (Option<Self>, Vec<f64>) {
        let mut best = (None, training.values.to_vec());
        let mut least = STRONG;
        for period_ms in PERIODS_MS {
            if let Some((season, residuals, left)) = Self::of_period(training, period_ms, step_ms)
                && left < least
            {
                least = left;
                best = (Some(season), residuals);
            }
        }
        best
    }

    /// The pattern, `training` without it, and the part of the deviation that it leaves.
    fn of_period(training: Points<'_>, period_ms: i64, step_ms: i64) -> Option<(Self, Vec<f64>, f64)> {
        let (first, last) = (*training.times.first()?, *training.times.last()?);
        let length = usize::try_from(period_ms / step_ms).ok().filter(|length| *length >= 8)?;
        // A step short of three periods is three periods.
        if last.saturating_sub(first).saturating_add(step_ms) / period_ms < FEWEST_PERIODS {
            return None;
        }
        let mut deviations = training.values.to_vec();
        let mut begin = 0;
        while begin < deviations.len() {
            let until = training.times[begin].saturating_add(period_ms);
            let end = begin + training.times[begin..].partition_point(|time| *time < until);
            let level = median(&mut deviations[begin..end].to_vec())?;
            deviations[begin..end].iter_mut().for_each(|value| *value -= level);
            begin = end;
        }
        let mut by_phase: Vec<Vec<(usize, f64)>> = vec![Vec::new(); length];
        for (index, (time, deviation)) in training.times.iter().zip(&deviations).enumerate() {
            by_phase[phase(*time, period_ms, length)].push((index, *deviation));
        }
        let mut pattern = Vec::with_capacity(length);
        let mut of_others = vec![0.0; deviations.len()];
        for seen in &by_phase {
            pattern.push(median(&mut seen.iter().map(|(_, deviation)| *deviation).collect::<Vec<_>>()));
            for (index, _) in seen {
                let mut others: Vec<f64> = seen
                    .iter()
                    .filter(|(other, _)| other != index)
                    .map(|(_, deviation)| *deviation)
                    .collect();
                of_others[*index] = median(&mut others).unwrap_or(0.0);
            }
        }
        let pattern = filled(&pattern)?;
        let centre = median(&mut pattern.clone())?;
        let unexplained: Vec<f64> =
            deviations.iter().zip(&of_others).map(|(deviation, known)| deviation - known).collect();
        let left = left(&deviations, &unexplained)?;
        let residuals =
            training.values.iter().zip(&of_others).map(|(value, known)| value - (known - centre)).collect();
        let pattern = pattern.iter().map(|value| value - centre).collect();
        Some((Self { period_ms, pattern }, residuals, left))
    }

    /// What the season adds at `time`.
    pub(super) fn at(&self, time: i64) -> f64 {
        self.pattern[phase(time, self.period_ms, self.pattern.len())]
    }

    /// `daily` or `weekly`.
    pub(super) fn name(&self) -> &'static str {
        if self.period_ms == DAY_MS { "daily" } else { "weekly" }
    }
}

/// The part of the size of `before` that `after` still has, by the median or the mean size, whichever is less: the one is
/// blind to patterns of an hour a day, the other is drowned by a level change. `None` where there was nothing.
fn left(before: &[f64], after: &[f64]) -> Option<f64> {
    let mean_size =
        |values: &[f64]| values.iter().map(|value| value.abs() / values.len() as f64).sum::<f64>();
    let by_mean = mean_size(after) / mean_size(before);
    let by_median = median_and_sigma(after)?.1 / median_and_sigma(before)?.1;
    // The lesser of the two that is a number.
    let least = by_mean.min(by_median);
    least.is_finite().then_some(least)
}

/// Which of `length` phases of a period `time` is in.
fn phase(time: i64, period_ms: i64, length: usize) -> usize {
    let share = time.rem_euclid(period_ms) as f64 / period_ms as f64;
    ((share * length as f64) as usize).min(length - 1)
}

/// Phases never seen are as the one before them; `None` if none was.
fn filled(pattern: &[Option<f64>]) -> Option<Vec<f64>> {
    let mut last = pattern.iter().rev().find_map(|value| *value)?;
    Some(
        pattern
            .iter()
            .map(|value| {
                last = value.unwrap_or(last);
                last
            })
            .collect(),
    )
}

/// Noise of the kind x(t) − level = `carry` · (x(t−1) − level) + innovation: an AR(1) process. With `carry` 0 it is
/// white. What is left of x(t) − `carry` · x(t−1) is a level of its own and the innovations, which are independent.
#[derive(Debug, Clone)]
pub(super) struct Noise {
    /// How much of a deviation the next value keeps.
    pub(super) carry: f64,
    /// Robust standard deviation of the innovations; 0 for a constant.
    pub(super) sigma: f64,
    /// Whether most values are the same: then that one is the level, and no mean.
    pub(super) mostly_same: bool,
    /// Mean distance of an innovation from its centre, in sigmas, with those beyond [`Noise::REACH`] cut to it.
    pub(super) mean_distance: f64,
    /// Normal scores of innovations, in sigmas.
    scores: NormalScores,
    /// Normal scores of the sizes of innovations, in sigmas.
    size_scores: NormalScores,
}

/// The parts that the training window is centred on, and the fewest values each must have.
const PARTS: usize = 16;
const FEWEST_IN_PART: usize = 32;
/// Beyond the upper end a series wanders instead of keeping a level, and there is nothing to tell a change from.
const CARRY: (f64, f64) = (-0.5, 0.95);

impl Noise {
    /// Sizes beyond so many sigmas count as that.
    pub(super) const REACH: f64 = 3.0;

    /// The noise of `values`, finite and without season, at least [`FEWEST_IN_PART`] of them.
    pub(super) fn learn(values: &[f64]) -> Self {
        let part = (values.len() / PARTS).max(FEWEST_IN_PART);
        let mut carries: Vec<f64> = values.chunks(part).filter_map(carry_within).collect();
        let carry = median(&mut carries).unwrap_or(0.0).clamp(CARRY.0, CARRY.1);
        let mut innovations = innovations(values, carry);
        for part in innovations.chunks_mut(part) {
            let centre = median(&mut part.to_vec()).unwrap_or(0.0);
            part.iter_mut().for_each(|value| *value -= centre);
        }
        let mut sizes: Vec<f64> = innovations.iter().map(|value| value.abs()).collect();
        let robust = median_and_sigma(&innovations).map_or(0.0, |(_, sigma)| sigma);
        let mostly_same = robust == 0.0;
        let sigma = if mostly_same {
            MEAN_DEVIATION_TO_SIGMA * sizes.iter().map(|size| size / sizes.len() as f64).sum::<f64>()
        } else {
            robust
        };
        for value in innovations.iter_mut().chain(&mut sizes) {
            *value = in_sigmas(*value, sigma);
        }
        let reach = sizes.iter().map(|size| size.min(Self::REACH)).sum::<f64>();
        Self {
            carry,
            sigma,
            mostly_same,
            mean_distance: if reach > 0.0 { reach / sizes.len() as f64 } else { 1.0 },
            scores: NormalScores::of(innovations),
            size_scores: NormalScores::of(sizes),
        }
    }

    /// The normal score of an innovation, and that of its size, in sigmas.
    pub(super) fn scores(&self, innovation: f64) -> [f64; 2] {
        [self.scores.score(innovation), self.size_scores.score(innovation.abs())]
    }

    /// What a deviation of the values has to be multiplied by to give the deviation of the innovations that it causes,
    /// both in their own standard deviations: √((1 − carry) / (1 + carry)).
    pub(super) fn shift_in_innovations(&self) -> f64 {
        ((1.0 - self.carry) / (1.0 + self.carry)).sqrt()
    }

    /// The standard deviation of values whose innovations have that of `sigma`.
    pub(super) fn sigma_of_values(&self, sigma: f64) -> f64 {
        sigma / (1.0 - self.carry * self.carry).sqrt()
    }
}

/// `value` in units of `sigma`; where that is 0, nothing or endless.
pub(super) fn in_sigmas(value: f64, sigma: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value / sigma }
}

/// `values[i] − carry · values[i − 1]`; the first is as if the value before were the same.
pub(super) fn innovations(values: &[f64], carry: f64) -> Vec<f64> {
    let before = values.first().into_iter().chain(values);
    values.iter().zip(before).map(|(value, before)| value - carry * before).collect()
}

/// Autocorrelation at lag 1 within a part of a series, with outliers pulled in.
///
/// The estimate from n values is on average (1 + 3 carry) / n too small (Kendall, *Note on Bias in the Estimation of
/// Autocorrelation*, Biometrika 41, 1954), which is put right.
fn carry_within(part: &[f64]) -> Option<f64> {
    let (centre, sigma) = median_and_sigma(part)?;
    if sigma == 0.0 || part.len() < FEWEST_IN_PART / 2 {
        return None;
    }
    let pulled: Vec<f64> = part.iter().map(|value| ((value - centre) / sigma).clamp(-3.0, 3.0)).collect();
    let count = pulled.len() as f64;
    let mean = pulled.iter().sum::<f64>() / count;
    let squares: f64 = pulled.iter().map(|value| (value - mean) * (value - mean)).sum();
    let products: f64 = pulled.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    (squares > 0.0).then(|| (count * products / squares + 1.0) / (count - 3.0))
}

/// Normal scores (van der Waerden, *Order Tests for the Two-Sample Problem*, Indagationes Mathematicae 14, 1952): the
/// quantile of the normal distribution at the rank that a value has among those of the training window, equal ones
/// taking their mean rank. Whatever the distribution, the scores are standard normal; and as none is larger than the
/// most extreme rank, one wild point proves no change.
#[derive(Debug, Clone)]
struct NormalScores {
    ascending: Vec<f64>,
}

impl NormalScores {
    /// Values within so many sigmas count as equal: so whole numbers stay so when their mean moves a little.
    const NEAR: f64 = 0.1;

    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { ascending: values }
    }

    fn score(&self, value: f64) -> f64 {
        let below = self.ascending.partition_point(|other| *other < value - Self::NEAR);
        let up_to = below + self.ascending[below..].partition_point(|other| *other <= value + Self::NEAR);
        let count = self.ascending.len() as f64;
        let half_a_rank = 0.5 / count;
        let share = (below + up_to) as f64 / (2.0 * count);
        normal_quantile(share.clamp(half_a_rank, 1.0 - half_a_rank))
    }
}

/// The standard normal distribution's quantile at `share`, e⁻²⁵ to 1 − e⁻²⁵, to seven digits: algorithm AS 241, PPND7
/// (Wichura, *The Percentage Points of the Normal Distribution*, Applied Statistics 37, 1988).
pub(super) fn normal_quantile(share: f64) -> f64 {
    let from_half = share - 0.5;
    if from_half.abs() <= 0.425 {
        let r = 0.180_625 - from_half * from_half;
        let above = ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let below = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return from_half * above / below;
    }
    let r = (-share.min(1.0 - share).ln()).sqrt() - 1.6;
    let above = ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
    let below = (0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0;
    (above / below).copysign(from_half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changepoint::tests::{STEP_MS, Source, times};

    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (share, quantile) in [
            (0.5, 0.0),
            (0.75, 0.674_489_75),
            (0.975, 1.959_963_985),
            (0.001, -3.090_232_306),
            (0.999_9, 3.719_016_485),
        ] {
            assert!((normal_quantile(share) - quantile).abs() < 2e-6, "{share}");
        }
    }

    #[test]
    fn the_carry_is_found_beside_level_changes() {
        for carry in [0.0, 0.4, 0.8, 0.9] {
            let mut values = Source::new(1).carried(2_016, carry);
            values[700..].iter_mut().for_each(|value| *value += 12.0);
            values[1_500..].iter_mut().for_each(|value| *value -= 30.0);
            let noise = Noise::learn(&values);
            assert!((noise.carry - carry).abs() < 0.08, "{carry}: {}", noise.carry);
            let sigma = (1.0 - carry * carry).sqrt();
            assert!((noise.sigma / sigma - 1.0).abs() < 0.08, "{carry}: {}", noise.sigma);
        }
    }

    #[test]
    fn scores_of_any_distribution_are_normal() {
        let mut source = Source::new(2);
        let values: Vec<f64> = (0..4_000).map(|_| -source.uniform().ln()).collect();
        let noise = Noise::learn(&values);
        let scores: Vec<f64> = values.iter().map(|v| noise.scores((v - 0.693) / noise.sigma)[0]).collect();
        let mean = scores.iter().sum::<f64>() / 4_000.0;
        let variance = scores.iter().map(|score| score * score).sum::<f64>() / 4_000.0;
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.15, "{mean} {variance}");
    }

    #[test]
    fn a_daily_pattern_is_found_and_noise_has_none() {
        let count = 7 * 288;
        let times = times(0, count);
        let noise = Source::new(3).carried(count, 0.0);
        let white = Season::learn(Points { times: &times, values: &noise }, STEP_MS);
        assert!(white.0.is_none());
        let wave = |time: i64| 10.0 * (time as f64 / DAY_MS as f64 * std::f64::consts::TAU).sin();
        let mut values: Vec<f64> = times.iter().zip(&noise).map(|(time, e)| wave(*time) + e).collect();
        values[900..].iter_mut().for_each(|value| *value += 100.0);
        let (season, residuals) = Season::learn(Points { times: &times, values: &values }, STEP_MS);
        let season = season.unwrap();
        assert_eq!(season.name(), "daily");
        let worst = (0..288).map(|i| (season.at(i * STEP_MS) - wave(i * STEP_MS)).abs()).fold(0.0, f64::max);
        assert!(worst < 2.5, "{worst}");
        let (_, sigma) = median_and_sigma(&residuals[..900]).unwrap();
        assert!(sigma < 1.4, "{sigma}");
    }

    #[test]
    fn a_constant_has_no_noise() {
        let noise = Noise::learn(&[5.0; 64]);
        assert_eq!((noise.carry, noise.sigma), (0.0, 0.0));
        assert_eq!(noise.scores(0.0), [0.0, 0.0]);
        assert!(noise.scores(in_sigmas(1e-9, 0.0))[0] > 2.0);
    }
}
