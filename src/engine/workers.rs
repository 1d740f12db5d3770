//! The threads that do the maths: as many at once as there are cores, and none of them an async one.
//!
//! A large task is cut into turns of [`TURN`]. After each it queues again behind whoever waits, so that a query of
//! thousands of blocks delays a small one by a turn and not by its whole length.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::budget::{Work, how_it_ended};
use crate::error::{Error, Result};
use crate::threads;

/// How long one query keeps a thread before others may have it: long beside the 10 µs that taking turns costs, short
/// beside what a person notices. A single block that takes longer is interrupted only where nobody waits for it any more.
const TURN: Duration = Duration::from_millis(10);

/// A bounded number of threads for maths, shared by all queries of a process.
#[derive(Debug, Clone)]
pub struct Workers {
    permits: Arc<Semaphore>,
    threads: usize,
}

impl Default for Workers {
    /// One thread a core, shared with whoever else works long.
    fn default() -> Self {
        Self { permits: threads::permits(), threads: threads::count().get() }
    }
}

impl Workers {
    /// Up to `threads` threads at once.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Self {
        let threads = threads.get().min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(threads)), threads }
    }

    /// Runs `work` on a worker thread as soon as one is free, on the account of the caller. If the caller goes away, the
    /// token given to `work` is cancelled, and its next [`checkpoint`](crate::budget::checkpoint) ends it.
    ///
    /// # Errors
    /// What `work` returns; [`Category::Internal`](crate::error::Category::Internal) if it panics.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::cancelled())?;
        let cancel = CancellationToken::new();
        let seen_by_work = cancel.clone();
        let context = Work::of_task(cancel.clone());
        let _cancelled_on_drop = cancel.drop_guard();
        let task = tokio::task::spawn_blocking(move || {
            let _held_while_working = permit;
            let _entered = context.enter();
            work(&seen_by_work)
        });
        task.await.map_err(|error| how_it_ended(error, "the detection"))?
    }

    /// `work(0)` to `work(count - 1)` on as many threads as are free, in that order whoever made which.
    ///
    /// # Errors
    /// Those of [`Workers::run`]; the first error of `work` that is met.
    pub async fn map<T, F>(&self, count: usize, work: F) -> Result<Vec<T>>
    where
        T: Send + 'static,
        F: Fn(usize) -> Result<T> + Send + Sync + 'static,
    {
        let next = Arc::new(AtomicUsize::new(0));
        let work = Arc::new(work);
        let lanes = (0..self.threads.min(count)).map(|_| self.lane(count, &next, &work));
        let mut made: Vec<(usize, T)> = try_join_all(lanes).await?.into_iter().flatten().collect();
        made.sort_unstable_by_key(|(index, _)| *index);
        Ok(made.into_iter().map(|(_, value)| value).collect())
    }

    /// Takes turns until nothing is left to do.
    async fn lane<T, F>(
        &self,
        count: usize,
        next: &Arc<AtomicUsize>,
        work: &Arc<F>,
    ) -> Result<Vec<(usize, T)>>
    where
        T: Send + 'static,
        F: Fn(usize) -> Result<T> + Send + Sync + 'static,
    {
        let mut made = Vec::new();
        while next.load(Ordering::Relaxed) < count {
            let (next, work) = (Arc::clone(next), Arc::clone(work));
            let turn = self.run(move |cancel| {
                let started = Instant::now();
                let mut made = Vec::new();
                while started.elapsed() < TURN {
                    if cancel.is_cancelled() {
                        return Err(Error::cancelled());
                    }
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    made.push((index, work(index)?));
                }
                Ok(made)
            });
            made.extend(turn.await?);
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::checkpoint;
    use crate::error::Category;

    fn workers(threads: usize) -> Workers {
        Workers::new(NonZeroUsize::new(threads).unwrap())
    }

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let error = Workers::default().run::<(), _>(|_| panic!("boom")).await.unwrap_err();
        assert_eq!(error.category(), Category::Internal);
        let error = workers(2).map::<(), _>(9, |_| panic!("boom")).await.unwrap_err();
        assert_eq!(error.category(), Category::Internal);
    }

    #[tokio::test]
    async fn work_sees_that_nobody_waits_any_more() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let workers = Workers::default();
        let waiting = tokio::spawn(async move {
            workers
                .run(move |cancel| {
                    let _ = started.send(());
                    while !cancel.is_cancelled() {
                        std::thread::yield_now();
                    }
                    let _ = ended.send(());
                    Ok(())
                })
                .await
        });
        has_started.await.unwrap();
        waiting.abort();
        has_ended.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends_where_it_looks() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel::<()>();
        let workers = Workers::default();
        let waiting = tokio::spawn(async move {
            let endless = move |_: &CancellationToken| -> Result<()> {
                let _dropped_at_the_end = ended;
                let _ = started.send(());
                loop {
                    checkpoint();
                    std::thread::yield_now();
                }
            };
            workers.run(endless).await
        });
        has_started.await.unwrap();
        waiting.abort();
        assert!(has_ended.await.is_err(), "it goes without a word");
    }

    #[tokio::test]
    async fn results_come_in_order_from_any_number_of_threads() {
        for threads in 1..=8 {
            let squares = workers(threads).map(1_000, |index| Ok(index * index)).await.unwrap();
            assert!(squares.iter().enumerate().all(|(index, square)| *square == index * index));
            assert_eq!(squares.len(), 1_000);
        }
        assert!(workers(2).map(0, |_| Ok(())).await.unwrap().is_empty());
    }

    /// On one thread: the small task ends while most of the large one, which came first, is still to be done.
    #[tokio::test]
    async fn a_large_task_lets_a_small_one_through() {
        let workers = workers(1);
        let done = Arc::new(AtomicUsize::new(0));
        let (started, has_started) = tokio::sync::oneshot::channel();
        let started = std::sync::Mutex::new(Some(started));
        let (counted, large) = (Arc::clone(&done), workers.clone());
        let large = tokio::spawn(async move {
            let each = move |_| {
                if let Some(started) = started.lock().unwrap().take() {
                    let _ = started.send(());
                }
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(TURN);
                Ok(())
            };
            large.map(10_000, each).await
        });
        has_started.await.unwrap();
        workers.run(|_| Ok(())).await.unwrap();
        assert!(done.load(Ordering::SeqCst) < 1_000);
        large.abort();
    }
}
