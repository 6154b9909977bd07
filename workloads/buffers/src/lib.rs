//! What does a fresh 256 KiB buffer cost, and does anyone notice?
//!
//! Somebody measured that a pooled buffer comes 3,180 times faster than a fresh one. Whether that matters hinges on
//! what is done with it: each way of getting a buffer stands here untouched, with its first 5 KiB touched as the copy
//! of a small file would, and with every page touched.
//!
//! Two more questions are about what several threads share when each of them writes records and counts them: one
//! writer or many, two writes a record or one for thousands, one counter or one a thread.

mod churn;
mod counter;
mod counting;
mod source;
mod writing;

pub use churn::SIZE;
pub use counter::{Counter, Progress};
pub use source::{Buffer, Buffers, Source, Tap};

use Buffers::{Fresh, Pooled, Reused, ThreadLocal};
use churn::Churn;
use counting::Counting;
use fixtures::Tally;
use technique::{Workload, variant};
use writing::{Way, Writing};

/// What the copy of a small file touches.
const USED: usize = 5 << 10;

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "buffers",
    question: "What does a fresh 256 KiB buffer cost, and does anyone notice?",
    fixtures: &["python-small", "tiny"],
    variants: &[
        variant("fresh", &Churn { buffers: Fresh, touched: 0 }, "a new zeroed buffer each time, never written to"),
        variant("fresh-used", &Churn { buffers: Fresh, touched: USED }, "a new one, 5 KiB of it touched"),
        variant("fresh-touched", &Churn { buffers: Fresh, touched: SIZE }, "a new one, every page touched"),
        variant("pooled", &Churn { buffers: Pooled, touched: 0 }, "one from a pool under a lock"),
        variant("pooled-used", &Churn { buffers: Pooled, touched: USED }, "one from a pool, 5 KiB of it touched"),
        variant("pooled-touched", &Churn { buffers: Pooled, touched: SIZE }, "one from a pool, every page touched"),
        variant("thread-local", &Churn { buffers: ThreadLocal, touched: 0 }, "the thread's own"),
        variant("thread-local-used", &Churn { buffers: ThreadLocal, touched: USED }, "the thread's own, 5 KiB touched"),
        variant(
            "thread-local-touched",
            &Churn { buffers: ThreadLocal, touched: SIZE },
            "the thread's own, all touched",
        ),
        variant("reused", &Churn { buffers: Reused, touched: 0 }, "the one that the worker holds"),
        variant("reused-used", &Churn { buffers: Reused, touched: USED }, "the one it holds, 5 KiB of it touched"),
        variant("reused-touched", &Churn { buffers: Reused, touched: SIZE }, "the one it holds, every page touched"),
    ],
    ladder: &[],
    floor: Some("reused"),
    expected: |site| Ok(churn::expected(site)),
    outcome: churn::outcome,
};

/// How many threads write or count at once: as many as the document has.
const THREADS: usize = 8;

/// The question what a lock, a call and a file of one's own cost those who write records, and the ways to answer it.
pub static WRITING: Workload = Workload {
    name: "buffers-writing",
    question: "What do a lock, a call and a file of one's own cost eight threads that write records?",
    fixtures: &["walk-small", "walk-tree", "tiny"],
    variants: &[
        variant(
            "one-writer-locked",
            &Writing { way: Way::LockedTwoWrites },
            "one file under a lock, two writes a record: as the document found it",
        ),
        variant("one-write-locked", &Writing { way: Way::LockedOneWrite }, "the same, one write a record"),
        variant("one-buffer-locked", &Writing { way: Way::LockedBuffer }, "one buffer of 1 MiB under the lock"),
        variant("one-writer-a-thread", &Writing { way: Way::OwnTwoWrites }, "a file a thread, two writes a record"),
        variant("one-write-a-thread", &Writing { way: Way::OwnOneWrite }, "a file a thread, one write a record"),
        variant("buffer-a-thread", &Writing { way: Way::OwnBuffer }, "a file and a buffer of 1 MiB a thread"),
        variant(
            "buffer-a-thread-one-file",
            &Writing { way: Way::Stretches },
            "a buffer a thread, each written to a stretch of one file",
        ),
    ],
    ladder: &["one-writer-locked", "one-writer-a-thread", "buffer-a-thread"],
    floor: None,
    expected: |site| Ok(writing::expected(site)),
    outcome: writing::outcome,
};

/// The question what it costs to count for all to see, and the ways to answer it.
pub static COUNTING: Workload = Workload {
    name: "buffers-counting",
    question: "What does a counter that all can see cost eight threads that count?",
    fixtures: &["walk-small", "walk-tree", "tiny"],
    variants: &[
        variant("counter-locked", &Counting { progress: Progress::LockEach }, "one counter under a lock, each time"),
        variant(
            "counter-each-256",
            &Counting { progress: Progress::LockEach256 },
            "the same, at each 256th of a thread",
        ),
        variant("counter-atomic", &Counting { progress: Progress::Atomic }, "one atomic counter, each time"),
        variant(
            "counter-atomic-each-256",
            &Counting { progress: Progress::Atomic256 },
            "one atomic counter, at each 256th of a thread",
        ),
        variant(
            "counter-crowded",
            &Counting { progress: Progress::Crowded },
            "a counter a thread, all in one cache line: false sharing",
        ),
        variant("counter-padded", &Counting { progress: Progress::Padded }, "a counter a thread, lines apart"),
        variant("counter-none", &Counting { progress: Progress::Nothing }, "none before the end: the loop itself"),
    ],
    ladder: &[],
    floor: Some("counter-none"),
    expected: |site| Ok(counting::expected(site)),
    outcome: counting::outcome,
};

/// How many entries a walk of the fixture meets.
fn entries(tally: &Tally) -> u64 {
    tally.files + tally.directories + tally.symlinks
}

/// How many of that many fall to one thread, where each takes every eighth.
fn share_of(all: u64, worker: usize) -> u64 {
    let threads = THREADS as u64;
    all / threads + u64::from((worker as u64) < all % threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use technique::{Lap, Promises, Site};

    fn check(workload: &Workload, files: u64) {
        for variant in workload.variants {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("target");
            std::fs::create_dir(&target).unwrap();
            let tally = Tally { files, directories: 3, symlinks: 2, ..Tally::default() };
            let site = Site::new(dir.path().join("source"), target, dir.path().join("kept"), tally);
            let mut ready = variant.technique.prepare(&site).unwrap();
            ready.work(&mut Lap::start(false)).unwrap();
            ready.settle(&site).unwrap();
            let (expected, got) = ((workload.expected)(&site).unwrap(), (workload.outcome)(&site).unwrap());
            assert_eq!(expected.differences(&got, Promises::NONE), [""; 0], "{} of {files} files", variant.name);
        }
    }

    #[test]
    fn every_row_serves_what_is_expected() {
        check(&WORKLOAD, 100);
    }

    /// More records than a buffer has room for, and fewer than there are threads.
    #[test]
    fn every_row_writes_each_record_once_and_counts_all() {
        for files in [0, 60_000] {
            check(&WRITING, files);
            check(&COUNTING, files);
        }
        assert_eq!((0..THREADS).map(|worker| share_of(13, worker)).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 1, 1, 1]);
    }
}
