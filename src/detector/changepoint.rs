//! Level and noise changes as events, each flagged once, at the first point at which the evidence suffices.
//!
//! The series is first turned into independent standard normal numbers ([`whiten`](super::whiten)): a strong daily or
//! weekly pattern is taken out, then what each value carries over from the one before, then the innovations become
//! normal scores. Each is standardised by the mean of its regime so far, with √(1 + 1/m) for a mean of m values, so
//! that they are independent and of variance 1 from the first points of a regime on (recursive residuals: Brown, Durbin
//! and Evans, *Techniques for Testing the Constancy of Regression Relationships over Time*, JRSS B 37, 1975; self-starting
//! charts: Hawkins, *Self-Starting Cusum Charts for Location and Scale*, The Statistician 36, 1987).
//!
//! Four cumulative sums g ← max(0, g + z − k) then add up the evidence (Page, *Continuous Inspection Schemes*,
//! Biometrika 41, 1954): for the level up and down, and, fed with the normal scores of the sizes, for more noise and for
//! less. A change is where one exceeds its threshold h; it began, at the earliest where the sum was last 0, where the
//! likelihood of what followed is largest (Basseville and Nikiforov, *Detection of Abrupt Changes*, Prentice Hall, 1993,
//! section 2.4.3). The level, or the noise, is then learnt anew from the points since that onset, and all sums start from
//! 0: a change is flagged once, and what follows it is normal.
//!
//! h follows from how many false alarms a week are acceptable: the mean number of points between them, for each of the
//! charts, is (exp(2kb) − 2kb − 1) / 2k² with b = h + 1.166 (Siegmund, *Sequential Analysis*, Springer, 1985, section
//! 2.6 and chapter X). Real series are neither quite AR(1) nor quite of one daily pattern; so the charts are run over
//! the training window first, and where they find many more changes there than there can be, h is raised until they do
//! not. A rhythm that is not taken out thus raises the bar and does not become a chain of events.
//!
//! The regime in which a block begins is what this run over the training window ends with.
//!
//! Cost: O(n log n) for the n points of a block and its training window, about 3 ms for a week at five minutes; up to 30
//! times the run over the training window where h must be raised. Memory: 100 bytes a point. Warm-up:
//! [`FEWEST_POINTS`], and three days for a daily pattern. Not for series that wander or rise steadily (disk usage, the
//! length of a queue): they have no level to keep. A single wild point is no change; a line that gets stuck close to its
//! level is not seen; and what a block makes of a change at its very begin may differ from what the block before made of
//! its end, as each has learnt from a window of its own.

use serde::Deserialize;

use super::fences::{SCORE_AT_THRESHOLD, positive, score, wanted};
use super::robust::{MAD_TO_SIGMA, median};
use super::short::Short;
use super::whiten::{Noise, Season, in_sigmas, innovations};
use super::{Detector, Judgement, Points, Verdict};
use crate::error::Result;
use crate::query::{Direction, Whole};

/// The fewest finite training points that noise is learnt from.
const FEWEST_POINTS: usize = 64;
/// Points that the very first regime of a training window is learnt from.
const FIRST_REGIME: usize = 16;
/// The change of the mean normal score of sizes that the charts of the noise are tuned to: between that of twice the
/// noise, 0.98, and that of half of it, −0.68 (by quadrature, for normal noise).
const NOISE_SHIFT: f64 = 0.8;
/// Normal scores cannot exceed about 2.4 with the fewest training points, so a reference beyond half of that would
/// let no change through.
const LARGEST_REFERENCE: f64 = 1.2;
const WEEK_MS: f64 = 7.0 * 86_400_000.0;

/// The changepoint detector with the options of one query.
#[derive(Debug, Clone)]
pub struct Changepoint {
    kinds: Kinds,
    false_alarms_per_week: f64,
    min_shift: f64,
    min_size: usize,
    direction: Direction,
}

/// Which changes are events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kinds {
    /// Changes of the level.
    Level,
    /// Changes of the size of the noise.
    Variance,
    /// Both.
    #[default]
    Both,
}

