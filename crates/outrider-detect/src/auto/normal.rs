//! What is normal: the value to expect at each point, the band around it, and how far outside of it a point is.
//!
//! Five forecasts (`expectation`) are compared in the week before each *cell*, an hour or 12 points, and the one that was
//! off least is its *basis*. A level that has held for most of the last two days is adopted as an offset of the forecast;
//! until it has proved itself for days, a value is normal if it is near the old level or the new one, so that neither the
//! begin nor the end of another level is told twice. What is left is divided by how far values usually are off at this
//! time of day.
//!
//! What once was an incident must not hide the next one. So nothing here is learnt from the largest values: scales are
//! medians over days, and the tail beyond which a value is an outlier is extrapolated (B. M. Hill, *A Simple General
//! Approach to Inference About the Tail of a Distribution*, Annals of Statistics 3(5), 1975) from the highest values of
//! the cells of the training window without those of its six largest episodes (trimmed as in S. Bhattacharya,
//! M. Kallitsis, S. Stoev, *Data-adaptive trimming of the Hill estimator*, Electronic Journal of Statistics 13(1), 2019).
//! Episodes that are no more than one and a half times as far out as that, or five and more of them, are how a restless
//! series is, and no incidents (`tail`). Nor is what recurs at its own time of the day or of the week.

use std::array;
use std::cell::{OnceCell, RefCell};
use std::ops::Range;

use super::super::robust::median;
use super::calibration::SortedRange;
use super::expectation::{Basis, DAY_MS, Forecasts};
use super::tail::{Ranked, Tail};
use outrider_forest::cancel::checkpoint;

/// Points of a cell; its shortest length, and the longest of one with so many points, which holds at least
/// [`MIN_CELL_POINTS`].
const CELL_POINTS: i64 = 12;
const CELL_MS: i64 = 3_600_000;
const MAX_CELL_MS: i64 = 4 * CELL_MS;
const MIN_CELL_POINTS: i64 = 4;

/// The past in which forecasts are compared and scales are measured: so long, and so many cells if that is longer.
const MEASURED_MS: i64 = 7 * DAY_MS;
const MEASURED_CELLS: i64 = 12;

/// The past whose median residual is the offset: so long, and so many points if that is longer.
const OFFSET_MS: i64 = 2 * DAY_MS;
const OFFSET_POINTS: i64 = 24;
const MIN_OFFSET_POINTS: usize = 12;

/// Cells by whose errors it is settled which of the two levels is drawn.
const DRAWN_CELLS: usize = 12;

/// The old level is no longer normal once its errors in [`PROOF_MS`] were so many times those of the new one.
const PROOF: f64 = 5.0;
const PROOF_MS: i64 = 4 * DAY_MS;

/// The last few points are what to expect only where all else is off at least so many times as far, by the root of the
/// errors: such a forecast follows an incident after half an hour.
const WANDERING: f64 = 2.0;

/// Share of the mean error that is added to the median one, so that forecasts of series that hardly ever change differ.
const MEAN_SHARE: f64 = 0.1;

/// Values are skewed if the highest of a cell is so much further from its median than the lowest is, as a share of the
/// distance of both; the share of cells that may have one that is not positive, and the least ratio that is told from less.
const SKEWED: f64 = 0.15;
const NOT_POSITIVE: f64 = 0.05;
const LEAST: f64 = 0.01;

/// What differs less than by so much of the usual change from point to point may have been sampled late.
const LATE: f64 = 0.25;

/// Past cycles are alike if they are no more than so many standard deviations apart.
const UNISON: f64 = 3.0;

/// One cell in so many has a value beyond the limit by chance, on each side, at the default sensitivity.
const LIMIT_CELLS: f64 = 6_000.0;

/// One point in so many is outside the band by chance, on each side.
const BAND_POINTS: f64 = 600.0;

/// In a restless series one point says too little, unless it is so many times as far out as the limit, or points are so far
/// apart.
const CLEAR: f64 = 1.75;
const TELLING_MS: i64 = CELL_MS / 2;

