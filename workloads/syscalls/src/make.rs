//! The rows that make one file after the other.

use crate::way::{Attributes, Way};
use anyhow::Result;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use technique::load::{Load, Whole};
use technique::phase::{CLOSE, CREATE};
use technique::trouble::trouble;
use technique::{Calls, Lap, Promises, Site, Technique};

/// How a file is named to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By its whole path.
    Absolute,
    /// By its path below the held root.
    FromRoot,
    /// By its bare name below its parent, which is opened once for each run of files in it; one is held at a time.
    HeldDirectory,
}

/// Makes the source's files from memory, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct MakeFiles {
    /// By which calls.
    pub way: Way,
    /// Under which names.
    pub naming: Naming,
}

/// The files, grouped by what their names are relative to.
pub struct Ready {
    load: Load,
    runs: Vec<Run>,
}

/// Files that follow each other, and share what their names are relative to.
struct Run {
    base: Base,
    files: Vec<(Whole, Attributes)>,
}

#[derive(PartialEq)]
enum Base {
    Nothing,
    Root,
    Parent(PathBuf),
}

impl Technique for MakeFiles {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        self.way.probe(&site.target)?;
        let mut load = Load::read(site)?;
        load.make_directories(site)?;
        let files = std::mem::take(&mut load.files);
        Ok(Ready { load, runs: self.naming.runs(files, &site.target) })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        for run in &ready.runs {
            let held = run.base.open(&ready.load.root, lap)?;
            let dir = match (&run.base, &held) {
                (Base::Nothing, _) => CWD,
                (_, None) => ready.load.root.as_fd(),
                (_, Some(held)) => held.as_fd(),
            };
            for (file, attributes) in &run.files {
                make(self.way, dir, file, attributes, lap)?;
            }
            if let Some(held) = held {
                drop(held);
                lap.mark(CLOSE);
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
        self.way.promises()
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let mut calls = Calls::default();
        for run in &ready.runs {
            if matches!(run.base, Base::Parent(_)) {
                calls.add("openat", 1);
                calls.add("close", 1);
            }
            for (file, attributes) in &run.files {
                calls.add_all(&self.way.calls(u64::from(!file.bytes.is_empty())));
                let mode_again = self.way.opens_with_mode() && attributes.has_set_id();
                calls.add("fchmod", u64::from(mode_again));
            }
        }
        Some(calls)
    }
}

#[inline]
fn make(way: Way, dir: BorrowedFd<'_>, file: &Whole, attributes: &Attributes, lap: &mut Lap) -> Result<()> {
    let mut sink = way.begin(dir, &file.path, attributes, lap)?;
    sink.write(&file.bytes, lap)?;
    sink.finish(lap)
}

impl Naming {
    fn runs(self, files: Vec<Whole>, target: &Path) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for mut file in files {
            let base = match self {
                Naming::Absolute => Base::Nothing,
                Naming::FromRoot => Base::Root,
                Naming::HeldDirectory => match file.path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => Base::Parent(parent.to_owned()),
                    _ => Base::Root,
                },
            };
            match &base {
                Base::Nothing => file.path = target.join(&file.path),
                Base::Root => {}
                Base::Parent(parent) => {
                    let name = file.path.strip_prefix(parent).expect("it is the parent of that path");
                    file.path = PathBuf::from(name);
                }
            }
            let attributes = Attributes::from(&file);
            match runs.last_mut() {
                Some(run) if run.base == base => run.files.push((file, attributes)),
                _ => runs.push(Run { base, files: vec![(file, attributes)] }),
            }
        }
        runs
    }
}

impl Base {
    fn open(&self, root: &OwnedFd, lap: &mut Lap) -> Result<Option<OwnedFd>> {
        let Base::Parent(parent) = self else { return Ok(None) };
        let held = openat(root, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| trouble(errno, "opening", root.as_fd(), parent))?;
        lap.mark(CREATE);
        Ok(Some(held))
    }
}
