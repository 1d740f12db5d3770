//! What each metric of a group usually is given the others, learnt from the training window.
//!
//! Numbers are counted from each metric's median in its standard deviations. A row holds those of all metrics now, means of
//! them over a few rows before, and the time of day and week. Of the covariance of these rows, with a small ridge, the
//! inverse says what any number is given all others: value − residual, where the residual is a line of the inverse times
//! the row, divided by its diagonal. So one inverse holds the regressions of all metrics, and what is missing in a row is
//! left out of all of them exactly, by the same inverse.
//!
//! Each metric is looked at twice: without its own past, so that a break shows as long as it lasts, and with it, so that a
//! sudden change of a metric that drifts shows at all.
//!
//! Cells far from what is expected are left out when the covariance is learnt anew, cell by cell, so that an incident in
//! the training window neither widens what is normal nor costs the other metrics their rows.

use chrono_tz::Tz;

use super::super::Member;
use super::super::robust::{MEAN_DEVIATION_TO_SIGMA, median};
use super::super::wall_clock::on_the_wall;
use super::align::{Cursor, Steps};
use super::linear;
use outrider_forest::cancel::checkpoint;

/// The fewest training rows that a metric must have.
pub(super) const MIN_ROWS: usize = 200;
/// Added to the variance of each number, which is one: keeps metrics that hold the same apart.
const RIDGE: f64 = 1e-3;
/// Rows for each number in them that there are at least; else less of the past is looked at.
const ROWS_A_NUMBER: usize = 8;
/// How often the covariance is learnt, each time without the cells that the time before did not expect.
const ROUNDS: usize = 3;
/// A cell is left out beyond this many sigmas, or this many times what one residual in twenty exceeds.
const CUT_SIGMAS: f64 = 4.0;
const CUT_TIMES: f64 = 2.2;
/// Further from its median than this, in standard deviations, a number counts as that far when the covariance is first
/// learnt.
const CLIP: f64 = 6.0;
/// Sines and cosines of a day, its half and its third; weekend; one.
const CLOCK: usize = 8;
/// Every so many-th row tells how large residuals usually are when bad cells are looked for.
const SAMPLED: usize = 4;
/// The parts, by expected value, in which residuals are described.
const PARTS: usize = 8;
/// The fewest residuals of a part.
const MIN_PART: usize = 20;
/// The least sigma, as a share of the metric's standard deviation and of the usual sigma.
const LEAST_SIGMA: f64 = 5e-3;
const LEAST_SHARE: f64 = 0.3;

/// The most bytes that judging a block takes.
pub(super) fn bytes(points: usize, members: usize) -> usize {
    let metrics = members.max(1);
    let width = metrics * (1 + lags(metrics).len()) + CLOCK;
    let rows = points / metrics + 1;
    // The rows, values and residuals of each, and twelve statistics; the matrices; the verdicts.
    let of_row = width + metrics * 24;
    rows.saturating_mul(of_row)
        .saturating_mul(8)
        .saturating_add(width * width * 6 * 8)
        .saturating_add(points * 256)
}

/// The rows before that the means of a row are of, from and to; the more metrics, the fewer.
fn lags(metrics: usize) -> &'static [(i64, i64)] {
    match metrics {
        ..=6 => &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 9)],
        7..=14 => &[(1, 1), (2, 2), (3, 4), (5, 6)],
        _ => &[(1, 1), (2, 4)],
    }
}

/// The longest of [`lags`], in rows.
pub(super) const LONGEST_LAG: i64 = 9;

/// A metric that can be judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    /// Place among the members of the group.
    pub(super) member: usize,
    centre: f64,
    scale: f64,
}

impl Metric {
    pub(super) fn standard(&self, value: f64) -> f64 {
        (value - self.centre) / self.scale
    }

    pub(super) fn value(&self, standard: f64) -> f64 {
        standard.mul_add(self.scale, self.centre)
    }
}

/// How residuals of a metric lie, by what is expected.
#[derive(Debug, Clone)]
struct Shape {
    /// Mean expected value, mean residual and sigma of each part, ascending.
    parts: Vec<(f64, f64, f64)>,
    least: f64,
}

