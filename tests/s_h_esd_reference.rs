//! S-H-ESD against what Twitter's R package answers: 63 calls with their anomalies and expected values, R's own STL, and
//! two traces of the test.
//!
//! The answers are data that do not belong to the project. They are looked for in `shesd` below the folder that
//! `OUTRIDER_SHARED` names, `../shared` by default, and the inputs from NAB in `quality` beside it; where the folder is
//! absent the tests say that they are skipped. The tests beside the code run everywhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use outrider::detector::s_h_esd::{
    Decomposition, OnlyLast, Parameters, Side, Threshold, TsParameters, VecParameters, anomaly_detection_ts,
    anomaly_detection_vec, trace,
};
use outrider::detector::{self, Points};
use outrider::query::{Direction, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    function: String,
    input: String,
    args: Args,
    n_anomalies: usize,
    expected: String,
    /// `None` for the Ts form.
    same_with_true_median_stl: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Args {
    max_anoms: Option<f64>,
    direction: Option<Side>,
    alpha: Option<f64>,
    only_last: Option<Value>,
    threshold: Option<Threshold>,
    #[serde(default)]
    e_value: bool,
    #[serde(default)]
    longterm: bool,
    period: Option<usize>,
    longterm_period: Option<usize>,
}

impl Args {
    fn common(&self) -> Parameters {
        let defaults = Parameters::default();
        Parameters {
            max_anoms: self.max_anoms.unwrap_or(defaults.max_anoms),
            direction: self.direction.unwrap_or(defaults.direction),
            alpha: self.alpha.unwrap_or(defaults.alpha),
            threshold: self.threshold,
            e_value: self.e_value,
        }
    }
}

/// An anomaly with its key as the files have it: an index from 1, or ms since the epoch.
type Found = (i64, f64, Option<f64>);

fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("OUTRIDER_SHARED").map(PathBuf::from);
    let shared = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let there = shared.join("shesd/cases.json").is_file();
    if !there {
        // Past the capture of test output, so that it is seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no S-H-ESD reference in {}; set OUTRIDER_SHARED to the folder that holds it",
            shared.display()
        );
    }
    there.then_some(shared)
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn time_ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

/// The series a call was made with.
fn input(shared: &Path, input: &str) -> (Vec<i64>, Vec<f64>) {
    if input == "1000 times the value 1" {
        return ((0..1_000).collect(), vec![1.0; 1_000]);
    }
    let (file, change) = match input.split_once(" [") {
        Some((file, change)) => (file, change.trim_end_matches(']')),
        None => (input, ""),
    };
    let path = match file.strip_prefix("NAB ") {
        Some(file) => shared.join("quality/public/data/nab").join(file.replace('/', "__")),
        None => shared.join("shesd").join(file),
    };
    let (mut times, mut values): (Vec<i64>, Vec<f64>) =
        rows(&path).iter().map(|row| (time_ms(&row[0]), row[1].parse::<f64>().unwrap())).unzip();
    match change {
        "" => {}
        "last row dropped" => {
            times.pop();
            values.pop();
        }
        "rows 1-10 and last value missing" => {
            values[..10].fill(f64::NAN);
            *values.last_mut().unwrap() = f64::NAN;
        }
        change => panic!("unknown change of the input: {change}"),
    }
    (times, values)
}

fn answer(case: &Case, times: &[i64], values: &[f64]) -> Vec<Found> {
    let common = case.args.common();
    if case.function == "AnomalyDetectionVec" {
        let parameters = VecParameters {
            common,
            period: case.args.period.unwrap(),
            longterm_period: case.args.longterm_period,
            only_last: case.args.only_last == Some(true.into()),
        };
        let found = anomaly_detection_vec(values, &parameters).unwrap();
        return found
            .iter()
            .map(|anomaly| (anomaly.index as i64 + 1, anomaly.value, anomaly.expected))
            .collect();
    }
    assert_eq!(case.function, "AnomalyDetectionTs");
    let only_last = match case.args.only_last.as_ref().map(|part| part.as_str().unwrap()) {
        None => None,
        Some("day") => Some(OnlyLast::Day),
        Some("hr") => Some(OnlyLast::Hr),
        Some(other) => panic!("unknown only_last {other}"),
    };
    let parameters =
        TsParameters { common, only_last, longterm: case.args.longterm, ..TsParameters::default() };
    let found = anomaly_detection_ts(times, values, &parameters).unwrap();
    found.iter().map(|anomaly| (anomaly.time_ms, anomaly.value, anomaly.expected)).collect()
}

