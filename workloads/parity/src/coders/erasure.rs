//! `reed-solomon-erasure`: shuffles in C, built for AVX2, one output at a time.

use super::Coder;
use crate::kernel::Kernel;
use crate::matrix::Family;
use crate::stripe::{Shape, Stripe};
use anyhow::{Context, Result};
use reed_solomon_erasure::galois_8::ReedSolomon;
use technique::phase::{ENCODE, REBUILD};
use technique::{Absent, Lap};

/// Its code, and the shape it is for.
pub(super) struct Erasure {
    code: ReedSolomon,
    shape: Shape,
}

impl Erasure {
    pub(super) fn new(shape: Shape) -> Result<Erasure> {
        // Its C is compiled for Haswell and does not ask the processor.
        if cfg!(target_arch = "x86_64") && !Kernel::Avx2.available() {
            return Err(Absent::because(
                "reed-solomon-erasure's C code needs avx2, which is not here",
                "another machine",
            ));
        }
        let code = ReedSolomon::new(shape.data, shape.parity).context("reed-solomon-erasure")?;
        Ok(Erasure { code, shape })
    }
}

impl Coder for Erasure {
    fn family(&self) -> Option<Family> {
        Some(Family::Vandermonde)
    }

    fn encode(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let (data, mut parity) = stripe.split_last(self.shape.data);
        for _ in 0..times {
            self.code.encode_sep(&data, &mut parity).context("reed-solomon-erasure")?;
            lap.mark(ENCODE);
        }
        Ok(())
    }

    fn rebuild(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let lost = self.shape.lost();
        let mut shards: Vec<(&mut [u8], bool)> = stripe.shards_mut().into_iter().map(|shard| (shard, true)).collect();
        for _ in 0..times {
            for (_, present) in &mut shards[..lost] {
                *present = false;
            }
            // It keeps the inverse of the last patterns itself.
            self.code.reconstruct_data(&mut shards).context("reed-solomon-erasure")?;
            lap.mark(REBUILD);
        }
        Ok(())
    }
}
