//! Series in which nothing happens, of many kinds; every alarm is a false one.

use std::f64::consts::TAU;

use super::noise::{Ar, Dice, Grid, MINUTE, Noise, is_weekend, office, traffic};
use super::{Bar, Made, Situation};

const STEP: i64 = 5 * MINUTE;

fn grid() -> Grid {
    Grid::days(STEP, 28)
}

/// The values of a kind of series.
type Course = fn(&mut Dice) -> Vec<f64>;

const KINDS: [(&str, Course); 28] = [
    ("white", |dice| grid().fill(|_| 100.0 + 4.0 * dice.normal())),
    ("uniform", |dice| grid().fill(|_| dice.between(80.0, 120.0))),
    ("poisson-2", |dice| grid().fill(|_| dice.poisson(2.0))),
    ("poisson-50", |dice| grid().fill(|_| dice.poisson(50.0))),
    ("ar.5", |dice| ar(0.5, dice)),
    ("ar.9", |dice| ar(0.9, dice)),
    ("ar.99", |dice| ar(0.99, dice)),
    ("walk", walk),
    ("log-normal-.35", |dice| grid().fill(|_| 120.0 * (0.35 * dice.normal()).exp())),
    ("log-normal-.8", |dice| grid().fill(|_| 120.0 * (0.8 * dice.normal()).exp())),
    ("t3", |dice| grid().fill(|_| 100.0 + 3.0 * dice.heavy())),
    ("mixture", |dice| {
        grid().fill(|_| {
            let sigma = if dice.uniform() < 0.05 { 10.0 } else { 2.0 };
            100.0 + sigma * dice.normal()
        })
    }),
    ("daily", |dice| traffic(grid(), false, Noise::USUAL, dice)),
    ("weekly", |dice| traffic(grid(), true, Noise::USUAL, dice)),
    ("daily-ar.99", |dice| traffic(grid(), false, Noise { phi: 0.99, slow: 0.06, quick: 0.01 }, dice)),
    ("office", office_hours),
    ("job-7h", job_every_7_hours),
    ("memory", memory),
    ("growth", |dice| grid().fill(|index| 1_000.0 + 0.1 * index as f64 + 3.0 * dice.normal())),
    ("duty", duty),
    ("temperature", temperature),
    ("mostly-zero", |dice| {
        grid().fill(|_| if dice.uniform() < 0.05 { 1.0 + dice.poisson(0.5) } else { 0.0 })
    }),
    ("daily-counts", daily_counts),
    ("night-mode", night_mode),
    ("capped", capped),
    ("queue", queue),
    ("constant", |_| vec![7.0; grid().len]),
    ("switch", switch),
];

pub(super) fn all() -> Vec<Situation> {
    let bar = Bar { false_week: Some(0.2), ..Bar::default() };
    let situation = |(name, course): (&str, Course)| {
        let make = move |dice: &mut Dice| Made::new(grid(), course(dice), grid().day_begin(21));
        Situation::new(format!("quiet/{name}"), bar, make)
    };
    KINDS.into_iter().map(situation).collect()
}

fn ar(phi: f64, dice: &mut Dice) -> Vec<f64> {
    let mut noise = Ar::new(phi, 4.0, dice);
    grid().fill(|_| 100.0 + noise.next(dice))
}

/// A level that wanders, seen through noise.
fn walk(dice: &mut Dice) -> Vec<f64> {
    let mut level = 500.0;
    grid().fill(|_| {
        level += 0.3 * dice.normal();
        level + dice.normal()
    })
}

fn office_hours(dice: &mut Dice) -> Vec<f64> {
    let mut values = grid().fill(|index| {
        let (day, hour) = grid().clock(index);
        4.0 + if is_weekend(day) { 0.0 } else { 196.0 * office(hour) }
    });
    Noise { phi: 0.9, slow: 0.03, quick: 0.05 }.disturb(grid(), &mut values, dice);
    values
}

/// Half an hour of work every seven hours, which is no part of a day.
fn job_every_7_hours(dice: &mut Dice) -> Vec<f64> {
    grid().fill(|index| {
        let level = if index % 84 < 6 { 80.0 } else { 20.0 };
        level + 2.0 * dice.normal()
    })
}

/// Memory that grows until it is collected, every nine hours or so.
fn memory(dice: &mut Dice) -> Vec<f64> {
    let mut used = 400.0;
    grid().fill(|_| {
        used += 4.0 * dice.uniform();
        if used > 620.0 {
            used = 400.0 + 5.0 * dice.normal();
        }
        used + dice.normal()
    })
}

/// A compressor: on for half an hour or so, off for somewhat longer.
fn duty(dice: &mut Dice) -> Vec<f64> {
    let (mut is_on, mut left) = (false, 0);
    grid().fill(|_| {
        if left == 0 {
            is_on = !is_on;
            left = if is_on { 4 + dice.below(5) } else { 7 + dice.below(8) };
        }
        left -= 1;
        let (level, sigma) = if is_on { (450.0, 6.0) } else { (3.0, 0.2) };
        level + sigma * dice.normal()
    })
}

/// Whole degrees.
fn temperature(dice: &mut Dice) -> Vec<f64> {
    let mut slow = Ar::new(0.98, 1.5, dice);
    grid().fill(|index| {
        let (_, hour) = grid().clock(index);
        (21.0 + 3.0 * (TAU * (hour / 24.0 - 0.3)).sin() + slow.next(dice) + 0.2 * dice.normal()).round()
    })
}

/// Few at night, some by day.
fn daily_counts(dice: &mut Dice) -> Vec<f64> {
    grid().fill(|index| {
        let (_, hour) = grid().clock(index);
        dice.poisson(2.6 + 2.4 * (TAU * (hour / 24.0 - 0.3)).sin())
    })
}

/// Half the machines are off from 22:00 to 06:00.
fn night_mode(dice: &mut Dice) -> Vec<f64> {
    grid().fill(|index| {
        let (_, hour) = grid().clock(index);
        let level = if (6.0..22.0).contains(&hour) { 200.0 } else { 100.0 };
        level + 3.0 * dice.normal()
    })
}

/// A share that is full at noon.
fn capped(dice: &mut Dice) -> Vec<f64> {
    let mut slow = Ar::new(0.9, 4.0, dice);
    grid().fill(|index| {
        let (_, hour) = grid().clock(index);
        let load = 75.0 + 35.0 * (TAU * (hour / 24.0 - 0.3)).sin() + slow.next(dice);
        (load + 2.0 * dice.normal()).clamp(0.0, 100.0)
    })
}

/// Those who wait: 0 most of the time, in bursts more, which is usual every hour.
fn queue(dice: &mut Dice) -> Vec<f64> {
    let mut waiting: f64 = 0.0;
    grid().fill(|_| {
        waiting = (waiting + dice.poisson(8.0) - 9.0).max(0.0);
        waiting
    })
}

/// A state of 0 or 1 that changes a few times a day.
fn switch(dice: &mut Dice) -> Vec<f64> {
    let mut state = 0.0;
    grid().fill(|_| {
        if dice.uniform() < 1.0 / 60.0 {
            state = 1.0 - state;
        }
        state
    })
}
