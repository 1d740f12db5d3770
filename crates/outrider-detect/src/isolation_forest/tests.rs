use serde_json::json;

use super::*;
use crate::options::parse_options;

fn detector(options: &serde_json::Value, direction: Direction) -> IsolationForest {
    IsolationForest::new(parse_options("detector", options).unwrap(), direction).unwrap()
}

fn judge(detector: &IsolationForest, training: &[f64], judged: &[f64]) -> Judgement {
    let times: Vec<i64> = (0..training.len().max(judged.len()) as i64).collect();
    let points = |values| Points { times: &times[..], values };
    detector.judge(points(training), points(judged))
}

/// Values spread evenly over 10 ± 4.
fn training() -> Vec<f64> {
    (0..500).map(|i| 6.0 + 8.0 * f64::from((i * 193) % 500) / 500.0).collect()
}

#[test]
fn far_values_are_flagged_with_side_and_reason() {
    let judgement = judge(&detector(&json!({}), Direction::Both), &training(), &[10.0, 27.0, 0.0, f64::NAN]);
    assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High, Verdict::Low, Verdict::Missing]);
    assert_eq!(judgement.reasons.len(), 2);
    let (index, reason) = &judgement.reasons[0];
    assert_eq!(*index, 1);
    assert!(reason.starts_with("27 is high: "), "{reason}");
    assert!(reason.contains("robust sigmas from the expected 9.99"), "{reason}");
    assert!(judgement.scores[3].is_nan());
    assert!(judgement.lower[0] < 7.0 && judgement.upper[0] > 13.0);
}

#[test]
fn direction_silences_the_other_side_only() {
    let judged = [27.0, 0.0];
    let high = judge(&detector(&json!({}), Direction::High), &training(), &judged);
    assert_eq!(high.verdicts, [Verdict::High, Verdict::Normal]);
    assert!(high.lower[0].is_nan() && high.upper[0].is_finite());
    let low = judge(&detector(&json!({}), Direction::Low), &training(), &judged);
    assert_eq!(low.verdicts, [Verdict::Normal, Verdict::Low]);
    assert_eq!(high.scores, low.scores);
}

#[test]
fn contamination_flags_no_more_than_its_share_of_the_training() {
    let training: Vec<f64> = (0..1_000).map(|i| f64::from(i).powi(3)).collect();
    let judgement = judge(&detector(&json!({"contamination": 0.02}), Direction::Both), &training, &training);
    let flagged = judgement.verdicts.iter().filter(|verdict| verdict.is_outlier()).count();
    assert!((1..=20).contains(&flagged), "{flagged}");
}

#[test]
fn too_little_training_says_so_and_flags_nothing() {
    let judgement = judge(&detector(&json!({}), Direction::Both), &[1.0; 15], &[1e9, f64::NAN]);
    assert_eq!(judgement.verdicts, [Verdict::NotJudged, Verdict::Missing]);
    assert_eq!(judgement.shortage.unwrap(), "15 of the 16 training points needed are available");
}

#[test]
fn contamination_out_of_range_is_refused() {
    for share in [0.0, -0.1, 0.51] {
        let options = json!({"contamination": share});
        let error = parse_options::<Options>("detector", &options).unwrap_err().to_string();
        assert!(error.contains("contamination"), "{error}");
    }
}

const STEP: i64 = 300_000;
/// Begin of a day.
const T0: i64 = 1_700_006_400_000;

/// Judges all of `values` but the first `split` by those.
fn judge_after(options: &serde_json::Value, values: &[f64], split: usize) -> Judgement {
    judge_towards(options, Direction::Both, values, split)
}

