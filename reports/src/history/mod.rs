//! Histories: one number of one row, run after run, so that a slow creep under every single threshold is seen.
//!
//! Only runs that can be compared stand in one history: the same row on the same tree under the same condition, on a
//! machine and by a compiler that are the same as far as they move numbers. All others are counted, with the reason.

mod course;
mod metric;

pub use course::{Course, Creep, Step};
pub use metric::{Against, Metric, Value, counted_names};

use crate::record::{Plan, Run};
use crate::stats::{change_points, trend};
use serde::Serialize;
use std::collections::BTreeMap;

/// With fewer runs nothing can be said: two stretches of the shortest, and enough for a trend.
pub const FEWEST: usize =
    if 2 * change_points::SHORTEST > trend::FEWEST { 2 * change_points::SHORTEST } else { trend::FEWEST };

/// Which histories are asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of this workload only.
    pub workload: Option<String>,
    /// Of this row only.
    pub row: Option<String>,
    /// On this fixture only.
    pub fixture: Option<String>,
    /// Of this number.
    pub metric: Metric,
}

/// One number of one row, run after run.
#[derive(Clone, Debug, Serialize)]
pub struct History {
    /// The workload.
    pub workload: String,
    /// The row.
    pub row: String,
    /// The fixture.
    pub fixture: String,
    /// What all its runs have in common, by name.
    pub alike: BTreeMap<String, String>,
    /// What it did; none with too few runs.
    pub course: Option<Course>,
    /// Its runs, the oldest first.
    pub points: Vec<Point>,
    /// Runs of this row on this fixture that are left out: why, and how many.
    pub left_out: BTreeMap<String, usize>,
}

/// One run of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The run's name.
    pub run: String,
    /// When it began, in UTC.
    pub started: String,
    /// The commit that was measured.
    pub commit: String,
    /// The number.
    pub value: Value,
}

impl History {
    /// The row by its full name.
    pub fn name(&self) -> String {
        format!("{}/{}", self.workload, self.row)
    }

    /// The row that times are held against.
    pub fn baseline(&self) -> Option<&str> {
        self.alike.get(BASELINE).map(String::as_str)
    }

    /// The condition, for people.
    pub fn condition(&self) -> String {
        let of = |key: &str| self.alike.get(key).map_or("?", String::as_str);
        let pinned = self.alike.get(PINNED).filter(|pinned| *pinned != NOT_PINNED);
        let pinned = pinned.map_or(String::new(), |processors| format!(", on processor {processors}"));
        format!("{}, {} cache{pinned}", of(FILESYSTEM), of(CACHE))
    }
}

const BASELINE: &str = "baseline";
const CACHE: &str = "cache";
const FILESYSTEM: &str = "filesystem";
const PINNED: &str = "pinned";
const NOT_PINNED: &str = "not";

/// What stands in no history of its own: a row on a fixture, and in it the runs by what they have in common.
type Groups = BTreeMap<[String; 3], BTreeMap<BTreeMap<String, String>, Group>>;

#[derive(Default)]
struct Group {
    points: Vec<Point>,
    without: BTreeMap<String, usize>,
}

/// All histories that are asked for, those that got worse first, then those that got better, then the flat ones, then
/// those that are too short. Of every number here, more is worse.
pub fn histories(runs: &[Run], asked: &Asked) -> Vec<History> {
    let mut histories: Vec<History> = group(runs, asked)
        .into_iter()
        .flat_map(|(row, groups)| {
            let each: Vec<History> = groups
                .iter()
                .map(|(alike, group)| history(&row, alike, group, &groups, asked.metric.is_exact()))
                .collect();
            each
        })
        .collect();
    let place = |history: &History| match &history.course {
        None => (3, 0.0),
        Some(Course::Flat) => (2, 0.0),
        Some(course) if course.moved() > 0.0 => (0, course.moved()),
        Some(course) => (1, -course.moved()),
    };
    histories.sort_by(|a, b| {
        let ((place_a, moved_a), (place_b, moved_b)) = (place(a), place(b));
        place_a.cmp(&place_b).then(moved_b.total_cmp(&moved_a)).then(b.points.len().cmp(&a.points.len()))
    });
    histories
}

