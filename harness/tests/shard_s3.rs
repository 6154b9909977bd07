//! `assay shard` with buckets, and `assay serve-s3`, which has some: exit codes, what is left, what is never overwritten.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::served::{Server, as_somebody};
use common::{Home, text};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Where all shards go.
const ALL: &str = "s3://shards/photos";

fn is_part(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "part")
}

struct Served {
    home: Home,
    server: Option<Server>,
    port: u16,
}

impl Served {
    fn new(length: u64) -> Served {
        let home = Home::new();
        let bytes: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        fs::write(home.path("photo.raw"), bytes).unwrap();
        let mut served = Served { home, server: None, port: 0 };
        served.start();
        served
    }

    fn start(&mut self) {
        let server = Server::start(&self.home, &["shards", "other"], self.port, &[]);
        self.port = server.port;
        self.server = Some(server);
    }

    fn stop(&mut self) {
        assert_eq!(self.server.take().unwrap().stop().code(), Some(0));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.assay();
        command.arg("shard").args(words).current_dir(self.home.dir.path());
        as_somebody(&mut command).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Everything in the bucket, by name, ids left out.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut open: Vec<PathBuf> = vec![self.home.path("served/shards")];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let below = path.strip_prefix(self.home.path("served/shards")).unwrap();
                    let name = below.to_str().unwrap().split('.').filter(|part| part.len() != 32);
                    names.push(name.collect::<Vec<_>>().join("."));
                }
            }
        }
        let root = fs::read_dir(self.home.path("served")).unwrap().map(|entry| entry.unwrap().file_name());
        let parts = root.map(|name| name.into_string().unwrap()).filter(|name| name.contains("upload"));
        names.extend(parts.map(|_| "a part".to_owned()));
        names.sort();
        names
    }

    fn shard(&self, at: usize) -> PathBuf {
        let files = fs::read_dir(self.home.path(&format!("served/shards/photos/{at:03}"))).unwrap();
        let mut files = files.map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|end| end == "shard")).unwrap()
    }
}

fn ends(output: &Output, code: i32, says: &str) {
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{says:?} is not in {told}");
}

fn whole(name: &str) -> Vec<String> {
    (0..6).flat_map(|at| ["manifest", "shard"].map(|end| format!("photos/{at:03}/{name}.{end}"))).collect()
}

#[test]
fn a_file_goes_up_and_comes_back_with_two_shards_lost() {
    let mut served = Served::new(3_000_001);
    ends(&served.run(&["get", "photo.raw", "--out", "back", "--from", ALL]), 6, "no object");
    ends(&served.run(&["put", "photo.raw", "--to", ALL]), 0, "any 4 of them suffice");
    assert_eq!(served.names(), whole("photo.raw"));
    ends(&served.run(&["put", "photo.raw", "--to", ALL]), 2, "--force");
    ends(&served.run(&["put", "photo.raw", "--to", ALL, "--force"]), 0, "photo.raw");
    assert_eq!(served.names(), whole("photo.raw"), "the old one is gone");
    // The server goes and comes again.
    served.stop();
    ends(&served.run(&["get", "photo.raw", "--out", "back", "--from", ALL]), 4, "AWS_ENDPOINT_URL");
    served.start();
    ends(&served.run(&["verify", "photo.raw", "--from", ALL]), 0, "all 6 shards are whole");
    // The whole prefix of one is gone, and a bit of another is another.
    fs::remove_dir_all(served.home.path("served/shards/photos/005")).unwrap();
    let mut damaged = fs::read(served.shard(1)).unwrap();
    damaged[5000] ^= 1;
    fs::write(served.shard(1), damaged).unwrap();
    ends(&served.run(&["get", "photo.raw", "--out", "back", "--from", ALL]), 0, "made up for");
    assert!(fs::read(served.home.path("back")).unwrap() == fs::read(served.home.path("photo.raw")).unwrap());
    let verified = served.run(&["verify", "photo.raw", "--from", ALL]);
    ends(&verified, 6, "005: its shard is missing");
    ends(&verified, 6, "001: shard 1 is damaged in block 0");
    let repaired = served.run(&["repair", "photo.raw", "--from", ALL]);
    ends(&repaired, 0, "005: shard 5 is made again");
    ends(&repaired, 0, "001: shard 1 is made again");
    ends(&served.run(&["verify", "photo.raw", "--from", ALL]), 0, "all 6 shards are whole");
    assert_eq!(served.names(), whole("photo.raw"));
    for at in 0..3 {
        fs::remove_file(served.shard(at)).unwrap();
    }
    ends(&served.run(&["get", "photo.raw", "--out", "none", "--from", ALL]), 6, "3 of its shards were found");
    assert!(!served.home.path("none").exists());
}

#[test]
fn buckets_and_directories_may_stand_side_by_side() {
    let served = Served::new(100_000);
    for at in 0..4 {
        fs::create_dir(served.home.path(&format!("d{at}"))).unwrap();
    }
    let places = ["d0", "s3://shards", "d1", "d2", "s3://other/below", "d3"];
    ends(&served.run(&[&["put", "photo.raw", "--no-sync", "--to"][..], &places].concat()), 0, "photo.raw");
    fs::remove_dir_all(served.home.path("d2")).unwrap();
    let left = ["s3://other/below", "d3", "s3://shards", "d0"];
    ends(&served.run(&[&["get", "photo.raw", "--out", "back", "--from"][..], &left].concat()), 0, "100000 bytes");
    assert!(fs::read(served.home.path("back")).unwrap() == fs::read(served.home.path("photo.raw")).unwrap());
    ends(&served.run(&["put", "photo.raw", "--to", "s3://shards/a", "s3://shards/b"]), 2, "2 are named");
    let twice = ["s3://shards/a", "s3://shards/a/", "d0", "d1", "d3", "s3://shards/b"];
    ends(&served.run(&[&["put", "photo.raw", "--to"][..], &twice].concat()), 2, "named twice");
}

