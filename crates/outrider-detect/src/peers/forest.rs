//! Isolation forests over how each series departs from its group, one forest a feature.
//!
//! Input is the departures that [`super::host`] measures, output a score. The forests are grown on the past
//! departures of all series together: what counts as rare is rare in the whole group.

use super::super::Member;
use super::host::Fleet;
use super::walk::{Comparison, Finding, Judged, Reported, Why};
use outrider_forest::{ForestOptions, StepForest};

/// Seed of the random cuts.
pub(super) const SEED: u64 = 42;

/// Features, as named in reasons.
const FEATURES: [&str; 3] = ["value", "recent level", "repeating of one value"];

/// A forest cannot tell how far beyond its samples a value lies, so what goes this much further than anything seen is
/// an outlier whatever its score.
const BEYOND: f64 = 1.5;

/// The forests with all past features.
pub(super) struct Forests {
    fleet: Fleet,
    /// One vector a feature, of as many entries as there were departures.
    past: [Vec<f64>; 3],
    fitted: Option<Fitted>,
    fit_at: usize,
    /// Share of past points that may score above the threshold.
    share: f64,
}

/// A forest on one feature, the score that its past rarely exceeds, and the range beyond which nothing was seen.
struct Feature {
    forest: StepForest,
    threshold: f64,
    seen: (f64, f64),
    /// The range around 0 in which no score exceeds the threshold; NaN where it has no end.
    normal: (f64, f64),
}

/// One forest a feature.
struct Fitted(Vec<Feature>);

impl Fitted {
    fn new(past: &[Vec<f64>; 3], share: f64) -> Option<Self> {
        let options = ForestOptions { n_trees: 100, sample_size: 256, seed: SEED };
        let share = share / past.len() as f64;
        past.iter()
            .map(|feature| {
                // Sorted, so that the samples drawn do not depend on the order of the series.
                let mut sorted = feature.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                let forest = StepForest::fit(&sorted, &options)?;
                let threshold = super::model::quantile(&mut forest.scores(&sorted), 1.0 - share);
                let seen = (BEYOND * sorted.first()?.min(0.0), BEYOND * sorted.last()?.max(0.0));
                let normal = forest.normal_range(0.0, threshold).unwrap_or((f64::NAN, f64::NAN));
                Some(Feature { forest, threshold, seen, normal })
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// The feature that stands out most above its threshold, as its number, its score, and whether it is an outlier.
    fn score(&self, departed: [f64; 3]) -> (usize, f64, bool) {
        let mut most = (0, 0.0, false);
        let mut most_above = f64::NEG_INFINITY;
        for (number, (feature, value)) in self.0.iter().zip(departed).enumerate() {
            let score = feature.forest.score(value);
            let beyond = value < feature.seen.0 || value > feature.seen.1;
            let above = if beyond { f64::INFINITY } else { score - feature.threshold };
            if above > most_above {
                most_above = above;
                most = (number, score, above > 0.0);
            }
        }
        most
    }
}

impl Forests {
    /// For `group`, flagging at most `share` of the past points.
    pub(super) fn new(group: &[Member<'_>], share: f64) -> Self {
        // The fleet's own threshold is never asked: it only measures.
        let fleet = Fleet::new(group, f64::INFINITY);
        Self { fleet, past: Default::default(), fitted: None, fit_at: 8 * super::MIN_HISTORY, share }
    }

    fn learn(&mut self) {
        if self.past[0].len() >= self.fit_at {
            self.fitted = Fitted::new(&self.past, self.share);
            self.fit_at = 2 * self.past[0].len();
        }
    }
}

impl Comparison for Forests {
    fn training_ends(&mut self) {
        self.fleet.training_ends();
        if self.fitted.is_some() {
            self.fit_at = self.past[0].len();
            self.learn();
        }
    }

    fn step(
        &mut self,
        time: i64,
        reported: &[Reported],
        newest: &[f64],
        anew: bool,
        findings: &mut Vec<Finding>,
    ) {
        self.fleet.update(time, newest, anew);
        for reported in reported {
            let departure = self.fleet.depart(time, reported);
            let features = departure.map(|departure| [departure.point, departure.lasting, departure.stuck]);
            let judged =
                departure.zip(features).zip(self.fitted.as_ref()).map(|((departure, features), fitted)| {
                    let (feature, score, outlier) = fitted.score(features);
                    let threshold = fitted.0[feature].threshold;
                    let (lower, upper) = fitted.0[0].normal;
                    let end = |sigmas: f64| {
                        if sigmas.is_finite() {
                            sigmas.mul_add(departure.sigma, departure.expected)
                        } else {
                            f64::NAN
                        }
                    };
                    Judged {
                        score,
                        expected: departure.expected,
                        band: (end(lower), end(upper)),
                        outlier: outlier.then_some(Why::Isolated(FEATURES[feature], score, threshold)),
                    }
                });
            for (past, feature) in self.past.iter_mut().zip(features.into_iter().flatten()) {
                past.push(feature);
            }
            let flagged = judged.as_ref().is_some_and(|judged| judged.outlier.is_some());
            let known = self.fleet.known(reported.member).min(super::MIN_HISTORY - 1);
            self.fleet.remember(time, reported, flagged);
            findings.push(judged.map_or(Finding::TooLittleHistory(known), Finding::Judged));
        }
        self.learn();
    }
}
