//! Unfinished things: what a user asked for stands under its name only when it is complete. Until then it lies beside,
//! under a name that says so. Who makes it holds a lock on that; what nobody holds is of a killed run, and the next one
//! sweeps it.

use crate::refusal::Refusal;
use crate::removal::remove_tree;
use anyhow::{Context, Result};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, open, renameat_with};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often one tries a door, and how long one waits between: whoever begins something is through in no time.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// Takes the lock on a directory; whoever holds it for long is told of.
fn go_through(door: &OwnedFd, place: &Path) -> Result<()> {
    for _ in 0..TRIES {
        match flock(door, FlockOperation::NonBlockingLockExclusive) {
            // Where the file system knows no locks, two may meet; that is told by the one who comes second.
            Ok(()) | Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => return Ok(()),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            Err(errno) => return Err(errno).with_context(|| format!("locking {}", place.display())),
        }
    }
    let what = format!("{} is locked: another program works in it", place.display());
    Err(Refusal::usage(what, "wait until it is done, or name another place"))
}

/// A name in a directory, until it is finished. What is dropped unfinished is removed.
pub struct Unfinished {
    /// The directory that is locked while the thing in it is made.
    outer: PathBuf,
    path: PathBuf,
    /// The directory is there, and empty: its entries move in one by one.
    into_existing: bool,
    finished: bool,
    _lock: OwnedFd,
}

const MARK: &str = ".assay-unfinished-";

impl Unfinished {
    /// For a name that does not exist yet.
    pub fn for_new(to: &Path) -> Result<Unfinished> {
        if fs::symlink_metadata(to).is_ok() {
            let what = format!("{} exists, and nothing is overwritten", to.display());
            return Err(Refusal::usage(what, "name another, or remove it first"));
        }
        let name = to.file_name().with_context(|| format!("{} is no name that could be made", to.display()))?;
        let parent = above(to);
        if !parent.is_dir() {
            let what = format!("there is no directory {} to make {} in", parent.display(), to.display());
            return Err(Refusal::usage(what, format!("mkdir -p {}", parent.display())));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        Unfinished::within(parent, hidden, to, false)
    }

    /// For a directory that does not exist yet, or is empty.
    pub fn for_tree(dir: &Path) -> Result<Unfinished> {
        let Ok(meta) = fs::symlink_metadata(dir) else { return Unfinished::for_new(dir) };
        if !meta.is_dir() {
            return Err(taken(dir, "exists, and is no directory"));
        }
        Unfinished::within(dir, OsString::new(), dir, true)
    }

    fn within(parent: &Path, mut name: OsString, to: &Path, into_existing: bool) -> Result<Unfinished> {
        // Whoever begins something here comes through this door, one after the other: two never think that they are
        // alone.
        if into_existing {
            let entries = fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))?;
            let names: Vec<OsString> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
            let is_mark = |name: &OsString| name.to_string_lossy().starts_with(MARK);
            if !names.is_empty() && !names.iter().any(is_mark) {
                return Err(taken(parent, "is not empty, and nothing is overwritten"));
            }
        }
        let door = open_directory(parent)?;
        go_through(&door, parent)?;
        if let Some(held) = sweep(parent, &name)? {
            let what = format!("{} is being made by another run: {} is locked", to.display(), held.display());
            return Err(Refusal::usage(what, "wait until it is done, or name another place"));
        }
        if into_existing
            && fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))?.next().is_some()
        {
            return Err(taken(parent, "is not empty, and nothing is overwritten"));
        }
        name.push(MARK);
        name.push(std::process::id().to_string());
        let outer = parent.join(name);
        fs::create_dir(&outer).map_err(|error| cannot_make(&outer, &error))?;
        let lock = open_directory(&outer)?;
        // Nobody else knows of it yet: it fails only where nothing can be locked.
        let _ = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        let path = outer.join("it");
        Ok(Unfinished { outer, path, into_existing, finished: false, _lock: lock })
    }

    /// Where to make it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is complete: it gets its name.
    pub fn finish(mut self, to: &Path) -> Result<()> {
        let naming = || format!("giving {} its name", to.display());
        if self.into_existing {
            for entry in fs::read_dir(&self.path).with_context(naming)? {
                let entry = entry.with_context(naming)?;
                // What somebody else put there meanwhile stays, and is told.
                let to = to.join(entry.file_name());
                renameat_with(CWD, entry.path(), CWD, &to, RenameFlags::NOREPLACE)
                    .with_context(|| format!("giving {} its name", to.display()))?;
            }
            fs::remove_dir(&self.path).with_context(naming)?;
        } else {
            renameat_with(CWD, &self.path, CWD, to, RenameFlags::NOREPLACE).with_context(naming)?;
        }
        fs::remove_dir(&self.outer).with_context(naming)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is swept, or named, by the next run.
            let _ = remove_tree(&self.outer);
        }
    }
}

