//! Each series against the centre of its group, after its usual relation to it.
//!
//! Input is the group time by time, output how far each value departs, in sigmas of its own usual departures, and
//! whether that is an outlier. What departs is kept apart from the history until it ends, or has lasted so long that
//! it is the new normal.

use super::super::Member;
use super::super::robust::{MAD_TO_SIGMA, median};
use super::MIN_HISTORY;
use super::model::{Model, Sample};
use super::walk::{Comparison, Finding, Judged, Reported, Why};

/// Points a lasting departure is looked for in.
const RECENT: usize = 12;
/// An episode ends after so many points without a flag.
const QUIET: usize = 12;
/// Within an episode this share of the threshold keeps it going.
const KEEPS_GOING: f64 = 2.0 / 3.0;
/// A departure becomes the new normal after so many points, or a quarter of the history if that is more.
const NEW_NORMAL: usize = 288;
/// Sigmas that score 0.5.
const HALF_SCORE_SIGMAS: f64 = 6.0;

/// How far a value departs from what its group makes expect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    pub(super) expected: f64,
    /// One sigma of usual departures, in the unit of the value.
    pub(super) sigma: f64,
    /// Signed, in sigmas.
    pub(super) point: f64,
    /// Signed median of the last [`RECENT`] departures, in its own sigmas; 0 where the value itself does not agree.
    pub(super) lasting: f64,
    /// How unlikely it is that the value has not changed, as sigmas; 0 where it has.
    pub(super) stuck: f64,
    /// How many points the value has been the same for.
    pub(super) same: usize,
}

/// The last departures, the number of repeats, and the episode of one series.
#[derive(Default)]
struct Host {
    model: Option<Model>,
    history: Vec<Sample>,
    fit_at: usize,
    apart: Vec<Sample>,
    /// What was kept apart in episodes that are over: habits of a time of day show there.
    over: Vec<Sample>,
    /// Points since the last flag, if there is an episode.
    quiet: Option<usize>,
    recent: Vec<f64>,
    /// Median of [`Host::recent`] once there are [`RECENT`], else NaN.
    recent_middle: f64,
    repeats: Repeats,
}

/// How often a value repeats the one before it, though the group moves.
#[derive(Default)]
struct Repeats {
    last: Option<(f64, f64)>,
    run: usize,
    pairs: f64,
    repeats: f64,
    repeats_after_repeat: f64,
}

impl Repeats {
    /// Takes in a value and returns how unlikely its run of repeats is, in sigmas of equal likelihood (√(2 ln 1/p)),
    /// if a repeat follows a repeat as often as before (a Markov chain with two states).
    fn add(&mut self, value: f64, centre: f64, model: &Model, learn: bool) -> f64 {
        let Some((last, at)) = self.last else {
            self.last = Some((value, centre));
            return 0.0;
        };
        if value != last {
            // A run counts as a whole once it is over: it must not make itself likely while it lasts.
            if learn {
                let run = self.run as f64;
                self.pairs += 1.0 + run;
                self.repeats += run;
                self.repeats_after_repeat += (run - 1.0).max(0.0);
            }
            self.last = Some((value, centre));
            self.run = 0;
            return 0.0;
        }
        if !model.shows(centre - at) {
            return 0.0;
        }
        self.last = Some((value, centre));
        self.run += 1;
        let first = (self.repeats + 0.5) / (self.pairs + 1.0);
        let further = (self.repeats_after_repeat + 0.1) / (self.repeats + 1.0);
        let unlikely = (self.run as f64 - 1.0).mul_add(-further.min(1.0).ln(), -first.min(1.0).ln());
        (2.0 * unlikely).sqrt()
    }
}

impl Host {
    fn middle_of_recent(&self) -> f64 {
        let Ok(mut recent) = <[f64; RECENT]>::try_from(self.recent.as_slice()) else { return f64::NAN };
        median(&mut recent).unwrap_or(f64::NAN)
    }

    /// How far `value` departs; `None` without a model.
    fn depart(&mut self, time: i64, value: f64, centre: f64, turmoil: f64) -> Option<Departure> {
        let model = self.model.as_ref()?;
        let (expected, noise) = model.expect(time, centre);
        let departure = (value - expected) / noise / turmoil;
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(departure);
        let middle = self.middle_of_recent();
        self.recent_middle = middle;
        let agrees = departure * middle > 0.0 && departure.abs() >= middle.abs() / 2.0;
        let lasting = if agrees { middle / model.lasting } else { 0.0 };
        let stuck = self.repeats.add(value, centre, model, self.quiet.is_none());
        let sigma = noise * turmoil * model.tail;
        let same = self.repeats.run + 1;
        Some(Departure { expected, sigma, point: departure / model.tail, lasting, stuck, same })
    }

    /// Files the value with the history, or apart from it while an episode lasts.
    fn remember(&mut self, sample: Sample, flagged: bool) {
        if flagged {
            self.quiet = Some(0);
        } else if let Some(quiet) = &mut self.quiet {
            if *quiet == 0 && self.apart.len() > RECENT / 4 {
                // What follows an episode must not look back into it.
                self.recent.clear();
            }
            *quiet += 1;
            if *quiet > QUIET {
                self.quiet = None;
                self.over.append(&mut self.apart);
            }
        }
        if self.quiet.is_none() {
            self.history.push(sample);
            return;
        }
        self.apart.push(sample);
        if self.apart.len() >= NEW_NORMAL.max(self.history.len() / 4) {
            self.history = std::mem::take(&mut self.apart);
            self.over.clear();
            self.repeats = Repeats::default();
            self.recent.clear();
            self.quiet = None;
            self.fit_at = 0;
        }
    }

