//! Servers that refuse, are gone, are slow, or answer in ways of their own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outrider::error::Category;
use serde_json::{Value, json};

use crate::data::{HOURS, MINUTE_MS, OFFSET_MS, SCRAPE_MS, load, openmetrics};
use crate::prometheus_server::PrometheusServer;
use crate::relay::Relay;
use crate::upstream_server::{Upstream, nobody};
use crate::upstream_tls::Identity;
use crate::victim::{Failure, Healthy, Points, Victim};
use crate::{ask, check, plain, refused, settings};

const PASSWORD: &str = "correct horse";
const WRONG_PASSWORD: &str = "battery staple";
/// The password is the bcrypt hash of [`PASSWORD`], at the lowest cost.
const WEB_CONFIG: &str = "\
    basic_auth_users: {reader: \"$2b$04$szi90kzMobyMDZsu2FtnWuNuG7.Wf7wfuAtFN0QaSYBa5bsLTQBcy\"}\n\
    tls_server_config: {cert_file: \"{folder}/cert.pem\", key_file: \"{folder}/key.pem\"}\n";
/// Half an hour, both ends included.
const RANGE: (i64, i64) = (HOURS.0 + 30 * MINUTE_MS, HOURS.0 + 60 * MINUTE_MS);

/// A server with TLS and a password; besides the usual series it has a hundred with long labels, which are 10 MB: no
/// buffer between it and the plugin holds them.
fn guarded(identity: &Identity) -> Option<PrometheusServer> {
    let (certificate, key) = (identity.pem(), identity.key_pem());
    let files = [("cert.pem", certificate.as_str()), ("key.pem", key.as_str())];
    let mut metrics = openmetrics().replace("# EOF\n", "# TYPE long gauge\n");
    let long = "x".repeat(100_000);
    for index in 0..100 {
        writeln!(metrics, "long{{index=\"{index}\",text=\"{long}\"}} 1 {}", RANGE.0 / 1_000).unwrap();
    }
    PrometheusServer::start(&(metrics + "# EOF\n"), Some(WEB_CONFIG), &files)
}

/// The newest sample of both series of `load` at every minute.
fn newest() -> Vec<Points> {
    let at = |ms: i64| load((ms - OFFSET_MS - HOURS.0) / SCRAPE_MS);
    let minutes = || (RANGE.0..=RANGE.1).step_by(60_000);
    vec![
        minutes().map(|ms| (ms, Some(at(ms) + 1.0))).collect(),
        minutes().map(|ms| (ms, Some(at(ms)))).collect(),
    ]
}

