//! All in memory: the object is read whole, all parity is made, and then all shards go to their targets.

use crate::halves::Halves;
use crate::put::{Lost, Put, Sinks};
use crate::stripe::{Full, Packer};
use crate::stripes::write;
use anyhow::Result;
use technique::Lap;
use technique::phase::{SETUP, WAIT};

pub(crate) fn put(put: &Put, sinks: Sinks, lost: &Lost, writers: usize, lap: &mut Lap) -> Result<Sinks> {
    let mut packer = put.plan.pack.map(Packer::new).transpose()?;
    let halves = Halves::new(put, sinks.len());
    let mut stripes = Vec::new();
    for number in 0..put.object.stripes() {
        let mut full = Full::room(&put.object)?;
        lap.mark(SETUP);
        full.fill(put.file, &put.object, number, packer.as_mut(), lap)?;
        stripes.push(full);
        halves.ask()?;
    }
    for full in &mut stripes {
        full.encode(put.code, lap)?;
        halves.made(full.stripe.number)?;
    }
    let writers = writers.clamp(1, sinks.len().max(1));
    let mut groups: Vec<Sinks> = (0..writers).map(|_| Sinks::new()).collect();
    for (at, sink) in sinks.into_iter().enumerate() {
        groups[at % writers].push(sink);
    }
    let laps = lap.fork(writers);
    let (sinks, laps) = std::thread::scope(|scope| {
        let threads: Vec<_> = groups
            .into_iter()
            .zip(laps)
            .map(|(group, mut lap)| {
                let (stripes, halves) = (&stripes, &halves);
                scope.spawn(move || {
                    lap.mark(WAIT);
                    let written = upload(put, stripes, group, (lost, halves), &mut lap);
                    (written, lap)
                })
            })
            .collect();
        let mut sinks = Ok(Sinks::new());
        let mut laps = Vec::new();
        for thread in threads {
            let (written, lap) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            laps.push(lap);
            match (&mut sinks, written) {
                (Ok(sinks), Ok(group)) => sinks.extend(group),
                (Ok(_), Err(error)) => sinks = Err(error),
                (Err(_), _) => {}
            }
        }
        (sinks, laps)
    });
    lap.join(laps);
    sinks
}

fn upload(
    put: &Put,
    stripes: &[Full],
    mut group: Sinks,
    (lost, halves): (&Lost, &Halves),
    lap: &mut Lap,
) -> Result<Sinks> {
    let shards = group.len();
    for full in stripes {
        write(put, full, &mut group, lost, lap)?;
        halves.written(full.stripe.number, shards)?;
    }
    Ok(group)
}
