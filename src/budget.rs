//! What a query may take of the process: memory, and time on its threads.
//!
//! All queries share one [`Memory`]. A query has an [`Account`] there, and puts on it what it is about to hold before it
//! holds it: answers while they come and are decoded, series, the models of a block, verdicts, frames. What does not fit
//! is refused with [`Category::Limit`]; whether other queries are why is known, so that the query can begin anew when
//! they are done. Sizes are estimates from above: a few more bytes a point than are needed, never fewer.
//!
//! Decoders and detectors are not handed the account: it is the one of the work under way, of an async task
//! (`for_query`) or of a thread (`Work::enter`). So is whether anyone still waits for the work: loops that take long
//! call [`checkpoint`], which ends the work of a cancelled query there and then. The forest and the detectors do so too, and
//! know of nothing else here: `Work::enter` tells [`outrider_forest::cancel`] what to ask.

use std::cell::RefCell;
#[cfg(test)]
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::error::{Category, Error, Result};
use outrider_forest::cancel::{self, Stopped};
pub use outrider_forest::cancel::{Checkpoints, checkpoint};

/// How long a thread that waits for memory goes on without looking whether its query is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// The memory that all queries of a process may take together. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Process>);

#[derive(Debug)]
struct Process {
    limit: usize,
    state: Mutex<State>,
    /// Tells threads that wait for a block of another one to be done.
    block_done: Condvar,
    /// Tells tasks that wait for room.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// The most there ever was.
    most: usize,
    /// Blocks being judged, which give back what they took without waiting for anyone.
    blocks: usize,
}

/// What one query holds; given back when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Account(Arc<OfQuery>);

#[derive(Debug)]
struct OfQuery {
    memory: Memory,
    held: AtomicUsize,
    /// That of work whose result other queries use as well.
    shared: Mutex<Option<Account>>,
}

/// A part of an account that is given back earlier, when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    account: Account,
    bytes: usize,
}

/// What a block that is being judged takes.
#[derive(Debug)]
pub(crate) struct Block {
    account: Account,
    bytes: usize,
}

impl Default for Memory {
    /// No bound.
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl Memory {
    /// Up to `limit` bytes.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self(Arc::new(Process {
            limit,
            state: Mutex::default(),
            block_done: Condvar::new(),
            freed: Notify::new(),
        }))
    }

    /// A new account, with nothing on it.
    #[must_use]
    pub fn account(&self) -> Account {
        Account(Arc::new(OfQuery {
            memory: self.clone(),
            held: AtomicUsize::new(0),
            shared: Mutex::default(),
        }))
    }

    /// Bytes that may be taken.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state().used
    }

    /// The most bytes that ever were taken.
    #[must_use]
    pub fn most_used(&self) -> usize {
        self.state().most
    }

    /// Waits until so many bytes are free.
    pub(crate) async fn has_room(&self, bytes: usize) {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // From here on no news is missed.
            freed.as_mut().enable();
            let used = self.used();
            // Nobody could give back more than all.
            if used == 0 || self.0.limit.saturating_sub(used) >= bytes {
                return;
            }
            freed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-done under the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, bytes: usize, limit: usize) -> bool {
        let fits = bytes <= limit.saturating_sub(self.used);
        if fits {
            self.used += bytes;
            self.most = self.most.max(self.used);
        }
        fits
    }
}

