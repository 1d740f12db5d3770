use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn read_as(legend: &str, answer: &[u8]) -> Result<(Vec<Series>, Vec<String>)> {
    let naming = Naming {
        legend: Legend::try_from(legend.to_owned()).unwrap(),
        fallback: "value".into(),
        unit: "bytes".into(),
    };
    decode(answer, &naming, &Limits::default(), &Secrets::default())
}

fn read(answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
    read_as("", answer.as_bytes())
}

fn matrix(result: &Json) -> String {
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}}).to_string()
}

#[test]
fn a_matrix_becomes_series_with_the_very_values() {
    let answer = matrix(&json!([
        {"metric": {"__name__": "up", "job": "b"}, "values": [[1_700_000_000.123, "0.1"], [1_700_000_060, "1e+06"]]},
        {"metric": {"job": "a"}, "values": [[0, "NaN"], [1, "+Inf"], [2, "-Inf"], [3, "5e-324"], [4, 7], [5, null]]},
    ]));
    let (series, notices) = read(&answer).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!((series[0].name.as_str(), &series[0].labels["job"]), ("value", &"a".to_owned()));
    assert!(series[0].values[..3].iter().all(|value| value.is_nan()) && series[0].values[5].is_nan());
    assert_eq!(series[0].values[3..5], [5e-324, 7.0]);
    assert_eq!((series[1].name.as_str(), series[1].labels.len()), ("up", 1));
    assert_eq!(series[1].times, [1_700_000_000_123, 1_700_000_060_000]);
    assert_eq!(series[1].values, [0.1, 1e6]);
    assert_eq!(series[1].unit.as_deref(), Some("bytes"));
}

#[test]
fn vectors_scalars_and_no_result_at_all_are_read_too() {
    let vector = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"value": [1, "2"], "metric": {}}]}});
    let (series, _) = read(&vector.to_string()).unwrap();
    assert_eq!((&series[0].times[..], &series[0].values[..]), (&[1_000][..], &[2.0][..]));
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"3"]}}"#;
    assert_eq!(read(scalar).unwrap().0[0].times, [1_500]);
    for result in ["[]", "null"] {
        let none = format!(r#"{{"data":{{"result":{result},"resultType":"matrix"}},"status":"success"}}"#);
        assert_eq!(read(&none).unwrap().0, []);
    }
    for (kind, text) in [("string", "1"), ("scalar", "x")] {
        let text =
            json!({"status": "success", "data": {"resultType": kind, "result": [1, text]}}).to_string();
        assert_eq!(read(&text).unwrap_err().category(), Category::Query);
    }
}

#[test]
fn a_legend_names_series_and_never_makes_two_of_them_one() {
    let answer = matrix(&json!([
        {"metric": {"__name__": "a", "job": "x"}, "values": [[1, "1"]]},
        {"metric": {"__name__": "b", "job": "x"}, "values": [[1, "2"]]},
    ]));
    let (series, notices) = read_as("{{job}} {{ missing }}", answer.as_bytes()).unwrap();
    assert_eq!(series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), ["x", "x"]);
    assert_eq!((series[0].values[0], series[1].values[0], notices.len()), (1.0, 2.0, 0));
}

#[test]
fn histograms_and_warnings_are_told() {
    let answer = json!({"status": "success", "warnings": ["careful\nnow"], "infos": ["metric might not be a counter"],
        "isPartial": true, "data": {"resultType": "matrix", "result": [
        {"metric": {}, "values": [[1, "1"]], "histograms": [[1, {"count": "3", "sum": "2", "buckets": []}], [2, {}]]}]}});
    let (series, notices) = read(&answer.to_string()).unwrap();
    assert_eq!(series[0].len(), 1);
    assert!(notices[0].contains("Native histograms are left out") && notices[0].contains("samples: 2"));
    assert!(notices.contains(&"Prometheus says: careful now".to_owned()), "{notices:?}");
    assert!(notices.iter().any(|notice| notice.contains("partial")) && notices.len() == 4, "{notices:?}");
}

#[test]
fn errors_of_the_server_get_their_category() {
    for (kind, error, category) in [
        ("bad_data", "parse error: unexpected end", Category::Query),
        ("execution", "many-to-many matching not allowed", Category::Query),
        ("execution", "query processing would load too many samples into memory", Category::Limit),
        ("timeout", "query timed out", Category::Connection),
        ("canceled", "context canceled", Category::Connection),
        ("unavailable", "starting", Category::Connection),
        ("internal", "disk", Category::Protocol),
        ("not_found", "", Category::Protocol),
        ("too_many_requests", "", Category::Limit),
        ("422", "cannot parse", Category::Query),
        ("never heard of", "", Category::Protocol),
    ] {
        let body = json!({"status": "error", "errorType": kind, "error": error}).to_string();
        for found in [explain(400, &body, "http://a", &Secrets::default()).unwrap(), read(&body).unwrap_err()]
        {
            assert_eq!(found.category(), category, "{kind}");
            assert!(found.message().contains(error), "{found}");
        }
        assert_eq!(
            decode_data::<Vec<String>>(body.as_bytes(), &Secrets::default()).unwrap_err().category(),
            category
        );
    }
    assert_eq!(
        explain(401, "no org id", "http://a", &Secrets::default()).unwrap().category(),
        Category::Auth
    );
    for (status, body) in [(401, "Unauthorized"), (404, "<html>"), (502, "{}"), (500, "")] {
        assert!(explain(status, body, "http://a", &Secrets::default()).is_none());
    }
}

