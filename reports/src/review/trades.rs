//! Where two goods compete: what a row must be given to be as fast as it is.

use super::look::{Look, given_up};
use super::{Trade, Traded};
use crate::summary::Row;

/// Time against peak memory, against what is kept, against system calls, and against promises, each where rows differ in it.
pub(super) fn of(look: &Look) -> Vec<Trade> {
    let counted =
        |name: &'static str, scale: f64| move |row: &Row| Some(look.counts(&row.name)?.number(name)? as f64 / scale);
    let calls = |row: &Row| row.counts.as_ref()?.all_calls;
    let lost = |row: &Row| Some(given_up(look.baseline()?, row).len() as f64);
    [
        trade(look, "peak memory, MiB", &counted("peak_bytes", f64::from(1 << 20))),
        trade(look, "kept, MiB", &counted("kept_bytes", f64::from(1 << 20))),
        trade(look, "system calls a file", &calls),
        trade(look, "promises given up", &lost),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// In fewer rows there is nothing to choose from.
const FEWEST: usize = 4;

/// None where fewer rows have it, or all have as much.
fn trade(look: &Look, across: &str, of: &dyn Fn(&Row) -> Option<f64>) -> Option<Trade> {
    let techniques = look.summary.rows.iter().filter(|row| row.rank > 0);
    let rows: Vec<(&str, f64, f64)> =
        techniques.filter_map(|row| Some((row.name.as_str(), of(row)?, row.us_per_file.mid))).collect();
    let first = rows.first()?.1;
    if rows.len() < FEWEST || rows.iter().all(|(_, value, _)| value.total_cmp(&first).is_eq()) {
        return None;
    }
    let beats = |one: &(&str, f64, f64), other: &(&str, f64, f64)| {
        one.1 <= other.1 && one.2 <= other.2 && (one.1 < other.1 || one.2 < other.2)
    };
    // Rows come fastest first.
    let better = |row: &(&str, f64, f64)| rows.iter().find(|other| beats(other, row)).map(|other| other.0.to_owned());
    let speed = |name: &str| look.summary.rows.iter().find(|row| row.name == name)?.mb_per_second;
    let traded = |row: &(&str, f64, f64)| Traded {
        name: row.0.to_owned(),
        across: row.1,
        up: row.2,
        mb_per_second: speed(row.0),
        beaten_by: better(row),
    };
    Some(Trade { across: across.to_owned(), up: "µs a file".to_owned(), rows: rows.iter().map(traded).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    fn made(rows: &[(&str, f64, u64)]) -> Vec<Trade> {
        let made = rows.iter().fold(Made::rows(&[]), |made, (name, us, mib)| {
            made.row(name, &[("decode", *us)]).counted(name, &[("close", 100)], &[("peak_bytes", mib << 20)])
        });
        let run = made.run();
        of(&Look::at(&run, 0))
    }

    #[test]
    fn a_row_stands_where_no_other_is_better_in_both() {
        let trades = made(&[("gzip", 50.0, 1), ("zstd", 20.0, 4), ("worse", 30.0, 8), ("lean", 45.0, 2)]);
        assert_eq!(trades.len(), 1, "all rows make as many calls, and promise as much: {trades:?}");
        let told: Vec<(&str, f64, Option<&str>)> =
            trades[0].rows.iter().map(|row| (row.name.as_str(), row.across, row.beaten_by.as_deref())).collect();
        let expected = [("zstd", 4.0, None), ("worse", 8.0, Some("zstd")), ("lean", 2.0, None), ("gzip", 1.0, None)];
        assert_eq!(told, expected);
    }

    #[test]
    fn of_an_object_each_row_says_its_megabytes_in_a_second() {
        let rows = [("gzip", 5e5, 1), ("zstd", 2.5e5, 4), ("lz4", 1e5, 8), ("lean", 2e6, 2)];
        assert!(made(&rows)[0].rows.iter().all(|row| row.mb_per_second.is_none()), "a tree of small files");
        let made = rows.iter().fold(Made::rows(&[]), |made, (name, us, mib)| {
            made.row(name, &[("decode", *us)]).counted(name, &[("close", 100)], &[("peak_bytes", mib << 20)])
        });
        let mut run = made.run();
        let fixture = &mut run.header.plan[0].fixture;
        fixture.bytes = fixture.files * 100_000_000;
        let trades = of(&Look::at(&run, 0));
        let lz4 = &trades[0].rows[0];
        assert_eq!((lz4.name.as_str(), lz4.mb_per_second.map(f64::round)), ("lz4", Some(1000.0)));
    }

    #[test]
    fn three_rows_or_rows_that_are_alike_are_no_choice() {
        assert!(made(&[("gzip", 50.0, 1), ("zstd", 20.0, 4), ("worse", 30.0, 8)]).is_empty());
        assert!(made(&[("a", 50.0, 1), ("b", 20.0, 1), ("c", 30.0, 1), ("d", 40.0, 1)]).is_empty());
    }
}
