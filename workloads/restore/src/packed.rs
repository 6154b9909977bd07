//! Restore from a pack: workers decode block after block, and make the files whose contents stand in it.

use crate::catalogue::{Block, Content};
use crate::job::{Hold, Job};
use crate::knobs::Ahead;
use crate::loose::grow;
use crate::store::PACK;
use anyhow::{Context, Result, anyhow, ensure};
use codecs::{Codec, Decoder};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use syscalls::Ring;
use technique::Lap;
use technique::phase::{CATALOGUE, DECODE, READ, SETUP};

/// What one worker does at once: a block of small contents, or one content that is larger than a block.
pub(crate) struct Unit {
    /// The blocks.
    pub(crate) blocks: Range<usize>,
    /// The files, sorted by content, as a range of the pack's order.
    pub(crate) files: Range<usize>,
    plain: u64,
}

/// The files that are written in the order of the pack, and where each unit of them begins and ends.
pub(crate) struct Order {
    pub(crate) files: Vec<u32>,
    pub(crate) units: Vec<Unit>,
}

impl Order {
    pub(crate) fn of(job_files: &[u32], content_of: impl Fn(u32) -> (u32, Content), blocks: &[Block]) -> Order {
        let mut files = job_files.to_vec();
        // Contents are numbered as they stand in the pack; files of one content stay in the order of the catalogue.
        files.sort_by_key(|file| content_of(*file).0);
        let mut units: Vec<Unit> = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let (_, content) = content_of(*file);
            let first = content.block as usize;
            match units.last_mut() {
                Some(unit) if unit.blocks.start == first => unit.files.end = at + 1,
                _ => {
                    let mut last = first;
                    let mut plain = u64::from(blocks[first].plain);
                    while content.offset == 0 && plain < content.len {
                        last += 1;
                        plain += u64::from(blocks[last].plain);
                    }
                    units.push(Unit { blocks: first..last + 1, files: at..at + 1, plain });
                }
            }
        }
        // What is long is begun first, so that nobody waits for it at the end.
        units.sort_by_key(|unit| std::cmp::Reverse(if unit.blocks.len() > 1 { unit.plain } else { 0 }));
        Order { files, units }
    }
}

struct Worker {
    decoder: Decoder,
    hold: Hold,
    input: Vec<u8>,
    plain: Vec<u8>,
    ring: Option<Ring>,
}

/// Restores every written file; workers take block after block.
pub(crate) fn restore(job: &Job, lap: &mut Lap) -> Result<()> {
    let path = job.ready.store.join(PACK);
    let pack = File::open(&path).with_context(|| format!("opening the pack {}", path.display()))?;
    if job.restore.ahead == Ahead::All {
        fadvise(&pack, 0, None, Advice::WillNeed).with_context(|| format!("asking for {}", path.display()))?;
    }
    let of = |file: u32| (job.file(file).content, *job.content(job.file(file)));
    let order = Order::of(&job.plan.written, of, &job.catalogue.blocks);
    lap.mark(CATALOGUE);
    job.ready.spread.each(
        &order.units,
        |unit| unit.plain,
        lap,
        || {
            let decoder = job.restore.decoding().decoder(job.dictionary)?;
            let ring = job.ring()?;
            Ok(Worker { decoder, hold: Hold::default(), input: Vec::new(), plain: Vec::new(), ring })
        },
        |worker, unit, lap| {
            worker.hold = Hold::default();
            let files = &order.files[unit.files.clone()];
            if unit.blocks.len() == 1 {
                worker.many(job, &pack, unit.blocks.start, files, lap)?;
            } else {
                files.iter().try_for_each(|file| worker.one(job, &pack, unit.blocks.clone(), *file, lap))?;
            }
            job.passed(files)
        },
    )
}

impl Worker {
    /// Reads and decodes one block into the worker's buffer. True where what was read is what was packed, as its seal
    /// says: then so is what comes out of it.
    fn decode(&mut self, job: &Job, pack: &File, block: usize, lap: &mut Lap) -> Result<bool> {
        let Block { at, packed, plain } = job.catalogue.blocks[block];
        let (packed, plain) = (packed as usize, plain as usize);
        grow(&mut self.plain, plain);
        if job.restore.codec == Codec::Plain && !job.restore.leaves_out(DECODE) {
            // Nothing to decode: read to where it is needed.
            ensure!(packed == plain, "a block that is not packed has {packed} bytes, should have {plain}");
            pack.read_exact_at(&mut self.plain[..plain], at).context("reading the pack")?;
            lap.mark(READ);
            return Ok(job.is_sealed(block, &self.plain[..plain], lap));
        }
        grow(&mut self.input, packed);
        pack.read_exact_at(&mut self.input[..packed], at).context("reading the pack")?;
        lap.mark(READ);
        let sealed = job.is_sealed(block, &self.input[..packed], lap);
        self.decoder.refresh()?;
        lap.mark(SETUP);
        if !job.restore.leaves_out(DECODE) {
            self.decoder.decode(&self.input[..packed], &mut self.plain[..plain])?;
            lap.mark(DECODE);
        }
        Ok(sealed)
    }

