//! The rows that hand many files at once to the kernel.

use crate::sink::times_of;
use crate::uring::{Ring, RingFile};
use crate::way::{Attributes, Way};
use anyhow::{Context, Result};
use rustix::fs::{AtFlags, utimensat};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::load::Load;
use technique::phase::TIMES;
use technique::trouble::trouble;
use technique::{Calls, Lap, Promise, Promises, Site, Technique};

/// Makes the source's files from memory, many at once, by io_uring.
#[derive(Clone, Copy, Debug)]
pub struct RingFiles {
    /// How many files the kernel gets at once.
    pub chains: u32,
    /// Whether each batch is followed by a call a file that sets its time: io_uring has no such step.
    pub times: bool,
}

/// A ring, and the files that it is to make.
pub struct Ready {
    load: Load,
    ring: Ring,
    files: Vec<Chained>,
}

struct Chained {
    path: CString,
    attributes: Attributes,
    bytes: Vec<u8>,
}

impl Technique for RingFiles {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let ring = Ring::new(self.chains)?;
        let mut load = Load::read(site)?;
        load.make_directories(site)?;
        let files = std::mem::take(&mut load.files);
        let files = files
            .into_iter()
            .map(|file| {
                let attributes = Attributes::from(&file);
                let path =
                    CString::new(file.path.into_os_string().into_encoded_bytes()).context("a name has no zero")?;
                Ok(Chained { path, attributes, bytes: file.bytes })
            })
            .collect::<Result<_>>()?;
        Ok(Ready { load, ring, files })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let root = ready.load.root.as_fd();
        let mut batch = Vec::with_capacity(ready.ring.chains());
        for files in ready.files.chunks(ready.ring.chains()) {
            batch.clear();
            batch.extend(files.iter().map(Chained::to_make));
            ready.ring.make(root, &batch, lap)?;
            if self.times {
                set_times(root, files)?;
                lap.mark(TIMES);
            }
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        ready.load.settle(site)
    }

    fn renew(&self, ready: &mut Ready, site: &Site) -> Result<bool> {
        ready.load.reopen(site)?;
        ready.load.make_directories(site)?;
        Ok(true)
    }

    fn promises(&self) -> Promises {
        let promises = Way::DirectNoTimes.promises();
        if self.times { promises.with(Promise::TimesKept) } else { promises }
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let mut calls = Calls::default();
        calls.add("io_uring_enter", ready.files.len().div_ceil(ready.ring.chains()) as u64);
        calls.add("fchmodat", ready.files.iter().filter(|file| file.attributes.has_set_id()).count() as u64);
        if self.times {
            calls.add("utimensat", ready.files.len() as u64);
        }
        Some(calls)
    }
}

impl Chained {
    fn to_make(&self) -> RingFile<'_> {
        RingFile { path: &self.path, mode: self.attributes.mode, bytes: &self.bytes }
    }
}

fn set_times(root: BorrowedFd<'_>, files: &[Chained]) -> Result<()> {
    for file in files {
        utimensat(root, &file.path, &times_of(&file.attributes), AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| {
            trouble(errno, "setting the time of", root, Path::new(OsStr::from_bytes(file.path.to_bytes())))
        })?;
    }
    Ok(())
}
