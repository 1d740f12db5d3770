//! The tail of what is usual, and the limit beyond which a value is an outlier.
//!
//! It is extrapolated from the highest values of the cells of the training window (`normal`) by a power law, but not from those
//! of its [`TRIMMED`] largest episodes, which may have been incidents: see there.

use std::ops::Range;

/// Episodes of a training window that may be incidents, and the fewest cells for each of them.
const TRIMMED: usize = 6;
const CELLS_PER_TRIMMED: usize = 15;

/// Cells that all of them may have at most, and the fewest cells for each of those.
const TRIMMED_CELLS: usize = 56;
const CELLS_PER_TRIMMED_CELL: usize = 6;

/// High cells are one episode if all between them are so many times as high as half of all cells are, and they are no further
/// apart.
const APART: f64 = 4.0;
const MAX_EPISODE_CELLS: usize = 12;
const MIN_USUAL: f64 = 1.0;

/// An episode is one if it is so many times as far out as the limit without it, unless there are as many as [`HABIT`].
const GROSS: f64 = 1.5;
const HABIT: usize = 5;

/// Cells a tail is estimated from, as a share of all and at least, and the fewest cells of a training window.
const TAIL_SHARE: f64 = 0.1;
const MIN_TAIL: usize = 8;
const MIN_CELLS: usize = 10;

/// Tail index assumed before any value is seen, about that of a normal distribution; how many values that weighs, and the
/// highest index that is believed.
const PRIOR_INDEX: f64 = 0.12;
const PRIOR_WEIGHT: f64 = 10.0;
const MAX_INDEX: f64 = 0.6;

/// Where a tail begins at least, in standard deviations.
const MIN_BEGIN: f64 = 0.5;

/// The limit is beyond the highest value that is no incident by this factor.
const BEYOND_HIGHEST: f64 = 1.05;

/// Standard deviations that the limit is away at least.
const MIN_LIMIT: f64 = 3.0;

/// The newest cells that a tail is estimated without while an incident lasts that has so many of them.
const LASTING_CELLS: usize = 3;
const NEWEST_CELLS: usize = 28;

/// The tail of one side, in scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tail {
    /// Where it begins, how many cells there are for each that reaches it, and the index of its power law.
    begin: f64,
    begin_cells: f64,
    index: f64,
    /// The highest value but for those of incidents.
    highest: f64,
    /// Whether values that seem to be incidents are part of it.
    pub(super) is_restless: bool,
}

/// A moving range of cells by their highest values, the highest first.
#[derive(Debug, Default)]
pub(super) struct Ranked {
    /// Whole numbers that are ordered as the values are, the highest first, with their cells in the lowest bits.
    keys: Vec<u64>,
    cells: Range<usize>,
}

impl Ranked {
    /// Makes it the cells `range` of `maxima`, which are the same each time. Costs a search for each cell that comes or goes.
    fn move_to(&mut self, maxima: &[f64], range: Range<usize>) {
        let Range { start, end } = self.cells;
        if (start..end).contains(&range.start) && end <= range.end {
            for key in (start..range.start).filter_map(|cell| key(maxima, cell)) {
                if let Ok(place) = self.keys.binary_search(&key) {
                    self.keys.remove(place);
                }
            }
            for key in (end..range.end).filter_map(|cell| key(maxima, cell)) {
                self.keys.insert(self.keys.partition_point(|other| *other < key), key);
            }
        } else {
            self.keys.clear();
            self.keys.extend(range.clone().filter_map(|cell| key(maxima, cell)));
            self.keys.sort_unstable();
        }
        self.cells = range;
    }

    fn of(maxima: &[f64], range: Range<usize>) -> Self {
        let mut ranked = Self::default();
        ranked.move_to(maxima, range);
        ranked
    }

    /// The cell of the one at `place`.
    fn cell(&self, place: usize) -> usize {
        let first = self.cells.start;
        first + ((self.keys[place] as usize).wrapping_sub(first) & CELL_MASK)
    }
}

