//! From a query to verdicts: plan the blocks, read what is not known yet, judge each block by the window before it.
//!
//! Time is cut into blocks aligned to the epoch. The points of a block are judged by a model of the training window
//! that ends where the block begins, so a point's verdict depends on the data and the query alone: not on the visible
//! range, the panel's width, or the time of asking. Input is a [`Job`], output an [`Outcome`].
//!
//! That makes work worth keeping. An [`Engine`] remembers what upstreams answered (`history`) and the verdicts on blocks
//! (`judge`) within a bound of bytes (`cache`), does at once asked things once (`flights`), and shares its threads among
//! queries block by block (`workers`).

mod cache;
mod clock;
mod digest;
mod flights;
mod grid;
mod history;
mod judge;
mod plan;
mod settle;
mod together;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::budget::{self, Account, Memory};
use crate::detector::{self, About, AnyDetector, Built, Forecast, Verdict};
use crate::error::{Category, Error, Result, list_names};
use crate::query::{DurationMs, Query, Training, Transform};
use crate::series::{Series, TimeRange, looks_like_counter};
use crate::source::{self, AnySource, PreparedQuery, Reading};

use cache::{Cache, Key};
use flights::Flights;
use grid::Line;
use history::{Ask, Read};
use judge::{Panel, Verdicts};
use plan::plan;
use settle::{Asked, Part, Settled};

