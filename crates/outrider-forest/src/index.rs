//! Finding a value's place among the breakpoints: a bucket, then a short search without branches.

use std::hint::select_unpredictable;

use super::order::Buckets;

/// Where to start searching in a sorted list of breakpoints, and how far.
///
/// The place of a value is the number of breakpoints at or below it. Every kind of index finds the same place; they
/// differ in speed only.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Index {
    kind: Kind,
    /// The place is less than 2^`steps` after the start.
    steps: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// No buckets: the search starts at 0.
    Binary,
    /// One level of buckets of equal width.
    Linear { buckets: Buckets, starts: Vec<u32> },
    /// Buckets of equal width, each cut again into equal widths between its own lowest and highest breakpoint: for
    /// breakpoints that crowd in places, as those of skewed data do.
    TwoLevel { coarse: Buckets, fine: Vec<Fine>, starts: Vec<u32> },
}

/// The second level of one bucket of the first.
#[derive(Debug, Clone, PartialEq)]
struct Fine {
    buckets: Buckets,
    /// Index of its first bucket in `starts`.
    offset: u32,
}

/// Steps up to which one level is good enough, and two are.
const LINEAR_STEPS: u32 = 4;
const TWO_LEVEL_STEPS: u32 = 5;

impl Index {
    /// The best index for `breakpoints`, which are finite, ascending and at most 2³⁰.
    pub(super) fn new(breakpoints: &[f64]) -> Self {
        let linear = Self::linear(breakpoints);
        if linear.steps <= LINEAR_STEPS {
            return linear;
        }
        let two_level = Self::two_level(breakpoints);
        if two_level.steps <= TWO_LEVEL_STEPS { two_level } else { Self::binary(breakpoints) }
    }

    fn binary(breakpoints: &[f64]) -> Self {
        Self { kind: Kind::Binary, steps: bits(breakpoints.len() as u32) }
    }

    fn linear(breakpoints: &[f64]) -> Self {
        let buckets = over(breakpoints, 2 * breakpoints.len().next_power_of_two());
        let mut starts = Starts::default();
        starts.push(breakpoints, &buckets);
        Self { kind: Kind::Linear { buckets, starts: starts.starts }, steps: bits(starts.most) }
    }

    fn two_level(breakpoints: &[f64]) -> Self {
        let count = (breakpoints.len() / 8).next_power_of_two();
        let coarse = over(breakpoints, count);
        let mut starts = Starts::default();
        let mut rest = breakpoints;
        let fine = (0..count as u32)
            .map(|bucket| {
                let (here, after) = rest.split_at(rest.partition_point(|at| coarse.of(*at) <= bucket));
                rest = after;
                let buckets = over(here, 2 * here.len());
                let offset = starts.starts.len() as u32;
                starts.push(here, &buckets);
                Fine { buckets, offset }
            })
            .collect();
        Self { kind: Kind::TwoLevel { coarse, fine, starts: starts.starts }, steps: bits(starts.most) }
    }

    /// Calls `found` with each of `values` and its place, in order. The place of NaN is any.
    pub(super) fn places(&self, breakpoints: &[f64], values: &[f64], found: impl FnMut(f64, usize)) {
        // The number of steps as a constant unrolls the search.
        match self.steps {
            0 => self.places_in::<0>(breakpoints, values, found),
            1 => self.places_in::<1>(breakpoints, values, found),
            2 => self.places_in::<2>(breakpoints, values, found),
            3 => self.places_in::<3>(breakpoints, values, found),
            4 => self.places_in::<4>(breakpoints, values, found),
            5 => self.places_in::<5>(breakpoints, values, found),
            _ => self.places_in::<{ u32::MAX }>(breakpoints, values, found),
        }
    }

    /// [`Self::places`] with `STEPS` steps, or `self.steps` if that is `u32::MAX`.
    fn places_in<const STEPS: u32>(
        &self,
        breakpoints: &[f64],
        values: &[f64],
        mut found: impl FnMut(f64, usize),
    ) {
        let steps = if STEPS == u32::MAX { self.steps } else { STEPS };
        let mut place_from = |value: f64, start: u32| {
            let mut place = start as usize;
            for step in (0..steps).rev().map(|step| 1_usize << step) {
                // NaN is not at or below anything.
                let last = breakpoints.get(place + step - 1).copied().unwrap_or(f64::NAN);
                place = select_unpredictable(last <= value, place + step, place);
            }
            found(value, place);
        };
        match &self.kind {
            Kind::Binary => values.iter().for_each(|value| place_from(*value, 0)),
            Kind::Linear { buckets, starts } => {
                values.iter().for_each(|value| place_from(*value, starts[buckets.of(*value) as usize]));
            }
            Kind::TwoLevel { coarse, fine, starts } => values.iter().for_each(|value| {
                let fine = &fine[coarse.of(*value) as usize];
                place_from(*value, starts[(fine.offset + fine.buckets.of(*value)) as usize]);
            }),
        }
    }
}

