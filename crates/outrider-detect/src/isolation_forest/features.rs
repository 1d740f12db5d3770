//! What a forest sees of a series: numbers a point, and rows of them.
//!
//! A feature is made of a point and the points before it, never of later ones. A row is the features of one point, or of
//! a run of points that ends with it (a shingle). Rows are slices of the columns, never copies.

use std::borrow::Cow;
use std::f64::consts::TAU;
use std::fmt;
use std::ops::Range;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Points;
use super::super::wall_clock::on_the_wall;
use outrider_forest::Rows;
use outrider_forest::cancel::checkpoint;

/// What a forest may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The value itself.
    #[schemars(title = "Value")]
    Value,
    /// To the point before: jumps.
    #[schemars(title = "Difference")]
    Difference,
    /// Mean of the last points: levels.
    #[schemars(title = "Rolling mean")]
    RollingMean,
    /// Standard deviation of the last points: bursts and flat lines.
    #[schemars(title = "Rolling deviation")]
    RollingStd,
    /// The time on the clock, as a place on a circle: what is normal may depend on the hour.
    #[schemars(title = "Time of day")]
    TimeOfDay,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "value",
            Self::Difference => "difference",
            Self::RollingMean => "rolling-mean",
            Self::RollingStd => "rolling-std",
            Self::TimeOfDay => "time-of-day",
        })
    }
}

/// What a forest looks at, as a query has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    /// At least one, each once.
    pub(super) features: Vec<Feature>,
    /// Points that the rolling features look at, the newest among them.
    pub(super) window: usize,
    /// Whose clock the time of day is read from.
    pub(super) zone: Tz,
    /// Points of a row.
    pub(super) shingle: usize,
}

impl View {
    /// Numbers in a row. The time of day is two, and is not repeated for the older points of a row.
    pub(super) fn dimensions(&self) -> usize {
        let clock = self.features.contains(&Feature::TimeOfDay);
        (self.features.len() - usize::from(clock)) * self.shingle + 2 * usize::from(clock)
    }
}

/// One number a point.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) feature: Feature,
    /// As many as there are points; NaN where it is not known.
    pub(super) values: Cow<'a, [f64]>,
}

/// Where a number of a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the column.
    pub(super) column: usize,
    /// How many points before the newest of the row.
    pub(super) ago: usize,
}

/// The features of a run of points, to be read as rows.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) times: &'a [i64],
    pub(super) columns: Vec<Column<'a>>,
    /// For each number of a row.
    pub(super) places: Vec<Place>,
    shingle: usize,
    /// For each point whether it ends a row without a gap.
    complete: Vec<bool>,
}

impl<'a> Table<'a> {
    /// What `view` shows of `points`. Time O(points · window) for the rolling features, O(points) else.
    pub(super) fn new(points: Points<'a>, view: &View) -> Self {
        let columns: Vec<Column<'a>> = view
            .features
            .iter()
            .inspect(|_| checkpoint())
            .flat_map(|feature| columns(*feature, points, view))
            .collect();
        let places = columns
            .iter()
            .enumerate()
            .flat_map(|(column, Column { feature, .. })| {
                let points = if *feature == Feature::TimeOfDay { 1 } else { view.shingle };
                (0..points).rev().map(move |ago| Place { column, ago })
            })
            .collect();
        let mut run = 0;
        let complete = (0..points.values.len())
            .map(|point| {
                let known = columns.iter().all(|column| column.values[point].is_finite());
                run = if known { run + 1 } else { 0 };
                run >= view.shingle
            })
            .collect();
        Self { times: points.times, columns, places, shingle: view.shingle, complete }
    }

    /// The first of `points` whose row does not reach back before the first point of all.
    pub(super) fn first_row(&self, points: &Range<usize>) -> usize {
        points.start.max(self.shingle - 1).min(points.end)
    }

    /// How many of `points` end a row without a gap.
    pub(super) fn complete(&self, points: Range<usize>) -> usize {
        self.complete[points].iter().filter(|complete| **complete).count()
    }

    /// Hours between the first and the last of `points`, rounded.
    pub(super) fn hours(&self, points: Range<usize>) -> i64 {
        const HOUR_MS: i64 = 3_600_000;
        let times = &self.times[points];
        let (first, last) = (times.first().unwrap_or(&0), times.last().unwrap_or(&0));
        last.saturating_sub(*first).saturating_add(HOUR_MS / 2) / HOUR_MS
    }

