//! `assay explain`: what a row does, what it promises, where its code is, what it asks of the kernel, where its time goes.

use crate::catalogue;
use crate::child::{Ended, send};
use crate::cli::{Said, width};
use crate::list;
use crate::once::{Answer, Errand, Pass};
use crate::probes::hold::Holder;
use crate::progress::Telling;
use crate::refusal::Refusal;
use crate::scratch::{Scratch, default_place};
use crate::stage::Stage;
use anyhow::Result;
use fixtures::Fixture;
use reports::record::{Counted, Counts, Reading};
use reports::summary::{Row, Summary, summaries};
use reports::table::wrap;
use reports::terminal::{labelled, number};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use technique::{Promise, Variant, Workload};

/// Explains one row; its system calls are foretold for the fixture `on`.
pub fn explain(row: &str, on: &str, telling: Telling) -> Result<Said> {
    let (workload, variant) = find(row)?;
    let fixture = crate::fixture::ready(on, telling)?;
    let (foretold, counted) = foretell_and_count(workload, variant, &fixture)?;
    let measured = last_summary(workload, variant);
    let kept: Vec<&str> = variant.technique.promises().iter().map(Promise::name).collect();
    // A promise that no row of this workload could make is not lacking.
    let made = |one: Promise| workload.variants.iter().any(|row| row.technique.promises().has(one));
    let kept_here = |one: Promise| variant.technique.promises().has(one);
    let lacks: Vec<&str> =
        Promise::ALL.into_iter().filter(|one| made(*one) && !kept_here(*one)).map(Promise::name).collect();
    let mut lines = vec![format!("{}/{}: {}", workload.name, variant.name, variant.what), String::new()];
    lines.push(format!(
        "code      {}:{} (the row), {} (the technique)",
        variant.row.file(),
        variant.row.line(),
        variant.technique.type_name()
    ));
    lines.push(format!("promises  {}", if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }));
    lines.push(format!("lacks     {}", if lacks.is_empty() { "none".to_owned() } else { lacks.join(", ") }));
    lines.push(format!("calls     {}", calls_text(&foretold, &fixture)));
    lines.push(format!("counted   {}", counted_text(&counted, &foretold, &fixture)));
    match &measured {
        None => lines.push(format!("time      not measured yet: assay run {}/{}", workload.name, variant.name)),
        Some((summary, row)) => lines.extend(time_text(summary, row)),
    }
    let text: String = lines
        .iter()
        .map(|line| match line.split_once("  ") {
            Some((label, said)) => labelled(label, said.trim_start(), width()),
            None => wrap(line, width(), 0) + "\n",
        })
        .collect();
    let calls = match &foretold {
        Foretold::Calls(calls) => json!(calls),
        Foretold::Nothing(why) => json!({"absent": why}),
    };
    let document = json!({
        "workload": workload.name,
        "row": variant.name,
        "what": variant.what,
        "code": format!("{}:{}", variant.row.file(), variant.row.line()),
        "technique": variant.technique.type_name(),
        "promises": kept,
        "lacks": lacks,
        "calls": {"fixture": fixture.name, "files": fixture.tally.files, "by_name": calls},
        "counted": counted,
        "measured": measured.map(|(summary, row)| json!({"fixture": summary.fixture, "condition": summary.condition, "row": row})),
    });
    Ok(Said::fine("assay.explain/1", text, document))
}

/// The row of that name, whichever workload has it.
pub fn find(row: &str) -> Result<(&'static Workload, &'static Variant)> {
    if let Some((workload, name)) = row.split_once('/') {
        let workload = catalogue::workload(workload)?;
        return Ok((workload, catalogue::variant_of(workload, name)?));
    }
    let found: Vec<_> = catalogue::WORKLOADS
        .iter()
        .filter_map(|workload| workload.variant(row).map(|variant| (*workload, variant)))
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            catalogue::workload(row)?;
            Err(Refusal::usage(
                format!("{row} is a workload"),
                format!("name a row of it: `assay list {row}` shows them"),
            ))
        }
        many => {
            let names: Vec<String> = many.iter().map(|(workload, _)| format!("{}/{row}", workload.name)).collect();
            Err(Refusal::usage(
                format!("{row} is a row of {} workloads", many.len()),
                format!("say which: {}", names.join(", ")),
            ))
        }
    }
}

enum Foretold {
    Calls(BTreeMap<String, u64>),
    Nothing(String),
}

