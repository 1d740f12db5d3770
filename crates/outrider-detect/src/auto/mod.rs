//! The detector that needs no tuning, and the default.
//!
//! Some thirty statistics watch a series at several scales (`statistics`): how far the value and the mean of the last
//! few points are from what is expected at this time (`expectation` finds the season), jumps, changes of level and of
//! unrest, flat lines, and runs that look like nothing before (`discord`). What each did in the training window says
//! how surprising it is now (`calibration`, `surprise`). The surprises are averaged, the large ones counting more, into
//! two scores: the *alarm*, which is high where something begins, and the *severity*, which ranks all points. Alarms
//! become incidents, each told once (`incidents`), and so do shifts of level that noise cannot explain (`shift`, and
//! `step` where the noise is white) and jumps beyond all measure. Of counters all this is that of their rise (`course`).
//! What stays wrong beyond doubt is told until it ends (`lasting`).
//!
//! Cost: O(2,016) steps a point for the nearest neighbours, and for every statistic a step for each 256 points a block and
//! a sort; up to 1,280 bytes a point while it works (`Detector::bytes`). Warm-up: 40 (`calibration::MIN_VALUES`) training points for a score,
//! 150 (`MIN_FLAGGING_POINTS`) for a flag; two days until a daily season is known, and two weeks for a weekly one. Not for
//! comparing series with each other, nor for limits that are known beforehand.

mod calibration;
mod course;
mod cycle;
mod discord;
mod expectation;
mod incidents;
mod lasting;
mod medians;
mod normal;
mod observed;
mod shift;
mod statistics;
mod step;
mod surprise;
mod tail;
#[cfg(test)]
mod tests;
mod windows;

use std::cell::LazyCell;
use std::ops::Range;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::course::Course;
use self::incidents::{Beyond, Incidents, MAX_ONGOING, Part, Told};
use self::lasting::{Lasting, Past};
use self::observed::{Observed, Watch};
use self::statistics::LOOKBACK_POINTS;
use self::surprise::{Calibration, Calibrator, MIN_FLAGGING_POINTS, Usual};
use super::wall_clock::time_zone;
use super::{About, Block, Detector, Judgement, Points, Reach, Timing, Verdict};
use crate::error::Result;
use crate::options::{Direction, Ratio, Whole};
use outrider_forest::cancel::checkpoint;

/// Training window and refit interval where the query leaves them open, in points: two weeks and an hour at five
/// minutes. What was seen an hour ago no longer surprises.
const TRAINING_POINTS: i64 = 4_032;
const REFIT_POINTS: i64 = 12;

/// Where points are nearer than that they are two weeks, so that the season of a week is in them, and an hour; but no more
/// points than these have at one minute.
const TRAINING_MS: i64 = 14 * expectation::DAY_MS;
const MAX_TRAINING_POINTS: i64 = 20_160;
const REFIT_MS: i64 = 3_600_000;
const MAX_REFIT_POINTS: i64 = 60;

/// Points that means of the distance from what was expected look back, so that those before them must have been forecast
/// too.
const ROLLING_POINTS: usize = 300;

/// Points through which a gap carries the last value before it. In a longer one there is nothing to look back on.
const CARRIED_POINTS: usize = 300;

/// Points that a block may have without the forecasts looking less far back: which forecast is believed is settled where a
/// block begins, and the point that is looked at may be its last.
const BLOCK_POINTS: usize = 100;

/// Points before the training window that are read for the seasons at most: a month at one minute.
const MAX_LOOKBACK_POINTS: usize = 43_200;

/// Nothing is read that is further back than this, however far apart the points are.
const MAX_LOOKBACK_MS: i64 = 1_000 * expectation::DAY_MS;

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

/// Lowest score of a flagged point, and the highest of one that is not but might have been.
const FLAGGED_SCORE: f64 = 0.5;
const MAX_UNFLAGGED_SCORE: f64 = 0.499;

/// What the severity adds at most to the score of a point that goes on an incident: onsets stand out.
const GOING_ON_SCORE: f64 = 0.001;

/// What the distance from the band adds at most to that of an onset.
const BEYOND_SCORE: f64 = 0.17;

/// Decades by which limits are passed more often by chance, for each unit by which the thresholds are eased.
const RARER_REACH: f64 = 1.8;

/// Standard deviations from what is normal that an alarm needs.
const MIN_OFF: f64 = 6.0;

/// And a step.
const MIN_STEP_OFF: f64 = 1.0;

