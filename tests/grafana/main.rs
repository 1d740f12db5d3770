//! The `grafana` source through the plugin's binary and through the library, against a stand-in that answers as
//! Grafana's API is documented to.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod host;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_tls;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use grafana_plugin_sdk::pluginv2::{CallResourceRequest, CheckHealthRequest, PluginContext};
use host::{Answer, Plugin, context};
use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::series::TimeRange;
use outrider::settings::{Limits, OwnSettings, Settings, TlsSettings};
use outrider::source::{self, FetchRequest, Fetched};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use upstream_server::{Seen, Upstream, nobody, soon};
use upstream_tls::{Authority, TlsUpstream};

const T0: i64 = 1_700_000_040_000;
const MINUTE: i64 = 60_000;

fn value_at(ms: i64) -> f64 {
    if ms == T0 - 7 * MINUTE { 90.0 } else { 10.0 + ((ms / MINUTE) % 7) as f64 / 3.0 }
}

fn json_of(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn header_of<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// A wide frame of `value_at` plus `offset` at every step asked for.
fn frames(seen: &Seen, offset: f64) -> Response {
    let asked: Value = serde_json::from_str(&seen.body).unwrap();
    let ms = |key: &str| asked[key].as_str().unwrap().parse::<i64>().unwrap();
    let step = usize::try_from(asked["queries"][0]["intervalMs"].as_i64().unwrap()).unwrap();
    let times: Vec<i64> = (ms("from")..=ms("to")).step_by(step).collect();
    let values: Vec<f64> = times.iter().map(|ms| value_at(*ms) + offset).collect();
    let fields = json!([
        {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time", "nullable": true}, "config": {"interval": step}},
        {"name": "Value", "type": "number", "typeInfo": {"frame": "float64", "nullable": true},
         "labels": {"instance": "web1"}, "config": {"displayNameFromDS": "load", "unit": "percent"}},
    ]);
    let frame = json!({
        "schema": {"refId": "A", "meta": {"type": "timeseries-multi", "executedQueryString": "Expr: load"}, "fields": fields},
        "data": {"values": [times, values]},
    });
    json_of(StatusCode::OK, &json!({"results": {"A": {"status": 200, "frames": [frame]}}}))
}

/// Grafana with one data source, for whoever has the token `right` or is user 1 or 2; each sees other values.
fn grafana(seen: &Seen) -> Response {
    if seen.uri.path() == "/api/health" {
        return json_of(StatusCode::OK, &json!({"commit": "abc", "database": "ok", "version": "11.6.0"}));
    }
    let offset = match (header_of(seen, "authorization"), header_of(seen, "cookie")) {
        ("Bearer right", "") => 0.0,
        ("Bearer user-one-token", "") => 1_000.0,
        ("", "proxy=user-two-cookie") => 2_000.0,
        ("Bearer user-three-token", "") => {
            let denied =
                json!({"accessErrorId": "ACE1", "message": "user-three-token needs datasources:query"});
            return json_of(StatusCode::FORBIDDEN, &denied);
        }
        _ => {
            return json_of(
                StatusCode::UNAUTHORIZED,
                &json!({"message": "Invalid API key", "statusCode": 401}),
            );
        }
    };
    let query: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    match (seen.method.as_str(), seen.uri.path(), query["queries"][0]["datasource"]["uid"].as_str()) {
        ("GET", "/api/datasources", _) => json_of(
            StatusCode::OK,
            &json!([
                {"id": 1, "uid": "prom", "name": "Metrics", "type": "prometheus", "url": "http://secret", "jsonData": {}},
                {"id": 2, "uid": "outrider", "name": "Us", "type": "outrider-outliers-datasource"},
                {"id": 3, "uid": "other", "name": "More of us", "type": "outrider-outliers-datasource"},
            ]),
        ),
        ("POST", "/api/ds/query", Some("prom")) => frames(seen, offset),
        _ => json_of(StatusCode::NOT_FOUND, &json!({"message": "Data source not found", "statusCode": 404})),
    }
}

async fn plugin(env: &[(&str, &str)]) -> Plugin {
    Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), env).await.unwrap()
}

