//! File systems that are made for a run: a condition of a trial, never of a technique.
//!
//! They are mounted where only this process and those that it starts see them. So nothing stays mounted however the
//! process ends, and no loop device is kept: the kernel gives both back with the last process. What a kill leaves is the
//! image, a file in the scratch place, and the next run that works there sweeps it.

mod kind;
mod make;

pub use kind::Kind;
pub use make::{FileSystem, Room};

use crate::progress::Telling;
use anyhow::{Context, Result};
use fixtures::Fixture;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use technique::Absent;

/// The condition that a user wishes for: the file system on which sources and targets stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The file system; none means that of the scratch place, and sources where they lie.
    pub kind: Option<Kind>,
}

impl Wish {
    /// The file system as a record names it, where that of the scratch place is `scratch`.
    pub fn name(self, scratch: &str) -> String {
        match self.kind {
            None => scratch.to_owned(),
            Some(Kind::Tmpfs) => Kind::Tmpfs.name().to_owned(),
            Some(kind) => format!("{} (image on {scratch})", kind.name()),
        }
    }

    /// The word by which it is asked for.
    pub fn word(self) -> &'static str {
        self.kind.map_or("the scratch place", Kind::name)
    }

    fn possible(self, cold: bool, place: &Path) -> Result<(), Absent> {
        let Some(kind) = self.kind else { return Ok(()) };
        if cold && kind == Kind::Tmpfs {
            let mend = "leave it away from --fs, or leave --cold away".to_owned();
            return Err(Absent { why: "it is memory, and nothing on it is cold".to_owned(), mend });
        }
        kind.possible(place)
    }

    /// Makes it real in `dir`, which must not exist yet, with the fixture's tree, made by that recipe, on it.
    pub fn grant(self, dir: &Path, fixture: &Fixture, recipe: &str, telling: Telling) -> Result<Option<Granted>> {
        let Some(kind) = self.kind else { return Ok(None) };
        let file_system = FileSystem::make(kind, dir, Room::of(&fixture.tally))?;
        // A directory of our own: some file systems have one of theirs at the root.
        let place = file_system.path().join("stage");
        std::fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        let fixture = crate::fixture::make_at(fixture, recipe, &place.join("source"), telling)?;
        file_system.settle()?;
        Ok(Some(Granted { place, fixture, _file_system: file_system }))
    }
}

/// A wish that came true, until it is dropped.
pub struct Granted {
    /// Where stages may be set.
    pub place: PathBuf,
    /// The fixture, its tree on that file system.
    pub fixture: Fixture,
    _file_system: FileSystem,
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
        return Err(Absent { why, mend: "run as root, or leave --fs away".into() });
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
        let of = |kind| Wish { kind }.name("tmpfs");
        assert_eq!(of(None), "tmpfs");
        assert_eq!(of(Some(Kind::Tmpfs)), "tmpfs");
        assert_eq!(of(Some(Kind::Xfs)), "xfs (image on tmpfs)");
    }
}
