//! What was told of a made-up series, held against what should have been.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use outrider::detector::Verdict;
use outrider::engine;
use outrider::query::Query;
use outrider::series::{Labels, Series, TimeRange};

use super::noise::HOUR;
use super::{Bar, Incident, Made, Side, Situation};

/// The verdict on each point of a series; of points before the judged ones there is none.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) scores: Vec<f64>,
    pub(crate) expected: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) reasons: Vec<String>,
}

/// Judges the series with a query of its step and of what `detector`, a JSON object, says.
pub(crate) fn judge(made: &Made, detector: &str) -> Judged {
    let grid = made.grid;
    let json = format!(r#"{{"step":"{}ms","detector":{detector}}}"#, grid.step_ms);
    let query = Query::parse(json.as_bytes()).expect("a query");
    let points = made.values.iter().enumerate().filter(|(_, value)| !value.is_nan());
    let points = points.map(|(index, value)| (grid.time(index), *value)).collect();
    let (series, _) = Series::from_points("made up".to_owned(), Labels::new(), points);
    let visible = TimeRange { from_ms: grid.time(made.judged_from), to_ms: grid.time(grid.len - 1) };
    let (detections, _) = engine::judge(&query, &[series], visible).expect("verdicts");
    let nothing = vec![f64::NAN; grid.len];
    let mut judged = Judged {
        verdicts: vec![Verdict::NotJudged; grid.len],
        scores: nothing.clone(),
        expected: nothing.clone(),
        lower: nothing.clone(),
        upper: nothing,
        reasons: vec![String::new(); grid.len],
    };
    for detection in &detections {
        for (row, time) in detection.series.times.iter().enumerate() {
            let index = ((time - grid.time(0)) / grid.step_ms) as usize;
            judged.verdicts[index] = detection.verdicts[row];
            judged.scores[index] = detection.scores[row];
            judged.expected[index] = detection.expected[row];
            judged.lower[index] = detection.lower[row];
            judged.upper[index] = detection.upper[row];
            judged.reasons[index] = detection.reasons.get(&row).cloned().unwrap_or_default();
        }
    }
    judged
}

/// What was told of one incident.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Points from the onset to the first one flagged on the right side; `None` if there is none in time.
    pub(crate) delay: Option<usize>,
    /// Share of its points flagged on the right side.
    pub(crate) points: f64,
    /// Alarms, those of its aftermath included.
    pub(crate) alarms: usize,
    /// Whether one of its points or of its aftermath is flagged on the wrong side.
    pub(crate) is_contradicted: bool,
}

/// How the band and the flags of points agree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Agreement {
    /// Points judged that have a band.
    pub(crate) judged: usize,
    /// Of those that are not flagged: outside of the band, and further out than half its width.
    pub(crate) outside: usize,
    pub(crate) far_outside: usize,
    pub(crate) flagged: usize,
    /// Of those that are flagged: within the band.
    pub(crate) flagged_inside: usize,
    /// Flagged low above what is expected, or high below it.
    pub(crate) contradictions: usize,
    /// Flagged with a score below ½, or without a reason.
    pub(crate) weak: usize,
    pub(crate) unexplained: usize,
    /// Points that belong to no incident, and those of them within the band.
    pub(crate) normal: usize,
    pub(crate) normal_inside: usize,
}

impl Agreement {
    pub(crate) fn add(&mut self, other: &Self) {
        self.judged += other.judged;
        self.outside += other.outside;
        self.far_outside += other.far_outside;
        self.flagged += other.flagged;
        self.flagged_inside += other.flagged_inside;
        self.contradictions += other.contradictions;
        self.weak += other.weak;
        self.unexplained += other.unexplained;
        self.normal += other.normal;
        self.normal_inside += other.normal_inside;
    }
}

/// One series, scored.
#[derive(Debug, Clone)]
pub(crate) struct Scored {
    pub(crate) seed: u64,
    /// One an incident.
    pub(crate) told: Vec<Told>,
    /// First points of alarms outside of incidents.
    pub(crate) false_alarms: Vec<usize>,
    /// Points flagged where nothing may be.
    pub(crate) hush_broken: usize,
    pub(crate) weeks: f64,
    pub(crate) agreement: Agreement,
    /// Half of the band's width in standard deviations, a day of the series each, if it is measured.
    pub(crate) widths: Vec<f64>,
}

/// Scores the series of some seeds, on so many threads; in the order of the seeds.
pub(crate) fn run(situation: &Situation, seeds: Range<u64>, detector: &str, threads: usize) -> Vec<Scored> {
    let end = seeds.end.min(seeds.start.saturating_add(situation.most_seeds));
    let next = AtomicU64::new(seeds.start);
    let all = || {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        seeds
            .take_while(|seed| *seed < end)
            .map(|seed| run_one(situation, seed, detector))
            .collect::<Vec<_>>()
    };
    let mut scored: Vec<Scored> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(all)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread that does not panic")).collect()
    });
    scored.sort_by_key(|one| one.seed);
    scored
}