impl Tail {
    /// From the highest values of the cells `range` of all `maxima`, of which a limit is to be passed by one in
    /// `limit_cells`; without the newest of them while an incident lasts, which must not raise its own limit. `None` if
    /// they are too few. `ranked` is that of the range before.
    pub(super) fn before_lasting(
        maxima: &[f64],
        range: Range<usize>,
        ranked: &mut Ranked,
        limit_cells: f64,
    ) -> Option<Self> {
        let range = range.start.max(range.end.saturating_sub(CELL_MASK + 1))..range.end;
        if range.len() >= 4 * NEWEST_CELLS {
            let newest = &maxima[range.end - LASTING_CELLS..range.end];
            let least = newest.iter().copied().fold(f64::INFINITY, f64::min);
            // No limit is lower.
            if least > MIN_LIMIT {
                let early = Ranked::of(maxima, range.start..range.end - NEWEST_CELLS);
                let early =
                    Self::of(maxima, &early, limit_cells).filter(|early| least > early.limit(limit_cells));
                if early.is_some() {
                    return early;
                }
            }
        }
        ranked.move_to(maxima, range);
        Self::of(maxima, ranked, limit_cells)
    }

    fn of(maxima: &[f64], ranked: &Ranked, limit_cells: f64) -> Option<Self> {
        let count = ranked.keys.len();
        if count < MIN_CELLS {
            return None;
        }
        let in_tail = ((count as f64 * TAIL_SHARE) as usize).max(MIN_TAIL).min(count - 1);
        let most = (in_tail + 1 + TRIMMED_CELLS.min(count / CELLS_PER_TRIMMED_CELL)).min(count);
        let usual = maxima[ranked.cell(count / 2)].max(MIN_USUAL);
        let highest: Vec<(f64, usize)> =
            (0..most).map(|place| ranked.cell(place)).map(|cell| (maxima[cell], cell)).collect();
        let is_one = |cell: usize, other: usize| {
            cell.abs_diff(other) <= 1
                || cell.abs_diff(other) <= MAX_EPISODE_CELLS
                    && maxima[cell.min(other) + 1..cell.max(other)].iter().all(|value| *value > APART * usual)
        };
        // Places of the highest cell of each episode; its neighbours that are next to be trimmed belong to it.
        let mut peaks: Vec<usize> = Vec::with_capacity(TRIMMED);
        let mut trimmed = 0;
        while trimmed < most - in_tail - 1 {
            let cell = highest[trimmed].1;
            if !highest[..trimmed].iter().any(|(_, other)| is_one(*other, cell)) {
                if peaks.len() == TRIMMED.min(count / CELLS_PER_TRIMMED) {
                    break;
                }
                peaks.push(trimmed);
            }
            trimmed += 1;
        }
        let rest = &highest[trimmed..];
        let in_tail = in_tail.min(rest.len() - 1);
        let begin = rest[in_tail].0.max(MIN_BEGIN);
        let with = |peaks: &[usize]| {
            let peak = |place: &usize| highest[*place].0;
            let all = peaks.iter().map(peak).chain(rest[..in_tail].iter().map(|(value, _)| *value));
            let sum: f64 = all.map(|value| (value / begin).max(1.0).ln()).sum();
            let in_tail = (in_tail + peaks.len()) as f64;
            let index = (sum + PRIOR_INDEX * PRIOR_WEIGHT) / (in_tail + PRIOR_WEIGHT);
            Self {
                begin,
                begin_cells: (count - trimmed + peaks.len()) as f64 / (in_tail + 1.0),
                index: index.min(MAX_INDEX),
                highest: peaks.first().map_or(rest[0].0, peak),
                is_restless: !peaks.is_empty(),
            }
        };
        let without = with(&[]);
        let gross = GROSS * without.limit(limit_cells);
        let incidents = peaks.partition_point(|peak| highest[*peak].0 > gross);
        let incidents = if incidents >= HABIT { 0 } else { incidents };
        Some(if incidents == peaks.len() { without } else { with(&peaks[incidents..]) })
    }

    /// The value that one cell in so many reaches by chance.
    pub(super) fn reached_in(&self, cells: f64) -> f64 {
        self.begin * (cells / self.begin_cells).max(1.0).powf(self.index)
    }

    pub(super) fn limit(&self, limit_cells: f64) -> f64 {
        self.reached_in(limit_cells).max(BEYOND_HIGHEST * self.highest).max(MIN_LIMIT)
    }
}

