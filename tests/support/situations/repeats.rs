//! The same kind of incident on five days of five weeks: what was seen once must not hide what comes next.

use super::noise::{Dice, Grid, HOUR, MINUTE, Noise, traffic};
use super::{Bar, Incident, Made, Side, Situation};

/// What happens to the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zero,
    Drop60,
    Spike3,
    Spike1Point,
    Flat,
    Mixed,
    Night,
}

impl Kind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Zero, "zero"),
        (Self::Drop60, "drop60"),
        (Self::Spike3, "spike3"),
        (Self::Spike1Point, "spike1pt"),
        (Self::Flat, "flat"),
        (Self::Mixed, "mixed"),
        (Self::Night, "night"),
    ];

    /// What it is the `ordinal`th time.
    fn one(self, ordinal: usize) -> Self {
        const MIXED: [Kind; 5] = [Kind::Spike3, Kind::Drop60, Kind::Spike3, Kind::Zero, Kind::Drop60];
        match self {
            Self::Mixed => MIXED[ordinal],
            Self::Night => Self::Zero,
            one => one,
        }
    }
}

/// The traffic in which it happens, and when.
#[derive(Debug, Clone, Copy)]
struct Setting {
    name: &'static str,
    step_ms: i64,
    days: [usize; 5],
    when: When,
    course: Course,
    noise: Noise,
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// In the morning (at night for [`Kind::Night`]), each 85 minutes later than the one before.
    Later,
    /// At any time of the day.
    Any,
    /// At the same time on every day.
    Same,
}

#[derive(Debug, Clone, Copy)]
enum Course {
    /// A wave a day and quiet weekends.
    Weekly,
    /// A wave a day.
    Daily,
    /// A level.
    Plain,
}

/// Five minutes, days 16 to 32, a day's wave and quiet weekends.
const USUAL: Setting = Setting {
    name: "5m",
    step_ms: 5 * MINUTE,
    days: [16, 20, 24, 28, 32],
    when: When::Later,
    course: Course::Weekly,
    noise: Noise::USUAL,
};

const SETTINGS: [Setting; 13] = [
    USUAL,
    Setting { name: "1m", step_ms: MINUTE, ..USUAL },
    Setting { name: "15m", step_ms: 15 * MINUTE, ..USUAL },
    Setting { name: "1h", step_ms: HOUR, ..USUAL },
    Setting { name: "any-hour", when: When::Any, ..USUAL },
    Setting { name: "same-hour", when: When::Same, ..USUAL },
    Setting { name: "uneven-days", days: [15, 17, 18, 26, 33], when: When::Any, ..USUAL },
    Setting { name: "next-days", days: [22, 23, 24, 25, 26], ..USUAL },
    Setting { name: "no-week", course: Course::Daily, ..USUAL },
    Setting { name: "plain", course: Course::Plain, ..USUAL },
    Setting { name: "white", noise: Noise { phi: 0.0, slow: 0.0, quick: 0.03 }, ..USUAL },
    Setting { name: "ar.99", noise: Noise { phi: 0.99, slow: 0.06, quick: 0.01 }, ..USUAL },
    Setting {
        name: "latency",
        course: Course::Plain,
        noise: Noise { phi: 0.5, slow: 0.1, quick: 0.35 },
        ..USUAL
    },
];

impl Setting {
    /// Whether single values triple now and then.
    fn is_wild(&self) -> bool {
        self.noise.quick > 0.2
    }
}

pub(super) fn all() -> Vec<Situation> {
    let mut all = Vec::new();
    for setting in SETTINGS {
        for (kind, name) in Kind::ALL {
            let bar = bar(kind, setting);
            let situation = Situation::new(format!("repeat/{}/{name}", setting.name), bar, move |dice| {
                repeated(kind, setting, dice)
            });
            // The seeds of the others would take minutes.
            all.push(situation.most_seeds(if setting.step_ms == MINUTE { 4 } else { 10 }));
        }
    }
    all
}

/// Told within three points, nearly all of its points; a frozen value is one only after some.
fn bar(kind: Kind, setting: Setting) -> Bar {
    let any = Bar { false_week: Some(0.1), ..Bar::default() };
    match kind {
        Kind::Flat => Bar { hits: Some(0.9), delay: Some(6), ..any },
        // Less than three standard deviations: single points are not wrong, but all together are.
        Kind::Drop60 | Kind::Spike3 | Kind::Mixed if setting.is_wild() => {
            Bar { hits: Some(0.95), within: Some(5), points: Some(0.7), ..any }
        }
        _ => Bar { hits: Some(0.95), within: Some(2), points: Some(0.9), ..any },
    }
}

fn repeated(kind: Kind, setting: Setting, dice: &mut Dice) -> Made {
    let grid = Grid::days(setting.step_ms, 35);
    let mut values = match setting.course {
        Course::Weekly => traffic(grid, true, setting.noise, dice),
        Course::Daily => traffic(grid, false, setting.noise, dice),
        Course::Plain => {
            let mut values = vec![100.0; grid.len];
            setting.noise.disturb(grid, &mut values, dice);
            values
        }
    };
    let offset = 5.0 / 60.0 * dice.below(7) as f64;
    let mut made = Made::new(grid, Vec::new(), grid.day_begin(14));
    for (ordinal, day) in setting.days.into_iter().enumerate() {
        let usual = if kind == Kind::Night { 10.0 * 5.0 / 60.0 } else { 100.0 * 5.0 / 60.0 };
        let hour = match setting.when {
            When::Later => usual + 17.0 * 5.0 / 60.0 * ordinal as f64 + offset,
            When::Any if kind == Kind::Night => dice.between(0.0, 4.0),
            When::Any => dice.between(0.0, 23.0),
            When::Same => usual + offset,
        };
        let begin = grid.at(day, hour);
        let one = kind.one(ordinal);
        let length = match one {
            Kind::Spike1Point => 1,
            // So few equal values may be chance.
            Kind::Flat => grid.points(HOUR).max(12),
            Kind::Spike3 if kind == Kind::Mixed => grid.points(3 * HOUR / 2),
            _ => grid.points(HOUR),
        };
        let points = begin..begin + length;
        let last = values[begin - 1];
        for value in &mut values[points.clone()] {
            *value = match one {
                Kind::Zero => 0.0,
                Kind::Drop60 => *value * 0.4,
                Kind::Spike1Point if setting.is_wild() => *value * 10.0,
                Kind::Spike3 | Kind::Spike1Point => *value * 3.0,
                Kind::Flat | Kind::Mixed | Kind::Night => last,
            };
        }
        let side = match one {
            Kind::Zero | Kind::Drop60 => Side::Low,
            Kind::Spike3 | Kind::Spike1Point => Side::High,
            Kind::Flat | Kind::Mixed | Kind::Night => Side::Either,
        };
        made.incidents.push(Incident::new(grid, points, side));
    }
    Made { values, ..made }
}
