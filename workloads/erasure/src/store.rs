//! Objects by name in directories: put whole or not at all, got back, verified, repaired, and swept after a crash.
//!
//! A directory holds for each object a shard, `NAME.ID.shard`, and a manifest, `NAME.manifest`, that says which id is the
//! one. While an object is put, each directory has a note of it, locked by who puts: the shards come first, the manifests
//! last, and then the note goes. A note that nobody holds a lock on is of somebody who was killed: where a manifest names
//! its id, the putting is brought to its end, else all of it is removed. So nothing is ever removed of which no note says
//! that it is ours and unfinished, but the shards of an object that was replaced.

use crate::budget::Budget;
use crate::format::{Fault, Id, Object};
use crate::get::{self, Watch};
use crate::put::{Plan, Put, Stored, put};
use crate::read::{Reader, TooFew};
use crate::target::{Directory, Target};
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use technique::Lap;

/// The schema of a manifest.
const SCHEMA: &str = "assay.shard/1";

/// Directories that hold objects.
pub struct Store {
    dirs: Vec<Directory>,
}

/// What is known of an object in each directory beside its shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    schema: String,
    /// The object's name.
    pub name: String,
    /// Which writing of it: its shards have it in their heads.
    pub id: String,
    /// How often an object of that name was put.
    pub generation: u64,
    /// Data shards.
    pub data: u16,
    /// Parity shards.
    pub parity: u16,
    /// The object's bytes.
    pub length: u64,
}

/// Who puts what, while they do.
#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    id: String,
    /// All directories that the object goes to.
    dirs: Vec<PathBuf>,
    /// The ids that it replaces.
    replaces: Vec<String>,
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
    /// By directory: its path, which shard it has, and what is wrong there.
    pub places: Vec<(String, Option<usize>, Vec<Fault>)>,
    /// Directories whose manifest is missing or of another writing.
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

/// The longest name: others are made of it.
const LONGEST: usize = 180;

