//! What a run works on: one stripe of shards in memory, filled from the fixture, taken again and again.

use anyhow::{Context, Result, ensure};
use fixtures::Tally;
use fixtures::tree::{Kind, scan};
use serde::{Deserialize, Serialize};
use std::io::Read;
use technique::Site;

/// The data of a run is a multiple of this, so that every shape fills whole stripes with it and all rows of a run
/// do equally much.
const UNIT: u64 = 20 << 20;
/// The most of these in a run: the tables need seconds for it, the best kernel a few milliseconds.
const MOST_UNITS: u64 = 5;
/// The bytes of the fixture that stand for one of these.
const SHARE: u64 = 5 << 20;
/// What lies between two shards, so that as many streams as there are shards do not meet in the same lines of a cache.
const STAGGER: usize = 4096 + ALIGNMENT;
/// What shards are aligned to: the widest vector.
const ALIGNMENT: usize = 64;

/// How an object is cut: so many data shards, so many parity shards, each of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Data shards.
    pub data: usize,
    /// Parity shards.
    pub parity: usize,
    /// Bytes of a shard.
    pub shard: usize,
}

impl Shape {
    /// Bytes of data in a stripe.
    pub(crate) const fn stripe(self) -> usize {
        self.data * self.shard
    }

    /// How many stripes a run of this fixture takes.
    pub(crate) fn stripes(self, tally: &Tally) -> usize {
        let stripes = bytes(tally) / self.stripe() as u64;
        usize::try_from(stripes).expect("there are at most as many stripes as a run has bytes")
    }

    /// How many data shards are lost where some are rebuilt: the first ones, as many as there is parity for.
    pub(crate) fn lost(self) -> usize {
        self.parity.min(self.data)
    }
}

/// How many bytes of data each row takes.
pub(crate) fn bytes(tally: &Tally) -> u64 {
    (tally.bytes / SHARE).clamp(1, MOST_UNITS) * UNIT
}

/// The first bytes of the fixture's files, one after another, from the start again where they do not reach.
pub(crate) fn payload(site: &Site, length: usize) -> Result<Vec<u8>> {
    let mut payload = Vec::with_capacity(length);
    for entry in scan(&site.source)? {
        if let Kind::File { .. } = entry.kind {
            let path = site.source.join(&entry.path);
            let told = || format!("reading {}", path.display());
            let file = std::fs::File::open(&path).with_context(told)?;
            file.take((length - payload.len()) as u64).read_to_end(&mut payload).with_context(told)?;
        }
    }
    let had = payload.len();
    ensure!(had > 0, "{} has no bytes to make parity of: choose another fixture", site.source.display());
    while payload.len() < length {
        payload.extend_from_within(..had.min(length - payload.len()));
    }
    Ok(payload)
}

/// Shards in memory, aligned and staggered.
pub(crate) struct Stripe {
    memory: Vec<u8>,
    begin: usize,
    shard: usize,
}

impl Stripe {
    /// So many shards, the first ones filled with data, every page of the rest touched.
    pub(crate) fn new(shards: usize, shard: usize, data: &[u8]) -> Stripe {
        // Ones, and not zeroes: those would be pages that nobody has touched.
        let memory = vec![1; shards * stride(shard) + ALIGNMENT];
        let begin = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let mut stripe = Stripe { memory, begin, shard };
        for (place, data) in stripe.shards_mut().into_iter().zip(data.chunks_exact(shard)) {
            place.copy_from_slice(data);
        }
        stripe
    }

    /// All shards.
    pub(crate) fn shards(&self) -> Vec<&[u8]> {
        self.memory[self.begin..].chunks_exact(stride(self.shard)).map(|place| &place[..self.shard]).collect()
    }

    /// All shards, to be written to.
    pub(crate) fn shards_mut(&mut self) -> Vec<&mut [u8]> {
        let places = self.memory[self.begin..].chunks_exact_mut(stride(self.shard));
        places.map(|place| &mut place[..self.shard]).collect()
    }

    /// The first shards, to be written to, and the others.
    pub(crate) fn split(&mut self, first: usize) -> (Vec<&mut [u8]>, Vec<&[u8]>) {
        let mut shards = self.shards_mut();
        let rest = shards.split_off(first);
        (shards, rest.into_iter().map(|shard| &*shard).collect())
    }

    /// The first shards, and the others, to be written to.
    pub(crate) fn split_last(&mut self, first: usize) -> (Vec<&[u8]>, Vec<&mut [u8]>) {
        let mut shards = self.shards_mut();
        let rest = shards.split_off(first);
        (shards.into_iter().map(|shard| &*shard).collect(), rest)
    }
}

const fn stride(shard: usize) -> usize {
    shard.next_multiple_of(ALIGNMENT) + STAGGER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_aligned_and_hold_the_data() {
        let data: Vec<u8> = (0..200u8).collect();
        let mut stripe = Stripe::new(5, 50, &data);
        assert_eq!(stripe.shards().len(), 5);
        assert_eq!(stripe.shards()[..4].concat(), data);
        assert!(stripe.shards().iter().all(|shard| shard.as_ptr().addr() % ALIGNMENT == 0));
        let (first, rest) = stripe.split(2);
        assert_eq!((first.concat(), rest.concat()), (data[..100].to_vec(), [&data[100..], &[1; 50]].concat()));
        let (first, rest) = stripe.split_last(4);
        assert_eq!((first.concat(), rest.concat()), (data.clone(), vec![1; 50]));
    }

    #[test]
    fn every_shape_fills_whole_stripes() {
        for (bytes, units) in [(0, 1), (SHARE * 3 + 5, 3), (SHARE * 99, MOST_UNITS)] {
            let tally = Tally { bytes, ..Tally::default() };
            for shape in crate::SHAPES {
                assert_eq!((shape.stripes(&tally) * shape.stripe()) as u64, units * UNIT, "{shape:?}");
            }
        }
    }

    #[test]
    fn a_payload_begins_again_where_files_do_not_reach() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let site = Site::new(source.clone(), dir.path().into(), dir.path().into(), Tally::default());
        assert!(payload(&site, 5).unwrap_err().to_string().contains("no bytes"));
        std::fs::write(source.join("a"), "abc").unwrap();
        std::fs::write(source.join("b"), "de").unwrap();
        assert_eq!(payload(&site, 13).unwrap(), b"abcdeabcdeabc");
        assert_eq!(payload(&site, 4).unwrap(), b"abcd");
    }
}
