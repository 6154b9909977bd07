//! An object on its way back, and shards made again.

use crate::format::Object;
use crate::place::{self, BACK};
use crate::put::Stopped;
use crate::read::{Blocks, Reader, TooFew, unpacked};
use crate::stripe::size;
use crate::target::{Memory, Sink, Target};
use crate::temp::Temporary;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{IoSlice, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};
use technique::Lap;
use technique::phase::{COPY, CREATE, DECODE, OPEN, SETUP, UNLINK, WAIT, WRITE};

/// Which way the bytes take back.
#[derive(Clone, Debug)]
pub enum Way {
    /// A stripe at a time, in the memory of one.
    OneStripe,
    /// While a stripe is written, the next ones are read; so many are in memory.
    Stripes(usize),
    /// All shards into memory, all of the object in memory, and then written.
    Memory,
    /// All shards into temporary files there, and the object made from these.
    Temp(PathBuf),
}

/// Told how many bytes are done; says whether to go on.
pub type Watch<'a> = &'a (dyn Fn(u64) -> bool + Sync);

/// Gets an object into a file that is at its beginning, from shards where they are. Gives back what was wrong on the way.
pub fn get(reader: Reader, way: &Way, out: &mut File, watch: Watch, lap: &mut Lap) -> Result<Vec<String>> {
    match way {
        Way::OneStripe => one_by_one(reader, out, watch, lap),
        Way::Stripes(depth) => pipelined(reader, *depth, out, watch, lap),
        Way::Memory | Way::Temp(_) => in_memory(reader, out, watch, lap),
    }
}

/// Gets an object whichever way, from targets whose shards are not open yet: some ways copy them first.
pub fn get_by(
    targets: &[&dyn Target],
    name: &str,
    way: &Way,
    out: &mut File,
    watch: Watch,
    lap: &mut Lap,
) -> Result<Vec<String>> {
    if let Way::OneStripe | Way::Stripes(_) = way {
        let reader = Reader::open(targets, name, None)?;
        lap.mark(OPEN);
        return get(reader, way, out, watch, lap);
    }
    let needed = usize::from(Reader::open(targets, name, None)?.object().data);
    lap.mark(OPEN);
    let got = copied(targets, name, needed, way, out, watch, lap);
    match got {
        // As many as would suffice were not all whole: the others are copied too.
        Err(error) if error.is::<TooFew>() => {
            out.set_len(0).and_then(|()| out.rewind()).context("beginning the object again")?;
            copied(targets, name, targets.len(), way, out, watch, lap)
        }
        got => got,
    }
}

fn copied(
    targets: &[&dyn Target],
    name: &str,
    needed: usize,
    way: &Way,
    out: &mut File,
    watch: Watch,
    lap: &mut Lap,
) -> Result<Vec<String>> {
    let Way::Temp(dir) = way else {
        let copies: Vec<Memory> = targets.iter().map(|_| Memory::default()).collect();
        let copies = copy(targets, name, needed, &copies, watch, lap)?;
        return in_memory(Reader::open(&copies, name, None)?, out, watch, lap);
    };
    let temp = Emptied::make(dir, targets.len())?;
    lap.mark(CREATE);
    let copies = copy(targets, name, needed, &temp.copies, watch, lap)?;
    let got = one_by_one(Reader::open(&copies, name, None)?, out, watch, lap)?;
    drop(temp);
    lap.mark(UNLINK);
    Ok(got)
}

/// The bytes that are copied at once.
const PIECE: usize = 256 << 10;

/// Copies so many of the shards that are there; says where they are now.
fn copy<'a, T: Target>(
    from: &[&dyn Target],
    name: &str,
    needed: usize,
    to: &'a [T],
    watch: Watch,
    lap: &mut Lap,
) -> Result<Vec<&'a dyn Target>> {
    let mut buffer = vec![0; PIECE];
    let mut copies: Vec<&dyn Target> = Vec::new();
    for (target, to) in from.iter().zip(to) {
        let copying = || format!("copying a shard from {}", target.place());
        let Some(source) = target.open(name).with_context(copying)? else { continue };
        let mut sink: Box<dyn Sink> = to.create(name)?;
        lap.mark(OPEN);
        let mut offset = 0;
        loop {
            let read = source.read_at(offset, &mut buffer).with_context(copying)?;
            lap.mark(source.phase());
            sink.write(&buffer[..read], &[]).with_context(copying)?;
            lap.mark(sink.phases().0);
            offset += read as u64;
            // Nothing of the object is there before all is copied.
            if !watch(0) {
                return Err(Stopped.into());
            }
            if read < PIECE {
                break;
            }
        }
        sink.finish(false)?;
        copies.push(to);
        if copies.len() == needed {
            break;
        }
    }
    Ok(copies)
}

