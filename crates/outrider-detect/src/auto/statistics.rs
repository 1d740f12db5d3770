//! The statistics *auto* watches: one number a point each, from the points up to and including it.
//!
//! Every statistic looks back a fixed number of points, and no further than they are in sight, so its value is the same
//! whatever range it was asked in.

use super::discord::{self, Discords};
use super::windows::{deviations, means, means_of_changes, sums_of_changes};
use outrider_forest::cancel::checkpoint;

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
    /// Mean of so many points, whatever was expected.
    Value(usize),
    /// Distance from the median of so many points before.
    Jump(usize),
    /// Distance from the straight line through so many points before.
    Line(usize),
    /// Change from the point before.
    Change,
    /// Mean of so many points less the mean of as many before them.
    Level(usize),
    /// The same of the distances from what was expected.
    ResidualLevel(usize),
    /// Logarithm of the standard deviation over so many points: quiet is as visible in it as unrest.
    LogSpread(usize),
    /// Mean absolute change from point to point, over so many points.
    Movement(usize),
    /// Number of points for which the value has not changed.
    Flat,
    /// Share of so many points that are the same as the one before.
    Repeats(usize),
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
pub(super) const WATCHED: [Watched; 28] = [
    watched(Kind::Residual(1), 0.5, 0.0),
    watched(Kind::Residual(4), 1.0, 0.0),
    watched(Kind::Residual(12), 1.0, 0.0),
    watched(Kind::Residual(36), 1.0, 0.0),
    watched(Kind::Residual(144), 0.5, 0.5),
    watched(Kind::Residual(288), 2.0, 0.0),
    watched(Kind::Value(1), 1.0, 1.0),
    watched(Kind::Value(12), 0.5, 0.0),
    watched(Kind::Jump(13), 1.0, 0.0),
    watched(Kind::Jump(24), 0.5, 0.0),
    watched(Kind::Line(6), 0.5, 0.0),
    watched(Kind::Change, 1.0, 2.0),
    // For shifts, which are judged apart.
    watched(Kind::Level(12), 0.0, 0.0),
    watched(Kind::Level(100), 1.0, 1.0),
    watched(Kind::Level(288), 0.0, 1.0),
    watched(Kind::ResidualLevel(12), 0.5, 0.0),
    watched(Kind::LogSpread(48), 1.0, 0.0),
    watched(Kind::LogSpread(144), 0.5, 0.0),
    watched(Kind::Movement(48), 1.0, 0.0),
    watched(Kind::Flat, 2.0, 2.0),
    watched(Kind::Repeats(48), 0.0, 2.0),
    watched(Kind::Discord(12), 0.0, 1.0),
    watched(Kind::ShapeDiscord(12), 0.0, 2.0),
    watched(Kind::Discord(24), 1.0, 0.0),
    watched(Kind::ShapeDiscord(24), 0.0, 2.0),
    watched(Kind::Discord(48), 0.0, 2.0),
    watched(Kind::ShapeDiscord(48), 0.0, 2.0),
    watched(Kind::Discord(96), 0.0, 1.0),
];

/// A jump is told if all of these are more surprising than [`super::JUMP_THRESHOLD`], whatever the others say.
pub(super) const JUMPS: [Kind; 2] = [Kind::Change, Kind::Line(6)];

/// Points any statistic looks back, those of the nearest neighbours among them.
pub(super) const LOOKBACK_POINTS: usize = discord::HISTORY + discord::LONGEST;

impl Kind {
    /// Whether low values are as telling as high ones.
    pub(super) fn is_signed(self) -> bool {
        !matches!(self, Self::Movement(_) | Self::Flat | Self::Discord(_) | Self::ShapeDiscord(_))
    }

    /// Whether a high value of it means that the series is high.
    pub(super) fn has_side(self) -> bool {
        matches!(
            self,
            Self::Residual(_)
                | Self::Value(_)
                | Self::Jump(_)
                | Self::Line(_)
                | Self::Change
                | Self::Level(_)
                | Self::ResidualLevel(_)
        )
    }

    /// What is out of the ordinary if this is, in a word or two, and of how many points; `value` is that of the statistic.
    pub(super) fn about(self, value: f64) -> (&'static str, usize) {
        match self {
            Self::Residual(1) | Self::Value(1) => ("value", 1),
            Self::Residual(points)
            | Self::Value(points)
            | Self::Level(points)
            | Self::ResidualLevel(points) => ("level", points),
            Self::Jump(_) | Self::Line(_) | Self::Change => ("jump", 2),
            Self::LogSpread(points) | Self::Movement(points) => ("spread", points),
            Self::Flat => ("frozen", value as usize + 1),
            Self::Repeats(points) => ("repeats", points),
            Self::Discord(points) | Self::ShapeDiscord(points) => ("shape", points),
        }
    }

