//! How unlike everything before a window is: its Euclidean distance to the nearest earlier window of the same length.
//!
//! This is the left matrix profile, whose highest values are the discords (C.-C. M. Yeh et al., *Matrix Profile I*,
//! ICDM 2016; E. Keogh, J. Lin, A. Fu, *HOT SAX*, ICDM 2005), without the division by each window's deviation, which
//! makes noise of flat windows.
//!
//! All lengths are searched in one walk along each lag. The squared distance of two windows of 96 points is that of
//! their later halves and that of their earlier halves, which was formed 48 points before, and so on down to single
//! points: eight operations a pair of points for all lengths together. Nothing is ever subtracted, so a distance is the
//! same sum wherever the walk begins. Eight lags stand side by side in a vector; which vectors the processor has is
//! found out at run time and changes no bit.
#![expect(
    clippy::needless_range_loop,
    reason = "plain loops over lanes become vector instructions in every build; chains of iterators do not in some"
)]

use std::array;

use multiversion::multiversion;

use super::windows;
use outrider_forest::cancel::checkpoint;

/// Points back in which the most similar window is looked for.
pub(super) const HISTORY: usize = 2_016;

/// Points of the windows; each length is twice the one before.
const LENGTHS: [usize; 4] = [12, 24, 48, LONGEST];
/// Points of the longest window.
pub(super) const LONGEST: usize = 96;
/// So many of the lengths, the shortest, are also compared by shape.
const SHAPED: usize = 3;

/// Lags side by side: as many as the widest vectors hold.
const LANES: usize = 8;
/// Vectors of lags that are followed at once.
const VECTORS: usize = 4;
/// Lags that are followed at once.
const LAGS: usize = LANES * VECTORS;
/// Points whose minima are kept in eight lanes before they become one number each: what a second-level cache holds.
const ROWS: usize = 1_024;

const _: () = assert!(HISTORY.is_multiple_of(LAGS), "the last lags would be beyond the history");

/// The distances of every window length, one for each point.
#[derive(Debug)]
pub(super) struct Discords {
    plain: [Vec<f64>; LENGTHS.len()],
    shape: [Vec<f64>; SHAPED],
}

impl Discords {
    /// Distances of the windows that end at each of `values` from the one at `first` on; NaN before, and where too little
    /// comes before. `sights` says how many points each may look back on, itself among them; there is no NaN between.
    pub(super) fn new(values: &[f64], first: usize, sights: &[usize]) -> Self {
        Self::by(follow, values, first, sights)
    }

