//! Every row makes the tree that the source is.
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

mod common;

use common::{again, names, odd_tree, run, unlock};
use std::fs;
use std::os::unix::process::CommandExt;
use syscalls::WORKLOAD;
use technique::phase::REST;

/// Set for the child that runs as another user.
const NOBODY: &str = "ASSAY_AS_NOBODY";

#[test]
fn every_row_makes_an_equal_tree() {
    for variant in WORKLOAD.variants {
        let place = odd_tree();
        let Some((times, promises)) = run(variant, &place.site) else { continue };
        let expected = (WORKLOAD.expected)(&place.site).unwrap();
        let got = (WORKLOAD.outcome)(&place.site).unwrap();
        let different = expected.differences(&got, promises);
        assert!(different.is_empty(), "{}: {different:#?}", variant.name);
        assert_eq!(names(&place.site.source), names(&place.site.target), "{}", variant.name);
        let unnamed = times.phases.iter().find(|time| time.phase == REST).map_or(0.0, |time| time.wall_ns);
        assert!(times.phases.len() > 1 && unnamed < times.wall.as_nanos() as f64, "{}", variant.name);
        unlock(place.dir.path());
    }
}

/// The same as another user, when the tests run as root: then modes mean something.
#[test]
fn every_row_makes_an_equal_tree_for_those_who_are_not_root() {
    if !rustix::process::geteuid().is_root() {
        return; // The test above did so.
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let program = dir.path().join("rows");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut child = again(&program, "as_nobody");
    let told = child
        .env(NOBODY, "")
        .env("TMPDIR", dir.path())
        .current_dir(dir.path())
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{}{stderr}", String::from_utf8_lossy(&told.stdout));
    eprint!("{stderr}");
}

#[test]
#[ignore = "the test above starts it as another user"]
fn as_nobody() {
    if std::env::var_os(NOBODY).is_none() {
        return;
    }
    assert!(!rustix::process::geteuid().is_root());
    every_row_makes_an_equal_tree();
}

#[test]
fn names_are_unique_and_the_floor_is_a_row() {
    for (index, variant) in WORKLOAD.variants.iter().enumerate() {
        assert!(WORKLOAD.variants[..index].iter().all(|other| other.name != variant.name));
    }
    assert!(WORKLOAD.variant(WORKLOAD.floor.unwrap()).is_some());
    assert_eq!(WORKLOAD.baseline().name, "seven-calls");
}
