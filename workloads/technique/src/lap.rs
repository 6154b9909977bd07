//! The stopwatch. `lap.mark(DECODE)` says: all time since the last mark was decode.
//!
//! So phases cannot overlap, leave no gap, and add up to the run; what follows the last mark is booked as `rest`.
//! Workers carry a stopwatch each: `fork` hands them out, `join` takes them back and books what is left as waiting.

use crate::clock::Clock;
use crate::phase::{COUNT, Phase, REST, WAIT};
use crate::trace::{Log, Trace};
use std::time::{Duration, Instant};

/// The stopwatch of one thread of one run.
///
/// ```
/// use technique::{Lap, phase::{DECODE, WRITE}};
/// let mut lap = Lap::start(true);
/// let sum: u64 = (0..1000).sum();
/// lap.mark(DECODE);
/// std::hint::black_box(sum);
/// lap.mark(WRITE);
/// let times = lap.stop();
/// assert_eq!(times.phases.iter().map(|p| p.marks).sum::<u64>(), 2);
/// ```
#[derive(Debug)]
pub struct Lap {
    clock: Clock,
    looking: bool,
    began: Instant,
    first: u64,
    last: u64,
    ticks: [u64; COUNT],
    marks: [u64; COUNT],
    sections: Vec<Section>,
    elsewhere: Vec<Elsewhere>,
    log: Option<Box<Log>>,
}

/// Time of a phase that another process spent, while this one waited for it.
#[derive(Clone, Copy, Debug)]
struct Elsewhere {
    waited_in: Phase,
    spent_in: Phase,
    ns: f64,
    marks: u64,
}

/// A stretch in which several workers ran.
#[derive(Debug)]
struct Section {
    workers: usize,
    ticks: [u64; COUNT],
}

/// What a stopwatch read.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// The whole run.
    pub wall: Duration,
    /// What each phase took; they add up to `wall`. Empty where nobody looked.
    pub phases: Vec<PhaseTime>,
    /// The most workers that ran at once.
    pub workers: usize,
    /// Every mark with its moment, where that was asked for.
    pub trace: Option<Trace>,
}

/// What one phase took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseTime {
    /// Which phase.
    pub phase: Phase,
    /// Its part of the wall time: thread time divided by the workers of its section.
    pub wall_ns: f64,
    /// Thread time, summed over workers.
    pub thread_ns: f64,
    /// The same in the clock's own unit.
    pub ticks: u64,
    /// How many marks named it.
    pub marks: u64,
}

impl Lap {
    /// Starts the clock. Without `looking`, marks do nothing: that is what the wall pass runs.
    pub fn start(looking: bool) -> Lap {
        Lap::on(Clock::best(), looking)
    }

    /// Starts the clock, looks, and keeps every mark with its moment: what a flame graph needs to know phases.
    pub fn traced() -> Lap {
        Lap::tracing_on(Clock::best())
    }

    pub(crate) fn tracing_on(clock: Clock) -> Lap {
        let mut lap = Lap::on(clock, true);
        lap.log = Some(Box::new(Log::begin(lap.first)));
        lap
    }

