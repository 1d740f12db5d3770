//! Whether a point of another data source's query is the same in every range, as far as its text shows. Of PromQL, InfluxQL,
//! Flux and SQL it does; of other languages only Grafana's macros of the range are known.

use serde_json::{Map, Value};

use crate::error::Result;
use crate::source::Reading;
use crate::source::influxdb::ranged::{of_flux, of_text};
use crate::source::prometheus::ranged::of_grafana;
use crate::source::ranged::of_sql;

/// Macros of Grafana that stand for the length of the range.
const OF_RANGE: [&str; 2] = ["$__range", "${__range"];

/// How the points of `query`, for a data source of this kind, depend on the range that is asked for.
///
/// # Errors
/// [`Category::Query`](crate::error::Category::Query) if something in it is something else in every request.
pub(super) fn reading(query: &Map<String, Value>, kind: &str) -> Result<Reading> {
    if query.values().any(names_range) {
        return Ok(Reading { whole: Some("$__range".to_owned()), ..Reading::default() });
    }
    let text =
        |key: &str| query.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let whole = match (kind, text("expr"), text("query"), text("rawSql")) {
        ("prometheus", Some(expr), ..) => return of_grafana(expr),
        ("influxdb", _, Some(query), _) if query.contains("from(bucket") => of_flux(query),
        ("influxdb", _, Some(query), _) => of_text(query)?,
        (_, _, _, Some(sql)) => of_sql(sql, &["__timeGroup", "__unixEpochGroup"])?,
        _ => None,
    };
    Ok(Reading { whole, ..Reading::default() })
}

fn names_range(value: &Value) -> bool {
    match value {
        Value::String(text) => OF_RANGE.iter().any(|name| text.contains(name)),
        Value::Array(values) => values.iter().any(names_range),
        Value::Object(values) => values.values().any(names_range),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_text_of_another_data_sources_query_shows_is_found() {
        for (kind, query, whole) in [
            ("prometheus", json!({"expr": "sum(rate(x[$__rate_interval])) / ${__interval_ms}"}), None),
            ("prometheus", json!({"expr": "rate(x[$__range])"}), Some("$__range")),
            ("prometheus", json!({"expr": "running_sum(x)"}), Some("running_sum()")),
            (
                "influxdb",
                json!({"query": "SELECT mean(v) FROM m WHERE $timeFilter GROUP BY time($__interval) fill(none)"}),
                None,
            ),
            (
                "influxdb",
                json!({"query": "SELECT derivative(mean(v)) FROM m WHERE $timeFilter GROUP BY time($__interval)"}),
                Some("derivative()"),
            ),
            ("mysql", json!({"rawSql": "SELECT time, v FROM m LIMIT 9"}), Some("LIMIT")),
            ("loki", json!({"expr": "rate({a=\"b\"}[1m])", "x": [{"y": "${__range_s}"}]}), Some("$__range")),
            ("loki", json!({"expr": "topk(5, x)", "intervalMs": 1}), None),
        ] {
            let found = reading(query.as_object().unwrap(), kind).unwrap();
            assert_eq!((found.whole.as_deref(), found.settle_ms), (whole, 0), "{query}");
        }
        let ahead = reading(json!({"expr": "x offset -1m"}).as_object().unwrap(), "prometheus").unwrap();
        assert_eq!(ahead.settle_ms, 60_000);
    }
}
