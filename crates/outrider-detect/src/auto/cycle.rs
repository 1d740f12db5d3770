//! A season that is neither a day nor a week long: its length, and what it makes each point expect.
//!
//! The length is the first high peak of the autocorrelation of the days before (G. E. P. Box, G. M. Jenkins, *Time Series
//! Analysis: Forecasting and Control*, 1970, §2.1), of values clipped at four robust standard deviations, so that a few
//! outliers do not hide it. It is looked for once in 288 points.

use std::ops::RangeInclusive;

use multiversion::multiversion;

use super::super::robust::median_and_sigma;
use super::medians::Medians;

/// Points after which a cycle is looked for again, and so many of those spans in which it is looked for.
const SPAN_POINTS: i64 = 288;
const SPANS: i64 = 7;

/// Points that a cycle has.
const POINTS: RangeInclusive<usize> = 8..=576;

/// Past cycles of which a forecast is the median.
const CYCLES: usize = 5;

/// Robust standard deviations beyond which values are clipped.
const CLIPPED: f64 = 4.0;

/// Values are whole numbers of so many to a standard deviation: products of those are summed without rounding, so in any
/// order, and many at once.
const UNIT: f64 = 128.0;
const SUMMED: usize = 1_024;

const _: () = assert!(
    4.0 * CLIPPED * CLIPPED * UNIT * UNIT * (SUMMED as f64) < 2_147_483_647.0,
    "the mean may be as far off as the values, so that the numbers are twice as large"
);

/// Autocorrelation below which values are unlike, which a cycle begins with, and that of a cycle.
const UNLIKE: f64 = 0.2;
const ALIKE: f64 = 0.5;

/// Share of the highest peak that the first one must reach.
const FIRST_SHARE: f64 = 0.9;

/// The median of the points at the same place of past cycles, and of their neighbours; NaN where there is no cycle.
/// `step_ms` is the distance between points; nothing before `reach_ms` before a point is looked at.
pub(super) fn forecast(times: &[i64], filled: &[f64], step_ms: i64, reach_ms: i64) -> Vec<f64> {
    let span_ms = step_ms.saturating_mul(SPAN_POINTS).min(reach_ms / (SPANS + 1) / step_ms * step_ms).max(1);
    let mut medians = Medians::new(times.len(), 3);
    let mut cycle_ms = None;
    let mut span = None;
    let mut places = [0_usize; CYCLES];
    for index in 0..times.len() {
        let now = times[index].div_euclid(span_ms);
        if span.replace(now) != Some(now) {
            let end = now.saturating_mul(span_ms);
            let before = |ms: i64| times.partition_point(|time| *time < ms);
            let sought = before(end.saturating_sub(SPANS * span_ms))..before(end);
            // Where points are missing, the same number of them is not the same time.
            let is_whole = sought.len() as i64 * step_ms >= SPANS * span_ms * 9 / 10;
            let points = if is_whole { length(&filled[sought]) } else { None };
            cycle_ms = points.map(|points| points as i64 * step_ms);
        }
        if let Some(cycle_ms) = cycle_ms {
            let furthest = times[index].saturating_sub(reach_ms);
            for (number, place) in (1..).zip(&mut places) {
                let wanted = times[index] - number * cycle_ms;
                while *place > 0 && times[*place] > wanted {
                    *place -= 1;
                }
                while *place + 1 < times.len() && times[*place + 1] <= wanted {
                    *place += 1;
                }
                if (0..step_ms).contains(&(wanted - times[*place])) {
                    let near = place.saturating_sub(1)..(*place + 2).min(index);
                    let near = near.filter(|near| times[*near] >= furthest).map(|near| filled[near]);
                    near.filter(|value| !value.is_nan()).for_each(|value| medians.add(value));
                }
            }
        }
        medians.next();
    }
    medians.finish()
}

/// Points of the cycle that `values` repeat, if they do.
fn length(values: &[f64]) -> Option<usize> {
    let longest = (*POINTS.end()).min(values.len() / 3);
    let (centre, sigma) = median_and_sigma(values)?;
    if longest <= *POINTS.start() || !(sigma > 0.0 && sigma.is_finite()) {
        return None;
    }
    let standard = |value: &f64| {
        let off = (value - centre) / sigma;
        if off.is_nan() { 0.0 } else { UNIT * off.clamp(-CLIPPED, CLIPPED) }
    };
    let clipped: Vec<f64> = values.iter().map(standard).collect();
    let mean = clipped.iter().sum::<f64>() / clipped.len() as f64;
    let centred: Vec<i16> = clipped.iter().map(|value| (value - mean).round() as i16).collect();
    let whole = covariance(&centred, 0);
    if whole <= 0.0 {
        return None;
    }
    let alike: Vec<f64> = (0..=longest).map(|lag| covariance(&centred, lag) / whole).collect();
    let first = alike.iter().position(|alike| *alike < UNLIKE)?.max(*POINTS.start());
    let highest = alike.get(first..)?.iter().copied().fold(0.0, f64::max);
    let is_peak = |lag: &usize| {
        alike[*lag] >= FIRST_SHARE * highest && alike[*lag] >= alike[lag - 1] && alike[*lag] >= alike[lag + 1]
    };
    if highest < ALIKE {
        return None;
    }
    // Noise makes small peaks beside the large one.
    let begin = (first..longest).find(is_peak)?;
    let near = begin..(begin + begin / 8 + 1).min(longest);
    near.max_by(|a, b| alike[*a].total_cmp(&alike[*b]))
}

/// The mean product of values so many points apart.
#[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2"))]
fn covariance(values: &[i16], lag: usize) -> f64 {
    let (early, late) = (&values[..values.len() - lag], &values[lag..]);
    let mut total = 0_i64;
    for (early, late) in early.chunks(SUMMED).zip(late.chunks(SUMMED)) {
        let late = &late[..early.len()];
        let mut sum = 0_i32;
        for place in 0..early.len() {
            sum += i32::from(early[place]) * i32::from(late[place]);
        }
        total += i64::from(sum);
    }
    total as f64 / early.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::tests::gaussian;
    use super::*;

    const STEP: i64 = 300_000;

    fn wave(points: usize, noise: f64) -> Vec<f64> {
        let phase = |index: usize| index as f64 / points as f64 * std::f64::consts::TAU;
        (0..4_000).map(|index| 10.0 * phase(index).sin() + noise * gaussian(index)).collect()
    }

    #[test]
    fn a_cycle_is_as_long_as_it_is_in_spite_of_outliers_and_noise_has_none() {
        let mut values = wave(84, 2.0);
        values[500] = 1e9;
        let found = length(&values[..2_016]);
        assert!(found.is_some_and(|points| (82..=86).contains(&points)), "{found:?}");
        let noise: Vec<f64> = (0..2_016).map(gaussian).collect();
        assert_eq!(length(&noise), None);
        assert_eq!(length(&[5.0; 2_016]), None);
        assert_eq!(length(&[]), None);
    }

    #[test]
    fn what_is_expected_is_the_same_place_of_the_cycles_before() {
        let values = wave(84, 0.5);
        let times: Vec<i64> = (0..4_000).map(|index| index * STEP).collect();
        let expected = forecast(&times, &values, STEP, 21 * 86_400_000);
        assert!(expected[..2_016].iter().all(|value| value.is_nan()));
        assert!((2_100..4_000).all(|index| (expected[index] - values[index]).abs() < 3.0));
    }
}
