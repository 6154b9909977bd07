//! `assay gate`: holds what must not get worse. Exact gates count, near-exact ones read instructions, gates on times
//! compare two builds.

pub mod depends;
pub mod exact;
pub mod files;
pub mod instructions;
pub mod wall;

use crate::cli::{Said, width};
use crate::compare::parse_share;
use crate::pace::parse_duration;
use crate::plant::Plant;
use crate::progress::Telling;
use crate::refusal::{Exit, Refusal};
use crate::scratch::{Scratch, default_place};
use crate::signals;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use exact::{Ground, Measured};
use files::File;
use reports::gate::{Baseline, Finding, Kind, check, held, metrics, otherwise};
use reports::terminal::gate as shown;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `gate` takes.
#[derive(Args)]
pub struct GateArgs {
    /// Gates by name [default: all but those on times]
    names: Vec<String>,
    /// Where gates lie [default: reports/gates of the checkout]
    #[arg(long, value_name = "DIR")]
    gates: Option<PathBuf>,
    /// Write what is measured now as the baseline. The commit then shows what changed
    #[arg(long)]
    bless: bool,
    /// For gates on times: the revision to hold this build against
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    base: String,
    /// For gates on times: let the pairs of a gate take so long in all [default: until each row is decided, or its
    /// looks are used up]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    budget: Option<Duration>,
    /// What a comparison that the data do not decide means
    #[arg(long, value_enum, default_value_t = Undecided::Tell)]
    undecided: Undecided,
    /// Add a Markdown summary to this file, for a pull request
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write what came as a JUnit file, which must not exist yet
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Where to work: an empty or new directory [default: memory if there is room, else beside the records]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// For near-exact gates: what `just bench-instructions` left [default: target/assay/instructions.json]
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,
    /// Give up on a run that takes longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    limit: Duration,
    /// Plant something in every row, as JSON: a gate that never went red is none
    #[arg(long, hide = true, value_parser = |text: &str| serde_json::from_str::<Plant>(text).map_err(|e| e.to_string()))]
    plant: Option<Plant>,
    /// Add such a share of its time to each run, for gates on times
    #[arg(long, hide = true, value_parser = parse_share)]
    delay: Option<f64>,
}

/// What a comparison that the data do not decide means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Undecided {
    /// The gate passes.
    Pass,
    /// The gate fails.
    Fail,
    /// Exit code 3.
    Tell,
}

/// How one gate ended.
pub struct Judged {
    name: String,
    what: String,
    exit: Exit,
    /// One sentence.
    verdict: String,
    findings: Vec<Finding>,
    /// What else there is to know.
    notes: Vec<String>,
    /// How many rows and metrics it held.
    held: (usize, usize),
}

/// Runs gates.
pub fn gate(arguments: &GateArgs, telling: Telling, command: &str) -> Result<Said> {
    signals::listen()?;
    let files = files::find(arguments.gates.as_deref(), &arguments.names)?;
    let mut judged = Vec::new();
    for file in &files {
        judged.push(match file.gate.kind {
            Kind::Exact => exactly(file, arguments, telling)?,
            Kind::NearExact => instructions::nearly(file, arguments)?,
            Kind::Wall => wall::compare(file, arguments, telling, command)?,
        });
    }
    let exit = worst(judged.iter().map(|one| one.exit));
    let pages: Vec<shown::Gate> = judged.iter().map(page).collect();
    if let Some(summary) = &arguments.summary {
        append(summary, &shown::markdown(&pages))?;
    }
    if let Some(junit) = &arguments.junit {
        write_new(junit, &reports::export::junit_of_gates(&pages))?;
    }
    let text = shown::render(&pages, width());
    Ok(Said { text, json: json!({"gates": pages}), schema: "assay.gate/1", exit })
}

/// Adds to a file: the summaries of a CI job are one file, and others may have written to it.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("writing {}", path.display()))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| {
        Refusal::usage(format!("cannot make {}: {error}", path.display()), "name a file that does not exist yet")
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

/// The exit code that says most, in the order of the terminal's rules.
fn worst(exits: impl Iterator<Item = Exit>) -> Exit {
    const ORDER: [Exit; 6] = [Exit::Fine, Exit::Usage, Exit::Data, Exit::Open, Exit::Unfit, Exit::Worse];
    exits.max_by_key(|exit| ORDER.iter().position(|one| one == exit)).unwrap_or(Exit::Fine)
}

fn page(judged: &Judged) -> shown::Gate<'_> {
    shown::Gate {
        name: &judged.name,
        what: &judged.what,
        passed: judged.exit == Exit::Fine,
        exit: judged.exit as u8,
        verdict: &judged.verdict,
        findings: &judged.findings,
        notes: &judged.notes,
        rows: judged.held.0,
        metrics: judged.held.1,
    }
}

/// How often a row that seems to have changed is counted again.
const COUNTED_AGAIN: usize = 3;
/// How often rows are counted before what they gave is blessed.
const BLESSED_AFTER: usize = 5;

