//! Sorting by a number, and the bucketing that it shares with the search index.

/// Cuts a range of numbers into buckets of equal width.
///
/// The bucket never falls as the value rises, whatever the range and whatever is rounded: every operation is monotone.
/// Sort and search rest on this alone; the width only decides how fast they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Buckets {
    low: f64,
    per_unit: f64,
    last: f64,
}

impl Buckets {
    /// `count` buckets from `low` to `high`, at most 2³¹; `low` and `high` are finite. A range too wide or too narrow
    /// for a finite width ends up in one bucket or in two.
    pub(super) fn new(low: f64, high: f64, count: usize) -> Self {
        let last = count.saturating_sub(1) as f64;
        let per_unit = if low < high { last / (high - low) } else { 0.0 };
        Self { low, per_unit, last }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.last as usize + 1
    }

    /// The bucket of `value`, 0 to `count` − 1; values outside the range, and NaN, go to one of the two.
    #[inline]
    pub(super) fn of(&self, value: f64) -> u32 {
        /// Added to a number from 0 to 2³², it leaves that number, rounded, in the low bits: a conversion that
        /// compilers vectorise.
        const MAGIC: f64 = (1_u64 << 52) as f64;
        let at = (value - self.low) * self.per_unit;
        // Comparisons rather than `clamp`, so that NaN goes to 0.
        let at = if at > 0.0 { at } else { 0.0 };
        let at = if at < self.last { at } else { self.last };
        (at + MAGIC).to_bits() as u32
    }
}

/// Sorts items by a finite number, reusing its memory: linear time where the numbers spread evenly, O(n log n) where
/// they do not.
///
/// ```
/// use outrider_forest::Sorter;
///
/// let mut values = vec![3.0, -1.0, 2.5];
/// Sorter::new().sort(&mut values, |value| *value);
/// assert_eq!(values, [-1.0, 2.5, 3.0]);
/// ```
#[derive(Debug)]
pub struct Sorter<T> {
    buckets: Vec<u32>,
    ends: Vec<u32>,
    sorted: Vec<T>,
}

/// From this size on, a bucket is left to the sort of the standard library, and the rest to insertion.
const CROWDED: u32 = 16;

impl<T: Copy> Default for Sorter<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> Sorter<T> {
    /// A sorter that has no memory to reuse yet.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: Vec::new(), ends: Vec::new(), sorted: Vec::new() }
    }

    /// Sorts `items`, at most 2³⁰ of them, by `key`, ascending; items of equal key in any order that depends on `items` only.
    pub fn sort(&mut self, items: &mut Vec<T>, key: impl Fn(&T) -> f64 + Copy) {
        let Some(first) = items.first().copied() else { return };
        let (low, high) = range(items, key);
        // More buckets than items, since the items crowd in some of them.
        let count = 2 * items.len();
        let buckets = Buckets::new(low, high, count);
        self.buckets.clear();
        self.buckets.extend(items.iter().map(|item| buckets.of(key(item))));

        self.ends.clear();
        self.ends.resize(count, 0);
        for bucket in &self.buckets {
            self.ends[*bucket as usize] += 1;
        }
        let (mut total, mut most) = (0, 0);
        for end in &mut self.ends {
            most = most.max(*end);
            // The start for now; it moves to the end while the bucket fills.
            total += std::mem::replace(end, total);
        }
        self.sorted.clear();
        self.sorted.resize(items.len(), first);
        for (item, bucket) in items.iter().zip(&self.buckets) {
            let place = &mut self.ends[*bucket as usize];
            self.sorted[*place as usize] = *item;
            *place += 1;
        }
        std::mem::swap(items, &mut self.sorted);

        if most >= CROWDED {
            let mut start = 0;
            for end in self.ends.iter().map(|end| *end as usize) {
                if end - start >= CROWDED as usize {
                    items[start..end].sort_unstable_by(|a, b| key(a).total_cmp(&key(b)));
                }
                start = end;
            }
        }
        insertion_sort(items, key);
    }
}

/// The lowest and the highest of the keys.
fn range<T>(items: &[T], key: impl Fn(&T) -> f64) -> (f64, f64) {
    // Four at once, none of which has to wait for another.
    let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
    let mut note = |lane: usize, key: f64| {
        low[lane] = if key < low[lane] { key } else { low[lane] };
        high[lane] = if key > high[lane] { key } else { high[lane] };
    };
    let (fours, rest) = items.as_chunks::<4>();
    for [a, b, c, d] in fours {
        note(0, key(a));
        note(1, key(b));
        note(2, key(c));
        note(3, key(d));
    }
    rest.iter().for_each(|item| note(0, key(item)));
    (low.into_iter().fold(f64::INFINITY, f64::min), high.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// Fast because nothing is far from its place.
fn insertion_sort<T: Copy>(items: &mut [T], key: impl Fn(&T) -> f64) {
    for end in 1..items.len() {
        let item = items[end];
        let mut place = end;
        while place > 0 && key(&items[place - 1]) > key(&item) {
            items[place] = items[place - 1];
            place -= 1;
        }
        items[place] = item;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_cover_the_range_evenly() {
        let buckets = Buckets::new(-1.0, 1.0, 5);
        assert_eq!(
            [-9.0, -1.0, -0.4, 0.0, 0.6, 1.0, 9.0].map(|value| buckets.of(value)),
            [0, 0, 1, 2, 3, 4, 4]
        );
        assert_eq!(buckets.of(f64::NAN), 0);
    }

    proptest! {
        #[test]
        fn a_bucket_never_falls_as_the_value_rises(
            ends: (f64, f64), mut values in proptest::collection::vec(any::<f64>(), 2..50), count in 1..5_000_usize,
        ) {
            prop_assume!(ends.0.is_finite() && ends.1.is_finite());
            let buckets = Buckets::new(ends.0.min(ends.1), ends.0.max(ends.1), count);
            values.retain(|value| !value.is_nan());
            values.sort_unstable_by(f64::total_cmp);
            let found: Vec<u32> = values.iter().map(|value| buckets.of(*value)).collect();
            prop_assert!(found.is_sorted() && found.iter().all(|bucket| (*bucket as usize) < count));
        }

        #[test]
        fn it_sorts_whatever_the_spread(
            values in proptest::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), 0..400),
            power in 0..12_i32,
        ) {
            // Squeezed by a power, so that even, skewed and crowded ranges all come up.
            let mut items: Vec<f64> = values.iter().map(|value| value.rem_euclid(1.0).powi(power) + 0.0).collect();
            items.extend(&values[..values.len() / 3]);
            let mut expected = items.clone();
            expected.sort_unstable_by(f64::total_cmp);
            Sorter::new().sort(&mut items, |value| *value);
            prop_assert_eq!(items, expected);
        }
    }
}
