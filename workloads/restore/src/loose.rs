//! Restore from loose objects: each file opens, decodes and verifies its own.

use crate::ahead::Prefetch;
use crate::job::{Hold, Job};
use crate::knobs::{Ahead, Gather};
use anyhow::{Context, Result, ensure};
use batching::Spread;
use buffers::{Buffer, Source, Tap};
use codecs::Decoder;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use syscalls::Ring;
use technique::Lap;
use technique::phase::{ACQUIRE, CLOSE, DECODE, OPEN, READ, RELEASE, SETUP};

/// The size of a piece, as the post-mortem's copy buffers have it.
pub(crate) const PIECE: usize = 256 << 10;
/// How much of an object is read at once.
pub(crate) const INPUT: usize = 32 << 10;

/// What a worker has.
struct Worker<'a> {
    decoder: Decoder,
    tap: Tap<'a>,
    hold: Hold,
    input: Vec<u8>,
    whole: Vec<u8>,
    ring: Option<Ring>,
    /// The files that the ring is to make, and where in `whole` their bytes stand.
    gathered: Vec<(u32, Range<usize>)>,
}

/// Restores every written file; workers take directory after directory, or what the row gathers.
pub(crate) fn restore(job: &Job, lap: &mut Lap) -> Result<()> {
    let Ahead::Handles(most) = job.restore.ahead else { return restore_with(job, None, lap) };
    let prefetch = Prefetch::new(job, most);
    std::thread::scope(|scope| {
        // The helper has no stopwatch: it works beside those that have one.
        let helper = std::thread::Builder::new().name("prefetch".to_owned()).spawn_scoped(scope, || prefetch.help());
        let restored = restore_with(job, Some(&prefetch), lap);
        prefetch.end();
        helper.context("starting the helper that opens objects ahead")?;
        restored
    })
}

fn restore_with(job: &Job, prefetch: Option<&Prefetch>, lap: &mut Lap) -> Result<()> {
    let stretches = job.plan.stretches(job.restore, job.catalogue);
    let spread = match (job.restore.gather, job.ready.spread) {
        (Gather::Files(items), Spread::OneByOne) => Spread::Batches { items },
        (_, spread) => spread,
    };
    let source = job.restore.buffers.source(job.restore.piece);
    spread.each(
        &stretches,
        |stretch| job.plan.written[stretch.clone()].iter().map(|file| job.len(job.file(*file))).sum(),
        lap,
        || Worker::new(job, &source),
        |worker, stretch, lap| {
            worker.hold = Hold::default();
            for at in stretch.clone() {
                let opened = prefetch.and_then(|prefetch| prefetch.take(at));
                worker.restore(job, job.plan.written[at], opened, lap)?;
            }
            worker.hand_over(job, lap)?;
            job.passed(&job.plan.written[stretch.clone()])
        },
    )
}

