//! What comes back is what was written, whatever is asked for and in however many requests.

use std::path::Path;

use outrider::engine::{self, Job, Workers};
use outrider::error::Category;
use outrider::query::Query;
use outrider::series::TimeRange;
use outrider::source;
use serde_json::{Value, json};

use crate::data::{BEGIN_MS, DAYS, HOURS, MINUTE_MS, NASTY, SCRAPE_MS, load, load_samples, weeks};
use crate::host::{Plugin, context};
use crate::{all_bits, ask, bits, plain, refused, server};

/// What an aggregate makes of the values of a step.
type Reference = fn(&[f64]) -> f64;

/// The values of `load` within `(at - length, at]`.
fn window(at: i64, length: i64) -> Vec<f64> {
    load_samples().filter(|(ms, _)| (at - length + 1..=at).contains(ms)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn every_value_comes_back_exactly() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let of_web_1 = |aggregate: &str| json!({"metric": "load", "aggregate": aggregate, "matchers": [{"key": "host", "operator": "=", "value": "web-1"}]});

    // Evaluated every 15 s, each sample is the newest one of just one point.
    let fetched = ask(&settings, of_web_1("none"), HOURS, SCRAPE_MS).await.unwrap();
    assert_eq!(fetched.series.len(), 1);
    let series = &fetched.series[0];
    assert_eq!(
        (series.name.as_str(), series.labels["host"].as_str(), series.labels.len()),
        ("load", "web-1", 2)
    );
    let expected: Vec<(i64, u64)> =
        (1..480).map(|index| (HOURS.0 + index * SCRAPE_MS, load(index - 1).to_bits())).collect();
    assert_eq!(bits(series), expected);
    assert_eq!(fetched.step_ms, Some(SCRAPE_MS));
    assert!(fetched.executed.contains("query=load{host=\"web-1\"} start="), "{}", fetched.executed);
    assert_eq!(fetched.notices, Vec::<String>::new());

    // A point at t tells of the samples in (t - step, t], never of later ones.
    let step = 5 * MINUTE_MS;
    let exactly: [(&str, Reference); 4] = [
        ("max", |values| values.iter().copied().fold(f64::MIN, f64::max)),
        ("min", |values| values.iter().copied().fold(f64::MAX, f64::min)),
        ("count", |values| values.len() as f64),
        ("last", |values| *values.last().unwrap()),
    ];
    let nearly: [(&str, Reference); 3] = [
        ("sum", |values| values.iter().sum()),
        ("mean", |values| values.iter().sum::<f64>() / values.len() as f64),
        ("p95", |values| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = 0.95 * (sorted.len() - 1) as f64;
            let (low, share) = (rank.floor() as usize, rank.fract());
            sorted[low] * (1.0 - share) + sorted[(low + 1).min(sorted.len() - 1)] * share
        }),
    ];
    for (aggregate, reference, tolerance) in exactly
        .map(|(name, of)| (name, of, 0.0))
        .into_iter()
        .chain(nearly.map(|(name, of)| (name, of, 1e-12)))
    {
        let fetched = ask(&settings, of_web_1(aggregate), HOURS, step).await.unwrap();
        let series = &fetched.series[0];
        let times: Vec<i64> = (1..24).map(|index| HOURS.0 + index * step).collect();
        assert_eq!(series.times, times, "{aggregate}");
        for (at, value) in series.times.iter().zip(&series.values) {
            let expected = reference(&window(*at, step));
            assert!(
                (value - expected).abs() <= tolerance * expected.abs().max(1.0),
                "{aggregate} {at}: {value} {expected}"
            );
        }
    }
}

