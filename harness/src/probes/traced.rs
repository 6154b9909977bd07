//! Counting system calls without tracepoints: this process starts another that does the work, and stops it at each
//! call. Exact and slow; the record says that the counts came this way.

use super::calls::CALLS;
use crate::once::{Answer, Errand, Pass};
use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use reports::record::{Counted, Reading, SystemCalls};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::process::{Command, Stdio};

/// What the record calls this way of counting.
pub const BY_PTRACE: &str = "ptrace";

/// Above so many files, stopping at each call would take longer than everything else in a run.
pub const MOST_FILES: u64 = 1_000;

/// What came of it.
pub enum Traced {
    /// The other process answered, and its calls are counted.
    Answered(Answer),
    /// This machine does not let one process trace another; nothing was done.
    Refused(String),
}

/// The traced process, first thing: asks to be traced, and waits until it is.
pub fn submit() -> Result<()> {
    ptrace::traceme().context("ptrace is refused")?;
    raise(Signal::SIGSTOP).context("waiting for the tracer")?;
    Ok(())
}

/// Sends another process on the errand, and counts its calls between the two switches.
pub fn trace(errand: &Errand) -> Result<Traced> {
    trace_as(Command::new(std::env::current_exe().context("finding this program")?), errand)
}

/// The same, with another program, which is `assay`.
pub fn trace_as(mut program: Command, errand: &Errand) -> Result<Traced> {
    if errand.tally.files > MOST_FILES {
        return Ok(Traced::Refused(format!(
            "ptrace is too slow for more than {MOST_FILES} files (assay explain ROW --on tiny counts without tracefs)"
        )));
    }
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return Ok(Traced::Refused("this kind of processor's registers are not known here".to_owned()));
    }
    let errand = Errand { pass: Pass::Traced, ..errand.clone() };
    let mut child = program
        .arg("once")
        .arg(serde_json::to_string(&errand)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the process to trace")?;
    let mut output = child.stdout.take().context("its output is a pipe")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a process number fits an i32")?);
    if !matches!(waitpid(pid, Some(WaitPidFlag::WUNTRACED))?, WaitStatus::Stopped(_, Signal::SIGSTOP)) {
        return Ok(Traced::Refused("ptrace is refused".to_owned()));
    }
    let calls = follow(pid)?;
    let text = reader.join().expect("reading a pipe does not panic").context("reading the answer")?;
    let mut answer = serde_json::from_str(text.trim()).context("the traced process's answer is unreadable")?;
    if let Answer::Reading(Reading { counts: Some(counts), .. }) = &mut answer {
        counts.calls = Counted::Present(calls);
    }
    Ok(Traced::Answered(answer))
}

/// Follows the process and all that come from it until the last has ended.
fn follow(first: Pid) -> Result<SystemCalls> {
    use ptrace::Options;
    ptrace::setoptions(
        first,
        Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL,
    )?;
    ptrace::syscall(first, None)?;
    // Only what this thread traces: its process may have other children that others wait for.
    let which = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    // Whether each thread is between the entry of a call and its end.
    let mut inside = HashMap::from([(first, false)]);
    let mut counts = Tally::default();
    let mut ended = None;
    while !inside.is_empty() {
        let status = waitpid(None, Some(which)).context("following the traced process")?;
        let (pid, signal) = match status {
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                inside.remove(&pid);
                if pid == first {
                    ended = Some(status);
                }
                continue;
            }
            WaitStatus::PtraceSyscall(pid) => {
                let inside = inside.entry(pid).or_default();
                *inside = !*inside;
                if *inside {
                    counts.entered(number_and_argument(pid));
                }
                (pid, None)
            }
            // A new thread's first stop is the tracer's doing, and no signal of its own.
            WaitStatus::Stopped(pid, Signal::SIGSTOP) if !inside.contains_key(&pid) => {
                inside.insert(pid, false);
                (pid, None)
            }
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            WaitStatus::PtraceEvent(pid, ..) => (pid, None),
            WaitStatus::Continued(_) | WaitStatus::StillAlive => continue,
        };
        match ptrace::syscall(pid, signal) {
            // It was killed meanwhile; its end is reported by itself.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(error).context("letting the traced process go on"),
        }
    }
    match ended {
        Some(WaitStatus::Exited(_, 0)) => Ok(counts.calls()),
        other => bail!("the traced process ended badly: {other:?}"),
    }
}

/// Calls by number while the counters are switched on.
#[derive(Default)]
struct Tally {
    on: bool,
    by_number: HashMap<libc::c_long, u64>,
}

impl Tally {
    /// A thread enters a call.
    fn entered(&mut self, call: Option<(libc::c_long, u64)>) {
        const DISABLE: u64 = 31;
        const ENABLE: u64 = 32;
        match call {
            Some((libc::SYS_prctl, ENABLE)) => self.on = true,
            Some((libc::SYS_prctl, DISABLE)) => self.on = false,
            Some((number, _)) if self.on => *self.by_number.entry(number).or_default() += 1,
            _ => {}
        }
    }

    fn calls(mut self) -> SystemCalls {
        let by_name: BTreeMap<String, u64> = CALLS
            .iter()
            .filter_map(|(name, number)| Some(((*name).to_owned(), self.by_number.remove(number)?)))
            .collect();
        SystemCalls { by: BY_PTRACE.to_owned(), by_name, others: self.by_number.values().sum() }
    }
}

/// The call that a stopped thread enters, and its first argument.
#[cfg(target_arch = "x86_64")]
fn number_and_argument(pid: Pid) -> Option<(libc::c_long, u64)> {
    let registers = ptrace::getregs(pid).ok()?;
    Some((libc::c_long::try_from(registers.orig_rax).ok()?, registers.rdi))
}

/// The call that a stopped thread enters, and its first argument.
#[cfg(target_arch = "aarch64")]
fn number_and_argument(pid: Pid) -> Option<(libc::c_long, u64)> {
    let registers = ptrace::getregs(pid).ok()?;
    Some((libc::c_long::try_from(registers.regs[8]).ok()?, registers.regs[0]))
}

/// The call that a stopped thread enters, and its first argument: unknown.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn number_and_argument(_: Pid) -> Option<(libc::c_long, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_between_the_switches_count() {
        let mut tally = Tally::default();
        let calls = [
            (libc::SYS_write, 1),
            (libc::SYS_prctl, 32),
            (libc::SYS_write, 1),
            (libc::SYS_prctl, 15),
            (libc::SYS_reboot, 0),
            (libc::SYS_prctl, 31),
            (libc::SYS_write, 1),
        ];
        for call in calls {
            tally.entered(Some(call));
        }
        let calls = tally.calls();
        assert_eq!(calls.by_name, BTreeMap::from([("prctl".to_owned(), 1), ("write".to_owned(), 1)]));
        assert_eq!((calls.others, calls.total()), (1, 3));
    }
}
