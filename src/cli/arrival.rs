//! Verdicts on rows as they came, one after the other: what the plugin would have said at the moment of each.
//!
//! The verdict on row t is that of its time in the series made of the rows up to t, where a row replaces an earlier
//! one of the same time. Rows after t cannot change it, whatever their times are: so a file whose clock jumps back
//! (a change of daylight saving time, a message sent twice) is still judged causally, row by row.
//!
//! It costs no more than judging the file once as long as times ascend. The rows are cut into *runs* of strictly
//! ascending times; when a run ends, the series holds the rows up to there, and the times of that run are judged.
//! That is exact: of points up to the time of row t, those of earlier runs came before t, and so did those of its own;
//! and no detector looks at points after the one it judges. A file that is sorted backwards is the worst case:
//! every row is a run.

use super::blocks::{self, RowVerdict};
use crate::error::Result;
use crate::query::Query;
use crate::series::{Labels, Series};

/// The rows of one series in the order they came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrivals {
    pub(super) name: String,
    pub(super) labels: Labels,
    /// Ms since the epoch and value, NaN for a gap.
    pub(super) points: Vec<(i64, f64)>,
}

/// The verdict on every row of every member of a panel; row n of all members comes at the same moment.
///
/// # Errors
/// Those of the engine.
pub(super) fn judge(query: &Query, panel: &[Arrivals]) -> Result<Vec<Vec<RowVerdict>>> {
    let settled = blocks::settle(query)?;
    let mut verdicts: Vec<Vec<RowVerdict>> = panel.iter().map(|_| Vec::new()).collect();
    let mut so_far: Vec<Series> = panel.iter().map(empty_series).collect();
    let rows = panel.iter().map(|member| member.points.len()).max().unwrap_or(0);
    let mut begin = 0;
    while begin < rows {
        let end = end_of_run(panel, begin, rows);
        let arrived = |member: &Arrivals| begin.min(member.points.len())..end.min(member.points.len());
        for (series, member) in so_far.iter_mut().zip(panel) {
            insert(series, &member.points[arrived(member)]);
        }
        let times = panel.iter().flat_map(|member| &member.points[arrived(member)]).map(|(time, _)| *time);
        let spans = settled.spans(times);
        let judged = spans.iter().map(|span| blocks::judge_span(&settled, &so_far, *span));
        let judged = judged.collect::<Result<Vec<_>>>()?;
        for (number, (verdicts, member)) in verdicts.iter_mut().zip(panel).enumerate() {
            verdicts.extend(
                member.points[arrived(member)].iter().map(|(time, _)| {
                    judged[spans.partition_point(|span| span.to_ms < *time)].at(number, *time)
                }),
            );
        }
        begin = end;
    }
    Ok(verdicts)
}

fn empty_series(member: &Arrivals) -> Series {
    Series::from_points(member.name.clone(), member.labels.clone(), Vec::new()).0
}

/// The first row after `begin` with which the time of some member does not ascend.
fn end_of_run(panel: &[Arrivals], begin: usize, rows: usize) -> usize {
    let ascends = |row: usize| {
        let pair = |member: &Arrivals| Some((member.points.get(row - 1)?.0, member.points.get(row)?.0));
        panel.iter().filter_map(pair).all(|(before, after)| before < after)
    };
    (begin + 1..rows).find(|row| !ascends(*row)).unwrap_or(rows)
}