pub use cache::CacheStats;
pub use clock::Clock;
pub use together::Group;
pub use workers::Workers;

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
    fn bytes(&self) -> usize {
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
    /// The groups of series that share one verdict, ordered by their labels; none if each series has a verdict of its own.
    pub groups: Vec<Group>,
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

/// Bytes of histories and verdicts an [`Engine`] keeps if nobody says otherwise.
pub const DEFAULT_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Which data source a query goes to, as far as answers may be shared: two queries with the same scope and the same
/// source options must get the same points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scope(Key);

impl Scope {
    /// The scope of a data source that `identity` names, its settings and credentials included. Only a digest of it is
    /// kept.
    #[must_use]
    pub fn of(identity: &[u8]) -> Self {
        Self(Sha256::digest(identity).into())
    }

    /// A scope within this one, such as that of one user of the data source.
    #[must_use]
    pub fn within(&self, identity: &[u8]) -> Self {
        let mut narrower = Sha256::new();
        narrower.update(self.0);
        narrower.update(identity);
        Self(narrower.finalize().into())
    }
}

/// A history with the first instant wanted of it and the one after the last.
type Range = (Key, i64, i64);

/// What was read, and the memory for it.
type HeldRead = (Arc<Read>, Account);

/// How long a query may take if nobody says otherwise.
pub const DEFAULT_QUERY_TIME: Duration = Duration::from_secs(300);

/// How often a query is begun that finds the memory taken by others.
const TRIES: usize = 10;

/// What share of the memory must be free beyond what a query needs before it is begun again.
const HEADROOM: usize = 16;

/// Bytes for each reason besides its text: its place in a map, and what the allocator adds.
const REASON_BYTES: usize = 96;

/// Bytes for each point of a line: the series, a digest and two counts of distances, and a list of these being sorted; the
/// values before a transformation.
const LINE_BYTES: usize = 80;

/// Answers queries, and remembers what it learned from one for the next. Clones share everything.
#[derive(Debug, Clone)]
pub struct Engine {
    workers: Workers,
    cache: Arc<Cache>,
    clock: Clock,
    answers: Arc<Flights<Key, Result<Arc<Outcome>>>>,
    reads: Arc<Flights<Range, Result<HeldRead>>>,
    memory: Memory,
    query_time: Duration,
}

impl Default for Engine {
    /// All cores, [`DEFAULT_CACHE_BYTES`], the system's clock.
    fn default() -> Self {
        Self::new(Workers::default(), DEFAULT_CACHE_BYTES, Clock::system())
    }
}

/// Answers one query without remembering anything: what [`Engine::run`] does, for programs that end thereafter.
///
/// # Errors
/// Those of [`Engine::run`].
pub async fn run(job: Job, own_source: &Arc<dyn AnySource>, workers: &Workers) -> Result<Outcome> {
    let engine = Engine::new(workers.clone(), 0, Clock::system());
    engine.run(job, own_source, Scope::default()).await.map(Arc::unwrap_or_clone)
}

/// What a query is judged against before anything is known of the points: its blocks are those that it can be cut into.
///
/// # Errors
/// Those of [`detector::build`].
#[cfg(any(test, feature = "cli"))]
pub(crate) fn settle_unknown(query: &Query) -> Result<Settled> {
    let detector = detector::build(&query.detector, query.direction)?.detector;
    let anywhen = TimeRange { from_ms: 0, to_ms: 0 };
    Ok(Asked::of(query, None, anywhen, 1).settle(&*detector, None))
}

/// Judges series that are already there, with the blocks and the code of [`Engine::run`], on this thread.
///
/// `panel` holds all series of the query; `visible` is the range whose points are judged, and what comes after it is not
/// looked at. Nothing is missing after the last point. Returns one detection for each series with points there, and what
/// the user should know.
///
/// # Errors
/// [`Category::Query`] if the detector cannot be built,
/// [`Category::Limit`] if there are too many blocks.
pub fn judge(query: &Query, panel: &[Series], visible: TimeRange) -> Result<(Vec<Detection>, Vec<String>)> {
    let Built { detector, .. } = detector::build(&query.detector, query.direction)?;
    let detector: Arc<dyn AnyDetector> = Arc::from(detector);
    let asked = Asked::of(query, None, visible, 1);
    let lines = |from_ms: i64| -> Vec<Line> {
        let read = |series: &Series| history::cut(series, from_ms, visible.to_ms.saturating_add(1));
        panel.iter().map(|series| Line::new(read(series), query.transform, None)).collect()
    };
    let mut first_ms = asked.first_ms(&*detector, visible.from_ms);
    let mut read = lines(first_ms);
    let mut parts = asked.parts(&*detector, &read, visible)?;
    let needed_ms = parts.iter().map(Part::first_ms).min().unwrap_or(first_ms);
    if needed_ms < first_ms {
        first_ms = needed_ms;
        read = lines(first_ms);
        parts = asked.parts(&*detector, &read, visible)?;
    }
    let lines = Arc::new(read);
    let panels: Vec<Arc<Panel>> = parts
        .into_iter()
        .map(|part| {
            Arc::new(Panel {
                lines: Arc::clone(&lines),
                part,
                visible,
                now_ms: i64::MIN,
                forecast_to_ms: None,
                detector: Arc::clone(&detector),
                settings: Key::default(),
                keep: false,
            })
        })
        .collect();
    let judged = judge::judge_all(&panels)?;
    let notices = shortage_notices(&judged).collect();
    Ok((judged.into_iter().map(|verdicts| verdicts.detection).collect(), notices))
}

impl Engine {
    /// An engine that keeps up to `cache_bytes` bytes of histories and verdicts; with 0 it keeps none.
    #[must_use]
    pub fn new(workers: Workers, cache_bytes: usize, clock: Clock) -> Self {
        Self {
            workers,
            cache: Arc::new(Cache::new(cache_bytes)),
            clock,
            answers: Arc::default(),
            reads: Arc::default(),
            memory: Memory::default(),
            query_time: DEFAULT_QUERY_TIME,
        }
    }

    /// The same engine, whose queries take no more than `memory` together, what is in the cache not counted, and no longer
    /// than `query_time` each.
    #[must_use]
    pub fn bounded(self, memory: Memory, query_time: Duration) -> Self {
        Self { memory, query_time, ..self }
    }

    /// The memory that its queries may take.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The threads it judges on.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// What its cache has done so far.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Answers one query. Of several that ask the same at the same time, whatever they want to be shown of it, only one
    /// is worked on.
    ///
    /// # Errors
    /// Of the category that fits: the query's own ([`Category::Query`],
    /// [`Category::Limit`]), the upstream's, or
    /// [`Category::Cancelled`].
    pub async fn run(&self, job: Job, own_source: &Arc<dyn AnySource>, scope: Scope) -> Result<Arc<Outcome>> {
        let work = Work::new(&job, own_source, scope)?;
        let engine = self.clone();
        self.answers.join(work.key(), move || async move { engine.carry_out(work).await.map(Arc::new) }).await
    }

    /// Does the work within the time and the memory there are. Where others take the memory, it is begun anew when they
    /// have given enough of it back; meanwhile it holds none, so no two queries wait for each other.
    async fn carry_out(&self, mut work: Work) -> Result<Outcome> {
        let tries = async {
            for attempt in 1.. {
                let account = self.memory.account();
                let failed = match budget::for_query(account, self.attempt(&mut work)).await {
                    Err(error) if attempt < TRIES && error.waits_for().is_some() => error,
                    done => return done,
                };
                let headroom = self.memory.limit() / HEADROOM;
                self.memory.has_room(failed.waits_for().unwrap_or(0).saturating_add(headroom)).await;
            }
            Err(Error::cancelled())
        };
        self.in_time(tries).await
    }

    /// Does what is no query of series, such as to ask for names, within the time and the memory there are.
    ///
    /// # Errors
    /// Those of `work`; [`Category::Limit`] if it takes more.
    pub async fn within_bounds<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.in_time(budget::for_query(self.memory.account(), work)).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.query_time, work).await.unwrap_or_else(|_| {
            let seconds = self.query_time.as_secs();
            Err(Error::new(Category::Limit, format!("the query was not answered within {seconds} s")).hint(
                "choose a longer step, a shorter time range or fewer series, or raise query_secs in the section \
                 [plugin.outrider-outliers-datasource] of grafana.ini",
            ))
        })
    }

    /// Does the work once, on the account of this task.
    async fn attempt(&self, work: &mut Work) -> Result<Outcome> {
        let account = budget::account();
        let started = Instant::now();
        work.reading = work.prepared.reading(work.asked.step_ms).await?;
        let work = &*work;
        // What may still change is to come.
        let now_ms = self.clock.now_ms().saturating_sub(work.settle_ms());
        self.refuse_too_long(work, now_ms).await?;
        let mut wanted = (work.first_ms(work.visible.from_ms), work.end_ms(now_ms, 0));
        let (mut points_fetched, mut decode_time) = (0, Duration::ZERO);
        let (read, lines, parts, _held) = loop {
            let read = self.read(work, wanted, now_ms).await?;
            points_fetched += read.fetched;
            decode_time += read.decode_time;
            let points: usize = read.series.iter().map(Series::len).sum();
            let held =
                account.take(points.saturating_mul(LINE_BYTES), "the series with what is known of them")?;
            let lines = self.lines(work, &read).await?;
            let parts = work.parts(&lines, work.visible)?;
            // Where points are further apart than was asked for, more of the past is needed, and whether the last ones
            // are missing shows later.
            let first_ms = parts.iter().map(Part::first_ms).min().map_or(wanted.0, |first| work.align(first));
            let end_ms = work.end_ms(now_ms, work.look_ahead_ms(&parts, &lines, now_ms));
            if first_ms >= wanted.0 && end_ms <= wanted.1 {
                break (read, lines, parts, held);
            }
            wanted = (first_ms.min(wanted.0), end_ms.max(wanted.1));
        };
        let fetch_time = started.elapsed();

        let started = Instant::now();
        let points_in = lines.iter().map(|line| line.series.len()).sum();
        let fingerprint = work.fingerprint(&parts, &lines);
        let training =
            parts.last().map_or(work.asked.settle(&*work.detector, None), |part| part.settled).training;
        let mut notices = read.notices.clone();
        notices.extend(unknown_options_notice(
            work.prepared.unknown_options().iter().chain(&work.unknown_options),
        ));
        notices.extend(work.reading_notices());
        notices.extend(nothing_notice(&lines));
        notices.extend(work.counter_notice(&parts, &lines));
        let lines = Arc::new(lines);
        let panels: Vec<Arc<Panel>> = parts
            .into_iter()
            .map(|part| {
                Arc::new(Panel {
                    lines: Arc::clone(&lines),
                    visible: work.visible,
                    now_ms,
                    forecast_to_ms: work.forecast_to_ms(&part, now_ms),
                    detector: Arc::clone(&work.detector),
                    settings: work.settings_of(&part.settled),
                    keep: part.settled.training != Training::VisibleRange,
                    part,
                })
            })
            .collect();
        let judged = judge::judge(&panels, &self.cache, &self.workers).await?;
        notices.extend(shortage_notices(&judged));
        notices.extend(unlike_notice(&judged));
        let detections: Vec<Detection> = judged.into_iter().map(|verdicts| verdicts.detection).collect();
        // All else is given back now.
        let held = account.another();
        let groups = together::groups(&detections, &*work.detector);
        let shown = detections.iter().chain(groups.iter().map(|group| &group.detection));
        held.add(shown.map(Detection::bytes).sum(), "the verdicts")?;
        Ok(Outcome {
            detections,
            groups,
            source: work.source,
            detector: work.detector.kind(),
            seed: work.detector.seed(),
            step_ms: work.asked.step_ms,
            training,
            executed: read.executed.clone(),
            notices,
            fingerprint,
            points_in,
            points_fetched,
            fetch_time,
            decode_time,
            detect_time: started.elapsed(),
            held,
        })
    }

    /// Refuses a range that has too many blocks before it is read, as far as its newest points tell.
    async fn refuse_too_long(&self, work: &Work, now_ms: i64) -> Result<()> {
        let is_refused = |settled: Settled| plan(work.visible, settled.training, settled.reach);
        if is_refused(work.asked.settle(&*work.detector, None)).is_ok() {
            return Ok(());
        }
        let to_ms = work.visible.to_ms;
        let newest = TimeRange { from_ms: to_ms, to_ms };
        let read = self.read(work, (work.first_ms(to_ms), work.end_ms(now_ms, 0)), now_ms).await?;
        let lines = self.lines(work, &read).await?;
        for part in work.parts(&lines, newest)? {
            is_refused(part.settled)?;
        }
        Ok(())
    }

    /// Reads what the query needs from the first instant `wanted` up to the second; once for all that ask for it at the same
    /// time.
    async fn read(&self, work: &Work, wanted: (i64, i64), now_ms: i64) -> Result<Arc<Read>> {
        let (from_ms, to_ms) = wanted;
        let ask = Ask {
            key: work.history,
            prepared: Arc::clone(&work.prepared),
            from_ms,
            to_ms,
            step_ms: work.asked.step_ms,
            now_ms: now_ms.saturating_add(work.settle_ms()),
            whole: work.reading.whole.clone(),
        };
        let cache = Arc::clone(&self.cache);
        // Others may use it for longer than who began it.
        let account = budget::account().another();
        let start = move || {
            let on_account = account.clone();
            budget::for_query(account, async move {
                history::read(&cache, &ask).await.map(|read| (Arc::new(read), on_account))
            })
        };
        let (read, account) = self.reads.join((work.history, from_ms, to_ms), start).await?;
        budget::account().keep(account);
        Ok(read)
    }

    async fn lines(&self, work: &Work, read: &Arc<Read>) -> Result<Vec<Line>> {
        let (read, transform) = (Arc::clone(read), work.transform);
        self.workers
            .run(move |_| {
                let line = |series: &Series| Line::new(series.clone(), transform, read.step_ms);
                Ok(read.series.iter().map(line).collect())
            })
            .await
    }
}

