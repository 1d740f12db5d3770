//! The `simple-json` source: through the plugin's binary against the example server on SQLite and against servers that
//! misbehave, and through the library against those that lack something.

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
#[path = "../support/victim.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod victim;

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use grafana_plugin_sdk::pluginv2::CallResourceRequest;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use host::{Plugin, context};
use outrider::error::{Category, Result};
use outrider::query::Kind;
use outrider::series::TimeRange;
use outrider::settings::{Limits, Settings};
use outrider::source::{self, Choice, FetchRequest, Fetched, Question};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use upstream_server::{Seen, Upstream, nobody, soon};
use upstream_tls::{Authority, TlsUpstream};
use victim::{Failure, Healthy, Victim};

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

    let health = plugin.check_health(upstream.clone()).await.unwrap();
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
async fn a_server_that_takes_no_text_for_a_name_is_asked_for_all() {
    let patterns = |seen: &Seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        match (seen.uri.path(), body["target"].as_str()) {
            ("/search", Some("*")) => json_of(r#"["cpu", "mem"]"#),
            // As if it were the name of a metric.
            ("/search", Some("")) => json_of(r#"[""]"#),
            ("/search", _) => json_of("[]"),
            ("/", _) => "hello".into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let server = Upstream::answering(patterns).await;
    assert_eq!(discover(&server.url, "search").await.unwrap(), ["cpu", "mem"]);
    assert_eq!(discover(&server.url, "metrics").await.unwrap(), ["cpu", "mem"]);
    assert_eq!(discover(&server.url, "search?search=x").await.unwrap(), Vec::<String>::new());
    let reached = soon(source::connect(&settings(&server.url)).unwrap().check()).await.unwrap();
    assert!(reached.message.contains("it offers 2 metrics"), "{}", reached.message);
}

#[tokio::test]
async fn times_in_seconds_and_swapped_pairs_are_told() {
    for (answer, says) in [
        (
            r#"[{"target": "cpu", "datapoints": [[1.5, 1740960000], [1.6, 1740960300]]}]"#,
            "all times lie in January 1970",
        ),
        (
            r#"[{"target": "cpu", "datapoints": [[1740960000000, 15], [1740960300000, 16]]}]"#,
            "the values look like times",
        ),
        (r#"[{"target": "cpu", "datapoints": [["1,5", 1740960000000]]}]"#, "a number with a decimal comma"),
    ] {
        let server = Upstream::answering(move |_: &Seen| json_of(answer)).await;
        let error = ask(&settings(&server.url)).await.unwrap_err();
        assert_eq!(error.category(), Category::Protocol);
        assert!(error.message().contains(says), "{error}");
    }
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

/// A server that knows the metric `cpu`, for whoever has the token.
fn guarded(seen: &Seen) -> Response {
    if seen.headers.get(header::AUTHORIZATION).is_none_or(|token| token != "Bearer canary-5d1") {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    match (seen.uri.path(), body["targets"][0]["target"].as_str()) {
        ("/query", Some("cpu")) => {
            Json(json!([{"target": "cpu", "datapoints": datapoints()}])).into_response()
        }
        ("/query", Some("cpus")) => {
            let of = |name: &str| json!({"target": name, "datapoints": datapoints()});
            Json(json!([of("cpu 0"), of("cpu 1")])).into_response()
        }
        ("/query", _) => json_of("[]"),
        _ => json_of("[\"cpu\", \"cpus\"]"),
    }
}

/// Ten minutes of `[value, ms]`.
fn datapoints() -> Vec<(f64, i64)> {
    (0..10).map(|minute| (minute as f64 / 3.0, FROM + minute * MINUTE)).collect()
}

/// A multiple of a minute.
const FROM: i64 = 1_699_999_980_000;

/// There are no databases to choose, and what a server makes of an unknown metric is its own affair: some answer with
/// nothing, some with an error.
#[tokio::test]
async fn every_failure_has_its_category_and_breaks_nothing_else() {
    let server = Upstream::answering(guarded).await;
    let source = json!({"kind": "simple-json", "target": "cpu"});
    let healthy = Healthy {
        settings: json!({
            "url": server.url, "jsonData": {"source": "simple-json", "retries": 0},
            "secureJsonData": {"bearerToken": "canary-5d1"},
        }),
        source: source.clone(),
        range: (FROM, FROM + 9 * MINUTE),
        expected: vec![datapoints().into_iter().map(|(value, ms)| (ms, Some(value))).collect()],
    };
    let mut victim = Victim::launch(env!("CARGO_BIN_EXE_gpx_outrider"), healthy, &["canary"]).await;
    let of_settings = |what: &str, settings, category, says: &[&str]| {
        Failure::of_settings(what, settings, &source, category, says)
    };
    let cpus = json!({"kind": "simple-json", "target": "cpus"});
    let bytes = datapoints().len() * 300;
    let refused = format!("{} refused the credentials with status 401", server.url);
    victim
        .survives(&[
            of_settings(
                "a wrong token",
                json!({"secureJsonData": {"bearerToken": "canary-wrong"}}),
                Category::Auth,
                &[&refused, "who are you?", "check user, password or token in the data source settings"],
            ),
            Failure::of_no_server(&nobody().await, &source),
            Failure::of_query(
                "no metric",
                json!({}),
                &json!({"kind": "simple-json"}),
                Category::Query,
                &["source.target is empty"],
            ),
            Failure::of_limit("maxRows", 15, "rows", &cpus),
            Failure::of_limit("maxSeries", 1, "series", &cpus),
        ])
        .await;
    victim.finds_nothing("an unknown metric", &json!({"kind": "simple-json", "target": "nope"})).await;

    let long = Upstream::answering(move |_| " ".repeat(bytes).into_response()).await;
    let (stalling, _asked) = Upstream::stalling(b"").await;
    let broken = Upstream::breaking_off(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[{\"target\":").await;
    let identity = Authority::named("authority").identity("127.0.0.1");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]".to_vec();
    let secure = TlsUpstream::sending(answer, &identity, None).await;
    victim
        .survives(&[
            of_settings(
                "a long answer",
                json!({"url": long.url, "jsonData": {"maxResponseBytes": 2_000}}),
                Category::Limit,
                &[&long.url, "more than 2000 bytes", "raise the setting maxResponseBytes"],
            ),
            Failure::of_slow_server(&stalling.url, &source),
            Failure::of_stopped_server(&broken.url, &json!({}), &source),
            Failure::of_unknown_authority(&secure.url, &source),
        ])
        .await;

    // Only queries fail here; the server repeats what it was sent, the token, too.
    for (status, text, category, says) in [
        (StatusCode::FORBIDDEN, "", Category::Auth, "403"),
        (StatusCode::BAD_REQUEST, "", Category::Protocol, "[redacted]"),
        (StatusCode::INTERNAL_SERVER_ERROR, "", Category::Protocol, "500"),
        (StatusCode::NOT_FOUND, "", Category::Protocol, "404"),
        (StatusCode::OK, "[{\"datapoints\": [[1, 2]", Category::Protocol, "cut off"),
        (StatusCode::OK, "{\"error\": \"unknown metric\"}", Category::Protocol, "not a list of series"),
    ] {
        let echo = Upstream::answering(move |seen| {
            if seen.uri.path() != "/query" {
                return json_of("[\"cpu\"]");
            }
            let token = seen.headers[header::AUTHORIZATION].to_str().unwrap();
            let text = if text.is_empty() { token.to_owned() } else { text.to_owned() };
            (status, text).into_response()
        })
        .await;
        let failure =
            Failure::of_query(status.as_str(), json!({"url": echo.url}), &source, category, &[says]);
        victim.fails_alone(&failure).await;
    }
    victim.ends().await;
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
