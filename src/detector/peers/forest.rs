//! Isolation forests over how each series departs from its group, one forest a feature.
//!
//! Input is the departures that [`super::host`] measures, output a score. The forests are grown on the past
//! departures of all series together: what counts as rare is rare in the whole group.

use super::super::Member;
use super::host::Fleet;
use super::walk::{Comparison, Finding, Judged, Reported, Why};
use crate::forest::{ForestOptions, StepForest};

/// Seed of the random cuts.
pub(super) const SEED: u64 = 42;

/// Features, as named in reasons.
const FEATURES: [&str; 3] = ["value", "recent level", "repeating of one value"];

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

struct Fitted {
    forests: Vec<StepForest>,
    threshold: f64,
}

impl Fitted {
    fn new(past: &[Vec<f64>; 3], share: f64) -> Option<Self> {
        let options = ForestOptions { n_trees: 100, sample_size: 256, seed: SEED };
        let forests = past.iter().map(|feature| StepForest::fit(feature, &options)).collect::<Option<Vec<_>>>()?;
        let mut highest = vec![0.0_f64; past[0].len()];
        for (forest, feature) in forests.iter().zip(past) {
            for (highest, score) in highest.iter_mut().zip(forest.scores(feature)) {
                *highest = highest.max(score);
            }
        }
        let threshold = super::model::quantile(&mut highest, 1.0 - share);
        Some(Self { forests, threshold })
    }

    /// The highest score of any feature, and the feature.
    fn score(&self, features: [f64; 3]) -> (f64, &'static str) {
        let mut most = (0.0, FEATURES[0]);
        for ((forest, name), feature) in self.forests.iter().zip(FEATURES).zip(features) {
            let score = forest.score(feature);
            if score > most.0 {
                most = (score, name);
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
        _present: usize,
        anew: bool,
        findings: &mut Vec<Finding>,
    ) {
        self.fleet.update(time, newest, anew);
        for reported in reported {
            let departure = self.fleet.depart(time, reported);
            let features = departure.map(|departure| [departure.point, departure.lasting, departure.stuck]);
            let judged = departure.zip(features).zip(self.fitted.as_ref()).map(|((departure, features), fitted)| {
                let (score, feature) = fitted.score(features);
                let outlier = score > fitted.threshold;
                let range = fitted.forests[0].normal_range(0.0, fitted.threshold);
                let end = |sigmas: f64| {
                    if sigmas.is_finite() { sigmas.mul_add(departure.sigma, departure.expected) } else { f64::NAN }
                };
                Judged {
                    score,
                    expected: departure.expected,
                    band: range.map_or((f64::NAN, f64::NAN), |(lower, upper)| (end(lower), end(upper))),
                    outlier: outlier.then_some(Why::Isolated(feature, score, fitted.threshold)),
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