impl Store {
    /// The store in these directories, which must be there and differ.
    pub fn open(dirs: &[PathBuf]) -> Result<Store> {
        let mut whole: Vec<Directory> = Vec::new();
        for dir in dirs {
            let path = fs::canonicalize(dir).ok().filter(|path| path.is_dir());
            let Some(path) = path else {
                return Err(Refused::NotThere(format!("{} is no directory", dir.display())).into());
            };
            if whole.iter().any(|other| other.0 == path) {
                let told = format!("{} is named twice: two shards in one place are lost together", dir.display());
                return Err(Refused::Nonsense(told).into());
            }
            whole.push(Directory(path));
        }
        Ok(Store { dirs: whole })
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
        if self.dirs.len() != shards {
            let told = format!(
                "{} data and {} parity shards go to {shards} directories, and {} are named",
                plan.data,
                plan.parity,
                self.dirs.len()
            );
            return Err(Refused::Nonsense(told).into());
        }
        let old = self.manifests(name);
        if let (Some((_, there)), false) = (old.first(), force) {
            let told = format!("there is an object {:?} of {} bytes already", name, there.length);
            return Err(Refused::Exists(told).into());
        }
        let length = file.metadata().context("asking for the object's length")?.len();
        let id = drawn()?;
        let object = plan.object(id, length);
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            name: name.to_owned(),
            id: id.to_string(),
            generation: old.iter().map(|(_, manifest)| manifest.generation).max().unwrap_or(0) + 1,
            data: plan.data,
            parity: plan.parity,
            length,
        };
        let mut replaces: Vec<String> = old.into_iter().map(|(_, manifest)| manifest.id).collect();
        replaces.sort();
        replaces.dedup();
        let note = Note {
            name: name.to_owned(),
            id: id.to_string(),
            dirs: self.dirs.iter().map(|dir| dir.0.clone()).collect(),
            replaces,
        };
        let under_way = UnderWay::begin(&self.dirs, &note, plan.spare)?;
        let shard = shard_name(name, &manifest.id);
        let code = plan.code()?;
        let targets = self.targets();
        let job = Put { file, object, name: &shard, targets: &targets, code: &code, plan, budget, watch };
        let stored = put(&job, &mut Lap::start(false)).and_then(|stored| {
            self.commit(&manifest, plan.durable, plan.spare)?;
            Ok(stored)
        });
        if let Err(error) = stored {
            if !self.is_committed(&note) {
                self.undo(&note)?;
                under_way.end()?;
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
        let targets = self.targets();
        let shard = shard_name(name, &manifest.id);
        let wrong = get::get_by(&targets, &shard, way, out, watch, &mut Lap::start(false))?;
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
        let places = self.dirs.iter().zip(found).map(|(dir, found)| (dir.place(), found.index, found.faults)).collect();
        let has = |dir: &Directory| read_manifest(&dir.0, name).is_some_and(|other| other == manifest);
        let without_manifest = self.dirs.iter().filter(|dir| !has(dir)).map(Target::place).collect();
        Ok(Checked { manifest, places, without_manifest, readable })
    }

    /// Makes again what is wrong with an object and nothing else. Says which shard was made in which directory.
    pub fn repair(&self, name: &str, durable: bool, watch: Watch) -> Result<(Manifest, Vec<(usize, String)>)> {
        check_name(name)?;
        let (manifest, reader) = self.newest(name)?;
        let note = Note {
            name: name.to_owned(),
            id: manifest.id.clone(),
            dirs: self.dirs.iter().map(|dir| dir.0.clone()).collect(),
            replaces: Vec::new(),
        };
        let under_way = UnderWay::begin(&self.dirs, &note, 0)?;
        let mut lap = Lap::start(false);
        let targets = self.targets();
        let shard = shard_name(name, &manifest.id);
        let made = get::verify(reader, watch, &mut lap)
            .and_then(|checked| get::repair(&checked, &targets, &shard, durable, watch, &mut lap));
        if made.is_ok() {
            self.commit(&manifest, durable, 0)?;
        }
        under_way.end()?;
        Ok((manifest, made?.into_iter().map(|(index, at)| (index, self.dirs[at].place())).collect()))
    }

    /// Brings to an end what a killed program left in these directories. Says what was done, a line each.
    pub fn sweep(&self) -> Result<Vec<String>> {
        let mut told = Vec::new();
        for dir in &self.dirs {
            for entry in fs::read_dir(&dir.0).with_context(|| format!("listing {}", dir.place()))? {
                let path = entry?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                let Some(id) = name.strip_prefix('.').and_then(|name| name.strip_suffix(NOTE)) else { continue };
                if id.rsplit('.').next().and_then(Id::parse).is_none() {
                    continue;
                }
                // Who put it may be done meanwhile.
                let Ok(file) = File::open(&path) else { continue };
                if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                    continue;
                }
                let note: Option<Note> = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
                if let Some(note) = note {
                    told.push(Store::bring_to_an_end(dir, &note)?);
                }
                remove(&path)?;
            }
        }
        Ok(told)
    }

    fn bring_to_an_end(dir: &Directory, note: &Note) -> Result<String> {
        let Note { name, id, dirs, replaces } = note;
        // A shard that was not finished is of no use, whichever way it ends.
        remove(&dir.0.join(Directory::unfinished(&shard_name(name, id))))?;
        remove(&dir.0.join(part_of_manifest(name, id)))?;
        let manifest = dirs.iter().filter_map(|dir| read_manifest(dir, name)).find(|manifest| manifest.id == *id);
        let Some(manifest) = manifest else {
            remove(&dir.0.join(shard_name(name, id)))?;
            return Ok(format!("{}: removed what was left of an unfinished {name:?}", dir.place()));
        };
        if read_manifest(&dir.0, name).is_none_or(|other| other.generation <= manifest.generation) {
            write_manifest(dir, &manifest, false)?;
            for old in replaces {
                remove(&dir.0.join(shard_name(name, old)))?;
            }
        }
        Ok(format!("{}: finished {name:?}, which was all but done", dir.place()))
    }

