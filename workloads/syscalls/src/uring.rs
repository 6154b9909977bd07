//! A ring of the kernel's own: for each file a chain of open, write and close, many chains handed over by one call.
#![allow(unsafe_code, reason = "what is handed to the kernel must outlive its answer, which no type says")]

use anyhow::{Context, Result, bail};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{DestinationSlot, Fd, Fixed};
use io_uring::{IoUring, opcode};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::phase::{CHMOD, SUBMIT};
use technique::trouble::trouble;
use technique::{Absent, Lap};

/// The most bytes of one write: what is longer is written by several. The kernel would take just under 2 GiB.
const MOST: usize = 1 << 30;

/// A file to be made by a [`Ring`].
#[derive(Clone, Copy, Debug)]
pub struct RingFile<'a> {
    /// Where, below the directory that is given with it.
    pub path: &'a CStr,
    /// Its permission bits.
    pub mode: u32,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// An io_uring with a table of descriptors that never become the process's own.
pub struct Ring {
    kernel: IoUring,
    chains: u32,
    /// The most bytes of one write.
    most: usize,
    /// Set when the kernel would not take what was laid in the ring: it must not see that later.
    spoilt: bool,
}

/// The steps of a chain.
#[derive(Clone, Copy)]
enum Step {
    Open,
    Write,
    Close,
}

/// How far one file has come.
#[derive(Default)]
struct Flight {
    opened: bool,
    written: usize,
    closed: bool,
    failed: Option<(Errno, &'static str)>,
}

impl Ring {
    /// A ring that takes so many files at once; where the kernel has none, answers [`Absent`].
    pub fn new(chains: u32) -> Result<Ring> {
        let chains = chains.max(1);
        let entries = chains.checked_mul(3).context("so many chains fit no ring")?;
        let kernel = IoUring::new(entries).map_err(|error| absent(&error))?;
        kernel.submitter().register_files_sparse(chains).map_err(|error| absent(&error))?;
        Ok(Ring { kernel, chains, most: MOST, spoilt: false })
    }

    /// How many files it takes at once.
    pub fn chains(&self) -> usize {
        self.chains as usize
    }

    /// Makes these files, at most as many as there are chains, and returns when the kernel is done with all of them.
    /// It never replaces a file. What fails is removed, and the first such file is named. Relies on
    /// [`clear_umask`](technique::load::clear_umask).
    pub fn make(&mut self, dir: BorrowedFd<'_>, files: &[RingFile<'_>], lap: &mut Lap) -> Result<()> {
        if self.spoilt {
            bail!("this ring failed before: make a new one");
        }
        if files.len() > self.chains() {
            bail!("{} files are more than the {} chains of this ring", files.len(), self.chains);
        }
        let mut flights: Vec<Flight> = files.iter().map(|_| Flight::default()).collect();
        loop {
            let mut steps = 0;
            for (slot, (file, flight)) in files.iter().zip(&flights).enumerate() {
                steps += self.lay(dir, slot, file, flight);
            }
            if steps == 0 {
                break;
            }
            self.hand_over(steps, files, &mut flights);
        }
        lap.mark(SUBMIT);
        restore_set_id(dir, files, &flights, lap)?;
        self.first_failure(dir, files, &flights)
    }

    /// Lays what a file still needs in the ring, as one chain; says how many steps that is.
    fn lay(&mut self, dir: BorrowedFd<'_>, slot: usize, file: &RingFile<'_>, flight: &Flight) -> usize {
        if flight.is_over() {
            return 0;
        }
        let index = u32::try_from(slot).expect("there are at most as many slots as chains");
        let rest = &file.bytes[flight.written..];
        let piece = &rest[..rest.len().min(self.most)];
        let open = (!flight.opened).then(|| {
            // A descriptor of the ring's own table knows no close-on-exec, and refuses the flag.
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
            opcode::OpenAt::new(Fd(dir.as_raw_fd()), file.path.as_ptr())
                .flags(flags.bits().cast_signed())
                .mode(file.mode & 0o7777)
                .file_index(Some(DestinationSlot::try_from_slot_target(index).expect("a small number is a slot")))
                .build()
                .user_data(Step::Open.tag(slot))
        });
        let write = (!piece.is_empty()).then(|| {
            let len = u32::try_from(piece.len()).expect("a piece is at most 1 GiB");
            opcode::Write::new(Fixed(index), piece.as_ptr(), len)
                .offset(flight.written as u64)
                .build()
                .user_data(Step::Write.tag(slot))
        });
        let close = (piece.len() == rest.len())
            .then(|| opcode::Close::new(Fixed(index)).build().user_data(Step::Close.tag(slot)));
        self.push_chain([open, write, close])
    }

