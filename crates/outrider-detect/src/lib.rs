//! Outliers in time series: which points, in which direction, and why.
//!
//! ```
//! use outrider_detect::options::{Direction, Kind};
//! use outrider_detect::series::{Labels, Series};
//! use outrider_detect::{Schedule, build, judge_series};
//!
//! // Three weeks of a noisy daily rhythm, one value every five minutes; one of them does not belong.
//! let value = |i: i64| ((i % 288) - 144).abs() as f64 + ((i * 7_919) % 101) as f64 / 10.0;
//! let points = (0..21 * 288).map(|i| (i * 300_000, if i == 5_000 { 400.0 } else { value(i) })).collect();
//! let (series, _) = Series::from_points("load".into(), Labels::new(), points);
//!
//! let detector = build(&Kind::default(), Direction::Both)?.detector;
//! let schedule = Schedule::of(&*detector, 300_000);
//! let judgement = &judge_series(&*detector, std::slice::from_ref(&series), schedule)[0];
//! for (row, reason) in &judgement.reasons {
//!     println!("{} at {}: {reason}", series.values[*row], series.times[*row]);
//! }
//! assert!(judgement.verdicts[5_000].is_outlier());
//! # Ok::<(), outrider_detect::Error>(())
//! ```
//!
//! A detector is one file: an options type, and a type that implements [`Detector`]. It is built by name from JSON
//! ([`build`]), or from its own options:
//!
//! ```
//! use outrider_detect::options::{Direction, Real};
//! use outrider_detect::{Detector, Mad, Points, mad};
//!
//! let options = mad::Options { threshold: Real::constant(5.0), ..mad::Options::default() };
//! let detector = Mad::new(options, Direction::High)?;
//! let times: Vec<i64> = (0..101).map(|minute| minute * 60_000).collect();
//! let values: Vec<f64> = (0..101).map(|i| if i == 100 { 50.0 } else { f64::from(i % 10) }).collect();
//! let points = Points { times: &times, values: &values };
//! // The last point, by what the hundred before it say is normal.
//! let judgement = detector.judge(points.range(0..100), points.range(100..101));
//! assert!(judgement.verdicts[0].is_outlier());
//! # Ok::<(), outrider_detect::Error>(())
//! ```
//!
//! # What can be relied on
//!
//! - [`judge_series`] is causal: no later point changes the verdict on an earlier one, and no point trains the model
//!   that judges it. So what a back-test says is what would have been said then.
//! - The same points give the same verdicts to the last bit, in every run. What is random has a seed.
//! - Whatever the values are, nothing panics. NaN is a gap, and judged as one.
//! - Work that takes long asks now and then whether it is still wanted: [`outrider_forest::cancel`].
//!
//! Adding a detector is its file, its `mod` line, and its entry in [`DETECTORS`].

pub mod auto;
mod causal;
pub mod changepoint;
mod described;
mod duration;
pub mod error;
mod fences;
pub mod iqr;
pub mod isolation_forest;
pub mod joint;
mod lenient;
pub mod mad;
pub mod options;
pub mod peers;
mod real;
mod robust;
pub mod s_h_esd;
pub mod seasonal;
pub mod series;
pub mod short;
mod slots;
mod wall_clock;
mod whiten;
mod window;
pub mod z_score;

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use auto::Auto;
pub use causal::{Schedule, judge_series};
pub use changepoint::Changepoint;
pub use error::{Error, Result};
pub use iqr::Iqr;
pub use isolation_forest::IsolationForest;
pub use joint::Joint;
pub use mad::Mad;
pub use peers::Peers;
pub use s_h_esd::SHEsd;
pub use seasonal::Seasonal;
pub use series::Points;
pub use window::Window;
pub use z_score::ZScore;

use error::list_names;
use options::{DEFAULT_REFIT, DEFAULT_WINDOW, Direction, Kind, OptionsEntry, Parsed};
use series::Labels;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// One series of a panel with what it is judged by, for detectors that compare series with each other.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Name shown to people.
    pub name: &'a str,
    /// Labels that tell the series of one query apart.
    pub labels: &'a Labels,
    /// The points before the block.
    pub training: Points<'a>,
    /// The points of the block.
    pub judged: Points<'a>,
}

/// A block of a run of points, as index ranges into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the block's model learns from: all points of the training window. The same as `judged` for
    /// `training: visible-range`; else it ends where `judged` begins.
    pub training: Range<usize>,
    /// What is judged.
    pub judged: Range<usize>,
}

