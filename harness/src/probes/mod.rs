//! The counts pass: instruments that count, and do not time, switched on around [`measured`] alone.
//!
//! Instruments are opened before the work gets ready, so that every thread inherits them. They look once before and
//! once after; between the two stand only the switch, the allocator's flag, and the work.

pub mod alloc;
pub mod calls;
pub mod hold;
pub mod places;
pub mod traced;

mod hardware;
mod process;

pub(crate) use process::peak_bytes;

use crate::measured::measured;
use anyhow::Result;
use reports::record::{CALLS, Counted, Counts, Reading};
use technique::{Clock, Prepared, Times};

/// An instrument of the counts pass: one row of the table.
pub struct Probe {
    /// What the doctor calls it.
    pub name: &'static str,
    /// What it counts, as records name it.
    pub counts: &'static [&'static str],
    /// Opens it, or says why it cannot be had here.
    pub open: fn() -> Result<Box<dyn Instrument>, Missing>,
    /// Whether it can be had here; cheaper than opening it, where closing is dear.
    pub possible: fn() -> Result<(), Missing>,
    /// Why its counts mean nothing in a process that is stopped at each call, where that is so.
    pub spoilt_by_tracing: Option<&'static str>,
    /// Whether it sees what other programs do that the work starts.
    pub sees_children: bool,
}

impl Probe {
    fn counts_calls(&self) -> bool {
        self.counts == [CALLS]
    }
}

const STOPS: &str = "calls were counted by stopping the process at each, and that is not the work's own doing";

/// All instruments. They start in this order, and stop in the opposite one: those that count their neighbours stand
/// inside.
pub static PROBES: &[Probe] = &[
    Probe {
        name: "peak memory",
        counts: process::PEAK,
        open: process::peak,
        possible: || process::peak().map(drop),
        spoilt_by_tracing: None,
        sees_children: false,
    },
    Probe {
        name: "bytes read and written",
        counts: process::BYTES,
        open: process::bytes,
        possible: || process::bytes().map(drop),
        spoilt_by_tracing: None,
        sees_children: true,
    },
    Probe {
        name: "page faults",
        counts: process::FAULTS,
        open: process::faults,
        possible: || process::faults().map(drop),
        spoilt_by_tracing: None,
        sees_children: true,
    },
    Probe {
        name: "processor time, switches",
        counts: process::TIMES,
        open: process::times,
        possible: || process::times().map(drop),
        spoilt_by_tracing: Some(STOPS),
        sees_children: true,
    },
    Probe {
        name: "hardware counters",
        counts: hardware::NAMES,
        open: hardware::open,
        possible: || hardware::open().map(drop),
        spoilt_by_tracing: None,
        sees_children: true,
    },
    Probe {
        name: "system calls",
        counts: &[CALLS],
        open: calls::open,
        possible: calls::possible,
        spoilt_by_tracing: Some("the process that traces this one counts them"),
        sees_children: true,
    },
    Probe {
        name: "allocations",
        counts: &["allocations", "allocated_bytes"],
        open: allocations,
        possible: || allocations().map(drop),
        spoilt_by_tracing: None,
        sees_children: false,
    },
];

/// What counts.
pub trait Instrument {
    /// Looks before the work. What is switched by `switch` has nothing to do here.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }
    /// Looks after the work.
    fn stop(&mut self) -> Result<()> {
        Ok(())
    }
    /// Writes down what it counted.
    fn read(&mut self, counts: &mut Counts) -> Result<()>;
}

/// Why an instrument cannot be had here, and how to mend it.
#[derive(Clone, Debug)]
pub struct Missing {
    /// What is missing.
    pub why: String,
    /// What to do about it.
    pub mend: String,
}

impl Missing {
    /// Both sentences.
    pub fn new(why: impl Into<String>, mend: impl Into<String>) -> Missing {
        Missing { why: why.into(), mend: mend.into() }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.why, self.mend)
    }
}

/// All instruments that can be had, open.
pub struct Probes(Vec<Opened>);

