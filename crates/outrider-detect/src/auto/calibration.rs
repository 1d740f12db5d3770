//! How surprising a value of a statistic is, by what the statistic did in the training window.
//!
//! A *surprise* is −log₁₀ of the chance of a value at least as extreme. Inside the training values the chance is
//! counted; beyond the highest hundredth it is extrapolated by a power law whose exponent is estimated from that
//! hundredth (B. M. Hill, *A Simple General Approach to Inference About the Tail of a Distribution*, Annals of
//! Statistics 3(5), 1975). Heavy tails (request counts, tweets) thus surprise less than light ones (temperatures) at the
//! same number of sigmas, with no distribution assumed.

use std::ops::Range;

use outrider_forest::Sorter;

/// Training values needed for a calibration.
pub(super) const MIN_VALUES: usize = 40;

/// Surprises end here: one chance in 20,000. Beyond it an extrapolation says nothing more, and one wild statistic would
/// drown all others.
pub(super) const MAX_SURPRISE: f64 = 4.3;

/// Where even those end that are compared with each other beyond it.
const MAX_RARITY: f64 = 40.0;

/// Share of the values that the tail is estimated from, and the fewest of them.
const TAIL_SHARE: f64 = 0.01;
const MIN_TAIL: usize = 5;

/// Tail index assumed before any value is seen, and how many values that weighs: about that of a normal distribution.
const PRIOR_INDEX: f64 = 0.12;
const PRIOR_WEIGHT: f64 = 10.0;
const MIN_INDEX: f64 = 0.03;

/// Chances at which the training values are looked up, and the surprises that they are; between them the surprise is
/// interpolated.
const CHANCES: [(f64, f64); 5] = [
    (0.5, std::f64::consts::LOG10_2),
    (0.25, 2.0 * std::f64::consts::LOG10_2),
    (0.1, 1.0),
    (0.05, 1.0 + std::f64::consts::LOG10_2),
    (0.02, 2.0 - std::f64::consts::LOG10_2),
];

/// Where the ranks of a tail were found last in one [`SortedRange`]: hints that change nothing but the time it takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Near {
    quantiles: [usize; CHANCES.len()],
    begin: usize,
}

/// The upper tail of a statistic, or of its negative.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tail {
    median: f64,
    /// Distance from the median at which the tail begins.
    begin: f64,
    /// Surprise there.
    begin_surprise: f64,
    /// Hill's tail index.
    index: f64,
    /// Values and surprises of [`CHANCES`], and of the begin of the tail; ascending.
    grid: [(f64, f64); 6],
}

impl Tail {
    /// The tail of the highest of `values`, `None` if they are too few. `near` is where its ranks were found last.
    pub(super) fn high(values: &SortedRange<'_>, near: &mut Near) -> Option<Self> {
        Self::of::<false>(values, near)
    }

    /// The tail of the lowest of `values`; ask it for the surprise of the negative value.
    pub(super) fn low(values: &SortedRange<'_>, near: &mut Near) -> Option<Self> {
        Self::of::<true>(values, near)
    }

    fn of<const LOW: bool>(values: &SortedRange<'_>, near: &mut Near) -> Option<Self> {
        let count = values.len();
        if count < MIN_VALUES {
            return None;
        }
        let last = count - 1;
        // By rank, 0 for the highest, or for the lowest negative.
        let value = |rank: usize, near: &mut usize| {
            if LOW { -values.nth_near(rank, near) } else { values.nth_near(last - rank, near) }
        };
        let mut quantiles = [0.0; CHANCES.len()];
        for ((quantile, (chance, _)), near) in quantiles.iter_mut().zip(CHANCES).zip(&mut near.quantiles) {
            *quantile = value(last - (last as f64 * (1.0 - chance)) as usize, near);
        }
        let [median, upper_quartile, ..] = quantiles;
        // Less than this is rounding.
        let smallest = (1e-9 * median.abs()).max(1e-12);
        let mut in_tail = ((count as f64 * TAIL_SHARE) as usize).max(MIN_TAIL);
        let mut begin = value(in_tail, &mut near.begin) - median;
        if begin < smallest {
            // Nearly all values are equal: what few others there are say how far values go, not how they are spread.
            in_tail = 1;
            begin = value(0, &mut near.begin) - median;
        }
        let begin = begin.max(upper_quartile - median).max(smallest);
        let mut logarithms = Logarithms::default();
        let mut note = |value: f64| logarithms.add(((value - median) / begin).max(1.0));
        if LOW {
            values.lowest(in_tail, |value| note(-value));
        } else {
            values.highest(in_tail, note);
        }
        let index = (logarithms.sum() + PRIOR_INDEX * PRIOR_WEIGHT) / (in_tail as f64 + PRIOR_WEIGHT);
        let begin_surprise = -(in_tail as f64 / count as f64).log10();
        let mut grid = [(median + begin, begin_surprise); 6];
        for ((slot, (_, surprise)), quantile) in grid.iter_mut().zip(CHANCES).zip(quantiles) {
            // Of few values the tail takes more than a fiftieth.
            if surprise < begin_surprise {
                *slot = (quantile.min(median + begin), surprise);
            }
        }
        Some(Self { median, begin, begin_surprise, index: index.max(MIN_INDEX), grid })
    }

