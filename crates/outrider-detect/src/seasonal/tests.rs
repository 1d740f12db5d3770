use chrono_tz::Tz;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};

use super::*;
use crate::options::parse_options;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn detector(options: &Value) -> Seasonal {
    Seasonal::new(parse_options("detector", options).unwrap(), Direction::Both).unwrap()
}

fn points<'a>(times: &'a [i64], values: &'a [f64]) -> Points<'a> {
    Points { times, values }
}

/// Judges the last `judged` points by those before.
fn judge(detector: &Seasonal, times: &[i64], values: &[f64], judged: usize) -> Judgement {
    let cut = times.len() - judged;
    detector.judge(points(&times[..cut], &values[..cut]), points(&times[cut..], &values[cut..]))
}

fn flagged(judgement: &Judgement) -> Vec<usize> {
    (0..judgement.verdicts.len()).filter(|i| judgement.verdicts[*i].is_outlier()).collect()
}

#[derive(Debug, Clone, Copy)]
enum Noise {
    Normal,
    /// Twice the normal's share of far values.
    Laplace,
    /// Normal, and four times as wide by day as by night.
    ByDay,
}

/// Times every `step`, and values with a daily and a weekly rhythm, a slow trend and noise of deviation about 2.
fn series(step: i64, len: usize, noise: Noise, trend_a_day: f64, seed: u64) -> (Vec<i64>, Vec<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let times: Vec<i64> = (0..len as i64).map(|i| i * step).collect();
    let values = times
        .iter()
        .map(|time| {
            let day = (time % DAY) as f64 / DAY as f64;
            let weekend = if (time / DAY) % 7 >= 5 { -30.0 } else { 0.0 };
            let uniform: f64 = rng.random();
            let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            let noise = match noise {
                Noise::Normal => 2.0 * normal,
                Noise::Laplace => -1.4 * (uniform - 0.5).signum() * (1.0 - 2.0 * (uniform - 0.5).abs()).ln(),
                Noise::ByDay => normal * if day < 0.5 { 1.0 } else { 4.0 },
            };
            let trend = trend_a_day * *time as f64 / DAY as f64;
            200.0 + 50.0 * (day * std::f64::consts::TAU).sin() + weekend + trend + noise
        })
        .collect();
    (times, values)
}

/// Share of points within the band: ten blocks of three days, each judged by the three weeks before it.
fn measured_coverage(options: &Value, noise: Noise, trend_a_day: f64) -> f64 {
    let detector = detector(options);
    let (a_day, window, block) = (96, 21 * 96, 3 * 96);
    let (times, values) = series(DAY / a_day, window + 10 * block, noise, trend_a_day, 7);
    let inside: usize = (0..10)
        .map(|number| {
            let run = number * block..window + (number + 1) * block;
            let judgement = judge(&detector, &times[run.clone()], &values[run], block);
            assert!(judgement.shortage.is_none(), "{:?}", judgement.shortage);
            block - flagged(&judgement).len()
        })
        .sum();
    inside as f64 / (10 * block) as f64
}

#[test]
fn the_band_covers_what_it_says() {
    for method in ["mstl", "quantiles"] {
        for noise in [Noise::Normal, Noise::Laplace, Noise::ByDay] {
            for (coverage, tolerance) in [(0.9, 0.015), (0.99, 0.006), (0.999, 0.004)] {
                let options = json!({"method": method, "coverage": coverage});
                let measured = measured_coverage(&options, noise, 0.0);
                let off = (measured - coverage).abs();
                assert!(off <= tolerance, "{method} {noise:?}: {coverage} stated, {measured:.4} measured");
            }
        }
    }
}

#[test]
fn a_trend_is_followed_by_mstl() {
    let (times, values) = series(HOUR / 4, 22 * 96, Noise::Normal, 1.0, 7);
    let mean_error = |method| {
        let judgement = judge(&detector(&json!({"method": method})), &times, &values, 96);
        values[21 * 96..]
            .iter()
            .zip(&judgement.expected)
            .map(|(value, expected)| value - expected)
            .sum::<f64>()
            / 96.0
    };
    assert!(mean_error("mstl").abs() < 1.5, "{}", mean_error("mstl"));
    assert!(mean_error("quantiles") > 8.0, "{}", mean_error("quantiles"));
}