    /// What [`Self::rows`] reads of the rows that end with `newest`, from [`Self::first_row`] on.
    pub(super) fn slices(&self, newest: &Range<usize>) -> Vec<&[f64]> {
        let newest = self.first_row(newest)..newest.end;
        if let ([column], false) = (&self.columns[..], newest.is_empty()) {
            return vec![&column.values[newest.start + 1 - self.shingle..newest.end]];
        }
        self.places
            .iter()
            .map(|place| {
                let values = &self.columns[place.column].values;
                if newest.is_empty() {
                    &[]
                } else {
                    &values[newest.start - place.ago..newest.end - place.ago]
                }
            })
            .collect()
    }

    /// The rows of `slices`, oldest number of a feature first, as [`Self::places`] has them.
    pub(super) fn rows<'s>(&self, slices: &'s [&'s [f64]]) -> Rows<'s> {
        match slices {
            [run] => Rows::windows(run, self.shingle),
            columns => Rows::columns(columns),
        }
    }
}

fn columns<'a>(feature: Feature, points: Points<'a>, view: &View) -> Vec<Column<'a>> {
    let Points { times, values } = points;
    let column = |values| Column { feature, values };
    match feature {
        Feature::Value => vec![column(Cow::Borrowed(values))],
        Feature::Difference => {
            let before = std::iter::once(f64::NAN).chain(values.iter().copied());
            vec![column(values.iter().zip(before).map(|(value, before)| value - before).collect())]
        }
        Feature::RollingMean => vec![column(rolling(values, view.window, |window| mean_and_std(window).0))],
        Feature::RollingStd => vec![column(rolling(values, view.window, |window| mean_and_std(window).1))],
        Feature::TimeOfDay => {
            const DAY_MS: i64 = 86_400_000;
            let angle =
                |time: &i64| TAU * (on_the_wall(*time, view.zone).rem_euclid(DAY_MS) as f64 / DAY_MS as f64);
            [f64::sin, f64::cos].map(|of| column(times.iter().map(|time| of(angle(time))).collect())).into()
        }
    }
}

/// `of` what there is among the last `window` points, at each point; NaN where that is less than half of them or the
/// point itself is missing.
fn rolling<'a>(values: &[f64], window: usize, of: impl Fn(&[f64]) -> f64) -> Cow<'a, [f64]> {
    let least = window.div_ceil(2).max(2);
    let mut present = Vec::with_capacity(window);
    (0..values.len())
        .map(|point| {
            let last = &values[(point + 1).saturating_sub(window)..=point];
            present.clear();
            present.extend(last.iter().copied().filter(|value| value.is_finite()));
            if values[point].is_finite() && present.len() >= least { of(&present) } else { f64::NAN }
        })
        .collect()
}

