//! What a near-exact gate holds: instructions, as `just bench-instructions` counted them under valgrind.

use super::exact::{Measured, rows};
use super::{GateArgs, Judged, bless, depends, files, judged, without_baseline};
use crate::home;
use crate::refusal::Refusal;
use anyhow::Result;
use files::File;
use reports::gate::{Kind, check};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rows whose instructions the gates of this checkout hold: to hold them, no others need be counted.
pub fn held() -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for file in files::find(None, &[])?.iter().filter(|file| file.gate.kind == Kind::NearExact) {
        held.append(&mut rows_of(file)?);
    }
    Ok(held)
}

fn rows_of(file: &File) -> Result<BTreeSet<String>> {
    let rows = rows(&file.gate).map_err(|error| files::wrong(&file.path, &error))?;
    Ok(rows.iter().map(|(workload, variant)| format!("{}/{}", workload.name, variant.name)).collect())
}

/// Holds instructions against the baseline.
pub fn nearly(file: &File, arguments: &GateArgs) -> Result<Judged> {
    let wanted = rows_of(file)?;
    let path = arguments.instructions.clone().unwrap_or_else(|| home::home().join("instructions.json"));
    let (counted, by) = read(&path)?;
    let mut measured = Measured::default();
    for (row, instructions) in counted.into_iter().filter(|(row, _)| wanted.contains(row)) {
        measured.values.insert(row, [("instructions".to_owned(), instructions)].into());
    }
    if measured.values.is_empty() {
        return Err(Refusal::data(format!("{} counts no row of this gate", path.display()), "just bench-instructions"));
    }
    let mut depends = depends::depends()?;
    depends.insert("counted by".to_owned(), by);
    if arguments.bless {
        let again = measured.clone();
        return bless(file, &measured, depends, || Ok(again.clone()));
    }
    match files::baseline(file, &depends)? {
        Ok(baseline) => {
            let findings = check(&file.gate, &baseline, &measured.values, &[]);
            Ok(judged(file, &measured, &baseline, findings))
        }
        Err(why) => Ok(without_baseline(file, why)),
    }
}

fn read(path: &Path) -> Result<(BTreeMap<String, u64>, String)> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Refusal::data(format!("instructions were not counted: {}: {error}", path.display()), "just bench-instructions")
    })?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Refusal::data(format!("{} is damaged: {error}", path.display()), "just bench-instructions"))?;
    let mut counted = BTreeMap::new();
    // Rows whose counts are chance stand apart in the file, each with the reason.
    for (workload, rows) in value["steady"].as_object().into_iter().flatten() {
        for (row, count) in rows.as_object().into_iter().flatten() {
            if let Some(count) = count.as_u64() {
                counted.insert(format!("{workload}/{row}"), count);
            }
        }
    }
    Ok((counted, value["by"].as_str().unwrap_or("unknown").to_owned()))
}
