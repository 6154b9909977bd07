//! Places for shards and the small documents beside them: a door for directories and buckets.

use crate::store::Refused;
use crate::target::{Directory, Target};
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use s3::{Access, Bucket};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A target that holds documents, too, and notes of what is under way.
pub(super) trait Shelf: Target {
    /// What users call it.
    fn named(&self) -> PathBuf;
    /// Whether each question takes so long that several are asked at once.
    fn is_far(&self) -> bool {
        false
    }
    /// The document of that name, where there is one.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Puts a document there, whole or not at all; until then it may be called `unfinished`.
    fn write(&self, name: &str, unfinished: &str, bytes: &[u8], durable: bool) -> Result<()>;
    /// The names of all that is there.
    fn names(&self) -> Result<Vec<String>>;
    /// Removes what is left of a shard or a document of that name that was never finished.
    fn clear(&self, name: &str) -> Result<()>;
    /// Puts a note there, which nobody else can take over while this process has what it gets for it.
    fn note(&self, name: &str, text: &[u8]) -> Result<Guard>;
    /// Takes over the note of somebody who is gone.
    fn take_over(&self, name: &str) -> Result<TakenOver>;
}

/// What holds a note.
pub(super) type Guard = Box<dyn Send>;

/// What became of a note that one tried to take over.
pub(super) enum TakenOver {
    /// There is none any more.
    Gone,
    /// Who put it is at it.
    Theirs,
    /// It is ours now.
    Ours(Guard),
}

/// The place that is called so: a bucket by its address, or a directory that must be there.
pub(super) fn open(place: &Path) -> Result<Box<dyn Shelf>> {
    if let Some(url) = place.to_str().filter(|text| s3::is_url(text)) {
        return Ok(Box::new(Bucket::open(url, &Access::Environment)?));
    }
    let path = fs::canonicalize(place).ok().filter(|path| path.is_dir());
    let path = path.ok_or_else(|| Refused::NotThere(format!("{} is no directory", place.display())))?;
    Ok(Box::new(Directory(path)))
}

/// Does the same at each of these places; at once, where they are far.
pub(super) fn each<T: Send>(shelves: &[&dyn Shelf], does: impl Fn(&dyn Shelf) -> T + Sync) -> Vec<T> {
    if !shelves.iter().any(|shelf| shelf.is_far()) {
        return shelves.iter().map(|shelf| does(*shelf)).collect();
    }
    std::thread::scope(|scope| {
        let does = &does;
        let threads: Vec<_> = shelves.iter().map(|shelf| scope.spawn(move || does(*shelf))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

impl Shelf for Directory {
    fn named(&self) -> PathBuf {
        self.0.clone()
    }

    /// What cannot be read is as good as not there: other directories have it, too.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(fs::read(self.0.join(name)).ok())
    }

    fn write(&self, name: &str, unfinished: &str, bytes: &[u8], durable: bool) -> Result<()> {
        let part = self.0.join(Directory::unfinished(unfinished));
        let path = self.0.join(name);
        let told = || format!("writing {}", path.display());
        let mut file = File::create(&part).with_context(told)?;
        file.write_all(bytes).with_context(told)?;
        if durable {
            file.sync_all().with_context(told)?;
        }
        fs::rename(&part, &path).with_context(told)?;
        if durable {
            File::open(&self.0).and_then(|dir| dir.sync_all()).with_context(told)?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).with_context(|| format!("listing {}", self.place()))? {
            // None of ours is called otherwise than by text.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn clear(&self, name: &str) -> Result<()> {
        self.remove(&Directory::unfinished(name))
    }

    fn note(&self, name: &str, text: &[u8]) -> Result<Guard> {
        let path = self.0.join(name);
        let told = || format!("writing {}", path.display());
        let mut file = File::create_new(&path).with_context(told)?;
        let noted = flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from);
        if let Err(error) = noted.and_then(|()| file.write_all(text)) {
            self.remove(name)?;
            return Err(error).with_context(told);
        }
        Ok(Box::new(file))
    }

    fn take_over(&self, name: &str) -> Result<TakenOver> {
        // Who put it may be done meanwhile.
        let Ok(file) = File::open(self.0.join(name)) else { return Ok(TakenOver::Gone) };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(TakenOver::Ours(Box::new(file))),
            Err(_) => Ok(TakenOver::Theirs),
        }
    }
}
