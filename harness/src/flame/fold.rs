//! Stacks, switches and marks put together: nanoseconds by phase and stack.

use super::names::Names;
use super::walk::Walker;
use super::watch::{PERIOD_NS, Seen, Stack, Switch, Way};
use std::collections::{BTreeMap, HashMap};
use technique::Trace;
use technique::phase::Phase;

/// The frame of a stretch that no stopwatch names.
const BESIDE: &str = "[beside the stopwatches]";
/// The root of a stack that does not lead to the work.
const BROKEN: &str = "[broken stack]";
/// The frame under which a sample counts for the processor in a wall graph.
const ON: &str = "[on-cpu]";
/// The same for waiting.
const OFF: &str = "[off-cpu]";

/// A graph under construction.
pub(crate) struct Fold<'a> {
    seen: &'a Seen,
    trace: &'a Trace,
    names: Names,
    walker: Option<Walker>,
    process: u32,
    strands: HashMap<u32, Vec<Line>>,
    /// Nanoseconds by stack.
    pub(crate) stacks: BTreeMap<String, u64>,
    /// Stacks on a processor that were used.
    pub(crate) samples: u64,
    /// Stacks that left it.
    pub(crate) waits: u64,
    /// Processor time of the threads that a stopwatch follows.
    pub(crate) on_ns: u64,
    /// Those of threads of this process that a stopwatch follows.
    pub(crate) own: u64,
    /// Those of them that lead to the work.
    pub(crate) reached: u64,
}

/// Which part of the time is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    On,
    Off,
    Both,
}

impl Part {
    /// The outermost frames: where both parts are drawn, they are told apart.
    fn roots<'a>(self, phase: &'a str, sort: &'a str) -> Vec<&'a str> {
        if self == Part::Both { vec![phase, sort] } else { vec![phase] }
    }
}

/// A strand, as stretches with both ends.
#[derive(Debug)]
struct Line {
    first: bool,
    stretches: Vec<Piece>,
}

/// A stretch of a thread's time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    from_ns: u64,
    to_ns: u64,
    phase: Phase,
}

/// A stretch of a thread's time on a processor or off it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stay {
    /// When the thread was switched to it, which may lie before the run.
    since_ns: u64,
    from_ns: u64,
    to_ns: u64,
    way: Way,
}

