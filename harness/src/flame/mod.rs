//! The flame pass: where the time goes, down to the function, on the processor and off it.
//!
//! Four kinds of graph, one instrument and one run each, for no single instrument sees a job that lives in system
//! calls and waiting:
//!
//! | kind | instrument | blind to |
//! |---|---|---|
//! | `cpu` | `pprof`: a signal at the kernel's tick, stacks unwound in the process | kernel, waiting, phases |
//! | `kernel` | the kernel's `cpu-clock` event with call chains, 1,988 times a second of processor time | waiting |
//! | `off` | the kernel's context-switch event with call chains; weight: until the thread runs again | what computes |
//! | `wall` | the two above together: every moment of every thread | what happens between two samples |
//!
//! The kernel stamps its events with the monotonic clock, and the stopwatch of a flame pass keeps each mark with its
//! moment ([`technique::Trace`]): so a sample's phase is looked up afterwards, no signal reads it, and the same log
//! draws the time line. A timer signal for each thread would agree as well, but it interrupts system calls, sees no
//! kernel stack, and needs a thread's own start-up code.

pub mod draw;
pub mod export;
pub mod show;
pub mod trust;

pub(crate) mod fold;
pub(crate) mod gather;
pub(crate) mod names;
pub(crate) mod take;
pub(crate) mod ticks;
pub(crate) mod walk;
pub(crate) mod watch;

pub use take::take;

use reports::record::PhaseReading;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a flame graph is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// User stacks of what computes
    Cpu,
    /// The same with the kernel's frames
    Kernel,
    /// Stacks of what waits
    Off,
    /// Every moment of every thread, computing or waiting
    Wall,
}

impl Kind {
    /// All of them, from the narrowest to the whole.
    pub const ALL: [Kind; 4] = [Kind::Cpu, Kind::Kernel, Kind::Off, Kind::Wall];

    /// The word by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu",
            Kind::Kernel => "kernel",
            Kind::Off => "off",
            Kind::Wall => "wall",
        }
    }

    /// What the graph shows.
    pub fn shows(self) -> &'static str {
        match self {
            Kind::Cpu => "which functions of this program compute",
            Kind::Kernel => "what runs on the processor, by phase, down into the kernel",
            Kind::Off => "what threads wait for, by phase; [preempted] waits for a free processor",
            Kind::Wall => "every moment of every thread, by phase: [on-cpu] and [off-cpu]",
        }
    }

    /// What the graph cannot show.
    pub fn cannot(self) -> &'static str {
        match self {
            Kind::Cpu => "the kernel (a system call shows as its caller), waiting, phases, other programs",
            Kind::Kernel => "waiting, and the user frames of other programs",
            Kind::Off => "what computes, threads that no stopwatch follows, other programs",
            Kind::Wall => "what happens between two samples, threads that no stopwatch follows, other programs",
        }
    }
}

/// What one run left: stacks, and what is needed to trust them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Nanoseconds by stack; frames are separated by semicolons, the outermost first.
    pub stacks: BTreeMap<String, u64>,
    /// How many stacks the instrument took on a processor.
    pub samples: u64,
    /// How many it took where a thread left one.
    pub waits: u64,
    /// How many samples it was asked for: processor time times rate. Every wait is taken, so none is asked for.
    pub requested: Option<u64>,
    /// How many the kernel had no room for.
    pub lost: u64,
    /// Stacks of this program's own threads; of another program's there is no way to see more than the kernel.
    pub own: u64,
    /// How many of those lead to `measured`, or to the start of a thread that works for it.
    pub reached: u64,
    /// Wall time of the run.
    pub wall_ns: u64,
    /// Wall time summed over the threads that carry a stopwatch.
    pub thread_ns: u64,
    /// Processor time.
    pub cpu_ns: u64,
    /// What the stopwatch of the same run read.
    pub phases: Vec<PhaseReading>,
    /// The phases of each thread on the time line.
    pub threads: Vec<Thread>,
    /// What else must be known about the stacks.
    pub notes: Vec<String>,
}

/// The phases of one thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thread {
    /// The kernel's number.
    pub thread: u32,
    /// Stretches: when each began and ended, in nanoseconds from the start of the run, and its phase.
    pub stretches: Vec<(u64, u64, String)>,
}
