use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::series::{Labels, Series, TimeRange};
use crate::settings::{Limits, OwnSettings};
use crate::source::Identity;
use crate::source::secrets::Secrets;

fn layout() -> Layout {
    Layout { last_ms: i64::MAX, step_ms: 60_000, secrets: Arc::new(Secrets::default()) }
}

fn decode_bytes(bytes: &[u8]) -> Result<Decoded> {
    frames::decode(bytes, &layout(), &Limits::default())
}

/// Of frames in the form in which Grafana's documentation shows them.
fn decode(frames: &Value) -> Result<Decoded> {
    decode_bytes(json!({"results": {"A": {"status": 200, "frames": frames}}}).to_string().as_bytes())
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn time_field() -> Value {
    json!({"name": "time", "type": "time", "typeInfo": {"frame": "time.Time", "nullable": true}})
}

fn number(name: &str, labels: &Value) -> Value {
    json!({"name": name, "type": "number", "typeInfo": {"frame": "float64", "nullable": true}, "labels": labels})
}

/// Values with gaps as `None`, which compare.
fn values(series: &Series) -> Vec<Option<f64>> {
    series.values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect()
}

#[test]
fn a_wide_frame_is_a_series_a_field() {
    let mut cpu = number("cpu", &json!({"host": "b"}));
    cpu["config"] = json!({"unit": "percent", "custom": {"x": [1]}, "links": null});
    let flag = json!({"name": "up", "type": "boolean", "typeInfo": {"frame": "bool"}, "config": {"displayName": "Up"}});
    let decoded = decode(&json!([{
        "schema": {
            "refId": "A", "name": "ignored",
            "meta": {"type": "timeseries-wide", "typeVersion": [0, 1], "executedQueryString": "SELECT 1",
                     "notices": [{"severity": "warning", "text": "partial data"}], "custom": ["anything"]},
            "fields": [time_field(), cpu, flag],
        },
        // NaN, +Inf and -Inf are null in the column.
        "data": {
            "values": [[60_000, 120_000, 180_000, 240_000, 300_000], [1.5, null, null, null, -2], [true, false, null, true, true]],
            "entities": [null, {"NaN": [1], "Inf": [2], "NegInf": [3]}, null],
            "nanos": [[0, 1, 2, 3, 999_999], null, null],
        },
    }]))
    .unwrap();
    let [up, cpu] = &decoded.series[..] else { panic!("{:?}", decoded.series) };
    assert_eq!((cpu.name.as_str(), &cpu.labels), ("cpu", &labels(&[("host", "b")])));
    assert_eq!(cpu.times, [60_000, 120_000, 180_000, 240_000, 300_000]);
    assert_eq!(values(cpu), [Some(1.5), None, None, None, Some(-2.0)]);
    assert_eq!((cpu.unit.as_deref(), up.unit.as_deref()), (Some("percent"), None));
    assert_eq!(
        (up.name.as_str(), values(up)),
        ("Up", vec![Some(1.0), Some(0.0), None, Some(1.0), Some(1.0)])
    );
    assert_eq!(decoded.executed, "SELECT 1");
    assert_eq!(decoded.notices, ["The other data source says: partial data"]);
}

#[test]
fn a_long_frame_is_a_series_a_combination_of_texts() {
    let text = |name: &str| json!({"name": name, "type": "string", "typeInfo": {"frame": "string", "nullable": true}});
    let decoded = decode(&json!([{
        "schema": {"meta": {"type": "timeseries-long"},
                   "fields": [text("host"), time_field(), number("value", &json!({"job": "x"})), text("disk")]},
        "data": {"values": [["a", "b", "a", "b"], [60_000, 60_000, 120_000, 120_000], [1, 2, 3, 4], ["s", null, "s", ""]]},
    }]))
    .unwrap();
    let [a, b] = &decoded.series[..] else { panic!("{:?}", decoded.series) };
    assert_eq!(a.labels, labels(&[("disk", "s"), ("host", "a"), ("job", "x")]));
    assert_eq!((values(a), values(b)), (vec![Some(1.0), Some(3.0)], vec![Some(2.0), Some(4.0)]));
    assert_eq!((b.labels.clone(), b.name.as_str()), (labels(&[("host", "b"), ("job", "x")]), "value"));
}

#[test]
fn a_multi_frame_answer_is_a_series_a_frame_and_exemplars_are_none() {
    let frame = |instance: &str, value: i64| {
        let mut field = number("Value", &json!({"instance": instance}));
        field["config"] = json!({"displayNameFromDS": format!("up {instance}")});
        let mut time = time_field();
        time["config"] = json!({"interval": 15_000});
        json!({"schema": {"name": "frame", "meta": {"type": "timeseries-multi", "custom": {"resultType": "matrix"}}, "fields": [time, field]},
               "data": {"values": [[60_000], [value]]}})
    };
    let exemplar = json!({"schema": {"meta": {"custom": {"resultType": "exemplar"}}, "fields": [time_field(), number("Value", &json!({}))]},
                          "data": {"values": [[60_000], [9]]}});
    let empty = json!({"schema": {"fields": []}, "data": {"values": []}});
    let decoded = decode(&json!([frame("b", 2), exemplar, frame("a", 1), empty])).unwrap();
    let names: Vec<_> = decoded.series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["up a", "up b"]);
    assert_eq!(values(&decoded.series[1]), [Some(2.0)]);
    assert!(decoded.notices[0].contains("a step of 15s where 1m was asked for"), "{:?}", decoded.notices);
    assert!(decode(&json!([])).unwrap().series.is_empty());
}

