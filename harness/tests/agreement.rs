//! Every row of every workload, through the program itself, comes to the same outcome; what is absent says why.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, gone, text};
use harness::catalogue::WORKLOADS;
use harness::probes::hold::Holder;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use technique::Workload;

/// No clock matters here, so several workloads run at once, and none waits for a quiet machine. The tracepoints stay in
/// place meanwhile: else each run would have to wait for seconds until the kernel has taken them away.
#[test]
fn every_row_of_every_workload_comes_out_right() {
    let mut holder = Holder::start_as(Command::new(env!("CARGO_BIN_EXE_assay"))).unwrap();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                // Jobs have the most rows; they stand last and come first.
                while let Some(workload) = WORKLOADS.iter().rev().nth(next.fetch_add(1, Relaxed)) {
                    check(workload);
                }
            });
        }
    });
    holder.let_go();
}

fn check(workload: &Workload) {
    let home = Home::new();
    let scratch = home.scratch();
    let words = ["run", workload.name, "--on", "tiny", "--rounds", "1", "--wait", "0s", "--scratch", &scratch];
    let (code, document) = home.json(&[&words[..], &["--no-progress"]].concat());
    assert_eq!(code, 0, "{document:#}");
    assert!(gone(&scratch), "{}: the scratch place stays empty of us", workload.name);
    let summary = &document["workloads"][0];
    assert_eq!(summary["workload"], workload.name);
    // Rows that stand aside are held by the tests of their own crate.
    for variant in workload.variants.iter().filter(|variant| !variant.aside) {
        if variant.stub.is_some() {
            let ceilings = summary["ceilings"].as_array().unwrap();
            assert!(ceilings.iter().any(|one| one["stub"] == variant.name), "{}/{}", workload.name, variant.name);
            continue;
        }
        let row = summary["rows"].as_array().unwrap().iter().find(|row| row["name"] == variant.name);
        let Some(row) = row else {
            let without = summary["without"].as_array().unwrap();
            let why = without.iter().find(|one| one["name"] == variant.name).expect("a row or a reason");
            technique::absent::skip(variant.name, why["why"].as_str().unwrap());
            continue;
        };
        let named = row["named"].as_f64().unwrap();
        assert!(named > 0.5 && named <= 1.0, "{}/{}: {named}", workload.name, variant.name);
        let phases = row["phases"].as_array().unwrap();
        let sum: f64 = phases.iter().map(|phase| phase[1].as_f64().unwrap()).sum();
        let whole = row["us_per_file"]["mid"].as_f64().unwrap();
        assert!((sum / whole - 1.0).abs() < 0.01, "{}/{}: {sum} of {whole}", workload.name, variant.name);
    }
    let shown = text(&home.run(&["show"]).stdout);
    assert!(shown.contains("where the time goes"), "{}: {shown}", workload.name);
}
