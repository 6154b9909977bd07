//! Two runs that were measured apart: what was counted, and differs; and times, which decide nothing.

use crate::record::{Counts, Run, Sample};
use crate::stats::median;
use serde::Serialize;
use std::collections::BTreeMap;

/// What differs between two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Differences {
    /// Row by row, those that both have.
    pub rows: Vec<Row>,
    /// Fields of the machine that differ: then even counts may.
    pub machine: BTreeMap<String, [String; 2]>,
}

/// One row that both runs have, on the same fixture and condition.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `restore/zstd on tiny`.
    pub name: String,
    /// Median times of a run, in nanoseconds.
    pub wall_ns: [f64; 2],
    /// Counts that differ, by name; none where one side did not count.
    pub counts: Option<BTreeMap<String, [u64; 2]>>,
}

/// What moves from run to run on the same machine.
const MOVES: [&str; 2] = ["load", "stopwatch"];

/// Holds B against A.
pub fn of(a: &Run, b: &Run) -> Differences {
    let mut rows = Vec::new();
    for (at_a, plan) in a.header.plan.iter().enumerate() {
        let same = |other: &crate::record::Plan| {
            other.workload == plan.workload
                && other.fixture.digest == plan.fixture.digest
                && other.condition == plan.condition
        };
        let Some(at_b) = b.header.plan.iter().position(same) else { continue };
        for variant in &plan.variants {
            let samples = [(a, at_a), (b, at_b)].map(|(run, at)| samples(run, at, &variant.name));
            let walls = samples.each_ref().map(|samples| {
                let walls = samples.iter().filter(|sample| sample.pass == "wall");
                median(&walls.map(|sample| sample.reading.wall_ns as f64).collect::<Vec<f64>>())
            });
            if let [Some(wall_a), Some(wall_b)] = walls {
                let counts = samples.each_ref().map(|samples| {
                    samples.iter().find_map(|sample| sample.reading.counts.as_deref().map(Counts::exact))
                });
                rows.push(Row {
                    name: format!("{}/{} on {}", plan.workload, variant.name, plan.fixture.name),
                    wall_ns: [wall_a, wall_b],
                    counts: match counts {
                        [Some(a), Some(b)] => Some(different(&a, &b)),
                        _ => None,
                    },
                });
            }
        }
    }
    Differences { rows, machine: machines(a, b) }
}

/// What is not the same on both sides.
pub fn different(a: &BTreeMap<String, u64>, b: &BTreeMap<String, u64>) -> BTreeMap<String, [u64; 2]> {
    let of = |side: &BTreeMap<String, u64>, name: &String| side.get(name).copied().unwrap_or(0);
    a.keys()
        .chain(b.keys())
        .map(|name| (name.clone(), [of(a, name), of(b, name)]))
        .filter(|(_, [a, b])| a != b)
        .collect()
}

fn samples<'a>(run: &'a Run, plan: usize, variant: &str) -> Vec<&'a Sample> {
    run.samples.iter().filter(|sample| sample.plan == plan && sample.variant == variant).collect()
}

fn machines(a: &Run, b: &Run) -> BTreeMap<String, [String; 2]> {
    let of = |run: &Run, key: &String| run.header.machine.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
    let keys = a.header.machine.keys().chain(b.header.machine.keys());
    keys.filter(|key| !MOVES.contains(&key.as_str()))
        .map(|key| (key.clone(), [of(a, key), of(b, key)]))
        .filter(|(_, [a, b])| a != b)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};
    use crate::record::{Counted, SystemCalls};

    fn run(writes: u64, wall: u64) -> Run {
        let mut samples = vec![sample("gzip", 0, wall)];
        let calls = SystemCalls { by: "tracepoints".into(), by_name: [("write".to_owned(), writes)].into(), others: 0 };
        let mut counted = sample("gzip", 0, 1);
        counted.pass = "counts".into();
        counted.reading.counts = Some(Box::new(Counts { calls: Counted::Present(calls), ..Counts::default() }));
        samples.push(counted);
        Run {
            header: header_of(&["gzip", "zstd"]),
            samples,
            absent: vec![],
            failed: vec![],
            beside: vec![],
            notes: vec![],
            end: None,
        }
    }

    #[test]
    fn counts_that_differ_are_named_and_times_stand_beside() {
        let mut b = run(6, 200);
        b.header.machine.insert("kernel".into(), "7".into());
        let found = of(&run(5, 100), &b);
        assert_eq!(found.rows.len(), 1, "zstd was measured in neither");
        assert_eq!(found.rows[0].counts, Some([("calls.write".to_owned(), [5, 6])].into()));
        assert_eq!(found.machine["kernel"], ["unknown", "7"]);
        assert!(of(&run(5, 1), &run(5, 9)).rows[0].counts.as_ref().unwrap().is_empty());
    }
}