#[tokio::test]
async fn promql_labels_rates_and_names() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let at = |options: Value| ask(&settings, options, HOURS, MINUTE_MS);

    let built = json!({"metric": "requests_total", "rate": true, "combine": "sum", "by": ["job"],
                       "legend": "all of {{job}}", "unit": "reqps"});
    let built = at(built).await.unwrap();
    let written = at(json!({"expr": "sum by (job) (rate(requests_total[$__rate_interval]))"})).await.unwrap();
    assert_eq!(all_bits(&built), all_bits(&written));
    assert_eq!(
        (built.series[0].name.as_str(), built.series[0].unit.as_deref()),
        ("all of api", Some("reqps"))
    );
    assert_eq!((built.series[0].labels.len(), written.series[0].name.as_str()), (1, "value"));
    assert!(
        built.series[0].values[10..].iter().all(|rate| (rate - 4.0).abs() < 1e-9),
        "{:?}",
        built.series[0].values
    );

    let two = at(json!({"expr": "{__name__=~\"load|requests_total\",host=\"web-1\"}"})).await.unwrap();
    let names: Vec<&str> = two.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["load", "requests_total"]);

    let nobody = at(json!({"metric": "no_such_metric"})).await.unwrap();
    assert_eq!((nobody.series, nobody.notices), (vec![], vec![]));
    let number = at(json!({"expr": "1 + 1"})).await.unwrap();
    assert!(number.series[0].values.iter().all(|value| *value == 2.0) && number.series[0].len() == 120);

    let odd = ask(
        &settings,
        json!({"metric": "odd", "aggregate": "none"}),
        (BEGIN_MS, BEGIN_MS + 241_000),
        MINUTE_MS,
    )
    .await;
    let odd = odd.unwrap();
    let numbers: Vec<Option<f64>> =
        odd.series[0].values.iter().map(|v| Some(*v).filter(|v| !v.is_nan())).collect();
    assert_eq!(numbers, [Some(1.0), None, None, None, Some(2.0)]);

    for (options, says) in [
        (json!({"expr": "rate(load"}), "1:10: parse error: "),
        (json!({"expr": "rate(load)"}), "expected type range vector"),
        (json!({"expr": "\"text\""}), "invalid expression type"),
        (json!({"expr": "load * on (job) load"}), "cannot carry out the query: "),
    ] {
        let error = refused(&settings, options, Category::Query).await;
        assert!(error.message().contains(says), "{error}");
    }
}

#[tokio::test]
async fn filters_of_the_dashboard_reach_every_selector() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let nasty = "host=\"a\\\"}b\\\\c'd`e\\nf{g|h.*ü\"";
    for (expr, written) in [
        ("load", "load{F}"),
        ("load{} + 0", "load{F} + 0"),
        ("{__name__='load'}", "{__name__='load', F}"),
        (
            "sum by (job) (rate(load{job=~\"a.*\"}[5m] offset 1m))",
            "sum by (job) (rate(load{job=~\"a.*\",F}[5m] offset 1m))",
        ),
        (
            "count(load) without (host) + on (job) group_left () sum(load) by (job)",
            "count(load{F}) without (host) + on (job) group_left () sum(load{F}) by (job)",
        ),
        ("max_over_time(deriv(load[5m])[30m:1m]) # load{", "max_over_time(deriv(load{F}[5m])[30m:1m])"),
        (
            "load > bool 0 unless ignoring (x) (load < -900) or -load",
            "load{F} > bool 0 unless ignoring (x) (load{F} < -900) or -load{F}",
        ),
        (
            "clamp_max(load, scalar(sum(load))) - on () group_left () quantile(0.9, load @ 1700000400)",
            "clamp_max(load{F}, scalar(sum(load{F}))) - on () group_left () quantile(0.9, load{F} @ 1700000400)",
        ),
        (
            "label_replace(load, 'x', '$1', 'host', '(.).*')",
            "label_replace(load{F}, 'x', '$1', 'host', '(.).*')",
        ),
    ] {
        let filter = json!([{"key": "host", "operator": "=", "value": NASTY}]);
        let filtered =
            ask(&settings, json!({"expr": expr, "adhocFilters": filter}), HOURS, MINUTE_MS).await.unwrap();
        let by_hand =
            ask(&settings, json!({"expr": written.replace('F', nasty)}), HOURS, MINUTE_MS).await.unwrap();
        let unfiltered = ask(&settings, json!({"expr": expr}), HOURS, MINUTE_MS).await.unwrap();
        assert!(!filtered.series.is_empty(), "{expr}");
        assert_eq!(all_bits(&filtered), all_bits(&by_hand), "{expr}");
        assert_ne!(all_bits(&filtered), all_bits(&unfiltered), "{expr}");
    }
}

