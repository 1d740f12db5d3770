//! Situations that an operator meets, made up from seeds, with what should be told of each; `benches/situations.rs`
//! measures them over many seeds, `tests/situations.rs` holds them on one.
//!
//! A [`Situation`] makes a series ([`Made`]) for any seed, knows what in it is wrong, and has a [`Bar`]. Series begin on a
//! Monday at midnight UTC. What is judged is what a query with the series' step and nothing else set would judge.

mod changes;
mod everyday;
pub(crate) mod noise;
mod pairs;
mod quiet;
mod repeats;
pub(crate) mod score;

use std::ops::Range;

use noise::{Dice, Grid};

/// Which way a point is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    High,
    Low,
    /// Either verdict is right.
    Either,
    /// There is no point.
    Missing,
}

/// Something an operator wants to be told.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    /// From onset to the last wrong point.
    pub(crate) points: Range<usize>,
    pub(crate) side: Side,
    /// Points after the last within which it may still be told for the first time.
    pub(crate) late: usize,
    /// Points after the last in which flags are no false alarms.
    pub(crate) tail: usize,
}

impl Incident {
    /// One that may be told for the first time up to an hour or 12 points after its end, whichever is less, and whose
    /// aftermath is two hours, at least one point.
    pub(crate) fn new(grid: Grid, points: Range<usize>, side: Side) -> Self {
        let late = grid.points(noise::HOUR).min(12);
        Self { points, side, late, tail: grid.points(2 * noise::HOUR) }
    }
}

/// One series of a situation.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) grid: Grid,
    /// NaN where there is no point.
    pub(crate) values: Vec<f64>,
    /// The first point judged; those before are history.
    pub(crate) judged_from: usize,
    /// In the order of their onsets.
    pub(crate) incidents: Vec<Incident>,
    /// Where it is a matter of taste whether a point is flagged.
    pub(crate) tolerated: Vec<Range<usize>>,
    /// Where nothing at all may be flagged.
    pub(crate) hush: Vec<Range<usize>>,
    /// Standard deviation of the noise, if the width of the band is measured.
    pub(crate) sigma: Option<f64>,
}

impl Made {
    pub(crate) fn new(grid: Grid, values: Vec<f64>, judged_from: usize) -> Self {
        let (incidents, tolerated, hush) = (Vec::new(), Vec::new(), Vec::new());
        Self { grid, values, judged_from, incidents, tolerated, hush, sigma: None }
    }

    pub(crate) fn incident(mut self, points: Range<usize>, side: Side) -> Self {
        self.incidents.push(Incident::new(self.grid, points, side));
        self
    }
}

/// What a situation is held to; `None` and `false` ask for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bar {
    /// Share of the seeds in which each of the incidents must be told.
    pub(crate) hits: Option<f64>,
    /// Points after the onset (0 is the onset itself) within which an incident counts as told.
    pub(crate) within: Option<usize>,
    /// Most points after the onset, the median over all incidents told.
    pub(crate) delay: Option<usize>,
    /// Least mean share of an incident's points flagged.
    pub(crate) points: Option<f64>,
    /// Most alarms a week outside of incidents.
    pub(crate) false_week: Option<f64>,
    /// Most alarms outside of incidents in all series together.
    pub(crate) false_total: Option<usize>,
    /// Most alarms outside of incidents in each series.
    pub(crate) false_each: Option<usize>,
    /// Most alarms an incident, on average.
    pub(crate) told: Option<f64>,
    /// Whether nothing may be flagged in [`Made::hush`].
    pub(crate) hush: bool,
    /// Whether nothing of an incident or its aftermath may be flagged on the wrong side.
    pub(crate) sides: bool,
    /// Greatest half of the band's width on the fourth day, in standard deviations of the noise.
    pub(crate) width: Option<f64>,
}

type Make = Box<dyn Fn(&mut Dice, u64) -> Made + Send + Sync>;

/// A kind of series with what should be told of it.
pub(crate) struct Situation {
    pub(crate) name: String,
    pub(crate) bar: Bar,
    /// Seeds at most, where a series is long.
    pub(crate) most_seeds: u64,
    make: Make,
}

impl Situation {
    pub(crate) fn new(
        name: impl Into<String>,
        bar: Bar,
        make: impl Fn(&mut Dice) -> Made + Send + Sync + 'static,
    ) -> Self {
        let make = Box::new(move |dice: &mut Dice, _| make(dice));
        Self { name: name.into(), bar, most_seeds: u64::MAX, make }
    }

    pub(crate) fn most_seeds(mut self, seeds: u64) -> Self {
        self.most_seeds = seeds;
        self
    }

    pub(crate) fn make(&self, seed: u64) -> Made {
        (self.make)(&mut Dice::new(&self.name, seed), seed)
    }
}

/// All of them, those of one kind together.
pub(crate) fn all() -> Vec<Situation> {
    let kinds = [everyday::all(), changes::all(), pairs::all(), repeats::all(), quiet::all()];
    kinds.into_iter().flatten().collect()
}
