//! What single rows do beside bringing the tree back: what they share, what they leave, what they ask of the kernel.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use fixtures::Tally;
use restore::WORKLOAD;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use technique::{Absent, Lap, Prepared, Promise, Site};

/// Many small files in a few directories, every fifth with the same contents.
fn site(dir: &Path, name: &str) -> Site {
    let source = dir.join("source");
    for at in 0..120 {
        let sub = source.join(format!("pkg{}/sub", at / 20));
        fs::create_dir_all(&sub).unwrap();
        let text = if at % 5 == 0 { "the same\n".repeat(300) } else { format!("file {at}\n").repeat(at * 20) };
        let path = sub.join(format!("f{at}.py"));
        fs::write(&path, text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
    let target = dir.join(name);
    fs::create_dir(&target).unwrap();
    Site::new(source, target, dir.join("kept"), Tally { files: 120, ..Tally::default() })
}

/// Runs a row, and holds what it left against the source; what it says of itself, or nothing where it cannot run.
fn run<T>(row: &str, site: &Site, ask: impl FnOnce(&dyn Prepared) -> T) -> Option<T> {
    let technique = WORKLOAD.variant(row).unwrap().technique;
    let mut prepared = match technique.prepare(site) {
        Ok(prepared) => prepared,
        Err(error) if error.is::<Absent>() => {
            technique::absent::skip(row, &error.to_string());
            return None;
        }
        Err(error) => panic!("{row}: {error:#}"),
    };
    prepared.work(&mut Lap::start(false)).unwrap();
    prepared.settle(site).unwrap();
    let (expected, got) = ((WORKLOAD.expected)(site).unwrap(), (WORKLOAD.outcome)(site).unwrap());
    assert_eq!(expected.differences(&got, technique.promises()), Vec::<String>::new(), "{row}");
    Some(ask(prepared.as_ref()))
}

#[test]
fn batches_ask_for_fewer_directories_and_up_front_for_fewest() {
    let dir = tempfile::tempdir().unwrap();
    let asked = |row: &str| {
        let site = site(dir.path(), row);
        run(row, &site, |prepared| prepared.calls().unwrap().of("mkdirat")).unwrap()
    };
    let (each, batches, up_front) = (asked("gzip"), asked("only-dir-batches"), asked("only-dirs-up-front"));
    assert!(up_front < batches && batches < each, "{each} {batches} {up_front}");
    // Six packages and as many directories in them.
    assert_eq!(up_front, 12);
    assert!(each >= 120);
}

#[test]
fn a_helper_that_opens_ahead_is_asked_for_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path(), "target");
    let counted = run("only-prefetch", &site, |prepared| prepared.counted()).unwrap();
    let [("prefetch_asked", asked), ("prefetch_hits", hits)] = counted[..] else { panic!("{counted:?}") };
    assert_eq!(asked, 120);
    assert!(hits <= asked);
}

#[test]
fn an_unpacked_store_is_shared_only_by_rows_that_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let one = Path::new("pkg0/sub/f1.py");
    for (row, names) in [("unpacked-links", true), ("unpacked-links-together", true), ("unpacked-copies", false)] {
        let site = site(dir.path(), row);
        let before = run(row, &site, |_| ()).map(|()| fs::metadata(site.target.join(one)).unwrap().nlink());
        assert_eq!(before.unwrap() > 1, names, "{row}");
        let independent = WORKLOAD.variant(row).unwrap().technique.promises().has(Promise::Independent);
        assert_eq!(independent, !names);
    }
    let site = site(dir.path(), "symlinks");
    run("unpacked-symlinks", &site, |_| ()).unwrap();
    let link = fs::read_link(site.target.join(one)).unwrap();
    assert!(link.starts_with(site.kept()), "{}", link.display());
    assert!(!WORKLOAD.variant("unpacked-symlinks").unwrap().technique.promises().has(Promise::Verified));
}

