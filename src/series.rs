//! A time series between upstream and detector: sorted, without repeats, counters as rates, and thinned for display.
//!
//! Input is whatever an upstream sent; output is a [`Series`], whose times strictly ascend. Where points are missing is
//! found block by block, by the engine.

mod counter;

use std::collections::BTreeMap;

pub use counter::{Rise, keep_known, looks_like_counter, rate, rate_unit, rises};

/// Labels of a series, ordered by name.
pub type Labels = BTreeMap<String, String>;

/// A range of time in ms since the epoch, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant.
    pub from_ms: i64,
    /// Last instant; not before `from_ms`.
    pub to_ms: i64,
}

impl TimeRange {
    /// Length in ms; saturates instead of overflowing.
    #[must_use]
    pub fn len_ms(&self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// Whether `ms` lies within.
    #[must_use]
    pub fn contains(&self, ms: i64) -> bool {
        (self.from_ms..=self.to_ms).contains(&ms)
    }
}

/// One time series. `times` strictly ascend; `values` has the same length and NaN where the upstream had a null,
/// something that is no number, or nothing at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name shown to people.
    pub name: String,
    /// Labels that tell the series of one query apart.
    pub labels: Labels,
    /// Grafana unit id (`bytes`, `percent`, …) if the upstream gave one.
    pub unit: Option<String>,
    /// Ms since the epoch.
    pub times: Vec<i64>,
    /// One value a time.
    pub values: Vec<f64>,
    /// True labels, 1 for an outlier, where the upstream knows them (the generator does).
    pub truth: Option<Vec<f64>>,
}

/// A run of points of one series: `times` in ms since the epoch, strictly ascending; `values` as many, NaN for a gap.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// Ms since the epoch.
    pub times: &'a [i64],
    /// One value a time.
    pub values: &'a [f64],
}

impl<'a> Points<'a> {
    /// The points of an index range.
    #[must_use]
    pub fn range(&self, range: std::ops::Range<usize>) -> Points<'a> {
        Points { times: &self.times[range.clone()], values: &self.values[range] }
    }
}

/// What [`Series::from_points`] had to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mended {
    /// Points that came before an earlier one.
    pub unsorted: usize,
    /// Points dropped because a later one had the same time.
    pub duplicates: usize,
}

/// What the allocator adds to each piece of memory.
const ALLOCATION_BYTES: usize = 16;

/// Bytes that a name and labels take, about. A short label takes little for its text, but a tree has room for eleven labels in
/// each node, of which no more than half may be empty.
pub(crate) fn text_bytes(name: &str, labels: &Labels) -> usize {
    const NODE_BYTES: usize = 11 * 2 * size_of::<String>() + 2 * ALLOCATION_BYTES;
    let text = |text: &str| text.len() + ALLOCATION_BYTES;
    let texts: usize = labels.iter().map(|(name, value)| text(name) + text(value)).sum();
    text(name) + texts + labels.len().div_ceil(5) * NODE_BYTES
}

impl Series {
    /// A series of `points` (ms since the epoch, value), which may be unsorted and repeat times: of points with the
    /// same time the last one given wins. Infinities become gaps.
    #[must_use]
    pub fn from_points(name: String, labels: Labels, mut points: Vec<(i64, f64)>) -> (Self, Mended) {
        let unsorted = points.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        if unsorted > 0 {
            points.sort_by_key(|(time, _)| *time);
        }
        let before = points.len();
        let mut times: Vec<i64> = Vec::with_capacity(before);
        let mut values: Vec<f64> = Vec::with_capacity(before);
        for (time, value) in points {
            let value = if value.is_finite() { value } else { f64::NAN };
            if times.last() == Some(&time) {
                if let Some(last) = values.last_mut() {
                    *last = value;
                }
            } else {
                times.push(time);
                values.push(value);
            }
        }
        let mended = Mended { unsorted, duplicates: before - times.len() };
        (Self { name, labels, unit: None, times, values, truth: None }, mended)
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let columns = 2 + usize::from(self.truth.is_some());
        let columns = self.len() * columns * size_of::<f64>() + columns * ALLOCATION_BYTES;
        size_of::<Self>() + text_bytes(&self.name, &self.labels) + columns
    }

    /// Number of points, gaps included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no points at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Indices of the points with `from_ms <= time < to_ms`.
    #[must_use]
    pub fn index_range(&self, from_ms: i64, to_ms: i64) -> std::ops::Range<usize> {
        let start = self.times.partition_point(|time| *time < from_ms);
        let end = self.times.partition_point(|time| *time < to_ms);
        start..end.max(start)
    }

    /// The points at `range`, an index range.
    #[must_use]
    pub fn points(&self, range: std::ops::Range<usize>) -> Points<'_> {
        Points { times: &self.times[range.clone()], values: &self.values[range] }
    }
}