    /// The surprise of `value`, 0 to [`MAX_SURPRISE`].
    pub(super) fn surprise(&self, value: f64) -> f64 {
        self.rarity(value).min(MAX_SURPRISE)
    }

    /// The surprise of `value` on the side on which it is the more surprising, and whether that is the high one; `low` is
    /// the other tail of the same values.
    pub(super) fn surprise_of_either(&self, low: &Self, value: f64) -> (f64, bool) {
        let (median, other_median) = (self.median, -low.median);
        // Beyond the median, the other side is never the more surprising one.
        if value > median && value > other_median {
            (self.surprise(value), true)
        } else if value < median && value < other_median {
            (low.surprise(-value), false)
        } else {
            let (high, low) = (self.surprise(value), low.surprise(-value));
            (high.max(low), high >= low)
        }
    }

    /// The surprise of `value`, 0 to [`MAX_RARITY`]: for comparing what is beyond all measure.
    pub(super) fn rarity(&self, value: f64) -> f64 {
        let distance = value - self.median;
        if distance > self.begin {
            let beyond = (distance / self.begin).log10() / self.index;
            return (self.begin_surprise + beyond).min(MAX_RARITY);
        }
        let (median, ordinary) = self.grid[0];
        if value <= median {
            return if value < median { ordinary / 2.0 } else { ordinary };
        }
        for pair in self.grid.windows(2) {
            let ((low, less), (high, more)) = (pair[0], pair[1]);
            if value <= high {
                let share = if high > low { (value - low) / (high - low) } else { 1.0 };
                return less + share * (more - less);
            }
        }
        self.begin_surprise
    }

    pub(super) fn median(&self) -> f64 {
        self.median
    }

    /// The value at which the surprise reaches `surprise`, if it is one of the tail.
    pub(super) fn value_at(&self, surprise: f64) -> f64 {
        let beyond = (surprise - self.begin_surprise).max(0.0) * self.index;
        self.median + self.begin * 10_f64.powf(beyond)
    }
}

/// The sum of the natural logarithms of numbers of at least 1: that of their product, whose exponents are added apart, as
/// they would overflow.
struct Logarithms {
    sum: f64,
    product: f64,
    exponents: u64,
}

impl Default for Logarithms {
    fn default() -> Self {
        Self { sum: 0.0, product: 1.0, exponents: 0 }
    }
}

impl Logarithms {
    fn add(&mut self, number: f64) {
        const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
        const EXPONENT_ONE: u64 = 1.0_f64.to_bits() >> MANTISSA_BITS;
        let bits = number.to_bits();
        let exponent = (bits >> MANTISSA_BITS) - EXPONENT_ONE;
        self.exponents += exponent;
        // From 1 to 2.
        self.product *= f64::from_bits(bits - (exponent << MANTISSA_BITS));
        if self.product > 1e300 {
            self.sum += self.product.ln();
            self.product = 1.0;
        }
    }

    fn sum(&self) -> f64 {
        self.sum + self.product.ln() + self.exponents as f64 * std::f64::consts::LN_2
    }
}

