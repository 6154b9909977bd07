//! Where two goods compete: what a row must be given to be as fast as it is.

use super::Trade;
use super::look::{Look, given_up};
use crate::summary::Row;

/// Time against peak memory, against system calls, and against promises, each where rows differ in it.
pub(super) fn of(look: &Look) -> Vec<Trade> {
    let counted =
        |name: &'static str, scale: f64| move |row: &Row| Some(look.counts(&row.name)?.number(name)? as f64 / scale);
    let calls = |row: &Row| row.counts.as_ref()?.all_calls;
    let lost = |row: &Row| Some(given_up(look.baseline()?, row).len() as f64);
    [
        trade(look, "peak memory, MiB", &counted("peak_bytes", f64::from(1 << 20))),
        trade(look, "system calls a file", &calls),
        trade(look, "promises given up", &lost),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// None where fewer than two rows have it, or all have as much.
fn trade(look: &Look, across: &str, of: &dyn Fn(&Row) -> Option<f64>) -> Option<Trade> {
    let techniques = look.summary.rows.iter().filter(|row| row.rank > 0);
    let rows: Vec<(&str, f64, f64)> =
        techniques.filter_map(|row| Some((row.name.as_str(), of(row)?, row.us_per_file.mid))).collect();
    let first = rows.first()?.1;
    if rows.iter().all(|(_, value, _)| value.total_cmp(&first).is_eq()) {
        return None;
    }
    let beats = |one: &(&str, f64, f64), other: &(&str, f64, f64)| {
        one.1 <= other.1 && one.2 <= other.2 && (one.1 < other.1 || one.2 < other.2)
    };
    let stands = |row: &(&str, f64, f64)| !rows.iter().any(|other| beats(other, row));
    Some(Trade {
        across: across.to_owned(),
        up: "µs a file".to_owned(),
        rows: rows.iter().map(|row| (row.0.to_owned(), row.1, row.2, stands(row))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    #[test]
    fn a_row_stands_where_no_other_is_better_in_both() {
        let mib = |count: u64| [("peak_bytes", count << 20)];
        let run = Made::rows(&[("gzip", &[("decode", 50.0)]), ("zstd", &[("decode", 20.0)])])
            .row("worse", &[("decode", 30.0)])
            .counted("gzip", &[("close", 100)], &mib(1))
            .counted("zstd", &[("close", 100)], &mib(4))
            .counted("worse", &[("close", 100)], &mib(8))
            .run();
        let trades = of(&Look::at(&run, 0));
        assert_eq!(trades.len(), 1, "all rows make as many calls, and promise as much: {trades:?}");
        let told: Vec<(&str, f64, bool)> = trades[0].rows.iter().map(|row| (row.0.as_str(), row.1, row.3)).collect();
        assert_eq!(told, [("zstd", 4.0, true), ("worse", 8.0, false), ("gzip", 1.0, true)]);
    }
}
