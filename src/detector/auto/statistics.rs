//! The statistics *auto* watches: one number a point each, from the points up to and including it.
//!
//! Every statistic looks back a fixed number of points, so its value is the same whatever range it was asked in.

use super::discord::{self, Discords};
use super::windows::{deviations, means, sums};

/// One statistic: what it is called, how it counts and its value at each point.
#[derive(Debug)]
pub(super) struct Statistic {
    pub(super) kind: Kind,
    pub(super) values: Vec<f64>,
}

/// What a statistic measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Mean distance from what was expected, over so many points.
    Residual(usize),
    /// Distance from the median of the 13 points before.
    Jump,
    /// Change from the point before.
    Change,
    /// Mean of so many points less the mean of as many before them.
    Level(usize),
    /// Standard deviation over so many points.
    Spread(usize),
    /// Its logarithm, in which quiet is as visible as unrest.
    LogSpread(usize),
    /// Mean absolute change from point to point, over so many points.
    Movement(usize),
    /// Number of points for which the value has not changed.
    Flat,
    /// Distance of the window of so many points from the most similar one before it.
    Discord(usize),
    /// The same with the mean of each window taken away: its shape alone.
    ShapeDiscord(usize),
}

/// A statistic with its weights in the two scores.
pub(super) struct Watched {
    pub(super) kind: Kind,
    /// Weight in the alarm, which finds onsets.
    pub(super) alarm: f64,
    /// Weight in the severity, which ranks points.
    pub(super) severity: f64,
}

const fn watched(kind: Kind, alarm: f64, severity: f64) -> Watched {
    Watched { kind, alarm, severity }
}

/// All statistics. The weights were found by coordinate search over {0, ½, 1, 2} on labelled series
/// (`docs/quality.md`); most lie on a plateau, where halving or doubling one changes little.
pub(super) const WATCHED: [Watched; 20] = [
    watched(Kind::Residual(1), 0.5, 0.0),
    watched(Kind::Residual(4), 1.0, 0.0),
    watched(Kind::Residual(12), 1.0, 0.0),
    watched(Kind::Residual(36), 1.0, 0.0),
    watched(Kind::Residual(144), 0.5, 0.0),
    watched(Kind::Jump, 1.0, 0.0),
    watched(Kind::Change, 1.0, 2.0),
    watched(Kind::Level(100), 1.0, 0.5),
    watched(Kind::Spread(48), 0.5, 0.0),
    watched(Kind::LogSpread(48), 0.5, 0.0),
    watched(Kind::LogSpread(144), 0.5, 0.0),
    watched(Kind::Movement(48), 1.0, 0.0),
    watched(Kind::Flat, 1.0, 2.0),
    watched(Kind::Discord(12), 0.0, 2.0),
    watched(Kind::ShapeDiscord(12), 0.0, 2.0),
    watched(Kind::Discord(24), 1.0, 0.0),
    watched(Kind::ShapeDiscord(24), 0.0, 2.0),
    watched(Kind::Discord(48), 0.5, 2.0),
    watched(Kind::ShapeDiscord(48), 0.0, 2.0),
    watched(Kind::Discord(96), 0.0, 2.0),
];

/// Points any statistic looks back, those of the nearest neighbours among them.
pub(super) const LOOKBACK_POINTS: usize = discord::HISTORY + discord::LONGEST;

impl Kind {
    /// Whether low values are as telling as high ones.
    pub(super) fn is_signed(self) -> bool {
        !matches!(
            self,
            Self::Spread(_) | Self::Movement(_) | Self::Flat | Self::Discord(_) | Self::ShapeDiscord(_)
        )
    }

    /// Whether a high value of it means that the series is high.
    pub(super) fn has_side(self) -> bool {
        matches!(self, Self::Residual(_) | Self::Jump | Self::Change | Self::Level(_))
    }

