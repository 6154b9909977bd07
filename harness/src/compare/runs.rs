//! Two runs that were measured apart. Their counts can be held against each other; their times cannot: a machine moves
//! by tens of per cent from minute to minute.

use crate::cli::{Said, width};
use crate::home;
use crate::refusal::Refusal;
use anyhow::Result;
use reports::record;
use reports::terminal::apart;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The record of a run of that name, or that file.
pub fn named(name: &str) -> Option<PathBuf> {
    let file = Path::new(name);
    let run = home::runs().join(name).join("record.jsonl");
    if file.is_file() { Some(file.to_owned()) } else { run.is_file().then_some(run) }
}

/// Compares what can be compared.
pub fn compare(a: &Path, b: &Path) -> Result<Said> {
    let read = |path: &Path| {
        record::read(path).map_err(|error| Refusal::data(error.to_string(), "name a run that `assay show` can print"))
    };
    let (a, b) = (read(a)?, read(b)?);
    let differences = reports::apart::of(&a, &b);
    let text = apart::render(&a, &b, &differences, width());
    let document =
        json!({"a": a.header.id, "b": b.header.id, "rows": differences.rows, "machine": differences.machine});
    Ok(Said::fine("assay.apart/1", text, document))
}