fn one_by_one(mut reader: Reader, out: &mut File, watch: Watch, lap: &mut Lap) -> Result<Vec<String>> {
    let object = *reader.object();
    let wanted: Vec<usize> = (0..usize::from(object.data)).collect();
    let mut plain = Vec::new();
    for number in 0..object.stripes() {
        let blocks = reader.stripe(&wanted, false, lap)?;
        let plain = unpacked(&blocks, wanted.len(), &mut plain)?.then_some(plain.as_slice());
        lap.mark(DECODE);
        write(&object, &blocks, plain, out)?;
        lap.mark(WRITE);
        go_on(&object, number, watch)?;
    }
    Ok(reader.wrong())
}

fn go_on(object: &Object, number: u64, watch: Watch) -> Result<()> {
    let done = number * object.stripe() + object.raw(number);
    if watch(done) { Ok(()) } else { Err(Stopped.into()) }
}

/// Writes a stripe's data, without what fills its last block.
fn write(object: &Object, blocks: &Blocks, plain: Option<&[u8]>, out: &mut File) -> Result<()> {
    if let Some(plain) = plain {
        return out.write_all(plain).context("writing the object");
    }
    let mut left = size(blocks.stripe.raw)?;
    let mut slices: Vec<IoSlice> = Vec::with_capacity(usize::from(object.data));
    for index in 0..usize::from(object.data) {
        let block = blocks.of(index).context("a data block was not made")?;
        let taken = left.min(block.len());
        slices.push(IoSlice::new(&block[..taken]));
        left -= taken;
    }
    let mut slices = slices.as_mut_slice();
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = out.write_vectored(slices).context("writing the object")?;
        anyhow::ensure!(written > 0, "writing the object: the place takes no more");
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}

/// Puts a stripe's data in one piece of memory.
pub(crate) fn gather(object: &Object, blocks: &Blocks, into: &mut Vec<u8>) -> Result<()> {
    if unpacked(blocks, usize::from(object.data), into)? {
        return Ok(());
    }
    into.clear();
    for index in 0..usize::from(object.data) {
        into.extend_from_slice(blocks.of(index).context("a data block was not made")?);
    }
    into.truncate(size(blocks.stripe.raw)?);
    Ok(())
}

fn pipelined(mut reader: Reader, depth: usize, out: &mut File, watch: Watch, lap: &mut Lap) -> Result<Vec<String>> {
    let object = *reader.object();
    if object.stripes() < 2 {
        return one_by_one(reader, out, watch, lap);
    }
    let wanted: Vec<usize> = (0..usize::from(object.data)).collect();
    let (hand, stripes) = sync_channel::<Vec<u8>>(depth.max(1));
    let (back, free) = channel();
    for _ in 0..depth.max(1) {
        back.send(Vec::new()).expect("its other end is here");
    }
    let mut laps = lap.fork(2);
    let mut theirs = laps.remove(1);
    let own = &mut laps[0];
    let (read, written, wrong) = std::thread::scope(|scope| {
        let theirs = &mut theirs;
        let wanted = &wanted;
        let reading = scope.spawn(move || {
            let lap = theirs;
            let read = (0..object.stripes()).try_for_each(|_| {
                let Ok(mut plain) = free.recv() else { return Ok(()) };
                lap.mark(WAIT);
                let blocks = reader.stripe(wanted, false, lap)?;
                gather(&object, &blocks, &mut plain)?;
                lap.mark(COPY);
                // Where nobody takes it, writing has failed, and tells why.
                let _ = hand.send(plain);
                anyhow::Ok(())
            });
            drop(hand);
            (read, reader.wrong())
        });
        let mut written = Ok(());
        for (number, plain) in (0..).zip(stripes) {
            own.mark(WAIT);
            written = out.write_all(&plain).context("writing the object").and_then(|()| go_on(&object, number, watch));
            own.mark(WRITE);
            if written.is_err() {
                break;
            }
            // The reader may be done already.
            let _ = back.send(plain);
        }
        drop(back);
        let (read, wrong) = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (read, written, wrong)
    });
    laps.push(theirs);
    lap.join(laps);
    written?;
    read?;
    Ok(wrong)
}

