//! The XML of `JUnit`, as Jenkins reads it and most others do: suites of cases that passed, failed, broke, or were
//! skipped.

use crate::comparison::{Judged, Judgement, Session};
use crate::record::{Plan, Run};
use crate::stats::median;
use crate::terminal::comparison::counts;
use crate::terminal::gate::Gate;
use std::collections::BTreeSet;

/// A workload a suite, a row a case: it fails if the row crashed, hung or came out otherwise, and is skipped if it
/// could not run here or was not measured.
pub fn junit(run: &Run) -> String {
    let properties: Vec<(&str, &str)> =
        run.header.machine.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let suites = run.header.plan.iter().enumerate().map(|(at, plan)| Suite {
        name: format!("{} on {} ({})", plan.workload, plan.fixture.name, plan.condition),
        started: &run.header.started,
        properties: properties.clone(),
        cases: plan.variants.iter().map(|row| case_of_row(run, at, plan, &row.name)).collect(),
    });
    document(&run.header.id, suites)
}

/// An entry a case: it fails if B is slower, is skipped if that is not decided or cannot be compared, and broke if the
/// session is void.
pub fn junit_of_comparison(session: &Session, judgement: &Judgement) -> String {
    let [a, b] = &judgement.sides;
    let cases = judgement.entries.iter().map(|entry| {
        let told = told_of(entry);
        let ended = match entry.verdict.as_str() {
            "slower" => Ended::Failed { how: "slower".to_owned(), told },
            "faster" | "no practical change" => Ended::Passed { told },
            "void" => Ended::Broke { how: "void".to_owned(), told: "A looked different from itself".to_owned() },
            other => Ended::Skipped { why: other.to_owned() },
        };
        Case { class: "compare".to_owned(), name: entry.name.clone(), seconds: None, ended }
    });
    let suite = Suite {
        name: format!("compare: A {a}, B {b}"),
        started: &session.header.started,
        properties: session.header.machine.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        cases: cases.collect(),
    };
    document(&session.header.id, [suite].into_iter())
}

/// A gate a suite. Its first case is its verdict, which fails where something got worse and broke where the gate could
/// not judge; each row with a finding is a case more.
pub fn junit_of_gates(gates: &[Gate]) -> String {
    let suites = gates.iter().map(|gate| {
        let told = [&[gate.verdict.to_owned()], gate.notes].concat().join("\n");
        let ended = match (gate.passed, gate.exit) {
            (true, _) => Ended::Passed { told },
            (false, WORSE) => Ended::Failed { how: "worse".to_owned(), told },
            (false, exit) => Ended::Broke { how: format!("exit code {exit}"), told },
        };
        let class = format!("gate.{}", gate.name);
        let verdict = Case { class: class.clone(), name: "verdict".to_owned(), seconds: None, ended };
        let rows: BTreeSet<&str> = gate.findings.iter().map(|finding| finding.row.as_str()).collect();
        let rows = rows.into_iter().map(|row| case_of_findings(gate, &class, row));
        Suite {
            name: format!("gate {}: {}", gate.name, gate.what),
            started: "",
            properties: Vec::new(),
            cases: [verdict].into_iter().chain(rows).collect(),
        }
    });
    document("assay gate", suites)
}

/// The exit code of a gate that failed because something got worse.
const WORSE: u8 = 1;

struct Suite<'a> {
    name: String,
    /// In UTC; empty where nobody wrote it down.
    started: &'a str,
    properties: Vec<(&'a str, &'a str)>,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: String,
    seconds: Option<f64>,
    ended: Ended,
}

enum Ended {
    Passed { told: String },
    Failed { how: String, told: String },
    Broke { how: String, told: String },
    Skipped { why: String },
}

fn case_of_row(run: &Run, at: usize, plan: &Plan, row: &str) -> Case {
    let walls: Vec<f64> = run
        .samples
        .iter()
        .filter(|sample| sample.plan == at && sample.variant == row && sample.pass == "wall")
        .map(|sample| sample.reading.wall_ns as f64 / 1e9)
        .collect();
    let absent = run.absent.iter().find(|absent| absent.plan == at && absent.variant == row);
    let failed = run.failed.iter().find(|failed| failed.plan == at && failed.variant == row);
    let ended = match (absent, failed) {
        (Some(absent), _) => Ended::Skipped { why: format!("{}: {}", absent.why, absent.mend) },
        (None, Some(failed)) => Ended::Failed { how: failed.how.clone(), told: failed.told.clone() },
        (None, None) if walls.is_empty() => Ended::Skipped { why: "not measured".to_owned() },
        (None, None) => Ended::Passed { told: String::new() },
    };
    // What differs has no number.
    let seconds = if matches!(ended, Ended::Passed { .. }) { median(&walls) } else { None };
    Case { class: plan.workload.clone(), name: row.to_owned(), seconds, ended }
}

