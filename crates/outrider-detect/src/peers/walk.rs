//! Walks through a group in order of time, so that nothing can depend on what comes later.
//!
//! Input is the points of all series; a [`Comparison`] sees them time by time, and its findings become judgements.
//!
//! The series score of a series is the mean of the scores of its last [`LOOKED_BACK`] points that could be judged, those
//! of the training included: how unlike its group it has been, up to and including the point it is written to.

use std::collections::VecDeque;

use super::super::{Judgement, Member, Verdict};
use super::{MIN_HISTORY, MIN_PRESENT};
use crate::options::Direction;
use outrider_forest::cancel::checkpoint;

/// What is made of one value.
#[derive(Debug, Clone)]
pub(super) enum Finding {
    /// So many of the [`MIN_PRESENT`] series needed had a value.
    TooFewPresent(usize),
    /// So many of the [`MIN_HISTORY`] points needed were available.
    TooLittleHistory(usize),
    /// Fewer than `minSamples` values lie together, so none is normal.
    NoMajority,
    /// The value could be judged.
    Judged(Judged),
}

/// A value compared with its group.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// 0 to 1.
    pub(super) score: f64,
    /// What the value should have been.
    pub(super) expected: f64,
    /// The normal band.
    pub(super) band: (f64, f64),
    /// Why it is an outlier, if it is one.
    pub(super) outlier: Option<Why>,
}

/// Why a value is an outlier; written out only where it is flagged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Why {
    /// So many group sigmas away.
    Sigmas(f64),
    /// For the last points the median departure was so many times its usual size.
    Lasting(f64),
    /// The value has been the same for so many points while the group moved.
    Stuck(usize),
    /// So far from the nearest normal cluster.
    Distance(f64),
    /// Set apart by a forest on the feature named, with its score and the highest normal one.
    Isolated(&'static str, f64, f64),
}

/// The series with a point at one time.
pub(super) struct Reported {
    pub(super) member: usize,
    pub(super) value: f64,
}

/// A way of comparing series, with all it has learnt so far.
pub(super) trait Comparison {
    /// The judged points begin: what was learnt from the training may be put to use.
    fn training_ends(&mut self);

    /// Takes in what was `reported` at one time (finite values only), given the newest value of each series that has
    /// one (NaN otherwise), and whether the group has changed enough to be looked at anew. Appends one finding for each
    /// of `reported`.
    fn step(
        &mut self,
        time: i64,
        reported: &[Reported],
        newest: &[f64],
        anew: bool,
        findings: &mut Vec<Finding>,
    );
}

/// A point on the way, 24 bytes.
#[derive(Clone, Copy)]
struct Point {
    time: i64,
    value: f64,
    member: u32,
    row: u32,
}

/// The newest point of each series, and which of them are fresh.
struct Clock {
    times: Vec<i64>,
    values: Vec<f64>,
    steps: Vec<Step>,
    present: Vec<f64>,
    since_anew: usize,
}

/// The usual distance between the points of a series: the median of the last [`Step::KEPT`].
#[derive(Clone, Default)]
struct Step {
    last: [i64; Self::KEPT],
    seen: usize,
    median: i64,
}

impl Step {
    const KEPT: usize = 9;

    fn add(&mut self, distance: i64) {
        self.last[self.seen % Self::KEPT] = distance;
        self.seen += 1;
        if self.median != distance || self.seen <= Self::KEPT {
            let mut sorted = self.last;
            let kept = &mut sorted[..self.seen.min(Self::KEPT)];
            kept.sort_unstable();
            self.median = kept[kept.len() / 2];
        }
    }
}

impl Clock {
    fn new(members: usize) -> Self {
        Self {
            times: vec![i64::MIN; members],
            values: vec![f64::NAN; members],
            steps: vec![Step::default(); members],
            present: vec![f64::NAN; members],
            since_anew: 0,
        }
    }

    /// Forgets the newest points, but not their distances.
    fn rewind(&mut self) {
        self.times.fill(i64::MIN);
        self.values.fill(f64::NAN);
    }

    fn report(&mut self, point: Point) {
        let member = point.member as usize;
        if self.times[member] != i64::MIN {
            self.steps[member].add(point.time.saturating_sub(self.times[member]));
        }
        self.times[member] = point.time;
        self.values[member] = point.value;
        self.present[member] = point.value;
        self.since_anew += 1;
    }

