//! A point has the same value whatever else is asked for: for every function that Prometheus and VictoriaMetrics document,
//! what was read bit by bit while time went on equals what is read at once.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outrider::engine::{Clock, Engine, Job, Outcome, Scope, Workers};
use outrider::error::{Category, Result};
use outrider::query::Query;
use outrider::series::TimeRange;
use outrider::source::{self, AnySource};
use serde_json::json;

use crate::data::BEGIN_MS;
use crate::plain;
use crate::prometheus_server::PrometheusServer;
use crate::server::Shared;
use crate::victoria_server::VictoriaServer;

const MINUTE_MS: i64 = 60_000;
const SCRAPE_MS: i64 = 15_000;
/// Eight hours of samples.
const END_MS: i64 = BEGIN_MS + 8 * 60 * MINUTE_MS;

static PROMETHEUS: Shared<PrometheusServer> = Shared::new();
static VICTORIA: Shared<VictoriaServer> = Shared::new();

/// Series as targets have them that are scraped a little early or late: some scrapes fail, one target is away for forty minutes,
/// one begins and one ends half-way, and counters restart. Without the time-stamp, which is in another unit for each server.
fn samples() -> Vec<(String, i64)> {
    let mut dice = 7_u64;
    let mut roll = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut samples = Vec::new();
    for host in 0..4_i64 {
        let (mut total, mut buckets) = (0.0, [0.0; 3]);
        for index in 0..(END_MS - BEGIN_MS) / SCRAPE_MS {
            let after = index * SCRAPE_MS;
            let ms = BEGIN_MS + after + 7_123 + (roll() * 2_000.0) as i64 - 1_000;
            total = if roll() < 0.004 { 0.0 } else { total + (roll() * 40.0).floor() };
            for (bucket, share) in buckets.iter_mut().zip([0.3, 0.7, 1.0]) {
                *bucket += (roll() * 20.0 * share).floor();
            }
            let value = 50.0 + 10.0 * (roll() + roll() + roll());
            let minutes = after / MINUTE_MS;
            let is_away = match host {
                1 => (120..160).contains(&minutes) || (400..440).contains(&minutes),
                2 => minutes < 420,
                3 => minutes > 430,
                _ => false,
            };
            if is_away || roll() < 0.03 {
                continue;
            }
            samples.push((format!("jitter{{host=\"web-{host}\"}} {value}"), ms));
            samples.push((format!("jitter_requests{{host=\"web-{host}\"}} {total}"), ms));
            for (bucket, le) in buckets.iter().zip(["1", "5", "+Inf"]) {
                samples
                    .push((format!("jitter_seconds_bucket{{host=\"web-{host}\",le=\"{le}\"}} {bucket}"), ms));
            }
        }
    }
    samples
}

fn prometheus() -> Option<Arc<PrometheusServer>> {
    PROMETHEUS.get(|| {
        let mut text = String::new();
        let mut samples = samples();
        // All of a series, and all of a metric, stand together.
        samples.sort_by_key(|(series, ms)| (series.split(' ').next().map(str::to_owned), *ms));
        for (series, ms) in samples {
            writeln!(text, "{series} {}.{:03}", ms / 1_000, ms % 1_000).unwrap();
        }
        PrometheusServer::start(&(text + "# EOF\n"), None, &[])
    })
}

fn victoria() -> Option<Arc<VictoriaServer>> {
    VICTORIA.get(|| {
        let mut text = String::new();
        for (series, ms) in samples() {
            writeln!(text, "{series} {ms}").unwrap();
        }
        VictoriaServer::start(&text)
    })
}

