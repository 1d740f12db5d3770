//! What is asked, and what becomes of good answers.

use std::process::Stdio;
use std::time::Instant;

use axum::response::IntoResponse;
use outrider::engine::{self, Detection, Job, Workers};
use outrider::error::Category;
use outrider::query::Query;
use outrider::series::TimeRange;
use outrider::settings::Settings;
use outrider::source;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::upstream_server::{Upstream, soon};
use crate::{
    FROM_MS, REQUEST, THREE_ROWS, ask, ask_default, check, json, points, settings, settings_with, web_service,
};

#[tokio::test]
async fn the_default_query_asks_for_the_range_and_gets_exact_values() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    let fetched = ask_default(&upstream.url).await.unwrap();
    let points = points(&fetched.series[0]);
    assert_eq!(points, [(FROM_MS, Some(10.5)), (FROM_MS + 300_000, Some(-3.0)), (FROM_MS + 600_000, None)]);
    assert_eq!(fetched.executed, format!("GET {}/query?from=1700000000000&to=1700003600000", upstream.url));
    assert!(fetched.notices.is_empty() && fetched.series.len() == 1);

    let seen = &upstream.seen()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
    assert_eq!(seen.uri, "/query?from=1700000000000&to=1700003600000");
    assert_eq!(seen.headers["user-agent"], concat!("outrider/", env!("CARGO_PKG_VERSION")));
    assert!(seen.headers["accept-encoding"].to_str().unwrap().contains("gzip"));
}

#[tokio::test]
async fn macros_are_replaced_and_escaped_in_path_params_and_body() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    let options = json!({
        "path": "/at/${__from:date:iso}/$__interval",
        "method": "POST",
        "params": [
            {"name": "since", "value": "${__from:date}"},
            {"name": "q", "value": "a&b=$host ü"},
            {"name": "max", "value": "$__maxDataPoints"},
            {"name": "", "value": "left out"},
        ],
        "body": r#"{"from": ${__from:date:seconds}, "to": "${__to}", "step": "$__interval_ms", "price": "$5"}"#,
    });
    let base = format!("{}/base/", upstream.url);
    let fetched = ask(&settings_with(&base, json!({"allowPost": true})), options).await.unwrap();
    let path = "/base/at/2023-11-14T22%3A13%3A20.000Z/5m?since=2023-11-14T22%3A13%3A20.000Z&q=a%26b%3D%24host+%C3%BC&max=13";
    let body = r#"{"from": 1700000000, "to": "1700003600000", "step": "300000", "price": "$5"}"#;
    let seen = &upstream.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.uri.to_string().as_str(), seen.body.as_str()),
        ("POST", path, body)
    );
    assert_eq!(seen.headers["content-type"], "application/json");
    // Of the path of the settings is not shown what it is: it may be a secret.
    let shown = path.replace("/base/", "/…/");
    assert_eq!(fetched.executed, format!("POST {}{shown}\n\n{body}", upstream.url));
}

#[tokio::test]
async fn packed_answers_are_unpacked() {
    let gzip = Upstream::answering(|_| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packer, THREE_ROWS.as_bytes()).unwrap();
        ([("content-encoding", "gzip")], packer.finish().unwrap()).into_response()
    })
    .await;
    assert_eq!(ask_default(&gzip.url).await.unwrap().series[0].len(), 3);

    // {"query_response":[[1700000000000,10.5],[1700000900000,null]]}
    const BROTLI: &[u8] = b"\x1b\x3d\x00\xe8\x9d\x07\xb6\x23\xbe\x9f\x40\x20\x75\x04\xb1\x1e\xdd\x1d\xa1\xd2\x5b\x24\x66\x6b\x4f\xd6\xe8\xf4\x35\x8b\x0b\x4c\x8e\xee\x82\xb9\xf9\x0a\x0e\x39\x90\x83\x52\xf3\x24\x8b\x20\xe5\xe2\xa8\x11\x48\x76\x86\x64\x36\xfc\xe6\x51\xb9\x58\x4c\x90\x65\x28\x03";
    let brotli = Upstream::answering(|_| ([("content-encoding", "br")], BROTLI).into_response()).await;
    let fetched = ask_default(&brotli.url).await.unwrap();
    assert_eq!(points(&fetched.series[0]), [(FROM_MS, Some(10.5)), (FROM_MS + 900_000, None)]);
}

