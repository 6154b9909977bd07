//! What came of a campaign: a line for each row and trial, as a table, as data, and back from data.

use super::{Found, Trial};
use crate::cli::{Said, width};
use crate::refusal::Exit;
use crate::signals;
use reports::table::{Align, Table, printable};
use serde_json::{Value, json};
use technique::Absent;

/// A row that was tried in one way, or why it was not.
pub(crate) struct Line {
    pub(crate) row: String,
    pub(crate) trial: Trial,
    pub(crate) claimed: bool,
    pub(crate) found: Result<Found, Absent>,
}

impl Line {
    fn is_broken(&self) -> bool {
        self.claimed && self.found.as_ref().is_ok_and(|found| found.broken > 0)
    }

    fn verdict(&self) -> &'static str {
        match &self.found {
            Err(_) => "absent",
            Ok(found) => match (self.claimed, found.broken > 0) {
                (true, false) => "kept",
                (true, true) => "BROKEN",
                (false, false) => "not claimed, not seen broken",
                (false, true) => "not claimed, broken",
            },
        }
    }

    fn told(&self) -> String {
        match &self.found {
            Err(absent) => absent.to_string(),
            Ok(found) => {
                let wrong = found.wrong.first().map_or(String::new(), |first| format!(": {first}"));
                let note = if found.note.is_empty() { String::new() } else { format!("; {}", found.note) };
                let broken = if found.broken > 0 { format!("{} broken{wrong}", found.broken) } else { String::new() };
                format!("{broken}{note}").trim_start_matches("; ").to_owned()
            }
        }
    }

    /// The line as data.
    pub(crate) fn json(&self) -> Value {
        let mut told = json!({"row": self.row, "trial": self.trial.name(), "claimed": self.claimed});
        match &self.found {
            Err(Absent { why, mend }) => told["absent"] = json!({"why": why, "mend": mend}),
            Ok(Found { tried, broken, wrong, note }) => {
                told["tried"] = (*tried).into();
                told["broken"] = (*broken).into();
                told["wrong"] = json!(wrong);
                told["note"] = note.as_str().into();
            }
        }
        told
    }

    /// The line that data hold; none where they hold none.
    pub(crate) fn of_json(told: &Value) -> Option<Line> {
        let text = |told: &Value, name: &str| Some(told.get(name)?.as_str()?.to_owned());
        let number = |name: &str| u32::try_from(told.get(name)?.as_u64()?).ok();
        let found = match told.get("absent") {
            Some(absent) => Err(Absent { why: text(absent, "why")?, mend: text(absent, "mend")? }),
            None => Ok(Found {
                tried: number("tried")?,
                broken: number("broken")?,
                wrong: serde_json::from_value(told.get("wrong")?.clone()).ok()?,
                note: text(told, "note")?,
            }),
        };
        let trial = Trial::named(told.get("trial")?.as_str()?)?;
        Some(Line { row: text(told, "row")?, trial, claimed: told.get("claimed")?.as_bool()?, found })
    }
}

/// What came of all; so many trials were not begun.
pub(crate) fn said(lines: &[Line], seed: u64, left: usize) -> Said {
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("TRIAL", Align::Left),
        ("TRIED", Align::Right),
        ("VERDICT", Align::Left),
        ("WHAT HAPPENED", Align::Left),
    ]);
    for line in lines {
        let tried = line.found.as_ref().map_or("-".to_owned(), |found| found.tried.to_string());
        let told = printable(&line.told());
        table.row([line.row.clone(), line.trial.name().to_owned(), tried, line.verdict().to_owned(), told]);
    }
    let broken = lines.iter().filter(|line| line.is_broken()).count();
    let tried: u32 = lines.iter().filter_map(|line| line.found.as_ref().ok()).map(|found| found.tried).sum();
    let absent = lines.iter().filter(|line| line.found.is_err()).count();
    let open = if left > 0 { format!(", {left} trials of a row not begun") } else { String::new() };
    let summed =
        format!("{tried} trials, seed {seed}: {broken} claims broken, {absent} could not be tried here{open}\n");
    let stopped = signals::asked_to_stop();
    let exit = match broken {
        1.. => Exit::Differ,
        0 if stopped => Exit::Interrupted,
        0 if left > 0 => Exit::Open,
        0 => Exit::Fine,
    };
    let document = json!({"seed": seed, "broken": broken, "not_begun": left, "trials": lines.iter().map(Line::json).collect::<Vec<_>>()});
    Said { text: format!("{}\n{summed}", table.render(width())), json: document, schema: "assay.promises/1", exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_from_its_data() {
        let found =
            Found { tried: 200, broken: 1, wrong: vec!["torn".to_owned()], note: "180 died at work".to_owned() };
        let absent = Absent { why: "no root".to_owned(), mend: "run as root".to_owned() };
        for found in [Ok(found), Err(absent)] {
            let line = Line { row: "restore/gzip on ext4".to_owned(), trial: Trial::ReadOnly, claimed: true, found };
            assert_eq!(Line::of_json(&line.json()).unwrap().json(), line.json());
        }
        let known =
            json!({"row": "a/b", "trial": "kept", "claimed": true, "tried": 1, "broken": 0, "wrong": [], "note": ""});
        assert!(Line::of_json(&known).is_some());
        for missing in ["row", "trial", "claimed", "tried", "wrong"] {
            let mut less = known.clone();
            less.as_object_mut().unwrap().remove(missing);
            assert!(Line::of_json(&less).is_none(), "{missing}");
        }
    }
}
