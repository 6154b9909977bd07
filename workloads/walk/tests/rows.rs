//! Every row finds every entry of every tree, or says what it could not reach.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Place, compared, deep, differences, nasty, walked};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use technique::Promise;
use walk::WORKLOAD;

/// Where names hold control characters: pwalk deletes them, and has no number on such a tree.
const DELETES: &[&str] = &["pwalk"];
/// Those that lose what lies too deep and end well all the same.
const SILENT: &[&str] = &["fd", "fd-asking", "pwalk"];

fn check(place: &Place, but: &[&str]) {
    let mut held = 0;
    for variant in WORKLOAD.variants.iter().filter(|variant| !but.contains(&variant.name)) {
        let Some(told) = differences(variant, place) else { continue };
        assert_eq!(told, [""; 0], "{}", variant.name);
        held += 1;
    }
    assert!(held > 50, "only {held} rows ran");
}

#[test]
fn every_row_agrees_on_a_tree_with_every_oddity_of_the_fixtures() {
    let place = Place::new();
    let recipe = fixtures::find("tiny").unwrap();
    fixtures::make(&recipe, &place.source(), &|_| ()).unwrap();
    check(&place, DELETES);
}

#[test]
fn every_row_agrees_on_names_types_sizes_and_times_that_break_careless_programs() {
    let place = Place::new();
    nasty(&place.source());
    check(&place, DELETES);
}

#[test]
fn every_row_agrees_on_devices() {
    let place = Place::new();
    for (name, kind) in [("block", FileType::BlockDevice), ("character", FileType::CharacterDevice)] {
        if let Err(errno) = mknodat(CWD, place.source().join(name), kind, Mode::RUSR, makedev(1, 3)) {
            return technique::absent::skip("root", &format!("only root may make devices: {errno}"));
        }
    }
    check(&place, &[]);
}

#[test]
fn every_row_agrees_on_an_empty_tree() {
    let place = Place::new();
    place.source();
    check(&place, &[]);
}

/// More than 4,096 entries, so that outcomes are digests, and one directory that fills several buffers.
#[test]
fn every_row_agrees_on_a_large_flat_directory() {
    let place = Place::new();
    let flat = place.source().join("flat");
    fs::create_dir(&flat).unwrap();
    for nth in 0..6000 {
        let name = flat.join(format!("an entry with a longish name {nth}"));
        if nth % 100 == 0 { fs::create_dir(name).unwrap() } else { fs::write(name, "x").unwrap() }
    }
    check(&place, &[]);
    let best = WORKLOAD.variant("best").unwrap();
    let site = walked(best, &place).unwrap();
    fs::rename(flat.join("an entry with a longish name 1"), flat.join("another")).unwrap();
    let told = compared(best, &site);
    assert!(told.len() >= 4 && told.iter().all(|line| line.contains("digest")), "{told:#?}");
}

/// The kernel takes no longer path than 4,095 bytes. Who names things by full path loses what is deeper, and must say so.
#[test]
fn what_lies_too_deep_for_a_path_is_found_or_its_loss_is_told() {
    let place = Place::new();
    deep(&place.source(), 60, 120);
    let mut found = Vec::new();
    for variant in WORKLOAD.variants {
        let Some(told) = differences(variant, &place) else { continue };
        if told.is_empty() {
            found.push(variant.name);
        } else if !SILENT.contains(&variant.name) {
            // jwalk loses the kernel's reason on the way, but not the failure.
            let reason = if variant.name == "jwalk" { "failure is" } else { "failure is File name too long" };
            let says = told.iter().any(|line| line.contains(reason));
            assert!(says, "{} loses entries without a word: {} differences", variant.name, told.len());
        }
    }
    for name in
        ["held", "stealing", "best", "best-csv", "best-uring-32", "best-by-inode", "best-parquet", "floor", "find"]
    {
        assert!(found.contains(&name), "{name} is not among {found:?}");
    }
    assert!(!found.contains(&"one-lock") && !found.contains(&"walkdir"));
}

/// Two thousand levels, a hole of 5 GiB, devices, a directory that only root may enter: the recipe has all at once.
#[test]
fn who_goes_by_open_directories_records_the_whole_of_the_nasty_fixture() {
    if !rustix::process::geteuid().is_root() {
        return technique::absent::skip("root", "find and the floor end where they may not enter");
    }
    let place = Place::new();
    let recipe = fixtures::find("walk-nasty").unwrap();
    fixtures::make(&recipe, &place.source(), &|_| ()).unwrap();
    let mut held = 0;
    for name in ["held", "best", "best-parquet", "best-csv", "best-by-inode", "find", "bfs", "du", "floor"] {
        let Some(told) = differences(WORKLOAD.variant(name).unwrap(), &place) else { continue };
        assert_eq!(told, [""; 0], "{name}");
        held += 1;
    }
    assert!(held >= 6, "only {held} rows ran");
    for name in ["one-lock", "best-by-path", "walkdir", "ignore", "rayon"] {
        let told = differences(WORKLOAD.variant(name).unwrap(), &place).unwrap();
        assert!(told.iter().any(|line| line.contains("failure is File name too long")), "{name}: {told:#?}");
    }
}

/// What is done to the tree, and who has to notice; none means every row.
type Change<'c> = (Option<Promise>, &'c dyn Fn(&Path));

/// The yardstick sees what a row promises, and nothing else: here the tree changes after the row has walked it.
#[test]
fn each_difference_is_told_to_those_rows_that_promise_to_know() {
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let set = |path: &Path, time| File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    let changes: [Change<'_>; 6] = [
        (None, &|root| fs::write(root.join("new"), "").unwrap()),
        (Some(Promise::Named), &|root| fs::rename(root.join("file"), root.join("elif")).unwrap()),
        (Some(Promise::Described), &|root| set(&root.join("file"), second + Duration::from_secs(9))),
        (Some(Promise::Whole), &|root| {
            fs::set_permissions(root.join("file"), Permissions::from_mode(0o611)).unwrap();
        }),
        // 28 bytes hold a time modulo 2^32 seconds.
        (Some(Promise::Whole), &|root| set(&root.join("file"), second + Duration::from_secs(1 << 32))),
        (Some(Promise::TimesKept), &|root| set(&root.join("file"), second + Duration::from_nanos(5))),
    ];
    let mut held = [0; 2];
    for variant in WORKLOAD.variants {
        for (nth, (promise, change)) in changes.iter().enumerate() {
            let place = Place::new();
            fs::write(place.source().join("file"), "some bytes").unwrap();
            set(&place.source().join("file"), second);
            let Some(site) = walked(variant, &place) else { continue };
            change(&site.source);
            let told = compared(variant, &site);
            let promises = promise.is_none_or(|promise| variant.technique.promises().has(promise));
            assert_eq!(!told.is_empty(), promises, "{}, change {nth}: {told:#?}", variant.name);
            held[usize::from(promises)] += 1;
        }
    }
    assert!(held.iter().all(|count| *count > 20), "{held:?}");
}
