//! The embedded upstream: made-up series that need no network and know their own outliers.
//!
//! Every value is a pure function of (seed, series, timestamp): two panels, two ranges and two replicas see the same
//! data. Times are the multiples of the step since the epoch. The true labels come along on request, which makes
//! demos and tests honest.

use std::f64::consts::TAU;
use std::ops::{Bound, Range};

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Choice, FetchRequest, Fetched, Question, Reached, Source, decoded};
use crate::budget::{self, Checkpoints};
use crate::error::{Category, Error, Result};
use crate::query::{DurationMs, Finite, Interval, NotNegative, Real, duration_schema};
use crate::series::{Labels, Series};
use crate::settings::Settings;

/// The embedded generator. It has no settings.
#[derive(Debug, Clone, Copy)]
pub struct Generator;

/// Shares of points that may be outliers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutlierShares {}

impl Interval for OutlierShares {
    const LOW: Bound<f64> = Bound::Included(0.0);
    const HIGH: Bound<f64> = Bound::Included(0.5);
}

/// How long a wave may be.
const PERIOD_RANGE: (DurationMs, DurationMs) = (DurationMs::from_millis(1_000), DurationMs::from_days(400));

fn period_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(PERIOD_RANGE, None)
}

/// What a query can say to the generator. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// The series to make, one or more.
    #[schemars(title = "Series")]
    pub series: Vec<Shape>,
    /// Start of the random numbers. The same seed makes the same series, always.
    #[schemars(title = "Data seed")]
    pub seed: u64,
    /// Adds a field that is 1 where an outlier was put and 0 elsewhere, to judge a detector by.
    #[schemars(title = "Truth")]
    pub truth: bool,
    /// The value that the median series lies around.
    #[schemars(title = "Median", extend("x-when" = { "series": ["median"] }))]
    pub median: Real<Finite>,
    /// How far ordinary points of the median series stray from the median, to both sides.
    #[schemars(title = "Spread", extend("x-when" = { "series": ["median"] }))]
    pub err: Real<NotNegative>,
    /// How far outliers of the median series lie outside the ordinary points, at most.
    #[schemars(title = "Outlier spread", extend("x-when" = { "series": ["median"] }))]
    pub outlier_err: Real<NotNegative>,
    /// The share of points that are outliers, half of them below and half above.
    #[schemars(title = "Outlier share", extend("x-when" = { "series": ["median", "sine", "cosine"] }))]
    pub outlier_share: Real<OutlierShares>,
    /// The length of one wave of sine and cosine.
    #[schemars(title = "Period", schema_with = "period_schema", extend("x-when" = { "series": ["sine", "cosine"] }))]
    pub period: DurationMs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            series: vec![Shape::WebTraffic],
            seed: 42,
            truth: false,
            median: Real::constant(10.0),
            err: Real::constant(4.0),
            outlier_err: Real::constant(15.0),
            outlier_share: Real::constant(0.05),
            period: DurationMs::from_days(1),
        }
    }
}

/// A series the generator can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Requests a second of a web site with days and weeks, a slow trend, level shifts, gaps, and a spike or a drop to zero a
    /// week.
    #[schemars(title = "Web traffic")]
    WebTraffic,
    /// Uniform noise around a median, with outliers outside it.
    #[schemars(title = "Median with outliers")]
    Median,
    /// A noisy sine wave with outliers.
    #[schemars(title = "Sine wave")]
    Sine,
    /// A noisy cosine wave with outliers.
    #[schemars(title = "Cosine wave")]
    Cosine,
}

impl Shape {
    /// The default comes first.
    const ALL: [Self; 4] = [Self::WebTraffic, Self::Median, Self::Sine, Self::Cosine];

    fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Sine => "sine",
            Self::Cosine => "cosine",
            Self::WebTraffic => "web-traffic",
        }
    }

    fn unit(self) -> Option<String> {
        (self == Self::WebTraffic).then(|| "reqps".to_owned())
    }
}

