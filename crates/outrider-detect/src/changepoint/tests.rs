use serde_json::json;

use super::charts::{Chart, FIRST_REGIME};
use super::*;
use crate::options::parse_options;
use crate::whiten::normal_quantile;

pub(crate) const STEP_MS: i64 = 300_000;
const DAY: usize = 288;
const WEEK: usize = 7 * DAY;

pub(crate) fn times(from: usize, count: usize) -> Vec<i64> {
    (from..from + count).map(|i| i as i64 * STEP_MS).collect()
}

/// Reproducible noise (SplitMix64).
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Above 0 and below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 12) as f64 / (1_u64 << 52) as f64 + 1e-16
    }

    /// AR(1) noise of standard deviation 1.
    pub(crate) fn carried(&mut self, count: usize, carry: f64) -> Vec<f64> {
        let fresh = (1.0 - carry * carry).sqrt();
        let mut value = normal_quantile(self.uniform());
        (0..count)
            .map(|_| {
                value = carry * value + fresh * normal_quantile(self.uniform());
                value
            })
            .collect()
    }
}

fn detector(options: &serde_json::Value) -> Changepoint {
    Changepoint::new(parse_options("detector", options).unwrap(), Direction::Both).unwrap()
}

/// Judges what follows the first `training` of `values`, in one block.
fn judge(options: &serde_json::Value, values: &[f64], training: usize) -> Judgement {
    let times = times(0, values.len());
    let points =
        |range: std::ops::Range<usize>| Points { times: &times[range.clone()], values: &values[range] };
    detector(options).judge(points(0..training), points(training..values.len()))
}

fn flags(judgement: &Judgement) -> Vec<(usize, Verdict)> {
    judgement.verdicts.iter().copied().enumerate().filter(|(_, verdict)| verdict.is_outlier()).collect()
}

/// Judges day by day as the engine does, each by the week before; the number of flags a week.
fn alarms_per_week(options: &serde_json::Value, values: &[f64]) -> f64 {
    let times = times(0, values.len());
    let detector = detector(options);
    let mut flagged = 0;
    let mut days = 0;
    for day in (WEEK..values.len() - DAY + 1).step_by(DAY) {
        let training = Points { times: &times[day - WEEK..day], values: &values[day - WEEK..day] };
        let judged = Points { times: &times[day..day + DAY], values: &values[day..day + DAY] };
        flagged += flags(&detector.judge(training, judged)).len();
        days += 1;
    }
    f64::from(flagged as u32) / f64::from(days) * 7.0
}

#[test]
fn a_chart_alarms_as_rarely_as_its_threshold_says() {
    for (reference, run_length) in [(1.0, 500.0), (0.5, 2_000.0), (0.2, 1_000.0)] {
        let threshold = Threshold::new(reference, run_length);
        let mut source = Source::new(11);
        let (mut chart, mut alarms) = (Chart::default(), 0.0);
        let points = 1_000_000.0;
        for _ in 0..1_000_000 {
            chart.add(normal_quantile(source.uniform()) - reference);
            if chart.sum > threshold.height {
                chart = Chart::default();
                alarms += 1.0;
            }
        }
        let measured = points / alarms;
        assert!((measured / run_length - 1.0).abs() < 0.1, "{reference}: {measured} for {run_length}");
    }
}

#[test]
fn false_alarms_are_as_many_as_asked_for() {
    let mut measured = Vec::new();
    for (name, carry, exponential) in
        [("white", 0.0, false), ("exponential", 0.0, true), ("AR 0.5", 0.5, false), ("AR 0.8", 0.8, false)]
    {
        let mut source = Source::new(21);
        let values: Vec<f64> = if exponential {
            (0..41 * WEEK).map(|_| -source.uniform().ln()).collect()
        } else {
            source.carried(41 * WEEK, carry)
        };
        for rate in [7.0, 1.0] {
            let found = alarms_per_week(&json!({"falseAlarmsPerWeek": rate, "minSize": 2}), &values);
            measured.push((name, rate, found));
        }
    }
    for (name, rate, found) in measured {
        assert!(found > rate / 3.0 && found < rate * 1.7, "{name}: {found} for {rate}");
    }
}

