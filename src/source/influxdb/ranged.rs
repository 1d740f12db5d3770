//! Whether a point of a query is the same in every range that holds it: InfluxDB computes from the rows within the range, so
//! whatever looks beyond a step begins anew with it.

use super::options::{Fill, Language, Options};
use crate::error::Result;
use crate::source::ranged::{never_twice, of_sql, words};

/// Functions of InfluxQL that make one value of a step.
const AGGREGATES: &[&str] = &[
    "bottom",
    "count",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "percentile",
    "spread",
    "stddev",
    "sum",
];
/// What may stand before a parenthesis besides: functions of one row, and keywords.
const OF_ROWS: &[&str] = &[
    "abs",
    "acos",
    "and",
    "as",
    "asin",
    "atan",
    "atan2",
    "by",
    "ceil",
    "cos",
    "exp",
    "fill",
    "floor",
    "from",
    "group",
    "in",
    "interval",
    "ln",
    "log",
    "log10",
    "log2",
    "not",
    "on",
    "or",
    "order",
    "pow",
    "round",
    "select",
    "sin",
    "sqrt",
    "tan",
    "time",
    "timefilter",
    "top",
    "tz",
    "where",
];
const LIMITS: &[&str] = &["limit", "offset", "slimit", "soffset"];

/// What in a query built or written in InfluxQL makes a point depend on the range; `None` if nothing does.
///
/// # Errors
/// [`Category::Query`](crate::error::Category::Query) if something in it is something else in every request.
pub(super) fn of_influxql(options: &Options) -> Result<Option<String>> {
    let text = options.text.trim();
    if text.is_empty() {
        let aggregates = options.aggregate != crate::source::aggregate::Aggregate::None;
        return Ok(match options.fill {
            Fill::Null if aggregates => Some("the fill null, which ends with the range".to_owned()),
            Fill::Number(_) if aggregates => {
                Some("the fill with a number, which ends with the range".to_owned())
            }
            _ => None,
        });
    }
    of_text(text)
}

/// As [`of_influxql`], for a text.
///
/// # Errors
/// As there.
pub(in crate::source) fn of_text(text: &str) -> Result<Option<String>> {
    let (mut selects, mut groups, mut aggregate) = (0, 0, None);
    let (mut counts, mut fills_nothing) = (false, false);
    for word in words(text) {
        let is_macro = word.text.starts_with("__");
        if word.is_called && word.is_in(&["sample"]) {
            return Err(never_twice("sample()"));
        }
        if word.is_called && word.is_in(&["fill"]) {
            let fill = word.after.trim_start_matches(['(', ' ']);
            // Null is left out of answers to texts, as none is.
            let is_nothing = |fill: &str| ["none", "null"].iter().any(|name| fill.eq_ignore_ascii_case(name));
            if !fill.get(..4).is_some_and(is_nothing) {
                let filled = fill.split(')').next().unwrap_or_default().trim();
                return Ok(Some(format!("fill({})", crate::error::shortened(filled, 20))));
            }
        }
        fills_nothing |= word.is_called && word.is_in(&["fill"]);
        counts |= word.is_called && word.is_in(&["count"]);
        if word.is_in(LIMITS) {
            return Ok(Some(word.text.to_uppercase()));
        }
        let is_aggregate = word.is_in(AGGREGATES) || word.is_in(&["top"]);
        if word.is_called && !is_aggregate && !is_macro && !word.is_in(OF_ROWS) {
            return Ok(Some(format!("{}()", word.text)));
        }
        selects += usize::from(word.is_in(&["select"]));
        groups += usize::from(word.is_called && (word.is_in(&["time"]) || word.text == "__timeGroup"));
        if word.is_called && is_aggregate {
            aggregate = aggregate.or(Some(word.text));
        }
    }
    // Steps without a value are counted as 0, up to the end of the range.
    if counts && !fills_nothing {
        return Ok(Some("count() without fill(none)".to_owned()));
    }
    // `$__timeGroup(time)` and `time(5m)` make steps.
    Ok(aggregate
        .filter(|_| groups < selects)
        .map(|name| format!("{name}() in a SELECT without GROUP BY time(…)")))
}

/// Functions of Flux that look at one row, and those that begin and end a query.
const OF_FLUX: &[&str] = &[
    "abs",
    "aggregateWindow",
    "and",
    "bool",
    "ceil",
    "columns",
    "contains",
    "drop",
    "duplicate",
    "duration",
    "exists",
    "fieldsAsCols",
    "filter",
    "float",
    "floor",
    "from",
    "group",
    "if",
    "int",
    "keep",
    "map",
    "not",
    "or",
    "pivot",
    "range",
    "rename",
    "round",
    "set",
    "string",
    "time",
    "toFloat",
    "toInt",
    "union",
    "yield",
];

