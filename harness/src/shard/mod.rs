//! `assay shard`: a file of the user's put into directories as data and parity shards, and got back from them.

pub mod settings;

use crate::cli::Said;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::say::say;
use crate::signals;
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use erasure::get;
use erasure::place::{Places, sweep};
use erasure::put::{Plan, Stopped, Way};
use erasure::read::TooFew;
use erasure::store::{Checked, Manifest, Refused, Store, within};
use parity::Carried;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};
use serde_json::{Value, json};
use settings::{Settings, parse_size};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is done with an object.
#[derive(Subcommand)]
pub enum ShardCommand {
    /// Cut a file into data and parity shards, one for each directory
    Put(PutArgs),
    /// Make the file again, from any of its shards that suffice
    Get(GetArgs),
    /// Look at every byte of every shard, and name what is wrong
    Verify(Of),
    /// Make again what is lost or damaged, and nothing else
    Repair(Of),
}

/// What to put, where, and how.
#[derive(Args)]
pub struct PutArgs {
    /// The file
    file: PathBuf,
    /// A directory for each shard, on as many disks as you have
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    to: Vec<PathBuf>,
    /// Its name there [default: the file's own]
    #[arg(long)]
    name: Option<String>,
    /// Data shards: so many suffice to get the file back
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=255))]
    k: u16,
    /// Parity shards: so many may be lost
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=255))]
    m: u16,
    /// Replace an object of that name
    #[arg(long)]
    force: bool,
    /// Be content where so many shards are stored [default: all]
    #[arg(long, value_name = "N")]
    quorum: Option<u16>,
    /// Leave a directory behind that keeps the others waiting for so long, where --quorum allows it
    #[arg(long, value_name = "TIME", value_parser = crate::pace::parse_duration, default_value = "5s")]
    patience: Duration,
    /// Which way the bytes take. hybrid: in memory up to `memory_threshold`, by temporary files above
    #[arg(long, value_enum, default_value_t = By::Stream)]
    by: By,
    /// Bytes of a block; a stripe is as many of them as there are data shards
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "256KiB")]
    block: u64,
    /// What each block carries, so that rot is found
    #[arg(long, value_enum, default_value_t = HashName::Blake3)]
    hash: HashName,
    /// Pack stripes by zstd at this level, where that pays
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(1..=19))]
    pack: Option<i32>,
    /// Do not wait until the disks have it: a power cut may then take it away
    #[arg(long)]
    no_sync: bool,
    /// A YAML file with `performance:` and below it `memory_threshold`, `temp_directory`, `use_ramdisk`,
    /// `pipeline_uploads`, `max_memory_usage`; `ZSTORE_MEMORY_THRESHOLD`, `ZSTORE_TEMP_DIR` and `ZSTORE_USE_RAMDISK`
    /// have the last word
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What to get, and where to.
#[derive(Args)]
pub struct GetArgs {
    #[command(flatten)]
    of: Of,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace that file
    #[arg(long)]
    force: bool,
}

/// Which object, and where.
#[derive(Args)]
pub struct Of {
    /// The object's name
    name: String,
    /// The directories that hold its shards, in any order
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    from: Vec<PathBuf>,
}

/// Which way the bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Stream,
    Memory,
    Temp,
    Hybrid,
}

/// A hash by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HashName {
    Blake3,
    Crc32c,
    Xxh3,
    Sha256,
}

fn size(text: &str) -> Result<u64, String> {
    let fits = parse_size(text).filter(|size| (1..=1 << 30).contains(size));
    fits.ok_or_else(|| format!("{text:?} is no size from 1 byte to 1GiB; write 256KiB"))
}

/// Runs one of them.
pub fn shard(command: &ShardCommand, telling: Telling) -> Result<Said> {
    signals::listen_saying("\nstopping; what is unfinished is removed\n")?;
    let said = match command {
        ShardCommand::Put(arguments) => put(arguments, telling),
        ShardCommand::Get(arguments) => get(arguments, telling),
        ShardCommand::Verify(of) => verify(of, telling),
        ShardCommand::Repair(of) => repair(of, telling),
    };
    said.map_err(refuse)
}

