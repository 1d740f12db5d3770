//! Level and noise changes as events, each flagged once, at the first point at which the evidence suffices.
//!
//! The series is first turned into independent standard normal numbers (`whiten.rs`): a strong daily or
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

mod charts;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::charts::FEWEST_POINTS;
use self::charts::{Change, Threshold, Watch, What};
use super::fences::{SCORE_AT_THRESHOLD, wanted};
use super::short::Short;
use super::whiten::{Noise, Season, innovations};
use super::{Detector, Judgement, Points, Verdict};
use crate::error::Result;
use crate::options::{Direction, Real, UpTo, Whole};
use outrider_forest::cancel::{Checkpoints, checkpoint};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kinds {
    /// Changes of the level.
    #[schemars(title = "Level")]
    Level,
    /// Changes of the size of the noise.
    #[schemars(title = "Noise")]
    Variance,
    /// Both.
    #[default]
    #[schemars(title = "Both")]
    Both,
}

/// What a query can say to the changepoint detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Which changes are events: a new level, more or less noise, or both.
    #[schemars(title = "Changes")]
    pub kinds: Kinds,
    /// How many false alarms a week a series may raise that does not change. Fewer mean that a change is seen later.
    #[schemars(title = "False alarms", extend("x-unit" = "a week"))]
    pub false_alarms_per_week: Real<UpTo<1_000>>,
    /// The smallest change of the level to look for, in standard deviations of the noise. Changes down to about half of
    /// it are found too, but late.
    #[schemars(title = "Smallest shift", extend("x-unit" = "sigmas"))]
    pub min_shift: Real<UpTo<10>>,
    /// How many points a change must have lasted to be an event.
    #[schemars(title = "Shortest", extend("x-unit" = "points"))]
    pub min_size: Whole<2, 1_000>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kinds: Kinds::Both,
            false_alarms_per_week: Real::constant(0.1),
            min_shift: Real::constant(2.0),
            min_size: Whole::constant(5),
        }
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
            false_alarms_per_week: options.false_alarms_per_week.get(),
            min_shift: options.min_shift.get(),
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
            checkpoint();
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
        let mut checkpoints = Checkpoints::default();
        for (row, (time, value)) in
            judged.times.iter().copied().zip(judged.values.iter().copied()).enumerate()
        {
            checkpoints.step();
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
pub(super) mod tests;