/// The functions of Prometheus, each in an expression; `G` is a gauge and `C` a counter over five minutes.
#[rustfmt::skip]
const OF_PROMETHEUS: &[&str] = &[
    "abs(jitter - 60)", "absent(jitter{host=\"web-3\"})", "absent_over_time(jitter{host=\"web-3\"}[1m])",
    "acos(jitter / 100)", "acosh(jitter)", "asin(jitter / 100)", "asinh(jitter)", "atan(jitter)", "atanh(jitter / 100)",
    "avg by (x) (jitter)", "avg_over_time(G)", "bottomk(2, jitter)", "ceil(jitter)", "changes(G)", "clamp(jitter, 55, 60)",
    "clamp_max(jitter, 60)", "clamp_min(jitter, 60)", "cos(jitter)", "cosh(jitter / 100)", "count(jitter)",
    "count_over_time(G)", "count_values(\"v\", floor(jitter))", "day_of_month(jitter)", "day_of_week(jitter)",
    "day_of_year(jitter)", "days_in_month(jitter)", "deg(jitter)", "delta(G)", "deriv(G)",
    "double_exponential_smoothing(G, 0.5, 0.5)", "exp(jitter / 100)", "first_over_time(G)", "floor(jitter)", "group(jitter)",
    "histogram_quantile(0.9, sum by (le) (rate(jitter_seconds_bucket[5m])))", "holt_winters(G, 0.5, 0.5)", "hour(jitter)",
    "idelta(G)", "increase(C)", "info(jitter)", "irate(C)", "label_join(jitter, \"a\", \"-\", \"host\")",
    "label_replace(jitter, \"a\", \"$1\", \"host\", \"web-(.*)\")", "last_over_time(G)", "limit_ratio(0.5, jitter)", "limitk(2, jitter)",
    "ln(jitter)", "log10(jitter)", "log2(jitter)", "mad_over_time(G)", "max(jitter)", "max_over_time(G)", "min(jitter)",
    "min_over_time(G)", "minute(jitter)", "month(jitter)", "pi() * jitter", "predict_linear(G, 60)", "present_over_time(G)",
    "quantile(0.9, jitter)", "quantile_over_time(0.9, G)", "rad(jitter)", "rate(C)", "resets(C)", "round(jitter)",
    "scalar(jitter{host=\"web-0\"})", "sgn(jitter - 60)", "sin(jitter)", "sinh(jitter / 100)", "sort(jitter)",
    "sort_by_label(jitter, \"host\")", "sort_by_label_desc(jitter, \"host\")", "sort_desc(jitter)", "sqrt(jitter)", "stddev(jitter)",
    "stddev_over_time(G)", "stdvar(jitter)", "stdvar_over_time(G)", "sum(jitter)", "sum_over_time(G)", "tan(jitter)",
    "tanh(jitter)", "time()", "timestamp(jitter)", "topk(2, jitter)", "ts_of_first_over_time(G)", "ts_of_last_over_time(G)",
    "ts_of_max_over_time(G)", "ts_of_min_over_time(G)", "vector(5)", "year(jitter)",
    // Operators, subqueries and modifiers.
    "jitter and jitter > 60", "jitter or vector(1)", "jitter unless jitter > 60", "jitter > bool 60", "jitter atan2 60",
    "jitter offset 7m", "jitter offset -7m", "jitter @ 1700010000", "max_over_time(rate(C)[30m:1m])",
    "max_over_time(deriv(G)[30m:])", "jitter[5m] @ 1700010000 or jitter",
    // What brings the range in.
    "jitter @ start()", "rate(C @ end())", "topk(scalar(count(jitter)) - 1, jitter)", "quantile(scalar(vector(0.5)), jitter)",
    // Since 3.16.
    "avg_over_time(jitter[range()])", "avg_over_time(jitter[2 * step()])", "avg_over_time(jitter[max_of(step(), 10m)])",
    "jitter offset (5m + 5m)", "rate(C anchored)", "rate(C smoothed)", "jitter smoothed", "increase(C anchored)",
    "increase(C smoothed)", "range() * jitter", "start() + jitter", "end() + jitter", "step() + jitter",
];

/// The rollups of MetricsQL.
#[rustfmt::skip]
const ROLLUPS: &[&str] = &[
    "absent_over_time(jitter{host=\"web-3\"}[5m])", "aggr_over_time((\"max_over_time\", \"avg_over_time\"), G)", "ascent_over_time(G)", "avg_over_time(G)",
    "changes(G)", "changes_prometheus(G)", "count_eq_over_time(G, 60)", "count_gt_over_time(G, 60)", "count_le_over_time(G, 60)",
    "count_ne_over_time(G, 60)", "count_over_time(G)", "count_values_over_time(\"v\", floor(jitter / 20)[5m])",
    "decreases_over_time(G)", "default_rollup(G)", "delta(G)", "delta_prometheus(G)", "deriv(G)", "deriv_fast(G)",
    "descent_over_time(G)", "distinct_over_time(G)", "duration_over_time(G, 30s)", "first_over_time(G)", "geomean_over_time(G)",
    "histogram_over_time(G)", "hoeffding_bound_lower(0.9, G)", "hoeffding_bound_upper(0.9, G)", "holt_winters(G, 0.5, 0.5)",
    "idelta(G)", "ideriv(G)", "increase(C)", "increase_prometheus(C)", "increase_pure(C)", "increases_over_time(G)",
    "integrate(G)", "irate(C)", "lag(G)", "last_over_time(G)", "lifetime(G)", "mad_over_time(G)", "max_over_time(G)",
    "median_over_time(G)", "min_over_time(G)", "mode_over_time(G)", "outlier_iqr_over_time(G)", "predict_linear(G, 60)",
    "present_over_time(G)", "quantile_over_time(0.9, G)", "quantiles_over_time(\"q\", 0.5, 0.9, G)", "range_over_time(G)", "rate(C)",
    "rate_over_sum(G)", "rate_prometheus(C)", "resets(C)", "rollup(G)", "rollup_candlestick(G)", "rollup_delta(G)",
    "rollup_deriv(G)", "rollup_increase(C)", "rollup_rate(C)", "rollup_scrape_interval(G)", "scrape_interval(G)",
    "share_eq_over_time(G, 60)", "share_gt_over_time(G, 60)", "share_le_over_time(G, 60)", "stale_samples_over_time(G)",
    "stddev_over_time(G)", "stdvar_over_time(G)", "sum2_over_time(G)", "sum_eq_over_time(G, 60)", "sum_gt_over_time(G, 60)",
    "sum_le_over_time(G, 60)", "sum_over_time(G)", "tfirst_over_time(G)", "timestamp_with_name(G)", "tlast_change_over_time(G)",
    "tmax_over_time(G)", "tmin_over_time(G)", "zscore_over_time(G)",
];

