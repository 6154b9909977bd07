//! Runs that are made up, for tests: rows with known phases, a little noise that is the same for the same seed.

use crate::record::{
    Beside, Condition, Counted, Counts, Fixture, Header, PhaseName, PhaseReading, Plan, Quiet, Reading, Run, SCHEMA,
    Sample, Stub, Surroundings, SystemCalls, Variant,
};
use crate::stats::chance::Chance;
use std::collections::BTreeMap;

/// A run under construction. Times are microseconds of one file, of which there are a hundred.
#[derive(Clone)]
pub(crate) struct Made {
    rows: Vec<Row>,
    ladder: Vec<String>,
    floor: Option<String>,
    rounds: u32,
    noise: f64,
    seed: u64,
    drift: BTreeMap<String, f64>,
    workload: String,
    fixture: String,
    id: String,
    pub(crate) machine: BTreeMap<String, String>,
}

#[derive(Clone)]
struct Row {
    name: String,
    phases: Vec<PhaseReading>,
    promises: Vec<String>,
    stub: Option<Stub>,
    workers: usize,
    counts: Option<Counts>,
}

/// Files in the made-up fixture.
pub(crate) const FILES: u64 = 100;

impl Made {
    pub(crate) fn rows(rows: &[(&str, &[(&str, f64)])]) -> Made {
        let made = Made {
            rows: Vec::new(),
            ladder: Vec::new(),
            floor: None,
            rounds: 10,
            noise: 0.0,
            seed: 1,
            drift: BTreeMap::new(),
            workload: "restore".into(),
            fixture: "python-small".into(),
            id: "20261121-120000-aaaa".into(),
            machine: [("cpu", "made up"), ("cpus", "8"), ("commit", "abc"), ("profile", "release")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        };
        rows.iter().fold(made, |made, (name, phases)| made.row(name, phases))
    }

    pub(crate) fn row(self, name: &str, phases: &[(&str, f64)]) -> Made {
        let phases: Vec<(&str, f64, f64)> = phases.iter().map(|(name, us)| (*name, *us, *us)).collect();
        self.crew(name, 1, &phases)
    }

    /// A row of several workers: each phase with its wall time and its time summed over threads.
    pub(crate) fn crew(mut self, name: &str, workers: usize, phases: &[(&str, f64, f64)]) -> Made {
        let reading = |(name, wall, thread): &(&str, f64, f64)| PhaseReading {
            name: (*name).to_owned(),
            wall_ns: wall * 1e3 * FILES as f64,
            thread_ns: thread * 1e3 * FILES as f64,
            marks: FILES,
        };
        let phases = phases.iter().map(reading).collect();
        self.rows.push(Row { name: name.to_owned(), phases, promises: Vec::new(), stub: None, workers, counts: None });
        self
    }

    pub(crate) fn stub(self, name: &str, of: &str, without: &str, phases: &[(&str, f64)]) -> Made {
        let mut made = self.row(name, phases);
        made.last(|row| row.stub = Some(Stub { of: of.to_owned(), without: without.to_owned() }));
        made
    }

    pub(crate) fn ladder(mut self, names: &[&str]) -> Made {
        self.ladder = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn floor(mut self, name: &str) -> Made {
        self.floor = Some(name.to_owned());
        self
    }

    pub(crate) fn promises(mut self, name: &str, promises: &[&str]) -> Made {
        let row = self.rows.iter_mut().find(|row| row.name == name).expect("a row");
        row.promises = promises.iter().map(|promise| (*promise).to_owned()).collect();
        self
    }

    /// What one run of a row counted.
    pub(crate) fn counted(mut self, name: &str, calls: &[(&str, u64)], values: &[(&str, u64)]) -> Made {
        let row = self.rows.iter_mut().find(|row| row.name == name).expect("a row");
        let by_name = calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let mut counts = Counts {
            calls: Counted::Present(SystemCalls { by: "tracepoints".into(), by_name, others: 0 }),
            values: values.iter().map(|(name, count)| ((*name).to_owned(), Counted::Present(*count))).collect(),
        };
        counts.absent("cycles", "no hardware counters");
        row.counts = Some(counts);
        self
    }

    pub(crate) fn rounds(mut self, rounds: u32) -> Made {
        self.rounds = rounds;
        self
    }

    /// Every time is off by about this share, by chance.
    pub(crate) fn noise(mut self, noise: f64, seed: u64) -> Made {
        (self.noise, self.seed) = (noise, seed);
        self
    }

    /// A row becomes this much slower from the first round to the last.
    pub(crate) fn drift(mut self, name: &str, share: f64) -> Made {
        self.drift.insert(name.to_owned(), share);
        self
    }

    pub(crate) fn on(mut self, workload: &str, fixture: &str, id: &str) -> Made {
        (self.workload, self.fixture, self.id) = (workload.to_owned(), fixture.to_owned(), id.to_owned());
        self
    }

    fn last(&mut self, change: impl FnOnce(&mut Row)) {
        change(self.rows.last_mut().expect("a row"));
    }

    pub(crate) fn run(self) -> Run {
        let mut chance = Chance::seeded(self.seed);
        let mut samples = Vec::new();
        for round in 0..self.rounds {
            let through = f64::from(round) / f64::from(self.rounds.max(2) - 1);
            for row in &self.rows {
                for pass in ["wall", "phases"] {
                    let drift = 1.0 + through * self.drift.get(&row.name).copied().unwrap_or(0.0);
                    // The sum of twelve tosses is nearly normal.
                    let toss: f64 = (0..12).map(|_| chance.share()).sum::<f64>() - 6.0;
                    samples.push(sample(row, round, pass, drift * (self.noise * toss).exp()));
                }
                if let (Some(counts), true) = (&row.counts, round + 1 == self.rounds) {
                    let mut counted = sample(row, round, "counts", 1.0);
                    counted.reading.counts = Some(Box::new(counts.clone()));
                    counted.reading.phases.clear();
                    samples.push(counted);
                }
            }
        }
        let quiet = Quiet { others: 0.01, waited_s: 0.2, quiet: true };
        let during = Surroundings { seconds: 9.0, ours: 1.0, others: 0.02, stolen: 0.0, pressure: BTreeMap::default() };
        Run {
            header: self.header(),
            samples,
            absent: Vec::new(),
            failed: Vec::new(),
            beside: vec![Beside { plan: 0, before: quiet, during }],
            notes: Vec::new(),
            end: Some(crate::record::End { how: "complete".into(), ended: String::new(), load: "0.1".into() }),
        }
    }

    fn header(&self) -> Header {
        let kinds =
            [("decode", "compute"), ("hash", "compute"), ("write", "data"), ("wait", "wait"), ("rest", "unnamed")];
        let variant = |row: &Row| Variant {
            name: row.name.clone(),
            what: format!("what {} does", row.name),
            promises: row.promises.clone(),
            stub: row.stub.clone(),
        };
        Header {
            schema: SCHEMA,
            id: self.id.clone(),
            started: "2026-11-21T12:00:00Z".into(),
            command: format!("assay run {}", self.workload),
            seed: 1,
            machine: self.machine.clone(),
            mark_ns: 10.0,
            phases: kinds.map(|(name, kind)| PhaseName { name: name.into(), kind: kind.into() }).to_vec(),
            plan: vec![Plan {
                workload: self.workload.clone(),
                question: "How long?".into(),
                fixture: Fixture {
                    name: self.fixture.clone(),
                    digest: "d".into(),
                    files: FILES,
                    directories: 2,
                    symlinks: 0,
                    bytes: 1_000_000,
                },
                condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
                variants: self.rows.iter().map(variant).collect(),
                ladder: self.ladder.clone(),
                floor: self.floor.clone(),
            }],
            shard: None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in nanoseconds")]
fn sample(row: &Row, round: u32, pass: &str, times: f64) -> Sample {
    let scaled = |phase: &PhaseReading| PhaseReading {
        wall_ns: phase.wall_ns * times,
        thread_ns: phase.thread_ns * times,
        ..phase.clone()
    };
    let phases: Vec<PhaseReading> = row.phases.iter().map(scaled).collect();
    let wall: f64 = phases.iter().map(|phase| phase.wall_ns).sum();
    Sample {
        plan: 0,
        variant: row.name.clone(),
        pass: pass.to_owned(),
        round,
        position: 0,
        reading: Reading {
            wall_ns: wall.round() as u64,
            user_ns: wall.round() as u64,
            workers: row.workers,
            phases: if pass == "phases" { phases } else { Vec::new() },
            ..Reading::default()
        },
        outcome: "same".into(),
    }
}
