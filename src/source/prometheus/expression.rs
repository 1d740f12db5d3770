//! From the options of a query to the PromQL that is asked, the same for every range.

use super::promql;
use super::ranged::Flavour;
use super::{Combine, Options};
use crate::error::{Category, Error, Result};
use crate::query::{DurationMs, MacroValues, expand_with};
use crate::source::aggregate::Aggregate;

/// Macros whose value would differ between the slices of one query, and from one visible range to the next.
const RANGE_MACROS: [&str; 7] =
    ["__from", "__to", "__range", "__range_s", "__range_ms", "__maxDataPoints", "timeFilter"];

/// What the PromQL of a query depends on besides its options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// How far apart evaluations are.
    pub(super) step_ms: i64,
    /// How far apart samples are.
    pub(super) scrape_ms: i64,
    pub(super) flavour: Flavour,
    /// Whether the metric of the builder is known to be a counter.
    pub(super) is_counter: bool,
}

/// How far back the newest sample of a series may be, as for a selector of Prometheus.
const LOOKBACK: &str = "5m";

/// The PromQL of a query.
///
/// # Errors
/// [`Category::Query`] if there is nothing to ask, what is asked would depend on the range of the request, or the
/// dashboard's filters find no sure place in it.
pub(super) fn expression(options: &Options, setting: Setting) -> Result<String> {
    let filters: Vec<String> = options
        .adhoc_filters
        .iter()
        .map(|filter| promql::matcher(&filter.key, filter.operator, &filter.value))
        .collect::<Result<_>>()?;
    if options.expr.trim().is_empty() {
        return built(options, filters, setting);
    }
    let expr = expanded(&options.expr, setting.step_ms, setting.scrape_ms)?;
    promql::with_matchers(expr.trim(), &filters)
}

/// How far back a rate looks: over four scrapes at least, so that one may fail, and over a step with the scrape before
/// it, so that no rise between two steps is lost. As `$__rate_interval` of Grafana's Prometheus data source.
pub(super) fn rate_interval_ms(step_ms: i64, scrape_ms: i64) -> i64 {
    scrape_ms.saturating_mul(4).max(step_ms.saturating_add(scrape_ms))
}

fn duration(ms: i64) -> String {
    DurationMs::from_millis(ms).to_string()
}

fn expanded(text: &str, step_ms: i64, scrape_ms: i64) -> Result<String> {
    let rate_interval = rate_interval_ms(step_ms, scrape_ms);
    // The values of the range are never inserted: they are refused first.
    let values = MacroValues { from_ms: 0, to_ms: 0, step_ms, max_data_points: 0 };
    for name in RANGE_MACROS {
        if names_macro(text, name) {
            return Err(depends_on_range(&format!("${name}")));
        }
    }
    expand_with(text, &values, str::to_owned, |name, _| {
        Ok(match name {
            "__rate_interval" => Some(duration(rate_interval)),
            "__rate_interval_ms" => Some(rate_interval.to_string()),
            _ => None,
        })
    })
}

fn names_macro(text: &str, name: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.strip_prefix(name)
            .is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

fn depends_on_range(what: &str) -> Error {
    Error::new(
        Category::Query,
        format!("the PromQL holds {what}, which is another time in every request: the same point would have several values"),
    )
    .hint("use a fixed duration or time, or $__interval or $__rate_interval")
}

/// What the builder asks of a counter in the place of its mean, which has no restarts in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InsteadOfMean {
    /// The newest sample of a step.
    Last,
    /// The rate, since a sum of counters falls a little where one of them restarts.
    Rate,
}

/// What is asked in the place of the mean; `None` if the mean is, or something else is chosen.
pub(super) fn instead_of_mean(options: &Options, is_counter: bool) -> Option<InsteadOfMean> {
    let is_mean = options.expr.trim().is_empty() && !options.rate && options.aggregate == Aggregate::Mean;
    let instead = match options.combine {
        Combine::None => InsteadOfMean::Last,
        _ => InsteadOfMean::Rate,
    };
    (is_mean && is_counter).then_some(instead)
}

