//! Counters that say how far the work has come while it is going on, and what they cost those who do it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How a worker counts for all to see: a knob in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One counter under a lock, at each entry: the document's first way.
    LockEach,
    /// The same, but only where the low eight bits of the inode are zero: the document's second way. It counts about
    /// one entry of 256, and which ones hinges on how the file system numbers its inodes.
    LockByInode,
    /// The same, all 256 at each 256th entry of a worker.
    LockEach256,
    /// One atomic counter, at each entry.
    Atomic,
    /// One atomic counter, at each 256th entry of a worker.
    Atomic256,
    /// A counter a worker, each in a cache line of its own.
    Padded,
    /// A counter a worker, all in the same cache line.
    Crowded,
    /// No counter.
    Nothing,
}

/// The counters of one run.
///
/// ```
/// let counter = buffers::Counter::new(buffers::Progress::Atomic256, 2);
/// (1..=1000).for_each(|nth| counter.count(0, nth, 0));
/// assert_eq!(counter.seen(), 768);
/// counter.finish(1000);
/// assert_eq!(counter.seen(), 1000);
/// ```
#[derive(Debug)]
pub struct Counter {
    way: Progress,
    locked: Mutex<u64>,
    atomic: AtomicU64,
    padded: Vec<Padded>,
    crowded: Vec<Crowded>,
}

/// Two lines, for processors fetch them in pairs.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Padded(AtomicU64);

/// So many counters as fit one line.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Crowded([AtomicU64; CROWD]);

const CROWD: usize = 8;

impl Counter {
    /// Counters for that many workers.
    pub fn new(way: Progress, workers: usize) -> Counter {
        Counter {
            way,
            locked: Mutex::new(0),
            atomic: AtomicU64::new(0),
            padded: (0..workers).map(|_| Padded::default()).collect(),
            crowded: (0..workers.div_ceil(CROWD)).map(|_| Crowded::default()).collect(),
        }
    }

    /// Counts a worker's entry, its `nth`, the first being 1.
    #[inline]
    pub fn count(&self, worker: usize, nth: u64, inode: u64) {
        match self.way {
            Progress::LockEach => self.add_locked(1),
            Progress::LockByInode if inode.trailing_zeros() >= 8 => self.add_locked(1),
            Progress::LockEach256 if nth.is_multiple_of(256) => self.add_locked(256),
            Progress::Atomic => {
                self.atomic.fetch_add(1, Relaxed);
            }
            Progress::Atomic256 if nth.is_multiple_of(256) => {
                self.atomic.fetch_add(256, Relaxed);
            }
            // Only its own worker writes to it, so nothing is lost between the reading and the writing.
            Progress::Padded => self.padded[worker].0.store(nth, Relaxed),
            Progress::Crowded => self.crowded[worker / CROWD].0[worker % CROWD].store(nth, Relaxed),
            Progress::LockByInode | Progress::LockEach256 | Progress::Atomic256 | Progress::Nothing => {}
        }
    }

    /// Counts what a worker that has counted `all` entries still owes: what is counted in hundreds.
    pub fn finish(&self, all: u64) {
        match self.way {
            Progress::LockEach256 => self.add_locked(all % 256),
            Progress::Atomic256 => {
                self.atomic.fetch_add(all % 256, Relaxed);
            }
            // What goes without a counter is told once.
            Progress::Nothing => {
                self.atomic.fetch_add(all, Relaxed);
            }
            _ => {}
        }
    }

    fn add_locked(&self, entries: u64) {
        *self.locked.lock().expect("nobody panics while counting") += entries;
    }

    /// How many entries the counter has seen; what it counts in hundreds is behind by so many.
    pub fn seen(&self) -> u64 {
        match self.way {
            Progress::LockEach | Progress::LockByInode | Progress::LockEach256 => {
                *self.locked.lock().expect("nobody panics while counting")
            }
            Progress::Atomic | Progress::Atomic256 | Progress::Nothing => self.atomic.load(Relaxed),
            Progress::Padded => self.padded.iter().map(|one| one.0.load(Relaxed)).sum(),
            Progress::Crowded => self.crowded.iter().flat_map(|line| &line.0).map(|one| one.load(Relaxed)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_counters_lose_nothing_and_the_bit_test_sees_one_inode_of_256() {
        for (way, expected, finished) in [
            (Progress::LockEach, 2000, 2000),
            (Progress::Atomic, 2000, 2000),
            (Progress::Padded, 2000, 2000),
            (Progress::Crowded, 2000, 2000),
            (Progress::LockEach256, 2 * 768, 2000),
            (Progress::Atomic256, 2 * 768, 2000),
            (Progress::LockByInode, 2 * 3, 2 * 3),
            (Progress::Nothing, 0, 2000),
        ] {
            let counter = Counter::new(way, 2);
            std::thread::scope(|scope| {
                for worker in 0..2 {
                    let counter = &counter;
                    scope.spawn(move || (1..=1000).for_each(|nth| counter.count(worker, nth, nth)));
                }
            });
            assert_eq!(counter.seen(), expected, "{way:?}");
            (0..2).for_each(|_| counter.finish(1000));
            assert_eq!(counter.seen(), finished, "{way:?}");
        }
    }

    #[test]
    fn crowded_counters_share_lines_and_padded_ones_do_not() {
        let counter = Counter::new(Progress::Crowded, 9);
        let line = |at: usize| std::ptr::from_ref(&counter.crowded[at / CROWD].0[at % CROWD]) as usize / 64;
        assert!((1..8).all(|at| line(at) == line(0)) && line(8) != line(0));
        let place = |at: usize| std::ptr::from_ref(&counter.padded[at].0) as usize / 64;
        assert!((1..9).all(|at| place(at) != place(at - 1)));
    }
}
