//! Exports, byte by byte, and held against the forms that their readers take. `BLESS=1 cargo test -p reports --test
//! export` writes the golden files anew: read the diff.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reports::comparison::{self, Entry, Judgement, Pair, Read, Session, Shape};
use reports::export;
use reports::gate::Finding;
use reports::record::{
    Absent, Condition, Counted, Counts, Failed, Fixture, Header, Plan, Reading, Run, Sample, SystemCalls, Variant,
};
use reports::terminal::gate::Gate;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Names and words hold what XML and CSV must escape.
const ROWS: [&str; 5] = ["gzip", "zstd", "a,b & <c>", "tar", "never"];

fn sample(variant: &str, round: u32, wall_ns: u64) -> Sample {
    Sample {
        plan: 0,
        variant: variant.into(),
        pass: "wall".into(),
        round,
        position: 0,
        reading: Reading { wall_ns, user_ns: wall_ns / 2, workers: 1, ..Reading::default() },
        outcome: "same".into(),
    }
}

fn plan() -> Plan {
    let variant = |name: &str| Variant {
        name: name.into(),
        what: format!("what {name} does, \"in words\""),
        promises: Vec::new(),
        stub: None,
    };
    Plan {
        workload: "restore".into(),
        question: "How long?".into(),
        fixture: Fixture {
            name: "tiny".into(),
            digest: "d".into(),
            files: 10,
            directories: 1,
            symlinks: 0,
            bytes: 100,
        },
        condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
        variants: ROWS.map(variant).into(),
        ladder: Vec::new(),
        floor: None,
    }
}

/// A baseline, a row that is twice as fast and was counted, one that crashed, one that cannot run here, and one that
/// was never reached.
fn run() -> Run {
    let [_, zstd, crashed, tar, _] = ROWS;
    let mut samples: Vec<Sample> = (0..6)
        .flat_map(|round| [sample("gzip", round, 2_000_000 + u64::from(round)), sample(zstd, round, 1_000_000)])
        .collect();
    samples.push(sample(crashed, 0, 5));
    let calls = SystemCalls { by: "tracepoints".into(), by_name: [("read".into(), 25)].into(), others: 2 };
    let mut counts = Counts { calls: Counted::Present(calls), ..Counts::default() };
    counts.values.insert("allocations".into(), Counted::Present(3));
    counts.absent("instructions", "no counters");
    let mut counting = sample(zstd, 5, 1_000_000);
    counting.pass = "counts".into();
    counting.reading.counts = Some(Box::new(counts));
    samples.push(counting);
    let machine = [("commit", "abc"), ("mitigations", "a < b; \"c\"")];
    Run {
        header: Header {
            schema: 1,
            id: "20261120-120000".into(),
            started: "2026-11-20T12:00:00.123Z".into(),
            command: "assay run".into(),
            seed: 1,
            machine: machine.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            mark_ns: 10.0,
            phases: Vec::new(),
            plan: vec![plan()],
            shard: None,
        },
        samples,
        absent: vec![Absent { plan: 0, variant: tar.into(), why: "no tar".into(), mend: "apt-get install tar".into() }],
        failed: vec![Failed {
            plan: 0,
            variant: crashed.into(),
            round: Some(0),
            how: "crashed".into(),
            told: "signal 11\nwhile <reading>\u{1b}[31m & \"so on\"".into(),
        }],
        beside: Vec::new(),
        notes: Vec::new(),
        end: None,
    }
}

fn entry(row: &str) -> Entry {
    let atomic = vec!["atomic".to_owned()];
    Entry {
        workload: "codecs".into(),
        a: row.into(),
        b: row.into(),
        fixture: "tiny".into(),
        filesystem: "tmpfs".into(),
        band: 0.01,
        promises_a: atomic.clone(),
        promises_b: if row == "slow" { Vec::new() } else { atomic },
    }
}

