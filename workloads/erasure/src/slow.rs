//! Targets on a bad day: what is done to them is injected, so that how ways of storing bear it can be seen again and again.

use crate::target::{Sink, Source, Target};
use anyhow::{Result, bail};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use technique::Phase;

/// What is done to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// How long each write takes before it begins.
    pub latency: Duration,
    /// How many bytes pass in a second; none is as many as will.
    pub bytes_a_second: Option<u64>,
    /// After how many bytes of all its shards together it fails for good.
    pub dies_after: Option<u64>,
}

/// A target on which something was injected.
pub struct Slow<T> {
    inner: T,
    injected: Injected,
    taken: Arc<AtomicU64>,
}

impl<T: Target> Slow<T> {
    /// This target, and what is done to it.
    pub fn new(inner: T, injected: Injected) -> Slow<T> {
        Slow { inner, injected, taken: Arc::default() }
    }
}

struct SlowSink {
    inner: Box<dyn Sink>,
    injected: Injected,
    taken: Arc<AtomicU64>,
}

impl<T: Target> Target for Slow<T> {
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        if self.injected.dies_after.is_some_and(|limit| self.taken.load(Ordering::Relaxed) >= limit) {
            bail!("{} is dead", self.place());
        }
        let inner = self.inner.create(name)?;
        Ok(Box::new(SlowSink { inner, injected: self.injected, taken: Arc::clone(&self.taken) }))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>> {
        self.inner.open(name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn room(&self, shard: u64) -> u64 {
        self.inner.room(shard)
    }
}

impl Sink for SlowSink {
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()> {
        let bytes = (head.len() + block.len()) as u64;
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.injected.dies_after.is_some_and(|limit| taken > limit) {
            return Err(io::Error::other("the target died"));
        }
        let carried = self.injected.bytes_a_second.map(|rate| Duration::from_secs_f64(bytes as f64 / rate as f64));
        std::thread::sleep(self.injected.latency + carried.unwrap_or_default());
        self.inner.write(head, block)
    }

    fn close(&mut self) -> Result<()> {
        self.inner.close()
    }

    fn phases(&self) -> (Phase, Phase) {
        self.inner.phases()
    }

    fn finish(self: Box<Self>, durable: bool) -> Result<()> {
        self.inner.finish(durable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Memory;

    #[test]
    fn a_target_dies_after_so_many_bytes() {
        let dead = Slow::new(Memory::default(), Injected { dies_after: Some(10), ..Injected::default() });
        let mut sink = dead.create("a").unwrap();
        sink.write(b"12345", b"67890").unwrap();
        assert!(sink.write(b"1", b"").is_err());
        assert!(dead.create("b").is_err());
    }
}