/// What recurs at its own time is no news: so many times of the last seven days, at least so far out.
const RECURRING_DAYS: usize = 2;
const RECURRING_SHARE: f64 = 0.7;

/// How many times further the limit is on the first week-end that is seen of a series with a day's rhythm.
const FIRST_WEEKEND: f64 = 8.0;

/// The expected value of the largest of three cells' second largest of twelve normal numbers without sign.
const SCALE_TO_SIGMA: f64 = 1.0 / 1.95;

/// How far before the first training point [`Normal`] looks, besides what its forecasts look back, for points `step_ms`
/// apart.
pub(super) fn lookback_ms(step_ms: i64) -> i64 {
    let cell_ms = cell_ms(step_ms);
    let levels_ms = offset_ms(step_ms).saturating_add(proof_ms(step_ms)).max(DRAWN_CELLS as i64 * cell_ms);
    measured_ms(cell_ms).saturating_add(levels_ms).saturating_add(3 * cell_ms)
}

fn cell_ms(step_ms: i64) -> i64 {
    let few =
        step_ms.saturating_mul(CELL_POINTS).min(MAX_CELL_MS).max(step_ms.saturating_mul(MIN_CELL_POINTS));
    few.max(CELL_MS / step_ms * step_ms)
}

fn measured_ms(cell_ms: i64) -> i64 {
    MEASURED_MS.max(cell_ms.saturating_mul(MEASURED_CELLS))
}

fn offset_ms(step_ms: i64) -> i64 {
    OFFSET_MS.max(step_ms.saturating_mul(OFFSET_POINTS))
}

fn proof_ms(step_ms: i64) -> i64 {
    PROOF_MS.max(offset_ms(step_ms).saturating_mul(2))
}

/// The forecasts of a series, and what is left of it without them.
pub(super) struct Normal {
    step_ms: i64,
    cell_ms: i64,
    cells: Vec<Cell>,
    /// The cell of each point.
    cell_of: Vec<u32>,
    /// Of each cell, the first one of the past in which forecasts are compared and scales are measured.
    measured_from: Vec<usize>,
    filled: Vec<f64>,
    forecasts: Forecasts,
    /// Of each cell, the forecast that was best before it, and how far apart neighbouring points usually were.
    bases: Vec<Basis>,
    changes: Vec<f64>,
    /// Whether points a week back are there, if the series has any.
    sees_weeks: bool,
    /// Of each cell, how values are compared there.
    scalings: Vec<Scaling>,
    /// By each measure, once it is that of a cell.
    models: [OnceCell<Model>; Measure::COUNT],
}

#[derive(Debug, Clone)]
struct Cell {
    from_ms: i64,
    points: Range<usize>,
}

impl Normal {
    /// `filled` are the values at `times`, NaN in gaps; points are `step_ms` apart, and there are points from `reach_ms`
    /// before each that is judged on, if there are any.
    pub(super) fn new(
        times: &[i64],
        filled: &[f64],
        forecasts: Forecasts,
        step_ms: i64,
        reach_ms: Option<i64>,
    ) -> Self {
        let cell_ms = cell_ms(step_ms);
        let mut cells: Vec<Cell> = Vec::new();
        let mut cell_of = Vec::with_capacity(times.len());
        for (index, time) in times.iter().enumerate() {
            let from_ms = time.div_euclid(cell_ms).saturating_mul(cell_ms);
            match cells.last_mut() {
                Some(cell) if cell.from_ms == from_ms => cell.points.end = index + 1,
                _ => cells.push(Cell { from_ms, points: index..index + 1 }),
            }
            cell_of.push((cells.len() - 1) as u32);
        }
        let measured_from = first_since(&cells, measured_ms(cell_ms));
        let bases = bases(&cells, filled, &forecasts, &measured_from);
        let changes = changes(&cells, filled, &measured_from);
        let scalings = scalings(&cells, filled, &measured_from);
        Self {
            step_ms,
            cell_ms,
            cells,
            cell_of,
            measured_from,
            filled: filled.to_vec(),
            forecasts,
            bases,
            changes,
            scalings,
            sees_weeks: reach_ms.is_none_or(|ms| ms >= 8 * DAY_MS),
            models: array::from_fn(|_| OnceCell::new()),
        }
    }

