//! The points of one block, gaps and silence marked.
//!
//! What is missing depends on the block's own training window and nothing else: the usual distance between points
//! there is the step of the block, and a slot is missing if no point lies within half a step of it. So a point is
//! missing in every range that contains its time, or in none. So it is where a detector looks beyond its blocks: each
//! block of the [`Run`] is marked by what came before it, with no more of the past than every range has read. A series that stops is missing from 1.5 steps after its
//! last point on, to the end of the range or to now, whichever is earlier; once a whole training window has passed
//! without a point, the series is gone and nothing of it is missing any more. The slots after now are yet to come:
//! they are no points, and can only be forecast.
//!
//! Points keep their own times: a series is not moved to a grid. Requests are aligned to the epoch
//! ([`FetchRequest`](crate::source::FetchRequest)), so that the points of upstreams that aggregate are too.

use std::borrow::Cow;
use std::ops::Range;

use super::digest::{Digests, digest};
use super::plan::{Block, Run};
use crate::detector::{Judgement, Verdict};
use crate::query::Transform;
use crate::series::{Points, Rise, Series, rate, rate_unit, regular_step_ms, rises};

/// How many missing slots a block may have for every training point, among the training points and as many again among
/// the judged ones. A month of silence in a series of seconds must not fill the memory.
const MAX_MARKED_PER_POINT: usize = 4;

/// A series as the upstream sent it, ready to be cut into blocks.
#[derive(Debug)]
pub(super) struct Line {
    /// With its values transformed.
    pub(super) series: Series,
    /// Values before the transformation, if there was one.
    untransformed: Option<Vec<f64>>,
    /// When the counter restarted whose rate is taken; ascending.
    restarts: Vec<i64>,
    digests: Digests,
    known_step_ms: Option<i64>,
    steps: Steps,
}

/// Where a block lies in a line, and what is missing after its last point. Cheap to make, unlike [`Laid`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    from: usize,
    to: usize,
    training: usize,
    step_ms: Option<i64>,
    /// Slots missing after the last point.
    silent: usize,
    /// Slots that may be marked, among the training points and as many again among the judged ones.
    most_marked: usize,
}

/// The points of a block.
#[derive(Debug)]
pub(super) struct Laid<'a> {
    times: Cow<'a, [i64]>,
    values: Cow<'a, [f64]>,
    truth: Option<Cow<'a, [f64]>>,
    training: Range<usize>,
    judged: Range<usize>,
}

impl Line {
    pub(super) fn new(mut series: Series, transform: Transform, known_step_ms: Option<i64>) -> Self {
        let all = 0..series.len();
        let digests = Digests::of(series.points(all.clone()));
        let mut restarts = Vec::new();
        let untransformed = match transform {
            Transform::None => None,
            Transform::Rate => {
                let rates = rate(series.points(all.clone()));
                let is_restart = |rise: Option<Rise>| rise.is_some_and(|rise| rise.is_restart);
                let known = series.times.iter().zip(rises(series.points(all)));
                restarts.extend(known.filter(|(_, rise)| is_restart(*rise)).map(|(time, _)| *time));
                series.unit = rate_unit(series.unit.as_deref()).map(str::to_owned);
                Some(std::mem::replace(&mut series.values, rates))
            }
        };
        let steps = Steps::of(&series.times);
        Self { series, untransformed, restarts, digests, known_step_ms, steps }
    }

    /// Takes back what was said of the points at `times` that is not known: where a counter restarts, the rate may be
    /// too high, but is not too low; and where too little of it is known, the point is not missing.
    pub(super) fn withdraw_unknown(&self, times: &[i64], judgement: &mut Judgement) {
        for time in &self.restarts {
            if let Ok(row) = times.binary_search(time)
                && matches!(judgement.verdicts[row], Verdict::Low | Verdict::Missing)
            {
                judgement.withdraw(row);
            }
        }
    }

    /// Whether there is a point within a half-open range of time.
    pub(super) fn has_points(&self, from_ms: i64, to_ms: i64) -> bool {
        self.first_from(from_ms).is_some_and(|first| first < to_ms)
    }

