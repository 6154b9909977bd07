//! Every row of the table leaves what it should, and what it should not leave is found out.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use fixtures::Tally;
use parity::WORKLOAD;
use serde_json::Value;
use std::path::Path;
use technique::{Absent, Lap, Promise, Promises, Site, Variant};

/// A site with a source of a few files, and nothing in the target yet.
fn site(dir: &Path) -> Site {
    let (source, target) = (dir.join("source"), dir.join("target"));
    std::fs::create_dir_all(&source).unwrap();
    std::fs::create_dir_all(&target).unwrap();
    for (name, length) in [("a", 1u32), ("b", 70_001), ("c", 0), ("d", 300_007)] {
        let bytes: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]).collect();
        std::fs::write(source.join(name), bytes).unwrap();
    }
    Site::new(source, target, dir.join("kept"), Tally { files: 4, bytes: 370_009, ..Tally::default() })
}

/// Runs a row; says what came out otherwise than it should, or that the row is absent.
fn run(variant: &Variant, site: &Site) -> Option<Vec<String>> {
    let mut ready = match variant.technique.prepare(site) {
        Ok(ready) => ready,
        Err(error) if error.is::<Absent>() => {
            let absent = error.downcast_ref::<Absent>().unwrap();
            let need = if absent.why.contains("ISA-L") { "isal" } else { "processor" };
            technique::absent::skip(need, &format!("{}: {absent}", variant.name));
            return None;
        }
        Err(error) => panic!("{}: {error:#}", variant.name),
    };
    let mut lap = Lap::start(true);
    ready.work(&mut lap).unwrap();
    assert!(!lap.stop().phases.is_empty(), "{} marks nothing", variant.name);
    ready.settle(site).unwrap();
    Some(differences(site, variant.technique.promises()))
}

fn differences(site: &Site, promises: Promises) -> Vec<String> {
    (WORKLOAD.expected)(site).unwrap().differences(&(WORKLOAD.outcome)(site).unwrap(), promises)
}

#[test]
fn every_row_leaves_what_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    for variant in WORKLOAD.variants {
        if let Some(differences) = run(variant, &site) {
            assert_eq!(differences, [""; 0], "{}", variant.name);
        }
    }
}

#[test]
fn what_a_row_should_not_leave_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    let made = site.target.join("made.json");
    for (name, field) in [
        ("encode-4+2-64k-tables", "/made/Parity/parity"),
        ("rebuild-4+2-64k-tables", "/made/Parity/data"),
        ("encode-4+2-64k-rs-simd", "/made/Parity/data"),
        ("copy-4+2-64k", "/made/Data"),
        ("read-4+2-64k", "/made/Sum"),
        ("zstd-1-64k", "/made/Data"),
        ("blake3-64k", "/made/Hashes/1/9/31"),
        ("copy-4+2-64k", "/stripes"),
    ] {
        let variant = WORKLOAD.variant(name).unwrap();
        assert_eq!(run(variant, &site).unwrap(), [""; 0], "{name}");
        let mut told: Value = serde_json::from_slice(&std::fs::read(&made).unwrap()).unwrap();
        let changed = told.pointer_mut(field).unwrap_or_else(|| panic!("{name} says nothing of {field}"));
        *changed = changed.as_u64().map_or_else(|| "another".into(), |number| (number ^ 1).into());
        std::fs::write(&made, told.to_string()).unwrap();
        assert_eq!(differences(&site, Promises::NONE).len(), 1, "{name}: {field} is not held against anything");
    }
}

/// A row that is compared with those that make parity makes some; what only moves or hashes bytes says that it does not.
#[test]
fn what_is_lost_comes_back_or_the_row_does_not_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    let claims = Promises::NONE.with(Promise::Recoverable);
    assert!(WORKLOAD.baseline().technique.promises().has(Promise::Recoverable));
    for (name, wanted) in [
        ("encode-4+2-64k-tables", true),
        ("rebuild-4+2-64k-tables", true),
        ("encode-4+2-64k-rs-simd", true),
        ("copy-4+2-64k", false),
        ("read-4+2-64k", false),
        ("blake3-64k", false),
        ("zstd-1-64k", false),
    ] {
        let variant = WORKLOAD.variant(name).unwrap();
        assert_eq!(variant.technique.promises().has(Promise::Recoverable), wanted, "{name}");
        assert_eq!(run(variant, &site).unwrap(), [""; 0], "{name}");
        assert_eq!(differences(&site, claims).is_empty(), wanted, "{name} is held to a promise that is not its own");
    }
}

/// Where shards are many, a transform's way there and everybody's way back stand in the table unasked.
#[test]
fn of_many_shards_every_way_back_is_shown() {
    let is_shown = |name: &str| !WORKLOAD.variant(name).unwrap_or_else(|| panic!("{name}")).aside;
    for name in ["gfni512", "fourier", "isal", "rs-simd"] {
        assert!(is_shown(&format!("rebuild-32+32-64k-{name}")), "{name}");
        assert_eq!(is_shown(&format!("rebuild-4+2-64k-{name}")), name == "gfni512", "{name}");
    }
}

#[test]
fn names_are_unique() {
    for (at, variant) in WORKLOAD.variants.iter().enumerate() {
        assert!(WORKLOAD.variants[..at].iter().all(|other| other.name != variant.name), "{}", variant.name);
    }
    assert!(WORKLOAD.variant(WORKLOAD.floor.unwrap()).is_some());
}
