//! S-H-ESD, Twitter's AnomalyDetection: the season is taken off, and what is left is tested for outliers.
//!
//! [`anomaly_detection_vec`] and [`anomaly_detection_ts`] are the original; [`SHEsd`] is the detector made of its parts
//! (sources in `algorithm.rs` and `esd.rs`).
//!
//! The original decides over a whole run of points, past and future, and counts points, not time. With `training:
//! visible-range` the detector does just that, with gaps left out. Otherwise the verdict on a point is that of a run which *ends* with it: the training window and the points
//! of the block up to it, tested as the original tests, but with the season of the training window, which is decomposed
//! once a block. So a later point never changes a verdict. Under `longterm` the original judges the newest points by a
//! piece of fixed length that ends with the series; so the run is then the last piece that ends with the point.
//!
//! Score: R/λ ÷ (1 + R/λ), where R is the distance from the centre in robust sigmas and λ the critical value, both of
//! the run without its outliers: 0 at the centre, 0.5 at λ, above 0.5 for outliers and only for them, but for values
//! on a side that is not tested.
//!
//! Cost: O(n) a STL pass over the n training points, 16 passes a block, and O(maxAnoms · n · log n) a judged point.
//! Memory: about 20 numbers a training point. Warm-up: two seasons. Not for series with a trend or level shifts, which
//! stay in the residual, nor for series that keep one value more than half of the time.

mod algorithm;
mod esd;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::short::Short;
use super::slots::{Slots, filled};
use super::{Detector, Judgement, Points, Verdict};
use crate::error::{Error, Result};
use crate::options::{Direction, DurationMs, Interval, Real, Whole};
use algorithm::{DAY_MS, Maxima, budget, one_piece, pieces_of_points, pieces_of_weeks};
use esd::{CriticalValues, Findings, SortedValues};
use outrider_forest::cancel::checkpoint;

pub use algorithm::{
    Anomaly, Decomposition, OnlyLast, Parameters, Refusal, Threshold, TimedAnomaly, TracedRound,
    TsParameters, VecParameters, anomaly_detection_ts, anomaly_detection_vec, trace,
};
pub use esd::Side;

/// S-H-ESD with the options of one query.
#[derive(Debug, Clone)]
pub struct SHEsd {
    max_anoms: f64,
    side: Side,
    alpha: f64,
    only_last: Option<LastPart>,
    threshold: Option<Threshold>,
    e_value: bool,
    longterm: bool,
    weeks: usize,
    period: Option<usize>,
    longterm_period: Option<usize>,
    direction: Direction,
}

/// Shares of a run that may be anomalies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AnomalyShares {}

impl Interval for AnomalyShares {
    const LOW: Bound<f64> = Bound::Excluded(0.0);
    const HIGH: Bound<f64> = Bound::Included(0.49);
}

/// Significance levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Levels {}

impl Interval for Levels {
    const LOW: Bound<f64> = Bound::Excluded(0.0);
    const HIGH: Bound<f64> = Bound::Excluded(1.0);
}

/// What a query can say to S-H-ESD, under the names of the original. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// The largest share of the points of a run that may be anomalies.
    #[schemars(title = "Max anomalies")]
    pub max_anoms: Real<AnomalyShares>,
    /// Significance level of the test: the chance of an anomaly in a run that has none. Smaller values flag less.
    #[schemars(title = "Alpha")]
    pub alpha: Real<Levels>,
    /// The side of the expected value that is tested. The original tests `pos` unless told otherwise.
    #[schemars(title = "Tested side", extend("x-empty" = "as the query"))]
    pub direction: Option<Side>,
    /// Points in a season.
    #[schemars(title = "Period", extend("x-unit" = "points", "x-empty" = "a day, or a week of daily points"))]
    pub period: Option<Whole<2, 1_000_000>>,
    /// Flag only values of at least this level, taken from the highest value of each day of the run (of each period, if
    /// that is given).
    #[schemars(title = "Peaks only", with = "ThresholdChoice")]
    pub threshold: Option<ThresholdChoice>,
    /// Flag only the newest part of the run. Under a training window each point is the end of its own run, so this
    /// matters for `training: visible-range`.
    #[schemars(title = "Only last", with = "Option<Part>", extend("x-empty" = "all"))]
    pub only_last: OnlyLastChoice,
    /// Judge long series in pieces with a median each, for series with a trend.
    #[schemars(title = "Long term")]
    pub longterm: bool,
    /// How long such a piece is.
    #[schemars(title = "Piece", extend("x-unit" = "weeks", "x-when" = { "longterm": [true] }))]
    pub piecewise_median_period_weeks: Whole<2, 520>,
    /// Judge in pieces of so many points, at least two periods. Not together with `longterm`.
    #[schemars(title = "Piece in points", extend("x-unit" = "points", "x-empty" = "off",
        "x-when" = { "longterm": [false] }))]
    pub longterm_period: Option<Whole<4, 100_000_000>>,
    /// Show as expected what the original does, season + trend without decimals, and not the centre of the band, season +
    /// median.
    #[schemars(title = "Season + trend", extend("x-advanced" = true))]
    pub e_value: bool,
}