fn told_of(entry: &Judged) -> String {
    let ratio = entry.takes.map_or(String::new(), |takes| {
        let (low, mid, high) = (takes.low, takes.mid, takes.high);
        format!(": B takes {mid:.3}x of A's time ({low:.3} to {high:.3}, {} pairs)", entry.pairs)
    });
    let mut told = vec![format!("{}{ratio}", entry.verdict)];
    if !entry.counts.is_empty() {
        told.push(counts(&entry.counts, usize::MAX));
    }
    let [lost, gained] = &entry.promises;
    told.extend(lost.iter().map(|promise| format!("lost the promise: {promise}")));
    told.extend(gained.iter().map(|promise| format!("gained the promise: {promise}")));
    told.extend(entry.trust.iter().cloned());
    told.join("\n")
}

fn case_of_findings(gate: &Gate, class: &str, row: &str) -> Case {
    let findings: Vec<_> = gate.findings.iter().filter(|finding| finding.row == row).collect();
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let lines = findings.iter().map(|one| {
        let told =
            if one.note.is_empty() && one.phases.is_empty() { String::new() } else { format!(": {}", one.told()) };
        format!("{} {} -> {}, {}{told}", one.metric, number(one.was), number(one.is), one.change())
    });
    let told = lines.collect::<Vec<_>>().join("\n");
    let fails = findings.iter().any(|finding| finding.fails);
    let ended = if fails { Ended::Failed { how: "changed".to_owned(), told } } else { Ended::Passed { told } };
    Case { class: class.to_owned(), name: row.to_owned(), seconds: None, ended }
}

fn document<'a>(name: &str, suites: impl Iterator<Item = Suite<'a>>) -> String {
    let suites: Vec<Suite> = suites.collect();
    let all = || suites.iter().flat_map(|suite| &suite.cases);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites{}{}>\n",
        attribute("name", name),
        tally(all())
    );
    for suite in &suites {
        text += &element(suite);
    }
    text + "</testsuites>\n"
}

fn element(suite: &Suite) -> String {
    // The form knows no time zone and no parts of a second: what is written down is UTC.
    let started = suite.started.get(..19).map_or(String::new(), |started| attribute("timestamp", started));
    let seconds = suite.cases.iter().filter_map(|case| case.seconds).reduce(|sum, seconds| sum + seconds);
    let seconds = seconds.map_or(String::new(), |seconds| format!(" time=\"{seconds:.9}\""));
    let name = attribute("name", &suite.name);
    let mut text = format!("  <testsuite{name}{}{started}{seconds}>\n", tally(suite.cases.iter()));
    if !suite.properties.is_empty() {
        text += "    <properties>\n";
        for (key, value) in &suite.properties {
            text += &format!("      <property{}{}/>\n", attribute("name", key), attribute("value", value));
        }
        text += "    </properties>\n";
    }
    for case in &suite.cases {
        let seconds = case.seconds.map_or(String::new(), |seconds| format!(" time=\"{seconds:.9}\""));
        let head =
            format!("    <testcase{}{}{seconds}", attribute("classname", &case.class), attribute("name", &case.name));
        text += &match inside(&case.ended) {
            None => format!("{head}/>\n"),
            Some(inside) => format!("{head}>\n      {inside}\n    </testcase>\n"),
        };
    }
    text + "  </testsuite>\n"
}

fn inside(ended: &Ended) -> Option<String> {
    let told = |tag: &str, how: &str, told: &str| {
        let message = attribute("message", told.lines().next().unwrap_or(how));
        format!("<{tag}{message}{}>{}</{tag}>", attribute("type", how), escaped(told))
    };
    match ended {
        Ended::Passed { told } if told.is_empty() => None,
        Ended::Passed { told } => Some(format!("<system-out>{}</system-out>", escaped(told))),
        Ended::Failed { how, told: what } => Some(told("failure", how, what)),
        Ended::Broke { how, told: what } => Some(told("error", how, what)),
        Ended::Skipped { why } => Some(format!("<skipped{}/>", attribute("message", why))),
    }
}

fn tally<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let [mut tests, mut failures, mut errors, mut skipped] = [0; 4];
    for case in cases {
        tests += 1;
        match case.ended {
            Ended::Passed { .. } => {}
            Ended::Failed { .. } => failures += 1,
            Ended::Broke { .. } => errors += 1,
            Ended::Skipped { .. } => skipped += 1,
        }
    }
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn attribute(name: &str, value: &str) -> String {
    // A reader makes blanks of line ends in an attribute, unless they are spelt out.
    format!(" {name}=\"{}\"", escaped(value).replace('\n', "&#10;").replace('\t', "&#9;"))
}

/// What stands for markup is spelt out. What XML 1.0 cannot hold at all, such as the colours of a terminal, is marked.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\r' => escaped += "&#13;",
            '\n' | '\t' => escaped.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}
