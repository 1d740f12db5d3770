//! From a query to verdicts: plan the blocks, fetch once, judge each block by the window before it.
//!
//! Time is cut into blocks aligned to the epoch. The points of a block are judged by a model of the training window
//! that ends where the block begins, so a point's verdict depends on the data and the query alone: not on the visible
//! range, the panel's width, or the time of asking. Input is a [`Job`], output an [`Outcome`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::detector::{self, AnyDetector, Built, Judgement, Member, Points, Verdict};
use crate::error::{Category, Error, Result, list_names};
use crate::query::{DurationMs, Query, Step, Training};
use crate::series::{Series, TimeRange};
use crate::source::{self, AnySource, FetchRequest, Fetched};

/// One query with the range it is asked for.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is asked.
    pub query: Query,
    /// The range whose points are returned.
    pub visible: TimeRange,
    /// How many points the panel can show.
    pub max_data_points: usize,
}

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
    /// Why, for each flagged point, by its index.
    pub reasons: BTreeMap<usize, String>,
}

/// Everything known about an answered query.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// One per upstream series, in the upstream's order.
    pub detections: Vec<Detection>,
    /// Kind of the source asked.
    pub source: &'static str,
    /// Kind of the detector used.
    pub detector: &'static str,
    /// Its seed, if it has one.
    pub seed: Option<u64>,
    /// Grid step asked of the upstream, ms.
    pub step_ms: i64,
    /// What the points were judged against.
    pub training: Training,
    /// What was asked of the upstream.
    pub executed: String,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Names query settings and training data: the same fingerprint means the same models.
    pub fingerprint: String,
    /// Points received from the upstream, training included.
    pub points_in: usize,
    /// How long the upstream took.
    pub fetch_time: Duration,
    /// How long fitting and scoring took.
    pub detect_time: Duration,
}

/// A run of judged time and the training time before it; both half-open, in ms.
///
/// The first block is judged from its own begin, though the visible range may begin later: detectors that look back
/// then see the same past in every range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    train_from: i64,
    train_to: i64,
    judge_from: i64,
    judge_to: i64,
}

/// The most blocks one query may need: each is a model to fit.
const MAX_BLOCKS: i64 = 4_000;

/// The threads that do the maths: as many at once as there are cores, and none of them an async one, so that a heavy
/// query cannot keep a health check waiting.
#[derive(Debug, Clone)]
pub struct Workers {
    permits: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        Self { permits: Arc::new(Semaphore::new(cores)) }
    }
}

impl Workers {
    /// Runs `work` on a worker thread as soon as one is free. If the caller goes away, the token given to `work` is
    /// cancelled.
    ///
    /// # Errors
    /// What `work` returns; [`Category::Internal`] if it panics.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::cancelled())?;
        let cancel = CancellationToken::new();
        let seen_by_work = cancel.clone();
        let _cancelled_on_drop = cancel.drop_guard();
        let task = tokio::task::spawn_blocking(move || {
            let _held_while_working = permit;
            work(&seen_by_work)
        });
        task.await.map_err(|error| {
            if error.is_cancelled() {
                return Error::cancelled();
            }
            Error::panicked("the detection")
        })?
    }
}

/// Answers one query.
///
/// # Errors
/// Of the category that fits: the query's own ([`Category::Query`], [`Category::Limit`]), the upstream's, or
/// [`Category::Cancelled`].
pub async fn run(job: Job, own_source: &Arc<dyn AnySource>, workers: &Workers) -> Result<Outcome> {
    let source = source::select(own_source, &job.query.source)?;
    let source_kind = source.kind();
    let prepared = source.prepare(&job.query.source)?;
    let Built { detector, unknown_options } = detector::build(&job.query.detector, job.query.direction)?;
    let blocks = plan(&job)?;
    let step_ms = match job.query.step {
        Step::Fixed(step_ms) => step_ms,
        Step::Auto => prepared
            .default_step_ms()
            .unwrap_or_else(|| job.query.training.auto_step_ms(job.visible.len_ms(), job.max_data_points)),
    };
    let from_ms =
        blocks.first().map_or(job.visible.from_ms, |block| block.train_from.min(job.visible.from_ms));
    let request = FetchRequest { range: TimeRange { from_ms, to_ms: job.visible.to_ms }, step_ms };

    let started = Instant::now();
    let fetched = prepared.fetch(&request).await?;
    let fetch_time = started.elapsed();
    let (detector_kind, seed) = (detector.kind(), detector.seed());
    let Fetched { series, step_ms: known_step_ms, executed, mut notices } = fetched;
    let points_in = series.iter().map(Series::len).sum();

    let visible = job.visible;
    let settings = settings_text(&job.query, source_kind, step_ms);
    let judged = workers
        .run(move |cancel| {
            let started = Instant::now();
            let mut fingerprint = Sha256::new();
            fingerprint.update(settings);
            let panel: Vec<Series> =
                series.into_iter().map(|series| with_gaps_marked(series, known_step_ms)).collect();
            hash_training(&mut fingerprint, &panel, &blocks);
            let judged = judge_panel(panel, visible, &blocks, &*detector, cancel)?;
            Ok((judged, fingerprint.finalize(), started.elapsed()))
        })
        .await?;
    let (judged, fingerprint, detect_time) = judged;
    notices.extend(unknown_options_notice(prepared.unknown_options().iter().chain(&unknown_options)));
    notices.extend(shortage_notices(&judged));

    Ok(Outcome {
        detections: judged.into_iter().map(|judged| judged.detection).collect(),
        source: source_kind,
        detector: detector_kind,
        seed,
        step_ms,
        training: job.query.training,
        executed,
        notices,
        fingerprint: fingerprint.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        points_in,
        fetch_time,
        detect_time,
    })
}

