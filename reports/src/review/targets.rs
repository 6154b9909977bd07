//! What could still be gained: each phase, and the whole without it.

use super::Target;
use super::look::{Look, in_phase};
use crate::summary::{Bounds, Row};

/// Each phase of the baseline and of the row that stands for now, the one with the highest ceiling now first.
pub(super) fn of(look: &Look, now: Option<&str>) -> Vec<Target> {
    let start = look.baseline().filter(|row| !row.phases.is_empty());
    let now = now.and_then(|name| look.row(name)).filter(|row| !row.phases.is_empty());
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in start.iter().chain(&now).flat_map(|row| &row.phases) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let ceiling = |row: Option<&Row>, phase: &str| {
        let row = row?;
        let (whole, part) = (row.us_per_file.mid, in_phase(row, phase));
        Some((part, whole / (whole - part).max(f64::MIN_POSITIVE)))
    };
    let mut targets: Vec<Target> = names
        .into_iter()
        .map(|phase| Target {
            phase: phase.to_owned(),
            start: ceiling(start, phase),
            now: ceiling(now, phase),
            tried: now.and_then(|row| tried(look, &row.name, phase)),
            tried_at_start: start.and_then(|row| tried(look, &row.name, phase)),
        })
        .collect();
    let height = |target: &Target| target.now.or(target.start).map_or(0.0, |(us, _)| us);
    targets.sort_by(|a, b| height(b).total_cmp(&height(a)).then_with(|| a.phase.cmp(&b.phase)));
    targets
}

/// What came when a stub took the phase away from the row.
fn tried(look: &Look, row: &str, phase: &str) -> Option<Bounds> {
    let mut ceilings = look.summary.ceilings.iter();
    ceilings.find(|ceiling| ceiling.of == row && ceiling.without == phase).map(|ceiling| ceiling.measured)
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    #[test]
    fn a_ceiling_is_total_over_total_less_phase_now_and_at_the_start() {
        let run = Made::rows(&[("gzip", &[("decode", 50.0), ("write", 40.0), ("rest", 10.0)])])
            .row("zstd", &[("decode", 10.0), ("write", 40.0), ("rest", 10.0)])
            .stub("zstd-no-write", "zstd", "write", &[("decode", 10.0), ("rest", 10.0)])
            .run();
        let targets = of(&Look::at(&run, 0), Some("zstd"));
        let order: Vec<&str> = targets.iter().map(|target| target.phase.as_str()).collect();
        assert_eq!(order, ["write", "decode", "rest"]);
        let near = |got: Option<(f64, f64)>, wanted: (f64, f64)| {
            let got = got.unwrap();
            assert!((got.0 - wanted.0).abs() < 1e-6 && (got.1 - wanted.1).abs() < 1e-6, "{got:?}, {wanted:?}");
        };
        near(targets[0].now, (40.0, 60.0 / 20.0));
        near(targets[1].start, (50.0, 2.0));
        near(targets[1].now, (10.0, 60.0 / 50.0));
        assert!((targets[0].tried.unwrap().mid - 3.0).abs() < 1e-6);
        assert!(targets[0].tried_at_start.is_none() && targets[1].tried.is_none());
    }
}
