//! Random numbers from a seed, and the courses that made-up series are built of.

use std::f64::consts::TAU;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Everything random of one series.
pub(crate) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Those of the situation `name`: no two situations share their noise.
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        // FNV-1a, 64 bits.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        Self(Xoshiro256PlusPlus::seed_from_u64(name.wrapping_add(seed)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A whole number less than `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// Standard normal, by Box and Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// Student's t with three degrees of freedom.
    pub(crate) fn heavy(&mut self) -> f64 {
        let chi: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / (chi / 3.0).sqrt()
    }

    /// By Knuth's multiplication where the mean is small, by the normal approximation where it is large.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0.0);
        while product > limit {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}

/// An autoregressive process of the first order.
pub(crate) struct Ar {
    phi: f64,
    innovation: f64,
    value: f64,
}

impl Ar {
    /// With `phi` from one point to the next, and the standard deviation `sigma` of its values.
    pub(crate) fn new(phi: f64, sigma: f64, dice: &mut Dice) -> Self {
        Self { phi, innovation: sigma * (1.0 - phi * phi).sqrt(), value: sigma * dice.normal() }
    }

    pub(crate) fn next(&mut self, dice: &mut Dice) -> f64 {
        self.value = self.phi * self.value + self.innovation * dice.normal();
        self.value
    }
}

/// Times of a regular series that begins on a Monday at midnight UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) step_ms: i64,
    pub(crate) len: usize,
}

/// A Monday, 2025-03-03.
pub(crate) const BEGIN: i64 = 1_740_960_000_000;

impl Grid {
    pub(crate) fn days(step_ms: i64, days: usize) -> Self {
        Self { step_ms, len: days * (DAY / step_ms) as usize }
    }

    /// Points that `ms` has, at least one.
    pub(crate) fn points(&self, ms: i64) -> usize {
        (ms / self.step_ms).max(1) as usize
    }

    /// The first point of a day.
    pub(crate) fn day_begin(&self, day: usize) -> usize {
        day * (DAY / self.step_ms) as usize
    }

    /// The first point at or after an hour of a day.
    pub(crate) fn at(&self, day: usize, hour: f64) -> usize {
        let ms = day as f64 * DAY as f64 + hour * HOUR as f64;
        (ms / self.step_ms as f64).ceil() as usize
    }

    /// Days since the begin, the first being a Monday, and hours since midnight.
    pub(crate) fn clock(&self, index: usize) -> (usize, f64) {
        let ms = index as i64 * self.step_ms;
        ((ms / DAY) as usize, (ms % DAY) as f64 / HOUR as f64)
    }

    pub(crate) fn time(&self, index: usize) -> i64 {
        BEGIN + index as i64 * self.step_ms
    }

    /// One value a point.
    pub(crate) fn fill(&self, value: impl FnMut(usize) -> f64) -> Vec<f64> {
        (0..self.len).map(value).collect()
    }
}

pub(crate) fn is_weekend(day: usize) -> bool {
    day % 7 > 4
}

/// How a value differs from its mean by a factor: slowly and from point to point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    /// Correlation of the slow part from five minutes to the next; other steps have as much of it in the same time.
    pub(crate) phi: f64,
    /// Standard deviation of the slow part, a share of the value.
    pub(crate) slow: f64,
    /// Standard deviation of what is new at each point, a share of the value.
    pub(crate) quick: f64,
}

impl Noise {
    /// 3 % in all, most of it slow.
    pub(crate) const USUAL: Self = Self { phi: 0.9, slow: 0.023, quick: 0.02 };

    /// Multiplies each of `values` with a log-normal factor.
    pub(crate) fn disturb(self, grid: Grid, values: &mut [f64], dice: &mut Dice) {
        let phi = self.phi.powf(grid.step_ms as f64 / (5 * MINUTE) as f64);
        let mut slow = Ar::new(phi, self.slow, dice);
        for value in values {
            *value *= (slow.next(dice) + self.quick * dice.normal()).exp();
        }
    }
}

/// Traffic with a day's wave between 40 and 160, weekends at 70 % if `weekly`, and noise.
pub(crate) fn traffic(grid: Grid, weekly: bool, noise: Noise, dice: &mut Dice) -> Vec<f64> {
    let mut values = grid.fill(|index| {
        let (day, hour) = grid.clock(index);
        let week = if weekly && is_weekend(day) { 0.7 } else { 1.0 };
        100.0 * week * (1.0 + 0.6 * (TAU * (hour / 24.0 - 0.3)).sin())
    });
    noise.disturb(grid, &mut values, dice);
    values
}

/// A request rate whose nights are alike on all days and whose rise in the morning is a weekday's 800, a Saturday's 350
/// or a Sunday's 250 over 200.
pub(crate) fn request_rate(hour: f64, day: Weekday) -> f64 {
    let rise = match day {
        Weekday::Work => 800.0,
        Weekday::Saturday => 350.0,
        Weekday::Sunday => 250.0,
    };
    200.0 + rise * (-((hour - 14.0) / 4.5).powi(2)).exp()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weekday {
    Work,
    Saturday,
    Sunday,
}

impl Weekday {
    pub(crate) fn of(day: usize) -> Self {
        match day % 7 {
            5 => Self::Saturday,
            6 => Self::Sunday,
            _ => Self::Work,
        }
    }
}

/// 0 outside, 1 within office hours, with half an hour's slope at either end.
pub(crate) fn office(hour: f64) -> f64 {
    let rise = |at: f64| 1.0 / (1.0 + (-(hour - at) / 0.25).exp());
    rise(8.5) - rise(17.5)
}
