//! The floor: the same files from memory, with nothing to decode, nothing verified and no time set. No restore that
//! makes these files can be faster; the distance to it is what decoding, verifying and keeping promises cost.

use crate::restore::open_directory;
use anyhow::{Context, Result, bail};
use batching::{Spread, make_up_front};
use fixtures::tree::{Kind, scan};
use rustix::fs::{AtFlags, CWD, Mode, chmodat, symlinkat};
use std::os::fd::AsFd;
use std::path::PathBuf;
use syscalls::{Attributes, Way, clear_umask};
use technique::phase::{CHMOD, LINK, OPEN};
use technique::{Lap, Promises, Site, Technique};

/// Makes the tree from memory.
pub struct Floor {
    /// How many workers.
    pub workers: usize,
}

/// The tree in memory.
pub struct Ready {
    target: PathBuf,
    directories: Vec<(PathBuf, u32)>,
    links: Vec<(PathBuf, PathBuf)>,
    runs: Vec<Run>,
}

/// A directory's own files.
struct Run {
    directory: PathBuf,
    files: Vec<Whole>,
}

struct Whole {
    name: PathBuf,
    attributes: Attributes,
    bytes: Vec<u8>,
}

impl Technique for Floor {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        clear_umask();
        let mut ready =
            Ready { target: site.target.clone(), directories: Vec::new(), links: Vec::new(), runs: Vec::new() };
        let mut files = Vec::new();
        for entry in scan(&site.source)? {
            match entry.kind {
                Kind::Directory => ready.directories.push((entry.path, entry.mode)),
                Kind::Symlink { to } => ready.links.push((entry.path, to)),
                Kind::Other { what } => bail!("{} is {what}", entry.path.display()),
                Kind::File { .. } => {
                    let path = site.source.join(&entry.path);
                    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                    let attributes = Attributes { mode: entry.mode, mtime: entry.mtime, len: bytes.len() as u64 };
                    let name = entry.path.file_name().map(PathBuf::from).context("a file has a name")?;
                    let directory = entry.path.parent().map(PathBuf::from).unwrap_or_default();
                    files.push((directory, Whole { name, attributes, bytes }));
                }
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        for (directory, file) in files {
            match ready.runs.last_mut() {
                Some(run) if run.directory == directory => run.files.push(file),
                _ => ready.runs.push(Run { directory, files: vec![file] }),
            }
        }
        Ok(ready)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let target = open_directory(CWD, &ready.target)?;
        lap.mark(OPEN);
        let all = ready.directories.iter().map(|(path, mode)| (path.as_path(), mode | 0o700));
        make_up_front(target.as_fd(), all, lap)?;
        Spread::Workers(self.workers).each(
            &ready.runs,
            |run| run.files.iter().map(|file| file.attributes.len).sum(),
            lap,
            || Ok(()),
            |(), run, lap| {
                let path = if run.directory.as_os_str().is_empty() { ".".into() } else { run.directory.clone() };
                let dir = open_directory(target.as_fd(), &path)?;
                lap.mark(OPEN);
                for file in &run.files {
                    let mut sink = Way::DirectNoTimes.begin(dir.as_fd(), &file.name, &file.attributes, lap)?;
                    sink.write(&file.bytes, lap)?;
                    sink.finish(lap)?;
                }
                Ok(())
            },
        )?;
        for (path, mode) in ready.directories.iter().rev().filter(|(_, mode)| mode & 0o700 != 0o700) {
            chmodat(target.as_fd(), path, Mode::from_raw_mode(*mode), AtFlags::empty())?;
            lap.mark(CHMOD);
        }
        for (path, to) in &ready.links {
            symlinkat(to, target.as_fd(), path)?;
            lap.mark(LINK);
        }
        Ok(())
    }

    fn promises(&self) -> Promises {
        Way::DirectNoTimes.promises()
    }
}