/// The PromQL of the builder.
fn built(options: &Options, filters: Vec<String>, setting: Setting) -> Result<String> {
    let Setting { step_ms, scrape_ms, flavour, is_counter } = setting;
    if options.metric.trim().is_empty() && options.matchers.is_empty() {
        return Err(Error::new(Category::Query, "the query names no metric and holds no PromQL")
            .hint("choose a metric, or write PromQL into expr"));
    }
    let mut matchers: Vec<String> = options
        .matchers
        .iter()
        .map(|matcher| promql::matcher(&matcher.key, matcher.operator, &matcher.value))
        .collect::<Result<_>>()?;
    matchers.extend(filters);
    let selector = promql::selector(options.metric.trim(), &matchers);
    let step = duration(step_ms);
    let instead = instead_of_mean(options, is_counter);
    let of_series = if options.rate || instead == Some(InsteadOfMean::Rate) {
        let window_ms = rate_interval_ms(step_ms, scrape_ms);
        match flavour {
            Flavour::Prometheus => format!("rate({selector}[{}])", duration(window_ms)),
            // Its rate() depends on the range asked for.
            Flavour::VictoriaMetrics { .. } => {
                format!(
                    "increase_prometheus({selector}[{}]) / {}",
                    duration(window_ms),
                    window_ms as f64 / 1_000.0
                )
            }
        }
    } else {
        match options.aggregate {
            _ if instead == Some(InsteadOfMean::Last) => format!("last_over_time({selector}[{step}])"),
            Aggregate::Mean => format!("avg_over_time({selector}[{step}])"),
            Aggregate::Max => format!("max_over_time({selector}[{step}])"),
            Aggregate::Min => format!("min_over_time({selector}[{step}])"),
            Aggregate::Sum => format!("sum_over_time({selector}[{step}])"),
            Aggregate::Count => format!("count_over_time({selector}[{step}])"),
            Aggregate::P95 => format!("quantile_over_time(0.95, {selector}[{step}])"),
            Aggregate::Last => format!("last_over_time({selector}[{step}])"),
            Aggregate::None => match flavour {
                Flavour::Prometheus => selector,
                Flavour::VictoriaMetrics { .. } => format!("default_rollup({selector}[{LOOKBACK}])"),
            },
        }
    };
    let by: Vec<&str> =
        options.by.iter().map(|label| label.trim()).filter(|label| !label.is_empty()).collect();
    let Some(operator) = options.combine.operator() else {
        if by.is_empty() {
            return Ok(of_series);
        }
        return Err(Error::new(
            Category::Query,
            "the query says by which labels series are combined, but not how",
        )
        .hint("set combine to sum, avg, min, max or count, or remove the labels from by"));
    };
    let labels: Vec<String> = by
        .into_iter()
        .map(|label| if promql::is_label_name(label) { label.to_owned() } else { promql::quoted(label) })
        .collect();
    Ok(if labels.is_empty() {
        format!("{operator}({of_series})")
    } else {
        format!("{operator} by ({}) ({of_series})", labels.join(", "))
    })
}

