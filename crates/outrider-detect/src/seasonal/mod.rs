//! Seasonal expectation: what is usual at this time of the day and of the week, and a band with a stated coverage.
//!
//! The training window is fitted once a block (`model.rs` says how, with its sources) and the judged points are compared
//! with what it lets expect, so that neither later nor earlier points of the block have a say. [`Model::at`] gives the
//! same expectation for any time, also beyond the data, which is the forecast.
//!
//! Score: d/(1 + d), where d is the distance from the expected value in widths of the band on that side: 0 at the
//! expected value, 0.5 at the end of the band.
//!
//! Cost: O(n) an STL pass over the n training points; `mstl` makes 16 passes a period and
//! `quantiles` none; medians O(n · seasons in the window). O(1) a judged point. Memory: about 25 numbers a training point.
//! Warm-up: three seasons. Not for series without seasons, nor, with `quantiles`, for those with a trend.

mod model;

use std::fmt;
use std::ops::Bound;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::short::Short;
use super::{Detector, Forecast, Judgement, Points, Verdict, wall_clock};
use crate::error::{Error, Result};
use crate::options::{Direction, DurationMs, Interval, Real};
use model::Settings;
use outrider_forest::cancel::Checkpoints;

pub use model::{Expectation, Method, Model};

/// The seasonal detector with the options of one query.
#[derive(Debug, Clone)]
pub struct Seasonal {
    settings: Settings,
    direction: Direction,
}

/// Shares of ordinary points that a band may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coverages {}

impl Interval for Coverages {
    const LOW: Bound<f64> = Bound::Included(0.5);
    const HIGH: Bound<f64> = Bound::Included(0.999_99);
}

/// What a query can say to the seasonal detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How the expected value is found.
    #[schemars(title = "Method")]
    pub method: Method,
    /// Share of ordinary points within the band; the rest is flagged.
    #[schemars(title = "Coverage")]
    pub coverage: Real<Coverages>,
    /// Lengths of the seasons, each at least two steps.
    #[schemars(title = "Seasons", with = "Vec<DurationMs>", example = ["1d", "7d"], extend("maxItems" = MOST_PERIODS,
        "x-empty" = "a day and a week, each if the training window holds three"))]
    pub periods: Option<Vec<DurationMs>>,
    /// Time zone of the people or machines behind the series, as an IANA name: seasons keep to the clock there when
    /// daylight saving begins or ends.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone"))]
    pub time_zone: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            coverage: Real::constant(0.999),
            periods: Some(Vec::new()),
            time_zone: "UTC".to_owned(),
        }
    }
}

/// The most seasons of one query: each is fitted on its own.
const MOST_PERIODS: usize = 4;

impl Detector for Seasonal {
    const KIND: &'static str = "seasonal";
    const LABEL: &'static str = "Seasonal band";
    const DESCRIPTION: &'static str = "Flags values outside what is usual at this time of the day and the week; for any daily or weekly rhythm";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let wrong = |text: String, hint: &str| Err(Error::new(text).hint(hint));
        let Options { method, periods, time_zone, coverage } = options;
        let zone = wall_clock::time_zone(&time_zone)?;
        let mut periods_ms: Vec<i64> = periods.unwrap_or_default().iter().map(|p| p.as_millis()).collect();
        periods_ms.sort_unstable();
        periods_ms.dedup();
        if periods_ms.len() > MOST_PERIODS || periods_ms.first().is_some_and(|period| *period == 0) {
            return wrong(
                format!(
                    "option detector.periods: expected up to {MOST_PERIODS} durations longer than nothing"
                ),
                "write for example [\"1d\", \"7d\"], or leave it out for a day and a week",
            );
        }
        Ok(Self { settings: Settings { method, periods_ms, zone, coverage: coverage.get() }, direction })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        self.judge_ahead(training, judged, &[]).0
    }

    const FORECASTS: bool = true;

    fn judge_ahead(&self, training: Points<'_>, judged: Points<'_>, ahead: &[i64]) -> (Judgement, Forecast) {
        match self.fit(training) {
            Ok(model) => (self.judge_by(&model, judged), self.forecast(&model, ahead)),
            Err(shortage) => (Judgement::none(judged.values, shortage), Forecast::default()),
        }
    }
}

