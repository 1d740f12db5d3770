//! What a point is expected to be: the usual level, or what was seen at the same time of day or of the week.
//!
//! Three simple forecasts run side by side, each robust because it is a median, and each block believes the one that
//! was nearest to the truth in the days before it. Which season a series has, if any, is thus found without being asked
//! for, and forgotten again when it ends.

use std::ops::Range;

use chrono_tz::Tz;

use super::super::wall_clock::offset_ms;
use super::calibration::SortedRange;
use super::cycle;
use super::medians::{self, Medians};
use super::statistics::recent_medians;
use super::windows::sights;

pub(super) const DAY_MS: i64 = 86_400_000;

/// Length of the past whose median is the usual level.
const LEVEL_MS: i64 = 7 * DAY_MS;

/// Points the usual level needs.
const MIN_LEVEL_POINTS: usize = 20;

/// Points whose median it is until there are so many.
const RECENT_POINTS: usize = 13;

/// Length of the past in which forecasts are compared.
const COMPARED_MS: i64 = 4 * DAY_MS;

/// A season in days, and how many of its past cycles a forecast is the median of.
const SEASONS: [Season; 2] = [Season { days: 1, cycles: 5 }, Season { days: 7, cycles: 3 }];

const _: () = assert!(
    3 * SEASONS[0].cycles <= medians::MOST as i64 && 3 * SEASONS[1].cycles <= medians::MOST as i64,
    "a point and its neighbours in each cycle are more than there is room for"
);

struct Season {
    days: i64,
    cycles: i64,
}

impl Season {
    /// With no more cycles than `reach_ms` holds.
    fn within(&self, reach_ms: i64) -> Self {
        Self { days: self.days, cycles: self.cycles.min(reach_ms / (self.days * DAY_MS)) }
    }
}

/// What a forecast rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// The usual level.
    Level,
    /// The same time of the days before.
    Day,
    /// The same time of the weeks before.
    Week,
    /// The last few points.
    Recent,
    /// The same place in the cycles before, of a season that is neither a day nor a week long.
    Cycle,
}

/// What each forecast says of each point; NaN where it says nothing.
#[derive(Debug, Clone)]
pub(super) struct Forecasts {
    level: Vec<f64>,
    day: Vec<f64>,
    week: Vec<f64>,
    recent: Vec<f64>,
    cycle: Vec<f64>,
    /// What the weeks before each point were.
    weeks: Vec<Cycles>,
}

impl Forecasts {
    /// The least and the most that may be expected at `index`: past cycles may have been incidents, but hardly at the same
    /// time as those of the other season. What lies less than `near` apart is the same.
    pub(super) fn range(&self, basis: Basis, index: usize, near: f64) -> (f64, f64) {
        let forecast = self.of(basis)[index];
        let second = match basis {
            Basis::Day => self.week[index],
            Basis::Week => {
                let weeks = self.weeks[index];
                match weeks.count {
                    1 => self.day[index],
                    // Of three that are unlike each other any may have been none.
                    3.. if forecast - weeks.low > near && weeks.high - forecast > near => {
                        return (weeks.low, weeks.high);
                    }
                    3.. => weeks.nearest,
                    // Of two that are unlike each other the mean is neither.
                    2 if weeks.high - weeks.low > near => self.day[index].clamp(weeks.low, weeks.high),
                    _ => forecast,
                }
            }
            Basis::Level | Basis::Recent | Basis::Cycle => forecast,
        };
        if (second - forecast).abs() > near {
            (second.min(forecast), second.max(forecast))
        } else {
            (forecast, forecast)
        }
    }

    pub(super) fn of(&self, basis: Basis) -> &[f64] {
        match basis {
            Basis::Level => &self.level,
            Basis::Day => &self.day,
            Basis::Week => &self.week,
            Basis::Recent => &self.recent,
            Basis::Cycle => &self.cycle,
        }
    }
}

