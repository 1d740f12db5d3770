//! Joint: moments at which several metrics together are unusual, though each may be as usual by itself.
//!
//! Input is all series of a query. Series with equal values of the `groupBy` labels are the metrics of one group, such as a
//! host, and have a model of their own. Output is one judgement a metric: what is expected of it given all others, and what
//! it contributes to the score of its group, of which the engine makes the verdict on the group.
//!
//! - `align` puts the metrics side by side, row by row.
//! - `model` learns what each metric is given all others now and a few rows before, its own past and the time of day:
//!   the regression of each on all the rest, read off one inverse of their covariance (Hawkins, *Multivariate quality
//!   control based on regression-adjusted variables*, Technometrics 33, 1991). Of all shifts of one metric that could
//!   explain a row, that of the metric with the largest residual so adjusted is the likeliest.
//! - `evidence` turns residuals, by themselves and over several rows, into how rare they are, with a tail that is as heavy
//!   as that of the training, and finds the limit that training rows exceed as rarely as `sensitivity` asks for.
//! - `judge` goes through the rows of a block, and finds which metric is to blame; `words` says it.
//!
//! A verdict depends on the training points and on judged points up to its own time.
//!
//! Cost for m metrics, n training rows and d ≈ m · (1 + lags) + 8 numbers a row: O(n · d²) to fit a block and O(m · d) a
//! row to judge. Memory: 8 · d bytes for each of at most 20,160 training rows. Warm-up: 200 (`model::MIN_ROWS`) rows.

mod align;
mod evidence;
mod judge;
mod linear;
mod model;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Detector, Judgement, Member, Points, wall_clock};
use crate::error::Result;
use crate::options::{Direction, Ratio};
use crate::series::Labels;

/// Judges the metrics of a group together.
#[derive(Debug, Clone)]
pub struct Joint {
    sensitivity: f64,
    group_by: Vec<String>,
    zone: Tz,
    direction: Direction,
}

/// What a query can say to the joint detector. The doc comments are the user documentation.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// How easily a group is flagged. Each 0.1 more makes false alarms about twice as frequent.
    #[schemars(title = "Sensitivity")]
    pub sensitivity: Ratio,
    /// Names of labels: series with the same values of these labels are the metrics of one group and get one verdict.
    #[schemars(title = "Group by", extend("x-empty" = "all series are one group"))]
    pub group_by: Vec<String>,
    /// IANA name of the time zone whose clock daily and weekly habits keep to.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone"))]
    pub time_zone: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { sensitivity: Ratio::constant(0.5), group_by: Vec::new(), time_zone: "UTC".to_owned() }
    }
}

/// The fewest metrics that have something to say of each other.
const MIN_METRICS: usize = 2;

/// Length of the training window and of a block, and their least number of points.
const WINDOW_MS: i64 = 14 * 86_400_000;
const WINDOW_POINTS: i64 = 672;
const REFIT_MS: i64 = 86_400_000;
const REFIT_POINTS: i64 = 24;

impl Detector for Joint {
    const KIND: &'static str = "joint";
    const LABEL: &'static str = "Joint";
    const DESCRIPTION: &'static str =
        "Flags moments at which several metrics together are unusual, one verdict a group such as a host";
    type Options = Options;

    fn new(options: Options, direction: Direction) -> Result<Self> {
        let Options { sensitivity, group_by, time_zone } = options;
        let zone = wall_clock::time_zone(&time_zone)?;
        Ok(Self { sensitivity: sensitivity.get(), group_by, zone, direction })
    }

    fn seed(&self) -> Option<u64> {
        None
    }

    fn default_training(&self, step_ms: i64) -> (i64, i64) {
        let window_ms = WINDOW_MS.max(step_ms.saturating_mul(WINDOW_POINTS));
        (window_ms, REFIT_MS.max(step_ms.saturating_mul(REFIT_POINTS)))
    }

    fn bytes(&self, points: usize, members: usize) -> usize {
        model::bytes(points, members)
    }

    fn judge(&self, _training: Points<'_>, judged: Points<'_>) -> Judgement {
        too_few_metrics(judged.values)
    }

    const ACROSS_SERIES: bool = true;

    fn judge_panel(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        let mut groups: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            groups.entry(self.labels_of_group(member.labels)).or_default().push(index);
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

    fn group(&self, labels: &Labels) -> Option<Labels> {
        Some(self.labels_of_group(labels))
    }
}

impl Joint {
    fn labels_of_group(&self, labels: &Labels) -> Labels {
        let of = |name: &String| Some((name.clone(), labels.get(name)?.clone()));
        self.group_by.iter().filter_map(of).collect()
    }
}

fn too_few_metrics(values: &[f64]) -> Judgement {
    Judgement::none(
        values,
        format!("1 of the {MIN_METRICS} metrics that can be judged together is available"),
    )
}
