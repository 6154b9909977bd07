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

const INSTRUCTIONS: &str = "instructions";

/// The rows whose instructions the gates of this checkout hold: to hold them, no others need be counted. What was no
/// measure when it was blessed, such as a row of several threads, is not among them.
pub fn held() -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for file in files::find(None, &[])?.iter().filter(|file| file.gate.kind == Kind::NearExact) {
        let unsteady = files::last(file).map(|baseline| baseline.unsteady).unwrap_or_default();
        held.extend(rows_of(file)?.into_iter().filter(|row| !unsteady.contains_key(row)));
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
    let counted = read(&path)?;
    let mut measured = Measured::default();
    for (row, instructions) in counted.steady.into_iter().filter(|(row, _)| wanted.contains(row)) {
        measured.values.insert(row, [(INSTRUCTIONS.to_owned(), instructions)].into());
    }
    if measured.values.is_empty() {
        return Err(Refusal::data(format!("{} counts no row of this gate", path.display()), "just bench-instructions"));
    }
    let mut depends = depends::depends()?;
    depends.insert("counted by".to_owned(), counted.by);
    if arguments.bless {
        // A count for the gate leaves out what was no measure before, and says nothing new of it.
        let before = files::last(file).map(|baseline| baseline.unsteady).unwrap_or_default();
        let unsteady = counted.unsteady.into_iter().chain(before.into_keys());
        measured.by_chance = unsteady
            .filter(|row| wanted.contains(row) && !measured.values.contains_key(row))
            .map(|row| (row, [INSTRUCTIONS.to_owned()].into()))
            .collect();
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

/// What the bench left.
#[derive(Default)]
struct Counted {
    /// What counted.
    by: String,
    /// Instructions by row.
    steady: BTreeMap<String, u64>,
    /// Rows whose counts are chance; the file has each with the reason.
    unsteady: BTreeSet<String>,
}

fn read(path: &Path) -> Result<Counted> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Refusal::data(format!("instructions were not counted: {}: {error}", path.display()), "just bench-instructions")
    })?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Refusal::data(format!("{} is damaged: {error}", path.display()), "just bench-instructions"))?;
    let rows = |of: &str| {
        let workloads = value[of].as_object().into_iter().flatten();
        let rows = |(workload, rows): (&String, &Value)| {
            let rows = rows.as_object().cloned().unwrap_or_default().into_iter();
            let workload = workload.clone();
            rows.map(move |(row, count)| (format!("{workload}/{row}"), count)).collect::<Vec<_>>()
        };
        workloads.flat_map(rows).collect::<Vec<_>>()
    };
    Ok(Counted {
        by: value["by"].as_str().unwrap_or("unknown").to_owned(),
        steady: rows("steady").into_iter().filter_map(|(row, count)| Some((row, count.as_u64()?))).collect(),
        unsteady: rows("unsteady").into_iter().map(|(row, _)| row).collect(),
    })
}
