//! Files that are made of one that was written: links to it, or clones of it.

use crate::catalogue::File;
use crate::job::{Job, times};
use crate::knobs::{Crew, Duplicates};
use anyhow::{Context, Result};
use batching::{Directories, Spread, make_parents};
use rustix::fs::{AtFlags, Mode, OFlags, futimens, ioctl_ficlone, linkat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use technique::phase::{CLOSE, COPY, CREATE, LINK, OPEN, TIMES};
use technique::trouble::trouble;
use technique::{Absent, Lap};

/// Makes them all.
pub(crate) fn make(job: &Job, lap: &mut Lap) -> Result<()> {
    let spread = match job.restore.duplicates {
        Duplicates::LinkedTogether => job.ready.linkers,
        _ => Spread::OneByOne,
    };
    // Threads are not started for nothing.
    if job.plan.linked.is_empty() {
        return Ok(());
    }
    spread.each(
        &job.plan.linked,
        |_| 0,
        lap,
        || Ok(()),
        |(), (file, first), lap| {
            let (file, first) = (job.file(*file), job.file(*first));
            let (path, to) = (job.catalogue.path_of(file), job.catalogue.path_of(first));
            if job.restore.directories == Directories::OnDemand {
                make_parents(job.target, &path, lap)?;
            }
            match job.restore.duplicates {
                Duplicates::Written | Duplicates::Linked | Duplicates::LinkedTogether => {
                    linkat(job.target, &to, job.target, &path, AtFlags::empty())
                        .with_context(|| format!("linking {} to {}", path.display(), to.display()))?;
                    lap.mark(LINK);
                    Ok(())
                }
                Duplicates::Cloned => clone((job.target, &to), (job.target, &path), file, lap),
                Duplicates::Symlinked => {
                    symlinkat(way_to(&path, &to), job.target, &path)
                        .with_context(|| format!("making {} a link to {}", path.display(), to.display()))?;
                    lap.mark(LINK);
                    Ok(())
                }
            }
        },
    )
}

/// Who makes links together.
pub(crate) fn linkers() -> Spread {
    Crew::TwoEach.spread()
}

/// Makes a file that shares the bytes of another.
pub(crate) fn clone(from: (BorrowedFd, &Path), to: (BorrowedFd, &Path), file: &File, lap: &mut Lap) -> Result<()> {
    made_of(from, to, file, ("cloning", |first, made| ioctl_ficlone(made, first)), lap)
}

/// Makes a file of another, and gives it its mode and time. What fails is removed.
pub(crate) fn made_of(
    (from, first): (BorrowedFd, &Path),
    (dir, path): (BorrowedFd, &Path),
    file: &File,
    (doing, bring): (&str, impl FnOnce(&OwnedFd, &OwnedFd) -> Result<(), Errno>),
    lap: &mut Lap,
) -> Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let first = openat(from, first, read, Mode::empty()).map_err(|errno| trouble(errno, "opening", from, first))?;
    lap.mark(OPEN);
    let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let made = openat(dir, path, new, Mode::from_raw_mode(file.mode & 0o7777))
        .map_err(|errno| trouble(errno, "making", dir, path))?;
    lap.mark(CREATE);
    let brought = bring(&first, &made);
    lap.mark(COPY);
    if let Err(errno) = brought.and_then(|()| futimens(&made, &times(file.mtime))) {
        // The error that is told is the one that led here.
        let _ = unlinkat(dir, path, AtFlags::empty());
        return Err(trouble(errno, doing, dir, path));
    }
    lap.mark(TIMES);
    drop((first, made));
    lap.mark(CLOSE);
    Ok(())
}

/// Whether files can be cloned from one directory to another; where they cannot, answers [`Absent`].
pub(crate) fn probe_clones(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join(".assay-probe-from"), to.join(".assay-probe-to"));
    let tried = (|| {
        std::fs::write(&from, [7; 4096])?;
        let (first, made) = (std::fs::File::open(&from)?, std::fs::File::create_new(&to)?);
        ioctl_ficlone(&made, &first).map_err(std::io::Error::from)
    })();
    for path in [&from, &to] {
        // What was not made cannot be removed.
        let _ = std::fs::remove_file(path);
    }
    tried.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOTTY | Errno::XDEV | Errno::NOSYS) => Absent::because(
            format!("the file system of {} clones no files", to.parent().unwrap_or(&to).display()),
            "--fs btrfs or --fs xfs makes one that does, as root; or name a place on one with --scratch",
        ),
        _ => anyhow::Error::new(error).context(format!("trying a clone at {}", to.display())),
    })
}

/// The way from one name of a tree to another: out of the first one's directory, and down again.
fn way_to(path: &Path, to: &Path) -> PathBuf {
    let up = path.components().count() - 1;
    let mut way: PathBuf = std::iter::repeat_n("..", up).collect();
    way.push(to);
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_out_of_a_files_directory() {
        for (path, to, way) in [("a", "b", "b"), ("d/a", "b", "../b"), ("d/e/a", "d/b", "../../d/b")] {
            assert_eq!(way_to(Path::new(path), Path::new(to)), Path::new(way));
        }
    }
}
