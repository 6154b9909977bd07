//! The terminal's text of a run: the table, where the time goes, and the answer in words.

pub mod apart;
pub mod claims;
pub mod comparison;
pub mod crossing;
pub mod gate;
pub mod history;

use crate::record::{Beside, Line, PhaseName, Run, Surroundings};
use crate::stats::FEWEST;
use crate::summary::{
    BAND, Bounds, Ceiling, LOOKING_LIMIT, Moved, PerFile, Row, Step, Summary, least_confidence, summaries,
};
use crate::table::{Align, Table, clip, printable, wrap};
use std::collections::BTreeMap;

/// All of a run as text, no line wider than `width`.
pub fn render(run: &Run, width: usize) -> String {
    let mut text = String::new();
    for summary in summaries(run) {
        text += &workload(&summary, &run.header.phases, width);
        text.push('\n');
    }
    let machine = |key: &str| run.header.machine.get(key).map_or("unknown", String::as_str);
    let on = format!(
        "{}, {} cpus, {}, kernel {}, commit {}",
        machine("cpu"),
        machine("cpus"),
        machine("memory"),
        machine("kernel"),
        machine("commit")
    );
    text += &labelled("machine", &on, width);
    for beside in &run.beside {
        text += &labelled("beside", &surroundings(beside, run), width);
    }
    for note in &run.notes {
        text += &labelled("note", note, width);
    }
    text
}

/// What else the machine did while one entry of the plan was measured.
fn surroundings(beside: &Beside, run: &Run) -> String {
    let Surroundings { ours, others, stolen, pressure, .. } = &beside.during;
    let plan = &run.header.plan[beside.plan];
    let mut told = format!(
        "{} on {}: others kept {others:.2} processors busy ({:.2} before it began), the rows {ours:.2}; {:.1} % of a \
         processor was stolen",
        plan.workload,
        plan.fixture.name,
        beside.before.others,
        stolen * 100.0
    );
    if pressure.is_empty() {
        told += "; pressure is absent: this kernel does not count it";
    } else {
        let each: Vec<String> = pressure.iter().map(|(what, share)| format!("{what} {:.0} %", share * 100.0)).collect();
        told += &format!("; somebody waited for {}", each.join(", "));
    }
    if !beside.before.quiet {
        told += &format!(
            ". The machine was not quiet within {:.0} s: read ratios and bounds, not times (--wait waits longer)",
            beside.before.waited_s
        );
    }
    told
}

/// A sentence behind a word in the margin.
pub fn labelled(label: &str, text: &str, width: usize) -> String {
    const MARGIN: usize = 9;
    let text = wrap(&printable(text), width.saturating_sub(MARGIN).max(MARGIN), 0);
    let mut shown = String::new();
    for (at, line) in text.lines().enumerate() {
        let label = if at == 0 { label } else { "" };
        shown += &(clip(format!("{label:MARGIN$}{line}").trim_end(), width) + "\n");
    }
    shown
}

/// One failed sample as a line, for the moment in which it happens.
pub fn failure(line: &Line, workload: &str) -> String {
    match line {
        Line::Failed(failed) => format!("{workload}/{} {}: {}", failed.variant, failed.how, failed.told),
        _ => String::new(),
    }
}

