//! Work on several threads, with a progress bar where somebody watches.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

/// How many threads work.
#[derive(Debug, Clone, Args)]
pub(super) struct Threads {
    /// Number of threads; as many as there are cores if left out. The result does not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Threads {
    fn count(&self) -> usize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores).get()
    }

    /// What `work` makes of each of `tasks`, in their order. `bar` advances by the `size` of each task done.
    pub(super) fn map<T: Send, R: Send>(
        &self,
        tasks: Vec<T>,
        bar: &ProgressBar,
        size: impl Fn(&T) -> u64 + Sync,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let threads = self.count().min(tasks.len());
        let waiting = Mutex::new(tasks.into_iter().enumerate());
        let done = Mutex::new(Vec::new());
        // A poisoned lock means that another thread panicked, and the scope will pass that on.
        let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((index, task)) = next() {
                        let size = size(&task);
                        let result = work(task);
                        bar.inc(size);
                        if let Ok(mut done) = done.lock() {
                            done.push((index, result));
                        }
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// A bar of `length` units on stderr; nothing at all where stderr is no terminal.
pub(super) fn progress_bar(length: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        for threads in [None, NonZeroUsize::new(1), NonZeroUsize::new(3), NonZeroUsize::new(64)] {
            let threads = Threads { threads };
            let bar = ProgressBar::hidden();
            let squares = threads.map((0..100_u64).collect(), &bar, |task| *task, |task| task * task);
            assert_eq!(squares, (0..100).map(|task| task * task).collect::<Vec<u64>>());
            assert_eq!(bar.position(), 4_950);
            assert!(threads.map(Vec::new(), &bar, |_: &u64| 1, |task| task).is_empty());
        }
    }
}
