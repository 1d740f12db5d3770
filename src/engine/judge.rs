//! From the series of a query to verdicts: which blocks are known, which have to be judged, and all put together.
//!
//! The unit of work is one block of one series, or of all series for a detector that compares them. Units depend on
//! nothing but their own points and the query, so they are judged on any thread in any order, and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::Detection;
use super::cache::{Cache, Key};
use super::digest::digest;
use super::grid::{Laid, Line, Outline};
use super::judged::{Judged, JudgedMember};
use super::plan::{Block, Run};
use super::settle::Part;
use super::workers::Workers;
use crate::budget;
use crate::detector::{self, AnyDetector, Forecast, Judgement, Member, Timing};
use crate::error::{Category, Error, Result};
use crate::series::{Points, Series, TimeRange};

/// Everything that the units of one part of a query have in common.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) lines: Arc<Vec<Line>>,
    /// What of them is judged, and in which blocks.
    pub(super) part: Part,
    pub(super) visible: TimeRange,
    pub(super) now_ms: i64,
    /// The instant before which what is yet to come is forecast, if it is.
    pub(super) forecast_to_ms: Option<i64>,
    pub(super) detector: Arc<dyn AnyDetector>,
    /// Names all that the verdicts depend on besides the points.
    pub(super) settings: Key,
    /// Whether verdicts are worth keeping.
    pub(super) keep: bool,
}

/// What a block of one series takes before it is judged, and its place in the list of what came of each.
const UNIT_BYTES: usize = size_of::<Unit>() + size_of::<UnitMember>() + 64;

/// What a point of a block takes besides what the detector does: its time and value, whether there is one, and the verdict on
/// it.
const LAID_BYTES: usize = 128;

/// One block of a group of series that are judged together.
#[derive(Debug)]
struct Unit {
    block: Block,
    members: Vec<UnitMember>,
    /// Whether it is the one that forecasts.
    forecasts: bool,
    key: Key,
    digest: u128,
}

/// One series of a unit.
#[derive(Debug)]
struct UnitMember {
    /// Place in the panel.
    index: usize,
    /// Where the block lies in the series.
    outline: Outline,
    /// Times to forecast.
    ahead: Vec<i64>,
}

/// One series with the verdicts on its visible points.
#[derive(Debug)]
pub(super) struct Verdicts {
    pub(super) detection: Detection,
    /// Why the first block that could not be judged could not.
    pub(super) shortage: Option<String>,
    /// Why in the first block in which points have scores but could not be flagged they could not.
    pub(super) unflagged: Option<String>,
}

/// The units of a part, and what was made of each.
type Done = (Arc<Panel>, Arc<Vec<Unit>>, Vec<Option<Arc<Judged>>>);

/// Judges what is not known yet of the parts of a query and puts all of it together; one for each line that has something
/// to show.
pub(super) async fn judge(
    panels: &[Arc<Panel>],
    cache: &Arc<Cache>,
    workers: &Workers,
) -> Result<Vec<Verdicts>> {
    let mut done = Vec::with_capacity(panels.len());
    for panel in panels {
        done.push(judge_part(panel, cache, workers).await?);
    }
    workers
        .run(move |_| {
            let judged = done.iter().flat_map(|(_, _, judged)| judged.iter().flatten());
            budget::account().add(judged.map(|judged| judged.bytes()).sum(), "the verdicts put together")?;
            Ok(assemble(&done))
        })
        .await
}

/// Judges everything on this thread, remembering nothing.
pub(super) fn judge_all(panels: &[Arc<Panel>]) -> Result<Vec<Verdicts>> {
    let judge = |panel: &Arc<Panel>| -> Result<Done> {
        let units = panel.units(&CancellationToken::new())?;
        let judged =
            units.iter().map(|unit| Ok(Some(Arc::new(panel.judge(unit)?)))).collect::<Result<Vec<_>>>()?;
        Ok((Arc::clone(panel), Arc::new(units), judged))
    };
    Ok(assemble(&panels.iter().map(judge).collect::<Result<Vec<_>>>()?))
}