    fn push_chain(&mut self, steps: [Option<Entry>; 3]) -> usize {
        let count = steps.iter().flatten().count();
        let mut queue = self.kernel.submission();
        for (at, step) in steps.into_iter().flatten().enumerate() {
            let step = if at + 1 < count { step.flags(Flags::IO_LINK) } else { step };
            // SAFETY: the step points to the path and the bytes of a file that `make` borrows, and `make` does not
            // return before `hand_over` has seen the kernel's answer to every step that the kernel took.
            unsafe { queue.push(&step) }.expect("the ring holds three steps a chain");
        }
        count
    }

    /// Hands what is laid to the kernel, and collects every answer.
    fn hand_over(&mut self, steps: usize, files: &[RingFile<'_>], flights: &mut [Flight]) {
        let mut missing = steps;
        while missing > 0 {
            if let Err(error) = self.kernel.submit_and_wait(missing) {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                if !matches!(errno, Errno::INTR | Errno::AGAIN | Errno::BUSY) {
                    self.give_up(missing, errno, files, flights);
                    return;
                }
            }
            missing -= self.collect(files, flights);
        }
    }

    /// The kernel takes no more calls on this ring. What it has taken it still works on, so wait for that.
    fn give_up(&mut self, missing: usize, errno: Errno, files: &[RingFile<'_>], flights: &mut [Flight]) {
        self.spoilt = true;
        let mut taken = missing - self.kernel.submission().len();
        while taken > 0 {
            taken -= self.collect(files, flights);
            std::thread::yield_now();
        }
        for flight in flights.iter_mut().filter(|flight| !flight.is_over()) {
            flight.failed = Some((errno, "handing to the kernel"));
        }
    }

    /// Reads the answers that have come; says how many.
    fn collect(&mut self, files: &[RingFile<'_>], flights: &mut [Flight]) -> usize {
        let mut count = 0;
        for answer in self.kernel.completion() {
            count += 1;
            let (step, slot) = Step::of_tag(answer.user_data());
            if let (Some(file), Some(flight)) = (files.get(slot), flights.get_mut(slot)) {
                flight.take(step, answer.result(), file.bytes.len());
            }
        }
        count
    }

    /// Removes what failed, and tells of the first.
    fn first_failure(&mut self, dir: BorrowedFd<'_>, files: &[RingFile<'_>], flights: &[Flight]) -> Result<()> {
        let mut first = Ok(());
        for (slot, (file, flight)) in files.iter().zip(flights).enumerate() {
            let Some((errno, doing)) = flight.failed else { continue };
            if flight.opened {
                let slot = u32::try_from(slot).expect("there are at most as many slots as chains");
                // Both are to leave nothing half done; the error that is told is the one that led here.
                let _ = self.kernel.submitter().register_files_update(slot, &[-1]);
                let _ = rustix::fs::unlinkat(dir, file.path, AtFlags::empty());
            }
            first = first.and_then(|()| Err(trouble(errno, doing, dir, path_of(file))));
        }
        first
    }
}

impl Step {
    fn tag(self, slot: usize) -> u64 {
        (slot as u64) << 2 | self as u64
    }

    fn of_tag(tag: u64) -> (Step, usize) {
        let step = match tag & 3 {
            0 => Step::Open,
            1 => Step::Write,
            _ => Step::Close,
        };
        (step, usize::try_from(tag >> 2).unwrap_or(usize::MAX))
    }
}

impl Flight {
    fn is_over(&self) -> bool {
        self.closed || self.failed.is_some()
    }

    /// Books the answer to one step. After a write that took less than it was given, the kernel drops the rest of the
    /// chain; what is missing is then laid in the ring again.
    fn take(&mut self, step: Step, result: i32, len: usize) {
        let answer = usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result));
        match (step, answer) {
            (Step::Open, Ok(_)) => self.opened = true,
            (Step::Open, Err(errno)) => self.fail(errno, "making"),
            (Step::Write, Ok(0)) => self.fail(Errno::IO, "writing"),
            (Step::Write, Ok(taken)) => self.written = len.min(self.written + taken),
            (Step::Write, Err(Errno::INTR | Errno::AGAIN)) => {}
            (Step::Write, Err(errno)) => self.fail(errno, "writing"),
            (Step::Close, Ok(_)) if self.written == len => self.closed = true,
            (Step::Close, Ok(_)) => self.fail(Errno::IO, "closing"),
            (Step::Close, Err(Errno::CANCELED)) if self.written < len => {}
            (Step::Close, Err(errno)) => self.fail(errno, "closing"),
        }
    }

    /// The first failure counts: the steps after it are answered with `ECANCELED`.
    fn fail(&mut self, errno: Errno, doing: &'static str) {
        self.failed.get_or_insert((errno, doing));
    }
}