/// The bits for the number of a cell: no training window has more of them.
const CELL_MASK: usize = (1 << 20) - 1;

/// The number of a cell by which it is ranked: the lower the higher its value is.
fn key(maxima: &[f64], cell: usize) -> Option<u64> {
    let value = maxima[cell];
    let bits = value.to_bits().cast_signed();
    // Of negative numbers all bits but the sign are inverted, and then the sign of all.
    let ascending = (bits ^ ((bits >> 63) & i64::MAX)) ^ i64::MIN;
    let mask = CELL_MASK as u64;
    value.is_finite().then_some(!ascending.cast_unsigned() & !mask | cell as u64 & mask)
}

#[cfg(test)]
mod tests {
    use super::super::tests::gaussian;
    use super::*;

    const LIMIT_CELLS: f64 = 6_000.0;

    /// The highest of twelve normal numbers, cell by cell.
    fn cells(count: usize) -> Vec<f64> {
        let highest = |cell: usize| (0..12).map(|point| gaussian(12 * cell + point)).fold(f64::MIN, f64::max);
        (0..count).map(highest).collect()
    }

    fn limit(maxima: &[f64]) -> f64 {
        let all = 0..maxima.len();
        Tail::before_lasting(maxima, all, &mut Ranked::default(), LIMIT_CELLS).unwrap().limit(LIMIT_CELLS)
    }

    fn tail(maxima: &[f64]) -> Option<Tail> {
        Tail::of(maxima, &Ranked::of(maxima, 0..maxima.len()), LIMIT_CELLS)
    }

    #[test]
    fn a_range_that_moves_is_ranked_as_one_that_is_new() {
        let mut maxima = cells(400);
        maxima[7] = f64::NEG_INFINITY;
        maxima[50] = maxima[51];
        let mut moving = Ranked::default();
        for range in [0..100, 3..101, 8..260, 200..300, 290..400, 20..60, 55..70] {
            moving.move_to(&maxima, range.clone());
            let new = Ranked::of(&maxima, range.clone());
            assert_eq!(moving.keys, new.keys, "{range:?}");
            let ranked: Vec<f64> = (0..new.keys.len()).map(|place| maxima[new.cell(place)]).collect();
            let mut sorted: Vec<f64> =
                maxima[range].iter().copied().filter(|value| value.is_finite()).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            assert!(ranked.iter().zip(&sorted).all(|(a, b)| (a - b).abs() <= 1e-9), "{ranked:?} {sorted:?}");
        }
    }

    #[test]
    fn the_limit_of_normal_noise_is_about_where_one_value_in_so_many_lies() {
        // One of 72,000 is beyond 4.2.
        assert!((3.8..5.0).contains(&limit(&cells(336))), "{}", limit(&cells(336)));
        assert_eq!(tail(&cells(9)), None);
        assert_eq!(tail(&[f64::NEG_INFINITY; 300]), None);
    }

    #[test]
    fn up_to_four_incidents_do_not_raise_it_and_more_are_how_the_series_is() {
        let mut maxima = cells(336);
        let alone = limit(&maxima);
        for at in [40, 130, 131, 220, 300] {
            maxima[at] = 20.0;
        }
        assert!(limit(&maxima) < 1.1 * alone, "{} {alone}", limit(&maxima));
        maxima[80] = 20.0;
        assert!(limit(&maxima) > 20.0);
    }

    #[test]
    fn what_is_a_little_further_out_belongs_to_a_restless_series() {
        let mut maxima = cells(336);
        let alone = limit(&maxima);
        maxima[100] = 1.2 * alone;
        let tail = tail(&maxima).unwrap();
        assert!(tail.is_restless && tail.limit(LIMIT_CELLS) > 1.2 * alone);
    }

    #[test]
    fn an_incident_that_lasts_does_not_raise_its_own_limit() {
        let mut maxima = cells(336);
        let alone = limit(&maxima);
        for hours in [3, 10, 24] {
            maxima[336 - hours..].fill(9.0);
            assert!(limit(&maxima) < 1.2 * alone, "{hours}");
        }
    }
}