    /// The time of the first point at `ms` or later.
    pub(super) fn first_from(&self, ms: i64) -> Option<i64> {
        let times = &self.series.times;
        times.get(times.partition_point(|time| *time < ms)).copied()
    }

    /// The usual distance between points within a half-open range of time, by the newest `most` distances; `None` if there
    /// are less than `fewest`.
    pub(super) fn distance_ms(&self, from_ms: i64, to_ms: i64, fewest: usize, most: usize) -> Option<i64> {
        let Range { start, end } = self.series.index_range(from_ms, to_ms);
        let start = start.max(end.saturating_sub(most + 1));
        let distances = (end - start).saturating_sub(1);
        (distances >= fewest).then(|| self.steps.median_ms(&self.series.times, start..end)).flatten()
    }

    /// The digest of all points within a half-open range of time.
    pub(super) fn digest(&self, from_ms: i64, to_ms: i64) -> u128 {
        self.digests.run(self.series.index_range(from_ms, to_ms))
    }

    /// Where `block` lies; `None` if it has no points, training included.
    pub(super) fn outline(&self, block: &Block, now_ms: i64) -> Option<Outline> {
        let Range { start, end } = self.series.index_range(block.train_from, block.judge_to);
        // The rate of a block's first value depends on what came before the block, which not every query has read; so
        // do those of restarts before the first rise without one.
        let from = match &self.untransformed {
            None => start,
            Some(values) => first_rise(&values[start..end]).map_or(end, |first| start + first),
        };
        let times = &self.series.times;
        let last = from.max(end).checked_sub(1).filter(|last| *last >= from)?;
        let trained = self.series.index_range(block.train_from, block.train_to).end.max(from);
        let training = trained - from;
        let step_ms = self.steps.regular_ms(times, from..trained).or(self.known_step_ms);
        let step_ms = step_ms.filter(|step_ms| *step_ms > 0);
        let most_marked = MAX_MARKED_PER_POINT.saturating_mul(training);
        let silent = step_ms.map_or(0, |step_ms| {
            let until_end = slots_before(times[last], block.judge_to, step_ms);
            let until_now = slots_missing(times[last], now_ms, step_ms);
            let until_next =
                times.get(end).map_or(until_end, |next| slots_missing(times[last], *next, step_ms));
            until_end.min(until_now).min(until_next).min(most_marked)
        });
        Some(Outline { from, to: end, training, step_ms, silent, most_marked })
    }

    /// `outline` of the whole of `run`, with what is missing after the last point as [`Line::lay_run`] marks it.
    pub(super) fn outline_run(&self, run: &Run, outline: Outline, now_ms: i64) -> Outline {
        let last = self.series.times[outline.to - 1];
        let mut silent = 0;
        for cell in run.cells(last.min(now_ms)) {
            self.lay_cell(run, &cell, now_ms, |_, index| silent += usize::from(index.is_none()));
        }
        Outline { step_ms: self.known_step_ms, silent, ..outline }
    }

