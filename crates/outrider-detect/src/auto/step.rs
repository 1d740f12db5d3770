//! Steps of level in white noise, however often the level has stepped before.
//!
//! Where each point has its own noise, independent of that of the points before it, the noise of a median of so many points
//! is known: for a normal distribution its variance is π/2 of that of a mean (A. M. Mood, F. A. Graybill, D. C. Boes,
//! *Introduction to the Theory of Statistics*, 3rd ed. 1974, VI §5). What is many times as far from the median before is
//! no chance, and no rarity is needed to tell. Medians, as bursts of a few points are no level.
//!
//! Noise is white if means vary as little as the changes from point to point say that they would (after J. von Neumann,
//! R. H. Kent, H. R. Bellinson, B. I. Hart, *The Mean Square Successive Difference*, Annals of Mathematical Statistics
//! 12(2), 1941; by quartiles here, which earlier steps hardly move). Smooth seasons, wandering levels and frequent bursts
//! fail that. A season of steps does not, but is expected, and a step that has often been made is a habit.

use std::f64::consts::{PI, SQRT_2};
use std::ops::Range;
use std::{array, iter};

use super::shift::{self, Noise};
use super::statistics::recent_medians;

/// Points on either side of a step.
pub(super) const POINTS: usize = 15;

/// Standard errors of a step at which the default sensitivity flags, and how many the ends of the sensitivity are away.
pub(super) const THRESHOLD: f64 = 5.0;
pub(super) const THRESHOLD_REACH: f64 = 2.0;
pub(super) const MIN_THRESHOLD: f64 = THRESHOLD - THRESHOLD_REACH;

/// The refractory time of steps is so many times shorter: each is an event by itself.
pub(super) const REFRACTORY_SHARE: usize = 10;

/// Steps of the training window from about the same level to about the same that make a step a habit, and how many standard
/// errors apart those levels may be.
const HABIT: usize = 6;
const SAME_LEVEL: f64 = 1.5;

/// How much more than white noise means may vary.
const MAX_EXCESS: f64 = 1.3;

/// Highest tail index of changes whose noise is taken for normal, which has 0.37; 0.53 is that of a Laplace distribution.
const MAX_TAIL_INDEX: f64 = 0.5;

/// The upper quartile of the standard normal distribution.
const NORMAL_QUARTILE: f64 = 0.674_489_750_196_081_7;

/// White noise, as a measure of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WhiteNoise {
    /// The usual step: that of the trend.
    median: f64,
    /// Standard error of a step.
    error: f64,
}

impl WhiteNoise {
    /// From the noise of the changes from point to point and of [`shift::WATCHED`]'s levels; `None` if it is not white.
    pub(super) fn of(changes: &Noise, levels: &Noise) -> Option<Self> {
        let points_per_level = shift::POINTS as f64;
        // A change and a level are both differences of two.
        let of_changes = changes.quartile / NORMAL_QUARTILE;
        let of_levels = levels.quartile / NORMAL_QUARTILE * points_per_level.sqrt();
        let excess = of_levels / of_changes;
        let is_white = excess <= MAX_EXCESS && changes.tail_index() <= MAX_TAIL_INDEX;
        let error_of_median = of_changes / SQRT_2 * excess.max(1.0) * (PI / 2.0 / POINTS as f64).sqrt();
        is_white.then(|| Self {
            median: levels.median * POINTS as f64 / points_per_level,
            error: error_of_median * SQRT_2,
        })
    }

    /// Whether the step to the level at `index` is one of many such steps among the points of `training`; `medians` are the
    /// levels, and `sights` what they may look back on.
    pub(super) fn is_habit(
        self,
        medians: &[f64],
        sights: &[usize],
        training: Range<usize>,
        index: usize,
    ) -> bool {
        let levels = |at: usize| (medians[at], medians[at - POINTS]);
        let (now, before) = levels(index);
        let is_near = |a: f64, b: f64| (a - b).abs() <= SAME_LEVEL * self.error;
        let mut seen = 0;
        let mut last = None;
        for at in training.filter(|at| sights[*at] >= 2 * POINTS) {
            let (then, before_then) = levels(at);
            if is_near(then, now) && is_near(before_then, before) {
                let is_same = last.replace(at).is_some_and(|last| at - last <= POINTS);
                seen += usize::from(!is_same);
            }
        }
        seen >= HABIT
    }

    /// How many standard errors a step is away from the usual one, and whether it is one upwards.
    pub(super) fn surprise(self, step: f64) -> (f64, bool) {
        let off = step - self.median;
        (off.abs() / self.error, off >= 0.0)
    }
}

/// The medians of the last [`POINTS`] up to each of `values`; `sights` says how many points each may look back on, itself
/// among them. They mean nothing where those are fewer.
pub(super) fn medians(values: &[f64], sights: &[usize]) -> Vec<f64> {
    // Those before each point, one point on.
    let values = [values, &[f64::NAN]].concat();
    let sights: Vec<usize> = iter::once(1).chain(sights.iter().map(|sight| sight + 1)).collect();
    recent_medians(&values, POINTS, &sights).split_off(1)
}

