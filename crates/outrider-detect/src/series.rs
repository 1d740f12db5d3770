//! Time series: sorted, without repeats; counters as rates.
//!
//! ```
//! use outrider_detect::series::{Labels, Series};
//!
//! let points = vec![(60_000, 2.0), (0, 1.0), (120_000, f64::INFINITY)];
//! let (series, mended) = Series::from_points("load".into(), Labels::new(), points);
//! assert_eq!(series.times, [0, 60_000, 120_000]);
//! assert!(series.values[2].is_nan() && mended.unsorted == 1);
//! ```

mod counter;

use std::collections::BTreeMap;

pub use counter::{Rise, keep_known, looks_like_counter, rate, rises};

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
    /// Unit of the values, by whatever name its upstream has for it; nothing here reads it.
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
#[must_use]
pub fn text_bytes(name: &str, labels: &Labels) -> usize {
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
    #[must_use]
    pub fn bytes(&self) -> usize {
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

    proptest! {
        #[test]
        fn times_strictly_ascend_whatever_comes(points in proptest::collection::vec((any::<i64>(), any::<f64>()), 0..200)) {
            let series = series(&points);
            prop_assert!(series.times.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(series.times.len(), series.values.len());
        }
    }
}
