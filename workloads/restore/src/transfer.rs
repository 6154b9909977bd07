//! A tree from one file system to another, entry by entry: what `mv` and `cp -a` do.

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, futimens, openat, sendfile, statat};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;
use technique::Lap;
use technique::phase::{CLOSE, COPY, CREATE, LINK, LIST, MKDIR, OPEN, STAT, TIMES, UNLINK};

/// What becomes of what was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum And {
    /// It stays.
    Keep,
    /// It is removed.
    Remove,
}

/// Copies one entry with all that is in it: modes, times of files, and links as they are.
pub(crate) fn transfer(from: &Path, to: &Path, and: And, lap: &mut Lap) -> Result<()> {
    let meta =
        statat(CWD, from, AtFlags::SYMLINK_NOFOLLOW).with_context(|| format!("looking at {}", from.display()))?;
    lap.mark(STAT);
    match FileType::from_raw_mode(meta.st_mode) {
        FileType::Directory => {
            let mode = meta.st_mode & 0o7777;
            DirBuilder::new().mode(mode | 0o700).create(to)?;
            lap.mark(MKDIR);
            let names = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
            lap.mark(LIST);
            for name in names {
                transfer(&from.join(&name), &to.join(&name), and, lap)?;
            }
            if mode != mode | 0o700 {
                fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
            }
            if and == And::Remove {
                fs::remove_dir(from)?;
            }
        }
        FileType::Symlink => {
            symlink(fs::read_link(from)?, to)?;
            lap.mark(LINK);
            if and == And::Remove {
                fs::remove_file(from)?;
            }
        }
        _ => {
            let read = openat(CWD, from, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            lap.mark(OPEN);
            let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let made = openat(CWD, to, new, Mode::from_raw_mode(meta.st_mode & 0o7777))?;
            lap.mark(CREATE);
            let mut left = usize::try_from(meta.st_size)?;
            while left > 0 {
                let taken = sendfile(&made, &read, None, left)?;
                anyhow::ensure!(taken > 0, "it became shorter meanwhile");
                left -= taken;
            }
            lap.mark(COPY);
            let nanoseconds = i64::try_from(meta.st_mtime_nsec)?;
            let time = Timespec { tv_sec: meta.st_mtime, tv_nsec: nanoseconds };
            futimens(&made, &Timestamps { last_access: time, last_modification: time })?;
            lap.mark(TIMES);
            drop((read, made));
            lap.mark(CLOSE);
            if and == And::Remove {
                fs::remove_file(from)?;
            }
        }
    }
    lap.mark(UNLINK);
    Ok(())
}
