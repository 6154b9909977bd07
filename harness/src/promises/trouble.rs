//! Trouble that no row causes: a mask, a full disk, few descriptors, a place that cannot be written to. A row comes out
//! right, or says what is wrong and leaves nothing half done; never does it say that all is well where it is not.

use super::Found;
use super::ground::{Ground, Under};
use crate::child::Ended;
use crate::once::{Answer, Errand};
use crate::removal::remove_tree;
use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::statvfs;
use std::path::{Path, PathBuf};

/// Under a mask that denies all but the owner.
pub(crate) fn kept(ground: &mut Ground) -> Result<Found> {
    let mut found = Found::default();
    let errand = ground.fresh()?;
    let under = Under { umask: Some(0o077), ..Under::default() };
    let ended = ground.run(&errand, under)?;
    found.count(&right_or(ground, &errand, ended, &[]));
    remove_tree(&errand.target)?;
    Ok(found)
}

/// With room for one tenth of what the work adds, for two, and so on. A row gets ready with all the room that it wants:
/// the disk fills when its work begins.
pub(crate) fn full(ground: &mut Ground, place: &Path) -> Result<Found> {
    let adds = {
        let large = Small::mount(&place.join("whole"))?;
        let errand = ground.on(large.target()?);
        let mut before = 0;
        let (ended, _) = ground.run_after(&errand, || {
            before = large.used()?;
            Ok(())
        })?;
        let wrong = right_or(ground, &errand, ended, &[]);
        if !wrong.is_empty() {
            let mut found = Found::default();
            found.count(&wrong);
            return Ok(found);
        }
        large.used()?.saturating_sub(before)
    };
    let mut found = Found::default();
    for tenth in 1..10 {
        let small = Small::mount(&place.join("small"))?;
        let errand = ground.on(small.target()?);
        let (ended, before) = ground.run_after(&errand, || small.leave(adds * tenth / 10))?;
        let mut wrong = right_or(ground, &errand, ended, &["no room left", "No space left"]);
        if !ground.row.is_peer() {
            wrong.extend(ground.torn(&errand.target, &before)?);
        }
        let at = |wrong: String| format!("at {tenth} tenths: {wrong}");
        found.count(&wrong.into_iter().map(at).collect::<Vec<_>>());
    }
    Ok(found)
}

/// With no more than 64 open files.
pub(crate) fn descriptors(ground: &mut Ground) -> Result<Found> {
    let mut found = Found::default();
    let errand = ground.fresh()?;
    let ended = ground.run(&errand, Under { descriptors: Some(64), ..Under::default() })?;
    found.count(&right_or(ground, &errand, ended, &["too many files are open", "Too many open files"]));
    remove_tree(&errand.target)?;
    Ok(found)
}

/// On a target that is mounted read-only.
pub(crate) fn read_only(ground: &mut Ground, place: &Path) -> Result<Found> {
    let mut found = Found::default();
    let small = Small::mount(&place.join("read-only"))?;
    let errand = ground.on(small.target()?);
    small.forbid_writing()?;
    let ended = ground.run(&errand, Under::default())?;
    found.count(&right_or(ground, &errand, ended, &["read-only", "Read-only"]));
    Ok(found)
}

/// On another file system than what is read.
pub(crate) fn elsewhere(ground: &mut Ground, place: &Path) -> Result<Found> {
    let mut found = Found::default();
    let small = Small::mount(&place.join("elsewhere"))?;
    let errand = ground.on(small.target()?);
    let ended = ground.run(&errand, Under::default())?;
    found.count(&right_or(ground, &errand, ended, &["cross-device", "another file system"]));
    Ok(found)
}

/// Nothing, where a run came out right, or ended with an error that holds one of these words; a peer's words are its
/// own.
fn right_or(ground: &Ground, errand: &Errand, ended: Ended, words: &[&str]) -> Vec<String> {
    match ended {
        Ended::Answered(Answer::Reading(_)) => {
            let differs = ground.differences(&errand.target);
            differs.into_iter().take(1).map(|first| format!("it said that all is well, and {first}")).collect()
        }
        Ended::Answered(Answer::Absent { why, .. }) if words.iter().any(|word| why.contains(word)) => Vec::new(),
        Ended::Crashed(_) if !words.is_empty() && ground.row.is_peer() => Vec::new(),
        Ended::Crashed(told) if words.iter().any(|word| told.contains(word)) => Vec::new(),
        ended => vec![format!("{ended:?}")],
    }
}

/// A file system in memory that is gone when it is dropped.
struct Small(PathBuf);

impl Small {
    /// As large as memory allows.
    fn mount(dir: &Path) -> Result<Small> {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("nr_inodes=0"))
            .with_context(|| format!("mounting a tmpfs at {}", dir.display()))?;
        Ok(Small(dir.to_owned()))
    }

    /// Takes all room away but so many bytes.
    fn leave(&self, bytes: u64) -> Result<()> {
        // A size of nothing would mean all there is.
        let options = format!("size={}", (self.used()? + bytes).max(4096));
        mount(None::<&str>, &self.0, None::<&str>, MsFlags::MS_REMOUNT, Some(options.as_str()))
            .with_context(|| format!("making {} smaller", self.0.display()))
    }

    /// An empty target on it.
    fn target(&self) -> Result<PathBuf> {
        let target = self.0.join("target");
        std::fs::create_dir(&target).with_context(|| format!("making {}", target.display()))?;
        Ok(target)
    }

    fn used(&self) -> Result<u64> {
        let stat = statvfs(&self.0).with_context(|| format!("asking how full {} is", self.0.display()))?;
        Ok((stat.f_blocks - stat.f_bfree) * stat.f_frsize)
    }

    fn forbid_writing(&self) -> Result<()> {
        let nothing = None::<&str>;
        mount(nothing, &self.0, nothing, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, nothing)
            .with_context(|| format!("mounting {} read-only", self.0.display()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Whoever still uses it keeps it; the kernel frees it with the last one, and nobody else sees it.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
    }
}