/// Everything else of MetricsQL; `A` is `avg_over_time(G)`.
#[rustfmt::skip]
const OF_METRICSQL: &[&str] = &[
    "jitter", "rate(jitter_requests)", "sum(jitter)", "max_over_time(jitter)", "tlast_over_time(G)", "timestamp(G)",
    "abs(A)", "absent(jitter{host=\"web-3\"}[5m])", "acos(A / 100)", "acosh(A)", "asin(A / 100)", "asinh(A)", "atan(A)",
    "atanh(A / 100)", "bitmap_and(A, 7)", "bitmap_or(A, 7)", "bitmap_xor(A, 7)",
    "buckets_limit(2, sum(increase_prometheus(jitter_seconds_bucket[5m])) by (le))", "ceil(A)", "clamp(A, 55, 60)", "clamp_max(A, 60)",
    "clamp_min(A, 60)", "cos(A)", "cosh(A / 100)", "day_of_month(A)", "day_of_week(A)", "day_of_year(A)", "days_in_month(A)",
    "deg(A)", "drop_common_labels(A)", "drop_empty_series(A)", "end() + A", "exp(A / 100)", "floor(A)",
    "histogram_avg(sum(histogram_over_time(G)) by (vmrange))", "histogram_quantile(0.9, sum(increase_prometheus(jitter_seconds_bucket[5m])) by (le))",
    "histogram_quantiles(\"q\", 0.5, 0.9, sum(increase_prometheus(jitter_seconds_bucket[5m])) by (le))",
    "histogram_share(3, sum(increase_prometheus(jitter_seconds_bucket[5m])) by (le))",
    "histogram_stddev(sum(histogram_over_time(G)) by (vmrange))", "histogram_stdvar(sum(histogram_over_time(G)) by (vmrange))",
    "hour(A)", "interpolate(A)", "keep_last_value(A)", "keep_next_value(A)", "label_copy(A, \"host\", \"a\")", "label_del(A, \"x\")",
    "label_graphite_group(A, 0)", "label_join(A, \"a\", \"-\", \"host\")", "label_keep(A, \"host\")", "label_lowercase(A, \"host\")",
    "label_map(A, \"host\", \"web-1\", \"b\")", "label_match(A, \"host\", \"web-1\")", "label_mismatch(A, \"host\", \"web-1\")",
    "label_move(A, \"host\", \"a\")", "label_replace(A, \"a\", \"$1\", \"host\", \"web-(.*)\")", "label_set(A, \"a\", \"b\")",
    "label_transform(A, \"host\", \"web\", \"b\")", "label_uppercase(A, \"host\")", "label_value(label_set(A, \"a\", \"3\"), \"a\")",
    "labels_equal(A, \"host\", \"host\")", "ln(A)", "log10(A)", "log2(A)", "minute(A)", "month(A)",
    "pi() * A", "prometheus_buckets(sum(histogram_over_time(G)) by (vmrange))", "rad(A)", "range_avg(A)", "range_first(A)",
    "range_last(A)", "range_linear_regression(A)", "range_mad(A)", "range_max(A)", "range_median(A)", "range_min(A)",
    "range_normalize(A)", "range_quantile(0.5, A)", "range_stddev(A)", "range_stdvar(A)", "range_sum(A)", "range_trim_outliers(1, A)",
    "range_trim_spikes(0.1, A)", "range_trim_zscore(1, A)", "range_zscore(A)", "remove_resets(A)", "round(A)", "running_avg(A)",
    "running_max(A)", "running_min(A)", "running_sum(A)", "scalar(avg_over_time(jitter{host=\"web-0\"}[5m]))", "sgn(A - 60)", "sin(A)",
    "sinh(A / 100)", "smooth_exponential(A, 0.5)", "sort(A)", "sort_by_label(A, \"host\")", "sort_by_label_desc(A, \"host\")",
    "sort_by_label_numeric(A, \"host\")", "sort_by_label_numeric_desc(A, \"host\")", "sort_desc(A)", "sqrt(A)", "start() + A",
    "step() + A", "tan(A)", "tanh(A)", "time()", "timezone_offset(\"Europe/Berlin\")", "ttf(A)", "union(A, vector(1))", "vector(5)",
    "year(A)", "avg(A)", "bottomk(1, A)", "bottomk_avg(1, A)", "bottomk_last(1, A)", "bottomk_max(1, A)",
    "bottomk_median(1, A)", "bottomk_min(1, A)", "count(A)", "count_values(\"v\", floor(A))", "distinct(A)", "geomean(A)", "group(A)",
    "histogram(A)", "limitk(1, A)", "mad(A)", "max(A)", "median(A)", "min(A)", "mode(A)", "outliers_iqr(A)", "outliers_mad(1, A)",
    "outliersk(1, A)", "quantile(0.9, A)", "quantiles(\"q\", 0.5, 0.9, A)", "share(A)", "stddev(A)", "stdvar(A)", "sum(A)", "sum2(A)",
    "topk(1, A)", "topk_avg(1, A)", "topk_last(1, A)", "topk_max(1, A)", "topk_median(1, A)", "topk_min(1, A)", "zscore(A)",
    "A default 5", "A if (A > 65)", "A ifnot (A > 65)", "A or vector(1)", "A and (A > 65)", "A unless (A > 65)", "A > 65",
    "avg_over_time(G offset 7m)", "avg_over_time(G offset -7m)", "max_over_time(A[30m:1m])",
    "max_over_time(A[30m])", "avg_over_time(jitter[3i])", "avg_over_time(G @ 1700010000)", "avg_over_time(G @ end())",
    "WITH (f(x) = x * 2) f(A)", "rate(C) keep_metric_names",
];

