//! Shards whose records go to a bucket or to `file://`, and what is read from there again: a record is there whole or not
//! at all, whenever its node dies or its server goes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::served::{Server, as_somebody};
use common::{Home, text};
use reports::record;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const INTO: &str = "s3://fleets/mine";

struct Fleet {
    home: Home,
    server: Option<Server>,
    port: u16,
}

impl Fleet {
    /// A plan of one shard of so many rounds, and a server.
    fn new(rounds: &str, server: &[&str]) -> Fleet {
        let home = Home::new();
        let plan = home.path("plan.json").to_str().unwrap().to_owned();
        let words = ["plan", "restore/zstd", "--on", "tiny", "--wait", "0s", "--shards", "1", "--rounds", rounds];
        assert_eq!(home.json(&[&words[..], &["-o", &plan]].concat()).0, 0);
        let server = Server::start(&home, &["fleets"], 0, server);
        Fleet { home, port: server.port, server: Some(server) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.assay();
        command.args(words).current_dir(self.home.dir.path());
        as_somebody(&mut command).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn json(&self, words: &[&str]) -> (Option<i32>, Value) {
        let output = self.command(words).arg("--json").output().unwrap();
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        (output.status.code(), document)
    }

    /// The command that runs the shard.
    fn shard(&self, into: &str) -> Command {
        self.command(&["run", "--plan", "plan.json", "--shard", "0", "--scratch", "scratch", "--into", into])
    }

    /// Begins the shard, and waits until a line with these words stands in the record of its home.
    fn begun(&self, into: &str, words: &str) -> Child {
        let mut child = self.shard(into).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let is_so = || {
            let runs = std::fs::read_dir(self.home.path("home/runs")).into_iter().flatten().flatten();
            let mut records = runs.map(|run| run.path().join("record.jsonl"));
            records.any(|record| std::fs::read_to_string(record).is_ok_and(|text| text.contains(words)))
        };
        while !is_so() {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// The files of the bucket, by their paths.
    fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.home.path("served/fleets");
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// The records of this home.
    fn own(&self) -> Vec<PathBuf> {
        let runs = std::fs::read_dir(self.home.path("home/runs")).into_iter().flatten().flatten();
        runs.map(|run| run.path().join("record.jsonl")).collect()
    }
}

fn ends(output: &Output, code: i32, says: &str) {
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{says:?} is not in {told}");
}

fn is_whole(record: &Path) -> bool {
    record::read(record).unwrap().end.is_some_and(|end| end.how == "complete")
}

#[test]
fn a_record_in_a_bucket_is_read_as_one_in_a_directory() {
    let fleet = Fleet::new("2", &[]);
    let (code, said) = fleet.json(&["fleet", "status", INTO, "--plan", "plan.json"]);
    assert_eq!((code, said["shards"][0]["how"].as_str()), (Some(0), Some("not there")));
    ends(&fleet.shard(INTO).output().unwrap(), 0, "put into s3://fleets/mine/");
    let objects = fleet.objects();
    assert!(objects.len() == 1 && objects[0].ends_with("/record.jsonl"), "the record alone: {objects:?}");
    let own = fleet.own().pop().unwrap();
    assert_eq!(std::fs::read(fleet.home.path("served/fleets").join(&objects[0])).unwrap(), std::fs::read(own).unwrap());

    // By a fleet's commands, by a merge and by a report: a bucket is a place like any other.
    let (code, said) = fleet.json(&["fleet", "status", INTO, "--plan", "plan.json"]);
    assert_eq!((code, said["shards"][0]["how"].as_str()), (Some(0), Some("there")), "{said}");
    let collect = ["fleet", "collect", INTO, "--plan", "plan.json", "--out", "collected"];
    ends(&fleet.run(&collect), 0, "all shards are there, none is double");
    assert!(fleet.home.path("collected/review/index.html").is_file());
    ends(&fleet.run(&["report", INTO, "--out", "review"]), 0, "index.html");
    ends(&fleet.run(&["export", INTO, "--parquet", "runs.parquet"]), 0, "samples of 1 runs");

    // Merged into a bucket it is the same; a merge that was killed is gone on with, and nothing else is touched.
    let merge = ["merge", "s3://fleets/merged", INTO, "--plan", "plan.json"];
    ends(&fleet.run(&merge), 0, "all shards are there, none is double");
    ends(&fleet.run(&merge), 0, "all shards are there, none is double");
    ends(&fleet.run(&["merge", "again", "s3://fleets/merged"]), 0, "all shards are there");
    assert_eq!(std::fs::read_dir(fleet.home.path("again")).unwrap().count(), 1);
    std::fs::write(fleet.home.path("served/fleets/merged/mine"), "mine").unwrap();
    let before = fleet.objects();
    ends(&fleet.run(&merge), 2, "s3://fleets/merged is not empty, and nothing is overwritten");
    ends(&fleet.run(&["merge", "s3://fleets/mine/below", INTO]), 2, "lies in s3://fleets/mine, which is read");
    assert_eq!(fleet.objects(), before);
}

#[test]
fn a_shard_that_is_killed_leaves_a_note_in_the_bucket_and_no_half_record() {
    let fleet = Fleet::new("100000", &[]);
    let mut child = fleet.begun(INTO, "\"sample\"");
    let (_, said) = fleet.json(&["fleet", "status", INTO, "--plan", "plan.json"]);
    assert_eq!(said["shards"][0]["how"], "begun", "{said}");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert_eq!(fleet.objects(), ["mine/shard-0.note"]);
    let merged = fleet.run(&["merge", "merged", INTO, "--plan", "plan.json"]);
    ends(&merged, 6, "there is no record of any shard");
    ends(&merged, 6, "UTC, and has not come to its end");
    assert!(!fleet.home.path("merged").exists());

    // Whoever stops it himself leaves another word.
    std::fs::remove_dir_all(fleet.home.path("home/runs")).unwrap();
    let child = fleet.begun(INTO, "\"sample\"");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    ends(&child.wait_with_output().unwrap(), 130, "so that s3://fleets/mine has no record of it");
    let (_, said) = fleet.json(&["fleet", "status", INTO, "--plan", "plan.json"]);
    assert_eq!(said["shards"][0]["how"], "failed", "{said}");
    assert_eq!(fleet.objects(), ["mine/shard-0.note"]);
}

#[test]
fn a_kill_while_a_record_goes_up_leaves_all_of_it_or_nothing() {
    // A server that answers late: the request is on its way for as long.
    let fleet = Fleet::new("1", &["--latency", "150ms"]);
    for (at, wait) in [0, 30, 100, 200].into_iter().enumerate() {
        let into = format!("{INTO}/{at}");
        let mut child = fleet.begun(&into, "\"end\"");
        std::thread::sleep(Duration::from_millis(wait));
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        std::fs::remove_dir_all(fleet.home.path("home/runs")).unwrap();
        let here = format!("mine/{at}/");
        for object in fleet.objects().iter().filter(|object| object.starts_with(&here)) {
            let path = fleet.home.path("served/fleets").join(object);
            assert!(object.ends_with("shard-0.note") || is_whole(&path), "{object}");
        }
        // A reader finds a whole record or the note, and never an error of another kind.
        let (code, said) = fleet.json(&["merge", &format!("merged-{at}"), &into]);
        let told = said.to_string();
        assert!(code == Some(0) || told.contains("has not come to its end"), "{told}");
    }
}

#[test]
fn a_place_that_cannot_be_had_is_told_before_anything_is_measured() {
    let fleet = Fleet::new("1", &[]);
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let with = |name: &str, value: &str| fleet.shard(INTO).env(name, value).output().unwrap();
    ends(&with("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), 4, "start the server, or name another");
    ends(&with("AWS_SECRET_ACCESS_KEY", "a guess"), 4, "AWS_SECRET_ACCESS_KEY must be");
    let nobody = fleet.shard(INTO).env_remove(keys[0]).env_remove(keys[1]).output().unwrap();
    ends(&nobody, 4, "set AWS_ACCESS_KEY_ID");
    for (code, into, says) in [
        (4, "s3://no-such-bucket/mine", "make the bucket, or name another"),
        (2, "s3:///mine", "names no bucket"),
        (2, "gs://fleets/mine", "is of a kind that is not known here"),
        (2, "file://mine", "names no directory of this machine"),
        (2, "/proc/mine", "cannot make /proc/mine"),
        (2, "/proc", "cannot write to /proc"),
    ] {
        ends(&fleet.shard(into).output().unwrap(), code, says);
        let (merged, _) = fleet.json(&["merge", "merged", into]);
        assert!([Some(2), Some(4), Some(6)].contains(&merged) && !fleet.home.path("merged").exists(), "{into}");
    }
    ends(&fleet.run(&["report", "s3://fleets/none"]), 6, "there is no record in s3://fleets/none");
    ends(&fleet.run(&["fleet", "collect", INTO]), 2, "--plan FILE");
    ends(&fleet.run(&["fleet", "collect", INTO, "--plan", "plan.json"]), 2, "--out DIR");
    let collect = ["fleet", "collect", INTO, "--plan", "plan.json", "--out", "s3://fleets/collected"];
    ends(&fleet.run(&collect), 2, "pages are files");
    assert_eq!((fleet.own(), fleet.objects()), (vec![], vec![]), "nothing was measured, and nothing was written");
}

#[test]
fn what_was_measured_is_kept_where_the_server_went_meanwhile() {
    let mut fleet = Fleet::new("60", &[]);
    let child = fleet.begun(INTO, "\"sample\"");
    drop(fleet.server.take());
    let output = child.wait_with_output().unwrap();
    ends(&output, 4, "start the server, or name another");
    let own = fleet.own().pop().unwrap();
    assert!(is_whole(&own) && text(&output.stderr).contains(own.to_str().unwrap()), "{}", text(&output.stderr));
    // As it says: copied there, it is there.
    let told = text(&output.stderr);
    let to = told.split("copy it to s3://").nth(1).unwrap().trim().trim_end_matches('/');
    fleet.server = Some(Server::start(&fleet.home, &["fleets"], fleet.port, &[]));
    std::fs::create_dir_all(fleet.home.path("served").join(to)).unwrap();
    std::fs::copy(own, fleet.home.path("served").join(to).join("record.jsonl")).unwrap();
    ends(&fleet.run(&["merge", "merged", INTO, "--plan", "plan.json"]), 0, "all shards are there, none is double");
}

#[test]
fn an_address_of_a_file_is_a_directory() {
    let fleet = Fleet::new("1", &[]);
    let dir = fleet.home.path("my records");
    let into = format!("file://{}", dir.to_str().unwrap().replace(' ', "%20"));
    ends(&fleet.shard(&into).output().unwrap(), 0, "put into ");
    let inside = || std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert!(inside().len() == 1 && is_whole(&inside()[0].join("record.jsonl")));
    ends(&fleet.run(&["merge", "merged", &into, "--plan", "plan.json"]), 0, "all shards are there, none is double");
    ends(&fleet.run(&["report", &into, "--out", "review"]), 0, "index.html");

    // Killed in the midst it leaves no folder, hidden or not.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_dir_all(fleet.home.path("home/runs")).unwrap();
    let mut child = fleet.begun(&into, "\"sample\"");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert_eq!(inside(), [dir.join("shard-0.note")]);
}
