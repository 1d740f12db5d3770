//! Which blocks a query needs.

use super::history::floor;
use super::settle::Settled;
use crate::detector::Reach;
use crate::error::{Category, Error, Result};
use crate::query::{DurationMs, Training};
use crate::series::TimeRange;

/// A run of judged time and the training time before it; both half-open, in ms.
///
/// The first block is judged from its own begin, though the visible range may begin later: detectors that look back
/// then see the same past in every range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) train_from: i64,
    pub(super) train_to: i64,
    pub(super) judge_from: i64,
    pub(super) judge_to: i64,
    /// Whether it is judged to its end, and so in the same way by every query that comes.
    pub(super) whole: bool,
}

/// All blocks of a query in one go, for a detector that looks beyond each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Where the points begin that the detector is shown; at the begin of a block.
    pub(super) from_ms: i64,
    pub(super) judge_from: i64,
    pub(super) judge_to: i64,
    /// Whether the last block is judged to its end.
    whole: bool,
    /// Blocks at the begin that are judged for the sake of those after them only.
    pub(super) run_in: usize,
    pub(super) refit_ms: i64,
    /// The distance between points that the query asks for.
    pub(super) step_ms: i64,
    /// How far before the first training point the detector may look.
    pub(super) lookback_ms: i64,
    /// How far before a block the points lie that tell what is missing in it.
    outline_ms: i64,
}

/// Longest past that tells what is missing in a block of a run, in ms and in points; the longer of the two. It is read
/// besides what the detector looks at.
const OUTLINE_MS: i64 = 7 * 86_400_000;
const OUTLINE_POINTS: i64 = 100;

impl Run {
    /// The run of `blocks`; `None` if the detector does not look beyond each.
    pub(super) fn of(blocks: &[Block], training: Training, reach: Reach, step_ms: i64) -> Option<Self> {
        let Training::Window { window_ms, refit_ms } = training else { return None };
        let (first, last) = (blocks.first()?, blocks.last()?);
        reach.is_beyond().then(|| Self {
            from_ms: run_from(first.train_from, reach, refit_ms),
            judge_from: first.judge_from,
            judge_to: last.judge_to,
            whole: last.whole,
            run_in: usize::try_from(run_in_blocks(reach, refit_ms)).unwrap_or(usize::MAX),
            refit_ms,
            step_ms,
            lookback_ms: reach.lookback_ms,
            outline_ms: outline_ms(window_ms, step_ms),
        })
    }

    /// First instant whose points are needed.
    pub(super) fn first_ms(&self) -> i64 {
        self.from_ms.saturating_sub(self.outline_ms)
    }

    /// The run as one block; what comes before the first judged point is its training.
    pub(super) fn whole_block(&self) -> Block {
        Block {
            train_from: self.first_ms(),
            train_to: self.judge_from,
            judge_from: self.judge_from,
            judge_to: self.judge_to,
            whole: self.whole,
        }
    }

    /// The run cut into blocks, from the one on that `ms` lies in. Their training is what tells what is missing in them.
    pub(super) fn cells(&self, ms: i64) -> impl Iterator<Item = Block> + use<> {
        let Self { judge_to, refit_ms, outline_ms, .. } = *self;
        let begins = std::iter::successors(Some(floor(ms.max(self.from_ms), refit_ms)), move |begin| {
            begin.checked_add(refit_ms)
        });
        begins.take_while(move |begin| *begin < judge_to).map(move |begin| Block {
            train_from: begin.saturating_sub(outline_ms),
            train_to: begin,
            judge_from: begin,
            judge_to: begin.saturating_add(refit_ms).min(judge_to),
            whole: true,
        })
    }
}

fn run_from(train_from: i64, reach: Reach, refit_ms: i64) -> i64 {
    floor(train_from.saturating_sub(reach.lookback_ms), refit_ms)
}

fn outline_ms(window_ms: i64, step_ms: i64) -> i64 {
    OUTLINE_MS.max(step_ms.saturating_mul(OUTLINE_POINTS)).min(window_ms)
}

