//! What a shard may carry besides its bytes: a hash that finds rot, or its bytes packed before they are coded.

use crate::judge::{self, Made};
use crate::stripe::{Shape, Stripe, payload};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::hint::black_box;
use technique::phase::{COMPRESS, HASH};
use technique::{Lap, Site, Technique};

/// A hash that a shard may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carried {
    /// SHA-256, by the processor's own instructions where it has them.
    Sha256,
    /// BLAKE3 on one thread.
    Blake3,
    /// CRC-32C, by carry-less multiplication.
    Crc32c,
    /// The 64-bit XXH3.
    Xxh3,
}

impl Carried {
    /// The hash of a shard, filled up with zeroes.
    pub fn hash(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Carried::Sha256 => sha2::Sha256::digest(bytes).into(),
            Carried::Blake3 => blake3::hash(bytes).into(),
            Carried::Crc32c => filled(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)),
            Carried::Xxh3 => filled(twox_hash::XxHash3_64::oneshot(bytes)),
        }
    }
}

fn filled(short: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&short.to_be_bytes());
    hash
}

/// Hashes each data shard of each stripe.
pub(crate) struct Hashing {
    pub(crate) carried: Carried,
    pub(crate) shape: Shape,
}

/// A stripe, and the hashes that it got.
pub(crate) struct Hashes {
    stripe: Stripe,
    made: Vec<[u8; 32]>,
    stripes: usize,
    done: usize,
}

impl Technique for Hashing {
    type Ready = Hashes;

    fn prepare(&self, site: &Site) -> Result<Hashes> {
        let stripe = Stripe::new(self.shape.data, self.shape.shard, &payload(site, self.shape.stripe())?);
        let stripes = self.shape.stripes(&site.tally);
        let mut ready = Hashes { stripe, made: vec![[0; 32]; self.shape.data], stripes: 1, done: 0 };
        self.work(&mut ready, &mut Lap::start(false))?;
        Ok(Hashes { made: vec![[0; 32]; self.shape.data], stripes, done: 0, ..ready })
    }

    fn work(&self, ready: &mut Hashes, lap: &mut Lap) -> Result<()> {
        let shards = ready.stripe.shards();
        for _ in 0..ready.stripes {
            for (hash, shard) in ready.made.iter_mut().zip(&shards) {
                *hash = self.carried.hash(black_box(shard));
            }
            lap.mark(HASH);
        }
        ready.done += ready.stripes;
        Ok(())
    }

    fn settle(&self, ready: &mut Hashes, site: &Site) -> Result<()> {
        judge::leave(site, self.shape, ready.done, Made::Hashes(self.carried, ready.made.clone()))
    }
}

/// Packs each data shard of each stripe by itself, as zstd does at a level.
pub(crate) struct Packing {
    pub(crate) level: i32,
    pub(crate) shape: Shape,
}

/// A stripe, its shards packed, and a context to do it with.
pub(crate) struct Packs {
    stripe: Stripe,
    packed: Vec<Vec<u8>>,
    context: zstd::bulk::Compressor<'static>,
    stripes: usize,
    done: usize,
}

impl Technique for Packing {
    type Ready = Packs;

    fn prepare(&self, site: &Site) -> Result<Packs> {
        let stripe = Stripe::new(self.shape.data, self.shape.shard, &payload(site, self.shape.stripe())?);
        let context = zstd::bulk::Compressor::new(self.level).context("making a zstd context")?;
        let room = zstd::zstd_safe::compress_bound(self.shape.shard);
        let packed = (0..self.shape.data).map(|_| Vec::with_capacity(room)).collect();
        let mut ready = Packs { stripe, packed, context, stripes: 1, done: 0 };
        self.work(&mut ready, &mut Lap::start(false))?;
        for packed in &mut ready.packed {
            packed.clear();
        }
        Ok(Packs { stripes: self.shape.stripes(&site.tally), done: 0, ..ready })
    }

    fn work(&self, ready: &mut Packs, lap: &mut Lap) -> Result<()> {
        let shards = ready.stripe.shards();
        for _ in 0..ready.stripes {
            for (packed, shard) in ready.packed.iter_mut().zip(&shards) {
                packed.clear();
                ready.context.compress_to_buffer(shard, packed).context("packing a shard")?;
            }
            lap.mark(COMPRESS);
        }
        ready.done += ready.stripes;
        Ok(())
    }

    fn settle(&self, ready: &mut Packs, site: &Site) -> Result<()> {
        let unpack = |packed: &Vec<u8>| zstd::bulk::decompress(packed, self.shape.shard);
        let plain: Vec<Vec<u8>> =
            ready.packed.iter().map(unpack).collect::<std::io::Result<_>>().context("unpacking a shard")?;
        let plain: Vec<&[u8]> = plain.iter().map(Vec::as_slice).collect();
        judge::leave(site, self.shape, ready.done, Made::Data(judge::word(&plain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_are_published() {
        let begins = |carried: Carried, bytes: &[u8], published: u64| {
            assert_eq!(carried.hash(bytes)[..8], published.to_be_bytes(), "{carried:?}");
        };
        begins(Carried::Crc32c, b"123456789", 0xe306_9283);
        begins(Carried::Xxh3, b"", 0x2d06_8005_38d3_94c2);
        begins(Carried::Sha256, b"abc", 0xba78_16bf_8f01_cfea);
        begins(Carried::Blake3, b"", 0xaf13_49b9_f5f9_a1a6);
    }
}