#[test]
fn a_level_change_is_flagged_once_at_its_onset() {
    for (carry, shift, within) in [(0.0, 4.0, 8), (0.0, -4.0, 8), (0.0, 2.0, 25), (0.7, 5.0, 25)] {
        let mut values = Source::new(31).carried(WEEK + 3 * DAY, carry);
        let onset = WEEK + 100;
        values[onset..].iter_mut().for_each(|value| *value = *value + shift + 50.0);
        values[..onset].iter_mut().for_each(|value| *value += 50.0);
        let judgement = judge(&json!({}), &values, WEEK);
        let found = flags(&judgement);
        assert_eq!(found.len(), 1, "{carry} {shift}: {:?}", judgement.reasons);
        let (row, verdict) = found[0];
        assert!((100..100 + within).contains(&row), "{carry} {shift}: {row}");
        assert_eq!(verdict, if shift > 0.0 { Verdict::High } else { Verdict::Low });
        assert!((judgement.expected[row] - 50.0).abs() < 0.5);
        assert!((judgement.expected[3 * DAY - 1] - 50.0 - shift).abs() < 0.5, "{carry} {shift}");
        assert!(judgement.scores[row] > 0.5);
        let others = judgement.scores.iter().enumerate().filter(|(other, _)| *other != row);
        assert!(others.map(|(_, score)| *score).fold(0.0, f64::max) <= 0.5);
        let reason = &judgement.reasons[0].1;
        assert!(reason.starts_with("the level went ") && reason.contains(" robust sigmas) over"), "{reason}");
    }
}

#[test]
fn a_change_of_the_noise_is_flagged_once_with_its_side() {
    for (factor, verdict) in [(4.0, Verdict::High), (0.2, Verdict::Low)] {
        let mut values = Source::new(41).carried(WEEK + 3 * DAY, 0.0);
        values[WEEK + 100..].iter_mut().for_each(|value| *value *= factor);
        let judgement = judge(&json!({"kinds": "variance"}), &values, WEEK);
        let found = flags(&judgement);
        assert_eq!(found.len(), 1, "{factor}: {:?}", judgement.reasons);
        assert_eq!(found[0].1, verdict);
        assert!((100..150).contains(&found[0].0), "{found:?}");
        let band = judgement.upper[3 * DAY - 1] - judgement.lower[3 * DAY - 1];
        assert!((band / (6.0 * factor) - 1.0).abs() < 0.2, "{factor}: {band}");
        assert!(judgement.reasons[0].1.starts_with("the noise "), "{:?}", judgement.reasons);
    }
}

#[test]
fn kinds_choose_what_is_an_event() {
    let mut values = Source::new(51).carried(WEEK + 2 * DAY, 0.0);
    values[WEEK + 100..].iter_mut().for_each(|value| *value += 6.0);
    assert_eq!(flags(&judge(&json!({"kinds": "level"}), &values, WEEK)).len(), 1);
    assert_eq!(flags(&judge(&json!({"kinds": "both"}), &values, WEEK)).len(), 1);
    let variance = judge(&json!({"kinds": "variance"}), &values, WEEK);
    assert_eq!(flags(&variance), []);
    assert!(variance.scores.iter().all(|score| *score <= 0.5));
}

#[test]
fn wild_points_are_no_change() {
    let mut values = Source::new(61).carried(WEEK + 2 * DAY, 0.0);
    for index in (WEEK + 20..WEEK + 2 * DAY).step_by(60) {
        values[index] = 1e6;
    }
    assert_eq!(flags(&judge(&json!({}), &values, WEEK)), []);
}