/// The finite values of a moving range of a slice, by rank.
///
/// All values of the slice are sorted once. A set of bits, one for each of them in that order, says which are in the
/// range. A value that comes or goes is one bit, and a rank is found by counting bits: groups of words one after the
/// other, from where it was found last, but neither with loops nor with branches in a group, as nobody can foresee where in
/// it the rank is.
#[derive(Debug)]
pub(super) struct SortedRange<'a> {
    values: &'a [f64],
    /// The finite values, ascending.
    sorted: Vec<f64>,
    /// Place in `sorted` of each value; [`NOWHERE`] if it is not finite.
    places: Vec<u32>,
    /// One bit for each place: whether it is in the range.
    present: Vec<u64>,
    /// Bits set in each word of each group of [`WORDS`], [`COUNT_BITS`] for each.
    counts: Vec<u64>,
    /// Bits set before each group.
    before: Vec<usize>,
    len: usize,
    begin: usize,
    end: usize,
}

/// Words in a group.
const WORDS: usize = 4;
const COUNT_BITS: u32 = 16;

const NOWHERE: u32 = u32::MAX;

/// Memory for the sorting of one [`SortedRange`] after the other.
#[derive(Debug)]
pub(super) struct Scratch {
    sorter: Sorter<(f64, u32)>,
    sorted: Vec<(f64, u32)>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { sorter: Sorter::new(), sorted: Vec::new() }
    }
}

impl<'a> SortedRange<'a> {
    /// An empty range of `values`, of which there are fewer than 2³².
    pub(super) fn new(values: &'a [f64]) -> Self {
        Self::since(0, values, &mut Scratch::new())
    }

    /// The same with memory that is there already, for ranges that begin at the index `first` or later.
    pub(super) fn since(first: usize, values: &'a [f64], Scratch { sorter, sorted }: &mut Scratch) -> Self {
        sorted.clear();
        sorted.extend(values.iter().copied().zip(0..).skip(first));
        sorted.retain(|(value, _)| value.is_finite());
        sorter.sort(sorted, |(value, _)| *value);
        let mut places = vec![NOWHERE; values.len()];
        for (place, (_, index)) in (0..).zip(&*sorted) {
            places[*index as usize] = place;
        }
        let words = sorted.len().div_ceil(64);
        Self {
            values,
            // Zeros of either sign are one value, and stand in any order: all are told as the same.
            sorted: sorted.iter().map(|(value, _)| value + 0.0).collect(),
            places,
            present: vec![0; words],
            counts: vec![0; words.div_ceil(WORDS)],
            before: vec![0; words.div_ceil(WORDS)],
            len: 0,
            begin: 0,
            end: 0,
        }
    }

    /// Makes it the range from `begin` to `end`. Costs a step for each value that comes or goes, and one for each group.
    pub(super) fn move_to(&mut self, begin: usize, end: usize) {
        if begin >= self.end || end <= self.begin {
            self.take_out(self.begin..self.end);
            self.put_in(begin..end);
        } else {
            self.put_in(begin..self.begin);
            self.take_out(self.begin..begin);
            self.put_in(self.end..end);
            self.take_out(end..self.end);
        }
        (self.begin, self.end) = (begin, end);
        let mut total = 0;
        for (before, counts) in self.before.iter_mut().zip(&self.counts) {
            *before = total;
            total += sum::<COUNT_BITS>(*counts) as usize;
        }
        self.len = total;
    }

    /// Puts in the values at `range`; none if it ends before it begins.
    fn put_in(&mut self, range: Range<usize>) {
        self.flip(range, 1);
    }

    /// Takes out the values at `range`; none if it ends before it begins.
    fn take_out(&mut self, range: Range<usize>) {
        self.flip(range, -1);
    }

    /// `change` is what each value adds to the number of those that are in.
    fn flip(&mut self, range: Range<usize>, change: i64) {
        if range.is_empty() {
            return;
        }
        for place in &self.places[range] {
            if *place == NOWHERE {
                continue;
            }
            let word = *place as usize / 64;
            self.present[word] ^= 1 << (place % 64);
            let counts = &mut self.counts[word / WORDS];
            *counts = counts.wrapping_add(change.cast_unsigned() << (word % WORDS * COUNT_BITS as usize));
        }
    }

    /// How many finite values there are in the range.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value at that index of the slice.
    pub(super) fn value(&self, index: usize) -> f64 {
        self.values[index]
    }

