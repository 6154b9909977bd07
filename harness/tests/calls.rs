//! What a row says of its file system calls is what the kernel sees, call by call.
//!
//! `strace -f` watches a child that runs one sample. Only what stands between the start and the stop of the clock
//! counts: the harness asks for its processor time right before and right after, and nobody else does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::strace::{Call, count, here, of_the_allocator, side_by_side, watch, watched};
use harness::once::{Errand, Pass};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use technique::{Calls, Site};

#[test]
fn foretold_calls_are_those_that_strace_counts() {
    if !here() {
        return technique::absent::skip("strace", "no strace here: apt-get install strace");
    }
    // Rows get ready in this program too, and some start the other one to serve them.
    fuse::COMMAND.get_or_init(|| vec![env!("CARGO_BIN_EXE_assay").into(), "serve-fuse".into()]);
    erasure::server::COMMAND.get_or_init(|| vec![env!("CARGO_BIN_EXE_assay").into(), "serve-row-s3".into()]);
    let rows = harness::catalogue::WORKLOADS.iter();
    let rows: Vec<_> = rows.flat_map(|workload| workload.variants.iter().map(|row| (workload.name, row))).collect();
    let held = AtomicUsize::new(0);
    side_by_side(&rows, |places, (workload, variant)| {
        let errand = places.errand(workload, variant.name, Pass::Wall);
        let Some(foretold) = foretold(variant, &errand.site(), &errand.target) else { return };
        let seen = seen(&errand, &places.place(workload, variant.name).join("strace"));
        let foretold = foretold.iter().map(|(call, n)| (call.to_owned(), n)).collect();
        let name = format!("{workload}/{}", variant.name);
        assert_eq!(watched(&seen), watched(&foretold), "{name}: what the kernel saw, and what the row foretold");
        held.fetch_add(1, Relaxed);
    });
    let held = held.into_inner();
    assert!(held > 20, "only {held} rows foretell their calls");
}

/// What the row foretells, once it is ready on that target. It is asked here and not in the child, on a target of its own.
fn foretold(variant: &technique::Variant, site: &Site, target: &Path) -> Option<Calls> {
    let other = target.with_file_name("asked");
    std::fs::create_dir_all(&other).unwrap();
    let site = Site::new(site.source.clone(), other, site.kept().to_owned(), site.tally);
    match variant.technique.prepare(&site) {
        Ok(prepared) => prepared.calls(),
        Err(error) if error.is::<technique::Absent>() => None,
        Err(error) => panic!("{}: {error:#}", variant.name),
    }
}

/// The calls under the clock, by name.
fn seen(errand: &Errand, log: &Path) -> BTreeMap<String, u64> {
    let (_, mut calls) = watch(&[], errand, log);
    calls.retain(|call| !of_the_allocator(call));
    let asked = |call: &Call| call.name == "getrusage";
    let marks: Vec<usize> = (0..calls.len()).filter(|at| asked(&calls[*at])).collect();
    assert_eq!(marks.len(), 4, "the clock starts once and stops once: {}", errand.variant);
    count(&calls[marks[1] + 1..marks[2]])
}