/// As [`of_influxql`], for Flux. What is not known to look at one row or one window counts as looking beyond.
pub(in crate::source) fn of_flux(text: &str) -> Option<String> {
    let is_step = |value: &str| {
        ["v.windowPeriod", "$__interval", "${__interval", "$interval"]
            .iter()
            .any(|name| value.starts_with(name))
    };
    for word in words(text) {
        if word.is_called && !OF_FLUX.contains(&word.text) && word.text != "__adhocFilters" {
            return Some(format!("{}()", word.text));
        }
        let argument = word.after.strip_prefix(':').map(str::trim_start);
        match (word.text, argument) {
            ("every", Some(value)) if !is_step(value) => {
                return Some("windows of another length than v.windowPeriod".to_owned());
            }
            ("period" | "offset", Some(_)) => return Some(format!("windows with {}", word.text)),
            ("start" | "stop", Some(value))
                if !value.starts_with("v.timeRange") && !value.starts_with('$') =>
            {
                return Some(format!("a {} of its own", word.text));
            }
            _ => {}
        }
    }
    let windows = text.matches("aggregateWindow").count();
    let without_empty = text.split("createEmpty").skip(1).filter(|rest| {
        rest.trim_start().strip_prefix(':').is_some_and(|value| value.trim_start().starts_with("false"))
    });
    (without_empty.count() < windows).then(|| "windows without createEmpty: false".to_owned())
}

/// What makes a point of `options` depend on the range, in the language of the query.
///
/// # Errors
/// As [`of_influxql`].
pub(super) fn whole(language: Language, options: &Options) -> Result<Option<String>> {
    match language {
        Language::InfluxQl => of_influxql(options),
        Language::Flux => Ok(of_flux(&options.text)),
        Language::Sql => of_sql(&options.text, &["__timeGroup", "__dateBin"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn influxql(text: &str) -> Option<String> {
        of_influxql(&Options { text: text.to_owned(), ..Options::default() }).unwrap()
    }

    #[test]
    fn influxql_that_looks_beyond_a_step_is_found() {
        for text in [
            "select v from m where $timeFilter",
            "SELECT mean(v) FROM m WHERE $timeFilter GROUP BY time($__interval), host",
            "SELECT count(\"v\") / 2 FROM m WHERE (a = 'b') AND $__timeFilter(time) GROUP BY $__timeGroup(time, 5m) fill(none)",
            "SELECT sum(x) FROM (SELECT max(v) AS x FROM m WHERE $timeFilter GROUP BY time(1m), host) WHERE $timeFilter GROUP BY time(1m)",
        ] {
            assert_eq!(influxql(text), None, "{text}");
        }
        for (text, what) in [
            (
                "select non_negative_derivative(max(v), 1s) from m where $timeFilter group by time(1m)",
                "non_negative_derivative()",
            ),
            ("select MOVING_AVERAGE(v, 5) from m where $timeFilter", "MOVING_AVERAGE()"),
            ("select mean(v) from m where $timeFilter group by time(1m) fill(previous)", "fill(previous)"),
            ("select mean(v) from m where $timeFilter group by time(1m) fill( 0 )", "fill(0)"),
            ("select count(v) from m where $timeFilter group by time(1m)", "count() without fill(none)"),
            ("select mean(v) from m where $timeFilter", "mean() in a SELECT without GROUP BY time(…)"),
            (
                "select max(x) from (select mean(v) as x from m where $timeFilter group by time(1m))",
                "max() in a SELECT without GROUP BY time(…)",
            ),
            ("select v from m where time > now() - 1h", "now()"),
            ("select v from m where $timeFilter limit 5", "LIMIT"),
        ] {
            assert_eq!(influxql(text).as_deref(), Some(what), "{text}");
        }
        let text = "select sample(v, 2) from m where $timeFilter group by time(1m)".to_owned();
        assert!(of_influxql(&Options { text, ..Options::default() }).is_err());
    }

    #[test]
    fn fills_of_the_builder_end_with_the_range() {
        for (fill, is_whole) in [("none", false), ("null", true), ("0", true)] {
            let options =
                serde_json::from_value(json!({"measurement": "m", "fields": ["v"], "fill": fill})).unwrap();
            assert_eq!(of_influxql(&options).unwrap().is_some(), is_whole, "{fill}");
        }
    }

    #[test]
    fn flux_that_looks_beyond_a_window_is_found() {
        let query = |tail: &str| {
            format!(
                "from(bucket: v.bucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> filter(fn: (r) => r._field == \"x\" and $__adhocFilters) {tail}"
            )
        };
        let window =
            "|> aggregateWindow(every: v.windowPeriod, fn: mean, timeSrc: \"_start\", createEmpty: false)";
        for tail in [
            "",
            window,
            "|> map(fn: (r) => ({r with _value: if r._value > 1.0 then float(v: r._value) else 0.0})) |> yield(name: \"x\")",
        ] {
            assert_eq!(of_flux(&query(tail)), None, "{tail}");
        }
        for (tail, what) in [
            ("|> derivative(unit: 1s)", "derivative()"),
            ("|> limit(n: 5)", "limit()"),
            ("|> mean()", "mean()"),
            (
                "|> aggregateWindow(every: 1h, fn: mean, createEmpty: false)",
                "windows of another length than v.windowPeriod",
            ),
            (
                "|> aggregateWindow(every: v.windowPeriod, period: 1h, fn: mean, createEmpty: false)",
                "windows with period",
            ),
            ("|> aggregateWindow(every: v.windowPeriod, fn: mean)", "windows without createEmpty: false"),
            ("|> range(start: -1h)", "a start of its own"),
        ] {
            assert_eq!(of_flux(&query(tail)).as_deref(), Some(what), "{tail}");
        }
    }
}
