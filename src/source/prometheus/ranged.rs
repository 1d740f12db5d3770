//! Whether a point of a query is the same in every range that holds it, which is what keeping answers and asking in slices
//! rely on.
//!
//! Prometheus evaluates each step by itself, from samples that it reads whatever the range: only `start()`, `end()` and
//! `range()` bring the range in, and `smoothed` and negative offsets look at samples yet to come. VictoriaMetrics has functions
//! over all points asked for, and estimates how often a series is scraped from the last samples it reads: whatever looks
//! at the sample before its window, or has no window, may so be another value in another range. What is not known to be
//! safe is asked for whole: functions that are added to a server later are, too.
//!
//! The tables are held against the servers by `tests/prometheus/ranges.rs`.

use super::promql::{self, Call};
use crate::error::{Category, Error, Result};
use crate::query::DurationMs;
use crate::source::Reading;

/// Which language a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// PromQL, as in Prometheus itself.
    Prometheus,
    /// MetricsQL. `shows_newest`: whether it can be asked for its newest samples (`latency_offset`).
    VictoriaMetrics { shows_newest: bool },
}

/// Functions and aggregations of Prometheus that look at one step and the samples before it.
#[rustfmt::skip]
const OF_PROMETHEUS: &[&str] = &[
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg", "avg_over_time", "bottomk",
    "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count", "count_over_time", "count_values",
    "day_of_month", "day_of_week", "day_of_year", "days_in_month", "deg", "delta", "deriv", "double_exponential_smoothing",
    "exp", "first_over_time", "floor", "group", "histogram_avg", "histogram_count", "histogram_fraction",
    "histogram_quantile", "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "histogram_sum", "holt_winters",
    "hour", "idelta", "increase", "info", "irate", "label_join", "label_replace", "last_over_time", "limit_ratio", "limitk",
    "ln", "log10", "log2", "mad_over_time", "max", "max_of", "max_over_time", "min", "min_of", "min_over_time", "minute",
    "month", "pi", "predict_linear", "present_over_time", "quantile", "quantile_over_time", "rad", "rate", "resets", "round",
    "scalar", "sgn", "sin", "sinh", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "sqrt", "start_timestamp",
    "stddev", "stddev_over_time", "stdvar", "stdvar_over_time", "step", "sum", "sum_over_time", "tan", "tanh", "time",
    "timestamp", "topk", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
    "vector", "year",
];

/// Functions and aggregations of MetricsQL that do so, whatever the scrape interval is taken to be.
#[rustfmt::skip]
const OF_VICTORIA_METRICS: &[&str] = &[
    "abs", "absent", "absent_over_time", "acos", "acosh", "aggr_over_time", "asin", "asinh", "atan", "atanh", "avg",
    "avg_over_time", "ceil", "changes_prometheus", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count",
    "count_eq_over_time", "count_gt_over_time", "count_le_over_time", "count_ne_over_time", "count_over_time",
    "count_values", "count_values_over_time", "day_of_month", "day_of_week", "day_of_year", "days_in_month",
    "default_rollup", "deg", "delta_prometheus", "deriv", "distinct", "distinct_over_time", "drop_common_labels", "exp",
    "first_over_time", "floor", "geomean", "geomean_over_time", "group", "histogram_avg", "histogram_over_time",
    "histogram_quantile", "histogram_quantiles", "histogram_share", "histogram_stddev", "histogram_stdvar",
    "hoeffding_bound_lower", "hoeffding_bound_upper", "hour", "increase_prometheus", "label_copy", "label_del",
    "label_graphite_group", "label_join", "label_keep", "label_lowercase", "label_map", "label_match", "label_mismatch",
    "label_move", "label_replace", "label_set", "label_transform", "label_uppercase", "label_value", "labels_equal",
    "last_over_time", "ln", "log10", "log2", "mad", "mad_over_time", "max", "max_over_time", "median",
    "median_over_time", "min", "min_over_time", "minute", "mode", "month", "outlier_iqr_over_time", "pi",
    "predict_linear", "present_over_time", "quantile", "quantile_over_time", "quantiles", "quantiles_over_time", "rad",
    "range_over_time", "rate_over_sum", "rate_prometheus", "rollup", "rollup_candlestick", "round", "scalar", "share",
    "share_eq_over_time", "share_gt_over_time", "share_le_over_time", "sin", "sinh", "sort", "sort_by_label",
    "sort_by_label_desc", "sort_by_label_numeric", "sort_by_label_numeric_desc", "sort_desc", "sqrt",
    "stale_samples_over_time", "stddev", "stddev_over_time", "stdvar", "stdvar_over_time", "step", "sum", "sum2",
    "sum2_over_time", "sum_eq_over_time", "sum_gt_over_time", "sum_le_over_time", "sum_over_time", "tan", "tanh",
    "tfirst_over_time", "time", "timestamp", "timestamp_with_name", "timezone_offset", "tlast_over_time",
    "tmax_over_time", "tmin_over_time", "topk", "union", "vector", "year", "zscore", "zscore_over_time",
];

