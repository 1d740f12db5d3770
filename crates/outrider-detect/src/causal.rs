//! Judging series causally: time is cut into blocks, and each block is judged by what came before it.

use std::collections::BTreeSet;

use super::{AnyDetector, Block, Judgement, Member, Timing};
use crate::series::Series;

/// How much of the past a point is judged by, and how often that is learnt anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Length of the training window before each block, in ms, at least 1.
    pub window_ms: i64,
    /// Length of a block, in ms, at least 1; blocks begin at multiples of it. One model judges all points of a block.
    pub refit_ms: i64,
    /// The usual distance between points, in ms, at least 1; see [`regular_step_ms`](crate::series::regular_step_ms).
    pub step_ms: i64,
}

impl Schedule {
    /// What suits `detector` for points `step_ms` apart.
    #[must_use]
    pub fn of(detector: &dyn AnyDetector, step_ms: i64) -> Self {
        let (window_ms, refit_ms) = detector.default_training(step_ms);
        Self { window_ms, refit_ms, step_ms }
    }
}

/// Judges each point of `series` by points before it: one judgement for each of them, as long as it is. A detector that
/// compares series with each other compares these.
///
/// Points are judged in blocks of `refit_ms` that begin at multiples of it since the epoch, by a model of the
/// `window_ms` before the block. So neither later points nor the ends of the series change a verdict, but for the
/// first points, for which the window is not yet full. A point that is missing among others counts as missing if it
/// is there with the value NaN.
///
/// Cost: that of one model a block; blocks are judged one after the other, on this thread.
#[must_use]
pub fn judge_series(detector: &dyn AnyDetector, series: &[Series], schedule: Schedule) -> Vec<Judgement> {
    if detector.across_series() {
        return judge_together(detector, series, schedule);
    }
    series.iter().map(|series| judge_alone(detector, series, schedule)).collect()
}

impl Schedule {
    /// The instant at which the block begins that `time_ms` lies in.
    fn begin(self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.refit_ms.max(1)).saturating_mul(self.refit_ms.max(1))
    }

    /// Begin and end of the training of the block that begins at `begin`, and of the block.
    fn bounds(self, begin: i64) -> [i64; 4] {
        [begin.saturating_sub(self.window_ms), begin, begin, begin.saturating_add(self.refit_ms.max(1))]
    }
}

fn judge_alone(detector: &dyn AnyDetector, series: &Series, schedule: Schedule) -> Judgement {
    let begins: BTreeSet<i64> = series.times.iter().map(|time| schedule.begin(*time)).collect();
    let blocks = Block::between(&series.times, begins.into_iter().map(|begin| schedule.bounds(begin)));
    let timing = Timing {
        step_ms: Some(schedule.step_ms),
        refit_ms: Some(schedule.refit_ms.max(1)),
        lookback_ms: Some(detector.reach(schedule.step_ms).lookback_ms),
    };
    let mut all = Judgement::default();
    for block in detector.judge_blocks(series.points(0..series.len()), &blocks, timing) {
        all.append(block);
    }
    all
}

fn judge_together(detector: &dyn AnyDetector, series: &[Series], schedule: Schedule) -> Vec<Judgement> {
    let times = series.iter().flat_map(|series| &series.times);
    let begins: BTreeSet<i64> = times.map(|time| schedule.begin(*time)).collect();
    let mut all = vec![Judgement::default(); series.len()];
    for begin in begins {
        let [train_from, train_to, judge_from, judge_to] = schedule.bounds(begin);
        let block = |index: usize| {
            let training = series[index].index_range(train_from, train_to);
            (index, Block { training, judged: series[index].index_range(judge_from, judge_to) })
        };
        let is_member = |(_, block): &(usize, Block)| !block.training.is_empty() || !block.judged.is_empty();
        let blocks: Vec<(usize, Block)> = (0..series.len()).map(block).filter(is_member).collect();
        let members: Vec<Member<'_>> = blocks
            .iter()
            .map(|(index, block)| Member {
                name: &series[*index].name,
                labels: &series[*index].labels,
                training: series[*index].points(block.training.clone()),
                judged: series[*index].points(block.judged.clone()),
            })
            .collect();
        for ((index, _), judgement) in blocks.iter().zip(detector.judge_panel(&members)) {
            all[*index].append(judgement);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DETECTORS;
    use crate::options::{Direction, Kind};
    use crate::series::Labels;

    const STEP: i64 = 3_600_000;
    const DAY: i64 = 24;

    fn host(number: i64, points: std::ops::Range<i64>) -> Series {
        let value = |i: i64| {
            let usual = ((i % DAY) - 12).abs() as f64 + ((i * 7_919 + number * 31) % 101) as f64 / 25.0;
            (i * STEP, if number == 2 && i == 19 * DAY { 90.0 } else { usual })
        };
        let labels = Labels::from([("host".to_owned(), number.to_string())]);
        Series::from_points(format!("host {number}"), labels, points.map(value).collect()).0
    }

    fn judged(kind: &str, points: std::ops::Range<i64>) -> Vec<Judgement> {
        let wanted: Kind = serde_json::from_value(serde_json::json!({ "kind": kind })).unwrap();
        let detector = crate::build(&wanted, Direction::Both).unwrap().detector;
        let panel: Vec<Series> = (0..4).map(|number| host(number, points.clone())).collect();
        let judged = judge_series(&*detector, &panel, Schedule::of(&*detector, STEP));
        assert!(judged.iter().zip(&panel).all(|(judgement, series)| judgement.fits(series.len())), "{kind}");
        judged
    }

    #[test]
    fn no_later_point_changes_a_verdict() {
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        for kind in DETECTORS.iter().map(|entry| entry.kind) {
            let (all, some) = (judged(kind, 0..21 * DAY), judged(kind, 0..20 * DAY + 7));
            for (all, some) in all.iter().zip(&some) {
                let len = some.verdicts.len();
                assert_eq!(all.verdicts[..len], some.verdicts, "{kind}");
                assert_eq!(bits(&all.scores[..len]), bits(&some.scores), "{kind}");
            }
        }
    }

    #[test]
    fn an_outlier_is_found_alone_and_among_others() {
        let row = 19 * DAY as usize;
        for kind in ["auto", "isolation-forest", "seasonal", "mad", "peers"] {
            let judged = judged(kind, 0..21 * DAY);
            assert!(judged[2].verdicts[row].is_outlier(), "{kind}");
            assert!(judged.iter().enumerate().all(|(host, of)| host == 2 || !of.verdicts[row].is_outlier()));
            assert!(judged[2].reasons.iter().any(|(at, _)| *at == row), "{kind}");
        }
    }

    #[test]
    fn nothing_is_judged_to_nothing() {
        for kind in DETECTORS.iter().map(|entry| entry.kind) {
            assert!(judged(kind, 0..0).iter().all(|judgement| judgement.verdicts.is_empty()));
        }
    }
}
