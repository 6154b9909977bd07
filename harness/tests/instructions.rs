//! Instruction counts are the same on every run, whatever the directory's name and however much stands in the
//! environment.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../benches/callgrind/mod.rs"]
mod callgrind;

use callgrind::{Place, UNSTEADY, VALGRIND, uncounted};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use technique::absent::skip;
use technique::peer::find_program;

/// Cheap rows of one thread: memory alone, system calls, a hash map, C code, and buffers from the heap.
const STEADY: &[(&str, &str)] = &[
    ("codecs", "plain"),
    ("codecs", "zstd-3"),
    ("syscalls", "seven-calls"),
    ("syscalls", "direct"),
    ("batching", "dirs-on-demand"),
    ("buffers", "pooled"),
];

/// This program again, with another environment; where it shall write what it counted.
const AGAIN: &str = "ASSAY_TEST_COUNTS_INTO";

type Counts = BTreeMap<String, Vec<u64>>;

fn count(below: &Path, rows: &[(&str, &str)]) -> Counts {
    let place = Place::make(below, Path::new(env!("CARGO_BIN_EXE_assay"))).unwrap();
    let rows = rows.iter().map(|(workload, variant)| place.row(workload, variant).unwrap().unwrap());
    rows.map(|row| (row.to_string(), row.count().unwrap())).collect()
}

#[test]
fn neither_a_directory_nor_the_environment_changes_a_count() {
    let dir = tempfile::tempdir().unwrap();
    if let Some(into) = std::env::var_os(AGAIN) {
        let below = dir.path().join("a much longer name for a directory/that is deeper/too");
        return std::fs::write(into, serde_json::to_vec(&count(&below, STEADY)).unwrap()).unwrap();
    }
    if find_program("valgrind").is_none() {
        return skip("valgrind", VALGRIND.0);
    }
    let into = dir.path().join("counts.json");
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "neither_a_directory_nor_the_environment_changes_a_count"]).env(AGAIN, &into);
    let mut again = again.env("ASSAY_TEST_FILLER", "x".repeat(3333)).spawn().unwrap();
    let here = count(&dir.path().join("p"), STEADY);
    assert!(again.wait().unwrap().success());
    let there: Counts = serde_json::from_slice(&std::fs::read(into).unwrap()).unwrap();
    assert_eq!(here, there);
    for (row, threads) in &here {
        assert_eq!(threads.len(), 1, "{row} runs on one thread");
        assert!(threads[0] > 10_000, "{row} executes more than {} instructions", threads[0]);
    }
    assert!(here["syscalls/seven-calls"] > here["syscalls/direct"], "{here:?}");
    assert!(here["codecs/zstd-3"] > here["codecs/plain"], "{here:?}");
}

#[test]
fn workers_are_counted_beside_the_thread_that_waits_for_them() {
    if find_program("valgrind").is_none() {
        return skip("valgrind", VALGRIND.0);
    }
    let dir = tempfile::tempdir().unwrap();
    let counts = count(&dir.path().join("p"), &[("batching", "one-by-one"), ("batching", "workers-1")]);
    let (alone, worker) = (&counts["batching/one-by-one"], &counts["batching/workers-1"]);
    assert_eq!((alone.len(), worker.len()), (1, 2));
    assert!(worker[1] > alone[0] / 2, "the work is the worker's: {worker:?}, alone {alone:?}");
}

#[test]
fn what_valgrind_cannot_run_says_so() {
    if find_program("valgrind").is_none() {
        return skip("valgrind", VALGRIND.0);
    }
    let dir = tempfile::tempdir().unwrap();
    let place = Place::make(&dir.path().join("p"), Path::new(env!("CARGO_BIN_EXE_assay"))).unwrap();
    let absent = place.row("parity", "encode-4+2-64k-gfni512").unwrap().unwrap_err();
    assert!(absent.why.contains("lacks"), "{absent}");
    // Its own processor has these, whatever Valgrind shows.
    assert!(place.row("parity", "copy-4+2-64k").unwrap().is_ok());
}

#[test]
fn rows_that_are_known_to_be_unsteady_are_rows() {
    for (workload, variant, _) in UNSTEADY {
        harness::catalogue::variant_of(harness::catalogue::workload(workload).unwrap(), variant).unwrap();
    }
    let peers = harness::catalogue::workload("restore").unwrap().variants.iter().filter(|row| uncounted(row).is_some());
    let names: Vec<&str> = peers.map(|row| row.name).collect();
    assert!(names.contains(&"tar") && !names.contains(&"gzip"), "{names:?}");
}
