//! A place for records: a directory that machines share, or what lies below a prefix in a bucket.
//!
//! **A record is there whole or not at all**, whenever a node dies. In a directory it is written aside, under a name that
//! readers pass over, and gets its own by one rename. In a bucket it is one object, put there by one request: a store of
//! objects shows an object when its last byte has come, and nothing of a request that was cut off. So there is no list
//! of what is complete, which would come last and be one more thing that two shards might write at once.

use crate::refusal::Refusal;
use crate::removal::remove_tree;
use anyhow::{Context, Result};
use reports::fleet::merge::Piece;
use s3::{Access, Bucket, Failed};
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use url::Url;

/// The name of a record in its folder.
const RECORD: &str = "record.jsonl";
/// What stands between the kind of an address and the rest.
const PARTS: &str = "://";

/// Where records are, or are to go.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A directory, with a folder for each record.
    Directory(PathBuf),
    /// A bucket, with the same below a prefix.
    Bucket(Bucket),
}

/// A record that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its file, or the address of its object.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Found {
    /// Reads a record file.
    pub fn read(path: PathBuf) -> Result<Found> {
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Found { path, bytes })
    }
}

/// Whether that is an address, `s3://…` or the like, and no path.
pub fn is_url(named: &Path) -> bool {
    scheme(named).is_some()
}

fn scheme(named: &Path) -> Option<(&str, &str)> {
    let text = named.to_str()?;
    let (scheme, _) = text.split_once(PARTS)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+.-".contains(letter));
    is_scheme.then_some((text, scheme))
}

impl Place {
    /// The place that a user named: a path, `file:///DIR` or `s3://BUCKET/PREFIX`. Nothing is asked of it yet.
    pub(super) fn of(named: &Path) -> Result<Place> {
        let Some((text, scheme)) = scheme(named) else { return Ok(Place::Directory(named.to_owned())) };
        match scheme {
            "s3" if names_a_bucket(text) => {
                Bucket::open(text, &Access::Environment).map(Place::Bucket).map_err(refused)
            }
            "s3" => Err(Refusal::usage(format!("{text} names no bucket"), "write s3://BUCKET/PREFIX")),
            "file" => directory(text).map(Place::Directory),
            _ => Err(Refusal::usage(
                format!("{text} is of a kind that is not known here"),
                "name a directory, file:///DIR or s3://BUCKET/PREFIX; ./ before a name makes it a path",
            )),
        }
    }

    /// Every record there: that which the place is itself, or those of its folders, in the order of their names.
    pub(super) fn records(&self) -> Result<Vec<Found>> {
        match self {
            Place::Directory(dir) => records_in_directory(dir),
            Place::Bucket(bucket) => records_in_bucket(bucket).map_err(refused),
        }
    }

    /// Makes it ready to be written to, as far as it has to be.
    pub(super) fn make(&self) -> Result<()> {
        let Place::Directory(dir) = self else { return Ok(()) };
        fs::create_dir_all(dir).map_err(|error| unwritable("make", dir, &error))
    }

    /// Puts a record there: see above. Its name has its digest in it, so that what is there by this name already is the
    /// same record.
    pub(super) fn put(&self, piece: &Piece) -> Result<PathBuf> {
        let name = piece.name();
        match self {
            Place::Directory(dir) => {
                put_into_directory(dir, &name, &piece.bytes)
                    .map_err(|error| unwritable("put the record into", dir, &error))?;
                Ok(dir.join(name))
            }
            Place::Bucket(bucket) => {
                let folder = bucket.below(&name);
                folder.put(RECORD, piece.bytes.clone()).map_err(refused)?;
                Ok(folder.url().into())
            }
        }
    }

    /// Names of what lies there beside records.
    pub(super) fn notes(&self) -> Result<Vec<String>> {
        match self {
            Place::Directory(dir) => {
                let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
                Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
            }
            Place::Bucket(bucket) => Ok(bucket.list().map_err(refused)?.0),
        }
    }

    /// A note there, where there is one.
    pub(super) fn note(&self, name: &str) -> Option<String> {
        match self {
            Place::Directory(dir) => fs::read_to_string(dir.join(name)).ok(),
            Place::Bucket(bucket) => String::from_utf8(bucket.get(name).ok()??).ok(),
        }
    }

    /// Writes a note, in the place of another of that name.
    pub(super) fn write_note(&self, name: &str, text: String) -> Result<()> {
        match self {
            Place::Directory(dir) => {
                fs::write(dir.join(name), text).map_err(|error| unwritable("write to", dir, &error))
            }
            Place::Bucket(bucket) => bucket.put(name, text.into_bytes()).map_err(refused),
        }
    }

