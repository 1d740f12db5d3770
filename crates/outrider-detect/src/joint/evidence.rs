//! How far residuals go, by themselves and over several rows, and from where on that is too rare.
//!
//! Each kind of evidence has a limit of its own, learnt from the training: what its peaks would exceed about once in
//! 1 / rate rows if they went on as they do between the usual ones. Peaks are counted once an episode, and the spacings
//! between the largest of them, each times its rank, are those of an exponential tail (Rényi, *On the theory of order
//! statistics*, 1953), whose scale a trimmed mean tells: a few incidents in the training are a few large spacings, and
//! drop out. Beyond, the tail is drawn a little heavier than that (a generalised Pareto tail, as in Siffer et al., *Anomaly
//! detection in streams with extreme value theory*, KDD 2017). What all metrics and kinds say at a time is the largest of
//! their shares of these limits, which has a limit of its own, learnt in the same way.

use super::super::robust::median;

/// Points that the longest kinds of evidence look at.
pub(super) const LONGEST: usize = 8;
const SHORT: usize = 3;
/// Kinds of evidence of a metric.
pub(super) const KINDS: usize = 9;
/// The place of the one that no side belongs to.
const STILLNESS: usize = 8;

/// No limit lies below: sigmas; e-folds of stillness.
const LEAST: [f64; KINDS] = [4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 1.6];
/// Where still times are more frequent than this, or points that repeat the one before, stillness is none.
const STILL_SHARE: f64 = 0.005;
const REPEATS_SHARE: f64 = 0.03;
/// A change of so little of the usual one is still.
const STILL: f64 = 0.02;
/// Mean changes count as this share of the usual one at least.
const LEAST_CHANGE: f64 = 1e-3;

/// What the newest points of a metric say: how far above or below they are, or how still; NaN where nothing is known.
pub(super) type Evidence = [f64; KINDS];

/// What kind of evidence counts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// This point.
    Point,
    /// The last points taken together.
    Lasting,
    /// A change, given its own past.
    Jump,
    /// Hardly any change.
    Stillness,
}

impl What {
    pub(super) fn of(kind: usize) -> Self {
        match kind {
            0 | 1 => Self::Point,
            2..=5 => Self::Lasting,
            6 | 7 => Self::Jump,
            _ => Self::Stillness,
        }
    }

    /// Whether `kind` is about values above what is expected; `None` if it has no side.
    pub(super) fn is_high(kind: usize) -> Option<bool> {
        (kind < STILLNESS).then_some(kind.is_multiple_of(2))
    }
}

#[derive(Debug, Clone, Copy)]
struct Point {
    time: i64,
    /// Residual without and with its own past.
    residuals: [f64; 2],
    /// Since the point before.
    change: f64,
    is_flagged: bool,
}

/// An episode of flags is over with a residual of this share of those in it.
const OVER: f64 = 0.25;

/// The newest points of a metric.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// Oldest first.
    points: Vec<Point>,
    last: Option<f64>,
    changes: f64,
    repeats: f64,
}

impl Recent {
    /// Takes in a point at `time`, and returns what is to be said then. Of stillness that is the mean change, if it can be
    /// told. Points further apart than `most_ms` do not go together.
    pub(super) fn push(&mut self, time: i64, most_ms: i64, value: f64, residuals: [f64; 2]) -> Evidence {
        if self.points.last().is_some_and(|point| time.saturating_sub(point.time) > most_ms) {
            self.points.clear();
            self.last = None;
        }
        let change = self.last.map_or(f64::NAN, |last| (value - last).abs());
        self.last = Some(value);
        if !change.is_nan() {
            self.changes += 1.0;
            self.repeats += f64::from(u8::from(change == 0.0));
        }
        if self.points.len() == LONGEST {
            self.points.remove(0);
        }
        self.forget_episode(residuals[0]);
        self.points.push(Point { time, residuals, change, is_flagged: false });
        let mut evidence = [f64::NAN; KINDS];
        let mut sided = |place: usize, size: f64| (evidence[place], evidence[place + 1]) = (size, -size);
        sided(0, residuals[0]);
        sided(2, self.lasting(SHORT));
        sided(4, self.lasting(LONGEST));
        sided(6, residuals[1]);
        if self.points.len() == LONGEST {
            evidence[STILLNESS] = self.points.iter().map(|point| point.change).sum::<f64>() / LONGEST as f64;
        }
        evidence
    }

    /// Notes that the newest point is flagged.
    pub(super) fn mark(&mut self) {
        if let Some(newest) = self.points.last_mut() {
            newest.is_flagged = true;
        }
    }

