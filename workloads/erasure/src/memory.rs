//! All in memory: the object is read whole, all parity is made, and then all shards go to their targets.

use crate::put::{Lost, Put, Sinks, Stopped};
use crate::stripe::{Full, Packer};
use crate::stripes::{done, write};
use anyhow::Result;
use technique::Lap;
use technique::phase::{SETUP, WAIT};

pub(crate) fn put(put: &Put, sinks: Sinks, lost: &Lost, writers: usize, lap: &mut Lap) -> Result<Sinks> {
    let mut packer = put.plan.pack.map(Packer::new).transpose()?;
    let mut stripes = Vec::new();
    for number in 0..put.object.stripes() {
        let mut full = Full::room(&put.object)?;
        lap.mark(SETUP);
        full.fill(put.file, &put.object, number, packer.as_mut(), lap)?;
        stripes.push(full);
    }
    for full in &mut stripes {
        full.encode(put.code, lap)?;
    }
    let count = stripes.len() as u64;
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
                let stripes = &stripes;
                scope.spawn(move || {
                    lap.mark(WAIT);
                    let written = upload(put, stripes, group, lost, &mut lap);
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
    let sinks = sinks?;
    if count > 0 && !(put.watch)(done(put, count - 1)) {
        return Err(Stopped.into());
    }
    Ok(sinks)
}

fn upload(put: &Put, stripes: &[Full], mut group: Sinks, lost: &Lost, lap: &mut Lap) -> Result<Sinks> {
    for full in stripes {
        write(put, full, &mut group, lost, lap)?;
    }
    Ok(group)
}
