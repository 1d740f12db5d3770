//! The z-score: distance from the mean in standard deviations.
//!
//! A point is compared with the points of its [`Window`]: it is flagged if it lies further than `threshold` sample
//! standard deviations from their mean (the three-sigma rule of Shewhart, *Economic Control of Quality of Manufactured
//! Product*, Van Nostrand, 1931). The point itself is not among them, so it cannot hide itself; but earlier
//! outliers in the window widen the deviation, and `mad` is the steadier choice where there are some.
//!
//! Cost: O(n) for the moments of a block's window; then O(1) a point against the training window, or O(log n) against a
//! rolling one, without running sums that would drift. Memory: 56 bytes a value. Warm-up: [`MIN_TRAINING_POINTS`]
//! values in the window. Not for series whose normal level depends on the time of day, or with heavy tails.
//!
//! [`MIN_TRAINING_POINTS`]: super::MIN_TRAINING_POINTS

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fences::{Normal, Rule};
use super::window::{Moments, Window};
use super::{Detector, Judgement, Points};
use crate::error::Result;
use crate::options::{Direction, Real, UpTo};

/// The z-score with the options of one query.
#[derive(Debug, Clone)]
pub struct ZScore {
    rule: Rule,
}

/// What a query can say to the z-score. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// A point further than this from the mean is an outlier, in standard deviations.
    #[schemars(title = "Threshold", extend("x-unit" = "sigmas"))]
    pub threshold: Real<UpTo<1_000>>,
    /// What a point is compared with: `training` for the training window, or a duration for the points of that length
    /// before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a
    /// block.
    #[schemars(title = "Window")]
    pub window: Window,
}

impl Default for Options {
    fn default() -> Self {
        Self { window: Window::Training, threshold: Real::constant(3.0) }
    }
}

impl Detector for ZScore {
    const KIND: &'static str = "z-score";
    const LABEL: &'static str = "Z-score";
    const DESCRIPTION: &'static str =
        "Flags values many standard deviations from the mean; for bell-shaped noise without daily rhythm";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        Ok(Self {
            rule: Rule {
                window: options.window,
                threshold: options.threshold.get(),
                direction,
                unit: "sigmas",
                from: ["the mean"; 2],
            },
        })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        self.rule.judge(training, judged, |moments: &mut Moments| {
            let (mean, unit) = moments.mean_and_deviation();
            Normal { expected: mean, low_from: mean, high_from: mean, unit }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Verdict;
    use crate::fences::testing;

    fn judge(options: &serde_json::Value, training: &[f64], judged: &[f64]) -> Judgement {
        testing::judge::<ZScore>(options, training, judged)
    }

    #[test]
    fn three_sample_deviations_are_normal_and_no_more() {
        // Mean 10; n = 20 at 10 ± 2: s = 2 · √(20 / 19).
        let training = [8.0, 12.0].repeat(10);
        let deviation = 2.0 * (20.0_f64 / 19.0).sqrt();
        let judged = [10.0, 10.0 + 2.99 * deviation, 10.0 + 3.01 * deviation, 10.0 - 6.0 * deviation];
        let judgement = judge(&json!({}), &training, &judged);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::Normal, Verdict::High, Verdict::Low]);
        assert!((judgement.scores[3] - 2.0 / 3.0).abs() < 1e-12);
        assert!((judgement.upper[0] - (10.0 + 3.0 * deviation)).abs() < 1e-12);
        assert_eq!(
            judgement.reasons[1].1,
            "-2.31 is low: 6.0 sigmas from the mean 10, normal is 3.84 to 16.16; score 0.67 above 0.50"
        );
    }

    #[test]
    fn a_rolling_window_gives_what_its_points_alone_would() {
        let mut values: Vec<f64> =
            (0..3_000_u32).map(|i| 1e9 + f64::from((i * 7_919) % 613) * 1e-3).collect();
        values[1_500] = 1e15;
        values[2_100] = f64::NAN;
        let judgement = judge(&json!({"window": "2h"}), &values[..1_000], &values[1_000..]);
        assert!(judgement.verdicts[500] == Verdict::High && judgement.verdicts[1_100] == Verdict::Missing);
        for index in (1_000..3_000).step_by(37) {
            let window = &values[index - 120..index];
            let alone = judge(&json!({}), window, &values[index..=index]);
            let row = index - 1_000;
            let width = alone.upper[0] - alone.lower[0];
            assert!((judgement.upper[row] - alone.upper[0]).abs() < 1e-4 * width, "{row}");
        }
    }

    #[test]
    fn what_comes_later_changes_no_bit() {
        for options in [json!({}), json!({"window": "45m"})] {
            testing::assert_later_points_change_nothing::<ZScore>(&options);
        }
    }

    #[test]
    fn a_constant_has_no_deviation_and_says_so() {
        for options in [json!({}), json!({"window": "20m"})] {
            let judgement = judge(&options, &[0.1; 20], &[0.1, 0.2]);
            assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High]);
            assert!(judgement.reasons[0].1.contains("values it is compared with are 0.1;"));
        }
    }

    #[test]
    fn nothing_panics_at_the_ends_of_the_numbers() {
        for size in [1e-300, 1e300, f64::MAX] {
            let (training, judged) = testing::extremes(size);
            for options in [json!({}), json!({"window": "20m"})] {
                let judgement = judge(&options, &training, &judged);
                assert!(
                    judgement.scores[..3].iter().all(|score| (0.0..0.5).contains(score)),
                    "{judgement:?}"
                );
                assert_eq!(judgement.verdicts[3..], [Verdict::Missing, Verdict::Missing]);
            }
        }
    }
}