/// A row that is slower, one that is the same, one that is faster and one that nobody can tell.
fn compared(void: bool) -> (Session, Judgement) {
    let header = comparison::Header {
        schema: 1,
        id: "20261120-130000-compare".into(),
        started: "2026-11-20T13:00:00Z".into(),
        command: "assay compare".into(),
        seed: 1,
        machine: BTreeMap::new(),
        calibration: BTreeMap::new(),
        a: "build <before>".into(),
        b: "build after".into(),
        entries: ["slow", "same", "fast", "unknown"].map(entry).into(),
        chance: 0.005,
        precision: None,
    };
    let pair = |number: u32, shift: f64, noise: f64| {
        let control = number % 4 == 3;
        let favour = if void { 0.03 } else { 0.0 };
        // Noise that repeats, and favours no side.
        let noise = if control { 0.004 } else { noise } * (f64::from(number * 37 % 64) / 64.0 - 0.5);
        Pair {
            number,
            control,
            processor: Some(0),
            a_first: true,
            log_ratio: if control { favour } else { shift } + noise,
            cpu_log_ratio: None,
            waits: 9,
            disturbed: 0,
            far: 0,
            walls: vec![[[1, 1], [1, 1]]],
        }
    };
    let read = |(shift, noise): (f64, f64)| Read {
        shape: Some(Shape { whole: false, times: 1, quads: 1, workers: 1 }),
        pairs: (0..64).map(|number| pair(number, shift, noise)).collect(),
        ..Read::default()
    };
    let read = [(0.05, 0.004), (0.0, 0.004), (-0.05, 0.004), (0.03, 0.3)].map(read).into();
    let session = Session { header, read, end: Some("complete".into()) };
    let judgement = comparison::judge(&session);
    assert_eq!(judgement.void, void);
    (session, judgement)
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, wanted, "{}", path.display());
}

/// Parses it, holds the sums of each suite and of the whole against the cases that they hold, and gives back how each
/// case ended.
fn held_against_its_form(junit: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(junit).unwrap_or_else(|error| panic!("{error}: {junit}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let cases = |of: roxmltree::Node<'_, '_>| of.descendants().filter(|node| node.has_tag_name("testcase")).count();
    for suite in root.descendants().filter(|node| node.has_tag_name("testsuite") || *node == root) {
        let sum = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
        let with = |tag: &str| suite.descendants().filter(|node| node.has_tag_name(tag)).count();
        let sums = ["tests", "failures", "errors", "skipped"].map(sum);
        assert_eq!(sums, [cases(suite), with("failure"), with("error"), with("skipped")]);
        assert!(suite.attribute("name").is_some_and(|name| !name.is_empty()));
    }
    let mut ended = Vec::new();
    for case in root.descendants().filter(|node| node.has_tag_name("testcase")) {
        assert!(case.attribute("classname").is_some() && case.parent().unwrap().has_tag_name("testsuite"));
        let inside: Vec<&str> =
            case.children().filter(roxmltree::Node::is_element).map(|child| child.tag_name().name()).collect();
        let how = match inside[..] {
            [] | ["system-out"] => "passed",
            [how @ ("failure" | "error" | "skipped")] => how,
            _ => panic!("{inside:?}"),
        };
        ended.push((case.attribute("name").unwrap().to_owned(), how.to_owned()));
    }
    ended
}

fn cases(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, how)| ((*name).to_owned(), (*how).to_owned())).collect()
}

