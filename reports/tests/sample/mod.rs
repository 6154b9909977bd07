//! Runs that were never measured, for tests of pages: ordinary ones, and those that break pages. The same seed gives
//! the same run.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may panic"
)]

pub mod pages;

use reports::record::{
    Absent, Condition, Counted, Counts, End, Failed, Fixture, Header, Line, PhaseName, PhaseReading, Plan, Reading,
    Run, Sample, Stub, SystemCalls, Variant,
};
use std::collections::BTreeMap;

/// Files of the fixture.
pub const FILES: u64 = 1000;

/// A row and what one file takes in it: microseconds by phase.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub what: String,
    pub phases: Vec<(&'static str, f64)>,
    pub workers: usize,
    pub promises: Vec<&'static str>,
    pub stub: Option<(String, &'static str)>,
}

pub fn row(name: &str, phases: &[(&'static str, f64)]) -> Row {
    let what = format!("what {name} does");
    Row {
        name: name.into(),
        what,
        phases: phases.to_vec(),
        workers: 1,
        promises: vec!["verified", "atomic"],
        stub: None,
    }
}

impl Row {
    pub fn workers(self, workers: usize) -> Row {
        Row { workers, ..self }
    }

    pub fn promises(self, promises: &[&'static str]) -> Row {
        Row { promises: promises.to_vec(), ..self }
    }

    pub fn stub(self, of: &str, without: &'static str) -> Row {
        Row { stub: Some((of.into(), without)), ..self }
    }

    fn us(&self) -> f64 {
        self.phases.iter().map(|(_, us)| us).sum()
    }
}

/// Numbers that look like chance and are the same each time.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Between nought and one.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around nought, roughly normal, of that width.
    pub fn around(&mut self, width: f64) -> f64 {
        width * ((0..6).map(|_| self.unit()).sum::<f64>() - 3.0) * 1.41
    }
}

/// A run of these rows: a machine that drifts by rounds, and each sample with noise of its own.
pub fn run(rows: &[Row], ladder: &[&str], rounds: u32, seed: u64) -> Run {
    let mut chance = Chance::new(seed);
    let mut samples = Vec::new();
    for round in 0..rounds {
        let slow = chance.around(0.02);
        for (position, row) in (0u32..).zip(rows) {
            for pass in ["wall", "phases"] {
                let factor = (slow + chance.around(0.012)).exp();
                samples.push(sample(row, pass, round, position, factor));
            }
        }
    }
    for (position, row) in (0u32..).zip(rows) {
        let mut counted = sample(row, "counts", rounds - 1, position, 1.05);
        counted.reading.counts = Some(Box::new(counts(row)));
        counted.reading.phases = Vec::new();
        samples.push(counted);
    }
    Run {
        header: header(rows, ladder),
        samples,
        absent: Vec::new(),
        failed: Vec::new(),
        beside: Vec::new(),
        notes: Vec::new(),
        end: Some(End { how: "complete".into(), ended: "2026-11-20T12:20:00Z".into(), load: "0.10".into() }),
    }
}

fn sample(row: &Row, pass: &str, round: u32, position: u32, factor: f64) -> Sample {
    let ns = |us: f64| us * FILES as f64 * 1e3 * factor;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive nanoseconds")]
    let wall_ns = ns(row.us()).round() as u64;
    let phase = |(name, us): &(&'static str, f64)| PhaseReading {
        name: (*name).into(),
        wall_ns: ns(*us),
        thread_ns: ns(*us) * row.workers as f64,
        marks: FILES,
    };
    let phases = if pass == "phases" { row.phases.iter().map(phase).collect() } else { Vec::new() };
    Sample {
        plan: 0,
        variant: row.name.clone(),
        pass: pass.into(),
        round,
        position,
        reading: Reading {
            wall_ns,
            user_ns: wall_ns / 2,
            system_ns: wall_ns / 3,
            workers: row.workers,
            phases,
            ..Reading::default()
        },
        outcome: "same".into(),
    }
}

fn counts(row: &Row) -> Counts {
    let renames = row.phases.iter().any(|(name, _)| *name == "rename");
    let mut by_name: BTreeMap<String, u64> =
        [("openat", 2 * FILES), ("write", FILES), ("close", 2 * FILES), ("mkdirat", 60)]
            .map(|(n, c)| (n.into(), c))
            .into();
    if renames {
        by_name.insert("renameat".into(), FILES);
    }
    let mut counts = Counts {
        calls: Counted::Present(SystemCalls { by: "tracepoints".into(), by_name, others: 3 }),
        ..Counts::default()
    };
    counts.values.insert("allocations".into(), Counted::Present(FILES * 3));
    counts.values.insert("peak_bytes".into(), Counted::Present(row.name.len() as u64 * 100_000));
    counts.absent("instructions", "no hardware counters on this machine");
    counts
}

fn header(rows: &[Row], ladder: &[&str]) -> Header {
    let machine = [
        ("cpu", "AMD EPYC 7402P 24-Core Processor"),
        ("cpus", "8"),
        ("memory", "64 GiB"),
        ("kernel", "6.12.9"),
        ("filesystem", "tmpfs"),
        ("mount options", "rw,noatime"),
        ("rustc", "rustc 1.95.0"),
        ("commit", "3f9c1e2"),
        ("clocksource", "tsc"),
        ("governor", "performance"),
        ("load", "0.04 0.06 0.05"),
        ("profile", "release"),
        ("crates", "zstd 0.13.3"),
        ("assay", "0.1.0"),
        ("timer_ns", "21"),
    ];
    let kinds = [
        ("open", "metadata"),
        ("decode", "compute"),
        ("hash", "compute"),
        ("create", "metadata"),
        ("write", "data"),
        ("chmod", "metadata"),
        ("times", "metadata"),
        ("close", "metadata"),
        ("rename", "metadata"),
        ("wait", "wait"),
        ("rest", "unnamed"),
    ];
    let variant = |row: &Row| Variant {
        name: row.name.clone(),
        what: row.what.clone(),
        promises: row.promises.iter().map(|one| (*one).to_owned()).collect(),
        stub: row.stub.as_ref().map(|(of, without)| Stub { of: of.clone(), without: (*without).to_owned() }),
    };
    Header {
        schema: reports::record::SCHEMA,
        id: "20261120-120000-abcd".into(),
        started: "2026-11-20T12:00:00Z".into(),
        command: "assay run restore --ladder --on python-small --rounds 20".into(),
        seed: 1,
        machine: machine.map(|(name, value)| (name.into(), value.into())).into(),
        mark_ns: 12.0,
        phases: kinds.map(|(name, kind)| PhaseName { name: name.into(), kind: kind.into() }).to_vec(),
        plan: vec![Plan {
            workload: "restore".into(),
            question: "How fast can an environment of small files be brought back?".into(),
            fixture: Fixture {
                name: "python-small".into(),
                digest: "d".into(),
                files: FILES,
                directories: 60,
                symlinks: 0,
                bytes: FILES * 5000,
            },
            condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
            variants: rows.iter().map(variant).collect(),
            ladder: ladder.iter().map(|name| (*name).to_owned()).collect(),
            floor: rows.iter().find(|row| row.name == "floor").map(|row| row.name.clone()),
        }],
        shard: None,
    }
}

const GZIP: [(&str, f64); 10] = [
    ("open", 31.0),
    ("decode", 38.5),
    ("hash", 9.8),
    ("create", 14.0),
    ("write", 34.2),
    ("chmod", 11.4),
    ("times", 12.1),
    ("close", 21.6),
    ("rename", 29.8),
    ("rest", 9.6),
];

/// A breakdown like another's, but for some phases.
pub fn but(phases: &[(&'static str, f64)], changed: &[(&'static str, f64)]) -> Vec<(&'static str, f64)> {
    let of = |name: &str| changed.iter().find(|(other, _)| *other == name).map(|(_, us)| *us);
    phases.iter().map(|(name, us)| (*name, of(name).unwrap_or(*us))).filter(|(_, us)| *us > 0.0).collect()
}

fn divided(phases: &[(&'static str, f64)], by: f64, wait: f64) -> Vec<(&'static str, f64)> {
    let mut phases: Vec<_> = phases.iter().map(|(name, us)| (*name, us / by)).collect();
    phases.insert(phases.len() - 1, ("wait", wait));
    phases
}

/// The rows of an ordinary ladder: zstd, a pool that brings nothing, fewer calls, workers; each alone, and last; the
/// ladder's end on one worker and more; a stub; a floor; and a row that is slower.
pub fn ordinary() -> Run {
    let zstd = but(&GZIP, &[("decode", 7.1)]);
    let fewer = but(&zstd, &[("rename", 0.0), ("chmod", 5.2), ("times", 6.4)]);
    let none = ["verified"];
    let mut rows = vec![
        row("gzip", &GZIP),
        row("zstd", &zstd),
        row("pooled", &zstd),
        row("fewer-calls", &fewer).promises(&none),
        row("workers", &divided(&fewer, 3.6, 1.4)).workers(8).promises(&none),
        row("only-fewer-calls", &but(&GZIP, &[("rename", 0.0), ("chmod", 5.2), ("times", 6.4)])).promises(&none),
        row("all-but-zstd", &divided(&but(&fewer, &[("decode", 38.5)]), 3.6, 1.4)).workers(8).promises(&none),
        row("gzip-no-decode", &but(&GZIP, &[("decode", 0.0)])).stub("gzip", "decode"),
        row("workers-no-write", &divided(&but(&fewer, &[("write", 0.0)]), 3.6, 1.4))
            .workers(8)
            .stub("workers", "write"),
        row("sync", &but(&GZIP, &[("close", 90.0)])).promises(&["verified", "atomic", "durable"]),
        row("tar", &but(&GZIP, &[("decode", 60.0)])).promises(&none),
    ];
    for workers in [1usize, 2, 3, 4, 6, 8] {
        let n = workers as f64;
        let gain = n / (1.0 + 0.1 * (n - 1.0) + 0.008 * n * (n - 1.0));
        rows.push(
            row(&format!("workers-{workers}-workers"), &divided(&fewer, gain, 0.3)).workers(workers).promises(&none),
        );
    }
    rows.push(row("floor", &[("create", 14.0), ("write", 10.0), ("rest", 1.0)]));
    run(&rows, &["gzip", "zstd", "pooled", "fewer-calls", "workers"], 20, 7)
}

/// Every word that a row can get, and rows through which no curve goes: too few of one, too wild of another.
pub fn verdicts() -> Run {
    let whole: f64 = GZIP.iter().map(|(_, us)| us).sum();
    // At the very edge of the band, so that bounds lie on both sides of it.
    let edge = 38.5 - whole * (1.0 - 1.0 / reports::stats::BAND);
    let mut rows = vec![
        row("gzip", &GZIP),
        row("zstd", &but(&GZIP, &[("decode", 7.1)])),
        row("sync", &but(&GZIP, &[("close", 90.0)])),
        row("again", &GZIP),
        row("edge", &but(&GZIP, &[("decode", edge)])),
    ];
    for (family, most) in [("few", 3usize), ("wild", 6)] {
        for workers in 1..=most {
            let gain = if family == "wild" && workers == 4 { 0.4 } else { workers as f64 };
            rows.push(row(&format!("{family}-{workers}-workers"), &divided(&GZIP, gain, 0.3)).workers(workers));
        }
    }
    run(&rows, &["gzip", "zstd"], 20, 23)
}

/// Runs of the same rows, day after day: one row became slower at once, on the ninth day.
pub fn days() -> Vec<Run> {
    (0..14u32)
        .map(|day| {
            let hash = if day < 8 { 9.8 } else { 24.0 };
            let rows = [
                row("gzip", &GZIP),
                row("zstd", &but(&GZIP, &[("decode", 7.1), ("hash", hash)])),
                row("pooled", &but(&GZIP, &[("decode", 30.0)])),
            ];
            let mut run = run(&rows, &["gzip", "zstd"], 6, u64::from(100 + day));
            run.header.id = format!("202611{:02}-120000-abcd", day + 1);
            run.header.started = format!("2026-11-{:02}T12:00:00Z", day + 1);
            run.header.machine.insert("commit".into(), format!("c0ffee{day:02}"));
            run
        })
        .collect()
}

/// Names that break pages.
pub const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"quoted\" 'twice' & <b>bold</b>",
    "]]> --> </style></script>",
    "two\nlines\tand a tab",
    "\u{202e}right to left \u{05d0}\u{05d1}\u{05d2}",
    "emoji \u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "| pipe `tick` *star* [link](x)",
    "javascript:alert(1)",
    "style=\"color:red\" onload=\"alert(1)\"",
];

pub fn hostile() -> Run {
    let long = "a-very-long-name-without-any-blank-".repeat(9);
    let mut rows = vec![row("gzip", &GZIP)];
    for (at, name) in HOSTILE.iter().chain([&long.as_str()]).enumerate() {
        let mut row = row(name, &but(&GZIP, &[("decode", 30.0 - 2.5 * at as f64)]));
        (*name).clone_into(&mut row.what);
        rows.push(row);
    }
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let mut run = run(&rows, &names.iter().map(String::as_str).collect::<Vec<_>>(), 8, 3);
    run.header.machine.insert("<img src=x onerror=alert(1)>".into(), HOSTILE[0].into());
    run.header.command = format!("assay run '{}'", HOSTILE[2]);
    run.notes.push(HOSTILE[1].to_owned());
    run
}

/// Twice the same row.
pub fn twice_the_same(seed: u64) -> Run {
    run(&[row("gzip", &GZIP), row("again", &GZIP)], &["gzip", "again"], 20, seed)
}

/// Four tenths of the time have no name.
pub fn remainder() -> Run {
    let rest = |decode: f64| {
        let named: f64 = 60.0 + decode;
        vec![("open", 20.0), ("decode", decode), ("write", 40.0), ("rest", named * 0.4 / 0.6)]
    };
    run(&[row("gzip", &rest(40.0)), row("zstd", &rest(8.0))], &["gzip", "zstd"], 12, 5)
}

pub fn many_rounds() -> Run {
    run(&[row("gzip", &GZIP), row("zstd", &but(&GZIP, &[("decode", 7.1)]))], &["gzip", "zstd"], 320, 9)
}

/// Rows two hundred times as fast and a third: labels of an axis have many digits.
pub fn far() -> Run {
    let rows: Vec<Row> = [("gzip", 100.0), ("third", 300.0), ("tenth", 10.0), ("mapped", 1.5), ("kept", 0.5)]
        .iter()
        .map(|(name, us)| row(name, &[("decode", us * 0.9), ("write", us * 0.1)]))
        .collect();
    run(&rows, &[], 12, 13)
}

pub fn one_row() -> Run {
    run(&[row("gzip", &GZIP)], &[], 10, 11)
}

pub fn forty_rows() -> Run {
    let rows: Vec<Row> = (0..40)
        .map(|at| {
            row(
                &format!("row-{at:02}"),
                &but(&GZIP, &[("decode", 40.0 - f64::from(at)), ("rename", 30.0 - 0.7 * f64::from(at))]),
            )
        })
        .collect();
    run(&rows, &["row-00", "row-10", "row-20", "row-30", "row-39"], 10, 13)
}

/// Without any instrument but the clock; some rows cannot run, crash, or come out otherwise.
pub fn broken() -> Run {
    let mut run = run(
        &[
            row("gzip", &GZIP),
            row("zstd", &GZIP),
            row("crashes", &GZIP),
            row("differs", &but(&GZIP, &[("write", 1.0)])),
        ],
        &["gzip", "zstd", "differs"],
        8,
        17,
    );
    run.samples.retain(|sample| sample.pass == "wall" || sample.pass == "counts");
    for sample in &mut run.samples {
        if let Some(counts) = &mut sample.reading.counts {
            let mut none = Counts {
                calls: Counted::absent("tracefs is not mounted and ptrace is not allowed"),
                ..Counts::default()
            };
            for name in ["allocations", "instructions", "peak_bytes"] {
                none.absent(name, "no counter on this machine");
            }
            **counts = none;
        }
    }
    let tar = Variant { name: "tar-zstd".into(), what: "a peer".into(), promises: Vec::new(), stub: None };
    run.header.plan[0].variants.push(tar);
    run.absent.push(Absent {
        plan: 0,
        variant: "tar-zstd".into(),
        why: "no zstd here".into(),
        mend: "apt-get install zstd".into(),
    });
    let failed = |variant: &str, how: &str, told: &str| Failed {
        plan: 0,
        variant: variant.into(),
        round: Some(3),
        how: how.into(),
        told: told.into(),
    };
    run.failed.push(failed("crashes", "crashed", "signal 11"));
    run.failed.push(failed("differs", "differs", "lib/a.py holds other bytes"));
    run
}

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Run)> {
    vec![
        ("ordinary", ordinary()),
        ("hostile", hostile()),
        ("same", twice_the_same(1)),
        ("remainder", remainder()),
        ("many-rounds", many_rounds()),
        ("far", far()),
        ("one-row", one_row()),
        ("forty-rows", forty_rows()),
        ("broken", broken()),
        ("verdicts", verdicts()),
    ]
}

/// The record file of a run.
pub fn record(run: &Run) -> String {
    let mut lines = vec![Line::Run(Box::new(run.header.clone()))];
    lines.extend(run.samples.iter().map(|one| Line::Sample(Box::new(one.clone()))));
    lines.extend(run.absent.iter().map(|one| Line::Absent(one.clone())));
    lines.extend(run.failed.iter().map(|one| Line::Failed(one.clone())));
    lines.extend(run.notes.iter().map(|text| Line::Note(reports::record::Note { text: text.clone() })));
    lines.extend(run.end.iter().map(|one| Line::End(one.clone())));
    lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
}

/// Folded stacks of one run, gzip before and zstd now: a frame that goes, one that comes, one that stays.
pub fn stacks() -> (String, String) {
    let ns = |us: f64| format!("{:.0}", us * FILES as f64 * 1e3);
    let common = |lines: &mut String| {
        *lines += &format!("run;write;measured;copy_from_user_[k] {}\n", ns(16.4));
        *lines += &format!("run;write;measured;ext4_da_write_begin_[k] {}\n", ns(17.8));
        *lines += &format!("run;hash;measured;blake3::compress<{}> {}\n", "u8, ".repeat(20), ns(9.8));
    };
    let (mut before, mut now) = (String::new(), String::new());
    common(&mut before);
    common(&mut now);
    before += &format!(
        "run;decode;measured;flate2::inflate;inflate_fast {}\nrun;decode;measured;flate2::inflate;crc32 {}\n",
        ns(31.0),
        ns(7.5)
    );
    before += &format!("run;rename;measured;ext4_rename_[k] {}\n", ns(29.8));
    now += &format!(
        "run;decode;measured;zstd::decode;ZSTD_decompressBlock {}\nrun;rename;measured;ext4_rename_[k] {}\n",
        ns(7.1),
        ns(30.1)
    );
    (before, now)
}