fn data_source(url: &str, token: &str) -> PluginContext {
    let token = if token.is_empty() { json!({}) } else { json!({"serviceAccountToken": token}) };
    context(&json!({"url": url, "jsonData": {"source": "grafana", "retries": 0}, "secureJsonData": token}))
}

async fn ask_as(plugin: &Plugin, context: &PluginContext, headers: &[(&str, &str)]) -> Answer {
    let query = json!({
        "step": "1m", "trainingWindow": "2h", "refitInterval": "1h", "detector": {"kind": "mad"},
        "source": {"kind": "grafana", "query": {
            "expr": "load", "refId": "Q", "datasource": {"uid": "prom", "type": "prometheus"},
        }},
    });
    soon(plugin.query_with(context.clone(), (T0 - 30 * MINUTE, T0), &query, headers)).await.unwrap()
}

fn numbers(answer: &Answer) -> Vec<f64> {
    assert_eq!(answer.error, None);
    answer.frames[0].column("value").unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn expected(offset: f64) -> Vec<f64> {
    (0..30).map(|minute| value_at(T0 + (minute - 30) * MINUTE) + offset).collect()
}

fn queries(server: &Upstream) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.uri.path() == "/api/ds/query").collect()
}

#[tokio::test]
async fn the_plugin_judges_what_another_data_source_has() {
    let server = Upstream::answering(grafana).await;
    let plugin = plugin(&[]).await;
    let ours = data_source(&server.url, "right");
    let answer = ask_as(&plugin, &ours, &[]).await;
    assert_eq!(numbers(&answer)[..30], expected(0.0));
    let field = |name: &str| answer.frames[0].fields.iter().find(|field| field.name == name).unwrap();
    assert_eq!(field("value").config["unit"], "percent");
    assert_eq!(field("value").labels["instance"], "web1");
    let outliers: Vec<usize> =
        (0..30).filter(|minute| field("outlier").values[*minute] == json!(1.0)).collect();
    assert_eq!(outliers, [23]);

    let seen = queries(&server);
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    let (from, to) = (body["from"].as_str().unwrap(), body["to"].as_str().unwrap());
    let steps = (to.parse::<i64>().unwrap() - from.parse::<i64>().unwrap()) / MINUTE;
    let asked = json!([{
        "expr": "load", "refId": "A", "datasource": {"uid": "prom", "type": "prometheus"}, "intervalMs": MINUTE,
        "maxDataPoints": steps,
    }]);
    assert_eq!(body["queries"], asked);
    assert!(to.parse::<i64>().unwrap() % MINUTE == 0 && steps >= 150, "{body}");
    assert_eq!(header_of(&seen[0], "x-query-group-id"), "outrider");

    // With a token, answers are the same for all and kept.
    assert_eq!(
        numbers(&ask_as(&plugin, &ours, &[("Authorization", "Bearer user-one-token")]).await)[..30],
        expected(0.0)
    );
    assert_eq!(queries(&server).len(), seen.len());

    let mut diagnostics = DiagnosticsClient::new(plugin.channel.clone());
    let request = CheckHealthRequest { plugin_context: Some(ours.clone()), headers: HashMap::new() };
    let health = diagnostics.check_health(request).await.unwrap().into_inner();
    assert!(health.message.starts_with("Reached Grafana 11.6.0 at http://127.0.0.1:"), "{}", health.message);
    assert!(health.message.ends_with("; 1 other data sources can be asked"), "{}", health.message);
    let request = CheckHealthRequest {
        plugin_context: Some(data_source(&server.url, "wrong-token")),
        headers: HashMap::new(),
    };
    let health = diagnostics.check_health(request).await.unwrap().into_inner();
    assert!(
        health.message.starts_with("[auth] Grafana refused the credentials: \"Invalid API key\""),
        "{}",
        health.message
    );

    let mut resources = ResourceClient::new(plugin.channel.clone());
    let request = CallResourceRequest {
        plugin_context: Some(ours),
        path: "grafana/datasources".to_owned(),
        method: "GET".to_owned(),
        url: "grafana/datasources".to_owned(),
        headers: HashMap::new(),
        body: Vec::new().into(),
    };
    let answer =
        resources.call_resource(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    let choices: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(choices, json!([{"value": "prom", "label": "Metrics", "description": "prometheus"}]));
}

#[tokio::test]
async fn users_get_what_they_may_see_and_nothing_of_each_other() {
    let server = Upstream::answering(grafana).await;
    let plugin = plugin(&[]).await;
    let ours = data_source(&server.url, "");
    let (one, two) = (("Authorization", "Bearer user-one-token"), ("Cookie", "proxy=user-two-cookie"));
    let three = ("Authorization", "Bearer user-three-token");

    // At the same time, so that whatever could be shared would be.
    let (as_one, as_two) = ([one], [two]);
    let (a, b, again) = tokio::join!(
        ask_as(&plugin, &ours, &as_one),
        ask_as(&plugin, &ours, &as_two),
        ask_as(&plugin, &ours, &as_one)
    );
    assert_eq!(numbers(&a)[..30], expected(1_000.0));
    assert_eq!(numbers(&b)[..30], expected(2_000.0));
    assert_eq!(numbers(&again)[..30], expected(1_000.0));
    assert!(queries(&server).iter().all(|seen| header_of(seen, "x-grafana-org-id") == "1"));

    let refused = ask_as(&plugin, &ours, &[three]).await;
    let error = refused.error.unwrap();
    assert!(
        refused.frames.is_empty()
            && error.starts_with("[auth] ")
            && error.contains("needs datasources:query"),
        "{error}"
    );
    assert!(!error.contains("user-three-token"), "{error}");

    // What a user may see is asked anew every time: rights may have been withdrawn.
    let before = queries(&server).len();
    assert_eq!(numbers(&ask_as(&plugin, &ours, &[one]).await)[..30], expected(1_000.0));
    assert!(queries(&server).len() > before);

    // Nobody's query, and an alert rule's whoever its headers speak of, has no rights at all.
    let before = server.seen().len();
    for headers in [&[][..], &[one, ("FromAlert", "true")]] {
        let error = ask_as(&plugin, &ours, headers).await.error.unwrap();
        assert!(error.starts_with("[auth] there is nothing to identify with"), "{error}");
    }
    // Nor has one that comes back to us.
    let error = ask_as(&plugin, &ours, &[one, ("http_X-Query-Group-Id", "outrider")]).await.error.unwrap();
    assert!(error.contains("in a circle"), "{error}");
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn the_plugins_own_token_goes_to_its_grafana_and_nowhere_else() {
    let (own, elsewhere) = (Upstream::answering(grafana).await, Upstream::answering(grafana).await);
    let plugin =
        plugin(&[("GF_APP_URL", &format!("{}/", own.url)), ("GF_PLUGIN_APP_CLIENT_SECRET", "right")]).await;
    assert_eq!(numbers(&ask_as(&plugin, &data_source("", ""), &[]).await)[..30], expected(0.0));
    let error = ask_as(&plugin, &data_source(&elsewhere.url, ""), &[]).await.error.unwrap();
    assert!(error.starts_with("[auth] "), "{error}");
    assert_eq!(elsewhere.seen().len(), 0);
}

fn settings(url: &str) -> Settings {
    let token = HashMap::from([("serviceAccountToken".to_owned(), "right".into())]);
    Settings {
        uid: "outrider".into(),
        source: "grafana".into(),
        url: url.into(),
        limits: Limits { retries: 0, ..Limits::default() },
        own: OwnSettings::new(Map::new(), token),
        ..Settings::default()
    }
}

async fn ask(settings: &Settings, uid: &str) -> Result<Fetched> {
    let options: Kind = serde_json::from_value(json!({"kind": "grafana", "datasourceUid": uid})).unwrap();
    let range = TimeRange { from_ms: T0, to_ms: T0 + 60 * MINUTE - 1 };
    let query = source::connect(settings)?.prepare(&options)?;
    soon(query.fetch(&FetchRequest { range, step_ms: MINUTE })).await
}

async fn refused(settings: &Settings, uid: &str, category: Category) -> Error {
    let error = ask(settings, uid).await.unwrap_err();
    assert_eq!(error.category(), category, "{error}");
    error
}

#[tokio::test]
async fn failures_of_grafana_and_of_the_other_data_source_are_told_apart() {
    let server = Upstream::answering(grafana).await;
    assert_eq!(ask(&settings(&server.url), "prom").await.unwrap().series[0].len(), 60);
    let gone = refused(&settings(&server.url), "gone", Category::Query).await.to_string();
    assert!(gone.contains("no data source with the uid \"gone\""), "{gone}");
    for uid in ["outrider", "__expr__", "-- Mixed --", "-- Dashboard --", "-- Grafana --"] {
        refused(&settings(&server.url), uid, Category::Query).await;
    }
    let wrong = HashMap::from([("serviceAccountToken".to_owned(), "wrong".into())]);
    refused(
        &Settings { own: OwnSettings::new(Map::new(), wrong), ..settings(&server.url) },
        "prom",
        Category::Auth,
    )
    .await;

    let failing = |status: u16, body: &'static str| async move {
        Upstream::answering(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await
    };
    for (status, body, category, words) in [
        (
            200,
            r#"{"results":{"A":{"error":"right: parse error","status":400}}}"#,
            Category::Query,
            "[redacted]: parse error",
        ),
        (207, r#"{"results":{"A":{"error":"timeout","status":504}}}"#, Category::Connection, "timeout"),
        (400, r#"{"results":{"A":{"error":"parse error","status":400}}}"#, Category::Query, "parse error"),
        (500, r#"{"results":{"A":{"error":"refused"}}}"#, Category::Protocol, "refused"),
        (200, "<html><title>Log in</title></html>", Category::Protocol, "login page"),
        (502, "<html>Bad Gateway</html>", Category::Protocol, "502"),
    ] {
        let server = failing(status, body).await;
        let error = refused(&settings(&server.url), "prom", category).await.to_string();
        assert!(error.contains(words), "{error}");
    }
    refused(&settings(&nobody().await), "prom", Category::Connection).await;
}

#[tokio::test]
async fn slow_broken_long_packed_and_untrusted_answers_are_refused() {
    let (stalling, _asked) = Upstream::stalling(b"HTTP/1.1 200 OK\r\n").await;
    let hurried = Limits { timeout: Duration::from_millis(300), retries: 0, ..Limits::default() };
    let error =
        refused(&Settings { limits: hurried, ..settings(&stalling.url) }, "prom", Category::Connection).await;
    assert!(error.to_string().contains("within 300 ms"), "{error}");

    // The request is read to its end: closing a connection with something unread breaks it off instead.
    let broken = Upstream::behaving(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"results\":").await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    refused(&settings(&broken.url), "prom", Category::Protocol).await;

    let server = Upstream::answering(grafana).await;
    let small = Limits { max_response_bytes: 1_024, retries: 0, ..Limits::default() };
    let error = refused(&Settings { limits: small, ..settings(&server.url) }, "prom", Category::Limit).await;
    assert!(error.to_string().contains("maxResponseBytes"), "{error}");

    let bomb = Upstream::answering(|_| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 20_000_000]).unwrap();
        ([(header::CONTENT_ENCODING, "gzip")], packed.finish().unwrap()).into_response()
    })
    .await;
    let limits = Limits { max_response_bytes: 1_000_000, retries: 0, ..Limits::default() };
    refused(&Settings { limits, ..settings(&bomb.url) }, "prom", Category::Limit).await;

    let identity = Authority::named("authority").identity("127.0.0.1");
    let secure =
        TlsUpstream::sending(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(), &identity, None).await;
    let tls = TlsSettings {
        ca_certificate: Some(Authority::named("stranger").pem().into()),
        ..TlsSettings::default()
    };
    refused(&Settings { tls, ..settings(&secure.url) }, "prom", Category::Tls).await;
}
