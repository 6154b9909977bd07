//! What came out: the right thing, of every row, as it was promised.

use crate::review::look::{Look, given_up};
use crate::review::words::list;
use crate::review::{Check, Grade};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that came out otherwise, or those that crashed and hung.
fn failed<'a>(look: &'a Look, differs: bool) -> Vec<&'a str> {
    let failed = look.run.failed.iter().filter(|failed| failed.plan == look.at && (failed.how == "differs") == differs);
    failed.map(|failed| failed.variant.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

pub(super) fn outcomes(look: &Look) -> Check {
    const NAME: &str = "outcomes";
    let differing = failed(look, true);
    if differing.is_empty() {
        let told = "Every sample left behind what it should, held against the source.";
        return Check::new(NAME, Grade::Pass, told);
    }
    let told = format!("{} left something else than it should, and has no number.", list(&differing));
    Check::new(NAME, Grade::Fail, told)
}

pub(super) fn crashes(look: &Look) -> Check {
    const NAME: &str = "crashes";
    let crashed = failed(look, false);
    if crashed.is_empty() {
        return Check::new(NAME, Grade::Pass, "No sample crashed or hung.");
    }
    Check::new(NAME, Grade::Fail, format!("{} crashed or hung, and has no number.", list(&crashed)))
}

/// Of many rows that give up the same, so many are told of by name, the fastest.
const NAMED: usize = 4;

pub(super) fn promises(look: &Look, now: Option<&str>) -> Check {
    const NAME: &str = "promises";
    let Some(baseline) = look.baseline() else {
        return Check::new(NAME, Grade::Absent, "The baseline has no number.");
    };
    let less: Vec<(&str, Vec<String>)> = look
        .summary
        .rows
        .iter()
        .filter(|row| row.rank > 0)
        .map(|row| (row.name.as_str(), given_up(baseline, row)))
        .filter(|(_, lost)| !lost.is_empty())
        .collect();
    if less.is_empty() {
        return Check::new(NAME, Grade::Pass, format!("Every row promises what {} does.", baseline.name));
    }
    let of_now = less.iter().find(|(name, _)| Some(*name) == now);
    let of_now = of_now.map_or(String::new(), |(name, lost)| format!("{name} gives up {}. ", list(lost)));
    let mut by_loss: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    for (name, lost) in &less {
        by_loss.entry(lost).or_default().push(name);
    }
    let mut unnamed: Vec<(String, f64)> = Vec::new();
    let mut each: Vec<String> = Vec::new();
    for (lost, names) in &by_loss {
        let mut named: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if named.len() > NAMED {
            let more = named.len() + 1 - NAMED;
            named.truncate(NAMED - 1);
            named.push(format!("{more} more"));
            unnamed.push((format!("more that give up {}", list(lost)), more as f64));
        }
        each.push(format!("{} {} up {}", list(&named), if names.len() == 1 { "gives" } else { "give" }, list(lost)));
    }
    let number = if less.len() == 1 { "One row promises".to_owned() } else { format!("{} rows promise", less.len()) };
    let told = format!("{of_now}{number} less than {}: {}.", baseline.name, each.join("; "));
    let check = Check::new(NAME, Grade::Note, told).with("rows that promise less", less.len() as f64);
    unnamed.iter().fold(check, |check, (what, number)| check.with(what, *number))
}

pub(super) fn rows(look: &Look) -> Check {
    const NAME: &str = "rows";
    let failed: Vec<&str> = [failed(look, true), failed(look, false)].concat();
    let absent: Vec<String> = look
        .summary
        .without
        .iter()
        .filter(|without| !failed.contains(&without.name.as_str()))
        .map(|without| format!("{} ({})", without.name, without.why))
        .collect();
    if absent.is_empty() {
        return Check::new(NAME, Grade::Pass, "Every other row that was asked for has a number.");
    }
    Check::new(NAME, Grade::Note, format!("Without a number: {}.", list(&absent)))
}
