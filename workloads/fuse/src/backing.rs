//! A file for each file: what the kernel can be pointed to, so that it need not ask.

use crate::nodes::{Change, now};
use crate::numbered::Numbered;
use crate::vectors::lock;
use blocks::{Ino, Store};
use fuser::TimeOrNow;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::path::DecInt;
use std::fs::{File, FileTimes};
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use technique::Lap;
use technique::phase::{SYNC, WRITE};

/// Files of a directory, called by their numbers. Each stays open from its first use until it is forgotten.
pub(crate) struct Backing {
    path: PathBuf,
    /// The same, held: a path of six names costs more than all else that it takes to make a file in memory.
    dir: OwnedFd,
    open: Mutex<Numbered<Arc<File>>>,
}

impl Backing {
    /// Files in a directory that is empty.
    pub(crate) fn new(path: &Path) -> Result<Backing> {
        let dir = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Backing { path: path.to_owned(), dir, open: Mutex::default() })
    }

    /// The file of that number, which is made if it is not there.
    pub(crate) fn file(&self, ino: Ino) -> Result<Arc<File>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&ino) {
            return Ok(Arc::clone(file));
        }
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let made = openat(&self.dir, DecInt::new(ino), how, Mode::RUSR | Mode::WUSR).map_err(|errno| {
            let error = Error::from(errno);
            Error::new(error.kind(), format!("{}: {error}", self.path.join(ino.to_string()).display()))
        })?;
        let file = Arc::new(File::from(made));
        open.insert(ino, Arc::clone(&file));
        Ok(file)
    }
}

impl Backing {
    /// When the file was read and written last, if anything was written. Of an empty one its node knows better: it was
    /// there before its file was.
    pub(crate) fn times(&self, ino: Ino) -> Option<(SystemTime, SystemTime)> {
        let file = lock(&self.open).get(&ino).cloned()?;
        let meta = file.metadata().ok().filter(|meta| meta.len() > 0)?;
        Some((meta.accessed().ok()?, meta.modified().ok()?))
    }

    /// Sets the times that are to be changed, if it has been used.
    pub(crate) fn set_times(&self, ino: Ino, change: &Change) -> Result<()> {
        let Some(file) = lock(&self.open).get(&ino).cloned() else { return Ok(()) };
        let at = |when: TimeOrNow| match when {
            TimeOrNow::SpecificTime(when) => when,
            TimeOrNow::Now => now(),
        };
        let mut times = FileTimes::new();
        if let Some(time) = change.atime {
            times = times.set_accessed(at(time));
        }
        if let Some(time) = change.mtime {
            times = times.set_modified(at(time));
        }
        file.set_times(times)
    }
}

impl Store for Backing {
    fn named(&self, _: Ino, _: Ino, _: &[u8], _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        self.file(ino)?.write_all_at(bytes, at)?;
        lap.mark(WRITE);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let file = self.file(ino)?;
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], at + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    fn len(&self, ino: Ino) -> u64 {
        let file = lock(&self.open).get(&ino).cloned();
        file.and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len())
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        self.file(ino)?.set_len(len)
    }

    fn closed(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.file(ino)?.sync_data()?;
        lap.mark(SYNC);
        Ok(())
    }

    fn drain(&self, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        match lock(&self.open).remove(&ino) {
            Some(_) => Ok(unlinkat(&self.dir, DecInt::new(ino), AtFlags::empty())?),
            None => Ok(()),
        }
    }

    fn saved(&self) -> u64 {
        0
    }
}
