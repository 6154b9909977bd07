//! What each step of the ladder gave, and what taking a phase away would.

use super::{confidence, number, range_of};
use crate::summary::{Ceiling, Moved, Step};
use crate::table::{Align, Table};

pub(super) fn ladder(steps: &[Step]) -> Option<Table> {
    if steps.is_empty() {
        return None;
    }
    let sure = confidence(steps.iter().map(|step| step.gain.confidence).fold(1.0, f64::min));
    let mut table = Table::new(&[
        ("STEP", Align::Left),
        ("FORETOLD", Align::Right),
        ("GAIN", Align::Right),
        (&sure, Align::Left),
        ("VERDICT", Align::Left),
        ("WHAT MOVED, µs/FILE", Align::Left),
    ]);
    for step in steps {
        let change = step.change.as_ref();
        let predicted = change.map_or(String::new(), |change| format!("{:.2}x", change.predicted));
        let moved = change.map_or(String::new(), |change| moved(&change.phases));
        let gain = format!("{:.2}x", step.gain.mid);
        table.row([step.to.clone(), predicted, gain, range_of(&step.gain, 2), step.verdict.to_owned(), moved]);
    }
    Some(table)
}

pub(super) fn ceilings(ceilings: &[Ceiling]) -> Option<Table> {
    if ceilings.is_empty() {
        return None;
    }
    let sure = confidence(ceilings.iter().map(|ceiling| ceiling.measured.confidence).fold(1.0, f64::min));
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("WITHOUT", Align::Left),
        ("SHARE", Align::Right),
        ("FORETOLD", Align::Right),
        ("TRIED", Align::Right),
        (&sure, Align::Left),
    ]);
    for ceiling in ceilings {
        table.row([
            ceiling.of.clone(),
            ceiling.without.clone(),
            ceiling.share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
            ceiling.at_most.map_or("-".to_owned(), |times| format!("{times:.2}x")),
            format!("{:.2}x", ceiling.measured.mid),
            range_of(&ceiling.measured, 2),
        ]);
    }
    Some(table)
}

/// `decode 13.4 -> 7.6 (1.77x), set up 0.4 -> 9.7`
pub(super) fn moved(phases: &[Moved]) -> String {
    const SHOWN: usize = 3;
    let each = phases.iter().take(SHOWN).map(|phase| {
        let gain = phase.before_us / phase.now_us;
        let gain = if gain > 1.0 && gain.is_finite() { format!(" ({gain:.2}x)") } else { String::new() };
        format!("{} {} -> {}{gain}", phase.name, number(phase.before_us), number(phase.now_us))
    });
    let more = if phases.len() > SHOWN { format!(", and {} more", phases.len() - SHOWN) } else { String::new() };
    each.collect::<Vec<_>>().join(", ") + &more
}
