//! From the bytes of an answer to series: finds the array of rows, and reads it row by row.
//!
//! Nothing but the points is kept, so that an answer of 64 MiB does not become a tree of a gigabyte.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::cells::read_row;
use super::pointer::Key;
use super::points::{Layout, Points};
use super::{Format, forms, lines};
use crate::error::{Category, Error, Result, list_names};
use crate::series::Series;
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::json::{not_json, without_mark};
use crate::source::secrets::Secrets;

/// The most keys of an answer that a message lists, and how much of each.
const LISTED_KEYS: usize = 10;
const LISTED_CHARS: usize = 40;

/// The series in an answer, sorted by their labels, and notices of what was left out or mended.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON, holds no rows where they should be, or not one row can be used;
/// [`Category::Limit`] if there are too many rows or series.
pub(super) fn decode(
    bytes: &[u8],
    layout: &Layout,
    limits: Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    match (layout.format, layout.only_rows()) {
        (Format::Csv, _) => lines::csv(bytes, layout, limits),
        (Format::Ndjson, Some(rows)) if rows.keys().is_empty() => lines::json(bytes, layout, limits),
        (Format::Json, Some(rows)) => one_by_one(bytes, rows.keys(), layout, limits, secrets),
        _ => forms::decode(bytes, layout, limits, secrets),
    }
}

/// As [`decode`], with the array of rows below `keys`.
fn one_by_one(
    bytes: &[u8],
    keys: &[Key],
    layout: &Layout,
    limits: Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    let bytes = without_mark(bytes);
    let mut search = Search::new(layout, limits);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Step { keys, search: &mut search, is_top: true }.deserialize(&mut json);
    let read = read.and_then(|()| json.end());
    let Search { found, answer, points, .. } = search;
    if let Some(error) = points.failure {
        return Err(error);
    }
    read.map_err(|error| not_json(bytes, &error))?;
    match found {
        Found::Rows => points.into_series(),
        Found::Nothing => Err(no_rows(layout, "finds nothing in the answer", &answer, secrets)),
        Found::Other(kind) => {
            Err(no_rows(layout, &format!("leads to {kind}, not to an array"), &answer, secrets))
        }
    }
}

/// The first keys of an answer, for messages.
#[derive(Debug, Default)]
pub(super) struct Answer {
    top_keys: Vec<String>,
}

impl Answer {
    pub(super) fn of(tree: &Value) -> Self {
        let keys = tree.as_object().into_iter().flat_map(|members| members.keys());
        Self { top_keys: keys.take(LISTED_KEYS).cloned().collect() }
    }
}

/// The error about an answer in which there are no rows where they should be, for the reason `what`.
pub(super) fn no_rows(layout: &Layout, what: &str, answer: &Answer, secrets: &Secrets) -> Error {
    let quoted: Vec<String> = answer.top_keys.iter().map(|key| secrets.quote(key, LISTED_CHARS)).collect();
    let keys = if quoted.is_empty() {
        String::new()
    } else {
        format!("; the answer has the keys {}", list_names(quoted.iter().map(String::as_str)))
    };
    Error::new(Category::Protocol, format!("the rows {} {what}{keys}", layout.rows))
        .hint("set rows to where the rows are, and form to how they are laid out")
}

/// The way down to the rows, and what was found.
struct Search<'l, 'de> {
    found: Found,
    answer: Answer,
    points: Points<'l>,
    cells: Vec<Cell<'de>>,
}

#[derive(Debug, Clone, Copy)]
enum Found {
    Nothing,
    /// Something else but an array.
    Other(&'static str),
    Rows,
}

impl<'l> Search<'l, '_> {
    fn new(layout: &'l Layout, limits: Limits) -> Self {
        Self {
            found: Found::Nothing,
            answer: Answer::default(),
            points: Points::new(layout, limits),
            cells: vec![Cell::Missing; layout.pointers.len()],
        }
    }

    /// Forgets what was found below a key, because the key came again and the last one counts.
    fn restart(&mut self) {
        self.found = Found::Nothing;
        self.points.restart();
    }
}

/// A place on the way down, with the keys that are left to the rows.
struct Step<'a, 'l, 'de> {
    keys: &'a [Key],
    search: &'a mut Search<'l, 'de>,
    is_top: bool,
}

