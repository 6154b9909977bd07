//! The log of marks: every one of them with its moment, for those who look at when, not only at how long.
//!
//! A stopwatch keeps it only where it was asked to ([`Lap::traced`](crate::Lap::traced)). A sampler that notes the
//! kernel's monotonic time then knows the phase of each sample: it is the phase of the mark that comes next.

use crate::clock::{Clock, monotonic_ns};
use crate::phase::Phase;

/// Every mark of a run, on the kernel's monotonic clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// When the clock started.
    pub began_ns: u64,
    /// When it stopped.
    pub ended_ns: u64,
    /// What each stopwatch was marked with, the first one's first.
    pub strands: Vec<Strand>,
}

/// What one stopwatch was marked with.
#[derive(Clone, Debug, PartialEq)]
pub struct Strand {
    /// The kernel's number of the thread that carried it; 0 where it was never marked.
    pub thread: u32,
    /// When it started.
    pub began_ns: u64,
    /// Its stretches, in order and without a gap.
    pub stretches: Vec<Stretch>,
}

/// A stretch of one stopwatch, up to a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When it ended.
    pub until_ns: u64,
    /// What it was; none where the thread's workers carried stopwatches of their own, and this one stood still.
    pub phase: Option<Phase>,
}

/// The log that a stopwatch carries, in ticks.
#[derive(Debug)]
pub(crate) struct Log {
    began_ns: u64,
    own: Marks,
    joined: Vec<Marks>,
}

/// The marks of one stopwatch, in ticks.
#[derive(Debug)]
struct Marks {
    thread: u32,
    first: u64,
    made: Vec<(u64, Option<Phase>)>,
}

impl Log {
    /// The log of a stopwatch that starts now.
    pub(crate) fn begin(first: u64) -> Log {
        Log { began_ns: monotonic_ns(), own: Marks::begin(first), joined: Vec::new() }
    }

    /// The log of a worker's stopwatch.
    pub(crate) fn fork(&self, first: u64) -> Log {
        Log { began_ns: self.began_ns, own: Marks::begin(first), joined: Vec::new() }
    }

    /// Notes a mark, made by the thread that carries the stopwatch.
    pub(crate) fn note(&mut self, at: u64, phase: Phase) {
        if self.own.thread == 0 {
            self.own.thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        }
        self.own.made.push((at, Some(phase)));
    }

    /// Notes that this stopwatch stood still while workers carried theirs.
    pub(crate) fn stand_still(&mut self, at: u64) {
        self.own.made.push((at, None));
    }

    /// Takes a worker's log back; what it did not mark before `now` was `tail`.
    pub(crate) fn join(&mut self, mut worker: Log, now: u64, tail: Phase) {
        worker.own.made.push((now, Some(tail)));
        self.joined.push(worker.own);
        self.joined.append(&mut worker.joined);
    }

    /// The whole log on the kernel's clock: ticks are scaled by two pairs of readings, at the start and now.
    pub(crate) fn end(mut self, clock: &Clock, tail: Phase) -> Trace {
        let (last, ended_ns) = (clock.ticks(), monotonic_ns());
        self.note(last, tail);
        let first = self.own.first;
        let unit = (ended_ns - self.began_ns) as f64 / (last.saturating_sub(first)).max(1) as f64;
        let began_ns = self.began_ns;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time in nanoseconds")]
        let at = |ticks: u64| began_ns + (ticks.saturating_sub(first) as f64 * unit) as u64;
        let strands = std::iter::once(self.own).chain(self.joined).map(|marks| Strand {
            thread: marks.thread,
            began_ns: at(marks.first),
            stretches: marks.made.iter().map(|&(ticks, phase)| Stretch { until_ns: at(ticks), phase }).collect(),
        });
        Trace { began_ns, ended_ns, strands: strands.collect() }
    }
}

impl Marks {
    fn begin(first: u64) -> Marks {
        // Room for ten thousand files of a few marks each; more room is made when it is needed.
        Marks { thread: 0, first, made: Vec::with_capacity(1 << 16) }
    }
}

#[cfg(test)]
mod tests {
    use crate::phase::{DECODE, REST, WAIT, WRITE};
    use crate::{Clock, Lap};

    #[test]
    fn every_mark_is_logged_in_its_strand() {
        let mut lap = Lap::tracing_on(Clock::ticking());
        lap.mark(DECODE);
        let mut workers = lap.fork(2);
        for worker in &mut workers {
            worker.mark(WRITE);
        }
        lap.join(workers);
        let times = lap.stop();
        let trace = times.trace.expect("it was asked for");
        let phases = |at: usize| trace.strands[at].stretches.iter().map(|one| one.phase).collect::<Vec<_>>();
        assert_eq!(phases(0), [Some(DECODE), Some(WAIT), None, Some(REST)]);
        assert_eq!(phases(1), [Some(WRITE), Some(WAIT)]);
        assert_eq!(phases(1), phases(2));
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert!(trace.strands.iter().all(|strand| strand.thread == own));
        assert_eq!(trace.strands[0].stretches[3].until_ns, trace.ended_ns);
    }

    #[test]
    fn strands_add_up_to_what_the_stopwatch_read() {
        let mut lap = Lap::traced();
        for _ in 0..1000 {
            lap.mark(DECODE);
        }
        let times = lap.stop();
        let trace = times.trace.expect("it was asked for");
        let strand = &trace.strands[0];
        let ends: Vec<u64> = strand.stretches.iter().map(|one| one.until_ns).collect();
        assert!(strand.began_ns <= ends[0] && ends.is_sorted());
        let wall = (trace.ended_ns - trace.began_ns) as f64;
        let read = times.wall.as_nanos() as f64;
        assert!((wall - read).abs() < 0.05 * read + 20_000.0, "{wall} {read}");
    }

    #[test]
    fn nothing_is_logged_unasked() {
        let mut lap = Lap::start(true);
        lap.mark(DECODE);
        assert!(lap.stop().trace.is_none());
    }
}