#[test]
fn every_reference_call_gives_the_same_anomalies() {
    let Some(shared) = shared() else { return };
    let cases: Vec<Case> =
        serde_json::from_str(&fs::read_to_string(shared.join("shesd/cases.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 63);
    let mut wrong = Vec::new();
    let (mut anomalies, mut expected_values, mut unlike_expected_values) = (0, 0, 0);
    for case in &cases {
        let (times, values) = input(&shared, &case.input);
        let found = answer(case, &times, &values);
        let key = |text: &str| text.parse().unwrap_or_else(|_| time_ms(text));
        let mut reference: Vec<Found> = rows(&shared.join("shesd").join(&case.expected))
            .iter()
            .map(|row| {
                let expected = row.get(2).map(|text| text.parse().unwrap());
                (key(&row[0]), row[1].parse().unwrap(), expected)
            })
            .collect();
        assert_eq!(reference.len(), case.n_anomalies, "{}", case.id);
        // The original lists anomalies piece by piece, and the last piece of a long series reaches back; ours ascend.
        reference.sort_by_key(|anomaly| anomaly.0);
        anomalies += reference.len();
        let keys = |found: &[Found]| found.iter().map(|(key, value, _)| (*key, *value)).collect::<Vec<_>>();
        if keys(&found) != keys(&reference) {
            wrong.push(format!("{}: {} found, {} in the reference", case.id, found.len(), reference.len()));
            continue;
        }
        let unlike = found.iter().zip(&reference).filter(|(found, reference)| found.2 != reference.2).count();
        expected_values += found.iter().filter(|anomaly| anomaly.2.is_some()).count();
        unlike_expected_values += unlike;
        // R's STL takes an inexact median of an even number of residuals; the reference says where that shows.
        if unlike > 0 && case.same_with_true_median_stl != Some(false) {
            wrong.push(format!("{}: {unlike} expected values differ", case.id));
        }
    }
    println!(
        "{} calls, {anomalies} anomalies, {expected_values} expected values, {unlike_expected_values} unlike",
        cases.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same calls by the detector, as a query makes them under `training: visible-range`.
#[test]
fn every_reference_call_can_be_repeated_in_a_panel() {
    let Some(shared) = shared() else { return };
    let calls: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(shared.join("shesd/cases.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for call in calls {
        let case: Case = serde_json::from_value(call.clone()).unwrap();
        let mut options = json!({"kind": "s-h-esd"});
        for (name, value) in call["args"].as_object().unwrap() {
            options[camel_case(name)] = value.clone();
        }
        let kind: Kind = serde_json::from_value(options).unwrap();
        let built = detector::build(&kind, Direction::Both).unwrap();
        assert!(built.unknown_options.is_empty(), "{:?}", built.unknown_options);
        let (times, values) = input(&shared, &case.input);
        let points = Points { times: &times, values: &values };
        let judgement = built.detector.judge(points, points);
        let by_index = case.function == "AnomalyDetectionVec";
        let key = |index: usize| if by_index { index as i64 + 1 } else { times[index] };
        let flagged: Vec<i64> =
            (0..values.len()).filter(|index| judgement.verdicts[*index].is_outlier()).map(key).collect();
        let mut reference: Vec<i64> = rows(&shared.join("shesd").join(&case.expected))
            .iter()
            .map(|row| row[0].parse().unwrap_or_else(|_| time_ms(&row[0])))
            .collect();
        reference.sort_unstable();
        if flagged != reference {
            wrong.push(format!("{}: {} flagged of {}", case.id, flagged.len(), reference.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `max_anoms` → `maxAnoms`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn season_and_trend_are_those_of_r() {
    let Some(shared) = shared() else { return };
    for (file, period) in [("raw_data_p1440.csv", 1_440), ("nyc_taxi_p48.csv", 48)] {
        let rows = rows(&shared.join("shesd/stl").join(file));
        let column =
            |index: usize| rows.iter().map(|row| row[index].parse::<f64>().unwrap()).collect::<Vec<_>>();
        let (values, season, trend) = (column(0), column(1), column(2));
        // R's inexact median of an even number of residuals shows in the third digit.
        let tolerance = if values.len() % 2 == 1 { 1e-9 } else { 5e-3 };
        let spread = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let parts = Decomposition::of(&values, period).unwrap();
        for index in 0..values.len() {
            let off = (parts.season[index % period] - season[index]).abs();
            assert!(off <= tolerance * spread, "{file}: season {index} is off by {off}");
            let off = (parts.trend[index] - trend[index]).abs();
            assert!(off <= tolerance * spread, "{file}: trend {index} is off by {off}");
        }
    }
}

#[test]
fn every_round_of_the_test_is_that_of_the_reference() {
    let Some(shared) = shared() else { return };
    let (_, values) = input(&shared, "raw_data.csv");
    for (file, direction) in [("raw_data_both_002.csv", Side::Both), ("raw_data_pos_002.csv", Side::Pos)] {
        let common = Parameters { max_anoms: 0.02, direction, ..Parameters::default() };
        let rounds = trace(&values, 1_440, &common).unwrap();
        let reference = rows(&shared.join("shesd/trace").join(file));
        assert_eq!(rounds.len(), reference.len(), "{file}");
        for (round, row) in rounds.iter().zip(&reference) {
            assert_eq!((round.index + 1).to_string(), row[1], "{file} round {}", row[0]);
            let near = |ours: f64, text: &str| (ours / text.parse::<f64>().unwrap() - 1.0).abs();
            assert!(near(round.statistic, &row[2]) < 1e-9, "{file} round {}: {}", row[0], round.statistic);
            assert!(near(round.critical, &row[3]) < 1e-9, "{file} round {}: {}", row[0], round.critical);
        }
    }
}