async fn judge_part(panel: &Arc<Panel>, cache: &Arc<Cache>, workers: &Workers) -> Result<Done> {
    let (looked_at, known) = (Arc::clone(panel), Arc::clone(cache));
    let (units, mut judged, unknown) = workers
        .run(move |cancel| {
            let units = looked_at.units(cancel)?;
            let find = |unit: &Unit| looked_at.keep.then(|| known.judged(&unit.key, unit.digest)).flatten();
            let judged: Vec<Option<Arc<Judged>>> = units.iter().map(find).collect();
            let unknown: Vec<usize> = (0..units.len()).filter(|index| judged[*index].is_none()).collect();
            // The cache may forget them meanwhile.
            let bytes = judged.iter().flatten().map(|judged| judged.bytes()).sum();
            budget::account().add(bytes, "the verdicts")?;
            Ok((Arc::new(units), judged, unknown))
        })
        .await?;
    let (judging, all, wanted, keeping) =
        (Arc::clone(panel), Arc::clone(&units), unknown.clone(), Arc::clone(cache));
    let new = workers
        .map(unknown.len(), move |index| {
            let unit = &all[wanted[index]];
            budget::checkpoint();
            let judged = Arc::new(judging.judge(unit)?);
            if judging.keep {
                keeping.keep_judged(unit.key, Arc::clone(&judged));
            }
            Ok(judged)
        })
        .await?;
    for (index, new) in unknown.into_iter().zip(new) {
        judged[index] = Some(new);
    }
    Ok((Arc::clone(panel), units, judged))
}

/// Puts the verdicts of each series together, in the order of time, each range of it from the part that it belongs to.
fn assemble(done: &[Done]) -> Vec<Verdicts> {
    let Some((panel, ..)) = done.first() else { return Vec::new() };
    let mut pieces: BTreeMap<usize, Vec<(TimeRange, &JudgedMember)>> = BTreeMap::new();
    for (panel, units, judged) in done {
        for (unit, judged) in units.iter().zip(judged) {
            let Some(judged) = judged else { continue };
            for (UnitMember { index, .. }, member) in unit.members.iter().zip(&judged.members) {
                let of_line = pieces.entry(*index).or_default();
                of_line.extend(panel.part.shown[*index].iter().map(|range| (*range, member)));
            }
        }
    }
    let together = |(index, mut pieces): (usize, Vec<(TimeRange, &JudgedMember)>)| {
        // Stable: the blocks within a range stay in their order.
        pieces.sort_by_key(|(range, _)| range.from_ms);
        let mut verdicts = panel.nothing_yet(index);
        pieces.into_iter().for_each(|(range, member)| verdicts.append(member, range));
        verdicts
    };
    let shows = |Detection { series, forecast, .. }: &Detection| !series.is_empty() || !forecast.is_empty();
    pieces.into_iter().map(together).filter(|verdicts| shows(&verdicts.detection)).collect()
}

impl Panel {
    /// What has to be known, by series and time.
    fn units(&self, cancel: &CancellationToken) -> Result<Vec<Unit>> {
        let everything: Vec<usize> =
            (0..self.lines.len()).filter(|line| !self.part.shown[*line].is_empty()).collect();
        let blocks = if self.part.run.is_some() { 1 } else { self.part.blocks.len() };
        let bytes = everything.len().saturating_mul(blocks).saturating_mul(UNIT_BYTES);
        budget::account().add(bytes, "the blocks of all series")?;
        let groups: Vec<&[usize]> =
            if self.detector.across_series() { vec![&everything] } else { everything.chunks(1).collect() };
        // What is yet to come is forecast by the model in force now.
        let in_force =
            self.part.blocks.iter().rposition(|block| block.judge_from <= self.now_ms).unwrap_or(0);
        let mut units = Vec::new();
        for group in groups {
            if cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            match &self.part.run {
                Some(run) => units.extend(self.unit(group, &run.whole_block(), None)),
                None => units.extend(self.part.blocks.iter().enumerate().filter_map(|(number, block)| {
                    self.unit(group, block, self.forecast_to_ms.filter(|_| number == in_force))
                })),
            }
        }
        Ok(units)
    }

