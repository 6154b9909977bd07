//! The device, read and answered by hand: one call to hear of a request, one to answer it, and between them nothing but
//! the core. What a library does besides (a loop of its own in a thread, each request parsed twice, an answer made of
//! pieces that the kernel collects) is what this transport leaves out.

use crate::answer::Request;
use crate::core::Core;
use crate::knobs::{Data, Knobs};
use crate::watch::Request as Kind;
use crate::wire::{HEADER, Numbers, OUT, first_argument, opcode, room};
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno as Told;
use std::os::fd::AsFd;

/// How often the processor is given away before the server sleeps.
const PATIENCE: u32 = 16;

/// Whether these knobs can be had so.
pub(crate) fn possible(knobs: &Knobs) -> Result<()> {
    if knobs.data == Data::Passthrough || knobs.threads > 1 || knobs.follows {
        bail!(
            "by hand, one thread serves, stays where it is and passes no file through: that takes the transport `Device`"
        );
    }
    Ok(())
}

/// Answers what comes by a device on which the kernel has agreed already, until the mount is gone.
pub(crate) fn serve(core: &Core, device: impl AsFd) -> Result<()> {
    let room = room(&core.knobs);
    let (mut asked, mut told) = (vec![0; room], vec![0; room]);
    while let Some(len) = hear(&core.knobs, &device, &mut asked).context("listening to the kernel")? {
        let header = asked[..len].get(..HEADER).context("the kernel has sent less than a header")?;
        let (opcode, unique) = (Numbers(&header[4..]).u32(), Numbers(&header[8..]).u64());
        let body = &asked[HEADER..len];
        let answered = match opcode {
            opcode::FORGET | opcode::BATCH_FORGET => {
                forget(core, Numbers(&header[16..]).u64(), opcode, body);
                continue;
            }
            opcode::DESTROY => Ok(0),
            _ => {
                let (argument, rest) = body.split_at(first_argument(opcode).min(body.len()));
                Request::new(header, argument).answer(core, rest, &mut told[OUT..])
            }
        };
        // struct fuse_out_header: length, error, and the request's own number.
        let (len, error) = answered.map_or_else(|errno| (OUT, -errno), |len| (OUT + len, 0));
        told[..4].copy_from_slice(&u32::try_from(len).context("an answer of more than 4 GiB")?.to_ne_bytes());
        told[4..8].copy_from_slice(&error.to_ne_bytes());
        told[8..OUT].copy_from_slice(&unique.to_ne_bytes());
        match rustix::io::write(&device, &told[..len]) {
            // Who asked has been interrupted, and does not wait any more.
            Ok(_) | Err(Told::NOENT) => {}
            Err(error) => return Err(error).context("answering the kernel"),
        }
        if opcode == opcode::DESTROY {
            break;
        }
    }
    Ok(())
}

/// The next request's length, or nothing where the mount is gone.
fn hear(knobs: &Knobs, device: &impl AsFd, into: &mut [u8]) -> rustix::io::Result<Option<usize>> {
    let mut given_away = 0;
    loop {
        if knobs.yields && given_away < PATIENCE {
            // Who was just answered asks again, and then it need not wake anybody.
            rustix::thread::sched_yield();
            given_away += 1;
        }
        match rustix::io::read(device, &mut *into) {
            Ok(len) => return Ok(Some(len)),
            Err(Told::NODEV) => return Ok(None),
            Err(Told::AGAIN) if knobs.yields && given_away == PATIENCE => {
                // If that fails, the next look says why.
                let _ = poll(&mut [PollFd::new(device, PollFlags::IN)], None);
            }
            // A request that was taken back before it was read, a signal, or nothing yet.
            Err(Told::NOENT | Told::INTR | Told::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The kernel forgets one node or many. Nobody waits for an answer.
fn forget(core: &Core, node: u64, opcode: u32, body: &[u8]) {
    let mut numbers = Numbers(body);
    let many = opcode == opcode::BATCH_FORGET;
    let count = if many { (numbers.u32(), numbers.u32()).0 } else { 1 };
    for _ in 0..count {
        let node = if many { numbers.u64() } else { node };
        let times = numbers.u64();
        core.watch.turn(Kind::Forget, |_| {
            // Nobody could be told.
            let _ = core.forget(node, times);
        });
    }
}
