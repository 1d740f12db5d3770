//! The query model: what a saved query may say, its defaults, and how old ones are brought up to date.
//!
//! Input is the JSON Grafana saved for one refId. Alert rules never run frontend code, so everything an empty query
//! `{}` needs is filled in here. The result, [`Query`], cannot be wrong: every number is in its range and every name
//! exists, except the options of source and detector, which their own kinds parse (`source`, `detector`).

mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod length;
pub(crate) mod macros;
mod rules;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

pub use filter::{AdhocFilter, FilterOperator};
pub(crate) use length::{check_json, check_text};
pub(crate) use macros::check_expanded;
pub use macros::{MacroValues, expand, expand_with};
pub use outrider_detect::options::{
    DEFAULT_REFIT, DEFAULT_WINDOW, Direction, DurationMs, Finite, Interval, Kind, NotNegative, OptionsEntry,
    Parsed, Positive, Ratio, Real, UpTo, Whole, duration_schema, parse_options,
};
pub use rules::{MinDeviation, Mute, RULES, Rules, ValidRange};

use crate::error::{Category, Error, Result};

/// Version of the query schema that this build writes and reads; [`migrate`] lifts older ones.
pub const SCHEMA_VERSION: u64 = 1;

/// One validated query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which upstream and what to ask of it; `kind` is `None` where the data source's own kind is meant.
    pub source: Kind,
    /// Which detector and its options; `kind` is `None` for the default detector.
    pub detector: Kind,
    /// Which side of the expected value may be flagged.
    pub direction: Direction,
    /// What a point is judged against, as far as the query says.
    pub training: AskedTraining,
    /// Grid step asked of the upstream.
    pub step: Step,
    /// For how long, in ms, the newest points are left out, because they may still change; `None` as the data source says.
    pub settle_ms: Option<i64>,
    /// What is done to the values before they are judged and shown.
    pub transform: Transform,
    /// What is returned.
    pub output: Output,
    /// What an alert rule sees where points are missing.
    pub missing: Missing,
    /// What counts besides the detector's verdict.
    pub rules: Rules,
}

/// What is done to the values before they are judged and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// Values as they are.
    #[default]
    #[schemars(title = "As they are")]
    None,
    /// Counters become rates: the rise per second since the point before, a fall being a reset to zero. Where that leaves
    /// open whether the rise was a whole one the rate is unknown.
    #[schemars(title = "Rate")]
    Rate,
}

/// What a point is judged against, as far as a query says; what it leaves open is the detector's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedTraining {
    /// See [`Training::VisibleRange`].
    VisibleRange,
    /// See [`Training::Window`].
    Window {
        /// Length of the history one model learns from, in ms.
        window_ms: Option<i64>,
        /// Length of a block, in ms.
        refit_ms: Option<i64>,
    },
}

impl AskedTraining {
    /// The training with what is left open taken from `own`: the lengths of window and block in ms.
    #[must_use]
    pub fn settle(self, own: (i64, i64)) -> Training {
        let clamp =
            |ms: i64, (min, max): (DurationMs, DurationMs)| ms.clamp(min.as_millis(), max.as_millis());
        match self {
            Self::VisibleRange => Training::VisibleRange,
            Self::Window { window_ms, refit_ms } => Training::Window {
                window_ms: window_ms.unwrap_or_else(|| clamp(own.0, WINDOW_RANGE)),
                refit_ms: refit_ms.unwrap_or_else(|| clamp(own.1, REFIT_RANGE)),
            },
        }
    }
}

impl From<Training> for AskedTraining {
    fn from(training: Training) -> Self {
        match training {
            Training::VisibleRange => Self::VisibleRange,
            Training::Window { window_ms, refit_ms } => {
                Self::Window { window_ms: Some(window_ms), refit_ms: Some(refit_ms) }
            }
        }
    }
}

