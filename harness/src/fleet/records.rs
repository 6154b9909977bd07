//! A directory of records that many machines write into: each record is a directory of its own that appears whole or
//! not at all, and a shard that failed leaves a word on why.

use crate::refusal::Refusal;
use crate::removal::remove_tree;
use anyhow::{Context, Result};
use reports::fleet::merge::{Piece, Wholeness};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const RECORD: &str = "record.jsonl";
const TROUBLE: &str = ".trouble";

/// The record files below these places: a record file, a record's own directory, or a directory of such, sorted.
pub fn records_in(places: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for place in places {
        let before = found.len();
        if place.is_file() {
            found.push(place.clone());
        } else if place.join(RECORD).is_file() {
            found.push(place.join(RECORD));
        } else {
            let entries = fs::read_dir(place).map_err(|error| {
                Refusal::data(format!("cannot read {}: {error}", place.display()), "name a directory of records")
            })?;
            for entry in entries {
                let entry = entry.with_context(|| format!("reading {}", place.display()))?;
                // What is still being written has a hidden name.
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                let record = entry.path().join(RECORD);
                if !is_hidden && record.is_file() {
                    found.push(record);
                }
            }
        }
        found[before..].sort();
    }
    Ok(found)
}

/// Puts a whole record into a directory: aside first, then by one rename, so that no reader and no kill ever finds half
/// of one. One that was stopped before its end is not put there.
pub(super) fn deliver(record: &Path, into: &Path) -> Result<PathBuf> {
    let bytes = fs::read(record).with_context(|| format!("reading {}", record.display()))?;
    let piece = Piece::of(record, bytes).map_err(|error| Refusal::data(error.to_string(), "run the shard again"))?;
    if piece.wholeness() != Wholeness::Whole {
        return Err(Refusal {
            exit: crate::refusal::Exit::Interrupted,
            what: format!("the shard was stopped before its end, so that {} has no record of it", into.display()),
            mend: format!("run it again; what was measured so far is in {}", record.display()),
        }
        .into());
    }
    let to = into.join(piece.name());
    let aside = into.join(format!(".{}.assay-unfinished-{}", piece.name(), std::process::id()));
    let written = write_aside(&aside, &piece.bytes).and_then(|()| {
        fs::rename(&aside, &to)?;
        File::open(into)?.sync_all()
    });
    if let Err(error) = written {
        // Whatever of it is there is hidden, and says by its name what it is.
        let _ = remove_tree(&aside);
        let what = format!("cannot put the record into {}: {error}", into.display());
        return Err(Refusal::unfit(what, format!("make room there; the record is whole in {}", record.display())));
    }
    Ok(to)
}

fn write_aside(aside: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir(aside)?;
    let mut file = File::create_new(aside.join(RECORD))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(aside)?.sync_all()
}

/// Leaves a word on why a shard has no record; whoever merges reads it.
pub(super) fn leave_trouble(into: &Path, shard: u32, error: &anyhow::Error) {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let node = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| host.trim().to_owned());
    let told = format!("{error:#}").replace('\n', " ");
    // Where not even this can be written, the error itself is told on stderr.
    let _ = fs::write(trouble(into, shard), format!("{node}: {told}\n"));
}

/// The shard has its record: what an earlier try said of it is no news.
pub(super) fn clear_trouble(into: &Path, shard: u32) {
    // There may be none.
    let _ = fs::remove_file(trouble(into, shard));
}

fn trouble(into: &Path, shard: u32) -> PathBuf {
    into.join(format!("shard-{shard}{TROUBLE}"))
}

/// Why shards have no record, as far as they could say it.
pub(super) fn troubles(places: &[PathBuf]) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for entry in places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten().flatten() {
        let name = entry.file_name();
        let shard = name.to_str().and_then(|name| name.strip_prefix("shard-")?.strip_suffix(TROUBLE)?.parse().ok());
        if let (Some(shard), Ok(text)) = (shard, fs::read_to_string(entry.path())) {
            found.insert(shard, text.trim().to_owned());
        }
    }
    found
}
