//! Where a history changed: E-divisive (Matteson & James 2014, *Journal of the American Statistical Association*
//! 109:334).
//!
//! Two stretches of runs differ if values of one lie further from values of the other than from their own kind: the
//! *energy* between them. The split with the most energy is a change if few random orders of the same runs have one
//! with as much; then the stretches on both sides are searched in turn. This asks for no distribution, and finds a
//! change of spread as well as one of level.
//!
//! A creep has no point of change, and comes out as a few steps: [`course`] asks [`super::trend`] too, and says which
//! of the two explains the history better. Its work grows with the square of the runs; a few hundred are quick.

use super::chance::Chance;
use super::median;
use super::trend::{self, Trend};
use std::collections::BTreeMap;

/// A stretch has at least so many runs: three odd runs are no change.
pub const SHORTEST: usize = 4;

/// A change, or a trend, is told if at most this part of flat histories shows as much by chance.
pub const LEVEL: f64 = 0.01;

/// Random orders that a split is held against: enough to tell 1 in 500.
const ORDERS: usize = 499;

/// One change in a history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first run after it.
    pub at: usize,
    /// The middle of the stretch before it.
    pub before: f64,
    /// The middle of the stretch after it.
    pub after: f64,
    /// How likely a history without this change is to show one.
    pub p: f64,
}

/// What a history did.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// Nothing that chance would not do.
    Flat,
    /// It moved at once, here, and is flat between as far as one can tell.
    Steps(Vec<Change>),
    /// It moved a little with each run.
    Creep(Trend),
}

/// What did this history do? Where both steps and a line are found, the one that leaves less unexplained for each run
/// that it does not use up: a line chooses two numbers, and each step two more than the level at the start. Give it
/// logarithms, and steps and slopes are ratios.
pub fn course(values: &[f64], seed: u64) -> Course {
    let changes = find(values, seed);
    let Some(trend) = trend::of(values).filter(|trend| trend.p <= LEVEL) else {
        return if changes.is_empty() { Course::Flat } else { Course::Steps(changes) };
    };
    let free = |chosen: usize| values.len().saturating_sub(chosen).max(1) as f64;
    let splits = changes.iter().map(|change| change.at);
    let by_steps: f64 = stretches(splits, values.len()).iter().map(|(from, to)| unexplained(&values[*from..*to])).sum();
    let level: Vec<f64> = values.iter().enumerate().map(|(run, value)| value - trend.slope.mid * run as f64).collect();
    let line_is_better = unexplained(&level) / free(2) < by_steps / free(1 + 2 * changes.len());
    if changes.is_empty() || line_is_better { Course::Creep(trend) } else { Course::Steps(changes) }
}

/// At which runs did the level or the spread change? In the order of the runs.
pub fn find(values: &[f64], seed: u64) -> Vec<Change> {
    let mut chance = Chance::seeded(seed);
    let mut splits: BTreeMap<usize, f64> = BTreeMap::new();
    loop {
        let stretches = stretches(splits.keys().copied(), values.len());
        let Some(split) = best_of(values, &stretches) else { break };
        let mut shuffled = values.to_vec();
        let mut as_much = 1;
        for _ in 0..ORDERS {
            for (from, to) in &stretches {
                chance.shuffle(&mut shuffled[*from..*to]);
            }
            as_much += usize::from(best_of(&shuffled, &stretches).is_some_and(|other| other.energy >= split.energy));
        }
        let p = f64::from(u32::try_from(as_much).unwrap_or(u32::MAX)) / (ORDERS + 1) as f64;
        if p > LEVEL {
            break;
        }
        splits.insert(split.at, p);
    }
    let stretches = stretches(splits.keys().copied(), values.len());
    let level = |(from, to): (usize, usize)| median(&values[from..to]).expect("a stretch has runs");
    splits
        .iter()
        .zip(stretches.windows(2))
        .map(|((at, p), sides)| Change { at: *at, before: level(sides[0]), after: level(sides[1]), p: *p })
        .collect()
}

/// From where to where each stretch goes.
fn stretches(splits: impl Iterator<Item = usize>, runs: usize) -> Vec<(usize, usize)> {
    let mut from = 0;
    let mut stretches = Vec::new();
    for to in splits.chain([runs]) {
        stretches.push((from, to));
        from = to;
    }
    stretches
}

/// How far values stray from their middle, in all.
fn unexplained(values: &[f64]) -> f64 {
    let middle = median(values).unwrap_or(0.0);
    values.iter().map(|value| (value - middle).abs()).sum()
}

#[derive(Clone, Copy)]
struct Split {
    at: usize,
    energy: f64,
}

fn best_of(values: &[f64], stretches: &[(usize, usize)]) -> Option<Split> {
    stretches
        .iter()
        .filter_map(|(from, to)| best(&values[*from..*to]).map(|split| Split { at: from + split.at, ..split }))
        .max_by(|a, b| a.energy.total_cmp(&b.energy))
}