/// What a point is judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Training {
    /// The points of the visible range themselves: for a quick look. The verdict changes with the range.
    VisibleRange,
    /// Blocks of `refit_ms` aligned to the epoch; each is judged by a model of the `window_ms` before it begins.
    Window {
        /// Length of the history one model learns from, in ms.
        window_ms: i64,
        /// Length of a block, in ms.
        refit_ms: i64,
    },
}

/// Grid step asked of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The upstream's own step where it has one, else [`AskedTraining::auto_step_ms`].
    Auto,
    /// Fixed, in ms.
    Fixed(i64),
}

/// What an alert rule, and [`Output::Alert`], sees where points are missing that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Nothing; and nothing of a series whose newest points are missing, so that the rule's own setting for no data counts.
    #[default]
    #[schemars(title = "No data")]
    NoData,
    /// 1, as of an outlier.
    #[schemars(title = "Outlier")]
    Outlier,
    /// 0, as of any point that is no outlier.
    #[schemars(title = "Normal")]
    Normal,
}

/// What is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Values, expected values, band, outliers and score of every series, and the events as annotations: `time`, `value`,
    /// `expected`, `lower`, `upper`, `anomaly` (the value where flagged), `outlier` (0 or 1), `score`. For time series
    /// panels.
    #[default]
    #[schemars(title = "Everything")]
    All,
    /// One state a point: 0 Normal, 1 High, −1 Low, 2 Missing, 3 Muted. For state timelines.
    #[schemars(title = "State")]
    State,
    /// One row an event: `time`, `timeEnd`, `title`, `text` (the reason), `tags`, `id`, `series`, `value`, `expected`,
    /// `score`, `direction`; tables hide `tags` and `id`. For annotations and tables.
    #[schemars(title = "Events")]
    Events,
    /// The score alone, 0 to 1: of isolation forests about 0.5 is normal; of `auto` it is below 0.5 unless flagged, and
    /// about 0.1 at ordinary points. For time series panels.
    #[schemars(title = "Score")]
    Score,
    /// One row a series, the most conspicuous first: `time`, `series`, `state`, `seriesScore` (of `peers`),
    /// `contribution` (of `joint`), `flagged`, `score`, `worst`, `reason` and the labels. For tables.
    #[schemars(title = "Series")]
    Series,
    /// One series for each upstream series, of `joint` for each group, labelled and without nulls: 1 where there is an outlier, else 0. For
    /// expressions in dashboards of Grafana 9.
    #[schemars(title = "Alert")]
    Alert,
    /// The upstream's own annotations, where it has some (`simple-json`); nothing is judged.
    #[schemars(title = "Annotations of the upstream")]
    Annotations,
}

const WINDOW_RANGE: (DurationMs, DurationMs) = (DurationMs::from_minutes(1), DurationMs::from_days(400));
const REFIT_RANGE: (DurationMs, DurationMs) = (DurationMs::from_minutes(1), DurationMs::from_days(31));
/// How long the newest points may be left out.
pub(crate) const SETTLE_RANGE: (DurationMs, DurationMs) =
    (DurationMs::from_millis(0), DurationMs::from_days(1));
/// How long points may have to stay out of the ordinary.
const DURATION_RANGE: (DurationMs, DurationMs) = (DurationMs::from_millis(0), DurationMs::from_days(31));
const STEP_RANGE: (DurationMs, DurationMs) = (DurationMs::from_millis(1), DurationMs::from_days(31));

