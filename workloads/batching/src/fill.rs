//! The rows: files made from memory, one by one or gathered or spread, directories before the clock or under it.

use crate::create::{self, create};
use crate::directories::{Directories, make_parents, make_up_front};
use crate::spread::Spread;
use anyhow::Result;
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use technique::load::{Load, Whole};
use technique::{Calls, Lap, Promise, Promises, Site, Technique};

/// Makes the source's files from memory.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// Who makes which file.
    pub spread: Spread,
    /// When directories are made under the clock; none where they stand before it starts.
    pub directories: Option<Directories>,
}

/// The source in memory.
pub struct Ready {
    load: Load,
    /// The directories that no file asks for.
    unasked: Vec<(PathBuf, u32)>,
}

impl Technique for Fill {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let load = Load::read(site)?;
        self.make_ready(&load, site)?;
        let unasked = without_files(&load);
        Ok(Ready { load, unasked })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let Ready { load, unasked } = ready;
        let root = load.root.as_fd();
        let no_state = || Ok(());
        match self.directories {
            None => self.spread.each(&load.files, size, lap, no_state, |(), file, lap| create(root, file, lap)),
            Some(Directories::UpFront) => {
                make_up_front(root, fillable(&load.directories), lap)?;
                self.spread.each(&load.files, size, lap, no_state, |(), file, lap| create(root, file, lap))
            }
            Some(Directories::OnDemand) => {
                self.spread.each(&load.files, size, lap, no_state, |(), file, lap| {
                    make_parents(root, &file.path, lap)?;
                    create(root, file, lap)
                })?;
                make_up_front(root, fillable(unasked), lap)?;
                Ok(())
            }
        }
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        ready.load.settle(site)
    }

    fn renew(&self, ready: &mut Ready, site: &Site) -> Result<bool> {
        ready.load.reopen(site)?;
        self.make_ready(&ready.load, site)?;
        Ok(true)
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with(Promise::TimesKept).with(Promise::Independent)
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let load = &ready.load;
        let mut calls = Calls::default();
        for file in &load.files {
            calls.add_all(&create::calls(file));
        }
        match self.directories {
            None => {}
            Some(Directories::UpFront) => calls.add("mkdirat", load.directories.len() as u64),
            Some(Directories::OnDemand) => {
                let mut made = HashSet::new();
                let parents = load.files.iter().filter_map(|file| parent(&file.path));
                let tried: u64 = parents.map(|parent| tries(parent, &mut made)).sum();
                calls.add("mkdirat", tried + ready.unasked.len() as u64);
            }
        }
        Some(calls)
    }
}

impl Fill {
    /// What stands before the clock starts.
    fn make_ready(&self, load: &Load, site: &Site) -> Result<()> {
        if self.directories.is_none() { load.make_directories(site) } else { Ok(()) }
    }
}

fn size(file: &Whole) -> u64 {
    file.bytes.len() as u64
}

/// Directories with modes that let their owner fill them; `settle` takes away what the source lacks.
fn fillable(directories: &[(PathBuf, u32)]) -> impl Iterator<Item = (&Path, u32)> {
    directories.iter().map(|(path, mode)| (path.as_path(), mode | 0o700))
}

fn without_files(load: &Load) -> Vec<(PathBuf, u32)> {
    let asked: HashSet<&Path> = load.files.iter().flat_map(|file| file.path.ancestors()).collect();
    load.directories.iter().filter(|(path, _)| !asked.contains(path.as_path())).cloned().collect()
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// How often a directory is tried, given those that are made: once, and where its own parent is missing, the parent's
/// tries and once more.
fn tries<'a>(directory: &'a Path, made: &mut HashSet<&'a Path>) -> u64 {
    if !made.insert(directory) {
        return 1;
    }
    match parent(directory) {
        Some(above) if !made.contains(above) => tries(above, made) + 2,
        _ => 1,
    }
}