/// A query that was understood.
struct Work {
    prepared: Arc<dyn PreparedQuery>,
    detector: Arc<dyn AnyDetector>,
    unknown_options: Vec<String>,
    source: &'static str,
    asked: Asked,
    visible: TimeRange,
    transform: Transform,
    /// How the upstream is asked; known once it was looked at.
    reading: Reading,
    /// For how long, ms, the newest points are left out, as far as the user says.
    own_settle_ms: i64,
    /// Names data source, source options and step.
    history: Key,
    /// Names all that verdicts depend on besides the points and what is settled by them.
    settings: Key,
    /// What of that is the same on every replica.
    described: String,
}

impl Work {
    fn new(job: &Job, own_source: &Arc<dyn AnySource>, scope: Scope) -> Result<Self> {
        let query = &job.query;
        let source = source::select(own_source, &query.source)?;
        let source_kind = source.kind();
        let prepared: Arc<dyn PreparedQuery> = Arc::from(source.prepare(&query.source)?);
        let Built { detector, unknown_options } = detector::build(&query.detector, query.direction)?;
        let asked = Asked::of(query, prepared.default_step_ms(), job.visible, job.max_data_points);
        let options = |kind: &crate::query::Kind| serde_json::to_string(kind.options()).unwrap_or_default();
        let history = format!("{source_kind} {} {}", options(&query.source), asked.step_ms);
        let described = format!(
            "{} {history} {} {} {:?} {:?} {:?}",
            env!("CARGO_PKG_VERSION"),
            detector.kind(),
            options(&query.detector),
            query.direction,
            asked,
            query.transform,
        );
        let named = |what: &str| -> Key {
            let mut name = Sha256::new();
            name.update(scope.0);
            name.update(what);
            name.finalize().into()
        };
        Ok(Self {
            prepared,
            detector: Arc::from(detector),
            unknown_options,
            source: source_kind,
            asked,
            visible: job.visible,
            transform: query.transform,
            reading: Reading::default(),
            own_settle_ms: query.settle_ms.unwrap_or(0),
            history: named(&history),
            settings: named(&described),
            described,
        })
    }

