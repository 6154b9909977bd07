//! `assay shard`: a file of the user's put into directories or buckets as data and parity shards, and got back from them.

mod back;
mod put;
pub mod serve;
pub mod settings;
mod unnamed;

use crate::cli::Said;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::say::say;
use crate::signals;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use erasure::put::Stopped;
use erasure::read::TooFew;
use erasure::store::{Manifest, Refused, Store};
use s3::Failed;
use serde_json::{Value, json};
use settings::{Settings, parse_size};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is done with an object.
#[derive(Subcommand)]
pub enum ShardCommand {
    /// Cut a file into data and parity shards, one for each directory or bucket
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
    /// A place for each shard: a directory, on as many disks as you have, or `s3://BUCKET/PREFIX`. One such address alone
    /// is for all of them, each below a prefix of its own. Whose server it is, `AWS_ENDPOINT_URL` says, and who asks,
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`
    #[arg(long, value_name = "PLACE", num_args = 1.., required = true)]
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
    /// Leave a place behind that keeps the others waiting for so long, where --quorum allows it
    #[arg(long, value_name = "TIME", value_parser = crate::pace::parse_duration, default_value = "5s")]
    patience: Duration,
    /// Which way the bytes take. hybrid: in memory up to `memory_threshold` and where
    /// `max_memory_usage` allows it, by temporary files else
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
    /// The directories and `s3://BUCKET/PREFIX` that hold its shards, in any order; or the one address below which all
    /// of them lie
    #[arg(long, value_name = "PLACE", num_args = 1.., required = true)]
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
        ShardCommand::Put(arguments) => put::put(arguments, telling),
        ShardCommand::Get(arguments) => back::get(arguments, telling),
        ShardCommand::Verify(of) => back::verify(of, telling),
        ShardCommand::Repair(of) => back::repair(of, telling),
    };
    said.map_err(refuse)
}

/// The exit code that tells scripts what happened.
fn refuse(error: anyhow::Error) -> anyhow::Error {
    let told = format!("{error:#}");
    match error.downcast_ref::<Refused>() {
        Some(Refused::Exists(_)) => return Refusal::usage(told, "choose another --name, or replace it with --force"),
        Some(Refused::NotThere(_)) => return Refusal::data(told, "name the places that hold it"),
        Some(Refused::Busy(_)) => {
            return Refusal::unfit(told, "wait until it is done; if who did it is gone for good, remove that note");
        }
        Some(Refused::Nonsense(_)) => return Refusal::usage(told, "see `assay shard put --help`"),
        None => {}
    }
    if let Some(failed) = Failed::below(error.as_ref()) {
        let mend = failed.mend.clone();
        return Refusal::unfit(told, mend);
    }
    if error.is::<TooFew>() {
        return Refusal::data(told, "name more of the places that it was put into, if there are any");
    }
    if error.is::<Stopped>() {
        return Refusal { exit: Exit::Interrupted, what: told, mend: "run it again".into() }.into();
    }
    error
}

/// The address that is for all shards, where these places are one.
fn all_below(places: &[PathBuf]) -> Option<&Path> {
    match places {
        [one] if one.to_str().is_some_and(s3::is_url) => Some(one),
        _ => None,
    }
}

/// A store whose leftovers are swept.
fn open(places: &[PathBuf]) -> Result<(Store, Vec<String>)> {
    let store = Store::open(places)?;
    let swept = store.sweep()?;
    for told in &swept {
        say(&format!("note: {told}"));
    }
    Ok((store, swept))
}

/// Sweeps what killed puts left of temporary files.
fn sweep_temp(settings: &Settings) -> Vec<String> {
    let swept = settings.places().sweep_all();
    let told: Vec<_> = swept.iter().map(|dir| format!("{}: removed what a killed put left", dir.display())).collect();
    for told in &told {
        say(&format!("note: {told}"));
    }
    told
}

/// Tells how far it is, and stops where the user wants it.
fn watching(progress: &Progress, length: u64, name: &str) -> impl Fn(u64) -> bool + Sync {
    move |done| {
        progress.at(done, length, name);
        !signals::asked_to_stop()
    }
}

fn object(manifest: &Manifest) -> Value {
    let Manifest { name, id, generation, data, parity, length, .. } = manifest;
    json!({"name": name, "id": id, "generation": generation, "k": data, "m": parity, "bytes": length})
}
