//! Walk: every entry below a directory is looked at and recorded, every knob a field.

use crate::crew::{Crew, Report};
use crate::descriptors::Lending;
use crate::facts;
use crate::foretold;
use crate::format::Format;
use crate::job::Job;
use crate::meta::{Ask, Meta};
use crate::output::{Output, Outputs};
use crate::place::open_root;
use anyhow::{Context, Result};
use buffers::{Counter, Progress};
use rustix::fs::{AtFlags, StatxFlags, statx};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use technique::phase::{OPEN, STAT};
use technique::{Calls, Lap, Promise, Promises, Site, Technique};

/// A way to walk.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches, and every combination may be asked for")]
pub struct Walk {
    /// How directories are spread over threads.
    pub crew: Crew,
    /// How names are told to the kernel.
    pub reach: Reach,
    /// How the kernel is asked what a name stands for.
    pub ask: Ask,
    /// In what order, and how many at once.
    pub order: Order,
    /// The size of the buffer for a directory's names.
    pub listing: usize,
    /// Whether a large directory is shared between threads that have nothing to do.
    pub shares: bool,
    /// What a record looks like.
    pub format: Format,
    /// Where records go.
    pub output: Output,
    /// Whether what records an entry stands where it is used; else it is two functions, called for each entry.
    pub inlined: bool,
    /// How workers count for all to see.
    pub progress: Progress,
    /// Whether each thread is kept on one processor.
    pub pinned: bool,
    /// Whether directories on other file systems are not entered.
    pub one_file_system: bool,
}

/// How names are told to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By their full paths: at each name the kernel goes the whole way, and what is deeper than 4,095 bytes is lost.
    ByPath,
    /// By their bare names below the directory that is being listed, which is open anyway.
    Held,
}

/// In what order names are asked about, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One by one, as the directory lists them.
    AsListed,
    /// One by one, in the order of their inodes.
    ByInode,
    /// As listed, so many at once by an `io_uring`.
    Ring {
        /// How many.
        at_once: u32,
    },
}

/// A walk that is ready.
pub struct Ready {
    source: PathBuf,
    target: PathBuf,
    processors: Vec<usize>,
    report: Report,
}

/// The name of the one file of [`Output::OneFile`] before it is complete.
const PARTIAL: &str = "records.partial";

impl Walk {
    /// Begins a walk of `root`. `place` is what [`Outputs::open`] takes.
    pub(crate) fn begin(&self, root: &Path, place: PathBuf, workers: usize, lap: &mut Lap) -> Result<Job<'_>> {
        let opening = || format!("opening {}: is it a directory, and may we read it?", root.display());
        let held = open_root(root).with_context(opening)?;
        let meta = statx(&held, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).with_context(opening)?;
        lap.mark(OPEN);
        let path = root.as_os_str().as_bytes();
        let len = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        let meta = Meta::from_statx(&meta);
        let bulk = match self.ask {
            Ask::InBulk(bulk) => Some(bulk.table(held.as_fd(), meta.device)?),
            _ => None,
        };
        lap.mark(STAT);
        Ok(Job {
            walk: self,
            path: path[..len].to_vec(),
            root: held,
            meta,
            bulk,
            outputs: Outputs::open(self.output, self.format, place, lap)?,
            counter: Counter::new(self.progress, workers),
            lending: Lending::new(workers),
            numbers: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            failed: AtomicU64::new(0),
        })
    }
}

impl Technique for Walk {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        if let Order::Ring { .. } = self.order {
            crate::ring::Ring::new(1)?;
        }
        if let Ask::InBulk(bulk) = self.ask {
            bulk.probe(&site.source)?;
        }
        self.output.probe(&site.target)?;
        let processors = processors()?;
        Ok(Ready { source: site.source.clone(), target: site.target.clone(), processors, report: Report::default() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let (place, finally) = match self.output {
            Output::OneFile => {
                let named = ready.target.join(format!("records.{}", self.format.extension()));
                (ready.target.join(PARTIAL), Some(named))
            }
            _ => (ready.target.clone(), None),
        };
        let job = self.begin(&ready.source, place, self.crew.size(&ready.processors), lap)?;
        ready.report = self.crew.work(&job, &ready.processors, lap)?;
        job.outputs.finish(finally.as_deref(), false, lap)
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        facts::settle(&ready.report, self.output == Output::Nowhere, &site.target)
    }

    fn promises(&self) -> Promises {
        match self.output {
            Output::Nowhere => Promises::NONE,
            Output::OneFile => self.format.promises().with(Promise::Atomic),
            _ => self.format.promises(),
        }
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        foretold::calls(self, &ready.source)
    }
}

/// The processors that this process may use.
pub(crate) fn processors() -> Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None).context("asking which processors there are")?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}
