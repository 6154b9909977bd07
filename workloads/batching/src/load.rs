//! What all rows make: the files of the source, in memory, in path order, and the directories that they lie in.

use anyhow::{Context, Result, bail};
use fixtures::tree::{Kind, scan};
use rustix::fs::{Mode, OFlags};
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use technique::Site;

/// The source in memory, and the place to put it.
pub(crate) struct Load {
    /// The place, opened.
    pub(crate) root: OwnedFd,
    /// The files, in path order.
    pub(crate) files: Vec<Whole>,
    /// The directories with their modes, each before what is in it.
    pub(crate) directories: Vec<(PathBuf, u32)>,
    links: Vec<(PathBuf, PathBuf)>,
}

/// A whole file in memory.
pub(crate) struct Whole {
    /// Where, below the root.
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) mtime: (i64, u32),
    pub(crate) bytes: Vec<u8>,
}

impl Load {
    /// Reads the source, and opens the target.
    pub(crate) fn read(site: &Site) -> Result<Load> {
        // The mode that is given to `open` and `mkdir` shall stand as it is, without a call a file to put it right.
        rustix::process::umask(Mode::empty());
        let root = rustix::fs::open(&site.target, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("opening {}", site.target.display()))?;
        let mut load = Load { root, files: Vec::new(), directories: Vec::new(), links: Vec::new() };
        for entry in scan(&site.source)? {
            match entry.kind {
                Kind::Directory => load.directories.push((entry.path, entry.mode)),
                Kind::Symlink { to } => load.links.push((to, entry.path)),
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

    /// Makes what is not the question: the links, and the directories' exact modes, each after what is in it.
    pub(crate) fn settle(&self, site: &Site) -> Result<()> {
        for (to, path) in &self.links {
            let path = site.target.join(path);
            symlink(to, &path).with_context(|| format!("making the link {}", path.display()))?;
        }
        for (path, mode) in self.directories.iter().rev() {
            let path = site.target.join(path);
            std::fs::set_permissions(&path, Permissions::from_mode(*mode))
                .with_context(|| format!("setting the mode of {}", path.display()))?;
        }
        Ok(())
    }
}
