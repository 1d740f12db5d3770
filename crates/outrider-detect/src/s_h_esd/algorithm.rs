//! Twitter's AnomalyDetection: S-H-ESD over a whole run of points, in its `Vec` and its `Ts` form.
//!
//! Written from Hochenbaum, Vallis and Kejariwal, *Automatic Anomaly Detection in the Cloud Via Statistical Learning*,
//! arXiv 1704.07706 (the technique it names S-H-ESD), and from what the R package answers. Long series are cut into
//! pieces with a median each: Vallis, Hochenbaum and Kejariwal, *A Novel Technique for Long-Term Anomaly Detection in
//! the Cloud*, USENIX HotCloud 2014. Parameters keep the package's names and defaults.
//!
//! A run is decomposed by STL (Cleveland et al., *STL: A Seasonal-Trend Decomposition Procedure Based on Loess*, Journal
//! of Official Statistics 6, 1990); its residual is value − season − median of the values, the trend stays in; the
//! residual is searched with the generalised ESD test. O(n) a STL pass, of which there are 16, and
//! O(maxAnoms · n · log n) for the test; memory about 15 numbers a point.

use std::ops::Range;

use serde::Deserialize;
use thiserror::Error;

use super::esd::{CriticalValues, Rounds, Side, SortedValues};

/// Parameters that both forms share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// `max_anoms`: the largest share of the points that may be anomalies, above 0 to 0.49.
    pub max_anoms: f64,
    /// `direction`: which side is tested.
    pub direction: Side,
    /// `alpha`: significance level of the test, above 0 and below 1.
    pub alpha: f64,
    /// `threshold`: report only values of at least this level.
    pub threshold: Option<Threshold>,
    /// `e_value`: give the expected value of each anomaly.
    pub e_value: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { max_anoms: 0.1, direction: Side::Pos, alpha: 0.05, threshold: None, e_value: false }
    }
}

/// A level taken from the highest values of each day (`Ts`) or period (`Vec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Their median.
    MedMax,
    /// Their 95th percentile.
    P95,
    /// Their 99th percentile.
    P99,
}

/// The newest part of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnlyLast {
    /// The last 24 hours.
    Day,
    /// The last hour.
    Hr,
}

/// Parameters of the `Vec` form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VecParameters {
    /// Those that both forms share.
    pub common: Parameters,
    /// `period`: points in a season, at least 2.
    pub period: usize,
    /// `longterm_period`: points that share a median; a longer series is judged in pieces of this length.
    pub longterm_period: Option<usize>,
    /// `only_last`: report only what lies in the last period.
    pub only_last: bool,
}

/// Parameters of the `Ts` form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TsParameters {
    /// Those that both forms share.
    pub common: Parameters,
    /// `only_last`: report only what lies in the last day or hour.
    pub only_last: Option<OnlyLast>,
    /// `longterm`: judge the series in pieces of `piecewise_median_period_weeks`.
    pub longterm: bool,
    /// `piecewise_median_period_weeks`: at least 2.
    pub piecewise_median_period_weeks: usize,
}

impl Default for TsParameters {
    fn default() -> Self {
        Self {
            common: Parameters::default(),
            only_last: None,
            longterm: false,
            piecewise_median_period_weeks: 2,
        }
    }
}

/// Why a series cannot be judged.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// There is a gap between values.
    #[error("the series has a gap between its values; fill it first")]
    Gap,
    /// Two seasons are needed.
    #[error("{points} points are fewer than two periods of {period}")]
    TooShort {
        /// Points there are, or are in the shortest piece.
        points: usize,
        /// Points in a season.
        period: usize,
    },
    /// A parameter is out of its range.
    #[error("{name} must be {range}")]
    Parameter {
        /// The original's name.
        name: &'static str,
        /// What is allowed.
        range: &'static str,
    },
    /// Times and values differ in number, or times do not ascend.
    #[error("the times must ascend, one for each value")]
    Times,
    /// The points are less than a second apart.
    #[error("the points are less than a second apart; aggregate them to seconds or more")]
    TooFine,
}

