//! Answers as well-known services give them, with the options that read them. The forms are those of their public
//! documentation, the values our own.

use serde_json::{Value, json};

use super::points::Layout;
use super::rows::decode;
use crate::settings::Limits;
use crate::source::secrets::Secrets;

/// A series as a test writes it: its labels, its points.
type Plain = (Vec<(String, String)>, Vec<(i64, f64)>);

/// What `options` make of `answer`, without a notice.
fn read(options: Value, answer: &str) -> Vec<Plain> {
    let layout = Layout::of(&serde_json::from_value(options).unwrap()).unwrap();
    let (series, notices) =
        decode(answer.as_bytes(), &layout, Limits::default(), &Secrets::default()).unwrap();
    assert!(notices.is_empty(), "{notices:?}");
    series
        .into_iter()
        .map(|one| (one.labels.into_iter().collect(), one.times.into_iter().zip(one.values).collect()))
        .collect()
}

fn series(labels: &[(&str, &str)], points: &[(i64, f64)]) -> Plain {
    let owned = |text: &&str| (*text).to_owned();
    (labels.iter().map(|(name, value)| (owned(name), owned(value))).collect(), points.to_vec())
}

const T: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

#[test]
fn open_meteo() {
    let answer = r#"{
        "latitude": 52.52, "longitude": 13.42, "utc_offset_seconds": 0, "timezone": "GMT",
        "hourly_units": {"time": "iso8601", "temperature_2m": "°C"},
        "hourly": {"time": ["2023-11-14T22:00", "2023-11-14T23:00"], "temperature_2m": [4.5, null]}
    }"#;
    let options = json!({
        "rows": "/hourly", "form": "columns", "time": "/time", "value": "/temperature_2m",
        "labels": [{"name": "place", "pointer": "1/timezone"}],
    });
    let read = read(options, answer);
    assert_eq!(read[0].0, [("place".to_owned(), "GMT".to_owned())]);
    assert_eq!(read[0].1[0], (1_699_999_200_000, 4.5));
    assert!(read[0].1[1].1.is_nan() && read[0].1.len() == 2);
}

#[test]
fn yahoo_chart() {
    let answer = r#"{"chart": {"error": null, "result": [{
        "meta": {"currency": "USD", "symbol": "ABC"},
        "timestamp": [1700000000, 1700000060],
        "indicators": {"quote": [{"close": [10.5, 11.25], "volume": [100, 300]}]}
    }]}}"#;
    let options = json!({
        "rows": "$.chart.result[*]", "form": "columns",
        "time": "/timestamp", "value": "/indicators/quote/0/close",
        "labels": [{"name": "symbol", "pointer": "/meta/symbol"}],
    });
    let expected = series(&[("symbol", "ABC")], &[(T, 10.5), (T + MINUTE, 11.25)]);
    assert_eq!(read(options, answer), [expected]);
}

#[test]
fn dynatrace() {
    let answer = r#"{"totalCount": 2, "nextPageKey": null, "resolution": "1m", "result": [{
        "metricId": "builtin:host.cpu.usage", "data": [
            {"dimensions": ["HOST-1"], "dimensionMap": {"dt.entity.host": "HOST-1"},
             "timestamps": [1700000000000, 1700000060000], "values": [1.5, 2.5]},
            {"dimensions": ["HOST-2"], "dimensionMap": {"dt.entity.host": "HOST-2"},
             "timestamps": [1700000000000], "values": [3.5]}
        ]
    }]}"#;
    let options = json!({
        "rows": "$.result[*].data[*]", "form": "columns", "time": "/timestamps", "value": "/values",
        "labels": [{"name": "metric", "pointer": "2/metricId"}, {"name": "*", "pointer": "0/dimensionMap"}],
    });
    let labels = |host| [("dt.entity.host", host), ("metric", "builtin:host.cpu.usage")];
    assert_eq!(
        read(options, answer),
        [series(&labels("HOST-1"), &[(T, 1.5), (T + MINUTE, 2.5)]), series(&labels("HOST-2"), &[(T, 3.5)]),]
    );
}

