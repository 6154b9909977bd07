//! To the call and to the byte: the instruments see what is done under the switch, all of it, and none of their own.
//! One test in a program of its own, for the allocator counts every thread of a process.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use anyhow::Result;
use common::{text, tracefs};
use harness::probes::Probes;
use harness::probes::hold::Holder;
use reports::record::Counts;
use std::collections::BTreeMap;
use technique::absent::skip;
use technique::{Calls, Lap, Prepared, Site};

/// Work that makes so many calls and so many allocations.
struct Work(fn());

impl Prepared for Work {
    fn work(&mut self, _: &mut Lap) -> Result<()> {
        (self.0)();
        Ok(())
    }
    fn settle(&mut self, _: &Site) -> Result<()> {
        Ok(())
    }
    fn calls(&self) -> Option<Calls> {
        None
    }
}

fn call(times: usize) {
    for _ in 0..times {
        std::hint::black_box(rustix::process::getppid());
    }
}

fn allocate(times: usize) {
    for _ in 0..times {
        std::hint::black_box(Vec::<u8>::with_capacity(100));
    }
}

fn counted(work: fn()) -> Counts {
    let reading = Probes::open().counting(&mut Work(work)).unwrap();
    *reading.counts.unwrap()
}

fn calls(counts: &Counts) -> (BTreeMap<String, u64>, u64) {
    let calls = counts.calls.present().unwrap();
    (calls.by_name.clone(), calls.others)
}

/// This program again, where it has tracepoints.
const AGAIN: &str = "ASSAY_TEST_HAS_TRACEPOINTS";

#[test]
fn what_is_done_under_the_switch_is_counted_exactly() {
    if std::env::var_os(AGAIN).is_some() {
        return check();
    }
    let Some(before) = tracefs::before() else { return skip("tracefs", tracefs::WHY) };
    let holder = Holder::start_as(tracefs::command(&before, env!("CARGO_BIN_EXE_assay"))).unwrap();
    let mut again = tracefs::command(&before, std::env::current_exe().unwrap());
    let output = again.arg("--nocapture").env(AGAIN, "1").output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    holder.wait().unwrap();
}

fn check() {
    let nothing = counted(|| {});
    assert_eq!(calls(&nothing), (BTreeMap::new(), 0), "the instruments count their own calls");
    for name in ["allocations", "allocated_bytes", "bytes_read", "bytes_written"] {
        assert_eq!(nothing.number(name), Some(0), "the instruments count their own {name}");
    }

    let some = counted(|| {
        call(7);
        allocate(3);
    });
    assert_eq!(calls(&some), (BTreeMap::from([("getppid".to_owned(), 7)]), 0));
    assert_eq!((some.number("allocations"), some.number("allocated_bytes")), (Some(3), Some(300)));

    let one_more = counted(|| {
        call(8);
        allocate(4);
        // Not among those that are told apart.
        std::hint::black_box(rustix::process::getpriority_process(None)).unwrap();
    });
    assert_eq!(calls(&one_more), (BTreeMap::from([("getppid".to_owned(), 8)]), 1));
    assert_eq!((one_more.number("allocations"), one_more.number("allocated_bytes")), (Some(4), Some(400)));

    let on_threads = counted(|| {
        // Joined, and not only waited for: a scope may end before its threads do.
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| call(5))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(calls(&on_threads).0["getppid"], 20);
    assert_eq!(calls(&on_threads).0["exit"], 4);

    let elsewhere = counted(|| {
        std::process::Command::new("true").status().unwrap();
    });
    assert_eq!(calls(&elsewhere).0["exit_group"], 1);
    assert_eq!(elsewhere.number("allocations"), None, "another program's allocations are not seen, and not zero");
    assert!(elsewhere.number("minor_faults").unwrap() > 0);
}
