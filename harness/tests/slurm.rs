//! A fleet on a real Slurm, which `just slurm-up` sets up on this machine: an array of four shards, of which one is
//! killed and comes back, one has no room, and a node is drained meanwhile.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use technique::absent::skip;

/// The configuration of the cluster that `just slurm-up` has made, where its nodes answer.
fn cluster() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let conf = target.join("slurm/slurm.conf");
    let mend = "`just slurm-up` sets one up here";
    if !conf.is_file() {
        return Err(format!("there is no cluster of ours: {mend}"));
    }
    let output = Command::new("sinfo").env("SLURM_CONF", &conf).args(["-h", "-t", "idle", "-o", "%D"]).output();
    let output = output.map_err(|error| format!("sinfo: {error}: {mend}"))?;
    let idle = text(&output.stdout).trim().to_owned();
    if idle == "3" { Ok(conf) } else { Err(format!("{idle:?} of 3 nodes are idle; {}: {mend}", text(&output.stderr))) }
}

/// A tmpfs without room, gone with the test.
struct Full(PathBuf);

impl Full {
    fn at(place: PathBuf) -> Option<Full> {
        std::fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&place).status();
        mounted.is_ok_and(|status| status.success()).then_some(Full(place))
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        // What cannot be unmounted is seen at once, for the directory above cannot be removed.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A Slurm command, and what it said.
fn slurm(conf: &Path, words: &[&str]) -> Output {
    Command::new(words[0]).args(&words[1..]).env("SLURM_CONF", conf).output().unwrap()
}

/// Waits until it is so; a test that waits in vain says for what.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited two minutes in vain until {what}");
}

/// The process that runs a shard of the plan in that directory, once it has begun to measure.
fn runner_of(dir: &Path, shard: &str) -> Option<Pid> {
    let records = dir.join("records");
    let words = ["--shard", shard, "--into", records.to_str().unwrap()].join("\0");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let measures = std::fs::read_to_string(entry.path().join("task").join(id.to_string()).join("children")).ok()?;
        (line.contains(&words) && !measures.trim().is_empty()).then(|| Pid::from_raw(id))?
    })
}

#[test]
fn an_array_survives_a_kill_a_drain_and_a_full_disk() {
    let conf = match cluster() {
        Ok(conf) => conf,
        Err(why) => return skip("slurm", &why),
    };
    let home = Home::new();
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let Some(full) = Full::at(home.path("scratch/2")) else {
        return skip("slurm", "only root may mount a file system without room");
    };
    let (plan, fleet) = (path("plan.json"), path("fleet"));
    let what =
        ["restore/zstd", "walk/own-files", "--on", "tiny", "--on", "walk-small@0.02", "--rounds", "12", "--wait", "0s"];
    let (code, said) = home.json(&[&["plan"], &what[..], &["--shards", "4", "-o", &plan]].concat());
    assert_eq!(code, 0, "{said}");
    let place = path("scratch") + "/{shard}";
    let words = ["fleet", "slurm", "--plan", &plan, "--into", &fleet, "--scratch", &place, "--json", "--", "--time=10"];
    let output = home.assay().args(words).env("SLURM_CONF", &conf).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (array, last) = (said["array"].as_str().unwrap(), said["last"].as_str().unwrap());

    // One is killed while it measures, and a node is drained while others run.
    let mut killed = None;
    wait_until("the first shard measures", || {
        killed = runner_of(&home.path("fleet").canonicalize().unwrap(), "0");
        killed.is_some()
    });
    kill_process(killed.unwrap(), Signal::KILL).unwrap();
    let drained = slurm(&conf, &["scontrol", "update", "nodename=assay3", "state=drain", "reason=a test"]);
    let jobs = format!("{array},{last}");
    wait_until("no job is left", || {
        let left = slurm(&conf, &["squeue", "-h", "-j", &jobs]);
        left.status.success() && left.stdout.is_empty()
    });
    let resumed = slurm(&conf, &["scontrol", "update", "nodename=assay3", "state=resume"]);
    assert!(drained.status.success() && resumed.status.success(), "{}", text(&drained.stderr));

    let log = |name: &str| std::fs::read_to_string(home.path("fleet/logs").join(name)).unwrap_or_default();
    assert!(log("shard-0.log").contains("killed by signal 9: this shard is queued again"), "{}", log("shard-0.log"));
    // The last job merged what was there, and named the shard without room.
    let collected = log("collect.log");
    assert!(collected.contains("missing  shard 2 ("), "{collected}");
    assert!(collected.contains("MiB free, and this run may need"), "{collected}");
    assert!(collected.contains("report   "), "{collected}");
    let (_, status) = home.json(&["fleet", "status", &fleet]);
    let how: Vec<&Value> = status["shards"].as_array().unwrap().iter().map(|shard| &shard["how"]).collect();
    assert_eq!(how, ["there", "there", "failed", "there"]);

    // With room it comes through, by hand as well as by Slurm; then all is there, and nothing twice.
    drop(full);
    let script = home.path("fleet/array.sh");
    let again = Command::new("sbatch")
        .args(["--parsable", "--wait", "--array=2"])
        .arg(&script)
        .env("SLURM_CONF", &conf)
        .env("ASSAY_HOME", home.path("home"))
        .output()
        .unwrap();
    assert!(again.status.success(), "{}{}", text(&again.stderr), log("shard-2.log"));
    let whole = path("whole");
    let (code, said) = home.json(&["fleet", "collect", &fleet, "--out", &whole]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((said["missing"].as_array().unwrap().len(), said["double"].as_array().unwrap().len()), (0, 0), "{said}");
    let records = std::fs::read_dir(home.path("whole/records")).unwrap().count();
    assert_eq!(records, 4);
    assert!(home.path("whole/review/index.html").is_file());
}
