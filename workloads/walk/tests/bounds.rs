//! What a walk holds does not grow with the tree: memory and descriptors. Alone in its process, for both are the
//! process's own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Place, deep};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, File};
use std::ops::ControlFlow;
use walk::{Format, Options, run};

/// The most memory that this process has held, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_and_descriptors_are_bounded() {
    // Two thousand deep, three thousand wide, and not sixty descriptors for it.
    let place = Place::in_memory();
    deep(&place.source(), 2000, 4);
    for nth in 0..3000 {
        fs::create_dir(place.source().join(nth.to_string())).unwrap();
    }
    // Directories that lie in each other, each large enough to be shared.
    let mut large = place.source().join("large");
    for _ in 0..80 {
        fs::create_dir(&large).unwrap();
        (0..600).for_each(|nth| drop(File::create(large.join(format!("{nth:0>60}"))).unwrap()));
        large.push("l");
    }
    let limit = getrlimit(Resource::Nofile);
    let out = place.path().join("out");
    let options = Options { sync: false, replace: true, ..Options::default() };
    // The soft limit is raised where the hard one lets it, and then all threads fit; else as many as do.
    for (hard, asked, fit) in [(limit.maximum, 40, 40..41), (Some(60), 8, 8..9), (Some(60), 256, 2..18)] {
        setrlimit(Resource::Nofile, Rlimit { current: Some(60), maximum: hard }).unwrap();
        let options = Options { threads: Some(asked), ..options };
        let report = run(&place.source(), &out, &options, &|_| ControlFlow::Continue(())).unwrap();
        assert_eq!((report.entries, report.failures), (7000 + 80 * 601, Vec::new()));
        assert!(fit.contains(&report.threads), "{} of {asked} threads", report.threads);
    }
    // Root may raise it again; for others what follows opens few files.
    let _ = setrlimit(Resource::Nofile, limit);

    // One directory whose records fill 15 MB, and not half of that held.
    let place = Place::in_memory();
    let one = place.path().join("one");
    File::create(&one).unwrap();
    for nth in 0..200_000 {
        // A link is cheaper to make than a file; a file has so many names on few file systems.
        let name = place.source().join(format!("a name of some length {nth:08}"));
        std::os::unix::fs::symlink("one", name).unwrap();
    }
    let before = peak();
    let out = place.path().join("out");
    let options = Options { threads: Some(2), ..options };
    let report = run(&place.source(), &out, &options, &|_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.entries, report.failed), (200_000, 0));
    let written = fs::metadata(&out).unwrap().len() / 1024;
    let grown = peak() - before;
    assert!(written > 14_000 && grown < written / 2, "{grown} KiB more for {written} KiB written");

    // The same for columns: a row group at a time.
    let place = Place::in_memory();
    fs::create_dir(place.source().join("longer names")).unwrap();
    for nth in 0..120_000 {
        std::os::unix::fs::symlink("one", place.source().join("longer names").join(format!("{nth:0>220}"))).unwrap();
    }
    let before = peak();
    let out = place.path().join("out");
    let options = Options { threads: Some(1), format: Format::Parquet, ..options };
    let report = run(&place.source(), &out, &options, &|_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.entries, report.failed), (120_001, 0));
    let written = fs::metadata(&out).unwrap().len() / 1024;
    let grown = peak() - before;
    assert!(written > 28_000 && grown < 13_000, "{grown} KiB more for {written} KiB written");
}
