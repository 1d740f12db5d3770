//! The newest points, and counters: what Prometheus and VictoriaMetrics do that is not as it seems.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::response::IntoResponse;
use outrider::engine::{Clock, Engine, Job, Scope, Workers};
use outrider::error::Category;
use outrider::query::Query;
use outrider::series::TimeRange;
use outrider::source;
use serde_json::json;

use crate::data::{HOURS, MINUTE_MS, NASTY, SCRAPE_MS};
use crate::upstream_server::Upstream;
use crate::victoria_server::VictoriaServer;
use crate::{all_bits, ask, check, plain, refused, server};

/// VictoriaMetrics answers what lies within `-search.latencyOffset` of now with copies of the value before.
#[tokio::test]
async fn the_newest_points_of_victoria_metrics_are_those_measured_or_are_left_out() {
    let step_ms = 5_000;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let begin_ms = now_ms / step_ms * step_ms - 120 * step_ms;
    let mut samples = String::new();
    // Up to a while after now, as this test takes its time.
    for index in 0..150 {
        writeln!(samples, "rising{{job=\"a\"}} {index} {}", begin_ms + index * step_ms).unwrap();
    }
    let Some(server) = VictoriaServer::start(&samples) else { return };
    assert!(check(&plain(&server.url)).await.unwrap().message.starts_with("Reached VictoriaMetrics at "));
    let source = source::connect(&plain(&server.url)).unwrap();
    let query = json!({
        "source": {"kind": "prometheus", "metric": "rising", "aggregate": "none"}, "step": "5s",
        "trainingWindow": "2m", "refitInterval": "1m", "detector": {"kind": "mad"},
    });
    let query = Query::parse(query.to_string().as_bytes()).unwrap();
    let engine = Engine::new(Workers::default(), 0, Clock::system());
    let asked_ms = chrono::Utc::now().timestamp_millis();
    let visible = TimeRange { from_ms: begin_ms + 60 * step_ms, to_ms: asked_ms };
    let outcome =
        engine.run(Job { query, visible, max_data_points: 500 }, &source, Scope::default()).await.unwrap();
    let series = &outcome.detections[0].series;
    let written: Vec<f64> = series.times.iter().map(|time| ((time - begin_ms) / step_ms) as f64).collect();
    assert_eq!(series.values, written);
    let behind_ms = asked_ms - series.times.last().unwrap();
    let is_told = outcome.notices.iter().any(|notice| notice.contains("the newest 35s are left out"));
    // Versions before 1.9x do not read latency_offset.
    let expected = if is_told { 35_000..45_000 } else { 0..step_ms };
    assert!(expected.contains(&behind_ms), "{behind_ms} {:?}", outcome.notices);
}

#[tokio::test]
async fn how_long_the_newest_points_are_left_out_can_be_chosen() {
    let Some(server) = server() else { return };
    let source = source::connect(&plain(&server.url)).unwrap();
    let now_ms = HOURS.1 - 600_000;
    let last = async |settle: &str, expr: &str| {
        let query = json!({
            "source": {"kind": "prometheus", "expr": expr}, "step": "1m", "settle": settle,
            "trainingWindow": "30m", "refitInterval": "10m", "detector": {"kind": "mad"},
        });
        let query = Query::parse(query.to_string().as_bytes()).unwrap();
        let visible = TimeRange { from_ms: now_ms - 1_800_000, to_ms: now_ms };
        let job = Job { query, visible, max_data_points: 500 };
        let engine = Engine::new(Workers::default(), 1 << 20, Clock::new(move || now_ms));
        let outcome = engine.run(job, &source, Scope::default()).await.unwrap();
        let last = outcome.detections[0].series.times.last().copied().unwrap();
        (now_ms - last, outcome.notices.join("; "))
    };
    assert_eq!(last("auto", "load").await, (0, String::new()));
    assert_eq!(last("7m", "load").await, (420_000, String::new()));
    // What looks at later samples is left out as long as it does, whatever is chosen.
    let (behind_ms, notices) = last("1m", "load offset -5m").await;
    assert_eq!(behind_ms, 300_000);
    assert!(
        notices.contains("the newest 5m are left out, because the query looks at later samples"),
        "{notices}"
    );
    assert_eq!(last("9m", "load offset -5m").await, (540_000, String::new()));
}

