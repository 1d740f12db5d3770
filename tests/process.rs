//! The plugin as a process: handshake, answers and end, as a host sees them. The same checks, and more, run against
//! Grafana's own Go code in `tests/conformance`; these need nothing but Cargo.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/host.rs"]
#[expect(dead_code, reason = "shared with the tests of sources, which use more of it")]
mod host;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use grafana_plugin_sdk::pluginv2::data_client::DataClient;
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use grafana_plugin_sdk::pluginv2::{
    CallResourceRequest, CheckHealthRequest, CollectMetricsRequest, DataQuery, QueryDataRequest, TimeRange,
};
use host::{Plugin, context};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const TO: i64 = 1_750_000_000_000;
const RANGE: (i64, i64) = (TO - 21_600_000, TO);

async fn launch(env: &[(&str, &str)]) -> Plugin {
    Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), env).await.unwrap()
}

#[tokio::test]
async fn handshake_query_and_clean_shutdown() {
    let plugin = launch(&[]).await;
    let parts: Vec<&str> = plugin.handshake.split('|').collect();
    assert_eq!((parts[0], parts[1], parts[2], parts[4]), ("1", "2", "unix", "grpc"));
    let socket = Path::new(parts[3]).to_owned();
    assert!(socket.exists());

    let answer = plugin.query(context(&json!({})), RANGE, &json!({})).await.unwrap();
    assert_eq!((answer.status, &answer.error), (200, &None));
    let frame = &answer.frames[0];
    let names: Vec<&str> = frame.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["time", "value", "expected", "lower", "upper", "anomaly", "outlier", "score"]);
    assert_eq!(frame.column("time").unwrap().len(), 72);
    assert_eq!(frame.meta["typeVersion"], json!([0, 1]));
    assert!(plugin.shut_down().await.unwrap().success());
    assert!(!socket.parent().unwrap().exists(), "the socket goes with the plugin");
}

/// The socket of a killed plugin is gone after the next start; that of one that lives is not.
#[tokio::test]
async fn only_the_owner_reaches_the_socket_and_none_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("PLUGIN_UNIX_SOCKET_DIR", folder.path().to_str().unwrap())];
    let sockets = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let living = launch(&env).await;
    let mut killed = launch(&env).await;
    for path in sockets() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("grpc.sock"))), (0o700, 0o600));
    }
    killed.child.kill().await.unwrap();
    assert_eq!(sockets().count(), 2);
    let mut next = launch(&env).await;
    assert_eq!(sockets().count(), 2);
    for plugin in [&living, &next] {
        assert!(plugin.check_health(context(&json!({}))).await.unwrap().is_ok);
    }
    let pid = rustix::process::Pid::from_raw(next.child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(next.child.wait().await.unwrap().success());
    assert_eq!(sockets().count(), 1);
    assert!(living.shut_down().await.unwrap().success());
    assert_eq!(sockets().count(), 0);
}

/// The way out for an operator whose system has no folder for a socket.
#[tokio::test]
async fn a_port_is_listened_on_only_if_the_operator_asks_for_one() {
    let plugin = launch(&[("GF_PLUGIN_LISTEN_TCP", "true")]).await;
    let address = plugin.handshake.strip_prefix("1|2|tcp|127.0.0.1:").unwrap();
    let port: u16 = address.strip_suffix("|grpc").unwrap().parse().unwrap();
    assert!((10_000..=25_000).contains(&port));
    assert!(plugin.check_health(context(&json!({}))).await.unwrap().is_ok);
}

