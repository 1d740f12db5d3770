//! What an upstream makes of the raw values of one step, so that the plugin never fetches what it would only average.

use serde::Deserialize;

/// One value for the raw ones of a step. Steps are aligned to the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Aggregate {
    /// The arithmetic mean.
    #[default]
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// All added.
    Sum,
    /// How many there are.
    Count,
    /// The 95th percentile, where the upstream knows percentiles.
    P95,
    /// The one with the latest time.
    Last,
    /// None: raw values as they are.
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
