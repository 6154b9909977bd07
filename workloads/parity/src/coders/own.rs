//! This crate's code on one of its kernels.

use super::Coder;
use crate::code::Code;
use crate::kernel::Kernel;
use crate::matrix::Family;
use crate::stripe::{Shape, Stripe};
use crate::transform::Stores;
use anyhow::Result;
use technique::phase::{ENCODE, REBUILD, SETUP};
use technique::{Absent, Lap};

/// A code, and the shape it is for.
pub(super) struct Own {
    code: Code,
    family: Family,
    shape: Shape,
}

impl Own {
    pub(super) fn new(shape: Shape, family: Family, kernel: Kernel, stores: Stores) -> Result<Own> {
        if !kernel.available() {
            return Err(Absent::because(format!("this processor lacks {}", kernel.needs()), "another machine"));
        }
        let code = Code::new(shape.data, shape.parity, family)?.on(kernel)?.storing(stores);
        Ok(Own { code, family, shape })
    }
}

impl Coder for Own {
    fn family(&self) -> Option<Family> {
        Some(self.family)
    }

    fn encode(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let (data, mut parity) = stripe.split_last(self.shape.data);
        for _ in 0..times {
            self.code.encode_slices(&data, &mut parity)?;
            lap.mark(ENCODE);
        }
        Ok(())
    }

    fn rebuild(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let lost = self.shape.lost();
        let present: Vec<bool> = (0..self.code.shards()).map(|shard| shard >= lost).collect();
        let wanted: Vec<usize> = (0..lost).collect();
        let repair = self.code.repair(&present, &wanted)?;
        lap.mark(SETUP);
        let (mut wanted, kept) = stripe.split(lost);
        // The first shards that are left are those that it reads.
        let sources = &kept[..self.shape.data];
        for _ in 0..times {
            repair.run(sources, &mut wanted)?;
            lap.mark(REBUILD);
        }
        Ok(())
    }
}
