//! The one place where a clock runs. Profilers find it by name.

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use reports::record::{PhaseReading, Reading};
use technique::{Clock, Lap, Prepared, Times, Trace};

/// Runs the work once under the clock.
#[inline(never)]
pub fn measured(prepared: &mut dyn Prepared, looking: bool) -> Result<Times> {
    worked(prepared, Lap::start(looking))
}

/// The same, with every mark kept for a flame graph. Its name begins as the other's, so that one rule finds both.
#[inline(never)]
pub fn measured_traced(prepared: &mut dyn Prepared) -> Result<Times> {
    worked(prepared, Lap::traced())
}

/// The same, on a clock of one's choice, which may count instead of telling time.
#[inline(never)]
pub fn measured_on(prepared: &mut dyn Prepared, clock: Clock) -> Result<Times> {
    worked(prepared, Lap::on(clock, true))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "no frame may stand between `measured` and the work, nor in its place")]
fn worked(prepared: &mut dyn Prepared, mut lap: Lap) -> Result<Times> {
    let worked = prepared.work(&mut lap);
    let times = lap.stop();
    worked?;
    Ok(times)
}

/// Runs the work once and reads what it cost. Processor time is read before the clock starts and after it stops.
pub fn reading(prepared: &mut dyn Prepared, looking: bool) -> Result<Reading> {
    let (reading, _) = read_around(|| measured(prepared, looking))?;
    Ok(reading)
}

/// Runs the work once with every mark kept, and reads what it cost.
pub fn reading_traced(prepared: &mut dyn Prepared) -> Result<(Reading, Trace)> {
    let (reading, times) = read_around(|| measured_traced(prepared))?;
    Ok((reading, times.trace.expect("it was asked for")))
}

fn read_around(run: impl FnOnce() -> Result<Times>) -> Result<(Reading, Times)> {
    // The clock looks into /sys the first time, to choose itself; that is not part of the work.
    Clock::best();
    let before = Used::now()?;
    let times = run()?;
    let used = Used::now()?.since(&before);
    let reading = Reading {
        wall_ns: u64::try_from(times.wall.as_nanos()).expect("no run lasts 584 years"),
        user_ns: used.user_ns,
        system_ns: used.system_ns,
        involuntary: used.involuntary,
        workers: times.workers,
        phases: times
            .phases
            .iter()
            .map(|time| PhaseReading {
                name: time.phase.name().to_owned(),
                wall_ns: time.wall_ns,
                thread_ns: time.thread_ns,
                marks: time.marks,
            })
            .collect(),
        counts: None,
    };
    Ok((reading, times))
}

/// What this process, all its threads, and the children that it waited for have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Processor time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// The same in the kernel.
    pub system_ns: u64,
    /// How often the processor was given away to wait for something.
    pub voluntary: u64,
    /// How often it was taken away.
    pub involuntary: u64,
    /// Page faults that a disk had to answer.
    pub major_faults: u64,
}

impl Used {
    /// Until now.
    pub fn now() -> Result<Used> {
        let mut used = Used::default();
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
            let usage = getrusage(who)?;
            used.user_ns += count(usage.user_time().num_nanoseconds());
            used.system_ns += count(usage.system_time().num_nanoseconds());
            used.voluntary += count(usage.voluntary_context_switches());
            used.involuntary += count(usage.involuntary_context_switches());
            used.major_faults += count(usage.major_page_faults());
        }
        Ok(used)
    }

    /// What was used since then.
    #[must_use]
    pub fn since(&self, before: &Used) -> Used {
        Used {
            user_ns: self.user_ns.saturating_sub(before.user_ns),
            system_ns: self.system_ns.saturating_sub(before.system_ns),
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use technique::{Calls, Site, phase};

    struct Spin;

    impl Prepared for Spin {
        fn work(&mut self, lap: &mut Lap) -> Result<()> {
            let mut sum = 0u64;
            for i in 0..20_000_000u64 {
                sum = std::hint::black_box(sum + i);
            }
            lap.mark(phase::DECODE);
            Ok(())
        }
        fn settle(&mut self, _: &Site) -> Result<()> {
            Ok(())
        }
        fn calls(&self) -> Option<Calls> {
            None
        }
    }

    #[test]
    fn phases_add_up_to_the_wall_and_spinning_costs_processor_time() {
        let reading = reading(&mut Spin, true).unwrap();
        let sum: f64 = reading.phases.iter().map(|phase| phase.wall_ns).sum();
        assert!((sum / reading.wall_ns as f64 - 1.0).abs() < 0.01);
        assert!(reading.user_ns > 0);
        assert!(super::reading(&mut Spin, false).unwrap().phases.is_empty());
    }
}
