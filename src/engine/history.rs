//! What an upstream answered, kept, so that asking again costs it only the newest points.
//!
//! A history belongs to one (data source, source options, step) and is a list of chunks: a range of time, read at one
//! instant, with the points of all series in it. A query is answered from the chunks that cover its range, and the
//! upstream is asked for the ranges between and after them, with ends on multiples of the step.
//!
//! Late data. Points arrive late, and the newest ones of an upstream that aggregates still change. So
//! - what is newer than [`recent_ms`] is never kept: every query reads it anew;
//! - what is older is kept for [`MAX_AGE_MS`] and then read anew, which is how a point that came hours late, or was
//!   corrected, or deleted, is seen at last. Blocks whose data is still the same need no judging then.
//!
//! An answer may so lack, for up to an hour, a point that came more than five minutes late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::cache::{Cache, Key};
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series, TimeRange};
use crate::source::{FetchRequest, Fetched, PreparedQuery};

/// What is older than this, and than two steps, is taken to have arrived.
const SETTLED_MS: i64 = 5 * 60_000;
/// How long a settled point is served before it is read anew.
const MAX_AGE_MS: i64 = 60 * 60_000;
/// Chunks that follow each other are joined up to this many steps, so that a refresh every few seconds does not leave
/// one chunk each.
const CHUNK_STEPS: i64 = 512;
/// Chunks read within this time of each other may be joined; the older reading counts.
const JOIN_MS: i64 = 10 * 60_000;
/// Where more ranges than this are missing, all from the first to the last is asked for; and so many requests of one
/// query are under way at the same time.
const MAX_REQUESTS: usize = 4;

/// The most requests of one query, each of which has some thousand steps where upstreams limit them.
const MAX_SLICES: i64 = 500;
/// The most steps that one query may ask for. Of a series with a value in each, these are 800 MB.
const MAX_STEPS: i64 = 50_000_000;

/// How far back from now points are read anew by every query: five minutes or two steps, whichever is longer.
pub(super) fn recent_ms(step_ms: i64) -> i64 {
    SETTLED_MS.max(step_ms.saturating_mul(2))
}

/// The series of a half-open range of time.
#[derive(Debug)]
struct Chunk {
    from_ms: i64,
    to_ms: i64,
    read_at_ms: i64,
    series: Vec<Series>,
    notices: BTreeSet<String>,
}

/// Chunks in order, none overlapping another.
#[derive(Debug, Default)]
pub(super) struct History {
    chunks: Vec<Arc<Chunk>>,
    /// Distance between points, where the upstream said.
    step_ms: Option<i64>,
    /// What the upstream was last asked.
    executed: String,
}

/// A range to be read.
#[derive(Debug)]
pub(super) struct Ask {
    /// Names data source, source options and step.
    pub(super) key: Key,
    pub(super) prepared: Arc<dyn PreparedQuery>,
    /// First instant.
    pub(super) from_ms: i64,
    /// The instant after the last.
    pub(super) to_ms: i64,
    pub(super) step_ms: i64,
    pub(super) now_ms: i64,
    /// What makes points depend on the range asked for, so that all of it is asked for in one request.
    pub(super) whole: Option<String>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// Every series that has points in the range, cut to it; ordered by labels, then name.
    pub(super) series: Vec<Series>,
    /// Distance between points, where the upstream said.
    pub(super) step_ms: Option<i64>,
    /// What the upstream was asked, or would have been.
    pub(super) executed: String,
    pub(super) notices: Vec<String>,
    /// Points the upstream sent this time.
    pub(super) fetched: usize,
    /// How long decoding them took, all answers together.
    pub(super) decode_time: Duration,
}

