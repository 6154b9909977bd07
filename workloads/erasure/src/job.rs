//! Rows: objects put into directories or buckets, and got back from them.

use crate::encode::{Beforehand, Encode};
use crate::format::Id;
use crate::get::{self, get_by};
use crate::put::{self, Plan, Put, Way, put};
use crate::target::{Directory, directories};
use crate::to::{Opened, To};
use crate::{judge, place};
use anyhow::{Context, Result};
use fixtures::tree::{Kind, scan};
use parity::{Carried, Code};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::phase::{CREATE, OPEN, STAT};
use technique::{Absent, Lap, Promise, Promises, Site, Technique};

/// Puts every file of the fixture as an object, with these knobs.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    pub(crate) route: Route,
    pub(crate) block: u64,
    pub(crate) hash: Carried,
    pub(crate) pack: Option<i32>,
    /// Where shards go.
    pub(crate) to: To,
    /// How many targets may be left behind.
    pub(crate) spare: usize,
    /// Whether parity is made before the clock: a stub.
    pub(crate) beforehand: bool,
}

/// Which way an object's bytes take: a knob in a row.
#[derive(Clone, Copy)]
pub(crate) enum Route {
    OneStripe,
    Stripes {
        writers: usize,
    },
    /// A worker for each processor, whole stripes each.
    Workers,
    Memory,
    /// Temporary files beside the targets.
    Temp {
        at_once: bool,
    },
    /// Temporary files where the document's order of places finds room first: memory.
    RamDisk,
    /// In memory up to so many bytes, by temporary files above.
    Hybrid(u64),
    /// In memory where a quarter of what is free suffices, by temporary files else.
    Adaptive,
}

/// Data and parity shards of all rows.
pub(crate) const SHAPE: (u16, u16) = (4, 2);
/// How many threads write where an object is in memory or in temporary files: as many as the document's program has.
const WRITERS: usize = 3;
/// How many stripes are in memory where they are streamed.
const DEPTH: usize = 3;
/// How long the others wait for a target on a bad day, where they need not.
const PATIENCE: Duration = Duration::from_millis(20);

/// An object, its shards' name, and how it is put.
pub(crate) struct Object {
    path: PathBuf,
    name: String,
    length: u64,
    /// Its parity, where that is made before the clock.
    beforehand: Option<Beforehand>,
}

/// Targets, objects, and what makes parity.
pub(crate) struct Ready {
    opened: Opened,
    objects: Vec<Object>,
    code: Code,
    temp: PathBuf,
    temp_bytes: u64,
    workers: usize,
}

impl Store {
    fn plan(&self, way: Way) -> Plan {
        let (data, parity) = SHAPE;
        let Store { block, hash, pack, spare, .. } = *self;
        Plan { data, parity, block, hash, pack, way, spare, patience: PATIENCE, durable: false }
    }

    fn way(&self, length: u64, ready: &Ready) -> Result<Way> {
        let memory = Way::Memory { writers: WRITERS };
        let files = |at_once| Way::Temp { dir: ready.temp.clone(), writers: WRITERS, at_once };
        Ok(match self.route {
            Route::OneStripe => Way::OneStripe,
            Route::Stripes { writers } => Way::Stripes { depth: DEPTH, writers },
            Route::Workers => Way::Workers(ready.workers),
            Route::Memory => memory,
            Route::Temp { at_once } => files(at_once),
            Route::Hybrid(threshold) if length < threshold => memory,
            Route::Adaptive if length < place::available_memory()? / 4 => memory,
            Route::RamDisk | Route::Hybrid(_) | Route::Adaptive => files(false),
        })
    }
}

