use serde_json::json;

use super::*;
use crate::options::parse_options;

const STEP: i64 = 300_000;
const DAY: usize = 288;

fn detector(options: &Value, direction: Direction) -> SHEsd {
    SHEsd::new(parse_options("detector", options).unwrap(), direction).unwrap()
}

fn refused(options: &Value, direction: Direction) -> String {
    let parsed: Result<Options> = parse_options("detector", options);
    parsed.and_then(|options| SHEsd::new(options, direction)).unwrap_err().to_string()
}

/// Noise of about −1 to 1 that looks random and is the same each time.
fn noise(index: usize) -> f64 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let third = |shift: u32| f64::from((mixed >> shift) as u16) / 65_535.0;
    (third(0) + third(16) + third(32)) * 2.0 / 3.0 - 1.0
}

/// So many points of five minutes with a daily rhythm of 100 ± 50.
fn series(len: usize) -> (Vec<i64>, Vec<f64>) {
    let value = |i: usize| {
        let phase = (i % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
        100.0 + 50.0 * phase.sin() + 2.0 * noise(i)
    };
    ((0..len as i64).map(|i| i * STEP).collect(), (0..len).map(value).collect())
}

/// Judges the last `judged` points by those before.
fn judge(detector: &SHEsd, times: &[i64], values: &[f64], judged: usize) -> Judgement {
    let cut = times.len() - judged;
    detector.judge(
        Points { times: &times[..cut], values: &values[..cut] },
        Points { times: &times[cut..], values: &values[cut..] },
    )
}

fn flagged(judgement: &Judgement) -> Vec<usize> {
    (0..judgement.verdicts.len()).filter(|i| judgement.verdicts[*i].is_outlier()).collect()
}

#[test]
fn a_value_out_of_season_is_flagged_with_side_and_reason() {
    let (times, mut values) = series(8 * DAY);
    let start = 7 * DAY;
    // 150 is normal at a quarter of the day, and far out at three quarters.
    values[start + DAY * 3 / 4] = 150.0;
    values[start + DAY / 4] = 60.0;
    values[start + 10] = f64::NAN;
    let judgement = judge(&detector(&json!({}), Direction::Both), &times, &values, DAY);
    assert_eq!(flagged(&judgement), [DAY / 4, DAY * 3 / 4]);
    assert_eq!(judgement.verdicts[DAY * 3 / 4], Verdict::High);
    assert_eq!(judgement.verdicts[DAY / 4], Verdict::Low);
    assert_eq!(judgement.verdicts[10], Verdict::Missing);
    assert!(judgement.scores[10].is_nan());
    let (index, reason) = &judgement.reasons[0];
    assert_eq!(*index, DAY / 4);
    assert!(reason.starts_with("60 is low: "), "{reason}");
    assert!(reason.contains("expected at this point of the season"), "{reason}");
    for (index, score) in judgement.scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        assert_eq!(*score > 0.5, judgement.verdicts[index].is_outlier(), "{index}: {score}");
        let inside = (judgement.lower[index]..=judgement.upper[index]).contains(&values[start + index]);
        assert_eq!(inside, !judgement.verdicts[index].is_outlier(), "{index}");
    }
    assert!((judgement.expected[DAY / 4] - 150.0).abs() < 2.0);
}

#[test]
fn later_points_change_no_verdict() {
    let (times, mut values) = series(8 * DAY);
    for index in (7 * DAY + 3..8 * DAY).step_by(29) {
        values[index] += 40.0 * noise(index);
    }
    for options in [json!({}), json!({"longtermPeriod": 900, "threshold": "p95", "eValue": true})] {
        let detector = detector(&options, Direction::Both);
        let all = judge(&detector, &times, &values, DAY);
        for end in [1, 2, 57, 150, DAY] {
            let cut = 7 * DAY + end;
            let part = judge(&detector, &times[..cut], &values[..cut], end);
            assert_eq!(part.verdicts, all.verdicts[..end]);
            let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&part.scores), bits(&all.scores[..end]));
            assert_eq!(bits(&part.upper), bits(&all.upper[..end]));
            assert_eq!(bits(&part.expected), bits(&all.expected[..end]));
        }
    }
}

