//! The work: every file of the fixture is made, written in pieces of 4 KiB and closed, with no kernel between.

use crate::keep::Keep;
use crate::packing::Packing;
use crate::store::{BLOCK, Ino, Layer, Name, Store, read_all};
use crate::tree::{Locks, ROOT, Shape, Tree, tree};
use anyhow::{Context, Result, anyhow};
use fixtures::tree::{Kind, scan};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use technique::phase::CREATE;
use technique::{Absent, Lap, Promise, Promises, Site, Technique};

/// More than this is not written just to see that it is slow.
const MOST_WRITTEN: u64 = 1 << 30;

/// A store, the tree of its names, and how many work at once.
pub(crate) struct Part {
    /// Where bytes go.
    pub(crate) layer: Layer,
    /// What the tree is made of.
    pub(crate) shape: Shape,
    /// How many locks guard it.
    pub(crate) locks: Locks,
    /// How many workers make files; the first makes those with an even number, and so on.
    pub(crate) workers: usize,
}

/// What is to be written, in memory, and where.
pub(crate) struct Ready {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    tree: Box<dyn Tree>,
    store: Box<dyn Store>,
}

impl Technique for Part {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        if self.layer.keep == Keep::WholeTree {
            let files = site.tally.files;
            let written = files * site.tally.bytes / 2;
            if written > MOST_WRITTEN {
                return Err(Absent::because(
                    format!("writing the whole tree {files} times would write {} GiB", written >> 30),
                    "--on create-4k-few has few enough files",
                ));
            }
        }
        let kept = kept(site);
        std::fs::create_dir(&kept).with_context(|| format!("making {}", kept.display()))?;
        let mut ready = Ready {
            directories: Vec::new(),
            files: Vec::new(),
            tree: tree(self.shape, self.locks),
            store: self.layer.open(&kept).context("opening the store")?,
        };
        for entry in scan(&site.source)? {
            let from = site.source.join(&entry.path);
            match entry.kind {
                Kind::Directory => ready.directories.push(entry.path),
                Kind::File { .. } => {
                    let bytes = std::fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
                    ready.files.push((entry.path, bytes));
                }
                Kind::Symlink { .. } | Kind::Other { .. } => {}
            }
        }
        Ok(ready)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let ready = &*ready;
        for directory in &ready.directories {
            let (ino, parent) = make(&*ready.tree, directory)?;
            lap.mark(CREATE);
            ready.store.named(ino, parent, name_of(directory), lap)?;
        }
        if self.workers == 1 {
            write_files(ready, ready.files.iter(), lap)?;
        } else {
            let mut laps = lap.fork(self.workers);
            std::thread::scope(|scope| {
                let threads: Vec<_> = laps
                    .iter_mut()
                    .enumerate()
                    .map(|(first, lap)| {
                        let own = ready.files.iter().skip(first).step_by(self.workers);
                        scope.spawn(move || write_files(ready, own, lap))
                    })
                    .collect();
                threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?)
            })?;
            lap.join(laps);
        }
        Ok(ready.store.drain(lap)?)
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        write_out(&*ready.store, &files_of(&*ready.tree, &ready.files)?, &held(site))?;
        if Technique::promises(self).has(Promise::Durable) {
            // Another store reads what this one has kept, as after a power cut: this one is not asked.
            let (store, names) = self.layer.recover(&kept(site)).context("opening what was kept")?;
            write_out(&*store, &paths_of(&names, &ready.directories), &recovered(site))?;
        }
        Ok(())
    }

    fn promises(&self) -> Promises {
        self.layer.promises()
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        vec![("saved_bytes", ready.store.saved())]
    }
}

impl Layer {
    /// What a store of these knobs guarantees.
    pub fn promises(&self) -> Promises {
        match self.keep {
            // What only the queue, the buffer or the map knows is not on disk.
            _ if self.behind || self.buffer > 0 || self.small > 0 => Promises::NONE,
            Keep::Nothing | Keep::Log => Promises::NONE,
            Keep::LogSync | Keep::WholeTree => Promises::NONE.with(Promise::Durable),
        }
    }

    /// Whether anything is compressed.
    pub fn packs(&self) -> bool {
        self.packing != Packing::Never
    }
}

fn write_files<'a>(ready: &Ready, files: impl Iterator<Item = &'a (PathBuf, Vec<u8>)>, lap: &mut Lap) -> Result<()> {
    for (path, bytes) in files {
        let (ino, parent) = make(&*ready.tree, path)?;
        lap.mark(CREATE);
        ready.store.named(ino, parent, name_of(path), lap)?;
        for (at, piece) in (0..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
            ready.store.write(ino, at, piece, lap)?;
        }
        ready.store.closed(ino, lap)?;
    }
    Ok(())
}

/// Makes a name: its number, and its directory's.
fn make(tree: &dyn Tree, path: &Path) -> Result<(Ino, Ino)> {
    let parent = find(tree, path.parent().unwrap_or(Path::new("")))?;
    let made = tree.make(parent, name_of(path));
    Ok((made.map_err(|_| anyhow!("{} was made twice", path.display()))?, parent))
}

fn find(tree: &dyn Tree, path: &Path) -> Result<Ino> {
    path.components().try_fold(ROOT, |parent, name| {
        let found = tree.find(parent, name.as_os_str().as_bytes());
        found.with_context(|| format!("the tree has no {}", path.display()))
    })
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_bytes()
}

/// What the tree calls each file that was written.
fn files_of(tree: &dyn Tree, files: &[(PathBuf, Vec<u8>)]) -> Result<Vec<(PathBuf, Ino)>> {
    files.iter().map(|(path, _)| Ok((path.clone(), find(tree, path)?))).collect()
}

/// What files were called, put together from the names that were kept.
fn paths_of(names: &[Name], directories: &[PathBuf]) -> Vec<(PathBuf, Ino)> {
    let by_ino: HashMap<Ino, &Name> = names.iter().map(|name| (name.ino, name)).collect();
    let path = |ino: Ino| {
        let mut names = Vec::new();
        let mut at = ino;
        while let Some(name) = by_ino.get(&at) {
            names.push(std::ffi::OsStr::from_bytes(&name.name));
            at = name.parent;
        }
        names.iter().rev().collect::<PathBuf>()
    };
    by_ino.keys().map(|ino| (path(*ino), *ino)).filter(|(path, _)| !directories.contains(path)).collect()
}

fn write_out(store: &dyn Store, files: &[(PathBuf, Ino)], into: &Path) -> Result<()> {
    std::fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
    for (path, ino) in files {
        let place = into.join(path);
        let bytes = read_all(store, *ino).with_context(|| format!("reading {} back", path.display()))?;
        let parent = place.parent().unwrap_or(into);
        std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        std::fs::write(&place, bytes).with_context(|| format!("writing {}", place.display()))?;
    }
    Ok(())
}

/// Where a store keeps things.
fn kept(site: &Site) -> PathBuf {
    site.target.join("kept")
}

/// What the store held when the work was done.
pub(crate) fn held(site: &Site) -> PathBuf {
    site.target.join("held")
}

/// What another store found in what this one had kept.
pub(crate) fn recovered(site: &Site) -> PathBuf {
    site.target.join("recovered")
}