/// Asks the technique itself, ready on the fixture, in a process of its own; then lets another run it and count.
fn foretell_and_count(workload: &Workload, variant: &Variant, fixture: &Fixture) -> Result<(Foretold, Counts)> {
    let scratch = match Scratch::take(&default_place(4 * fixture.tally.bytes + (64 << 20))) {
        Ok(scratch) => scratch,
        Err(error) => {
            return Ok((
                Foretold::Nothing(format!("not foretold now: {error}").replace("\n  do  ", "; ")),
                Counts::default(),
            ));
        }
    };
    let mut stage = Stage::set(&scratch, "explain")?;
    stage.fresh()?;
    let errand = stage.errand(workload.name, variant.name, fixture);
    let limit = Duration::from_mins(5);
    let foretold = match send(&errand, limit)? {
        Ended::Answered(Answer::Ready(Some(calls))) => Foretold::Calls(calls),
        Ended::Answered(Answer::Absent { why, mend }) => {
            let why = format!("cannot run here: {why}: {mend}");
            return Ok((Foretold::Nothing(why.clone()), uncounted(&why)));
        }
        Ended::Answered(_) => Foretold::Nothing("the row makes no claim about its system calls".to_owned()),
        Ended::Crashed(told) | Ended::Hung(told) => Foretold::Nothing(format!("could not get ready: {told}")),
        Ended::Stopped => Foretold::Nothing("stopped".to_owned()),
    };
    // It lets go when it is dropped; no clock runs here that would have to wait for that.
    let _holder = Holder::start()?;
    let errand = Errand { pass: Pass::Counts, target: stage.fresh()?, ..errand };
    let counted = match send(&errand, limit)? {
        Ended::Answered(Answer::Reading(Reading { counts: Some(counts), .. })) => *counts,
        other => uncounted(&format!("not counted: {other:?}")),
    };
    Ok((foretold, counted))
}

fn uncounted(why: &str) -> Counts {
    Counts { calls: Counted::absent(why), ..Counts::default() }
}

/// The calls that a run made, each beside what was foretold of it.
fn counted_text(counted: &Counts, foretold: &Foretold, fixture: &Fixture) -> String {
    let calls = match &counted.calls {
        Counted::Absent { absent } => return absent.clone(),
        Counted::Present(calls) => calls,
    };
    let mut named: Vec<(&str, u64)> = calls.by_name.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    if let Foretold::Calls(foretold) = foretold {
        let unmade = foretold.keys().filter(|name| !calls.by_name.contains_key(*name));
        named.extend(unmade.map(|name| (name.as_str(), 0)));
    }
    named.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let beside = |name: &str, count: u64| match foretold {
        Foretold::Nothing(_) => format!("{name} {count}"),
        Foretold::Calls(foretold) => match foretold.get(name) {
            Some(same) if *same == count => format!("{name} {count} as foretold"),
            Some(other) => format!("{name} {count} where {other} were foretold"),
            None => format!("{name} {count} beside"),
        },
    };
    let mut each: Vec<String> = named.into_iter().map(|(name, count)| beside(name, count)).collect();
    if calls.others > 0 {
        each.push(format!("others {}", calls.others));
    }
    let total = calls.total();
    let a_file = total as f64 / fixture.tally.files.max(1) as f64;
    format!("{total} system calls, {a_file:.2} a file, by {}: {}", calls.by, each.join(", "))
}

fn calls_text(foretold: &Foretold, fixture: &Fixture) -> String {
    match foretold {
        Foretold::Nothing(why) => why.clone(),
        Foretold::Calls(calls) => {
            let files = fixture.tally.files.max(1);
            let mut named: Vec<(&String, &u64)> = calls.iter().collect();
            named.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
            let total: u64 = calls.values().sum();
            let each: Vec<String> = named
                .iter()
                .map(|(name, count)| format!("{name} {count} ({:.2} a file)", **count as f64 / files as f64))
                .collect();
            format!(
                "{total} file system calls on {} ({files} files), {:.2} a file: {}",
                fixture.name,
                total as f64 / files as f64,
                each.join(", ")
            )
        }
    }
}

/// The row in the last run that has it.
fn last_summary(workload: &Workload, variant: &Variant) -> Option<(Summary, Row)> {
    // A run of enough rounds says more than a later one of too few.
    let all = list::runs();
    let (enough, few): (Vec<_>, Vec<_>) = all
        .iter()
        .rev()
        .partition(|run| run.samples.iter().any(|sample| sample.round as usize + 1 >= reports::stats::FEWEST));
    enough.into_iter().chain(few).find_map(|run| {
        summaries(run).into_iter().filter(|summary| summary.workload == workload.name).find_map(|summary| {
            let row = summary.rows.iter().find(|row| row.name == variant.name)?.clone();
            Some((summary, row))
        })
    })
}

fn time_text(summary: &Summary, row: &Row) -> Vec<String> {
    let whole = row.us_per_file.mid;
    let mut lines = vec![format!(
        "time      {} µs a file on {} ({}), {} rounds; processor {} µs",
        number(whole),
        summary.fixture,
        summary.condition,
        row.rounds,
        number(row.cpu_us_per_file)
    )];
    if let (Some(over), Some(verdict)) = (&row.over_baseline, row.verdict) {
        lines.push(format!(
            "gain      {:.2}x over the baseline ({:.2}-{:.2}): {verdict}",
            over.mid, over.low, over.high
        ));
    }
    if !row.phases.is_empty() {
        let each: Vec<String> = row
            .phases
            .iter()
            .map(|(name, us)| format!("{name} {} ({:.1} %)", number(*us), us / whole * 100.0))
            .collect();
        lines.push(format!("phases    {}", each.join(", ")));
        let mut largest = row.phases.clone();
        largest.sort_by(|a, b| b.1.total_cmp(&a.1));
        let ceilings: Vec<String> =
            largest.iter().take(4).map(|(name, us)| format!("{name} {:.2}x", whole / (whole - us))).collect();
        lines.push(format!("ceilings  if a phase took no time at all: {}", ceilings.join(", ")));
    }
    lines
}
