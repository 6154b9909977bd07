//! Streamed stripes: a stripe is read, gets its parity, and its blocks go to their targets; memory is bounded, and
//! nothing is written twice.

use crate::put::{Lost, Put, Sinks, Stopped};
use crate::stripe::{Full, Packer};
use anyhow::{Context, Result, anyhow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use technique::Lap;
use technique::phase::{HASH, SETUP, WAIT};

/// One stripe in flight, on one thread.
pub(crate) fn one_by_one(put: &Put, mut sinks: Sinks, lost: &Lost, lap: &mut Lap) -> Result<Sinks> {
    let mut full = Full::room(&put.object)?;
    let mut packer = put.plan.pack.map(Packer::new).transpose()?;
    lap.mark(SETUP);
    for number in 0..put.object.stripes() {
        full.fill(put.file, &put.object, number, packer.as_mut(), lap)?;
        full.encode(put.code, lap)?;
        write(put, &full, &mut sinks, lost, lap)?;
        if !(put.watch)(done(put, number)) {
            return Err(Stopped.into());
        }
    }
    Ok(sinks)
}

/// The object's bytes that are done after that stripe.
pub(crate) fn done(put: &Put, number: u64) -> u64 {
    number * put.object.stripe() + put.object.raw(number)
}

/// Writes a stripe's block to each of these shards; those whose target fails are let go.
pub(crate) fn write(put: &Put, full: &Full, sinks: &mut Sinks, lost: &Lost, lap: &mut Lap) -> Result<()> {
    let mut at = 0;
    while let Some((index, sink)) = sinks.get_mut(at) {
        let index = *index;
        let block = full.block(&put.object, index);
        let head = put.object.block_head(index, full.stripe, block);
        lap.mark(HASH);
        let written = sink.write(&head, block);
        lap.mark(sink.phases().0);
        match written {
            Ok(()) => at += 1,
            Err(error) => {
                drop(sinks.swap_remove(at));
                lost.add(index, anyhow!(error).context(format!("writing to {}", put.targets[index].place())))?;
            }
        }
    }
    Ok(())
}

/// Several stripes in flight: this thread reads and encodes, others hash and write.
pub(crate) fn pipelined(
    put: &Put,
    sinks: Sinks,
    lost: &Lost,
    depth: usize,
    writers: usize,
    lap: &mut Lap,
) -> Result<Sinks> {
    let depth = depth.min(usize::try_from(put.object.stripes()).unwrap_or(usize::MAX));
    if depth < 2 {
        // There is nothing to overlap with.
        return one_by_one(put, sinks, lost, lap);
    }
    let writers = writers.clamp(1, sinks.len().max(1));
    let mut groups: Vec<Sinks> = (0..writers).map(|_| Sinks::new()).collect();
    for (at, sink) in sinks.into_iter().enumerate() {
        groups[at % writers].push(sink);
    }
    let (back, free) = channel();
    for _ in 0..depth {
        back.send(Full::room(&put.object)?).expect("its other end is here");
    }
    lap.mark(SETUP);
    let mut laps = lap.fork(writers + 1);
    let mut own = laps.remove(0);
    let states: Vec<State> = groups.iter().map(|_| State::default()).collect();
    let (made, sinks, laps) = std::thread::scope(|scope| {
        let mut hands = Vec::new();
        let mut threads = Vec::new();
        for ((group, mut lap), state) in groups.into_iter().zip(laps).zip(&states) {
            let (hand, stripes) = sync_channel::<Arc<Full>>(depth);
            let back = back.clone();
            let numbers = group.iter().map(|(index, _)| *index).collect();
            hands.push(Hand { sender: Some(hand), state, numbers });
            threads.push(scope.spawn(move || {
                let written = writer(put, group, lost, &stripes, &back, state, &mut lap);
                (written, lap)
            }));
        }
        drop(back);
        let mut made = produce(put, &free, &mut hands, lost, &mut own);
        drop(hands);
        let mut sinks = Sinks::new();
        let mut laps = vec![own];
        for thread in threads {
            let (written, lap) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            laps.push(lap);
            match written {
                Ok(group) => sinks.extend(group),
                // What a writer met says more than that the producer could not go on.
                Err(error) => made = Err(error),
            }
        }
        (made, sinks, laps)
    });
    lap.join(laps);
    made?;
    Ok(sinks)
}

/// The way to one writer.
struct Hand<'a> {
    sender: Option<SyncSender<Arc<Full>>>,
    state: &'a State,
    numbers: Vec<usize>,
}