/// The usual distance between points at `times`, which strictly ascend, in ms: the median one, if at least nine of ten
/// distances keep to it within a half. `None` for irregular times, or fewer than three.
#[must_use]
pub fn regular_step_ms(times: &[i64]) -> Option<i64> {
    let mut deltas: Vec<i64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    if deltas.len() < 2 {
        return None;
    }
    let middle = deltas.len() / 2;
    let (_, &mut median, _) = deltas.select_nth_unstable(middle);
    let regular = deltas.iter().filter(|delta| (**delta).abs_diff(median) <= (median / 2).unsigned_abs());
    (regular.count() * 10 >= deltas.len() * 9).then_some(median)
}

/// Indices of at most `max_points` (at least 1) points that keep the shape of `values`, and besides them every point of
/// `must_keep`; ascending.
///
/// The range is cut into `max_points / 2` buckets of equally many points, and each gives its lowest and its highest
/// value, as a line drawn through all of them would show; where there is room for one point only, the highest. A bucket of gaps
/// gives one gap.
#[must_use]
pub fn thin(values: &[f64], max_points: usize, must_keep: impl Fn(usize) -> bool) -> Vec<usize> {
    if values.len() <= max_points {
        return (0..values.len()).collect();
    }
    let buckets = (max_points / 2).max(1);
    let mut kept = Vec::with_capacity(max_points);
    for bucket in 0..buckets {
        let start = bucket * values.len() / buckets;
        let end = (bucket + 1) * values.len() / buckets;
        let finite = || (start..end).filter(|index| values[*index].is_finite());
        let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
        let high = finite().max_by(by_value).unwrap_or(start);
        let low = if max_points > 1 { finite().min_by(by_value).unwrap_or(start) } else { high };
        kept.extend((start..end).filter(|index| *index == low || *index == high || must_keep(*index)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(points: &[(i64, f64)]) -> Series {
        Series::from_points("s".into(), Labels::new(), points.to_vec()).0
    }

    #[test]
    fn unsorted_and_repeated_times_are_mended_and_counted() {
        let points = vec![(30, 3.0), (10, 1.0), (20, 2.0), (10, 9.0), (40, f64::INFINITY)];
        let (series, mended) = Series::from_points("s".into(), Labels::new(), points);
        assert_eq!(series.times, [10, 20, 30, 40]);
        assert_eq!(series.values[..3], [9.0, 2.0, 3.0]);
        assert!(series.values[3].is_nan());
        assert_eq!(mended, Mended { unsorted: 2, duplicates: 1 });
    }

    #[test]
    fn irregular_series_have_no_step() {
        assert_eq!(regular_step_ms(&[0, 10, 20, 30]), Some(10));
        assert_eq!(regular_step_ms(&[0, 10, 19, 30, 60, 71, 80, 90, 100, 110, 120, 130]), Some(10));
        assert_eq!(regular_step_ms(&[0, 1, 20, 90]), None);
        assert_eq!(regular_step_ms(&[0, 1]), None);
    }

    #[test]
    fn room_for_one_point_is_filled_with_one() {
        let values = [1.0, 5.0, f64::NAN, -3.0];
        assert_eq!(thin(&values, 1, |_| false), [1]);
        assert_eq!(thin(&values, 1, |index| index == 3), [1, 3]);
        assert_eq!(thin(&[f64::NAN; 3], 1, |_| false), [0]);
    }

    proptest! {
        #[test]
        fn thinning_keeps_extremes_and_everything_that_must_stay(
            values in proptest::collection::vec(prop_oneof![9 => -1e6..1e6, 1 => Just(f64::NAN)], 0..500),
            max_points in 2_usize..100,
            stride in 1_usize..50,
        ) {
            let flagged = |index: usize| index.is_multiple_of(stride);
            let kept = thin(&values, max_points, flagged);
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!((0..values.len()).filter(|i| flagged(*i)).all(|i| kept.binary_search(&i).is_ok()));
            let unflagged = kept.iter().filter(|index| !flagged(**index)).count();
            prop_assert!(unflagged <= max_points);
            let finite = |indices: &mut dyn Iterator<Item = usize>| -> Option<(f64, f64)> {
                let all: Vec<f64> = indices.map(|i| values[i]).filter(|v| v.is_finite()).collect();
                (!all.is_empty()).then(|| all.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v))))
            };
            prop_assert_eq!(finite(&mut kept.iter().copied()), finite(&mut (0..values.len())));
        }

        #[test]
        fn times_strictly_ascend_whatever_comes(points in proptest::collection::vec((any::<i64>(), any::<f64>()), 0..200)) {
            let series = series(&points);
            prop_assert!(series.times.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(series.times.len(), series.values.len());
        }
    }
}
