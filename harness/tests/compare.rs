//! Comparisons as a user meets them: what is the same, what is slower, what cannot be compared, and what a stop leaves.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// Runs a comparison in a place of its own.
fn compare(home: &Home, arguments: &[&str]) -> (i32, Value) {
    let scratch = home.scratch();
    home.json(&[&["compare", "--scratch", &scratch], arguments].concat())
}

fn only(document: &Value) -> &Value {
    assert_eq!(document["judgement"]["entries"].as_array().unwrap().len(), 1, "{document}");
    &document["judgement"]["entries"][0]
}

/// A session that is void by chance, or because the machine is too busy, is held once more.
fn not_void(home: &Home, arguments: &[&str]) -> Value {
    const SESSIONS: usize = 4;
    for _ in 0..SESSIONS {
        let (code, document) = compare(home, arguments);
        if code == 0 {
            return document;
        }
        assert_eq!(code, 4, "{document}");
    }
    panic!("{SESSIONS} sessions in a row were void: something favours a side");
}

#[test]
fn a_row_is_neither_faster_nor_slower_than_itself() {
    let home = Home::new();
    let document = not_void(&home, &["codecs/zstd-3", "codecs/zstd-3", "--wall-only"]);
    let entry = only(&document);
    let verdict = entry["verdict"].as_str().unwrap();
    assert!(["no practical change", "not decided"].contains(&verdict), "{entry}");
    assert!(document["judgement"]["control_pairs"].as_u64().unwrap() >= 8, "{document}");
}

/// What ran beside it widens the interval and may leave it open, but neither turns it round nor takes 1.33 out of it.
#[test]
fn a_delay_of_a_third_is_seen_and_its_size_is_right() {
    let home = Home::new();
    let document = not_void(&home, &["syscalls/direct", "syscalls/direct", "--delay", "33%", "--wall-only"]);
    let entry = only(&document);
    let disturbed = !entry["trust"].as_array().unwrap().is_empty();
    let verdict = entry["verdict"].as_str().unwrap();
    assert!(verdict == "slower" || (disturbed && verdict == "not decided"), "{entry}");
    let takes = |key: &str| entry["takes"][key].as_f64().unwrap();
    assert!(takes("low") < 1.33 * 1.2 && takes("high") > 1.33 / 1.2, "{entry}");
}

#[test]
fn what_changed_is_told_in_counts_phases_and_promises() {
    let home = Home::new();
    let document = not_void(&home, &["syscalls/seven-calls", "syscalls/direct", "--budget", "1s"]);
    let entry = only(&document);
    assert_eq!(entry["promises"][0], serde_json::json!(["atomic"]), "{entry}");
    assert!(entry["phases"].as_array().unwrap().iter().any(|phase| phase[0] == "rename"), "{entry}");
    // Only where calls can be counted at all.
    if let Some(renames) = entry["counts"].get("calls.renameat") {
        assert_eq!(*renames, serde_json::json!([200, 0]), "{entry}");
    }
    let (_, shown) = home.json(&["show", document["session"].as_str().unwrap()]);
    assert_eq!(shown["judgement"], document["judgement"]);
}

#[test]
fn two_runs_that_were_measured_apart_get_no_verdict_on_times() {
    let home = Home::new();
    let scratch = home.scratch();
    let run = || {
        let arguments =
            ["run", "buffers/pooled", "--on", "tiny", "--rounds", "1", "--wait", "0s", "--scratch", &scratch];
        let (code, document) = home.json(&arguments);
        assert_eq!(code, 0, "{document}");
        document["run"].as_str().unwrap().to_owned()
    };
    let (a, b) = (run(), run());
    let (code, document) = home.json(&["compare", &a, &b]);
    assert_eq!((code, &document["schema"]), (0, &Value::from("assay.apart/1")), "{document}");
    assert!(document["rows"].as_array().unwrap().len() >= 2, "{document}");
    let told = text(&home.run(&["compare", &a, &b]).stdout);
    assert!(told.contains("none on times"), "{told}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let home = Home::new();
    for (arguments, code, told) in [
        (&["compare"] as &[&str], 2, "compare takes two sides, and here are 0"),
        (&["compare", "codecs/gzip-6"], 2, "and here are 1"),
        (&["compare", "codecs/gzip-6", "codecs/zstd-3", "codecs/plain"], 2, "and here are 3"),
        (&["compare", "codecs/gzip-6", "syscalls/direct"], 2, "different questions"),
        (&["compare", "codecs/gzip-6", "codecs/ztsd-3"], 2, "did you mean \"zstd-3\""),
        (&["compare", "codecs/gzip-6", "codecs/zstd-3", "--on", "tny"], 2, "tiny"),
        (&["compare", "codecs/gzip-6", "codecs/zstd-3", "--precision", "0"], 2, "is no share"),
        (&["compare", "codecs/gzip-6", "codecs/zstd-3", "--head", "main"], 2, "--base"),
        (&["compare", "--base", "no-such-revision", "codecs/gzip-6"], 2, "git knows no revision"),
        (&["compare", "--base", "HEAD", "codecs/gzip-6"], 4, "git cannot be run"),
    ] {
        let mut command = home.assay();
        if code == 4 {
            command.env("PATH", home.path("nowhere"));
        }
        let output = command.args(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}

#[test]
fn a_comparison_that_is_stopped_keeps_its_pairs() {
    let home = Home::new();
    let scratch = home.scratch();
    let mut child = home
        .assay()
        .args([
            "compare",
            "syscalls/direct",
            "syscalls/direct",
            "--precision",
            "0.01%",
            "--scratch",
            &scratch,
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let runs = home.path("home/runs");
    let pairs = || {
        let run = std::fs::read_dir(&runs).into_iter().flatten().flatten().next();
        let file = run.map(|run| run.path().join("comparison.jsonl"));
        file.and_then(|file| std::fs::read_to_string(file).ok()).map_or(0, |text| text.matches("\"pair\":{").count())
    };
    while pairs() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(only(&document)["pairs"].as_u64().unwrap() >= 2, "{document}");
    // The place itself goes too, where it was made for this.
    let left: Vec<_> = std::fs::read_dir(&scratch)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("run-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