/// The operator of MetricsQL that fills by what there is in the range.
const FILLS: &str = "default";
/// Functions and an operator of MetricsQL that give other numbers, or other series, in every request.
const NEVER_TWICE: [&str; 6] = ["any", "limit_offset", "now", "rand", "rand_exponential", "rand_normal"];
const NEVER_TWICE_OPERATOR: &str = "limit";
/// Aggregations with a parameter, which some versions of Prometheus evaluate once a request, at its begin.
const WITH_PARAMETER: [&str; 5] = ["bottomk", "limit_ratio", "limitk", "quantile", "topk"];

/// VictoriaMetrics takes at least the step for the window of a selector without one, and more where samples are further
/// apart. Where the step is so many scrapes, they are not, though some fail.
const SCRAPES_OF_A_SURE_STEP: i64 = 4;
/// How far `smoothed` looks ahead: `--query.lookback-delta`, by default.
const SMOOTHED_AHEAD_MS: i64 = 5 * 60_000;
/// For how long the newest values of VictoriaMetrics are copies: `-search.latencyOffset` by default, and five seconds for
/// clocks that differ.
const COPIES_MS: i64 = 35_000;
/// From this step on it copies none.
const STEP_WITHOUT_COPIES_MS: i64 = 60_000;

/// How the points of `expr` depend on the range asked for.
///
/// # Errors
/// [`Category::Query`] if a point is another one in every request, or may change for nobody knows how long.
pub(super) fn reading(expr: &str, flavour: Flavour, step_ms: i64, scrape_ms: i64) -> Result<Reading> {
    let Ok(parts) = promql::parts(expr) else {
        let whole = Some("what cannot be told to be the same in every range".to_owned());
        return Ok(Reading { whole, ..newest(flavour, step_ms, 0) });
    };
    let names = parts.calls.iter().map(|call| &call.name).filter(|name| NEVER_TWICE.contains(&name.as_str()));
    if let Some(name) =
        names.chain(parts.operators.iter().filter(|word| *word == NEVER_TWICE_OPERATOR)).next()
    {
        return Err(Error::new(
            Category::Query,
            format!("the query holds {name}, which is something else in every request: the same point would have several values"),
        )
        .hint("use time() for the time of a point, and limitk or topk to choose series"));
    }
    let ahead_ms = parts.offsets.iter().map(|offset| ahead_ms(offset)).collect::<Result<Vec<i64>>>()?;
    let smoothed_ms =
        if parts.operators.iter().any(|word| word == "smoothed") { SMOOTHED_AHEAD_MS } else { 0 };
    let ahead_ms = ahead_ms.into_iter().fold(smoothed_ms, i64::max);
    let whole = parts.calls.iter().find_map(|call| over_range(call, flavour));
    let is_of_victoria = matches!(flavour, Flavour::VictoriaMetrics { .. });
    let operator = || {
        let fills = is_of_victoria && parts.operators.iter().any(|word| word == FILLS);
        fills.then(|| format!("the operator {FILLS}"))
    };
    let bare = || {
        let is_sure = step_ms >= scrape_ms.saturating_mul(SCRAPES_OF_A_SURE_STEP);
        (is_of_victoria && parts.has_bare_selector && !is_sure).then(|| {
            "a selector without a duration in brackets, at a step of less than four scrapes (for the newest sample write \
             default_rollup(metric[5m]))"
                .to_owned()
        })
    };
    Ok(Reading { whole: whole.or_else(operator).or_else(bare), ..newest(flavour, step_ms, ahead_ms) })
}

/// As [`reading`], for PromQL that Grafana sends to a Prometheus; its macros for durations are still in it.
///
/// # Errors
/// As there.
pub(in crate::source) fn of_grafana(expr: &str) -> Result<Reading> {
    let names = ["$__rate_interval_ms", "$__rate_interval", "$__interval_ms", "$__interval"];
    let braced = ["${__rate_interval_ms}", "${__rate_interval}", "${__interval_ms}", "${__interval}"];
    let expr = names.iter().chain(&braced).fold(expr.to_owned(), |expr, name| expr.replace(name, "1m"));
    reading(&expr, Flavour::Prometheus, STEP_WITHOUT_COPIES_MS, 1)
}

/// For how long the newest points may change.
fn newest(flavour: Flavour, step_ms: i64, ahead_ms: i64) -> Reading {
    let copies =
        flavour == Flavour::VictoriaMetrics { shows_newest: false } && step_ms < STEP_WITHOUT_COPIES_MS;
    let (settle_ms, settle_why) = match (ahead_ms, copies) {
        (0, false) => (0, ""),
        (0, true) => (
            COPIES_MS,
            "this version of VictoriaMetrics answers copies of older values for them (-search.latencyOffset)",
        ),
        _ => {
            (ahead_ms.saturating_add(if copies { COPIES_MS } else { 0 }), "the query looks at later samples")
        }
    };
    Reading { whole: None, settle_ms, settle_why }
}