/// What a query can say to the changepoint detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Which changes are events: `level`, `variance` (the size of the noise) or `both` (default).
    pub kinds: Kinds,
    /// How many false alarms a week a series may raise that does not change; above 0 to 1,000, default 0.1. Fewer mean
    /// that a change is seen later.
    pub false_alarms_per_week: f64,
    /// The smallest change of the level to look for, in standard deviations of the noise; above 0 to 10, default 2.
    /// Changes down to about half of it are found too, but late.
    pub min_shift: f64,
    /// How many points a change must have lasted to be an event; 2 to 1,000, default 5.
    pub min_size: Whole<2, 1_000>,
}

impl Default for Options {
    fn default() -> Self {
        Self { kinds: Kinds::Both, false_alarms_per_week: 0.1, min_shift: 2.0, min_size: Whole::constant(5) }
    }
}

impl Detector for Changepoint {
    const KIND: &'static str = "changepoint";
    const LABEL: &'static str = "Changepoint";
    const DESCRIPTION: &'static str =
        "Flags the onset of a new level or of more or less noise, once; not single wild points";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        Ok(Self {
            kinds: options.kinds,
            false_alarms_per_week: positive("falseAlarmsPerWeek", options.false_alarms_per_week, 1_000.0)?,
            min_shift: positive("minShift", options.min_shift, 10.0)?,
            min_size: options.min_size.get(),
            direction,
        })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        let (times, values): (Vec<i64>, Vec<f64>) =
            (training.times.iter().zip(training.values)).filter(|(_, value)| value.is_finite()).unzip();
        let usable = values.len();
        if usable < FEWEST_POINTS {
            return Judgement::none(
                judged.values,
                format!("{usable} of the {FEWEST_POINTS} training points needed are available"),
            );
        }
        let step_ms = usual_step_ms(&times);
        let known = Points { times: &times, values: &values };
        let (season, residuals) = Season::learn(known, step_ms);
        let noise = Noise::learn(&residuals);
        let thresholds = self.thresholds(&noise, &residuals, step_ms);

        // With `training: visible-range` the training points are the judged ones, and none of them lies before.
        let begin = judged.times.first().copied().unwrap_or(i64::MAX);
        let mut past = residuals;
        past.truncate(times.partition_point(|time| *time < begin));
        let mut watch = Watch::new(&noise, thresholds, self.min_size);
        watch.past(&past);
        self.report(watch, past.last().copied(), season.as_ref(), judged)
    }
}

impl Changepoint {
    /// The thresholds that the accepted false alarms call for, raised where the training window shows that its noise
    /// is not of the kind they hold for.
    fn thresholds(&self, noise: &Noise, residuals: &[f64], step_ms: i64) -> [Threshold; 2] {
        let between_alarms = WEEK_MS / step_ms as f64 / self.false_alarms_per_week;
        // Two charts a kind.
        let charts = if self.kinds == Kinds::Both { 4.0 } else { 2.0 };
        let level = (self.min_shift * noise.shift_in_innovations() / 2.0).min(LARGEST_REFERENCE);
        let mut thresholds =
            [level, NOISE_SHIFT / 2.0].map(|reference| Threshold::new(reference, between_alarms * charts));
        let expected = residuals.len() as f64 / between_alarms;
        // Three standard deviations more than expected, and three changes that were real.
        let plausible = expected + 3.0 * expected.sqrt() + 3.0;
        for _ in 0..RAISES {
            let mut watch = Watch::new(noise, thresholds, self.min_size);
            let found = watch.past(residuals);
            let mut raised = false;
            for (threshold, found) in thresholds.iter_mut().zip(found) {
                if found as f64 > plausible {
                    threshold.height *= RAISE;
                    raised = true;
                }
            }
            if !raised {
                break;
            }
        }
        thresholds
    }