#[tokio::test]
async fn the_last_of_repeated_keys_counts() {
    let upstream = Upstream::answering(|_| {
        json(r#"{"query_response": [[1, 1], [2, 2]], "query_response": [{"t": 3, "t": 1700000000000, "v": 5}]}"#)
    })
    .await;
    let options = json!({"time": "/t", "value": "/v", "timeFormat": "ms"});
    let fetched = ask(&settings(&upstream.url), options).await.unwrap();
    assert_eq!(points(&fetched.series[0]), [(FROM_MS, Some(5.0))]);
}

#[tokio::test]
async fn times_that_cannot_be_those_asked_for_are_told() {
    for (rows, says) in [
        ("[[1700000000, 1.5], [1700000900, 1.6]]", "all times lie in January 1970"),
        ("[[15, 1700000000000], [16, 1700000900000]]", "the values look like times"),
    ] {
        let upstream = Upstream::answering(move |_| json(format!(r#"{{"query_response": {rows}}}"#))).await;
        let error = ask(&settings(&upstream.url), json!({"timeFormat": "ms"})).await.unwrap_err();
        assert_eq!(error.category(), Category::Protocol);
        assert!(error.message().contains(says) && error.to_string().contains("timeFormat"), "{error}");
    }
}

#[tokio::test]
async fn no_rows_are_no_series_and_no_error() {
    let upstream = Upstream::answering(|_| json(r#"{"query_response": []}"#)).await;
    assert!(ask_default(&upstream.url).await.unwrap().series.is_empty());
}

#[tokio::test]
async fn a_million_rows_are_read() {
    const ROWS: i64 = 1_000_000;
    let rows: Vec<String> = (0..ROWS).map(|i| format!("[{},{}.25]", FROM_MS + i * 1_000, i)).collect();
    let answer = format!("{{\"query_response\":[{}]}}", rows.join(","));
    let upstream = Upstream::answering(move |_| json(answer.clone())).await;
    let begun = Instant::now();
    let fetched = ask_default(&upstream.url).await.unwrap();
    println!("a million rows: {:?}", begun.elapsed());
    let series = &fetched.series[0];
    assert_eq!(series.len(), ROWS as usize);
    assert!(series.values.iter().zip(0_i32..).all(|(value, i)| *value == f64::from(i) + 0.25));
    assert_eq!(*series.times.last().unwrap(), FROM_MS + (ROWS - 1) * 1_000);
}

#[tokio::test]
async fn the_health_check_tells_what_was_reached() {
    let upstream = Upstream::answering(|seen| {
        format!("\n{} {}\nmore", seen.uri.path(), "é".repeat(200)).into_response()
    })
    .await;
    for (health_path, asked) in [("/", "/"), ("/up", "/up"), ("", "/")] {
        let settings = Settings { health_path: health_path.into(), ..settings(&upstream.url) };
        let message = check(&settings).await.unwrap().message;
        let (reached, says) = message.split_once(" ms: ").unwrap();
        let time = reached.strip_prefix(&format!("Reached {}{asked} in ", upstream.url)).unwrap();
        assert!(time.parse::<u32>().is_ok(), "{message}");
        assert!(says.starts_with(&format!("\"{asked} éé")) && says.ends_with("é…\""), "{message}");
        assert!(says.chars().count() <= 83, "{message}");
    }
    let silent = Upstream::answering(|_| "".into_response()).await;
    assert!(check(&settings(&silent.url)).await.unwrap().message.ends_with(" ms"));
}

#[tokio::test]
async fn the_example_web_service_works_with_the_defaults() {
    let service = Upstream::serving(web_service::router().unwrap()).await;
    let reached = check(&settings(&service.url)).await.unwrap();
    assert!(reached.message.ends_with("\"The example web service is well.\""), "{}", reached.message);

    let fetched = ask_default(&service.url).await.unwrap();
    let series = &fetched.series[0];
    assert_eq!(
        series.times,
        [FROM_MS + 100_000, FROM_MS + 1_000_000, FROM_MS + 1_900_000, FROM_MS + 2_800_000]
    );
    assert!(series.values.iter().all(|value| (-9.0..=29.0).contains(value)), "{:?}", series.values);
    assert_eq!(ask_default(&service.url).await.unwrap().series, fetched.series, "the same data every time");

    // Without a range, the last six hours.
    let six_hours = ask(&settings(&service.url), json!({"params": []})).await.unwrap();
    assert!((24..=25).contains(&six_hours.series[0].len()), "{}", six_hours.series[0].len());

    let backwards = json!({"params": [{"name": "from", "value": "2"}, {"name": "to", "value": "1"}]});
    let error = ask(&settings(&service.url), backwards).await.unwrap_err();
    assert_eq!(error.category(), Category::Protocol);
    assert!(error.message().ends_with("400 Bad Request: \"from is after to\""), "{error}");
}

/// What the documentation of the example says of detectors.
#[tokio::test]
async fn the_outliers_of_the_example_web_service_are_found_by_the_detector_that_its_page_names() {
    let service = Upstream::serving(web_service::router().unwrap()).await;
    let source = source::connect(&settings(&service.url)).unwrap();
    let mut flagged = Vec::new();
    for detector in ["isolation-forest", "auto"] {
        let query = json!({"detector": {"kind": detector}}).to_string();
        let job = Job {
            query: Query::parse(query.as_bytes()).unwrap(),
            visible: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 6 * 7 * 86_400_000 },
            max_data_points: 10_000,
        };
        let detections = engine::run(job, &source, &Workers::default()).await.unwrap().detections;
        let Detection { series, verdicts, .. } = &detections[0];
        let (mut found, mut missed, mut false_alarms) = (0, 0, 0);
        for (value, verdict) in series.values.iter().zip(verdicts) {
            match ((value - 10.0).abs() > 4.0, verdict.is_outlier()) {
                (true, true) => found += 1,
                (true, false) => missed += 1,
                (false, true) => false_alarms += 1,
                (false, false) => {}
            }
        }
        println!("{detector}: {found} found, {missed} missed, {false_alarms} false alarms");
        flagged.push((found, found + missed, false_alarms));
    }
    let [(found, all, false_alarms), (by_auto, _, _)] = flagged[..] else { panic!("two detectors") };
    assert!((150..250).contains(&all) && found * 10 >= all * 9 && false_alarms == 0, "{flagged:?}");
    assert!(by_auto * 10 < all, "{flagged:?}");
}

/// The server of `tests/servers/json_server.mjs` and its URL; `None` if there is no Node.
async fn node_server() -> Option<(Child, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/json_server.mjs");
    let started = Command::new("node").arg(script).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let mut server = match started {
        Ok(server) => server,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("node does not start: {error}"),
    };
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().expect("the server says where it listens");
    Some((server, line.strip_prefix("listening on ").unwrap().to_owned()))
}

#[tokio::test]
async fn a_server_in_another_language_works_with_objects_labels_and_iso_times() {
    let Some((_server, url)) = node_server().await else {
        println!("skipped: there is no `node` on PATH");
        return;
    };
    let settings = Settings { health_path: "/up".into(), ..settings(&url) };
    assert!(check(&settings).await.unwrap().message.ends_with("\"up and running\""));

    let layout = json!({
        "rows": "/data/result/0/rows",
        "time": "/@timestamp",
        "value": "/metric/cpu~1load",
        "labels": [{"name": "host", "pointer": "/resource/tags/0/value"}],
        "timeFormat": "iso8601",
        "name": "cpu",
        "unit": "percent",
    });
    let with = |more: serde_json::Value| {
        let mut options = layout.as_object().unwrap().clone();
        options.extend(more.as_object().unwrap().clone());
        options.into()
    };
    let get = ask(&settings, with(json!({
        "path": "/api/v1/metrics",
        "params": [{"name": "start", "value": "${__from:date:iso}"}, {"name": "stop", "value": "${__to:date:iso}"}],
    })))
    .await
    .unwrap();
    let settings = settings_with(&settings.url, json!({"allowPost": true}));
    let post = ask(
        &settings,
        with(json!({
            "path": "/api/v1/search",
            "method": "POST",
            "params": [],
            "body": r#"{"range": {"start": "${__from:date:iso}", "stop": "${__to:date:iso}"}}"#,
        })),
    )
    .await
    .unwrap();

    let hosts: Vec<&str> = get.series.iter().map(|series| series.labels["host"].as_str()).collect();
    assert_eq!(hosts, ["web-1", "web-2"]);
    for (series, offset) in get.series.iter().zip([0.5, 100.5]) {
        assert_eq!(
            (series.name.as_str(), series.unit.as_deref(), series.len()),
            ("cpu", Some("percent"), 60)
        );
        for (time, value) in points(series) {
            assert!(time % 60_000 == 0 && REQUEST.range.contains(time));
            let minute = (time / 60_000 % 60) as f64;
            assert_eq!(value, Some(minute + offset).filter(|_| minute != 30.0));
        }
    }
    let same = get.series.iter().zip(&post.series).all(|(get, post)| points(get) == points(post));
    assert!(same && post.series.len() == 2);

    let error = ask(&settings, with(json!({"path": "/api/v1/search", "method": "POST", "body": "{"}))).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("400 Bad Request: \"{\"error\":\"the body must be JSON with a range\"}\""),
        "{error}"
    );
}
