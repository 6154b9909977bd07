//! Where the rows of a claim were measured: the newest run that has them, both in the same one.

use crate::claims::Place;
use crate::record::{Plan, Run};
use crate::review::look::Look;
use crate::review::words::list;
use std::cell::OnceCell;

/// Runs of one machine; the one that a page is about comes first, then the newest. What nobody asks for is not looked
/// at: a home holds many runs.
pub(in crate::review) struct Evidence<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    run: &'a Run,
    at: usize,
    look: OnceCell<Look<'a>>,
}

impl<'a> Entry<'a> {
    fn plan(&self) -> &'a Plan {
        &self.run.header.plan[self.at]
    }

    fn look(&self) -> &Look<'a> {
        self.look.get_or_init(|| Look::at(self.run, self.at))
    }
}

impl<'a> Evidence<'a> {
    /// The entry of a plan that is asked about, and further runs, the newest last.
    pub(in crate::review) fn of(first: Option<(&'a Run, usize)>, others: &'a [Run]) -> Evidence<'a> {
        let is_first =
            |run: &Run, at: usize| first.is_some_and(|(one, plan)| at == plan && one.header.id == run.header.id);
        let others = others.iter().rev().flat_map(|run| (0..run.header.plan.len()).map(move |at| (run, at)));
        let others = others.filter(|(run, at)| !is_first(run, *at));
        let entry = |(run, at)| Entry { run, at, look: OnceCell::new() };
        Evidence { entries: first.into_iter().chain(others).map(entry).collect() }
    }

    /// The look that has all rows of a place; or why there is none.
    pub(super) fn find(&self, place: &Place) -> Result<&Look<'a>, String> {
        let is_here =
            |entry: &&Entry| entry.plan().workload == place.workload && entry.plan().fixture.name == place.fixture;
        let here = self.entries.iter().filter(is_here);
        let rows = || place.baseline.iter().chain([&place.row]);
        if let Some(entry) = here.clone().find(|entry| rows().all(|row| entry.look().samples(row).is_some())) {
            return Ok(entry.look());
        }
        if !place.built {
            return Err(format!("still to be built: {}", self.unbuilt(place)));
        }
        for entry in here {
            if let Some((row, why)) = rows().find_map(|row| Some((row, entry.look().why_not(row)?))) {
                return Err(format!("no number of {}/{row}: {why}", place.workload));
            }
        }
        Err(format!("no run here has it yet: assay run {}/{} --on {}", place.workload, place.row, place.fixture))
    }

    /// The rows of a place that no plan has; where that is not known, the whole of it.
    fn unbuilt(&self, place: &Place) -> String {
        let plans = || self.entries.iter().map(Entry::plan).filter(|plan| plan.workload == place.workload);
        let known = |row: &str| plans().flat_map(|plan| &plan.variants).any(|variant| variant.name == row);
        let rows = place.baseline.iter().chain([&place.row]).filter(|row| !known(row));
        let rows: Vec<String> = rows.map(|row| format!("{}/{row}", place.workload)).collect();
        if plans().next().is_none() || rows.is_empty() { super::told::at(place) } else { list(&rows) }
    }
}