    /// Watches the judged points and puts down what is found.
    fn report(
        &self,
        mut watch: Watch<'_>,
        mut before: Option<f64>,
        season: Option<&Season>,
        judged: Points<'_>,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        for (row, (time, value)) in
            judged.times.iter().copied().zip(judged.values.iter().copied()).enumerate()
        {
            let pattern = season.map_or(0.0, |season| season.at(time));
            let (level, sigma) = watch.level_and_sigma();
            judgement.expected.push(level + pattern);
            judgement.lower.push(level + pattern - BAND_SIGMAS * sigma);
            judgement.upper.push(level + pattern + BAND_SIGMAS * sigma);
            if !value.is_finite() {
                judgement.verdicts.push(Verdict::Missing);
                judgement.scores.push(f64::NAN);
                continue;
            }
            let residual = value - pattern;
            let innovation = innovations(&[before.unwrap_or(residual), residual], watch.noise.carry)[1];
            before = Some(residual);
            let Some(change) = watch.next(innovation) else {
                judgement.verdicts.push(if level.is_nan() { Verdict::NotJudged } else { Verdict::Normal });
                judgement.scores.push(if level.is_nan() { f64::NAN } else { watch.score(self.kinds) });
                continue;
            };
            if !self.kinds.include(change.what) {
                judgement.verdicts.push(Verdict::Normal);
                judgement.scores.push(0.0);
                continue;
            }
            judgement.scores.push(change.score);
            let flagged = wanted(self.direction, change.side);
            judgement.verdicts.push(if flagged { change.side } else { Verdict::Normal });
            if flagged {
                judgement
                    .reasons
                    .push((row, reason(&change, (level, sigma), watch.level_and_sigma(), season)));
            }
        }
        judgement
    }
}

/// How often a threshold may be raised, and by how much: 1.2³⁰ is more than 200 times.
const RAISES: usize = 30;
const RAISE: f64 = 1.2;
/// Half the width of the band in standard deviations of the values.
const BAND_SIGMAS: f64 = 3.0;

impl Kinds {
    fn include(self, what: What) -> bool {
        match self {
            Self::Level => what == What::Level,
            Self::Variance => what == What::Noise,
            Self::Both => true,
        }
    }
}

/// The median distance between times, at least 1 ms.
fn usual_step_ms(times: &[i64]) -> i64 {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    let middle = steps.len() / 2;
    steps.select_nth_unstable(middle).1.to_owned().max(1)
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Level,
    Noise,
}

/// A change that was found.
#[derive(Debug, Clone, Copy)]
struct Change {
    what: What,
    /// What the chart watches that has proven it.
    proven_by: What,
    side: Verdict,
    score: f64,
    /// Points since the onset.
    lasted: usize,
}

/// The reference and the threshold of a pair of charts, in standard deviations.
#[derive(Debug, Clone, Copy)]
struct Threshold {
    reference: f64,
    height: f64,
}

