//! Sums over the last few points, for each point.
//!
//! Every sum is taken anew, oldest point first, and so has the same bits wherever the series begins; many are
//! taken side by side, with the widest vectors the processor has.

use multiversion::multiversion;

/// Sums side by side in a vector: as many as the widest hold.
const LANES: usize = 8;
/// Vectors of them, as an addition takes four cycles.
const VECTORS: usize = 4;
const TOGETHER: usize = VECTORS * LANES;

/// For each point how many points are in its sight, itself among them: those no more than `ms` before it (`None`: all),
/// as far as there is no NaN between. None are in sight of a NaN.
pub(super) fn sights(times: &[i64], values: &[f64], ms: Option<i64>) -> Vec<usize> {
    let mut first = 0;
    let count = |(index, time): (usize, &i64)| {
        if values[index].is_nan() {
            first = index + 1;
        }
        if let Some(ms) = ms {
            while first < index && times[first] < time.saturating_sub(ms) {
                first += 1;
            }
        }
        index + 1 - first
    };
    times.iter().enumerate().map(count).collect()
}

/// The sum of the last `points` of `values` at each of them; NaN where there are not so many.
pub(super) fn whole_sums(values: &[f64], points: usize) -> Vec<f64> {
    let short = points.saturating_sub(1).min(values.len());
    let mut all = vec![f64::NAN; short];
    all.resize(values.len(), 0.0);
    add_windows(values, points, &mut all[short..]);
    all
}

/// The sum of the last `points` of `values` at each of them; of fewer where fewer are in sight.
pub(super) fn sums(values: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let mut all = whole_sums(values, points);
    for (end, sight) in (1..).zip(sights).filter(|(_, sight)| **sight < points) {
        all[end - 1] = values[end - sight..end].iter().sum();
    }
    all
}

/// The mean of the last `points` of `values` at each of them; of fewer where fewer are in sight.
pub(super) fn means(values: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let mut sums = sums(values, points, sights);
    divide_by_count(&mut sums, points, sights);
    sums
}

/// The mean of the last `points` of `changes`, each of which is that of a point from the one before, which must be in
/// sight too.
pub(super) fn means_of_changes(changes: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let mut sums = sums_of_changes(changes, points, sights);
    divide_by_count(&mut sums, points, sights);
    sums
}

/// The sum of the last `points` of `changes`, likewise.
pub(super) fn sums_of_changes(changes: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let before: Vec<usize> = sights.iter().map(|sight| sight.saturating_sub(1)).collect();
    sums(changes, points, &before)
}

/// The standard deviation of the last `points` of `values` at each of them; of fewer where fewer are in sight.
pub(super) fn deviations(values: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let means = means(values, points, sights);
    let short = points.saturating_sub(1).min(values.len());
    let mut all = vec![0.0; values.len()];
    add_squares(values, points, &means[short..], &mut all[short..]);
    for (end, sight) in (1..).zip(sights).filter(|(_, sight)| **sight < points) {
        let apart = values[end - sight..end].iter().map(|value| value - means[end - 1]);
        all[end - 1] = apart.map(|apart| apart * apart).sum();
    }
    divide_by_count(&mut all, points, sights);
    all.iter_mut().for_each(|variance| *variance = variance.sqrt());
    all
}

fn divide_by_count(sums: &mut [f64], points: usize, sights: &[usize]) {
    for (sum, sight) in sums.iter_mut().zip(sights) {
        *sum /= points.min(*sight) as f64;
    }
}

/// Adds to each of `sums` the `points` values that begin at its place.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_windows(values: &[f64], points: usize, sums: &mut [f64]) {
    let mut begin = 0;
    let (together, rest) = sums.as_chunks_mut::<TOGETHER>();
    for sums in together {
        let mut totals = [[0.0; LANES]; VECTORS];
        for values in values[begin..begin + points + TOGETHER - 1].windows(TOGETHER) {
            let values = vectors(values);
            for vector in 0..VECTORS {
                for lane in 0..LANES {
                    totals[vector][lane] += values[vector][lane];
                }
            }
        }
        sums.copy_from_slice(totals.as_flattened());
        begin += TOGETHER;
    }
    for (begin, sum) in (begin..).zip(rest) {
        *sum = values[begin..begin + points].iter().sum();
    }
}

/// Adds to each of `sums` the squared distances from its mean of the `points` values that begin at its place.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_squares(values: &[f64], points: usize, means: &[f64], sums: &mut [f64]) {
    let mut begin = 0;
    let (together, rest) = sums.as_chunks_mut::<TOGETHER>();
    for sums in together {
        let means = vectors(&means[begin..begin + TOGETHER]);
        let mut totals = [[0.0; LANES]; VECTORS];
        for values in values[begin..begin + points + TOGETHER - 1].windows(TOGETHER) {
            let values = vectors(values);
            for vector in 0..VECTORS {
                for lane in 0..LANES {
                    let apart = values[vector][lane] - means[vector][lane];
                    totals[vector][lane] += apart * apart;
                }
            }
        }
        sums.copy_from_slice(totals.as_flattened());
        begin += TOGETHER;
    }
    for ((begin, sum), mean) in (begin..).zip(rest).zip(&means[begin..]) {
        *sum = values[begin..begin + points].iter().map(|value| (value - mean) * (value - mean)).sum();
    }
}

/// So many numbers as vectors.
#[inline(always)]
fn vectors(together: &[f64]) -> &[[f64; LANES]; VECTORS] {
    let (vectors, _) = together.as_chunks();
    vectors.first_chunk().expect("so many numbers are so many vectors")
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
            // Now and then fewer are in sight.
            let sights: Vec<usize> = (0..count).map(|index| (index + 1).min(350 - index)).collect();
            let window = |end: usize| &values[end + 1 - points.min(sights[end])..=end];
            let mean = |window: &[f64]| window.iter().sum::<f64>() / window.len() as f64;
            let deviation = |window: &[f64]| {
                let mean = mean(window);
                let squares = window.iter().map(|value| (value - mean) * (value - mean));
                (squares.sum::<f64>() / window.len() as f64).sqrt()
            };
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let each = |of: &dyn Fn(&[f64]) -> f64| (0..count).map(|end| of(window(end))).collect::<Vec<_>>();
            assert_eq!(
                bits(&sums(values, points, &sights)),
                bits(&each(&|window| window.iter().sum())),
                "{count} {points}"
            );
            assert_eq!(bits(&means(values, points, &sights)), bits(&each(&mean)), "{count} {points}");
            assert_eq!(
                bits(&deviations(values, points, &sights)),
                bits(&each(&deviation)),
                "{count} {points}"
            );
        }
    }

    #[test]
    fn nothing_is_in_sight_beyond_a_gap_or_too_long_ago() {
        let times = [0, 10, 20, 30, 40, 70, 80];
        let values = [1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0, 7.0];
        assert_eq!(sights(&times, &values, None), [1, 2, 0, 1, 2, 3, 4]);
        assert_eq!(sights(&times, &values, Some(30)), [1, 2, 0, 1, 2, 2, 2]);
        assert_eq!(means_of_changes(&values, 3, &[1, 2, 0, 1, 2, 3, 4])[4..], [2.5, 11.0 / 3.0, 6.0]);
    }
}
