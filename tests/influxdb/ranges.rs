//! A point has the same value whatever else is asked for: for every function of InfluxQL, what was read while time went on
//! equals what is read at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outrider::engine::{Clock, Engine, Job, Outcome, Scope, Workers};
use outrider::query::Query;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const BEGIN_MS: i64 = FROM_MS - 6 * HOUR_MS;

/// Three hosts with a point every twenty seconds, some missing; one is silent for half an hour and one begins late. In the
/// second field, a counter that restarts.
fn lines() -> String {
    let mut dice = 3_u64;
    let mut roll = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut lines = String::new();
    for host in 0..3 {
        let mut total = 0.0;
        for index in 0..6 * 180_i64 {
            let ms = BEGIN_MS + index * 20_000 + (roll() * 5_000.0) as i64;
            total = if roll() < 0.01 { 0.0 } else { total + (roll() * 9.0).floor() };
            let minutes = index / 3;
            let is_silent = (host == 1 && (300..330).contains(&minutes)) || (host == 2 && minutes < 310);
            if !is_silent && roll() > 0.1 {
                let value = 50.0 + 10.0 * roll();
                lines.push_str(&format!("m,host=h{host} v={value:?},total={total:?} {ms}000000\n"));
            }
        }
    }
    lines
}

async fn outcome(
    engine: &Engine,
    source: &Arc<dyn source::AnySource>,
    query: &Query,
    now_ms: i64,
) -> Result<Arc<Outcome>> {
    let visible = TimeRange { from_ms: now_ms - HOUR_MS, to_ms: now_ms };
    engine.run(Job { query: query.clone(), visible, max_data_points: 500 }, source, Scope::default()).await
}

/// Series by name and labels with times and bits.
fn bits(outcome: &Outcome) -> Vec<(String, Vec<(i64, u64)>)> {
    let of_value = |value: &f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
    let of_series = |series: &Series| {
        (
            format!("{} {:?}", series.name, series.labels),
            series.times.iter().copied().zip(series.values.iter().map(of_value)).collect(),
        )
    };
    outcome.detections.iter().map(|detection| of_series(&detection.series)).collect()
}

/// Whether refreshed equals fresh, the points there are, and whether all was asked for whole.
async fn refreshed(settings: &Settings, options: &Value) -> Result<(bool, usize, bool)> {
    let source = source::connect(settings).unwrap();
    let query = json!({
        "source": options, "step": "1m", "trainingWindow": "1h", "refitInterval": "20m", "detector": {"kind": "mad"},
    });
    let query = Query::parse(query.to_string().as_bytes()).unwrap();
    let now_ms = Arc::new(AtomicI64::new(BEGIN_MS + 310 * STEP_MS));
    let clock = || {
        let now_ms = Arc::clone(&now_ms);
        Clock::new(move || now_ms.load(Ordering::SeqCst))
    };
    let warm = Engine::new(Workers::default(), 64 << 20, clock());
    let mut last = Vec::new();
    for _ in 0..7 {
        let now = now_ms.fetch_add(217_000, Ordering::SeqCst) + 217_000;
        last = bits(&*outcome(&warm, &source, &query, now).await?);
    }
    let fresh = Engine::new(Workers::default(), 0, clock());
    let fresh = outcome(&fresh, &source, &query, now_ms.load(Ordering::SeqCst)).await?;
    let is_whole = fresh.notices.iter().any(|notice| notice.contains("depend on the time range"));
    let points = fresh.detections.iter().map(|detection| detection.series.len()).sum();
    Ok((last == bits(&fresh), points, is_whole))
}

#[tokio::test]
async fn every_function_is_the_same_refreshed_as_fresh() {
    let Some(database) = Database::empty().await else { return };
    database.write(lines()).await;
    let grouped = |select: &str| format!("SELECT {select} FROM m WHERE $timeFilter GROUP BY time(1m), host");
    let raw = |select: &str| format!("SELECT {select} FROM m WHERE $timeFilter GROUP BY host");
    let mut texts: Vec<String> = [
        "count(v)",
        "count(distinct(v))",
        "mean(v)",
        "median(v)",
        "mode(v)",
        "spread(v)",
        "stddev(v)",
        "sum(v)",
        "bottom(v, 1)",
        "first(v)",
        "last(v)",
        "max(v)",
        "min(v)",
        "percentile(v, 90)",
        "top(v, 1)",
        "integral(v)",
        "difference(mean(v))",
        "non_negative_difference(last(total))",
        "derivative(last(total), 1s)",
        "non_negative_derivative(last(total), 1s)",
        "cumulative_sum(mean(v))",
        "moving_average(mean(v), 5)",
        "elapsed(mean(v), 1s)",
        "holt_winters(mean(v), 5, 0)",
        "chande_momentum_oscillator(mean(v), 5)",
        "exponential_moving_average(mean(v), 5)",
        "double_exponential_moving_average(mean(v), 5)",
        "kaufmans_efficiency_ratio(mean(v), 5)",
        "kaufmans_adaptive_moving_average(mean(v), 5)",
        "triple_exponential_moving_average(mean(v), 5)",
        "triple_exponential_derivative(mean(v), 5)",
        "relative_strength_index(mean(v), 5)",
        "abs(mean(v))",
        "ceil(mean(v))",
        "round(mean(v) * 2)",
        "mean(v) / max(total)",
    ]
    .map(grouped)
    .to_vec();
    texts.extend(
        [
            "v",
            "v, total",
            "abs(v)",
            "acos(v / 100)",
            "asin(v / 100)",
            "atan(v)",
            "atan2(v, total)",
            "ceil(v)",
            "cos(v)",
            "exp(v)",
            "floor(v)",
            "ln(v)",
            "log(v, 3)",
            "log2(v)",
            "log10(v)",
            "pow(v, 2)",
            "round(v)",
            "sin(v)",
            "sqrt(v)",
            "tan(v)",
            "difference(v)",
            "derivative(total)",
            "cumulative_sum(v)",
            "moving_average(v, 3)",
            "elapsed(v)",
            "top(v, 2)",
            "max(v)",
        ]
        .map(raw),
    );
    for fill in ["none", "null", "0", "previous", "linear"] {
        texts.push(format!("{} fill({fill})", grouped("mean(v)")));
    }
    texts.extend([
        format!("{} LIMIT 3", raw("v")),
        format!("{} ORDER BY time DESC LIMIT 3", raw("v")),
        format!("SELECT max(x) FROM ({}) WHERE $timeFilter GROUP BY time(5m)", grouped("mean(v) AS x")),
        format!("SELECT x FROM ({})", grouped("mean(v) AS x")),
    ]);
    let mut options: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    for aggregate in ["mean", "max", "min", "sum", "count", "p95", "last", "none"] {
        for fill in ["none", "null", "0"] {
            options.push(json!({"measurement": "m", "fields": ["v", "total"], "tags": ["host"], "aggregate": aggregate, "fill": fill}));
        }
    }
    let (mut compared, mut whole, mut different) = (0, 0, Vec::new());
    for options in &options {
        match refreshed(&database.settings, options).await {
            Ok((is_same, points, is_whole)) => {
                compared += usize::from(points > 0);
                whole += usize::from(is_whole);
                if !is_same {
                    different.push(options.to_string());
                }
            }
            Err(error) => assert_eq!(error.category(), Category::Query, "{options}: {error}"),
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared > 75 && whole > 30 && compared - whole > 35, "{compared} {whole}");
}
