//! File systems that are made for a run: a condition of a trial, never of a technique.
//!
//! They are mounted where only this process and those that it starts see them. So nothing stays mounted however the
//! process ends, and no loop device is kept: the kernel gives both back with the last process. What a kill leaves is the
//! image, a file in the scratch place, and the next run that works there sweeps it.

mod kind;
mod make;
mod slow;

pub use kind::Kind;
pub use make::{FileSystem, Room};
pub use slow::{Slow, arm};

use crate::progress::Telling;
use anyhow::{Context, Result};
use fixtures::Fixture;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::Absent;

/// The condition that a user wishes for: the file system on which sources and targets stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The file system; none means that of the scratch place, and sources where they lie.
    pub kind: Option<Kind>,
    /// How much later each answer about a name of the source comes; none means as soon as it can.
    pub latency: Option<Duration>,
    /// Whether trees were written to the file system, and removed again, before anything is measured on it.
    pub aged: bool,
}

/// So many trees are written and removed where a file system is to be aged.
const AGES: u32 = 2;

impl Wish {
    /// The file system as a record names it, where that of the scratch place is `scratch`.
    pub fn name(self, scratch: &str) -> String {
        let aged = if self.aged { ", aged" } else { "" };
        let name = match self.kind {
            None => scratch.to_owned(),
            Some(Kind::Tmpfs) => format!("{}{aged}", Kind::Tmpfs.name()),
            Some(kind) => format!("{} (image on {scratch}){aged}", kind.name()),
        };
        self.latency.map_or(name.clone(), |latency| format!("{name}, {latency:?} a lookup"))
    }

    /// The word by which it is asked for.
    pub fn word(self) -> &'static str {
        self.kind.map_or("the scratch place", Kind::name)
    }

    /// Whether it is any.
    pub fn is_none(self) -> bool {
        self == Wish::default()
    }

    fn possible(self, cold: bool, place: &Path) -> Result<(), Absent> {
        if cold && self.kind == Some(Kind::Tmpfs) {
            let mend = "leave it away from --fs, or leave --cold away".to_owned();
            return Err(Absent { why: "it is memory, and nothing on it is cold".to_owned(), mend });
        }
        if self.latency.is_some() {
            Slow::possible(place)?;
        }
        self.kind.map_or(Ok(()), |kind| kind.possible(place))
    }

    /// Makes it real in `dir`, which must not exist yet, with the fixture's tree, made by that recipe, on it.
    pub fn grant(self, dir: &Path, fixture: &Fixture, recipe: &str, telling: Telling) -> Result<Option<Granted>> {
        if self.is_none() {
            return Ok(None);
        }
        let slow = |fixture: &Fixture| {
            let mount = |latency| Slow::mount(&fixture.dir, dir.join("slow"), latency);
            self.latency.map(mount).transpose()
        };
        let Some(kind) = self.kind else {
            std::fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
            let slow = slow(fixture)?;
            return Ok(Some(Granted { place: dir.to_owned(), fixture: fixture.clone(), slow, _file_system: None }));
        };
        let file_system = FileSystem::make(kind, dir, Room::of(&fixture.tally))?;
        // A directory of our own: some file systems have one of theirs at the root.
        let place = file_system.path().join("stage");
        std::fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        let source = crate::fixture::make_at(fixture, recipe, &place.join("source"), telling)?;
        if self.aged {
            age(&file_system, fixture, recipe, telling)?;
        }
        let fixture = source;
        file_system.settle()?;
        let slow = slow(&fixture)?;
        Ok(Some(Granted { place, fixture, slow, _file_system: Some(file_system) }))
    }
}

/// Writes trees and removes them, all of it to the disk: what is free then has been in use, as on a disk in service.
fn age(file_system: &FileSystem, fixture: &Fixture, recipe: &str, telling: Telling) -> Result<()> {
    let place = file_system.path().join("aging");
    std::fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
    for nth in 0..AGES {
        crate::fixture::make_at(fixture, recipe, &place.join(nth.to_string()), telling)?;
    }
    file_system.settle()?;
    crate::removal::remove_tree(&place)
}

/// A wish that came true, until it is dropped.
pub struct Granted {
    /// Where stages may be set.
    pub place: PathBuf,
    /// The fixture, its tree on that file system.
    pub fixture: Fixture,
    /// The slow view of that tree, where one was wished for. It goes before what it shows.
    pub slow: Option<Slow>,
    _file_system: Option<FileSystem>,
}

/// The wishes that cannot be granted here, and why, each tried out in `place`, which is ours.
pub fn refused(wishes: &[Wish], cold: bool, withdrawn: &Result<(), Absent>, place: &Path) -> Vec<(Wish, Absent)> {
    let possible = |wish: Wish| withdrawn.clone().and_then(|()| wish.possible(cold, place));
    wishes.iter().filter_map(|wish| Some((*wish, possible(*wish).err()?))).collect()
}

thread_local! {
    static WITHDRAWN: Cell<bool> = const { Cell::new(false) };
}

/// From here on, what this thread mounts is seen by this thread, by threads and processes that it starts, and by
/// nobody else. It has to come before any thread that is to see such a mount.
pub fn withdraw() -> Result<(), Absent> {
    if !rustix::process::geteuid().is_root() {
        let why = "only root may mount a file system".to_owned();
        return Err(Absent { why, mend: "run as root, or leave --fs and --latency away".into() });
    }
    if WITHDRAWN.get() {
        return Ok(());
    }
    let nothing = None::<&str>;
    // What others unmount meanwhile goes here, too: a disk that is to be taken out must not be held.
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_SLAVE, nothing))
        .map_err(|error| Absent {
            why: format!("file systems cannot be mounted here: {error}"),
            mend: "run where root has the capability SYS_ADMIN: not in a container without it".into(),
        })?;
    WITHDRAWN.set(true);
    Ok(())
}

/// Loop devices that still hold an image of ours though its run is gone: none, unless somebody else keeps them.
pub fn left_behind() -> Vec<String> {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices
        .filter_map(|device| {
            let file = std::fs::read_to_string(device.path().join("loop/backing_file")).ok()?;
            let name = device.file_name();
            file.contains(make::IMAGE).then(|| format!("/dev/{} on {}", name.display(), file.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_on_what_an_image_lies() {
        let of = |kind| Wish { kind, ..Wish::default() }.name("tmpfs");
        assert_eq!(of(None), "tmpfs");
        assert_eq!(of(Some(Kind::Tmpfs)), "tmpfs");
        assert_eq!(of(Some(Kind::Xfs)), "xfs (image on tmpfs)");
        let slow = Wish { kind: Some(Kind::Tmpfs), latency: Some(Duration::from_micros(1500)), aged: false };
        assert_eq!(slow.name("ext4"), "tmpfs, 1.5ms a lookup");
        let aged = Wish { kind: Some(Kind::Ext4), aged: true, ..Wish::default() };
        assert_eq!(aged.name("tmpfs"), "ext4 (image on tmpfs), aged");
    }
}