impl AskedTraining {
    /// The step of a query that leaves it open and whose upstream has none of its own: about 2,000 points a training
    /// window, rounded up to a step people use. It depends on the query only, never on the panel, so that zooming
    /// does not change the data under the verdict. `visible_ms` and `max_points` are looked at for
    /// [`AskedTraining::VisibleRange`] only.
    #[must_use]
    pub fn auto_step_ms(&self, visible_ms: i64, max_points: usize) -> i64 {
        const POINTS_PER_WINDOW: i64 = 2_016;
        match self {
            Self::Window { window_ms, .. } => {
                nice_step_ms(window_ms.unwrap_or(DEFAULT_WINDOW.as_millis()) / POINTS_PER_WINDOW)
            }
            Self::VisibleRange => {
                nice_step_ms(visible_ms / i64::try_from(max_points.max(1)).unwrap_or(i64::MAX))
            }
        }
    }
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps people use, up to a day.
const NICE: [i64; 19] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
];

/// The commonly used step, in whole days above one, that is nearest to `ms` in proportion.
pub(crate) fn usual_step_ms(ms: i64) -> i64 {
    let above = nice_step_ms(ms);
    let below = if above > DAY {
        ms.max(DAY) / DAY * DAY
    } else {
        NICE.into_iter().rfind(|step| *step <= ms).unwrap_or(SECOND)
    };
    // Nearer to the lower one if their geometric mean is above it.
    let is_below = i128::from(ms) * i128::from(ms) < i128::from(below) * i128::from(above);
    if is_below { below } else { above }
}

/// The shortest commonly used step that is no shorter than `at_least_ms`.
fn nice_step_ms(at_least_ms: i64) -> i64 {
    NICE.into_iter().find(|step| *step >= at_least_ms).unwrap_or_else(|| {
        let days = at_least_ms / DAY + i64::from(at_least_ms % DAY != 0);
        days.saturating_mul(DAY)
    })
}

impl Query {
    /// Understands the saved JSON of one query; `{}`, `null` and nothing at all are the default query.
    ///
    /// # Errors
    /// [`Category::Query`] naming the option, what is wrong with it and what is allowed, [`Category::Limit`] if it is too
    /// long. The JSON itself is never repeated in the message.
    pub fn parse(json: &[u8]) -> Result<Self> {
        check_json("the query", json)?;
        let text = json.trim_ascii();
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(text).map_err(|error| {
                Error::new(
                    Category::Query,
                    format!(
                        "the query is not valid JSON at line {}, column {}",
                        error.line(),
                        error.column()
                    ),
                )
                .hint("open the query in the editor and save it again")
            })?
        };
        let value = migrate(value)?;
        length::check(&value)?;
        let wire: WireQuery = parse_options("", &value)?;
        wire.validate()
    }
}

/// What a query says beside its source and its detector, and which these are: see `WireQuery`.
pub(crate) const QUERY_OPTIONS: OptionsEntry = OptionsEntry::of::<WireQuery>();