    /// Cuts `range` into parts whose blocks are settled in the same way.
    fn parts(&self, lines: &[Line], range: TimeRange) -> Result<Vec<Part>> {
        self.asked.parts(&*self.detector, lines, range)
    }

    /// Names all that the verdicts on a part depend on besides the points.
    fn settings_of(&self, settled: &Settled) -> Key {
        let mut key = Sha256::new();
        key.update(self.settings);
        key.update(format!("{settled:?}"));
        key.finalize().into()
    }

    /// Names the query with its range.
    fn key(&self) -> Key {
        let mut key = Sha256::new();
        key.update(self.settings);
        key.update(self.visible.from_ms.to_le_bytes());
        key.update(self.visible.to_ms.to_le_bytes());
        key.update(self.own_settle_ms.to_le_bytes());
        key.finalize().into()
    }

    /// First instant whose points are needed for a range that begins at `from_ms`, as far as that is known without any.
    fn first_ms(&self, from_ms: i64) -> i64 {
        self.align(self.asked.first_ms(&*self.detector, from_ms).min(from_ms))
    }

    /// The last whole step that does not begin after `ms`.
    fn align(&self, ms: i64) -> i64 {
        history::floor(ms, self.asked.step_ms)
    }

    /// The instant after the last whose points are needed, if those `look_ahead_ms` after the visible range are. At
    /// least a step of them is, and whole steps, but nothing of the future that is not asked for.
    fn end_ms(&self, now_ms: i64, look_ahead_ms: i64) -> i64 {
        let step_ms = self.asked.step_ms;
        let end = self.visible.to_ms.saturating_add(look_ahead_ms.max(step_ms));
        let whole = self.align(end).saturating_add(step_ms);
        let last = if self.settle_ms() > 0 { now_ms } else { self.visible.to_ms.max(now_ms) };
        whole.min(last.saturating_add(1))
    }