impl Step<'_, '_, '_> {
    fn arrive_at<E>(self, kind: &'static str) -> Result<(), E> {
        if self.keys.is_empty() {
            self.search.found = Found::Other(kind);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Step<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        // How many services write a list without elements.
        if self.keys.is_empty() {
            self.search.found = Found::Rows;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.arrive_at("a boolean")
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.arrive_at("a number")
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.arrive_at("a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.arrive_at("a number")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.arrive_at("text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((key, below)) = self.keys.split_first() else {
            self.search.found = Found::Rows;
            while seq.next_element_seed(Row { search: self.search })?.is_some() {}
            return Ok(());
        };
        for at in 0_usize.. {
            let more = if key.index == Some(at) {
                seq.next_element_seed(Step { keys: below, search: self.search, is_top: false })?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.keys.is_empty() {
            self.search.found = Found::Other("an object");
        }
        while let Some(name) = map.next_key::<String>()? {
            if self.is_top && self.search.answer.top_keys.len() < LISTED_KEYS {
                self.search.answer.top_keys.push(name.clone());
            }
            match self.keys.split_first() {
                Some((key, below)) if key.name == name => {
                    self.search.restart();
                    map.next_value_seed(Step { keys: below, search: self.search, is_top: false })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// One row.
struct Row<'a, 'l, 'de> {
    search: &'a mut Search<'l, 'de>,
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Search { points, cells, .. } = self.search;
        read_row(&points.layout.pointers, cells, deserializer)?;
        points.take(cells).map_err(|error| {
            let stop = D::Error::custom(error.message());
            points.failure = Some(error);
            stop
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn layout(options: Value) -> Layout {
        Layout::of(&serde_json::from_value(options).unwrap()).unwrap()
    }

    fn decoded(options: Value, answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        decode(answer.as_bytes(), &layout(options), Limits::default(), &Secrets::default())
    }

    fn message(options: Value, answer: &str) -> String {
        let error = decoded(options, answer).unwrap_err();
        assert_eq!(error.category(), Category::Protocol, "{error}");
        error.message().to_owned()
    }

    #[test]
    fn rows_are_found_wherever_the_pointer_leads() {
        for (rows, answer) in [
            ("/query_response", r#"{"x": [[9, 9]], "query_response": [[1000000000000, 2.5]], "y": {}}"#),
            ("", "[[1000000000000, 2.5]]"),
            ("/a~1b/1/c", r#"{"a/b": [[], {"c": [["1000000000000", "2.5"]]}, 3]}"#),
            ("/r", "\u{feff}{\"r\": [[1000000000, 2.5]]}"),
            ("/r", r#"{"r": [[1, 1]], "r": [["2001-09-09T01:46:40Z", 2.5]]}"#),
        ] {
            let (series, notices) = decoded(json!({ "rows": rows }), answer).unwrap();
            assert_eq!(series.len(), 1, "{rows}");
            assert_eq!(
                (series[0].times.as_slice(), series[0].values.as_slice()),
                (&[1_000_000_000_000][..], &[2.5][..])
            );
            assert_eq!((series[0].name.as_str(), notices.len()), ("value", 0));
        }
    }

    #[test]
    fn no_rows_are_no_series() {
        for answer in [r#"{"query_response": []}"#, r#"{"query_response": null}"#] {
            assert_eq!(decoded(json!({}), answer).unwrap(), (vec![], vec![]));
        }
    }

    #[test]
    fn labels_split_the_rows_into_sorted_series() {
        let options = json!({
            "rows": "", "time": "/t", "value": "/v/x", "name": "load", "unit": "percent", "timeFormat": "ms",
            "labels": [{"name": "zone", "pointer": "/z"}, {"name": "host", "pointer": "/tags/0"}],
        });
        let answer = r#"[
            {"t": 1, "v": {"x": 1}, "z": 2, "tags": ["b"]},
            {"t": 1, "v": {"x": 2}, "z": 1, "tags": ["b"]},
            {"t": 1, "v": {"x": 3}, "z": true, "tags": ["a"]},
            {"t": 2, "v": {"x": null}, "z": 2, "tags": ["b"]},
            {"t": 1, "v": {"x": 4}}
        ]"#;
        let (series, notices) = decoded(options, answer).unwrap();
        let found: Vec<_> = series
            .iter()
            .map(|series| (series.labels["host"].as_str(), series.labels["zone"].as_str(), series.values[0]))
            .collect();
        assert_eq!(found, [("", "", 4.0), ("a", "true", 3.0), ("b", "1", 2.0), ("b", "2", 1.0)]);
        assert!(series[3].values[1].is_nan());
        assert!(series.iter().all(|s| s.name == "load" && s.unit.as_deref() == Some("percent")));
        assert!(notices.is_empty());
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_told() {
        let answer =
            r#"{"query_response": [[3, 1], ["no", 1], [2, "many"], [1, "NaN"], [2, true], [2, 5], 7]}"#;
        let (series, notices) = decoded(json!({"timeFormat": "ms"}), answer).unwrap();
        assert_eq!(series[0].times, [1, 2, 3]);
        assert!(series[0].values[0].is_nan());
        assert_eq!(series[0].values[1..], [5.0, 1.0]);
        assert_eq!(
            notices,
            [
                "3 of 7 rows left out (2 without a readable time, 1 without a number): in the first of them, the time \
             pointer \"/0\" found text",
                "Rows sorted by time, because they were not (steps back: 1)",
                "Rows left out because a later one of the same series had the same time: 1",
            ]
        );
    }

    #[test]
    fn if_no_row_can_be_used_the_first_one_says_why() {
        for (answer, says) in [
            (r#"{"query_response": [["secret", 1]]}"#, "the time pointer \"/0\" found text"),
            (r#"{"query_response": [[1, "secret"], [1]]}"#, "the value pointer \"/1\" found text"),
            (r#"{"query_response": [{"a": 1}]}"#, "the time pointer \"/0\" found nothing in an object"),
            (
                r#"{"query_response": [17]}"#,
                "the time pointer \"/0\" found nothing, because the row is a number",
            ),
            (r#"{"query_response": [[[], 1]]}"#, "the time pointer \"/0\" found an array"),
        ] {
            let message = message(json!({}), answer);
            assert!(message.ends_with(says) && !message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_rows_pointer_that_finds_no_array_names_the_keys_there_are() {
        let keys = "the answer has the keys \"status\" and \"data\"";
        let answer = r#"{"status": "ok", "data": {"rows": 5}}"#;
        for (rows, says) in [
            ("/nope", format!("the rows pointer \"/nope\" finds nothing in the answer; {keys}")),
            (
                "/data/rows",
                format!("the rows pointer \"/data/rows\" leads to a number, not to an array; {keys}"),
            ),
            ("", format!("the rows pointer \"\" leads to an object, not to an array; {keys}")),
            ("/status/0", format!("the rows pointer \"/status/0\" finds nothing in the answer; {keys}")),
        ] {
            assert_eq!(message(json!({ "rows": rows }), answer), says);
        }
        assert_eq!(
            message(json!({}), "[]"),
            "the rows pointer \"/query_response\" finds nothing in the answer"
        );
        let many: serde_json::Map<String, Value> =
            (0..100).map(|index| (format!("{index:0>9999}"), Value::Null)).collect();
        assert!(message(json!({}), &Value::from(many).to_string()).len() < 1_000);
    }

    #[test]
    fn what_is_no_json_is_told_without_quoting_it() {
        let deep = format!("{{\"query_response\": [[{}", "[".repeat(100_000));
        for (answer, says) in [
            ("", "the answer is empty"),
            ("  \n", "the answer is empty"),
            ("<!doctype html><html>", "the answer is HTML or XML, not JSON"),
            ("hello", "the answer is not valid JSON: expected value at line 1 column 1"),
            (
                r#"{"query_response": [[1, 2"#,
                "the answer is cut off: EOF while parsing a list at line 1 column 25",
            ),
            (
                "{\"query_response\": [\n[1, NaN]]}",
                "the answer is not valid JSON: expected value at line 2 column 5",
            ),
            (
                r#"{"query_response": []} x"#,
                "the answer is not valid JSON: trailing characters at line 1 column 24",
            ),
            (r#"{"query_response": [[1, 1e999]]}"#, "the answer is not valid JSON: number out of range"),
            (deep.as_str(), "the answer is cut off"),
        ] {
            let message = message(json!({}), answer);
            assert!(message.starts_with(says), "{message}");
        }
        let nan = decoded(json!({}), "{\"query_response\": [\n[1, NaN]]}").unwrap_err().to_string();
        assert!(nan.ends_with("let the service write null instead"), "{nan}");
        let bytes = b"{\"query_response\": [[\"\xff\xfe\", 1]]}";
        assert_eq!(
            decode(bytes, &layout(json!({})), Limits::default(), &Secrets::default()).unwrap_err().category(),
            Category::Protocol
        );
    }

    #[test]
    fn too_many_series_name_the_labels() {
        let rows: Vec<Value> = (0..2_000).map(|index| json!([index, 1, index])).collect();
        let options = json!({"rows": "", "labels": [{"name": "id", "pointer": "/2"}]});
        let error = decoded(options.clone(), &json!(rows).to_string()).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert_eq!(error.message(), "the labels \"id\" split the answer into more than 1000 series");
        assert_eq!(decoded(options, &json!(rows[..1_000]).to_string()).unwrap().0.len(), 1_000);
    }

    proptest! {
        #[test]
        fn every_point_comes_back_exactly(values in proptest::collection::vec(any::<f64>(), 0..50)) {
            let rows: Vec<Value> = values.iter().zip(0_i64..).map(|(value, time)| json!([time, value])).collect();
            let (series, _) = decoded(json!({"rows": "", "timeFormat": "ms"}), &json!(rows).to_string()).unwrap();
            let bits = |values: &[f64]| -> Vec<u64> {
                values.iter().map(|v| if v.is_finite() { v.to_bits() } else { f64::NAN.to_bits() }).collect()
            };
            prop_assert_eq!(series.first().map_or(vec![], |s| bits(&s.values)), bits(&values));
        }

        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:0-9a-eq\u{e9}]{0,40}") {
            let layout = layout(json!({"rows": "/0", "labels": [{"name": "l", "pointer": "/a"}]}));
            let _ = decode(&bytes, &layout, Limits::default(), &Secrets::default());
            let _ = decode(text.as_bytes(), &layout, Limits::default(), &Secrets::default());
        }
    }
}