/// The query as it is on the wire. Grafana's own keys (`refId`, `datasource`, `hide`, …) are ignored. The doc comments
/// are the user documentation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct WireQuery {
    /// Where the series come from.
    #[schemars(title = "Source", extend("x-empty" = "the upstream in the data source settings"))]
    source: Kind,
    /// How outliers are told from ordinary points.
    #[schemars(title = "Detector", extend("x-empty" = "`auto`"))]
    detector: Kind,
    /// The side on which a point may be an outlier: above what is expected, below it, or both.
    #[schemars(title = "Direction")]
    direction: Direction,
    /// What the models are trained on. With the window before, a point has the same verdict in every panel, alert rule and
    /// zoom.
    #[schemars(title = "Train on")]
    training: WireTraining,
    /// Length of the history that a model is trained on; it ends where the points that it judges begin. `auto` is what
    /// suits the detector and the points: for `auto` 4,032 points, but at least 14d where these are no more than 20,160
    /// points; for the others 7d, but at least 168 points.
    #[schemars(title = "Training window", schema_with = "window_schema", extend("x-when" = { "training": ["window"] }))]
    training_window: WireLength,
    /// How long a model judges before the next one is trained. `auto` is 12 points for the detector `auto`, but at least
    /// 1h where these are no more than 60 points; 1d for the others.
    #[schemars(title = "Refit every", schema_with = "refit_schema", extend("x-when" = { "training": ["window"] }))]
    refit_interval: WireLength,
    /// Distance of the points that the upstream is asked for. `auto` is the upstream's own, else about 1/2000 of the
    /// training window, rounded: 5m for 7d. Upstreams that do not aggregate answer with the points they have; what is
    /// `auto` or counted in points then goes by their distance, with a fixed step if it is longer than that.
    #[schemars(title = "Step", schema_with = "step_schema")]
    step: WireStep,
    /// For how long the newest points are left out, neither shown nor judged nor missing, because late data may still
    /// change them. `auto` is the setting of the data source. Where the upstream itself may change its newest points (a
    /// negative `offset` in PromQL, older versions of VictoriaMetrics), they are left out for at least that long, and a
    /// notice says so.
    #[schemars(title = "Settle", schema_with = "settle_schema")]
    settle: WireLength,
    /// What is judged and shown: the values as they are, or, for counters, their rise. The automatic detector judges
    /// counters by their rise in both cases.
    #[schemars(title = "Values")]
    transform: Transform,
    /// What comes back. Alert rules get one number a series whatever is chosen: the score, the state, or else the outlier
    /// flag.
    #[schemars(title = "Output")]
    output: Output,
    /// What an alert rule, and the output Alert, sees where points are missing that should be there.
    #[schemars(title = "Missing points")]
    missing: Missing,
    /// How far a value is from what is expected at least to be an outlier; the band is as wide at least.
    #[schemars(title = "Min deviation")]
    min_deviation: MinDeviation,
    /// The values that are possible. Any other is an outlier at once, whatever the detector says; expected values and bands
    /// stay within.
    #[schemars(title = "Valid range")]
    valid_range: ValidRange,
    /// Points in a row that are out of the ordinary before the last of them is flagged.
    #[schemars(title = "Min points", extend("x-unit" = "points"))]
    min_points: Whole<0, 1_000>,
    /// How long points are out of the ordinary before they are flagged. Alert rules wait for it too.
    #[schemars(title = "Min duration", schema_with = "min_duration_schema")]
    min_duration: WireDuration,
    /// Times at which nothing is flagged: days or dates, times, and a time zone, such as `Sun 02:00-04:00 Europe/Berlin` or
    /// `12-24..12-26`.
    #[schemars(title = "Mute", extend("x-empty" = "none"))]
    mute: Vec<Mute>,
}

fn min_duration_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(DURATION_RANGE, Some(NONE))
}

fn window_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(WINDOW_RANGE, Some(AUTO))
}

fn refit_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(REFIT_RANGE, Some(AUTO))
}

fn step_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(STEP_RANGE, Some(AUTO))
}

/// Of how long the newest points are left out.
pub(crate) fn settle_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(SETTLE_RANGE, Some(AUTO))
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WireTraining {
    /// A point never trains the model that judges it.
    #[default]
    #[schemars(title = "Window before")]
    Window,
    /// For a quick look at what is shown: the verdicts change with the zoom.
    #[schemars(title = "Visible range")]
    VisibleRange,
}

/// The word for what suits the detector, the upstream or the data source.
pub(crate) const AUTO: &str = "auto";

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct WireStep(Step);

impl Serialize for WireStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Step::Auto => serializer.serialize_str(AUTO),
            Step::Fixed(step_ms) => DurationMs::from_millis(step_ms).serialize(serializer),
        }
    }
}

impl TryFrom<String> for WireStep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "" | AUTO => Ok(Self(Step::Auto)),
            fixed => Ok(Self(Step::Fixed(fixed.parse::<DurationMs>()?.as_millis()))),
        }
    }
}

/// A duration, or `auto` for what suits the detector.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct WireLength(Option<DurationMs>);

impl Serialize for WireLength {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str(AUTO),
            Some(length) => length.serialize(serializer),
        }
    }
}

