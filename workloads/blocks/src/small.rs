//! A way around the blocks: small files lie whole in a map, until they grow.

use crate::block::lock;
use crate::store::{Ino, Over, Store};
use std::collections::HashMap;
use std::io::Result;
use std::sync::Mutex;
use technique::Lap;
use technique::phase::{ACQUIRE, COPY, WAIT};

/// Small files in a map, all others below.
pub(crate) struct SmallMap {
    below: Box<dyn Store>,
    longest: u64,
    files: Mutex<HashMap<Ino, Vec<u8>>>,
}

impl SmallMap {
    /// Files of up to so many bytes lie in the map.
    pub(crate) fn new(below: Box<dyn Store>, longest: usize) -> SmallMap {
        SmallMap { below, longest: longest as u64, files: Mutex::default() }
    }

    /// Where the file's bytes lie in the map, if it may be `end` long and stay there; otherwise it has moved below.
    fn held<'a>(
        &self,
        files: &'a mut HashMap<Ino, Vec<u8>>,
        ino: Ino,
        end: u64,
        lap: &mut Lap,
    ) -> Result<Option<&'a mut Vec<u8>>> {
        if end <= self.longest && self.below.len(ino) == 0 {
            return Ok(Some(files.entry(ino).or_default()));
        }
        if let Some(bytes) = files.get(&ino) {
            self.below.write(ino, 0, bytes, lap)?;
            files.remove(&ino);
        }
        Ok(None)
    }
}

impl Over for SmallMap {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let mut files = lock(&self.files);
        lap.mark(WAIT);
        let end = at + bytes.len() as u64;
        let Some(held) = self.held(&mut files, ino, end, lap)? else {
            drop(files);
            return self.below.write(ino, at, bytes, lap);
        };
        let (at, end) = (index(at)?, index(end)?);
        if held.len() < end {
            held.resize(end, 0);
        }
        lap.mark(ACQUIRE);
        held[at..end].copy_from_slice(bytes);
        lap.mark(COPY);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let files = lock(&self.files);
        let Some(held) = files.get(&ino) else {
            drop(files);
            return self.below.read(ino, at, buffer);
        };
        let there = held.get(index(at)?..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn len(&self, ino: Ino) -> u64 {
        lock(&self.files).get(&ino).map_or_else(|| self.below.len(ino), |held| held.len() as u64)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        let mut files = lock(&self.files);
        match self.held(&mut files, ino, len, &mut Lap::start(false))? {
            Some(held) => held.resize(index(len)?, 0),
            None => self.below.resize(ino, len)?,
        }
        Ok(())
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        lock(&self.files).remove(&ino);
        self.below.forget(ino)
    }
}

fn index(at: u64) -> Result<usize> {
    usize::try_from(at).map_err(std::io::Error::other)
}
