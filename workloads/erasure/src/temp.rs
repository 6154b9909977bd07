//! By temporary files: shards are made on a disk, and copied from there to their targets.

use crate::format::{HEAD, Stripe};
use crate::halves::Halves;
use crate::place;
use crate::put::{Lost, Put, Sinks};
use crate::stripe::{Full, Packer, size};
use crate::target::{Directory, Sink, Source, Target};
use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use technique::phase::{CREATE, HASH, RELOAD, RENAME, SETUP, SPILL, UNLINK, WAIT};
use technique::{Lap, Phase};

/// How temporary files are used.
pub(crate) struct Ways<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) writers: usize,
    pub(crate) at_once: bool,
}

/// How many finished stripes may wait for their copying.
const QUEUE: usize = 16;

pub(crate) fn put(put: &Put, sinks: Sinks, lost: &Lost, ways: &Ways, lap: &mut Lap) -> Result<(Sinks, u64)> {
    let temp = Temp::make(put, ways.dir)?;
    lap.mark(CREATE);
    let halves = Halves::new(put, sinks.len());
    let writers = ways.writers.clamp(1, sinks.len().max(1));
    let mut groups: Vec<Sinks> = (0..writers).map(|_| Sinks::new()).collect();
    for (at, sink) in sinks.into_iter().enumerate() {
        groups[at % writers].push(sink);
    }
    let (made, sinks) = if ways.at_once {
        overlapped(&halves, &temp, groups, lost, lap)
    } else {
        apart(&halves, &temp, groups, lost, lap)
    };
    let temp_bytes = made?;
    let sinks = sinks?;
    drop(temp);
    lap.mark(UNLINK);
    Ok((sinks, temp_bytes))
}

/// First all shards, then all copies.
fn apart(halves: &Halves, temp: &Temp, groups: Vec<Sinks>, lost: &Lost, lap: &mut Lap) -> (Result<u64>, Result<Sinks>) {
    let mut stripes = Vec::new();
    let made = shard(halves, temp, lap, |stripe| stripes.push(stripe));
    if made.is_err() {
        return (made, Ok(Sinks::new()));
    }
    let laps = lap.fork(groups.len());
    let (sinks, laps) = std::thread::scope(|scope| {
        let stripes = &stripes;
        let threads = groups.into_iter().zip(laps).map(|(mut group, mut lap)| {
            scope.spawn(move || {
                lap.mark(WAIT);
                let mut copy = Copy::new(halves, temp, &group);
                let copied = stripes.iter().try_for_each(|at| copy.stripe(*at, &mut group, lost, &mut lap));
                (copied.map(|()| group), lap)
            })
        });
        joined(threads.collect())
    });
    lap.join(laps);
    (made, sinks)
}

/// Stripes are copied while the next ones are made.
fn overlapped(
    halves: &Halves,
    temp: &Temp,
    groups: Vec<Sinks>,
    lost: &Lost,
    lap: &mut Lap,
) -> (Result<u64>, Result<Sinks>) {
    let mut laps = lap.fork(groups.len() + 1);
    let mut own = laps.remove(0);
    let (made, sinks, laps) = std::thread::scope(|scope| {
        let mut hands = Vec::new();
        let mut threads = Vec::new();
        for (mut group, mut lap) in groups.into_iter().zip(laps) {
            let (hand, stripes): (_, Receiver<At>) = sync_channel(QUEUE);
            hands.push(hand);
            threads.push(scope.spawn(move || {
                let mut copy = Copy::new(halves, temp, &group);
                let mut copied = Ok(());
                for at in stripes {
                    lap.mark(WAIT);
                    if copied.is_ok() {
                        copied = copy.stripe(at, &mut group, lost, &mut lap);
                    }
                }
                (copied.map(|()| group), lap)
            }));
        }
        let made = shard(halves, temp, &mut own, |stripe| {
            for hand in &hands {
                // A copier that ended has told why.
                let _ = hand.send(stripe);
            }
        });
        drop(hands);
        let (sinks, mut laps) = joined(threads);
        laps.push(own);
        (made, sinks, laps)
    });
    lap.join(laps);
    (made, sinks)
}

type Copied<'scope> = std::thread::ScopedJoinHandle<'scope, (Result<Sinks>, Lap)>;

fn joined(threads: Vec<Copied>) -> (Result<Sinks>, Vec<Lap>) {
    let mut sinks = Ok(Sinks::new());
    let mut laps = Vec::new();
    for thread in threads {
        let (copied, lap) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        laps.push(lap);
        match (&mut sinks, copied) {
            (Ok(sinks), Ok(group)) => sinks.extend(group),
            (Ok(_), Err(error)) => sinks = Err(error),
            (Err(_), _) => {}
        }
    }
    (sinks, laps)
}

