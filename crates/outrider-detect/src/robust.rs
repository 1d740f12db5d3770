//! Location and scale that a few outliers cannot move.

/// Makes the MAD an estimate of the standard deviation of a normal distribution: 1 / Φ⁻¹(3/4)
/// (Rousseeuw and Croux, *Alternatives to the Median Absolute Deviation*, JASA 88, 1993, section 1).
pub(super) const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Makes the mean absolute deviation an estimate of the standard deviation of a normal distribution: √(π/2),
/// as E|X − μ| = σ √(2/π).
pub(super) const MEAN_DEVIATION_TO_SIGMA: f64 = 1.253_314_137_315_500_3;

/// Median and robust standard deviation (1.4826 · MAD) of the finite values; `None` if there are none.
pub(super) fn median_and_sigma(values: &[f64]) -> Option<(f64, f64)> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let centre = median(&mut finite)?;
    for value in &mut finite {
        *value = (*value - centre).abs();
    }
    let mad = median(&mut finite)?;
    Some((centre, MAD_TO_SIGMA * mad))
}

/// Median of `values`, which it reorders; the mean of the middle two where their number is even.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    // Halved first: the sum of two large values could overflow.
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_move_neither() {
        let (centre, sigma) = median_and_sigma(&[1.0, 2.0, 3.0, 4.0, 1e9, f64::NAN]).unwrap();
        assert_eq!(centre, 3.0);
        assert_eq!(sigma, MAD_TO_SIGMA);
        assert_eq!(median_and_sigma(&[f64::NAN]), None);
        assert_eq!(median_and_sigma(&[f64::MAX, f64::MAX]).unwrap().0, f64::MAX);
    }
}
