//! System calls by name: one tracepoint counter a call, counted in the kernel, nothing recorded.
//!
//! Counters are opened before any other thread exists and are inherited by every thread and process that comes later.
//! One system call switches them all on, and one switches them all off: the first began before they counted, the
//! second is seen by them exactly once, and is taken away again.

use super::{Instrument, Missing};
use anyhow::Result;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use perf_event::{Builder, Counter};
use reports::record::{Counted, Counts, SystemCalls};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the record calls this way of counting.
pub const BY_TRACEPOINTS: &str = "tracepoints";

/// The system calls that are told apart: their names, as strace prints them, and their numbers. All others are
/// counted together.
pub const CALLS: &[(&str, libc::c_long)] = &[
    // Files, by name and by descriptor.
    ("openat", libc::SYS_openat),
    ("openat2", libc::SYS_openat2),
    ("close", libc::SYS_close),
    ("close_range", libc::SYS_close_range),
    ("read", libc::SYS_read),
    ("pread64", libc::SYS_pread64),
    ("readv", libc::SYS_readv),
    ("preadv", libc::SYS_preadv),
    ("write", libc::SYS_write),
    ("pwrite64", libc::SYS_pwrite64),
    ("writev", libc::SYS_writev),
    ("pwritev", libc::SYS_pwritev),
    ("lseek", libc::SYS_lseek),
    ("fstat", libc::SYS_fstat),
    ("newfstatat", libc::SYS_newfstatat),
    ("statx", libc::SYS_statx),
    ("statfs", libc::SYS_statfs),
    ("fstatfs", libc::SYS_fstatfs),
    ("faccessat", libc::SYS_faccessat),
    ("faccessat2", libc::SYS_faccessat2),
    ("readlinkat", libc::SYS_readlinkat),
    ("getdents64", libc::SYS_getdents64),
    ("getcwd", libc::SYS_getcwd),
    ("chdir", libc::SYS_chdir),
    ("fchdir", libc::SYS_fchdir),
    ("renameat", libc::SYS_renameat),
    ("renameat2", libc::SYS_renameat2),
    ("unlinkat", libc::SYS_unlinkat),
    ("mkdirat", libc::SYS_mkdirat),
    ("linkat", libc::SYS_linkat),
    ("symlinkat", libc::SYS_symlinkat),
    ("fchmod", libc::SYS_fchmod),
    ("fchmodat", libc::SYS_fchmodat),
    ("fchmodat2", libc::SYS_fchmodat2),
    ("fchown", libc::SYS_fchown),
    ("fchownat", libc::SYS_fchownat),
    ("umask", libc::SYS_umask),
    ("utimensat", libc::SYS_utimensat),
    ("truncate", libc::SYS_truncate),
    ("ftruncate", libc::SYS_ftruncate),
    ("fallocate", libc::SYS_fallocate),
    ("fadvise64", libc::SYS_fadvise64),
    ("copy_file_range", libc::SYS_copy_file_range),
    ("sendfile", libc::SYS_sendfile),
    ("splice", libc::SYS_splice),
    ("fcntl", libc::SYS_fcntl),
    ("flock", libc::SYS_flock),
    ("ioctl", libc::SYS_ioctl),
    ("dup", libc::SYS_dup),
    ("dup3", libc::SYS_dup3),
    ("pipe2", libc::SYS_pipe2),
    ("fsync", libc::SYS_fsync),
    ("fdatasync", libc::SYS_fdatasync),
    ("sync", libc::SYS_sync),
    ("syncfs", libc::SYS_syncfs),
    ("sync_file_range", libc::SYS_sync_file_range),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    // Memory.
    ("mmap", libc::SYS_mmap),
    ("munmap", libc::SYS_munmap),
    ("mremap", libc::SYS_mremap),
    ("mprotect", libc::SYS_mprotect),
    ("madvise", libc::SYS_madvise),
    ("msync", libc::SYS_msync),
    ("brk", libc::SYS_brk),
    // Threads, processes, waiting.
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("execve", libc::SYS_execve),
    ("wait4", libc::SYS_wait4),
    ("exit", libc::SYS_exit),
    ("exit_group", libc::SYS_exit_group),
    ("futex", libc::SYS_futex),
    ("sched_yield", libc::SYS_sched_yield),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("rseq", libc::SYS_rseq),
    ("sigaltstack", libc::SYS_sigaltstack),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("nanosleep", libc::SYS_nanosleep),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("ppoll", libc::SYS_ppoll),
    ("getpid", libc::SYS_getpid),
    ("getppid", libc::SYS_getppid),
    ("gettid", libc::SYS_gettid),
    ("getrandom", libc::SYS_getrandom),
    (SWITCH, libc::SYS_prctl),
    // What newer processors no longer have.
    #[cfg(target_arch = "x86_64")]
    ("open", libc::SYS_open),
    #[cfg(target_arch = "x86_64")]
    ("creat", libc::SYS_creat),
    #[cfg(target_arch = "x86_64")]
    ("stat", libc::SYS_stat),
    #[cfg(target_arch = "x86_64")]
    ("lstat", libc::SYS_lstat),
    #[cfg(target_arch = "x86_64")]
    ("access", libc::SYS_access),
    #[cfg(target_arch = "x86_64")]
    ("readlink", libc::SYS_readlink),
    #[cfg(target_arch = "x86_64")]
    ("rename", libc::SYS_rename),
    #[cfg(target_arch = "x86_64")]
    ("unlink", libc::SYS_unlink),
    #[cfg(target_arch = "x86_64")]
    ("mkdir", libc::SYS_mkdir),
    #[cfg(target_arch = "x86_64")]
    ("rmdir", libc::SYS_rmdir),
    #[cfg(target_arch = "x86_64")]
    ("link", libc::SYS_link),
    #[cfg(target_arch = "x86_64")]
    ("symlink", libc::SYS_symlink),
    #[cfg(target_arch = "x86_64")]
    ("chmod", libc::SYS_chmod),
    #[cfg(target_arch = "x86_64")]
    ("chown", libc::SYS_chown),
    #[cfg(target_arch = "x86_64")]
    ("lchown", libc::SYS_lchown),
    #[cfg(target_arch = "x86_64")]
    ("vfork", libc::SYS_vfork),
    #[cfg(target_arch = "x86_64")]
    ("poll", libc::SYS_poll),
];