/// The schema that Bencher publishes: objects of objects of a number `value`, and at most two numbers more.
#[test]
fn bmf_is_of_its_schema() {
    let (_, judgement) = compared(false);
    for document in [export::bmf(&run()), export::bmf_of_comparison(&judgement)] {
        assert!(!document.as_object().unwrap().is_empty());
        for (name, measures) in document.as_object().unwrap() {
            assert!(!name.is_empty() && name.len() <= 1024);
            for (measure, metric) in measures.as_object().unwrap() {
                let slug = |letter: char| letter.is_ascii_lowercase() || letter == '-';
                assert!(measure.len() <= 64 && measure.chars().all(slug), "{measure}");
                let known = ["value", "lower_value", "upper_value"];
                assert!(metric.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{metric}");
                let of = |key: &str| metric.get(key).map(|number| number.as_f64().unwrap());
                let value = of("value").unwrap();
                assert!(of("lower_value").is_none_or(|low| low <= value), "{metric}");
                assert!(of("upper_value").is_none_or(|high| high >= value), "{metric}");
            }
        }
    }
    golden("run.bmf.json", &format!("{:#}\n", export::bmf(&run())));
}

#[test]
fn the_list_for_github_is_of_its_form() {
    let (_, judgement) = compared(false);
    for document in [export::github(&run()), export::github_of_comparison(&judgement)] {
        let list = document.as_array().unwrap();
        assert!(!list.is_empty());
        for one in list {
            assert!(one["name"].is_string() && one["unit"].is_string() && one["value"].is_number(), "{one}");
            assert!(one.get("range").is_none_or(Value::is_string) && one.get("extra").is_none_or(Value::is_string));
        }
        let mut names: Vec<&str> = list.iter().map(|one| one["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.len(), "a name is a line in a chart");
    }
    golden("run.github.json", &format!("{:#}\n", export::github(&run())));
}

#[test]
fn a_run_as_junit_fails_where_a_row_crashed_and_skips_what_is_absent() {
    let junit = export::junit(&run());
    let wanted =
        [("gzip", "passed"), ("zstd", "passed"), ("a,b & <c>", "failure"), ("tar", "skipped"), ("never", "skipped")];
    assert_eq!(held_against_its_form(&junit), cases(&wanted));
    let document = roxmltree::Document::parse(&junit).unwrap();
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    assert_eq!(failure.text(), Some("signal 11\nwhile <reading>\u{fffd}[31m & \"so on\""));
    assert_eq!((failure.attribute("type"), failure.attribute("message")), (Some("crashed"), Some("signal 11")));
    golden("run.junit.xml", &junit);
}

#[test]
fn a_comparison_as_junit_fails_where_b_is_slower() {
    let (session, judgement) = compared(false);
    let junit = export::junit_of_comparison(&session, &judgement);
    let mut ended = held_against_its_form(&junit);
    ended.sort();
    let wanted = [
        ("codecs/fast", "passed"),
        ("codecs/same", "passed"),
        ("codecs/slow", "failure"),
        ("codecs/unknown", "skipped"),
    ];
    assert_eq!(ended, cases(&wanted));
    assert!(junit.contains("<failure message=\"slower: B takes 1.05"), "{junit}");
    assert!(junit.contains("lost the promise: atomic"), "{junit}");
    let (session, judgement) = compared(true);
    let void = held_against_its_form(&export::junit_of_comparison(&session, &judgement));
    assert!(void.iter().all(|(_, how)| how == "error"), "nothing of a void session can be believed: {void:?}");
}

#[test]
fn gates_as_junit_name_the_rows_that_changed() {
    let finding = |row: &str, fails: bool| Finding {
        row: row.into(),
        metric: "calls.read".into(),
        was: Some(5),
        is: Some(6),
        fails,
        note: if fails { String::new() } else { "chance".into() },
        phases: std::collections::BTreeMap::new(),
    };
    let findings = [finding("codecs/gzip-6", true), finding("codecs/zstd-3", false)];
    let notes = ["restore/tar cannot run here: no tar".to_owned()];
    let gate = |name: &'static str, exit: u8| Gate {
        name,
        what: "calls & allocations",
        passed: exit == 0,
        exit,
        verdict: "1 metric changed",
        findings: if exit == 1 { &findings } else { &[] },
        notes: if exit == 1 { &notes } else { &[] },
        rows: 1,
        metrics: 9,
    };
    let junit = export::junit_of_gates(&[gate("exact", 1), gate("instructions", 6), gate("wall", 0)]);
    let wanted = [
        ("verdict", "failure"),
        ("codecs/gzip-6", "failure"),
        ("codecs/zstd-3", "passed"),
        ("verdict", "error"),
        ("verdict", "passed"),
    ];
    assert_eq!(held_against_its_form(&junit), cases(&wanted));
    golden("gates.junit.xml", &junit);
}

#[test]
fn csv_has_as_many_cells_in_every_line() {
    golden("run.csv", &export::csv(&run()));
    let (session, _) = compared(false);
    let pairs = export::csv_of_comparison(&session);
    let widths: Vec<usize> = pairs.lines().map(|line| line.split(',').count()).collect();
    assert_eq!((widths.len(), widths.iter().min()), (1 + 4 * 64, widths.iter().max()));
}
