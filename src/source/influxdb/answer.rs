//! The JSON answer of `/query`: one document, or one after another where the server sends it in chunks.
//!
//! `{"results":[{"statement_id":0,"series":[{"name","tags","columns","values","partial"}],"error","messages","partial"}]}`.
//! Rows are read one by one, so that an answer of 64 MiB does not become a tree of a gigabyte. An error may stand in an
//! answer with status 200, and after good rows. `partial` says that more follows: in the next chunk, or, where nothing
//! follows, that the server left rows out, which would look like missing data and so is an error here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed as _, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure;
use super::rows::{Layout, MAX_COLUMNS, Rows, Table};
use crate::budget;
use crate::error::{Category, Error, Result};
use crate::series::Series;
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::json::{self, Bounded, Each};
use crate::source::secrets::Secrets;

/// How much of a warning of the server is shown, and how many of them.
const MESSAGE_CHARS: usize = 200;
const MESSAGES: usize = 5;
/// What is asked is one statement, with few warnings; series are as many as the setting `maxSeries` can allow.
const MAX_STATEMENTS: usize = 10;
const MAX_MESSAGES: usize = 1_000;
const MAX_SERIES: usize = 100_000;
/// The most rows of an answer of `SHOW`.
const MAX_NAMES: usize = 100_000;

/// The series in an answer, and notices.
///
/// # Errors
/// Those the server tells; [`Category::Protocol`] if the answer is no such JSON; [`Category::Limit`] if there are too many
/// rows or series, or the server left rows out.
pub(super) fn decode(
    bytes: &[u8],
    layout: Layout,
    limits: Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    if bytes.trim_ascii().is_empty() {
        return Err(Error::new(Category::Protocol, "the answer is empty")
            .hint("check that the URL is that of an InfluxDB server"));
    }
    let mut reader = Reader { rows: Rows::new(layout, &limits), messages: Vec::new(), goes_on: GoesOn::No };
    let mut has_results = false;
    for document in serde_json::Deserializer::from_slice(bytes).into_iter::<Document<'_>>() {
        let document = document.map_err(|error| not_json(bytes, &error))?;
        if let Some(message) = document.error {
            return Err(failure::of_message(&message, secrets));
        }
        has_results |= document.results.is_some();
        for statement in document.statements()? {
            reader.take(statement, secrets)?;
        }
    }
    if !has_results {
        return Err(Error::new(Category::Protocol, "the answer has no \"results\"")
            .hint("check that the URL is that of an InfluxDB server"));
    }
    reader.finish(secrets)
}

/// The cells of a row by the names of their columns, which all rows share.
pub(super) type NamedCells = BTreeMap<Arc<str>, String>;

/// What a row of them takes besides its texts: nodes, each with room for eleven cells, of which no more than half may be
/// empty, and what the allocator adds to a text.
fn bytes_of_row(cells: &[Cell<'_>]) -> usize {
    const NODE_BYTES: usize = 11 * (size_of::<Arc<str>>() + size_of::<String>()) + 32;
    const TEXT_BYTES: usize = 32;
    let texts: usize = cells.iter().map(|cell| cell.text_bytes() + TEXT_BYTES).sum();
    size_of::<NamedCells>() + (1 + cells.len() / 5) * NODE_BYTES + texts
}

/// The rows of a small answer, such as that of `SHOW`: the columns of each row by name. One document, not chunked.
///
/// # Errors
/// See [`decode`].
pub(super) fn table(bytes: &[u8], secrets: &Secrets) -> Result<Vec<NamedCells>> {
    let document: Document<'_> = serde_json::from_slice(bytes).map_err(|error| not_json(bytes, &error))?;
    if let Some(message) = document.error {
        return Err(failure::of_message(&message, secrets));
    }
    let (mut all, account) = (Vec::new(), budget::account());
    for statement in document.statements()? {
        if let Some(message) = statement.error {
            return Err(failure::of_message(&message, secrets));
        }
        for series in all_series(statement.series)? {
            let Some(values) = series.values else { continue };
            let columns: Vec<Arc<str>> = series.columns.all("columns")?.into_iter().map(Arc::from).collect();
            let mut rows = Each::new(|row: Bounded<Cell<'_>, MAX_COLUMNS>| {
                if all.len() == MAX_NAMES {
                    return Err(too_many_names());
                }
                account.add(bytes_of_row(&row.0), "the names of an answer")?;
                let cells = row.0.into_iter().map(|cell| cell.label());
                all.push(columns.iter().cloned().zip(cells).collect::<NamedCells>());
                Ok(())
            });
            let read = rows.deserialize(&mut serde_json::Deserializer::from_str(values.get()));
            match rows.failed {
                Some(error) => return Err(error),
                None => read.map_err(|error| not_json(values.get().as_bytes(), &error))?,
            }
        }
    }
    Ok(all)
}

