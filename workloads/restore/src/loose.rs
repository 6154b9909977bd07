//! Restore from loose objects: each file opens, decodes and verifies its own.

use crate::restore::{Hold, Job};
use anyhow::{Context, Result, ensure};
use batching::Spread;
use buffers::{Buffer, Source, Tap};
use codecs::Decoder;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, read};
use std::os::fd::{AsFd, OwnedFd};
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
}

/// Restores every written file; workers take directory after directory.
pub(crate) fn restore(job: &Job, spread: Spread, lap: &mut Lap) -> Result<()> {
    let runs: Vec<&[u32]> =
        job.plan.written.chunk_by(|a, b| job.file(*a).directory == job.file(*b).directory).collect();
    let source = job.restore.buffers.source(PIECE);
    spread.each(
        &runs,
        |run| run.iter().map(|file| job.len(job.file(*file))).sum(),
        lap,
        || Worker::new(job, &source),
        |worker, run, lap| {
            worker.hold = Hold::default();
            for file in *run {
                worker.restore(job, *file, lap)?;
            }
            job.passed(run)?;
            Ok(())
        },
    )
}

impl<'a> Worker<'a> {
    fn new(job: &Job, source: &'a Source) -> Result<Worker<'a>> {
        Ok(Worker {
            decoder: job.restore.decoding().decoder(None)?,
            tap: source.tap(),
            hold: Hold::default(),
            input: vec![0; INPUT],
            whole: Vec::new(),
        })
    }

    fn restore(&mut self, job: &Job, at: u32, lap: &mut Lap) -> Result<()> {
        let file = job.file(at);
        let content = &job.catalogue.contents[file.content as usize];
        let path = job.ready.store.join(content.object());
        let opened = openat(rustix::fs::CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let object = opened
            .with_context(|| format!("opening the object {}", path.display()))
            .with_context(|| job.damaged(file))?;
        lap.mark(OPEN);
        if job.restore.whole { self.at_once(job, at, object, lap) } else { self.piece_by_piece(job, at, object, lap) }
    }

    /// The whole object is read, decoded and verified before the file is made.
    fn at_once(&mut self, job: &Job, at: u32, object: OwnedFd, lap: &mut Lap) -> Result<()> {
        let file = job.file(at);
        let content = &job.catalogue.contents[file.content as usize];
        let packed = usize::try_from(content.packed).context("an object fits in memory")?;
        let len = usize::try_from(content.len).context("a file fits in memory")?;
        grow(&mut self.input, packed);
        grow(&mut self.whole, len);
        let (input, decoded) = (&mut self.input[..packed], &mut self.whole[..len]);
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
        let attributes = job.attributes(file);
        let place = job.place(file, &mut self.hold, lap)?;
        let mut sink = place.begin(job.restore.way, &attributes, lap)?;
        job.write(&mut sink, plain, lap)?;
        sink.finish(lap)
    }

    /// As the post-mortem's tool does it: the file is made first, and bytes flow through a buffer. A hash that does
    /// not fit is found before the file is finished; the sink then removes what it made.
    fn piece_by_piece(&mut self, job: &Job, at: u32, object: OwnedFd, lap: &mut Lap) -> Result<()> {
        let file = job.file(at);
        let content = &job.catalogue.contents[file.content as usize];
        let attributes = job.attributes(file);
        let mut buffer = self.tap.acquire();
        lap.mark(ACQUIRE);
        self.decoder.begin(usize::try_from(content.len).context("a file fits in memory")?)?;
        lap.mark(SETUP);
        let place = job.place(file, &mut self.hold, lap)?;
        let mut sink = place.begin(job.restore.way, &attributes, lap)?;
        let mut verifying = job.verifying();
        let mut source = Packed { object: &object, input: &mut self.input, left: content.packed, from: 0, to: 0 };
        let unpacked = job.unpacked(file.content as usize);
        if let Some(plain) = unpacked {
            source.skip(lap).with_context(|| job.damaged(file))?;
            for piece in plain.chunks(PIECE) {
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
