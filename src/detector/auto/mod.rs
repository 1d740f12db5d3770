//! The detector that needs no tuning, and the default.
//!
//! Some thirty statistics watch a series at several scales (`statistics`): how far the value and the mean of the last few
//! points are from what is expected at this time (`expectation` finds the season), jumps, changes of level and of
//! unrest, flat lines, and runs that look like nothing before (`discord`). What each did in the training window says how
//! surprising it is now (`calibration`). The surprises are averaged, the large ones counting more, into two scores: the
//! *alarm*, which is high where something begins, and the *severity*, which ranks all points. Alarms become incidents,
//! each told once (`incidents`), and so do shifts of level that noise cannot explain (`shift`) and jumps beyond all
//! measure ([`JUMPS`]). What stays wrong beyond doubt is told until it ends (`lasting`).
//!
//! Cost: O(2,016) steps a point for the nearest neighbours, and for every statistic a step for each 256 points a block and
//! a sort; about 600 bytes a point while it works. Warm-up: [`calibration::MIN_VALUES`] training points for a score,
//! [`MIN_FLAGGING_POINTS`] for a flag; two days until a daily season is known, and two weeks for a weekly one. Not for
//! comparing series with each other, nor for limits that are known beforehand.

mod calibration;
mod course;
mod discord;
mod expectation;
mod incidents;
mod lasting;
mod medians;
mod shift;
mod statistics;
#[cfg(test)]
mod tests;
mod windows;

use std::cell::LazyCell;
use std::collections::VecDeque;
use std::ops::Range;

use chrono_tz::Tz;
use serde::Deserialize;

use self::calibration::{Near, Scratch, SortedRange, Tail};
use self::course::Course;
use self::expectation::Expectation;
use self::incidents::{BACK_SHARE, Incidents, MAX_ONGOING, Part, Told};
use self::lasting::{Lasting, Past};
use self::shift::Noise;
use self::statistics::{Kind, LOOKBACK_POINTS, Sights, Statistic, WATCHED};
use super::short::Short;
use super::wall_clock::time_zone;
use super::{Block, Detector, Judgement, Points, Reach, Timing, Verdict};
use crate::error::Result;
use crate::query::{Direction, Ratio, Whole};

/// Training window and refit interval where the query leaves them open, in points: two weeks and an hour at five
/// minutes. What was seen an hour ago no longer surprises.
const TRAINING_POINTS: i64 = 4_032;
const REFIT_POINTS: i64 = 12;

/// Points that means of the distance from what was expected look back, so that those before them must have been forecast
/// too.
const ROLLING_POINTS: usize = 300;

/// Points through which a gap carries the last value before it. In a longer one there is nothing to look back on.
const CARRIED_POINTS: usize = 300;

/// Points that a block may have without the forecasts looking less far back: which forecast is believed is settled where a
/// block begins, and the point that is looked at may be its last.
const BLOCK_POINTS: usize = 100;

/// Points before the training window that are read at most.
const MAX_LOOKBACK_POINTS: usize = 8_640;

/// Training points without which nothing is flagged: what is rare cannot be told from fewer.
const MIN_FLAGGING_POINTS: usize = 150;

/// Alarm at which the default sensitivity flags, and where the score is ½.
const THRESHOLD: f64 = 2.1;

/// How much the thresholds move from the middle of the sensitivity to either end.
const THRESHOLD_REACH: f64 = 1.0;

/// Peaks of the alarm below this are ordinary, and their scores do not stand out.
const ORDINARY: f64 = 1.85;

/// Nor do those of peaks less severe than this.
const MIN_PEAK_SEVERITY: f64 = 0.6;

/// Highest score of a point that is no peak of the alarm.
const MAX_QUIET_SCORE: f64 = 0.35;

/// Surprises count for the severity up to here.
const MAX_SEVERE: f64 = 3.0;

/// Training points from which on a severity counts in full; with a quarter of them, half.
const RIPE_POINTS: f64 = 2_000.0;

