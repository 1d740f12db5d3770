//! From an answer of `/query` to series: a list of series, `{"target", "datapoints": [[value, ms], …]}`, and of tables,
//! `{"columns": [{"text", "type"}], "rows": [[…], …]}`, in any mixture.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId};
use crate::source::json::{Bounded, Each, not_json, without_mark};
use crate::source::secrets::Secrets;
use crate::source::time::TimeFormat;

/// What the query says about its answer.
pub(super) struct Layout {
    /// Name of a series or table that has none of its own.
    pub(super) target: String,
    pub(super) unit: String,
    /// What no message repeats.
    pub(super) secrets: Arc<Secrets>,
}

/// One element of an answer. Points and rows stay text until it is known what they belong to.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    datapoints: Option<&'a RawValue>,
    #[serde(borrow, default)]
    columns: Option<Bounded<Column<'a>, MAX_COLUMNS>>,
    #[serde(borrow, default, deserialize_with = "present")]
    rows: Option<&'a RawValue>,
}

/// What is there, be it `null`, which stands for a list without elements.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// How an empty list may be written.
const NULL: &str = "null";

#[derive(Deserialize)]
struct Column<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

/// The most columns a table may have.
const MAX_COLUMNS: usize = 1_000;
/// How much of the name of a column is quoted.
const QUOTED_CHARS: usize = 60;

/// A row, or a point; what is beyond the columns is passed over.
type Cells<'a> = Bounded<Cell<'a>, MAX_COLUMNS>;