impl<'a> Fold<'a> {
    /// Begins a graph of a run whose marks are `trace`.
    pub(crate) fn of(seen: &'a Seen, trace: &'a Trace) -> Fold<'a> {
        let mut strands: HashMap<u32, Vec<Line>> = HashMap::new();
        for (at, strand) in trace.strands.iter().enumerate() {
            let mut from_ns = strand.began_ns;
            let mut stretches = Vec::new();
            for stretch in &strand.stretches {
                let to_ns = stretch.until_ns;
                stretches.extend(stretch.phase.map(|phase| Piece { from_ns, to_ns, phase }));
                from_ns = to_ns;
            }
            strands.entry(strand.thread).or_default().push(Line { first: at == 0, stretches });
        }
        Fold {
            seen,
            trace,
            names: Names::here(),
            walker: None,
            process: std::process::id(),
            strands,
            stacks: BTreeMap::new(),
            samples: 0,
            waits: 0,
            on_ns: 0,
            own: 0,
            reached: 0,
        }
    }

    /// Why the kernel's frames have no names, if that is so.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        self.names.missing()
    }

    /// What computes. A sample stands for one period, or, where the sampler missed some (a virtual machine is not always
    /// served), for all processor time of its thread since the sample before it.
    pub(crate) fn on(&mut self) {
        self.stays(Part::On);
        let seen = self.seen;
        for stack in seen.on.iter().filter(|stack| (self.trace.began_ns..self.trace.ended_ns).contains(&stack.at_ns)) {
            // Another program runs while the first stopwatch waits for it.
            let foreign = stack.process != self.process;
            let roots = match self.phase_at(if foreign { self.first_thread() } else { stack.thread }, stack.at_ns) {
                Some(phase) if foreign => phase.name(),
                Some(_) => continue,
                None => BESIDE,
            };
            let frames = self.names.stack(seen.frames_of(stack), foreign);
            self.samples += 1;
            self.add(&[roots], &frames, PERIOD_NS);
        }
    }

    /// What waits: a stack that leaves the processor stands for the time until its thread gets one again.
    pub(crate) fn off(&mut self) {
        self.stays(Part::Off);
    }

    /// Every moment of every thread that carries a stopwatch. A sample stands for the processor time since the sample
    /// before it, so that the whole adds up.
    pub(crate) fn wall(&mut self) {
        self.stays(Part::Both);
    }

    fn stays(&mut self, part: Part) {
        let (on, leaving) = (by_thread(&self.seen.on), by_thread(&self.seen.leaving));
        let mut switches: HashMap<u32, Vec<Switch>> = HashMap::new();
        for switch in &self.seen.switches {
            switches.entry(switch.thread).or_default().push(*switch);
        }
        let strands = std::mem::take(&mut self.strands);
        for (thread, lines) in &strands {
            let none = Vec::new();
            let mut switches = switches.remove(thread).unwrap_or_default();
            switches.sort_by_key(|switch| switch.at_ns);
            for line in lines {
                let (Some(first), Some(last)) = (line.stretches.first(), line.stretches.last()) else { continue };
                let stays = stays(first.from_ns, last.to_ns, line.first, &switches);
                let mut on_samples = on.get(thread).unwrap_or(&none).iter().copied().peekable();
                let mut owed = Vec::new();
                for piece in pieces(&stays, &line.stretches) {
                    match (piece.0.way, part) {
                        (Way::In, Part::On | Part::Both) => {
                            self.on_piece(part, &mut on_samples, &piece.1, &mut owed);
                        }
                        (Way::Out | Way::Preempted, Part::Off | Part::Both) => {
                            self.off_piece(part, leaving.get(thread).unwrap_or(&none), piece.0, &piece.1);
                        }
                        _ => {}
                    }
                }
                // What came after the last sample has no stack; it is drawn where the whole must add up.
                for (phase, ns) in owed.into_iter().filter(|_| part == Part::Both) {
                    self.add(&part.roots(phase, ON), &["[after the last sample]".to_owned()], ns);
                }
            }
        }
        self.strands = strands;
    }

    /// A stretch on a processor: each sample in it takes what is owed since the one before.
    fn on_piece(
        &mut self,
        part: Part,
        samples: &mut std::iter::Peekable<impl Iterator<Item = Stack>>,
        piece: &Piece,
        owed: &mut Vec<(&'static str, u64)>,
    ) {
        let phase = piece.phase.name();
        let mut from_ns = piece.from_ns;
        self.on_ns += piece.to_ns - piece.from_ns;
        while let Some(stack) = samples.next_if(|stack| stack.at_ns < piece.to_ns) {
            if stack.at_ns < piece.from_ns {
                continue;
            }
            let since_ns = owed.drain(..).map(|(_, ns)| ns).sum::<u64>() + (stack.at_ns - from_ns);
            let ns = if part == Part::On && since_ns < 2 * PERIOD_NS { PERIOD_NS } else { since_ns };
            from_ns = stack.at_ns;
            let frames = self.frames(&stack);
            self.samples += 1;
            self.add(&part.roots(phase, ON), &frames, ns);
        }
        owed.push((phase, piece.to_ns - from_ns));
    }

    /// A stretch off it: the stack is the one that left.
    fn off_piece(&mut self, part: Part, leaving: &[Stack], stay: Stay, piece: &Piece) {
        // The stack is noted just before the switch; a thread that has not begun yet, or has ended, has none.
        let noted = leaving.partition_point(|stack| stack.at_ns <= stay.since_ns);
        let stack = leaving[..noted].last().filter(|stack| stay.since_ns - stack.at_ns < 100_000);
        let ns = piece.to_ns - piece.from_ns;
        let mut roots = part.roots(piece.phase.name(), OFF);
        roots.extend((stay.way == Way::Preempted).then_some("[preempted]"));
        match stack {
            Some(stack) => {
                let frames = self.frames(stack);
                self.waits += 1;
                self.add(&roots, &frames, ns);
            }
            None => self.add(&roots, &["[not started, or ended]".to_owned()], ns),
        }
    }

    /// The frames from the work inwards, of a thread that a stopwatch follows; those that lead there are counted.
    fn frames(&mut self, stack: &Stack) -> Vec<String> {
        let frames = self.names.stack(self.seen.frames_of(stack), false);
        self.own += 1;
        let inner = from_the_work(&frames).or_else(|| from_the_work(&self.walked(stack)?));
        match inner {
            Some(inner) => {
                self.reached += 1;
                inner
            }
            None => std::iter::once(BROKEN.to_owned()).chain(frames).collect(),
        }
    }

    /// The frames that a walk along the copied stack finds, where the kernel's chain ends early.
    fn walked(&mut self, stack: &Stack) -> Option<Vec<String>> {
        let start = stack.start?;
        let walker = self.walker.get_or_insert_with(Walker::here);
        let user = walker.walk(start, self.seen.copy_of(stack));
        Some(self.names.stack_with(self.seen.frames_of(stack), &user))
    }

    fn add(&mut self, roots: &[&str], frames: &[String], ns: u64) {
        let stack = roots.iter().copied().chain(frames.iter().map(String::as_str)).collect::<Vec<_>>().join(";");
        *self.stacks.entry(stack).or_default() += ns;
    }

    /// The thread that started the clock.
    fn first_thread(&self) -> u32 {
        self.trace.strands.first().map_or(0, |strand| strand.thread)
    }

    /// The phase of a thread at a moment, if it carried a stopwatch then.
    fn phase_at(&self, thread: u32, at_ns: u64) -> Option<Phase> {
        self.strands.get(&thread)?.iter().find_map(|line| {
            let at = line.stretches.partition_point(|piece| piece.to_ns <= at_ns);
            line.stretches.get(at).filter(|piece| piece.from_ns <= at_ns).map(|piece| piece.phase)
        })
    }
}

