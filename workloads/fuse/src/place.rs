//! Where server and client run.

use crate::knobs::Place;
use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use technique::Absent;

/// Where a thread was allowed to run.
pub(crate) struct Allowed(CpuSet);

/// Where this thread may run.
pub(crate) fn allowed() -> Result<Allowed> {
    Ok(Allowed(sched_getaffinity(None).context("asking where this may run")?))
}

/// From now on this thread and its heirs stay on a processor.
pub(crate) fn stay_on(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).with_context(|| format!("staying on processor {processor}"))
}

impl Allowed {
    /// The next one to run in this thread finds the processors as they were.
    pub(crate) fn restore(&self) {
        // It was allowed before; if not any more, there is nothing to be done about it.
        let _ = sched_setaffinity(None, &self.0);
    }
}

impl Place {
    /// The processor of the client, and the server's.
    pub(crate) fn processors(self, allowed: &Allowed) -> Result<(Option<usize>, Option<usize>)> {
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|processor| allowed.0.is_set(*processor));
        let first = allowed.next();
        match self {
            Place::Same => Ok((first, first)),
            Place::Free => Ok((None, None)),
            Place::Other => match allowed.next() {
                Some(second) => Ok((first, Some(second))),
                None => {
                    Err(Absent::because("there is only one processor", "run it where there are two, without --pin"))
                }
            },
        }
    }
}
