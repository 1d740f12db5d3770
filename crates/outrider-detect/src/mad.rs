//! The modified z-score: distance from the median in robust sigmas.
//!
//! A point is compared with the points of its [`Window`]. Sigma is `scale` · MAD, the median of the absolute
//! deviations from the median; a point further from the median than `threshold` sigmas is flagged. With the default
//! constants this is the modified z-score of Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, ASQC Quality
//! Press, 1993: |0.6745 (x − median) / MAD| > 3.5 (quoted in the NIST/SEMATECH e-Handbook, section 1.3.5.17). Where more than half of the values are the same, the MAD is 0
//! and sigma is √(π/2) times the mean absolute deviation from the median instead, as in IBM Cognos Analytics' *modified z
//! score*.
//!
//! Cost: O(n log n) to sort the values of a block's window once; then O(1) a point against the training window, or
//! O(log² n) against a rolling one. Memory: 24 bytes a value, 40 where the MAD is 0. Warm-up:
//! [`MIN_TRAINING_POINTS`] values in the window. Not for series whose normal level depends on the time of day, and not
//! where up to half of the points are outliers.
//!
//! [`MIN_TRAINING_POINTS`]: super::MIN_TRAINING_POINTS

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fences::{Normal, Rule};
use super::robust::{MAD_TO_SIGMA, MEAN_DEVIATION_TO_SIGMA};
use super::window::{Ranks, Window};
use super::{Detector, Judgement, Points};
use crate::error::Result;
use crate::options::{Direction, Real, UpTo};

/// The modified z-score with the options of one query.
#[derive(Debug, Clone)]
pub struct Mad {
    rule: Rule,
    scale: f64,
}

/// What a query can say to the modified z-score. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// A point further than this from the median is an outlier, in robust sigmas.
    #[schemars(title = "Threshold", extend("x-unit" = "sigmas"))]
    pub threshold: Real<UpTo<1_000>>,
    /// What a point is compared with: `training` for the training window, or a duration for the points of that length
    /// before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a
    /// block.
    #[schemars(title = "Window")]
    pub window: Window,
    /// What makes the median absolute deviation a sigma; the default is right for a normal distribution.
    #[schemars(title = "Scale", extend("x-advanced" = true))]
    pub scale: Real<UpTo<1_000>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { window: Window::Training, threshold: Real::constant(3.5), scale: Real::constant(MAD_TO_SIGMA) }
    }
}

impl Detector for Mad {
    const KIND: &'static str = "mad";
    const LABEL: &'static str = "MAD";
    const DESCRIPTION: &'static str = "Flags values many robust sigmas from the median; steady against outliers, for series without daily rhythm";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        Ok(Self {
            rule: Rule {
                window: options.window,
                threshold: options.threshold.get(),
                direction,
                unit: "robust sigmas",
                from: ["the median"; 2],
            },
            scale: options.scale.get(),
        })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        self.rule.judge(training, judged, |ranks: &mut Ranks| {
            let median = ranks.quantile(0.5);
            Normal {
                expected: median,
                low_from: median,
                high_from: median,
                unit: robust_sigma(ranks, median, self.scale),
            }
        })
    }
}

