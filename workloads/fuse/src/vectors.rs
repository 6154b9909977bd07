//! The plainest store: a vector for each file.

use crate::numbered::Numbered;
use blocks::{Ino, Store};
use std::io::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use technique::Lap;
use technique::phase::{ACQUIRE, COPY, WAIT};

/// A vector for each file.
#[derive(Default)]
pub(crate) struct Vectors(Mutex<Numbered<Arc<Mutex<Vec<u8>>>>>);

impl Vectors {
    fn file(&self, ino: Ino) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(lock(&self.0).entry(ino).or_default())
    }

    fn found(&self, ino: Ino) -> Option<Arc<Mutex<Vec<u8>>>> {
        lock(&self.0).get(&ino).cloned()
    }
}

impl Store for Vectors {
    fn named(&self, _: Ino, _: Ino, _: &[u8], _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let file = self.file(ino);
        let mut file = lock(&file);
        lap.mark(WAIT);
        let at = usize::try_from(at).map_err(std::io::Error::other)?;
        if file.len() < at + bytes.len() {
            file.resize(at + bytes.len(), 0);
        }
        lap.mark(ACQUIRE);
        file[at..at + bytes.len()].copy_from_slice(bytes);
        lap.mark(COPY);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let Some(file) = self.found(ino) else { return Ok(0) };
        let file = lock(&file);
        let at = usize::try_from(at).map_err(std::io::Error::other)?;
        let there = file.get(at..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn len(&self, ino: Ino) -> u64 {
        self.found(ino).map_or(0, |file| lock(&file).len() as u64)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        lock(&self.file(ino)).resize(usize::try_from(len).map_err(std::io::Error::other)?, 0);
        Ok(())
    }

    fn closed(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn sync(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn drain(&self, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        lock(&self.0).remove(&ino);
        Ok(())
    }

    fn saved(&self) -> u64 {
        0
    }
}

/// A thread that panicked while it held the lock has left nothing half done that another could not read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