    /// For how long, ms, the newest points are left out.
    fn settle_ms(&self) -> i64 {
        self.own_settle_ms.max(self.reading.settle_ms)
    }

    /// What the way in which the upstream is asked means for the user.
    fn reading_notices(&self) -> Vec<String> {
        let whole = self.reading.whole.as_ref().map(|why| {
            format!(
                "the query holds {why}: its points depend on the time range that is asked for. All of it is asked for at \
                 every refresh, training included, and in another time range the same point may have another value and \
                 another verdict"
            )
        });
        let of_source = (self.reading.settle_ms > self.own_settle_ms).then(|| {
            format!(
                "the newest {} are left out, because {}",
                DurationMs::from_millis(self.reading.settle_ms),
                self.reading.settle_why
            )
        });
        whole.into_iter().chain(of_source).collect()
    }

    /// The instant before which a range that ends in the future is forecast. Rounded up to a whole block, so that it
    /// stays the same while the range moves on.
    fn forecast_to_ms(&self, part: &Part, now_ms: i64) -> Option<i64> {
        let to_ms = self.visible.to_ms;
        let wanted = self.detector.forecasts()
            && to_ms > now_ms
            && !self.detector.across_series()
            && part.run.is_none();
        wanted.then(|| match part.settled.training {
            Training::VisibleRange => to_ms.saturating_add(1),
            Training::Window { refit_ms, .. } => history::floor(to_ms, refit_ms).saturating_add(refit_ms),
        })
    }

