//! `assay list` and `assay show`: what can be asked, and what was answered.

use crate::cli::{Said, width};
use crate::compare;
use crate::refusal::Refusal;
use crate::{catalogue, home};
use anyhow::Result;
use reports::document::{self, Document};
use reports::record::{self, Run, Unreadable};
use reports::table::{Align, Table};
use serde_json::json;
use std::path::{Path, PathBuf};

/// All workloads, or the rows of one.
pub fn list(name: Option<&str>) -> Result<Said> {
    match name {
        None => Ok(workloads()),
        Some(name) => rows(name),
    }
}

fn workloads() -> Said {
    let runs = runs();
    let mut table = Table::new(&[
        ("WORKLOAD", Align::Left),
        ("ROWS", Align::Right),
        ("LAST RUN", Align::Left),
        ("ROUNDS", Align::Right),
        ("WHAT IT ASKS", Align::Left),
    ]);
    let mut documents = Vec::new();
    for workload in catalogue::WORKLOADS {
        let last = runs.iter().rev().find_map(|run| {
            let at = run.header.plan.iter().position(|plan| plan.workload == workload.name)?;
            let rounds = run.samples.iter().filter(|sample| sample.plan == at).map(|sample| sample.round + 1).max();
            Some((run.header.started.get(..16).unwrap_or("?").replace('T', " "), rounds.unwrap_or(0)))
        });
        let (when, rounds) =
            last.clone().map_or(("never".to_owned(), "-".to_owned()), |(when, n)| (when, n.to_string()));
        let count = workload.variants.len();
        table.row([workload.name.into(), count.to_string(), when, rounds, workload.question.into()]);
        documents.push(json!({
            "name": workload.name,
            "question": workload.question,
            "rows": workload.variants.iter().map(|variant| variant.name).collect::<Vec<_>>(),
            "fixtures": workload.fixtures,
            "last_run": last.map(|(when, rounds)| json!({"started": when, "rounds": rounds})),
        }));
    }
    let hint = "\nassay list WORKLOAD shows its rows.  assay run WORKLOAD measures it.\n";
    Said::fine("assay.list/1", table.render(width()) + hint, json!({"workloads": documents}))
}

fn rows(name: &str) -> Result<Said> {
    let workload = catalogue::workload(name)?;
    let mut table = Table::new(&[("ROW", Align::Left), ("PROMISES", Align::Left), ("WHAT IT DOES", Align::Left)]);
    let mut documents = Vec::new();
    for variant in workload.variants {
        let promises = variant.technique.promises();
        let what = if variant.aside { format!("(aside) {}", variant.what) } else { variant.what.to_owned() };
        table.row([variant.name.into(), promises.to_string(), what]);
        documents.push(json!({
            "name": variant.name,
            "what": variant.what,
            "aside": variant.aside,
            "promises": promises.iter().map(technique::Promise::name).collect::<Vec<_>>(),
        }));
    }
    let asides = workload.variants.iter().filter(|variant| variant.aside).count();
    let hint = match asides {
        0 => String::new(),
        _ => format!("  Rows that stand aside run where they are named, or with --all: {asides} of them."),
    };
    let text = format!(
        "{}\nfixtures {}\n\n{}\nassay explain {name}/ROW shows one.{hint}\n",
        workload.question,
        workload.fixtures.join(", "),
        table.render(width())
    );
    Ok(Said::fine("assay.rows/1", text, json!({"workload": name, "question": workload.question, "rows": documents})))
}

/// The table of a run: the last, one by name, or a record file.
pub fn show(run: Option<&str>) -> Result<Said> {
    if let Some(session) = run.and_then(compare::session::named) {
        return compare::show(&session);
    }
    let path = find(run)?;
    let run = read(&path)?;
    let text = format!(
        "{}\nrecord   {}\nnext     assay explain {}   assay show\n",
        reports::terminal::render(&run, width()),
        path.display(),
        run.header.plan.first().map_or("WORKLOAD/ROW".to_owned(), |plan| format!("{}/ROW", plan.workload)),
    );
    let mut document = serde_json::to_value(Document::of(&run))?;
    document["record"] = json!(path);
    Ok(Said::fine(document::SCHEMA, text, document))
}

/// The record file of a run: the last, one by name, or the file itself.
pub fn find(run: Option<&str>) -> Result<PathBuf> {
    match run {
        None => record_files().pop().ok_or_else(|| {
            Refusal::data("nothing was measured yet", "assay run restore --budget 40s measures something")
        }),
        Some(name) if Path::new(name).is_file() => Ok(PathBuf::from(name)),
        Some(name) => {
            let path = home::runs().join(name).join("record.jsonl");
            if path.is_file() {
                return Ok(path);
            }
            let what = format!("there is no run or record file named {name:?}");
            Err(Refusal::data(what, format!("runs lie in {}", home::runs().display())))
        }
    }
}

/// Reads a record file, or refuses.
pub fn read(path: &Path) -> Result<Run> {
    record::read(path).map_err(|error| unreadable(&error))
}

/// The same of what has been read from there already.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Run> {
    record::parse(path, bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &Unreadable) -> anyhow::Error {
    Refusal::data(error.to_string(), "assay show without a name prints the last run")
}

/// The record files of this home, the oldest first; their names are dates.
pub fn record_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home::runs()).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path().join("record.jsonl")).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The runs that can be read, the oldest first.
pub fn runs() -> Vec<Run> {
    record_files().iter().filter_map(|path| record::read(path).ok()).collect()
}