    /// The unit of a block, which forecasts what comes before `forecast_to_ms`; `None` if there are no points of it.
    fn unit(&self, group: &[usize], block: &Block, forecast_to_ms: Option<i64>) -> Option<Unit> {
        // A series without points in the block and its training is no member: that it has some elsewhere is not known
        // to every query.
        let members: Vec<UnitMember> = group
            .iter()
            .filter_map(|index| {
                let line = &self.lines[*index];
                let outline = line.outline(block, self.now_ms)?;
                let outline =
                    self.part.run.map_or(outline, |run| line.outline_run(&run, outline, self.now_ms));
                let ahead =
                    forecast_to_ms.map(|to_ms| line.ahead(&outline, self.now_ms, to_ms)).unwrap_or_default();
                Some(UnitMember { index: *index, outline, ahead })
            })
            .collect();
        if members.is_empty() {
            return None;
        }
        let mut key = Sha256::new();
        key.update(self.settings);
        key.update(block.judge_from.to_le_bytes());
        // The same block seen in part has a place of its own, so that a zoom does not drive the whole one out.
        key.update([block.whole, self.detector.across_series(), forecast_to_ms.is_some()].map(u8::from));
        let mut data = Vec::with_capacity(members.len() * 32);
        for UnitMember { index, outline, ahead } in &members {
            let line = &self.lines[*index];
            let identity = identity(&line.series, *index - self.first_alike(*index));
            if !self.detector.across_series() {
                key.update(&identity);
            }
            data.extend_from_slice(&digest(&identity).to_le_bytes());
            data.extend_from_slice(&outline.digest(line).to_le_bytes());
            // They follow each other by the step, which is digested with the outline.
            data.extend_from_slice(&ahead.first().unwrap_or(&0).to_le_bytes());
            data.extend_from_slice(&ahead.len().to_le_bytes());
        }
        Some(Unit {
            block: *block,
            members,
            forecasts: forecast_to_ms.is_some(),
            key: key.finalize().into(),
            digest: digest(&data),
        })
    }

    /// Place of the first series with the same name and labels as the one at `index`; alike ones are neighbours.
    fn first_alike(&self, index: usize) -> usize {
        let own = &self.lines[index].series;
        let alike = |other: &Line| other.series.labels == own.labels && other.series.name == own.name;
        (0..index).rev().take_while(|other| alike(&self.lines[*other])).last().unwrap_or(index)
    }

