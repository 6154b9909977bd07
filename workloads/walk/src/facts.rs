//! The yardstick of all rows: what the source holds, by a plain walk of its own, and what a row has written.

use crate::crew::Report;
use crate::meta::Meta;
use crate::read_back::{self, Line};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use technique::{Outcome, Promise};

/// Up to so many entries each is a fact of its own, so that a difference is told by its path; more have one fact for
/// all, for a run must not wait for its yardstick.
const EACH: usize = 4096;
/// What a row that writes no records leaves behind: how many entries it met.
const COUNT: &str = "count";
/// What a row says that it could not record.
const FAILURES: &str = "failures";

/// What a walk has found, whoever walked.
#[derive(Default)]
struct Found {
    entries: u64,
    lines: Vec<Line>,
    /// Paths, each with the kernel's number for what went wrong.
    failures: Vec<(Vec<u8>, i32)>,
}

/// What a plain walk finds: each path, and whether it is a directory; none where something failed.
pub(crate) fn paths(source: &Path) -> Option<Vec<(Vec<u8>, bool)>> {
    let mut found = Found::default();
    plain_walk(source, &mut found);
    let whole = found.failures.is_empty();
    whole.then(|| found.lines.into_iter().map(Line::into_path).collect())
}

/// What every row should find.
pub(crate) fn expected(source: &Path) -> Outcome {
    let mut found = Found::default();
    plain_walk(source, &mut found);
    found.entries = found.lines.len() as u64;
    found.outcome()
}

/// What a row has found.
pub(crate) fn outcome(target: &Path, source: &Path) -> Result<Outcome> {
    let lines = read_back::records(target, source)?;
    let mut found = Found { entries: lines.len() as u64, lines, failures: Vec::new() };
    let read = |name: &str| match fs::read(target.join(name)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).with_context(|| format!("reading {name} in {}", target.display())),
    };
    if let Some(count) = read(COUNT)? {
        found.entries = std::str::from_utf8(&count)?.trim().parse().context("the count of entries is no number")?;
    }
    if let Some(failures) = read(FAILURES)? {
        let mut parts = failures.split(|byte| *byte == 0);
        while let (Some(path), Some(errno)) = (parts.next(), parts.next()) {
            let errno = std::str::from_utf8(errno)?.parse().context("a failure has no number")?;
            found.failures.push((path.to_vec(), errno));
        }
    }
    Ok(found.outcome())
}

/// Puts beside the records what is not in them.
pub(crate) fn settle(report: &Report, nowhere: bool, target: &Path) -> Result<()> {
    let writing = || format!("writing to {}", target.display());
    if nowhere {
        fs::write(target.join(COUNT), report.entries.to_string()).with_context(writing)?;
    }
    if !report.failures.is_empty() {
        let mut out = Vec::new();
        for failure in &report.failures {
            out.extend_from_slice(&failure.path);
            out.extend_from_slice(format!("\0{}\0", failure.errno.raw_os_error()).as_bytes());
        }
        fs::write(target.join(FAILURES), out).with_context(writing)?;
    }
    Ok(())
}

impl Found {
    fn outcome(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.state(b"the walk", "entries", self.entries.to_string());
        for (path, errno) in self.failures {
            outcome.state(&path, "failure", std::io::Error::from_raw_os_error(errno).to_string());
        }
        self.lines.sort_by(|a, b| a.path.cmp(&b.path));
        let mut all = [Promise::Named, Promise::Described, Promise::Whole, Promise::TimesKept]
            .map(|promise| (promise, blake3::Hasher::new(), 0u64));
        let each = self.lines.len() <= EACH;
        for line in &self.lines {
            for (promise, hasher, count) in &mut all {
                let Some(says) = line.says(*promise) else { continue };
                *count += 1;
                if each {
                    outcome.state_if(*promise, &line.path, aspect(*promise), says);
                } else {
                    for part in [line.path.as_slice(), says.as_bytes()] {
                        hasher.update(&(part.len() as u64).to_le_bytes());
                        hasher.update(part);
                    }
                }
            }
        }
        for (promise, hasher, count) in all.into_iter().filter(|one| !each && one.2 > 0) {
            let digest = hasher.finalize().to_hex();
            outcome.state_if(promise, b"the walk", aspect(promise), format!("{count} of digest {}", &digest[..16]));
        }
        outcome
    }
}

fn aspect(promise: Promise) -> &'static str {
    match promise {
        Promise::Named => "path",
        Promise::Described => "inode, size and time",
        Promise::Whole => "whole record",
        _ => "nanoseconds",
    }
}

/// A directory that is to be read by the plain walk.
struct Here {
    /// How it is reached: a path, or one through the descriptor of a directory above.
    reached: PathBuf,
    /// That descriptor.
    held: Option<Rc<File>>,
    /// Its path below the root.
    path: Vec<u8>,
}

/// A path that grows longer than this is reached through a descriptor.
const LONG: usize = 2000;

/// Walks with the standard library alone, one directory after the other.
fn plain_walk(root: &Path, found: &mut Found) {
    let mut left = vec![Here { reached: root.to_owned(), held: None, path: Vec::new() }];
    while let Some(here) = left.pop() {
        if let Err(error) = read_one(&here, found, &mut left) {
            found.failures.push((here.path, error.raw_os_error().unwrap_or(0)));
        }
    }
}

fn read_one(here: &Here, found: &mut Found, left: &mut Vec<Here>) -> std::io::Result<()> {
    let (mut reached, mut held) = (here.reached.clone(), here.held.clone());
    if reached.as_os_str().len() > LONG {
        let file = File::open(&reached)?;
        reached = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        held = Some(Rc::new(file));
    }
    for entry in fs::read_dir(&reached)? {
        let entry = entry?;
        let name = entry.file_name();
        let mut path = here.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            Err(error) => {
                found.failures.push((path, error.raw_os_error().unwrap_or(0)));
                continue;
            }
        };
        if meta.is_dir() {
            left.push(Here { reached: reached.join(&name), held: held.clone(), path: path.clone() });
        }
        let nanos = u32::try_from(meta.mtime_nsec()).expect("a second has fewer than 2^32 nanoseconds");
        let meta = Meta {
            inode: meta.ino(),
            mode: meta.mode(),
            size: meta.len(),
            mtime: (meta.mtime(), nanos),
            ..Meta::default()
        };
        found.lines.push(Line::of(path, &meta));
    }
    Ok(())
}
