//! SQL of version 3: texts with their macros, and their answers in lines of JSON, a row each.

use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::answer::not_json;
use super::csv::too_many_columns;
use super::failure;
use super::influxql::{group_step_ms, unused_filters};
use super::options::{Language, Options};
use super::quote;
use super::rows::{Layout, MAX_GROWN_COLUMNS, Rows, Table};
use super::window::{Steps, Window};
use crate::error::{Category, Error, Result};
use crate::query::{AdhocFilter, FilterOperator, expand_with};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::FetchRequest;
use crate::source::cell::Cell;
use crate::source::secrets::Secrets;
use crate::source::time::TimeFormat;

/// The text of a query in a language that knows no other form.
///
/// # Errors
/// [`Category::Query`] if there is none.
pub(super) fn text_of(options: &Options, language: Language) -> Result<&str> {
    let text = options.text.trim();
    if text.is_empty() {
        return Err(Error::new(Category::Query, format!("the query in {} has no text", language.name()))
            .hint("write source.text, or choose InfluxQL to build a query from options"));
    }
    Ok(text)
}

/// The text of `options`, macros replaced; `None` if there is no whole step to ask for.
///
/// # Errors
/// [`Category::Query`] if there is none, or a macro cannot be replaced.
pub(super) fn query(options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Option<String>> {
    let text = text_of(options, Language::Sql)?;
    let group_ms = std::cell::Cell::new(None);
    let has_filters = std::cell::Cell::new(false);
    let expand_in = |window: Window| {
        let filters = || -> Result<String> {
            has_filters.set(true);
            Ok(options.adhoc_filters.iter().map(condition).collect::<Vec<_>>().join(" AND "))
        };
        let own = |name: &str, arguments: Option<&[&str]>| match (name, arguments) {
            ("timeFilter", None) => Ok(Some(range("time", window, &filters()?)?)),
            ("__timeFilter", None | Some([])) => Ok(Some(range("time", window, &filters()?)?)),
            ("__timeFilter", Some([column, ..])) => Ok(Some(range(column, window, &filters()?)?)),
            ("__timeGroup" | "__dateBin", Some([column, ..])) => {
                let step_ms = group_step_ms(arguments.unwrap_or_default(), request.step_ms)?;
                group_ms.set(Some(step_ms));
                Ok(Some(format!(
                    "date_bin(INTERVAL '{step_ms} milliseconds', {column}, TIMESTAMP '1970-01-01T00:00:00Z')"
                )))
            }
            ("interval", None) => Ok(Some(format!("{} milliseconds", request.step_ms))),
            ("__adhocFilters", None | Some([])) => {
                let filters = filters()?;
                Ok(Some(if filters.is_empty() { "TRUE".to_owned() } else { format!("({filters})") }))
            }
            _ => Ok(None),
        };
        expand_with(text, &window.macros(request), str::to_owned, own)
    };
    expand_in(Window::of(request, None, now_ms))?;
    let window = Window::of(request, group_ms.get().map(Steps::of), now_ms);
    if window.is_empty() {
        return Ok(None);
    }
    let text = expand_in(window)?;
    if !options.adhoc_filters.is_empty() && !has_filters.get() {
        return Err(unused_filters("$__timeFilter(time) or $__adhocFilters"));
    }
    Ok(Some(text))
}

fn range(column: &str, window: Window, filters: &str) -> Result<String> {
    let time = |ms: i64| {
        chrono::DateTime::from_timestamp_millis(ms)
            .map(|time| time.format("TIMESTAMP '%Y-%m-%dT%H:%M:%S%.3fZ'").to_string())
            .ok_or_else(|| {
                Error::new(Category::Query, "the time range has no calendar date").hint("choose another")
            })
    };
    let and = if filters.is_empty() { "" } else { " AND " };
    Ok(format!(
        "({column} >= {} AND {column} < {}{and}{filters})",
        time(window.from_ms)?,
        time(window.to_ms)?
    ))
}

fn condition(filter: &AdhocFilter) -> String {
    let column = quote::sql(&filter.key, '"');
    let text = || quote::sql(&filter.value, '\'');
    match filter.operator {
        FilterOperator::Equal => format!("{column} = {}", text()),
        FilterOperator::NotEqual => format!("{column} <> {}", text()),
        FilterOperator::Matches => {
            format!("{column} ~ {}", quote::sql(quote::inner_pattern(&filter.value), '\''))
        }
        FilterOperator::NotMatches => {
            format!("{column} !~ {}", quote::sql(quote::inner_pattern(&filter.value), '\''))
        }
        FilterOperator::Less | FilterOperator::Greater => {
            let value = quote::number(&filter.value).map_or_else(text, str::to_owned);
            format!("{column} {} {value}", filter.operator.symbol())
        }
    }
}

/// The series in an answer, and notices. The column `time` is the time, texts are labels, numbers are values.
///
/// # Errors
/// Those the server tells; [`Category::Protocol`] if the answer is no lines of JSON; [`Category::Limit`] if there are too
/// many rows or series.
pub(super) fn decode(bytes: &[u8], limits: Limits, secrets: &Secrets) -> Result<(Vec<Series>, Vec<String>)> {
    let layout = Layout { times: TimeFormat::Auto, nulls_are_gaps: false, plain_names: true };
    let mut rows = Rows::new(layout, &limits);
    let mut table = Table::new("", Labels::new(), Vec::new(), layout);
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        cells.clear();
        cells.resize(table.len(), Cell::Missing);
        let mut json = serde_json::Deserializer::from_slice(line);
        json.deserialize_map(Line { table: &mut table, cells: &mut cells })
            .and_then(|()| json.end())
            .map_err(|error| {
                if error.is_data() && table.len() == MAX_GROWN_COLUMNS {
                    too_many_columns(MAX_GROWN_COLUMNS)
                } else {
                    not_json(line, &error)
                }
            })?;
        if table.len() == 1
            && let Some(Cell::Text(message)) = cells.first()
            && table.is_open(0)
        {
            // The only column, and not the time: the server's words.
            return Err(failure::of_message(message, secrets));
        }
        rows.take(&mut table, &cells)?;
    }
    rows.finish(secrets)
}

