//! Restore to memory first, and then move the tree to where it shall stand, as `mv` does from one file system to
//! another.

use crate::knobs::Restore;
use crate::restore;
use crate::transfer::{And, transfer};
use anyhow::{Context, Result};
use rustix::fs::{CWD, statfs};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use technique::phase::{LIST, RENAME};
use technique::{Absent, Lap, Promise, Promises, Site, Technique};

/// Restores to memory first.
pub struct TmpfsFirst {
    /// How the tree is made there.
    pub by: Restore,
}

/// What lies ready: a store, a place in memory, and the target.
pub struct Ready {
    restore: restore::Ready,
    staged: Staged,
    target: PathBuf,
}

/// A directory in memory. It is removed when it is dropped; what a killed process left, the next one removes.
struct Staged(PathBuf);

/// Where Linux systems have a tmpfs that everybody may write to.
const PLACE: &str = "/dev/shm";
const PREFIX: &str = "assay-restore-";

impl Technique for TmpfsFirst {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let form = self.by.form();
        let store = site.keep(&form.to_string(), |path| form.pack(&site.source, path))?;
        let need = site.tally.bytes + 4096 * (site.tally.files + site.tally.directories);
        let staged = Staged::begin(need)?;
        let restore = self.by.ready(&store, &staged.0, None)?;
        Ok(Ready { restore, staged, target: site.target.clone() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        self.by.restore(&ready.restore, lap)?;
        move_entries(&ready.staged.0, &ready.target, lap)
    }

    /// A file stands under its final name while its bytes are being moved.
    fn promises(&self) -> Promises {
        self.by.promises().without(Promise::Atomic)
    }
}

impl Staged {
    fn begin(need: u64) -> Result<Staged> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let absent = |why: String| Absent::because(why, "mount -t tmpfs tmpfs /dev/shm, large enough for the tree");
        let place = Path::new(PLACE);
        let found = statfs(place).map_err(|_| absent(format!("there is no {PLACE}")))?;
        if found.f_type != 0x0102_1994 {
            return Err(absent(format!("{PLACE} is no tmpfs")));
        }
        sweep(place)?;
        let free = found.f_bavail.saturating_mul(u64::try_from(found.f_bsize).unwrap_or(4096));
        if free < need {
            return Err(absent(format!("{PLACE} has {} MiB free, and the tree may need {}", free >> 20, need >> 20)));
        }
        // A process may have several at once.
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = place.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Staged(path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What is left here, the next run removes.
        let _ = fixtures::remove_tree(&self.0);
    }
}

/// Removes what processes left that are gone.
fn sweep(place: &Path) -> Result<()> {
    for entry in fs::read_dir(place).with_context(|| format!("reading {PLACE}"))?.flatten() {
        let name = entry.file_name();
        let own = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some((process, _)) = own.and_then(|own| own.split_once('-')) else { continue };
        if process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists() {
            // Another user's, or swept by somebody else meanwhile: it takes memory, and harms nobody.
            let _ = fixtures::remove_tree(&entry.path());
        }
    }
    Ok(())
}

/// Moves all that lies in a directory into another, by renames where both lie on one file system.
fn move_entries(from: &Path, to: &Path, lap: &mut Lap) -> Result<()> {
    let moving = |name: &OsStr| format!("moving {} to {}", from.join(name).display(), to.display());
    let entries = fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>();
    let names = names.with_context(|| format!("reading {}", from.display()))?;
    lap.mark(LIST);
    for name in &names {
        let (from, to) = (from.join(name), to.join(name));
        let renamed = rustix::fs::renameat(CWD, &from, CWD, &to);
        lap.mark(RENAME);
        match renamed {
            Ok(()) => {}
            Err(Errno::XDEV) => transfer(&from, &to, And::Remove, lap).with_context(|| moving(name))?,
            Err(errno) => return Err(errno).with_context(|| moving(name)),
        }
    }
    Ok(())
}
