//! Plans, shards and merges as users meet them: what is cut apart comes back together, whole, once, and nothing else
//! with it. What needs Slurm is in `slurm.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use reports::record::{self, Run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

const FAKED: (&str, &str) = ("ASSAY_FAKE_MACHINE", "kernel=6.99-other,filesystem=otherfs");

/// A home with a plan of two entries, one of restore and one of walk, in two shards.
fn planned() -> (Home, String) {
    let home = Home::new();
    let plan = home.path("plan.json").to_str().unwrap().to_owned();
    let words = ["plan", "restore/zstd", "walk/own-files", "--on", "tiny", "--rounds", "4", "--wait", "0s"];
    let (code, document) = home.json(&[&words[..], &["--shards", "2", "-o", &plan]].concat());
    assert_eq!(code, 0, "{document}");
    let entries = document["plan"]["entries"].as_array().unwrap();
    let shards: Vec<&Value> = entries.iter().map(|entry| &entry["shard"]).collect();
    assert!(shards.contains(&&0.into()) && shards.contains(&&1.into()) && shards.len() == 2, "{entries:?}");
    (home, plan)
}

/// Runs a shard, its record put into a directory.
fn shard(home: &Home, plan: &str, number: &str, into: &str, faked: Option<(&str, &str)>) -> Output {
    let scratch = home.scratch();
    let words = ["run", "--plan", plan, "--shard", number, "--into", into, "--scratch", &scratch];
    home.assay().args(words).envs(faked).output().unwrap()
}

/// What lies in a directory of records, by name.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let record = |path: PathBuf| std::fs::read(path.join("record.jsonl")).unwrap();
    entries.map(|entry| (entry.file_name().to_str().unwrap().to_owned(), record(entry.path()))).collect()
}

fn runs(dir: &Path) -> Vec<Run> {
    let names = tree(dir).into_keys();
    names.map(|name| record::read(&dir.join(name).join("record.jsonl")).unwrap()).collect()
}

/// What each row did, counted, where chance has no part in it: system calls that touch files, and bytes.
fn counted(runs: &[Run]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let is_of_files = |name: &str| {
        ["openat", "statx", "write", "read", "fchmod", "utimensat", "mkdirat", "getdents64"]
            .iter()
            .any(|call| name == format!("calls.{call}"))
            || name.starts_with("bytes")
    };
    let mut found = BTreeMap::new();
    for run in runs {
        for sample in run.samples.iter().filter(|sample| sample.pass == "counts") {
            let name = format!("{}/{}", run.header.plan[sample.plan].workload, sample.variant);
            let exact = sample.reading.counts.as_ref().unwrap().exact();
            // The C library's allocator reads a file now and then where several threads ask it.
            let is_chance =
                |name: &str| sample.reading.workers > 1 && ["calls.openat", "calls.read", "bytes_read"].contains(&name);
            let of_files = exact.into_iter().filter(|(name, _)| is_of_files(name) && !is_chance(name));
            found.insert(name, of_files.collect());
        }
    }
    found
}

#[test]
fn what_is_cut_into_shards_comes_back_as_one_run_would() {
    let (home, plan) = planned();
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let (here, there, merged, again) = (path("here"), path("there"), path("merged"), path("again"));
    for (number, into, faked) in
        [("0", &here, None), ("1", &here, None), ("0", &there, Some(FAKED)), ("1", &there, Some(FAKED))]
    {
        let output = shard(&home, &plan, number, into, faked);
        assert_eq!(output.status.code(), Some(0), "{number}: {}", text(&output.stderr));
    }
    let (code, said) = home.json(&["merge", &merged, &here, &there, "--plan", &plan]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["machines"].as_array().unwrap().len(), 2, "machines are kept apart: {said}");
    assert_eq!((&said["missing"], &said["double"]), (&Value::Array(vec![]), &Value::Array(vec![])));

    // In another order, and twice: the same, to the byte. And never over what is there.
    assert_eq!(home.json(&["merge", &again, &there, &merged, &here, &there]).0, 0);
    assert_eq!(tree(&home.path("again")), tree(&home.path("merged")));
    let output = home.run(&["merge", &merged, &here]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("nothing is overwritten"), "{}", text(&output.stderr));

    // As one run of the same arguments: the same rows, and they did the same.
    let scratch = home.scratch();
    let words = ["run", "restore/zstd", "walk/own-files", "--on", "tiny", "--rounds", "4", "--wait", "0s", "--scratch"];
    let (code, single) = home.json(&[&words[..], &[&scratch]].concat());
    assert_eq!(code, 0, "{single}");
    let single = record::read(Path::new(single["record"].as_str().unwrap())).unwrap();
    assert_eq!(counted(&runs(&home.path("here"))), counted(&[single]));

    // The page of machine beside machine says of the faked one that it is.
    let out = path("review");
    let (code, _) = home.json(&["report", &merged, "--out", &out]);
    assert_eq!(code, 0);
    let page = std::fs::read_to_string(home.path("review/machines.html")).unwrap();
    assert!(page.contains("faked fingerprint") && page.contains("6.99-other"));
    let index = std::fs::read_to_string(home.path("review/index.html")).unwrap();
    assert!(index.contains("href=\"machines.html\""));
    let data: Value = serde_json::from_slice(&std::fs::read(home.path("review/data/machines.json")).unwrap()).unwrap();
    for ratio in data["ratios"].as_array().unwrap() {
        assert_eq!(ratio["at"].as_array().unwrap().len(), 2, "one interval a machine: {ratio}");
    }
    let workloads: Vec<&Value> = data["ratios"].as_array().unwrap().iter().map(|ratio| &ratio["workload"]).collect();
    assert!(workloads.contains(&&"restore".into()) && workloads.contains(&&"walk".into()), "{workloads:?}");
    // Of one machine there is nothing to stand beside.
    let alone = path("alone");
    assert_eq!(home.json(&["report", &here, "--out", &alone]).0, 0);
    assert!(!home.path("alone/machines.html").exists());
}