impl Default for Options {
    fn default() -> Self {
        let original = Parameters::default();
        Self {
            max_anoms: Real::constant(0.1),
            direction: None,
            alpha: Real::constant(0.05),
            only_last: OnlyLastChoice::default(),
            threshold: Some(ThresholdChoice::None),
            e_value: original.e_value,
            longterm: false,
            piecewise_median_period_weeks: Whole::constant(2),
            period: None,
            longterm_period: None,
        }
    }
}

/// The newest part of a run, or all of it: `day`, `hr`, `period` (or true, as the original's Vec form has it), or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct OnlyLastChoice(Option<LastPart>);

/// The newest part of a run, as it is written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Part {
    /// The last day of the run.
    #[schemars(title = "day")]
    Day,
    /// The last hour of the run.
    #[schemars(title = "hr")]
    Hr,
    /// The last season of the run.
    #[schemars(title = "period")]
    Period,
}

impl Serialize for OnlyLastChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let part = self.0.map(|part| match part {
            LastPart::Time(OnlyLast::Day) => Part::Day,
            LastPart::Time(OnlyLast::Hr) => Part::Hr,
            LastPart::Period => Part::Period,
        });
        part.serialize(serializer)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastPart {
    Time(OnlyLast),
    Period,
}

impl TryFrom<Value> for OnlyLastChoice {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let part = match &value {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(LastPart::Period),
            Value::String(text) => match text.as_str() {
                "" => None,
                "day" => Some(LastPart::Time(OnlyLast::Day)),
                "hr" => Some(LastPart::Time(OnlyLast::Hr)),
                "period" => Some(LastPart::Period),
                _ => return Err(format!("expected \"day\", \"hr\", \"period\" or null, got \"{text}\"")),
            },
            other => return Err(format!("expected \"day\", \"hr\", \"period\" or null, got {other}")),
        };
        Ok(Self(part))
    }
}

/// A [`Threshold`], or the original's word for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ThresholdChoice {
    /// Flag values of any level.
    #[schemars(title = "None")]
    None,
    /// Median of the daily maxima.
    #[serde(rename = "med_max")]
    #[schemars(title = "med_max")]
    MedMax,
    /// 95th percentile of the daily maxima.
    #[serde(rename = "p95")]
    #[schemars(title = "p95")]
    P95,
    /// 99th percentile of the daily maxima.
    #[serde(rename = "p99")]
    #[schemars(title = "p99")]
    P99,
}

