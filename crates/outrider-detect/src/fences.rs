//! Judging points by how far beyond a centre they lie: what `mad`, `z-score` and `iqr` share.
//!
//! Such a detector only says what is normal for a set of values ([`Normal`]). Which values a point is compared with
//! ([`Window`]), the score, the verdict, the band and the reason are found here, in the same way for all.

use super::short::Short;
use super::window::{Summary, Window};
use super::{Judgement, MIN_TRAINING_POINTS, Points, Verdict};
use crate::options::{Direction, DurationMs};
use outrider_forest::cancel::{Checkpoints, checkpoint};

/// The score of a point exactly as far out as is still normal.
pub(super) const SCORE_AT_THRESHOLD: f64 = 0.5;

/// Maps how far out a point is, at least 0, to 0 to 1: monotone, and [`SCORE_AT_THRESHOLD`] at `threshold`.
pub(super) fn score(distance: f64, threshold: f64) -> f64 {
    if distance == f64::INFINITY { 1.0 } else { distance / (distance + threshold) }
}

/// Whether a point on the side of `side` is to be flagged.
pub(super) fn wanted(direction: Direction, side: Verdict) -> bool {
    match direction {
        Direction::Both => true,
        Direction::High => side == Verdict::High,
        Direction::Low => side == Verdict::Low,
    }
}

/// What is normal for the values a point is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normal {
    /// What a value should be.
    pub(super) expected: f64,
    /// The distance of a smaller value is measured from here down; at most `expected`.
    pub(super) low_from: f64,
    /// The distance of a larger value is measured from here up; at least `expected`.
    pub(super) high_from: f64,
    /// What distances are measured in; 0 only if all values are the same.
    pub(super) unit: f64,
}

/// How a detector that measures distances speaks and decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// What a point is compared with.
    pub(super) window: Window,
    /// The distance, in units, beyond which a point is flagged.
    pub(super) threshold: f64,
    /// Which side is flagged.
    pub(super) direction: Direction,
    /// Name of the unit.
    pub(super) unit: &'static str,
    /// Names of what low and high values are measured from.
    pub(super) from: [&'static str; 2],
}

impl Rule {
    /// Judges every point by what `normal` makes of the values it is compared with.
    pub(super) fn judge<S: Summary>(
        &self,
        training: Points<'_>,
        judged: Points<'_>,
        normal: impl Fn(&mut S) -> Normal,
    ) -> Judgement {
        match self.window {
            Window::Training => self.by_training(training, judged, normal),
            Window::Rolling(length) => self.by_points_before(length, training, judged, normal),
        }
    }

    fn by_training<S: Summary>(
        &self,
        training: Points<'_>,
        judged: Points<'_>,
        normal: impl Fn(&mut S) -> Normal,
    ) -> Judgement {
        let values: Vec<f64> = training.values.iter().copied().filter(|value| value.is_finite()).collect();
        let usable = values.len();
        if usable < MIN_TRAINING_POINTS {
            return Judgement::none(
                judged.values,
                format!("{usable} of the {MIN_TRAINING_POINTS} training points needed are available"),
            );
        }
        let mut summary = S::over(values);
        summary.look_at(0..usable);
        let normal = normal(&mut summary);
        let mut judgement = Judgement::default();
        let mut checkpoints = Checkpoints::default();
        for value in judged.values {
            checkpoints.step();
            self.add(&mut judgement, *value, Some((normal, usable)));
        }
        judgement
    }