fn workload(summary: &Summary, phases: &[PhaseName], width: usize) -> String {
    let mut text = String::new();
    let head = format!("{} on {} ({} files), {}", summary.workload, summary.fixture, summary.files, summary.condition);
    text += &(clip(&printable(&head), width) + "\n\n");
    if !summary.rows.is_empty() {
        text += &ranking(summary).render(width);
        text += &(wrap(LEGEND, width, 2) + "\n\n");
    }
    if let Some(table) = breakdown(&summary.rows, phases, width) {
        text += &clip("where the time goes, µs of a file; workers' time is divided by workers", width);
        text += &format!("\n{}\n", table.render(width));
    }
    if let Some(table) = calls(&summary.rows) {
        text += &clip("system calls of a file, all threads and processes, and what went through them", width);
        text += &format!("\n{}\n", table.render(width));
    }
    for absent in uncounted(&summary.rows) {
        text += &labelled("counts", &absent, width);
    }
    if let Some(table) = ladder(&summary.steps) {
        text += &clip("the ladder: each row against the row before it", width);
        text += &format!("\n{}\n", table.render(width));
    }
    if let Some(table) = ceilings(&summary.ceilings) {
        text += &clip("what if a phase took no time: foretold from its share, and tried by taking it away", width);
        text += &format!("\n{}\n", table.render(width));
    }
    for without in &summary.without {
        text += &labelled("no row", &format!("{}: {}", without.name, without.why), width);
    }
    if let Some(answer) = answer(summary) {
        text += &labelled("answer", &answer, width);
    }
    if let Some(floor) = floor(summary) {
        text += &labelled("floor", &floor, width);
    }
    if let Some(looking) = looking(summary) {
        text += &labelled("looking", &looking, width);
    }
    for costly in summary.looking.iter().filter(|one| one.over_wall.mid > LOOKING_LIMIT) {
        let told = format!(
            "the {} pass takes {:.2}x of the wall pass: what it saw is not quite what was timed",
            costly.pass, costly.over_wall.mid
        );
        text += &labelled("warning", &told, width);
    }
    text
}

const LEGEND: &str = "keeps: v verified by hash, a atomic, d durable, t times kept, i independent files. Rows that share \
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