fn judge_towards(
    options: &serde_json::Value,
    direction: Direction,
    values: &[f64],
    split: usize,
) -> Judgement {
    let times: Vec<i64> = (0..values.len() as i64).map(|slot| T0 + slot * STEP).collect();
    let points = Points { times: &times, values };
    detector(options, direction).judge(points.range(0..split), points.range(split..values.len()))
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn flagged(judgement: &Judgement) -> Vec<usize> {
    (0..judgement.verdicts.len()).filter(|point| judgement.verdicts[*point].is_outlier()).collect()
}

/// Numbers between -1 and 1 that look random and are the same in every run.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// A wave of 24 points around 10, between 6 and 14, with some noise.
fn wave(points: usize) -> Vec<f64> {
    let mut noise = noise(5);
    let tau = std::f64::consts::TAU;
    (0..points).map(|point| 10.0 + 4.0 * (point as f64 / 24.0 * tau).sin() + 0.2 * noise()).collect()
}

const TRAINED: usize = 2_016;

#[test]
fn the_value_alone_is_the_table_to_the_bit() {
    let values = wave(TRAINED + 288);
    let options = ForestOptions { n_trees: 100, sample_size: 256, seed: 42 };
    let table = StepForest::fit(&values[..TRAINED], &options).unwrap();
    let expected = bits(&table.scores(&values[TRAINED..]));
    for options in [json!({}), json!({"features": ["value"], "shingle": 1, "extensionLevel": 0})] {
        assert_eq!(bits(&judge_after(&options, &values, TRAINED).scores), expected);
    }
}

/// A trough that does not come: each value is an ordinary one, but not their run.
#[test]
fn a_missing_dip_is_seen_in_runs_of_points_and_not_in_values() {
    let mut values = wave(TRAINED + 288);
    let dip = 108..120;
    let mut noise = noise(9);
    for value in &mut values[TRAINED + dip.start..TRAINED + dip.end] {
        *value = 10.0 + 0.2 * noise();
    }
    let inside = |judgement: &Judgement, shingle: usize| {
        let held = dip.start..dip.end + shingle;
        let flagged = flagged(judgement);
        let inside = flagged.iter().filter(|point| held.contains(point)).count();
        (inside, flagged.len() - inside)
    };
    for options in [json!({}), json!({"contamination": 0.001})] {
        assert_eq!(inside(&judge_after(&options, &values, TRAINED), 1).0, 0);
    }
    for shingle in [8, 16] {
        let options = json!({"shingle": shingle, "extensionLevel": shingle - 1, "contamination": 0.001});
        let judgement = judge_after(&options, &values, TRAINED);
        let (hits, elsewhere) = inside(&judgement, shingle);
        assert!(hits >= 12 && elsewhere <= 2, "{shingle}: {hits} and {elsewhere}");
        // Known as soon as half of the trough is due.
        assert!(flagged(&judgement).iter().any(|point| (dip.start..dip.start + 6).contains(point)));
        let reason = &judgement.reasons[0].1;
        assert!(
            reason.contains(&format!(
                " ends an unusual run of {shingle} points: isolated by value, most of all "
            ))
        );
        assert!(judgement.expected.iter().chain(&judgement.lower).all(|value| value.is_nan()));
    }
}

/// The chance that a run of `held` scores above one of the others.
fn auc(scores: &[f64], held: &Range<usize>) -> f64 {
    let others = || scores.iter().enumerate().filter(|(point, _)| !held.contains(point));
    let above: f64 = scores[held.clone()]
        .iter()
        .map(|inside| others().map(|(_, score)| 0.5 * (1.0 + (inside - score).signum())).sum::<f64>())
        .sum();
    above / (held.len() * others().count()) as f64
}

/// Shapes that a wave never had, of values that it often had: why cuts look in any direction unless told not to.
#[test]
fn cuts_in_any_direction_rank_new_shapes_higher() {
    // A trough that does not come, the wave at double speed, steps instead of a wave, and straight lines.
    let shapes: [fn(f64) -> f64; 4] = [
        |_| 0.0,
        |turn| (2.0 * std::f64::consts::TAU * turn).sin(),
        |turn| if turn.fract() < 0.5 { 0.7 } else { -0.7 },
        |turn| (turn.fract() * 4.0 - 2.0).abs() - 1.0,
    ];
    let mut means = [0.0; 2];
    for (number, shape) in shapes.iter().enumerate() {
        for shingle in [4, 8, 16] {
            let mut values = wave(TRAINED + 576);
            let mut noise = noise(number as u64);
            let changed = 252..276;
            for point in changed.clone() {
                values[TRAINED + point] = 10.0 + 4.0 * shape(point as f64 / 24.0) + 0.2 * noise();
            }
            // Runs of which at least half is new.
            let held = changed.start + shingle / 2..changed.end + shingle / 2;
            let rank = |options| auc(&judge_after(&options, &values, TRAINED).scores, &held);
            let one = rank(json!({"shingle": shingle, "extensionLevel": 0}));
            let all = rank(json!({"shingle": shingle}));
            println!("shape {number}, {shingle} points: {one:.4} {all:.4}");
            means = [means[0] + one / 12.0, means[1] + all / 12.0];
        }
    }
    println!("{means:.4?}");
    assert!(means[1] > 0.96 && means[0] < 0.92, "{means:.4?}");
}

/// The default is all numbers of a row, whatever makes them; 0 stays possible, and of one number there is nothing to choose.
#[test]
fn cuts_look_at_all_numbers_unless_told_not_to() {
    let values = slow_wave(TRAINED + 288);
    let scores = |options: &serde_json::Value| bits(&judge_after(options, &values, TRAINED).scores);
    for (rows, most) in [
        (json!({}), 0),
        (json!({"shingle": 5}), 4),
        (json!({"features": ["value", "difference"], "shingle": 3}), 5),
        (json!({"features": ["value", "time-of-day"]}), 2),
    ] {
        let with = |extension_level: serde_json::Value| {
            let mut options = rows.clone();
            options["extensionLevel"] = extension_level;
            scores(&options)
        };
        assert_eq!(scores(&rows), with(json!(most)), "{rows}");
        assert_eq!(scores(&rows), with(json!(null)), "{rows}");
        assert_eq!(scores(&rows) == with(json!(0)), most == 0, "{rows}");
    }
}

/// A slow wave between 6 and 14 with little noise.
fn slow_wave(points: usize) -> Vec<f64> {
    let mut noise = noise(3);
    let tau = std::f64::consts::TAU;
    (0..points).map(|point| 10.0 + 4.0 * (point as f64 / 288.0 * tau).sin() + 0.3 * noise()).collect()
}

/// As many points in the middle of the values' range vary more.
fn with_burst(burst: Range<usize>) -> Vec<f64> {
    let mut values = slow_wave(TRAINED + 288);
    let mut noise = noise(4);
    for value in &mut values[TRAINED + burst.start..TRAINED + burst.end] {
        *value += 2.0 * noise();
    }
    values
}

#[test]
fn a_burst_of_variance_is_seen_by_the_rolling_deviation_and_named() {
    let burst = 140..160;
    let values = with_burst(burst.clone());
    // The window still holds the burst for a while.
    let held = burst.start..burst.end + 11;
    assert!(!flagged(&judge_after(&json!({}), &values, TRAINED)).iter().any(|point| held.contains(point)));
    for (features, words) in [
        (json!(["rolling-std"]), " is unusual, its rolling-std of "),
        (json!(["value", "rolling-std"]), " is unusual: isolated mainly by rolling-std ("),
    ] {
        let judgement = judge_after(&json!({"features": features}), &values, TRAINED);
        let hits = flagged(&judgement).iter().filter(|point| held.contains(point)).count();
        assert!(hits >= 24, "{features}: {hits}");
        let (_, reason) = judgement.reasons.iter().find(|(point, _)| *point == 150).unwrap();
        assert!(reason.contains(words), "{reason}");
        assert_eq!(judgement.verdicts[150], Verdict::High, "{reason}");
    }
}

#[test]
fn direction_is_that_of_the_feature_that_isolates_the_point() {
    let values = with_burst(140..160);
    let options = json!({"features": ["value", "rolling-std"]});
    let both = judge_after(&options, &values, TRAINED);
    let high = judge_towards(&options, Direction::High, &values, TRAINED);
    let low = judge_towards(&options, Direction::Low, &values, TRAINED);
    assert_eq!(bits(&both.scores), bits(&high.scores));
    for (point, verdict) in both.verdicts.iter().enumerate() {
        let expected = match verdict {
            Verdict::High => (Verdict::High, Verdict::Normal),
            Verdict::Low => (Verdict::Normal, Verdict::Low),
            other => (*other, *other),
        };
        assert_eq!((high.verdicts[point], low.verdicts[point]), expected);
    }
    assert_eq!(high.verdicts[150], Verdict::High);
    assert_eq!(low.verdicts[150], Verdict::Normal);
}

#[test]
fn the_reason_names_the_feature() {
    let mut values = slow_wave(TRAINED + 288);
    // At six in the evening the wave is lowest.
    values[TRAINED + 216] = 14.0;
    let all = ["value", "difference", "rolling-mean", "rolling-std", "time-of-day"];
    for (features, needles) in [
        (&["value", "time-of-day"][..], &["isolated mainly by ", "value (", "time-of-day (", "at 18:00"][..]),
        (&["value", "difference"], &["isolated mainly by difference (", "%), high: 8.", "usually "]),
        (&["rolling-mean", "difference"], &["isolated mainly by difference ("]),
        (&all, &["difference ("]),
    ] {
        let options = json!({"features": features, "contamination": 0.01});
        let judgement = judge_after(&options, &values, TRAINED);
        let (_, reason) = judgement.reasons.iter().find(|(point, _)| *point == 216).unwrap();
        assert!(needles.iter().all(|needle| reason.contains(needle)), "{reason}");
        assert!(reason.starts_with("14 is unusual: "), "{reason}");
    }
    // Far away in value and in nothing else: another level of the same noise, which has rare ends.
    let mut noise = noise(8);
    let mut values: Vec<f64> =
        (0..TRAINED + 288).map(|_| 10.0 + noise() + noise() + noise() + noise()).collect();
    values[TRAINED + 200..].iter_mut().for_each(|value| *value += 20.0);
    let options = json!({"features": ["rolling-std", "value"], "extensionLevel": 1});
    let judgement = judge_after(&options, &values, TRAINED);
    let (_, reason) = judgement.reasons.iter().find(|(point, _)| *point == 250).unwrap();
    assert!(reason.contains("isolated mainly by value ("), "{reason}");
}

#[test]
fn the_zone_decides_what_time_it_is() {
    let mut values = slow_wave(TRAINED + 288);
    values[TRAINED + 216] = 14.0;
    for (zone, time) in [("", "at 18:00"), ("Europe/Berlin", "at 19:00"), ("Asia/Kolkata", "at 23:30")] {
        let options = json!({"features": ["time-of-day", "value"], "contamination": 0.001, "timeZone": zone});
        let judgement = judge_after(&options, &values, TRAINED);
        let (_, reason) = judgement.reasons.iter().find(|(point, _)| *point == 216).unwrap();
        assert!(reason.contains(time), "{zone}: {reason}");
    }
}

#[test]
fn less_than_a_day_of_training_knows_no_time_of_day() {
    let options = json!({"features": ["value", "time-of-day"]});
    let shortage = |trained: usize| judge_after(&options, &slow_wave(600), trained).shortage;
    let expected = "20 of the 24 hours of training needed to know every time of the day are available";
    assert_eq!(shortage(240).as_deref(), Some(expected));
    assert_eq!(shortage(288), None);
}

#[test]
fn the_band_of_a_difference_follows_the_value() {
    let mut values = slow_wave(TRAINED + 288);
    values[TRAINED + 150] += 3.0;
    values[TRAINED + 200] = f64::NAN;
    let judgement = judge_after(&json!({"features": ["difference"]}), &values, TRAINED);
    let mut inside = 0;
    for point in 0..288 {
        let (value, before) = (values[TRAINED + point], values[TRAINED + point - 1]);
        let (lower, upper) = (judgement.lower[point], judgement.upper[point]);
        match judgement.verdicts[point] {
            Verdict::Normal => {
                assert!((judgement.expected[point] - before).abs() < 0.1);
                inside += usize::from(lower <= value && value <= upper);
            }
            Verdict::High => assert!(value > upper),
            Verdict::Low => assert!(value < lower),
            _ => assert!(lower.is_nan() && [200, 201].contains(&point)),
        }
    }
    assert!(inside > 250 && judgement.verdicts[150] == Verdict::High);
    assert_eq!(judgement.verdicts[200..202], [Verdict::Missing, Verdict::NotJudged]);
}

#[test]
fn a_run_with_a_gap_has_no_score_and_trains_nothing() {
    let mut values = wave(400);
    values[350] = f64::NAN;
    let judgement = judge_after(&json!({"shingle": 8, "extensionLevel": 7}), &values, 300);
    for (point, score) in judgement.scores.iter().enumerate() {
        let held = (50..58).contains(&point);
        assert_eq!(score.is_nan(), held, "{point}");
        let expected = if point == 50 { Verdict::Missing } else { Verdict::NotJudged };
        assert_eq!(judgement.verdicts[point] == expected, held, "{point}");
    }
    let mut training = wave(400);
    training.iter_mut().take(300).step_by(7).for_each(|value| *value = f64::NAN);
    let judgement = judge_after(&json!({"shingle": 8}), &training, 300);
    assert_eq!(
        judgement.shortage.unwrap(),
        "0 of the 32 training points needed, with all their features, are available"
    );
}

/// The shape of every option that adds numbers to a row.
fn shapes() -> [serde_json::Value; 8] {
    [
        json!({"shingle": 5}),
        json!({"shingle": 6, "extensionLevel": 5}),
        json!({"features": ["difference"]}),
        json!({"features": ["rolling-std"], "featureWindow": 5, "shingle": 3}),
        json!({"features": ["value", "difference", "rolling-mean", "rolling-std", "time-of-day"]}),
        json!({"features": ["value", "time-of-day"], "extensionLevel": 2, "contamination": 0.02}),
        json!({"features": ["rolling-mean", "value"], "shingle": 3, "extensionLevel": 3}),
        json!({"features": ["rolling-mean"], "featureWindow": 30, "threshold": 0.5}),
    ]
}

#[test]
fn the_first_points_of_a_block_look_back_into_the_training() {
    let values = with_burst(0..10);
    for shape in shapes() {
        let judgement = judge_after(&shape, &values, TRAINED);
        assert!(judgement.scores.iter().all(|score| (0.0..=1.0).contains(score)), "{shape}");
        // Whatever the block: a model of the same training points says the same of the same point.
        let times: Vec<i64> = (0..values.len() as i64).map(|slot| T0 + slot * STEP).collect();
        let points = Points { times: &times, values: &values };
        let visible = detector(&shape, Direction::Both).judge(points, points);
        let unknown = visible.verdicts.iter().take_while(|verdict| **verdict == Verdict::NotJudged).count();
        assert!(
            unknown < 30 && visible.verdicts[unknown..].iter().all(|verdict| *verdict != Verdict::NotJudged)
        );
    }
}

#[test]
fn what_comes_later_changes_no_bit() {
    let mut values = with_burst(30..40);
    values[TRAINED + 60..TRAINED + 63].fill(f64::NAN);
    values[TRAINED + 250] = 1e300;
    for shape in shapes() {
        let whole = judge_after(&shape, &values, TRAINED);
        for end in [1, 35, 61, 64, 200] {
            let part = judge_after(&shape, &values[..TRAINED + end], TRAINED);
            assert_eq!(bits(&part.scores), bits(&whole.scores[..end]), "{shape}");
            assert_eq!(part.verdicts, whole.verdicts[..end], "{shape}");
            assert_eq!(part.reasons, whole.reasons[..part.reasons.len()], "{shape}");
        }
    }
}

#[test]
fn nothing_panics_where_there_is_little_or_much() {
    let hard: Vec<f64> = [f64::MAX, f64::MIN, 1e-300, 0.0, f64::NAN, -1e300, 5e-324, 1.0].repeat(20);
    for shape in shapes() {
        for values in [&hard[..], &[7.0; 160], &[f64::NAN; 160], &[1.0], &[]] {
            for split in [0, 1, values.len() / 2, values.len()] {
                let split = split.min(values.len());
                let judgement = judge_after(&shape, values, split);
                assert!(judgement.fits(values.len() - split));
                if split < 2 {
                    assert!(flagged(&judgement).is_empty());
                }
            }
        }
        // A constant is nowhere unusual, unless a share of the points is asked for whatever they are.
        let judgement = judge_after(&shape, &[0.1; 900], 600);
        assert!(shape.get("contamination").is_some() || flagged(&judgement).is_empty(), "{shape}");
    }
}

#[test]
fn training_that_is_missing_is_not_replaced_by_the_judged_points() {
    for shape in shapes() {
        let judgement = judge_after(&shape, &wave(400), 0);
        assert!(
            judgement.shortage.is_some() && judgement.scores.iter().all(|score| score.is_nan()),
            "{shape}"
        );
    }
}

#[test]
fn wrong_options_say_what_is_possible() {
    for (options, needles) in [
        (json!({"features": []}), &["detector.features", "at least one"][..]),
        (
            json!({"features": ["value", "difference", "value"]}),
            &["detector.features", "\"value\" is named twice"],
        ),
        (json!({"features": ["time-of-day"]}), &["detector.features", "alone", "add a feature"]),
        (json!({"features": ["mean"]}), &["detector.features", "rolling-mean", "time-of-day"]),
        (json!({"featureWindow": 1}), &["detector.featureWindow", "2 to 1000"]),
        (json!({"shingle": 65}), &["detector.shingle", "1 to 64"]),
        (json!({"shingle": 0}), &["detector.shingle", "1 to 64"]),
        (json!({"timeZone": "Mars/Olympus"}), &["detector.timeZone", "Europe/Berlin"]),
        (json!({"extensionLevel": 1}), &["detector.extensionLevel", "expected 0 to 0", "one number"]),
        (
            json!({"shingle": 8, "extensionLevel": 8}),
            &["detector.extensionLevel", "expected 0 to 7", "8 numbers"],
        ),
        (
            json!({"features": ["value", "rolling-std", "time-of-day"], "shingle": 4, "extensionLevel": 10}),
            &["detector.extensionLevel", "expected 0 to 9", "10 numbers"],
        ),
        (json!({"extensionLevel": -1}), &["detector.extensionLevel", "0 to"]),
        (
            json!({"shingle": 64, "extensionLevel": 63, "nTrees": 10_000, "sampleSize": 65_536}),
            &["detector.nTrees", "detector.sampleSize", "MiB", "lower"],
        ),
    ] {
        let error = parse_options("detector", &options)
            .and_then(|options| IsolationForest::new(options, Direction::Both))
            .unwrap_err();
        for needle in needles {
            assert!(error.to_string().contains(needle), "{options}: {error} lacks {needle}");
        }
    }
    // The most of each by itself is fine.
    detector(&json!({"shingle": 64, "extensionLevel": 63, "nTrees": 1_000}), Direction::Both);
    detector(&json!({"nTrees": 10_000, "sampleSize": 65_536}), Direction::Both);
}
