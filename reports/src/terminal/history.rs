//! Histories, as text: one row run by run, or every row on a line.

use super::{labelled, number};
use crate::history::{Against, Course, FEWEST, History, Metric};
use crate::stats::change_points::LEVEL;
use crate::table::{Align, Table, clip, printable};

/// One row, run by run.
pub fn render(history: &History, metric: &Metric, width: usize) -> String {
    let head = format!("{} on {}, {}: {}", history.name(), history.fixture, history.condition(), unit(history, metric));
    let mut text = clip(&printable(&head), width) + "\n\n";
    let (low, high) = span(history);
    let unit = column(history, metric);
    let mut table = Table::new(&[
        ("DATE", Align::Left),
        ("COMMIT", Align::Left),
        (&unit, Align::Right),
        ("RUN", Align::Left),
        ("ROUNDS", Align::Right),
        ("", Align::Left),
        ("STEP", Align::Left),
    ])
    .may_go(&["ROUNDS", "RUN"]);
    for (at, point) in history.points.iter().enumerate() {
        let step = match &history.course {
            Some(Course::Steps { steps }) => steps.iter().find(|step| step.at == at),
            _ => None,
        };
        table.row([
            point.started.get(..16).unwrap_or(&point.started).replace('T', " "),
            point.commit.clone(),
            value(point.value.mid, metric),
            point.run.clone(),
            point.value.rounds.to_string(),
            bar((point.value.mid - low) / (high - low)),
            step.map_or(String::new(), |step| change(step.before, step.after, metric)),
        ]);
    }
    text += &table.render(width);
    text += &clip(&format!("bars from {} to {}", value(low, metric), value(high, metric)), width);
    text += "\n\n";
    text += &labelled("course", &in_words(history, metric), width);
    for (why, count) in &history.left_out {
        text += &labelled("left out", &format!("{}: {why}", runs(*count)), width);
    }
    text
}

/// Every row on a line, in the order given. Those that are too short are only counted.
pub fn overview(histories: &[History], metric: &Metric, width: usize) -> String {
    let told: Vec<&History> = histories.iter().filter(|one| one.course.is_some()).collect();
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("ON", Align::Left),
        ("RUNS", Align::Right),
        ("FIRST", Align::Right),
        ("LAST", Align::Right),
        ("OLD TO NEW", Align::Left),
        ("COURSE", Align::Left),
    ])
    .may_go(&["OLD TO NEW"]);
    for history in &told {
        let at = |at: Option<&crate::history::Point>| at.map_or(String::new(), |point| value(point.value.mid, metric));
        table.row([
            history.name(),
            format!("{}, {}", history.fixture, history.condition()),
            history.points.len().to_string(),
            at(history.points.first()),
            at(history.points.last()),
            spark(history),
            briefly(history, metric),
        ]);
    }
    let mut text = clip(&title(metric), width) + "\n\n" + &table.render(width) + "\n";
    let short = histories.len() - told.len();
    if short > 0 {
        let told = format!("{short} more histories have fewer than {FEWEST} runs that can be compared");
        text += &labelled("short", &told, width);
    }
    text + &labelled("chance", &chance(told.len()), width)
}

/// What all these histories are of.
pub(crate) fn title(metric: &Metric) -> String {
    match metric {
        Metric::Wall(Against::Baseline) => "wall time as a multiple of the baseline's".to_owned(),
        Metric::Cpu(Against::Baseline) => "processor time as a multiple of the baseline's".to_owned(),
        Metric::Wall(Against::Nothing) => "µs of wall time a file".to_owned(),
        Metric::Cpu(Against::Nothing) => "µs of processor time a file".to_owned(),
        Metric::Counted(name) => format!("{name} of a run"),
    }
}

/// How often a flat history is told to have moved, and how many there are here.
pub(crate) fn chance(told: usize) -> String {
    // A step and a creep are two ways to be wrong.
    let chance = 2.0 * LEVEL * 100.0;
    format!("up to {chance:.0} in 100 flat histories of times show a change, and here are {told}")
}

/// In fewer runs the orders that show a step by chance are too many of all.
const STEPS: usize = 12;

