//! A ring of the kernel's own: many names are asked about by one call.
#![allow(unsafe_code, reason = "what is handed to the kernel must outlive its answer, which no type says")]

use crate::meta::Meta;
use crate::names::Names;
use anyhow::{Result, bail};
use io_uring::types::{Fd, statx};
use io_uring::{IoUring, opcode};
use rustix::fs::{AtFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use technique::Absent;

/// An `io_uring` that asks what names stand for.
pub(crate) struct Ring {
    kernel: IoUring,
    at_once: usize,
    room: Box<[MaybeUninit<Statx>]>,
    answers: Vec<Result<Meta, Errno>>,
}

impl Ring {
    /// A ring that takes so many names at once; where the kernel has none, answers [`Absent`].
    pub(crate) fn new(at_once: u32) -> Result<Ring> {
        let at_once = at_once.clamp(1, 4096);
        let kernel = IoUring::new(at_once).map_err(|error| absent(&error))?;
        let mut probe = io_uring::Probe::new();
        kernel.submitter().register_probe(&mut probe).map_err(|error| absent(&error))?;
        if !probe.is_supported(opcode::Statx::CODE) {
            return Err(Absent::because("this kernel's io_uring cannot ask about names", "boot Linux 5.6 or newer"));
        }
        let room = (0..at_once).map(|_| MaybeUninit::zeroed()).collect();
        Ok(Ring { kernel, at_once: at_once as usize, room, answers: Vec::new() })
    }

    /// Asks about all these names below `dir`; the answers stand in their order.
    pub(crate) fn ask(
        &mut self,
        dir: BorrowedFd<'_>,
        names: &Names,
        mask: StatxFlags,
    ) -> Result<&[Result<Meta, Errno>]> {
        self.answers.clear();
        for from in (0..names.len()).step_by(self.at_once) {
            let count = self.at_once.min(names.len() - from);
            self.some(dir, names, from, count, mask)?;
        }
        Ok(&self.answers)
    }

    fn some(&mut self, dir: BorrowedFd<'_>, names: &Names, from: usize, count: usize, mask: StatxFlags) -> Result<()> {
        let base = self.answers.len();
        self.answers.resize(base + count, Err(Errno::IO));
        for (at, room) in self.room.iter_mut().take(count).enumerate() {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let (name, _, _) = names.get(from + at);
            let question = opcode::Statx::new(Fd(dir.as_raw_fd()), name.as_ptr(), room.as_mut_ptr().cast::<statx>())
                .flags(flags.bits().cast_signed())
                .mask(mask.bits())
                .build()
                .user_data(at as u64);
            // SAFETY: the name and the descriptor are borrowed until this function returns, the room for the answer
            // is the ring's own, and none of them is touched before `collect` has seen the kernel's answer to every
            // question that it took.
            unsafe { self.kernel.submission().push(&question) }.expect("the ring holds so many questions");
        }
        self.collect(base, count)
    }

    /// Hands over what is laid in the ring, and waits for every answer.
    fn collect(&mut self, base: usize, count: usize) -> Result<()> {
        let mut missing = count;
        let mut trouble = None;
        while missing > 0 {
            if trouble.is_none()
                && let Err(error) = self.kernel.submit_and_wait(missing)
            {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                if !matches!(errno, Errno::INTR | Errno::AGAIN | Errno::BUSY) {
                    // What the kernel has taken it still works on, so wait for that, and only for that.
                    trouble = Some(errno);
                    missing -= self.kernel.submission().len();
                }
            }
            for answer in self.kernel.completion() {
                missing -= 1;
                let at = usize::try_from(answer.user_data()).unwrap_or(usize::MAX);
                if let (Some(room), Some(slot)) = (self.room.get(at), self.answers.get_mut(base + at)) {
                    *slot = match answer.result() {
                        // SAFETY: the kernel filled it, and every pattern of bits is a `Statx`: all fields are numbers.
                        0.. => Ok(Meta::from_statx(unsafe { room.assume_init_ref() })),
                        errno => Err(Errno::from_raw_os_error(-errno)),
                    };
                }
            }
            if trouble.is_some() {
                std::thread::yield_now();
            }
        }
        match trouble {
            Some(errno) => bail!("handing questions to io_uring: {errno}"),
            None => Ok(()),
        }
    }
}

fn absent(error: &std::io::Error) -> anyhow::Error {
    let (why, mend) = match Errno::from_io_error(error) {
        Some(Errno::NOSYS) => ("this kernel was built without io_uring", "boot a Linux with CONFIG_IO_URING"),
        Some(Errno::PERM | Errno::ACCESS) => (
            "io_uring is forbidden here",
            "sysctl kernel.io_uring_disabled=0, or allow it in the container's seccomp profile",
        ),
        Some(Errno::NOMEM) => ("io_uring may lock too little memory", "raise `ulimit -l`"),
        _ => return anyhow::anyhow!("setting up io_uring: {error}"),
    };
    Absent::because(why, mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Ask;
    use rustix::fs::FileType;
    use std::os::fd::AsFd;

    #[test]
    fn a_ring_answers_what_the_call_answers_in_the_order_of_the_names() {
        let dir = tempfile::tempdir().unwrap();
        let mut names = Names::default();
        for nth in 0..50 {
            let name = std::ffi::CString::new(format!("file {nth}")).unwrap();
            if nth % 7 != 3 {
                std::fs::write(dir.path().join(name.to_str().unwrap()), vec![0; nth]).unwrap();
            }
            names.push(&name, 0, FileType::Unknown);
        }
        let held = std::fs::File::open(dir.path()).unwrap();
        for at_once in [1, 8, 64] {
            let mut ring = match Ring::new(at_once) {
                Ok(ring) => ring,
                Err(error) => return technique::absent::skip("io_uring", &format!("{error:#}")),
            };
            for _ in 0..2 {
                let answers = ring.ask(held.as_fd(), &names, Ask::Basic.mask()).unwrap().to_vec();
                let expected: Vec<Result<Meta, Errno>> =
                    (0..names.len()).map(|at| Ask::Basic.about(held.as_fd(), names.get(at).0)).collect();
                assert_eq!(answers, expected, "{at_once}");
                assert_eq!(answers[3], Err(Errno::NOENT));
            }
        }
    }
}