#[tokio::test]
async fn every_service_answers() {
    let plugin = launch(&[]).await;
    let mut diagnostics = DiagnosticsClient::new(plugin.channel.clone());
    let health = plugin.check_health(context(&json!({}))).await.unwrap();
    assert!(health.is_ok && health.message.contains("Generator ready"), "{}", health.message);

    plugin.query(context(&json!({})), RANGE, &json!({})).await.unwrap();
    let metrics = diagnostics.collect_metrics(CollectMetricsRequest { plugin_context: None }).await.unwrap();
    let text = String::from_utf8(metrics.into_inner().metrics.unwrap().prometheus).unwrap();
    assert!(
        text.contains("outrider_queries_total{detector=\"auto\",outcome=\"ok\",source=\"generator\"} 1"),
        "{text}"
    );

    let mut resources = ResourceClient::new(plugin.channel.clone());
    for (method, path, body, code, needle) in [
        ("GET", "kinds", "", 200, "isolation-forest"),
        ("GET", "generator/series", "", 200, "web-traffic"),
        ("GET", "http-json/series", "", 400, "set up for"),
        ("GET", "nonsense", "", 404, "hint"),
        ("POST", "kinds", "", 405, "only GET"),
        (
            "POST",
            "preview",
            r#"{"query": {}, "from": 1700000000000, "to": 1700003600000}"#,
            200,
            "\"rows\":[[",
        ),
        ("POST", "preview", "{", 400, "cannot be read"),
    ] {
        let request = CallResourceRequest {
            plugin_context: Some(context(&json!({}))),
            path: path.to_owned(),
            method: method.to_owned(),
            url: path.to_owned(),
            headers: Default::default(),
            body: body.into(),
        };
        let mut stream = resources.call_resource(request).await.unwrap().into_inner();
        let response = stream.message().await.unwrap().unwrap();
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(response.code, code, "{path}: {body}");
        assert!(body.contains(needle), "{path}: {body}");
    }

    let mut ping = tonic_health::pb::health_client::HealthClient::new(plugin.channel.clone());
    let request = tonic_health::pb::HealthCheckRequest { service: "plugin".to_owned() };
    assert_eq!(ping.check(request).await.unwrap().into_inner().status, 1);
}

#[tokio::test]
async fn a_request_of_5_mib_is_taken() {
    let plugin = launch(&[]).await;
    let long = json!({"note": "x".repeat(1_800_000)});
    let queries = [("A", &long), ("B", &long), ("C", &long)];
    let answers = plugin.query_all(context(&json!({})), RANGE, &queries, &[]).await.unwrap();
    for (ref_id, _) in queries {
        assert_eq!(answers[ref_id].error, None);
    }
}

