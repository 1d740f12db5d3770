//! What happens in any company: holidays, slow responses, jobs that are late or do not come, growth. Three weeks of
//! history and a week judged, unless said otherwise.

use std::f64::consts::{LN_2, TAU};
use std::ops::Range;

use super::noise::{
    Ar, DAY, Dice, Grid, HOUR, MINUTE, Noise, Weekday, is_weekend, office, request_rate, traffic,
};
use super::{Bar, Made, Side, Situation};

const STEP: i64 = 5 * MINUTE;

/// The day that the week judged begins with, a Monday.
const DAY_JUDGED: usize = 21;

fn grid() -> Grid {
    Grid::days(STEP, 28)
}

/// Judged from the begin of the fourth week on.
fn made(grid: Grid, values: Vec<f64>) -> Made {
    Made::new(grid, values, grid.day_begin(DAY_JUDGED))
}

pub(super) fn all() -> Vec<Situation> {
    let hits = |share: f64| Bar { hits: Some(share), ..Bar::default() };
    let quiet = |week: f64| Bar { false_week: Some(week), ..Bar::default() };
    let three_hours =
        |share: f64, step: i64| Bar { within: Some((3 * HOUR / step) as usize), hush: true, ..hits(share) };
    let rare = Bar { false_week: Some(0.2), within: Some(2), ..hits(0.95) };
    let office_bar = Bar { within: Some((30 * MINUTE / STEP) as usize), sides: true, ..hits(0.9) };
    let mut all = vec![
        Situation::new("holiday/5m", three_hours(0.9, STEP), |dice| holiday(STEP, dice)),
        Situation::new("minus-15/white", Bar { delay: Some(4), ..hits(0.95) }, |dice| {
            minus_15(Noise { phi: 0.0, slow: 0.0, quick: 0.03 }, dice)
        }),
        Situation::new("minus-15/slow", Bar { delay: Some(4), ..hits(0.95) }, |dice| {
            minus_15(Noise { phi: 0.9, slow: 0.015, quick: 0.02 }, dice)
        }),
        Situation::new("minus-15/usual", Bar { delay: Some(4), ..hits(0.95) }, |dice| {
            minus_15(Noise::USUAL, dice)
        }),
        Situation::new("office-halved/rate", office_bar, |dice| office_halved(OfficeRate::Steep, dice)),
        Situation::new("office-halved/smooth", office_bar, |dice| office_halved(OfficeRate::Smooth, dice)),
        Situation::new("office-halved/counts", office_bar, |dice| office_halved(OfficeRate::Counts, dice)),
        Situation::new("latency-doubled", Bar { false_week: Some(0.3), ..hits(0.85) }, latency_doubled),
        Situation::new("growing", Bar { delay: Some(120), ..hits(0.95) }, growing),
        Situation::new("frozen", Bar { delay: Some(6), ..hits(0.95) }, frozen),
        Situation::new("unrest-doubled", Bar { delay: Some(8), ..hits(0.95) }, |dice| unrest(2.0, dice)),
        Situation::new("variance-doubled", Bar::default(), |dice| unrest(2.0_f64.sqrt(), dice)),
        Situation::new("job-hour-late", Bar { false_each: Some(1), ..Bar::default() }, job_an_hour_late),
        Situation::new("holiday/1h", three_hours(0.8, HOUR), |dice| holiday(HOUR, dice)),
        Situation::new("minute-quiet", quiet(0.2), minute_quiet),
        Situation::new("holiday/1m", three_hours(0.9, MINUTE), |dice| holiday(MINUTE, dice)),
    ];
    for (name, factor, side) in [("daily/half", 0.5, Side::Low), ("daily/x1.8", 1.8, Side::High)] {
        let bar = Bar { within: Some(0), ..hits(0.9) };
        all.push(Situation::new(name, bar, move |dice| a_day_of_a_year(factor, side, dice)));
    }
    all.extend([
        Situation::new("midnight-growth/traffic", quiet(0.2), |dice| growth_at_midnight(true, dice)),
        Situation::new("midnight-growth/plain", quiet(0.2), |dice| growth_at_midnight(false, dice)),
        Situation::new("error-burst", rare, error_burst),
        Situation::new("cpu-full", rare, cpu_full),
        Situation::new(
            "job-missing",
            Bar { within: Some(5), false_week: Some(0.2), ..hits(0.95) },
            job_missing,
        ),
        Situation::new(
            "clean-up-missed",
            Bar { within: Some((2 * HOUR / STEP) as usize), false_week: Some(0.2), ..hits(0.95) },
            clean_up_missed,
        ),
        Situation::new("no-data", Bar { within: Some(1), false_week: Some(0.2), ..hits(1.0) }, no_data),
        Situation::new("wrap-32-bit", quiet(0.1), wrap_32_bit),
    ]);
    all
}

