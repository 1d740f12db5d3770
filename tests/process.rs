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
    let long = json!({"note": "x".repeat(5 * 1024 * 1024)});
    let answer = plugin.query(context(&json!({})), RANGE, &long).await.unwrap();
    assert_eq!(answer.error, None);
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