/// Surprise at which the band ends: about one point in 300 is outside by chance.
const BAND_SURPRISE: f64 = 2.5;

/// Alarm of a value that is zero, or not the constant, for the first time.
const NEVER_BEFORE_ALARM: f64 = 3.0;

/// Points for which the value must not change before it counts as frozen; so many times longer than the longest runs of
/// the training window, the run itself aside.
const FROZEN_POINTS: usize = 12;
const FROZEN_FACTOR: f64 = 5.0;

/// Values that a series may have at most, and how often each must have been seen, for one in between to be news.
const FEW_VALUES: usize = 10;
const EACH_SEEN: usize = 5;

/// A jump is told if all of these are more surprising than [`JUMP_THRESHOLD`], whatever the others say.
const JUMPS: [Kind; 2] = [Kind::Change, Kind::Line(6)];
const JUMP_THRESHOLD: f64 = 4.1;

/// Blocks that are measured together, one statistic after the other: the values of one stay in the processor's cache, those
/// of all do not.
const MEASURED_TOGETHER: usize = 32;

/// The automatic detector with the options of one query.
#[derive(Debug, Clone)]
pub struct Auto {
    /// How much the thresholds are below those of the default sensitivity.
    eased: f64,
    refractory: usize,
    zone: Tz,
    direction: Direction,
}

/// What a query can say to the automatic detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How easily a point is flagged, 0 (only the grossest) to 1 (many false alarms), default 0.5.
    pub sensitivity: Ratio,
    /// Points for which an incident is not told again unless it gets worse, 0 to 10,000, default 300. Where they are
    /// further apart than the query's step, so many steps.
    pub refractory: Whole<0, 10_000>,
    /// IANA time zone whose clock the daily and weekly season follow, across changes to and from summer time; default
    /// `UTC`.
    pub time_zone: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sensitivity: Ratio::constant(0.5),
            refractory: Whole::constant(300),
            time_zone: "UTC".to_owned(),
        }
    }
}