/// A Monday like a Sunday. It becomes wrong where a twentieth of all days is no longer explained by noise: where the
/// rise that is missing makes up 12 % of what is expected, four standard deviations. The nights are alike, so nothing of
/// the Tuesday is wrong.
fn holiday(step: i64, dice: &mut Dice) -> Made {
    let grid = Grid::days(step, 28);
    let mut values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        request_rate(hour, if day == DAY_JUDGED { Weekday::Sunday } else { Weekday::of(day) })
    });
    Noise::USUAL.disturb(grid, &mut values, dice);
    let is_missing = |index: &usize| {
        let (_, hour) = grid.clock(*index);
        let usual = request_rate(hour, Weekday::Work);
        usual - request_rate(hour, Weekday::Sunday) > 0.12 * usual
    };
    let monday = grid.day_begin(DAY_JUDGED)..grid.day_begin(DAY_JUDGED + 1);
    let missing: Vec<usize> = monday.clone().filter(is_missing).collect();
    let points = missing[0]..missing[missing.len() - 1] + 1;
    let mut made = made(grid, values).incident(points.clone(), Side::Low);
    // The shoulders, where something but not much is missing.
    made.tolerated = vec![points.start - grid.points(HOUR)..points.start, points.end..monday.end];
    made.hush.push(monday.end..grid.day_begin(DAY_JUDGED + 2));
    made
}

/// A time in the week judged, so that an hour and its aftermath lie within.
fn some_time(grid: Grid, dice: &mut Dice) -> usize {
    grid.at(DAY_JUDGED, dice.between(6.0, 6.5 * 24.0))
}

fn times(values: &mut [f64], points: Range<usize>, factor: f64) {
    values[points].iter_mut().for_each(|value| *value *= factor);
}

/// 15 % less for an hour, five standard deviations of the noise.
fn minus_15(noise: Noise, dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = traffic(grid, true, noise, dice);
    let begin = some_time(grid, dice);
    let points = begin..begin + grid.points(HOUR);
    times(&mut values, points.clone(), 0.85);
    made(grid, values).incident(points, Side::Low)
}

/// What is usual in office hours.
#[derive(Debug, Clone, Copy)]
enum OfficeRate {
    /// 200 from the first minute to the last.
    Steep,
    /// Rising to 300 at two and falling again.
    Smooth,
    /// Some 24 in five minutes, counted.
    Counts,
}

/// Hardly anything at night and on weekends, and half of what is usual for four of a weekday's office hours.
fn office_halved(rate: OfficeRate, dice: &mut Dice) -> Made {
    let grid = grid();
    let begin = grid.at(DAY_JUDGED + 1 + dice.below(4), dice.between(9.5, 13.0));
    let points = begin..begin + grid.points(4 * HOUR);
    let mut values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        let busy = match rate {
            _ if is_weekend(day) => 0.0,
            OfficeRate::Steep => 196.0 * office(hour),
            OfficeRate::Smooth => 296.0 * (-((hour - 14.0) / 3.5).powi(2)).exp(),
            OfficeRate::Counts => 24.0 * office(hour),
        };
        let halved = if points.contains(&index) { 0.5 } else { 1.0 };
        match rate {
            OfficeRate::Steep | OfficeRate::Smooth => halved * (4.0 + busy),
            OfficeRate::Counts => dice.poisson(halved * (0.5 + busy)),
        }
    });
    if !matches!(rate, OfficeRate::Counts) {
        Noise { phi: 0.9, slow: 0.03, quick: 0.05 }.disturb(grid, &mut values, dice);
    }
    made(grid, values).incident(points, Side::Low)
}