#[test]
fn the_visible_range_is_judged_as_the_original_judges_a_run() {
    let (times, mut values) = series(10 * DAY + 1);
    values[10 * DAY - 20] += 12.0;
    values[5 * DAY + DAY / 4] += 15.0;
    for index in (3..values.len()).step_by(97) {
        values[index] += 12.0 * noise(index * 31);
    }
    let run = |options: &Value| {
        let points = Points { times: &times, values: &values };
        detector(options, Direction::Both).judge(points, points)
    };
    let common =
        Parameters { max_anoms: 0.05, direction: Side::Both, e_value: true, ..Parameters::default() };
    let cases = [
        (json!({}), VecParameters { common, period: DAY, longterm_period: None, only_last: false }),
        (
            json!({"longtermPeriod": 3 * DAY}),
            VecParameters { common, period: DAY, longterm_period: Some(3 * DAY), only_last: false },
        ),
        (
            json!({"onlyLast": true, "direction": "pos"}),
            VecParameters {
                common: Parameters { direction: Side::Pos, ..common },
                period: DAY,
                longterm_period: None,
                only_last: true,
            },
        ),
        (
            json!({"threshold": "p95", "alpha": 0.01}),
            VecParameters {
                common: Parameters { threshold: Some(Threshold::P95), alpha: 0.01, ..common },
                period: DAY,
                longterm_period: None,
                only_last: false,
            },
        ),
    ];
    for (mut options, parameters) in cases {
        let merged = options.as_object_mut().unwrap();
        merged.extend(json!({"maxAnoms": 0.05, "period": DAY, "eValue": true}).as_object().unwrap().clone());
        let judgement = run(&options);
        let original = anomaly_detection_vec(&values, &parameters).unwrap();
        assert!(!original.is_empty(), "{options}");
        let indices: Vec<usize> = original.iter().map(|anomaly| anomaly.index).collect();
        assert_eq!(flagged(&judgement), indices, "{options}");
        for anomaly in original {
            assert_eq!(anomaly.expected, Some(judgement.expected[anomaly.index]));
        }
    }
}

#[test]
fn only_the_last_hour_or_day_is_flagged_if_asked() {
    let (times, mut values) = series(12 * DAY);
    for back in [5, 100, 500] {
        let index = values.len() - back;
        values[index] += 15.0;
    }
    let points = Points { times: &times, values: &values };
    for (part, count) in [("hr", 1), ("day", 2), ("", 3)] {
        let detector = detector(&json!({"onlyLast": part}), Direction::Both);
        let found = flagged(&detector.judge(points, points));
        assert_eq!(found.len(), count, "{part}: {found:?}");
    }
}

#[test]
fn the_end_of_a_run_is_judged_like_the_original_on_that_run() {
    let (times, mut values) = series(8 * DAY);
    for index in (7 * DAY..8 * DAY).step_by(17) {
        values[index] += 6.0 * noise(index * 7);
    }
    let judgement = judge(&detector(&json!({}), Direction::Both), &times, &values, DAY);
    let common = Parameters { direction: Side::Both, ..Parameters::default() };
    let parameters = VecParameters { common, period: DAY, longterm_period: None, only_last: false };
    let ends: Vec<usize> = (0..DAY).step_by(17).collect();
    let alike = ends.iter().filter(|index| {
        let end = 7 * DAY + **index + 1;
        let original = anomaly_detection_vec(&values[..end], &parameters).unwrap();
        let is_last = original.last().is_some_and(|anomaly| anomaly.index + 1 == end);
        is_last == judgement.verdicts[**index].is_outlier()
    });
    // Only the season differs: one more day of points moves it a little.
    assert!(alike.count() + 1 >= ends.len());
}

#[test]
fn direction_of_query_and_detector_go_together() {
    let (times, mut values) = series(8 * DAY);
    values[7 * DAY + 50] = 400.0;
    values[7 * DAY + 60] = -200.0;
    for (options, direction, wanted) in [
        (json!({}), Direction::Both, vec![50, 60]),
        (json!({}), Direction::High, vec![50]),
        (json!({}), Direction::Low, vec![60]),
        (json!({"direction": "pos"}), Direction::Both, vec![50]),
        (json!({"direction": "both"}), Direction::Low, vec![60]),
    ] {
        let judgement = judge(&detector(&options, direction), &times, &values, DAY);
        assert_eq!(flagged(&judgement), wanted, "{options} {direction:?}");
        assert!(judgement.scores[50] > 0.8 && judgement.scores[60] > 0.8);
    }
    let pos = judge(&detector(&json!({"direction": "pos"}), Direction::Both), &times, &values, DAY);
    assert!(pos.lower[0].is_nan() && pos.upper[0].is_finite());
    assert!(refused(&json!({"direction": "pos"}), Direction::Low).contains("flags the other"));
}

#[test]
fn a_threshold_keeps_lower_peaks_unflagged() {
    let (times, mut values) = series(8 * DAY);
    values[7 * DAY + DAY * 3 / 4] = 140.0;
    values[7 * DAY + 280] = 200.0;
    let flags = |options| flagged(&judge(&detector(&options, Direction::Both), &times, &values, DAY));
    assert_eq!(flags(json!({})), [DAY * 3 / 4, 280]);
    assert_eq!(flags(json!({"threshold": "None"})), [DAY * 3 / 4, 280]);
    assert_eq!(flags(json!({"threshold": "med_max"})), [280]);
}

#[test]
fn gaps_are_bridged_and_too_many_are_said() {
    let (times, mut values) = series(8 * DAY);
    for index in (0..7 * DAY).filter(|index| index % 11 == 0 || (500..600).contains(index)) {
        values[index] = f64::NAN;
    }
    values[7 * DAY + 100] += 80.0;
    let detector = detector(&json!({}), Direction::Both);
    let found = judge(&detector, &times, &values, DAY);
    assert!(found.shortage.is_none() && found.verdicts[100] == Verdict::High);
    assert!(flagged(&found).len() <= 3, "{:?}", flagged(&found));
    values[..4 * DAY].iter_mut().enumerate().filter(|(i, _)| i % 24 != 0).for_each(|(_, v)| *v = f64::NAN);
    let judgement = judge(&detector, &times, &values, DAY);
    assert!(flagged(&judgement).is_empty());
    assert!(judgement.shortage.unwrap().contains("more gaps than values"));
}