/// Prometheus has no databases, and takes no notice of tenants: what is wrong instead is the path of the URL. What
/// servers say that want a tenant is in [`what_the_server_says_went_wrong_gets_its_category`].
#[tokio::test]
async fn every_failure_has_its_category_and_breaks_nothing_else() {
    let identity = Identity::self_signed("127.0.0.1");
    let Some(mut server) = guarded(&identity) else { return };
    let url = server.url.clone();
    let source = json!({"kind": "prometheus", "metric": "load", "aggregate": "last"});
    let healthy = Healthy {
        settings: json!({
            "url": url, "basicAuth": true, "basicAuthUser": "reader",
            "jsonData": {"source": "prometheus", "tlsAuthWithCACert": true, "retries": 0},
            "secureJsonData": {"basicAuthPassword": PASSWORD, "tlsCACert": identity.pem()},
        }),
        source: source.clone(),
        range: RANGE,
        expected: newest(),
    };
    let mut victim =
        Victim::launch(env!("CARGO_BIN_EXE_gpx_outrider"), healthy, &[PASSWORD, WRONG_PASSWORD]).await;

    let refused = format!("{url} refused the credentials with status 401");
    let wrong_password = [&*refused, "check user, password or token in the data source settings"];
    let no_password = [&*refused, "set basic auth, a bearer token or a header in the data source settings"];
    let nowhere = format!("{url}/nowhere");
    let of_settings = |what: &str, settings: Value, category, says: &[&str]| {
        Failure::of_settings(what, settings, &source, category, says)
    };
    let of_query = |what: &str, expr: &str, says: &[&str]| {
        Failure::of_query(what, json!({}), &json!({"expr": expr}), Category::Query, says)
    };
    let four = json!({"expr": "last_over_time({__name__=~\"load|requests_total\"}[1m])"});
    victim
        .survives(&[
            of_settings(
                "a wrong password",
                json!({"secureJsonData": {"basicAuthPassword": WRONG_PASSWORD}}),
                Category::Auth,
                &wrong_password,
            ),
            of_settings("no password", json!({"basicAuth": false}), Category::Auth, &no_password),
            of_settings(
                "a wrong path",
                json!({"url": nowhere}),
                Category::Protocol,
                &[&url, "answered with status 404", "check the URL in the data source settings"],
            ),
            Failure::of_unknown_authority(&url, &source),
            of_query(
                "no PromQL",
                "rate(load",
                &["does not understand the query: ", "1:10: parse error: ", "correct the PromQL"],
            ),
            Failure::of_limit("maxResponseBytes", 3_000, "bytes", &four).saying(&url),
            Failure::of_limit("maxRows", 100, "rows", &four),
            Failure::of_limit("maxSeries", 3, "series", &four),
        ])
        .await;
    victim.finds_nothing("an unknown metric", &json!({"metric": "no_such_metric"})).await;

    let paused = server.running.pause();
    victim.fails(&Failure::of_slow_server(&url, &source)).await;
    drop(paused);
    victim.works("a slow server").await;

    let mut relay = Relay::halting_after(100_000, server.port).await;
    let at_relay = format!("https://127.0.0.1:{}", relay.port);
    // Packed, the answer would fit into the buffers.
    let unpacked = json!({
        "jsonData": {"httpHeaderName1": "Accept-Encoding"}, "secureJsonData": {"httpHeaderValue1": "identity"},
    });
    let long = json!({"metric": "long", "aggregate": "none"});
    let stopped = Failure::of_stopped_server(&at_relay, &unpacked, &long);
    tokio::join!(victim.fails(&stopped), async {
        relay.halted().await;
        server.running.kill();
        relay.go_on();
    });
    victim.fails(&Failure::of_no_server(&url, &source)).await;
    victim.ends().await;
}

fn query() -> Value {
    json!({"expr": "vector(1)"})
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    refused(&settings(&nobody().await, &json!({"retries": 0})), query(), Category::Connection).await;
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"succ"] {
        let (upstream, _events) = Upstream::stalling(begun.as_bytes()).await;
        let error =
            refused(&settings(&upstream.url, &json!({"timeout": 1})), query(), Category::Connection).await;
        assert!(error.message().contains("did not answer within 1 s"), "{error}");
    }
}

