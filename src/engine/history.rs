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

use crate::series::{Labels, Series};

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
pub(super) const MAX_REQUESTS: usize = 4;

/// How far back from now points are read anew by every query: five minutes or two steps, whichever is longer.
pub(super) fn recent_ms(step_ms: i64) -> i64 {
    SETTLED_MS.max(step_ms.saturating_mul(2))
}

/// The series of a half-open range of time.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    read_at_ms: i64,
    series: Vec<Series>,
    pub(super) notices: BTreeSet<String>,
}

/// Chunks in order, none overlapping another.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) chunks: Vec<Arc<Chunk>>,
    /// Distance between points, where the upstream said.
    pub(super) step_ms: Option<i64>,
    /// What the upstream was last asked.
    pub(super) executed: String,
}

/// A half-open range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// The parts of a range that no chunk covers; at most [`MAX_REQUESTS`].
pub(super) fn gaps(chunks: &[Arc<Chunk>], from_ms: i64, to_ms: i64) -> Vec<Gap> {
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
pub(super) fn with(chunks: &[Arc<Chunk>], new: Chunk) -> Vec<Arc<Chunk>> {
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
pub(super) fn joined(chunks: Vec<Arc<Chunk>>, step_ms: i64) -> Vec<Arc<Chunk>> {
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
    pub(super) fn fresh(&self, now_ms: i64) -> Vec<Arc<Chunk>> {
        let age = |chunk: &Chunk| now_ms.saturating_sub(chunk.read_at_ms);
        // Read in the future: the clock was set back.
        self.chunks.iter().filter(|chunk| (0..MAX_AGE_MS).contains(&age(chunk))).cloned().collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes()).sum::<usize>() + self.executed.len()
    }
}

impl Chunk {
    pub(super) fn of(gap: Gap, read_at_ms: i64, series: Vec<Series>, notices: Vec<String>) -> Self {
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
    pub(super) fn cut(&self, from_ms: i64, to_ms: i64) -> Self {
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
pub(super) fn assemble(chunks: &[Arc<Chunk>], from_ms: i64, to_ms: i64) -> Vec<Series> {
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
