//! The calls that a way or a row claims are those that the kernel sees: strace counts.
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

mod common;

use common::{again, odd_tree, site, unlock};
use rustix::fs::{Access, CWD, accessat};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;
use syscalls::{Attributes, WORKLOAD, Way};
use technique::load::clear_umask;
use technique::{Absent, Calls, Lap};

/// Names that nobody has; asking for them marks the trace.
const BEGIN: &str = "/assay-trace-begins";
const END: &str = "/assay-trace-ends";

#[test]
fn a_way_makes_exactly_the_calls_that_it_claims() {
    let Some(()) = strace() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (index, way) in Way::ALL.into_iter().enumerate() {
        for pieces in [0, 1, 3] {
            let task = format!("{index} {pieces} {}", dir.path().join(format!("{way:?}-{pieces}")).display());
            assert_eq!(traced("make_one_file", &task), counted(&way.calls(pieces)), "{way:?}, {pieces} pieces");
        }
    }
}

#[test]
#[ignore = "the test above starts it under strace"]
fn make_one_file() {
    let Ok(task) = std::env::var("ASSAY_TRACED") else { return };
    let words: Vec<&str> = task.splitn(3, ' ').collect();
    let way = Way::ALL[words[0].parse::<usize>().unwrap()];
    let pieces: usize = words[1].parse().unwrap();
    let attributes = Attributes { mode: 0o640, mtime: (1, 2), len: 5 * pieces as u64 };
    clear_umask();
    let mut lap = Lap::start(true);
    marked(|| {
        let mut sink = way.begin(CWD, Path::new(words[2]), &attributes, &mut lap).unwrap();
        for _ in 0..pieces {
            sink.write(b"piece", &mut lap).unwrap();
        }
        sink.write(b"", &mut lap).unwrap();
        sink.finish(&mut lap).unwrap();
    });
}

#[test]
fn a_row_makes_exactly_the_calls_that_it_claims() {
    let Some(()) = strace() else { return };
    for variant in WORKLOAD.variants {
        let place = odd_tree();
        let claimed = match variant.technique.prepare(&place.site) {
            Ok(ready) => ready.calls().unwrap(),
            Err(error) if error.downcast_ref::<Absent>().is_some() => {
                eprintln!("SKIPPED {}: {error}", variant.name);
                continue;
            }
            Err(error) => panic!("{error:#}"),
        };
        unlock(place.dir.path());
        std::fs::remove_dir_all(&place.site.target).unwrap();
        std::fs::create_dir(&place.site.target).unwrap();
        let task = format!("{} {}", variant.name, place.dir.path().display());
        assert_eq!(traced("work_a_row", &task), counted(&claimed), "{}", variant.name);
        unlock(place.dir.path());
    }
}

#[test]
#[ignore = "the test above starts it under strace"]
fn work_a_row() {
    let Ok(task) = std::env::var("ASSAY_TRACED") else { return };
    let (name, dir) = task.split_once(' ').unwrap();
    let mut ready = WORKLOAD.variant(name).unwrap().technique.prepare(&site(Path::new(dir))).unwrap();
    let mut lap = Lap::start(true);
    marked(|| ready.work(&mut lap).unwrap());
}

fn marked(work: impl FnOnce()) {
    accessat(CWD, BEGIN, Access::EXISTS, rustix::fs::AtFlags::empty()).unwrap_err();
    work();
    accessat(CWD, END, Access::EXISTS, rustix::fs::AtFlags::empty()).unwrap_err();
}

fn strace() -> Option<()> {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: strace cannot trace here: apt-get install strace, or allow ptrace");
    }
    works.then_some(())
}

/// What the marked stretch of a child's test called.
fn traced(test: &str, task: &str) -> BTreeMap<String, u64> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let child = again(&std::env::current_exe().unwrap(), test);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(log.path()).arg(child.get_program()).args(child.get_args());
    let told = strace.env("ASSAY_TRACED", task).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    count(&String::from_utf8_lossy(&std::fs::read(log.path()).unwrap()))
}

/// Counts the calls between the marks, by the thread that made the marks; its own memory is not the question.
fn count(log: &str) -> BTreeMap<String, u64> {
    let worker = log.lines().find(|line| line.contains(BEGIN)).unwrap().split_whitespace().next().unwrap();
    let lines = log.lines().filter(|line| line.split_whitespace().next() == Some(worker));
    let stretch = lines.skip_while(|line| !line.contains(BEGIN)).skip(1).take_while(|line| !line.contains(END));
    let mut counts = BTreeMap::new();
    let mut mappings = HashSet::new();
    for line in stretch {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let Some((name, rest)) = call.split_once('(') else { continue };
        let (given, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        let not_counted = match name {
            "mmap" if given.contains("MAP_SHARED") => !mappings.insert(result.to_owned()),
            "munmap" => !mappings.remove(given.split(',').next().unwrap()),
            "mmap" | "brk" | "mremap" | "madvise" => true,
            // Without optimisation, the standard library looks at each descriptor before it closes it.
            "fcntl" => cfg!(debug_assertions) && given.contains("F_GETFD"),
            // The rest of a call that another thread's interrupted.
            _ => name.starts_with('<'),
        };
        if !not_counted {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn counted(calls: &Calls) -> BTreeMap<String, u64> {
    calls.iter().map(|(name, count)| (name.to_owned(), count)).collect()
}
