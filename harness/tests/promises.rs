//! Promises under fire, the quick form: `just campaign` is the long one. Every claim is tried, and a false one is found.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, gone, text};
use rustix::process::geteuid;
use serde_json::Value;

/// Runs the command, and gives back its exit code and its trials.
fn promises(home: &Home, words: &[&str]) -> (i32, Vec<Value>) {
    let scratch = home.scratch();
    let (code, document) = home.json(&[&["promises", "--scratch", &scratch], words].concat());
    assert!(gone(&scratch), "nothing is left");
    (code, document["trials"].as_array().unwrap_or_else(|| panic!("{document}")).clone())
}

fn of<'a>(trials: &'a [Value], row: &str, trial: &str) -> &'a Value {
    let found = trials.iter().find(|one| one["row"] == row && one["trial"] == trial);
    found.unwrap_or_else(|| panic!("{row} was not tried: {trials:#?}"))
}

/// Not root: what mounts cannot be tried, and was said to be absent.
fn is_root() -> bool {
    if !geteuid().is_root() {
        technique::absent::skip("root", "only root may mount");
    }
    geteuid().is_root()
}

#[test]
fn every_row_keeps_what_it_claims() {
    let home = Home::new();
    let (code, trials) =
        promises(&home, &["restore", "syscalls", "batching", "--moments", "2", "--trial", "atomic,verified,kept"]);
    assert_eq!(code, 0, "{trials:#?}");
    for workload in ["restore", "syscalls", "batching"].map(|name| harness::catalogue::workload(name).unwrap()) {
        for variant in workload.variants.iter().filter(|one| one.stub.is_none() && !one.aside) {
            let row = format!("{}/{}", workload.name, variant.name);
            let claims = variant.technique.promises();
            for (trial, promise) in [("atomic", technique::Promise::Atomic), ("verified", technique::Promise::Verified)]
            {
                let tried = trials.iter().any(|one| one["row"] == row.as_str() && one["trial"] == trial);
                assert_eq!(tried, claims.has(promise), "{row} {trial}");
            }
            of(&trials, &row, "kept");
        }
    }
}

