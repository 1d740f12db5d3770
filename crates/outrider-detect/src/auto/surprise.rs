//! How surprising a point is, after what the training window of its block has seen.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::short::Short;
use super::calibration::{self, Near, Scratch, SortedRange, Tail};
use super::expectation::Basis;
use super::lasting::{Lasting, Past};
use super::normal::Found;
use super::observed::{Observed, Watch, is_nearer};
use super::shift::{self, Noise};
use super::statistics::{Kind, WATCHED, Watched};
use super::step::{self, WhiteNoise};
use outrider_forest::cancel::checkpoint;

/// Training points without which nothing is flagged: what is rare cannot be told from fewer.
pub(super) const MIN_FLAGGING_POINTS: usize = 150;

/// Surprises count for the severity up to here.
const MAX_SEVERE: f64 = 3.0;

/// Training points from which on a severity counts in full; with a quarter of them, half.
const RIPE_POINTS: f64 = 2_000.0;

/// Surprise at which the band ends: about one point in 300 is outside by chance.
const BAND_SURPRISE: f64 = 2.5;

/// Alarm of a value that is zero, or not the constant, for the first time.
const NEVER_BEFORE_ALARM: f64 = 3.0;

/// Points for which the value must not change at least before it counts as frozen; so many times longer than runs of the
/// training window of which there are more than [`FROZEN_BEFORE`], which may have been incidents.
const FROZEN_POINTS: f64 = 4.0;
const FROZEN_FACTOR: f64 = 5.0;
const FROZEN_BEFORE: usize = 6;

/// The same where a series has often been before.
const RESTING_POINTS: f64 = 12.0;

/// Why a frozen value is wrong.
const FROZEN: &str = "it has never stayed the same for so long";

/// Runs as long that the training window has by chance, at most.
const FROZEN_BY_CHANCE: f64 = 1e-3;

/// Values that a series may have at most, and how often each must have been seen, for one in between to be news.
const FEW_VALUES: usize = 10;
const EACH_SEEN: usize = 5;

/// The statistics whose noise is measured: those of [`shift::WATCHED`], and the changes by which it is known to be white.
const NOISY: [Kind; 3] = [shift::WATCHED[0], shift::WATCHED[1], Kind::Change];

/// Blocks that are measured together, one statistic after the other: the values of one stay in the processor's cache, those
/// of all do not.
const MEASURED_TOGETHER: usize = 32;

/// Calibrates block after block.
pub(super) struct Calibrator<'a> {
    pub(super) values: SortedRange<'a>,
    /// Those of [`WATCHED`], each with what its high and its low tail were near last.
    statistics: Vec<(SortedRange<'a>, [Near; 2])>,
    /// The training windows of the blocks that are yet to be measured.
    trainings: std::vec::IntoIter<Range<usize>>,
    /// Those of the next blocks, and what was measured there.
    measured: VecDeque<(Range<usize>, Measures)>,
}

impl<'a> Calibrator<'a> {
    /// For blocks with these training windows, one after the other.
    pub(super) fn new(observed: &'a Observed<'a>, trainings: Vec<Range<usize>>) -> Self {
        let mut scratch = Scratch::new();
        let mut range = |values: &'a [f64]| SortedRange::since(observed.first, values, &mut scratch);
        Self {
            values: range(observed.course.points().values),
            statistics: observed
                .statistics
                .iter()
                .map(|of| (range(&of.values), Default::default()))
                .collect(),
            trainings: trainings.into_iter(),
            measured: VecDeque::new(),
        }
    }

