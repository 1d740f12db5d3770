//! Tests of what Grafana is shown, whatever the output.

use std::time::Duration;

use super::*;
use crate::detector::Verdict;
use crate::engine::Detection;
use crate::series::Series;

fn detection(name: &str, labels: &[(&str, &str)]) -> Detection {
    let values = vec![10.0, 11.0, 30.0, 31.0, f64::NAN, 9.0, 1.0, 10.0];
    let len = values.len();
    let points = (0..len as i64).map(|row| row * 60_000).zip(values).collect();
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (mut series, _) = Series::from_points(name.to_owned(), labels, points);
    series.unit = Some("reqps".to_owned());
    series.truth = Some(vec![0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    Detection {
        series,
        verdicts: vec![
            Verdict::NotJudged,
            Verdict::Normal,
            Verdict::High,
            Verdict::High,
            Verdict::Missing,
            Verdict::Normal,
            Verdict::Low,
            Verdict::Normal,
        ],
        scores: vec![f64::NAN, 0.4, 0.7, 0.75, f64::NAN, 0.4, 0.8, 0.4],
        expected: vec![10.0; len],
        lower: vec![5.0; len],
        upper: vec![15.0; len],
        reasons: [(2, "30 is high"), (3, "31 is high"), (6, "1 is low")]
            .into_iter()
            .map(|(row, text)| (row, text.to_owned()))
            .collect(),
    }
}

fn outcome(detections: Vec<Detection>) -> Outcome {
    Outcome {
        detections,
        source: "generator",
        detector: "isolation-forest",
        seed: Some(42),
        step_ms: 60_000,
        training: Training::Window { window_ms: 604_800_000, refit_ms: 86_400_000 },
        executed: "generator series=median".to_owned(),
        notices: vec!["something to know".to_owned()],
        fingerprint: "0123456789abcdef".to_owned(),
        points_in: 100,
        points_fetched: 100,
        fetch_time: Duration::from_millis(5),
        detect_time: Duration::from_micros(250),
    }
}

fn view(output: Output) -> View {
    View { output, for_expression: false, max_data_points: 100 }
}

/// A frame as readable JSON: the form the snapshots beside this file are kept in.
fn as_json(frames: &[Frame]) -> Value {
    let cells = |values: &Values| match values {
        Values::Time(values) => json!(values),
        Values::Number(values) => json!(values),
        Values::Text(values) => json!(values),
    };
    let field = |field: &Field| {
        json!({
            "name": field.name, "labels": field.labels, "config": field.config, "values": cells(&field.values),
        })
    };
    frames
        .iter()
        .map(|frame| {
            json!({
                "name": frame.name, "meta": frame.meta,
                "fields": frame.fields.iter().map(field).collect::<Vec<_>>(),
            })
        })
        .collect()
}

#[test]
fn frames_of_every_output() {
    let outcome = outcome(vec![detection("requests", &[("host", "a")])]);
    for (name, output) in
        [("all", Output::All), ("state", Output::State), ("events", Output::Events), ("score", Output::Score)]
    {
        insta::assert_json_snapshot!(name, as_json(&render(&outcome, &view(output))));
    }
}

#[test]
fn alert_rules_get_numbers_without_nulls_under_unique_labels() {
    let outcome = outcome(vec![detection("a", &[]), detection("b", &[]), detection("c", &[("host", "c")])]);
    let outputs = [
        (Output::All, "outlier"),
        (Output::Events, "outlier"),
        (Output::Alert, "outlier"),
        (Output::State, "state"),
        (Output::Score, "score"),
    ];
    for (output, name) in outputs {
        let frames = render(&outcome, &View { for_expression: true, ..view(output) });
        assert_eq!(frames.len(), 3, "{output:?}");
        let mut labels = std::collections::HashSet::new();
        for frame in &frames {
            assert_eq!(frame.meta["type"], "timeseries-multi");
            assert_eq!(frame.fields.len(), 2);
            assert_eq!(frame.fields[1].name, name);
            assert!(labels.insert(frame.fields[1].labels.clone()), "{output:?}");
            let Values::Number(values) = &frame.fields[1].values else { panic!("a number field") };
            assert!(values.iter().all(|value| value.is_finite()));
        }
    }
    assert_eq!(
        render(&outcome, &view(Output::Alert)),
        render(&outcome, &View { for_expression: true, ..view(Output::All) }),
        "output alert gives a dashboard the very frames an alert rule gets"
    );
}

#[test]
fn no_flagged_point_is_lost_to_a_small_panel() {
    let outcome = outcome(vec![detection("requests", &[])]);
    let frames = render(&outcome, &View { max_data_points: 2, ..view(Output::All) });
    assert!(frames[0].rows() <= 2 + 3);
    let Values::Time(times) = &frames[0].fields[0].values else { panic!("a time field") };
    for flagged in [120_000, 180_000, 360_000] {
        assert!(times.contains(&flagged), "{times:?}");
    }
}

#[test]
fn series_of_the_same_name_are_told_apart() {
    let labelled = outcome(vec![
        detection("cpu", &[("host", "a")]),
        detection("cpu", &[("host", "b")]),
        detection("cpu", &[]),
    ]);
    let names: Vec<String> =
        render(&labelled, &view(Output::Score)).into_iter().map(|frame| frame.name).collect();
    assert_eq!(names, ["cpu {host=\"a\"}", "cpu {host=\"b\"}", "cpu"]);
    let same = outcome(vec![detection("cpu", &[]), detection("cpu", &[])]);
    let names: Vec<String> =
        render(&same, &view(Output::Score)).into_iter().map(|frame| frame.name).collect();
    assert_eq!(names, ["cpu", "cpu (2)"]);
}

#[test]
fn no_data_is_one_frame_without_fields_that_still_says_what_was_asked() {
    for output in [Output::All, Output::State, Output::Score, Output::Alert, Output::Events] {
        let frames = render(&outcome(Vec::new()), &view(output));
        assert_eq!(frames.len(), 1, "{output:?}");
        assert!(frames[0].fields.is_empty());
        assert_eq!(frames[0].meta["executedQueryString"], "generator series=median");
    }
}

#[test]
fn no_events_in_the_data_is_a_table_without_rows() {
    let mut quiet = detection("requests", &[]);
    quiet.verdicts.fill(Verdict::Normal);
    quiet.reasons.clear();
    let frames = render(&outcome(vec![quiet]), &view(Output::Events));
    assert_eq!((frames[0].rows(), frames[0].fields.len()), (0, 11));
}
