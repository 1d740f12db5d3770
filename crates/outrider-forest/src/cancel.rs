//! Giving up long work that nobody waits for any more.
//!
//! Growing a large forest takes seconds. Loops that take long call [`checkpoint`], which asks whether the work of this
//! thread is still wanted, and unwinds to where it was begun if it is not. Nobody has to pass a token down to them, and
//! a thread whose work nobody watches pays a few nanoseconds for the question.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! use outrider_forest::cancel;
//!
//! let stop = Arc::new(AtomicBool::new(false));
//! let seen = Arc::clone(&stop);
//! let is_cancelled = move || seen.load(Ordering::Relaxed);
//! assert_eq!(cancel::run(is_cancelled.clone(), || 6 * 7), Some(42));
//!
//! stop.store(true, Ordering::Relaxed);
//! let endless = || {
//!     loop {
//!         cancel::checkpoint();
//!     }
//! };
//! assert_eq!(cancel::run(is_cancelled, endless), None::<()>);
//! ```

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

type IsCancelled = Rc<dyn Fn() -> bool>;

thread_local! {
    static OF_THREAD: RefCell<Option<IsCancelled>> = const { RefCell::new(None) };
}

/// The payload with which cancelled work unwinds. It is no panic: no hook is called and no message printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Has [`checkpoint`] ask `is_cancelled` on this thread until what is returned is dropped; what it asked before is
/// restored then.
///
/// Whoever calls this catches [`Stopped`] where the work ends, as [`run`] does, or as the runtime of a thread or a task
/// does when it joins.
#[must_use = "nothing is asked any more once it is dropped"]
pub fn watch(is_cancelled: impl Fn() -> bool + 'static) -> Watch {
    Watch { before: OF_THREAD.replace(Some(Rc::new(is_cancelled))) }
}

/// Ends what [`watch`] began when dropped.
pub struct Watch {
    before: Option<IsCancelled>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        OF_THREAD.set(self.before.take());
    }
}

/// Does `work` on this thread; `None` if a [`checkpoint`] within it found it cancelled. Panics pass through.
pub fn run<T>(is_cancelled: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> Option<T> {
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        let _watched = watch(is_cancelled);
        work()
    }));
    match done {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Stopped>() => None,
        Err(panicked) => panic::resume_unwind(panicked),
    }
}

/// Ends the work of this thread here if it is cancelled: unwinds as a panic does, but without its message, to where the
/// work was begun. Nothing outside of watched work is affected. To be called every few milliseconds of work; it costs
/// some nanoseconds.
pub fn checkpoint() {
    // A clone, so that whoever is asked may watch other work meanwhile.
    let is_cancelled = OF_THREAD.with_borrow(Clone::clone);
    if is_cancelled.is_some_and(|is_cancelled| is_cancelled()) {
        panic::resume_unwind(Box::new(Stopped));
    }
}

/// Looks after so many steps of a loop whose steps are too small for a [`checkpoint`] each.
#[derive(Debug, Default)]
pub struct Checkpoints(u32);

impl Checkpoints {
    /// Steps from one look to the next.
    const STEPS: u32 = 1 << 12;

    /// Counts a step.
    #[inline]
    pub fn step(&mut self) {
        self.0 += 1;
        if self.0 == Self::STEPS {
            self.0 = 0;
            checkpoint();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A look that says so from the one of that number on, and how many there were.
    fn at(look: u32) -> (Rc<Cell<u32>>, impl Fn() -> bool + 'static) {
        let looks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&looks);
        (looks, move || {
            counted.set(counted.get() + 1);
            counted.get() >= look
        })
    }

    #[test]
    fn work_stops_at_the_look_that_finds_it_cancelled_and_no_later() {
        let ten = || (0..10).for_each(|_| checkpoint());
        let (looks, is_cancelled) = at(u32::MAX);
        assert_eq!((run(is_cancelled, ten), looks.get()), (Some(()), 10));
        let (looks, is_cancelled) = at(4);
        assert_eq!((run(is_cancelled, ten), looks.get()), (None, 4));
        checkpoint();
    }

    #[test]
    fn what_was_watched_before_is_watched_again() {
        let (looks, outer) = at(u32::MAX);
        run(outer, || {
            assert_eq!(run(|| true, checkpoint), None);
            checkpoint();
        });
        assert_eq!(looks.get(), 1);
    }

    #[test]
    #[should_panic(expected = "a defect")]
    fn a_panic_is_no_cancellation() {
        run(|| false, || panic!("a defect"));
    }

    #[test]
    fn small_steps_are_looked_at_now_and_then() {
        let (looks, is_cancelled) = at(u32::MAX);
        run(is_cancelled, || {
            let mut steps = Checkpoints::default();
            (0..3 * Checkpoints::STEPS).for_each(|_| steps.step());
        });
        assert_eq!(looks.get(), 3);
    }
}