impl Account {
    /// Puts `bytes` on the account for as long as it lives; `what` names them, as in "the series need 3 MiB".
    ///
    /// # Errors
    /// [`Category::Limit`] if the memory does not suffice.
    pub(crate) fn add(&self, bytes: usize, what: &str) -> Result<()> {
        let memory = &self.0.memory;
        if !memory.state().take(bytes, memory.0.limit) {
            return Err(self.refusal(bytes, what));
        }
        self.0.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Puts `bytes` on the account until what is returned is dropped.
    ///
    /// # Errors
    /// [`Category::Limit`] if the memory does not suffice.
    pub(crate) fn take(&self, bytes: usize, what: &str) -> Result<Held> {
        self.add(bytes, what)?;
        Ok(Held { account: self.clone(), bytes })
    }

    /// As [`Account::take`] for a block that is about to be judged: waits while others are being judged, as their memory is
    /// soon free again. On a thread for maths only.
    ///
    /// # Errors
    /// [`Category::Limit`] if the memory does not suffice, [`Category::Cancelled`] if nobody waits for the query any more.
    pub(crate) fn take_block(&self, bytes: usize, what: &str) -> Result<Block> {
        let memory = &self.0.memory;
        let mut state = memory.state();
        loop {
            if state.take(bytes, memory.0.limit) {
                state.blocks += 1;
                self.0.held.fetch_add(bytes, Ordering::Relaxed);
                return Ok(Block { account: self.clone(), bytes });
            }
            if state.blocks == 0 || self.is_too_much(bytes) {
                drop(state);
                return Err(self.refusal(bytes, what));
            }
            let waited = memory.0.block_done.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if is_cancelled() {
                return Err(Error::cancelled());
            }
        }
    }

    /// Keeps the account of work alive whose result this query uses, and others may, until that of other work is kept.
    pub(crate) fn keep(&self, shared: Self) {
        let before = self.shared().replace(shared);
        // Not under the lock.
        drop(before);
    }

    /// Another account in the same memory, with nothing on it.
    pub(crate) fn another(&self) -> Self {
        self.0.memory.account()
    }

    /// Bytes on it.
    fn held(&self) -> usize {
        let shared = self.shared().as_ref().map_or(0, Self::held);
        self.0.held.load(Ordering::Relaxed).saturating_add(shared)
    }

    fn shared(&self) -> MutexGuard<'_, Option<Self>> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the query could not even have it if there were no other.
    fn is_too_much(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes) > self.0.memory.0.limit
    }

    fn refusal(&self, bytes: usize, what: &str) -> Error {
        const MIB: usize = 1024 * 1024;
        let (needed, limit) = (self.held().saturating_add(bytes), self.0.memory.0.limit);
        let mib = |bytes: usize| bytes.div_ceil(MIB);
        let sizes = format!("{what} would bring it to {} MiB", mib(needed));
        if self.is_too_much(bytes) {
            return Error::new(
                Category::Limit,
                format!("the query needs more memory than there is for all: {sizes} of {} MiB", limit / MIB),
            )
            .hint(
                "choose a longer step, a shorter trainingWindow, a shorter time range or fewer series, or raise \
                 memory_mib in the section [plugin.outrider-outliers-datasource] of grafana.ini",
            );
        }
        Error::new(
            Category::Limit,
            format!(
                "other queries take the memory that this one needs: {sizes}, of {} MiB for all",
                limit / MIB
            ),
        )
        .hint(
            "try again, ask for less at the same time, or raise memory_mib in the section \
             [plugin.outrider-outliers-datasource] of grafana.ini",
        )
        .until_free(needed)
    }

    fn give_back(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
        self.0.memory.give_back(bytes);
    }
}

impl Memory {
    fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.state().used -= bytes;
            self.0.block_done.notify_all();
            self.0.freed.notify_waiters();
        }
    }
}

impl Drop for OfQuery {
    fn drop(&mut self) {
        self.memory.give_back(*self.held.get_mut());
    }
}

impl Held {
    /// Holds `more` bytes.
    ///
    /// # Errors
    /// [`Category::Limit`] if the memory does not suffice.
    pub(crate) fn grow(&mut self, more: usize, what: &str) -> Result<()> {
        self.account.add(more, what)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let OfQuery { memory, held, .. } = &*self.account.0;
        held.fetch_sub(self.bytes, Ordering::Relaxed);
        // Both at once: who waits must see either that it may hope, or that there is room.
        let mut state = memory.state();
        state.used -= self.bytes;
        state.blocks -= 1;
        drop(state);
        memory.0.block_done.notify_all();
        memory.0.freed.notify_waiters();
    }
}

tokio::task_local! {
    static OF_TASK: Account;
}

thread_local! {
    static OF_THREAD: RefCell<Option<Work>> = const { RefCell::new(None) };
}

/// Runs `work` with `account` as that of everything in it.
pub(crate) async fn for_query<T>(account: Account, work: impl Future<Output = T>) -> T {
    OF_TASK.scope(account, work).await
}

/// The account of the work under way; one without bounds outside of all.
pub(crate) fn account() -> Account {
    let of_thread = OF_THREAD.with_borrow(|work| work.as_ref().map(|work| work.account.clone()));
    of_thread.or_else(|| OF_TASK.try_with(Clone::clone).ok()).unwrap_or_else(|| Memory::default().account())
}

/// What a thread works for.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    account: Account,
    cancel: CancellationToken,
    #[cfg(test)]
    counted: Option<Arc<Counted>>,
}