/// What it did, in a sentence.
pub fn in_words(history: &History, metric: &Metric) -> String {
    let count = history.points.len();
    match &history.course {
        None => format!("{} can be compared, and {FEWEST} are needed", runs(count)),
        Some(Course::Flat) => {
            let (low, high) = span_of(history);
            if matches!(metric, Metric::Counted(_)) && low < high {
                let (low, high) = (value(low, metric), value(high, metric));
                format!("flat, as far as {count} runs can tell; but not always the same: from {low} to {high}")
            } else {
                let few = if count < STEPS { " (so few can show a creep, but hardly a step)" } else { "" };
                format!("flat: {count} runs show no step and no creep that chance would not make{few}")
            }
        }
        Some(Course::Steps { steps }) => {
            let each = steps.iter().map(|step| {
                let point = &history.points[step.at];
                format!(
                    "{} ({}) from run {} on, {} -> {}, of {}",
                    change(step.before, step.after, metric),
                    judged(step.after - step.before),
                    point.run,
                    value(step.before, metric),
                    value(step.after, metric),
                    point.commit,
                )
            });
            let number = if steps.len() == 1 { "one step".to_owned() } else { format!("{} steps", steps.len()) };
            format!("{number}: {}", each.collect::<Vec<_>>().join("; "))
        }
        Some(Course::Creep(creep)) => {
            let by = |by: f64| if creep.as_share { percent(by) } else { format!("{by:+.3}") };
            format!(
                "creep: {} a run ({} to {}), {} over these {count} runs ({})",
                by(creep.each),
                by(creep.low),
                by(creep.high),
                by(creep.whole),
                judged(creep.each),
            )
        }
    }
}

/// What it did, in a few words.
pub(crate) fn briefly(history: &History, metric: &Metric) -> String {
    match &history.course {
        None => String::new(),
        Some(Course::Flat) => "flat".to_owned(),
        Some(Course::Steps { steps }) => {
            let each = steps.iter().map(|step| {
                format!("{} from {} on", change(step.before, step.after, metric), history.points[step.at].run)
            });
            format!("step {}", each.collect::<Vec<_>>().join(", "))
        }
        Some(Course::Creep(creep)) if creep.as_share => {
            format!("creep {} a run, {} in all", percent(creep.each), percent(creep.whole))
        }
        Some(Course::Creep(creep)) => format!("creep {:+.3} a run, {:+.1} in all", creep.each, creep.whole),
    }
}

/// Of every number here, more is worse.
pub(crate) fn judged(change: f64) -> &'static str {
    if change > 0.0 { "worse" } else { "better" }
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

fn unit(history: &History, metric: &Metric) -> String {
    let baseline = history.baseline().unwrap_or("the baseline");
    match metric {
        Metric::Wall(Against::Baseline) => format!("wall time as a multiple of {baseline}'s"),
        Metric::Cpu(Against::Baseline) => format!("processor time as a multiple of {baseline}'s"),
        Metric::Wall(Against::Nothing) => "wall time of a file".to_owned(),
        Metric::Cpu(Against::Nothing) => "processor time of a file".to_owned(),
        Metric::Counted(name) => format!("{name} of a run"),
    }
}

fn column(history: &History, metric: &Metric) -> String {
    match metric {
        Metric::Counted(name) => name.to_uppercase(),
        _ if metric.is_ratio() => format!("x {}", history.baseline().unwrap_or("BASELINE")),
        _ => "µs/FILE".to_owned(),
    }
}

/// Ratios have as many digits as a creep of a tenth of a per cent needs.
pub(crate) fn value(value: f64, metric: &Metric) -> String {
    match metric {
        Metric::Counted(_) => format!("{value:.0}"),
        _ if metric.is_ratio() => format!("{value:.4}"),
        _ => number(value),
    }
}

fn percent(share: f64) -> String {
    format!("{:+.2} %", share * 100.0)
}

/// By how much it moved.
pub(crate) fn change(before: f64, after: f64, metric: &Metric) -> String {
    match metric {
        Metric::Counted(_) => format!("{:+.0}", after - before),
        _ => percent(after / before - 1.0),
    }
}