/// The call by which counters are switched.
const SWITCH: &str = "prctl";

/// The tracepoint that every call passes.
const TOTAL: &str = "raw_syscalls/sys_enter";

/// What the kernel's tracepoint of a call is named after: now and then not the call, but the function that serves it.
fn event(call: &str) -> String {
    let function = match call {
        "stat" => "newstat",
        "fstat" => "newfstat",
        "lstat" => "newlstat",
        "sendfile" => "sendfile64",
        other => other,
    };
    format!("syscalls/sys_enter_{function}")
}

/// Whether calls can be counted here: one counter tells, and closes sooner than all.
pub(super) fn possible() -> Result<(), Missing> {
    counter(&events()?, TOTAL).map(drop)
}

/// Counters of all calls, open on the calling thread and on all that come from it.
pub struct Counters {
    all: Counter,
    /// Those that this kernel knows.
    by_name: Vec<(&'static str, Counter)>,
}

/// Opens the instrument.
pub(super) fn open() -> Result<Box<dyn Instrument>, Missing> {
    Ok(Box::new(Counters::open()?))
}

impl Counters {
    /// Opens a counter for each call; none counts yet.
    pub fn open() -> Result<Counters, Missing> {
        let events = events()?;
        let all = counter(&events, TOTAL)?;
        let mut by_name = Vec::new();
        for (name, _) in CALLS {
            let event = event(name);
            // A kernel that does not know a call cannot be asked for it either.
            if events.join(&event).exists() {
                by_name.push((*name, counter(&events, &event)?));
            }
        }
        Ok(Counters { all, by_name })
    }
}

/// A counter of one call alone; none where it is not told apart, or cannot be counted here.
pub(super) fn one(call: &str) -> Option<Counter> {
    let (name, _) = CALLS.iter().find(|(name, _)| *name == call)?;
    counter(&events().ok()?, &event(name)).ok()
}

/// Where the kernel tells the numbers of its tracepoints.
fn events() -> Result<PathBuf, Missing> {
    const MEND: &str = "as root: mount -t tracefs tracefs /sys/kernel/tracing";
    const PLACES: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    let mut why = "tracefs is not mounted".to_owned();
    let seen = |place: &str| Path::new(place).join(TOTAL).join("id").exists();
    if !PLACES.into_iter().any(seen)
        && let Err(error) = mount_for_this_process()
    {
        why += &format!(", and cannot be mounted ({error})");
    }
    for place in PLACES {
        match std::fs::read(Path::new(place).join(TOTAL).join("id")) {
            Ok(_) => return Ok(place.into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => why = format!("{place} cannot be read ({error})"),
        }
    }
    let mend = if rustix::process::geteuid().is_root() { MEND } else { "run as root, which may read it" };
    Err(Missing::new(why, mend))
}

/// Mounts tracefs where only this process and those that it starts see it; it goes when they go.
fn mount_for_this_process() -> nix::Result<()> {
    let nothing = None::<&str>;
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    // Nothing that is mounted from here on is to be seen by others.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    mount(Some("tracefs"), "/sys/kernel/tracing", Some("tracefs"), MsFlags::empty(), nothing)
}

fn counter(events: &Path, event: &str) -> Result<Counter, Missing> {
    const TRACEPOINT: u32 = 2;
    let told = |error: &dyn std::fmt::Display| {
        Missing::new(
            format!("no counter on the tracepoint {event}: {error}"),
            "sysctl kernel.perf_event_paranoid=1, or run as root; containers need the capability PERFMON",
        )
    };
    let id = std::fs::read_to_string(events.join(event).join("id")).map_err(|error| told(&error))?;
    let mut builder = Builder::new();
    builder.inherit(true);
    let attributes = builder.attrs_mut();
    attributes.type_ = TRACEPOINT;
    attributes.config = id.trim().parse().map_err(|error| told(&error))?;
    // The tracepoint that every call passes stands in the kernel's own code: without this right it counts nothing.
    attributes.set_exclude_kernel(0);
    attributes.set_exclude_hv(0);
    builder.build().map_err(|error| told(&error))
}

impl Instrument for Counters {
    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        let mut by_name = BTreeMap::new();
        for (name, counter) in &mut self.by_name {
            by_name.insert((*name).to_owned(), counter.read()?);
        }
        counts.calls = Counted::Present(tally(BY_TRACEPOINTS, self.all.read()?, by_name));
        Ok(())
    }
}

/// What was counted, less the one call that switched the counters off. That switches them one after the other, so that
/// threads which go on past the end of the work (a pool of another's that looks for more) may be seen by some counters
/// a little longer than by the one of all calls.
fn tally(by: &str, all: u64, mut by_name: BTreeMap<String, u64>) -> SystemCalls {
    let named: u64 = by_name.values().sum();
    let others = all.saturating_sub(named);
    if let Some(switch) = by_name.get_mut(SWITCH) {
        *switch = switch.saturating_sub(1);
    }
    by_name.retain(|_, count| *count > 0);
    SystemCalls { by: by.to_owned(), by_name, others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_listed_twice() {
        let names: BTreeSet<&str> = CALLS.iter().map(|(name, _)| *name).collect();
        let numbers: BTreeSet<libc::c_long> = CALLS.iter().map(|(_, number)| *number).collect();
        assert_eq!((names.len(), numbers.len()), (CALLS.len(), CALLS.len()));
    }

    #[test]
    fn the_switch_is_taken_away_and_the_rest_is_kept() {
        let by_name = BTreeMap::from([("prctl".to_owned(), 1), ("write".to_owned(), 5), ("read".to_owned(), 0)]);
        assert_eq!(
            tally("tracepoints", 5, by_name.clone()).others,
            0,
            "what some counters saw longer is no other call"
        );
        let calls = tally("tracepoints", 9, by_name);
        assert_eq!(calls.by_name, BTreeMap::from([("write".to_owned(), 5)]));
        assert_eq!((calls.others, calls.total()), (3, 8));
    }
}
