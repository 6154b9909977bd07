//! Gates, as text and as Markdown.

use super::labelled;
use crate::gate::Finding;
use crate::table::{Align, Table, clip};
use serde::Serialize;

/// How one gate ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Gate<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub what: &'a str,
    /// Whether it passed.
    pub passed: bool,
    /// The exit code that it asks for.
    pub exit: u8,
    /// One sentence.
    pub verdict: &'a str,
    /// What changed.
    pub findings: &'a [Finding],
    /// What else there is to know.
    pub notes: &'a [String],
    /// How many rows it held.
    pub rows: usize,
    /// How many metrics.
    pub metrics: usize,
}

impl Gate<'_> {
    fn word(&self) -> &'static str {
        if self.passed { "pass" } else { "FAIL" }
    }

    fn table(&self) -> Option<Table> {
        if self.findings.is_empty() {
            return None;
        }
        let mut table = Table::new(&[
            ("ROW", Align::Left),
            ("METRIC", Align::Left),
            ("WAS", Align::Right),
            ("IS", Align::Right),
            ("CHANGE", Align::Left),
            ("", Align::Left),
        ]);
        for one in self.findings {
            table.row(cells(one));
        }
        Some(table)
    }
}

fn cells(one: &Finding) -> [String; 6] {
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    [one.row.clone(), one.metric.clone(), number(one.was), number(one.is), one.change(), one.told()]
}

/// Every gate, for a terminal.
pub fn render(gates: &[Gate], width: usize) -> String {
    let mut text = String::new();
    for gate in gates {
        text += &(clip(&format!("{} {}: {}", gate.word(), gate.name, gate.what), width) + "\n");
        text += &labelled("held", &format!("{} metrics of {} rows", gate.metrics, gate.rows), width);
        if let Some(table) = gate.table() {
            text += &format!("\n{}\n", table.render(width));
        }
        for note in gate.notes {
            text += &labelled("note", note, width);
        }
        text += &labelled("verdict", gate.verdict, width);
        text.push('\n');
    }
    text
}

/// Every gate, for a pull request: the verdict, one table, the rest folded.
pub fn markdown(gates: &[Gate]) -> String {
    let failed: Vec<&str> = gates.iter().filter(|gate| !gate.passed).map(|gate| gate.name).collect();
    let mut text = if failed.is_empty() {
        format!("**All {} gates pass.**\n\n", gates.len())
    } else {
        format!("**{} of {} gates fail: {}.**\n\n", failed.len(), gates.len(), failed.join(", "))
    };
    text += "| gate | | held | verdict |\n|---|---|---|---|\n";
    for gate in gates {
        text += &format!("| {} | {} | {} | {} |\n", gate.name, gate.word(), gate.metrics, escaped(gate.verdict));
    }
    for gate in gates.iter().filter(|gate| !gate.findings.is_empty() || !gate.notes.is_empty()) {
        text += &format!("\n<details><summary>{}: {}</summary>\n\n", gate.name, escaped(gate.what));
        if !gate.findings.is_empty() {
            text += "| row | metric | was | is | change | |\n|---|---|---|---|---|---|\n";
            for one in gate.findings {
                text += &format!("| {} |\n", cells(one).map(|cell| escaped(&cell)).join(" | "));
            }
        }
        for note in gate.notes {
            text += &format!("- {}\n", escaped(note));
        }
        text += "\n</details>\n";
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_fails_says_which_row_and_metric_in_both_forms() {
        let findings = [Finding {
            row: "codecs/gzip-6".into(),
            metric: "calls.read".into(),
            was: Some(5),
            is: Some(6),
            fails: true,
            note: String::new(),
            phases: [("decode".to_owned(), 1), ("read".to_owned(), 5)].into(),
        }];
        let gate = Gate {
            name: "exact",
            what: "calls",
            passed: false,
            exit: 1,
            verdict: "1 metric changed",
            findings: &findings,
            notes: &[],
            rows: 1,
            metrics: 9,
        };
        let text = render(&[gate], 100);
        assert!(
            text.contains("FAIL exact") && text.contains("codecs/gzip-6  calls.read    5   6  +1 (+20.00 %)"),
            "{text}"
        );
        let page = markdown(&[gate]);
        assert!(page.starts_with("**1 of 1 gates fail: exact.**"), "{page}");
        assert!(
            page.contains("| codecs/gzip-6 | calls.read | 5 | 6 | +1 (+20.00 %) | fails; now 1 in decode, 5 in read |"),
            "{page}"
        );
    }
}