#[test]
fn a_value_unusual_at_its_time_is_flagged_with_side_and_reason() {
    let (times, mut values) = series(HOUR / 4, 22 * 96, Noise::Normal, 0.0, 1);
    let start = 21 * 96;
    values[start + 24] = 200.0; // usual at midnight, low in the morning
    values[start + 72] = 200.0;
    values[start + 5] = f64::NAN;
    for method in ["mstl", "quantiles"] {
        let judgement = judge(&detector(&json!({"method": method})), &times, &values, 96);
        assert_eq!(flagged(&judgement), [24, 72], "{method}");
        assert_eq!((judgement.verdicts[24], judgement.verdicts[72]), (Verdict::Low, Verdict::High));
        assert_eq!(judgement.verdicts[5], Verdict::Missing);
        let (_, reason) = &judgement.reasons[0];
        assert!(reason.starts_with("200 is low: "), "{reason}");
        assert!(reason.contains("99.9 % of ordinary points lie from "), "{reason}");
        for (index, score) in judgement.scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
            assert_eq!(*score > 0.5, judgement.verdicts[index].is_outlier(), "{index}: {score}");
        }
    }
}

#[test]
fn a_spike_of_last_week_leaves_its_time_of_day_alone() {
    let (times, mut values) = series(HOUR / 4, 8 * 96, Noise::Normal, 0.0, 2);
    for day in 0..7 {
        for slot in 0..96 {
            // No weekends here: one season only.
            values[day * 96 + slot] += if day >= 5 { 30.0 } else { 0.0 };
        }
    }
    let clean = judge(&detector(&json!({"periods": ["1d"]})), &times, &values, 96);
    values[3 * 96 + 40] = 5_000.0;
    let spiked = judge(&detector(&json!({"periods": ["1d"]})), &times, &values, 96);
    assert_eq!(flagged(&spiked), flagged(&clean));
    assert!((clean.expected[40] - spiked.expected[40]).abs() < 2.0);
    assert!((clean.upper[40] - spiked.upper[40]).abs() < 2.0);
}

#[test]
fn the_clock_on_the_wall_rules_over_daylight_saving() {
    // Berlin put its clocks forward on 2024-03-31; the peak stays at nine there.
    let zone: Tz = "Europe/Berlin".parse().unwrap();
    let begin = 1_709_251_200_000; // 2024-03-01T00:00Z
    let times: Vec<i64> = (0..35 * 24).map(|hour| begin + hour * HOUR).collect();
    let hour_there = |time: i64| {
        use chrono::{TimeZone, Timelike};
        zone.timestamp_millis_opt(time).unwrap().hour()
    };
    let values: Vec<f64> = times
        .iter()
        .enumerate()
        .map(|(i, time)| if hour_there(*time) == 9 { 100.0 } else { 10.0 } + f64::from((i % 13) as u8) * 0.1)
        .collect();
    let after_the_change = 24 * 4;
    let in_zone = json!({"timeZone": "Europe/Berlin", "periods": ["1d"]});
    for method in ["mstl", "quantiles"] {
        let mut options = in_zone.clone();
        options["method"] = method.into();
        assert!(
            flagged(&judge(&detector(&options), &times, &values, after_the_change)).is_empty(),
            "{method}"
        );
        options["timeZone"] = "UTC".into();
        assert!(
            !flagged(&judge(&detector(&options), &times, &values, after_the_change)).is_empty(),
            "{method}"
        );
    }
}

#[test]
fn the_future_is_forecast() {
    let (times, values) = series(HOUR / 4, 28 * 96, Noise::Normal, 0.0, 3);
    let cut = 21 * 96;
    let model = detector(&json!({})).fit(points(&times[..cut], &values[..cut])).unwrap();
    assert_eq!(model.periods_ms(), [DAY, 7 * DAY]);
    let outside = (cut..values.len())
        .filter(|index| {
            let expectation = model.at(times[*index]);
            !(expectation.lower..=expectation.upper).contains(&values[*index])
        })
        .count();
    assert!(outside <= 7, "{outside} of 672");
}

#[test]
fn periods_are_found_or_taken() {
    let found = |days: usize, options: Value| {
        let (times, values) = series(HOUR, days * 24, Noise::Normal, 0.0, 4);
        detector(&options).fit(points(&times, &values)).map(|model| model.periods_ms().to_vec())
    };
    assert_eq!(found(7, json!({})).unwrap(), [DAY]);
    assert_eq!(found(21, json!({})).unwrap(), [DAY, 7 * DAY]);
    assert_eq!(found(9, json!({"periods": ["12h", "1d", "12h"]})).unwrap(), [DAY / 2, DAY]);
    assert_eq!(found(1, json!({})).unwrap_err(), "1.0 of 3 seasons of 1d are available");
    assert_eq!(
        found(10, json!({"periods": ["1d", "7d"]})).unwrap_err(),
        "1.4 of 3 seasons of 7d are available"
    );
    let too_far = found(9, json!({"periods": ["90m"]})).unwrap_err();
    assert_eq!(too_far, "the points are 1h apart, too far for a season of 90m");
}