/// The exit code that tells scripts what happened.
fn refuse(error: anyhow::Error) -> anyhow::Error {
    let told = format!("{error:#}");
    match error.downcast_ref::<Refused>() {
        Some(Refused::Exists(_)) => return Refusal::usage(told, "choose another --name, or replace it with --force"),
        Some(Refused::NotThere(_)) => return Refusal::data(told, "name the directories that hold it"),
        Some(Refused::Busy(_)) => return Refusal::unfit(told, "wait until it is done"),
        Some(Refused::Nonsense(_)) => return Refusal::usage(told, "see `assay shard put --help`"),
        None => {}
    }
    if error.is::<TooFew>() {
        return Refusal::data(told, "name more of the directories that it was put into, if there are any");
    }
    if error.is::<Stopped>() {
        return Refusal { exit: Exit::Interrupted, what: told, mend: "run it again".into() }.into();
    }
    error
}

/// A store whose leftovers are swept.
fn open(dirs: &[PathBuf]) -> Result<(Store, Vec<String>)> {
    let store = Store::open(dirs)?;
    let swept = store.sweep()?;
    for told in &swept {
        say(&format!("note: {told}"));
    }
    Ok((store, swept))
}

/// Tells how far it is, and stops where the user wants it.
fn watching(progress: &Progress, length: u64, name: &str) -> impl Fn(u64) -> bool + Sync {
    move |done| {
        progress.at(done, length, name);
        !signals::asked_to_stop()
    }
}

fn put(arguments: &PutArgs, telling: Telling) -> Result<Said> {
    let settings = Settings::read(arguments.config.as_deref())?;
    let path = &arguments.file;
    let reading = |why: String| Refusal::usage(format!("{}: {why}", path.display()), "name a file that can be read");
    let file = File::open(path).map_err(|error| reading(error.to_string()))?;
    let meta = file.metadata().map_err(|error| reading(error.to_string()))?;
    if !meta.is_file() {
        return Err(reading("is no file".to_owned()));
    }
    let own = path.file_name().and_then(|name| name.to_str());
    let Some(name) = arguments.name.as_deref().or(own) else {
        return Err(Refusal::usage(format!("{} has no name that is text", path.display()), "give it one with --name"));
    };
    let (plan, temp) = plan(arguments, &settings, meta.len())?;
    let (store, swept) = open(&arguments.to)?;
    if let Some(temp) = &temp {
        sweep(temp)?;
    }
    let progress = Progress::begin(telling, "put");
    let (manifest, stored) =
        store.put(name, &file, &plan, arguments.force, None, &watching(&progress, meta.len(), name))?;
    drop(progress);
    let memory = plan.memory(&plan.object(erasure::format::Id([0; 16]), meta.len()));
    let mut text = format!(
        "{name}: {} bytes as {} data and {} parity shards; any {} of them suffice\n",
        manifest.length, manifest.data, manifest.parity, manifest.data
    );
    for (index, error) in &stored.lost {
        text += &format!("shard {index} is not stored: {error:#}\n");
    }
    if !stored.lost.is_empty() {
        text += &format!("`assay shard repair {name} --from …` makes the others\n");
    }
    let document = json!({
        "object": object(&manifest),
        "not_stored": stored.lost.iter().map(|(index, error)| json!({"shard": index, "why": format!("{error:#}")})).collect::<Vec<_>>(),
        "temp_bytes": stored.temp_bytes,
        "memory_bytes": memory,
        "block": plan.block,
        "swept": swept,
    });
    Ok(Said::fine("assay.shard-put/1", text, document))
}

