//! Descriptors: how many threads fit below the limit on open files, and who may hold a directory for the others.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// What one thread holds at most: the directory that it lists or one step of a long path below another, and one that it
/// has listed and that others still record from.
const EACH: u64 = 3;
/// What a walk holds beside that: its root, its file, and a few for whoever else opens one meanwhile.
const SPARE: u64 = 8;

/// How many of so many threads fit below the limit on open files, which is raised first, as far as this process may.
pub(crate) fn fitting(threads: usize) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").map_or(SPARE, |all| all.count() as u64);
    let wanted = open + SPARE + EACH * threads as u64;
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current else { return threads };
    if soft >= wanted {
        return threads;
    }
    let raised = limit.maximum.map_or(wanted, |hard| hard.min(wanted)).max(soft);
    let soft = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    let fit = soft.saturating_sub(open + SPARE) / EACH;
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, threads.max(1))
}

/// An open directory, from which several threads may record.
pub(crate) struct Open {
    fd: OwnedFd,
    lent: OnceLock<Lent>,
}

/// How many directories are shared at this time, and how many may be.
pub(crate) struct Lending {
    now: AtomicUsize,
    most: usize,
}

/// One of them, until it is closed.
struct Lent(Arc<Lending>);

impl Lending {
    pub(crate) fn new(most: usize) -> Arc<Lending> {
        Arc::new(Lending { now: AtomicUsize::new(0), most })
    }
}

impl Open {
    pub(crate) fn new(fd: OwnedFd) -> Open {
        Open { fd, lent: OnceLock::new() }
    }

    /// Whether it may be shared: once it is, it stays so until the last of its names is recorded. Directories that lie
    /// in each other could else wait open, one for each level.
    pub(crate) fn lend(&self, lending: &Arc<Lending>) -> bool {
        let more = |now| (now < lending.most).then_some(now + 1);
        self.lent.get().is_some()
            || lending.now.fetch_update(Relaxed, Relaxed, more).is_ok() && self.lent.set(Lent(lending.clone())).is_ok()
    }
}

impl AsFd for Open {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}
