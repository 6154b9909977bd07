//! Conditions: file systems that are made for a run, cold caches; real ones, and nothing of them stays.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, gone, text};
use harness::file_system::{FileSystem, Kind, Room, left_behind, withdraw};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use technique::{Lap, Site};

/// Whether this machine has the file system, and we may mount it; tells where not.
fn have(kind: &str) -> bool {
    let known = || fs::read_to_string("/proc/filesystems").unwrap_or_default().lines().any(|line| line.ends_with(kind));
    let maker = kind == "tmpfs" || Path::new("/usr/sbin").join(format!("mkfs.{kind}")).is_file();
    if !geteuid().is_root() {
        technique::absent::skip("root", "only root may mount");
        return false;
    }
    if !maker || !known() {
        technique::absent::skip(kind, "it cannot be made here");
    }
    maker && known()
}

/// What is mounted, as everybody else sees it.
fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

fn run(home: &Home, more: &[&str]) -> (i32, Value) {
    let words = ["run", "walk/best", "walk/find", "--on", "tiny", "--rounds", "1", "--wait", "0s", "--scratch"];
    home.json(&[&words[..], &[home.scratch().as_str()], more].concat())
}

#[test]
fn each_file_system_is_made_measured_and_gone() {
    let home = Home::new();
    let kinds: Vec<&str> = ["tmpfs", "ext4", "xfs", "btrfs"].into_iter().filter(|kind| have(kind)).collect();
    if kinds.is_empty() {
        return;
    }
    // Two more rows, which ask the file system for all inodes: each is there on its own and absent on the others.
    let (code, document) = run(&home, &["walk/bulk-xfs", "walk/bulk-btrfs", "--fs", &kinds.join(",")]);
    assert_eq!(code, 0, "{document}");
    let run = reports::read(&home.record()).unwrap();
    let conditions: Vec<&str> = run.header.plan.iter().map(|plan| plan.condition.filesystem.as_str()).collect();
    assert_eq!(conditions.len(), kinds.len());
    for (condition, kind) in conditions.iter().zip(&kinds) {
        assert!(condition.starts_with(kind), "{condition}");
        assert_eq!(condition.contains("(image on "), *kind != "tmpfs", "{condition}");
    }
    for (at, kind) in kinds.iter().enumerate() {
        let sampled = |row: &str| run.samples.iter().any(|sample| sample.plan == at && sample.variant == row);
        let absent = |row: &str| run.absent.iter().any(|absent| absent.plan == at && absent.variant == row);
        assert!(sampled("best") && sampled("find"), "{kind}");
        for row in ["bulk-xfs", "bulk-btrfs"] {
            assert!(if row.ends_with(kind) { sampled(row) } else { absent(row) }, "{row} on {kind}");
        }
    }
    let said = text(&home.run(&["show"]).stdout);
    assert!(conditions.iter().all(|condition| said.contains(condition)), "{said}");
    assert!(gone(&home.scratch()), "the scratch place is left");
}

/// Trees came and went before: the condition says so, and rows come out as ever.
#[test]
fn an_aged_file_system_is_a_condition_of_its_own() {
    if !have("ext4") {
        return;
    }
    let home = Home::new();
    let (code, document) = run(&home, &["--fs", "ext4", "--aged"]);
    assert_eq!(code, 0, "{document}");
    let read = reports::read(&home.record()).unwrap();
    assert!(read.header.plan[0].condition.filesystem.ends_with(", aged"), "{:?}", read.header.plan[0].condition);
    let alone = Home::new().run(&["run", "walk/best", "--aged"]);
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
}

#[test]
fn a_cold_run_leaves_memory_out_and_says_so() {
    if !have("ext4") {
        return;
    }
    let home = Home::new();
    let (code, document) = run(&home, &["--fs", "tmpfs,ext4", "--cold"]);
    assert_eq!(code, 0, "{document}");
    let notes = document["notes"].to_string();
    assert!(notes.contains("left out: tmpfs: it is memory, and nothing on it is cold"), "{notes}");
    let read = reports::read(&home.record()).unwrap();
    let plan: Vec<_> = read.header.plan.iter().map(|plan| plan.condition.to_string()).collect();
    assert!(plan.len() == 1 && plan[0].starts_with("ext4") && plan[0].contains("cold cache"), "{plan:?}");
    // And where nothing else is asked for, that is no run at all.
    let other = Home::new();
    let (code, document) = run(&other, &["--fs", "tmpfs", "--cold"]);
    assert_eq!(code, 4);
    assert!(document["error"].as_str().unwrap().contains("nothing on it is cold"), "{document}");
}

