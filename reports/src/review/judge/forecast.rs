//! What a part's gain allows the whole.
//!
//! **One worker.** The phases are a share s of the time before, and became f times as fast: the whole becomes
//! 1 / (1 - s + s/f) times as fast (Amdahl). If they vanished, 1 / (1 - s).
//!
//! **Several workers.** Worker time, summed, says nothing of how long a run takes: what one worker does while the
//! others wait counts once, and what all do together counts a share. A record has both numbers of every phase, its part
//! of the wall time and its thread time, so the two can be told apart: with W workers, a phase that took `wall` and
//! `thread` was done by all for (thread - wall) W/(W-1), and by one alone for the rest. The critical path is then the
//! time of one alone, plus the workers' section: all their work over W times their utilisation, which is the share of
//! that section in which they did not wait. A step makes its phases f times as fast on both sides, and leaves the
//! utilisation as it was; unless waiting is among its phases, which then shrinks as the others do.
//!
//! Where a step changes the number of workers, what it spreads is read from the row after it (which of a phase's time
//! was done by all), and so is the utilisation; what each phase takes is that of the row before. More workers than
//! processors share them.
//!
//! **Limits.** Utilisation stays only while work can be cut as finely as before: one directory that holds half of all
//! files stays whole, however fast its files become, and the model does not see it. It knows one section of workers;
//! of several with other numbers it takes the largest. It does not know that threads get in each other's way in memory
//! or in the kernel: work that takes more thread time on eight workers than on one is what a prediction misses, and its
//! error is printed.

use super::measure::{Inside, between, of_phases};
use crate::claims::Place;
use crate::record::Sample;
use crate::review::Forecast;
use crate::review::look::Look;
use crate::stats::{interval_of_few, median};
use crate::summary::{Bounds, Measured, Row, change};

/// The phase in which workers wait.
const WAIT: &str = "wait";

/// The phase of another program.
const COMMAND: &str = "command";

/// What one worker did alone, and what all did together, in nanoseconds of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Split {
    alone: f64,
    together: f64,
}

fn split(wall: f64, thread: f64, workers: usize) -> Split {
    if workers < 2 {
        return Split { alone: wall, together: 0.0 };
    }
    let workers = workers as f64;
    let together = ((thread - wall) * workers / (workers - 1.0)).clamp(0.0, thread.max(0.0));
    Split { alone: (wall - together / workers).max(0.0), together }
}

/// A run's time as the model has it.
struct Path {
    workers: f64,
    phases: Vec<(String, Split)>,
}

impl Path {
    fn of(sample: &Sample) -> Path {
        let workers = sample.reading.workers.max(1);
        let phases = sample.reading.phases.iter();
        let phases = phases.map(|phase| (phase.name.clone(), split(phase.wall_ns, phase.thread_ns, workers)));
        Path { workers: workers as f64, phases: phases.collect() }
    }

    /// How long it takes when some phases are `factor` times as fast.
    fn time(&self, faster: &[String], factor: f64) -> f64 {
        let by = |name: &str| if faster.iter().any(|one| one == name) { 1.0 / factor } else { 1.0 };
        let sum =
            |of: &dyn Fn(&str, &Split) -> f64| self.phases.iter().map(|(name, split)| of(name, split)).sum::<f64>();
        let alone = sum(&|name, split| split.alone * by(name));
        let busy = sum(&|name, split| if name == WAIT { 0.0 } else { split.together * by(name) });
        if faster.iter().any(|name| name == WAIT) {
            let waited = sum(&|name, split| if name == WAIT { split.together * by(name) } else { 0.0 });
            return alone + (busy + waited) / self.workers;
        }
        alone + busy / (self.workers * self.utilisation())
    }

    /// The share of the workers' section in which they did not wait.
    fn utilisation(&self) -> f64 {
        let all: f64 = self.phases.iter().map(|(_, split)| split.together).sum();
        let waited: f64 = self.phases.iter().filter(|(name, _)| name == WAIT).map(|(_, split)| split.together).sum();
        if all > 0.0 { ((all - waited) / all).max(0.01) } else { 1.0 }
    }

    /// The share of a phase that all did together.
    fn spread(&self, phase: &str) -> f64 {
        let of = self.phases.iter().find(|(name, _)| name == phase).map(|(_, split)| *split).unwrap_or_default();
        let all = of.alone + of.together;
        if all > 0.0 { of.together / all } else { 1.0 }
    }
}