    /// Starts on a clock of your choice; tests script theirs.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub fn on(clock: Clock, looking: bool) -> Lap {
        let began = Instant::now();
        let first = clock.ticks();
        Lap {
            clock,
            looking,
            began,
            first,
            last: first,
            ticks: [0; COUNT],
            marks: [0; COUNT],
            sections: Vec::new(),
            elsewhere: Vec::new(),
            log: None,
        }
    }

    /// Books all time since the last mark as `phase`.
    #[inline]
    pub fn mark(&mut self, phase: Phase) {
        if self.looking {
            let now = self.clock.ticks();
            self.ticks[phase.index()] += now.saturating_sub(self.last);
            self.marks[phase.index()] += 1;
            self.last = now;
            if let Some(log) = &mut self.log {
                log.note(now, phase);
            }
        }
    }

    /// Whether marks are booked; for work that only marks need.
    #[inline]
    pub fn looking(&self) -> bool {
        self.looking
    }

    /// Books time of one phase as another's: another process, which has a stopwatch of its own, spent it so while this
    /// one waited for it. No more is booked over than there is; what is left is the way there and back.
    pub fn spent_elsewhere(&mut self, waited_in: Phase, spent_in: Phase, ns: f64, marks: u64) {
        if self.looking {
            self.elsewhere.push(Elsewhere { waited_in, spent_in, ns, marks });
        }
    }

    /// A stopwatch for each of `workers`, all started now. What passes before a worker's first mark is that mark's,
    /// so a worker first marks `WAIT`.
    pub fn fork(&mut self, workers: usize) -> Vec<Lap> {
        self.mark(WAIT);
        (0..workers)
            .map(|_| Lap {
                clock: self.clock.clone(),
                looking: self.looking,
                began: self.began,
                first: self.last,
                last: self.last,
                ticks: [0; COUNT],
                marks: [0; COUNT],
                sections: Vec::new(),
                elsewhere: Vec::new(),
                log: self.log.as_ref().map(|log| Box::new(log.fork(self.last))),
            })
            .collect()
    }

    /// Takes the workers' stopwatches back. What a worker did not mark, it waited.
    pub fn join(&mut self, workers: Vec<Lap>) {
        let mut section = Section { workers: workers.len(), ticks: [0; COUNT] };
        if self.looking && !workers.is_empty() {
            let now = self.clock.ticks();
            for worker in workers {
                for index in 0..COUNT {
                    section.ticks[index] += worker.ticks[index];
                    self.marks[index] += worker.marks[index];
                }
                section.ticks[WAIT.index()] += now.saturating_sub(worker.last);
                if let (Some(log), Some(joined)) = (&mut self.log, worker.log) {
                    log.join(*joined, now, WAIT);
                }
            }
            self.last = now;
            if let Some(log) = &mut self.log {
                log.stand_still(now);
            }
        }
        self.sections.push(section);
    }

    /// Stops the clock.
    #[expect(clippy::disallowed_methods, reason = "the one clock")]
    pub fn stop(self) -> Times {
        let last = self.clock.ticks();
        let wall = Instant::now().duration_since(self.began);
        let trace = self.log.map(|log| log.end(&self.clock, REST));
        let workers = self.sections.iter().map(|section| section.workers).max().unwrap_or(1).max(1);
        if !self.looking {
            return Times { wall, phases: Vec::new(), workers, trace: None };
        }
        let mut own = self.ticks;
        own[REST.index()] += last.saturating_sub(self.last);
        // The counter's own unit is never needed: the run's wall time over the run's ticks scales it.
        let unit = wall.as_nanos() as f64 / (last - self.first).max(1) as f64;
        let mut phases: Vec<PhaseTime> = Phase::all()
            .map(|phase| {
                let at = phase.index();
                let spread: u64 = self.sections.iter().map(|section| section.ticks[at]).sum();
                let share: f64 = self.sections.iter().map(|s| s.ticks[at] as f64 / s.workers.max(1) as f64).sum();
                PhaseTime {
                    phase,
                    wall_ns: unit * (own[at] as f64 + share),
                    thread_ns: unit * (own[at] + spread) as f64,
                    ticks: own[at] + spread,
                    marks: self.marks[at],
                }
            })
            .collect();
        for elsewhere in self.elsewhere {
            let waited = &mut phases[elsewhere.waited_in.index()];
            let ns = elsewhere.ns.clamp(0.0, waited.wall_ns.min(waited.thread_ns));
            waited.wall_ns -= ns;
            waited.thread_ns -= ns;
            let spent = &mut phases[elsewhere.spent_in.index()];
            spent.wall_ns += ns;
            spent.thread_ns += ns;
            spent.marks += elsewhere.marks;
        }
        phases.retain(|time| time.thread_ns > 0.0);
        Times { wall, phases, workers, trace }
    }
}

