//! Scratch space: a directory that is ours by a marker and a lock, and gone when the run ends.
//!
//! Nothing of the user's is ever touched: a place that is neither empty nor ours is refused, and only directories
//! that this module named are removed. What a killed run left is swept by the next run that gets the lock.

use crate::refusal::Refusal;
use crate::removal::remove_tree;
use crate::say::say;
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, OFlags, flock, statvfs};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MARKER: &str = ".assay-scratch";
const SIGNED: &str = "made by assay; it removes the directories run-* beside this file\n";
const RUN: &str = "run-";

/// A directory that is ours until it is dropped.
#[derive(Debug)]
pub struct Scratch {
    root: PathBuf,
    run: PathBuf,
    made_root: bool,
    _lock: File,
}

impl Scratch {
    /// Takes `place`, which must be empty, absent, or left by us; another run's place is refused while it runs.
    pub fn take(place: &Path) -> Result<Scratch> {
        let made_root = !place.exists();
        std::fs::create_dir_all(place).map_err(|error| {
            Refusal::usage(
                format!("cannot make the scratch place {}: {error}", place.display()),
                "name a place that you may write to with --scratch DIR",
            )
        })?;
        let place = place.canonicalize().with_context(|| format!("finding {}", place.display()))?;
        let marker = place.join(MARKER);
        let mut lock = open_marker(&place, &marker)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Refusal::usage(
                format!("the scratch place {} is in use by another run", place.display()),
                "wait until it ends (two runs at once would measure each other), or name another with --scratch DIR",
            ));
        }
        let mut says = String::new();
        let signed = lock.read_to_string(&mut says).is_ok() && (says.is_empty() || says == SIGNED);
        if !signed {
            return Err(not_ours(&marker));
        }
        // An empty marker is of a run that died in its first moment; nothing else stands beside such a one.
        if says.is_empty() {
            refuse_what_is_not_empty(&place)?;
        }
        if says.is_empty() {
            lock.write_all(SIGNED.as_bytes()).with_context(|| format!("marking {}", place.display()))?;
        }
        sweep(&place)?;
        let run = place.join(format!("{RUN}{}", std::process::id()));
        std::fs::create_dir(&run).with_context(|| format!("making {}", run.display()))?;
        Ok(Scratch { root: place, run, made_root, _lock: lock })
    }

    /// Where this run may do as it likes.
    pub fn path(&self) -> &Path {
        &self.run
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The marker stays as long as anything of ours does: by it the next run knows what it may sweep. A directory
        // that the user has put something into stays, too.
        if let Err(error) = remove_tree(&self.run) {
            say(&format!("note: {} could not be cleared: {error:#}", self.root.display()));
            return;
        }
        let _ = std::fs::remove_file(self.root.join(MARKER));
        if self.made_root {
            let _ = std::fs::remove_dir(&self.root);
        }
    }
}

/// Opens the marker, or makes it where nothing else is. What is no plain file is none of ours, and no link is followed.
fn open_marker(place: &Path, marker: &Path) -> Result<File> {
    let nofollow = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match marker.symlink_metadata() {
        Ok(meta) if !meta.is_file() => return Err(not_ours(marker)),
        Ok(_) => {}
        Err(_) => refuse_what_is_not_empty(place)?,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(nofollow);
    options.open(marker).map_err(|error| {
        Refusal::usage(
            format!("cannot write to the scratch place {}: {error}", place.display()),
            "name a place that you may write to with --scratch DIR",
        )
    })
}

fn not_ours(marker: &Path) -> anyhow::Error {
    let what = format!("{} is not a marker of ours", marker.display());
    Refusal::usage(what, "name another place with --scratch DIR")
}

/// Where scratch goes if the user names no place: memory if there is room for it, so that the disk's noise stays out.
pub fn default_place(need: u64) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if filesystem(memory) == "tmpfs" && free(memory).is_ok_and(|free| free > need) && writable(memory) {
        let user = rustix::process::getuid().as_raw();
        return memory.join(if user == 0 { "assay".to_owned() } else { format!("assay-{user}") });
    }
    crate::home::home().join("scratch")
}

/// Free bytes for an ordinary user.
pub fn free(place: &Path) -> Result<u64> {
    let at = place.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let stat = statvfs(at).with_context(|| format!("asking for free space at {}", at.display()))?;
    Ok(stat.f_bavail * stat.f_frsize)
}

