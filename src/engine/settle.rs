//! How a series is judged: training window, blocks and look-back, settled from the query and from how far apart the
//! points are.
//!
//! A query says what it wants to say, and leaves the rest open. What suits the detector then depends on the distance
//! between points: two weeks of points five minutes apart are 14 points of a series with one a day. So each block is
//! settled by the points before it, those that every range which holds the block has read: the blocks that count here
//! are those of the step that is asked of the upstream. What is settled thus depends on the data and the query, like the
//! verdicts, and not on the visible range. The plugin and the command line both come here.

use super::grid::Line;
use super::history::floor;
use super::plan::{Block, Run, first_ms, lead_ms, plan};
use crate::detector::{AnyDetector, Reach};
use crate::error::Result;
use crate::query::{AskedTraining, Query, Step, Training, usual_step_ms};
use crate::series::TimeRange;

/// What a query says, or leaves open, of the points it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    training: AskedTraining,
    /// The distance between points that is asked of the upstream, in ms, at least 1.
    pub(super) step_ms: i64,
    /// Whether it is the query that says so.
    is_fixed: bool,
}

/// Everything that blocks are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// What points are judged against.
    pub(crate) training: Training,
    /// How far beyond it the detector looks.
    pub(crate) reach: Reach,
    /// The distance between points that times are counted by which the detector counts in points.
    pub(super) step_ms: i64,
}

/// Some time for which the blocks of some lines are settled in the same way, with those blocks.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) settled: Settled,
    pub(super) range: TimeRange,
    /// The ranges that are settled so within it, by line; between them others count.
    pub(super) shown: Vec<Vec<TimeRange>>,
    pub(super) blocks: Vec<Block>,
    /// All blocks in one go, if the detector looks beyond each.
    pub(super) run: Option<Run>,
}

/// Distances that tell how far apart points are: the newest before a block, so many at most and at least.
const MOST_DISTANCES: usize = 100;
const FEWEST_DISTANCES: usize = 2;

impl Asked {
    /// `own_step_ms` is that of the upstream, where it has one. The visible range counts under
    /// [`Training::VisibleRange`] only.
    pub(super) fn of(query: &Query, own_step_ms: Option<i64>, visible: TimeRange, max_points: usize) -> Self {
        let (step_ms, is_fixed) = match query.step {
            Step::Fixed(step_ms) => (step_ms, true),
            Step::Auto => {
                let auto = || query.training.auto_step_ms(visible.len_ms(), max_points);
                (own_step_ms.unwrap_or_else(auto), false)
            }
        };
        Self { training: query.training, step_ms: step_ms.max(1), is_fixed }
    }

    /// What counts where points are `distance_ms` apart, or where that is not known.
    pub(crate) fn settle(&self, detector: &dyn AnyDetector, distance_ms: Option<i64>) -> Settled {
        let step_ms = distance_ms.map_or(self.step_ms, |distance_ms| self.step_of(distance_ms));
        let training = self.training.settle(detector.default_training(step_ms));
        let reach = match training {
            Training::Window { .. } => detector.reach(step_ms),
            Training::VisibleRange => Reach::default(),
        };
        // Who counts nothing in points beyond its blocks is told nothing of their distance either.
        Settled { training, reach, step_ms: if reach.is_beyond() { step_ms } else { self.step_ms } }
    }

    /// The step asked for, if the points are about as far apart; else one that people use. Points that come more often than
    /// a step which the query fixes are still counted by that one.
    fn step_of(&self, distance_ms: i64) -> i64 {
        let (shorter, longer) = (distance_ms.min(self.step_ms), distance_ms.max(self.step_ms));
        let is_near = longer.saturating_mul(2) <= shorter.saturating_mul(3);
        if is_near || (self.is_fixed && distance_ms < self.step_ms) {
            self.step_ms
        } else {
            usual_step_ms(distance_ms)
        }
    }

