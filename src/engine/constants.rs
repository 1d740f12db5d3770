//! Constant series with one other value, judged by every detector: what rounding leaves is no noise, and no outlier.

use serde_json::{Value, json};

use crate::detector::DETECTORS;
use crate::engine;
use crate::query::Query;
use crate::series::{Labels, Series, TimeRange};

const STEP: i64 = 300_000;
const DAY: usize = 288;
/// A Monday.
const T0: i64 = 20_150 * 86_400_000;
const OTHER: usize = 9 * DAY + 100;

/// Usual and other value: such as have no exact fractions, large ones with small changes, tiny and huge ones.
const VALUES: [(f64, f64); 8] = [
    (5.0, 5.1),
    (0.1, 0.3),
    (1.0 / 3.0, 0.25),
    (1e9 + 0.1, 1e9 + 1.1),
    (-7.3e-6, -7.4e-6),
    (0.0, 1.0),
    (100.0, 0.0),
    (1e300, 1.1e300),
];

/// Flagged points of series with the `other` values, which are at their index the rest being `usual`.
fn flagged(detector: &Value, usual: f64, others: &[(usize, f64)]) -> Vec<usize> {
    let series = |host: usize| {
        let value = |index: usize| {
            let other = others.iter().find(|(at, _)| *at == index && host == 0);
            (T0 + index as i64 * STEP, other.map_or(usual, |(_, other)| *other))
        };
        let labels = Labels::from([("host".to_owned(), host.to_string())]);
        Series::from_points(format!("host {host}"), labels, (0..18 * DAY).map(value).collect()).0
    };
    // Others to compare with; who compares none is shown one only.
    let panel: Vec<Series> = (0..if detector["kind"] == "peers" { 6 } else { 1 }).map(series).collect();
    let query = Query::parse(json!({"detector": detector}).to_string().as_bytes()).unwrap();
    let visible = TimeRange { from_ms: T0, to_ms: *panel[0].times.last().unwrap() };
    let (detections, _) = engine::judge(&query, &panel, visible).unwrap();
    let of = |detection: &engine::Detection| {
        (0..detection.verdicts.len()).filter(|row| detection.verdicts[*row].is_outlier()).collect::<Vec<_>>()
    };
    assert!(
        detections[1..].iter().all(|detection| of(detection).is_empty()),
        "{detector} {usual} {others:?}"
    );
    of(&detections[0])
}

fn detectors() -> Vec<Value> {
    let mut all: Vec<Value> = DETECTORS.iter().map(|entry| json!({"kind": entry.kind})).collect();
    for kind in ["mad", "z-score", "iqr"] {
        all.push(json!({"kind": kind, "window": "1d"}));
    }
    all.push(json!({"kind": "s-h-esd", "direction": "both"}));
    all.push(json!({"kind": "s-h-esd", "direction": "both", "period": 12}));
    all
}

#[test]
fn one_other_value_in_a_constant_series_is_flagged_or_nothing_is() {
    for detector in detectors() {
        for (usual, other) in VALUES {
            let found = flagged(&detector, usual, &[(OTHER, other)]);
            assert!(found.is_empty() || found == [OTHER], "{detector}: {other} after {usual}: {found:?}");
        }
    }
}

#[test]
fn of_a_constant_series_with_some_other_values_no_point_with_the_usual_one_is_flagged() {
    let others = [(OTHER, 5.1), (OTHER + 70, 7.0), (OTHER + DAY, 5.100_01), (OTHER + 3 * DAY + 20, 4.0)];
    for detector in detectors() {
        let found = flagged(&detector, 5.0, &others);
        let is_other = |row: &usize| others.iter().any(|(at, _)| at == row);
        assert!(found.iter().all(is_other), "{detector}: {found:?}");
    }
}