impl Detector for Auto {
    const KIND: &'static str = "auto";
    const LABEL: &'static str = "Automatic";
    const DESCRIPTION: &'static str =
        "Finds season, level and unrest by itself and flags what is new; works with no tuning";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let zone = options.time_zone.trim();
        let zone = if zone.is_empty() { "UTC" } else { zone };
        let zone = time_zone(zone)?;
        let eased = (options.sensitivity.get() - 0.5) * 2.0 * THRESHOLD_REACH;
        Ok(Self { eased, refractory: options.refractory.get(), zone, direction })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        if training.times == judged.times {
            // Training on the visible range: the same points, not the ones before.
            let blocks = [Block { training: 0..judged.times.len(), judged: 0..judged.times.len() }];
            return self.judge_blocks(judged, &blocks, Timing::default()).remove(0);
        }
        let times = [training.times, judged.times].concat();
        let values = [training.values, judged.values].concat();
        let split = training.times.len();
        let blocks = [Block { training: 0..split, judged: split..times.len() }];
        self.judge_blocks(Points { times: &times, values: &values }, &blocks, Timing::default()).remove(0)
    }

    fn default_training(&self, step_ms: i64) -> (i64, i64) {
        (step_ms.saturating_mul(TRAINING_POINTS), step_ms.saturating_mul(REFIT_POINTS))
    }

    fn reach(&self, step_ms: i64) -> Reach {
        let points = |count: usize| step_ms.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        Reach {
            // As far as the seasons reach, but no more points than a month has at five minutes. The first of them may be
            // in a gap that carries on what was before.
            lookback_ms: expectation::LOOKBACK_MS
                .min(points(MAX_LOOKBACK_POINTS))
                .saturating_add(points(ROLLING_POINTS + BLOCK_POINTS))
                .max(points(LOOKBACK_POINTS))
                .saturating_add(points(CARRIED_POINTS)),
            // A point may belong to an incident whose onset was above all alarms of the refractory time before it.
            run_in_ms: points(self.refractory.saturating_add(incidents::REMEMBERED_POINTS)),
        }
    }

    fn judge_blocks(&self, points: Points<'_>, blocks: &[Block], timing: Timing) -> Vec<Judgement> {
        let is_counter: Vec<bool> =
            blocks.iter().map(|block| course::is_counter(&points.values[block.training.clone()])).collect();
        // Those of the blocks that are judged by one course.
        let trainings = |of_counters: bool| -> Vec<Range<usize>> {
            let of_course =
                blocks.iter().zip(&is_counter).filter(|(_, is_counter)| **is_counter == of_counters);
            of_course.map(|(block, _)| block.training.clone()).collect()
        };
        // Nearly every series either is a counter in all its blocks, or in none: only what is needed is looked at.
        let most_ms = timing.points_ms(CARRIED_POINTS);
        let observe = |course| Observed::new(course, blocks, self.zone, timing);
        let values = LazyCell::new(|| observe(Course::of_values(points)));
        let rises = LazyCell::new(|| observe(Course::of_rises(points, most_ms)));
        let (mut of_values, mut of_rises) = (None, None);
        let mut events = Events {
            alarms: Incidents::new(THRESHOLD - self.eased, self.refractory, timing.step_ms),
            shifts: Incidents::new(shift::THRESHOLD - self.eased, self.refractory, timing.step_ms),
            jumps: Incidents::new(JUMP_THRESHOLD - self.eased, self.refractory, timing.step_ms),
            told: Told::new(timing.step_ms),
        };
        blocks
            .iter()
            .zip(&is_counter)
            .map(|(block, is_counter)| {
                let judged = &points.values[block.judged.clone()];
                let (series, calibrator) = if *is_counter {
                    of_rises
                        .get_or_insert_with(|| (Watch::new(&rises), Calibrator::new(&rises, trainings(true))))
                } else {
                    of_values.get_or_insert_with(|| {
                        (Watch::new(&values), Calibrator::new(&values, trainings(false)))
                    })
                };
                let judgement = match calibrator.next() {
                    Some(calibration) => {
                        let past =
                            Past::new(series.points.values, block.training.clone(), &calibrator.values);
                        self.judge_block(series, &calibration, past.as_ref(), block, &mut events)
                    }
                    None => {
                        block.judged.clone().for_each(|index| events.pass(points.times[index]));
                        let usable = finite(&series.points.values[block.training.clone()]);
                        let needed = calibration::MIN_VALUES;
                        Judgement::none(
                            judged,
                            format!("{usable} of the {needed} training points needed are available"),
                        )
                    }
                };
                series.course.in_values(judgement, block.judged.start, judged)
            })
            .collect()
    }
}