impl Technique for Store {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let mut objects = objects(site)?;
        let temp = if matches!(self.route, Route::RamDisk) {
            let places = place::Places { use_ramdisk: true, ..place::Places::default() };
            let found = places.find(2 * site.tally.bytes)?;
            if !place::is_memory(&found) {
                return Err(Absent::because("no room in a RAM disk here", "mount a larger /dev/shm"));
            }
            found
        } else {
            let temp = site.target.join(judge::TEMP);
            std::fs::create_dir(&temp).with_context(|| format!("making {}", temp.display()))?;
            temp
        };
        let opened = self.to.open(made(&site.target)?, &site.target)?;
        let plan = self.plan(Way::OneStripe);
        let code = plan.code()?;
        for object in objects.iter_mut().filter(|_| self.beforehand) {
            let file = File::open(&object.path).with_context(|| format!("opening {}", object.path.display()))?;
            let of = plan.object(Id::of(object.name.as_bytes()), object.length);
            object.beforehand = Some(Beforehand::make(&code, &file, &of)?);
        }
        Ok(Ready { opened, objects, code, temp, temp_bytes: 0, workers: put::workers() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let targets = ready.opened.targets();
        for object in &ready.objects {
            let plan = self.plan(self.way(object.length, ready)?);
            lap.mark(STAT);
            let file = File::open(&object.path).with_context(|| format!("opening {}", object.path.display()))?;
            lap.mark(OPEN);
            let job = Put {
                file: &file,
                object: plan.object(Id::of(object.name.as_bytes()), object.length),
                name: &object.name,
                targets: &targets,
                code: object.beforehand.as_ref().map_or(&ready.code as &dyn Encode, |made| made),
                plan: &plan,
                budget: None,
                watch: &|_| true,
            };
            let stored = put(&job, lap).with_context(|| format!("putting {}", object.path.display()))?;
            ready.temp_bytes += stored.temp_bytes;
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        ready.opened.settle()?;
        ready.opened.bring_home()?;
        judge::promise_all_but(self.spare, site)
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with(Promise::Atomic)
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        let mut counted = ready.opened.counted();
        counted.push(("temp_bytes", ready.temp_bytes));
        counted
    }
}

/// Gets every object back into a file.
#[derive(Clone, Copy)]
pub(crate) struct Fetch {
    pub(crate) route: Back,
    /// How many targets are lost, the first ones.
    pub(crate) lost: usize,
    /// Where they come from.
    pub(crate) from: To,
}

/// Which way an object's bytes take back: a knob in a row.
#[derive(Clone, Copy)]
pub(crate) enum Back {
    OneStripe,
    Stripes,
    Memory,
    Temp,
}

/// Where shards are, and where objects go.
pub(crate) struct Stored {
    opened: Opened,
    names: Vec<String>,
    way: get::Way,
    out: PathBuf,
}

impl Technique for Fetch {
    type Ready = Stored;

    fn prepare(&self, site: &Site) -> Result<Stored> {
        let objects = objects(site)?;
        // A server remembers of what it was given more than the bytes, and would have to find it out each time else.
        let (kept, by) = match self.from {
            To::Server { .. } => ("shards-served", self.from),
            _ => ("shards", To::Directories),
        };
        let shards = site.keep(kept, |dir| {
            let (data, parity) = SHAPE;
            let plan = Plan::streamed(data, parity);
            std::fs::create_dir(dir)?;
            let opened = by.open(made(dir)?, dir)?;
            let targets = opened.targets();
            let code = plan.code()?;
            for object in &objects {
                let file = File::open(&object.path).with_context(|| format!("opening {}", object.path.display()))?;
                let of = plan.object(Id::of(object.name.as_bytes()), object.length);
                let (name, plan) = (object.name.as_str(), &plan);
                let job = Put {
                    file: &file,
                    object: of,
                    name,
                    targets: &targets,
                    code: &code,
                    plan,
                    budget: None,
                    watch: &|_| true,
                };
                put(&job, &mut Lap::start(false))?;
            }
            Ok(())
        })?;
        let temp = site.target.join(judge::TEMP);
        let out = site.target.join(judge::OBJECTS);
        for dir in [&temp, &out] {
            std::fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let way = match self.route {
            Back::OneStripe => get::Way::OneStripe,
            Back::Stripes => get::Way::Stripes(DEPTH),
            Back::Memory => get::Way::Memory,
            Back::Temp => get::Way::Temp(temp),
        };
        let left = directories(&shards, shards_of_all()).split_off(self.lost);
        let opened = self.from.open(left, &shards)?;
        opened.send_up()?;
        let names = objects.into_iter().map(|object| object.name).collect();
        Ok(Stored { opened, names, way, out })
    }

    fn work(&self, ready: &mut Stored, lap: &mut Lap) -> Result<()> {
        let targets = ready.opened.targets();
        for name in &ready.names {
            let path = ready.out.join(name);
            let mut out = File::create_new(&path).with_context(|| format!("making {}", path.display()))?;
            lap.mark(CREATE);
            get_by(&targets, name, &ready.way, &mut out, &|_| true, lap).with_context(|| format!("getting {name}"))?;
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Stored, _: &Site) -> Result<()> {
        ready.opened.settle()
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with(Promise::Verified)
    }

    fn counted(&self, ready: &Stored) -> Vec<(&'static str, u64)> {
        ready.opened.counted()
    }
}

/// How many targets there are.
pub(crate) fn shards_of_all() -> usize {
    usize::from(SHAPE.0) + usize::from(SHAPE.1)
}

fn made(below: &Path) -> Result<Vec<Directory>> {
    let targets = directories(below, shards_of_all());
    for target in &targets {
        std::fs::create_dir(&target.0).with_context(|| format!("making {}", target.0.display()))?;
    }
    Ok(targets)
}

/// The fixture's files. Their names may be of any bytes, so that shards are called by number.
fn objects(site: &Site) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for entry in scan(&site.source)? {
        if let Kind::File { len, .. } = entry.kind {
            let name = judge::name(objects.len());
            objects.push(Object { path: site.source.join(entry.path), name, length: len, beforehand: None });
        }
    }
    Ok(objects)
}