    /// The points of a run, each of its blocks with the slots that are missing in it.
    pub(super) fn lay_run(&self, run: &Run, outline: &Outline, now_ms: i64) -> Laid<'_> {
        let shown = self.series.index_range(run.from_ms, run.judge_to);
        let Series { times, values, truth, .. } = &self.series;
        // Every block's step is the one that all points are apart, so nothing is missing but at the end.
        let known = |step_ms: i64| self.known_step_ms.is_none_or(|known_ms| known_ms == step_ms);
        let is_whole = self.untransformed.is_none() && self.steps.constant_ms().is_some_and(known);
        let (times, values, truth) = if is_whole && outline.silent == 0 {
            let truth = truth.as_ref().map(|truth| Cow::Borrowed(&truth[shown.clone()]));
            (Cow::Borrowed(&times[shown.clone()]), Cow::Borrowed(&values[shown]), truth)
        } else {
            let mut slots = Vec::with_capacity(shown.len());
            let mut kept = Vec::with_capacity(shown.len());
            for cell in run.cells(run.from_ms) {
                self.lay_cell(run, &cell, now_ms, |time, index| {
                    slots.push(time);
                    kept.push(index);
                });
            }
            let spread = |old: &[f64], missing: f64| -> Vec<f64> {
                kept.iter().map(|index| index.map_or(missing, |index| old[index])).collect()
            };
            let truth = truth.as_ref().map(|truth| Cow::Owned(spread(truth, 1.0)));
            (Cow::Owned(slots), Cow::Owned(spread(values, f64::NAN)), truth)
        };
        let judged = times.partition_point(|time| *time < run.judge_from)..times.len();
        Laid { training: 0..judged.start, judged, times, values, truth }
    }

    /// Hands out times and places of the judged points of `cell`, a block of a run, and times of its missing slots.
    fn lay_cell(&self, run: &Run, cell: &Block, now_ms: i64, mut hand_out: impl FnMut(i64, Option<usize>)) {
        let Some(outline) = self.outline(cell, now_ms) else { return };
        let times = &self.series.times;
        let judged = outline.from + outline.training;
        // Of few points long ago, few slots are missing: at most so many times more as points came in this time.
        let past_ms = cell.train_to.saturating_sub(times[outline.from]).max(1);
        let share = run.refit_ms as f64 / past_ms as f64;
        let mut budget = (outline.most_marked as f64 * share).ceil().min(outline.most_marked as f64) as usize;
        for index in judged.saturating_sub(1).max(outline.from)..outline.to {
            let time = times[index];
            if index >= judged {
                hand_out(time, Some(index));
            }
            let Some(step_ms) = outline.step_ms else { continue };
            let is_last = index + 1 == outline.to;
            let slots = if is_last { outline.silent } else { slots_missing(time, times[index + 1], step_ms) };
            let before = slots_before(time, cell.judge_from, step_ms);
            let marked = slots.saturating_sub(before).min(budget);
            budget -= marked;
            (before + 1..=before + marked).for_each(|slot| hand_out(slot_after(time, slot, step_ms), None));
        }
    }

    /// The usual distance between the points that `block` is trained on.
    pub(super) fn step_ms(&self, block: &Block, now_ms: i64) -> Option<i64> {
        self.outline(block, now_ms)?.step_ms
    }

    /// Times of the slots that are yet to come: from the first that is neither taken nor missing by now to the last before
    /// `to_ms`, but at most as many as there are training points, as nobody sees further ahead than back. None if the
    /// next point after the block is known, or the step is not.
    pub(super) fn ahead(&self, outline: &Outline, now_ms: i64, to_ms: i64) -> Vec<i64> {
        let Some(step_ms) = outline.step_ms.filter(|_| outline.to == self.series.len()) else {
            return Vec::new();
        };
        let Some(last) = self.series.times.last().copied() else { return Vec::new() };
        let first = slots_missing(last, now_ms, step_ms) + 1;
        (first..=slots_before(last, to_ms, step_ms))
            .take(outline.training)
            .map(|slot| slot_after(last, slot, step_ms))
            .collect()
    }

    /// The points of a block.
    pub(super) fn lay(&self, block: &Block, outline: &Outline) -> Laid<'_> {
        let span = outline.from..outline.to;
        let (times, values) = (&self.series.times[span.clone()], &self.series.values[span.clone()]);
        let truth = self.series.truth.as_ref().map(|truth| &truth[span]);
        let filled = outline
            .step_ms
            .filter(|step_ms| outline.silent > 0 || has_gap(times, *step_ms))
            .map(|step_ms| fill(times, block.judge_from, step_ms, outline));
        let (times, kept) = match filled {
            None => (Cow::Borrowed(times), None),
            Some((times, kept)) => (Cow::Owned(times), Some(kept)),
        };
        let spread = |old: &'_ [f64], missing: f64, kept: &[Option<usize>]| -> Vec<f64> {
            kept.iter().map(|index| index.map_or(missing, |index| old[index])).collect()
        };
        let (values, truth) = match kept {
            None => (Cow::Borrowed(values), truth.map(Cow::Borrowed)),
            Some(kept) => (
                Cow::Owned(spread(values, f64::NAN, &kept)),
                // What is missing is out of the ordinary.
                truth.map(|truth| Cow::Owned(spread(truth, 1.0, &kept))),
            ),
        };
        let before = |ms: i64| times.partition_point(|time| *time < ms);
        let (training, judged) = (0..before(block.train_to), before(block.judge_from)..times.len());
        Laid { times, values, truth, training, judged }
    }
}

