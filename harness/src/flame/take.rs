//! The child's side: one run under one instrument.

use super::fold::Fold;
use super::ticks::Ticks;
use super::watch::{PERIOD_NS, Watch};
use super::{Kind, Taken, Thread, ticks};
use crate::measured::reading_traced;
use anyhow::Result;
use reports::record::Reading;
use std::collections::BTreeMap;
use technique::{Prepared, Trace};

/// Runs the work once under the instrument of that kind.
pub fn take(prepared: &mut dyn Prepared, kind: Kind) -> Result<Taken> {
    if kind == Kind::Cpu { ticked(prepared) } else { watched(prepared, kind) }
}

fn ticked(prepared: &mut dyn Prepared) -> Result<Taken> {
    let ticks = Ticks::begin()?;
    let read = reading_traced(prepared);
    let seen = ticks.end()?;
    let (reading, trace) = read?;
    let mut taken = Taken::of(&reading, &trace);
    taken.requested = Some(taken.cpu_ns / ticks::PERIOD_NS);
    taken.samples = seen.samples;
    taken.own = seen.samples;
    taken.reached = seen.reached;
    taken.stacks = seen.stacks;
    Ok(taken)
}

fn watched(prepared: &mut dyn Prepared, kind: Kind) -> Result<Taken> {
    let watch = Watch::begin(kind)?;
    let read = reading_traced(prepared);
    let seen = watch.end()?;
    let (reading, trace) = read?;
    let mut taken = Taken::of(&reading, &trace);
    let mut fold = Fold::of(&seen, &trace);
    match kind {
        Kind::Cpu | Kind::Kernel => fold.on(),
        Kind::Off => fold.off(),
        Kind::Wall => fold.wall(),
    }
    taken.requested = match kind {
        Kind::Off => None,
        // Other programs are sampled, too, where only what computes is drawn.
        Kind::Cpu | Kind::Kernel => Some(taken.cpu_ns / PERIOD_NS),
        Kind::Wall => Some(fold.on_ns / PERIOD_NS),
    };
    taken.notes.extend(fold.missing().map(str::to_owned));
    taken.samples = fold.samples;
    taken.waits = fold.waits;
    taken.own = fold.own;
    taken.reached = fold.reached;
    taken.stacks = fold.stacks;
    taken.lost = seen.lost;
    Ok(taken)
}

impl Taken {
    fn of(reading: &Reading, trace: &Trace) -> Taken {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive nanoseconds")]
        let thread_ns = reading.phases.iter().map(|phase| phase.thread_ns).sum::<f64>() as u64;
        Taken {
            stacks: BTreeMap::new(),
            samples: 0,
            waits: 0,
            requested: None,
            lost: 0,
            own: 0,
            reached: 0,
            wall_ns: reading.wall_ns,
            thread_ns,
            cpu_ns: reading.user_ns + reading.system_ns,
            phases: reading.phases.clone(),
            threads: threads(trace),
            notes: Vec::new(),
        }
    }
}

fn threads(trace: &Trace) -> Vec<Thread> {
    let strand = |strand: &technique::trace::Strand| {
        let mut from = strand.began_ns;
        let mut stretches = Vec::new();
        for stretch in &strand.stretches {
            let ends = (from - trace.began_ns, stretch.until_ns - trace.began_ns);
            stretches.extend(stretch.phase.map(|phase| (ends.0, ends.1, phase.name().to_owned())));
            from = stretch.until_ns;
        }
        Thread { thread: strand.thread, stretches }
    };
    trace.strands.iter().map(strand).collect()
}