#[test]
fn opentsdb() {
    let answer = r#"[
        {"metric": "load", "tags": {"host": "a"}, "aggregateTags": ["dc"], "dps": {"1700000060": 2.5, "1700000000": 1.5}},
        {"metric": "load", "tags": {"host": "b"}, "aggregateTags": [], "dps": {}}
    ]"#;
    let options = json!({
        "rows": "$[*].dps", "form": "keyed", "value": "",
        "labels": [{"name": "*", "pointer": "1/tags"}, {"name": "metric", "pointer": "1/metric"}],
    });
    let expected = series(&[("host", "a"), ("metric", "load")], &[(T, 1.5), (T + MINUTE, 2.5)]);
    assert_eq!(read(options, answer), [expected]);
}

#[test]
fn alpha_vantage() {
    let answer = r#"{
        "Meta Data": {"2. Symbol": "ABC", "6. Time Zone": "US/Eastern"},
        "Time Series (5min)": {
            "2023-11-14 22:15:00": {"1. open": "10.1", "4. close": "10.5"},
            "2023-11-14 22:10:00": {"1. open": "10.0", "4. close": "10.25"}
        }
    }"#;
    let options = json!({
        "rows": "/Time Series (5min)", "form": "keyed", "value": "/4. close",
        "labels": [{"name": "symbol", "pointer": "1/Meta Data/2. Symbol"}],
    });
    let at = 1_699_999_800_000;
    assert_eq!(
        read(options, answer),
        [series(&[("symbol", "ABC")], &[(at, 10.25), (at + 5 * MINUTE, 10.5)])]
    );
}

#[test]
fn graphite() {
    let answer = r#"[
        {"target": "servers.a.load", "tags": {"name": "servers.a.load"}, "datapoints": [[1.5, 1700000000], [null, 1700000060]]},
        {"target": "servers.b.load", "tags": {"name": "servers.b.load"}, "datapoints": [[2.5, 1700000000]]}
    ]"#;
    let options = json!({
        "rows": "$[*].datapoints", "time": "/1", "value": "/0",
        "labels": [{"name": "target", "pointer": "1/target"}],
    });
    let read = read(options.clone(), answer);
    assert_eq!(read[0].0, [("target".to_owned(), "servers.a.load".to_owned())]);
    assert_eq!(read[0].1[0], (T, 1.5));
    assert!(read[0].1[1].1.is_nan());
    assert_eq!(read[1], series(&[("target", "servers.b.load")], &[(T, 2.5)]));
    // Targets that match nothing.
    assert_eq!(self::read(options, "[]"), []);
}

#[test]
fn datadog() {
    let answer = r#"{"status": "ok", "res_type": "time_series", "series": [
        {"metric": "system.load.1", "scope": "host:a", "tag_set": ["host:a"], "pointlist": [[1700000000000.0, 0.5]]},
        {"metric": "system.load.1", "scope": "host:b", "tag_set": ["host:b"], "pointlist": [[1700000000000.0, 0.25]]}
    ]}"#;
    let options = json!({
        "rows": "$.series[*].pointlist",
        "labels": [{"name": "scope", "pointer": "1/scope"}, {"name": "metric", "pointer": "1/metric"}],
    });
    let labels = |scope| [("metric", "system.load.1"), ("scope", scope)];
    assert_eq!(
        read(options, answer),
        [series(&labels("host:a"), &[(T, 0.5)]), series(&labels("host:b"), &[(T, 0.25)])]
    );
}

#[test]
fn elasticsearch_nested_terms() {
    let over_time = |value: f64| {
        json!({"buckets": [
            {"key_as_string": "2023-11-14T22:13:20.000Z", "key": T, "doc_count": 3, "load": {"value": value}},
            {"key_as_string": "2023-11-14T22:14:20.000Z", "key": T + MINUTE, "doc_count": 0, "load": {"value": 2.5}},
        ]})
    };
    let host = |name: &str, value| json!({"key": name, "doc_count": 3, "over_time": over_time(value)});
    let answer = json!({"took": 3, "timed_out": false, "aggregations": {"dc": {"buckets": [
        {"key": "eu", "doc_count": 6, "host": {"buckets": [host("a", 1.5), host("b", 3.5)]}},
        {"key": "us", "doc_count": 3, "host": {"buckets": [host("a", 4.5)]}},
    ]}}});
    let options = json!({
        "rows": "$.aggregations.dc.buckets[*].host.buckets[*].over_time.buckets",
        "time": "/key", "value": "/load/value",
        "labels": [{"name": "host", "pointer": "2/key"}, {"name": "dc", "pointer": "5/key"}],
    });
    let one = |dc, host, value| series(&[("dc", dc), ("host", host)], &[(T, value), (T + MINUTE, 2.5)]);
    assert_eq!(
        read(options, &answer.to_string()),
        [one("eu", "a", 1.5), one("eu", "b", 3.5), one("us", "a", 4.5)]
    );
    // Only some of them.
    let filtered = json!({
        "rows": "$.aggregations.dc.buckets[?@.key == 'us'].host.buckets[*].over_time.buckets",
        "time": "/key", "value": "/load/value", "labels": [{"name": "dc", "pointer": "5/key"}],
    });
    assert_eq!(read(filtered, &answer.to_string()).len(), 1);
}