impl Outline {
    /// Names what the verdicts on a block of `line` depend on besides the query.
    pub(super) fn digest(&self, line: &Line) -> u128 {
        let points = line.digests.run(self.from..self.to);
        let mut bytes = [0; 40];
        bytes[..16].copy_from_slice(&points.to_le_bytes());
        bytes[16..24].copy_from_slice(&(self.to - self.from).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.step_ms.unwrap_or(0).to_le_bytes());
        bytes[32..].copy_from_slice(&self.silent.to_le_bytes());
        digest(&bytes)
    }
}

impl Laid<'_> {
    /// The training points and, where training ends before them, the judged ones.
    pub(super) fn all(&self) -> Points<'_> {
        self.points(0..self.times.len())
    }

    pub(super) fn training(&self) -> Points<'_> {
        self.points(self.training.clone())
    }

    pub(super) fn judged(&self) -> Points<'_> {
        self.points(self.judged.clone())
    }

    pub(super) fn judged_truth(&self) -> Option<&[f64]> {
        self.truth.as_ref().map(|truth| &truth[self.judged.clone()])
    }

    fn points(&self, range: Range<usize>) -> Points<'_> {
        Points { times: &self.times[range.clone()], values: &self.values[range] }
    }
}

/// The distances between the points of a series, counted so that most ranges of points tell their usual one at once.
#[derive(Debug)]
struct Steps {
    /// The median of all.
    usual_ms: i64,
    /// How many of the distances before each point are that one.
    usual: Vec<usize>,
    /// How many differ from it by a half at most.
    near: Vec<usize>,
}

impl Steps {
    fn of(times: &[i64]) -> Self {
        let steps = || times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let mut sorted: Vec<i64> = steps().collect();
        let middle = sorted.len() / 2;
        let usual_ms = if sorted.is_empty() { 0 } else { *sorted.select_nth_unstable(middle).1 };
        let count = |of: &dyn Fn(i64) -> bool| -> Vec<usize> {
            let mut seen = 0;
            std::iter::once(0)
                .chain(steps().map(|step| {
                    seen += usize::from(of(step));
                    seen
                }))
                .collect()
        };
        let is_near = |step: i64| step.abs_diff(usual_ms) <= (usual_ms / 2).unsigned_abs();
        Self { usual_ms, usual: count(&|step| step == usual_ms), near: count(&is_near) }
    }

    /// The distance between all points, if it is the same.
    fn constant_ms(&self) -> Option<i64> {
        let steps = self.usual.len() - 1;
        (steps > 0 && self.usual[steps] == steps).then_some(self.usual_ms)
    }

    /// The median distance between the `times` at `range`; the longer of the two in the middle.
    fn median_ms(&self, times: &[i64], range: Range<usize>) -> Option<i64> {
        let steps = range.len().checked_sub(1).filter(|steps| *steps > 0)?;
        if (self.usual[range.end - 1] - self.usual[range.start]) * 2 > steps {
            return Some(self.usual_ms);
        }
        let mut distances: Vec<i64> =
            times[range].windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        Some(*distances.select_nth_unstable(steps / 2).1)
    }

    /// [`regular_step_ms`] of the `times` at `range`.
    fn regular_ms(&self, times: &[i64], range: Range<usize>) -> Option<i64> {
        let steps = range.len().saturating_sub(1);
        if steps < 2 {
            return None;
        }
        let within = |counts: &[usize]| counts[range.end - 1] - counts[range.start];
        if within(&self.usual) * 2 <= steps {
            return regular_step_ms(&times[range]);
        }
        // More than half of them are the median one.
        (within(&self.near) * 10 >= steps * 9).then_some(self.usual_ms)
    }
}

/// Index of the first value that is no lower than the one before it, gaps aside.
fn first_rise(values: &[f64]) -> Option<usize> {
    let mut before = f64::NAN;
    values.iter().position(|value| {
        let is_rise = *value >= before;
        before = if value.is_finite() { *value } else { before };
        is_rise && value.is_finite()
    })
}

