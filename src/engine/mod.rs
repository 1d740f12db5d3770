//! From a query to verdicts: plan the blocks, read what is not known yet, judge each block by the window before it.
//!
//! Time is cut into blocks aligned to the epoch. The points of a block are judged by a model of the training window
//! that ends where the block begins, so a point's verdict depends on the data and the query alone: not on the visible
//! range, the panel's width, or the time of asking. Input is a [`Job`], output an [`Outcome`].
//!
//! That makes work worth keeping. An [`Engine`] remembers what upstreams answered (`history`, `read`) and the verdicts on
//! blocks (`judge`, `judged`) within a bound of bytes (`cache`), does at once asked things once (`flights`), and shares its threads among
//! queries block by block (`workers`).

mod cache;
mod clock;
mod digest;
mod flights;
mod grid;
mod history;
mod judge;
mod judged;
mod notices;
mod outcome;
mod plan;
mod read;
mod rules;
mod settle;
mod together;
mod work;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::budget::{self, Account, Memory};
use crate::detector::{self, AnyDetector, Built};
use crate::error::{Category, Error, Result};
use crate::query::{Query, Rules, Training};
use crate::series::{Series, TimeRange};
use crate::source::AnySource;

use cache::{Cache, Key};
use flights::Flights;
use grid::Line;
use judge::{Panel, Verdicts};
use plan::plan;
use read::{Ask, Read};
use settle::{Asked, Part, Settled};
use work::Work;

pub use cache::CacheStats;
pub use clock::Clock;
pub use outcome::{Detection, Outcome};
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
/// [`Category::Query`] if the detector cannot be built.
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
    let (read, judged_range, parts) = loop {
        let read = lines(first_ms);
        let judged_range = rules::judged_range(&query.rules, query.training, &read, visible);
        let parts = asked.parts(&*detector, &read, judged_range)?;
        let needed_ms = parts.iter().map(Part::first_ms).min().unwrap_or(first_ms);
        if needed_ms >= first_ms {
            break (read, judged_range, parts);
        }
        first_ms = needed_ms;
    };
    let lines = Arc::new(read);
    let panels: Vec<Arc<Panel>> = parts
        .into_iter()
        .map(|part| {
            Arc::new(Panel {
                lines: Arc::clone(&lines),
                part,
                visible: judged_range,
                now_ms: i64::MIN,
                forecast_to_ms: None,
                detector: Arc::clone(&detector),
                settings: Key::default(),
                keep: false,
            })
        })
        .collect();
    let judged = judge::judge_all(&panels)?;
    let notices = notices::shortage_notices(&judged).collect();
    Ok((by_rules(&query.rules, judged, visible), notices))
}

/// What the rules leave of the verdicts on the visible range; of a series without points there nothing.
fn by_rules(rules: &Rules, judged: Vec<Verdicts>, visible: TimeRange) -> Vec<Detection> {
    let apply = |Verdicts { mut detection, .. }| {
        budget::checkpoint();
        rules::apply(rules, &mut detection, visible);
        detection
    };
    let shows = |detection: &Detection| !detection.series.is_empty() || !detection.forecast.is_empty();
    judged.into_iter().map(apply).filter(shows).collect()
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
        let (read, lines, (judged_range, parts), _held) = loop {
            let read = self.read(work, wanted, now_ms).await?;
            points_fetched += read.fetched;
            decode_time += read.decode_time;
            let points: usize = read.series.iter().map(Series::len).sum();
            let held =
                account.take(points.saturating_mul(LINE_BYTES), "the series with what is known of them")?;
            let lines = self.lines(work, &read).await?;
            let range = rules::judged_range(&work.rules, work.training, &lines, work.visible);
            let parts = work.parts(&lines, range)?;
            // Where points are further apart than was asked for, more of the past is needed, and whether the last ones
            // are missing shows later.
            let first_ms = parts.iter().map(Part::first_ms).min().map_or(wanted.0, |first| work.align(first));
            let end_ms = work.end_ms(now_ms, work.look_ahead_ms(&parts, &lines, now_ms));
            if first_ms >= wanted.0 && end_ms <= wanted.1 {
                break (read, lines, (range, parts), held);
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
        notices.extend(notices::unknown_options_notice(work.unknown_options()));
        notices.extend(notices::reading_notices(work));
        notices.extend(notices::nothing_notice(&lines));
        notices.extend(notices::counter_notice(work, &parts, &lines));
        let lines = Arc::new(lines);
        let panels: Vec<Arc<Panel>> = parts
            .into_iter()
            .map(|part| {
                Arc::new(Panel {
                    lines: Arc::clone(&lines),
                    visible: judged_range,
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
        notices.extend(notices::shortage_notices(&judged));
        notices.extend(notices::unlike_notice(&judged));
        let (rules, visible, detector) = (work.rules.clone(), work.visible, Arc::clone(&work.detector));
        let put_together = move |_: &_| {
            let detections = by_rules(&rules, judged, visible);
            let groups = together::groups(&detections, &*detector);
            Ok((detections, groups))
        };
        let (detections, groups) = self.workers.run(put_together).await?;
        // All else is given back now.
        let held = account.another();
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
                read::read(&cache, &ask).await.map(|read| (Arc::new(read), on_account))
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

#[cfg(test)]
mod constants;
#[cfg(test)]
mod slices;
#[cfg(test)]
mod tests;
