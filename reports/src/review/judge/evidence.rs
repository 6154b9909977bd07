//! Where the rows of a claim were measured: the newest run that has them, both in the same one.

use crate::claims::Place;
use crate::record::Run;
use crate::review::look::Look;
use crate::review::words::list;

/// Runs of one machine, looked at; the one that a page is about comes first, then the newest.
pub(in crate::review) struct Evidence<'a> {
    looks: Vec<Look<'a>>,
}

impl<'a> Evidence<'a> {
    /// The entry of a plan that is asked about, and further runs, the newest last.
    pub(in crate::review) fn of(first: Option<(&'a Run, usize)>, others: &'a [Run]) -> Evidence<'a> {
        let is_first =
            |run: &Run, at: usize| first.is_some_and(|(one, plan)| at == plan && one.header.id == run.header.id);
        let others = others.iter().rev().flat_map(|run| (0..run.header.plan.len()).map(move |at| (run, at)));
        let others = others.filter(|(run, at)| !is_first(run, *at));
        Evidence { looks: first.into_iter().chain(others).map(|(run, at)| Look::at(run, at)).collect() }
    }

    /// The look that has all rows of a place; or why there is none.
    pub(super) fn find(&self, place: &Place) -> Result<&Look<'a>, String> {
        let here = self
            .looks
            .iter()
            .filter(|look| look.plan.workload == place.workload && look.plan.fixture.name == place.fixture);
        let rows = || place.baseline.iter().chain([&place.row]);
        if let Some(look) = here.clone().find(|look| rows().all(|row| look.samples(row).is_some())) {
            return Ok(look);
        }
        if !place.built {
            let known = |row: &&String| {
                let plans = self.looks.iter().map(|look| look.plan).filter(|plan| plan.workload == place.workload);
                plans.flat_map(|plan| &plan.variants).any(|variant| variant.name == **row)
            };
            let lacking: Vec<String> =
                rows().filter(|row| !known(row)).map(|row| format!("{}/{row}", place.workload)).collect();
            return Err(format!("still to be built: {}", list(&lacking)));
        }
        for look in here {
            if let Some((row, why)) = rows().find_map(|row| Some((row, look.why_not(row)?))) {
                return Err(format!("no number of {}/{row}: {why}", place.workload));
            }
        }
        Err(format!("no run here has it yet: assay run {}/{} --on {}", place.workload, place.row, place.fixture))
    }
}
