//! What every worker of a run needs, and what it does to each file, however its contents lie in the store.

use crate::catalogue::{Catalogue, Content, File};
use crate::directories::{open_beneath, open_directory};
use crate::knobs::{Gather, Naming, Restore, Syncing};
use crate::restore::Ready;
use crate::schedule::Plan;
use anyhow::{Context, Result, ensure};
use batching::{Directories, make_parents};
use codecs::Hashing;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use syscalls::{Attributes, Ring, RingFile, Sink};
use technique::Lap;
use technique::phase::{HASH, OPEN, TIMES, WRITE};
use technique::trouble::trouble;

/// What every worker of a run needs.
pub(crate) struct Job<'a> {
    pub(crate) restore: &'a Restore,
    pub(crate) ready: &'a Ready,
    pub(crate) catalogue: &'a Catalogue<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) target: BorrowedFd<'a>,
    /// What contents were packed with, where that is more than a codec.
    pub(crate) dictionary: Option<&'a [u8]>,
}

impl<'a> Job<'a> {
    pub(crate) fn file(&self, at: u32) -> &'a File<'a> {
        &self.catalogue.files[at as usize]
    }

    /// The contents of a file.
    pub(crate) fn content(&self, file: &File) -> &'a Content {
        &self.catalogue.contents[file.content as usize]
    }

    /// The length of a file.
    pub(crate) fn len(&self, file: &File) -> u64 {
        self.content(file).len
    }

    /// The file's attributes, for the way that makes it.
    pub(crate) fn attributes(&self, file: &File) -> Attributes {
        let len = if self.restore.leaves_out(WRITE) { 0 } else { self.len(file) };
        Attributes { mode: file.mode, mtime: file.mtime, len }
    }

    /// Begins the file at its place.
    pub(crate) fn begin<'p>(&self, place: Place<'p>, attributes: &'p Attributes, lap: &mut Lap) -> Result<Sink<'p>> {
        let mut sink = self.restore.way.begin(place.dir, place.path, attributes, lap)?;
        if matches!(self.restore.sync, Syncing::EachFile | Syncing::FilesThenDirectories) {
            sink.sync_before_close();
        }
        Ok(sink)
    }

    /// Hands bytes to the file, unless that is left out.
    pub(crate) fn write(&self, sink: &mut Sink, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        if self.restore.leaves_out(WRITE) { Ok(()) } else { sink.write(bytes, lap) }
    }

    /// Makes a whole file whose contents were verified.
    pub(crate) fn make(&self, at: u32, plain: &[u8], hold: &mut Hold, lap: &mut Lap) -> Result<()> {
        let file = self.file(at);
        let attributes = self.attributes(file);
        let place = self.place(file, hold, lap)?;
        let mut sink = self.begin(place, &attributes, lap)?;
        self.write(&mut sink, plain, lap)?;
        sink.finish(lap)
    }

    /// Holds whole contents against their hash, unless that is left out.
    pub(crate) fn verify(&self, file: &File, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        if !self.restore.leaves_out(HASH) {
            ensure!(self.restore.hash.of(bytes) == self.content(file).digest(), "{}", self.damaged(file));
            lap.mark(HASH);
        }
        Ok(())
    }

    /// Whether blocks have a hash of their own, which then is what is held.
    pub(crate) fn has_seals(&self) -> bool {
        !self.catalogue.seals.is_empty() && !self.restore.leaves_out(HASH)
    }

    /// Whether a block, as it was read, is what was packed. False too where only its contents can say that.
    pub(crate) fn is_sealed(&self, block: usize, packed: &[u8], lap: &mut Lap) -> bool {
        if !self.has_seals() {
            return false;
        }
        let fits = self.restore.hash.of(packed).0 == self.catalogue.seals[block];
        lap.mark(HASH);
        fits
    }

    /// Begins the hash of contents that come in pieces.
    pub(crate) fn verifying(&self) -> Verifying {
        Verifying((!self.restore.leaves_out(HASH)).then(|| self.restore.hash.begin()))
    }

    /// Tells whoever watches that files are done; an error where it was called off.
    pub(crate) fn passed(&self, files: &[u32]) -> Result<()> {
        let Some(watch) = &self.ready.watch else { return Ok(()) };
        watch.passed(files.iter().map(|file| self.len(self.file(*file))).sum())
    }

    /// The plain bytes of an object or a block, where they were unpacked before the clock.
    pub(crate) fn unpacked(&self, at: usize) -> Option<&'a [u8]> {
        Some(&self.ready.unpacked.as_ref()?[at])
    }

    /// A ring for a worker, where the row has one.
    pub(crate) fn ring(&self) -> Result<Option<Ring>> {
        self.restore.ring.map(Ring::new).transpose()
    }

    /// Gets the place of a file ready: its directory made or opened, its name put together.
    pub(crate) fn place<'p>(&self, file: &File<'p>, hold: &'p mut Hold, lap: &mut Lap) -> Result<Place<'p>>
    where
        'a: 'p,
    {
        if !self.restore.holds_directories() {
            self.name(file, hold);
            self.make_parents(file, hold, lap)?;
            return Ok(Place { dir: CWD, path: &hold.path });
        }
        let same = hold.directory.as_ref().is_some_and(|(held, _)| *held == file.directory);
        if !same {
            self.make_parents(file, hold, lap)?;
            let path = self.catalogue.directories[file.directory as usize].path();
            let open = if self.restore.naming == Naming::Beneath { open_beneath } else { open_directory };
            hold.directory = Some((file.directory, open(self.target, path)?));
            lap.mark(OPEN);
        }
        let (_, dir) = hold.directory.as_ref().expect("it was just opened");
        Ok(Place { dir: dir.as_fd(), path: file.name() })
    }

    /// Makes whole files, all of them handed to the kernel at once, and then their times, a call each.
    pub(crate) fn make_by_ring<'b>(
        &self,
        ring: &mut Ring,
        files: impl Iterator<Item = (u32, &'b [u8])>,
        hold: &mut Hold,
        lap: &mut Lap,
    ) -> Result<()> {
        let from_root = self.restore.holds_directories();
        let dir = if from_root { self.target } else { CWD };
        let mut batch = Vec::with_capacity(ring.chains());
        for (at, bytes) in files {
            let file = self.file(at);
            if from_root {
                hold.path = self.catalogue.path_of(file);
            } else {
                self.name(file, hold);
            }
            self.make_parents(file, hold, lap)?;
            let path = CString::new(hold.path.as_os_str().as_encoded_bytes()).context("a name has no zero")?;
            batch.push((path, file, bytes));
        }
        for batch in batch.chunks(ring.chains()) {
            let to_make: Vec<RingFile> =
                batch.iter().map(|(path, file, bytes)| RingFile { path, mode: file.mode, bytes }).collect();
            ring.make(dir, &to_make, lap)?;
            for (path, file, _) in batch {
                utimensat(dir, path, &times(file.mtime), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|errno| trouble(errno, "setting the time of", dir, &self.catalogue.path_of(file)))?;
            }
            lap.mark(TIMES);
        }
        Ok(())
    }

    /// What damage is told as: the file's name, and the way out.
    pub(crate) fn damaged(&self, file: &File) -> String {
        format!(
            "{} is not restored: its contents in the store {} are damaged; pack the tree anew",
            self.catalogue.path_of(file).display(),
            self.ready.store.display()
        )
    }

    /// Puts a file's whole name together.
    fn name(&self, file: &File, hold: &mut Hold) {
        hold.path = self.ready.target.join(self.catalogue.directories[file.directory as usize].path());
        hold.path.push(file.name());
    }

    /// Makes what a file lies in, where that is done on demand; in batches, once for all files of the batch.
    fn make_parents(&self, file: &File, hold: &mut Hold, lap: &mut Lap) -> Result<()> {
        let once = matches!(self.restore.gather, Gather::Bytes(_));
        if self.restore.directories == Directories::UpFront || (once && !hold.made.insert(file.directory)) {
            return Ok(());
        }
        if self.restore.holds_directories() {
            make_parents(self.target, &self.catalogue.path_of(file), lap)?;
        } else {
            make_parents(CWD, &hold.path, lap)?;
        }
        Ok(())
    }
}

/// Modification time, as the kernel is told of it; access gets the same.
pub(crate) fn times((tv_sec, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The hash of contents that come in pieces, unless it is left out.
pub(crate) struct Verifying(Option<Hashing>);

impl Verifying {
    pub(crate) fn update(&mut self, bytes: &[u8], lap: &mut Lap) {
        if let Some(hashing) = &mut self.0 {
            hashing.update(bytes);
            lap.mark(HASH);
        }
    }

    /// Whether the pieces had this hash.
    pub(crate) fn fits(self, content: &Content, lap: &mut Lap) -> bool {
        let fits = self.0.is_none_or(|hashing| hashing.finish() == content.digest());
        lap.mark(HASH);
        fits
    }
}

/// What a worker holds from one file of a stretch to the next.
#[derive(Default)]
pub(crate) struct Hold {
    path: PathBuf,
    directory: Option<(u32, OwnedFd)>,
    /// Directories that were asked for, where each is asked for once a batch.
    made: BTreeSet<u32>,
}

/// Where a file is made.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    dir: BorrowedFd<'a>,
    path: &'a Path,
}