/// What was asked for, and where temporary files go, if there are any.
fn plan(arguments: &PutArgs, settings: &Settings, length: u64) -> Result<(Plan, Option<PathBuf>)> {
    let shards = arguments.k + arguments.m;
    let quorum = arguments.quorum.unwrap_or(shards);
    if quorum < arguments.k || quorum > shards {
        let what = format!(
            "--quorum {quorum}: with fewer than {} shards nothing comes back, and there are {shards}",
            arguments.k
        );
        return Err(Refusal::usage(what, format!("choose from {} to {shards}", arguments.k)));
    }
    let by_memory = length <= settings.memory_threshold;
    let mut temp = None;
    let way = match arguments.by {
        // One directory that is slow must not hold up the others where it may be left behind.
        By::Stream if settings.pipeline_uploads && quorum < shards => Way::Stripes { depth: 3, writers: shards.into() },
        By::Stream if settings.pipeline_uploads => Way::Stripes { depth: 3, writers: 1 },
        By::Stream => Way::OneStripe,
        By::Memory => Way::Memory { writers: 3 },
        By::Hybrid if by_memory => Way::Memory { writers: 3 },
        By::Temp | By::Hybrid => {
            let places = Places { use_ramdisk: settings.use_ramdisk, named: settings.temp_directory.clone() };
            let needed = length / u64::from(arguments.k) * u64::from(shards) + (1 << 20);
            let dir = places
                .find(needed)
                .map_err(|error| Refusal::unfit(format!("{error:#}"), "name a place with ZSTORE_TEMP_DIR"))?;
            temp = Some(dir.clone());
            Way::Temp { dir, writers: 3, at_once: settings.pipeline_uploads }
        }
    };
    let hash = match arguments.hash {
        HashName::Blake3 => Carried::Blake3,
        HashName::Crc32c => Carried::Crc32c,
        HashName::Xxh3 => Carried::Xxh3,
        HashName::Sha256 => Carried::Sha256,
    };
    let plan = Plan {
        block: arguments.block,
        hash,
        pack: arguments.pack,
        way,
        spare: usize::from(shards - quorum),
        patience: arguments.patience,
        durable: !arguments.no_sync,
        ..Plan::streamed(arguments.k, arguments.m)
    };
    plan.code().map_err(|error| Refusal::usage(format!("{error:#}"), "choose fewer shards"))?;
    let fitting = within(&plan, length, settings.max_memory_usage).map_err(|error| {
        Refusal::usage(format!("max_memory_usage: {error:#}"), "allow more, or leave --by away: stripes take little")
    })?;
    Ok((fitting, temp))
}

fn get(arguments: &GetArgs, telling: Telling) -> Result<Said> {
    let out = &arguments.out;
    if out.symlink_metadata().is_ok() && !arguments.force {
        return Err(Refusal::usage(
            format!("{} exists", out.display()),
            "choose another --out, or replace it with --force",
        ));
    }
    let name = &arguments.of.name;
    let (store, swept) = open(&arguments.of.from)?;
    let mut unnamed = Unnamed::beside(out)?;
    let progress = Progress::begin(telling, "get");
    let length = store.find(name)?.length;
    let (manifest, wrong) =
        store.get(name, &mut unnamed.file, &get::Way::Stripes(3), &watching(&progress, length, name))?;
    drop(progress);
    unnamed.named(out, arguments.force)?;
    let mut text = format!("{}: {} bytes of {name}\n", out.display(), manifest.length);
    for wrong in &wrong {
        text += &format!("made up for: {wrong}\n");
    }
    if !wrong.is_empty() {
        text += &format!("`assay shard repair {name} --from …` mends it\n");
    }
    let document = json!({"object": object(&manifest), "out": out, "made_up_for": wrong, "swept": swept});
    Ok(Said::fine("assay.shard-get/1", text, document))
}

