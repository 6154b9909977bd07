//! The yardstick of all rows: every object comes back from what was left, every shard is whole, and nothing else is there.

use crate::get::verify;
use crate::job::{SHAPE, shards_of_all};
use crate::read::Reader;
use crate::target::{Target, directories};
use anyhow::{Context, Result};
use fixtures::tree::{Kind, hashed, scan};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::{Lap, Outcome, Site};

/// Where rows that get put what they got.
pub(crate) const OBJECTS: &str = "objects";
/// Where temporary files may be, while a row runs.
pub(crate) const TEMP: &str = "temp";
/// Where a row leaves how many shards it may lack.
const LACKS: &str = "lacks";

/// What shards of the fixture's file of that number are called.
pub(crate) fn name(number: usize) -> String {
    format!("{number:06}")
}

/// Says of how many targets a row promises nothing.
pub(crate) fn promise_all_but(spare: usize, site: &Site) -> Result<()> {
    let path = site.target.join(LACKS);
    std::fs::write(&path, spare.to_string()).with_context(|| format!("writing {}", path.display()))
}

const SHARDS: &str = "all that were promised";

/// What should be there.
pub(crate) fn expected(site: &Site) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (path, says) in files(&site.source)? {
        outcome.state(&path, "", says);
        outcome.state(&path, "shards", SHARDS);
    }
    Ok(outcome)
}

/// What is there.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let sources = files(&site.source)?;
    let got = site.target.join(OBJECTS);
    if got.is_dir() {
        // Rows that get call objects by number, and peers copy them with their names.
        let by_name = files(&got)?;
        let by_number = |number: usize| by_name.iter().find(|(path, _)| *path == name(number).as_bytes());
        for (number, (path, _)) in sources.iter().enumerate() {
            if let Some((_, says)) = by_name.iter().find(|(other, _)| other == path).or_else(|| by_number(number)) {
                outcome.state(path, "", says.as_str());
                outcome.state(path, "shards", SHARDS);
            }
        }
        surplus(&site.target, by_name.len().saturating_sub(sources.len()), &mut outcome)?;
        return Ok(outcome);
    }
    let lacks = site.target.join(LACKS);
    let lacks = std::fs::read_to_string(&lacks).with_context(|| format!("reading {}", lacks.display()))?;
    let lacks: usize = lacks.parse().context("a row lacks a number of shards")?;
    let directories = directories(&site.target, shards_of_all());
    let targets: Vec<&dyn Target> = directories.iter().map(|target| target as &dyn Target).collect();
    let mut files = 0;
    for directory in &directories {
        files += std::fs::read_dir(&directory.0).with_context(|| format!("listing {}", directory.0.display()))?.count();
    }
    for (number, (path, _)) in sources.iter().enumerate() {
        let name = name(number);
        match object(&targets, &name, lacks) {
            Ok((says, shards, found)) => {
                outcome.state(path, "", says);
                outcome.state(path, "shards", shards);
                files = files.saturating_sub(found);
            }
            Err(error) => outcome.state(path, "", format!("{error:#}")),
        }
    }
    surplus(&site.target, files, &mut outcome)?;
    Ok(outcome)
}

/// How the names begin of parts that an S3 server keeps of uploads that came to no end.
const PARTS: &str = ".upload";

/// What is there besides.
fn surplus(target: &Path, files: usize, outcome: &mut Outcome) -> Result<()> {
    let temp = target.join(TEMP);
    let left = if temp.is_dir() { std::fs::read_dir(&temp)?.count() } else { 0 };
    let parts = std::fs::read_dir(target).with_context(|| format!("listing {}", target.display()))?;
    let parts = parts.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTS)).count();
    for (item, count) in [(TEMP, left), ("files besides", files), ("parts of uploads", parts)] {
        if count > 0 {
            outcome.state(item.as_bytes(), "", format!("{count} files"));
        }
    }
    Ok(())
}

/// What an object is, read from its shards; what is to be said of these; and how many there are.
fn object(targets: &[&dyn Target], name: &str, lacks: usize) -> Result<(String, String, usize)> {
    let mut lap = Lap::start(false);
    let checked = verify(Reader::open(targets, name, None)?, &|_| true, &mut lap)?;
    let found = checked.found().iter().filter(|found| found.index.is_some()).count();
    let whole = checked.found().iter().filter(|found| found.faults.is_empty()).count();
    let shards =
        if whole + lacks >= targets.len() { SHARDS.to_owned() } else { format!("{whole}: {:?}", checked.wrong()) };
    let mut reader = Reader::open(targets, name, None)?;
    let wanted: Vec<usize> = (0..usize::from(SHAPE.0)).collect();
    let mut hasher = blake3::Hasher::new();
    let mut plain = Vec::new();
    let mut length = 0;
    for _ in 0..reader.object().stripes() {
        let object = *reader.object();
        let blocks = reader.stripe(&wanted, false, &mut lap)?;
        crate::get::gather(&object, &blocks, &mut plain)?;
        length += plain.len() as u64;
        hasher.update(&plain);
    }
    Ok((says(length, &hasher.finalize()), shards, found))
}

fn says(length: u64, hash: &blake3::Hash) -> String {
    format!("{length} bytes, {}", &hash.to_hex()[..32])
}

/// The files of a tree, in the order of its listing.
fn files(root: &Path) -> Result<Vec<(Vec<u8>, String)>> {
    let mut files = Vec::new();
    for (entry, hash) in hashed(root, scan(root)?)? {
        if let (Kind::File { len, .. }, Some(hash)) = (&entry.kind, hash) {
            files.push((entry.path.as_os_str().as_bytes().to_vec(), says(*len, &hash)));
        }
    }
    Ok(files)
}
