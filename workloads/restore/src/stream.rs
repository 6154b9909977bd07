//! Restore from a stream: one decoder goes through all contents in their order, and hands what it has decoded to
//! writers, or writes it itself where nobody else works.

use crate::catalogue::{Block, Catalogue};
use crate::job::{Hold, Job};
use crate::loose::{INPUT, grow};
use crate::packed::files_of;
use crate::store::PACK;
use anyhow::{Context, Result, anyhow, ensure};
use codecs::Decoder;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use technique::Lap;
use technique::phase::{CATALOGUE, DECODE, READ, SETUP, WAIT};

/// Contents are handed on when they have so many bytes.
const BATCH: usize = 256 << 10;
/// So many batches wait for a writer at most.
const WAITING: usize = 32;

/// Contents that are decoded at once, and the files that have them.
pub(crate) struct Batch {
    /// The block of the catalogue that they stand in, and where in it they begin.
    block: usize,
    from: usize,
    plain: usize,
    /// The files, as a range of the order of contents.
    pub(crate) files: Range<usize>,
}

/// The files that are written, content by content, and the batches of the stream.
pub(crate) struct Order {
    pub(crate) files: Vec<u32>,
    pub(crate) batches: Vec<Batch>,
}

impl Order {
    pub(crate) fn of(written: &[u32], catalogue: &Catalogue) -> Order {
        let content = |file: &u32| catalogue.files[*file as usize].content as usize;
        let mut files = written.to_vec();
        files.sort_by_key(content);
        let mut batches: Vec<Batch> = Vec::new();
        let mut at = 0;
        for (number, one) in catalogue.contents.iter().enumerate() {
            let begin = at;
            at += files[at..].iter().take_while(|file| content(file) == number).count();
            let (block, len) = (one.block as usize, usize::try_from(one.len).expect("who packed it had it in memory"));
            match batches.last_mut() {
                Some(last) if last.block == block && last.plain + len <= BATCH => {
                    last.plain += len;
                    last.files.end = at;
                }
                _ => batches.push(Batch { block, from: one.offset as usize, plain: len, files: begin..at }),
            }
        }
        Order { files, batches }
    }
}

/// Restores every written file.
pub(crate) fn restore(job: &Job, lap: &mut Lap) -> Result<()> {
    let path = job.ready.store.join(PACK);
    let pack = File::open(&path).with_context(|| format!("opening the stream {}", path.display()))?;
    let order = Order::of(&job.plan.written, job.catalogue);
    lap.mark(CATALOGUE);
    let mut source = Source::new(job, pack)?;
    lap.mark(SETUP);
    let workers = job.ready.spread.workers();
    if workers > 1 {
        return together(job, &order, source, workers, lap);
    }
    let mut plain = Vec::new();
    for (number, batch) in order.batches.iter().enumerate() {
        grow(&mut plain, batch.plain);
        source.decode(number, batch, &order, &mut plain, lap)?;
        write(job, &order.files[batch.files.clone()], &plain[..batch.plain], batch.from, lap)?;
    }
    source.end()
}

/// One decodes, so many others write.
fn together(job: &Job, order: &Order, source: Source, writers: usize, lap: &mut Lap) -> Result<()> {
    let (to_writers, from_decoder) = sync_channel::<(usize, Vec<u8>)>(WAITING);
    let (back, spare) = sync_channel::<Vec<u8>>(WAITING + writers);
    // It is gone with the last writer, however that ended, and the decoder then waits for nobody.
    let from_decoder = Arc::new(Mutex::new(from_decoder));
    let failed = &AtomicBool::new(false);
    let mut laps = lap.fork(writers + 1);
    let decoders = laps.pop().expect("one lap was forked for it");
    let ended = std::thread::scope(|scope| {
        let named = |name: String| std::thread::Builder::new().name(name);
        let mut started = Vec::new();
        for (number, mut lap) in laps.into_iter().enumerate() {
            let (from_decoder, back) = (from_decoder.clone(), back.clone());
            started.push(named(format!("writer {number}")).spawn_scoped(scope, move || {
                lap.mark(WAIT);
                (write_all(job, order, &from_decoder, &back, failed, &mut lap), lap)
            }));
        }
        drop(from_decoder);
        if started.iter().any(Result::is_err) {
            failed.store(true, Relaxed);
        }
        let mut lap = decoders;
        started.push(named("decoder".to_owned()).spawn_scoped(scope, move || {
            lap.mark(WAIT);
            (decode_all(order, source, &to_writers, &spare, failed, &mut lap), lap)
        }));
        let ended = started.into_iter().map(|thread| {
            thread.context("starting a worker: fewer may fit")?.join().map_err(|_| anyhow!("a worker panicked"))
        });
        ended.collect::<Vec<Result<_>>>()
    });
    let mut first = Ok(());
    let mut laps = Vec::new();
    for one in ended {
        let done = one.map(|(done, lap)| {
            laps.push(lap);
            done
        });
        first = first.and(done.flatten());
    }
    lap.join(laps);
    first
}