/// What one mark costs on this machine, in nanoseconds: the best of several loops.
pub fn cost_of_mark_ns() -> f64 {
    const MARKS: u32 = 100_000;
    (0..7)
        .map(|_| {
            let mut lap = Lap::start(true);
            for _ in 0..MARKS {
                std::hint::black_box(&mut lap).mark(REST);
            }
            lap.stop().wall.as_nanos() as f64 / f64::from(MARKS)
        })
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::{DECODE, WRITE};

    fn marks_of(times: &Times, phase: Phase) -> u64 {
        times.phases.iter().find(|t| t.phase == phase).map_or(0, |t| t.marks)
    }

    fn wall_share(times: &Times, phase: Phase) -> f64 {
        let all: f64 = times.phases.iter().map(|t| t.wall_ns).sum();
        times.phases.iter().find(|t| t.phase == phase).map_or(0.0, |t| t.wall_ns / all)
    }

    fn assert_adds_up(times: &Times) {
        let sum: f64 = times.phases.iter().map(|t| t.wall_ns).sum();
        let wall = times.wall.as_nanos() as f64;
        assert!((sum - wall).abs() <= wall * 1e-9 + 1.0, "{sum} of {wall}");
    }

    #[test]
    fn phases_add_up() {
        let mut lap = Lap::on(Clock::ticking(), true);
        lap.mark(DECODE);
        lap.mark(WRITE);
        lap.mark(DECODE);
        let times = lap.stop();
        assert_adds_up(&times);
        assert_eq!(marks_of(&times, DECODE), 2);
        // Four readings after the start: decode, write, decode, and the tail that nobody named.
        assert!((wall_share(&times, DECODE) - 0.5).abs() < 1e-9);
        assert!((wall_share(&times, REST) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_marked_where_nobody_looks() {
        let clock = Clock::ticking();
        let mut lap = Lap::on(clock, false);
        lap.mark(DECODE);
        let mut workers = lap.fork(2);
        workers[0].mark(WRITE);
        lap.join(workers);
        let times = lap.stop();
        assert!(times.phases.is_empty());
        assert_eq!(times.workers, 2);
    }

    #[test]
    fn workers_share_the_wall_and_idle_time_is_waiting() {
        let mut lap = Lap::on(Clock::ticking(), true); // 0
        let mut workers = lap.fork(2); // 1: wait
        workers[0].mark(DECODE); // 2: one unit
        workers[0].mark(WRITE); // 3: one unit
        workers[1].mark(DECODE); // 4: three units
        lap.join(workers); // 5: waits two and one
        let times = lap.stop(); // 6: rest
        assert_adds_up(&times);
        let unit = times.wall.as_nanos() as f64 / 6.0;
        let of = |phase| times.phases.iter().find(|t| t.phase == phase).expect("was marked");
        assert!((of(DECODE).thread_ns / unit - 4.0).abs() < 1e-6);
        assert!((of(DECODE).wall_ns / unit - 2.0).abs() < 1e-6);
        assert!((of(WAIT).thread_ns / unit - (1.0 + 2.0 + 1.0)).abs() < 1e-6);
        assert_eq!(times.workers, 2);
    }

    #[test]
    fn what_another_process_spent_is_booked_over_and_no_more_than_there_is() {
        let run = |ns: f64| {
            let mut lap = Lap::on(Clock::ticking(), true);
            lap.mark(WRITE);
            lap.spent_elsewhere(WRITE, DECODE, ns, 3);
            lap.stop()
        };
        let half = run(0.0).wall.as_nanos() as f64 / 4.0;
        let times = run(half);
        assert_adds_up(&times);
        assert_eq!(marks_of(&times, DECODE), 3);
        assert!(wall_share(&times, DECODE) > 0.0 && wall_share(&times, WRITE) < 0.5);
        let times = run(1e18);
        assert_adds_up(&times);
        assert!((wall_share(&times, DECODE) - 0.5).abs() < 1e-9, "all of the phase, and nothing of the rest");
        assert!((wall_share(&times, WRITE)).abs() < 1e-9);
    }

    #[test]
    fn on_a_clock_that_counts_each_phase_has_its_part_of_the_count() {
        thread_local!(static DONE: std::cell::Cell<u64> = const { std::cell::Cell::new(7) });
        let does = |more: u64| DONE.set(DONE.get() + more);
        let mut lap = Lap::on(Clock::Counting(|| DONE.get()), true);
        does(200);
        lap.mark(WRITE);
        lap.mark(DECODE);
        does(3);
        lap.mark(WRITE);
        does(1);
        let told: Vec<_> = lap.stop().phases.iter().map(|time| (time.phase, time.ticks)).collect();
        assert_eq!(told, [(WRITE, 203), (REST, 1)]);
    }

    #[test]
    fn a_real_clock_adds_up_too() {
        for clock in [Clock::best(), Clock::Kernel] {
            let mut lap = Lap::on(clock, true);
            for _ in 0..1000 {
                lap.mark(DECODE);
            }
            assert_adds_up(&lap.stop());
        }
    }
}