impl TryFrom<String> for WireLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "" | AUTO => Ok(Self(None)),
            length => Ok(Self(Some(length.parse()?))),
        }
    }
}

/// The word for no duration.
const NONE: &str = "none";

/// A duration, or `none`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct WireDuration(Option<DurationMs>);

impl Serialize for WireDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(length) => serializer.collect_str(&length),
            None => serializer.serialize_str(NONE),
        }
    }
}

impl TryFrom<String> for WireDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim() {
            "" | NONE => Ok(Self(None)),
            length => Ok(Self(Some(length.parse()?))),
        }
    }
}

impl Default for WireQuery {
    fn default() -> Self {
        Self {
            source: Kind::default(),
            detector: Kind::default(),
            direction: Direction::default(),
            training: WireTraining::default(),
            training_window: WireLength(None),
            refit_interval: WireLength(None),
            step: WireStep(Step::Auto),
            settle: WireLength(None),
            transform: Transform::default(),
            output: Output::default(),
            missing: Missing::default(),
            min_deviation: MinDeviation::default(),
            valid_range: ValidRange::default(),
            min_points: Whole::constant(0),
            min_duration: WireDuration(None),
            mute: Vec::new(),
        }
    }
}

impl WireQuery {
    fn validate(self) -> Result<Query> {
        let length = |name: &str, length: WireLength, range| {
            length.0.map(|length| in_range(name, length, range)).transpose()
        };
        let window_ms = length("trainingWindow", self.training_window, WINDOW_RANGE)?;
        let refit_ms = length("refitInterval", self.refit_interval, REFIT_RANGE)?;
        let settle_ms = length("settle", self.settle, SETTLE_RANGE)?;
        if let Step::Fixed(step_ms) = self.step.0 {
            in_range("step", DurationMs::from_millis(step_ms), STEP_RANGE)?;
        }
        Ok(Query {
            source: self.source,
            detector: self.detector,
            direction: self.direction,
            training: match self.training {
                WireTraining::Window => AskedTraining::Window { window_ms, refit_ms },
                WireTraining::VisibleRange => AskedTraining::VisibleRange,
            },
            step: self.step.0,
            settle_ms,
            transform: self.transform,
            output: self.output,
            missing: self.missing,
            rules: Rules {
                min_deviation: self.min_deviation,
                valid_range: self.valid_range.validate()?,
                min_points: self.min_points.get(),
                min_duration_ms: length("minDuration", WireLength(self.min_duration.0), DURATION_RANGE)?
                    .unwrap_or(0),
                mute: rules::checked(self.mute)?,
            },
        })
    }
}

fn in_range(name: &str, value: DurationMs, (min, max): (DurationMs, DurationMs)) -> Result<i64> {
    if (min..=max).contains(&value) {
        return Ok(value.as_millis());
    }
    Err(Error::new(Category::Query, format!("{name} is {value}, outside {min} to {max}"))
        .hint(format!("set {name} to a duration in that range")))
}

