//! Which row is fastest, among those that promise the same.

use super::{confidence, number, range, range_of};
use crate::stats::FEWEST;
use crate::summary::{Row, Summary, least_confidence};
use crate::table::{Align, Table};

/// What the table's letters and words mean.
pub(super) const LEGEND: &str = "keeps: v verified by hash, a atomic, d durable, t times kept, i independent files. Rows that share \
                      a rank cannot be ordered by these data. x FLOOR: how many times the floor's time.";

/// A letter for each promise that a row makes, at its place.
fn keeps(row: &Row) -> String {
    const LETTERS: [(&str, char); 5] =
        [("verified", 'v'), ("atomic", 'a'), ("durable", 'd'), ("times kept", 't'), ("independent", 'i')];
    let kept = |name: &str| row.promises.iter().any(|promise| promise == name);
    LETTERS.iter().map(|(name, letter)| if kept(name) { *letter } else { '-' }).collect()
}

/// Rows that promise the same stand together, those that promise most first: a faster row that promises less is not a
/// faster row. Within a group, and among groups that promise as much, the order stays; the floor is the last.
fn grouped(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let alike =
            |group: &&mut Vec<&Row>| (group[0].rank == 0) == (row.rank == 0) && group[0].promises == row.promises;
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.sort_by_key(|group| (group[0].rank == 0, std::cmp::Reverse(group[0].promises.len())));
    groups
}

/// What the rows of a group promise, in words.
fn promised(row: &Row) -> String {
    let words = if row.promises.is_empty() { "nothing besides".to_owned() } else { row.promises.join(", ") };
    format!("-- {}: {words}", if row.rank == 0 { "the limit" } else { "promised" })
}

/// What says more of one large object than the time of a file.
const PER_SECOND: &str = "MB/s";

pub(super) fn ranking(summary: &Summary) -> Table {
    let sure = confidence(least_confidence(&summary.rows));
    let over = format!("OVER {}", summary.baseline);
    let mut heads = vec![
        ("RANK", Align::Left),
        ("TECHNIQUE", Align::Left),
        ("KEEPS", Align::Left),
        ("µs/FILE", Align::Right),
        (sure.as_str(), Align::Left),
        (PER_SECOND, Align::Right),
        (over.as_str(), Align::Right),
        (sure.as_str(), Align::Left),
        ("VERDICT", Align::Left),
    ];
    let is_object = summary.rows.iter().any(|row| row.mb_per_second.is_some());
    heads.retain(|(head, _)| *head != PER_SECOND || is_object);
    if summary.rows.iter().any(|row| row.over_floor.is_some()) {
        heads.push(("x FLOOR", Align::Right));
    }
    heads.push(("CPU µs", Align::Right));
    let mut table = Table::new(&heads).may_go(&["CPU µs", &sure]);
    let groups = grouped(&summary.rows);
    let headed = groups.len() > 1;
    for (first, row) in groups.into_iter().flat_map(|group| group.into_iter().enumerate()) {
        if headed && first == 0 {
            table.section(&promised(row));
        }
        let place = if row.rank == 0 {
            "floor".to_owned()
        } else if row.rounds < FEWEST {
            "-".to_owned()
        } else if row.tied {
            format!("{} tied", row.rank)
        } else {
            row.rank.to_string()
        };
        let mut cells = vec![place, row.name.clone(), keeps(row), number(row.us_per_file.mid), range(&row.us_per_file)];
        if is_object {
            cells.push(row.mb_per_second.map_or("-".to_owned(), number));
        }
        match &row.over_baseline {
            None if row.name == summary.baseline => {
                cells.extend(["1".to_owned(), String::new(), "baseline".to_owned()]);
            }
            None => cells.extend(["-".to_owned(), String::new(), "no baseline".to_owned()]),
            Some(over) => {
                cells.extend([format!("{:.2}x", over.mid), range_of(over, 2), row.verdict.unwrap_or("").to_owned()]);
            }
        }
        if heads.iter().any(|(head, _)| *head == "x FLOOR") {
            cells.push(row.over_floor.map_or("-".to_owned(), |times| format!("{times:.2}")));
        }
        cells.push(number(row.cpu_us_per_file));
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::render;
    use crate::record::Run;
    use crate::record::tests::{header_of, sample};

    fn run(promised: &[(&str, &[&str], u64)]) -> Run {
        let names: Vec<&str> = promised.iter().map(|(name, ..)| *name).collect();
        let mut header = header_of(&names);
        for (variant, (_, promises, _)) in header.plan[0].variants.iter_mut().zip(promised) {
            variant.promises = promises.iter().map(|promise| (*promise).to_owned()).collect();
        }
        let rounds = |(name, _, wall_ns): &(&str, _, u64)| -> Vec<_> {
            (0..8).map(|round| sample(name, round, *wall_ns + u64::from(round))).collect()
        };
        let samples = promised.iter().flat_map(rounds).collect();
        Run { header, samples, absent: vec![], failed: vec![], beside: vec![], notes: vec![], end: None }
    }

    #[test]
    fn rows_stand_with_those_that_promise_the_same_and_what_promises_less_is_not_first() {
        let run = run(&[
            ("gzip", &["verified", "times kept"], 9000),
            ("tar", &["times kept"], 1000),
            ("zstd", &["verified", "times kept"], 8000),
            ("cp", &[], 500),
        ]);
        let text = render(&run, 120);
        let places: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("RANK"))
            .skip(1)
            .take_while(|line| !line.starts_with("keeps"))
            .map(|line| if line.starts_with("--") { line } else { line.split_whitespace().nth(1).unwrap_or("") })
            .collect();
        let wanted = [
            "-- promised: verified, times kept",
            "zstd",
            "gzip",
            "-- promised: times kept",
            "tar",
            "-- promised: nothing besides",
            "cp",
        ];
        assert_eq!(places, wanted, "{text}");
    }

    #[test]
    fn of_an_object_it_says_how_many_megabytes_go_in_a_second() {
        let mut run = run(&[("memory", &[], 500_000_000), ("stripes", &[], 250_000_000)]);
        assert!(!render(&run, 120).contains("MB/s"));
        let fixture = &mut run.header.plan[0].fixture;
        (fixture.files, fixture.bytes) = (2, 500_000_000);
        let text = render(&run, 120);
        let stripes = text.lines().find(|line| line.contains("stripes")).unwrap();
        assert!(text.contains("MB/s") && stripes.split_whitespace().any(|cell| cell == "2000"), "{text}");
    }

    #[test]
    fn rows_that_all_promise_the_same_need_no_heading() {
        let run = run(&[("gzip", &["verified"], 9000), ("zstd", &["verified"], 8000)]);
        assert!(!render(&run, 120).contains("-- promised"));
    }
}
