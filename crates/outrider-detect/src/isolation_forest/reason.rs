//! Why a point is flagged, in plain words.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;

use super::super::Verdict;
use super::super::robust::median;
use super::super::short::Short;
use super::features::{Feature, Place, Table};
use outrider_forest::{Share, Side};

/// Why a point is flagged by one number.
pub(super) struct Alone {
    pub(super) value: f64,
    pub(super) feature: Feature,
    /// The feature of the point.
    pub(super) seen: f64,
    /// Median of the feature in the training window.
    pub(super) expected: f64,
    /// Its robust standard deviation there.
    pub(super) sigma: f64,
    /// Ends of its normal band.
    pub(super) band: (f64, f64),
    pub(super) score: f64,
    pub(super) threshold: f64,
    pub(super) verdict: Verdict,
}

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, distance) = match self.verdict {
            Verdict::Low => ("low", self.expected - self.seen),
            _ => ("high", self.seen - self.expected),
        };
        match self.feature {
            Feature::Value => write!(f, "{} is {side}: ", Short(self.value))?,
            feature => write!(
                f,
                "{} is unusual, its {feature} of {} is {side}: ",
                Short(self.value),
                Short(self.seen)
            )?,
        }
        if self.sigma > 0.0 {
            write!(
                f,
                "{:.1} robust sigmas from the expected {}",
                distance / self.sigma,
                Short(self.expected)
            )?;
        } else {
            write!(f, "{} from the expected {}", Short(distance), Short(self.expected))?;
        }
        match self.band {
            (lower, upper) if lower.is_finite() && upper.is_finite() => {
                write!(f, ", normal is {} to {}", Short(lower), Short(upper))?;
            }
            (lower, _) if lower.is_finite() => write!(f, ", normal is at least {}", Short(lower))?,
            (_, upper) if upper.is_finite() => write!(f, ", normal is up to {}", Short(upper))?,
            _ => {}
        }
        write!(f, "; score {:.2} above {:.2}", self.score, self.threshold)
    }
}

/// The second feature is named too if its share is at least this.
const MENTIONED_SHARE: f64 = 0.2;

/// Says which features drove a score.
pub(super) struct Drivers<'t, 'v> {
    table: &'t Table<'v>,
    /// Median of each column in the training window.
    usual: Vec<f64>,
}

/// A feature's part in what isolates a row, all its points together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver {
    feature: Feature,
    share: f64,
    /// The number of the row with the largest share, and that share.
    strongest: (Place, f64),
    side: Side,
}

impl<'t, 'v> Drivers<'t, 'v> {
    /// For the rows of `table`, whose training points are `trained`.
    pub(super) fn new(table: &'t Table<'v>, trained: Range<usize>) -> Self {
        let usual = |values: &[f64]| {
            let mut known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            median(&mut known).unwrap_or(f64::NAN)
        };
        let usual = table.columns.iter().map(|column| usual(&column.values[trained.clone()])).collect();
        Self { table, usual }
    }

    /// The features behind `shares`, which come largest first; so do they.
    pub(super) fn of(&self, shares: &[Share]) -> Vec<Driver> {
        let mut drivers: Vec<Driver> = Vec::new();
        for Share { feature: number, share, side } in shares.iter().copied() {
            let place = self.table.places[number];
            let feature = self.table.columns[place.column].feature;
            match drivers.iter_mut().find(|driver| driver.feature == feature) {
                Some(driver) => driver.share += share,
                None => drivers.push(Driver { feature, share, strongest: (place, share), side }),
            }
        }
        drivers.sort_by(|a, b| b.share.total_cmp(&a.share));
        drivers
    }

    /// On which side the point is: that of the feature that isolates it most, but for the clock, which has none. Where
    /// there is none, that of the value.
    pub(super) fn side(&self, drivers: &[Driver], value: f64) -> Verdict {
        let is_high = match drivers.iter().find(|driver| driver.feature != Feature::TimeOfDay) {
            Some(driver) => driver.side == Side::High,
            None => self
                .table
                .columns
                .iter()
                .zip(&self.usual)
                .any(|(column, usual)| column.feature == Feature::Value && value > *usual),
        };
        if is_high { Verdict::High } else { Verdict::Low }
    }

    /// What isolates the row that ends with `point`.
    pub(super) fn words(&self, drivers: &[Driver], point: usize, zone: Tz) -> String {
        let Some(first) = drivers.first() else {
            return "isolated by all features together".to_owned();
        };
        let one_feature = self.table.columns.len() == 1;
        let mut words = if one_feature {
            format!("isolated by {}", first.feature)
        } else {
            format!("isolated mainly by {} ({:.0} %)", first.feature, 100.0 * first.share)
        };
        let (place, share) = first.strongest;
        if self.table.places.len() > self.table.columns.len() && first.feature != Feature::TimeOfDay {
            let when = match place.ago {
                0 => "at this point".to_owned(),
                1 => "1 point ago".to_owned(),
                points => format!("{points} points ago"),
            };
            words += &format!(", most of all {when} ({:.0} %)", 100.0 * share);
        }
        words += &match first.feature {
            Feature::TimeOfDay => at(self.table.times[point], zone),
            _ => format!(
                ", {}: {}, usually {}",
                side(first),
                Short(self.table.columns[place.column].values[point - place.ago]),
                Short(self.usual[place.column])
            ),
        };
        if let Some(second) = drivers.get(1).filter(|second| second.share >= MENTIONED_SHARE) {
            words += &format!("; then by {} ({:.0} %)", second.feature, 100.0 * second.share);
            words += &match second.feature {
                Feature::TimeOfDay => at(self.table.times[point], zone),
                _ => format!(", {}", side(second)),
            };
        }
        words
    }
}

fn side(driver: &Driver) -> &'static str {
    if driver.side == Side::High { "high" } else { "low" }
}

/// The time on the clock.
fn at(time_ms: i64, zone: Tz) -> String {
    DateTime::from_timestamp_millis(time_ms)
        .map(|time| zone.from_utc_datetime(&time.naive_utc()).format(", at %H:%M").to_string())
        .unwrap_or_default()
}