/// Writing clears the set-id bits that `open` had set; no other mode needs this.
fn restore_set_id(dir: BorrowedFd<'_>, files: &[RingFile<'_>], flights: &[Flight], lap: &mut Lap) -> Result<()> {
    for (file, _) in files.iter().zip(flights).filter(|(file, flight)| file.mode & 0o6000 != 0 && flight.closed) {
        rustix::fs::chmodat(dir, file.path, Mode::from_raw_mode(file.mode & 0o7777), AtFlags::empty())
            .map_err(|errno| trouble(errno, "setting the mode of", dir, path_of(file)))?;
        lap.mark(CHMOD);
    }
    Ok(())
}

fn path_of<'a>(file: &RingFile<'a>) -> &'a Path {
    Path::new(OsStr::from_bytes(file.path.to_bytes()))
}

fn absent(error: &std::io::Error) -> anyhow::Error {
    let (why, mend) = match Errno::from_io_error(error) {
        Some(Errno::NOSYS) => {
            ("this kernel was built without io_uring", "boot Linux 5.19 or newer with CONFIG_IO_URING")
        }
        Some(Errno::PERM | Errno::ACCESS) => (
            "io_uring is forbidden here",
            "sysctl kernel.io_uring_disabled=0, or allow it in the container's seccomp profile",
        ),
        Some(Errno::INVAL) => ("this kernel's io_uring has no empty descriptor tables", "boot Linux 5.19 or newer"),
        Some(Errno::NOMEM) => ("io_uring may lock too little memory", "raise `ulimit -l`"),
        _ => return anyhow::anyhow!("setting up io_uring: {error}"),
    };
    Absent::because(why, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(answers: &[(Step, i32)]) -> Flight {
        let mut flight = Flight::default();
        for (step, result) in answers {
            flight.take(*step, *result, 10);
        }
        flight
    }

    #[test]
    fn a_short_write_goes_on_where_it_stopped() {
        let canceled = -Errno::CANCELED.raw_os_error();
        let mut flight = flight(&[(Step::Open, 0), (Step::Write, 4), (Step::Close, canceled)]);
        assert!(!flight.is_over() && flight.opened && flight.written == 4);
        flight.take(Step::Write, 6, 10);
        flight.take(Step::Close, 0, 10);
        assert!(flight.closed && flight.failed.is_none());
    }

    #[test]
    fn the_first_failure_of_a_chain_is_the_one_that_is_told() {
        let (exists, canceled) = (-Errno::EXIST.raw_os_error(), -Errno::CANCELED.raw_os_error());
        let flight = flight(&[(Step::Open, exists), (Step::Write, canceled), (Step::Close, canceled)]);
        assert_eq!(flight.failed, Some((Errno::EXIST, "making")));
        assert!(!flight.opened);
    }

    #[test]
    fn a_file_that_was_closed_too_early_has_failed() {
        let flight = flight(&[(Step::Open, 0), (Step::Write, 4), (Step::Close, 0)]);
        assert_eq!(flight.failed, Some((Errno::IO, "closing")));
    }

    #[test]
    fn a_file_too_long_for_one_write_is_written_by_several() {
        let mut ring = match Ring::new(3) {
            Ok(ring) => ring,
            Err(error) => return eprintln!("SKIPPED: {error:#}"),
        };
        ring.most = 1000;
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(2500).collect();
        let files = [(c"long", &bytes[..]), (c"just", &bytes[..1000]), (c"empty", &[])];
        let files = files.map(|(path, bytes)| RingFile { path, mode: 0o600, bytes });
        ring.make(std::os::fd::AsFd::as_fd(&root), &files, &mut Lap::start(true)).unwrap();
        for file in files {
            assert_eq!(std::fs::read(dir.path().join(path_of(&file))).unwrap(), file.bytes);
        }
    }

    #[test]
    fn a_kernel_without_rings_is_absence_and_says_how_to_mend_it() {
        for (errno, mend) in [(Errno::NOSYS, "CONFIG_IO_URING"), (Errno::PERM, "io_uring_disabled=0")] {
            let error = absent(&errno.into());
            assert!(error.downcast_ref::<Absent>().unwrap().mend.contains(mend));
        }
        assert!(absent(&Errno::IO.into()).downcast_ref::<Absent>().is_none());
    }

    #[test]
    fn tags_name_step_and_slot() {
        for slot in [0, 1, 127] {
            for step in [Step::Open, Step::Write, Step::Close] {
                let (again, at) = Step::of_tag(step.tag(slot));
                assert_eq!((again as u64, at), (step as u64, slot));
            }
        }
    }
}
