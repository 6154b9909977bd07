//! The kernel's side: events of this process with call chains, read from ring buffers into memory.
//!
//! A thread of its own opens them on the threads that are there, so what it does itself is not seen; threads and
//! programs that start later inherit them. An inherited event may only be read where it stands on one processor, so
//! there is an event and a ring for each thread and processor. `context-switches` with a period of one is the
//! `sched_switch` tracepoint without tracefs: its stack is the one that goes to sleep.
//!
//! The kernel follows frame pointers, and libc is built without: a chain that ends early comes with the top of the
//! thread's stack, from which the module `walk` finds the way on.

use super::Kind;
use anyhow::{Context, Result, anyhow};
use perf_event2::events::Software;
use perf_event2::{Builder, Clock, Counter, SampleFlag, Sampler};
use rustix::io::Errno;
use rustix::thread::gettid;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use technique::Absent;

/// Nanoseconds of processor time between two samples: 1,988 a second, so as not to march with the kernel's tick.
pub(crate) const PERIOD_NS: u64 = 503_009;
/// The rings are emptied so often; nothing else wakes the reader.
const EMPTY_EVERY: Duration = Duration::from_millis(10);
/// Sizes of a ring, the best first: an ordinary user may lock little memory.
const RING_BYTES: [usize; 3] = [8 << 20, 1 << 20, 128 << 10];
/// How much of the stack comes with a sample. Threads may be switched far more often than the clock ticks.
const COPY_BYTES: u32 = 8 << 10;
const COPY_BYTES_LEAVING: u32 = 4 << 10;
/// Frame, stack and instruction pointer, as `PERF_REG_X86_*` numbers them: what a walk begins with. Elsewhere there is no
/// walk: libc has frame pointers there.
const REGISTERS: u64 = if cfg!(target_arch = "x86_64") { 1 << 6 | 1 << 7 | 1 << 8 } else { 0 };
/// A chain of a thread of ours that is whole has more user frames than this.
const SHORT: usize = 8;
/// `PERF_CONTEXT_USER`: what follows in a chain is the program's.
const USER: u64 = 512_u64.wrapping_neg();

/// Numbers of the kernel's records, `PERF_RECORD_*`.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
const SWITCH: u32 = 14;
/// `PERF_RECORD_MISC_SWITCH_OUT`: the thread leaves the processor.
const OUT: u16 = 1 << 13;
/// `PERF_RECORD_MISC_SWITCH_OUT_PREEMPT`: it would have gone on.
const PREEMPT: u16 = 1 << 14;

/// What the kernel noted.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Stacks that were on a processor when the clock ticked.
    pub(crate) on: Vec<Stack>,
    /// Stacks that left the processor.
    pub(crate) leaving: Vec<Stack>,
    /// Threads that left or got the processor.
    pub(crate) switches: Vec<Switch>,
    /// Records that found no room.
    pub(crate) lost: u64,
    /// All call chains, one after the other.
    frames: Vec<u64>,
    /// All copies of stacks, one after the other.
    copies: Vec<u64>,
}

/// A call chain and its circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// The process.
    pub(crate) process: u32,
    /// The thread.
    pub(crate) thread: u32,
    /// On the monotonic clock.
    pub(crate) at_ns: u64,
    /// Where a walk along the copy begins, where there is one.
    pub(crate) start: Option<Start>,
    chain: Run,
    copy: Run,
}

/// Where a thread stood in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Its instruction pointer.
    pub(crate) instruction: u64,
    /// Its stack pointer: where the copy begins.
    pub(crate) stack: u64,
    /// Its frame pointer.
    pub(crate) frame: u64,
}

/// A run of words in a list of all.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    first: usize,
    count: usize,
}

/// A thread leaves or gets a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// The thread.
    pub(crate) thread: u32,
    /// On the monotonic clock.
    pub(crate) at_ns: u64,
    /// Which of the two.
    pub(crate) way: Way,
}

/// Which way a thread is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It gets a processor.
    In,
    /// It waits for something.
    Out,
    /// It would have gone on, but another got the processor.
    Preempted,
}

impl Seen {
    /// The frames of a stack as the kernel wrote them: innermost first, with marks between kernel and user.
    pub(crate) fn frames_of(&self, stack: &Stack) -> &[u64] {
        &self.frames[stack.chain.first..][..stack.chain.count]
    }

    /// The top of its thread's stack.
    pub(crate) fn copy_of(&self, stack: &Stack) -> &[u64] {
        &self.copies[stack.copy.first..][..stack.copy.count]
    }
}

/// A watch that runs.
pub(crate) struct Watch {
    stop: Sender<()>,
    reader: JoinHandle<Result<Seen>>,
}