/// Surprise above which a jump is told.
const JUMP_THRESHOLD: f64 = 4.1;

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
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How easily a point is flagged: at 0 only the grossest outliers, at 1 many false alarms too.
    #[schemars(title = "Sensitivity")]
    pub sensitivity: Ratio,
    /// Points after an incident during which only a worse one is reported; a tenth of them for steps in white noise.
    /// Where points are further apart than the query's step, so many steps.
    #[schemars(title = "Refractory", extend("x-unit" = "points"))]
    pub refractory: Whole<0, 10_000>,
    /// Time zone whose clock the daily and weekly seasons follow, across changes to and from summer time, as an IANA name.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone"))]
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
        let either = |points: i64, ms: i64, most: i64| {
            step_ms.saturating_mul(points).max(ms.min(step_ms.saturating_mul(most)))
        };
        (
            either(TRAINING_POINTS, TRAINING_MS, MAX_TRAINING_POINTS),
            either(REFIT_POINTS, REFIT_MS, MAX_REFIT_POINTS),
        )
    }

    fn reach(&self, step_ms: i64) -> Reach {
        let points = |count: usize| step_ms.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        Reach {
            // As far as the seasons reach, but no more points than a month has at one minute. The first of them may be
            // in a gap that carries on what was before.
            lookback_ms: expectation::LOOKBACK_MS
                .min(points(MAX_LOOKBACK_POINTS))
                .saturating_add(normal::lookback_ms(step_ms))
                .saturating_add(points(ROLLING_POINTS + BLOCK_POINTS))
                .max(points(LOOKBACK_POINTS))
                .saturating_add(points(CARRIED_POINTS + course::EVEN_POINTS))
                .min(MAX_LOOKBACK_MS),
            // A point may belong to an incident whose onset was above all alarms of the refractory time before it.
            run_in_ms: points(
                self.refractory.saturating_add(incidents::REMEMBERED_POINTS).max(incidents::HELD_POINTS),
            ),
        }
    }

    fn bytes(&self, points: usize, _members: usize) -> usize {
        // Some twenty statistics, each with its values in order, and a model of each measure.
        const OF_POINT: usize = 1_280;
        points.saturating_mul(OF_POINT)
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
        let rises = LazyCell::new(|| {
            observe(Course::of_rises(points, most_ms, timing.points_ms(course::EVEN_POINTS)))
        });
        let (mut of_values, mut of_rises) = (None, None);
        let mut events = Events {
            alarms: Incidents::new(THRESHOLD - self.eased, self.refractory, timing.step_ms),
            shifts: Incidents::new(shift::THRESHOLD - self.eased, self.refractory, timing.step_ms),
            steps: Incidents::new(
                step::THRESHOLD - self.eased * step::THRESHOLD_REACH,
                self.refractory / step::REFRACTORY_SHARE,
                timing.step_ms,
            )
            .late(step::POINTS / 2 + 1),
            jumps: Incidents::new(JUMP_THRESHOLD - self.eased, self.refractory, timing.step_ms),
            told: Told::new(timing.step_ms),
            beyond: Beyond::new(timing.step_ms),
        };
        blocks
            .iter()
            .zip(&is_counter)
            .map(|(block, is_counter)| {
                checkpoint();
                let judged = &points.values[block.judged.clone()];
                let (series, calibrator) = if *is_counter {
                    of_rises
                        .get_or_insert_with(|| (Watch::new(&rises), Calibrator::new(&rises, trainings(true))))
                } else {
                    of_values.get_or_insert_with(|| {
                        (Watch::new(&values), Calibrator::new(&values, trainings(false)))
                    })
                };
                let judgement = match calibrator.calibrate_next() {
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
        let limits = series.normal.limits(&block.training, 10_f64.powf(-RARER_REACH * self.eased));
        for index in block.judged.clone() {
            let (time, value) = (series.points.times[index], series.points.values[index]);
            if value.is_nan() {
                events.pass(time);
                judgement.push(Verdict::Missing, f64::NAN, f64::NAN, (f64::NAN, f64::NAN));
                continue;
            }
            let found = limits.look(index);
            let mut seen = calibration.look(series, past, found.as_ref(), index);
            let Usual { expected, band, .. } = seen.usual;
            let is_beyond_doubt = seen.beyond_doubt.is_some();
            // Upwards is not high as long as it leads to where it is too low.
            let sided = |(surprise, is_upwards)| (surprise, seen.outside.unwrap_or(is_upwards));
            let shift = sided(calibration.shift(series, index));
            let step = sided(calibration.step(series, &block.training, index));
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
            let is_way_back = series.leads_back(index, calibration.usual_error);
            let (shift_part, _) = events.shifts.next(time, shift.0, wanted(shift.1) && !is_way_back, false);
            let is_step = wanted(step.1) && found.is_none_or(|found| found.off >= MIN_STEP_OFF);
            let (step_part, _) = events.steps.next(time, step.0, is_step, false);
            let is_jump = wanted(jump.1) && !series.foresees(index);
            let (jump_part, _) = events.jumps.next(time, jump.0, is_jump, lasts);
            let apart = [
                (
                    shift_part,
                    shift.1,
                    "the level of the last 12 points shifted by more than noise explains",
                    ("level", 12),
                ),
                (
                    step_part,
                    step.1,
                    "the level of the last 15 points is further from that before than their noise explains",
                    ("level", step::POINTS),
                ),
                (jump_part, jump.1, "hardly any jump was ever as large", ("jump", 2)),
            ];
            // Of what is beyond doubt the training window holds no other, so it has not been told.
            let told = if part != Part::Quiet || is_beyond_doubt && wanted(seen.is_high) {
                true
            } else if let Some((_, is_high, why, about)) =
                apart.iter().find(|(part, ..)| *part != Part::Quiet)
            {
                seen.is_high = *is_high;
                seen.beyond_doubt = Some(why);
                seen.about = Some(*about);
                true
            } else {
                false
            };
            // What is a matter of degree is an incident at first, and must be worse than the last one.
            let is_sure = |lasting: &Lasting| lasting.is_first_ever || lasting.points > MAX_ONGOING;
            let goes_on = lasting.filter(|lasting| is_sure(lasting) && wanted(lasting.is_high));
            // As long as nothing but this run was below zero, nothing below it is normal.
            let first_below = goes_on.is_some_and(|lasting| lasting.is_first_ever && value < 0.0);
            let least = if first_below { 0.0 } else { f64::NEG_INFINITY };
            let (expected, band) = (expected.max(least), (band.0.max(least), band.1.max(least)));
            let off = (value - expected).abs();
            // Within the band only the begin is told. An alarm tells what is far out by the measure of the noise, unless a
            // point is half an hour or more.
            let is_outside = found.is_none_or(|found| found.is_outside);
            let is_off = found.is_none_or(|found| {
                found.off >= MIN_OFF || found.is_outside && limits.is_each_point_telling()
            });
            // Noise may hide the begin of a step.
            let is_onset = [part, shift_part, jump_part].contains(&Part::Onset) || step_part != Part::Quiet;
            let is_habit = found.is_some_and(|found| found.is_habit && !found.is_beyond);
            let told = told
                && (is_beyond_doubt || lasts || (is_outside || is_onset) && (is_off || part == Part::Quiet))
                && (is_beyond_doubt || step_part != Part::Quiet || !is_habit);
            let mut is_outlier = if let Some(lasting) = &goes_on {
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
            // A value is high if it is more than what is expected, whatever led to it; what says otherwise is not about it.
            if value != expected {
                let is_high = value > expected;
                is_outlier &= is_high == seen.is_high || is_beyond_doubt || lasts;
                seen.is_high = is_high;
            }
            let is_new = events.beyond.is_over((index, time));
            let is_beyond = found.is_some_and(|found| found.is_beyond) && wanted(seen.is_high);
            let goes_on_outside = found.is_some() && is_outside && wanted(seen.is_high);
            is_outlier |= events.beyond.next((index, time), is_beyond, goes_on_outside);
            is_outlier &= wanted(seen.is_high);
            let verdict = match (is_outlier, seen.is_high) {
                (false, _) => Verdict::Normal,
                (true, true) => Verdict::High,
                (true, false) => Verdict::Low,
            };
            let stands_out = seen.alarm >= ORDINARY && seen.severity >= MIN_PEAK_SEVERITY;
            let quiet = seen.severity / (seen.severity + 1.0);
            let mut score = if is_peak && stands_out && calibration.may_flag {
                seen.alarm / (seen.alarm + THRESHOLD)
            } else {
                MAX_QUIET_SCORE * quiet
            };
            if is_outlier {
                score = score.max(FLAGGED_SCORE + GOING_ON_SCORE * quiet);
                if let Some(found) = found.filter(|found| found.is_beyond && is_new) {
                    score = score.max(FLAGGED_SCORE + BEYOND_SCORE * (1.0 - 1.0 / found.strength));
                }
            } else if wanted(seen.is_high) {
                score = score.min(MAX_UNFLAGGED_SCORE);
            }
            if verdict.is_outlier() && band.0 <= value && value <= band.1 {
                let (what, points) = seen.about(series, index);
                let since_ms = series.points.times[(index + 1).saturating_sub(points)];
                judgement.abouts.push((judgement.verdicts.len(), About { what, since_ms }));
            }
            if verdict.is_outlier() {
                judgement.reasons.push((judgement.verdicts.len(), seen.reason(series, index, calibration)));
            }
            judgement.push(verdict, score, expected, band);
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
    steps: Incidents,
    jumps: Incidents,
    /// What all of them told.
    told: Told,
    /// What is far outside the band.
    beyond: Beyond,
}

impl Events {
    /// Nothing at the next point.
    fn pass(&mut self, time: i64) {
        for incidents in [&mut self.alarms, &mut self.shifts, &mut self.steps, &mut self.jumps] {
            incidents.next(time, 0.0, false, false);
        }
    }
}

fn finite(values: &[f64]) -> usize {
    values.iter().filter(|value| value.is_finite()).count()
}
