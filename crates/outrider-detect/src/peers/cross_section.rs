//! The raw values of a group side by side: median absolute deviations, and DBSCAN in one dimension.
//!
//! Input is the values of one time with the scale of those before, output which of them stand apart. Both rules, and
//! what `sensitivity` means to them, are those of Grafana's `augurs-outlier` crate 0.9, but for the scale, which here
//! comes from the past alone, and for the median, which is that of the time and not of the whole range.

use super::super::Member;
use super::super::robust::{MAD_TO_SIGMA, median};
use super::MIN_HISTORY;
use super::walk::{Comparison, Finding, Judged, Reported, Why};

/// How values stand apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// More than `threshold` deviations from the median. Values above and below it have scales of their own (double
    /// MAD), since a group may spread upwards only.
    Mad { threshold: f64 },
    /// In no cluster that counts as normal. Values at most `eps` apart belong together (Ester et al., *A density-based
    /// algorithm for discovering clusters*, KDD 1996; in one dimension clusters are runs of the sorted values).
    Dbscan { eps: Option<f64>, sensitivity: f64, min_samples: Option<usize> },
}

/// Deviations at which `mad` flags: those of augurs, from the 80 % to the 99.999 999 999 999 99 % normal quantile.
pub(super) fn mad_threshold(sensitivity: f64) -> f64 {
    const LEAST: f64 = 0.841_621_234;
    const MOST: f64 = 7.941_444_487;
    MOST - (MOST - LEAST) * sensitivity.sqrt()
}

/// A rule with the scale of the past.
pub(super) struct CrossSection {
    rule: Rule,
    /// Times looked at.
    looks: usize,
    sorted: Vec<f64>,
    scratch: Vec<f64>,
    /// Past distances below and above the median, and their scale.
    past: [Vec<f64>; 2],
    scale: [f64; 2],
    fit_at: usize,
    growth: f64,
    /// Lowest and highest value so far.
    span: (f64, f64),
}

impl CrossSection {
    pub(super) fn new(group: &[Member<'_>], rule: Rule) -> Self {
        Self {
            rule,
            looks: 0,
            sorted: Vec::with_capacity(group.len()),
            scratch: Vec::new(),
            past: Default::default(),
            scale: [0.0; 2],
            fit_at: 0,
            growth: 0.5,
            span: (f64::INFINITY, f64::NEG_INFINITY),
        }
    }

    fn look_at(&mut self, newest: &[f64]) {
        self.sorted.clear();
        self.sorted.extend(newest.iter().copied().filter(|value| value.is_finite()));
        self.sorted.sort_unstable_by(f64::total_cmp);
        if let (Some(lowest), Some(highest)) = (self.sorted.first(), self.sorted.last()) {
            self.span = (self.span.0.min(*lowest), self.span.1.max(*highest));
        }
        self.looks += 1;
    }

    fn centre(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        if self.sorted.len() % 2 == 1 {
            return self.sorted[middle];
        }
        self.sorted[middle - 1] / 2.0 + self.sorted[middle] / 2.0
    }

    /// Learns the scale once there are a share more distances than before.
    fn learn_scale(&mut self) {
        let known = self.past[0].len() + self.past[1].len();
        if known < self.fit_at {
            return;
        }
        self.fit_at = known + (known as f64 * self.growth) as usize + 1;
        for (scale, past) in self.scale.iter_mut().zip(&self.past) {
            self.scratch.clear();
            self.scratch.extend_from_slice(past);
            *scale = MAD_TO_SIGMA * median(&mut self.scratch).unwrap_or(0.0);
        }
    }

    fn mad(&mut self, threshold: f64, reported: &[Reported], findings: &mut Vec<Finding>) {
        let centre = self.centre();
        for reported in reported {
            let distance = reported.value - centre;
            // A distance of nothing is evidence for both sides, as in augurs.
            if distance >= 0.0 {
                self.past[1].push(distance);
            }
            if distance <= 0.0 {
                self.past[0].push(-distance);
            }
            if self.looks <= MIN_HISTORY {
                findings.push(Finding::TooLittleHistory(self.looks - 1));
                continue;
            }
            let scale = self.scale[usize::from(distance > 0.0)];
            let deviations = if distance == 0.0 { 0.0 } else { distance.abs() / scale };
            // No finite number of deviations where all others were equal so far: as far out as can be.
            let score =
                if deviations.is_finite() { deviations / (deviations + mad_threshold(0.5)) } else { 1.0 };
            findings.push(Finding::Judged(Judged {
                score,
                expected: centre,
                band: (centre - threshold * self.scale[0], centre + threshold * self.scale[1]),
                outlier: (deviations > threshold).then_some(Why::Sigmas(deviations)),
            }));
        }
        self.learn_scale();
    }

    /// The clusters that count as normal, as their lowest and highest values, ascending.
    fn clusters(&self, eps: f64, min_samples: usize) -> Vec<(f64, f64)> {
        self.sorted
            .chunk_by(|a, b| b - a <= eps)
            .filter(|cluster| cluster.len() >= min_samples)
            .map(|cluster| (cluster[0], cluster[cluster.len() - 1]))
            .collect()
    }

    fn dbscan(
        &self,
        eps: Option<f64>,
        sensitivity: f64,
        min_samples: Option<usize>,
        reported: &[Reported],
        findings: &mut Vec<Finding>,
    ) {
        if eps.is_none() && self.looks <= MIN_HISTORY {
            findings.extend(reported.iter().map(|_| Finding::TooLittleHistory(self.looks - 1)));
            return;
        }
        let span = (self.span.1 - self.span.0).min(f64::MAX);
        // Padding and floor as in augurs: at sensitivity 1 not everything stands apart.
        let eps = eps.unwrap_or(1.1 * (1.0 - sensitivity).max(1e-3) * span).max(f64::MIN_POSITIVE);
        let clusters = self.clusters(eps, min_samples.unwrap_or(self.sorted.len() / 2 + 1));
        for reported in reported {
            let value = reported.value;
            let distance = |cluster: &(f64, f64)| (cluster.0 - value).max(value - cluster.1).max(0.0);
            let nearest = clusters.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(cluster) = nearest else {
                findings.push(Finding::NoMajority);
                continue;
            };
            let away = distance(cluster);
            findings.push(Finding::Judged(Judged {
                score: away / (away + eps),
                expected: cluster.0 / 2.0 + cluster.1 / 2.0,
                band: (cluster.0 - eps, cluster.1 + eps),
                outlier: (away > 0.0).then_some(Why::Distance(away / eps)),
            }));
        }
    }
}

impl Comparison for CrossSection {
    fn training_ends(&mut self) {
        self.growth = 0.125;
        self.fit_at = 0;
        self.learn_scale();
    }

    fn step(
        &mut self,
        _time: i64,
        reported: &[Reported],
        newest: &[f64],
        anew: bool,
        findings: &mut Vec<Finding>,
    ) {
        if anew || self.sorted.is_empty() {
            self.look_at(newest);
        }
        match self.rule {
            Rule::Mad { threshold } => self.mad(threshold, reported, findings),
            Rule::Dbscan { eps, sensitivity, min_samples } => {
                self.dbscan(eps, sensitivity, min_samples, reported, findings);
            }
        }
    }
}