impl Detector for SHEsd {
    const KIND: &'static str = "s-h-esd";
    const LABEL: &'static str = "Seasonal hybrid ESD";
    const DESCRIPTION: &'static str =
        "Twitter's AnomalyDetection: takes the season off and tests what is left; for steady daily rhythms";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let wrong = |text: String, hint: &str| Err(Error::new(text).hint(hint));
        let Options { max_anoms, alpha, longterm, .. } = options;
        let side = match (options.direction, direction) {
            (Some(Side::Pos), Direction::Low) | (Some(Side::Neg), Direction::High) => {
                return wrong(
                    "option detector.direction tests one side and the query's direction flags the other"
                        .into(),
                    "leave detector.direction empty to follow the query",
                );
            }
            (Some(side), _) => side,
            (None, Direction::Both) => Side::Both,
            (None, Direction::High) => Side::Pos,
            (None, Direction::Low) => Side::Neg,
        };
        let period = options.period.map(Whole::get);
        let longterm_period = options.longterm_period.map(Whole::get);
        if longterm && longterm_period.is_some() {
            return wrong(
                "options detector.longterm and detector.longtermPeriod both say how long a piece is".into(),
                "turn longterm off, or leave longtermPeriod empty",
            );
        }
        if let (Some(period), Some(piece)) = (period, longterm_period)
            && piece < 2 * period
        {
            return wrong(
                format!(
                    "option detector.longtermPeriod: expected at least two periods, {}, got {piece}",
                    2 * period
                ),
                "lengthen longtermPeriod or shorten period",
            );
        }
        Ok(Self {
            max_anoms: max_anoms.get(),
            side,
            alpha: alpha.get(),
            only_last: options.only_last.0,
            threshold: options.threshold.and_then(|choice| match choice {
                ThresholdChoice::None => None,
                ThresholdChoice::MedMax => Some(Threshold::MedMax),
                ThresholdChoice::P95 => Some(Threshold::P95),
                ThresholdChoice::P99 => Some(Threshold::P99),
            }),
            e_value: options.e_value,
            longterm,
            weeks: options.piecewise_median_period_weeks.get(),
            period,
            longterm_period,
            direction,
        })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        let whole_run = match (training.times.last(), judged.times.first()) {
            (Some(last), Some(first)) => last >= first,
            _ => false,
        };
        let run = Slots::of(training).and_then(|slots| self.run(slots));
        match run {
            Err(shortage) => Judgement::none(judged.values, shortage),
            Ok(run) if whole_run => run.judge_whole(training),
            Ok(run) => run.judge_ends(training, judged),
        }
    }
}

impl SHEsd {
    fn run(&self, slots: Slots) -> Result<Run<'_>, String> {
        let daily = slots.step_ms >= DAY_MS;
        // Twelve hours and less divide a day into two points and more.
        let a_day = || (DAY_MS + slots.step_ms / 2) / slots.step_ms;
        let period =
            self.period.unwrap_or_else(|| usize::try_from(a_day()).ok().filter(|p| *p > 1).unwrap_or(7));
        let weeks_long = || {
            let days = 7 * self.weeks + usize::from(daily);
            usize::try_from(days as i64 * DAY_MS / slots.step_ms).unwrap_or(usize::MAX)
        };
        let piece = self.longterm_period.or_else(|| self.longterm.then(weeks_long));
        let available = slots.values.len().min(piece.unwrap_or(usize::MAX));
        let run = Run { options: self, slots, period, piece };
        if available < 2 * period { Err(run.lacking(available)) } else { Ok(run) }
    }
}

/// A run on its slots, with the lengths that apply to it, in points; it holds at least two periods.
struct Run<'a> {
    options: &'a SHEsd,
    slots: Slots,
    period: usize,
    piece: Option<usize>,
}

/// What the test has found about the season and the run that a point belongs to.
struct Context<'a> {
    season: f64,
    /// Season + trend, if that is what is expected.
    e_value: Option<f64>,
    findings: &'a Findings,
    is_outlier: bool,
    /// Whether `onlyLast` and `threshold` let it be flagged.
    may_be_flagged: bool,
}