impl Auto {
    fn judge_block(
        &self,
        series: &Watch<'_>,
        calibration: &Calibration,
        past: Option<&Past<'_>>,
        block: &Block,
        events: &mut Events,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        for index in block.judged.clone() {
            let (time, value) = (series.points.times[index], series.points.values[index]);
            let expected = series.expectation.expected[index];
            if value.is_nan() {
                events.pass(time);
                judgement.push(Verdict::Missing, f64::NAN, f64::NAN, (f64::NAN, f64::NAN));
                continue;
            }
            let mut seen = calibration.look(series, index);
            let is_beyond_doubt = seen.beyond_doubt.is_some();
            // Upwards is not high as long as it leads to where it is too low.
            let sided = |(surprise, is_upwards)| (surprise, seen.outside.unwrap_or(is_upwards));
            let shift = sided(calibration.shift(series, index));
            let jump = sided(calibration.jump(series, index));
            let wanted = |is_high: bool| {
                calibration.may_flag
                    && match self.direction {
                        Direction::Both => true,
                        Direction::High => is_high,
                        Direction::Low => !is_high,
                    }
            };
            let lasting = past.and_then(|past| calibration.lasting(series, past, index));
            let lasts = lasting.is_some();
            let (part, is_peak) = events.alarms.next(time, seen.alarm, wanted(seen.is_high), lasts);
            let is_way_back = series.leads_back(index);
            let (shift_part, _) = events.shifts.next(time, shift.0, wanted(shift.1) && !is_way_back, false);
            let (jump_part, _) = events.jumps.next(time, jump.0, wanted(jump.1), lasts);
            let told = if part != Part::Quiet {
                true
            } else if shift_part != Part::Quiet {
                seen.is_high = shift.1;
                seen.beyond_doubt =
                    Some("the level of the last 12 points shifted by more than noise explains");
                true
            } else if jump_part != Part::Quiet {
                seen.is_high = jump.1;
                seen.beyond_doubt = Some("no jump was ever as large");
                true
            } else {
                false
            };
            // What is a matter of degree is an incident at first, and must be worse than the last one.
            let is_sure = |lasting: &Lasting| lasting.is_first_ever || lasting.points > MAX_ONGOING;
            let goes_on = lasting.filter(|lasting| is_sure(lasting) && wanted(lasting.is_high));
            let off = (value - expected).abs();
            let is_outlier = if let Some(lasting) = &goes_on {
                seen.is_high = lasting.is_high;
                seen.beyond_doubt = Some(lasting.why);
                true
            } else {
                // Within the band it is the change back that surprises.
                let is_ordinary = !lasts && !is_beyond_doubt && seen.outside.is_none();
                told && !(is_ordinary && events.told.is_way_back((index, time), off))
            };
            if told || goes_on.is_some() {
                events.told.note((index, time), off);
            }
            let verdict = match (is_outlier, seen.is_high) {
                (false, _) => Verdict::Normal,
                (true, true) => Verdict::High,
                (true, false) => Verdict::Low,
            };
            let stands_out = seen.alarm >= ORDINARY && seen.severity >= MIN_PEAK_SEVERITY;
            let score = if is_peak && stands_out && calibration.may_flag {
                seen.alarm / (seen.alarm + THRESHOLD)
            } else {
                MAX_QUIET_SCORE * seen.severity / (seen.severity + 1.0)
            };
            if verdict.is_outlier() {
                judgement.reasons.push((judgement.verdicts.len(), seen.reason(series, index, calibration)));
            }
            judgement.push(verdict, score, expected, calibration.band(expected));
        }
        judgement.unflagged = (!calibration.may_flag).then(|| {
            let points = calibration.training_points;
            format!("{points} of the {MIN_FLAGGING_POINTS} training points that flags need are available")
        });
        judgement
    }
}

/// What has happened in a series so far.
struct Events {
    alarms: Incidents,
    shifts: Incidents,
    jumps: Incidents,
    /// What all of them told.
    told: Told,
}

impl Events {
    /// Nothing at the next point.
    fn pass(&mut self, time: i64) {
        for incidents in [&mut self.alarms, &mut self.shifts, &mut self.jumps] {
            incidents.next(time, 0.0, false, false);
        }
    }
}

/// One series with everything that is the same for all its blocks.
struct Observed<'a> {
    course: Course<'a>,
    expectation: Expectation,
    statistics: Vec<Statistic>,
}

impl<'a> Observed<'a> {
    fn new(course: Course<'a>, blocks: &[Block], zone: Tz, timing: Timing) -> Self {
        let points = course.points();
        let filled = fill_gaps(points, timing.points_ms(CARRIED_POINTS));
        let first_training = blocks.iter().map(|block| block.training.start).min().unwrap_or(0);
        let cells = timing.cells(points.times, blocks);
        let expectation =
            Expectation::new(points.times, &filled, &cells, zone, timing.forecast_lookback_ms());
        let sights = Sights {
            values: windows::sights(points.times, &filled, timing.lookback_ms()),
            residuals: windows::sights(points.times, &filled, timing.points_ms(ROLLING_POINTS)),
        };
        let statistics =
            statistics::all(points.values, &filled, &expectation.expected, &sights, first_training);
        Self { course, expectation, statistics }
    }
}

