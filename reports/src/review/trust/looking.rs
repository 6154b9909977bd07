//! How much of the time was seen, and what it cost to look.

use crate::review::look::Look;
use crate::review::words::{list, percent};
use crate::review::{Check, Grade};
use crate::summary::LOOKING_LIMIT;

/// The name of the check on time without a name.
pub(in crate::review) const EXPLAINED: &str = "explained";
/// More than this of a row without a name is worth a note.
const UNNAMED: f64 = 0.10;

pub(super) fn explained(look: &Look, now: Option<&str>) -> Check {
    let seen: Vec<(&str, f64)> =
        look.summary.rows.iter().filter_map(|row| Some((row.name.as_str(), 1.0 - row.named?))).collect();
    let Some((most, share)) = seen.iter().copied().min_by(|a, b| b.1.total_cmp(&a.1)) else {
        return Check::new(EXPLAINED, Grade::Absent, "Nobody looked where the time goes.");
    };
    let of_now = seen.iter().copied().find(|(name, _)| Some(*name) == now && *name != most);
    let end = of_now.map_or(String::new(), |(name, share)| format!("; of {name}, {}", percent(share)));
    let told = format!("{} of the time of {most} has no name{end}.", percent(share));
    let grade = if share > UNNAMED { Grade::Note } else { Grade::Pass };
    let check = Check::new(EXPLAINED, grade, told).with("without a name, at most", share);
    match of_now {
        Some((_, share)) => check.with("without a name, now", share),
        None => check,
    }
}

pub(super) fn observer(look: &Look) -> Check {
    const NAME: &str = "observer";
    let summary = &look.summary;
    if summary.looking.is_empty() {
        return Check::new(NAME, Grade::Absent, "No pass looked; there are wall times only.");
    }
    let each: Vec<String> = summary
        .looking
        .iter()
        .map(|one| format!("the {} pass takes {:.3} of the wall pass", one.pass, one.over_wall.mid))
        .collect();
    let told =
        format!("Looking costs time: {}; marks at most {:.2} % of a row.", list(&each), summary.marks_share * 100.0);
    let mut phases = summary.looking.iter().filter(|one| one.pass == "phases");
    let is_dear = phases.any(|one| one.over_wall.mid > LOOKING_LIMIT) || summary.marks_share > LOOKING_LIMIT - 1.0;
    let check = if is_dear {
        Check::new(NAME, Grade::Note, told + " What was seen is not quite what was timed.")
    } else {
        Check::new(NAME, Grade::Pass, told)
    };
    let check = check.with("marks, at most", summary.marks_share);
    summary.looking.iter().fold(check, |check, one| check.with(&one.pass, one.over_wall.mid))
}
