//! Stores: where the bytes of files go. A mount can stand on any of them.

use crate::behind::Behind;
use crate::block::BlockStore;
use crate::buffered::Buffered;
use crate::keep::{Keep, Keeper};
use crate::packing::Packing;
use crate::small::SmallMap;
use std::io::Result;
use std::path::Path;
use technique::Lap;

/// The number of a file.
pub type Ino = u64;

/// How many bytes one block holds.
pub const BLOCK: usize = 4096;

/// Where the bytes of files go. Files are numbers here; what they are called is a [`crate::Tree`]'s business, and a
/// store hears of it only so that it can keep it.
pub trait Store: Send + Sync {
    /// A file or directory is now called `name` in `parent`.
    fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()>;
    /// Puts bytes into a file.
    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()>;
    /// Fetches bytes of a file: how many there were.
    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize>;
    /// How long a file is.
    fn len(&self, ino: Ino) -> u64;
    /// Cuts a file off, or lengthens it by zeros.
    fn resize(&self, ino: Ino, len: u64) -> Result<()>;
    /// Somebody who wrote to the file has closed it.
    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()>;
    /// All that was written to the file is as safe as this store makes anything.
    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()>;
    /// Nothing is on its way any more.
    fn drain(&self, lap: &mut Lap) -> Result<()>;
    /// The file is gone.
    fn forget(&self, ino: Ino) -> Result<()>;
    /// How many bytes compression has saved so far.
    fn saved(&self) -> u64;
}

/// A store over another one. What it does not say of itself goes straight through.
pub trait Over: Send + Sync {
    /// The store below.
    fn below(&self) -> &dyn Store;

    /// See [`Store::named`].
    fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()> {
        self.below().named(ino, parent, name, lap)
    }

    /// See [`Store::write`].
    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        self.below().write(ino, at, bytes, lap)
    }

    /// See [`Store::read`].
    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        self.below().read(ino, at, buffer)
    }

    /// See [`Store::len`].
    fn len(&self, ino: Ino) -> u64 {
        self.below().len(ino)
    }

    /// See [`Store::resize`].
    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        self.below().resize(ino, len)
    }

    /// See [`Store::closed`].
    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.below().closed(ino, lap)
    }

    /// See [`Store::sync`].
    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.below().sync(ino, lap)
    }

    /// See [`Store::drain`].
    fn drain(&self, lap: &mut Lap) -> Result<()> {
        self.below().drain(lap)
    }

    /// See [`Store::forget`].
    fn forget(&self, ino: Ino) -> Result<()> {
        self.below().forget(ino)
    }
}

impl<T: Over> Store for T {
    fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()> {
        Over::named(self, ino, parent, name, lap)
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        Over::write(self, ino, at, bytes, lap)
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        Over::read(self, ino, at, buffer)
    }

    fn len(&self, ino: Ino) -> u64 {
        Over::len(self, ino)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        Over::resize(self, ino, len)
    }

    fn closed(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        Over::closed(self, ino, lap)
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        Over::sync(self, ino, lap)
    }

    fn drain(&self, lap: &mut Lap) -> Result<()> {
        Over::drain(self, lap)
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        Over::forget(self, ino)
    }

    fn saved(&self) -> u64 {
        self.below().saved()
    }
}

/// What a file or a directory was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its number.
    pub ino: Ino,
    /// The number of its directory.
    pub parent: Ino,
    /// What it was called there.
    pub name: Vec<u8>,
}

/// The knobs of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layer {
    /// Which blocks are compressed.
    pub packing: Packing,
    /// How many bytes of a file are gathered before its blocks see them; none goes straight on.
    pub buffer: usize,
    /// Files up to this length lie in a map beside the blocks.
    pub small: usize,
    /// Whether another thread takes the bytes to the blocks, after the write has been answered.
    pub behind: bool,
    /// What goes to disk.
    pub keep: Keep,
}

impl Layer {
    /// A store of these knobs. What it keeps, it keeps in the directory `dir`, which must be empty.
    pub fn open(&self, dir: &Path) -> Result<Box<dyn Store>> {
        self.over(BlockStore::new(self.packing, Keeper::open(self.keep, dir)?))
    }

    /// A store of these knobs with what one before it has kept in `dir`, and what its files were called.
    pub fn recover(&self, dir: &Path) -> Result<(Box<dyn Store>, Vec<Name>)> {
        let (keeper, kept) = Keeper::reopen(self.keep, dir)?;
        let name =
            |(ino, (parent, name)): (&Ino, &(Ino, Vec<u8>))| Name { ino: *ino, parent: *parent, name: name.clone() };
        let names = kept.names.iter().map(name).collect();
        Ok((self.over(BlockStore::of(self.packing, keeper, kept)?)?, names))
    }

    fn over(&self, blocks: BlockStore) -> Result<Box<dyn Store>> {
        let mut store: Box<dyn Store> = Box::new(blocks);
        if self.buffer > 0 {
            store = Box::new(Buffered::new(store, self.buffer));
        }
        if self.small > 0 {
            store = Box::new(SmallMap::new(store, self.small));
        }
        if self.behind {
            store = Box::new(Behind::new(store)?);
        }
        Ok(store)
    }
}

/// Reads all of a file.
pub fn read_all(store: &dyn Store, ino: Ino) -> Result<Vec<u8>> {
    let len = usize::try_from(store.len(ino)).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match store.read(ino, done as u64, &mut bytes[done..])? {
            0 => return Err(std::io::Error::other(format!("file {ino} ends at {done}, and should be {len} long"))),
            read => done += read,
        }
    }
    Ok(bytes)
}