impl Watch {
    /// Begins to watch every thread of this process but the reader, and all that they start.
    pub(crate) fn begin(kind: Kind) -> Result<Watch> {
        let (stop, stopped) = channel();
        let (ready, is_ready) = channel();
        let reader = std::thread::Builder::new()
            .name("flame reader".to_owned())
            .spawn(move || {
                let rings = open(kind);
                let opened = rings.as_ref().map(|_| ()).map_err(told);
                // The other side waits for exactly one word.
                let _ = ready.send(opened);
                read(rings.unwrap_or_default(), &stopped)
            })
            .context("starting the reader of the kernel's events")?;
        is_ready.recv().context("the reader of the kernel's events died")??;
        Ok(Watch { stop, reader })
    }

    /// Ends the watch and gives what was seen.
    pub(crate) fn end(self) -> Result<Seen> {
        // A reader that died has nobody to hear it, and says why below.
        let _ = self.stop.send(());
        self.reader.join().map_err(|_| anyhow!("the reader of the kernel's events panicked"))?
    }
}

/// Whether the kernel lets this process watch itself; the error says why not and how to mend it.
pub(crate) fn permitted() -> Result<()> {
    let event = clock(i32::try_from(std::process::id()).context("a process number fits an i32")?, 0);
    event.build().map(|_| ()).map_err(|error| told(&error))
}

fn told(error: &io::Error) -> anyhow::Error {
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    let paranoid = paranoid.as_deref().map_or("absent", str::trim);
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => Absent::because(
            format!("the kernel does not let this user watch it (kernel.perf_event_paranoid is {paranoid})"),
            "run as root, or sysctl kernel.perf_event_paranoid=1, or setcap cap_perfmon=ep target/release/assay; in a \
             container, allow perf_event_open",
        ),
        Some(Errno::NOENT | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NODEV) => Absent::because(
            format!("this kernel has no such events ({error})"),
            "a Linux kernel with CONFIG_PERF_EVENTS; some containers hide it",
        ),
        _ => anyhow!("opening the kernel's events: {error}"),
    }
}

fn clock(thread: i32, processor: usize) -> Builder<'static> {
    let mut event = event(Software::CPU_CLOCK, PERIOD_NS, thread, processor);
    event.sample_stack_user(COPY_BYTES);
    event
}

fn switches(thread: i32, processor: usize) -> Builder<'static> {
    let mut event = event(Software::CONTEXT_SWITCHES, 1, thread, processor);
    event.context_switch(true).sample_stack_user(COPY_BYTES_LEAVING);
    event
}

fn event(what: Software, period: u64, thread: i32, processor: usize) -> Builder<'static> {
    let mut event = Builder::new(what);
    event
        .observe_pid(thread)
        .one_cpu(processor)
        .inherit(true)
        .include_kernel()
        .sample_period(period)
        .sample(SampleFlag::TID | SampleFlag::TIME | SampleFlag::CALLCHAIN)
        .sample_id_all(true)
        .clockid(Clock::MONOTONIC);
    if REGISTERS != 0 {
        event.sample(SampleFlag::REGS_USER | SampleFlag::STACK_USER).sample_regs_user(REGISTERS);
    }
    event
}

/// A ring, and whether its stacks are on the processor or leaving it.
struct Ring {
    sampler: Sampler,
    leaving: bool,
}

fn open(kind: Kind) -> io::Result<Vec<Ring>> {
    let own = gettid().as_raw_nonzero().get();
    let mut rings = Vec::new();
    for thread in threads()?.into_iter().filter(|thread| *thread != own) {
        for processor in processors()? {
            for (event, leaving) in events(kind, thread, processor) {
                match ring(&event) {
                    Ok(sampler) => rings.push(Ring { sampler, leaving }),
                    // The thread ended since it was listed.
                    Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    for ring in &mut rings {
        ring.sampler.enable()?;
    }
    Ok(rings)
}

/// The events of a kind, and whether their stacks leave the processor.
fn events(kind: Kind, thread: i32, processor: usize) -> Vec<(Builder<'static>, bool)> {
    let on = matches!(kind, Kind::Kernel | Kind::Wall).then(|| {
        let mut clock = clock(thread, processor);
        // Who asks for stacks of switches is told of them anyway.
        clock.context_switch(kind == Kind::Kernel);
        (clock, false)
    });
    let off = matches!(kind, Kind::Off | Kind::Wall).then(|| (switches(thread, processor), true));
    on.into_iter().chain(off).collect()
}

/// The largest ring that the kernel lends.
fn ring(event: &Builder<'static>) -> io::Result<Sampler> {
    let mut refused = None;
    for bytes in RING_BYTES {
        match event.build().and_then(|counter: Counter| counter.sampled(bytes)) {
            Ok(sampler) => return Ok(sampler),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.expect("there are sizes to try"))
}

fn threads() -> io::Result<Vec<i32>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        threads.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(threads)
}

/// The processors that are online, from a list such as `0-3,8`.
fn processors() -> io::Result<Vec<usize>> {
    Ok(parse_list(std::fs::read_to_string("/sys/devices/system/cpu/online")?.trim()))
}

fn parse_list(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse::<usize>().ok()?..=to.parse().ok()?)
    });
    ranges.flatten().collect()
}

fn read(mut rings: Vec<Ring>, stopped: &Receiver<()>) -> Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let go_on = stopped.recv_timeout(EMPTY_EVERY) == Err(RecvTimeoutError::Timeout);
        if !go_on {
            for ring in &mut rings {
                ring.sampler.disable().context("stopping the kernel's events")?;
            }
        }
        for ring in &mut rings {
            while let Some(record) = ring.sampler.next_record() {
                seen.note(record.ty(), record.misc(), &record.to_contiguous(), ring.leaving);
            }
        }
        if !go_on {
            return Ok(seen);
        }
    }
}