/// Foretells a whole from a part: its phases in the row before, and how many times as fast they became. Without a
/// factor they vanished.
pub(super) fn of_part(look: &Look, baseline: &str, phases: &[String], local: Option<Bounds>) -> Option<Forecast> {
    let before = look.samples(baseline)?;
    let share = of_phases(look, baseline, phases).ok()?;
    let whole = |factor: f64| {
        let gain = |sample: &&Sample| {
            let path = Path::of(sample);
            path.time(phases, 1.0) / path.time(phases, factor)
        };
        interval_of_few(&before.phases.values().map(gain).collect::<Vec<_>>())
    };
    let at_most = whole(f64::INFINITY)?;
    let (low, mid, high) = match local {
        None => (at_most, at_most, at_most),
        Some(local) => (whole(local.low)?, whole(local.mid)?, whole(local.high)?),
    };
    let confidence = local.map_or(mid.confidence, |local| local.confidence.min(mid.confidence));
    let whole = Bounds { low: low.low.min(mid.low), mid: mid.mid, high: high.high.max(mid.high), confidence };
    let model = if workers(before) > 1 { "critical path" } else { "share" };
    Some(Forecast { share: share.mid, local, whole, at_most: at_most.mid, model: model.to_owned() })
}

/// Foretells a whole from the phases that moved between two rows; or, where the second has more workers, from what it
/// spreads over them.
pub(super) fn of_whole(look: &Look, place: &Place) -> Option<Forecast> {
    let baseline = place.baseline.as_ref()?;
    let (before, now) = (look.samples(baseline)?, look.samples(&place.row)?);
    if workers(now) > workers(before) && workers(before) == 1 {
        return of_crew(look, before, now);
    }
    // What another program does cannot be seen into.
    let is_seen = |row: &Row| row.phases.iter().all(|(phase, _)| phase != COMMAND);
    let moved = change(look.row(baseline)?, look.row(&place.row).filter(|row| is_seen(row))?)?;
    let phases: Vec<String> = moved.phases.into_iter().map(|phase| phase.name).collect();
    let local = match between(look, baseline, &place.row, &phases).ok()? {
        Inside::Factor(bounds) => Some(bounds),
        Inside::Vanished => None,
    };
    of_part(look, baseline, &phases, local)
}

fn of_crew(look: &Look, before: &Measured, now: &Measured) -> Option<Forecast> {
    let after: Vec<Path> = now.phases.values().map(|sample| Path::of(sample)).collect();
    let utilisation = median(&after.iter().map(Path::utilisation).collect::<Vec<_>>())?;
    let spread = |phase: &str| median(&after.iter().map(|path| path.spread(phase)).collect::<Vec<_>>());
    let hands = workers(now).min(look.processors()) as f64 * utilisation;
    let mut shares = Vec::new();
    let mut gains = Vec::new();
    for sample in before.phases.values() {
        let all: f64 = sample.reading.phases.iter().map(|phase| phase.wall_ns).sum();
        let together: f64 =
            sample.reading.phases.iter().map(|one| one.wall_ns * spread(&one.name).unwrap_or(1.0)).sum();
        shares.push(together / all);
        gains.push(all / (all - together + together / hands));
    }
    let share = median(&shares)?;
    let exactly = |value: f64| Bounds { low: value, mid: value, high: value, confidence: 1.0 };
    Some(Forecast {
        share,
        local: Some(exactly(hands)),
        whole: interval_of_few(&gains)?.into(),
        at_most: 1.0 / (1.0 - share).max(f64::MIN_POSITIVE),
        model: "critical path".to_owned(),
    })
}

