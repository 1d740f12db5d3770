//! The `simple-json` source: against the example server on SQLite through the plugin's binary, and against servers that
//! misbehave through the library.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod host;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_server;

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use grafana_plugin_sdk::pluginv2::{CallResourceRequest, CheckHealthRequest};
use host::{Plugin, context};
use outrider::error::{Category, Result};
use outrider::query::Kind;
use outrider::series::TimeRange;
use outrider::settings::{Auth, Limits, Settings};
use outrider::source::{self, Choice, FetchRequest, Fetched, Question};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use upstream_server::{Seen, Upstream, soon};

const T0: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// The example server with a database of its own; it believes that it is [`T0`].
struct Server {
    url: String,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/simple_json_server/server.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args(["--listen", "127.0.0.1:0", "--now", &T0.to_string(), "--database"])
            .arg(folder.path().join("waves.db"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 is needed for the example server");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { url, _process: process, _folder: folder }
    }
}

/// The value the example server has at a time.
fn wave(name: &str, ms: i64) -> f64 {
    let period = 6.0 * 3_600_000.0;
    let angle = 2.0 * std::f64::consts::PI * (ms as f64 % period) / period;
    let jump = if ms / MINUTE % 144 == 0 { 5.0 } else { 0.0 };
    if name == "sine" { angle.sin() + jump } else { angle.cos() }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[tokio::test]
async fn the_plugin_shows_what_the_server_has_and_flags_its_jumps() {
    let server = Server::start().await;
    let plugin = Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), &[]).await.unwrap();
    let upstream = context(&json!({"url": server.url, "jsonData": {"source": "simple-json"}}));
    let begin = T0 - 6 * 60 * MINUTE;
    let query = json!({
        "step": "1m", "trainingWindow": "2d", "refitInterval": "1d",
        "detector": {"kind": "isolation-forest"},
        "source": {"kind": "simple-json", "target": "sine"},
    });
    let answer = plugin.query(upstream.clone(), (begin, T0), &query).await.unwrap();
    assert_eq!(answer.error, None);
    let (times, values) =
        (answer.frames[0].column("time").unwrap(), answer.frames[0].column("value").unwrap());
    let flags = answer.frames[0].column("outlier").unwrap();
    assert_eq!(times.len(), 360, "six hours of minutes");
    let mut jumps = 0;
    for ((time, value), flag) in times.iter().zip(values).zip(flags) {
        let ms = time.as_i64().unwrap();
        assert!(near(value.as_f64().unwrap(), wave("sine", ms)), "{ms}: {value}");
        let jump = ms / MINUTE % 144 == 0;
        jumps += usize::from(jump);
        assert_eq!(flag.as_f64().unwrap(), f64::from(u8::from(jump)), "{ms}");
    }
    assert!(jumps >= 2);

    // A table with an ad-hoc filter.
    let table = json!({
        "step": "1m", "trainingWindow": "1h", "detector": {"kind": "mad"},
        "source": {
            "kind": "simple-json", "target": "waves", "type": "table",
            "adhocFilters": [{"key": "wave", "operator": "=", "value": "cosine"}],
        },
    });
    let answer = plugin.query(upstream.clone(), (T0 - 10 * MINUTE, T0), &table).await.unwrap();
    assert_eq!(answer.error, None);
    let series = answer.frames.iter().filter(|frame| frame.meta["type"] == "timeseries-multi");
    assert_eq!(series.count(), 1);
    let ms = answer.frames[0].column("time").unwrap()[0].as_i64().unwrap();
    let value = answer.frames[0].column("value").unwrap()[0].as_f64().unwrap();
    assert!(near(value, wave("cosine", ms)), "{value}");

    // The server's own annotations.
    let query = json!({"output": "annotations", "source": {"kind": "simple-json"}});
    let answer = plugin.query(upstream.clone(), (begin, T0), &query).await.unwrap();
    let titles = answer.frames[0].column("title").unwrap();
    assert_eq!((titles.len(), &titles[0]), (jumps, &json!("Jump")));
    assert_eq!(answer.frames[0].column("tags").unwrap()[0], json!("jump,sine"));
    let none =
        plugin.query(context(&json!({})), (begin, T0), &json!({"output": "annotations"})).await.unwrap();
    assert!(none.error.unwrap().contains("\"generator\" has no annotations of its own"));

    let mut diagnostics = DiagnosticsClient::new(plugin.channel.clone());
    let request = CheckHealthRequest { plugin_context: Some(upstream.clone()), headers: HashMap::new() };
    let health = diagnostics.check_health(request).await.unwrap().into_inner();
    assert!(health.message.contains("it offers 3 metrics"), "{}", health.message);

    let mut resources = ResourceClient::new(plugin.channel.clone());
    let request = CallResourceRequest {
        plugin_context: Some(upstream),
        path: "simple-json/tag-values".to_owned(),
        method: "GET".to_owned(),
        url: "simple-json/tag-values?key=wave&search=COS".to_owned(),
        headers: HashMap::new(),
        body: Vec::new().into(),
    };
    let answer =
        resources.call_resource(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    let choices: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.code, choices), (200, json!([{"value": "cosine", "label": "cosine"}])));
}

fn settings(url: &str) -> Settings {
    Settings {
        source: "simple-json".into(),
        url: url.into(),
        limits: Limits { retries: 0, ..Limits::default() },
        ..Settings::default()
    }
}

async fn ask(settings: &Settings) -> Result<Fetched> {
    let options: Kind =
        serde_json::from_value(json!({"kind": "simple-json", "target": "cpu", "payload": {"p": 1}})).unwrap();
    let range = TimeRange { from_ms: T0, to_ms: T0 + 3_600_000 };
    let query = source::connect(settings)?.prepare(&options)?;
    soon(query.fetch(&FetchRequest { range, step_ms: 300_000 })).await
}