    fn targets(&self) -> Vec<&dyn Target> {
        self.dirs.iter().map(|dir| dir as &dyn Target).collect()
    }

    /// The manifests of that name, the newest first.
    fn manifests(&self, name: &str) -> Vec<(usize, Manifest)> {
        let read = self.dirs.iter().enumerate().filter_map(|(at, dir)| Some((at, read_manifest(&dir.0, name)?)));
        let mut manifests: Vec<(usize, Manifest)> = read.collect();
        manifests.sort_by(|(_, a), (_, b)| (b.generation, &b.id).cmp(&(a.generation, &a.id)));
        manifests
    }

    /// The newest writing of an object of which enough shards are left.
    fn newest(&self, name: &str) -> Result<(Manifest, Reader)> {
        let mut told = None;
        let targets = self.targets();
        let mut manifests: Vec<Manifest> = self.manifests(name).into_iter().map(|(_, manifest)| manifest).collect();
        manifests.dedup();
        for manifest in manifests {
            let id = Id::parse(&manifest.id);
            match Reader::open(&targets, &shard_name(name, &manifest.id), id) {
                Ok(reader) => return Ok((manifest, reader)),
                Err(error) => told = told.or(Some(error)),
            }
        }
        Err(told.unwrap_or_else(|| Refused::NotThere(format!("there is no object {name:?}")).into()))
    }

    /// Puts the manifests in place: from the first one on, the object is there. So many directories may fail.
    fn commit(&self, manifest: &Manifest, durable: bool, spare: usize) -> Result<()> {
        let has = |dir: &Directory| read_manifest(&dir.0, &manifest.name).is_some_and(|other| other == *manifest);
        let write = |dir| write_manifest(dir, manifest, durable).err();
        let mut failed = self.dirs.iter().filter(|dir| !has(dir)).filter_map(write);
        failed.nth(spare).map_or(Ok(()), Err)
    }

    fn is_committed(&self, note: &Note) -> bool {
        self.manifests(&note.name).iter().any(|(_, manifest)| manifest.id == note.id)
    }

    fn undo(&self, note: &Note) -> Result<()> {
        self.targets().iter().try_for_each(|target| target.remove(&shard_name(&note.name, &note.id)))
    }

    /// Removes the shards of what was replaced.
    fn forget(&self, note: &Note) -> Result<()> {
        for old in &note.replaces {
            for target in self.targets() {
                target.remove(&shard_name(&note.name, old))?;
            }
        }
        Ok(())
    }
}

/// Notes in all directories, locked while this lives.
struct UnderWay {
    notes: Vec<(PathBuf, File)>,
}

impl UnderWay {
    /// Notes in all of them; so many may refuse.
    fn begin(dirs: &[Directory], note: &Note, spare: usize) -> Result<UnderWay> {
        let mut under_way = UnderWay { notes: Vec::new() };
        let mut refused = 0;
        for dir in dirs {
            let noted = under_way.note(dir, note).and_then(|()| match busy(&dir.0, note)? {
                None => Ok(()),
                Some(who) => {
                    let told = format!("{:?} is being written by another program: {}", note.name, who.display());
                    Err(Refused::Busy(told).into())
                }
            });
            let Err(error) = noted else { continue };
            refused += 1;
            if refused > spare || error.is::<Refused>() {
                under_way.end()?;
                return Err(error);
            }
        }
        Ok(under_way)
    }