#[test]
fn hostile_answers_are_protocol_errors() {
    let deep = format!(r#"{{"status":"success","data":{{"result":{}"#, "[".repeat(100_000));
    let deep_ignored = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    for (answer, says) in [
        ("", "is empty"),
        ("<!doctype html>", "is HTML"),
        ("[]", "expected an object with a status"),
        ("{}", "it holds no data.result"),
        (r#"{"status":"success","data":{}}"#, "it holds no data.result"),
        (r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"2"#, "cut off"),
        (r#"{"status":"success","data":{"result":[{"values":[[1,"2"]]}]}}"#, "missing field `metric`"),
        (r#"{"status":"success","data":{"result":[{"metric":{"a":1},"values":[]}]}}"#, "expected a string"),
        (r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"secret"]]}]}}"#, "no number"),
        (r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,NaN]]}]}}"#, "expected value"),
        (
            r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1e300,"1"]]}]}}"#,
            "a time out of range",
        ),
        (r#"{"status":"success","data":{"result":[{"metric":{},"values":[["1","1"]]}]}}"#, "expected f64"),
        (
            r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"1",2]]}]}}"#,
            "expected [time, value]",
        ),
        (r#"{"status":"success","data":{"result":[],"result":[]}}"#, "duplicate field"),
        (
            r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"1"]],"values":[[2,"2"]]}]}}"#,
            "duplicate field",
        ),
        (
            r#"{"status":"success","data":{"result":[{"metric":{},"values":[[1,"1"]],"metric":{"a":"b"}}]}}"#,
            "duplicate field",
        ),
        (r#"{"status":"success","data":{"result":[]}} x"#, "trailing characters"),
        (r#"{"status":"success","data":{"result":[true]}}"#, "expected a series"),
        (deep.as_str(), ""),
        (deep_ignored.as_str(), ""),
    ] {
        let error = read(answer).unwrap_err();
        assert_eq!(error.category(), Category::Protocol, "{error}");
        assert!(error.message().contains(says) && !error.message().contains("secret"), "{error}");
    }
    let invalid = b"{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":{\"a\":\"\xff\"}}]}}";
    assert_eq!(read_as("", invalid).unwrap_err().category(), Category::Protocol);
}

#[test]
fn too_many_series_and_samples_name_the_setting() {
    let naming = Naming { legend: Legend::default(), fallback: "value".into(), unit: String::new() };
    let all: Vec<Json> =
        (0..3).map(|i| json!({"metric": {"i": i.to_string()}, "values": [[1, "1"], [2, "2"]]})).collect();
    let answer = matrix(&json!(all));
    for (limits, setting) in [
        (Limits { max_series: 2, ..Limits::default() }, "maxSeries"),
        (Limits { max_rows: 5, ..Limits::default() }, "maxRows"),
    ] {
        let error = decode(answer.as_bytes(), &naming, &limits, &Secrets::default()).unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains(setting), "{error}");
    }
}

proptest! {
    #[test]
    fn every_value_comes_back_exactly(values in proptest::collection::vec(any::<f64>(), 1..50)) {
        let samples: Vec<Json> = values.iter().zip(0..).map(|(value, at)| json!([at, value.to_string()])).collect();
        let (series, _) = read(&matrix(&json!([{"metric": {}, "values": samples}]))).unwrap();
        let bits = |values: &[f64]| -> Vec<u64> {
            values.iter().map(|v| if v.is_finite() { v.to_bits() } else { f64::NAN.to_bits() }).collect()
        };
        prop_assert_eq!(bits(&series[0].values), bits(&values));
    }

    #[test]
    fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..200, noise in any::<u8>()) {
        let _ = read_as("{{a}}", &bytes);
        let mut answer = matrix(&json!([{"metric": {"a": "b"}, "values": [[1, "1"]], "histograms": []}])).into_bytes();
        if let Some(byte) = answer.get_mut(cut) {
            *byte = noise;
        }
        let _ = read_as("{{a}}", &answer);
        answer.truncate(cut);
        let _ = read_as("{{a}}", &answer);
    }
}

#[test]
fn null_is_a_series_without_samples() {
    let answer = matrix(&json!([
        {"metric": {"room": "a"}, "values": [[1_740_960_000, "1.5"]]},
        {"metric": {"room": "e"}, "values": null},
        {"values": null, "metric": {"room": "f"}, "histograms": null},
    ]));
    let (series, _) = read(&answer).unwrap();
    let found: Vec<_> = series.iter().map(|one| (one.labels["room"].as_str(), one.len())).collect();
    assert_eq!(found, [("a", 1), ("e", 0), ("f", 0)]);
}
