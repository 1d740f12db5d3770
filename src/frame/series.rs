//! One row a series: how it has fared over the visible range, the most conspicuous series first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::points::{state_mappings, states};
use super::{Field, Frame, Named, Values};
use crate::engine::{Detection, Group};

/// What a row says besides the series' name and labels.
struct Row<'a> {
    named: &'a Named<'a>,
    /// State of the last point.
    state: f64,
    /// See [`Detection::series_score`](crate::engine::Detection::series_score); NaN where that is unknown.
    series_score: f64,
    /// Its share of the scores of its group, see [`contributions`]; NaN if it is in none.
    contribution: f64,
    /// Share of the judged points that are flagged; NaN if none could be judged.
    flagged: f64,
    /// Mean score of the points that have one; NaN if none has.
    score: f64,
    /// Highest score of a flagged point; NaN if none is.
    worst: f64,
    /// Why that one is flagged.
    reason: &'a str,
}

/// All series, by series score, contribution to their group, share of points flagged, and score.
pub(super) fn table(named: &[Named<'_>], groups: &[Group]) -> Frame {
    let contributions = contributions(named, groups);
    let mut rows: Vec<Row<'_>> = named
        .iter()
        .zip(contributions)
        .filter(|(named, _)| !named.detection.series.is_empty())
        .map(|(named, contribution)| Row { contribution, ..Row::of(named) })
        .collect();
    let key = |row: &Row<'_>| [row.series_score, row.contribution, row.flagged, row.score].map(known_first);
    rows.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal));
    let mut meta = Map::new();
    meta.insert("preferredVisualisationType".into(), "table".into());
    Frame { name: "series".to_owned(), meta, fields: fields(&rows) }
}

/// For each series what share of the scores of its group it has contributed: over the times at which the group is flagged, or
/// over all if it never is. NaN for series that are in no group.
fn contributions(named: &[Named<'_>], groups: &[Group]) -> Vec<f64> {
    let mut shares = vec![f64::NAN; named.len()];
    for group in groups {
        let of_group = &group.detection;
        let flagged: BTreeSet<i64> = of_group.reasons.keys().map(|row| of_group.series.times[*row]).collect();
        let counts = |time: &i64| flagged.is_empty() || flagged.contains(time);
        let sum = |detection: &Detection| -> f64 {
            let points = detection.series.times.iter().zip(&detection.scores);
            points.filter(|(time, score)| counts(time) && score.is_finite()).map(|(_, score)| score).sum()
        };
        let all = sum(of_group);
        for member in &group.members {
            shares[*member] = sum(named[*member].detection) / all;
        }
    }
    shares
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
            contribution: f64::NAN,
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
        |description: &str| json!({"unit": "percentunit", "min": 0, "max": 1, "description": description});
    if rows.iter().any(|row| row.contribution.is_finite()) {
        let config = share(
            "Its share of the scores of its group: where the group is flagged, or everywhere if it never is",
        );
        fields.push(shown("contribution", "Contribution", numbers(|row| row.contribution), config));
    }
    let share = share("Share of the judged points shown");
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
    const TAKEN: [&str; 9] =
        ["time", "series", "state", "seriesScore", "contribution", "flagged", "score", "worst", "reason"];
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