/// What is known of the times of a run of points, whatever part of it was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// The distance between points that the query asks for, in ms, whatever it is in this series. `None` if all points
    /// are always there.
    pub step_ms: Option<i64>,
    /// Length of the blocks, in ms; they begin at multiples of it. `None` for `training: visible-range`.
    pub refit_ms: Option<i64>,
    /// How far before the first training point there are points in every range that holds the block, in ms: what lies
    /// further back must not be looked at. `None` if all points are always there.
    pub lookback_ms: Option<i64>,
}

impl Block {
    /// The blocks whose training and judged points lie between the instants `[train_from, train_to, judge_from,
    /// judge_to]`, both ends of either half-open. Each bound moves on, or stays, from block to block.
    #[must_use]
    pub fn between(times: &[i64], bounds: impl IntoIterator<Item = [i64; 4]>) -> Vec<Self> {
        // One pass over the times finds them all.
        let mut places = [0; 4];
        let block = |bounds: [i64; 4]| {
            for (place, bound) in places.iter_mut().zip(bounds) {
                *place += times[*place..].iter().take_while(|time| **time < bound).count();
            }
            let [train_from, train_to, judge_from, judge_to] = places;
            Self { training: train_from..train_to, judged: judge_from..judge_to }
        };
        bounds.into_iter().map(block).collect()
    }
}

impl Timing {
    /// Cuts all of `times` into the blocks that the judged ones are some of. Without a known length: what is before
    /// the first judged point, and each judged block.
    #[must_use]
    pub fn cells(&self, times: &[i64], blocks: &[Block]) -> Vec<Range<usize>> {
        if let Some(refit_ms) = self.refit_ms {
            return by_time(times, refit_ms);
        }
        let first = blocks.first().map_or(times.len(), |block| block.judged.start);
        let judged = blocks.iter().map(|block| block.judged.clone());
        std::iter::once(0..first).chain(judged).filter(|cell| !cell.is_empty()).collect()
    }
}

/// Index ranges of the times between multiples of `length_ms`.
fn by_time(times: &[i64], length_ms: i64) -> Vec<Range<usize>> {
    let mut end = 0;
    let ranges = times.chunk_by(|a, b| a.div_euclid(length_ms) == b.div_euclid(length_ms));
    ranges
        .map(|range| {
            let start = end;
            end += range.len();
            start..end
        })
        .collect()
}

/// How far beyond its training window and its block a detector looks, in ms. The engine fetches as much more, so that
/// the verdict on a point is the same whatever range it was asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Before the first training point.
    pub lookback_ms: i64,
    /// Before the first point whose verdict is wanted: blocks this much earlier are judged along with it.
    pub run_in_ms: i64,
}

impl Reach {
    /// Whether the detector looks beyond, so that its blocks must be judged in one go.
    #[must_use]
    pub fn is_beyond(self) -> bool {
        self != Self::default()
    }
}

/// What a detector makes of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// There was nothing to judge it by.
    #[default]
    NotJudged,
    /// As expected.
    Normal,
    /// An outlier above what is expected.
    High,
    /// An outlier below what is expected.
    Low,
    /// There should have been a point.
    Missing,
    /// Whatever it is, a rule of the query says that it is not told.
    Muted,
}

impl Verdict {
    /// Whether the point is flagged as an outlier.
    #[must_use]
    pub fn is_outlier(self) -> bool {
        matches!(self, Self::High | Self::Low)
    }
}

/// What is out of the ordinary at a point that itself may lie within its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// In a word or two, such as "frozen".
    pub what: &'static str,
    /// Time of the first of the points that it is about.
    pub since_ms: i64,
}

/// The verdict on a run of points; every vector is as long as the points judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// What was made of each point.
    pub verdicts: Vec<Verdict>,
    /// 0 to 1, NaN where there is none.
    pub scores: Vec<f64>,
    /// What the value should have been, NaN where that is unknown.
    pub expected: Vec<f64>,
    /// Lower end of the normal band, NaN where there is none.
    pub lower: Vec<f64>,
    /// Upper end of the normal band, NaN where there is none.
    pub upper: Vec<f64>,
    /// How unlike its group the series as a whole has been up to each point: 0 to 1, NaN where that is unknown. Empty if
    /// the detector does not compare series.
    pub series_scores: Vec<f64>,
    /// For each flagged point its index and, in plain words, why; ascending.
    pub reasons: Vec<(usize, String)>,
    /// For each flagged point whose reason is not its value its index and what the reason is about; ascending.
    pub abouts: Vec<(usize, About)>,
    /// Why nothing could be judged, if so.
    pub shortage: Option<String>,
    /// Why points have scores but none could be flagged, if so.
    pub unflagged: Option<String>,
}

