//! The plain isolation forest, on the value or on features and runs of points.
//!
//! A point is scored by how easily random cuts set its row of features apart from those of the training points (Liu et
//! al. 2008; with `extensionLevel` hyperplanes, Hariri et al. 2019). `features` says which numbers a row has: the value
//! by default, absolute time never. `shingle` lets a row hold a run of points, so that shapes can be judged.
//!
//! A row of one number is scored by a step function of it. The expected value is the training median then, and the band
//! is the interval around it in which no score exceeds the threshold. With more numbers what is normal for one depends on
//! the others, so there is no band; the reason names the feature that isolates the point most ([`outrider_forest::Forest::attribution`]).
//!
//! Cost, for d numbers a row: O(nTrees · sampleSize · log sampleSize) to fit a block, times d if oblique. A point costs
//! O(log(nTrees · sampleSize)) if d is 1; else O(nTrees · log sampleSize), times d if oblique. Warm-up:
//! [`MIN_TRAINING_POINTS`] rows, [`ROWS_PER_DIMENSION`] for each number of a row, and a day for the time of day. Not for series whose normal level
//! depends on the time of day, unless that is a feature: a value that is normal at noon is not seen as an outlier at
//! night.

mod features;
mod reason;
#[cfg(test)]
mod tests;

use std::ops::{Bound, Range};

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::features::Feature;
use self::features::{Table, View};
use self::reason::{Alone, Drivers};
use super::fences::wanted;
use super::robust::median_and_sigma;
use super::short::Short;
use super::wall_clock::time_zone;
use super::{Detector, Judgement, MIN_TRAINING_POINTS, POINT_BYTES, Points, Verdict};
use crate::error::{Error, Result};
use crate::options::{Direction, Interval, Ratio, Real, Whole};
use outrider_forest::cancel::{Checkpoints, checkpoint};
use outrider_forest::{Forest, ForestOptions, StepForest};

/// How many training rows each number of a row needs at least, if there are several.
pub const ROWS_PER_DIMENSION: usize = 4;

/// Hours that the training must span where the time of day is a feature: one never seen before would be an outlier.
const HOURS_OF_A_DAY: i64 = 24;

/// The most memory a forest on several features may take, as far as its options say.
const MAX_FOREST_BYTES: usize = 1 << 30;

/// An isolation forest with the options of one query.
#[derive(Debug, Clone)]
pub struct IsolationForest {
    forest: ForestOptions,
    extension_level: usize,
    view: View,
    cut: Cut,
    direction: Direction,
}

/// How the score above which a point is flagged is found.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Threshold(f64),
    Contamination(f64),
}

impl Cut {
    /// The score above which a point is flagged; `training` gives the scores of the training rows.
    fn threshold(self, training: impl FnOnce() -> Vec<f64>) -> f64 {
        match self {
            Self::Threshold(threshold) => threshold,
            Self::Contamination(share) => upper_quantile(training(), share),
        }
    }
}

/// Shares of points that may be outliers: above 0, up to one half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contaminations {}

impl Interval for Contaminations {
    const LOW: Bound<f64> = Bound::Excluded(0.0);
    const HIGH: Bound<f64> = Bound::Included(0.5);
}