#[test]
fn nothing_stays_mounted_after_a_kill_and_the_next_run_sweeps() {
    if !have("ext4") {
        return;
    }
    let home = Home::new();
    let before = mounts();
    let devices = || left_behind().into_iter().filter(|device| device.contains(&home.scratch())).count();
    let mut child = home
        .assay()
        .args(["run", "walk/best", "--on", "tiny", "--budget", "60s", "--wait", "0s", "--fs", "ext4", "--scratch"])
        .arg(home.scratch())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let samples = || {
        let runs = fs::read_dir(home.path("home/runs")).into_iter().flatten().flatten();
        runs.filter_map(|run| fs::read_to_string(run.path().join("record.jsonl")).ok())
            .any(|record| record.contains("\"kind\":\"sample\""))
    };
    let until = |what: &dyn Fn() -> bool| {
        (0..1200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            what()
        })
    };
    assert!(until(&samples), "no sample was taken");
    assert_eq!(mounts(), before, "a mount is seen by others");
    assert_eq!(devices(), 1, "the run works on a loop device: {:?}", left_behind());
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert!(until(&|| devices() == 0), "the loop device stays: {:?}", left_behind());
    assert_eq!(mounts(), before);
    assert!(!gone(&home.scratch()), "a killed run cannot remove its image");
    let (code, document) = run(&home, &["--fs", "ext4"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(fs::read_dir(home.scratch()).unwrap().count(), 0, "the next run sweeps it");
}

/// What was just written only memory knows, and on what is mounted within the same numbers mean other files.
#[test]
fn rows_that_ask_in_bulk_see_what_is_not_on_the_disk_yet_and_what_is_mounted_within() {
    let check = |kind: Kind, row: &str| {
        let home = Home::new();
        let made = FileSystem::make(kind, &home.path("made"), Room::default()).unwrap();
        let (source, target) = (made.path().join("source"), home.path("target"));
        fs::create_dir_all(source.join("within")).unwrap();
        fs::create_dir(&target).unwrap();
        assert!(
            Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(source.join("within")).status().unwrap().success()
        );
        for nth in 0..1000 {
            fs::write(source.join(nth.to_string()), vec![b'x'; nth]).unwrap();
            fs::write(source.join("within").join(nth.to_string()), "of another file system").unwrap();
        }
        let site = Site::new(source.clone(), target, home.path("kept"), fixtures::Tally::default());
        let technique = walk::WORKLOAD.variant(row).unwrap().technique;
        let mut ready = technique.prepare(&site).unwrap();
        ready.work(&mut Lap::start(false)).unwrap();
        ready.settle(&site).unwrap();
        drop(ready);
        let (expected, got) = ((walk::WORKLOAD.expected)(&site).unwrap(), (walk::WORKLOAD.outcome)(&site).unwrap());
        assert!(Command::new("umount").arg(source.join("within")).status().unwrap().success());
        assert_eq!(expected.differences(&got, technique.promises()), [""; 0], "{row}");
    };
    for (kind, row) in [(Kind::Xfs, "bulk-xfs"), (Kind::Btrfs, "bulk-btrfs")] {
        if have(kind.name()) {
            // A thread of its own, whose mounts nobody else sees.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    withdraw().unwrap();
                    check(kind, row);
                });
            });
        }
    }
}

/// Whether answers take time is seen by what waits for them: no time is asserted, but that every one was waited for.
#[test]
fn a_slow_source_gives_the_same_and_takes_its_time() {
    if !geteuid().is_root() || fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").is_err() {
        return technique::absent::skip("fuse", "there is no /dev/fuse, or we may not use it");
    }
    let home = Home::new();
    let before = mounts();
    let words = ["run", "walk/best-1-thread", "walk/best-32-threads", "walk/find", "walk/floor", "--on", "tiny"];
    let more = ["--rounds", "1", "--wait", "0s", "--latency", "1ms", "--fs", "tmpfs", "--scratch"];
    let (code, document) = home.json(&[&words[..], &more, &[home.scratch().as_str()]].concat());
    assert_eq!(code, 0, "{document}");
    let run = reports::read(&home.record()).unwrap();
    assert_eq!(run.header.plan[0].condition.filesystem, "tmpfs, 1ms a lookup");
    let tally = &run.header.plan[0].fixture;
    let names = tally.files + tally.directories + tally.symlinks;
    let least = |row: &str| {
        let samples = run.samples.iter().filter(|sample| sample.variant == row && sample.pass != "counts");
        samples.map(|sample| sample.reading.wall_ns / 1_000_000).min().unwrap()
    };
    // One that asks one by one waits for every name, in every sample: nothing is remembered from one to the next.
    for row in ["best-1-thread", "find"] {
        assert!(least(row) >= names, "{row} took {} ms for {names} names", least(row));
    }
    for row in ["best-32-threads", "floor"] {
        assert!(run.samples.iter().any(|sample| sample.variant == row), "{row}");
    }
    assert_eq!(mounts(), before);
    assert!(gone(&home.scratch()));
}

#[test]
fn who_is_not_root_is_told() {
    let home = Home::new();
    let program = home.path("assay");
    fs::copy(env!("CARGO_BIN_EXE_assay"), &program).unwrap();
    for dir in [home.dir.path(), &home.path("home")] {
        fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(["run", "walk/best", "--on", "tiny", "--rounds", "1", "--fs", "tmpfs,ext4", "--scratch"]);
    command.arg(home.scratch()).env("ASSAY_HOME", home.path("other")).current_dir(home.dir.path());
    if geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("only root may mount") && said.contains("run as root"), "{said}");
    assert!(gone(&home.scratch()));
}