/// Reads a range from the cache and, what is not there, from the upstream.
///
/// # Errors
/// Those of [`PreparedQuery::fetch`].
pub(super) async fn read(cache: &Cache, ask: &Ask) -> Result<Read> {
    let kept = ask.prepared.worth_keeping() && ask.whole.is_none();
    let known = if kept { cache.history(&ask.key) } else { None };
    let mut chunks = known.as_ref().map(|history| history.fresh(ask.now_ms)).unwrap_or_default();
    let missing = gaps(&chunks, ask.from_ms, ask.to_ms);
    if kept {
        let only_the_end = missing.iter().all(|gap| gap.from_ms > ask.from_ms && gap.to_ms == ask.to_ms);
        cache.count_history(only_the_end);
    }
    let mut step_ms = known.as_ref().and_then(|history| history.step_ms);
    let mut executed = BTreeSet::new();
    let (mut fetched, mut decode_time) = (0, Duration::ZERO);
    let mut asked = Vec::new();
    for (gap, answer) in fetch(ask, &missing).await? {
        decode_time += answer.decode_time;
        fetched += answer.series.iter().map(Series::len).sum::<usize>();
        step_ms = answer.step_ms;
        let chunk = Chunk::of(gap, ask.now_ms, answer.series, answer.notices);
        executed.insert(answer.executed);
        chunks = with(&chunks, chunk);
        asked.push(gap);
    }
    let executed = if missing.is_empty() {
        let last = known.as_ref().map_or("", |history| &history.executed);
        format!("answered from the cache; last asked: {last}")
    } else {
        Vec::from_iter(executed).join("; ")
    };
    if kept && !missing.is_empty() {
        let settled_ms = floor(ask.now_ms.saturating_sub(recent_ms(ask.step_ms)), ask.step_ms);
        let settled: Vec<Chunk> = asked
            .iter()
            .filter_map(|gap| {
                let to_ms = floor(gap.to_ms, ask.step_ms).min(settled_ms);
                let chunk =
                    chunks.iter().find(|chunk| chunk.from_ms <= gap.from_ms && gap.to_ms <= chunk.to_ms)?;
                (gap.from_ms < to_ms).then(|| chunk.cut(gap.from_ms, to_ms))
            })
            .collect();
        let executed = executed.clone();
        cache.change_history(ask.key, |history| {
            let mut chunks = history.map(|history| history.fresh(ask.now_ms)).unwrap_or_default();
            for chunk in settled {
                chunks = with(&chunks, chunk);
            }
            History { chunks: joined(chunks, ask.step_ms), step_ms, executed }
        });
    }
    let notices: BTreeSet<String> = chunks
        .iter()
        .filter(|chunk| chunk.from_ms < ask.to_ms && ask.from_ms < chunk.to_ms)
        .flat_map(|chunk| chunk.notices.iter().cloned())
        .collect();
    let series = assemble(&chunks, ask.from_ms, ask.to_ms);
    Ok(Read { series, step_ms, executed, notices: notices.into_iter().collect(), fetched, decode_time })
}

/// A half-open range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from_ms: i64,
    to_ms: i64,
}

async fn fetch(ask: &Ask, missing: &[Gap]) -> Result<Vec<(Gap, Fetched)>> {
    let slice_ms = ask.prepared.slice_ms(ask.step_ms);
    check_size(missing, slice_ms, ask.step_ms)?;
    if let (Some(why), Some(gap), Some(slice_ms)) = (&ask.whole, missing.first(), slice_ms) {
        check_whole(why, *gap, slice_ms, ask.step_ms)?;
    }
    let slices: Vec<Gap> = missing.iter().flat_map(|gap| slices(*gap, slice_ms, ask.step_ms)).collect();
    let fetches = slices.into_iter().map(async |gap| {
        let range = TimeRange { from_ms: gap.from_ms, to_ms: gap.to_ms.saturating_sub(1) };
        let fetched = ask.prepared.fetch(&FetchRequest { range, step_ms: ask.step_ms }).await?;
        Ok((gap, fetched))
    });
    stream::iter(fetches).buffered(MAX_REQUESTS).try_collect().await
}

/// Refuses, before anything is asked, what would be too many points or requests.
///
/// # Errors
/// [`Category::Limit`].
fn check_size(missing: &[Gap], slice_ms: Option<i64>, step_ms: i64) -> Result<()> {
    let count = |of: &dyn Fn(&Gap) -> i64| missing.iter().fold(0_i64, |sum, gap| sum.saturating_add(of(gap)));
    let parts = |gap: &Gap, length: i64| (gap.to_ms.saturating_sub(gap.from_ms) / length).saturating_add(1);
    let steps = count(&|gap| parts(gap, step_ms.max(1)));
    let requests = count(&|gap| parts(gap, slice_length(slice_ms, step_ms)));
    let refused = |what: &str, number: i64, most: i64| {
        Err(Error::new(Category::Limit, format!("the query needs {number} {what}, more than {most}"))
            .hint("choose a longer step, a shorter trainingWindow or a shorter time range"))
    };
    if steps > MAX_STEPS {
        refused("steps of every series, with what the detector learns from", steps, MAX_STEPS)
    } else if requests > MAX_SLICES {
        refused("requests to the upstream", requests, MAX_SLICES)
    } else {
        Ok(())
    }
}