    /// For the next block. `None` if its training window holds too few points.
    pub(super) fn calibrate_next(&mut self) -> Option<Calibration> {
        if self.measured.is_empty() {
            self.measure();
        }
        let (training, measures) = self.measured.pop_front()?;
        self.values.move_to(training.start, training.end);
        let training_points = self.values.len();
        if training_points < calibration::MIN_VALUES {
            return None;
        }
        // The first statistic is the residual of the value itself.
        let (usual_error, band) = match &measures.tails[0] {
            (Some(high), Some(low)) => {
                (high.median(), (low.value_at(BAND_SURPRISE), high.value_at(BAND_SURPRISE)))
            }
            _ => (0.0, (f64::NAN, f64::NAN)),
        };
        let [levels, _, changes] = &measures.noise;
        Some(Calibration {
            white_noise: levels
                .as_ref()
                .zip(changes.as_ref())
                .and_then(|(levels, changes)| WhiteNoise::of(changes, levels)),
            measures,
            usual_error,
            band,
            few_values: self.values.few_values(FEW_VALUES, EACH_SEEN).unwrap_or_default(),
            lowest: self.values.nth(0),
            highest: self.values.nth(training_points - 1),
            training_points,
            ripeness: (training_points as f64 / RIPE_POINTS).min(1.0).sqrt(),
            may_flag: training_points >= MIN_FLAGGING_POINTS,
        })
    }

    /// Measures what each statistic did in the training windows of the next blocks.
    fn measure(&mut self) {
        let next = self.trainings.by_ref().take(MEASURED_TOGETHER);
        self.measured.extend(next.map(|training| (training, Measures::default())));
        for (watched, (values, near)) in WATCHED.iter().zip(&mut self.statistics) {
            for (training, measures) in &mut self.measured {
                checkpoint();
                values.move_to(training.start, training.end);
                measures.add(watched, values, near, training);
            }
        }
    }
}

/// What the statistics did in the training window.
#[derive(Default)]
struct Measures {
    /// The high and the low tail of each that has a weight.
    tails: Vec<(Option<Tail>, Option<Tail>)>,
    /// The noise of [`NOISY`].
    noise: [Option<Noise>; NOISY.len()],
    /// Points for which a value must not have changed to be frozen.
    frozen_from: f64,
    /// Points for which a value has stayed the same before, but for the very longest.
    longest_flat: f64,
}

impl Measures {
    /// Adds the next statistic, `values` of which are in the training window.
    fn add(
        &mut self,
        watched: &Watched,
        values: &SortedRange<'_>,
        near: &mut [Near; 2],
        training: &Range<usize>,
    ) {
        let kind = watched.kind;
        if kind == Kind::Flat {
            self.frozen_from = frozen_from(values);
            let beyond = values.len().saturating_sub(1 + RESTING_POINTS as usize);
            // What the run itself has left in the training window is below this rank at first, and later without it.
            let last = training.end.checked_sub(1).map_or(0.0, |last| values.value(last));
            let own = if last >= RESTING_POINTS { last as usize } else { 0 };
            self.longest_flat = if values.len() > RESTING_POINTS as usize {
                values.nth(beyond.saturating_sub(own))
            } else {
                f64::INFINITY
            };
        }
        if let Some(slot) = NOISY.iter().position(|noisy| *noisy == kind) {
            self.noise[slot] = Noise::of(values);
        }
        let [near_high, near_low] = near;
        let counts = watched.alarm > 0.0 || watched.severity > 0.0;
        let high = if counts { Tail::high(values, near_high) } else { None };
        let low = if counts && kind.is_signed() { Tail::low(values, near_low) } else { None };
        self.tails.push((high, low));
    }
}

/// What the training window says of each statistic.
pub(super) struct Calibration {
    measures: Measures,
    /// What the values are but for their level, if it is that.
    white_noise: Option<WhiteNoise>,
    /// How far the values usually are above the forecast: in a trend, what it has risen since the time that is looked
    /// back on.
    pub(super) usual_error: f64,
    /// How far the normal band reaches below and above the forecast.
    band: (f64, f64),
    /// All values that there are, if they are few; else none.
    few_values: Vec<f64>,
    /// The lowest and the highest training value.
    lowest: f64,
    highest: f64,
    pub(super) training_points: usize,
    /// Factor of the severity: what is rare among few points may be common.
    ripeness: f64,
    pub(super) may_flag: bool,
}