fn ranking(summary: &Summary) -> Table {
    let sure = confidence(least_confidence(&summary.rows));
    let over = format!("OVER {}", summary.baseline);
    let mut heads = vec![
        ("RANK", Align::Left),
        ("TECHNIQUE", Align::Left),
        ("KEEPS", Align::Left),
        ("µs/FILE", Align::Right),
        (sure.as_str(), Align::Left),
        (over.as_str(), Align::Right),
        (sure.as_str(), Align::Left),
        ("VERDICT", Align::Left),
    ];
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

/// The phases as columns, in the order of the run: those that matter most in some row, the others gathered.
fn breakdown(rows: &[Row], phases: &[PhaseName], width: usize) -> Option<Table> {
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
fn calls(rows: &[Row]) -> Option<Table> {
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
fn uncounted(rows: &[Row]) -> Vec<String> {
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

fn ladder(steps: &[Step]) -> Option<Table> {
    if steps.is_empty() {
        return None;
    }
    let sure = confidence(steps.iter().map(|step| step.gain.confidence).fold(1.0, f64::min));
    let mut table = Table::new(&[
        ("STEP", Align::Left),
        ("FORETOLD", Align::Right),
        ("GAIN", Align::Right),
        (&sure, Align::Left),
        ("VERDICT", Align::Left),
        ("WHAT MOVED, µs/FILE", Align::Left),
    ]);
    for step in steps {
        let change = step.change.as_ref();
        let predicted = change.map_or(String::new(), |change| format!("{:.2}x", change.predicted));
        let moved = change.map_or(String::new(), |change| moved(&change.phases));
        let gain = format!("{:.2}x", step.gain.mid);
        table.row([step.to.clone(), predicted, gain, range_of(&step.gain, 2), step.verdict.to_owned(), moved]);
    }
    Some(table)
}

fn ceilings(ceilings: &[Ceiling]) -> Option<Table> {
    if ceilings.is_empty() {
        return None;
    }
    let sure = confidence(ceilings.iter().map(|ceiling| ceiling.measured.confidence).fold(1.0, f64::min));
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("WITHOUT", Align::Left),
        ("SHARE", Align::Right),
        ("FORETOLD", Align::Right),
        ("TRIED", Align::Right),
        (&sure, Align::Left),
    ]);
    for ceiling in ceilings {
        table.row([
            ceiling.of.clone(),
            ceiling.without.clone(),
            ceiling.share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
            ceiling.at_most.map_or("-".to_owned(), |times| format!("{times:.2}x")),
            format!("{:.2}x", ceiling.measured.mid),
            range_of(&ceiling.measured, 2),
        ]);
    }
    Some(table)
}

/// `decode 13.4 -> 7.6 (1.77x), set up 0.4 -> 9.7`
fn moved(phases: &[Moved]) -> String {
    const SHOWN: usize = 3;
    let each = phases.iter().take(SHOWN).map(|phase| {
        let gain = phase.before_us / phase.now_us;
        let gain = if gain > 1.0 && gain.is_finite() { format!(" ({gain:.2}x)") } else { String::new() };
        format!("{} {} -> {}{gain}", phase.name, number(phase.before_us), number(phase.now_us))
    });
    let more = if phases.len() > SHOWN { format!(", and {} more", phases.len() - SHOWN) } else { String::new() };
    each.collect::<Vec<_>>().join(", ") + &more
}

/// What the first step moved, what that could give the whole, and what it gave.
fn answer(summary: &Summary) -> Option<String> {
    let step = summary.steps.first()?;
    let change = step.change.as_ref()?;
    Some(format!(
        "{} -> {}: {} µs a file. That was {:.0} % of the time, so at most {:.2}x for the whole. Foretold {:.2}x, \
         measured {:.2}x ({}): {}.",
        step.from,
        step.to,
        moved(&change.phases),
        change.share * 100.0,
        change.at_most,
        change.predicted,
        step.gain.mid,
        range_of(&step.gain, 2),
        step.verdict,
    ))
}

fn floor(summary: &Summary) -> Option<String> {
    let fastest = summary.rows.iter().find(|row| row.promises.iter().any(|promise| promise == "verified"))?;
    let floor =
        summary.rows.iter().find(|row| row.over_floor.is_some_and(|times| (times - 1.0).abs() < f64::EPSILON))?;
    Some(format!(
        "the fastest row that verifies, {}, takes {:.2}x the time of {} ({}).",
        fastest.name, fastest.over_floor?, floor.name, floor.what
    ))
}

fn looking(summary: &Summary) -> Option<String> {
    let costs: Vec<String> = summary
        .looking
        .iter()
        .map(|one| format!("the {} pass {:.3}x ({})", one.pass, one.over_wall.mid, range_of(&one.over_wall, 3)))
        .collect();
    if costs.is_empty() {
        return None;
    }
    let named = summary.rows.iter().filter_map(|row| row.named).fold(1.0, f64::min);
    Some(format!(
        "of the wall pass, {}. Marks take at most {:.2} % of any row; at least {:.1} % of every row's time has a \
         name. Differences under {:.0} % count as no change.",
        costs.join(", "),
        summary.marks_share * 100.0,
        named * 100.0,
        (BAND - 1.0) * 100.0
    ))
}

/// How sure the bounds of a column are. One round has no bounds.
fn confidence(confidence: f64) -> String {
    match confidence {
        sure if sure >= 0.95 => "95 %".to_owned(),
        sure if sure <= 0.0 => "BOUNDS".to_owned(),
        sure => format!("{:.0} %", (sure * 100.0).floor()),
    }
}

fn range(bounds: &Bounds) -> String {
    if bounds.confidence <= 0.0 {
        "one round".to_owned()
    } else {
        format!("{}-{}", number(bounds.low), number(bounds.high))
    }
}

fn range_of(bounds: &Bounds, digits: usize) -> String {
    if bounds.confidence <= 0.0 {
        return "one round".to_owned();
    }
    format!("{:.digits$}-{:.digits$}", bounds.low, bounds.high)
}

/// Three significant digits, which is more than such a machine knows.
pub fn number(value: f64) -> String {
    // A sum of nothing is minus nothing.
    let value = value + 0.0;
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn cell(value: f64) -> String {
    if value < 0.005 { "-".to_owned() } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn rows_that_all_promise_the_same_need_no_heading() {
        let run = run(&[("gzip", &["verified"], 9000), ("zstd", &["verified"], 8000)]);
        assert!(!render(&run, 120).contains("-- promised"));
    }
}
