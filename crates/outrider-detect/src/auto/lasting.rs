//! What stays wrong beyond doubt, for as long as it does.
//!
//! An incident is told for an hour at most, and what was seen an hour ago soon belongs to the training window and
//! surprises no more. But a service that has been at zero for three hours is still down. So a point is wrong beyond doubt
//! if it belongs to a *run* of points the like of which the training window has nowhere but in that run: never zero, never
//! below zero, or nothing even half as far from the median. The run counts from where it begins, in the block or in the
//! training window, and ends with the first point that is not like it. Once it makes up [`MAX_SHARE`] of the training
//! window, it is the new normal.
//!
//! Nothing is remembered from block to block: the training window and the block up to the point say it all.

use std::ops::Range;

use super::calibration::SortedRange;

/// Share of the training window that a run may make up before it counts as normal.
const MAX_SHARE: f64 = 1.0 / 12.0;

/// A run of values that the training window knows from nowhere else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lasting {
    /// Points up to and including the one that is looked at.
    pub(super) points: usize,
    pub(super) is_high: bool,
    /// Whether it is another kind of value, and no matter of degree.
    pub(super) is_first_ever: bool,
    /// What has not been before, in plain words.
    pub(super) why: &'static str,
}

/// The training window of one block, and the values to look back through.
pub(super) struct Past<'a> {
    values: &'a [f64],
    training: Range<usize>,
    /// The same training values, by rank.
    sorted: &'a SortedRange<'a>,
    median: f64,
    /// The most points that a run may have.
    longest: usize,
    /// Training values of which so many are lower, and higher: no run reaches them.
    low: f64,
    high: f64,
}

impl<'a> Past<'a> {
    /// `sorted` are the values at `training`; `None` if they are too few for a run.
    pub(super) fn new(
        values: &'a [f64],
        training: Range<usize>,
        sorted: &'a SortedRange<'a>,
    ) -> Option<Self> {
        let count = sorted.len();
        let longest = (count as f64 * MAX_SHARE) as usize;
        (longest > 0).then(|| Self {
            values,
            training,
            sorted,
            median: sorted.nth((count - 1) / 2),
            longest,
            low: sorted.nth(longest),
            high: sorted.nth(count - 1 - longest),
        })
    }

    /// How many training values are `value`.
    pub(super) fn count(&self, value: f64) -> usize {
        self.sorted.rank(value.next_up()) - self.sorted.rank(value)
    }

    /// The most points that a run may have.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The run that ends at `index`, if the training window has no other value like those in it.
    pub(super) fn lasting(&self, index: usize) -> Option<Lasting> {
        let value = self.values[index];
        if !value.is_finite() {
            return None;
        }
        // Below zero is a run of its own: what has often been zero may still never have been less.
        let never = if value < 0.0 {
            self.run(index, false, |other| other < 0.0)
                .map(|points| (points, "but for this run it was never below zero in the training window"))
        } else if value == 0.0 {
            self.run(index, false, |other| other <= 0.0)
                .map(|points| (points, "but for this run it was never zero in the training window"))
        } else {
            None
        };
        if let Some((points, why)) = never {
            return Some(Lasting { points, is_high: false, is_first_ever: true, why });
        }
        let is_high = value > self.median;
        // Halved first: the sum of two large values could overflow.
        let half_way = self.median / 2.0 + value / 2.0;
        let like = |other: f64| if is_high { other > half_way } else { other < half_way };
        let points = self.run(index, is_high, like)?;
        Some(Lasting {
            points,
            is_high,
            is_first_ever: false,
            why: "but for this run nothing in the training window was half as far from its median",
        })
    }

    /// How many points up to `index` one after the other are `like` it, gaps aside; `None` if a training value is that is
    /// none of them, or they are too many. What is farther out on its side is like it too.
    fn run(&self, index: usize, is_high: bool, like: impl Fn(f64) -> bool) -> Option<usize> {
        if like(if is_high { self.high } else { self.low }) {
            return None;
        }
        let (mut points, mut trained) = (0, 0);
        for at in (self.training.start..=index).rev() {
            let value = self.values[at];
            if !value.is_finite() {
                continue;
            }
            if !like(value) {
                break;
            }
            points += 1;
            trained += usize::from(self.training.contains(&at));
            if points > self.longest {
                return None;
            }
        }
        let farthest = self.sorted.nth(if is_high { self.sorted.len() - 1 - trained } else { trained });
        (points > 0 && !like(farthest)).then_some(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lasts at each point of `values` from `begin` on, which are one block.
    fn lasting(values: &[f64], begin: usize) -> Vec<Option<(usize, bool)>> {
        let mut sorted = SortedRange::new(values);
        sorted.move_to(0, begin);
        let past = Past::new(values, 0..begin, &sorted);
        let points = |lasting: Lasting| (lasting.points, lasting.is_high);
        (begin..values.len()).map(|index| past.as_ref()?.lasting(index).map(points)).collect()
    }

    /// 240 values from 60 to 139.
    fn ordinary() -> Vec<f64> {
        (0..240).map(|index| 60.0 + f64::from(index * 37 % 80)).collect()
    }

    #[test]
    fn a_run_is_counted_from_where_it_begins_and_over_gaps() {
        let mut values = ordinary();
        values.extend([0.0, 0.0, f64::NAN, 0.0, 90.0, 0.0]);
        let expected = [Some((1, false)), Some((2, false)), None, Some((3, false)), None];
        assert_eq!(lasting(&values, 240)[..5], expected);
        // A block later, what has been seen of it in the training window does not count as seen before.
        assert_eq!(lasting(&values, 242)[1], Some((3, false)));
        // After its end it does.
        assert_eq!(lasting(&values, 245), [None]);
    }

    #[test]
    fn far_is_what_nothing_else_is_half_as_far_as() {
        let far = |value: f64| {
            let mut values = ordinary();
            values.push(value);
            lasting(&values, 240)[0]
        };
        assert_eq!(far(150.0), None);
        // The median is 99, and the highest value 139.
        assert_eq!(far(178.0), None);
        assert_eq!(far(181.0), Some((1, true)));
        assert_eq!(far(18.0), Some((1, false)));
        assert_eq!(far(f64::MAX), Some((1, true)));
    }

    #[test]
    fn below_zero_is_no_zero() {
        let mut values: Vec<f64> = (0..240).map(|index| f64::from(index % 3)).collect();
        values.extend([0.0, -0.1, -0.2, 0.0]);
        assert_eq!(lasting(&values, 240), [None, Some((1, false)), Some((2, false)), None]);
    }

    #[test]
    fn what_is_a_twelfth_of_the_training_window_is_normal() {
        let mut values = vec![7.0; 240];
        values.extend([8.0; 30]);
        let found = lasting(&values, 240);
        assert_eq!(found[19], Some((20, true)));
        assert_eq!(found[20], None);
        assert_eq!(lasting(&values, 255)[0], Some((16, true)));
        assert!(lasting(&values, 262).iter().all(Option::is_none));
    }

    #[test]
    fn nothing_lasts_without_a_past() {
        assert_eq!(lasting(&[0.0, 1.0], 0), [None, None]);
        assert_eq!(lasting(&[f64::NAN, f64::NAN, 1.0], 2), [None]);
    }
}
