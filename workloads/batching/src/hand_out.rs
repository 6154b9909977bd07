//! Who gets which item: one queue for all, or a stretch for each with stealing.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Gives each index to one worker.
pub(crate) trait HandOut: Sync {
    /// The next index for that worker; none when there is nothing left to take.
    fn next(&self, worker: usize) -> Option<usize>;
}

/// All take from one counter.
pub(crate) struct OneQueue {
    next: AtomicUsize,
    len: usize,
}

impl OneQueue {
    pub(crate) fn new(len: usize) -> OneQueue {
        OneQueue { next: AtomicUsize::new(0), len }
    }
}

impl HandOut for OneQueue {
    fn next(&self, _worker: usize) -> Option<usize> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.len).then_some(index)
    }
}

/// What an item weighs besides its bytes: about as much as moving so many, for a small file.
const EACH: u64 = 16 << 10;

/// A stretch of indices for each worker, packed into one number so that taking and stealing are one exchange.
pub(crate) struct Ranges {
    owned: Vec<AtomicU64>,
    /// The weight of all items before each index, and of all of them at the end.
    before: Vec<u64>,
}

impl Ranges {
    /// Stretches of about equal weight, in order.
    pub(crate) fn new(sizes: impl Iterator<Item = u64>, workers: usize) -> Result<Ranges> {
        let mut before = vec![0];
        let mut sum: u64 = 0;
        for size in sizes {
            sum = sum.saturating_add(size).saturating_add(EACH);
            before.push(sum);
        }
        u32::try_from(before.len()).context("more items than this spread can count")?;
        let mut ranges = Ranges { owned: Vec::with_capacity(workers), before };
        let mut start = 0;
        for worker in 1..=workers {
            let share = u128::from(sum) * worker as u128 / workers as u128;
            let end = ranges.before.partition_point(|before| u128::from(*before) < share).max(start as usize);
            let end = if worker == workers { ranges.before.len() - 1 } else { end };
            let end = u32::try_from(end).expect("it was counted above");
            ranges.owned.push(AtomicU64::new(pack(start, end)));
            start = end;
        }
        Ok(ranges)
    }

    fn take(&self, worker: usize) -> Option<u32> {
        let owned = &self.owned[worker];
        let mut seen = owned.load(Ordering::Relaxed);
        loop {
            let (start, end) = unpack(seen);
            if start == end {
                return None;
            }
            match owned.compare_exchange_weak(seen, pack(start + 1, end), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(start),
                Err(now) => seen = now,
            }
        }
    }

    /// Moves the second half of the heaviest stretch here, and takes its first item. An empty stretch is its owner's
    /// alone to write: nobody steals from it.
    ///
    /// What another thief carries is seen by nobody meanwhile. That thief works through it, so nothing is lost.
    fn steal(&self, worker: usize) -> Option<u32> {
        loop {
            let (victim, seen) = self.heaviest()?;
            let (start, end) = unpack(seen);
            let middle = self.middle(start, end);
            let left = pack(start, middle);
            if self.owned[victim].compare_exchange(seen, left, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                self.owned[worker].store(pack(middle + 1, end), Ordering::Relaxed);
                return Some(middle);
            }
        }
    }

    fn heaviest(&self) -> Option<(usize, u64)> {
        let seen = self.owned.iter().map(|owned| owned.load(Ordering::Relaxed)).enumerate();
        let full = seen.filter(|(_, range)| {
            let (start, end) = unpack(*range);
            start < end
        });
        full.max_by_key(|(_, range)| self.weight(*range))
    }

    fn weight(&self, range: u64) -> u64 {
        let (start, end) = unpack(range);
        self.before[end as usize] - self.before[start as usize]
    }

    /// Where the second half by weight begins; at least one item lies in it.
    fn middle(&self, start: u32, end: u32) -> u32 {
        let stretch = &self.before[start as usize..end as usize];
        let half = stretch[0] + self.weight(pack(start, end)) / 2;
        let at = stretch.partition_point(|before| *before < half).min(stretch.len() - 1);
        start + u32::try_from(at).expect("a part of what was counted")
    }
}

impl HandOut for Ranges {
    fn next(&self, worker: usize) -> Option<usize> {
        self.take(worker).or_else(|| self.steal(worker)).map(|index| index as usize)
    }
}

fn pack(start: u32, end: u32) -> u64 {
    u64::from(start) << 32 | u64::from(end)
}

fn unpack(range: u64) -> (u32, u32) {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits were kept");
    (half(range >> 32), half(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(sizes: &[u64], workers: usize) -> Vec<(u32, u32)> {
        let ranges = Ranges::new(sizes.iter().copied(), workers).unwrap();
        ranges.owned.iter().map(|owned| unpack(owned.load(Ordering::Relaxed))).collect()
    }

    #[test]
    fn stretches_cover_all_and_weigh_alike() {
        assert_eq!(stretches(&[0; 9], 3), [(0, 3), (3, 6), (6, 9)]);
        assert_eq!(stretches(&[10 << 20, 0, 0, 0], 2), [(0, 1), (1, 4)]);
        assert_eq!(stretches(&[0, 0, 0, 10 << 20], 2), [(0, 4), (4, 4)]);
        assert_eq!(stretches(&[], 2), [(0, 0), (0, 0)]);
        assert_eq!(stretches(&[0], 3).iter().filter(|(start, end)| start < end).count(), 1);
        assert_eq!(stretches(&[u64::MAX, u64::MAX], 2).last().unwrap().1, 2);
    }

    #[test]
    fn a_thief_takes_the_second_half_of_the_heaviest_rest() {
        let ranges = Ranges::new([0; 12].into_iter(), 3).unwrap();
        assert_eq!((0..4).map(|_| ranges.next(2)).collect::<Vec<_>>(), [Some(8), Some(9), Some(10), Some(11)]);
        assert_eq!(ranges.next(0), Some(0));
        // The second has four left, the first three.
        assert_eq!(ranges.next(2), Some(6));
        assert_eq!(ranges.next(2), Some(7));
        // Now the first has the most.
        assert_eq!(ranges.next(2), Some(3));
    }

    #[test]
    fn the_last_item_of_another_can_be_stolen() {
        let ranges = Ranges::new([0; 2].into_iter(), 2).unwrap();
        assert_eq!((0..3).map(|_| ranges.next(1)).collect::<Vec<_>>(), [Some(1), Some(0), None]);
        assert_eq!(ranges.next(0), None);
    }
}