/// Why an answer is no JSON of InfluxDB, in words that help; nothing of the answer is repeated.
pub(super) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return json::not_json(bytes, error);
    }
    // The words of serde would quote what it found.
    let (line, column) = (error.line(), error.column());
    Error::new(
        Category::Protocol,
        format!("the answer is not what InfluxDB answers (line {line} column {column})"),
    )
    .hint("check that the URL is that of an InfluxDB server")
}

fn too_many_names() -> Error {
    Error::new(Category::Limit, format!("the answer has more than {MAX_NAMES} names"))
        .hint("search for a part of the name")
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    results: Option<Bounded<Statement<'a>, MAX_STATEMENTS>>,
    error: Option<String>,
}

impl<'a> Document<'a> {
    fn statements(self) -> Result<Vec<Statement<'a>>> {
        self.results.map_or(Ok(Vec::new()), |results| results.all("results"))
    }
}

fn all_series(series: Option<Bounded<OneSeries<'_>, MAX_SERIES>>) -> Result<Vec<OneSeries<'_>>> {
    series.map_or(Ok(Vec::new()), |series| series.all("series"))
}

/// What one statement brought.
#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow)]
    series: Option<Bounded<OneSeries<'a>, MAX_SERIES>>,
    error: Option<String>,
    messages: Option<Bounded<Message, MAX_MESSAGES>>,
    #[serde(default)]
    partial: bool,
}

#[derive(Deserialize)]
struct OneSeries<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    tags: Option<BTreeMap<String, Cell<'a>>>,
    #[serde(default = "no_columns")]
    columns: Bounded<String, MAX_COLUMNS>,
    /// The rows, read when all of the rest is known.
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(default)]
    partial: bool,
}

fn no_columns() -> Bounded<String, MAX_COLUMNS> {
    Bounded(Vec::new())
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    text: String,
}

/// Whether the last that was read said that more follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GoesOn {
    No,
    /// More rows of a series, though not in another chunk.
    Series,
    /// More chunks.
    Answer,
}

struct Reader {
    rows: Rows,
    messages: Vec<String>,
    goes_on: GoesOn,
}

impl Reader {
    fn take(&mut self, statement: Statement<'_>, secrets: &Secrets) -> Result<()> {
        if let Some(message) = statement.error {
            return Err(failure::of_message(&message, secrets));
        }
        self.goes_on = if statement.partial { GoesOn::Answer } else { GoesOn::No };
        for message in statement.messages.into_iter().flat_map(|messages| messages.0) {
            let quote = format!("InfluxDB says: {}", secrets.quote(&message.text, MESSAGE_CHARS));
            if self.messages.len() < MESSAGES && !self.messages.contains(&quote) {
                self.messages.push(quote);
            }
        }
        for series in all_series(statement.series)? {
            if series.partial && self.goes_on == GoesOn::No {
                self.goes_on = GoesOn::Series;
            }
            self.take_series(series)?;
        }
        Ok(())
    }

    fn take_series(&mut self, series: OneSeries<'_>) -> Result<()> {
        let Some(values) = series.values else { return Ok(()) };
        let labels = series.tags.into_iter().flatten().map(|(name, cell)| (name, cell.label()));
        // A tag that a series does not have is an empty text here, and absent in CSV.
        let labels = labels.filter(|(_, text)| !text.is_empty()).collect();
        let columns = series.columns.all("columns")?;
        let table = Table::new(&series.name, labels, columns, self.rows.layout());
        let mut failure = None;
        let taker = Taker { rows: &mut self.rows, table, cells: Vec::new(), failure: &mut failure };
        let read = (&mut serde_json::Deserializer::from_str(values.get())).deserialize_seq(taker);
        match failure {
            Some(failure) => Err(failure),
            None => read.map_err(|error| not_json(values.get().as_bytes(), &error)),
        }
    }

    fn finish(self, secrets: &Secrets) -> Result<(Vec<Series>, Vec<String>)> {
        match self.goes_on {
            GoesOn::No => {}
            GoesOn::Answer => {
                return Err(Error::new(
                    Category::Protocol,
                    "the answer ended before InfluxDB said that it was complete",
                )
                .hint("look into the log of InfluxDB, and of a proxy before it"));
            }
            GoesOn::Series => {
                return Err(Error::new(
                    Category::Limit,
                    "InfluxDB left rows out: there are more than its setting max-row-limit allows",
                )
                .hint("ask for a longer step, a shorter range or fewer series, or raise max-row-limit"));
            }
        }
        let (series, mut notices) = self.rows.finish(secrets)?;
        notices.extend(self.messages);
        Ok((series, notices))
    }
}

