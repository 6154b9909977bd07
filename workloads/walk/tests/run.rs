//! The walk as a tool: complete, atomic, honest about what it could not read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Place, differences};
use rustix::io::Errno;
use rustix::process::Uid;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use walk::{Format, Options, Seen, WORKLOAD, run};

fn go_on(_: Seen) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn names(place: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_walk_leaves_one_finished_file_and_replaces_an_old_one() {
    let place = Place::new();
    fs::create_dir_all(place.source().join("a/b")).unwrap();
    fs::write(place.source().join("a/b/c"), "c").unwrap();
    let out = place.path().join("out");
    fs::write(&out, "old").unwrap();
    let options = Options { format: Format::Paths, threads: Some(3), ..Options::default() };
    let error = run(&place.source(), &out, &options, &go_on).unwrap_err();
    assert!(format!("{error:#}").contains("exists already"), "{error:#}");
    assert_eq!(fs::read(&out).unwrap(), b"old");
    let options = Options { replace: true, ..options };
    let report = run(&place.source(), &out, &options, &go_on).unwrap();
    assert_eq!((report.entries, report.failed), (3, 0));
    assert_eq!(fs::read(&out).unwrap(), b"a\0a/b\0a/b/c\0");
    assert_eq!(names(place.path()), ["out", "source"]);
}

/// Whoever makes the file during the walk keeps it.
#[test]
fn a_file_that_appears_during_the_walk_stays_as_it_is() {
    let place = Place::new();
    fs::create_dir(place.source().join("a")).unwrap();
    let out = place.path().join("out");
    let appears = |_: Seen| {
        fs::write(&out, "mine").unwrap();
        ControlFlow::Continue(())
    };
    // The first word of progress may come after the end of so short a walk; then there is nothing to hold.
    for _ in 0..100 {
        let Err(error) = run(&place.source(), &out, &Options { sync: false, ..Options::default() }, &appears) else {
            fs::remove_file(&out).unwrap();
            continue;
        };
        assert!(format!("{error:#}").contains("naming"), "{error:#}");
        assert_eq!(fs::read(&out).unwrap(), b"mine");
        assert_eq!(names(place.path()), ["out", "source"]);
        return;
    }
    panic!("the file never appeared during the walk");
}

#[test]
fn what_a_killed_walk_left_stays_as_it_is() {
    let place = Place::new();
    place.source();
    let left = format!("out.{}.partial", std::process::id());
    fs::write(place.path().join(&left), "half").unwrap();
    run(&place.source(), &place.path().join("out"), &Options::default(), &go_on).unwrap();
    assert_eq!(names(place.path()), ["out".to_owned(), left.clone(), "source".to_owned()]);
    assert_eq!(fs::read(place.path().join(left)).unwrap(), b"half");
}

#[test]
fn a_walk_that_cannot_be_done_leaves_nothing() {
    let place = Place::new();
    let options = Options::default();
    let missing = place.path().join("missing");
    let error = run(&missing, &place.path().join("out"), &options, &go_on).unwrap_err();
    assert!(format!("{error:#}").contains("is it a directory"), "{error:#}");
    let error = run(&place.source(), &missing.join("out"), &options, &go_on).unwrap_err();
    assert!(format!("{error:#}").contains("missing"), "{error:#}");
    let error = run(&place.source(), place.path(), &options, &go_on).unwrap_err();
    assert!(format!("{error:#}").contains("name a file"), "{error:#}");
    assert_eq!(names(place.path()), ["source"]);
}

#[test]
fn a_walk_that_is_broken_off_leaves_nothing() {
    let place = Place::new();
    for nth in 0..2000 {
        fs::create_dir(place.source().join(nth.to_string())).unwrap();
    }
    let flat = place.source().join("flat");
    fs::create_dir(&flat).unwrap();
    (0..2000).for_each(|nth| fs::write(flat.join(nth.to_string()), "").unwrap());
    let stop = |_: Seen| ControlFlow::Break(());
    let error = run(&place.source(), &place.path().join("out"), &Options::default(), &stop).unwrap_err();
    assert!(format!("{error:#}").contains("broken off"), "{error:#}");
    assert_eq!(names(place.path()), ["source"]);
}

/// Rights belong to the thread, and those that it starts inherit them: so root can see what another would.
#[test]
fn what_may_not_be_read_is_told_and_not_fatal() {
    let place = Place::new();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for dir in ["open", "locked", "unlisted"] {
        fs::create_dir(place.source().join(dir)).unwrap();
        fs::write(place.source().join(dir).join("file"), "x").unwrap();
    }
    // One that nobody may read, and one whose names may be read but not looked at.
    fs::set_permissions(place.source().join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.source().join("unlisted"), fs::Permissions::from_mode(0o444)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::from_raw(65534), Uid::ROOT).unwrap();
    }
    let options = Options { format: Format::Paths, ..Options::default() };
    let report = run(&place.source(), &place.path().join("out"), &options, &go_on);
    let told: Vec<_> = WORKLOAD
        .variants
        .iter()
        .filter(|variant| {
            !["find", "bfs", "fd", "fd-asking", "du", "pwalk", "floor", "floor-1-thread", "names-only"]
                .contains(&variant.name)
        })
        // Another program has its own rights, and that user may not reach it where it was built.
        .filter(|variant| !["-apart", "-plain", "-tuned"].iter().any(|end| variant.name.ends_with(end)))
        .map(|variant| (variant.name, differences(variant, &place)))
        .collect();
    if root {
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).unwrap();
    }
    fs::set_permissions(place.source().join("locked"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(place.source().join("unlisted"), fs::Permissions::from_mode(0o700)).unwrap();
    let report = report.unwrap();
    assert_eq!((report.found, report.entries, report.failed, report.unlisted), (5, 4, 2, 1));
    let mut failures: Vec<_> = report.failures.iter().map(|it| (it.path.as_slice(), it.doing, it.errno)).collect();
    failures.sort_by_key(|it| it.0);
    let locked: &[u8] = b"locked";
    assert_eq!(failures, [(locked, "opening", Errno::ACCESS), (b"unlisted/file", "looking at", Errno::ACCESS)]);
    for (name, told) in told {
        if let Some(told) = told {
            assert_eq!(told, [""; 0], "{name}");
        }
    }
}

#[test]
fn a_tree_that_changes_during_the_walk_is_walked_and_what_stays_is_there() {
    let place = Place::new();
    for dir in 0..40 {
        let dir = place.source().join(format!("dir {dir}"));
        fs::create_dir(&dir).unwrap();
        (0..50).for_each(|nth| fs::write(dir.join(format!("stays {nth}")), "x").unwrap());
    }
    let (done, changes) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut nth = 0;
            while !done.load(Relaxed) {
                let dir = place.source().join(format!("dir {}", nth % 40));
                fs::write(dir.join("goes"), "y").unwrap();
                fs::create_dir(dir.join("goes too")).unwrap();
                fs::remove_file(dir.join("goes")).unwrap();
                fs::remove_dir(dir.join("goes too")).unwrap();
                nth += 7;
                changes.fetch_add(1, Relaxed);
            }
        });
        let out = place.path().join("out");
        let options =
            Options { format: Format::Paths, threads: Some(4), sync: false, replace: true, ..Options::default() };
        for _ in 0..100 {
            let report = run(&place.source(), &out, &options, &go_on).unwrap();
            let text = String::from_utf8(fs::read(&out).unwrap()).unwrap();
            let stays = text.split('\0').filter(|path| path.contains("/stays ")).count();
            assert_eq!(stays, 2000);
            assert_eq!(text.split('\0').count() as u64, report.entries + 1);
            assert_eq!(report.failed, report.failures.len() as u64);
            for failure in &report.failures {
                assert!(failure.path.windows(5).any(|part| part == b"/goes"), "{failure:?}");
                assert_eq!(failure.errno, Errno::NOENT);
            }
        }
        done.store(true, Relaxed);
    });
    assert!(changes.into_inner() > 10, "the tree did change");
}

#[test]
fn another_file_system_is_recorded_but_not_entered_where_that_is_asked() {
    // Every Linux has one mounted in another: /dev/shm or /dev/pts below /dev.
    let devices: Vec<u64> = ["/dev", "/dev/shm", "/dev/pts"]
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|meta| std::os::unix::fs::MetadataExt::dev(&meta))
        .collect();
    if devices.iter().all(|device| *device == devices[0]) {
        return technique::absent::skip("mounts", "nothing is mounted below /dev");
    }
    let place = Place::new();
    let out = place.path().join("out");
    let options = Options { format: Format::Paths, one_file_system: true, ..Options::default() };
    let report = run(Path::new("/dev"), &out, &options, &go_on).unwrap();
    assert!(report.not_entered > 0);
    let text = fs::read(&out).unwrap();
    let paths: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    for path in ["shm", "pts"] {
        let inside = [path.as_bytes(), b"/"].concat();
        assert!(paths.contains(&path.as_bytes()), "{path} itself is recorded");
        assert!(!paths.iter().any(|one| one.starts_with(&inside)), "{path} was entered");
    }
}
