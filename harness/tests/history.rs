//! Histories and exports, through the program itself, over records that are made up.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use reports::record::{
    Absent, Condition, Counted, Counts, Failed, Fixture, Header, Line, Plan, Reading, Sample, SystemCalls, Variant,
};
use serde_json::Value;

/// How many times as long as its baseline a row takes in each run.
const CREEP: f64 = 1.005;

fn plan() -> Plan {
    let variant = |name: &str| Variant { name: name.into(), what: "w".into(), promises: Vec::new(), stub: None };
    Plan {
        workload: "restore".into(),
        question: "How long?".into(),
        fixture: Fixture {
            name: "tiny".into(),
            digest: "0123456789abcdef".into(),
            files: 10,
            directories: 1,
            symlinks: 0,
            bytes: 100,
        },
        condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
        variants: ["gzip", "zstd", "tar"].map(variant).into(),
        ladder: Vec::new(),
        floor: None,
    }
}

fn sample(variant: &str, round: u32, wall_ns: u64) -> Sample {
    Sample {
        plan: 0,
        variant: variant.into(),
        pass: "wall".into(),
        round,
        position: 0,
        reading: Reading { wall_ns, user_ns: wall_ns, workers: 1, ..Reading::default() },
        outcome: "same".into(),
    }
}

/// A record file of one run, the `at`th: machines drift, and `zstd` creeps against `gzip` while `tar` cannot run.
fn write(home: &Home, at: u32, kernel: &str) {
    let id = format!("202611{:02}-120000", at + 1);
    let machine = [("cpu", "fast"), ("kernel", kernel), ("commit", "abc"), ("rustc", "1.95"), ("profile", "release")];
    let header = Header {
        schema: 1,
        id: id.clone(),
        started: format!("2026-11-{:02}T12:00:00Z", at + 1),
        command: "assay run restore".into(),
        seed: 1,
        machine: machine.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        mark_ns: 10.0,
        phases: Vec::new(),
        plan: vec![plan()],
        shard: None,
    };
    let mut lines = vec![Line::Run(Box::new(header))];
    lines.push(Line::Absent(Absent {
        plan: 0,
        variant: "tar".into(),
        why: "no <tar>".into(),
        mend: "get \"it\"".into(),
    }));
    for round in 0..5 {
        // A machine that is up to a third slower in some runs, and a per cent of noise that repeats.
        let drift = 1.0 + f64::from(at * 7 % 10) / 30.0;
        let noise = 1.0 + f64::from((at * 5 + round * 3) % 7) / 700.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in nanoseconds")]
        let ns = |times: f64| (1e7 * drift * times) as u64;
        lines.push(Line::Sample(Box::new(sample("gzip", round, ns(1.0)))));
        lines.push(Line::Sample(Box::new(sample(
            "zstd",
            round,
            ns(0.8 * noise * CREEP.powi(i32::try_from(at).unwrap())),
        ))));
    }
    let calls =
        SystemCalls { by: "ptrace".into(), by_name: [("read".into(), 5 + u64::from(at >= 15))].into(), others: 0 };
    let counts = Counts { calls: Counted::Present(calls), ..Counts::default() };
    let mut counting = sample("zstd", 5, 1);
    counting.pass = "counts".into();
    counting.reading.counts = Some(Box::new(counts));
    lines.push(Line::Sample(Box::new(counting)));
    let dir = home.path("home/runs").join(&id);
    std::fs::create_dir_all(&dir).unwrap();
    let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    std::fs::write(dir.join("record.jsonl"), text).unwrap();
}

fn with_runs(count: u32) -> Home {
    let home = Home::new();
    for at in 0..count {
        write(&home, at, "6.18.44");
    }
    home
}

#[test]
fn a_creep_of_half_a_per_cent_a_run_is_seen_over_twenty_runs() {
    let home = with_runs(20);
    let (code, document) = home.json(&["history", "restore/zstd"]);
    assert_eq!((code, &document["schema"]), (0, &Value::from("assay.history/1")), "{document}");
    let course = &document["histories"][0]["course"];
    assert_eq!(course["is"], "creep", "{document}");
    let bound = |name: &str| course[name].as_f64().unwrap();
    assert!(bound("low") > 0.0 && bound("low") <= 0.005 && bound("high") >= 0.005, "{course}");
    let output = home.run(&["history", "restore/zstd"]);
    let told = text(&output.stdout);
    assert!(told.contains("creep: +0.5") && told.contains("2026-11-20 12:00"), "{told}");
    assert_eq!(text(&home.run(&["history"]).stdout).matches("creep").count(), 1, "only one row creeps");
    // The machine's drift hides it in the times themselves, which is why they are not the default.
    let (code, absolute) = home.json(&["history", "restore/gzip", "--absolute"]);
    assert_eq!((code, &absolute["histories"][0]["course"]["is"]), (0, &Value::from("flat")), "{absolute}");
}

#[test]
fn one_more_call_is_a_step() {
    let home = with_runs(20);
    let (code, document) = home.json(&["history", "restore/zstd", "--metric", "calls.read"]);
    let step = &document["histories"][0]["course"]["steps"][0];
    assert_eq!((code, &step["at"], &step["before"], &step["after"]), (0, &15.into(), &5.0.into(), &6.0.into()));
}

