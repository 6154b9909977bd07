//! One entry of a run's plan, with its samples at hand: ratios of any two rows, paired by round.

use crate::record::{Counts, Plan, Run};
use crate::stats::{Interval, Verdict, speed_up};
use crate::summary::{Measured, Row, Summary, gather, summarize};
use std::collections::BTreeMap;

/// One workload on one fixture in one run.
pub(super) struct Look<'a> {
    pub(super) run: &'a Run,
    pub(super) at: usize,
    pub(super) plan: &'a Plan,
    pub(super) summary: Summary,
    pub(super) measured: Vec<Measured<'a>>,
}

impl<'a> Look<'a> {
    pub(super) fn at(run: &'a Run, at: usize) -> Look<'a> {
        let plan = &run.header.plan[at];
        Look { run, at, plan, summary: summarize(run, at), measured: gather(run, at, plan).0 }
    }

    /// The samples of a row, if it has any of the wall pass.
    pub(super) fn samples(&self, name: &str) -> Option<&Measured<'a>> {
        self.measured.iter().find(|one| one.name == name)
    }

    /// The row of the summary; stubs have none.
    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.summary.rows.iter().find(|row| row.name == name)
    }

    /// The baseline, if it has a number.
    pub(super) fn baseline(&self) -> Option<&Row> {
        self.row(&self.summary.baseline)
    }

    /// The rows of the ladder that have a number, in its order.
    pub(super) fn ladder(&self) -> Vec<&Row> {
        self.plan.ladder.iter().filter_map(|name| self.row(name)).collect()
    }

    /// How many times as fast `now` is as `before`, and what the data say of that.
    pub(super) fn gain(&self, before: &str, now: &str) -> Option<(Interval, Verdict)> {
        let pairs = self.samples(before)?.paired_with(self.samples(now)?);
        let gain = speed_up(&pairs)?;
        Some((gain, Verdict::of(&gain, pairs.len())))
    }

    /// What was counted in one run of a row.
    pub(super) fn counts(&self, name: &str) -> Option<&'a Counts> {
        self.samples(name)?.samples.iter().find_map(|sample| sample.reading.counts.as_deref())
    }

    /// Why a row has no number.
    pub(super) fn why_not(&self, name: &str) -> Option<&str> {
        self.summary.without.iter().find(|without| without.name == name).map(|without| without.why.as_str())
    }

    /// Processors of the machine; one where the record does not say.
    pub(super) fn processors(&self) -> usize {
        self.run.header.machine.get("cpus").and_then(|cpus| cpus.parse().ok()).unwrap_or(1)
    }

    /// Files of the fixture, at least one.
    pub(super) fn files(&self) -> f64 {
        self.plan.fixture.files.max(1) as f64
    }
}

/// What a row of the phases pass spent in some phases, in each round, as a share of that round's time.
pub(super) fn shares(one: &Measured, phases: &[String]) -> BTreeMap<u32, f64> {
    let of = |sample: &crate::record::Sample| {
        let named = sample.reading.phases.iter().filter(|phase| phases.contains(&phase.name));
        named.map(|phase| phase.wall_ns).sum::<f64>() / sample.reading.wall_ns.max(1) as f64
    };
    one.phases.iter().map(|(round, sample)| (*round, of(sample))).collect()
}

/// What a row promises less than another.
pub(super) fn given_up(than: &Row, row: &Row) -> Vec<String> {
    than.promises.iter().filter(|promise| !row.promises.contains(promise)).cloned().collect()
}

/// Microseconds of one file that a row spends in a phase.
pub(super) fn in_phase(row: &Row, phase: &str) -> f64 {
    row.phases.iter().filter(|(name, _)| name == phase).map(|(_, us)| us).sum()
}
