//! Unfinished things: what a user asked for stands under its name only when it is complete. Until then it lies beside,
//! under a name that says so; what a killed run left there, the next one sweeps.

use crate::refusal::Refusal;
use crate::removal::remove_tree;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A name in a directory, until it is finished. What is dropped unfinished is removed.
pub struct Unfinished {
    path: PathBuf,
    /// The directory is there, and empty: its entries move in one by one.
    into_existing: bool,
    finished: bool,
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
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            let what = format!("there is no directory {} to make {} in", parent.display(), to.display());
            return Err(Refusal::usage(what, format!("mkdir -p {}", parent.display())));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        Unfinished::within(parent, hidden, false)
    }

    /// For a directory that does not exist yet, or is empty.
    pub fn for_tree(dir: &Path) -> Result<Unfinished> {
        let Ok(meta) = fs::symlink_metadata(dir) else { return Unfinished::for_new(dir) };
        let taken = |why: &str| {
            Err(Refusal::usage(format!("{} {why}", dir.display()), "name a new directory, or an empty one"))
        };
        if !meta.is_dir() {
            return taken("exists, and is no directory");
        }
        sweep(dir, &OsString::new())?;
        if fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?.next().is_some() {
            return taken("is not empty, and nothing is overwritten");
        }
        Unfinished::within(dir, OsString::new(), true)
    }

    fn within(parent: &Path, mut name: OsString, into_existing: bool) -> Result<Unfinished> {
        sweep(parent, &name)?;
        name.push(MARK);
        name.push(std::process::id().to_string());
        Ok(Unfinished { path: parent.join(name), into_existing, finished: false })
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
                fs::rename(entry.path(), to.join(entry.file_name())).with_context(naming)?;
            }
            fs::remove_dir(&self.path).with_context(naming)?;
        } else {
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(rustix::fs::CWD, &self.path, rustix::fs::CWD, to, flags).with_context(naming)?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is swept, or named, by the next run.
            let _ = remove_tree(&self.path);
        }
    }
}

/// Removes what killed runs left of that name: their processes are gone.
fn sweep(parent: &Path, name: &OsString) -> Result<()> {
    let mut begins = name.clone();
    begins.push(MARK);
    let begins = begins.into_encoded_bytes();
    for entry in fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))? {
        let entry = entry.with_context(|| format!("reading {}", parent.display()))?;
        let found = entry.file_name();
        let Some(process) = found.as_encoded_bytes().strip_prefix(&begins[..]) else { continue };
        let Some(process) = std::str::from_utf8(process).ok().and_then(|text| text.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new("/proc").join(process.to_string()).exists() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
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
            let names: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert_eq!(names.len(), usize::from(finish), "{names:?}");
        }
    }

    #[test]
    fn what_the_dead_left_is_swept_and_what_the_living_make_is_not() {
        let dir = tempfile::tempdir().unwrap();
        // No process has a number beyond the kernel's limit of 2^22.
        let (dead, living) = (format!(".tree{MARK}99999999"), format!(".tree{MARK}1"));
        let others = [format!(".tree{MARK}x"), format!(".three{MARK}99999999"), "tree.txt".to_owned()];
        for name in [&dead, &living].into_iter().chain(&others) {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let _unfinished = Unfinished::for_new(&dir.path().join("tree")).unwrap();
        assert!(!dir.path().join(&dead).exists() && dir.path().join(&living).exists());
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }
}