/// What a query can say to the isolation forest. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// What is looked at of each point, each at most once. The time of day, a place on a circle (sine and cosine), needs
    /// another one beside it.
    #[schemars(title = "Features")]
    pub features: Vec<Feature>,
    /// Points that rolling mean and deviation look at, the judged one among them. Half may be missing.
    #[schemars(title = "Feature window", extend("x-unit" = "points",
        "x-when" = { "features": ["rolling-mean", "rolling-std"] }))]
    pub feature_window: Whole<2, 1_000>,
    /// Time zone that the time of day is read in, across changes to and from summer time, as an IANA name.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone",
        "x-when" = { "features": ["time-of-day"] }))]
    pub time_zone: String,
    /// Consecutive points that are judged as one, so that shapes count: 8 or 16, with a contamination. A run with a gap
    /// is not judged.
    #[schemars(title = "Shingle", extend("x-unit" = "points"))]
    pub shingle: Whole<1, 64>,
    /// Numbers of a row that a cut looks at besides the first, up to all of the others: cuts in any direction, which rank
    /// shapes better. 0: axis-parallel cuts, which cost a third. A row has one number for each feature and each point of a
    /// shingle, and two for the time of day.
    #[schemars(title = "Extension level", extend("x-empty" = "all"))]
    pub extension_level: Option<Whole<0, 65_535>>,
    /// A point whose score is above this is an outlier. Ordinary points have about 0.5. Without effect where a
    /// contamination is set.
    #[schemars(title = "Threshold")]
    pub threshold: Ratio,
    /// The share of outliers to expect in the training window. The threshold is then taken from the scores of that window.
    #[schemars(title = "Contamination", extend("x-empty" = "off"))]
    pub contamination: Option<Real<Contaminations>>,
    /// Trees in the forest. More make the scores steadier and the query slower.
    #[schemars(title = "Trees", extend("x-advanced" = true))]
    pub n_trees: Whole<1, 10_000>,
    /// Training points that each tree is grown from, drawn without replacement.
    #[schemars(title = "Sample size", extend("x-advanced" = true, "x-unit" = "points"))]
    pub sample_size: Whole<2, 65_536>,
    /// Start of the random numbers. The same seed gives the same scores, always.
    #[schemars(title = "Seed", extend("x-advanced" = true))]
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            features: vec![Feature::Value],
            feature_window: Whole::constant(12),
            time_zone: "UTC".to_owned(),
            shingle: Whole::constant(1),
            extension_level: None,
            n_trees: Whole::constant(100),
            sample_size: Whole::constant(256),
            seed: 42,
            threshold: Ratio::constant(0.6),
            contamination: None,
        }
    }
}

impl Options {
    fn cut(&self) -> Cut {
        self.contamination
            .map_or(Cut::Threshold(self.threshold.get()), |share| Cut::Contamination(share.get()))
    }

    fn view(&self) -> Result<View> {
        let features = &self.features;
        if features.is_empty() {
            return Err(wrong("option detector.features: expected at least one feature".to_owned())
                .hint("name one, such as \"value\", or remove the option"));
        }
        for (index, feature) in features.iter().enumerate() {
            if features[..index].contains(feature) {
                return Err(wrong(format!("option detector.features: \"{feature}\" is named twice"))
                    .hint("name each feature once"));
            }
        }
        if features[..] == [Feature::TimeOfDay] {
            return Err(wrong("option detector.features: \"time-of-day\" alone tells nothing".to_owned())
                .hint("add a feature that depends on the values, such as \"value\""));
        }
        let zone = self.time_zone.trim();
        Ok(View {
            features: features.clone(),
            window: self.feature_window.get(),
            zone: if zone.is_empty() { Tz::UTC } else { time_zone(zone)? },
            shingle: self.shingle.get(),
        })
    }
}

fn wrong(message: String) -> Error {
    Error::new(message)
}

