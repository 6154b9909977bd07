//! Claims through the program itself, and what the ledgers name, held against what there is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use harness::catalogue::WORKLOADS;
use harness::probes::{PROBES, calls};
use reports::claims::{CROSSING, Claim, Place, load_all};
use reports::record::{
    Condition, Counted, Counts, Fixture, Header, Line, PhaseReading, Plan, Reading, Sample, SystemCalls, Variant,
};
use serde_json::Value;
use technique::Phase;

fn places() -> Vec<(Claim, Place)> {
    let claims = load_all().unwrap().into_iter().flat_map(|ledger| ledger.claims);
    claims
        .flat_map(|claim| {
            let places: Vec<Place> = claim.part.iter().chain(&claim.job).cloned().collect();
            places.into_iter().map(move |place| (claim.clone(), place))
        })
        .collect()
}

/// What rows of a workload count themselves.
const OWN: [(&str, &str); 2] = [("blocks", "saved_bytes"), ("erasure", "temp_bytes")];

/// What is wrong with a place, were it built.
fn wrong(place: &Place) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == place.workload) else {
        return vec![format!("no workload {}", place.workload)];
    };
    let rows = place.baseline.iter().chain([&place.row]);
    wrong.extend(rows.filter(|row| workload.variant(row).is_none()).map(|row| format!("no row {row}")));
    if !workload.fixtures.contains(&place.fixture.as_str()) {
        wrong.push(format!("no fixture {} of {}", place.fixture, workload.name));
    }
    let phases = place.phases.iter().chain(&place.than).map(String::as_str);
    let marked = place.metric.iter().filter_map(|metric| metric.strip_prefix("marks."));
    wrong.extend(
        phases.chain(marked).filter(|name| Phase::named(name).is_none()).map(|name| format!("no phase {name}")),
    );
    let is_counted = |metric: &str| match metric.strip_prefix("calls.") {
        Some(call) => calls::CALLS.iter().any(|(name, _)| *name == call),
        None if OWN.contains(&(place.workload.as_str(), metric)) => true,
        None => metric == CROSSING || PROBES.iter().any(|probe| probe.counts.contains(&metric)),
    };
    let metric = place.metric.iter().filter(|metric| !metric.starts_with("marks."));
    wrong.extend(metric.filter(|metric| !is_counted(metric)).map(|metric| format!("nothing counts {metric}")));
    wrong
}

#[test]
fn what_a_ledger_names_is_there() {
    let places = places();
    let missing: Vec<String> = places
        .iter()
        .filter(|(_, place)| place.built && !wrong(place).is_empty())
        .map(|(claim, place)| format!("{}: {}", claim.id, wrong(place).join(", ")))
        .collect();
    assert!(missing.is_empty(), "the ledgers name what is not there:\n{}", missing.join("\n"));
}

#[test]
fn what_a_ledger_calls_unbuilt_is_not_there() {
    let places = places();
    let there: Vec<String> = places
        .iter()
        .filter(|(_, place)| !place.built && wrong(place).is_empty())
        .map(|(claim, place)| format!("{}: {}/{}", claim.id, place.workload, place.row))
        .collect();
    assert!(there.is_empty(), "these are built by now: drop their `built = false`:\n{}", there.join("\n"));
}

/// What a recipe runs: the rows, as `WORKLOAD/ROW`, and the fixtures of each command.
fn runs_of(recipe: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let justfile = std::fs::read_to_string("../justfile").unwrap().replace("\\\n", " ");
    let lines = justfile.lines().skip_while(|line| !line.starts_with(recipe)).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
    assert_eq!(lines.last(), Some(&"{{assay}} claims"));
    let run = |line: &&str| {
        let words: Vec<&str> = line.strip_prefix("{{assay}} run ")?.split_whitespace().collect();
        let rows = words.iter().filter(|word| word.contains('/')).map(|word| (*word).to_owned()).collect();
        let on = words.windows(2).filter(|two| two[0] == "--on").map(|two| two[1].to_owned()).collect();
        Some((rows, on))
    };
    lines.iter().filter_map(run).collect()
}

#[test]
fn just_claims_runs_what_every_claim_needs() {
    let runs = runs_of("claims minutes=");
    for (claim, place) in places().iter().filter(|(_, place)| place.built) {
        let mut rows = place.baseline.iter().chain([&place.row]).map(|row| format!("{}/{row}", place.workload));
        let is_in = |(run, on): &(Vec<String>, Vec<String>)| {
            on.contains(&place.fixture) && rows.clone().all(|row| run.contains(&row))
        };
        // A ratio is of two rows of one run.
        assert!(runs.iter().any(is_in), "{}: {:?} on {}", claim.id, rows.next(), place.fixture);
    }
}

