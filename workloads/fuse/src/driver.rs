//! The client: it makes, writes, reads and closes, one system call after the other, and believes no call that it has
//! not looked at.

use anyhow::{Context, Result, ensure};
use fixtures::tree::{Kind, scan};
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, openat, statat};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use technique::Lap;
use technique::phase::{CLOSE, CREATE, HASH, OPEN, READ, STAT, SYNC, WRITE};

/// What is to be written, in memory.
#[derive(Debug)]
pub struct Plan {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Plan {
    /// All files and directories below `source`.
    pub fn of(source: &Path) -> Result<Plan> {
        let mut plan = Plan { directories: Vec::new(), files: Vec::new() };
        for entry in scan(source)? {
            let from = source.join(&entry.path);
            match entry.kind {
                Kind::Directory => plan.directories.push(entry.path),
                Kind::File { .. } => {
                    let bytes = std::fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
                    plan.files.push((entry.path, bytes));
                }
                Kind::Symlink { .. } | Kind::Other { .. } => {}
            }
        }
        Ok(plan)
    }

    /// All files, with what is in them.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// The longest file's length.
    fn longest(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0)
    }

    /// Makes the directories.
    pub fn make_directories(&self, root: &Path) -> Result<()> {
        for directory in &self.directories {
            let place = root.join(directory);
            std::fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        }
        Ok(())
    }

    /// Makes every file, writes it in pieces, waits until it is stored where that is asked for, and closes it.
    pub fn write(&self, root: &File, piece: usize, sync: bool, lap: &mut Lap) -> Result<()> {
        for (path, bytes) in &self.files {
            let about = || format!("making {}", path.display());
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = openat(root, path, flags, Mode::from_raw_mode(0o644)).with_context(about)?;
            lap.mark(CREATE);
            for piece in bytes.chunks(piece) {
                let written = rustix::io::write(&file, piece).with_context(|| format!("writing {}", path.display()))?;
                ensure!(written == piece.len(), "{}: {written} of {} bytes were taken", path.display(), piece.len());
            }
            lap.mark(WRITE);
            if sync {
                rustix::fs::fsync(&file).with_context(|| format!("syncing {}", path.display()))?;
                lap.mark(SYNC);
            }
            close(file, path)?;
            lap.mark(CLOSE);
        }
        Ok(())
    }

    /// Has the kernel forget what is in the files.
    pub fn forget(&self, root: &File) -> Result<()> {
        for (path, _) in &self.files {
            let about = || format!("forgetting {}", path.display());
            let file = openat(root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).with_context(about)?;
            // Only what is stored is forgotten.
            rustix::fs::fsync(&file).with_context(about)?;
            rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).with_context(about)?;
        }
        Ok(())
    }

    /// Looks at every file, opens it, reads it, closes it, and holds what was read against what was written.
    pub fn read(&self, root: &File, lap: &mut Lap) -> Result<()> {
        // One byte more, so that a file that is too long is found.
        let mut buffer = vec![0; self.longest() + 1];
        for (path, bytes) in &self.files {
            let seen =
                statat(root, path, AtFlags::empty()).with_context(|| format!("looking at {}", path.display()))?;
            lap.mark(STAT);
            let size = u64::try_from(seen.st_size).context("a size is no less than nothing")?;
            ensure!(size == bytes.len() as u64, "{} is {size} bytes long, should be {}", path.display(), bytes.len());
            let opened = openat(root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let file = opened.with_context(|| format!("opening {}", path.display()))?;
            lap.mark(OPEN);
            let mut done = 0;
            loop {
                let read = rustix::io::read(&file, &mut buffer[done..=bytes.len()])
                    .with_context(|| format!("reading {}", path.display()))?;
                done += read;
                if read == 0 || done > bytes.len() {
                    break;
                }
            }
            lap.mark(READ);
            close(file, path)?;
            lap.mark(CLOSE);
            ensure!(buffer[..done] == *bytes, "{} holds something else than was written to it", path.display());
            lap.mark(HASH);
        }
        Ok(())
    }
}

/// A close may be the first to tell that a write has failed.
fn close(file: OwnedFd, path: &Path) -> Result<()> {
    nix::unistd::close(file).with_context(|| format!("closing {}", path.display()))
}

/// Asks the file system how full it is, so often: each time exactly one request, and its answer.
pub fn ask(root: &File, times: u64) -> Result<()> {
    for _ in 0..times {
        let told = rustix::fs::fstatfs(root).context("asking how full it is")?;
        ensure!(told.f_bsize > 0, "a file system without blocks");
    }
    Ok(())
}

/// Opens the root of what is mounted.
pub fn open_root(root: &Path) -> Result<File> {
    let opened = openat(CWD, root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    Ok(opened.with_context(|| format!("opening {}", root.display()))?.into())
}