    /// How far beyond the visible range a point may lie that shows whether one within is missing.
    fn look_ahead_ms(&self, parts: &[Part], lines: &[Line], now_ms: i64) -> i64 {
        let of_part = |part: &Part| {
            let last = part.blocks.last().copied();
            let last = match &part.run {
                Some(run) => last.and_then(|last| run.cells(last.judge_from).next()),
                None => last,
            };
            let step_ms = |line: &Line| line.step_ms(&last?, now_ms);
            part.lines(lines).filter_map(step_ms).max()
        };
        let newest = parts.iter().filter(|part| part.range.to_ms == self.visible.to_ms);
        newest.filter_map(of_part).max().unwrap_or(0)
    }

    /// Names the settings and the training data: once for all blocks of a part, as their windows overlap.
    fn fingerprint(&self, parts: &[Part], lines: &[Line]) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.described);
        for part in parts {
            let Some(last) = part.blocks.last() else { continue };
            let from_ms = part.run.map_or(part.blocks[0].train_from, |run| run.first_ms());
            hash.update(format!("{:?}", part.settled));
            hash.update(from_ms.to_le_bytes());
            hash.update(last.train_to.to_le_bytes());
            for line in part.lines(lines) {
                hash.update(line.digest(from_ms, last.train_to).to_le_bytes());
            }
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// One notice for all series that were probably meant as rates.
    fn counter_notice(&self, parts: &[Part], lines: &[Line]) -> Option<String> {
        if self.transform != Transform::None {
            return None;
        }
        let of_part = |part: &'_ Part| -> Vec<usize> {
            let Some(last) = part.blocks.last() else { return Vec::new() };
            let is_counter = |line: &Line| {
                let training = line.series.index_range(last.train_from, last.train_to);
                looks_like_counter(&line.series.values[training])
            };
            (0..lines.len())
                .filter(|line| !part.shown[*line].is_empty() && is_counter(&lines[*line]))
                .collect()
        };
        let newest = parts.iter().filter(|part| part.range.to_ms == self.visible.to_ms);
        let counters: BTreeSet<usize> = newest.flat_map(of_part).collect();
        let first = &lines[*counters.first()?];
        let (name, others) = (&first.series.name, and_more(counters.len() - 1));
        Some(format!(
            "series \"{name}\"{others} looks like a counter, which only rises: set transform to rate to see how fast, and to judge that \
             with detectors other than auto"
        ))
    }
}

fn and_more(others: usize) -> String {
    match others {
        0 => String::new(),
        more => format!(" (and {more} more series)"),
    }
}

fn unknown_options_notice<'a>(unknown: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = unknown.map(String::as_str).collect();
    (!names.is_empty()).then(|| {
        format!("unknown options are ignored: {}; correct their spelling or remove them", list_names(names))
    })
}

/// What to say of no series at all, which upstreams answer to names that do not exist as well as to quiet times.
fn nothing_notice(lines: &[Line]) -> Option<String> {
    lines.is_empty().then(|| {
        "the upstream has no points for this query in this time; if there should be some, check the names and filters in it"
            .to_owned()
    })
}

