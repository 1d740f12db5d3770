//! The rules of a query, applied to what its detector made of each point.
//!
//! They come last: verdicts that are kept do not depend on them, and a rule that is changed judges nothing anew. A verdict
//! depends on the point and, where only what lasts is told, on those before it that are out of the ordinary; so as many
//! are judged before the visible range.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Detection;
use super::grid::Line;
use crate::detector::Verdict;
use crate::detector::short::Short;
use crate::query::{AskedTraining, Rules, ValidRange};
use crate::series::TimeRange;

/// The visible range with as much before it as verdicts in it depend on; not where its own points are the training.
pub(super) fn judged_range(
    rules: &Rules,
    training: AskedTraining,
    lines: &[Line],
    visible: TimeRange,
) -> TimeRange {
    if training == AskedTraining::VisibleRange || !rules.look_back() {
        return visible;
    }
    let of_line = |line: &Line| {
        let (times, values) = (&line.series.times, &line.series.values);
        let before = times.partition_point(|time| *time < visible.from_ms);
        let present = || (0..before).rev().filter(|index| !values[*index].is_nan());
        let lasting_from = visible.from_ms.saturating_sub(rules.min_duration_ms);
        let by_count = present().take(rules.min_points.saturating_sub(1)).last();
        // The one before the time at which an incident must have begun tells whether it had.
        let by_time = present().find(|index| times[*index] <= lasting_from);
        [by_count, by_time].into_iter().flatten().map(|index| times[index]).min()
    };
    let first = lines.iter().filter_map(of_line).min();
    TimeRange { from_ms: first.map_or(visible.from_ms, |first| first.min(visible.from_ms)), ..visible }
}

/// Applies the rules to all points of a series and leaves those of the visible range.
pub(super) fn apply(rules: &Rules, detection: &mut Detection, visible: TimeRange) {
    if *rules != Rules::default() {
        // How many points in a row were out of the ordinary, and since when.
        let mut lasting: Option<(usize, i64)> = None;
        for row in 0..detection.series.len() {
            let (time, value) = (detection.series.times[row], detection.series.values[row]);
            allow(rules, detection, row);
            let beyond = beyond(rules.valid_range, value);
            let is_valid = beyond.is_none();
            if let Some((verdict, reason)) = beyond {
                detection.verdicts[row] = verdict;
                detection.scores[row] = 1.0;
                detection.reasons.insert(row, reason);
                detection.abouts.remove(&row);
            }
            match detection.verdicts[row] {
                Verdict::High | Verdict::Low => {
                    let (points, since) = lasting.map_or((1, time), |(points, since)| (points + 1, since));
                    lasting = Some((points, since));
                    let lasts =
                        points >= rules.min_points && time.saturating_sub(since) >= rules.min_duration_ms;
                    if !lasts && is_valid {
                        withdraw(detection, row, Verdict::Normal);
                    }
                }
                // What is not known neither goes on nor ends.
                Verdict::Missing | Verdict::NotJudged => {}
                Verdict::Normal | Verdict::Muted => lasting = None,
            }
            if rules.mutes(time) {
                withdraw(detection, row, Verdict::Muted);
            }
        }
        let forecast = &mut detection.forecast;
        for (row, expected) in forecast.expected.iter_mut().enumerate() {
            let band = (&mut forecast.lower[row], &mut forecast.upper[row]);
            widen(rules, expected, band);
        }
    }
    cut(detection, visible);
}

/// Takes back an outlier that is too near to what is expected, and draws band and expected value by the rules.
fn allow(rules: &Rules, detection: &mut Detection, row: usize) {
    let (value, expected) = (detection.series.values[row], detection.expected[row]);
    let band = (&mut detection.lower[row], &mut detection.upper[row]);
    widen(rules, &mut detection.expected[row], band);
    if detection.verdicts[row].is_outlier() && (value - expected).abs() < rules.min_deviation.of(expected) {
        withdraw(detection, row, Verdict::Normal);
    }
}