    fn model(&self, measure: Measure) -> &Model {
        self.models[measure.place()].get_or_init(|| Model::new(self, measure))
    }

    /// By what a point of a cell is measured that is low, or high.
    fn measure(&self, number: usize, is_high: bool, forecast: f64) -> Measure {
        let is_ratio = !is_high && self.scalings[number].is_skewed && forecast > 0.0;
        Measure { basis: self.bases[number], is_ratio }
    }

    /// How much less and more than the forecast may be expected at `index`, in the unit of residuals.
    fn around(&self, measure: Measure, index: usize, scale: f64) -> (f64, f64) {
        let forecast = self.forecasts.of(measure.basis)[index];
        let at = |off: f64| measure.value_at(forecast, off);
        let near = (at(UNISON * scale) - at(0.0)).abs();
        let (low, high) = self.forecasts.range(measure.basis, index, near);
        if low == high {
            return (0.0, 0.0);
        }
        let off = |value: f64| measure.residual(value, forecast);
        (off(low), off(high))
    }

    /// The smallest residual that is told from none: less is rounding, or a sample that was late.
    fn smallest(&self, measure: Measure, number: usize) -> f64 {
        let (size, change) = (self.filled[self.cells[number].points.start].abs(), self.changes[number]);
        if measure.is_ratio {
            1e-9_f64.max(LATE * change / self.scalings[number].usual)
        } else {
            (1e-9 * size).max(1e-12).max(LATE * change)
        }
    }

    /// What is normal in a block with the training points `training`. A limit is passed by chance once in `rarer` times as
    /// many cells as by default.
    pub(super) fn limits(&self, training: &Range<usize>, rarer: f64) -> Limits<'_> {
        // Whole cells only: of others part may come later.
        let cells = if training.is_empty() {
            0..0
        } else {
            let first = self.cell_of[training.start] as usize;
            let last = self.cell_of[training.end - 1] as usize;
            first + usize::from(self.cells[first].points.start < training.start)
                ..last + usize::from(self.cells[last].points.end <= training.end)
        };
        let cells = cells.start.min(cells.end)..cells.end;
        let points = self.cell_points();
        let limit_cells = LIMIT_CELLS * rarer;
        let rates = Rates { limit_cells, band_cells: BAND_POINTS / points };
        Limits { normal: self, cells, rates, tails: Default::default() }
    }

    fn cell_points(&self) -> f64 {
        (self.cell_ms / self.step_ms) as f64
    }
}

/// The forecast that each cell believes.
fn bases(cells: &[Cell], filled: &[f64], forecasts: &Forecasts, measured_from: &[usize]) -> Vec<Basis> {
    let forecasts = Basis::ALL.map(|basis| forecasts.of(basis));
    let mut off = Vec::new();
    let mut error = |cell: &Cell, forecast: &[f64]| {
        let off = finite(&mut off, cell.points.clone().map(|index| (filled[index] - forecast[index]).abs()));
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        // The root, so that one bad hour does not outweigh all others.
        median(off).map_or(f64::NAN, |median| (median + MEAN_SHARE * mean).sqrt())
    };
    let errors: Vec<[f64; Basis::ALL.len()]> =
        cells.iter().map(|cell| forecasts.map(|forecast| error(cell, forecast))).collect();
    (0..cells.len())
        .map(|number| {
            let (mut sums, mut counts) = ([0.0; Basis::ALL.len()], [0.0; Basis::ALL.len()]);
            for errors in &errors[measured_from[number]..number] {
                for ((sum, count), error) in sums.iter_mut().zip(&mut counts).zip(errors) {
                    let is_known = !error.is_nan();
                    *sum += if is_known { *error } else { 0.0 };
                    *count += f64::from(u8::from(is_known));
                }
            }
            let of = |basis: Basis| {
                let (sum, count) = (sums[basis as usize], counts[basis as usize]);
                (if count == 0.0 { f64::INFINITY } else { sum / count }, count)
            };
            let level = of(Basis::Level);
            let mut best = (Basis::Level, level.0);
            for basis in [Basis::Day, Basis::Week, Basis::Cycle] {
                let (error, count) = of(basis);
                // A season must have been tried for half of the cells that the level was.
                if 2.0 * count > level.1 && error < best.1 {
                    best = (basis, error);
                }
            }
            if WANDERING * of(Basis::Recent).0 < best.1 { Basis::Recent } else { best.0 }
        })
        .collect()
}

