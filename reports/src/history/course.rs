//! What a history did: nothing, a step, or a creep; in the numbers that its runs have.

use super::Point;
use crate::stats::change_points;
use serde::Serialize;

/// The same history gives the same course each time.
const SEED: u64 = 1;

/// What a history did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Course {
    /// Nothing that chance would not do.
    Flat,
    /// It moved at once.
    Steps {
        /// Where, in the order of the runs.
        steps: Vec<Step>,
    },
    /// It moved a little with each run.
    Creep(Creep),
}

/// The level of a history changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The first run after it, as a place among the points.
    pub at: usize,
    /// That run's name.
    pub run: String,
    /// The level before.
    pub before: f64,
    /// The level from there on.
    pub after: f64,
    /// How likely a history without this step is to show one; counts do not stray, so theirs is 0.
    pub p: f64,
}

/// A history that moves with each run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Creep {
    /// Whether it moves by a share of its value; where a value is zero there are no shares, and it moves by so much.
    pub as_share: bool,
    /// By how much with each run.
    pub each: f64,
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
    /// By how much from the first run to the last.
    pub whole: f64,
    /// How likely it is to see so much of a trend in runs that have none.
    pub p: f64,
}

impl Course {
    /// What these runs did, the oldest first. Of what is `exact`, each new value that came to stay is a step.
    pub fn of(points: &[Point], exact: bool) -> Course {
        let values: Vec<f64> = points.iter().map(|point| point.value.mid).collect();
        let step =
            |at: usize, before: f64, after: f64, p: f64| Step { at, run: points[at].run.clone(), before, after, p };
        if let Some(changes) = came_to_stay(&values).filter(|_| exact) {
            let steps = changes.into_iter().map(|at| step(at, values[at - 1], values[at], 0.0)).collect();
            return Course::Steps { steps };
        }
        let scale = Scale::of(&values);
        let scaled: Vec<f64> = values.iter().map(|value| scale.there(*value)).collect();
        match change_points::course(&scaled, SEED) {
            change_points::Course::Flat => Course::Flat,
            change_points::Course::Steps(changes) => Course::Steps {
                steps: changes
                    .iter()
                    .map(|change| step(change.at, scale.back(change.before), scale.back(change.after), change.p))
                    .collect(),
            },
            change_points::Course::Creep(trend) => Course::Creep(Creep {
                as_share: scale == Scale::Shares,
                each: scale.change(trend.slope.mid),
                low: scale.change(trend.slope.low),
                high: scale.change(trend.slope.high),
                whole: scale.change(trend.slope.mid * (points.len() - 1) as f64),
                p: trend.p,
            }),
        }
    }

    /// By how much it moved in all, upwards if positive: what sorts histories.
    pub fn moved(&self) -> f64 {
        match self {
            Course::Flat => 0.0,
            Course::Steps { steps } => {
                let (first, last) =
                    (steps.first().map_or(0.0, |one| one.before), steps.last().map_or(0.0, |one| one.after));
                if first > 0.0 { last / first - 1.0 } else { last - first }
            }
            Course::Creep(creep) => creep.whole,
        }
    }
}

impl Step {
    /// By which share the level changed; none where it was zero.
    pub fn share(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.after / self.before - 1.0)
    }
}

/// Where the value changed, if no value ever came back and there are few: one that comes back came by chance, and one
/// that is new in every other run creeps.
fn came_to_stay(values: &[f64]) -> Option<Vec<usize>> {
    let changes: Vec<usize> = (1..values.len()).filter(|at| values[*at].total_cmp(&values[at - 1]).is_ne()).collect();
    let came_back = |at: &usize| values[..*at].iter().any(|before| before.total_cmp(&values[*at]).is_eq());
    (!changes.is_empty() && 4 * changes.len() <= values.len() && !changes.iter().any(came_back)).then_some(changes)
}

/// On which scale changes are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Logarithms: a change is a share, and creeps add up.
    Shares,
    /// The values themselves.
    Plain,
}

impl Scale {
    fn of(values: &[f64]) -> Scale {
        if values.iter().all(|value| *value > 0.0) { Scale::Shares } else { Scale::Plain }
    }

    fn there(self, value: f64) -> f64 {
        if self == Scale::Shares { value.ln() } else { value }
    }

    fn back(self, value: f64) -> f64 {
        if self == Scale::Shares { value.exp() } else { value }
    }

    fn change(self, by: f64) -> f64 {
        if self == Scale::Shares { by.exp_m1() } else { by }
    }
}
