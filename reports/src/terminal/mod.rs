//! The terminal's text of a run: the table, where the time goes, and the answer in words.

pub mod apart;
pub mod claims;
pub mod comparison;
pub mod crossing;
pub mod gate;
pub mod history;

mod looked;
mod ranking;
mod steps;
mod told;

use crate::record::{Beside, Line, PhaseName, Run, Surroundings};
use crate::summary::{Bounds, LOOKING_LIMIT, Summary, summaries};
use crate::table::{clip, printable, wrap};

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
        text += &ranking::ranking(summary).render(width);
        text += &(wrap(ranking::LEGEND, width, 2) + "\n\n");
    }
    if let Some(table) = looked::breakdown(&summary.rows, phases, width) {
        text += &clip("where the time goes, µs of a file; workers' time is divided by workers", width);
        text += &format!("\n{}\n", table.render(width));
    }
    if let Some(table) = looked::calls(&summary.rows) {
        text += &clip("system calls of a file, all threads and processes, and what went through them", width);
        text += &format!("\n{}\n", table.render(width));
    }
    for absent in looked::uncounted(&summary.rows) {
        text += &labelled("counts", &absent, width);
    }
    if let Some(table) = steps::ladder(&summary.steps) {
        text += &clip("the ladder: each row against the row before it", width);
        text += &format!("\n{}\n", table.render(width));
    }
    if let Some(table) = steps::ceilings(&summary.ceilings) {
        text += &clip("what if a phase took no time: foretold from its share, and tried by taking it away", width);
        text += &format!("\n{}\n", table.render(width));
    }
    for without in &summary.without {
        text += &labelled("no row", &format!("{}: {}", without.name, without.why), width);
    }
    if let Some(answer) = told::answer(summary) {
        text += &labelled("answer", &answer, width);
    }
    if let Some(floor) = told::floor(summary) {
        text += &labelled("floor", &floor, width);
    }
    if let Some(looking) = told::looking(summary) {
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