/// Makes a thread work for nobody again when dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    before: Option<Work>,
    _watched: cancel::Watch,
}

impl Work {
    /// For the account of the calling task, until `cancel` is.
    pub(crate) fn of_task(cancel: CancellationToken) -> Self {
        Self {
            account: account(),
            cancel,
            #[cfg(test)]
            counted: None,
        }
    }

    /// Makes it what this thread works for.
    pub(crate) fn enter(self) -> Entered {
        let work = self.clone();
        let is_cancelled = move || {
            #[cfg(test)]
            work.count();
            work.cancel.is_cancelled()
        };
        Entered { before: OF_THREAD.replace(Some(self)), _watched: cancel::watch(is_cancelled) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        OF_THREAD.set(self.before.take());
    }
}

fn is_cancelled() -> bool {
    OF_THREAD.with_borrow(|work| work.as_ref().is_some_and(|work| work.cancel.is_cancelled()))
}

/// The error of `what` having ended before its time.
pub(crate) fn how_it_ended(error: JoinError, what: &str) -> Error {
    match error.try_into_panic() {
        Ok(panic) if !panic.is::<Stopped>() => Error::panicked(what),
        _ => Error::cancelled(),
    }
}

#[cfg(test)]
#[derive(Debug, Default)]
struct Counted {
    seen: AtomicUsize,
    /// The look at which the query turns out to be cancelled.
    cancelled_at: usize,
}

#[cfg(test)]
impl Work {
    fn count(&self) {
        if let Some(counted) = &self.counted
            && counted.seen.fetch_add(1, Ordering::Relaxed) + 1 >= counted.cancelled_at
        {
            self.cancel.cancel();
        }
    }
}

/// Does `work` on this thread, cancelled at the look of that number; how often it looked, and what came of it unless it
/// was stopped.
#[cfg(test)]
pub(crate) fn counted<T>(cancelled_at: usize, work: impl FnOnce() -> T) -> (usize, Option<T>) {
    let counted = Arc::new(Counted { seen: AtomicUsize::new(0), cancelled_at });
    let mut of = Work::of_task(CancellationToken::new());
    of.counted = Some(Arc::clone(&counted));
    let done = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _entered = of.enter();
        work()
    }));
    let done = match done {
        Ok(done) => Some(done),
        Err(stopped) if stopped.is::<Stopped>() => None,
        Err(panicked) => panic::resume_unwind(panicked),
    };
    (counted.seen.load(Ordering::Relaxed), done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_given_back_is_free() {
        let memory = Memory::of(100);
        let (one, other) = (memory.account(), memory.account());
        one.add(40, "the series").unwrap();
        let held = one.take(30, "the models").unwrap();
        assert_eq!(memory.used(), 70);
        let passing = other.take(50, "the series").unwrap_err();
        assert_eq!((passing.category(), passing.waits_for()), (Category::Limit, Some(50)));
        let never = other.take(101, "the series").unwrap_err();
        assert_eq!((never.category(), never.waits_for()), (Category::Limit, None));
        assert!(never.to_string().contains("memory_mib"), "{never}");
        drop(held);
        let mut held = other.take(50, "the series").unwrap();
        assert!(held.grow(11, "more").is_err());
        held.grow(10, "more").unwrap();
        drop(one);
        assert_eq!(memory.used(), 60);
        drop(held);
        assert_eq!((memory.used(), memory.most_used()), (0, 100));
    }

    #[test]
    fn shared_work_counts_for_each_query_that_needs_it() {
        let memory = Memory::of(100);
        let (shared, own) = (memory.account(), memory.account());
        shared.add(60, "the series").unwrap();
        own.keep(shared);
        assert_eq!(
            own.add(50, "the models").unwrap_err().waits_for(),
            None,
            "it never fits beside its own series"
        );
        drop(own);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_block_waits_for_the_block_of_another_and_for_nothing_else() {
        let memory = Memory::of(100);
        let (one, other) = (memory.account(), memory.account());
        one.add(60, "the series").unwrap();
        assert!(other.take_block(50, "a model").unwrap_err().waits_for().is_some());
        drop(one);
        let block = memory.account().take_block(60, "a model").unwrap();
        let waiting = std::thread::spawn(move || other.take_block(50, "a model").map(|_| ()));
        drop(block);
        waiting.join().unwrap().unwrap();
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_cancelled_thread_stops_at_the_next_look_and_no_later() {
        let steps = |cancelled_at| counted(cancelled_at, || (0..10).for_each(|_| checkpoint()));
        assert_eq!(steps(usize::MAX), (10, Some(())));
        assert_eq!(steps(4), (4, None));
        checkpoint();
    }

    /// How often a detector looks whether anyone still waits, while it judges one block of 20,000 points, and where it
    /// stops.
    #[test]
    fn every_detector_looks_often_and_stops_where_it_looks() {
        use serde_json::json;

        use crate::detector::{self, Block, DETECTORS, Member, Timing};
        use crate::query::Direction;
        use crate::series::{Labels, Points};

        const POINTS: usize = 24_000;
        let times: Vec<i64> = (0..POINTS as i64).map(|slot| slot * 300_000).collect();
        let value = |slot: i64| (slot % 288) as f64 + ((slot * 7_919) % 101) as f64 / 50.0;
        let values: Vec<f64> = (0..POINTS as i64).map(value).collect();
        let points = Points { times: &times, values: &values };
        let cases = [
            // One a tree, and one for some thousand points.
            (json!({"kind": "isolation-forest"}), 4_000, 20_000, 100 + 4),
            // One a tree, one a tree and block of rows, one a point.
            (json!({"kind": "isolation-forest", "shingle": 4, "nTrees": 10}), 2_000, 2_000, 10 + 10 + 2_000),
            (
                json!({"kind": "isolation-forest", "shingle": 4, "nTrees": 10, "extensionLevel": 0}),
                2_000,
                2_000,
                2_000,
            ),
            // One for some thousand points.
            (json!({"kind": "mad"}), 4_000, 20_000, 4),
            (json!({"kind": "z-score"}), 4_000, 20_000, 4),
            (json!({"kind": "iqr"}), 4_000, 20_000, 4),
            (json!({"kind": "seasonal"}), 4_000, 20_000, 4),
            (json!({"kind": "changepoint"}), 4_000, 20_000, 4),
            // One a point.
            (json!({"kind": "mad", "window": "1d"}), 1_000, 2_000, 2_000),
            (json!({"kind": "s-h-esd"}), 2_000, 100, 100),
            (json!({"kind": "peers"}), 1_000, 1_000, 2_000),
            // One a block, one a cell of time, one for each statistic.
            (json!({"kind": "auto"}), 2_000, 600, 50 + 20),
        ];
        for kind in DETECTORS.iter().map(|entry| entry.kind) {
            assert!(cases.iter().any(|(options, ..)| options["kind"] == kind), "{kind} is not looked at");
        }
        for (options, trained, judged, fewest) in cases {
            let kind = serde_json::from_value(options.clone()).unwrap();
            let detector = detector::build(&kind, Direction::Both).unwrap().detector;
            let labels = Labels::new();
            let member = Member {
                name: "a",
                labels: &labels,
                training: points.range(0..trained),
                judged: points.range(trained..trained + judged),
            };
            let judge = || {
                if detector.reach(300_000).is_beyond() {
                    let block =
                        |from: usize| Block { training: from - trained..from, judged: from..from + 12 };
                    let blocks: Vec<Block> = (trained..trained + judged).step_by(12).map(block).collect();
                    let all = points.range(0..trained + judged);
                    return detector.judge_blocks(
                        all,
                        &blocks,
                        Timing { step_ms: Some(300_000), ..Timing::default() },
                    );
                }
                detector.judge_panel(&[member; 4][..if detector.across_series() { 4 } else { 1 }])
            };
            let (looks, _) = counted(usize::MAX, judge);
            assert!(looks >= fewest, "{options} looked {looks} times, less than {fewest}");
            for cancelled_at in [1, looks / 2, looks] {
                let (looks, done) = counted(cancelled_at, judge);
                assert!(looks == cancelled_at && done.is_none(), "{options} went on after it was cancelled");
            }
        }
    }

    #[tokio::test]
    async fn room_is_waited_for() {
        let memory = Memory::of(100);
        let held = memory.account().take(80, "the series").unwrap();
        let waiting = memory.has_room(50);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        waiting.await;
    }

    #[tokio::test]
    async fn the_account_of_a_task_is_found_within_it() {
        let memory = Memory::of(100);
        for_query(memory.account(), async { account().add(10, "the series").unwrap() }).await;
        assert_eq!((memory.used(), memory.most_used()), (0, 10));
        account().add(1 << 40, "what is not counted").unwrap();
    }
}