impl Combine {
    fn operator(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Sum => Some("sum"),
            Self::Avg => Some("avg"),
            Self::Min => Some("min"),
            Self::Max => Some("max"),
            Self::Count => Some("count"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(options: Value) -> Result<String> {
        asked_of(options, Flavour::Prometheus, false)
    }

    fn asked_of(options: Value, flavour: Flavour, is_counter: bool) -> Result<String> {
        let setting = Setting { step_ms: 60_000, scrape_ms: 15_000, flavour, is_counter };
        expression(&serde_json::from_value(options).unwrap(), setting)
    }

    #[test]
    fn the_builder_asks_victoria_metrics_for_what_is_the_same_in_every_range() {
        let victoria = Flavour::VictoriaMetrics { shows_newest: true };
        for (options, promql) in [
            (json!({"metric": "load", "aggregate": "none"}), "default_rollup(load[5m])"),
            (json!({"metric": "load"}), "avg_over_time(load[1m])"),
            (
                json!({"metric": "a_total", "rate": true, "combine": "sum"}),
                "sum(increase_prometheus(a_total[75s]) / 75)",
            ),
        ] {
            assert_eq!(asked_of(options, victoria, false).unwrap(), promql);
        }
    }

    #[test]
    fn a_counter_is_asked_for_without_losing_its_restarts() {
        for (options, promql) in [
            (json!({"metric": "a_total"}), "last_over_time(a_total[1m])"),
            (json!({"metric": "a_total", "combine": "avg", "by": ["x"]}), "avg by (x) (rate(a_total[75s]))"),
            (json!({"metric": "a_total", "aggregate": "max"}), "max_over_time(a_total[1m])"),
            (json!({"metric": "a_total", "rate": true}), "rate(a_total[75s])"),
            (json!({"expr": "avg_over_time(a_total[1m])"}), "avg_over_time(a_total[1m])"),
        ] {
            assert_eq!(asked_of(options, Flavour::Prometheus, true).unwrap(), promql);
        }
    }

    #[test]
    fn the_builder_aggregates_over_a_step_and_then_over_series() {
        for (options, promql) in [
            (json!({"metric": "load"}), "avg_over_time(load[1m])"),
            (json!({"metric": "load", "aggregate": "none"}), "load"),
            (json!({"metric": "load", "aggregate": "p95"}), "quantile_over_time(0.95, load[1m])"),
            (json!({"metric": "load", "aggregate": "last"}), "last_over_time(load[1m])"),
            (json!({"metric": "load", "aggregate": "count"}), "count_over_time(load[1m])"),
            (
                json!({"metric": "a_total", "rate": true, "combine": "sum", "by": ["job", " a.b "],
                       "matchers": [{"key": "x", "operator": "!~", "value": "y\"z"}]}),
                "sum by (job, \"a.b\") (rate(a_total{x!~\"y\\x22z\"}[75s]))",
            ),
            (
                json!({"matchers": [{"key": "x", "value": "y"}], "combine": "max"}),
                "max(avg_over_time({x=\"y\"}[1m]))",
            ),
            (
                json!({"metric": "load", "aggregate": "min", "adhocFilters": [{"key": "host", "operator": "=~", "value": "w.*"}]}),
                "min_over_time(load{host=~\"w.*\"}[1m])",
            ),
        ] {
            assert_eq!(asked(options).unwrap(), promql);
        }
    }

    #[test]
    fn macros_and_filters_go_into_promql() {
        for (expr, promql) in [
            ("rate(x[$__rate_interval])", "rate(x{a=\"b\"}[75s])"),
            ("max_over_time(x[${__interval}]) / $__interval_ms ", "max_over_time(x{a=\"b\"}[1m]) / 60000"),
            ("x / ${__rate_interval_ms}", "x{a=\"b\"} / 75000"),
            ("label_replace(x, 'a', '$1', 'b', '(.*)')", "label_replace(x{a=\"b\"}, 'a', '$1', 'b', '(.*)')"),
        ] {
            let options =
                json!({"expr": expr, "adhocFilters": [{"key": "a", "operator": "=", "value": "b"}]});
            assert_eq!(asked(options).unwrap(), promql);
        }
        assert_eq!(rate_interval_ms(1_000, 15_000), 60_000);
        assert_eq!(
            asked(json!({"expr": "metricsql(q) something unknown"})).unwrap(),
            "metricsql(q) something unknown"
        );
    }

    #[test]
    fn what_differs_between_requests_is_refused() {
        for expr in
            ["rate(x[$__range])", "x @ ${__from:date:seconds}", "x / $__maxDataPoints", "x[${__range_s}s]"]
        {
            let error = asked(json!({ "expr": expr })).unwrap_err();
            assert!(
                error.category() == Category::Query && error.message().contains("another time in every"),
                "{error}"
            );
        }
        assert_eq!(asked(json!({"expr": "x + $__fromage"})).unwrap(), "x + $__fromage");
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        for (options, says) in [
            (json!({}), "names no metric"),
            (json!({"expr": "  "}), "names no metric"),
            (json!({"metric": "a", "by": ["b"]}), "but not how"),
            (json!({"metric": "a", "matchers": [{"key": "", "value": "x"}]}), "has no label"),
            (
                json!({"metric": "a", "adhocFilters": [{"key": "b", "operator": ">", "value": "1"}]}),
                "compares with >",
            ),
            (
                json!({"expr": "a b", "adhocFilters": [{"key": "b", "operator": "=", "value": "1"}]}),
                "at character 3",
            ),
        ] {
            let error = asked(options).unwrap_err();
            assert!(error.category() == Category::Query && error.message().contains(says), "{error}");
        }
    }
}
