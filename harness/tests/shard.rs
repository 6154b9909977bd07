//! `assay shard` on files of a user's own: exit codes, what is left, what is never overwritten.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

struct Shards {
    home: Home,
    dirs: Vec<String>,
}

impl Shards {
    fn new(bytes: &[u8]) -> Shards {
        let home = Home::new();
        let dirs: Vec<String> = (0..6).map(|at| home.path(&format!("d{at}")).to_str().unwrap().to_owned()).collect();
        for dir in &dirs {
            fs::create_dir(dir).unwrap();
        }
        fs::write(home.path("photo.raw"), bytes).unwrap();
        Shards { home, dirs }
    }

    fn run(&self, words: &[&str], dirs: &str) -> Output {
        let dirs = [dirs.to_owned()].into_iter().chain(self.dirs.iter().cloned());
        let words = ["shard"].iter().chain(words).map(|word| (*word).to_owned());
        self.home.assay().args(words.chain(dirs)).current_dir(self.home.dir.path()).output().unwrap()
    }

    fn put(&self, more: &[&str]) -> Output {
        self.run(&[&["put", "photo.raw", "--no-sync"], more].concat(), "--to")
    }

    /// The shard in that directory.
    fn shard(&self, at: usize) -> PathBuf {
        let files = fs::read_dir(&self.dirs[at]).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "shard")).last().unwrap()
    }

    fn counts(&self) -> Vec<usize> {
        self.dirs.iter().map(|dir| fs::read_dir(dir).unwrap().count()).collect()
    }
}

fn ends(output: &Output, code: i32, says: &str) {
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{says:?} is not in {told}");
}

fn bytes() -> Vec<u8> {
    (0..3_000_001u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

#[test]
fn a_file_goes_and_comes_back_with_two_shards_lost() {
    let shards = Shards::new(&bytes());
    ends(&shards.put(&[]), 0, "any 4 of them suffice");
    ends(&shards.put(&[]), 2, "--force");
    ends(&shards.put(&["--force"]), 0, "photo.raw");
    assert_eq!(shards.counts(), [2; 6], "the old one is gone");
    ends(&shards.run(&["verify", "photo.raw"], "--from"), 0, "all 6 shards are whole");
    fs::remove_file(shards.shard(1)).unwrap();
    let mut damaged = fs::read(shards.shard(4)).unwrap();
    damaged[70_000] ^= 1;
    fs::write(shards.shard(4), damaged).unwrap();
    let verified = shards.run(&["verify", "photo.raw"], "--from");
    ends(&verified, 6, "d1: its shard is missing");
    ends(&verified, 6, "d4: shard 4 is damaged in block 0");
    ends(&shards.run(&["get", "photo.raw", "--out", "back"], "--from"), 0, "made up for");
    assert!(fs::read(shards.home.path("back")).unwrap() == bytes());
    ends(&shards.run(&["get", "photo.raw", "--out", "back"], "--from"), 2, "exists");
    ends(&shards.run(&["get", "photo.raw", "--out", "back", "--force"], "--from"), 0, "back");
    ends(&shards.run(&["repair", "photo.raw"], "--from"), 0, "d4: shard 4 is made again");
    ends(&shards.run(&["verify", "photo.raw"], "--from"), 0, "all 6");
    for at in [0, 2, 5] {
        fs::remove_file(shards.shard(at)).unwrap();
    }
    ends(
        &shards.run(&["get", "photo.raw", "--out", "none"], "--from"),
        6,
        "3 of its shards were found, and it takes 4",
    );
    assert!(!shards.home.path("none").exists());
    ends(&shards.run(&["get", "other", "--out", "none"], "--from"), 6, "no object");
}

/// Killed right before it takes another file's name, a get leaves one of its own; the next sweeps it, and nothing else.
#[test]
fn what_a_killed_get_left_beside_its_file_is_swept() {
    let shards = Shards::new(b"photo");
    ends(&shards.put(&[]), 0, "photo.raw");
    let names = [".back.assay-unfinished-99", ".other.assay-unfinished-99", ".back.assay-unfinished-mine", "back"];
    for name in names {
        fs::write(shards.home.path(name), "left").unwrap();
    }
    ends(&shards.run(&["get", "photo.raw", "--out", "back", "--force"], "--from"), 0, "5 bytes");
    let there = names.map(|name| shards.home.path(name).exists());
    assert_eq!(there, [false, true, true, true]);
    assert_eq!(fs::read(shards.home.path("back")).unwrap(), b"photo");
}

#[test]
fn every_way_and_setting_stores_the_same() {
    let shards = Shards::new(&bytes());
    let config = shards.home.path("config.yaml");
    let little = "performance:\n  memory_threshold: 1GB\n  max_memory_usage: 4MiB\n";
    fs::write(shards.home.path("little.yaml"), little).unwrap();
    fs::write(&config, "performance:\n  memory_threshold: 2MB\n  use_ramdisk: false\n  temp_directory: home\n")
        .unwrap();
    for more in [
        &["--by", "memory"][..],
        &["--by", "temp"],
        &["--by", "hybrid", "--config", "config.yaml", "--json"],
        &["--by", "hybrid", "--config", "little.yaml", "--json"],
        &["--hash", "crc32c", "--block", "10KB"],
        &["--pack", "1"],
        &["--quorum", "5", "--patience", "30s"],
    ] {
        let put = shards.put(&[more, &["--force"]].concat());
        ends(&put, 0, "photo.raw");
        if more.contains(&"hybrid") {
            let document: serde_json::Value = serde_json::from_slice(&put.stdout).unwrap();
            assert!(document["temp_bytes"].as_u64().unwrap() > 4_000_000, "{document}");
            assert_eq!(document["schema"], "assay.shard-put/1");
        }
        ends(&shards.run(&["get", "photo.raw", "--out", "back", "--force"], "--from"), 0, "3000001 bytes");
        assert!(fs::read(shards.home.path("back")).unwrap() == bytes(), "{more:?}");
        assert_eq!(shards.counts(), [2; 6]);
    }
    let left = fs::read_dir(shards.home.path("home")).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("assay-shards")));
}