/// By what the points of a cell are measured: how far they are from a forecast, and whether that is a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measure {
    basis: Basis,
    is_ratio: bool,
}

impl Measure {
    const COUNT: usize = 2 * Basis::ALL.len();

    fn place(self) -> usize {
        2 * self.basis as usize + usize::from(self.is_ratio)
    }

    /// How far `value` is from its forecast: the difference, or the logarithm of the ratio.
    fn residual(self, value: f64, forecast: f64) -> f64 {
        match self.is_ratio {
            false => value - forecast,
            // Depends on nothing but the two, so that no more of the past is looked at.
            true if forecast > 0.0 && !value.is_nan() => (value / forecast).max(LEAST).ln(),
            true => f64::NAN,
        }
    }

    /// The value that is so far from its forecast.
    fn value_at(self, forecast: f64, residual: f64) -> f64 {
        if self.is_ratio { forecast * residual.exp() } else { forecast + residual }
    }
}

/// How values are distributed in the time before a cell.
#[derive(Debug, Clone, Copy)]
struct Scaling {
    /// Whether high ones are much further from the usual ones than low ones are, so that ratios are the better measure.
    is_skewed: bool,
    usual: f64,
}

/// The distribution of values before each cell.
fn scalings(cells: &[Cell], filled: &[f64], measured_from: &[usize]) -> Vec<Scaling> {
    let mut values = Vec::new();
    let of_cell = |cell: &Cell| {
        let values = finite(&mut values, filled[cell.points.clone()].iter().copied());
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let usual = median(values).unwrap_or(f64::NAN);
        // Halved first: the sum of two large values could overflow.
        let skewness = ((high / 2.0 - usual / 2.0) - (usual / 2.0 - low / 2.0)) / (high / 2.0 - low / 2.0);
        (skewness, usual, f64::from(u8::from(low <= 0.0)))
    };
    let of_cells: Vec<(f64, f64, f64)> = cells.iter().map(of_cell).collect();
    let every = |of: fn(&(f64, f64, f64)) -> f64| of_cells.iter().map(of).collect::<Vec<f64>>();
    let not_positive = every(|cell| cell.2);
    let skewnesses = medians_before(&every(|cell| cell.0), measured_from);
    let usual = medians_before(&every(|cell| cell.1), measured_from);
    (0..cells.len())
        .map(|number| {
            let before = &not_positive[measured_from[number]..number];
            let not_positive = before.iter().sum::<f64>() / before.len() as f64;
            let usual = usual[number];
            let is_skewed = skewnesses[number] >= SKEWED && usual > 0.0 && not_positive <= NOT_POSITIVE;
            Scaling { is_skewed, usual }
        })
        .collect()
}

/// The median of the finite values before each cell, from the cell `from` on; NaN where there are none.
fn medians_before(of_cells: &[f64], from: &[usize]) -> Vec<f64> {
    let mut range = SortedRange::new(of_cells);
    let before = |(number, from): (usize, &usize)| {
        range.move_to(*from, number);
        range.median().unwrap_or(f64::NAN)
    };
    from.iter().enumerate().map(before).collect()
}

