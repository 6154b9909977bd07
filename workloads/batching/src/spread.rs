//! The ways to spread items over workers.

use crate::hand_out::{HandOut, OneQueue, Ranges};
use anyhow::{Context, Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use technique::Lap;
use technique::phase::{SETUP, WAIT};

/// One way to go through many items.
///
/// ```
/// use batching::Spread;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use technique::{Lap, phase::WRITE};
/// # fn main() -> anyhow::Result<()> {
/// let sum = AtomicU64::new(0);
/// let mut lap = Lap::start(true);
/// Spread::Workers(2).each(&[1, 2, 3], |_| 1, &mut lap, || Ok(()), |(), item, lap| {
///     sum.fetch_add(*item, Ordering::Relaxed);
///     lap.mark(WRITE);
///     Ok(())
/// })?;
/// assert_eq!(sum.into_inner(), 6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// A plain loop on the calling thread.
    OneByOne,
    /// Gathers so many items, then goes through them, on the calling thread.
    Batches {
        /// How many.
        items: usize,
    },
    /// Gathers items until their sizes pass a threshold, then goes through them, on the calling thread.
    UpTo {
        /// The threshold.
        bytes: u64,
    },
    /// So many threads; each takes the next item from one queue.
    Workers(usize),
    /// So many threads; each owns a stretch of the items, and steals half of the largest rest when it has none left.
    Stealing(usize),
}

impl Spread {
    /// How many threads work at once.
    pub fn workers(self) -> usize {
        match self {
            Spread::OneByOne | Spread::Batches { .. } | Spread::UpTo { .. } => 1,
            Spread::Workers(workers) | Spread::Stealing(workers) => workers.max(1),
        }
    }

    /// Does `work` once on each item. Each thread makes a `state` of its own first, and lends it to all of its items.
    ///
    /// An error stops all workers soon; of several, the one of the first item is returned. A panic is an error.
    pub fn each<T: Sync, S>(
        self,
        items: &[T],
        size: impl Fn(&T) -> u64 + Sync,
        lap: &mut Lap,
        state: impl Fn() -> Result<S> + Sync,
        work: impl Fn(&mut S, &T, &mut Lap) -> Result<()> + Sync,
    ) -> Result<()> {
        let run = Run { items, state, work, stop: AtomicBool::new(false), first: Mutex::new(None) };
        match self {
            Spread::OneByOne => run.alone(lap, 0..items.len()),
            Spread::Batches { items: most } => run.alone(lap, gathered(items, move |batch, _| batch >= most, size)),
            Spread::UpTo { bytes: most } => run.alone(lap, gathered(items, move |_, bytes| bytes >= most, size)),
            Spread::Workers(_) => run.together(lap, self.workers(), &OneQueue::new(items.len())),
            Spread::Stealing(_) => {
                let ranges = Ranges::new(items.iter().map(size), self.workers())?;
                run.together(lap, self.workers(), &ranges);
            }
        }
        match run.first.into_inner().expect("nobody panics while holding it") {
            None => Ok(()),
            Some((_, error)) => Err(error),
        }
    }
}

/// The items' indices, each batch gathered before the first of it is handed out.
fn gathered<T>(
    items: &[T],
    full: impl Fn(usize, u64) -> bool,
    size: impl Fn(&T) -> u64,
) -> impl Iterator<Item = usize> {
    let mut rest = items.iter().enumerate().peekable();
    std::iter::from_fn(move || {
        rest.peek()?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (index, item) in rest.by_ref() {
            batch.push(index);
            bytes += size(item);
            if full(batch.len(), bytes) {
                break;
            }
        }
        Some(batch)
    })
    .flatten()
}

/// One pass over the items, as all of its workers see it.
struct Run<'a, T, State, Work> {
    items: &'a [T],
    state: State,
    work: Work,
    stop: AtomicBool,
    /// The error of the first item that failed.
    first: Mutex<Option<(usize, anyhow::Error)>>,
}

impl<T: Sync, S, State, Work> Run<'_, T, State, Work>
where
    State: Fn() -> Result<S> + Sync,
    Work: Fn(&mut S, &T, &mut Lap) -> Result<()> + Sync,
{
    /// On the calling thread.
    fn alone(&self, lap: &mut Lap, indices: impl Iterator<Item = usize>) {
        let mut indices = indices;
        self.worker(lap, || indices.next());
    }

    /// On threads of their own.
    fn together(&self, lap: &mut Lap, workers: usize, queue: &impl HandOut) {
        let laps = lap.fork(workers);
        let laps = thread::scope(|scope| {
            let started: Vec<_> = laps
                .into_iter()
                .enumerate()
                .map(|(worker, mut lap)| {
                    thread::Builder::new().name(format!("worker {worker}")).spawn_scoped(scope, move || {
                        lap.mark(WAIT);
                        self.worker(&mut lap, || queue.next(worker));
                        lap
                    })
                })
                .collect();
            started.into_iter().filter_map(|thread| self.finished(thread)).collect()
        });
        lap.join(laps);
    }

    /// What one thread does: its state, then item after item, until there are no more or somebody failed.
    fn worker(&self, lap: &mut Lap, mut next: impl FnMut() -> Option<usize>) {
        // What concerns no item comes after all that does.
        let mut at = usize::MAX;
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let mut state = (self.state)()?;
            lap.mark(SETUP);
            while !self.stop.load(Ordering::Relaxed)
                && let Some(index) = next()
            {
                at = index;
                (self.work)(&mut state, &self.items[index], lap)?;
            }
            Ok(())
        }));
        let error = match worked {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => anyhow!("a worker panicked: {}", words(panic.as_ref())),
        };
        self.fail(at, error);
    }

    /// A thread's stopwatch, when it has ended; none where it never began.
    fn finished(&self, thread: std::io::Result<thread::ScopedJoinHandle<'_, Lap>>) -> Option<Lap> {
        let ended = thread
            .context("starting a worker: fewer may fit")
            .and_then(|thread| thread.join().map_err(|panic| anyhow!("a worker panicked: {}", words(panic.as_ref()))));
        ended.map_err(|error| self.fail(usize::MAX, error)).ok()
    }

    fn fail(&self, at: usize, error: anyhow::Error) {
        self.stop.store(true, Ordering::Relaxed);
        let mut first = self.first.lock().expect("nobody panics while holding it");
        if first.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
            *first = Some((at, error));
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