/// Mean and sample standard deviation (n − 1) of at least two values, taken anew for every window: a running sum would
/// carry the rounding of all points before.
///
/// Measured from the first value, so that the deviation of a constant is 0 exactly, and in a unit that is a power of two,
/// so that no square overflows.
fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let largest = values.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let unit = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    let first = values[0] / unit;
    let apart = |value: &f64| value / unit - first;
    let count = values.len() as f64;
    let mean = values.iter().map(apart).sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (apart(value) - mean).powi(2)).sum();
    (unit * (first + mean), unit * (squares / (count - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Timelike};
    use proptest::prelude::*;

    use super::*;

    const N: f64 = f64::NAN;

    fn view(features: &[Feature], shingle: usize) -> View {
        View { features: features.to_vec(), window: 4, zone: Tz::UTC, shingle }
    }

    fn only(feature: Feature, values: &[f64]) -> Vec<f64> {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        columns(feature, Points { times: &times, values }, &view(&[feature], 1)).remove(0).values.into_owned()
    }

    fn assert_same(found: &[f64], expected: &[f64]) {
        let close = |(a, b): (&f64, &f64)| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12;
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(close),
            "{found:?}, not {expected:?}"
        );
    }

    #[test]
    fn features_are_those_of_the_textbook() {
        let values = [1.0, 3.0, 5.0, N, 8.0, 8.0, N, N, N, 2.0];
        assert_same(&only(Feature::Difference, &values), &[N, 2.0, 2.0, N, N, 0.0, N, N, N, N]);
        assert_same(&only(Feature::RollingMean, &values), &[N, 2.0, 3.0, N, 16.0 / 3.0, 7.0, N, N, N, N]);
        let deviation = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64)
                .sqrt()
        };
        assert_same(
            &only(Feature::RollingStd, &values),
            &[
                N,
                deviation(&[1.0, 3.0]),
                2.0,
                N,
                deviation(&[3.0, 5.0, 8.0]),
                deviation(&[5.0, 8.0, 8.0]),
                N,
                N,
                N,
                N,
            ],
        );
    }

    #[test]
    fn a_constant_has_no_deviation_wherever_it_has_gaps() {
        let mut values = vec![0.1; 50];
        values[20] = N;
        assert!(only(Feature::RollingStd, &values).iter().all(|std| std.is_nan() || *std == 0.0));
        assert!(only(Feature::RollingMean, &values).iter().all(|mean| mean.is_nan() || *mean == 0.1));
    }

    #[test]
    fn the_time_of_day_is_a_place_on_a_circle_and_keeps_to_the_clock() {
        let zone = Tz::Europe__Berlin;
        // Noon in winter and in summer, and midnight.
        let noons = [(2024, 1, 15), (2024, 7, 15)]
            .map(|(y, m, d)| zone.with_ymd_and_hms(y, m, d, 12, 0, 0).unwrap().timestamp_millis());
        assert_ne!(noons[0] % 86_400_000, noons[1] % 86_400_000);
        let midnight = zone.with_ymd_and_hms(2024, 7, 15, 0, 0, 0).unwrap();
        assert_eq!(midnight.hour(), 0);
        let times = [noons[0], noons[1], midnight.timestamp_millis()];
        let points = Points { times: &times, values: &[0.0; 3] };
        let found = columns(Feature::TimeOfDay, points, &View { zone, ..view(&[Feature::TimeOfDay], 1) });
        assert_same(&found[0].values, &[0.0, 0.0, 0.0]);
        assert_same(&found[1].values, &[-1.0, -1.0, 1.0]);
    }

    #[test]
    fn rows_hold_each_feature_oldest_first_and_the_clock_once() {
        let times = [0, 1, 2, 3, 4];
        let points = Points { times: &times, values: &[1.0, 2.0, 4.0, 8.0, 16.0] };
        let view = view(&[Feature::Value, Feature::TimeOfDay, Feature::Difference], 2);
        let table = Table::new(points, &view);
        assert_eq!(table.places.len(), view.dimensions());
        let slices = table.slices(&(0..5));
        let rows = table.rows(&slices);
        assert_eq!((rows.len(), table.first_row(&(0..5)), table.complete(0..5)), (4, 1, 3));
        let row = rows.row(3);
        assert_eq!((&row[..2], &row[4..]), (&[8.0, 16.0][..], &[4.0, 8.0][..]));
        assert_eq!(table.places[0], Place { column: 0, ago: 1 });
        assert_eq!(table.places[5], Place { column: 3, ago: 0 });
        assert!(table.rows(&table.slices(&(0..1))).is_empty());
    }

    proptest! {
        /// What is read in place is what stands at each place.
        #[test]
        fn rows_are_what_places_say(
            values in proptest::collection::vec(prop_oneof![8 => -9.0..9.0_f64, 1 => Just(N)], 0..40),
            features in proptest::sample::subsequence(vec![
                Feature::Value, Feature::Difference, Feature::RollingMean, Feature::RollingStd, Feature::TimeOfDay,
            ], 1..=5),
            shingle in 1_usize..6,
            from in 0_usize..40,
        ) {
            let times: Vec<i64> = (0..values.len() as i64).map(|i| i * 7_000_000).collect();
            let table = Table::new(Points { times: &times, values: &values }, &view(&features, shingle));
            let newest = from.min(values.len())..values.len();
            let first = table.first_row(&newest);
            let slices = table.slices(&newest);
            let rows = table.rows(&slices);
            prop_assert_eq!(rows.len(), newest.end - first);
            for row in 0..rows.len() {
                let expected: Vec<u64> = table
                    .places
                    .iter()
                    .map(|place| table.columns[place.column].values[first + row - place.ago].to_bits())
                    .collect();
                let found: Vec<u64> = rows.row(row).iter().map(|value| value.to_bits()).collect();
                prop_assert_eq!(found, expected);
                let finite = rows.row(row).iter().all(|value| value.is_finite());
                prop_assert_eq!(table.complete(first + row..first + row + 1) == 1, finite);
            }
        }
    }
}