/// The frames from `measured` inwards. A worker's stack begins where its thread does, which `measured` had started or
/// `prepare` before it.
pub(crate) fn from_the_work(frames: &[String]) -> Option<Vec<String>> {
    if let Some(at) = frames.iter().position(|frame| frame.starts_with("harness::measured::measured")) {
        return Some(std::iter::once("measured".to_owned()).chain(frames[at + 1..].iter().cloned()).collect());
    }
    let start = frames.iter().position(|frame| frame.ends_with("thread_start") || frame.contains("ret_from_fork"))?;
    // What the standard library does to start a thread is not the worker's.
    let begun = frames.iter().rposition(|frame| frame.contains("__rust_begin_short_backtrace")).unwrap_or(start);
    let inner = frames[begun + 1..].iter().cloned();
    Some(["measured".to_owned(), "[a worker]".to_owned()].into_iter().chain(inner).collect())
}

fn by_thread(stacks: &[Stack]) -> HashMap<u32, Vec<Stack>> {
    let mut threads: HashMap<u32, Vec<Stack>> = HashMap::new();
    for stack in stacks {
        threads.entry(stack.thread).or_default().push(*stack);
    }
    for stacks in threads.values_mut() {
        stacks.sort_by_key(|stack| stack.at_ns);
    }
    threads
}