/// How far apart neighbouring points usually were before each cell: the median, or the mean where most are equal.
fn changes(cells: &[Cell], filled: &[f64], measured_from: &[usize]) -> Vec<f64> {
    let mut near = Vec::new();
    let of_cell = |cell: &Cell| {
        let points = cell.points.start.max(1)..cell.points.end;
        let near = finite(&mut near, points.map(|index| (filled[index] - filled[index - 1]).abs()));
        let mean = near.iter().sum::<f64>() / near.len().max(1) as f64;
        (median(near).unwrap_or(0.0), mean)
    };
    let (medians, means): (Vec<f64>, Vec<f64>) = cells.iter().map(of_cell).unzip();
    let usual = medians_before(&medians, measured_from);
    let usual_or_mean = |(number, usual): (usize, f64)| {
        if usual > 0.0 {
            return usual;
        }
        let before = means[measured_from[number]..number].iter().filter(|mean| mean.is_finite());
        let (sum, count) = before.fold((0.0, 0), |(sum, count), mean| (sum + mean, count + 1));
        sum / f64::from(count.max(1))
    };
    usual.into_iter().enumerate().map(usual_or_mean).collect()
}

/// The finite ones of `values`, in memory that is there already.
fn finite(memory: &mut Vec<f64>, values: impl Iterator<Item = f64>) -> &mut [f64] {
    memory.clear();
    memory.extend(values.filter(|value| value.is_finite()));
    memory
}

/// For each cell the first one that begins no more than `past_ms` before it.
fn first_since(cells: &[Cell], past_ms: i64) -> Vec<usize> {
    let mut first = 0;
    let of_cell = |cell: &Cell| {
        first += count_before(&cells[first..], cell.from_ms.saturating_sub(past_ms));
        first
    };
    cells.iter().map(of_cell).collect()
}

/// How many of the cells begin before `ms`, one after the other.
fn count_before(cells: &[Cell], ms: i64) -> usize {
    cells.iter().take_while(|cell| cell.from_ms < ms).count()
}

/// What is known of the residuals of one forecast.
struct Model {
    levels: Vec<Levels>,
    /// Of each cell, about the standard deviation.
    scales: Vec<f64>,
    /// How far each point is from what is normal, in scales.
    off: Vec<f64>,
    /// The highest of each cell, and the highest of the negative ones.
    maxima: [Vec<f64>; 2],
    ranked: [RefCell<Ranked>; 2],
}

/// The offsets that are normal in a cell.
#[derive(Debug, Clone, Copy)]
struct Levels {
    low: f64,
    high: f64,
    drawn: f64,
}

impl Levels {
    /// Where so much less and so much more than the forecast may be expected.
    fn around(self, (less, more): (f64, f64)) -> Self {
        Self { low: self.low + less, high: self.high + more, ..self }
    }

    /// How far `residual` is outside.
    fn off(self, residual: f64) -> f64 {
        if residual.is_nan() { residual } else { residual - residual.clamp(self.low, self.high) }
    }
}

/// The side of a value: the place of what belongs to it.
fn side(is_high: bool) -> usize {
    usize::from(!is_high)
}

impl Model {
    fn new(normal: &Normal, measure: Measure) -> Self {
        let Normal { cells, filled, .. } = normal;
        let forecast = normal.forecasts.of(measure.basis);
        let residuals: Vec<f64> = filled
            .iter()
            .zip(forecast)
            .map(|(value, forecast)| measure.residual(*value, *forecast))
            .collect();
        let levels = levels(normal, &residuals);
        let mut near: Vec<f64> = Vec::new();
        let size = |(cell, levels): (&Cell, &Levels)| {
            let of_cell = residuals[cell.points.clone()].iter();
            let near = finite(&mut near, of_cell.map(|residual| (residual - levels.drawn).abs()));
            let second = near.len().checked_sub(1 + near.len() / 6);
            second.map_or(f64::NAN, |rank| *near.select_nth_unstable_by(rank, f64::total_cmp).1)
        };
        let sizes: Vec<f64> = cells.iter().zip(&levels).map(size).collect();
        let scales = scales(normal, measure, &sizes);
        let mut off = vec![f64::NAN; filled.len()];
        for ((cell, levels), scale) in cells.iter().zip(&levels).zip(&scales) {
            for index in cell.points.clone() {
                let around = normal.around(measure, index, *scale);
                off[index] = levels.around(around).off(residuals[index]) / scale;
            }
        }
        let maxima = [1.0, -1.0].map(|sign| {
            let of = |cell: &Cell| {
                off[cell.points.clone()].iter().map(|off| sign * off).fold(f64::NEG_INFINITY, f64::max)
            };
            cells.iter().map(of).collect()
        });
        Self { levels, scales, off, maxima, ranked: Default::default() }
    }
}

