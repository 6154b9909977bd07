//! The `cpu` kind: a signal at the kernel's tick, and stacks that the process unwinds itself.
//!
//! There is no list of libraries whose samples are dropped: in a system call the interrupted place lies in libc, and
//! such a list would drop nearly all of them. Stacks are walked by unwind tables, and by frame pointers where there are
//! none, as in the assembly of BLAKE3; libgcc's walker ends there.

use super::fold::from_the_work;
use super::names::Names;
use anyhow::{Context, Result};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};
use rustix::process::{Signal, getpid, kill_process};
use std::collections::BTreeMap;

/// The kernel's tick drives the timer: where it is 250 a second, more cannot be had.
const PER_SECOND: i32 = 249;
/// Nanoseconds of processor time between two signals.
pub(crate) const PERIOD_NS: u64 = 1_000_000_000 / PER_SECOND.unsigned_abs() as u64;

/// A profiler that runs.
pub(crate) struct Ticks(ProfilerGuard<'static>);

/// What it saw.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    /// Nanoseconds by stack.
    pub(crate) stacks: BTreeMap<String, u64>,
    /// Stacks in all.
    pub(crate) samples: u64,
    /// Those that lead to the work.
    pub(crate) reached: u64,
}

impl Ticks {
    /// Begins.
    pub(crate) fn begin() -> Result<Ticks> {
        let guard = ProfilerGuardBuilder::default().frequency(PER_SECOND).build().context("starting pprof")?;
        // The first signal makes the walker read its tables, which takes memory: it must not come while this program
        // takes memory itself. This one comes before the work, and `end` leaves it out.
        kill_process(getpid(), Signal::PROF).context("sending the first signal")?;
        Ok(Ticks(guard))
    }

    /// Ends, and puts the stacks together.
    pub(crate) fn end(self) -> Result<Ticked> {
        let report = self.0.report().build_unresolved().context("reading what pprof saw")?;
        drop(self.0);
        let mut names = Names::here();
        let mut ticked = Ticked::default();
        for (stack, count) in &report.data {
            let count = u64::try_from(*count).unwrap_or(0);
            let frames = names.user_stack(stack.frames.iter().map(|frame| frame.ip as u64));
            // What is not the work's but this instrument's own.
            if frames.iter().any(|frame| frame.contains("flame::ticks")) {
                continue;
            }
            let frames = match from_the_work(&frames) {
                Some(inner) => {
                    ticked.reached += count;
                    inner
                }
                None => std::iter::once("[broken stack]".to_owned()).chain(frames).collect(),
            };
            ticked.samples += count;
            *ticked.stacks.entry(frames.join(";")).or_default() += count * PERIOD_NS;
        }
        Ok(ticked)
    }
}