/// The name of the file system at a place that exists, or of its nearest ancestor that does.
pub fn filesystem(place: &Path) -> String {
    mount_of(place).map_or("unknown".to_owned(), |mount| mount.filesystem)
}

/// What is mounted at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The file system's name.
    pub filesystem: String,
    /// What is mounted.
    pub device: String,
    /// The options.
    pub options: String,
}

/// What is mounted at a place, by the kernel's table.
pub fn mount_of(place: &Path) -> Option<Mount> {
    let place = place.ancestors().find(|path| path.exists())?.canonicalize().ok()?;
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").ok()?;
    table
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let left: Vec<&str> = left.split(' ').collect();
            let right: Vec<&str> = right.split(' ').collect();
            let point = PathBuf::from(left.get(4)?.replace("\\040", " "));
            let mount = Mount {
                filesystem: (*right.first()?).to_owned(),
                device: (*right.get(1)?).to_owned(),
                options: format!("{},{}", left.get(5)?, right.get(2)?),
            };
            place.starts_with(&point).then_some((point.as_os_str().len(), mount))
        })
        // Of mounts at one point the last covers the others.
        .max_by_key(|(len, _)| *len)
        .map(|(_, mount)| mount)
}

fn writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

fn refuse_what_is_not_empty(place: &Path) -> Result<()> {
    let looking = || format!("looking into {}", place.display());
    for entry in std::fs::read_dir(place).with_context(looking)? {
        let name = entry.with_context(looking)?.file_name();
        // A fresh file system of the ext family is as good as empty.
        if name != "lost+found" && name != MARKER {
            return Err(Refusal::usage(
                format!(
                    "the scratch place {} is not empty and not ours (it holds {})",
                    place.display(),
                    name.display()
                ),
                "name an empty or a new directory with --scratch DIR",
            ));
        }
    }
    Ok(())
}

/// Removes what a killed run left. The lock is ours, so no run lives here.
fn sweep(place: &Path) -> Result<()> {
    let looking = || format!("looking into {}", place.display());
    for entry in std::fs::read_dir(place).with_context(looking)? {
        let entry = entry.with_context(looking)?;
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.strip_prefix(RUN).is_some_and(|number| number.parse::<u32>().is_ok()));
        if ours && entry.file_type().with_context(looking)?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_we_made_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new/scratch");
        let scratch = Scratch::take(&place).unwrap();
        std::fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert!(!place.exists());
    }

    #[test]
    fn a_users_directory_is_refused_and_untouched() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis"), "x").unwrap();
        let told = Scratch::take(dir.path()).unwrap_err().to_string();
        assert!(told.contains("not empty and not ours"), "{told}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_directory_of_the_users_stays_and_is_empty_again() {
        let dir = tempfile::tempdir().unwrap();
        drop(Scratch::take(dir.path()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _scratch = Scratch::take(dir.path()).unwrap();
        let told = Scratch::take(dir.path()).unwrap_err().to_string();
        assert!(told.contains("in use by another run"), "{told}");
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARKER), SIGNED).unwrap();
        for name in ["run-1/target", "run-notes", "run-", "mine"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("run-7"), "a file of that name is not ours").unwrap();
        drop(Scratch::take(dir.path()).unwrap());
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["mine", "run-", "run-7", "run-notes"]);
    }

    #[test]
    fn an_empty_or_borrowed_marker_is_not_our_signature() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        std::fs::create_dir_all(place.join("run-5/precious")).unwrap();
        std::fs::write(place.join(MARKER), "").unwrap();
        assert!(Scratch::take(&place).is_err());
        assert!(place.join("run-5/precious").exists());
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(dir.path().join("empty file"), "").unwrap();
        std::os::unix::fs::symlink("../empty file", other.join(MARKER)).unwrap();
        assert!(Scratch::take(&other).is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("empty file")).unwrap(), "");
    }

    #[test]
    fn a_marker_that_says_something_else_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARKER), "my notes").unwrap();
        assert!(Scratch::take(dir.path()).is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join(MARKER)).unwrap(), "my notes");
    }

    #[test]
    fn the_root_has_a_file_system() {
        assert_ne!(filesystem(Path::new("/proc")), "unknown");
        assert_eq!(filesystem(Path::new("/proc/self")), "proc");
    }
}
