//! Single flight: of several askers of the same thing at the same time, the work is done once for all.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, WeakShared};

type Running<K, V> = Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>;

/// Work under way, by what it is for.
///
/// Whoever waits drives the work on, so the first asker may go away without harm to the others; when all have gone,
/// the work is dropped.
pub(super) struct Flights<K, V> {
    running: Arc<Running<K, V>>,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { running: Arc::default() }
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flights")
    }
}

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What the work for `key` under way yields; `start`s it if there is none.
    pub(super) async fn join<W>(&self, key: K, start: impl FnOnce() -> W) -> V
    where
        W: Future<Output = V> + Send + 'static,
    {
        let flight = {
            let mut running = lock(&self.running);
            if let Some(flight) = running.get(&key).and_then(WeakShared::upgrade) {
                flight
            } else {
                // Those whose askers have all gone.
                running.retain(|_, flight| flight.upgrade().is_some());
                let (landed, landed_key, work) = (Arc::clone(&self.running), key.clone(), start());
                let work = async move {
                    let value = work.await;
                    // Whoever asks from now on gets an answer made after the question.
                    lock(&landed).remove(&landed_key);
                    value
                };
                let flight = work.boxed().shared();
                if let Some(weak) = flight.downgrade() {
                    running.insert(key, weak);
                }
                flight
            }
        };
        flight.await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under the lock, so a panic elsewhere does not spoil the map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Default)]
    struct Gate {
        started: AtomicUsize,
        ended: AtomicUsize,
        open: Option<Arc<Semaphore>>,
    }

    async fn ask(flights: Arc<Flights<u8, usize>>, gate: Arc<Gate>) -> usize {
        flights
            .join(1, move || async move {
                let count = gate.started.fetch_add(1, Ordering::SeqCst) + 1;
                if let Some(open) = &gate.open {
                    open.acquire().await.unwrap().forget();
                }
                gate.ended.fetch_add(1, Ordering::SeqCst);
                count
            })
            .await
    }

    fn gate() -> (Arc<Gate>, Arc<Semaphore>) {
        let open = Arc::new(Semaphore::new(0));
        (Arc::new(Gate { open: Some(Arc::clone(&open)), ..Gate::default() }), open)
    }

    #[tokio::test]
    async fn many_askers_cost_one_work_and_a_gone_leader_harms_nobody() {
        let flights = Arc::new(Flights::default());
        let (gate, open) = gate();
        let askers: Vec<_> =
            (0..10).map(|_| tokio::spawn(ask(Arc::clone(&flights), Arc::clone(&gate)))).collect();
        while gate.started.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        askers[0].abort();
        tokio::task::yield_now().await;
        open.add_permits(1);
        for asker in askers.into_iter().skip(1) {
            assert_eq!(asker.await.unwrap(), 1);
        }
        assert_eq!(gate.started.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_dropped_and_begun_anew() {
        let flights = Arc::new(Flights::default());
        let (gate, open) = gate();
        let only = tokio::spawn(ask(Arc::clone(&flights), Arc::clone(&gate)));
        while gate.started.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        only.abort();
        assert!(only.await.unwrap_err().is_cancelled());
        open.add_permits(1);
        assert_eq!(ask(Arc::clone(&flights), Arc::clone(&gate)).await, 2);
        assert_eq!(gate.ended.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn one_after_the_other_is_no_flight() {
        let (flights, gate) = (Arc::new(Flights::default()), Arc::new(Gate::default()));
        assert_eq!(ask(Arc::clone(&flights), Arc::clone(&gate)).await, 1);
        assert_eq!(ask(Arc::clone(&flights), Arc::clone(&gate)).await, 2);
        assert!(lock(&flights.running).is_empty());
    }
}