#[test]
fn what_does_not_belong_together_is_not_merged_and_what_is_missing_is_named() {
    let (home, plan) = planned();
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let here = path("here");
    assert_eq!(shard(&home, &plan, "1", &here, None).status.code(), Some(0));
    let (name, bytes) = tree(&home.path("here")).pop_first().unwrap();
    let good = String::from_utf8(bytes).unwrap();
    let changed = |to: &str, from: &str, into: &str| {
        assert!(good.contains(from), "{from}");
        let dir = home.path(to).join(&name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("record.jsonl"), good.replacen(from, into, 1)).unwrap();
        path(to)
    };
    let digest = record::read(&home.path("here").join(&name).join("record.jsonl")).unwrap().header.shard.unwrap().plan;
    let other = changed("other", &digest, "ab12cd34ef");
    let schema = changed("schema", "\"schema\":1", "\"schema\":9");
    let of_none = changed("of-none", "\"shard\":{", "\"was\":{");
    let damaged = changed("damaged", "{\"kind\":\"sample\"", "#");
    std::fs::create_dir(home.path("nothing")).unwrap();
    let nothing = path("nothing");
    let cases: [(i32, &str, &str); 5] = [
        (7, &other, "is of plan ab12cd34"),
        (7, &schema, "is of schema 9"),
        (7, &of_none, "is a record of no plan"),
        (6, &damaged, "the line is damaged"),
        (6, "/no/such/place", "cannot read /no/such/place"),
    ];
    for (code, from, words) in cases {
        let output = home.run(&["merge", &path("refused"), &here, from]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{from}: {told}");
        assert!(told.contains(words) && told.contains("  do  "), "{from}: {told}");
        assert!(!home.path("refused").exists(), "nothing is written where something was refused");
    }
    let output = home.run(&["merge", &path("refused"), &nothing]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));

    // What is there is merged; what is missing is named by what it would have measured, with what it said.
    let missing = home.run(&["run", "--plan", &plan, "--shard", "0", "--into", &here, "--scratch", "/proc/assay"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing.stderr));
    let (code, said) = home.json(&["merge", &path("part"), &here, "--plan", &plan]);
    assert_eq!(code, 6, "{said}");
    let missing = &said["missing"][0];
    assert_eq!((missing["shard"].as_u64(), said["missing"].as_array().unwrap().len()), (Some(0), 1), "{said}");
    assert!(missing["what"].as_str().unwrap().contains(" on tiny"), "{said}");
    assert!(missing["said"].as_str().unwrap().contains("cannot make the scratch place /proc/assay"), "{said}");
    assert_eq!(tree(&home.path("part")).len(), 1);

    // A shard that was requeued, with what the first try left: one record of it, and the double by name.
    let cut = good.lines().take(3).map(|line| line.to_owned() + "\n").collect::<String>();
    let twice = home.path("twice").join("first-try");
    std::fs::create_dir_all(&twice).unwrap();
    std::fs::write(twice.join("record.jsonl"), cut).unwrap();
    let (_, said) = home.json(&["merge", &path("requeued"), &path("twice"), &here]);
    assert_eq!(said["double"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(tree(&home.path("requeued")).into_values().collect::<Vec<_>>(), [good.into_bytes()]);
}

#[test]
fn a_plan_is_run_by_the_binary_that_it_was_made_for() {
    let (home, plan) = planned();
    let other = home.path("other.json").to_str().unwrap().to_owned();
    let mut changed: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    changed["binary"] = "0123456789".into();
    std::fs::write(&other, changed.to_string()).unwrap();
    let scratch = home.scratch();
    let cases: [(i32, &[&str], &str); 6] = [
        (7, &["run", "--plan", &other, "--shard", "0"], "for the binary 01234567, and this one is "),
        (2, &["run", "--plan", &plan, "--shard", "2"], "its shards are 0 to 1"),
        (2, &["run", "--plan", &plan], "--shard"),
        (2, &["run", "--plan", &plan, "--shard", "0", "restore"], "cannot be used with"),
        (6, &["run", "--plan", "/no/such/plan", "--shard", "0"], "cannot read /no/such/plan"),
        (2, &["plan", "restore/zstd", "--on", "tiny", "--shards", "2"], "1 entries do not make 2 shards"),
    ];
    for (code, words, says) in cases {
        let output = home.run(words);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert!(told.contains(says), "{words:?}: {told}");
    }
    let before = std::fs::read(&plan).unwrap();
    let again = home.run(&["plan", "restore/zstd", "--on", "tiny", "--shards", "1", "-o", &plan]);
    assert_eq!((again.status.code(), std::fs::read(&plan).unwrap() == before), (Some(2), true));
    let allowed = ["run", "--plan", &other, "--shard", "0", "--any-binary", "--scratch", &scratch];
    let (code, said) = home.json(&allowed);
    assert_eq!(code, 0, "{said}");
    let header = record::read(Path::new(said["record"].as_str().unwrap())).unwrap().header;
    let shard = header.shard.unwrap();
    assert_eq!((shard.number, shard.of), (0, 2));
    assert_eq!(shard.other_binary.unwrap().len(), 64, "the record says which binary it was");
}

#[test]
fn a_recipe_of_ones_own_travels_in_the_plan() {
    let home = Home::new();
    let recipe = home.path("mine.toml");
    let (_, shipped) = fixtures::shipped().iter().find(|(name, _)| *name == "tiny").unwrap();
    std::fs::write(&recipe, shipped.replace("\"tiny\"", "\"mine\"")).unwrap();
    let (plan, scratch) = (home.path("plan.json"), home.scratch());
    let words = ["plan", "restore/zstd", "--rounds", "1", "--wait", "0s", "--shards", "1"];
    let named = ["--on", recipe.to_str().unwrap(), "-o", plan.to_str().unwrap()];
    assert_eq!(home.json(&[&words[..], &named].concat()).0, 0);
    std::fs::remove_file(&recipe).unwrap();
    let (code, said) = home.json(&["run", "--plan", plan.to_str().unwrap(), "--shard", "0", "--scratch", &scratch]);
    assert_eq!((code, said["workloads"][0]["fixture"].as_str()), (0, Some("mine")), "{said}");
}

#[test]
fn a_shard_that_is_stopped_or_killed_leaves_no_half_record() {
    let home = Home::new();
    let plan = home.path("plan.json").to_str().unwrap().to_owned();
    let words = ["plan", "restore/zstd", "--on", "tiny", "--rounds", "100000", "--wait", "0s", "--shards", "1"];
    assert_eq!(home.json(&[&words[..], &["-o", &plan]].concat()).0, 0);
    let (into, scratch) = (home.path("into"), home.scratch());
    for signal in [Signal::INT, Signal::KILL] {
        let words = ["run", "--plan", &plan, "--shard", "0", "--scratch", &scratch, "--into"];
        let mut child = home.assay().args(words).arg(&into).stderr(Stdio::piped()).spawn().unwrap();
        // The record is begun in the home; only then something is measured.
        let begun = || {
            std::fs::read_dir(home.path("home/runs")).is_ok_and(|runs| {
                runs.flatten().any(|run| {
                    std::fs::read_to_string(run.path().join("record.jsonl"))
                        .is_ok_and(|text| text.contains("\"sample\""))
                })
            })
        };
        while !begun() {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        if signal == Signal::INT {
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{told}");
            assert!(told.contains("shard 0 of plan") && told.contains("was stopped before its end"), "{told}");
        }
        let records = std::fs::read_dir(&into).unwrap().flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(records.count(), 0);
        std::fs::remove_dir_all(home.path("home/runs")).unwrap();
    }
}
