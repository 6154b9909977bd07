//! A file that has no name before it is whole.

use crate::refusal::Refusal;
use crate::unfinished::name_beside;
use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file without a name: whoever is killed leaves nothing of it.
pub(super) struct Unnamed {
    pub(super) file: File,
    /// Its name for a moment, where it takes that of another file. A kill in that moment leaves it, for the next to
    /// sweep; the lock says that it is ours.
    beside: PathBuf,
}

impl Unnamed {
    pub(super) fn beside(out: &Path) -> Result<Unnamed> {
        let dir = match out.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(dir, flags, Mode::from_raw_mode(0o666)).map_err(|error| {
            Refusal::unfit(
                format!("cannot make a file in {}: {error}", dir.display()),
                "choose another --out: a directory that is there, on a file system with O_TMPFILE",
            )
        })?;
        // It is new: this fails only where nothing can be locked, and then nobody sweeps it either.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Unnamed { file: file.into(), beside: name_beside(out)? })
    }

    /// Gives it its name. Without `force` no file loses its own.
    pub(super) fn named(self, out: &Path, force: bool) -> Result<()> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |to: &Path| linkat(CWD, &own, CWD, to, AtFlags::SYMLINK_FOLLOW);
        if !force {
            return link(out).map_err(|error| {
                Refusal::usage(format!("cannot name {}: {error}", out.display()), "choose another --out")
            });
        }
        link(&self.beside).with_context(|| format!("naming {}", self.beside.display()))?;
        std::fs::rename(&self.beside, out).with_context(|| format!("naming {}", out.display()))
    }
}
