//! What an exact gate holds, measured: one counted run of each row, on the small fixture.

use crate::catalogue::choose;
use crate::child::{Ended, send};
use crate::once::{Answer, Errand, Pass};
use crate::plant::Plant;
use crate::probes::hold::Holder;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::scratch::Scratch;
use crate::signals;
use crate::stage::Stage;
use anyhow::{Context, Result};
use fixtures::Fixture;
use reports::gate::{Finding, Gate, Values};
use reports::record::{Counted, Counts};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use technique::{Variant, Workload};

/// A row that a gate holds.
pub type Held = (&'static Workload, Variant);

/// The rows that a gate names. A name that nobody knows is an error: a gate that holds nothing would never fail.
pub fn rows(gate: &Gate) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for row in gate.without_rows.keys() {
        choose(std::slice::from_ref(row))?;
    }
    for word in &gate.rows {
        for choice in choose(std::slice::from_ref(word))? {
            let all = !word.contains('/');
            let named = |variant: &Variant| all || *word == format!("{}/{}", choice.workload.name, variant.name);
            let left_out =
                |one: &Variant| gate.without_rows.contains_key(&format!("{}/{}", choice.workload.name, one.name));
            let held_here = choice.variants.iter().filter(|one| named(one) && !left_out(one));
            held.extend(held_here.map(|one| (choice.workload, *one)));
        }
    }
    Ok(held)
}

/// Where a gate measures.
pub struct Ground<'a> {
    /// The tree.
    pub fixture: &'a Fixture,
    /// The name or the file of its recipe.
    pub recipe: &'a str,
    /// A place to work.
    pub scratch: &'a Scratch,
    /// Something to add to each run.
    pub plant: Plant,
    /// The longest that a run may take.
    pub limit: Duration,
    /// How progress is told.
    pub telling: Telling,
    /// One for each workload: what is kept is made once for all its rows, as in a run.
    pub stages: BTreeMap<&'static str, Stage>,
}

/// What was counted of every row, and the rows that cannot run here, each with the reason.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Metrics by row.
    pub values: Values,
    /// Metrics that are known to be chance, by row.
    pub by_chance: BTreeMap<String, BTreeSet<String>>,
    /// Rows of several workers: which of them does what is chance.
    pub shared: BTreeSet<String>,
    /// Rows without values.
    pub absent: BTreeMap<String, String>,
}

/// Counts one run of every row.
pub fn measure(rows: &[Held], ground: &mut Ground) -> Result<Measured> {
    let _holder = Holder::start()?;
    let progress = Progress::begin(ground.telling, "count");
    let mut measured = Measured::default();
    for (done, (workload, variant)) in rows.iter().enumerate() {
        if signals::asked_to_stop() {
            let what = "stopped before all rows were counted".to_owned();
            return Err(Refusal { exit: Exit::Interrupted, what, mend: "run it again".into() }.into());
        }
        let name = format!("{}/{}", workload.name, variant.name);
        progress.at(done as u64, rows.len() as u64, &name);
        if !ground.stages.contains_key(workload.name) {
            let stage = Stage::set_at_length(ground.scratch, &format!("gate-{}", workload.name))?;
            ground.stages.insert(workload.name, stage.with_source(ground.fixture, ground.recipe)?);
        }
        match count(workload, variant, ground)? {
            Ok((counts, workers)) => {
                if workers > 1 {
                    measured.shared.insert(name.clone());
                }
                measured.values.insert(name, counts);
            }
            Err(why) => {
                measured.absent.insert(name, why);
            }
        }
    }
    Ok(measured)
}

/// No more findings than this are located: where all is otherwise, no place tells anything.
const LOCATED: usize = 24;

/// Says of what fails in which phases it is counted now, by a run for each on a clock that counts. Of several workers
/// nobody knows which of them did it.
pub fn locate(findings: &mut [Finding], rows: &[Held], shared: &BTreeSet<String>, ground: &mut Ground) -> Result<()> {
    let fails = |one: &&mut Finding| one.fails && one.is.is_some() && !shared.contains(&one.row);
    let mut findings: Vec<&mut Finding> = findings.iter_mut().filter(fails).take(LOCATED).collect();
    let _holder = if findings.is_empty() { None } else { Some(Holder::start()?) };
    for finding in &mut findings {
        let named = |(workload, variant): &&Held| format!("{}/{}", workload.name, variant.name) == finding.row;
        if let Some((workload, variant)) = rows.iter().find(named) {
            let stage = ground.stages.get_mut(workload.name).context("its stage was set")?;
            let target = stage.cleared()?;
            let errand = stage.errand(workload.name, variant.name, ground.fixture);
            let metric = Some(finding.metric.clone());
            let errand = Errand { pass: Pass::Places, metric, target, plant: ground.plant, ..errand };
            if let Ended::Answered(Answer::Places(phases)) = send(&errand, ground.limit)? {
                finding.phases = phases;
            }
        }
    }
    Ok(())
}

type Metrics = BTreeMap<String, u64>;

fn count(workload: &Workload, variant: &Variant, ground: &mut Ground) -> Result<Result<(Metrics, usize), String>> {
    let stage = ground.stages.get_mut(workload.name).context("its stage was set")?;
    let target = stage.cleared()?;
    let errand = stage.errand(workload.name, variant.name, ground.fixture);
    // What is kept is made by a run that nobody counts.
    let ready = Errand { pass: Pass::Ready, target: target.clone(), ..errand.clone() };
    if let Ended::Answered(Answer::Absent { why, mend }) = send(&ready, ground.limit)? {
        return Ok(Err(format!("{why}: {mend}")));
    }
    let errand = Errand { pass: Pass::Counts, target: stage.cleared()?, plant: ground.plant, ..errand };
    let name = format!("{}/{}", workload.name, variant.name);
    let wrong = |what: String, exit: Exit| Refusal { exit, what, mend: format!("see `assay explain {name}`") };
    let (counts, workers): (Counts, usize) = match send(&errand, ground.limit)? {
        Ended::Answered(Answer::Reading(reading)) => {
            (*reading.counts.with_context(|| format!("{name} was not counted"))?, reading.workers)
        }
        Ended::Answered(Answer::Absent { why, mend }) => return Ok(Err(format!("{why}: {mend}"))),
        other => return Err(wrong(format!("{name} cannot be counted: {other:?}"), Exit::Differ).into()),
    };
    if let Counted::Absent { absent } = &counts.calls {
        return Err(wrong(format!("{name}: system calls cannot be counted here: {absent}"), Exit::Unfit).into());
    }
    let expected = (workload.expected)(&errand.site())?;
    let outcome = (workload.outcome)(&errand.site())?;
    if let Some(first) = expected.differences(&outcome, variant.technique.promises()).first() {
        return Err(wrong(format!("{name} comes out otherwise than it should: {first}"), Exit::Differ).into());
    }
    Ok(Ok((counts.exact(), workers)))
}
