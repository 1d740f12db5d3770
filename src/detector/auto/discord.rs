//! How unlike everything before a window is: its Euclidean distance to the nearest earlier window of the same length.
//!
//! This is the left matrix profile, whose highest values are the discords (C.-C. M. Yeh et al., *Matrix Profile I*,
//! ICDM 2016; E. Keogh, J. Lin, A. Fu, *HOT SAX*, ICDM 2005), without the division by each window's deviation, which
//! makes noise of flat windows. The squared distance between two windows that both move on by a point changes by one
//! term that enters and one that leaves, so a point costs O(history) whatever the window.

use std::ops::Range;

/// Points back in which the most similar window is looked for.
pub(super) const HISTORY: usize = 2_016;

/// Points after which sums are taken anew, so that rounding does not depend on where the series begins.
pub(super) const CHUNK: usize = 256;

/// The distances of every window length.
#[derive(Debug)]
pub(super) struct Discords {
    by_length: Vec<(usize, Vec<f64>, Vec<f64>)>,
}

impl Discords {
    /// Distances of the windows of `lengths` that end at each of `values` (finite), NaN where too little comes before.
    /// Within one of `chunks`, which cover the values, sums are carried on; at its begin they are taken anew.
    pub(super) fn new(values: &[f64], chunks: &[Range<usize>], lengths: &[usize]) -> Self {
        // Reversed, so that walking into the past walks up in memory.
        let reversed: Vec<f64> = values.iter().rev().copied().collect();
        let by_length = lengths
            .iter()
            .map(|length| {
                let (plain, shape) = distances(values, &reversed, chunks, *length);
                (*length, plain, shape)
            })
            .collect();
        Self { by_length }
    }

    /// The distances of windows of `length` points.
    pub(super) fn take(&mut self, length: usize) -> Vec<f64> {
        self.find(length).map(|found| std::mem::take(&mut found.1)).unwrap_or_default()
    }

    /// The distances of windows of `length` points, each less its mean.
    pub(super) fn take_shape(&mut self, length: usize) -> Vec<f64> {
        self.find(length).map(|found| std::mem::take(&mut found.2)).unwrap_or_default()
    }

    fn find(&mut self, length: usize) -> Option<&mut (usize, Vec<f64>, Vec<f64>)> {
        self.by_length.iter_mut().find(|(of, ..)| *of == length)
    }
}

fn distances(
    values: &[f64],
    reversed: &[f64],
    chunks: &[Range<usize>],
    length: usize,
) -> (Vec<f64>, Vec<f64>) {
    let count = values.len();
    let sums_reversed: Vec<f64> =
        (0..count).map(|place| reversed[place..(place + length).min(count)].iter().sum()).collect();
    let (mut plain, mut shape) = (vec![f64::NAN; count], vec![f64::NAN; count]);
    let mut squares = vec![0.0; HISTORY + 1];
    for chunk in chunks {
        for end in chunk.clone() {
            // A window before and one that does not overlap it.
            if end + 1 < 3 * length {
                continue;
            }
            let lags = (end + 1 - length).min(HISTORY);
            let here = count - 1 - end;
            let fresh = end == chunk.start || end + 1 == 3 * length;
            if fresh {
                for (lag, square) in squares.iter_mut().enumerate().take(lags + 1).skip(1) {
                    let pairs =
                        reversed[here..here + length].iter().zip(&reversed[here + lag..here + lag + length]);
                    *square = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                }
            } else {
                if lags > (end - length).min(HISTORY) {
                    // The oldest window has just come within reach.
                    let pairs = reversed[here..here + length]
                        .iter()
                        .zip(&reversed[here + lags..here + lags + length]);
                    squares[lags] = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                }
                let carried = (end - length).min(HISTORY);
                slide(
                    &mut squares[1..=carried],
                    (reversed[here], &reversed[here + 1..]),
                    (reversed[here + length], &reversed[here + length + 1..]),
                );
            }
            let (nearest, nearest_shape) = nearest(
                &squares[length..=lags],
                sums_reversed[here],
                &sums_reversed[here + length..],
                1.0 / length as f64,
            );
            plain[end] = nearest.max(0.0).sqrt();
            shape[end] = nearest_shape.max(0.0).sqrt();
        }
    }
    (plain, shape)
}

