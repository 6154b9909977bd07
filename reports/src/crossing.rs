//! Where two rows cross: below some size of an object one is faster, above it the other. It takes records of several
//! sizes; what is between two of them is told as a stretch, and what they leave open stays open.

use crate::record::{Condition, Plan, Run};
use crate::stats::{Verdict, speed_up};
use crate::summary::Bounds;
use serde::Serialize;
use std::collections::BTreeMap;

/// Two rows over all sizes that were measured under one condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duel {
    /// The workload.
    pub workload: String,
    /// The condition, as words.
    pub condition: String,
    /// One row.
    pub one: String,
    /// The other row.
    pub other: String,
    /// What was measured at each size, the smallest first.
    pub points: Vec<Point>,
    /// Where they cross, the smallest size first.
    pub crossings: Vec<Crossing>,
}

/// Two rows at one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Bytes of the object.
    pub bytes: u64,
    /// The fixture.
    pub fixture: String,
    /// Rounds that have both rows.
    pub rounds: usize,
    /// How many times as fast the other row is as the one, paired by round.
    pub speed_up: Bounds,
    /// Who is faster; nobody where that is not decided, or where the difference is of no use.
    pub faster: Option<String>,
}

/// A stretch of sizes in which the faster row becomes the slower one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crossing {
    /// Who is faster below.
    pub below: String,
    /// Who is faster above.
    pub above: String,
    /// The largest size at which the one is certainly faster, and the smallest at which the other is.
    pub between: (u64, u64),
    /// Where the measured ratios themselves go through one, on a straight line between two sizes, both in logarithms.
    pub about: u64,
}

impl Duel {
    /// Who is faster wherever that is decided, where nothing crosses; nobody where nothing is decided.
    pub fn always(&self) -> Option<&str> {
        let mut decided = self.points.iter().filter_map(|point| point.faster.as_deref());
        let first = decided.next()?;
        decided.all(|other| other == first).then_some(first)
    }
}

/// Each pair of these rows of a workload, over all runs: of each size and condition the newest run that has both rows
/// counts. Fixtures of several files are left out, since their files are of several sizes.
pub fn duels(runs: &[Run], workload: &str, rows: &[String]) -> Vec<Duel> {
    let mut newest: Vec<&Run> = runs.iter().collect();
    newest.sort_by(|a, b| (&b.header.started, &b.header.id).cmp(&(&a.header.started, &a.header.id)));
    let mut duels = Vec::new();
    for (at, one) in rows.iter().enumerate() {
        for other in &rows[at + 1..] {
            let mut found: BTreeMap<String, BTreeMap<u64, Point>> = BTreeMap::new();
            for run in &newest {
                for (number, plan) in run.header.plan.iter().enumerate() {
                    if plan.workload != workload || plan.fixture.files != 1 {
                        continue;
                    }
                    if let Some(point) = point(run, number, plan, (one, other)) {
                        let of_condition = found.entry(words(&plan.condition)).or_default();
                        of_condition.entry(point.bytes).or_insert(point);
                    }
                }
            }
            duels.extend(found.into_iter().map(|(condition, points)| {
                let points: Vec<Point> = points.into_values().collect();
                let crossings = crossings(&points);
                let (workload, one, other) = (workload.to_owned(), one.clone(), other.clone());
                Duel { workload, condition, one, other, points, crossings }
            }));
        }
    }
    duels
}

fn words(condition: &Condition) -> String {
    condition.to_string()
}

fn point(run: &Run, number: usize, plan: &Plan, (one, other): (&str, &str)) -> Option<Point> {
    let walls = |row: &str| -> BTreeMap<u32, f64> {
        let of_row =
            |sample: &&crate::record::Sample| sample.plan == number && sample.pass == "wall" && sample.variant == row;
        run.samples.iter().filter(of_row).map(|sample| (sample.round, sample.reading.wall_ns as f64)).collect()
    };
    let (ones, others) = (walls(one), walls(other));
    let pairs: Vec<(f64, f64)> = ones.iter().filter_map(|(round, wall)| Some((*wall, *others.get(round)?))).collect();
    let speed_up = speed_up(&pairs)?;
    let faster = match Verdict::of(&speed_up, pairs.len()) {
        Verdict::Faster => Some(other.to_owned()),
        Verdict::Slower => Some(one.to_owned()),
        Verdict::NoPracticalChange | Verdict::NotDecided | Verdict::TooFewRounds => None,
    };
    let (bytes, fixture) = (plan.fixture.bytes, plan.fixture.name.clone());
    Some(Point { bytes, fixture, rounds: pairs.len(), speed_up: speed_up.into(), faster })
}

/// Where the faster row changes, by points in the order of their sizes.
fn crossings(points: &[Point]) -> Vec<Crossing> {
    let decided: Vec<usize> = (0..points.len()).filter(|at| points[*at].faster.is_some()).collect();
    let changes = decided.windows(2).filter(|two| points[two[0]].faster != points[two[1]].faster);
    changes
        .filter_map(|two| {
            let stretch = &points[two[0]..=two[1]];
            let (first, last) = (stretch.first()?, stretch.last()?);
            let about = stretch.windows(2).find_map(|two| through_one(&two[0], &two[1]))?;
            let (below, above) = (first.faster.clone()?, last.faster.clone()?);
            Some(Crossing { below, above, between: (first.bytes, last.bytes), about })
        })
        .collect()
}