/// The same, with what is looked at again and again at hand.
struct Watch<'a> {
    course: &'a Course<'a>,
    points: Points<'a>,
    expectation: &'a Expectation,
    statistics: &'a [Statistic],
    /// For how many points the value has not changed.
    flat: &'a [f64],
    /// The statistics of [`shift::WATCHED`].
    shifts: [&'a [f64]; 2],
    /// The statistic of [`shift::BACK`].
    back: &'a [f64],
    /// The places of [`JUMPS`] among the statistics.
    jumps: [usize; 2],
}

impl<'a> Watch<'a> {
    fn new(observed: &'a Observed<'a>) -> Self {
        let Observed { course, expectation, statistics } = observed;
        let of = |kind: Kind| -> &'a [f64] {
            statistics.iter().find(|statistic| statistic.kind == kind).map_or(&[], |found| &found.values)
        };
        Self {
            course,
            points: course.points(),
            expectation,
            statistics,
            flat: of(Kind::Flat),
            shifts: shift::WATCHED.map(of),
            back: of(shift::BACK.0),
            jumps: JUMPS
                .map(|kind| statistics.iter().position(|statistic| statistic.kind == kind).unwrap_or(0)),
        }
    }

    /// Whether the level has come nearer to what is expected, and near.
    fn leads_back(&self, index: usize) -> bool {
        let before = index.checked_sub(shift::BACK.1).and_then(|before| self.back.get(before));
        let off = self.back.get(index).zip(before);
        off.is_some_and(|(now, before)| now.abs() <= BACK_SHARE * before.abs())
    }
}

/// Calibrates block after block.
struct Calibrator<'a> {
    values: SortedRange<'a>,
    /// Each with what its high and its low tail were near last.
    statistics: Vec<(Kind, SortedRange<'a>, [Near; 2])>,
    /// The training windows of the blocks that are yet to be measured.
    trainings: std::vec::IntoIter<Range<usize>>,
    /// Those of the next blocks, and what was measured there.
    measured: VecDeque<(Range<usize>, Measures)>,
}

impl<'a> Calibrator<'a> {
    /// For blocks with these training windows, one after the other.
    fn new(observed: &'a Observed<'a>, trainings: Vec<Range<usize>>) -> Self {
        let mut scratch = Scratch::new();
        let mut range = |values: &'a [f64]| SortedRange::with(values, &mut scratch);
        Self {
            values: range(observed.course.points().values),
            statistics: observed
                .statistics
                .iter()
                .map(|of| (of.kind, range(&of.values), Default::default()))
                .collect(),
            trainings: trainings.into_iter(),
            measured: VecDeque::new(),
        }
    }

    /// For the next block. `None` if its training window holds too few points.
    fn next(&mut self) -> Option<Calibration> {
        if self.measured.is_empty() {
            self.measure();
        }
        let (training, measures) = self.measured.pop_front()?;
        self.values.move_to(training.start, training.end);
        let training_points = self.values.len();
        if training_points < calibration::MIN_VALUES {
            return None;
        }
        // The first statistic is the residual of the value itself.
        let band = match &measures.tails[0] {
            (Some(high), Some(low)) => (low.value_at(BAND_SURPRISE), high.value_at(BAND_SURPRISE)),
            _ => (f64::NAN, f64::NAN),
        };
        Some(Calibration {
            measures,
            band,
            few_values: self.values.few_values(FEW_VALUES, EACH_SEEN).unwrap_or_default(),
            lowest: self.values.nth(0),
            highest: self.values.nth(training_points - 1),
            training_points,
            ripeness: (training_points as f64 / RIPE_POINTS).min(1.0).sqrt(),
            may_flag: training_points >= MIN_FLAGGING_POINTS,
        })
    }