/// Log-normal noise of σ .35 around 120 ms; the double for half an hour.
fn latency_doubled(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = grid.fill(|_| 120.0 * (0.35 * dice.normal()).exp());
    let begin = some_time(grid, dice);
    let points = begin..begin + grid.points(HOUR / 2);
    times(&mut values, points.clone(), LN_2.exp());
    made(grid, values).incident(points, Side::High)
}

/// Half a percent more with every hour of a day, and that much more (13 %) from then on, which may be told or not.
fn growing(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = traffic(grid, true, Noise::USUAL, dice);
    let begin = grid.at(DAY_JUDGED, dice.between(6.0, 72.0));
    let points = begin..begin + grid.points(DAY);
    for (since, value) in values[begin..].iter_mut().enumerate() {
        let hours = (since as i64 * STEP).min(DAY) as f64 / HOUR as f64;
        *value *= 1.005_f64.powf(hours);
    }
    let mut made = made(grid, values).incident(points.clone(), Side::High);
    made.tolerated.push(points.end..grid.len);
    made
}

/// The value before it for an hour.
fn frozen(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = traffic(grid, true, Noise::USUAL, dice);
    let begin = some_time(grid, dice);
    let points = begin..begin + grid.points(HOUR);
    let last = values[begin - 1];
    values[points.clone()].fill(last);
    made(grid, values).incident(points, Side::Either)
}

/// White noise around a daily wave, whose standard deviation is `factor` times as much for a day. With a factor of √2 no
/// test could tell it within 8 points with less than a false alarm a week; so it is the standard deviation that doubles.
fn unrest(factor: f64, dice: &mut Dice) -> Made {
    let grid = grid();
    let begin = grid.at(DAY_JUDGED, dice.between(6.0, 120.0));
    let points = begin..begin + grid.points(DAY);
    let values = grid.fill(|index| {
        let (_, hour) = grid.clock(index);
        let sigma = if points.contains(&index) { 4.0 * factor } else { 4.0 };
        100.0 + 20.0 * (TAU * hour / 24.0).sin() + sigma * dice.normal()
    });
    made(grid, values).incident(points, Side::Either)
}

/// A job of a quarter of an hour at 01:00, an hour later from the fourth week on, of which two weeks are judged. One alarm
/// is right, of the first night: what is missing at 01:00 and what comes instead at 02:00 are one.
fn job_an_hour_late(dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 35);
    let values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        let begin = if day < DAY_JUDGED { 1.0 } else { 2.0 };
        let job = if (begin..begin + 0.25).contains(&hour) { 60.0 } else { 0.0 };
        let sigma = if job > 0.0 { 4.0 } else { 2.0 };
        20.0 + job + sigma * dice.normal()
    });
    made(grid, values)
}

/// Days and weeks at one minute, counts.
fn minute_quiet(dice: &mut Dice) -> Made {
    let grid = Grid::days(MINUTE, 28);
    let values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        let week = if is_weekend(day) { 0.7 } else { 1.0 };
        let mean = week * 1_000.0 * (1.0 + 0.6 * (TAU * (hour / 24.0 - 0.3)).sin());
        dice.poisson(mean)
    });
    made(grid, values)
}

/// A year of days with weeks, of which the last 120 days are judged; one of the last sixty is wrong.
fn a_day_of_a_year(factor: f64, side: Side, dice: &mut Dice) -> Made {
    let grid = Grid::days(DAY, 365);
    let mut values = grid.fill(|day| {
        let week = match Weekday::of(day) {
            Weekday::Work => 1_000.0,
            Weekday::Saturday => 680.0,
            Weekday::Sunday => 560.0,
        };
        week * (1.0 + 0.035 * dice.normal())
    });
    let day = 300 + dice.below(60);
    times(&mut values, day..day + 1, factor);
    let mut made = Made::new(grid, values, 245).incident(day..day + 1, side);
    made.incidents[0].late = 0;
    made
}