#[test]
fn moments_strike_where_work_is_done_and_half_files_are_seen() {
    let home = Home::new();
    let words = ["restore/best", "restore/best-atomic", "restore/gzip", "--trial", "atomic", "--moments", "30"];
    let (code, trials) = promises(&home, &[&words[..], &["--unclaimed"]].concat());
    assert_eq!(code, 0, "{trials:#?}");
    for row in ["restore/best-atomic", "restore/gzip"] {
        let kept = of(&trials, row, "atomic");
        assert_eq!(
            (&kept["tried"], &kept["broken"], &kept["claimed"]),
            (&30.into(), &0.into(), &true.into()),
            "{kept}"
        );
        let struck: u32 = kept["note"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        // How many moments fall into the work is the machine's to say.
        assert!(struck > 0, "{kept}");
    }
    // Files are made under their final names: were none of them seen half done, nothing would be worth anything. On a
    // busy machine thirty moments may miss them all.
    let mut direct = of(&trials, "restore/best", "atomic").clone();
    assert_eq!(direct["claimed"], false);
    for seed in ["1", "2", "3", "4", "5", "6"] {
        if direct["broken"].as_u64().unwrap() > 0 {
            return;
        }
        let words = ["restore/best", "--trial", "atomic", "--moments", "60", "--unclaimed", "--seed", seed];
        direct = of(&promises(&home, &words).1, "restore/best", "atomic").clone();
    }
    panic!("no moment of hundreds struck a file half done: {direct}");
}

#[test]
fn a_false_claim_ends_with_an_exit_code_of_its_own() {
    let home = Home::new();
    // It shows the first byte of some files for a while, and then all of them.
    let script = home.path("liar.sh");
    let lie = "for file in \"$1\"/*; do [ -f \"$file\" ] && head -c 1 \"$file\" >\"$2/${file##*/}\"; done";
    std::fs::write(&script, format!("{lie}\nsleep 0.3\ncp -r \"$1/.\" \"$2\"\n")).unwrap();
    let liar = format!("liar[atomic]=sh {} {{source}} {{target}}", script.display());
    let words = ["restore/floor", "--peer", liar.as_str(), "--trial", "atomic", "--moments", "8"];
    let (code, trials) = promises(&home, &words);
    assert_eq!(code, 5, "{trials:#?}");
    let lie = of(&trials, "restore/liar", "atomic");
    assert!(lie["broken"].as_u64().unwrap() > 0 && lie["wrong"][0].as_str().unwrap().contains(" bytes"), "{lie}");
    let output = home.run(&[&["promises", "--scratch", &home.scratch()], &words[..]].concat());
    assert!(text(&output.stdout).contains("BROKEN"), "{}", text(&output.stdout));
}

#[test]
fn a_flipped_bit_is_told_by_name_and_one_who_does_not_look_is_found() {
    let home = Home::new();
    let rows = ["restore/gzip", "restore/pack", "restore/sealed", "restore/best", "restore/best-not-packed"];
    let words = ["restore/tar", "--trial", "verified", "--moments", "25", "--unclaimed"];
    let (code, trials) = promises(&home, &[&rows[..], &words[..]].concat());
    assert_eq!(code, 0, "{trials:#?}");
    for row in rows {
        let kept = of(&trials, row, "verified");
        assert_eq!((&kept["tried"], &kept["broken"]), (&25.into(), &0.into()), "{kept}");
        let harmless: u32 = kept["note"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(harmless < 20, "{kept}");
    }
    if trials.iter().any(|one| one["row"] == "restore/tar" && one.get("absent").is_none()) {
        assert!(of(&trials, "restore/tar", "verified")["broken"].as_u64().unwrap() > 0);
    }
}

/// A campaign may take hours: what was tried is noted, and not tried again.
#[test]
fn a_campaign_goes_on_where_it_was_stopped() {
    let home = Home::new();
    let notes = home.path("notes/campaign.jsonl");
    let words = ["restore/gzip", "restore/best", "--trial", "kept,verified", "--moments", "3", "--notes"];
    let words = [&words[..], &[notes.to_str().unwrap()]].concat();
    let (code, trials) = promises(&home, &[&words[..], &["--budget", "1ms"]].concat());
    assert_eq!((code, trials.len()), (3, 0), "no time was left");
    let (code, trials) = promises(&home, &words);
    assert_eq!((code, trials.len()), (0, 4), "{trials:#?}");
    // By a word of our own it shows what comes from the notes; the last line was being written when the power failed.
    let whole = std::fs::read_to_string(&notes).unwrap();
    let ours = whole.replacen("changed nothing", "were of no matter", 1);
    let (cut, _) = ours.trim_end().rsplit_once(',').unwrap();
    std::fs::write(&notes, cut).unwrap();
    let (code, again) = promises(&home, &words);
    assert_eq!((code, again.len()), (0, 4), "{again:#?}");
    let from_notes = again.iter().filter(|one| one["note"].as_str().unwrap().ends_with("of no matter")).count();
    assert_eq!(from_notes, 1);
    assert_eq!(std::fs::read_to_string(&notes).unwrap().lines().count(), 5);
    // Another seed is another campaign, and what is none of a campaign is refused.
    let scratch = home.scratch();
    let run = |more: &[&str]| home.run(&[&["promises", "--scratch", &scratch], &words[..], more].concat());
    let other = run(&["--seed", "7"]);
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    std::fs::write(&notes, format!("{whole}{{\"row\": 7}}\n")).unwrap();
    let odd = run(&[]);
    assert_eq!(odd.status.code(), Some(6), "{}", text(&odd.stderr));
    assert!(text(&odd.stderr).contains("line 6 of the notes"), "{}", text(&odd.stderr));
}

/// A program that waits until all is stored keeps its files; one that does not, loses them.
#[test]
fn what_is_durable_outlives_a_power_cut_and_what_is_not_is_lost() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let script = home.path("stored.sh");
    std::fs::write(&script, "cp -a \"$1/.\" \"$2\" && sync -f \"$2\"\n").unwrap();
    let stored = format!("stored[durable,times,independent]=sh {} {{source}} {{target}}", script.display());
    let rows = ["restore/best", "restore/best-synced-once", "restore/best-all-synced"];
    let (code, trials) = promises(
        &home,
        &[&rows[..], &["--peer", &stored, "--trial", "durable", "--moments", "1", "--unclaimed"]].concat(),
    );
    assert_eq!(code, 0, "{trials:#?}");
    for kind in ["ext4", "xfs", "btrfs"] {
        let stored = of(&trials, &format!("restore/stored on {kind}"), "durable");
        if let Some(absent) = stored.get("absent") {
            technique::absent::skip(kind, &absent["why"].to_string());
            continue;
        }
        assert_eq!((&stored["tried"], &stored["broken"]), (&1.into(), &0.into()), "{stored}");
        for row in &rows[1..] {
            let kept = of(&trials, &format!("{row} on {kind}"), "durable");
            assert_eq!(
                (&kept["claimed"], &kept["tried"], &kept["broken"]),
                (&true.into(), &1.into(), &0.into()),
                "{kept}"
            );
        }
        let lost = of(&trials, &format!("restore/best on {kind}"), "durable");
        assert_eq!((&lost["claimed"], &lost["broken"]), (&false.into(), &1.into()), "{lost}");
    }
}

#[test]
fn trouble_is_told_and_leaves_nothing_half_done() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    // The last two make a tree before their work: what stood there then is no half file of theirs.
    let rows = ["gzip", "workers", "best", "best-atomic", "hardlinks", "over-aged-by-time", "over-aged-by-contents"];
    let rows = rows.map(|row| format!("restore/{row}"));
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (code, trials) = promises(&home, &[&rows[..], &["--trial", "full,read-only,elsewhere,descriptors"]].concat());
    assert_eq!(code, 0, "{trials:#?}");
    for row in rows {
        assert_eq!(of(&trials, row, "full")["tried"], 9);
        for trial in ["read-only", "elsewhere", "descriptors"] {
            assert_eq!(of(&trials, row, trial)["tried"], 1, "{row} {trial}");
        }
    }
}
