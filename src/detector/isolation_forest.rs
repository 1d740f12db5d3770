//! The plain isolation forest on the value.
//!
//! A point is scored by how easily random cuts set its value apart from those of the training points (Liu et al.
//! 2008). Time is never a feature. The expected value is the training median; the band is the interval around it in
//! which no score exceeds the threshold.
//!
//! Cost: O(nTrees · sampleSize · log sampleSize) to fit a block and O(log(nTrees · sampleSize)) a point. Warm-up:
//! [`MIN_TRAINING_POINTS`]. Not for series whose normal level depends on the time of day: a value that is normal at
//! noon is not seen as an outlier at night.

use serde::Deserialize;

use super::robust::median_and_sigma;
use super::short::Short;
use super::{Detector, Judgement, Points, Verdict};
use crate::error::{Category, Error, Result};
use crate::forest::{ForestOptions, StepForest};
use crate::query::{Direction, Ratio, Whole};

/// The fewest finite training points a forest is trusted with.
pub(super) const MIN_TRAINING_POINTS: usize = 16;

/// An isolation forest with the options of one query.
#[derive(Debug, Clone)]
pub struct IsolationForest {
    forest: ForestOptions,
    cut: Cut,
    direction: Direction,
}

/// How the score above which a point is flagged is found.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Threshold(f64),
    Contamination(f64),
}

/// What a query can say to the isolation forest. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Number of trees, 1 to 10,000, default 100. More trees give steadier scores.
    pub n_trees: Whole<1, 10_000>,
    /// Points each tree is grown on, 2 to 65,536, default 256.
    pub sample_size: Whole<2, 65_536>,
    /// Seed of the random cuts, default 42.
    pub seed: u64,
    /// A point is flagged if its score exceeds this; 0 to 1, default 0.6.
    pub threshold: Ratio,
    /// Share of the training points that should score above the threshold, above 0 to 0.5. If given, `threshold` is
    /// ignored. Default: not given.
    pub contamination: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            n_trees: Whole::constant(100),
            sample_size: Whole::constant(256),
            seed: 42,
            threshold: Ratio::constant(0.6),
            contamination: None,
        }
    }
}

impl Detector for IsolationForest {
    const KIND: &'static str = "isolation-forest";
    const LABEL: &'static str = "Isolation forest";
    const DESCRIPTION: &'static str =
        "Flags values that random cuts set apart easily; for series without strong daily rhythm";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let cut = match options.contamination {
            None => Cut::Threshold(options.threshold.get()),
            Some(share) if share > 0.0 && share <= 0.5 => Cut::Contamination(share),
            Some(share) => {
                return Err(Error::new(
                    Category::Query,
                    format!(
                        "option detector.contamination: expected a number above 0 and up to 0.5, got {share}"
                    ),
                )
                .hint("correct it in the query editor, or leave it empty to use the threshold"));
            }
        };
        let forest = ForestOptions {
            n_trees: options.n_trees.get(),
            sample_size: options.sample_size.get(),
            seed: options.seed,
        };
        Ok(Self { forest, cut, direction })
    }

    fn seed(&self) -> Option<u64> {
        Some(self.forest.seed)
    }

    fn judge(&self, training: Points<'_>, judged: Points<'_>) -> Judgement {
        let usable = training.values.iter().filter(|value| value.is_finite()).count();
        let fitted = (usable >= MIN_TRAINING_POINTS).then(|| {
            Some((StepForest::fit(training.values, &self.forest)?, median_and_sigma(training.values)?))
        });
        let Some((forest, (expected, sigma))) = fitted.flatten() else {
            return Judgement::none(
                judged.values,
                format!("{usable} of the {MIN_TRAINING_POINTS} training points needed are available"),
            );
        };
        let threshold = match self.cut {
            Cut::Threshold(threshold) => threshold,
            Cut::Contamination(share) => upper_quantile(&forest, training.values, share),
        };
        let band = self.band(&forest, expected, threshold);
        let mut judgement = Judgement::default();
        let scores = forest.scores(judged.values);
        for (index, (value, score)) in judged.values.iter().copied().zip(scores).enumerate() {
            let verdict = self.verdict(value, score, threshold, expected);
            judgement.verdicts.push(verdict);
            judgement.scores.push(score);
            judgement.expected.push(expected);
            judgement.lower.push(band.0);
            judgement.upper.push(band.1);
            if verdict.is_outlier() {
                let reason = Reason { value, expected, sigma, band, score, threshold, verdict };
                judgement.reasons.push((index, reason.to_string()));
            }
        }
        judgement
    }
}

impl IsolationForest {
    fn verdict(&self, value: f64, score: f64, threshold: f64, expected: f64) -> Verdict {
        if value.is_nan() {
            return Verdict::Missing;
        }
        let side = if value > expected { Verdict::High } else { Verdict::Low };
        let wanted = match self.direction {
            Direction::Both => true,
            Direction::High => side == Verdict::High,
            Direction::Low => side == Verdict::Low,
        };
        if wanted && score > threshold { side } else { Verdict::Normal }
    }