/// Makes, judges and scores the series of one seed.
fn run_one(situation: &Situation, seed: u64, detector: &str) -> Scored {
    let made = situation.make(seed);
    let judged = judge(&made, detector);
    score(&made, &judged, seed)
}

fn score(made: &Made, judged: &Judged, seed: u64) -> Scored {
    let grid = made.grid;
    // Flags within an hour of each other are one alarm.
    let joined = grid.points(HOUR);
    let flagged = |index: &usize| judged.verdicts[*index].is_outlier();
    let alarms = |indices: &mut dyn Iterator<Item = usize>| {
        let mut last: Option<usize> = None;
        indices
            .filter(flagged)
            .filter(|index| {
                let is_new = last.is_none_or(|last| index - last > joined);
                last = Some(*index);
                is_new
            })
            .collect::<Vec<usize>>()
    };
    let told = |incident: &Incident| {
        let Incident { points, side, late, tail } = incident.clone();
        let right = |index: &usize| is_right(judged.verdicts[*index], side);
        let end = |more: usize| (points.end + more).min(grid.len);
        let wrong = |index: usize| flagged(&index) && !right(&index);
        Told {
            delay: (points.start..end(late)).find(right).map(|index| index - points.start),
            points: points.clone().filter(right).count() as f64 / points.len() as f64,
            alarms: alarms(&mut (points.start..end(tail))).len(),
            is_contradicted: (points.start..end(tail)).any(wrong),
        }
    };
    // Whether an index is that of a point which is as it should be, for certain.
    let mut is_normal = vec![true; grid.len];
    let aftermaths = made.incidents.iter().map(|it| it.points.start..it.points.end + it.tail);
    for range in aftermaths.chain(made.tolerated.iter().cloned()) {
        is_normal[range.start.min(grid.len)..range.end.min(grid.len)].fill(false);
    }
    let false_alarms = alarms(&mut (made.judged_from..grid.len).filter(|index| is_normal[*index]));
    Scored {
        seed,
        told: made.incidents.iter().map(told).collect(),
        false_alarms,
        hush_broken: made.hush.iter().flat_map(Clone::clone).filter(flagged).count(),
        weeks: (grid.len - made.judged_from) as f64 * grid.step_ms as f64 / (7 * 24 * HOUR) as f64,
        agreement: agreement(made, judged, &is_normal),
        widths: made.sigma.map(|sigma| widths(made, judged, sigma)).unwrap_or_default(),
    }
}

fn is_right(verdict: Verdict, side: Side) -> bool {
    match side {
        Side::High => verdict == Verdict::High,
        Side::Low => verdict == Verdict::Low,
        Side::Either => verdict.is_outlier(),
        Side::Missing => verdict == Verdict::Missing,
    }
}

fn agreement(made: &Made, judged: &Judged, is_normal: &[bool]) -> Agreement {
    let mut sum = Agreement::default();
    for (index, is_normal) in is_normal.iter().enumerate().skip(made.judged_from) {
        let (value, verdict) = (made.values[index], judged.verdicts[index]);
        let (expected, lower, upper) = (judged.expected[index], judged.lower[index], judged.upper[index]);
        sum.contradictions += usize::from(match verdict {
            Verdict::Low => value > expected,
            Verdict::High => value < expected,
            _ => false,
        });
        if verdict.is_outlier() {
            sum.weak += usize::from(judged.scores[index].is_nan() || judged.scores[index] < 0.5);
            sum.unexplained += usize::from(judged.reasons[index].is_empty());
        }
        let beyond = (lower - value).max(value - upper);
        if beyond.is_nan() || lower.is_nan() || upper.is_nan() {
            continue;
        }
        sum.judged += 1;
        if verdict.is_outlier() {
            sum.flagged += 1;
            sum.flagged_inside += usize::from(beyond <= 0.0);
        } else {
            sum.outside += usize::from(beyond > 0.0);
            sum.far_outside += usize::from(beyond > (upper - lower) / 2.0 + 1e-9);
        }
        if *is_normal {
            sum.normal += 1;
            sum.normal_inside += usize::from(beyond <= 0.0);
        }
    }
    sum
}

fn widths(made: &Made, judged: &Judged, sigma: f64) -> Vec<f64> {
    let a_day = made.grid.day_begin(1);
    let half = |(lower, upper): (&f64, &f64)| (upper - lower) / 2.0 / sigma;
    let mean = |(lower, upper): (&[f64], &[f64])| {
        let halves: Vec<f64> = lower.iter().zip(upper).map(half).filter(|half| half.is_finite()).collect();
        halves.iter().sum::<f64>() / halves.len() as f64
    };
    judged.lower.chunks(a_day).zip(judged.upper.chunks(a_day)).map(mean).collect()
}