    /// `follow` is [`follow`], or what that is for any processor.
    fn by(
        follow: impl Fn(&Past, usize, Rows<'_>, &mut Walk, &mut [Nearest]),
        values: &[f64],
        first: usize,
        sights: &[usize],
    ) -> Self {
        let past = Past::new(values);
        let mut all = Self {
            plain: array::from_fn(|_| vec![f64::NAN; values.len()]),
            shape: array::from_fn(|_| vec![f64::NAN; values.len()]),
        };
        let mut walk = Box::new(Walk::NEW);
        let mut nearest = vec![Nearest::NONE; ROWS];
        for begin in (first..values.len()).step_by(ROWS) {
            checkpoint();
            let rows = begin..(begin + ROWS).min(values.len());
            let nearest = &mut nearest[..rows.len()];
            nearest.fill(Nearest::NONE);
            let seen = Rows::new(begin, &sights[rows.clone()]);
            // Larger lags lead to windows that would begin before the values.
            for lag in (1..=HISTORY.min(rows.end)).step_by(LAGS) {
                follow(&past, lag, seen, &mut walk, nearest);
            }
            for (row, nearest) in rows.zip(nearest) {
                all.note(row, nearest, sights[row]);
            }
        }
        all
    }

    fn note(&mut self, row: usize, nearest: &Nearest, sight: usize) {
        let plain = self.plain.iter_mut().zip(&nearest.plain).zip(LENGTHS);
        let shape = self.shape.iter_mut().zip(&nearest.shape).zip(LENGTHS);
        for ((distances, squares), length) in plain.chain(shape) {
            // Otherwise there are too few windows before it that do not overlap it.
            if sight >= 3 * length {
                distances[row] = squares.iter().copied().fold(f64::INFINITY, smaller).max(0.0).sqrt();
            }
        }
    }

    /// The distances of windows of `length` points; they are handed out once.
    pub(super) fn take(&mut self, length: usize) -> Vec<f64> {
        take(&mut self.plain, length)
    }

    /// The distances of windows of `length` points, each less its mean; they are handed out once.
    pub(super) fn take_shape(&mut self, length: usize) -> Vec<f64> {
        take(&mut self.shape, length)
    }
}

fn take(by_length: &mut [Vec<f64>], length: usize) -> Vec<f64> {
    let found = by_length.iter_mut().zip(LENGTHS).find(|(_, of)| *of == length);
    found.map(|(distances, _)| std::mem::take(distances)).unwrap_or_default()
}

/// One number for each of eight lags, the largest lag first.
type Lanes = [f64; LANES];

/// The values, with [`HISTORY`] NaNs before the first: the distance to a window that would begin before them is NaN
/// too, and so never the smallest.
struct Past {
    values: Vec<f64>,
    /// Sums of the windows that end at each value, over the root of their length: squared, the difference of two is what
    /// the windows' means contribute to their squared distance.
    sums: [Vec<f64>; SHAPED],
}

impl Past {
    fn new(values: &[f64]) -> Self {
        let padded = [&[f64::NAN; HISTORY], values].concat();
        let sums = array::from_fn(|place| {
            let share = (1.0 / LENGTHS[place] as f64).sqrt();
            let mut sums = windows::whole_sums(&padded, LENGTHS[place]);
            sums.iter_mut().for_each(|sum| *sum *= share);
            sums
        });
        Self { values: padded, sums }
    }
}

/// The numbers at the [`LAGS`] lags from `lag` on, seen from `row`; the largest lag first.
#[inline(always)]
fn lagged(padded: &[f64], row: usize, lag: usize) -> &[Lanes; VECTORS] {
    let first = HISTORY + row + 1 - lag - LAGS;
    let (vectors, _) = padded[first..first + LAGS].as_chunks();
    vectors.first_chunk().expect("so many lags are so many vectors")
}

/// The smallest squared distances found at one point, in the lanes in which they were found.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Nearest {
    plain: [Lanes; LENGTHS.len()],
    shape: [Lanes; SHAPED],
}

impl Nearest {
    const NONE: Self =
        Self { plain: [[f64::INFINITY; LANES]; LENGTHS.len()], shape: [[f64::INFINITY; LANES]; SHAPED] };
}

/// Squared distances at the last few points of a walk along some lags, as far as they are needed again.
#[repr(align(64))]
struct Walk {
    of_1: [Lanes; VECTORS],
    // Rings: a point's place is its number modulo the length, and holds what was so many points before until then.
    of_2: [[Lanes; VECTORS]; 2],
    of_4: [[Lanes; VECTORS]; 8],
    of_12: [[Lanes; VECTORS]; 12],
    of_24: [[Lanes; VECTORS]; 24],
    of_48: [[Lanes; VECTORS]; 48],
}

/// Points after which nothing depends on what was in a [`Walk`] before.
const RUN_UP: usize = LONGEST - 1;

impl Walk {
    const NEW: Self = {
        let none = [[f64::NAN; LANES]; VECTORS];
        Self {
            of_1: none,
            of_2: [none; 2],
            of_4: [none; 8],
            of_12: [none; 12],
            of_24: [none; 24],
            of_48: [none; 48],
        }
    };

    /// Squared distances of the windows of each length that end at `row` from those that end at the values `lagged`,
    /// which are that `vector` of the lags.
    #[inline(always)]
    fn next(&mut self, row: usize, value: f64, vector: usize, lagged: &Lanes) -> [Lanes; LENGTHS.len()] {
        let mut of_1 = [0.0; LANES];
        for lane in 0..LANES {
            let apart = value - lagged[lane];
            of_1[lane] = apart * apart;
        }
        let of_2 = plus(of_1, self.of_1[vector]);
        self.of_1[vector] = of_1;
        let of_4 = plus(of_2, self.of_2[row % 2][vector]);
        self.of_2[row % 2][vector] = of_2;
        let of_8 = plus(of_4, self.of_4[(row + 4) % 8][vector]);
        let of_12 = plus(of_8, self.of_4[row % 8][vector]);
        self.of_4[row % 8][vector] = of_4;
        let of_24 = plus(of_12, self.of_12[row % 12][vector]);
        self.of_12[row % 12][vector] = of_12;
        let of_48 = plus(of_24, self.of_24[row % 24][vector]);
        self.of_24[row % 24][vector] = of_24;
        let of_96 = plus(of_48, self.of_48[row % 48][vector]);
        self.of_48[row % 48][vector] = of_48;
        [of_12, of_24, of_48, of_96]
    }
}

