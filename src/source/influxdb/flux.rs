//! Flux: texts with their macros, and their answers in annotated CSV.
//!
//! Annotated CSV (InfluxData's "Annotated CSV" specification) is a sequence of tables: rows that begin with `#datatype`,
//! `#group` and `#default`, a header, and rows. Columns of the group key are labels, `_field` is the name, `_time` the time
//! and `_value` the value; in tables without `_value`, such as those of `pivot`, every column of numbers is a series. A
//! table with the columns `error` and `reference` is an error, which may come after good rows.

use super::csv::{must_be_whole, not_as_many, not_csv, reader, too_many_columns};
use super::influxql::unused_filters;
use super::options::{Language, Options};
use super::quote;
use super::rows::{Layout, MAX_COLUMNS, Role, Rows, Table};
use super::window::{Steps, Window};
use super::{failure, flux_guard, sql};
use crate::error::{Category, Error, Result};
use crate::query::{AdhocFilter, FilterOperator, check_expanded, expand_with};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::FetchRequest;
use crate::source::cell::Cell;
use crate::source::secrets::Secrets;
use crate::source::time::TimeFormat;

/// Columns that are neither values nor labels.
const OF_FLUX: [&str; 4] = ["", "table", "_start", "_stop"];
/// What `yield` calls a result that was not named.
const UNNAMED: &str = "_result";

/// What a data source adds to a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) organization: &'a str,
}