    /// Ends of the normal band; NaN where a value may go as far as it likes.
    fn band(&self, forest: &StepForest, expected: f64, threshold: f64) -> (f64, f64) {
        let Some((lower, upper)) = forest.normal_range(expected, threshold) else {
            return (f64::NAN, f64::NAN);
        };
        let end = |value: f64, judged: bool| if judged && value.is_finite() { value } else { f64::NAN };
        (end(lower, self.direction != Direction::High), end(upper, self.direction != Direction::Low))
    }
}

/// The smallest score that at most `share` of the training points exceed.
fn upper_quantile(forest: &StepForest, training: &[f64], share: f64) -> f64 {
    let mut scores = forest.scores(training);
    scores.retain(|score| !score.is_nan());
    let above = ((scores.len() as f64 * share) as usize).min(scores.len() - 1);
    let (_, &mut cut, _) = scores.select_nth_unstable_by(above, |a, b| b.total_cmp(a));
    cut
}

/// Why a point is flagged, in plain words.
struct Reason {
    value: f64,
    expected: f64,
    sigma: f64,
    band: (f64, f64),
    score: f64,
    threshold: f64,
    verdict: Verdict,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (side, distance) = match self.verdict {
            Verdict::Low => ("low", self.expected - self.value),
            _ => ("high", self.value - self.expected),
        };
        write!(f, "{} is {side}: ", Short(self.value))?;
        if self.sigma > 0.0 {
            write!(
                f,
                "{:.1} robust sigmas from the expected {}",
                distance / self.sigma,
                Short(self.expected)
            )?;
        } else {
            write!(f, "{} from the expected {}", Short(distance), Short(self.expected))?;
        }
        match self.band {
            (lower, upper) if lower.is_finite() && upper.is_finite() => {
                write!(f, ", normal is {} to {}", Short(lower), Short(upper))?;
            }
            (lower, _) if lower.is_finite() => write!(f, ", normal is at least {}", Short(lower))?,
            (_, upper) if upper.is_finite() => write!(f, ", normal is up to {}", Short(upper))?,
            _ => {}
        }
        write!(f, "; score {:.2} above {:.2}", self.score, self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::query::parse_options;

    fn detector(options: &serde_json::Value, direction: Direction) -> IsolationForest {
        IsolationForest::new(parse_options("detector", options).unwrap(), direction).unwrap()
    }

    fn judge(detector: &IsolationForest, training: &[f64], judged: &[f64]) -> Judgement {
        let times: Vec<i64> = (0..training.len().max(judged.len()) as i64).collect();
        let points = |values| Points { times: &times[..], values };
        detector.judge(points(training), points(judged))
    }

    /// Values spread evenly over 10 ± 4.
    fn training() -> Vec<f64> {
        (0..500).map(|i| 6.0 + 8.0 * f64::from((i * 193) % 500) / 500.0).collect()
    }

    #[test]
    fn far_values_are_flagged_with_side_and_reason() {
        let judgement =
            judge(&detector(&json!({}), Direction::Both), &training(), &[10.0, 27.0, 0.0, f64::NAN]);
        assert_eq!(judgement.verdicts, [Verdict::Normal, Verdict::High, Verdict::Low, Verdict::Missing]);
        assert_eq!(judgement.reasons.len(), 2);
        let (index, reason) = &judgement.reasons[0];
        assert_eq!(*index, 1);
        assert!(reason.starts_with("27 is high: "), "{reason}");
        assert!(reason.contains("robust sigmas from the expected 9.99"), "{reason}");
        assert!(judgement.scores[3].is_nan());
        assert!(judgement.lower[0] < 7.0 && judgement.upper[0] > 13.0);
    }

    #[test]
    fn direction_silences_the_other_side_only() {
        let judged = [27.0, 0.0];
        let high = judge(&detector(&json!({}), Direction::High), &training(), &judged);
        assert_eq!(high.verdicts, [Verdict::High, Verdict::Normal]);
        assert!(high.lower[0].is_nan() && high.upper[0].is_finite());
        let low = judge(&detector(&json!({}), Direction::Low), &training(), &judged);
        assert_eq!(low.verdicts, [Verdict::Normal, Verdict::Low]);
        assert_eq!(high.scores, low.scores);
    }

    #[test]
    fn contamination_flags_no_more_than_its_share_of_the_training() {
        let training: Vec<f64> = (0..1_000).map(|i| f64::from(i).powi(3)).collect();
        let judgement =
            judge(&detector(&json!({"contamination": 0.02}), Direction::Both), &training, &training);
        let flagged = judgement.verdicts.iter().filter(|verdict| verdict.is_outlier()).count();
        assert!((1..=20).contains(&flagged), "{flagged}");
    }

    #[test]
    fn too_little_training_says_so_and_flags_nothing() {
        let judgement = judge(&detector(&json!({}), Direction::Both), &[1.0; 15], &[1e9, f64::NAN]);
        assert_eq!(judgement.verdicts, [Verdict::NotJudged, Verdict::Missing]);
        assert_eq!(judgement.shortage.unwrap(), "15 of the 16 training points needed are available");
    }

    #[test]
    fn contamination_out_of_range_is_refused() {
        for share in [0.0, -0.1, 0.51] {
            let options = parse_options("detector", &json!({"contamination": share})).unwrap();
            let error = IsolationForest::new(options, Direction::Both).unwrap_err().to_string();
            assert!(error.contains("contamination"), "{error}");
        }
    }
}
