//! Shards read back: which are there, what is wrong with each, and every stripe from any of them that suffice.

use crate::format::{Fault, HEAD, Id, Object, Stripe};
use crate::stripe::size;
use crate::target::{Source, Target};
use anyhow::{Context, Result};
use parity::{Code, Family, Repair};
use std::collections::BTreeMap;
use std::io;
use technique::Lap;
use technique::phase::{HASH, REBUILD, SETUP};

/// What was found in one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which shard, if it is one of the object.
    pub index: Option<usize>,
    /// What is wrong with it, in the order in which it was found.
    pub faults: Vec<Fault>,
}

/// More is lost than there is parity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// In which stripe; none where not even enough shards were found.
    pub stripe: Option<u64>,
    /// What is left.
    pub whole: usize,
    /// What it takes; none where no shard says so.
    pub needed: Option<usize>,
    /// Each target and what is wrong there.
    pub wrong: Vec<String>,
}

impl std::fmt::Display for TooFew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.needed, self.stripe) {
            (None, _) => f.write_str("no shard of it was found")?,
            (Some(needed), None) => {
                write!(f, "{} of its shards were found, and it takes {needed}", self.whole)?;
            }
            (Some(needed), Some(stripe)) => {
                write!(f, "{} blocks of stripe {stripe} are whole, and it takes {needed}", self.whole)?;
            }
        }
        for wrong in &self.wrong {
            write!(f, "\n  {wrong}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TooFew {}

/// The shards of an object, open.
pub struct Reader {
    object: Object,
    code: Code,
    /// By shard: the target where it is, and its bytes.
    seats: Vec<Option<(usize, Box<dyn Source>)>>,
    found: Vec<Found>,
    places: Vec<String>,
    repairs: BTreeMap<Vec<bool>, Repair>,
    /// Where the next stripe begins, in each shard.
    offset: u64,
    next: u64,
    frames: Vec<Vec<u8>>,
    made: Vec<Vec<u8>>,
}

/// One stripe's blocks, by shard.
pub struct Blocks<'a> {
    /// Which stripe.
    pub stripe: Stripe,
    /// What was read and is whole.
    pub read: Vec<Option<&'a [u8]>>,
    /// What was asked for and had to be made, in the order of its shards.
    pub made: Vec<(usize, &'a [u8])>,
}

impl<'a> Blocks<'a> {
    /// The block of that shard.
    pub fn of(&self, index: usize) -> Option<&'a [u8]> {
        let made = || self.made.iter().find(|(made, _)| *made == index).map(|(_, block)| *block);
        self.read[index].or_else(made)
    }
}

impl Reader {
    /// Opens what there is of an object: of that id, or of the one that most shards have.
    pub fn open(targets: &[&dyn Target], name: &str, id: Option<Id>) -> Result<Reader> {
        let mut found = Vec::new();
        let mut heads = Vec::new();
        for target in targets {
            let (head, fault) = match look(*target, name) {
                Ok(head) => (Some(head), None),
                Err(fault) => (None, Some(fault)),
            };
            heads.push(head);
            found.push(Found { index: None, faults: fault.into_iter().collect() });
        }
        let places: Vec<String> = targets.iter().map(|target| target.place()).collect();
        let Some(object) = object_of(heads.iter().flatten().map(|(object, _, _)| *object), id) else {
            let wrong = told(&found, &places);
            return Err(TooFew { stripe: None, whole: 0, needed: None, wrong }.into());
        };
        let mut seats: Vec<Option<(usize, Box<dyn Source>)>> = (0..object.shards()).map(|_| None).collect();
        for (at, head) in heads.into_iter().enumerate() {
            let Some((of, index, source)) = head else { continue };
            if of != object {
                found[at].faults.push(Fault::Foreign);
            } else if seats[index].is_some() {
                found[at].faults.push(Fault::Twice(index));
            } else {
                found[at].index = Some(index);
                found[at].faults.extend(wrong_length(&object, source.as_ref()));
                seats[index] = Some((at, source));
            }
        }
        let code = Code::new(object.data.into(), object.parity.into(), Family::Cauchy)?;
        let none = || (0..object.shards()).map(|_| Vec::new()).collect();
        let (frames, made) = (none(), none());
        let reader = Reader {
            object,
            code,
            seats,
            found,
            places,
            repairs: BTreeMap::new(),
            offset: HEAD as u64,
            next: 0,
            frames,
            made,
        };
        let whole = reader.seats.iter().flatten().count();
        if whole < reader.code.data() {
            return Err(reader.too_few(None, whole).into());
        }
        Ok(reader)
    }

    /// What all shards have in common.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// What was found so far, by target.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// What is wrong so far, a line a target.
    pub fn wrong(&self) -> Vec<String> {
        told(&self.found, &self.places)
    }

    /// The next stripe: as many blocks as suffice for the shards `wanted`, or all there are where `every` is set. A
    /// block that is not whole counts as lost, and no other block of its shard does.
    pub fn stripe(&mut self, wanted: &[usize], every: bool, lap: &mut Lap) -> Result<Blocks<'_>> {
        let number = self.next;
        let data = usize::from(self.object.data);
        let most = size(self.object.raw(number).div_ceil(u64::from(self.object.data)))?;
        let mut whole: Vec<Option<Stripe>> = vec![None; self.object.shards()];
        let mut count = 0;
        for (index, whole) in whole.iter_mut().enumerate() {
            if count >= data && !every {
                break;
            }
            *whole = self.block(index, number, most, lap);
            count += usize::from(whole.is_some());
        }
        let Some(stripe) = whole.iter().flatten().next().copied().filter(|_| count >= data) else {
            return Err(self.too_few(Some(number), count).into());
        };
        let block = size(stripe.block(self.object.data))?;
        let lost: Vec<usize> = wanted.iter().copied().filter(|index| whole[*index].is_none()).collect();
        if !lost.is_empty() {
            let present: Vec<bool> = whole.iter().map(Option::is_some).collect();
            if self.repairs.get(&present).is_none_or(|repair| repair.wanted() != lost) {
                self.repairs.insert(present.clone(), self.code.repair(&present, &lost)?);
                lap.mark(SETUP);
            }
            let repair = &self.repairs[&present];
            let sources: Vec<&[u8]> =
                repair.sources().iter().map(|index| &self.frames[*index][HEAD..HEAD + block]).collect();
            for made in &mut self.made[..lost.len()] {
                made.resize(block, 0);
            }
            repair.run(&sources, &mut self.made[..lost.len()])?;
            lap.mark(REBUILD);
        }
        self.offset += (HEAD + block) as u64;
        self.next += 1;
        let frames = &self.frames;
        let read = whole.iter().enumerate().map(|(index, is)| is.map(|_| &frames[index][HEAD..HEAD + block])).collect();
        let made = lost.into_iter().zip(self.made.iter().map(Vec::as_slice)).collect();
        Ok(Blocks { stripe, read, made })
    }

    /// Holds all blocks of the next stripe against each other; what is wrong is found in [`found`](Reader::found).
    pub fn check(&mut self, lap: &mut Lap) -> Result<()> {
        let number = self.next;
        let blocks = self.stripe(&[], true, lap)?;
        let present: Vec<bool> = blocks.read.iter().map(Option::is_some).collect();
        let block: Vec<Option<Vec<u8>>> = blocks.read.iter().map(|block| block.map(<[u8]>::to_vec)).collect();
        let suffice: Vec<usize> = (0..present.len()).filter(|index| present[*index]).take(self.code.data()).collect();
        let others: Vec<usize> =
            (0..present.len()).filter(|index| present[*index] && !suffice.contains(index)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let only: Vec<bool> = (0..present.len()).map(|index| suffice.contains(&index)).collect();
        let repair = self.code.repair(&only, &others)?;
        let sources: Vec<&[u8]> = suffice.iter().filter_map(|index| block[*index].as_deref()).collect();
        let mut made = vec![vec![0; sources[0].len()]; others.len()];
        repair.run(&sources, &mut made)?;
        lap.mark(REBUILD);
        for (index, made) in others.into_iter().zip(made) {
            if block[index].as_deref() != Some(made.as_slice()) {
                self.blame(index, Fault::Apart(number));
            }
        }
        Ok(())
    }

    /// Reads and verifies a shard's block of that stripe.
    fn block(&mut self, index: usize, number: u64, most: usize, lap: &mut Lap) -> Option<Stripe> {
        let (_, source) = self.seats[index].as_ref()?;
        let phase = source.phase();
        let frame = &mut self.frames[index];
        frame.resize(HEAD + most, 0);
        let read = source.read_at(self.offset, frame);
        lap.mark(phase);
        let right = read.map_err(|error| unreadable(&error)).and_then(|read| {
            let head = frame[..read].first_chunk::<HEAD>().ok_or(Fault::Short)?;
            let stripe = self.object.parse_block(index, number, head)?;
            let block = usize::try_from(stripe.block(self.object.data)).unwrap_or(usize::MAX);
            let block = frame[HEAD..read].get(..block).ok_or(Fault::Short)?;
            if self.object.is_whole(head, block) { Ok(stripe) } else { Err(Fault::Block(number)) }
        });
        lap.mark(HASH);
        match right {
            Ok(stripe) => Some(stripe),
            Err(fault) => {
                self.blame(index, fault);
                None
            }
        }
    }

    fn blame(&mut self, index: usize, fault: Fault) {
        if let Some((target, _)) = &self.seats[index] {
            let faults = &mut self.found[*target].faults;
            if faults.last() != Some(&fault) {
                faults.push(fault);
            }
        }
    }

    fn too_few(&self, stripe: Option<u64>, whole: usize) -> TooFew {
        TooFew { stripe, whole, needed: Some(self.code.data()), wrong: self.wrong() }
    }
}

type Head = (Object, usize, Box<dyn Source>);

fn look(target: &dyn Target, name: &str) -> Result<Head, Fault> {
    let source = target.open(name).map_err(|error| unreadable(&error))?.ok_or(Fault::Missing)?;
    let mut head = [0; HEAD];
    let read = source.read_at(0, &mut head).map_err(|error| unreadable(&error))?;
    let (object, index) = Object::parse(&head[..read])?;
    Ok((object, index, source))
}

fn unreadable(error: &io::Error) -> Fault {
    Fault::Unreadable(error.raw_os_error().unwrap_or(5))
}

fn wrong_length(object: &Object, source: &dyn Source) -> Option<Fault> {
    let length = match source.length() {
        Ok(length) => length,
        Err(error) => return Some(unreadable(&error)),
    };
    match length.cmp(&object.shard_bytes()) {
        // What is packed is shorter; where it ends is found when it is read.
        std::cmp::Ordering::Less if !object.packed => Some(Fault::Short),
        std::cmp::Ordering::Greater => Some(Fault::Long),
        _ => None,
    }
}

/// The object of that id, or the one that most heads are of; of several, the one that was met first.
fn object_of(heads: impl Iterator<Item = Object>, id: Option<Id>) -> Option<Object> {
    let mut counts: Vec<(Object, usize)> = Vec::new();
    for object in heads.filter(|object| id.is_none_or(|id| object.id == id)) {
        match counts.iter_mut().find(|(other, _)| *other == object) {
            Some((_, count)) => *count += 1,
            None => counts.push((object, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(object, _)| object)
}

/// At most so many faults of a target are told one by one.
const TOLD: usize = 3;

fn told(found: &[Found], places: &[String]) -> Vec<String> {
    let wrong = found.iter().zip(places).filter(|(found, _)| !found.faults.is_empty());
    wrong
        .map(|(found, place)| {
            let shard = found.index.map_or("its shard".to_owned(), |index| format!("shard {index}"));
            let mut faults: Vec<String> = found.faults.iter().take(TOLD).map(Fault::to_string).collect();
            if found.faults.len() > TOLD {
                faults.push(format!("and has {} more faults", found.faults.len() - TOLD));
            }
            format!("{place}: {shard} {}", faults.join(", "))
        })
        .collect()
}

/// Unpacks a stripe's data where it is packed, else says that there is nothing to do.
pub(crate) fn unpacked(blocks: &Blocks, data: usize, into: &mut Vec<u8>) -> Result<bool> {
    let Stripe { number, raw, stored } = blocks.stripe;
    if raw == stored {
        return Ok(false);
    }
    let mut packed: Vec<u8> = (0..data).filter_map(|index| blocks.of(index)).flatten().copied().collect();
    packed.truncate(size(stored)?);
    let raw = size(raw)?;
    into.resize(raw, 0);
    let made = zstd::bulk::decompress_to_buffer(&packed, into).with_context(|| format!("unpacking stripe {number}"))?;
    anyhow::ensure!(made == raw, "stripe {number} unpacks to {made} bytes instead of {raw}");
    Ok(true)
}
