//! One cache for histories and verdicts, bounded in bytes.
//!
//! Both kinds share the bound, so that a process with long histories and few models uses its memory as well as one
//! with many models. What was not used for long goes first (Clock-PRO, as `quick_cache` implements it).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache as Bounded;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::history::History;
use super::judged::Judged;

/// SHA-256 of all that tells one entry from another.
pub(super) type Key = [u8; 32];

/// What one entry costs besides what it holds: its key, its slots in the tables, allocator rounding.
const ENTRY_BYTES: u64 = 256;
/// What entries are expected to need, for the size of the tables.
const TYPICAL_ENTRY_BYTES: usize = 16 * 1024;

/// What a cache has done since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Look-ups of histories: answered wholly from the cache, but for the newest points.
    pub history_hits: u64,
    /// Look-ups of histories for which more than the newest points had to be read.
    pub history_misses: u64,
    /// Blocks whose verdicts were known.
    pub verdict_hits: u64,
    /// Blocks that had to be judged.
    pub verdict_misses: u64,
    /// Entries that had to go, or were too large to come in.
    pub evictions: u64,
    /// Bytes held now.
    pub bytes: u64,
    /// Bytes it may hold.
    pub max_bytes: u64,
}

type Entries = Bounded<Key, Entry, Bytes, std::hash::RandomState, NoteLeaving>;

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    entries: Option<Entries>,
    counts: Counts,
    evictions: AtomicU64,
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Counts {
    history: [AtomicU64; 2],
    verdicts: [AtomicU64; 2],
}

#[derive(Debug, Clone)]
enum Entry {
    History(Arc<History>),
    Judged(Arc<Judged>),
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        ENTRY_BYTES
            + match entry {
                Entry::History(history) => history.bytes(),
                Entry::Judged(judged) => judged.bytes(),
            } as u64
    }
}

/// Notes the keys that leave while something comes in.
#[derive(Debug, Clone)]
struct NoteLeaving;

impl Lifecycle<Key, Entry> for NoteLeaving {
    type RequestState = Vec<Key>;

    fn begin_request(&self) -> Vec<Key> {
        Vec::new()
    }

    fn on_evict(&self, left: &mut Vec<Key>, key: Key, _: Entry) {
        left.push(key);
    }
}

impl Cache {
    /// A cache of at most `max_bytes`; of 0 it keeps nothing.
    pub(super) fn new(max_bytes: usize) -> Self {
        let options = OptionsBuilder::new()
            // One shard: each has its share of the bytes, and a history larger than a share would never be kept.
            .shards(1)
            .weight_capacity(max_bytes as u64)
            .estimated_items_capacity((max_bytes / TYPICAL_ENTRY_BYTES).max(16))
            .build();
        let entries = options.ok().filter(|_| max_bytes > 0).map(|options| {
            Bounded::with_options(options, Bytes, std::hash::RandomState::default(), NoteLeaving)
        });
        Self { entries, counts: Counts::default(), evictions: AtomicU64::new(0), changing: Mutex::new(()) }
    }

    pub(super) fn history(&self, key: &Key) -> Option<Arc<History>> {
        match self.entries.as_ref()?.get(key)? {
            Entry::History(history) => Some(history),
            Entry::Judged(_) => None,
        }
    }

    /// Puts what `change` makes of the history of that key in its place. One at a time, so that of two that were read
    /// at once both are kept.
    pub(super) fn change_history(&self, key: Key, change: impl FnOnce(Option<Arc<History>>) -> History) {
        let Some(entries) = &self.entries else { return };
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(self.history(&key));
        self.put(entries, key, Entry::History(Arc::new(changed)));
    }

    /// Counts whether a query's history was there, but for its newest points.
    pub(super) fn count_history(&self, hit: bool) {
        self.counts.history[usize::from(hit)].fetch_add(1, Ordering::Relaxed);
    }

    /// The verdicts on the block of that key, if they were made of the same data.
    pub(super) fn judged(&self, key: &Key, digest: u128) -> Option<Arc<Judged>> {
        let found = match self.entries.as_ref().and_then(|entries| entries.get(key)) {
            Some(Entry::Judged(judged)) if judged.digest() == digest => Some(judged),
            _ => None,
        };
        self.counts.verdicts[usize::from(found.is_some())].fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(super) fn keep_judged(&self, key: Key, judged: Arc<Judged>) {
        if let Some(entries) = &self.entries {
            self.put(entries, key, Entry::Judged(judged));
        }
    }

    fn put(&self, entries: &Entries, key: Key, entry: Entry) {
        let left = entries.insert_with_lifecycle(key, entry);
        // An older entry of the same key leaves too, but that is no eviction, unless the new one was too large to come in.
        let evicted = left.iter().filter(|left| **left != key || !entries.contains_key(&key)).count();
        self.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let held = |of: fn(&Entries) -> u64| self.entries.as_ref().map_or(0, of);
        CacheStats {
            history_hits: read(&self.counts.history[1]),
            history_misses: read(&self.counts.history[0]),
            verdict_hits: read(&self.counts.verdicts[1]),
            verdict_misses: read(&self.counts.verdicts[0]),
            evictions: read(&self.evictions),
            bytes: held(Bounded::weight),
            max_bytes: held(Bounded::capacity),
        }
    }
}
