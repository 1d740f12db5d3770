//! Tukey's fences: distance from the middle half of the values in interquartile ranges.
//!
//! A point is compared with the points of its [`Window`]: it is flagged if it lies more than `factor` interquartile
//! ranges below the lower quartile or above the upper one (Tukey, *Exploratory Data Analysis*, Addison-Wesley, 1977,
//! section 2D: 1.5 is the inner fence, "outside"; 3 the outer fence, "far out"). Quartiles are of definition 7 of Hyndman
//! and Fan (see `Ranks::quantile` in `window.rs`). The inner fences hold 99.3 % of a normal distribution, which at a point a minute
//! is ten false alarms a day; the outer ones all but 2 in a million. The outer ones are the default.
//!
//! Where more than half of the values are the same, the range can be 0; it then comes from the mean absolute deviation,
//! as in [`mad`](super::mad). Points between the quartiles score 0.
//!
//! Cost: O(n log n) to sort the values of a block's window once; then O(1) a point against the training window, or
//! O(log n) against a rolling one. Memory: 24 bytes a value, 40 where the range is 0. Warm-up:
//! [`MIN_TRAINING_POINTS`] values in the window. Not for series whose normal level depends on the time of day, and not
//! where a quarter of the points are outliers.
//!
//! [`MIN_TRAINING_POINTS`]: super::MIN_TRAINING_POINTS

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fences::{Normal, Rule};
use super::mad::robust_sigma;
use super::robust::MAD_TO_SIGMA;
use super::window::{Ranks, Window};
use super::{Detector, Judgement, Points};
use crate::error::Result;
use crate::options::{Direction, Real, UpTo};

/// The interquartile range of a normal distribution in standard deviations: 2 Φ⁻¹(3/4), twice its MAD.
const SIGMA_TO_RANGE: f64 = 2.0 / MAD_TO_SIGMA;

/// Tukey's fences with the options of one query.
#[derive(Debug, Clone)]
pub struct Iqr {
    rule: Rule,
}

/// What a query can say to Tukey's fences. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer fences of
    /// Tukey, 1.5 his inner ones, which flag one ordinary point in 140.
    #[schemars(title = "Factor")]
    pub factor: Real<UpTo<1_000>>,
    /// What a point is compared with: `training` for the training window, or a duration for the points of that length
    /// before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a
    /// block.
    #[schemars(title = "Window")]
    pub window: Window,
}

impl Default for Options {
    fn default() -> Self {
        Self { window: Window::Training, factor: Real::constant(3.0) }
    }
}

impl Detector for Iqr {
    const KIND: &'static str = "iqr";
    const LABEL: &'static str = "IQR";
    const DESCRIPTION: &'static str =
        "Flags values far outside the quartiles (Tukey's fences); for lopsided values without daily rhythm";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        Ok(Self {
            rule: Rule {
                window: options.window,
                threshold: options.factor.get(),
                direction,
                unit: "interquartile ranges",
                from: ["the lower quartile", "the upper quartile"],
            },
        })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        self.rule.judge(training, judged, |ranks: &mut Ranks| {
            let [low_from, median, high_from] = [0.25, 0.5, 0.75].map(|share| ranks.quantile(share));
            let range = high_from - low_from;
            let unit =
                if range > 0.0 { range } else { SIGMA_TO_RANGE * robust_sigma(ranks, median, MAD_TO_SIGMA) };
            Normal { expected: median, low_from, high_from, unit }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Verdict;
    use crate::fences::testing;
    use crate::options::parse_options;

    fn judge(options: &serde_json::Value, training: &[f64], judged: &[f64]) -> Judgement {
        testing::judge::<Iqr>(options, training, judged)
    }

    /// 0 to 100, quartiles 25, 50 and 75.
    fn training() -> Vec<f64> {
        (0..=100).map(|i| f64::from((i * 37) % 101)).collect()
    }

    #[test]
    fn the_outer_fences_are_the_default() {
        let judgement = judge(&json!({}), &training(), &[50.0, 225.0, 225.1, -125.0, -125.1]);
        assert_eq!(
            judgement.verdicts,
            [Verdict::Normal, Verdict::Normal, Verdict::High, Verdict::Normal, Verdict::Low]
        );
        assert_eq!((judgement.lower[0], judgement.expected[0], judgement.upper[0]), (-125.0, 50.0, 225.0));
        assert_eq!((judgement.scores[0], judgement.scores[1], judgement.scores[3]), (0.0, 0.5, 0.5));
    }

    #[test]
    fn the_inner_fences_are_nearer() {
        let judgement = judge(&json!({"factor": 1.5}), &training(), &[150.0, 200.0]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High]);
        assert_eq!(
            judgement.reasons[0].1,
            "200 is high: 2.5 interquartile ranges from the upper quartile 75, normal is -50 to 150; score 0.62 above \
             0.50"
        );
    }

    #[test]
    fn lopsided_values_have_lopsided_fences() {
        let training: Vec<f64> = (0..200).map(|i| f64::from(i % 50).powi(3)).collect();
        let judgement = judge(&json!({}), &training, &[0.0]);
        let (below, above) =
            (judgement.expected[0] - judgement.lower[0], judgement.upper[0] - judgement.expected[0]);
        assert!(above > below, "{below} {above}");
    }

    #[test]
    fn mostly_zero_is_not_constant() {
        let training: Vec<f64> = (0..100).map(|i| if i % 5 == 0 { 10.0 } else { 0.0 }).collect();
        let judgement = judge(&json!({}), &training, &[0.0, 10.0, 100.0]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::Normal, Verdict::High]);
    }

    #[test]
    fn a_constant_says_so() {
        let judgement = judge(&json!({}), &[7.0; 16], &[7.0, 8.0]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High]);
        assert_eq!(
            judgement.reasons[0].1,
            "8 is high: all 16 values it is compared with are 7; score 1.00 above 0.50"
        );
    }

    #[test]
    fn a_rolling_window_gives_what_its_points_alone_would() {
        let values: Vec<f64> = (0..400_u32).map(|i| f64::from((i * 7_919) % 613)).collect();
        let judgement = judge(&json!({"window": "30m"}), &values[..200], &values[200..]);
        for index in 200..400 {
            let alone = judge(&json!({}), &values[index - 30..index], &values[index..=index]);
            assert_eq!(judgement.upper[index - 200], alone.upper[0], "{index}");
            assert_eq!(judgement.scores[index - 200], alone.scores[0], "{index}");
        }
    }

    #[test]
    fn a_factor_out_of_range_is_refused_by_name() {
        let error = parse_options::<Options>("detector", &json!({"factor": 0})).unwrap_err().to_string();
        assert!(error.contains("option detector.factor"), "{error}");
    }
}