    fn by_points_before<S: Summary>(
        &self,
        length: DurationMs,
        training: Points<'_>,
        judged: Points<'_>,
        normal: impl Fn(&mut S) -> Normal,
    ) -> Judgement {
        let Some(begin) = judged.times.first() else { return Judgement::default() };
        let needed = training.times.partition_point(|time| *time < begin.saturating_sub(length.as_millis()));
        // With `training: visible-range` the two are the same points, and none of them lies before the first.
        let before = training.times.partition_point(|time| time < begin).max(needed);
        let (times, values): (Vec<i64>, Vec<f64>) = (training.times[needed..before].iter())
            .zip(&training.values[needed..before])
            .chain(judged.times.iter().zip(judged.values))
            .filter(|(_, value)| value.is_finite())
            .unzip();
        let mut summary = S::over(values);
        let mut judgement = Judgement::default();
        let (mut start, mut end) = (0, 0);
        for (time, value) in judged.times.iter().zip(judged.values) {
            // One may take as long as all values before it.
            checkpoint();
            let from = time.saturating_sub(length.as_millis());
            start += times[start..].partition_point(|other| *other < from);
            end += times[end..].partition_point(|other| other < time);
            summary.look_at(start..end);
            let count = summary.count();
            let known = (count >= MIN_TRAINING_POINTS).then(|| (normal(&mut summary), count));
            if known.is_none() && value.is_finite() {
                judgement.shortage.get_or_insert_with(|| {
                    format!(
                        "{count} of the {MIN_TRAINING_POINTS} points needed are in the detector's window, the \
                         {length} before the point"
                    )
                });
            }
            self.add(&mut judgement, *value, known);
        }
        judgement
    }

    /// Appends the verdict on `value`; `known` is what is normal and of how many values.
    fn add(&self, judgement: &mut Judgement, value: f64, known: Option<(Normal, usize)>) {
        let Some((normal, count)) = known else {
            judgement.verdicts.push(if value.is_finite() { Verdict::NotJudged } else { Verdict::Missing });
            for column in
                [&mut judgement.scores, &mut judgement.expected, &mut judgement.lower, &mut judgement.upper]
            {
                column.push(f64::NAN);
            }
            return;
        };
        let (lower, upper) = self.band(normal);
        judgement.expected.push(normal.expected);
        judgement.lower.push(lower);
        judgement.upper.push(upper);
        if !value.is_finite() {
            judgement.verdicts.push(Verdict::Missing);
            judgement.scores.push(f64::NAN);
            return;
        }
        let (side, distance) = distance(normal, value);
        let score = score(distance, self.threshold);
        judgement.scores.push(score);
        let flagged = score > SCORE_AT_THRESHOLD && wanted(self.direction, side);
        judgement.verdicts.push(if flagged { side } else { Verdict::Normal });
        if flagged {
            let reason = self.reason(normal, count, value, side, distance, (lower, upper), score);
            judgement.reasons.push((judgement.scores.len() - 1, reason));
        }
    }

    /// Ends of the normal band; NaN on a side that is not judged.
    fn band(&self, normal: Normal) -> (f64, f64) {
        let reach = self.threshold * normal.unit;
        let end = |value: f64, side| {
            if wanted(self.direction, side) && value.is_finite() { value } else { f64::NAN }
        };
        (end(normal.low_from - reach, Verdict::Low), end(normal.high_from + reach, Verdict::High))
    }

    #[expect(clippy::too_many_arguments, reason = "everything a person is told, each of it once")]
    fn reason(
        &self,
        normal: Normal,
        count: usize,
        value: f64,
        side: Verdict,
        distance: f64,
        (lower, upper): (f64, f64),
        score: f64,
    ) -> String {
        let (word, from, origin) = match side {
            Verdict::Low => ("low", self.from[0], normal.low_from),
            _ => ("high", self.from[1], normal.high_from),
        };
        let value = Short(value);
        if normal.unit == 0.0 {
            return format!(
                "{value} is {word}: all {count} values it is compared with are {}; score {score:.2} above {:.2}",
                Short(normal.expected),
                SCORE_AT_THRESHOLD
            );
        }
        let range = match (lower.is_finite(), upper.is_finite()) {
            (true, true) => format!(", normal is {} to {}", Short(lower), Short(upper)),
            (true, false) => format!(", normal is at least {}", Short(lower)),
            (false, true) => format!(", normal is up to {}", Short(upper)),
            (false, false) => String::new(),
        };
        format!(
            "{value} is {word}: {distance:.1} {} from {from} {}{range}; score {score:.2} above {:.2}",
            self.unit,
            Short(origin),
            SCORE_AT_THRESHOLD
        )
    }
}

