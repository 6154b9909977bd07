//! The counts pass sees what strace sees, and sees the same again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::strace::{Call, Rows, count, here, of_the_allocator, watch, watched};
use common::{text, tracefs};
use harness::once::{Answer, Errand, Pass};
use harness::probes::calls::CALLS;
use harness::probes::hold::Holder;
use harness::probes::traced::{Traced, trace_as};
use reports::record::{Counts, SystemCalls};
use std::collections::BTreeMap;
use std::process::Command;
use technique::absent::skip;

const ASSAY: &str = env!("CARGO_BIN_EXE_assay");

/// The calls between the two switches.
fn between(calls: &[Call]) -> BTreeMap<String, u64> {
    let switch = |word: &str| {
        let at: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].line.contains(word)).collect();
        assert_eq!(at.len(), 1, "{word}");
        at[0]
    };
    count(&calls[switch("PR_TASK_PERF_EVENTS_ENABLE") + 1..switch("PR_TASK_PERF_EVENTS_DISABLE")])
}

/// What was counted, and how many workers did it.
fn counts_of(answer: Answer) -> Option<(Counts, usize)> {
    match answer {
        Answer::Reading(reading) => Some((*reading.counts.unwrap(), reading.workers)),
        Answer::Absent { .. } => None,
        other => panic!("{other:?}"),
    }
}

/// Calls as the counts pass would tell them: named where they are told apart.
fn told(mut seen: BTreeMap<String, u64>, by: &str) -> SystemCalls {
    let all: u64 = seen.values().sum();
    seen.retain(|name, _| CALLS.iter().any(|(call, _)| call == name));
    let named: u64 = seen.values().sum();
    SystemCalls { by: by.to_owned(), by_name: seen, others: all - named }
}

fn rows() -> impl Iterator<Item = (&'static str, &'static technique::Variant)> {
    let rows = |workload: &'static technique::Workload| {
        workload.variants.iter().filter(|row| !row.aside).map(|row| (workload.name, row))
    };
    // How often a server is woken hangs on who is faster. What it is asked for, it counts itself: its own tests hold it.
    let alone =
        harness::catalogue::WORKLOADS.iter().filter(|workload| harness::catalogue::crate_of(workload) != "fuse");
    alone.flat_map(move |workload| rows(workload))
}

/// A scope waits for its threads' work, not for their end: what they do to end may fall before the switch or after it.
const AT_A_THREADS_END: &[&str] =
    &["exit", "futex", "madvise", "munmap", "rt_sigprocmask", "sched_yield", "sigaltstack"];

/// Both instruments watch the same run: not one call may differ, threads and other programs included.
#[test]
fn tracepoints_count_every_call_that_strace_sees_in_the_same_run() {
    if !here() {
        return skip("strace", "no strace here: apt-get install strace");
    }
    let Some(before) = tracefs::before() else { return skip("tracefs", tracefs::WHY) };
    let holder = Holder::start_as(tracefs::command(&before, ASSAY)).unwrap();
    let places = Rows::new();
    let mut held = 0;
    for (workload, row) in rows() {
        let errand = places.errand(workload, row.name, Pass::Counts);
        let log = places.place(workload, row.name).join("strace");
        let (answer, calls) = watch(&before, &errand, &log);
        let Some((counts, _)) = counts_of(answer) else { continue };
        let mut wanted = told(between(&calls), "tracepoints");
        let mut counted = counts.calls.present().unwrap().clone();
        if wanted.by_name.contains_key("clone3") {
            for calls in [&mut wanted, &mut counted] {
                calls.by_name.retain(|name, _| !AT_A_THREADS_END.contains(&name.as_str()));
                // And so do calls that are not told apart, of which the switch may hide or show one.
                calls.others = 0;
            }
        }
        assert_eq!(counted, wanted, "{workload}/{}", row.name);
        held += 1;
    }
    assert!(held > 30, "only {held} rows were held against strace");
    holder.wait().unwrap();
}