/// The text of `options`, macros replaced; `None` if there is no whole step to ask for.
///
/// # Errors
/// [`Category::Query`] if there is none, it does more than read, or a macro cannot be replaced.
pub(super) fn query(
    options: &Options,
    request: &FetchRequest,
    place: Place<'_>,
    now_ms: i64,
) -> Result<Option<String>> {
    let text = sql::text_of(options, Language::Flux)?;
    // Before macros are replaced: what they become may hold any word, but is nothing to call even in quotes of the text.
    flux_guard::check(text)?;
    // A text that names the step aggregates by it.
    let aggregates =
        ["v.windowPeriod", "$__interval", "${__interval", "$interval"].iter().any(|word| text.contains(word));
    let window = Window::of(request, aggregates.then(|| Steps::of(request.step_ms)), now_ms);
    if window.is_empty() {
        return Ok(None);
    }
    let has_filters = std::cell::Cell::new(false);
    let own = |name: &str, arguments: Option<&[&str]>| match (name, arguments) {
        ("__adhocFilters", None | Some([])) => {
            has_filters.set(true);
            conditions(&options.adhoc_filters).map(Some)
        }
        ("interval", None) => Ok(Some(format!("{}ms", request.step_ms))),
        _ => Ok(None),
    };
    let time = |ms: i64| {
        chrono::DateTime::from_timestamp_millis(ms)
            .map(|time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
            .ok_or_else(|| {
                Error::new(Category::Query, "the time range has no calendar date").hint("choose another")
            })
    };
    let values = [
        ("v.timeRangeStart", time(window.from_ms)?),
        ("v.timeRangeStop", time(window.to_ms)?),
        ("v.windowPeriod", format!("{}ms", request.step_ms)),
        ("v.defaultBucket", quote::flux(place.bucket)),
        ("v.bucket", quote::flux(place.bucket)),
        ("v.organization", quote::flux(place.organization)),
    ];
    // The words first: in the filters they are a value's own.
    let text =
        values.iter().try_fold(text.to_owned(), |text, (name, value)| replace_word(&text, name, value))?;
    let text = expand_with(&text, &window.macros(request), str::to_owned, own)?;
    if !options.adhoc_filters.is_empty() && !has_filters.get() {
        return Err(unused_filters("|> filter(fn: (r) => $__adhocFilters)"));
    }
    Ok(Some(text))
}

/// `text` with `value` for every `name` that is not a part of a longer one.
///
/// # Errors
/// [`Category::Limit`] if it becomes too long.
fn replace_word(text: &str, name: &str, value: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    while let Some(at) = rest.find(name) {
        let after = &rest[at + name.len()..];
        out.push_str(&rest[..at]);
        let whole = !out.ends_with(in_word) && !after.starts_with(|c: char| c != '.' && in_word(c));
        out.push_str(if whole { value } else { name });
        check_expanded(out.len())?;
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Conditions on a row `r`. Nothing in them can be called, wherever the macro stands: within quotes of the text the quotes
/// here would end those, and what they hold would be code.
fn conditions(filters: &[AdhocFilter]) -> Result<String> {
    let mut all = Vec::new();
    for filter in filters {
        let symbol = filter.operator.symbol();
        let value = match filter.operator {
            FilterOperator::Equal | FilterOperator::NotEqual => quote::flux_inert(&filter.value),
            FilterOperator::Less | FilterOperator::Greater => {
                quote::number(&filter.value).map_or_else(|| quote::flux_inert(&filter.value), str::to_owned)
            }
            FilterOperator::Matches | FilterOperator::NotMatches => {
                flux_guard::check_pattern(&filter.value)?;
                quote::regex(&filter.value)?.replace('"', "\\x22")
            }
        };
        let symbol = if symbol == "=" { "==" } else { symbol };
        all.push(format!("r[{}] {symbol} {value}", quote::flux_inert(&filter.key)));
    }
    Ok(if all.is_empty() { "true".to_owned() } else { format!("({})", all.join(" and ")) })
}

/// Whether an answer has any rows.
///
/// # Errors
/// See [`decode`].
pub(super) fn has_rows(bytes: &[u8], secrets: &Secrets) -> Result<bool> {
    let mut found = false;
    read(bytes, secrets, |_, _| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// The series in an answer, and notices.
///
/// # Errors
/// Those the server tells; [`Category::Protocol`] if the answer is no annotated CSV; [`Category::Limit`] if there are too
/// many rows or series.
pub(super) fn decode(bytes: &[u8], limits: Limits, secrets: &Secrets) -> Result<(Vec<Series>, Vec<String>)> {
    let layout = Layout { times: TimeFormat::Iso8601, nulls_are_gaps: true, plain_names: true };
    let mut rows = Rows::new(layout, &limits);
    // The table of the rows before, with what its rows have in common.
    let mut current: Option<(Vec<String>, Table)> = None;
    read(bytes, secrets, |head, record| {
        // Texts that #default stands for are those of every row.
        rows.look_at(head.key_of(record).map(str::len).sum());
        let goes_on = |(of, _): &(Vec<String>, Table)| head.key_of(record).eq(of.iter().map(String::as_str));
        if head.is_new.take() || !current.as_ref().is_some_and(goes_on) {
            let key = head.key_of(record).map(str::to_owned).collect();
            current = Some((key, head.table(record, layout)?));
        }
        let Some((_, table)) = &mut current else { return Ok(()) };
        let cells: Vec<Cell<'_>> = (0..head.names.len()).map(|at| head.cell(record, at)).collect();
        rows.take(table, &cells)
    })?;
    rows.finish(secrets)
}

/// The annotations and the header of a table.
#[derive(Debug, Default)]
struct Head {
    kinds: Vec<String>,
    groups: Vec<String>,
    defaults: Vec<String>,
    names: Vec<String>,
    /// Set until the first row is read.
    is_new: std::cell::Cell<bool>,
}

/// Reads an answer table by table and hands over its rows.
fn read(
    bytes: &[u8],
    secrets: &Secrets,
    mut take: impl FnMut(&Head, &::csv::StringRecord) -> Result<()>,
) -> Result<()> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Err(not_annotated());
    }
    must_be_whole(bytes)?;
    let mut reader = reader(bytes);
    let mut record = ::csv::StringRecord::new();
    let mut head = Head::default();
    while reader.read_record(&mut record).map_err(|error| not_csv(&error))? {
        if record.len() > MAX_COLUMNS {
            return Err(too_many_columns(MAX_COLUMNS));
        }
        let texts = || record.iter().map(str::to_owned).collect::<Vec<String>>();
        match record.get(0).unwrap_or_default() {
            "#datatype" | "#group" | "#default" if !head.names.is_empty() => {
                head = Head::default();
                head.annotate(record.get(0).unwrap_or_default(), texts());
            }
            annotation if annotation.starts_with('#') => head.annotate(annotation, texts()),
            _ if head.names.is_empty() => {
                head.names = texts();
                head.is_new.set(true);
            }
            _ => {
                if let Some(at) = head.names.iter().position(|name| name == "error") {
                    let has_reference = head.names.iter().any(|name| name == "reference");
                    if has_reference || head.names.len() <= 2 {
                        return Err(failure::of_message(record.get(at).unwrap_or_default(), secrets));
                    }
                }
                if record.len() != head.names.len() {
                    return Err(not_as_many(&record));
                }
                if head.kinds.is_empty() {
                    return Err(not_annotated());
                }
                take(&head, &record)?;
            }
        }
    }
    Ok(())
}

fn not_annotated() -> Error {
    Error::new(Category::Protocol, "the answer is no annotated CSV")
        .hint("check that the URL is that of an InfluxDB server with Flux switched on")
}

impl Head {
    fn annotate(&mut self, annotation: &str, texts: Vec<String>) {
        match annotation {
            "#datatype" => self.kinds = texts,
            "#group" => self.groups = texts,
            "#default" => self.defaults = texts,
            // Other annotations say nothing that is needed here.
            _ => {}
        }
    }

    fn text<'r>(&'r self, record: &'r ::csv::StringRecord, at: usize) -> &'r str {
        let text = record.get(at).unwrap_or_default();
        if text.is_empty() { self.defaults.get(at).map_or("", String::as_str) } else { text }
    }

    fn kind(&self, at: usize) -> &str {
        self.kinds.get(at).map_or("", String::as_str)
    }

    fn is_grouped(&self, at: usize) -> bool {
        self.groups.get(at).is_some_and(|group| group == "true")
    }

    /// The texts that the rows of one series share: those of the group key, and the name of the result.
    fn key_of<'r>(&'r self, record: &'r ::csv::StringRecord) -> impl Iterator<Item = &'r str> {
        let columns = (0..self.names.len()).filter(|at| self.is_grouped(*at) || self.names[*at] == "result");
        columns.map(|at| self.text(record, at))
    }

    fn table(&self, record: &::csv::StringRecord, layout: Layout) -> Result<Table> {
        let is_time =
            |at: usize| self.kind(at).starts_with("dateTime") && !OF_FLUX.contains(&self.names[at].as_str());
        let time = self.names.iter().position(|name| name == "_time").filter(|at| is_time(*at));
        let time = time.or_else(|| (0..self.names.len()).find(|at| is_time(*at))).ok_or_else(|| {
            Error::new(Category::Protocol, "a table of the answer has no column \"_time\"")
                .hint("keep the column _time; aggregateWindow makes one")
        })?;
        let has_value = self.names.iter().any(|name| name == "_value");
        let mut labels = Labels::new();
        let mut field = None;
        for (at, name) in self.names.iter().enumerate() {
            let text = self.text(record, at);
            match name.as_str() {
                "result" if text != UNNAMED && !text.is_empty() => {
                    labels.insert(name.clone(), text.to_owned());
                }
                "_field" => field = Some(text.to_owned()),
                name if OF_FLUX.contains(&name) || name == "result" => {}
                _ if self.is_grouped(at) && at != time => {
                    labels.insert(name.clone(), text.to_owned());
                }
                _ => {}
            }
        }
        let column = |(at, name): (usize, &String)| {
            let is_number = matches!(self.kind(at), "double" | "long" | "unsignedLong" | "boolean");
            let role = match name.as_str() {
                _ if at == time => Role::Time,
                "_value" => Role::Value,
                name if self.is_grouped(at) || name == "result" || OF_FLUX.contains(&name) => Role::Unused,
                "_field" => Role::Unused,
                _ if is_number && !has_value => Role::Value,
                _ if self.kind(at) == "string" && !has_value => Role::Label,
                _ => Role::Unused,
            };
            (role, name.clone())
        };
        let columns = self.names.iter().enumerate().map(column).collect();
        Ok(Table::with_roles("", labels, columns, layout).of_field(field.filter(|_| has_value)))
    }

    fn cell<'r>(&'r self, record: &'r ::csv::StringRecord, at: usize) -> Cell<'r> {
        let text = self.text(record, at);
        match (self.kind(at), text) {
            (_, "") => Cell::Null,
            ("boolean", "true") => Cell::Bool(true),
            ("boolean", "false") => Cell::Bool(false),
            ("dateTime:number", text) => text.parse().map_or(Cell::Text(text.into()), |ns: i64| {
                Cell::Text(chrono::DateTime::from_timestamp_nanos(ns).to_rfc3339().into())
            }),
            (_, text) => Cell::Text(text.into()),
        }
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
    const PLACE: Place<'_> = Place { bucket: "my \"bucket\"", organization: "org" };

    fn text(options: Value) -> Result<Option<String>> {
        query(&serde_json::from_value(options).unwrap(), &REQUEST, PLACE, i64::MAX)
    }

    fn decoded(answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        decode(answer.as_bytes(), Limits::default(), &Secrets::default())
    }

    /// In the form of the "Annotated CSV" page of InfluxDB's documentation.
    const TWO_TABLES: &str = concat!(
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,string,string,string,double\r\n",
        "#group,false,false,true,true,false,true,true,true,false\r\n",
        "#default,_result,,,,,,,,\r\n",
        ",result,table,_start,_stop,_time,_measurement,_field,region,_value\r\n",
        ",,0,2018-05-08T20:50:00Z,2018-05-08T20:51:00Z,2018-05-08T20:50:00Z,cpu,load,east,15.43\r\n",
        ",,0,2018-05-08T20:50:00Z,2018-05-08T20:51:00Z,2018-05-08T20:50:20.5Z,cpu,load,east,\r\n",
        ",,1,2018-05-08T20:50:00Z,2018-05-08T20:51:00Z,2018-05-08T20:50:00.000000001Z,cpu,load,west,4.62\r\n",
        "\r\n",
        "#datatype,string,long,dateTime:RFC3339,boolean,string\r\n",
        "#group,false,false,false,false,true\r\n",
        "#default,other,,,,\r\n",
        ",result,table,_time,_value,host\r\n",
        ",,0,2018-05-08T20:50:00Z,true,a\r\n",
    );

    #[test]
    fn tables_become_series() {
        const AT_MS: i64 = 1_525_812_600_000;
        let (series, notices) = decoded(TWO_TABLES).unwrap();
        let labels = |all: &[(&str, &str)]| -> Labels {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(series[0].labels, labels(&[("_measurement", "cpu"), ("region", "east")]));
        assert_eq!(
            (series[0].name.as_str(), series[0].times.as_slice()),
            ("load", &[AT_MS, AT_MS + 20_500][..])
        );
        assert!(series[0].values[0] == 15.43 && series[0].values[1].is_nan());
        assert_eq!((series[1].labels["region"].as_str(), series[1].values.as_slice()), ("west", &[4.62][..]));
        assert_eq!(series[1].times, [AT_MS]);
        assert_eq!(series[2].labels, labels(&[("host", "a"), ("result", "other")]));
        assert_eq!((series[2].name.as_str(), series[2].values[0]), ("_value", 1.0));
        assert!(notices.is_empty() && series.len() == 3);
        assert!(has_rows(TWO_TABLES.as_bytes(), &Secrets::default()).unwrap());
    }

    #[test]
    fn pivoted_tables_have_a_series_for_each_column_of_numbers() {
        let answer = concat!(
            "#datatype,string,long,dateTime:RFC3339,string,double,long,string\n",
            "#group,false,false,false,true,false,false,false\n",
            "#default,_result,,,,,,\n",
            ",result,table,_time,host,load,users,state\n",
            ",,0,2018-05-08T20:50:00Z,a,0.5,7,up\n",
        );
        let (series, _) = decoded(answer).unwrap();
        let found: Vec<_> =
            series.iter().map(|s| (s.name.as_str(), s.values[0], s.labels["state"].as_str())).collect();
        assert_eq!(found, [("load", 0.5, "up"), ("users", 7.0, "up")]);
    }

    #[test]
    fn errors_come_as_tables_even_late() {
        let error = "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,query terminated: reading failed,897\n";
        for answer in [error.to_owned(), format!("{TWO_TABLES}\r\n{error}")] {
            let error = decoded(&answer).unwrap_err();
            assert_eq!(error.category(), Category::Query);
            assert!(error.message().contains("reading failed"), "{error}");
        }
    }

    #[test]
    fn other_answers_are_refused() {
        for answer in
            ["<html>", "{\"code\":\"x\"}", "a,b\n1,2\n", ",result,table,_time\n,,0,2018-05-08T20:50:00Z\n"]
        {
            assert_eq!(decoded(answer).unwrap_err().category(), Category::Protocol, "{answer}");
        }
        let timeless = "#datatype,string,long,double\n#group,false,false,false\n#default,,,\n,result,table,_value\n,,0,1\n";
        assert!(decoded(timeless).unwrap_err().to_string().contains("_time"));
        assert_eq!(decoded("\r\n").unwrap(), (vec![], vec![]));
    }

    #[test]
    fn macros_and_the_words_of_influxdb_are_replaced() {
        let flux = "from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop) \
                    |> filter(fn: (r) => $__adhocFilters) |> aggregateWindow(every: v.windowPeriod, fn: mean, timeSrc: \"_start\") // dev.bucket v.bucketX";
        let filters = json!([{"key": "ho\"st", "value": "a${x}"}, {"key": "n", "operator": "<", "value": "5"}, {"key": "r", "operator": "=~", "value": "/x"}]);
        assert_eq!(
            text(json!({"text": flux, "adhocFilters": filters})).unwrap().unwrap(),
            "from(bucket: \"my \\\"bucket\\\"\") |> range(start: 2023-11-14T22:14:00.000Z, stop: 2023-11-14T22:16:00.000Z) \
             |> filter(fn: (r) => (r[\"ho\\x22st\"] == \"a\\x24\\x7Bx\\x7D\" and r[\"n\"] < 5 and r[\"r\"] =~ /\\x2Fx/)) \
             |> aggregateWindow(every: 60000ms, fn: mean, timeSrc: \"_start\") // dev.bucket v.bucketX"
        );
        let raw = text(json!({"text": "stop: v.timeRangeStop, $__adhocFilters"})).unwrap().unwrap();
        assert_eq!(raw, "stop: 2023-11-14T22:16:10.001Z, true");
        assert!(text(json!({"text": ""})).unwrap_err().to_string().contains("Flux"));
        let unused = text(json!({"text": "x", "adhocFilters": filters})).unwrap_err();
        assert!(unused.to_string().contains("$__adhocFilters"), "{unused}");
    }

    /// A macro within quotes of the text: its own quotes end those, so that keys and values stand where code does.
    #[test]
    fn filters_hold_nothing_to_call_even_in_quotes() {
        let filters = |key: &str, operator: &str, value: &str| {
            let filters = json!([{"key": key, "operator": operator, "value": value}]);
            text(json!({"text": "x = \"$__adhocFilters\"", "adhocFilters": filters}))
        };
        let asked = filters("+", "=", " f(a: b) |> g()\ny = v.bucket").unwrap().unwrap();
        assert_eq!(
            asked,
            "x = \"(r[\"\\x2B\"] == \" f\\x28a\\x3A b\\x29 \\x7C\\x3E g\\x28\\x29\\x0Ay \\x3D v.bucket\")\""
        );
        assert_eq!(filters("k", "<", "1e(").unwrap().unwrap(), "x = \"(r[\"k\"] < \"1e\\x28\")\"");
        let quoted = filters("k", "=~", "a\"b").unwrap().unwrap();
        assert_eq!(quoted, "x = \"(r[\"k\"] =~ /a\\x22b/)\"");
        let error = filters("k", "=~", "a|to(b)").unwrap_err();
        assert!(error.to_string().contains("the word to"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..700, with in "[\",\n#]{0,4}") {
            let _ = decode(&bytes, Limits::default(), &Secrets::default());
            let mut answer = TWO_TABLES.to_owned();
            answer.insert_str(at.min(answer.len()), &with);
            let _ = decoded(&answer);
        }
    }
}
