//! Sources of buffers: where a worker gets the buffer for its next copy.
//!
//! # What a fresh buffer costs
//!
//! `vec![0; n]` asks for zeroed memory, which is `calloc`. With glibc the price of that depends on what was freed
//! before:
//!
//! * Memory of at least `M_MMAP_THRESHOLD` (128 KiB at first) is mapped by the kernel and unmapped when freed. It is
//!   zero already, so `calloc` writes nothing: two system calls, and a page fault for each page that is ever touched.
//! * The threshold is dynamic. The first free of a mapped chunk of 256 KiB raises it to that size, and the size from
//!   which the heap gives memory back to twice that. From then on buffers of 256 KiB come from the heap, the same
//!   bytes each time. They are dirty, so `calloc` clears all of them: no system call and no fault, but a write of
//!   256 KiB whether or not anybody wants that many. Only what is fresh from the kernel at the heap's top is spared.
//!
//! So a program sees the first price once and the second one ever after, and an untouched fresh buffer is hardly
//! cheaper than a touched one: the allocator has touched it.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// How a worker gets its buffers: a knob in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// A new one each time, zeroed, and freed after use.
    Fresh,
    /// From a pool that all workers share under a lock.
    Pooled,
    /// From a slot that each thread has for itself.
    ThreadLocal,
    /// Each worker holds one and uses it again.
    Reused,
}

impl Buffers {
    /// A source of buffers of `size` bytes for all workers of a run.
    ///
    /// ```
    /// let source = buffers::Buffers::Pooled.source(256 << 10);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..2 {
    ///         scope.spawn(|| {
    ///             let mut tap = source.tap();
    ///             for _file in 0..10 {
    ///                 let mut buffer = tap.acquire();
    ///                 buffer[0] = 1;
    ///             }
    ///         });
    ///     }
    /// });
    /// ```
    pub fn source(self, size: usize) -> Source {
        Source { buffers: self, size, pool: Mutex::default() }
    }
}

/// Where the workers of a run get their buffers.
#[derive(Debug)]
pub struct Source {
    buffers: Buffers,
    size: usize,
    pool: Mutex<Vec<Box<[u8]>>>,
}

impl Source {
    /// One worker's access, for as long as it works.
    pub fn tap(&self) -> Tap<'_> {
        Tap { source: self, held: None }
    }

    fn fresh(&self) -> Box<[u8]> {
        // Nobody may conclude that the memory is not needed and leave it out.
        std::hint::black_box(vec![0; self.size]).into_boxed_slice()
    }

    fn pooled(&self) -> Option<Box<[u8]>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, bytes: Box<[u8]>) {
        // A buffer of another size would poison the pool: the check is one of the post-mortem's safety rules.
        if bytes.len() == self.size {
            self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

thread_local! {
    static SLOT: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// One worker's access to a source.
#[derive(Debug)]
pub struct Tap<'a> {
    source: &'a Source,
    held: Option<Box<[u8]>>,
}

impl Tap<'_> {
    /// A buffer, until it is dropped. What stands in it is what its last user left, or zero.
    pub fn acquire(&mut self) -> Buffer<'_> {
        let source = self.source;
        let (found, home) = match source.buffers {
            Buffers::Fresh => (None, Home::Nowhere),
            Buffers::Pooled => (source.pooled(), Home::Pool(source)),
            // Sources of several sizes share a thread's slot.
            Buffers::ThreadLocal => (SLOT.take().filter(|bytes| bytes.len() == source.size), Home::Thread),
            Buffers::Reused => (self.held.take(), Home::Worker(&mut self.held)),
        };
        Buffer { bytes: found.unwrap_or_else(|| source.fresh()), home }
    }
}

/// A buffer that returns to where it came from when it is dropped.
#[derive(Debug)]
pub struct Buffer<'a> {
    bytes: Box<[u8]>,
    home: Home<'a>,
}

#[derive(Debug)]
enum Home<'a> {
    Nowhere,
    Pool(&'a Source),
    Thread,
    Worker(&'a mut Option<Box<[u8]>>),
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        match &mut self.home {
            Home::Nowhere => drop(bytes),
            Home::Pool(source) => source.put_back(bytes),
            // A thread that is about to end has no slot any more, and its buffer is freed.
            Home::Thread => drop(SLOT.try_with(|slot| slot.set(Some(bytes)))),
            Home::Worker(held) => **held = Some(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Buffers; 4] = [Buffers::Fresh, Buffers::Pooled, Buffers::ThreadLocal, Buffers::Reused];

    #[test]
    fn every_buffer_has_its_size() {
        for buffers in ALL {
            for size in [0, 1, 4096, 256 << 10] {
                let source = buffers.source(size);
                let mut tap = source.tap();
                for _ in 0..3 {
                    assert_eq!(tap.acquire().len(), size, "{buffers:?}");
                }
            }
        }
    }

    #[test]
    fn fresh_buffers_are_zero_and_the_others_come_back_as_they_were_left() {
        for buffers in ALL {
            let source = buffers.source(5000);
            let mut tap = source.tap();
            tap.acquire()[4999] = 7;
            let left = if buffers == Buffers::Fresh { 0 } else { 7 };
            assert_eq!(tap.acquire()[4999], left, "{buffers:?}");
        }
    }

    #[test]
    fn a_pool_serves_all_workers_and_grows_no_larger_than_they_are_many() {
        let source = Buffers::Pooled.source(64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut tap = source.tap();
                    (0..1000).for_each(|_| tap.acquire()[0] = 1);
                });
            }
        });
        let pool = source.pool.lock().unwrap();
        assert!((1..=4).contains(&pool.len()));
        assert!(pool.iter().all(|bytes| bytes.len() == 64));
    }

    #[test]
    fn a_pool_takes_no_buffer_of_another_size() {
        let source = Buffers::Pooled.source(64);
        source.put_back(vec![0; 63].into_boxed_slice());
        assert!(source.pooled().is_none());
    }

    #[test]
    fn two_taps_of_one_thread_have_buffers_of_their_own() {
        for buffers in ALL {
            let source = buffers.source(64);
            let (mut one, mut other) = (source.tap(), source.tap());
            let (mut first, mut second) = (one.acquire(), other.acquire());
            first[0] = 1;
            second[0] = 2;
            assert_eq!((first[0], second[0]), (1, 2), "{buffers:?}");
        }
    }
}
