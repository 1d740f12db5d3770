//! What an operator expects of the detector, on series made for it.

use super::*;
use crate::options::Kind;

const MINUTE: i64 = 60_000;
const STEP: i64 = 5 * MINUTE;
const DAY_POINTS: usize = 288;
/// A Monday, 2025-06-02.
const BEGIN: i64 = 1_748_822_400_000;

/// Uniform in −1 to 1, the same for the same index.
fn noise(index: usize) -> f64 {
    let mut z = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// About normal: the sum of twelve uniform numbers.
pub(super) fn gaussian(index: usize) -> f64 {
    (0..12).map(|part| noise(12 * index + part)).sum::<f64>() / 2.0
}

/// Requests with a daily rhythm between 60 and 140, and noise.
fn daily(days: usize) -> Vec<f64> {
    let rhythm = |index: usize| (index as f64 / DAY_POINTS as f64 * std::f64::consts::TAU).sin();
    (0..days * DAY_POINTS).map(|index| 100.0 + 40.0 * rhythm(index) + 3.0 * noise(index)).collect()
}

fn build(options: &str, direction: Direction) -> Result<Auto> {
    let kind: Kind = serde_json::from_str(options).unwrap();
    Auto::new(kind.parse("detector").unwrap().options, direction)
}

/// All of `values` judged in the default blocks.
fn judge_with(detector: &Auto, values: &[f64], begin: i64) -> Judgement {
    judge_from(detector, values, begin, 0)
}

/// The blocks of `values` that begin at the index `first` or later.
fn judge_from(detector: &Auto, values: &[f64], begin: i64, first: usize) -> Judgement {
    let times: Vec<i64> = (0..values.len() as i64).map(|index| begin + index * STEP).collect();
    let (window_ms, refit_ms) = detector.default_training(STEP);
    let timing = Timing { step_ms: Some(STEP), refit_ms: Some(refit_ms), lookback_ms: None };
    let before = |ms: i64| times.partition_point(|time| *time < ms);
    let blocks: Vec<Block> = timing
        .cells(&times, &[])
        .into_iter()
        .filter(|judged| judged.start >= first)
        .map(|judged| {
            let from = times[judged.start].div_euclid(refit_ms) * refit_ms;
            Block { training: before(from - window_ms)..judged.start, judged }
        })
        .collect();
    let mut all = Judgement::default();
    for judgement in detector.judge_blocks(Points { times: &times, values }, &blocks, timing) {
        all.append(judgement);
    }
    all
}

fn judge(values: &[f64]) -> Judgement {
    judge_with(&build("{}", Direction::Both).unwrap(), values, BEGIN)
}

/// Index ranges of flagged points.
fn incidents(judgement: &Judgement) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for index in (0..judgement.verdicts.len()).filter(|index| judgement.verdicts[*index].is_outlier()) {
        match found.last_mut() {
            Some(last) if last.end == index => last.end += 1,
            _ => found.push(index..index + 1),
        }
    }
    found
}

fn reason(judgement: &Judgement, index: usize) -> &str {
    &judgement.reasons.iter().find(|(at, _)| *at == index).expect("a flagged point has a reason").1
}

#[test]
fn an_ordinary_rhythm_raises_no_alarm_and_is_expected() {
    let values = daily(14);
    let judgement = judge(&values);
    // The first days, in which the rhythm is not known yet, may be wrong.
    let late: Vec<_> =
        incidents(&judgement).into_iter().filter(|range| range.start >= 3 * DAY_POINTS).collect();
    assert!(late.is_empty(), "{late:?}");
    for (index, value) in values.iter().enumerate().skip(5 * DAY_POINTS) {
        assert!((judgement.expected[index] - value).abs() < 10.0, "{index}");
    }
    let inside = |index: &usize| (judgement.lower[*index]..judgement.upper[*index]).contains(&values[*index]);
    let rows = 5 * DAY_POINTS..values.len();
    assert!(rows.clone().filter(inside).count() as f64 > 0.98 * rows.len() as f64);
}

#[test]
fn what_an_operator_would_call_out_is_flagged_at_once() {
    let at = 10 * DAY_POINTS + 100;
    type Change = fn(usize, f64) -> f64;
    let cases: [(&str, Change, Verdict, usize); 4] = [
        ("a spike", |since, value| if since == 0 { value * 4.0 } else { value }, Verdict::High, 1),
        ("a drop to zero", |_, _| 0.0, Verdict::Low, 1),
        ("another level", |_, value| value + 60.0, Verdict::High, 3),
        ("night values at day", |_, _| 62.0, Verdict::Low, 6),
    ];
    for (name, change, verdict, within) in cases {
        let mut values = daily(11);
        for (since, value) in values[at..].iter_mut().enumerate() {
            *value = change(since, *value);
        }
        let judgement = judge(&values);
        let found: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > at - 50).collect();
        assert!(
            found.first().is_some_and(|range| (at..at + within).contains(&range.start)),
            "{name} at {at}: {found:?}"
        );
        assert_eq!(judgement.verdicts[found[0].start], verdict, "{name}");
        // A mere jump may be told before the score stands out.
        assert!(judgement.scores[at..at + within].iter().any(|score| *score > 0.5), "{name}");
        assert!(reason(&judgement, found[0].start).contains("expected"), "{name}");
    }
}

