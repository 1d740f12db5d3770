//! Servers that refuse, are gone, are slow, or answer in ways of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outrider::error::{Category, Result};
use outrider::settings::{Auth, Settings, TlsSettings};
use serde_json::{Value, json};

use crate::data::{HOURS, MINUTE_MS};
use crate::prometheus_server::{PrometheusServer, is_skipped};
use crate::upstream_server::{Upstream, nobody};
use crate::upstream_tls::{Authority, Identity};
use crate::{ask, check, plain, refused, server, settings};

const UP: &str = "# TYPE up gauge\nup 1 1700000000\n# EOF\n";
const PASSWORD: &str = "correct horse";
/// The bcrypt hash of [`PASSWORD`], at the lowest cost.
const WEB_CONFIG: &str =
    "basic_auth_users: {reader: \"$2b$04$szi90kzMobyMDZsu2FtnWuNuG7.Wf7wfuAtFN0QaSYBa5bsLTQBcy\"}\n";
const TLS_CONFIG: &str =
    "tls_server_config: {cert_file: \"{folder}/cert.pem\", key_file: \"{folder}/key.pem\"}\n";

fn query() -> Value {
    json!({"expr": "vector(1)"})
}

/// `check`, tried again while the server is not ready behind its door.
async fn check_when_ready(settings: &Settings) -> Result<outrider::source::Reached> {
    let begun = Instant::now();
    loop {
        match check(settings).await {
            Err(error)
                if error.category() == Category::Connection && begun.elapsed() < Duration::from_secs(30) => {}
            answer => return answer,
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_auth_error() {
    if is_skipped("prometheus", "prometheus") {
        return;
    }
    let server = PrometheusServer::start(UP, Some(WEB_CONFIG), &[]).await;
    let with = |password: &str| Settings {
        auth: Auth::Basic { user: "reader".into(), password: password.into() },
        ..plain(&server.url)
    };
    check_when_ready(&with(PASSWORD)).await.unwrap();
    ask(&with(PASSWORD), query(), HOURS, MINUTE_MS).await.unwrap();
    for settings in [with("battery staple"), plain(&server.url)] {
        let error = refused(&settings, query(), Category::Auth).await.to_string();
        assert!(error.contains("status 401") && !error.contains("battery"), "{error}");
        assert_eq!(check(&settings).await.unwrap_err().category(), Category::Auth);
    }
}

#[tokio::test]
async fn a_certificate_nobody_knows_is_a_tls_error() {
    if is_skipped("prometheus", "prometheus") {
        return;
    }
    let identity = Identity::self_signed("127.0.0.1");
    let (certificate, key) = (identity.pem(), identity.key_pem());
    let files = [("cert.pem", certificate.as_str()), ("key.pem", key.as_str())];
    let server = PrometheusServer::start(UP, Some(TLS_CONFIG), &files).await;
    let trusting = |pem: String| Settings {
        tls: TlsSettings { ca_certificate: Some(pem.into()), ..TlsSettings::default() },
        ..plain(&server.url)
    };
    let stranger = trusting(Authority::named("stranger").pem());
    let error = refused(&stranger, query(), Category::Tls).await.to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_eq!(check(&stranger).await.unwrap_err().category(), Category::Tls);
    check_when_ready(&trusting(identity.pem())).await.unwrap();
    assert_eq!(ask(&trusting(identity.pem()), query(), HOURS, MINUTE_MS).await.unwrap().series.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_or_slow_is_a_connection_error() {
    let Some(mut server) = server().await else { return };
    let hasty = settings(&server.url, &json!({"retries": 0}));
    ask(&hasty, query(), HOURS, MINUTE_MS).await.unwrap();
    server.stop();
    refused(&hasty, query(), Category::Connection).await;
    refused(&settings(&nobody().await, &json!({"retries": 0})), query(), Category::Connection).await;
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"succ"] {
        let (upstream, _events) = Upstream::stalling(begun.as_bytes()).await;
        let error =
            refused(&settings(&upstream.url, &json!({"timeout": 1})), query(), Category::Connection).await;
        assert!(error.message().contains("did not answer within 1 s"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_its_answer_is_told() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"success\",\"data\"";
    let upstream = Upstream::sending(cut).await;
    let error = refused(&plain(&upstream.url), query(), Category::Protocol).await;
    assert!(error.message().contains("incomplete"), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_a_limit_names_the_setting() {
    let Some(server) = server().await else { return };
    for (limits, setting) in [
        (json!({"maxResponseBytes": 2_000}), "maxResponseBytes"),
        (json!({"maxRows": 100}), "maxRows"),
        (json!({"maxSeries": 1}), "maxSeries"),
    ] {
        let error =
            refused(&settings(&server.url, &limits), json!({"metric": "load"}), Category::Limit).await;
        assert!(error.to_string().contains(setting), "{error}");
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
    let asked: Vec<String> =
        seen.iter().map(|seen| format!("{} {} {}", seen.method, seen.uri, seen.body)).collect();
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
        (401, "no org id", Category::Auth, "tenant"),
        (502, "<html>Bad gateway</html>", Category::Protocol, "502"),
    ] {
        let upstream =
            Upstream::answering(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
        let error = refused(&settings(&upstream.url, &json!({"retries": 0})), query(), category).await;
        assert!(error.message().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let failed = Arc::new(AtomicBool::new(false));
    let upstream = Upstream::answering(move |_| {
        if failed.swap(true, Ordering::Relaxed) {
            one("3")
        } else {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    })
    .await;
    assert_eq!(ask(&plain(&upstream.url), query(), HOURS, MINUTE_MS).await.unwrap().series[0].values, [3.0]);
    assert_eq!(upstream.seen().len(), 2);
}
