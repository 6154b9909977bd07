//! The work on one item: a file is made from memory, by four calls.

use anyhow::Result;
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, fchmod, futimens, openat};
use rustix::io::{Errno, write};
use std::os::fd::BorrowedFd;
use technique::load::Whole;
use technique::phase::{CLOSE, CREATE, TIMES, WRITE};
use technique::trouble::trouble;
use technique::{Calls, Lap};

/// Makes a file below `dir`.
pub(crate) fn create(dir: BorrowedFd<'_>, whole: &Whole, lap: &mut Lap) -> Result<()> {
    try_create(dir, whole, lap).map_err(|errno| trouble(errno, "making", dir, &whole.path))
}

/// What [`create`] calls. A mode with set-id bits costs one `fchmod` more, for writing clears those bits.
pub(crate) fn calls(whole: &Whole) -> Calls {
    let mut calls = Calls::default();
    calls.add("openat", 1);
    calls.add("write", u64::from(!whole.bytes.is_empty()));
    calls.add("fchmod", u64::from(has_set_id(whole)));
    calls.add("utimensat", 1);
    calls.add("close", 1);
    calls
}

fn try_create(dir: BorrowedFd<'_>, whole: &Whole, lap: &mut Lap) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(whole.mode);
    let file = openat(dir, &whole.path, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC, mode)?;
    lap.mark(CREATE);
    let mut rest = whole.bytes.as_slice();
    while !rest.is_empty() {
        match write(&file, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(taken) => rest = &rest[taken..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    lap.mark(WRITE);
    if has_set_id(whole) {
        fchmod(&file, mode)?;
    }
    let time = Timespec { tv_sec: whole.mtime.0, tv_nsec: whole.mtime.1.into() };
    futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
    lap.mark(TIMES);
    drop(file);
    lap.mark(CLOSE);
    Ok(())
}

fn has_set_id(whole: &Whole) -> bool {
    whole.mode & 0o6000 != 0
}