#[test]
fn the_first_zero_ever_is_named() {
    let mut values = daily(8);
    let at = 7 * DAY_POINTS + 20;
    values[at] = 0.0;
    let judgement = judge(&values);
    assert_eq!(judgement.verdicts[at], Verdict::Low);
    assert!(reason(&judgement, at).contains("never zero"), "{}", reason(&judgement, at));
}

#[test]
fn what_a_reason_says_of_a_mean_is_true_of_it() {
    let at = 10 * DAY_POINTS + 100;
    let mut told = 0;
    for (points, factor) in [(40, 0.0), (18, 6.0)] {
        let mut values = daily(11);
        values[at..at + points].iter_mut().for_each(|value| *value *= factor);
        let judgement = judge(&values);
        for (index, reason) in judgement.reasons.iter().filter(|(index, _)| *index >= at) {
            assert!(!reason.contains("points are "), "{reason}");
            for (side, sign) in [("above", 1.0), ("below", -1.0)] {
                let Some((before, _)) = reason.split_once(&format!(" points is {side} what is expected"))
                else {
                    continue;
                };
                let window: usize = before.rsplit_once(' ').unwrap().1.parse().unwrap();
                let off = |point: usize| values[point] - judgement.expected[point];
                let sum: f64 = (index + 1 - window..=*index).map(off).sum();
                assert!(sum * sign > 0.0, "{sum}: {reason}");
                told += 1;
            }
        }
    }
    assert!(told > 0);
}

#[test]
fn a_constant_that_changes_is_flagged_and_one_that_does_not_is_not() {
    let mut values = vec![7.0; 5 * DAY_POINTS];
    assert!(incidents(&judge(&values)).is_empty());
    let at = 4 * DAY_POINTS;
    values[at..].fill(8.0);
    let judgement = judge(&values);
    assert_eq!(incidents(&judgement)[0].start, at);
    assert!(reason(&judgement, at).contains("constant"), "{}", reason(&judgement, at));
}

#[test]
fn a_lively_series_that_freezes_is_flagged() {
    let mut values: Vec<f64> = (0..8 * DAY_POINTS).map(|index| 50.0 + 10.0 * noise(index)).collect();
    let at = 7 * DAY_POINTS;
    let frozen = values[at];
    values[at..].fill(frozen);
    let judgement = judge(&values);
    let found = incidents(&judgement);
    assert!(found.iter().any(|range| (at..at + 100).contains(&range.start)), "{found:?}");
}

#[test]
fn a_spike_after_a_return_to_normal_is_told_again() {
    let mut values = daily(12);
    let at = 10 * DAY_POINTS;
    let spikes: Vec<usize> = (at..at + 60).step_by(20).collect();
    for index in &spikes {
        values[*index] = 400.0;
    }
    let late: Vec<_> = incidents(&judge(&values)).into_iter().filter(|range| range.start >= at).collect();
    assert_eq!(late, spikes.iter().map(|index| *index..*index + 1).collect::<Vec<_>>());
}

#[test]
fn gaps_are_missing_and_do_not_disturb_what_follows() {
    let mut values = daily(10);
    let gap = 8 * DAY_POINTS..8 * DAY_POINTS + 10;
    values[gap.clone()].fill(f64::NAN);
    let judgement = judge(&values);
    for index in 0..values.len() {
        assert_eq!(judgement.verdicts[index] == Verdict::Missing, gap.contains(&index), "{index}");
        assert!(!gap.contains(&index) || judgement.scores[index].is_nan());
    }
    assert!(incidents(&judgement).iter().all(|range| range.start < 3 * DAY_POINTS));
}

#[test]
fn no_verdict_looks_ahead() {
    let mut values = daily(6);
    values[1_500] = 500.0;
    values[1_600..1_650].fill(20.0);
    let whole = judge(&values);
    for end in [60, 400, 1_501, 1_502, 1_630, 1_727] {
        let cut = judge(&values[..end]);
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&cut.scores), bits(&whole.scores[..end]), "cut after {end}");
        assert_eq!(cut.verdicts, whole.verdicts[..end], "cut after {end}");
    }
}