impl Basis {
    pub(super) const ALL: [Self; 5] = [Self::Level, Self::Day, Self::Week, Self::Recent, Self::Cycle];

    /// After "the expected 12.3", in plain words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Level => "",
            Self::Recent => " after the last few points",
            Self::Day => " at this time of day",
            Self::Week => " at this time of the week",
            Self::Cycle => " at this point of its cycle",
        }
    }
}

/// Besides whole cycles: for the neighbours of the point at the same time of day, and for clocks that were set.
const SLACK_MS: i64 = 3 * 3_600_000;

/// Ms before the first training point that forecasts look at.
pub(super) const LOOKBACK_MS: i64 = 21 * DAY_MS + COMPARED_MS + SLACK_MS;

/// What each point is expected to be, and why.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) expected: Vec<f64>,
    pub(super) basis: Vec<Basis>,
}

impl Expectation {
    /// `filled` are the values at `times`, NaN in gaps that are too long to be filled; `blocks` are index ranges that cover them, in which the same
    /// forecast is believed. Nothing but points before a block decides which. Points are `step_ms` apart.
    pub(super) fn new(
        times: &[i64],
        filled: &[f64],
        blocks: &[Range<usize>],
        zone: Tz,
        step_ms: i64,
        lookback_ms: Option<i64>,
    ) -> (Self, Forecasts) {
        let lookback_ms = lookback_ms.unwrap_or(LOOKBACK_MS).min(LOOKBACK_MS);
        // What is compared must itself have been forecast, from what lies further back.
        let compared_ms = COMPARED_MS.min(lookback_ms / 3);
        let reach_ms = lookback_ms - compared_ms;
        let recent = recent_medians(filled, RECENT_POINTS, &sights(times, filled, Some(reach_ms)));
        let level = levels(times, filled, LEVEL_MS.min(reach_ms), &recent);
        let (day, _) = seasonal(times, filled, &SEASONS[0], zone, reach_ms, None);
        let (week, weeks) = seasonal(times, filled, &SEASONS[1], zone, reach_ms, Some(&day));
        let cycle = cycle::forecast(times, filled, step_ms, reach_ms);
        let mut expectation =
            Self { expected: Vec::with_capacity(times.len()), basis: Vec::with_capacity(times.len()) };
        let errors: Vec<[Error; 3]> = blocks
            .iter()
            .map(|block| [&level, &day, &week].map(|forecast| Error::of(filled, forecast, block)))
            .collect();
        for (number, block) in blocks.iter().enumerate() {
            let Some(begin) = times.get(block.start) else { continue };
            let compared =
                (0..number).rev().take_while(|past| times[blocks[*past].start] >= begin - compared_ms);
            let total = compared.fold([Error::default(); 3], |total, past| {
                std::array::from_fn(|forecast| total[forecast].plus(errors[past][forecast]))
            });
            let forecasts = [(Basis::Level, &level), (Basis::Day, &day), (Basis::Week, &week)];
            for index in block.clone() {
                let usable =
                    forecasts.iter().zip(total).filter(|((_, forecast), _)| forecast[index].is_finite());
                // A season must have been tried for half of the points that the level was.
                let tried = usable.filter(|((basis, _), error)| {
                    *basis == Basis::Level || error.points * 2 > total[0].points
                });
                let best = tried.min_by(|(_, a), (_, b)| a.mean().total_cmp(&b.mean()));
                let (basis, expected) = best
                    .map_or((Basis::Level, filled[index]), |((basis, forecast), _)| {
                        (*basis, forecast[index])
                    });
                expectation.expected.push(expected);
                expectation.basis.push(basis);
            }
        }
        (expectation, Forecasts { level, day, week, recent, cycle, weeks })
    }
}

/// How far a forecast was off.
#[derive(Debug, Clone, Copy, Default)]
struct Error {
    sum: f64,
    points: usize,
}