/// All seeds of a situation together.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// Incidents told in time, and incidents.
    pub(crate) hits: (usize, usize),
    /// Share of the seeds in which the incident was told that was told least often; of the first, second, … incident.
    pub(crate) worst: Option<f64>,
    /// Median of the points until an incident was told, of those told at all.
    pub(crate) delay: Option<usize>,
    /// Mean share of the points of an incident flagged.
    pub(crate) points: Option<f64>,
    /// Alarms an incident.
    pub(crate) told: Option<f64>,
    pub(crate) false_total: usize,
    pub(crate) false_each: usize,
    pub(crate) false_week: f64,
    /// Incidents with a flag on the wrong side.
    pub(crate) contradicted: usize,
    pub(crate) hush_broken: usize,
    pub(crate) agreement: Agreement,
    /// Mean of half of the band's width in standard deviations, by day.
    pub(crate) widths: Vec<f64>,
}

impl Summary {
    pub(crate) fn of(scored: &[Scored], bar: &Bar) -> Self {
        let told: Vec<&Told> = scored.iter().flat_map(|one| &one.told).collect();
        let is_hit =
            |told: &Told| told.delay.is_some_and(|delay| bar.within.is_none_or(|most| delay <= most));
        let share = |ordinal: usize| {
            let all = scored.iter().filter_map(|one| one.told.get(ordinal));
            let (hits, count) =
                all.fold((0, 0), |(hits, count), told| (hits + usize::from(is_hit(told)), count + 1));
            hits as f64 / f64::from(count)
        };
        let most = scored.iter().map(|one| one.told.len()).max().unwrap_or(0);
        // Where the number of incidents differs from seed to seed, they are of the same kind.
        let is_regular = scored.iter().all(|one| one.told.len() == most);
        let hits = told.iter().filter(|told| is_hit(told)).count();
        let worst = if is_regular {
            (0..most).map(share).min_by(f64::total_cmp)
        } else {
            Some(hits as f64 / told.len() as f64)
        };
        let mut delays: Vec<usize> = told.iter().filter_map(|told| told.delay).collect();
        delays.sort_unstable();
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            (!told.is_empty()).then(|| values.sum::<f64>() / told.len() as f64)
        };
        let false_total = scored.iter().map(|one| one.false_alarms.len()).sum();
        let mut agreement = Agreement::default();
        scored.iter().for_each(|one| agreement.add(&one.agreement));
        let days = scored.iter().map(|one| one.widths.len()).min().unwrap_or(0);
        let width = |day: usize| scored.iter().map(|one| one.widths[day]).sum::<f64>() / scored.len() as f64;
        Self {
            hits: (hits, told.len()),
            worst,
            delay: delays.get(delays.len() / 2).copied(),
            points: mean(&mut told.iter().map(|told| told.points)),
            told: mean(&mut told.iter().map(|told| told.alarms as f64)),
            false_total,
            false_each: scored.iter().map(|one| one.false_alarms.len()).max().unwrap_or(0),
            false_week: false_total as f64 / scored.iter().map(|one| one.weeks).sum::<f64>(),
            contradicted: told.iter().filter(|told| told.is_contradicted).count(),
            hush_broken: scored.iter().map(|one| one.hush_broken).sum(),
            agreement,
            widths: (0..days).map(width).collect(),
        }
    }

    /// What is worse than the bar; empty if nothing is.
    pub(crate) fn misses(&self, bar: &Bar) -> Vec<String> {
        let mut misses = Vec::new();
        let mut hold = |what: &str, missed: Option<String>| {
            misses.extend(missed.map(|how| format!("{what} {how}")));
        };
        // Shares are ratios of small whole numbers: less than a millionth apart is the same.
        let least = |bar: Option<f64>, is: Option<f64>| {
            let (bar, is) = (bar?, is.unwrap_or(0.0));
            (is < bar - 1e-6).then(|| format!("{is:.3} < {bar}"))
        };
        let most = |bar: Option<f64>, is: Option<f64>| {
            let (bar, is) = (bar?, is.unwrap_or(f64::INFINITY));
            (is > bar + 1e-6).then(|| format!("{is:.3} > {bar}"))
        };
        let (hits, of) = self.hits;
        hold("told", least(bar.hits, self.worst).map(|how| format!("{how} ({hits} of {of})")));
        hold("delay", most(bar.delay.map(|delay| delay as f64), self.delay.map(|delay| delay as f64)));
        hold("points", least(bar.points, self.points));
        hold("false/week", most(bar.false_week, Some(self.false_week)));
        hold("false", most(bar.false_total.map(|all| all as f64), Some(self.false_total as f64)));
        hold("false each", most(bar.false_each.map(|all| all as f64), Some(self.false_each as f64)));
        hold("alarms", most(bar.told, self.told));
        hold("after", most(bar.hush.then_some(0.0), Some(self.hush_broken as f64)));
        hold("wrong side", most(bar.sides.then_some(0.0), Some(self.contradicted as f64)));
        hold("width", most(bar.width, self.widths.get(3).copied()));
        misses
    }
}