    /// Cuts `visible` into parts whose blocks are settled in the same way.
    ///
    /// # Errors
    /// [`Category::Limit`](crate::error::Category::Limit) if one has too many blocks.
    pub(super) fn parts(
        &self,
        detector: &dyn AnyDetector,
        lines: &[Line],
        visible: TimeRange,
    ) -> Result<Vec<Part>> {
        // Series that are compared with each other have their blocks in common.
        let all: Vec<&Line> = lines.iter().collect();
        let groups: Vec<(usize, &[&Line])> = if detector.across_series() {
            (0..lines.len()).map(|line| (line, all.as_slice())).collect()
        } else {
            all.chunks(1).enumerate().collect()
        };
        let mut kinds: Vec<(Settled, Vec<(TimeRange, usize)>)> = Vec::new();
        for (line, group) in groups {
            for (settled, range) in self.spells(detector, group, visible) {
                match kinds.iter_mut().find(|(other, _)| *other == settled) {
                    Some((_, ranges)) => ranges.push((range, line)),
                    None => kinds.push((settled, vec![(range, line)])),
                }
            }
        }
        let mut parts: Vec<Part> = Vec::new();
        for (settled, mut ranges) in kinds {
            ranges.sort_by_key(|(range, line)| (range.from_ms, *line));
            // Ranges that are near each other have most of the points that they need in common.
            let lead_ms = lead_ms(&settled);
            let first = parts.len();
            for (range, line) in ranges {
                match parts[first..].last_mut() {
                    Some(part) if range.from_ms <= part.range.to_ms.saturating_add(lead_ms) => {
                        part.range.to_ms = part.range.to_ms.max(range.to_ms);
                        part.shown[line].push(range);
                    }
                    _ => {
                        let mut shown = vec![Vec::new(); lines.len()];
                        shown[line].push(range);
                        parts.push(Part { settled, range, shown, blocks: Vec::new(), run: None });
                    }
                }
            }
        }
        for part in &mut parts {
            let Settled { training, reach, step_ms } = part.settled;
            part.blocks = plan(part.range, training, reach)?;
            part.run = Run::of(&part.blocks, training, reach, step_ms);
        }
        parts.sort_by_key(|part| part.range.to_ms);
        Ok(parts)
    }

    /// What counts when for lines that have their blocks in common. Times in which none of them has a point, nor had one for
    /// as long as a block looks back, are left out.
    fn spells(
        &self,
        detector: &dyn AnyDetector,
        lines: &[&Line],
        visible: TimeRange,
    ) -> Vec<(Settled, TimeRange)> {
        let unknown = self.settle(detector, None);
        let Training::Window { window_ms, refit_ms } = unknown.training else {
            return vec![(unknown, visible)];
        };
        let past_ms = window_ms.saturating_add(unknown.reach.lookback_ms);
        let mut known = (self.step_ms, unknown);
        let mut spells: Vec<(Settled, TimeRange)> = Vec::new();
        let mut at = visible.from_ms;
        while at <= visible.to_ms {
            let begin = floor(at, refit_ms);
            let from_ms = begin.saturating_sub(past_ms);
            if !lines.iter().any(|line| line.has_points(from_ms, begin)) {
                let Some(next) = lines.iter().filter_map(|line| line.first_from(begin)).min() else { break };
                if floor(next, refit_ms) > begin {
                    at = floor(next, refit_ms);
                    continue;
                }
            }
            let distance = |line: &&Line| line.distance_ms(from_ms, begin, FEWEST_DISTANCES, MOST_DISTANCES);
            let settled = match lines.iter().filter_map(distance).min() {
                None => unknown,
                Some(distance_ms) => {
                    if known.0 != distance_ms {
                        known = (distance_ms, self.settle(detector, Some(distance_ms)));
                    }
                    known.1
                }
            };
            let to_ms = begin.saturating_add(refit_ms - 1).min(visible.to_ms);
            match spells.last_mut() {
                Some((last, range)) if *last == settled && range.to_ms.saturating_add(1) == at => {
                    range.to_ms = to_ms;
                }
                _ => spells.push((settled, TimeRange { from_ms: at, to_ms })),
            }
            let Some(next) = to_ms.checked_add(1) else { break };
            at = next;
        }
        spells
    }

