//! Sums over the last few points, for each point.
//!
//! Every sum is taken anew, oldest point first, and so has the same bits wherever the series begins; eight of them are
//! taken side by side, with the widest vectors the processor has.

use multiversion::multiversion;

/// Sums side by side.
const LANES: usize = 8;

/// The sum of the last `points` of `values` at each of them; of fewer at the begin.
pub(super) fn sums(values: &[f64], points: usize) -> Vec<f64> {
    let mut all: Vec<f64> = (1..points.min(values.len() + 1)).map(|end| values[..end].iter().sum()).collect();
    all.resize(values.len(), 0.0);
    let short = points.saturating_sub(1).min(values.len());
    add_windows(values, points, &mut all[short..]);
    all
}

/// The mean of the last `points` of `values` at each of them; of fewer at the begin.
pub(super) fn means(values: &[f64], points: usize) -> Vec<f64> {
    let mut sums = sums(values, points);
    divide_by_count(&mut sums, points);
    sums
}

/// The standard deviation of the last `points` of `values` at each of them; of fewer at the begin.
pub(super) fn deviations(values: &[f64], points: usize) -> Vec<f64> {
    let means = means(values, points);
    let short = points.saturating_sub(1).min(values.len());
    let square = |value: f64, mean: f64| (value - mean) * (value - mean);
    let mut all: Vec<f64> = (1..=short)
        .map(|end| values[..end].iter().map(|value| square(*value, means[end - 1])).sum())
        .collect();
    all.resize(values.len(), 0.0);
    add_squares(values, points, &means[short..], &mut all[short..]);
    divide_by_count(&mut all, points);
    all.iter_mut().for_each(|variance| *variance = variance.sqrt());
    all
}

fn divide_by_count(sums: &mut [f64], points: usize) {
    for (before, sum) in sums.iter_mut().enumerate() {
        *sum /= (before + 1).min(points) as f64;
    }
}

/// Adds to each of `sums` the `points` values that begin at its place.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_windows(values: &[f64], points: usize, sums: &mut [f64]) {
    let mut begin = 0;
    let mut together = sums.chunks_exact_mut(LANES);
    for sums in together.by_ref() {
        let mut totals = [0.0; LANES];
        for first in begin..begin + points {
            let values = &values[first..first + LANES];
            for lane in 0..LANES {
                totals[lane] += values[lane];
            }
        }
        sums.copy_from_slice(&totals);
        begin += LANES;
    }
    for (begin, sum) in (begin..).zip(together.into_remainder()) {
        *sum = values[begin..begin + points].iter().sum();
    }
}

/// Adds to each of `sums` the squared distances from its mean of the `points` values that begin at its place.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_squares(values: &[f64], points: usize, means: &[f64], sums: &mut [f64]) {
    let mut begin = 0;
    let mut together = sums.chunks_exact_mut(LANES);
    let mut centres = means.chunks_exact(LANES);
    for (sums, means) in together.by_ref().zip(centres.by_ref()) {
        let mut totals = [0.0; LANES];
        for first in begin..begin + points {
            let values = &values[first..first + LANES];
            for lane in 0..LANES {
                let apart = values[lane] - means[lane];
                totals[lane] += apart * apart;
            }
        }
        sums.copy_from_slice(&totals);
        begin += LANES;
    }
    for ((begin, sum), mean) in (begin..).zip(together.into_remainder()).zip(centres.remainder()) {
        *sum = values[begin..begin + points].iter().map(|value| (value - mean) * (value - mean)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_side_by_side_have_the_bits_of_windows_one_by_one() {
        let values: Vec<f64> = (0..321).map(|i| (f64::from(i) * 0.7).sin() * f64::from(i * i)).collect();
        for (count, points) in
            [(0, 4), (1, 1), (3, 4), (4, 4), (11, 4), (12, 4), (321, 1), (321, 48), (321, 400)]
        {
            let values = &values[..count];
            let window = |end: usize| &values[(end + 1).saturating_sub(points)..=end];
            let mean = |window: &[f64]| window.iter().sum::<f64>() / window.len() as f64;
            let deviation = |window: &[f64]| {
                let mean = mean(window);
                let squares = window.iter().map(|value| (value - mean) * (value - mean));
                (squares.sum::<f64>() / window.len() as f64).sqrt()
            };
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let each = |of: &dyn Fn(&[f64]) -> f64| (0..count).map(|end| of(window(end))).collect::<Vec<_>>();
            assert_eq!(
                bits(&sums(values, points)),
                bits(&each(&|window| window.iter().sum())),
                "{count} {points}"
            );
            assert_eq!(bits(&means(values, points)), bits(&each(&mean)), "{count} {points}");
            assert_eq!(bits(&deviations(values, points)), bits(&each(&deviation)), "{count} {points}");
        }
    }
}
