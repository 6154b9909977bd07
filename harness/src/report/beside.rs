//! The page of machine beside machine, where what is shown is of more than one.

use super::{Files, Picked, pretty, raw_file};
use anyhow::Result;
use reports::claims::Ledger;
use reports::fleet::everywhere::everywhere;
use reports::page::machines;
use reports::record::Run;

/// The page of machine beside machine.
pub(super) const MACHINES: &str = "machines.html";

/// Adds the page of all machines that are shown, where they are more than one; gives back what it says in a line.
pub(super) fn machines(
    picked: &[Picked],
    ledgers: &[Ledger],
    command: &str,
    files: &mut Files,
) -> Result<Option<String>> {
    let mut runs: Vec<Run> = picked.iter().map(|one| one.run.clone()).collect();
    runs.sort_by(|a, b| (&a.header.started, &a.header.id).cmp(&(&b.header.started, &b.header.id)));
    let Some(all) = everywhere(&runs, ledgers) else { return Ok(None) };
    let path = "data/machines.json";
    let json = pretty(&serde_json::to_value(&all)?)?;
    let file = raw_file(path, &json);
    let making = machines::Making { command, index: Some("index.html"), file: Some(&file) };
    files.insert(MACHINES.to_owned(), machines::page(&all, &making).into_bytes());
    files.insert(path.to_owned(), json);
    Ok(Some(machines::sentence(&all)))
}
