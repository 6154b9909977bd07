//! Kinds of file systems: what each needs, and whether it can be had here.

use super::{FileSystem, Room, withdraw};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use technique::Absent;
use technique::peer::find_program;

/// A file system that can be made for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Memory alone
    Tmpfs,
    /// With a journal, as mkfs makes it
    Ext4,
    /// XFS, as mkfs makes it
    Xfs,
    /// Btrfs, as mkfs makes it
    Btrfs,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Tmpfs, Kind::Ext4, Kind::Xfs, Kind::Btrfs];

    /// Its name, as the kernel has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tmpfs => "tmpfs",
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
            Kind::Btrfs => "btrfs",
        }
    }

    /// The Debian package that its `mkfs` comes with.
    fn package(self) -> &'static str {
        match self {
            Kind::Tmpfs => "mount",
            Kind::Ext4 => "e2fsprogs",
            Kind::Xfs => "xfsprogs",
            Kind::Btrfs => "btrfs-progs",
        }
    }

    /// The program that makes it; none is needed for memory.
    pub fn maker(self) -> Result<Option<PathBuf>, Absent> {
        if self == Kind::Tmpfs {
            return Ok(None);
        }
        let name = format!("mkfs.{}", self.name());
        // Root's own path holds these two, but not every shell of root's does.
        let places = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join(&name));
        let found = find_program(&name).or_else(|| places.into_iter().find(|place| place.is_file()));
        found.map(Some).ok_or_else(|| Absent {
            why: format!("there is no {name}"),
            mend: format!("apt-get install {}", self.package()),
        })
    }

    /// Whether it can be had here, tried out with a small one in `place`, which is ours.
    pub fn possible(self, place: &Path) -> Result<(), Absent> {
        withdraw()?;
        self.maker()?;
        let tried = FileSystem::make(self, &place.join(format!("try-{}", self.name())), Room::default());
        tried.map(drop).map_err(|error| Absent {
            why: format!("{} cannot be made: {error:#}", self.name()),
            mend: format!("load its module (modprobe {}) and that for images (modprobe loop)", self.name()),
        })
    }
}
