//! Objects by name in directories and buckets: put whole or not at all, got back, verified, repaired, and swept after a
//! crash.
//!
//! A place holds for each object a shard, `NAME.ID.shard`, and a manifest, `NAME.manifest`, that says which id is the
//! one. While an object is put, each place has a note of it, held by who puts: the shards come first, the manifests
//! last, and then the note goes. A note that nobody holds is of somebody who was killed: where a manifest names its id,
//! the putting is brought to its end, else all of it is removed. So nothing is ever removed of which no note says that
//! it is ours and unfinished, but the shards of an object that was replaced.

mod bucket;
mod manifest;
mod note;
mod shelf;
mod within;

pub use bucket::{gathered, spread};
pub use manifest::Manifest;
pub use within::within;

use crate::budget::Budget;
use crate::format::{Fault, Id};
use crate::get::{self, Watch};
use crate::put::{Plan, Put, Stored, put};
use crate::read::{Reader, TooFew};
use crate::target::Target;
use anyhow::{Context, Result};
use bucket::Holder;
use manifest::{check_name, shard_name};
use note::{Note, UnderWay, sweep};
use shelf::{Shelf, each};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use technique::Lap;

/// Places that hold objects.
pub struct Store {
    shelves: Vec<Box<dyn Shelf>>,
}

/// Why something is not done that could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is one already.
    Exists(String),
    /// There is none.
    NotThere(String),
    /// Somebody else is at it.
    Busy(String),
    /// What was asked makes no sense.
    Nonsense(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Refused::Exists(told) | Refused::NotThere(told) | Refused::Busy(told) | Refused::Nonsense(told)) = self;
        f.write_str(told)
    }
}

impl std::error::Error for Refused {}

/// An object, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What its manifest says.
    pub manifest: Manifest,
    /// By place: what it is called, which shard it has, and what is wrong there.
    pub places: Vec<(String, Option<usize>, Vec<Fault>)>,
    /// Places whose manifest is missing or of another writing.
    pub without_manifest: Vec<String>,
    /// Whether it can be read.
    pub readable: bool,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.readable
            && self.without_manifest.is_empty()
            && self.places.iter().filter(|(_, index, faults)| index.is_some() && faults.is_empty()).count()
                == usize::from(self.manifest.data + self.manifest.parity)
    }
}

impl Store {
    /// The store in these places: directories, which must be there, and buckets. They must differ.
    pub fn open(places: &[PathBuf]) -> Result<Store> {
        let mut shelves: Vec<Box<dyn Shelf>> = Vec::new();
        for place in places {
            let shelf = shelf::open(place)?;
            if shelves.iter().any(|other| other.named() == shelf.named()) {
                let told = format!("{} is named twice: two shards in one place are lost together", place.display());
                return Err(Refused::Nonsense(told).into());
            }
            shelves.push(shelf);
        }
        Ok(Store { shelves })
    }

    /// The memory that its places take besides, while such an object is put.
    pub fn room(&self, plan: &Plan, length: u64) -> u64 {
        let shard = plan.object(Id([0; 16]), length).shard_bytes();
        self.shelves.iter().map(|shelf| shelf.room(shard)).sum()
    }