    /// The bytes of the block that was decoded last.
    fn bytes<'s>(&'s self, job: &'s Job, block: usize) -> &'s [u8] {
        job.unpacked(block).unwrap_or(&self.plain[..job.catalogue.blocks[block].plain as usize])
    }

    /// The files of a block of small contents; each content is verified once, before any of its files is made.
    fn many(&mut self, job: &Job, pack: &File, block: usize, files: &[u32], lap: &mut Lap) -> Result<()> {
        let verified = self.decode(job, pack, block, lap).with_context(|| job.damaged(job.file(files[0])))?;
        let mut hold = std::mem::take(&mut self.hold);
        let mut ring = self.ring.take();
        let bytes = self.bytes(job, block);
        if job.has_seals() && !verified {
            return Err(blame(job, files, bytes, lap));
        }
        files_of(job, files, (bytes, 0), verified, &mut hold, ring.as_mut(), lap)?;
        (self.hold, self.ring) = (hold, ring);
        Ok(())
    }

    /// A file that fills several blocks: decoded piece by piece into a buffer that stays in the cache. The hash is
    /// known before the file is finished; the sink removes what does not fit.
    fn one(&mut self, job: &Job, pack: &File, blocks: Range<usize>, file: u32, lap: &mut Lap) -> Result<()> {
        let file = job.file(file);
        let content = job.content(file);
        let attributes = job.attributes(file);
        let mut hold = std::mem::take(&mut self.hold);
        let place = job.place(file, &mut hold, lap)?;
        let mut sink = job.begin(place, &attributes, lap)?;
        let has_seals = job.has_seals();
        let mut verifying = job.verifying();
        for block in blocks {
            let sealed = self.decode(job, pack, block, lap).with_context(|| job.damaged(file))?;
            let bytes = self.bytes(job, block);
            if has_seals {
                ensure!(sealed, "{}", job.damaged(file));
            } else {
                verifying.update(bytes, lap);
            }
            job.write(&mut sink, bytes, lap)?;
        }
        ensure!(has_seals || verifying.fits(content, lap), "{}", job.damaged(file));
        sink.finish(lap)?;
        self.hold = hold;
        Ok(())
    }
}

/// What is told of a block that is not what was packed: the file whose contents do not fit their hash, or the first where
/// all do, since a bit was flipped that this decoder does not look at. Nothing is made of such a block.
fn blame(job: &Job, files: &[u32], plain: &[u8], lap: &mut Lap) -> anyhow::Error {
    let misfit = files.iter().find_map(|file| {
        let file = job.file(*file);
        let content = job.content(file);
        let from = content.offset as usize;
        let held = usize::try_from(content.len).ok().and_then(|len| plain.get(from..from + len));
        held.map_or_else(|| Some(anyhow!(job.damaged(file))), |held| job.verify(file, held, lap).err())
    });
    misfit.unwrap_or_else(|| anyhow!(job.damaged(job.file(files[0]))))
}

/// Makes the files of contents that stand side by side in memory; `from` is where in their block the memory begins.
/// Each content is verified once, before any of its files is made, unless all of them are verified already.
pub(crate) fn files_of(
    job: &Job,
    files: &[u32],
    (plain, from): (&[u8], usize),
    verified: bool,
    hold: &mut Hold,
    ring: Option<&mut Ring>,
    lap: &mut Lap,
) -> Result<()> {
    let bytes_of = |at: u32| {
        let content = job.content(job.file(at));
        let begin = content.offset as usize - from;
        &plain[begin..begin + usize::try_from(content.len).expect("its block is in memory")]
    };
    let mut last = u32::MAX;
    for at in files {
        let file = job.file(*at);
        if !verified && last != file.content {
            job.verify(file, bytes_of(*at), lap)?;
            last = file.content;
        }
        if ring.is_none() {
            job.make(*at, bytes_of(*at), hold, lap)?;
        }
    }
    match ring {
        Some(ring) => job.make_by_ring(ring, files.iter().map(|at| (*at, bytes_of(*at))), hold, lap),
        None => Ok(()),
    }
}