impl Seasonal {
    /// The model of a training window, which forecasts any time.
    ///
    /// # Errors
    /// In plain words what is lacking, such as "1.4 of 3 seasons of 1d are available".
    pub fn fit(&self, training: Points<'_>) -> Result<Model, String> {
        Model::fit(training, &self.settings)
    }

    fn judge_by(&self, model: &Model, judged: Points<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut checkpoints = Checkpoints::default();
        for (index, (time, value)) in judged.times.iter().zip(judged.values.iter().copied()).enumerate() {
            checkpoints.step();
            let usual = model.at(*time);
            let (verdict, score) = self.verdict(value, &usual);
            let (lower, upper) = self.band(&usual);
            if verdict.is_outlier() {
                let reason = Reason { value, usual, lower, upper, coverage: self.settings.coverage, verdict };
                judgement.reasons.push((index, reason.to_string()));
            }
            judgement.push(verdict, score, usual.expected, (lower, upper));
        }
        judgement
    }

    fn forecast(&self, model: &Model, ahead: &[i64]) -> Forecast {
        let mut forecast = Forecast { times: ahead.to_vec(), ..Forecast::default() };
        for time in ahead {
            let usual = model.at(*time);
            let (lower, upper) = self.band(&usual);
            forecast.expected.push(usual.expected);
            forecast.lower.push(lower);
            forecast.upper.push(upper);
        }
        forecast
    }

    /// The ends of the band that are judged by; NaN for the other.
    fn band(&self, usual: &Expectation) -> (f64, f64) {
        let end = |end: f64, judged: bool| if judged { end } else { f64::NAN };
        (
            end(usual.lower, self.direction != Direction::High),
            end(usual.upper, self.direction != Direction::Low),
        )
    }

    fn verdict(&self, value: f64, usual: &Expectation) -> (Verdict, f64) {
        if value.is_nan() {
            return (Verdict::Missing, f64::NAN);
        }
        if usual.expected.is_nan() {
            return (Verdict::NotJudged, f64::NAN);
        }
        let side = if value > usual.expected { Verdict::High } else { Verdict::Low };
        let outside = value < usual.lower || value > usual.upper;
        let wanted = match self.direction {
            Direction::Both => true,
            Direction::High => side == Verdict::High,
            Direction::Low => side == Verdict::Low,
        };
        let end = if side == Verdict::High { usual.upper } else { usual.lower };
        let distance = (value - usual.expected).abs();
        let width = (end - usual.expected).abs();
        // Of a band without width only the very value is within.
        let score = if distance <= 0.0 { 0.0 } else { 1.0 / (1.0 + width / distance) };
        (if outside && wanted { side } else { Verdict::Normal }, score)
    }
}

/// Why a point is flagged, in plain words.
struct Reason {
    value: f64,
    usual: Expectation,
    lower: f64,
    upper: f64,
    coverage: f64,
    verdict: Verdict,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, usual, lower, upper, .. } = *self;
        let side = if self.verdict == Verdict::Low { "low" } else { "high" };
        let distance = (value - usual.expected).abs();
        write!(f, "{} is {side}: ", Short(value))?;
        if usual.sigma > 0.0 {
            write!(f, "{:.1} robust sigmas", distance / usual.sigma)?;
        } else {
            write!(f, "{}", Short(distance))?;
        }
        write!(f, " from the {} expected at this time", Short(usual.expected))?;
        let share = Short(100.0 * self.coverage);
        match (lower.is_finite(), upper.is_finite()) {
            (true, true) => {
                write!(f, "; {share} % of ordinary points lie from {} to {}", Short(lower), Short(upper))
            }
            (true, false) => write!(f, "; normal is at least {}", Short(lower)),
            (false, true) => write!(f, "; normal is up to {}", Short(upper)),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