/// A run in which decoding is a fifth of the time and becomes five times as fast.
fn write(home: &Home, id: &str, cpu: &str) {
    let variant = |name: &str| Variant { name: name.into(), what: "w".into(), promises: Vec::new(), stub: None };
    let fixture = Fixture {
        name: "python-small".into(),
        digest: "0123456789abcdef".into(),
        files: 10,
        directories: 1,
        symlinks: 0,
        bytes: 100,
    };
    let plan = Plan {
        workload: "restore".into(),
        question: "How long?".into(),
        fixture,
        condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
        variants: ["gzip", "zstd"].map(variant).into(),
        ladder: Vec::new(),
        floor: None,
    };
    let machine = [("cpu", cpu), ("cpus", "2"), ("commit", "abc"), ("profile", "release")];
    let header = Header {
        schema: 1,
        id: id.into(),
        started: "2026-11-21T12:00:00Z".into(),
        command: "assay run restore".into(),
        seed: 1,
        machine: machine.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        mark_ns: 10.0,
        phases: Vec::new(),
        plan: vec![plan],
        shard: None,
    };
    let mut lines = vec![Line::Run(Box::new(header))];
    for round in 0..6 {
        for (row, decode) in [("gzip", 20e4), ("zstd", 4e4)] {
            for pass in ["wall", "phases", "counts"] {
                lines.push(Line::Sample(Box::new(sample(row, round, pass, decode))));
            }
        }
    }
    let dir = home.path("home/runs").join(id);
    std::fs::create_dir_all(&dir).unwrap();
    let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    std::fs::write(dir.join("record.jsonl"), text).unwrap();
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in nanoseconds")]
fn sample(row: &str, round: u32, pass: &str, decode: f64) -> Sample {
    let phase = |name: &str, ns: f64| PhaseReading { name: name.into(), wall_ns: ns, thread_ns: ns, marks: 10 };
    let by_name = [("openat".to_owned(), 20), ("write".to_owned(), 50)].into();
    let calls = SystemCalls { by: "tracepoints".into(), by_name, others: 0 };
    let counts = Counts { calls: Counted::Present(calls), ..Counts::default() };
    Sample {
        plan: 0,
        variant: row.into(),
        pass: pass.into(),
        round,
        position: 0,
        reading: Reading {
            wall_ns: (decode + 80e4) as u64,
            workers: 1,
            phases: if pass == "phases" { vec![phase("decode", decode), phase("write", 80e4)] } else { Vec::new() },
            counts: (pass == "counts").then(|| Box::new(counts)),
            ..Reading::default()
        },
        outcome: "same".into(),
    }
}

#[test]
fn without_a_run_every_claim_is_there_and_unmeasured() {
    let home = Home::new();
    let (code, document) = home.json(&["claims"]);
    assert_eq!((code, &document["schema"]), (0, &Value::from("assay.claims/1")));
    let claims = document["claims"].as_array().unwrap();
    let all: usize = load_all().unwrap().iter().map(|ledger| ledger.claims.len()).sum();
    assert_eq!(claims.len(), all);
    for claim in claims {
        let verdict = claim["verdict"].as_str().unwrap();
        assert!(["unmeasured", "unmeasurable"].contains(&verdict), "{claim}");
        assert!(!claim["told"].as_str().unwrap().is_empty(), "{claim}: it must say why");
    }
    let told = text(&home.run(&["claims"]).stdout);
    assert!(told.contains("nothing was measured yet: assay run restore"), "{told}");
    for ledger in load_all().unwrap() {
        assert!(told.contains(&format!("{}: {}", ledger.source, ledger.what)), "{}", ledger.source);
    }
}

#[test]
fn a_claim_is_told_with_its_source_data_and_formula() {
    let home = Home::new();
    write(&home, "20261121-120000", "fast");
    let told = text(&home.run(&["claims", "zstd-01", "--why"]).stdout);
    for wanted in [
        "zstd-01: Decoding zstd takes",
        "verdict  true locally",
        "line 5: \"decompression IS 5-8x faster\" of zstd-bottleneck.md",
        "restore: gzip to zstd on python-small, set up and decode from run 20261121-120000",
        "1 / (1 - 0.200 + 0.200 / 5.00) = 1.19",
        "at most 1 / (1 - 0.200) = 1.25",
    ] {
        assert!(told.contains(wanted), "{wanted}:\n{told}");
    }
    let (_, document) = home.json(&["claims", "zstd-20"]);
    let claim = &document["claims"][0];
    assert_eq!((&claim["verdict"], &claim["measured"]["mid"]), (&"held".into(), &7.0.into()), "{claim}");
    let (code, document) = home.json(&["claims", "holotree"]);
    assert_eq!((code, document["claims"].as_array().unwrap().len()), (0, 26));
}

#[test]
fn runs_of_another_machine_are_left_out_and_damage_stops_nothing() {
    let home = Home::new();
    write(&home, "20261120-120000", "slow");
    write(&home, "20261121-120000", "fast");
    let damaged = home.path("home/runs/20261119-120000");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("record.jsonl"), "hello\n").unwrap();
    let output = home.run(&["claims", "zstd-02"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("1 run of another machine left out"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("left out: "), "{}", text(&output.stderr));
    let (_, document) = home.json(&["claims"]);
    assert_eq!(document["runs"], serde_json::json!(["20261121-120000"]));
}

#[test]
fn an_unknown_claim_is_refused_with_near_names() {
    let home = Home::new();
    let output = home.run(&["claims", "ztsd-01"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("there is no claim named \"ztsd-01\"") && told.contains("did you mean zstd-01"), "{told}");
    assert!(!text(&home.run(&["claims", "xyzzy"]).stderr).contains("did you mean"));
}
