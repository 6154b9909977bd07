//! Two runs that were measured apart, as text.

use super::{labelled, number};
use crate::apart::Differences;
use crate::record::Run;
use crate::table::{Align, Table, clip};

/// What differs between them.
pub fn render(a: &Run, b: &Run, differences: &Differences, width: usize) -> String {
    let mut text = clip(&format!("{} -> {}", a.header.id, b.header.id), width) + "\n\n";
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("A ms", Align::Right),
        ("B ms", Align::Right),
        ("B TAKES", Align::Right),
        ("COUNTS THAT DIFFER", Align::Left),
    ]);
    for row in &differences.rows {
        let counts = match &row.counts {
            None => "not counted".to_owned(),
            Some(counts) if counts.is_empty() => "none".to_owned(),
            Some(counts) => super::comparison::counts(counts, 3),
        };
        let [a, b] = row.wall_ns;
        table.row([row.name.clone(), number(a / 1e6), number(b / 1e6), format!("{:.2}x", b / a), counts]);
    }
    text += &table.render(width);
    if differences.rows.is_empty() {
        text += &labelled("rows", "no row was measured in both on the same fixture and condition", width);
    }
    for (field, [a, b]) in &differences.machine {
        text += &labelled("machine", &format!("{field}: {a} -> {b}"), width);
    }
    text += &labelled(
        "verdict",
        "none on times: these runs were measured apart, and a machine moves by tens of per cent from minute to minute. \
         `assay compare --base REV` measures two builds side by side.",
        width,
    );
    text
}