#[tokio::test]
async fn sigterm_ends_it_cleanly() {
    let mut plugin = launch(&[]).await;
    let pid = rustix::process::Pid::from_raw(plugin.child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(plugin.child.wait().await.unwrap().success());
    assert_eq!(
        plugin.stdout.next_line().await.unwrap(),
        None,
        "only the handshake may reach standard output"
    );
}

/// Secrets in good settings, in bad ones, and with everything logged.
#[tokio::test]
async fn a_secret_is_in_no_log_no_error_and_no_frame() {
    const CANARY: &str = "canary-5d1c";
    let mut plugin = launch(&[("RUST_LOG", "trace")]).await;
    let secrets = json!({"basicAuthPassword": CANARY, "bearerToken": CANARY, "httpHeaderValue1": CANARY});
    let mut seen = String::new();
    for (url, json_data) in [
        ("http://127.0.0.1:1", json!({"source": "http-json", "httpHeaderName1": "X-Key"})),
        ("http://127.0.0.1:1", json!({"source": "http-json", "timeout": [CANARY]})),
        ("http://user:canary-5d1c@127.0.0.1:1", json!({"source": "http-json"})),
        ("", json!({})),
    ] {
        for basic_auth in [true, false] {
            let settings = json!({"url": url, "basicAuth": basic_auth, "basicAuthUser": "u",
                                  "jsonData": json_data, "secureJsonData": secrets});
            let answer = plugin.query(context(&settings), RANGE, &json!({})).await.unwrap();
            seen += &answer.to_json().to_string();
            let health = plugin.check_health(context(&settings)).await.unwrap();
            seen += &(health.message + &health.details.to_string());
        }
    }
    let mut stderr = plugin.stderr.take().unwrap();
    plugin.shut_down().await.unwrap();
    let mut log = String::new();
    stderr.read_to_string(&mut log).await.unwrap();
    assert!(seen.contains("[connection]") && seen.contains("[config]"), "{seen}");
    assert!(log.contains("query failed"));
    assert!(!seen.contains(CANARY), "{seen}");
    assert!(!log.contains(CANARY), "{log}");
    for line in log.lines() {
        let entry: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(entry["@message"].is_string() && entry["@level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn started_by_hand_it_says_what_to_do() {
    let output =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_gpx_outrider")).env_clear().output().await.unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/var/lib/grafana/plugins"));
}

/// Heavy queries on every worker, and a health check that must not wait behind them.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_queries_do_not_keep_a_health_check_waiting() {
    let plugin = launch(&[]).await;
    let heavy = json!({"step": "1m", "detector": {"kind": "isolation-forest", "nTrees": 3000}, "refitInterval": "1d"});
    let queries = (0..6)
        .map(|number| DataQuery {
            ref_id: number.to_string(),
            max_data_points: 100,
            interval_ms: 0,
            time_range: Some(TimeRange { from_epoch_ms: TO - 90 * 86_400_000, to_epoch_ms: TO }),
            json: heavy.to_string().into_bytes(),
            query_type: String::new(),
        })
        .collect();
    let request =
        QueryDataRequest { plugin_context: Some(context(&json!({}))), headers: Default::default(), queries };
    let mut data = DataClient::new(plugin.channel.clone());
    let running = tokio::spawn(async move { data.query_data(request).await });
    let mut diagnostics = DiagnosticsClient::new(plugin.channel.clone());
    for _ in 0..5 {
        let request = CheckHealthRequest { plugin_context: None, headers: Default::default() };
        diagnostics.check_health(request).await.unwrap();
    }
    assert!(!running.is_finished(), "the health checks were to be answered while the queries run");
    running.abort();
    // Ends at once, although the cancelled queries had minutes to go.
    tokio::time::timeout(Duration::from_secs(10), plugin.shut_down()).await.unwrap().unwrap();
}

/// An upstream with large answers of the form that each path's protocol has, and its address.
async fn large_upstream() -> String {
    const ROWS: usize = 400_000;
    let times = |row: usize| TO / 1_000 - (ROWS - row) as i64;
    let joined = |row: &dyn Fn(usize) -> String| (0..ROWS).map(row).collect::<Vec<_>>().join(",");
    let json = format!("[{}]", joined(&|row| format!("[{},{}.5]", times(row) * 1_000, row % 97)));
    let simple = format!(
        r#"[{{"target":"a","datapoints":[{}]}}]"#,
        joined(&|row| format!("[{}.5,{}]", row % 97, times(row) * 1_000))
    );
    let prometheus = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
        joined(&|row| format!(r#"[{},"{}.5"]"#, times(row), row % 97))
    );
    let influx = format!(
        r#"{{"results":[{{"series":[{{"name":"a","columns":["time","v"],"values":[{}]}}]}}]}}"#,
        joined(&|row| format!("[{},{}.5]", times(row) * 1_000, row % 97))
    );
    let grafana = format!(
        r#"{{"results":{{"A":{{"status":200,"frames":[{{"schema":{{"fields":[{{"name":"Time","type":"time"}},{{"name":"Value","type":"number"}}]}},"data":{{"values":[[{}],[{}]]}}}}]}}}}}}"#,
        joined(&|row| (times(row) * 1_000).to_string()),
        joined(&|row| format!("{}.5", row % 97))
    );
    let answer = move |uri: axum::http::Uri| {
        let body = match uri.path() {
            path if path.starts_with("/prometheus") => &prometheus,
            path if path.starts_with("/influx") => &influx,
            path if path.starts_with("/grafana") => &grafana,
            path if path.starts_with("/simple") => &simple,
            _ => &json,
        };
        std::future::ready(body.clone())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    url
}

const MEMORY_MIB: usize = 256;

/// The worst of each detector, from queries that fit to such that never do.
#[tokio::test(flavor = "multi_thread")]
async fn four_of_the_worst_queries_of_each_detector_stay_within_the_memory() {
    let memory = MEMORY_MIB.to_string();
    let plugin = launch(&[("GF_PLUGIN_MEMORY_MIB", &memory)]).await;
    let worst = [
        json!({"kind": "isolation-forest", "nTrees": 10_000, "sampleSize": 65_536}),
        json!({"kind": "isolation-forest", "nTrees": 40, "shingle": 64, "sampleSize": 65_536}),
        json!({"kind": "isolation-forest", "nTrees": 4}),
        json!({"kind": "mad", "window": "1d"}),
        json!({"kind": "z-score"}),
        json!({"kind": "iqr"}),
        json!({"kind": "seasonal"}),
        json!({"kind": "s-h-esd", "maxAnoms": 0.01}),
        json!({"kind": "changepoint"}),
        json!({"kind": "peers"}),
        json!({"kind": "joint"}),
        json!({"kind": "auto"}),
    ];
    for detector in worst {
        let query = |seed: usize, step: &str| {
            json!({
                "version": 1, "step": step, "trainingWindow": "3d", "refitInterval": "1d", "detector": detector,
                "source": {"kind": "generator", "series": ["median", "sine", "cosine"], "seed": seed},
            })
        };
        let queries = [query(1, "10m"), query(2, "1m"), query(3, "3s"), query(4, "1s")];
        plugin.ask_at_once(&json!({}), (TO - 86_400_000, TO), &queries).await.unwrap();
        let most = plugin.most_resident_mib().unwrap();
        assert!(most <= MEMORY_MIB, "{most} MiB after {detector}");
    }
    let answer = plugin.query(context(&json!({})), RANGE, &json!({})).await.unwrap();
    assert_eq!(answer.error, None, "the next query is answered");
}

/// Large answers of each kind of upstream, four at a time; PostgreSQL and MySQL are in `tests/sql`.
#[tokio::test(flavor = "multi_thread")]
async fn four_of_the_largest_answers_of_each_source_stay_within_the_memory() {
    let memory = MEMORY_MIB.to_string();
    let plugin = launch(&[("GF_PLUGIN_MEMORY_MIB", &memory), host::ALL_FILES]).await;
    let url = large_upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.db");
    std::fs::write(&file, "").unwrap();
    let numbers = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 400000)";
    let begin = TO / 1_000 - 400_000;
    for (own, source) in [
        (json!({"url": url, "jsonData": {"source": "http-json"}}), json!({"rows": ""})),
        (
            json!({"url": format!("{url}/simple"), "jsonData": {"source": "simple-json"}}),
            json!({"target": "a"}),
        ),
        (
            json!({"url": format!("{url}/prometheus"), "jsonData": {"source": "prometheus"}}),
            json!({"expr": "a"}),
        ),
        (
            json!({"url": format!("{url}/influx"), "jsonData": {"source": "influxdb", "database": "a"}}),
            json!({"text": "SELECT v FROM a WHERE $timeFilter", "format": "json"}),
        ),
        (
            json!({"url": format!("{url}/grafana"), "jsonData": {"source": "grafana"}, "secureJsonData": {"serviceAccountToken": "right"}}),
            json!({"query": {"expr": "a", "refId": "A", "datasource": {"uid": "a", "type": "prometheus"}}}),
        ),
        (
            json!({"jsonData": {"source": "sqlite", "path": file}}),
            json!({"mode": "text", "sql": format!("{numbers} SELECT i + {begin} AS time, i % 97 AS n FROM s")}),
        ),
    ] {
        let query = |number: usize| {
            let mut source = source.clone();
            source["kind"] = own["jsonData"]["source"].clone();
            // Not the same query four times, which would be asked once.
            let detector = json!({"kind": "z-score", "threshold": 3.0 + number as f64});
            json!({"version": 1, "step": "1s", "training": "visible-range", "detector": detector, "source": source})
        };
        let queries = [query(1), query(2), query(3), query(4)];
        let answered = plugin.ask_at_once(&own, (TO - 9_000_000, TO), &queries).await.unwrap();
        let most = plugin.most_resident_mib().unwrap();
        assert!(most <= MEMORY_MIB, "{most} MiB after {source}");
        assert!(answered > 0, "{source}");
    }
}

/// A process that has as many files open as it may takes the next connection once it may open more.
#[tokio::test]
async fn connections_are_taken_again_after_the_files_ran_out() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let plugin = launch(&[]).await;
    // So that this connection is taken before.
    assert!(plugin.check_health(context(&json!({}))).await.unwrap().is_ok);
    let pid = Pid::from_raw(plugin.child.id().unwrap().cast_signed());
    let usual = getrlimit(Resource::Nofile);
    // No more than it has open already: each new connection fails.
    let none = Rlimit { current: Some(3), maximum: usual.maximum };
    prlimit(pid, Resource::Nofile, none).unwrap();
    let path = plugin.handshake.split('|').nth(3).unwrap().to_owned();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(tokio::net::UnixStream::connect(&path).await.unwrap());
    }
    // One that is open is still served.
    assert!(plugin.check_health(context(&json!({}))).await.unwrap().is_ok);
    // The log says that it was tried, so that the test does not pass by being early.
    let mut log = tokio::io::BufReader::new(plugin.stderr.unwrap());
    let mut line = String::new();
    while !line.contains("a connection cannot be taken") {
        line.clear();
        assert!(tokio::io::AsyncBufReadExt::read_line(&mut log, &mut line).await.unwrap() > 0);
    }
    prlimit(pid, Resource::Nofile, usual).unwrap();
    let channel = host::connect(path).await.unwrap();
    let request =
        CheckHealthRequest { plugin_context: Some(context(&json!({}))), headers: Default::default() };
    DiagnosticsClient::new(channel).check_health(request).await.unwrap();
}