#[test]
fn bad_input_is_refused_by_name() {
    let shards = Shards::new(b"x");
    ends(&shards.put(&["--k", "3"]), 2, "6 are named");
    ends(&shards.put(&["--k", "0"]), 2, "--k");
    ends(&shards.put(&["--block", "lots"]), 2, "lots");
    ends(&shards.put(&["--quorum", "3"]), 2, "--quorum 3");
    ends(&shards.put(&["--name", "a/b"]), 2, "no name for an object");
    ends(&shards.put(&["--config", "none.yaml"]), 2, "none.yaml");
    fs::write(shards.home.path("bad.yaml"), "performance:\n  memory_threshold: lots\n").unwrap();
    ends(&shards.put(&["--config", "bad.yaml"]), 2, "memory_threshold");
    fs::write(shards.home.path("small.yaml"), "performance:\n  max_memory_usage: 1\n").unwrap();
    ends(&shards.put(&["--config", "small.yaml"]), 2, "max_memory_usage");
    ends(&shards.run(&["put", "nothing.raw"], "--to"), 2, "nothing.raw");
    let mut command = shards.home.assay();
    let words = ["shard", "put", "photo.raw", "--to"].iter().map(|word| (*word).to_owned()).chain(shards.dirs.clone());
    let output = command
        .args(words)
        .current_dir(shards.home.dir.path())
        .env("ZSTORE_MEMORY_THRESHOLD", "50 miles")
        .output()
        .unwrap();
    ends(&output, 2, "ZSTORE_MEMORY_THRESHOLD");
    assert_eq!(shards.counts(), [0; 6]);
}

#[test]
fn ctrl_c_and_kill_leave_nothing_that_the_next_run_does_not_sweep() {
    use rustix::process::Signal;
    let shards = Shards::new(b"");
    let temp = shards.home.path("temporary");
    fs::create_dir(&temp).unwrap();
    let settings = "performance:\n  use_ramdisk: false\n  temp_directory: temporary\n";
    fs::write(shards.home.path("config.yaml"), settings).unwrap();
    let photo = |length| {
        let file = fs::File::options().write(true).open(shards.home.path("photo.raw")).unwrap();
        file.set_len(length).unwrap();
    };
    // So large that it is not done before the signal comes; sparse, so that it costs no disk to have. Temporary files
    // take room for all that is to come.
    for (signal, by, length) in [
        (Signal::INT, "stream", 8 << 30),
        (Signal::KILL, "stream", 8 << 30),
        (Signal::INT, "temp", 1 << 30),
        (Signal::KILL, "temp", 1 << 30),
    ] {
        photo(length);
        let words = ["shard", "put", "photo.raw", "--no-sync", "--hash", "sha256"];
        let words = words.into_iter().chain(["--config", "config.yaml", "--by", by, "--to"]);
        let words = words.map(str::to_owned).chain(shards.dirs.clone());
        let mut command = shards.home.assay();
        let mut child = command.args(words).current_dir(shards.home.dir.path()).stderr(Stdio::null()).spawn().unwrap();
        while shards.counts().iter().any(|count| *count < 2) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        if signal == Signal::INT {
            assert_eq!(status.code(), Some(130));
        } else {
            assert!(shards.counts().iter().all(|count| *count > 0), "a kill leaves what it was at");
            ends(&shards.run(&["verify", "photo.raw"], "--from"), 6, "no object");
            // Whichever way the next one goes, it gives the room back.
            assert_eq!(fs::read_dir(&temp).unwrap().count(), usize::from(by == "temp"));
            photo(1);
            ends(&shards.put(&["--config", "config.yaml", "--name", "a/b"]), 2, "no name for an object");
        }
        assert_eq!((shards.counts(), fs::read_dir(&temp).unwrap().count()), (vec![0; 6], 0));
    }
}