/// One row.
struct Line<'a, 'de> {
    table: &'a mut Table,
    cells: &'a mut Vec<Cell<'de>>,
}

impl<'de> Visitor<'de> for Line<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let Some(at) = self.table.column(&name) else { return Err(A::Error::custom("too many columns")) };
            let cell = map.next_value()?;
            if at >= self.cells.len() {
                self.cells.resize(at + 1, Cell::Missing);
            }
            self.cells[at] = cell;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::series::TimeRange;

    const REQUEST: FetchRequest = FetchRequest {
        range: TimeRange { from_ms: 1_700_000_040_000, to_ms: 1_700_000_170_000 },
        step_ms: 60_000,
    };

    fn text(options: Value) -> Result<Option<String>> {
        query(&serde_json::from_value(options).unwrap(), &REQUEST, i64::MAX)
    }

    fn decoded(answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        decode(answer.as_bytes(), Limits::default(), &Secrets::default())
    }

    #[test]
    fn lines_become_series() {
        let answer = concat!(
            "{\"time\":\"2023-11-14T22:13:20.123456789\",\"host\":\"a\",\"load\":0.5}\n",
            "{\"time\":\"2023-11-14T22:13:21\",\"host\":\"b\",\"load\":2,\"on\":true}\r\n\n",
            "{\"host\":\"a\",\"time\":\"2023-11-14T22:13:22Z\",\"load\":null}\n",
            "{\"host\":\"a\",\"load\":7,\"time\":\"2023-11-14T22:13:23Z\"}",
        );
        let (series, notices) = decoded(answer).unwrap();
        let found: Vec<_> = series
            .iter()
            .map(|s| (s.name.as_str(), s.labels["host"].as_str(), s.times.as_slice(), s.values.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                ("load", "a", &[1_700_000_000_123, 1_700_000_003_000][..], &[0.5, 7.0][..]),
                ("load", "b", &[1_700_000_001_000][..], &[2.0][..]),
                ("on", "b", &[1_700_000_001_000][..], &[1.0][..]),
            ]
        );
        assert!(notices.is_empty());
        assert_eq!(decoded("").unwrap(), (vec![], vec![]));
    }

    #[test]
    fn other_answers_are_refused() {
        for (answer, category) in [
            ("{\"error\":\"database not found: x\"}", Category::Config),
            ("<html>", Category::Protocol),
            ("[1,2]", Category::Protocol),
            ("{\"time\":1", Category::Protocol),
            ("{\"time\":1,\"v\":NaN}", Category::Protocol),
            ("{\"v\":1}", Category::Protocol),
        ] {
            assert_eq!(decoded(answer).unwrap_err().category(), category, "{answer}");
        }
        let deep = format!("{{\"time\":1,\"v\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(decoded(&deep).unwrap().0, []);
    }

    #[test]
    fn macros_are_replaced() {
        let options = json!({
            "text": "SELECT $__timeGroup(time) AS time, host, avg(load) AS load FROM cpu WHERE $__timeFilter(time) GROUP BY 1, 2",
            "adhocFilters": [
                {"key": "ho\"st", "value": "it's"}, {"key": "n", "operator": ">", "value": "5"},
                {"key": "h", "operator": "!~", "value": "/^a'/"}, {"key": "h", "operator": "!=", "value": "x"},
            ],
        });
        let bin = "date_bin(INTERVAL '60000 milliseconds', time, TIMESTAMP '1970-01-01T00:00:00Z')";
        let range =
            "time >= TIMESTAMP '2023-11-14T22:14:00.000Z' AND time < TIMESTAMP '2023-11-14T22:16:00.000Z'";
        let filters = "\"ho\"\"st\" = 'it''s' AND \"n\" > 5 AND \"h\" !~ '^a''' AND \"h\" <> 'x'";
        assert_eq!(
            text(options).unwrap().unwrap(),
            format!(
                "SELECT {bin} AS time, host, avg(load) AS load FROM cpu WHERE ({range} AND {filters}) GROUP BY 1, 2"
            )
        );
        let raw = text(json!({"text": "SELECT * FROM m WHERE $__timeFilter(t) AND $__adhocFilters"}))
            .unwrap()
            .unwrap();
        assert!(raw.ends_with("t < TIMESTAMP '2023-11-14T22:16:10.001Z') AND TRUE"), "{raw}");
        assert!(text(json!({"text": " "})).unwrap_err().to_string().contains("SQL"));
        let unused = json!({"text": "SELECT 1", "adhocFilters": [{"key": "a", "value": "b"}]});
        assert!(text(unused).unwrap_err().to_string().contains("$__timeFilter(time)"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\":,a1\n\\[]{0,60}") {
            let _ = decode(&bytes, Limits::default(), &Secrets::default());
            let _ = decoded(&text);
        }
    }
}