#[tokio::test]
async fn durations_that_are_computed_take_filters() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    let nasty = "host=\"a\\\"}b\\\\c'd`e\\nf{g|h.*ü\"";
    for expr in [
        "avg_over_time(loadF[max_of(step(), 10m)])",
        "avg_over_time(loadF[2 * (1m + step())])",
        "loadF offset (5m + 5m)",
        "rate(requests_totalF[5m] anchored) + 0 * sum(loadF)",
        "rate(loadF[5m] smoothed)",
    ] {
        let filter = json!([{"key": "host", "operator": "=", "value": NASTY}]);
        let filtered =
            ask(&settings, json!({"expr": expr.replace('F', ""), "adhocFilters": filter}), HOURS, MINUTE_MS)
                .await;
        let by_hand =
            ask(&settings, json!({"expr": expr.replace('F', &format!("{{{nasty}}}"))}), HOURS, MINUTE_MS)
                .await;
        match (filtered, by_hand) {
            (Ok(filtered), Ok(by_hand)) => assert_eq!(all_bits(&filtered), all_bits(&by_hand), "{expr}"),
            // Before Prometheus 3.16 these are no PromQL, which is the server's to say.
            (Err(filtered), Err(by_hand)) => {
                assert_eq!((filtered.category(), by_hand.category()), (Category::Query, Category::Query));
                assert!(filtered.message().contains("does not understand the query"), "{filtered}");
            }
            (filtered, by_hand) => panic!("{expr}: {filtered:?} {by_hand:?}"),
        }
    }
}

/// Neither a server that refuses what it does not know, nor one that passes it over, is taken for VictoriaMetrics.
#[tokio::test]
async fn only_victoria_metrics_is_asked_as_such() {
    for (status, body) in
        [(200, ""), (400, "Unknown name \"latency_offset\": Cannot bind query parameter."), (403, "")]
    {
        let upstream = Upstream::answering(move |seen| match seen.uri.path() {
            "/api/v1/query" => (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response(),
            _ => {
                let body = json!({"status": "success", "data": {"resultType": "matrix", "result": []}});
                ([("content-type", "application/json")], body.to_string()).into_response()
            }
        })
        .await;
        let asked =
            ask(&plain(&upstream.url), json!({"metric": "load", "aggregate": "none"}), HOURS, MINUTE_MS)
                .await;
        assert!(asked.unwrap().executed.contains("query=load start="));
        let seen = upstream.seen();
        assert!(!seen.last().unwrap().body.contains("nocache"), "{seen:?}");
    }
    let Some(server) = VictoriaServer::start("") else { return };
    let asked =
        ask(&plain(&server.url), json!({"metric": "load", "aggregate": "none"}), HOURS, MINUTE_MS).await;
    assert!(asked.unwrap().executed.contains("query=default_rollup(load[5m]) start="));
}

/// The mean over a step in which a counter restarts is between what it was and zero: the fall would be lost.
#[tokio::test]
async fn the_mean_of_a_counter_is_not_asked_for() {
    let begin_ms = HOURS.0;
    let mut samples = String::from("# TYPE jobs counter\n");
    let mut total = 1_000_000;
    for index in 0..480 {
        total = if index % 97 == 96 { 5 } else { total + 30 };
        let ms = begin_ms + index * SCRAPE_MS + 7_000;
        writeln!(samples, "jobs_total{{host=\"a\"}} {total} {}.{:03}", ms / 1_000, ms % 1_000).unwrap();
    }
    let server = crate::prometheus_server::PrometheusServer::start(&(samples + "# EOF\n"), None, &[]);
    let Some(server) = server.map(Arc::new) else { return };
    let settings = plain(&server.url);
    let step_ms = 5 * MINUTE_MS;
    let mean = ask(&settings, json!({"metric": "jobs_total"}), HOURS, step_ms).await.unwrap();
    let last =
        ask(&settings, json!({"metric": "jobs_total", "aggregate": "last"}), HOURS, step_ms).await.unwrap();
    assert_eq!(all_bits(&mean), all_bits(&last));
    assert!(mean.notices.concat().contains("the metric is a counter"), "{:?}", mean.notices);
    assert_eq!(last.notices, Vec::<String>::new());
    // Each fall goes to where the counter began again, and none lies between.
    let falls = mean.series[0].values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[1]);
    let falls: Vec<f64> = falls.collect();
    assert!(falls.len() == 4 && falls.iter().all(|after| *after < 700.0), "{falls:?}");
    let sum = json!({"metric": "jobs_total", "combine": "sum"});
    let sum = ask(&settings, sum, HOURS, step_ms).await.unwrap();
    assert!(sum.series[0].values.iter().all(|rate| (0.0..3.0).contains(rate)), "{:?}", sum.series[0].values);
    assert!(
        sum.notices.concat().contains("its rate is taken before series are combined"),
        "{:?}",
        sum.notices
    );
}

