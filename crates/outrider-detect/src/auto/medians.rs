//! The medians of small sets of numbers, eight sets side by side.
//!
//! A sorting network compares the same places whatever the numbers are, so that each of its steps is a vector
//! instruction for all eight, and there are no branches to foresee (K. E. Batcher, *Sorting Networks and Their
//! Applications*, AFIPS Spring Joint Computer Conference, 1968: bitonic sort).
#![expect(
    clippy::needless_range_loop,
    reason = "plain loops over lanes become vector instructions in every build; chains of iterators do not in some"
)]

use multiversion::multiversion;

/// Numbers that a set may have.
pub(super) const MOST: usize = 16;

/// Sets side by side.
const LANES: usize = 8;

/// Collects set after set.
#[derive(Debug)]
pub(super) struct Medians {
    /// Numbers that a set must have.
    fewest: usize,
    /// The numbers of each set, one in each lane, as integers in the same order; the highest where there is none.
    keys: [[i64; LANES]; MOST],
    counts: [usize; LANES],
    lane: usize,
    found: Vec<f64>,
}

impl Medians {
    /// Of so many sets; of one with less than `fewest` numbers it is NaN.
    pub(super) fn new(sets: usize, fewest: usize) -> Self {
        let found = Vec::with_capacity(sets);
        Self { fewest, keys: [[i64::MAX; LANES]; MOST], counts: [0; LANES], lane: 0, found }
    }

    /// Adds a number, which is not NaN, to the set; no more than [`MOST`].
    pub(super) fn add(&mut self, value: f64) {
        let count = &mut self.counts[self.lane];
        self.keys[*count][self.lane] = in_order(value.to_bits().cast_signed());
        *count += 1;
    }

    /// Begins the next set.
    pub(super) fn next(&mut self) {
        self.lane += 1;
        if self.lane == LANES {
            self.find();
        }
    }

    /// One for each set; the mean of the middle two where their number is even.
    pub(super) fn finish(mut self) -> Vec<f64> {
        self.find();
        self.found
    }

    fn find(&mut self) {
        sort(&mut self.keys);
        for lane in 0..self.lane {
            let count = self.counts[lane];
            let nth = |rank: usize| f64::from_bits(in_order(self.keys[rank][lane]).cast_unsigned());
            self.found.push(if count < self.fewest.max(1) {
                f64::NAN
            } else if count % 2 == 1 {
                nth(count / 2)
            } else {
                // Halved first: the sum of two large values could overflow.
                nth(count / 2 - 1) / 2.0 + nth(count / 2) / 2.0
            });
        }
        (self.keys, self.counts, self.lane) = ([[i64::MAX; LANES]; MOST], [0; LANES], 0);
    }
}

/// From the bits of a number to an integer that compares as [`f64::total_cmp`] does, and back.
fn in_order(bits: i64) -> i64 {
    // Of negative numbers all bits but the sign are inverted.
    bits ^ ((bits >> 63) & i64::MAX)
}

/// Sorts each lane.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sort(keys: &mut [[i64; LANES]; MOST]) {
    let mut put_in_order = |low: usize, high: usize| {
        for lane in 0..LANES {
            let (a, b) = (keys[low][lane], keys[high][lane]);
            (keys[low][lane], keys[high][lane]) = (a.min(b), a.max(b));
        }
    };
    for run in [2, 4, 8, 16] {
        // Two sorted runs, the second one backwards, become one whose lower half has the lower numbers, and so on.
        for begin in (0..MOST).step_by(run) {
            (0..run / 2).for_each(|place| put_in_order(begin + place, begin + run - 1 - place));
        }
        let mut apart = run / 4;
        while apart > 0 {
            for begin in (0..MOST).step_by(2 * apart) {
                (begin..begin + apart).for_each(|place| put_in_order(place, place + apart));
            }
            apart /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_each_set(sets in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![4 => any::<f64>(), 2 => (-3..3).prop_map(f64::from), 1 => Just(-0.0)], 0..=MOST), 0..40,
        )) {
            let mut medians = Medians::new(sets.len(), 3);
            let mut expected = Vec::new();
            for set in &sets {
                let mut set: Vec<f64> = set.iter().copied().filter(|value| !value.is_nan()).collect();
                set.iter().for_each(|value| medians.add(*value));
                medians.next();
                set.sort_by(f64::total_cmp);
                expected.push(match set.len() {
                    0..3 => f64::NAN,
                    odd if odd % 2 == 1 => set[odd / 2],
                    even => set[even / 2 - 1] / 2.0 + set[even / 2] / 2.0,
                });
            }
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(medians.finish()), bits(expected));
        }
    }
}