#[test]
fn too_little_data_flags_nothing() {
    let (times, mut values) = series(HOUR, 60, Noise::Normal, 0.0, 5);
    values[59] = 1e9;
    let judgement = judge(&detector(&json!({})), &times, &values, 6);
    assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::NotJudged));
    assert_eq!(judgement.shortage.unwrap(), "2.2 of 3 seasons of 1d are available");
}

#[test]
fn gaps_and_phases_never_seen_are_no_findings() {
    let (times, mut values) = series(HOUR / 4, 15 * 96, Noise::Normal, 0.0, 6);
    for (index, value) in values.iter_mut().enumerate().take(14 * 96) {
        // Nothing is ever measured from two to four, and every 17th value is lost.
        if (8..16).contains(&(index % 96)) || index % 17 == 0 {
            *value = f64::NAN;
        }
    }
    for method in ["mstl", "quantiles"] {
        let detector = detector(&json!({"method": method, "periods": ["1d"]}));
        let judgement = judge(&detector, &times, &values, 96);
        assert_eq!(judgement.verdicts[12], Verdict::NotJudged);
        assert!(judgement.expected[12].is_nan());
        assert!(judgement.expected[50].is_finite());
    }
}

#[test]
fn a_silent_last_day_is_no_end_of_judging() {
    let (times, mut values) = series(HOUR / 4, 9 * 96, Noise::Normal, 0.0, 9);
    values[7 * 96..8 * 96].fill(f64::NAN);
    values[8 * 96 + 40] = 500.0;
    let judgement = judge(&detector(&json!({})), &times, &values, 96);
    assert_eq!(judgement.verdicts[40], Verdict::High);
}

#[test]
fn nothing_panics_on_strange_series() {
    let times: Vec<i64> = (0..200).map(|i| i * HOUR).collect();
    for method in ["mstl", "quantiles"] {
        let detector = detector(&json!({"method": method, "timeZone": "America/New_York"}));
        for values in [
            vec![7.0; 200],
            vec![f64::NAN; 200],
            (0..200).map(|i| if i % 2 == 0 { 1e308 } else { -1e308 }).collect(),
            (0..200).map(|i| if i == 190 { 1e308 } else { 1e-300 }).collect(),
            (0..200).map(|i| f64::from(i % 3) * 5e-324).collect(),
            (0..200).map(|i| f64::from(u8::from(i % 24 == 3))).collect(),
        ] {
            let judgement = judge(&detector, &times, &values, 24);
            assert_eq!(judgement.verdicts.len(), 24);
            assert!(judgement.scores.iter().all(|score| score.is_nan() || (0.0..=1.0).contains(score)));
            let all = points(&times, &values);
            assert_eq!(detector.judge(all, all).verdicts.len(), 200);
        }
        assert!(flagged(&judge(&detector, &times, &[7.0; 200], 24)).is_empty());
        let mut values = [7.0; 200];
        values[190] = 8.0;
        assert_eq!(flagged(&judge(&detector, &times, &values, 24)), [14]);
        let extreme = [i64::MIN, -1, 0, i64::MAX];
        let judgement = detector.judge(points(&times, &values), points(&extreme, &[1.0; 4]));
        assert_eq!(judgement.verdicts.len(), 4);
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for (options, word) in [
        (json!({"coverage": 1}), "coverage"),
        (json!({"coverage": 0.4}), "coverage"),
        (json!({"timeZone": "Mars/Olympus"}), "Mars/Olympus"),
        (json!({"periods": ["1d", "2d", "3d", "4d", "5d"]}), "periods"),
        (json!({"periods": ["0s"]}), "periods"),
        (json!({"periods": "1d"}), "periods"),
        (json!({"method": "magic"}), "method"),
    ] {
        let parsed: Result<Options> = parse_options("detector", &options);
        let refused = parsed.and_then(|options| Seasonal::new(options, Direction::Both)).unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn direction_silences_the_other_side_only() {
    let (times, mut values) = series(HOUR / 4, 8 * 96, Noise::Normal, 0.0, 8);
    values[7 * 96 + 10] = 900.0;
    values[7 * 96 + 20] = -900.0;
    let judged = |direction| {
        let options = parse_options("detector", &json!({})).unwrap();
        judge(&Seasonal::new(options, direction).unwrap(), &times, &values, 96)
    };
    let (high, low) = (judged(Direction::High), judged(Direction::Low));
    assert_eq!((high.verdicts[10], high.verdicts[20]), (Verdict::High, Verdict::Normal));
    assert_eq!((low.verdicts[10], low.verdicts[20]), (Verdict::Normal, Verdict::Low));
    assert_eq!(high.scores, low.scores);
    assert!(high.lower[0].is_nan() && high.upper[0].is_finite());
}