impl Threshold {
    /// The height at which a chart of standard normal numbers has a mean of `run_length` points between alarms.
    fn new(reference: f64, run_length: f64) -> Self {
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
struct Chart {
    sum: f64,
    /// Points since the sum was 0.
    lasted: usize,
}

impl Chart {
    fn add(&mut self, evidence: f64) {
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
struct Watch<'a> {
    noise: &'a Noise,
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
    fn new(noise: &'a Noise, thresholds: [Threshold; 2], min_size: usize) -> Self {
        let charts = [Chart::default(); 4];
        let known = FEWEST_POINTS as f64;
        Self { noise, thresholds, min_size, charts, regime: None, recent: Vec::new(), known }
    }

    /// Watches `residuals` and counts the changes that the charts of the level, and those of the noise, have proven.
    fn past(&mut self, residuals: &[f64]) -> [usize; 2] {
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
    fn level_and_sigma(&self) -> (f64, f64) {
        self.regime.map_or((f64::NAN, f64::NAN), |regime| {
            (regime.mean / (1.0 - self.noise.carry), self.noise.sigma_of_values(regime.sigma))
        })
    }

    /// The score of the evidence for changes of `kinds` that was not enough.
    fn score(&self, kinds: Kinds) -> f64 {
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
    fn next(&mut self, innovation: f64) -> Option<Change> {
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

/// Why a point is flagged, in plain words.
fn reason(
    change: &Change,
    (old_level, old_sigma): (f64, f64),
    (level, sigma): (f64, f64),
    season: Option<&Season>,
) -> String {
    let mut text = match (change.what, change.side) {
        (What::Level, side) => {
            let way = if side == Verdict::High { "up" } else { "down" };
            format!("the level went {way} from {} to {}", Short(old_level), Short(level))
        }
        (What::Noise, side) => {
            let way = if side == Verdict::High { "grew" } else { "shrank" };
            format!("the noise {way} from ±{} to ±{}", Short(old_sigma), Short(sigma))
        }
    };
    if change.what == What::Level && old_sigma > 0.0 {
        text += &format!(" ({:.1} robust sigmas)", (level - old_level).abs() / old_sigma);
    }
    if let Some(season) = season {
        text += &format!(" beside its {} pattern", season.name());
    }
    text += &format!(
        " over the last {} points; score {:.2} above {SCORE_AT_THRESHOLD:.2}",
        change.lasted, change.score
    );
    text
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::detector::whiten::normal_quantile;
    use crate::query::parse_options;

    pub(in crate::detector) const STEP_MS: i64 = 300_000;
    const DAY: usize = 288;
    const WEEK: usize = 7 * DAY;

    pub(in crate::detector) fn times(from: usize, count: usize) -> Vec<i64> {
        (from..from + count).map(|i| i as i64 * STEP_MS).collect()
    }

    /// Reproducible noise (SplitMix64).
    pub(in crate::detector) struct Source(u64);

    impl Source {
        pub(in crate::detector) fn new(seed: u64) -> Self {
            Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        }

        /// Above 0 and below 1.
        pub(in crate::detector) fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) >> 12) as f64 / (1_u64 << 52) as f64 + 1e-16
        }

        /// AR(1) noise of standard deviation 1.
        pub(in crate::detector) fn carried(&mut self, count: usize, carry: f64) -> Vec<f64> {
            let fresh = (1.0 - carry * carry).sqrt();
            let mut value = normal_quantile(self.uniform());
            (0..count)
                .map(|_| {
                    value = carry * value + fresh * normal_quantile(self.uniform());
                    value
                })
                .collect()
        }
    }

    fn detector(options: &serde_json::Value) -> Changepoint {
        Changepoint::new(parse_options("detector", options).unwrap(), Direction::Both).unwrap()
    }

    /// Judges what follows the first `training` of `values`, in one block.
    fn judge(options: &serde_json::Value, values: &[f64], training: usize) -> Judgement {
        let times = times(0, values.len());
        let points =
            |range: std::ops::Range<usize>| Points { times: &times[range.clone()], values: &values[range] };
        detector(options).judge(points(0..training), points(training..values.len()))
    }

    fn flags(judgement: &Judgement) -> Vec<(usize, Verdict)> {
        judgement.verdicts.iter().copied().enumerate().filter(|(_, verdict)| verdict.is_outlier()).collect()
    }

    /// Judges day by day as the engine does, each by the week before; the number of flags a week.
    fn alarms_per_week(options: &serde_json::Value, values: &[f64]) -> f64 {
        let times = times(0, values.len());
        let detector = detector(options);
        let mut flagged = 0;
        let mut days = 0;
        for day in (WEEK..values.len() - DAY + 1).step_by(DAY) {
            let training = Points { times: &times[day - WEEK..day], values: &values[day - WEEK..day] };
            let judged = Points { times: &times[day..day + DAY], values: &values[day..day + DAY] };
            flagged += flags(&detector.judge(training, judged)).len();
            days += 1;
        }
        f64::from(flagged as u32) / f64::from(days) * 7.0
    }

    #[test]
    fn a_chart_alarms_as_rarely_as_its_threshold_says() {
        for (reference, run_length) in [(1.0, 500.0), (0.5, 2_000.0), (0.2, 1_000.0)] {
            let threshold = Threshold::new(reference, run_length);
            let mut source = Source::new(11);
            let (mut chart, mut alarms) = (Chart::default(), 0.0);
            let points = 1_000_000.0;
            for _ in 0..1_000_000 {
                chart.add(normal_quantile(source.uniform()) - reference);
                if chart.sum > threshold.height {
                    chart = Chart::default();
                    alarms += 1.0;
                }
            }
            let measured = points / alarms;
            assert!((measured / run_length - 1.0).abs() < 0.1, "{reference}: {measured} for {run_length}");
        }
    }

    #[test]
    fn false_alarms_are_as_many_as_asked_for() {
        let mut measured = Vec::new();
        for (name, carry, exponential) in [
            ("white", 0.0, false),
            ("exponential", 0.0, true),
            ("AR 0.5", 0.5, false),
            ("AR 0.8", 0.8, false),
        ] {
            let mut source = Source::new(21);
            let values: Vec<f64> = if exponential {
                (0..41 * WEEK).map(|_| -source.uniform().ln()).collect()
            } else {
                source.carried(41 * WEEK, carry)
            };
            for rate in [7.0, 1.0] {
                let found = alarms_per_week(&json!({"falseAlarmsPerWeek": rate, "minSize": 2}), &values);
                measured.push((name, rate, found));
            }
        }
        for (name, rate, found) in measured {
            assert!(found > rate / 3.0 && found < rate * 1.7, "{name}: {found} for {rate}");
        }
    }

    #[test]
    fn a_level_change_is_flagged_once_at_its_onset() {
        for (carry, shift, within) in [(0.0, 4.0, 8), (0.0, -4.0, 8), (0.0, 2.0, 25), (0.7, 5.0, 25)] {
            let mut values = Source::new(31).carried(WEEK + 3 * DAY, carry);
            let onset = WEEK + 100;
            values[onset..].iter_mut().for_each(|value| *value = *value + shift + 50.0);
            values[..onset].iter_mut().for_each(|value| *value += 50.0);
            let judgement = judge(&json!({}), &values, WEEK);
            let found = flags(&judgement);
            assert_eq!(found.len(), 1, "{carry} {shift}: {:?}", judgement.reasons);
            let (row, verdict) = found[0];
            assert!((100..100 + within).contains(&row), "{carry} {shift}: {row}");
            assert_eq!(verdict, if shift > 0.0 { Verdict::High } else { Verdict::Low });
            assert!((judgement.expected[row] - 50.0).abs() < 0.5);
            assert!((judgement.expected[3 * DAY - 1] - 50.0 - shift).abs() < 0.5, "{carry} {shift}");
            assert!(judgement.scores[row] > 0.5);
            let others = judgement.scores.iter().enumerate().filter(|(other, _)| *other != row);
            assert!(others.map(|(_, score)| *score).fold(0.0, f64::max) <= 0.5);
            let reason = &judgement.reasons[0].1;
            assert!(
                reason.starts_with("the level went ") && reason.contains(" robust sigmas) over"),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_change_of_the_noise_is_flagged_once_with_its_side() {
        for (factor, verdict) in [(4.0, Verdict::High), (0.2, Verdict::Low)] {
            let mut values = Source::new(41).carried(WEEK + 3 * DAY, 0.0);
            values[WEEK + 100..].iter_mut().for_each(|value| *value *= factor);
            let judgement = judge(&json!({"kinds": "variance"}), &values, WEEK);
            let found = flags(&judgement);
            assert_eq!(found.len(), 1, "{factor}: {:?}", judgement.reasons);
            assert_eq!(found[0].1, verdict);
            assert!((100..150).contains(&found[0].0), "{found:?}");
            let band = judgement.upper[3 * DAY - 1] - judgement.lower[3 * DAY - 1];
            assert!((band / (6.0 * factor) - 1.0).abs() < 0.2, "{factor}: {band}");
            assert!(judgement.reasons[0].1.starts_with("the noise "), "{:?}", judgement.reasons);
        }
    }

    #[test]
    fn kinds_choose_what_is_an_event() {
        let mut values = Source::new(51).carried(WEEK + 2 * DAY, 0.0);
        values[WEEK + 100..].iter_mut().for_each(|value| *value += 6.0);
        assert_eq!(flags(&judge(&json!({"kinds": "level"}), &values, WEEK)).len(), 1);
        assert_eq!(flags(&judge(&json!({"kinds": "both"}), &values, WEEK)).len(), 1);
        let variance = judge(&json!({"kinds": "variance"}), &values, WEEK);
        assert_eq!(flags(&variance), []);
        assert!(variance.scores.iter().all(|score| *score <= 0.5));
    }

    #[test]
    fn wild_points_are_no_change() {
        let mut values = Source::new(61).carried(WEEK + 2 * DAY, 0.0);
        for index in (WEEK + 20..WEEK + 2 * DAY).step_by(60) {
            values[index] = 1e6;
        }
        assert_eq!(flags(&judge(&json!({}), &values, WEEK)), []);
    }

    #[test]
    fn a_day_is_no_chain_of_changes() {
        let wave = |i: usize| (i as f64 / DAY as f64 * std::f64::consts::TAU).sin();
        type Shape<'a> = (&'a str, &'a dyn Fn(usize) -> f64);
        let shapes: [Shape<'_>; 3] = [
            ("sine", &|i| 10.0 * wave(i)),
            ("office hours", &|i| if (96..204).contains(&(i % DAY)) { 15.0 } else { 0.0 }),
            ("busy hour", &|i| if (30..42).contains(&(i % DAY)) { 30.0 } else { 0.0 }),
        ];
        for (name, shape) in shapes {
            let noise = Source::new(71).carried(13 * WEEK, 0.5);
            let mut values: Vec<f64> = noise.iter().enumerate().map(|(i, e)| 100.0 + shape(i) + e).collect();
            let alarms = alarms_per_week(&json!({}), &values);
            assert!(alarms < 0.5, "{name}: {alarms}");
            values.truncate(WEEK + 2 * DAY);
            values[WEEK + 130..].iter_mut().for_each(|value| *value += 8.0);
            let judgement = judge(&json!({}), &values, WEEK);
            assert_eq!(flags(&judgement).len(), 1, "{name}: {:?}", judgement.reasons);
            assert!(judgement.reasons[0].1.contains("beside its daily pattern"), "{:?}", judgement.reasons);
            let off = (judgement.expected[DAY + 250] - 108.0 - shape(WEEK + DAY + 250)).abs();
            assert!(off < 2.0, "{name}: {off}");
        }
    }

    #[test]
    fn a_rhythm_of_no_day_raises_the_bar() {
        let noise = Source::new(81).carried(5 * WEEK, 0.3);
        let values: Vec<f64> =
            noise.iter().enumerate().map(|(i, e)| e + if (i / 77) % 2 == 0 { 6.0 } else { 0.0 }).collect();
        let alarms = alarms_per_week(&json!({"kinds": "level"}), &values);
        assert!(alarms < 6.0, "{alarms} of the 26 steps a week");
    }

    #[test]
    fn a_change_in_the_training_window_is_over() {
        let mut values = Source::new(91).carried(WEEK + 2 * DAY, 0.0);
        values[WEEK / 2..].iter_mut().for_each(|value| *value += 20.0);
        let judgement = judge(&json!({}), &values, WEEK);
        assert_eq!(flags(&judgement), []);
        assert!((judgement.expected[0] - 20.0).abs() < 0.3, "{}", judgement.expected[0]);
        values[WEEK + 100..].iter_mut().for_each(|value| *value -= 20.0);
        let back = judge(&json!({}), &values, WEEK);
        assert_eq!(flags(&back).len(), 1);
        assert!((100..112).contains(&flags(&back)[0].0), "{:?}", flags(&back));
    }

    #[test]
    fn sparse_and_whole_numbers_are_no_chain_of_changes() {
        let mut source = Source::new(141);
        let busy = |share: f64, source: &mut Source| {
            if source.uniform() < share { 1.0 + 5.0 * source.uniform() } else { 0.0 }
        };
        let sparse: Vec<f64> = (0..5 * WEEK).map(|_| busy(0.1, &mut source)).collect();
        let regular: Vec<f64> = (0..5 * WEEK).map(|i| f64::from(u8::from(i % 10 == 0))).collect();
        let whole: Vec<f64> =
            source.carried(5 * WEEK, 0.3).iter().map(|value| (2.0 * value).round()).collect();
        for (name, values) in [("sparse", &sparse), ("regular", &regular), ("whole", &whole)] {
            let alarms = alarms_per_week(&json!({}), values);
            assert!(alarms < 1.0, "{name}: {alarms}");
        }
        let mut values = sparse[..WEEK + DAY].to_vec();
        values[WEEK + 100..].iter_mut().for_each(|value| *value += 20.0);
        let found = flags(&judge(&json!({}), &values, WEEK));
        assert_eq!(found.first().map(|(_, verdict)| *verdict), Some(Verdict::High));
        assert!((100..110).contains(&found[0].0), "{found:?}");
    }

    #[test]
    fn a_constant_that_changes_is_flagged_once() {
        let mut values = vec![3.0; 200];
        values[150..].fill(4.0);
        values[175] = f64::NAN;
        let judgement = judge(&json!({}), &values, 100);
        assert_eq!(flags(&judgement), [(54, Verdict::High)]);
        assert_eq!(judgement.verdicts[75], Verdict::Missing);
        assert_eq!((judgement.expected[0], judgement.expected[99]), (3.0, 4.0));
        assert_eq!(judgement.lower[0], judgement.upper[0]);
        assert!(judgement.reasons[0].1.starts_with("the level went up from 3 to 4 over the last 5 points"));
    }

    #[test]
    fn direction_silences_the_other_side_only() {
        let mut values = Source::new(101).carried(WEEK + DAY, 0.0);
        values[WEEK + 100..].iter_mut().for_each(|value| *value += 6.0);
        let times = times(0, values.len());
        let training = Points { times: &times[..WEEK], values: &values[..WEEK] };
        let judged = Points { times: &times[WEEK..], values: &values[WEEK..] };
        let of = |direction| Changepoint::new(Options::default(), direction).unwrap().judge(training, judged);
        let (high, low) = (of(Direction::High), of(Direction::Low));
        assert_eq!((flags(&high).len(), flags(&low).len()), (1, 0));
        assert_eq!(high.scores, low.scores);
        assert_eq!(high.expected, low.expected);
    }

    #[test]
    fn what_comes_later_changes_no_bit() {
        let mut values = Source::new(111).carried(WEEK + DAY, 0.6);
        values[WEEK + 50..].iter_mut().for_each(|value| *value += 6.0);
        values[WEEK + 80] = f64::NAN;
        let whole = judge(&json!({}), &values, WEEK);
        for end in [1, 52, 60, 81, 200] {
            let part = judge(&json!({}), &values[..WEEK + end], WEEK);
            assert_eq!(part.verdicts[..], whole.verdicts[..end]);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&part.scores), bits(&whole.scores[..end]));
            assert_eq!(bits(&part.expected), bits(&whole.expected[..end]));
            assert_eq!(part.reasons[..], whole.reasons[..part.reasons.len()]);
        }
    }

    #[test]
    fn training_on_the_judged_points_themselves_begins_with_them() {
        let mut values = Source::new(121).carried(1_000, 0.0);
        values[600..].iter_mut().for_each(|value| *value += 6.0);
        let times = times(0, 1_000);
        let points = Points { times: &times, values: &values };
        let judgement = detector(&json!({})).judge(points, points);
        assert!(judgement.verdicts[..FIRST_REGIME].iter().all(|verdict| *verdict == Verdict::NotJudged));
        assert_eq!(flags(&judgement).len(), 1);
        assert!((600..610).contains(&flags(&judgement)[0].0));
    }

    #[test]
    fn nothing_panics_whatever_the_values() {
        for size in [1e-300, 1e150, 1e300, f64::MAX] {
            let mut values: Vec<f64> = Source::new(131).carried(500, 0.3);
            values.iter_mut().for_each(|value| *value = (*value / 5.0).clamp(-1.0, 1.0) * size);
            values[350..370].fill(-size);
            values[100] = f64::INFINITY;
            let judgement = judge(&json!({}), &values, 300);
            assert_eq!(judgement.verdicts.len(), 200);
            assert!(judgement.scores.iter().all(|score| (0.0..=1.0).contains(score)), "{size}");
        }
        let judgement = judge(&json!({}), &vec![f64::NAN; 300], 200);
        assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::Missing));
    }

    #[test]
    fn too_little_training_says_so() {
        let judgement = judge(&json!({}), &[1.0; 70], 63);
        assert_eq!(judgement.verdicts, [Verdict::NotJudged; 7]);
        assert_eq!(judgement.shortage.unwrap(), "63 of the 64 training points needed are available");
    }

    #[test]
    fn an_option_out_of_range_is_refused_by_name() {
        for (options, name) in
            [(json!({"falseAlarmsPerWeek": 0}), "falseAlarmsPerWeek"), (json!({"minShift": 11}), "minShift")]
        {
            let options = parse_options("detector", &options).unwrap();
            let error = Changepoint::new(options, Direction::Both).unwrap_err().to_string();
            assert!(error.contains(&format!("option detector.{name}")), "{error}");
        }
        let error = parse_options::<Options>("detector", &json!({"kinds": "mean"})).unwrap_err().to_string();
        assert!(error.contains("detector.kinds") && error.contains("variance"), "{error}");
    }
}