/// The offsets that are normal in each cell.
fn levels(normal: &Normal, residuals: &[f64]) -> Vec<Levels> {
    let cells = &normal.cells;
    let mut recent = SortedRange::new(residuals);
    let offset = |(cell, from): (&Cell, usize)| {
        recent.move_to(cells[from].points.start, cell.points.start);
        if recent.len() < MIN_OFFSET_POINTS { 0.0 } else { recent.median().unwrap_or(0.0) }
    };
    let offset_from = first_since(cells, offset_ms(normal.step_ms));
    let offsets: Vec<f64> = cells.iter().zip(offset_from).map(offset).collect();
    let mut near: Vec<f64> = Vec::new();
    let errors = |(cell, offset): (&Cell, &f64)| {
        [0.0, *offset].map(|offset| {
            let of_cell = residuals[cell.points.clone()].iter();
            median(finite(&mut near, of_cell.map(|residual| (residual - offset).abs()))).unwrap_or(0.0)
        })
    };
    let errors: Vec<[f64; 2]> = cells.iter().zip(&offsets).map(errors).collect();
    let total = |cells: Range<usize>| {
        errors[cells].iter().fold([0.0; 2], |total, errors| [total[0] + errors[0], total[1] + errors[1]])
    };
    let proof_ms = proof_ms(normal.step_ms);
    let proof_from = first_since(cells, proof_ms);
    (0..cells.len())
        .map(|number| {
            let (from, since) = (proof_from[number], cells[number].from_ms.saturating_sub(proof_ms));
            let offset = offsets[number];
            let [old, new] = total(from..number);
            if cells[from].from_ms <= since.saturating_add(2 * normal.cell_ms) && PROOF * new < old {
                return Levels { low: offset, high: offset, drawn: offset };
            }
            let [old, new] = total(number.saturating_sub(DRAWN_CELLS)..number);
            let drawn = if new < old { offset } else { 0.0 };
            Levels { low: offset.min(0.0), high: offset.max(0.0), drawn }
        })
        .collect()
}

/// How far values usually are off in each cell, at its time of day; `sizes` is how far they are in each.
fn scales(normal: &Normal, measure: Measure, sizes: &[f64]) -> Vec<f64> {
    let cells = &normal.cells;
    // What comes before a cell and after it counts as the same time of day.
    let around = |number: usize| {
        let near = number.saturating_sub(1)..(number + 2).min(cells.len());
        sizes[near].iter().copied().fold(f64::NAN, f64::max)
    };
    let around: Vec<f64> = (0..cells.len()).map(around).collect();
    let measured_ms = measured_ms(normal.cell_ms);
    let has_days = normal.cell_ms <= DAY_MS / 8;
    let mut places = vec![0; if has_days { (measured_ms / DAY_MS) as usize } else { 0 }];
    let (mut everywhere, mut here) = (SortedRange::new(&around), Vec::new());
    (0..cells.len())
        .map(|number| {
            checkpoint();
            let cell = &cells[number];
            let from = normal.measured_from[number];
            // The newest one would look ahead.
            let before = from..number.saturating_sub(1).max(from);
            everywhere.move_to(before.start, before.end);
            let mut usual = everywhere.median().unwrap_or(f64::NAN);
            if usual == 0.0 {
                let known = around[before].iter().filter(|size| !size.is_nan());
                usual = known.sum::<f64>() / everywhere.len() as f64;
            }
            here.clear();
            for (day, place) in (1..).zip(&mut places) {
                let then = cell.from_ms.saturating_sub(day * DAY_MS);
                *place += count_before(&cells[*place..], then);
                if cells[*place].from_ms == then && !around[*place].is_nan() {
                    here.push(around[*place]);
                }
            }
            let weight = here.len() as f64 / (here.len() as f64 + 2.0);
            let scale = median(&mut here).map_or(usual, |here| weight * here + (1.0 - weight) * usual);
            let smallest = normal.smallest(measure, number);
            if scale.is_nan() { scale } else { (scale * SCALE_TO_SIGMA).max(smallest) }
        })
        .collect()
}

