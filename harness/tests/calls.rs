//! What a row says of its file system calls is what the kernel sees, call by call.
//!
//! `strace -f` watches a child that runs one sample. Only what stands between the start and the stop of the clock
//! counts: the harness asks for its processor time right before and right after, and nobody else does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::{Calls, Site};

/// File system calls that strace would show. Memory and scheduling are not part of any claim.
const WATCHED: &[&str] = &[
    "openat",
    "open",
    "creat",
    "close",
    "read",
    "pread64",
    "readv",
    "write",
    "pwrite64",
    "writev",
    "lseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "rename",
    "renameat",
    "renameat2",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "utimensat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "getdents64",
    "readlink",
    "readlinkat",
    "access",
    "faccessat",
    "faccessat2",
    "io_uring_enter",
];

#[test]
fn foretold_calls_are_those_that_strace_counts() {
    if technique::peer::find_program("strace").is_none() {
        return technique::absent::skip("strace", "no strace here: apt-get install strace");
    }
    let home = Home::new();
    let (_, made) = home.json(&["fixture", "make", "tiny"]);
    let source = PathBuf::from(made["dir"].as_str().unwrap());
    let tally: fixtures::Tally = serde_json::from_value(made["tally"].clone()).unwrap();
    let mut held = 0;
    for workload in harness::catalogue::WORKLOADS {
        for variant in workload.variants {
            let name = format!("{}/{}", workload.name, variant.name);
            let place = home.path(&name.replace('/', "-"));
            let target = place.join("target");
            std::fs::create_dir_all(&target).unwrap();
            // One directory for all rows of a workload, so that a store is packed once.
            let kept = home.path(&format!("kept-{}", workload.name));
            let site = Site::new(source.clone(), home.path("nowhere"), kept.clone(), tally);
            let Some(foretold) = foretold(variant, &site, &target) else { continue };
            let errand = harness::once::Errand {
                workload: workload.name.to_owned(),
                variant: variant.name.to_owned(),
                peer: None,
                pass: harness::once::Pass::Wall,
                cold: false,
                source: source.clone(),
                target,
                kept,
                tally,
            };
            let seen = seen(&errand, &place.join("strace"));
            let watched: BTreeMap<&str, u64> = seen
                .iter()
                .filter(|(call, _)| WATCHED.contains(&call.as_str()))
                .map(|(c, n)| (c.as_str(), *n))
                .collect();
            let foretold: BTreeMap<&str, u64> = foretold.iter().filter(|(call, _)| WATCHED.contains(call)).collect();
            assert_eq!(watched, foretold, "{name}: what the kernel saw, and what the row foretold");
            held += 1;
        }
    }
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
fn seen(errand: &harness::once::Errand, log: &Path) -> BTreeMap<String, u64> {
    let output = Command::new("strace")
        .args(["-f", "-y", "-o"])
        .arg(log)
        .arg(env!("CARGO_BIN_EXE_assay"))
        .args(["once", &serde_json::to_string(errand).unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", errand.variant, text(&output.stderr));
    let site = log.ancestors().nth(2).unwrap().to_str().unwrap();
    let log = text(&std::fs::read(log).unwrap());
    // Each line: the thread, then the call; a call that another thread interrupts goes on in a later line.
    let calls = log.lines().filter_map(|line| {
        let call = line.split_once(' ')?.1.trim_start();
        // Only what touches the site: the C library looks into /sys when a second thread first allocates.
        let ours = line.contains(site) || call.starts_with("io_uring_enter") || call.starts_with("getrusage");
        if !ours {
            return None;
        }
        (!call.starts_with("<...")).then(|| call.split('(').next().unwrap_or("").to_owned())
    });
    let asked = |call: &String| call == "getrusage";
    let all: Vec<String> = calls.collect();
    let marks: Vec<usize> = all.iter().enumerate().filter(|(_, call)| asked(call)).map(|(at, _)| at).collect();
    assert_eq!(marks.len(), 4, "the clock starts once and stops once: {}", errand.variant);
    let mut counts = BTreeMap::new();
    for call in &all[marks[1] + 1..marks[2]] {
        *counts.entry(call.clone()).or_default() += 1;
    }
    counts
}
