//! A store that is full after so many bytes: what a disk does.

use blocks::{Ino, Store};
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use technique::Lap;

/// A store that takes no more than so many bytes, all writes added up.
pub(crate) struct Bounded {
    below: Arc<dyn Store>,
    left: AtomicU64,
}

impl Bounded {
    /// Takes so many bytes.
    pub(crate) fn new(below: Arc<dyn Store>, capacity: u64) -> Bounded {
        Bounded { below, left: AtomicU64::new(capacity) }
    }
}

impl Store for Bounded {
    fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()> {
        self.below.named(ino, parent, name, lap)
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let wanted = bytes.len() as u64;
        let take = |left: u64| left.checked_sub(wanted);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| Error::from(ErrorKind::StorageFull))?;
        self.below.write(ino, at, bytes, lap)
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        self.below.read(ino, at, buffer)
    }

    fn len(&self, ino: Ino) -> u64 {
        self.below.len(ino)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        self.below.resize(ino, len)
    }

    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.below.closed(ino, lap)
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.below.sync(ino, lap)
    }

    fn drain(&self, lap: &mut Lap) -> Result<()> {
        self.below.drain(lap)
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        self.below.forget(ino)
    }

    fn saved(&self) -> u64 {
        self.below.saved()
    }
}