    /// Puts other residuals in place of those of the newest point.
    pub(super) fn revise(&mut self, residuals: [f64; 2]) {
        if let Some(newest) = self.points.last_mut() {
            newest.residuals = residuals;
        }
    }

    /// What follows an episode of flags does not look back into it.
    fn forget_episode(&mut self, residual: f64) {
        let flagged = || self.points.iter().filter(|point| point.is_flagged);
        let sum: f64 = flagged().map(|point| point.residuals[0].abs()).sum();
        if residual.abs() < OVER * sum / flagged().count() as f64 {
            self.points.retain(|point| !point.is_flagged);
        }
    }

    /// Whether points often repeat the one before, as counts do.
    pub(super) fn repeats_often(&self) -> bool {
        self.repeats > REPEATS_SHARE * self.changes
    }

    /// Time of the oldest point that still counts.
    pub(super) fn since(&self) -> Option<i64> {
        self.points.first().map(|point| point.time)
    }

    /// The mean of the last residuals in the sigmas of such a mean, as far as the newest agrees.
    fn lasting(&self, points: usize) -> f64 {
        let Some(first) = self.points.len().checked_sub(points) else { return f64::NAN };
        let root = (points as f64).sqrt();
        let mean = self.points[first..].iter().map(|point| point.residuals[0]).sum::<f64>() / root;
        let newest = self.points.last().map_or(f64::NAN, |point| point.residuals[0]);
        if mean * newest > 0.0 { mean.signum() * mean.abs().min(2.0 * root * newest.abs()) } else { 0.0 }
    }
}

/// From where on the evidence of a metric is too rare.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) of_kinds: Evidence,
    /// The usual mean change; NaN where stillness is usual.
    change: f64,
}

/// How rare what exceeds the limit of a kind is, a row.
const RATE_OF_KIND: f64 = 1e-5;

impl Limits {
    /// Learns from what was said of the training points, a column a kind; and makes stillness of mean changes in it.
    pub(super) fn of(columns: &mut [Vec<f64>; KINDS], repeats_often: bool) -> Self {
        let changes = &mut columns[STILLNESS];
        let mut known: Vec<f64> = changes.iter().copied().filter(|change| change.is_finite()).collect();
        let usual = median(&mut known).unwrap_or(0.0);
        let still = known.iter().filter(|change| **change <= STILL * usual).count();
        let is_usual = repeats_often || usual <= 0.0 || still as f64 > STILL_SHARE * known.len() as f64;
        let change = if is_usual { f64::NAN } else { usual };
        changes.iter_mut().for_each(|mean| *mean = stillness(*mean, change));
        let mut of_kinds = LEAST;
        for (limit, column) in of_kinds.iter_mut().zip(columns) {
            *limit = limit.max(limit_of(column, RATE_OF_KIND));
        }
        Self { of_kinds, change }
    }

    /// The evidence in shares of the limits, the largest of them and its kind.
    pub(super) fn most(&self, evidence: &Evidence) -> (f64, usize) {
        let mut most = (0.0, 0);
        for (kind, limit) in self.of_kinds.iter().enumerate() {
            let size =
                if kind == STILLNESS { stillness(evidence[kind], self.change) } else { evidence[kind] };
            // Not for NaN.
            if size / limit > most.0 {
                most = (size / limit, kind);
            }
        }
        most
    }

    /// Of evidence whose mean changes were made stillness of.
    pub(super) fn most_in_training(&self, evidence: impl Iterator<Item = f64>) -> f64 {
        evidence.zip(self.of_kinds).map(|(size, limit)| size / limit).fold(0.0, f64::max)
    }
}

fn stillness(mean_change: f64, usual: f64) -> f64 {
    let share = mean_change / usual;
    if share.is_nan() { f64::NAN } else { -share.max(LEAST_CHANGE).ln() }
}

/// The limit of what all metrics say together, in shares of their limits.
pub(super) fn limit_of_all(most: &[f64], rate: f64) -> f64 {
    const LEAST_OF_ALL: f64 = 0.8;
    limit_of(most, rate).max(LEAST_OF_ALL)
}

