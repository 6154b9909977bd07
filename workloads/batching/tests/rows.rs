//! Every row makes the tree that the source is.
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

use batching::WORKLOAD;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use technique::phase::MKDIR;
use technique::{Lap, Site};

/// Files of all sizes and modes, in nested directories, one of them read-only and one empty; and a link.
fn odd_site(dir: &Path) -> Site {
    rustix::process::umask(rustix::fs::Mode::empty());
    let site = Site::new(dir.join("source"), dir.join("target"), dir.join("kept"), fixtures::Tally::default());
    let put = |path: &str, len: usize, mode: u32| {
        let path = site.source.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![b'x'; len]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000 + len as u64, 123_456_789);
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    for (path, len, mode) in [("empty", 0, 0o644), ("one", 1, 0o755), ("a/b/c/medium", 300 << 10, 0o600)] {
        put(path, len, mode);
    }
    for (path, len, mode) in [("a/b/large", 3 << 20, 0o4640), ("a/read-only", 77, 0o400), ("locked/in", 9, 0o644)] {
        put(path, len, mode);
    }
    for index in 0..100 {
        put(&format!("many/{}/{index}", index % 7), index * 13, 0o644);
    }
    fs::create_dir_all(site.source.join("nothing/at all")).unwrap();
    symlink("../one", site.source.join("a/link")).unwrap();
    fs::set_permissions(site.source.join("a/b"), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(site.source.join("locked"), Permissions::from_mode(0o555)).unwrap();
    fs::create_dir(&site.target).unwrap();
    site
}

#[test]
fn every_row_makes_an_equal_tree() {
    for variant in WORKLOAD.variants {
        let dir = tempfile::tempdir().unwrap();
        let site = odd_site(dir.path());
        let mut ready = variant.technique.prepare(&site).unwrap();
        let mut lap = Lap::start(true);
        ready.work(&mut lap).unwrap();
        let times = lap.stop();
        ready.settle(&site).unwrap();
        let expected = (WORKLOAD.expected)(&site).unwrap();
        let got = (WORKLOAD.outcome)(&site).unwrap();
        let different = expected.differences(&got, variant.technique.promises());
        assert!(different.is_empty(), "{}: {different:#?}", variant.name);
        let marked = times.phases.iter().any(|time| time.phase == MKDIR);
        assert_eq!(marked, variant.name.starts_with("dirs-"), "{}", variant.name);
        for locked in ["source/locked", "target/locked"] {
            fs::set_permissions(dir.path().join(locked), Permissions::from_mode(0o755)).unwrap();
        }
    }
}

#[test]
fn only_directories_change_what_is_called() {
    let calls = |name: &str| {
        let dir = tempfile::tempdir().unwrap();
        let site = odd_site(dir.path());
        let ready = WORKLOAD.variant(name).unwrap().technique.prepare(&site).unwrap();
        let calls = ready.calls().unwrap();
        for locked in ["source/locked", "target/locked"] {
            let locked = dir.path().join(locked);
            if locked.exists() {
                fs::set_permissions(locked, Permissions::from_mode(0o755)).unwrap();
            }
        }
        calls
    };
    let plain = calls("one-by-one");
    assert_eq!((plain.of("openat"), plain.of("write"), plain.of("utimensat")), (106, 104, 106));
    assert_eq!(plain.of("mkdirat"), 0);
    for name in ["batches-64", "up-to-200k", "workers-8", "stealing-8"] {
        assert_eq!(calls(name), plain, "{name}");
    }
    // a, a/b, a/b/c, locked, many with seven below, and two without files.
    assert_eq!(calls("dirs-up-front").of("mkdirat"), 4 + 8 + 2);
    // Of the 104 files that have a parent, one finds two levels missing, one finds one, and all others ask once.
    assert_eq!(calls("dirs-on-demand").of("mkdirat"), 104 + 4 + 2 + 2);
}

#[test]
fn a_file_in_the_way_is_named() {
    for name in ["one-by-one", "workers-4", "stealing-8", "dirs-on-demand"] {
        let dir = tempfile::tempdir().unwrap();
        let site = odd_site(dir.path());
        fs::write(site.target.join("one"), "mine").unwrap();
        let mut ready = WORKLOAD.variant(name).unwrap().technique.prepare(&site).unwrap();
        let error = format!("{:#}", ready.work(&mut Lap::start(true)).unwrap_err());
        assert!(error.contains(site.target.join("one").to_str().unwrap()), "{error}");
        assert_eq!(fs::read(site.target.join("one")).unwrap(), b"mine");
        fs::set_permissions(site.source.join("locked"), Permissions::from_mode(0o755)).unwrap();
    }
}