/// Points for which the value must not have changed to be frozen, by what runs there are: `flats` holds for each point of the
/// training window for how many the value had not changed.
///
/// The more often values repeat, and the more often a repeated value is repeated once more, the longer a run must be.
fn frozen_from(flats: &SortedRange<'_>) -> f64 {
    let count = flats.len();
    // Each run that is longer has one point at which it was just so long.
    let at_least = |points: usize| count - flats.rank(points as f64);
    let runs = |points: usize| (at_least(points) - at_least(points + 1)).saturating_sub(FROZEN_BEFORE);
    let (mut usual, mut unusual) = (0, 1);
    while unusual < count && runs(unusual) > 0 {
        (usual, unusual) = (unusual, 2 * unusual);
    }
    while usual + 1 < unusual {
        let middle = usize::midpoint(usual, unusual);
        if runs(middle) > 0 { usual = middle } else { unusual = middle }
    }
    let repeats = runs(1) as f64 + 0.5;
    let again = ((runs(2) as f64 + 0.5) / (runs(1) as f64 + 10.0)).min(0.99);
    let by_chance = 1.0 + (FROZEN_BY_CHANCE / repeats).ln() / again.ln();
    by_chance.ceil().max(FROZEN_POINTS).max(FROZEN_FACTOR * usual as f64)
}

/// Power of the mean in which the surprises are averaged: the large ones count more, but none decides alone.
fn power_mean(sum: f64, weights: f64) -> f64 {
    (sum / weights).sqrt()
}

/// How much of a two-sided surprise is chance: either side could have been the more surprising one (log₁₀ 2).
const TWO_SIDES: f64 = 0.3;

impl Calibration {
    pub(super) fn look(
        &self,
        series: &Watch<'_>,
        past: Option<&Past<'_>>,
        found: Option<&Found>,
        index: usize,
    ) -> Seen {
        let mut seen = Seen {
            alarm: 0.0,
            severity: 0.0,
            is_high: true,
            outside: None,
            drivers: [(0.0, Kind::Flat, true, 0.0); 2],
            beyond_doubt: None,
            about: None,
            usual: self.usual(series, found, index),
            strength: found.filter(|found| found.is_beyond).map(|found| found.strength),
        };
        let (mut alarm, mut alarm_weights) = (0.0, 0.0);
        let (mut severity, mut severity_weights) = (0.0, 0.0);
        let mut lean = 0.0;
        for ((watched, statistic), (high, low)) in
            WATCHED.iter().zip(series.statistics).zip(&self.measures.tails)
        {
            alarm_weights += watched.alarm;
            severity_weights += watched.severity;
            let value = statistic.values[index];
            if value.is_nan() {
                continue;
            }
            let (surprise, is_high) = match (high, low) {
                (None, _) => (0.0, true),
                (Some(high), None) => (high.surprise(value).min(calibration::MAX_SURPRISE - TWO_SIDES), true),
                (Some(high), Some(low)) => {
                    let (surprise, is_high) = high.surprise_of_either(low, value);
                    ((surprise - TWO_SIDES).max(0.0), is_high)
                }
            };
            let weighted = watched.alarm * surprise * surprise;
            alarm += weighted;
            if watched.severity > 0.0 {
                let severe = surprise.min(MAX_SEVERE);
                severity += watched.severity * severe * severe.sqrt();
            }
            if statistic.kind.has_side() {
                lean += if is_high { weighted } else { -weighted };
            }
            seen.note(weighted, statistic.kind, is_high, value);
        }
        seen.alarm = power_mean(alarm, alarm_weights);
        seen.severity = self.ripeness * (severity / severity_weights).powf(2.0 / 3.0);
        let value = series.points.values[index];
        let (lower, upper) = self.band(series, index);
        seen.outside = (value < lower || value > upper).then_some(value > upper);
        // Within the band the side is that of most of what is unusual.
        seen.is_high = seen.outside.unwrap_or(lean >= 0.0);
        if self.lowest == self.highest && value != self.lowest {
            seen.is_high = value > self.lowest;
            seen.beyond_doubt = Some("it was constant all through the training window");
        } else if value == 0.0
            && self.lowest > 0.0
            && seen.drivers.iter().any(|(_, kind, high, _)| kind.has_side() && !high)
        {
            seen.is_high = false;
            seen.beyond_doubt = Some("it was never zero in the training window");
        } else if value < 0.0 && self.lowest >= 0.0 {
            seen.is_high = false;
            seen.beyond_doubt = Some("it was never below zero in the training window");
        } else if !self.few_values.is_empty()
            && self.lowest < value
            && value < self.highest
            && !self.few_values.contains(&value)
        {
            seen.beyond_doubt =
                Some("it was one of a few values all through the training window, and is none of them");
        }
        if past.is_some_and(|past| self.frozen_for(series, past, index).is_some()) {
            seen.beyond_doubt = Some(FROZEN);
        }
        if seen.beyond_doubt.is_some() {
            seen.alarm = seen.alarm.max(NEVER_BEFORE_ALARM);
        }
        seen
    }

