//! One row a series: how it has fared over the visible range, the most conspicuous series first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::points::{state_mappings, states};
use super::{Field, Frame, Named, Values};

/// What a row says besides the series' name and labels.
struct Row<'a> {
    named: &'a Named<'a>,
    /// State of the last point.
    state: f64,
    /// See [`Detection::series_score`](crate::engine::Detection::series_score); NaN where that is unknown.
    series_score: f64,
    /// Share of the judged points that are flagged; NaN if none could be judged.
    flagged: f64,
    /// Mean score of the points that have one; NaN if none has.
    score: f64,
    /// Highest score of a flagged point; NaN if none is.
    worst: f64,
    /// Why that one is flagged.
    reason: &'a str,
}

/// All series, by series score, share of points flagged, and score.
pub(super) fn table(named: &[Named<'_>]) -> Frame {
    let mut rows: Vec<Row<'_>> =
        named.iter().filter(|named| !named.detection.series.is_empty()).map(Row::of).collect();
    let key = |row: &Row<'_>| [row.series_score, row.flagged, row.score].map(known_first);
    rows.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal));
    let mut meta = Map::new();
    meta.insert("preferredVisualisationType".into(), "table".into());
    Frame { name: "series".to_owned(), meta, fields: fields(&rows) }
}

/// Orders what is unknown behind all that is known.
fn known_first(number: f64) -> f64 {
    if number.is_nan() { f64::NEG_INFINITY } else { number }
}

impl<'a> Row<'a> {
    fn of(named: &'a Named<'a>) -> Self {
        let detection = named.detection;
        let judged = detection.scores.iter().copied().filter(|score| score.is_finite());
        let count = judged.clone().count() as f64;
        let (worst, reason) = detection
            .reasons
            .iter()
            .map(|(row, reason)| (detection.scores[*row], reason.as_str()))
            .max_by(|a, b| known_first(a.0).total_cmp(&known_first(b.0)))
            .unwrap_or((f64::NAN, ""));
        Self {
            named,
            state: states(detection).last().copied().unwrap_or(f64::NAN),
            series_score: detection.series_score().unwrap_or(f64::NAN),
            flagged: detection.reasons.len() as f64 / count,
            score: judged.sum::<f64>() / count,
            worst,
            reason,
        }
    }
}

fn fields(rows: &[Row<'_>]) -> Vec<Field> {
    let numbers = |of: fn(&Row<'_>) -> f64| Values::Number(rows.iter().map(of).collect());
    let shown = |name: &str, title: &str, values: Values, config: Value| {
        Field::new(name, values).config(json!({"displayNameFromDS": title})).config(config)
    };
    let score = |description: &str| json!({"min": 0, "max": 1, "decimals": 3, "description": description});
    let last = |row: &Row<'_>| row.named.detection.series.times.last().copied().unwrap_or_default();
    let titles = rows.iter().map(|row| row.named.title.clone()).collect();
    let mut fields = vec![
        shown("time", "Last point", Values::Time(rows.iter().map(last).collect()), json!({})),
        shown("series", "Series", Values::Text(titles), json!({})),
        shown("state", "State", numbers(|row| row.state), state_mappings()),
    ];
    if rows.iter().any(|row| row.series_score.is_finite()) {
        let config = score("How unlike its group the series has been up to its last point");
        fields.push(shown("seriesScore", "Series score", numbers(|row| row.series_score), config));
    }
    let share =
        json!({"unit": "percentunit", "min": 0, "max": 1, "description": "Share of the judged points shown"});
    let mean = score("Mean score of the points shown");
    let worst = score("Highest score of a flagged point shown");
    fields.push(shown("flagged", "Flagged", numbers(|row| row.flagged), share));
    fields.push(shown("score", "Score", numbers(|row| row.score), mean));
    fields.push(shown("worst", "Worst score", numbers(|row| row.worst), worst));
    let reasons = rows.iter().map(|row| row.reason.to_owned()).collect();
    fields.push(shown("reason", "Worst reason", Values::Text(reasons), json!({"custom": {"width": 480}})));
    fields.extend(label_fields(rows));
    fields
}

/// A column a label, named like it; `label_` before it where that name is taken.
fn label_fields(rows: &[Row<'_>]) -> Vec<Field> {
    const TAKEN: [&str; 8] =
        ["time", "series", "state", "seriesScore", "flagged", "score", "worst", "reason"];
    let names: BTreeSet<&String> =
        rows.iter().flat_map(|row| row.named.detection.series.labels.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let of = |row: &Row<'_>| row.named.detection.series.labels.get(name).cloned().unwrap_or_default();
            let values = Values::Text(rows.iter().map(of).collect());
            let prefix = if TAKEN.contains(&name.as_str()) { "label_" } else { "" };
            Field::new(&format!("{prefix}{name}"), values)
        })
        .collect()
}
