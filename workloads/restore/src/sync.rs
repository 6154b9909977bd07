//! What is stored at the end of a run, so that it survives a power cut. Files that are synced one by one were synced
//! before they were closed.

use crate::directories::open_directory;
use crate::job::Job;
use crate::knobs::Syncing;
use anyhow::{Context, Result};
use rustix::fs::{fsync, syncfs};
use std::os::fd::AsFd;
use technique::Lap;
use technique::phase::{OPEN, SYNC};

/// Waits until all that was made is stored, where the row says so.
pub(crate) fn finish(job: &Job, lap: &mut Lap) -> Result<()> {
    match job.restore.sync {
        Syncing::Never | Syncing::EachFile => Ok(()),
        Syncing::Once => everything(job, lap),
        Syncing::FilesThenDirectories => each_directory(job, lap),
    }
}

fn everything(job: &Job, lap: &mut Lap) -> Result<()> {
    syncfs(job.target).with_context(|| format!("syncing {}", job.ready.target.display()))?;
    lap.mark(SYNC);
    Ok(())
}

/// From the leaves up, so that a name is stored before those above it.
fn each_directory(job: &Job, lap: &mut Lap) -> Result<()> {
    for directory in job.catalogue.directories[1..].iter().rev() {
        let path = directory.path();
        let Ok(opened) = open_directory(job.target, path) else {
            // Who may not read a directory cannot sync it alone.
            return everything(job, lap);
        };
        lap.mark(OPEN);
        fsync(opened.as_fd()).with_context(|| format!("syncing the directory {}", path.display()))?;
        drop(opened);
        lap.mark(SYNC);
    }
    fsync(job.target).with_context(|| format!("syncing {}", job.ready.target.display()))?;
    lap.mark(SYNC);
    Ok(())
}