    /// For how many points the value has been frozen at `index`; `None` if it is not, or for so long that it is normal.
    fn frozen_for(&self, series: &Watch<'_>, past: &Past<'_>, index: usize) -> Option<usize> {
        let flat = series.flat.get(index).copied().unwrap_or(0.0);
        if self.lowest == self.highest || flat < self.measures.frozen_from {
            return None;
        }
        // Where it has often been, it may rest.
        let often = past.count(series.points.values[index]) as f64 > flat + 1.0 + FROZEN_BEFORE as f64;
        let is_frozen = !often || flat >= RESTING_POINTS.max(FROZEN_FACTOR * self.measures.longest_flat);
        let points = (flat as usize + 1).saturating_sub(self.measures.frozen_from as usize);
        (is_frozen && points <= past.longest()).then_some(points)
    }

    /// What is wrong beyond doubt at `index`, and for how long.
    pub(super) fn lasting(&self, series: &Watch<'_>, past: &Past<'_>, index: usize) -> Option<Lasting> {
        past.lasting(index).or_else(|| {
            self.frozen_for(series, past, index).map(|points| Lasting {
                points,
                is_high: series.points.values[index] >= series.expectation.expected[index] + self.usual_error,
                is_first_ever: false,
                why: FROZEN,
            })
        })
    }

    /// How surprising a shift of level at `index` is, and whether it is one upwards.
    pub(super) fn shift(&self, series: &Watch<'_>, index: usize) -> (f64, bool) {
        let mut least = (f64::INFINITY, true);
        for (values, noise) in series.shifts.iter().zip(&self.measures.noise) {
            let surprise = noise
                .as_ref()
                .zip(values.get(index))
                .map_or((0.0, true), |(noise, value)| noise.surprise(*value));
            if surprise.0 < least.0 {
                least = surprise;
            }
        }
        least
    }

    /// How many standard errors the level at `index` is away from that before it, and whether it is the higher one. 0 if it
    /// leads back to what is expected, or the season makes such a step too, or the training window many times.
    pub(super) fn step(&self, series: &Watch<'_>, training: &Range<usize>, index: usize) -> (f64, bool) {
        let Some(noise) = self.white_noise.filter(|_| series.sights[index] >= 2 * step::POINTS) else {
            return (0.0, true);
        };
        let medians = series.medians();
        let (surprise, is_high) = noise.surprise(medians[index] - medians[index - step::POINTS]);
        if surprise < step::MIN_THRESHOLD {
            return (0.0, is_high);
        }
        let (now, before) = series.residual_levels(index);
        let (unexplained, is_still_high) = noise.surprise(now - before);
        let is_news = is_still_high == is_high
            && !is_nearer(now, before, self.usual_error)
            && !noise.is_habit(medians, series.sights, training.clone(), index);
        if is_news { (surprise.min(unexplained), is_high) } else { (0.0, is_high) }
    }

    /// How surprising a jump at `index` is, and whether it is one upwards.
    pub(super) fn jump(&self, series: &Watch<'_>, index: usize) -> (f64, bool) {
        let rarity = |place: usize| {
            let value = series.statistics[place].values[index];
            let (Some(high), Some(low)) = &self.measures.tails[place] else { return (0.0, true) };
            let (high, low) = (high.rarity(value), low.rarity(-value));
            (high.max(low) - TWO_SIDES, high >= low)
        };
        let [one, other] = series.jumps.map(rarity);
        if one.0 <= other.0 { one } else { other }
    }

