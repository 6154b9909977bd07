//! Coders: this crate's kernels and those of others, behind one door.

mod erasure;
mod isal;
mod leopard;
mod own;

use crate::kernel::Kernel;
use crate::matrix::Family;
use crate::stripe::{Shape, Stripe};
use crate::transform::Stores;
use anyhow::Result;
use technique::Lap;

/// Whose code makes parity: a knob in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// This crate's, with Cauchy's matrix.
    Own(Kernel, Stores),
    /// This crate's, with a matrix that begins with ones.
    Ones(Kernel),
    /// This crate's, by a Fourier transform.
    Fourier(Kernel),
    /// Intel's library, where the system has it.
    Isal,
    /// The crate `reed-solomon-erasure`, with its shuffles in C.
    Erasure,
    /// The crate `reed-solomon-simd`: a transform instead of a matrix, over GF(2^16).
    Leopard,
}

impl Whose {
    /// A coder for this shape; what cannot run here answers that it is absent.
    pub(crate) fn coder(self, shape: Shape) -> Result<Box<dyn Coder>> {
        Ok(match self {
            Whose::Own(kernel, stores) => Box::new(own::Own::new(shape, Family::Cauchy, kernel, stores)?),
            Whose::Ones(kernel) => Box::new(own::Own::new(shape, Family::Ones, kernel, Stores::Cached)?),
            Whose::Fourier(kernel) => Box::new(own::Own::new(shape, Family::Fourier, kernel, Stores::Cached)?),
            Whose::Isal => Box::new(isal::Isal::new(shape)?),
            Whose::Erasure => Box::new(erasure::Erasure::new(shape)?),
            Whose::Leopard => Box::new(leopard::Leopard::new(shape)?),
        })
    }
}

/// Makes parity, and lost shards. Its stripes are of the shape that it was made for.
pub(crate) trait Coder {
    /// The matrix of its code, where it has one of those that the yardstick knows.
    fn family(&self) -> Option<Family>;

    /// Makes the parity of the data, so many times. Each is marked as `ENCODE`.
    fn encode(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()>;

    /// Makes the first data shards, as many as there is parity for, of the others, so many times. Each is marked as
    /// `REBUILD`, and what is got ready for this pattern of losses as `SETUP`.
    fn rebuild(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed, TestRunner};
    use technique::Absent;

    fn all() -> Vec<Whose> {
        let own = Kernel::ALL.into_iter().flat_map(|kernel| {
            let own = |stores| Whose::Own(kernel, stores);
            [own(Stores::Cached), own(Stores::Streamed), Whose::Ones(kernel), Whose::Fourier(kernel)]
        });
        own.chain([Whose::Isal, Whose::Erasure, Whose::Leopard]).collect()
    }

    /// Makes parity of data and the first data of the rest; holds both against the tables.
    fn check(whose: Whose, shape: Shape, data: &[u8]) -> Result<()> {
        let mut coder = whose.coder(shape)?;
        let mut stripe = Stripe::new(shape.data + shape.parity, shape.shard, data);
        let mut lap = Lap::start(false);
        coder.encode(&mut stripe, 2, &mut lap)?;
        if let Some(family) = coder.family() {
            let code = Code::new(shape.data, shape.parity, family)?.on(Kernel::Scalar)?;
            let mut due = vec![vec![0; shape.shard]; shape.parity];
            code.encode(&stripe.shards()[..shape.data], &mut due)?;
            assert_eq!(stripe.shards()[shape.data..].concat(), due.concat(), "{whose:?} {shape:?}: parity");
        }
        for shard in stripe.shards_mut().into_iter().take(shape.lost()) {
            shard.fill(0);
        }
        coder.rebuild(&mut stripe, 2, &mut lap)?;
        assert_eq!(stripe.shards()[..shape.data].concat(), data, "{whose:?} {shape:?}: data");
        Ok(())
    }

    #[test]
    fn every_coder_agrees_with_the_tables_and_brings_data_back() {
        // An even number of bytes, for the crate reed-solomon-simd takes no other.
        let shapes = (1..20usize, 1..20usize, 1..200usize).prop_map(|(data, parity, half)| Shape {
            data,
            parity,
            shard: 2 * half,
        });
        let cases = shapes.prop_flat_map(|shape| (Just(shape), prop::collection::vec(any::<u8>(), shape.stripe())));
        let config = Config { cases: 24, failure_persistence: None, rng_seed: RngSeed::Fixed(3), ..Config::default() };
        let run = |(shape, data): (Shape, Vec<u8>)| {
            for whose in all() {
                if let Err(error) = check(whose, shape, &data) {
                    assert!(error.is::<Absent>(), "{whose:?} {shape:?}: {error:#}");
                }
            }
            Ok(())
        };
        TestRunner::new(config).run(&cases, run).unwrap();
        if let Err(error) = Whose::Isal.coder(Shape { data: 4, parity: 2, shard: 64 }) {
            technique::absent::skip("isal", &error.to_string());
        }
    }
}
