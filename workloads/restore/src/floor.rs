//! The floor: the same files from memory, with nothing to decode, nothing verified and no time set. No restore that
//! makes these files can be faster; the distance to it is what decoding, verifying and keeping promises cost.

use crate::directories::open_directory;
use anyhow::{Context, Result};
use batching::{Spread, make_up_front};
use rustix::fs::symlinkat;
use std::os::fd::AsFd;
use std::path::PathBuf;
use syscalls::{Attributes, Way};
use technique::load::{Load, Whole};
use technique::phase::{LINK, OPEN};
use technique::{Lap, Promises, Site, Technique};

/// Makes the tree from memory.
pub struct Floor {
    /// How many workers.
    pub workers: usize,
}

/// The tree in memory.
pub struct Ready {
    load: Load,
    runs: Vec<Run>,
}

/// A directory's own files, by their bare names.
struct Run {
    directory: PathBuf,
    files: Vec<(Whole, Attributes)>,
}

impl Technique for Floor {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let mut load = Load::read(site)?;
        let mut files = std::mem::take(&mut load.files);
        files.sort_by(|a, b| a.path.parent().cmp(&b.path.parent()));
        let mut runs: Vec<Run> = Vec::new();
        for mut file in files {
            let directory = file.path.parent().map(PathBuf::from).unwrap_or_default();
            file.path = file.path.file_name().map(PathBuf::from).context("a file has a name")?;
            let attributes = Attributes::from(&file);
            match runs.last_mut() {
                Some(run) if run.directory == directory => run.files.push((file, attributes)),
                _ => runs.push(Run { directory, files: vec![(file, attributes)] }),
            }
        }
        Ok(Ready { load, runs })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let Ready { load, runs } = ready;
        let target = load.root.as_fd();
        let all = load.directories.iter().map(|(path, mode)| (path.as_path(), mode | 0o700));
        make_up_front(target, all, lap)?;
        Spread::Workers(self.workers).each(
            runs.as_slice(),
            |run| run.files.iter().map(|file| file.1.len).sum(),
            lap,
            || Ok(()),
            |(), run, lap| {
                let dir = open_directory(target, &run.directory)?;
                lap.mark(OPEN);
                for (file, attributes) in &run.files {
                    let mut sink = Way::DirectNoTimes.begin(dir.as_fd(), &file.path, attributes, lap)?;
                    sink.write(&file.bytes, lap)?;
                    sink.finish(lap)?;
                }
                Ok(())
            },
        )?;
        for (path, to) in &load.links {
            symlinkat(to, target, path)?;
            lap.mark(LINK);
        }
        Ok(())
    }

    /// The few directories that their owner may not fill get their modes without a clock: no call that is missing
    /// from it may make the floor look higher than it is.
    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        ready.load.settle_modes(site)
    }

    fn promises(&self) -> Promises {
        Way::DirectNoTimes.promises()
    }
}
