//! Writes past the page cache: whole blocks, from where they lie on a block's border in memory.

use rustix::fs::ftruncate;
use std::fs::File;
use std::io::{Result, Write};

/// What direct writes must be a multiple of, in memory and in the file.
const BLOCK: usize = 4 << 10;

/// A new file that was opened for direct writes.
pub(crate) struct Direct {
    file: File,
    buffer: Vec<u8>,
    /// Where in the buffer the first byte lies that is to be written.
    from: usize,
    /// How many bytes the file is to have.
    len: u64,
}

impl Direct {
    /// Gathers so many bytes before it writes.
    pub(crate) fn new(file: File, gathers: usize) -> Direct {
        let mut buffer: Vec<u8> = Vec::with_capacity(gathers.next_multiple_of(BLOCK) + BLOCK);
        let from = buffer.as_ptr().align_offset(BLOCK);
        buffer.resize(from, 0);
        Direct { file, buffer, from, len: 0 }
    }

    /// Puts bytes behind those that are there; says whether it had to write.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<bool> {
        let mut wrote = false;
        while !bytes.is_empty() {
            // The buffer never grows, for memory that moves may lie elsewhere in its block.
            let room = self.buffer.capacity() - self.buffer.len();
            if room == 0 {
                self.write()?;
                wrote = true;
                continue;
            }
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(taken);
            self.len += taken.len() as u64;
            bytes = rest;
        }
        Ok(wrote)
    }

    /// Writes what makes whole blocks, and keeps the rest.
    fn write(&mut self) -> Result<()> {
        let whole = (self.buffer.len() - self.from) / BLOCK * BLOCK;
        self.file.write_all(&self.buffer[self.from..self.from + whole])?;
        self.buffer.copy_within(self.from + whole.., self.from);
        self.buffer.truncate(self.buffer.len() - whole);
        Ok(())
    }

    /// Writes what is left, as a whole block, and ends the file where the bytes end.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.write()?;
        if self.buffer.len() > self.from {
            self.buffer.resize(self.from + BLOCK, 0);
            self.write()?;
        }
        Ok(ftruncate(&self.file, self.len)?)
    }
}
