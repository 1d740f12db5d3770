//! A series laid on a grid of even steps, as methods need that count in points of a season.

use super::Points;

/// Finite values in slots of even length, from the first of them to the last; NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slots {
    /// Time of the first slot, ms since the epoch.
    pub(super) origin_ms: i64,
    /// Length of a slot in ms, above 0: the median distance of the points.
    pub(super) step_ms: i64,
    /// One value a slot; the last one where several points share it.
    pub(super) values: Vec<f64>,
}

/// The fewest points a step is inferred from.
const MIN_POINTS: usize = 3;

impl Slots {
    /// Lays `points` in slots.
    ///
    /// # Errors
    /// In plain words what is lacking: too few values, or more gaps than values.
    pub(super) fn of(points: Points<'_>) -> Result<Self, String> {
        let present: Vec<(i64, f64)> = points
            .times
            .iter()
            .copied()
            .zip(points.values.iter().copied())
            .filter(|(_, value)| value.is_finite())
            .collect();
        let ([(first, _), .., (last, _)], [_, .., _]) = (&present[..], points.times) else {
            return Err(too_few(present.len(), MIN_POINTS));
        };
        if present.len() < MIN_POINTS {
            return Err(too_few(present.len(), MIN_POINTS));
        }
        // Of all times, since gaps are marked: a series with many of them still shows its step.
        let mut distances: Vec<i64> =
            points.times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        let middle = distances.len() / 2;
        let (_, &mut step_ms, _) = distances.select_nth_unstable(middle);
        let step_ms = step_ms.max(1);
        let mut laid = Self { origin_ms: *first, step_ms, values: Vec::new() };
        let count = usize::try_from(laid.slot(*last)).unwrap_or(usize::MAX).saturating_add(1);
        if count / 2 > present.len() {
            return Err(format!("{}, as it has more gaps than values", too_few(present.len(), count / 2)));
        }
        laid.values = vec![f64::NAN; count];
        for (time, value) in present {
            if let Some(slot) =
                usize::try_from(laid.slot(time)).ok().and_then(|slot| laid.values.get_mut(slot))
            {
                *slot = value;
            }
        }
        Ok(laid)
    }

    /// The slot nearest to a time; negative before the first.
    pub(super) fn slot(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(self.origin_ms).saturating_add(self.step_ms / 2).div_euclid(self.step_ms)
    }
}

fn too_few(there: usize, needed: usize) -> String {
    format!("{there} of the {needed} training points needed are available")
}

/// Fills the gaps of a series in slots, so that it can be decomposed: with the median of the values at the same phase of the
/// season, or, where a phase has none, on the line between its neighbours.
pub(super) fn filled(values: &[f64], period: usize) -> Vec<f64> {
    let mut filled = values.to_vec();
    if values.iter().all(|value| value.is_finite()) {
        return filled;
    }
    for phase in 0..period.min(values.len()) {
        let of_phase = || values[phase..].iter().step_by(period).copied();
        if of_phase().all(f64::is_finite) {
            continue;
        }
        let mut present: Vec<f64> = of_phase().filter(|value| value.is_finite()).collect();
        let Some(usual) = super::robust::median(&mut present) else { continue };
        for value in filled[phase..].iter_mut().step_by(period).filter(|value| value.is_nan()) {
            *value = usual;
        }
    }
    let mut before: Option<usize> = None;
    for index in 0..filled.len() {
        if filled[index].is_nan() {
            continue;
        }
        let gap = before.map_or(0, |before| before + 1)..index;
        for slot in gap {
            let start = before.map_or(filled[index], |before| filled[before]);
            let share = before.map_or(0.0, |before| (slot - before) as f64 / (index - before) as f64);
            filled[slot] = start * (1.0 - share) + filled[index] * share;
        }
        before = Some(index);
    }
    if let Some(last) = before {
        let end = filled[last];
        filled[last..].fill(end);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_find_their_slots_and_gaps_stay() {
        let times = [100, 1_100, 2_150, 5_090, 6_100];
        let laid = Slots::of(Points { times: &times, values: &[1.0, 2.0, f64::NAN, 4.0, 5.0] }).unwrap();
        assert_eq!((laid.origin_ms, laid.step_ms, laid.values.len()), (100, 1_050, 7));
        assert_eq!(laid.values[1], 2.0);
        assert!(laid.values[2].is_nan());
        assert_eq!(laid.values[6], 5.0);
        assert_eq!(laid.slot(-1_000), -1);
    }

    #[test]
    fn too_little_is_said() {
        let said = |times: &[i64], values: &[f64]| Slots::of(Points { times, values }).unwrap_err();
        assert_eq!(said(&[], &[]), "0 of the 3 training points needed are available");
        assert_eq!(said(&[1, 2], &[1.0, 2.0]), "2 of the 3 training points needed are available");
        let times: Vec<i64> = (0..40).collect();
        let mut values = [f64::NAN; 40];
        values[0] = 1.0;
        values[20] = 1.0;
        values[39] = 1.0;
        assert!(
            said(&times, &values).starts_with("3 of the 20 training points"),
            "{}",
            said(&times, &values)
        );
        assert!(said(&[0, 1, 2, 1_000_000], &[1.0; 4]).contains("more gaps than values"));
        let _does_not_overflow = Slots::of(Points { times: &[i64::MIN, 0, 1, i64::MAX], values: &[1.0; 4] });
    }

    #[test]
    fn gaps_are_filled_by_the_same_phase_or_else_by_neighbours() {
        let gap = f64::NAN;
        assert_eq!(filled(&[1.0, 5.0, 1.0, gap, 3.0, 5.0], 2), [1.0, 5.0, 1.0, 5.0, 3.0, 5.0]);
        assert_eq!(filled(&[gap, 1.0, gap, 3.0, gap], 5), [1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(filled(&[1.0, 2.0], 2), [1.0, 2.0]);
    }
}
