//! What Grafana needs of a time series besides what detectors do: thinned for display, and the unit of its rate.

pub use outrider_detect::series::{
    Labels, Mended, Points, Rise, Series, TimeRange, keep_known, looks_like_counter, rate, regular_step_ms,
    rises, text_bytes,
};

/// The unit of the rate of values of `unit`, both Grafana's ids; `None` where Grafana has none.
#[must_use]
pub fn rate_unit(unit: Option<&str>) -> Option<&'static str> {
    match unit {
        None | Some("" | "none" | "short") => Some("cps"),
        Some("bytes") => Some("binBps"),
        Some("decbytes") => Some("Bps"),
        Some("bits") => Some("binbps"),
        Some("decbits") => Some("bps"),
        Some(_) => None,
    }
}

/// Indices of at most `max_points` (at least 1) points that keep the shape of `values`, and besides them every point of
/// `must_keep`; ascending.
///
/// The range is cut into `max_points / 2` buckets of equally many points, and each gives its lowest and its highest
/// value, as a line drawn through all of them would show; where there is room for one point only, the highest. A bucket of gaps
/// gives one gap.
#[must_use]
pub fn thin(values: &[f64], max_points: usize, must_keep: impl Fn(usize) -> bool) -> Vec<usize> {
    if values.len() <= max_points {
        return (0..values.len()).collect();
    }
    let buckets = (max_points / 2).max(1);
    let mut kept = Vec::with_capacity(max_points);
    for bucket in 0..buckets {
        let start = bucket * values.len() / buckets;
        let end = (bucket + 1) * values.len() / buckets;
        let finite = || (start..end).filter(|index| values[*index].is_finite());
        let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
        let high = finite().max_by(by_value).unwrap_or(start);
        let low = if max_points > 1 { finite().min_by(by_value).unwrap_or(start) } else { high };
        kept.extend((start..end).filter(|index| *index == low || *index == high || must_keep(*index)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_become_those_of_their_rate() {
        assert_eq!(rate_unit(None), Some("cps"));
        assert_eq!(rate_unit(Some("bytes")), Some("binBps"));
        assert_eq!(rate_unit(Some("decbits")), Some("bps"));
        assert_eq!(rate_unit(Some("celsius")), None);
    }

    #[test]
    fn room_for_one_point_is_filled_with_one() {
        let values = [1.0, 5.0, f64::NAN, -3.0];
        assert_eq!(thin(&values, 1, |_| false), [1]);
        assert_eq!(thin(&values, 1, |index| index == 3), [1, 3]);
        assert_eq!(thin(&[f64::NAN; 3], 1, |_| false), [0]);
    }

    proptest! {
        #[test]
        fn thinning_keeps_extremes_and_everything_that_must_stay(
            values in proptest::collection::vec(prop_oneof![9 => -1e6..1e6, 1 => Just(f64::NAN)], 0..500),
            max_points in 2_usize..100,
            stride in 1_usize..50,
        ) {
            let flagged = |index: usize| index.is_multiple_of(stride);
            let kept = thin(&values, max_points, flagged);
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!((0..values.len()).filter(|i| flagged(*i)).all(|i| kept.binary_search(&i).is_ok()));
            let unflagged = kept.iter().filter(|index| !flagged(**index)).count();
            prop_assert!(unflagged <= max_points);
            let finite = |indices: &mut dyn Iterator<Item = usize>| -> Option<(f64, f64)> {
                let all: Vec<f64> = indices.map(|i| values[i]).filter(|v| v.is_finite()).collect();
                (!all.is_empty()).then(|| all.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v))))
            };
            prop_assert_eq!(finite(&mut kept.iter().copied()), finite(&mut (0..values.len())));
        }
    }
}