fn in_memory(mut reader: Reader, out: &mut File, watch: Watch, lap: &mut Lap) -> Result<Vec<String>> {
    let object = *reader.object();
    let wanted: Vec<usize> = (0..usize::from(object.data)).collect();
    let mut all = Vec::with_capacity(size(object.length)?);
    let mut plain = Vec::new();
    lap.mark(SETUP);
    for number in 0..object.stripes() {
        let blocks = reader.stripe(&wanted, false, lap)?;
        gather(&object, &blocks, &mut plain)?;
        all.extend_from_slice(&plain);
        lap.mark(COPY);
        go_on(&object, number, watch)?;
    }
    out.write_all(&all).context("writing the object")?;
    lap.mark(WRITE);
    Ok(reader.wrong())
}

/// Looks at every byte of every shard. Gives back the reader, which knows what is wrong.
pub fn verify(mut reader: Reader, watch: Watch, lap: &mut Lap) -> Result<Reader> {
    for number in 0..reader.object().stripes() {
        reader.check(lap)?;
        go_on(reader.object(), number, watch)?;
    }
    Ok(reader)
}

/// Makes the shards again that are not what they should be, each in the target where it was, or in one that has none.
/// `checked` is what [`verify`] gave back. Says which shard was made in which target.
pub fn repair(
    checked: &Reader,
    targets: &[&dyn Target],
    name: &str,
    durable: bool,
    watch: Watch,
    lap: &mut Lap,
) -> Result<Vec<(usize, usize)>> {
    let object = *checked.object();
    let found = checked.found();
    let mut free: Vec<usize> = (0..targets.len()).filter(|at| found[*at].index.is_none()).collect();
    let mut wanted = Vec::new();
    for index in 0..object.shards() {
        match found.iter().position(|found| found.index == Some(index)) {
            Some(at) if found[at].faults.is_empty() => {}
            Some(at) => wanted.push((index, at)),
            // The target of its own number, where that is free.
            None if free.contains(&index) => {
                free.retain(|at| *at != index);
                wanted.push((index, index));
            }
            None if !free.is_empty() => wanted.push((index, free.remove(0))),
            None => anyhow::bail!("shard {index} is lost, and no target is left for it: name one more directory"),
        }
    }
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let mut reader = Reader::open(targets, name, Some(object.id))?;
    let mut sinks = Vec::new();
    for (index, at) in &wanted {
        let mut sink = targets[*at].create(name)?;
        sink.write(&object.head(*index), &[]).with_context(|| format!("writing to {}", targets[*at].place()))?;
        sinks.push(sink);
    }
    lap.mark(CREATE);
    let indexes: Vec<usize> = wanted.iter().map(|(index, _)| *index).collect();
    for number in 0..object.stripes() {
        let blocks = reader.stripe(&indexes, false, lap)?;
        for (sink, (index, at)) in sinks.iter_mut().zip(&wanted) {
            let block = blocks.of(*index).context("a block was not made")?;
            let head = object.block_head(*index, blocks.stripe, block);
            sink.write(&head, block).with_context(|| format!("writing to {}", targets[*at].place()))?;
            lap.mark(sink.phases().0);
        }
        go_on(&object, number, watch)?;
    }
    for sink in sinks {
        sink.finish(durable)?;
    }
    Ok(wanted)
}

/// A directory for temporary shards, with one below it for each target, removed when dropped.
struct Emptied {
    dir: PathBuf,
    copies: Vec<Temporary>,
    _held: Option<File>,
}

impl Emptied {
    fn make(below: &Path, count: usize) -> Result<Emptied> {
        let (dir, held) = place::make(below, BACK)?;
        let copies = crate::target::directories(&dir, count).into_iter().map(Temporary).collect();
        let emptied = Emptied { dir, copies, _held: held };
        for Temporary(copy) in &emptied.copies {
            std::fs::create_dir(&copy.0).with_context(|| format!("making {}", copy.0.display()))?;
        }
        Ok(emptied)
    }
}

impl Drop for Emptied {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next sweep.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