/// What a writer and its producer know of each other.
#[derive(Default)]
struct State {
    /// Stripes that were handed over and are not written.
    pending: AtomicUsize,
    /// Whether nobody waits for it any more.
    behind: AtomicBool,
}

fn produce(put: &Put, free: &Receiver<Full>, hands: &mut [Hand], lost: &Lost, lap: &mut Lap) -> Result<()> {
    let mut packer = put.plan.pack.map(Packer::new).transpose()?;
    let mut own = None;
    lap.mark(SETUP);
    for number in 0..put.object.stripes() {
        let mut full = match own.take() {
            Some(full) => full,
            None => room(put, free, hands, lost)?,
        };
        lap.mark(WAIT);
        full.fill(put.file, &put.object, number, packer.as_mut(), lap)?;
        full.encode(put.code, lap)?;
        let full = Arc::new(full);
        for hand in &mut *hands {
            if let Some(sender) = &hand.sender {
                hand.state.pending.fetch_add(1, Ordering::Relaxed);
                // Its queue has room for all stripes that there are, and a writer that ended has told why.
                let _ = sender.send(Arc::clone(&full));
            }
        }
        // Where all writers are done with it already, nobody else gives it back.
        own = Arc::into_inner(full);
        lap.mark(WAIT);
        if !(put.watch)(done(put, number)) {
            return Err(Stopped.into());
        }
        if lost.too_many() {
            return Err(anyhow!("too many targets failed"));
        }
    }
    let mut since = now();
    while lost.may_be_more() && hands.iter().any(Hand::is_busy) {
        std::thread::sleep(LOOK);
        leave_stragglers(put, hands, lost, &mut since)?;
    }
    Ok(())
}

/// Between two looks at targets that keep others waiting.
const LOOK: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods, reason = "patience is no measurement")]
fn now() -> Instant {
    Instant::now()
}

/// Memory for the next stripe: what the last writer of an earlier one gave back.
fn room(put: &Put, free: &Receiver<Full>, hands: &mut [Hand], lost: &Lost) -> Result<Full> {
    let mut since = now();
    while lost.may_be_more() {
        if let Ok(full) = free.recv_timeout(LOOK) {
            return Ok(full);
        }
        if leave_stragglers(put, hands, lost, &mut since)? {
            // What they hold comes back once the write that is under way is over; the others go on meanwhile.
            return Full::room(&put.object);
        }
    }
    free.recv().context("all writers ended")
}

/// Leaves targets behind for which all others have waited too long. Where more are slow than may be left behind, they
/// are waited for.
fn leave_stragglers(put: &Put, hands: &mut [Hand], lost: &Lost, since: &mut Instant) -> Result<bool> {
    let busy = hands.iter().filter(|hand| hand.is_busy()).map(|hand| hand.numbers.len()).sum::<usize>();
    if busy == 0 || busy > lost.left() {
        *since = now();
        return Ok(false);
    }
    if since.elapsed() < put.plan.patience {
        return Ok(false);
    }
    for hand in hands.iter_mut().filter(|hand| hand.is_busy()) {
        hand.state.behind.store(true, Ordering::Relaxed);
        hand.sender = None;
        for index in &hand.numbers {
            lost.add(*index, anyhow!("it kept the others waiting, and was left behind"))?;
        }
    }
    Ok(true)
}

impl Hand<'_> {
    fn is_busy(&self) -> bool {
        self.sender.is_some() && self.state.pending.load(Ordering::Relaxed) > 0
    }
}

fn writer(
    put: &Put,
    mut sinks: Sinks,
    lost: &Lost,
    stripes: &Receiver<Arc<Full>>,
    back: &Sender<Full>,
    state: &State,
    lap: &mut Lap,
) -> Result<Sinks> {
    let mut told = Ok(());
    for full in stripes {
        lap.mark(WAIT);
        if state.behind.load(Ordering::Relaxed) {
            sinks.clear();
        }
        if told.is_ok() {
            told = write(put, &full, &mut sinks, lost, lap);
        }
        state.pending.fetch_sub(1, Ordering::Relaxed);
        if let Some(full) = Arc::into_inner(full) {
            // The producer may be gone already.
            let _ = back.send(full);
        }
    }
    if state.behind.load(Ordering::Relaxed) {
        sinks.clear();
    }
    told.map(|()| sinks)
}
