//! Gates, tested as code: whatever is planted goes red, and nothing planted stays green.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use technique::absent::{required, skip};

/// One row that computes, and one that calls the kernel.
const ROWS: &str = "[\"codecs/zstd-3\", \"syscalls/direct\"]";

struct Gates {
    home: Home,
}

impl Gates {
    fn new() -> Gates {
        let gates = Gates { home: Home::new() };
        std::fs::create_dir(gates.home.path("gates")).unwrap();
        gates
    }

    fn write(&self, name: &str, toml: &str) {
        std::fs::write(self.home.path("gates").join(name), toml).unwrap();
    }

    fn exact(&self) {
        self.write("exact.toml", &format!("what = \"w\"\nkind = \"exact\"\nfixture = \"tiny\"\nrows = {ROWS}\n"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let gates = self.home.path("gates");
        let mut all = vec!["gate", "--gates", gates.to_str().unwrap()];
        let scratch = self.home.scratch();
        all.extend(["--scratch", &scratch]);
        all.extend(arguments);
        self.home.run(&all)
    }

    /// The exit code, and the gates of the document.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
        (output.status.code().unwrap(), document)
    }

    /// Whether calls can be counted exactly and quickly here; the first gate is blessed by the way.
    fn blessed(&self, plant: &[&str]) -> bool {
        self.exact();
        let output = self.run(&[&["--bless"], plant].concat());
        if output.status.code() == Some(4) {
            skip("tracefs", &text(&output.stderr));
            assert!(!required("tracefs"), "{}", text(&output.stderr));
            return false;
        }
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        true
    }
}

/// The findings that fail, as `row metric change`.
fn failures(document: &Value) -> Vec<String> {
    let findings = document["gates"][0]["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|one| one["fails"] == true)
        .map(|one| {
            let number = |key: &str| one[key].as_i64().unwrap_or(0);
            let (row, metric) = (one["row"].as_str().unwrap(), one["metric"].as_str().unwrap());
            format!("{row} {metric} {:+}", number("is") - number("was"))
        })
        .collect()
}

/// What a metric is now, by `row metric`.
fn count_of(document: &Value, name: &str) -> u64 {
    let findings = document["gates"][0]["findings"].as_array().unwrap();
    let named = |one: &&Value| format!("{} {}", one["row"].as_str().unwrap(), one["metric"].as_str().unwrap()) == name;
    findings.iter().find(named).unwrap()["is"].as_u64().unwrap()
}

/// The phases in which each failing metric is counted now.
fn places(document: &Value) -> Vec<(String, BTreeMap<String, u64>)> {
    let findings = document["gates"][0]["findings"].as_array().unwrap();
    let failing = findings.iter().filter(|one| one["fails"] == true);
    failing
        .map(|one| {
            let phases = serde_json::from_value(one["phases"].clone()).unwrap_or_else(|error| panic!("{error}: {one}"));
            (format!("{} {}", one["row"].as_str().unwrap(), one["metric"].as_str().unwrap()), phases)
        })
        .collect()
}

#[test]
fn whatever_is_planted_goes_red_by_name_and_nothing_planted_stays_green() {
    let gates = Gates::new();
    if !gates.blessed(&[]) {
        return;
    }
    for _ in 0..3 {
        let (code, document) = gates.json(&[]);
        assert_eq!((code, failures(&document)), (0, vec![]), "{document}");
    }
    let both = |metric: &str| vec![format!("codecs/zstd-3 {metric}"), format!("syscalls/direct {metric}")];
    for (plant, expected) in [
        (r#"{"calls":1}"#, both("calls.getppid +1")),
        (r#"{"syncs":1}"#, both("calls.fsync +1")),
        (r#"{"allocations":1}"#, [both("allocated_bytes +64"), both("allocations +1")].concat()),
    ] {
        let (code, document) = gates.json(&["--plant", plant]);
        let mut expected = expected;
        expected.sort();
        assert_eq!((code, failures(&document)), (1, expected), "{plant}");
        for (metric, phases) in places(&document) {
            let is = count_of(&document, &metric);
            assert_eq!(phases.values().sum::<u64>(), is, "{metric}: {phases:?}");
            // It is planted behind the row's last mark.
            let planted = if metric.ends_with("allocated_bytes") { 64 } else { 1 };
            assert_eq!(phases.get("rest"), Some(&planted), "{metric}: {phases:?}");
        }
    }
    let output = gates.run(&["--plant", r#"{"calls":1}"#]);
    let told = text(&output.stdout);
    assert!(told.contains("FAIL exact") && told.contains("calls.getppid"), "{told}");
    assert!(told.contains("fails; now 1 in rest"), "{told}");
}

#[test]
fn a_write_of_64_kib_where_4_were_goes_red() {
    let gates = Gates::new();
    if !gates.blessed(&["--plant", r#"{"write":4096}"#]) {
        return;
    }
    assert_eq!(gates.json(&["--plant", r#"{"write":4096}"#]).0, 0);
    let (code, document) = gates.json(&["--plant", r#"{"write":65536}"#]);
    let more = 65536 - 4096;
    let expected = ["codecs/zstd-3", "syscalls/direct"].map(|row| format!("{row} bytes_written +{more}"));
    assert_eq!((code, failures(&document)), (1, expected.to_vec()), "{document}");
    for (metric, phases) in places(&document) {
        assert_eq!(phases.get("rest"), Some(&65536), "{metric}: {phases:?}");
    }
}

/// A walk reads its source under the clock, and a path is memory: neither the length of the scratch place's path nor
/// that of the place at which fixtures lie may show in what is counted.
#[test]
fn rows_that_read_their_source_count_the_same_wherever_it_lies() {
    let gates = Gates::new();
    let rows = r#"["walk/only-one-thread", "walk/best-1-thread", "walk/walkdir", "walk/floor-1-thread"]"#;
    gates.write("exact.toml", &format!("what = \"w\"\nkind = \"exact\"\nfixture = \"tiny\"\nrows = {rows}\n"));
    let at = |place: &str, home: &str, more: &[&str]| {
        let [gates_dir, place, elsewhere] = ["gates", place, home].map(|name| gates.home.path(name));
        let mut command = gates.home.assay();
        command.args(["gate", "--json", "--gates"]).arg(gates_dir).arg("--scratch").arg(place).args(more);
        command.env("ASSAY_HOME", elsewhere).output().unwrap()
    };
    let blessed = at("s", "home", &["--bless"]);
    if blessed.status.code() == Some(4) {
        return skip("tracefs", &text(&blessed.stdout));
    }
    assert_eq!(blessed.status.code(), Some(0), "{}{}", text(&blessed.stdout), text(&blessed.stderr));
    for (place, home) in [("s", "another home, of a longer path"), ("a scratch place of a rather longer path", "home")]
    {
        let held = at(place, home, &[]);
        let document: Value = serde_json::from_slice(&held.stdout).unwrap();
        assert_eq!((held.status.code(), failures(&document)), (Some(0), vec![]), "{place}: {document}");
    }
}

#[test]
fn a_baseline_of_something_else_is_no_baseline() {
    let gates = Gates::new();
    if !gates.blessed(&[]) {
        return;
    }
    let path = gates.home.path("gates").join(format!("baselines/exact-{}.toml", std::env::consts::ARCH));
    let baseline = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, baseline.replace("rustc = \"rustc", "rustc = \"another")).unwrap();
    let output = gates.run(&[]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output.stdout).contains("there is no baseline for this"), "{}", text(&output.stdout));
    std::fs::write(&path, &baseline[..baseline.len() / 2]).unwrap();
    let output = gates.run(&[]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(path.to_str().unwrap()), "{}", text(&output.stderr));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(gates.run(&[]).status.code(), Some(6));
}

#[test]
fn a_gate_that_holds_nothing_fails_loudly() {
    let gates = Gates::new();
    let refused = |code: i32, told: &str, arguments: &[&str]| {
        let output = gates.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    };
    refused(6, "there is no gate in", &[]);
    let exact = "what = \"w\"\nkind = \"exact\"\nfixture = \"tiny\"\n";
    gates.write("exact.toml", &format!("{exact}rows = [\"codecs/ztsd-3\"]\n"));
    refused(2, "did you mean \"zstd-3\"", &[]);
    gates.write("exact.toml", &format!("{exact}rows = []\n"));
    refused(2, "it holds no rows", &[]);
    gates.write("exact.toml", exact);
    refused(2, "missing field `rows`", &[]);
    gates.write("exact.toml", &format!("{exact}rows = [\"codecs\"]\n"));
    refused(2, "no gate named \"exat\"", &["exat"]);
    std::fs::remove_file(gates.home.path("gates").join("exact.toml")).unwrap();
    gates.write("near.toml", "what = \"w\"\nkind = \"near-exact\"\nfixture = \"tiny\"\nrows = [\"codecs\"]\n");
    refused(6, "instructions were not counted", &[]);
    let counted = gates.home.path("instructions.json");
    let with = ["--instructions", counted.to_str().unwrap()];
    std::fs::write(&counted, "{}").unwrap();
    refused(6, "counts no row of this gate", &with);
    std::fs::write(&counted, "{\"codecs\"").unwrap();
    refused(6, "is damaged", &with);
}

#[test]
fn instructions_are_held_within_their_tolerance() {
    let gates = Gates::new();
    gates.write(
        "near.toml",
        "what = \"w\"\nkind = \"near-exact\"\nfixture = \"tiny\"\nrows = [\"codecs/zstd-3\"]\ntolerance = 0.005\n",
    );
    let counted = gates.home.path("instructions.json");
    let arguments = ["--instructions", counted.to_str().unwrap()];
    let count = |instructions: u64| {
        std::fs::write(
            &counted,
            format!("{{\"by\":\"valgrind\",\"steady\":{{\"codecs\":{{\"zstd-3\":{instructions},\"gzip-6\":1}}}}}}"),
        )
        .unwrap();
    };
    count(1_000_000);
    assert_eq!(gates.run(&arguments).status.code(), Some(6), "nothing was blessed yet");
    assert_eq!(gates.run(&[&["--bless"], &arguments[..]].concat()).status.code(), Some(0));
    for (instructions, code) in [(1_000_000, 0), (1_004_000, 0), (1_006_000, 1), (900_000, 0)] {
        count(instructions);
        assert_eq!(gates.run(&arguments).status.code(), Some(code), "{instructions}");
    }
}

/// A row of several threads counts otherwise each time. What was blessed says so, and a count for the gate, which leaves
/// such rows out, does not make it forgotten.
#[test]
fn rows_whose_instructions_are_chance_are_blessed_as_such() {
    let gates = Gates::new();
    gates.write(
        "near.toml",
        "what = \"w\"\nkind = \"near-exact\"\nfixture = \"tiny\"\nrows = [\"codecs/zstd-3\", \"batching/workers-2\"]\n",
    );
    let counted = gates.home.path("instructions.json");
    let arguments = ["--instructions", counted.to_str().unwrap()];
    let blessed = || gates.run(&[&["--bless"], &arguments[..]].concat()).status.code();
    let path = gates.home.path("gates").join(format!("baselines/near-{}.toml", std::env::consts::ARCH));
    let steady = r#"{"by":"valgrind","steady":{"codecs":{"zstd-3":5}}"#;
    for more in [r#","unsteady":{"batching":{"workers-2":[7,"3 threads"]},"restore":{"best":[7,"3 threads"]}}}"#, "}"] {
        std::fs::write(&counted, format!("{steady}{more}")).unwrap();
        assert_eq!(blessed(), Some(0));
        let baseline = reports::gate::parse_baseline(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let unsteady: Vec<&str> = baseline.unsteady.keys().map(String::as_str).collect();
        assert_eq!(unsteady, ["batching/workers-2"]);
        assert_eq!(gates.run(&arguments).status.code(), Some(0));
    }
    // Once it is steady, it is held.
    std::fs::write(&counted, r#"{"by":"valgrind","steady":{"codecs":{"zstd-3":5},"batching":{"workers-2":7}}}"#)
        .unwrap();
    assert_eq!(blessed(), Some(0));
    assert!(!std::fs::read_to_string(&path).unwrap().contains("unsteady"));
}

#[test]
fn a_summary_is_added_and_nothing_is_overwritten() {
    let gates = Gates::new();
    if !gates.blessed(&[]) {
        return;
    }
    let summary = gates.home.path("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let code = gates.run(&["--plant", r#"{"calls":1}"#, "--summary", summary.to_str().unwrap()]).status.code();
    let written = std::fs::read_to_string(&summary).unwrap();
    assert_eq!(code, Some(1));
    assert!(written.starts_with("before\n**1 of 1 gates fail: exact.**"), "{written}");
}

/// Five per cent of a row that only computes. A machine that is busy may leave a session open; it never is green.
#[test]
fn a_planted_delay_goes_red_and_is_confirmed() {
    const SESSIONS: usize = 3;
    let gates = Gates::new();
    gates.write(
        "wall.toml",
        "what = \"w\"\nkind = \"wall\"\nfixture = \"tiny\"\nrows = [\"codecs/gzip-6\"]\ntolerance = 0.01\n",
    );
    let mut told = String::new();
    for _ in 0..SESSIONS {
        let output = gates.run(&["wall", "--delay", "5%", "--no-progress"]);
        told = text(&output.stdout) + &text(&output.stderr);
        match output.status.code() {
            Some(1) => {
                assert!(told.contains("confirmed by a second session"), "{told}");
                return;
            }
            // Void, or too noisy to decide: measured again.
            Some(3 | 4) => {}
            // Slower, and the second session could not confirm it.
            Some(0) => assert!(told.contains("not confirmed"), "{told}"),
            other => panic!("{other:?}: {told}"),
        }
    }
    assert!(!required("quiet"), "{told}");
    skip("quiet", &told);
}

/// One pair cannot decide anything, and then the caller says what that means.
#[test]
fn what_is_not_decided_has_a_code_of_its_own() {
    const SESSIONS: usize = 4;
    let gates = Gates::new();
    gates.write(
        "wall.toml",
        "what = \"w\"\nkind = \"wall\"\nfixture = \"tiny\"\nrows = [\"codecs/gzip-6\"]\ntolerance = 0.01\n",
    );
    let code = |words: &[&str]| {
        let arguments = [&["wall", "--delay", "5%", "--budget", "1ms", "--no-progress"], words].concat();
        let mut codes = (0..SESSIONS).map(|_| gates.run(&arguments).status.code());
        codes.find(|code| *code != Some(4)).expect("a session that is not void")
    };
    assert_eq!(code(&[]), Some(3));
    assert_eq!(code(&["--undecided", "fail"]), Some(1));
    assert_eq!(code(&["--undecided", "pass"]), Some(0));
}

#[test]
fn the_gates_of_this_repository_can_be_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/gates");
    let files =
        harness::gate::files::find(Some(&dir), &["exact".into(), "instructions".into(), "wall".into()]).unwrap();
    for file in files {
        let rows = harness::gate::exact::rows(&file.gate).unwrap();
        assert!(!rows.is_empty(), "{}", file.name);
    }
}