/// An anomaly of the `Vec` form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// Index among the values given, from 0.
    pub index: usize,
    /// The value.
    pub value: f64,
    /// Season + trend without its decimals, if asked for.
    pub expected: Option<f64>,
}

/// An anomaly of the `Ts` form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedAnomaly {
    /// Ms since the epoch; the begin of the minute if the series was summed to minutes.
    pub time_ms: i64,
    /// The value.
    pub value: f64,
    /// Season + trend without its decimals, if asked for.
    pub expected: Option<f64>,
}

/// `AnomalyDetectionVec`: anomalies of `values`, ascending. NaN are missing; they may stand at either end only.
///
/// # Errors
/// [`Refusal::Gap`], [`Refusal::TooShort`] and [`Refusal::Parameter`].
///
/// ```
/// use outrider_detect::s_h_esd::{Parameters, Side, VecParameters, anomaly_detection_vec};
///
/// let mut values: Vec<f64> =
///     (0..240).map(|i| f64::from(i % 24) + 0.1 * f64::from((i * 37) % 11)).collect();
/// values[100] = 60.0;
/// let parameters = VecParameters {
///     common: Parameters { direction: Side::Both, ..Parameters::default() },
///     period: 24,
///     longterm_period: None,
///     only_last: false,
/// };
/// let found = anomaly_detection_vec(&values, &parameters).unwrap();
/// assert_eq!(found.iter().map(|anomaly| anomaly.index).collect::<Vec<_>>(), [100]);
///
/// values[50] = f64::NAN;
/// assert!(anomaly_detection_vec(&values, &parameters).is_err());
/// ```
pub fn anomaly_detection_vec(values: &[f64], parameters: &VecParameters) -> Result<Vec<Anomaly>, Refusal> {
    let VecParameters { common, period, longterm_period, only_last } = *parameters;
    if period < 2 {
        return Err(Refusal::Parameter { name: "period", range: "at least 2" });
    }
    let present = without_missing_ends(values)?;
    let offset = present.start;
    let values = &values[present];
    let pieces = match longterm_period {
        None => one_piece(values.len()),
        Some(length) if length >= 2 * period => pieces_of_points(values.len(), length),
        Some(_) => {
            return Err(Refusal::Parameter { name: "longterm_period", range: "at least two periods" });
        }
    };
    let level = common.threshold.map(|threshold| threshold.level(values, |index| (index / period) as i64));
    let from = if only_last { values.len().saturating_sub(period) } else { 0 };
    let found = Run { values, period, pieces, common }.anomalies(level, from)?;
    Ok(found.into_iter().map(|anomaly| Anomaly { index: anomaly.index + offset, ..anomaly }).collect())
}

/// `AnomalyDetectionTs`: anomalies of `values` at `times` (ms since the epoch, ascending), ascending. NaN are missing;
/// they may stand at either end only.
///
/// The period follows from the two newest times: a day of minutes (1,440) or of hours (24), or a week of days (7).
/// Seconds are summed to minutes first, as the original does. Days and minutes are those of UTC.
///
/// # Errors
/// Any [`Refusal`].
pub fn anomaly_detection_ts(
    times: &[i64],
    values: &[f64],
    parameters: &TsParameters,
) -> Result<Vec<TimedAnomaly>, Refusal> {
    let TsParameters { common, only_last, longterm, piecewise_median_period_weeks: weeks } = *parameters;
    if times.len() != values.len() || times.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Refusal::Times);
    }
    let summed;
    let (times, values) = match times {
        [.., before, last] if last - before < 1_000 => return Err(Refusal::TooFine),
        [.., before, last] if last - before < MINUTE_MS => {
            summed = summed_to_minutes(times, values);
            (&summed.0[..], &summed.1[..])
        }
        _ => (times, values),
    };
    let present = without_missing_ends(values)?;
    let (times, values) = (&times[present.clone()], &values[present]);
    let [.., before, last] = times else {
        return Err(Refusal::TooShort { points: times.len(), period: 2 });
    };
    let (period, daily) = match last - before {
        DAY_MS.. => (7, true),
        HOUR_MS.. => (24, false),
        _ => (1_440, false),
    };
    let pieces = if longterm {
        if weeks < 2 {
            return Err(Refusal::Parameter { name: "piecewise_median_period_weeks", range: "at least 2" });
        }
        pieces_of_weeks(times, weeks, period, daily)
    } else {
        one_piece(values.len())
    };
    let level =
        common.threshold.map(|threshold| threshold.level(values, |index| times[index].div_euclid(DAY_MS)));
    let from = match only_last {
        None => 0,
        Some(part) => times.partition_point(|time| *time <= last - part.len_ms()),
    };
    let found = Run { values, period, pieces, common }.anomalies(level, from)?;
    let timed = |anomaly: Anomaly| TimedAnomaly {
        time_ms: times[anomaly.index],
        value: anomaly.value,
        expected: anomaly.expected,
    };
    Ok(found.into_iter().map(timed).collect())
}

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 86_400_000;