impl<'a> Worker<'a> {
    fn new(job: &Job, source: &'a Source) -> Result<Worker<'a>> {
        Ok(Worker {
            decoder: job.restore.decoding().decoder(job.dictionary)?,
            tap: source.tap(),
            hold: Hold::default(),
            input: vec![0; INPUT],
            whole: Vec::new(),
            ring: job.ring()?,
            gathered: Vec::new(),
        })
    }

    fn restore(&mut self, job: &Job, at: u32, opened: Option<OwnedFd>, lap: &mut Lap) -> Result<()> {
        let object = match opened {
            Some(object) => object,
            None => open_object(job, at)?,
        };
        lap.mark(OPEN);
        if job.restore.whole { self.at_once(job, at, object, lap) } else { self.piece_by_piece(job, at, object, lap) }
    }

    /// The whole object is read, decoded and verified before the file is made.
    fn at_once(&mut self, job: &Job, at: u32, object: OwnedFd, lap: &mut Lap) -> Result<()> {
        let file = job.file(at);
        let content = job.content(file);
        let packed = usize::try_from(content.packed).context("an object fits in memory")?;
        let len = usize::try_from(content.len).context("a file fits in memory")?;
        let from = self.gathered.last().map_or(0, |(_, last)| last.end);
        grow(&mut self.input, packed);
        grow(&mut self.whole, from + len);
        let (input, decoded) = (&mut self.input[..packed], &mut self.whole[from..from + len]);
        read_full(&object, input).with_context(|| job.damaged(file))?;
        lap.mark(READ);
        drop(object);
        lap.mark(CLOSE);
        self.decoder.refresh()?;
        lap.mark(SETUP);
        let plain = if let Some(plain) = job.unpacked(file.content as usize) {
            plain
        } else {
            self.decoder.decode(input, decoded).with_context(|| job.damaged(file))?;
            lap.mark(DECODE);
            decoded
        };
        job.verify(file, plain, lap)?;
        if self.ring.is_some() {
            self.gathered.push((at, from..from + len));
            return Ok(());
        }
        job.make(at, plain, &mut self.hold, lap)
    }

    /// Hands what was gathered for the ring to the kernel.
    fn hand_over(&mut self, job: &Job, lap: &mut Lap) -> Result<()> {
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let files = self.gathered.iter().map(|(at, place)| (*at, &self.whole[place.clone()]));
        job.make_by_ring(ring, files, &mut self.hold, lap)?;
        self.gathered.clear();
        Ok(())
    }

    /// As the post-mortem's tool does it: the file is made first, and bytes flow through a buffer. A hash that does
    /// not fit is found before the file is finished; the sink then removes what it made.
    fn piece_by_piece(&mut self, job: &Job, at: u32, object: OwnedFd, lap: &mut Lap) -> Result<()> {
        let file = job.file(at);
        let content = job.content(file);
        let attributes = job.attributes(file);
        let mut buffer = self.tap.acquire();
        lap.mark(ACQUIRE);
        self.decoder.begin(usize::try_from(content.len).context("a file fits in memory")?)?;
        lap.mark(SETUP);
        let place = job.place(file, &mut self.hold, lap)?;
        let mut sink = job.begin(place, &attributes, lap)?;
        let mut verifying = job.verifying();
        let mut source = Packed { object: &object, input: &mut self.input, left: content.packed, from: 0, to: 0 };
        let unpacked = job.unpacked(file.content as usize);
        if let Some(plain) = unpacked {
            source.skip(lap).with_context(|| job.damaged(file))?;
            for piece in plain.chunks(job.restore.piece) {
                verifying.update(piece, lap);
                job.write(&mut sink, piece, lap)?;
            }
        }
        let mut filled = 0;
        while unpacked.is_none() {
            let step = source.step(&mut self.decoder, &mut buffer, filled, lap).with_context(|| job.damaged(file))?;
            filled += step.produced;
            if step.done || filled == buffer.len() {
                verifying.update(&buffer[..filled], lap);
                job.write(&mut sink, &buffer[..filled], lap)?;
                filled = 0;
            }
            if step.done {
                break;
            }
        }
        let whole = source.left == 0 && source.from == source.to;
        ensure!(verifying.fits(content, lap) && whole, "{}", job.damaged(file));
        drop(object);
        lap.mark(CLOSE);
        sink.finish(lap)?;
        drop(buffer);
        lap.mark(RELEASE);
        Ok(())
    }
}

fn open_object(job: &Job, at: u32) -> Result<OwnedFd> {
    let file = job.file(at);
    let path = job.ready.store.join(job.content(file).object());
    openat(CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("opening the object {}", path.display()))
        .with_context(|| job.damaged(file))
}

/// The packed bytes of an object, read piece by piece.
struct Packed<'a> {
    object: &'a OwnedFd,
    input: &'a mut [u8],
    left: u64,
    from: usize,
    to: usize,
}

impl Packed<'_> {
    fn fill(&mut self, lap: &mut Lap) -> Result<()> {
        let size = usize::try_from(self.left).unwrap_or(INPUT).min(INPUT);
        read_full(self.object, &mut self.input[..size])?;
        self.left -= size as u64;
        (self.from, self.to) = (0, size);
        lap.mark(READ);
        Ok(())
    }

    /// Reads all of the object and decodes none of it.
    fn skip(&mut self, lap: &mut Lap) -> Result<()> {
        while self.left > 0 {
            self.fill(lap)?;
        }
        self.from = self.to;
        Ok(())
    }

    /// Decodes some bytes behind those that fill the buffer so far, reading more of the object if need be.
    fn step(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut Buffer,
        filled: usize,
        lap: &mut Lap,
    ) -> Result<codecs::Step> {
        if self.from == self.to && self.left > 0 {
            self.fill(lap)?;
        }
        let step = decoder.step(&self.input[self.from..self.to], &mut buffer[filled..])?;
        self.from += step.consumed;
        let stuck = !step.done && step.consumed + step.produced == 0 && self.from == self.to && self.left == 0;
        ensure!(!stuck, "the object is cut short");
        lap.mark(DECODE);
        Ok(step)
    }
}

/// Grows a buffer to at least `len` bytes, and never shrinks it.
pub(crate) fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// Reads exactly as much as fits; one call where the kernel gives it at once.
fn read_full(object: &OwnedFd, mut into: &mut [u8]) -> Result<()> {
    while !into.is_empty() {
        match read(object.as_fd(), &mut *into) {
            Ok(0) => anyhow::bail!("the object is cut short"),
            Ok(taken) => into = &mut into[taken..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