#[tokio::test]
async fn no_value_of_a_filter_or_a_matcher_gets_out_of_its_string() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let attempts = [
        "\"} or load{host=\"web-1",
        "\\\"} or vector(1) #",
        "x\" or \"\"=\"",
        "'",
        "`} or load #",
        "web-1\\",
        "\n",
    ];
    for value in attempts {
        for operator in ["=", "=~"] {
            // As a regular expression some of these are none, which is the server's to say.
            let filter = json!([{"key": "host", "operator": operator, "value": value}]);
            for options in [
                json!({"expr": "load", "adhocFilters": filter}),
                json!({"metric": "load", "matchers": filter}),
                json!({"metric": "load", "adhocFilters": filter}),
            ] {
                match ask(&settings, options, HOURS, MINUTE_MS).await {
                    Ok(fetched) => assert_eq!(fetched.series, [], "{value}"),
                    Err(error) => {
                        assert!(operator == "=~" && error.category() == Category::Query, "{value}: {error}");
                    }
                }
            }
        }
        for options in [
            json!({"metric": format!("load{value}x")}),
            json!({"expr": "load", "adhocFilters": [{"key": format!("host{value}"), "value": "web-1"}]}),
            json!({"metric": "load", "combine": "sum", "by": [format!("host){value}")]}),
        ] {
            // Names that only Prometheus 3 knows: older ones refuse them, and in none are there such series.
            match ask(&settings, options.clone(), HOURS, MINUTE_MS).await {
                Ok(fetched) => assert!(options["by"].is_array() || fetched.series.is_empty(), "{value}"),
                Err(error) => assert_eq!(error.category(), Category::Query, "{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_range_of_many_slices_is_the_same_as_short_ones() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let source = source::connect(&settings).unwrap();
    let query = json!({
        "source": {"kind": "prometheus", "metric": "weeks", "aggregate": "mean"}, "step": "1m",
        "trainingWindow": "1d", "refitInterval": "1d", "detector": {"kind": "mad"},
    });
    let visible = TimeRange { from_ms: DAYS.0 + 86_400_000, to_ms: DAYS.1 - 1 };
    let job =
        Job { query: Query::parse(query.to_string().as_bytes()).unwrap(), visible, max_data_points: 500 };
    let outcome = engine::run(job, &source, &Workers::default()).await.unwrap();
    assert_eq!(outcome.detections.len(), 1);
    let long = &outcome.detections[0].series;
    assert!(long.len() == 19 * 1_440 && long.len() > 2 * 11_000, "{}", long.len());
    assert!(outcome.executed.matches("query_range").count() >= 3, "{}", outcome.executed);

    let options = json!({"metric": "weeks", "aggregate": "mean"});
    let mut short = Vec::new();
    let mut from_ms = visible.from_ms;
    while from_ms < DAYS.1 {
        let to_ms = (from_ms + 777 * MINUTE_MS).min(DAYS.1);
        short.extend(bits(
            &ask(&settings, options.clone(), (from_ms, to_ms), MINUTE_MS).await.unwrap().series[0],
        ));
        from_ms = to_ms;
    }
    assert_eq!(bits(long), short);

    let raw = ask(
        &settings,
        json!({"metric": "weeks", "aggregate": "none"}),
        (DAYS.0, DAYS.0 + 11_000 * MINUTE_MS),
        MINUTE_MS,
    );
    let written: Vec<(i64, u64)> =
        (0..11_000).map(|index| (DAYS.0 + index * MINUTE_MS, weeks(index).to_bits())).collect();
    assert_eq!(bits(&raw.await.unwrap().series[0]), written);
}

#[tokio::test]
async fn a_step_that_is_not_over_is_not_asked_for() {
    let Some(server) = server() else { return };
    let now_ms = chrono::Utc::now().timestamp_millis();
    let range = (now_ms - 300_000, now_ms + 600_000);
    let options = json!({"metric": "fresh", "aggregate": "count"});
    let fetched = ask(&plain(&server.url), options.clone(), range, MINUTE_MS).await.unwrap();
    let series = &fetched.series[0];
    assert!(
        series
            .times
            .iter()
            .all(|time| time % MINUTE_MS == 0 && *time <= chrono::Utc::now().timestamp_millis())
    );
    assert!(series.values.iter().all(|count| *count == 4.0) && series.len() >= 5, "{series:?}");
    let ahead =
        ask(&plain(&server.url), options, (now_ms + 60_000, now_ms + 600_000), MINUTE_MS).await.unwrap();
    assert!(ahead.series.is_empty() && ahead.executed.starts_with("nothing"), "{}", ahead.executed);
}

#[tokio::test]
async fn the_plugin_shows_what_prometheus_has() {
    let Some(server) = server() else { return };
    let plugin = Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), &[]).await.unwrap();
    let context = context(&json!({"url": server.url, "jsonData": {"source": "prometheus"}}));
    let query = json!({
        "source": {"expr": "load", "adhocFilters": [{"key": "host", "operator": "=", "value": NASTY}]},
        "step": "15s", "trainingWindow": "30m", "refitInterval": "10m", "detector": {"kind": "mad"},
    });
    let range = (HOURS.0 + 3_600_000, HOURS.0 + 3_600_000 + 200 * SCRAPE_MS);
    let answer = plugin.query(context, range, &query).await.unwrap();
    assert_eq!((answer.status, &answer.error), (200, &None));
    let frame = &answer.frames[0];
    let expected: Vec<Value> = (0..=200).map(|index| json!(load(239 + index) + 1.0)).collect();
    assert_eq!(frame.column("value").unwrap(), expected);
    let times: Vec<Value> = (0..=200).map(|index| json!(range.0 + index * SCRAPE_MS)).collect();
    assert_eq!(frame.column("time").unwrap(), times);
    let labels = frame.fields.iter().find(|field| field.name == "value").map(|field| &field.labels).unwrap();
    assert_eq!(labels, &json!({"host": NASTY, "job": "api"}));
    plugin.shut_down().await.unwrap();
}