#[test]
fn duplicates_become_links_within_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path(), "target");
    run("best-symlinks", &site, |_| ()).unwrap();
    let link = fs::read_link(site.target.join("pkg1/sub/f25.py")).unwrap();
    assert_eq!(link, Path::new("../../pkg0/sub/f0.py"));
    // Where all moves, so do they.
    let moved = dir.path().join("moved");
    fs::rename(&site.target, &moved).unwrap();
    assert_eq!(fs::read(moved.join("pkg1/sub/f25.py")).unwrap(), "the same\n".repeat(300).into_bytes());
}

/// Many small files that have much in common: what they share is kept once.
#[test]
fn a_dictionary_makes_small_objects_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for at in 0..2000 {
        let lines: Vec<String> = (0..20).map(|line| format!("def step_{}(self, path={at}):", line * at % 97)).collect();
        let words = lines.join("\n");
        fs::write(source.join(format!("f{at}.py")), words).unwrap();
    }
    let packed = |form: &str| {
        let store = dir.path().join(form);
        let form = restore::Form::named(form).unwrap();
        restore::Store::pack(form, &source, &store, &restore::Watch::default()).unwrap().tally().packed
    };
    let (without, with) = (packed("loose-zstd-3-blake3"), packed("trained-zstd-3-blake3"));
    assert!(with * 10 < without * 9, "{with} and {without}");
    assert!(fs::metadata(dir.path().join("trained-zstd-3-blake3/dictionary")).unwrap().len() > 1000);
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    let site = Site::new(source, target, dir.path().join("kept"), Tally::default());
    run("best-loose-dictionary", &site, |_| ()).unwrap();
}

/// A hash of a block finds what a hash of each of its contents finds, and the contents then say which it was.
#[test]
fn damage_in_a_sealed_block_is_told_by_the_file_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for at in 0..9u8 {
        fs::write(source.join(format!("f{at}")), vec![at; 1000]).unwrap();
    }
    let new = |name: &str| {
        let target = dir.path().join(name);
        fs::create_dir(&target).unwrap();
        Site::new(source.clone(), target, dir.path().join("kept"), Tally::default())
    };
    let row = WORKLOAD.variant("best-not-packed").unwrap().technique;
    row.prepare(&new("first")).unwrap();
    let pack = dir.path().join("kept/sealed-256k-plain-blake3/pack");
    let whole = fs::read(&pack).unwrap();
    assert_eq!(whole.len(), 9000);
    for at in 0..9usize {
        let mut flipped = whole.clone();
        flipped[at * 1000 + 500] ^= 1;
        fs::write(&pack, &flipped).unwrap();
        let site = new(&format!("target{at}"));
        let told = row.prepare(&site).unwrap().work(&mut Lap::start(false)).unwrap_err().to_string();
        assert!(told.starts_with(&format!("f{at} is not restored")), "{told}");
        assert!(!site.target.join(format!("f{at}")).exists());
    }
}

#[test]
fn what_was_staged_in_memory_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path(), "target");
    let own = format!("assay-restore-{}-", std::process::id());
    let staged = || {
        let names = fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with(&own)).count()
    };
    let Some(there) = run("only-tmpfs-first", &site, |_| staged()) else { return };
    assert_eq!((there, staged()), (1, 0));
}

#[test]
fn durable_is_promised_by_rows_that_store_names_too_and_by_no_others() {
    for variant in WORKLOAD.variants {
        let durable = ["best-synced-once", "best-all-synced"].contains(&variant.name);
        assert_eq!(variant.technique.promises().has(Promise::Durable), durable, "{}", variant.name);
    }
    let dir = tempfile::tempdir().unwrap();
    for (row, files, directories, all) in [
        ("only-fsync", 120, 0, 0),
        ("best-files-synced", 120, 0, 0),
        ("best-all-synced", 120, 13, 0),
        ("best-synced-once", 0, 0, 1),
    ] {
        let calls = run(row, &site(dir.path(), row), |prepared| prepared.calls().unwrap()).unwrap();
        assert_eq!((calls.of("fsync"), calls.of("syncfs")), (files + directories, all), "{row}");
    }
}
