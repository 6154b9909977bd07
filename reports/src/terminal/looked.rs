//! Where each row's time goes, and which calls it makes: what the passes saw that look into a run.

use super::{cell, number};
use crate::record::PhaseName;
use crate::summary::{PerFile, Row};
use crate::table::{Align, Table};
use std::collections::BTreeMap;

/// The phases as columns, in the order of the run: those that matter most in some row, the others gathered.
pub(super) fn breakdown(rows: &[Row], phases: &[PhaseName], width: usize) -> Option<Table> {
    const SHOWN: f64 = 0.015;
    const FIXED: usize = 45;
    const COLUMN: usize = 8;
    let looked: Vec<&Row> = rows.iter().filter(|row| !row.phases.is_empty()).collect();
    let mut names: Vec<&str> = Vec::new();
    let most = |phase: &str| {
        let share = |row: &&Row| of(row, phase) / row.us_per_file.mid;
        looked.iter().map(share).fold(0.0, f64::max)
    };
    for phase in phases.iter().map(|phase| phase.name.as_str()) {
        if phase != "rest" && most(phase) > SHOWN {
            names.push(phase);
        }
    }
    let mut largest = names.clone();
    largest.sort_by(|a, b| most(b).total_cmp(&most(a)));
    largest.truncate((width.saturating_sub(FIXED) / COLUMN).max(1));
    names.retain(|name| largest.contains(name));
    if looked.is_empty() {
        return None;
    }
    let mut heads = vec![("TECHNIQUE", Align::Left), ("µs/FILE", Align::Right)];
    heads.extend(names.iter().map(|name| (*name, Align::Right)));
    heads.extend([("others", Align::Right), ("rest", Align::Right)]);
    let mut table = Table::new(&heads);
    for row in looked {
        let shown: f64 = names.iter().map(|name| of(row, name)).sum();
        let rest = of(row, "rest");
        let mut cells = vec![row.name.clone(), number(row.us_per_file.mid)];
        cells.extend(names.iter().map(|name| cell(of(row, name))));
        cells.extend([cell(row.us_per_file.mid - shown - rest), cell(rest)]);
        table.row(cells);
    }
    Some(table)
}

fn of(row: &Row, phase: &str) -> f64 {
    row.phases.iter().filter(|(name, _)| name == phase).map(|(_, us)| us).sum()
}

/// System calls as columns: those that some row makes most, the others gathered.
pub(super) fn calls(rows: &[Row]) -> Option<Table> {
    const COLUMNS: usize = 7;
    let counted: Vec<(&Row, &PerFile)> = rows
        .iter()
        .filter_map(|row| Some((row, row.counts.as_ref()?)))
        .filter(|(_, counts)| counts.all_calls.is_some())
        .collect();
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, count) in counted.iter().filter_map(|(_, counts)| counts.calls.present()).flatten() {
        let most = most.entry(name).or_default();
        *most = most.max(*count);
    }
    let mut names: Vec<(&str, f64)> = most.into_iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    names.truncate(COLUMNS);
    if counted.is_empty() {
        return None;
    }
    let mut heads = vec![("TECHNIQUE", Align::Left), ("CALLS", Align::Right)];
    heads.extend(names.iter().map(|(name, _)| (*name, Align::Right)));
    heads.extend([
        ("others", Align::Right),
        ("BYTES IN", Align::Right),
        ("OUT", Align::Right),
        ("ALLOCS", Align::Right),
    ]);
    let mut table = Table::new(&heads);
    for (row, counts) in counted {
        let all = counts.all_calls.unwrap_or(0.0);
        let each: Vec<f64> = names.iter().map(|(name, _)| counts.call(name).unwrap_or(0.0)).collect();
        let shown: f64 = each.iter().sum();
        let mut cells = vec![row.name.clone(), number(all)];
        cells.extend(each.into_iter().map(cell));
        cells.push(cell(all - shown));
        let value = |name: &str| counts.value(name).map_or_else(|| "absent".to_owned(), cell);
        cells.extend(["bytes_read", "bytes_written", "allocations"].map(value));
        table.row(cells);
    }
    Some(table)
}

/// What could not be counted in any row, and why; and counts that came the slow way.
pub(super) fn uncounted(rows: &[Row]) -> Vec<String> {
    let counted: Vec<&PerFile> = rows.iter().filter_map(|row| row.counts.as_ref()).collect();
    let whys = crate::summary::uncounted(rows);
    let mut told: Vec<String> = whys
        .into_iter()
        .map(|(why, names)| format!("no {}: {why}", names.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    if counted.iter().any(|counts| counts.by.as_deref() == Some("ptrace")) {
        told.push("calls were counted by ptrace, for want of tracepoints: exact, but slow".to_owned());
    }
    told
}
