//! Two million files in bounded memory: `just walk-bound`. It makes them in memory, where there is some.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;
use std::fs;
use std::ops::ControlFlow;
use walk::{Format, Options, run};

/// What the walk may hold beside what the process held before: a thread's buffers, and what waits to be listed. The
/// records themselves fill 20 times as much.
const BOUND: u64 = 16 << 20;

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|one: char| !one.is_ascii_digit()).parse::<u64>().unwrap() << 10
}

#[test]
#[ignore = "makes two million files, which takes a minute and 2 GiB: just walk-bound"]
fn two_million_files_take_no_more_memory_than_the_help_says() {
    let place = Place::in_memory();
    let recipe = fixtures::find("walk-tree@5").unwrap();
    fixtures::make(&recipe, &place.source(), &|_| ()).unwrap();
    for (nth, format) in [Format::Parented, Format::Csv].into_iter().enumerate() {
        let out = place.path().join(format!("out {nth}"));
        let options = Options { threads: Some(4), format, sync: false, ..Options::default() };
        // The kernel forgets the old peak.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = status("VmRSS:");
        let report = run(&place.source(), &out, &options, &|_| ControlFlow::Continue(())).unwrap();
        let grown = status("VmHWM:").saturating_sub(before);
        let written = fs::metadata(&out).unwrap().len();
        eprintln!("{format:?}: {} entries, {written} bytes written, {grown} bytes held", report.entries);
        assert!(report.entries > 2_000_000 && report.failed == 0 && report.adds_up());
        assert!(grown < BOUND && written > 8 * BOUND, "{grown} bytes held for {written} bytes written");
    }
}