impl OnlyLast {
    pub(super) fn len_ms(self) -> i64 {
        match self {
            Self::Day => DAY_MS,
            Self::Hr => HOUR_MS,
        }
    }
}

impl Threshold {
    /// The level for `values`, of which those with the same `group` share a maximum.
    fn level(self, values: &[f64], group: impl Fn(usize) -> i64) -> f64 {
        let mut maxima = Maxima::default();
        for (index, value) in values.iter().enumerate() {
            maxima.add(group(index), *value);
        }
        maxima.level(self)
    }
}

/// The highest value of each group of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Maxima {
    last_group: Option<i64>,
    highest: Vec<f64>,
}

impl Maxima {
    /// Takes note of a value; those of a group come one after the other.
    pub(super) fn add(&mut self, group: i64, value: f64) {
        match self.highest.last_mut() {
            Some(highest) if self.last_group == Some(group) => *highest = highest.max(value),
            _ => self.highest.push(value),
        }
        self.last_group = Some(group);
    }

    /// Quantile of the maxima, interpolated between neighbours (type 7 of Hyndman and Fan, *Sample Quantiles in
    /// Statistical Packages*, The American Statistician 50, 1996, the default of R). NaN if there are none.
    pub(super) fn level(&self, threshold: Threshold) -> f64 {
        let share = match threshold {
            Threshold::MedMax => 0.5,
            Threshold::P95 => 0.95,
            Threshold::P99 => 0.99,
        };
        let mut sorted = self.highest.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let place = last as f64 * share;
        let below = sorted[place.floor() as usize];
        let above = sorted[place.ceil() as usize];
        below + (above - below) * place.fract()
    }
}

/// Where the values lie between missing ones at the ends.
fn without_missing_ends(values: &[f64]) -> Result<Range<usize>, Refusal> {
    let first = values.iter().position(|value| value.is_finite()).unwrap_or(0);
    let end = values.iter().rposition(|value| value.is_finite()).map_or(0, |last| last + 1);
    if values[first..end].iter().all(|value| value.is_finite()) { Ok(first..end) } else { Err(Refusal::Gap) }
}

fn summed_to_minutes(times: &[i64], values: &[f64]) -> (Vec<i64>, Vec<f64>) {
    let (mut minutes, mut sums): (Vec<i64>, Vec<f64>) = (Vec::new(), Vec::new());
    for (time, value) in times.iter().zip(values) {
        let minute = time.div_euclid(MINUTE_MS) * MINUTE_MS;
        match sums.last_mut() {
            Some(sum) if minutes.last() == Some(&minute) => *sum += value,
            _ => {
                minutes.push(minute);
                sums.push(*value);
            }
        }
    }
    (minutes, sums)
}

pub(super) fn one_piece(points: usize) -> Vec<Range<usize>> {
    std::iter::once(0..points).collect()
}

/// Pieces of `length` points; the last one ends with the series and may overlap the one before.
pub(super) fn pieces_of_points(points: usize, length: usize) -> Vec<Range<usize>> {
    (0..points)
        .step_by(length)
        .map(|start| {
            if start + length <= points {
                start..start + length
            } else {
                points.saturating_sub(length)..points
            }
        })
        .collect()
}

