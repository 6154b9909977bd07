//! Restore from an unpacked store: whole files that lie there with their modes and times, and are linked, cloned or
//! copied. Nothing is decoded and nothing is verified: the store is trusted to hold what was put there.

use crate::catalogue::{Catalogue, File};
use crate::directories::{finish, make_all, make_links, open_directory};
use crate::duplicates::{clone, made_of, probe_clones};
use crate::job::times;
use crate::knobs::Crew;
use crate::restore::read_catalogue;
use crate::store::{CATALOGUE as NAME, Source, Tree, contents_of};
use crate::watch::Watch;
use anyhow::{Context, Result, ensure};
use batching::{Directories, Spread};
use codecs::Hash;
use fixtures::tree::scan;
use rustix::fs::{AtFlags, CWD, Mode, copy_file_range, futimens, linkat, symlinkat};
use rustix::io::Errno;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use technique::load::clear_umask;
use technique::phase::{CATALOGUE, LINK, OPEN};
use technique::trouble::trouble;
use technique::{Absent, Calls, Lap, Promise, Promises, Site, Technique};

/// Restores from whole files.
pub struct Unpacked {
    /// How a file of the store becomes one of the tree.
    pub by: By,
    /// Who works; each takes directory after directory.
    pub crew: Crew,
}

/// How a file of the store becomes one of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It gets one more name: whoever writes to it writes to the store.
    HardLink,
    /// A link leads to it: whoever writes to it writes to the store, and it is gone with the store.
    Symlink,
    /// It shares its bytes until somebody writes to it.
    Clone,
    /// The kernel copies its bytes.
    Copy,
}

/// A store of whole files, and where its tree shall stand.
pub struct Ready {
    store: PathBuf,
    target: PathBuf,
    spread: Spread,
}

/// What a catalogue of whole files calls itself.
const FORM: &str = "unpacked-blake3";

