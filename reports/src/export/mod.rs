//! Exports: a run or a comparison in the words of others, for who already has a dashboard.
//!
//! | format | who reads it | what it holds |
//! |---|---|---|
//! | [`bmf`] | Bencher, with its adapter `json` | every number of every row, with bounds |
//! | [`github`] | github-action-benchmark, with its tool `customSmallerIsBetter` | the same |
//! | [`junit`](mod@junit) | whatever shows test results | rows, comparisons and gates that failed |
//! | [`csv`](mod@csv) | spreadsheets and statistics packages | every sample |
//!
//! Both kinds of dashboards draw each name as a line and judge it by thresholds, and times on shared machines cross
//! those without anything having changed. So the time as a multiple of the baseline's, which drifts much less, stands
//! beside the time.

pub mod csv;
pub mod junit;

pub use csv::{csv, csv_of_comparison};
pub use junit::{junit, junit_of_comparison, junit_of_gates};

use crate::comparison::Judgement;
use crate::record::Run;
use crate::summary::{Bounds, Row, Summary, summaries};
use serde_json::{Map, Value, json};

/// One number of one row.
struct Measure {
    /// Its name, as a slug.
    name: &'static str,
    unit: &'static str,
    value: f64,
    bounds: Option<(f64, f64)>,
}

/// Bencher Metric Format: `{"benchmark": {"measure": {"value", "lower_value", "upper_value"}}}`. The measure
/// `latency`, which Bencher has built in, is in nanoseconds of a file.
pub fn bmf(run: &Run) -> Value {
    let mut benchmarks = Map::new();
    for (summary, row) in rows(&summaries(run)) {
        let measures =
            measures(summary, row).into_iter().map(|one| (one.name.to_owned(), metric(one.value, one.bounds)));
        benchmarks.insert(name(summary, row), Value::Object(measures.collect()));
    }
    Value::Object(benchmarks)
}

/// A comparison in the same format: how many times as long B takes, with bounds. What has no ratio is left out.
pub fn bmf_of_comparison(judgement: &Judgement) -> Value {
    let each = judgement.entries.iter().filter_map(|entry| {
        let mut measures = Map::new();
        let takes = entry.takes?;
        measures.insert("time-ratio".to_owned(), metric(takes.mid, Some((takes.low, takes.high))));
        if let Some(cpu) = entry.cpu_takes {
            measures.insert("cpu-time-ratio".to_owned(), metric(cpu.mid, Some((cpu.low, cpu.high))));
        }
        Some((entry.name.clone(), Value::Object(measures)))
    });
    Value::Object(each.collect())
}

/// The list that github-action-benchmark takes: `[{name, unit, value, range, extra}]`.
pub fn github(run: &Run) -> Value {
    let commit = run.header.machine.get("commit").map_or("unknown", String::as_str);
    let mut list = Vec::new();
    for (summary, row) in rows(&summaries(run)) {
        let extra = format!("{}\nrounds: {}\nrun: {}\ncommit: {commit}", row.what, row.rounds, run.header.id);
        for one in measures(summary, row) {
            list.push(benchmark(
                &format!("{}: {}", name(summary, row), one.name),
                one.unit,
                one.value,
                one.bounds,
                &extra,
            ));
        }
    }
    Value::Array(list)
}

/// A comparison as that list: how many times as long B takes.
pub fn github_of_comparison(judgement: &Judgement) -> Value {
    let each = judgement.entries.iter().filter_map(|entry| {
        let takes = entry.takes?;
        let extra = format!(
            "verdict: {}\npairs: {}\nA: {}\nB: {}",
            entry.verdict, entry.pairs, judgement.sides[0], judgement.sides[1]
        );
        Some(benchmark(&format!("{}: time-ratio", entry.name), "x", takes.mid, Some((takes.low, takes.high)), &extra))
    });
    Value::Array(each.collect())
}

fn metric(value: f64, bounds: Option<(f64, f64)>) -> Value {
    match bounds {
        Some((low, high)) => json!({"value": value, "lower_value": low, "upper_value": high}),
        None => json!({"value": value}),
    }
}

fn benchmark(name: &str, unit: &str, value: f64, bounds: Option<(f64, f64)>, extra: &str) -> Value {
    let mut one = json!({"name": name, "unit": unit, "value": value, "extra": extra});
    if let Some((low, high)) = bounds {
        // Nanoseconds are large and need no more digits, ratios do.
        let digits = if value.abs() >= 1e3 { 1 } else { 4 };
        one["range"] = json!(format!("{low:.digits$}..{high:.digits$}"));
    }
    one
}

fn rows(summaries: &[Summary]) -> impl Iterator<Item = (&Summary, &Row)> {
    summaries.iter().flat_map(|summary| summary.rows.iter().map(move |row| (summary, row)))
}

/// The name under which a dashboard draws a line: what must be the same for two numbers to be comparable.
fn name(summary: &Summary, row: &Row) -> String {
    format!("{}/{} on {} ({})", summary.workload, row.name, summary.fixture, summary.condition)
}

/// All numbers of a row. What was not counted is left out: absent is not zero.
fn measures(summary: &Summary, row: &Row) -> Vec<Measure> {
    const NS: f64 = 1e3;
    let mut measures = vec![
        Measure {
            name: "latency",
            unit: "ns/file",
            value: row.us_per_file.mid * NS,
            bounds: bounds(&row.us_per_file, |us| us * NS),
        },
        Measure { name: "cpu-time", unit: "ns/file", value: row.cpu_us_per_file * NS, bounds: None },
    ];
    if let Some(over) = &row.over_baseline {
        // A row that is twice as fast takes half the time, and the bounds change places.
        let bounds = bounds(over, |times| 1.0 / times).map(|(high, low)| (low, high));
        measures.push(Measure { name: "time-over-baseline", unit: "x", value: 1.0 / over.mid, bounds });
    }
    let Some(counts) = &row.counts else { return measures };
    let mut count = |name: &'static str, unit: &'static str, of_a_file: Option<f64>| {
        // The counts are those of a run, which are whole; a file's share of them need not be.
        let value = of_a_file.map(|value| (value * summary.files.max(1) as f64).round());
        measures.extend(value.map(|value| Measure { name, unit, value, bounds: None }));
    };
    count("system-calls", "calls", counts.all_calls);
    count("allocations", "allocations", counts.value("allocations"));
    count("allocated-bytes", "bytes", counts.value("allocated_bytes"));
    count("bytes-read", "bytes", counts.value("bytes_read"));
    count("bytes-written", "bytes", counts.value("bytes_written"));
    measures
}

/// One round has no bounds.
fn bounds(bounds: &Bounds, scale: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    (bounds.confidence > 0.0).then(|| (scale(bounds.low), scale(bounds.high)))
}
