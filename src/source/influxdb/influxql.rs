//! InfluxQL: queries built from options, and texts with their macros.
//!
//! Everything a query brings along is quoted here, and a text must be one `SELECT` that writes nowhere: whoever may
//! see a dashboard may send any query to its data source.

use super::options::{Fill, Options};
use super::quote::{self, identifier, string};
use super::window::{Steps, Window, grouped_by_time};
use crate::error::{Category, Error, Result};
use crate::query::{AdhocFilter, DurationMs, FilterOperator, expand_with};
use crate::source::FetchRequest;
use crate::source::aggregate::Aggregate;

/// Every offset of a time zone is a multiple of this: steps that divide it begin at the same instants in all zones.
const ZONE_OFFSETS_MS: i64 = 15 * 60_000;

/// A query ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) text: String,
    /// Whether a null says that there was nothing in a step.
    pub(super) nulls_are_gaps: bool,
    /// Whether series are named by their column alone.
    pub(super) plain_names: bool,
}

/// The query of `options`; `None` if there is no whole step to ask for.
///
/// # Errors
/// [`Category::Query`] if an option is missing or cannot be used.
pub(super) fn query(options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Option<Asked>> {
    if options.text.trim().is_empty() {
        build(options, request, now_ms)
    } else {
        expand(options, request, now_ms)
    }
}

fn build(options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Option<Asked>> {
    if options.fields.iter().all(String::is_empty) {
        return Err(
            Error::new(Category::Query, "no field is chosen").hint("set source.fields, or write source.text")
        );
    }
    let aggregates = options.aggregate != Aggregate::None;
    let window = Window::of(request, aggregates.then(|| Steps::of(request.step_ms)), now_ms);
    if window.is_empty() {
        return Ok(None);
    }
    let mut fields: Vec<String> = Vec::new();
    for field in options.fields.iter().filter(|field| !field.is_empty()) {
        let name = identifier(field);
        let value = match options.aggregate {
            Aggregate::P95 => format!("percentile({name}, 95) AS {name}"),
            Aggregate::None => name,
            aggregate => format!("{}({name}) AS {name}", aggregate.name()),
        };
        if !fields.contains(&value) {
            fields.push(value);
        }
    }
    let filters = [options.r#where.as_slice(), &options.adhoc_filters].concat();
    let mut groups: Vec<String> = Vec::new();
    if aggregates {
        groups.push(format!("time({}ms)", request.step_ms));
    }
    let tags = options.tags.iter().filter(|tag| !tag.is_empty());
    groups.extend(tags.map(|tag| if tag == "*" { "*".to_owned() } else { identifier(tag) }));
    let mut text = format!(
        "SELECT {} FROM {} WHERE {}",
        fields.join(", "),
        source(options)?,
        all_of(range(window), &filters)?
    );
    if !groups.is_empty() {
        text.push_str(&format!(" GROUP BY {}", groups.join(", ")));
    }
    if aggregates {
        let fill = match options.fill {
            Fill::None => "none".to_owned(),
            Fill::Null => "null".to_owned(),
            Fill::Number(number) => number.to_string(),
        };
        text.push_str(&format!(" fill({fill})"));
    }
    let plain_names = !is_pattern(&options.measurement);
    Ok(Some(Asked { text, nulls_are_gaps: aggregates && options.fill == Fill::Null, plain_names }))
}

/// The measurement with its retention policy.
pub(super) fn source(options: &Options) -> Result<String> {
    if options.measurement.is_empty() {
        return Err(Error::new(Category::Query, "no measurement is chosen")
            .hint("set source.measurement, or write source.text"));
    }
    let measurement = if is_pattern(&options.measurement) {
        quote::regex(&options.measurement)?
    } else {
        identifier(&options.measurement)
    };
    Ok(if options.policy.is_empty() {
        measurement
    } else {
        format!("{}.{measurement}", identifier(&options.policy))
    })
}

/// Whether a measurement is a regular expression.
pub(super) fn is_pattern(measurement: &str) -> bool {
    measurement.len() > 2 && quote::inner_pattern(measurement).len() + 2 == measurement.len()
}

fn range(window: Window) -> String {
    format!("time >= {}ms AND time < {}ms", window.from_ms, window.to_ms)
}

fn all_of(first: String, filters: &[AdhocFilter]) -> Result<String> {
    let mut all = vec![first];
    for filter in filters {
        all.push(condition(filter)?);
    }
    Ok(all.join(" AND "))
}

/// A condition on a tag or field. Texts are compared with `=`, numbers with `<` and `>`.
fn condition(filter: &AdhocFilter) -> Result<String> {
    if filter.key.is_empty() {
        return Err(
            Error::new(Category::Query, "a filter has no key").hint("choose a tag or remove the filter")
        );
    }
    use FilterOperator::{Equal, Greater, Less, Matches, NotEqual, NotMatches};
    let value = match filter.operator {
        Equal | NotEqual => string(&filter.value),
        Less | Greater => quote::number(&filter.value).map_or_else(|| string(&filter.value), str::to_owned),
        Matches | NotMatches => quote::regex(&filter.value)?,
    };
    Ok(format!("{} {} {value}", identifier(&filter.key), filter.operator.symbol()))
}

fn expand(options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Option<Asked>> {
    // Filters come with the range; both are needed, so that no filter of the dashboard is passed over in silence.
    let has_filters = std::cell::Cell::new(false);
    let expand_in = |window: Window| {
        let filters = || -> Result<String> {
            has_filters.set(true);
            let conditions = options.adhoc_filters.iter().map(condition).collect::<Result<Vec<_>>>()?;
            Ok(conditions.join(" AND "))
        };
        let with_range = || -> Result<Option<String>> {
            let filters = filters()?;
            let and = if filters.is_empty() { "" } else { " AND " };
            Ok(Some(format!("({}{and}{filters})", range(window))))
        };
        let own = |name: &str, arguments: Option<&[&str]>| match (name, arguments) {
            ("timeFilter", None) | ("__timeFilter", None | Some([] | ["time" | "\"time\""])) => with_range(),
            ("__timeFilter", Some(_)) => {
                Err(Error::new(Category::Query, "the time column of InfluxQL is time")
                    .hint("write $timeFilter, or $__timeFilter(time)"))
            }
            ("interval", None) => Ok(Some(format!("{}ms", request.step_ms))),
            ("__timeGroup", Some(arguments)) => {
                Ok(Some(format!("time({}ms)", group_step_ms(arguments, request.step_ms)?)))
            }
            ("__adhocFilters", None | Some([])) => {
                let filters = filters()?;
                Ok(Some(if filters.is_empty() { "(1 = 1)".to_owned() } else { format!("({filters})") }))
            }
            _ => Ok(None),
        };
        expand_with(&options.text, &window.macros(request), str::to_owned, own)
    };
    let text = expand_in(Window::of(request, None, now_ms))?;
    let steps = grouped_by_time(&text);
    if let Some(steps) = steps
        && ZONE_OFFSETS_MS % steps.length_ms != 0
        && text.to_ascii_lowercase().contains("tz(")
    {
        return Err(Error::new(Category::Query, "tz() moves the query's steps away from the epoch")
            .hint("leave tz() away, or group by at most 15 minutes"));
    }
    let window = Window::of(request, steps, now_ms);
    if window.is_empty() {
        return Ok(None);
    }
    let text = expand_in(window)?;
    if !options.adhoc_filters.is_empty() && !has_filters.get() {
        return Err(unused_filters("$timeFilter or $__adhocFilters"));
    }
    let text = reading_only(&text)?;
    // Without a fill, InfluxQL says null from the begin of the range asked for to its end, for series that have anything in it:
    // a step without a value is none, and whether it is missing shows by the points around it.
    Ok(Some(Asked { text, nulls_are_gaps: false, plain_names: false }))
}

/// The error of filters that the text of a query does not use.
pub(super) fn unused_filters(macros: &str) -> Error {
    Error::new(Category::Query, "the dashboard has ad-hoc filters, but the query does not use them")
        .hint(format!("write {macros} among its conditions"))
}

/// The step, ms, of `$__timeGroup(time, 5m)`; without the second argument that of the query.
pub(super) fn group_step_ms(arguments: &[&str], step_ms: i64) -> Result<i64> {
    match arguments.get(1).map(|step| step.trim_matches(['\'', '"'])) {
        None | Some("$__interval" | "${__interval}" | "$interval") => Ok(step_ms),
        Some(step) => match step.parse::<DurationMs>().map(DurationMs::as_millis) {
            Ok(step_ms) if step_ms > 0 => Ok(step_ms),
            _ => Err(Error::new(Category::Query, "the step of $__timeGroup is no duration")
                .hint("write for example $__timeGroup(time, 5m), or leave the step away")),
        },
    }
}

/// `text`, if it is one `SELECT` that writes nowhere.
///
/// InfluxDB runs whatever it is sent, and to tell its quotes, comments, divisions and regular expressions apart one must
/// read as it does. So the two things that make a harmless text harmful, a second statement and `INTO`, are refused
/// wherever they stand.
fn reading_only(text: &str) -> Result<String> {
    let text = text.trim();
    let text = text.strip_suffix(';').unwrap_or(text).trim_end();
    let refused = |what: &str, hint: &str| Err(Error::new(Category::Query, what).hint(hint));
    let lower = text.to_ascii_lowercase();
    if !lower.strip_prefix("select").is_some_and(|rest| rest.starts_with(|c: char| !is_word(c))) {
        return refused(
            "the query does not begin with SELECT",
            "write one SELECT; other statements are not sent",
        );
    }
    if text.contains(';') {
        return refused(
            "the query holds a semicolon",
            "write one statement; in a regular expression, \\x3B is a semicolon",
        );
    }
    let mut words = lower.split(|c: char| !is_word(c));
    if words.any(|word| word == "into") {
        return refused(
            "the query holds the word INTO, with which InfluxQL writes",
            "leave it away; in a regular expression, int\\x6F is that word",
        );
    }
    Ok(text.to_owned())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::series::TimeRange;

    const REQUEST: FetchRequest =
        FetchRequest { range: TimeRange { from_ms: 60_000, to_ms: 179_999 }, step_ms: 60_000 };

    fn asked(options: Value) -> Result<Asked> {
        let options: Options = serde_json::from_value(options).unwrap();
        query(&options, &REQUEST, i64::MAX).map(Option::unwrap)
    }

    fn text(options: Value) -> String {
        asked(options).unwrap().text
    }

    fn refused(options: Value) -> String {
        let error = asked(options).unwrap_err();
        assert_eq!(error.category(), Category::Query);
        error.to_string()
    }

    #[test]
    fn a_query_is_built_from_options() {
        assert_eq!(
            text(json!({"measurement": "cpu", "fields": ["load"]})),
            r#"SELECT mean("load") AS "load" FROM "cpu" WHERE time >= 60000ms AND time < 180000ms GROUP BY time(60000ms) fill(none)"#
        );
        assert_eq!(
            text(json!({
                "policy": "year", "measurement": "c.p", "fields": ["a", "b", "a", ""], "aggregate": "p95",
                "tags": ["host", "", "*"], "fill": "null",
                "where": [{"key": "host", "operator": "=~", "value": "/^web\\d/"}, {"key": "load", "operator": ">", "value": "5"}],
                "adhocFilters": [{"key": "zone", "value": "it's"}]
            })),
            concat!(
                r#"SELECT percentile("a", 95) AS "a", percentile("b", 95) AS "b" FROM "year"."c.p" "#,
                r#"WHERE time >= 60000ms AND time < 180000ms AND "host" =~ /^web\d/ AND "load" > 5 AND "zone" = 'it\'s' "#,
                r#"GROUP BY time(60000ms), "host", * fill(null)"#
            )
        );
        let raw = asked(json!({"measurement": "/^c/", "fields": ["a"], "aggregate": "none", "tags": ["h"]}))
            .unwrap();
        assert_eq!(
            raw.text,
            r#"SELECT "a" FROM /^c/ WHERE time >= 60000ms AND time < 180000ms GROUP BY "h""#
        );
        assert!(!raw.plain_names && !raw.nulls_are_gaps);
        assert!(text(json!({"measurement": "m", "fields": ["a"], "fill": "0.5"})).ends_with("fill(0.5)"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(refused(json!({"measurement": "m"})).contains("source.fields"));
        assert!(refused(json!({"fields": ["v"]})).contains("source.measurement"));
        let keyless =
            json!({"measurement": "m", "fields": ["v"], "adhocFilters": [{"key": "", "value": "x"}]});
        assert!(refused(keyless).contains("no key"));
    }

    #[test]
    fn texts_get_their_macros() {
        let options = json!({"text": "select time, Temp as value from \"sensor.series\" where (SensorId = '0001') and $timeFilter"});
        let asked = asked(options).unwrap();
        assert_eq!(
            asked.text,
            "select time, Temp as value from \"sensor.series\" where (SensorId = '0001') and (time >= 60000ms AND time < 180000ms)"
        );
        assert!(!asked.nulls_are_gaps && !asked.plain_names);
        assert_eq!(
            text(json!({
                "text": "SELECT mean(v) FROM m WHERE $__timeFilter(time) GROUP BY $__timeGroup(time, '2m'), host; ",
                "adhocFilters": [{"key": "h", "operator": "!~", "value": "a/b"}]
            })),
            "SELECT mean(v) FROM m WHERE (time >= 0ms AND time < 240000ms AND \"h\" !~ /a\\x2Fb/) GROUP BY time(120000ms), host"
        );
        assert_eq!(
            text(
                json!({"text": "select v from m where time > ${__from}ms and $__adhocFilters limit $__maxDataPoints"})
            ),
            "select v from m where time > 60000ms and (1 = 1) limit 2"
        );
        for (text, says) in [
            ("select v from m where $__timeFilter(t)", "$timeFilter"),
            ("select v from m group by $__timeGroup(time, x)", "no duration"),
            ("select v from m where $timeFilter group by time(1d) tz('Europe/Berlin')", "tz()"),
        ] {
            assert!(refused(json!({"text": text})).contains(says));
        }
    }

    #[test]
    fn filters_are_never_passed_over() {
        let options = json!({"text": "select v from m", "adhocFilters": [{"key": "h", "value": "a"}]});
        assert!(refused(options).contains("$timeFilter or $__adhocFilters"));
    }

    #[test]
    fn nothing_is_asked_where_no_step_is_over() {
        for options in [
            json!({"measurement": "m", "fields": ["v"]}),
            json!({"text": "select mean(v) from m where $timeFilter group by time($interval)"}),
        ] {
            let options: Options = serde_json::from_value(options).unwrap();
            assert_eq!(query(&options, &REQUEST, 119_999).unwrap(), None);
            let one = query(&options, &REQUEST, 120_000).unwrap().unwrap().text;
            assert!(one.contains("time >= 60000ms AND time < 120000ms"), "{one}");
        }
    }

    #[test]
    fn what_writes_is_not_sent() {
        for text in [
            "drop database x",
            "show databases",
            "selec v from m",
            "selectx v from m",
            "-- select\ndrop database x",
            "select v from m; drop database x",
            "select v from m where x =~ /'/; drop database x -- '/",
            "select v into m2 from m",
            "select v/**/INTO\"m2\"from m",
            "select v\nInTo m2 from m",
        ] {
            refused(json!({ "text": text }));
        }
        assert_eq!(
            text(json!({"text": " SELECT \"introduction\" FROM m ; "})),
            "SELECT \"introduction\" FROM m"
        );
    }

    proptest! {
        #[test]
        fn filters_stay_within_their_quotes(
            key in "[a'\"\\\\/\n;]{1,9}", value in "[a'\"\\\\/\n;]{0,9}", operator in "=|!=|<|>"
        ) {
            let filter: AdhocFilter =
                serde_json::from_value(json!({"key": key, "operator": operator, "value": value})).unwrap();
            let written = condition(&filter).unwrap();
            prop_assert_eq!(written, format!("{} {operator} {}", identifier(&key), string(&value)));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let options = Options { text, ..Options::default() };
            let _ = query(&options, &REQUEST, 0);
        }
    }
}
