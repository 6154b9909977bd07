//! How far a put is that makes all shards first and then writes them, asked after each stripe: either half counts as half.

use crate::put::{Put, Stopped};
use anyhow::Result;
use std::sync::atomic::{AtomicU64, Ordering};

/// The two halves of a put.
pub(crate) struct Halves<'a> {
    pub(crate) put: &'a Put<'a>,
    /// The shards that are written.
    shards: u64,
    /// Bytes of the object, each counted once when it is in the shards and once for each shard that is written.
    made: AtomicU64,
    written: AtomicU64,
}

impl<'a> Halves<'a> {
    /// Nothing is done yet, of so many shards.
    pub(crate) fn new(put: &'a Put<'a>, shards: usize) -> Halves<'a> {
        Halves { put, shards: shards.max(1) as u64, made: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    /// That stripe is in the shards. An error, where somebody asks to stop.
    pub(crate) fn made(&self, number: u64) -> Result<()> {
        self.made.fetch_add(self.put.object.raw(number), Ordering::Relaxed);
        self.ask()
    }

    /// So many of the shards have that stripe, or are lost.
    pub(crate) fn written(&self, number: u64, shards: usize) -> Result<()> {
        self.written.fetch_add(self.put.object.raw(number) * shards as u64, Ordering::Relaxed);
        self.ask()
    }

    /// Whether to go on, where nothing more is done.
    pub(crate) fn ask(&self) -> Result<()> {
        let written = self.written.load(Ordering::Relaxed) / self.shards;
        let done = self.made.load(Ordering::Relaxed).midpoint(written);
        if (self.put.watch)(done) { Ok(()) } else { Err(Stopped.into()) }
    }
}
