//! A query as the engine works on it: what is asked of the upstream, what is judged by what, and the names under which it
//! is remembered.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::cache::Key;
use super::grid::Line;
use super::history::floor;
use super::settle::{Asked, Part, Settled};
use super::{Job, Scope};
use crate::detector::{self, AnyDetector, Built};
use crate::error::Result;
use crate::query::{AskedTraining, Rules, Training, Transform};
use crate::series::TimeRange;
use crate::source::{self, AnySource, PreparedQuery, Reading};

/// A query that was understood.
pub(super) struct Work {
    pub(super) prepared: Arc<dyn PreparedQuery>,
    pub(super) detector: Arc<dyn AnyDetector>,
    unknown_options: Vec<String>,
    pub(super) source: &'static str,
    pub(super) asked: Asked,
    pub(super) visible: TimeRange,
    pub(super) transform: Transform,
    pub(super) training: AskedTraining,
    pub(super) rules: Rules,
    /// How the upstream is asked; known once it was looked at.
    pub(super) reading: Reading,
    /// For how long, ms, the newest points are left out, as far as the user says.
    pub(super) own_settle_ms: i64,
    /// Names data source, source options and step.
    pub(super) history: Key,
    /// Names all that verdicts depend on besides the points and what is settled by them.
    pub(super) settings: Key,
    /// What of that is the same on every replica.
    pub(super) described: String,
}

impl Work {
    pub(super) fn new(job: &Job, own_source: &Arc<dyn AnySource>, scope: Scope) -> Result<Self> {
        let query = &job.query;
        let source = source::select(own_source, &query.source)?;
        let source_kind = source.kind();
        let prepared: Arc<dyn PreparedQuery> = Arc::from(source.prepare(&query.source)?);
        let Built { detector, unknown_options, identity } =
            detector::build(&query.detector, query.direction)?;
        let asked = Asked::of(query, prepared.default_step_ms(), job.visible, job.max_data_points);
        // Of what was understood, not of what was written: a default left out is the same as one written out.
        let history = format!("{source_kind} {} {}", prepared.identity(), asked.step_ms);
        let described = format!(
            "{} {history} {} {identity} {:?} {:?} {:?}",
            env!("CARGO_PKG_VERSION"),
            detector.kind(),
            query.direction,
            asked,
            query.transform,
        );
        let named = |what: &str| -> Key {
            let mut name = Sha256::new();
            name.update(scope.0);
            name.update(what);
            name.finalize().into()
        };
        Ok(Self {
            prepared,
            detector: Arc::from(detector),
            unknown_options,
            source: source_kind,
            asked,
            visible: job.visible,
            transform: query.transform,
            training: query.training,
            rules: query.rules.clone(),
            reading: Reading::default(),
            own_settle_ms: query.settle_ms.unwrap_or(0),
            history: named(&history),
            settings: named(&described),
            described,
        })
    }

    /// Cuts `range` into parts whose blocks are settled in the same way.
    pub(super) fn parts(&self, lines: &[Line], range: TimeRange) -> Result<Vec<Part>> {
        self.asked.parts(&*self.detector, lines, range)
    }

    /// Names all that the verdicts on a part depend on besides the points.
    pub(super) fn settings_of(&self, settled: &Settled) -> Key {
        let mut key = Sha256::new();
        key.update(self.settings);
        key.update(format!("{settled:?}"));
        key.finalize().into()
    }

    /// Names the query with its range.
    pub(super) fn key(&self) -> Key {
        let mut key = Sha256::new();
        key.update(self.settings);
        key.update(self.visible.from_ms.to_le_bytes());
        key.update(self.visible.to_ms.to_le_bytes());
        key.update(self.own_settle_ms.to_le_bytes());
        key.update(format!("{:?}", self.rules));
        // The answer names them.
        for option in self.unknown_options() {
            key.update(option);
            key.update([0]);
        }
        key.finalize().into()
    }

    /// Names of options that neither source nor detector knows.
    pub(super) fn unknown_options(&self) -> impl Iterator<Item = &String> {
        self.prepared.unknown_options().iter().chain(&self.unknown_options)
    }

    /// First instant whose points are needed for a range that begins at `from_ms`, as far as that is known without any.
    pub(super) fn first_ms(&self, from_ms: i64) -> i64 {
        self.align(self.asked.first_ms(&*self.detector, from_ms).min(from_ms))
    }

    /// The last whole step that does not begin after `ms`.
    pub(super) fn align(&self, ms: i64) -> i64 {
        floor(ms, self.asked.step_ms)
    }

    /// The instant after the last whose points are needed, if those `look_ahead_ms` after the visible range are. At
    /// least a step of them is, and whole steps, but nothing of the future that is not asked for.
    pub(super) fn end_ms(&self, now_ms: i64, look_ahead_ms: i64) -> i64 {
        let step_ms = self.asked.step_ms;
        let end = self.visible.to_ms.saturating_add(look_ahead_ms.max(step_ms));
        let whole = self.align(end).saturating_add(step_ms);
        let last = if self.settle_ms() > 0 { now_ms } else { self.visible.to_ms.max(now_ms) };
        whole.min(last.saturating_add(1))
    }

    /// For how long, ms, the newest points are left out.
    pub(super) fn settle_ms(&self) -> i64 {
        self.own_settle_ms.max(self.reading.settle_ms)
    }

    /// The instant before which a range that ends in the future is forecast. Rounded up to a whole block, so that it
    /// stays the same while the range moves on.
    pub(super) fn forecast_to_ms(&self, part: &Part, now_ms: i64) -> Option<i64> {
        let to_ms = self.visible.to_ms;
        let wanted = self.detector.forecasts()
            && to_ms > now_ms
            && !self.detector.across_series()
            && part.run.is_none();
        wanted.then(|| match part.settled.training {
            Training::VisibleRange => to_ms.saturating_add(1),
            Training::Window { refit_ms, .. } => floor(to_ms, refit_ms).saturating_add(refit_ms),
        })
    }

    /// How far beyond the visible range a point may lie that shows whether one within is missing.
    pub(super) fn look_ahead_ms(&self, parts: &[Part], lines: &[Line], now_ms: i64) -> i64 {
        let of_part = |part: &Part| {
            let last = part.blocks.last().copied();
            let last = match &part.run {
                Some(run) => last.and_then(|last| run.cells(last.judge_from).next()),
                None => last,
            };
            let step_ms = |line: &Line| line.step_ms(&last?, now_ms);
            part.lines(lines).filter_map(step_ms).max()
        };
        let newest = parts.iter().filter(|part| part.range.to_ms == self.visible.to_ms);
        newest.filter_map(of_part).max().unwrap_or(0)
    }

    /// Names the settings and the training data: once for all blocks of a part, as their windows overlap.
    pub(super) fn fingerprint(&self, parts: &[Part], lines: &[Line]) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.described);
        for part in parts {
            let Some(last) = part.blocks.last() else { continue };
            let from_ms = part.run.map_or(part.blocks[0].train_from, |run| run.first_ms());
            hash.update(format!("{:?}", part.settled));
            hash.update(from_ms.to_le_bytes());
            hash.update(last.train_to.to_le_bytes());
            for line in part.lines(lines) {
                hash.update(line.digest(from_ms, last.train_to).to_le_bytes());
            }
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
