//! A session of comparisons, as text.

use super::{labelled, number};
use crate::comparison::{Bounds, Judged, Judgement, Session};
use crate::table::{Align, Table, clip, printable};
use std::collections::BTreeMap;

/// Counts that differ, the first few: `calls.read 5 -> 6 (+1)`.
pub fn counts(counts: &BTreeMap<String, [u64; 2]>, shown: usize) -> String {
    let mut each: Vec<String> = counts
        .iter()
        .take(shown)
        .map(|(name, [a, b])| {
            let sign = if b > a { "+" } else { "-" };
            format!("{name} {a} -> {b} ({sign}{})", a.abs_diff(*b))
        })
        .collect();
    if counts.len() > shown {
        each.push(format!("and {} more", counts.len() - shown));
    }
    each.join(", ")
}

/// What a session says.
pub fn render(session: &Session, judgement: &Judgement, width: usize) -> String {
    let [a, b] = &judgement.sides;
    let mut text = clip(&printable(&format!("A {a}   B {b}")), width) + "\n\n";
    text += &table(judgement, session.header.chance).render(width);
    text.push('\n');
    let alone = judgement.entries.len() == 1;
    for judged in &judgement.entries {
        text += &details(judged, alone, width);
    }
    text += &labelled("control", &control(judgement), width);
    match session.end.as_deref() {
        None => text += &labelled("note", "the session was killed; all pairs up to then are here", width),
        Some("interrupted") => text += &labelled("note", "stopped; all pairs up to then are here", width),
        Some("budget") => {
            text += &labelled("note", "the budget ended some comparisons before they were decided", width);
        }
        Some(_) => {}
    }
    text
}

fn table(judgement: &Judgement, chance: f64) -> Table {
    let sure = format!("{:.1} %", (1.0 - chance) * 100.0);
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("B TAKES", Align::Right),
        (&sure, Align::Left),
        ("CPU", Align::Right),
        ("PAIRS", Align::Right),
        ("VERDICT ON B", Align::Left),
        ("COUNTS", Align::Right),
    ]);
    for judged in &judgement.entries {
        let ratio = |bounds: &Option<Bounds>| bounds.map_or("-".to_owned(), |one| format!("{:.3}x", one.mid));
        let range = judged.takes.map_or(String::new(), |one| format!("{:.3}-{:.3}", one.low, one.high));
        let differ = if judged.counts.is_empty() { "-".to_owned() } else { judged.counts.len().to_string() };
        table.row([
            judged.name.clone(),
            ratio(&judged.takes),
            range,
            ratio(&judged.cpu_takes),
            judged.pairs.to_string(),
            verdict(judged),
            differ,
        ]);
    }
    table
}

fn verdict(judged: &Judged) -> String {
    match judged.more {
        Some(more) => format!("{}: about {more} more pairs", judged.verdict),
        None if judged.verdict == "no practical change" => {
            format!("{} beyond {:.1} %", judged.verdict, judged.band * 100.0)
        }
        None => judged.verdict.clone(),
    }
}

/// What a reader wants to know of an entry that changed, or of the only one.
fn details(judged: &Judged, alone: bool, width: usize) -> String {
    const PHASES: usize = 5;
    let changed = ["slower", "faster"].contains(&judged.verdict.as_str());
    let [lost, gained] = &judged.promises;
    let mut text = String::new();
    let of = |what: String| if alone { what } else { format!("{}: {what}", judged.name) };
    if (changed || alone) && !judged.phases.is_empty() {
        let each: Vec<String> = judged
            .phases
            .iter()
            .take(PHASES)
            .map(|(name, [a, b])| format!("{name} {} -> {}", number(a / 1e3), number(b / 1e3)))
            .collect();
        text += &labelled("phases", &of(format!("{} µs of one run", each.join(", "))), width);
    }
    if !judged.counts.is_empty() {
        text += &labelled("counts", &of(counts(&judged.counts, 12)), width);
    }
    if !lost.is_empty() || !gained.is_empty() {
        let each = lost.iter().map(|one| format!("lost {one}")).chain(gained.iter().map(|one| format!("gained {one}")));
        text += &labelled("promises", &of(each.collect::<Vec<_>>().join(", ")), width);
    }
    for trust in judged.trust.iter().filter(|_| changed || alone) {
        text += &labelled("trust", &of(trust.clone()), width);
    }
    text
}

fn control(judgement: &Judgement) -> String {
    let pairs = judgement.control_pairs;
    match judgement.floor {
        None => format!("A against A: {pairs} pairs, too few to tell"),
        Some(floor) if judgement.void => format!(
            "A against A looks different ({pairs} pairs, ±{:.2} %): this session is void. Measure again; twice void is \
             no chance, but something that favours a side",
            floor * 100.0
        ),
        Some(floor) => {
            format!("A against A shows no difference, within ±{:.2} % ({pairs} pairs): the noise floor", floor * 100.0)
        }
    }
}
