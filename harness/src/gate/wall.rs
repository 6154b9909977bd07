//! Gates on times: this build beside another, in one session; a slow-down fails once a second session confirms it.

use super::exact::{Held, rows};
use super::{GateArgs, Judged, Undecided, files};
use crate::compare::builds;
use crate::compare::duel::Side;
use crate::compare::session::{Match, Plan, hold};
use crate::plant::Plant;
use crate::progress::Telling;
use crate::refusal::{Exit, Refusal};
use crate::scratch::{Scratch, default_place};
use anyhow::Result;
use files::File;
use fixtures::Fixture;
use reports::comparison::{Judged as Compared, Judgement, judge};
use reports::stats::Verdict;
use std::path::Path;
use technique::{Variant, Workload};

/// Compares, and compares those that got slower once more, with other coins.
pub fn compare(file: &File, arguments: &GateArgs, telling: Telling, command: &str) -> Result<Judged> {
    let held = rows(&file.gate).map_err(|error| files::wrong(&file.path, &error))?;
    let fixture = crate::fixture::ready(&file.gate.fixture, telling)?;
    let this = builds::this()?;
    // This build against itself, with something planted: how the gate is tested.
    let base = if arguments.delay.is_some() { builds::this()? } else { builds::of(&arguments.base, telling)? };
    let all = sides(&held, [&base.program, &this.program], arguments.plant.unwrap_or_default());
    let session = |names: Option<&[String]>, seed: u64| -> Result<Judgement> {
        let matches = all
            .iter()
            .filter(|(workload, [a, _])| {
                names.is_none_or(|names| names.contains(&format!("{}/{}", workload.name, a.variant.name)))
            })
            .map(|(workload, sides)| Match { workload, sides: sides.clone(), fixture: fixture.clone() })
            .collect();
        let plan = Plan {
            sides: [base.name.clone(), this.name.clone()],
            matches,
            band: file.gate.tolerance,
            precision: None,
            chance: reports::stats::sequential::TOTAL,
            budget: arguments.budget,
            limit: arguments.limit,
            delay: arguments.delay,
            look: false,
            seed,
            telling,
            command: command.to_owned(),
        };
        judged_session(&plan, arguments, &fixture)
    };
    let first = session(None, 1)?;
    let slower: Vec<String> = names(&first, Verdict::Slower);
    let confirmed = if slower.is_empty() || first.void { Vec::new() } else { confirmed(&session(Some(&slower), 2)?) };
    Ok(judged(file, arguments, &first, &slower, &confirmed))
}

fn judged_session(plan: &Plan, arguments: &GateArgs, fixture: &Fixture) -> Result<Judgement> {
    let place = arguments.scratch.clone().unwrap_or_else(|| default_place(64 * fixture.tally.bytes + (256 << 20)));
    let scratch = Scratch::take(&place)?;
    let path = hold(plan, &scratch)?;
    let session =
        reports::comparison::read(&path).map_err(|error| Refusal::data(error.to_string(), "run the gate again"))?;
    Ok(judge(&session))
}

fn names(judgement: &Judgement, verdict: Verdict) -> Vec<String> {
    judgement.entries.iter().filter(|one| one.verdict == verdict.words()).map(|one| one.name.clone()).collect()
}

/// A void session confirms nothing.
fn confirmed(second: &Judgement) -> Vec<String> {
    if second.void { Vec::new() } else { names(second, Verdict::Slower) }
}

fn judged(file: &File, arguments: &GateArgs, first: &Judgement, slower: &[String], confirmed: &[String]) -> Judged {
    let open = names(first, Verdict::NotDecided);
    let told = |one: &Compared| {
        let takes = one.takes.map_or("not measured".to_owned(), |takes| {
            format!("takes {:.3}x ({:.3}-{:.3})", takes.mid, takes.low, takes.high)
        });
        let again = match (slower.contains(&one.name), confirmed.contains(&one.name)) {
            (true, true) => ", confirmed by a second session",
            (true, false) => ", not confirmed by a second session",
            _ => "",
        };
        let more = one.more.map_or(String::new(), |more| format!(", about {more} more pairs would decide"));
        format!("{} {takes}: {}{again}{more}", one.name, one.verdict)
    };
    let (exit, verdict) = if first.void {
        (
            Exit::Unfit,
            "void: this build looked different from itself; run the gate again on a quieter machine".to_owned(),
        )
    } else if !confirmed.is_empty() {
        (
            Exit::Worse,
            format!("{} got slower, and a second session confirms it: {}", confirmed.len(), confirmed.join(", ")),
        )
    } else if open.is_empty() || arguments.undecided == Undecided::Pass {
        (Exit::Fine, "nothing that it holds got slower".to_owned())
    } else {
        let exit = if arguments.undecided == Undecided::Fail { Exit::Worse } else { Exit::Open };
        (exit, format!("{} of {} rows are not decided", open.len(), first.entries.len()))
    };
    Judged {
        name: file.name.clone(),
        what: file.gate.what.clone(),
        exit,
        verdict,
        findings: Vec::new(),
        notes: first.entries.iter().map(told).collect(),
        held: (first.entries.len(), first.entries.len()),
    }
}

/// Two builds of every row.
fn sides(rows: &[Held], programs: [&Path; 2], plant: Plant) -> Vec<(&'static Workload, [Side; 2])> {
    let side = |program: &Path, variant: Variant, plant| Side { program: program.into(), variant, plant };
    rows.iter()
        .map(|(workload, variant)| {
            (*workload, [side(programs[0], *variant, Plant::default()), side(programs[1], *variant, plant)])
        })
        .collect()
}