impl Shape {
    fn of(expected: &[f64], residuals: &[f64], is_bad: impl Fn(usize) -> bool) -> Self {
        let known = |row: &usize| residuals[*row].is_finite() && !is_bad(*row);
        let rows: Vec<usize> = (0..residuals.len()).filter(known).collect();
        let mut sample: Vec<f64> = rows.iter().step_by(4).map(|row| expected[*row]).collect();
        sample.sort_unstable_by(f64::total_cmp);
        let edges: Vec<f64> =
            (1..PARTS).filter_map(|part| sample.get(sample.len() * part / PARTS)).copied().collect();
        let part_of = |row: usize| edges.iter().filter(|edge| expected[row] >= **edge).count();
        let mut sums = [(0.0, 0.0, 0.0); PARTS];
        for row in &rows {
            let sum = &mut sums[part_of(*row)];
            *sum = (sum.0 + 1.0, sum.1 + expected[*row], sum.2 + residuals[*row]);
        }
        let mut deviations = [0.0; PARTS];
        for row in &rows {
            let (count, _, sum) = sums[part_of(*row)];
            deviations[part_of(*row)] += (residuals[*row] - sum / count).abs();
        }
        let mut parts: Vec<(f64, f64, f64)> = sums
            .iter()
            .zip(deviations)
            .filter(|((count, ..), _)| *count >= MIN_PART as f64)
            .map(|((count, expected, residual), deviation)| {
                (expected / count, residual / count, MEAN_DEVIATION_TO_SIGMA * deviation / count)
            })
            .collect();
        let mut sigmas: Vec<f64> = parts.iter().map(|part| part.2).collect();
        let usual = median(&mut sigmas).unwrap_or(1.0);
        for part in &mut parts {
            part.2 = part.2.max(LEAST_SHARE * usual).max(LEAST_SIGMA);
        }
        let least = parts.iter().map(|part| part.2).fold(f64::INFINITY, f64::min);
        Self { parts, least: if least.is_finite() { 0.5 * least } else { 1.0 } }
    }

    /// Usual residual and sigma where `expected` is: between the parts, and beyond them as the outermost go on.
    fn at(&self, expected: f64) -> (f64, f64) {
        let parts = &self.parts;
        let Some(last) = parts.len().checked_sub(1) else { return (0.0, 1.0) };
        let next = parts.partition_point(|part| part.0 <= expected);
        let (from, to) = match next {
            _ if last < 2 => return (parts[0].1, parts[0].2),
            0 => (0, 2),
            next if next > last => (last - 2, last),
            next => (next - 1, next),
        };
        let (a, b) = (parts[from], parts[to]);
        let base = if next > last { b } else { a };
        let way = if b.0 > a.0 { (expected - base.0) / (b.0 - a.0) } else { 0.0 };
        let sigma = (b.2 - a.2).mul_add(way, base.2);
        ((b.1 - a.1).mul_add(way, base.1), sigma.max(self.least))
    }
}

/// What is expected of one metric in one row, in its standard deviations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expectation {
    pub(super) expected: f64,
    pub(super) sigma: f64,
    /// How far the value is from it, in sigmas.
    pub(super) residual: f64,
}

/// Without its own past, with it, and with no past at all.
pub(super) const WITHOUT_PAST: usize = 0;
pub(super) const WITH_PAST: usize = 1;
const NOW: usize = 2;
const VIEWS: usize = 3;
/// Where nothing but the present tells a metric with at most this many times the sigma, it must be off in that view, too.
const AS_GOOD: f64 = 1.5;

/// What was learnt of a group.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) metrics: Vec<Metric>,
    lags: &'static [(i64, i64)],
    /// Numbers of a row.
    pub(super) width: usize,
    step_ms: i64,
    zone: Tz,
    /// The inverse of the covariance.
    precision: Vec<f64>,
    /// What each metric is expected to be in each view, as factors of a row.
    factors: [Vec<f64>; VIEWS],
    /// One over the variance of its residual in each view.
    diagonals: [Vec<f64>; VIEWS],
    /// The inverse of the covariance of the present and the clock alone.
    present: Vec<f64>,
    shapes: [Vec<Shape>; VIEWS],
}