/// An instrument, or why there is none.
type Opened = (&'static Probe, Result<Box<dyn Instrument>, String>);

impl Probes {
    /// Opens all of them. Threads that exist already are not seen by all of them.
    pub fn open() -> Probes {
        Probes(PROBES.iter().map(|probe| (probe, (probe.open)().map_err(|missing| missing.to_string()))).collect())
    }

    /// Opens all but those that count system calls, for this reason.
    pub fn open_without_calls(why: &str) -> Probes {
        let Probes(mut open) = Probes::open();
        for (_, counter) in open.iter_mut().filter(|(probe, _)| probe.counts_calls()) {
            *counter = Err(why.to_owned());
        }
        Probes(open)
    }

    /// Opens those that a process that is stopped at each call can trust.
    pub fn open_while_traced() -> Probes {
        let open = |probe: &Probe| match probe.spoilt_by_tracing {
            Some(why) => Err(why.to_owned()),
            None => (probe.open)().map_err(|missing| missing.to_string()),
        };
        Probes(PROBES.iter().map(|probe| (probe, open(probe))).collect())
    }

    /// Why system calls cannot be counted by these; none if they can.
    pub fn without_calls(&self) -> Option<&str> {
        self.0.iter().find(|(probe, _)| probe.counts_calls())?.1.as_ref().err().map(String::as_str)
    }

    /// Runs the work once, with the instruments on around [`measured`] and nothing else.
    pub fn counting(&mut self, prepared: &mut dyn Prepared) -> Result<Reading> {
        // The clock looks into /sys the first time, to choose itself; that is not part of the work.
        Clock::best();
        let before = process::faults_of_children()?;
        for instrument in self.0.iter_mut().filter_map(|(_, open)| open.as_mut().ok()) {
            instrument.start()?;
        }
        let times = between_switches(|| measured(prepared, false));
        for instrument in self.0.iter_mut().rev().filter_map(|(_, open)| open.as_mut().ok()) {
            instrument.stop()?;
        }
        let times = times?;
        let children = process::faults_of_children()? > before;
        let counts = self.read(children)?;
        let ns = |name: &str| counts.number(name).unwrap_or(0);
        Ok(Reading {
            wall_ns: u64::try_from(times.wall.as_nanos()).expect("no run lasts 584 years"),
            user_ns: ns("user_ns"),
            system_ns: ns("system_ns"),
            involuntary: ns("switches_involuntary"),
            workers: times.workers,
            phases: Vec::new(),
            counts: Some(Box::new(counts)),
        })
    }

    fn read(&mut self, children: bool) -> Result<Counts> {
        let mut counts = Counts::default();
        for (probe, open) in &mut self.0 {
            let why = match open {
                Ok(_) if children && !probe.sees_children => "the work was done by another program".to_owned(),
                Ok(instrument) => {
                    instrument.read(&mut counts)?;
                    continue;
                }
                Err(why) => why.clone(),
            };
            for name in probe.counts {
                counts.absent(name, &why);
            }
        }
        Ok(counts)
    }
}

/// The bracket. A counter that the kernel keeps begins as the first switch returns, and has seen the second one once.
fn between_switches(work: impl FnOnce() -> Result<Times>) -> Result<Times> {
    switch(true);
    alloc::count(true);
    let times = work();
    alloc::count(false);
    switch(false);
    times
}

/// Switches all counters that the kernel keeps for this thread and its heirs, by one system call. The process that
/// traces this one, where there is one, knows the bracket by the same call.
fn switch(on: bool) {
    // A kernel without such counters refuses; then none was opened, and a tracer has seen the call all the same.
    let _ = rustix::process::configure_performance_counters(on);
}

struct Allocations {
    before: alloc::Asked,
}

#[expect(clippy::unnecessary_wraps, reason = "a row of the table, and the others can fail")]
fn allocations() -> Result<Box<dyn Instrument>, Missing> {
    Ok(Box::new(Allocations { before: alloc::Asked::default() }))
}

impl Instrument for Allocations {
    fn start(&mut self) -> Result<()> {
        self.before = alloc::asked();
        Ok(())
    }

    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        let now = alloc::asked();
        let numbers = [
            ("allocations", now.allocations - self.before.allocations),
            ("allocated_bytes", now.bytes - self.before.bytes),
        ];
        for (name, number) in numbers {
            counts.values.insert(name.to_owned(), Counted::Present(number));
        }
        Ok(())
    }
}