    /// What a high or a low value of it means, in plain words.
    pub(super) fn words(self, high: bool) -> String {
        let side = |high_words: &str, low_words: &str| {
            if high { high_words.to_owned() } else { low_words.to_owned() }
        };
        match self {
            Self::Residual(1) => {
                side("the value is above what is expected", "the value is below what is expected")
            }
            Self::Residual(points) => side(
                &format!("the last {points} points are above what is expected"),
                &format!("the last {points} points are below what is expected"),
            ),
            Self::Jump => side("it rose from the recent median", "it fell from the recent median"),
            Self::Change => side("it jumped up from the point before", "it dropped from the point before"),
            Self::Level(_) => side("the level rose", "the level fell"),
            Self::Spread(points) | Self::LogSpread(points) => side(
                &format!("the last {points} points vary more than usual"),
                &format!("the last {points} points vary less than usual"),
            ),
            Self::Movement(points) => format!("the last {points} points are more restless than usual"),
            Self::Flat => "it has not changed for unusually long".to_owned(),
            Self::Discord(points) | Self::ShapeDiscord(points) => {
                format!("no earlier run of {points} points looks like the last one")
            }
        }
    }
}

/// All of [`WATCHED`], in its order.
///
/// `values` may hold NaN; `filled` is the same with each gap carrying the last value before it; `expected` is what each
/// point was expected to be. Nearest neighbours are searched from the point `first` on, and are NaN before.
pub(super) fn all(values: &[f64], filled: &[f64], expected: &[f64], first: usize) -> Vec<Statistic> {
    let residual: Vec<f64> = filled.iter().zip(expected).map(|(value, expected)| value - expected).collect();
    let change: Vec<f64> =
        (0..filled.len()).map(|i| if i == 0 { 0.0 } else { filled[i] - filled[i - 1] }).collect();
    let movement: Vec<f64> = change.iter().map(|change| change.abs()).collect();
    let mut discords = Discords::new(filled, first);
    WATCHED
        .iter()
        .map(|watched| {
            let values = match watched.kind {
                Kind::Residual(points) => means(&residual, points),
                Kind::Jump => jumps(filled),
                Kind::Change => change.clone(),
                Kind::Level(points) => levels(filled, points),
                Kind::Spread(points) => deviations(filled, points),
                Kind::LogSpread(points) => log_spreads(filled, &movement, points),
                Kind::Movement(points) => means(&movement, points),
                Kind::Flat => flat(values),
                Kind::Discord(points) => discords.take(points),
                Kind::ShapeDiscord(points) => discords.take_shape(points),
            };
            Statistic { kind: watched.kind, values }
        })
        .collect()
}

/// A little of the movement keeps the logarithm in bounds where the values hardly vary.
fn log_spreads(filled: &[f64], movement: &[f64], points: usize) -> Vec<f64> {
    // So many points have one change fewer between them.
    let movements = sums(movement, points - 1);
    let mut all = deviations(filled, points);
    for (before, (spread, movement)) in all.iter_mut().zip(movements).enumerate() {
        let movement = movement / (before + 1).min(points) as f64;
        *spread = (*spread + 0.01 * movement).max(f64::MIN_POSITIVE).ln();
    }
    all
}

/// Points whose median a jump is measured from.
const JUMP_POINTS: usize = 13;

fn jumps(values: &[f64]) -> Vec<f64> {
    let medians = recent_medians(values);
    values.iter().zip(medians).map(|(value, median)| value - median).collect()
}

/// The median of the [`JUMP_POINTS`] points before each point; the first point's own value at the first.
pub(super) fn recent_medians(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::with_capacity(JUMP_POINTS);
    let place = |sorted: &[f64], value: f64| sorted.partition_point(|other| other.total_cmp(&value).is_lt());
    (0..values.len())
        .map(|index| {
            if index == 0 {
                return values[0];
            }
            if let Some(oldest) = index.checked_sub(JUMP_POINTS + 1) {
                sorted.remove(place(&sorted, values[oldest]));
            }
            let newest = values[index - 1];
            sorted.insert(place(&sorted, newest), newest);
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 {
                sorted[middle]
            } else {
                // Halved first: the sum of two large values could overflow.
                sorted[middle - 1] / 2.0 + sorted[middle] / 2.0
            }
        })
        .collect()
}

fn levels(values: &[f64], points: usize) -> Vec<f64> {
    let means = means(values, points);
    (0..values.len())
        .map(|end| if end + 1 < 2 * points { 0.0 } else { means[end] - means[end - points] })
        .collect()
}

/// Points a flat run is counted up to, so that it looks back no further.
const MAX_FLAT: f64 = discord::HISTORY as f64;

fn flat(values: &[f64]) -> Vec<f64> {
    let mut run = 0.0;
    (0..values.len())
        .map(|index| {
            run = if index > 0 && values[index] == values[index - 1] {
                f64::min(run + 1.0, MAX_FLAT)
            } else {
                0.0
            };
            run
        })
        .collect()
}