/// What is to be said of a call whose value depends on the range.
fn over_range(Call { name, begins_with_literal }: &Call, flavour: Flavour) -> Option<String> {
    let known = match flavour {
        Flavour::Prometheus => OF_PROMETHEUS,
        Flavour::VictoriaMetrics { .. } => OF_VICTORIA_METRICS,
    };
    if !known.contains(&name.as_str()) {
        let instead = match (flavour, name.as_str()) {
            (Flavour::VictoriaMetrics { .. }, "rate") => {
                " (increase_prometheus(metric[5m]) / 300 is the same in every range)"
            }
            (Flavour::VictoriaMetrics { .. }, "increase" | "delta" | "changes") => {
                " (with _prometheus behind its name it is the same in every range)"
            }
            _ => "",
        };
        return Some(format!("{name}(){instead}"));
    }
    (flavour == Flavour::Prometheus && WITH_PARAMETER.contains(&name.as_str()) && !begins_with_literal)
        .then(|| format!("{name}() with a parameter that is no number"))
}

/// How far an offset looks ahead.
///
/// # Errors
/// [`Category::Query`] if that cannot be told.
fn ahead_ms(offset: &str) -> Result<i64> {
    if !offset.contains('-') {
        return Ok(0);
    }
    let unclear = || {
        Error::new(
            Category::Query,
            "the query holds an offset with a minus that is no plain duration: it cannot be told for how long its newest points change",
        )
        .hint("write the offset as one duration, such as -5m or -$__interval")
    };
    let length = offset.trim_start_matches(['-', '+', ' ']);
    let is_ahead = offset[..offset.len() - length.len()].matches('-').count() % 2 == 1;
    let ms = match length.parse::<DurationMs>() {
        Ok(duration) => duration.as_millis(),
        Err(_) => {
            let seconds =
                length.trim_end_matches('s').parse::<f64>().ok().filter(|seconds| seconds.is_finite());
            (seconds.ok_or_else(unclear)? * 1_000.0).ceil() as i64
        }
    };
    Ok(if is_ahead { ms } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VICTORIA: Flavour = Flavour::VictoriaMetrics { shows_newest: true };

    fn read(expr: &str, flavour: Flavour, step_ms: i64) -> Reading {
        reading(expr, flavour, step_ms, 15_000).unwrap()
    }

    #[test]
    fn the_tables_are_in_order() {
        for table in [OF_PROMETHEUS, OF_VICTORIA_METRICS] {
            assert!(table.windows(2).all(|pair| pair[0] < pair[1]), "{table:?}");
        }
    }

    #[test]
    fn only_what_brings_the_range_in_is_asked_for_whole() {
        for (expr, why) in [
            ("sum by (job) (rate(up[5m])) / time() > bool 3", None),
            ("rate(x[step()]) + x offset (5m + step()) + quantile(-0.5, y) + topk(5, z)", None),
            ("rate(x[range()])", Some("range()")),
            ("x @ end() unless y", Some("end()")),
            ("x - start()", Some("start()")),
            ("topk(scalar(n), x)", Some("topk() with a parameter that is no number")),
            ("new_function(x)", Some("new_function()")),
            ("x {", Some("what cannot be told to be the same in every range")),
        ] {
            assert_eq!(read(expr, Flavour::Prometheus, 1_000).whole.as_deref(), why, "{expr}");
        }
    }

    #[test]
    fn victoria_metrics_has_more_of_it() {
        for (expr, step_ms, why) in [
            ("avg_over_time(x[5m]) if increase_prometheus(y[5m]) > 3", 1_000, None),
            ("sum(x)", 60_000, None),
            ("sum(x)", 59_999, Some("a selector without")),
            ("rate(x[5m])", 60_000, Some("rate() (increase_prometheus")),
            ("range_avg(x[5m])", 60_000, Some("range_avg()")),
            ("x[5m] default 0", 60_000, Some("the operator default")),
            ("WITH (f = 5) f * x[5m]", 60_000, Some("what cannot be told")),
        ] {
            let whole = read(expr, VICTORIA, step_ms).whole;
            assert_eq!(
                whole.as_ref().map(|whole| whole.starts_with(why.unwrap_or("-"))),
                why.map(|_| true),
                "{expr}: {whole:?}"
            );
        }
    }

    #[test]
    fn what_may_still_change_is_left_out() {
        for (expr, settle_ms) in [
            ("x offset 5m", 0),
            ("x offset (5m + step())", 0),
            ("x offset -1h30m", 5_400_000),
            ("rate(x[5m] offset -90) + y offset -5m", 300_000),
            ("x offset - -5m", 0),
            ("rate(x[5m] smoothed)", 300_000),
        ] {
            assert_eq!(read(expr, Flavour::Prometheus, 1_000).settle_ms, settle_ms, "{expr}");
        }
        let old = Flavour::VictoriaMetrics { shows_newest: false };
        assert_eq!((read("x[1m]", old, 15_000).settle_ms, read("x[1m]", old, 60_000).settle_ms), (35_000, 0));
        assert_eq!(read("x[1m] offset -1m", old, 15_000).settle_ms, 95_000);
        for expr in ["x offset -step()", "x offset (5m - 1h)", "now() - x", "rand(1)"] {
            let error = reading(expr, VICTORIA, 1_000, 15_000).unwrap_err();
            assert_eq!(error.category(), Category::Query, "{expr}");
        }
    }
}
