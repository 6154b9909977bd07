//! Bytes moved and nothing computed: what memory allows, for all other rows to be held against.

use crate::judge::{self, Made};
use crate::simd;
use crate::stripe::{Shape, Stripe, payload};
use anyhow::Result;
use std::hint::black_box;
use technique::phase::COPY;
use technique::{Lap, Site, Technique};

/// What is done with the data shards of each stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// They are copied to as many other places, as the system's `memcpy` does it.
    Copy,
    /// They are read, and added up.
    Read,
}

/// Does one of these.
pub(crate) struct Moving {
    pub(crate) what: Move,
    pub(crate) shape: Shape,
}

/// A stripe with room for a copy.
pub(crate) struct Ready {
    stripe: Stripe,
    sum: u8,
    stripes: usize,
    done: usize,
}

impl Technique for Moving {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let shards = self.shape.data * if self.what == Move::Copy { 2 } else { 1 };
        let stripe = Stripe::new(shards, self.shape.shard, &payload(site, self.shape.stripe())?);
        let mut ready = Ready { stripe, sum: 0, stripes: 1, done: 0 };
        self.work(&mut ready, &mut Lap::start(false))?;
        for shard in ready.stripe.shards_mut().into_iter().skip(self.shape.data) {
            shard.fill(0xee);
        }
        Ok(Ready { sum: 0, stripes: self.shape.stripes(&site.tally), done: 0, ..ready })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let (data, mut places) = ready.stripe.split_last(self.shape.data);
        for _ in 0..ready.stripes {
            match self.what {
                Move::Copy => {
                    for (place, shard) in places.iter_mut().zip(&data) {
                        place.copy_from_slice(black_box(shard));
                    }
                }
                Move::Read => ready.sum = data.iter().fold(0, |sum, shard| sum ^ simd::fold(black_box(shard))),
            }
            lap.mark(COPY);
        }
        ready.done += ready.stripes;
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        let made = match self.what {
            Move::Copy => Made::Data(judge::word(&ready.stripe.shards()[self.shape.data..])),
            Move::Read => Made::Sum(ready.sum),
        };
        judge::leave(site, self.shape, ready.done, made)
    }
}