    /// What is usual at `index`. Nothing below zero is, where nothing was.
    fn usual(&self, series: &Watch<'_>, found: Option<&Found>, index: usize) -> Usual {
        let (expected, band, basis) = match found {
            Some(found) => (found.expected, (found.lower, found.upper), found.basis),
            None => {
                let expected = series.expectation.expected[index] + self.usual_error;
                (expected, self.band(series, index), series.expectation.basis[index])
            }
        };
        let possible = |value: f64| if value < 0.0 && self.lowest >= 0.0 { 0.0 } else { value };
        let band = (possible(band.0), possible(band.1));
        Usual {
            expected: possible(expected),
            band: if self.may_flag { band } else { (f64::NAN, f64::NAN) },
            basis,
        }
    }

    /// Ends of the normal band at `index`.
    fn band(&self, series: &Watch<'_>, index: usize) -> (f64, f64) {
        let forecast = series.expectation.expected[index];
        let (below, above) = self.band;
        (forecast - below, forecast + above)
    }
}

/// What was seen at one point.
pub(super) struct Seen {
    pub(super) alarm: f64,
    pub(super) severity: f64,
    pub(super) is_high: bool,
    /// Whether it is above its band; `None` if within it.
    pub(super) outside: Option<bool>,
    /// The statistics that count most: share of the alarm, kind, whether it is high, value.
    drivers: [(f64, Kind, bool, f64); 2],
    /// Why it is an outlier, whatever the other statistics say.
    pub(super) beyond_doubt: Option<&'static str>,
    /// What that is about, and how many points, if it is not the value.
    pub(super) about: Option<(&'static str, usize)>,
    pub(super) usual: Usual,
    /// How many times as far from what is normal it is as the limit, if it is beyond.
    strength: Option<f64>,
}

/// What is usual at one point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    pub(super) expected: f64,
    /// Its ends; NaN where nothing could be flagged by it.
    pub(super) band: (f64, f64),
    basis: Basis,
}

impl Seen {
    fn note(&mut self, weighted: f64, kind: Kind, is_high: bool, value: f64) {
        if weighted > self.drivers[0].0 {
            self.drivers = [(weighted, kind, is_high, value), self.drivers[0]];
        } else if weighted > self.drivers[1].0 {
            self.drivers[1] = (weighted, kind, is_high, value);
        }
    }

    /// What is out of the ordinary beside the value, and of how many points.
    pub(super) fn about(&self, series: &Watch<'_>, index: usize) -> (&'static str, usize) {
        let flat = series.flat.get(index).copied().unwrap_or(0.0);
        match (self.about, self.beyond_doubt) {
            (Some(about), _) => about,
            (None, Some(FROZEN)) => Kind::Flat.about(flat),
            (None, Some(_)) => ("value", 1),
            (None, None) => self.drivers[0].1.about(self.drivers[0].3),
        }
    }

    pub(super) fn reason(&self, series: &Watch<'_>, index: usize, calibration: &Calibration) -> String {
        let value = series.points.values[index];
        let told_by_side =
            self.beyond_doubt.is_some() || self.strength.is_some() || self.drivers[0].1.has_side();
        let side = match (told_by_side, self.is_high) {
            (false, _) => "unusual",
            (true, true) => "high",
            (true, false) => "low",
        };
        let expected = Short(self.usual.expected);
        let season = self.usual.basis.words();
        let mut why: Vec<String> = self.beyond_doubt.iter().map(|why| (*why).to_owned()).collect();
        why.extend(self.strength.map(|times| {
            format!("{} times as far off as chance and habit explain", Short((times * 10.0).round() / 10.0))
        }));
        why.extend(self.drivers.iter().filter(|(share, ..)| *share > 0.0).map(|(_, kind, high, value)| {
            // Of the forecast, what it is usually off by is expected too.
            let usual = if matches!(kind, Kind::Residual(_)) { calibration.usual_error } else { 0.0 };
            kind.words(*high, value - usual)
        }));
        let (a_rise_of, a_second) =
            if series.course.is_of_rises() { ("a rise of ", " a second") } else { ("", "") };
        format!(
            "{a_rise_of}{}{a_second} is {side}, expected {expected}{season}: {} ({} training points)",
            Short(value),
            why.join("; "),
            calibration.training_points
        )
    }
}