    /// Takes a note away; a place that may not be asked to, keeps it.
    pub(super) fn remove_note(&self, name: &str) {
        match self {
            // There may be none.
            Place::Directory(dir) => drop(fs::remove_file(dir.join(name))),
            // Who may put objects need not be one who may remove them.
            Place::Bucket(bucket) => drop(bucket.remove(name)),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Place::Directory(dir) => dir.display().fmt(f),
            Place::Bucket(bucket) => f.write_str(bucket.url()),
        }
    }
}

/// A request that came to nothing ends as it does elsewhere: the machine cannot do this.
pub(super) fn refused(failed: Failed) -> anyhow::Error {
    Refusal::unfit(failed.what, failed.mend)
}

fn names_a_bucket(text: &str) -> bool {
    text.split_once(PARTS).is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'))
}

fn directory(text: &str) -> Result<PathBuf> {
    let url = Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
    url.and_then(|url| url.to_file_path().ok()).ok_or_else(|| {
        Refusal::usage(
            format!("{text} names no directory of this machine"),
            "write file:///DIR from the root on, with %23 for # and %3F for ?",
        )
    })
}

fn unwritable(what: &str, dir: &Path, error: &io::Error) -> anyhow::Error {
    let told = format!("cannot {what} {}: {error}", dir.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Refusal::unfit(told, "make room there"),
        _ => Refusal::usage(told, "name a place that you may write to"),
    }
}

fn records_in_directory(place: &Path) -> Result<Vec<Found>> {
    let record = place.join(RECORD);
    if place.is_file() || record.is_file() {
        return Ok(vec![Found::read(if record.is_file() { record } else { place.to_owned() })?]);
    }
    let entries = fs::read_dir(place).map_err(|error| {
        Refusal::data(format!("cannot read {}: {error}", place.display()), "name a directory of records")
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", place.display()))?;
        // What is still being written has a hidden name.
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let record = entry.path().join(RECORD);
        if !is_hidden && record.is_file() {
            paths.push(record);
        }
    }
    paths.sort();
    paths.into_iter().map(Found::read).collect()
}

fn records_in_bucket(bucket: &Bucket) -> Result<Vec<Found>, Failed> {
    let (names, folders) = bucket.list()?;
    let found = |folder: &Bucket| {
        let bytes = folder.get(RECORD)?;
        Ok(bytes.map(|bytes| Found { path: format!("{}/{RECORD}", folder.url()).into(), bytes }))
    };
    if names.iter().any(|name| name == RECORD) {
        return Ok(found(bucket)?.into_iter().collect());
    }
    let visible = folders.iter().filter(|name| !name.starts_with('.'));
    visible.filter_map(|name| found(&bucket.below(name)).transpose()).collect()
}

fn put_into_directory(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = dir.join(format!(".{name}.assay-unfinished-{}", std::process::id()));
    let written = write_aside(&aside, bytes).and_then(|()| match fs::rename(&aside, dir.join(name)) {
        // It is there already, by a try whose answer was lost.
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => remove_tree(&aside).map_err(io::Error::other),
        renamed => renamed,
    });
    if written.is_err() {
        // Whatever of it is there is hidden, and says by its name what it is.
        let _ = remove_tree(&aside);
    }
    written?;
    File::open(dir)?.sync_all()
}

fn write_aside(aside: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir(aside)?;
    let mut file = File::create_new(aside.join(RECORD))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(aside)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::{Exit, exit_of};

    #[test]
    fn an_address_is_told_from_a_path() {
        let directory = |text: &str| match Place::of(Path::new(text)).unwrap() {
            Place::Directory(dir) => dir,
            Place::Bucket(bucket) => panic!("{text} is {bucket:?}"),
        };
        for path in ["records", "/a/b", "./s3://b/p", "a b://c", "://x", "file:/a"] {
            assert_eq!(directory(path), Path::new(path));
        }
        assert_eq!(directory("file:///a/b%20c/"), Path::new("/a/b c/"));
        assert_eq!(directory("file://localhost/a"), Path::new("/a"));
    }

    #[test]
    fn an_address_that_leads_nowhere_is_bad_input() {
        for (text, says) in [
            ("s3://", "names no bucket"),
            ("s3:///a", "names no bucket"),
            ("file://records", "names no directory of this machine"),
            ("file:///a#b", "names no directory of this machine"),
            ("gs://bucket/a", "is of a kind that is not known here"),
        ] {
            let error = Place::of(Path::new(text)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(exit_of(&error), Exit::Usage, "{text}");
        }
    }

    #[test]
    fn a_record_that_is_there_already_is_no_failure_and_nothing_stays_aside() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            put_into_directory(dir.path(), "a", b"1\n").unwrap();
        }
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["a"]);
        assert!(put_into_directory(&dir.path().join("none"), "a", b"1\n").is_err());
    }
}