    /// What its `value`, which is unusually high or else unusually low, says, in plain words: of a mean over a window no
    /// more than that it is one, and of a change only what `value` bears out.
    pub(super) fn words(self, high: bool, value: f64) -> String {
        let side = if high { "high" } else { "low" };
        // What is rare on one side may still lie on the other: a rise that is unusually small.
        let is_borne_out = if high { value > 0.0 } else { value < 0.0 };
        let plainly = |high_words: &str, low_words: &str, otherwise: String| match (is_borne_out, high) {
            (true, true) => high_words.to_owned(),
            (true, false) => low_words.to_owned(),
            (false, _) => otherwise,
        };
        match self {
            Self::Residual(1) => plainly(
                "the value is above what is expected",
                "the value is below what is expected",
                format!("the value is unusually {side} against what is expected"),
            ),
            Self::Residual(points) => plainly(
                &format!("the mean of the last {points} points is above what is expected"),
                &format!("the mean of the last {points} points is below what is expected"),
                format!("the mean of the last {points} points is unusually {side} against what is expected"),
            ),
            Self::Value(1) => format!("the value is unusually {side}"),
            Self::Value(points) => format!("the mean of the last {points} points is unusually {side}"),
            Self::Jump(points) => plainly(
                "it rose from the recent median",
                "it fell from the recent median",
                format!("it is unusually {side} against the median of the {points} points before"),
            ),
            Self::Line(points) => plainly(
                "it rose from its recent course",
                "it fell from its recent course",
                format!("it is unusually {side} against the course of the {points} points before"),
            ),
            Self::Change => plainly(
                "it jumped up from the point before",
                "it dropped from the point before",
                format!("its change from the point before is unusually {side}"),
            ),
            Self::Level(points) => plainly(
                &format!("the mean of the last {points} points is above that of the {points} before"),
                &format!("the mean of the last {points} points is below that of the {points} before"),
                format!(
                    "the mean of the last {points} points is unusually {side} against that of the {points} before"
                ),
            ),
            Self::ResidualLevel(points) => plainly(
                &format!("the mean of the last {points} points rose against what is expected"),
                &format!("the mean of the last {points} points fell against what is expected"),
                format!(
                    "the change in the mean of the last {points} points against what is expected is unusually {side}"
                ),
            ),
            Self::LogSpread(points) => {
                let more = if high { "larger" } else { "smaller" };
                format!("the spread of the last {points} points is {more} than usual")
            }
            Self::Movement(points) => {
                format!("the mean change from point to point over the last {points} is larger than usual")
            }
            Self::Flat => "it has not changed for unusually long".to_owned(),
            Self::Repeats(points) => {
                let many = if high { "many" } else { "few" };
                format!("unusually {many} of the last {points} points repeat the one before")
            }
            Self::Discord(points) => {
                format!(
                    "even the most similar earlier run of {points} points is unusually unlike the last one"
                )
            }
            Self::ShapeDiscord(points) => {
                format!(
                    "even the most similar earlier run of {points} points is unusually unlike the last one in shape"
                )
            }
        }
    }
}

/// How many points each point may look back on, itself among them.
#[derive(Debug)]
pub(super) struct Sights {
    /// Of the values.
    pub(super) values: Vec<usize>,
    /// Of their distances from what was expected, which must have been expected from what lies further back.
    pub(super) residuals: Vec<usize>,
}

/// All of [`WATCHED`], in its order.
///
/// `values` may hold NaN; `filled` is the same with gaps carrying the last value before them; `expected` is what each
/// point was expected to be. Nearest neighbours are searched from the point `first` on, and are NaN before.
pub(super) fn all(
    values: &[f64],
    filled: &[f64],
    expected: &[f64],
    sights: &Sights,
    first: usize,
) -> Vec<Statistic> {
    let Sights { values: seen, residuals: close } = sights;
    let residual: Vec<f64> = filled.iter().zip(expected).map(|(value, expected)| value - expected).collect();
    let change: Vec<f64> =
        (0..filled.len()).map(|i| if seen[i] < 2 { 0.0 } else { filled[i] - filled[i - 1] }).collect();
    let movement: Vec<f64> = change.iter().map(|change| change.abs()).collect();
    let mut discords = Discords::new(filled, first, seen);
    WATCHED
        .iter()
        .map(|watched| {
            checkpoint();
            let values = match watched.kind {
                Kind::Residual(points) => means(&residual, points, close),
                Kind::Value(points) => means(filled, points, seen),
                Kind::Jump(points) => jumps(filled, points, seen),
                Kind::Line(points) => off_line(filled, points, seen),
                Kind::Change => change.clone(),
                Kind::Level(points) => levels(filled, points, seen),
                Kind::ResidualLevel(points) => levels(&residual, points, close),
                Kind::LogSpread(points) => log_spreads(filled, &movement, points, seen),
                Kind::Movement(points) => means_of_changes(&movement, points, seen),
                Kind::Flat => flat(values, seen),
                Kind::Repeats(points) => means_of_changes(&repeats(values), points, seen),
                Kind::Discord(points) => discords.take(points),
                Kind::ShapeDiscord(points) => discords.take_shape(points),
            };
            Statistic { kind: watched.kind, values }
        })
        .collect()
}

