//! Parity made, or lost data made again, stripe after stripe.

use crate::coders::{Coder, Whose};
use crate::judge::{self, Made};
use crate::stripe::{Shape, Stripe, payload};
use anyhow::Result;
use technique::{Lap, Promise, Promises, Site, Technique};

/// What is done to each stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Parity is made of data.
    Encode,
    /// As much data as there is parity is lost, and made of what is left.
    Rebuild,
}

/// Does one of these with somebody's code.
pub(crate) struct Coding {
    pub(crate) task: Task,
    pub(crate) whose: Whose,
    pub(crate) shape: Shape,
}

/// A coder that has seen its stripe once, so that no page and no table is new under the clock.
pub(crate) struct Ready {
    coder: Box<dyn Coder>,
    stripe: Stripe,
    stripes: usize,
    done: usize,
}

impl Technique for Coding {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let mut coder = self.whose.coder(self.shape)?;
        let data = payload(site, self.shape.stripe())?;
        let mut stripe = Stripe::new(self.shape.data + self.shape.parity, self.shape.shard, &data);
        coder.encode(&mut stripe, 1, &mut Lap::start(false))?;
        if self.task == Task::Rebuild {
            lose(&mut stripe, self.shape);
            coder.rebuild(&mut stripe, 1, &mut Lap::start(false))?;
            lose(&mut stripe, self.shape);
        }
        Ok(Ready { coder, stripe, stripes: self.shape.stripes(&site.tally), done: 0 })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let Ready { coder, stripe, stripes, done } = ready;
        match self.task {
            Task::Encode => coder.encode(stripe, *stripes, lap)?,
            Task::Rebuild => coder.rebuild(stripe, *stripes, lap)?,
        }
        *done += *stripes;
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        // Parity is right if data comes back from it, whatever its bytes.
        if self.task == Task::Encode {
            lose(&mut ready.stripe, self.shape);
            ready.coder.rebuild(&mut ready.stripe, 1, &mut Lap::start(false))?;
        }
        let shards = ready.stripe.shards();
        let (data, parity) = shards.split_at(self.shape.data);
        let made = Made::Parity { family: ready.coder.family(), data: judge::word(data), parity: judge::word(parity) };
        judge::leave(site, self.shape, ready.done, made)
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with(Promise::Recoverable)
    }
}

/// Forgets what is to be rebuilt.
fn lose(stripe: &mut Stripe, shape: Shape) {
    for shard in stripe.shards_mut().into_iter().take(shape.lost()) {
        shard.fill(0xee);
    }
}