/// The series there are, as the schema has them.
fn shapes() -> Vec<Choice> {
    let schema = schemars::schema_for!(Shape);
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('\n', " ");
    let all = schema.get("oneOf").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .map(|shape| Choice {
            value: text(&shape["const"]),
            label: text(&shape["title"]),
            description: text(&shape["description"]),
        })
        .collect()
}

/// Step of a query that leaves it open.
const DEFAULT_STEP: DurationMs = DurationMs::from_minutes(15);

/// The same with web traffic among the series, whose incidents are too short to be seen every 15 minutes.
const WEB_TRAFFIC_STEP: DurationMs = DurationMs::from_minutes(5);

/// The most points one query may make, over all its series.
const MAX_POINTS: i64 = 5_000_000;

#[async_trait]
impl Source for Generator {
    const KIND: &'static str = "generator";
    const LABEL: &'static str = "Generator";
    const DESCRIPTION: &'static str = "Made-up series with known outliers; needs no network";
    type Options = Options;
    /// Made anew in less time than a look-up of as many points takes.
    const WORTH_KEEPING: bool = false;

    fn connect(_settings: &Settings) -> Result<Self> {
        Ok(Self)
    }

    fn default_step_ms(&self, options: &Options) -> Option<i64> {
        let step = if options.series.contains(&Shape::WebTraffic) { WEB_TRAFFIC_STEP } else { DEFAULT_STEP };
        Some(step.as_millis())
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        options.validate()?;
        let wanted = request.max_points().saturating_mul(options.series.len().max(1) as i64);
        if wanted > MAX_POINTS {
            return Err(Error::new(
                Category::Limit,
                format!(
                    "the generator was asked for {wanted} points, and makes at most {MAX_POINTS} a query"
                ),
            )
            .hint("choose a shorter time range, a shorter trainingWindow, a longer step or fewer series"));
        }
        let (options, request) = (options.clone(), *request);
        // Three columns, of which all are there while the last is made.
        let bytes = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_mul(3 * size_of::<f64>());
        let _held = budget::account().take(bytes, "the points of the generator")?;
        // Making millions of points takes a while, and the async threads are for waiting.
        let (fetched, _) = decoded("the generator", move || Ok(generate(&options, &request))).await?;
        Ok(fetched)
    }

    async fn check(&self) -> Result<Reached> {
        let names: Vec<&str> = Shape::ALL.iter().map(|shape| shape.name()).collect();
        Ok(Reached {
            message: format!("Generator ready: {} series, no network needed", names.len()),
            details: format!("Series: {}", names.join(", ")),
        })
    }

    const QUESTIONS: &'static [&'static str] = &["series"];

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        Ok((question.name() == "series").then(|| question.choose(shapes())))
    }
}

impl Options {
    fn validate(&self) -> Result<()> {
        let wrong = |option: &str, must: &str| {
            Err(Error::new(Category::Query, format!("option source.{option} must be {must}"))
                .hint("correct the option in the query editor"))
        };
        let (min, max) = PERIOD_RANGE;
        if !(min..=max).contains(&self.period) {
            return wrong("period", &format!("from {min} to {max}"));
        }
        Ok(())
    }
}

/// Makes every series of `options` on the multiples of the step within the range.
fn generate(options: &Options, request: &FetchRequest) -> Fetched {
    let step_ms = request.step_ms.max(1);
    let mut shapes = options.series.clone();
    let mut seen = Vec::new();
    shapes.retain(|shape| !seen.contains(shape) && (seen.push(*shape), true).1);
    let series = shapes.iter().map(|shape| make(*shape, options, request, step_ms)).collect();
    let names: Vec<&str> = shapes.iter().map(|shape| shape.name()).collect();
    Fetched {
        series,
        step_ms: Some(step_ms),
        executed: format!(
            "generator series={} seed={} step={} from={} to={}",
            names.join(","),
            options.seed,
            DurationMs::from_millis(step_ms),
            request.range.from_ms,
            request.range.to_ms
        ),
        ..Fetched::default()
    }
}