impl Detector for IsolationForest {
    const KIND: &'static str = "isolation-forest";
    const LABEL: &'static str = "Isolation forest";
    const DESCRIPTION: &'static str = "Flags values, features or runs of points that random cuts set apart easily; every knob of the forest";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let (cut, view) = (options.cut(), options.view()?);
        let forest = ForestOptions {
            n_trees: options.n_trees.get(),
            sample_size: options.sample_size.get(),
            seed: options.seed,
        };
        let dimensions = view.dimensions();
        let extension_level = options.extension_level.map_or(dimensions - 1, Whole::get);
        if extension_level >= dimensions {
            let of = if dimensions == 1 {
                "a row is one number".to_owned()
            } else {
                format!("a row has {dimensions} numbers")
            };
            return Err(wrong(format!(
                "option detector.extensionLevel: expected 0 to {}, as {of}, got {extension_level}",
                dimensions - 1
            ))
            .hint("lower it, or add features or points of a shingle"));
        }
        let bytes = most_bytes(&forest, extension_level, dimensions);
        if dimensions > 1 && bytes > MAX_FOREST_BYTES {
            return Err(wrong(format!(
                "options detector.nTrees and detector.sampleSize: {} trees on {} points in {dimensions} dimensions may \
                 take {} MiB of memory, more than {}",
                forest.n_trees,
                forest.sample_size,
                bytes >> 20,
                MAX_FOREST_BYTES >> 20,
            ))
            .hint("lower one of them, or set detector.extensionLevel to 0"));
        }
        Ok(Self { forest, extension_level, view, cut, direction })
    }

    fn seed(&self) -> Option<u64> {
        Some(self.forest.seed)
    }

    fn bytes(&self, points: usize, members: usize) -> usize {
        // Breakpoints of all trees, sorted, with scores and an index.
        const STEP_BYTES: usize = 48;
        // A block of 1,024 rows while it is scored: each number as it is, standardised, in the order of rows, and rounded.
        const BLOCK_BYTES: usize = 1_024 * 32;
        let sample_size = self.forest.sample_size.min(points);
        let dimensions = self.view.dimensions();
        let forest = if dimensions == 1 {
            self.forest.n_trees * sample_size * STEP_BYTES
        } else {
            let forest = ForestOptions { sample_size, ..self.forest };
            most_bytes(&forest, self.extension_level, dimensions) + dimensions * BLOCK_BYTES
        };
        // Features, and the copies of them that rows are read from.
        let of_point = POINT_BYTES + 4 * size_of::<f64>() * self.view.features.len();
        members.saturating_mul(forest).saturating_add(points.saturating_mul(of_point))
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        if self.view.features[..] == [Feature::Value] && self.view.shingle == 1 {
            return self.judge_alone(Feature::Value, training.values, judged.values, judged);
        }
        // With `training: visible-range` the two are the same points, and none of them lies before the first.
        let begin = judged.times.first().copied().unwrap_or(i64::MAX);
        let before = training.times.partition_point(|time| *time < begin);
        let times = [&training.times[..before], judged.times].concat();
        let values = [&training.values[..before], judged.values].concat();
        let trained = 0..if before == 0 && !training.times.is_empty() { times.len() } else { before };
        let table = Table::new(Points { times: &times, values: &values }, &self.view);
        match &table.columns[..] {
            [column] if self.view.shingle == 1 => {
                self.judge_alone(column.feature, &column.values[trained], &column.values[before..], judged)
            }
            _ => self.judge_rows(&table, trained, before, judged),
        }
    }
}

/// An upper bound of what the fitted forest and the growing of it take, on several features.
fn most_bytes(forest: &ForestOptions, extension_level: usize, dimensions: usize) -> usize {
    // A node has a path length, two sizes, and a split with its place in the sorted table of all; or a hyperplane.
    const NODE_BYTES: usize = 64;
    let plane_bytes = if extension_level > 0 { size_of::<f32>() * dimensions } else { 0 };
    forest.n_trees * forest.sample_size.next_power_of_two() * (NODE_BYTES + plane_bytes)
}

impl IsolationForest {
    /// Judges by one number a point: `training` and `seen` are that feature of the training and of the judged points.
    fn judge_alone(&self, feature: Feature, training: &[f64], seen: &[f64], judged: Points<'_>) -> Judgement {
        let usable = training.iter().filter(|value| value.is_finite()).count();
        let fitted = (usable >= MIN_TRAINING_POINTS)
            .then(|| Some((StepForest::fit(training, &self.forest)?, median_and_sigma(training)?)));
        let Some((forest, (expected, sigma))) = fitted.flatten() else {
            return Judgement::none(
                judged.values,
                format!("{usable} of the {MIN_TRAINING_POINTS} training points needed are available"),
            );
        };
        let threshold = self.cut.threshold(|| forest.scores(training));
        let band = self.band(&forest, expected, threshold);
        let mut judgement = Judgement::default();
        let mut checkpoints = Checkpoints::default();
        for ((value, seen), score) in judged.values.iter().copied().zip(seen).zip(forest.scores(seen)) {
            checkpoints.step();
            let side = if *seen > expected { Verdict::High } else { Verdict::Low };
            let verdict = self.verdict(value, score, threshold, || side);
            if verdict.is_outlier() {
                let reason =
                    Alone { value, feature, seen: *seen, expected, sigma, band, score, threshold, verdict };
                judgement.reasons.push((judgement.verdicts.len(), reason.to_string()));
            }
            // What the value would have to be for the feature to be there.
            let shift = match feature {
                // Changes no bit, as 0 would of −0.
                Feature::Value => -0.0,
                Feature::Difference => value - seen,
                Feature::RollingMean | Feature::RollingStd | Feature::TimeOfDay => f64::NAN,
            };
            judgement.push(verdict, score, expected + shift, (band.0 + shift, band.1 + shift));
        }
        judgement
    }

