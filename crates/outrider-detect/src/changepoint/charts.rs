//! Cumulative sums that tell when the level or the noise of a series has changed.
//!
//! Input is one innovation after the other, output the [`Change`] that it proves, if it does. The module above says where
//! the formulas come from.

use super::super::Verdict;
use super::super::fences::score;
use super::super::robust::{MAD_TO_SIGMA, median};
use super::super::whiten::{Noise, in_sigmas, innovations};
use super::Kinds;

/// The fewest finite training points that noise is learnt from.
pub const FEWEST_POINTS: usize = 64;
/// Points that the very first regime of a training window is learnt from.
pub(super) const FIRST_REGIME: usize = 16;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Level,
    Noise,
}

/// A change that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) what: What,
    /// What the chart watches that has proven it.
    pub(super) proven_by: What,
    pub(super) side: Verdict,
    pub(super) score: f64,
    /// Points since the onset.
    pub(super) lasted: usize,
}

/// The reference and the threshold of a pair of charts, in standard deviations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threshold {
    reference: f64,
    pub(super) height: f64,
}

impl Threshold {
    /// The height at which a chart of standard normal numbers has a mean of `run_length` points between alarms.
    pub(super) fn new(reference: f64, run_length: f64) -> Self {
        /// How far a sum overshoots its threshold on average, on both sides together (Siegmund 1985).
        const OVERSHOOT: f64 = 1.166;
        let mean_run = |height: f64| {
            let exponent = 2.0 * reference * (height + OVERSHOOT);
            (exponent.exp_m1() - exponent) / (2.0 * reference * reference)
        };
        let (mut low, mut high) = (0.0, 1.0);
        while mean_run(high) < run_length {
            high *= 2.0;
        }
        // As many halvings as a number has digits.
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if mean_run(middle) < run_length { low = middle } else { high = middle }
        }
        Self { reference, height: high }
    }
}

/// One cumulative sum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chart {
    pub(super) sum: f64,
    /// Points since the sum was 0.
    lasted: usize,
}

impl Chart {
    pub(super) fn add(&mut self, evidence: f64) {
        self.sum += evidence;
        self.lasted += 1;
        if self.sum <= 0.0 {
            *self = Self::default();
        }
    }
}

/// What is normal at present: the level and the noise, as innovations have them.
#[derive(Debug, Clone, Copy)]
struct Regime {
    mean: f64,
    /// Number of innovations the mean is of.
    mean_of: f64,
    sigma: f64,
    /// Number of innovations sigma is of.
    sigma_of: f64,
}

/// One innovation of the regime at present, with the evidence in it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    innovation: f64,
    /// Its normal score, and that of its size.
    scores: [f64; 2],
}

/// Follows a series from regime to regime.
pub(super) struct Watch<'a> {
    pub(super) noise: &'a Noise,
    thresholds: [Threshold; 2],
    min_size: usize,
    /// As in [`CHARTS`].
    charts: [Chart; 4],
    regime: Option<Regime>,
    /// What was seen in the regime, from the onset of the oldest chart at least.
    recent: Vec<Seen>,
    /// Innovations that the noise was learnt from.
    known: f64,
}

/// What the charts watch, and for which side.
const CHARTS: [(What, Verdict); 4] = [
    (What::Level, Verdict::High),
    (What::Level, Verdict::Low),
    (What::Noise, Verdict::High),
    (What::Noise, Verdict::Low),
];

impl<'a> Watch<'a> {
    pub(super) fn new(noise: &'a Noise, thresholds: [Threshold; 2], min_size: usize) -> Self {
        let charts = [Chart::default(); 4];
        let known = FEWEST_POINTS as f64;
        Self { noise, thresholds, min_size, charts, regime: None, recent: Vec::new(), known }
    }

    /// Watches `residuals` and counts the changes that the charts of the level, and those of the noise, have proven.
    pub(super) fn past(&mut self, residuals: &[f64]) -> [usize; 2] {
        self.known = residuals.len().max(FEWEST_POINTS) as f64;
        let mut found = [0; 2];
        for innovation in innovations(residuals, self.noise.carry) {
            match self.next(innovation).map(|change| change.proven_by) {
                Some(What::Level) => found[0] += 1,
                Some(What::Noise) => found[1] += 1,
                None => {}
            }
        }
        found
    }

    /// Level and standard deviation of the values at present; NaN before the first regime is known.
    pub(super) fn level_and_sigma(&self) -> (f64, f64) {
        self.regime.map_or((f64::NAN, f64::NAN), |regime| {
            (regime.mean / (1.0 - self.noise.carry), self.noise.sigma_of_values(regime.sigma))
        })
    }

    /// The score of the evidence for changes of `kinds` that was not enough.
    pub(super) fn score(&self, kinds: Kinds) -> f64 {
        let each = self.charts.iter().zip(CHARTS).zip(self.of_charts());
        each.filter(|((_, (what, _)), _)| kinds.include(*what))
            .map(|((chart, _), threshold)| score(chart.sum.min(threshold.height), threshold.height))
            .fold(0.0, f64::max)
    }

    /// The threshold of each chart.
    fn of_charts(&self) -> [Threshold; 4] {
        let [level, noise] = self.thresholds;
        [level, level, noise, noise]
    }