/// The size between these two at which the ratio is one, if it is on different sides of that.
fn through_one(from: &Point, to: &Point) -> Option<u64> {
    let (before, after) = (from.speed_up.mid.ln(), to.speed_up.mid.ln());
    if before.signum() == after.signum() {
        return None;
    }
    let (low, high) = ((from.bytes.max(1) as f64).ln(), (to.bytes.max(1) as f64).ln());
    let at = (low + (high - low) * before / (before - after)).exp().round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between two sizes")]
    let at = at as u64;
    Some(at.clamp(from.bytes, to.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};

    const ROWS: [&str; 2] = ["memory", "stream"];

    /// A run on objects of these sizes, where `stream` takes so many times as long as `memory`, give or take.
    fn run(started: &str, sizes: &[(u64, f64)], noise: f64) -> Run {
        let mut header = header_of(&ROWS);
        header.started = started.to_owned();
        let plan = header.plan.remove(0);
        let mut samples = Vec::new();
        for (at, (bytes, times)) in sizes.iter().enumerate() {
            let mut plan = plan.clone();
            plan.fixture.name = format!("object-{bytes}");
            plan.fixture.files = 1;
            plan.fixture.bytes = *bytes;
            header.plan.push(plan);
            for round in 0..10u32 {
                let sway = 1.0 + noise * (f64::from(round) / 4.5 - 1.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in nanoseconds")]
                let walls = [1e6, 1e6 * times * sway].map(|ns| ns as u64);
                for (row, wall) in ROWS.iter().zip(walls) {
                    let mut one = sample(row, round, wall);
                    one.plan = at;
                    samples.push(one);
                }
            }
        }
        let (absent, failed, beside, notes) = Default::default();
        Run { header, samples, absent, failed, beside, notes, end: None }
    }

    fn duel(runs: &[Run]) -> Duel {
        let mut found = duels(runs, "restore", &ROWS.map(str::to_owned));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_crossing_lies_where_the_faster_row_changes() {
        let found = duel(&[run("a", &[(1 << 10, 2.0), (1 << 20, 0.5), (1 << 30, 0.4)], 0.01)]);
        assert_eq!(found.crossings.len(), 1);
        let Crossing { below, above, between, about } = &found.crossings[0];
        assert_eq!((below.as_str(), above.as_str(), *between), ("memory", "stream", (1 << 10, 1 << 20)));
        // Twice and half are as far from one as each other, so that it is the middle in logarithms.
        assert!((30_000..36_000).contains(about), "{about}");
        assert_eq!(found.always(), None);
    }

    #[test]
    fn what_is_not_decided_widens_the_stretch() {
        let sizes = [(1 << 10, 2.0), (1 << 15, 1.0), (1 << 20, 0.5)];
        let mut runs = [run("a", &sizes, 0.01)];
        for sample in &mut runs[0].samples {
            if sample.plan == 1 && sample.variant == "stream" {
                sample.reading.wall_ns = if sample.round % 2 == 0 { 600_000 } else { 1_500_000 };
            }
        }
        let found = duel(&runs);
        assert_eq!(found.points[1].faster, None);
        assert_eq!(found.crossings[0].between, (1 << 10, 1 << 20));
    }

    #[test]
    fn where_nothing_crosses_one_is_faster_everywhere() {
        let found = duel(&[run("a", &[(1, 0.5), (10, 1.0), (100, 0.5)], 0.01)]);
        assert_eq!((found.crossings.len(), found.always()), (0, Some("stream")));
        let open = duel(&[run("a", &[(1, 1.0), (10, 1.0)], 0.01)]);
        assert_eq!((open.crossings.len(), open.always()), (0, None));
    }

    #[test]
    fn they_may_cross_twice() {
        let found = duel(&[run("a", &[(1, 0.5), (10, 2.0), (100, 0.5)], 0.01)]);
        let ways: Vec<(&str, u64)> = found.crossings.iter().map(|one| (one.below.as_str(), one.between.1)).collect();
        assert_eq!(ways, [("stream", 10), ("memory", 100)]);
    }

    #[test]
    fn of_each_size_the_newest_run_counts() {
        let runs = [
            run("2026-11-20", &[(1 << 10, 2.0), (1 << 20, 0.5)], 0.01),
            run("2026-11-21", &[(1 << 20, 3.0)], 0.01),
            run("2026-11-19", &[(1 << 20, 0.1), (1 << 30, 0.5)], 0.01),
        ];
        let found = duel(&runs);
        let faster: Vec<_> = found.points.iter().map(|point| point.faster.as_deref().unwrap()).collect();
        assert_eq!(faster, ["memory", "memory", "stream"]);
        assert_eq!(found.crossings[0].between, (1 << 20, 1 << 30));
    }

    #[test]
    fn trees_and_other_workloads_are_left_out() {
        let mut tree = run("a", &[(1 << 10, 2.0)], 0.01);
        tree.header.plan[0].fixture.files = 2;
        assert_eq!(duels(&[tree], "restore", &ROWS.map(str::to_owned)), []);
        let other = run("a", &[(1 << 10, 2.0)], 0.01);
        assert_eq!(duels(&[other], "erasure", &ROWS.map(str::to_owned)), []);
    }
}
