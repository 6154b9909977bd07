//! `assay claims`: what the documents claimed, held against the newest runs of this home that have the rows.

use crate::cli::{Said, width};
use crate::list::record_files;
use crate::refusal::Refusal;
use crate::say::say;
use anyhow::Result;
use clap::Args;
use reports::claims::load_all;
use reports::record::{self, Run};
use reports::review::{Judged, judged};
use reports::terminal::claims as shown;
use serde_json::json;

/// What `claims` takes.
#[derive(Args)]
pub struct ClaimsArgs {
    /// One claim, such as zstd-01, or all of a document, such as zstd; everything if left away
    id: Option<String>,
    /// Show the source, the data and the formula of each
    #[arg(long)]
    why: bool,
}

/// Shows claims and what came of them.
pub fn claims(arguments: &ClaimsArgs) -> Result<Said> {
    let ledgers = load_all().map_err(|error| Refusal::data(error, "the ledgers lie in reports/claims"))?;
    let (runs, left_out) = of_this_machine(read());
    let mut claims = judged(&runs, &ledgers);
    if let Some(id) = &arguments.id {
        claims = chosen(claims, id)?;
    }
    let one = arguments.id.as_ref().is_some_and(|id| claims.len() == 1 && claims[0].claim.id == *id);
    let mut text = if one || arguments.why {
        let each: Vec<String> = claims.iter().map(|claim| shown::one(claim, arguments.why, width())).collect();
        each.join("\n")
    } else {
        shown::render(&claims, &ledgers, width())
    };
    if runs.is_empty() {
        text += "nothing was measured yet: assay run restore --on python-small measures most of it\n";
    }
    if left_out > 0 {
        let runs = if left_out == 1 { "run" } else { "runs" };
        text += &format!("{left_out} {runs} of another machine left out\n");
    }
    let ids: Vec<&str> = runs.iter().map(|run| run.header.id.as_str()).collect();
    Ok(Said::fine("assay.claims/1", text, json!({"claims": claims, "runs": ids, "left_out": left_out})))
}

/// The runs that can be read, the oldest first. Those that cannot are named, and do not stop the others.
fn read() -> Vec<Run> {
    let mut runs = Vec::new();
    for path in record_files() {
        match record::read(&path) {
            Ok(run) => runs.push(run),
            Err(error) => say(&format!("left out: {error}")),
        }
    }
    runs
}

/// The runs of the machine that the newest is of, and how many are of another.
pub fn of_this_machine(runs: Vec<Run>) -> (Vec<Run>, usize) {
    let Some(last) = runs.last().cloned() else { return (runs, 0) };
    let all = runs.len();
    let runs: Vec<Run> = runs.into_iter().filter(|run| same_machine(run, &last)).collect();
    let left_out = all - runs.len();
    (runs, left_out)
}

/// Whether two runs are of one machine, as far as a claim is concerned.
pub fn same_machine(one: &Run, other: &Run) -> bool {
    let machine = |run: &Run| ["cpu", "cpus", "memory"].map(|key| run.header.machine.get(key).cloned());
    machine(one) == machine(other)
}

/// The claim of that name, or all of a document.
fn chosen(claims: Vec<Judged>, id: &str) -> Result<Vec<Judged>> {
    let of_document = |one: &Judged| {
        let stem = one.source.strip_suffix(".md").unwrap_or(&one.source);
        one.source == id || stem == id || one.claim.id.rsplit_once('-').is_some_and(|(document, _)| document == id)
    };
    let is_chosen = |one: &Judged| one.claim.id == id || of_document(one);
    if claims.iter().any(is_chosen) {
        return Ok(claims.into_iter().filter(is_chosen).collect());
    }
    let near = |one: &Judged| strsim::jaro_winkler(id, &one.claim.id);
    let mut names: Vec<&Judged> = claims.iter().filter(|one| near(one) > 0.8).collect();
    names.sort_by(|a, b| near(b).total_cmp(&near(a)));
    let names: Vec<&str> = names.iter().take(3).map(|one| one.claim.id.as_str()).collect();
    let near = if names.is_empty() { String::new() } else { format!("did you mean {}? ", names.join(", ")) };
    Err(Refusal::usage(format!("there is no claim named {id:?}"), format!("{near}`assay claims` shows all")))
}
