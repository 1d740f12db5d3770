//! Two incidents that must not hide each other, on a plain level of 120 with noise of σ 4, or in traffic.

use super::noise::{DAY, Dice, Grid, HOUR, MINUTE, Noise, traffic};
use super::{Bar, Made, Side, Situation};

const STEP: i64 = 5 * MINUTE;

pub(super) fn all() -> Vec<Situation> {
    let bar =
        Bar { hits: Some(0.95), within: Some(2), points: Some(0.9), false_week: Some(0.2), ..Bar::default() };
    let mut all = vec![
        Situation::new("pair/spike-dip", bar, |dice| {
            two(&[(0, HOUR / 2, 3.0), (6 * HOUR, HOUR / 2, 0.3)], dice)
        }),
        Situation::new("pair/dip-spike", bar, |dice| {
            two(&[(0, HOUR / 2, 0.3), (6 * HOUR, HOUR / 2, 3.0)], dice)
        }),
    ];
    for (name, apart) in [("6h", 6 * HOUR), ("24h", DAY)] {
        all.push(Situation::new(format!("pair/glitch-doubling/{name}"), bar, move |dice| {
            two(&[(0, 2 * STEP, 50.0), (apart, HOUR, 2.0)], dice)
        }));
    }
    for hours in [2, 6, 24, 26, 48] {
        all.push(Situation::new(format!("pair/outages/{hours}h"), bar, move |dice| {
            two(&[(0, HOUR, 0.0), (hours * HOUR, HOUR, 0.0)], dice)
        }));
        all.push(Situation::new(format!("pair/outages-in-traffic/{hours}h"), bar, move |dice| {
            outages_in_traffic(hours, dice)
        }));
    }
    all
}

/// Factors for a time, each as long after the first as it says; the first comes at some time of the fourth week.
fn two(changes: &[(i64, i64, f64)], dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 28);
    let mut values = grid.fill(|_| 120.0 + 4.0 * dice.normal());
    let first = grid.at(21, dice.between(6.0, 90.0));
    let mut incidents = Vec::new();
    for (after, ms, factor) in changes {
        let begin = first + (after / STEP) as usize;
        let points = begin..begin + grid.points(*ms);
        values[points.clone()].iter_mut().for_each(|value| *value *= factor);
        incidents.push((points, if *factor > 1.0 { Side::High } else { Side::Low }));
    }
    let made = Made::new(grid, values, grid.day_begin(21));
    incidents.into_iter().fold(made, |made, (points, side)| made.incident(points, side))
}

fn outages_in_traffic(hours: i64, dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 28);
    let mut values = traffic(grid, true, Noise::USUAL, dice);
    let first = grid.at(21, dice.between(6.0, 90.0));
    let second = first + grid.points(hours * HOUR);
    let a_while = grid.points(HOUR);
    for begin in [first, second] {
        values[begin..begin + a_while].fill(0.0);
    }
    Made::new(grid, values, grid.day_begin(21))
        .incident(first..first + a_while, Side::Low)
        .incident(second..second + a_while, Side::Low)
}