#[test]
fn loki() {
    let answer = r#"{"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"app": "web", "level": "error"}, "values": [[1700000000, "3"], [1700000060, "4.5"]]},
        {"metric": {"app": "db", "level": "error"}, "values": [[1700000000, "1"]]}
    ], "stats": {}}}"#;
    let options =
        json!({"rows": "$.data.result[*].values", "labels": [{"name": "*", "pointer": "1/metric"}]});
    let labels = |app| [("app", app), ("level", "error")];
    assert_eq!(
        read(options, answer),
        [series(&labels("db"), &[(T, 1.0)]), series(&labels("web"), &[(T, 3.0), (T + MINUTE, 4.5)])]
    );
}

#[test]
fn victoriametrics_export() {
    let answer = concat!(
        r#"{"metric":{"__name__":"up","job":"a"},"values":[1,0],"timestamps":[1700000000000,1700000060000]}"#,
        "\n",
        r#"{"metric":{"__name__":"up","job":"b"},"values":[1],"timestamps":[1700000000000]}"#,
        "\n"
    );
    let options = json!({
        "format": "ndjson", "rows": "$[*]", "form": "columns", "time": "/timestamps", "value": "/values",
        "labels": [{"name": "*", "pointer": "0/metric"}],
    });
    let labels = |job| [("__name__", "up"), ("job", job)];
    assert_eq!(
        read(options, answer),
        [series(&labels("a"), &[(T, 1.0), (T + MINUTE, 0.0)]), series(&labels("b"), &[(T, 1.0)])]
    );
}

#[test]
fn csv_of_a_public_office() {
    let answer = "Station;Zeit;Wert\r\nKöln;14.11.2023;x\r\n";
    let layout = Layout::of(
        &serde_json::from_value(json!({"format": "csv", "time": "/Zeit", "value": "/Wert"})).unwrap(),
    );
    let error =
        decode(answer.as_bytes(), &layout.unwrap(), Limits::default(), &Secrets::default()).unwrap_err();
    assert!(error.to_string().contains("the time pointer \"/Zeit\" found text"), "{error}");

    let answer = "Station;Zeit;Wert\r\nKöln;2023-11-14 22:13:20;4,5\r\nBonn;2023-11-14 22:13:20;3\r\n";
    let options = json!({
        "format": "csv", "time": "/Zeit", "value": "/Wert", "labels": [{"name": "station", "pointer": "/Station"}],
    });
    assert_eq!(
        read(options, answer),
        [series(&[("station", "Bonn")], &[(T, 3.0)]), series(&[("station", "Köln")], &[(T, 4.5)])]
    );
}

/// The rows that a path finds one by one, and what the same answer gives by a pointer.
#[test]
fn rows_by_a_path_are_rows_by_a_pointer() {
    let answer =
        r#"{"data": [{"t": 1700000000, "v": 1.5, "h": "a"}, {"t": 1700000060, "v": "2.5", "h": "b"}]}"#;
    let with = |rows: &str| {
        let labels = json!([{"name": "host", "pointer": "/h"}]);
        read(json!({"rows": rows, "time": "/t", "value": "/v", "labels": labels}), answer)
    };
    let expected = with("/data");
    assert_eq!(expected.len(), 2);
    for path in ["$.data", "$.data[*]", "$['data']", "$..data", "$.data[?@.v]"] {
        assert_eq!(with(path), expected, "{path}");
    }
    assert_eq!(with("$.data[?@.h == 'b']"), expected[1..]);
}
