//! Counters that say how far the work has come while it is going on, and what they cost those who do it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How a worker counts for all to see.
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
    /// A counter a worker, all in the same cache lines.
    Crowded,
    /// No counter.
    Nothing,
}

/// The counters of one walk.
pub(crate) struct Counter {
    way: Progress,
    locked: Mutex<u64>,
    atomic: AtomicU64,
    padded: Vec<Padded>,
    crowded: Vec<AtomicU64>,
}

/// Two lines, for processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Padded(AtomicU64);

impl Counter {
    pub(crate) fn new(way: Progress, workers: usize) -> Counter {
        Counter {
            way,
            locked: Mutex::new(0),
            atomic: AtomicU64::new(0),
            padded: (0..workers).map(|_| Padded::default()).collect(),
            crowded: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts a worker's entry, its `nth`.
    #[inline]
    pub(crate) fn count(&self, worker: usize, nth: u64, inode: u64) {
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
            Progress::Crowded => self.crowded[worker].store(nth, Relaxed),
            Progress::LockByInode | Progress::LockEach256 | Progress::Atomic256 | Progress::Nothing => {}
        }
    }

    fn add_locked(&self, entries: u64) {
        *self.locked.lock().expect("nobody panics while counting") += entries;
    }

    /// How many entries the counter has seen; what it counts in hundreds is behind by so many.
    pub(crate) fn seen(&self) -> u64 {
        match self.way {
            Progress::LockEach | Progress::LockByInode | Progress::LockEach256 => {
                *self.locked.lock().expect("nobody panics while counting")
            }
            Progress::Atomic | Progress::Atomic256 => self.atomic.load(Relaxed),
            Progress::Padded => self.padded.iter().map(|one| one.0.load(Relaxed)).sum(),
            Progress::Crowded => self.crowded.iter().map(|one| one.load(Relaxed)).sum(),
            Progress::Nothing => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_counters_lose_nothing_and_the_bit_test_sees_one_inode_of_256() {
        for (way, expected) in [
            (Progress::LockEach, 2000),
            (Progress::Atomic, 2000),
            (Progress::Padded, 2000),
            (Progress::Crowded, 2000),
            (Progress::LockEach256, 2 * 768),
            (Progress::Atomic256, 2 * 768),
            (Progress::LockByInode, 2 * 3),
            (Progress::Nothing, 0),
        ] {
            let counter = Counter::new(way, 2);
            std::thread::scope(|scope| {
                for worker in 0..2 {
                    let counter = &counter;
                    scope.spawn(move || (1..=1000).for_each(|nth| counter.count(worker, nth, nth)));
                }
            });
            assert_eq!(counter.seen(), expected, "{way:?}");
        }
    }
}
