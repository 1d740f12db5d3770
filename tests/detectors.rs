//! What must hold for the detectors that look back over a window or from regime to regime, through the engine and for
//! points no upstream should send.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use outrider::detector::{self, DETECTORS as KINDS, Points, Schedule, Verdict};
use outrider::engine::{self, Job, Outcome, Workers};
use outrider::query::{Direction, Kind, Query};
use outrider::series::{Labels, Series, TimeRange};
use outrider::settings::Settings;
use outrider::source;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const T0: i64 = 1_750_000_000_000;

const DETECTORS: [&str; 7] = [
    r#"{"kind":"mad"}"#,
    r#"{"kind":"mad","window":"9h"}"#,
    r#"{"kind":"z-score"}"#,
    r#"{"kind":"z-score","window":"9h"}"#,
    r#"{"kind":"iqr"}"#,
    r#"{"kind":"iqr","window":"9h"}"#,
    r#"{"kind":"changepoint","falseAlarmsPerWeek":5}"#,
];

fn detect(detector: &str, from_ms: i64, to_ms: i64) -> Outcome {
    let query = format!(
        r#"{{"source":{{"kind":"generator","series":["median","sine","web-traffic"]}},"detector":{detector},
            "refitInterval":"12h","trainingWindow":"4d"}}"#
    );
    let job = Job {
        query: Query::parse(query.as_bytes()).unwrap(),
        visible: TimeRange { from_ms, to_ms },
        max_data_points: 500,
    };
    let source = source::connect(&Settings::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(engine::run(job, &source, &Workers::default())).unwrap()
}

#[test]
fn the_same_point_has_the_same_verdict_in_every_range() {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for detector in DETECTORS {
        let wide = detect(detector, T0, T0 + 6 * DAY);
        let flagged = wide.detections.iter().flat_map(|detection| &detection.verdicts);
        assert!(flagged.filter(|verdict| verdict.is_outlier()).count() > 0, "{detector} finds nothing");
        for cut in 0..12 {
            let from = T0 + cut * 11 * HOUR + 1;
            let to = (from + (cut + 1) * 3 * HOUR).min(T0 + 6 * DAY);
            let narrow = detect(detector, from, to);
            for (wide, narrow) in wide.detections.iter().zip(&narrow.detections) {
                let cut = wide.series.index_range(from, to + 1);
                assert_eq!(wide.series.times[cut.clone()], narrow.series.times);
                assert_eq!(wide.verdicts[cut.clone()], narrow.verdicts, "{detector}");
                for (wide, narrow) in [
                    (&wide.scores, &narrow.scores),
                    (&wide.expected, &narrow.expected),
                    (&wide.lower, &narrow.lower),
                    (&wide.upper, &narrow.upper),
                ] {
                    assert_eq!(bits(&wide[cut.clone()]), bits(narrow), "{detector}");
                }
                let reasons = wide.reasons.range(cut.clone()).map(|(row, reason)| (row - cut.start, reason));
                assert!(reasons.eq(narrow.reasons.iter().map(|(row, reason)| (*row, reason))), "{detector}");
            }
        }
    }
}

/// Another program that uses the crate of the detectors gets the verdicts that Grafana shows, to the bit.
#[test]
fn the_detectors_alone_say_what_the_engine_says() {
    let series = |host: i64| {
        let value = |hour: i64| match (host, hour) {
            (2, 400) => 90.0,
            (1, 300..320) => f64::NAN,
            _ => ((hour % 24) - 12).abs() as f64 + ((hour * 7_919 + host * 31) % 101) as f64 / 25.0,
        };
        let labels = Labels::from([("host".to_owned(), host.to_string())]);
        let points = (0..21 * 24).map(|hour| (hour * HOUR, value(hour))).collect();
        Series::from_points(format!("host {host}"), labels, points).0
    };
    let panel: Vec<Series> = (0..4).map(series).collect();
    let visible = TimeRange { from_ms: 0, to_ms: 21 * DAY - 1 };
    let schedule = Schedule { window_ms: 7 * DAY, refit_ms: DAY, step_ms: HOUR };
    for kind in KINDS.iter().map(|entry| entry.kind) {
        let query = format!(
            r#"{{"detector":{{"kind":"{kind}"}},"step":"1h","trainingWindow":"7d","refitInterval":"1d"}}"#
        );
        let query = Query::parse(query.as_bytes()).unwrap();
        let (detections, _) = engine::judge(&query, &panel, visible).unwrap();
        let detector = detector::build(&query.detector, Direction::Both).unwrap().detector;
        let judged = detector::judge_series(&*detector, &panel, schedule);
        assert_eq!(detections.len(), judged.len());
        for (engine, alone) in detections.iter().zip(&judged) {
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(engine.verdicts, alone.verdicts, "{kind}");
            for (engine, alone) in [
                (&engine.scores, &alone.scores),
                (&engine.expected, &alone.expected),
                (&engine.lower, &alone.lower),
                (&engine.upper, &alone.upper),
            ] {
                assert_eq!(bits(engine), bits(alone), "{kind}");
            }
            assert!(
                engine
                    .reasons
                    .iter()
                    .map(|(row, reason)| (*row, reason.as_str()))
                    .eq(alone.reasons.iter().map(|(row, reason)| (*row, reason.as_str()))),
                "{kind}"
            );
        }
    }
}

/// Values of every size, and gaps.
fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -1e3..1e3,
        2 => (-2_i8..2).prop_map(f64::from),
        1 => any::<f64>(),
        1 => Just(f64::NAN),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_consistently(
        values in proptest::collection::vec(wild(), 0..400),
        steps in proptest::collection::vec(1_i64..4_000_000, 400),
        share in 0.0..1.0,
    ) {
        let times: Vec<i64> = steps.iter().scan(T0, |time, step| { *time += step; Some(*time) }).collect();
        let cut = (values.len() as f64 * share) as usize;
        let points = |range: std::ops::Range<usize>| Points { times: &times[range.clone()], values: &values[range] };
        for json in DETECTORS {
            let wanted: Kind = serde_json::from_str(json).unwrap();
            let detector = detector::build(&wanted, Direction::Both).unwrap().detector;
            let judgement = detector.judge(points(0..cut), points(cut..values.len()));
            let count = values.len() - cut;
            prop_assert_eq!(judgement.verdicts.len(), count, "{}", json);
            for column in [&judgement.scores, &judgement.expected, &judgement.lower, &judgement.upper] {
                prop_assert_eq!(column.len(), count, "{}", json);
            }
            let flagged: Vec<usize> = (0..count).filter(|row| judgement.verdicts[*row].is_outlier()).collect();
            let told: Vec<usize> = judgement.reasons.iter().map(|(row, _)| *row).collect();
            prop_assert_eq!(&flagged, &told, "{}", json);
            for row in 0..count {
                let (score, verdict) = (judgement.scores[row], judgement.verdicts[row]);
                prop_assert_eq!(verdict == Verdict::Missing, !values[cut + row].is_finite(), "{}", json);
                match verdict {
                    Verdict::Missing | Verdict::NotJudged => prop_assert!(score.is_nan(), "{}", json),
                    Verdict::Normal => prop_assert!((0.0..=0.5).contains(&score), "{} {}", json, score),
                    Verdict::Muted => prop_assert!(false, "{}: no detector mutes", json),
                    Verdict::High | Verdict::Low => prop_assert!(score > 0.5 && score <= 1.0, "{} {}", json, score),
                }
            }
        }
    }
}