/// Adds `points`, whose times ascend; they replace those of the same time.
fn insert(series: &mut Series, points: &[(i64, f64)]) {
    for &(time, value) in points {
        let value = if value.is_finite() { value } else { f64::NAN };
        let place = series.times.partition_point(|earlier| *earlier < time);
        if series.times.get(place) == Some(&time) {
            series.values[place] = value;
        } else {
            series.times.insert(place, time);
            series.values.insert(place, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Ten days of a daily rhythm with noise and spikes, in hours; the clock jumps back at rows 100 and 150 and
    /// repeats itself at rows 60 and 200.
    fn awkward(seed: u64) -> Arrivals {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut time = 0;
        let points = (0..240)
            .map(|row| {
                time += match row {
                    100 => -5 * HOUR,
                    150 => -30 * HOUR,
                    60 | 200 => 0,
                    _ => HOUR,
                };
                let rhythm = (time as f64 / (24 * HOUR) as f64 * std::f64::consts::TAU).sin();
                let spike = if row % 47 == 46 { 20.0 } else { 0.0 };
                let value = if row % 53 == 52 { f64::NAN } else { rhythm + random() + spike };
                (time, value)
            })
            .collect();
        Arrivals { name: format!("s{seed}"), labels: Labels::new(), points }
    }

    fn until(panel: &[Arrivals], row: usize) -> Vec<Arrivals> {
        let cut = |member: &Arrivals| {
            let points = member.points[..(row + 1).min(member.points.len())].to_vec();
            Arrivals { points, ..member.clone() }
        };
        panel.iter().map(cut).collect()
    }

    fn bits(verdicts: &[RowVerdict]) -> Vec<(u64, bool)> {
        verdicts.iter().map(|row| (row.score.to_bits(), row.verdict.is_outlier())).collect()
    }

    fn assert_causal(query: &Query, panel: &[Arrivals], cuts: impl Iterator<Item = usize>) {
        let whole = judge(query, panel).unwrap();
        for row in cuts {
            let cut = judge(query, &until(panel, row)).unwrap();
            for (cut, whole) in cut.iter().zip(&whole) {
                assert_eq!(bits(cut), bits(&whole[..cut.len()]), "cut after row {row}");
            }
        }
    }

    #[test]
    fn rows_that_come_later_change_no_verdict() {
        let query =
            Query::parse(br#"{"detector":{"kind":"isolation-forest"},"trainingWindow":"4d"}"#).unwrap();
        let panel = [awkward(1)];
        let verdicts = judge(&query, &panel).unwrap().remove(0);
        assert_eq!(verdicts.len(), 240);
        assert!(verdicts.iter().any(|row| row.verdict.is_outlier()));
        assert!(verdicts.iter().any(|row| !row.score.is_nan() && !row.verdict.is_outlier()));
        assert_causal(&query, &panel, 0..240);
    }

    #[test]
    fn rows_that_come_later_change_no_verdict_of_a_panel() {
        let detector = super::super::quality::panel_detector();
        let json = serde_json::json!({"detector": {"kind": detector}, "trainingWindow": "4d"});
        let query = Query::parse(json.to_string().as_bytes()).unwrap();
        let mut panel: Vec<Arrivals> = (1..=5).map(awkward).collect();
        panel[3].points.truncate(77);
        assert_causal(&query, &panel, (0..240).step_by(7).chain([59, 60, 61, 99, 100, 101, 149, 150]));
    }

    #[test]
    fn a_row_is_judged_by_what_its_time_held_when_it_came() {
        let query = Query::parse(b"{}").unwrap();
        let value = |hour: i64| (hour * 37 % 101) as f64;
        let mut points: Vec<(i64, f64)> = (0..240).map(|hour| (hour * HOUR, value(hour))).collect();
        points[230].1 = 50.0;
        points.push((230 * HOUR, 1_000.0));
        let member = Arrivals { name: "s".into(), labels: Labels::new(), points };
        let verdicts = judge(&query, &[member]).unwrap().remove(0);
        assert!(!verdicts[230].verdict.is_outlier());
        assert!(verdicts[240].verdict.is_outlier());
    }

    /// The labelled series that this project may be checked with, where they are at hand.
    #[test]
    fn rows_that_come_later_change_no_verdict_on_real_series() {
        let shared = std::env::var("OUTRIDER_SHARED").unwrap_or_else(|_| "../shared".into());
        let data = std::path::Path::new(&shared).join("quality/public/data/nab");
        if !data.is_dir() {
            println!("skipped: there is no {}; set OUTRIDER_SHARED", data.display());
            return;
        }
        let query = Query::parse(b"{}").unwrap();
        for (file, jump) in [
            ("realKnownCause__machine_temperature_system_failure", true),
            ("realAWSCloudwatch__ec2_network_in_5abac7", true),
            ("realTraffic__speed_t4013", true),
            ("realTraffic__TravelTime_387", false),
        ] {
            let path = data.join(file).with_extension("csv");
            let table =
                super::super::table::Table::read(&path, &super::super::table::Layout::default()).unwrap();
            let points: Vec<(i64, f64)> = table.rows.iter().map(|row| (row.time, row.value)).collect();
            let descent = points.windows(2).position(|pair| pair[1].0 <= pair[0].0);
            assert_eq!(descent.is_some(), jump, "{file}");
            // Two weeks of 5 minutes around the place where time does not ascend.
            let middle = descent.unwrap_or(points.len() / 2);
            let points = points[middle.saturating_sub(3_000)..points.len().min(middle + 1_000)].to_vec();
            let (rows, middle) = (points.len(), middle.min(3_000));
            let member = Arrivals { name: file.into(), labels: Labels::new(), points };
            let cuts = (1..8).map(|part| rows * part / 8).chain(middle - 12..middle + 3);
            assert_causal(&query, &[member], cuts);
        }
    }
}
