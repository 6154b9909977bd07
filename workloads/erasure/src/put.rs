//! An object on its way to its targets: what every way of putting shares.

use crate::budget::Budget;
use crate::encode::Encode;
use crate::format::{Id, Object};
use crate::target::{Sink, Target};
use crate::{memory, stripes, temp, workers as each};
use anyhow::{Context, Result, anyhow};
use parity::{Carried, Code, Family};
use std::fs::File;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;
use technique::Lap;
use technique::phase::{CREATE, UNLINK};

/// How objects are put: knobs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Data shards.
    pub data: u16,
    /// Parity shards.
    pub parity: u16,
    /// Bytes of a block; a stripe is so many for each data shard.
    pub block: u64,
    /// What each block carries.
    pub hash: Carried,
    /// The level of zstd at which stripes are packed, where they are.
    pub pack: Option<i32>,
    /// Which way the bytes take.
    pub way: Way,
    /// How many targets may fail or be left behind.
    pub spare: usize,
    /// How long a target may keep the others waiting, where one may be left behind.
    pub patience: Duration,
    /// Whether a power cut may take nothing away of what is done.
    pub durable: bool,
}

/// Which way the bytes of an object take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A stripe at a time, in the memory of one.
    OneStripe,
    /// While stripes are written, the next ones are read and encoded; so many are in memory.
    Stripes {
        /// How many.
        depth: usize,
        /// How many threads write; at most one for each target.
        writers: usize,
    },
    /// Each worker takes whole stripes, and has the memory of one.
    Workers(usize),
    /// All shards in memory, then all to their targets.
    Memory {
        /// How many threads write.
        writers: usize,
    },
    /// All shards as temporary files, then copied to their targets.
    Temp {
        /// Where temporary files go.
        dir: PathBuf,
        /// How many threads copy.
        writers: usize,
        /// Whether stripes are copied while the next ones are made.
        at_once: bool,
    },
}

/// More workers than this wait for memory and for each other's files.
const MOST_WORKERS: usize = 8;

/// What an object is put with.
pub struct Put<'a> {
    /// The object's bytes.
    pub file: &'a File,
    /// What its shards have in common.
    pub object: Object,
    /// The shards' name in their targets.
    pub name: &'a str,
    /// One for each shard.
    pub targets: &'a [&'a dyn Target],
    /// Makes parity.
    pub code: &'a dyn Encode,
    /// The knobs.
    pub plan: &'a Plan,
    /// Memory that several puts share.
    pub budget: Option<&'a Budget>,
    /// Told how many bytes are done; says whether to go on.
    pub watch: &'a (dyn Fn(u64) -> bool + Sync),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Stored {
    /// The targets that have no shard now, and why.
    pub lost: Vec<(usize, anyhow::Error)>,
    /// How many bytes went to temporary files.
    pub temp_bytes: u64,
}

/// Somebody asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped before all was done; nothing unfinished is left")
    }
}

impl std::error::Error for Stopped {}

/// How many workers stripes are worth here: one for each processor.
pub fn workers() -> usize {
    available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS)
}

impl Plan {
    /// The fastest way: streamed stripes.
    pub fn streamed(data: u16, parity: u16) -> Plan {
        Plan {
            data,
            parity,
            block: 256 << 10,
            hash: Carried::Blake3,
            pack: None,
            way: Way::Workers(workers()),
            spare: 0,
            patience: Duration::ZERO,
            durable: false,
        }
    }

    /// What an object of that length becomes.
    pub fn object(&self, id: Id, length: u64) -> Object {
        Object {
            id,
            data: self.data,
            parity: self.parity,
            block: self.block,
            length,
            hash: self.hash,
            packed: self.pack.is_some(),
        }
    }

    /// What makes its parity.
    pub fn code(&self) -> Result<Code> {
        Ok(Code::new(self.data.into(), self.parity.into(), Family::Cauchy)?)
    }

    /// The memory that it takes for such an object.
    pub fn memory(&self, object: &Object) -> u64 {
        let depth = match self.way {
            Way::OneStripe | Way::Temp { .. } => 1,
            Way::Stripes { depth, .. } => depth as u64,
            Way::Workers(workers) => workers as u64 + 1,
            Way::Memory { .. } => object.stripes(),
        };
        crate::stripe::Full::bytes(object) * depth.min(object.stripes())
    }
}

