//! From a model to verdicts: the rows of a block one after the other, and who is to blame.

use super::super::{About, Judgement, Member, Verdict};
use super::align::{Cursor, Steps, judged_rows};
use super::evidence::{Evidence, KINDS, Limits, Recent, What, limit_of_all};
use super::model::{Expectation, Gap, LONGEST_LAG, MIN_ROWS, Model, Training, take_gap};
use super::words::Story;
use super::{Joint, MIN_METRICS, too_few_metrics};
use crate::options::Direction;
use outrider_forest::cancel::checkpoint;

/// For so many rows after a flag, half a limit keeps a metric suspect.
const EPISODE_ROWS: i64 = 6;
const KEEPS_SUSPECT: f64 = 0.5;
/// A metric may be to blame if its evidence is this share of the largest.
const BLAME: f64 = 0.8;
/// One of so many metrics may be to blame first, each with at least this share of the largest evidence.
const CANDIDATES: usize = 4;
const MAY_BE: f64 = 0.5;
/// Points further apart than so many rows do not go together.
const APART_ROWS: i64 = 4;

/// How often a group that goes on as in its training is flagged, a row: once in 10,000 rows at 0.5, twice as often for each
/// tenth more.
fn rate(sensitivity: f64) -> f64 {
    1e-4 * (10.0 * (sensitivity - 0.5)).exp2()
}

/// The points of a metric that those after them should not be judged by.
#[derive(Debug, Clone, Default)]
struct Suspects {
    times: Vec<i64>,
    flagged: Option<i64>,
}

/// Where the residuals of a metric have lain lately, in sigmas: metrics drift.
#[derive(Debug, Clone, Copy, Default)]
struct Level(f64);

impl Level {
    /// The share of the newest point: half a day of points five minutes apart.
    const NEWEST: f64 = 1.0 / 144.0;
    /// The furthest that a point counts as.
    const FURTHEST: f64 = 3.0;

    /// What is expected, from here.
    fn off(self, expectation: Expectation) -> Expectation {
        let Expectation { expected, sigma, residual } = expectation;
        Expectation { expected: self.0.mul_add(sigma, expected), sigma, residual: residual - self.0 }
    }

    /// Takes in a residual from here.
    fn follow(&mut self, residual: f64) {
        self.0 += Self::NEWEST * residual.clamp(-Self::FURTHEST, Self::FURTHEST);
    }
}

/// All that is known of a group up to some time.
struct Group<'a> {
    model: &'a Model,
    step_ms: i64,
    recent: Vec<Recent>,
    levels: Vec<Level>,
    limits: Vec<Limits>,
    limit: f64,
    suspects: Vec<Suspects>,
}

/// What was found of one metric at one time.
#[derive(Debug, Clone, Copy)]
struct Found {
    metric: usize,
    value: f64,
    expectation: Expectation,
    /// In shares of what is too rare.
    size: f64,
    kind: usize,
    is_blamed: bool,
}

/// What is found without one metric, and the residuals without and with their own past.
type Without = (Vec<Found>, Vec<[f64; 2]>);

