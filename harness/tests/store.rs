//! Stores as a user meets them: packed, verified, brought back; nothing overwritten, nothing half made left behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn tree(dir: &Path, files: usize, size: usize) {
    for at in 0..files {
        let sub = dir.join(format!("d{}", at % 17));
        fs::create_dir_all(&sub).unwrap();
        let noise: Vec<u8> = (0..size).map(|byte| ((byte * 31 + at * 7) ^ (byte >> 3)).to_le_bytes()[0]).collect();
        fs::write(sub.join(format!("f{at}")), noise).unwrap();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_comes_back_by_every_row_that_reads_its_store() {
    let home = Home::new();
    tree(&home.path("tree"), 60, 3000);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let (code, packed) = home.json(&["store", "pack", &path("tree"), "-o", &path("store")]);
    assert_eq!(
        (code, &packed["holds"]["files"], &packed["schema"]),
        (0, &60.into(), &"assay.store/1".into()),
        "{packed}"
    );
    assert_eq!(home.json(&["store", "verify", &path("store")]).0, 0);
    for (row, to) in [(None, "a"), (Some("best-uring"), "b"), (Some("hardlinks"), "c"), (Some("best-atomic"), "d")] {
        let (store, to) = (path("store"), path(to));
        let mut words = vec!["store", "restore", &store, &to];
        words.extend(row.into_iter().flat_map(|row| ["--technique", row]));
        let (code, document) = home.json(&words);
        assert_eq!(code, 0, "{document}");
        let (was, _) = fixtures::tree::digest(&home.path("tree")).unwrap();
        let (is, _) = fixtures::tree::digest(Path::new(&to)).unwrap();
        assert_eq!(was, is, "{row:?}");
    }
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &path("loose"), "--for", "zstd"]).0, 0);
    let (code, document) = home.json(&["store", "restore", &path("loose"), &path("e")]);
    assert_eq!((code, &document["row"]), (0, &"zstd".into()), "{document}");
    let (code, document) = home.json(&["store", "fetch", &path("store"), "d3/f3", "-o", &path("one")]);
    assert_eq!((code, &document["bytes"]), (0, &3000.into()), "{document}");
    assert_eq!(fs::read(home.path("one")).unwrap(), fs::read(home.path("tree/d3/f3")).unwrap());
    let left: Vec<String> = names(home.dir.path()).into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_done_says_why_and_harms_nothing() {
    let home = Home::new();
    tree(&home.path("tree"), 5, 100);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &path("store")]).0, 0);
    fs::create_dir(home.path("full")).unwrap();
    fs::write(home.path("full/mine"), "mine").unwrap();
    fs::create_dir(home.path("broken")).unwrap();
    let (tree, store, full, broken, nowhere, new) =
        (path("tree"), path("store"), path("full"), path("broken"), path("no/where"), path("new"));
    for (words, code, told) in [
        (vec!["pack", &nowhere, "-o", &new], 2, "is no directory"),
        (vec!["pack", &tree, "-o", &store], 2, "nothing is overwritten"),
        (vec!["pack", &tree, "-o", &nowhere], 2, "mkdir -p"),
        (vec!["pack", &tree, "-o", &new, "--for", "bset"], 2, "did you mean \"best\""),
        (vec!["pack", &tree, "-o", &new, "--for", "tar-zstd"], 2, "works on no store"),
        (vec!["restore", &store, &full], 2, "is not empty"),
        (vec!["restore", &store, &tree], 2, "is not empty"),
        (vec!["restore", &store, &new, "--technique", "gzip"], 2, "rows that read it: best, hardlinks, best-atomic"),
        (vec!["restore", &broken, &new], 6, "cannot be opened as a store"),
        (vec!["verify", &nowhere], 6, "cannot be opened as a store"),
        (vec!["fetch", &store, "no/such", "-o", &new], 2, "holds no file no/such"),
        (vec!["fetch", &store, "d3/f3", "-o", &full], 2, "nothing is overwritten"),
    ] {
        let output = home.run(&[&["store"], &words[..]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(told), "{words:?}: {said}");
    }
    assert_eq!(names(&home.path("full")), ["mine"]);
    assert!(!home.path("new").exists());
    // A device cannot be packed, and the store does not come to be.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path("tree/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let output = home.run(&["store", "pack", &tree, "-o", &new]);
    assert!(!output.status.success() && text(&output.stderr).contains("pipe"), "{}", text(&output.stderr));
    assert!(!home.path("new").exists());
}

