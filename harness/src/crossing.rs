//! `assay crossing`: by size of object, where one row begins to be faster than another, over the records of this home.

use crate::catalogue::{variant_of, workload};
use crate::cli::{Said, width};
use crate::history;
use crate::refusal::Refusal;
use anyhow::Result;
use clap::Args;
use reports::crossing::duels;
use reports::terminal::crossing::render;
use serde_json::json;

/// What `crossing` takes.
#[derive(Args)]
pub struct CrossingArgs {
    /// The rows that are held against each other, as WORKLOAD/ROW: two or more of one workload
    #[arg(required = true, num_args = 2..)]
    rows: Vec<String>,
}

/// Shows where rows cross.
pub fn crossing(arguments: &CrossingArgs) -> Result<Said> {
    let (of, rows) = rows(&arguments.rows)?;
    let (runs, _) = history::read();
    let found = duels(&runs, &of, &rows);
    if found.is_empty() {
        let what = format!("no run has two of {} on a fixture of one file", rows.join(", "));
        return Err(Refusal::data(what, "just sweep measures them over sizes"));
    }
    let text: Vec<String> = found.iter().map(|duel| render(duel, width())).collect();
    Ok(Said::fine("assay.crossing/1", text.join("\n"), json!({"duels": found})))
}

/// The workload, and the names of its rows.
fn rows(words: &[String]) -> Result<(String, Vec<String>)> {
    let mut of = None;
    let mut rows = Vec::new();
    for word in words {
        let Some((name, row)) = word.split_once('/') else {
            return Err(Refusal::usage(format!("{word:?} is no row"), "write WORKLOAD/ROW"));
        };
        let row = variant_of(workload(name)?, row)?.name;
        if *of.get_or_insert(name) != name {
            return Err(Refusal::usage(format!("{word} is of another workload"), "name rows of one workload"));
        }
        if rows.iter().any(|other| other == row) {
            return Err(Refusal::usage(format!("{word} is named twice"), "name it once"));
        }
        rows.push(row.to_owned());
    }
    Ok((of.unwrap_or_default().to_owned(), rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> Result<(String, Vec<String>), String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        rows(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_of_one_workload() {
        let two = ["put-in-memory".to_owned(), "put-stripes".to_owned()];
        assert_eq!(told(&["erasure/put-in-memory", "erasure/put-stripes"]).unwrap(), ("erasure".into(), two.to_vec()));
        assert!(told(&["erasure/put-in-memory", "walk/best"]).unwrap_err().contains("another workload"));
        assert!(told(&["erasure/cp", "erasure/cp"]).unwrap_err().contains("twice"));
        assert!(told(&["erasure", "erasure/cp"]).unwrap_err().contains("no row"));
        assert!(told(&["erasure/none", "erasure/cp"]).unwrap_err().contains("no row of erasure named"));
    }
}