fn group(runs: &[Run], asked: &Asked) -> Groups {
    let wanted = |want: &Option<String>, name: &str| want.as_ref().is_none_or(|want| want == name);
    let mut groups = Groups::new();
    for run in runs {
        let plans = run.header.plan.iter().enumerate();
        for (at, plan) in plans.filter(|(_, plan)| wanted(&asked.workload, &plan.workload)) {
            if !wanted(&asked.fixture, &plan.fixture.name) {
                continue;
            }
            // A baseline against itself is 1, always.
            let rows = plan.variants.iter().skip(usize::from(asked.metric.is_ratio()));
            for row in rows.filter(|row| wanted(&asked.row, &row.name)) {
                let key = [plan.workload.clone(), row.name.clone(), plan.fixture.name.clone()];
                let group = groups.entry(key).or_default().entry(alike(run, plan, &asked.metric)).or_default();
                match asked.metric.read(run, at, &row.name) {
                    Ok(value) => group.points.push(Point {
                        run: run.header.id.clone(),
                        started: run.header.started.clone(),
                        commit: field(run, "commit"),
                        value,
                    }),
                    Err(why) => *group.without.entry(why).or_default() += 1,
                }
            }
        }
    }
    groups
}

fn history(
    [workload, row, fixture]: &[String; 3],
    alike: &BTreeMap<String, String>,
    group: &Group,
    all: &BTreeMap<BTreeMap<String, String>, Group>,
    exact: bool,
) -> History {
    let mut points = group.points.clone();
    points.sort_by(|a, b| (&a.started, &a.run).cmp(&(&b.started, &b.run)));
    let mut left_out = group.without.clone();
    for (theirs, other) in all.iter().filter(|(theirs, _)| *theirs != alike) {
        if !other.points.is_empty() {
            *left_out.entry(differences(theirs, alike)).or_default() += other.points.len();
        }
    }
    let course = (points.len() >= FEWEST).then(|| Course::of(&points, exact));
    let [workload, row, fixture] = [workload, row, fixture].map(Clone::clone);
    History { workload, row, fixture, alike: alike.clone(), course, points, left_out }
}

/// What must be the same for two runs to stand in one history.
fn alike(run: &Run, plan: &Plan, metric: &Metric) -> BTreeMap<String, String> {
    let mut alike: BTreeMap<String, String> =
        ["cpu", "cpus", "rustc", "profile"].map(|key| (key.to_owned(), field(run, key))).into();
    let mut note = |key: &str, value: &str| alike.insert(key.to_owned(), value.to_owned());
    note("kernel", major_minor(&field(run, "kernel")));
    note("tree", plan.fixture.digest.get(..12).unwrap_or(&plan.fixture.digest));
    note(CACHE, &plan.condition.cache);
    note(FILESYSTEM, &plan.condition.filesystem);
    note(PINNED, plan.condition.pinned.as_deref().unwrap_or(NOT_PINNED));
    if let Some(baseline) = plan.variants.first().filter(|_| metric.is_ratio()) {
        note(BASELINE, &baseline.name);
    }
    alike
}

fn field(run: &Run, key: &str) -> String {
    run.header.machine.get(key).map_or("unknown", String::as_str).to_owned()
}

/// `6.18` of `6.18.44-rc1`: a kernel's patches seldom move a number, its versions do.
fn major_minor(kernel: &str) -> &str {
    if !kernel.starts_with(|letter: char| letter.is_ascii_digit()) {
        return kernel;
    }
    let second = kernel.match_indices(|letter: char| !letter.is_ascii_digit()).nth(1);
    second.map_or(kernel, |(end, _)| &kernel[..end])
}

/// `kernel 6.17, not 6.18`.
fn differences(theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>) -> String {
    let differ = ours.iter().filter_map(|(key, our)| {
        let their = theirs.get(key)?;
        (their != our).then(|| format!("{key} {their}, not {our}"))
    });
    differ.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