/// The points from `begin` on, by how many each may look back on.
#[derive(Clone, Copy)]
struct Rows<'a> {
    begin: usize,
    sights: &'a [usize],
    /// The fewest of those that do not reach back to the first value.
    fewest: usize,
}

impl<'a> Rows<'a> {
    fn new(begin: usize, sights: &'a [usize]) -> Self {
        // Of the points before all values nothing is known, so that those need not be passed over.
        let short = (begin + 1..).zip(sights).filter(|(all, sight)| *sight < all).map(|(_, sight)| *sight);
        Self { begin, sights, fewest: short.min().unwrap_or(usize::MAX) }
    }
}

/// Looks for nearer windows at the [`LAGS`] lags from `lag` on, for those that end at each of `rows`.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn follow(past: &Past, lag: usize, rows: Rows<'_>, walk: &mut Walk, nearest: &mut [Nearest]) {
    follow_on_any(past, lag, rows, walk, nearest);
}

#[inline(always)]
fn follow_on_any(past: &Past, lag: usize, rows: Rows<'_>, walk: &mut Walk, nearest: &mut [Nearest]) {
    if lag < LONGEST || rows.fewest < lag + LAGS - 1 + LONGEST {
        look::<true>(past, lag, rows, walk, nearest);
    } else {
        look::<false>(past, lag, rows, walk, nearest);
    }
}

/// `CHECKED` says that windows at these lags may overlap, or begin out of sight; those are passed over. Overlapping ones
/// are alike because they share points.
#[inline(always)]
fn look<const CHECKED: bool>(
    past: &Past,
    lag: usize,
    rows: Rows<'_>,
    walk: &mut Walk,
    nearest: &mut [Nearest],
) {
    // A window that ends before the row `lag` has none so far back.
    let first = rows.begin.max(lag);
    let run_up = first.saturating_sub(RUN_UP);
    if run_up < lag {
        *walk = Walk::NEW;
    }
    for row in run_up.max(lag)..first {
        let values = lagged(&past.values, row, lag);
        for vector in 0..VECTORS {
            walk.next(row, past.values[HISTORY + row], vector, &values[vector]);
        }
    }
    for (offset, nearest) in nearest.iter_mut().enumerate().skip(first - rows.begin) {
        let row = rows.begin + offset;
        let value = past.values[HISTORY + row];
        let values = lagged(&past.values, row, lag);
        let sum = [past.sums[0][HISTORY + row], past.sums[1][HISTORY + row], past.sums[2][HISTORY + row]];
        let sums = [
            lagged(&past.sums[0], row, lag),
            lagged(&past.sums[1], row, lag),
            lagged(&past.sums[2], row, lag),
        ];
        let mut best = *nearest;
        for vector in 0..VECTORS {
            let mut squares = walk.next(row, value, vector, &values[vector]);
            if CHECKED {
                pass_over(&mut squares, lag + (VECTORS - 1 - vector) * LANES, rows.sights[offset]);
            }
            for place in 0..LENGTHS.len() {
                for lane in 0..LANES {
                    best.plain[place][lane] = smaller(best.plain[place][lane], squares[place][lane]);
                }
            }
            for place in 0..SHAPED {
                for lane in 0..LANES {
                    let apart = sum[place] - sums[place][vector][lane];
                    let square = squares[place][lane] - apart * apart;
                    best.shape[place][lane] = smaller(best.shape[place][lane], square);
                }
            }
        }
        *nearest = best;
    }
}

/// Makes the distances of windows that overlap, or begin out of sight, infinite, at the lags from `lag` on.
#[inline(always)]
fn pass_over(squares: &mut [Lanes; LENGTHS.len()], lag: usize, sight: usize) {
    for place in 0..LENGTHS.len() {
        for lane in 0..LANES {
            let lag = lag + LANES - 1 - lane;
            if lag < LENGTHS[place] || lag + LENGTHS[place] > sight {
                squares[place][lane] = f64::INFINITY;
            }
        }
    }
}

#[inline(always)]
fn plus(a: Lanes, b: Lanes) -> Lanes {
    let mut sums = a;
    for lane in 0..LANES {
        sums[lane] += b[lane];
    }
    sums
}