impl Run<'_> {
    /// The group of points that share a maximum for `threshold`.
    fn group(&self, time_ms: i64) -> i64 {
        if self.options.period.is_some() {
            self.slots.slot(time_ms).div_euclid(self.period as i64)
        } else {
            time_ms.div_euclid(DAY_MS)
        }
    }

    /// Runs that end with each of the judged points, with the season of the training points.
    fn judge_ends(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        let options = self.options;
        let slots = self.slots.values.len();
        let first_slot = self.piece.map_or(0, |piece| slots.saturating_sub(piece));
        let Ok(parts) =
            Decomposition::of(&filled(&self.slots.values[first_slot..], self.period), self.period)
        else {
            return Judgement::none(judged.values, self.lacking(slots - first_slot));
        };
        let last_trend = parts.trend.last().copied().unwrap_or(f64::NAN);
        let slot = |time_ms: i64| self.slots.slot(time_ms) - first_slot as i64;
        let season = |slot: i64| parts.season[slot.rem_euclid(self.period as i64) as usize];
        let mut maxima = Maxima::default();
        let mut present: VecDeque<(i64, usize, f64)> = VecDeque::new();
        for (position, (time, value)) in present_points(training) {
            maxima.add(self.group(time), value);
            let slot = slot(time);
            if slot >= 0 {
                present.push_back((slot, position, value - season(slot)));
            }
        }
        let mut sorted = SortedValues::new(
            present.iter().map(|(_, position, residual)| (*position, *residual)),
            parts.resolution,
        );
        let mut critical = CriticalValues::new(options.alpha, options.side);
        let mut test =
            |sorted: &SortedValues| sorted.test(budget(sorted.len(), options.max_anoms), &mut critical);
        let mut findings = test(&sorted);
        let mut judgement = Judgement::default();
        for (index, (time, value)) in judged.times.iter().zip(judged.values).enumerate() {
            checkpoint();
            let slot = slot(*time);
            let position = training.times.len() + index;
            let mut may_be_flagged = true;
            if value.is_finite() {
                if let Some(piece) = self.piece {
                    let has_left = |(old, ..): &(i64, usize, f64)| *old <= slot - piece as i64;
                    while present.front().is_some_and(has_left) {
                        let Some((_, position, residual)) = present.pop_front() else { break };
                        sorted.remove(position, residual);
                    }
                }
                let residual = value - season(slot);
                present.push_back((slot, position, residual));
                sorted.insert(position, residual);
                findings = test(&sorted);
                maxima.add(self.group(*time), *value);
                may_be_flagged = options.threshold.is_none_or(|threshold| *value >= maxima.level(threshold));
            }
            let context = Context {
                season: season(slot),
                e_value: options.e_value.then(|| (last_trend + season(slot)).trunc()),
                findings: &findings,
                is_outlier: value.is_finite() && findings.outliers.contains(&position),
                may_be_flagged,
            };
            options.add(&mut judgement, *value, &context);
        }
        judgement
    }

    /// One run of all points, as the original has it: it counts points and knows no gaps.
    fn judge_whole(&self, points: Points<'_>) -> Judgement {
        let options = self.options;
        let (times, values): (Vec<i64>, Vec<f64>) = present_points(points).map(|(_, point)| point).unzip();
        let pieces = match (options.longterm_period, options.longterm) {
            (Some(piece), _) => pieces_of_points(values.len(), piece),
            (None, true) => pieces_of_weeks(&times, options.weeks, self.period, self.slots.step_ms >= DAY_MS),
            (None, false) => one_piece(values.len()),
        };
        let mut critical = CriticalValues::new(options.alpha, options.side);
        let mut maxima = Maxima::default();
        for (index, (time, value)) in times.iter().zip(&values).enumerate() {
            let of_period = options.period.is_some().then_some((index / self.period) as i64);
            maxima.add(of_period.unwrap_or_else(|| time.div_euclid(DAY_MS)), *value);
        }
        let level = options.threshold.map(|threshold| maxima.level(threshold));
        let mut tested = Vec::with_capacity(pieces.len());
        let mut outlier = vec![false; values.len()];
        for piece in pieces {
            let of_piece = &values[piece.clone()];
            let Ok(parts) = Decomposition::of(of_piece, self.period) else {
                return Judgement::none(points.values, self.lacking(of_piece.len()));
            };
            let sorted = SortedValues::new(parts.residuals(of_piece).enumerate(), parts.resolution);
            let findings = sorted.test(budget(sorted.len(), options.max_anoms), &mut critical);
            for index in &findings.outliers {
                outlier[piece.start + index] = true;
            }
            tested.push((piece, parts, findings));
        }
        let last_time = times.last().copied().unwrap_or(i64::MAX);
        let mut judgement = Judgement::default();
        let mut next = 0;
        for (time, value) in points.times.iter().zip(points.values) {
            // A gap stands where the point after it does.
            let index = next.min(values.len().saturating_sub(1));
            next += usize::from(value.is_finite());
            // The first piece that holds a point decides on what is expected there.
            let holder = tested.iter().find(|(piece, ..)| piece.contains(&index)).or(tested.last());
            let Some((piece, parts, findings)) = holder else { break };
            let within = index.saturating_sub(piece.start);
            let recent = match options.only_last {
                None => true,
                Some(LastPart::Time(part)) => *time > last_time.saturating_sub(part.len_ms()),
                Some(LastPart::Period) => index + self.period >= values.len(),
            };
            let context = Context {
                season: parts.season[within % self.period],
                e_value: options.e_value.then(|| parts.expected(within)),
                findings,
                is_outlier: value.is_finite() && outlier[index],
                may_be_flagged: recent && level.is_none_or(|level| *value >= level),
            };
            options.add(&mut judgement, *value, &context);
        }
        judgement
    }

    /// That so many points are fewer than two seasons, in words.
    fn lacking(&self, points: usize) -> String {
        let season = DurationMs::from_millis(self.slots.step_ms.saturating_mul(self.period as i64));
        let seasons = (points as f64 / self.period as f64 * 10.0).floor() / 10.0;
        format!("{seasons:.1} of 2 seasons of {season} are available")
    }
}

