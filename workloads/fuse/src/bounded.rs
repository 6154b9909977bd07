//! A store that is full after so many bytes: what a disk does.

use blocks::{Ino, Over, Store};
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use technique::Lap;

/// A store that takes no more than so many bytes, all writes added up.
pub(crate) struct Bounded {
    below: Arc<dyn Store>,
    left: AtomicU64,
    /// Whether a write is answered before it is known whether it fits; otherwise it is told at once.
    late: bool,
    /// Whether something that was answered did not fit.
    lost: AtomicBool,
}

impl Bounded {
    /// Takes so many bytes. One that tells late and takes none complains of every close and sync.
    pub(crate) fn new(below: Arc<dyn Store>, capacity: u64, late: bool) -> Bounded {
        Bounded { below, left: AtomicU64::new(capacity), late, lost: AtomicBool::new(late && capacity == 0) }
    }

    fn told(&self) -> Result<()> {
        if self.lost.load(Ordering::Relaxed) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Over for Bounded {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let wanted = bytes.len() as u64;
        let take = |left: u64| left.checked_sub(wanted);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => self.below.write(ino, at, bytes, lap),
            Err(_) if self.late => {
                self.lost.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => Err(Error::from(ErrorKind::StorageFull)),
        }
    }

    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.told()?;
        self.below.closed(ino, lap)
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.told()?;
        self.below.sync(ino, lap)
    }
}
