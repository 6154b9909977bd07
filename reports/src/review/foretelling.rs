//! How far prediction was off: the error of the method itself, over everything that it was tried on.

use super::{Foretelling, Judged, Rung};
use crate::summary::Bounds;

/// Over the claims and the steps that were both foretold and measured; none where there are none.
pub(super) fn of(claims: &[Judged], ladder: &[Rung]) -> Option<Foretelling> {
    let claims = claims
        .iter()
        // A claim that another repeats is one prediction.
        .filter(|one| one.claim.repeats.is_none() && one.claim.claimed.unit.name() == "times as fast")
        .filter_map(|one| Some((one.claim.id.as_str(), one.forecast.as_ref()?.whole.mid, one.measured?)));
    let steps = ladder.iter().filter_map(|rung| Some((rung.name.as_str(), rung.forecast?, rung.gain?)));
    let tried: Vec<(&str, f64, Bounds)> = claims.chain(steps).collect();
    let off = |(_, foretold, measured): &(&str, f64, Bounds)| (foretold / measured.mid).ln().abs().exp_m1();
    let errors: Vec<f64> = tried.iter().map(off).collect();
    let worst = tried.iter().max_by(|a, b| off(a).total_cmp(&off(b)))?;
    let within = tried.iter().filter(|(_, foretold, measured)| (measured.low..=measured.high).contains(foretold));
    Some(Foretelling {
        of: tried.len(),
        within: within.count(),
        median: crate::stats::median(&errors)?,
        worst: off(worst),
        worst_of: worst.0.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_count_alike_in_both_directions() {
        let rung = |name: &str, foretold: f64, low: f64, high: f64| Rung {
            name: name.into(),
            what: String::new(),
            us: (1.0, 1.0),
            gain: Some(Bounds { low, mid: f64::midpoint(low, high), high, confidence: 0.95 }),
            verdict: None,
            forecast: Some(foretold),
            moved: Vec::new(),
            alone: None,
            last: None,
            promises: (Vec::new(), Vec::new()),
        };
        let told = of(&[], &[rung("a", 1.0, 0.9, 1.1), rung("b", 1.25, 0.95, 1.05), rung("c", 0.5, 0.9, 1.1)]).unwrap();
        assert_eq!((told.of, told.within, told.worst_of.as_str()), (3, 1, "c"));
        assert!((told.median - 0.25).abs() < 1e-9 && (told.worst - 1.0).abs() < 1e-9);
        assert_eq!(of(&[], &[]), None);
    }
}