    /// Whether so many have reported that those present are to be counted anew; then drops those that are stale.
    fn look_anew(&mut self, now: i64) -> bool {
        if self.since_anew < (self.times.len() / 32).max(1) {
            return false;
        }
        self.since_anew = 0;
        for member in 0..self.times.len() {
            let step = self.steps[member].median;
            let fresh = now.saturating_sub(self.times[member]) <= step.saturating_add(step / 2);
            self.present[member] = if fresh { self.values[member] } else { f64::NAN };
        }
        true
    }
}

/// Scores that a series score is the mean of: a day of quarters of an hour. Fewer would be as nervous as the scores
/// themselves, more would tell of a host that went astray only after many hours.
const LOOKED_BACK: usize = 96;

/// The last scores of each series.
struct Standings(Vec<Standing>);

/// The last scores of one series as multiples of 2⁻⁴⁰, so that their sum is exact however often one leaves it.
#[derive(Default, Clone)]
struct Standing {
    last: VecDeque<u64>,
    sum: u64,
}

impl Standing {
    const ONE: f64 = (1_u64 << 40) as f64;

    fn add(&mut self, score: f64) {
        if self.last.len() == LOOKED_BACK {
            self.sum -= self.last.pop_front().unwrap_or(0);
        }
        let score = (score.clamp(0.0, 1.0) * Self::ONE) as u64;
        self.sum += score;
        self.last.push_back(score);
    }

    /// The series score; `None` while fewer than [`MIN_HISTORY`] points could be judged.
    fn score(&self) -> Option<f64> {
        (self.last.len() >= MIN_HISTORY).then(|| self.sum as f64 / Self::ONE / self.last.len() as f64)
    }
}

impl Standings {
    /// Whether no other series has a higher series score than `member`.
    fn is_highest(&self, member: usize) -> bool {
        let own = self.0[member].score();
        self.0.iter().all(|other| other.score() <= own)
    }
}

/// The judgement on each of `group`.
pub(super) fn walk(
    group: &[Member<'_>],
    direction: Direction,
    mut comparison: impl Comparison,
) -> Vec<Judgement> {
    let mut judgements: Vec<Judgement> = group
        .iter()
        .map(|member| Judgement {
            shortage: None,
            series_scores: vec![f64::NAN; member.judged.values.len()],
            ..Judgement::none(member.judged.values, String::new())
        })
        .collect();
    let mut clock = Clock::new(group.len());
    let mut standings = Standings(vec![Standing::default(); group.len()]);
    let training = in_order(group, |member| member.training);
    through(&training, &mut clock, &mut standings, &mut comparison, |_, _, _, _| {});
    let overlap =
        group.iter().any(|member| match (member.training.times.last(), member.judged.times.first()) {
            (Some(last), Some(first)) => last >= first,
            _ => false,
        });
    if overlap {
        clock.rewind();
        standings.0.fill(Standing::default());
    }
    comparison.training_ends();
    let others = |present: usize| present.saturating_sub(1);
    through(
        &in_order(group, |member| member.judged),
        &mut clock,
        &mut standings,
        &mut comparison,
        |point, present, standings, finding| {
            let member = point.member as usize;
            let of = Place { name: group[member].name, others: others(present), standings };
            write(&mut judgements[member], point, &of, direction, finding);
        },
    );
    judgements
}

/// The points of all series, by time.
fn in_order<'a>(group: &[Member<'a>], part: impl Fn(&Member<'a>) -> super::Points<'a>) -> Vec<Point> {
    let mut points: Vec<Point> =
        Vec::with_capacity(group.iter().map(|member| part(member).times.len()).sum());
    for (index, member) in group.iter().enumerate() {
        let run = part(member);
        points.extend(run.times.iter().zip(run.values).enumerate().map(|(row, (time, value))| Point {
            time: *time,
            value: *value,
            member: index as u32,
            row: row as u32,
        }));
    }
    // Stable, and made of sorted runs: merged in O(P log of their number).
    points.sort_by_key(|point| point.time);
    points
}