fn make(shape: Shape, options: &Options, request: &FetchRequest, step_ms: i64) -> Series {
    let first =
        request.range.from_ms.div_euclid(step_ms) + i64::from(request.range.from_ms.rem_euclid(step_ms) != 0);
    let last = request.range.to_ms.div_euclid(step_ms);
    let capacity = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0);
    let (mut times, mut values, mut truth) =
        (Vec::with_capacity(capacity), Vec::with_capacity(capacity), Vec::with_capacity(capacity));
    let dice = Dice::new(options.seed, shape);
    let mut checkpoints = Checkpoints::default();
    for slot in first..=last {
        checkpoints.step();
        let time = slot * step_ms;
        let point = match shape {
            Shape::Median => Some(median_point(options, dice, time)),
            Shape::Sine => Some(wave_point(options, dice, time, 0.0)),
            Shape::Cosine => Some(wave_point(options, dice, time, 0.25)),
            Shape::WebTraffic => web_traffic_point(dice, time),
        };
        if let Some(point) = point {
            times.push(time);
            values.push(point.value);
            truth.push(f64::from(u8::from(point.outlier)));
        }
    }
    Series {
        name: shape.name().to_owned(),
        labels: Labels::from([("series".to_owned(), shape.name().to_owned())]),
        unit: shape.unit(),
        times,
        values,
        truth: options.truth.then_some(truth),
    }
}

struct Point {
    value: f64,
    outlier: bool,
}

/// Normal values: median ± err. Outliers: beyond that by up to `outlierErr`, half below and half above.
fn median_point(options: &Options, dice: Dice, time: i64) -> Point {
    let outlier = dice.roll(time, "is outlier") < options.outlier_share.get();
    let sign = dice.sign(time, "side");
    let size = dice.roll(time, "size");
    let distance =
        if outlier { options.err.get() + options.outlier_err.get() * size } else { options.err.get() * size };
    Point { value: options.median.get() + sign * distance, outlier }
}