impl Seen {
    /// Notes a record. Samples are process, thread, time, the chain with its length, registers, and the stack with its
    /// length; other records end with process, thread, time.
    fn note(&mut self, sort: u32, misc: u16, bytes: &[u8], leaving: bool) {
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect();
        match (sort, words.as_slice()) {
            (SAMPLE, [who, at_ns, count, rest @ ..]) => {
                let (process, thread) = both(*who);
                let count = usize::try_from(*count).map_or(0, |count| count.min(rest.len()));
                let (chain, rest) = rest.split_at(count);
                let (start, copy) = start_and_copy(chain, rest);
                let chain = run(&mut self.frames, chain);
                let copy = run(&mut self.copies, copy);
                let stack = Stack { process, thread, at_ns: *at_ns, start, chain, copy };
                if leaving { self.leaving.push(stack) } else { self.on.push(stack) }
            }
            (SWITCH, [.., who, at_ns]) => {
                let way = match (misc & OUT != 0, misc & PREEMPT != 0) {
                    (false, _) => Way::In,
                    (true, false) => Way::Out,
                    (true, true) => Way::Preempted,
                };
                self.switches.push(Switch { thread: both(*who).1, at_ns: *at_ns, way });
            }
            (LOST, [_, lost, ..]) => self.lost += lost,
            _ => {}
        }
    }
}

/// Where to walk from, and the stack to walk along, for a chain that ends early. The kernel writes which registers there
/// are, those, how much it had room for, so much, and how much of it is true.
fn start_and_copy<'a>(chain: &[u64], rest: &'a [u64]) -> (Option<Start>, &'a [u64]) {
    let user = chain.iter().position(|address| *address == USER).map_or(0, |at| chain.len() - at - 1);
    match rest {
        [abi, frame, stack, instruction, room, copy @ ..] if *abi != 0 && user <= SHORT && *room > 0 => {
            let room = usize::try_from(room / 8).map_or(0, |words| words.min(copy.len()));
            let (copy, truly) = copy.split_at(room);
            let truly = truly.first().and_then(|bytes| usize::try_from(bytes / 8).ok()).unwrap_or(0);
            let start = Start { instruction: *instruction, stack: *stack, frame: *frame };
            (Some(start), &copy[..truly.min(copy.len())])
        }
        _ => (None, &[]),
    }
}

fn run(all: &mut Vec<u64>, words: &[u64]) -> Run {
    all.extend_from_slice(words);
    Run { first: all.len() - words.len(), count: words.len() }
}

/// Two numbers of 32 bits that lie side by side in memory.
fn both(word: u64) -> (u32, u32) {
    let bytes = word.to_ne_bytes();
    let half = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    (half(0), half(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn who(process: u32, thread: u32) -> u64 {
        let bytes = [process.to_ne_bytes(), thread.to_ne_bytes()].concat();
        u64::from_ne_bytes(bytes.try_into().unwrap())
    }

    #[test]
    fn records_are_read() {
        let mut seen = Seen::default();
        let registers = [2, 0xbb, 0xcc, 0xdd];
        let copy = [24, 1, 2, 3, 16];
        seen.note(SAMPLE, 0, &record(&[&[who(7, 8), 100, 2, 0xa, 0xb][..], &registers, &copy].concat()), false);
        seen.note(SWITCH, OUT | PREEMPT, &record(&[who(7, 8), 110]), true);
        seen.note(LOST, 0, &record(&[1, 5, who(7, 8), 120]), true);
        assert_eq!(seen.frames_of(&seen.on[0]), [0xa, 0xb]);
        assert_eq!(seen.on[0].start, Some(Start { instruction: 0xdd, stack: 0xcc, frame: 0xbb }));
        assert_eq!(seen.copy_of(&seen.on[0]), [1, 2]);
        assert_eq!((seen.on[0].process, seen.on[0].thread, seen.on[0].at_ns), (7, 8, 100));
        assert_eq!(seen.switches, [Switch { thread: 8, at_ns: 110, way: Way::Preempted }]);
        assert_eq!(seen.lost, 5);
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(parse_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_list("0"), [0]);
    }
}