/// In how many cells there is one value beyond the limit, and one outside the band, by chance.
#[derive(Debug, Clone, Copy)]
struct Rates {
    limit_cells: f64,
    band_cells: f64,
}

/// What is normal in one block.
pub(super) struct Limits<'a> {
    normal: &'a Normal,
    /// Those of the training window.
    cells: Range<usize>,
    rates: Rates,
    /// By each measure both sides, once they are asked for.
    tails: [[OnceCell<Option<Ends>>; 2]; Measure::COUNT],
}

/// What is found at one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) expected: f64,
    pub(super) basis: Basis,
    /// Ends of the band.
    pub(super) lower: f64,
    pub(super) upper: f64,
    /// Whether it is outside the band.
    pub(super) is_outside: bool,
    /// How far it is from what is normal, in standard deviations, and as a share of the limit.
    pub(super) off: f64,
    pub(super) strength: f64,
    /// Whether it is beyond the limit, and news.
    pub(super) is_beyond: bool,
    /// Whether it would be news at another time of the day or of the week, or in a series that is better known.
    pub(super) is_habit: bool,
}

/// Where the band and the limit of one side are in a block, in standard deviations.
#[derive(Debug, Clone, Copy)]
struct Ends {
    band: f64,
    limit: f64,
    is_restless: bool,
}

/// One end of what is normal at a point.
struct End<'a> {
    model: &'a Model,
    expected: f64,
    /// Where the band ends, and where the limit is.
    band: f64,
    limit: f64,
    /// How far out the point is, in standard deviations, and as a share of the limit.
    off: f64,
    strength: f64,
    is_restless: bool,
}