/// What the peaks of `sizes`, NaN where unknown, exceed about `rate` times a row.
fn limit_of(sizes: &[f64], rate: f64) -> f64 {
    /// Peaks rise above the highest tenth, and are at least so many rows apart.
    const BASE: f64 = 0.9;
    const APART: usize = 6;
    /// The most peaks looked at, and the fewest.
    const PEAKS: usize = 80;
    const FEWEST: usize = 12;
    /// The scale of the tail is at least this share of its distance from the median: about that of a normal distribution.
    const LEAST_SCALE: f64 = 0.17;
    /// How heavy the tail is beyond an exponential one, as far as the peaks do not tell, and how far they are trusted.
    const HEAVINESS: f64 = 0.1;
    const TRUST: f64 = 0.5;
    const LEAST_HEAVINESS: f64 = 0.05;
    const MOST_HEAVINESS: f64 = 0.3;
    /// The logarithm of how much further up the upper third of the peaks is than the rest, in ranks.
    const GROWTH_RANKS: f64 = 1.7;
    let mut known: Vec<f64> = sizes.iter().copied().filter(|size| size.is_finite()).collect();
    if known.len() < 100 {
        return 2.0 * known.iter().copied().fold(0.0, f64::max);
    }
    let rows = known.len() as f64;
    let place = (rows * BASE) as usize;
    let (below, base, _) = known.select_nth_unstable_by(place, f64::total_cmp);
    let base = *base;
    let middle = median(below).unwrap_or(base);
    let mut peaks: Vec<f64> = Vec::new();
    let mut last: Option<usize> = None;
    for (row, size) in sizes.iter().enumerate().filter(|(_, size)| **size > base) {
        match peaks.last_mut() {
            Some(peak) if last.is_some_and(|last| row - last <= APART) => *peak = peak.max(*size),
            _ => peaks.push(*size),
        }
        last = Some(row);
    }
    if peaks.len() < FEWEST {
        return 2.0 * peaks.iter().copied().fold(0.0, f64::max);
    }
    peaks.sort_unstable_by(|a, b| b.total_cmp(a));
    let count = PEAKS.min(peaks.len() - 1);
    let spacings: Vec<f64> =
        (0..count).map(|rank| (rank + 1) as f64 * (peaks[rank] - peaks[rank + 1])).collect();
    let (upper, lower) = spacings.split_at(count / 3);
    let scale = scale_of(lower).max(LEAST_SCALE * (peaks[count] - middle));
    // Of a generalised Pareto tail the scale grows with the rank from the bottom, to the power of its heaviness.
    let growth = (scale_of(upper) / scale).ln() / GROWTH_RANKS;
    let heaviness = (growth - HEAVINESS).mul_add(TRUST, HEAVINESS).clamp(LEAST_HEAVINESS, MOST_HEAVINESS);
    let heaviness = if heaviness.is_nan() { HEAVINESS } else { heaviness };
    let further = (count as f64 / rows / rate).ln();
    peaks[count] + scale * (heaviness * further).exp_m1() / heaviness
}

/// The scale of an exponential tail with these spacings: by their median, which a few incidents cannot move.
fn scale_of(spacings: &[f64]) -> f64 {
    median(&mut spacings.to_vec()).unwrap_or(0.0) / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal numbers, the same in every run.
    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut dice = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..count).map(|_| (0..12).map(|_| dice()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn a_few_incidents_hardly_raise_the_limit() {
        let quiet = noise(4_000, 1);
        let limit = limit_of(&quiet, 1e-5);
        assert!((4.0..7.5).contains(&limit), "{limit}");
        let mut with_incidents = quiet;
        for incident in 0..4 {
            with_incidents[700 * (incident + 1)..][..30].iter_mut().for_each(|size| *size += 40.0);
        }
        let other = limit_of(&with_incidents, 1e-5);
        assert!(other < 1.25 * limit, "{other} after {limit}");
    }

    #[test]
    fn a_mean_counts_as_far_as_the_newest_point_agrees() {
        let mut recent = Recent::default();
        let mut push = |time: i64, residual: f64| recent.push(time, 4, residual, [residual, residual]);
        for time in 0..7 {
            push(time, 2.0);
        }
        let lasting = push(7, 2.0);
        assert!((lasting[4] - 2.0 * 8_f64.sqrt()).abs() < 1e-12 && lasting[5] == -lasting[4]);
        assert_eq!(push(8, -0.1)[4], 0.0);
        assert!(push(20, 2.0)[2].is_nan(), "what is long ago does not count");
    }

    #[test]
    fn what_never_stands_still_is_still_when_it_does() {
        let mut columns: [Vec<f64>; KINDS] = std::array::from_fn(|_| noise(1_000, 2));
        columns[STILLNESS] = noise(1_000, 3).iter().map(|number| 1.0 + 0.1 * number).collect();
        let limits = Limits::of(&mut columns, false);
        let mut evidence = [0.0; KINDS];
        evidence[STILLNESS] = 1e-9;
        let (most, kind) = limits.most(&evidence);
        assert!(most > 1.0 && What::of(kind) == What::Stillness, "{most}");
        columns[STILLNESS] = vec![0.0; 1_000];
        assert_eq!(Limits::of(&mut columns, false).most(&evidence).0, 0.0);
    }
}