    /// Takes in the next innovation; the change that it proves, if it does.
    pub(super) fn next(&mut self, innovation: f64) -> Option<Change> {
        let Some(regime) = self.regime else {
            self.recent.push(Seen { innovation, scores: [0.0; 2] });
            if self.recent.len() == FIRST_REGIME {
                let mean = median_of(&self.recent)?;
                let (mean_of, sigma_of) = (FIRST_REGIME as f64, self.known);
                self.regime = Some(Regime { mean, mean_of, sigma: self.noise.sigma, sigma_of });
                self.recent.clear();
            }
            return None;
        };
        let apart = innovation - regime.mean;
        let standard = in_sigmas(apart, regime.sigma * (1.0 + 1.0 / regime.mean_of).sqrt());
        let scores = self.noise.scores(standard);
        self.recent.push(Seen { innovation, scores });
        let thresholds = self.of_charts();
        for (index, (chart, threshold)) in self.charts.iter_mut().zip(thresholds).enumerate() {
            chart.add(evidence(index, scores) - threshold.reference);
        }
        if regime.sigma_of < FIRST_REGIME as f64 {
            // Noise learnt from a few points is not yet something that could change.
            self.charts[NOISE_UP..].fill(Chart::default());
        }
        let proven = (self.charts.iter().zip(thresholds).enumerate())
            .filter(|(_, (chart, threshold))| chart.sum > threshold.height)
            .map(|(index, (chart, threshold))| (index, self.since_onset(index), chart.sum / threshold.height))
            .filter(|(_, lasted, _)| *lasted >= self.min_size)
            .max_by(|a, b| a.2.total_cmp(&b.2));
        if let Some((index, lasted, _)) = proven {
            return Some(self.change(index, lasted, regime));
        }
        self.regime = Some(self.learn(regime, apart, scores[0]));
        let oldest = self.charts.iter().map(|chart| chart.lasted).max().unwrap_or(0);
        // Cut in one go now and then, so that a point costs no more for it.
        if self.recent.len() > 2 * oldest + 64 {
            self.recent.drain(..self.recent.len() - oldest);
        }
        None
    }

    /// How many points ago, the last one included, the change most likely began that the chart at `index` is for: where
    /// the generalised likelihood ratio (Σ z)² / n of the scores since is largest (Basseville and Nikiforov 1993,
    /// section 2.4.3). The chart itself knows only that it was not before its sum was last 0.
    fn since_onset(&self, index: usize) -> usize {
        let (mut sum, mut count) = (0.0, 0.0);
        let mut best = (0.0, 1);
        for (back, seen) in self.recent.iter().rev().take(self.charts[index].lasted).enumerate() {
            sum += evidence(index, seen.scores);
            count += 1.0;
            if sum > 0.0 && sum * sum / count > best.0 {
                best = (sum * sum / count, back + 1);
            }
        }
        best.1
    }

    /// The regime with one innovation more, which lies `apart` from its mean and has the normal `score`.
    ///
    /// The mean moves by the score and not by the distance: so one wild point moves it by little, and it settles where
    /// scores average 0, whatever the distribution (the location estimate of Hodges and Lehmann, *Estimates of Location
    /// Based on Rank Tests*, Annals of Mathematical Statistics 34, 1963, by steps of 1/m).
    fn learn(&self, regime: Regime, apart: f64, score: f64) -> Regime {
        if self.noise.mostly_same {
            return regime;
        }
        let (mean_of, sigma_of) = (regime.mean_of + 1.0, regime.sigma_of + 1.0);
        let size = apart.abs().min(Noise::REACH * regime.sigma) / self.noise.mean_distance;
        Regime {
            mean: regime.mean + score * regime.sigma / mean_of,
            mean_of,
            sigma: regime.sigma + (size - regime.sigma) / sigma_of,
            sigma_of,
        }
    }

    /// Begins a new regime at the onset, `lasted` points ago, of the change that the chart at `index` has proven.
    fn change(&mut self, index: usize, lasted: usize, regime: Regime) -> Change {
        let since = &self.recent[self.recent.len() - lasted..];
        let size = |centre: f64| {
            let mut sizes: Vec<f64> = since.iter().map(|seen| (seen.innovation - centre).abs()).collect();
            median(&mut sizes).unwrap_or(0.0)
        };
        // The first innovation is the step itself.
        let centre = median_of(&since[1..]).unwrap_or(regime.mean);
        let (mut what, mut side) = CHARTS[index];
        if index == NOISE_UP && size(centre) < size(regime.mean) / 2.0 {
            // Large deviations that agree with each other are a new level.
            what = What::Level;
            side = if centre > regime.mean { Verdict::High } else { Verdict::Low };
        }
        self.regime = Some(match what {
            What::Level => Regime { mean: centre, mean_of: lasted as f64 - 1.0, ..regime },
            What::Noise => {
                // The mean, as in `learn`; outliers are cut by what most sizes are, unless that is nothing.
                let usual = Noise::REACH * MAD_TO_SIGMA * size(regime.mean);
                let reach = if usual > 0.0 { usual } else { f64::INFINITY };
                let sizes = since.iter().map(|seen| (seen.innovation - regime.mean).abs().min(reach));
                let sigma = sizes.map(|size| size / lasted as f64).sum::<f64>() / self.noise.mean_distance;
                Regime { sigma, sigma_of: lasted as f64, ..regime }
            }
        });
        let (sum, height) = (self.charts[index].sum, self.of_charts()[index].height);
        self.charts = [Chart::default(); 4];
        self.recent.clear();
        Change { what, proven_by: CHARTS[index].0, side, score: score(sum, height), lasted }
    }
}

/// What the scores of an innovation and its size say for the chart at `index` of [`CHARTS`].
fn evidence(index: usize, [shift, size]: [f64; 2]) -> f64 {
    [shift, -shift, size, -size][index]
}

fn median_of(seen: &[Seen]) -> Option<f64> {
    median(&mut seen.iter().map(|seen| seen.innovation).collect::<Vec<_>>())
}

/// Index of the chart of more noise in [`CHARTS`].
const NOISE_UP: usize = 2;