/// First instant whose points are needed for a range that begins at `visible_from_ms`.
pub(super) fn first_ms(settled: &Settled, visible_from_ms: i64) -> i64 {
    let Settled { training, reach, step_ms } = *settled;
    let Training::Window { window_ms, refit_ms } = training else { return visible_from_ms };
    let run_in = run_in_blocks(reach, refit_ms).saturating_mul(refit_ms);
    let train_from = floor(visible_from_ms, refit_ms).saturating_sub(run_in).saturating_sub(window_ms);
    if reach.is_beyond() {
        run_from(train_from, reach, refit_ms).saturating_sub(outline_ms(window_ms, step_ms))
    } else {
        train_from
    }
}

/// How much earlier than a range the points begin that are needed for it, at most.
pub(super) fn lead_ms(settled: &Settled) -> i64 {
    first_ms(settled, 0).saturating_neg()
}

/// Whole blocks, so that what is judged before a block is the same wherever in it the range begins.
fn run_in_blocks(reach: Reach, refit_ms: i64) -> i64 {
    reach.run_in_ms.saturating_add(refit_ms - 1).div_euclid(refit_ms)
}

/// The most blocks one query may need: each is a model to fit.
const MAX_BLOCKS: i64 = 4_000;

/// The most where blocks share their work.
const MAX_SHARED_BLOCKS: i64 = 40_000;

/// Cuts the visible range, and what a detector wants judged before it, into blocks.
///
/// # Errors
/// [`Category::Limit`] if there are too many.
pub(super) fn plan(visible: TimeRange, training: Training, reach: Reach) -> Result<Vec<Block>> {
    let TimeRange { from_ms, to_ms } = visible;
    let end = to_ms.saturating_add(1);
    let Training::Window { window_ms, refit_ms } = training else {
        return Ok(vec![Block {
            train_from: from_ms,
            train_to: end,
            judge_from: from_ms,
            judge_to: end,
            whole: false,
        }]);
    };
    let (first, last) = (
        from_ms.div_euclid(refit_ms).saturating_sub(run_in_blocks(reach, refit_ms)),
        to_ms.div_euclid(refit_ms),
    );
    let count = last.saturating_sub(first).saturating_add(1);
    let most = if reach.is_beyond() { MAX_SHARED_BLOCKS } else { MAX_BLOCKS };
    if count > most {
        return Err(Error::new(
            Category::Limit,
            format!(
                "the time range holds {count} blocks of refitInterval {}, and a query may need at most {most}",
                DurationMs::from_millis(refit_ms)
            ),
        )
        .hint("choose a longer refitInterval or a shorter time range"));
    }
    Ok((first..=last)
        .map(|block| {
            let begin = block.saturating_mul(refit_ms);
            let block_end = begin.saturating_add(refit_ms);
            Block {
                train_from: begin.saturating_sub(window_ms),
                train_to: begin,
                judge_from: begin,
                judge_to: block_end.min(end),
                whole: block_end <= end,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DAY, HOUR, job};
    use super::*;

    fn plan_of(job: &super::super::Job) -> Result<Vec<Block>> {
        plan(job.visible, job.query.training.settle((7 * DAY, DAY)), Reach::default())
    }

    #[test]
    fn blocks_are_aligned_to_the_epoch_and_cover_the_range() {
        let block = |day: i64, judge_to: i64, whole| Block {
            train_from: (day - 7) * DAY,
            train_to: day * DAY,
            judge_from: day * DAY,
            judge_to,
            whole,
        };
        let blocks = plan_of(&job("{}", 10 * DAY + HOUR, 12 * DAY)).unwrap();
        let expected = [block(10, 11 * DAY, true), block(11, 12 * DAY, true), block(12, 12 * DAY + 1, false)];
        assert_eq!(blocks, expected);
        assert_eq!(plan_of(&job("{}", -HOUR, -1)).unwrap(), [block(-1, 0, true)]);
    }

    #[test]
    fn too_many_blocks_are_refused_with_the_option_to_change() {
        let error = plan_of(&job(r#"{"refitInterval":"1m"}"#, 0, 400 * DAY)).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
        assert!(error.to_string().contains("refitInterval 1m"), "{error}");
    }
}