/// Doubled in three weeks, by a step each midnight; it goes on in the week judged. `traffic` with its wave, or a plain
/// level with noise of a percent.
fn growth_at_midnight(is_traffic: bool, dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = if is_traffic {
        traffic(grid, false, Noise::USUAL, dice)
    } else {
        let mut noise = Ar::new(0.5, 1.0, dice);
        grid.fill(|_| 100.0 + noise.next(dice))
    };
    for (index, value) in values.iter_mut().enumerate() {
        *value *= 2.0_f64.powf(grid.clock(index).0 as f64 / 21.0);
    }
    made(grid, values)
}

/// Mostly 0 to 2 errors a point, once 15.
fn error_burst(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = grid.fill(|_| dice.poisson(0.7));
    let at = some_time(grid, dice);
    values[at] = 15.0;
    made(grid, values).incident(at..at + 1, Side::High)
}

/// 20 to 60 % by the time of day; 100 % for twenty minutes.
fn cpu_full(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut slow = Ar::new(0.9, 4.0, dice);
    let mut values = grid.fill(|index| {
        let (_, hour) = grid.clock(index);
        let wave = 40.0 + 15.0 * (TAU * (hour / 24.0 - 0.3)).sin();
        (wave + slow.next(dice) + 2.0 * dice.normal()).clamp(0.0, 100.0)
    });
    let begin = some_time(grid, dice);
    let points = begin..begin + grid.points(20 * MINUTE);
    values[points.clone()].fill(100.0);
    made(grid, values).incident(points, Side::High)
}

/// A job of half an hour at 02:00, missing in one night. It can be told while the job should run.
fn job_missing(dice: &mut Dice) -> Made {
    let grid = grid();
    let missing = DAY_JUDGED + 1 + dice.below(5);
    let values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        let job = if (2.0..2.5).contains(&hour) && day != missing { 60.0 } else { 0.0 };
        20.0 + job + 2.0 * dice.normal()
    });
    let begin = grid.at(missing, 2.0);
    made(grid, values).incident(begin..begin + grid.points(HOUR / 2), Side::Low)
}

/// A disk that fills by 10 % a day and is cleaned each night at 03:00; once it is not, and overfull until the next night,
/// which frees both days' share.
fn clean_up_missed(dice: &mut Dice) -> Made {
    let grid = grid();
    let missed = DAY_JUDGED + 1 + dice.below(4);
    let mut level = 50.0;
    let values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        level += 10.0 * STEP as f64 / DAY as f64 * (1.0 + 0.3 * dice.normal());
        if hour == 3.0 && day != missed {
            level = 50.0 + 0.3 * dice.normal();
        }
        level + 0.05 * dice.normal()
    });
    let points = grid.at(missed, 3.0)..grid.at(missed + 1, 3.0);
    made(grid, values).incident(points, Side::High)
}

/// Half an hour without points. That they are missing is said, and nothing else.
fn no_data(dice: &mut Dice) -> Made {
    let grid = grid();
    let mut values = traffic(grid, true, Noise::USUAL, dice);
    let begin = some_time(grid, dice);
    let points = begin..begin + grid.points(HOUR / 2);
    values[points.clone()].fill(f64::NAN);
    let mut made = made(grid, values).incident(points, Side::Missing);
    made.incidents[0].tail = 0;
    made
}

/// A counter of bytes that wraps at 2³² every few hours, some three times a day, in the middle of a step.
fn wrap_32_bit(dice: &mut Dice) -> Made {
    const WRAP: f64 = 4_294_967_296.0;
    let grid = grid();
    let rate = traffic(grid, true, Noise::USUAL, dice);
    let mut count = dice.between(0.0, WRAP);
    let values = rate.iter().map(|rate| {
        count = (count + rate * 5e5) % WRAP;
        count.round()
    });
    let values = values.collect();
    made(grid, values)
}