fn has_gap(times: &[i64], step_ms: i64) -> bool {
    times.windows(2).any(|pair| slots_missing(pair[0], pair[1], step_ms) > 0)
}

/// The time of a slot, counted from a point at `last`.
fn slot_after(last: i64, slot: usize, step_ms: i64) -> i64 {
    last.saturating_add(step_ms.saturating_mul(slot as i64))
}

/// How many slots after a point at `last` lie before `end`.
fn slots_before(last: i64, end: i64, step_ms: i64) -> usize {
    let slots = end.saturating_sub(last).saturating_sub(1) / step_ms;
    usize::try_from(slots).unwrap_or(0)
}

/// How many slots after a point at `last` are missing if the next point comes at `next`: those more than half a step
/// before it.
fn slots_missing(last: i64, next: i64, step_ms: i64) -> usize {
    slots_before(last, next.saturating_sub(step_ms / 2), step_ms)
}

/// The times of a block with its missing slots, and for each the index of the point there.
///
/// Every slot among the judged points is decided by what comes before it, so that what is marked now stays marked when
/// more points come.
fn fill(times: &[i64], judge_from: i64, step_ms: i64, outline: &Outline) -> (Vec<i64>, Vec<Option<usize>>) {
    let mut training_budget = outline.most_marked;
    let mut judged_budget = outline.most_marked;
    let mut filled = Vec::with_capacity(times.len() * 2);
    let mut kept = Vec::with_capacity(times.len() * 2);
    for (index, time) in times.iter().copied().enumerate() {
        filled.push(time);
        kept.push(Some(index));
        let slots = times.get(index + 1).map_or(outline.silent, |next| slots_missing(time, *next, step_ms));
        if slots == 0 {
            continue;
        }
        // Training knows what was known when it ended, whatever came later.
        let in_training = slots_missing(time, judge_from, step_ms).min(slots);
        // A gap beyond the budget gets one mark, as it is still a gap.
        let marked = if in_training <= training_budget { in_training } else { 1 };
        training_budget -= marked.min(training_budget);
        let before_judged = slots_before(time, judge_from, step_ms);
        let in_judged = slots.saturating_sub(before_judged).min(judged_budget);
        judged_budget -= in_judged;
        for slot in (1..=marked).chain(before_judged + 1..=before_judged + in_judged) {
            filled.push(slot_after(time, slot, step_ms));
            kept.push(None);
        }
    }
    (filled, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Labels;

    fn line(points: &[(i64, f64)], transform: Transform) -> Line {
        let (series, _) = Series::from_points("s".into(), Labels::new(), points.to_vec());
        Line::new(series, transform, None)
    }

    fn block(judge_from: i64, judge_to: i64) -> Block {
        Block { train_from: 0, train_to: judge_from, judge_from, judge_to, whole: true }
    }

    /// Times of training and of judged points.
    fn lay(line: &Line, block: &Block, now_ms: i64) -> (Vec<i64>, Vec<i64>) {
        let laid = line.lay(block, &line.outline(block, now_ms).unwrap());
        for points in [laid.training(), laid.judged()] {
            for (time, value) in points.times.iter().zip(points.values) {
                assert_eq!(value.is_nan(), !line.series.times.contains(time), "{time}");
            }
        }
        (laid.training().times.to_vec(), laid.judged().times.to_vec())
    }

    fn ones(times: &[i64]) -> Line {
        line(&Vec::from_iter(times.iter().map(|time| (*time, 1.0))), Transform::None)
    }

    #[test]
    fn gaps_in_training_block_and_at_the_end_become_slots() {
        let line = ones(&[0, 10, 20, 50, 60, 71, 80, 90, 100, 110, 120, 130, 140, 150, 161, 190, 200]);
        let (training, judged) = lay(&line, &block(140, 240), 226);
        assert_eq!(training, [0, 10, 20, 30, 40, 50, 60, 71, 80, 90, 100, 110, 120, 130]);
        assert_eq!(judged, [140, 150, 161, 171, 181, 190, 200, 210, 220]);
    }

    #[test]
    fn what_is_missing_before_the_block_does_not_depend_on_what_comes_in_it() {
        let before = [0, 10, 20, 30, 40, 50, 60];
        let (training, judged) = lay(&ones(&before), &block(94, 200), 300);
        assert_eq!((&training[7..], &judged[..3]), (&[70, 80][..], &[100, 110, 120][..]));
        for next in [94, 95, 101] {
            let line = ones(&[before.as_slice(), &[next, next + 10]].concat());
            assert_eq!(lay(&line, &block(94, 200), 300).0, training);
        }
    }

    #[test]
    fn a_century_of_silence_does_not_fill_the_memory() {
        let line = ones(&[0, 1, 2, 3, 4]);
        let (training, judged) = lay(&line, &block(10, i64::MAX), i64::MAX);
        assert!(training.len() + judged.len() <= 5 + 5 * MAX_MARKED_PER_POINT);
        assert!(!judged.is_empty());
    }

    #[test]
    fn what_is_forecast_ends_before_the_instant_asked_for() {
        let line = ones(&Vec::from_iter((0..=100).map(|slot| 10 * slot)));
        let outline = line.outline(&block(900, 1_200), 1_004).unwrap();
        let ahead = |to_ms| line.ahead(&outline, 1_004, to_ms);
        assert_eq!(ahead(1_030), [1_010, 1_020]);
        assert_eq!(ahead(1_031), [1_010, 1_020, 1_030]);
        assert_eq!((ahead(1_010).len(), ahead(1_000).len()), (0, 0));
        // As many as there are training points, at most.
        assert_eq!((ahead(i64::MAX).len(), ahead(i64::MAX).last()), (90, Some(&1_900)));
    }

    #[test]
    fn the_first_value_of_a_block_has_no_rate_whatever_came_before_it() {
        let points: Vec<(i64, f64)> = (0..20).map(|i| (i * 1_000, i as f64)).collect();
        let whole = line(&points, Transform::Rate);
        let later = line(&points[5..], Transform::Rate);
        let block = Block { train_from: 5_000, ..block(10_000, 15_000) };
        assert_eq!(lay(&whole, &block, 0), lay(&later, &block, 0));
        assert_eq!(lay(&whole, &block, 0).0, [6_000, 7_000, 8_000, 9_000]);
        let (one, other) = (whole.outline(&block, 0).unwrap(), later.outline(&block, 0).unwrap());
        assert_eq!(one.digest(&whole), other.digest(&later));
    }

    #[test]
    fn where_a_counter_restarts_the_rate_is_neither_low_nor_missing() {
        use Verdict::{High, Low, Missing, Normal, NotJudged};
        let points =
            [(0, 0.0), (10, 10.0), (20, 5.0), (30, 15.0), (40, 12.0), (50, f64::NAN), (60, 2.0), (70, 9.0)];
        let line = line(&points, Transform::Rate);
        let rates = &line.series.values;
        assert!(rates[2].is_nan() && rates[6].is_nan(), "less than a step is known of them");
        assert_eq!(rates[4], 1_200.0);
        let withdrawn = |verdicts: [Verdict; 8]| {
            let mut judgement = Judgement::default();
            for (row, verdict) in verdicts.into_iter().enumerate() {
                judgement.push(verdict, 0.7, 1_000.0, (900.0, 1_100.0));
                judgement.reasons.push((row, "told".to_owned()));
            }
            line.withdraw_unknown(&line.series.times, &mut judgement);
            (judgement.verdicts, judgement.reasons.len())
        };
        let low = [NotJudged, Low, Missing, Low, Low, Missing, Missing, Low];
        assert_eq!(
            withdrawn(low),
            (vec![NotJudged, Low, NotJudged, Low, NotJudged, Missing, NotJudged, Low], 5)
        );
        let high = [NotJudged, Normal, Missing, Normal, High, Missing, Missing, High];
        assert_eq!(
            withdrawn(high),
            (vec![NotJudged, Normal, NotJudged, Normal, High, Missing, NotJudged, High], 6)
        );
    }
}
