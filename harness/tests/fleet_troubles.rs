//! What goes wrong with plans, places and clusters: each has its words and its exit code, and nothing is lost by it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use technique::absent::skip;

struct Planned {
    home: Home,
    plan: String,
}

impl Planned {
    /// A plan of two shards.
    fn new() -> Planned {
        let home = Home::new();
        let plan = home.path("plan.json").to_str().unwrap().to_owned();
        let words = ["plan", "restore/zstd", "walk/own-files", "--on", "tiny", "--rounds", "2", "--wait", "0s"];
        assert_eq!(home.json(&[&words[..], &["--shards", "2", "-o", &plan]].concat()).0, 0);
        Planned { home, plan }
    }

    fn path(&self, name: &str) -> String {
        self.home.path(name).to_str().unwrap().to_owned()
    }

    fn shard(&self, number: &str, into: &Path, scratch: &str) -> Command {
        let mut command = self.home.assay();
        command.args(["run", "--plan", &self.plan, "--shard", number, "--scratch", &self.path(scratch), "--into"]);
        command.arg(into);
        command
    }
}

fn ends(output: &Output, code: i32, says: &str) {
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{says:?} is not in {told}");
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn many_put_into_one_place_at_once() {
    let planned = Planned::new();
    let into = planned.home.path("into");
    // Each shard twice, as where a scheduler takes a node for dead that is not.
    let running: Vec<_> = ["0", "1", "0", "1"]
        .iter()
        .enumerate()
        .map(|(at, number)| {
            let mut command = planned.shard(number, &into, &format!("scratch-{at}"));
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert!(names(&into).iter().all(|name| into.join(name).join("record.jsonl").is_file()), "{:?}", names(&into));
    let (code, said) = planned.home.json(&["merge", &planned.path("merged"), into.to_str().unwrap()]);
    let count = |field: &str| said[field].as_array().unwrap().len();
    assert_eq!((code, names(&into).len(), count("missing"), count("double")), (0, 4, 0, 2), "{said}");
    assert_eq!(names(&planned.home.path("merged")).len(), 2);
}

#[test]
fn what_is_named_wrongly_is_told_before_anything_is_done() {
    let planned = Planned::new();
    let (home, into) = (&planned.home, planned.home.path("into"));
    ends(&planned.shard("0", &into, "scratch").output().unwrap(), 0, "put into ");
    let before = names(&into);
    let newer = planned.path("newer.json");
    fs::write(&newer, fs::read_to_string(&planned.plan).unwrap().replace("assay.plan/1", "assay.plan/9")).unwrap();
    let records = into.to_str().unwrap();
    let (inside, below) = (planned.path("into/merged"), planned.path("into/a/b"));
    let cases: [(i32, &[&str], &str); 9] = [
        (6, &["run", "--plan", &newer, "--shard", "0"], "is of schema assay.plan/9, and this build reads assay.plan/1"),
        (6, &["fleet", "slurm", "--plan", &newer, "--into", &planned.path("fleet")], "is of schema assay.plan/9"),
        (2, &["run", "--plan", &planned.plan, "--shard", "7"], "its shards are 0 to 1"),
        (2, &["merge", &inside, records], "which is read"),
        (2, &["merge", &below, records], "which is read"),
        (2, &["fleet", "collect", records, "--plan", &planned.plan, "--out", &inside], "which is read"),
        (4, &["merge", "/proc/merged", records], "cannot make /proc/"),
        (4, &["plan", "restore/zstd", "--on", "tiny", "--shards", "1", "-o", "/proc/plan"], "cannot make /proc/"),
        (2, &["merge", "s3:///merged", records], "names no bucket"),
    ];
    for (code, words, says) in cases {
        let output = home.run(words);
        ends(&output, code, says);
        assert!(text(&output.stderr).contains("  do  "), "{words:?}: {}", text(&output.stderr));
    }
    // A place beside, whose name only begins alike, is none inside.
    ends(&home.run(&["merge", &planned.path("into-merged"), records]), 6, "missing  shard 1");
    assert_eq!(names(&into), before);
    assert!(!home.path("fleet").exists());
}

/// A directory with an `sbatch` that says no, to stand before all others in the path.
fn refusing(home: &Home) -> PathBuf {
    let dir = home.path("bin");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("sbatch"), "#!/bin/sh\necho 'invalid partition specified: none' >&2\nexit 1\n").unwrap();
    fs::set_permissions(dir.join("sbatch"), Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_fleet_that_cannot_be_submitted_leaves_nothing_behind() {
    let planned = Planned::new();
    let fleet = |into: &str, path: &Path| {
        let words = ["fleet", "slurm", "--plan", &planned.plan, "--into", into, "--", "--partition=none"];
        planned.home.assay().args(words).env("PATH", path).output().unwrap()
    };
    let (new, empty) = (planned.path("new"), planned.path("empty"));
    fs::create_dir(&empty).unwrap();
    let nowhere = planned.home.path("nowhere");
    ends(&fleet(&new, &nowhere), 4, "there is no sbatch here");
    let refusing = refusing(&planned.home);
    for into in [&new, &empty] {
        let output = fleet(into, &refusing);
        ends(&output, 4, "invalid partition specified: none");
        ends(&output, 4, "give the command again");
    }
    assert!(!Path::new(&new).exists() && names(Path::new(&empty)).is_empty(), "{:?}", names(Path::new(&empty)));
    // What is somebody's stays.
    fs::write(planned.home.path("empty/mine"), "mine").unwrap();
    ends(&fleet(&empty, &refusing), 2, "is not empty, and nothing is overwritten");
    assert_eq!(names(Path::new(&empty)), ["mine"]);
    // The rest needs no Slurm: scripts by hand, and what is there of a fleet.
    let dry = ["fleet", "slurm", "--plan", &planned.plan, "--into", &new, "--dry"];
    ends(&planned.home.assay().args(dry).env("PATH", &nowhere).output().unwrap(), 0, "nothing was submitted");
    let status = planned.home.assay().args(["fleet", "status", &new]).env("PATH", &nowhere).output().unwrap();
    ends(&status, 0, "not there");
    ends(&planned.home.run(&["fleet", "collect", &new]), 6, "there is no record of any shard");
    ends(&planned.home.run(&["fleet", "status", &planned.path("bin")]), 6, "is no fleet's directory");
}

#[test]
fn the_scripts_of_a_fleet_put_records_where_they_are_wanted() {
    let planned = Planned::new();
    let (dir, records) = (planned.path("fleet"), planned.path("elsewhere/my records"));
    let place = planned.path("scratch") + "/{shard}";
    let words = ["fleet", "slurm", "--plan", &planned.plan, "--into", &dir, "--records", &records, "--dry"];
    ends(&planned.home.run(&[&words[..], &["--scratch", &place]].concat()), 0, "nothing was submitted");
    // As Slurm would start it.
    let scripts: Vec<Output> = ["0", "1"]
        .into_iter()
        .map(|shard| {
            let mut script = Command::new("bash");
            script.arg(planned.home.path("fleet/array.sh")).env("SLURM_ARRAY_TASK_ID", shard);
            script.env("ASSAY_HOME", planned.home.path("home")).output().unwrap()
        })
        .collect();
    for output in &scripts {
        ends(output, 0, "put into ");
    }
    assert_eq!(names(Path::new(&records)).len(), 2);
    let collected = planned.home.path("fleet/collected");
    let mut last = Command::new("bash");
    last.arg(planned.home.path("fleet/last.sh")).env("ASSAY_HOME", planned.home.path("home"));
    ends(&last.output().unwrap(), 0, "all shards are there, none is double");
    assert!(collected.join("review/index.html").is_file());
    let (code, said): (i32, Value) = planned.home.json(&["fleet", "status", &dir]);
    assert_eq!((code, said["records"].as_str()), (0, Some(records.as_str())), "{said}");
}

#[test]
fn a_disk_that_fills_while_a_shard_runs_costs_no_record() {
    let planned = Planned::new();
    let into = planned.home.path("small");
    fs::create_dir(&into).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&into).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("root", "only root may mount a small file system: run as root");
    }
    let filled = fs::write(into.join("of-others"), vec![0; 56 << 10]);
    let output = planned.shard("0", &into, "scratch").output();
    let left = names(&into);
    assert!(Command::new("umount").arg(&into).status().unwrap().success());
    filled.unwrap();
    let output = output.unwrap();
    ends(&output, 4, "No space left on device");
    ends(&output, 4, "make room there; the record is whole in ");
    assert_eq!(left, ["of-others", "shard-0.note"], "no half record, hidden or not");
    let told = text(&output.stderr);
    let whole = told.split("is whole in ").nth(1).unwrap().split(": copy it").next().unwrap();
    assert_eq!(reports::record::read(Path::new(whole)).unwrap().end.unwrap().how, "complete");
}
