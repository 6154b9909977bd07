//! Streamed stripes by workers: each takes the next stripe, reads it, makes its parity, hashes its blocks and writes each
//! to its place. Nothing is handed over, so a stripe stays in the caches of one processor, and nobody waits for another.

use crate::put::{Lost, Put, Sinks, Stopped};
use crate::stripe::Full;
use crate::stripes;
use crate::target::Placed;
use anyhow::{Result, anyhow};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use technique::phase::{HASH, SETUP};
use technique::{Lap, Phase};

/// So many workers. Where blocks have no place of their own, for packed stripes or a target that takes them in order
/// only, or where slow targets may be left behind, stripes are handed over instead.
pub(crate) fn put(put: &Put, sinks: Sinks, lost: &Lost, workers: usize, lap: &mut Lap) -> Result<Sinks> {
    let workers = workers.min(usize::try_from(put.object.stripes()).unwrap_or(usize::MAX));
    if workers < 2 {
        return stripes::one_by_one(put, sinks, lost, lap);
    }
    let may_be_placed = !put.object.packed && put.plan.spare == 0;
    let places = sinks.iter().map(|(index, sink)| Some((*index, sink.placed()?, sink.phases().0)));
    let Some(places) = places.collect::<Option<Vec<_>>>().filter(|_| may_be_placed) else {
        return stripes::pipelined(put, sinks, lost, workers + 1, 1, lap);
    };
    let (next, done, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let job = Job { put, places, lost, next, done, over };
    let mut laps = lap.fork(workers);
    let mut own = laps.remove(0);
    let (done, laps) = std::thread::scope(|scope| {
        let job = &job;
        let others = laps.into_iter().enumerate().map(|(number, mut lap)| {
            scope.spawn(move || {
                let done = job.work(number + 1, &mut lap);
                (done, lap)
            })
        });
        let others: Vec<_> = others.collect();
        let mut done = job.work(0, &mut own);
        let mut laps = vec![own];
        for other in others {
            let (theirs, lap) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            laps.push(lap);
            done = done.and(theirs);
        }
        (done, laps)
    });
    lap.join(laps);
    done?;
    Ok(sinks)
}

/// What workers share.
struct Job<'a> {
    put: &'a Put<'a>,
    /// Shards: the number of each, the way to write into it, and what that is called.
    places: Vec<(usize, &'a dyn Placed, Phase)>,
    lost: &'a Lost,
    /// The next stripe that nobody has taken.
    next: AtomicU64,
    /// The object's bytes that are done.
    done: AtomicU64,
    /// Whether one of them met an end.
    over: AtomicBool,
}

impl Job<'_> {
    fn work(&self, worker: usize, lap: &mut Lap) -> Result<()> {
        let done = self.stripes(worker, lap);
        if done.is_err() {
            self.over.store(true, Ordering::Relaxed);
        }
        done
    }

    fn stripes(&self, worker: usize, lap: &mut Lap) -> Result<()> {
        let Put { object, file, code, watch, .. } = self.put;
        let mut full = Full::room(object)?;
        lap.mark(SETUP);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= object.stripes() || self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            full.fill(file, object, number, None, lap)?;
            full.encode(*code, lap)?;
            self.write(&full, worker, lap)?;
            let raw = object.raw(number);
            if !watch(self.done.fetch_add(raw, Ordering::Relaxed) + raw) {
                return Err(Stopped.into());
            }
        }
    }

    /// Writes a stripe's blocks, each worker another one first, for a file takes one write at a time.
    fn write(&self, full: &Full, worker: usize, lap: &mut Lap) -> Result<()> {
        let object = &self.put.object;
        let shards = self.places.len();
        for turn in 0..shards {
            let (index, place, writing) = self.places[(turn + worker * shards / 2) % shards];
            let block = full.block(object, index);
            let head = object.block_head(index, full.stripe, block);
            lap.mark(HASH);
            let written = place.write_at(object.place_of(full.stripe.number), &head, block);
            lap.mark(writing);
            if let Err(error) = written {
                let target = self.put.targets[index].place();
                self.lost.add(index, anyhow!(error).context(format!("writing to {target}")))?;
            }
        }
        Ok(())
    }
}
