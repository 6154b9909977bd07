//! What else the machine does: processors that others keep busy, time that the hypervisor takes away, pressure. It is
//! read before a run and after it, from counters of the kernel's, so that nothing runs beside what is measured.

use crate::pace::Pace;
use crate::progress::{Progress, Telling};
use crate::signals;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use reports::record::{Quiet, Surroundings};
use std::collections::BTreeMap;
use std::time::Duration;

/// A machine is quiet where others keep less than this of one processor busy.
pub const QUIET: f64 = 0.10;
/// The kernel counts in hundredths of a second; over this stretch one of them is 2.5 % of a processor.
const LOOK: Duration = Duration::from_millis(400);

/// The kernel's counters at one moment.
pub struct Moment {
    pace: Pace,
    processors: Processors,
    ours: f64,
    pressure: BTreeMap<String, u64>,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment { pace: Pace::begin(), processors: Processors::read(), ours: ours(), pressure: pressure() }
    }

    /// What the machine did since then.
    pub fn since(&self) -> Surroundings {
        let now = Moment::now();
        let seconds = self.pace.passed().as_secs_f64().max(1e-9);
        let busy = (now.processors.busy - self.processors.busy) / seconds;
        let ours = (now.ours - self.ours) / seconds;
        let share = |(name, before): (&String, &u64)| {
            let more = now.pressure.get(name)?.saturating_sub(*before);
            Some((name.clone(), more as f64 / 1e6 / seconds))
        };
        Surroundings {
            seconds,
            ours,
            others: (busy - ours).max(0.0),
            stolen: ((now.processors.stolen - self.processors.stolen) / seconds).max(0.0),
            pressure: self.pressure.iter().filter_map(share).collect(),
        }
    }
}

/// Waits until the machine is quiet, but no longer than `limit`, and says what it found.
pub fn wait_for_quiet(limit: Duration, telling: Telling) -> Quiet {
    let waiting = Pace::begin();
    let progress = Progress::begin(telling, "quiet");
    loop {
        let before = Moment::now();
        std::thread::sleep(LOOK.min(limit.max(Duration::from_millis(100))));
        let others = before.since().others;
        let waited = waiting.passed();
        if others < QUIET || waited >= limit || signals::asked_to_stop() {
            return Quiet { others, waited_s: waited.as_secs_f64(), quiet: others < QUIET };
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        progress.at(millis(waited), millis(limit), &format!("waiting: others keep {others:.1} processors busy"));
    }
}

/// Processor seconds since the machine started.
struct Processors {
    busy: f64,
    stolen: f64,
}

impl Processors {
    fn read() -> Processors {
        Processors::parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal, and guests, who are in user already.
    fn parse(text: &str) -> Processors {
        let hundredths: Vec<f64> = text
            .lines()
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let of = |at: usize| hundredths.get(at).copied().unwrap_or(0.0) / 100.0;
        Processors { busy: of(0) + of(1) + of(2) + of(5) + of(6), stolen: of(7) }
    }
}

/// Processor seconds of this process and of the children that it has waited for.
fn ours() -> f64 {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .filter_map(|who| getrusage(who).ok())
        .map(|usage| (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6)
        .sum()
}

/// Microseconds in which somebody waited for it, by what was waited for. Empty where the kernel does not count them.
fn pressure() -> BTreeMap<String, u64> {
    ["cpu", "io", "memory"]
        .into_iter()
        .filter_map(|what| {
            let text = std::fs::read_to_string(format!("/proc/pressure/{what}")).ok()?;
            Some((what.to_owned(), some_total(&text)?))
        })
        .collect()
}

fn some_total(text: &str) -> Option<u64> {
    text.lines().find(|line| line.starts_with("some"))?.rsplit_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counters_are_read() {
        let read = Processors::parse("cpu  100 20 300 4000 50 6 7 800 90 10\ncpu0 1 2 3\n");
        assert!((read.busy - 4.33).abs() < 1e-9);
        assert!((read.stolen - 8.0).abs() < 1e-9);
        assert_eq!(some_total("some avg10=0.00 avg60=0.00 avg300=0.00 total=123\nfull avg10=0 total=9\n"), Some(123));
        assert_eq!(some_total(""), None);
    }

    #[test]
    fn what_we_burn_ourselves_is_ours() {
        let before = Moment::now();
        let mut sum = 0u64;
        while before.pace.passed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum + 1);
        }
        let seen = before.since();
        assert!(seen.ours > 0.1, "{seen:?}");
        assert!(seen.seconds >= 0.3, "{seen:?}");
    }

    #[test]
    fn waiting_ends_at_its_limit() {
        let limit = Duration::from_millis(200);
        let pace = Pace::begin();
        let found = wait_for_quiet(limit, Telling::Silent);
        assert!(pace.passed() < Duration::from_secs(20));
        assert!(found.quiet || found.waited_s >= 0.2, "{found:?}");
    }
}