async fn discover(url: &str, question: &str) -> Result<Vec<String>> {
    let found = soon(source::connect(&settings(url))?.discover(&Question::parse(question))).await?;
    Ok(found.unwrap().into_iter().map(|Choice { value, .. }| value).collect())
}

fn json_of(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[tokio::test]
async fn a_server_with_nothing_but_queries_works() {
    let only_query = |seen: &Seen| match seen.uri.path() {
        "/sub/query" => {
            json_of(r#"[{"target": "cpu", "datapoints": [[1, 1700000000000], [2, 1700000300000]]}]"#)
        }
        "/sub/" | "/sub" => "hello".into_response(),
        "/sub/tag-keys" => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let server = Upstream::answering(only_query).await;
    let url = format!("{}/sub", server.url);
    let fetched = ask(&settings(&url)).await.unwrap();
    assert_eq!((fetched.series[0].name.as_str(), &fetched.series[0].values[..]), ("cpu", &[1.0, 2.0][..]));
    let seen = &server.seen()[0];
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((seen.method.as_str(), &body["targets"][0]["payload"]), ("POST", &json!({"p": 1})));
    assert!(fetched.executed.contains("\"targets\""), "{}", fetched.executed);

    for question in [
        "search",
        "metrics",
        "payloads?metric=cpu",
        "payload-options",
        "variable",
        "tag-keys",
        "tag-values?key=a",
    ] {
        assert_eq!(discover(&url, question).await.unwrap(), Vec::<String>::new(), "{question}");
    }
    let reached = soon(source::connect(&settings(&url)).unwrap().check()).await.unwrap();
    assert!(reached.message.contains("it offers no list of metrics"), "{}", reached.message);
}

#[tokio::test]
async fn the_successor_is_asked_for_metrics_payloads_and_variables() {
    let answer = |seen: &Seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        match seen.uri.path() {
            "/metrics" => json_of(
                r#"[{"label": "CPU", "value": "cpu", "payloads": [{"name": "region", "type": "select"}]}]"#,
            ),
            "/metric-payload-options" if body["name"] == "region" && body["payload"]["x"] == 1 => {
                json_of(r#"[{"value": "eu"}]"#)
            }
            "/variable" if body["payload"]["target"] == "regions" => {
                json_of(r#"[{"__text": "Europe", "__value": "eu"}]"#)
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let server = Upstream::answering(answer).await;
    for (question, expected) in [
        ("metrics?search=c", "cpu"),
        ("payloads?metric=cpu", "region"),
        ("payload-options?metric=cpu&name=region&payload=%7B%22x%22%3A1%7D", "eu"),
        ("variable?target=regions", "eu"),
    ] {
        assert_eq!(discover(&server.url, question).await.unwrap(), [expected], "{question}");
    }
    let error = discover(&server.url, "variable?payload=x").await.unwrap_err();
    assert_eq!(error.category(), Category::Query);
}

#[tokio::test]
async fn what_goes_wrong_has_its_category() {
    let with = |status: StatusCode, text: &'static str| async move {
        Upstream::answering(move |_: &Seen| (status, text).into_response()).await
    };
    for (status, text, category) in [
        (StatusCode::UNAUTHORIZED, "no", Category::Auth),
        (StatusCode::FORBIDDEN, "no", Category::Auth),
        (StatusCode::INTERNAL_SERVER_ERROR, "boom", Category::Protocol),
        (StatusCode::NOT_FOUND, "", Category::Protocol),
        (StatusCode::OK, "[{\"datapoints\": [[1, 2]", Category::Protocol),
        (StatusCode::OK, "{\"error\": \"unknown metric\"}", Category::Protocol),
    ] {
        let server = with(status, text).await;
        assert_eq!(ask(&settings(&server.url)).await.unwrap_err().category(), category, "{status} {text}");
    }
    let long = with(StatusCode::OK, "[                                                ]").await;
    let limits = Limits { max_response_bytes: 16, ..Limits::default() };
    let error = ask(&Settings { limits, ..settings(&long.url) }).await.unwrap_err();
    assert_eq!((error.category(), error.to_string().contains("maxResponseBytes")), (Category::Limit, true));

    // The secret goes along, and is not in the error of a server that repeats it.
    let echo = Upstream::answering(|seen: &Seen| {
        let sent = seen.headers.get(header::AUTHORIZATION).unwrap().to_str().unwrap().to_owned();
        (StatusCode::BAD_REQUEST, sent).into_response()
    })
    .await;
    let error =
        ask(&Settings { auth: Auth::Bearer("canary-5d1".into()), ..settings(&echo.url) }).await.unwrap_err();
    assert!(error.to_string().contains("[redacted]") && !error.to_string().contains("canary"), "{error}");

    let options: Kind = serde_json::from_value(json!({"kind": "simple-json"})).unwrap();
    let query = source::connect(&settings(&echo.url)).unwrap().prepare(&options).unwrap();
    let range = TimeRange { from_ms: T0, to_ms: T0 };
    let error = query.fetch(&FetchRequest { range, step_ms: 1 }).await.unwrap_err();
    assert!(error.to_string().contains("source.target is empty"), "{error}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let answers = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Upstream::answering(move |_: &Seen| {
        match answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response(),
            _ => json_of("[]"),
        }
    })
    .await;
    let patient = Settings { limits: Limits { retries: 1, ..Limits::default() }, ..settings(&server.url) };
    assert_eq!(ask(&patient).await.unwrap().series, []);
    assert_eq!(server.seen().len(), 2);
}
