//! The second transport: requests lie in memory that is shared with the kernel (FUSE over io_uring, since Linux 6.14).
//!
//! Each processor has a ring, and a thread that stays on that processor and answers it: whoever asks on a processor is
//! answered on it, wherever the scheduler puts him. What the kernel wants forgotten or interrupted still comes by the
//! device, and [`Mounted`](crate::filesystem::Mounted) hears of it as before; both answer from the same [`Core`].

mod kernel;
mod switch;

pub use switch::{Switched, left_on, switch_back, switch_on};

use crate::answer::{Answered, Request};
use crate::core::Core;
use crate::knobs::{Data, Knobs};
use crate::wire::{opcode, room};
use anyhow::{Context, Result, anyhow, bail};
use fuser::Errno;
use kernel::{Asked, Queue};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use technique::Absent;

/// Where the kernel says whether it offers this transport.
pub const SWITCH: &str = "/sys/module/fuse/parameters/enable_uring";
/// How many requests of one processor may be under way.
const DEPTH: usize = 4;

/// Whether rings can be had here, for these knobs.
pub(crate) fn possible(knobs: &Knobs) -> Result<()> {
    if knobs.data == Data::Passthrough {
        bail!("files cannot be passed through by rings here: passthrough wants the transport `Device`");
    }
    match std::fs::read_to_string(SWITCH).as_deref().map(str::trim) {
        Ok("Y" | "1") => Ok(()),
        Ok(_) => Err(Absent::because(
            "FUSE over io_uring is switched off here",
            format!("run with --allow-system-settings, which puts it back, or: echo Y > {SWITCH}"),
        )),
        Err(_) => Err(refusal()),
    }
}

/// Why there is nothing to switch.
fn refusal() -> anyhow::Error {
    Absent::because(
        "this kernel has no FUSE over io_uring",
        "boot Linux 6.14 or newer with CONFIG_FUSE_IO_URING, and modprobe fuse",
    )
}

/// The threads that answer.
pub(crate) struct Rings(Vec<JoinHandle<()>>);

impl Rings {
    /// Starts a thread for each processor. The kernel must have agreed to rings on this device already; it holds all
    /// requests back until each processor has its ring. One that ends before the mount is gone leaves clients who wait
    /// for ever, unless `fail` ends the server.
    pub(crate) fn start(
        core: &Arc<Core>,
        device: &File,
        fail: impl Fn(&anyhow::Error) + Clone + Send + 'static,
    ) -> Result<Rings> {
        let room = room(&core.knobs);
        let mut threads = Vec::new();
        for id in 0..processors()? {
            let (core, fail) = (Arc::clone(core), fail.clone());
            let device = device.as_fd().try_clone_to_owned().context("lending the device to a thread")?;
            threads.push(std::thread::Builder::new().name(format!("ring-{id}")).spawn(move || {
                let served = catch_unwind(AssertUnwindSafe(|| serve(&core, device, id, room)));
                let served = served.unwrap_or_else(|_| Err(anyhow!("it panicked")));
                if let Err(error) = served.with_context(|| format!("answering the ring of processor {id}")) {
                    fail(&error);
                }
            })?);
        }
        Ok(Rings(threads))
    }

    /// Waits until the mount is gone and each thread has ended.
    pub(crate) fn join(self) {
        for thread in self.0 {
            // One that failed has said so.
            let _ = thread.join();
        }
    }
}

fn serve(core: &Core, device: OwnedFd, id: u16, room: usize) -> Result<()> {
    let mut own = CpuSet::new();
    own.set(usize::from(id));
    // A processor that is asleep or not ours has a ring all the same, and nobody asks there.
    let _ = sched_setaffinity(None, &own);
    let mut queue = Queue::new(device, id, DEPTH, room).context("making it")?;
    Ok(queue.serve(|asked, payload| answer(core, asked, payload))?)
}

/// Answers a request in the place that it came in: its payload becomes the answer's.
fn answer(core: &Core, asked: &Asked, payload: &mut [u8]) -> Answered {
    let request = Request::new(&asked.header, &asked.argument);
    let told = payload.get(..asked.payload_len).ok_or(Errno::EINVAL.code())?;
    match request.opcode {
        opcode::READ | opcode::READDIR => request.answer(core, &[], payload),
        // Too much to put aside, and its answer is short.
        opcode::WRITE => {
            let mut short = [0; 8];
            let len = request.answer(core, told, &mut short)?;
            payload[..len].copy_from_slice(&short[..len]);
            Ok(len)
        }
        // Names stand where the answer will.
        _ => {
            let told = told.to_vec();
            request.answer(core, &told, payload)
        }
    }
}

/// How many processors there can ever be: the kernel waits for a ring of each.
fn processors() -> Result<u16> {
    const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
    let list = std::fs::read_to_string(POSSIBLE).with_context(|| format!("reading {POSSIBLE}"))?;
    count(list.trim()).with_context(|| format!("{POSSIBLE} says {list:?}"))
}

/// How many numbers `0-3,8` stands for.
fn count(ranges: &str) -> Option<u16> {
    let mut sum = 0;
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        sum += last.checked_sub(first)? + 1;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!(["0", "0-1", "0-3,8", "0-1,4-5"].map(count), [Some(1), Some(2), Some(5), Some(4)]);
        assert_eq!(["", "a", "3-1"].map(count), [None; 3]);
    }
}