#[test]
fn too_short_a_window_says_how_many_seasons_there_are() {
    let (times, values) = series(DAY * 7 / 4);
    let judgement = judge(&detector(&json!({}), Direction::Both), &times, &values, DAY / 4);
    assert_eq!(judgement.shortage.unwrap(), "1.5 of 2 seasons of 1d are available");
    assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::NotJudged));
    let empty = detector(&json!({}), Direction::Both)
        .judge(Points { times: &[], values: &[] }, Points { times: &times, values: &values });
    assert_eq!(empty.shortage.unwrap(), "0 of the 3 training points needed are available");
}

#[test]
fn daily_points_have_a_weekly_season() {
    let times: Vec<i64> = (0..71).map(|day| day * DAY_MS).collect();
    let mut values: Vec<f64> =
        (0..71).map(|day| if day % 7 < 5 { 100.0 } else { 20.0 } + noise(day)).collect();
    values[68] = 100.0; // a Saturday like a Monday
    let judgement = judge(&detector(&json!({}), Direction::Both), &times, &values, 7);
    assert_eq!(flagged(&judgement), [4]);
}

#[test]
fn nothing_panics_on_strange_series() {
    let times: Vec<i64> = (0..100).map(|i| i * 3_600_000).collect();
    let detector = detector(&json!({"eValue": true, "threshold": "p99"}), Direction::Both);
    for values in [
        vec![1.0; 100],
        vec![f64::NAN; 100],
        (0..100).map(|i| if i % 2 == 0 { 1e308 } else { -1e308 }).collect(),
        (0..100).map(|i| if i == 50 { 1e308 } else { 1e-300 }).collect(),
        (0..100).map(|i| f64::from(i % 3) * 5e-324).collect(),
    ] {
        let judgement = judge(&detector, &times, &values, 20);
        assert_eq!(judgement.verdicts.len(), 20);
        assert!(judgement.scores.iter().all(|score| score.is_nan() || (0.0..=1.0).contains(score)));
        let points = Points { times: &times, values: &values };
        assert_eq!(detector.judge(points, points).verdicts.len(), 100);
    }
    let constant = judge(&detector, &times, &[7.0; 100], 20);
    assert!(constant.verdicts.iter().all(|verdict| *verdict == Verdict::Normal));
    assert!(constant.scores[0] <= 0.5 && (constant.expected[0] - 7.0).abs() < 1e-12);
}

#[test]
fn options_out_of_range_are_refused() {
    for (options, word) in [
        (json!({"maxAnoms": 0.5}), "maxAnoms"),
        (json!({"maxAnoms": 0}), "maxAnoms"),
        (json!({"alpha": 1}), "alpha"),
        (json!({"onlyLast": "week"}), "onlyLast"),
        (json!({"threshold": "p50"}), "threshold"),
        (json!({"period": 1}), "period"),
        (json!({"piecewiseMedianPeriodWeeks": 1}), "piecewiseMedianPeriodWeeks"),
        (json!({"period": 100, "longtermPeriod": 150}), "longtermPeriod"),
        (json!({"longterm": true, "longtermPeriod": 600}), "longtermPeriod"),
        (json!({"direction": "up"}), "direction"),
    ] {
        let error = refused(&options, Direction::Both);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn the_original_refuses_inner_gaps_and_short_series() {
    let parameters =
        VecParameters { common: Parameters::default(), period: 5, longterm_period: None, only_last: false };
    let mut values: Vec<f64> = (0..40).map(noise).collect();
    assert!(anomaly_detection_vec(&values, &parameters).is_ok());
    values[20] = f64::NAN;
    assert_eq!(anomaly_detection_vec(&values, &parameters), Err(Refusal::Gap));
    let short = Refusal::TooShort { points: 9, period: 5 };
    assert_eq!(anomaly_detection_vec(&values[..9], &parameters), Err(short));
    let ts = |times: &[i64]| anomaly_detection_ts(times, &vec![1.0; times.len()], &TsParameters::default());
    assert_eq!(ts(&[1, 2, 3]), Err(Refusal::TooFine));
    assert_eq!(ts(&[3, 2]), Err(Refusal::Times));
}

#[test]
fn the_ts_form_sums_seconds_to_minutes() {
    let minutes = 8 * 1_440;
    let times: Vec<i64> = (0..minutes * 2).map(|half| half as i64 * 30_000).collect();
    let mut values: Vec<f64> = (0..minutes * 2).map(|half| 10.0 + noise(half)).collect();
    values[5_001] += 8.0;
    let found = anomaly_detection_ts(&times, &values, &TsParameters::default()).unwrap();
    let sum = found.iter().find(|anomaly| anomaly.time_ms == 2_500 * 60_000).unwrap();
    assert_eq!(sum.value, values[5_000] + values[5_001]);
}