#[test]
fn the_name_is_what_says_most() {
    let name = |field: Value| {
        let frame = json!([{"schema": {"name": "frame", "fields": [time_field(), field]}, "data": {"values": [[60_000], [1]]}}]);
        decode(&frame).unwrap().series.remove(0).name
    };
    assert_eq!(name(number("Value", &json!({}))), "frame");
    assert_eq!(name(number("load", &json!({}))), "load");
    assert_eq!(name(json!({"type": "number", "config": {"displayName": ""}})), "frame");
}

#[test]
fn points_of_the_running_step_are_left_out() {
    let answer = json!({"results": {"A": {"frames": [{
        "schema": {"fields": [time_field(), number("x", &json!({}))]}, "data": {"values": [[60_000, 120_000], [1, 2]]}}]}}});
    let layout = Layout { last_ms: 60_000, ..layout() };
    let decoded = frames::decode(answer.to_string().as_bytes(), &layout, &Limits::default()).unwrap();
    assert_eq!(decoded.series[0].times, [60_000]);
}

#[test]
fn what_is_no_series_is_an_error_that_says_so() {
    let table =
        json!([{"schema": {"fields": [{"name": "a", "type": "string"}]}, "data": {"values": [["x"]]}}]);
    let error = decode(&table).unwrap_err();
    assert!(error.to_string().contains("without numbers over time; let the query"), "{error}");
    for (body, category, words) in [
        (
            r#"{"results":{"A":{"error":"boom","status":500}}}"#,
            Category::Protocol,
            "the other data source failed: \"boom\"",
        ),
        (r#"{"results":{"A":{"error":"no such metric","frames":[]}}}"#, Category::Query, "no such metric"),
        (r#"{"results":{"B":{}}}"#, Category::Protocol, "result of the query"),
        (r#"{"results":[]}"#, Category::Protocol, "form of Grafana's data frames"),
        (r#"{"message":"ok"}"#, Category::Protocol, "form of Grafana's data frames"),
        ("<!DOCTYPE html><title>Grafana</title>", Category::Protocol, "login page"),
        ("", Category::Protocol, "empty"),
        (r#"{"results":{"A":{"frames":[{"schema""#, Category::Protocol, "cut off"),
        (r#"{"results":{"A":{"frames":[],"frames":[]}}}"#, Category::Protocol, "form of"),
        (
            r#"{"results":{"A":{"frames":[{"schema":{"fields":[{"name":7}]}}]}}}"#,
            Category::Protocol,
            "form of",
        ),
    ] {
        let error = decode_bytes(body.as_bytes()).unwrap_err();
        assert!(error.category() == category && error.to_string().contains(words), "{body}: {error}");
    }
    assert!(decode_bytes(b"{\"results\":{\"A\":{\"error\":\"\xff\"}}}").is_err());
}

#[test]
fn hostile_columns_are_refused_and_nothing_panics() {
    let with = |data: &str| {
        let schema = r#"{"fields":[{"name":"t","type":"time"},{"name":"v","type":"number"}]}"#;
        decode_bytes(
            format!(r#"{{"results":{{"A":{{"frames":[{{"data":{data},"schema":{schema}}}]}}}}}}"#).as_bytes(),
        )
    };
    for (data, words) in [
        (r#"{"values":[[1,2],[1]]}"#, "differ in length"),
        (r#"{"values":[[1,2]]}"#, "as many columns as fields"),
        (r#"{"values":[7,[1]]}"#, "not a list of values"),
        (r#"{"values":[{"a":1},[1]]}"#, "not a list of values"),
        (r#"{"values":[[1],[NaN]]}"#, "not valid JSON"),
        (r#"{"values":[["x"],[1]]}"#, "not one of the rows"),
    ] {
        let error = with(data).unwrap_err();
        assert!(error.to_string().contains(words), "{data}: {error}");
    }
    let mixed = with(r#"{"values":[[60000,null,180000,1e300],[1,2,"x",[3]]]}"#).unwrap();
    assert_eq!((mixed.series[0].times.clone(), mixed.notices.len()), (vec![60_000], 1));

    let deep = format!(r#"{{"results":{{"A":{}1{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(decode_bytes(deep.as_bytes()).is_err());
    let nested = format!(r#"{{"values":[[60000],[{}1{}]]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(with(&nested).is_err());
}

#[test]
fn rows_and_series_beyond_the_limits_name_the_setting() {
    let long = json!({"results": {"A": {"frames": [{
        "schema": {"fields": [time_field(), {"name": "h", "type": "string"}, number("v", &json!({}))]},
        "data": {"values": [[1, 2, 3], ["a", "b", "c"], [1, 2, 3]]}}]}}})
    .to_string();
    for (limits, setting) in [
        (Limits { max_rows: 2, ..Limits::default() }, "maxRows"),
        (Limits { max_series: 2, ..Limits::default() }, "maxSeries"),
    ] {
        let error = frames::decode(long.as_bytes(), &layout(), &limits).unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains(setting), "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_bytes(&bytes);
    }

    #[test]
    fn what_is_written_is_read(points in proptest::collection::btree_map(-4_000_000_000_000_i64..4_000_000_000_000, proptest::option::of(any::<f64>()), 1..50)) {
        let (times, numbers): (Vec<i64>, Vec<Option<f64>>) =
            points.into_iter().map(|(time, value)| (time, value.filter(|value| value.is_finite()))).unzip();
        let frames = json!([{"schema": {"fields": [time_field(), number("v", &json!({}))]}, "data": {"values": [times, numbers]}}]);
        let series = decode(&frames).unwrap().series.remove(0);
        prop_assert_eq!(&series.times, &times);
        prop_assert_eq!(values(&series), numbers);
    }
}

fn settings(secrets: &[(&str, &str)]) -> Settings {
    let secrets =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
    Settings {
        org_id: 3,
        uid: "me".into(),
        url: "http://127.0.0.1:1".into(),
        limits: Limits { retries: 0, ..Limits::default() },
        own: OwnSettings::new(Map::new(), secrets),
        ..Settings::default()
    }
}

fn caller() -> Caller {
    Caller {
        identity: Identity::new(3, vec![("cookie".to_owned(), "proxy=abcdefgh".into())]),
        ..Caller::default()
    }
}

#[test]
fn credentials_are_taken_in_their_order() {
    let own = Host { urls: vec!["http://127.0.0.1:1/".into()], token: Some("plugin".into()) };
    let without_token = Host { token: None, ..own.clone() };
    let elsewhere = Host { urls: vec!["http://else".into()], ..own.clone() };
    let token = [("serviceAccountToken", "sa")];
    for (host, secrets, access, asks_as_the_user) in [
        (&own, &token[..], Access::ServiceAccount, false),
        (&own, &[], Access::Plugin, false),
        (&without_token, &token, Access::ServiceAccount, false),
        (&without_token, &[], Access::Nobody, true),
        (&elsewhere, &token, Access::ServiceAccount, false),
        (&elsewhere, &[], Access::Nobody, false),
        (&Host::default(), &[], Access::Nobody, false),
    ] {
        let source = Grafana::new(&settings(secrets), host).unwrap();
        assert_eq!(source.access, access);
        assert!(source.worth_keeping());
        let own = source.for_caller(&caller()).unwrap();
        assert_eq!(own.as_ref().map(|own| own.access), asks_as_the_user.then_some(Access::User));
        assert!(own.is_none_or(|own| !own.worth_keeping()));
        assert!(source.for_caller(&Caller::default()).unwrap().is_none());
    }
    // Nobody knows whether the token belongs to it.
    let of_no_organisation = Settings { org_id: 0, ..settings(&[]) };
    assert_eq!(Grafana::new(&of_no_organisation, &own).unwrap().access, Access::Nobody);
    let contradicting = Settings { headers: vec![("X-Grafana-Org-Id".into(), "1".into())], ..settings(&[]) };
    assert_eq!(Grafana::new(&contradicting, &own).unwrap_err().category(), Category::Config);
}

#[tokio::test]
async fn only_allowed_data_sources_are_asked() {
    let with = |allowed: Value| {
        let json = Map::from_iter([("allowedUids".to_owned(), allowed)]);
        let token = [("serviceAccountToken".to_owned(), "sa".into())].into();
        let settings = Settings { own: OwnSettings::new(json, token), ..settings(&[]) };
        Grafana::new(&settings, &Host::default())
    };
    let request = FetchRequest { range: TimeRange { from_ms: 0, to_ms: 600_000 }, step_ms: 60_000 };
    // Nothing listens at the URL: what is allowed fails there, and what is not before.
    for (allowed, uid, category) in [
        (json!([]), "b", Category::Connection),
        (json!(["a", " b "]), "b", Category::Connection),
        (json!(["a"]), "b", Category::Auth),
        (json!(["b"]), "B", Category::Auth),
        (json!([""]), "b", Category::Auth),
    ] {
        let options: Options = serde_json::from_value(json!({"datasourceUid": uid})).unwrap();
        let error = with(allowed.clone()).unwrap().fetch(&options, &request).await.unwrap_err();
        assert_eq!(error.category(), category, "{allowed}: {error}");
    }
    // A list that cannot be read is not an empty one.
    for unreadable in [json!("a, b"), json!({"a": true}), json!(null), json!([1])] {
        assert_eq!(with(unreadable.clone()).unwrap_err().category(), Category::Config, "{unreadable}");
    }
}

#[test]
fn other_credentials_are_refused_and_a_circle_is_noticed() {
    let basic = Settings { auth: Auth::Bearer("x".into()), ..settings(&[]) };
    let header = Settings { headers: vec![("authorization".into(), "x".into())], ..settings(&[]) };
    for settings in [basic, header] {
        assert_eq!(Grafana::new(&settings, &Host::default()).unwrap_err().category(), Category::Config);
    }
    let source = Grafana::new(&settings(&[("serviceAccountToken", "t")]), &Host::default()).unwrap();
    let error =
        source.for_caller(&Caller { query_group: QUERY_GROUP.into(), ..Caller::default() }).unwrap_err();
    assert!(error.to_string().contains("in a circle"), "{error}");
}