impl Joint {
    /// One judgement for each of the metrics of a group.
    pub(super) fn judge_group(&self, members: &[Member<'_>]) -> Vec<Judgement> {
        checkpoint();
        let none = |why: &dyn Fn(&Member<'_>) -> Judgement| members.iter().map(why).collect::<Vec<_>>();
        if members.iter().filter(|member| !member.training.values.is_empty()).count() < MIN_METRICS {
            return none(&|member| too_few_metrics(member.judged.values));
        }
        let learnt = Steps::of(members).and_then(|steps| {
            Model::fit(members, &steps, self.zone).map(|(model, training)| (steps, model, training))
        });
        let Some((steps, model, training)) = learnt else {
            return none(&|member| too_little(member.judged.values));
        };
        let mut group = Group::learn(&model, &steps, &training, rate(self.sensitivity));
        drop(training);
        let is_overlap = members.iter().any(|member| {
            member
                .training
                .times
                .last()
                .zip(member.judged.times.first())
                .is_some_and(|(last, first)| last >= first)
        });
        if is_overlap {
            group.recent.fill(Recent::default());
            group.suspects.fill(Suspects::default());
            group.levels.fill(Level::default());
        }
        let mut judgements: Vec<Judgement> = members
            .iter()
            .map(|member| Judgement {
                shortage: None,
                ..Judgement::none(member.judged.values, String::new())
            })
            .collect();
        for (index, judgement) in judgements.iter_mut().enumerate() {
            if !model.metrics.iter().any(|metric| metric.member == index) {
                judgement.shortage = Some(left_out());
            }
        }
        group.judge(self.direction, members, &steps, &mut judgements);
        judgements
    }
}

fn too_little(values: &[f64]) -> Judgement {
    Judgement::none(
        values,
        format!(
            "{MIN_METRICS} metrics that change and have {MIN_ROWS} training points are needed, and there are fewer"
        ),
    )
}

fn left_out() -> String {
    format!(
        "it is constant or has fewer than {MIN_ROWS} training points, and is left out of what is judged together"
    )
}

impl<'a> Group<'a> {
    fn learn(model: &'a Model, steps: &Steps, training: &Training, rate: f64) -> Self {
        let count = model.metrics.len();
        let step_ms = steps.of_rows;
        let mut recent = vec![Recent::default(); count];
        let mut levels = vec![Level::default(); count];
        let rows = training.times.len();
        let mut columns: Vec<[Vec<f64>; KINDS]> =
            (0..count).map(|_| std::array::from_fn(|_| vec![f64::NAN; rows])).collect();
        for row in 0..rows {
            if row % 64 == 0 {
                checkpoint();
            }
            let (numbers, values, gap) = model.training_row(training, row);
            for metric in 0..count {
                if !training.fresh[row * count + metric] {
                    continue;
                }
                let known = (&mut recent[metric], levels[metric]);
                let (expectation, evidence) =
                    look(model, known, metric, numbers, values[metric], gap, training.times[row], step_ms);
                levels[metric].follow(expectation.residual);
                for (column, size) in columns[metric].iter_mut().zip(evidence) {
                    column[row] = size;
                }
            }
        }
        let limits: Vec<Limits> = columns
            .iter_mut()
            .zip(&recent)
            .map(|(columns, recent)| {
                checkpoint();
                Limits::of(columns, recent.repeats_often())
            })
            .collect();
        let share = |row: usize, metric: usize| {
            limits[metric].most_in_training(columns[metric].iter().map(|column| column[row]))
        };
        let shares: Vec<f64> = (0..rows * count).map(|cell| share(cell / count, cell % count)).collect();
        let most: Vec<f64> =
            shares.chunks_exact(count).map(|row| row.iter().copied().fold(0.0, f64::max)).collect();
        let limit = limit_of_all(&most, rate);
        let mut group = Self {
            model,
            step_ms,
            recent,
            levels,
            limits,
            limit,
            suspects: vec![Suspects::default(); count],
        };
        // What the first judged rows look back to.
        let tail = rows.saturating_sub(usize::try_from(LONGEST_LAG + EPISODE_ROWS).unwrap_or(0));
        for row in tail..rows {
            for metric in 0..count {
                let size = shares[row * count + metric];
                let is_worst = size >= BLAME * most[row];
                group.suspect(metric, training.times[row], size / limit, is_worst);
            }
        }
        group
    }

    /// Notes that a point is not to be looked back at, if it is not, and forgets those that nothing looks back at any more.
    /// Returns whether it is one.
    fn suspect(&mut self, metric: usize, time: i64, size: f64, is_blamed: bool) -> bool {
        let suspects = &mut self.suspects[metric];
        if size > 1.0 && is_blamed {
            suspects.flagged = Some(time);
        }
        let within = |rows: i64, since: i64| time.saturating_sub(since) <= rows.saturating_mul(self.step_ms);
        let is_suspect =
            suspects.flagged.is_some_and(|flagged| within(EPISODE_ROWS, flagged)) && size > KEEPS_SUSPECT;
        if is_suspect {
            suspects.times.push(time);
        }
        suspects.times.retain(|at| within(LONGEST_LAG + EPISODE_ROWS, *at));
        is_suspect
    }

    fn judge(
        &mut self,
        direction: Direction,
        members: &[Member<'_>],
        steps: &Steps,
        judgements: &mut [Judgement],
    ) {
        let model = self.model;
        let mut cursors: Vec<Cursor<'_>> = (0..=LONGEST_LAG).map(|_| Cursor::new(members, steps)).collect();
        let mut places = vec![0; members.len()];
        let mut numbers = vec![0.0; model.width];
        for time in judged_rows(members) {
            checkpoint();
            let suspects = &self.suspects;
            model.judged_row(&mut numbers, time, &mut cursors, |metric, at| {
                suspects[metric].times.contains(&at)
            });
            let missing = numbers.clone();
            let gap = take_gap(&mut numbers);
            let mut found: Vec<Found> = Vec::new();
            for (metric, of_metric) in model.metrics.iter().enumerate() {
                let judged = members[of_metric.member].judged;
                let place = &mut places[of_metric.member];
                if judged.times.get(*place) != Some(&time) {
                    continue;
                }
                *place += 1;
                let value = of_metric.standard(judged.values[*place - 1]);
                if !value.is_finite() {
                    continue;
                }
                let known = (&mut self.recent[metric], self.levels[metric]);
                let (expectation, evidence) =
                    look(model, known, metric, &numbers, value, gap.as_ref(), time, self.step_ms);
                let (share, kind) = self.limits[metric].most(&evidence);
                let size = share / self.limit;
                found.push(Found { metric, value, expectation, size, kind, is_blamed: false });
            }
            let most = found.iter().map(|found| found.size).fold(0.0, f64::max);
            if most > 1.0 {
                self.blame(&missing, &mut found);
            }
            for found in &found {
                if found.is_blamed {
                    self.recent[found.metric].mark();
                }
                if !self.suspect(found.metric, time, found.size, found.is_blamed) {
                    self.levels[found.metric].follow(found.expectation.residual);
                }
            }
            self.write(direction, members, &places, most, &found, judgements);
        }
    }

    /// Finds who is to blame for a row: the metric without which the others are most as usual, and so on while any is too far
    /// off. The others are expected, and remembered, as if those were missing.
    fn blame(&mut self, row: &[f64], found: &mut [Found]) {
        let mut row = row.to_vec();
        for _ in 0..found.len() {
            let left = || found.iter().enumerate().filter(|(_, found)| !found.is_blamed && found.size > 1.0);
            let most = left().map(|(_, found)| found.size).fold(0.0, f64::max);
            let mut candidates: Vec<(usize, f64)> = left()
                .map(|(place, found)| (place, found.size))
                .filter(|(_, size)| *size >= MAY_BE * most)
                .collect();
            candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
            candidates.truncate(CANDIDATES);
            let mut best: Option<(f64, usize, Without)> = None;
            for (place, _) in candidates {
                let without = self.without(place, &row, found);
                let rest = without
                    .0
                    .iter()
                    .filter(|found| !found.is_blamed)
                    .map(|found| found.size)
                    .fold(0.0, f64::max);
                if best.as_ref().is_none_or(|best| rest < best.0) {
                    best = Some((rest, place, without));
                }
            }
            let Some((_, place, (without, residuals))) = best else { return };
            found.copy_from_slice(&without);
            row[found[place].metric] = f64::NAN;
            for (found, residuals) in found.iter().zip(residuals).filter(|(found, _)| !found.is_blamed) {
                self.recent[found.metric].revise(residuals);
            }
        }
    }

    /// What is found, and the residuals without and with their own past, if the metric at `place` is to blame, too.
    fn without(&self, place: usize, row: &[f64], found: &[Found]) -> Without {
        let mut row = row.to_vec();
        row[found[place].metric] = f64::NAN;
        let gap = take_gap(&mut row);
        let mut found = found.to_vec();
        found[place].is_blamed = true;
        let mut residuals = vec![[f64::NAN; 2]; found.len()];
        for (other, residuals) in found.iter_mut().zip(&mut residuals).filter(|(other, _)| !other.is_blamed) {
            let metric = other.metric;
            // Its place in the row may be taken out by now, its value not.
            let [without, with] = self.model.look(metric, &row, other.value, gap.as_ref());
            other.expectation = self.levels[metric].off(without);
            *residuals = [other.expectation.residual, with.residual];
            let limits = &self.limits[metric].of_kinds;
            let share = |residual: f64, at: usize| residual.abs() / limits[at + usize::from(residual < 0.0)];
            // What lasts or is still was seen with the one to blame as it is.
            other.size = other.size.min(share(residuals[0], 0).max(share(residuals[1], 6)) / self.limit);
        }
        (found, residuals)
    }

    fn write(
        &self,
        direction: Direction,
        members: &[Member<'_>],
        places: &[usize],
        most: f64,
        found: &[Found],
        judgements: &mut [Judgement],
    ) {
        let score = most / (1.0 + most);
        let all: f64 = found.iter().map(|found| found.size * found.size).sum();
        let raw = |found: &Found| self.model.metrics[found.metric].value(found.value);
        let name = |metric: usize| self.name(members, metric);
        let reach = |found: &Found, below: usize| {
            self.limit * self.limits[found.metric].of_kinds[below] * found.expectation.sigma
        };
        for one in found {
            let metric = &self.model.metrics[one.metric];
            let judgement = &mut judgements[metric.member];
            let row = places[metric.member] - 1;
            let expected = one.expectation.expected;
            // Shares of nothing are nothing.
            judgement.scores[row] = if all > 0.0 { score * (one.size * one.size / all) } else { 0.0 };
            judgement.expected[row] = metric.value(expected);
            let (lower, upper) =
                (metric.value(expected - reach(one, 1)), metric.value(expected + reach(one, 0)));
            judgement.lower[row] = if direction == Direction::High { f64::NAN } else { lower };
            judgement.upper[row] = if direction == Direction::Low { f64::NAN } else { upper };
            let is_high = What::is_high(one.kind).unwrap_or(one.value > expected);
            let is_wanted = match direction {
                Direction::Both => true,
                Direction::High => is_high,
                Direction::Low => !is_high,
            };
            judgement.verdicts[row] = match (one.is_blamed && is_wanted, is_high) {
                (false, _) => Verdict::Normal,
                (true, true) => Verdict::High,
                (true, false) => Verdict::Low,
            };
            if !(one.is_blamed && is_wanted) {
                continue;
            }
            let rest = |is_blamed: bool| {
                let others = found.iter().filter(|other| other.metric != one.metric);
                others.filter(|other| other.is_blamed == is_blamed).map(|other| name(other.metric)).collect()
            };
            let driver = self.model.driver(one.metric).and_then(|driver| {
                let of = found.iter().find(|found| found.metric == driver)?;
                Some((name(driver), raw(of)))
            });
            let what = What::of(one.kind);
            let story = Story {
                name: name(one.metric),
                value: raw(one),
                expected: metric.value(expected),
                what,
                is_high,
                driver,
                others: rest(true),
                usual: rest(false),
            };
            judgement.reasons.push((row, story.tell()));
            let about = (what == What::Stillness).then_some("frozen");
            let since_ms = self.recent[one.metric].since();
            judgement
                .abouts
                .extend(about.zip(since_ms).map(|(what, since_ms)| (row, About { what, since_ms })));
        }
    }

    /// What a metric is called in its group: its series' name, with the labels where that is not enough.
    fn name<'b>(&self, members: &[Member<'b>], metric: usize) -> &'b str {
        members[self.model.metrics[metric].member].name
    }
}

/// What is expected of a metric without its own past, and what its newest points say.
#[expect(clippy::too_many_arguments, reason = "one place for the two passes, over training and judged rows")]
fn look(
    model: &Model,
    (recent, level): (&mut Recent, Level),
    metric: usize,
    numbers: &[f64],
    value: f64,
    gap: Option<&Gap>,
    time: i64,
    step_ms: i64,
) -> (Expectation, Evidence) {
    let [without, with] = model.look(metric, numbers, value, gap);
    let without = level.off(without);
    let most_ms = step_ms.saturating_mul(APART_ROWS);
    let evidence = recent.push(time, most_ms, value, [without.residual, with.residual]);
    (without, evidence)
}