/// Pieces of so many weeks, and one day more for daily points; they begin every so many points, and one that would
/// reach beyond the series is replaced by the last weeks of the series.
pub(super) fn pieces_of_weeks(times: &[i64], weeks: usize, period: usize, daily: bool) -> Vec<Range<usize>> {
    let (points, days) =
        if daily { (period * weeks + 1, 7 * weeks + 1) } else { (period * 7 * weeks, 7 * weeks) };
    let length_ms = days as i64 * DAY_MS;
    let last = times.last().copied().unwrap_or(0);
    (0..times.len())
        .step_by(points)
        .map(|start| {
            let end = times[start].saturating_add(length_ms);
            if end <= last {
                start..times.partition_point(|time| *time < end)
            } else {
                times.partition_point(|time| *time <= last.saturating_sub(length_ms))..times.len()
            }
        })
        .collect()
}

/// A series without gaps and how it is to be judged.
struct Run<'a> {
    values: &'a [f64],
    period: usize,
    pieces: Vec<Range<usize>>,
    common: Parameters,
}

impl Run<'_> {
    /// Anomalies from index `from` on of at least `level`.
    fn anomalies(&self, level: Option<f64>, from: usize) -> Result<Vec<Anomaly>, Refusal> {
        let Parameters { max_anoms, direction, alpha, e_value, .. } = self.common;
        check(max_anoms, alpha)?;
        let mut critical = CriticalValues::new(alpha, direction);
        // The first piece that holds a point decides on what is expected there.
        let mut outlier = vec![false; self.values.len()];
        let mut expected = vec![f64::NAN; self.values.len()];
        for piece in &self.pieces {
            let values = &self.values[piece.clone()];
            let parts = Decomposition::of(values, self.period)?;
            let residuals = SortedValues::new(parts.residuals(values).enumerate(), parts.resolution);
            for index in residuals.test(budget(values.len(), max_anoms), &mut critical).outliers {
                outlier[piece.start + index] = true;
            }
            for (index, expected) in expected[piece.clone()].iter_mut().enumerate() {
                if expected.is_nan() {
                    *expected = parts.expected(index);
                }
            }
        }
        let reported = |index: &usize| {
            outlier[*index] && level.is_none_or(|level| self.values[*index] >= level) && *index >= from
        };
        let anomaly = |index: usize| Anomaly {
            index,
            value: self.values[index],
            expected: e_value.then_some(expected[index]),
        };
        Ok((0..self.values.len()).filter(reported).map(anomaly).collect())
    }
}

fn check(max_anoms: f64, alpha: f64) -> Result<(), Refusal> {
    if !(max_anoms > 0.0 && max_anoms <= 0.49) {
        return Err(Refusal::Parameter { name: "max_anoms", range: "above 0 and at most 0.49" });
    }
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Refusal::Parameter { name: "alpha", range: "above 0 and below 1" });
    }
    Ok(())
}

/// Most outliers among `points` points: the whole part of their share, and at least one.
pub(super) fn budget(points: usize, max_anoms: f64) -> usize {
    ((points as f64 * max_anoms) as usize).max(1)
}

/// Season and trend of a run of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Decomposition {
    /// The season at each of the points of one period; the first belongs to the first value.
    pub season: Vec<f64>,
    /// The trend at each value.
    pub trend: Vec<f64>,
    /// Residuals closer to each other than this differ by rounding only.
    pub(super) resolution: f64,
}

/// Share of the largest value that rounding in the decomposition stays below: 450 units in the last place.
const ROUNDING: f64 = 1e-13;

/// Where most values are equal, a scale below this share of the distance of the nearest other value is none of noise: it is
/// what the others have left in the season.
const NO_NOISE: f64 = 0.05;

/// Residuals of `values` closer to each other than this differ by rounding, or by what the estimate of the season is off.
fn resolution(values: &[f64], largest: f64) -> f64 {
    let rounding = ROUNDING * largest;
    let mut sorted = values.to_vec();
    let (_, usual, _) = sorted.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    let usual = *usual;
    let others = || values.iter().filter(|value| **value != usual);
    if others().count() * 2 >= values.len() {
        return rounding;
    }
    let nearest = others().map(|value| (value - usual).abs()).fold(f64::INFINITY, f64::min);
    if nearest.is_finite() { rounding.max(NO_NOISE * nearest) } else { rounding }
}