/// Position, time and value of each point that is no gap.
fn present_points(points: Points<'_>) -> impl Iterator<Item = (usize, (i64, f64))> {
    let all = points.times.iter().copied().zip(points.values.iter().copied());
    all.enumerate().filter(|(_, (_, value))| value.is_finite())
}

impl SHEsd {
    /// Appends the verdict on one point.
    fn add(&self, judgement: &mut Judgement, value: f64, context: &Context<'_>) {
        let Findings { centre, sigma, lambda, .. } = *context.findings;
        let middle = context.season + centre;
        let reach = sigma * lambda;
        let testable = sigma > 0.0 && reach.is_finite();
        let end = |end: f64, tested: bool| if testable && tested { end } else { f64::NAN };
        let lower = end(middle - reach, self.side != Side::Pos);
        let upper = end(middle + reach, self.side != Side::Neg);
        let side = if value > middle { Verdict::High } else { Verdict::Low };
        let tested = match self.side {
            Side::Both => true,
            Side::Pos => side == Verdict::High,
            Side::Neg => side == Verdict::Low,
        };
        let wanted = match self.direction {
            Direction::Both => true,
            Direction::High => side == Verdict::High,
            Direction::Low => side == Verdict::Low,
        };
        let verdict = if value.is_nan() {
            Verdict::Missing
        } else if context.is_outlier && context.may_be_flagged && wanted {
            side
        } else {
            Verdict::Normal
        };
        let ratio = if testable { (value - middle).abs() / reach } else { f64::from(value != middle) };
        // The test judges a value while others as far out are still in, so the rest's λ may be off by a hair.
        let ratio = match (context.is_outlier, tested) {
            (true, _) => ratio.max(1.0 + 1e-9),
            (false, true) => ratio.min(1.0),
            (false, false) => ratio,
        };
        let expected = context.e_value.unwrap_or(middle);
        if verdict.is_outlier() {
            let reason = Reason { value, expected: middle, sigma, lambda, lower, upper, verdict };
            judgement.reasons.push((judgement.verdicts.len(), reason.to_string()));
        }
        judgement.verdicts.push(verdict);
        judgement.scores.push(if value.is_nan() { f64::NAN } else { 1.0 - 1.0 / (1.0 + ratio) });
        judgement.expected.push(expected);
        judgement.lower.push(lower);
        judgement.upper.push(upper);
    }
}

/// Why a point is flagged, in plain words.
struct Reason {
    value: f64,
    expected: f64,
    sigma: f64,
    lambda: f64,
    lower: f64,
    upper: f64,
    verdict: Verdict,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.verdict == Verdict::Low { "low" } else { "high" };
        let Self { value, expected, sigma, lambda, lower, upper, .. } = *self;
        write!(
            f,
            "{} is {side}: {:.1} robust sigmas from the {} expected at this point of the season, {lambda:.1} are allowed",
            Short(value),
            (value - expected).abs() / sigma,
            Short(expected)
        )?;
        match (lower.is_finite(), upper.is_finite()) {
            (true, true) => write!(f, "; normal is {} to {}", Short(lower), Short(upper)),
            (true, false) => write!(f, "; normal is at least {}", Short(lower)),
            (false, true) => write!(f, "; normal is up to {}", Short(upper)),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
