//! From verdicts to Grafana's data frames: which fields, names, labels, colours and metadata.
//!
//! Input is an [`Outcome`] and how it shall be shown, output a list of [`Frame`]s; how they become bytes is the
//! plugin's business. Types follow Grafana's dataplane contract: every series frame is `timeseries-multi` version
//! 0.1.

mod annotations;
mod events;
mod points;
mod series;

pub use annotations::annotations;

use serde_json::{Map, Value, json};

use crate::engine::{Detection, Outcome};
use crate::error::shortened;
use crate::query::{DurationMs, Missing, Output, Training};
use crate::series::Labels;

/// The most notices of a frame, and the most of each.
const MAX_NOTICES: usize = 50;
const NOTICE_CHARS: usize = 2_000;
/// The most of what was asked that the query inspector shows.
const EXECUTED_CHARS: usize = 100_000;

/// A table of equally long columns with a name and metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// Shown as the frame's name, for one frame a series.
    pub name: String,
    /// Grafana's `meta` object, as JSON; empty if there is nothing to say.
    pub meta: Map<String, Value>,
    /// The columns.
    pub fields: Vec<Field>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Column name.
    pub name: String,
    /// Labels of the series the column belongs to.
    pub labels: Labels,
    /// Grafana's `config` object, as JSON; empty if there is nothing to say.
    pub config: Map<String, Value>,
    /// The cells.
    pub values: Values,
}

/// The cells of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Instants, ms since the epoch.
    Time(Vec<i64>),
    /// Numbers; NaN is written as null.
    Number(Vec<f64>),
    /// Text.
    Text(Vec<String>),
    /// Yes or no.
    Flag(Vec<bool>),
    /// Lists of texts.
    List(Vec<Vec<String>>),
}

impl Values {
    /// Number of cells.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Time(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::List(values) => values.len(),
        }
    }
}

impl Frame {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.fields.first().map_or(0, |field| field.values.rows())
    }
}

impl Field {
    fn new(name: &str, values: Values) -> Self {
        Self { name: name.to_owned(), labels: Labels::new(), config: Map::new(), values }
    }

    fn time(times: Vec<i64>) -> Self {
        Self::new("time", Values::Time(times))
    }

    fn labelled(mut self, labels: &Labels) -> Self {
        self.labels = labels.clone();
        self
    }

    fn config(mut self, config: Value) -> Self {
        if let Value::Object(config) = config {
            self.config.extend(config);
        }
        self
    }
}

/// How an outcome shall be shown.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// What is returned.
    pub output: Output,
    /// Whether an alert rule or another server-side expression asks: then the frames are those of [`Output::Alert`].
    pub for_expression: bool,
    /// What an alert rule sees where points are missing.
    pub missing: Missing,
    /// How many points the panel can show.
    pub max_data_points: usize,
}

/// The most bytes that rendering and encoding an outcome take, about.
#[must_use]
pub fn bytes(outcome: &Outcome, view: &View) -> usize {
    /// For each point: its columns, before it is known which rows are shown.
    const POINT_BYTES: usize = 64;
    /// For each row: nine columns, as numbers, as Arrow's and as bytes.
    const ROW_BYTES: usize = 9 * 3 * size_of::<f64>();
    /// For each series: labels and configuration of each column, as JSON and as bytes.
    const SERIES_BYTES: usize = 32 * 1024;
    let of_series = |detection: &Detection| {
        let points = detection.series.len() + detection.forecast.len();
        // Thinning keeps the ends, the extremes and what is flagged.
        let thinned = view.max_data_points.saturating_mul(4).saturating_add(detection.reasons.len());
        let rows = if view.for_expression { points } else { points.min(thinned) };
        let reasons: usize = detection.reasons.values().map(String::len).sum();
        SERIES_BYTES + points * POINT_BYTES + rows * ROW_BYTES + 4 * reasons
    };
    outcome.detections.iter().chain(outcome.groups.iter().map(|group| &group.detection)).map(of_series).sum()
}

/// Turns an outcome into frames. There is always at least one, if only one without fields.
#[must_use]
pub fn render(outcome: &Outcome, view: &View) -> Vec<Frame> {
    let series = name_series(outcome.detections.iter());
    let groups = name_series(outcome.groups.iter().map(|group| &group.detection));
    // Series that are judged together share a verdict.
    let judged = if groups.is_empty() { &series } else { &groups };
    let mut frames = match view.output {
        output if view.for_expression => points::alert_frames(judged, output, view.missing),
        Output::Alert => points::alert_frames(judged, Output::Alert, view.missing),
        Output::All => {
            let mut frames = points::all_frames(&series, view.max_data_points);
            frames.extend(points::group_frames(&groups, view.max_data_points));
            frames.extend(events::inline_annotations(judged, shown_ms(&outcome.detections)));
            frames
        }
        Output::State => points::state_frames(judged, view.max_data_points),
        Output::Score => points::score_frames(judged, view.max_data_points),
        // Answered without an outcome: [`annotations`].
        Output::Annotations => Vec::new(),
        Output::Events if judged.is_empty() => Vec::new(),
        Output::Events => vec![events::table(judged)],
        Output::Series if series.is_empty() => Vec::new(),
        Output::Series => vec![series::table(&series, &outcome.groups)],
    };
    if frames.is_empty() {
        frames.push(Frame::default());
    }
    describe(&mut frames[0], outcome);
    frames
}