#[test]
fn who_is_not_let_in_or_finds_nobody_is_told() {
    let served = Served::new(1000);
    let put = ["put", "photo.raw", "--to", ALL];
    let mut stranger = served.command(&put);
    ends(&stranger.env("AWS_SECRET_ACCESS_KEY", "a guess").output().unwrap(), 4, "AWS_SECRET_ACCESS_KEY must be");
    let mut nobody = served.command(&put);
    let nobody = nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    ends(&nobody.output().unwrap(), 4, "set AWS_ACCESS_KEY_ID");
    let mut nowhere = served.command(&put);
    let nowhere = nowhere.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").output().unwrap();
    ends(&nowhere, 4, "s3://shards/photos/000 at http://127.0.0.1:1");
    ends(&nowhere, 4, "start the server, or name another with AWS_ENDPOINT_URL");
    ends(&served.run(&["put", "photo.raw", "--to", "s3://no-such-bucket"]), 4, "no-such-bucket");
    fs::write(served.home.path("small.yaml"), "performance:\n  max_memory_usage: 1000\n").unwrap();
    ends(&served.run(&[&put[..], &["--config", "small.yaml"]].concat()), 2, "max_memory_usage");
    assert_eq!(served.names(), [""; 0]);
    let mut command = served.home.assay();
    ends(&command.args(["serve-s3", "/no/such/place"]).output().unwrap(), 2, "no directory");
    let mut command = served.home.assay();
    let taken = served.port.to_string();
    ends(&command.arg("serve-s3").arg(served.home.dir.path()).args(["--port", &taken]).output().unwrap(), 4, "--port");
}

#[test]
fn ctrl_c_and_kill_leave_nothing_that_the_next_run_does_not_sweep() {
    let served = Served::new(0);
    fs::File::options().write(true).open(served.home.path("photo.raw")).unwrap().set_len(4 << 30).unwrap();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::KILL] {
        let mut command = served.command(&["put", "photo.raw", "--hash", "sha256", "--to", ALL]);
        let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        // Until parts are there, and the notes that tell of them.
        while served.names().iter().filter(|name| is_part(name)).count() < 6 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        if signal == rustix::process::Signal::INT {
            assert_eq!(status.code(), Some(130));
        } else {
            assert!(!served.names().is_empty(), "a kill leaves what it was at");
            ends(&served.run(&["verify", "photo.raw", "--from", ALL]), 6, "no object");
        }
        assert_eq!(served.names(), [""; 0]);
    }
}

#[test]
fn a_server_that_is_killed_in_the_midst_is_told_and_what_it_kept_is_swept() {
    let mut served = Served::new(1_000_000);
    ends(&served.run(&["put", "photo.raw", "--to", ALL]), 0, "photo.raw");
    fs::rename(served.home.path("photo.raw"), served.home.path("first")).unwrap();
    let photo = fs::File::create_new(served.home.path("photo.raw")).unwrap();
    photo.set_len(4 << 30).unwrap();
    let mut command = served.command(&["put", "photo.raw", "--force", "--to", ALL]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while served.names().iter().filter(|name| is_part(name)).count() < 6 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the server was killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(served.server.take());
    let told = child.wait_with_output().unwrap();
    ends(&told, 4, &format!("at http://127.0.0.1:{}", served.port));
    ends(&told, 4, "start the server, or name another with AWS_ENDPOINT_URL");
    served.start();
    // The old one is there, and nothing of the new one.
    ends(&served.run(&["get", "photo.raw", "--out", "back", "--from", ALL]), 0, "1000000 bytes");
    assert!(fs::read(served.home.path("back")).unwrap() == fs::read(served.home.path("first")).unwrap());
    assert_eq!(served.names(), whole("photo.raw"));
}

#[test]
fn rows_go_to_a_server_of_the_users_and_leave_nothing_there() {
    let served = Served::new(0);
    let rows =
        ["run", "erasure/put-s3-yours", "erasure/get-s3-yours", "--on", "tiny@0.1", "--rounds", "1", "--wait", "0s"];
    let run = |command: &mut Command| {
        let command = command.args(rows).args(["--scratch", &served.home.scratch(), "--no-progress", "--json"]);
        let output = command.output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{document:#}");
        document["workloads"][0].clone()
    };
    let unnamed = run(served.home.assay().env_remove("ASSAY_S3"));
    assert!(unnamed["without"].to_string().contains("ASSAY_S3=s3://"), "{unnamed:#}");
    let mut command = served.home.assay();
    let command = as_somebody(&mut command).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", served.port));
    let named = run(command.env("ASSAY_S3", "s3://shards/rows/"));
    let phase = |row: &str, phase: &str| {
        let rows = named["rows"].as_array().unwrap();
        let row = rows.iter().find(|one| one["name"] == row).unwrap_or_else(|| panic!("{row}: {named:#}"));
        row["phases"].as_array().unwrap().iter().any(|one| one[0] == phase && one[1].as_f64().unwrap() > 0.0)
    };
    assert!(phase("put-s3-yours", "send") && phase("get-s3-yours", "receive"), "{named:#}");
    assert_eq!(served.names(), [""; 0]);
}
