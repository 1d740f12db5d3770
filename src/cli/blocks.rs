//! A file's series, judged a few blocks at a time.
//!
//! Blocks do not depend on each other, and the verdict on a point depends on its block and the training before it
//! alone. So the times of the rows are cut into [`spans`] of whole blocks, each goes through the engine on its own,
//! and what comes out is the same whatever the cut: it serves a progress bar and several threads.

use crate::detector::{self, Verdict};
use crate::engine;
use crate::error::Result;
use crate::query::{Query, Step, Training};
use crate::series::{Series, TimeRange};

/// How many spans a file is cut into, about: enough for a steady progress bar.
const SPANS: usize = 100;

/// What was made of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowVerdict {
    pub(super) verdict: Verdict,
    /// 0 to 1, NaN where there is none.
    pub(super) score: f64,
    /// What the value should have been, NaN where unknown.
    pub(super) expected: f64,
    /// Lower end of the normal band, NaN where there is none.
    pub(super) lower: f64,
    /// Upper end of the normal band, NaN where there is none.
    pub(super) upper: f64,
    /// Why it is flagged; empty if it is not.
    pub(super) reason: String,
}

impl RowVerdict {
    /// Of a row that could not be judged.
    pub(super) const NONE: Self = Self {
        verdict: Verdict::NotJudged,
        score: f64::NAN,
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
        reason: String::new(),
    };
}

/// A query with nothing left open.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) query: Query,
    training: Training,
    /// Whether the detector looks beyond its blocks, so that all of them must be judged in one go.
    in_one_go: bool,
}

/// Distances between points that tell the step of a file: few, so that the verdict on a row depends on no later one.
const STEP_SAMPLE: usize = 30;

/// Settles `query` for points of whose `times` (in the order of the rows) the first few tell the step, unless the query
/// does.
///
/// # Errors
/// Those of [`detector::build`].
pub(super) fn settle(query: &Query, times: impl Iterator<Item = i64>) -> Result<Settled> {
    let detector = detector::build(&query.detector, query.direction)?.detector;
    let mut query = query.clone();
    if query.step == Step::Auto {
        let times: Vec<i64> = times.take(STEP_SAMPLE + 1).collect();
        let mut distances: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        distances.retain(|distance| *distance > 0);
        distances.sort_unstable();
        query.step = distances.get(distances.len() / 2).map_or(Step::Auto, |step_ms| Step::Fixed(*step_ms));
    }
    let step_ms = match query.step {
        Step::Fixed(step_ms) => step_ms,
        Step::Auto => query.training.auto_step_ms(0, 1),
    };
    let (training, reach) = engine::settle(&query, &*detector, step_ms);
    query.training = training.into();
    Ok(Settled { query, training, in_one_go: reach.is_beyond() })
}

impl Settled {
    /// The ranges of time to judge one by one for rows at `times`.
    pub(super) fn spans(&self, times: impl Iterator<Item = i64>) -> Vec<TimeRange> {
        let mut spans = spans(self.training, times);
        if self.in_one_go
            && let (Some(first), Some(last)) = (spans.first().copied(), spans.last().copied())
        {
            spans = vec![TimeRange { from_ms: first.from_ms, to_ms: last.to_ms }];
        }
        spans
    }
}

/// Cuts `times` (in any order) into ranges that begin and end with a block, leaving out blocks without any.
fn spans(training: Training, times: impl Iterator<Item = i64>) -> Vec<TimeRange> {
    let Training::Window { refit_ms, .. } = training else {
        let (mut from_ms, mut to_ms) = (i64::MAX, i64::MIN);
        times.for_each(|time| (from_ms, to_ms) = (from_ms.min(time), to_ms.max(time)));
        return (from_ms <= to_ms).then_some(TimeRange { from_ms, to_ms }).into_iter().collect();
    };
    let mut blocks: Vec<i64> = times.map(|time| time.div_euclid(refit_ms)).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let longest = blocks.len().div_ceil(SPANS) as i64;
    let mut cut: Vec<(i64, i64)> = Vec::new();
    for block in blocks {
        match cut.last_mut() {
            Some((first, last)) if *last + 1 == block && block - *first < longest => *last = block,
            _ => cut.push((block, block)),
        }
    }
    let range = |(first, last): (i64, i64)| TimeRange {
        from_ms: first.saturating_mul(refit_ms),
        to_ms: last.saturating_add(1).saturating_mul(refit_ms).saturating_sub(1),
    };
    cut.into_iter().map(range).collect()
}