/// A name beside that of a file which is to be replaced, for the moment before it is; what killed runs left of such is
/// swept first.
pub fn name_beside(file: &Path) -> Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(file.file_name().with_context(|| format!("{} names no file", file.display()))?);
    sweep(above(file), &name)?;
    name.push(MARK);
    name.push(std::process::id().to_string());
    Ok(above(file).join(name))
}

/// The directory that a name stands in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn taken(dir: &Path, why: &str) -> anyhow::Error {
    Refusal::usage(format!("{} {why}", dir.display()), "name a new directory, or an empty one")
}

fn cannot_make(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let what = format!("cannot make {}: {error}", path.display());
    Refusal::unfit(what, "name a place on a file system that can be written to, in a directory of yours")
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("opening {}", path.display()))
}

/// Removes what killed runs left of that name. What somebody still makes stays, and is given back.
fn sweep(parent: &Path, name: &OsString) -> Result<Option<PathBuf>> {
    let mut begins = name.clone();
    begins.push(MARK);
    let begins = begins.into_encoded_bytes();
    let mut held = None;
    for entry in fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))? {
        let entry = entry.with_context(|| format!("reading {}", parent.display()))?;
        let found = entry.file_name();
        let Some(process) = found.as_encoded_bytes().strip_prefix(&begins[..]) else { continue };
        if process.is_empty() || !process.iter().all(u8::is_ascii_digit) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match open(entry.path(), flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno).with_context(|| format!("opening {}", entry.path().display())),
        };
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => remove_tree(&entry.path())?,
            Err(Errno::WOULDBLOCK) => held = Some(entry.path()),
            // Nobody can tell whose it is: it stays.
            Err(_) => {}
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name()).collect()
    }

    #[test]
    fn nothing_stands_under_its_name_before_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("tree");
        let unfinished = Unfinished::for_tree(&to).unwrap();
        fs::create_dir(unfinished.path()).unwrap();
        fs::write(unfinished.path().join("one"), "1").unwrap();
        assert!(!to.exists());
        unfinished.finish(&to).unwrap();
        assert_eq!(fs::read_to_string(to.join("one")).unwrap(), "1");
        assert!(Unfinished::for_new(&to).is_err() && Unfinished::for_tree(&to).is_err());
        assert_eq!(names(dir.path()), ["tree"]);
    }

    #[test]
    fn an_empty_directory_is_filled_and_a_dropped_one_leaves_it_empty() {
        let dir = tempfile::tempdir().unwrap();
        for finish in [false, true] {
            let unfinished = Unfinished::for_tree(dir.path()).unwrap();
            fs::create_dir(unfinished.path()).unwrap();
            fs::write(unfinished.path().join("one"), "1").unwrap();
            if finish {
                unfinished.finish(dir.path()).unwrap();
            } else {
                drop(unfinished);
            }
            let names = names(dir.path());
            assert_eq!(names.len(), usize::from(finish), "{names:?}");
        }
    }

    #[test]
    fn two_never_make_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for to in [dir.path().join("new"), dir.path().to_owned()] {
            let first = Unfinished::for_tree(&to).unwrap();
            fs::create_dir(first.path()).unwrap();
            let told = Unfinished::for_tree(&to).err().unwrap().to_string();
            assert!(told.contains("is being made by another run"), "{told}");
            assert!(first.path().exists());
            drop(first);
            drop(Unfinished::for_tree(&to).unwrap());
            assert_eq!(names(dir.path()), [""; 0]);
        }
        // Other names in the same directory do not wait for each other.
        let _one = Unfinished::for_new(&dir.path().join("one")).unwrap();
        let _other = Unfinished::for_new(&dir.path().join("other")).unwrap();
    }

    #[test]
    fn what_came_in_between_stays() {
        let dir = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::for_tree(dir.path()).unwrap();
        fs::create_dir(unfinished.path()).unwrap();
        fs::write(unfinished.path().join("one"), "ours").unwrap();
        fs::write(dir.path().join("one"), "theirs").unwrap();
        let told = format!("{:#}", unfinished.finish(dir.path()).unwrap_err());
        assert!(told.contains("one its name"), "{told}");
        assert_eq!(fs::read_to_string(dir.path().join("one")).unwrap(), "theirs");
    }

    #[test]
    fn what_the_dead_left_is_swept_and_what_the_living_make_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let others = [format!(".tree{MARK}x"), format!(".tree{MARK}"), format!(".three{MARK}9"), "tree.txt".to_owned()];
        let (dead, left) = (format!(".tree{MARK}99999999"), format!(".tree{MARK}1"));
        for name in others.iter().chain([&dead]) {
            fs::create_dir_all(dir.path().join(name).join("it")).unwrap();
        }
        fs::write(dir.path().join(&left), "a file that was about to get its name").unwrap();
        let unfinished = Unfinished::for_new(&dir.path().join("tree")).unwrap();
        assert!(!dir.path().join(&dead).exists() && !dir.path().join(&left).exists());
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
        assert!(Unfinished::for_new(&dir.path().join("tree")).is_err());
        assert!(unfinished.outer.exists());
    }
}