/// A little of the movement keeps the logarithm in bounds where the values hardly vary.
fn log_spreads(filled: &[f64], movement: &[f64], points: usize, seen: &[usize]) -> Vec<f64> {
    // So many points have one change fewer between them.
    let movements = sums_of_changes(movement, points - 1, seen);
    let mut all = deviations(filled, points, seen);
    for ((spread, movement), seen) in all.iter_mut().zip(movements).zip(seen) {
        let movement = movement / points.min(*seen) as f64;
        *spread = (*spread + 0.01 * movement).max(f64::MIN_POSITIVE).ln();
    }
    all
}

fn jumps(values: &[f64], points: usize, seen: &[usize]) -> Vec<f64> {
    let medians = recent_medians(values, points, seen);
    values.iter().zip(medians).map(|(value, median)| value - median).collect()
}

/// The median of the `points` points before each point, or of as many as are in sight; its own value if none are.
pub(super) fn recent_medians(values: &[f64], points: usize, sights: &[usize]) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::with_capacity(points);
    // What is in `sorted`, up to the point before the newest.
    let mut first = 0;
    (0..values.len())
        .map(|index| {
            let begin = index - points.min(sights[index].saturating_sub(1));
            let gone = std::mem::replace(&mut first, begin)..begin;
            if begin == index {
                sorted.clear();
                return values[index];
            }
            let newest = values[index - 1];
            if gone.len() == 1 {
                replace(&mut sorted, values[gone.start], newest);
            } else {
                values[gone].iter().for_each(|old| _ = sorted.remove(place(&sorted, *old)));
                sorted.insert(place(&sorted, newest), newest);
            }
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

/// Where `value` is in `sorted`, or would be.
fn place(sorted: &[f64], value: f64) -> usize {
    sorted.partition_point(|other| other.total_cmp(&value).is_lt())
}

/// Takes `old` out of `sorted` and puts `new` in; only what is between the two moves.
fn replace(sorted: &mut [f64], old: f64, new: f64) {
    let mut free = place(sorted, old);
    while free > 0 && sorted[free - 1].total_cmp(&new).is_gt() {
        sorted[free] = sorted[free - 1];
        free -= 1;
    }
    while free + 1 < sorted.len() && sorted[free + 1].total_cmp(&new).is_lt() {
        sorted[free] = sorted[free + 1];
        free += 1;
    }
    sorted[free] = new;
}

/// How far each point is from where the least-squares line through the `points` points before it leads.
fn off_line(values: &[f64], points: usize, seen: &[usize]) -> Vec<f64> {
    (0..values.len())
        .map(|index| {
            let before = &values[index - points.min(seen[index].saturating_sub(1))..index];
            if before.len() < 2 {
                return 0.0;
            }
            let middle = (before.len() - 1) as f64 / 2.0;
            let (mut sum, mut rise, mut run) = (0.0, 0.0, 0.0);
            for (place, value) in before.iter().enumerate() {
                let place = place as f64 - middle;
                sum += value;
                rise += place * value;
                run += place * place;
            }
            let count = before.len() as f64;
            values[index] - (sum / count + rise / run * (count - middle))
        })
        .collect()
}

fn levels(values: &[f64], points: usize, seen: &[usize]) -> Vec<f64> {
    let means = means(values, points, seen);
    (0..values.len())
        .map(|end| if seen[end] < 2 * points { 0.0 } else { means[end] - means[end - points] })
        .collect()
}

/// 1 for each value that is the same as the one before it, else 0.
fn repeats(values: &[f64]) -> Vec<f64> {
    let repeats = |index: usize| index > 0 && values[index] == values[index - 1];
    (0..values.len()).map(|index| f64::from(u8::from(repeats(index)))).collect()
}

/// Points a flat run is counted up to, so that it looks back no further.
const MAX_FLAT: f64 = discord::HISTORY as f64;

fn flat(values: &[f64], seen: &[usize]) -> Vec<f64> {
    let mut run = 0.0;
    (0..values.len())
        .map(|index| {
            run = if index > 0 && values[index] == values[index - 1] {
                f64::min(run + 1.0, MAX_FLAT)
            } else {
                0.0
            };
            run.min(seen[index].saturating_sub(1) as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_was_measured_and_no_more() {
        let words = |kind: Kind, high: bool, value: f64| kind.words(high, value);
        // Forty zeros make the mean of 288 points low, not the points.
        assert_eq!(
            words(Kind::Residual(288), false, -14.0),
            "the mean of the last 288 points is below what is expected"
        );
        assert_eq!(words(Kind::Value(12), true, 80.0), "the mean of the last 12 points is unusually high");
        assert_eq!(
            words(Kind::LogSpread(48), true, 1.0),
            "the spread of the last 48 points is larger than usual"
        );
        for (kind, high, value) in [
            (Kind::Residual(1), true, -1.0),
            (Kind::Residual(36), false, 0.5),
            (Kind::Jump(13), true, -2.0),
            (Kind::Line(6), false, 2.0),
            (Kind::Change, true, -3.0),
            (Kind::Level(100), false, 1.0),
            (Kind::ResidualLevel(12), true, -1.0),
        ] {
            let text = words(kind, high, value);
            let side = if high { "unusually high" } else { "unusually low" };
            assert!(text.contains(side), "a rare {value} is not yet one beyond the middle: {text}");
        }
    }
}