impl Limits<'_> {
    fn ends(&self, measure: Measure, is_high: bool) -> Option<Ends> {
        *self.tails[measure.place()][side(is_high)].get_or_init(|| {
            let Rates { limit_cells, band_cells } = self.rates;
            let (model, side) = (self.normal.model(measure), side(is_high));
            let ranked = &mut model.ranked[side].borrow_mut();
            let tail = Tail::before_lasting(&model.maxima[side], self.cells.clone(), ranked, limit_cells)?;
            let limit = tail.limit(limit_cells);
            let band = tail.reached_in(band_cells).max(limit / 2.0);
            Some(Ends { band, limit, is_restless: tail.is_restless })
        })
    }

    /// Whether points are so far apart that one alone says enough.
    pub(super) fn is_each_point_telling(&self) -> bool {
        self.normal.step_ms >= TELLING_MS
    }

    /// What is found at the point `index`; `None` if too little is known.
    pub(super) fn look(&self, index: usize) -> Option<Found> {
        let normal = self.normal;
        let number = normal.cell_of[index] as usize;
        let basis = normal.bases[number];
        let further = if self.is_first_weekend(basis, number) { FIRST_WEEKEND } else { 1.0 };
        let (low, high) = (self.end(index, false, further)?, self.end(index, true, further)?);
        // What is outside by more than half of the band's width is beyond the limit.
        let lower = low.band.min((low.limit + high.band / 2.0) / 1.5);
        let upper = high.band.max((high.limit + lower / 2.0) / 1.5);
        let is_high = high.off >= 0.0;
        let own = if is_high { &high } else { &low };
        let strength = own.strength;
        let is_confirmed = || {
            let before = index.checked_sub(1).map_or(0.0, |before| own.model.off[before]);
            !own.is_restless
                || self.is_each_point_telling()
                || strength >= CLEAR
                || (if is_high { before } else { -before }) * strength >= own.off.abs()
        };
        let is_passed = strength >= 1.0 && is_confirmed();
        let is_habit = further > 1.0 || (is_passed && self.recurs(own.model, number, is_high, own.off));
        let value = normal.filled[index];
        Some(Found {
            expected: high.expected,
            basis,
            lower,
            upper,
            is_outside: value < lower || value > upper,
            off: own.off.abs(),
            strength,
            is_beyond: is_passed && (further > 1.0 || !is_habit),
            is_habit,
        })
    }

    /// One end of what is normal at the point `index`, `further` out than usual.
    fn end(&self, index: usize, is_high: bool, further: f64) -> Option<End<'_>> {
        let normal = self.normal;
        let number = normal.cell_of[index] as usize;
        let forecast = normal.forecasts.of(normal.bases[number])[index];
        let measure = normal.measure(number, is_high, forecast);
        let model = normal.model(measure);
        let (scale, off) = (model.scales[number], model.off[index]);
        if !forecast.is_finite() || !off.is_finite() {
            return None;
        }
        let levels = model.levels[number].around(normal.around(measure, index, scale));
        let Ends { band, limit, is_restless } = self.ends(measure, is_high)?;
        let at = |residual: f64| measure.value_at(forecast, residual);
        let out = |scales: f64| {
            let off = scales * scale * further;
            at(if is_high { levels.high + off } else { levels.low - off })
        };
        Some(End {
            model,
            expected: at(levels.drawn),
            band: out(band),
            limit: out(limit),
            off,
            strength: off.abs() / (limit * further),
            is_restless,
        })
    }

    /// Whether as much has been seen at about this time on some of the days before, or in both weeks before.
    fn recurs(&self, model: &Model, number: usize, is_high: bool, off: f64) -> bool {
        let Normal { cells, cell_ms, .. } = self.normal;
        if *cell_ms > DAY_MS / 8 {
            return false;
        }
        let maxima = &model.maxima[side(is_high)];
        let seen = |days: i64| {
            let then = cells[number].from_ms.saturating_sub(days * DAY_MS);
            let first = cells
                .partition_point(|cell| cell.from_ms < then.saturating_sub(*cell_ms))
                .max(self.cells.start);
            let near = cells[first..].iter().zip(&maxima[first..]);
            let near = near.take_while(|(cell, _)| cell.from_ms <= then.saturating_add(*cell_ms));
            near.fold(f64::NEG_INFINITY, |most, (_, value)| most.max(*value)) >= RECURRING_SHARE * off.abs()
        };
        (1..=7).filter(|days| seen(*days)).count() >= RECURRING_DAYS || (seen(7) && seen(14))
    }

    /// Whether it is a Saturday, a Sunday or the night after, and nothing is known of any before, though of days.
    fn is_first_weekend(&self, basis: Basis, number: usize) -> bool {
        let Normal { cells, cell_ms, sees_weeks, .. } = self.normal;
        if basis != Basis::Day || !sees_weeks {
            return false;
        }
        let now = cells[number].from_ms;
        // The epoch began on a Thursday; counted from Monday.
        let of_week = now.saturating_add(3 * DAY_MS).rem_euclid(7 * DAY_MS);
        let is_weekend = !(DAY_MS / 2..5 * DAY_MS).contains(&of_week);
        let week_ago = now.saturating_sub(7 * DAY_MS);
        let then = cells.partition_point(|cell| cell.from_ms < week_ago.saturating_sub(DAY_MS));
        is_weekend && cells[then].from_ms > week_ago.saturating_add(*cell_ms)
    }
}
