//! One stripe in memory: read, packed where that pays, and its parity.

use crate::encode::Encode;
use crate::format::{Object, Stripe};
use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use technique::Lap;
use technique::phase::{COMPRESS, ENCODE, READ};

/// A stripe's blocks, data and parity, in memory that is used again for the next.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) stripe: Stripe,
    /// The bytes of each block of it.
    block: usize,
    /// How many of them are data.
    count: usize,
    data: Vec<u8>,
    parity: Vec<u8>,
    packed: Vec<u8>,
}

impl Full {
    /// Room for a stripe of that object.
    pub(crate) fn room(object: &Object) -> Result<Full> {
        let block = size(object.raw(0).div_ceil(u64::from(object.data)))?;
        Ok(Full {
            stripe: Stripe { number: 0, raw: 0, stored: 0 },
            block: 0,
            count: usize::from(object.data),
            data: vec![0; block * usize::from(object.data)],
            parity: vec![0; block * usize::from(object.parity)],
            packed: Vec::new(),
        })
    }

    /// The memory that a stripe of that object takes.
    pub(crate) fn bytes(object: &Object) -> u64 {
        object.raw(0).div_ceil(u64::from(object.data)) * object.shards() as u64
    }

    /// Fills it with that stripe of the file.
    pub(crate) fn fill(
        &mut self,
        file: &File,
        object: &Object,
        number: u64,
        packer: Option<&mut Packer>,
        lap: &mut Lap,
    ) -> Result<()> {
        let raw = size(object.raw(number))?;
        let reading = || format!("reading stripe {number}: was the file cut short meanwhile?");
        file.read_exact_at(&mut self.data[..raw], number * object.stripe()).with_context(reading)?;
        lap.mark(READ);
        let mut stored = raw;
        if let Some(packer) = packer {
            stored = packer.pack(&mut self.data, raw, &mut self.packed)?;
            lap.mark(COMPRESS);
        }
        self.stripe = Stripe { number, raw: raw as u64, stored: stored as u64 };
        self.block = stored.div_ceil(usize::from(object.data));
        self.data[stored..self.block * usize::from(object.data)].fill(0);
        Ok(())
    }

    /// Makes the parity.
    pub(crate) fn encode(&mut self, code: &dyn Encode, lap: &mut Lap) -> Result<()> {
        let data: Vec<&[u8]> = blocks(&self.data, self.block, self.count).collect();
        code.encode(self.stripe.number, &data, &mut self.parity)?;
        lap.mark(ENCODE);
        Ok(())
    }

    /// Only its parity.
    pub(crate) fn into_parity(self) -> Vec<u8> {
        self.parity
    }

    /// One block, data first.
    pub(crate) fn block(&self, object: &Object, index: usize) -> &[u8] {
        let data = usize::from(object.data);
        let (from, at) = if index < data { (&self.data, index) } else { (&self.parity, index - data) };
        &from[at * self.block..(at + 1) * self.block]
    }
}

fn blocks(bytes: &[u8], block: usize, count: usize) -> impl Iterator<Item = &[u8]> {
    (0..count).map(move |at| &bytes[at * block..(at + 1) * block])
}

/// A length that fits this machine's memory.
pub(crate) fn size(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).with_context(|| format!("{bytes} bytes are more than this machine can hold"))
}

/// Packs stripes, and leaves those alone that do not shrink.
pub(crate) struct Packer {
    context: zstd::bulk::Compressor<'static>,
    unlucky: u64,
}

/// After a stripe that did not shrink so many go unpacked.
const LEFT_ALONE: u64 = 7;

impl Packer {
    pub(crate) fn new(level: i32) -> Result<Packer> {
        Ok(Packer { context: zstd::bulk::Compressor::new(level).context("making a zstd context")?, unlucky: 0 })
    }

    /// Packs the first bytes of `data` in place; says how many there are now. Less than a sixteenth saved is not worth
    /// the unpacking.
    fn pack(&mut self, data: &mut [u8], raw: usize, packed: &mut Vec<u8>) -> Result<usize> {
        if self.unlucky > 0 {
            self.unlucky -= 1;
            return Ok(raw);
        }
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(raw));
        self.context.compress_to_buffer(&data[..raw], packed).context("packing a stripe")?;
        if packed.len() > raw / 16 * 15 {
            self.unlucky = LEFT_ALONE;
            return Ok(raw);
        }
        data[..packed.len()].copy_from_slice(packed);
        Ok(packed.len())
    }
}
