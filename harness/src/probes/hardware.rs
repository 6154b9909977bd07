//! The processor's own counters, in user mode, of all threads and processes that the work starts.

use super::{Instrument, Missing};
use anyhow::Result;
use perf_event::events::Hardware;
use perf_event::{Builder, Counter};
use reports::record::{Counted, Counts};

/// What is counted, in the order of the record.
pub(super) const NAMES: &[&str] = &["cycles", "instructions", "cache_misses", "branch_misses"];
const EVENTS: [Hardware; 4] =
    [Hardware::CPU_CYCLES, Hardware::INSTRUCTIONS, Hardware::CACHE_MISSES, Hardware::BRANCH_MISSES];

struct Counters(Vec<Counter>);

/// Opens the instrument.
pub(super) fn open() -> Result<Box<dyn Instrument>, Missing> {
    let mut counters = Vec::new();
    for event in EVENTS {
        let mut builder = Builder::new().kind(event);
        builder.inherit(true);
        counters.push(builder.build().map_err(|error| missing(&error))?);
    }
    Ok(Box::new(Counters(counters)))
}

fn missing(error: &std::io::Error) -> Missing {
    const NOT_SUPPORTED: i32 = 95;
    if error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(NOT_SUPPORTED) {
        Missing::new("no hardware counters (a virtual machine?)", "measure on a machine that passes its counters on")
    } else {
        Missing::new(format!("hardware counters are refused: {error}"), "sysctl kernel.perf_event_paranoid=2")
    }
}

impl Instrument for Counters {
    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        for (name, counter) in NAMES.iter().zip(&mut self.0) {
            let read = counter.read_count_and_time()?;
            let all_the_time = read.time_running > 0 && read.time_running == read.time_enabled;
            let value = if all_the_time {
                Counted::Present(read.count)
            } else {
                Counted::absent("the processor has too few counters for all that was asked of it at once")
            };
            counts.values.insert((*name).to_owned(), value);
        }
        Ok(())
    }
}