/// The training, row by row.
pub(super) struct Training {
    pub(super) times: Vec<i64>,
    /// A row of [`Model::width`] numbers each, zero where one is missing.
    rows: Vec<f64>,
    /// A row of one number a metric: NaN where there is none.
    pub(super) values: Vec<f64>,
    /// Whether a metric has a point of this row, and not one that has lasted.
    pub(super) fresh: Vec<bool>,
    /// What is missing in a row.
    gaps: Vec<Option<Gap>>,
}

/// The places of what is missing in a row, which has zeros there.
pub(super) type Gap = Vec<usize>;

/// Takes what is missing out of a row; `None` if nothing is.
pub(super) fn take_gap(row: &mut [f64]) -> Option<Gap> {
    let missing = missing(row);
    missing.iter().for_each(|place| row[*place] = 0.0);
    (!missing.is_empty()).then_some(missing)
}

impl Model {
    /// Learns from the training rows; `None` if there are fewer than two metrics to learn of.
    pub(super) fn fit(members: &[Member<'_>], steps: &Steps, zone: Tz) -> Option<(Self, Training)> {
        let times = steps.training_rows(members);
        let metrics: Vec<Metric> = (0..members.len())
            .filter_map(|member| {
                let mut known: Vec<f64> = members[member]
                    .training
                    .values
                    .iter()
                    .copied()
                    .filter(|value| value.is_finite())
                    .collect();
                if known.len() < MIN_ROWS {
                    return None;
                }
                let centre = median(&mut known)?;
                let largest = known.iter().map(|value| (value - centre).abs()).fold(0.0, f64::max);
                // Squared as parts of the largest, which cannot overflow.
                let squares: f64 = known.iter().map(|value| ((value - centre) / largest).powi(2)).sum();
                let scale = largest * (squares / known.len() as f64).sqrt();
                // What rounding leaves is no change.
                let varies = scale > 1e-12 * centre.abs() && scale > f64::MIN_POSITIVE;
                (varies && scale.is_finite()).then_some(Metric { member, centre, scale })
            })
            .collect();
        if metrics.len() < super::MIN_METRICS || times.len() < MIN_ROWS {
            return None;
        }
        let mut lags = lags(metrics.len());
        while !lags.is_empty() && (metrics.len() * (1 + lags.len()) + CLOCK) * ROWS_A_NUMBER > times.len() {
            lags = &lags[..lags.len() - 1];
        }
        let width = metrics.len() * (1 + lags.len()) + CLOCK;
        let mut model = Self {
            metrics,
            lags,
            width,
            step_ms: steps.of_rows,
            zone,
            precision: Vec::new(),
            factors: Default::default(),
            diagonals: Default::default(),
            present: Vec::new(),
            shapes: Default::default(),
        };
        let training = model.learn(members, steps, times)?;
        Some((model, training))
    }

    /// The numbers of all metrics at training times, NaN where there are none.
    fn values(&self, members: &[Member<'_>], steps: &Steps, times: &[i64]) -> (Vec<f64>, Vec<bool>) {
        let mut cursor = Cursor::new(members, steps);
        let mut values = Vec::with_capacity(times.len() * self.metrics.len());
        let mut fresh = Vec::with_capacity(values.capacity());
        for time in times {
            for metric in &self.metrics {
                let newest = cursor.newest(metric.member, *time);
                values.push(newest.map_or(f64::NAN, |(_, value)| metric.standard(value)));
                let is_fresh = |(at, value): &(i64, f64)| value.is_finite() && time - at < self.step_ms;
                fresh.push(newest.as_ref().is_some_and(is_fresh));
            }
        }
        (values, fresh)
    }

    fn learn(&mut self, members: &[Member<'_>], steps: &Steps, times: Vec<i64>) -> Option<Training> {
        let (count, width) = (self.metrics.len(), self.width);
        let (values, fresh) = self.values(members, steps, &times);
        let mut is_bad = vec![false; values.len()];
        let raw = self.rows(&values, &times);
        let mut training = Training { times, rows: Vec::new(), values, fresh, gaps: Vec::new() };
        let mut residuals: [Vec<f64>; VIEWS] = std::array::from_fn(|_| vec![0.0; training.values.len()]);
        let mut expected = residuals.clone();
        for round in 0..ROUNDS {
            let mut learnt = if round == 0 {
                raw.clone()
            } else {
                let cleaned = training
                    .values
                    .iter()
                    .zip(&is_bad)
                    .map(|(value, bad)| if *bad { f64::NAN } else { *value });
                self.rows(&cleaned.collect::<Vec<_>>(), &training.times)
            };
            if round == 0 {
                for number in &mut learnt {
                    *number = if number.is_nan() { 0.0 } else { number.clamp(-CLIP, CLIP) };
                }
            } else {
                self.fill(&mut learnt);
            }
            let mut products = vec![0.0; width * width];
            linear::add_products(&mut products, &learnt, width);
            drop(learnt);
            for i in 0..width {
                for j in i..width {
                    products[i * width + j] /= training.times.len() as f64;
                }
                products[i * width + i] += RIDGE;
            }
            self.precision = linear::inverse(&products, width)?;
            self.read_factors()?;
            training.rows.clone_from(&raw);
            let is_last = round + 1 == ROUNDS;
            if is_last {
                training.gaps = training.rows.chunks_exact_mut(width).map(take_gap).collect();
            } else {
                self.fill(&mut training.rows);
            }
            for (row, numbers) in training.rows.chunks_exact(width).enumerate() {
                if row % 64 == 0 {
                    checkpoint();
                }
                for metric in 0..count {
                    let cell = row * count + metric;
                    for view in 0..if is_last { VIEWS } else { NOW } {
                        let gap = if is_last { training.gaps[row].as_ref() } else { None };
                        expected[view][cell] = self.linear(view, metric, numbers, gap).0;
                        residuals[view][cell] = training.values[cell] - expected[view][cell];
                    }
                }
            }
            self.find_bad(&residuals[..NOW], &mut is_bad);
        }
        // Where something is missing, residuals are larger.
        let is_mostly_whole = 2 * training.gaps.iter().flatten().count() < training.times.len();
        for past in 0..VIEWS {
            let of = |all: &[f64], metric: usize| -> Vec<f64> {
                all.iter().skip(metric).step_by(count).copied().collect()
            };
            self.shapes[past] = (0..count)
                .map(|metric| {
                    checkpoint();
                    let bad = |row: usize| {
                        is_bad[row * count + metric] || (is_mostly_whole && training.gaps[row].is_some())
                    };
                    Shape::of(&of(&expected[past], metric), &of(&residuals[past], metric), bad)
                })
                .collect();
        }
        Some(training)
    }

    /// Of each row the cell furthest from what is expected is bad if it is too far.
    fn find_bad(&self, residuals: &[Vec<f64>], is_bad: &mut [bool]) {
        let count = self.metrics.len();
        let rows = is_bad.len() / count;
        let mut relative = vec![0.0_f64; is_bad.len()];
        let mut is_beyond = vec![false; is_bad.len()];
        for of_past in residuals {
            for metric in 0..count {
                checkpoint();
                let mut sizes: Vec<f64> = (0..rows)
                    .step_by(SAMPLED)
                    .map(|row| of_past[row * count + metric].abs())
                    .filter(|size| size.is_finite())
                    .collect();
                let Some(middle) = median(&mut sizes) else { continue };
                let sigma = super::super::robust::MAD_TO_SIGMA * middle + 1e-9;
                let place = (sizes.len() * 19 / 20).min(sizes.len() - 1);
                let twentieth = *sizes.select_nth_unstable_by(place, f64::total_cmp).1 / sigma;
                let cut = CUT_SIGMAS.max(CUT_TIMES * twentieth);
                for row in 0..rows {
                    let cell = row * count + metric;
                    let size = of_past[cell].abs() / sigma;
                    if size.is_finite() {
                        relative[cell] = relative[cell].max(size);
                        is_beyond[cell] |= size > cut;
                    }
                }
            }
        }
        for row in 0..rows {
            let cells = row * count..(row + 1) * count;
            let most = relative[cells.clone()].iter().copied().fold(0.0, f64::max);
            for cell in cells {
                is_bad[cell] = is_beyond[cell] && relative[cell] >= most;
            }
        }
    }

    /// The rows of training values, NaN where something is missing.
    fn rows(&self, values: &[f64], times: &[i64]) -> Vec<f64> {
        let count = self.metrics.len();
        let mut rows = vec![0.0; times.len() * self.width];
        for (row, numbers) in rows.chunks_exact_mut(self.width).enumerate() {
            if row % 256 == 0 {
                checkpoint();
            }
            let back = |lag: i64, metric: usize| {
                let before = row.checked_sub(usize::try_from(lag).unwrap_or(usize::MAX));
                before.map_or(f64::NAN, |before| values[before * count + metric])
            };
            self.write_row(numbers, times[row], |metric| values[row * count + metric], back);
        }
        rows
    }

    /// Writes the numbers of a row at `time`, given those of each metric now and so many rows before.
    pub(super) fn write_row(
        &self,
        numbers: &mut [f64],
        time: i64,
        now: impl Fn(usize) -> f64,
        back: impl Fn(i64, usize) -> f64,
    ) {
        let count = self.metrics.len();
        for metric in 0..count {
            numbers[metric] = now(metric);
            for (place, (from, to)) in self.lags.iter().enumerate() {
                let (mut sum, mut known) = (0.0, 0.0);
                for lag in *from..=*to {
                    let number = back(lag, metric);
                    if !number.is_nan() {
                        (sum, known) = (sum + number, known + 1.0);
                    }
                }
                numbers[count * (1 + place) + metric] = sum / known;
            }
        }
        let clock = &mut numbers[count * (1 + self.lags.len())..];
        const DAY: i64 = 86_400_000;
        let local = on_the_wall(time, self.zone);
        let turn = std::f64::consts::TAU * local.rem_euclid(DAY) as f64 / DAY as f64;
        for part in 0..3 {
            let (sine, cosine) = (turn * (part + 1) as f64).sin_cos();
            (clock[2 * part], clock[2 * part + 1]) = (sine, cosine);
        }
        // The epoch began on a Thursday.
        let is_weekend = (local.div_euclid(DAY) + 3).rem_euclid(7) >= 5;
        clock[6] = f64::from(u8::from(is_weekend)) - 2.0 / 7.0;
        clock[7] = 1.0;
    }

    /// The places of the past of a metric in a row.
    fn own_past(&self, metric: usize) -> Vec<usize> {
        (0..self.lags.len()).map(|place| self.metrics.len() * (1 + place) + metric).collect()
    }

    /// Reads off the inverse what each metric is expected to be.
    fn read_factors(&mut self) -> Option<()> {
        let (count, width) = (self.metrics.len(), self.width);
        self.present = self.without_past()?;
        for view in 0..VIEWS {
            let mut factors = vec![0.0; count * width];
            let mut diagonals = vec![0.0; count];
            for metric in 0..count {
                let of_metric = &mut factors[metric * width..(metric + 1) * width];
                match view {
                    WITHOUT_PAST => {
                        let line = line_without(&self.precision, width, metric, &self.own_past(metric));
                        of_metric.copy_from_slice(&line);
                    }
                    WITH_PAST => {
                        of_metric.copy_from_slice(&self.precision[metric * width..(metric + 1) * width]);
                    }
                    _ => {
                        let line = &self.present[metric * (count + CLOCK)..(metric + 1) * (count + CLOCK)];
                        of_metric[..count].copy_from_slice(&line[..count]);
                        of_metric[width - CLOCK..].copy_from_slice(&line[count..]);
                    }
                }
                diagonals[metric] = of_metric[metric];
                let diagonal = of_metric[metric];
                of_metric.iter_mut().for_each(|factor| *factor /= -diagonal);
                of_metric[metric] = 0.0;
            }
            self.factors[view] = factors;
            self.diagonals[view] = diagonals;
        }
        Some(())
    }

    /// The inverse of the covariance of the present and the clock alone.
    fn without_past(&self) -> Option<Vec<f64>> {
        let (count, width) = (self.metrics.len(), self.width);
        let clock = width - CLOCK;
        let past: Vec<usize> = (count..clock).collect();
        let kept: Vec<usize> = (0..count).chain(clock..width).collect();
        let mut present = linear::part(&self.precision, width, &kept);
        if past.is_empty() {
            return Some(present);
        }
        let inverse = linear::inverse(&linear::part(&self.precision, width, &past), past.len())?;
        let known = |place: usize| &self.precision[place * width + count..place * width + clock];
        for (i, place) in kept.iter().enumerate() {
            let shares: Vec<f64> =
                inverse.chunks_exact(past.len()).map(|line| linear::dot(line, known(*place))).collect();
            for (j, other) in kept.iter().enumerate() {
                present[i * kept.len() + j] -= linear::dot(&shares, known(*other));
            }
        }
        Some(present)
    }

    /// Puts what is likeliest, given the rest of its row, in place of each number that is missing.
    fn fill(&self, rows: &mut [f64]) {
        for (index, row) in rows.chunks_exact_mut(self.width).enumerate() {
            if index % 64 == 0 {
                checkpoint();
            }
            let missing = missing(row);
            if !missing.is_empty() {
                self.put_likeliest(row, &missing);
            }
        }
    }

    /// Puts what is likeliest in place of the numbers that are `missing`.
    fn put_likeliest(&self, row: &mut [f64], missing: &[usize]) {
        let width = self.width;
        missing.iter().for_each(|place| row[*place] = 0.0);
        let solver = linear::Solver::of(&linear::part(&self.precision, width, missing), missing.len());
        let line = |place: &usize| &self.precision[place * width..(place + 1) * width];
        let mut likeliest: Vec<f64> = missing.iter().map(|place| -linear::dot(line(place), row)).collect();
        solver.solve(&mut likeliest);
        missing.iter().zip(likeliest).for_each(|(place, number)| row[*place] = number);
    }

    /// What a metric is expected to be in a row, before the shape of its residuals is looked at, and how much larger its
    /// residual is for what is missing.
    fn linear(&self, view: usize, metric: usize, row: &[f64], gap: Option<&Gap>) -> (f64, f64) {
        let (count, width) = (self.metrics.len(), self.width);
        let clock = width - CLOCK;
        let Some(gap) = gap else {
            let factors = &self.factors[view][metric * width..(metric + 1) * width];
            if view == NOW {
                let (now, time) = (
                    linear::dot(&factors[..count], &row[..count]),
                    linear::dot(&factors[clock..], &row[clock..]),
                );
                return (now + time, 1.0);
            }
            return (linear::dot(factors, row), 1.0);
        };
        let whole = self.diagonals[view][metric];
        let mut left_out = match view {
            WITHOUT_PAST => self.own_past(metric),
            _ => Vec::new(),
        };
        // Its own value is never looked at.
        left_out.extend(gap.iter().filter(|place| **place != metric));
        left_out.sort_unstable();
        left_out.dedup();
        let (line, sum) = if view == NOW {
            let place_of = |place: &usize| {
                if *place >= clock { Some(place - clock + count) } else { (*place < count).then_some(*place) }
            };
            let left_out: Vec<usize> = left_out.iter().filter_map(place_of).collect();
            let line = line_without(&self.present, count + CLOCK, metric, &left_out);
            let sum = linear::dot(&line[..count], &row[..count]) + linear::dot(&line[count..], &row[clock..]);
            (line, sum)
        } else {
            let line = line_without(&self.precision, width, metric, &left_out);
            let sum = linear::dot(&line, row);
            (line, sum)
        };
        let diagonal = line[metric];
        // What the sum holds of its own value is its share.
        let expected = -(sum - diagonal * row[metric]) / diagonal;
        (expected, (whole / diagonal).max(1.0).sqrt())
    }

    /// What is expected of a metric in a row, where its value is `value`.
    fn expect(&self, view: usize, metric: usize, row: &[f64], value: f64, gap: Option<&Gap>) -> Expectation {
        let (linear, larger) = self.linear(view, metric, row, gap);
        let (usual, sigma) = self.shapes[view][metric].at(linear);
        let (expected, sigma) = (linear + usual, sigma * larger);
        Expectation { expected, sigma, residual: (value - expected) / sigma }
    }

    /// What is expected of a metric without its own past and with it. Where its present alone tells about as much, it is off
    /// only as far as it is so in that view, too: what jumps together is not judged by what was before.
    pub(super) fn look(&self, metric: usize, row: &[f64], value: f64, gap: Option<&Gap>) -> [Expectation; 2] {
        let now = self.expect(NOW, metric, row, value, gap);
        [WITHOUT_PAST, WITH_PAST].map(|view| {
            let mut seen = self.expect(view, metric, row, value, gap);
            if now.sigma <= AS_GOOD * seen.sigma && now.residual.abs() < seen.residual.abs() {
                let same_side = now.residual * seen.residual > 0.0;
                let residual = if same_side { now.residual } else { 0.0 };
                seen = Expectation { expected: value - residual * seen.sigma, residual, ..seen };
            }
            seen
        })
    }

    /// The residuals of all metrics in a training row: NaN where there is no value.
    pub(super) fn training_row<'a>(
        &self,
        training: &'a Training,
        row: usize,
    ) -> (&'a [f64], &'a [f64], Option<&'a Gap>) {
        let count = self.metrics.len();
        let numbers = &training.rows[row * self.width..(row + 1) * self.width];
        (numbers, &training.values[row * count..(row + 1) * count], training.gaps[row].as_ref())
    }

    /// The row at `time` of judged points, missing numbers NaN. `known` says whether a metric's point at a time may be used.
    pub(super) fn judged_row(
        &self,
        numbers: &mut [f64],
        time: i64,
        cursors: &mut [Cursor<'_>],
        is_suspect: impl Fn(usize, i64) -> bool,
    ) {
        let count = self.metrics.len();
        let mut values = vec![f64::NAN; cursors.len() * count];
        for (lag, cursor) in cursors.iter_mut().enumerate() {
            for (metric, of_metric) in self.metrics.iter().enumerate() {
                let at = time.saturating_sub(self.step_ms.saturating_mul(lag as i64));
                if let Some((at, value)) = cursor.newest(of_metric.member, at)
                    && (lag == 0 || !is_suspect(metric, at))
                {
                    values[lag * count + metric] = of_metric.standard(value);
                }
            }
        }
        let back = |lag: i64, metric: usize| {
            let lag = usize::try_from(lag).unwrap_or(usize::MAX);
            values.get(lag.saturating_mul(count).saturating_add(metric)).copied().unwrap_or(f64::NAN)
        };
        self.write_row(numbers, time, |metric| values[metric], back);
    }

    /// The metric that says most of what is expected of another one, without that one's own past.
    pub(super) fn driver(&self, metric: usize) -> Option<usize> {
        let (count, width) = (self.metrics.len(), self.width);
        let factors = &self.factors[WITHOUT_PAST][metric * width..(metric + 1) * width];
        let share = |other: usize| -> f64 {
            (0..=self.lags.len()).map(|place| factors[place * count + other]).sum::<f64>().abs()
        };
        let others = (0..count).filter(|other| *other != metric);
        let most = others.max_by(|a, b| share(*a).total_cmp(&share(*b)))?;
        (share(most) > 0.2).then_some(most)
    }
}

/// The places of the numbers of a row that are missing.
fn missing(row: &[f64]) -> Vec<usize> {
    row.iter().enumerate().filter(|(_, number)| number.is_nan()).map(|(place, _)| place).collect()
}

/// The line of a metric in the inverse of a covariance without the numbers at `left_out`, given the inverse with them.
fn line_without(precision: &[f64], width: usize, metric: usize, left_out: &[usize]) -> Vec<f64> {
    let line = &precision[metric * width..(metric + 1) * width];
    let mut without = line.to_vec();
    if left_out.is_empty() {
        return without;
    }
    let mut share: Vec<f64> = left_out.iter().map(|place| line[*place]).collect();
    linear::Solver::of(&linear::part(precision, width, left_out), left_out.len()).solve(&mut share);
    for (place, share) in left_out.iter().zip(share) {
        let of_place = &precision[place * width..(place + 1) * width];
        without.iter_mut().zip(of_place).for_each(|(number, other)| *number -= share * other);
    }
    left_out.iter().for_each(|place| without[*place] = 0.0);
    without
}
