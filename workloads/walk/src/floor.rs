//! The floor: open, list, look at, close; every directory known before the clock starts, nothing recorded, nothing
//! counted for others to see. No walk that asks for every entry by its name can be faster.

use crate::meta::Ask;
use crate::place::open_below;
use crate::{crew, facts, foretold, walk};
use anyhow::{Context, Result};
use rustix::fs::RawDir;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use technique::phase::{CLOSE, LIST, OPEN, STAT, WAIT};
use technique::{Calls, Lap, Site, Technique};

/// Looks at every entry of directories that are known.
pub struct Floor {
    /// How names are asked about.
    pub ask: Ask,
    /// The size of the buffer for a directory's names.
    pub listing: usize,
    /// How many threads; none means one for each processor.
    pub threads: Option<usize>,
}

/// The directories.
pub struct Ready {
    source: PathBuf,
    root: OwnedFd,
    directories: Vec<Vec<u8>>,
    threads: usize,
    entries: u64,
}

impl Technique for Floor {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let root = crate::place::open_root(&site.source).context("opening the source")?;
        let mut directories = vec![Vec::new()];
        let found = facts::paths(&site.source).context("the source cannot be read whole: a bare loop skips nothing")?;
        directories.extend(found.into_iter().filter(|(_, is_directory)| *is_directory).map(|(path, _)| path));
        let threads = self.threads.unwrap_or(walk::processors()?.len()).max(1);
        Ok(Ready { source: site.source.clone(), root, directories, threads, entries: 0 })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let (next, entries) = (AtomicUsize::new(0), AtomicU64::new(0));
        let laps = lap.fork(ready.threads);
        let ready_now = &*ready;
        let laps = std::thread::scope(|scope| {
            let threads: Vec<_> = laps
                .into_iter()
                .map(|mut lap| {
                    let (next, entries) = (&next, &entries);
                    scope.spawn(move || {
                        lap.mark(WAIT);
                        let mut buffer = vec![MaybeUninit::uninit(); self.listing];
                        while let Some(path) = ready_now.directories.get(next.fetch_add(1, Relaxed)) {
                            entries.fetch_add(self.look(ready_now, path, &mut buffer, &mut lap)?, Relaxed);
                        }
                        anyhow::Ok(lap)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a bare loop does not panic")).collect::<Result<_>>()
        })?;
        lap.join(laps);
        ready.entries = entries.into_inner();
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        facts::settle(&crew::Report { entries: ready.entries, ..crew::Report::default() }, true, &site.target)
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let foretold::Counted { entries, directories, .. } = foretold::count(&ready.source, self.listing)?;
        let mut calls = Calls::default();
        for (name, count) in [("openat2", 1), ("getdents64", 2), ("close", 1)] {
            calls.add(name, count * (1 + directories));
        }
        calls.add(if self.ask == Ask::Lstat { "newfstatat" } else { "statx" }, entries);
        Some(calls)
    }
}

impl Floor {
    fn look(&self, ready: &Ready, path: &[u8], buffer: &mut [MaybeUninit<u8>], lap: &mut Lap) -> Result<u64> {
        let trouble = || format!("walking {}", String::from_utf8_lossy(path));
        let dir = open_below(ready.root.as_fd(), path).with_context(trouble)?;
        lap.mark(OPEN);
        let mut names = RawDir::new(dir.as_fd(), buffer);
        let mut entries = 0;
        while let Some(entry) = names.next() {
            let entry = entry.with_context(trouble)?;
            lap.mark(LIST);
            let name: &CStr = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            std::hint::black_box(self.ask.about(dir.as_fd(), name).with_context(trouble)?);
            lap.mark(STAT);
            entries += 1;
        }
        lap.mark(LIST);
        drop(dir);
        lap.mark(CLOSE);
        Ok(entries)
    }
}