    /// Measures what each statistic did in the training windows of the next blocks.
    fn measure(&mut self) {
        let next = self.trainings.by_ref().take(MEASURED_TOGETHER);
        self.measured.extend(next.map(|training| (training, Measures::default())));
        for (kind, values, near) in &mut self.statistics {
            for (training, measures) in &mut self.measured {
                values.move_to(training.start, training.end);
                measures.add(*kind, values, near, training);
            }
        }
    }
}

/// What the statistics did in the training window.
#[derive(Default)]
struct Measures {
    /// The high and the low tail of each.
    tails: Vec<(Option<Tail>, Option<Tail>)>,
    /// The noise of [`shift::WATCHED`].
    noise: [Option<Noise>; 2],
    /// Points for which a value has stayed the same before, but for the very longest.
    longest_flat: f64,
    /// The same but for the run with which the training window ends.
    longest_flat_but_last: f64,
}

impl Measures {
    /// Adds the next statistic, `values` of which are in the training window.
    fn add(&mut self, kind: Kind, values: &SortedRange<'_>, near: &mut [Near; 2], training: &Range<usize>) {
        if kind == Kind::Flat && values.len() > FROZEN_POINTS {
            // What the run itself has left in the training window is below this rank at first.
            let beyond = values.len() - 1 - FROZEN_POINTS;
            self.longest_flat = values.nth(beyond);
            // And later without it, until it is what is usual.
            let last = training.end.checked_sub(1).map_or(0.0, |last| values.value(last));
            self.longest_flat_but_last = if last >= FROZEN_POINTS as f64 {
                values.nth(beyond.saturating_sub(last as usize))
            } else {
                self.longest_flat
            };
        }
        if let Some(slot) = shift::WATCHED.iter().position(|watched| *watched == kind) {
            self.noise[slot] = Noise::of(values);
        }
        let [near_high, near_low] = near;
        let low = if kind.is_signed() { Tail::low(values, near_low) } else { None };
        self.tails.push((Tail::high(values, near_high), low));
    }
}

/// What the training window says of each statistic.
struct Calibration {
    measures: Measures,
    /// How far the normal band reaches below and above what is expected.
    band: (f64, f64),
    /// All values that there are, if they are few; else none.
    few_values: Vec<f64>,
    /// The lowest and the highest training value.
    lowest: f64,
    highest: f64,
    training_points: usize,
    /// Factor of the severity: what is rare among few points may be common.
    ripeness: f64,
    may_flag: bool,
}

/// Power of the mean in which the surprises are averaged: the large ones count more, but none decides alone.
fn power_mean(sum: f64, weights: f64) -> f64 {
    (sum / weights).sqrt()
}

/// How much of a two-sided surprise is chance: either side could have been the more surprising one (log₁₀ 2).
const TWO_SIDES: f64 = 0.3;