/// On which side `value` lies, and how far out in units.
fn distance(normal: Normal, value: f64) -> (Verdict, f64) {
    let (side, from) = if value > normal.high_from {
        (Verdict::High, normal.high_from)
    } else if value < normal.low_from {
        (Verdict::Low, normal.low_from)
    } else {
        return (Verdict::Normal, 0.0);
    };
    let gap = (value - from).abs();
    if normal.unit.is_infinite() {
        return (side, 0.0);
    }
    if gap.is_infinite() {
        // The difference overflows, the quotient need not.
        return (side, (value / normal.unit - from / normal.unit).abs());
    }
    (side, gap / normal.unit)
}

/// What the tests of the detectors with fences have in common.
#[cfg(test)]
pub(super) mod testing {
    use serde_json::Value;

    use crate::options::{Direction, parse_options};
    use crate::{Detector, Judgement, Points};

    /// A detector of both directions.
    pub(crate) fn build<D: Detector>(options: &Value) -> D {
        D::new(parse_options("detector", options).unwrap(), Direction::Both).unwrap()
    }

    /// `judged` by `training`, a point a minute.
    pub(crate) fn judge<D: Detector>(options: &Value, training: &[f64], judged: &[f64]) -> Judgement {
        let times: Vec<i64> = (0..(training.len() + judged.len()) as i64).map(|i| i * 60_000).collect();
        let (before, after) = times.split_at(training.len());
        build::<D>(options)
            .judge(Points { times: before, values: training }, Points { times: after, values: judged })
    }

    /// Checks that no score and no band depends on later points.
    pub(crate) fn assert_later_points_change_nothing<D: Detector>(options: &Value) {
        let values: Vec<f64> = (0..300).map(|i| f64::from((i * 271) % 307).sqrt()).collect();
        let whole = judge::<D>(options, &values[..100], &values[100..]);
        for end in [101, 150, 299] {
            let part = judge::<D>(options, &values[..100], &values[100..end]);
            assert_eq!(part.scores[..], whole.scores[..end - 100]);
            assert_eq!(part.lower[..], whole.lower[..end - 100]);
        }
    }

    /// Numbers of a size near the ends of what a float holds: to train on and, the last two infinite, to judge.
    pub(crate) fn extremes(size: f64) -> (Vec<f64>, [f64; 5]) {
        let training = (0..40).map(|i| size * (f64::from(i % 7) / 3.0 - 1.0)).collect();
        (training, [size, -size, 0.0, f64::INFINITY, f64::NEG_INFINITY])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_a_half_at_the_threshold_and_grows() {
        for threshold in [0.1, 1.5, 3.0, 3.5, 1e6] {
            assert_eq!(score(threshold, threshold), SCORE_AT_THRESHOLD);
        }
        let scores =
            [0.0, 1e-300, 1.0, 3.0, 3.001, 1e300, f64::INFINITY].map(|distance| score(distance, 3.0));
        assert!(scores.windows(2).all(|pair| pair[0] <= pair[1]), "{scores:?}");
        assert_eq!((scores[0], scores[6]), (0.0, 1.0));
    }

    #[test]
    fn distances_that_overflow_are_still_measured() {
        let normal = Normal { expected: -1e308, low_from: -1e308, high_from: -1e308, unit: 1e307 };
        let (side, far) = distance(normal, 1.5e308);
        assert_eq!(side, Verdict::High);
        assert!((far - 25.0).abs() < 1e-9, "{far}");
        assert_eq!(distance(Normal { unit: f64::INFINITY, ..normal }, 1e308).1, 0.0);
        assert_eq!(distance(Normal { unit: 0.0, ..normal }, 1e308).1, f64::INFINITY);
        assert_eq!(distance(Normal { unit: 0.0, ..normal }, -1e308), (Verdict::Normal, 0.0));
    }
}