/// What the decoder does: batch after batch, until there are no more or somebody failed.
fn decode_all(
    order: &Order,
    mut source: Source,
    writers: &SyncSender<(usize, Vec<u8>)>,
    spare: &Receiver<Vec<u8>>,
    failed: &AtomicBool,
    lap: &mut Lap,
) -> Result<()> {
    for (number, batch) in order.batches.iter().enumerate() {
        let mut plain = spare.try_recv().unwrap_or_default();
        grow(&mut plain, batch.plain);
        lap.mark(WAIT);
        source.decode(number, batch, order, &mut plain, lap).inspect_err(|_| failed.store(true, Relaxed))?;
        // Nobody takes it where all writers failed: they tell.
        if failed.load(Relaxed) || writers.send((number, plain)).is_err() {
            return Ok(());
        }
        lap.mark(WAIT);
    }
    source.end()
}

/// What a writer does: batch after batch, in whatever order they are to be had.
fn write_all(
    job: &Job,
    order: &Order,
    from_decoder: &Mutex<Receiver<(usize, Vec<u8>)>>,
    back: &SyncSender<Vec<u8>>,
    failed: &AtomicBool,
    lap: &mut Lap,
) -> Result<()> {
    loop {
        let next = from_decoder.lock().unwrap_or_else(PoisonError::into_inner).recv();
        lap.mark(WAIT);
        let Ok((number, plain)) = next else { return Ok(()) };
        // The decoder must not wait for room that nobody makes: what is left is taken, and not written.
        if failed.load(Relaxed) {
            continue;
        }
        let batch = &order.batches[number];
        let files = &order.files[batch.files.clone()];
        write(job, files, &plain[..batch.plain], batch.from, lap).inspect_err(|_| failed.store(true, Relaxed))?;
        // A buffer too many is freed.
        let _ = back.try_send(plain);
    }
}

fn write(job: &Job, files: &[u32], plain: &[u8], from: usize, lap: &mut Lap) -> Result<()> {
    files_of(job, files, (plain, from), false, &mut Hold::default(), None, lap)?;
    job.passed(files)
}

/// The packed bytes of the stream, and what unpacks them.
struct Source<'a> {
    job: &'a Job<'a>,
    pack: File,
    decoder: Decoder,
    input: Vec<u8>,
    from: usize,
    to: usize,
    /// The block that is being decoded, what is left of it in the file, and whether it is complete.
    block: Option<usize>,
    left: u64,
    done: bool,
}

impl<'a> Source<'a> {
    fn new(job: &'a Job<'a>, pack: File) -> Result<Source<'a>> {
        let decoder = job.restore.decoding().decoder(None)?;
        Ok(Source { job, pack, decoder, input: vec![0; INPUT], from: 0, to: 0, block: None, left: 0, done: true })
    }

    /// Decodes a batch, which begins where the last one ended. What is damaged is told by the first file from there on.
    fn decode(&mut self, number: usize, batch: &Batch, order: &Order, plain: &mut [u8], lap: &mut Lap) -> Result<()> {
        self.fill(batch, &mut plain[..batch.plain], lap).with_context(|| {
            let files = order.batches[number..].iter().flat_map(|batch| &order.files[batch.files.clone()]);
            files.map(|file| self.job.damaged(self.job.file(*file))).next().unwrap_or_default()
        })
    }

    fn fill(&mut self, batch: &Batch, plain: &mut [u8], lap: &mut Lap) -> Result<()> {
        if self.block != Some(batch.block) {
            self.begin(batch.block)?;
            lap.mark(SETUP);
        }
        let mut filled = 0;
        while filled < plain.len() {
            if self.from == self.to && self.left > 0 {
                self.read()?;
                lap.mark(READ);
            }
            let step = self.decoder.step(&self.input[self.from..self.to], &mut plain[filled..])?;
            self.from += step.consumed;
            filled += step.produced;
            self.done = step.done;
            let stuck = step.consumed + step.produced == 0 && self.from == self.to && self.left == 0;
            ensure!(!stuck && (!step.done || filled == plain.len()), "the stream is cut short");
            lap.mark(DECODE);
        }
        Ok(())
    }

    /// The next block begins where the last one was decoded to its end.
    fn begin(&mut self, block: usize) -> Result<()> {
        self.finish()?;
        let Block { packed, plain, .. } = self.job.catalogue.blocks[block];
        self.decoder.begin(plain as usize)?;
        (self.block, self.left, self.done) = (Some(block), u64::from(packed), false);
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let size = usize::try_from(self.left).unwrap_or(INPUT).min(INPUT);
        self.pack.read_exact(&mut self.input[..size])?;
        self.left -= size as u64;
        (self.from, self.to) = (0, size);
        Ok(())
    }

    /// Reads and decodes what follows the last plain byte of a block: its trailer.
    fn finish(&mut self) -> Result<()> {
        while !self.done {
            if self.from == self.to && self.left > 0 {
                self.read()?;
            }
            let step = self.decoder.step(&self.input[self.from..self.to], &mut [0; 1])?;
            self.from += step.consumed;
            self.done = step.done;
            let stuck = step.consumed == 0 && self.from == self.to && self.left == 0;
            ensure!(step.produced == 0 && (step.done || !stuck), "the stream is longer than its files, or cut short");
        }
        ensure!(self.left == 0 && self.from == self.to, "more follows than the stream holds");
        Ok(())
    }

    /// Every byte was read, and no more are left.
    fn end(mut self) -> Result<()> {
        self.finish().with_context(|| format!("the stream of the store {} is damaged", self.job.ready.store.display()))
    }
}