/// Puts an object. Either as many targets as the plan asks for have their shard, or none has one.
pub fn put(put: &Put, lap: &mut Lap) -> Result<Stored> {
    anyhow::ensure!(
        put.targets.len() == put.object.shards(),
        "{} targets for {} shards",
        put.targets.len(),
        put.object.shards()
    );
    let shard = put.object.shard_bytes();
    let held: u64 = put.targets.iter().map(|target| target.room(shard)).sum();
    let needed = put.plan.memory(&put.object) + held;
    let _held = match put.budget {
        None => None,
        Some(budget) => Some(budget.take(needed).with_context(|| {
            format!("it takes {needed} bytes of memory, and all that may be used is {}", budget.all())
        })?),
    };
    let lost = Lost::new(put.plan.spare);
    let sinks = begin(put, &lost, lap)?;
    let mut stored = Stored::default();
    let sinks = match &put.plan.way {
        Way::OneStripe => stripes::one_by_one(put, sinks, &lost, lap)?,
        Way::Stripes { depth, writers } => stripes::pipelined(put, sinks, &lost, *depth, *writers, lap)?,
        Way::Workers(workers) => each::put(put, sinks, &lost, *workers, lap)?,
        Way::Memory { writers } => memory::put(put, sinks, &lost, *writers, lap)?,
        Way::Temp { dir, writers, at_once } => {
            let ways = temp::Ways { dir, writers: *writers, at_once: *at_once };
            let (sinks, temp_bytes) = temp::put(put, sinks, &lost, &ways, lap)?;
            stored.temp_bytes = temp_bytes;
            sinks
        }
    };
    finish(put, sinks, &lost, lap)?;
    stored.lost = lost.into_list();
    Ok(stored)
}

/// The shards that are being written, each with its number.
pub(crate) type Sinks = Vec<(usize, Box<dyn Sink>)>;

fn begin(put: &Put, lost: &Lost, lap: &mut Lap) -> Result<Sinks> {
    let mut sinks: Sinks = Vec::with_capacity(put.targets.len());
    for (index, target) in put.targets.iter().enumerate() {
        let begun = target.create(put.name).and_then(|mut sink| {
            sink.write(&put.object.head(index), &[]).with_context(|| format!("writing to {}", target.place()))?;
            Ok(sink)
        });
        match begun {
            Ok(sink) => sinks.push((index, sink)),
            Err(error) => lost.add(index, error)?,
        }
    }
    lap.mark(CREATE);
    Ok(sinks)
}

/// Gives every shard its name; where too few get one, takes it away again from those that did.
fn finish(put: &Put, sinks: Sinks, lost: &Lost, lap: &mut Lap) -> Result<()> {
    let mut finished = Vec::new();
    let mut closed = Sinks::with_capacity(sinks.len());
    for (index, mut sink) in sinks {
        let (_, phase) = sink.phases();
        match sink.close() {
            Ok(()) => closed.push((index, sink)),
            Err(error) => lost.add(index, error)?,
        }
        lap.mark(phase);
    }
    for (index, sink) in closed {
        let (_, phase) = sink.phases();
        let done = sink.finish(put.plan.durable);
        lap.mark(phase);
        match done {
            Ok(()) => finished.push(index),
            Err(error) => {
                if let Err(too_many) = lost.add(index, error) {
                    for index in finished {
                        put.targets[index].remove(put.name)?;
                    }
                    lap.mark(UNLINK);
                    return Err(too_many);
                }
            }
        }
    }
    Ok(())
}

/// The targets that failed or were left behind.
pub(crate) struct Lost {
    spare: usize,
    list: Mutex<Vec<(usize, anyhow::Error)>>,
}

impl Lost {
    fn new(spare: usize) -> Lost {
        Lost { spare, list: Mutex::default() }
    }

    /// One more; an error, if that is one too many.
    pub(crate) fn add(&self, index: usize, error: anyhow::Error) -> Result<()> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|(other, _)| *other == index) {
            return Ok(());
        }
        if list.len() < self.spare {
            list.push((index, error));
            return Ok(());
        }
        let others = match list.len() {
            0 => String::new(),
            others => format!(", after {others} others"),
        };
        // It counts, so that whoever asks knows that there are too many.
        list.push((index, anyhow!("one too many")));
        Err(error.context(format!("the target of shard {index} failed{others}")))
    }

    /// How many more may be left behind.
    pub(crate) fn left(&self) -> usize {
        self.spare.saturating_sub(self.list.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// Whether one more may be.
    pub(crate) fn may_be_more(&self) -> bool {
        self.left() > 0
    }

    /// Whether there are too many.
    pub(crate) fn too_many(&self) -> bool {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).len() > self.spare
    }

    fn into_list(self) -> Vec<(usize, anyhow::Error)> {
        self.list.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