/// One notice for all series that could not be judged throughout, and one for those in which nothing could be flagged.
fn shortage_notices(judged: &[Verdicts]) -> impl Iterator<Item = String> {
    let notice = |why: fn(&Verdicts) -> Option<&String>, what: &str| {
        let mut short = judged.iter().filter_map(|verdicts| Some((verdicts, why(verdicts)?)));
        let (first, why) = short.next()?;
        let (name, others) = (&first.detection.series.name, and_more(short.count()));
        Some(format!(
            "part of series \"{name}\"{others} is {what}: {why}; lengthen trainingWindow or wait for more data"
        ))
    };
    let unjudged = notice(|verdicts| verdicts.shortage.as_ref(), "not judged");
    let unflagged = notice(|verdicts| verdicts.unflagged.as_ref(), "scored but not yet flagged");
    unjudged.into_iter().chain(unflagged)
}

/// How much higher than the usual series score that of a series is that is named for it.
const NAMED_ABOVE: f64 = 1.5;

/// Names the series with the highest series score, if it is well above the middle one and points of it are flagged.
fn unlike_notice(judged: &[Verdicts]) -> Option<String> {
    let mut scored: Vec<(f64, &Detection)> = judged
        .iter()
        .filter_map(|verdicts| Some((verdicts.detection.series_score()?, &verdicts.detection)))
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let ((score, most), others) = scored.split_first()?;
    let (next, _) = others.first()?;
    let (middle, _) = scored[scored.len() / 2];
    (*score >= NAMED_ABOVE * middle && !most.reasons.is_empty()).then(|| {
        format!(
            "series \"{}\" is most unlike its group: its series score is {score:.2}, the next {next:.2}; set output to \
             series for a table of all",
            most.series.name
        )
    })
}

