//! Reading what a query needs: from the history that is kept, and what is not there from the upstream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::cache::{Cache, Key};
use super::history::{Chunk, Gap, History, MAX_REQUESTS, assemble, floor, gaps, joined, recent_ms, with};
use crate::error::{Category, Error, Result};
use crate::series::{Series, TimeRange};
use crate::source::{FetchRequest, Fetched, PreparedQuery};

/// The most requests of one query, each of which has some thousand steps where upstreams limit them.
const MAX_SLICES: i64 = 500;
/// The most steps that one query may ask for. Of a series with a value in each, these are 800 MB.
const MAX_STEPS: i64 = 50_000_000;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
