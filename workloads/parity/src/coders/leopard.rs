//! `reed-solomon-simd`: Leopard's transform over GF(2^16), whose cost grows with the logarithm of the number of shards.
//! Its interface copies each shard in, and what it made lies in memory of its own: copying that out counts too, for a
//! caller has places where shards belong.

use super::Coder;
use crate::matrix::Family;
use crate::stripe::{Shape, Stripe};
use anyhow::{Context, Result};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use technique::Lap;
use technique::phase::{ENCODE, REBUILD};

/// Its two halves, and the shape they are for.
pub(super) struct Leopard {
    encoder: ReedSolomonEncoder,
    decoder: ReedSolomonDecoder,
    shape: Shape,
}

impl Leopard {
    pub(super) fn new(shape: Shape) -> Result<Leopard> {
        let told = "reed-solomon-simd";
        let encoder = ReedSolomonEncoder::new(shape.data, shape.parity, shape.shard).context(told)?;
        let decoder = ReedSolomonDecoder::new(shape.data, shape.parity, shape.shard).context(told)?;
        Ok(Leopard { encoder, decoder, shape })
    }
}

impl Coder for Leopard {
    fn family(&self) -> Option<Family> {
        None
    }

    fn encode(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let (data, mut parity) = stripe.split_last(self.shape.data);
        for _ in 0..times {
            for shard in &data {
                self.encoder.add_original_shard(shard).context("reed-solomon-simd")?;
            }
            let made = self.encoder.encode().context("reed-solomon-simd")?;
            for (place, shard) in parity.iter_mut().zip(made.recovery_iter()) {
                place.copy_from_slice(shard);
            }
            lap.mark(ENCODE);
        }
        Ok(())
    }

    fn rebuild(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let lost = self.shape.lost();
        let (mut wanted, kept) = stripe.split(lost);
        let (data, parity) = kept.split_at(self.shape.data - lost);
        for _ in 0..times {
            for (shard, bytes) in (lost..).zip(data) {
                self.decoder.add_original_shard(shard, bytes).context("reed-solomon-simd")?;
            }
            for (shard, bytes) in parity.iter().enumerate() {
                self.decoder.add_recovery_shard(shard, bytes).context("reed-solomon-simd")?;
            }
            let made = self.decoder.decode().context("reed-solomon-simd")?;
            for (shard, place) in wanted.iter_mut().enumerate() {
                place.copy_from_slice(made.restored_original(shard).context("reed-solomon-simd restored too few")?);
            }
            lap.mark(REBUILD);
        }
        Ok(())
    }
}