/// The median of the last [`POINTS`] up to the point `last`, of which there are so many.
pub(super) fn median(value: impl Fn(usize) -> f64, last: usize) -> f64 {
    let mut values: [f64; POINTS] = array::from_fn(|back| value(last - back));
    *values.select_nth_unstable_by(POINTS / 2, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::super::calibration::SortedRange;
    use super::super::tests::gaussian;
    use super::*;

    fn noise(values: &[f64]) -> Noise {
        let mut range = SortedRange::new(values);
        range.move_to(0, values.len());
        Noise::of(&range).unwrap()
    }

    /// With a standard deviation of 1.
    fn normal(count: usize) -> Vec<f64> {
        (0..count).map(gaussian).collect()
    }

    fn white_noise(values: &[f64]) -> Option<WhiteNoise> {
        let changes: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let levels: Vec<f64> = values
            .windows(2 * shift::POINTS)
            .map(|both| mean(&both[shift::POINTS..]) - mean(&both[..shift::POINTS]))
            .collect();
        WhiteNoise::of(&noise(&changes), &noise(&levels))
    }

    #[test]
    fn the_error_is_that_of_the_difference_of_two_medians() {
        let values = normal(4_000);
        let medians = all_medians(&values);
        let steps: Vec<f64> =
            (2 * POINTS - 1..values.len()).map(|last| medians[last] - medians[last - POINTS]).collect();
        let deviation = (steps.iter().map(|step| step * step).sum::<f64>() / steps.len() as f64).sqrt();
        let noise = white_noise(&values).unwrap();
        assert!((noise.error / deviation - 1.0).abs() < 0.1, "{} {deviation}", noise.error);
        let (surprise, is_high) = noise.surprise(noise.median - 3.0 * noise.error);
        assert!((surprise - 3.0).abs() < 1e-9 && !is_high);
    }

    #[test]
    fn earlier_steps_hardly_move_it_and_a_trend_is_no_step() {
        let values = normal(4_000);
        let error = white_noise(&values).unwrap().error;
        let stepping: Vec<f64> =
            values.iter().enumerate().map(|(at, value)| value + (at / 200 % 3) as f64 * 4.0).collect();
        let among_steps = white_noise(&stepping).unwrap();
        assert!((among_steps.error / error - 1.0).abs() < 0.25, "{} {error}", among_steps.error);
        let rising: Vec<f64> = values.iter().enumerate().map(|(at, value)| value + 0.1 * at as f64).collect();
        let rising = white_noise(&rising).unwrap();
        assert!((rising.median - 1.5).abs() < 0.1 && (rising.error / error - 1.0).abs() < 0.1, "{rising:?}");
    }

    #[test]
    fn neither_wandering_nor_seasonal_nor_bursting_values_are_white_noise() {
        let values = normal(4_000);
        let mut level = 0.0;
        let wandering: Vec<f64> = values
            .iter()
            .map(|value| {
                level += value;
                level
            })
            .collect();
        assert_eq!(white_noise(&wandering), None);
        let seasonal = |at: usize| 10.0 * (at as f64 / 288.0 * std::f64::consts::TAU).sin();
        let seasonal: Vec<f64> = values.iter().enumerate().map(|(at, value)| value + seasonal(at)).collect();
        assert_eq!(white_noise(&seasonal), None);
        let bursting: Vec<f64> = values.iter().map(|value| value.powi(5)).collect();
        assert_eq!(white_noise(&bursting), None);
    }

    fn all_medians(values: &[f64]) -> Vec<f64> {
        let medians = medians(values, &(1..=values.len()).collect::<Vec<_>>());
        for (last, of_all) in medians.iter().enumerate().skip(POINTS - 1) {
            assert_eq!(*of_all, median(|index| values[index], last));
        }
        medians
    }

    #[test]
    fn a_burst_of_fewer_than_half_the_points_is_no_level() {
        let mut values = vec![1.0; 2 * POINTS];
        values[2 * POINTS - 7..].fill(90.0);
        assert_eq!(all_medians(&values)[2 * POINTS - 1], 1.0);
        values[2 * POINTS - 8] = 90.0;
        assert_eq!(all_medians(&values)[2 * POINTS - 1], 90.0);
    }

    #[test]
    fn a_step_that_has_often_been_made_is_a_habit() {
        let noise = WhiteNoise { median: 0.0, error: 1.0 };
        // Up and down again, by what `height` says of each time.
        let habit = |times: usize, height: &dyn Fn(usize) -> f64| {
            let values: Vec<f64> =
                (0..=times).flat_map(|time| [vec![0.0; 50], vec![height(time); 20]].concat()).collect();
            let index = times * 70 + 64;
            let sights: Vec<usize> = (1..=values.len()).collect();
            noise.is_habit(&all_medians(&values), &sights, 0..times * 70, index)
        };
        assert!(habit(6, &|_| 8.0) && !habit(5, &|_| 8.0));
        assert!(habit(6, &|time| 8.0 + 0.3 * (time % 3) as f64));
        assert!(!habit(20, &|time| if time < 20 { 6.0 } else { 8.0 }));
    }
}
