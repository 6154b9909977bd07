//! `assay history`: one number of a row, run after run, over the records of this home.

use crate::catalogue::{variant_of, workload};
use crate::cli::{Said, quoted, width};
use crate::list::record_files;
use crate::refusal::Refusal;
use crate::say::say;
use anyhow::{Context, Result};
use clap::Args;
use reports::history::{Against, Asked, FEWEST, History, Metric, counted_names, histories};
use reports::page::history as page;
use reports::record::{self, Run};
use reports::terminal::history as shown;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What `history` takes.
#[derive(Args)]
pub struct HistoryArgs {
    /// WORKLOAD/ROW shows each of its runs; with WORKLOAD, or none, every row is a line, those that got worse first
    row: Option<String>,
    /// wall, cpu, calls, calls.NAME, allocations, or any other name that was counted
    #[arg(long, value_name = "NAME", default_value = "wall")]
    metric: String,
    /// For wall and cpu: the time of a file. Without this, each run's time is given as a multiple of that of its own
    /// baseline, because machines drift by tens of per cent from run to run; a baseline that itself changed then moves
    /// every other row the other way
    #[arg(long)]
    absolute: bool,
    /// Only on this fixture
    #[arg(long, value_name = "FIXTURE")]
    on: Option<String>,
    /// A page, too: a picture a row, with the places marked where its level changed. A file that is no such page is not
    /// replaced
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// Shows histories.
pub fn history(arguments: &HistoryArgs) -> Result<Said> {
    let asked = asked(arguments)?;
    let (runs, unreadable) = read();
    let known = runs.iter().flat_map(|run| &run.header.plan);
    let mut known = known.filter(|plan| asked.workload.as_ref().is_none_or(|name| *name == plan.workload));
    let measured =
        known.any(|plan| asked.row.as_ref().is_none_or(|row| plan.variants.iter().any(|variant| variant.name == *row)));
    if !measured {
        refuse_what_is_no_row(&asked)?;
    }
    if let Metric::Counted(name) = &asked.metric {
        let counted = counted_names(&runs);
        if !runs.is_empty() && !counted.contains(name) {
            let names = counted.into_iter().collect::<Vec<_>>().join(", ");
            let mend = if names.is_empty() {
                "assay doctor says what is missing".to_owned()
            } else {
                format!("counted were: wall, cpu, {names}")
            };
            return Err(Refusal::data(format!("no run counted {name:?}"), mend));
        }
    }
    if let Some(baseline) = is_baseline(&runs, &asked) {
        return Err(Refusal::usage(
            format!("{baseline} is the baseline: against itself it is 1 in every run"),
            "--absolute shows its time",
        ));
    }
    let found = histories(&runs, &asked);
    let told: Vec<&History> = found.iter().filter(|one| one.course.is_some()).collect();
    let drawn = if arguments.page.is_some() { page::drawn(found.clone()) } else { Vec::new() };
    if told.is_empty() && drawn.is_empty() {
        return Err(too_few(arguments, &found));
    }
    let mut text = if told.is_empty() {
        String::new()
    } else if asked.row.is_some() {
        let each: Vec<String> = told.iter().map(|one| shown::render(one, &asked.metric, width())).collect();
        each.join("\n")
    } else {
        shown::overview(&found, &asked.metric, width()) + "\nassay history WORKLOAD/ROW shows each run of one.\n"
    };
    if let Some(path) = &arguments.page {
        let command = command(arguments, path);
        let making = page::Making { metric: &asked.metric, command: &command, index: None, file: None };
        write(path, &page::page(&drawn, &making))?;
        text += &format!("{}\n{}  one file, no network\n", page::sentence(&drawn), path.display());
    }
    let document = json!({
        "page": arguments.page,
        "metric": arguments.metric,
        "absolute": arguments.absolute || !asked.metric.is_ratio(),
        "histories": told,
        "short": found.len() - told.len(),
        "unreadable": unreadable,
    });
    Ok(Said::fine("assay.history/1", text, document))
}

/// The command that makes the page again; a page holds no path of the machine that made it.
fn command(arguments: &HistoryArgs, path: &Path) -> String {
    let mut words = vec!["assay history".to_owned()];
    words.extend(arguments.row.as_deref().map(quoted));
    words.extend((arguments.metric != "wall").then(|| format!("--metric {}", quoted(&arguments.metric))));
    words.extend(arguments.absolute.then(|| "--absolute".to_owned()));
    words.extend(arguments.on.as_deref().map(|on| format!("--on {}", quoted(on))));
    words.push(format!("--page {}", quoted(&path.file_name().unwrap_or_default().to_string_lossy())));
    words.join(" ")
}

/// Writes the page. What lies there already is replaced only if it is such a page.
fn write(path: &Path, text: &str) -> Result<()> {
    let head = text.split_once("<style>").map_or(text, |(head, _)| head);
    let is_page = |there: &str| there.split_once("<style>").is_some_and(|(there, _)| title_of(there) == title_of(head));
    if path.symlink_metadata().is_ok() && !std::fs::read_to_string(path).is_ok_and(|there| is_page(&there)) {
        let what = format!("{} is there already, and is no page of these histories", path.display());
        return Err(Refusal::usage(what, "move it away, or name another file with --page FILE"));
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// What stands between the marks of a title.
fn title_of(head: &str) -> Option<&str> {
    head.split_once("<title>")?.1.split_once("</title>").map(|(title, _)| title)
}

fn asked(arguments: &HistoryArgs) -> Result<Asked> {
    let against = if arguments.absolute { Against::Nothing } else { Against::Baseline };
    let metric = Metric::named(&arguments.metric, against);
    if arguments.absolute && matches!(metric, Metric::Counted(_)) {
        let what = format!("--absolute is for times; {} are always those of a run", arguments.metric);
        return Err(Refusal::usage(what, "leave it away, or ask for --metric wall or cpu"));
    }
    let (workload, row) = match &arguments.row {
        None => (None, None),
        Some(name) => match name.split_once('/') {
            None => (Some(name.clone()), None),
            Some((workload, row)) => (Some(workload.to_owned()), Some(row.to_owned())),
        },
    };
    Ok(Asked { workload, row, fixture: arguments.on.clone(), metric })
}

/// The runs that can be read. Those that cannot are named, and do not stop the others.
pub(crate) fn read() -> (Vec<Run>, Vec<Value>) {
    let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
    for path in record_files() {
        match record::read(&path) {
            Ok(run) => runs.push(run),
            Err(error) => {
                say(&format!("left out: {error}"));
                unreadable.push(json!({"record": path, "why": error.to_string()}));
            }
        }
    }
    (runs, unreadable)
}

/// Rows come and go, and old runs know some that the catalogue does not; what neither knows is misspelt.
fn refuse_what_is_no_row(asked: &Asked) -> Result<()> {
    if let Some(name) = &asked.workload {
        let workload = workload(name)?;
        if let Some(row) = &asked.row {
            variant_of(workload, row)?;
        }
    }
    Ok(())
}

/// The row that is asked for, if it is the baseline wherever it was measured, and its time against that is asked for.
fn is_baseline(runs: &[Run], asked: &Asked) -> Option<String> {
    let (workload, row) = (asked.workload.as_ref()?, asked.row.as_ref()?);
    let mut plans = runs.iter().flat_map(|run| &run.header.plan).filter(|plan| plan.workload == *workload).peekable();
    plans.peek()?;
    let first = |plan: &record::Plan| plan.variants.first().is_some_and(|first| first.name == *row);
    (asked.metric.is_ratio() && plans.all(first)).then(|| format!("{workload}/{row}"))
}

/// Why there is nothing to show.
fn too_few(arguments: &HistoryArgs, found: &[History]) -> anyhow::Error {
    let what = arguments.row.as_deref().unwrap_or("any row");
    let on = arguments.on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
    let (count, longest) =
        found.iter().map(|one| (one.points.len(), Some(one))).max_by_key(|(count, _)| *count).unwrap_or((0, None));
    let named = longest.map_or(format!("{what}{on}"), |one| format!("{} on {}", one.name(), one.fixture));
    let mut told = format!("too few runs: of {named}, {count} can be compared, and {FEWEST} are needed");
    for (why, count) in longest.iter().flat_map(|one| &one.left_out) {
        told += &format!("\n  left out  {count}: {why}");
    }
    let run = arguments.row.clone().or_else(|| Some(longest?.workload.clone()));
    let fixture = arguments.on.clone().or_else(|| Some(longest?.fixture.clone()));
    let run = run.map_or(String::new(), |row| format!(" {row}"));
    let fixture = fixture.map_or(String::new(), |fixture| format!(" --on {fixture}"));
    Refusal::data(told, format!("assay run{run}{fixture} adds one"))
}