/// What is shown of a query at an instant by an engine.
async fn ask(
    engine: &Engine,
    source: &Arc<dyn AnySource>,
    query: &Query,
    now_ms: i64,
    length_ms: i64,
) -> Result<Arc<Outcome>> {
    let visible = TimeRange { from_ms: now_ms - length_ms, to_ms: now_ms };
    engine.run(Job { query: query.clone(), visible, max_data_points: 500 }, source, Scope::default()).await
}

/// Series with their points; values are compared up to `tolerance`, relatively.
fn first_difference(one: &Outcome, other: &Outcome, tolerance: f64) -> Option<String> {
    if one.detections.len() != other.detections.len() {
        return Some(format!("{} series and {}", one.detections.len(), other.detections.len()));
    }
    for (one, other) in one.detections.iter().zip(&other.detections) {
        let (one, other) = (&one.series, &other.series);
        if one.labels != other.labels || one.times != other.times {
            return Some(format!(
                "{:?}: {} points and {:?}: {}",
                one.labels,
                one.len(),
                other.labels,
                other.len()
            ));
        }
        let differs = |(a, b): (&f64, &f64)| {
            let is_same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            let is_near = (a - b).abs() <= tolerance * a.abs().max(b.abs());
            !is_same && !is_near
        };
        if let Some(at) = one.values.iter().zip(&other.values).position(differs) {
            return Some(format!(
                "{:?} at {}: {} and {}",
                one.labels, one.times[at], one.values[at], other.values[at]
            ));
        }
    }
    None
}

/// What was read while time went on, and what at once.
struct Compared {
    points: usize,
    difference: Option<String>,
    /// Whether the query is asked for whole.
    is_whole: bool,
}

