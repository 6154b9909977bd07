//! The clock under the stopwatch. It ticks in units of its own; `Lap` scales them by the wall time of the run,
//! so that no calibration is needed and phases add up to the wall by construction.
#![allow(unsafe_code, reason = "reading the time-stamp counter is an intrinsic")]

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Where ticks come from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The processor's time-stamp counter: about 8 ns a reading.
    Counter,
    /// The kernel's monotonic clock: about 20 ns a reading, right everywhere.
    Kernel,
    /// A script for tests: every reading is one unit later than the one before.
    Ticking(Arc<AtomicU64>),
    /// No time at all, but something that only grows, such as how often memory was asked for: then each phase has its
    /// part of that.
    Counting(fn() -> u64),
}

impl Clock {
    /// The cheapest clock that is right on this machine: the counter where the kernel itself trusts it.
    pub fn best() -> Clock {
        static TRUSTED: OnceLock<bool> = OnceLock::new();
        if *TRUSTED.get_or_init(counter_is_trusted) { Clock::Counter } else { Clock::Kernel }
    }

    /// A scripted clock that advances by one unit a reading.
    pub fn ticking() -> Clock {
        Clock::Ticking(Arc::new(AtomicU64::new(0)))
    }

    /// The name that records and `assay doctor` print.
    pub fn name(&self) -> &'static str {
        match self {
            Clock::Counter => "tsc",
            Clock::Kernel => "monotonic",
            Clock::Ticking(_) => "scripted",
            Clock::Counting(_) => "a count",
        }
    }

    /// Ticks since some moment in the past.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        match self {
            Clock::Counter => counter(),
            Clock::Kernel => kernel(),
            Clock::Ticking(next) => next.fetch_add(1, Ordering::Relaxed),
            Clock::Counting(so_far) => so_far(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: every x86_64 processor has the instruction; it reads a register and touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn counter() -> u64 {
    kernel()
}

/// The kernel's monotonic clock as its own events count it.
pub(crate) fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[expect(clippy::disallowed_methods, reason = "this is the clock of Lap")]
fn kernel() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let epoch = *EPOCH.get_or_init(Instant::now);
    u64::try_from(Instant::now().duration_since(epoch).as_nanos()).expect("a process lives less than 584 years")
}

/// The kernel keeps the counter as its own clock source only while it is constant and alike on all processors.
fn counter_is_trusted() -> bool {
    cfg!(target_arch = "x86_64")
        && std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|source| source.trim() == "tsc")
}
