//! Stages: where the samples of one workload on one fixture are made, one after the other, each on a target of its own.

use crate::once::{Errand, Pass};
use crate::plant::Plant;
use crate::progress::Telling;
use crate::refusal::Refusal;
use crate::removal::remove_tree;
use crate::scratch::{Scratch, filesystem};
use anyhow::{Context, Result};
use fixtures::Fixture;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A place for samples.
pub struct Stage {
    dir: PathBuf,
    on_tmpfs: bool,
    target: PathBuf,
    used: u32,
    /// A tree of its own; none where the fixture is read where it lies.
    source: Option<PathBuf>,
}

impl Stage {
    /// Sets a new stage of that name.
    pub fn set(scratch: &Scratch, name: &str) -> Result<Stage> {
        Stage::set_in(scratch.path(), name)
    }

    /// The same, anywhere that is ours.
    pub fn set_in(place: &Path, name: &str) -> Result<Stage> {
        let dir = place.join(name);
        std::fs::create_dir_all(dir.join("kept")).with_context(|| format!("making {}", dir.display()))?;
        let on_tmpfs = filesystem(&dir) == "tmpfs";
        Ok(Stage { target: dir.join("target"), dir, on_tmpfs, used: 0, source: None })
    }

    /// Sets a stage whose path has always the same length, wherever the scratch place is: a longer path is another
    /// allocation, and a few instructions more.
    pub fn set_at_length(scratch: &Scratch, name: &str) -> Result<Stage> {
        const LENGTH: usize = 160;
        let place = scratch.path().as_os_str().len() + 1;
        let pad = LENGTH.checked_sub(place + name.len() + 1).filter(|pad| *pad > 0);
        let pad = pad.ok_or_else(|| {
            Refusal::usage(
                format!("the path of the scratch place {} is too long to count in", scratch.path().display()),
                "name a place with a shorter path: --scratch DIR",
            )
        })?;
        Stage::set(scratch, &format!("{name}-{}", "x".repeat(pad)))
    }

    /// Gives the stage a tree of its own, the fixture made once more: its path is then as long as the stage's, whatever
    /// the length of that at which fixtures lie. A row that reads its source under the clock counts by that length.
    pub fn with_source(mut self, fixture: &Fixture, recipe: &str) -> Result<Stage> {
        let source = self.dir.join("source");
        crate::fixture::make_at(fixture, recipe, &source, Telling::Silent)?;
        self.source = Some(source);
        Ok(self)
    }

    /// An errand on this stage: to get ready, unless another pass is set.
    pub fn errand(&self, workload: &str, variant: &str, fixture: &Fixture) -> Errand {
        Errand {
            workload: workload.to_owned(),
            variant: variant.to_owned(),
            peer: None,
            pass: Pass::Ready,
            cold: false,
            slow: false,
            pin: None,
            plant: Plant::default(),
            metric: None,
            source: self.source.as_ref().unwrap_or(&fixture.dir).clone(),
            target: self.target.clone(),
            kept: self.dir.join("kept"),
            tally: fixture.tally,
        }
    }

    /// An empty target under a name of its own. The tree of the sample before stays where it is until the end:
    /// removing it now would make the next row's creates dearer (ext4 without a journal avoids inodes that were freed
    /// lately). Memory has no such trap, and is needed again: there the caller clears [`Stage::stale`] away first.
    pub fn fresh(&mut self) -> Result<PathBuf> {
        self.used += 1;
        let target = self.dir.join("targets").join(format!("{:06}", self.used));
        std::fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
        if !self.on_tmpfs {
            let place = File::open(&target).with_context(|| format!("opening {}", target.display()))?;
            rustix::fs::syncfs(&place).with_context(|| format!("syncing {}", target.display()))?;
        }
        self.target.clone_from(&target);
        Ok(target)
    }

    /// A fresh target, after what can be removed without harm was removed.
    pub fn cleared(&mut self) -> Result<PathBuf> {
        if let Some(stale) = self.stale() {
            remove_tree(stale)?;
        }
        self.fresh()
    }

    /// What the sample before left, where removing it harms no later one.
    pub fn stale(&self) -> Option<&Path> {
        (self.on_tmpfs && self.used > 0).then_some(&self.target)
    }

    /// Whether finished trees stay until the end.
    pub fn keeps_trees(&self) -> bool {
        !self.on_tmpfs
    }

    /// Where the targets stand.
    pub fn targets(&self) -> PathBuf {
        self.dir.join("targets")
    }

    /// All of it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