/// Asks for `expr` while time goes on, and at the end once more of an engine that knows nothing.
async fn refreshed(
    source: &Arc<dyn AnySource>,
    expr: &str,
    step_ms: i64,
    tolerance: f64,
) -> Result<Compared> {
    let expr =
        expr.replace('A', "avg_over_time(G)").replace('G', "jitter[5m]").replace('C', "jitter_requests[5m]");
    let length_ms = 60 * step_ms;
    let query = json!({
        "source": {"kind": "prometheus", "expr": expr}, "step": format!("{step_ms}ms"), "detector": {"kind": "mad"},
        "trainingWindow": format!("{length_ms}ms"), "refitInterval": format!("{}ms", 20 * step_ms),
    });
    let query = Query::parse(query.to_string().as_bytes()).unwrap();
    let now_ms = Arc::new(AtomicI64::new(BEGIN_MS + 425 * MINUTE_MS));
    let clock = || {
        let now_ms = Arc::clone(&now_ms);
        Clock::new(move || now_ms.load(Ordering::SeqCst))
    };
    let warm = Engine::new(Workers::default(), 64 << 20, clock());
    let mut last = None;
    for _ in 0..5 {
        let now = now_ms.fetch_add(217_000, Ordering::SeqCst) + 217_000;
        last = Some(ask(&warm, source, &query, now, length_ms).await?);
    }
    let fresh = Engine::new(Workers::default(), 0, clock());
    let fresh = ask(&fresh, source, &query, now_ms.load(Ordering::SeqCst), length_ms).await?;
    let is_whole = fresh.notices.iter().any(|notice| notice.contains("depend on the time range"));
    let points = fresh.detections.iter().map(|detection| detection.series.len()).sum();
    Ok(Compared { points, difference: first_difference(&last.unwrap(), &fresh, tolerance), is_whole })
}

/// Asserts that refreshed equals fresh for all of `exprs` that the server knows; says how many these were, and which are asked
/// for whole.
async fn all_are_the_same(url: &str, exprs: &[&str], step_ms: i64, tolerance: f64) -> (usize, Vec<String>) {
    let source = source::connect(&plain(url)).unwrap();
    let (mut known, mut whole) = (0, Vec::new());
    let mut different = Vec::new();
    for expr in exprs {
        match refreshed(&source, expr, step_ms, tolerance).await {
            Ok(compared) => {
                known += usize::from(compared.points > 0);
                different.extend(compared.difference.map(|difference| format!("{expr}: {difference}")));
                whole.extend(compared.is_whole.then(|| (*expr).to_owned()));
            }
            // Of a later version, or switched off.
            Err(error) => assert_eq!(error.category(), Category::Query, "{expr}: {error}"),
        }
    }
    assert!(different.is_empty(), "at a step of {step_ms} ms:\n{}", different.join("\n"));
    (known, whole)
}

#[tokio::test]
async fn every_function_of_prometheus_is_the_same_refreshed_as_fresh() {
    let Some(server) = prometheus() else { return };
    let (known, whole) = all_are_the_same(&server.url, OF_PROMETHEUS, MINUTE_MS, 0.0).await;
    assert!(known >= 90, "{known}");
    let bounded = |expr: &String| {
        !expr.contains("start()")
            && !expr.contains("end()")
            && !expr.contains("range()")
            && !expr.contains("scalar(")
    };
    assert_eq!(whole.iter().filter(|expr| bounded(expr)).count(), 0, "{whole:?}");
    assert!(whole.len() >= 4, "{whole:?}");
}

#[tokio::test]
async fn what_is_something_else_in_every_request_is_refused() {
    let Some(server) = victoria() else { return };
    let source = source::connect(&plain(&server.url)).unwrap();
    for expr in [
        "now() + A",
        "rand() + A",
        "rand(1) + A",
        "rand_normal()",
        "rand_exponential()",
        "any(A)",
        "limit_offset(1, 1, A)",
        "sum(A) by (host) limit 2",
    ] {
        let error = refreshed(&source, expr, MINUTE_MS, 0.0).await.err().unwrap();
        assert!(
            error.category() == Category::Query && error.message().contains("in every request"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn every_function_of_victoria_metrics_is_the_same_refreshed_as_fresh() {
    let Some(server) = victoria() else { return };
    // The order in which it adds the values of several series is another in every request.
    let tolerance = 1e-9;
    for step_ms in [5_000, MINUTE_MS] {
        for (exprs, at_least, of_them_whole) in [(ROLLUPS, 65, 20), (OF_METRICSQL, 140, 40)] {
            let (known, whole) = all_are_the_same(&server.url, exprs, step_ms, tolerance).await;
            assert!(known >= at_least && whole.len() >= of_them_whole, "{known} {}", whole.len());
            assert!(
                !whole
                    .iter()
                    .any(|expr| expr.starts_with("avg_over_time(G)")
                        || expr.starts_with("increase_prometheus"))
            );
        }
    }
}