    fn judge(&self, unit: &Unit) -> Result<Judged> {
        let laid: Vec<(&Series, Laid<'_>)> = unit
            .members
            .iter()
            .map(|member| {
                let line = &self.lines[member.index];
                let laid = match &self.part.run {
                    Some(run) => line.lay_run(run, &member.outline, self.now_ms),
                    None => line.lay(&unit.block, &member.outline),
                };
                (&line.series, laid)
            })
            .collect();
        let members: Vec<Member<'_>> = laid
            .iter()
            .map(|(series, laid)| Member {
                name: &series.name,
                labels: &series.labels,
                training: laid.training(),
                judged: laid.judged(),
            })
            .collect();
        let account = budget::account();
        let points: usize = laid.iter().map(|(_, laid)| laid.all().times.len()).sum();
        let bytes =
            points.saturating_mul(LAID_BYTES).saturating_add(self.detector.bytes(points, members.len()));
        let _block = account.take_block(bytes, "the model of a block")?;
        let mut forecasts = vec![Forecast::default(); members.len()];
        let judgements = if unit.forecasts {
            let judge = |((member, of), forecast): ((&Member<'_>, &UnitMember), &mut Forecast)| {
                let (judgement, ahead) = self.detector.judge_ahead(member.training, member.judged, &of.ahead);
                *forecast = ahead;
                judgement
            };
            members.iter().zip(&unit.members).zip(&mut forecasts).map(judge).collect()
        } else if members.iter().all(|member| member.judged.values.is_empty()) {
            vec![Judgement::default(); members.len()]
        } else if let Some(run) = &self.part.run {
            laid.iter().map(|(_, laid)| self.judge_run(run, laid.all())).collect()
        } else {
            self.detector.judge_panel(&members)
        };
        let judged_fit =
            |(judgement, member): (&Judgement, &Member<'_>)| judgement.fits(member.judged.values.len());
        let forecast_fits = |(forecast, member): (&Forecast, &UnitMember)| forecast.fits(&member.ahead);
        if judgements.len() != members.len()
            || !judgements.iter().zip(&members).all(judged_fit)
            || !forecasts.iter().zip(&unit.members).all(forecast_fits)
        {
            let kind = self.detector.kind();
            return Err(Error::new(
                Category::Internal,
                format!("the detector \"{kind}\" did not give each point its verdict"),
            )
            .hint("this is a defect of the plugin; report it"));
        }
        let members = laid
            .iter()
            .zip(&unit.members)
            .zip(judgements.into_iter().zip(forecasts))
            .map(|(((_, laid), member), (mut judgement, forecast))| {
                let Points { times, values } = laid.judged();
                self.lines[member.index].withdraw_unknown(times, &mut judgement);
                JudgedMember {
                    times: times.to_vec(),
                    values: values.to_vec(),
                    truth: laid.judged_truth().map(<[f64]>::to_vec),
                    judgement,
                    forecast,
                }
            })
            .collect();
        let judged = Judged { digest: unit.digest, members };
        account.add(judged.bytes(), "the verdicts")?;
        Ok(judged)
    }

    /// Judges all blocks of one series in one go.
    fn judge_run(&self, run: &Run, points: Points<'_>) -> Judgement {
        let bounds = |block: &Block| [block.train_from, block.train_to, block.judge_from, block.judge_to];
        let blocks = detector::Block::between(points.times, self.part.blocks.iter().map(bounds));
        let timing = Timing {
            step_ms: Some(run.step_ms),
            refit_ms: Some(run.refit_ms),
            lookback_ms: Some(run.lookback_ms),
        };
        let mut all = Judgement::default();
        for (number, mut block) in self.detector.judge_blocks(points, &blocks, timing).into_iter().enumerate()
        {
            if number < run.run_in {
                // Nobody looks at it.
                (block.shortage, block.unflagged) = (None, None);
            }
            all.append(block);
        }
        all
    }

    fn nothing_yet(&self, index: usize) -> Verdicts {
        let series = &self.lines[index].series;
        let capacity = series.index_range(self.visible.from_ms, self.visible.to_ms.saturating_add(1)).len();
        let numbers = || Vec::with_capacity(capacity);
        Verdicts {
            detection: Detection {
                series: Series {
                    name: series.name.clone(),
                    labels: series.labels.clone(),
                    unit: series.unit.clone(),
                    times: Vec::with_capacity(capacity),
                    values: numbers(),
                    truth: series.truth.is_some().then(numbers),
                },
                verdicts: Vec::with_capacity(capacity),
                scores: numbers(),
                expected: numbers(),
                lower: numbers(),
                upper: numbers(),
                series_scores: Vec::new(),
                reasons: BTreeMap::new(),
                abouts: BTreeMap::new(),
                forecast: Forecast::default(),
            },
            shortage: None,
            unflagged: None,
        }
    }
}

impl Verdicts {
    /// Appends what is visible of a block.
    fn append(&mut self, block: &JudgedMember, visible: TimeRange) {
        let seen_of = |times: &[i64]| {
            let before = |ms: i64| times.partition_point(|time| *time < ms);
            before(visible.from_ms)..before(visible.to_ms.saturating_add(1))
        };
        let ahead = seen_of(&block.forecast.times);
        if !ahead.is_empty() {
            self.detection.forecast = block.forecast.range(ahead);
        }
        let seen = seen_of(&block.times);
        if seen.is_empty() {
            return;
        }
        let (all, judgement) = (&mut self.detection, &block.judgement);
        let first = all.verdicts.len();
        all.series.times.extend_from_slice(&block.times[seen.clone()]);
        all.verdicts.extend_from_slice(&judgement.verdicts[seen.clone()]);
        for (all, block) in [
            (&mut all.series.values, &block.values),
            (&mut all.scores, &judgement.scores),
            (&mut all.expected, &judgement.expected),
            (&mut all.lower, &judgement.lower),
            (&mut all.upper, &judgement.upper),
        ] {
            all.extend_from_slice(&block[seen.clone()]);
        }
        // A block in which a series had nobody to be compared with has none.
        match judgement.series_scores.as_slice() {
            [] if all.series_scores.is_empty() => {}
            [] => all.series_scores.resize(all.verdicts.len(), f64::NAN),
            scores => {
                all.series_scores.resize(first, f64::NAN);
                all.series_scores.extend_from_slice(&scores[seen.clone()]);
            }
        }
        if let (Some(all), Some(block)) = (&mut all.series.truth, &block.truth) {
            all.extend_from_slice(&block[seen.clone()]);
        }
        let reasons = judgement.reasons.iter().filter(|(row, _)| seen.contains(row));
        all.reasons.extend(reasons.map(|(row, reason)| (first + row - seen.start, reason.clone())));
        let abouts = judgement.abouts.iter().filter(|(row, _)| seen.contains(row));
        all.abouts.extend(abouts.map(|(row, about)| (first + row - seen.start, *about)));
        if self.shortage.is_none() {
            self.shortage.clone_from(&judgement.shortage);
        }
        if self.unflagged.is_none() {
            self.unflagged.clone_from(&judgement.unflagged);
        }
    }
}

/// Names a series within its panel; `number` tells apart those of the same name and labels.
fn identity(series: &Series, number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let labels = series.labels.iter().flat_map(|(name, value)| [name, value]);
    for text in std::iter::once(&series.name).chain(labels) {
        bytes.extend_from_slice(&text.len().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}