fn span_of(history: &History) -> (f64, f64) {
    let values = || history.points.iter().map(|point| point.value.mid);
    (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
}

/// From where to where bars go. Where all values are the same, any span does.
fn span(history: &History) -> (f64, f64) {
    let (low, high) = span_of(history);
    if low < high { (low, high) } else { (low, low + 1.0) }
}

/// A bar of up to so many eighths.
fn bar(share: f64) -> String {
    const EIGHTHS: usize = 8 * 16;
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = place(share, EIGHTHS).max(1);
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

/// The last runs as a line of small bars.
fn spark(history: &History) -> String {
    const SHOWN: usize = 24;
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = span(history);
    let last = history.points.iter().skip(history.points.len().saturating_sub(SHOWN));
    last.map(|point| HEIGHTS[place((point.value.mid - low) / (high - low), HEIGHTS.len() - 1)]).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
fn place(share: f64, most: usize) -> usize {
    (share.clamp(0.0, 1.0) * most as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Creep, Point, Step, Value};

    fn history(values: &[f64], course: Course) -> History {
        let point = |(at, value): (usize, &f64)| Point {
            run: format!("run-{at}"),
            started: format!("2026-11-{:02}T12:00:00Z", at + 1),
            commit: format!("c{at}"),
            value: Value { low: *value, mid: *value, high: *value, rounds: 5 },
        };
        let alike = [("baseline", "gzip"), ("cache", "warm"), ("filesystem", "tmpfs"), ("pinned", "0")];
        History {
            workload: "restore".into(),
            row: "zstd".into(),
            fixture: "tiny".into(),
            alike: alike.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            course: Some(course),
            points: values.iter().enumerate().map(point).collect(),
            left_out: [("kernel 6.17, not 6.18".to_owned(), 3)].into(),
        }
    }

    const RATIO: Metric = Metric::Wall(Against::Baseline);

    #[test]
    fn a_creep_is_a_sentence_with_its_bounds() {
        let creep = Creep { as_share: true, each: 0.005, low: 0.004, high: 0.006, whole: 0.02, p: 0.001 };
        let text = render(&history(&[0.80, 0.81, 0.82], Course::Creep(creep)), &RATIO, 120);
        let expected = "\
restore/zstd on tiny, tmpfs, warm cache, on processor 0: wall time as a multiple of gzip's

DATE              COMMIT  x gzip  RUN    ROUNDS                    STEP
2026-11-01 12:00  c0      0.8000  run-0       5  ▏
2026-11-02 12:00  c1      0.8100  run-1       5  ████████
2026-11-03 12:00  c2      0.8200  run-2       5  ████████████████
bars from 0.8000 to 0.8200

course   creep: +0.50 % a run (+0.40 % to +0.60 %), +2.00 % over these 3 runs (worse)
left out 3 runs: kernel 6.17, not 6.18
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_step_says_where_and_how_much() {
        let step = Step { at: 1, run: "run-1".into(), before: 0.8, after: 0.84, p: 0.002 };
        let history = history(&[0.80, 0.84, 0.84], Course::Steps { steps: vec![step] });
        let told = in_words(&history, &RATIO);
        assert_eq!(told, "one step: +5.00 % (worse) from run run-1 on, 0.8000 -> 0.8400, of c1");
        assert!(render(&history, &RATIO, 120).contains("████████████████  +5.00 %\n"));
    }

    #[test]
    fn counts_that_differ_are_not_called_the_same() {
        let calls = Metric::Counted("calls".into());
        let told = |values: &[f64]| in_words(&history(values, Course::Flat), &calls);
        assert!(told(&[5.0, 5.0]).starts_with("flat: 2 runs"));
        assert!(told(&[5.0, 6.0]).ends_with("from 5 to 6"));
    }

    #[test]
    fn the_overview_shows_each_row_on_a_line_and_counts_the_short_ones() {
        let mut short = history(&[1.0], Course::Flat);
        short.course = None;
        let text = overview(&[history(&[0.8, 0.8, 0.9], Course::Flat), short], &RATIO, 140);
        assert!(
            text.contains("restore/zstd") && text.contains("▁▁█") && text.contains("1 more histories have fewer"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 7, "{text}");
    }
}