/// When a thread was on a processor and when not, from one moment to another. Before its first switch it was where that
/// switch took it from; without any, the thread that started the clock ran all the time.
fn stays(from_ns: u64, to_ns: u64, ran: bool, switches: &[Switch]) -> Vec<Stay> {
    let before = switches.partition_point(|switch| switch.at_ns <= from_ns);
    let way = match (switches[..before].last(), switches.get(before)) {
        (Some(earlier), _) => earlier.way,
        (None, Some(next)) if next.way == Way::In => Way::Out,
        (None, Some(_)) => Way::In,
        (None, None) if ran => Way::In,
        (None, None) => Way::Out,
    };
    let since_ns = switches[..before].last().map_or(from_ns, |earlier| earlier.at_ns);
    let mut stays = vec![Stay { since_ns, from_ns, to_ns, way }];
    for switch in switches[before..].iter().take_while(|switch| switch.at_ns < to_ns) {
        let open = stays.last_mut().expect("it begins with one");
        if open.way == switch.way {
            continue;
        }
        open.to_ns = switch.at_ns;
        stays.push(Stay { since_ns: switch.at_ns, from_ns: switch.at_ns, to_ns, way: switch.way });
    }
    stays
}

/// Both cut at the ends of the other: each stay with the stretches, and parts of stretches, that lie in it.
fn pieces(stays: &[Stay], stretches: &[Piece]) -> Vec<(Stay, Piece)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for stay in stays {
        while let Some(stretch) = stretches.get(at) {
            let (from_ns, to_ns) = (stay.from_ns.max(stretch.from_ns), stay.to_ns.min(stretch.to_ns));
            if from_ns < to_ns {
                pieces.push((*stay, Piece { from_ns, to_ns, phase: stretch.phase }));
            }
            if stretch.to_ns > stay.to_ns {
                break;
            }
            at += 1;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use technique::phase::{CREATE, WRITE};

    fn switch(at_ns: u64, way: Way) -> Switch {
        Switch { thread: 1, at_ns, way }
    }

    #[test]
    fn stays_fill_the_time() {
        let switches = [switch(20, Way::Out), switch(50, Way::In), switch(70, Way::Preempted), switch(200, Way::In)];
        let stays = stays(10, 100, true, &switches);
        let told: Vec<_> = stays.iter().map(|stay| (stay.from_ns, stay.to_ns, stay.way)).collect();
        assert_eq!(told, [(10, 20, Way::In), (20, 50, Way::Out), (50, 70, Way::In), (70, 100, Way::Preempted)]);
    }

    #[test]
    fn a_worker_does_not_run_before_its_first_switch() {
        assert_eq!(stays(0, 10, false, &[switch(4, Way::In)])[0].way, Way::Out);
        assert_eq!(stays(0, 10, false, &[]), [Stay { since_ns: 0, from_ns: 0, to_ns: 10, way: Way::Out }]);
    }

    #[test]
    fn pieces_cut_both_ways_and_lose_nothing() {
        let stays = stays(0, 100, true, &[switch(30, Way::Out), switch(60, Way::In)]);
        let stretches =
            [Piece { from_ns: 0, to_ns: 40, phase: CREATE }, Piece { from_ns: 40, to_ns: 100, phase: WRITE }];
        let pieces = pieces(&stays, &stretches);
        let told: Vec<_> = pieces.iter().map(|(_, piece)| (piece.from_ns, piece.to_ns, piece.phase)).collect();
        assert_eq!(told, [(0, 30, CREATE), (30, 40, CREATE), (40, 60, WRITE), (60, 100, WRITE)]);
    }

    #[test]
    fn stacks_begin_at_the_work() {
        let frames = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let cut = |text| from_the_work(&frames(text)).map(|frames| frames.join(" "));
        assert_eq!(cut("main harness::measured::measured_traced work").unwrap(), "measured work");
        let worker = "clone x::thread_start y x::__rust_begin_short_backtrace each";
        assert_eq!(cut(worker).unwrap(), "measured [a worker] each");
        assert_eq!(cut("main x::__rust_begin_short_backtrace each"), None);
        assert_eq!(cut("each"), None);
    }
}
