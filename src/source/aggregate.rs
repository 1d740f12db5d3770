//! What an upstream makes of the raw values of one step, so that the plugin never fetches what it would only average.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value for the raw ones of a step. Steps are aligned to the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Aggregate {
    /// The arithmetic mean.
    #[default]
    #[schemars(title = "Mean")]
    Mean,
    /// The largest.
    #[schemars(title = "Maximum")]
    Max,
    /// The smallest.
    #[schemars(title = "Minimum")]
    Min,
    /// All added.
    #[schemars(title = "Sum")]
    Sum,
    /// How many there are.
    #[schemars(title = "Count")]
    Count,
    /// The 95th percentile, where the upstream knows percentiles.
    #[schemars(title = "95th percentile")]
    P95,
    /// The one with the latest time.
    #[schemars(title = "Last")]
    Last,
    /// Values as they are; of Prometheus the newest sample, up to five minutes old.
    #[schemars(title = "None")]
    None,
}

impl Aggregate {
    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::P95 => "p95",
            Self::Last => "last",
            Self::None => "none",
        }
    }
}
