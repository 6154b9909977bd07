//! lz4: one block a payload, behind four bytes that say how long it is, since a block itself does not say where it
//! ends. Neither a dictionary nor pieces: it is here to be fast.

use crate::codec::{Pack, Unpack};
use anyhow::{Context, Result, anyhow, ensure};
use lz4_flex::block::{compress, decompress_into};

/// What stands before a block: its length, the least byte first.
const HEADER: usize = 4;

/// Packs and unpacks block by block; there is no context to keep.
pub(crate) struct Blocks;

impl Pack for Blocks {
    fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        let block = compress(plain);
        let len = u32::try_from(block.len()).context("an lz4 block is shorter than 4 GiB")?;
        Ok([&len.to_le_bytes()[..], &block].concat())
    }
}

impl Unpack for Blocks {
    fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        let (header, block) = packed.split_first_chunk::<HEADER>().context("the lz4 block is cut short")?;
        let len = u32::from_le_bytes(*header) as usize;
        ensure!(len == block.len(), "the lz4 block should have {len} bytes, and has {}", block.len());
        let made = decompress_into(block, into).map_err(|error| anyhow!("lz4: {error}"))?;
        ensure!(made == into.len(), "the lz4 block holds {made} bytes, should be {}", into.len());
        Ok(())
    }
}
