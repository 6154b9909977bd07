//! A source in memory, for techniques whose question is how files are made and not how they are read.

use crate::Site;
use anyhow::{Context, Result, bail};
use fixtures::tree::{Kind, scan};
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::PathBuf;

/// The source in memory, and the place to put it.
pub struct Load {
    /// The place, opened.
    pub root: OwnedFd,
    /// The files, in path order.
    pub files: Vec<Whole>,
    /// The directories with their modes, each before what is in it.
    pub directories: Vec<(PathBuf, u32)>,
    /// The symbolic links: where, and what they say.
    pub links: Vec<(PathBuf, PathBuf)>,
}

/// A whole file in memory.
pub struct Whole {
    /// Where, below the root.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// When its contents changed last: seconds, nanoseconds.
    pub mtime: (i64, u32),
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl Load {
    /// Reads the source, and opens the target. Modes will stand as they are given: the process's mask is cleared.
    pub fn read(site: &Site) -> Result<Load> {
        clear_umask();
        let mut load = Load { root: open_root(site)?, files: Vec::new(), directories: Vec::new(), links: Vec::new() };
        for entry in scan(&site.source)? {
            match entry.kind {
                Kind::Directory => load.directories.push((entry.path, entry.mode)),
                Kind::Symlink { to } => load.links.push((entry.path, to)),
                Kind::File { .. } => {
                    let source = site.source.join(&entry.path);
                    let bytes = std::fs::read(&source).with_context(|| format!("reading {}", source.display()))?;
                    load.files.push(Whole { path: entry.path, mode: entry.mode, mtime: entry.mtime, bytes });
                }
                Kind::Other { what } => bail!("{} is {what}", entry.path.display()),
            }
        }
        Ok(load)
    }

    /// Opens the target anew, which is another directory under the same name.
    pub fn reopen(&mut self, site: &Site) -> Result<()> {
        self.root = open_root(site)?;
        Ok(())
    }

    /// Makes the directories, before the clock, where they are not the question. Their owner must be able to fill
    /// them; `settle` takes away what the source lacks.
    pub fn make_directories(&self, site: &Site) -> Result<()> {
        for (path, mode) in &self.directories {
            let path = site.target.join(path);
            let made = DirBuilder::new().mode(mode | 0o700).create(&path);
            made.with_context(|| format!("making {}", path.display()))?;
        }
        Ok(())
    }

    /// Makes what is not the question: the links, and the directories' exact modes, each after what is in it.
    pub fn settle(&self, site: &Site) -> Result<()> {
        for (path, to) in &self.links {
            let path = site.target.join(path);
            symlink(to, &path).with_context(|| format!("making the link {}", path.display()))?;
        }
        self.settle_modes(site)
    }

    /// Gives the directories their exact modes, each after what is in it.
    pub fn settle_modes(&self, site: &Site) -> Result<()> {
        for (path, mode) in self.directories.iter().rev() {
            let path = site.target.join(path);
            std::fs::set_permissions(&path, Permissions::from_mode(*mode))
                .with_context(|| format!("setting the mode of {}", path.display()))?;
        }
        Ok(())
    }
}

fn open_root(site: &Site) -> Result<OwnedFd> {
    rustix::fs::open(&site.target, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("opening {}", site.target.display()))
}

/// Lets the mode that is given to `open` and `mkdir` stand as it is. The process's mask would take bits away, and a
/// call a file to put them back is one of the calls that the better ways save. To be called before the clock starts,
/// in a process whose only work is the lab's: the mask belongs to all of its threads.
pub fn clear_umask() {
    rustix::process::umask(Mode::empty());
}