#[cfg(test)]
mod slices;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Direction;
    use crate::series::Points;
    use crate::settings::Settings;
    use crate::source::FetchRequest;

    pub(super) const HOUR: i64 = 3_600_000;
    pub(super) const DAY: i64 = 24 * HOUR;
    const T0: i64 = 1_750_000_000_000;

    pub(super) fn job(json: &str, from_ms: i64, to_ms: i64) -> Job {
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

    #[tokio::test]
    async fn a_judged_point_never_trains_its_own_model() {
        // A window that ends a whole block before: the values of the block itself must not matter.
        let json = r#"{"source":{"series":["median"]},"detector":{"kind":"isolation-forest"}}"#;
        let outcome = detect(json, T0, T0 + HOUR).await;
        let first = T0.div_euclid(DAY) * DAY;
        let request = FetchRequest {
            range: TimeRange { from_ms: first - 7 * DAY, to_ms: first - 1 },
            step_ms: 900_000,
        };
        let source = source::connect(&Settings::default()).unwrap();
        let query = Query::parse(json.as_bytes()).unwrap();
        let prepared = source.prepare(&query.source).unwrap();
        let training = prepared.fetch(&request).await.unwrap().series.remove(0);
        let detector = detector::build(&query.detector, Direction::Both).unwrap().detector;
        let shown = &outcome.detections[0];
        let judgement = detector.judge(
            Points { times: &training.times, values: &training.values },
            Points { times: &shown.series.times, values: &shown.series.values },
        );
        assert_eq!(judgement.scores, shown.scores);
    }

    fn bounded(bytes: usize) -> Engine {
        Engine::new(Workers::default(), 0, Clock::system())
            .bounded(Memory::of(bytes), Duration::from_secs(60))
    }

    #[tokio::test]
    async fn what_a_query_takes_is_given_back_with_its_answer() {
        let source = source::connect(&Settings::default()).unwrap();
        let engine = bounded(64 << 20);
        let outcome = engine.run(job("{}", T0, T0 + DAY), &source, Scope::default()).await.unwrap();
        let (held, most) = (engine.memory().used(), engine.memory().most_used());
        assert!(held > 0 && held < most, "{held} of {most} bytes are held with the answer");
        drop(outcome);
        assert_eq!(engine.memory().used(), 0);
    }

    #[tokio::test]
    async fn what_never_fits_is_refused_with_what_to_change() {
        let source = source::connect(&Settings::default()).unwrap();
        let engine = bounded(1 << 20);
        let forest = r#"{"detector":{"kind":"isolation-forest","nTrees":1000}}"#;
        let error = engine.run(job(forest, T0, T0 + DAY), &source, Scope::default()).await.unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(
            error.to_string().contains("the model of a block") && error.to_string().contains("memory_mib"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_others_take_is_waited_for() {
        let source = source::connect(&Settings::default()).unwrap();
        let engine = bounded(64 << 20);
        let other = engine.memory().account().take(63 << 20, "all there is").unwrap();
        let asked = engine.run(job("{}", T0, T0 + DAY), &source, Scope::default());
        tokio::pin!(asked);
        // Until it has found no room, and waits.
        for _ in 0..1_000 {
            assert!(futures_util::poll!(&mut asked).is_pending());
            tokio::task::yield_now().await;
        }
        drop(other);
        asked.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_ended() {
        let error = bounded(1 << 20).within_bounds::<()>(std::future::pending()).await.unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(error.to_string().contains("60 s") && error.to_string().contains("query_secs"), "{error}");
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
        assert_ne!(a, detect(r#"{"detector":{"sensitivity":0.6}}"#, T0, T0 + HOUR).await.fingerprint);
        assert_ne!(a, detect(r#"{"source":{"seed":1}}"#, T0, T0 + HOUR).await.fingerprint);
    }

    /// Nothing beyond is computed, of which nobody would ever see anything.
    #[test]
    fn what_is_forecast_ends_with_the_block_in_which_the_range_ends() {
        let source = source::connect(&Settings::default()).unwrap();
        let forecast_to = |json: &str, to_ms| {
            let work = Work::new(&job(json, T0 - DAY, to_ms), &source, Scope::default()).unwrap();
            let (series, _) =
                Series::from_points("s".into(), crate::series::Labels::new(), vec![(T0 - DAY, 1.0)]);
            let lines = [Line::new(series, Transform::None, None)];
            let parts = work.parts(&lines, work.visible).unwrap();
            work.forecast_to_ms(parts.last().unwrap(), T0)
        };
        let seasonal = r#"{"detector":{"kind":"seasonal"},"refitInterval":"6h"}"#;
        let begin = T0.div_euclid(6 * HOUR) * 6 * HOUR;
        for (to_ms, expected) in [
            (T0, None),
            (begin + 6 * HOUR - 1, Some(begin + 6 * HOUR)),
            (begin + 6 * HOUR, Some(begin + 12 * HOUR)),
            (begin + 31 * HOUR, Some(begin + 36 * HOUR)),
        ] {
            assert_eq!(forecast_to(seasonal, to_ms), expected, "{}", to_ms - T0);
        }
        let visible = r#"{"detector":{"kind":"seasonal"},"training":"visible-range"}"#;
        assert_eq!(forecast_to(visible, T0 + HOUR), Some(T0 + HOUR + 1));
        assert_eq!(forecast_to("{}", T0 + HOUR), None);
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
        let json = r#"{"trainingWindow":"2h","refitInterval":"1h"}"#;
        let outcome = detect(json, T0, T0 + DAY).await;
        assert!(outcome.notices[0].contains("24 of the 40 training points"), "{:?}", outcome.notices);
        assert!(outcome.detections[0].verdicts.iter().all(|verdict| !verdict.is_outlier()));
    }

    #[tokio::test]
    async fn a_window_that_suffices_for_scores_but_not_for_flags_gives_a_notice() {
        let notices = async |window: &str| {
            let json = format!(r#"{{"trainingWindow":"{window}","refitInterval":"1h"}}"#);
            detect(&json, T0, T0 + DAY).await.notices.join("; ")
        };
        let (short, long) = (notices("6h").await, notices("13h").await);
        let told = "scored but not yet flagged: 72 of the 150 training points that flags need are available";
        assert!(short.contains(told) && short.contains("lengthen trainingWindow"), "{short}");
        assert_eq!(long, "");
    }
}