/// The smaller of a number and one that may be NaN, which then is not.
#[inline(always)]
fn smaller(least: f64, other: f64) -> f64 {
    if other < least { other } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize) -> Vec<f64> {
        (0..count).map(|i| (i as f64 / 7.0).sin() * 10.0 + ((i * 7919) % 101) as f64 / 50.0).collect()
    }

    /// By definition, without anything carried on.
    fn by_definition(values: &[f64], end: usize, length: usize) -> (f64, f64) {
        let window = |end: usize| &values[end + 1 - length..=end];
        let mean = |window: &[f64]| window.iter().sum::<f64>() / length as f64;
        let distance = |lag: usize, centred: bool| {
            let (a, b) = (window(end), window(end - lag));
            let shift = if centred { mean(a) - mean(b) } else { 0.0 };
            a.iter().zip(b).map(|(a, b)| (a - b - shift).powi(2)).sum::<f64>().sqrt()
        };
        let lags = length..=(end + 1 - length).min(HISTORY);
        lags.fold((f64::INFINITY, f64::INFINITY), |(plain, shape), lag| {
            (plain.min(distance(lag, false)), shape.min(distance(lag, true)))
        })
    }

    /// The sights of points that may look back on all before.
    fn all(count: usize) -> Vec<usize> {
        (1..=count).collect()
    }

    #[test]
    fn it_is_the_distance_to_the_nearest_earlier_window() {
        let values = wave(2_600);
        let mut discords = Discords::new(&values, 0, &all(2_600));
        for length in LENGTHS {
            let (plain, shape) = (discords.take(length), discords.take_shape(length));
            assert!(plain[..3 * length - 1].iter().all(|distance| distance.is_nan()));
            for end in [3 * length - 1, 3 * length, 300, 1_023, 1_024, 1_025, 2_015, 2_064, 2_100, 2_599] {
                let expected = by_definition(&values, end, length);
                assert!(
                    (plain[end] - expected.0).abs() < 1e-6,
                    "{length} {end}: {} {expected:?}",
                    plain[end]
                );
                assert!(
                    length == LONGEST || (shape[end] - expected.1).abs() < 1e-6,
                    "{length} {end}: {} {expected:?}",
                    shape[end]
                );
            }
        }
    }

    /// Bits of all distances from `first` on.
    fn bits(mut discords: Discords, first: usize) -> Vec<u64> {
        let of =
            |distances: Vec<f64>| distances.into_iter().skip(first).map(f64::to_bits).collect::<Vec<_>>();
        let plain = LENGTHS.map(|length| of(discords.take(length))).concat();
        let shape = LENGTHS.map(|length| of(discords.take_shape(length))).concat();
        [plain, shape].concat()
    }

    #[test]
    fn bits_do_not_depend_on_where_the_series_begins_or_the_search() {
        let values = wave(4_000);
        let whole = bits(Discords::new(&values, 0, &all(4_000)), 3_500);
        assert_eq!(whole, bits(Discords::new(&values[1_001..], 0, &all(2_999)), 2_499));
        assert_eq!(whole, bits(Discords::new(&values, 3_499, &all(4_000)), 3_500));
        assert_eq!(whole, bits(Discords::new(&values, 3_500, &all(4_000)), 3_500));
    }

    #[test]
    fn what_is_out_of_sight_changes_no_bit() {
        let values = wave(2_600);
        for sight in [40, 300, 1_500, HISTORY + LONGEST] {
            let begin = 2_500 - sight;
            let sights = Vec::from_iter((1..=2_600).map(|count: usize| count.min(sight)));
            let whole = bits(Discords::new(&values, 0, &sights), 2_499);
            let rest = 2_600 - begin;
            let late = bits(Discords::new(&values[begin..], 0, &sights[..rest]), 2_499 - begin);
            assert_eq!(whole, late, "{sight}");
            if sight > HISTORY {
                assert_eq!(whole, bits(Discords::new(&values, 0, &all(2_600)), 2_499));
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_processor() {
        let mut values = wave(1_500);
        values[700] = 1e200;
        values[900..1_000].fill(3.0);
        let here = Discords::new(&values, 100, &all(1_500));
        let anywhere = Discords::by(follow_on_any, &values, 100, &all(1_500));
        assert_eq!(bits(here, 0), bits(anywhere, 0));
    }
}