#[test]
fn a_page_shows_each_run_and_replaces_only_its_like() {
    let home = with_runs(20);
    let page = home.path("creep.html");
    let path = page.to_str().unwrap();
    let (code, document) = home.json(&["history", "restore/zstd", "--page", path]);
    assert_eq!((code, document["page"].as_str()), (0, Some(path)), "{document}");
    let made = std::fs::read_to_string(&page).unwrap();
    assert_eq!(made.matches("<circle class=\"pt2\"").count(), 20);
    assert!(made.contains("creep +0.5") && made.contains("assay history restore/zstd --page creep.html"), "{made}");
    assert_eq!(home.run(&["history", "restore/zstd", "--page", path]).status.code(), Some(0), "it is made again");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), made);
    let (code, document) = home.json(&["history", "--metric", "calls.read", "--page", path]);
    assert!(code == 2 && document["error"].as_str().unwrap().contains("is no page of these histories"), "{document}");
    std::fs::write(&page, "mine").unwrap();
    assert_eq!(home.json(&["history", "restore/zstd", "--page", path]).0, 2);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
}

#[test]
fn a_few_runs_are_drawn_although_they_cannot_be_judged() {
    let home = with_runs(3);
    let page = home.path("few.html");
    assert_eq!(home.json(&["history", "restore/zstd"]).0, 6);
    let output = home.run(&["history", "restore/zstd", "--page", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(&page).unwrap().contains("too few runs"));
    let home = with_runs(2);
    assert_eq!(home.json(&["history", "--page", page.to_str().unwrap()]).0, 6, "two are not even drawn");
}

#[test]
fn what_cannot_be_read_or_compared_is_named_and_does_not_stop_it() {
    let home = with_runs(20);
    write(&home, 20, "6.19.1");
    let at = |day: u32| home.path("home/runs").join(format!("202611{day:02}-120000/record.jsonl"));
    let damaged = std::fs::read_to_string(at(3)).unwrap().replacen("\"sample\"", "\"sampel\"", 1);
    std::fs::write(at(3), damaged).unwrap();
    let foreign = std::fs::read_to_string(at(4)).unwrap().replacen("\"schema\":1", "\"schema\":9", 1);
    std::fs::write(at(4), foreign).unwrap();
    let output = home.run(&["history", "restore/zstd"]);
    let (told, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("{}:3: the line is damaged", at(3).display())), "{said}");
    assert!(said.contains(&format!("{} is of schema 9", at(4).display())), "{said}");
    assert!(told.contains("over these 18 runs") && told.contains("1 run: kernel 6.19, not 6.18"), "{told}");
    let (_, document) = home.json(&["history"]);
    assert_eq!(document["unreadable"].as_array().unwrap().len(), 2);
}

#[test]
fn each_refusal_has_its_exit_code_and_its_way_out() {
    let home = with_runs(7);
    let refused = |code: i32, told: &str, arguments: &[&str]| {
        let output = home.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    };
    refused(6, "of restore/zstd on tiny, 7 can be compared, and 8 are needed", &["history", "restore/zstd"]);
    refused(6, "do  assay run restore --on tiny adds one", &["history"]);
    refused(6, "too few runs: of codecs, 0", &["history", "codecs"]);
    refused(6, "--on python-env", &["history", "restore/zstd", "--on", "python-env"]);
    refused(
        6,
        "no run counted \"alocations\"\n  do  counted were: wall, cpu, calls",
        &["history", "--metric", "alocations"],
    );
    refused(2, "did you mean \"zstd\"", &["history", "restore/zsdt"]);
    refused(2, "--absolute shows its time", &["history", "restore/gzip"]);
    refused(2, "--absolute is for times", &["history", "--metric", "calls", "--absolute"]);
    refused(6, "no run or record file", &["export", "nothing", "--format", "bmf"]);
    refused(2, "--format", &["export"]);
}

#[test]
fn a_run_is_exported_in_each_format() {
    let home = with_runs(1);
    let record = home.path("home/runs/20261101-120000/record.jsonl");
    let failed =
        Failed { plan: 0, variant: "gzip".into(), round: Some(1), how: "differs".into(), told: "a & b".into() };
    let line = serde_json::to_string(&Line::Failed(failed)).unwrap() + "\n";
    std::fs::write(&record, std::fs::read_to_string(&record).unwrap() + &line).unwrap();
    let exported = |format: &str| {
        let output = home.run(&["export", "20261101-120000", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let bmf: Value = serde_json::from_str(&exported("bmf")).unwrap();
    let names: Vec<&String> = bmf.as_object().unwrap().keys().collect();
    assert_eq!(names, ["restore/zstd on tiny (tmpfs, warm cache)"], "what differs or is absent has no number");
    let github: Value = serde_json::from_str(&exported("github")).unwrap();
    assert!(github.as_array().unwrap().iter().any(|one| one["unit"] == "ns/file" && one["value"].is_number()));
    let junit = exported("junit");
    assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{junit}");
    assert_eq!(exported("csv").lines().count(), 1 + 11);
    let last = home.run(&["export", "--format", "csv"]);
    assert_eq!(text(&last.stdout), exported("csv"), "the last run, where none is named");
}