/// Moves every pair of windows on by a point: adds the squared difference that enters, takes off the one that leaves.
#[inline]
fn slide(squares: &mut [f64], entering: (f64, &[f64]), leaving: (f64, &[f64])) {
    for ((square, new), old) in squares.iter_mut().zip(entering.1).zip(leaving.1) {
        let (enters, leaves) = (entering.0 - new, leaving.0 - old);
        *square += enters * enters - leaves * leaves;
    }
}

/// The smallest of `squares`, and the smallest once the share of the windows' means is taken off.
#[inline]
fn nearest(squares: &[f64], sum: f64, sums: &[f64], per_point: f64) -> (f64, f64) {
    /// As many minima side by side as the widest vectors hold.
    const LANES: usize = 8;
    let mut plain = [f64::INFINITY; LANES];
    let mut shape = [f64::INFINITY; LANES];
    let smaller = |a: f64, b: f64| if a < b { a } else { b };
    let mut squares = squares.chunks_exact(LANES);
    let mut others = sums[..squares.len() * LANES + squares.remainder().len()].chunks_exact(LANES);
    for (squares, sums) in squares.by_ref().zip(others.by_ref()) {
        for lane in 0..LANES {
            let apart = sum - sums[lane];
            plain[lane] = smaller(squares[lane], plain[lane]);
            shape[lane] = smaller(squares[lane] - apart * apart * per_point, shape[lane]);
        }
    }
    let mut nearest = (f64::INFINITY, f64::INFINITY);
    for (square, other) in squares.remainder().iter().zip(others.remainder()) {
        let apart = sum - other;
        nearest = (smaller(*square, nearest.0), smaller(square - apart * apart * per_point, nearest.1));
    }
    for lane in 0..LANES {
        nearest = (smaller(plain[lane], nearest.0), smaller(shape[lane], nearest.1));
    }
    nearest
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

    #[test]
    fn it_is_the_distance_to_the_nearest_earlier_window() {
        let values = wave(2_600);
        let chunks: Vec<Range<usize>> =
            (0..2_600).step_by(CHUNK).map(|begin| begin..(begin + CHUNK).min(2_600)).collect();
        for length in [12, 48] {
            let mut discords = Discords::new(&values, &chunks, &[length]);
            let (plain, shape) = (discords.take(length), discords.take_shape(length));
            assert!(plain[..3 * length - 1].iter().all(|distance| distance.is_nan()));
            for end in [3 * length - 1, 3 * length, 300, 511, 512, 513, 2_100, 2_599] {
                let expected = by_definition(&values, end, length);
                assert!(
                    (plain[end] - expected.0).abs() < 1e-6,
                    "{length} {end}: {} {expected:?}",
                    plain[end]
                );
                assert!(
                    (shape[end] - expected.1).abs() < 1e-6,
                    "{length} {end}: {} {expected:?}",
                    shape[end]
                );
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_where_the_series_begins() {
        let values = wave(4_000);
        let distances = |from: usize| {
            let chunks: Vec<Range<usize>> = (from..4_000)
                .collect::<Vec<_>>()
                .chunk_by(|a, b| a / CHUNK == b / CHUNK)
                .map(|chunk| chunk[0] - from..chunk[chunk.len() - 1] + 1 - from)
                .collect();
            Discords::new(&values[from..], &chunks, &[24]).take(24)
        };
        let (whole, part) = (distances(0), distances(1_001));
        let after = 1_001 + HISTORY + 24 + CHUNK;
        for end in after..4_000 {
            assert_eq!(whole[end].to_bits(), part[end - 1_001].to_bits(), "{end}");
        }
    }
}