/// Refuses what must be asked for in one request, and is too long for one.
///
/// # Errors
/// [`Category::Limit`].
fn check_whole(why: &str, gap: Gap, slice_ms: i64, step_ms: i64) -> Result<()> {
    if gap.to_ms.saturating_sub(gap.from_ms) <= slice_length(Some(slice_ms), step_ms) {
        return Ok(());
    }
    let steps = |length_ms: i64| length_ms / step_ms.max(1);
    Err(Error::new(
        Category::Limit,
        format!(
            "the query holds {why}, so all of the range must be asked for in one request, and that is {} steps with what \
             the detector learns from, more than {}",
            steps(gap.to_ms.saturating_sub(gap.from_ms)),
            steps(slice_ms)
        ),
    )
    .hint("choose a longer step, a shorter trainingWindow, or a query whose points do not depend on the range"))
}

fn slice_length(slice_ms: Option<i64>, step_ms: i64) -> i64 {
    let step_ms = step_ms.max(1);
    slice_ms.map_or(i64::MAX, |slice_ms| floor(slice_ms, step_ms).max(step_ms))
}

/// `gap` in parts of at most `slice_ms`, all but the last a whole number of steps; each made when it is asked for.
fn slices(gap: Gap, slice_ms: Option<i64>, step_ms: i64) -> impl Iterator<Item = Gap> {
    let length = slice_length(slice_ms, step_ms);
    let slice = move |from_ms: i64| Gap { from_ms, to_ms: from_ms.saturating_add(length).min(gap.to_ms) };
    let first = (gap.from_ms < gap.to_ms).then(|| slice(gap.from_ms));
    std::iter::successors(first, move |before| (before.to_ms < gap.to_ms).then(|| slice(before.to_ms)))
}

/// The parts of a range that no chunk covers; at most [`MAX_REQUESTS`].
fn gaps(chunks: &[Arc<Chunk>], from_ms: i64, to_ms: i64) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut at = from_ms;
    for chunk in chunks {
        if chunk.from_ms >= to_ms {
            break;
        }
        if chunk.from_ms > at {
            gaps.push(Gap { from_ms: at, to_ms: chunk.from_ms });
        }
        at = at.max(chunk.to_ms);
    }
    if at < to_ms {
        gaps.push(Gap { from_ms: at, to_ms });
    }
    match (gaps.first(), gaps.last()) {
        (Some(first), Some(last)) if gaps.len() > MAX_REQUESTS => {
            vec![Gap { from_ms: first.from_ms, to_ms: last.to_ms }]
        }
        _ => gaps,
    }
}

/// `chunks` and the new one, which takes the place of what they knew of its range.
fn with(chunks: &[Arc<Chunk>], new: Chunk) -> Vec<Arc<Chunk>> {
    let mut all = Vec::with_capacity(chunks.len() + 2);
    for chunk in chunks {
        if chunk.to_ms <= new.from_ms || new.to_ms <= chunk.from_ms {
            all.push(Arc::clone(chunk));
            continue;
        }
        if chunk.from_ms < new.from_ms {
            all.push(Arc::new(chunk.cut(chunk.from_ms, new.from_ms)));
        }
        if new.to_ms < chunk.to_ms {
            all.push(Arc::new(chunk.cut(new.to_ms, chunk.to_ms)));
        }
    }
    all.push(Arc::new(new));
    all.sort_unstable_by_key(|chunk| chunk.from_ms);
    all
}

/// Joins small chunks that follow each other and were read at about the same time.
fn joined(chunks: Vec<Arc<Chunk>>, step_ms: i64) -> Vec<Arc<Chunk>> {
    let longest = step_ms.saturating_mul(CHUNK_STEPS);
    let mut all: Vec<Arc<Chunk>> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match all.last_mut() {
            Some(last)
                if last.to_ms == chunk.from_ms
                    && chunk.to_ms.saturating_sub(last.from_ms) <= longest
                    && last.read_at_ms.abs_diff(chunk.read_at_ms) <= JOIN_MS.unsigned_abs() =>
            {
                let both = [Arc::clone(last), Arc::clone(&chunk)];
                *last = Arc::new(Chunk {
                    from_ms: last.from_ms,
                    to_ms: chunk.to_ms,
                    read_at_ms: last.read_at_ms.min(chunk.read_at_ms),
                    series: assemble(&both, last.from_ms, chunk.to_ms),
                    notices: last.notices.union(&chunk.notices).cloned().collect(),
                });
            }
            _ => all.push(chunk),
        }
    }
    all
}

impl History {
    /// The chunks that may still be served.
    fn fresh(&self, now_ms: i64) -> Vec<Arc<Chunk>> {
        let age = |chunk: &Chunk| now_ms.saturating_sub(chunk.read_at_ms);
        // Read in the future: the clock was set back.
        self.chunks.iter().filter(|chunk| (0..MAX_AGE_MS).contains(&age(chunk))).cloned().collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes()).sum::<usize>() + self.executed.len()
    }
}

