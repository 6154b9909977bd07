//! Claims, judged: what was foretold, what was measured, and what that makes of them.

mod evidence;
mod forecast;
mod measure;
#[cfg(test)]
mod tests;
mod told;
mod verdict;

pub(super) use evidence::Evidence;

use super::look::Look;
use super::{ClaimVerdict, Forecast, Judged};
use crate::claims::{Claim, Kind, Ledger, Place, Unit};
use crate::record::Run;
use crate::stats::Verdict;
use crate::summary::Bounds;
use measure::{Inside, measured};

impl Judged {
    /// What was measured, with its unit and its bounds, as a table has it.
    pub fn measured_words(&self) -> Option<String> {
        self.measured.map(|bounds| told::value(&self.claim, &bounds))
    }
}

/// Every claim of the ledgers, in their order, held against the newest runs that have its rows. The runs are of one
/// machine, the newest last.
pub fn judged(runs: &[Run], ledgers: &[Ledger]) -> Vec<Judged> {
    let evidence = Evidence::of(None, runs);
    every(ledgers).map(|(source, claim)| judge(&evidence, source, claim)).collect()
}

/// The claims that one entry of a plan has a part in.
pub(super) fn of_plan(evidence: &Evidence, look: &Look, ledgers: &[Ledger]) -> Vec<Judged> {
    let is_here = |place: &Place| place.workload == look.plan.workload && place.fixture == look.plan.fixture.name;
    let here = every(ledgers).filter(|(_, claim)| claim.part.iter().chain(&claim.job).any(is_here));
    here.map(|(source, claim)| judge(evidence, source, claim)).collect()
}

fn every(ledgers: &[Ledger]) -> impl Iterator<Item = (&str, &Claim)> {
    ledgers.iter().flat_map(|ledger| ledger.claims.iter().map(|claim| (ledger.source.as_str(), claim)))
}

/// What is known of a claim while it is judged.
#[derive(Default)]
struct Known {
    part: Option<Bounds>,
    inside: Option<Bounds>,
    /// Its phases take no time any more.
    vanished: bool,
    /// The share of its phases before, with bounds.
    share: Option<Bounds>,
    forecast: Option<Forecast>,
    forecast_inside: Option<Forecast>,
    measured: Option<Bounds>,
    /// What the data say of the whole's gain.
    whole: Option<Verdict>,
    implied: Option<(f64, f64)>,
    /// Why something is not known.
    lacking: Vec<String>,
    from: Vec<(Place, String)>,
}

fn judge(evidence: &Evidence, source: &str, claim: &Claim) -> Judged {
    let mut known = Known::default();
    let mut verdict = match claim.kind {
        Kind::Unmeasurable => ClaimVerdict::Unmeasurable,
        Kind::Local if compares(claim) => local(evidence, claim, &mut known),
        _ => plain(evidence, claim, &mut known),
    };
    let processors = known.from.iter().filter_map(|(place, _)| Some(evidence.find(place).ok()?.processors())).min();
    if let (Some(needs), Some(has)) = (claim.processors, processors)
        && has < needs
    {
        known.lacking.push(format!("it takes {needs} processors to judge it, and this machine has {has}"));
        verdict = ClaimVerdict::Unmeasured;
    }
    let differ = told::differ(&known);
    let told = told::verdict(claim, verdict, &known);
    let why = told::why(source, claim, verdict, &known);
    Judged {
        source: source.to_owned(),
        claim: claim.clone(),
        part: known.part,
        inside: known.inside,
        differ,
        forecast: known.forecast,
        forecast_inside: known.forecast_inside,
        measured: known.measured,
        implied: known.implied,
        verdict,
        told,
        why,
        from: known.from,
    }
}

fn compares(claim: &Claim) -> bool {
    matches!(claim.claimed.unit, Unit::TimesAsFast | Unit::TimesAsSlow)
}

/// A part's gain: in its own workload, inside the job, and what the whole has of it.
fn local(evidence: &Evidence, claim: &Claim, known: &mut Known) -> ClaimVerdict {
    if let Some(place) = &claim.part {
        known.part = found(evidence, place, claim.claimed.unit, &mut known.lacking, &mut known.from);
    }
    if let Some(place) = &claim.job {
        in_job(evidence, place, claim.claimed.unit, known);
    }
    let Some(local) = known.part.or(known.inside) else {
        return ClaimVerdict::Unmeasured;
    };
    if let (Some(share), Some(whole)) = (&known.share, &known.measured) {
        known.implied = verdict::implied(share, whole, local.mid);
    }
    verdict::of_part(verdict::of(&claim.claimed, &local), known.whole)
}

fn in_job(evidence: &Evidence, place: &Place, unit: Unit, known: &mut Known) {
    let (look, baseline) = match (evidence.find(place), &place.baseline) {
        (Ok(look), Some(baseline)) => (look, baseline),
        (Err(why), _) => return known.lacking.push(why),
        (_, None) => return,
    };
    known.from.push((place.clone(), look.run.header.id.clone()));
    let whole = Place { phases: Vec::new(), ..place.clone() };
    known.measured = measured(look, &whole, unit).ok();
    known.whole = look.gain(baseline, &place.row).map(|(_, verdict)| verdict);
    known.share = measure::of_phases(look, baseline, &place.phases).ok();
    match measure::inside(look, place) {
        Ok(Inside::Factor(bounds)) => known.inside = Some(bounds),
        Ok(Inside::Vanished) => known.vanished = true,
        Err(why) => known.lacking.push(why),
    }
    let foretell = |local: Option<Bounds>| forecast::of_part(look, baseline, &place.phases, local);
    if known.inside.is_some() || known.vanished {
        known.forecast_inside = foretell(known.inside);
    }
    known.forecast = known.part.and_then(|part| foretell(Some(part))).or_else(|| known.forecast_inside.clone());
}

/// A whole, a share, a count or a time: measured in its job, or in its part where it has no job.
fn plain(evidence: &Evidence, claim: &Claim, known: &mut Known) -> ClaimVerdict {
    let unit = claim.claimed.unit;
    if let (Some(place), Some(_)) = (&claim.part, &claim.job) {
        // What a part lacks does not hinder the judgement of the whole.
        let part = found(evidence, place, unit, &mut Vec::new(), &mut known.from);
        known.part = part.filter(|_| unit == Unit::TimesAsFast);
    }
    let Some(place) = claim.job.as_ref().or(claim.part.as_ref()) else {
        return ClaimVerdict::Unmeasured;
    };
    known.measured = found(evidence, place, unit, &mut known.lacking, &mut known.from);
    let Some(measured) = known.measured else {
        return ClaimVerdict::Unmeasured;
    };
    if unit == Unit::TimesAsFast
        && let Ok(look) = evidence.find(place)
    {
        known.forecast = forecast::of_whole(look, place);
    }
    verdict::of(&claim.claimed, &measured)
}

fn found(
    evidence: &Evidence,
    place: &Place,
    unit: Unit,
    lacking: &mut Vec<String>,
    from: &mut Vec<(Place, String)>,
) -> Option<Bounds> {
    let value = evidence.find(place).and_then(|look| Ok((measured(look, place, unit)?, look)));
    match value {
        Ok((bounds, look)) => {
            from.push((place.clone(), look.run.header.id.clone()));
            Some(bounds)
        }
        Err(why) => {
            lacking.push(why);
            None
        }
    }
}