impl Error {
    fn of(values: &[f64], forecast: &[f64], block: &Range<usize>) -> Self {
        let off = block
            .clone()
            .map(|index| (values[index] - forecast[index]).abs())
            .filter(|error| error.is_finite());
        off.fold(Self::default(), |all, error| all.plus(Self { sum: error, points: 1 }))
    }

    fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, points: self.points + other.points }
    }

    fn mean(self) -> f64 {
        if self.points == 0 { f64::INFINITY } else { self.sum / self.points as f64 }
    }
}

/// The median of the values in `length_ms` before each point; before there are enough, that of the last few, `recent`.
fn levels(times: &[i64], filled: &[f64], length_ms: i64, recent: &[f64]) -> Vec<f64> {
    let mut past = SortedRange::new(filled);
    let (mut from, mut near) = (0, 0);
    (0..filled.len())
        .map(|index| {
            while times[from] < times[index] - length_ms {
                from += 1;
            }
            past.move_to(from, index);
            if past.len() >= MIN_LEVEL_POINTS {
                past.nth_near(past.len() / 2, &mut near)
            } else {
                recent[index]
            }
        })
        .collect()
}

/// The median of the points at the same local time in past cycles, and of their neighbours; NaN where there are fewer
/// than three. Nothing before `reach_ms` before a point is looked at.
///
/// Where there is an `other` forecast, what the cycles were at each point is returned too, and which was nearest to it.
fn seasonal(
    times: &[i64],
    filled: &[f64],
    season: &Season,
    zone: Tz,
    reach_ms: i64,
    other: Option<&[f64]>,
) -> (Vec<f64>, Vec<Cycles>) {
    let season = season.within(reach_ms);
    let shift: Vec<i64> = times.iter().map(|time| offset_ms(*time, zone)).collect();
    // Where each past cycle has got to; it only moves forward, but for an hour where clocks are set back.
    let mut places = vec![0_usize; usize::try_from(season.cycles).unwrap_or(0)];
    let mut medians = Medians::new(times.len(), 3);
    let mut all = Vec::with_capacity(other.map_or(0, <[f64]>::len));
    for index in 0..times.len() {
        let furthest = times[index].saturating_sub(reach_ms);
        let mut cycles = Cycles::new();
        for (cycle, place) in (1..).zip(&mut places) {
            let before = times[index].saturating_sub(cycle * season.days * DAY_MS);
            // The same time on the clock, whatever the clock did in between.
            let wanted = before.saturating_add(shift[index] - offset_ms(before, zone));
            while *place > 0 && times[*place] > wanted {
                *place -= 1;
            }
            while *place + 1 < times.len() && times[*place + 1] <= wanted {
                *place += 1;
            }
            // Half an hour off is another time of day.
            let off = wanted.saturating_sub(times[*place]);
            if (0..1_800_000).contains(&off) && times[*place] >= furthest {
                let near = place.saturating_sub(1)..(*place + 2).min(index);
                let near = near.filter(|near| times[*near] >= furthest).map(|near| filled[near]);
                near.filter(|value| !value.is_nan()).for_each(|value| medians.add(value));
                if let Some(other) = other {
                    cycles.add(filled[*place], other[index]);
                }
            }
        }
        medians.next();
        if other.is_some() {
            all.push(cycles);
        }
    }
    (medians.finish(), all)
}

/// What past cycles of a season were at one time.
#[derive(Debug, Clone, Copy)]
struct Cycles {
    count: u32,
    low: f64,
    high: f64,
    /// The one that is nearest to another forecast.
    nearest: f64,
}

impl Cycles {
    fn new() -> Self {
        Self { count: 0, low: f64::INFINITY, high: f64::NEG_INFINITY, nearest: f64::NAN }
    }

    fn add(&mut self, value: f64, other: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        if self.nearest.is_nan() || (value - other).abs() < (self.nearest - other).abs() {
            self.nearest = value;
        }
    }
}