/// Two runs, one under each: file system calls are the same wherever they do not hang on who is faster.
#[test]
fn ptrace_counts_the_file_system_calls_that_strace_counts() {
    if !here() {
        return skip("strace", "no strace here: apt-get install strace");
    }
    let places = Rows::new();
    for (workload, row) in rows() {
        let errand = places.errand(workload, row.name, Pass::Counts);
        let counts = match trace_as(Command::new(ASSAY), &errand).unwrap() {
            Traced::Refused(why) => return skip("ptrace", &why),
            Traced::Answered(answer) => counts_of(answer),
        };
        let Some((counts, workers)) = counts else { continue };
        // Who finds which directory decides how often each worker asks and writes, who is slow decides which shard is
        // left away, how far a thread that reads ahead has come decides what it still asks for, and threads that wait
        // for a network wake each other by writing; the test above, where both watch the same run, holds these rows.
        let walks = workload == "walk"
            && (workers > 1 || ["-apart", "-plain", "-tuned"].iter().any(|end| row.name.ends_with(end)));
        let by_chance = ["put-hedged", "only-prefetch", "only-holotree"].contains(&row.name);
        if walks || by_chance || row.name.contains("-s3-") {
            continue;
        }
        let calls = counts.calls.present().unwrap();
        assert_eq!(calls.by, "ptrace");
        let errand = places.errand(workload, row.name, Pass::Wall);
        let (_, mut seen) = watch(&[], &errand, &places.place(workload, row.name).join("strace"));
        seen.retain(|call| !of_the_allocator(call));
        let marks: Vec<usize> = (0..seen.len()).filter(|at| seen[*at].name == "getrusage").collect();
        let seen = count(&seen[marks[1] + 1..marks[2]]);
        let (mut stopped, mut watching) = (watched(&calls.by_name), watched(&seen));
        if row.technique.type_name().ends_with("Peer") {
            // A pipe between two programs is read in as many pieces as it happens to hold.
            for pipe in ["read", "write"] {
                stopped.remove(pipe);
                watching.remove(pipe);
            }
        }
        if workers > 1 {
            // Two workers may want the same directory at once, and the later one asks in vain; and a worker that got
            // nothing to do has nothing to write.
            for call in ["mkdirat", "write", "pwrite64"] {
                stopped.remove(call);
                watching.remove(call);
            }
        }
        // The allocator's own files are known by name to strace alone: each is opened, read and closed.
        let own = stopped.get("openat").unwrap_or(&0) - watching.get("openat").unwrap_or(&0);
        for call in ["openat", "read", "close"] {
            stopped.entry(call).and_modify(|n| *n -= own);
        }
        stopped.retain(|_, count| *count > 0);
        assert!(own <= 4, "{workload}/{}: {own} files more than strace sees", row.name);
        assert_eq!(stopped, watching, "{workload}/{}", row.name);
    }
}

fn counted(before: &[String], errand: &Errand) -> Counts {
    let mut command = tracefs::command(before, ASSAY);
    let output = command.args(["once", &serde_json::to_string(errand).unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    counts_of(serde_json::from_slice(&output.stdout).unwrap()).unwrap().0
}

#[test]
fn twenty_repetitions_of_one_thread_count_the_same() {
    // Without tracepoints the same must be true of what ptrace counts.
    let before = tracefs::before().unwrap_or_else(|| vec!["env".to_owned()]);
    let holder = Holder::start_as(tracefs::command(&before, ASSAY)).unwrap();
    let places = Rows::new();
    let exact = ["allocations", "allocated_bytes", "bytes_read", "bytes_written"];
    for (workload, row) in [
        ("codecs", "gzip-6"),
        ("syscalls", "seven-calls"),
        ("buffers", "fresh"),
        ("restore", "gzip"),
        ("restore", "zstd"),
    ] {
        let once = || {
            let counts = counted(&before, &places.errand(workload, row, Pass::Counts));
            let calls = counts.calls.present().unwrap().clone();
            (calls, exact.map(|name| counts.number(name).unwrap()))
        };
        // What is kept is made once; a run that makes it leaves another heap behind.
        once();
        let first = once();
        for repetition in 1..20 {
            assert_eq!(once(), first, "{workload}/{row}, repetition {repetition}");
        }
    }
    holder.wait().unwrap();
}