fn workers(one: &Measured) -> usize {
    one.samples.iter().map(|sample| sample.reading.workers).max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::made_up::Made;

    fn factor(mid: f64) -> Bounds {
        Bounds { low: mid * 0.9, mid, high: mid * 1.1, confidence: 0.95 }
    }

    fn decode() -> Vec<String> {
        vec!["decode".to_owned()]
    }

    #[test]
    fn one_worker_is_amdahls_law() {
        let run = Made::rows(&[("gzip", &[("decode", 79.0), ("write", 21.0)])]).run();
        let forecast = of_part(&Look::at(&run, 0), "gzip", &decode(), Some(factor(5.0))).unwrap();
        assert!((forecast.share - 0.79).abs() < 1e-6 && forecast.model == "share");
        assert!((forecast.whole.mid - 1.0 / (0.21 + 0.79 / 5.0)).abs() < 1e-6);
        assert!((forecast.whole.low - 1.0 / (0.21 + 0.79 / 4.5)).abs() < 1e-6);
        assert!((forecast.at_most - 1.0 / 0.21).abs() < 1e-6);
        let gone = of_part(&Look::at(&run, 0), "gzip", &decode(), None).unwrap();
        assert!((gone.whole.mid - gone.at_most).abs() < 1e-12);
    }

    /// One lists for 20; four then decode 240 and write 40 together and wait a sixth of their section, which takes
    /// (240 + 40 + 56) / 4 = 84. The run takes 104.
    fn crew() -> Made {
        Made::rows(&[]).crew(
            "four",
            4,
            &[("hash", 20.0, 20.0), ("decode", 60.0, 240.0), ("write", 10.0, 40.0), ("wait", 14.0, 56.0)],
        )
    }

    #[test]
    fn several_workers_are_the_path_of_one_and_the_section_of_all() {
        let run = crew().run();
        let forecast = of_part(&Look::at(&run, 0), "four", &decode(), Some(factor(4.0))).unwrap();
        // 240 becomes 60, so the work is 100, and with the utilisation of 5/6 the section takes 30.
        let truth = 104.0 / (20.0 + 100.0 / (4.0 * 5.0 / 6.0));
        assert!((forecast.whole.mid - truth).abs() < 1e-4, "{} and not {truth}", forecast.whole.mid);
        assert_eq!(forecast.model, "critical path");
        // Summed worker time has another answer: 356 become 176.
        assert!((forecast.whole.mid - 356.0 / 176.0).abs() > 0.01);
    }

    #[test]
    fn waiting_shrinks_where_the_claim_is_about_it() {
        let run = crew().run();
        let phases = ["write", "wait"].map(str::to_owned);
        let forecast = of_part(&Look::at(&run, 0), "four", &phases, Some(factor(2.0))).unwrap();
        assert!((forecast.whole.mid - 104.0 / (20.0 + (240.0 + 20.0 + 28.0) / 4.0)).abs() < 1e-4);
    }

    #[test]
    fn alone_and_together_are_told_apart() {
        assert_eq!(split(30.0, 60.0, 4), Split { alone: 20.0, together: 40.0 });
        assert_eq!(split(30.0, 30.0, 4), Split { alone: 30.0, together: 0.0 });
        assert_eq!(split(30.0, 30.0, 1), Split { alone: 30.0, together: 0.0 });
    }

    #[test]
    fn more_workers_are_foretold_from_what_they_can_share() {
        let one = Made::rows(&[("one", &[("hash", 20.0), ("decode", 240.0), ("write", 40.0)])]);
        let run = one
            .crew(
                "four",
                4,
                &[("hash", 20.0, 20.0), ("decode", 60.0, 240.0), ("write", 10.0, 40.0), ("wait", 14.0, 56.0)],
            )
            .run();
        let place = Place {
            workload: "restore".into(),
            baseline: Some("one".into()),
            row: "four".into(),
            phases: Vec::new(),
            than: Vec::new(),
            fixture: "python-small".into(),
            metric: None,
            built: true,
        };
        let forecast = of_whole(&Look::at(&run, 0), &place).unwrap();
        assert!((forecast.whole.mid - 300.0 / 104.0).abs() < 1e-3, "{forecast:?}");
        assert!((forecast.share - 280.0 / 300.0).abs() < 1e-6);
        // On two processors, four workers are two.
        let mut made = run.clone();
        made.header.machine.insert("cpus".into(), "2".into());
        let forecast = of_whole(&Look::at(&made, 0), &place).unwrap();
        assert!((forecast.whole.mid - 300.0 / (20.0 + 280.0 / (2.0 * 5.0 / 6.0))).abs() < 1e-3, "{forecast:?}");
    }

    #[test]
    fn a_whole_is_foretold_from_what_moved() {
        let run = Made::rows(&[("gzip", &[("decode", 79.0), ("write", 21.0)])])
            .row("zstd", &[("decode", 15.8), ("write", 21.0)])
            .run();
        let look = Look::at(&run, 0);
        let mut place = Place {
            workload: "restore".into(),
            baseline: Some("gzip".into()),
            row: "zstd".into(),
            phases: Vec::new(),
            than: Vec::new(),
            fixture: "python-small".into(),
            metric: None,
            built: true,
        };
        let forecast = of_whole(&look, &place).unwrap();
        assert!((forecast.whole.mid - 100.0 / 36.8).abs() < 1e-3 && (forecast.local.unwrap().mid - 5.0).abs() < 1e-3);
        place.row = "absent".into();
        assert!(of_whole(&look, &place).is_none());
    }
}