/// Judges series that are already there, with the blocks and the code of [`run`].
///
/// `panel` holds all series of the query, gaps marked, from the begin of the first block's training on; `visible` is
/// the range whose points are judged. Returns one detection a series, and what the user should know.
///
/// # Errors
/// [`Category::Query`] if the detector cannot be built, [`Category::Limit`] if there are too many blocks.
pub fn judge(query: &Query, panel: Vec<Series>, visible: TimeRange) -> Result<(Vec<Detection>, Vec<String>)> {
    let Built { detector, .. } = detector::build(&query.detector, query.direction)?;
    let blocks = plan(&Job { query: query.clone(), visible, max_data_points: 0 })?;
    let judged = judge_panel(panel, visible, &blocks, &*detector, &CancellationToken::new())?;
    let notices = shortage_notices(&judged).into_iter().collect();
    Ok((judged.into_iter().map(|judged| judged.detection).collect(), notices))
}

/// What the models depend on besides the data, for the fingerprint.
fn settings_text(query: &Query, source: &str, step_ms: i64) -> String {
    let options = |kind: &crate::query::Kind| serde_json::to_string(kind.options()).unwrap_or_default();
    format!(
        "{} {source} {} {} {:?} {:?} {step_ms}",
        env!("CARGO_PKG_VERSION"),
        options(&query.source),
        options(&query.detector),
        query.direction,
        query.training
    )
}

/// Cuts the visible range into blocks.
fn plan(job: &Job) -> Result<Vec<Block>> {
    let TimeRange { from_ms, to_ms } = job.visible;
    let end = to_ms.saturating_add(1);
    let Training::Window { window_ms, refit_ms } = job.query.training else {
        return Ok(vec![Block { train_from: from_ms, train_to: end, judge_from: from_ms, judge_to: end }]);
    };
    let (first, last) = (from_ms.div_euclid(refit_ms), to_ms.div_euclid(refit_ms));
    let count = last.saturating_sub(first).saturating_add(1);
    if count > MAX_BLOCKS {
        return Err(Error::new(
            Category::Limit,
            format!(
                "the time range holds {count} blocks of refitInterval {}, and a query may need at most {MAX_BLOCKS}",
                DurationMs::from_millis(refit_ms)
            ),
        )
        .hint("choose a longer refitInterval or a shorter time range"));
    }
    Ok((first..=last)
        .map(|block| {
            let begin = block.saturating_mul(refit_ms);
            Block {
                train_from: begin.saturating_sub(window_ms),
                train_to: begin,
                judge_from: begin,
                judge_to: begin.saturating_add(refit_ms).min(end),
            }
        })
        .collect())
}

/// One series with the verdicts on its visible points.
struct Judged {
    detection: Detection,
    /// The first block that could not be judged, with the reason.
    shortage: Option<String>,
}

fn with_gaps_marked(mut series: Series, known_step_ms: Option<i64>) -> Series {
    if let Some(step_ms) = known_step_ms.or_else(|| series.regular_step_ms()) {
        series.mark_gaps(step_ms);
    }
    series
}