#[test]
fn a_day_is_no_chain_of_changes() {
    let wave = |i: usize| (i as f64 / DAY as f64 * std::f64::consts::TAU).sin();
    type Shape<'a> = (&'a str, &'a dyn Fn(usize) -> f64);
    let shapes: [Shape<'_>; 3] = [
        ("sine", &|i| 10.0 * wave(i)),
        ("office hours", &|i| if (96..204).contains(&(i % DAY)) { 15.0 } else { 0.0 }),
        ("busy hour", &|i| if (30..42).contains(&(i % DAY)) { 30.0 } else { 0.0 }),
    ];
    for (name, shape) in shapes {
        let noise = Source::new(71).carried(13 * WEEK, 0.5);
        let mut values: Vec<f64> = noise.iter().enumerate().map(|(i, e)| 100.0 + shape(i) + e).collect();
        let alarms = alarms_per_week(&json!({}), &values);
        assert!(alarms < 0.5, "{name}: {alarms}");
        values.truncate(WEEK + 2 * DAY);
        values[WEEK + 130..].iter_mut().for_each(|value| *value += 8.0);
        let judgement = judge(&json!({}), &values, WEEK);
        assert_eq!(flags(&judgement).len(), 1, "{name}: {:?}", judgement.reasons);
        assert!(judgement.reasons[0].1.contains("beside its daily pattern"), "{:?}", judgement.reasons);
        let off = (judgement.expected[DAY + 250] - 108.0 - shape(WEEK + DAY + 250)).abs();
        assert!(off < 2.0, "{name}: {off}");
    }
}

#[test]
fn a_rhythm_of_no_day_raises_the_bar() {
    let noise = Source::new(81).carried(5 * WEEK, 0.3);
    let values: Vec<f64> =
        noise.iter().enumerate().map(|(i, e)| e + if (i / 77) % 2 == 0 { 6.0 } else { 0.0 }).collect();
    let alarms = alarms_per_week(&json!({"kinds": "level"}), &values);
    assert!(alarms < 6.0, "{alarms} of the 26 steps a week");
}

#[test]
fn a_change_in_the_training_window_is_over() {
    let mut values = Source::new(91).carried(WEEK + 2 * DAY, 0.0);
    values[WEEK / 2..].iter_mut().for_each(|value| *value += 20.0);
    let judgement = judge(&json!({}), &values, WEEK);
    assert_eq!(flags(&judgement), []);
    assert!((judgement.expected[0] - 20.0).abs() < 0.3, "{}", judgement.expected[0]);
    values[WEEK + 100..].iter_mut().for_each(|value| *value -= 20.0);
    let back = judge(&json!({}), &values, WEEK);
    assert_eq!(flags(&back).len(), 1);
    assert!((100..112).contains(&flags(&back)[0].0), "{:?}", flags(&back));
}

#[test]
fn sparse_and_whole_numbers_are_no_chain_of_changes() {
    let mut source = Source::new(141);
    let busy = |share: f64, source: &mut Source| {
        if source.uniform() < share { 1.0 + 5.0 * source.uniform() } else { 0.0 }
    };
    let sparse: Vec<f64> = (0..5 * WEEK).map(|_| busy(0.1, &mut source)).collect();
    let regular: Vec<f64> = (0..5 * WEEK).map(|i| f64::from(u8::from(i % 10 == 0))).collect();
    let whole: Vec<f64> = source.carried(5 * WEEK, 0.3).iter().map(|value| (2.0 * value).round()).collect();
    for (name, values) in [("sparse", &sparse), ("regular", &regular), ("whole", &whole)] {
        let alarms = alarms_per_week(&json!({}), values);
        assert!(alarms < 1.0, "{name}: {alarms}");
    }
    let mut values = sparse[..WEEK + DAY].to_vec();
    values[WEEK + 100..].iter_mut().for_each(|value| *value += 20.0);
    let found = flags(&judge(&json!({}), &values, WEEK));
    assert_eq!(found.first().map(|(_, verdict)| *verdict), Some(Verdict::High));
    assert!((100..110).contains(&found[0].0), "{found:?}");
}

#[test]
fn a_constant_that_changes_is_flagged_once() {
    let mut values = vec![3.0; 200];
    values[150..].fill(4.0);
    values[175] = f64::NAN;
    let judgement = judge(&json!({}), &values, 100);
    assert_eq!(flags(&judgement), [(54, Verdict::High)]);
    assert_eq!(judgement.verdicts[75], Verdict::Missing);
    assert_eq!((judgement.expected[0], judgement.expected[99]), (3.0, 4.0));
    assert_eq!(judgement.lower[0], judgement.upper[0]);
    assert!(judgement.reasons[0].1.starts_with("the level went up from 3 to 4 over the last 5 points"));
}