/// The series in an answer, ordered by labels and name, and notices of what was left out or mended.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON, not of the protocol, or not one point of it can be used;
/// [`Category::Limit`] if there are too many rows, series or columns.
pub(super) fn decode(bytes: &[u8], layout: &Layout, limits: &Limits) -> Result<(Vec<Series>, Vec<String>)> {
    let bytes = without_mark(bytes);
    let mut collector = Collector::new(limits);
    let mut items = Each::new(|item: Item<'_>| take_item(&mut collector, layout, item));
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = items.deserialize(&mut json).and_then(|()| json.end());
    match (items.failed, read) {
        (Some(error), _) => return Err(error),
        (None, read) => read.map_err(|error| unreadable(bytes, &error))?,
    }
    collector.finish(
        "let the server answer with [value, ms] pairs, or with a column of type time and one of type number",
    )
}

fn take_item(collector: &mut Collector, layout: &Layout, item: Item<'_>) -> Result<()> {
    match item {
        Item { columns: Some(columns), rows: Some(rows), datapoints, .. }
            if datapoints.is_none_or(|points| points.get() == NULL) =>
        {
            let columns = columns.all("columns in a table")?;
            if rows.get() == NULL {
                return Ok(());
            }
            let mut table = Table::new(&columns, layout)?;
            read(rows, |cells: Cells<'_>| table.take_row(collector, &cells.0))
        }
        Item { datapoints: Some(points), target, .. } => {
            let name = target.as_deref().filter(|target| !target.is_empty()).unwrap_or(&layout.target);
            let id = collector.series(name, Labels::new())?;
            collector.set_unit(id, &layout.unit);
            read(points, |cells: Cells<'_>| take_point(collector, id, &cells.0))
        }
        Item { rows: Some(rows), .. } if rows.get() == NULL => Ok(()),
        _ => Err(foreign("an element of the answer has neither datapoints nor columns and rows")),
    }
}

fn unreadable(bytes: &[u8], error: &serde_json::Error) -> Error {
    if error.classify() == serde_json::error::Category::Data {
        // serde's own words may quote the answer.
        foreign(&format!(
            "the answer is not a list of series or tables (line {}, column {})",
            error.line(),
            error.column()
        ))
    } else {
        not_json(bytes, error)
    }
}

fn foreign(what: &str) -> Error {
    Error::new(Category::Protocol, what)
        .hint("check that the URL is that of a SimpleJSON server, and what its /query answers")
}

fn take_point(collector: &mut Collector, id: SeriesId, cells: &[Cell<'_>]) -> Result<()> {
    let at = |place: usize| cells.get(place).unwrap_or(&Cell::Missing);
    let Some(time) = TimeFormat::Ms.parse(at(1)) else {
        return collector
            .leave_out(Lacking::Time, || format!("the second of [value, ms] is {}", at(1).kind()));
    };
    match at(0).number() {
        Some(value) => collector.push(id, time, value),
        None => {
            collector.leave_out(Lacking::Value, || format!("the first of [value, ms] is {}", at(0).kind()))
        }
    }
}

/// Hands every element of a JSON array to `take`.
fn read<'de, T: Deserialize<'de>>(array: &'de RawValue, take: impl FnMut(T) -> Result<()>) -> Result<()> {
    let mut each = Each::new(take);
    let mut json = serde_json::Deserializer::from_str(array.get());
    let read = DeserializeSeed::deserialize(&mut each, &mut json);
    match (each.failed, read) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err(foreign("datapoints or rows are not lists of lists")),
    }
}

/// A table that is being read: which column is what.
struct Table<'a> {
    time: usize,
    /// Place and name of the columns that become series.
    values: Vec<(usize, Cow<'a, str>)>,
    /// Place and name of those that become labels.
    labels: Vec<(usize, Cow<'a, str>)>,
    unit: &'a str,
    secrets: &'a Secrets,
    /// Series of the row before, which the next one most often continues.
    last: Option<(Vec<String>, Vec<SeriesId>)>,
}

impl<'a> Table<'a> {
    fn new(columns: &'a [Column<'a>], layout: &'a Layout) -> Result<Self> {
        let of_kind = |kind: &'static str| {
            let columns =
                columns.iter().enumerate().filter(move |(_, column)| column.kind.eq_ignore_ascii_case(kind));
            columns.map(|(place, column)| (place, Cow::Borrowed(&*column.text)))
        };
        let time = of_kind("time").next().map(|(place, _)| place);
        let values: Vec<_> = of_kind("number").collect();
        let (Some(time), false) = (time, values.is_empty()) else {
            return Err(foreign("a table has no column of type time, or none of type number"));
        };
        // One value column needs no name of its own, if the table was asked for by one.
        Ok(Self {
            time,
            values,
            labels: of_kind("string").collect(),
            unit: &layout.unit,
            secrets: &layout.secrets,
            last: None,
        })
    }

    fn take_row(&mut self, collector: &mut Collector, cells: &[Cell<'_>]) -> Result<()> {
        let at = |place: usize| cells.get(place).unwrap_or(&Cell::Missing);
        let Some(time) = TimeFormat::Auto.parse(at(self.time)) else {
            return collector.leave_out(Lacking::Time, || {
                format!("the column of type time holds {}", at(self.time).kind())
            });
        };
        let of_labels = self.labels.iter().map(|(place, _)| at(*place));
        let goes_on = |last: &[String]| of_labels.clone().zip(last).all(|(cell, text)| cell.is_label(text));
        if !self.last.as_ref().is_some_and(|(last, _)| goes_on(last)) {
            let labels: Vec<String> = of_labels.map(Cell::label).collect();
            let named: Labels = self
                .labels
                .iter()
                .map(|(_, name)| name.clone().into_owned())
                .zip(labels.iter().cloned())
                .collect();
            let ids = self
                .values
                .iter()
                .map(|(_, name)| {
                    let id = collector.series(name, named.clone())?;
                    collector.set_unit(id, self.unit);
                    Ok(id)
                })
                .collect::<Result<Vec<_>>>()?;
            self.last = Some((labels, ids));
        }
        let Some((_, ids)) = &self.last else { return Ok(()) };
        for ((place, name), id) in self.values.iter().zip(ids) {
            match at(*place).number() {
                Some(value) => collector.push(*id, time, value)?,
                None => collector.leave_out(Lacking::Value, || {
                    let name = self.secrets.quote(name, QUOTED_CHARS);
                    format!("the column \"{name}\" of type number holds {}", at(*place).kind())
                })?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        let layout =
            Layout { target: "asked".to_owned(), unit: "percent".to_owned(), secrets: Arc::default() };
        decode(answer.as_bytes(), &layout, &Limits::default())
    }

    fn message(answer: &str) -> String {
        let error = decoded(answer).unwrap_err();
        assert_eq!(error.category(), Category::Protocol, "{error}");
        error.message().to_owned()
    }

    #[test]
    fn series_are_read_with_their_names() {
        let (series, notices) = decoded(
            "\u{feff}[{\"datapoints\": [[1.5, 1000], [null, 2000], [\"3\", \"3000\"]], \"target\": \"b\", \"x\": {}},
              {\"target\": \"\", \"datapoints\": []}, {\"target\": \"a\", \"datapoints\": [[1, 5.0e3, \"extra\"], [2, 4000]]}]",
        )
        .unwrap();
        let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["a", "asked", "b"]);
        assert_eq!((&series[0].times[..], &series[0].values[..]), (&[4_000, 5_000][..], &[2.0, 1.0][..]));
        assert_eq!(series[2].times, [1_000, 2_000, 3_000]);
        assert!(series[2].values[1].is_nan() && series[2].values[2] == 3.0);
        assert_eq!(series[0].unit.as_deref(), Some("percent"));
        assert_eq!(notices, ["Rows sorted by time, because they were not (steps back: 1)"]);
    }

    #[test]
    fn tables_become_a_series_for_each_number_and_its_texts() {
        let (series, notices) = decoded(
            r#"[{"type": "table", "rows": [[1700000000000, "a", 1, 10], ["2023-11-14T22:13:21Z", "b", 2, null], [1700000001000, "a", 3, "x"]],
                "columns": [{"text": "Time", "type": "time"}, {"text": "host", "type": "string"}, {"text": "cpu", "type": "number"}, {"text": "mem", "type": "Number"}]},
               {"columns": [{"text": "n", "type": "number"}, {"text": "t", "type": "time"}], "rows": [[7, 1700000000000]]}]"#,
        )
        .unwrap();
        let found: Vec<(String, Option<&str>, Vec<f64>)> = series
            .iter()
            .map(|series| {
                (series.name.clone(), series.labels.get("host").map(String::as_str), series.values.clone())
            })
            .collect();
        assert_eq!(found[0], ("n".to_owned(), None, vec![7.0]));
        assert_eq!(found[1], ("cpu".to_owned(), Some("a"), vec![1.0, 3.0]));
        assert_eq!(found[2], ("mem".to_owned(), Some("a"), vec![10.0]));
        assert_eq!(found[3], ("cpu".to_owned(), Some("b"), vec![2.0]));
        assert_eq!(series[3].times, [1_700_000_001_000]);
        assert!(notices[0].contains("the column \"mem\" of type number holds text"), "{notices:?}");
    }

    #[test]
    fn null_is_a_list_without_elements() {
        let answer = r#"[{"target": "cpu", "datapoints": [[1.5, 1740960000000], [1.6, 1740960300000]]},
            {"target": "mem", "datapoints": null}, {"columns": [{"text": "t", "type": "time"}], "rows": null},
            {"columns": null, "rows": null},
            {"datapoints": null, "columns": [{"text": "t", "type": "time"}, {"text": "n", "type": "number"}], "rows": [[1740960000000, 7]]}]"#;
        let (series, notices) = decoded(answer).unwrap();
        let found: Vec<_> = series.iter().map(|one| (one.name.as_str(), one.values.as_slice())).collect();
        assert_eq!(found, [("cpu", &[1.5, 1.6][..]), ("mem", &[]), ("n", &[7.0])]);
        assert_eq!(notices, Vec::<String>::new());
        assert_eq!(decoded("null").unwrap().0, []);
    }

    #[test]
    fn an_empty_answer_is_no_error() {
        assert_eq!(decoded("[]").unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
        for (answer, what) in [
            ("", "the answer is empty"),
            ("<html>", "HTML or XML"),
            ("{\"message\": \"canary\"}", "not a list of series or tables"),
            ("[{\"target\": \"canary\"}]", "neither datapoints nor columns and rows"),
            ("[{\"datapoints\": \"canary\"}]", "not lists of lists"),
            ("[{\"datapoints\": [\"canary\"]}]", "not lists of lists"),
            ("[{\"datapoints\": [[1, 2]", "cut off"),
            ("[{\"datapoints\": [[NaN, 2]]}]", "not valid JSON"),
            (
                "[{\"datapoints\": [[1, null]]}]",
                "not one of the rows (1) can be used: in the first, the second of [value, ms] is null",
            ),
            ("[{\"datapoints\": [[{\"a\": 1}, 1]]}]", "the first of [value, ms] is an object"),
            (
                "[{\"columns\": [{\"text\": \"a\", \"type\": \"time\"}], \"rows\": []}]",
                "no column of type time, or none of type number",
            ),
        ] {
            let message = message(answer);
            assert!(message.contains(what) && !message.contains("canary"), "{answer}: {message}");
        }
    }

    #[test]
    fn limits_hold_for_series_and_tables() {
        let limits = Limits { max_rows: 2, max_series: 2, ..Limits::default() };
        let layout = Layout { target: String::new(), unit: String::new(), secrets: Arc::default() };
        for (answer, setting) in [
            (r#"[{"datapoints": [[1,1],[1,2],[1,3]]}]"#, "maxRows"),
            (
                r#"[{"target":"a","datapoints":[]},{"target":"b","datapoints":[]},{"target":"c","datapoints":[]}]"#,
                "maxSeries",
            ),
        ] {
            let error = decode(answer.as_bytes(), &layout, &limits).unwrap_err();
            assert_eq!(error.category(), Category::Limit);
            assert!(error.to_string().contains(setting), "{error}");
        }
        let column = r#"{"text": "n", "type": "number"}"#;
        let wide = format!(r#"[{{"columns": [{}], "rows": []}}]"#, vec![column; MAX_COLUMNS + 1].join(","));
        assert!(decode(wide.as_bytes(), &layout, &limits).unwrap_err().to_string().contains("columns"));
    }

    #[test]
    fn deep_nesting_is_no_json() {
        message(&("[".repeat(100_000) + &"]".repeat(100_000)));
        message(&format!("[{{\"datapoints\": {}}}]", "[".repeat(1_000)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,0-9a-z ]{0,80}") {
            let layout = Layout { target: String::new(), unit: String::new(), secrets: Arc::default() };
            let _ = decode(&bytes, &layout, &Limits::default());
            let _ = decode(text.as_bytes(), &layout, &Limits::default());
        }
    }
}
