//! Words of query texts by which a point depends on the range that is asked for, and so cannot be kept or asked for in
//! slices.
//!
//! Languages are not parsed: where strings and comments begin differs from server to server, and a word that is overlooked
//! would make points silently wrong. So a word counts wherever it stands; at worst a query is asked for whole that
//! need not be, and the panel says so.

use crate::error::{Category, Error, Result};

/// A word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'t> {
    /// As it is written.
    pub(super) text: &'t str,
    /// Whether a parenthesis follows.
    pub(super) is_called: bool,
    /// All that follows, without the blanks in front.
    pub(super) after: &'t str,
}

impl Word<'_> {
    /// Whether it is one of `names`, which are in small letters, whatever its own case.
    pub(super) fn is_in(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text.eq_ignore_ascii_case(name))
    }
}

/// The words of a text: letters, digits and underscores.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_in_word(c));
        let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let after = after.trim_start();
        (!word.is_empty()).then(|| Word { text: word, is_called: after.starts_with('('), after })
    })
}

/// The error of a query that has a value, or rows, which are others in every request.
pub(super) fn never_twice(what: &str) -> Error {
    Error::new(
        Category::Query,
        format!("the query holds {what}, which is something else in every request: the same point would have several values"),
    )
    .hint("leave it away")
}

/// Rows that depend on which others there are in the range.
const LIMITS: &[&str] = &["limit", "offset", "fetch", "tablesample"];
/// Instants of asking.
const INSTANTS: &[&str] = &[
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "sysdate",
    "curdate",
    "curtime",
    "utc_timestamp",
    "utc_date",
    "utc_time",
];
const RANDOM: &[&str] =
    &["random", "rand", "randomblob", "random_normal", "gen_random_uuid", "uuid", "uuid_generate_v4"];
/// TimescaleDB's functions that fill.
const FILLS: &[&str] = &["time_bucket_gapfill", "locf", "interpolate"];
const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_distinct",
    "approx_percentile_cont",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first",
    "first_value",
    "group_concat",
    "last",
    "last_value",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "std",
    "stddev",
    "stddev_pop",
    "string_agg",
    "sum",
    "total",
    "variance",
];

/// What in a SQL text makes a point depend on the range asked for; `None` if nothing does. `steps` are the names of macros
/// that make steps.
///
/// # Errors
/// [`Category::Query`] if something in it is something else in every request.
pub(super) fn of_sql(text: &str, steps: &[&str]) -> Result<Option<String>> {
    let (mut selects, mut aggregates) = (0, None);
    for word in words(text) {
        if word.is_called && word.is_in(RANDOM) {
            return Err(never_twice(&format!("{}()", word.text)));
        }
        let what = match word {
            _ if word.is_in(&["over"]) => "a window function (OVER)".to_owned(),
            _ if word.is_in(LIMITS) || word.is_in(INSTANTS) => word.text.to_uppercase(),
            // `now()`, and SQLite's `'now'`.
            _ if word.is_in(&["now"]) && (word.is_called || word.after.starts_with('\'')) => "NOW".to_owned(),
            _ if word.is_called && word.is_in(FILLS) => format!("{}()", word.text),
            _ if word.is_in(&["recursive"]) => "WITH RECURSIVE".to_owned(),
            _ => {
                selects += usize::from(word.is_in(&["select"]));
                let is_aggregate = word.is_called && word.is_in(AGGREGATES);
                if is_aggregate || word.is_in(&["group", "distinct", "having"]) {
                    aggregates.get_or_insert(word.text);
                }
                continue;
            }
        };
        return Ok(Some(what));
    }
    let grouped: usize = steps.iter().map(|name| text.matches(&format!("${name}")).count()).sum();
    Ok(aggregates.filter(|_| grouped < selects).map(|word| {
        format!("{} in a SELECT without ${}", word.to_uppercase(), steps.first().unwrap_or(&"__timeGroup"))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<String> {
        of_sql(text, &["__timeGroup", "__unixEpochGroup"]).unwrap()
    }

    #[test]
    fn only_what_brings_the_range_in_is_found() {
        for text in [
            "SELECT time, v FROM m WHERE $__timeFilter(time)",
            "SELECT $__timeGroupAlias(t, '5m'), host, avg(v), round(max(v), 2) FROM m WHERE $__timeFilter(t) GROUP BY 1, 2 ORDER BY 1",
            "SELECT $__unixEpochGroup(t) AS time, count(*) FROM m GROUP BY 1",
            "SELECT offset_ms, overall, limits, now_ms, count, coalesce(v, 0) FROM m",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        for (text, what) in [
            ("SELECT t, v - lag(v) OVER (ORDER BY t) FROM m", "a window function (OVER)"),
            ("SELECT t, avg(v) over w FROM m WINDOW w AS (ORDER BY t)", "a window function (OVER)"),
            ("SELECT t, v FROM m LIMIT 5", "LIMIT"),
            ("SELECT t, v FROM m WHERE t > now() - interval '1 hour'", "NOW"),
            ("SELECT t, v FROM m WHERE t > datetime('now', '-1 hour')", "NOW"),
            ("SELECT max(t) AS time, sum(v) FROM m", "MAX in a SELECT without $__timeGroup"),
            ("SELECT DISTINCT t, v FROM m", "DISTINCT in a SELECT without $__timeGroup"),
            (
                "SELECT $__timeGroup(t), avg(v) - (SELECT avg(v) FROM m WHERE $__timeFilter(t)) FROM m GROUP BY 1",
                "AVG in a SELECT without $__timeGroup",
            ),
            (
                "SELECT date_trunc('hour', t) AS time, avg(v) FROM m GROUP BY 1",
                "AVG in a SELECT without $__timeGroup",
            ),
            ("SELECT time_bucket_gapfill('5m', t), locf(avg(v)) FROM m GROUP BY 1", "time_bucket_gapfill()"),
        ] {
            assert_eq!(of(text).as_deref(), Some(what), "{text}");
        }
        assert!(of_sql("SELECT t, random() FROM m", &[]).unwrap_err().message().contains("random()"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", sql in "[a-z( )$'_ü,;]{0,60}") {
            for text in [&text, &sql] {
                let found: usize = words(text).map(|word| word.text.len()).sum();
                prop_assert!(found <= text.len());
                let _ = of_sql(text, &["__timeGroup"]);
                let _ = crate::source::influxdb::ranged::of_text(text);
                let _ = crate::source::influxdb::ranged::of_flux(text);
                let _ = crate::source::prometheus::ranged::of_grafana(text);
            }
        }
    }
}