/// Lifts the JSON of an older query to the current schema; the single place that knows old shapes.
///
/// # Errors
/// [`Category::Query`] if the JSON is not an object, or comes from a newer schema than this build knows.
pub fn migrate(value: Value) -> Result<Value> {
    let object = match value {
        Value::Null => Map::new(),
        Value::Object(object) => object,
        _ => {
            return Err(Error::new(Category::Query, "the query is not a JSON object")
                .hint("open the query in the editor and save it again"));
        }
    };
    match object.get("version") {
        None | Some(Value::Null) => {}
        Some(version) if version.as_u64().is_some_and(|version| (1..=SCHEMA_VERSION).contains(&version)) => {}
        Some(version) => {
            return Err(Error::new(
                Category::Query,
                format!(
                    "the query has schema version {version}, and this plugin knows 1 to {SCHEMA_VERSION}"
                ),
            )
            .hint("update the plugin, or open the query in the editor and save it again"));
        }
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Query> {
        Query::parse(json.as_bytes())
    }

    #[test]
    fn nothing_typed_is_the_default_query() {
        let default = parse("{}").unwrap();
        assert_eq!(default.training, AskedTraining::Window { window_ms: None, refit_ms: None });
        let auto = parse(r#"{"trainingWindow":"auto","refitInterval":""}"#).unwrap();
        assert_eq!(auto.training, default.training);
        assert_eq!(default.output, Output::All);
        for json in ["", "null", r#"{"version":1}"#, r#"{"refId":"A","datasource":{"uid":"x"},"hide":false}"#]
        {
            assert_eq!(parse(json).unwrap(), default, "{json}");
        }
    }

    #[test]
    fn every_option_is_read() {
        let query = parse(
            r#"{"source":{"kind":"generator","seed":1},"detector":{"kind":"isolation-forest"},"direction":"high",
                "training":"visible-range","step":"1m","transform":"rate","output":"events"}"#,
        )
        .unwrap();
        assert_eq!(query.source.kind(), Some("generator"));
        assert_eq!(query.source.options()["seed"], 1);
        assert_eq!(query.training, AskedTraining::VisibleRange);
        assert_eq!(query.step, Step::Fixed(60_000));
        assert_eq!(query.transform, Transform::Rate);
        assert_eq!(query.output, Output::Events);
        assert_eq!(query.direction, Direction::High);
    }

    #[test]
    fn a_wrong_option_is_named_with_what_exists() {
        for (json, needles) in [
            (r#"{"output":"everything"}"#, &["output", "all", "score"][..]),
            (r#"{"transform":"log"}"#, &["transform", "none", "rate"]),
            (r#"{"trainingWindow":"5 bananas"}"#, &["trainingWindow", "7d"]),
            (r#"{"trainingWindow":"1s"}"#, &["trainingWindow is 1s", "1m to 400d"]),
            (r#"{"refitInterval":"0m"}"#, &["refitInterval", "1m to 31d"]),
            (r#"{"source":[]}"#, &["source"]),
            (r#"{"version":99}"#, &["version 99"]),
            ("[]", &["not a JSON object"]),
            (r#"{"a":"#, &["not valid JSON at line 1"]),
        ] {
            let error = parse(json).unwrap_err();
            assert_eq!(error.category(), Category::Query);
            for needle in needles {
                assert!(error.to_string().contains(needle), "{json}: {error} lacks {needle}");
            }
        }
    }

    #[test]
    fn the_automatic_step_follows_the_window_and_not_the_panel() {
        let week = AskedTraining::Window { window_ms: None, refit_ms: None };
        assert_eq!(week.auto_step_ms(3_600_000, 100), 300_000);
        assert_eq!(week.auto_step_ms(86_400_000, 5_000), 300_000);
        assert_eq!(AskedTraining::VisibleRange.auto_step_ms(21_600_000, 360), 60_000);
        assert_eq!(nice_step_ms(0), 1_000);
        assert_eq!(nice_step_ms(86_400_001), 2 * 86_400_000);
        assert_eq!(nice_step_ms(i64::MAX), i64::MAX, "no range is too long");
    }

    #[test]
    fn a_distance_is_that_of_the_nearest_usual_step() {
        for (ms, nearest) in [
            (0, SECOND),
            (299_998, 5 * MINUTE),
            (301_500, 5 * MINUTE),
            (7 * MINUTE, 5 * MINUTE),
            (8 * MINUTE, 10 * MINUTE),
            (4 * HOUR, 4 * HOUR),
            (23 * HOUR, DAY),
            (DAY + HOUR, DAY),
            (7 * DAY - HOUR, 7 * DAY),
        ] {
            assert_eq!(usual_step_ms(ms), nearest, "{ms}");
        }
        assert_eq!(usual_step_ms(i64::MAX), i64::MAX);
    }
}