    /// Puts an object under a name. It is there with all its shards, or not at all.
    pub fn put(
        &self,
        name: &str,
        file: &File,
        plan: &Plan,
        force: bool,
        budget: Option<&Budget>,
        watch: Watch,
    ) -> Result<(Manifest, Stored)> {
        check_name(name)?;
        let shards = usize::from(plan.data + plan.parity);
        if self.shelves.len() != shards {
            let told = format!(
                "{} data and {} parity shards go to {shards} places, and {} are named",
                plan.data,
                plan.parity,
                self.shelves.len()
            );
            return Err(Refused::Nonsense(told).into());
        }
        let (old, unread) = self.manifests(name);
        if let (Some(there), false) = (old.first(), force) {
            let told = format!("there is an object {:?} of {} bytes already", name, there.length);
            return Err(Refused::Exists(told).into());
        }
        // Of a place that does not answer, nobody knows what it holds.
        if let Some(error) = unread.into_iter().nth(plan.spare) {
            return Err(error);
        }
        let length = file.metadata().context("asking for the object's length")?.len();
        let id = drawn()?;
        let object = plan.object(id, length);
        let generation = old.iter().map(|manifest| manifest.generation).max().unwrap_or(0) + 1;
        let manifest = Manifest::new(name, id, generation, (plan.data, plan.parity), length);
        let mut replaces: Vec<String> = old.into_iter().map(|manifest| manifest.id).collect();
        replaces.sort();
        replaces.dedup();
        let note = self.note(&manifest, replaces);
        let under_way = UnderWay::begin(&self.refs(), &note, plan.spare)?;
        let shard = manifest.shard();
        let code = plan.code()?;
        let targets = self.targets();
        let job = Put { file, object, name: &shard, targets: &targets, code: &code, plan, budget, watch };
        let stored = put(&job, &mut Lap::start(false)).and_then(|stored| {
            self.commit(&manifest, plan.durable, plan.spare)?;
            Ok(stored)
        });
        if let Err(error) = stored {
            // Where it cannot even be undone now, the notes stay, and the next run brings it to its end.
            if !self.is_committed(&note) && self.undo(&manifest).is_ok() {
                // What put it off is told, not that a note is left.
                let _ = under_way.end();
            }
            return Err(error);
        }
        self.forget(&note)?;
        under_way.end()?;
        Ok((manifest, stored?))
    }

    /// What is known of an object.
    pub fn find(&self, name: &str) -> Result<Manifest> {
        check_name(name)?;
        Ok(self.newest(name)?.0)
    }

    /// Gets an object into a file that is at its beginning. Gives back what was wrong on the way.
    pub fn get(&self, name: &str, out: &mut File, way: &get::Way, watch: Watch) -> Result<(Manifest, Vec<String>)> {
        check_name(name)?;
        let (manifest, _) = self.newest(name)?;
        let wrong = get::get_by(&self.targets(), &manifest.shard(), way, out, watch, &mut Lap::start(false))?;
        Ok((manifest, wrong))
    }

    /// Looks at every byte of an object.
    pub fn verify(&self, name: &str, watch: Watch) -> Result<Checked> {
        check_name(name)?;
        let (manifest, reader) = self.newest(name)?;
        let of = |reader: &Reader| reader.found().to_vec();
        let mut lap = Lap::start(false);
        let (found, readable) = match get::verify(reader, watch, &mut lap) {
            Ok(checked) => (of(&checked), true),
            // What was found before the stripe that too little is left of.
            Err(error) if error.is::<TooFew>() => {
                let mut reader = self.newest(name)?.1;
                while reader.check(&mut lap).is_ok() {}
                (of(&reader), false)
            }
            Err(error) => return Err(error),
        };
        let found = self.shelves.iter().zip(found);
        let places = found.map(|(shelf, found)| (shelf.place(), found.index, found.faults)).collect();
        let without = each(&self.refs(), |shelf| (!manifest.is_at(shelf)).then(|| shelf.place()));
        Ok(Checked { manifest, places, without_manifest: without.into_iter().flatten().collect(), readable })
    }

    /// Makes again what is wrong with an object and nothing else. Says which shard was made in which place.
    pub fn repair(&self, name: &str, durable: bool, watch: Watch) -> Result<(Manifest, Vec<(usize, String)>)> {
        check_name(name)?;
        let (manifest, reader) = self.newest(name)?;
        let note = self.note(&manifest, Vec::new());
        let under_way = UnderWay::begin(&self.refs(), &note, 0)?;
        let mut lap = Lap::start(false);
        let targets = self.targets();
        let shard = manifest.shard();
        let made = get::verify(reader, watch, &mut lap)
            .and_then(|checked| get::repair(&checked, &targets, &shard, durable, watch, &mut lap));
        if made.is_ok() {
            self.commit(&manifest, durable, 0)?;
        }
        under_way.end()?;
        Ok((manifest, made?.into_iter().map(|(index, at)| (index, self.shelves[at].place())).collect()))
    }

