//! A write buffer: writes that follow each other are gathered, and the layer below sees them at once.

use crate::block::lock;
use crate::store::{Ino, Over, Store};
use std::collections::HashMap;
use std::io::Result;
use std::sync::Mutex;
use technique::Lap;
use technique::phase::{COPY, WAIT};

/// Gathers writes for each file.
pub(crate) struct Buffered {
    below: Box<dyn Store>,
    room: usize,
    gathered: Mutex<HashMap<Ino, Gathered>>,
}

/// What is on its way to a file.
struct Gathered {
    at: u64,
    bytes: Vec<u8>,
}

impl Gathered {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

impl Buffered {
    /// A buffer of so many bytes a file.
    pub(crate) fn new(below: Box<dyn Store>, room: usize) -> Buffered {
        Buffered { below, room, gathered: Mutex::default() }
    }

    fn flush(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        let mut gathered = lock(&self.gathered);
        lap.mark(WAIT);
        // Under the lock until it is below: a reader must find it in one of the two.
        if let Some(gathered) = gathered.get(&ino) {
            self.below.write(ino, gathered.at, &gathered.bytes, lap)?;
        }
        gathered.remove(&ino);
        Ok(())
    }

    fn flush_unmarked(&self, ino: Ino) -> Result<()> {
        self.flush(ino, &mut Lap::start(false))
    }
}

impl Over for Buffered {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let mut gathered = lock(&self.gathered);
        lap.mark(WAIT);
        let follows = |gathered: &Gathered| gathered.end() == at && gathered.bytes.len() + bytes.len() <= self.room;
        match gathered.get_mut(&ino) {
            Some(gathered) if follows(gathered) => gathered.bytes.extend_from_slice(bytes),
            Some(gathered) => {
                self.below.write(ino, gathered.at, &gathered.bytes, lap)?;
                gathered.at = at;
                gathered.bytes.clear();
                gathered.bytes.extend_from_slice(bytes);
            }
            None => {
                gathered.insert(ino, Gathered { at, bytes: bytes.to_vec() });
            }
        }
        lap.mark(COPY);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        self.flush_unmarked(ino)?;
        self.below.read(ino, at, buffer)
    }

    fn len(&self, ino: Ino) -> u64 {
        let gathered = lock(&self.gathered);
        self.below.len(ino).max(gathered.get(&ino).map_or(0, Gathered::end))
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        self.flush_unmarked(ino)?;
        self.below.resize(ino, len)
    }

    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.flush(ino, lap)?;
        self.below.closed(ino, lap)
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.flush(ino, lap)?;
        self.below.sync(ino, lap)
    }

    fn drain(&self, lap: &mut Lap) -> Result<()> {
        let open: Vec<Ino> = lock(&self.gathered).keys().copied().collect();
        for ino in open {
            self.flush(ino, lap)?;
        }
        self.below.drain(lap)
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        lock(&self.gathered).remove(&ino);
        self.below.forget(ino)
    }
}