/// The verdicts on the points of one span.
#[derive(Debug)]
pub(super) struct JudgedSpan {
    detections: Vec<engine::Detection>,
    /// Which of them each series of the panel has.
    places: Vec<Option<usize>>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

impl JudgedSpan {
    /// The verdict on the point that series number `series` has at `time`.
    pub(super) fn at(&self, series: usize, time: i64) -> RowVerdict {
        let Some(detection) = self.places[series].map(|place| &self.detections[place]) else {
            return RowVerdict::NONE;
        };
        let Ok(index) = detection.series.times.binary_search(&time) else { return RowVerdict::NONE };
        RowVerdict {
            verdict: detection.verdicts[index],
            score: detection.scores[index],
            expected: detection.expected[index],
            lower: detection.lower[index],
            upper: detection.upper[index],
            reason: detection.reasons.get(&index).cloned().unwrap_or_default(),
        }
    }
}

/// Judges the points of `panel` (all series of one query) that lie in `span`.
///
/// # Errors
/// Those of [`engine::judge`].
pub(super) fn judge_span(settled: &Settled, panel: &[Series], span: TimeRange) -> Result<JudgedSpan> {
    let from_ms = match settled.training {
        _ if settled.in_one_go => i64::MIN,
        Training::VisibleRange => span.from_ms,
        Training::Window { window_ms, refit_ms } => {
            let first_block = span.from_ms.div_euclid(refit_ms).saturating_mul(refit_ms);
            first_block.saturating_sub(window_ms)
        }
    };
    let needed = panel.iter().map(|series| cut(series, from_ms, span.to_ms)).collect();
    let (detections, notices) = engine::judge(&settled.query, needed, span)?;
    // Series without points in the span have no detection.
    let place = |series: &Series| {
        detections
            .iter()
            .position(|found| found.series.name == series.name && found.series.labels == series.labels)
    };
    let places = panel.iter().map(place).collect();
    Ok(JudgedSpan { detections, places, notices })
}

fn cut(series: &Series, from_ms: i64, to_ms: i64) -> Series {
    let range = series.index_range(from_ms, to_ms.saturating_add(1));
    Series {
        name: series.name.clone(),
        labels: series.labels.clone(),
        unit: None,
        times: series.times[range.clone()].to_vec(),
        values: series.values[range].to_vec(),
        truth: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Labels;

    const WINDOW: Training = Training::Window { window_ms: 100, refit_ms: 10 };

    #[test]
    fn spans_are_whole_blocks_and_skip_what_is_empty() {
        let range = |from_ms, to_ms| TimeRange { from_ms, to_ms };
        assert_eq!(spans(WINDOW, [25, 3, -1, 29].into_iter()), [range(-10, -1), range(0, 9), range(20, 29)]);
        assert_eq!(spans(WINDOW, [].into_iter()), []);
        assert_eq!(spans(Training::VisibleRange, [25, 3].into_iter()), [range(3, 25)]);
        let many = spans(WINDOW, (0..100_000).map(|block| block * 10));
        assert_eq!(many.len(), 100);
        assert!(many.windows(2).all(|pair| pair[0].to_ms + 1 == pair[1].from_ms));
        assert!(!spans(WINDOW, [i64::MIN, i64::MAX].into_iter()).is_empty());
    }

    #[test]
    fn the_cut_changes_no_verdict() {
        const HOUR: i64 = 3_600_000;
        let points =
            (0..240).map(|i| (i * HOUR, ((i * 37) % 101) as f64 + if i == 200 { 900.0 } else { 0.0 }));
        let (series, _) = Series::from_points("s".into(), Labels::new(), points.collect());
        let query =
            Query::parse(br#"{"detector":{"kind":"isolation-forest"},"trainingWindow":"3d"}"#).unwrap();
        let panel = [series];
        let settled = settle(&query, panel[0].times.iter().copied()).unwrap();
        let whole = judge_span(&settled, &panel, TimeRange { from_ms: 0, to_ms: 240 * HOUR }).unwrap();
        let mut flagged = 0;
        for span in settled.spans(panel[0].times.iter().copied()) {
            let part = judge_span(&settled, &panel, span).unwrap();
            for time in panel[0].times.iter().filter(|time| span.contains(**time)) {
                let (part, whole) = (part.at(0, *time), whole.at(0, *time));
                assert_eq!(part.score.to_bits(), whole.score.to_bits());
                assert_eq!((part.verdict, &part.reason), (whole.verdict, &whole.reason));
                flagged += usize::from(part.verdict.is_outlier());
            }
        }
        assert!(flagged > 0);
    }
}
