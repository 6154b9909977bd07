//! What does a fresh 256 KiB buffer cost, and does anyone notice?
//!
//! Somebody measured that a pooled buffer comes 3,180 times faster than a fresh one. Whether that matters hinges on
//! what is done with it: each way of getting a buffer stands here untouched, with its first 5 KiB touched as the copy
//! of a small file would, and with every page touched.

mod churn;
mod source;

pub use churn::SIZE;
pub use source::{Buffer, Buffers, Source, Tap};

use Buffers::{Fresh, Pooled, Reused, ThreadLocal};
use churn::Churn;
use technique::{Workload, variant};

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

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::Tally;
    use technique::{Lap, Promises, Site};

    #[test]
    fn every_row_serves_what_is_expected() {
        for variant in WORKLOAD.variants {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("target");
            std::fs::create_dir(&target).unwrap();
            let tally = Tally { files: 100, ..Tally::default() };
            let site = Site::new(dir.path().join("source"), target, dir.path().join("kept"), tally);
            let mut ready = variant.technique.prepare(&site).unwrap();
            ready.work(&mut Lap::start(false)).unwrap();
            ready.settle(&site).unwrap();
            let (expected, got) = ((WORKLOAD.expected)(&site).unwrap(), (WORKLOAD.outcome)(&site).unwrap());
            assert_eq!(expected.differences(&got, Promises::NONE), [""; 0], "{}", variant.name);
        }
    }
}