/// Judges one block with exactly what the reach promises before it, and with wild points before that.
fn judge_with_reach(step: i64, refit: i64, point: impl Fn(i64) -> Option<f64>) -> [Judgement; 2] {
    let detector = build(r#"{"refractory":0}"#, Direction::Both).unwrap();
    let Reach { lookback_ms, .. } = detector.reach(step);
    let timing = Timing { step_ms: Some(step), refit_ms: Some(refit), lookback_ms: Some(lookback_ms) };
    let judge_from = BEGIN.div_euclid(refit) * refit;
    let train_from = judge_from - 200 * step;
    let run_from = (train_from - lookback_ms).div_euclid(refit) * refit;
    let judge = |from: i64| {
        let slots = (from..judge_from + refit.min(20 * step)).step_by(step as usize);
        // The wild ones end some time before, so that a gap lies between.
        let wild = |time: i64| if time < run_from - step { Some(1e6 + time as f64) } else { point(time) };
        let (times, values): (Vec<i64>, Vec<f64>) = slots
            .filter_map(|time| Some((time, if time < run_from { wild(time)? } else { point(time)? })))
            .unzip();
        let before = |ms: i64| times.partition_point(|time| *time < ms);
        let block = Block {
            training: before(train_from)..before(judge_from),
            judged: before(judge_from)..times.len(),
        };
        detector.judge_blocks(Points { times: &times, values: &values }, &[block], timing).remove(0)
    };
    [judge(run_from), judge(run_from - 700 * step)]
}

#[test]
fn what_lies_before_the_reach_changes_no_bit() {
    let value = |time: i64| ((time / MINUTE) % 1_440) as f64 / 100.0 + noise((time / MINUTE) as usize);
    type Series<'a> = &'a dyn Fn(i64) -> Option<f64>;
    for (step, refit) in [(MINUTE, 30 * MINUTE), (MINUTE, 1_440 * MINUTE), (60 * MINUTE, 360 * MINUTE)] {
        let begin = BEGIN - build("{}", Direction::Both).unwrap().reach(step).lookback_ms - 200 * step;
        let nulls = |time: i64| if time < begin + 700 * step { Some(f64::NAN) } else { Some(value(time)) };
        let hole = |time: i64| (time > begin + 500 * step || time < begin - step).then(|| value(time));
        // So far apart that windows would hold points of long ago.
        let sparse = |time: i64| (time > BEGIN - 200 * step || (time / step) % 11 == 0).then(|| value(time));
        let count = |time: i64| (2 * (time / MINUTE) % 30_011) as f64 + 0.9 * noise((time / MINUTE) as usize);
        let counter = |time: i64| hole(time).map(|_| 1.0 + count(time));
        // Some of its points are missing for long, some are low.
        let skewed = |time: i64| {
            let slot = time / step;
            let value = 40.0 * noise((time / MINUTE) as usize).exp().powi(2);
            (slot % 900 > 350).then_some(if slot % 50 == 0 { value / 50.0 } else { value })
        };
        let series: [(&str, Series<'_>); 6] = [
            ("skewed", &skewed),
            ("whole", &|time| Some(value(time))),
            ("nulls", &nulls),
            ("hole", &hole),
            ("sparse", &sparse),
            ("counter", &counter),
        ];
        for (name, point) in series {
            let [exact, more] = judge_with_reach(step, refit, point);
            assert!(exact.scores.iter().any(|score| score.is_finite()), "{name} {step}");
            let bits = |of: &Judgement| {
                let columns = [&of.scores, &of.expected, &of.lower, &of.upper];
                columns.map(|column| column.iter().map(|number| number.to_bits()).collect::<Vec<_>>())
            };
            assert_eq!(bits(&exact), bits(&more), "{name} {step} {refit}");
            assert_eq!(
                (exact.verdicts, exact.reasons),
                (more.verdicts, more.reasons),
                "{name} {step} {refit}"
            );
        }
    }
}

#[test]
fn direction_and_sensitivity_decide_what_is_flagged_but_not_the_scores() {
    let mut values = daily(9);
    values[8 * DAY_POINTS] = 300.0;
    values[8 * DAY_POINTS + 200] = 0.0;
    let both = judge(&values);
    let high = judge_with(&build("{}", Direction::High).unwrap(), &values, BEGIN);
    assert!(high.verdicts.iter().all(|verdict| *verdict != Verdict::Low));
    assert_eq!(high.verdicts[8 * DAY_POINTS], Verdict::High);
    let flagged =
        |judgement: &Judgement| judgement.verdicts.iter().filter(|verdict| verdict.is_outlier()).count();
    let dull = judge_with(&build(r#"{"sensitivity":0.0}"#, Direction::Both).unwrap(), &values, BEGIN);
    let keen = judge_with(&build(r#"{"sensitivity":1.0}"#, Direction::Both).unwrap(), &values, BEGIN);
    assert!(flagged(&dull) <= flagged(&both) && flagged(&both) < flagged(&keen));
}

#[test]
fn days_follow_the_clock_of_the_time_zone_when_it_changes() {
    // Clocks in Berlin go back an hour on 2025-10-26; the rhythm follows them: busy from 8 to 18 o'clock.
    let begin = 1_760_400_000_000; // 2025-10-14
    let zone: Tz = "Europe/Berlin".parse().unwrap();
    let values: Vec<f64> = (0..16 * DAY_POINTS)
        .map(|index| {
            let time = chrono::DateTime::from_timestamp_millis(begin + index as i64 * STEP).unwrap();
            let hour = chrono::Timelike::hour(&time.with_timezone(&zone));
            (if (8..18).contains(&hour) { 100.0 } else { 20.0 }) + 2.0 * noise(index)
        })
        .collect();
    // The day after the change.
    let after = 13 * DAY_POINTS..14 * DAY_POINTS;
    let off = |options: &str| {
        let judgement = judge_with(&build(options, Direction::Both).unwrap(), &values, begin);
        after.clone().filter(|index| (judgement.expected[*index] - values[*index]).abs() > 40.0).count()
    };
    assert_eq!(off(r#"{"timeZone":"Europe/Berlin"}"#), 0);
    assert!(
        off("{}") >= 20,
        "by UTC, an hour in the morning and one in the evening are wrong: {}",
        off("{}")
    );
}

#[test]
fn too_little_training_flags_nothing_and_says_so() {
    let values = daily(1);
    let judgement = judge_with(&build("{}", Direction::Both).unwrap(), &values[..100], BEGIN);
    assert!(judgement.shortage.as_deref().is_some_and(|why| why.contains("of the 40 training points")));
    assert!(incidents(&judgement).is_empty());
    // From 40 points on there are scores, from 150 on flags.
    let needed = "of the 150 training points that flags need are available";
    assert!(
        judgement.unflagged.as_deref().is_some_and(|why| why.ends_with(needed)),
        "{:?}",
        judgement.unflagged
    );
    assert!(judgement.scores[60..].iter().all(|score| score.is_finite()));
}

#[test]
fn an_unknown_time_zone_is_refused_with_an_example() {
    let error = build(r#"{"timeZone":"Mars/Olympus"}"#, Direction::Both).unwrap_err();
    assert!(
        error.to_string().contains("Mars/Olympus") && error.to_string().contains("Europe/Berlin"),
        "{error}"
    );
}

#[test]
fn wild_numbers_neither_panic_nor_hang() {
    let wild = [0.0, -0.0, 1e300, -1e300, 1e-300, f64::MAX, f64::MIN, f64::NAN, f64::MIN_POSITIVE, 3.0];
    let values: Vec<f64> = (0..2_000).map(|index| wild[(index * index + index / 7) % wild.len()]).collect();
    let judgement = judge(&values);
    assert_eq!(judgement.scores.len(), values.len());
    assert!(judgement.scores.iter().all(|score| score.is_nan() || (0.0..=1.0).contains(score)));
    let all_gaps = judge(&[f64::NAN; 500]);
    assert!(all_gaps.verdicts.iter().all(|verdict| *verdict == Verdict::Missing));
}

#[test]
fn sensitivity_means_a_number_of_false_alarms_a_day() {
    // The table of docs/detectors/auto.md, to an order of magnitude, on 60 days of noise.
    let values: Vec<f64> = (0..75 * DAY_POINTS).map(gaussian).collect();
    let a_day = |sensitivity: f64| {
        let detector = build(&format!(r#"{{"sensitivity":{sensitivity}}}"#), Direction::Both).unwrap();
        let late = incidents(&judge_with(&detector, &values, BEGIN));
        late.iter().filter(|range| range.start >= 15 * DAY_POINTS).count() as f64 / 60.0
    };
    let (few, many) = (a_day(0.5), a_day(0.9));
    assert!(few <= 0.2, "{few}");
    assert!((0.3..=5.0).contains(&many), "{many}");
}

#[test]
fn a_shift_of_level_is_told_even_where_levels_shift_often() {
    // Another level every 800 points, up and down in turn by different heights.
    let level = |index: usize| {
        let number = index / 800;
        if number.is_multiple_of(2) { 0.0 } else { 8.0 + (number % 3) as f64 }
    };
    let values: Vec<f64> = (0..24_000).map(|index| level(index) + gaussian(index)).collect();
    let found = incidents(&judge(&values));
    let rises = (11..30).step_by(2).map(|number| number * 800);
    let told = rises.filter(|at| found.iter().any(|range| (*at..at + 12).contains(&range.start))).count();
    assert!(told >= 8, "{told} of 10: {found:?}");
}

#[test]
fn another_level_in_white_noise_is_told_each_time_and_its_end_is_not() {
    // A quarter of all points is at one of five lower levels, at no time of the day or of a cycle more than at others.
    let depth = |number: usize| 4.0 + (number * number * 7 % 11 % 5) as f64;
    let begin = |number: usize| number * 410 + (number * 7_919 + number * number * 104_729) % 293;
    let dip = |index: usize| {
        let number = index / 410;
        if (begin(number)..begin(number) + 100).contains(&index) { depth(number) } else { 0.0 }
    };
    let values: Vec<f64> = (0..9_000).map(|index| gaussian(index) - dip(index)).collect();
    let told = |options: &str, direction| {
        incidents(&judge_with(&build(options, direction).unwrap(), &values, BEGIN))
    };
    let all = told("{}", Direction::Both);
    let begin_near =
        |at: usize, points: usize| all.iter().any(|range| (at..at + points).contains(&range.start));
    // More than half of what is looked at must be of the new level.
    let begun = (8..21).filter(|number| begin_near(begin(*number), 12)).count();
    let ended = (8..21).filter(|number| begin_near(begin(*number) + 100, 50)).count();
    assert!(begun >= 12 && ended <= 2, "{begun} of 13, {ended} ends: {all:?}");
    let late = |told: Vec<Range<usize>>| told.into_iter().filter(|range| range.start >= 3_300).count();
    // All but the two ends.
    assert!(late(told("{}", Direction::Low)) + 2 >= late(all.clone()));
    assert!(late(told("{}", Direction::High)) <= 2);
    // The refractory time of other incidents does not hide them, a longer one does.
    let (rarely, often) = (late(told(r#"{"refractory":10000}"#, Direction::Both)), late(all));
    assert!(3 * rarely < 2 * often, "{rarely} {often}");
}

#[test]
fn in_a_trend_what_is_expected_lies_within_its_band() {
    // Three times as far in a day as the noise is wide. It falls now and then, so that it is no counter.
    let values: Vec<f64> = (0..20 * DAY_POINTS).map(|index| 0.02 * index as f64 + noise(index)).collect();
    let judgement = judge(&values);
    for index in 16 * DAY_POINTS..values.len() {
        let (lower, expected, upper) =
            (judgement.lower[index], judgement.expected[index], judgement.upper[index]);
        assert!(lower < expected && expected < upper, "{index}: {lower} {expected} {upper}");
        assert!((expected - 0.02 * index as f64).abs() < 2.0, "{index}: {expected}");
    }
}

#[test]
fn a_step_that_is_made_every_other_day_is_a_habit_in_the_end() {
    // Three hours of work each 30 hours, always as much.
    let values: Vec<f64> =
        (0..9_000).map(|index| gaussian(index) + if index % 360 < 36 { 8.0 } else { 0.0 }).collect();
    let told = incidents(&judge(&values));
    let is_told =
        |number: &usize| told.iter().any(|range| (number * 360..number * 360 + 36).contains(&range.start));
    let begun: Vec<usize> = (0..25).filter(is_told).collect();
    let late = begun.iter().filter(|number| **number >= 10).count();
    assert!(begun.contains(&2) && late <= 5, "{begun:?}: {told:?}");
}

#[test]
fn bursts_in_white_noise_are_no_level() {
    // Half an hour of work, every three hours or so.
    let burst = |index: usize| index % 37 < 6;
    let values: Vec<f64> =
        (0..9_000).map(|index| gaussian(index) + if burst(index) { 50.0 } else { 0.0 }).collect();
    let told = incidents(&judge(&values));
    assert!(told.iter().filter(|range| range.start >= 3_300).count() <= 2, "{told:?}");
}

#[test]
fn a_jump_that_the_season_makes_too_is_none() {
    // Weekends are a third lower from midnight to midnight.
    let is_weekend = |index: usize| index / DAY_POINTS % 7 >= 5;
    let values: Vec<f64> = (0..28 * DAY_POINTS)
        .map(|index| if is_weekend(index) { 200.0 } else { 300.0 } + 4.0 * gaussian(index))
        .collect();
    // A week is known after two.
    let told: Vec<_> =
        incidents(&judge(&values)).into_iter().filter(|range| range.start >= 14 * DAY_POINTS).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// `days` of a rhythm, in which `change` makes what it likes of the points from `at` to `end`.
fn changed(days: usize, points: Range<usize>, change: impl Fn(f64) -> f64) -> Judgement {
    let mut values = daily(days);
    for value in &mut values[points] {
        *value = change(*value);
    }
    judge(&values)
}

#[test]
fn what_is_wrong_beyond_doubt_is_flagged_until_it_ends_and_no_longer() {
    let at = 15 * DAY_POINTS + 100;
    let frozen = daily(16)[at];
    type Change = fn(f64, f64) -> f64;
    let cases: [(&str, Change, usize, usize); 5] = [
        ("at zero for six hours", |_, _| 0.0, 0, 72),
        ("at zero for a day", |_, _| 0.0, 0, 288),
        ("below zero", |_, _| -3.0, 0, 72),
        ("twice as far out as ever", |value, _| value + 120.0, 0, 72),
        // Four repeats show that it is frozen, as no value was ever repeated.
        ("frozen", |_, frozen| frozen, 4, 72),
    ];
    for (name, change, after, points) in cases {
        let judgement = changed(18, at..at + points, |value| change(value, frozen));
        let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > at - 50).collect();
        assert_eq!(told, vec![Range { start: at + after, end: at + points }], "{name}");
    }
}

#[test]
fn what_is_told_within_the_band_says_what_it_is_about_and_since_when() {
    let at = 15 * DAY_POINTS + 100;
    let frozen = daily(16)[at];
    let judgement = changed(16, at..at + 12, |_| frozen);
    let rows: Vec<usize> = judgement.abouts.iter().map(|(row, _)| *row).collect();
    let within = |row: &usize| {
        judgement.verdicts[*row].is_outlier()
            && (judgement.lower[*row]..=judgement.upper[*row]).contains(&frozen)
    };
    assert!(
        !rows.is_empty() && rows.iter().all(|row| (at + 4..at + 12).contains(row) && within(row)),
        "{rows:?}"
    );
    let since_ms = BEGIN + at as i64 * STEP;
    assert!(judgement.abouts.iter().all(|(_, about)| *about == About { what: "frozen", since_ms }));
    // Far outside of it the picture says enough.
    assert!(changed(16, at..at + 12, |_| 0.0).abouts.is_empty());
}

#[test]
fn low_is_a_ratio_where_values_are_skewed() {
    let mut values: Vec<f64> =
        (0..21 * DAY_POINTS).map(|index| 100.0 * (0.35 * gaussian(index)).exp()).collect();
    // At different times, so that none is a habit.
    let outages = [16 * DAY_POINTS + 100, 18 * DAY_POINTS + 150, 20 * DAY_POINTS + 200].map(|at| at..at + 12);
    for outage in &outages {
        values[outage.clone()].fill(0.5);
    }
    let judgement = judge(&values);
    for outage in outages {
        let told = outage.clone().filter(|index| judgement.verdicts[*index] == Verdict::Low).count();
        assert!(told >= 11, "{told} of {outage:?}");
    }
    // Half of what is usual is not rare.
    let lowest = judgement.lower[20 * DAY_POINTS];
    assert!((10.0..60.0).contains(&lowest), "{lowest}");
}

#[test]
fn an_outage_shows_the_same_wherever_blocks_begin() {
    for shift in 0..12 {
        let at = 15 * DAY_POINTS + shift;
        let judgement = changed(17, at..at + 50, |_| 0.0);
        let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > at - 50).collect();
        assert_eq!(told, vec![Range { start: at, end: at + 50 }], "{shift}");
    }
}

#[test]
fn what_lasts_is_the_same_however_much_of_it_is_looked_at() {
    let mut values = daily(18);
    let outage = 16 * DAY_POINTS + 7..17 * DAY_POINTS + 7;
    values[outage.clone()].fill(0.0);
    let detector = build("{}", Direction::Both).unwrap();
    let whole = judge_with(&detector, &values, BEGIN);
    let run_in = usize::try_from(detector.reach(STEP).run_in_ms / STEP).unwrap();
    // Before it, in it, and after it; all are multiples of the length of a block.
    for seen in [16 * DAY_POINTS, 16 * DAY_POINTS + 144, 17 * DAY_POINTS + 12] {
        let first = seen - run_in;
        let part = judge_from(&detector, &values, BEGIN, first);
        assert_eq!(part.verdicts[run_in..], whole.verdicts[seen..], "{seen}");
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&part.scores[run_in..]), bits(&whole.scores[seen..]), "{seen}");
    }
    assert!(outage.clone().all(|index| whole.verdicts[index] == Verdict::Low));
}

#[test]
fn the_side_nobody_asked_for_is_not_flagged_however_long_it_lasts() {
    let mut values = daily(16);
    let outage = 15 * DAY_POINTS + 100..15 * DAY_POINTS + 172;
    values[outage.clone()].fill(0.0);
    let judgement = judge_with(&build("{}", Direction::High).unwrap(), &values, BEGIN);
    assert!(incidents(&judgement).iter().all(|range| range.end <= outage.start || range.start >= outage.end));
}

#[test]
fn another_level_that_may_well_be_is_told_and_then_accepted() {
    let at = 15 * DAY_POINTS + 100;
    let judgement = changed(18, at..18 * DAY_POINTS, |value| value + 25.0);
    let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > at).collect();
    assert!(told.first().is_some_and(|range| range.start < at + 12), "{told:?}");
    // A level that has held for more than half of two days is normal.
    let points = told.iter().map(Range::len).sum::<usize>();
    assert!((270..=320).contains(&points) && told.len() <= 6, "{told:?}");
    // Even a level that is as far out as nothing before, after a day or so.
    let mut values = vec![7.0; 18 * DAY_POINTS];
    values[at..].fill(8.0);
    let told = incidents(&judge(&values));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].start == at && (280..=340).contains(&told[0].len()), "{told:?}");
}

#[test]
fn the_way_back_is_no_incident() {
    let mut values: Vec<f64> = (0..16 * DAY_POINTS).map(|index| 5.0 + gaussian(index)).collect();
    let higher = 15 * DAY_POINTS..15 * DAY_POINTS + 150;
    for index in higher.clone() {
        values[index] += 6.0;
    }
    let judgement = judge(&values);
    let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > higher.start).collect();
    assert!(told.first().is_some_and(|range| range.start < higher.start + 6), "{told:?}");
    assert!(told.iter().all(|range| range.end <= higher.end), "{told:?}");
}

#[test]
fn the_end_of_a_spike_is_no_event_of_its_own() {
    for place in (0..DAY_POINTS).step_by(12) {
        let at = 15 * DAY_POINTS + place;
        for change in [3.5, 0.3] {
            let judgement = changed(17, at..at + 9, |value| value * change);
            let flagged =
                |range: Range<usize>| judgement.verdicts[range].iter().any(|verdict| verdict.is_outlier());
            assert!(flagged(at..at + 9), "{place} {change}");
            let after = (at + 9..at + 33).find(|index| judgement.verdicts[*index].is_outlier());
            let why = after.map(|index| reason(&judgement, index));
            assert_eq!(why, None, "{place} {change}");
        }
    }
}

#[test]
fn a_drop_to_zero_on_the_way_back_from_a_spike_is_told() {
    let mut values = daily(16);
    let at = 15 * DAY_POINTS + 100;
    values[at] *= 10.0;
    values[at + 1..at + 40].fill(0.0);
    let judgement = judge(&values);
    let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > at).collect();
    assert_eq!(told, vec![Range { start: at, end: at + 40 }]);
    assert_eq!(judgement.verdicts[at], Verdict::High);
    assert!(judgement.verdicts[at + 1..at + 40].iter().all(|verdict| *verdict == Verdict::Low));
}

/// Requests counted since the start, of which there was one more six days ago.
fn counted(days: usize) -> Vec<f64> {
    let mut total = 0.0;
    let count = |(index, requests): (usize, f64)| {
        total = if index + 6 * DAY_POINTS == days * DAY_POINTS { requests } else { total + requests };
        total
    };
    daily(days).into_iter().enumerate().map(count).collect()
}

#[test]
fn a_counter_is_judged_by_how_fast_it_rises() {
    let mut values = counted(17);
    let (restart, burst) = (16 * DAY_POINTS + 40, 15 * DAY_POINTS + 40);
    for (index, value) in values.iter_mut().enumerate().skip(burst) {
        *value += if index == burst { 150.0 } else { 300.0 };
    }
    let base = values[restart - 1];
    values[restart..].iter_mut().for_each(|value| *value -= base);
    let judgement = judge(&values);
    let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > burst - 100).collect();
    assert_eq!(told, vec![Range { start: burst, end: burst + 2 }]);
    let why = reason(&judgement, burst);
    assert!(why.starts_with("a rise of 0.9") && why.contains(" a second is high, expected 0.4"), "{why}");
    // Where it should have got to from where it was: two hours after midnight it is 130 requests, in five minutes.
    for (index, from) in [(burst, values[burst - 1]), (restart + 1, values[restart])] {
        let [lower, expected, upper] =
            [&judgement.lower, &judgement.expected, &judgement.upper].map(|column| column[index] - from);
        assert!((expected - 130.0).abs() < 10.0, "{index}: {expected}");
        assert!(expected - 60.0 < lower && lower < expected, "{index}: {lower} {expected}");
        assert!(expected < upper && upper < expected + 60.0, "{index}: {upper} {expected}");
    }
    assert_eq!(judgement.verdicts[0], Verdict::NotJudged);
}

#[test]
fn a_counter_that_restarts_within_a_step_is_not_flagged_unless_it_rises_by_more_than_a_step() {
    for seed in 0..20 {
        let restart = 15 * DAY_POINTS + 29 * seed;
        let mut values = counted(17);
        let (before, after) = (values[restart - 1], values[restart]);
        // What share of the step is left.
        let left = (0.5 + seed as f64) / 20.0;
        values[restart..].iter_mut().for_each(|value| *value -= before + (1.0 - left) * (after - before));
        let near = |judgement: &Judgement| -> Vec<Range<usize>> {
            let near = restart - 12..restart + 12;
            incidents(judgement).into_iter().filter(|range| near.contains(&range.start)).collect()
        };
        assert_eq!(near(&judge(&values)), Vec::<Range<usize>>::new(), "{seed}");
        values[restart..].iter_mut().for_each(|value| *value += 2_000.0);
        let judgement = judge(&values);
        assert_eq!(near(&judgement).first().map(|range| range.start), Some(restart), "{seed}");
        assert_eq!(judgement.verdicts[restart], Verdict::High, "{seed}");
    }
}

#[test]
fn a_counter_that_stands_still_is_low_until_it_rises_again() {
    let mut values = counted(17);
    let stall = 15 * DAY_POINTS + 40..15 * DAY_POINTS + 100;
    let still = values[stall.start - 1];
    let missed = values[stall.end - 1] - still;
    values[stall.clone()].fill(still);
    values[stall.end..].iter_mut().for_each(|value| *value -= missed);
    let judgement = judge(&values);
    let told: Vec<_> =
        incidents(&judgement).into_iter().filter(|range| range.end > stall.start - 100).collect();
    assert_eq!(told, vec![stall.clone()]);
    assert!(judgement.verdicts[stall.clone()].iter().all(|verdict| *verdict == Verdict::Low));
    let why = reason(&judgement, stall.start);
    assert!(why.starts_with("a rise of 0 a second is low") && why.contains("never zero"), "{why}");
}

#[test]
fn an_age_that_does_not_start_again_is_high() {
    // Every day about two in the morning something is done, and on the last day it is not.
    let late = |day: usize| (day * 7) % 5;
    let mut age = 200.0;
    let values: Vec<f64> = (0..17 * DAY_POINTS)
        .map(|index| {
            let (day, place) = (index / DAY_POINTS, index % DAY_POINTS);
            age = if place == 24 + late(day) && day < 16 { 1.0 } else { age + 1.0 };
            age
        })
        .collect();
    let judgement = judge(&values);
    let due = 16 * DAY_POINTS + 24;
    let told: Vec<_> = incidents(&judgement).into_iter().filter(|range| range.end > due - 288).collect();
    assert!(told.first().is_some_and(|range| (due..due + 60).contains(&range.start)), "{told:?}");
}

#[test]
fn a_drop_to_zero_is_told_at_once_although_worse_was_told_today() {
    let mut values = daily(16);
    let (spike, outage) = (15 * DAY_POINTS + 10, 15 * DAY_POINTS + 200);
    values[spike] *= 10.0;
    values[outage..outage + 5].fill(0.0);
    let judgement = judge(&values);
    assert_eq!(judgement.verdicts[spike], Verdict::High);
    assert!(judgement.verdicts[outage..outage + 5].iter().all(|verdict| *verdict == Verdict::Low));
    assert!(!judgement.verdicts[outage + 5].is_outlier());
}

#[test]
fn a_value_that_is_none_of_the_few_or_below_zero_for_the_first_time_is_named() {
    let mut values: Vec<f64> =
        (0..8 * DAY_POINTS).map(|index| f64::from(u8::from(noise(index) > 0.9))).collect();
    let (between, below) = (6 * DAY_POINTS, 7 * DAY_POINTS + 200);
    values[between] = 0.43;
    values[below] = -0.2;
    let judgement = judge(&values);
    assert!(reason(&judgement, between).contains("a few values"), "{}", reason(&judgement, between));
    assert_eq!(judgement.verdicts[below], Verdict::Low);
    assert!(reason(&judgement, below).contains("below zero"), "{}", reason(&judgement, below));
}

#[test]
fn a_jump_as_none_before_is_told_although_the_value_is_ordinary() {
    // By day it is restless, at night it is not; the jump is at night, and small beside the rhythm.
    let at = 10 * DAY_POINTS + 216;
    let mut values: Vec<f64> = (0..11 * DAY_POINTS)
        .map(|index| {
            let rhythm = (index as f64 / DAY_POINTS as f64 * std::f64::consts::TAU).sin();
            100.0 + 40.0 * rhythm + (0.2 + 2.0 * rhythm.max(0.0)) * gaussian(index)
        })
        .collect();
    values[at] += 14.0;
    let judgement = judge(&values);
    assert_eq!(judgement.verdicts[at], Verdict::High);
    assert!(reason(&judgement, at).contains("jump"), "{}", reason(&judgement, at));
}

/// Where points are far apart, the means of the distances from what was expected would reach back to distances that were
/// expected from what lies before the reach.
#[test]
fn far_apart_points_look_back_no_further_than_the_reach() {
    let (step, apart, refit) = (MINUTE, 60 * MINUTE, 720 * MINUTE);
    let detector = build("{}", Direction::Both).unwrap();
    let Reach { lookback_ms, .. } = detector.reach(step);
    let timing = Timing { step_ms: Some(step), refit_ms: Some(refit), lookback_ms: Some(lookback_ms) };
    let judge_from = BEGIN.div_euclid(refit) * refit;
    let train_from = judge_from - 160 * apart;
    let spike = judge_from + 2 * apart;
    let judge = |wild_slots: i64| {
        let first = (train_from - lookback_ms).div_euclid(apart) + 1;
        let value = |slot: i64| match slot * apart {
            time if time == spike => 50.0,
            _ if slot < first => 1e6 + slot as f64,
            _ => 10.0 + noise((slot - first) as usize),
        };
        let slots = first - wild_slots..(judge_from + refit).div_euclid(apart);
        let (times, values): (Vec<i64>, Vec<f64>) = slots.map(|slot| (slot * apart, value(slot))).unzip();
        let before = |ms: i64| times.partition_point(|time| *time < ms);
        let block = Block {
            training: before(train_from)..before(judge_from),
            judged: before(judge_from)..times.len(),
        };
        detector.judge_blocks(Points { times: &times, values: &values }, &[block], timing).remove(0)
    };
    let (exact, more) = (judge(0), judge(500));
    // The score of a peak holds all that was looked at.
    assert_eq!(exact.verdicts.len(), 12);
    assert!(exact.verdicts[2] == Verdict::High && exact.scores[2] > 0.5, "{}", exact.scores[2]);
    let bits = |of: &Judgement| of.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&exact), bits(&more), "{} {}", exact.scores[2], more.scores[2]);
    assert_eq!((exact.verdicts, exact.reasons), (more.verdicts, more.reasons));
}