#[test]
fn damage_is_named_and_a_restore_of_it_leaves_nothing() {
    let home = Home::new();
    tree(&home.path("tree"), 40, 20_000);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &path("store")]).0, 0);
    let pack = home.path("store/pack");
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let (code, document) = home.json(&["store", "verify", &path("store")]);
    assert_eq!(code, 6);
    assert!(document["damaged"].as_array().is_some_and(|damaged| !damaged.is_empty()), "{document}");
    let output = home.run(&["store", "restore", &path("store"), &path("new")]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("store verify"), "{}", text(&output.stderr));
    assert_eq!(names(home.dir.path()), ["home", "store", "tree"]);
}

#[test]
fn over_a_tree_only_what_differs_is_restored_and_others_stay_unless_told() {
    let home = Home::new();
    tree(&home.path("tree"), 60, 3000);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let (store, back, nowhere) = (path("store"), path("back"), path("nowhere"));
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &store]).0, 0);
    assert_eq!(home.json(&["store", "restore", &store, &back]).0, 0);
    fs::write(home.path("back/d3/f3"), "changed").unwrap();
    fs::remove_file(home.path("back/d4/f4")).unwrap();
    fs::write(home.path("back/mine"), "mine").unwrap();
    for (more, others, removed) in [(&["contents"][..], 1, 0), (&["size-and-time", "--remove-others"], 0, 1)] {
        let (code, document) = home.json(&[&["store", "restore", &store, &back, "--over"], more].concat());
        let changes = &document["changes"];
        assert_eq!((code, &document["schema"]), (0, &"assay.updated/1".into()), "{document}");
        assert_eq!((&changes["others"], &changes["removed"]), (&others.into(), &removed.into()), "{document}");
        assert_eq!(changes["restored"], if removed == 0 { 2 } else { 0 }, "{document}");
    }
    let digest = |name: &str| fixtures::tree::digest(&home.path(name)).unwrap().0;
    assert_eq!(digest("tree"), digest("back"));
    // Two at once would undo each other's work.
    let held = fs::File::open(&back).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for (words, code, told) in [
        (vec![back.as_str(), "--over", "contents"], 4, "another restore works in"),
        (vec![&nowhere, "--over", "contents"], 2, "is no directory"),
        (vec![&nowhere, "--remove-others"], 2, "--over"),
        (vec![&back, "--over", "mtime"], 2, "size-and-time"),
        (vec![&back], 2, "is not empty"),
    ] {
        let output = home.run(&[&["store", "restore", store.as_str()], &words[..]].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(told), "{words:?}: {said}");
    }
}

/// Stopped by Ctrl-C nothing is left; killed, only what is marked as unfinished, and the next run sweeps it.
#[test]
fn a_stop_leaves_nothing_and_a_kill_only_what_is_marked() {
    let home = Home::new();
    tree(&home.path("tree"), 20_000, 500);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let store = path("store");
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &store, "--for", "gzip"]).0, 0);
    let target = path("back");
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let mut child = home
            .assay()
            .args(["store", "restore", &store, &target, "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = || names(home.dir.path()).iter().any(|name| name.starts_with(".back.assay-unfinished-"));
        for _ in 0..2000 {
            if begun() || child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(begun(), "the restore is long enough to be met at work");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), code);
        assert!(!Path::new(&target).exists(), "{signal:?}");
        assert_eq!(begun(), signal == Signal::KILL, "{signal:?}");
    }
    assert_eq!(home.json(&["store", "restore", &store, &target]).0, 0);
    assert_eq!(names(home.dir.path()), ["back", "home", "store", "tree"]);
}

/// Two restores into one place at once: one brings all of it back, the other says who was there first.
#[test]
fn two_restores_into_one_place_do_not_meet() {
    let home = Home::new();
    tree(&home.path("tree"), 3000, 500);
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let store = path("store");
    assert_eq!(home.json(&["store", "pack", &path("tree"), "-o", &store, "--for", "gzip"]).0, 0);
    fs::create_dir(home.path("empty")).unwrap();
    for target in [path("new"), path("empty")] {
        let restore = || {
            let mut command = home.assay();
            command.args(["store", "restore", &store, &target, "--quiet"]).stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let both = [restore(), restore()].map(|child| child.wait_with_output().unwrap());
        let mut codes: Vec<i32> = both.iter().map(|output| output.status.code().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 2], "{}{}", text(&both[0].stderr), text(&both[1].stderr));
        let told = text(&both[0].stderr) + &text(&both[1].stderr);
        let clear = ["is being made by another run", "exists, and nothing", "is not empty, and nothing"];
        assert!(clear.iter().any(|words| told.contains(words)), "{told}");
        let (was, _) = fixtures::tree::digest(&home.path("tree")).unwrap();
        assert_eq!(was, fixtures::tree::digest(Path::new(&target)).unwrap().0);
    }
    assert_eq!(names(home.dir.path()), ["empty", "home", "new", "store", "tree"]);
}