impl Chunk {
    fn of(gap: Gap, read_at_ms: i64, series: Vec<Series>, notices: Vec<String>) -> Self {
        let Gap { from_ms, to_ms } = gap;
        let whole = |series: &Series| {
            let range = series.index_range(from_ms, to_ms);
            range.start == 0 && range.end == series.len()
        };
        let series = series
            .into_iter()
            .map(|series| if whole(&series) { series } else { cut(&series, from_ms, to_ms) })
            .filter(|series| !series.is_empty())
            .collect();
        Self { from_ms, to_ms, read_at_ms, series, notices: notices.into_iter().collect() }
    }

    /// The part of the chunk within a range.
    fn cut(&self, from_ms: i64, to_ms: i64) -> Self {
        let series =
            self.series.iter().map(|series| cut(series, from_ms, to_ms)).filter(|series| !series.is_empty());
        Self {
            from_ms,
            to_ms,
            read_at_ms: self.read_at_ms,
            series: series.collect(),
            notices: self.notices.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let notices: usize = self.notices.iter().map(String::len).sum();
        size_of::<Self>() + notices + self.series.iter().map(Series::bytes).sum::<usize>()
    }
}

/// The points of `series` within a half-open range of time.
pub(super) fn cut(series: &Series, from_ms: i64, to_ms: i64) -> Series {
    let range = series.index_range(from_ms, to_ms);
    Series {
        name: series.name.clone(),
        labels: series.labels.clone(),
        unit: series.unit.clone(),
        times: series.times[range.clone()].to_vec(),
        values: series.values[range.clone()].to_vec(),
        truth: series.truth.as_ref().map(|truth| truth[range].to_vec()),
    }
}

/// The series of consecutive chunks put together.
///
/// They are ordered by labels and name, since the order in which an upstream sends them may differ between two
/// requests. Where several have the same labels and name, the first of one chunk continues the first of another.
fn assemble(chunks: &[Arc<Chunk>], from_ms: i64, to_ms: i64) -> Vec<Series> {
    let mut all: BTreeMap<(&Labels, &str, usize), Series> = BTreeMap::new();
    let overlapping = chunks.iter().filter(|chunk| chunk.from_ms < to_ms && from_ms < chunk.to_ms);
    for chunk in overlapping {
        let mut alike: BTreeMap<(&Labels, &str), usize> = BTreeMap::new();
        for series in &chunk.series {
            let number = alike.entry((&series.labels, &series.name)).or_default();
            let key = (&series.labels, series.name.as_str(), *number);
            *number += 1;
            let range = series.index_range(from_ms, to_ms);
            if range.is_empty() {
                continue;
            }
            match all.get_mut(&key) {
                Some(whole) => append(whole, series, range),
                None => {
                    all.insert(key, cut(series, from_ms, to_ms));
                }
            }
        }
    }
    all.into_values().collect()
}

fn append(whole: &mut Series, more: &Series, range: std::ops::Range<usize>) {
    let unknown = |len: usize| vec![f64::NAN; len];
    if whole.truth.is_some() || more.truth.is_some() {
        let before = whole.len();
        let truth = whole.truth.get_or_insert_with(|| unknown(before));
        match &more.truth {
            Some(more) => truth.extend_from_slice(&more[range.clone()]),
            None => truth.extend(unknown(range.len())),
        }
    }
    whole.times.extend_from_slice(&more.times[range.clone()]);
    whole.values.extend_from_slice(&more.values[range]);
    if whole.unit.is_none() {
        whole.unit.clone_from(&more.unit);
    }
}

/// The last multiple of `step_ms` that is not after `ms`.
pub(super) fn floor(ms: i64, step_ms: i64) -> i64 {
    ms.saturating_sub(ms.rem_euclid(step_ms.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(from_ms: i64, to_ms: i64, read_at_ms: i64) -> Chunk {
        let points = (from_ms..to_ms).map(|time| (time, read_at_ms as f64)).collect();
        let (series, _) = Series::from_points("s".into(), Labels::new(), points);
        Chunk::of(Gap { from_ms, to_ms }, read_at_ms, vec![series], Vec::new())
    }

    fn chunks(ranges: &[(i64, i64)]) -> Vec<Arc<Chunk>> {
        ranges.iter().map(|(from, to)| Arc::new(chunk(*from, *to, 0))).collect()
    }

    fn ranges(chunks: &[Arc<Chunk>]) -> Vec<(i64, i64)> {
        chunks.iter().map(|chunk| (chunk.from_ms, chunk.to_ms)).collect()
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let known = chunks(&[(10, 20), (30, 40)]);
        let gap = |from_ms, to_ms| Gap { from_ms, to_ms };
        assert_eq!(gaps(&known, 0, 50), [gap(0, 10), gap(20, 30), gap(40, 50)]);
        assert_eq!(gaps(&known, 12, 35), [gap(20, 30)]);
        assert_eq!(gaps(&known, 12, 18), []);
        let many = chunks(&[(1, 2), (3, 4), (5, 6), (7, 8)]);
        assert_eq!(gaps(&many, 0, 10), [gap(0, 10)]);
    }

    #[test]
    fn too_much_is_refused_before_any_of_it_is_planned() {
        let gap = |from_ms, to_ms| Gap { from_ms, to_ms };
        let year = 366 * 86_400_000;
        let check = |gaps: &[Gap], slice_ms, step_ms| check_size(gaps, slice_ms, step_ms);
        assert_eq!(check(&[gap(0, year)], None, 1_000), Ok(()));
        assert_eq!(check(&[gap(0, year)], Some(11_000 * 60_000), 60_000), Ok(()));
        for (gaps, slice_ms, step_ms, words) in [
            (&[gap(0, year)][..], None, 1, "steps"),
            (&[gap(0, year)], Some(11_000 * 1_000), 1_000, "requests"),
            (&[gap(0, year); 40], Some(11_000 * 60_000), 60_000, "requests"),
            (&[gap(i64::MIN, i64::MAX)], Some(1), 1, "steps"),
        ] {
            let error = check(gaps, slice_ms, step_ms).unwrap_err();
            assert_eq!(error.category(), Category::Limit);
            assert!(
                error.to_string().contains(words) && error.to_string().contains("longer step"),
                "{error}"
            );
        }
        // As many as there are in all of time, of which none is made before it is wanted.
        assert_eq!(slices(gap(0, i64::MAX), Some(1), 1).nth(3), Some(gap(3, 4)));
    }

    #[test]
    fn a_long_range_is_asked_for_in_slices_of_whole_steps() {
        let gap = |from_ms, to_ms| Gap { from_ms, to_ms };
        let slices = |of, slice_ms, step_ms| slices(of, slice_ms, step_ms).collect::<Vec<_>>();
        assert_eq!(slices(gap(3, 50), None, 10), [gap(3, 50)]);
        assert_eq!(slices(gap(0, 50), Some(25), 10), [gap(0, 20), gap(20, 40), gap(40, 50)]);
        assert_eq!(slices(gap(0, 20), Some(20), 10), [gap(0, 20)]);
        assert_eq!(slices(gap(0, 20), Some(1), 10), [gap(0, 10), gap(10, 20)]);
        assert_eq!(slices(gap(5, 5), Some(1), 10), []);
    }

    #[test]
    fn a_new_reading_takes_the_place_of_an_older_one() {
        let all = with(&chunks(&[(0, 10), (10, 20)]), chunk(5, 15, 7));
        assert_eq!(ranges(&all), [(0, 5), (5, 15), (15, 20)]);
        let series = assemble(&all, 0, 20).remove(0);
        assert_eq!(series.times, Vec::from_iter(0..20));
        assert!(
            (0..20)
                .all(|time| series.values[time as usize] == if (5..15).contains(&time) { 7.0 } else { 0.0 })
        );
    }

    #[test]
    fn neighbours_are_joined_up_to_a_length_and_a_difference_in_age() {
        assert_eq!(ranges(&joined(chunks(&[(0, 5), (5, 9), (10, 12)]), 1)), [(0, 9), (10, 12)]);
        assert_eq!(ranges(&joined(chunks(&[(0, CHUNK_STEPS), (CHUNK_STEPS, 600)]), 1)).len(), 2);
        let old_and_new = vec![Arc::new(chunk(0, 5, 0)), Arc::new(chunk(5, 9, JOIN_MS + 1))];
        assert_eq!(joined(old_and_new, 1).len(), 2);
    }

    #[test]
    fn nothing_is_served_beyond_its_age_or_from_the_future() {
        let history =
            History { chunks: vec![Arc::new(chunk(0, 5, 1_000))], step_ms: None, executed: String::new() };
        assert_eq!(history.fresh(1_000 + MAX_AGE_MS - 1).len(), 1);
        assert_eq!(history.fresh(1_000 + MAX_AGE_MS).len(), 0);
        assert_eq!(history.fresh(999).len(), 0);
    }
}