#[test]
fn direction_silences_the_other_side_only() {
    let mut values = Source::new(101).carried(WEEK + DAY, 0.0);
    values[WEEK + 100..].iter_mut().for_each(|value| *value += 6.0);
    let times = times(0, values.len());
    let training = Points { times: &times[..WEEK], values: &values[..WEEK] };
    let judged = Points { times: &times[WEEK..], values: &values[WEEK..] };
    let of = |direction| Changepoint::new(Options::default(), direction).unwrap().judge(training, judged);
    let (high, low) = (of(Direction::High), of(Direction::Low));
    assert_eq!((flags(&high).len(), flags(&low).len()), (1, 0));
    assert_eq!(high.scores, low.scores);
    assert_eq!(high.expected, low.expected);
}

#[test]
fn what_comes_later_changes_no_bit() {
    let mut values = Source::new(111).carried(WEEK + DAY, 0.6);
    values[WEEK + 50..].iter_mut().for_each(|value| *value += 6.0);
    values[WEEK + 80] = f64::NAN;
    let whole = judge(&json!({}), &values, WEEK);
    for end in [1, 52, 60, 81, 200] {
        let part = judge(&json!({}), &values[..WEEK + end], WEEK);
        assert_eq!(part.verdicts[..], whole.verdicts[..end]);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&part.scores), bits(&whole.scores[..end]));
        assert_eq!(bits(&part.expected), bits(&whole.expected[..end]));
        assert_eq!(part.reasons[..], whole.reasons[..part.reasons.len()]);
    }
}

#[test]
fn training_on_the_judged_points_themselves_begins_with_them() {
    let mut values = Source::new(121).carried(1_000, 0.0);
    values[600..].iter_mut().for_each(|value| *value += 6.0);
    let times = times(0, 1_000);
    let points = Points { times: &times, values: &values };
    let judgement = detector(&json!({})).judge(points, points);
    assert!(judgement.verdicts[..FIRST_REGIME].iter().all(|verdict| *verdict == Verdict::NotJudged));
    assert_eq!(flags(&judgement).len(), 1);
    assert!((600..610).contains(&flags(&judgement)[0].0));
}

#[test]
fn nothing_panics_whatever_the_values() {
    for size in [1e-300, 1e150, 1e300, f64::MAX] {
        let mut values: Vec<f64> = Source::new(131).carried(500, 0.3);
        values.iter_mut().for_each(|value| *value = (*value / 5.0).clamp(-1.0, 1.0) * size);
        values[350..370].fill(-size);
        values[100] = f64::INFINITY;
        let judgement = judge(&json!({}), &values, 300);
        assert_eq!(judgement.verdicts.len(), 200);
        assert!(judgement.scores.iter().all(|score| (0.0..=1.0).contains(score)), "{size}");
    }
    let judgement = judge(&json!({}), &vec![f64::NAN; 300], 200);
    assert!(judgement.verdicts.iter().all(|verdict| *verdict == Verdict::Missing));
}

#[test]
fn too_little_training_says_so() {
    let judgement = judge(&json!({}), &[1.0; 70], 63);
    assert_eq!(judgement.verdicts, [Verdict::NotJudged; 7]);
    assert_eq!(judgement.shortage.unwrap(), "63 of the 64 training points needed are available");
}

#[test]
fn an_option_out_of_range_is_refused_by_name() {
    for (options, name) in
        [(json!({"falseAlarmsPerWeek": 0}), "falseAlarmsPerWeek"), (json!({"minShift": 11}), "minShift")]
    {
        let error = parse_options::<Options>("detector", &options).unwrap_err().to_string();
        assert!(error.contains(&format!("option detector.{name}")), "{error}");
    }
    let error = parse_options::<Options>("detector", &json!({"kinds": "mean"})).unwrap_err().to_string();
    assert!(error.contains("detector.kinds") && error.contains("variance"), "{error}");
}
