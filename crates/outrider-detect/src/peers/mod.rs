//! Peers: which series of a group behaves unlike the others.
//!
//! Input is all series of a panel, output one judgement each. Series with equal values of the `groupBy` labels form a
//! group; each is compared with the group's centre at the same time, never with its own past alone, so what moves the
//! whole group is no outlier. Four methods:
//!
//! - `auto`: `host.rs` learns how each series usually relates to the centre (offset, gain, noise, time of day) and
//!   judges what departs from that: single points, lasting shifts, and a value that is stuck while the group moves.
//! - `mad` and `dbscan` (`cross_section.rs`): the raw values side by side, in the manner of Grafana's `augurs-outlier`
//!   crate. That crate takes its scale from the whole range given, later points included, so a verdict would depend on
//!   what comes after it; here only the past counts, hence own code.
//! - `forest`: one isolation forest a feature over the departures that `auto` measures.
//!
//! A verdict depends on the training points and on judged points up to its own time: the group is walked through in
//! order of time, first the training and then the judged points, by the same code. So it learns within the block where
//! there is no training. Values are aligned by their times: at time t a series takes part with its newest point, if
//! that is no older than one and a half of its usual steps and no gap.
//!
//! Cost: O(P · log P) to order the P points of a group and O(P) amortised to judge them where the series share their
//! times; where no two do, the group's centre is found anew after every 32nd part of the series has reported, which
//! makes it O(32 · P). Memory: 40 bytes a point. Warm-up: [`MIN_HISTORY`] points of each series, for `auto` and
//! `forest`. Not for series that have no reason to move alike, nor for fewer than [`MIN_PRESENT`] of them.

mod cross_section;
mod forest;
mod host;
mod model;
mod walk;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::cross_section::{CrossSection, Rule};
use self::host::Fleet;
use self::walk::{Comparison, walk};
use super::{Detector, Judgement, Member, Points};
use crate::error::Result;
use crate::options::{Direction, Positive, Ratio, Real, Whole};

/// The fewest series that must have a value at a time for any of them to be judged then.
pub const MIN_PRESENT: usize = 3;

/// The fewest points of a series that its relation to the group is learnt from.
pub const MIN_HISTORY: usize = 24;

/// Compares the series of a panel with each other.
#[derive(Debug, Clone)]
pub struct Peers {
    options: Options,
    direction: Direction,
}

/// How series are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Each series against the group, after its usual offset, gain and noise.
    #[default]
    #[schemars(title = "Auto")]
    Auto,
    /// Distance of the raw value from the median of the group, in median absolute deviations.
    #[schemars(title = "MAD")]
    Mad,
    /// Raw values that lie in no dense cluster.
    #[schemars(title = "DBSCAN")]
    Dbscan,
    /// Isolation forests on how each series departs from the group.
    #[schemars(title = "Isolation forest")]
    Forest,
}

/// What a query can say to the peers detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How series are compared with each other.
    #[schemars(title = "Method")]
    pub method: Method,
    /// How easily a point is flagged. With `auto` it sets the group sigmas to flag from: 12 at 0, 6 at 0.5, 3 at 1. With
    /// `mad` the deviations: 7.9 at 0, 2.9 at 0.5, 0.84 at 1. With `dbscan` it sets `eps` to (1 − sensitivity) times the
    /// span of all values so far, and a tenth more. With `forest` the share of past points that may be flagged: one in
    /// 100,000 at 0, in 1,000 at 0.5, in 10 at 1.
    #[schemars(title = "Sensitivity")]
    pub sensitivity: Ratio,
    /// Series whose values are at most this far apart, in the unit of the values, belong together.
    #[schemars(title = "Eps", extend("x-empty" = "from the sensitivity", "x-when" = { "method": ["dbscan"] }))]
    pub eps: Option<Real<Positive>>,
    /// A cluster of at least this many series is normal.
    #[schemars(title = "Min samples", extend("x-unit" = "series",
        "x-empty" = "more than half of the series that have a value", "x-when" = { "method": ["dbscan"] }))]
    pub min_samples: Option<Whole<2, 10_000>>,
    /// Names of labels: series are compared with those that have the same values of these labels.
    #[schemars(title = "Group by", extend("x-empty" = "all series are one group"))]
    pub group_by: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            sensitivity: Ratio::constant(0.5),
            eps: None,
            min_samples: None,
            group_by: Vec::new(),
        }
    }
}

impl Detector for Peers {
    const KIND: &'static str = "peers";
    const LABEL: &'static str = "Peers";
    const DESCRIPTION: &'static str =
        "Flags series that behave unlike the other series of the panel; for fleets and replicas";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        Ok(Self { options, direction })
    }

    fn seed(&self) -> Option<u64> {
        (self.options.method == Method::Forest).then_some(forest::SEED)
    }

    fn judge(&self, _training: Points<'_>, judged: Points<'_>) -> Judgement {
        too_few_series(judged.values, 1)
    }

    const ACROSS_SERIES: bool = true;

    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        let mut groups: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            let key = |name: &String| member.labels.get(name).map(String::as_str);
            groups.entry(self.options.group_by.iter().map(key).collect()).or_default().push(index);
        }
        let mut judgements = vec![Judgement::default(); members.len()];
        for indices in groups.values() {
            let group: Vec<Member<'_>> = indices.iter().map(|index| members[*index]).collect();
            for (index, judgement) in indices.iter().zip(self.judge_group(&group)) {
                judgements[*index] = judgement;
            }
        }
        judgements
    }
}

impl Peers {
    fn judge_group(&self, group: &[Member<'_>]) -> Vec<Judgement> {
        if group.len() < MIN_PRESENT {
            return group.iter().map(|member| too_few_series(member.judged.values, group.len())).collect();
        }
        let Options { method, sensitivity, eps, min_samples, .. } = &self.options;
        let sensitivity = sensitivity.get();
        match method {
            Method::Auto => self.compare(group, Fleet::new(group, sigmas(sensitivity))),
            Method::Forest => {
                self.compare(group, forest::Forests::new(group, 10_f64.powf(forest_exponent(sensitivity))))
            }
            Method::Mad => self.compare(
                group,
                CrossSection::new(group, Rule::Mad { threshold: cross_section::mad_threshold(sensitivity) }),
            ),
            Method::Dbscan => {
                let min_samples = min_samples.map(Whole::get);
                self.compare(
                    group,
                    CrossSection::new(
                        group,
                        Rule::Dbscan { eps: eps.map(|eps| eps.get()), sensitivity, min_samples },
                    ),
                )
            }
        }
    }

    fn compare(&self, group: &[Member<'_>], comparison: impl Comparison) -> Vec<Judgement> {
        walk(group, self.direction, comparison)
    }
}

/// Sigmas at which `auto` flags: 12 at sensitivity 0, 6 at 0.5, 3 at 1.
fn sigmas(sensitivity: f64) -> f64 {
    12.0 * (-2.0 * sensitivity).exp2()
}

/// Power of ten of the share of normal points that the forest may flag: −5 at 0, −3 at 0.5, −1 at 1.
fn forest_exponent(sensitivity: f64) -> f64 {
    4.0_f64.mul_add(sensitivity, -5.0)
}

fn too_few_series(values: &[f64], available: usize) -> Judgement {
    Judgement::none(
        values,
        format!("{available} of the {MIN_PRESENT} series needed for a comparison are available"),
    )
}

#[cfg(test)]
mod tests;
