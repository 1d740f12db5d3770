//! Files with a column a metric: `timestamp,a,b,c`, judged together.
//!
//! A row is one moment of one group, so it gets one verdict: its score is the sum of what the metrics contribute, it is
//! flagged if one of them is, and its reason is that of the metric that contributes most.

use serde_json::{Map, Value, json};

use super::arrival::Arrivals;
use super::blocks::RowVerdict;
use super::table::Table;
use crate::error::{Category, Error, Result, shortened};
use crate::series::Labels;

/// The kind of detector that judges such files.
pub(super) const KIND: &str = "joint";

/// How much of a cell is quoted.
const QUOTED_CHARS: usize = 40;

/// The metrics of a file: each its name and one value a row, NaN for a gap. A column "label" of 0 and 1 is none.
///
/// # Errors
/// [`Category::Query`], naming `file`, if there is none or a cell is no number.
pub(super) fn metrics(table: &Table, file: &str) -> Result<Vec<Arrivals>> {
    let mut metrics: Vec<Arrivals> = Vec::new();
    for (column, name) in table.other_columns.iter().enumerate() {
        if table.is_truth(column) {
            continue;
        }
        let point = |(row, cells): (usize, &super::table::Row)| {
            let cell = &cells.others[column];
            let value = Table::value(cell).ok_or_else(|| {
                let quoted = shortened(cell, QUOTED_CHARS);
                let message = format!("{file}: row {}: \"{quoted}\" in column \"{name}\" is no value", row + 1);
                Error::new(Category::Query, message)
                    .hint("write numbers with a decimal point, or nothing for a gap; every column but timestamp and label is a metric")
            })?;
            Ok((cells.time, value))
        };
        let points = table.rows.iter().enumerate().map(point).collect::<Result<Vec<_>>>()?;
        let alike = metrics.iter().filter(|other| other.labels["column"] == *name).count();
        let own = if alike == 0 { name.clone() } else { format!("{name} ({})", alike + 1) };
        let labels = Labels::from([("column".to_owned(), name.clone())]);
        metrics.push(Arrivals { name: own, labels, points });
    }
    if metrics.is_empty() {
        let message = format!("{file}: line 1: there is no column beside the times");
        return Err(Error::new(Category::Query, message)
            .hint("the first line must name the columns: timestamp,a,b,c"));
    }
    Ok(metrics)
}

/// The detector as a query names it, with `options` besides its kind.
pub(super) fn detector(options: Value) -> Value {
    let mut detector = Map::from_iter([("kind".to_owned(), json!(KIND))]);
    if let Value::Object(options) = options {
        detector.extend(options);
    }
    detector.into()
}

/// The verdict on one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Together<'a> {
    /// NaN if nothing could be judged.
    pub(super) score: f64,
    pub(super) is_flagged: bool,
    /// Empty if it is not flagged.
    pub(super) reason: &'a str,
}

impl<'a> Together<'a> {
    /// Of the verdicts on each metric of the row.
    pub(super) fn of(metrics: impl Iterator<Item = &'a RowVerdict>) -> Self {
        let mut row = Self { score: f64::NAN, is_flagged: false, reason: "" };
        let mut most = f64::NEG_INFINITY;
        for metric in metrics {
            if metric.score.is_nan() {
                continue;
            }
            row.score = if row.score.is_nan() { metric.score } else { row.score + metric.score };
            if metric.verdict.is_outlier() && metric.score > most {
                (row.is_flagged, row.reason, most) = (true, &metric.reason, metric.score);
            }
        }
        row
    }
}
