//! The block layer as the document describes it: a vector of blocks for each file, each block under a lock of its own;
//! a write finds its block, unpacks it if need be, lengthens it, copies, notes three times, and packs it again.

use crate::keep::Keeper;
use crate::packing::{Packing, unpack};
use crate::record::Kept;
use crate::store::{BLOCK, Ino, Store};
use std::collections::HashMap;
use std::io::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use technique::Lap;
use technique::phase::{ACQUIRE, COMPRESS, COPY, DECODE, TIMES, WAIT};

/// Files as vectors of blocks.
pub(crate) struct BlockStore {
    packing: Packing,
    files: Mutex<HashMap<Ino, Arc<File>>>,
    saved: AtomicU64,
    keeper: Keeper,
}

/// One file.
#[derive(Debug, Default)]
struct File {
    blocks: Mutex<Vec<Arc<Mutex<Block>>>>,
    len: AtomicU64,
}

/// One block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// What is kept of it.
    data: Vec<u8>,
    /// How many bytes it stands for, where `data` is packed.
    unpacked_len: Option<usize>,
    /// When it was written, accessed, and last seen as changed.
    times: Option<[SystemTime; 3]>,
}

impl Block {
    fn plain(&self) -> Result<Vec<u8>> {
        self.unpacked_len.map_or_else(|| Ok(self.data.clone()), |len| unpack(&self.data, len))
    }

    /// Its bytes, to be changed and put back.
    fn take_plain(&mut self) -> Result<Vec<u8>> {
        match self.unpacked_len.take() {
            Some(len) => unpack(&self.data, len),
            None => Ok(std::mem::take(&mut self.data)),
        }
    }

    /// Its bytes as they are kept, and how long they are unpacked, if they are packed.
    pub(crate) fn kept(&self) -> (&[u8], Option<usize>) {
        (&self.data, self.unpacked_len)
    }
}

impl BlockStore {
    /// A store without files.
    pub(crate) fn new(packing: Packing, keeper: Keeper) -> BlockStore {
        BlockStore { packing, files: Mutex::default(), saved: AtomicU64::new(0), keeper }
    }

    /// A store with what was kept.
    pub(crate) fn of(packing: Packing, keeper: Keeper, kept: Kept) -> Result<BlockStore> {
        let store = BlockStore::new(packing, keeper);
        for (ino, file) in kept.files {
            let made = store.file(ino);
            for (index, (data, unpacked_len)) in file.blocks {
                let index = usize::try_from(index).map_err(std::io::Error::other)?;
                *lock(&made.block(index)) = Block { data, unpacked_len, times: None };
            }
            made.len.store(file.len, Ordering::Relaxed);
        }
        Ok(store)
    }

    fn file(&self, ino: Ino) -> Arc<File> {
        Arc::clone(lock(&self.files).entry(ino).or_default())
    }

    fn found(&self, ino: Ino) -> Option<Arc<File>> {
        lock(&self.files).get(&ino).cloned()
    }

    fn write_piece(&self, ino: Ino, file: &File, at: u64, piece: &[u8], written: usize, lap: &mut Lap) -> Result<()> {
        let (index, start) = place(at)?;
        let block = file.block(index);
        lap.mark(ACQUIRE);
        let mut block = lock(&block);
        lap.mark(WAIT);
        let mut plain = block.take_plain()?;
        lap.mark(DECODE);
        if plain.len() < start + piece.len() {
            plain.resize(start + piece.len(), 0);
        }
        lap.mark(ACQUIRE);
        plain[start..start + piece.len()].copy_from_slice(piece);
        lap.mark(COPY);
        block.times = Some(three_times());
        lap.mark(TIMES);
        match self.packing.pack(&plain, written)? {
            Some(packed) => {
                let saved = (plain.len() - packed.len()) as u64;
                self.saved.fetch_add(saved, Ordering::Relaxed);
                (block.unpacked_len, block.data) = (Some(plain.len()), packed);
            }
            None => block.data = plain,
        }
        lap.mark(COMPRESS);
        file.len.fetch_max(at + piece.len() as u64, Ordering::Relaxed);
        self.keeper.block(ino, index as u64, &block, file.len.load(Ordering::Relaxed), lap)
    }
}

impl File {
    /// The block of that number, which is made if it is not there.
    fn block(&self, index: usize) -> Arc<Mutex<Block>> {
        let mut blocks = lock(&self.blocks);
        if blocks.len() <= index {
            blocks.resize_with(index + 1, Arc::default);
        }
        Arc::clone(&blocks[index])
    }
}

impl Store for BlockStore {
    fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()> {
        self.keeper.named(ino, parent, name, lap)
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let file = self.file(ino);
        lap.mark(WAIT);
        let (mut from, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let (_, start) = place(from)?;
            let (piece, more) = rest.split_at(rest.len().min(BLOCK - start));
            self.write_piece(ino, &file, from, piece, bytes.len(), lap)?;
            (from, rest) = (from + piece.len() as u64, more);
        }
        self.keeper.written(lap)
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let Some(file) = self.found(ino) else { return Ok(0) };
        let left = file.len.load(Ordering::Relaxed).saturating_sub(at);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let mut done = 0;
        while done < wanted {
            let (index, start) = place(at + done as u64)?;
            let part = (wanted - done).min(BLOCK - start);
            let block = lock(&file.blocks).get(index).cloned();
            let plain = block.map_or_else(|| Ok(Vec::new()), |block| lock(&block).plain())?;
            let there = plain.get(start..).unwrap_or_default();
            let there = &there[..there.len().min(part)];
            let piece = &mut buffer[done..done + part];
            piece[..there.len()].copy_from_slice(there);
            // What was never written is zero.
            piece[there.len()..].fill(0);
            done += part;
        }
        Ok(wanted)
    }

    fn len(&self, ino: Ino) -> u64 {
        self.found(ino).map_or(0, |file| file.len.load(Ordering::Relaxed))
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        let file = self.file(ino);
        let (index, start) = place(len)?;
        let mut blocks = lock(&file.blocks);
        blocks.truncate(index + usize::from(start > 0));
        if let Some(block) = blocks.get(index) {
            let mut block = lock(block);
            let mut plain = block.take_plain()?;
            plain.truncate(start);
            block.data = plain;
            // What was cut off must not come back when the file is lengthened again.
            self.keeper.block(ino, index as u64, &block, len, &mut Lap::start(false))?;
        }
        drop(blocks);
        file.len.store(len, Ordering::Relaxed);
        self.keeper.resized(ino, len)
    }

    fn closed(&self, _: Ino, lap: &mut Lap) -> Result<()> {
        self.keeper.closed(lap)
    }

    fn sync(&self, _: Ino, lap: &mut Lap) -> Result<()> {
        self.keeper.sync(lap)
    }

    fn drain(&self, lap: &mut Lap) -> Result<()> {
        self.keeper.closed(lap)
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        lock(&self.files).remove(&ino);
        self.keeper.forgotten(ino)
    }

    fn saved(&self) -> u64 {
        self.saved.load(Ordering::Relaxed)
    }
}

/// By the C library: rustix looks for the kernel's own clock where Valgrind has nothing mapped.
#[expect(clippy::disallowed_methods, reason = "reading the clock is part of the work here, and times nothing")]
fn three_times() -> [SystemTime; 3] {
    std::array::from_fn(|_| SystemTime::now())
}

/// Which block, and where in it.
fn place(at: u64) -> Result<(usize, usize)> {
    let at = usize::try_from(at).map_err(std::io::Error::other)?;
    Ok((at / BLOCK, at % BLOCK))
}

/// A thread that panicked while it held the lock has left nothing half done that another could not read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