    /// The value of that rank, 0 for the lowest; `rank` is below the length.
    pub(super) fn nth(&self, rank: usize) -> f64 {
        let begun = self.before.partition_point(|before| *before <= rank);
        self.nth_near(rank, &mut (begun - 1))
    }

    /// The median; the mean of the middle two where their number is even, and `None` where there are none.
    pub(super) fn median(&self) -> Option<f64> {
        if self.len == 0 {
            return None;
        }
        let upper = self.nth(self.len / 2);
        if self.len % 2 == 1 {
            return Some(upper);
        }
        // Halved first: the sum of two large values could overflow.
        Some(self.nth(self.len / 2 - 1) / 2.0 + upper / 2.0)
    }

    /// How many values are lower than `value`.
    pub(super) fn rank(&self, value: f64) -> usize {
        let place = self.sorted.partition_point(|other| *other < value);
        let (word, bit) = (place / 64, place % 64);
        let group = word / WORDS;
        let Some(before) = self.before.get(group) else { return self.len };
        let in_group = self.present[group * WORDS..word].iter().map(|bits| bits.count_ones());
        let in_word = self.present.get(word).map_or(0, |bits| (bits & ((1 << bit) - 1)).count_ones());
        before + (in_group.sum::<u32>() + in_word) as usize
    }

    /// The same, found faster where it is near what was found last with the same `group`, which is 0 at first.
    pub(super) fn nth_near(&self, rank: usize, group: &mut usize) -> f64 {
        while self.before[*group] > rank {
            *group -= 1;
        }
        while self.before.get(*group + 1).is_some_and(|before| *before <= rank) {
            *group += 1;
        }
        let group = *group;
        let left = rank - self.before[group];
        let (word, left) = find::<COUNT_BITS>(self.counts[group], left as u64);
        let word = group * WORDS + word;
        self.sorted[word * 64 + nth_bit(self.present[word], left)]
    }

    /// The values that there are, ascending, if they are `most` at most and there are at least `each` of each.
    pub(super) fn few_values(&self, most: usize, each: usize) -> Option<Vec<f64>> {
        // Nearly always the highest is rare.
        if self.len < each || self.nth(self.len - each) != self.nth(self.len - 1) {
            return None;
        }
        let mut found = Vec::new();
        let mut rank = 0;
        while rank < self.len {
            let value = self.nth(rank);
            if found.len() == most || rank + each > self.len || self.nth(rank + each - 1) != value {
                return None;
            }
            found.push(value);
            // The first rank with another value.
            let (mut same, mut other) = (rank + each - 1, self.len);
            while same + 1 < other {
                let middle = usize::midpoint(same, other);
                if self.nth(middle) == value { same = middle } else { other = middle }
            }
            rank = other;
        }
        Some(found)
    }

    /// Hands out the `count` lowest values, from the lowest up.
    fn lowest(&self, count: usize, mut take: impl FnMut(f64)) {
        let mut taken = 0;
        for (bits, values) in self.present.iter().zip(self.sorted.chunks(64)) {
            let mut left = *bits;
            while left != 0 {
                if taken == count {
                    return;
                }
                taken += 1;
                take(values[left.trailing_zeros() as usize]);
                left &= left - 1;
            }
        }
    }

    /// Hands out the `count` highest values, from the highest down.
    fn highest(&self, count: usize, mut take: impl FnMut(f64)) {
        let mut taken = 0;
        for (bits, values) in self.present.iter().zip(self.sorted.chunks(64)).rev() {
            let mut left = *bits;
            while left != 0 {
                if taken == count {
                    return;
                }
                taken += 1;
                let place = left.ilog2();
                take(values[place as usize]);
                left ^= 1 << place;
            }
        }
    }
}