/// A wave of amplitude 1 with uniform noise of ± 0.1; outliers are off by 0.6 to 1.6.
fn wave_point(options: &Options, dice: Dice, time: i64, phase: f64) -> Point {
    let period = options.period.as_millis();
    // Reduced before it becomes a float: a century in ms would leave few digits for the phase.
    let turn = time.rem_euclid(period) as f64 / period as f64 + phase;
    let noise = 0.1 * (2.0 * dice.roll(time, "noise") - 1.0);
    let outlier = dice.roll(time, "is outlier") < options.outlier_share.get();
    let off = if outlier { dice.sign(time, "side") * (0.6 + dice.roll(time, "size")) } else { 0.0 };
    Point { value: (TAU * turn).sin() + noise + off, outlier }
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Requests a second, or `None` in a gap.
///
/// Every week has one incident, by turns a spike and a drop to zero: rare enough that a detector that learns from two
/// weeks does not get used to it. Every fourth week has a gap as well. In three of ten months the level shifts for one
/// to three days; the first hours of a shift are labelled as outliers, since later ones are the new normal.
fn web_traffic_point(dice: Dice, time: i64) -> Option<Point> {
    let (day, in_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    // 1970-01-01 was a Thursday, so day 2 after it was a Saturday.
    let weekend = matches!((day + 4).rem_euclid(7), 6 | 0);
    let hour = in_day as f64 / HOUR as f64;
    // Two humps, before noon and in the evening, over a night-time base.
    let hump = |centre: f64, width: f64| (-((hour - centre) / width).powi(2)).exp();
    let daily = 0.25 + 0.75 * hump(11.0, 3.5) + 0.9 * hump(20.0, 3.0) + 0.2 * hump(-4.0, 3.0);
    let weekly = if weekend { 0.7 } else { 1.0 };
    let trend = 1.0 + 0.15 * (TAU * (time.rem_euclid(400 * DAY)) as f64 / (400 * DAY) as f64).sin();
    // The sum of three uniforms is close enough to a normal distribution, and bounded.
    let noise = dice.roll(time, "noise a") + dice.roll(time, "noise b") + dice.roll(time, "noise c") - 1.5;
    let (level, shift_onset) = level_shift(dice, day, time);
    let value = 120.0 * daily * weekly * trend * level * (1.0 + 0.06 * noise);

    // The week of the incident that a gap follows three days later.
    let before = time - 3 * DAY;
    let gap_week = before.div_euclid(7 * DAY);
    if gap_week.rem_euclid(4) == 3 && incident_time(dice, gap_week).contains(&before) {
        return None;
    }
    // Weeks begin on the epoch's weekday, a Thursday.
    let week = day.div_euclid(7);
    if !incident_time(dice, week).contains(&time) {
        return Some(Point { value, outlier: shift_onset });
    }
    let factor = if week % 2 == 0 { 3.0 + 1.5 * dice.roll(week, "spike size") } else { 0.0 };
    Some(Point { value: value * factor, outlier: true })
}

/// When a week has its incident: on its third to fifth day, so that the next is days away, for 30 to 90 minutes that begin
/// between 08:00 and 20:00.
fn incident_time(dice: Dice, week: i64) -> Range<i64> {
    let day = 7 * week + 2 + (dice.roll(week, "incident day") * 3.0) as i64;
    let start = day * DAY + 8 * HOUR + (dice.roll(week, "incident start") * (12 * HOUR) as f64) as i64;
    start..start + 30 * MINUTE + (dice.roll(week, "incident length") * HOUR as f64) as i64
}

/// Factor of the current level, and whether it has just shifted (within four hours).
fn level_shift(dice: Dice, day: i64, time: i64) -> (f64, bool) {
    let month = day.div_euclid(30);
    if dice.roll(month, "shift") >= 0.3 {
        return (1.0, false);
    }
    let begin = month * 30 * DAY + (dice.roll(month, "shift start") * (26 * DAY) as f64) as i64;
    let length = DAY + (dice.roll(month, "shift length") * (2 * DAY) as f64) as i64;
    if !(begin..begin + length).contains(&time) {
        return (1.0, false);
    }
    (1.35 + 0.3 * dice.roll(month, "shift size"), time - begin < 4 * HOUR)
}

/// Random numbers that are a pure function of (seed, series, what they are for, when).
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, shape: Shape) -> Self {
        Self(mix(seed ^ hash_name(shape.name())))
    }

    /// Uniform in [0, 1).
    fn roll(self, when: i64, purpose: &str) -> f64 {
        let bits = mix(mix(self.0 ^ hash_name(purpose)).wrapping_add(when as u64));
        // The 53 highest bits fill a double's mantissa.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn sign(self, when: i64, purpose: &str) -> f64 {
        if self.roll(when, purpose) < 0.5 { -1.0 } else { 1.0 }
    }
}