impl Judgement {
    /// Whether it is one of `len` points.
    #[must_use]
    pub fn fits(&self, len: usize) -> bool {
        let Self { verdicts, scores, expected, lower, upper, series_scores, reasons, abouts, .. } = self;
        verdicts.len() == len
            && (series_scores.is_empty() || series_scores.len() == len)
            && [scores, expected, lower, upper].iter().all(|column| column.len() == len)
            && reasons.iter().all(|(row, _)| *row < len)
            && abouts.iter().all(|(row, _)| *row < len)
    }

    /// No verdict on `len` points, but for the gaps among `values`, and the reason why.
    #[must_use]
    pub fn none(values: &[f64], shortage: String) -> Self {
        let nothing = vec![f64::NAN; values.len()];
        Self {
            verdicts: values
                .iter()
                .map(|value| if value.is_nan() { Verdict::Missing } else { Verdict::NotJudged })
                .collect(),
            scores: nothing.clone(),
            expected: nothing.clone(),
            lower: nothing.clone(),
            upper: nothing,
            series_scores: Vec::new(),
            reasons: Vec::new(),
            abouts: Vec::new(),
            shortage: Some(shortage),
            unflagged: None,
        }
    }

    /// Makes the point at `row` one that could not be judged.
    ///
    /// # Panics
    ///
    /// If there is no such point.
    pub fn withdraw(&mut self, row: usize) {
        self.verdicts[row] = Verdict::NotJudged;
        self.scores[row] = f64::NAN;
        self.reasons.retain(|(other, _)| *other != row);
        self.abouts.retain(|(other, _)| *other != row);
    }

    /// Appends the verdicts on the points after these.
    pub fn append(&mut self, next: Self) {
        let first = self.verdicts.len();
        self.verdicts.extend(next.verdicts);
        self.scores.extend(next.scores);
        self.expected.extend(next.expected);
        self.lower.extend(next.lower);
        self.upper.extend(next.upper);
        self.reasons.extend(next.reasons.into_iter().map(|(row, reason)| (first + row, reason)));
        self.abouts.extend(next.abouts.into_iter().map(|(row, about)| (first + row, about)));
        self.series_scores.extend(next.series_scores);
        self.shortage = self.shortage.take().or(next.shortage);
        self.unflagged = self.unflagged.take().or(next.unflagged);
    }

    /// Appends the verdict on the next point, with its score, expected value and band.
    pub fn push(&mut self, verdict: Verdict, score: f64, expected: f64, band: (f64, f64)) {
        self.verdicts.push(verdict);
        self.scores.push(score);
        self.expected.push(expected);
        self.lower.push(band.0);
        self.upper.push(band.1);
    }
}

/// What a detector expects at times that are yet to come; all vectors are equally long, NaN where nothing is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forecast {
    /// Ms since the epoch, strictly ascending.
    pub times: Vec<i64>,
    /// The expected value.
    pub expected: Vec<f64>,
    /// Lower end of the normal band.
    pub lower: Vec<f64>,
    /// Upper end of the normal band.
    pub upper: Vec<f64>,
}

impl Forecast {
    /// Whether it is one of the times `ahead`, or of none.
    #[must_use]
    pub fn fits(&self, ahead: &[i64]) -> bool {
        let Self { times, expected, lower, upper } = self;
        (times.is_empty() || times == ahead)
            && [expected, lower, upper].iter().all(|column| column.len() == times.len())
    }

    /// The forecast for an index range of the times.
    ///
    /// # Panics
    ///
    /// If the range is not within them.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Self {
        Self {
            times: self.times[range.clone()].to_vec(),
            expected: self.expected[range.clone()].to_vec(),
            lower: self.lower[range.clone()].to_vec(),
            upper: self.upper[range].to_vec(),
        }
    }

    /// Number of times.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether nothing is forecast.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// The fewest finite training points that a forest, or a rule about single values, is trusted with.
pub const MIN_TRAINING_POINTS: usize = 16;

/// Points that a training window has at least where the query leaves its length open.
const DEFAULT_POINTS: i64 = 168;

/// Bytes for each point that a detector takes unless it says otherwise: some copies, and the verdict.
const POINT_BYTES: usize = 256;

