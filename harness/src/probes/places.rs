//! Where in a run something is counted: the stopwatch on a clock that counts instead of telling time. So phases add up
//! to the count by construction, as they do to the time.
//!
//! A count is that of the whole process: where several workers run, nobody can say whose it was.

use super::{alloc, between_switches, calls};
use crate::measured::measured_on;
use anyhow::{Context, Result};
use perf_event::Counter;
use reports::record::CALLS;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, OnceLock, PoisonError};
use technique::{Clock, Prepared};

/// What the clock counts. A process counts one thing, and ends.
static COUNT: OnceLock<Count> = OnceLock::new();

enum Count {
    Allocations,
    AllocatedBytes,
    /// A system call. Each look is a call itself, of `read`.
    Calls(Mutex<(Counter, Own)>),
    /// A line of what the kernel tells of a process. Each look is itself read, after it was made up.
    Bytes(File, &'static str, Mutex<Own>),
}

/// What of the count is this clock's own doing.
#[derive(Clone, Copy)]
struct Own {
    counted: bool,
    so_far: u64,
}

impl Own {
    fn counting(counted: bool) -> Own {
        Own { counted, so_far: 0 }
    }

    fn add(&mut self, more: u64) {
        self.so_far += if self.counted { more } else { 0 };
    }
}

/// Opens what counts this metric, as gates name it, before there are threads. Says whether it can be had.
pub fn open(metric: &str) -> Result<bool> {
    let io = || File::open("/proc/self/io").context("opening /proc/self/io");
    let bytes = |field, own| Ok::<_, anyhow::Error>(Count::Bytes(io()?, field, Mutex::new(Own::counting(own))));
    let call = metric.strip_prefix(CALLS).and_then(|rest| rest.strip_prefix('.'));
    let count = match (metric, call) {
        ("allocations", _) => Count::Allocations,
        ("allocated_bytes", _) => Count::AllocatedBytes,
        ("bytes_read", _) => bytes("rchar", true)?,
        ("bytes_written", _) => bytes("wchar", false)?,
        (_, Some(call)) => match calls::one(call) {
            Some(counter) => Count::Calls(Mutex::new((counter, Own::counting(call == "read")))),
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    Ok(COUNT.set(count).is_ok())
}

/// Runs the work once, and says how much of the metric each phase has.
pub fn count(prepared: &mut dyn Prepared) -> Result<BTreeMap<String, u64>> {
    let times = between_switches(|| measured_on(prepared, Clock::Counting(so_far)))?;
    let phases = times.phases.iter().filter(|time| time.ticks > 0);
    Ok(phases.map(|time| (time.phase.name().to_owned(), time.ticks)).collect())
}

/// The clock.
fn so_far() -> u64 {
    const OPEN: &str = "the kernel reads out what it has opened";
    match COUNT.get() {
        None => 0,
        Some(Count::Allocations) => alloc::asked().allocations,
        Some(Count::AllocatedBytes) => alloc::asked().bytes,
        Some(Count::Calls(counter)) => {
            let (counter, own) = &mut *counter.lock().unwrap_or_else(PoisonError::into_inner);
            // A look is counted as it begins.
            own.add(1);
            counter.read().expect(OPEN).saturating_sub(own.so_far)
        }
        Some(Count::Bytes(io, field, own)) => {
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            let mut room = [0; 512];
            let long = io.read_at(&mut room, 0).expect(OPEN);
            let text = std::str::from_utf8(&room[..long]).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
            let bytes: u64 = line.and_then(|number| number.parse().ok()).expect(OPEN);
            let counted = bytes.saturating_sub(own.so_far);
            own.add(long as u64);
            counted
        }
    }
}