#[tokio::test]
async fn victoria_metrics_is_named_in_errors() {
    let Some(server) = VictoriaServer::start("") else { return };
    let error = refused(&plain(&server.url), json!({"expr": "rate(load"}), Category::Query).await;
    assert!(
        error.message().contains("VictoriaMetrics ") && error.message().contains("unexpected"),
        "{error}"
    );
    let nowhere = plain(&format!("{}/nowhere", server.url));
    let error = refused(&nowhere, json!({"expr": "load"}), Category::Protocol).await.to_string();
    assert!(
        error.contains("it has no API of Prometheus at this path")
            && error.contains("ends where /api/v1 begins"),
        "{error}"
    );
}

/// Prometheus says it is no bad query that runs out of time.
#[tokio::test]
async fn a_query_that_runs_out_of_time_is_none_to_correct() {
    let Some(server) = server() else { return };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // As its own time-out does, which is whole seconds in Outrider's settings.
    let url = format!(
        "{}/api/v1/query_range?query=sum_over_time(weeks[20d:1s])&step=60&start={}&end={}&timeout=1ms",
        server.url,
        HOURS.0 / 1_000,
        HOURS.1 / 1_000
    );
    let answer = client.get(url).send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert!(matches!(status.as_u16(), 422 | 503), "{status} {body}");
    let upstream = Upstream::answering(move |_| (status, body.clone()).into_response()).await;
    let settings = crate::settings(&upstream.url, &json!({"retries": 0}));
    let error = refused(&settings, json!({"expr": "load"}), Category::Connection).await;
    assert!(error.message().contains("gave the query up after its time-out"), "{error}");
}

/// Where the name does not tell, the server may know what type a metric has; it is asked once.
#[tokio::test]
async fn the_type_of_a_metric_is_asked_for_where_its_name_does_not_tell() {
    let answer =
        |body: serde_json::Value| ([("content-type", "application/json")], body.to_string()).into_response();
    let upstream = Upstream::answering(move |seen| match seen.uri.path() {
        "/api/v1/metadata" if seen.uri.query().is_some_and(|query| query.starts_with("metric=jobs_done&")) => {
            answer(json!({"status": "success", "data": {"jobs_done": [{"type": "counter", "help": "", "unit": ""}]}}))
        }
        "/api/v1/metadata" => answer(json!({"status": "success", "data": {}})),
        _ => answer(json!({"status": "success", "data": {"resultType": "matrix", "result": []}})),
    })
    .await;
    let source = source::connect(&plain(&upstream.url)).unwrap();
    for (metric, promql) in
        [("jobs_done", "last_over_time"), ("load", "avg_over_time"), ("load", "avg_over_time")]
    {
        let options = serde_json::from_value(json!({ "metric": metric })).unwrap();
        let range = TimeRange { from_ms: 0, to_ms: 600_000 };
        let query = Arc::clone(&source).prepare(&options).unwrap();
        let fetched = query.fetch(&source::FetchRequest { range, step_ms: 60_000 }).await.unwrap();
        assert!(fetched.executed.contains(&format!("query={promql}({metric}[1m])")), "{}", fetched.executed);
    }
    assert_eq!(upstream.seen().iter().filter(|seen| seen.uri.path() == "/api/v1/metadata").count(), 2);
}