fn exactly(file: &File, arguments: &GateArgs, telling: Telling) -> Result<Judged> {
    let rows = exact::rows(&file.gate).map_err(|error| files::wrong(&file.path, &error))?;
    let fixture = crate::fixture::ready(&file.gate.fixture, telling)?;
    let place = arguments.scratch.clone().unwrap_or_else(|| default_place(8 * fixture.tally.bytes + (256 << 20)));
    let scratch = Scratch::take(&place)?;
    let plant = arguments.plant.unwrap_or_default();
    let limit = arguments.limit;
    let (fixture, recipe, scratch) = (&fixture, file.gate.fixture.as_str(), &scratch);
    let mut ground = Ground { fixture, recipe, scratch, plant, limit, telling, stages: BTreeMap::new() };
    let measured = exact::measure(&rows, &mut ground)?;
    let depends = depends::depends()?;
    if arguments.bless {
        return bless(file, &measured, depends, || exact::measure(&rows, &mut ground));
    }
    let baseline = match files::baseline(file, &depends)? {
        Ok(baseline) => baseline,
        Err(why) => return Ok(without_baseline(file, why)),
    };
    // What seems to have changed is counted again: chance is not the same each time.
    let suspects: BTreeSet<String> =
        check(&file.gate, &baseline, &measured.values, &[]).into_iter().map(|one| one.row).collect();
    let suspects: Vec<exact::Held> = rows
        .iter()
        .filter(|(workload, variant)| suspects.contains(&format!("{}/{}", workload.name, variant.name)))
        .copied()
        .collect();
    let mut again = Vec::new();
    for _ in 0..if suspects.is_empty() { 0 } else { COUNTED_AGAIN } {
        again.push(exact::measure(&suspects, &mut ground)?.values);
    }
    let findings = check(&file.gate, &baseline, &measured.values, &again);
    // A row that cannot run here is told, and is not gone.
    let mut findings: Vec<Finding> =
        findings.into_iter().filter(|one| !measured.absent.contains_key(&one.row)).collect();
    exact::locate(&mut findings, &rows, &measured.shared, &mut ground)?;
    Ok(judged(file, &measured, &baseline, findings))
}

/// A gate whose metrics were measured: it passes if nothing failed.
pub fn judged(file: &File, measured: &Measured, baseline: &Baseline, findings: Vec<Finding>) -> Judged {
    let failed = findings.iter().filter(|one| one.fails).count();
    let verdict = match failed {
        0 => "nothing that it holds changed".to_owned(),
        1 => "1 metric changed. If that is meant: assay gate --bless, and commit what it writes".to_owned(),
        many => format!("{many} metrics changed. If that is meant: assay gate --bless, and commit what it writes"),
    };
    Judged {
        name: file.name.clone(),
        what: file.gate.what.clone(),
        exit: if failed > 0 { Exit::Worse } else { Exit::Fine },
        verdict,
        findings,
        notes: measured.absent.iter().map(|(row, why)| format!("{row} cannot run here: {why}")).collect(),
        held: (measured.values.len(), metrics(&file.gate, baseline)),
    }
}

/// A gate that has nothing to hold against, and why.
pub fn without_baseline(file: &File, why: Vec<String>) -> Judged {
    Judged {
        name: file.name.clone(),
        what: file.gate.what.clone(),
        exit: Exit::Data,
        verdict: "there is no baseline for this; on a state that is right, assay gate --bless writes one".to_owned(),
        findings: Vec::new(),
        notes: why,
        held: (0, 0),
    }
}

/// Writes the baseline. What is not the same in every one of several measurements is not held, and the file says so.
pub fn bless(
    file: &File,
    first: &Measured,
    depends: BTreeMap<String, String>,
    mut again: impl FnMut() -> Result<Measured>,
) -> Result<Judged> {
    let mut unsteady = first.by_chance.clone();
    let values = held(&file.gate, &first.values);
    for _ in 1..BLESSED_AFTER {
        let other = held(&file.gate, &again()?.values);
        for (row, metrics) in &values {
            let empty = BTreeMap::new();
            let others = other.get(row).unwrap_or(&empty);
            for metric in metrics.keys().chain(others.keys()) {
                if metrics.get(metric) != others.get(metric) {
                    unsteady.entry(row.clone()).or_default().insert(metric.clone());
                }
            }
        }
    }
    // What chance has a part in, in one row of several workers, it has in the others too, whether it showed or not.
    for row in &first.shared {
        let workload = |row: &String| row.split('/').next().map(str::to_owned);
        let kin =
            unsteady.iter().filter(|(other, _)| first.shared.contains(*other) && workload(other) == workload(row));
        let by_chance: BTreeSet<String> = kin.flat_map(|(_, metrics)| metrics.iter().cloned()).collect();
        if !by_chance.is_empty() {
            unsteady.entry(row.clone()).or_default().extend(by_chance);
        }
    }
    let mut steady = values;
    for (row, metrics) in &unsteady {
        if let Some(row) = steady.get_mut(row) {
            row.retain(|metric, _| !metrics.contains(metric));
        }
    }
    let count = unsteady.values().map(BTreeSet::len).sum::<usize>();
    let held = (steady.len(), steady.values().map(BTreeMap::len).sum());
    files::write(file, &Baseline { depends, unsteady, values: steady })?;
    Ok(Judged {
        name: file.name.clone(),
        what: file.gate.what.clone(),
        exit: Exit::Fine,
        verdict: format!("blessed: {} is written; read its diff before you commit it", files::place(file).display()),
        findings: Vec::new(),
        notes: vec![format!(
            "{count} metrics are chance, or were not the same in {BLESSED_AFTER} runs, and are not held"
        )],
        held,
    })
}

/// Why a baseline is of something else.
fn differences(baseline: &Baseline, depends: &BTreeMap<String, String>) -> Vec<String> {
    otherwise(baseline, depends)
        .into_iter()
        .map(|(key, [was, is])| format!("{key}: the baseline is of {was:?}, and here is {is:?}"))
        .collect()
}