/// Takes the array of rows, row by row.
struct Taker<'a, 'de> {
    rows: &'a mut Rows,
    table: Table,
    /// Of the row being read; kept for its memory.
    cells: Vec<Cell<'de>>,
    /// Why reading was stopped, beside the error of JSON, which can only be text.
    failure: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for Taker<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let columns = self.table.len();
        while seq.next_element_seed(Row { cells: &mut self.cells, columns })?.is_some() {
            if let Err(error) = self.rows.take(&mut self.table, &self.cells) {
                let stop = A::Error::custom("stopped");
                *self.failure = Some(error);
                return Err(stop);
            }
        }
        Ok(())
    }
}

/// Reads one row, an array of scalars; what is beyond the columns is passed over.
struct Row<'a, 'de> {
    cells: &'a mut Vec<Cell<'de>>,
    columns: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Row<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of scalars")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.cells.clear();
        while self.cells.len() < self.columns {
            match seq.next_element::<Cell<'de>>()? {
                Some(cell) => self.cells.push(cell),
                None => return Ok(()),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::budget::Memory;
    use crate::source::time::TimeFormat;

    const LAYOUT: Layout = Layout { times: TimeFormat::Ms, nulls_are_gaps: false, plain_names: true };

    fn decoded(answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        decode(answer.as_bytes(), LAYOUT, Limits::default(), &Secrets::default())
    }

    fn refused(answer: &str, category: Category) -> String {
        let error = decoded(answer).unwrap_err();
        assert_eq!(error.category(), category, "{answer}: {error}");
        error.to_string()
    }

    #[test]
    fn chunks_of_a_series_are_put_together() {
        let answer = concat!(
            r#"{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v"],"values":[[1,0.5],[2,1]],"partial":true}],"partial":true}]}"#,
            "\n",
            r#"{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v"],"values":[[3,null],[4,-1e3]]}],"partial":true}]}"#,
            "\n",
            r#"{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"b"},"columns":["time","v"],"values":[[1,7]]}]}]}"#,
            "\n",
        );
        let (series, notices) = decoded(answer).unwrap();
        assert_eq!((series[0].name.as_str(), series[0].labels["host"].as_str()), ("v", "a"));
        assert_eq!(
            (series[0].times.as_slice(), series[0].values.as_slice()),
            (&[1, 2, 4][..], &[0.5, 1.0, -1e3][..])
        );
        assert_eq!((series[1].labels["host"].as_str(), series[1].values[0]), ("b", 7.0));
        assert!(notices.is_empty());
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let answer = r#"{"results":[{"series":[{"values":[[1,2]],"columns":["time","v"],"tags":{"n":5},"name":"x"}]}]}"#;
        let (series, _) = decoded(answer).unwrap();
        assert_eq!(series[0].labels["n"], "5");
    }

    #[test]
    fn no_series_are_none() {
        assert_eq!(decoded(r#"{"results":[{"statement_id":0}]}"#).unwrap(), (vec![], vec![]));
        assert_eq!(decoded(r#"{"results":[]}"#).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn errors_inside_good_answers_are_errors() {
        let good = r#"{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,2]]}],"partial":true}]}"#;
        for (answer, category) in [
            (
                r#"{"results":[{"statement_id":0,"error":"database not found: x"}]}"#.to_owned(),
                Category::Config,
            ),
            (r#"{"error":"timeout"}"#.to_owned(), Category::Limit),
            (format!("{good}{}", r#"{"results":[{"error":"query interrupted"}]}"#), Category::Query),
            (format!("{good}{}", r#"{"error":"max-select-series limit exceeded: 5"}"#), Category::Limit),
        ] {
            refused(&answer, category);
        }
    }

    #[test]
    fn rows_left_out_by_the_server_are_an_error() {
        let cut = r#"{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,2]],"partial":true}]}]}"#;
        let error = refused(cut, Category::Limit);
        assert!(error.contains("max-row-limit"), "{error}");
        let ended = cut.replace("}]}]}", "}],\"partial\":true}]}");
        assert!(refused(&ended, Category::Protocol).contains("ended before"));
    }

    #[test]
    fn warnings_become_notices() {
        let answer = r#"{"results":[{"messages":[{"level":"warning","text":"deprecated\n"},{"level":"warning","text":"deprecated"}]}]}"#;
        assert_eq!(decoded(answer).unwrap().1, ["InfluxDB says: deprecated"]);
    }

    #[test]
    fn hostile_answers_are_protocol_errors() {
        let values = |values: &str| {
            format!(
                r#"{{"results":[{{"series":[{{"name":"m","columns":["time","v"],"values":{values}}}]}}]}}"#
            )
        };
        for answer in [
            String::new(),
            "  ".to_owned(),
            "<html>".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"results":5}"#.to_owned(),
            r#"{"results":[{"series":[{"columns":5}]}]}"#.to_owned(),
            r#"{"results":[],"results":[]}"#.to_owned(),
            values("[[1,2],[3"),
            values("[[1,NaN]]"),
            values("[[1,Infinity]]"),
            values("[[1,1e999]]"),
            values("[5]"),
            values("{}"),
            values(&"[".repeat(1_000_000)),
            format!("{} trailing", values("[]")),
        ] {
            let error = refused(&answer, Category::Protocol);
            assert!(error.len() < 300, "{error}");
        }
        let deep = values(&format!("[[1,{}{}]]", "[".repeat(100_000), "]".repeat(100_000)));
        assert!(decoded(&deep).is_ok(), "an array in the place of a value is no value");
        let utf8 =
            decode(b"{\"results\":[{\"error\":\"\xff\"}]}", LAYOUT, Limits::default(), &Secrets::default());
        assert_eq!(utf8.unwrap_err().category(), Category::Protocol);
    }

    #[test]
    fn limits_name_their_setting() {
        let answer =
            r#"{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,2],[2,3]]}]}]}"#;
        let limits = Limits { max_rows: 1, ..Limits::default() };
        let error = decode(answer.as_bytes(), LAYOUT, limits, &Secrets::default()).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(error.to_string().contains("maxRows"), "{error}");
    }

    #[test]
    fn show_is_read_as_a_table() {
        let answer = r#"{"results":[{"series":[{"name":"cpu","columns":["fieldKey","fieldType"],"values":[["v","float"],["b",true]]}]}]}"#;
        let rows = table(answer.as_bytes(), &Secrets::default()).unwrap();
        assert_eq!((rows[0]["fieldKey"].as_str(), rows[1]["fieldType"].as_str()), ("v", "true"));
        let error =
            table(br#"{"results":[{"error":"database not found: x"}]}"#, &Secrets::default()).unwrap_err();
        assert_eq!(error.category(), Category::Config);
    }

    #[tokio::test]
    async fn names_of_columns_are_shared_and_rows_are_on_the_account() {
        let rows = r#"["a"],"#.repeat(9_999) + r#"["a"]"#;
        let column = "c".repeat(100_000);
        let answer =
            format!(r#"{{"results":[{{"series":[{{"columns":["{column}"],"values":[{rows}]}}]}}]}}"#);
        let memory = Memory::of(64 << 20);
        let within = |memory: &Memory| {
            budget::for_query(memory.account(), async { table(answer.as_bytes(), &Secrets::default()) })
        };
        let found = within(&memory).await.unwrap();
        assert!(Arc::ptr_eq(found[0].keys().next().unwrap(), found[9_999].keys().next().unwrap()));
        let error = within(&Memory::of(1 << 20)).await.unwrap_err();
        assert_eq!(error.category(), Category::Limit);
    }

    /// A measurement is part of the name of each of its columns, but not before they are series.
    #[tokio::test]
    async fn names_of_series_are_made_when_they_are_needed() {
        let columns: Vec<String> = (0..5_000).map(|number| format!(r#""c{number}""#)).collect();
        let answer = |values: &str| {
            format!(
                r#"{{"results":[{{"series":[{{"name":"{}","columns":["time",{}],"values":[[1{values}]]}}]}}]}}"#,
                "m".repeat(100_000),
                columns.join(","),
            )
        };
        let layout = Layout { plain_names: false, ..LAYOUT };
        let decoded = async |values: &str| {
            let memory = Memory::of(32 << 20);
            let answer = answer(values);
            let decode = async {
                decode(answer.as_bytes(), layout, Limits::default(), &Secrets::default())
                    .map(|(all, _)| all.len())
            };
            budget::for_query(memory.account(), decode).await
        };
        assert_eq!(decoded(",1,2").await, Ok(2));
        let error = decoded(&",1".repeat(500)).await.unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains("memory_mib"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, LAYOUT, Limits::default(), &Secrets::default());
            let _ = table(&bytes, &Secrets::default());
        }

        #[test]
        fn no_mutilated_answer_panics(cut in 0_usize..139, with in "\\PC{0,3}") {
            let answer = r#"{"results":[{"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","v"],"values":[[1,0.5],[2,1]],"partial":true}],"partial":true}]}"#;
            let mut bytes = answer.as_bytes().to_vec();
            bytes.splice(cut..(cut + 1).min(bytes.len()), with.bytes());
            let _ = decode(&bytes, LAYOUT, Limits::default(), &Secrets::default());
        }
    }
}