/// Judges series that are compared with each other block by block, and others one by one.
fn judge_panel(
    panel: Vec<Series>,
    visible: TimeRange,
    blocks: &[Block],
    detector: &dyn AnyDetector,
    cancel: &CancellationToken,
) -> Result<Vec<Judged>> {
    let groups: Vec<Vec<Series>> = if detector.across_series() {
        vec![panel]
    } else {
        panel.into_iter().map(|series| vec![series]).collect()
    };
    let mut judged = Vec::new();
    for group in groups {
        let mut all = vec![Judgement::default(); group.len()];
        for block in blocks {
            if cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            judge_block(&group, visible, *block, detector, &mut all);
        }
        judged.extend(group.into_iter().zip(all).map(|(series, all)| cut(series, visible, all)));
    }
    Ok(judged)
}

/// Appends the verdicts on one block of a group of series.
fn judge_block(
    group: &[Series],
    visible: TimeRange,
    block: Block,
    detector: &dyn AnyDetector,
    all: &mut [Judgement],
) {
    let shown = |series: &Series| series.index_range(visible.from_ms, visible.to_ms.saturating_add(1)).start;
    let judged = |series: &Series| series.index_range(block.judge_from, block.judge_to);
    if !group.iter().any(|series| !judged(series).is_empty() && judged(series).end > shown(series)) {
        return;
    }
    let members: Vec<Member<'_>> = group
        .iter()
        .map(|series| Member {
            name: &series.name,
            labels: &series.labels,
            training: series.points(series.index_range(block.train_from, block.train_to)),
            judged: series.points(judged(series)),
        })
        .collect();
    for ((series, all), judgement) in group.iter().zip(all).zip(detector.judge_panel(&members)) {
        append(all, judgement, shown(series).saturating_sub(judged(series).start));
    }
}

/// Cuts a series to its visible points, to which `all` belongs.
fn cut(series: Series, visible: TimeRange, all: Judgement) -> Judged {
    let shown = series.index_range(visible.from_ms, visible.to_ms.saturating_add(1));
    let series = Series {
        times: series.times[shown.clone()].to_vec(),
        values: series.values[shown.clone()].to_vec(),
        truth: series.truth.map(|truth| truth[shown].to_vec()),
        name: series.name,
        labels: series.labels,
        unit: series.unit,
    };
    let Judgement { verdicts, scores, expected, lower, upper, reasons, shortage } = all;
    let reasons = reasons.into_iter().collect();
    let detection = Detection { series, verdicts, scores, expected, lower, upper, reasons };
    Judged { detection, shortage }
}

/// Adds the training data of every block to the fingerprint: once for all blocks, as their windows overlap.
fn hash_training(hash: &mut Sha256, panel: &[Series], blocks: &[Block]) {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return };
    for series in panel {
        let training = series.points(series.index_range(first.train_from, last.train_to));
        hash_points(hash, (first.train_from, last.train_to), training);
    }
}

/// Appends the verdicts on a block but for its first `unseen` points, which lie before the visible range.
fn append(all: &mut Judgement, block: Judgement, unseen: usize) {
    let before = all.verdicts.len();
    all.verdicts.extend(block.verdicts.into_iter().skip(unseen));
    for (all, block) in [
        (&mut all.scores, block.scores),
        (&mut all.expected, block.expected),
        (&mut all.lower, block.lower),
        (&mut all.upper, block.upper),
    ] {
        all.extend(block.into_iter().skip(unseen));
    }
    let seen = block.reasons.into_iter().filter(|(row, _)| *row >= unseen);
    all.reasons.extend(seen.map(|(row, reason)| (before + row - unseen, reason)));
    all.shortage = all.shortage.take().or(block.shortage);
}

fn hash_points(hash: &mut Sha256, (from_ms, to_ms): (i64, i64), points: Points<'_>) {
    hash.update(from_ms.to_le_bytes());
    hash.update(to_ms.to_le_bytes());
    for (time, value) in points.times.iter().zip(points.values) {
        hash.update(time.to_le_bytes());
        hash.update(value.to_bits().to_le_bytes());
    }
}

fn unknown_options_notice<'a>(unknown: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = unknown.map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!("unknown options are ignored: {}; correct their spelling or remove them", list_names(names))
    })
}

