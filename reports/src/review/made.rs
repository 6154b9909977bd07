//! A review, put together.

use super::judge::Evidence;
use super::look::Look;
use super::{
    Check, Grade, Numbers, PhaseOf, Review, SCHEMA, Stacks, answer, foretelling, icicles, judge, ladder, now, scaling,
    targets, trades, trust,
};
use crate::claims::Ledger;
use crate::record::Run;
use crate::stats::BAND;

/// The review of one entry of a run's plan.
///
/// `others` are further runs of the same machine, the newest last: where a claim rests on a part, its own workload is
/// looked up there. They are never compared across runs: both rows of a ratio come from one. `stacks` are those of two
/// of the rows; where they cannot be read, a check says so.
pub fn of(run: &Run, plan: usize, others: &[Run], ledgers: &[Ledger], stacks: Option<&Stacks>) -> Review {
    let look = Look::at(run, plan);
    let now = now::of(&look).map(|row| row.name.clone());
    let targets = targets::of(&look, now.as_deref());
    let mut trust = trust::of(&look, now.as_deref());
    let icicles = stacks.and_then(|stacks| match icicles::of(stacks, look.files()) {
        Ok(icicles) => Some(icicles),
        Err(told) => {
            trust.push(Check { name: "stacks".to_owned(), grade: Grade::Fail, told, numbers: Numbers::new() });
            None
        }
    });
    let ladder = ladder::of(&look);
    let claims = judge::of_plan(&Evidence::of(Some((run, plan)), others), &look, ledgers);
    let foretelling = foretelling::of(&claims, &ladder);
    let answer = answer::of(&look, now.as_deref(), &targets, &claims, &trust);
    Review {
        schema: SCHEMA,
        run: run.header.id.clone(),
        started: run.header.started.clone(),
        command: run.header.command.clone(),
        unit: "file".to_owned(),
        band: BAND - 1.0,
        answer,
        now,
        phases: phases(&look),
        targets,
        claims,
        foretelling,
        ladder,
        scaling: scaling::of(&look),
        trades: trades::of(&look),
        icicles,
        series: super::series(run, plan),
        trust,
        notes: run.notes.clone(),
        machine: trust::machine(&look),
        absent: trust::absent(&look),
        files: Vec::new(),
        summary: look.summary,
    }
}

/// The phases that any row has, in the order in which a run meets them; those that the header does not know come last.
fn phases(look: &Look) -> Vec<PhaseOf> {
    let seen = |name: &str| look.summary.rows.iter().any(|row| row.phases.iter().any(|(phase, _)| phase == name));
    let known = &look.run.header.phases;
    let mut phases: Vec<PhaseOf> = known
        .iter()
        .filter(|phase| seen(&phase.name))
        .map(|phase| PhaseOf { name: phase.name.clone(), kind: phase.kind.clone() })
        .collect();
    for (name, _) in look.summary.rows.iter().flat_map(|row| &row.phases) {
        if phases.iter().all(|phase| phase.name != *name) {
            phases.push(PhaseOf { name: name.clone(), kind: "unnamed".to_owned() });
        }
    }
    phases
}