    /// Judges by rows of several numbers. `trained` are the training points of `table`; the judged ones begin at `first`.
    fn judge_rows(
        &self,
        table: &Table<'_>,
        trained: Range<usize>,
        first: usize,
        judged: Points<'_>,
    ) -> Judgement {
        let (forest, threshold) = match self.fit_rows(table, trained.clone()) {
            Ok(fitted) => fitted,
            Err(shortage) => return Judgement::none(judged.values, shortage),
        };
        let all = first..first + judged.values.len();
        let slices = table.slices(&all);
        let rows = table.rows(&slices);
        let without_row = table.first_row(&all) - first;
        let scores = std::iter::repeat_n(f64::NAN, without_row).chain(forest.scores(rows));
        let drivers = Drivers::new(table, trained);
        let mut judgement = Judgement::default();
        for (point, (value, score)) in judged.values.iter().copied().zip(scores).enumerate() {
            let mut found = Vec::new();
            checkpoint();
            let verdict = self.verdict(value, score, threshold, || {
                found = drivers.of(&forest.attribution(&rows.row(point - without_row)));
                drivers.side(&found, value)
            });
            if verdict.is_outlier() {
                let why = drivers.words(&found, first + point, self.view.zone);
                let unusual = match self.view.shingle {
                    1 => "is unusual".to_owned(),
                    points => format!("ends an unusual run of {points} points"),
                };
                judgement.reasons.push((
                    point,
                    format!("{} {unusual}: {why}; score {score:.2} above {threshold:.2}", Short(value)),
                ));
            }
            judgement.push(verdict, score, f64::NAN, (f64::NAN, f64::NAN));
        }
        judgement
    }

    /// A forest on the training rows and its threshold, or what there is too little of.
    fn fit_rows(&self, table: &Table<'_>, trained: Range<usize>) -> Result<(Forest, f64), String> {
        let needed = MIN_TRAINING_POINTS.max(ROWS_PER_DIMENSION * self.view.dimensions());
        let usable = table.complete(trained.clone());
        let too_few = || {
            format!("{usable} of the {needed} training points needed, with all their features, are available")
        };
        if usable < needed {
            return Err(too_few());
        }
        let hours = table.hours(trained.clone());
        if hours < HOURS_OF_A_DAY && self.view.features.contains(&Feature::TimeOfDay) {
            return Err(format!(
                "{hours} of the {HOURS_OF_A_DAY} hours of training needed to know every time of the day are available"
            ));
        }
        let slices = table.slices(&trained);
        let rows = table.rows(&slices);
        let forest = Forest::fit(rows, self.extension_level, &self.forest).ok_or_else(too_few)?;
        let threshold = self.cut.threshold(|| forest.scores(rows));
        Ok((forest, threshold))
    }

    /// The verdict on a point; `side` is asked for only if its score exceeds the threshold.
    fn verdict(&self, value: f64, score: f64, threshold: f64, side: impl FnOnce() -> Verdict) -> Verdict {
        if value.is_nan() {
            return Verdict::Missing;
        }
        if score.is_nan() {
            return Verdict::NotJudged;
        }
        if score > threshold {
            let side = side();
            if wanted(self.direction, side) {
                return side;
            }
        }
        Verdict::Normal
    }

    /// Ends of the normal band; NaN where a value may go as far as it likes.
    fn band(&self, forest: &StepForest, expected: f64, threshold: f64) -> (f64, f64) {
        let Some((lower, upper)) = forest.normal_range(expected, threshold) else {
            return (f64::NAN, f64::NAN);
        };
        let end = |value: f64, judged: bool| if judged && value.is_finite() { value } else { f64::NAN };
        (end(lower, self.direction != Direction::High), end(upper, self.direction != Direction::Low))
    }
}

/// The smallest score that at most `share` of the training points exceed.
fn upper_quantile(mut scores: Vec<f64>, share: f64) -> f64 {
    scores.retain(|score| !score.is_nan());
    let above = ((scores.len() as f64 * share) as usize).min(scores.len() - 1);
    let (_, &mut cut, _) = scores.select_nth_unstable_by(above, |a, b| b.total_cmp(a));
    cut
}