fn api(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn one(value: &str) -> Response {
    let kind = if value == "1" { "vector" } else { "matrix" };
    let sample = json!([1_700_000_000, value]);
    let series = if kind == "vector" {
        json!({"metric": {}, "value": sample})
    } else {
        json!({"metric": {}, "values": [sample]})
    };
    api(&json!({"status": "success", "data": {"resultType": kind, "result": [series]}}))
}

#[tokio::test]
async fn where_posts_are_refused_gets_are_sent() {
    let upstream = Upstream::answering(|seen| match seen.method.as_str() {
        "POST" => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => one("2"),
    })
    .await;
    let settings = settings(&format!("{}/prom", upstream.url), &json!({"tenant": "team-a"}));
    let source = outrider::source::connect(&settings).unwrap();
    let options = serde_json::from_value(json!({"expr": "up{a=\"b c\"}"})).unwrap();
    let prepared = source.prepare(&options).unwrap();
    let request = outrider::source::FetchRequest {
        range: outrider::series::TimeRange { from_ms: 500, to_ms: 3_499 },
        step_ms: 1_000,
    };
    for _ in 0..2 {
        assert_eq!(prepared.fetch(&request).await.unwrap().series[0].values, [2.0]);
    }
    let seen = upstream.seen();
    // First of all it is asked what kind of server it is.
    assert_eq!(seen[0].uri.to_string(), "/prom/api/v1/query?query=1&latency_offset=none");
    let asked: Vec<String> =
        seen[1..].iter().map(|seen| format!("{} {} {}", seen.method, seen.uri, seen.body)).collect();
    let form = "query=up%7Ba%3D%22b+c%22%7D&start=1&end=3&step=1&timeout=30";
    assert_eq!(
        asked,
        [
            format!("POST /prom/api/v1/query_range {form}"),
            format!("GET /prom/api/v1/query_range?{form} "),
            format!("GET /prom/api/v1/query_range?{form} "),
        ]
    );
    assert!(seen.iter().all(|seen| seen.headers["x-scope-orgid"] == "team-a"));
}

#[tokio::test]
async fn servers_without_buildinfo_and_with_a_name_are_reached() {
    let silent = Upstream::answering(|seen| match seen.uri.path() {
        "/api/v1/query" => one("1"),
        _ => StatusCode::NOT_FOUND.into_response(),
    })
    .await;
    let reached = check(&plain(&silent.url)).await.unwrap();
    assert!(reached.message.starts_with("Reached a server with Prometheus' API at "), "{reached:?}");

    let mimir = Upstream::answering(|seen| match seen.uri.path() {
        "/api/v1/query" => one("1"),
        _ => {
            api(&json!({"status": "success", "data": {"application": "Grafana Mimir", "version": "2.14.0"}}))
        }
    })
    .await;
    let reached = check(&plain(&mimir.url)).await.unwrap();
    assert!(reached.message.starts_with("Reached Grafana Mimir 2.14.0 at "), "{reached:?}");

    for (answer, category) in [
        ("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}", Category::Protocol),
        ("<html>", Category::Protocol),
    ] {
        let other = Upstream::answering(move |_| answer.into_response()).await;
        assert_eq!(check(&plain(&other.url)).await.unwrap_err().category(), category);
    }
}

#[tokio::test]
async fn what_the_server_says_went_wrong_gets_its_category() {
    for (status, body, category, says) in [
        (
            400,
            r#"{"status":"error","errorType":"bad_data","error":"1:2: parse error\nhere"}"#,
            Category::Query,
            "1:2: parse error here",
        ),
        (
            422,
            r#"{"status":"error","errorType":"422","error":"cannot parse"}"#,
            Category::Query,
            "cannot parse",
        ),
        (
            422,
            r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}"#,
            Category::Limit,
            "limit of the server",
        ),
        (
            503,
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            Category::Connection,
            "gave the query up",
        ),
        (
            422,
            r#"{"status":"error","errorType":"execution","error":"expanding series: context deadline exceeded"}"#,
            Category::Connection,
            "Prometheus gave the query up after its time-out",
        ),
        (
            503,
            r#"{"status":"error","errorType":"503","error":"couldn't start executing the request, since -search.maxConcurrentRequests=8 are executed"}"#,
            Category::Limit,
            "VictoriaMetrics refuses more queries",
        ),
        (503, "Service Unavailable", Category::Connection, "Prometheus is not ready; wait: it is starting"),
        (404, "404 page not found\n", Category::Protocol, "ends where /api/v1 begins"),
        (
            400,
            "remoteAddr: \"x\"; unsupported path requested: \"/a/api/v1/query\"",
            Category::Protocol,
            "ends where /api/v1 begins",
        ),
        (401, "no org id", Category::Auth, "tenant"),
        (502, "<html>Bad gateway</html>", Category::Protocol, "502"),
    ] {
        let upstream =
            Upstream::answering(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
        let error = refused(&settings(&upstream.url, &json!({"retries": 0})), query(), category).await;
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let failed = Arc::new(AtomicBool::new(false));
    let upstream = Upstream::answering(move |seen| {
        if !seen.uri.path().ends_with("query_range") {
            one("1")
        } else if failed.swap(true, Ordering::Relaxed) {
            one("3")
        } else {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    })
    .await;
    assert_eq!(ask(&plain(&upstream.url), query(), HOURS, MINUTE_MS).await.unwrap().series[0].values, [3.0]);
    assert_eq!(upstream.seen().iter().filter(|seen| seen.uri.path().ends_with("query_range")).count(), 2);
}