impl Technique for Unpacked {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        clear_umask();
        let store = site.keep(FORM, |path| fill(&site.source, path))?;
        match self.by {
            By::HardLink => probe_links(&store, &site.target)?,
            By::Clone => probe_clones(&store, &site.target)?,
            By::Symlink | By::Copy => {}
        }
        Ok(Ready { store, target: site.target.clone(), spread: self.crew.spread() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let bytes = read_catalogue(&ready.store)?;
        let catalogue = Catalogue::from_bytes(&bytes)
            .with_context(|| format!("the catalogue {} cannot be used", ready.store.join(NAME).display()))?;
        ensure!(catalogue.form == FORM, "the store is {}, and this row restores {FORM}", catalogue.form);
        let target = open_directory(CWD, &ready.target)?;
        let store = open_directory(CWD, &ready.store)?;
        lap.mark(CATALOGUE);
        make_all(&catalogue, target.as_fd(), lap)?;
        let runs: Vec<&[File]> = catalogue.files.chunk_by(|a, b| a.directory == b.directory).collect();
        ready.spread.each(
            &runs,
            |run| run.len() as u64,
            lap,
            || Ok(()),
            |(), run, lap| {
                let path = catalogue.directories[run[0].directory as usize].path();
                let dir = open_directory(target.as_fd(), path)?;
                lap.mark(OPEN);
                for file in *run {
                    self.make(&catalogue, file, store.as_fd(), &ready.store, dir.as_fd(), lap)?;
                }
                Ok(())
            },
        )?;
        finish(&catalogue, Directories::UpFront, target.as_fd(), lap)?;
        make_links(&catalogue, target.as_fd(), lap)
    }

    fn promises(&self) -> Promises {
        let kept = Promises::NONE.with(Promise::TimesKept);
        match self.by {
            By::HardLink | By::Symlink => kept.with(Promise::Atomic),
            By::Clone | By::Copy => kept.with(Promise::Independent),
        }
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let bytes = read_catalogue(&ready.store).ok()?;
        let catalogue = Catalogue::from_bytes(&bytes).ok()?;
        let mut calls = Calls::default();
        let below = catalogue.directories[1..].iter();
        let (files, with_bytes) = (catalogue.files.len() as u64, |file: &&File| len(&catalogue, file) > 0);
        let runs = catalogue.files.chunk_by(|a, b| a.directory == b.directory).count() as u64;
        for (name, count) in [("openat", 3 + runs), ("statx", 1), ("read", 2), ("close", 3 + runs)] {
            calls.add(name, count);
        }
        calls.add("mkdirat", below.len() as u64);
        calls.add("fchmodat", below.filter(|one| one.mode != one.made_with(true)).count() as u64);
        calls.add("symlinkat", catalogue.links.len() as u64);
        match self.by {
            By::HardLink => calls.add("linkat", files),
            By::Symlink => calls.add("symlinkat", files),
            By::Clone | By::Copy => {
                for (name, count) in [("openat", 2 * files), ("utimensat", files), ("close", 2 * files)] {
                    calls.add(name, count);
                }
            }
        }
        match self.by {
            By::Copy => calls.add("copy_file_range", catalogue.files.iter().filter(with_bytes).count() as u64),
            By::Clone => calls.add("ioctl", files),
            By::HardLink | By::Symlink => {}
        }
        Some(calls)
    }
}

impl Unpacked {
    fn make(
        &self,
        catalogue: &Catalogue,
        file: &File,
        store: BorrowedFd,
        place: &Path,
        dir: BorrowedFd,
        lap: &mut Lap,
    ) -> Result<()> {
        let (from, name) = (whole(catalogue, file), file.name());
        let copy = |lap: &mut Lap| {
            let bytes = |whole: &OwnedFd, made: &OwnedFd| copy_bytes(whole, made, len(catalogue, file));
            made_of((store, &from), (dir, name), file, ("copying", bytes), lap)
        };
        let made = match self.by {
            By::HardLink => linkat(store, &from, dir, name, AtFlags::empty()),
            By::Symlink => symlinkat(place.join(&from), dir, name),
            By::Clone => return clone((store, &from), (dir, name), file, lap),
            By::Copy => return copy(lap),
        };
        lap.mark(LINK);
        match made {
            Ok(()) => Ok(()),
            // It has as many names as its file system allows: this one becomes a file of its own.
            Err(Errno::MLINK) => copy(lap),
            Err(errno) => Err(trouble(errno, "linking", dir, name)),
        }
    }
}

fn copy_bytes(from: &OwnedFd, to: &OwnedFd, len: u64) -> Result<(), Errno> {
    let mut left = len;
    while left > 0 {
        match copy_file_range(from, None, to, None, usize::try_from(left).unwrap_or(usize::MAX)) {
            Ok(0) => return Err(Errno::IO),
            Ok(taken) => left = left.saturating_sub(taken as u64),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn len(catalogue: &Catalogue, file: &File) -> u64 {
    catalogue.contents[file.content as usize].len
}

/// Where a whole file lies in the store: one for each content, mode and time, for these belong to the file itself.
fn whole(catalogue: &Catalogue, file: &File) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&catalogue.contents[file.content as usize].digest().0);
    for part in [u64::from(file.mode), file.mtime.0.cast_unsigned(), u64::from(file.mtime.1)] {
        hasher.update(&part.to_le_bytes());
    }
    let hex = hasher.finalize().to_hex();
    PathBuf::from(format!("files/{}/{}", &hex[..2], &hex[2..]))
}

/// Fills a new store with whole files.
fn fill(source: &Path, store: &Path) -> Result<()> {
    let entries = scan(source)?;
    let tree = Tree::of(&entries)?;
    let read = Source { dir: source, watch: &Watch::default() };
    let (contents, of_files) = contents_of(Hash::Blake3, read, &tree)?;
    let mut sources = Vec::with_capacity(tree.files.len());
    let mut files = Vec::with_capacity(tree.files.len());
    for ((entry, mut file), content) in tree.files.into_iter().zip(of_files) {
        file.content = content;
        sources.push(source.join(&entry.path));
        files.push(file);
    }
    let (directories, links) = (tree.directories, tree.links);
    let catalogue =
        Catalogue { form: FORM, directories, files, links, contents, blocks: Vec::new(), seals: Vec::new() };
    for top in 0..=255u8 {
        let dir = store.join(format!("files/{top:02x}"));
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    }
    for (from, file) in sources.iter().zip(&catalogue.files) {
        let to = store.join(whole(&catalogue, file));
        if to.exists() {
            continue;
        }
        let putting = || format!("putting {} to {}", from.display(), to.display());
        fs::copy(from, &to).with_context(putting)?;
        let made = fs::File::open(&to).with_context(putting)?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(file.mode & 0o7777)).with_context(putting)?;
        futimens(&made, &times(file.mtime)).with_context(putting)?;
    }
    let path = store.join(NAME);
    fs::write(&path, catalogue.to_bytes()?).with_context(|| format!("writing {}", path.display()))
}

/// Whether a file can have a name in either directory; where it cannot, answers [`Absent`].
fn probe_links(store: &Path, target: &Path) -> Result<()> {
    let (from, to) = (store.join(".assay-probe-from"), target.join(".assay-probe-to"));
    let tried = fs::write(&from, "x").and_then(|()| fs::hard_link(&from, &to));
    for path in [&from, &to] {
        // What was not made cannot be removed.
        let _ = fs::remove_file(path);
    }
    tried.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP) => Absent::because(
            format!("{} and {} lie on file systems that share no files", store.display(), target.display()),
            "name a place with --scratch that holds both: ext4, xfs, btrfs and tmpfs can",
        ),
        _ => anyhow::Error::new(error).context(format!("trying a link at {}", to.display())),
    })
}