impl Calibration {
    fn look(&self, series: &Watch<'_>, index: usize) -> Seen {
        let mut seen = Seen {
            alarm: 0.0,
            severity: 0.0,
            is_high: true,
            outside: None,
            drivers: [(0.0, Kind::Flat, true); 2],
            beyond_doubt: None,
        };
        let (mut alarm, mut alarm_weights) = (0.0, 0.0);
        let (mut severity, mut severity_weights) = (0.0, 0.0);
        let mut lean = 0.0;
        for ((watched, statistic), (high, low)) in
            WATCHED.iter().zip(series.statistics).zip(&self.measures.tails)
        {
            alarm_weights += watched.alarm;
            severity_weights += watched.severity;
            let value = statistic.values[index];
            if value.is_nan() {
                continue;
            }
            let (surprise, is_high) = match (high, low) {
                (None, _) => (0.0, true),
                (Some(high), None) => (high.surprise(value).min(calibration::MAX_SURPRISE - TWO_SIDES), true),
                (Some(high), Some(low)) => {
                    let (surprise, is_high) = high.surprise_of_either(low, value);
                    ((surprise - TWO_SIDES).max(0.0), is_high)
                }
            };
            let weighted = watched.alarm * surprise * surprise;
            alarm += weighted;
            if watched.severity > 0.0 {
                let severe = surprise.min(MAX_SEVERE);
                severity += watched.severity * severe * severe.sqrt();
            }
            if statistic.kind.has_side() {
                lean += if is_high { weighted } else { -weighted };
            }
            seen.note(weighted, statistic.kind, is_high);
        }
        seen.alarm = power_mean(alarm, alarm_weights);
        seen.severity = self.ripeness * (severity / severity_weights).powf(2.0 / 3.0);
        let value = series.points.values[index];
        let (lower, upper) = self.band(series.expectation.expected[index]);
        seen.outside = (value < lower || value > upper).then_some(value > upper);
        // Within the band the side is that of most of what is unusual.
        seen.is_high = seen.outside.unwrap_or(lean >= 0.0);
        if self.lowest == self.highest && value != self.lowest {
            seen.is_high = value > self.lowest;
            seen.beyond_doubt = Some("it was constant all through the training window");
        } else if value == 0.0
            && self.lowest > 0.0
            && seen.drivers.iter().any(|(_, kind, high)| kind.has_side() && !high)
        {
            seen.is_high = false;
            seen.beyond_doubt = Some("it was never zero in the training window");
        } else if value < 0.0 && self.lowest >= 0.0 {
            seen.is_high = false;
            seen.beyond_doubt = Some("it was never below zero in the training window");
        } else if !self.few_values.is_empty()
            && self.lowest < value
            && value < self.highest
            && !self.few_values.contains(&value)
        {
            seen.beyond_doubt =
                Some("it was one of a few values all through the training window, and is none of them");
        }
        let flat = series.flat.get(index).copied().unwrap_or(0.0);
        if self.is_frozen(flat, self.measures.longest_flat) {
            seen.beyond_doubt = Some("it has never stayed the same for so long");
        }
        if seen.beyond_doubt.is_some() {
            seen.alarm = seen.alarm.max(NEVER_BEFORE_ALARM);
        }
        seen
    }

    /// Whether a value is frozen that has not changed for `flat` points, if others never stayed for longer than `longest`.
    fn is_frozen(&self, flat: f64, longest: f64) -> bool {
        flat >= FROZEN_POINTS as f64 && flat > FROZEN_FACTOR * longest && self.lowest < self.highest
    }

    /// What is wrong beyond doubt at `index`, and for how long.
    fn lasting(&self, series: &Watch<'_>, past: &Past<'_>, index: usize) -> Option<Lasting> {
        past.lasting(index).or_else(|| {
            let flat = series.flat.get(index).copied().unwrap_or(0.0);
            // Only what was there before the block is left out of the training window.
            let since = index.checked_sub(past.training().end).map_or(0.0, |since| since as f64);
            let longest =
                if flat > since { self.measures.longest_flat_but_last } else { self.measures.longest_flat };
            let points = (flat as usize + 1).saturating_sub(FROZEN_POINTS);
            let lasts = self.is_frozen(flat, longest) && points <= past.longest();
            lasts.then(|| Lasting {
                points,
                is_high: series.points.values[index] >= series.expectation.expected[index],
                is_first_ever: false,
                why: "it has never stayed the same for so long",
            })
        })
    }

    /// How surprising a shift of level at `index` is, and whether it is one upwards.
    fn shift(&self, series: &Watch<'_>, index: usize) -> (f64, bool) {
        let mut least = (f64::INFINITY, true);
        for (values, noise) in series.shifts.iter().zip(&self.measures.noise) {
            let surprise = noise
                .as_ref()
                .zip(values.get(index))
                .map_or((0.0, true), |(noise, value)| noise.surprise(*value));
            if surprise.0 < least.0 {
                least = surprise;
            }
        }
        least
    }

    /// How surprising a jump at `index` is, and whether it is one upwards.
    fn jump(&self, series: &Watch<'_>, index: usize) -> (f64, bool) {
        let rarity = |place: usize| {
            let value = series.statistics[place].values[index];
            let (Some(high), Some(low)) = &self.measures.tails[place] else { return (0.0, true) };
            let (high, low) = (high.rarity(value), low.rarity(-value));
            (high.max(low) - TWO_SIDES, high >= low)
        };
        let [one, other] = series.jumps.map(rarity);
        if one.0 <= other.0 { one } else { other }
    }

