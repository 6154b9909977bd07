//! Counting: workers count together for all to see, as one that writes records would after each of them. Nothing else
//! is done, so that a counter costs as much as it ever can.

use crate::THREADS;
use crate::counter::{Counter, Progress};
use anyhow::{Context, Result};
use std::hint::black_box;
use std::path::PathBuf;
use technique::phase::{PROGRESS, WAIT};
use technique::{Lap, Outcome, Site, Technique};

/// How many counts each entry of the fixture stands for, so that a run is long enough to be timed.
const REPEAT: u64 = 20;

/// Counts.
pub(crate) struct Counting {
    /// How.
    pub(crate) progress: Progress,
}

/// What is to be counted, and what was.
pub(crate) struct Ready {
    counts: u64,
    seen: u64,
}

impl Technique for Counting {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        Ok(Ready { counts: counts(site), seen: 0 })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let counter = Counter::new(self.progress, THREADS);
        let laps = lap.fork(THREADS).into_iter().enumerate();
        let laps = std::thread::scope(|scope| {
            let counter = &counter;
            let counts = ready.counts;
            let threads: Vec<_> = laps
                .map(|(worker, mut lap)| {
                    scope.spawn(move || {
                        lap.mark(WAIT);
                        let own = crate::share_of(counts, worker);
                        for nth in 1..=own {
                            counter.count(worker, black_box(nth), nth);
                        }
                        counter.finish(own);
                        lap.mark(PROGRESS);
                        lap
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("nobody panics while counting")).collect()
        });
        lap.join(laps);
        ready.seen = counter.seen();
        Ok(())
    }

    fn repeats(&self) -> bool {
        true
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        let place = place(site);
        std::fs::write(&place, ready.seen.to_string()).with_context(|| format!("writing {}", place.display()))
    }
}

/// What each run should have counted.
pub(crate) fn expected(site: &Site) -> Outcome {
    state(counts(site))
}

/// What it has counted.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let place = place(site);
    let read = || format!("reading {}", place.display());
    Ok(state(std::fs::read_to_string(&place).with_context(read)?.parse().with_context(read)?))
}

fn state(counted: u64) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.state(b"the counter", "counted", counted.to_string());
    outcome
}

fn counts(site: &Site) -> u64 {
    crate::entries(&site.tally) * REPEAT
}

fn place(site: &Site) -> PathBuf {
    site.target.join("counted")
}
