//! What a history is a history of: one number a run.

use crate::record::{CALLS, Counted, Counts, EXACT, Run, Sample};
use crate::stats::{Interval, interval, speed_up};
use serde::Serialize;
use std::collections::BTreeSet;

/// A number that each run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The time under the clock.
    Wall(Against),
    /// Processor time, of all threads and processes.
    Cpu(Against),
    /// Something that the counts pass counted: `calls`, `calls.NAME`, or any other by its name.
    Counted(String),
}

/// What a time is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// As a multiple of the time of the run's own baseline, paired by round: a machine drifts from run to run, and
    /// both drift with it.
    Baseline,
    /// As the microseconds of a file.
    Nothing,
}

/// The value of one row in one run; of counts, which have no bounds, all three are the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Value {
    /// The lower bound.
    pub low: f64,
    /// The median over the rounds.
    pub mid: f64,
    /// The upper bound.
    pub high: f64,
    /// From so many rounds.
    pub rounds: usize,
}

impl Metric {
    /// The metric of that name; times as they were asked for.
    pub fn named(name: &str, against: Against) -> Metric {
        match name {
            "wall" => Metric::Wall(against),
            "cpu" => Metric::Cpu(against),
            counted => Metric::Counted(counted.to_owned()),
        }
    }

    /// Whether the baseline of a run has this number beside the other rows.
    pub fn is_ratio(&self) -> bool {
        matches!(self, Metric::Wall(Against::Baseline) | Metric::Cpu(Against::Baseline))
    }

    /// Whether chance has no part in it.
    pub fn is_exact(&self) -> bool {
        matches!(self, Metric::Counted(name) if name.starts_with(CALLS) || EXACT.contains(&name.as_str()))
    }

    /// Reads it of a row of the plan's entry `at`, or says why there is none.
    pub fn read(&self, run: &Run, at: usize, row: &str) -> Result<Value, String> {
        healthy(run, at, row)?;
        match self {
            Metric::Wall(against) => time(run, at, row, *against, |sample| sample.reading.wall_ns),
            Metric::Cpu(against) => {
                time(run, at, row, *against, |sample| sample.reading.user_ns + sample.reading.system_ns)
            }
            Metric::Counted(name) => {
                let counts = of_row(run, at, row).find_map(|sample| sample.reading.counts.as_ref());
                let value = counted(counts.ok_or("nothing was counted")?, name)?;
                Ok(Value { low: value, mid: value, high: value, rounds: 1 })
            }
        }
    }
}

/// The names of all that any of these runs counted.
pub fn counted_names(runs: &[Run]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for counts in runs.iter().flat_map(|run| &run.samples).filter_map(|sample| sample.reading.counts.as_ref()) {
        if let Some(calls) = counts.calls.present() {
            names.insert(CALLS.to_owned());
            names.extend(calls.by_name.keys().map(|call| format!("{CALLS}.{call}")));
        }
        names.extend(counts.values.iter().filter(|(_, value)| value.present().is_some()).map(|(name, _)| name.clone()));
    }
    names
}

/// A row that ever crashed, hung or came out otherwise has no number at all, as in the tables.
fn healthy(run: &Run, at: usize, row: &str) -> Result<(), String> {
    if run.absent.iter().any(|absent| absent.plan == at && absent.variant == row) {
        return Err("the row could not run".to_owned());
    }
    match run.failed.iter().find(|failed| failed.plan == at && failed.variant == row) {
        Some(failed) => Err(format!("the row failed: {}", failed.how)),
        None => Ok(()),
    }
}

fn of_row<'a>(run: &'a Run, at: usize, row: &'a str) -> impl Iterator<Item = &'a Sample> {
    run.samples.iter().filter(move |sample| sample.plan == at && sample.variant == row)
}

fn time(run: &Run, at: usize, row: &str, against: Against, ns: impl Fn(&Sample) -> u64) -> Result<Value, String> {
    let plan = &run.header.plan[at];
    let wall = |row| of_row(run, at, row).filter(|sample| sample.pass == "wall");
    let (found, rounds): (Option<Interval>, usize) = match against {
        Against::Nothing => {
            let files = plan.fixture.files.max(1) as f64;
            let times: Vec<f64> = wall(row).map(|sample| ns(sample) as f64 / 1e3 / files).collect();
            (interval(&times), times.len())
        }
        Against::Baseline => {
            let baseline = &plan.variants.first().ok_or("the run has no baseline")?.name;
            healthy(run, at, baseline).map_err(|_| format!("its baseline, {baseline}, has no number"))?;
            let pairs: Vec<(f64, f64)> = wall(row)
                .filter_map(|sample| {
                    let theirs = wall(baseline).find(|theirs| theirs.round == sample.round)?;
                    Some((ns(sample) as f64, ns(theirs) as f64))
                })
                .collect();
            (speed_up(&pairs), pairs.len())
        }
    };
    let Interval { low, mid, high, .. } = found.ok_or("it was not measured")?;
    Ok(Value { low, mid, high, rounds })
}

fn counted(counts: &Counts, name: &str) -> Result<f64, String> {
    let call = name.strip_prefix(CALLS).and_then(|rest| rest.strip_prefix('.'));
    let count = match (&counts.calls, call) {
        (Counted::Present(calls), None) if name == CALLS => calls.total(),
        (Counted::Present(calls), Some("others")) => calls.others,
        (Counted::Present(calls), Some(call)) => calls.by_name.get(call).copied().unwrap_or(0),
        (Counted::Absent { absent }, _) if name == CALLS || call.is_some() => {
            return Err(format!("calls were not counted: {absent}"));
        }
        _ => match counts.values.get(name) {
            Some(Counted::Present(value)) => *value,
            Some(Counted::Absent { absent }) => return Err(format!("{name} was not counted: {absent}")),
            None => return Err(format!("{name} was not counted")),
        },
    };
    Ok(count as f64)
}