    /// First instant whose points are needed to settle what counts in a range that begins at `visible_from_ms`, and to
    /// judge it if the points are as far apart as asked for.
    pub(super) fn first_ms(&self, detector: &dyn AnyDetector, visible_from_ms: i64) -> i64 {
        first_ms(&self.settle(detector, None), visible_from_ms)
    }
}

impl Part {
    /// First instant whose points verdicts depend on.
    pub(super) fn first_ms(&self) -> i64 {
        let of_blocks = || self.blocks.first().map_or(self.range.from_ms, |block| block.train_from);
        self.run.map_or_else(of_blocks, |run| run.first_ms()).min(self.range.from_ms)
    }

    /// The lines with something to show.
    pub(super) fn lines<'a>(&'a self, lines: &'a [Line]) -> impl Iterator<Item = &'a Line> {
        lines.iter().zip(&self.shown).filter(|(_, shown)| !shown.is_empty()).map(|(line, _)| line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, HOUR};
    use super::*;
    use crate::detector;
    use crate::query::{Direction, Transform};
    use crate::series::{Labels, Series};

    const MINUTE: i64 = 60_000;

    fn line(times: impl Iterator<Item = i64>) -> Line {
        let points = times.map(|time| (time, 1.0)).collect();
        Line::new(Series::from_points("s".into(), Labels::new(), points).0, Transform::None, None)
    }

    fn every(step_ms: i64, from_ms: i64, to_ms: i64) -> impl Iterator<Item = i64> {
        (0..).map(move |slot| from_ms + slot * step_ms).take_while(move |time| *time < to_ms)
    }

    fn build(json: &str) -> (Asked, Box<dyn AnyDetector>) {
        let query = Query::parse(json.as_bytes()).unwrap();
        let detector = detector::build(&query.detector, Direction::Both).unwrap().detector;
        (Asked::of(&query, None, TimeRange { from_ms: 0, to_ms: 0 }, 1), detector)
    }

    /// Step, begin and end of each part, whose only line is `times`.
    fn parts(
        json: &str,
        times: impl Iterator<Item = i64>,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<(i64, Vec<(i64, i64)>)> {
        let (asked, detector) = build(json);
        let parts = asked.parts(&*detector, &[line(times)], TimeRange { from_ms, to_ms }).unwrap();
        let shown = |part: &Part| part.shown[0].iter().map(|range| (range.from_ms, range.to_ms)).collect();
        parts.iter().map(|part| (part.settled.step_ms, shown(part))).collect()
    }

    fn window(settled: &Settled) -> (i64, i64) {
        match settled.training {
            Training::Window { window_ms, refit_ms } => (window_ms, refit_ms),
            Training::VisibleRange => panic!("it is not visible-range"),
        }
    }

    #[test]
    fn what_is_left_open_suits_the_distance_between_points() {
        let settle = |json: &str, distance_ms: i64| {
            let (asked, detector) = build(json);
            window(&asked.settle(&*detector, Some(distance_ms)))
        };
        for (distance_ms, window_ms, refit_ms) in [
            (10_000, 201_600_000, 600_000),
            (MINUTE, 14 * DAY, HOUR),
            (2 * MINUTE, 14 * DAY, HOUR),
            (5 * MINUTE, 14 * DAY, HOUR),
            (299_000, 14 * DAY, HOUR),
            (15 * MINUTE, 42 * DAY, 3 * HOUR),
            (HOUR, 168 * DAY, 12 * HOUR),
            (4 * HOUR, 400 * DAY, 2 * DAY),
            (DAY, 400 * DAY, 12 * DAY),
            (7 * DAY, 400 * DAY, 31 * DAY),
        ] {
            assert_eq!(settle("{}", distance_ms), (window_ms, refit_ms), "{distance_ms}");
        }
        let mad = r#"{"detector":{"kind":"mad"}}"#;
        assert_eq!((settle(mad, MINUTE), settle(mad, DAY)), ((7 * DAY, DAY), (168 * DAY, DAY)));
        // What the query says stands, and a step that it fixes is none that points come more often than.
        assert_eq!(settle(r#"{"trainingWindow":"9d"}"#, DAY), (9 * DAY, 12 * DAY));
        assert_eq!(settle(r#"{"step":"5m"}"#, 10_000), (14 * DAY, HOUR));
        assert_eq!(settle(r#"{"step":"5m"}"#, HOUR), (168 * DAY, 12 * HOUR));
    }

    #[test]
    fn however_far_apart_points_are_years_are_enough() {
        let (asked, detector) = build("{}");
        for distance_ms in [HOUR, 4 * HOUR, DAY, 7 * DAY, 30 * DAY] {
            let settled = asked.settle(&*detector, Some(distance_ms));
            let before = lead_ms(&settled) - settled.reach.run_in_ms;
            assert!(before < 6 * 366 * DAY, "{distance_ms}: {} days", before / DAY);
        }
        assert!(asked.settle(&*detector, Some(DAY)).reach.lookback_ms >= 725 * DAY);
    }

    #[test]
    fn a_part_begins_with_the_block_after_points_have_told() {
        let all = || every(DAY, 0, 300 * DAY);
        // By two distances.
        let (from, known) = (3 * HOUR, 2 * DAY + HOUR);
        let whole = parts("{}", all(), from, 300 * DAY);
        assert_eq!(whole, [(5 * MINUTE, vec![(from, known - 1)]), (DAY, vec![(known, 300 * DAY)])]);
        // The same in every range.
        assert_eq!(parts("{}", all(), 200 * DAY + 5, 201 * DAY), [(DAY, vec![(200 * DAY + 5, 201 * DAY)])]);
        // Who counts no points has but the windows to settle.
        let mad = r#"{"detector":{"kind":"mad"},"trainingWindow":"30d"}"#;
        assert_eq!(parts(mad, all(), from, 300 * DAY).len(), 1);
    }

    #[test]
    fn a_change_is_followed_once_the_newer_points_are_most() {
        let change = 100 * DAY;
        let all = || every(5 * MINUTE, 0, change).chain(every(MINUTE, change, 120 * DAY));
        let whole = parts("{}", all(), 90 * DAY, 110 * DAY);
        let later = change + HOUR;
        assert_eq!(whole, [(5 * MINUTE, vec![(90 * DAY, later - 1)]), (MINUTE, vec![(later, 110 * DAY)])]);
        for from_ms in [change - 7, change + 1, later - 1, later] {
            let part = parts("{}", all(), from_ms, later + DAY);
            let fine = (MINUTE, vec![(from_ms.max(later), later + DAY)]);
            assert_eq!(part.last(), Some(&fine));
            assert_eq!(part.len(), 1 + usize::from(from_ms < later));
        }
    }

    #[test]
    fn times_without_points_cost_nothing() {
        let years = 1_000 * 365 * DAY;
        let all = || every(HOUR, 0, 40 * DAY).chain(every(HOUR, years, years + 40 * DAY));
        let whole = parts("{}", all(), i64::MIN, i64::MAX);
        let hours: usize = whole.iter().filter(|(step_ms, _)| *step_ms == HOUR).count();
        assert_eq!(hours, 2, "{whole:?}");
        assert!(parts("{}", every(HOUR, 0, 0), i64::MIN, i64::MAX).is_empty());
    }

    #[test]
    fn series_that_are_compared_have_their_blocks_in_common() {
        let (asked, detector) = build(r#"{"detector":{"kind":"peers"}}"#);
        let lines = [line(every(DAY, 0, 400 * DAY)), line(every(HOUR, 0, 400 * DAY))];
        let visible = TimeRange { from_ms: 300 * DAY, to_ms: 301 * DAY };
        let parts = asked.parts(&*detector, &lines, visible).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!((window(&parts[0].settled), &parts[0].shown[0]), ((7 * DAY, DAY), &parts[0].shown[1]));
    }
}
