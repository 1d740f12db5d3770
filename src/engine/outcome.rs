//! What came of a query: each series with its verdicts, and all that is known besides.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::budget::Account;
use crate::detector::{About, Forecast, Verdict};
use crate::query::Training;
use crate::series::Series;

/// Bytes for each reason besides its text: its place in a map, and what the allocator adds.
const REASON_BYTES: usize = 96;

/// A series of the visible range with the verdict on each of its points; all vectors are as long as the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The points of the visible range, gaps marked.
    pub series: Series,
    /// What was made of each point.
    pub verdicts: Vec<Verdict>,
    /// 0 to 1, NaN where there is none.
    pub scores: Vec<f64>,
    /// What the value should have been, NaN where unknown.
    pub expected: Vec<f64>,
    /// Lower end of the normal band, NaN where there is none.
    pub lower: Vec<f64>,
    /// Upper end of the normal band, NaN where there is none.
    pub upper: Vec<f64>,
    /// How unlike its group the series has been up to each point, 0 to 1, NaN where that is unknown. Empty if the
    /// detector does not compare series.
    pub series_scores: Vec<f64>,
    /// Why, for each flagged point, by its index.
    pub reasons: BTreeMap<usize, String>,
    /// What the reason is about where it is not the value, by the index of the flagged point.
    pub abouts: BTreeMap<usize, About>,
    /// What is expected in the part of the visible range that is yet to come, after the last point. Nothing there is
    /// judged.
    pub forecast: Forecast,
}

impl Detection {
    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let columns = [&self.scores, &self.expected, &self.lower, &self.upper, &self.series_scores];
        let numbers: usize = columns.iter().map(|column| column.len()).sum();
        let reasons: usize = self.reasons.values().map(|reason| REASON_BYTES + reason.len()).sum();
        self.series.bytes()
            + numbers * size_of::<f64>()
            + size_of_val(self.verdicts.as_slice())
            + self.forecast.len() * 4 * size_of::<f64>()
            + reasons
            + self.abouts.len() * REASON_BYTES
    }

    /// How unlike its group the series was when it was last known.
    #[must_use]
    pub fn series_score(&self) -> Option<f64> {
        self.series_scores.iter().copied().rfind(|score| score.is_finite())
    }
}

/// Everything known about an answered query.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// One per upstream series with points or a forecast in the visible range, ordered by labels, then name.
    pub detections: Vec<Detection>,
    /// Kind of the source asked.
    pub source: &'static str,
    /// Kind of the detector used.
    pub detector: &'static str,
    /// Its seed, if it has one.
    pub seed: Option<u64>,
    /// Grid step asked of the upstream, ms.
    pub step_ms: i64,
    /// What the newest points were judged against.
    pub training: Training,
    /// What was asked of the upstream.
    pub executed: String,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Names query settings and training data: the same fingerprint means the same models.
    pub fingerprint: String,
    /// Points the answer is made of, training included.
    pub points_in: usize,
    /// Points the upstream had to send for it; the rest was known.
    pub points_fetched: usize,
    /// How long it took until all was fetched and decoded.
    pub fetch_time: Duration,
    /// How long decoding the answers took, all together; several are decoded at the same time.
    pub decode_time: Duration,
    /// How long fitting and scoring took.
    pub detect_time: Duration,
    /// The memory for all of it.
    pub(crate) held: Account,
}
