//! A file that has no name before it is whole.

use crate::refusal::Refusal;
use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file without a name: whoever is killed leaves nothing of it.
pub(super) struct Unnamed {
    pub(super) file: File,
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
        Ok(Unnamed { file: file.into() })
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
        let mut beside = out.as_os_str().to_owned();
        beside.push(format!(".assay-{}", std::process::id()));
        let beside = PathBuf::from(beside);
        link(&beside).with_context(|| format!("naming {}", beside.display()))?;
        std::fs::rename(&beside, out).with_context(|| format!("naming {}", out.display()))
    }
}