fn verify(of: &Of, telling: Telling) -> Result<Said> {
    let (store, swept) = open(&of.from)?;
    let progress = Progress::begin(telling, "verify");
    let checked = store.verify(&of.name, &watching(&progress, store.find(&of.name)?.length, &of.name))?;
    drop(progress);
    let mut text = String::new();
    for line in wrong(&checked) {
        text += &format!("{line}\n");
    }
    let shards = checked.manifest.data + checked.manifest.parity;
    let whole = checked.is_whole();
    text += &match (whole, checked.readable) {
        (true, _) => format!("{}: all {shards} shards are whole\n", of.name),
        (false, true) => format!("{}: it can be read; `assay shard repair {} --from …` mends it\n", of.name, of.name),
        (false, false) => format!("{}: it cannot be read: too few of its blocks are left\n", of.name),
    };
    let document = json!({
        "object": object(&checked.manifest),
        "whole": whole,
        "readable": checked.readable,
        "places": checked.places.iter().map(|(place, index, faults)| json!({
            "place": place, "shard": index, "faults": faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "without_manifest": checked.without_manifest,
        "swept": swept,
    });
    let exit = if whole { Exit::Fine } else { Exit::Data };
    Ok(Said { exit, ..Said::fine("assay.shard-verify/1", text, document) })
}

/// At most so many faults of a place are told.
const TOLD: usize = 5;

fn wrong(checked: &Checked) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, index, faults) in &checked.places {
        let shard = index.map_or("its shard".to_owned(), |index| format!("shard {index}"));
        lines.extend(faults.iter().take(TOLD).map(|fault| format!("{place}: {shard} {fault}")));
        if faults.len() > TOLD {
            lines.push(format!("{place}: {shard} has {} more faults", faults.len() - TOLD));
        }
    }
    lines.extend(checked.without_manifest.iter().map(|place| format!("{place}: has no manifest of it, or another")));
    lines
}

fn repair(of: &Of, telling: Telling) -> Result<Said> {
    let (store, swept) = open(&of.from)?;
    let progress = Progress::begin(telling, "repair");
    let (manifest, made) =
        store.repair(&of.name, true, &watching(&progress, store.find(&of.name)?.length, &of.name))?;
    drop(progress);
    let mut text = String::new();
    for (index, place) in &made {
        text += &format!("{place}: shard {index} is made again\n");
    }
    if made.is_empty() {
        text = format!("{}: no shard had to be made again\n", of.name);
    }
    let made: Vec<Value> = made.iter().map(|(index, place)| json!({"shard": index, "place": place})).collect();
    Ok(Said::fine("assay.shard-repair/1", text, json!({"object": object(&manifest), "made": made, "swept": swept})))
}

fn object(manifest: &Manifest) -> Value {
    let Manifest { name, id, generation, data, parity, length, .. } = manifest;
    json!({"name": name, "id": id, "generation": generation, "k": data, "m": parity, "bytes": length})
}

/// A file without a name: whoever is killed leaves nothing of it.
struct Unnamed {
    file: File,
}

impl Unnamed {
    fn beside(out: &Path) -> Result<Unnamed> {
        let dir = match out.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(dir, flags, Mode::from_raw_mode(0o666)).map_err(|error| {
            Refusal::unfit(
                format!("cannot make a file in {}: {error}", dir.display()),
                "choose another --out: a directory that is there, on a file system with O_TMPFILE",
            )
        })?;
        Ok(Unnamed { file: file.into() })
    }

    /// Gives it its name. Without `force` no file loses its own.
    fn named(self, out: &Path, force: bool) -> Result<()> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |to: &Path| linkat(CWD, &own, CWD, to, AtFlags::SYMLINK_FOLLOW);
        if !force {
            return link(out).map_err(|error| {
                Refusal::usage(format!("cannot name {}: {error}", out.display()), "choose another --out")
            });
        }
        let mut beside = out.as_os_str().to_owned();
        beside.push(format!(".assay-{}", std::process::id()));
        let beside = PathBuf::from(beside);
        link(&beside).with_context(|| format!("naming {}", beside.display()))?;
        std::fs::rename(&beside, out).with_context(|| format!("naming {}", out.display()))
    }
}
