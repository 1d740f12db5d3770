//! Outages that last, levels that change, counters that restart, and the source `generator` with its own incidents.

use std::f64::consts::TAU;

use outrider::query::Query;
use outrider::series::{Series, TimeRange};
use outrider::settings::Settings;
use outrider::source::{self, FetchRequest};

use super::noise::{Ar, BEGIN, DAY, Dice, Grid, HOUR, MINUTE, Noise, traffic};
use super::{Bar, Incident, Made, Side, Situation};

const STEP: i64 = 5 * MINUTE;

pub(super) fn all() -> Vec<Situation> {
    let one_incident =
        Bar { hits: Some(0.95), within: Some(3), told: Some(1.1), false_week: Some(0.2), ..Bar::default() };
    let outage =
        Bar { hits: Some(0.95), within: Some(2), points: Some(0.9), told: Some(1.0), ..Bar::default() };
    let restart = Bar { false_total: Some(0), ..Bar::default() };
    let generator = Bar { hits: Some(1.0), false_total: Some(2), ..Bar::default() };
    let mut all = vec![
        Situation::new("level-shift", one_incident, |dice| level_shift(100.0, 130.0, dice)),
        Situation::new("level-shift/down", one_incident, |dice| level_shift(130.0, 100.0, dice)),
        Situation::new("counter-restart", restart, counter_restart),
        Situation::new("outage/6h", outage, |dice| outage_of(6 * HOUR, dice)),
        Situation::new("outage/24h", outage, |dice| outage_of(DAY, dice)),
        Situation::new("band-of-sine", Bar { width: Some(5.0), ..Bar::default() }, sine),
    ];
    let mut demo = Situation::new("generator", generator, |_| unreachable!()).most_seeds(10);
    demo.make = Box::new(|_, seed| demo_traffic(seed));
    all.push(demo);
    all
}

/// Noise of σ 4.6 that remembers half of the point before, and another level for good. Alarms of the shift until it is
/// over and has become normal should be one; the series ends six days later.
fn level_shift(before: f64, after: f64, dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 28);
    let at = grid.at(21, dice.between(12.0, 36.0));
    let mut noise = Ar::new(0.5, 4.6, dice);
    let values = grid.fill(|index| if index < at { before } else { after } + noise.next(dice));
    let side = if after > before { Side::High } else { Side::Low };
    let mut made = Made::new(grid, values, grid.day_begin(21)).incident(at..at + grid.points(HOUR), side);
    // Whatever is said of it later is about the same.
    made.incidents[0].tail = grid.len;
    made
}

/// A counter that goes on from 0 in the middle of a step, so that some of what was counted in it is lost.
fn counter_restart(dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 9);
    let at = grid.at(7, dice.between(6.0, 36.0));
    let lost = dice.between(0.05, 0.95);
    let mut count = 5e8;
    let values = grid.fill(|index| {
        let rise = (480_000.0 * (1.0 + 0.04 * dice.normal())).round();
        count = if index == at { (rise * (1.0 - lost)).round() } else { count + rise };
        count
    });
    Made::new(grid, values, grid.day_begin(7))
}

/// Zero for a long time; every point of it is wrong, and it is one incident.
fn outage_of(ms: i64, dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 28);
    let mut values = traffic(grid, true, Noise::USUAL, dice);
    let begin = grid.at(21, dice.between(6.0, 96.0));
    let points = begin..begin + grid.points(ms);
    values[points.clone()].fill(0.0);
    Made::new(grid, values, grid.day_begin(21)).incident(points, Side::Low)
}

/// A wave of amplitude 20 a day, noise of σ 1, judged from the first day on.
fn sine(dice: &mut Dice) -> Made {
    let grid = Grid::days(STEP, 8);
    let values = grid.fill(|index| 100.0 + 20.0 * (TAU * grid.clock(index).1 / 24.0).sin() + dice.normal());
    let mut made = Made::new(grid, values, 0);
    made.sigma = Some(1.0);
    // What is told before there are two days to compare is no matter here.
    made.tolerated.push(0..grid.day_begin(3));
    made
}

/// Three weeks and 300 days of the web traffic that the source `generator` makes, of which the 300 days are judged.
///
/// Runs of its true labels are the incidents. A shift of its level lasts one to three days, of which the first four hours
/// are labelled; until four hours after its longest end it is a matter of taste what is flagged, its end among it.
fn demo_traffic(seed: u64) -> Made {
    const SHIFT: i64 = 4 * HOUR;
    // As in the demo, which has weeks that begin on a Thursday.
    let grid = Grid::days(STEP, 321);
    let series = fetched(seed, grid);
    let (mut values, mut truth) = (vec![f64::NAN; grid.len], vec![false; grid.len]);
    let labels = series.truth.as_ref().expect("the true labels, which were asked for");
    for ((time, value), label) in series.times.iter().zip(&series.values).zip(labels) {
        let index = ((time - BEGIN) / grid.step_ms) as usize;
        values[index] = *value;
        truth[index] = *label == 1.0;
    }
    let mut made = Made::new(grid, values, grid.day_begin(21));
    let mut begin = made.judged_from;
    for run in truth[made.judged_from..].chunk_by(|a, b| a == b) {
        let points = begin..begin + run.len();
        begin = points.end;
        let is_shift = run.len() >= grid.points(SHIFT) - 1;
        if run[0] {
            made.incidents.push(Incident::new(grid, points.clone(), Side::Either));
        }
        if run[0] && is_shift {
            made.tolerated.push(points.start..points.start + grid.points(3 * DAY + SHIFT));
        }
    }
    made
}

fn fetched(seed: u64, grid: Grid) -> Series {
    let json =
        format!(r#"{{"source":{{"kind":"generator","series":["web-traffic"],"truth":true,"seed":{seed}}}}}"#);
    let query = Query::parse(json.as_bytes()).expect("a query");
    let source = source::connect(&Settings::default()).expect("the generator");
    let prepared = source.prepare(&query.source).expect("options of the generator");
    let range = TimeRange { from_ms: BEGIN, to_ms: grid.time(grid.len - 1) };
    let request = FetchRequest { range, step_ms: grid.step_ms };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut fetched = runtime.block_on(prepared.fetch(&request)).expect("series");
    fetched.series.remove(0)
}