    fn note(&mut self, dir: &Directory, note: &Note) -> Result<()> {
        let path = dir.0.join(format!(".{}.{}{NOTE}", note.name, note.id));
        let told = || format!("writing {}", path.display());
        let mut file = File::create_new(&path).with_context(told)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).with_context(told)?;
        self.notes.push((path.clone(), file.try_clone().with_context(told)?));
        file.write_all(&serde_json::to_vec(note)?).with_context(told)
    }

    fn end(self) -> Result<()> {
        self.notes.iter().try_for_each(|(path, _)| remove(path))
    }
}

/// How the name of a note ends.
const NOTE: &str = ".unfinished";

/// Another note for the same name that somebody holds.
fn busy(dir: &Path, own: &Note) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of = name.strip_prefix('.').and_then(|name| name.strip_suffix(NOTE)).and_then(|name| name.rsplit_once('.'));
        if of.is_some_and(|(name, id)| name == own.name && id != own.id)
            && let Ok(file) = File::open(&path)
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn check_name(name: &str) -> Result<()> {
    let why = match name {
        "" => "is empty",
        name if name.starts_with('.') => "begins with a dot",
        name if name.contains(['/', '\0', '\n']) => "has a slash, a line's end or a zero in it",
        name if name.len() > LONGEST => "is too long",
        _ => return Ok(()),
    };
    Err(Refused::Nonsense(format!("{name:?} is no name for an object: it {why}")).into())
}

fn shard_name(name: &str, id: &str) -> String {
    format!("{name}.{id}.shard")
}

fn part_of_manifest(name: &str, id: &str) -> String {
    format!(".{name}.{id}.manifest.part")
}

fn manifest_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.manifest"))
}

/// What is no manifest counts as none: shards say of themselves all that reading them needs.
fn read_manifest(dir: &Path, name: &str) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(manifest_path(dir, name)).ok()?).ok()?;
    let right = manifest.schema == SCHEMA && manifest.name == name && Id::parse(&manifest.id).is_some();
    right.then_some(manifest)
}

fn write_manifest(dir: &Directory, manifest: &Manifest, durable: bool) -> Result<()> {
    let part = dir.0.join(part_of_manifest(&manifest.name, &manifest.id));
    let path = manifest_path(&dir.0, &manifest.name);
    let told = || format!("writing {}", path.display());
    let mut file = File::create(&part).with_context(told)?;
    file.write_all(serde_json::to_string_pretty(manifest)?.as_bytes()).with_context(told)?;
    if durable {
        file.sync_all().with_context(told)?;
    }
    fs::rename(&part, &path).with_context(told)?;
    if durable {
        File::open(&dir.0).and_then(|dir| dir.sync_all()).with_context(told)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// An id that nobody had before.
fn drawn() -> Result<Id> {
    let mut id = [0; 16];
    let mut file = File::open("/dev/urandom").context("opening /dev/urandom")?;
    io::Read::read_exact(&mut file, &mut id).context("reading /dev/urandom")?;
    Ok(Id(id))
}

/// The same plan within so many bytes of memory: fewer stripes in flight, then shorter blocks.
pub fn within(plan: &Plan, length: u64, most: u64) -> Result<Plan> {
    use crate::put::Way;
    let mut fitting = plan.clone();
    let needs = |plan: &Plan| plan.memory(&Object { ..plan.object(Id([0; 16]), length) });
    if let Way::Stripes { depth, writers } = plan.way {
        let fits = |depth: &usize| {
            let way = Way::Stripes { depth: *depth, writers };
            needs(&Plan { way, ..plan.clone() }) <= most
        };
        fitting.way = match (2..=depth).rev().find(fits) {
            Some(depth) => Way::Stripes { depth, writers },
            None => Way::OneStripe,
        };
    }
    while needs(&fitting) > most && fitting.block > 4 << 10 && !matches!(fitting.way, Way::Memory { .. }) {
        fitting.block /= 2;
    }
    let needed = needs(&fitting);
    if needed > most {
        let told = format!("it takes {needed} bytes of memory, and at most {most} may be used");
        return Err(Refused::Nonsense(told).into());
    }
    Ok(fitting)
}
