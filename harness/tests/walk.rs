//! `assay walk`: complete, atomic, and honest about what it could not read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// A directory of that name in a test's home.
fn dir(home: &Home, name: &str) -> PathBuf {
    let dir = home.path(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn walk(home: &Home, dir: &Path, out: &Path, more: &[&str]) -> Output {
    home.assay().arg("walk").arg(dir).arg("-o").arg(out).args(more).output().unwrap()
}

/// The code and the document of a walk that writes paths.
fn paths(home: &Home, dir: &Path, out: &Path, more: &[&str]) -> (i32, Value) {
    let output = walk(home, dir, out, &[&["--format", "paths", "--json"], more].concat());
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    (output.status.code().unwrap(), document)
}

fn set_of(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

/// What `find` says is below a directory.
fn found(dir: &Path) -> Vec<u8> {
    let output = Command::new("find").arg(dir).args(["-mindepth", "1", "-printf", "%P\\0"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn ten_thousand_files_and_hostile_names_are_those_that_find_finds() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    for nth in 0..100 {
        let dir = tree.join(format!("dir {nth}"));
        fs::create_dir(&dir).unwrap();
        (0..100).for_each(|nth| fs::write(dir.join(nth.to_string()), "").unwrap());
    }
    for name in [&b"new\nline"[..], b"\x1b[31mred", b"not utf-8 \xff", &[b'x'; 255], b"-o", b"\"", b" "] {
        fs::write(tree.join(OsStr::from_bytes(name)), "").unwrap();
    }
    symlink("..", tree.join("loop")).unwrap();
    let expected = found(&tree);
    for more in [&["--threads", "1"][..], &["--threads", "7"], &[]] {
        let out = home.path("out");
        let (code, document) = paths(&home, &tree, &out, &[&["--force"], more].concat());
        assert_eq!((code, document["failed"].as_u64()), (0, Some(0)), "{document}");
        let written = fs::read(&out).unwrap();
        assert_eq!(document["bytes"], written.len());
        assert_eq!(written.len(), expected.len(), "every path once");
        assert_eq!(set_of(&written), set_of(&expected));
        assert_eq!(document["entries"], 10_108);
        assert_eq!((&document["found"], &document["unlisted"]), (&10_108.into(), &0.into()));
        let peak = document["peak_bytes"].as_u64().unwrap();
        assert!((1 << 20..1 << 30).contains(&peak), "{peak}");
    }
}

#[test]
fn every_format_holds_every_entry_and_says_what_it_is() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    (0..50).for_each(|nth| fs::write(tree.join(nth.to_string()), "x").unwrap());
    for (format, bytes) in [("parented", 50 * 48 + 90), ("pathed", 50 * 44 + 90), ("paths", 50 + 90)] {
        let out = home.path(format);
        let output = walk(&home, &tree, &out, &["--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(fs::metadata(&out).unwrap().len(), bytes, "{format}");
        assert!(text(&output.stdout).contains("entries  50 in"), "{}", text(&output.stdout));
    }
    let out = home.path("csv");
    assert!(walk(&home, &tree, &out, &["--format", "csv"]).status.success());
    let csv = fs::read_to_string(&out).unwrap();
    // The 50 files, and the directory itself, as pwalk has it.
    assert_eq!(csv.lines().count(), 51);
    assert!(csv.lines().all(|line| line.contains("tree")), "{csv}");
    let out = home.path("parquet");
    assert!(walk(&home, &tree, &out, &["--format", "parquet"]).status.success());
    let parquet = fs::read(&out).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let help = home.run(&["walk", "--help"]);
    for word in ["partial", "little endian", "pwalk", "kill -9", "Exit codes", "--threads 32", "duckdb"] {
        assert!(text(&help.stdout).contains(word), "the help does not tell of {word}");
    }
}

#[test]
fn what_exists_stays_unless_it_is_to_be_replaced() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    let out = home.path("out");
    fs::write(&out, "years of work").unwrap();
    let output = walk(&home, &tree, &out, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("exists already") && text(&output.stderr).contains("--force"));
    assert_eq!(fs::read(&out).unwrap(), b"years of work");
    let link = home.path("link");
    symlink(&out, &link).unwrap();
    for other in [link.as_path(), Path::new("/dev/null"), &tree] {
        let output = walk(&home, &tree, other, &["--force"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("stays as it is"), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read(&out).unwrap(), b"years of work");
    assert!(walk(&home, &tree, &out, &["--force"]).status.success());
    assert_eq!(fs::read(&out).unwrap(), b"");
    assert_eq!(names(home.dir.path()), ["home", "link", "out", "tree"]);
}

#[test]
fn bad_words_are_told_and_leave_nothing() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    fs::write(home.path("file"), "").unwrap();
    let out = home.path("out");
    for (dir, out, more, told) in [
        (&home.path("none"), &out, &[][..], "No such file"),
        (&home.path("file"), &out, &[], "is no directory"),
        (&tree, &home.path("none/out"), &[], "there is no directory"),
        (&tree, &home.path("file/out"), &[], "file/out"),
        (&tree, &out, &["--threads", "0"], "--threads"),
        (&tree, &out, &["--format", "xml"], "parented"),
    ] {
        let output = walk(&home, dir, out, more);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(told), "{told}: {}", text(&output.stderr));
        assert_eq!(names(home.dir.path()), ["file", "home", "tree"]);
    }
}

/// A walk of all that is mounted, which takes its time; it is given when it has begun to write.
fn long_walk(home: &Home, out: &Path) -> Child {
    let mut command = home.assay();
    command.args(["walk", "/", "--threads", "1", "--format", "csv", "-o"]).arg(out);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..10_000 {
        if names(out.parent().unwrap()).iter().any(|name| name.ends_with(".partial")) {
            return child;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    panic!("the walk did not begin: {:?}", child.wait_with_output());
}

#[test]
fn a_killed_walk_leaves_only_what_is_marked_as_partial() {
    let home = Home::new();
    let place = dir(&home, "place");
    let mut child = long_walk(&home, &place.join("out"));
    let id = child.id();
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(names(&place), [format!("out.{id}.partial")]);
    // The next one stands in nobody's way.
    assert!(walk(&home, &dir(&home, "tree"), &place.join("out"), &[]).status.success());
    assert_eq!(names(&place), ["out".to_owned(), format!("out.{id}.partial")]);
}

#[test]
fn control_c_leaves_nothing() {
    let home = Home::new();
    let place = dir(&home, "place");
    let child = long_walk(&home, &place.join("out"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains("nothing was written"), "{}", text(&output.stderr));
    assert_eq!(names(&place), [""; 0]);
}

#[test]
fn what_may_not_be_read_is_counted_and_named_and_the_rest_is_there() {
    let home = Home::new();
    let place = dir(&home, "place");
    let tree = dir(&home, "place/tree");
    let locked = tree.join(OsStr::from_bytes(b"\x1b[31mlocked \xff"));
    for dir in [&locked, &tree.join("open")] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("file"), "x").unwrap();
    }
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    for dir in [home.dir.path(), &place, &tree] {
        fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    }
    // Root may read everything, so somebody else is asked; that one may not reach the program where it was built.
    let program = home.path("assay");
    fs::copy(env!("CARGO_BIN_EXE_assay"), &program).unwrap();
    let walk = |name: &str, more: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("walk").arg(&tree).arg("-o").arg(place.join(name)).args(more).args(["--format", "paths"]);
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    let (said, document) = (walk("said", &[]), walk("json", &["--json"]));
    fs::set_permissions(&locked, Permissions::from_mode(0o700)).unwrap();
    assert_eq!((said.status.code(), document.status.code()), (Some(6), Some(6)), "{}", text(&said.stderr));
    let (said, document) = (text(&said.stdout), serde_json::from_slice::<Value>(&document.stdout).unwrap());
    assert!(said.contains("failed   1 could not be read"), "{said}");
    assert!(said.contains(r#"opening b"\x1b[31mlocked \xff": Permission denied"#), "{said}");
    let failure = &document["failures"][0];
    assert_eq!((&document["failed"], &document["entries"], &document["ok"]), (&1.into(), &3.into(), &false.into()));
    assert_eq!(failure["doing"], "opening");
    assert_eq!(failure["path_hex"], "1b5b33316d6c6f636b656420ff");
    let written = set_of(&fs::read(place.join("said")).unwrap());
    assert_eq!(written.len(), 3);
    assert!(written.contains(&b"open/file"[..]));
}

#[test]
fn files_that_vanish_are_told_and_what_stays_is_there() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    (0..3000).for_each(|nth| fs::write(tree.join(format!("stays {nth}")), "").unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                (0..50).for_each(|nth| fs::create_dir(tree.join(format!("goes {nth}"))).unwrap());
                (0..50).for_each(|nth| fs::remove_dir(tree.join(format!("goes {nth}"))).unwrap());
            }
        });
        for _ in 0..10 {
            let out = home.path("out");
            let (code, document) = paths(&home, &tree, &out, &["--force"]);
            let failures = document["failures"].as_array().unwrap();
            assert_eq!(code, if failures.is_empty() { 0 } else { 6 }, "{document}");
            for failure in failures {
                assert!(failure["path"].as_str().unwrap().starts_with("goes "), "{failure}");
                assert_eq!(failure["error"], "No such file or directory");
            }
            let written = set_of(&fs::read(&out).unwrap());
            assert_eq!(written.iter().filter(|path| path.starts_with(b"stays ")).count(), 3000);
            assert_eq!(written.len() as u64, document["entries"].as_u64().unwrap());
        }
        done.store(true, Relaxed);
    });
}

/// A tmpfs of that size, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(point: PathBuf, size: &str) -> Option<Mounted> {
        fs::create_dir_all(&point).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&point).status();
        mount.is_ok_and(|status| status.success()).then_some(Mounted(point))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(&self.0).status();
        assert!(gone.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn another_file_system_is_entered_unless_the_walk_stays_on_one() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    let Some(mounted) = Mounted::new(tree.join("mount"), "1m") else {
        return technique::absent::skip("root", "only root may mount a tmpfs");
    };
    fs::write(mounted.0.join("within"), "").unwrap();
    for (more, entries, not_entered) in [(&[][..], 2, 0), (&["--one-file-system"], 1, 1)] {
        let (code, document) = paths(&home, &tree, &home.path("out"), &[&["--force"], more].concat());
        assert_eq!(code, 0, "{document}");
        assert_eq!((&document["entries"], &document["not_entered"]), (&entries.into(), &not_entered.into()));
    }
    let said = text(&walk(&home, &tree, &home.path("out"), &["--force", "--one-file-system"]).stdout);
    assert!(said.contains("mounts   1 on other file systems"), "{said}");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    (0..5000).for_each(|nth| fs::write(tree.join(format!("a name of some length {nth}")), "").unwrap());
    let Some(mounted) = Mounted::new(home.path("small"), "64k") else {
        return technique::absent::skip("root", "only root may mount a small tmpfs");
    };
    let output = walk(&home, &tree, &mounted.0.join("out"), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("is there room?") && said.contains("No space left"), "{said}");
    assert_eq!(names(&mounted.0), [""; 0]);
}

/// The columns of pwalk, for trees without directories.
const SCRIPT: &str = "#!/bin/sh\n\
    find \"$1\" -mindepth 1 -type f -printf \
    '%i,0,0,\"%p\",\"\",%U,%G,%s,0,0,1,\"0100%m\",0,%Ts,0,-1,0\\n' |\
    sed -E 's|(/[^/\"]+[.])([^./\"]+)\",\"\"|\\1\\2\",\"\\2\"|'\n";

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// What a program of the user's prints is read back and held to what it promises.
#[test]
fn a_program_that_prints_columns_of_pwalk_is_a_row_by_its_path() {
    let home = Home::new();
    let [whole, bare] = ["whole", "bare"].map(|name| home.path(name));
    script(&whole, SCRIPT);
    // It finds the entry, and says nothing true about it.
    script(&bare, &SCRIPT.replace("%i,0", "1,0"));
    let peer = |name: &str, promises: &str, path: &Path| {
        format!("{name}[{promises}]={} {{source}} > {{target}}/{name}.csv", path.display())
    };
    let output = home
        .assay()
        .args([
            "run",
            "walk/best-1-thread",
            "--on",
            "object-4k",
            "--rounds",
            "1",
            "--wait",
            "0s",
            "--json",
            "--scratch",
        ])
        .arg(home.path("scratch"))
        .args(["--peer", &peer("honest", "named,described,whole", &whole)])
        .args(["--peer", &peer("modest", "named", &bare)])
        .args(["--peer", &peer("lies", "named,described", &bare)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |list: &str| -> Vec<String> {
        let rows = document["workloads"][0][list].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("without"), ["lies"], "{document:#}");
    let rows = names("rows");
    assert!(["honest", "modest"].iter().all(|name| rows.contains(&(*name).to_owned())), "{rows:?}");
}

#[test]
fn fewer_threads_than_were_asked_for_are_told() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    (0..200).for_each(|nth| fs::create_dir(tree.join(nth.to_string())).unwrap());
    let limited = |more: &[&str]| {
        let mut command = home.assay();
        let program = command.get_program().to_owned();
        command.args(["walk", "--threads", "256", "--force", "-o"]).arg(home.path("out")).arg(&tree).args(more);
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n 60; exec \"$@\"", "sh"]).arg(program).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.output().unwrap()
    };
    let output = limited(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains(" of 256: no more fit below the limit") && said.contains("entries  200"), "{said}");
    let document: Value = serde_json::from_slice(&limited(&["--json"]).stdout).unwrap();
    assert!((1..20).contains(&document["threads"].as_u64().unwrap()), "{document}");
}

/// No registry has pwalk. Here stands a program of that name that prints the same columns, as one of the user's would.
#[test]
fn a_pwalk_on_the_search_path_is_a_row_and_without_one_the_row_says_where_to_get_it() {
    let home = Home::new();
    let bin = dir(&home, "bin");
    let path = std::env::var("PATH").unwrap();
    for with in [false, true] {
        if with {
            script(&bin.join("pwalk"), SCRIPT);
        } else if technique::peer::find_program("pwalk").is_some() {
            continue;
        }
        let output = home
            .assay()
            .args(["run", "walk/pwalk", "--on", "object-4k", "--rounds", "1", "--wait", "0s", "--json", "--scratch"])
            .arg(home.path("scratch"))
            .env("PATH", format!("{}:{path}", bin.display()))
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{document:#}");
        let list = if with { "rows" } else { "without" };
        let summary = &document["workloads"][0][list];
        let row = summary.as_array().unwrap().iter().find(|row| row["name"] == "pwalk").unwrap();
        assert!(with || row["why"].as_str().unwrap().contains("no registry has it"), "{row}");
    }
}

#[test]
fn a_file_in_its_own_tree_is_told() {
    let home = Home::new();
    let tree = dir(&home, "tree");
    fs::write(tree.join("file"), "").unwrap();
    let output = walk(&home, &tree, &tree.join("out"), &["--format", "paths"]);
    assert!(text(&output.stdout).contains("lies in the tree"), "{}", text(&output.stdout));
    assert_eq!(names(&tree), ["file", "out"]);
    let quiet = walk(&home, &tree, &home.path("out"), &["--quiet"]);
    assert!(quiet.stderr.is_empty() && !text(&quiet.stdout).contains("lies in the tree"));
}