/// A stripe, and where its blocks lie in the temporary files.
#[derive(Clone, Copy)]
struct At {
    stripe: Stripe,
    offset: u64,
}

/// Makes all shards as temporary files; says how many bytes those are.
fn shard(halves: &Halves, temp: &Temp, lap: &mut Lap, mut each: impl FnMut(At)) -> Result<u64> {
    let put = halves.put;
    let mut full = Full::room(&put.object)?;
    let mut packer = put.plan.pack.map(Packer::new).transpose()?;
    lap.mark(SETUP);
    let mut offset = 0;
    for number in 0..put.object.stripes() {
        full.fill(put.file, &put.object, number, packer.as_mut(), lap)?;
        full.encode(put.code, lap)?;
        let mut block = 0;
        for (index, file) in temp.files.iter().enumerate() {
            let bytes = full.block(&put.object, index);
            file.write_all_at(bytes, offset).with_context(|| format!("writing to {}", temp.dir.display()))?;
            block = bytes.len() as u64;
        }
        lap.mark(SPILL);
        each(At { stripe: full.stripe, offset });
        lap.mark(WAIT);
        offset += block;
        halves.made(number)?;
    }
    Ok(offset * temp.files.len() as u64)
}

/// Copies blocks from temporary files to their targets.
struct Copy<'a> {
    halves: &'a Halves<'a>,
    temp: &'a Temp,
    /// How many shards it began with.
    shards: usize,
    buffer: Vec<u8>,
}

impl<'a> Copy<'a> {
    fn new(halves: &'a Halves<'a>, temp: &'a Temp, group: &Sinks) -> Copy<'a> {
        Copy { halves, temp, shards: group.len(), buffer: Vec::new() }
    }

    fn stripe(&mut self, at: At, group: &mut Sinks, lost: &Lost, lap: &mut Lap) -> Result<()> {
        let put = self.halves.put;
        let object = &put.object;
        self.buffer.resize(size(at.stripe.block(object.data))?, 0);
        let mut next = 0;
        while let Some((index, sink)) = group.get_mut(next) {
            let index = *index;
            let reading = || format!("reading from {}", self.temp.dir.display());
            self.temp.files[index].read_exact_at(&mut self.buffer, at.offset).with_context(reading)?;
            lap.mark(RELOAD);
            let head: [u8; HEAD] = object.block_head(index, at.stripe, &self.buffer);
            lap.mark(HASH);
            let written = sink.write(&head, &self.buffer);
            lap.mark(sink.phases().0);
            match written {
                Ok(()) => next += 1,
                Err(error) => {
                    drop(group.swap_remove(next));
                    let place = put.targets[index].place();
                    lost.add(index, anyhow!(error).context(format!("writing to {place}")))?;
                }
            }
        }
        self.halves.written(at.stripe.number, self.shards)
    }
}

/// A directory for shards on their way back: what time goes into it is called otherwise than at a target.
pub(crate) struct Temporary(pub(crate) Directory);

struct Spilling(Box<dyn Sink>);
struct Reloading(Box<dyn Source>);

impl Target for Temporary {
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Spilling(self.0.create(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>> {
        Ok(self.0.open(name)?.map(|source| Box::new(Reloading(source)) as Box<dyn Source>))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.0.remove(name)
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

impl Sink for Spilling {
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()> {
        self.0.write(head, block)
    }

    fn phases(&self) -> (Phase, Phase) {
        (SPILL, RENAME)
    }

    fn finish(self: Box<Self>, durable: bool) -> Result<()> {
        self.0.finish(durable)
    }
}

impl Source for Reloading {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn phase(&self) -> Phase {
        RELOAD
    }
}

/// Temporary files, one a shard, removed when dropped.
struct Temp {
    dir: PathBuf,
    files: Vec<File>,
    _held: Option<File>,
}

impl Temp {
    fn make(put: &Put, below: &Path) -> Result<Temp> {
        let (dir, held) = place::make(below, &put.object.id.to_string())?;
        let mut temp = Temp { dir, files: Vec::new(), _held: held };
        for index in 0..put.object.shards() {
            let path = temp.dir.join(index.to_string());
            let file = File::options().read(true).write(true).create_new(true).open(&path);
            temp.files.push(file.with_context(|| format!("making {}", path.display()))?);
        }
        Ok(temp)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next sweep.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