impl Decomposition {
    /// STL with one season for all of the run (R's `s.window = "periodic"`: a smoother of 10n + 1 points and degree 0,
    /// then the mean of each phase) and 15 robustness iterations. All of `values` are finite.
    ///
    /// # Errors
    /// [`Refusal::TooShort`] for fewer than two periods, and [`Refusal::Parameter`] for a period below 2.
    pub fn of(values: &[f64], period: usize) -> Result<Self, Refusal> {
        if period < 2 {
            return Err(Refusal::Parameter { name: "period", range: "at least 2" });
        }
        let too_short = Refusal::TooShort { points: values.len(), period };
        if values.len() / 2 < period {
            return Err(too_short);
        }
        // Sums over a period must stay finite, and a power of two scales without rounding.
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > 1e200 { f64::powi(2.0, -600) } else { 1.0 };
        let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();

        let seasonal_length = 10 * values.len() + 1;
        let trend_length = 1.5 * period as f64 / (1.0 - 1.5 / seasonal_length as f64);
        let trend_length = next_odd(trend_length.ceil() as usize);
        let low_pass_length = next_odd(period);
        let parts = stlrs::params()
            .robust(true)
            .seasonal_length(seasonal_length)
            .seasonal_degree(0)
            .seasonal_jump(seasonal_length.div_ceil(10))
            .trend_length(trend_length)
            .trend_jump(trend_length.div_ceil(10))
            .low_pass_length(low_pass_length)
            .low_pass_jump(low_pass_length.div_ceil(10))
            .fit(&scaled, period)
            .map_err(|_| too_short)?;
        let season = (0..period)
            .map(|phase| {
                let of_phase = parts.seasonal()[phase..].iter().step_by(period);
                let count = of_phase.len() as f64;
                of_phase.sum::<f64>() / count / scale
            })
            .collect();
        let trend = parts.trend().iter().map(|value| value / scale).collect();
        Ok(Self { season, trend, resolution: resolution(values, largest) })
    }

    /// Each of the values it was made from less its season. The paper subtracts the median as well, which the test does
    /// in every round.
    pub(super) fn residuals(&self, values: &[f64]) -> impl Iterator<Item = f64> {
        values.iter().zip(self.season.iter().cycle()).map(|(value, season)| value - season)
    }

    /// The original's expected value: season + trend without its decimals.
    pub(super) fn expected(&self, index: usize) -> f64 {
        (self.trend[index] + self.season[index % self.season.len()]).trunc()
    }
}

fn next_odd(length: usize) -> usize {
    length + usize::from(length.is_multiple_of(2))
}

/// One round of the test over a whole run, as the original's inner loop has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TracedRound {
    /// Index of the value taken.
    pub index: usize,
    /// R: its distance from the median in robust sigmas.
    pub statistic: f64,
    /// λ: what the distance is compared with.
    pub critical: f64,
}

/// The rounds of the test over a run without gaps, for those who want to see how it decides.
///
/// # Errors
/// Those of [`anomaly_detection_vec`].
pub fn trace(values: &[f64], period: usize, common: &Parameters) -> Result<Vec<TracedRound>, Refusal> {
    check(common.max_anoms, common.alpha)?;
    if without_missing_ends(values)? != (0..values.len()) {
        return Err(Refusal::Gap);
    }
    let parts = Decomposition::of(values, period)?;
    let sorted = SortedValues::new(parts.residuals(values).enumerate(), parts.resolution);
    let mut critical = CriticalValues::new(common.alpha, common.direction);
    let rounds = Rounds::new(&sorted, budget(values.len(), common.max_anoms), &mut critical);
    Ok(rounds
        .map(|round| TracedRound {
            index: round.position,
            statistic: round.statistic,
            critical: round.critical,
        })
        .collect())
}