/// A detection with a title that is unique within the query.
struct Named<'a> {
    detection: &'a Detection,
    title: String,
}

/// Titles are the series' names, with labels where several series share a name.
fn name_series<'a>(detections: impl Iterator<Item = &'a Detection> + Clone) -> Vec<Named<'a>> {
    let mut named: Vec<Named<'_>> = Vec::new();
    let mut taken = std::collections::HashSet::new();
    let mut uses = std::collections::HashMap::<&str, usize>::new();
    for detection in detections.clone() {
        *uses.entry(&detection.series.name).or_default() += 1;
    }
    for detection in detections {
        let series = &detection.series;
        let mut title = series.name.clone();
        if uses[series.name.as_str()] > 1 && !series.labels.is_empty() {
            let labels: Vec<String> =
                series.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            title = format!("{} {{{}}}", series.name, labels.join(", "));
        }
        let base = title.clone();
        let mut number = 2;
        while !taken.insert(title.clone()) {
            title = format!("{base} ({number})");
            number += 1;
        }
        named.push(Named { detection, title });
    }
    named
}

/// Says on the first frame how the answer came about.
fn describe(frame: &mut Frame, outcome: &Outcome) {
    let flagged: usize = if outcome.groups.is_empty() {
        outcome.detections.iter().map(|detection| detection.reasons.len()).sum()
    } else {
        outcome.groups.iter().map(|group| group.detection.reasons.len()).sum()
    };
    let points: usize = outcome.detections.iter().map(|detection| detection.series.len()).sum();
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let (fetch_ms, decode_ms, detect_ms) =
        (ms(outcome.fetch_time), ms(outcome.decode_time), ms(outcome.detect_time));
    frame.meta.insert("executedQueryString".into(), shortened(&outcome.executed, EXECUTED_CHARS).into());
    frame.meta.insert(
        "custom".into(),
        json!({"outrider": {
            "version": env!("CARGO_PKG_VERSION"),
            "source": outcome.source,
            "detector": outcome.detector,
            "seed": outcome.seed,
            "fingerprint": outcome.fingerprint,
            "stepMs": outcome.step_ms,
            "training": training(&outcome.training),
            "rangeMs": shown_ms(&outcome.detections),
            "points": points,
            "flagged": flagged,
            "timingsMs": {"fetch": fetch_ms, "decode": decode_ms, "detect": detect_ms},
        }}),
    );
    frame.meta.insert(
        "stats".into(),
        json!([
            {"displayName": "Upstream", "value": fetch_ms, "unit": "ms"},
            {"displayName": "Decoding", "value": decode_ms, "unit": "ms"},
            {"displayName": "Detection", "value": detect_ms, "unit": "ms"},
            {"displayName": "Points received", "value": outcome.points_in},
            {"displayName": "Points flagged", "value": flagged},
        ]),
    );
    if !outcome.notices.is_empty() {
        frame.meta.insert("notices".into(), notices(&outcome.notices, "warning"));
    }
}

/// Notices as Grafana shows them, as text: the first ones, and of each as much as someone reads.
fn notices(texts: &[String], severity: &str) -> Value {
    let shown = texts.iter().take(MAX_NOTICES);
    let more = texts.len().saturating_sub(MAX_NOTICES);
    let more = (more > 0).then(|| format!("{more} more notices are not shown"));
    let notice = |text: &str| json!({"severity": severity, "text": shortened(text, NOTICE_CHARS)});
    shown.chain(&more).map(|text| notice(text)).collect()
}

/// How long the range is that the points of these series cover.
fn shown_ms(detections: &[Detection]) -> i64 {
    let times = || detections.iter().map(|detection| &detection.series.times);
    let first = times().filter_map(|times| times.first()).min();
    let last = times().filter_map(|times| times.last()).max();
    first.zip(last).map_or(0, |(first, last)| last - first)
}

/// The training settings in the names and the form they have in a query.
fn training(training: &Training) -> Value {
    let text = |ms| DurationMs::from_millis(ms).to_string();
    match training {
        Training::VisibleRange => json!({"training": "visible-range"}),
        Training::Window { window_ms, refit_ms } => {
            json!({"training": "window", "trainingWindow": text(*window_ms), "refitInterval": text(*refit_ms)})
        }
    }
}

#[cfg(test)]
mod tests;
