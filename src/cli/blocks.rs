//! A file's series, judged a few blocks at a time.
//!
//! Blocks do not depend on each other, and the verdict on a point depends on its block and the training before it
//! alone. So the times of the rows are cut into [`spans`] of whole blocks, each goes through the engine on its own,
//! and what comes out is the same whatever the cut: it serves a progress bar and several threads.

use crate::detector::Verdict;
use crate::engine;
use crate::error::Result;
use crate::query::{Query, Training};
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

/// A query, and how its rows may be cut.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) query: Query,
    /// What is known of it without the points: where blocks may begin.
    training: Training,
    /// Whether the detector looks beyond its blocks, so that all of them must be judged in one go.
    in_one_go: bool,
}

/// Settles `query` as far as it can be without the points.
///
/// # Errors
/// Those of [`engine::settle_unknown`].
pub(super) fn settle(query: &Query) -> Result<Settled> {
    let settled = engine::settle_unknown(query)?;
    Ok(Settled { query: query.clone(), training: settled.training, in_one_go: settled.reach.is_beyond() })
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
    let (detections, notices) = engine::judge(&settled.query, panel, span)?;
    // Series without points in the span have no detection.
    let place = |series: &Series| {
        detections
            .iter()
            .position(|found| found.series.name == series.name && found.series.labels == series.labels)
    };
    let places = panel.iter().map(place).collect();
    Ok(JudgedSpan { detections, places, notices })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::f64::consts::TAU;
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Clock, Detection, Engine, Job, Scope, Workers};
    use crate::series::Labels;
    use crate::settings::Settings;
    use crate::source::{AnySource, FetchRequest, Fetched, Reached, Source};

    const HOUR: i64 = 3_600_000;
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
        let points =
            (0..240).map(|i| (i * HOUR, ((i * 37) % 101) as f64 + if i == 200 { 900.0 } else { 0.0 }));
        let (series, _) = Series::from_points("s".into(), Labels::new(), points.collect());
        let query =
            Query::parse(br#"{"detector":{"kind":"isolation-forest"},"trainingWindow":"3d"}"#).unwrap();
        let panel = [series];
        let settled = settle(&query).unwrap();
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

    /// An upstream that answers with the points it has, whatever step is asked for.
    struct Rows(Series);

    #[async_trait::async_trait]
    impl Source for Rows {
        const KIND: &'static str = "rows";
        const LABEL: &'static str = "Rows";
        const DESCRIPTION: &'static str = "One series of a test";
        type Options = serde_json::Value;

        fn connect(_settings: &Settings) -> Result<Self> {
            unreachable!("it is made by the test")
        }

        async fn fetch(&self, _options: &Self::Options, request: &FetchRequest) -> Result<Fetched> {
            let Series { times, values, .. } = &self.0;
            let points = times.iter().copied().zip(values.iter().copied());
            let points = points.filter(|(time, _)| request.range.contains(*time)).collect();
            let (series, _) = Series::from_points(self.0.name.clone(), self.0.labels.clone(), points);
            Ok(Fetched { series: vec![series], ..Fetched::default() })
        }

        async fn check(&self) -> Result<Reached> {
            unreachable!("nobody asks")
        }
    }

    /// What is said of a point, all NaNs being one.
    type Said = (Verdict, [u64; 4], String);

    fn said(verdict: Verdict, columns: [f64; 4], reason: Option<&String>) -> Said {
        let bits = columns.map(|value| if value.is_nan() { u64::MAX } else { value.to_bits() });
        (verdict, bits, reason.cloned().unwrap_or_default())
    }

    /// Traffic with a day, and noise; it rises to nearly the double for a day, or an hour, after 6/7 of the time.
    fn traffic(step_ms: i64, points: i64) -> Series {
        const DAY: i64 = 24 * HOUR;
        let mut seed = 1_u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let burst = points * 6 / 7;
        let value = |slot: i64| {
            let time = 20_000 * DAY + slot * step_ms;
            let rhythm =
                if step_ms < DAY { 30.0 * ((time % DAY) as f64 / DAY as f64 * TAU).sin() } else { 0.0 };
            let is_burst = (burst..burst + (HOUR / step_ms).max(1)).contains(&slot);
            (time, (100.0 + rhythm + 8.0 * noise()) * if is_burst { 1.9 } else { 1.0 })
        };
        Series::from_points("traffic".into(), Labels::new(), (0..points).map(value).collect()).0
    }

    #[tokio::test]
    async fn plugin_and_command_line_say_the_same_at_every_step() {
        const MINUTE: i64 = 60_000;
        let steps = [
            (MINUTE, 24_000),
            (5 * MINUTE, 6_000),
            (15 * MINUTE, 3_000),
            (HOUR, 1_500),
            (4 * HOUR, 900),
            (24 * HOUR, 365),
        ];
        for ((step_ms, points), json) in steps
            .into_iter()
            .flat_map(|step| ["{}", r#"{"detector":{"kind":"mad"}}"#].map(|json| (step, json)))
        {
            let series = traffic(step_ms, points);
            let query = Query::parse(json.as_bytes()).unwrap();
            let panel = [series.clone()];
            let settled = settle(&query).unwrap();
            let mut by_command_line: BTreeMap<i64, Said> = BTreeMap::new();
            for span in settled.spans(series.times.iter().copied()) {
                let judged = judge_span(&settled, &panel, span).unwrap();
                for time in series.times.iter().filter(|time| span.contains(**time)) {
                    let RowVerdict { verdict, score, expected, lower, upper, reason } = judged.at(0, *time);
                    by_command_line
                        .insert(*time, said(verdict, [score, expected, lower, upper], Some(&reason)));
                }
            }
            let burst = series.times[points as usize * 6 / 7];
            let of_burst = &by_command_line[&burst];
            assert_ne!(of_burst.0, Verdict::NotJudged, "{json} at {step_ms}");
            assert!(of_burst.0 == Verdict::High || json != "{}", "{step_ms}: {of_burst:?}");

            let last = *series.times.last().unwrap();
            let source: Arc<dyn AnySource> = Arc::new(Rows(series));
            let engine = Engine::new(Workers::default(), 64 << 20, Clock::new(move || last + step_ms / 2));
            let longest = 90 * step_ms.max(15 * MINUTE);
            let ranges = [
                (last - longest, last),
                (burst - 20 * step_ms, burst + 3 * step_ms),
                (burst - longest, burst),
                (burst, burst),
                (last - 7 * step_ms - 1, last + step_ms / 2),
            ];
            for ((from_ms, to_ms), max_data_points) in ranges.into_iter().zip([1, 50, 2_000, 300, 9]) {
                let visible = TimeRange { from_ms, to_ms };
                let job = Job { query: query.clone(), visible, max_data_points };
                let outcome = engine.run(job, &source, Scope::default()).await.unwrap();
                let Detection { series, verdicts, scores, expected, lower, upper, reasons, .. } =
                    &outcome.detections[0];
                for (row, time) in series.times.iter().enumerate() {
                    let columns = [scores[row], expected[row], lower[row], upper[row]];
                    let by_plugin = said(verdicts[row], columns, reasons.get(&row));
                    assert_eq!(Some(&by_plugin), by_command_line.get(time), "{json} at {step_ms}: {time}");
                }
                let rows = by_command_line.range(from_ms..=to_ms).count();
                assert_eq!(series.times.len(), rows, "{json} at {step_ms}: {from_ms} to {to_ms}");
            }
        }
    }
}