/// One kind of detector, with the options of one query.
pub trait Detector: Sized + Send + Sync + 'static {
    /// Name on the wire.
    const KIND: &'static str;
    /// Name for people.
    const LABEL: &'static str;
    /// One sentence for the editor.
    const DESCRIPTION: &'static str;
    /// What a query can say to this kind.
    type Options: DeserializeOwned + Serialize + JsonSchema;

    /// A detector with `options`, flagging points on the side of `direction`.
    ///
    /// # Errors
    /// [`Error`] if options contradict each other.
    fn new(options: Self::Options, direction: Direction) -> Result<Self>;

    /// The seed of everything random, if anything is.
    fn seed(&self) -> Option<u64>;

    /// The most bytes that judging one block of `members` series takes, with `points` in all of them, training included;
    /// rough, but from above.
    fn bytes(&self, points: usize, _members: usize) -> usize {
        points.saturating_mul(POINT_BYTES)
    }

    /// Judges each of `judged` by what `training` says is normal. The two are the same for `training: visible-range`;
    /// else training ends before the first judged point.
    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement;

    /// Length of the training window and of a block, in ms, where the query leaves them open, for points `step_ms`
    /// apart: a week and a day, or as long as a week of hours has points.
    fn default_training(&self, step_ms: i64) -> (i64, i64) {
        let window_ms = DEFAULT_WINDOW.as_millis().max(step_ms.saturating_mul(DEFAULT_POINTS));
        (window_ms, DEFAULT_REFIT.as_millis().max(step_ms))
    }

    /// What [`Detector::judge_blocks`] needs besides training windows and blocks, for points `step_ms` apart.
    fn reach(&self, _step_ms: i64) -> Reach {
        Reach::default()
    }

    /// Judges successive blocks of one series, for detectors that share work between them or follow events from one
    /// into the next: one judgement for each of `blocks`, in their order.
    fn judge_blocks(&self, points: Points<'_>, blocks: &[Block], _timing: Timing) -> Vec<Judgement> {
        blocks
            .iter()
            .map(|block| self.judge(points.range(block.training.clone()), points.range(block.judged.clone())))
            .collect()
    }

    /// Whether it can say what to expect of times that are yet to come. If so, the engine asks
    /// [`Detector::judge_ahead`] for the block that now lies in; never of a detector that compares series or has a
    /// [`Detector::reach`].
    const FORECASTS: bool = false;

    /// Judges as [`Detector::judge`] does, and forecasts each of `ahead`, times after the judged ones: with the band that
    /// the points of this block will be judged by. No forecast if the training does not suffice for one.
    fn judge_ahead(&self, training: Points<'_>, judged: Points<'_>, _ahead: &[i64]) -> (Judgement, Forecast) {
        (self.judge(training, judged), Forecast::default())
    }

    /// Whether the verdict on a series depends on the other series of its panel. If so, the engine asks
    /// [`Detector::judge_panel`] and never [`Detector::judge`].
    const ACROSS_SERIES: bool = false;

    /// Judges one block of all series of a panel: one judgement for each of `members`, in their order.
    ///
    /// Members have points in the block or its training. One whose first point is yet to come must not count before:
    /// a query that ends earlier does not know of it.
    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        members.iter().map(|member| self.judge(member.training, member.judged)).collect()
    }

    /// The labels of the group that a series with `labels` shares one verdict with, for detectors whose scores are what each
    /// series contributes to the score of its group; `None` if each series has a verdict of its own.
    fn group(&self, _labels: &Labels) -> Option<Labels> {
        None
    }
}

/// A [`Detector`] of any kind.
pub trait AnyDetector: Send + Sync {
    /// Name of the kind.
    fn kind(&self) -> &'static str;
    /// See [`Detector::seed`].
    fn seed(&self) -> Option<u64>;
    /// See [`Detector::bytes`].
    fn bytes(&self, points: usize, members: usize) -> usize;
    /// See [`Detector::judge`].
    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement;
    /// See [`Detector::default_training`].
    fn default_training(&self, step_ms: i64) -> (i64, i64);
    /// See [`Detector::reach`].
    fn reach(&self, step_ms: i64) -> Reach;
    /// See [`Detector::judge_blocks`].
    fn judge_blocks(&self, points: Points<'_>, blocks: &[Block], timing: Timing) -> Vec<Judgement>;
    /// See [`Detector::FORECASTS`].
    fn forecasts(&self) -> bool;
    /// See [`Detector::judge_ahead`].
    fn judge_ahead(&self, training: Points<'_>, judged: Points<'_>, ahead: &[i64]) -> (Judgement, Forecast);
    /// See [`Detector::ACROSS_SERIES`].
    fn across_series(&self) -> bool;
    /// See [`Detector::judge_panel`].
    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement>;
    /// See [`Detector::group`].
    fn group(&self, labels: &Labels) -> Option<Labels>;
}

impl fmt::Debug for dyn AnyDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detector {}", self.kind())
    }
}