/// Widens a band to the least deviation, and keeps it and the expected value within what is valid. What is not known stays so.
fn widen(rules: &Rules, expected: &mut f64, (lower, upper): (&mut f64, &mut f64)) {
    let least = rules.min_deviation.of(*expected);
    if *expected - least < *lower {
        *lower = *expected - least;
    }
    if *expected + least > *upper {
        *upper = *expected + least;
    }
    for number in [expected, lower, upper] {
        *number = rules.valid_range.clip(*number);
    }
}

/// What is said of a value that is not valid.
fn beyond(valid: ValidRange, value: f64) -> Option<(Verdict, String)> {
    let bound = valid.clip(value);
    if value < bound {
        let reason = format!("{} is below {}, the least that is valid", Short(value), Short(bound));
        Some((Verdict::Low, reason))
    } else if value > bound {
        let reason = format!("{} is above {}, the most that is valid", Short(value), Short(bound));
        Some((Verdict::High, reason))
    } else {
        None
    }
}

fn withdraw(detection: &mut Detection, row: usize, verdict: Verdict) {
    detection.verdicts[row] = verdict;
    detection.reasons.remove(&row);
    detection.abouts.remove(&row);
}

/// Leaves the points of the visible range.
fn cut(detection: &mut Detection, visible: TimeRange) {
    let Range { start, end } = detection.series.index_range(visible.from_ms, visible.to_ms.saturating_add(1));
    if (start, end) == (0, detection.series.len()) {
        return;
    }
    let Detection {
        series, verdicts, scores, expected, lower, upper, series_scores, reasons, abouts, ..
    } = detection;
    let columns = [&mut series.values, scores, expected, lower, upper];
    let optional = [series_scores].into_iter().filter(|column| !column.is_empty());
    columns.into_iter().chain(optional).chain(&mut series.truth).for_each(|column| keep(column, start..end));
    keep(&mut series.times, start..end);
    keep(verdicts, start..end);
    keep_rows(reasons, start..end);
    keep_rows(abouts, start..end);
}

fn keep<T>(column: &mut Vec<T>, rows: Range<usize>) {
    column.truncate(rows.end);
    column.drain(..rows.start);
}