/// At least one bucket over the range of `breakpoints`.
fn over(breakpoints: &[f64], count: usize) -> Buckets {
    let low = breakpoints.first().copied().unwrap_or(0.0);
    let high = breakpoints.last().copied().unwrap_or(0.0);
    Buckets::new(low, high, count.max(1))
}

/// Number of binary digits of `n`: the steps that decide among 0 to `n`.
fn bits(n: u32) -> u32 {
    u32::BITS - n.leading_zeros()
}

/// How many breakpoints stand before each bucket.
#[derive(Debug, Default)]
struct Starts {
    starts: Vec<u32>,
    before: u32,
    /// The most breakpoints in one bucket.
    most: u32,
}

impl Starts {
    /// Appends the buckets over the next `breakpoints`.
    fn push(&mut self, breakpoints: &[f64], buckets: &Buckets) {
        let first = self.starts.len();
        self.starts.resize(first + buckets.count(), 0);
        let new = &mut self.starts[first..];
        for at in breakpoints {
            new[buckets.of(*at) as usize] += 1;
        }
        for start in new {
            self.most = self.most.max(*start);
            self.before += std::mem::replace(start, self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every kind of index must find what the definition says.
    fn check(breakpoints: &[f64], values: &[f64]) {
        let expected: Vec<usize> =
            values.iter().map(|value| breakpoints.partition_point(|at| at <= value)).collect();
        for index in [Index::binary, Index::linear, Index::two_level, Index::new].map(|new| new(breakpoints))
        {
            let mut places = Vec::new();
            index.places(breakpoints, values, |_, place| places.push(place));
            assert_eq!(places, expected, "{:?}", index.kind);
        }
    }

    /// The breakpoints, their neighbours on either side, and the ends of the number line.
    fn probes(breakpoints: &[f64]) -> Vec<f64> {
        let around = breakpoints.iter().flat_map(|at| [at.next_down(), *at, at.next_up()]);
        around.chain([f64::NEG_INFINITY, f64::MIN, 0.0, f64::MAX, f64::INFINITY]).collect()
    }

    fn kind(breakpoints: &[f64]) -> &'static str {
        match Index::new(breakpoints).kind {
            Kind::Binary => "binary",
            Kind::Linear { .. } => "linear",
            Kind::TwoLevel { .. } => "two levels",
        }
    }

    #[test]
    fn the_spread_of_the_breakpoints_decides_the_kind() {
        let even: Vec<f64> = (0..5_000).map(f64::from).collect();
        assert_eq!(kind(&even), "linear");
        let outlier: Vec<f64> = even.iter().copied().chain([1e12]).collect();
        assert_eq!(kind(&outlier), "two levels");
        let skewed: Vec<f64> = even.iter().map(|value| (value / 700.0).exp()).collect();
        assert_eq!(kind(&skewed), "two levels");
        let stretched: Vec<f64> = even.iter().map(|value| (value / 10.0).exp()).collect();
        assert_eq!(kind(&stretched), "binary");
        let too_wide: Vec<f64> =
            even.iter().copied().chain([f64::MAX]).rev().chain([f64::MIN]).rev().collect();
        assert_eq!(kind(&too_wide), "binary");
        for breakpoints in [even, outlier, skewed, stretched, too_wide, vec![], vec![1.0]] {
            check(&breakpoints, &probes(&breakpoints));
        }
    }

    proptest! {
        #[test]
        fn every_index_finds_the_same_place(
            mut breakpoints in proptest::collection::vec(any::<f64>().prop_filter("finite", |at| at.is_finite()), 0..200),
            small in proptest::collection::vec(0.0..1.0_f64, 0..200), power in 1..60_i32,
        ) {
            breakpoints.truncate(if power % 2 == 0 { 3 } else { 200 });
            breakpoints.extend(small.iter().map(|value| value.powi(power)));
            breakpoints.sort_unstable_by(f64::total_cmp);
            breakpoints.dedup();
            check(&breakpoints, &probes(&breakpoints));
        }
    }
}