    /// Fits the model once the history has grown by a `share`.
    fn learn(&mut self, share: f64) {
        let length = self.history.len();
        if length >= MIN_HISTORY && length >= self.fit_at {
            self.model = Model::fit(&self.history, &self.over);
            self.fit_at = length + ((length as f64 * share) as usize).max(RECENT);
        }
    }
}

/// All series of a group with what is known of each.
pub(super) struct Fleet {
    hosts: Vec<Host>,
    threshold: f64,
    growth: f64,
    centre: f64,
    turmoil: f64,
    scratch: Vec<f64>,
}

impl Fleet {
    /// For `group`, flagging from `threshold` sigmas on.
    pub(super) fn new(group: &[Member<'_>], threshold: f64) -> Self {
        Self {
            hosts: group.iter().map(|_| Host::default()).collect(),
            threshold,
            growth: 1.0,
            centre: f64::NAN,
            turmoil: 1.0,
            scratch: Vec::with_capacity(group.len()),
        }
    }

    /// Finds the group's centre and how much its members differ more than they usually do.
    fn look_at(&mut self, time: i64, newest: &[f64]) {
        let known =
            self.hosts.iter().zip(newest).filter(|(host, value)| host.model.is_some() && value.is_finite());
        let only_known = known.count() >= super::MIN_PRESENT;
        self.scratch.clear();
        self.scratch.extend(self.hosts.iter().zip(newest).filter(|(_, value)| value.is_finite()).filter_map(
            |(host, value)| match &host.model {
                Some(model) => Some(model.centre_of(time, *value)),
                None if only_known => None,
                None => Some(*value),
            },
        ));
        self.centre = median(&mut self.scratch).unwrap_or(f64::NAN);
        self.scratch.clear();
        self.scratch.extend(self.hosts.iter().zip(newest).filter(|(_, value)| value.is_finite()).filter_map(
            |(host, value)| {
                let (expected, sigma) = host.model.as_ref()?.expect(time, self.centre);
                Some(((value - expected) / sigma).abs())
            },
        ));
        self.turmoil = median(&mut self.scratch).map_or(1.0, |middle| (MAD_TO_SIGMA * middle).max(1.0));
    }

    /// How `reported` departs; `None` while its history is short.
    pub(super) fn depart(&mut self, time: i64, reported: &Reported) -> Option<Departure> {
        self.hosts[reported.member].depart(time, reported.value, self.centre, self.turmoil)
    }

    /// Looks at the group if it is to be looked at `anew`.
    pub(super) fn update(&mut self, time: i64, newest: &[f64], anew: bool) {
        if anew || self.centre.is_nan() {
            self.look_at(time, newest);
        }
    }

    /// How far `departure` goes, the largest of its kinds, and why that is an outlier if it is one.
    fn weigh(&self, member: usize, departure: &Departure) -> (f64, Option<Why>) {
        let kinds = [
            (departure.point.abs(), Why::Sigmas(departure.point.abs())),
            (departure.lasting.abs(), Why::Lasting(departure.lasting.abs())),
            (departure.stuck, Why::Stuck(departure.same)),
        ];
        let mut most = kinds[0];
        for kind in &kinds[1..] {
            if kind.0 > most.0 {
                most = *kind;
            }
        }
        let going = self.hosts[member].quiet.is_some();
        let threshold = if going { self.threshold * KEEPS_GOING } else { self.threshold };
        (most.0, (most.0 > threshold).then_some(most.1))
    }

    /// Files a value and learns from it.
    pub(super) fn remember(&mut self, time: i64, reported: &Reported, flagged: bool) {
        let host = &mut self.hosts[reported.member];
        let lasting = if host.recent.len() == RECENT { host.recent_middle } else { f64::NAN };
        host.remember(Sample { time, value: reported.value, centre: self.centre, lasting }, flagged);
        host.learn(self.growth);
    }

    /// How many points of a series are known.
    pub(super) fn known(&self, member: usize) -> usize {
        self.hosts[member].history.len()
    }
}

impl Comparison for Fleet {
    fn training_ends(&mut self) {
        // Day by day the newest points count, whatever was due.
        self.growth = 0.125;
        for host in &mut self.hosts {
            host.fit_at = 0;
            host.learn(self.growth);
        }
    }

    fn step(
        &mut self,
        time: i64,
        reported: &[Reported],
        newest: &[f64],
        anew: bool,
        findings: &mut Vec<Finding>,
    ) {
        self.update(time, newest, anew);
        for reported in reported {
            let Some(departure) = self.depart(time, reported) else {
                findings.push(Finding::TooLittleHistory(self.known(reported.member)));
                self.remember(time, reported, false);
                continue;
            };
            let (size, outlier) = self.weigh(reported.member, &departure);
            self.remember(time, reported, outlier.is_some());
            let reach = self.threshold * departure.sigma;
            findings.push(Finding::Judged(Judged {
                score: size / (size + HALF_SCORE_SIGMAS),
                expected: departure.expected,
                band: (departure.expected - reach, departure.expected + reach),
                outlier,
            }));
        }
    }
}
