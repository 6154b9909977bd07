//! What all rows make: the files of the source, in memory, in path order, and the directories that they lie in.

use crate::way::{Attributes, clear_umask};
use anyhow::{Context, Result};
use fixtures::tree::{Kind, scan};
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use technique::Site;

/// The files of a source, and the place to put them.
pub(crate) struct Load {
    /// The place, opened.
    pub(crate) root: OwnedFd,
    /// The files, in path order.
    pub(crate) files: Vec<Whole>,
    directories: Vec<(PathBuf, u32)>,
}

/// A whole file in memory.
pub(crate) struct Whole {
    /// Where, below the root.
    pub(crate) path: PathBuf,
    pub(crate) attributes: Attributes,
    pub(crate) bytes: Vec<u8>,
}

impl Load {
    /// Reads the source's files, and makes its directories and links: neither of them is the question.
    pub(crate) fn prepare(site: &Site) -> Result<Load> {
        clear_umask();
        let mut files = Vec::new();
        let mut directories = Vec::new();
        for entry in scan(&site.source)? {
            let target = site.target.join(&entry.path);
            match entry.kind {
                Kind::Directory => {
                    // Its owner must be able to fill it; `settle` takes away what the source lacks.
                    std::fs::DirBuilder::new()
                        .mode(entry.mode | 0o700)
                        .create(&target)
                        .with_context(|| format!("making {}", target.display()))?;
                    directories.push((entry.path, entry.mode));
                }
                Kind::Symlink { to } => std::os::unix::fs::symlink(&to, &target)
                    .with_context(|| format!("making the link {}", target.display()))?,
                Kind::File { .. } => {
                    let source = site.source.join(&entry.path);
                    let bytes = std::fs::read(&source).with_context(|| format!("reading {}", source.display()))?;
                    let attributes = Attributes { mode: entry.mode, mtime: entry.mtime, len: bytes.len() as u64 };
                    files.push(Whole { path: entry.path, attributes, bytes });
                }
                Kind::Other { what } => anyhow::bail!("{} is {what}", entry.path.display()),
            }
        }
        let root = rustix::fs::open(&site.target, directory(), rustix::fs::Mode::empty())
            .with_context(|| format!("opening {}", site.target.display()))?;
        Ok(Load { root, files, directories })
    }

    /// Gives the directories their exact modes, each after what is in it.
    pub(crate) fn settle(&self, target: &Path) -> Result<()> {
        for (path, mode) in self.directories.iter().rev() {
            let path = target.join(path);
            std::fs::set_permissions(&path, Permissions::from_mode(*mode))
                .with_context(|| format!("setting the mode of {}", path.display()))?;
        }
        Ok(())
    }
}

/// How a directory is opened that only names are resolved from.
pub(crate) fn directory() -> rustix::fs::OFlags {
    use rustix::fs::OFlags;
    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
}
