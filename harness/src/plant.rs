//! Plants: a known harm added to a row, by which comparisons and gates are tested. A gate that never went red is none.

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use technique::{Calls, Lap, Prepared, Site};

/// What is added to each run of the work, under the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plant {
    /// So many turns of an empty loop: work that only the processor does.
    pub turns: u64,
    /// So many system calls (getppid).
    pub calls: u32,
    /// So many allocations of 64 bytes.
    pub allocations: u32,
    /// So many times fsync.
    pub syncs: u32,
    /// One write of so many bytes.
    pub write: usize,
    /// A halt right before the work, until somebody lets the process go on: who kills it knows when it began.
    pub halt: bool,
}

/// A row with something planted in it.
pub struct Planted<'a> {
    row: Box<dyn Prepared + 'a>,
    plant: Plant,
    file: Option<File>,
    bytes: Vec<u8>,
}

impl<'a> Planted<'a> {
    /// Plants it. What it needs is got ready now, so that no other call is added than those that were asked for.
    pub fn new(row: Box<dyn Prepared + 'a>, plant: Plant, site: &Site) -> Result<Planted<'a>> {
        let needs_file = plant.syncs > 0 || plant.write > 0;
        let file = needs_file.then(|| nameless(&site.target)).transpose()?;
        Ok(Planted { row, plant, file, bytes: vec![7; plant.write] })
    }
}

fn nameless(dir: &Path) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(dir, flags, Mode::from_raw_mode(0o600)).context("making a file without a name")?;
    Ok(File::from(file))
}

/// An empty loop of so many turns, which no compiler may leave out.
#[inline(never)]
pub fn turn(turns: u64) {
    for at in 0..turns {
        black_box(at);
    }
}

impl Prepared for Planted<'_> {
    fn work(&mut self, lap: &mut Lap) -> Result<()> {
        if self.plant.halt {
            kill_process(getpid(), Signal::STOP).context("halting")?;
        }
        self.row.work(lap)?;
        turn(self.plant.turns);
        for _ in 0..self.plant.calls {
            black_box(rustix::process::getppid());
        }
        for at in 0..self.plant.allocations {
            black_box(vec![at; 16]);
        }
        if let Some(file) = &self.file {
            if self.plant.write > 0 {
                file.write_all_at(&self.bytes, 0).context("writing what was planted")?;
            }
            for _ in 0..self.plant.syncs {
                file.sync_all().context("syncing what was planted")?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, site: &Site) -> Result<()> {
        self.row.settle(site)
    }

    fn renew(&mut self, site: &Site) -> Result<bool> {
        self.row.renew(site)
    }

    fn calls(&self) -> Option<Calls> {
        self.row.calls()
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.row.counted()
    }
}
