//! In bulk: some file systems tell of all their inodes in the order in which they lie, without a name being looked up.
//! What is told is kept by inode, and joined with the names that directories list.
//!
//! What this gives up: it needs root; it reads the whole file system (or subvolume), however small the tree; it keeps
//! an entry for each inode in memory; and what only memory knows has to be written out first, under the clock, for both
//! tell what the disk holds.

mod btrfs;
mod kernel;
mod xfs;

use crate::meta::Meta;
use anyhow::{Context, Result};
use rustix::fs::fstatfs;
use rustix::io::Errno;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::BorrowedFd;
use std::path::Path;
use technique::Absent;

/// Who tells of all inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// XFS, by its bulkstat.
    Xfs,
    /// Btrfs, by a search of its tree.
    Btrfs,
}

impl Bulk {
    fn name(self) -> &'static str {
        match self {
            Bulk::Xfs => "xfs",
            Bulk::Btrfs => "btrfs",
        }
    }

    /// Whether the tree lies on such a file system, and we may ask it: answers [`Absent`] where not.
    pub(crate) fn probe(self, source: &Path) -> Result<()> {
        let root = crate::place::open_root(source).context("opening the source")?;
        let magic = match self {
            Bulk::Xfs => 0x5846_5342,
            Bulk::Btrfs => 0x9123_683e,
        };
        let found = fstatfs(&root).with_context(|| format!("asking of what kind {} is", source.display()))?;
        let name = self.name();
        if u64::from_ne_bytes(found.f_type.to_ne_bytes()) != magic {
            return Err(Absent::because(
                format!("the tree does not lie on {name}"),
                format!("as root: assay run walk --fs {name}"),
            ));
        }
        match self.first(std::os::fd::AsFd::as_fd(&root)) {
            Ok(()) => Ok(()),
            Err(Errno::PERM | Errno::ACCESS) => {
                Err(Absent::because(format!("{name} tells nobody but root of all inodes"), "run as root"))
            }
            Err(errno) => {
                Err(Absent::because(format!("this kernel's {name} does not: {errno}"), "boot Linux 5.3 or newer"))
            }
        }
    }

    /// Asks for one inode.
    fn first(self, root: BorrowedFd<'_>) -> Result<(), Errno> {
        match self {
            Bulk::Xfs => xfs::first(root),
            Bulk::Btrfs => btrfs::first(root),
        }
    }

    /// What it tells of all inodes, of that device.
    pub(crate) fn table(self, root: BorrowedFd<'_>, device: u64) -> Result<Table> {
        let mut table = Table::default();
        let mut keep = |meta: Meta| {
            table.0.insert(meta.inode, Meta { device, ..meta });
        };
        let told = match self {
            Bulk::Xfs => xfs::all(root, &mut keep),
            Bulk::Btrfs => btrfs::all(root, &mut keep),
        };
        told.with_context(|| format!("asking {} of all inodes", self.name()))?;
        Ok(table)
    }
}

/// What was told, by inode.
#[derive(Default)]
pub(crate) struct Table(HashMap<u64, Meta, BuildHasherDefault<Mixed>>);

impl Table {
    /// What was told of an inode; nothing where it came later.
    pub(crate) fn get(&self, inode: u64) -> Option<Meta> {
        self.0.get(&inode).copied()
    }
}

/// Inodes are numbers that nobody chooses to collide: one multiplication spreads them.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// The field of a record that begins at that byte.
fn field<const LEN: usize>(record: &[u8], at: usize) -> [u8; LEN] {
    record[at..at + LEN].try_into().expect("it is as long as asked")
}