impl<D: Detector> AnyDetector for D {
    fn kind(&self) -> &'static str {
        D::KIND
    }

    fn seed(&self) -> Option<u64> {
        Detector::seed(self)
    }

    fn bytes(&self, points: usize, members: usize) -> usize {
        Detector::bytes(self, points, members)
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        Detector::judge(self, training, judged)
    }

    fn default_training(&self, step_ms: i64) -> (i64, i64) {
        Detector::default_training(self, step_ms)
    }

    fn reach(&self, step_ms: i64) -> Reach {
        Detector::reach(self, step_ms)
    }

    fn judge_blocks(&self, points: Points<'_>, blocks: &[Block], timing: Timing) -> Vec<Judgement> {
        Detector::judge_blocks(self, points, blocks, timing)
    }

    fn forecasts(&self) -> bool {
        D::FORECASTS
    }

    fn judge_ahead(&self, training: Points<'_>, judged: Points<'_>, ahead: &[i64]) -> (Judgement, Forecast) {
        Detector::judge_ahead(self, training, judged, ahead)
    }

    fn across_series(&self) -> bool {
        D::ACROSS_SERIES
    }

    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        Detector::judge_panel(self, members)
    }

    fn group(&self, labels: &Labels) -> Option<Labels> {
        Detector::group(self, labels)
    }
}

/// A detector, built.
#[derive(Debug)]
pub struct Built {
    /// The detector.
    pub detector: Box<dyn AnyDetector>,
    /// Names of options its kind does not know.
    pub unknown_options: Vec<String>,
    /// Names its options: the same for two queries if they mean the same, defaults written out or not.
    pub identity: String,
}

/// One kind of detector as the table lists it.
#[derive(Clone, Copy)]
pub struct DetectorEntry {
    /// Name on the wire.
    pub kind: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// One sentence for the editor.
    pub description: &'static str,
    build: fn(&Kind, Direction) -> Result<Built>,
    /// What a query can say to it.
    pub options: OptionsEntry,
}

impl fmt::Debug for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "detector kind {}", self.kind)
    }
}

const fn entry<D: Detector>() -> DetectorEntry {
    DetectorEntry {
        kind: D::KIND,
        label: D::LABEL,
        description: D::DESCRIPTION,
        build: |options, direction| {
            let Parsed { options, unknown, identity } = options.parse("detector")?;
            Ok(Built { detector: Box::new(D::new(options, direction)?), unknown_options: unknown, identity })
        },
        options: OptionsEntry::of::<D::Options>(),
    }
}

/// Every kind of detector, in the order the editor shows them; the first is the default.
pub const DETECTORS: &[DetectorEntry] = &[
    entry::<Auto>(),
    entry::<IsolationForest>(),
    entry::<Seasonal>(),
    entry::<SHEsd>(),
    entry::<Mad>(),
    entry::<ZScore>(),
    entry::<Iqr>(),
    entry::<Changepoint>(),
    entry::<Peers>(),
    entry::<Joint>(),
];

/// The kind of detector a query asks for; the default one if it names none.
///
/// # Errors
/// [`Error`] if the kind is unknown; the message lists those that exist.
pub fn find(wanted: &Kind) -> Result<&'static DetectorEntry> {
    let name = wanted.kind().unwrap_or(DETECTORS[0].kind);
    DETECTORS.iter().find(|entry| entry.kind == name).ok_or_else(|| {
        Error::new(format!("the detector kind \"{name}\" is unknown"))
            .hint(format!("choose one of {}", list_names(DETECTORS.iter().map(|entry| entry.kind))))
    })
}

/// Builds the detector a query asks for.
///
/// # Errors
/// Those of [`find`], and [`Error`] if an option is wrong.
pub fn build(wanted: &Kind, direction: Direction) -> Result<Built> {
    (find(wanted)?.build)(wanted, direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_lists_those_that_exist() {
        let wanted: Kind = serde_json::from_str(r#"{"kind":"tea-leaves"}"#).unwrap();
        let error = build(&wanted, Direction::Both).unwrap_err();
        assert!(error.to_string().contains("tea-leaves"), "{error}");
        assert!(error.to_string().contains("\"isolation-forest\""), "{error}");
    }

    #[test]
    fn kinds_are_unique() {
        for entry in DETECTORS {
            assert_eq!(DETECTORS.iter().filter(|other| other.kind == entry.kind).count(), 1, "{entry:?}");
        }
    }
}
