//! What a run's tables come to, in sentences.

use super::range_of;
use super::steps::moved;
use crate::summary::{BAND, Summary};

/// What the first step moved, what that could give the whole, and what it gave.
pub(super) fn answer(summary: &Summary) -> Option<String> {
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

pub(super) fn floor(summary: &Summary) -> Option<String> {
    let fastest = summary.rows.iter().find(|row| row.promises.iter().any(|promise| promise == "verified"))?;
    let floor =
        summary.rows.iter().find(|row| row.over_floor.is_some_and(|times| (times - 1.0).abs() < f64::EPSILON))?;
    Some(format!(
        "the fastest row that verifies, {}, takes {:.2}x the time of {} ({}).",
        fastest.name, fastest.over_floor?, floor.name, floor.what
    ))
}

pub(super) fn looking(summary: &Summary) -> Option<String> {
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