    /// Brings to an end what a killed program left in these places. Says what was done, a line each.
    pub fn sweep(&self) -> Result<Vec<String>> {
        let swept: Result<Vec<Vec<String>>> = each(&self.refs(), sweep).into_iter().collect();
        Ok(swept?.concat())
    }

    fn refs(&self) -> Vec<&dyn Shelf> {
        self.shelves.iter().map(AsRef::as_ref).collect()
    }

    fn targets(&self) -> Vec<&dyn Target> {
        self.shelves.iter().map(|shelf| shelf.as_ref() as &dyn Target).collect()
    }

    fn note(&self, manifest: &Manifest, replaces: Vec<String>) -> Note {
        let dirs = self.shelves.iter().map(|shelf| shelf.named()).collect();
        let (name, id) = (manifest.name.clone(), manifest.id.clone());
        Note { name, id, dirs, replaces, holder: Some(Holder::own()) }
    }

    /// The manifests of that name, the newest first, and why some could not be read.
    fn manifests(&self, name: &str) -> (Vec<Manifest>, Vec<anyhow::Error>) {
        let (mut manifests, mut unread) = (Vec::new(), Vec::new());
        for read in each(&self.refs(), |shelf| Manifest::read(shelf, name)) {
            match read {
                Ok(manifest) => manifests.extend(manifest),
                Err(error) => unread.push(error),
            }
        }
        manifests.sort_by(|a, b| (b.generation, &b.id).cmp(&(a.generation, &a.id)));
        (manifests, unread)
    }

    /// The newest writing of an object of which enough shards are left.
    fn newest(&self, name: &str) -> Result<(Manifest, Reader)> {
        let (mut manifests, unread) = self.manifests(name);
        manifests.dedup();
        let mut told = None;
        let targets = self.targets();
        for manifest in manifests {
            match Reader::open(&targets, &manifest.shard(), Id::parse(&manifest.id)) {
                Ok(reader) => return Ok((manifest, reader)),
                Err(error) => told = told.or(Some(error)),
            }
        }
        let none = || Refused::NotThere(format!("there is no object {name:?}")).into();
        Err(told.or_else(|| unread.into_iter().next()).unwrap_or_else(none))
    }

    /// Puts the manifests in place: from the first one on, the object is there. So many places may fail.
    fn commit(&self, manifest: &Manifest, durable: bool, spare: usize) -> Result<()> {
        let write = |shelf: &dyn Shelf| if manifest.is_at(shelf) { Ok(()) } else { manifest.write(shelf, durable) };
        let mut failed = each(&self.refs(), write).into_iter().filter_map(Result::err);
        failed.nth(spare).map_or(Ok(()), Err)
    }

    fn is_committed(&self, note: &Note) -> bool {
        self.manifests(&note.name).0.iter().any(|manifest| manifest.id == note.id)
    }

    fn undo(&self, manifest: &Manifest) -> Result<()> {
        let shard = manifest.shard();
        each(&self.refs(), |shelf| shelf.remove(&shard)).into_iter().collect()
    }

    /// Removes the shards of what was replaced.
    fn forget(&self, note: &Note) -> Result<()> {
        for old in &note.replaces {
            let shard = shard_name(&note.name, old);
            each(&self.refs(), |shelf| shelf.remove(&shard)).into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }
}

/// An id that nobody had before.
fn drawn() -> Result<Id> {
    let mut id = [0; 16];
    let mut file = File::open("/dev/urandom").context("opening /dev/urandom")?;
    file.read_exact(&mut id).context("reading /dev/urandom")?;
    Ok(Id(id))
}