/// The place of the set bit of `bits` that has `rank` others below it; there is one.
fn nth_bit(bits: u64, rank: u64) -> usize {
    const ONES: u64 = lanes_of::<8>(1);
    // Bits set in every two, every four and every eight.
    let twos = bits - ((bits >> 1) & lanes_of::<2>(1));
    let fours = (twos & lanes_of::<4>(3)) + ((twos >> 2) & lanes_of::<4>(3));
    let eights = (fours + (fours >> 4)) & lanes_of::<8>(15);
    let (byte, rank) = find::<8>(eights, rank);
    // Each bit of the byte in a lane of its own, where it still has its place, and then as the lowest.
    let each = (((bits >> (8 * byte)) & 0xff) * ONES) & 0x8040_2010_0804_0201;
    let (bit, _) = find::<8>(((each + lanes_of::<8>(0x7f)) >> 7) & ONES, rank);
    8 * byte + bit
}

/// `number` in each lane of so many bits.
const fn lanes_of<const BITS: u32>(number: u64) -> u64 {
    u64::MAX / (u64::MAX >> (64 - BITS)) * number
}

/// The sum of the numbers in all lanes.
fn sum<const BITS: u32>(lanes: u64) -> u64 {
    lanes.wrapping_mul(lanes_of::<BITS>(1)) >> (64 - BITS)
}

