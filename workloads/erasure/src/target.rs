//! Where shards go: one door for directories, memory, and targets on which something was injected.

pub use crate::slow::{Injected, Slow};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use technique::Phase;
use technique::phase::{COPY, READ, RENAME, WRITE};

/// A place that holds one shard of each object.
pub trait Target: Send + Sync {
    /// Begins a shard, which nobody sees under its name before it is finished.
    fn create(&self, name: &str) -> Result<Box<dyn Sink>>;
    /// The shard of that name, where there is one.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>>;
    /// Removes the shard of that name; it is no failure if there is none.
    fn remove(&self, name: &str) -> Result<()>;
    /// What messages call it.
    fn place(&self) -> String;
    /// The memory that a shard of so many bytes takes here while it is written.
    fn room(&self, _shard: u64) -> u64 {
        0
    }
}

/// A shard that is being written. Dropped before it is finished, it leaves nothing.
pub trait Sink: Send {
    /// Goes on with these bytes and those.
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()>;
    /// The way to write at any place of it, from several threads, where there is one.
    fn placed(&self) -> Option<&dyn Placed> {
        None
    }
    /// Begins to finish it where that takes long, so that several are finished at once.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
    /// What time is called that goes into writing, and into finishing.
    fn phases(&self) -> (Phase, Phase) {
        (WRITE, RENAME)
    }
    /// Gives the shard its name; where `durable`, a power cut takes nothing of it away.
    fn finish(self: Box<Self>, durable: bool) -> Result<()>;
}

/// A shard of which any place can be written at any time.
pub trait Placed: Sync {
    /// Writes these bytes and those at that place.
    fn write_at(&self, offset: u64, head: &[u8], block: &[u8]) -> io::Result<()>;
}

/// A shard that is being read.
pub trait Source: Send {
    /// Reads as much as there is from an offset, up to the whole buffer.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// The shard's length.
    fn length(&self) -> io::Result<u64>;
    /// What time is called that goes into reading.
    fn phase(&self) -> Phase {
        READ
    }
}

/// A local directory.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

/// What stands before the name of a file that is not finished, and after it.
const UNFINISHED: (&str, &str) = (".", ".part");

impl Directory {
    /// The name of a shard's file before it is finished.
    pub fn unfinished(name: &str) -> String {
        format!("{}{name}{}", UNFINISHED.0, UNFINISHED.1)
    }
}

impl Target for Directory {
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        let part = self.0.join(Directory::unfinished(name));
        let file = File::create_new(&part).with_context(|| format!("making {}", part.display()))?;
        Ok(Box::new(Part { file, place: self.0.join(name), unfinished: Some(part) }))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>> {
        match File::open(self.0.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn place(&self) -> String {
        self.0.display().to_string()
    }
}

struct Part {
    file: File,
    place: PathBuf,
    unfinished: Option<PathBuf>,
}

impl Sink for Part {
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()> {
        let written = self.file.write_vectored(&[IoSlice::new(head), IoSlice::new(block)])?;
        match written.checked_sub(head.len()) {
            Some(of_block) => self.file.write_all(&block[of_block..]),
            None => self.file.write_all(&head[written..]).and_then(|()| self.file.write_all(block)),
        }
    }

    fn placed(&self) -> Option<&dyn Placed> {
        Some(&self.file)
    }

    fn finish(mut self: Box<Self>, durable: bool) -> Result<()> {
        let finishing = || format!("finishing {}", self.place.display());
        if durable {
            self.file.sync_data().with_context(finishing)?;
        }
        if let Some(part) = &self.unfinished {
            std::fs::rename(part, &self.place).with_context(finishing)?;
        }
        self.unfinished = None;
        Ok(())
    }
}

impl Placed for File {
    fn write_at(&self, offset: u64, head: &[u8], block: &[u8]) -> io::Result<()> {
        let parts = [IoSlice::new(head), IoSlice::new(block)];
        let written = rustix::io::pwritev(self, &parts, offset)?;
        let (of_head, of_block) = (written.min(head.len()), written.saturating_sub(head.len()));
        self.write_all_at(&head[of_head..], offset + of_head as u64)?;
        self.write_all_at(&block[of_block..], offset + (head.len() + of_block) as u64)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.unfinished {
            // It is gone already, or its place is; whoever sweeps there finds it.
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Source for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match FileExt::read_at(self, &mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

type Shards = Arc<Mutex<BTreeMap<String, Arc<Vec<u8>>>>>;

/// Memory: what a target costs that does nothing else.
#[derive(Clone, Debug, Default)]
pub struct Memory(Shards);

impl Memory {
    /// All shards that are in it, by name.
    pub(crate) fn shards(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shards.iter().map(|(name, bytes)| (name.clone(), Arc::clone(bytes))).collect()
    }
}

struct Growing {
    bytes: Vec<u8>,
    name: String,
    shards: Shards,
}

impl Target for Memory {
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Growing { bytes: Vec::new(), name: name.to_owned(), shards: Arc::clone(&self.0) }))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>> {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(shards.get(name).map(|bytes| Box::new(Arc::clone(bytes)) as Box<dyn Source>))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

impl Sink for Growing {
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(block);
        Ok(())
    }

    fn phases(&self) -> (Phase, Phase) {
        (COPY, COPY)
    }

    fn finish(self: Box<Self>, _durable: bool) -> Result<()> {
        let Growing { bytes, name, shards } = *self;
        shards.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(bytes));
        Ok(())
    }
}

impl Source for Arc<Vec<u8>> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let read = buffer.len().min(self.len() - from);
        buffer[..read].copy_from_slice(&self[from..from + read]);
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn phase(&self) -> Phase {
        COPY
    }
}

/// The directories of so many targets below one place.
pub fn directories(below: &Path, count: usize) -> Vec<Directory> {
    (0..count).map(|number| Directory(below.join(format!("t{number:02}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &dyn Target) {
        let mut sink = target.create("a").unwrap();
        sink.write(b"head", b"block").unwrap();
        assert!(target.open("a").unwrap().is_none(), "it is not finished");
        sink.finish(true).unwrap();
        let source = target.open("a").unwrap().unwrap();
        let mut buffer = [0; 20];
        assert_eq!((source.length().unwrap(), source.read_at(2, &mut buffer).unwrap()), (9, 7));
        assert_eq!(&buffer[..7], b"adblock");
        assert_eq!(source.read_at(99, &mut buffer).unwrap(), 0);
        drop(target.create("b").unwrap());
        assert!(target.open("b").unwrap().is_none());
        target.remove("a").unwrap();
        target.remove("a").unwrap();
        assert!(target.open("a").unwrap().is_none());
    }

    #[test]
    fn every_target_keeps_what_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        check(&Directory(dir.path().to_owned()));
        check(&Memory::default());
        check(&Slow::new(Memory::default(), Injected { bytes_a_second: Some(1 << 20), ..Injected::default() }));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left of what was never finished");
    }
}