fn through(
    points: &[Point],
    clock: &mut Clock,
    standings: &mut Standings,
    comparison: &mut impl Comparison,
    mut found: impl FnMut(Point, usize, &Standings, Finding),
) {
    let mut reported = Vec::new();
    let mut findings = Vec::new();
    let mut present = clock.present.iter().filter(|value| value.is_finite()).count();
    for together in points.chunk_by(|a, b| a.time == b.time) {
        checkpoint();
        for point in together {
            clock.report(*point);
        }
        let anew = clock.look_anew(together[0].time);
        if anew {
            present = clock.present.iter().filter(|value| value.is_finite()).count();
        }
        reported.clear();
        findings.clear();
        let finite = || together.iter().filter(|point| point.value.is_finite());
        reported.extend(finite().map(|point| Reported { member: point.member as usize, value: point.value }));
        if present < MIN_PRESENT {
            findings.extend(reported.iter().map(|_| Finding::TooFewPresent(present)));
        } else {
            comparison.step(together[0].time, &reported, &clock.present, anew, &mut findings);
        }
        // All of them first, so that the order of the series does not matter.
        for (point, finding) in finite().zip(&findings) {
            if let Finding::Judged(judged) = finding {
                standings.0[point.member as usize].add(judged.score);
            }
        }
        for (point, finding) in finite().zip(findings.drain(..)) {
            found(*point, present, standings, finding);
        }
    }
}

/// Where a series stands in its group.
struct Place<'a> {
    name: &'a str,
    /// How many other series have a value.
    others: usize,
    standings: &'a Standings,
}

/// Writes one finding into the judgement of its series.
fn write(judgement: &mut Judgement, point: Point, of: &Place<'_>, direction: Direction, finding: Finding) {
    let row = point.row as usize;
    let judged = match finding {
        Finding::Judged(judged) => judged,
        Finding::TooFewPresent(present) => {
            let text = format!("{present} of the {MIN_PRESENT} series needed have a value at the same time");
            judgement.shortage.get_or_insert(text);
            return;
        }
        Finding::TooLittleHistory(points) => {
            let text = format!(
                "{points} of the {MIN_HISTORY} points needed to learn its place in the group are available"
            );
            judgement.shortage.get_or_insert(text);
            return;
        }
        Finding::NoMajority => {
            judgement.shortage.get_or_insert_with(|| {
                "fewer series than minSamples lie together, so that none can be called normal; raise eps or lower \
                 the sensitivity"
                    .to_owned()
            });
            return;
        }
    };
    let member = point.member as usize;
    let series_score = of.standings.0[member].score();
    judgement.scores[row] = judged.score;
    judgement.series_scores[row] = series_score.unwrap_or(f64::NAN);
    judgement.expected[row] = judged.expected;
    let (lower, upper) = judged.band;
    judgement.lower[row] = if direction == Direction::High { f64::NAN } else { lower };
    judgement.upper[row] = if direction == Direction::Low { f64::NAN } else { upper };
    let side = if point.value > judged.expected { Verdict::High } else { Verdict::Low };
    let wanted = match direction {
        Direction::Both => true,
        Direction::High => side == Verdict::High,
        Direction::Low => side == Verdict::Low,
    };
    judgement.verdicts[row] = match judged.outlier {
        Some(why) if wanted => {
            let mut reason = reason(of.name, side, of.others, why);
            if let Some(score) = series_score {
                let highest = if of.standings.is_highest(member) { ", the highest of its group" } else { "" };
                reason = format!("{reason}; series score {score:.2}{highest}");
            }
            judgement.reasons.push((row, reason));
            side
        }
        _ => Verdict::Normal,
    };
}

fn reason(name: &str, side: Verdict, others: usize, why: Why) -> String {
    let (state, place) = if side == Verdict::Low { ("low", "below") } else { ("high", "above") };
    let of = format!("the {others} other series");
    match why {
        Why::Sigmas(sigmas) => format!("{name} is {state}: {sigmas:.1} group sigmas {place} {of}"),
        Why::Lasting(size) => {
            format!(
                "{name} stays {state}: its usual distance from {of} has shifted, {size:.1} sigmas {place}"
            )
        }
        Why::Stuck(points) => format!("{name} is stuck: the same value for {points} points while {of} move"),
        Why::Distance(eps) => {
            format!("{name} is {state}: {eps:.1} times eps {place} the nearest cluster of {of}")
        }
        Why::Isolated(feature, score, threshold) => format!(
            "{name} is {state}: its {feature} stands apart from that of {of}; score {score:.2}, normal is up to {threshold:.2}"
        ),
    }
}