/// Of things counted in lanes: the lane of the one that has `rank` others before it, and how many of those are in the
/// same lane. There is such a one; all together they are fewer than half of what a lane holds.
fn find<const BITS: u32>(counts: u64, rank: u64) -> (usize, u64) {
    // In each lane, how many there are in it and in those before it.
    let through = counts.wrapping_mul(lanes_of::<BITS>(1));
    // The highest bit of each lane says whether those are no more than `rank`.
    let highest = lanes_of::<BITS>(1 << (BITS - 1));
    let passed = (((rank * lanes_of::<BITS>(1)) | highest) - through) & highest;
    let lane = sum::<BITS>(passed >> (BITS - 1)) as u32;
    let before = ((through << BITS) >> (lane * BITS)) & (u64::MAX >> (64 - BITS));
    (lane as usize, rank - before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tails of all of `values`.
    fn high(values: &[f64]) -> Option<Tail> {
        Tail::high(&whole(values), &mut Near::default())
    }

    fn whole(values: &[f64]) -> SortedRange<'_> {
        let mut range = SortedRange::new(values);
        range.move_to(0, values.len());
        range
    }

    fn quantiles(of: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..2_000).map(|rank| of((f64::from(rank) + 0.5) / 2_000.0)).collect()
    }

    #[test]
    fn surprise_counts_inside_and_extrapolates_beyond() {
        // A Pareto distribution with index ½: the chance of more than x is x⁻².
        let pareto = quantiles(|share| (1.0 - share).powf(-0.5));
        let tail = high(&pareto).unwrap();
        for (value, tolerance) in [(2.0, 0.1), (3.0, 0.1), (5.0, 0.1), (30.0, 0.4)] {
            let truth = 2.0 * f64::log10(value);
            assert!(
                (tail.surprise(value) - truth).abs() < tolerance,
                "{value}: {} {truth}",
                tail.surprise(value)
            );
        }
        assert_eq!(tail.surprise(1e9), MAX_SURPRISE);
    }

    #[test]
    fn heavy_tails_surprise_less() {
        let light = quantiles(|share| share);
        let heavy = quantiles(|share| (1.0 - share).powf(-1.0));
        let at = |sorted: &[f64]| {
            let tail = high(sorted).unwrap();
            tail.surprise(tail.median + 1.5 * tail.begin)
        };
        assert!(at(&light) > at(&heavy) + 0.5, "{} {}", at(&light), at(&heavy));
    }

    #[test]
    fn the_low_side_is_the_high_side_of_the_negative() {
        let values = quantiles(|share| share.powi(3));
        let negative: Vec<f64> = values.iter().map(|value| -value).collect();
        assert_eq!(Tail::low(&whole(&values), &mut Near::default()), high(&negative));
    }

    #[test]
    fn a_constant_training_window_is_surprised_by_any_change() {
        let tail = high(&[5.0; 100]).unwrap();
        assert!(tail.surprise(5.0) < 0.5);
        assert_eq!(tail.surprise(5.1), MAX_SURPRISE);
        assert!(high(&[5.0; 39]).is_none());
    }

    #[test]
    fn a_rare_event_surprises_by_its_rarity() {
        let mut mostly_zero = vec![0.0; 995];
        mostly_zero.extend([1.0, 1.0, 1.0, 2.0, 5.0]);
        let tail = high(&mostly_zero).unwrap();
        assert!((1.7..2.5).contains(&tail.surprise(1.0)), "{}", tail.surprise(1.0));
        assert!((2.9..3.1).contains(&tail.surprise(5.0)), "{}", tail.surprise(5.0));
        assert!(tail.surprise(50.0) > 3.9);
    }

    #[test]
    fn logarithms_are_summed_through_the_product() {
        for numbers in [vec![], vec![1.0; 9], quantiles(|share| (1.0 - share).powi(-9)), vec![1e308; 2_000]] {
            let one_by_one: f64 = numbers.iter().map(|number| f64::ln(*number)).sum();
            let mut logarithms = Logarithms::default();
            numbers.iter().for_each(|number| logarithms.add(*number));
            let sum = logarithms.sum();
            assert!((sum - one_by_one).abs() <= 1e-12 * one_by_one, "{sum} {one_by_one}");
        }
        assert!(CHANCES.iter().all(|(chance, surprise)| (chance.log10() + surprise).abs() < 1e-15));
    }

    #[test]
    fn value_at_is_the_inverse_of_surprise() {
        let tail = high(&quantiles(|share| -(1.0 - share).ln())).unwrap();
        for surprise in [2.1, 3.0, 3.9] {
            assert!((tail.surprise(tail.value_at(surprise)) - surprise).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn surprise_never_falls_as_the_value_rises(training in proptest::collection::vec(-1e6..1e6_f64, 40..200), mut values in proptest::collection::vec(-2e6..2e6_f64, 2..50)) {
            values.sort_unstable_by(f64::total_cmp);
            let tail = high(&training).unwrap();
            let surprises: Vec<f64> = values.iter().map(|value| tail.surprise(*value)).collect();
            prop_assert!(surprises.is_sorted(), "{surprises:?}");
            prop_assert!(surprises.iter().all(|surprise| (0.0..=MAX_SURPRISE).contains(surprise)));
        }

        #[test]
        fn the_more_surprising_side_is_that_beyond_the_median(
            training in proptest::collection::vec((-9..9).prop_map(f64::from), 40..80), value in -20..20,
        ) {
            let range = whole(&training);
            let [high, low] = [Tail::high, Tail::low].map(|of| of(&range, &mut Near::default()).unwrap());
            for value in [f64::from(value), f64::from(value) / 2.0] {
                let (above, below) = (high.surprise(value), low.surprise(-value));
                prop_assert_eq!(high.surprise_of_either(&low, value), (above.max(below), above >= below));
            }
        }

        #[test]
        fn a_moving_range_stays_sorted(
            values in proptest::collection::vec(prop_oneof![8 => (0..20).prop_map(f64::from), 1 => Just(f64::NAN), 1 => Just(-0.0)], 1..400),
            moves in proptest::collection::vec((0..400_usize, 0..400_usize), 1..10),
            first in 0..100_usize,
        ) {
            let mut range = SortedRange::since(first.min(values.len()), &values, &mut Scratch::new());
            let mut near = 0;
            for (a, b) in moves {
                let (a, b) = (a.max(first), b.max(first));
                let (begin, end) = (a.min(b).min(values.len()), a.max(b).min(values.len()));
                let mut expected: Vec<f64> = values[begin..end].iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
                expected.sort_unstable_by(f64::total_cmp);
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                let (mut lowest, mut highest) = (Vec::new(), Vec::new());
                range.move_to(begin, end);
                range.lowest(7, |value| lowest.push(value));
                range.highest(7, |value| highest.push(value));
                prop_assert_eq!(range.len(), expected.len());
                let by_rank: Vec<f64> = (0..range.len()).map(|rank| range.nth(rank)).collect();
                prop_assert_eq!(bits(&by_rank), bits(&expected));
                for rank in [0, 5, 2, range.len() / 2].into_iter().filter(|rank| *rank < range.len()) {
                    prop_assert_eq!(range.nth_near(rank, &mut near).to_bits(), expected[rank].to_bits());
                }
                prop_assert_eq!(bits(&lowest), bits(&expected[..expected.len().min(7)]));
                expected.reverse();
                prop_assert_eq!(bits(&highest), bits(&expected[..expected.len().min(7)]));
            }
        }
    }
}