/// The output function of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// FNV-1a, 64 bits; `const` so that purposes cost nothing at run time.
const fn hash_name(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::{Value, json};

    use super::*;
    use crate::query::Kind;
    use crate::series::TimeRange;

    fn fetched(json: Value, from_ms: i64, to_ms: i64, step_ms: i64) -> Vec<Series> {
        let options: Options = serde_json::from_value(json).unwrap();
        options.validate().unwrap();
        generate(&options, &FetchRequest { range: TimeRange { from_ms, to_ms }, step_ms }).series
    }

    const T0: i64 = 1_750_000_000_000;

    #[test]
    fn median_has_the_articles_shares_and_bounds() {
        let series =
            &fetched(json!({"series": ["median"], "truth": true}), 0, 20_000 * 15 * MINUTE, 15 * MINUTE)[0];
        let truth = series.truth.as_ref().unwrap();
        let (mut low, mut high) = (0, 0);
        for (value, truth) in series.values.iter().zip(truth) {
            let distance = (value - 10.0).abs();
            if *truth == 1.0 {
                assert!((4.0..=19.0).contains(&distance), "{value}");
                if *value < 10.0 { low += 1 } else { high += 1 }
            } else {
                assert!(distance <= 4.0, "{value}");
            }
        }
        // 20,000 points: 500 a side expected, standard deviation 22.
        assert!((400..=600).contains(&low) && (400..=600).contains(&high), "{low} low, {high} high");
    }

    #[test]
    fn web_traffic_has_every_kind_of_incident_in_a_quarter() {
        let series =
            &fetched(json!({"series": ["web-traffic"], "truth": true}), T0, T0 + 91 * DAY, 15 * MINUTE)[0];
        let truth = series.truth.as_ref().unwrap();
        assert!(series.values.contains(&0.0), "a drop to zero");
        assert!(series.times.windows(2).any(|pair| pair[1] - pair[0] >= 30 * MINUTE), "a gap");
        assert!(series.values.iter().any(|value| *value > 300.0), "a spike");
        let share = truth.iter().sum::<f64>() / truth.len() as f64;
        assert!((0.002..0.02).contains(&share), "{share}");
        let day_mean = |weekday: i64| {
            let values: Vec<f64> = series
                .times
                .iter()
                .zip(&series.values)
                .filter(|(time, _)| (time.div_euclid(DAY) + 4).rem_euclid(7) == weekday)
                .map(|(_, value)| *value)
                .collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        assert!(day_mean(0) < 0.85 * day_mean(2), "Sundays are quieter than Tuesdays");
    }

    #[test]
    fn seeds_and_series_differ() {
        let all = fetched(json!({"series": ["median", "sine", "cosine", "median"]}), T0, T0 + DAY, HOUR);
        assert_eq!(all.len(), 3, "a series asked for twice comes once");
        assert_ne!(all[0].values, all[1].values);
        let other = fetched(json!({"series": ["median"], "seed": 43}), T0, T0 + DAY, HOUR);
        assert_ne!(all[0].values, other[0].values);
    }

    #[tokio::test]
    async fn bad_options_and_too_many_points_are_refused_with_what_to_do() {
        let request = FetchRequest { range: TimeRange { from_ms: 0, to_ms: i64::MAX }, step_ms: 1 };
        let error = Generator.fetch(&Options::default(), &request).await.unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        for (json, option) in [
            (json!({"outlierShare": 0.6}), "outlierShare"),
            (json!({"err": -1}), "source.err"),
            (json!({"outlierErr": -1}), "outlierErr"),
            (json!({"period": "0s"}), "period"),
        ] {
            let kind: Kind = serde_json::from_value(json).unwrap();
            let request = FetchRequest { range: TimeRange { from_ms: 0, to_ms: 1 }, step_ms: 1 };
            let error = match kind.parse::<Options>("source") {
                Ok(parsed) => Generator.fetch(&parsed.options, &request).await.unwrap_err(),
                Err(error) => error.into(),
            };
            assert!(error.to_string().contains(option), "{error}");
        }
    }

    proptest! {
        /// Panning and zooming show the same data: any range is a cut of any larger one.
        #[test]
        fn values_do_not_depend_on_the_range_asked(
            from in -4_000_000_000_000_i64..4_000_000_000_000, before in 0_i64..DAY, after in 0_i64..DAY, seed: u64,
        ) {
            let all = json!({"series": ["median", "sine", "cosine", "web-traffic"], "seed": seed, "truth": true});
            let small = fetched(all.clone(), from, from + 6 * HOUR, 15 * MINUTE);
            let large = fetched(all, from - before, from + 6 * HOUR + after, 15 * MINUTE);
            for (small, large) in small.iter().zip(&large) {
                let cut = large.index_range(from, from + 6 * HOUR + 1);
                prop_assert_eq!(&small.times, &large.times[cut.clone()]);
                prop_assert_eq!(&small.values, &large.values[cut.clone()]);
                prop_assert_eq!(small.truth.as_ref().unwrap(), &large.truth.as_ref().unwrap()[cut]);
            }
        }
    }
}