/// The split of a stretch with the most energy. What comes after the split may end before the stretch does, so that a
/// change that is taken back later does not hide itself.
fn best(values: &[f64]) -> Option<Split> {
    let count = values.len();
    let distances = Distances::of(values);
    let mut best: Option<Split> = None;
    for at in SHORTEST..(count + 1).saturating_sub(SHORTEST) {
        for end in at + SHORTEST..=count {
            let energy = distances.energy(at, end);
            if best.is_none_or(|best| energy > best.energy) {
                best = Some(Split { at, energy });
            }
        }
    }
    best
}

/// Sums of the distances between the first so many values and the first so many others.
struct Distances {
    side: usize,
    sums: Vec<f64>,
}

impl Distances {
    fn of(values: &[f64]) -> Distances {
        let side = values.len() + 1;
        let mut sums = vec![0.0; side * side];
        for (row, one) in values.iter().enumerate() {
            let mut of_row = 0.0;
            for (column, other) in values.iter().enumerate() {
                of_row += (one - other).abs();
                sums[(row + 1) * side + column + 1] = sums[row * side + column + 1] + of_row;
            }
        }
        Distances { side, sums }
    }

    fn sum(&self, rows: usize, columns: usize) -> f64 {
        self.sums[rows * self.side + columns]
    }

    /// The energy between the values before `at` and those from there to `end`, weighed by their number.
    fn energy(&self, at: usize, end: usize) -> f64 {
        let (first, second) = (at as f64, (end - at) as f64);
        let within_first = self.sum(at, at);
        let between = self.sum(at, end) - within_first;
        let within_second = self.sum(end, end) - within_first - 2.0 * between;
        let energy = 2.0 * between / (first * second)
            - within_first / (first * (first - 1.0))
            - within_second / (second * (second - 1.0));
        energy * first * second / (first + second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulated::normal;

    /// Runs with one per cent of noise around a level that depends on the run.
    fn runs(seed: u64, count: usize, level: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut chance = Chance::seeded(seed);
        (0..count).map(|run| level(run) + 0.01 * normal(&mut chance)).collect()
    }

    /// By the definition: the mean distance between the sides, twice, less the mean distances within them.
    #[test]
    fn the_energy_is_that_of_the_paper() {
        let values = [1.0f64, 2.0, 4.0, 9.0, 7.0, 8.0];
        let mean = |of: &[(usize, usize)]| {
            of.iter().map(|(a, b)| (values[*a] - values[*b]).abs()).sum::<f64>() / of.len() as f64
        };
        let between = mean(&[(0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4)]);
        let (first, second) = (mean(&[(0, 1), (0, 2), (1, 2)]), mean(&[(3, 4)]));
        let energy = (2.0 * between - first - second) * 6.0 / 5.0;
        assert!((Distances::of(&values).energy(3, 5) - energy).abs() < 1e-12);
    }

    #[test]
    fn a_step_of_three_per_cent_among_thirty_runs_is_found_where_it_is() {
        let located = (0..50usize)
            .filter(|seed| {
                let at = 8 + seed % 15;
                let Course::Steps(changes) =
                    course(&runs(*seed as u64, 30, |run| if run < at { 0.0 } else { 0.03 }), 1)
                else {
                    return false;
                };
                changes.len() == 1
                    && changes[0].at.abs_diff(at) <= 2
                    && (changes[0].after - changes[0].before - 0.03).abs() < 0.02
            })
            .count();
        assert!(located >= 45, "{located} of 50");
    }

    #[test]
    fn a_change_that_is_taken_back_is_two_changes() {
        let values = runs(3, 40, |run| if (15..25).contains(&run) { 0.04 } else { 0.0 });
        let at: Vec<usize> = find(&values, 1).iter().map(|change| change.at).collect();
        assert!(at.len() == 2 && at[0].abs_diff(15) <= 2 && at[1].abs_diff(25) <= 2, "{at:?}");
    }

    #[test]
    fn a_creep_of_half_a_per_cent_a_run_is_found_and_called_so() {
        let courses: Vec<Course> = (0..50).map(|seed| course(&runs(seed, 20, |run| 0.005 * run as f64), 1)).collect();
        let creeps = courses
            .iter()
            .filter(|course| matches!(course, Course::Creep(trend) if trend.slope.low > 0.0 && !trend.slope.excludes(0.005)))
            .count();
        assert!(courses.iter().all(|course| *course != Course::Flat));
        assert!(creeps >= 45, "{creeps} of 50");
    }

    #[test]
    fn flat_histories_stay_flat() {
        let told = (0..200).filter(|seed| course(&runs(1000 + *seed, 40, |_| 0.0), 1) != Course::Flat).count();
        assert!(told <= 10, "{told} of 200");
    }

    #[test]
    fn short_and_equal_histories_say_nothing_and_the_seed_repeats() {
        assert!(find(&[], 1).is_empty() && find(&[1.0, 5.0, 1.0], 1).is_empty());
        assert_eq!(course(&[2.0; 30], 1), Course::Flat);
        let one_odd = runs(5, 30, |run| if run == 12 { 0.5 } else { 0.0 });
        assert_eq!(course(&one_odd, 1), Course::Flat);
        let values = runs(9, 30, |run| if run < 10 { 0.0 } else { 0.03 });
        assert_eq!(find(&values, 4), find(&values, 4));
    }
}