/// `scale` · MAD; from the mean absolute deviation, on the same scale, where that is 0; 0 only for a constant.
pub(super) fn robust_sigma(ranks: &mut Ranks, median: f64, scale: f64) -> f64 {
    let mad = ranks.median_distance(median);
    if mad > 0.0 {
        return scale * mad;
    }
    let (smallest, largest) = ranks.extremes();
    if smallest == largest {
        return 0.0;
    }
    // Not below the smallest number there is, so that rounding cannot make a series constant that is not.
    let fallback = scale / MAD_TO_SIGMA * MEAN_DEVIATION_TO_SIGMA * ranks.mean_distance(median);
    fallback.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Verdict;
    use crate::fences::testing;
    use crate::options::parse_options;

    fn detector(options: &serde_json::Value, direction: Direction) -> Mad {
        Mad::new(parse_options("detector", options).unwrap(), direction).unwrap()
    }

    fn judge(options: &serde_json::Value, training: &[f64], judged: &[f64]) -> Judgement {
        testing::judge::<Mad>(options, training, judged)
    }

    /// Median 10, MAD 4.
    fn training() -> Vec<f64> {
        [2.0, 6.0, 10.0, 14.0, 18.0].repeat(20)
    }

    #[test]
    fn the_score_is_that_of_the_modified_z_score() {
        let sigma = 1.4826 * 4.0;
        let judged = [10.0, 10.0 + 3.49 * sigma, 10.0 + 3.51 * sigma, 10.0 - 7.0 * sigma, f64::NAN];
        let judgement = judge(&json!({}), &training(), &judged);
        assert_eq!(
            judgement.verdicts,
            [Verdict::Normal, Verdict::Normal, Verdict::High, Verdict::Low, Verdict::Missing]
        );
        assert_eq!(judgement.scores[0], 0.0);
        assert!((judgement.scores[3] - 7.0 / 10.5).abs() < 1e-5, "{:?}", judgement.scores);
        assert!((judgement.upper[0] - (10.0 + 3.5 * sigma)).abs() < 1e-3);
        assert_eq!(
            judgement.reasons[1].1,
            "-31.51 is low: 7.0 robust sigmas from the median 10, normal is -10.76 to 30.76; score 0.67 above 0.50"
        );
    }

    #[test]
    fn another_scale_moves_the_band() {
        let judgement = judge(&json!({"scale": 1.0, "threshold": 2.0}), &training(), &[18.5, 17.5]);
        assert_eq!(judgement.verdicts, [Verdict::High, Verdict::Normal]);
        assert_eq!((judgement.lower[0], judgement.upper[0]), (2.0, 18.0));
    }

    #[test]
    fn where_most_values_are_the_same_the_mean_deviation_counts() {
        // 5 and 25 in 2 of 10 points: the mean deviation from 15 is 2, sigma 2.507.
        let mut training = vec![15.0; 80];
        training.extend([5.0, 25.0].repeat(10));
        let judgement = judge(&json!({}), &training, &[15.0, 23.7, 23.8]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::Normal, Verdict::High]);
        assert!((judgement.upper[0] - (15.0 + 3.5 * 2.0 * MEAN_DEVIATION_TO_SIGMA)).abs() < 1e-9);
    }

    #[test]
    fn a_constant_has_no_sigma_and_says_so() {
        let judgement = judge(&json!({}), &[3.0; 20], &[3.0, 3.000_001, 2.0]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High, Verdict::Low]);
        assert_eq!(judgement.scores, [0.0, 1.0, 1.0]);
        assert_eq!(
            judgement.reasons[1].1,
            "2 is low: all 20 values it is compared with are 3; score 1.00 above 0.50"
        );
    }

    #[test]
    fn a_rolling_window_follows_a_level_that_training_never_saw() {
        let noise = |i: usize| ((i * 193) % 101) as f64 / 100.0;
        let training: Vec<f64> = (0..300).map(noise).collect();
        let mut judged: Vec<f64> = (0..300).map(|i| 50.0 + noise(i)).collect();
        judged[200] = 60.0;
        let rolling = judge(&json!({"window": "1h"}), &training, &judged);
        assert!(rolling.verdicts[..30].iter().all(|verdict| *verdict == Verdict::High));
        let later: Vec<usize> = (60..300).filter(|i| rolling.verdicts[*i].is_outlier()).collect();
        assert_eq!(later, [200]);
        assert!((rolling.expected[299] - 50.5).abs() < 0.2);
        let fixed = judge(&json!({}), &training, &judged);
        assert!(fixed.verdicts.iter().all(|verdict| *verdict == Verdict::High));
    }

    #[test]
    fn a_rolling_window_is_the_points_before_and_no_others() {
        let value = |i: usize| ((i * 7_919) % 613) as f64;
        let mut values: Vec<f64> = (0..400).map(value).collect();
        values[150] = f64::NAN;
        values[260] = f64::NAN;
        let judgement = judge(&json!({"window": "30m"}), &values[..200], &values[200..]);
        for index in 200..400 {
            let window: Vec<f64> =
                values[index - 30..index].iter().copied().filter(|v| !v.is_nan()).collect();
            let alone = judge(&json!({}), &window, &values[index..=index]);
            let row = index - 200;
            assert_eq!(judgement.expected[row], alone.expected[0], "{row}");
            assert_eq!(judgement.upper[row], alone.upper[0], "{row}");
            assert_eq!(judgement.verdicts[row], alone.verdicts[0], "{row}");
        }
    }

    #[test]
    fn a_rolling_window_with_too_few_points_judges_nothing() {
        let judgement = judge(&json!({"window": "15m"}), &training(), &[1e9, f64::NAN]);
        assert_eq!(judgement.verdicts, [Verdict::NotJudged, Verdict::Missing]);
        assert_eq!(
            judgement.shortage.unwrap(),
            "15 of the 16 points needed are in the detector's window, the 15m before the point"
        );
        let short = judge(&json!({}), &[1.0; 15], &[1e9]);
        assert_eq!(short.shortage.unwrap(), "15 of the 16 training points needed are available");
    }

    #[test]
    fn what_comes_later_changes_no_verdict() {
        for options in [json!({}), json!({"window": "45m"})] {
            testing::assert_later_points_change_nothing::<Mad>(&options);
        }
    }

    #[test]
    fn training_on_the_judged_points_themselves_counts_none_twice() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let times: Vec<i64> = (0..100).map(|i| i * 60_000).collect();
        let points = Points { times: &times, values: &values };
        let judgement = detector(&json!({"window": "20m"}), Direction::Both).judge(points, points);
        assert!(judgement.verdicts[..16].iter().all(|verdict| *verdict == Verdict::NotJudged));
        assert!(judgement.verdicts[16..].iter().all(|verdict| *verdict == Verdict::Normal));
    }

    #[test]
    fn direction_silences_the_other_side_only() {
        let times: Vec<i64> = (0..100).collect();
        let training = training();
        let points = Points { times: &times, values: &training };
        let judged = Points { times: &[100, 101], values: &[99.0, -99.0] };
        let high = detector(&json!({}), Direction::High).judge(points, judged);
        let low = detector(&json!({}), Direction::Low).judge(points, judged);
        assert_eq!(high.verdicts, [Verdict::High, Verdict::Normal]);
        assert_eq!(low.verdicts, [Verdict::Normal, Verdict::Low]);
        assert_eq!(high.scores, low.scores);
        assert!(high.lower[0].is_nan() && low.upper[0].is_nan());
    }

    #[test]
    fn nothing_panics_at_the_ends_of_the_numbers() {
        for size in [1e-300, 1e300, f64::MAX] {
            let (training, judged) = testing::extremes(size);
            for options in [json!({}), json!({"window": "20m"})] {
                let judgement = judge(&options, &training, &judged);
                assert!(judgement.scores[..3].iter().all(|score| (0.0..=1.0).contains(score)));
                assert_eq!(judgement.verdicts[3..], [Verdict::Missing, Verdict::Missing]);
            }
        }
    }

    #[test]
    fn an_option_out_of_range_is_refused_by_name() {
        for (options, name) in [(json!({"threshold": 0}), "threshold"), (json!({"scale": -1}), "scale")] {
            let error = parse_options::<Options>("detector", &options).unwrap_err();
            assert!(error.to_string().contains(&format!("option detector.{name}")), "{error}");
        }
        let error = parse_options::<Options>("detector", &json!({"window": "1x"})).unwrap_err().to_string();
        assert!(error.contains("detector.window") && error.contains("or \"training\""), "{error}");
    }
}