    /// Ends of the normal band around `expected`.
    fn band(&self, expected: f64) -> (f64, f64) {
        let (below, above) = self.band;
        (expected - below, expected + above)
    }
}

/// What was seen at one point.
struct Seen {
    alarm: f64,
    severity: f64,
    is_high: bool,
    /// Whether it is above its band; `None` if within it.
    outside: Option<bool>,
    /// The statistics that count most: share of the alarm, kind, whether it is high.
    drivers: [(f64, Kind, bool); 2],
    /// Why it is an outlier, whatever the other statistics say.
    beyond_doubt: Option<&'static str>,
}

impl Seen {
    fn note(&mut self, weighted: f64, kind: Kind, is_high: bool) {
        if weighted > self.drivers[0].0 {
            self.drivers = [(weighted, kind, is_high), self.drivers[0]];
        } else if weighted > self.drivers[1].0 {
            self.drivers[1] = (weighted, kind, is_high);
        }
    }

    fn reason(&self, series: &Watch<'_>, index: usize, calibration: &Calibration) -> String {
        let value = series.points.values[index];
        let told_by_side = self.beyond_doubt.is_some() || self.drivers[0].1.has_side();
        let side = match (told_by_side, self.is_high) {
            (false, _) => "unusual",
            (true, true) => "high",
            (true, false) => "low",
        };
        let expected = Short(series.expectation.expected[index]);
        let season = series.expectation.basis[index].words();
        let mut why: Vec<String> = self.beyond_doubt.iter().map(|why| (*why).to_owned()).collect();
        why.extend(
            self.drivers.iter().filter(|(share, ..)| *share > 0.0).map(|(_, kind, high)| kind.words(*high)),
        );
        let (a_rise_of, a_second) =
            if series.course.is_of_rises() { ("a rise of ", " a second") } else { ("", "") };
        format!(
            "{a_rise_of}{}{a_second} is {side}, expected {expected}{season}: {} ({} training points)",
            Short(value),
            why.join("; "),
            calibration.training_points
        )
    }
}

impl Timing {
    /// How long so many points take.
    fn points_ms(self, points: usize) -> Option<i64> {
        self.step_ms.map(|step_ms| step_ms.saturating_mul(points as i64))
    }

    /// How far back values may be looked at. What is further back can still be carried on by a gap.
    fn lookback_ms(self) -> Option<i64> {
        let carried_ms = self.points_ms(CARRIED_POINTS).unwrap_or(0);
        self.lookback_ms.map(|ms| ms.saturating_sub(carried_ms).max(0))
    }

    /// How far back forecasts may look. Those of the first point of a block and of the points before it count as well.
    fn forecast_lookback_ms(self) -> Option<i64> {
        let rolling_ms = self.points_ms(ROLLING_POINTS).unwrap_or(0);
        let block_ms = self.refit_ms.unwrap_or(0);
        self.lookback_ms().map(|ms| ms.saturating_sub(rolling_ms).saturating_sub(block_ms).max(0))
    }
}

fn finite(values: &[f64]) -> usize {
    values.iter().filter(|value| value.is_finite()).count()
}

/// The values, with each gap carrying on the last value before it for no longer than `most_ms`, and NaN thereafter.
fn fill_gaps(points: Points<'_>, most_ms: Option<i64>) -> Vec<f64> {
    let mut last = None;
    let fill = |(time, value): (&i64, &f64)| {
        if value.is_finite() {
            last = Some((*time, *value));
        }
        let near = last.filter(|(at, _)| most_ms.is_none_or(|most_ms| time.saturating_sub(*at) <= most_ms));
        near.map_or(f64::NAN, |(_, value)| value)
    };
    points.times.iter().zip(points.values).map(fill).collect()
}