/// One notice for all series that could not be judged throughout.
fn shortage_notices(judged: &[Judged]) -> Option<String> {
    let short: Vec<&Judged> = judged.iter().filter(|judged| judged.shortage.is_some()).collect();
    let first = short.first()?;
    let why = first.shortage.as_deref().unwrap_or_default();
    let name = &first.detection.series.name;
    let others = match short.len() {
        1 => String::new(),
        more => format!(" (and {} more series)", more - 1),
    };
    Some(format!(
        "part of series \"{name}\"{others} is not judged: {why}; lengthen trainingWindow or wait for more data"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Detector;
    use crate::query::Direction;
    use crate::settings::Settings;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const T0: i64 = 1_750_000_000_000;

    fn job(json: &str, from_ms: i64, to_ms: i64) -> Job {
        Job {
            query: Query::parse(json.as_bytes()).unwrap(),
            visible: TimeRange { from_ms, to_ms },
            max_data_points: 1_000,
        }
    }

    async fn detect(json: &str, from_ms: i64, to_ms: i64) -> Outcome {
        let source = source::connect(&Settings::default()).unwrap();
        run(job(json, from_ms, to_ms), &source, &Workers::default()).await.unwrap()
    }

    #[test]
    fn blocks_are_aligned_to_the_epoch_and_cover_the_range() {
        let blocks = plan(&job("{}", 10 * DAY + HOUR, 12 * DAY)).unwrap();
        assert_eq!(
            blocks,
            [
                Block { train_from: 3 * DAY, train_to: 10 * DAY, judge_from: 10 * DAY, judge_to: 11 * DAY },
                Block { train_from: 4 * DAY, train_to: 11 * DAY, judge_from: 11 * DAY, judge_to: 12 * DAY },
                Block {
                    train_from: 5 * DAY,
                    train_to: 12 * DAY,
                    judge_from: 12 * DAY,
                    judge_to: 12 * DAY + 1
                },
            ]
        );
        let before_epoch = plan(&job("{}", -HOUR, -1)).unwrap();
        assert_eq!(before_epoch.len(), 1);
        assert_eq!(before_epoch[0].train_to, -DAY);
    }

    #[test]
    fn too_many_blocks_are_refused_with_the_option_to_change() {
        let error = plan(&job(r#"{"refitInterval":"1m"}"#, 0, 400 * DAY)).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(error.to_string().contains("refitInterval 1m"), "{error}");
    }

    #[tokio::test]
    async fn the_same_point_has_the_same_verdict_in_every_range() {
        let json = r#"{"source":{"kind":"generator","series":["median","web-traffic"]}}"#;
        let wide = detect(json, T0, T0 + 5 * DAY).await;
        for (from, to) in [(T0, T0 + HOUR), (T0 + 7 * HOUR, T0 + 31 * HOUR), (T0 + 4 * DAY, T0 + 5 * DAY)] {
            let narrow = detect(json, from, to).await;
            for (wide, narrow) in wide.detections.iter().zip(&narrow.detections) {
                let cut = wide.series.index_range(from, to + 1);
                assert!(!cut.is_empty());
                assert_eq!(wide.series.times[cut.clone()], narrow.series.times);
                assert_eq!(wide.verdicts[cut.clone()], narrow.verdicts);
                let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&wide.scores[cut]), bits(&narrow.scores));
            }
        }
    }

    /// Scores a point by its place in the run it is given.
    struct ByPlace;

    impl Detector for ByPlace {
        const KIND: &'static str = "by-place";
        const LABEL: &'static str = "";
        const DESCRIPTION: &'static str = "";
        type Options = ();

        fn new((): (), _: Direction) -> Result<Self> {
            Ok(Self)
        }

        fn seed(&self) -> Option<u64> {
            None
        }

        fn judge(&self, _training: Points<'_>, judged: Points<'_>) -> Judgement {
            let scores: Vec<f64> = (0..judged.values.len()).map(|place| place as f64).collect();
            let mut judgement = Judgement::none(judged.values, String::new());
            judgement.reasons = (0..scores.len()).map(|row| (row, row.to_string())).collect();
            Judgement { scores, ..judgement }
        }
    }

    #[test]
    fn a_detector_that_looks_back_sees_the_same_past_in_every_range() {
        let points = (0..96).map(|hour| (hour * HOUR, 1.0)).collect();
        let (series, _) = Series::from_points("s".into(), crate::series::Labels::new(), points);
        let judge = |from_ms, to_ms| {
            let visible = TimeRange { from_ms, to_ms };
            let blocks = plan(&job("{}", from_ms, to_ms)).unwrap();
            let cancel = CancellationToken::new();
            let mut judged = judge_panel(vec![series.clone()], visible, &blocks, &ByPlace, &cancel).unwrap();
            judged.remove(0).detection
        };
        let wide = judge(0, 4 * DAY);
        let narrow = judge(DAY + 5 * HOUR, 2 * DAY + 2 * HOUR);
        assert_eq!(narrow.scores[..3], [5.0, 6.0, 7.0]);
        assert_eq!(narrow.scores, wide.scores[29..=50]);
        for (row, reason) in &narrow.reasons {
            assert_eq!(*reason, narrow.scores[*row].to_string());
        }
    }

    #[tokio::test]
    async fn a_judged_point_never_trains_its_own_model() {
        // A window that ends a whole block before: the values of the block itself must not matter.
        let outcome = detect("{}", T0, T0 + HOUR).await;
        let first = T0.div_euclid(DAY) * DAY;
        let request = FetchRequest {
            range: TimeRange { from_ms: first - 7 * DAY, to_ms: first - 1 },
            step_ms: 900_000,
        };
        let source = source::connect(&Settings::default()).unwrap();
        let prepared = source.prepare(&crate::query::Kind::default()).unwrap();
        let training = prepared.fetch(&request).await.unwrap().series.remove(0);
        let detector = detector::build(&crate::query::Kind::default(), Direction::Both).unwrap().detector;
        let shown = &outcome.detections[0];
        let judgement = detector.judge(
            Points { times: &training.times, values: &training.values },
            Points { times: &shown.series.times, values: &shown.series.values },
        );
        assert_eq!(judgement.scores, shown.scores);
    }

    #[tokio::test]
    async fn training_on_the_visible_range_depends_on_it() {
        let json = r#"{"training":"visible-range"}"#;
        let (wide, narrow) = (detect(json, T0, T0 + 5 * DAY).await, detect(json, T0, T0 + DAY).await);
        let shared = narrow.detections[0].scores.len();
        assert_ne!(wide.detections[0].scores[..shared], narrow.detections[0].scores[..]);
        assert_ne!(wide.fingerprint, narrow.fingerprint);
    }

    #[tokio::test]
    async fn the_fingerprint_names_settings_and_training_data() {
        let a = detect("{}", T0, T0 + HOUR).await.fingerprint;
        assert_eq!(a, detect("{}", T0, T0 + HOUR).await.fingerprint);
        assert_ne!(a, detect(r#"{"detector":{"seed":1}}"#, T0, T0 + HOUR).await.fingerprint);
        assert_ne!(a, detect(r#"{"source":{"seed":1}}"#, T0, T0 + HOUR).await.fingerprint);
    }

    #[tokio::test]
    async fn a_misspelt_option_is_told() {
        let outcome = detect(r#"{"source":{"seeed":1},"detector":{"treshold":0.9}}"#, T0, T0 + HOUR).await;
        assert!(
            outcome.notices[0].contains("\"source.seeed\" and \"detector.treshold\""),
            "{:?}",
            outcome.notices
        );
    }

    #[tokio::test]
    async fn a_gap_is_missing_and_not_a_value() {
        let json = r#"{"source":{"kind":"generator","series":["web-traffic"]}}"#;
        let outcome = detect(json, T0, T0 + 60 * DAY).await;
        let detection = &outcome.detections[0];
        let missing = detection.verdicts.iter().filter(|verdict| **verdict == Verdict::Missing).count();
        assert!(missing > 0);
        for (verdict, value) in detection.verdicts.iter().zip(&detection.series.values) {
            assert_eq!(*verdict == Verdict::Missing, value.is_nan());
        }
    }

    #[tokio::test]
    async fn too_short_a_window_gives_a_notice_and_no_flags() {
        let outcome = detect(r#"{"trainingWindow":"2h","refitInterval":"1h"}"#, T0, T0 + DAY).await;
        assert!(outcome.notices[0].contains("8 of the 16 training points"), "{:?}", outcome.notices);
        assert!(outcome.detections[0].verdicts.iter().all(|verdict| !verdict.is_outlier()));
    }

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let error = Workers::default().run::<(), _>(|_| panic!("boom")).await.unwrap_err();
        assert_eq!(error.category(), Category::Internal);
    }

    #[tokio::test]
    async fn work_sees_that_nobody_waits_any_more() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let workers = Workers::default();
        let waiting = tokio::spawn(async move {
            workers
                .run(move |cancel| {
                    let _ = started.send(());
                    while !cancel.is_cancelled() {
                        std::thread::yield_now();
                    }
                    let _ = ended.send(());
                    Ok(())
                })
                .await
        });
        has_started.await.unwrap();
        waiting.abort();
        has_ended.await.unwrap();
    }
}