fn keep_rows<T>(of_rows: &mut BTreeMap<usize, T>, rows: Range<usize>) {
    let all = std::mem::take(of_rows).into_iter();
    *of_rows =
        all.filter(|(row, _)| rows.contains(row)).map(|(row, of_row)| (row - rows.start, of_row)).collect();
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, HOUR};
    use super::*;
    use crate::detector::{About, Forecast};
    use crate::engine;
    use crate::query::Query;
    use crate::series::{Labels, Series};

    const MINUTE: i64 = 60_000;

    fn rules(json: &str) -> Rules {
        Query::parse(json.as_bytes()).unwrap().rules
    }

    /// A point each minute, expected to be 10 with a band from 8 to 12; outside it is an outlier, and NaN is missing.
    fn detection(values: &[f64]) -> Detection {
        let verdict = |value: &f64| match *value {
            value if value.is_nan() => Verdict::Missing,
            value if value > 12.0 => Verdict::High,
            value if value < 8.0 => Verdict::Low,
            _ => Verdict::Normal,
        };
        let verdicts: Vec<Verdict> = values.iter().map(verdict).collect();
        let flagged = || verdicts.iter().enumerate().filter(|(_, verdict)| verdict.is_outlier());
        Detection {
            series: Series {
                name: "s".into(),
                labels: Labels::new(),
                unit: None,
                times: (0..values.len() as i64).map(|minute| minute * MINUTE).collect(),
                values: values.to_vec(),
                truth: Some(vec![0.0; values.len()]),
            },
            scores: vec![0.7; values.len()],
            expected: vec![10.0; values.len()],
            lower: vec![8.0; values.len()],
            upper: vec![12.0; values.len()],
            series_scores: Vec::new(),
            reasons: flagged().map(|(row, _)| (row, "far off".to_owned())).collect(),
            abouts: flagged().map(|(row, _)| (row, About { what: "shape", since_ms: 0 })).collect(),
            forecast: Forecast {
                times: vec![99 * MINUTE],
                expected: vec![10.0],
                lower: vec![8.0],
                upper: vec![12.0],
            },
            verdicts,
        }
    }

    const ALL: TimeRange = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };

    /// One letter a point: what the rules make of `values`.
    fn letters(json: &str, values: &[f64]) -> String {
        let mut detection = detection(values);
        apply(&rules(json), &mut detection, ALL);
        let flagged: Vec<usize> = detection.reasons.keys().copied().collect();
        let outliers: Vec<usize> =
            (0..values.len()).filter(|row| detection.verdicts[*row].is_outlier()).collect();
        assert_eq!(flagged, outliers, "a reason for each outlier and for nothing else");
        assert!(detection.abouts.keys().all(|row| outliers.contains(row)));
        let letter = |verdict: &Verdict| match verdict {
            Verdict::NotJudged => '?',
            Verdict::Normal => '.',
            Verdict::High => 'H',
            Verdict::Low => 'L',
            Verdict::Missing => '-',
            Verdict::Muted => 'm',
        };
        detection.verdicts.iter().map(letter).collect()
    }

    #[test]
    fn what_is_nearer_than_the_least_deviation_is_no_outlier_and_the_band_shows_it() {
        let values = [10.0, 13.0, 15.0, 7.0, 4.9];
        assert_eq!(letters("{}", &values), ".HHLL");
        assert_eq!(letters(r#"{"minDeviation":{"absolute":5}}"#, &values), "..H.L");
        assert_eq!(letters(r#"{"minDeviation":{"absolute":1,"relative":0.31}}"#, &values), "..H.L");
        let mut seen = detection(&values);
        apply(&rules(r#"{"minDeviation":{"absolute":3.5}}"#), &mut seen, ALL);
        assert_eq!((seen.lower[0], seen.upper[0]), (6.5, 13.5));
        assert_eq!((seen.forecast.lower[0], seen.forecast.upper[0]), (6.5, 13.5));
        // It does not make one, nor a band where there is none.
        let mut narrow = detection(&[11.0]);
        narrow.lower[0] = f64::NAN;
        apply(&rules(r#"{"minDeviation":{"absolute":0.5}}"#), &mut narrow, ALL);
        assert!(narrow.lower[0].is_nan() && narrow.upper[0] == 12.0 && narrow.verdicts[0] == Verdict::Normal);
    }

    #[test]
    fn what_is_not_valid_is_an_outlier_at_once_and_says_so() {
        let valid = r#"{"validRange":{"min":9,"max":11.5},"minPoints":3,"minDeviation":{"absolute":50}}"#;
        assert_eq!(letters(valid, &[9.0, 8.5, 11.5, 11.6, f64::NAN]), ".L.H-");
        let mut seen = detection(&[8.5]);
        apply(&rules(valid), &mut seen, ALL);
        assert_eq!(seen.reasons[&0], "8.5 is below 9, the least that is valid");
        assert_eq!((seen.scores[0], seen.lower[0], seen.upper[0]), (1.0, 9.0, 11.5));
        // Also where the detector knows nothing yet.
        let mut early = detection(&[-1.0]);
        early.verdicts[0] = Verdict::NotJudged;
        early.expected[0] = f64::NAN;
        apply(&rules(r#"{"validRange":{"min":0}}"#), &mut early, ALL);
        assert!(early.verdicts[0] == Verdict::Low && early.expected[0].is_nan());
    }

    #[test]
    fn only_what_lasts_is_told() {
        let values = [20.0, 10.0, 20.0, 20.0, f64::NAN, 1.0, 20.0, 10.0, 20.0];
        assert_eq!(letters(r#"{"minPoints":1}"#, &values), "H.HH-LH.H");
        assert_eq!(letters(r#"{"minPoints":3}"#, &values), "....-LH..");
        assert_eq!(letters(r#"{"minDuration":"3m"}"#, &values), "....-LH..");
        assert_eq!(letters(r#"{"minDuration":"3m","minPoints":4}"#, &values), "....-.H..");
    }

    #[test]
    fn muted_points_are_not_told_and_what_began_while_muted_has_lasted() {
        let values = [20.0, 20.0, f64::NAN, 10.0, 20.0, 20.0, 20.0, 20.0];
        // The first three and the fifth and sixth minute of a Thursday.
        let mute = r#"{"mute":["Thu 00:00-00:03","00:04-00:06"]"#;
        assert_eq!(letters(&format!("{mute}}}"), &values), "mmm.mmHH");
        assert_eq!(letters(&format!(r#"{mute},"minPoints":4}}"#), &values), "mmm.mm.H");
    }

    #[test]
    fn all_columns_are_cut_alike() {
        let mut seen = detection(&[20.0, 10.0, 20.0, 10.0, 20.0]);
        seen.series_scores = vec![0.1, 0.2, 0.3, 0.4, 0.5];
        apply(&Rules::default(), &mut seen, TimeRange { from_ms: MINUTE, to_ms: 3 * MINUTE - 1 });
        assert_eq!(seen.series.times, [MINUTE, 2 * MINUTE]);
        assert_eq!((seen.series.values, seen.series.truth.unwrap().len()), (vec![10.0, 20.0], 2));
        assert_eq!(
            (seen.verdicts, seen.series_scores),
            (vec![Verdict::Normal, Verdict::High], vec![0.2, 0.3])
        );
        assert_eq!(
            (seen.scores.len(), seen.expected.len(), seen.lower.len(), seen.upper.len()),
            (2, 2, 2, 2)
        );
        assert_eq!(seen.reasons.into_keys().chain(seen.abouts.into_keys()).collect::<Vec<_>>(), [1, 1]);
    }

    /// Wherever the visible range begins, and however many points before it are missing.
    #[test]
    fn a_point_has_the_same_verdict_in_every_range() {
        for detector in ["mad", "auto"] {
            let value = |slot: i64| {
                let is_out = slot > 1_900 && slot % 48 < 7;
                if slot % 48 == 3 { f64::NAN } else { (slot % 7) as f64 + if is_out { 90.0 } else { 0.0 } }
            };
            let points = (0..2_300).map(|slot| (slot * 30 * MINUTE, value(slot))).collect();
            let series = [Series::from_points("s".into(), Labels::new(), points).0];
            let query = format!(
                r#"{{"detector":{{"kind":"{detector}"}},"trainingWindow":"14d","minPoints":3,"minDuration":"2h",
                    "mute":["Sun"],"minDeviation":{{"absolute":5}}}}"#
            );
            let query = Query::parse(query.as_bytes()).unwrap();
            let ask = |from_ms: i64, to_ms: i64| {
                let (mut all, _) = engine::judge(&query, &series, TimeRange { from_ms, to_ms }).unwrap();
                let seen = all.remove(0);
                let of = seen.series.times.iter().copied().zip(seen.verdicts);
                of.collect::<BTreeMap<i64, Verdict>>()
            };
            let (from, to) = (39 * DAY, 47 * DAY);
            let whole = ask(from, to);
            let flagged = whole.values().filter(|verdict| verdict.is_outlier()).count();
            assert!(flagged >= 6, "{detector}: {flagged}");
            for begin in (0..60).map(|half_hour| from + DAY + half_hour * HOUR / 2) {
                for (time, verdict) in ask(begin, begin + 3 * HOUR) {
                    assert!(time >= begin);
                    assert_eq!(Some(&verdict), whole.get(&time), "{detector} {time} from {begin}");
                }
            }
        }
    }
}
