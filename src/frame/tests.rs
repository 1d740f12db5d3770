//! Tests of what Grafana is shown, whatever the output.

use std::time::Duration;

use super::*;
use crate::detector::{About, Forecast, Verdict};
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
        abouts: [].into(),
        forecast: Forecast::default(),
        series_scores: Vec::new(),
    }
}

fn outcome(detections: Vec<Detection>) -> Outcome {
    Outcome {
        detections,
        groups: Vec::new(),
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
        decode_time: Duration::from_millis(1),
        detect_time: Duration::from_micros(250),
        held: crate::budget::Memory::default().account(),
    }
}

fn view(output: Output) -> View {
    View { output, for_expression: false, missing: Missing::default(), max_data_points: 100 }
}

/// A frame as readable JSON: the form the snapshots beside this file are kept in.
fn as_json(frames: &[Frame]) -> Value {
    let cells = |values: &Values| match values {
        Values::Time(values) => json!(values),
        Values::Number(values) => json!(values),
        Values::Text(values) => json!(values),
        Values::Flag(values) => json!(values),
        Values::List(values) => json!(values),
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
        (Output::Series, "outlier"),
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
fn an_alert_sees_missing_points_as_it_is_told_to() {
    let silent = || {
        let mut silent = detection("silent", &[("host", "c")]);
        silent.verdicts[6..].fill(Verdict::Missing);
        silent
    };
    let outcome = outcome(vec![detection("a", &[]), silent()]);
    let flags = |missing: Missing| -> Vec<Vec<f64>> {
        let frames = render(&outcome, &View { missing, ..view(Output::Alert) });
        let of_frame = |frame: &Frame| match frame.fields.get(1).map(|field| &field.values) {
            Some(Values::Number(values)) => values.clone(),
            _ => Vec::new(),
        };
        frames.iter().map(of_frame).collect()
    };
    // Not judged, normal, high twice, missing, normal, and low and normal, or missing twice.
    assert_eq!(
        flags(Missing::Normal),
        [[0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
    );
    assert_eq!(
        flags(Missing::Outlier),
        [[0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]]
    );
    assert_eq!(flags(Missing::NoData), [[0.0, 1.0, 1.0, 0.0, 1.0, 0.0]]);
    // Nothing else is changed by it.
    for output in [Output::All, Output::State, Output::Score] {
        // As text, because NaN is unlike itself.
        let of = |missing: Missing| format!("{:?}", render(&outcome, &View { missing, ..view(output) }));
        assert!(of(Missing::Normal) == of(Missing::Outlier), "{output:?}");
    }
    let alone = render(&self::outcome(vec![silent()]), &view(Output::Alert));
    assert!(alone.len() == 1 && alone[0].fields.is_empty());
}

#[test]
fn the_table_of_series_begins_with_the_most_conspicuous() {
    let mut quiet = detection("a", &[("host", "a"), ("score", "label")]);
    quiet.verdicts[2..].fill(Verdict::Normal);
    quiet.reasons.clear();
    let loud = detection("b", &[("host", "b")]);
    let mut unlike = detection("c", &[]);
    unlike.series_scores = vec![f64::NAN, 0.9, 0.6, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN];
    let cells = |detections: Vec<Detection>, name: &str| {
        let frames = render(&outcome(detections), &view(Output::Series));
        assert_eq!(frames.len(), 1);
        frames[0].fields.iter().find(|field| field.name == name).map(|field| field.values.clone())
    };
    let texts = |values: &[&str]| Some(Values::Text(values.iter().map(|text| (*text).to_owned()).collect()));
    let two = || vec![quiet.clone(), loud.clone()];
    assert_eq!(cells(two(), "series"), texts(&["b", "a"]));
    assert_eq!(cells(two(), "host"), texts(&["b", "a"]));
    assert_eq!(cells(two(), "label_score"), texts(&["", "label"]));
    assert_eq!(cells(two(), "reason"), texts(&["1 is low", ""]));
    assert_eq!(cells(two(), "state"), Some(Values::Number(vec![0.0, 0.0])));
    assert_eq!(cells(two(), "flagged"), Some(Values::Number(vec![0.5, 0.0])));
    let Some(Values::Number(scores)) = cells(two(), "score") else { panic!("a score") };
    assert!(scores.iter().all(|score| (score - 3.45 / 6.0).abs() < 1e-12), "{scores:?}");
    // What is most unlike its group comes before what is flagged most often.
    let three = || vec![quiet.clone(), loud.clone(), unlike.clone()];
    assert_eq!(cells(three(), "series"), texts(&["c", "b", "a"]));
    assert!(cells(two(), "seriesScore").is_none());
    let Some(Values::Number(scores)) = cells(three(), "seriesScore") else { panic!("a series score") };
    assert!(scores[0] == 0.6 && scores[1..].iter().all(|score| score.is_nan()), "{scores:?}");
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
    for output in [Output::All, Output::State, Output::Score, Output::Alert, Output::Events, Output::Series] {
        let frames = render(&outcome(Vec::new()), &view(output));
        assert_eq!(frames.len(), 1, "{output:?}");
        assert!(frames[0].fields.is_empty());
        assert_eq!(frames[0].meta["executedQueryString"], "generator series=median");
    }
}

/// [`detection`] with two slots to come, the later one not known.
fn with_forecast() -> Detection {
    let forecast = Forecast {
        times: vec![480_000, 540_000],
        expected: vec![12.0, f64::NAN],
        lower: vec![7.0, f64::NAN],
        upper: vec![17.0, f64::NAN],
    };
    Detection { forecast, ..detection("requests", &[("host", "a")]) }
}

#[test]
fn a_forecast_is_a_band_without_values_after_the_last_point() {
    let frames = render(&outcome(vec![with_forecast()]), &view(Output::All));
    let last = |name: &str| {
        let field = frames[0].fields.iter().find(|field| field.name == name).unwrap();
        match &field.values {
            Values::Time(times) => times.iter().rev().take(2).rev().map(|time| *time as f64).collect(),
            Values::Number(numbers) => numbers[numbers.len() - 2..].to_vec(),
            other => panic!("{other:?} among the numbers"),
        }
    };
    assert_eq!(frames[0].rows(), 10);
    assert_eq!(last("time"), [480_000.0, 540_000.0]);
    for (name, known) in [("expected", 12.0), ("lower", 7.0), ("upper", 17.0)] {
        let cells = last(name);
        assert!(cells[0] == known && cells[1].is_nan(), "{name}");
    }
    for name in ["value", "anomaly", "outlier", "score", "truth"] {
        assert!(last(name).iter().all(|cell| cell.is_nan()), "{name}");
    }
    // All of it is thinned alike.
    let thinned = render(&outcome(vec![with_forecast()]), &View { max_data_points: 4, ..view(Output::All) });
    assert!(thinned[0].fields.iter().all(|field| match &field.values {
        Values::Number(numbers) => numbers.len() == thinned[0].rows(),
        _ => true,
    }));
}

#[test]
fn a_forecast_is_in_no_other_output() {
    let (with, without) =
        (outcome(vec![with_forecast()]), outcome(vec![detection("requests", &[("host", "a")])]));
    for output in [Output::State, Output::Events, Output::Series, Output::Score, Output::Alert] {
        assert_eq!(as_json(&render(&with, &view(output))), as_json(&render(&without, &view(output))));
    }
    let asked = View { for_expression: true, ..view(Output::All) };
    assert_eq!(as_json(&render(&with, &asked)), as_json(&render(&without, &asked)));
}

#[test]
fn a_range_that_is_all_to_come_shows_the_forecast_alone() {
    let mut detection = with_forecast();
    let labels = detection.series.labels.clone();
    detection.series = Series::from_points("requests".to_owned(), labels, Vec::new()).0;
    for column in [&mut detection.scores, &mut detection.expected, &mut detection.lower, &mut detection.upper]
    {
        column.clear();
    }
    detection.verdicts.clear();
    detection.reasons.clear();
    let outcome = outcome(vec![detection]);
    assert_eq!(render(&outcome, &view(Output::All))[0].rows(), 2);
    for output in [Output::State, Output::Score, Output::Alert] {
        assert!(render(&outcome, &view(output))[0].fields.is_empty(), "{output:?}");
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

#[test]
fn the_text_of_an_event_says_how_far_it_went() {
    let text = |scores: (f64, f64)| {
        let mut seen = detection("s", &[]);
        (seen.scores[2], seen.scores[3]) = scores;
        let frames = render(&outcome(vec![seen]), &view(Output::Events));
        let column = frames[0].fields.iter().find(|field| field.name == "text").unwrap().values.clone();
        match column {
            Values::Text(texts) => texts[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(text((0.7, 0.75)), "31 is high (2 points)");
    assert_eq!(text((0.75, 0.7)), "30 is high (2 points, up to 31)");
}

#[test]
fn what_people_read_is_of_a_length_that_they_can() {
    let mut long = outcome(vec![detection("requests", &[])]);
    long.notices = vec!["ä".repeat(1_000_000); 1_000];
    long.executed = "x".repeat(1_000_000);
    let meta = &render(&long, &view(Output::All))[0].meta;
    let notices = meta["notices"].as_array().unwrap();
    assert_eq!(notices.len(), MAX_NOTICES + 1);
    assert!(
        notices.iter().all(|notice| notice["text"].as_str().unwrap().chars().count() <= NOTICE_CHARS + 1)
    );
    assert_eq!(notices[MAX_NOTICES]["text"], "950 more notices are not shown");
    assert!(meta["executedQueryString"].as_str().unwrap().len() < EXECUTED_CHARS + 10);
}

/// A column of the annotations that come with the series.
fn inline(detections: Vec<Detection>, name: &str) -> Values {
    let frames = render(&outcome(detections), &view(Output::All));
    let last = frames.last().unwrap();
    assert_eq!(last.meta["dataTopic"], "annotations");
    last.fields.iter().find(|field| field.name == name).unwrap().values.clone()
}

#[test]
fn inline_annotations_are_html_and_tables_are_not() {
    let named = || {
        let mut seen = detection("a<b> & c", &[]);
        seen.reasons.insert(6, "1 is low, <5 & \"odd\"".to_owned());
        vec![seen]
    };
    let second = |values: Values| match values {
        Values::Text(texts) => texts[1].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(second(inline(named(), "title")), "a&lt;b&gt; &amp; c: low outlier");
    assert_eq!(second(inline(named(), "text")), "1 is low, &lt;5 &amp; \"odd\"");
    assert_eq!(second(inline(named(), "series")), "a<b> & c");
    let frames = render(&outcome(named()), &view(Output::Events));
    let cell =
        |name| second(frames[0].fields.iter().find(|field| field.name == name).unwrap().values.clone());
    assert_eq!(cell("title"), "a<b> & c: low outlier");
    assert_eq!(cell("text"), "1 is low, <5 & \"odd\"");
    assert_eq!(cell("tags"), "outlier,low");
}

#[test]
fn an_event_that_is_about_more_than_its_values_begins_with_what_it_is_about_and_says_so() {
    let mut seen = detection("requests", &[]);
    seen.abouts.insert(6, About { what: "frozen", since_ms: 180_000 });
    let column = |name| inline(vec![seen.clone()], name);
    let titles = ["requests: high outlier", "requests: low outlier (frozen)"].map(str::to_owned);
    assert_eq!(column("title"), Values::Text(titles.to_vec()));
    assert_eq!(column("time"), Values::Time(vec![120_000, 180_000]));
    assert_eq!(column("timeEnd"), Values::Time(vec![180_000, 360_000]));
    assert_eq!(column("isRegion"), Values::Flag(vec![true, true]));
    // The name of the event stays the same.
    let id = column("id");
    assert_eq!(id, inline(vec![detection("requests", &[])], "id"));
}

#[test]
fn only_an_event_that_is_wide_enough_to_be_hit_is_a_region() {
    // Two points that are one event, then one that is another.
    let regions = |points: usize| {
        let mut seen = detection("requests", &[]);
        let step = seen.series.times[1];
        for row in seen.series.len()..points {
            seen.series.times.push(row as i64 * step);
            seen.series.values.push(10.0);
            seen.verdicts.push(Verdict::Normal);
            for column in [&mut seen.scores, &mut seen.expected, &mut seen.lower, &mut seen.upper] {
                column.push(10.0);
            }
        }
        seen.series.truth = None;
        inline(vec![seen], "isRegion")
    };
    assert_eq!(regions(8), Values::Flag(vec![true, false]));
    assert_eq!(regions(101), Values::Flag(vec![true, false]));
    assert_eq!(regions(102), Values::Flag(vec![false, false]));
}

#[test]
fn an_event_has_the_score_of_its_worst_point() {
    let scores = |first: f64, second: f64| {
        let mut seen = detection("s", &[]);
        (seen.scores[2], seen.scores[3]) = (first, second);
        let frames = render(&outcome(vec![seen]), &view(Output::Events));
        match frames[0].fields.iter().find(|field| field.name == "score").unwrap().values.clone() {
            Values::Number(scores) => scores[0],
            other => panic!("{other:?}"),
        }
    };
    for (first, second) in [(0.6, 0.9), (0.9, 0.6), (f64::NAN, 0.9), (0.9, f64::NAN)] {
        assert_eq!(scores(first, second), 0.9, "{first} then {second}");
    }
}

/// Two metrics of a host that share a verdict.
fn judged_together() -> Outcome {
    let metrics = vec![detection("cpu", &[("host", "a")]), detection("requests", &[("host", "a")])];
    let labels = [("host".to_owned(), "a".to_owned())].into();
    let mut group = detection("host=a", &[]);
    group.series.labels = labels;
    group.scores = metrics[0].scores.iter().map(|score| 2.0 * score).collect();
    group.series.values.clone_from(&group.scores);
    group.series.truth = None;
    group.reasons = [(3, "cpu 31 is high for requests 3".to_owned())].into();
    let groups = vec![crate::engine::Group { detection: group, members: vec![0, 1] }];
    Outcome { groups, ..outcome(metrics) }
}

#[test]
fn a_group_has_one_verdict_in_every_output() {
    let outcome = judged_together();
    let names = |output: Output, for_expression: bool| -> Vec<String> {
        let frames = render(&outcome, &View { for_expression, ..view(output) });
        frames.into_iter().map(|frame| frame.name).collect()
    };
    for output in [Output::Alert, Output::State, Output::Score] {
        assert_eq!(names(output, false), ["host=a"], "{output:?}");
    }
    for output in [Output::All, Output::Alert, Output::Series, Output::Score] {
        assert_eq!(names(output, true), ["host=a"], "{output:?}");
    }
    assert_eq!(names(Output::All, false), ["cpu", "requests", "host=a", "events"]);
    let alert = render(&outcome, &view(Output::Alert)).remove(0);
    assert_eq!(alert.fields[1].labels, [("host".to_owned(), "a".to_owned())].into());
    let group = render(&outcome, &view(Output::All)).remove(2);
    let fields: Vec<&str> = group.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["time", "score", "outlier"]);
    let events = render(&outcome, &view(Output::Events)).remove(0);
    let text = events.fields.iter().find(|field| field.name == "text").unwrap();
    let Values::Text(texts) = &text.values else { panic!("{text:?}") };
    assert!(texts[0].starts_with("cpu 31 is high for requests 3 (2 points"), "{texts:?}");
    let table = render(&outcome, &view(Output::Series)).remove(0);
    let share = table.fields.iter().find(|field| field.name == "contribution").unwrap();
    assert_eq!(share.values, Values::Number(vec![0.5, 0.5]));
}
